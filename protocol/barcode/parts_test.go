package barcode

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// ssi makes a packet as a scanner sends it.
func ssi(status, kind byte, data string) []byte {
	p := append([]byte{byte(5 + len(data)), ssiDecodeData, 0, status, kind}, data...)
	var sum uint16
	for _, c := range p {
		sum += uint16(c)
	}
	return append(p, byte(-sum>>8), byte(-sum&0xff))
}

// TestScansInParts: a scan that comes in several packets is one, however often a packet is sent again; half a scan is none.
func TestScansInParts(t *testing.T) {
	const qr, code128 = 0x1C, 0x03
	long := strings.Repeat("0123456789", 60)
	join := func(p ...[]byte) []byte { return bytes.Join(p, nil) }
	for _, tt := range []struct {
		name string
		raw  []byte
		want string // texts and errors
	}{
		{"three packets", join(ssi(2, qr, long[:200]), ssi(2, qr, long[200:400]), ssi(0, qr, long[400:]+"\r")), long},
		{"sent again in the middle", join(ssi(2, qr, "AB"), ssi(3, qr, "AB"), ssi(3, qr, "AB"), ssi(0, qr, "CD")), "ABCD"},
		{"the same data twice in one scan", join(ssi(2, qr, "AB"), ssi(2, qr, "AB"), ssi(0, qr, "AB")), "ABABAB"},
		{"another scan afterwards", join(ssi(2, qr, "AB"), ssi(0, qr, "CD"), ssi(0, code128, "EF")), "ABCD,EF"},
		{"the rest never came, another kind follows", join(ssi(2, qr, "AB"), ssi(0, code128, "EF")), "truncated,EF"},
		{"the rest never came", ssi(2, qr, "AB"), "truncated"},
		{"a damaged packet between", join(ssi(2, qr, "AB"), append(ssi(2, qr, "XX")[:8], 0), ssi(0, qr, "CD")), "checksum,ABCD"},
		{"more than any symbol holds", join(bytes.Repeat(ssi(2, qr, long[:200]), 60), ssi(0, qr, "Z"), ssi(0, qr, "next")), "length,next"},
	} {
		var got []string
		for _, s := range Decode(Profile{SSI: true}, tt.raw, today) {
			if s.Error != "" {
				s.Text = string(s.Error)
			}
			got = append(got, s.Text)
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestTheRestOfAnotherScan: a scanner that gave up a scan in the middle does not finish it with the next one.
func TestTheRestOfAnotherScan(t *testing.T) {
	now := today
	d := NewDecoder(Profile{SSI: true}, func() time.Time { return now })
	if s := d.Feed(ssi(2, 0x1C, "AB")); len(s) != 1 || !s[0].Part {
		t.Fatalf("%+v", s)
	}
	if s := d.Idle(); len(s) != 0 {
		t.Fatalf("a pause between packets gives %+v", s)
	}
	now = now.Add(partLimit + time.Second)
	s := d.Feed(ssi(0, 0x1C, "CD"))
	if len(s) != 2 || s[0].Error != ErrTruncated || s[1].Text != "CD" {
		t.Errorf("%+v", s)
	}
}

// TestACutBetweenParts: when the line is cut between two packets of a scan, the rest that is sent again finishes that scan, and is no
// scan of its own; a scan that begins anew is not taken for the rest.
func TestACutBetweenParts(t *testing.T) {
	const qr = 0x1C
	for _, tt := range []struct {
		name string
		then [][]byte
		want string
	}{
		{"the rest, sent again", [][]byte{ssi(1, qr, "CD")}, "ABCD"},
		{"the packet before, sent again, and the rest", [][]byte{ssi(3, qr, "AB"), ssi(0, qr, "CD")}, "ABCD"},
		{"the rest in two", [][]byte{ssi(3, qr, "CD"), ssi(0, qr, "EF")}, "ABCDEF"},
		{"the scan anew", [][]byte{ssi(2, qr, "AB"), ssi(0, qr, "CD")}, "truncated,ABCD"},
		{"another scan", [][]byte{ssi(0, qr, "EF")}, "truncated,EF"},
	} {
		d := NewDecoder(Profile{SSI: true}, func() time.Time { return today })
		scans := append(d.Feed(append(ssi(2, qr, "AB"), ssi(0, qr, "CD")[:4]...)), d.Cut()...)
		if n := len(scans); n != 2 || scans[1].Error != ErrTruncated {
			t.Fatalf("%s: %+v", tt.name, scans)
		}
		var got []string
		for _, b := range tt.then {
			for _, s := range d.Feed(b) {
				if s.Error != "" {
					got = append(got, string(s.Error))
				} else if !s.Part {
					got = append(got, s.Text)
				}
			}
		}
		if strings.Join(got, ",") != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

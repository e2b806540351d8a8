package simulate

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/protocol/barcode"
)

func profile(t testing.TB, name string) Profile {
	t.Helper()
	p, err := FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFrames(t *testing.T) {
	const gs1 = "]C1010690123456789210LOT\x1d2145"
	for _, c := range []struct{ profile, scan, want string }{
		{"raw", "]E06901234567892\n", "]E06901234567892\n"},
		{"plain", "]E06901234567892\r\n", "6901234567892\r"},
		{"plain", "6901234567892", "6901234567892\r"},
		{"silent", "]E06901234567892\r", "6901234567892"},
		{"aim", "]E06901234567892", "]E06901234567892\r"},
		{"stx", gs1, "\x02" + gs1 + "\x03"},
		{"codeid-zebra", "]E06901234567892", "A6901234567892\r\n"},
		{"codeid-zebra", "]A0X", "BX\r\n"},
		{"codeid-zebra", "]C0X", "DX\r\n"},
		{"codeid-zebra", gs1, "K" + gs1[3:] + "\r\n"},
		{"codeid-zebra", "]d2010690", "P0G010690\r\n"},
		{"codeid-zebra", "]Q1x", "P01x\r\n"},
		{"codeid-zebra", "]Q3x", "P0Qx\r\n"},
		{"codeid-zebra", "]d1x", "P00x\r\n"},
		{"codeid-zebra", "]I116", "F16\r\n"},
		{"codeid-datalogic", "]E406901234", "A06901234\r\n"},
		{"codeid-datalogic", "]E06901234567892", "B6901234567892\r\n"},
		{"codeid-datalogic", gs1, "k" + gs1[3:] + "\r\n"},
		{"codeid-datalogic", "]d2x", "error"},
		{"codeid-zebra", "6901234567892", "error"},
		{"gs-sub", gs1, "]C1010690123456789210LOT|2145\r"},
		// The sum of 12 F3 0B and the digits is 03BE.
		{"ssi", "]E06901234567892", "\x12\xf3\x00\x00\x0b6901234567892\xfc\x42"},
		{"ssi", "6901234567892", "error"},
		{"ssi", "]C0" + strings.Repeat("x", 251), "error"},
	} {
		got, err := profile(t, c.profile).Frame([]byte(c.scan))
		if (err != nil) != (c.want == "error") || err == nil && string(got) != c.want {
			t.Errorf("%s %q: %q, %v, want %q", c.profile, c.scan, got, err, c.want)
		}
	}
	if _, err := FindProfile("wand"); err == nil {
		t.Error("found a profile that there is not")
	}
}

// What a profile sends, the decoder of the nodes reads with the words of that profile.
func TestFramesAreDecoded(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct{ profile, tags string }{
		{"raw", ""}, {"plain", ""}, {"silent", ""}, {"aim", ""}, {"stx", ""}, {"ssi", "frame=ssi"}, {"codeid-zebra", "codeid=zebra"},
		{"codeid-datalogic", "codeid=datalogic"}, {"gs-sub", "gs=|"}, {"honeywell", ""}, {"newland", ""},
	} {
		for _, scan := range []string{"]E06901234567892", "]C10106901234567892" + "10LOT7\x1d2145"} {
			p := profile(t, c.profile)
			raw, err := p.Frame([]byte(scan))
			if err != nil {
				t.Fatal(err)
			}
			scans := barcode.Decode(barcode.ParseProfile(c.tags), raw, now)
			if len(scans) != 1 {
				t.Errorf("%s %q: %d scans", c.profile, raw, len(scans))
				continue
			}
			if scans[0].Error != "" && !p.DropID { // without an identifier GS1 data is any text
				t.Errorf("%s %q: %v", c.profile, raw, scans[0].Error)
			}
		}
	}
}

func TestSSIPackets(t *testing.T) {
	if got := ssiPacket(ssiAck, fromHost, 0, nil); !bytes.Equal(got, []byte{0x04, 0xD0, 0x04, 0x00, 0xFF, 0x28}) {
		t.Errorf("acknowledgement %X", got)
	}
	first := ssiPacket(ssiDecodeData, fromScanner, 0, []byte("\x03ABC"))
	second := again(first)
	if second[3] != ssiResent || !bytes.Equal(second[4:8], first[4:8]) || again(second)[3] != ssiResent {
		t.Errorf("sent %X, then %X", first, second)
	}
	sum := uint16(second[len(second)-2])<<8 | uint16(second[len(second)-1])
	for _, b := range second[:len(second)-2] {
		sum += uint16(b)
	}
	if sum != 0 {
		t.Errorf("checksum of %X", second)
	}
}

func newGun(t *testing.T, o GunOptions) (*Gun, *host) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "scanner")
	g, err := NewGun(link, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g, openHost(t, link)
}

func scanKinds(g *Gun) (all []ScanEventKind) {
	for _, e := range g.Events() {
		all = append(all, e.Kind)
	}
	return all
}

func TestScannerWaitsForAcknowledgement(t *testing.T) {
	g, h := newGun(t, GunOptions{Profile: profile(t, "ssi"), AckTime: time.Hour})
	packet, err := g.o.Profile.Frame([]byte("]C0BIN:A-01-1"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- g.Scan(t.Context(), 7, []byte("]C0BIN:A-01-1")) }()
	h.wants(packet)
	h.write(ssiPacket(ssiNak, fromHost, 0, []byte{ssiNakResend}))
	want := slices.Concat(packet, again(packet))
	h.wants(want)
	select {
	case err := <-done:
		t.Fatalf("scan ends without an acknowledgement: %v", err)
	default:
	}
	ack := ssiPacket(ssiAck, fromHost, 0, nil)
	h.write(ack[:3]) // in two pieces
	h.write(ack[3:])
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	h.wants(want) // an acknowledgement is not acknowledged
	if got := scanKinds(g); !slices.Equal(got, []ScanEventKind{ScanSent, ScanRefused, ScanResent, ScanAcknowledged}) {
		t.Errorf("events %v", got)
	}
	if e := g.Events()[0]; e.Line != 7 || !bytes.Equal(e.Raw, packet) {
		t.Errorf("event %+v", e)
	}
}

func TestScannerGivesUp(t *testing.T) {
	g, h := newGun(t, GunOptions{Profile: profile(t, "ssi"), AckTime: 10 * time.Millisecond, Tries: 3})
	if err := g.Scan(t.Context(), 1, []byte("]C0x")); !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("scan: %v", err)
	}
	first, err := g.o.Profile.Frame([]byte("]C0x"))
	if err != nil {
		t.Fatal(err)
	}
	h.wants(slices.Concat(first, again(first), again(first)))
	if got := scanKinds(g); !slices.Equal(got, []ScanEventKind{ScanSent, ScanResent, ScanResent, ScanLost}) {
		t.Errorf("events %v", got)
	}
	// An acknowledgement that comes too late is not taken for one of the next scan.
	h.write(ssiPacket(ssiAck, fromHost, 0, nil))
	eventually(t, "late acknowledgement", func() bool { return slices.Contains(scanKinds(g), ScanAcknowledged) })
	if err := g.Scan(t.Context(), 2, []byte("]C0y")); !errors.Is(err, ErrNotAcknowledged) {
		t.Errorf("next scan: %v", err)
	}
}

func TestUnplugEndsWaitingForAcknowledgement(t *testing.T) {
	g, h := newGun(t, GunOptions{Profile: profile(t, "ssi"), AckTime: time.Hour})
	done := make(chan error, 1)
	go func() { done <- g.Scan(t.Context(), 1, []byte("]C0x")) }()
	eventually(t, "packet", func() bool { return len(h.got.all()) > 0 })
	g.Unplug()
	if err := <-done; !errors.Is(err, ErrUnplugged) {
		t.Errorf("scan: %v", err)
	}
}

func TestScannersObey(t *testing.T) {
	ssi := func(opcode byte, data ...byte) string { return string(ssiPacket(opcode, fromHost, 0, data)) }
	for _, c := range []struct {
		profile, in string
		want        []ScanEvent
	}{
		{"codeid-zebra", "\x07?\x07", []ScanEvent{{Kind: ScanBeep, Text: "good"}, {Kind: ScanReceived}, {Kind: ScanBeep, Text: "good"}}},
		{"plain", "\x07BF", []ScanEvent{{Kind: ScanReceived}}},
		{"codeid-datalogic", "B\x01FTXDER", []ScanEvent{{Kind: ScanBeep, Text: "good"}, {Kind: ScanBeep, Text: "good"}, {Kind: ScanBeep, Text: "bad"}, {Kind: ScanTrigger, Text: "on"},
			{Kind: ScanTrigger, Text: "off"}, {Kind: ScanReading, Text: "off"}, {Kind: ScanReading, Text: "on"}, {Kind: ScanCommand, Text: "reset"}}},
		{"honeywell", "\x16\x07\r\x16T\r\x16U\rx\x16M\rPAP232.", []ScanEvent{{Kind: ScanBeep, Text: "good"}, {Kind: ScanTrigger, Text: "on"}, {Kind: ScanTrigger, Text: "off"},
			{Kind: ScanReceived}, {Kind: ScanCommand, Text: "PAP232."}}},
		{"newland", "~\x010000@QRYSYS;\x03~\x010000#SCNMOD0;\x03", []ScanEvent{{Kind: ScanCommand, Text: "@QRYSYS"}, {Kind: ScanCommand, Text: "#SCNMOD0"}}},
		{"ssi", ssi(ssiBeep, 9) + ssi(ssiLEDOn, 1) + ssi(ssiLEDOff, 1) + ssi(ssiStart) + ssi(ssiStop) + ssi(ssiDisable) + ssi(ssiEnable) + ssi(0xC6, 1),
			[]ScanEvent{{Kind: ScanBeep, Text: "9"}, {Kind: ScanLED, Text: "on"}, {Kind: ScanLED, Text: "off"}, {Kind: ScanTrigger, Text: "on"}, {Kind: ScanTrigger, Text: "off"},
				{Kind: ScanReading, Text: "off"}, {Kind: ScanReading, Text: "on"}, {Kind: ScanCommand, Text: "opcode C6"}}},
	} {
		for size := 1; size <= len(c.in); size += max(1, len(c.in)-1) { // byte by byte, and all at once
			r := commandReader{vendor: profile(t, c.profile).Vendor}
			var got []ScanEvent
			for part := range slices.Chunk([]byte(c.in), size) {
				got = append(got, r.take(part)...)
			}
			raw := ""
			merged := got[:0:0]
			for _, e := range got {
				raw += string(e.Raw)
				if e.Raw = nil; e.Kind == ScanReceived && len(merged) > 0 && merged[len(merged)-1].Kind == ScanReceived {
					continue
				}
				merged = append(merged, e)
			}
			if !slices.EqualFunc(merged, c.want, func(a, b ScanEvent) bool { return a.Kind == b.Kind && a.Text == b.Text }) || raw != c.in {
				t.Errorf("%s %q in pieces of %d: %+v, want %+v", c.profile, c.in, size, merged, c.want)
			}
		}
	}
}

func TestSSIScannerAnswersCommands(t *testing.T) {
	_, h := newGun(t, GunOptions{Profile: profile(t, "ssi")})
	h.write(ssiPacket(ssiBeep, fromHost, 0, []byte{1}))
	want := []byte{0x04, 0xD0, 0x00, 0x00, 0xFF, 0x2C}
	h.wants(want)
	h.write(ssiPacket(0xC6, fromHost, 0, []byte{1})) // not understood
	want = append(want, ssiPacket(ssiNak, fromScanner, 0, []byte{ssiNakNo})...)
	h.wants(want)
}

func TestHostKeepsScannerFromReading(t *testing.T) {
	for name, words := range map[string]struct{ off, on []byte }{
		"ssi":              {ssiPacket(ssiDisable, fromHost, 0, nil), ssiPacket(ssiEnable, fromHost, 0, nil)},
		"codeid-datalogic": {[]byte("F"), []byte("E")},
	} {
		g, h := newGun(t, GunOptions{Profile: profile(t, name), AckTime: time.Millisecond, Tries: 1})
		h.write(words.off)
		eventually(t, "reading is off", func() bool { g.mu.Lock(); defer g.mu.Unlock(); return g.off })
		short, stop := context.WithTimeout(t.Context(), 30*time.Millisecond)
		if err := g.Scan(short, 1, []byte("]C0x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: scan while disabled: %v", name, err)
		}
		stop()
		h.write(words.on)
		if err := g.Scan(t.Context(), 1, []byte("]C0x")); err != nil && !errors.Is(err, ErrNotAcknowledged) {
			t.Errorf("%s: scan: %v", name, err)
		}
		if !slices.Contains(scanKinds(g), ScanSent) {
			t.Errorf("%s: events %v", name, scanKinds(g))
		}
	}
}

func TestHalfScan(t *testing.T) {
	g, h := newGun(t, GunOptions{Profile: profile(t, "aim")})
	if err := g.HalfScan(t.Context(), 3, []byte("]E06901234567892")); err != nil {
		t.Fatal(err)
	}
	h.wantsEnd()
	if e := g.Events()[0]; e.Kind != ScanCut || e.Line != 3 || string(e.Raw) != "]E069012" {
		t.Errorf("event %+v", e)
	}
	if err := g.Replug(); err != nil {
		t.Fatal(err)
	}
	h = openHost(t, g.line.link)
	if err := g.Scan(t.Context(), 3, []byte("]E06901234567892")); err != nil {
		t.Fatal(err)
	}
	h.wants([]byte("]E06901234567892\r"))
}

// Nothing that a host writes is lost or made up, and no scanner stops listening.
func FuzzCommands(f *testing.F) {
	f.Add(uint8(0), []byte("\x07\x16\x07\r"))
	f.Add(uint8(1), ssiPacket(ssiBeep, fromHost, 0, []byte{1}))
	f.Add(uint8(2), []byte("\x16M\rPAP232.\x16\x07\r"))
	f.Add(uint8(3), []byte("BFDE"))
	f.Add(uint8(4), []byte("~\x010000@QRYSYS;\x03"))
	f.Fuzz(func(t *testing.T, vendor uint8, in []byte) {
		r := commandReader{vendor: Vendors()[int(vendor)%len(Vendors())]}
		var out []byte
		for part := range slices.Chunk(in, 7) {
			for _, e := range r.take(part) {
				if len(e.Raw) == 0 {
					t.Fatalf("event %+v of nothing", e)
				}
				out = append(out, e.Raw...)
			}
		}
		if out = append(out, r.buf...); !bytes.Equal(out, in) || len(r.buf) >= maxCommand+7 {
			t.Fatalf("made %q of %q", out, in)
		}
	})
}

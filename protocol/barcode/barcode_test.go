package barcode

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

var today = time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)

type vector struct {
	line    int
	raw     []byte
	want    string
	profile Profile
}

func vectors(t testing.TB) []vector {
	t.Helper()
	f, err := os.Open("testdata/scans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []vector
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' {
			continue
		}
		cols := strings.Split(line, "\t")
		raw, err := strconv.Unquote(cols[0])
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		out = append(out, vector{n, []byte(raw), cols[1], ParseProfile(cols[2])})
	}
	return out
}

func asJSON(t testing.TB, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

func scansJSON(t testing.TB, scans []Scan) any {
	t.Helper()
	if scans == nil {
		scans = []Scan{}
	}
	return asJSON(t, scans)
}

func TestVectors(t *testing.T) {
	all := vectors(t)
	if len(all) != 500 {
		t.Errorf("%d vectors, want 500", len(all))
	}
	for _, v := range all {
		got := scansJSON(t, Decode(v.profile, v.raw, today))
		if want := asJSON(t, json.RawMessage(v.want)); !reflect.DeepEqual(got, want) {
			g, _ := json.Marshal(got)
			t.Errorf("line %d: Decode(%q)\n got %s\nwant %s", v.line, v.raw, g, v.want)
		}
	}
}

// TestChunks: how the bytes are cut into reads makes no difference.
func TestChunks(t *testing.T) {
	for _, v := range vectors(t) {
		want := scansJSON(t, Decode(v.profile, v.raw, today))
		for _, size := range []int{1, 2, 7} {
			d := NewDecoder(v.profile, func() time.Time { return today })
			var got []Scan
			for b := v.raw; len(b) > 0; b = b[min(size, len(b)):] {
				got = append(got, d.Feed(b[:min(size, len(b))])...)
			}
			got = append(got, d.Idle()...)
			if !reflect.DeepEqual(scansJSON(t, got), want) {
				t.Errorf("line %d in chunks of %d: %+v, want %v", v.line, size, got, want)
			}
		}
	}
}

func TestRules(t *testing.T) {
	tests := []struct{ raw, want string }{
		{`]C18110012345612345611110123`, `{"symbology":"GS1-128","ais":{"8110":"012345612345611110123"}}`},
		{`]C1811001234561234561111012`, `{"symbology":"GS1-128","error":"value"}`},
		{`]C18112001234561234560012345`, `{"symbology":"GS1-128","ais":{"8112":"001234561234560012345"}}`},
		{`]C181127012345612345600123456`, `{"symbology":"GS1-128","error":"value"}`},
		{`]C18007FR7630006000011234567890189`, `{"symbology":"GS1-128","ais":{"8007":"FR7630006000011234567890189"}}`},
		{`]C18007FR7630006000011234567890188`, `{"symbology":"GS1-128","error":"value"}`},
		{`]C13910156100`, `{"symbology":"GS1-128","ais":{"3910":"156100"}}`},
		{`]C13910157100`, `{"symbology":"GS1-128","error":"value"}`},
		{`]C1422156`, `{"symbology":"GS1-128","ais":{"422":"156"}}`},
		{`]C17030999ABC`, `{"symbology":"GS1-128","ais":{"7030":"999ABC"}}`},
		{`]C14307CN`, `{"symbology":"GS1-128","ais":{"4307":"CN"}}`},
		{`]C1432409999900`, `{"symbology":"GS1-128","error":"date"}`},
		{`]C13100000001`, `{"symbology":"GS1-128","ais":{"3100":"000001"}}`},
		{"]C131000000013101000002", `{"symbology":"GS1-128","error":"ai_pair"}`},
		{"]C110A\x1d10B\x1d420X\x1d421156Y", `{"symbology":"GS1-128","error":"ai_pair"}`},
		{"]C1717ABC\x1d8040123456789012345", `{"symbology":"GS1-128","ais":{"717":"ABC","8040":"123456789012345"}}`},
		{"]C18043123456789012345678", `{"symbology":"GS1-128","ais":{"8043":"123456789012345678"}}`},
		{"]C18030AB=", `{"symbology":"GS1-128","ais":{"8030":"AB="}}`},
		{"]C18030ABC=", `{"symbology":"GS1-128","error":"value"}`},
		{"]C10106901234567892\x1d\x1d10A", `{"symbology":"GS1-128","error":"unknown_ai"}`},
		{"]C110A\x1d\x1d", `{"symbology":"GS1-128","lot":"A","ais":{"10":"A"}}`},
		{"]E4963850741", `{"symbology":"EAN-8","error":"length"}`},
		{"]E496385074]E212345", `{"symbology":"EAN-8","gtin":"00000096385074","addon":"12345"}`},
		{"]E06901234567892]E1123", `{"symbology":"EAN/UPC","error":"length"}`},
		{"]E06901234567892]E11A", `{"symbology":"EAN/UPC","error":"charset"}`},
		{"]E36901234567892", `{"symbology":"EAN/UPC","error":"length"}`},
		{"]E021234565", `{"symbology":"EAN/UPC","error":"check_digit"}`},
		{"]e1ABC", `{"symbology":"GS1 DataBar","text":"ABC"}`},
		{"]Q2\\999999A", `{"symbology":"QR Code","error":"encoding"}`},
		{"]Q2A\\1B", `{"symbology":"QR Code","text":"A\\1B"}`},
		{"]Q1https://a.cn/01/06901234567892/10/A/21/B", `{"symbology":"QR Code","url":"https://a.cn/01/06901234567892/10/A/21/B","gtin":"06901234567892","lot":"A","serial":"B","ais":{"01":"06901234567892","10":"A","21":"B"}}`},
		{"]Q1https://a.cn/01/06901234567892/21/B/10/A", `{"symbology":"QR Code","url":"https://a.cn/01/06901234567892/21/B/10/A"}`},
		{"]Q1https://a.cn/01/06901234567892?21=B", `{"symbology":"QR Code","url":"https://a.cn/01/06901234567892?21=B"}`},
		{"]Q1https://a.cn/01/6901234567892", `{"symbology":"QR Code","url":"https://a.cn/01/6901234567892"}`},
		{"]Q1Https://a.cn/01/06901234567892", `{"symbology":"QR Code","text":"Https://a.cn/01/06901234567892"}`},
		{"]Q1https://a.cn/01/06901234567892?17=271301", `{"symbology":"QR Code","url":"https://a.cn/01/06901234567892?17=271301"}`},
		{"]Q1https://", `{"symbology":"QR Code","text":"https://"}`},
		{"(10)A(B)C(21)X", `{"guess":true,"lot":"A(B)C","serial":"X","ais":{"10":"A(B)C","21":"X"}}`},
		{"[)>\x1e06\x1d1PABC", `{"text":"[)>\u001e06\u001d1PABC"}`},
		{"96385074", `{"gtin":"00000096385074","guess":true}`},
		{"\x1d10" + strings.Repeat("A", 21), `{"error":"length"}`},
		{strings.Repeat("A", 9000), `{"error":"length"}`},
	}
	for _, tt := range tests {
		got := scansJSON(t, Decode(Profile{}, []byte(tt.raw), today))
		if want := asJSON(t, json.RawMessage("["+tt.want+"]")); !reflect.DeepEqual(got, want) {
			g, _ := json.Marshal(got)
			t.Errorf("Decode(%.60q) = %s, want [%s]", tt.raw, g, tt.want)
		}
	}
}

func TestCentury(t *testing.T) {
	for in, want := range map[string]string{"760101": "2076-01-01", "770101": "1977-01-01", "260200": "2026-02-28", "000229": "2000-02-29", "270229": ""} {
		if got, ok := ExpiryDate(in, today); ok != (want != "") || (ok && got != want) {
			t.Errorf("ExpiryDate(%s) = %s, %v, want %q", in, got, ok, want)
		}
	}
	if got, _ := ExpiryDate("100101", time.Date(2080, 1, 1, 0, 0, 0, 0, time.UTC)); got != "2110-01-01" {
		t.Errorf("in 2080, year 10 is %s, want 2110", got)
	}
}

func TestNoiseIsBounded(t *testing.T) {
	d := NewDecoder(Profile{}, func() time.Time { return today })
	scans := 0
	for range 1000 {
		scans += len(d.Feed(bytes.Repeat([]byte("x"), 1<<10)))
	}
	if len(d.buf) > maxFrame || scans != 1 {
		t.Errorf("after 1 MiB without terminator: %d bytes held, %d scans, want one that says so", len(d.buf), scans)
	}
	got := d.Feed([]byte("\r]E06901234567892\r"))
	if len(got) != 1 || got[0].GTIN == "" {
		t.Errorf("after the noise: %+v, want the next scan whole", got)
	}
	for _, end := range []string{"\x03", "\x02x\x03", ""} { // a frame that began with STX says it once too
		long := Decode(Profile{}, []byte("\x02"+strings.Repeat("x", 2*maxFrame)+end), today)
		if len(long) == 0 || long[0].Error != ErrLength || len(long) > 1 && long[1].Text != "x" {
			t.Errorf("a long frame that ends with %q gives %d scans", end, len(long))
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.raw, v.profile.SSI, v.profile.CodeID, v.profile.GS)
	}
	f.Fuzz(func(t *testing.T, raw []byte, ssi bool, vendor, sub string) {
		p := Profile{SSI: ssi, CodeID: vendor, GS: sub}
		want := scansJSON(t, Decode(p, raw, today))
		d := NewDecoder(p, func() time.Time { return today })
		var got []Scan
		for i := range raw {
			got = append(got, d.Feed(raw[i:i+1])...)
		}
		got = append(got, d.Idle()...)
		if !reflect.DeepEqual(scansJSON(t, got), want) {
			t.Fatalf("%q byte by byte: %v, want %v", raw, got, want)
		}
		for _, s := range got {
			if s.Error != "" && (s.GTIN != "" || s.AIs != nil || s.Text != "") {
				t.Fatalf("%q: an error with content: %+v", raw, s)
			}
		}
	})
}

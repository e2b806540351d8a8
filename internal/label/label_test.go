package label

import (
	"bytes"
	"errors"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// chinese is Debian's fonts-noto-cjk.
func chinese(t testing.TB) *raster.Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	f, err := raster.OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func standard(t testing.TB, id string) Template {
	t.Helper()
	for _, tp := range Standard() {
		if tp.ID == id {
			return tp
		}
	}
	t.Fatalf("no template %s", id)
	return Template{}
}

func commands(t testing.TB, tp Template, v Values, p Printer, face *raster.Typeface) string {
	t.Helper()
	l, err := tp.Layout(v, p, face)
	if err != nil {
		t.Fatalf("%s of %v: %v", tp.ID, v, err)
	}
	return string(l.Commands())
}

// tea is a lot label whose values try to be commands.
func tea() Values {
	return Values{"name": "龙井茶 ^XZ~JA", "sku": "TEA_1", "gtin": "06901234567892", "lot": "L7>8", "expiry": "2027-05-31", "quantity": "12", "unit": "袋", "day": "2026-11-24"}
}

func TestZPL(t *testing.T) {
	got := commands(t, standard(t, "lot"), tea(), Printer{}, nil)
	for _, want := range []string{
		"^XA^CI28^PW480^LL320^LH0,0",
		"^FO16,16^A0N,40,40^FH^FD龙井茶 _5EXZ_7EJA^FS",
		"^FO16,64^A0N,24,24^FH^FDTEA_5F1  12 袋^FS",
		"^BXN,8,200,18,18,,_^FH\\^FD_101069012345678921727053110L7>8^FS",
		"^FD(01)06901234567892^FS", "^FD(17)270531^FS", "^FD(10)L7>8^FS", "^FDLOT L7>8^FS", "^FDEXP 2027-05-31  2026-11-24^FS",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	if !strings.HasSuffix(got, "^PQ1^XZ\r\n") || strings.Count(got, "^XA") != 1 || strings.Count(got, "^XZ") != 1 {
		t.Errorf("%s\nis not one label", got)
	}
}

func TestTSPL(t *testing.T) {
	v := tea()
	v["name"] = `6" nail \"`
	got := commands(t, standard(t, "lot"), v, Printer{Language: TSPL}, nil)
	for _, want := range []string{
		"SIZE 60 mm,40 mm\r\nGAP 2 mm,0\r\nDIRECTION 1\r\nREFERENCE 0,0\r\nCLS\r\n",
		`,"6\["] nail /\["]"` + "\r\n", "\r\nBITMAP 16,96,", ",0,1,1,\"(17)270531\"\r\n", "PRINT 1,1\r\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q\nlacks %q", got, want)
		}
	}
	// Chinese in the printer's own font is GB18030, on a dot scale, and the bars come with the characters chosen here.
	got = commands(t, standard(t, "bin"), Values{"bin": "A-01-1", "bin_name": "收货区"}, Printer{Language: TSPL, Font: "TSS24.BF2"}, nil)
	if !strings.Contains(got, "\"TSS24.BF2\",0,1,1,\"\xca\xd5\xbb\xf5\xc7\xf8\"\r\n") || !strings.Contains(got, `"128M",160,0,0,4,4,"!104BIN:A-01-1"`) {
		t.Errorf("%q", got)
	}
	if got, ok := tsplCode128(symbol.Values{symbol.StartC, symbol.Fnc1, 1, 99, symbol.CodeB, 33, symbol.Fnc1, symbol.CodeC, 21}); !ok || got != "!105!1020199!100A!102!09921" {
		t.Errorf("%q, %t", got, ok)
	}
	// The other polarity is every dot of the bitmaps turned over, and nothing else.
	one := commands(t, standard(t, "lot"), v, Printer{Language: TSPL}, nil)
	two := commands(t, standard(t, "lot"), v, Printer{Language: TSPL, Invert: true}, nil)
	at := strings.Index(one, "BITMAP")
	head := regexp.MustCompile(`^BITMAP \d+,\d+,(\d+),(\d+),0,`).FindString(one[at:])
	if len(one) != len(two) || one[:at+len(head)] != two[:at+len(head)] || one[at+len(head)] != ^two[at+len(head)] {
		t.Error("bitmaps are not turned over")
	}
}

// TestESCPOS: within pictures no status command stands, and the rows add up to the label.
func TestESCPOS(t *testing.T) {
	face := chinese(t)
	for _, tp := range Standard() {
		l, err := tp.Layout(tp.Kind.Sample(), Printer{Language: ESCPOS}, face)
		if err != nil {
			t.Fatal(err)
		}
		b := string(l.Commands())
		for _, bad := range []string{"\x10\x04", "\x10\x05", "\x10\x14"} {
			if strings.Contains(b, bad) {
				t.Errorf("%s holds %q, which printers carry out", tp.ID, bad)
			}
		}
		rest, ok := strings.CutPrefix(b, "\x1b@\x1dP\xcb\xcb\x1b3\x00")
		if !ok {
			t.Fatalf("%s begins with %q", tp.ID, b[:12])
		}
		rows := 0
		for rest != "\x0c" {
			switch {
			case strings.HasPrefix(rest, "\x1dv0\x00"):
				width, height := int(rest[4])|int(rest[5])<<8, int(rest[6])|int(rest[7])<<8
				rest = rest[8+width*height:]
				rows += height
			case strings.HasPrefix(rest, "\x1b$"):
				scale := int(rest[6]&7) + 1
				text, after, ok := strings.Cut(rest[7:], "\n")
				if !ok || rest[4:6] != "\x1d!" || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
					t.Fatalf("%s: %.20q", tp.ID, rest)
				}
				rest = after
				rows += 24 * scale
			default:
				t.Fatalf("%s: what is %.20q?", tp.ID, rest)
			}
		}
		if off := rows - l.Height; off < -8 || off > 8 {
			t.Errorf("%s has %d rows, the label %d", tp.ID, rows, l.Height)
		}
	}
	b := raster.New(24, 1)
	copy(b.Row(0), "\x10\x04\x10")
	var z bytes.Buffer
	rasterBand(&z, b)
	if z.String() != "\x1dv0\x00\x03\x00\x01\x00\x10\x06\x10" {
		t.Errorf("%q", z.String())
	}
}

func TestSymbolChoice(t *testing.T) {
	lot := standard(t, "lot")
	for _, tt := range []struct {
		name string
		add  Values
		want string // a pattern
	}{
		{"no GTIN, no symbol", Values{}, `^[^B]*$`},
		{"GTIN alone: wide bars", Values{"gtin": "06901234567892"}, `\^BY3\^BCN,\d+,N,N,N,N\^FH\^FD>;>80106901234567892\^FS`},
		{"GTIN and expiry", Values{"gtin": "06901234567892", "expiry": "2027-05-31"}, `\^BY2\^BCN,\d+,N,N,N,N\^FH\^FD>;>8010690123456789217270531\^FS.*\^FD\(01\)06901234567892\(17\)270531\^FS`},
		{"GTIN and short lot", Values{"gtin": "06901234567892", "lot": "L>8_"}, `\^BY2\^BCN,\d+,N,N,N,N\^FH\^FD>;>8010690123456789210>6L>08_5F\^FS.*\^FD\(01\)06901234567892\(10\)L>8_5F\^FS`},
		{"lot and serial number", Values{"gtin": "06901234567892", "lot": "L7", "serial": "45"}, `\^BXN,\d,200,18,18,,_\^FH\\\^FD_1010690123456789210L7_12145\^FS`},
		{"long lot and serial number: a matrix", Values{"gtin": "06901234567892", "expiry": "2027-05-31", "lot": "ABCDEFGHIJKLMNOPQRST", "serial": "abcdefghijklmnopqrst"},
			`\^BXN,\d,200,32,32,,_\^FH\\\^FD_10106901234567892172705311` + `0ABCDEFGHIJKLMNOPQRST_121abcdefghijklmnopqrst\^FS`},
		{"underlines", Values{"gtin": "06901234567892", "lot": "A_1B_2C_3D_4E_5F_6G_", "serial": "____________________"}, `10A_1B_2C_3D_4E_5F_6G_#121_{20}\^FS`},
	} {
		v := Values{"name": "tea", "sku": "T"}
		for k, s := range tt.add {
			v[k] = s
		}
		if got := commands(t, lot, v, Printer{}, nil); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

// TestBadgeSignsIn: the ready badge holds what a station takes for one, on printers of either resolution.
func TestBadgeSignsIn(t *testing.T) {
	for _, dpi := range []int{203, 300} {
		v := Badge.Sample()
		v["person"], v["title"], v["badge"] = "Li Lei", "", "STK:BADGE:ABCDEFGHJKLMNPQRST"
		for _, tpl := range Standard() {
			if tpl.Kind != Badge {
				continue
			}
			l, err := tpl.Layout(v, Printer{Language: ZPL, DPI: dpi}, nil)
			if err != nil {
				t.Errorf("%d dpi: %v", dpi, err)
			} else if len(l.Warnings) > 0 {
				t.Errorf("%d dpi: %+v", dpi, l.Warnings)
			}
		}
	}
}

func TestRefuses(t *testing.T) {
	lot := standard(t, "lot")
	for _, tt := range []struct {
		name, key string
		set       Values
	}{
		{"lot in Chinese", "label.bad_value", Values{"lot": "七"}},
		{"lot with a space", "label.bad_value", Values{"lot": "L 7"}},
		{"lot with a command", "label.bad_value", Values{"lot": "L^XZ"}},
		{"lot of 21", "label.bad_value", Values{"lot": "123456789012345678901"}},
		{"serial number with a tilde", "label.bad_value", Values{"serial": "~JA"}},
		{"wrong check digit", "label.bad_value", Values{"gtin": "06901234567893"}},
		{"short GTIN", "label.bad_value", Values{"gtin": "6901234567892"}},
		{"no day", "label.bad_value", Values{"expiry": "2027-02-30"}},
		{"no name", "label.missing", Values{"name": " \x1d"}},
	} {
		v := tea()
		for k, s := range tt.set {
			v[k] = s
		}
		l, err := lot.Layout(v, Printer{}, nil)
		var p *Problem
		if !errors.As(err, &p) || p.Key != tt.key || l != nil {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.key)
		}
	}
	// FNC1 in a lot would begin another element: it is no part of any value.
	v := tea()
	v["lot"] = "L\x1d21X"
	if got := commands(t, lot, v, Printer{}, nil); !strings.Contains(got, "10L21X^FS") {
		t.Errorf("%s", got)
	}
}

// TestTooWide: a symbol that does not fit is refused with the width that it needs, and fits in a label of that width.
func TestTooWide(t *testing.T) {
	tp := Template{ID: "wide", Kind: Bin, Name: "宽", Width: 40, Height: 20, Elements: []Element{
		{Type: Code, X: 0, Y: 2, Width: 40, Height: 10, Content: "BIN:{bin!}", Symbols: []symbol.Kind{symbol.Code128}}}}
	v := Values{"bin": "HALL-7/AISLE-12/SHELF-3"}
	_, err := tp.Layout(v, Printer{}, nil)
	var p *Problem
	if !errors.As(err, &p) || p.Key != "label.too_wide" || p.Args["have"] != "40" {
		t.Fatalf("%v", err)
	}
	need := 0.0
	for _, c := range p.Args["need"] {
		need = need*10 + float64(c-'0')
	}
	tp.Width, tp.Elements[0].Width = need, need
	if _, err := tp.Layout(v, Printer{}, nil); err != nil {
		t.Errorf("%v mm are not enough: %v", need, err)
	}
	tp.Width, tp.Elements[0].Width = need-1, need-1
	if _, err := tp.Layout(v, Printer{}, nil); err == nil {
		t.Errorf("%v mm are asked for where %v would do", need, need-1)
	}
	for _, dpi := range []int{300, 600} {
		if _, err := tp.Layout(v, Printer{DPI: dpi}, nil); err == nil && dpi == 300 {
			t.Errorf("bars of less than %v mm at %d dpi", minModule, dpi)
		}
	}
}

func TestTemplateCheck(t *testing.T) {
	for _, tp := range Standard() {
		if err := tp.Check(); err != nil {
			t.Errorf("%s: %v", tp.ID, err)
		}
		b, err := tp.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseTemplate(b); err != nil {
			t.Errorf("%s: %v", tp.ID, err)
		}
		if len(tp.Fields()) == 0 || tp.Title("en") == tp.Title("zh") {
			t.Errorf("%s has fields %v, titles %q and %q", tp.ID, tp.Fields(), tp.Title("zh"), tp.Title("en"))
		}
		for _, lang := range Languages() {
			if l, err := tp.Layout(tp.Kind.Sample(), Printer{Language: lang}, chinese(t)); err != nil || len(l.Warnings) > 0 {
				t.Errorf("%s in %s: %v, %v", tp.ID, lang, err, l)
			}
		}
	}
	for key, change := range map[string]func(*Template){
		"bad_id": func(t *Template) { t.ID = "A B" }, "bad_kind": func(t *Template) { t.Kind = "x" }, "bad_name": func(t *Template) { t.Name = "" },
		"bad_size": func(t *Template) { t.Width = math.NaN() }, "bad_gap": func(t *Template) { t.Gap = -1 }, "bad_elements": func(t *Template) { t.Elements = nil },
		"element_outside": func(t *Template) { t.Elements[0].X = 59; t.Elements[0].Width = 10 }, "bad_text_size": func(t *Template) { t.Elements[0].Size = 0.5 },
		"unknown_field": func(t *Template) { t.Elements[0].Content = "{recipient}" }, "bad_element_string": func(t *Template) { t.Elements[2].Content = "01{gtin}" },
		"bad_code": func(t *Template) { t.Elements[2].Symbols = []symbol.Kind{symbol.GS1128, symbol.QR} }, "bad_type": func(t *Template) { t.Elements[0].Type = "image" },
		"bad_content": func(t *Template) { t.Elements[0].Content = "" }, "bad_text": func(t *Template) { t.Elements[0].Align = "top" },
	} {
		tp := standard(t, "lot")
		change(&tp)
		var p *Problem
		if err := tp.Check(); !errors.As(err, &p) || p.Key != "label."+key {
			t.Errorf("%v, want %s", err, key)
		}
	}
	for _, bad := range []string{"", "{", "[]", `{"id":"x","kind":"bin"} {}`, `{"id":"x","colour":"red"}`, strings.Repeat(" ", MaxTemplate+1)} {
		var p *Problem
		if _, err := ParseTemplate([]byte(bad)); !errors.As(err, &p) {
			t.Errorf("%.30q: %v", bad, err)
		}
	}
}

func TestTextVanishesWithItsFields(t *testing.T) {
	for _, tt := range []struct {
		content string
		v       Values
		want    string
	}{
		{"LOT {lot}", Values{}, ""}, {"LOT {lot}", Values{"lot": "7"}, "LOT 7"}, {"words", nil, "words"},
		{"{sku}[  {quantity} {unit}]", Values{"sku": "A"}, "A"}, {"{sku}[  {quantity} {unit}]", Values{"sku": "A", "quantity": "2", "unit": "kg"}, "A  2 kg"},
		{"[LOT {lot}  ][EXP {expiry}]", Values{"expiry": "2027-01-01"}, "EXP 2027-01-01"}, {"[LOT {lot}  ][EXP {expiry}]", Values{}, ""},
		{"{name}", Values{"name": "a\x1b@\tb\n"}, "a@ b"},
	} {
		if got, err := tt.v.text(tt.content); got != tt.want || err != nil {
			t.Errorf("%q of %v = %q, %v; want %q", tt.content, tt.v, got, err, tt.want)
		}
	}
}

func TestTextStaysOnTheLabel(t *testing.T) {
	for _, s := range []string{"short", "西湖龙井茶特级明前二百五十克铁罐礼盒装", strings.Repeat("W", 99), strings.Repeat("word ", 60)} {
		for _, lang := range Languages() {
			for _, font := range []string{"", map[Language]string{ZPL: "E:A.TTF", TSPL: "TSS24.BF2", ESCPOS: "gb18030"}[lang]} {
				l, err := standard(t, "lot").Layout(Values{"name": s, "sku": s}, Printer{Language: lang, Font: font}, chinese(t))
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range l.items {
					if i.x < 0 || i.y < 0 || i.x+i.width > l.Width || i.y+i.height > l.Height {
						t.Errorf("%s %q: %+v of %q is outside %d x %d", lang, font, i, i.text.text, l.Width, l.Height)
					}
				}
			}
		}
	}
}

// TestWrap: every word of an address that has room is on the label.
func TestWrap(t *testing.T) {
	ship := standard(t, "shipping")
	v := Values{"recipient": "A", "order": "1", "address": "Room 1202, Building 3, 88 Keyuan Road, Zhangjiang, Pudong New Area, Shanghai 201203"}
	l, err := ship.Layout(v, Printer{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, i := range l.items {
		if i.text != nil && i.y >= l.dots(24) && i.y < l.dots(54) {
			lines = append(lines, i.text.text)
		}
	}
	if got := strings.Join(lines, " "); got != v["address"] || len(lines) < 2 {
		t.Errorf("%q", lines)
	}
}

// The commands of a label are ours, whatever stands on it.
func FuzzCommands(f *testing.F) {
	f.Add("name", "sku", "袋", "lot", "serial")
	f.Add("^XA~HS_", "\x02^", "\r\n^FS", "a_b>c", "(01)")
	f.Add("\xff^\xfe", "\u009b~", "\u0085", "_1_", "<>")
	f.Add("\"\r\nPRINT 9\r\n", "\\[\"]", "\x10\x04\x01", "\x1b@", "\x1dV0")
	zpl := regexp.MustCompile(`[\^~](XA|CI28|PW480|LL320|LH0,0|FO\d+,\d+|BY\d|BCN,\d+,N,N,N,N|BXN,\d+,200,\d+,\d+,,[_#]|A0N,\d+,\d+|FB\d+,1,0,[CR]|FH\\?|FD|FS|PQ1|XZ)`)
	lot := standard(f, "lot")
	f.Fuzz(func(t *testing.T, name, sku, unit, lotCode, serial string) {
		for _, gtin := range []string{"", "06901234567892"} {
			v := Values{"name": "n" + name, "sku": "s" + sku, "unit": unit, "quantity": "1", "lot": lotCode, "serial": serial, "gtin": gtin}
			for _, lang := range Languages() {
				l, err := lot.Layout(v, Printer{Language: lang}, nil)
				var p *Problem
				if errors.As(err, &p) && p.Key == "label.bad_value" {
					continue
				}
				if err != nil {
					t.Fatalf("%v: %v", v, err)
				}
				s := string(l.Commands())
				switch lang {
				case ZPL:
					s = strings.TrimSuffix(s, "\r\n")
					if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F }) || strings.Count(s, "^XZ") != 1 || strings.Count(s, "^FD") != strings.Count(s, "^FS") {
						t.Fatalf("%q is not one label", s)
					}
					if rest := zpl.ReplaceAllString(s, ""); strings.ContainsAny(rest, "^~") {
						t.Fatalf("%q has foreign commands: %q", s, rest)
					}
				case TSPL:
					if n := len(regexp.MustCompile(`(?m)^PRINT`).FindAllString(s, -1)); n != 1 {
						t.Fatalf("%q prints %d times", s, n)
					}
				case ESCPOS:
					if strings.Contains(s, "\x10\x04") || strings.Count(s, "\x1b@") != 1 && !strings.Contains(s, "\x1dv0") {
						t.Fatalf("%q has foreign commands", s)
					}
				}
			}
		}
	})
}

// TestOverlapsAreSaid: what stands on a code, or where it must stay light, is warned of; what only has its place there is not.
func TestOverlapsAreSaid(t *testing.T) {
	code := Element{Type: Code, X: 15, Y: 10, Width: 40, Height: 10, Content: "ABC123", Symbols: []symbol.Kind{symbol.Code128}, Module: 0.25}
	matrix := Element{Type: Code, X: 30, Y: 10, Width: 10, Height: 10, Content: "ABC123", Symbols: []symbol.Kind{symbol.QR}}
	for _, tt := range []struct {
		name        string
		code, other Element
		warned      bool
	}{
		{"text on it", code, Element{Type: Text, X: 20, Y: 12, Width: 30, Size: 4, Content: "LOT L7 0815"}, true},
		{"text under it", code, Element{Type: Text, X: 20, Y: 21, Width: 30, Size: 4, Content: "LOT L7"}, false},
		{"text whose place reaches into it", code, Element{Type: Text, X: 2, Y: 12, Width: 40, Size: 2, Content: "A"}, false},
		{"text at the right whose place reaches into it", code, Element{Type: Text, X: 30, Y: 12, Width: 39, Size: 2, Align: Right, Content: "A"}, false},
		{"a line through it", code, Element{Type: Line, X: 2, Y: 15, Width: 60, Height: 0.3}, true},
		{"a line in its quiet zone", code, Element{Type: Line, X: 22, Y: 8, Width: 0.3, Height: 14}, true},
		{"a frame around it", code, Element{Type: Box, X: 1, Y: 1, Width: 68, Height: 38}, false},
		{"a line over bars, which need no light there", code, Element{Type: Line, X: 2, Y: 9.5, Width: 60, Height: 0.3}, false},
		{"a line over a matrix, which does", matrix, Element{Type: Line, X: 2, Y: 9.5, Width: 60, Height: 0.3}, true},
		{"two codes on each other", code, matrix, true},
	} {
		for _, lang := range Languages() {
			tp := Template{ID: "o", Kind: Item, Name: "o", Width: 70, Height: 40, Elements: []Element{tt.code, tt.other}}
			l, err := tp.Layout(Item.Sample(), Printer{Language: lang}, nil)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if got := len(l.Warnings) > 0; got != tt.warned {
				t.Errorf("%s, %s: %v, want warning %t", tt.name, lang, l.Warnings, tt.warned)
			}
			for _, w := range l.Warnings {
				if w.Key != "label.overlap" || w.Args["element"] == "" || w.Args["other"] == "" {
					t.Errorf("%s: %v", tt.name, w)
				}
			}
		}
	}
	for _, tp := range Standard() {
		for _, lang := range Languages() {
			for _, dpi := range []int{203, 300, 600} {
				if l, err := tp.Layout(tp.Kind.Sample(), Printer{Language: lang, DPI: dpi}, chinese(t)); err != nil || len(l.Warnings) > 0 {
					t.Errorf("%s, %s, %d dpi: %v, %v", tp.ID, lang, dpi, l.Warnings, err)
				}
			}
		}
	}
}

// TestRareCharacters: a character that a printer's own Chinese font can not have is drawn here, in the same label in which the
// printer writes the usual ones; one that nobody can draw is warned of.
func TestRareCharacters(t *testing.T) {
	face := chinese(t)
	tp := Template{ID: "o", Kind: Badge, Name: "o", Width: 60, Height: 40, Elements: []Element{
		{Type: Text, X: 2, Y: 2, Width: 56, Size: 4, Content: "{person}"}, {Type: Text, X: 2, Y: 10, Width: 56, Size: 4, Content: "{title}"}}}
	for _, p := range []Printer{{Language: TSPL, Font: "TSS24.BF2"}, {Language: ESCPOS, Font: "gb18030"}} {
		l, err := tp.Layout(Values{"person": "李䶮", "title": "仓管员"}, p, face)
		if err != nil || len(l.items) != 2 || len(l.Warnings) != 0 {
			t.Fatalf("%s: %+v, %v", p.Language, l, err)
		}
		if l.items[0].text.picture == nil || l.items[1].text.picture != nil {
			t.Errorf("%s: want the rare name as a picture and the usual title in the printer's letters", p.Language)
		}
		if l, err = tp.Layout(Values{"person": "李😀"}, p, face); err != nil || len(l.Warnings) != 1 || l.Warnings[0].Key != "label.no_chinese" {
			t.Errorf("%s: %v, %v: want a warning of what nobody can draw", p.Language, l.Warnings, err)
		}
	}
}

// TestContentWithoutCount: goods on a pallet go with their count.
func TestContentWithoutCount(t *testing.T) {
	for _, tp := range Standard() {
		if tp.Kind != Pallet {
			continue
		}
		v := tp.Kind.Sample()
		delete(v, "quantity")
		l, err := tp.Layout(v, Printer{}, chinese(t))
		if err != nil || len(l.Warnings) != 1 || l.Warnings[0].Key != "label.no_count" {
			t.Errorf("%v, %v", l.Warnings, err)
		}
		v["quantity"] = "1.5"
		var p *Problem
		if _, err := tp.Layout(v, Printer{}, chinese(t)); !errors.As(err, &p) || p.Key != "label.bad_value" || p.Args["ai"] != "37" {
			t.Errorf("a fraction as a count: %v", err)
		}
	}
}

// TestGTINAsEAN13: the field gtin has 14 digits, EAN-13 has 13. A case's GTIN, whose first digit says something, is refused in words.
func TestGTINAsEAN13(t *testing.T) {
	tp := Template{ID: "o", Kind: Item, Name: "o", Width: 60, Height: 40, Elements: []Element{{Type: Code, X: 10, Y: 5, Width: 40, Height: 20, Size: 3, Content: "{gtin}", Symbols: []symbol.Kind{symbol.EAN13}}}}
	for _, lang := range Languages() {
		l, err := tp.Layout(Values{"gtin": "06910420000037"}, Printer{Language: lang}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := l.items[0].symbol.message; got != "6910420000037" || l.items[1].text.text != got {
			t.Errorf("%s: %q with the caption %q", lang, got, l.items[1].text.text)
		}
		var p *Problem
		if _, err = tp.Layout(Values{"gtin": "16910420000034"}, Printer{Language: lang}, nil); !errors.As(err, &p) || p.Key != "label.bad_message" {
			t.Errorf("%s: %v, want a refusal", lang, err)
		}
	}
}

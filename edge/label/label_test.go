package label

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"stockade/protocol/stock"
)

func render(t *testing.T, i Item) string {
	t.Helper()
	z, err := i.Render()
	if err != nil {
		t.Fatalf("%+v: %v", i, err)
	}
	return string(z)
}

func TestRender(t *testing.T) {
	i := Item{Name: "龙井茶 ^XZ~JA", SKU: "TEA_1", GTIN: "06901234567892", Lot: "L7>8", Expiry: "2027-05-31", Quantity: "12 袋", Day: "2026-11-24"}
	got := render(t, i)
	for _, want := range []string{
		"^XA^CI28^PW480^LL320^LH0,0",
		"^FO16,16^A0N,40,40^FH^FD龙井茶 _5EXZ_7EJA^FS",
		"^FO16,64^A0N,24,24^FH^FDTEA_5F1  12 袋^FS",
		"^BXN,7,200,,,,_^FD_101069012345678921727053110L7>8^FS",
		"^FD(01)06901234567892^FS",
		"^FD(17)270531^FS",
		"^FD(10)L7>8^FS",
		"^FDLOT L7>8^FS",
		"^FDEXP 2027-05-31  2026-11-24^FS",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
	if !strings.HasSuffix(got, "^PQ1^XZ\r\n") || strings.Count(got, "^XA") != 1 || strings.Count(got, "^XZ") != 1 {
		t.Errorf("%s\nis not one label", got)
	}
}

func TestSymbolChoice(t *testing.T) {
	for _, tt := range []struct {
		name string
		item Item
		want string // a pattern
	}{
		{"no GTIN, no symbol", Item{Name: "screw", Lot: "L7"}, `^[^B]*$`},
		{"GTIN alone: wide bars", Item{GTIN: "06901234567892"}, `\^BY3\^BCN,96,N,N,N,N\^FH\^FD>;>80106901234567892\^FS`},
		{"GTIN and expiry", Item{GTIN: "06901234567892", Expiry: "2027-05-31"}, `\^BY2\^BCN,96,N,N,N,N\^FH\^FD>;>8010690123456789217270531\^FS.*\^FD\(01\)06901234567892\^FS.*\^FD\(17\)270531\^FS`},
		{"GTIN and short lot", Item{GTIN: "06901234567892", Lot: "L>8_"}, `\^BY2\^BCN,96,N,N,N,N\^FH\^FD>;>8010690123456789210>6L>08_5F\^FS.*\^FD\(10\)L>8_5F\^FS`},
		{"lot and serial number", Item{GTIN: "06901234567892", Lot: "L7", Serial: "45"}, `\^BXN,\d,200,,,,_\^FD_1010690123456789210L7_12145\^FS`},
		{"long lot and serial number: a matrix", Item{GTIN: "06901234567892", Expiry: "2027-05-31", Lot: "ABCDEFGHIJKLMNOPQRST", Serial: "abcdefghijklmnopqrst"},
			`\^BXN,4,200,,,,_\^FD_10106901234567892172705311` + `0ABCDEFGHIJKLMNOPQRST_121abcdefghijklmnopqrst\^FS`},
		{"the matrix's own escape", Item{GTIN: "06901234567892", Lot: "A_1B_2C_3D_4E_5F_6G_", Serial: "____________________"}, `10A__1B__2C__3D__4E__5F__6G___121_{40}\^FS`},
	} {
		if got := render(t, tt.item); !regexp.MustCompile(tt.want).MatchString(got) {
			t.Errorf("%s: %s\nwant %s", tt.name, got, tt.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	good := Item{GTIN: "06901234567892", Lot: "L7"}
	with := func(change func(*Item)) Item {
		i := good
		change(&i)
		return i
	}
	var content *ContentError
	for _, tt := range []struct {
		name    string
		item    Item
		content bool
	}{
		{"lot in Chinese", with(func(i *Item) { i.Lot = "七" }), true},
		{"lot with a space", with(func(i *Item) { i.Lot = "L 7" }), true},
		{"lot with a command", with(func(i *Item) { i.Lot = "L^XZ" }), true},
		{"lot with FNC1", with(func(i *Item) { i.Lot = "L\x1d21X" }), true},
		{"lot of 21", with(func(i *Item) { i.Lot = "123456789012345678901" }), true},
		{"serial number with a tilde", with(func(i *Item) { i.Serial = "~JA" }), true},
		{"wrong check digit", with(func(i *Item) { i.GTIN = "06901234567893" }), false},
		{"short GTIN", with(func(i *Item) { i.GTIN = "6901234567892" }), false},
		{"no day", with(func(i *Item) { i.Expiry = "2027-02-30" }), false},
		{"font with a command", with(func(i *Item) { i.Font = "E:A.TTF^XZ" }), false},
		{"font without a drive", with(func(i *Item) { i.Font = "A.TTF" }), false},
	} {
		z, err := tt.item.Render()
		if err == nil || z != nil || errors.As(err, &content) != tt.content {
			t.Errorf("%s: %q, %v", tt.name, z, err)
		}
	}
}

// Nothing that GS1 allows is too wide for both symbols; the refusal is for labels to come.
func TestWidthError(t *testing.T) {
	var c canvas
	err := c.symbol([]element{{ai: "8200", value: strings.Repeat("x", 70), open: true}, {ai: "8200", value: strings.Repeat("y", 70), open: true}})
	var we *WidthError
	if !errors.As(err, &we) || we.Need <= we.Have || we.Have != 60 {
		t.Errorf("%v, want a WidthError that names the width", err)
	}
}

func TestTextStaysOnTheLabel(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"short", "short"},
		{"西湖龙井茶特级明前", "西湖龙井茶特级明前"},
		{"西湖龙井茶特级明前二百五十克铁罐礼盒装", "西湖龙井茶特级明前二百五十克铁罐礼.."},
		{strings.Repeat("W", 99), strings.Repeat("W", 28) + ".."},
	} {
		got, wide := fit(tt.in, nameHeight, printable)
		if got != tt.want || estimate(got, wide) > printable || wide < nameHeight*minWidth/100 {
			t.Errorf("%q in letters of %d, want %q", got, wide, tt.want)
		}
	}
}

func TestNeedsPrinterFont(t *testing.T) {
	if (Item{Name: "screw"}).NeedsPrinterFont() || !(Item{Name: "螺丝"}).NeedsPrinterFont() || !(Item{Quantity: "1 袋"}).NeedsPrinterFont() {
		t.Error("only Chinese needs a font of the printer's")
	}
}

// The commands of a label are ours, whatever stands on it.
func FuzzRender(f *testing.F) {
	f.Add("name", "sku", "12 袋", "lot", "serial")
	f.Add("^XA~HS_", "\x02^", "\r\n^FS", "a_b>c", "(01)")
	f.Add("\xff^\xfe", "\u009b~", "\u0085", "_1_", "<>")
	command := regexp.MustCompile(`[\^~](XA|CI28|PW480|LL320|LH0,0|FO\d+,\d+|BY\d|BCN,96,N,N,N,N|BXN,\d+,200,,,,_|A0N,\d+,\d+|FH|FD|FS|PQ1|XZ)`)
	f.Fuzz(func(t *testing.T, name, sku, quantity, lot, serial string) {
		i := Item{Name: name, SKU: stock.SKU(sku), Quantity: quantity, Lot: stock.Lot(lot), Serial: stock.Serial(serial)}
		for _, i.GTIN = range []stock.GTIN{"", "06901234567892"} {
			z, err := i.Render()
			var content *ContentError
			if errors.As(err, &content) && i.GTIN != "" {
				continue
			}
			if err != nil {
				t.Fatalf("%+v: %v", i, err)
			}
			s := strings.TrimSuffix(string(z), "\r\n")
			if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7F }) {
				t.Fatalf("%q has control characters", s)
			}
			if strings.Count(s, "^XZ") != 1 || strings.Count(s, "^FD") != strings.Count(s, "^FS") {
				t.Fatalf("%q is not one label", s)
			}
			if rest := command.ReplaceAllString(s, ""); strings.ContainsAny(rest, "^~") {
				t.Fatalf("%q has foreign commands: %q", s, rest)
			}
		}
	})
}

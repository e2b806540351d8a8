package label

import (
	"errors"
	"strings"
	"testing"
)

func TestRender(t *testing.T) {
	i := Item{Name: "龙井茶 ^XZ~JA", SKU: "TEA_1", GTIN: "06901234567892", Lot: "L7", Serial: "45", Expiry: "2027-05-31", Quantity: "12 袋", Day: "2026-11-24"}
	z, err := i.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"^XA^CI28", "^FD龙井茶 _5EXZ_7EJA^FS", "TEA_5F1", "(01)06901234567892(17)270531(10)L7>8(21)45^FS", "^PQ1^XZ\r\n"} {
		if !strings.Contains(string(z), want) {
			t.Errorf("%s\nlacks %s", z, want)
		}
	}
}

func TestRefusesWhatDoesNotFit(t *testing.T) {
	i := Item{SKU: "X", GTIN: "06901234567892", Lot: "12345678901234567890", Serial: "12345678901234567890", Expiry: "2027-05-31"}
	var we *WidthError
	if _, err := i.Render(); !errors.As(err, &we) || we.Need <= we.Have {
		t.Errorf("%v, want a WidthError that names the width", err)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("name", "lot", "sku")
	f.Add("^XA~HS_", "\x02^", "\r\n^FS")
	f.Fuzz(func(t *testing.T, name, lot, sku string) {
		z, err := Item{Name: name, SKU: "s", GTIN: "06901234567892"}.Render()
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Count(string(z), "^") // what a label without foreign text has
		got, err := Item{Name: "n" + name, SKU: "s", GTIN: "06901234567892"}.Render()
		if err == nil && name != "" && strings.Count(string(got), "^") != plain {
			t.Fatalf("%q brings commands into the label", name)
		}
		if _, err := (Item{Name: "n", SKU: "s", Lot: "x"}).Render(); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(escape(lot+sku), "^~\r\n\x02") {
			t.Fatalf("%q is not harmless", lot+sku)
		}
	})
}

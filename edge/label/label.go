// Package label renders item and lot labels for ZPL printers.
//
// A label is described in millimetres and rendered for 203 dpi (8 dots a millimetre). Text is
// UTF-8 (^CI28) in a font of the printer's; every field is escaped, so that no name or lot can
// carry a command. A symbol that would not fit is refused with the width that it needs: a printer
// would cut it off in silence.
package label

import (
	"fmt"
	"strings"

	"stockade/protocol/stock"
)

// Size of the label and the printer's resolution.
const (
	Width      = 60 // mm
	Height     = 40 // mm
	dotsPerMM  = 8
	margin     = 2 // mm
	quietZones = 20
)

// Item is what stands on an item or lot label.
type Item struct {
	Name     string
	SKU      stock.SKU
	GTIN     stock.GTIN
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   stock.Date
	Quantity string // with unit, as people read it
	Day      stock.Date
	Font     string // of the printer, such as "E:SIMSUN.TTF"; empty for its built-in one
}

// WidthError says that a symbol does not fit.
type WidthError struct{ Need, Have int } // mm

func (e *WidthError) Error() string {
	return fmt.Sprintf("barcode needs %d mm, the label has %d", e.Need, e.Have)
}

// Render returns the ZPL of one label.
func (i Item) Render() ([]byte, error) {
	data := i.elements()
	module, err := fit(i.modules())
	if err != nil {
		return nil, err
	}
	var z strings.Builder
	fmt.Fprintf(&z, "^XA^CI28^PW%d^LL%d^LH0,0", Width*dotsPerMM, Height*dotsPerMM)
	i.text(&z, 2, 5, clip(i.Name, 16))
	i.text(&z, 8, 3, string(i.SKU)+"  "+i.Quantity)
	if data != "" {
		fmt.Fprintf(&z, "^FO%d,%d^BY%d^BCN,%d,Y,N,N,D^FH^FD%s^FS", margin*dotsPerMM, 13*dotsPerMM, module, 12*dotsPerMM, data)
	}
	i.text(&z, 31, 3, strings.TrimSpace(label("LOT ", string(i.Lot))+label("  S/N ", string(i.Serial))))
	i.text(&z, 35, 3, strings.TrimSpace(label("EXP ", string(i.Expiry))+"  "+string(i.Day)))
	z.WriteString("^PQ1^XZ\r\n")
	return []byte(z.String()), nil
}

func label(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

func (i Item) text(z *strings.Builder, y, height int, s string) {
	if s == "" {
		return
	}
	font := "^A0N"
	if i.Font != "" {
		font = "^A@N"
	}
	fmt.Fprintf(z, "^FO%d,%d%s,%d,%d", margin*dotsPerMM, y*dotsPerMM, font, height*dotsPerMM, height*dotsPerMM)
	if i.Font != "" {
		z.WriteString("," + escape(i.Font))
	}
	fmt.Fprintf(z, "^FH^FD%s^FS", escape(s))
}

// elements returns the GS1-128 data for mode D of ^BC: brackets mark the identifiers, and ">8" is
// the separator that the mode does not add itself after a lot.
func (i Item) elements() string {
	if len(i.GTIN) != 14 {
		return ""
	}
	d := "(01)" + string(i.GTIN)
	if e := strings.ReplaceAll(string(i.Expiry), "-", ""); len(e) == 8 {
		d += "(17)" + e[2:]
	}
	if i.Lot != "" {
		d += "(10)" + escape(string(i.Lot))
		if i.Serial != "" {
			d += ">8"
		}
	}
	if i.Serial != "" {
		d += "(21)" + escape(string(i.Serial))
	}
	return d
}

// modules returns the width of the symbol in modules: 11 a character, digits in pairs, 35 for
// start, check and stop, and the quiet zones.
func (i Item) modules() int {
	if len(i.GTIN) != 14 {
		return 0
	}
	characters := 1 + 16/2 // FNC1 and the GTIN
	if len(i.Expiry) == 10 {
		characters += 8 / 2
	}
	if i.Lot != "" {
		characters += 2 + len(i.Lot) // a switch of the subset
	}
	if i.Serial != "" {
		characters += 3 + len(i.Serial)
	}
	return characters*11 + 35 + quietZones
}

// fit returns the widest module, in dots, that lets the symbol fit.
func fit(modules int) (int, error) {
	have := (Width - 2*margin) * dotsPerMM
	for dots := 3; dots >= 1; dots-- {
		if modules*dots <= have {
			return dots, nil
		}
	}
	return 0, &WidthError{Need: (modules + dotsPerMM - 1) / dotsPerMM, Have: have / dotsPerMM}
}

// escape makes a field harmless: ^, ~ and _ are written as ^FH escapes, control characters are left out.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || r == 0x7F:
		case r == '^' || r == '~' || r == '_':
			fmt.Fprintf(&b, "_%02X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func clip(s string, n int) string {
	r := []rune(s)
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// Package label renders item and lot labels for ZPL printers.
//
// A label is described in millimetres and rendered for 203 dpi (8 dots a millimetre). What it says as a
// GS1 symbol it says in words beside it. Every field is escaped, so that no name or lot can carry a
// command. A printer cuts off in silence what does not fit: text is therefore narrowed, then shortened,
// and a symbol that does not fit is never sent. GS1-128 is taken where it fits, GS1 DataMatrix
// where it does not, and where neither does, the label is refused with the width that it needs.
//
// Chinese is drawn here with a Typeface and sent as an image, since few printers have a Chinese
// font. Without one it is sent as UTF-8 for a font of the printer's; see Item.NeedsPrinterFont.
package label

import (
	"fmt"
	"regexp"
	"strings"

	"stockade/internal/raster"
	"stockade/protocol/stock"
)

// Size of the label and the printer's resolution.
const (
	Width     = 60 // mm
	Height    = 40 // mm
	dotsPerMM = 8
	margin    = 2 // mm
	printable = (Width - 2*margin) * dotsPerMM
)

// Where things stand, in dots from the top. The symbol has the room between the two.
const (
	nameTop, nameHeight   = 2 * dotsPerMM, 5 * dotsPerMM
	skuTop                = 8 * dotsPerMM
	symbolTop, symbolEnd  = 12 * dotsPerMM, 30 * dotsPerMM
	lotTop                = 31 * dotsPerMM
	dateTop               = 35 * dotsPerMM
	lineHeight, hriHeight = 3 * dotsPerMM, 5 * dotsPerMM / 2
	hriLine               = hriHeight + 2
)

// Item is what stands on an item or lot label.
type Item struct {
	Name     string
	SKU      stock.SKU
	GTIN     stock.GTIN // 14 digits; without it the label has no symbol
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   stock.Date
	Quantity string // with unit, as people read it
	Day      stock.Date
	Font     string           // of the printer, such as "E:SIMSUN.TTF"; empty for its built-in one
	Face     *raster.Typeface // draws what the built-in font lacks; nil when the node has none
}

// WidthError says that a symbol does not fit.
type WidthError struct{ Need, Have int } // mm

func (e *WidthError) Error() string {
	return fmt.Sprintf("barcode needs %d mm, the label has %d", e.Need, e.Have)
}

// ContentError says what can not stand in a GS1 symbol.
type ContentError struct{ Field, Value string }

func (e *ContentError) Error() string {
	return fmt.Sprintf("%s %q can not stand in a GS1 barcode: use 1 to 20 letters, digits and signs of ASCII, without spaces", e.Field, e.Value)
}

// Render returns the ZPL of one label. The error is a *WidthError, a *ContentError, or about
// Font or Face.
func (i Item) Render() ([]byte, error) {
	if i.Font != "" && !printerFont.MatchString(i.Font) {
		return nil, fmt.Errorf("label font %q: want a drive and a name such as E:SIMSUN.TTF", i.Font)
	}
	elements, err := i.elements()
	if err != nil {
		return nil, err
	}
	c := &canvas{font: i.Font, face: i.Face}
	fmt.Fprintf(&c.zpl, "^XA^CI28^PW%d^LL%d^LH0,0", Width*dotsPerMM, Height*dotsPerMM)
	c.text(nameTop, nameHeight, i.Name)
	c.text(skuTop, lineHeight, string(i.SKU)+"  "+i.Quantity)
	if err := c.symbol(elements); err != nil {
		return nil, err
	}
	c.text(lotTop, lineHeight, labelled("LOT ", string(i.Lot))+labelled("  S/N ", string(i.Serial)))
	c.text(dateTop, lineHeight, labelled("EXP ", string(i.Expiry))+"  "+string(i.Day))
	c.zpl.WriteString("^PQ1^XZ\r\n")
	return []byte(c.zpl.String()), c.err
}

// NeedsPrinterFont reports whether the label has text that only a printer with a Chinese font
// can print: others leave it blank or draw boxes.
func (i Item) NeedsPrinterFont() bool {
	for _, s := range []string{i.Name, string(i.SKU), i.Quantity, string(i.Lot), string(i.Serial)} {
		if foreign(s) && !i.Face.Draws(s) {
			return true
		}
	}
	return false
}

// printerFont is a drive of the printer's and a file on it.
var printerFont = regexp.MustCompile(`^[A-Z]:[A-Za-z0-9.-]{1,24}$`)

func labelled(name, value string) string {
	if value == "" {
		return ""
	}
	return name + value
}

// canvas collects the commands of a label.
type canvas struct {
	zpl  strings.Builder
	font string
	face *raster.Typeface
	err  error // the first one
}

// escape makes a field behind ^FH harmless: ^, ~ and _ are written in hexadecimal, control
// characters are left out.
func escape(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || 0x7F <= r && r < 0xA0:
		case r == '^' || r == '~' || r == '_':
			fmt.Fprintf(&b, "_%02X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

package label

import (
	"fmt"
	"strings"

	"stockade/protocol/barcode"
)

// fnc1 stands for the symbol character FNC1 in a message: at its beginning it says GS1, within
// it ends an element whose length is not fixed.
const fnc1 = 0x1D

// element is an application identifier and its value.
type element struct {
	ai, value string
	open      bool // ends at FNC1 or with the message
}

func (e element) String() string { return "(" + e.ai + ")" + e.value }

// elements returns what the symbol says, none without a GTIN.
func (i Item) elements() ([]element, error) {
	if i.GTIN == "" {
		return nil, nil
	}
	if len(i.GTIN) != 14 || !barcode.ValidGTIN(string(i.GTIN)) {
		return nil, fmt.Errorf("%q is no GTIN of 14 digits", string(i.GTIN))
	}
	out := []element{{ai: "01", value: string(i.GTIN)}}
	if i.Expiry != "" {
		if !i.Expiry.Valid() {
			return nil, fmt.Errorf("%q is no expiry date", string(i.Expiry))
		}
		out = append(out, element{ai: "17", value: strings.ReplaceAll(string(i.Expiry), "-", "")[2:]})
	}
	for _, e := range []struct{ field, ai, value string }{{"lot", "10", string(i.Lot)}, {"serial number", "21", string(i.Serial)}} {
		if e.value == "" {
			continue
		}
		if len(e.value) > 20 || strings.ContainsFunc(e.value, outsideSet82) {
			return nil, &ContentError{e.field, e.value}
		}
		out = append(out, element{e.ai, e.value, true})
	}
	return out, nil
}

// outsideSet82 reports characters that GS1 allows in no lot or serial number (General Specifications,
// figure 7.11-1).
func outsideSet82(r rune) bool {
	return r <= ' ' || r > 'z' || strings.ContainsRune("#$@[\\]^`", r)
}

// message joins elements with FNC1 where one is needed.
func message(elements []element) string {
	m := string(rune(fnc1))
	for n, e := range elements {
		m += e.ai + e.value
		if e.open && n < len(elements)-1 {
			m += string(rune(fnc1))
		}
	}
	return m
}

const (
	barHeight  = 12 * dotsPerMM
	quietZones = 20 // modules of GS1-128, both sides together
	// minDots is the narrowest bar: 0.25 mm. Narrower ones are lost in the dots of the print head.
	minDots, maxDots = 2, 3
)

// symbol draws the symbol that fits and writes what it says beside it.
func (c *canvas) symbol(elements []element) error {
	if len(elements) == 0 {
		return nil
	}
	data := message(elements)
	field, modules := code128(data)
	for dots := maxDots; dots >= minDots; dots-- {
		if room := Width*dotsPerMM - modules*dots; room >= 0 { // the margins are quiet too
			left := room/2 + quietZones/2*dots
			fmt.Fprintf(&c.zpl, "^FO%d,%d^BY%d^BCN,%d,N,N,N,N^FH^FD%s^FS", left, symbolTop, dots, barHeight, field)
			half := (len(elements) + 1) / 2
			c.text(symbolTop+barHeight+2, hriHeight, join(elements[:half]))
			c.text(symbolTop+barHeight+2+hriLine, hriHeight, join(elements[half:]))
			return nil
		}
	}
	return c.matrix(data, elements, modules*minDots)
}

func join(elements []element) string {
	var s string
	for _, e := range elements {
		s += e.String()
	}
	return s
}

// matrix draws a GS1 DataMatrix with the elements at its right. barWidth is what the bars would
// have needed, in dots.
func (c *canvas) matrix(data string, elements []element, barWidth int) error {
	const room = symbolEnd - symbolTop
	side, ok := matrixSide(data)
	dots := room / (side + 2) // with a quiet zone of one module
	if !ok || dots < minDots {
		return &WidthError{Need: (barWidth + dotsPerMM - 1) / dotsPerMM, Have: Width}
	}
	fmt.Fprintf(&c.zpl, "^FO%d,%d^BXN,%d,200,,,,_^FD%s^FS", margin*dotsPerMM+dots, symbolTop+dots, dots, matrixField(data))
	left := margin*dotsPerMM + (side+3)*dots
	for n, e := range elements {
		c.textAt(left, symbolTop+dots+n*(hriLine+4), margin*dotsPerMM+printable-left, hriHeight, e.String())
	}
	return nil
}

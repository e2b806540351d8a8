package label

import (
	"fmt"
	"regexp"
	"strings"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// zplFont is a drive of the printer's and a file on it.
var zplFont = regexp.MustCompile(`^[A-Z]:[A-Za-z0-9.-]{1,24}$`)

// zpl writes the label for ZPL II printers (Zebra ZPL II Programming Guide). It begins with ^XA, so
// that half a job before it can not mix in.
func (l *Layout) zpl() []byte {
	var z strings.Builder
	fmt.Fprintf(&z, "^XA^CI28^PW%d^LL%d^LH0,0", l.Width, l.Height)
	for _, i := range l.items {
		fmt.Fprintf(&z, "^FO%d,%d", i.x, i.y)
		switch {
		case i.solid:
			// ^GB draws a frame: one as thick as the smaller side is filled.
			fmt.Fprintf(&z, "^GB%d,%d,%d", i.width, i.height, min(i.width, i.height))
		case i.symbol != nil:
			z.WriteString(zplSymbol(i))
		case i.text.picture != nil:
			z.WriteString(zplGraphic(i.text.picture))
		default:
			z.WriteString(zplText(i))
		}
		z.WriteString("^FS")
	}
	z.WriteString("^PQ1^XZ\r\n")
	return []byte(z.String())
}

func zplText(i item) string {
	var z strings.Builder
	t := i.text
	if t.letters.font == "" {
		fmt.Fprintf(&z, "^A0N,%d,%d", t.letters.height, t.letters.width)
	} else {
		fmt.Fprintf(&z, "^A@N,%d,%d,%s", t.letters.height, t.letters.width, t.letters.font)
	}
	if t.align != Left {
		fmt.Fprintf(&z, "^FB%d,1,0,%s", i.width, map[Align]string{Center: "C", Right: "R"}[t.align])
	}
	z.WriteString("^FH^FD" + zplEscape(t.text))
	return z.String()
}

// zplSymbol takes the printer's own commands where they are certain to draw what was laid out. QR is sent as
// a picture: ^BQ moves it by an amount that differs between firmwares, and has no FNC1.
func zplSymbol(i item) string {
	s := i.symbol
	switch s.symbol.Kind {
	case symbol.Code128, symbol.GS1128:
		values, err := symbol.EncodeCode128(s.symbol.Kind, s.message)
		if err != nil {
			break // the symbol was made of it
		}
		return fmt.Sprintf("^BY%d^BCN,%d,N,N,N,N^FH^FD%s", s.module, i.height, zplCode128(values))
	case symbol.EAN13:
		return fmt.Sprintf("^BY%d^BEN,%d,N,N^FD%s", s.module, i.height, s.message[:12]) // the printer adds the check digit
	case symbol.GS1DataMatrix, symbol.DataMatrix:
		if field, escape, ok := zplMatrix(s.symbol.Kind, s.message); ok {
			return fmt.Sprintf("^BXN,%d,200,%d,%d,,%s^FH\\^FD%s", s.module, s.symbol.Width, s.symbol.Height, escape, field)
		}
	}
	return zplGraphic(drawn(i))
}

// zplCode128 writes characters as ^BC in its plain mode and ^FH want them. The characters are chosen here and
// not by the printer, so that the width is known; the mode that adds FNC1 by itself takes brackets and
// spaces out of lots.
func zplCode128(values symbol.Values) string {
	var z strings.Builder
	c := values[0] == symbol.StartC
	z.WriteString(map[bool]string{true: ">;", false: ">:"}[c])
	for _, v := range values[1:] {
		switch {
		case v == symbol.Fnc1:
			z.WriteString(">8")
		case v == symbol.CodeC && !c:
			z.WriteString(">5")
			c = true
		case v == symbol.CodeB && c:
			z.WriteString(">6")
			c = false
		case c:
			fmt.Fprintf(&z, "%02d", v)
		case v+' ' == '>':
			z.WriteString(">0")
		case v+' ' == '^':
			z.WriteString("><")
		case v+' ' == '~':
			z.WriteString(">=")
		default:
			z.WriteString(zplEscape(string(rune(v + ' ')))) // #nosec G115 -- printable ASCII
		}
	}
	return z.String()
}

// zplMatrix writes a message for ^BX with an escape character that it does not hold: "1" behind it is FNC1. ^FH\ around
// it sees to it that no character can be a command.
func zplMatrix(k symbol.Kind, message string) (field, escape string, ok bool) {
	for _, escape = range []string{"_", "#", "$", "@", "|", "!"} {
		if ok = !strings.Contains(message, escape); ok {
			break
		}
	}
	var z strings.Builder
	if k.GS1() {
		z.WriteString(escape + "1")
	}
	for i := range len(message) {
		switch c := message[i]; c {
		case symbol.FNC1:
			z.WriteString(escape + "1")
		case '^', '~', '\\':
			fmt.Fprintf(&z, "\\%02X", c)
		default:
			z.WriteByte(c)
		}
	}
	return z.String(), escape, ok
}

// zplEscape makes a field behind ^FH harmless: ^, ~ and _ are written in hexadecimal.
func zplEscape(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r == '^' || r == '~' || r == '_' {
			fmt.Fprintf(&b, "_%02X", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// zplGraphic returns the graphic field: hexadecimal, with a comma for the white end of a row. A serial line
// takes a second for a kilobyte, so what is white is not sent.
func zplGraphic(b *raster.Bitmap) string {
	var z strings.Builder
	total := b.Height * b.Stride
	fmt.Fprintf(&z, "^GFA,%d,%d,%d,", total, total, b.Stride)
	for y := range b.Height {
		row := b.Row(y)
		end := len(row)
		for end > 0 && row[end-1] == 0 {
			end--
		}
		fmt.Fprintf(&z, "%X", row[:end])
		if end < len(row) {
			z.WriteByte(',')
		}
	}
	return z.String()
}

package label

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// tsplFont is a font in the printer, such as TSS24.BF2.
var tsplFont = regexp.MustCompile(`^[A-Za-z0-9.]{1,16}$`)

// tspl writes the label for TSPL printers (TSC TSPL/TSPL2 Programming Manual). CLS empties the image, so that
// half a job before it can not mix in; the line end before it ends half a command.
func (l *Layout) tspl() []byte {
	var z bytes.Buffer
	millimetres := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) + " mm" }
	fmt.Fprintf(&z, "\r\nSIZE %s,%s\r\nGAP %s,0\r\nDIRECTION 1\r\nREFERENCE 0,0\r\nCLS\r\n",
		millimetres(l.template.Width), millimetres(l.template.Height), millimetres(l.template.Gap))
	for _, i := range l.items {
		switch {
		case i.solid:
			fmt.Fprintf(&z, "BAR %d,%d,%d,%d\r\n", i.x, i.y, i.width, i.height)
		case i.symbol != nil:
			l.tsplSymbol(&z, i)
		case i.text.picture != nil:
			l.tsplBitmap(&z, i.x, i.y, i.text.picture)
		default:
			t := i.text
			fmt.Fprintf(&z, "TEXT %d,%d,\"%s\",0,%d,%d,\"", i.x, i.y, t.letters.font, t.letters.scaleX, t.letters.scaleY)
			z.Write(tsplString(t.text))
			z.WriteString("\"\r\n")
		}
	}
	z.WriteString("PRINT 1,1\r\n")
	return z.Bytes()
}

// tsplSymbol writes bars as the printer's own, with the characters chosen here ("128M"), and a matrix as a
// picture: DMATRIX and QRCODE size their symbols by themselves, and differ between makers in how FNC1 is written.
func (l *Layout) tsplSymbol(z *bytes.Buffer, i item) {
	s := i.symbol
	switch s.symbol.Kind {
	case symbol.Code128, symbol.GS1128:
		values, err := symbol.EncodeCode128(s.symbol.Kind, s.message)
		if field, ok := tsplCode128(values); err == nil && ok {
			fmt.Fprintf(z, "BARCODE %d,%d,\"128M\",%d,0,0,%d,%d,\"%s\"\r\n", i.x, i.y, i.height, s.module, s.module, field)
			return
		}
	case symbol.EAN13:
		fmt.Fprintf(z, "BARCODE %d,%d,\"EAN13\",%d,0,0,%d,%d,\"%s\"\r\n", i.x, i.y, i.height, s.module, s.module, s.message[:12])
		return
	}
	l.tsplBitmap(z, i.x, i.y, drawn(i))
}

// tsplCode128 writes characters with the control codes of "128M": "!" and three digits. A message with "!" or a
// quote of its own can not be written so.
func tsplCode128(values symbol.Values) (string, bool) {
	if len(values) == 0 {
		return "", false
	}
	var z strings.Builder
	fmt.Fprintf(&z, "!%03d", values[0])
	c := values[0] == symbol.StartC
	for _, v := range values[1:] {
		switch {
		case v == symbol.Fnc1, v == symbol.CodeC && !c, v == symbol.CodeB && c:
			fmt.Fprintf(&z, "!%03d", v)
			c = v == symbol.CodeC || v == symbol.Fnc1 && c
		case c:
			fmt.Fprintf(&z, "%02d", v)
		case v+' ' == '!' || v+' ' == '"' || v+' ' == '\\':
			return "", false
		default:
			z.WriteByte(byte(v + ' ')) // #nosec G115 -- printable ASCII
		}
	}
	return z.String(), true
}

// tsplString writes text between quotes. Chinese is GB18030, never UTF-8.
func tsplString(s string) []byte {
	s = strings.ReplaceAll(s, `\`, `/`) // begins an escape in some firmwares
	b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(s))
	if err != nil {
		b = []byte(s) // GB18030 holds all of Unicode
	}
	return bytes.ReplaceAll(b, []byte(`"`), []byte(`\["]`))
}

// tsplBitmap writes a picture. In TSPL 0 is black, at most printers.
func (l *Layout) tsplBitmap(z *bytes.Buffer, x, y int, b *raster.Bitmap) {
	height := min(b.Height, l.Height-y)
	fmt.Fprintf(z, "BITMAP %d,%d,%d,%d,0,", x, y, b.Stride, height)
	for row := range height {
		for _, c := range b.Row(row) {
			if !l.printer.Invert {
				c = ^c
			}
			z.WriteByte(c)
		}
	}
	z.WriteString("\r\n")
}

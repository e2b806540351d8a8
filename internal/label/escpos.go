package label

import (
	"bytes"
	"cmp"
	"slices"

	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/internal/raster"
)

// escpos writes the label for ESC/POS printers (Epson ESC/POS Application Programming Guide). Such a printer prints
// from the top down: the label is cut into strips. One that holds a single line of text the printer writes itself,
// every other is a picture, bars included, so that all of it stands where the preview shows it.
func (l *Layout) escpos() []byte {
	var z bytes.Buffer
	z.WriteString("\x1b@") // initial state: half a job before is forgotten
	if dpi := l.printer.DPI; dpi <= 255 {
		z.Write([]byte{0x1d, 'P', byte(dpi), byte(dpi)}) // #nosec G115 -- at most 255; one unit of motion is one dot
	}
	z.Write([]byte{0x1b, '3', 0}) // a line is as high as its letters
	at := 0
	for _, s := range l.strips() {
		l.blank(&z, s.top-at)
		if s.text != nil {
			l.escposText(&z, *s.text)
		} else {
			l.escposPicture(&z, s)
		}
		at = s.bottom
	}
	l.blank(&z, l.Height-at)
	z.WriteString("\x0c") // to the next label; printers of receipts have none
	return z.Bytes()
}

// strip is the rows of a label from top to before bottom.
type strip struct {
	top, bottom int
	items       []item
	text        *item // when it is all that the strip holds and the printer has letters for it
}

// strips divides the label at rows that nothing covers.
func (l *Layout) strips() []strip {
	items := slices.Clone(l.items)
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.y, b.y) })
	var out []strip
	for _, i := range items {
		if n := len(out) - 1; n >= 0 && i.y < out[n].bottom {
			out[n].items = append(out[n].items, i)
			out[n].bottom = max(out[n].bottom, i.y+i.height)
			continue
		}
		out = append(out, strip{top: i.y, bottom: i.y + i.height, items: []item{i}})
	}
	for n := range out {
		if i := out[n].items[0]; len(out[n].items) == 1 && i.text != nil && i.text.picture == nil {
			out[n].text = &i
		}
	}
	return out
}

// blank feeds by printing white rows: feeding commands count in units that differ between printers.
func (l *Layout) blank(z *bytes.Buffer, rows int) {
	if rows > 0 {
		rasterBand(z, raster.New(8, rows))
	}
}

func (l *Layout) escposText(z *bytes.Buffer, i item) {
	t := i.text
	z.Write([]byte{0x1b, '$', byte(i.x), byte(i.x >> 8)})                              // #nosec G115 -- dots of a label
	z.Write([]byte{0x1d, '!', byte((t.letters.scaleX-1)<<4 | (t.letters.scaleY - 1))}) // #nosec G115 -- scales to 8
	if t.letters.chinese {
		z.WriteString("\x1c&")
		b, err := simplifiedchinese.GB18030.NewEncoder().Bytes([]byte(t.text))
		if err != nil {
			b = []byte(t.text)
		}
		z.Write(b)
		z.WriteString("\n\x1c.")
	} else {
		z.WriteString(t.text + "\n")
	}
}

func (l *Layout) escposPicture(z *bytes.Buffer, s strip) {
	b := raster.New(l.Width, s.bottom-s.top)
	for _, i := range s.items {
		l.draw(b, i, -s.top)
	}
	t := b.Trim()
	full := raster.New(max(8, t.Width), b.Height) // the rows below the last dot belong to the label's height
	full.Paste(0, 0, t)
	for top := 0; top < full.Height; top += bandRows {
		band := raster.New(full.Width, min(bandRows, full.Height-top))
		for y := range band.Height {
			copy(band.Row(y), full.Row(top+y))
		}
		rasterBand(z, band)
	}
}

// bandRows is how many rows one command may hold: printers have small buffers.
const bandRows = 240

// rasterBand writes GS v 0. A printer carries out status commands wherever they stand, also within a picture
// (DLE EOT, DLE ENQ, DLE DC4): where the dots happen to be one, a dot is added.
func rasterBand(z *bytes.Buffer, b *raster.Bitmap) {
	for top := 0; top < b.Height; top += bandRows {
		rows := min(bandRows, b.Height-top)
		z.Write([]byte{0x1d, 'v', '0', 0, byte(b.Stride), byte(b.Stride >> 8), byte(rows), 0}) // #nosec G115 -- dots of a label
		data := bytes.Clone(b.Bits[top*b.Stride : (top+rows)*b.Stride])
		for n := 1; n < len(data); n++ {
			if data[n-1] == 0x10 && (data[n] == 0x04 || data[n] == 0x05 || data[n] == 0x14) {
				data[n] |= 0x02
			}
		}
		z.Write(data)
	}
}

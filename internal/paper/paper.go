// Package paper makes PDF files of text, barcodes and lines, in millimetres from the upper left corner of a page.
//
// Text is drawn as the outlines of its characters and barcodes as filled rectangles, so that a file shows the
// same everywhere and needs no fonts: PDF can not embed the collections of OpenType fonts in which Chinese comes.
// The price is that nobody can search its text.
//
// The same calls make the same bytes.
package paper

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"golang.org/x/image/font"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// ErrNoFont is wrapped by the errors about text that the font has no characters for.
var ErrNoFont = errors.New("no font for a text")

// Document is a PDF file in the making. It is for one goroutine.
type Document struct {
	pdf    *fpdf.Fpdf
	height float64 // of a page
	path   bytes.Buffer
}

// points are PDF's unit, 1/72 inch, in a millimetre.
const points = 72 / 25.4

// New begins a document with pages of the given size and no page yet. A PDF states when it was made; the zero
// time leaves that open with the first day of 1970.
func New(width, height float64, title string, made time.Time) *Document {
	if made.IsZero() {
		made = time.Unix(0, 0)
	}
	pdf := fpdf.NewCustom(&fpdf.InitType{UnitStr: "mm", Size: fpdf.SizeType{Wd: width, Ht: height}})
	pdf.SetMargins(0, 0, 0)
	pdf.SetAutoPageBreak(false, 0)
	pdf.SetCatalogSort(true)
	pdf.SetCreationDate(made.UTC())
	pdf.SetModificationDate(made.UTC())
	pdf.SetProducer("Stockade", false)
	pdf.SetTitle(title, true)
	return &Document{pdf: pdf, height: height}
}

// AddPage begins the next page. What is drawn then is black.
func (d *Document) AddPage() { d.pdf.AddPage() }

// Ink sets how light everything is drawn from now on this page: 0 is black, 1 white.
func (d *Document) Ink(light float64) {
	d.op(light, "g")
	d.op(light, "G")
}

// Bytes returns the file. The document is finished then.
func (d *Document) Bytes() ([]byte, error) {
	var out bytes.Buffer
	if err := d.pdf.Output(&out); err != nil {
		return nil, fmt.Errorf("make PDF: %w", err)
	}
	return out.Bytes(), nil
}

// op writes a PDF operator with its numbers (ISO 32000-1, 8.2).
func (d *Document) op(args ...any) {
	for _, a := range args {
		switch a := a.(type) {
		case float64: // a hundredth of a point is 3.5 µm, far below what any printer does
			s := strconv.AppendFloat(nil, a, 'f', 2, 64)
			s = bytes.TrimSuffix(bytes.TrimRight(s, "0"), []byte("."))
			if string(s) == "-0" {
				s = s[1:]
			}
			d.path.Write(s)
			d.path.WriteByte(' ')
		case string:
			d.path.WriteString(a)
			d.path.WriteByte('\n')
		}
	}
}

// flush gives the library what was written.
func (d *Document) flush() {
	d.pdf.RawWriteStr(d.path.String())
	d.path.Reset()
}

// rect adds a rectangle to the path.
func (d *Document) rect(x, y, width, height float64) {
	d.op(x*points, (d.height-y-height)*points, width*points, height*points, "re")
}

// Rect fills a rectangle.
func (d *Document) Rect(x, y, width, height float64) {
	d.rect(x, y, width, height)
	d.op("f")
	d.flush()
}

// Box draws the frame of a rectangle with lines of that width; dash is the length of dashes, 0 for a whole line.
func (d *Document) Box(x, y, width, height, line, dash float64) {
	d.op(line*points, "w")
	if dash > 0 {
		d.op("[" + strconv.FormatFloat(dash*points, 'f', 3, 64) + "] 0 d")
	}
	d.rect(x, y, width, height)
	d.op("S")
	if dash > 0 {
		d.op("[] 0 d")
	}
	d.flush()
}

// Modules draws a symbol with modules of the given size. Bars are as high as height; the rows of a matrix have
// their modules' own. The quiet zone is for the caller to leave free.
func (d *Document) Modules(x, y, module, height float64, s symbol.Symbol) {
	if !s.Kind.Linear() {
		height = module
	}
	s.Runs(func(col, row, n int) {
		d.rect(x+float64(col)*module, y+float64(row)*module, float64(n)*module, height)
	})
	d.op("f") // all at once: between rectangles of their own, viewers leave a light seam
	d.flush()
}

// Dots draws the black dots of a bitmap, each a square of the given size.
func (d *Document) Dots(x, y, dot float64, b *raster.Bitmap) {
	drawn := false
	for row := range b.Height {
		for from := 0; from < b.Width; from++ {
			to := from
			for to < b.Width && b.Dark(to, row) {
				to++
			}
			if to > from {
				d.rect(x+float64(from)*dot, y+float64(row)*dot, float64(to-from)*dot, dot)
				from, drawn = to, true
			}
		}
	}
	if drawn {
		d.op("f")
	}
	d.flush()
}

// Align says where in its width a line of text stands.
type Align int

// The alignments.
const (
	Left Align = iota
	Center
	Right
)

// Text is one line of text.
type Text struct {
	X, Y  float64 // left end of the line that the characters stand on
	Width float64 // that there is; 0 for as much as it takes
	Size  float64 // of the square of a Chinese character
	Align Align   // within Width
	Text  string
}

// minShrink is how small text may become before it is shortened, as a part of the size asked for.
const minShrink = 0.6

// Text draws a line of text. What is too wide is made smaller, then shortened. A font that lacks a character, or
// no font at all, gives an error that wraps ErrNoFont.
func (d *Document) Text(face *raster.Typeface, t Text) error {
	s := raster.Visible(t.Text)
	if strings.TrimSpace(s) == "" {
		return nil
	}
	if !face.Draws(s) {
		return fmt.Errorf("%w: %q", ErrNoFont, s)
	}
	f := face.Font()
	width, err := measure(f, s)
	if err != nil {
		return err
	}
	size := t.Size
	if t.Width > 0 && width*size > t.Width {
		size = max(size*minShrink, t.Width/width)
		fits := func(s string) bool {
			w, err := measure(f, s)
			return err == nil && w*size <= t.Width*1.0001
		}
		if !fits(s) {
			s = raster.Shorten(s, fits)
		}
		if width, err = measure(f, s); err != nil {
			return err
		}
	}
	x := t.X
	switch t.Align {
	case Center:
		x += (t.Width - width*size) / 2
	case Right:
		x += t.Width - width*size
	}
	if err := d.outlines(f, s, x, t.Y, size); err != nil {
		return err
	}
	d.flush()
	return nil
}

// Measure returns the width of a line of text of size 1.
func Measure(face *raster.Typeface, s string) (float64, error) {
	s = raster.Visible(s)
	if !face.Draws(s) {
		return 0, fmt.Errorf("%w: %q", ErrNoFont, s)
	}
	return measure(face.Font(), s)
}

// grid is the size in which outlines are read: that of the font's own units.
func grid(f *sfnt.Font) fixed.Int26_6 { return fixed.I(int(f.UnitsPerEm())) }

// walk calls do for each character with how far from the beginning it stands, for size 1, and returns the width of all.
func walk(f *sfnt.Font, s string, do func(g sfnt.GlyphIndex, x float64) error) (float64, error) {
	var buf sfnt.Buffer
	em, x := grid(f), 0.0
	for _, r := range s {
		g, err := f.GlyphIndex(&buf, r)
		if err != nil {
			return 0, fmt.Errorf("read font: %w", err)
		}
		advance, err := f.GlyphAdvance(&buf, g, em, font.HintingNone)
		if err != nil {
			return 0, fmt.Errorf("read font: %w", err)
		}
		if do != nil {
			if err := do(g, x); err != nil {
				return 0, err
			}
		}
		x += float64(advance) / float64(em)
	}
	return x, nil
}

func measure(f *sfnt.Font, s string) (float64, error) { return walk(f, s, nil) }

// outlines fills the outlines of a text's characters.
func (d *Document) outlines(f *sfnt.Font, s string, left, line, size float64) error {
	var buf sfnt.Buffer
	em := grid(f)
	_, err := walk(f, s, func(g sfnt.GlyphIndex, x float64) error {
		segments, err := f.LoadGlyph(&buf, g, em, nil)
		if err != nil {
			return fmt.Errorf("read font: %w", err)
		}
		at := func(p fixed.Point26_6) (float64, float64) { // the font's y grows downwards here
			return (left + (x+float64(p.X)/float64(em))*size) * points, (d.height - line - float64(p.Y)/float64(em)*size) * points
		}
		d.outline(segments, at)
		return nil
	})
	d.op("f")
	return err
}

// outline adds the outline of one character to the path.
func (d *Document) outline(segments sfnt.Segments, at func(fixed.Point26_6) (float64, float64)) {
	var x0, y0 float64 // where the pen is
	open := false
	for _, s := range segments {
		x, y := at(s.Args[0])
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			if open {
				d.op("h")
			}
			open = true
			d.op(x, y, "m")
		case sfnt.SegmentOpLineTo:
			d.op(x, y, "l")
		case sfnt.SegmentOpQuadTo: // PDF knows cubic curves only
			x2, y2 := at(s.Args[1])
			d.op(x0+(x-x0)*2/3, y0+(y-y0)*2/3, x2+(x-x2)*2/3, y2+(y-y2)*2/3, x2, y2, "c")
			x, y = x2, y2
		case sfnt.SegmentOpCubeTo:
			x2, y2 := at(s.Args[1])
			x3, y3 := at(s.Args[2])
			d.op(x, y, x2, y2, x3, y3, "c")
			x, y = x3, y3
		}
		x0, y0 = x, y
	}
	if open {
		d.op("h")
	}
}

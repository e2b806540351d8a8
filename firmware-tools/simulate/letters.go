package simulate

import (
	"fmt"
	"image"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"stockade/internal/raster"
)

// fonts are what a printer has built in: letters, and Chinese where a typeface for it was given.
type fonts struct{ chinese *raster.Typeface }

// builtIn are the letters of every printer: with their own widths, and all of one.
var builtIn = sync.OnceValues(func() (proportional, single *sfnt.Font) {
	proportional, err := opentype.Parse(goregular.TTF)
	if err != nil {
		panic(err) // it is compiled in
	}
	if single, err = opentype.Parse(gomono.TTF); err != nil {
		panic(err)
	}
	return proportional, single
})

const (
	firstWide  = 0x1100 // Hangul, then all of Chinese and Japanese
	maxLetters = 2000   // of a text
	maxSize    = 1500   // dots a letter
)

// text is one line of letters.
type text struct {
	s             string
	height, width int  // dots of a letter; of the cell when fixed, in which Chinese takes two
	fixed         bool // every letter takes the same room
	chinese       bool // the printer's font has Chinese
	bold          bool // printed twice, one dot apart
	white         bool // white letters on black
	underline     int  // dots
}

// draw draws what the printer's font has, and a box for what it has not, as printers do.
func (t text) draw(with *fonts) (*raster.Bitmap, int, error) {
	t.s = raster.Visible(t.s)
	runes := []rune(t.s)
	if len(runes) == 0 {
		return nil, 0, nil
	}
	if t.height < 1 || t.width < 1 || t.height > maxSize || t.width > maxSize || len(runes) > maxLetters {
		return nil, 0, fmt.Errorf("%d letters of %d x %d dots", len(runes), t.width, t.height)
	}
	pen, err := t.pen(with)
	if err != nil {
		return nil, 0, err
	}
	defer pen.close()
	width := 0
	for _, r := range runes {
		_, _, cell, _ := pen.pick(r)
		width += cell
	}
	if err := fitting(width, t.height+t.height/8+1); err != nil {
		return nil, 0, err
	}
	dots := raster.New(width, t.height+t.height/8+1)
	x := 0
	var lacking strings.Builder
	for _, r := range runes {
		l, known := pen.letter(r)
		if !known {
			lacking.WriteRune(r)
		}
		dots.Paste(x, 0, l)
		if t.bold {
			dots.Paste(x+1, 0, l)
		}
		x += l.Width
	}
	base := t.height - t.height/8
	dots.Fill(0, base+1, width, t.underline)
	if t.white {
		for i := range dots.Bits {
			dots.Bits[i] = ^dots.Bits[i]
		}
	}
	if lacking.Len() > 0 {
		err = fmt.Errorf("%w: %q", errNoGlyph, lacking.String())
	}
	return dots, base, err
}

var errNoGlyph = fmt.Errorf("字库没有 / the printer's font lacks")

// measure is the width of a text in dots.
func (t text) measure(with *fonts) int {
	pen, err := t.pen(with)
	if err != nil {
		return 0
	}
	defer pen.close()
	width := 0
	for _, r := range raster.Visible(t.s) {
		_, _, cell, _ := pen.pick(r)
		width += cell
	}
	return width
}

// pen draws letters of one size.
type pen struct {
	text
	letters, chinese       font.Face
	lettersFont, glyphFont *sfnt.Font
	buf                    sfnt.Buffer
}

func (t text) pen(with *fonts) (*pen, error) {
	p := &pen{text: t}
	proportional, single := builtIn()
	if p.lettersFont = proportional; t.fixed {
		p.lettersFont = single
	}
	options := &opentype.FaceOptions{Size: float64(t.height), DPI: 72, Hinting: font.HintingNone}
	var err error
	if p.letters, err = opentype.NewFace(p.lettersFont, options); err != nil {
		return nil, err
	}
	if t.chinese && with != nil && with.chinese != nil {
		p.glyphFont = with.chinese.Font()
		if p.chinese, err = opentype.NewFace(p.glyphFont, options); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *pen) close() {
	_ = p.letters.Close()
	if p.chinese != nil {
		_ = p.chinese.Close()
	}
}

// pick says with which face a letter is drawn, how wide it is by nature and how wide it becomes.
func (p *pen) pick(r rune) (face font.Face, natural, cell int, known bool) {
	face = p.letters
	known = has(p.lettersFont, &p.buf, r)
	if !known && p.glyphFont != nil && has(p.glyphFont, &p.buf, r) {
		face, known = p.chinese, true
	}
	wide := r >= firstWide
	switch advance, ok := face.GlyphAdvance(r); {
	case !known && wide, !ok:
		natural = p.height
	default:
		natural = max(1, advance.Ceil())
	}
	switch {
	case p.fixed && wide:
		cell = 2 * p.width
	case p.fixed:
		cell = p.width
	default:
		cell = max(1, natural*p.width/p.height)
	}
	return face, natural, cell, known
}

func has(f *sfnt.Font, buf *sfnt.Buffer, r rune) bool {
	g, err := f.GlyphIndex(buf, r)
	return err == nil && g != 0
}

// letter draws one letter in its cell.
func (p *pen) letter(r rune) (dots *raster.Bitmap, known bool) {
	face, natural, cell, known := p.pick(r)
	height := p.height + p.height/8 + 1
	dots = raster.New(cell, height)
	if !known {
		edge := max(1, p.height/16)
		frame, _, err := box{max(1, cell-2), max(1, p.height-p.height/8), edge}.draw(nil)
		if err == nil {
			dots.Paste(1, 0, frame)
		}
		return dots, false
	}
	canvas := image.NewAlpha(image.Rect(0, 0, natural, height))
	d := font.Drawer{Dst: canvas, Src: image.Opaque, Face: face, Dot: fixed.P(0, p.height-p.height/8)}
	d.DrawString(string(r))
	for y := range height {
		for x := range cell {
			// The middle of the dot, and of what lies under it in the letter as it is by nature.
			from, to := x*natural/cell, max(x*natural/cell+1, (x+1)*natural/cell)
			sum := 0
			for i := from; i < to; i++ {
				sum += int(canvas.AlphaAt(i, y).A)
			}
			if sum >= 0x80*(to-from) {
				dots.Set(x, y)
			}
		}
	}
	return dots, true
}

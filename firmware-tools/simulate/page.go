package simulate

import (
	"fmt"
	"image"
	"math/bits"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

const (
	dotsPerMM  = 8           // 203 dpi
	maxSide    = 32_000      // dots of a page's side: four metres
	maxDots    = 16_000_000  // dots of a page
	maxInk     = 2 * maxDots // dots of all drawings of a page together
	defaultPad = 2 * dotsPerMM
)

// page is what a job puts on a label, in dots from the upper left corner as a person reads it. A language
// makes it, and knows nothing of pixels.
type page struct {
	width, height int // 0 as far as something is drawn
	fields        []field
}

// field is one drawing and where it stands.
type field struct {
	x, y  int
	from  corner
	turn  int // quarter turns clockwise, 0 to 3
	how   mode
	what  drawing
	named string // the command it comes from, for warnings
}

// corner says what of a drawing stands at a field's x and y.
type corner int

const (
	upperLeft corner = iota // of the turned drawing: ZPL ^FO
	firstDot                // the drawing's own upper left, about which it turns: TSPL
	baseline                // where the baseline begins: ZPL ^FT
)

// mode says what a drawing's black dots do to the page.
type mode int

const (
	burn   mode = iota // make black
	invert             // turn over
	wipe               // make white
	cover              // the drawing takes the place of what was there, white dots too
)

// drawing is something that can be drawn.
type drawing interface {
	// draw returns the drawing and how far below its top the baseline lies.
	draw(with *fonts) (dots *raster.Bitmap, base int, err error)
}

// render draws the page. What can not be drawn, and what leaves the page, is told in words: a printer
// cuts it off in silence.
func (p page) render(with *fonts) (*raster.Bitmap, []string) {
	type placed struct {
		field
		dots      *raster.Bitmap
		left, top int
	}
	var faults []string
	var all []placed
	right, bottom, ink := 0, 0, 0
	for _, f := range p.fields {
		if ink > maxInk {
			faults = append(faults, warned(wrongValue, "%s: 图形太多 / too much to draw", f.named))
			break
		}
		dots, base, err := f.what.draw(with)
		if err != nil {
			faults = append(faults, warned(wrongValue, "%s: %v", f.named, err))
		}
		if dots == nil {
			continue
		}
		ink += dots.Width * dots.Height
		dots, left, top := f.place(dots, base)
		all = append(all, placed{f, dots, left, top})
		from, to := inked(dots)
		if to == from {
			continue
		}
		from, to = from.Add(image.Pt(left, top)), to.Add(image.Pt(left, top))
		right, bottom = max(right, to.X), max(bottom, to.Y)
		if from.X < 0 || from.Y < 0 || p.width > 0 && to.X > p.width || p.height > 0 && to.Y > p.height {
			faults = append(faults, warned(outsideLabel, "%s: %v...%v", f.named, from, to))
		}
	}
	width, height := p.width, p.height
	if width == 0 {
		width = right + defaultPad
	}
	if height == 0 {
		height = bottom + defaultPad
	}
	width, height = min(width, maxSide), min(height, maxSide)
	if width*height > maxDots {
		height = maxDots / width
	}
	canvas := raster.New(width, height)
	for _, f := range all {
		f.how.put(canvas, f.left, f.top, f.dots)
	}
	return canvas, faults
}

// inked returns the first black dot's column and row, and those behind the last one.
func inked(b *raster.Bitmap) (from, to image.Point) {
	from = image.Pt(b.Width, b.Height)
	for y := range b.Height {
		for i, eight := range b.Row(y) {
			if eight != 0 {
				left, right := 8*i+bits.LeadingZeros8(eight), min(b.Width, 8*(i+1)-bits.TrailingZeros8(eight))
				from, to = image.Pt(min(from.X, left), min(from.Y, y)), image.Pt(max(to.X, right), max(to.Y, y+1))
			}
		}
	}
	if to.X == 0 { // nothing is
		return image.Point{}, image.Point{}
	}
	return from, to
}

// place turns a drawing and says where its upper left corner comes to stand.
func (f field) place(dots *raster.Bitmap, base int) (turned *raster.Bitmap, left, top int) {
	w, h := dots.Width, dots.Height
	ax, ay := 0, 0
	switch f.from {
	case baseline:
		ay = base
	case upperLeft:
		return turn(dots, f.turn), f.x, f.y
	}
	switch f.turn {
	case 1:
		return turn(dots, 1), f.x - h + ay, f.y - ax
	case 2:
		return turn(dots, 2), f.x - w + ax, f.y - h + ay
	case 3:
		return turn(dots, 3), f.x - ay, f.y - w + ax
	}
	return dots, f.x - ax, f.y - ay
}

func turn(b *raster.Bitmap, quarters int) *raster.Bitmap {
	if quarters == 0 {
		return b
	}
	t := raster.New(b.Height, b.Width)
	if quarters == 2 {
		t = raster.New(b.Width, b.Height)
	}
	for y := range b.Height {
		for x := range b.Width {
			if !b.Dark(x, y) {
				continue
			}
			switch quarters {
			case 1:
				t.Set(b.Height-1-y, x)
			case 2:
				t.Set(b.Width-1-x, b.Height-1-y)
			case 3:
				t.Set(y, b.Width-1-x)
			}
		}
	}
	return t
}

func (m mode) put(on *raster.Bitmap, left, top int, dots *raster.Bitmap) {
	for y := max(0, -top); y < min(dots.Height, on.Height-top); y++ {
		row := on.Row(top + y)
		for x := max(0, -left); x < min(dots.Width, on.Width-left); x++ {
			dark, bit := dots.Dark(x, y), byte(0x80>>((left+x)%8))
			at := &row[(left+x)/8]
			switch {
			case m == cover && !dark, m == wipe && dark:
				*at &^= bit
			case m == invert && dark:
				*at ^= bit
			case dark:
				*at |= bit
			}
		}
	}
}

// box is a rectangle with an edge of the given thickness; filled when that is half of it.
type box struct{ width, height, thick int }

func (b box) draw(*fonts) (*raster.Bitmap, int, error) {
	if err := fitting(b.width, b.height); err != nil {
		return nil, 0, err
	}
	dots := raster.New(b.width, b.height)
	t := b.thick
	dots.Fill(0, 0, b.width, t)
	dots.Fill(0, b.height-t, b.width, t)
	dots.Fill(0, 0, t, b.height)
	dots.Fill(b.width-t, 0, t, b.height)
	return dots, b.height, nil
}

// picture is a bitmap that the host sent.
type picture struct {
	*raster.Bitmap
	wide, high int // dots for each of its dots, at least 1
}

func (p picture) draw(*fonts) (*raster.Bitmap, int, error) {
	w, h := max(1, p.wide), max(1, p.high)
	if w == 1 && h == 1 {
		return p.Bitmap, p.Height, nil
	}
	if err := fitting(p.Width*w, p.Height*h); err != nil {
		return nil, 0, err
	}
	big := raster.New(p.Width*w, p.Height*h)
	for y := range p.Height {
		for x := range p.Width {
			if p.Dark(x, y) {
				big.Fill(x*w, y*h, w, h)
			}
		}
	}
	return big, big.Height, nil
}

// newPicture takes rows of stride bytes; bits that are 1 are black unless they are told to be white.
func newPicture(stride, height int, data []byte, oneIsWhite bool) picture {
	b := raster.New(stride*8, height)
	copy(b.Bits, data)
	if oneIsWhite {
		for i := range b.Bits {
			b.Bits[i] = ^b.Bits[i]
		}
	}
	return picture{Bitmap: b}
}

// bars are a linear symbol, with what it says below or above.
type bars struct {
	symbol         func() (symbol.Symbol, error)
	module, height int    // dots
	says           string // empty for none
	above          bool
	size           int // of the letters, in dots
}

func (b bars) draw(with *fonts) (*raster.Bitmap, int, error) {
	s, err := b.symbol()
	if err != nil {
		return nil, 0, err
	}
	width := s.Width * b.module
	if err := fitting(width, b.height); err != nil {
		return nil, 0, err
	}
	words := raster.New(0, 0)
	if b.says != "" {
		if words, _, err = (text{s: b.says, height: b.size, width: b.size / 2, fixed: true}).draw(with); err != nil {
			return nil, 0, err
		}
	}
	const gap = 4
	dots := raster.New(max(width, words.Width), b.height)
	top := 0
	if words.Height > 0 {
		dots = raster.New(dots.Width, b.height+gap+words.Height)
		if b.above {
			top = words.Height + gap
			dots.Paste(max(0, (width-words.Width)/2), 0, words)
		} else {
			dots.Paste(max(0, (width-words.Width)/2), b.height+gap, words)
		}
	}
	dots.Symbol(0, top, b.module, b.height, s)
	return dots, top + b.height, nil
}

// matrix is a two-dimensional symbol.
type matrix struct {
	symbol func() (symbol.Symbol, error)
	module int // dots
	quiet  int // modules of light around it that belong to the drawing
}

func (m matrix) draw(*fonts) (*raster.Bitmap, int, error) {
	s, err := m.symbol()
	if err != nil {
		return nil, 0, err
	}
	w, h := (s.Width+2*m.quiet)*m.module, (s.Height+2*m.quiet)*m.module
	if err := fitting(w, h); err != nil {
		return nil, 0, err
	}
	dots := raster.New(w, h)
	dots.Symbol(m.quiet*m.module, m.quiet*m.module, m.module, 0, s)
	return dots, h, nil
}

// fitting refuses what no label could hold, before memory is taken for it.
func fitting(width, height int) error {
	if width < 1 || height < 1 || width > maxSide || height > maxSide || width*height > maxDots {
		return fmt.Errorf("%d x %d dots", width, height)
	}
	return nil
}

package label

import (
	"fmt"

	"stockade/internal/raster"
)

// Picture returns the label as it will look. Letters of the printer's own are drawn in the typeface, or in
// Go Regular where there is none.
func (l *Layout) Picture() *raster.Bitmap {
	b := raster.New(l.Width, l.Height)
	for _, i := range l.items {
		l.draw(b, i, 0)
	}
	return b
}

// draw draws an item, moved down by dy.
func (l *Layout) draw(b *raster.Bitmap, i item, dy int) {
	switch {
	case i.solid:
		b.Fill(i.x, i.y+dy, i.width, i.height)
	case i.symbol != nil:
		b.Symbol(i.x, i.y+dy, i.symbol.module, i.height, i.symbol.symbol)
	case i.text.picture != nil:
		b.Paste(i.x, i.y+dy, i.text.picture)
	default:
		picture, err := l.letter(i)
		if err != nil {
			return // a font file that can not be read: the rest of the label is worth seeing
		}
		x := i.text.left
		switch i.text.align {
		case Center:
			x += (i.text.room - picture.Width) / 2
		case Right:
			x += i.text.room - picture.Width
		}
		b.Paste(x, i.y+dy, picture)
	}
}

func (l *Layout) letter(i item) (*raster.Bitmap, error) {
	for _, face := range []*raster.Typeface{l.face, raster.Latin()} {
		if face.Draws(i.text.text) || face == raster.Latin() {
			return face.Draw(i.text.text, min(i.text.letters.height, i.text.size), i.text.room)
		}
	}
	return nil, fmt.Errorf("no typeface for %q", i.text.text)
}

// drawn draws the symbol of an item by itself.
func drawn(i item) *raster.Bitmap {
	b := raster.New(i.width, i.height)
	b.Symbol(0, 0, i.symbol.module, i.height, i.symbol.symbol)
	return b
}

// Package raster draws with black and white dots: what a label printer burns and a preview shows.
package raster

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"

	"stockade/internal/symbol"
)

// Bitmap is a picture of black and white dots. Its zero value has none.
type Bitmap struct {
	Width, Height int    // dots
	Stride        int    // bytes a row
	Bits          []byte // row by row; the highest bit is the leftmost dot, 1 is black
}

// New returns a white bitmap.
func New(width, height int) *Bitmap {
	stride := (width + 7) / 8
	return &Bitmap{Width: width, Height: height, Stride: stride, Bits: make([]byte, stride*height)}
}

// Row returns the bytes of row y, which may be written.
func (b *Bitmap) Row(y int) []byte { return b.Bits[y*b.Stride : (y+1)*b.Stride] }

// Dark reports whether a dot is black. Outside the bitmap all is white.
func (b *Bitmap) Dark(x, y int) bool {
	return x >= 0 && x < b.Width && y >= 0 && y < b.Height && b.Bits[y*b.Stride+x/8]&(0x80>>(x%8)) != 0
}

// Set makes a dot black. Outside the bitmap it does nothing.
func (b *Bitmap) Set(x, y int) {
	if x >= 0 && x < b.Width && y >= 0 && y < b.Height {
		b.Bits[y*b.Stride+x/8] |= 0x80 >> (x % 8)
	}
}

// Fill makes a rectangle black.
func (b *Bitmap) Fill(left, top, width, height int) {
	for y := max(0, top); y < min(b.Height, top+height); y++ {
		for x := max(0, left); x < min(b.Width, left+width); x++ {
			b.Set(x, y)
		}
	}
}

// Paste adds the black dots of another bitmap.
func (b *Bitmap) Paste(left, top int, from *Bitmap) {
	for y := range from.Height {
		for x := range from.Width {
			if from.Dark(x, y) {
				b.Set(left+x, top+y)
			}
		}
	}
}

// Symbol draws a symbol with modules of the given size in dots. Bars are as high as height; the rows of
// a matrix have its modules' own.
func (b *Bitmap) Symbol(left, top, module, height int, s symbol.Symbol) {
	if !s.Kind.Linear() {
		height = module
	}
	s.Runs(func(x, y, n int) { b.Fill(left+x*module, top+y*module, n*module, height) })
}

// Trim returns the rows and columns up to the last black dot.
func (b *Bitmap) Trim() *Bitmap {
	width, height := 0, 0
	for y := range b.Height {
		row := b.Row(y)
		for i := len(row) - 1; i >= 0; i-- {
			if row[i] != 0 {
				width, height = max(width, min(b.Width, 8*i+8)), y+1
				break
			}
		}
	}
	t := New(width, height)
	for y := range height {
		copy(t.Row(y), b.Row(y))
	}
	return t
}

// Image returns the bitmap as a picture.
func (b *Bitmap) Image() *image.Paletted {
	p := image.NewPaletted(image.Rect(0, 0, b.Width, b.Height), color.Palette{color.White, color.Black})
	for y := range b.Height {
		for x := range b.Width {
			if b.Dark(x, y) {
				p.SetColorIndex(x, y, 1)
			}
		}
	}
	return p
}

// PNG returns the bitmap as a PNG file.
func (b *Bitmap) PNG() ([]byte, error) {
	var out bytes.Buffer
	if err := png.Encode(&out, b.Image()); err != nil {
		return nil, fmt.Errorf("encode picture: %w", err)
	}
	return out.Bytes(), nil
}

// threshold makes black what is at least half covered.
func threshold(a *image.Alpha) *Bitmap {
	size := a.Bounds().Size()
	b := New(size.X, size.Y)
	for y := range size.Y {
		for x := range size.X {
			if a.AlphaAt(x, y).A >= 0x80 {
				b.Set(x, y)
			}
		}
	}
	return b
}

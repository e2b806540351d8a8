package raster

import (
	"bytes"
	"image/png"
	"testing"

	"stockade/internal/symbol"
)

func TestBitmap(t *testing.T) {
	b := New(20, 6)
	b.Fill(-3, 1, 5, 2)
	b.Set(9, 4)
	b.Set(100, 100)
	if got := b.Trim(); got.Width != 16 || got.Height != 5 || !got.Dark(1, 2) || got.Dark(2, 2) || !got.Dark(9, 4) || got.Dark(-1, 0) {
		t.Errorf("%+v", got)
	}
	if e := New(9, 9).Trim(); e.Width != 0 || e.Height != 0 || len(e.Bits) != 0 {
		t.Errorf("nothing trims to %+v", e)
	}
	c := New(20, 6)
	c.Paste(4, 1, b)
	for y := range 6 {
		for x := range 20 {
			if c.Dark(x, y) != (x >= 4 && b.Dark(x-4, y-1)) {
				t.Fatalf("dot %d, %d is pasted wrongly", x, y)
			}
		}
	}
	data, err := b.PNG()
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	for y := range 6 {
		for x := range 20 {
			if r, _, _, _ := img.At(x, y).RGBA(); (r == 0) != b.Dark(x, y) {
				t.Fatalf("pixel %d, %d differs from its dot", x, y)
			}
		}
	}
}

func TestSymbolIsDrawnModuleByModule(t *testing.T) {
	for _, k := range []symbol.Kind{symbol.GS1128, symbol.GS1DataMatrix} {
		s, err := symbol.Make(k, "0106901234567892")
		if err != nil {
			t.Fatal(err)
		}
		b := New(600, 200)
		b.Symbol(7, 5, 3, 50, s)
		height := 3 * s.Height
		if s.Kind.Linear() {
			height = 50
		}
		for y := range 200 {
			for x := range 600 {
				row := (y - 5) / 3
				if s.Kind.Linear() {
					row = 0
				}
				want := x >= 7 && y >= 5 && y < 5+height && s.Dark((x-7)/3, row)
				if b.Dark(x, y) != want {
					t.Fatalf("%s: dot %d, %d", k, x, y)
				}
			}
		}
	}
}

package label

import (
	"fmt"
	"image"
	"strings"
)

// bitmap is a picture of black and white dots.
type bitmap struct {
	stride int      // bytes a row
	rows   [][]byte // the highest bit is the leftmost dot; 1 is black
}

// threshold makes black what is at least half covered, and leaves out empty space at the right and below.
func threshold(a *image.Alpha) bitmap {
	size := a.Bounds().Size()
	b := bitmap{rows: make([][]byte, 0, size.Y)}
	last := 0
	for y := range size.Y {
		row := make([]byte, (size.X+7)/8)
		for x := range size.X {
			if a.AlphaAt(x, y).A >= 0x80 {
				row[x/8] |= 0x80 >> (x % 8)
				b.stride, last = max(b.stride, x/8+1), y+1
			}
		}
		b.rows = append(b.rows, row)
	}
	b.rows = b.rows[:last]
	for y := range b.rows {
		b.rows[y] = b.rows[y][:b.stride]
	}
	return b
}

// zpl returns the graphic field: hexadecimal, with a comma for the white end of a row. A serial line
// takes a second for a kilobyte, so what is white should not be sent.
func (b bitmap) zpl() string {
	if len(b.rows) == 0 {
		return ""
	}
	var z strings.Builder
	total := len(b.rows) * b.stride
	fmt.Fprintf(&z, "^GFA,%d,%d,%d,", total, total, b.stride)
	for _, row := range b.rows {
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

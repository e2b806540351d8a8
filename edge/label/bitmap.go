package label

import (
	"fmt"
	"strings"

	"stockade/internal/raster"
)

// zpl returns the graphic field: hexadecimal, with a comma for the white end of a row. A serial line
// takes a second for a kilobyte, so what is white should not be sent.
func zpl(b *raster.Bitmap) string {
	if b.Height == 0 {
		return ""
	}
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

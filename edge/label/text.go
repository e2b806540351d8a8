package label

import (
	"fmt"
	"strings"

	"stockade/internal/raster"
)

// minWidth is how narrow letters may become before text is shortened, in percent.
const minWidth = 60

// text writes a line of text, as high as height, over the whole width.
func (c *canvas) text(top, height int, s string) {
	c.textAt(margin*dotsPerMM, top, printable, height, s)
}

// textAt writes a line that is no wider than width.
func (c *canvas) textAt(left, top, width, height int, s string) {
	s = strings.TrimSpace(clip(s))
	if s == "" || c.err != nil {
		return
	}
	if foreign(s) && c.face.Draws(s) {
		image, err := c.face.Draw(s, height, width)
		if err != nil {
			c.err = err
			return
		}
		fmt.Fprintf(&c.zpl, "^FO%d,%d%s^FS", left, top, zpl(image))
		return
	}
	s, wide := fit(s, height, width)
	fmt.Fprintf(&c.zpl, "^FO%d,%d", left, top)
	if c.font == "" {
		fmt.Fprintf(&c.zpl, "^A0N,%d,%d", height, wide)
	} else {
		fmt.Fprintf(&c.zpl, "^A@N,%d,%d,%s", height, wide, c.font)
	}
	fmt.Fprintf(&c.zpl, "^FH^FD%s^FS", escape(s))
}

// clip keeps what a line could hold at the very most.
func clip(s string) string {
	const most = 200
	n := 0
	for at := range s {
		if n++; n > most {
			return s[:at]
		}
	}
	return s
}

// fit narrows text, and then shortens it, until a printer's font does not pass width. It returns the
// text and the width of its letters.
func fit(s string, height, width int) (string, int) {
	wide := height
	if w := estimate(s, height); w > width {
		wide = max(height*width/w, height*minWidth/100)
	}
	if estimate(s, wide) <= width {
		return s, wide
	}
	return raster.Shorten(s, func(s string) bool { return estimate(s, wide) <= width }), wide
}

// estimate is the width of text in a proportional font of the printer's: wide capitals in
// Latin, the full square in Chinese.
func estimate(s string, wide int) int {
	sum := 0
	for _, r := range s {
		if r >= firstWide {
			sum += wide * 100
		} else {
			sum += wide * 62
		}
	}
	return (sum + 99) / 100
}

const firstWide = 0x1100 // Hangul, then all of Chinese and Japanese

// foreign reports whether s has characters that the built-in font of a printer lacks.
func foreign(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return r >= firstWide })
}

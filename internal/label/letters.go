package label

import (
	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/internal/raster"
)

// minNarrow is how narrow letters may become before text is shortened, in percent.
const minNarrow = 60

// firstWide begins Hangul, and then all of Chinese and Japanese.
const firstWide = 0x1100

// foreign reports whether s has characters that the built-in font of a printer lacks: ZPL printers have
// Latin letters in Unicode, the others ASCII for certain.
func foreign(s string) bool {
	for _, r := range s {
		if r > '~' {
			return true
		}
	}
	return false
}

// writes reports whether the Chinese font of a printer may have all characters of s. The fonts of TSPL and ESC/POS printers are
// GB2312 or GBK, two bytes a character: those that only the four bytes of GB18030 have, as in some people's names, come out as other
// characters.
func (p Printer) writes(s string) bool {
	if p.Language == ZPL {
		return true
	}
	for _, r := range s {
		if 0x3400 <= r && r < 0x4DC0 { // a few have two bytes since GB18030-2005: younger than most printers' fonts
			return false
		}
	}
	_, err := simplifiedchinese.GBK.NewEncoder().String(s)
	return err == nil
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

// letters returns how the printer writes a line: what of it, with which letters, and how wide it gets at most.
func (p Printer) letters(s string, size, width int, wide bool) (string, letters, int) {
	switch p.Language {
	case TSPL:
		if wide {
			font := p.Font
			if font == "" { // nobody can draw it here: the printer may have this one
				font = usualChinese
			}
			return fixedPitch(s, size, width, []pitch{{font: font, width: 12, height: 24}}, 10, true)
		}
		return fixedPitch(s, size, width, tsplFonts, 10, false)
	case ESCPOS:
		return fixedPitch(s, size, width, []pitch{{width: 12, height: 24}}, 8, wide)
	}
	s, w := fit(s, size, width)
	return s, letters{font: p.Font, height: size, width: w, chinese: wide && p.Font != ""}, estimate(s, w)
}

// fit narrows text, and then shortens it, until a printer's proportional font does not pass width. It returns the
// text and the width of its letters.
func fit(s string, height, width int) (string, int) {
	wide := height
	if w := estimate(s, height); w > width {
		wide = max(height*width/w, height*minNarrow/100)
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

// pitch is a font made of dots; a Chinese character takes two columns.
type pitch struct {
	font          string
	width, height int // dots
}

// usualChinese is the Chinese font of most TSPL printers that have one.
const usualChinese = "TSS24.BF2"

// tsplFonts are in every TSPL printer (TSPL/TSPL2 Programming Manual, "TEXT").
var tsplFonts = []pitch{{"1", 8, 12}, {"2", 12, 20}, {"3", 16, 24}, {"4", 24, 32}, {"5", 32, 48}}

// fixedPitch chooses the font and the scale that come nearest to size from below and let the text fit, narrower
// ones where needed. Text that does not fit even so is shortened. The smallest font is taken where all are too large.
func fixedPitch(s string, size, width int, fonts []pitch, most int, chinese bool) (string, letters, int) {
	columns := 0
	for _, r := range s {
		if columns++; r > '~' {
			columns++
		}
	}
	best, found := letters{font: fonts[0].font, height: fonts[0].height, width: fonts[0].width, scaleX: 1, scaleY: 1, chinese: chinese}, false
	for _, f := range fonts {
		for sy := 1; sy <= most && f.height*sy <= size; sy++ {
			for sx := 1; sx <= min(sy, most); sx++ {
				if f.width*sx*columns > width {
					break
				}
				l := letters{font: f.font, height: f.height * sy, width: f.width * sx, scaleX: sx, scaleY: sy, chinese: chinese}
				if better(l, best, found) {
					best, found = l, true
				}
			}
		}
	}
	if found {
		return s, best, columns * best.width
	}
	// No letters are narrow enough: the narrowest of the best height, and less text.
	for _, f := range fonts {
		if sy := min(most, size/f.height); sy > 0 && f.height*sy > best.height*3/2 {
			best = letters{font: f.font, height: f.height, width: f.width, scaleX: 1, scaleY: 1, chinese: chinese}
			break
		}
	}
	fits := func(s string) bool { return pitchWidth(s, best.width) <= width }
	if !fits(s) {
		s = raster.Shorten(s, fits)
	}
	return s, best, pitchWidth(s, best.width)
}

// better prefers letters that are higher, then those that are wider; much narrower ones are worth less than their height.
func better(a, b letters, found bool) bool {
	if !found {
		return true
	}
	score := func(l letters) int { return l.height*2 + min(l.width*2, l.height) }
	if score(a) != score(b) {
		return score(a) > score(b)
	}
	return a.scaleX*a.scaleY < b.scaleX*b.scaleY // dots that are not blown up look better
}

func pitchWidth(s string, wide int) int {
	n := 0
	for _, r := range s {
		if n++; r > '~' {
			n++
		}
	}
	return n * wide
}

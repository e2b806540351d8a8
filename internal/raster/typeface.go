package raster

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"sort"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Typeface draws text with a font file of the node's, such as the Noto Sans CJK of Debian's
// fonts-noto-cjk. It reads from the file what it needs: such files are larger than a node's whole
// memory should be. It is safe for several goroutines at once; nil is one that draws nothing.
type Typeface struct {
	file *os.File
	font *sfnt.Font
}

// OpenTypeface opens a TrueType or OpenType font or a collection of them, of which it takes
// the one for simplified Chinese, else the first. The caller closes it.
func OpenTypeface(path string) (*Typeface, error) {
	file, err := os.Open(path) // #nosec G304 -- named by the operator
	if err != nil {
		return nil, fmt.Errorf("open font: %w", err)
	}
	f, err := pick(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open font %s: %w", path, err)
	}
	return &Typeface{file: file, font: f}, nil
}

// systemTypeface is where Debian's fonts-noto-cjk puts its font.
const systemTypeface = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"

// SystemTypeface opens the font that draws Chinese: the one named, or else Debian's. It is nil when none is named and
// Debian's is not there.
func SystemTypeface(named string) (*Typeface, error) {
	if named != "" {
		return OpenTypeface(named)
	}
	t, err := OpenTypeface(systemTypeface)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return t, err
}

// Close closes the font file.
func (t *Typeface) Close() error { return t.file.Close() }

func pick(file *os.File) (*sfnt.Font, error) {
	all, err := sfnt.ParseCollectionReaderAt(file)
	if err != nil {
		return nil, err
	}
	for n := range all.NumFonts() {
		f, err := all.Font(n)
		if err != nil {
			return nil, err
		}
		if name, err := f.Name(nil, sfnt.NameIDFull); err == nil && strings.Contains(name+" ", " SC ") {
			return f, nil
		}
	}
	return all.Font(0)
}

// Draws reports whether the font has every character of s. A nil Typeface has none.
func (t *Typeface) Draws(s string) bool {
	if t == nil {
		return false
	}
	var buf sfnt.Buffer
	for _, r := range Visible(s) {
		if g, err := t.font.GlyphIndex(&buf, r); err != nil || g == 0 {
			return false
		}
	}
	return true
}

// Visible leaves out control characters.
func Visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || 0x7F <= r && r < 0xA0 {
			return -1
		}
		return r
	}, s)
}

// minShrink is how small text may become before it is shortened, in percent of the size asked for.
const minShrink = 60

// Draw draws a line of text with characters of height dots and no wider than width; the empty space at its
// right and below is left out. Text that is too wide is made smaller, then shortened. The line that characters stand on lies
// an eighth of the size above height, as in Chinese squares.
func (t *Typeface) Draw(s string, height, width int) (*Bitmap, error) {
	s, size, err := t.Fit(s, height, width)
	if err != nil {
		return nil, err
	}
	face, err := t.face(size)
	if err != nil {
		return nil, err
	}
	defer face.Close()
	line := size - size/belowLine
	canvas := image.NewAlpha(image.Rect(0, 0, min(width, max(1, font.MeasureString(face, s).Ceil())), size+size/belowSquare))
	d := font.Drawer{Dst: canvas, Src: image.Opaque, Face: face, Dot: fixed.P(0, line)}
	d.DrawString(s)
	return threshold(canvas).Trim(), nil
}

// Fit returns what Draw draws of s, and with characters of what size, in dots.
func (t *Typeface) Fit(s string, height, width int) (string, int, error) {
	s = Visible(s)
	face, err := t.face(height)
	if err != nil {
		return "", 0, err
	}
	w := font.MeasureString(face, s).Ceil()
	_ = face.Close()
	if w <= width {
		return s, height, nil
	}
	height = max(height*width/w, height*minShrink/100)
	if face, err = t.face(height); err != nil {
		return "", 0, err
	}
	defer face.Close()
	fits := func(s string) bool { return font.MeasureString(face, s).Ceil() <= width }
	if !fits(s) {
		s = Shorten(s, fits)
	}
	return s, height, nil
}

// Measure returns the width of s in dots, in characters of the given size.
func (t *Typeface) Measure(s string, size int) (int, error) {
	face, err := t.face(size)
	if err != nil {
		return 0, err
	}
	defer face.Close()
	return font.MeasureString(face, Visible(s)).Ceil(), nil
}

// Shorten takes away the end of s until it fits, and says so. Less of a text must fit where more of it does.
func Shorten(s string, fits func(string) bool) string {
	const more = ".."
	r := []rune(s)
	short := func(n int) string { return strings.TrimRight(string(r[:n]), " ") + more }
	// To measure is what costs: it is asked for a few lengths only.
	n := sort.Search(max(0, len(r)-1), func(n int) bool { return !fits(short(n + 1)) })
	return short(n)
}

// Font returns the font, for those who draw its outlines.
func (t *Typeface) Font() *sfnt.Font { return t.font }

// The square of a Chinese character stands this much of its side below the line, and Latin letters may
// reach an eighth of it further down.
const belowLine, belowSquare = 8, 8

func (t *Typeface) face(size int) (font.Face, error) {
	f, err := opentype.NewFace(t.font, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("font at %d dots: %w", size, err)
	}
	return f, nil
}

// Latin returns a typeface that is always there: Go Regular, without Chinese.
func Latin() *Typeface { return latinFace() }

var latinFace = sync.OnceValue(func() *Typeface {
	f, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		panic(err) // it is part of the program
	}
	return &Typeface{font: f}
})

package label

import (
	"fmt"
	"image"
	"os"
	"strings"

	"golang.org/x/image/font"
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
		return nil, fmt.Errorf("open label font: %w", err)
	}
	f, err := pick(file)
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("open label font %s: %w", path, err)
	}
	return &Typeface{file: file, font: f}, nil
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

// draws reports whether the font has every character of s.
func (t *Typeface) draws(s string) bool {
	if t == nil {
		return false
	}
	var buf sfnt.Buffer
	for _, r := range visible(s) {
		if g, err := t.font.GlyphIndex(&buf, r); err != nil || g == 0 {
			return false
		}
	}
	return true
}

// visible leaves out control characters, as escape does.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || 0x7F <= r && r < 0xA0 {
			return -1
		}
		return r
	}, s)
}

// draw draws a line of text with characters of height dots and no wider than width. Text that is too
// wide is made smaller, then shortened.
func (t *Typeface) draw(s string, height, width int) (bitmap, error) {
	s = visible(s)
	face, err := t.face(height)
	if err != nil {
		return bitmap{}, err
	}
	if w := font.MeasureString(face, s).Ceil(); w > width {
		_ = face.Close()
		height = max(height*width/w, height*minWidth/100)
		if face, err = t.face(height); err != nil {
			return bitmap{}, err
		}
		fits := func(s string) bool { return font.MeasureString(face, s).Ceil() <= width }
		if !fits(s) {
			s = shorten(s, fits)
		}
	}
	defer face.Close()
	line := height - height/belowLine
	canvas := image.NewAlpha(image.Rect(0, 0, min(width, max(1, font.MeasureString(face, s).Ceil())), height+height/belowSquare))
	d := font.Drawer{Dst: canvas, Src: image.Opaque, Face: face, Dot: fixed.P(0, line)}
	d.DrawString(s)
	return threshold(canvas), nil
}

// The square of a Chinese character stands this much of its side below the line, and Latin letters may
// reach an eighth of it further down.
const belowLine, belowSquare = 8, 8

func (t *Typeface) face(size int) (font.Face, error) {
	f, err := opentype.NewFace(t.font, &opentype.FaceOptions{Size: float64(size), DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		return nil, fmt.Errorf("label font at %d dots: %w", size, err)
	}
	return f, nil
}

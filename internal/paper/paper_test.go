package paper

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/datamatrix"
	"github.com/makiuchi-d/gozxing/oned"
	"golang.org/x/image/font/gofont/goregular"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// dots is the resolution that pages are rendered in, per millimetre: that of the usual label printer.
const dots = 8

func openFace(t *testing.T, path string) *raster.Typeface {
	t.Helper()
	f, err := raster.OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// latin is a TrueType font (quadratic curves) that has no Chinese.
func latin(t *testing.T) *raster.Typeface {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latin.ttf")
	if err := os.WriteFile(path, goregular.TTF, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFace(t, path)
}

// chinese is Debian's fonts-noto-cjk, a collection of OpenType fonts (cubic curves).
func chinese(t *testing.T) *raster.Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	return openFace(t, path)
}

// render returns the pages of a file as a program that did not make it shows them.
func render(t *testing.T, d *Document) []image.Image {
	t.Helper()
	if _, err := exec.LookPath("pdftoppm"); err != nil && os.Getenv("CI") == "" {
		t.Skip("poppler-utils is not installed")
	}
	data, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "in.pdf"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	c := exec.CommandContext(ctx, "pdftoppm", "-r", "203.2", "-gray", "-png", "in.pdf", "page")
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 { // it complains of a file that is not well formed
		t.Fatalf("pdftoppm: %v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "page-*.png"))
	if err != nil {
		t.Fatal(err)
	}
	var pages []image.Image
	for _, f := range files {
		b, err := os.ReadFile(f) // #nosec G304 -- of this test
		if err != nil {
			t.Fatal(err)
		}
		p, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, p)
	}
	return pages
}

func dark(p image.Image, x, y int) bool {
	r, _, _, _ := p.At(x, y).RGBA()
	return r < 0x8000
}

// TestTextLooksAsTheFontSays: the outlines show what the font's own rasterizer draws.
func TestTextLooksAsTheFontSays(t *testing.T) {
	for name, c := range map[string]struct {
		face *raster.Typeface
		text string
	}{
		"Chinese, cubic curves": {chinese(t), "纯牛奶250毫升（有机）Qg8"},
		"Latin, quadratic ones": {latin(t), "Milk 250 ml (organic) & Qg8"},
	} {
		t.Run(name, func(t *testing.T) {
			const size = 10 // mm
			want, err := c.face.Draw(c.text, size*dots, 2000)
			if err != nil {
				t.Fatal(err)
			}
			d := New(200, 20, "text", time.Time{})
			d.AddPage()
			if err := d.Text(c.face, Text{X: 5, Y: 5 + size - size/8.0, Size: size, Text: c.text}); err != nil {
				t.Fatal(err)
			}
			page := render(t, d)[0]
			black, differ := 0, 0
			for y := range 20 * dots {
				for x := range 200 * dots {
					w := want.Dark(x-5*dots, y-5*dots)
					if w {
						black++
					}
					if w != dark(page, x, y) {
						differ++
					}
				}
			}
			// where an edge falls within a dot, two programs may choose differently
			if black < 2000 || differ*10 > black {
				t.Errorf("%d of %d black dots differ", differ, black)
			}
		})
	}
}

func TestTextFits(t *testing.T) {
	face := latin(t)
	d := New(100, 60, "text", time.Time{})
	d.AddPage()
	for i, text := range []Text{
		{Text: "short", Align: Right},
		{Text: "one that has to be made smaller", Align: Left},
		{Text: "one that is shortened, since smaller it would not be readable at all any more"},
		{Text: "mid", Align: Center},
	} {
		text.X, text.Y, text.Width, text.Size = 20, 10+float64(i)*12, 40, 4
		if err := d.Text(face, text); err != nil {
			t.Fatal(err)
		}
	}
	page := render(t, d)[0]
	for i, want := range [][2]float64{{50, 60}, {20, 60}, {20, 60}, {35, 45}} {
		left, right := 1000, -1
		for y := (5 + 12*i) * dots; y < (12+12*i)*dots; y++ {
			for x := range 100 * dots {
				if dark(page, x, y) {
					left, right = min(left, x), max(right, x)
				}
			}
		}
		if float64(left) < want[0]*dots || float64(right) > want[1]*dots+1 || right < left {
			t.Errorf("line %d is drawn from %.1f to %.1f mm, want within %v", i, float64(left)/dots, float64(right)/dots, want)
		}
	}
}

func TestNoFont(t *testing.T) {
	d := New(100, 50, "text", time.Time{})
	d.AddPage()
	for _, face := range []*raster.Typeface{nil, latin(t)} {
		if err := d.Text(face, Text{Size: 5, Text: "纯牛奶"}); !errors.Is(err, ErrNoFont) {
			t.Errorf("%v, want %v", err, ErrNoFont)
		}
		if _, err := Measure(face, "纯牛奶"); !errors.Is(err, ErrNoFont) {
			t.Errorf("%v, want %v", err, ErrNoFont)
		}
		if err := d.Text(face, Text{Size: 5, Text: " \x00"}); err != nil { // nothing to draw
			t.Error(err)
		}
	}
}

// TestSymbolsAreRead: an independent reader reads an independent program's picture.
func TestSymbolsAreRead(t *testing.T) {
	const message = "0106901234567892" + "17271231" + "10LOT-7\x1d" + "21A1"
	for kind, c := range map[symbol.Kind]struct {
		reader  gozxing.Reader
		message string
		want    string
	}{
		symbol.GS1128:        {oned.NewCode128Reader(), message, "]C1" + message},
		symbol.EAN13:         {oned.NewEAN13Reader(), "6901234567892", "6901234567892"},
		symbol.GS1DataMatrix: {datamatrix.NewDataMatrixReader(), message, "\x1d" + message},
	} {
		t.Run(string(kind), func(t *testing.T) {
			s, err := symbol.Make(kind, c.message)
			if err != nil {
				t.Fatal(err)
			}
			const module, quiet, bars = 0.5, 6, 20
			high := module * float64(s.Height)
			if kind.Linear() {
				high = bars
			}
			d := New(module*float64(s.Width)+2*quiet, high+2*quiet, "symbol", time.Time{})
			d.AddPage()
			d.Modules(quiet, quiet, module, bars, s)
			page := render(t, d)[0]
			bitmap, err := gozxing.NewBinaryBitmapFromImage(page)
			if err != nil {
				t.Fatal(err)
			}
			hints := map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_TRY_HARDER: true, gozxing.DecodeHintType_ASSUME_GS1: true}
			got, err := c.reader.Decode(bitmap, hints)
			if err != nil {
				t.Fatal(err)
			}
			if got.GetText() != c.want {
				t.Errorf("%q, want %q", got.GetText(), c.want)
			}
		})
	}
}

func TestFiguresAreWhereTheyShouldBe(t *testing.T) {
	b := raster.New(30, 10)
	b.Fill(3, 2, 9, 4)
	b.Set(29, 9)
	d := New(40, 30, "figures", time.Time{})
	d.AddPage()
	d.Rect(1, 2, 3, 4)
	d.Box(10, 2, 10, 6, 1, 0)
	d.Dots(5, 15, 0.5, b)
	d.AddPage()
	d.Ink(0.9)
	d.Rect(0, 0, 40, 30)
	d.Ink(0)
	d.Box(2, 2, 30, 20, 1, 3)
	pages := render(t, d)
	if len(pages) != 2 {
		t.Fatalf("%d pages, want 2", len(pages))
	}
	for _, c := range []struct {
		page int
		x, y float64
		want bool
	}{
		{0, 1.2, 2.2, true}, {0, 3.8, 5.8, true}, {0, 4.2, 5.8, false}, {0, 0.8, 3, false},
		{0, 10, 5, true}, {0, 15, 2, true}, {0, 15, 8, true}, {0, 15, 5, false},
		{0, 5 + 1.7, 15 + 1.2, true}, {0, 5 + 5.8, 15 + 2.8, true}, {0, 5 + 6.2, 15 + 2.8, false}, {0, 5 + 14.75, 15 + 4.75, true}, {0, 5 + 14.25, 15 + 4.75, false},
		{1, 35, 25, false}, {1, 3, 2, true}, {1, 6.5, 2, false},
	} {
		if got := dark(pages[c.page], int(c.x*dots), int(c.y*dots)); got != c.want {
			t.Errorf("page %d at %v, %v mm: dark is %v", c.page+1, c.x, c.y, got)
		}
	}
}

func TestSameCallsSameBytes(t *testing.T) {
	face := latin(t)
	made := func(when time.Time) []byte {
		d := New(100, 50, "仓盾", when)
		d.AddPage()
		if err := d.Text(face, Text{X: 5, Y: 20, Size: 8, Text: "twice"}); err != nil {
			t.Fatal(err)
		}
		b, err := d.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	day := time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	if !bytes.Equal(made(time.Time{}), made(time.Time{})) || !bytes.Equal(made(day), made(day)) {
		t.Error("the bytes differ")
	}
	if bytes.Equal(made(day), made(time.Time{})) || !bytes.Contains(made(day), []byte("D:20260504000000")) {
		t.Error("the day is not stated")
	}
}

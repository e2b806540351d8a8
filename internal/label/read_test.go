package label

import (
	"image"
	"image/draw"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/datamatrix"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"stockade/internal/symbol"
)

// read reads the symbol of an item from the picture of the whole label, with what stands within its quiet zone,
// with a library that did not make it. Each of the reader's two ways finds symbols that the other misses.
func read(t *testing.T, picture image.Image, i item) string {
	t.Helper()
	s := i.symbol.symbol
	quiet := s.Quiet * i.symbol.module
	crop := image.Rect(i.x-quiet, i.y, i.x+i.width+quiet, i.y+i.height)
	if !s.Kind.Linear() {
		crop = image.Rect(i.x-quiet, i.y-quiet, i.x+i.width+quiet, i.y+i.height+quiet)
	}
	const border = 40
	paper := image.NewGray(image.Rect(0, 0, crop.Dx()+2*border, crop.Dy()+2*border))
	draw.Draw(paper, paper.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(paper, image.Rect(border, border, border+crop.Dx(), border+crop.Dy()), picture, crop.Min, draw.Src)
	var reader gozxing.Reader
	switch s.Kind {
	case symbol.Code128, symbol.GS1128:
		reader = oned.NewCode128Reader()
	case symbol.QR:
		reader = qrcode.NewQRCodeReader()
	default:
		reader = datamatrix.NewDataMatrixReader()
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(paper)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
		hints := map[gozxing.DecodeHintType]any{way: true}
		if s.Kind == symbol.GS1128 {
			hints[gozxing.DecodeHintType_ASSUME_GS1] = true
		}
		if result, err := reader.Decode(bitmap, hints); err == nil {
			return result.GetText()
		}
	}
	t.Fatalf("%s of %q with modules of %d dots is not read", s.Kind, i.symbol.message, i.symbol.module)
	return ""
}

// plain takes away what announces GS1.
func plain(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(s, "]C1"), "\x1d"), "\x1d")
}

// TestPicturesAreRead: whatever a label says in bars or a matrix, an independent reader reads from its picture, at every
// resolution and in the layout of every language.
func TestPicturesAreRead(t *testing.T) {
	face := chinese(t)
	random := rand.New(rand.NewPCG(7, 8))
	text := func(most int) string {
		const of = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabc-/.%&"
		var b strings.Builder
		for range 1 + random.IntN(most) {
			b.WriteByte(of[random.IntN(len(of))])
		}
		return b.String()
	}
	n := 0
	for range 6 {
		for _, tp := range Standard() {
			v := tp.Kind.Sample()
			v["lot"], v["serial"], v["bin"], v["order"], v["badge"] = text(20), text(20), text(12), text(16), text(14)
			if random.IntN(3) == 0 {
				v["expiry"] = ""
			}
			for _, p := range []Printer{{}, {DPI: 300}, {Language: TSPL, DPI: 600}, {Language: ESCPOS}} {
				l, err := tp.Layout(v, p, face)
				if err != nil {
					t.Fatalf("%s at %d dpi: %v", tp.ID, p.DPI, err)
				}
				picture := l.Picture().Image()
				for _, i := range l.items {
					if i.symbol == nil {
						continue
					}
					n++
					want := i.symbol.message
					got := read(t, picture, i)
					switch i.symbol.symbol.Kind {
					case symbol.GS1128: // it takes a check character that happens to be FNC1 for one of data
						got, want = strings.TrimSuffix(got, "\x1d"), "]C1"+want
					case symbol.GS1DataMatrix:
						want = "\x1d" + want
					}
					if got != want {
						t.Errorf("%s: %q is read as %q", tp.ID, want, got)
					}
				}
			}
		}
	}
	if n < 100 {
		t.Errorf("only %d symbols were looked at", n)
	}
}

package symbol

import (
	"errors"
	"image"
	"image/color"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	dm "github.com/makiuchi-d/gozxing/datamatrix"
	"github.com/makiuchi-d/gozxing/oned"
	zxqr "github.com/makiuchi-d/gozxing/qrcode"
)

// picture draws a symbol with its quiet zone, as a camera would see it.
func picture(s Symbol) image.Image {
	const module = 4
	quiet := max(s.Quiet, 4)
	rows := s.Height
	if s.Kind.Linear() {
		rows = 40
	}
	img := image.NewGray(image.Rect(0, 0, (s.Width+2*quiet)*module, (rows+2*quiet)*module))
	for i := range img.Pix {
		img.Pix[i] = 0xFF
	}
	for y := range rows * module {
		for x := range s.Width * module {
			row := y / module
			if s.Kind.Linear() {
				row = 0
			}
			if s.Dark(x/module, row) {
				img.SetGray(quiet*module+x, quiet*module+y, color.Gray{})
			}
		}
	}
	return img
}

// read reads a symbol with a library that did not make it.
func read(t *testing.T, s Symbol) string {
	t.Helper()
	var reader gozxing.Reader
	switch s.Kind {
	case Code128, GS1128:
		reader = oned.NewCode128Reader()
	case EAN13:
		reader = oned.NewEAN13Reader()
	case QR:
		reader = zxqr.NewQRCodeReader()
	default:
		reader = dm.NewDataMatrixReader()
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(picture(s))
	if err != nil {
		t.Fatal(err)
	}
	var result *gozxing.Result
	for _, hints := range []map[gozxing.DecodeHintType]any{
		{gozxing.DecodeHintType_TRY_HARDER: true, gozxing.DecodeHintType_ASSUME_GS1: s.Kind.GS1()},
		{gozxing.DecodeHintType_PURE_BARCODE: true, gozxing.DecodeHintType_ASSUME_GS1: s.Kind.GS1()},
	} {
		if s.Kind == Code128 {
			delete(hints, gozxing.DecodeHintType_ASSUME_GS1)
		}
		if result, err = reader.Decode(bitmap, hints); err == nil {
			return result.GetText()
		}
	}
	t.Fatalf("%s of %d x %d is not read: %v", s.Kind, s.Width, s.Height, err)
	return ""
}

// TestRead: whatever a symbol says, an independent reader reads.
func TestRead(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	text := func(n int, of string) string {
		var b strings.Builder
		for range n {
			b.WriteByte(of[random.IntN(len(of))])
		}
		return b.String()
	}
	const digits = "0123456789"
	var ascii strings.Builder
	for c := ' '; c <= '~'; c++ {
		ascii.WriteRune(c)
	}
	for range 200 {
		elements := "01" + "06901234567892" + "10" + text(1+random.IntN(20), digits+"ABCabc-/.%") + string(rune(FNC1)) + "21" + text(1+random.IntN(20), digits+"xyz")
		for _, m := range []struct {
			kind          Kind
			message, want string
		}{
			{Code128, text(1+random.IntN(30), ascii.String()), ""},
			{Code128, text(1+random.IntN(30), digits+"A"), ""},
			{GS1128, elements, "]C1" + elements},
			{EAN13, "6901234567892", ""},
			{DataMatrix, text(1+random.IntN(60), ascii.String()), ""},
			{GS1DataMatrix, elements, string(rune(FNC1)) + elements},
			{QR, text(1+random.IntN(80), ascii.String()), ""},
			{QR, "仓盾 " + text(5, digits), ""},
		} {
			s, err := Make(m.kind, m.message)
			if err != nil {
				t.Fatalf("%s %q: %v", m.kind, m.message, err)
			}
			if m.want == "" {
				m.want = m.message
			}
			got := read(t, s)
			if m.kind == GS1128 && checkIsFNC1(t, m.message) {
				got = strings.TrimSuffix(got, string(rune(FNC1))) // this reader takes such a check character for one of data
			}
			if got != m.want {
				t.Errorf("%s of %q is read as %q", m.kind, m.message, got)
			}
		}
	}
}

func checkIsFNC1(t *testing.T, message string) bool {
	t.Helper()
	v, err := EncodeCode128(GS1128, message)
	if err != nil {
		t.Fatal(err)
	}
	return v.check() == Fnc1
}

func TestRefuses(t *testing.T) {
	for _, m := range []struct {
		kind    Kind
		message string
	}{
		{Code128, ""}, {Code128, "仓"}, {Code128, "A\x1dB"}, {Code128, strings.Repeat("A", 201)}, {GS1128, "\x02"},
		{EAN13, "690123456789"}, {EAN13, "6901234567893"}, {EAN13, "69012345678AB"},
		{DataMatrix, "仓"}, {GS1DataMatrix, "仓"}, {DataMatrix, strings.Repeat("A", 3000)}, {QR, strings.Repeat("A", 9000)},
	} {
		if _, err := Make(m.kind, m.message); !errors.Is(err, ErrMessage) {
			t.Errorf("%s of %.20q: %v, want ErrMessage", m.kind, m.message, err)
		}
	}
	if _, err := Make("pdf417", "A"); err == nil {
		t.Error("a symbology that nobody makes was made")
	}
}

// TestShortest: subsets change only where that saves characters.
func TestShortest(t *testing.T) {
	for _, tt := range []struct {
		kind       Kind
		data       string
		characters int // with the start, without check and stop
	}{
		{GS1128, "0106901234567892", 10},
		{GS1128, "010690123456789210A", 13},
		{GS1128, "010690123456789210A1", 14},
		{GS1128, "010690123456789210123", 14},
		{GS1128, "10A12B", 8},      // two digits are not worth two changes
		{GS1128, "10A123456B", 11}, // six are
		{GS1128, "10L7\x1d2145", 10},
		{Code128, "STK:UNDO", 9},
		{Code128, "1234", 3},
	} {
		v, err := EncodeCode128(tt.kind, tt.data)
		if err != nil || len(v) != tt.characters {
			t.Errorf("%q takes %d characters, %v; want %d", tt.data, len(v), err, tt.characters)
		}
		if s, err := Make(tt.kind, tt.data); err != nil || s.Width != v.Width() {
			t.Errorf("%q is %d modules wide, %v; Width says %d", tt.data, s.Width, err, v.Width())
		}
	}
}

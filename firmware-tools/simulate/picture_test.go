package simulate

import (
	"errors"
	"fmt"
	"image"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/datamatrix"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/internal/raster"
)

// chineseFace is the font of Debian's fonts-noto-cjk.
func chineseFace(t *testing.T) *raster.Typeface {
	t.Helper()
	face, err := raster.OpenTypeface("/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc")
	if errors.Is(err, fs.ErrNotExist) && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = face.Close() })
	return face
}

// drawn renders a page without faults.
func drawn(t *testing.T, p page, with *fonts) *raster.Bitmap {
	t.Helper()
	dots, faults := p.render(with)
	if len(faults) > 0 {
		t.Fatalf("faults %q", faults)
	}
	return dots
}

// read decodes a symbol with a library that did not draw it. Each of its two ways finds codes that the other misses.
func read(t *testing.T, kind string, dots *raster.Bitmap) string {
	t.Helper()
	const quiet = 40
	room := raster.New(dots.Width+2*quiet, dots.Height+2*quiet)
	room.Paste(quiet, quiet, dots)
	var reader gozxing.Reader
	switch kind {
	case "code128":
		reader = oned.NewCode128Reader()
	case "ean13":
		reader = oned.NewEAN13Reader()
	case "datamatrix":
		reader = datamatrix.NewDataMatrixReader()
	case "qr":
		reader = qrcode.NewQRCodeReader()
	}
	var faults []error
	for _, hint := range []gozxing.DecodeHintType{gozxing.DecodeHintType_TRY_HARDER, gozxing.DecodeHintType_PURE_BARCODE} {
		bits, err := gozxing.NewBinaryBitmapFromImage(image.Image(room.Image()))
		if err != nil {
			t.Fatal(err)
		}
		result, err := reader.Decode(bits, map[gozxing.DecodeHintType]any{hint: true, gozxing.DecodeHintType_ASSUME_GS1: true})
		if err == nil {
			return result.GetText()
		}
		faults = append(faults, err)
	}
	t.Fatalf("%s: not readable: %v", kind, errors.Join(faults...))
	return ""
}

// gsk is GS k for Code 128.
func gsk(data string) string { return fmt.Sprintf("\x1dkI%c%s", len(data), data) }

const gtin = "06901234567892"

func TestSymbolsAreReadable(t *testing.T) {
	tspl := func(command string) string { return "SIZE 100 mm,60 mm\r\nCLS\r\n" + command + "\r\nPRINT 1\r\n" }
	zpl := func(field string) string { return "^XA^CI28^PW800^LL480^LH0,0^FO80,60" + field + "^FS^PQ1^XZ" }
	pos := func(command string) string { return "\x1b@\x1ba\x01" + command + "\x1dV\x00" }
	for _, c := range []struct {
		name     string
		language Language
		in       string
		kind     string
		want     string
	}{
		{"plain Code 128", ZPL, zpl("^BY2^BCN,80,N,N,N^FDBIN:A-01-1"), "code128", "BIN:A-01-1"},
		{"codes in Code 128", ZPL, zpl("^BY2^BCN,80,N,N,N^FH^FD>;>80106901234567892>8>610LOT_377"), "code128", "]C1" + "0106901234567892\x1d10LOT77"},
		{"greater than", ZPL, zpl("^BY2^BCN,80,N,N,N^FDA>0B><C>=D"), "code128", "A>B^C~D"},
		{"subset A", ZPL, zpl("^BY2^BCN,80,N,N,N^FD>9333435"), "code128", "ABC"},
		{"mode D", ZPL, zpl("^BY2^BCN,80,N,N,N,D^FD(01)" + gtin + "(10)LOT7>8(21)45"), "code128", "]C101" + gtin + "10LOT7\x1d2145"},
		{"mode U", ZPL, zpl("^BY2^BCN,80,N,N,N,U^FD0010690123400000001"), "code128", "]C1" + "00106901234000000015"},
		{"mode A", ZPL, zpl("^BY2^BCN,80,Y,N,N,A^FD1234AB"), "code128", "1234AB"},
		{"turned Code 128", ZPL, zpl("^BY2^BCI,80,N,N,N^FDTURN"), "code128", "TURN"},
		{"EAN-13", ZPL, zpl("^BY3^BEN,100,Y^FD690123456789"), "ean13", "6901234567892"},
		{"Data Matrix", ZPL, zpl("^BXN,6,200^FDBIN:A-01-1"), "datamatrix", "BIN:A-01-1"},
		{"GS1 DataMatrix", ZPL, zpl("^BXN,6,200,,,,_^FD_101" + gtin + "10LOT_1217"), "datamatrix", "\x1d01" + gtin + "10LOT\x1d217"},
		{"QR", ZPL, zpl("^BQN,2,6^FDMA,https://id.example/01/" + gtin), "qr", "https://id.example/01/" + gtin},
		{"QR by hand", ZPL, zpl("^BQN,2,6^FDMM,B0003abc"), "qr", "abc"},

		{"128", TSPL, tspl(`BARCODE 80,60,"128",80,0,0,2,2,"BIN:A-01-1"`), "code128", "BIN:A-01-1"},
		{"128 turned", TSPL, tspl(`BARCODE 700,260,"128",80,1,180,2,2,"BIN:A-01-1"`), "code128", "BIN:A-01-1"},
		{"128M", TSPL, tspl(`BARCODE 80,60,"128M",80,0,0,2,2,"!105!10201` + gtin + `!10010LOT\["]7!10221!0995566"`), "code128", "]C101" + gtin + `10LOT"7` + "\x1d215566"},
		{"EAN13", TSPL, tspl(`BARCODE 80,60,"EAN13",80,1,0,3,3,"690123456789"`), "ean13", "6901234567892"},
		{"QRCODE", TSPL, tspl(`QRCODE 80,60,M,6,A,0,"https://id.example/01/` + gtin + `"`), "qr", "https://id.example/01/" + gtin},
		{"DMATRIX", TSPL, tspl(`DMATRIX 80,60,200,200,x6,"BIN:A-01-1"`), "datamatrix", "BIN:A-01-1"},
		{"GS1 DMATRIX", TSPL, tspl(`DMATRIX 80,60,200,200,c126,x6,"~101` + gtin + `10LOT~1217"`), "datamatrix", "\x1d01" + gtin + "10LOT\x1d217"},

		{"GS k Code 128", ESCPOS, pos("\x1dw\x02\x1dh\x50" + gsk("{BBIN:A-01-1")), "code128", "BIN:A-01-1"},
		{"GS k GS1-128", ESCPOS, pos("\x1dw\x02\x1dh\x50\x1dH\x02" + gsk("{C{1\x01\x06\x5a\x0c\x22\x38\x4e\x5c{B10L{{7{121{C\x37")), "code128", "]C101" + gtin + "10L{7\x1d2155"},
		{"GS k EAN-13", ESCPOS, pos("\x1dw\x03\x1dh\x50\x1dk\x02690123456789\x00"), "ean13", "6901234567892"},
		{"GS ( k QR", ESCPOS, pos("\x1d(k\x04\x001A2\x00\x1d(k\x03\x001C\x06\x1d(k\x03\x001E1\x1d(k\x0d\x001P0BIN:A-01-1\x1d(k\x03\x001Q0"), "qr", "BIN:A-01-1"},
	} {
		t.Run(string(c.language)+"/"+c.name, func(t *testing.T) {
			got := read(t, c.kind, drawn(t, one(t, c.language, c.in), &fonts{}))
			if got != c.want {
				t.Errorf("reads %q, want %q", got, c.want)
			}
		})
	}
}

// A symbol sent as a picture is the same symbol, whatever the way it is sent.
func TestPicturesArriveDotByDot(t *testing.T) {
	want := drawn(t, one(t, ZPL, "^XA^FO0,0^BXN,5,200^FDBIN:A-01-1^FS^XZ"), &fonts{}).Trim()
	stride := want.Stride
	hexadecimal := func(squeeze bool) string {
		var z strings.Builder
		fmt.Fprintf(&z, "^XA^FO16,8^GFA,%d,%d,%d,", len(want.Bits), len(want.Bits), stride)
		for y := range want.Height {
			row := fmt.Sprintf("%X", want.Row(y))
			switch {
			case squeeze && y > 0 && slices.Equal(want.Row(y), want.Row(y-1)):
				z.WriteByte(':')
			case squeeze:
				z.WriteString(runs(row))
			default:
				z.WriteString(row + "\r\n")
			}
		}
		return z.String() + "^FS^XZ"
	}
	inverse := slices.Clone(want.Bits)
	for i := range inverse {
		inverse[i] = ^inverse[i]
	}
	for name, c := range map[string]struct {
		language  Language
		in        string
		left, top int
	}{
		"^GFA":      {ZPL, hexadecimal(false), 16, 8},
		"^GFA runs": {ZPL, hexadecimal(true), 16, 8},
		"BITMAP":    {TSPL, fmt.Sprintf("CLS\r\nBITMAP 16,8,%d,%d,0,%s\r\nPRINT 1\r\n", stride, want.Height, inverse), 16, 8},
		"GS v 0":    {ESCPOS, fmt.Sprintf("\x1b@\x1dv0\x00%c\x00%c\x00%s\x0c", stride, want.Height, want.Bits), 0, 0},
	} {
		got := drawn(t, one(t, c.language, c.in), &fonts{})
		for y := range got.Height {
			for x := range got.Width {
				if got.Dark(x, y) != want.Dark(x-c.left, y-c.top) {
					t.Fatalf("%s: dot %d,%d differs", name, x, y)
				}
			}
		}
	}
}

// runs writes hexadecimal digits with the letters that repeat them, and a comma for a white end.
func runs(row string) string {
	var z strings.Builder
	end := strings.TrimRight(row, "0")
	for i := 0; i < len(end); {
		n := 1
		for i+n < len(end) && end[i+n] == end[i] {
			n++
		}
		for left := n; left > 0; {
			switch {
			case left >= 20:
				z.WriteByte('g' + byte(min(left/20, 20)-1))
				left -= min(left/20, 20) * 20
				if left == 0 {
					z.WriteByte(end[i])
				}
				continue
			case left >= 2:
				z.WriteByte('G' + byte(left-1))
			}
			z.WriteByte(end[i])
			left = 0
		}
		i += n
	}
	if end != row {
		z.WriteByte(',')
	}
	return z.String()
}

// dotsIn counts black dots in a rectangle, and those outside of it.
func dotsIn(b *raster.Bitmap, left, top, width, height int) (in, out int) {
	for y := range b.Height {
		for x := range b.Width {
			if b.Dark(x, y) {
				if x >= left && x < left+width && y >= top && y < top+height {
					in++
				} else {
					out++
				}
			}
		}
	}
	return in, out
}

// Chinese stands where it should, in four squares of which each has a character of its own, and is a box for
// printers that have no font for it.
func TestChinese(t *testing.T) {
	with := &fonts{chineseFace(t)}
	gbk, err := simplifiedchinese.GB18030.NewEncoder().String("仓盾中文")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		language   Language
		in         string
		left, top  int
		side, turn int
	}{
		{ZPL, "^XA^CI28^PW480^LL320^FO40,80^A@N,48,48,E:SIMSUN.TTF^FH^FD仓盾_e4_b8_ad文^FS^XZ", 40, 80, 48, 0},
		{TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 40,80,\"TSS24.BF2\",0,2,2,\"" + gbk + "\"\r\nPRINT 1\r\n", 40, 80, 48, 0},
		{TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 200,80,\"TSS24.BF2\",90,2,2,\"" + gbk + "\"\r\nPRINT 1\r\n", 146, 80, 48, 1},
		{ESCPOS, "\x1b@\x1c&\x1bJ\x50\x1b$\x28\x00\x1d!\x11" + gbk + "\n\x1dV\x00", 40, 80, 48, 0},
		{ESCPOS, "\x1b@\x1c&\x1ba\x01\x1d!\x11" + gbk + "\n\x1dV\x00", (576 - 4*48) / 2, 0, 48, 0},
	} {
		p := one(t, c.language, c.in)
		dots := drawn(t, p, with)
		below := c.side/8 + 1 // letters may reach below their square
		width, height := 4*c.side, c.side+below
		if c.turn == 1 {
			width, height = height, width
		}
		if in, out := dotsIn(dots, c.left, c.top, width, height); in < 400 || out > 0 {
			t.Errorf("%s %.60q: %d dots in place, %d elsewhere", c.language, c.in, in, out)
		}
		if c.turn == 0 {
			var squares []string
			for i := range 4 {
				square := raster.New(c.side, c.side)
				for y := range c.side {
					for x := range c.side {
						if dots.Dark(c.left+i*c.side+x, c.top+y) {
							square.Set(x, y)
						}
					}
				}
				if n, _ := dotsIn(square, 0, 0, c.side, c.side); n < 100 || n > 1500 {
					t.Errorf("%s: character %d has %d dots", c.language, i, n)
				}
				squares = append(squares, string(square.Bits))
			}
			slices.Sort(squares)
			if len(slices.Compact(squares)) != 4 {
				t.Errorf("%s: characters look alike: boxes", c.language)
			}
		}
		if _, faults := p.render(&fonts{}); len(faults) != 1 || !strings.Contains(faults[0], "仓") {
			t.Errorf("%s without a Chinese font: faults %q", c.language, faults)
		}
	}
	// The font that every ZPL printer has lacks Chinese, whatever else the printer has.
	if _, faults := one(t, ZPL, "^XA^CI28^FO1,1^A0N,40,40^FD仓^FS^XZ").render(with); len(faults) != 1 {
		t.Errorf("^A0: faults %q", faults)
	}
}

func TestThingsStandWhereTheyShould(t *testing.T) {
	for _, c := range []struct {
		language                 Language
		in                       string
		left, top, width, height int
		dots                     int // exactly; 0 is some
	}{
		{ZPL, "^XA^PW200^LL100^LH10,5^FO20,10^GB40,30,2^FS^XZ", 30, 15, 40, 30, 2*40*2 + 2*26*2},
		{ZPL, "^XA^PW200^LL100^FO20,10^GB40,30,30^FS^FO30,20^GB10,10,10,W^FS^XZ", 20, 10, 40, 30, 40*30 - 100},
		{ZPL, "^XA^PW200^LL100^FO20,10^GB40,30,30^FS^FO30,20^FR^GB10,80,10^FS^XZ", 20, 10, 40, 90, 40*30 - 10*20 + 10*60},
		{ZPL, "^XA^PW300^LL200^FO50,60^A0N,40,30^FDHello^FS^XZ", 50, 60, 120, 46, 0},
		{ZPL, "^XA^PW300^LL200^FT50,100^A0N,40,30^FDHELLO^FS^XZ", 50, 65, 150, 36, 0},
		{ZPL, "^XA^PW300^LL200^FO50,60^ADR,18,10^FDABC^FS^XZ", 50, 60, 21, 36, 0},
		{ZPL, "^XA^PW300^LL200^FO50,20^FB100,3,4,R^A0N,20,20^FDone two three four^FS^XZ", 50, 20, 100, 72, 0},
		{ZPL, "^XA^PW300^LL200^FT50,100^BY2^BCN,60,N^FDA^FS^XZ", 50, 40, 92, 60, 0},
		{TSPL, "SIZE 200 dot,100 dot\r\nREFERENCE 10,5\r\nCLS\r\nBAR 20,10,40,30\r\nPRINT 1\r\n", 30, 15, 40, 30, 1200},
		{TSPL, "SIZE 25 mm,12.5 mm\r\nCLS\r\nBOX 20,10,60,40,2\r\nREVERSE 0,0,60,40\r\nREVERSE 0,0,60,40\r\nPRINT 1\r\n", 20, 10, 40, 30, 2*40*2 + 2*26*2},
		{TSPL, "SIZE 25 mm,12.5 mm\r\nCLS\r\nBAR 20,10,40,30\r\nERASE 30,20,10,10\r\nPRINT 1\r\n", 20, 10, 40, 30, 1100},
		{TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 300,100,\"3\",180,1,1,\"ABCD\"\r\nPRINT 1\r\n", 300 - 64, 100 - 28, 64, 28, 0},
		{TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 300,300,\"3\",270,1,1,\"ABCD\"\r\nPRINT 1\r\n", 300, 300 - 64, 28, 64, 0},
		{TSPL, "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 300,100,\"3\",0,1,1,3,\"ABCD\"\r\nPRINT 1\r\n", 300 - 64, 100, 64, 28, 0},
		{ESCPOS, "\x1b@\x1ba\x02ABCD\n\x1dV\x00", 576 - 48, 0, 48, 28, 0},
		{ESCPOS, "\x1b@\x1b!\x30AB\n\x1dV\x00", 0, 0, 48, 56, 0},
		{ESCPOS, "\x1b@\x1b3\x50x\n\x1dL\x64\x00AB\n\x1dVA\x10", 0, 0, 100 + 24, 80 + 28, 0},
		{ESCPOS, "\x1b@\x1dv0\x03\x01\x00\x02\x00\xff\xff\x0c", 0, 0, 16, 4, 64},
	} {
		dots := drawn(t, one(t, c.language, c.in), &fonts{})
		in, out := dotsIn(dots, c.left, c.top, c.width, c.height)
		if in == 0 || out > 0 || c.dots > 0 && in != c.dots {
			t.Errorf("%s %q: %d dots in place (want %d), %d elsewhere, on %d x %d", c.language, c.in, in, c.dots, out, dots.Width, dots.Height)
		}
	}
}

func TestPagesHaveTheirSize(t *testing.T) {
	for _, c := range []struct {
		language      Language
		in            string
		width, height int
	}{
		{ZPL, "^XA^PW480^LL320^XZ", 480, 320},
		{TSPL, "SIZE 60 mm,40 mm\r\nPRINT 1\r\n", 480, 320},
		{TSPL, "SIZE 2,1\r\nPRINT 1\r\n", 406, 203},
		{ESCPOS, "\x1b@\x1bd\x02\x1bJ\x09\x0c", 576, 69},
		{ESCPOS, "x\x1dV\x42\x10", 576, 24 + 0},
	} {
		p := one(t, c.language, c.in)
		if dots := drawn(t, p, nil); dots.Width != c.width || dots.Height != c.height {
			t.Errorf("%s %q: %d x %d, want %d x %d", c.language, c.in, dots.Width, dots.Height, c.width, c.height)
		}
	}
}

func TestWhatLeavesTheLabelIsReported(t *testing.T) {
	for _, c := range []struct {
		language Language
		in       string
	}{
		{ZPL, "^XA^PW200^LL100^FO20,10^BY3^BCN,50,N^FDTOO LONG FOR IT^FS^XZ"},
		{TSPL, "SIZE 25 mm,12 mm\r\nBARCODE 20,10,\"128\",50,0,0,3,3,\"TOO LONG FOR IT\"\r\nPRINT 1\r\n"},
		{TSPL, "SIZE 25 mm,12 mm\r\nTEXT 20,90,\"3\",0,1,1,\"x\"\r\nPRINT 1\r\n"},
	} {
		if _, faults := one(t, c.language, c.in).render(&fonts{}); len(faults) != 1 || !strings.HasPrefix(faults[0], string(outsideLabel)) {
			t.Errorf("%q: faults %q", c.in, faults)
		}
	}
	r := parse(ESCPOS, "\x1dw\x06"+gsk("{BTOO LONG FOR IT!!")+"\x1dV\x00") // not printed at all
	if len(r.jobs) != 0 || len(r.warnings) != 1 || !strings.HasPrefix(r.warnings[0], string(outsideLabel)) {
		t.Errorf("ESC/POS: %d jobs, warnings %q", len(r.jobs), r.warnings)
	}
}

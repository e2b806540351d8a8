package label

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"

	"stockade/internal/raster"
)

// latin is a typeface that has no Chinese.
func latin(t *testing.T) *raster.Typeface {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latin.ttf")
	if err := os.WriteFile(path, goregular.TTF, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFace(t, path)
}

func openFace(t *testing.T, path string) *raster.Typeface {
	t.Helper()
	f, err := raster.OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// chinese is Debian's fonts-noto-cjk.
func chinese(t *testing.T) *raster.Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	return openFace(t, path)
}

// dots reads a graphic field back: one string a row, # for black.
func dots(t *testing.T, field string) []string {
	t.Helper()
	m := regexp.MustCompile(`^\^GFA,(\d+),(\d+),(\d+),([0-9A-F,]*)$`).FindStringSubmatch(field)
	if m == nil {
		t.Fatalf("%q is no graphic field", field)
	}
	total, _ := strconv.Atoi(m[2])
	stride, _ := strconv.Atoi(m[3])
	var rows []string
	data := m[4]
	for len(rows)*stride < total {
		row, digits := "", 0
		for ; digits < 2*stride && data != "" && data[0] != ','; digits += 2 {
			b, err := hex.DecodeString(data[:2])
			if err != nil {
				t.Fatal(err)
			}
			for bit := range 8 {
				row += string(".#"[b[0]>>(7-bit)&1])
			}
			data = data[2:]
		}
		if digits < 2*stride {
			data = strings.TrimPrefix(data, ",")
			row += strings.Repeat("........", stride-digits/2)
		}
		rows = append(rows, row)
	}
	if data != "" || m[1] != m[2] {
		t.Fatalf("%q: %q is left over", field, data)
	}
	return rows
}

// A typeface that lacks a character is not used for its line: a box is worse than the printer's own try.
func TestFaceWithoutChinese(t *testing.T) {
	i := Item{Name: "龙井茶", Face: latin(t)}
	if z := render(t, i); !strings.Contains(z, "^FD龙井茶^FS") || strings.Contains(z, "^GFA") || !i.NeedsPrinterFont() {
		t.Errorf("%s\nwant the name as text", z)
	}
}

func TestChineseIsDrawn(t *testing.T) {
	i := Item{Name: "西湖龙井茶", SKU: "TEA-1", Quantity: "12 袋", GTIN: "06901234567892", Face: chinese(t)}
	z := render(t, i)
	if strings.ContainsFunc(z, func(r rune) bool { return r > 0x7E }) || i.NeedsPrinterFont() {
		t.Errorf("%s\nstill needs a Chinese font", z)
	}
	if n := strings.Count(z, "^GFA"); n != 2 {
		t.Errorf("%d images, want the name and the line with the unit", n)
	}
	m := regexp.MustCompile(`\^FO16,16(\^GFA[^^]*)\^FS`).FindStringSubmatch(z)
	if m == nil {
		t.Fatalf("%s\nhas no image of the name", z)
	}
	rows := dots(t, m[1])
	if black := strings.Count(strings.Join(rows, ""), "#"); len(rows) > nameHeight*9/8 || len(rows[0]) < 100 || black < 500 {
		t.Errorf("%d black dots:\n%s", black, strings.Join(rows, "\n"))
	}
	if len(z) > 4000 {
		t.Errorf("%d bytes take more than four seconds at 9600 baud", len(z))
	}
}

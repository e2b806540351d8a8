// Package labels proves labels by machines that did not make them: a foreign renderer draws our ZPL, a foreign
// reader reads what was drawn.
package labels

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/datamatrix"
	"github.com/makiuchi-d/gozxing/oned"
	"github.com/makiuchi-d/gozxing/qrcode"

	"stockade/internal/label"
	"stockade/internal/raster"
)

const dots = 8 // per mm, at 203 dpi

func typeface(t *testing.T) *raster.Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	f, err := raster.OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// sample is a label to be proved.
type sample struct {
	template label.Template
	values   label.Values
	layout   *label.Layout
}

func (s sample) String() string { return fmt.Sprintf("%s of %v", s.template.ID, s.values) }

// samples are labels of every template with random lots, serial numbers, bins and orders.
func samples(t *testing.T, p label.Printer, times int) []sample {
	t.Helper()
	face := typeface(t)
	random := rand.New(rand.NewPCG(3, 4))
	text := func(most int, of string) string {
		var b strings.Builder
		for range 1 + random.IntN(most) {
			b.WriteByte(of[random.IntN(len(of))])
		}
		return b.String()
	}
	const safe = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZabc-/.%&"
	names := []string{"长粒香大米 5kg", "西湖龙井茶特级明前 250g 铁罐礼盒装", "M3×8 螺丝", "Rice", "《仓盾》“测试”", strings.Repeat("很长的名字", 12)}
	var out []sample
	for range times {
		for _, tp := range label.Standard() {
			v := tp.Kind.Sample()
			v["name"] = names[random.IntN(len(names))]
			v["lot"], v["serial"] = text(20, safe+"_"), text(20, safe+"_")
			v["bin"], v["order"], v["badge"] = text(10, safe), text(14, safe), text(14, safe)
			if random.IntN(3) == 0 {
				v["expiry"] = ""
			}
			l, err := tp.Layout(v, p, face)
			if err != nil {
				t.Fatalf("%s: %v", tp.ID, err)
			}
			out = append(out, sample{tp, v, l})
		}
	}
	return out
}

// foreign draws ZPL with zpl-renderer-js.
func foreign(t *testing.T, all []sample) []image.Image {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is not installed: make tools-test")
	}
	var in bytes.Buffer
	for _, s := range all {
		line, err := json.Marshal(map[string]any{"zpl": string(s.layout.Commands()), "width": s.template.Width, "height": s.template.Height, "dots": dots})
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(line, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), node, "render.mjs") // #nosec G204 -- our own script
	cmd.Stdin = &in
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("render: %v\n%s", err, said.String())
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 16<<20)
	var pictures []image.Image
	for lines.Scan() {
		b, err := base64.StdEncoding.DecodeString(lines.Text())
		if err != nil {
			t.Fatalf("%v: %.80s", err, lines.Text())
		}
		img, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		pictures = append(pictures, img)
	}
	if len(pictures) != len(all) {
		t.Fatalf("%d pictures of %d labels\n%s", len(pictures), len(all), said.String())
	}
	return pictures
}

// area is an element's place in dots, with mm around it.
func area(e label.Element, around float64) image.Rectangle {
	height := e.Height
	if e.Type == label.Text {
		height = e.Size * 1.2
	}
	mm := func(v float64) int { return int(v*dots + 0.5) }
	return image.Rect(mm(e.X-around), mm(e.Y-around), mm(e.X+e.Width+around), mm(e.Y+height+around))
}

func black(img image.Image, x, y int) bool {
	r, g, b, a := img.At(x, y).RGBA()
	return a > 0x8000 && r+g+b < 3*0x8000
}

// readAll returns what a foreign reader finds in a part of a picture, in each of its ways.
func readAll(t *testing.T, picture image.Image, part image.Rectangle) []string {
	t.Helper()
	part = part.Intersect(picture.Bounds())
	found := readPart(t, picture, part)
	// A matrix with text beside it is found by its white edge.
	if edge := whiteColumn(picture, part); edge < part.Max.X {
		found = append(found, readPart(t, picture, image.Rect(part.Min.X, part.Min.Y, edge, part.Max.Y))...)
	}
	return found
}

// whiteColumn returns where the first white gap of half a millimetre behind something dark begins.
func whiteColumn(picture image.Image, part image.Rectangle) int {
	white, seen := 0, false
	for x := part.Min.X; x < part.Max.X; x++ {
		white++
		for y := part.Min.Y; y < part.Max.Y; y++ {
			if black(picture, x, y) {
				white, seen = 0, true
			}
		}
		if seen && white == dots/2 {
			return x
		}
	}
	return part.Max.X
}

func readPart(t *testing.T, picture image.Image, part image.Rectangle) []string {
	t.Helper()
	const border = 40
	paper := image.NewGray(image.Rect(0, 0, part.Dx()+2*border, part.Dy()+2*border))
	draw.Draw(paper, paper.Bounds(), image.White, image.Point{}, draw.Src)
	draw.Draw(paper, image.Rect(border, border, border+part.Dx(), border+part.Dy()), picture, part.Min, draw.Src)
	bitmap, err := gozxing.NewBinaryBitmapFromImage(paper)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, reader := range []gozxing.Reader{oned.NewCode128Reader(), datamatrix.NewDataMatrixReader(), qrcode.NewQRCodeReader()} {
		for _, hints := range []map[gozxing.DecodeHintType]any{
			{gozxing.DecodeHintType_TRY_HARDER: true, gozxing.DecodeHintType_ASSUME_GS1: true}, {gozxing.DecodeHintType_PURE_BARCODE: true},
		} {
			if result, err := reader.Decode(bitmap, hints); err == nil {
				found = append(found, result.GetText())
			}
		}
	}
	return found
}

// says is what a code of a template must say: the element string without FNC1, or the text.
func says(e label.Element, v label.Values) string {
	date := v["expiry"]
	if len(date) == 10 {
		date = date[2:4] + date[5:7] + date[8:]
	}
	s := e.Content
	if e.Symbols[0].GS1() && date == "" {
		s = strings.Replace(s, "(17){expiry}", "", 1)
	}
	for k, value := range v {
		if k == "expiry" {
			value = date
		}
		s = strings.ReplaceAll(strings.ReplaceAll(s, "{"+k+"}", value), "{"+k+"!}", value)
	}
	if e.Symbols[0].GS1() {
		for _, ai := range []string{"00", "01", "02", "10", "17", "21", "37"} {
			s = strings.ReplaceAll(s, "("+ai+")", ai)
		}
	}
	return s
}

// plain takes away what announces GS1 and divides elements.
func plain(read string) string {
	return strings.ReplaceAll(strings.TrimPrefix(read, "]C1"), "\x1d", "")
}

// beyond is what this renderer can not draw: it takes ">5" (code C, ZPL II Programming Guide, table 6) for FNC4, leaves out a
// single character behind ">6", and knows no other escape character of ^BX than "_".
var beyond = regexp.MustCompile(`>5|>6.\^FS|\^BXN,[0-9,]+,[^_]\^`)

// TestZPLByOthers: a renderer of others draws our ZPL, a reader of others reads it, and what was drawn of Chinese is what
// our own preview shows, dot by dot.
func TestZPLByOthers(t *testing.T) {
	all := samples(t, label.Printer{}, 4)
	pictures := foreign(t, all)
	codes, lines := 0, 0
	for n, s := range all {
		ours := s.layout.Picture().Image()
		for _, e := range s.template.Elements {
			switch e.Type {
			case label.Code:
				want := says(e, s.values)
				if beyond.Match(s.layout.Commands()) {
					continue
				}
				got := readAll(t, pictures[n], area(e, 0))
				ok := false
				for _, g := range got {
					ok = ok || plain(g) == want
				}
				if !ok {
					keep(t, s, pictures[n])
					t.Errorf("%s: %q is read as %q", s, want, got)
				}
				codes++
			case label.Text:
				if !strings.Contains(e.Content, "{name") || !strings.ContainsFunc(s.values["name"], func(r rune) bool { return r > 0x1100 }) {
					continue
				}
				r, differ, dark := area(e, 0).Intersect(ours.Bounds()), 0, 0
				for y := r.Min.Y; y < r.Max.Y; y++ {
					for x := r.Min.X; x < r.Max.X; x++ {
						if black(ours, x, y) {
							dark++
						}
						if black(ours, x, y) != black(pictures[n], x, y) {
							differ++
						}
					}
				}
				if differ > 0 || dark < 200 {
					keep(t, s, pictures[n])
					t.Errorf("%s: %d of %d dots of the name differ", s, differ, dark)
				}
				lines++
			}
		}
	}
	if codes < 15 || lines < 8 {
		t.Errorf("only %d codes and %d lines were compared", codes, lines)
	}
}

// keep writes what failed to where LABELS says, to be looked at.
func keep(t *testing.T, s sample, picture image.Image) {
	t.Helper()
	dir := os.Getenv("LABELS")
	if dir == "" {
		return
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, s.template.ID+".png"), b.Bytes(), 0o600); err != nil {
		t.Error(err)
	}
}

package label

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPDF: a page is as large as its label, and what an independent program draws of it says what our own picture says.
func TestPDF(t *testing.T) {
	face := chinese(t)
	tool, err := exec.LookPath("pdftoppm")
	if err != nil && os.Getenv("CI") == "" {
		t.Skip("poppler-utils is not installed")
	}
	for _, tp := range Standard() {
		l, err := tp.Layout(tp.Kind.Sample(), Printer{}, face)
		if err != nil {
			t.Fatal(err)
		}
		file, err := PDF(tp.Name, []*Layout{l, l})
		if err != nil {
			t.Fatal(err)
		}
		again, err := PDF(tp.Name, []*Layout{l, l})
		if err != nil || !bytes.Equal(file, again) {
			t.Errorf("%s: the same label makes another file, %v", tp.ID, err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "l.pdf"), file, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), tool, "-r", fmt.Sprintf("%g", 8*25.4), "-png", "-gray", filepath.Join(dir, "l.pdf"), filepath.Join(dir, "page")) // #nosec G204 -- a tool of the tests
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		pages, err := filepath.Glob(filepath.Join(dir, "page*.png"))
		if err != nil || len(pages) != 2 {
			t.Fatalf("%s: pages %v, %v", tp.ID, pages, err)
		}
		b, err := os.ReadFile(pages[1])
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		if got := picture.Bounds(); got.Dx() < l.Width-1 || got.Dx() > l.Width+1 || got.Dy() < l.Height-1 || got.Dy() > l.Height+1 {
			t.Errorf("%s: page of %v, label of %d x %d dots", tp.ID, got, l.Width, l.Height)
		}
		codes := 0
		for _, i := range l.items {
			if i.symbol == nil {
				continue
			}
			codes++
			if got, want := plain(read(t, picture, i)), plain(i.symbol.message); got != want {
				t.Errorf("%s: %q is read as %q", tp.ID, want, got)
			}
		}
		if codes == 0 {
			t.Errorf("%s has no code", tp.ID)
		}
		// Text: what is dark in our picture is dark there, but for the edges of letters.
		ours, dark, missing := l.Picture(), 0, 0
		for y := range l.Height {
			for x := range l.Width {
				if ours.Dark(x, y) && ours.Dark(x-1, y) && ours.Dark(x+1, y) && ours.Dark(x, y-1) && ours.Dark(x, y+1) {
					dark++
					if r, _, _, _ := picture.At(x, y).RGBA(); r > 0xC000 {
						missing++
					}
				}
			}
		}
		if missing > dark/50 {
			t.Errorf("%s: %d of %d dots are missing on paper", tp.ID, missing, dark)
		}
	}
	if _, err := PDF("none", nil); err == nil {
		t.Error("a PDF of no label was made")
	}
}

// TestBlank: a label whose number is only a sample has no code of it that could be read, and does not say it in letters; the rest stays.
func TestBlank(t *testing.T) {
	sample := Pallet.Sample()
	for _, tp := range Standard() {
		if tp.Kind != Pallet {
			continue
		}
		l, err := tp.Layout(sample, Printer{}, chinese(t))
		if err != nil {
			t.Fatal(err)
		}
		before := len(l.items)
		l.Blank(sample["sscc"])
		codes, words := 0, 0
		for _, i := range l.items {
			switch {
			case i.symbol != nil:
				codes++
				if strings.Contains(i.symbol.message, sample["sscc"]) {
					t.Errorf("%s: a code holds the sample", tp.ID)
				}
			case i.text != nil && strings.Contains(i.text.text, sample["sscc"]):
				t.Errorf("%s: %q", tp.ID, i.text.text)
			case i.text != nil && strings.Contains(i.text.text, "SAMPLE"):
				words++
			}
		}
		if codes != 1 || words != 1 || len(l.items) <= before {
			t.Errorf("%s: %d codes of the goods are left, %d words", tp.ID, codes, words)
		}
	}
}

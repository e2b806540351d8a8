package labels

import (
	"fmt"
	"strings"
	"testing"

	"stockade/firmware-tools/simulate"
	"stockade/internal/label"
)

// TestSimulatorsReadWhatWeWrite: the simulated printers read the languages by the manuals and share no code with what
// writes them. They understand every command, cut nothing off, and draw codes that say what they should.
func TestSimulatorsReadWhatWeWrite(t *testing.T) {
	face := typeface(t)
	for _, p := range []label.Printer{
		{Language: label.ZPL}, {Language: label.ZPL, Font: "E:SIMSUN.TTF"},
		{Language: label.TSPL}, {Language: label.TSPL, Font: "TSS24.BF2"}, {Language: label.TSPL, Invert: true},
		{Language: label.ESCPOS}, {Language: label.ESCPOS, Font: "gb18030"},
	} {
		t.Run(fmt.Sprintf("%s/%s/%t", p.Language, p.Font, p.Invert), func(t *testing.T) {
			codes := 0
			for _, s := range samples(t, p, 2) {
				o := simulate.PrinterOptions{Language: simulate.Language(p.Language), Chinese: face, Width: s.layout.Width, OneIsBlack: p.Invert}
				commands := s.layout.Commands()
				printed, warnings, err := simulate.Read(o, commands)
				if err != nil {
					t.Fatal(err)
				}
				if len(printed) != 1 || len(warnings) > 0 {
					t.Errorf("%s: %d labels, warnings %q", s, len(printed), warnings)
					continue
				}
				dots, _ := printed[0].Picture()
				if dots.Width != s.layout.Width || dots.Height != s.layout.Height {
					t.Errorf("%s: %d x %d dots, want %d x %d", s, dots.Width, dots.Height, s.layout.Width, s.layout.Height)
				}
				picture, ours := dots.Image(), s.layout.Picture().Image()
				for _, e := range s.template.Elements {
					switch {
					case e.Type == label.Code:
						want, got, ok := says(e, s.values), readAll(t, picture, area(e, 0)), false
						for _, g := range got {
							ok = ok || plain(g) == want
						}
						if !ok {
							keep(t, s, picture)
							t.Errorf("%s: %q is read as %q", s, want, got)
						}
						codes++
					case e.Type == label.Text && p.Font == "" && strings.ContainsFunc(s.values["name"], func(r rune) bool { return r > 0x1100 }) && strings.Contains(e.Content, "{name"):
						r := area(e, 0).Intersect(ours.Bounds()) // Chinese goes over the line as a picture
						for y := r.Min.Y; y < r.Max.Y; y++ {
							for x := r.Min.X; x < r.Max.X; x++ {
								if black(ours, x, y) != black(picture, x, y) {
									keep(t, s, picture)
									t.Fatalf("%s: dot %d,%d of the name differs", s, x, y)
								}
							}
						}
					}
				}
			}
			if codes < 8 {
				t.Errorf("only %d codes were read", codes)
			}
		})
	}
}

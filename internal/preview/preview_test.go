package preview

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image/png"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/internal/label"
	"stockade/internal/raster"
	"stockade/internal/symbol"
	"stockade/internal/web"
)

// chinese is Debian's fonts-noto-cjk.
func chinese(t testing.TB) *raster.Typeface {
	t.Helper()
	face, err := raster.SystemTypeface("")
	if err != nil {
		t.Fatal(err)
	}
	if face == nil {
		if os.Getenv("CI") != "" {
			t.Fatal("fonts-noto-cjk is not installed")
		}
		t.Skip("fonts-noto-cjk is not installed")
	}
	t.Cleanup(func() { _ = face.Close() })
	return face
}

func TestDraw(t *testing.T) {
	d := New(chinese(t), 2)
	for _, tp := range label.Standard() {
		for _, dpi := range []int{0, 203, 300, 600} {
			b, warnings, err := d.Draw(t.Context(), tp, tp.Kind.Sample(), label.Printer{DPI: dpi})
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%s at %d dpi: %v, %v", tp.ID, dpi, warnings, err)
			}
			img, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			l, err := tp.Layout(tp.Kind.Sample(), label.Printer{DPI: dpi}, nil)
			if err != nil || img.Bounds().Dx() != l.Width || img.Bounds().Dy() != l.Height {
				t.Errorf("%s at %d dpi is %v, %v", tp.ID, dpi, img.Bounds(), err)
			}
		}
	}
	b := label.Standard()[2]
	if _, warnings, err := New(nil, 2).Draw(t.Context(), b, b.Kind.Sample(), label.Printer{}); err != nil || len(warnings) != 1 || warnings[0].Args["element"] != "3" {
		t.Errorf("without a font: %v, %v", warnings, err)
	}
}

// hostile is a template that is as much work as Check allows.
func hostile(side, size float64, lines int, content string) label.Template {
	t := label.Template{ID: "x", Kind: label.Item, Name: "x", Width: side, Height: side}
	for range 60 {
		t.Elements = append(t.Elements, label.Element{Type: label.Text, Width: side, Size: size, Lines: lines, Content: content})
	}
	return t
}

// TestBounded: no template takes long or much memory, whatever stands in it.
func TestBounded(t *testing.T) {
	d := New(chinese(t), 2)
	long := strings.Repeat("龙井茶 W", maxValue/11)
	many := strings.Repeat("{name}", 83)
	code := label.Template{ID: "x", Kind: label.Item, Name: "x", Width: 300, Height: 300}
	for range 60 {
		code.Elements = append(code.Elements, label.Element{Type: label.Code, Width: 300, Height: 300, Size: 1.5, Content: many, Symbols: []symbol.Kind{symbol.QR, symbol.DataMatrix, symbol.Code128}})
	}
	for name, c := range map[string]struct {
		t   label.Template
		dpi int
		v   label.Values
		key string
	}{
		"the largest at 600 dpi":            {hostile(300, 5, 1, "{name}"), 600, nil, "labels.too_large_to_show"},
		"the largest at 203 dpi, all of it": {hostile(300, 60, 5, many), 203, nil, "labels.too_much_to_show"},
		"at 1,200 dpi":                      {hostile(60, 5, 1, "{name}"), 1200, nil, "labels.too_much_to_show"},
		"small text everywhere":             {hostile(100, 1.5, 10, many), 203, label.Values{"name": long}, ""},
		"a value too long":                  {hostile(60, 5, 1, "{name}"), 203, label.Values{"name": strings.Repeat("x", maxValue+1)}, "labels.value_long"},
		"fields of other kinds":             {hostile(60, 5, 1, "{name}"), 203, label.Values{"address": strings.Repeat("x", 1<<20)}, ""},
		"codes on top of each other":        {code, 203, label.Values{"name": long}, "labels.too_much_to_show"},
		"no such dpi":                       {hostile(60, 5, 1, "{name}"), 1 << 30, nil, "label.bad_dpi"},
		"no template":                       {label.Template{}, 203, nil, "label.bad_id"},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			_, _, err := d.Draw(t.Context(), c.t, c.v, label.Printer{DPI: c.dpi})
			var p *label.Problem
			if c.key == "" && err != nil || c.key != "" && (!errors.As(err, &p) || p.Key != c.key) {
				t.Errorf("%v, want %q", err, c.key)
			}
			if took := time.Since(begun); took > 20*time.Second { // far beyond what it takes on a busy machine
				t.Errorf("took %v", took)
			}
			t.Log(time.Since(begun))
		})
	}
}

// TestEveryLimitHasWords: what is refused here is told in words as well.
func TestEveryLimitHasWords(t *testing.T) {
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"labels.too_large_to_show", "labels.too_much_to_show", "labels.value_long"} {
		if !texts.Has(key) {
			t.Errorf("%s has no text", key)
		}
	}
}

// TestTurns: while others draw, a preview waits; one whose reader has gone does not.
func TestTurns(t *testing.T) {
	d := New(nil, 2)
	tp := label.Standard()[2]
	for range 2 {
		d.turns <- struct{}{}
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := d.Draw(gone, tp, tp.Kind.Sample(), label.Printer{}); !errors.Is(err, ErrBusy) {
		t.Errorf("with all turns taken: %v", err)
	}
	var wg sync.WaitGroup
	failed := make(chan error, 8)
	for range cap(failed) {
		wg.Go(func() {
			_, _, err := d.Draw(t.Context(), tp, tp.Kind.Sample(), label.Printer{})
			failed <- err
		})
	}
	for range 2 {
		<-d.turns
	}
	wg.Wait()
	close(failed)
	for err := range failed {
		if err != nil {
			t.Error(err)
		}
	}
	if len(d.turns) != 0 {
		t.Errorf("%d turns were not given back", len(d.turns))
	}
}

func BenchmarkDraw(b *testing.B) {
	d := New(chinese(b), 2)
	for _, tp := range label.Standard() {
		for _, dpi := range []int{203, 600} {
			b.Run(fmt.Sprintf("%s-%d", tp.ID, dpi), func(b *testing.B) {
				for b.Loop() {
					if _, _, err := d.Draw(b.Context(), tp, tp.Kind.Sample(), label.Printer{DPI: dpi}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

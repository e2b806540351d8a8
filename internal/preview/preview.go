// Package preview draws labels as they will be printed, for people who write templates or have labels printed. What it is
// given comes from a browser: the work and the memory of a picture are bounded, and only a few are drawn at once.
package preview

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stockade/internal/label"
	"stockade/internal/raster"
)

// Limits of one picture. A label of 100 x 150 mm has 1 million dots at 203 dpi and 9 million at 600.
const (
	maxDots  = 16 << 20 // of the picture; it takes a byte each while it is packed
	maxWork  = 24 << 20 // of the elements together, which may lie on top of each other
	maxValue = 300      // bytes of a field's value
)

// patience is how long a picture waits for its turn.
const patience = 5 * time.Second

// ErrBusy is returned when too many others wait for a picture.
var ErrBusy = errors.New("too many previews at once")

// Drawer draws previews. It is safe for concurrent use.
type Drawer struct {
	face  *raster.Typeface
	turns chan struct{}
}

// New returns a drawer with a typeface for Chinese, nil for none, that draws so many pictures at the same time.
func New(face *raster.Typeface, atOnce int) *Drawer {
	return &Drawer{face: face, turns: make(chan struct{}, atOnce)}
}

// Chinese reports whether Chinese can be drawn.
func (d *Drawer) Chinese() bool { return d.face != nil }

// Draw returns a picture of the label as PNG, and what may go wrong at the printer. Values of fields that the template's kind
// does not have are left aside. A template or values that can not be printed give a *label.Problem.
func (d *Drawer) Draw(ctx context.Context, t label.Template, v label.Values, p label.Printer) ([]byte, []*label.Problem, error) {
	if err := errors.Join(t.Check(), p.Check()); err != nil {
		return nil, nil, err
	}
	if err := bounded(t, p); err != nil {
		return nil, nil, err
	}
	values := label.Values{}
	for _, f := range t.Kind.Fields() {
		if values[f] = v[f]; len(v[f]) > maxValue {
			return nil, nil, &label.Problem{Key: "labels.value_long", Args: map[string]string{"field": "text:label.field_" + f, "most": fmt.Sprint(maxValue)}}
		}
	}
	var png []byte
	var warnings []*label.Problem
	err := d.Turn(ctx, func() error {
		l, err := t.Layout(values, p, d.face)
		if err != nil {
			return err
		}
		warnings = l.Warnings
		png, err = l.Picture().PNG()
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return png, warnings, nil
}

// Turn does work like the drawing of a picture when it is its turn. ErrBusy is for one that has waited too long.
func (d *Drawer) Turn(ctx context.Context, work func() error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case d.turns <- struct{}{}:
		defer func() { <-d.turns }()
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
	return work()
}

// bounded refuses pictures that would take too much memory or time.
func bounded(t label.Template, p label.Printer) error {
	dpi := p.DPI
	if dpi == 0 {
		dpi = 203
	}
	perMM := float64(dpi) / 25.4
	dots := func(width, height float64) float64 { return width * height * perMM * perMM }
	work := dots(t.Width, t.Height)
	if work > maxDots {
		return &label.Problem{Key: "labels.too_large_to_show", Args: map[string]string{"dpi": fmt.Sprint(dpi)}}
	}
	for _, e := range t.Elements {
		height := e.Height
		if e.Type == label.Text {
			height = e.Size * float64(max(1, e.Lines))
		}
		work += dots(e.Width, height)
	}
	if work > maxWork {
		return &label.Problem{Key: "labels.too_much_to_show", Args: map[string]string{}}
	}
	return nil
}

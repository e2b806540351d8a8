package label

import (
	"errors"
	"time"

	"stockade/internal/paper"
)

// PDF returns labels as a file with a page for each, of the label's size. Bars are exact; text is drawn in the
// typeface, also where a printer would write letters of its own.
func PDF(title string, labels []*Layout) ([]byte, error) {
	if len(labels) == 0 {
		return nil, errors.New("no label for a PDF")
	}
	first := labels[0].template
	d := paper.New(first.Width, first.Height, title, time.Time{})
	for _, l := range labels {
		if l.template.Width != first.Width || l.template.Height != first.Height {
			return nil, errors.New("labels of different sizes in one PDF")
		}
		d.AddPage()
		for _, i := range l.items {
			if err := l.page(d, i); err != nil {
				return nil, err
			}
		}
	}
	return d.Bytes()
}

// page draws an item on paper.
func (l *Layout) page(d *paper.Document, i item) error {
	mm := func(dots int) float64 { return float64(dots) / l.perMM() }
	switch {
	case i.solid:
		d.Rect(mm(i.x), mm(i.y), mm(i.width), mm(i.height))
	case i.symbol != nil:
		d.Modules(mm(i.x), mm(i.y), mm(i.symbol.module), mm(i.height), i.symbol.symbol)
	default:
		size := i.text.size
		if i.text.picture == nil {
			size = min(size, i.text.letters.height)
		}
		// The line that characters stand on lies an eighth of their size above the foot of the square, see raster.Typeface.Draw.
		t := paper.Text{X: mm(i.text.left), Y: mm(i.y) + mm(size)*7/8, Width: mm(i.text.room), Size: mm(size), Text: i.text.text,
			Align: map[Align]paper.Align{Left: paper.Left, Center: paper.Center, Right: paper.Right}[i.text.align]}
		err := d.Text(l.face, t)
		if !errors.Is(err, paper.ErrNoFont) {
			return err
		}
		b, err := l.letter(i)
		if err != nil {
			return err
		}
		d.Dots(mm(i.x), mm(i.y), mm(1), b)
	}
	return nil
}

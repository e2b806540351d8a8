package label

import (
	"errors"
	"strings"
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

// Blank takes a value out of a layout that only stands for one which is given when the label is printed: a frame stands in place of
// the symbols that hold it, and X in place of its letters. A sheet with the symbol would be stuck on a pallet, and the next
// one on another.
func (l *Layout) Blank(value string) {
	word := "样张 SAMPLE"
	if !l.face.Draws(word) {
		word = "SAMPLE"
	}
	all := l.items
	l.items = nil
	for _, i := range all {
		switch {
		case i.symbol != nil && strings.Contains(i.symbol.message, value):
			mm := l.perMM()
			l.box(Element{X: float64(i.x) / mm, Y: float64(i.y) / mm, Width: float64(i.width) / mm, Height: float64(i.height) / mm})
			size := min(l.dots(5), i.height/2)
			_ = l.line(i.x, i.y+(i.height-size)/2, i.width, size, word, Center) // a word that can not be drawn leaves the frame
			continue
		case i.text != nil && i.text.picture == nil && strings.Contains(i.text.text, value):
			t := *i.text
			t.text = strings.ReplaceAll(t.text, value, strings.Repeat("X", len(value)))
			i.text = &t
		}
		l.items = append(l.items, i)
	}
}

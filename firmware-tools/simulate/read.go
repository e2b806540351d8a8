package simulate

import (
	"fmt"
)

// newParser returns the parser of a printer's language.
func newParser(o PrinterOptions) (parser, error) {
	switch o.Language {
	case ZPL, "":
		return &zplReader{}, nil
	case TSPL:
		return newTSPL(o.OneIsBlack), nil
	case ESCPOS:
		return newESCPOS(o.Width), nil
	}
	return nil, fmt.Errorf("没有语言 / no language %q: %v", string(o.Language), Languages())
}

// Read reads what a host sends to a printer without a line between them, and returns the labels and, in words, what a
// printer ignores or cuts off in silence. Questions get no answer. Of the options it needs Language, Chinese, Width
// and OneIsBlack.
func Read(o PrinterOptions, sent []byte) (labels []Label, warnings []string, err error) {
	p, err := newParser(o)
	if err != nil {
		return nil, nil, err
	}
	r := &reading{fonts: &fonts{o.Chinese}}
	for _, b := range sent {
		p.take(b, r)
	}
	if n := p.partial(); n > 0 {
		r.warn(warned(halfJob, "%d", n))
	}
	return r.labels, r.warnings, nil
}

// reading is a sink that prints at once.
type reading struct {
	fonts    *fonts
	labels   []Label
	warnings []string
}

func (r *reading) print(j job) {
	for range j.copies {
		r.labels = append(r.labels, Label{Number: len(r.labels) + 1, Data: j.data, page: j.page, fonts: r.fonts})
	}
	_, faults := j.page.render(r.fonts)
	r.warnings = append(r.warnings, faults...)
}

func (r *reading) ask(func(s status) []byte)       {}
func (r *reading) askInTurn(func(s status) []byte) {}
func (r *reading) cancel()                         {}
func (r *reading) pause(bool)                      {}
func (r *reading) warn(text string)                { r.warnings = append(r.warnings, text) }

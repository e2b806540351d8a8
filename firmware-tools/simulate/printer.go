package simulate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"
)

const (
	maxWaiting  = 999                    // formats; a full printer takes no more bytes
	labelsKept  = 4096                   // in memory, at least
	answerLimit = 200 * time.Millisecond // for a host that does not read: the answer is lost, as on a real line
	fastRead    = 4096                   // bytes at once
)

// PrinterOptions say what kind of printer to play.
type PrinterOptions struct {
	Dir            string // where labels are kept as 0001.zpl and so on; none when empty
	BytesPerSecond int    // how fast bytes are taken from the line; 0 is as fast as they come
	AnswerInError  bool   // answer ~HS without paper or ribbon or with an open head; real printers do not
}

// Label is one printed label.
type Label struct {
	Number int    // from 1, or behind the last one found in the directory
	Data   []byte // ^XA to ^XZ as the host sent it, without commands such as ~HS sent in between
	File   string // where it is kept, empty without a directory
	Err    error  // why it could not be kept there
}

// clone is a copy that the caller may change.
func (l Label) clone() Label {
	l.Data = bytes.Clone(l.Data)
	return l
}

// Printer is a ZPL label printer: it prints what stands between ^XA and ^XZ and answers ~HS; ~JA
// cancels what has not been printed. Formats that come while it can not print wait inside it.
// Unplugging pulls the cable: waiting formats stay, one that came in part is forgotten.
type Printer struct {
	line   line
	dir    string
	answer bool
	labels feed[Label]

	mu      sync.Mutex
	state   printerState
	speed   int // bytes per second, 0 without limit
	waiting [][]byte
	last    int           // number of the last label
	changed chan struct{} // closed and replaced when any of the above changes
}

// NewPrinter plugs in a printer at link, with paper and ribbon in it. A symbolic link there is
// replaced; anything else is an error. The caller must Close it.
func NewPrinter(link string, o PrinterOptions) (*Printer, error) {
	p := &Printer{
		dir: o.Dir, answer: o.AnswerInError, speed: max(0, o.BytesPerSecond),
		labels: feed[Label]{limit: labelsKept}, changed: make(chan struct{}),
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make directory for labels: %w", err)
		}
		last, err := lastLabel(o.Dir)
		if err != nil {
			return nil, fmt.Errorf("look for labels: %w", err)
		}
		p.last = last
	}
	p.line = line{link: link, serve: p.serve}
	if err := p.line.plug(); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Printer) serve(c *connection) {
	var reader zplReader
	buf := make([]byte, fastRead)
	for {
		n := p.readSize(c)
		if n == 0 {
			return
		}
		n, err := c.master.Read(buf[:n])
		for _, b := range buf[:n] {
			p.take(c, &reader, b)
		}
		if err != nil {
			return
		}
		p.rest(c, n)
	}
}

// readSize waits until the printer has room and says how many bytes to read at most; 0 when the
// line has gone.
func (p *Printer) readSize(c *connection) int {
	for {
		p.mu.Lock()
		full, speed, changed := len(p.waiting) >= maxWaiting, p.speed, p.changed
		p.mu.Unlock()
		switch {
		case !full && speed == 0:
			return fastRead
		case !full:
			return min(fastRead, max(1, speed/20)) // a twentieth of a second's worth, so that it flows
		}
		select {
		case <-changed:
		case <-c.gone:
			return 0
		}
	}
}

// rest waits as long as n bytes take at the present speed. A change of speed counts at once.
func (p *Printer) rest(c *connection, n int) {
	since := time.Now()
	for {
		p.mu.Lock()
		speed, changed := p.speed, p.changed
		p.mu.Unlock()
		if speed == 0 {
			return
		}
		left := time.Until(since.Add(time.Duration(n) * time.Second / time.Duration(speed)))
		if left <= 0 {
			return
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
		case <-changed:
		case <-c.gone:
			timer.Stop()
			return
		}
		timer.Stop()
	}
}

func (p *Printer) take(c *connection, reader *zplReader, b byte) {
	event, format := reader.next(b)
	switch event {
	case zplFormat:
		p.change(func() { p.waiting = append(p.waiting, format) })
	case zplCancel:
		p.change(func() { p.waiting = nil })
	case zplStatus:
		p.mu.Lock()
		state, waiting := p.state, len(p.waiting)
		p.mu.Unlock()
		if state.inError() && !p.answer {
			return
		}
		ctx, stop := context.WithTimeout(context.Background(), answerLimit)
		_ = c.write(ctx, hostStatus(state, waiting, reader.format != nil), 0) // see answerLimit
		stop()
	}
}

// change makes a change, prints what can be printed now, and wakes whoever waits for a change.
func (p *Printer) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	if p.state.prints() {
		for _, format := range p.waiting {
			p.print(format)
		}
		p.waiting = nil
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// print makes a label of format. The caller holds mu.
func (p *Printer) print(format []byte) {
	label := Label{Data: format}
	if p.dir == "" {
		p.last++
		label.Number = p.last
	} else {
		label.Number, label.File, label.Err = keepLabel(p.dir, p.last+1, format)
		p.last = label.Number
	}
	p.labels.add(label)
}

// Labels returns what was printed, oldest first: at least the last 4096 labels.
func (p *Printer) Labels() [][]byte {
	var data [][]byte
	for _, label := range p.labels.all() {
		data = append(data, label.clone().Data)
	}
	return data
}

// WaitLabels returns the labels behind the first from ones, and the position behind them, as soon
// as there is one. It fails only when ctx ends.
func (p *Printer) WaitLabels(ctx context.Context, from int) (labels []Label, next int, err error) {
	labels, next, err = p.labels.wait(ctx, from)
	for i := range labels {
		labels[i] = labels[i].clone()
	}
	return labels, next, err
}

// Waiting is the number of formats that wait to be printed.
func (p *Printer) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

// SetPaper puts paper in or takes it out.
func (p *Printer) SetPaper(ok bool) { p.change(func() { p.state.paperOut = !ok }) }

// SetRibbon puts a ribbon in or takes it out.
func (p *Printer) SetRibbon(ok bool) { p.change(func() { p.state.ribbonOut = !ok }) }

// SetHead closes the head or opens it.
func (p *Printer) SetHead(closed bool) { p.change(func() { p.state.headOpen = !closed }) }

// SetPaused presses the pause button. A paused printer answers ~HS.
func (p *Printer) SetPaused(on bool) { p.change(func() { p.state.paused = on }) }

// SetSpeed says how many bytes a second are taken from the line; 0 or less is as fast as they
// come. What the line itself holds, some thousand bytes, a host can write at once at any speed.
func (p *Printer) SetSpeed(bytesPerSecond int) {
	p.change(func() { p.speed = max(0, bytesPerSecond) })
}

// Unplug pulls the cable: the link is removed and the host sees the end of the line. Nothing
// happens when it is unplugged already.
func (p *Printer) Unplug() { p.line.unplug(false) }

// Replug plugs in again at the same link. It is an error when the printer is plugged in or closed.
func (p *Printer) Replug() error { return p.line.plug() }

// Close unplugs the printer for good. It may be called more than once.
func (p *Printer) Close() { p.line.unplug(true) }

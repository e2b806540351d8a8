package simulate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"stockade/internal/raster"
)

const (
	maxWaiting  = 999                    // jobs; a full printer takes no more bytes
	labelsKept  = 4096                   // in memory, at least
	answerLimit = 200 * time.Millisecond // for a host that does not read: the answer is lost, as on a real line
	fastRead    = 4096                   // bytes at once
	xon, xoff   = 0x11, 0x13
)

// PrinterOptions say what kind of printer to play.
type PrinterOptions struct {
	Language       Language         // ZPL when empty
	Dir            string           // where labels are kept as 0001.zpl, with a picture 0001.png, and so on; none when empty
	Chinese        *raster.Typeface // the printer's own Chinese font; without one Chinese comes out as boxes, as in many printers
	BytesPerSecond int              // how fast bytes are taken from the line; 0 is as fast as they come
	PrintTime      time.Duration    // how long a label takes
	Buffer         int              // bytes of waiting jobs, from which on no more are taken; 0 is no limit but that of 999 jobs
	XonXoff        bool             // a printer that is nearly full sends XOFF, and loses bytes when it is full, instead of holding the line
	KeepPart       bool             // a job that came in part stays when the cable is pulled, as in a printer with power of its own
	NoReprint      bool             // a label that was spoiled is not printed again
	Width          int              // dots of the paper, for ESC/POS; 576 when 0
	OneIsBlack     bool             // in TSPL's BITMAP; TSC's own printers burn zeros
	AnswerInError  bool             // answer ZPL's ~HS without paper or ribbon or with an open head; real printers do not
}

// Label is one printed label.
type Label struct {
	Number int    // from 1, or behind the last one found in the directory
	Data   []byte // what the host sent for it, without commands such as ~HS sent in between
	File   string // where it is kept, empty without a directory
	Image  string // the file with its picture
	Err    error  // why it could not be kept there
	page   page
	fonts  *fonts
}

// Picture draws the label at 8 dots a millimetre. What a printer would not print, or cut off, is told in words.
func (l Label) Picture() (*raster.Bitmap, []string) { return l.page.render(l.fonts) }

// clone is a copy that the caller may change.
func (l Label) clone() Label {
	l.Data = bytes.Clone(l.Data)
	return l
}

// Printer is a label printer. Jobs that come while it can not print wait inside it. A label that is being printed
// when paper or ribbon ends or the head opens is spoiled, and printed again. Unplugging pulls the cable: waiting
// jobs stay, one that came in part is forgotten unless the printer keeps it.
type Printer struct {
	line   line
	o      PrinterOptions
	fonts  *fonts
	parser parser // of the goroutine that serves the line
	labels feed[Label]
	events feed[Event]

	mu       sync.Mutex
	state    printerState
	faults   faults
	speed    int // bytes per second, 0 without limit
	waiting  []*queued
	current  *queued // the job that is being printed
	moving   *time.Timer
	length   int           // dots of the last label
	partial  int           // bytes of the job under way
	last     int           // number of the last label
	told     byte          // XON or XOFF, the last one sent; 0 for neither
	overflow bool          // bytes are being lost, and it was said
	changed  chan struct{} // closed and replaced when any of the above changes
}

// queued is a job that is waiting or being printed, or a question that waits for its turn.
type queued struct {
	job
	left   int // labels
	image  []byte
	answer func(s status) []byte
}

// NewPrinter plugs in a printer at link, with paper and ribbon in it. A symbolic link there is
// replaced; anything else is an error. The caller must Close it.
func NewPrinter(link string, o PrinterOptions) (*Printer, error) {
	if o.Language == "" {
		o.Language = ZPL
	}
	o.BytesPerSecond = max(0, o.BytesPerSecond)
	p := &Printer{
		o: o, fonts: &fonts{o.Chinese}, speed: o.BytesPerSecond,
		labels: feed[Label]{limit: labelsKept}, events: feed[Event]{limit: labelsKept}, changed: make(chan struct{}),
	}
	var err error
	if p.parser, err = newParser(o); err != nil {
		return nil, err
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make directory for labels: %w", err)
		}
		last, err := lastLabel(o.Dir, o.Language)
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
	if !p.o.KeepPart {
		p.parser.reset()
	}
	p.noteUnplugged()
	buf := make([]byte, fastRead)
	for {
		n := p.readSize(c)
		if n == 0 {
			return
		}
		n, err := c.master.Read(buf[:n])
		if !p.hears(c) {
			return
		}
		for _, b := range buf[:n] {
			if !p.take(c, b) {
				go p.line.unplug(false) // which waits for this goroutine
				return
			}
		}
		if err != nil {
			return
		}
		p.rest(c, n)
	}
}

// noteUnplugged says that a line begins anew.
func (p *Printer) noteUnplugged() {
	p.change(func() { p.partial, p.told, p.overflow = p.parser.partial(), 0, false })
}

// readSize waits until the printer takes bytes and says how many to read at most; 0 when the
// line has gone.
func (p *Printer) readSize(c *connection) int {
	for {
		p.mu.Lock()
		stopped, speed, changed := p.faults.deaf || !p.o.XonXoff && p.full(), p.speed, p.changed
		careful := p.o.Buffer > 0 && !p.o.XonXoff // no byte more than fits
		p.mu.Unlock()
		switch {
		case !stopped && careful:
			return 16
		case !stopped && speed == 0:
			return fastRead
		case !stopped:
			return min(fastRead, max(1, speed/20)) // a twentieth of a second's worth, so that it flows
		}
		select {
		case <-changed:
		case <-c.gone:
			return 0
		}
	}
}

// hears waits until the printer is not deaf; it reports false when the line has gone. A read that was waiting when
// the printer became deaf has taken bytes, which wait here.
func (p *Printer) hears(c *connection) bool {
	for {
		p.mu.Lock()
		deaf, changed := p.faults.deaf, p.changed
		p.mu.Unlock()
		if !deaf {
			return true
		}
		select {
		case <-changed:
		case <-c.gone:
			return false
		}
	}
}

// held is how many bytes wait inside. A job that comes while nothing else waits is worked on as it comes, so it
// never fills the buffer: a label may be larger than that. The caller holds mu.
func (p *Printer) held() int {
	held := 0
	for _, q := range p.waiting {
		held += len(q.data)
	}
	if held > 0 {
		held += p.partial
	}
	return held
}

func (p *Printer) full() bool {
	return len(p.waiting) >= maxWaiting || p.o.Buffer > 0 && p.held() >= p.o.Buffer
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

// take takes one byte from the line. It reports whether the cable still holds.
func (p *Printer) take(c *connection, b byte) bool {
	if p.loses() {
		return true
	}
	to := &told{p: p, c: c}
	before := p.parser.partial()
	p.parser.take(b, to)
	after := p.parser.partial()
	if after == before && !to.printed {
		return true
	}
	holds := true
	p.mu.Lock()
	p.partial = after
	if p.faults.cut > 0 && (after > before || to.printed) {
		if p.faults.cut = max(1, p.faults.cut-max(1, after-before)); p.faults.cut == 1 {
			p.faults.cut, holds = 0, false
			p.event(Event{Kind: EventCut, Text: "电缆已断开 / the cable is cut"})
		}
	}
	if p.o.XonXoff {
		p.flow(c)
	}
	p.mu.Unlock()
	return holds
}

// loses reports whether a byte comes when there is no room for it, as on a line without a working flow control.
func (p *Printer) loses() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.o.XonXoff || !p.full() {
		p.overflow = false
		return false
	}
	if !p.overflow {
		p.overflow = true
		p.event(Event{Kind: EventWarning, Text: string(lostBytes)})
	}
	return true
}

// flow tells the host to stop when the buffer is three quarters full, and to go on when it is a quarter full.
// The caller holds mu.
func (p *Printer) flow(c *connection) {
	word := byte(0)
	switch held := p.held(); {
	case p.told != xoff && (p.o.Buffer > 0 && held >= p.o.Buffer*3/4 || len(p.waiting) >= maxWaiting*3/4):
		word = xoff
	case p.told == xoff && held <= p.o.Buffer/4 && len(p.waiting) <= maxWaiting/4:
		word = xon
	default:
		return
	}
	p.told = word
	p.event(Event{Kind: EventFlow, Text: map[byte]string{xoff: "XOFF", xon: "XON"}[word]})
	c.say([]byte{word})
}

// told does what a parser finds.
type told struct {
	p       *Printer
	c       *connection
	printed bool
}

func (t *told) print(j job) {
	q := &queued{job: j, left: j.copies}
	if t.p.o.Dir != "" { // drawn here, where nobody waits for the lock
		dots, faults := j.page.render(t.p.fonts)
		for _, f := range faults {
			t.warn(f)
		}
		image, err := dots.PNG()
		if err != nil {
			t.warn(err.Error())
		}
		q.image = image
	}
	t.printed = true
	t.p.change(func() { t.p.waiting = append(t.p.waiting, q) })
}

func (t *told) ask(answer func(s status) []byte) {
	t.p.mu.Lock()
	t.p.partial = t.p.parser.partial()
	said := t.p.answer(answer)
	t.p.mu.Unlock()
	t.c.say(said)
}

func (t *told) askInTurn(answer func(s status) []byte) {
	t.p.change(func() { t.p.waiting = append(t.p.waiting, &queued{answer: answer}) })
}

// answer is what is said to a question. The caller holds mu.
func (p *Printer) answer(answer func(s status) []byte) []byte {
	s := status{printerState: p.state, answersInError: p.o.AnswerInError, waiting: p.jobsWaiting(), partial: p.partial > 0, full: p.full(), length: p.length}
	if p.current != nil {
		s.labelsLeft = p.current.left
	}
	p.faults.seed++
	if p.faults.nonsense {
		return babble(p.faults.seed)
	}
	return answer(s)
}

// say writes an answer. A host that does not read loses it, see answerLimit.
func (c *connection) say(answer []byte) {
	if len(answer) > 0 {
		ctx, stop := context.WithTimeout(context.Background(), answerLimit)
		defer stop()
		_ = c.write(ctx, answer, 0)
	}
}

// jobsWaiting counts the jobs that have not begun.
func (p *Printer) jobsWaiting() (n int) {
	for _, q := range p.waiting {
		n += flag(q.answer == nil)
	}
	return n
}

// babble is an answer that means nothing: 1 to 40 bytes, the same for the same seed.
func babble(seed uint64) []byte {
	x := seed*0x9E3779B97F4A7C15 + 1
	next := func() byte { // xorshift64 (Marsaglia 2003)
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		return byte(x >> 32) // #nosec G115 -- the lowest bits of it
	}
	out := make([]byte, 1+int(next())%40)
	for i := range out {
		out[i] = next()
	}
	return out
}

func (t *told) cancel() {
	t.p.change(func() {
		if n := t.p.jobsWaiting(); n > 0 || t.p.current != nil {
			t.p.event(Event{Kind: EventCancelled, Text: fmt.Sprintf("已取消 / cancelled: %d", n+flag(t.p.current != nil))})
		}
		t.p.waiting = nil
		if c := t.p.current; c != nil { // the label that is moving is finished
			if c.left = flag(t.p.moving != nil); c.left == 0 {
				t.p.current = nil
			}
		}
	})
}

func (t *told) pause(on bool) { t.p.SetPaused(on) }

func (t *told) warn(text string) {
	t.p.mu.Lock()
	defer t.p.mu.Unlock()
	t.p.event(Event{Kind: EventWarning, Text: text})
}

// change makes a change, prints what can be printed now, and wakes whoever waits for a change.
func (p *Printer) change(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
	p.advance()
	if p.o.XonXoff && p.told == xoff {
		if c, err := p.line.current(); err == nil {
			p.flow(c)
		}
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// advance prints what can be printed, or begins to. The caller holds mu.
func (p *Printer) advance() {
	if p.moving != nil && p.state.spoils() {
		p.moving.Stop()
		p.moving = nil
		p.spoil()
	}
	for p.moving == nil && p.state.prints() {
		if p.current == nil {
			if len(p.waiting) == 0 {
				return
			}
			next := p.waiting[0]
			p.waiting[0] = nil
			p.waiting = p.waiting[1:]
			if next.answer != nil {
				said := p.answer(next.answer)
				if c, err := p.line.current(); err == nil {
					c.say(said)
				}
				continue
			}
			p.current = next
		}
		if p.faults.roll == 1 { // the paper ends within this label
			p.faults.roll = 0
			p.state.paperOut = true
			p.spoil()
			return
		}
		if p.o.PrintTime > 0 {
			p.start()
			return
		}
		p.finish()
	}
}

// start sets a label moving.
func (p *Printer) start() {
	var timer *time.Timer
	timer = time.AfterFunc(p.o.PrintTime, func() {
		p.change(func() {
			if p.moving == timer { // else it was spoiled meanwhile
				p.moving = nil
				p.finish()
			}
		})
	})
	p.moving = timer
}

// spoil ends a label that was begun. The printer prints it again, or not.
func (p *Printer) spoil() {
	p.event(Event{Kind: EventSpoiled, Text: "打印中断 / stopped while it was printed", Label: p.label(0)})
	if p.o.NoReprint {
		p.done()
	}
}

// done takes one label off the present job.
func (p *Printer) done() {
	if p.current.left--; p.current.left <= 0 {
		p.current = nil
	}
}

func (p *Printer) label(number int) *Label {
	return &Label{Number: number, Data: p.current.data, page: p.current.page, fonts: p.fonts}
}

// finish makes a label of the present job. The caller holds mu.
func (p *Printer) finish() {
	if p.faults.roll > 1 {
		p.faults.roll--
	}
	label := p.label(p.last + 1)
	if p.o.Dir != "" {
		label.Number, label.File, label.Image, label.Err = keepLabel(p.o.Dir, p.last+1, p.o.Language, label.Data, p.current.image)
	}
	p.last, p.length = label.Number, label.page.height
	p.labels.add(*label)
	p.event(Event{Kind: EventLabel, Label: label})
	p.done()
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

// Waiting is the number of jobs that wait to be printed, the one under way apart.
func (p *Printer) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.jobsWaiting()
}

// Unplug pulls the cable: the link is removed and the host sees the end of the line. Nothing
// happens when it is unplugged already.
func (p *Printer) Unplug() { p.line.unplug(false) }

// Replug plugs in again at the same link. It is an error when the printer is plugged in or closed.
func (p *Printer) Replug() error { return p.line.plug() }

// Close unplugs the printer for good. It may be called more than once.
func (p *Printer) Close() {
	p.line.unplug(true)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.moving != nil {
		p.moving.Stop()
		p.moving = nil
	}
}

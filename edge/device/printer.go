package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Result is what became of a label.
type Result string

// The results. "Written to the port" is not "printed".
const (
	Confirmed Result = "confirmed" // the printer says that nothing waits and nothing is wrong
	Unknown   Result = "unknown"   // nobody knows whether it was printed: a person has to look, it is not sent again
	Waiting   Result = "waiting"   // no byte of it was sent
)

// Job is a label on its way.
type Job struct {
	ID   string
	Data []byte
	// Done is called once, by the printer's goroutine, with what became of the label and why.
	Done func(Result, error)
}

// Printer prints ZPL labels, one at a time.
type Printer struct {
	config Config
	open   Open
	status *status
	log    *slog.Logger
	times  times

	mu      sync.Mutex
	stopped bool
	jobs    chan Job
}

// times are the limits of talking to a printer. Tests shorten them.
type times struct {
	answer time.Duration // for an answer to ~HS
	quiet  time.Duration // silence after which no older answer follows
	idle   time.Duration // between questions while there is nothing to do
	fault  time.Duration // between questions while something is wrong
	busy   time.Duration // between questions while it prints
}

func usualTimes() times {
	return times{answer: time.Second, quiet: 200 * time.Millisecond, idle: 2 * time.Second, fault: 500 * time.Millisecond, busy: 100 * time.Millisecond}
}

// maxQueue limits the labels that wait for a printer that is away or out of paper.
const maxQueue = 1000

// NewPrinter prepares a printer.
func NewPrinter(c Config, open Open, log *slog.Logger) *Printer {
	c = c.withDefaults(KindPrinter, 30*time.Second)
	return &Printer{config: c, open: open, status: newStatus(c), jobs: make(chan Job, maxQueue), log: log, times: usualTimes()}
}

// Status returns what the printer is doing. It may be called at any time.
func (p *Printer) Status() Status { return p.status.get() }

// Errors of Print.
var (
	ErrQueueFull = errors.New("too many labels wait for this printer")
	ErrStopped   = errors.New("printing has ended")
)

// Print queues a label. It never waits for the printer. After an error Done is not called.
func (p *Printer) Print(j Job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := ErrQueueFull
	if p.stopped {
		err = ErrStopped
	} else {
		select {
		case p.jobs <- j:
			p.status.change(func(s *Status) { s.Queue++ })
			return nil
		default:
		}
	}
	return fmt.Errorf("print %s on %s: %w", j.ID, p.config.Name, err)
}

// Run prints until ctx ends, and returns nil then. Labels of which no byte was sent by then are
// reported as Waiting. It is called once.
func (p *Printer) Run(ctx context.Context) error {
	var next *Job // taken from the queue, not sent
	keepOpen(ctx, p.config, p.open, p.status, func(port Port) (err error) {
		next, err = p.serve(ctx, port, next)
		if ctx.Err() == nil {
			p.log.Warn("printer is gone", "device", p.config.Name, "error", err)
		}
		return err
	})
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	for next != nil {
		p.finish(*next, Waiting, ctx.Err())
		select {
		case j := <-p.jobs:
			next = &j
		default:
			next = nil
		}
	}
	for {
		select {
		case j := <-p.jobs:
			p.finish(j, Waiting, ctx.Err())
		default:
			return nil
		}
	}
}

func (p *Printer) finish(j Job, r Result, err error) {
	p.status.change(func(s *Status) {
		s.Queue--
		s.Sending = ""
		s.LastEvent = time.Now()
		switch r {
		case Confirmed:
			s.Confirmed++
		case Unknown:
			s.Unknown++
		}
	})
	if j.Done != nil {
		j.Done(r, err)
	}
}

// serve works the port to its end. It returns the job that was not sent, if one was at hand.
func (p *Printer) serve(ctx context.Context, port Port, job *Job) (_ *Job, err error) {
	l, err := p.newLine(port)
	if err != nil {
		return job, err
	}
	defer func() {
		if errors.Is(err, ErrNotTaken) {
			p.status.set(Failed, err) // until it takes bytes again
		}
		l.close(ctx)
	}()
	for ctx.Err() == nil {
		h, err := l.ask(ctx, p.times.answer)
		if err != nil {
			return job, err
		}
		p.show(h)
		switch {
		case h.state != Ready || h.full:
			pause(ctx, p.times.fault)
			continue
		case h.partial && h.left == 0:
			// Half a label of a cut line would swallow the next one. Nothing else waits in there.
			if err := l.writer.write(ctx, []byte("~JA")); err != nil {
				return job, err
			}
			pause(ctx, p.times.busy)
			continue
		}
		if job == nil {
			if job = p.next(ctx); job == nil {
				continue
			}
			if h, err = l.ask(ctx, p.times.answer); err != nil {
				return job, err
			}
			if p.show(h); h.state != Ready || h.full || h.partial {
				continue
			}
		}
		err = p.print(ctx, l, *job)
		job = nil // sent, or begun to be: it is never sent again by itself
		if err != nil {
			return nil, err
		}
	}
	return job, ctx.Err()
}

// errFault is what can be said of a fault that has no state of its own.
var errFault = errors.New("printer reports a fault: look at its display")

func (p *Printer) show(h hostStatus) {
	var err error
	if h.state == Failed {
		err = errFault
	}
	p.status.set(h.state, err)
}

// next waits a while for a job.
func (p *Printer) next(ctx context.Context) *Job {
	timer := time.NewTimer(p.times.idle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case j := <-p.jobs:
		return &j
	case <-timer.C:
	}
	return nil
}

// errSilent is why a printed label may not be one.
var errSilent = errors.New("printer was silent and has forgotten the label or printed it")

// print sends one label and asks until the printer says that it is out. A printer out of paper gives no
// answer, and neither does one that is switched off: the first prints the label later, the second has
// forgotten it. So after a long silence, "nothing waits" alone is not believed.
func (p *Printer) print(ctx context.Context, l *printerLine, j Job) error {
	p.status.change(func(s *Status) { s.Sending = j.ID })
	if err := l.writer.write(ctx, j.Data); err != nil {
		p.finish(j, Unknown, err)
		return err
	}
	limit := p.times.answer + wireTime(len(j.Data), p.config.Baud) // the question stands in line behind the label
	doubt := false
	for ctx.Err() == nil {
		h, err := l.ask(ctx, limit)
		if err != nil {
			p.finish(j, Unknown, err)
			return err
		}
		limit = p.times.answer
		p.show(h)
		switch {
		case h.state == Silent:
			doubt = true
		case h.left > 0 || h.partial:
			doubt = false // it remembers
		case h.state == Ready && doubt:
			p.finish(j, Unknown, errSilent)
			return nil
		case h.state == Ready:
			p.finish(j, Confirmed, nil)
			return nil
		}
		pause(ctx, p.times.busy)
	}
	p.finish(j, Unknown, ctx.Err())
	return ctx.Err()
}

// buffered is how much of a message the kernel and an adapter may still hold when it is written.
const buffered = 8 << 10

// wireTime is how long a written message is on its way: ten bits a byte.
func wireTime(n, baud int) time.Duration {
	return time.Duration(min(n, buffered)) * 10 * time.Second / time.Duration(baud)
}

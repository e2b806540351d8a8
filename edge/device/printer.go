package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Result is what became of a label that was begun.
type Result string

// The results. "Written to the port" is not "printed".
const (
	Confirmed Result = "confirmed" // the printer has said that it was printed
	Unknown   Result = "unknown"   // nobody knows whether it was printed: a person has to look, it is not sent again
)

// Job is a label on its way.
type Job struct {
	ID   string
	Data []byte
}

// Queue is where the jobs of a printer come from, and where it writes down how far each has come. What a
// method has returned from is there after a power cut. The methods are called by the printer's goroutine alone.
type Queue interface {
	// Next returns the job to print next, nil when none waits. It stays in the queue until it is begun.
	Next(context.Context) (*Job, error)
	// Begin is called before the first byte of a job leaves: it is never offered again. ErrWithdrawn says that it
	// must not be printed any more.
	Begin(ctx context.Context, id string) error
	// Sent is called when all bytes of a job were handed to the port.
	Sent(ctx context.Context, id string) error
	// End is called with what became of a job that was begun; why is nil for a confirmed one.
	End(ctx context.Context, id string, r Result, why error) error
	// Torn returns how many bytes the last job that was begun has, unless the printer has confirmed it: when the
	// line was cut in it, the printer may still wait for its rest. 0 for none.
	Torn(context.Context) (int, error)
	// Wake is sent to when a job may have come. It is asked for once.
	Wake() <-chan struct{}
}

// ErrWithdrawn is returned for a job that was taken out of the queue.
var ErrWithdrawn = errors.New("the label was cancelled")

// Printer prints labels, one at a time.
type Printer struct {
	config Config
	open   Open
	status *status
	queue  Queue
	log    *slog.Logger
	times  times
}

// times are the limits of talking to a printer. Tests shorten them.
type times struct {
	answer time.Duration // for an answer
	quiet  time.Duration // silence after which no older answer follows
	idle   time.Duration // between questions while there is nothing to do
	fault  time.Duration // between questions while something is wrong
	busy   time.Duration // between questions while it prints
	proof  time.Duration // see proofLimit
	again  time.Duration // between attempts to write down what became of a job
}

// Trouble shows, and clears itself, within two seconds: a question that gets no answer takes one.
func usualTimes() times {
	return times{answer: time.Second, quiet: 200 * time.Millisecond, idle: 800 * time.Millisecond, fault: 500 * time.Millisecond, busy: 50 * time.Millisecond,
		proof: proofLimit, again: time.Second}
}

// NewPrinter prepares a printer.
func NewPrinter(c Config, open Open, queue Queue, log *slog.Logger) *Printer {
	c = c.withDefaults(KindPrinter, 30*time.Second)
	return &Printer{config: c, open: open, status: newStatus(c), queue: queue, log: log, times: usualTimes()}
}

// Status returns what the printer is doing. It may be called at any time.
func (p *Printer) Status() Status { return p.status.get() }

// Run prints until ctx ends, and returns nil then. It is called once.
func (p *Printer) Run(ctx context.Context) error {
	wake := p.queue.Wake()
	keepOpen(ctx, p.config, p.open, p.status, func(port Port) error {
		err := p.serve(ctx, port, wake)
		if ctx.Err() == nil {
			p.log.Warn("printer is gone", "device", p.config.Name, "error", err)
		}
		return err
	})
	return nil
}

// serve works the port to its end.
func (p *Printer) serve(ctx context.Context, port Port, wake <-chan struct{}) (err error) {
	l, err := p.newLine(port)
	if err != nil {
		return err
	}
	defer func() {
		if errors.Is(err, ErrNotTaken) {
			p.status.set(Failed, err) // until it takes bytes again
		}
		l.close(ctx)
	}()
	// First of all, since a question would be taken for the rest of a picture that was cut: its bytes for dots, or
	// for the picture's size, which then swallows what follows.
	mended, err := p.mend(ctx, l)
	if err != nil {
		return err
	}
	var held spell
	for ctx.Err() == nil {
		r, err := l.ask(ctx, p.times.answer)
		if err != nil {
			return err
		}
		p.show(r, held.lasts(p.times.proof, r.state == Ready && (r.full || r.busy || r.partial)))
		switch {
		case !mended && r.silent(): // it may take the question for a part of a picture that was cut
			if mended, err = p.mend(ctx, l); err != nil {
				return err
			}
			continue
		case r.state != Ready || r.full:
			pause(ctx, p.times.fault)
			continue
		case r.busy:
			pause(ctx, p.times.busy)
			continue
		case r.partial && r.left == 0:
			// Half a label of a cut line would swallow the next one. Nothing else waits in there.
			if err := l.writer.write(ctx, l.tongue.cancel()); err != nil {
				return err
			}
			pause(ctx, p.times.busy)
			continue
		case !mended:
			if mended, err = p.mend(ctx, l); err != nil {
				return err
			}
			continue
		}
		if err := p.printNext(ctx, l, wake); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// mend ends what the last job may have left half on this line. It reports whether that could be found out.
func (p *Printer) mend(ctx context.Context, l *printerLine) (bool, error) {
	torn, err := p.queue.Torn(ctx)
	switch {
	case err != nil:
		p.trouble(ctx, err)
		pause(ctx, p.times.again)
		return false, nil
	case torn == 0:
		return true, nil
	}
	return true, l.writer.write(ctx, l.tongue.mend(max(torn, leastMend)+wrapping))
}

const (
	wrapping  = 16  // at most, of what wrap adds to a job
	leastMend = 256 // a length whose second byte was cut off says at most 255 more
)

// What a device is in trouble with beside its states.
var (
	errFault    = errors.New("printer reports a fault: look at its display")
	errNonsense = errors.New("printer's answers make no sense: check its language and baud rate in the configuration")
	errQueue    = errors.New("print queue can not be read or written")
)

// show shows what the printer says of itself; held is for one that has kept a label or a full buffer for long and says that it is ready.
func (p *Printer) show(r report, held bool) {
	var err error
	switch r.state {
	case Failed:
		err = errFault
	case Nonsense:
		err = errNonsense
	}
	if held && r.state == Ready {
		r.state = Held
	}
	p.status.set(r.state, err)
}

// spell is since when something has been so without a break; zero while it is not.
type spell struct{ since time.Time }

// lasts notes whether it is so now, and reports whether it has been for longer than limit.
func (s *spell) lasts(limit time.Duration, now bool) bool {
	switch {
	case !now:
		s.since = time.Time{}
	case s.since.IsZero():
		s.since = time.Now()
	}
	return now && time.Since(s.since) > limit
}

// printNext prints the next job, or waits a while for one. The error is that of a line that has ended.
func (p *Printer) printNext(ctx context.Context, l *printerLine, wake <-chan struct{}) error {
	j, err := p.queue.Next(ctx)
	if err == nil && j != nil {
		if err = p.queue.Begin(ctx, j.ID); err == nil {
			return p.print(ctx, l, *j)
		}
		if errors.Is(err, ErrWithdrawn) {
			return nil
		}
	}
	if err != nil { // no label leaves that the store does not know of
		p.trouble(ctx, err)
	}
	timer := time.NewTimer(p.times.idle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
	return nil
}

// print sends one label and asks until it is known what became of it.
func (p *Printer) print(ctx context.Context, l *printerLine, j Job) error {
	p.status.change(func(s *Status) { s.Sending = j.ID })
	data := l.tongue.wrap(j.Data)
	defer l.tongue.over()
	if err := l.writer.write(ctx, data); err != nil {
		p.finish(ctx, j, Unknown, err)
		return err
	}
	if err := p.queue.Sent(ctx, j.ID); err != nil {
		p.trouble(ctx, err)
	}
	limit := p.times.answer + wireTime(len(data), p.config.Baud) // the question stands in line behind the label
	var well, held spell                                         // it says that all is well; it has not done with the label and names no trouble
	for ctx.Err() == nil {
		r, err := l.ask(ctx, limit)
		if err != nil {
			p.finish(ctx, j, Unknown, err)
			return err
		}
		limit = p.times.answer
		v, why := l.tongue.judge(r)
		p.show(r, held.lasts(p.times.proof, v == pending && r.state == Ready))
		noProof := well.lasts(p.times.proof, v == idle)
		switch {
		case v == printed:
			p.finish(ctx, j, Confirmed, nil)
			return nil
		case v == forgotten:
			p.finish(ctx, j, Unknown, why)
			return nil
		case noProof:
			p.finish(ctx, j, Unknown, ErrNoProof)
			return nil
		}
		pause(ctx, p.times.busy)
	}
	p.finish(ctx, j, Unknown, ctx.Err())
	return ctx.Err()
}

// trouble tells of a queue that can not be read or written: a full or failing disk.
func (p *Printer) trouble(ctx context.Context, err error) {
	if ctx.Err() == nil {
		p.status.trouble(fmt.Errorf("%w: %w", errQueue, err))
		p.log.Error("print queue", "device", p.config.Name, "error", err)
	}
}

// finish writes down what became of a job. A store that commits nothing is asked again: without its word no
// other job may begin. When the program ends before, the job is found to have been under way.
func (p *Printer) finish(ctx context.Context, j Job, r Result, why error) {
	p.status.change(func(s *Status) {
		s.LastEvent = time.Now()
		switch r {
		case Confirmed:
			s.Confirmed++
		case Unknown:
			s.Unknown++
		}
	})
	if r != Confirmed {
		p.log.Warn("label was not confirmed", "device", p.config.Name, "job", j.ID, "error", why)
	}
	for {
		err := p.queue.End(context.WithoutCancel(ctx), j.ID, r, why)
		if err == nil || ctx.Err() != nil {
			break
		}
		p.trouble(ctx, err)
		pause(ctx, p.times.again)
	}
	p.status.change(func(s *Status) { s.Sending = "" })
}

// buffered is how much of a message the kernel and an adapter may still hold when it is written.
const buffered = 8 << 10

// wireTime is how long a written message is on its way: ten bits a byte.
func wireTime(n, baud int) time.Duration {
	return time.Duration(min(n, buffered)) * 10 * time.Second / time.Duration(baud)
}

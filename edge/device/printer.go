package device

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Result is what became of a label.
type Result string

// The results. "Written to the port" is not "printed".
const (
	Confirmed Result = "confirmed" // the printer says that nothing waits and nothing is wrong
	Unknown   Result = "unknown"   // the line was cut while or after sending: a person has to look, it is not sent again
	Waiting   Result = "waiting"   // not sent: the printer was not ready
)

// Job is a label on its way.
type Job struct {
	ID   string
	Data []byte
	Done func(Result, error) // called once
}

// Printer prints ZPL labels, one at a time.
type Printer struct {
	config Config
	open   Open
	status *status
	jobs   chan Job
	log    *slog.Logger
}

// maxQueue limits the labels that wait for a printer that is away or out of paper.
const maxQueue = 1000

// NewPrinter prepares a printer.
func NewPrinter(c Config, open Open, log *slog.Logger) *Printer {
	c = c.withDefaults()
	c.Kind = KindPrinter
	return &Printer{config: c, open: open, status: newStatus(c), jobs: make(chan Job, maxQueue), log: log}
}

// Status returns what the printer is doing.
func (p *Printer) Status() Status { return p.status.get() }

// ErrQueueFull is returned when too many labels wait already.
var ErrQueueFull = errors.New("too many labels wait for this printer")

// Print queues a label. It never waits for the printer.
func (p *Printer) Print(j Job) error {
	select {
	case p.jobs <- j:
		p.status.queue(1)
		return nil
	default:
		return fmt.Errorf("print %s on %s: %w", j.ID, p.config.Name, ErrQueueFull)
	}
}

// Run prints until ctx ends. Labels that were not sent by then are reported as Waiting.
func (p *Printer) Run(ctx context.Context) error {
	var job *Job
	for delay := firstTry; ctx.Err() == nil; delay = min(2*delay, lastTry) {
		port, err := p.open(p.config.Path, p.config.Baud)
		if err != nil {
			p.status.set(stateOf(err), err)
			pause(ctx, delay)
			continue
		}
		job, err = p.serve(ctx, port, job)
		_ = port.Close()
		if ctx.Err() == nil {
			p.status.set(Absent, err)
			p.log.Info("printer is gone", "device", p.config.Name, "error", err)
			delay = firstTry
			pause(ctx, delay)
		}
	}
	for job != nil {
		p.finish(*job, Waiting, ctx.Err())
		select {
		case j := <-p.jobs:
			job = &j
		default:
			job = nil
		}
	}
	return nil
}

func (p *Printer) finish(j Job, r Result, err error) {
	p.status.queue(-1)
	if j.Done != nil {
		j.Done(r, err)
	}
}

// pollEvery is how often a printer with nothing to do, or in trouble, is asked how it is.
const pollEvery = 2 * time.Second

// serve works the port to its end. It returns the job that was not sent, if one was at hand.
func (p *Printer) serve(ctx context.Context, port Port, job *Job) (*Job, error) {
	if err := port.SetReadTimeout(100 * time.Millisecond); err != nil {
		return job, err
	}
	for ctx.Err() == nil {
		state, _, err := p.ask(ctx, port)
		if err != nil {
			return job, err
		}
		p.status.set(state, nil)
		if job == nil {
			job = p.next(ctx)
		}
		if job == nil || state != Ready {
			if state != Ready {
				pause(ctx, pollEvery/4)
			}
			continue
		}
		err = p.print(ctx, port, *job)
		job = nil // sent, or begun to be: it is never sent again by itself
		if err != nil {
			return nil, err
		}
	}
	return job, ctx.Err()
}

// next waits a while for a job.
func (p *Printer) next(ctx context.Context) *Job {
	select {
	case <-ctx.Done():
	case j := <-p.jobs:
		return &j
	case <-time.After(pollEvery):
	}
	return nil
}

// print sends one label and asks until the printer says that it is out.
func (p *Printer) print(ctx context.Context, port Port, j Job) error {
	if err := write(ctx, port, j.Data, sendLimit(len(j.Data), p.config.Baud)); err != nil {
		p.finish(j, Unknown, err)
		return err
	}
	for ctx.Err() == nil {
		state, left, err := p.ask(ctx, port)
		if err != nil {
			p.finish(j, Unknown, err)
			return err
		}
		p.status.set(state, nil)
		if state == Ready && left == 0 {
			p.finish(j, Confirmed, nil)
			return nil
		}
		pause(ctx, pollEvery/20)
	}
	p.finish(j, Unknown, ctx.Err())
	return ctx.Err()
}

// sendLimit is how long a job may take on the wire: ten times its length, and never below five seconds.
func sendLimit(n, baud int) time.Duration {
	return max(5*time.Second, 10*time.Duration(n)*10*time.Second/time.Duration(baud))
}

// write writes with a limit. A printer that does not take bytes is closed by the caller.
func write(ctx context.Context, port Port, b []byte, limit time.Duration) error {
	done := make(chan error, 1)
	go func() { _, err := port.Write(b); done <- err }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(limit):
		_ = port.ResetOutputBuffer()
		return errors.New("printer takes no bytes")
	}
}

// ask asks a ZPL printer for its state and the number of labels it still has to print. A
// printer in trouble may give no answer at all: silence is Silent and never "ready".
func (p *Printer) ask(ctx context.Context, port Port) (State, int, error) {
	_ = port.ResetInputBuffer()
	if err := write(ctx, port, []byte("~HS"), writeLimit); err != nil {
		return Silent, 0, err
	}
	var got []byte
	buf := make([]byte, 256)
	for range 10 {
		n, err := port.Read(buf)
		if err != nil {
			return Silent, 0, err
		}
		got = append(got, buf[:n]...)
		if state, left, ok := parseHS(got); ok {
			return state, left, nil
		}
		if n == 0 || ctx.Err() != nil {
			break
		}
	}
	return Silent, 0, nil
}

// parseHS reads the answer to ~HS: three lines, each between STX and ETX (ZPL II Programming
// Guide, "~HS Host Status Return"). What stands before an STX is skipped.
func parseHS(b []byte) (State, int, bool) {
	var lines [][]string
	for len(lines) < 3 {
		_, rest, ok := bytes.Cut(b, []byte{0x02})
		if !ok {
			return "", 0, false
		}
		line, rest, ok := bytes.Cut(rest, []byte{0x03})
		if !ok {
			return "", 0, false
		}
		lines = append(lines, strings.Split(string(line), ","))
		b = rest
	}
	one, two := lines[0], lines[1]
	if len(one) < 12 || len(two) < 9 {
		return Failed, 0, true
	}
	left := 0
	for _, digits := range []string{one[4], two[8]} { // formats in buffer, labels left in batch
		n := 0
		if _, err := fmt.Sscanf(digits, "%d", &n); err == nil {
			left += n
		}
	}
	on := func(f string) bool { return strings.TrimSpace(f) == "1" }
	switch {
	case on(one[1]):
		return PaperOut, left, true
	case on(two[2]):
		return HeadOpen, left, true
	case on(two[3]):
		return RibbonOut, left, true
	case on(one[10]), on(one[11]):
		return Hot, left, true
	case on(one[2]):
		return Paused, left, true
	}
	return Ready, left, true
}

// Package devices lets a node's devices work with simulated ones: both sides read the makers' manuals on their own.
package devices

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/edge/device"
	"stockade/firmware-tools/simulate"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// until waits for what must happen. Many pairs are tried side by side, so it returns its fault.
func (p *pair) until(what string, ok func() bool) error {
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			return fmt.Errorf("never: %s; the node sees %s, jobs ended %v", what, p.node.Status().State, p.queue.all())
		}
	}
	return nil
}

// first returns the first error.
func first(steps ...func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// queue keeps jobs in memory.
type queue struct {
	mu    sync.Mutex
	jobs  []device.Job
	ended map[string]device.Result
	why   map[string]error
	torn  int
	wake  chan struct{}
}

func newQueue() *queue {
	return &queue{ended: map[string]device.Result{}, why: map[string]error{}, wake: make(chan struct{}, 1)}
}

func (q *queue) add(id, data string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.jobs = append(q.jobs, device.Job{ID: id, Data: []byte(data)})
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) end(id string) device.Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended[id]
}

func (q *queue) all() map[string]device.Result {
	q.mu.Lock()
	defer q.mu.Unlock()
	return maps.Clone(q.ended)
}

func (q *queue) Next(context.Context) (*device.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 {
		return nil, nil
	}
	j := q.jobs[0]
	return &j, nil
}

func (q *queue) Begin(_ context.Context, id string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs) == 0 || q.jobs[0].ID != id {
		return device.ErrWithdrawn
	}
	q.torn = len(q.jobs[0].Data)
	q.jobs = slices.Delete(q.jobs, 0, 1)
	return nil
}

func (q *queue) Sent(context.Context, string) error { return nil }

func (q *queue) End(_ context.Context, id string, r device.Result, why error) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended[id], q.why[id] = r, why; r == device.Confirmed {
		q.torn = 0
	}
	return nil
}

func (q *queue) Torn(context.Context) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.torn, nil
}

func (q *queue) Wake() <-chan struct{} { return q.wake }

// pair is a node's printer and the simulated one that it is plugged into.
type pair struct {
	queue   *queue
	node    *device.Printer
	printer *simulate.Printer
}

// plugIn begins a pair. unplug ends it.
func plugIn(link string, o simulate.PrinterOptions) (p *pair, unplug func(), err error) {
	if o.PrintTime == 0 {
		o.PrintTime = 300 * time.Millisecond // long enough to be seen
	}
	printer, err := simulate.NewPrinter(link, o)
	if err != nil {
		return nil, nil, err
	}
	q := newQueue()
	node := device.NewPrinter(device.Config{Name: "printer", Path: link, Language: device.Language(o.Language)}, device.OpenSerial, q, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	return &pair{q, node, printer}, func() {
		stop()
		<-done
		printer.Close()
	}, nil
}

// sees waits until the node sees a state.
func (p *pair) sees(s device.State) func() error {
	return func() error {
		return p.until("the node sees "+string(s), func() bool { return p.node.Status().State == s })
	}
}

// prints gives the node a label and waits until it knows that it was printed.
func (p *pair) prints(l simulate.Language, id string) func() error {
	return func() error {
		p.queue.add(id, job(l, id))
		return p.until(id+" is confirmed", func() bool { return p.queue.end(id) == device.Confirmed })
	}
}

// does makes a step of what can not fail.
func does(do func()) func() error {
	return func() error { do(); return nil }
}

// trials run side by side, each with a pair of its own.
type trials struct {
	t     *testing.T
	all   sync.WaitGroup
	limit chan struct{} // descriptors are few
}

func newTrials(t *testing.T) *trials { return &trials{t: t, limit: make(chan struct{}, 60)} }

func (r *trials) try(name string, o simulate.PrinterOptions, run func(p *pair) error) {
	r.limit <- struct{}{}
	r.all.Go(func() {
		defer func() { <-r.limit }()
		p, unplug, err := plugIn(filepath.Join(r.t.TempDir(), "printer"), o)
		if err == nil {
			err = run(p)
			unplug()
		}
		if err != nil {
			r.t.Errorf("%s, %s: %v", o.Language, name, err)
		}
	})
}

// job is a label with an id and a picture in it.
func job(l simulate.Language, id string) string {
	rows := strings.Repeat("\x0f\xf0\r\x1b\n\x18\x7e\x55", 50) // 8 bytes wide, some of which are commands elsewhere
	switch l {
	case simulate.TSPL:
		return "SIZE 60 mm,40 mm\r\nCLS\r\nTEXT 8,8,\"3\",0,1,1,\"" + id + "\"\r\nBITMAP 8,60,8,50,0," + rows + "\r\nPRINT 1,1\r\n"
	case simulate.ESCPOS:
		return "\x1b@" + id + "\n\x1dv0\x00\x08\x00\x32\x00" + rows + "\x0c"
	}
	return "^XA^CI28^PW480^LL320^FO8,8^A0N,30,30^FD" + id + fmt.Sprintf("^FS^FO8,60^GFA,400,400,8,%X^FS^PQ1^XZ\r\n", rows)
}

func TestNodesSeeWhatPrintersSay(t *testing.T) {
	type states map[simulate.Language]device.State
	all := func(s device.State) states { return states{simulate.ZPL: s, simulate.TSPL: s, simulate.ESCPOS: s} }
	trials := newTrials(t)
	for _, fault := range []struct {
		name string
		set  func(p *simulate.Printer, bad bool)
		want states
	}{
		{"paper", func(p *simulate.Printer, bad bool) { p.SetPaper(!bad) }, all(device.PaperOut)},
		{"head", func(p *simulate.Printer, bad bool) { p.SetHead(!bad) }, states{simulate.ZPL: device.HeadOpen, simulate.TSPL: device.HeadOpen, simulate.ESCPOS: device.CoverOpen}},
		{"ribbon", func(p *simulate.Printer, bad bool) { p.SetRibbon(!bad) }, states{simulate.ZPL: device.RibbonOut, simulate.TSPL: device.RibbonOut}},
		{"heat", (*simulate.Printer).SetHot, all(device.Hot)},
		// The first answer of a ZPL printer has no word for a jam, only that it pauses.
		{"jam", (*simulate.Printer).SetJam, states{simulate.ZPL: device.Paused, simulate.TSPL: device.Jam, simulate.ESCPOS: device.Cutter}},
		{"pause", (*simulate.Printer).SetPaused, all(device.Paused)},
		{"deafness", (*simulate.Printer).SetDeaf, all(device.Silent)},
	} {
		for l, want := range fault.want {
			trials.try(fault.name, simulate.PrinterOptions{Language: l}, func(p *pair) error {
				return first(p.sees(device.Ready), p.prints(l, "W1"),
					does(func() { fault.set(p.printer, true) }), p.sees(want),
					does(func() { fault.set(p.printer, false) }), p.sees(device.Ready), p.prints(l, "W2"),
					func() error {
						if n := len(p.printer.Labels()); n != 2 {
							return fmt.Errorf("%d labels", n)
						}
						return nil
					}, p.noWarnings)
			})
		}
	}
	trials.all.Wait()
}

// noWarnings reports what a printer did not understand.
func (p *pair) noWarnings() error {
	for _, e := range p.printer.Events() {
		if e.Kind == simulate.EventWarning {
			return errors.New(e.Text)
		}
	}
	return nil
}

func TestNonsenseIsNoGoodState(t *testing.T) {
	trials := newTrials(t)
	for _, l := range simulate.Languages() {
		trials.try("nonsense", simulate.PrinterOptions{Language: l}, func(p *pair) error {
			return first(p.sees(device.Ready), does(func() { p.printer.SetNonsense(true) }),
				func() error {
					return p.until("state is bad", func() bool { return p.node.Status().State != device.Ready })
				},
				does(func() { p.printer.SetNonsense(false) }), p.sees(device.Ready), p.prints(l, "W1"))
		})
	}
	trials.all.Wait()
}

// Paper ends within a label: the printer prints it again by itself, and the node never sends it again.
func TestPaperEndsWithinALabel(t *testing.T) {
	trials := newTrials(t)
	for _, l := range simulate.Languages() {
		trials.try("end of paper", simulate.PrinterOptions{Language: l}, func(p *pair) error {
			return first(p.sees(device.Ready), does(func() {
				p.printer.SetRoll(0)
				p.queue.add("W1", job(l, "W1"))
			}), p.sees(device.PaperOut), does(func() { p.printer.SetPaper(true) }),
				func() error {
					return p.until("label is printed and its end known or unknown", func() bool { return p.queue.end("W1") != "" && len(p.printer.Labels()) == 1 })
				}, p.prints(l, "W2"), func() error {
					if n := len(p.printer.Labels()); n != 2 {
						return fmt.Errorf("%d labels", n)
					}
					return nil
				})
		})
	}
	trials.all.Wait()
}

// The cable is cut in a label, and the printer remembers the part that came: the node does not know what became of that
// label, and the next one comes out once, and whole.
func TestCableIsCutInALabel(t *testing.T) {
	trials := newTrials(t)
	for _, l := range simulate.Languages() {
		whole := len(strings.TrimRight(job(l, "W1"), "\r\n"))
		for at := 1; at <= whole; at++ {
			if at > 90 && at < whole-10 && at%53 != 0 { // within a picture one byte is like another
				continue
			}
			trials.try(fmt.Sprintf("cut behind byte %d of %d", at, whole), simulate.PrinterOptions{Language: l, KeepPart: true}, func(p *pair) error {
				return first(p.sees(device.Ready), does(func() {
					p.printer.CutAfter(at)
					p.queue.add("W1", job(l, "W1"))
				}), func() error {
					return p.until("label is unknown", func() bool { return p.queue.end("W1") == device.Unknown })
				}, func() error {
					return p.until("printer can be plugged in", func() bool { return p.printer.Replug() == nil })
				}, p.prints(l, "Z9"), func() error { return p.printedOnce(l, "Z9") })
			})
		}
	}
	trials.all.Wait()
}

func (p *pair) printedOnce(l simulate.Language, id string) error {
	var found []string
	for _, label := range p.printer.Labels() {
		if s := string(label); strings.Contains(s, id) {
			found = append(found, s)
		}
	}
	if len(found) != 1 || !strings.Contains(found[0], strings.TrimSpace(job(l, id))) {
		return fmt.Errorf("%s is printed as %q", id, found)
	}
	return nil
}

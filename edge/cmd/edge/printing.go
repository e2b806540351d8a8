package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stockade/edge/device"
	"stockade/edge/store"
	"stockade/internal/label"
)

// printQueue is what the store keeps for one printer.
type printQueue struct {
	*node
	printer string
	wake    chan struct{}
}

func (n *node) newPrintQueue(printer string) *printQueue {
	return &printQueue{node: n, printer: printer, wake: make(chan struct{}, 1)}
}

func (q *printQueue) Wake() <-chan struct{} { return q.wake }

// rouse lets the printer look for a job.
func (q *printQueue) rouse() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *printQueue) Next(ctx context.Context) (j *device.Job, err error) {
	err = q.store.View(ctx, func(tx *store.Tx) error {
		p, data, ok, err := tx.NextPrint(q.printer)
		if ok {
			j = &device.Job{ID: p.ID, Data: data}
		}
		return err
	})
	return j, err
}

func (q *printQueue) Begin(ctx context.Context, id string) error {
	err := q.step(ctx, func(tx *store.Tx) error { return tx.BeginPrint(id, q.clock.Wall()) })
	if errors.Is(err, store.ErrPrintState) || errors.Is(err, store.ErrNotFound) {
		return errors.Join(device.ErrWithdrawn, err)
	}
	return err
}

func (q *printQueue) Sent(ctx context.Context, id string) error {
	return q.step(ctx, func(tx *store.Tx) error { return tx.SentPrint(id, q.clock.Wall()) })
}

func (q *printQueue) End(ctx context.Context, id string, r device.Result, why error) error {
	err := q.step(ctx, func(tx *store.Tx) error {
		if r == device.Confirmed {
			return tx.ConfirmPrint(id, q.clock.Wall())
		}
		return tx.DoubtPrint(id, q.clock.Wall(), doubtText(why))
	})
	if errors.Is(err, store.ErrPrintState) || errors.Is(err, store.ErrNotFound) {
		q.log.Error("what became of a label can not be noted", "printer", q.printer, "job", id, "result", r, "error", err)
		return nil // asking again would never end, and no other label would be printed
	}
	return err
}

func (q *printQueue) Torn(ctx context.Context) (n int, err error) {
	err = q.store.View(ctx, func(tx *store.Tx) (err error) { n, err = tx.TornPrint(q.printer); return err })
	return n, err
}

// step commits a step of a job, and lets the stations of the printer show it.
func (q *printQueue) step(ctx context.Context, do func(*store.Tx) error) error {
	err := q.store.Update(ctx, do)
	if err == nil {
		q.look(q.printer)
	}
	return err
}

// doubtText is the text of why nobody knows what became of a label.
func doubtText(why error) string {
	for _, t := range []struct {
		err error
		key string
	}{
		{device.ErrNotTaken, "printing.not_taken"},
		{device.ErrForgotten, "printing.forgotten"},
		{device.ErrNoProof, "printing.no_proof"},
		{device.ErrFault, "printing.fault"},
		{context.Canceled, store.PrintInterrupted},
	} {
		if errors.Is(why, t.err) {
			return t.key
		}
	}
	return "printing.cut"
}

// look lets the stations with a device show how it is.
func (n *node) look(dev string) {
	for i, sc := range n.config.Stations {
		if i < len(n.stations) && (sc.Printer == dev || sc.Scanner == dev) {
			n.stations[i].Look()
		}
	}
}

// interrupted makes unknown what was being printed when the program ended, and sees to labels that wait for a printer which
// the configuration has changed or no longer has. It comes before any printer runs.
func (n *node) interrupted(ctx context.Context) error {
	return n.store.Update(ctx, func(tx *store.Tx) error {
		err := tx.InterruptPrints(n.clock.Wall())
		var printers []string
		for _, d := range n.config.Devices {
			if d.Kind == string(device.KindPrinter) && err == nil {
				printers = append(printers, d.Name)
				err = tx.RemakePrints(d.Name, n.labelSettings(d))
			}
		}
		if err != nil {
			return err
		}
		return tx.StrandPrints(printers, n.clock.Wall(), printerGone)
	})
}

// printerGone is the text of a label whose printer the configuration does not have.
const printerGone = "printing.printer_gone"

// labelSettings are the settings of a printer that the bytes of a label depend on.
func (n *node) labelSettings(d deviceConfig) string {
	p := n.labelPrinter(d)
	return fmt.Sprintf("%s %d %s %t", p.Language, p.DPI, p.Font, p.Invert)
}

const (
	renderedAtOnce = 20        // labels that are looked for in one go
	pruneEvery     = time.Hour // of the print queue
)

// runQueue makes the labels of jobs that were queued, tells the printers, and forgets what is old, until ctx ends.
// Labels are made here and not where they are queued: there everybody's scans would wait for it.
func (n *node) runQueue(ctx context.Context) error {
	look := time.NewTicker(pruneEvery)
	defer look.Stop()
	n.prunePrints(ctx)
	for ctx.Err() == nil {
		err := n.renderQueued(ctx)
		if err != nil && ctx.Err() == nil {
			n.log.Error("labels could not be made, trying again", "error", err)
			select {
			case <-ctx.Done():
			case <-time.After(storeAgain):
			}
			continue
		}
		select {
		case <-ctx.Done():
		case <-n.store.PrintsQueued():
		case <-look.C:
			n.prunePrints(ctx)
		}
	}
	return nil
}

// renderQueued makes all labels that are to be made.
func (n *node) renderQueued(ctx context.Context) error {
	for {
		var todo []store.Print
		err := n.store.View(ctx, func(tx *store.Tx) (err error) { todo, err = tx.UnrenderedPrints(renderedAtOnce); return err })
		if err != nil {
			return err
		}
		for _, p := range todo {
			if err := n.renderPrint(ctx, p); err != nil {
				return err
			}
		}
		for _, q := range n.queues { // also for jobs that came with their bytes
			q.rouse()
			n.look(q.printer)
		}
		if len(todo) < renderedAtOnce {
			return nil
		}
	}
}

// renderPrint makes the label of a job, or takes the job out of the queue with the reason why there can be none.
func (n *node) renderPrint(ctx context.Context, p store.Print) error {
	data, picture, settings, err := n.renderFor(ctx, p)
	if err != nil {
		n.log.Warn("no label", "station", p.Station, "job", p.ID, "movement", p.Movement, "error", err)
	}
	key, args := "", map[string]string(nil)
	if err != nil {
		key, args = labelProblem(err)
	}
	err = n.store.Update(ctx, func(tx *store.Tx) error {
		if key != "" {
			return tx.RefusePrint(p.ID, n.clock.Wall(), key, args)
		}
		return tx.RenderPrint(p.ID, settings, data, picture)
	})
	if errors.Is(err, store.ErrPrintState) { // cancelled meanwhile
		return nil
	}
	return err
}

func (n *node) renderFor(ctx context.Context, p store.Print) (data, picture []byte, settings string, err error) {
	for _, d := range n.config.Devices {
		if d.Name == p.Printer && d.Kind == string(device.KindPrinter) {
			data, picture, err := n.renderLabel(ctx, d, p.Template, p.Content)
			if err == nil && (len(data) == 0 || len(data) > store.MaxPrintData) {
				err = store.ErrPrintTooLong
			}
			return data, picture, n.labelSettings(d), err
		}
	}
	return nil, nil, "", &label.Problem{Key: printerGone, Args: map[string]string{"printer": p.Printer}}
}

// prunePrints forgets old jobs, a few in each transaction: scans wait for those.
func (n *node) prunePrints(ctx context.Context) {
	for ctx.Err() == nil {
		var data, rows []int64
		err := n.store.View(ctx, func(tx *store.Tx) (err error) {
			data, rows, err = tx.PrunablePrints(n.clock.Wall())
			return err
		})
		if err == nil && len(data)+len(rows) == 0 {
			return
		}
		if err == nil {
			err = n.store.Update(ctx, func(tx *store.Tx) error { return tx.PrunePrints(data, rows) })
		}
		if err != nil {
			if ctx.Err() == nil {
				n.log.Error("old print jobs could not be removed", "error", err)
			}
			return
		}
	}
}

package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strconv"
	"strings"

	"github.com/gofiber/fiber/v2"

	"stockade/edge/dashboard"
	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/web"
	"stockade/protocol/change"
)

// printing adapts the print queue.
type printing struct{ *node }

// openShown is how many jobs that are not over a page lists.
const openShown = 200

func (n printing) Prints(ctx context.Context) (q dashboard.PrintQueue, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) error {
		asking, err := tx.AskingPrints(openShown)
		if err != nil {
			return err
		}
		open, err := tx.OpenPrints(openShown)
		q = dashboard.PrintQueue{Asking: printJobs(tx, asking), Open: printJobs(tx, open)}
		return err
	})
	return q, err
}

func (n printing) Printed(ctx context.Context, before int64, limit int) (page dashboard.PrintPage, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) error {
		jobs, err := tx.EndedPrints(before, limit+1)
		if len(jobs) > limit {
			jobs = jobs[:limit]
			page.Next = jobs[limit-1].Number()
		}
		page.Jobs = printJobs(tx, jobs)
		return err
	})
	return page, err
}

func printJobs(tx *store.Tx, all []store.Print) []dashboard.PrintJob {
	known := map[string]bool{}
	out := make([]dashboard.PrintJob, len(all))
	for i, p := range all {
		out[i] = printJob(p)
		personal, ok := known[p.Template]
		if !ok {
			personal = isPersonal(tx, p.Template)
			known[p.Template] = personal
		}
		out[i].Personal = personal
	}
	return out
}

// isPersonal reports whether labels of a template name people. Of a template that is not there any more nobody knows: they may.
func isPersonal(tx *store.Tx, template string) bool {
	t, err := tx.LabelTemplate(template)
	return err != nil || t.Kind == label.Shipping || t.Kind == label.Badge
}

func printJob(p store.Print) dashboard.PrintJob {
	repeats, _, _ := strings.Cut(p.Repeats, "-")
	return dashboard.PrintJob{ID: p.ID, Number: p.Number(), Printer: p.Printer, Station: p.Station, Template: p.Template, Title: p.Title, Movement: p.Movement, Repeats: p.Repeats, RepeatsNo: repeats,
		State: string(p.State), Asks: p.Asks, Error: p.Error, Args: p.Args, Actor: p.Actor, Reason: p.Reason, Settled: p.Settled, Picture: p.Picture, Queued: p.Queued, Begun: p.Begun, Ended: p.Ended}
}

func (n printing) Print(ctx context.Context, id string) (job dashboard.PrintJob, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) error {
		p, err := tx.Print(id)
		job = printJob(p)
		job.Personal = err == nil && isPersonal(tx, p.Template)
		return err
	})
	return job, printFailure(err)
}

func (n printing) Picture(ctx context.Context, id string) (png []byte, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) (err error) { png, err = tx.PrintPicture(id); return err })
	if errors.Is(err, store.ErrPrintData) {
		return nil, web.NotFound()
	}
	return png, printFailure(err)
}

func (n printing) Mark(ctx context.Context) (mark string, err error) {
	err = n.store.View(ctx, func(tx *store.Tx) error {
		_, queue, err := tx.PrintCounts()
		if err != nil {
			return err
		}
		asked, err := tx.ReprintMark()
		mark = queue + " " + asked
		return err
	})
	return mark, err
}

func (n printing) Settle(ctx context.Context, id string, by identity.Person) error {
	return n.decide(ctx, id, by, "print.settled", nil, func(tx *store.Tx) (string, error) { return "", tx.SettlePrint(id, n.clock.Wall(), by.Actor()) })
}

func (n printing) Cancel(ctx context.Context, id string, by identity.Person) error {
	return n.decide(ctx, id, by, "print.cancelled", nil, func(tx *store.Tx) (string, error) { return "", tx.CancelPrint(id, n.clock.Wall(), by.Actor()) })
}

func (n printing) Again(ctx context.Context, id, printer, reason string, by identity.Person) (again string, err error) {
	detail := map[string]string{"reason": reason}
	if printer != "" {
		if _, err := n.printer(printer); err != nil {
			return "", err
		}
		detail["to"] = printer
	}
	err = n.decide(ctx, id, by, "print.repeated", detail, func(tx *store.Tx) (string, error) {
		again, err = tx.RepeatPrint(id, printer, n.clock.Wall(), by.Actor(), reason)
		return again, err
	})
	if err == nil && printer != "" {
		n.look(printer)
	}
	return again, err
}

// decide does what a person has decided about a job, with the audit entry of it in the same transaction.
func (n printing) decide(ctx context.Context, id string, by identity.Person, act string, detail map[string]string, do func(*store.Tx) (again string, err error)) error {
	printer := ""
	err := n.store.Update(ctx, func(tx *store.Tx) error {
		p, err := tx.Print(id)
		if err != nil {
			return err
		}
		printer = p.Printer
		again, err := do(tx)
		if err != nil {
			return err
		}
		e := change.Entry{Act: act, Object: p.ID, Outcome: "ok", Detail: map[string]string{"state": string(p.State), "printer": p.Printer, "label": p.Title}}
		for k, v := range detail {
			e.Detail[k] = v
		}
		if p.Movement != "" {
			e.Detail["movement"] = p.Movement
		}
		if again != "" {
			e.Detail["job"] = again
		}
		return n.record(tx.Vault(), e, by)
	})
	if err == nil {
		n.look(printer)
	}
	return printFailure(err)
}

// printFailure tells the reader what the queue has refused.
func printFailure(err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return web.NotFound()
	case errors.Is(err, store.ErrPrintState):
		return web.Fail(fiber.StatusConflict, "printing.changed")
	case errors.Is(err, store.ErrPrintData):
		return web.Fail(fiber.StatusConflict, "printing.data_gone")
	case errors.Is(err, store.ErrPrintQueueFull):
		return web.Fail(fiber.StatusConflict, "printing.full_now", "count", strconv.Itoa(store.MaxPrints))
	}
	return err
}

// printsListed is how many jobs the command prints at most.
const printsListed = 20_000

// printPrints prints the jobs of the print queue. It works while the node runs.
func printPrints(ctx context.Context, c config, _ options, stdout io.Writer, _ *slog.Logger) error {
	return view(ctx, c, stdout, func(tx *store.Tx) (any, error) {
		jobs, err := tx.Prints(printsListed)
		return map[string]any{"prints": printJobs(tx, jobs)}, err
	})
}

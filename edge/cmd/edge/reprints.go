package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/edge/dashboard"
	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// reprintWaits is how long a request waits for an answer: a shift and a half. A label that nobody has missed since is not needed.
const reprintWaits = 12 * time.Hour

// defaultManagerFrom is from the how manieth reprint of a person on a day on the manager has to agree too.
const defaultManagerFrom = 5

// reprintRules say who allows a label to be printed again: whoever settles print jobs here, and for many of them on one day, or for a label with a number that
// must be on one thing only, the branch manager too.
func reprintRules(managerFrom int64) []approval.Rule {
	wait := reprintWaits.Milliseconds()
	manager := approval.Party{Roles: []access.RoleID{access.Manager}, Local: true}
	lead := approval.Step{Approvers: approval.Party{Permission: "print.decide"}, Need: 1, Deputies: manager, DeputiesAfter: wait / 6, Timeout: wait, Then: approval.End}
	two := []approval.Step{lead, {Approvers: manager, Need: 1, Timeout: wait, Then: approval.End}}
	return []approval.Rule{
		{ID: "reprint-numbered", Names: access.Text{ZH: "带唯一编号的标签：主管和分支经理都要同意", EN: "labels with a number of their own: lead and branch manager"}, When: approval.Condition{Kind: approval.Reprint, Numbered: true}, Steps: two},
		{ID: "reprint-many", Names: access.Text{ZH: "同一人当天补打较多：主管和分支经理都要同意", EN: "many of one person on a day: lead and branch manager"}, When: approval.Condition{Kind: approval.Reprint, Copies: managerFrom}, Steps: two},
		{ID: "reprint", Names: access.Text{ZH: "补打由主管同意", EN: "reprints: the lead"}, When: approval.Condition{Kind: approval.Reprint}, Steps: []approval.Step{lead}},
	}
}

// reprintContent is what is asked for and allowed.
type reprintContent struct {
	_        struct{} `cbor:",toarray"`
	Job      string
	Printer  string
	Template string
	Title    string
	Label    change.Hash // SHA-256 of what the label is made of
}

func contentOf(b []byte) (c reprintContent, err error) {
	err = change.UnmarshalExact(b, &c)
	return c, err
}

// hasNumber reports whether a label carries a number that must be on one thing only.
func hasNumber(p store.Print) bool {
	var v label.Values
	if json.Unmarshal(p.Content, &v) != nil {
		return len(p.Content) == 0 // nobody knows what it says
	}
	return v["sscc"] != "" || v["serial"] != ""
}

func sumOf(b []byte) change.Hash { return sha256.Sum256(b) }

// managerFrom is ReprintManagerFrom with its default.
func (c config) managerFrom() int64 {
	if c.ReprintManagerFrom > 0 {
		return c.ReprintManagerFrom
	}
	return defaultManagerFrom
}

// approver returns who as package approval wants to know them here and now.
func (n *node) approver(who identity.Person) approval.Person {
	p := approval.Person{Account: access.Account(who.Account)}
	for _, r := range who.Roles {
		p.Roles = append(p.Roles, access.RoleID(r))
	}
	if home := n.enrolment.Trust.Warehouse; slices.Contains(who.Warehouses, string(home)) {
		p.Warehouses = []stock.Warehouse{home}
	}
	p.Holds = func(perm access.Permission, _ approval.Facts) bool {
		return n.desk.Decide(who, perm, access.Resource{}).Allowed
	}
	return p
}

func (n printing) Reprints(ctx context.Context, who identity.Person) (out []dashboard.Reprint, err error) {
	now := n.clock.Wall().UnixMilli()
	err = n.store.View(ctx, func(tx *store.Tx) error {
		open, err := tx.OpenReprints()
		if err != nil {
			return err
		}
		for _, r := range open {
			p, _ := r.Advance(now)
			own := who.Account != "" && string(p.Request.By.Account) == who.Account
			if p.State != approval.Waiting {
				continue
			}
			job, err := tx.Print(r.Job)
			if errors.Is(err, store.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			h, err := p.Request.Hash()
			if err != nil {
				return err
			}
			row := dashboard.Reprint{ID: p.Request.ID, Job: printJobs(tx, []store.Print{job})[0], By: string(p.Request.By.Account), Reason: p.Request.Reason, Asked: approval.Time(p.Request.Asked), Until: approval.Time(p.Request.Until),
				Hash: h.String(), Rule: p.Rule.Names, Step: int(p.Step) + 1, Steps: len(p.Rule.Steps), Own: own, Answers: p.Asks(n.approver(who), now)}
			for _, a := range p.Approvals {
				row.Approved = append(row.Approved, string(a.By))
			}
			out = append(out, row)
		}
		return nil
	})
	return out, err
}

func (n printing) AskAgain(ctx context.Context, job, reason string, by identity.Person) (id string, err error) {
	now := n.clock.Wall()
	y, m, d := now.In(n.config.zone()).Date()
	since := time.Date(y, m, d, 0, 0, 0, 0, n.config.zone())
	err = n.store.Update(ctx, func(tx *store.Tx) error {
		if err := n.endReprints(tx, now); err != nil {
			return err
		}
		p, err := tx.Print(job)
		if err != nil {
			return err
		}
		if p.Open() {
			return store.ErrPrintState
		}
		content, err := change.Marshal(reprintContent{Job: p.ID, Printer: p.Printer, Template: p.Template, Title: p.Title, Label: sumOf(p.Content)})
		if err != nil {
			return err
		}
		asked, err := tx.CountReprints(by.Account, since)
		if err != nil {
			return err
		}
		id = "L" + strings.ToUpper(rand.Text()[:12])
		r := approval.Request{ID: id, By: n.approver(by), Content: content, Reason: strings.TrimSpace(reason), Asked: now.UnixMilli(), Until: now.Add(2 * reprintWaits).UnixMilli(),
			Facts: approval.Facts{Kind: approval.Reprint, Permission: "print.decide", Warehouses: []stock.Warehouse{n.enrolment.Trust.Warehouse}, Copies: asked + 1, Numbered: hasNumber(p)}}
		rule, err := approval.Choose(reprintRules(n.config.managerFrom()), r.Facts)
		if err != nil {
			return err
		}
		process, event, err := approval.Open(r, rule, now.UnixMilli())
		if err != nil {
			return err
		}
		if err := tx.AddReprint(p.ID, process); err != nil {
			return err
		}
		return n.record(tx.Vault(), event.Entry(process), by)
	})
	return id, reprintFailure(err)
}

// endReprints closes what time has ended.
func (n *node) endReprints(tx *store.Tx, now time.Time) error {
	open, err := tx.OpenReprints()
	for _, r := range open {
		p, events := r.Advance(now.UnixMilli())
		if err == nil && len(events) > 0 {
			err = n.keepReprint(tx, p, r.Revision, events, identity.Person{})
		}
	}
	return err
}

// keepReprint keeps what a request has become, with an entry for each event.
func (n *node) keepReprint(tx *store.Tx, p approval.Process, revision int64, events []approval.Event, by identity.Person) error {
	if err := tx.PutReprint(p, revision); err != nil {
		return err
	}
	for _, e := range events {
		who := by
		if e.By == "" {
			who = identity.Person{} // time did it
		}
		if err := n.record(tx.Vault(), e.Entry(p), who); err != nil {
			return err
		}
	}
	return nil
}

func (n printing) AnswerReprint(ctx context.Context, id string, hash change.Hash, yes bool, why string, by identity.Person) error {
	return n.changeReprint(ctx, id, by, func(r store.Reprint, now int64) (approval.Process, []approval.Event, error) {
		if yes {
			return r.Approve(n.approver(by), hash, now)
		}
		return r.Refuse(n.approver(by), hash, why, now)
	})
}

func (n printing) WithdrawReprint(ctx context.Context, id string, by identity.Person) error {
	return n.changeReprint(ctx, id, by, func(r store.Reprint, now int64) (approval.Process, []approval.Event, error) {
		return r.Withdraw(access.Account(by.Account), now)
	})
}

// changeReprint carries out a transition; when it was the last yes, the label is queued in the same transaction, with both names in its entry.
func (n printing) changeReprint(ctx context.Context, id string, by identity.Person, do func(store.Reprint, int64) (approval.Process, []approval.Event, error)) error {
	printer := ""
	err := n.store.Update(ctx, func(tx *store.Tx) error {
		now := n.clock.Wall()
		r, err := tx.Reprint(id)
		if err != nil {
			return err
		}
		p, events, err := do(r, now.UnixMilli())
		if err != nil {
			return err
		}
		if err := n.keepReprint(tx, p, r.Revision, events, by); err != nil || !p.Granted() {
			return err
		}
		c, err := contentOf(p.Request.Content)
		if err != nil {
			return err
		}
		job, err := tx.Print(c.Job)
		if err != nil {
			return err
		}
		if sumOf(job.Content) != c.Label {
			return approval.ErrChanged
		}
		printer = job.Printer
		requester := string(p.Request.By.Account)
		again, err := tx.RepeatPrint(job.ID, "", now, requester, p.Request.Reason)
		if err != nil {
			return err
		}
		e := change.Entry{Act: "print.repeated", Object: job.ID, Outcome: "ok", Detail: map[string]string{"state": string(job.State), "printer": job.Printer, "label": job.Title, "reason": p.Request.Reason, "job": again,
			"requester": requester, "approver": string(p.Approver()), "request": p.Request.ID}}
		if job.Movement != "" {
			e.Detail["movement"] = job.Movement
		}
		return n.record(tx.Vault(), e, by)
	})
	if err == nil && printer != "" {
		n.look(printer)
	}
	return reprintFailure(err)
}

// reprintFailure tells the reader what a request was refused for.
func reprintFailure(err error) error {
	for _, f := range []struct {
		is     error
		status int
		key    string
	}{
		{approval.ErrSelf, fiber.StatusForbidden, "reprint.self"},
		{approval.ErrTwice, fiber.StatusConflict, "reprint.twice"},
		{approval.ErrNotAsked, fiber.StatusForbidden, "reprint.not_asked"},
		{approval.ErrNotOwn, fiber.StatusForbidden, "reprint.not_asked"},
		{approval.ErrChanged, fiber.StatusConflict, "printing.changed"},
		{approval.ErrClosed, fiber.StatusConflict, "reprint.closed"},
		{approval.ErrReason, fiber.StatusUnprocessableEntity, "printing.reason_wanted"},
		{store.ErrReprintOpen, fiber.StatusConflict, "reprint.asked"},
	} {
		if errors.Is(err, f.is) {
			return web.Fail(f.status, f.key).Because(err)
		}
	}
	return printFailure(err)
}

package main

import (
	"context"
	"errors"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/dashboard"
	"stockade/hub/exports"
	"stockade/hub/prices"
	"stockade/hub/rules"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// requestLimit is how many requests and exports a list has at most.
const requestLimit = 200

// dueEvery is how often the server looks for requests, grants and exports whose time has come. Decisions do not wait for it.
const dueEvery = 15 * time.Second

// policy is the policy that counts.
func policy(v *store.View) (access.Policy, error) { return v.Policy() }

// openRequests makes what keeps requests and exports.
func (h *hub) openRequests(people *identity.Service, holds func(identity.Person, access.Permission, []stock.Warehouse) bool) (*approvals.Service, *exports.Service) {
	a := &approvals.Service{Store: h.store, Recorder: h.recorder, Rules: approvals.Rules(), Policy: policy, Holds: holds,
		Subject: func(ctx context.Context, name access.Account) (access.Subject, error) {
			account, err := people.Account(ctx, string(name))
			s := approvals.SubjectOf(identity.Person{Account: account.Name, Roles: account.Roles, Warehouses: account.Warehouses})
			s.Disabled = account.Disabled
			return s, err
		},
		Lent: func(tx *store.Tx, to access.Account) error { return sayLent(tx, people, to) }}
	e := &exports.Service{Store: h.store, Recorder: h.recorder, Approvals: a, Zone: h.cfg.zone(), Decide: h.decideList, Movements: exportedMovements,
		Limits: exports.Limits{Free: h.cfg.Exports.Free, Quota: h.cfg.Exports.Quota, Keep: exports.DefaultLimits.Keep}}
	return a, e
}

// decideList answers which rows somebody may do something with.
func (h *hub) decideList(v *store.View, who identity.Person, p access.Permission) (access.Decision, error) {
	rules, err := policy(v)
	if err != nil {
		return access.Decision{}, err
	}
	engine, err := access.Compile(rules)
	if err != nil {
		return access.Decision{}, err
	}
	subject := approvals.SubjectOf(who)
	folded := approvals.Fold(subject.Account)
	if subject.Temporary, err = v.Temporaries(folded); err != nil {
		return access.Decision{}, err
	}
	if subject.Customers, err = v.CustomersOf(folded); err != nil {
		return access.Decision{}, err
	}
	// The headquarters are what others are in contact with, and their clock is the one that others go by.
	return engine.Decide(access.Request{Subject: &subject, Permission: p, List: true, Time: h.recorder.Clock().In(h.cfg.zone()), StepUp: who.FactorAt, ClockTrusted: true, InContact: true}), nil
}

// exportedMovements reads the history of an item for an export.
func exportedMovements(v *store.View, sku stock.SKU, in access.Places, fn func(exports.Line) error) error {
	var found []store.Posted
	if err := v.HistoryOf(sku, in, store.Mark{}, math.MaxInt32, func(x store.Posted) error { found = append(found, x); return nil }); err != nil {
		return err
	}
	r, err := newReader(v)
	if err != nil {
		return err
	}
	for _, x := range found {
		b := r.batches[x.Batch]
		if b == nil {
			if len(r.batches) >= openBatches {
				clear(r.batches)
			}
			stored, err := v.BatchWithID(x.Batch)
			if err != nil {
				return err
			}
			if b, err = r.open(stored); err != nil {
				return err
			}
		}
		if err := fn(lineOf(r.change(b, x.Index))); err != nil {
			return err
		}
	}
	return nil
}

// openBatches is how many unpacked batches are held at a time.
const openBatches = 64

func lineOf(c dashboard.Change) exports.Line {
	from, to := c.From, c.To
	if c.Kind == dashboard.KindCount {
		to = c.At
	}
	l := exports.Line{Cells: []string{c.Time.Format(time.RFC3339), string(c.Day), c.ID, string(c.Kind), string(c.SKU), string(from), string(to), c.Quantity.String(), c.Unit, string(c.Lot),
		string(c.Serial), string(c.Expiry), c.State, c.Actor, c.Terminal, c.Cause, string(c.Batch.Node) + " " + strconv.FormatUint(c.Batch.Epoch, 10) + "." + strconv.FormatUint(c.Batch.Seq, 10)}}
	for _, at := range []stock.Location{from, to} {
		if w := at.Warehouse(); w != "" && !slices.Contains(l.At, w) {
			l.At = append(l.At, w)
		}
	}
	return l
}

// due carries out what time does, until ctx ends.
func (s *server) due(ctx context.Context) error {
	tick := time.NewTicker(dueEvery)
	defer tick.Stop()
	for {
		if err := errors.Join(s.approvals.Due(ctx), s.exports.Due(ctx), s.lessons.Due(ctx), s.leavers.Due(ctx), s.remindReviews(ctx)); err != nil && ctx.Err() == nil {
			s.log.Error("what time does", "err", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// requestRefusal turns what a request or an export was refused for into what the reader is told.
func requestRefusal(err error) error {
	var q *exports.QuotaError
	if errors.As(err, &q) {
		return web.Fail(http.StatusUnprocessableEntity, "export.quota", "rows", strconv.FormatInt(q.Rows, 10), "left", strconv.FormatInt(q.Left, 10), "quota", strconv.FormatInt(q.Quota, 10)).Because(err)
	}
	for _, r := range []struct {
		is     error
		status int
		key    string
	}{
		{approvals.ErrPermission, http.StatusUnprocessableEntity, "approval.bad_permission"},
		{approvals.ErrScope, http.StatusUnprocessableEntity, "approval.bad_scope"},
		{approvals.ErrFields, http.StatusUnprocessableEntity, "approval.bad_fields"},
		{approvals.ErrSpan, http.StatusUnprocessableEntity, "approval.bad_until"},
		{approval.ErrPast, http.StatusUnprocessableEntity, "approval.bad_until"},
		{approval.ErrReason, http.StatusUnprocessableEntity, "approval.need_reason"},
		{approvals.ErrExcluded, http.StatusUnprocessableEntity, "approval.excluded"},
		{approvals.ErrHeld, http.StatusUnprocessableEntity, "approval.held"},
		{approval.ErrBarred, http.StatusForbidden, "approval.barred"},
		{approval.ErrFree, http.StatusConflict, "price.free"},
		{prices.ErrAmount, http.StatusUnprocessableEntity, "price.bad_amount"},
		{prices.ErrClass, http.StatusUnprocessableEntity, "price.bad_class"},
		{prices.ErrDay, http.StatusUnprocessableEntity, "price.bad_day"},
		{prices.ErrItem, http.StatusUnprocessableEntity, "price.bad_item"},
		{prices.ErrSame, http.StatusUnprocessableEntity, "price.same"},
		{approvals.ErrMany, http.StatusUnprocessableEntity, "approval.many"},
		{approval.ErrNoRule, http.StatusUnprocessableEntity, "approval.no_rule"},
		{approval.ErrSelf, http.StatusForbidden, "approval.self"},
		{approval.ErrTwice, http.StatusConflict, "approval.twice"},
		{approval.ErrNotAsked, http.StatusForbidden, "approval.not_asked"},
		{approval.ErrNotOwn, http.StatusForbidden, "approval.not_asked"},
		{approval.ErrChanged, http.StatusConflict, "approval.changed"},
		{approval.ErrClosed, http.StatusConflict, "approval.closed"},
		{store.ErrRevision, http.StatusConflict, "approval.meanwhile"},
		{exports.ErrKind, http.StatusUnprocessableEntity, "export.bad_kind"},
		{exports.ErrFormat, http.StatusUnprocessableEntity, "export.bad_kind"},
		{exports.ErrDenied, http.StatusForbidden, "export.denied"},
		{exports.ErrNothing, http.StatusUnprocessableEntity, "export.nothing"},
		{exports.ErrPassword, http.StatusUnprocessableEntity, "export.bad_password"},
		{identity.ErrNobody, http.StatusUnprocessableEntity, "approval.closed"},
	} {
		if errors.Is(err, r.is) {
			return web.Fail(r.status, r.key).Because(err)
		}
	}
	return shown(err)
}

func (p pages) Requests(ctx context.Context, who identity.Person, list dashboard.RequestList) (out []dashboard.RequestRow, err error) {
	var found []store.StoredApproval
	if list == dashboard.Waits {
		if found, err = p.approvals.Waiting(ctx, who); err != nil {
			return nil, err
		}
	}
	err = p.store.View(ctx, func(v *store.View) error {
		account := access.Account(who.Account)
		if list == dashboard.All {
			account = ""
		}
		if list != dashboard.Waits {
			if found, err = v.ApprovalsOf(account, requestLimit); err != nil {
				return err
			}
		}
		for _, a := range found {
			row, err := p.requestRow(v, a.Process)
			if err != nil {
				return err
			}
			out = append(out, row)
		}
		return nil
	})
	return out, err
}

// requestRow shows a request as it is at this moment, whether time was told to the store or not.
func (p pages) requestRow(v *store.View, a approval.Process) (dashboard.RequestRow, error) {
	now := p.recorder.Clock()
	a, _ = a.Advance(now.UnixMilli())
	r := a.Request
	row := dashboard.RequestRow{ID: r.ID, Kind: r.Facts.Kind, Account: r.By.Account, Permission: r.Facts.Permission, Warehouses: r.Facts.Warehouses, Everywhere: r.Facts.Everywhere,
		Rows: r.Facts.Rows, Reason: r.Reason, Asked: approval.Time(r.Asked), Until: approval.Time(r.Until), State: a.State, Escalated: a.Escalated}
	if r.Facts.Kind == approval.Export {
		c, err := exports.ContentOf(r.Content)
		if err != nil {
			return row, err
		}
		row.What = string(c.Kind)
	}
	if r.Facts.Kind == approval.Access {
		ask, err := approvals.AskOf(r.Content)
		if err != nil {
			return row, err
		}
		row.Fields = ask.Fields
	}
	if r.Facts.Kind == approval.Adjustment {
		var err error
		if row.Adjustment, err = adjustmentAsk(r); err != nil {
			return row, err
		}
	}
	if r.Facts.Kind == approval.Price {
		c, err := prices.ContentOf(r.Content)
		if err != nil {
			return row, err
		}
		row.Price = &dashboard.PriceAsk{SKU: c.SKU, Name: c.Name, Class: string(c.Class), Currency: c.Currency, Known: c.Known, From: c.From}
	}
	t, err := v.TemporaryGrant(access.TemporaryID(r.ID))
	if errors.Is(err, store.ErrNotFound) {
		return row, nil
	}
	if err != nil {
		return row, err
	}
	row.Grant = &dashboard.GrantRow{Approver: t.Approver, From: approval.Time(t.From), Until: approval.Time(t.Until), EndedAt: t.EndedAt, EndedBy: t.EndedBy,
		Active: t.EndedAt.IsZero() && now.UnixMilli() < t.Until}
	if row.Grant.EndedAt.IsZero() && !row.Grant.Active {
		row.Grant.EndedAt = row.Grant.Until
	}
	u, err := v.UseOf(t.ID)
	row.Grant.Uses, row.Grant.UsedAt, row.Grant.UsedIn = u.Times, u.Last, u.Place
	return row, err
}

func (p pages) WaitCount(ctx context.Context, who identity.Person) (int, error) {
	list, err := p.approvals.Waiting(ctx, who)
	return len(list), err
}

// previewRows is how many rows of an export its approver is shown.
const previewRows = 10

func (p pages) Request(ctx context.Context, who identity.Person, id string, all bool) (doc dashboard.RequestDoc, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		a, err := v.Approval(id)
		if err != nil {
			return err
		}
		events, err := v.ApprovalEvents(id)
		if err != nil {
			return err
		}
		me, now := access.Account(who.Account), p.recorder.Clock().UnixMilli()
		own, asked := a.Request.By.Account == me, p.approvals.Asks(a.Process, who, now)
		had := slices.ContainsFunc(events, func(e store.ApprovalEvent) bool { return e.By == me })
		if me == "" || !own && !asked && !had && !all {
			return store.ErrNotFound
		}
		doc.RequestRow, err = p.requestRow(v, a.Process)
		if err != nil {
			return err
		}
		rules, err := policy(v)
		if err != nil {
			return err
		}
		present, _ := a.Advance(now)
		doc.Own, doc.Answers, doc.Rule, doc.Step, doc.Steps = own, asked, a.Rule.Names, int(a.Step)+1, stepsOf(present, rules)
		for _, e := range events {
			doc.Events = append(doc.Events, dashboard.RequestEvent{At: e.At, Act: e.Act, By: e.By, Deputy: e.Deputy, Hash: e.Hash, Note: e.Note})
		}
		if doc.Adjustment != nil && (asked || had || p.seesPrice(who, "cost")) {
			if err := showValue(doc.Adjustment, a.Request); err != nil {
				return err
			}
		}
		if doc.Price != nil && (asked || own || had || p.seesPrice(who, doc.Price.Class)) { // who only looks on may be one who sees no prices
			if err := showPrice(doc.Price, a.Request); err != nil {
				return err
			}
		}
		if doc.Hash, err = a.Request.Hash(); err != nil || doc.Kind != approval.Export {
			return err
		}
		c, err := exports.ContentOf(a.Request.Content)
		if err != nil {
			return err
		}
		doc.RowsHash, doc.Filter, doc.Headings = c.Hash.String(), c.Filter, exports.Headings(c.Kind)
		if asked || own { // who only looks on does not need the rows
			doc.Preview, err = p.exports.Preview(v, id, previewRows)
			if errors.Is(err, store.ErrNotFound) {
				err = nil // they were dropped
			}
			if err == nil && !own {
				doc.Preview, err = p.veiled(v, who, c.Kind, doc.Preview)
			}
		}
		return err
	})
	return doc, shown(err)
}

func stepsOf(a approval.Process, policy access.Policy) (out []dashboard.RequestStep) {
	names := func(roles []access.RoleID) (list []access.Text) {
		for _, id := range roles {
			t := access.Text{ZH: string(id), EN: string(id)}
			if n := slices.IndexFunc(policy.Roles, func(r access.Role) bool { return r.ID == id }); n >= 0 {
				t = policy.Roles[n].Names
			}
			list = append(list, t)
		}
		return list
	}
	for i, s := range a.Rule.Steps {
		byPermission := approval.Party{Permission: s.Approvers.Permission}
		step := dashboard.RequestStep{Roles: names(s.Approvers.Roles), Accounts: s.Approvers.Accounts, Local: s.Approvers.Local, Need: s.Need, Deputies: names(s.Deputies.Roles),
			Present: a.State == approval.Waiting && int(a.Step) == i}
		if !byPermission.Empty() {
			step.Roles = append(step.Roles, rules.PartyWords(byPermission, nil))
		}
		for _, y := range a.Approvals {
			if int(y.Step) == i {
				step.Have++
			}
		}
		out = append(out, step)
	}
	return out
}

// formTime is how a form writes a time.
const formTime = "2006-01-02T15:04"

func (p pages) NewAsk() dashboard.AskForm {
	return dashboard.AskForm{Until: p.recorder.Clock().Add(24 * time.Hour).In(p.cfg.zone()).Format(formTime)}
}

func (p pages) Ask(ctx context.Context, who identity.Person, id string, f dashboard.AskForm) (string, error) {
	until, err := time.ParseInLocation(formTime, f.Until, p.cfg.zone())
	if err != nil {
		return "", web.Fail(http.StatusUnprocessableEntity, "approval.bad_until").Because(err)
	}
	a := approvals.Ask{Permission: access.Permission(f.Permission), Everywhere: f.Everywhere, Until: until.UnixMilli(), Fields: f.Fields}
	known, err := p.Warehouses(ctx, access.Places{All: true})
	if err != nil {
		return "", err
	}
	for _, w := range f.Warehouses {
		if !slices.Contains(known, stock.Warehouse(w)) {
			return "", web.Fail(http.StatusUnprocessableEntity, "approval.bad_scope")
		}
		a.Warehouses = append(a.Warehouses, stock.Warehouse(w))
	}
	if id != "" {
		return id, requestRefusal(p.approvals.Edit(ctx, who, id, a, f.Reason))
	}
	id, err = p.approvals.Ask(ctx, who, a, f.Reason)
	return id, requestRefusal(err)
}

func (p pages) Answer(ctx context.Context, who identity.Person, id string, hash change.Hash, yes bool, why string) error {
	if yes {
		return requestRefusal(p.approvals.Approve(ctx, who, id, hash))
	}
	return requestRefusal(p.approvals.Refuse(ctx, who, id, hash, why))
}

func (p pages) WithdrawRequest(ctx context.Context, who identity.Person, id string) error {
	return requestRefusal(p.approvals.Withdraw(ctx, who, id))
}

func (p pages) EndGrant(ctx context.Context, who identity.Person, id string, anyones bool) error {
	return requestRefusal(p.approvals.EndGrant(ctx, who, access.TemporaryID(id), anyones))
}

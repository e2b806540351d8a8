package adjust

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/prices"
	"stockade/hub/store"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

// Acts about adjustments in the audit trail.
const (
	ActConfirmed = "adjustment.confirmed"
	ActRefused   = "adjustment.refused"
)

const (
	waits   = 90 * 24 * time.Hour // for which a request waits at most; then it is asked again
	atOnce  = 64                  // cells in one transaction
	looksIn = 30 * time.Second    // between two looks that nobody asked for
)

// Content is what somebody is asked to confirm.
type Content struct {
	_        struct{}    `cbor:",toarray"`
	Name     change.Hash // of the difference
	Location stock.Location
	SKU      stock.SKU
	Item     string
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   stock.Date
	State    stock.State
	Count    string // id of the count
	At       int64  // when it was made, Unix milliseconds by the node's clock
	Counters []string
	Counted  stock.Quantity
	Book     stock.Quantity
	Size     stock.Quantity
	Cents    int64 // what the difference is worth, 0 where that is not known
	Currency string
}

// ContentOf reads the content of a request.
func ContentOf(b []byte) (c Content, err error) {
	if err := change.UnmarshalExact(b, &c); err != nil {
		return c, fmt.Errorf("read adjustment: %w", err)
	}
	return c, nil
}

// Cell returns the cell that c is about.
func (c Content) Cell() stock.Cell {
	return stock.Cell{Location: c.Location, Key: stock.Key{SKU: c.SKU, Lot: c.Lot, Serial: c.Serial, Expiry: c.Expiry, State: c.State}}
}

// Service asks for confirmations. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Recorder  *auditlog.Recorder
	Approvals *approvals.Service
	Zone      *time.Location // of the headquarters
	Currency  string
	Logger    *slog.Logger

	wake chan struct{}
}

// New returns a service that settles what comes of its requests.
func New(s Service) *Service {
	s.wake = make(chan struct{}, 1)
	out := &s
	if out.Approvals.Effects == nil {
		out.Approvals.Effects = map[approval.Kind]func(*store.Tx, auditlog.Who, approval.Process, bool) error{}
	}
	out.Approvals.Effects[approval.Adjustment] = out.settle
	return out
}

// Wake says that something may have come in. It never waits.
func (s *Service) Wake() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Run looks at what comes in, until ctx ends. Intake does not wait for it.
func (s *Service) Run(ctx context.Context) error {
	tick := time.NewTicker(looksIn)
	defer tick.Stop()
	for {
		if err := s.Look(ctx); err != nil && ctx.Err() == nil {
			s.Logger.Error("adjustments", "err", err)
		}
		select {
		case <-s.wake:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Look works off all cells that have to be looked at.
func (s *Service) Look(ctx context.Context) error {
	for {
		var due []store.DueCell
		err := s.Store.View(ctx, func(v *store.View) (err error) { due, err = v.DueAdjustments(atOnce); return err })
		if err != nil || len(due) == 0 {
			return err
		}
		if err = s.lookAt(ctx, due); err == nil {
			continue
		}
		bad := 0 // one cell that can not be judged does not stop the others
		for _, d := range due {
			if one := s.lookAt(ctx, []store.DueCell{d}); one != nil {
				err, bad = one, bad+1
			}
		}
		if bad > 0 {
			return err
		}
	}
}

func (s *Service) lookAt(ctx context.Context, due []store.DueCell) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		for _, d := range due {
			if err := s.look(tx, d); err != nil {
				return fmt.Errorf("%s at %s: %w", d.Cell.Key.SKU, d.Cell.Location, err)
			}
		}
		return nil
	})
}

// judge says how a cell stands in an open transaction.
func (s *Service) judge(tx *store.Tx, d store.DueCell) (State, map[change.Hash]store.AdjustmentDecision, error) {
	counts, err := tx.Counts(d.Cell)
	if err != nil {
		return State{}, nil, err
	}
	movements, err := tx.MovementsOf(d.Cell)
	if err != nil {
		return State{}, nil, err
	}
	start, err := tx.AdjustmentStart()
	if err != nil {
		return State{}, nil, err
	}
	decided, err := tx.AdjustmentDecisions(d.CellRef)
	if err != nil {
		return State{}, nil, err
	}
	state, err := Judge(counts, movements, Rules{
		Small: func(d Difference) (bool, error) {
			at := clock.Stamp(d.Count.Time).Time()
			if at.Before(start) {
				return true, nil
			}
			cents, err := s.cents(&tx.View, d)
			if err != nil {
				return false, err
			}
			rule, err := s.Approvals.RuleAt(&tx.View, FactsOf(d, cents, nil), at)
			return rule.Free(), err
		},
		By: func(id stock.ID) (string, error) { return actorOf(&tx.View, id) },
		Decided: func(h change.Hash) (approved, known bool) {
			x, known := decided[h]
			return x.Approved, known
		},
	})
	return state, decided, err
}

// cents returns what a difference is worth by the cost that was known when it was counted; 0 where none was.
func (s *Service) cents(v *store.View, d Difference) (int64, error) {
	at := clock.Stamp(d.Count.Time).Time()
	cost, err := v.PriceKnown(d.Count.Cell.Key.SKU, string(prices.Cost), stock.Date(at.In(s.Zone).Format(time.DateOnly)), at)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	return prices.Amount(cost.Amount).Value(d.Size), err
}

// actorOf returns who made a change, empty where its batch does not tell.
func actorOf(v *store.View, id stock.ID) (string, error) {
	batch, index, err := v.PlaceOfChange(id)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	b, err := v.BatchWithID(batch)
	if err != nil {
		return "", err
	}
	header, _, err := b.Batch.Claim() // verified when it came in
	if err != nil {
		return "", nil //nolint:nilerr // what can not be read tells nobody's name
	}
	contents, err := b.Batch.Unpack(header)
	if err != nil || index >= len(contents.Changes) {
		return "", nil //nolint:nilerr // the same
	}
	c, err := change.Decode(contents.Changes[index])
	if err != nil {
		return "", nil //nolint:nilerr // the same
	}
	return c.Meta.Actor, nil
}

// Subject names the case of a cell.
func Subject(at stock.Cell) string {
	k := at.Key
	return fmt.Sprintf("%s|%s|%s|%s|%s|%s", at.Location, k.SKU, k.Lot, k.Serial, k.Expiry, k.State)
}

// look brings the case, the request and the mark of a cell in line with how it stands.
func (s *Service) look(tx *store.Tx, d store.DueCell) error {
	if err := tx.AdjustmentsSeen(d.CellRef); err != nil {
		return err
	}
	state, decided, err := s.judge(tx, d)
	if err != nil {
		return err
	}
	was, err := tx.Adjustment(d.CellRef)
	known := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	var waiting *store.StoredApproval
	if was.Request != "" {
		a, err := tx.Approval(was.Request)
		if err != nil {
			return err
		}
		if a.State == approval.Waiting {
			waiting = &a
		}
	}
	name, err := state.Difference.Name()
	if err != nil {
		return err
	}
	if waiting != nil && (state.Status != Waits || was.Content != name) {
		if err := s.Approvals.VoidIn(tx, *waiting, "the difference has changed"); err != nil {
			return err
		}
		waiting = nil
	}
	if state.Status == Settled {
		if !known {
			return nil
		}
		detail := was.Detail
		if state.Last != nil {
			x := decided[*state.Last]
			detail += " ✓ " + x.By + " " + x.Hash.String()
		}
		if err := tx.PutAdjustment(d.CellRef, nil); err != nil {
			return err
		}
		return tx.LargeAdjustment(d.Cell, Subject(d.Cell), detail, false)
	}
	next := store.Adjustment{Status: string(state.Status), Content: name, Detail: signed(state.Difference.Size) + " / " + state.Difference.Book.String()}
	if x, is := decided[name]; is && !x.Approved {
		next.Detail += " ✗ " + x.By + ": " + x.Note
	}
	switch {
	case waiting != nil:
		next.Request = waiting.Request.ID
	case state.Status == Waits:
		if next.Request, err = s.ask(tx, d, state, name); err != nil {
			return err
		}
	}
	if known && was == next {
		return nil
	}
	if err := tx.PutAdjustment(d.CellRef, &next); err != nil {
		return err
	}
	return tx.LargeAdjustment(d.Cell, Subject(d.Cell), next.Detail, true)
}

func signed(q stock.Quantity) string {
	if q > 0 {
		return "+" + q.String()
	}
	return q.String()
}

// ask opens a request for somebody who did not count.
func (s *Service) ask(tx *store.Tx, d store.DueCell, state State, name change.Hash) (string, error) {
	diff := state.Difference
	cents, err := s.cents(&tx.View, diff)
	if err != nil {
		return "", err
	}
	c := Content{Name: name, Location: d.Cell.Location, SKU: d.Cell.Key.SKU, Lot: d.Cell.Key.Lot, Serial: d.Cell.Key.Serial, Expiry: d.Cell.Key.Expiry, State: d.Cell.Key.State,
		Count: diff.Count.ID.String(), At: clock.Stamp(diff.Count.Time).Time().UnixMilli(), Counters: state.Counters, Counted: diff.Count.Counted, Book: diff.Book, Size: diff.Size, Cents: cents, Currency: s.Currency}
	if c.Item, err = tx.ItemName(c.SKU); err != nil {
		return "", err
	}
	b, err := change.Marshal(c)
	if err != nil {
		return "", err
	}
	now := tx.Now()
	reason := c.Count
	if diff.Count.Cause != "" {
		reason = clipped(diff.Count.Cause, 100) + " " + reason
	}
	r := approval.Request{ID: approvals.NewID("D"), By: approval.Person{Account: approvals.System}, Content: b, Reason: reason, Asked: now.UnixMilli(), Until: now.Add(waits).UnixMilli(), Facts: FactsOf(diff, cents, state.Counters)}
	rule, err := s.Approvals.RuleAt(&tx.View, r.Facts, clock.Stamp(diff.Count.Time).Time())
	if err != nil {
		return "", err
	}
	return r.ID, s.Approvals.OpenOwn(tx, r, rule)
}

func clipped(s string, most int) string {
	r := []rune(s)
	return string(r[:min(len(r), most)])
}

// settle is what becomes of a request about an adjustment that is closed, in the transaction that closes it.
func (s *Service) settle(tx *store.Tx, who auditlog.Who, p approval.Process, granted bool) error {
	if p.State == approval.Withdrawn {
		return nil // because something else is to be decided
	}
	c, err := ContentOf(p.Request.Content)
	if err != nil {
		return err
	}
	d, err := tx.DueCellOf(c.Cell())
	if err != nil {
		return err
	}
	if p.State != approval.Expired {
		state, _, err := s.judge(tx, d)
		if err != nil {
			return err
		}
		if name, err := state.Difference.Name(); err != nil || state.Status != Waits || name != c.Name {
			return errors.Join(fmt.Errorf("adjustment %s: %w", p.Request.ID, approval.ErrChanged), err) // it is not what the approver saw
		}
		h, err := p.Request.Hash()
		if err != nil {
			return err
		}
		x := store.AdjustmentDecision{Content: c.Name, Approved: granted, Request: p.Request.ID, Hash: h, By: who.Actor}
		act := ActConfirmed
		if !granted {
			act, x.Note = ActRefused, noteOf(tx, p.Request.ID)
		}
		if err := tx.AddAdjustmentDecision(d.CellRef, x); err != nil {
			return err
		}
		e := change.Entry{Act: act, Object: string(c.Location), Detail: map[string]string{"sku": string(c.SKU), "lot": string(c.Lot), "serial": string(c.Serial), "count": c.Count, "difference": c.Size.String(), "book": c.Book.String(), "request": p.Request.ID, "hash": h.String()}}
		if x.Note != "" {
			e.Detail["note"] = x.Note
		}
		if err := s.Recorder.Record(tx, who, e); err != nil {
			return err
		}
	}
	return s.look(tx, d)
}

// noteOf returns why a request was refused: the note of its last event.
func noteOf(tx *store.Tx, id string) string {
	events, err := tx.ApprovalEvents(id)
	if err != nil || len(events) == 0 {
		return ""
	}
	return events[len(events)-1].Note
}

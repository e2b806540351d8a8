// Package prices keeps what items are sold for and what they cost, at the hub alone. A change goes through the rules of approval: a small one
// counts at once, a large one waits, and takes effect in the transaction of the last approval.
package prices

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Class says which of an item's two amounts is meant. The words are stored and shown.
type Class string

// The classes.
const (
	Price Class = "price" // what it is sold for
	Cost  Class = "cost"  // what it is bought for
)

// Classes returns both.
func Classes() []Class { return []Class{Price, Cost} }

// Field returns the class of fields that says who sees it.
func (c Class) Field() access.FieldClass {
	if c == Cost {
		return access.Cost
	}
	return access.Price
}

// ActChanged is the act under which a price that counts stands in the audit log.
const ActChanged = "price.changed"

// waits is how long a request for a price waits at most.
const waits = 30 * 24 * time.Hour

// Conditions that callers turn into sentences.
var (
	ErrClass = errors.New("want a price or a cost")
	ErrDay   = errors.New("want a day from today on, within a year")
	ErrItem  = errors.New("the catalogue does not have this item")
	ErrSame  = errors.New("this amount holds from that day already")
)

// Content is what is asked for, and what is approved.
type Content struct {
	_        struct{} `cbor:",toarray"`
	SKU      stock.SKU
	Name     string // of the item when it was asked
	Class    Class
	Currency string
	Known    bool // there is an amount before
	Old      Amount
	New      Amount
	From     stock.Date
}

// ContentOf reads the content of a request.
func ContentOf(b []byte) (c Content, err error) {
	if err := change.UnmarshalExact(b, &c); err != nil {
		return c, fmt.Errorf("read what price is asked for: %w", err)
	}
	return c, nil
}

// Percent returns by how much the amount changes, in hundredths of a percent. A first amount changes nothing.
func (c Content) Percent() int64 {
	if !c.Known {
		return 0
	}
	return Percent(c.Old, c.New)
}

func (c Content) facts() approval.Facts {
	d := c.New - c.Old
	if d < 0 {
		d = -d
	}
	return approval.Facts{Kind: approval.Price, Permission: "price.write", Everywhere: true, Amount: d.Cents(), Percent: c.Percent()}
}

// Change is what somebody wants.
type Change struct {
	SKU    stock.SKU
	Class  Class
	Amount Amount
	From   stock.Date
	Reason string
}

// Service keeps prices. It is safe for concurrent use.
type Service struct {
	Store     *store.Store
	Recorder  *auditlog.Recorder
	Approvals *approvals.Service
	Zone      *time.Location // of the headquarters
	Currency  string
}

// Today returns the business day of the headquarters.
func (s *Service) Today() stock.Date { return s.day(s.Recorder.Clock()) }

func (s *Service) day(t time.Time) stock.Date {
	return stock.Date(t.In(s.Zone).Format(time.DateOnly))
}

// content reads what holds on the first day of a change, in the transaction in which it is asked for.
func (s *Service) content(v *store.View, c Change, now time.Time) (Content, error) {
	from, err := time.Parse(time.DateOnly, string(c.From))
	switch {
	case !slices.Contains(Classes(), c.Class):
		return Content{}, ErrClass
	case c.Amount < 0 || c.Amount > MaxAmount:
		return Content{}, ErrAmount
	case err != nil || c.From < s.day(now) || from.After(now.AddDate(1, 0, 1)):
		return Content{}, ErrDay
	}
	items, err := v.Items()
	if err != nil {
		return Content{}, err
	}
	n := slices.IndexFunc(items, func(i feed.Item) bool { return i.SKU == c.SKU })
	if n < 0 {
		return Content{}, ErrItem
	}
	out := Content{SKU: c.SKU, Name: items[n].Name, Class: c.Class, Currency: s.Currency, New: c.Amount, From: c.From}
	old, err := v.PriceOn(c.SKU, string(c.Class), c.From)
	if errors.Is(err, store.ErrNotFound) {
		return out, nil
	}
	out.Known, out.Old = true, Amount(old.Amount)
	if err == nil && out.Old == out.New {
		err = ErrSame
	}
	return out, err
}

func request(id string, who identity.Person, c Content, reason string, now time.Time) (approval.Request, error) {
	if reason = strings.TrimSpace(reason); reason == "" || utf8.RuneCountInString(reason) > approval.MaxReason {
		return approval.Request{}, approval.ErrReason
	}
	b, err := change.Marshal(c)
	return approval.Request{ID: id, By: approvals.PersonOf(who), Content: b, Reason: reason, Asked: now.UnixMilli(), Until: now.Add(waits).UnixMilli(), Facts: c.facts()}, err
}

// Change carries out what who wants, or asks for its approval: it returns the request's id, empty when it counts already. With an id it changes that
// request, whose approvals are then void. Whether who may do so is the caller's question.
func (s *Service) Change(ctx context.Context, who identity.Person, id string, c Change) (waiting string, err error) {
	now := s.Recorder.Clock()
	err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		waiting = id
		content, err := s.content(&tx.View, c, now)
		if err != nil {
			return err
		}
		if id == "" {
			waiting = approvals.NewID("P")
		}
		r, err := request(waiting, who, content, c.Reason, now)
		if err != nil {
			return err
		}
		if id != "" {
			old, err := tx.Approval(id)
			if err != nil {
				return err
			}
			if was, err := ContentOf(old.Request.Content); err != nil || was.SKU != c.SKU || was.Class != c.Class {
				return errors.Join(store.ErrNotFound, err)
			}
			return s.Approvals.EditIn(tx, who, r)
		}
		free, err := s.Approvals.OpenIn(tx, who, r)
		if err != nil || !free {
			return err
		}
		waiting = ""
		return s.put(tx, auditlog.Who{Actor: who.Actor(), Session: who.Session, Terminal: who.Address}, content, store.Price{By: who.Account, Note: r.Reason})
	})
	return waiting, err
}

// Settle is what becomes of a request for a price that is closed, in the transaction that closes it.
func (s *Service) Settle(tx *store.Tx, who auditlog.Who, p approval.Process, granted bool) error {
	if !granted {
		return nil
	}
	c, err := ContentOf(p.Request.Content)
	if err != nil {
		return err
	}
	if today := s.day(tx.Now()); c.From < today {
		c.From = today // the past stays as it was
	}
	old, err := tx.PriceOn(c.SKU, string(c.Class), c.From)
	switch {
	case errors.Is(err, store.ErrNotFound) && !c.Known:
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return err
	case err != nil, !c.Known, Amount(old.Amount) != c.Old:
		return fmt.Errorf("price of %s: %w", c.SKU, approval.ErrChanged) // not what the approver saw
	}
	return s.put(tx, who, c, store.Price{By: string(p.Request.By.Account), Approver: string(p.Approver()), Request: p.Request.ID, Note: p.Request.Reason})
}

// put makes a price count, and voids what waits for the same one: its approvers saw another amount before it.
func (s *Service) put(tx *store.Tx, who auditlog.Who, c Content, p store.Price) error {
	p.SKU, p.Class, p.Amount, p.From = c.SKU, string(c.Class), int64(c.New), c.From
	if err := tx.AddPrice(p); err != nil {
		return err
	}
	d := map[string]string{"class": p.Class, "new": c.New.String(), "currency": c.Currency, "from": string(c.From), "note": p.Note}
	if c.Known {
		d["old"] = c.Old.String()
	}
	if p.Request != "" {
		d["request"], d["requester"], d["approver"] = p.Request, p.By, p.Approver
	}
	if err := s.Recorder.Record(tx, who, change.Entry{Act: ActChanged, Object: string(c.SKU), Detail: d}); err != nil {
		return err
	}
	open, err := tx.OpenApprovalsOf(string(approval.Price))
	if err != nil {
		return err
	}
	for _, a := range open {
		o, err := ContentOf(a.Request.Content)
		if err != nil {
			return err
		}
		if o.SKU == c.SKU && o.Class == c.Class && a.Request.ID != p.Request {
			if err := s.Approvals.VoidIn(tx, a, "price changed meanwhile"); err != nil {
				return err
			}
		}
	}
	return nil
}

package adjust_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/adjust"
	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/intake"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

var (
	wang = identity.Person{Account: "wang", Roles: []string{"branch-manager"}, Warehouses: []string{"SHA"}}
	zhou = identity.Person{Account: "zhou", Roles: []string{"branch-manager"}, Warehouses: []string{"SHA"}}
	ctu  = identity.Person{Account: "ctu", Roles: []string{"branch-manager"}, Warehouses: []string{"CTU"}}
	cell = stock.Cell{Location: "SHA/A-01", Key: stock.Key{SKU: "S", State: stock.Available}}
)

type office struct {
	*hubtest.Hub
	asks *approvals.Service
	*adjust.Service
}

func open(t *testing.T) *office {
	h := hubtest.New(t)
	r := &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}
	a := &approvals.Service{Store: h.Store, Recorder: r, Rules: approvals.Rules(), Policy: func(*store.View) (access.Policy, error) { return access.Ready(), nil },
		Subject: func(context.Context, access.Account) (access.Subject, error) {
			return access.Subject{}, identity.ErrNobody
		}, // nobody asks but the hub
		Holds: func(who identity.Person, p access.Permission, at []stock.Warehouse) bool {
			return p == "adjustment.write" && who.Has("branch-manager") && !slices.ContainsFunc(at, func(w stock.Warehouse) bool { return !slices.Contains(who.Warehouses, string(w)) })
		}}
	return &office{h, a, adjust.New(adjust.Service{Store: h.Store, Recorder: r, Approvals: a, Zone: time.UTC, Currency: "CNY", Logger: slog.New(slog.DiscardHandler)})}
}

// maker makes the changes of a node.
type maker struct {
	*hubtest.Node
	number uint64
	hour   int
}

func (m *maker) meta(who string) change.Meta {
	x := hubtest.Meta()
	m.hour++
	x.Time, x.Actor = clock.StampOf(time.Date(2026, 11, 24, 0, m.hour, 0, 0, time.UTC)), who
	return x
}

func (m *maker) move(units int64) change.Change {
	x := stock.Movement{Key: cell.Key, From: stock.Supplier, To: cell.Location, Quantity: stock.Quantity(units) * stock.Unit, Scanned: stock.Scanned{Count: stock.Unit, Factor: stock.Unit}}
	if units < 0 {
		x.From, x.To, x.Quantity = x.To, stock.Customer, -x.Quantity
	}
	c, err := change.OfMovement(m.meta("li"), x)
	hubtest.Check(m.T, err)
	m.number++
	return c
}

func (m *maker) count(who string, units int64, seen stock.Vector) change.Change {
	if seen == nil {
		seen = stock.Vector{stock.Stream{Node: m.ID, Epoch: 1}: m.number}
	}
	c, err := change.OfCount(m.meta(who), stock.Count{Cell: cell, Counted: stock.Quantity(units) * stock.Unit, Seen: seen, Cause: "sheet 7"})
	hubtest.Check(m.T, err)
	m.number++
	return c
}

func (o *office) take(in ...intake.Incoming) {
	o.T.Helper()
	o.Process(in...)
	hubtest.Check(o.T, o.Look(o.T.Context()))
}

// stands returns how the cell is marked, and the request that waits.
func (o *office) stands() (status, request string) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		return v.Unconfirmed(func(d store.DueCell, a store.Adjustment) error {
			if d.Cell != cell || status != "" {
				return fmt.Errorf("cell %+v", d.Cell)
			}
			status, request = a.Status, a.Request
			return nil
		})
	})
	return status, request
}

func (o *office) hash(id string) (h change.Hash) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		a, err := v.Approval(id)
		if err == nil {
			h, err = a.Request.Hash()
		}
		return err
	})
	return h
}

func (o *office) cases() (open int, details []string) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		return v.Cases(true, func(c store.CaseInfo) error {
			if c.Case.Kind != store.CaseLargeAdjustment {
				return nil
			}
			details = append(details, c.Case.Detail)
			if c.ClosedAt.IsZero() {
				open++
			}
			return nil
		})
	})
	return open, details
}

// TestALargeAdjustment is confirmed by somebody of the warehouse who did not count, and by nobody else; a late movement that the count had seen
// makes another thing of it.
func TestALargeAdjustment(t *testing.T) {
	o := open(t)
	n := &maker{Node: o.Node("sh-1", "SHA")}
	o.take(n.Cut(n.move(100), n.count("li", 95, nil)))
	if status, _ := o.stands(); status != "" || len(o.Cases(store.CaseLargeAdjustment)) != 0 {
		t.Fatal("a small difference is asked about")
	}
	sibling := &maker{Node: o.Node("sh-2", "SHA")}
	o.take(n.Cut(n.count("wang", 60, stock.Vector{{Node: "sh-1", Epoch: 1}: n.number, {Node: "sh-2", Epoch: 1}: 1})))
	status, id := o.stands()
	if n, _ := o.cases(); status != store.AdjustmentWaits || id == "" || n != 1 || o.OnHand("S") != 60*stock.Unit {
		t.Fatalf("%q %q, %d cases, on hand %s", status, id, n, o.OnHand("S"))
	}
	seen := o.hash(id)
	for who, want := range map[*identity.Person]error{&wang: approval.ErrBarred, &ctu: approval.ErrNotAsked} {
		if err := o.asks.Approve(t.Context(), *who, id, seen); !errors.Is(err, want) {
			t.Errorf("%s: %v", who.Account, err)
		}
	}
	o.take(sibling.Cut(sibling.move(-20))) // late, and counted already: 75 were in the books
	if err := o.asks.Approve(t.Context(), zhou, id, seen); !errors.Is(err, approval.ErrClosed) {
		t.Errorf("what has changed was approved: %v", err)
	}
	_, second := o.stands()
	if second == id || second == "" {
		t.Fatalf("request %q", second)
	}
	hubtest.Check(t, o.asks.Approve(t.Context(), zhou, second, o.hash(second)))
	status, _ = o.stands()
	if n, details := o.cases(); status != "" || n != 0 || len(details) != 1 || details[0] != "-15 / 75 ✓ zhou "+o.hash(second).String() {
		t.Errorf("%q, %d open, %q", status, n, details)
	}
	o.take(n.Cut(n.move(5), n.move(-3))) // after the count: nothing is asked again
	if status, _ = o.stands(); status != "" {
		t.Error("it is asked again")
	}
}

// TestARefusedAdjustment is counted again by somebody else.
func TestARefusedAdjustment(t *testing.T) {
	o := open(t)
	n := &maker{Node: o.Node("sh-1", "SHA")}
	o.take(n.Cut(n.move(100), n.count("li", 60, nil)))
	_, id := o.stands()
	hubtest.Check(t, o.asks.Refuse(t.Context(), wang, id, o.hash(id), "the pallet behind was not seen"))
	status, request := o.stands()
	if n, details := o.cases(); status != store.AdjustmentRecount || request != "" || n != 1 || !strings.Contains(details[0], "✗ wang: the pallet behind") {
		t.Fatalf("%q %q %q", status, request, details)
	}
	o.take(n.Cut(n.count("li", 60, nil)))
	if status, _ = o.stands(); status != store.AdjustmentRecount {
		t.Errorf("the same person again: %q", status)
	}
	o.take(n.Cut(n.count("chen", 61, nil)))
	if n, _ := o.cases(); n != 0 {
		t.Error("the case is open though two have found the same")
	}
}

// TestSilenceConfirmsNothing: a request that nobody answers ends, and is asked again.
func TestSilenceConfirmsNothing(t *testing.T) {
	o := open(t)
	n := &maker{Node: o.Node("sh-1", "SHA")}
	o.take(n.Cut(n.move(100), n.count("li", 60, nil)))
	_, id := o.stands()
	o.Later(7 * 24 * time.Hour)
	hubtest.Check(t, o.asks.Due(t.Context()))
	status, second := o.stands()
	if status != store.AdjustmentWaits || second == id || second == "" {
		t.Fatalf("%q %q", status, second)
	}
	hubtest.Check(t, o.asks.Approve(t.Context(), wang, second, o.hash(second)))
	if status, _ = o.stands(); status != "" {
		t.Errorf("then %q", status)
	}
}

// TestOrderOfArrivalMeansNothing: whatever order batches of nodes come in, and whenever somebody looks, a cell stands as it would had everything been there from the
// beginning; and no request waits for anything but what is not confirmed.
func TestOrderOfArrivalMeansNothing(t *testing.T) {
	stood := map[string]int{}
	for seed := range uint64(16) {
		w := rand.New(rand.NewPCG(seed, 9))
		o, again := open(t), open(t)
		makers := []*maker{{Node: o.Node("sh-1", "SHA")}, {Node: o.Node("sh-2", "SHA"), hour: 2}}
		copies := []*hubtest.Node{again.Node("sh-1", "SHA"), again.Node("sh-2", "SHA")}
		first, second := make([][]intake.Incoming, 2), make([][]intake.Incoming, 2)
		for range 8 {
			i := w.IntN(2)
			m := makers[i]
			c := m.move(10 + w.Int64N(60))
			if w.IntN(3) > 0 {
				c = m.count(fmt.Sprint("p", w.IntN(3)), w.Int64N(120), stock.Vector{{Node: "sh-1", Epoch: 1}: uint64(w.IntN(int(makers[0].number) + 1)), {Node: "sh-2", Epoch: 1}: uint64(w.IntN(int(makers[1].number) + 1))})
			}
			first[i] = append(first[i], m.Cut(c))
			second[i] = append(second[i], copies[i].Cut(c))
		}
		play := func(o *office, queues [][]intake.Incoming, each func()) {
			for len(queues[0])+len(queues[1]) > 0 {
				i := w.IntN(2)
				if len(queues[i]) == 0 {
					i = 1 - i
				}
				o.Process(queues[i][0])
				queues[i] = queues[i][1:]
				each()
			}
			hubtest.Check(t, o.Look(t.Context()))
		}
		play(o, first, func() {
			if w.IntN(2) == 0 {
				return
			}
			hubtest.Check(t, o.Look(t.Context()))
			if _, id := o.stands(); id != "" && w.IntN(2) == 0 {
				if w.IntN(2) == 0 {
					hubtest.Check(t, o.asks.Approve(t.Context(), wang, id, o.hash(id)))
				} else {
					hubtest.Check(t, o.asks.Refuse(t.Context(), zhou, id, o.hash(id), "no"))
				}
			}
		})
		play(again, second, func() {})
		carryOver(t, o, again)
		a, b := o.standing(), again.standing()
		if a != b {
			t.Fatalf("seed %d: %+v, and had all been there %+v", seed, a, b)
		}
		stood[a.Status]++
		n, _ := o.cases()
		if waiting := o.waiting(); (n == 1) != (a.Status != "") || (a.Status == store.AdjustmentWaits) != (len(waiting) == 1) || len(waiting) > 1 {
			t.Fatalf("seed %d: %q with %d open cases and %d requests", seed, a.Status, n, len(waiting))
		}
	}
	if len(stood) < 3 {
		t.Errorf("the play proves little: %v", stood)
	}
}

// carryOver makes the decisions of one hub those of another.
func carryOver(t *testing.T, from, to *office) {
	t.Helper()
	var list map[change.Hash]store.AdjustmentDecision
	from.View(func(v *store.View) error {
		d, err := v.DueCellOf(cell)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil {
			list, err = v.AdjustmentDecisions(d.CellRef)
		}
		return err
	})
	to.Update(func(tx *store.Tx) error {
		d, err := tx.DueCellOf(cell)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		for _, x := range list {
			if err == nil {
				err = tx.AddAdjustmentDecision(d.CellRef, x)
			}
		}
		if err == nil {
			err = tx.LookAgain(d.CellRef)
		}
		return err
	})
	hubtest.Check(t, to.Look(t.Context()))
}

// standing is how the cell stands, without the names of requests.
func (o *office) standing() (s store.Adjustment) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		return v.Unconfirmed(func(_ store.DueCell, a store.Adjustment) error { a.Request, s = "", a; s.Request = ""; return nil })
	})
	return s
}

func (o *office) waiting() (list []store.StoredApproval) {
	o.T.Helper()
	o.View(func(v *store.View) (err error) {
		list, err = v.OpenApprovalsOf(string(approval.Adjustment))
		return err
	})
	return list
}

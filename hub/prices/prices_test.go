package prices_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/prices"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

var (
	hq   = identity.Person{Account: "hq", Roles: []string{"operations"}}
	hq2  = identity.Person{Account: "hq2", Roles: []string{"operations"}}
	fin  = identity.Person{Account: "fin", Roles: []string{"finance"}}
	all  = []identity.Person{hq, hq2, fin}
	both = prices.Classes()
)

type office struct {
	*hubtest.Hub
	asks *approvals.Service
	*prices.Service
}

func open(t *testing.T, items int) *office {
	h := hubtest.New(t)
	r := &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}
	a := &approvals.Service{Store: h.Store, Recorder: r, Rules: approvals.Rules(), Policy: func(*store.View) (access.Policy, error) { return access.Ready(), nil },
		Subject: func(_ context.Context, name access.Account) (access.Subject, error) {
			n := slices.IndexFunc(all, func(p identity.Person) bool { return p.Account == string(name) })
			return approvals.SubjectOf(all[n]), nil
		}}
	s := &prices.Service{Store: h.Store, Recorder: r, Approvals: a, Zone: time.UTC, Currency: "CNY"}
	a.Effects = map[approval.Kind]func(*store.Tx, auditlog.Who, approval.Process, bool) error{approval.Price: s.Settle}
	hubtest.Check(t, h.Store.Update(t.Context(), h.Now(), func(tx *store.Tx) error {
		for i := range items {
			if err := tx.PutItem(feed.Item{SKU: sku(i), Name: "item", Unit: "pc", Active: true}); err != nil {
				return err
			}
		}
		return nil
	}))
	return &office{h, a, s}
}

func sku(i int) stock.SKU { return stock.SKU(fmt.Sprint("S", i)) }

func (o *office) change(who identity.Person, id string, c prices.Class, amount string) (string, error) {
	o.T.Helper()
	a, err := prices.Parse(amount)
	hubtest.Check(o.T, err)
	return o.Change(o.T.Context(), who, id, prices.Change{SKU: sku(0), Class: c, Amount: a, From: o.Today(), Reason: "the supplier has raised"})
}

func (o *office) now(c prices.Class) (out string) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		p, err := v.PriceOn(sku(0), string(c), o.Today())
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		out = prices.Amount(p.Amount).String()
		return err
	})
	return out
}

func (o *office) hash(id string) (h change.Hash) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		a, err := v.Approval(id)
		if err != nil {
			return err
		}
		h, err = a.Request.Hash()
		return err
	})
	return h
}

func (o *office) state(id string) (s approval.State) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		a, err := v.Approval(id)
		s = a.State
		return err
	})
	return s
}

// TestSmallAndLargeChanges: a first and a small change count at once, a large one when somebody else has approved exactly it.
func TestSmallAndLargeChanges(t *testing.T) {
	o := open(t, 1)
	for _, c := range []struct{ amount, waits, now string }{{"10.00", "", "10.00"}, {"10.99", "", "10.99"}, {"5", "yes", "10.99"}} {
		id, err := o.change(hq, "", prices.Price, c.amount)
		if err != nil || (id == "") != (c.waits == "") || o.now(prices.Price) != c.now {
			t.Fatalf("%s: %q, %v, now %s", c.amount, id, err, o.now(prices.Price))
		}
	}
	id, err := o.change(hq, "", prices.Price, "4.5678")
	hubtest.Check(t, err)
	if err := o.asks.Approve(t.Context(), hq, id, o.hash(id)); !errors.Is(err, approval.ErrSelf) {
		t.Errorf("oneself: %v", err)
	}
	hubtest.Check(t, o.asks.Approve(t.Context(), fin, id, o.hash(id)))
	if o.now(prices.Price) != "4.5678" || o.now(prices.Cost) != "" {
		t.Errorf("now %s and %s", o.now(prices.Price), o.now(prices.Cost))
	}
	o.View(func(v *store.View) error {
		list, err := v.Prices(sku(0))
		if len(list) != 3 || list[0].By != "hq" || list[0].Approver != "fin" || list[0].Request != id || list[1].Approver != "" || list[0].Note != "the supplier has raised" {
			t.Errorf("history %+v", list)
		}
		return err
	})
}

// TestAnotherPriceMeanwhileVoids: what waits was judged beside the old amount; once that is another, the yes is for nothing, of the other class it stays.
func TestAnotherPriceMeanwhileVoids(t *testing.T) {
	o := open(t, 1)
	for _, c := range both {
		_, err := o.change(hq, "", c, "10")
		hubtest.Check(t, err)
	}
	first, err1 := o.change(hq, "", prices.Price, "20")
	second, err2 := o.change(hq2, "", prices.Price, "30")
	cost, err3 := o.change(hq, "", prices.Cost, "7")
	hubtest.Check(t, errors.Join(err1, err2, err3))
	seen := o.hash(first)
	hubtest.Check(t, o.asks.Approve(t.Context(), fin, second, o.hash(second)))
	if o.state(first) != approval.Withdrawn || o.state(cost) != approval.Waiting || o.now(prices.Price) != "30.00" {
		t.Fatalf("first %s, cost %s, now %s", o.state(first), o.state(cost), o.now(prices.Price))
	}
	if err := o.asks.Approve(t.Context(), fin, first, seen); !errors.Is(err, approval.ErrClosed) {
		t.Errorf("what is void was approved: %v", err)
	}
	// an edit voids what was shown
	seen = o.hash(cost)
	_, err := o.change(hq, cost, prices.Cost, "6")
	hubtest.Check(t, err)
	if err := o.asks.Approve(t.Context(), fin, cost, seen); !errors.Is(err, approval.ErrChanged) {
		t.Errorf("after an edit: %v", err)
	}
	if _, err := o.change(hq2, cost, prices.Cost, "5"); !errors.Is(err, approval.ErrNotOwn) {
		t.Errorf("edited by another: %v", err)
	}
	if _, err := o.change(hq, cost, prices.Price, "5"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("edited to another thing: %v", err)
	}
	if _, err := o.change(hq, cost, prices.Cost, "9.9"); !errors.Is(err, approval.ErrFree) {
		t.Errorf("edited to what asks nobody: %v", err)
	}
}

// TestDays: a price holds from its day; one approved late holds from then on and not before.
func TestDays(t *testing.T) {
	o := open(t, 1)
	_, err := o.change(hq, "", prices.Price, "10")
	hubtest.Check(t, err)
	today := o.Today()
	change := prices.Change{SKU: sku(0), Class: prices.Price, Amount: 20 * prices.One, From: stock.Date(o.Now().AddDate(0, 0, 3).Format(time.DateOnly)), Reason: "summer"}
	id, err := o.Change(t.Context(), hq, "", change)
	hubtest.Check(t, err)
	for _, bad := range []stock.Date{"", "2020-01-01", "9999-01-01", "soon"} {
		c := change
		c.From = bad
		if _, err := o.Change(t.Context(), hq, "", c); !errors.Is(err, prices.ErrDay) {
			t.Errorf("from %q: %v", bad, err)
		}
	}
	o.Later(5 * 24 * time.Hour)
	if o.now(prices.Price) != "10.00" {
		t.Fatal("it counts without an approval")
	}
	hubtest.Check(t, o.asks.Due(t.Context())) // 3 days without an answer: it has ended
	if o.state(id) != approval.Expired {
		t.Fatalf("state %s", o.state(id))
	}
	change.From = o.Today()
	id, err = o.Change(t.Context(), hq, "", change)
	hubtest.Check(t, err)
	o.Later(30 * time.Hour)
	hubtest.Check(t, o.asks.Approve(t.Context(), fin, id, o.hash(id)))
	o.View(func(v *store.View) error {
		before, err := v.PriceOn(sku(0), "price", today)
		after, err2 := v.PriceOn(sku(0), "price", o.Today())
		if before.Amount != int64(10*prices.One) || after.Amount != int64(20*prices.One) || after.From != o.Today() {
			t.Errorf("before %+v, after %+v", before, after)
		}
		return errors.Join(err, err2)
	})
	for name, c := range map[error]prices.Change{prices.ErrItem: {SKU: "none", Class: prices.Price, From: o.Today(), Reason: "x"}, prices.ErrClass: {SKU: sku(0), Class: "rent", From: o.Today(), Reason: "x"},
		prices.ErrSame: {SKU: sku(0), Class: prices.Price, Amount: 20 * prices.One, From: o.Today(), Reason: "x"}, approval.ErrReason: {SKU: sku(0), Class: prices.Price, Amount: 1, From: o.Today()}} {
		if _, err := o.Change(t.Context(), hq, "", c); !errors.Is(err, name) {
			t.Errorf("%v: %v", name, err)
		}
	}
}

// TestRandomHistories: whatever people and time do, a price that counts was small beside the one before it, or was approved, exactly so and beside exactly that
// one, by somebody else.
func TestRandomHistories(t *testing.T) {
	const items = 60
	o := open(t, items)
	approved := 0
	for i := range items {
		w := rand.New(rand.NewPCG(uint64(i), 6))
		var ids []string
		for range 14 {
			o.Later(time.Duration(w.IntN(20)) * time.Hour)
			who := all[w.IntN(3)]
			switch act := w.IntN(10); {
			case act < 4 || len(ids) == 0:
				id := ""
				if act == 0 && len(ids) > 0 {
					id = ids[w.IntN(len(ids))]
				}
				from := stock.Date(o.Now().AddDate(0, 0, w.IntN(3)).Format(time.DateOnly))
				got, err := o.Change(t.Context(), who, id, prices.Change{SKU: sku(i), Class: both[w.IntN(2)], Amount: prices.Amount(90_000 + 5_000*w.IntN(8)), From: from, Reason: "r"})
				if err == nil && got != "" && id == "" {
					ids = append(ids, got)
				}
			case act < 8:
				id := ids[w.IntN(len(ids))]
				h := o.hash(id)
				if w.IntN(6) == 0 {
					h[3] ^= 1
				}
				_ = o.asks.Approve(t.Context(), who, id, h) // refused as often as not
			case act == 8:
				id := ids[w.IntN(len(ids))]
				_ = o.asks.Refuse(t.Context(), who, id, o.hash(id), "no")
			default:
				hubtest.Check(t, o.asks.Due(t.Context()))
			}
		}
		o.View(func(v *store.View) error {
			list, err := v.Prices(sku(i))
			if err != nil {
				return err
			}
			slices.SortFunc(list, func(a, b store.Price) int { return int(a.ID - b.ID) })
			for n, p := range list {
				old, known := before(list[:n], p)
				if p.Request == "" {
					if known && prices.Percent(old, prices.Amount(p.Amount)) >= 10_00 {
						t.Fatalf("item %d: %+v counts beside %s and nobody approved", i, p, old)
					}
					continue
				}
				approved++
				a, err := v.Approval(p.Request)
				if err != nil {
					return err
				}
				c, err := prices.ContentOf(a.Request.Content)
				if err != nil || !a.Granted() || p.Approver == p.By || p.Approver == "" || int64(c.New) != p.Amount || string(c.Class) != p.Class || c.Known != known || c.Old != old || p.From < c.From {
					t.Fatalf("item %d: %+v by %+v beside %s: %v", i, p, c, old, err)
				}
			}
			return nil
		})
	}
	if approved < 10 {
		t.Errorf("only %d were approved: the play proves little", approved)
	}
}

// before returns what held on the first day of p before it was written.
func before(list []store.Price, p store.Price) (old prices.Amount, known bool) {
	var best store.Price
	for _, o := range list {
		if o.Class == p.Class && o.From <= p.From && (!known || o.From >= best.From) {
			best, known = o, true
		}
	}
	return prices.Amount(best.Amount), known
}

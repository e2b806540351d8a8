package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"stockade/edge/dashboard"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

func staff(name, role string) identity.Person {
	return identity.Person{Account: name, Roles: []string{role}, Warehouses: []string{string(storetest.Warehouse)}, Session: "s-" + name, Address: "10.0.0.9"}
}

var (
	asker   = staff("li", "warehouse-worker")
	other   = staff("xu", "warehouse-worker")
	lead    = staff("chen", "warehouse-lead")
	manager = staff("wang", "branch-manager")
	away    = identity.Person{Account: "sun", Roles: []string{"warehouse-lead"}, Warehouses: []string{"CTU"}}
)

// reprintBench is a node with rights and printed labels.
func reprintBench(t *testing.T) (*printBench, printing) {
	b := newPrintBench(t, "")
	var err error
	if b.n.desk, err = rights.New(rights.Options{Now: b.n.clock.Wall, Home: storetest.Warehouse}, access.Ready()); err != nil {
		t.Fatal(err)
	}
	return b, printing{b.n}
}

// printed queues a label and says that it was printed.
func (b *printBench) printed(content string) (id string) {
	b.t.Helper()
	err := b.n.store.Update(b.t.Context(), func(tx *store.Tx) (err error) {
		if id, err = tx.QueuePrint(store.NewPrint{Printer: "zebra", Template: "item", Title: "tea", Actor: "li", Content: []byte(content)}, time.Now()); err == nil {
			err = tx.BeginPrint(id, time.Now())
		}
		if err == nil {
			err = tx.ConfirmPrint(id, time.Now())
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

func one(t *testing.T, p printing, who identity.Person) dashboard.Reprint {
	t.Helper()
	all, err := p.Reprints(t.Context(), who)
	if err != nil || len(all) != 1 {
		t.Fatalf("%d requests, %v", len(all), err)
	}
	return all[0]
}

func answer(t *testing.T, p printing, who identity.Person, r dashboard.Reprint, yes bool, why string) error {
	t.Helper()
	var h change.Hash
	b, err := hex.DecodeString(r.Hash)
	if err != nil {
		t.Fatal(err)
	}
	copy(h[:], b)
	return p.AnswerReprint(t.Context(), r.ID, h, yes, why, who)
}

func is(err error, key string) bool {
	var f *web.Failure
	return errors.As(err, &f) && f.Key == key
}

// TestAReprintIsAllowed by the lead, not by who asks, another worker or a lead of elsewhere; the label is queued then, and not before, with both names in the trail.
func TestAReprintIsAllowed(t *testing.T) {
	b, p := reprintBench(t)
	job := b.printed(`{"sku":"TEA"}`)
	if _, err := p.AskAgain(t.Context(), job, "torn", asker); err != nil {
		t.Fatal(err)
	}
	if _, err := p.AskAgain(t.Context(), job, "torn", other); !is(err, "reprint.asked") {
		t.Errorf("asked twice: %v", err)
	}
	r := one(t, p, asker)
	if !r.Own || r.Answers || r.Steps != 1 || r.By != "li" || one(t, p, other).Answers || one(t, p, away).Answers || !one(t, p, lead).Answers {
		t.Fatalf("request %+v", r)
	}
	for _, who := range []identity.Person{asker, other, away, manager} {
		if err := answer(t, p, who, r, true, ""); err == nil {
			t.Errorf("%s has allowed it", who.Account)
		}
	}
	bad := r
	bad.Hash = strings.Repeat("00", 32)
	if err := answer(t, p, lead, bad, true, ""); !is(err, "printing.changed") {
		t.Errorf("another content: %v", err)
	}
	if q, _ := p.Prints(t.Context()); len(q.Open) != 0 {
		t.Fatal("the label is queued already")
	}
	if err := answer(t, p, lead, r, true, ""); err != nil {
		t.Fatal(err)
	}
	q, err := p.Prints(t.Context())
	if err != nil || len(q.Open) != 1 || q.Open[0].Repeats != job || q.Open[0].Actor != "li" || q.Open[0].Reason != "torn" {
		t.Fatalf("queue %+v, %v", q.Open, err)
	}
	if err := answer(t, p, lead, r, true, ""); !is(err, "reprint.closed") {
		t.Errorf("twice: %v", err)
	}
	trail := b.trail()
	for _, want := range []string{"li approval.asked", "chen approval.granted", "chen print.repeated requester=li approver=chen"} {
		if !strings.Contains(trail, want) {
			t.Errorf("the trail lacks %q:\n%s", want, trail)
		}
	}
}

// trail returns the audit entries of the outbox, one a line.
func (b *printBench) trail() string {
	b.t.Helper()
	var out strings.Builder
	err := b.n.store.View(b.t.Context(), func(tx *store.Tx) error {
		all, err := tx.Uncut(1, 1000, 1<<20)
		for _, raw := range all {
			c, err := change.Decode(raw)
			if err != nil || c.Kind != change.KindEntry {
				continue
			}
			e, err := c.Entry()
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, "%s %s", c.Meta.Actor, e.Act)
			if e.Act == "print.repeated" {
				fmt.Fprintf(&out, " requester=%s approver=%s", e.Detail["requester"], e.Detail["approver"])
			}
			out.WriteByte('\n')
		}
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

// TestNumbersNeedTwo: a label with a number of its own, and the many of a day, need lead and manager, in this order, and not one person twice.
func TestNumbersNeedTwo(t *testing.T) {
	b, p := reprintBench(t)
	both := staff("both", "warehouse-lead")
	both.Roles = append(both.Roles, "branch-manager")
	for _, content := range []string{`{"sscc":"369104200000000014"}`, `{"serial":"S1"}`} {
		if _, err := p.AskAgain(t.Context(), b.printed(content), "torn", asker); err != nil {
			t.Fatal(err)
		}
		r := one(t, p, manager)
		if r.Steps != 2 || r.Answers {
			t.Fatalf("request %+v", r)
		}
		if err := answer(t, p, both, r, true, ""); err != nil {
			t.Fatal(err)
		}
		if err := answer(t, p, both, r, true, ""); !is(err, "reprint.twice") {
			t.Errorf("one person for two: %v", err)
		}
		if q, _ := p.Prints(t.Context()); len(q.Open) > 1 {
			t.Fatal("queued after the first step")
		}
		if err := answer(t, p, manager, r, true, ""); err != nil {
			t.Fatal(err)
		}
	}
	for i := 3; i <= defaultManagerFrom; i++ {
		if _, err := p.AskAgain(t.Context(), b.printed(`{"sku":"TEA"}`), "torn", asker); err != nil {
			t.Fatal(err)
		}
		r := one(t, p, lead)
		if want := 1 + i/defaultManagerFrom; r.Steps != want {
			t.Errorf("the %d. of a day has %d steps", i, r.Steps)
		}
		if err := answer(t, p, lead, r, true, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReprintsThatDoNotCome(t *testing.T) {
	b, p := reprintBench(t)
	job := b.printed(`{"sku":"TEA"}`)
	ask := func() dashboard.Reprint {
		t.Helper()
		if _, err := p.AskAgain(t.Context(), job, "torn", asker); err != nil {
			t.Fatal(err)
		}
		return one(t, p, lead)
	}
	r := ask()
	if err := answer(t, p, lead, r, false, ""); !is(err, "printing.reason_wanted") {
		t.Errorf("refused without a reason: %v", err)
	}
	if err := answer(t, p, lead, r, false, "it is on the box"); err != nil {
		t.Fatal(err)
	}
	r = ask()
	if err := p.WithdrawReprint(t.Context(), r.ID, other); !is(err, "reprint.not_asked") {
		t.Errorf("withdrawn by another: %v", err)
	}
	if err := p.WithdrawReprint(t.Context(), r.ID, asker); err != nil {
		t.Fatal(err)
	}
	r = ask()
	if _, err := p.Again(t.Context(), job, "", "by the lead", lead); err != nil { // meanwhile
		t.Fatal(err)
	}
	if err := answer(t, p, lead, r, true, ""); !is(err, "printing.changed") {
		t.Errorf("a label that waits already: %v", err)
	}
	if _, err := p.AskAgain(t.Context(), "99-none", "torn", asker); err == nil {
		t.Error("asked for a job that is not")
	}
	if q, _ := p.Prints(t.Context()); len(q.Open) != 1 {
		t.Errorf("%d labels wait", len(q.Open))
	}
	if trail := b.trail(); !strings.Contains(trail, "chen approval.refused") || !strings.Contains(trail, "li approval.withdrawn") {
		t.Errorf("trail:\n%s", trail)
	}
}

package approvals_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// yes is a check that refuses nothing.
func yes(*store.View) error { return nil }

func (o *office) save(rules []approval.Rule, base int64) (int64, error) {
	return o.SaveRules(o.T.Context(), sec, rules, base, "the headquarters decide", yes)
}

// TestWaitingRequestsKeepTheirRule: rules that are saved are for what is asked afterwards; what waits goes by the rule that it was opened under.
func TestWaitingRequestsKeepTheirRule(t *testing.T) {
	o := open(t)
	before := o.asked(li, "stock.export", 48*time.Hour, "SHA")
	rules := slices.DeleteFunc(slices.Clone(approvals.Rules()), func(r approval.Rule) bool { return r.ID == "access-warehouse" })
	version, err := o.save(rules, 0)
	if err != nil || version != 1 {
		t.Fatal(version, err)
	}
	after := o.asked(li, "movement.export", 48*time.Hour, "SHA")
	if o.stored(before).Rule.ID != "access-warehouse" || o.stored(after).Rule.ID != "access" {
		t.Fatalf("rules %s and %s", o.stored(before).Rule.ID, o.stored(after).Rule.ID)
	}
	if err := o.Approve(t.Context(), wang, after, o.seen(after)); !errors.Is(err, approval.ErrNotAsked) {
		t.Errorf("the manager approves by a rule of old: %v", err)
	}
	hubtest.Check(t, o.Approve(t.Context(), wang, before, o.seen(before)))
	hubtest.Check(t, o.Approve(t.Context(), hq, after, o.seen(after)))
	if acts := o.acts("approval_rules/1"); !slices.Equal(acts, []string{"sec approval.rules_written"}) {
		t.Errorf("acts %q", acts)
	}
	// an edit chooses by the rules that count now
	third := o.asked(li, "count.read", time.Hour, "CTU", "SHA")
	if _, err := o.save(approvals.Rules(), 1); err != nil {
		t.Fatal(err)
	}
	hubtest.Check(t, o.Edit(t.Context(), li, third, approvals.Ask{Permission: "transfer.write", Warehouses: []stock.Warehouse{"SHA"}, Until: o.Now().Add(time.Hour).UnixMilli()}, "less"))
	if got := o.stored(third).Rule.ID; got != "access-warehouse" {
		t.Errorf("after the edit %s", got)
	}
}

func TestEditionsOfRules(t *testing.T) {
	o := open(t)
	some := approvals.Rules()[1:]
	if _, err := o.save(some, 3); !errors.Is(err, store.ErrRulesChanged) {
		t.Errorf("of an edition that is not: %v", err)
	}
	if _, err := o.save(approvals.Rules(), 0); !errors.Is(err, approvals.ErrNothingNew) {
		t.Errorf("what counts already: %v", err)
	}
	if _, err := o.SaveRules(t.Context(), sec, some, 0, "", yes); !errors.Is(err, approvals.ErrNote) {
		t.Errorf("without a reason: %v", err)
	}
	no := errors.New("no")
	if _, err := o.SaveRules(t.Context(), sec, some, 0, "why", func(*store.View) error { return no }); !errors.Is(err, no) {
		t.Errorf("refused: %v", err)
	}
	o.View(func(v *store.View) error {
		e, err := o.RulesNow(v)
		if e.Version != 0 || len(e.Rules) != len(approvals.Rules()) {
			t.Errorf("what was refused counts: %d", e.Version)
		}
		return err
	})
	if v, err := o.save(some, 0); v != 1 || err != nil {
		t.Fatal(v, err)
	}
	o.View(func(v *store.View) error {
		now, err1 := o.RulesNow(v)
		ready, err2 := o.RulesOf(v, 0)
		all, err3 := v.RulesEditions(9)
		_, err4 := v.RulesAt(o.Now().Add(-time.Hour))
		if now.Version != 1 || now.By != "sec" || len(ready.Rules) != len(some)+1 || len(all) != 1 || !errors.Is(err4, store.ErrNotFound) {
			t.Errorf("now %+v, %d, %d, %v", now, len(ready.Rules), len(all), err4)
		}
		return errors.Join(err1, err2, err3)
	})
}

// TestAnOldEditionKnowsNewKinds: rules that were written before there was a kind leave it to the ready rules, and do not stop its work.
func TestAnOldEditionKnowsNewKinds(t *testing.T) {
	o := open(t)
	old := slices.DeleteFunc(slices.Clone(approvals.Rules()), func(r approval.Rule) bool { return r.When.Kind == approval.Export })
	if _, err := o.save(old, 0); err != nil {
		t.Fatal(err)
	}
	hubtest.Check(t, o.Hub.Store.Update(t.Context(), o.Now(), func(tx *store.Tx) error {
		return o.Service.Open(tx, li, approval.Request{ID: "E1", By: approvals.PersonOf(li), Content: []byte("x"), Reason: "y", Asked: 1, Until: o.Now().Add(time.Hour).UnixMilli(), Facts: approval.Facts{Kind: approval.Export, Rows: 9}})
	}))
	if got := o.stored("E1").Rule.ID; got != "export" {
		t.Errorf("rule %s", got)
	}
}

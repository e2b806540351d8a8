package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/exports"
	"stockade/hub/leavers"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// openPeople is openRights with all that keeps something for people.
func openPeople(t *testing.T) pages {
	t.Helper()
	p := openRights(t)
	p.approvals, p.exports = p.openRequests(p.accounts, p.holds)
	if err := p.openLessons(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.openLeavers()
	return p
}

// TestLeaving: a manager with something of everything leaves, item by item; what comes back is nothing.
func TestLeaving(t *testing.T) {
	p := openPeople(t)
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	sec := p.hire(t, "sec", []access.RoleID{access.SecurityAdmin})
	hq := p.hire(t, "hq", []access.RoleID{access.Operations})
	zhao := p.hire(t, "Zhao", []access.RoleID{access.Manager}, "SHA")
	li := p.hire(t, "li", []access.RoleID{access.Worker}, "SHA")
	hq.Roles, zhao.Roles, zhao.Warehouses, li.Roles, li.Warehouses = []string{"operations"}, []string{"branch-manager"}, []string{"SHA"}, []string{"warehouse-worker"}, []string{"SHA"}
	check(p.accounts.SetPIN(ctx, zhao, "284719"))
	if _, err := p.accounts.NewBadge(ctx, sec, "Zhao"); err != nil {
		t.Fatal(err)
	}
	if _, err := p.accounts.BeginFactor(ctx, zhao); err != nil {
		t.Fatal(err)
	}
	check(p.accounts.LinkFor(ctx, sec, "Zhao", "https://login.example", "zhao-7"))
	day := p.Now().Add(time.Hour).UnixMilli()
	ask := func(who identity.Person, a approvals.Ask) string {
		a.Until = day
		id, err := p.approvals.Ask(ctx, who, a, "for the test")
		check(err)
		return id
	}
	granted := ask(zhao, approvals.Ask{Permission: "label.write", Everywhere: true})
	doc, err := p.Request(ctx, hq, granted, false)
	check(err)
	check(p.approvals.Approve(ctx, hq, granted, doc.Hash))
	waits := ask(zhao, approvals.Ask{Permission: "node.read", Everywhere: true})
	lis := ask(li, approvals.Ask{Permission: "case.read", Warehouses: []stock.Warehouse{"SHA"}}) // Zhao alone can answer it today
	if _, err := p.PutDraft(ctx, rights.Draft{Removed: []access.RoleID{"x"}}, zhao); err != nil {
		t.Fatal(err)
	}
	check(p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error {
		return tx.AddExport(store.ExportInfo{ID: "E1", Account: "Zhao", Kind: string(exports.Stock), Filter: `{"kind":"stock"}`, Day: "2026-11-26", Lines: 1, State: store.ExportReady, Until: p.recorder.Clock().Add(time.Hour)}, []byte("rows"))
	}))
	if _, err := p.StartReview(ctx, "Q4", "2099-01-01", sec); err != nil {
		t.Fatal(err)
	}

	check(p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error {
		_, err := tx.AddPartner(store.Partner{Customer: true, Name: "某某商行", Keeper: "Zhao", Active: true}, "zhao", "sec")
		return err
	}))

	id, err := p.StartLeaver(ctx, sec, "Zhao", stock.Date(p.Now().Format(time.DateOnly)))
	check(err)
	at := func(key string) leavers.Item {
		t.Helper()
		s, err := p.Leaver(ctx, id)
		check(err)
		n := slices.IndexFunc(s.Items, func(i leavers.Item) bool { return i.Key == key })
		if n < 0 {
			t.Fatalf("no item %s", key)
		}
		return s.Items[n]
	}
	for key, want := range map[string]int{"account": 1, "sessions": 1, "badge": 2, "company": 1, "roles": 3, "grants": 1, "requests": 1, "approvals": 1, "manager": 1, "review": 1, "draft": 1, "exports": 1, "customers": 1} {
		if i := at(key); i.State != leavers.Open || i.Count != want {
			t.Errorf("%s: %+v, want %d open", key, i, want)
		}
	}
	if i := at("approvals"); i.List[0].EN != lis {
		t.Errorf("%+v, want %s", i, lis)
	}
	for _, key := range []string{"grants", "requests", "draft", "exports", "account", "badge", "company", "roles"} {
		if err := p.DoLeaver(ctx, sec, id, key); err != nil {
			t.Fatalf("%s: %v", key, err)
		}
		if i := at(key); i.State != leavers.Done || i.By != "sec" {
			t.Errorf("%s: %+v", key, i)
		}
	}
	for _, key := range []string{"sessions", "review"} { // went with the account
		if i := at(key); i.State != leavers.Nothing {
			t.Errorf("%s: %+v", key, i)
		}
	}
	for what, gone := range map[string]bool{
		"the request":   stateOf(t, p, waits) == "withdrawn",
		"the grant":     len(must(t, func() ([]access.Temporary, error) { return temporaries(t, p, "zhao") })) == 0,
		"the export":    lastEntry(t, p, "export.dropped").Detail["exports"] == "1",
		"the draft":     must(t, func() (rights.Draft, error) { return p.Draft(ctx, zhao) }).Empty(),
		"roles and all": lastEntry(t, p, "account.stripped").Detail["roles_before"] == "branch-manager",
	} {
		if !gone {
			t.Errorf("%s stays", what)
		}
	}
	for _, key := range []string{"approvals", "manager", "customers"} {
		if at(key).State == leavers.Open {
			check(p.CheckLeaver(ctx, sec, id, key, leavers.DidHandOver, "hq"))
		}
	}
	for _, key := range leavers.Things {
		check(p.CheckLeaver(ctx, sec, id, key, leavers.DidNone, ""))
	}
	check(p.FinishLeaver(ctx, sec, id))
	e := lastEntry(t, p, leavers.ActFinished)
	if e.Object != "leaver/1" || e.Detail["account"] != "zhao" || e.Detail["item_account"] != "done sec" || e.Detail["item_laptop"] != "none sec" || len(e.Detail["summary"]) != 64 {
		t.Errorf("recorded %+v", e)
	}

	// Back again: the account can be enabled, and gives nothing.
	check(p.accounts.Enable(ctx, sec, "Zhao"))
	a, err := p.accounts.Account(ctx, "Zhao")
	check(err)
	badge, err := p.accounts.BadgeOf(ctx, "Zhao")
	check(err)
	if len(a.Roles)+len(a.Warehouses) > 0 || !a.Waiting || a.Factor || badge.Name != "" || !badge.PIN.IsZero() {
		t.Errorf("came back with %+v, %+v", a, badge)
	}
	if _, err := p.accounts.SignIn(ctx, "Zhao", "春风又绿江南岸-明月何时照我还", identity.From{Address: "10.0.0.1"}); err == nil {
		t.Error("the former password works")
	}
}

// TestTheLastAdministratorDoesNotLeave: somebody else has to be able to change rights first.
func TestTheLastAdministratorDoesNotLeave(t *testing.T) {
	p := openPeople(t)
	ctx := t.Context()
	hr := p.hire(t, "hr", nil) // may administer people by a role of the company's own
	p.hire(t, "sec", []access.RoleID{access.SecurityAdmin})
	id, err := p.StartLeaver(ctx, hr, "sec", stock.Date(p.Now().Format(time.DateOnly)))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"account", "roles"} {
		if err := p.DoLeaver(ctx, hr, id, key); err == nil || !strings.Contains(err.Error(), "else") && !strings.Contains(err.Error(), "blocked") {
			t.Errorf("%s of the last who can change rights: %v", key, err)
		}
	}
	p.hire(t, "sec2", []access.RoleID{access.SecurityAdmin})
	for _, key := range []string{"account", "roles"} {
		if err := p.DoLeaver(ctx, hr, id, key); err != nil {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func must[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func temporaries(t *testing.T, p pages, folded access.Account) (out []access.Temporary, err error) {
	t.Helper()
	err = p.store.View(t.Context(), func(v *store.View) error { out, err = v.Temporaries(folded); return err })
	return out, err
}

func stateOf(t *testing.T, p pages, id string) (state string) {
	t.Helper()
	err := p.store.View(t.Context(), func(v *store.View) error {
		a, err := v.Approval(id)
		state = string(a.State)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state
}

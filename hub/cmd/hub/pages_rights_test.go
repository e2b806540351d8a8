package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/dashboard"
	"stockade/hub/keyring"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
)

// openRights returns the pages over a real store with keys, a log and accounts.
func openRights(t *testing.T) pages {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	})
	s, err := store.Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	h := &hub{store: s, vault: v}
	err = s.Update(t.Context(), time.Now(), func(tx *store.Tx) error { h.ring, err = keyring.Make(tx, "acme", root); return err })
	if err != nil {
		t.Fatal(err)
	}
	h.recorder = &auditlog.Recorder{Store: s, Ring: h.ring, Clock: time.Now}
	p := pages{&server{hub: h}}
	p.accounts, err = identity.Open(t.Context(), v, identity.Options{Now: time.Now, Audit: p.recordPerson, Rules: identity.ASVS})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hire makes an account whose password was chosen.
func (p pages) hire(t *testing.T, name string, roles []access.RoleID, warehouses ...string) identity.Person {
	t.Helper()
	a := identity.Account{Name: name, Warehouses: warehouses}
	for _, r := range roles {
		a.Roles = append(a.Roles, string(r))
	}
	code, err := p.accounts.Create(t.Context(), identity.Person{Account: "setup"}, a)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.accounts.Activate(t.Context(), code, "春风又绿江南岸-明月何时照我还", identity.From{Address: "10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	s.Person.Address = "10.0.0.1"
	return s.Person
}

func edited(t *testing.T, p pages, id access.RoleID, edit func(*access.Role)) access.Policy {
	t.Helper()
	now, err := p.PolicyNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := now.Policy
	next.Roles = slices.Clone(next.Roles)
	for i := range next.Roles {
		if next.Roles[i].ID == id {
			next.Roles[i].Grants = slices.Clone(next.Roles[i].Grants)
			edit(&next.Roles[i])
		}
	}
	return next
}

func without(p access.Permission) func(*access.Role) {
	return func(r *access.Role) {
		r.Grants = slices.DeleteFunc(r.Grants, func(g access.Grant) bool { return g.Permission == p })
	}
}

func TestPolicyIsSavedWithItsEntry(t *testing.T) {
	p := openRights(t)
	boss := p.hire(t, "boss", []access.RoleID{access.SecurityAdmin})
	p.hire(t, "li", []access.RoleID{access.Worker}, "SHA")
	next := edited(t, p, access.Worker, without("count.write"))
	for _, note := range []string{"", strings.Repeat("字", rights.MostNote+1), "a\x00b"} {
		if _, err := p.SavePolicy(t.Context(), next, note, true, boss); err == nil {
			t.Errorf("saved with the note %.20q", note)
		}
	}
	if _, err := p.PutDraft(t.Context(), rights.Draft{Base: 0, Removed: []access.RoleID{"x"}}, boss); err != nil {
		t.Fatal(err)
	}
	version, err := p.SavePolicy(t.Context(), next, "盘点交给主管", true, boss)
	if err != nil || version != 1 {
		t.Fatal(version, err)
	}
	if d, err := p.Draft(t.Context(), boss); err != nil || !d.Empty() || d.Rev != 2 {
		t.Errorf("draft %+v, %v", d, err)
	}
	e, err := p.Policy(t.Context(), 1)
	if err != nil || e.By != "boss" || e.Note != "盘点交给主管" || e.At.IsZero() {
		t.Errorf("%+v, %v", e, err)
	}
	entry := lastEntry(t, p, store.PolicyWritten)
	if entry.Object != "policy/1" || entry.Detail["note"] != "盘点交给主管" || !strings.Contains(entry.Detail["changes"], "warehouse-worker changed +0 -1") || entry.Detail["affected"] != "1" || len(entry.Detail["content"]) != 64 {
		t.Errorf("recorded %+v", entry)
	}
	same, _ := p.PolicyNow(t.Context())
	if _, err := p.SavePolicy(t.Context(), same.Policy, "again", false, boss); err == nil {
		t.Error("what counts already was saved again")
	}
	// Returning to what everything began with is a new edition.
	first, err := p.Policy(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	first.Policy.Version = 1
	if version, err := p.SavePolicy(t.Context(), first.Policy, "back", false, boss); err != nil || version != 2 {
		t.Error(version, err)
	}
	if all, err := p.Policies(t.Context(), 9); err != nil || len(all) != 2 || all[0].Version != 2 {
		t.Errorf("%d editions, %v", len(all), err)
	}
}

// TestWhoHasWhatForATime: reports know what is lent, while what a policy needs somebody for is not done by who has it for a time only.
func TestWhoHasWhatForATime(t *testing.T) {
	p := openRights(t)
	if _, err := p.accounts.Create(t.Context(), identity.Person{Account: "boss"}, identity.Account{Name: "Li", Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}}); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	asked := approval.Request{ID: "A1", By: approval.Person{Account: "Li"}, Content: []byte{1}, Reason: "holidays", Asked: now.UnixMilli(), Until: now.Add(time.Hour).UnixMilli(),
		Facts: approval.Facts{Kind: approval.Access, Permission: "role.write", Privileged: true, Everywhere: true}}
	err := p.store.Update(t.Context(), now, func(tx *store.Tx) error {
		rule, err := approval.Choose(approvals.Rules(), asked.Facts)
		if err != nil {
			return err
		}
		process, event, err := approval.Open(asked, rule, now.UnixMilli())
		if err == nil {
			err = tx.AddApproval(process, event)
		}
		if err != nil {
			return err
		}
		return tx.AddTemporary("Li", "li", access.Temporary{ID: "A1", Reason: "holidays", Approver: "sec", From: now.UnixMilli(), Until: now.Add(time.Hour).UnixMilli(),
			Grant: access.Grant{Permission: "role.write", Scope: access.Scope{Reach: access.Everywhere, Whose: access.Anyone}}})
	})
	if err != nil {
		t.Fatal(err)
	}
	staff, err := p.StaffNow(t.Context())
	if err != nil || len(staff) != 1 || len(staff[0].Temporary) != 1 || staff[0].Temporary[0].Approver != "sec" {
		t.Errorf("with what is lent: %+v, %v", staff, err)
	}
	if staff, err = p.Staff(t.Context()); err != nil || len(staff[0].Temporary) != 0 {
		t.Errorf("without: %+v, %v", staff, err)
	}
	if able, err := rights.Writers(access.Ready(), staff, netip.MustParseAddr("127.0.0.1"), now); err != nil || len(able) != 0 {
		t.Errorf("%+v may change rights for good, %v", able, err)
	}
}

// lastEntry returns the last entry of that act in the hub's own part of the log.
func lastEntry(t *testing.T, p pages, act string) (last change.Entry) {
	t.Helper()
	err := p.store.View(t.Context(), func(v *store.View) error {
		all, err := v.Entries(0)
		for _, l := range all {
			c, err := change.Decode(l.Entry)
			if err != nil {
				return err
			}
			if e, err := c.Entry(); err == nil && e.Act == act {
				last = e
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return last
}

// TestGivingUpSeparationIsRecorded: the log says that the three administrators are no longer kept apart.
func TestGivingUpSeparationIsRecorded(t *testing.T) {
	p := openRights(t)
	boss := p.hire(t, "boss", []access.RoleID{access.SecurityAdmin})
	next := edited(t, p, access.Worker, without("count.write"))
	if _, err := p.SavePolicy(t.Context(), next, "no counts", false, boss); err != nil {
		t.Fatal(err)
	}
	if d := lastEntry(t, p, store.PolicyWritten).Detail; d["separation_of_administrators"] != "" {
		t.Errorf("recorded %+v", d)
	}
	next.Version, next.Exclusions = 1, next.Exclusions[1:]
	if _, err := p.SavePolicy(t.Context(), next, "one person does all", false, boss); err != nil {
		t.Fatal(err)
	}
	if d := lastEntry(t, p, store.PolicyWritten).Detail; d["separation_of_administrators"] != "given up" || !strings.Contains(d["changes"], "rule administrators are three people removed") {
		t.Errorf("recorded %+v", d)
	}
}

func TestConcurrentSaves(t *testing.T) {
	p := openRights(t)
	boss := p.hire(t, "boss", []access.RoleID{access.SecurityAdmin})
	var saved, late atomic.Int32
	var all sync.WaitGroup
	for n := range 8 {
		next := edited(t, p, access.Worker, func(r *access.Role) { r.Names.EN = fmt.Sprint("Worker ", n) })
		next.Version = 0
		all.Go(func() {
			switch _, err := p.SavePolicy(t.Context(), next, "race", false, boss); {
			case err == nil:
				saved.Add(1)
			case errors.Is(err, dashboard.ErrPolicyChanged):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if saved.Load() != 1 || late.Load() != 7 {
		t.Errorf("%d saved, %d came late", saved.Load(), late.Load())
	}
}

func TestTheLastWriterStays(t *testing.T) {
	p := openRights(t)
	boss := p.hire(t, "boss", []access.RoleID{access.SecurityAdmin})
	far := access.Network{}
	if err := far.UnmarshalCBOR(mustMarshal(t, "192.0.2.0/24")); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*access.Role){
		"taken away": without(rights.WritePolicy),
		"narrowed": func(r *access.Role) {
			for i := range r.Grants {
				r.Grants[i].Scope = access.Scope{Reach: access.Home, Whose: access.Anyone}
			}
		},
		"from elsewhere": func(r *access.Role) {
			for i := range r.Grants {
				r.Grants[i].Condition.Networks = []access.Network{far}
			}
		},
	} {
		_, err := p.SavePolicy(t.Context(), edited(t, p, access.SecurityAdmin, edit), "oops", false, boss)
		var r *rights.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Words.ZH, "没有人能再修改权限") || !strings.Contains(r.Words.EN, "boss") || strings.Contains(r.Words.ZH+r.Words.EN, "%!") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Somebody else who can makes it possible.
	p.hire(t, "deputy", []access.RoleID{access.Auditor})
	next := edited(t, p, access.SecurityAdmin, without(rights.WritePolicy))
	for i := range next.Roles {
		if next.Roles[i].ID == access.Auditor {
			next.Roles[i].Grants = append(slices.Clone(next.Roles[i].Grants), access.Grant{Permission: rights.WritePolicy, Scope: access.Scope{Reach: access.Everywhere, Whose: access.Anyone}})
		}
	}
	if _, err := p.SavePolicy(t.Context(), next, "deputy", false, boss); err != nil {
		t.Error(err)
	}
}

func mustMarshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := change.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReview(t *testing.T) {
	p := openRights(t)
	ctx := t.Context()
	hq := p.hire(t, "hq", []access.RoleID{access.Operations})
	sec := p.hire(t, "sec", []access.RoleID{access.SecurityAdmin})
	sha := p.hire(t, "Sha", []access.RoleID{access.Manager}, "SHA")
	bjs := p.hire(t, "bjs", []access.RoleID{access.Manager}, "BJS")
	p.hire(t, "li", []access.RoleID{access.Worker}, "SHA")
	p.hire(t, "both", []access.RoleID{access.Worker, access.Lead}, "BJS", "SHA")
	id, err := p.StartReview(ctx, "Q4", "2026-12-31", sec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.StartReview(ctx, "again", "2026-12-31", sec); err == nil {
		t.Error("two reviews are open")
	}
	item := func(account access.Account, role access.RoleID, w string) int64 {
		_, items, err := p.Review(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range items {
			if i.Account == account && i.Role == role && string(i.Warehouse) == w {
				return i.ID
			}
		}
		t.Fatalf("nothing is asked about %s %s %q", account, role, w)
		return 0
	}
	roles := func(name string) string {
		a, err := p.accounts.Account(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(a.Roles, " ")
	}
	answer := func(by identity.Person, item int64, v access.Verdict) error {
		return p.AnswerReview(ctx, id, item, v, "note", by)
	}
	for name, c := range map[string]struct {
		by   identity.Person
		item int64
	}{"the other warehouse's": {bjs, item("li", access.Worker, "SHA")}, "headquarters where there is a manager": {hq, item("li", access.Worker, "SHA")}, "oneself": {sha, item("sha", access.Manager, "SHA")},
		"oneself at headquarters": {hq, item("hq", access.Operations, "")}, "nobody": {identity.Person{Account: "ghost"}, item("li", access.Worker, "SHA")}} {
		if err := answer(c.by, c.item, access.Withdrawn); err == nil {
			t.Errorf("%s may answer", name)
		}
	}
	if err := answer(sha, item("li", access.Worker, "SHA"), access.Withdrawn); err != nil {
		t.Error(err)
	}
	if roles("li") != "" {
		t.Errorf("li has %q", roles("li"))
	}
	if err := answer(sha, item("li", access.Worker, "SHA"), access.Confirmed); err == nil {
		t.Error("a role that was withdrawn is confirmed")
	}
	// Both warehouses agree about one role, and differ about the other.
	for _, c := range []struct {
		by   identity.Person
		role access.RoleID
		w    string
		v    access.Verdict
		want string
	}{{sha, access.Worker, "SHA", access.Withdrawn, "warehouse-lead warehouse-worker"}, {bjs, access.Worker, "BJS", access.Withdrawn, "warehouse-lead"},
		{sha, access.Lead, "SHA", access.Withdrawn, "warehouse-lead"}, {bjs, access.Lead, "BJS", access.Confirmed, "warehouse-lead"}, {hq, access.Lead, "", access.Withdrawn, ""}} {
		if err := answer(c.by, item("both", c.role, c.w), c.v); err != nil || roles("both") != c.want {
			t.Errorf("%s %s %s: %v, then %q", c.role, c.w, c.v, err, roles("both"))
		}
	}
	// The last one who can write policies does not lose that.
	var r *rights.Refusal
	if err := answer(hq, item("sec", access.SecurityAdmin, ""), access.Withdrawn); !errors.As(err, &r) {
		t.Errorf("the last writer: %v", err)
	}
	if err := p.CloseReview(ctx, id, sec); err != nil {
		t.Fatal(err)
	}
	review, _, err := p.Review(ctx, id)
	if err != nil || review.Open() {
		t.Fatal(err)
	}
	result, err := access.OpenReview(p.ring.Log.Public().(ed25519.PublicKey), "acme", review.Result)
	if err != nil {
		t.Fatal(err)
	}
	count := map[access.Verdict]int{}
	for _, i := range result.Items {
		count[i.Verdict]++
		if i.InEffect != (i.Account == "li" || i.Account == "both") {
			t.Errorf("%+v", i)
		}
	}
	if result.Title != "Q4" || result.ClosedBy != "sec" || count[access.Withdrawn] != 5 || count[access.Confirmed] != 1 || count[access.Undecided] != 4 {
		t.Errorf("%+v %v", result, count)
	}
	if entry := lastEntry(t, p, "review.closed"); entry.Detail["sha256"] != review.Hash || entry.Detail["withdrawn"] != "5" {
		t.Errorf("recorded %+v, want %s", entry, review.Hash)
	}
	if b, err := hex.DecodeString(review.Hash); err != nil || len(b) != 32 {
		t.Error(review.Hash)
	}
	tampered := slices.Clone(review.Result)
	tampered[len(tampered)/2] ^= 1
	if _, err := access.OpenReview(p.ring.Log.Public().(ed25519.PublicKey), "acme", tampered); err == nil {
		t.Error("a tampered result is authentic")
	}
	if _, err := access.OpenReview(p.ring.Ack.Public().(ed25519.PublicKey), "acme", review.Result); err == nil {
		t.Error("another key signed it too")
	}
	for name, err := range map[string]error{"close": p.CloseReview(ctx, id, sec), "answer": answer(sha, item("sha", access.Manager, "SHA"), access.Confirmed)} {
		if err == nil {
			t.Errorf("%s after the end", name)
		}
	}
	if _, err := p.StartReview(ctx, "next", "2027-03-31", sec); err != nil {
		t.Error(err)
	}
}

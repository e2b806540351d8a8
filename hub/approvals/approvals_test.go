package approvals_test

import (
	"context"
	"crypto/hpke"
	"errors"
	"slices"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// office is a hub with people who ask and approve.
type office struct {
	*hubtest.Hub
	*approvals.Service
	disabled map[access.Account]bool
	keys     map[stock.Warehouse]hpke.PrivateKey // of nodes, see office.node
}

func person(name, role string, warehouses ...string) identity.Person {
	p := identity.Person{Account: name, Session: "s-" + name, Address: "10.0.0.7", Warehouses: warehouses}
	if role != "" {
		p.Roles = []string{role}
	}
	return p
}

var (
	li   = person("Li", "warehouse-worker", "SHA")
	wang = person("wang", "branch-manager", "SHA")
	ctu  = person("ctu", "branch-manager", "CTU")
	hq   = person("hq", "operations")
	sec  = person("sec", "security-administrator")
	sys  = person("sys", "system-administrator")
	all  = []identity.Person{li, wang, ctu, hq, sec, sys}
)

func open(t *testing.T) *office {
	h := hubtest.New(t)
	o := &office{Hub: h, disabled: map[access.Account]bool{}}
	o.Service = &approvals.Service{Store: h.Store, Recorder: &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}, Rules: approvals.Rules(),
		Policy: func(*store.View) (access.Policy, error) { return access.Ready(), nil },
		Subject: func(_ context.Context, name access.Account) (access.Subject, error) {
			n := slices.IndexFunc(all, func(p identity.Person) bool { return p.Account == string(name) })
			if n < 0 {
				return access.Subject{}, identity.ErrNobody
			}
			s := approvals.SubjectOf(all[n])
			s.Disabled = o.disabled[name]
			return s, nil
		}}
	return o
}

func (o *office) ask(who identity.Person, p access.Permission, d time.Duration, at ...stock.Warehouse) (string, error) {
	o.T.Helper()
	return o.Ask(o.T.Context(), who, approvals.Ask{Permission: p, Warehouses: at, Everywhere: len(at) == 0, Until: o.Now().Add(d).UnixMilli()}, "year's end")
}

func (o *office) asked(who identity.Person, p access.Permission, d time.Duration, at ...stock.Warehouse) string {
	o.T.Helper()
	id, err := o.ask(who, p, d, at...)
	hubtest.Check(o.T, err)
	return id
}

func (o *office) stored(id string) (a store.StoredApproval) {
	o.T.Helper()
	o.View(func(v *store.View) (err error) { a, err = v.Approval(id); return err })
	return a
}

func (o *office) seen(id string) change.Hash {
	o.T.Helper()
	h, err := o.stored(id).Request.Hash()
	hubtest.Check(o.T, err)
	return h
}

// may asks the permission model with the grants that the store gives.
func (o *office) may(who identity.Person, p access.Permission, at stock.Warehouse) (d access.Decision) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		s := approvals.SubjectOf(who)
		var err error
		if s.Temporary, err = v.Temporaries(approvals.Fold(s.Account)); err != nil {
			return err
		}
		e, err := access.Compile(access.Ready())
		if err != nil {
			return err
		}
		d = e.Decide(access.Request{Subject: &s, Permission: p, Resource: access.Resource{Warehouse: at}, Time: o.Now(), ClockTrusted: true, InContact: true, StepUp: o.Now()})
		return nil
	})
	return d
}

// acts returns the acts of the hub's log about an object, in order, each with who did it.
func (o *office) acts(object string) (out []string) {
	o.T.Helper()
	o.View(func(v *store.View) error {
		list, err := v.Entries(0)
		for _, l := range list {
			c, err := change.Decode(l.Entry)
			if err != nil {
				return err
			}
			e, err := c.Entry()
			if err != nil {
				return err
			}
			if e.Object == object {
				out = append(out, c.Meta.Actor+" "+e.Act)
			}
		}
		return err
	})
	return out
}

func (o *office) waits(who identity.Person) int {
	o.T.Helper()
	list, err := o.Waiting(o.T.Context(), who)
	hubtest.Check(o.T, err)
	return len(list)
}

// TestAPermissionForATime from its asking to its end, as the permission model and the log see it.
func TestAPermissionForATime(t *testing.T) {
	o := open(t)
	id := o.asked(li, "stock.export", 48*time.Hour, "SHA")
	if o.may(li, "stock.export", "SHA").Allowed || o.waits(wang) != 1 || o.waits(ctu) != 0 || o.waits(li) != 0 || o.waits(hq) != 0 {
		t.Fatal("the request gives something already, or waits for somebody else")
	}
	if err := o.Approve(t.Context(), ctu, id, o.seen(id)); !errors.Is(err, approval.ErrNotAsked) {
		t.Errorf("the manager of another warehouse: %v", err)
	}
	if err := o.Approve(t.Context(), li, id, o.seen(id)); !errors.Is(err, approval.ErrSelf) {
		t.Errorf("oneself: %v", err)
	}
	hubtest.Check(t, o.Approve(t.Context(), wang, id, o.seen(id)))
	d := o.may(li, "stock.export", "SHA")
	if !d.Allowed || !slices.Equal(d.Temporary, []access.TemporaryID{access.TemporaryID(id)}) || o.may(li, "stock.export", "CTU").Allowed || o.may(li, "movement.export", "SHA").Allowed {
		t.Fatalf("granted: %+v", d)
	}
	if _, err := o.ask(li, "stock.export", time.Hour, "SHA"); !errors.Is(err, approvals.ErrHeld) {
		t.Errorf("what is held already: %v", err)
	}
	o.Later(48 * time.Hour)
	if d := o.may(li, "stock.export", "SHA"); d.Allowed || d.Reason != access.Ended {
		t.Errorf("after its end, though nobody has told the store: %+v", d)
	}
	hubtest.Check(t, o.Due(t.Context()))
	hubtest.Check(t, o.Due(t.Context()))
	o.View(func(v *store.View) error {
		if list, err := v.Temporaries("li"); err != nil || len(list) != 0 {
			t.Errorf("still %v, %v", list, err)
		}
		return nil
	})
	if got, want := o.acts(id), []string{"Li approval.asked", "wang approval.granted", "@hub grant.expired"}; !slices.Equal(got[:2], want[:2]) || len(got) != 3 || got[2][len(got[2])-13:] != "grant.expired" {
		t.Errorf("the log says %v", got)
	}
	o.Audited()
}

func TestEndedEarly(t *testing.T) {
	o := open(t)
	id := o.asked(li, "stock.export", time.Hour, "SHA")
	hubtest.Check(t, o.Approve(t.Context(), wang, id, o.seen(id)))
	if err := o.EndGrant(t.Context(), ctu, access.TemporaryID(id), false); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("by a stranger: %v", err)
	}
	hubtest.Check(t, o.EndGrant(t.Context(), wang, access.TemporaryID(id), false))
	if d := o.may(li, "stock.export", "SHA"); d.Allowed {
		t.Errorf("after its early end: %+v", d)
	}
	if err := o.EndGrant(t.Context(), sec, access.TemporaryID(id), true); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("twice: %v", err)
	}
	if got := o.acts(id); !slices.Contains(got, "wang grant.ended") {
		t.Errorf("the log says %v", got)
	}
}

// TestWhoIsAsked: the branch manager of the warehouse, else the headquarters; for privileged permissions the security administrator.
func TestWhoIsAsked(t *testing.T) {
	o := open(t)
	for _, tt := range []struct {
		by    identity.Person
		p     access.Permission
		at    []stock.Warehouse
		asked []identity.Person
	}{{li, "stock.export", []stock.Warehouse{"SHA"}, []identity.Person{wang}}, {li, "stock.export", []stock.Warehouse{"CTU", "SHA"}, nil}, {li, "stock.export", nil, []identity.Person{hq}},
		{li, "node.enrol", []stock.Warehouse{"SHA"}, []identity.Person{sec}}, {wang, "stock.export", []stock.Warehouse{"CTU"}, []identity.Person{ctu}}, {hq, "movement.reverse", nil, []identity.Person{sec}},
		{wang, "print.decide", []stock.Warehouse{"SHA"}, []identity.Person{hq}}} {
		id := o.asked(tt.by, tt.p, time.Hour, tt.at...)
		for _, who := range all {
			a := o.stored(id)
			if got, want := a.Asks(approvals.PersonOf(who), o.Now().UnixMilli()), slices.ContainsFunc(tt.asked, func(p identity.Person) bool { return p.Account == who.Account }); got != want {
				t.Errorf("%s asks for %s at %v: %s asked %v, want %v", tt.by.Account, tt.p, tt.at, who.Account, got, want)
			}
		}
		hubtest.Check(t, o.Withdraw(t.Context(), tt.by, id))
	}
}

// TestEditVoidsAndEscalates: with real time and a real store.
func TestEditVoidsAndEscalates(t *testing.T) {
	o := open(t)
	id := o.asked(li, "stock.export", 20*24*time.Hour, "SHA")
	old := o.seen(id)
	hubtest.Check(t, o.Edit(t.Context(), li, id, approvals.Ask{Permission: "stock.export", Warehouses: []stock.Warehouse{"CTU", "SHA"}, Until: o.Now().Add(time.Hour * 400).UnixMilli()}, "more"))
	if err := o.Approve(t.Context(), hq, id, old); err == nil {
		t.Error("the old hash is approved")
	}
	if err := o.Edit(t.Context(), wang, id, approvals.Ask{Permission: "stock.export", Everywhere: true, Until: o.Now().Add(time.Hour).UnixMilli()}, "mine"); !errors.Is(err, approval.ErrNotOwn) {
		t.Errorf("edited by another: %v", err)
	}
	o.Later(24 * time.Hour)
	hubtest.Check(t, o.Due(t.Context()))
	if a := o.stored(id); !a.Escalated || o.waits(hq) != 1 {
		t.Errorf("after a day: %+v", a.Process)
	}
	o.Later(24 * time.Hour)
	if err := o.Approve(t.Context(), hq, id, o.seen(id)); !errors.Is(err, approval.ErrClosed) {
		t.Errorf("too late: %v", err)
	}
	hubtest.Check(t, o.Due(t.Context()))
	if a := o.stored(id); a.State != approval.Expired {
		t.Errorf("in the end %s", a.State)
	}
	got := o.acts(id)
	if len(got) != 4 || got[1] != "Li approval.edited" {
		t.Errorf("the log says %v", got)
	}
	o.View(func(v *store.View) error {
		events, err := v.ApprovalEvents(id)
		if len(events) != 4 || events[0].Hash != old || events[1].Hash == old || events[3].Act != approval.ActExpired || events[3].By != "" {
			t.Errorf("history %+v", events)
		}
		return err
	})
}

// TestWhatCanNotBeHad: duties and roles that exclude each other are not got round for a month, and a disabled account gets nothing.
func TestWhatCanNotBeHad(t *testing.T) {
	o := open(t)
	for _, tt := range []struct {
		who  identity.Person
		p    access.Permission
		d    time.Duration
		at   []stock.Warehouse
		want error
	}{{sys, "audit.read", time.Hour, nil, approvals.ErrExcluded}, {sys, "role.write", time.Hour, nil, approvals.ErrExcluded}, {li, "adjustment.write", time.Hour, []stock.Warehouse{"SHA"}, approvals.ErrExcluded},
		{li, "grant.approve", time.Hour, nil, approvals.ErrExcluded}, {li, "moon.land", time.Hour, nil, approvals.ErrPermission}, {li, "stock.export", 31 * 24 * time.Hour, nil, approvals.ErrSpan},
		{li, "stock.export", 0, nil, approvals.ErrSpan}, {li, "stock.read", time.Hour, []stock.Warehouse{"SHA"}, approvals.ErrHeld}, {person("", ""), "stock.read", time.Hour, nil, nil}} {
		if _, err := o.ask(tt.who, tt.p, tt.d, tt.at...); err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s asks for %s: %v, want %v", tt.who.Account, tt.p, err, tt.want)
		}
	}
	if _, err := o.Ask(t.Context(), li, approvals.Ask{Permission: "stock.export", Until: o.Now().Add(time.Hour).UnixMilli()}, "x"); !errors.Is(err, approvals.ErrScope) {
		t.Errorf("nowhere: %v", err)
	}
	id := o.asked(li, "stock.export", time.Hour, "SHA")
	o.disabled["Li"] = true
	if err := o.Approve(t.Context(), wang, id, o.seen(id)); !errors.Is(err, approvals.ErrExcluded) {
		t.Errorf("for a disabled account: %v", err)
	}
	if o.stored(id).State != approval.Waiting {
		t.Error("a refused yes left something")
	}
	for range 19 {
		o.asked(li, "stock.export", time.Hour, "SHA")
	}
	if _, err := o.ask(li, "stock.export", time.Hour, "SHA"); !errors.Is(err, approvals.ErrMany) {
		t.Errorf("a flood: %v", err)
	}
}

// TestStaleWriteIsRefused: what was read before somebody else acted is not written back.
func TestStaleWriteIsRefused(t *testing.T) {
	o := open(t)
	id := o.asked(li, "stock.export", time.Hour, "SHA")
	a := o.stored(id)
	hubtest.Check(t, o.Withdraw(t.Context(), li, id))
	err := o.Hub.Store.Update(t.Context(), o.Now(), func(tx *store.Tx) error { return tx.PutApproval(a.Process, a.Revision, nil) })
	if !errors.Is(err, store.ErrRevision) || o.stored(id).State != approval.Withdrawn {
		t.Errorf("written over: %v", err)
	}
}

package rights

import (
	"context"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

func newDesk(t *testing.T, o Options) *Desk {
	t.Helper()
	if o.Now == nil {
		o.Now = time.Now
	}
	d, err := New(o, access.Ready())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func person(role string, warehouses ...string) identity.Person {
	return identity.Person{Account: "Wang", Roles: []string{role}, Warehouses: warehouses}
}

// TestAtANode: everything is the node's warehouse; whoever does not belong to it has nothing there, however far their roles reach.
func TestAtANode(t *testing.T) {
	d := newDesk(t, Options{Home: "SHA"})
	for _, c := range []struct {
		who        identity.Person
		permission access.Permission
		want       bool
	}{
		{person("warehouse-worker", "SHA"), "stock.read", true},
		{person("warehouse-worker", "BJS", "SHA"), "stock.read", true},
		{person("warehouse-worker", "BJS"), "stock.read", false},
		{person("warehouse-worker"), "stock.read", false},
		{person("operations"), "stock.read", false},
		{person("operations", "SHA"), "stock.read", true},
		{person("warehouse-worker", "SHA"), "print.decide", false},
		{identity.Person{Station: "dock"}, "station.use", true},
		{identity.Person{Station: "dock"}, "stock.read", false},
		{identity.Person{}, "station.use", false},
	} {
		if got := d.List(c.who, c.permission); got.Allowed != c.want {
			t.Errorf("%+v on %s: %t, %s", c.who, c.permission, got.Allowed, got.Reason)
		}
		if got := d.Decide(c.who, c.permission, access.Resource{}); got.Allowed != c.want {
			t.Errorf("%+v on one %s: %t, %s", c.who, c.permission, got.Allowed, got.Reason)
		}
	}
	if d := newDesk(t, Options{}); d.Decide(identity.Person{Station: "dock"}, "station.use", access.Resource{Warehouse: "SHA"}).Allowed {
		t.Error("an open station has rights at the hub")
	}
	mine := access.Resource{Owner: "wang"}
	if w := person("warehouse-worker", "SHA"); !d.Decide(w, "movement.reverse", mine).Allowed || d.Decide(w, "movement.reverse", access.Resource{Owner: "li"}).Allowed {
		t.Error("a worker reverses others' movements, or not her own")
	}
}

// TestAtOnce: another policy decides from then on, and who waits for it is told.
func TestAtOnce(t *testing.T) {
	d := newDesk(t, Options{})
	told := d.Changed()
	w := person("seller")
	if !d.List(w, "stock.read").Allowed {
		t.Fatal("a seller sees no stock")
	}
	if err := d.Set(access.Policy{Version: 2}); err != nil || d.List(w, "stock.read").Allowed || d.Policy().Version != 2 {
		t.Errorf("without roles a seller sees stock: %v", err)
	}
	select {
	case <-told:
	default:
		t.Error("nobody was told")
	}
	if err := d.Set(access.Policy{Version: 3, Roles: []access.Role{{}}}); err == nil || d.Policy().Version != 2 {
		t.Errorf("a malformed policy: %v, version %d counts", err, d.Policy().Version)
	}
}

// TestAwayTooLong: privileged acts stop, work goes on; a temporary grant is not lengthened by a clock that was set back.
func TestAwayTooLong(t *testing.T) {
	now := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)
	known := now
	clock, contact := true, true
	grant := access.Temporary{ID: "t1", Grant: access.Grant{Permission: "label.read", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}}, Reason: "stock-taking", Approver: "li",
		From: now.Add(-time.Hour).UnixMilli(), Until: now.Add(time.Hour).UnixMilli()}
	d := newDesk(t, Options{Home: "SHA", Now: func() time.Time { return now }, Known: func() time.Time { return known }, Trust: func() (bool, bool) { return clock, contact },
		Lent: func(a access.Account) access.Subject {
			return access.Subject{Account: a, Temporary: []access.Temporary{grant}}
		}, Used: func(context.Context, identity.Person, Use) error { return nil }})
	worker, admin := person("warehouse-worker", "SHA"), person("security-administrator", "SHA")
	admin.FactorAt = now
	try := func(who identity.Person, p access.Permission, want access.Reason) {
		t.Helper()
		if got := d.List(who, p); got.Reason != want {
			t.Errorf("%s: %s, want %s", p, got.Reason, want)
		}
	}
	try(worker, "label.read", access.GrantedForATime)
	try(admin, "person.write", access.Granted)
	contact = false
	try(admin, "person.write", access.OutOfContact)
	try(worker, "station.use", access.Granted)
	contact, clock = true, false
	try(admin, "person.write", access.DoubtfulClock)
	try(worker, "station.use", access.Granted)
	clock, known, now = true, now.Add(2*time.Hour), now.Add(-30*time.Minute)
	try(worker, "label.read", access.Ended)
}

// TestRefusalsAreBounded: the same refusal is recorded once a minute, and no crowd of them fills the trail or the memory.
func TestRefusalsAreBounded(t *testing.T) {
	now, recorded := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), 0
	d := newDesk(t, Options{Now: func() time.Time { return now }, Refused: func(context.Context, identity.Person, Refusal) error { recorded++; return nil }})
	refuse := func(account string, p access.Permission) {
		if err := d.Refused(t.Context(), identity.Person{Account: account}, Refusal{Permission: p, Reason: access.NoGrant}); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		refuse("wang", "node.read")
	}
	refuse("wang", "audit.read")
	refuse("li", "node.read")
	if recorded != 3 {
		t.Errorf("%d entries, want 3", recorded)
	}
	now = now.Add(notedFor)
	refuse("wang", "node.read")
	if recorded != 4 {
		t.Errorf("a minute later: %d entries, want 4", recorded)
	}
	for i := range 3 * mostNoted {
		refuse(time.Unix(int64(i), 0).String(), "node.read")
	}
	if len(d.noted) > mostNoted || recorded > 4+mostNoted {
		t.Errorf("%d remembered, %d recorded", len(d.noted), recorded)
	}
}

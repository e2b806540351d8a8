package rights

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/access"
)

// TestUsesAreRecorded: every act, of readings one for each session, grant and permission in a while, and none is lost for want of memory or because the trail failed once.
func TestUsesAreRecorded(t *testing.T) {
	now, recorded, fails := time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), 0, false
	d := newDesk(t, Options{Now: func() time.Time { return now }, Lent: func(access.Account) access.Subject { return access.Subject{} },
		Used: func(_ context.Context, who identity.Person, u Use) error {
			if fails {
				return errors.New("disk full")
			}
			if len(who.Lent) > 0 || u.Grant == "" {
				t.Errorf("recorded as %+v by %+v", u, who)
			}
			recorded++
			return nil
		}})
	use := func(session string, g access.TemporaryID, p access.Permission, act bool) error {
		_, err := d.Used(t.Context(), identity.Person{Account: "wang", Session: session, Lent: []string{"t9"}}, Use{Grant: g, Permission: p}, act)
		return err
	}
	count := func(what string, want int) {
		t.Helper()
		if recorded != want {
			t.Errorf("%s: %d entries, want %d", what, recorded, want)
		}
	}
	for range 3 {
		_ = use("s1", "t1", "stock.read", false)
	}
	count("one session reads on", 1)
	_, _, _ = use("s2", "t1", "stock.read", false), use("s1", "t2", "stock.read", false), use("s1", "t1", "case.read", false)
	count("another session, grant, permission", 4)
	for range 3 {
		_ = use("s1", "t1", "stock.read", true)
	}
	count("acts", 7)
	now = now.Add(usedFor)
	_ = use("s1", "t1", "stock.read", false)
	count("after a while", 8)
	now = now.Add(-24 * time.Hour)
	_ = use("s1", "t1", "stock.read", false)
	count("after the clock was set back", 9)
	fails = true
	if use("s1", "t1", "stock.read", true) == nil || use("s3", "t1", "stock.read", false) == nil {
		t.Error("what could not be recorded is no error")
	}
	fails = false
	_ = use("s3", "t1", "stock.read", false)
	count("what failed is recorded by the next", 10)
	recorded = 0
	for i := range mostNoted + 10 {
		_ = use(fmt.Sprint(i), "t1", "stock.read", false)
	}
	_ = use(fmt.Sprint(mostNoted+9), "t1", "stock.read", false)
	count("a crowd", mostNoted+11)
	if len(d.read) > mostNoted {
		t.Errorf("%d are remembered", len(d.read))
	}
}

// TestNothingIsLentUnseen: a desk that knows what is lent and records no use does not open.
func TestNothingIsLentUnseen(t *testing.T) {
	if _, err := New(Options{Now: time.Now, Lent: func(access.Account) access.Subject { return access.Subject{} }}, access.Ready()); err == nil {
		t.Error("it opened")
	}
}

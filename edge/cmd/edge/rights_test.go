package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// rightsBench is a node that decides who may do what, without pages and without a line to the hub.
type rightsBench struct {
	*node
	t      *testing.T
	people *identity.Service
	wall   time.Time // what the machine's clock shows
	epoch  uint64    // of the hub's log
}

var lastWord = time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)

func newRightsBench(t *testing.T) *rightsBench {
	t.Helper()
	b := &rightsBench{t: t, epoch: 1, wall: lastWord.Add(time.Hour)}
	show := func() time.Time { return b.wall }
	b.node = &node{config: config{Zone: "Asia/Shanghai"}, log: slog.New(slog.DiscardHandler), store: storetest.Enrolled(t, t.TempDir(), "sh-1"), enrolment: storetest.Enrolment("sh-1"),
		clock: clock.New(show, 0), shown: show, began: time.Now()}
	b.enrolment.Trust.Warehouse, b.enrolment.HubTime = storetest.Warehouse, lastWord
	b.clock.Sure(lastWord)
	var err error
	b.people, err = identity.Open(t.Context(), b.store.Vault(), identity.Options{Now: b.clock.Wall, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	if err == nil {
		err = b.openRights(t.Context(), b.people)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hear takes in a chunk of a feed, as the sync core does once it has believed it.
func (b *rightsBench) hear(name string, version uint64, entries ...any) {
	b.t.Helper()
	list := make([]feed.Entry, len(entries))
	for i, v := range entries {
		var err error
		if e, ok := v.(feed.Entry); ok {
			list[i] = e
		} else if list[i], err = access.Pack(v); err != nil {
			b.t.Fatal(err)
		}
	}
	err := b.store.Update(b.t.Context(), func(tx *store.Tx) error {
		return tx.PutChunk(delivery.FeedPlace{LogEpoch: b.epoch, Feed: name, Version: version}, change.Hash{byte(version)}, list)
	})
	if err = errors.Join(err, b.loadRights(b.t.Context())); err != nil {
		b.t.Fatal(err)
	}
}

func (b *rightsBench) account(name string) (a identity.Account, known bool) {
	b.t.Helper()
	a, err := b.people.Account(b.t.Context(), name)
	if err != nil && !errors.Is(err, identity.ErrNobody) {
		b.t.Fatal(err)
	}
	return a, err == nil
}

func member(roles ...access.RoleID) access.Member {
	return access.Member{Account: "wang", Name: "Wang", Password: "$argon2id$x", Roles: roles, Warehouses: []stock.Warehouse{storetest.Warehouse}, Factors: []access.Factor{}}
}

// TestRightsAreHeard: roles, people and temporary grants of the feed decide, news replaces what was, and what this program can not read is
// taken away.
func TestRightsAreHeard(t *testing.T) {
	b := newRightsBench(t)
	who := identity.Person{Account: "Wang", Roles: []string{"look"}, Warehouses: []string{string(storetest.Warehouse)}}
	may := func() bool { return b.desk.List(who, "stock.read").Allowed }
	own := feed.Rights(storetest.Warehouse)
	look := access.Role{ID: "look", Grants: []access.Grant{{Permission: "stock.read", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}}}}
	if may() {
		t.Fatal("a role that nobody has heard of allows something")
	}
	b.hear(own, 1, look, member("look"))
	if a, known := b.account("wang"); !may() || !known || a.Name != "Wang" || len(a.Roles) != 1 {
		t.Errorf("after the first word: %t, %+v", may(), a)
	}
	// A feed of another kind, or of another warehouse, says nothing about rights, whatever stands in it.
	raised := member("look", "system-administrator")
	for i, name := range []string{feed.Catalogue, feed.Rights("XYZ"), feed.Siblings(storetest.Warehouse)} {
		b.hear(name, uint64(i)+1, access.Role{ID: "look"}, raised) // #nosec G115 -- small
		if a, _ := b.account("wang"); !may() || len(a.Roles) != 1 {
			t.Errorf("feed %s was believed about rights: %t, %+v", name, may(), a)
		}
	}
	role, err := access.Pack(look)
	if err != nil {
		t.Fatal(err)
	}
	role.Version = 9 // of a newer hub: less may be allowed
	b.hear(own, 2, role)
	if may() {
		t.Error("a role that can not be read lives on as it was")
	}
	now := b.clock.Wall()
	b.hear(own, 3, look, access.Subject{Account: "wang", Temporary: []access.Temporary{{ID: "t1", Reason: "stock-taking", Approver: "li", From: now.Add(-time.Hour).UnixMilli(), Until: now.Add(time.Hour).UnixMilli(),
		Grant: access.Grant{Permission: "case.read", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}}}}})
	if d := b.desk.List(who, "case.read"); !may() || !d.Allowed || d.Reason != access.GrantedForATime {
		t.Errorf("a temporary grant: %+v", d)
	}
	b.wall = b.wall.Add(2 * time.Hour)
	if d := b.desk.List(who, "case.read"); d.Allowed {
		t.Error("it lasts longer than it was given for")
	}
	entry, err := access.Pack(member("look"))
	if err != nil {
		t.Fatal(err)
	}
	entry.Version = 9
	b.hear(own, 4, entry)
	if a, known := b.account("wang"); !known || !a.Disabled {
		t.Errorf("a person in a form that can not be read lives on as %+v", a)
	}
	b.hear(own, 5, member("look"))
	if a, _ := b.account("wang"); a.Disabled {
		t.Error("and is kept out when the hub is understood again")
	}
}

// TestSealedPeople: what is sealed to this node is read, what is not keeps its person out until it is, and the node tells its key until the hub knows it.
func TestSealedPeople(t *testing.T) {
	b := newRightsBench(t)
	own := feed.Rights(storetest.Warehouse)
	key, err := access.SealingKey(storetest.Enrolment("sh-1").Seed)
	if err != nil {
		t.Fatal(err)
	}
	other, err := access.SealingKey(storetest.Enrolment("sh-2").Seed)
	if err != nil {
		t.Fatal(err)
	}
	public, others := key.PublicKey().Bytes(), other.PublicKey().Bytes()
	sealed := func(m access.Member, org string, w stock.Warehouse, readers ...[]byte) access.Sealed {
		s, err := access.Seal(m, access.Place{Org: org, Warehouse: w}, readers)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	told := func() (claims []string) {
		t.Helper()
		err := b.store.View(t.Context(), func(tx *store.Tx) error {
			all, err := tx.Uncut(1, 100, 1<<20)
			for _, raw := range all {
				if c, err := change.Decode(raw); err == nil {
					if e, err := c.Entry(); err == nil && e.Act == change.ActSealing {
						claims = append(claims, e.Detail["claim"])
					}
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return claims
	}
	again := func() {
		t.Helper()
		if err := b.openRights(t.Context(), b.people); err != nil {
			t.Fatal(err)
		}
	}
	claims := told()
	if len(claims) != 1 {
		t.Fatalf("the node has told its key %d times", len(claims))
	}
	claim, err := base64.StdEncoding.DecodeString(claims[0])
	if err != nil {
		t.Fatal(err)
	}
	node := ed25519.NewKeyFromSeed(storetest.Enrolment("sh-1").Seed).Public().(ed25519.PublicKey)
	if got, err := access.OpenClaim(node, "test", "sh-1", claim); err != nil || !bytes.Equal(got, public) {
		t.Errorf("told %x, %v; want %x", got, err, public)
	}
	if again(); len(told()) != 2 {
		t.Error("not told again, though the hub has not said that it knows")
	}
	b.hear(own, 1, access.Reader{Node: "sh-2", Key: public}, access.Reader{Node: "sh-1", Key: others})
	if again(); len(told()) != 3 {
		t.Error("not told again, though the hub knows another key")
	}
	b.hear(own, 2, access.Reader{Node: "sh-1", Key: public})
	if again(); len(told()) != 3 {
		t.Error("told again, though the hub knows")
	}

	m := member("look")
	m.PIN = access.PIN{Hash: "$argon2id$x", Set: 1}
	b.hear(own, 3, sealed(m, "test", storetest.Warehouse, others, public))
	a, known := b.account("wang")
	if badge, _ := b.people.BadgeOf(t.Context(), "wang"); !known || a.Name != "Wang" || a.Disabled || badge.PIN.IsZero() {
		t.Fatalf("a sealed word is read as %+v", a)
	}
	for i, unread := range []access.Sealed{sealed(m, "test", storetest.Warehouse, others), sealed(m, "test", "CTU", public), sealed(m, "rival", storetest.Warehouse, public)} {
		b.hear(own, uint64(4+2*i), unread) // #nosec G115 -- small
		if a, known := b.account("wang"); !known || !a.Disabled {
			t.Errorf("word %d, which it can not read: %+v", i, a)
		}
		again()
		if a, _ := b.account("wang"); !a.Disabled {
			t.Errorf("word %d: let in after a start", i)
		}
		b.hear(own, uint64(5+2*i), sealed(m, "test", storetest.Warehouse, public)) // #nosec G115 -- small
		if a, _ := b.account("wang"); a.Disabled {
			t.Errorf("word %d: kept out though the next could be read", i)
		}
	}
	// A feed that begins anew, after the hub was restored, first tells again what was sealed to others: nobody is shut out by that, until it says that it knows our key.
	anew := func(version uint64, entries ...any) {
		t.Helper()
		b.epoch = 2
		b.hear(own, version, entries...)
	}
	anew(1, sealed(m, "test", storetest.Warehouse, others))
	if a, _ := b.account("wang"); a.Disabled {
		t.Error("shut out by a word from before")
	}
	if again(); len(told()) != 4 {
		t.Error("not told again to a hub that may have forgotten")
	}
	anew(2, access.Reader{Node: "sh-1", Key: public}, sealed(m, "test", storetest.Warehouse, public))
	anew(3, sealed(m, "test", storetest.Warehouse, others))
	if a, _ := b.account("wang"); !a.Disabled {
		t.Error("let in on a word that the hub keeps from us")
	}
	b.hear(own, 20, access.Member{Account: "wang", Withdrawn: true})
	if _, known := b.account("wang"); known {
		t.Error("who left is still there")
	}
	// A stranger's unread word does not touch an account that was made here.
	if _, err := b.people.Create(t.Context(), identity.Person{}, identity.Account{Name: "li"}); err != nil {
		t.Fatal(err)
	}
	m.Account, m.Name = "li", "li"
	b.hear(own, 21, sealed(m, "test", storetest.Warehouse, others))
	if a, _ := b.account("li"); a.Disabled {
		t.Error("an account of this place is shut by a word that nobody can read")
	}
}

// TestAGuestForATime: who does not work here and is lent something signs in here and has that alone. It ends by the clock without any word of the hub, a clock that is
// set back does not revive it, and an early end is heard.
func TestAGuestForATime(t *testing.T) {
	b := newRightsBench(t)
	own := feed.Rights(storetest.Warehouse)
	guest := member()
	guest.Roles = []access.RoleID{}
	lent := func(ids ...access.TemporaryID) access.Subject {
		s := access.Subject{Account: "wang"}
		for _, id := range ids {
			s.Temporary = append(s.Temporary, access.Temporary{ID: id, Reason: "stock-taking", Approver: "li", From: lastWord.UnixMilli(), Until: lastWord.Add(4 * time.Hour).UnixMilli(),
				Grant: access.Grant{Permission: "case.read", Scope: access.Scope{Reach: access.Listed, Whose: access.Anyone, Warehouses: []stock.Warehouse{storetest.Warehouse}}}})
		}
		return s
	}
	judge := func(what string, want access.Reason) {
		t.Helper()
		a, _ := b.account("wang")
		who := identity.Person{Account: a.Name, Roles: a.Roles, Warehouses: a.Warehouses}
		if d := b.desk.List(who, "case.read"); d.Reason != want || d.Allowed != (want == access.GrantedForATime) || d.Allowed && len(d.Temporary) != 1 {
			t.Errorf("%s: %+v, want %s", what, d, want)
		}
		if d := b.desk.List(who, "stock.read"); d.Allowed {
			t.Errorf("%s: more than was lent is allowed", what)
		}
	}
	b.hear(own, 1, guest, lent("t1"))
	judge("lent", access.GrantedForATime)
	b.wall = lastWord.Add(-48 * time.Hour)
	judge("by a clock that was set back", access.DoubtfulClock)
	b.wall = lastWord.Add(5 * time.Hour)
	judge("after its end", access.Ended)
	b.enrolment.HubTime, b.wall = lastWord.Add(5*time.Hour), lastWord.Add(time.Hour) // the hub was heard, then the clock was set back
	judge("set back after the hub was heard", access.Ended)
	b.enrolment.HubTime = lastWord
	b.hear(own, 2, lent())
	judge("ended early", access.NoGrant)
	b.hear(own, 3, lent("t2"))
	judge("lent again", access.GrantedForATime)
	b.hear(own, 4, access.Member{Account: "wang", Withdrawn: true}, lent())
	if _, known := b.account("wang"); known {
		t.Error("a guest stays known after the grant")
	}
}

// TestContact: the machine's own clock neither lengthens the time without the hub nor brings it back.
func TestContact(t *testing.T) {
	b := newRightsBench(t)
	b.config.OfflineLimit = duration(14 * 24 * time.Hour)
	for _, c := range []struct {
		what    string
		wall    time.Duration // from the hub's last word
		clock   bool
		contact bool
	}{
		{"an hour later", time.Hour, true, true},
		{"at the last word", 0, true, true},
		{"thirteen days later", 13 * 24 * time.Hour, true, true},
		{"fifteen days later", 15 * 24 * time.Hour, false, false},
		{"years behind", -3 * 365 * 24 * time.Hour, false, true},
		{"a day behind", -24 * time.Hour, false, true},
		{"years ahead", 10 * 365 * 24 * time.Hour, false, true}, // not believed at all: time goes on from the last word
	} {
		b.wall = lastWord.Add(time.Hour)
		b.clock = clock.New(func() time.Time { return b.wall }, 0)
		b.clock.Sure(lastWord)
		b.wall = lastWord.Add(c.wall)
		b.clock.Sure(lastWord)
		ok, contact := b.trusted()
		if ok != c.clock || contact != c.contact {
			t.Errorf("%s: clock %t, contact %t; want %t, %t", c.what, ok, contact, c.clock, c.contact)
		}
	}
}

// TestAccountsOfTheNode: what was made here before rights were asked for gets the roles of the first account here.
func TestAccountsOfTheNode(t *testing.T) {
	b := newRightsBench(t)
	people, err := identity.Open(t.Context(), b.store.Vault(), identity.Options{Now: b.clock.Wall, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	code, err := people.FirstCode(t.Context())
	if err == nil {
		_, err = people.Begin(t.Context(), code, "li", "lanterns over the seventh quay", identity.From{Address: "192.0.2.1"})
	}
	if err != nil {
		t.Fatal(err)
	}
	later, err := identity.Open(t.Context(), b.store.Vault(), identity.Options{Now: b.clock.Wall, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil },
		FirstRoles: []string{"branch-manager", "warehouse-lead"}, FirstAt: []string{string(storetest.Warehouse)}})
	if err == nil {
		err = b.openRights(t.Context(), later)
	}
	if err != nil {
		t.Fatal(err)
	}
	a, err := later.Account(t.Context(), "li")
	if err != nil || len(a.Warehouses) != 1 || len(a.Roles) != 2 || a.Roles[0] != "branch-manager" {
		t.Errorf("%+v, %v", a, err)
	}
}

// TestLabelsOfPeople: which labels name people is known by their template; of one that is gone nobody knows.
func TestLabelsOfPeople(t *testing.T) {
	b := newRightsBench(t)
	err := b.store.View(t.Context(), func(tx *store.Tx) error {
		for template, want := range map[string]bool{"item": false, "lot": false, "shipping": true, "badge": true, "gone": true} {
			if got := printJobs(tx, []store.Print{{Template: template, Title: "王小明", Picture: true}})[0]; got.Personal != want {
				t.Errorf("%s: names people %t, want %t", template, got.Personal, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

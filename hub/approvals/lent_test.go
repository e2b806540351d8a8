package approvals_test

import (
	"crypto/hpke"
	"encoding/base64"
	"slices"
	"testing"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// memberOf is what the accounts say of a person.
func (o *office) memberOf(who identity.Person) access.Member {
	s := approvals.SubjectOf(who)
	return access.Member{Account: approvals.Fold(s.Account), Name: who.Account, Password: "$argon2id$x", Factors: []access.Factor{}, Roles: s.Roles, Warehouses: s.Warehouses, Disabled: o.disabled[s.Account]}
}

// node enrols a node that tells its sealing key.
func (o *office) node(id stock.NodeID, w stock.Warehouse) {
	o.T.Helper()
	n := o.Hub.Node(id, w)
	key, err := access.SealingKey(n.Key.Seed())
	hubtest.Check(o.T, err)
	claim, err := access.ClaimSealing(n.Key, hubtest.Org, id, key.PublicKey().Bytes())
	hubtest.Check(o.T, err)
	c, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: change.ActSealing, Object: string(id), Outcome: "ok", Detail: map[string]string{"claim": base64.StdEncoding.EncodeToString(claim)}})
	hubtest.Check(o.T, err)
	o.Hub.Process(n.Cut(c))
	if o.keys == nil {
		o.keys = map[stock.Warehouse]hpke.PrivateKey{}
	}
	o.keys[w] = key
}

// heard returns what the feed of a warehouse has said about a person.
func (o *office) heard(w stock.Warehouse, name access.Account) (m access.Member, lent []access.Temporary, entries int) {
	o.T.Helper()
	m.Withdrawn = true
	o.View(func(v *store.View) error {
		all, err := v.NewsAfter(feed.Rights(w), 0, 10_000)
		for _, n := range all {
			x, err := access.Unpack(n.Entry)
			if err != nil {
				return err
			}
			switch x := x.(type) {
			case access.Member:
				if x.Account == name {
					m, entries = x, entries+1
				}
			case access.Sealed:
				if x.Account != name {
					continue
				}
				if m, err = x.Open(o.keys[w], access.Place{Org: hubtest.Org, Warehouse: w}); err != nil {
					return err
				}
				entries++
			case access.Subject:
				if x.Account == name {
					lent, entries = x.Temporary, entries+1
				}
			}
		}
		return err
	})
	return m, lent, entries
}

// TestNodesAreTold: what is granted is told to the nodes of the warehouses that it names, where the person is known for its time, without roles where
// they do not work; an early end, the end by time, and disabling take it back. A grant for all warehouses makes nobody known anywhere.
func TestNodesAreTold(t *testing.T) {
	o := open(t)
	for n, w := range map[stock.NodeID]stock.Warehouse{"sha-1": "SHA", "ctu-1": "CTU", "szx-1": "SZX"} {
		o.node(n, w)
	}
	o.Lent = func(tx *store.Tx, to access.Account) error {
		n := slices.IndexFunc(all, func(p identity.Person) bool { return p.Account == string(to) })
		return tx.SayMember(o.memberOf(all[n]))
	}
	say := func(who identity.Person) {
		hubtest.Check(t, o.Hub.Store.Update(t.Context(), o.Now(), func(tx *store.Tx) error { return tx.SayMember(o.memberOf(who)) }))
	}
	say(li)
	want := func(what string, w stock.Warehouse, roles int, ids ...string) {
		t.Helper()
		m, lent, _ := o.heard(w, "li")
		if known := roles >= 0; m.Withdrawn == known || known && (len(m.Roles) != roles || !slices.Equal(m.Warehouses, []stock.Warehouse{w}) || m.Password == "") {
			t.Errorf("%s, %s: the person is told as %+v", what, w, m)
		}
		var got []string
		for _, g := range lent {
			got = append(got, string(g.ID))
			if s := g.Grant.Scope; s.Reach == access.Listed && !slices.Equal(s.Warehouses, []stock.Warehouse{w}) {
				t.Errorf("%s, %s: told of %v", what, w, s.Warehouses)
			}
		}
		if slices.Sort(ids); !slices.Equal(got, ids) {
			t.Errorf("%s, %s: lent %v, want %v", what, w, got, ids)
		}
	}
	none := -1 // not known there
	want("before", "SHA", 1)
	want("before", "CTU", none)

	two := o.asked(li, "case.decide", 48*time.Hour, "CTU", "SHA")
	o.Later(9 * time.Hour) // nobody manages both: the deputies are asked
	hubtest.Check(t, o.Approve(t.Context(), hq, two, o.seen(two)))
	own := o.asked(li, "stock.export", time.Hour, "SHA")
	hubtest.Check(t, o.Approve(t.Context(), wang, own, o.seen(own)))
	whole := o.asked(li, "stock.export", 48*time.Hour)
	hubtest.Check(t, o.Approve(t.Context(), hq, whole, o.seen(whole)))
	want("granted", "SHA", 1, two, own, whole)
	want("granted", "CTU", 0, two, whole)
	want("granted", "SZX", none)

	_, _, before := o.heard("SHA", "li")
	say(li)
	if _, _, n := o.heard("SHA", "li"); n != before {
		t.Errorf("the same word twice: %d entries, then %d", before, n)
	}

	o.Later(time.Hour)
	hubtest.Check(t, o.Due(t.Context()))
	want("one ended by time", "SHA", 1, two, whole)

	o.disabled["Li"] = true
	say(li)
	want("disabled", "CTU", none)
	if m, lent, _ := o.heard("SHA", "li"); !m.Disabled || len(lent) > 0 {
		t.Errorf("disabled: %+v, lent %v", m, lent)
	}
	o.disabled["Li"] = false
	say(li)
	want("enabled", "CTU", 0, two, whole)

	moved := person("Li", "warehouse-worker", "CTU")
	say(moved)
	want("works there now", "CTU", 1, two, whole)
	want("works elsewhere now", "SHA", 0, two, whole)
	say(li)

	hubtest.Check(t, o.EndGrant(t.Context(), hq, access.TemporaryID(two), false))
	want("ended early", "CTU", none)
	want("ended early", "SHA", 1, whole)
}

// TestUsesAreCounted: the hub counts what its own people and what nodes say of a grant, once for each entry, and passes over grants that it does not know.
func TestUsesAreCounted(t *testing.T) {
	o := open(t)
	n := o.Node("sha-1", "SHA")
	id := o.asked(li, "stock.export", 48*time.Hour, "SHA")
	hubtest.Check(t, o.Approve(t.Context(), wang, id, o.seen(id)))
	used := func() (u store.GrantUse) {
		o.View(func(v *store.View) (err error) { u, err = v.UseOf(access.TemporaryID(id)); return err })
		return u
	}
	entry := func(id string) change.Change {
		c, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: change.ActGrantUsed, Object: id, Outcome: "ok", Detail: map[string]string{"request": "GET /stock"}})
		hubtest.Check(t, err)
		return c
	}
	if u := used(); u != (store.GrantUse{}) {
		t.Errorf("before any use: %+v", u)
	}
	batch := n.Cut(entry(id), entry("A-nobody-knows"))
	o.Process(batch)
	o.Process(batch) // delivered twice
	if u := used(); u.Times != 1 || u.What != "GET /stock" || u.Place != "sha-1" || u.Last.IsZero() {
		t.Errorf("after a node's word: %+v", u)
	}
	o.Update(func(tx *store.Tx) error { return tx.CountUse(access.TemporaryID(id), o.Now(), "POST /exports", "hub") })
	if u := used(); u.Times != 2 || u.Place != "hub" {
		t.Errorf("after a use at the hub: %+v", u)
	}
	o.Update(func(tx *store.Tx) error {
		return tx.CountUse(access.TemporaryID(id), o.Now().Add(-time.Hour), "late", "sha-2")
	})
	if u := used(); u.Times != 3 || u.Place != "hub" {
		t.Errorf("after the word of a node that was away: %+v", u)
	}
}

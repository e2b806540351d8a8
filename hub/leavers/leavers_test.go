package leavers_test

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/leavers"
	"stockade/hub/master"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var boss = identity.Person{Account: "boss", Address: "10.0.0.1"}

// part is a part of a program that keeps one thing for people.
type part struct {
	key   string
	state leavers.State
	hand  bool
	did   int
}

func (p *part) Items(context.Context, rights.Person) ([]leavers.Item, error) {
	return []leavers.Item{{Key: p.key, State: p.state, Count: 1, Act: !p.hand, Hand: p.hand}}, nil
}

func (p *part) Do(_ context.Context, _ identity.Person, _ rights.Person, key string) error {
	if key != p.key {
		return leavers.ErrNoAct
	}
	p.did++
	p.state = leavers.Nothing
	return nil
}

type house struct {
	*hubtest.Hub
	*leavers.Service
	who rights.Person
}

func open(t *testing.T, parts ...*part) *house {
	h := hubtest.New(t)
	o := &house{Hub: h, who: rights.Person{Name: "Li", Display: "李"}}
	o.who.Account, o.who.Warehouses = "li", []stock.Warehouse{"CTU", "SHA"}
	o.Service = &leavers.Service{Store: h.Store, Recorder: &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now},
		Person: func(_ context.Context, name string) (rights.Person, error) {
			if name != o.who.Name {
				return rights.Person{}, identity.ErrNobody
			}
			return o.who, nil
		}}
	for _, p := range parts {
		o.Sources = append(o.Sources, p)
	}
	return o
}

func (o *house) start(t *testing.T) int64 {
	t.Helper()
	id, err := o.Start(t.Context(), boss, "Li", stock.Date(o.Now().Format(time.DateOnly)))
	hubtest.Check(t, err)
	return id
}

func (o *house) item(t *testing.T, id int64, key string) leavers.Item {
	t.Helper()
	s, err := o.Sheet(t.Context(), id)
	hubtest.Check(t, err)
	n := slices.IndexFunc(s.Items, func(i leavers.Item) bool { return i.Key == key })
	if n < 0 {
		t.Fatalf("no item %s", key)
	}
	return s.Items[n]
}

// collect says of every thing that it is there.
func (o *house) collect(t *testing.T, id int64) {
	t.Helper()
	for _, key := range leavers.Things {
		hubtest.Check(t, o.Check(t.Context(), boss, id, key, leavers.DidCollected, ""))
	}
}

func TestList(t *testing.T) {
	acts, hands, blocked := &part{key: "grants", state: leavers.Open}, &part{key: "manager", state: leavers.Open, hand: true}, &part{key: "account", state: leavers.Blocked}
	o := open(t, acts, hands, blocked)
	ctx := t.Context()
	for what, c := range map[string]struct {
		by   identity.Person
		name string
		day  stock.Date
		want error
	}{"oneself": {identity.Person{Account: "LI"}, "Li", "2026-11-26", identity.ErrSelf}, "nobody": {boss, "wu", "2026-11-26", identity.ErrNobody}, "no day": {boss, "Li", "tomorrow", leavers.ErrDay}, "long ago": {boss, "Li", "1999-01-01", leavers.ErrDay}} {
		if _, err := o.Start(ctx, c.by, c.name, c.day); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	id := o.start(t)
	if _, err := o.Start(ctx, boss, "Li", stock.Date(o.Now().Format(time.DateOnly))); !errors.Is(err, store.ErrLeaving) {
		t.Errorf("a second list: %v", err)
	}
	for what, c := range map[string]struct {
		err, want error
	}{
		"blocked":             {o.Do(ctx, boss, id, "account"), leavers.ErrBlocked},
		"no such item":        {o.Do(ctx, boss, id, "moon"), leavers.ErrNoAct},
		"by hand alone":       {o.Do(ctx, boss, id, "manager"), leavers.ErrNoAct},
		"a thing":             {o.Do(ctx, boss, id, "keys"), leavers.ErrNoAct},
		"oneself":             {o.Do(ctx, identity.Person{Account: "li"}, id, "grants"), identity.ErrSelf},
		"oneself by hand":     {o.Check(ctx, identity.Person{Account: "li"}, id, "keys", leavers.DidNone, ""), identity.ErrSelf},
		"checked off":         {o.Check(ctx, boss, id, "grants", leavers.DidHandOver, "wu"), leavers.ErrNoAct},
		"checked as done":     {o.Check(ctx, boss, id, "keys", leavers.DidDone, ""), leavers.ErrNoAct},
		"to nobody":           {o.Check(ctx, boss, id, "manager", leavers.DidHandOver, " "), leavers.ErrNote},
		"a note with control": {o.Check(ctx, boss, id, "keys", leavers.DidCollected, "a\x00"), leavers.ErrNote},
		"finished too early":  {o.Finish(ctx, boss, id), leavers.ErrLeft},
		"another list":        {o.Do(ctx, boss, 99, "grants"), store.ErrNotFound},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", what, c.err, c.want)
		}
	}
	if acts.did != 0 {
		t.Error("something was done")
	}
	hubtest.Check(t, o.Do(ctx, boss, id, "grants"))
	if err := o.Do(ctx, boss, id, "grants"); !errors.Is(err, leavers.ErrNoAct) || acts.did != 1 {
		t.Errorf("done twice: %v", err)
	}
	if i := o.item(t, id, "grants"); i.State != leavers.Done || i.By != "boss" || i.Outcome != leavers.DidDone || i.At.IsZero() {
		t.Errorf("%+v", i)
	}
	acts.state = leavers.Open // something of the kind is there again: the list says what is, not what was
	if i := o.item(t, id, "grants"); i.State != leavers.Open {
		t.Errorf("%+v", i)
	}
	hubtest.Check(t, o.Do(ctx, boss, id, "grants"))
	hubtest.Check(t, o.Check(ctx, boss, id, "manager", leavers.DidHandOver, "赵经理"))
	if i := o.item(t, id, "manager"); i.State != leavers.Done || i.Note != "赵经理" {
		t.Errorf("%+v", i)
	}
	o.collect(t, id)
	hubtest.Check(t, o.Check(ctx, boss, id, "laptop", leavers.DidNone, "")) // mistaken: the last word counts, the first stays on record
	if err := o.Finish(ctx, boss, id); !errors.Is(err, leavers.ErrLeft) {
		t.Errorf("with a blocked item: %v", err)
	}
	blocked.state = leavers.Done
	hubtest.Check(t, o.Finish(ctx, boss, id))
	acts.state = leavers.Open
	if s, err := o.Sheet(ctx, id); err != nil || s.Outcome != "finished" || s.EndedBy != "boss" || !slices.ContainsFunc(s.Items, func(i leavers.Item) bool { return i.Key == "laptop" && i.Outcome == leavers.DidNone }) ||
		slices.ContainsFunc(s.Items, func(i leavers.Item) bool { return i.State == leavers.Open }) {
		t.Errorf("the summary is not what was finished: %+v, %v", s, err)
	}
	for what, err := range map[string]error{"do": o.Do(ctx, boss, id, "grants"), "check": o.Check(ctx, boss, id, "keys", leavers.DidNone, ""), "finish": o.Finish(ctx, boss, id), "cancel": o.Cancel(ctx, boss, id, "why")} {
		if !errors.Is(err, store.ErrLeaverDone) {
			t.Errorf("%s on a closed list: %v", what, err)
		}
	}
	again := o.start(t) // comes back and leaves again
	if err := o.Cancel(ctx, boss, again, ""); !errors.Is(err, leavers.ErrNote) {
		t.Error(err)
	}
	hubtest.Check(t, o.Cancel(ctx, boss, again, "stays"))
	if list, err := o.List(ctx); err != nil || len(list) != 2 || list[0].Outcome != "cancelled" {
		t.Errorf("%+v, %v", list, err)
	}
	o.Audited()
}

// seal lets a node tell its sealing key.
func (o *house) seal(t *testing.T, n *hubtest.Node) {
	t.Helper()
	key, err := access.SealingKey(n.Key.Seed())
	hubtest.Check(t, err)
	claim, err := access.ClaimSealing(n.Key, hubtest.Org, n.ID, key.PublicKey().Bytes())
	hubtest.Check(t, err)
	c, err := change.OfEntry(hubtest.Meta(), change.Entry{Act: change.ActSealing, Object: string(n.ID), Outcome: "ok", Detail: map[string]string{"claim": base64.StdEncoding.EncodeToString(claim)}})
	hubtest.Check(t, err)
	o.Process(n.Cut(c))
}

// TestNodesHear: a node has heard once it says that it has read its feed up to the news, not before, and each for itself.
func TestNodesHear(t *testing.T) {
	account := &part{key: leavers.KeyAccount, state: leavers.Open}
	o := open(t, account)
	ctx := t.Context()
	n, other := o.Node("sha-1", "SHA"), o.Node("ctu-1", "CTU")
	o.Node("bjs-1", "BJS")
	publisher := master.NewPublisher(master.Publisher{Store: o.Hub.Store, Ring: o.Ring, Clock: o.Now, Logger: slog.New(slog.DiscardHandler), Prefix: "6910420", More: func(stock.NodeID) {}})
	say := func(disabled bool) {
		m := access.Member{Account: "li", Name: "Li", Warehouses: []stock.Warehouse{"CTU", "SHA"}, Disabled: disabled}
		o.Update(func(tx *store.Tx) error { return tx.SayMember(m) })
	}
	boot := byte(0)
	read := func(node *hubtest.Node, version uint64) {
		boot++
		o.Process(node.Say(delivery.MsgHello, delivery.Hello{Org: hubtest.Org, Node: node.ID, Boot: delivery.Boot{1}, Nonce: delivery.Nonce{boot}, Heard: uint64(boot - 1), Feeds: []delivery.FeedPlace{{Feed: "rights/" + string(node.W), LogEpoch: 1, Version: version}}}))
	}
	heard := func(id int64) (out []string) {
		t.Helper()
		hubtest.Check(t, o.Due(ctx))
		s, err := o.Sheet(ctx, id)
		hubtest.Check(t, err)
		for _, n := range s.Nodes {
			if !n.Heard.IsZero() {
				out = append(out, string(n.Node))
			}
		}
		return out
	}
	o.seal(t, n)
	o.seal(t, other)
	say(false)
	hubtest.Check(t, publisher.Publish(ctx))
	var before, now uint64
	o.View(func(v *store.View) error { h, err := v.FeedHead("rights/SHA"); before = h.Version; return err })
	id := o.start(t)
	if got := heard(id); len(got) != 0 {
		t.Errorf("%v have heard of what was not done", got)
	}
	o.who.Disabled, account.state = true, leavers.Done
	say(true)
	read(n, before) // all that there was
	if got := heard(id); len(got) != 0 {
		t.Errorf("%v have heard before it was said", got)
	}
	if i := o.item(t, id, leavers.KeyAccount); i.State != leavers.Waits {
		t.Errorf("%+v", i)
	}
	hubtest.Check(t, publisher.Publish(ctx))
	read(n, before)
	if got := heard(id); len(got) != 0 {
		t.Errorf("%v have heard and have not read it", got)
	}
	o.View(func(v *store.View) error { h, err := v.FeedHead("rights/SHA"); now = h.Version; return err })
	if now <= before {
		t.Fatal("nothing was cut")
	}
	read(n, now)
	if got := heard(id); !slices.Equal(got, []string{"sha-1"}) {
		t.Errorf("%v have heard, want sha-1", got)
	}
	asked := map[stock.NodeID]int{}
	o.Ask = func(n stock.NodeID) { asked[n]++ }
	for range 9 {
		hubtest.Check(t, o.Due(ctx))
	}
	if len(asked) != 1 || asked["ctu-1"] == 0 || asked["ctu-1"] > 3 {
		t.Errorf("asked %v, want ctu-1 a few times", asked)
	}
	o.collect(t, id)
	hubtest.Check(t, o.Finish(ctx, boss, id)) // a node that is away does not hold it up
	read(other, now+9)
	if got := heard(id); !slices.Equal(got, []string{"ctu-1", "sha-1"}) { // and is looked after
		t.Errorf("%v have heard, want both", got)
	}
}

// TestNodesThatAreToldNothing: a node that has yet to tell its sealing key hears nothing of people; it is not said to have heard before it was told.
func TestNodesThatAreToldNothing(t *testing.T) {
	o := open(t)
	ctx := t.Context()
	n := o.Node("sha-1", "SHA")
	boot := byte(0)
	read := func(version uint64) {
		boot++
		o.Process(n.Say(delivery.MsgHello, delivery.Hello{Org: hubtest.Org, Node: n.ID, Boot: delivery.Boot{1}, Nonce: delivery.Nonce{boot}, Heard: uint64(boot - 1), Feeds: []delivery.FeedPlace{{Feed: "rights/SHA", LogEpoch: 1, Version: version}}}))
	}
	publisher := master.NewPublisher(master.Publisher{Store: o.Hub.Store, Ring: o.Ring, Clock: o.Now, Logger: slog.New(slog.DiscardHandler), Prefix: "6910420", More: func(stock.NodeID) {}})
	say := func() {
		m := access.Member{Account: "li", Name: "Li", Warehouses: []stock.Warehouse{"SHA"}, Disabled: o.who.Disabled}
		o.Update(func(tx *store.Tx) error { return tx.SayMember(m) })
		hubtest.Check(t, publisher.Publish(ctx))
	}
	heard := func(id int64) bool {
		t.Helper()
		read(1 << 20)
		hubtest.Check(t, o.Due(ctx))
		s, err := o.Sheet(ctx, id)
		hubtest.Check(t, err)
		return len(s.Nodes) == 1 && !s.Nodes[0].Heard.IsZero()
	}
	o.who.Warehouses = []stock.Warehouse{"SHA"}
	o.seal(t, n)
	say()
	public, key, err := ed25519.GenerateKey(nil)
	hubtest.Check(t, err)
	o.Update(func(tx *store.Tx) error { return tx.ReplaceKey("sha-1", public) }) // another card, which has not told its key
	n.Key = key
	o.who.Disabled = true
	say()
	id := o.start(t)
	if heard(id) {
		t.Fatal("a node that was told nothing has heard")
	}
	o.seal(t, n)
	say()
	if !heard(id) {
		t.Error("a node that was told and has read it has not heard")
	}
}

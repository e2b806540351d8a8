package rights_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// TestOldRightsStayOld hands a node chunks of rights that are not the next one of its own feed: older ones, those of another warehouse, of another
// company, changed ones, and one that forks the feed. None may bring back what was taken away.
func TestOldRightsStayOld(t *testing.T) {
	root, hub := key(t), key(t)
	keys, err := delivery.SealKeys(root, delivery.Keys{Org: "acme", Number: 1, Ack: hub.Public().(ed25519.PublicKey), Feed: hub.Public().(ed25519.PublicKey), Log: hub.Public().(ed25519.PublicKey)})
	must(t, err)
	s := storetest.Open(t, t.TempDir())
	e := storetest.Enrolment("sha-1")
	e.Trust.Org, e.Trust.Root, e.Trust.Warehouse, e.Keys, e.Log = "acme", root.Public().(ed25519.PublicKey), "SHA", keys, delivery.LogPlace{Epoch: 1}
	storetest.Update(t, s, func(tx *store.Tx) error { return tx.PutEnrolment(e) })
	var state delivery.SenderState
	storetest.View(t, s, func(tx *store.Tx) (err error) { state, err = tx.SenderState(); return err })
	e.Trust.Key = ed25519.NewKeyFromSeed(e.Seed)
	sender, err := delivery.NewSender(e.Trust, state, func(b []byte) { _, _ = rand.Read(b) })
	must(t, err)

	seal := func(signer ed25519.PrivateKey, c feed.Chunk, disabled bool) (message []byte, hash change.Hash) {
		t.Helper()
		m := access.Member{Account: "wang", Name: "wang", Password: "$argon2id$x", Roles: []access.RoleID{access.Worker}, Warehouses: []stock.Warehouse{"SHA"}, Factors: []access.Factor{}, Disabled: disabled}
		entry, err := access.Pack(m)
		must(t, err)
		c.Entries = []feed.Entry{entry}
		signed, hash, err := feed.Seal(signer, c)
		must(t, err)
		raw, err := delivery.Message{Kind: delivery.MsgChunk, Body: signed}.Encode()
		must(t, err)
		return raw, hash
	}
	hear := func(raw []byte) (ignored bool) {
		t.Helper()
		err := s.Update(context.Background(), func(tx *store.Tx) error { _, err := sender.Receive(tx, time.Now(), raw); return err })
		var i *delivery.Ignored
		if err != nil && !errors.As(err, &i) {
			t.Fatal(err)
		}
		return err != nil
	}
	disabled := func() (is bool) {
		storetest.View(t, s, func(tx *store.Tx) error {
			all, err := tx.Members()
			is = len(all) == 1 && all[0].Disabled
			return err
		})
		return is
	}
	own := feed.Chunk{Org: "acme", Feed: feed.Rights("SHA"), LogEpoch: 1, Version: 1}
	first, hash := seal(hub, own, false)
	own.Version, own.Prev = 2, hash
	second, hash := seal(hub, own, true)
	if hear(first) || hear(second) || !disabled() {
		t.Fatal("the node does not follow its feed")
	}
	next := func(change func(*feed.Chunk)) feed.Chunk {
		c := feed.Chunk{Org: "acme", Feed: feed.Rights("SHA"), LogEpoch: 1, Version: 3, Prev: hash}
		change(&c)
		return c
	}
	bent := func() []byte {
		raw, _ := seal(hub, next(func(*feed.Chunk) {}), false)
		raw[len(raw)-1] ^= 1
		return raw
	}
	made := func(signer ed25519.PrivateKey, f func(*feed.Chunk)) []byte {
		raw, _ := seal(signer, next(f), false)
		return raw
	}
	for what, raw := range map[string][]byte{
		"the first again":            first,
		"the second again":           second,
		"of another warehouse":       made(hub, func(c *feed.Chunk) { c.Feed = feed.Rights("CTU") }),
		"of another company":         made(hub, func(c *feed.Chunk) { c.Org = "rival" }),
		"of another log":             made(hub, func(c *feed.Chunk) { c.LogEpoch = 0 }),
		"an older one, newly signed": made(hub, func(c *feed.Chunk) { c.Version = 1 }),
		"signed by somebody else":    made(key(t), func(*feed.Chunk) {}),
		"changed on the way":         bent(),
		"one after the next":         made(hub, func(c *feed.Chunk) { c.Version = 4 }),
	} {
		hear(raw) // one after the next is asked for, the others are ignored
		if !disabled() {
			t.Fatalf("a chunk that is %s brings a disabled person back", what)
		}
	}
	// One that follows from another past than ours is evidence: nothing is taken from the hub any more.
	hear(made(hub, func(c *feed.Chunk) { c.Prev = change.Hash{9} }))
	if hear(made(hub, func(*feed.Chunk) {})); !disabled() || sender.Report().Frozen == "" {
		t.Errorf("after a fork of the feed: disabled %t, frozen %q", disabled(), sender.Report().Frozen)
	}
}

func key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	must(t, err)
	return k
}

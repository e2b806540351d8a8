// Package storetest makes stores of enrolled nodes for tests.
package storetest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"path/filepath"
	"testing"

	"stockade/edge/store"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Key opens every store that this package makes.
var Key = vault.Key{7, 7, 7}

// Warehouse is where the nodes of this package stand.
const Warehouse stock.Warehouse = "SHA"

// Open opens, or makes, the store in dir. It is closed when the test ends.
func Open(t testing.TB, dir string) *store.Store {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(dir, "edge.db"), Key: Key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	s, err := store.Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Enrolled returns a new store in dir that belongs to node of Warehouse.
func Enrolled(t testing.TB, dir string, node stock.NodeID) *store.Store {
	t.Helper()
	s := Open(t, dir)
	Update(t, s, func(tx *store.Tx) error { return tx.PutEnrolment(Enrolment(node)) })
	return s
}

// Enrolment returns what a hub of its own would have given the node. Its keys follow from names.
func Enrolment(node stock.NodeID) store.Enrolment {
	seed := sha256.Sum256([]byte("node " + node))
	root := sha256.Sum256([]byte("root"))
	return store.Enrolment{
		Trust: delivery.Trust{Org: "test", Node: node, Warehouse: Warehouse, Root: ed25519.NewKeyFromSeed(root[:]).Public().(ed25519.PublicKey)},
		Seed:  seed[:], Certificate: []byte("certificate"), Authority: []byte("authority"), Opening: []byte("opening"),
		Brokers: []string{"mqtts://localhost:1"}, Keys: []byte("keys"), Log: delivery.LogPlace{Epoch: 1, Size: 1}, Checkpoint: []byte("checkpoint"),
	}
}

// Update runs fn in a transaction.
func Update(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// View runs fn on the last commit.
func View(t testing.TB, s *store.Store, fn func(*store.Tx) error) {
	t.Helper()
	if err := s.View(context.Background(), fn); err != nil {
		t.Fatal(err)
	}
}

// Feed applies values (feed.Item, feed.Location, feed.Sibling) as the next chunk of a feed.
func Feed(t testing.TB, s *store.Store, name string, values ...any) {
	t.Helper()
	Update(t, s, func(tx *store.Tx) error { return PutFeed(tx, name, values...) })
}

// PutFeed is Feed in a transaction that is open.
func PutFeed(tx *store.Tx, name string, values ...any) error {
	st, err := tx.SenderState()
	if err != nil {
		return err
	}
	at := delivery.FeedPlace{Feed: name, LogEpoch: 1, Version: st.Feeds[name].Place.Version + 1}
	var entries []feed.Entry
	for _, v := range values {
		e, err := feed.Pack(v)
		if err != nil {
			return err
		}
		entries = append(entries, e)
	}
	return tx.PutChunk(at, change.Hash{}, entries)
}

// Item returns an active item that is counted in pieces, under one code.
func Item(sku stock.SKU, code string) feed.Item {
	return feed.Item{SKU: sku, Name: "商品" + string(sku), NameEN: "item " + string(sku), Unit: "个", Active: true,
		Codes: []feed.Code{{GTIN: stock.GTIN(code), Factor: stock.Unit}}}
}

// Bin returns a bin of Warehouse.
func Bin(code string) feed.Location {
	return feed.Location{ID: Warehouse.Bin(code), Name: code, Use: feed.UseStorage, Active: true}
}

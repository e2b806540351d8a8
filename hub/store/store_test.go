package store

import (
	"context"
	"crypto/ed25519"
	"path/filepath"
	"testing"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var testTime = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

func openTest(t testing.TB) *Store {
	t.Helper()
	v, err := vault.Open(context.Background(), vault.Options{Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	s, err := Open(context.Background(), v)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// update runs fn in a transaction that must go well.
func update(t testing.TB, s *Store, fn func(*Tx) error) {
	t.Helper()
	if err := s.Update(context.Background(), testTime, fn); err != nil {
		t.Fatal(err)
	}
}

func addNode(t testing.TB, s *Store, name stock.NodeID, w stock.Warehouse) {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey)
	update(t, s, func(tx *Tx) error { return tx.AddNode(delivery.NewNodeState(name, w, key)) })
}

// openBatchFor makes room for changes of one stream, as the sync core does before it merges them.
func openBatchFor(tx *Tx, id stock.ID, seq, count uint64) error {
	place := delivery.Place{Epoch: id.Epoch, Seq: seq, Hash: change.Hash{byte(seq), byte(seq >> 8), byte(id.Epoch)}}
	h := change.Header{Node: id.Node, Epoch: id.Epoch, Seq: seq, First: id.Number, Count: count}
	return tx.PutBatch(place, h, change.Batch{Signed: []byte{1}, Body: []byte{2}}, int64(seq))
}

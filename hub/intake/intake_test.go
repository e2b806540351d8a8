package intake_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"stockade/hub/intake"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var testTime = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// hub is an intake over a real store.
type hub struct {
	t      testing.TB
	store  *store.Store
	ring   *keyring.Ring
	intake *intake.Intake
}

func newHub(t testing.TB) *hub {
	t.Helper()
	ctx := context.Background()
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}, CacheKiB: 64 << 10})
	check(t, err)
	t.Cleanup(func() { _ = v.Close() })
	s, err := store.Open(ctx, v)
	check(t, err)
	_, root, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	h := &hub{t: t, store: s}
	check(t, s.Update(ctx, testTime, func(tx *store.Tx) (err error) {
		h.ring, err = keyring.Make(tx, "acme", root)
		return err
	}))
	h.intake = intake.New(intake.Options{Store: s, Ring: h.ring, Send: func(stock.NodeID, []byte) {}, Clock: func() time.Time { return testTime }})
	return h
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// node is a node's end, cut down to making batches.
type node struct {
	id    stock.NodeID
	w     stock.Warehouse
	key   ed25519.PrivateKey
	epoch uint64
	head  change.Hash
	seq   uint64
	next  uint64
}

func (h *hub) node(id stock.NodeID, w stock.Warehouse) *node {
	h.t.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	check(h.t, err)
	check(h.t, h.store.Update(context.Background(), testTime, func(tx *store.Tx) error { return tx.AddNode(delivery.NewNodeState(id, w, pub)) }))
	return &node{id: id, w: w, key: key, epoch: 1, next: 1}
}

func meta() change.Meta {
	return change.Meta{Time: clock.StampOf(testTime), Quality: clock.Synced, Actor: "wang", Session: "s1", Terminal: "st-1", Day: "2026-11-24", Zone: "Asia/Shanghai"}
}

func movement(w stock.Warehouse, n int) stock.Movement {
	return stock.Movement{Key: stock.Key{SKU: stock.SKU(fmt.Sprintf("SKU-%05d", n*7919%20011)), Lot: stock.Lot(fmt.Sprint("L", n*31%7)), Expiry: "2027-06-30", State: stock.Available},
		From: stock.Supplier, To: w.Bin(fmt.Sprintf("A-%03d", n*13%301)), Quantity: stock.Unit, Scanned: stock.Scanned{Count: stock.Unit, Factor: stock.Unit}}
}

// batch cuts the next batch of movements, as the node's store would.
func (n *node) batch(t testing.TB, movements ...stock.Movement) intake.Incoming {
	t.Helper()
	var changes [][]byte
	for _, m := range movements {
		c, err := change.OfMovement(meta(), m)
		check(t, err)
		b, err := c.Encode()
		check(t, err)
		changes = append(changes, b)
	}
	return n.cut(t, changes)
}

func (n *node) cut(t testing.TB, changes [][]byte) intake.Incoming {
	t.Helper()
	salt := make([]byte, change.SaltSize)
	rand.Read(salt)
	n.seq++
	b, hash, err := change.Cut(n.key, change.Header{Org: "acme", Node: n.id, Epoch: n.epoch, Seq: n.seq, Prev: n.head, First: n.next}, salt, changes)
	check(t, err)
	n.head = hash
	n.next += uint64(len(changes))
	m, err := delivery.BatchMessage(b)
	check(t, err)
	raw, err := m.Encode()
	check(t, err)
	return intake.Incoming{Node: n.id, Raw: raw}
}

func BenchmarkProcess(b *testing.B) {
	h := newHub(b)
	var nodes []*node
	for i := range 4 {
		nodes = append(nodes, h.node(stock.NodeID(fmt.Sprint("n-", i)), stock.Warehouse(fmt.Sprint("W", i))))
	}
	var in []intake.Incoming
	for i := 0; i < b.N; i += 100 {
		n := nodes[i/100%len(nodes)]
		var ms []stock.Movement
		for j := range 100 {
			ms = append(ms, movement(n.w, i*7+j))
		}
		in = append(in, n.batch(b, ms...))
	}
	b.ResetTimer()
	out, err := h.intake.Process(context.Background(), in)
	check(b, err)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
	b.ReportMetric(float64(len(out)), "answers")
}

// Package hubtest makes hubs and nodes for tests: the real store, keys and intake in a
// temporary folder, and nodes cut down to making batches.
package hubtest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/fleet"
	"stockade/hub/intake"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Org is the organisation of every hub here.
const Org = "acme"

// Operator is who gives commands.
var Operator = auditlog.Who{Actor: "os/root", Terminal: "cli"}

// Hub is a hub without broker and listeners.
type Hub struct {
	T      testing.TB
	Path   string // of the store
	Key    vault.Key
	Vault  *vault.Store
	Store  *store.Store
	Ring   *keyring.Ring
	Root   ed25519.PrivateKey
	Intake *intake.Intake
	Fleet  *fleet.Fleet
	skew   atomic.Int64
}

// Check ends the test unless err is nil.
func Check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Option changes how a store is opened.
type Option func(*vault.Options)

// New makes a hub that ends with the test.
func New(t testing.TB, options ...Option) *Hub {
	t.Helper()
	ctx := context.Background()
	h := &Hub{T: t, Path: filepath.Join(t.TempDir(), "hub.db"), Key: vault.Key{1}}
	o := vault.Options{Path: h.Path, Key: h.Key}
	for _, f := range options {
		f(&o)
	}
	var err error
	h.Vault, err = vault.Open(ctx, o)
	Check(t, err)
	t.Cleanup(func() { _ = h.Vault.Close() })
	h.Store, err = store.Open(ctx, h.Vault)
	Check(t, err)
	_, h.Root, err = ed25519.GenerateKey(rand.Reader)
	Check(t, err)
	h.Update(func(tx *store.Tx) (err error) { h.Ring, err = keyring.Make(tx, Org, h.Root); return err })
	h.Intake = intake.New(intake.Options{Store: h.Store, Ring: h.Ring, Send: func(stock.NodeID, []byte) {}, Clock: h.Now})
	h.Fleet = &fleet.Fleet{Store: h.Store, Ring: h.Ring, Clock: h.Now, Recorder: &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: h.Now}}
	return h
}

// Now is the hub's clock.
func (h *Hub) Now() time.Time { return time.Now().Add(time.Duration(h.skew.Load())) }

// Later sets the hub's clock forward.
func (h *Hub) Later(d time.Duration) { h.skew.Add(int64(d)) }

// Update runs a transaction that must go well.
func (h *Hub) Update(fn func(*store.Tx) error) {
	h.T.Helper()
	Check(h.T, h.Store.Update(context.Background(), h.Now(), fn))
}

// View runs a look that must go well.
func (h *Hub) View(fn func(*store.View) error) {
	h.T.Helper()
	Check(h.T, h.Store.View(context.Background(), fn))
}

// Audited ends the test unless everything derived follows from what came in.
func (h *Hub) Audited() auditlog.Findings {
	h.T.Helper()
	var f auditlog.Findings
	h.View(func(v *store.View) (err error) { f, err = auditlog.Verify(v, h.Ring); return err })
	return f
}

// Process takes messages in.
func (h *Hub) Process(in ...intake.Incoming) []delivery.Outgoing {
	h.T.Helper()
	out, err := h.Intake.Process(context.Background(), in)
	Check(h.T, err)
	return out
}

// Cases returns the open cases of a kind, the newest first.
func (h *Hub) Cases(kind stock.ExceptionKind) []store.CaseInfo {
	h.T.Helper()
	var out []store.CaseInfo
	h.View(func(v *store.View) error {
		return v.Cases(false, func(c store.CaseInfo) error {
			if c.Case.Kind == kind {
				out = append(out, c)
			}
			return nil
		})
	})
	return out
}

// OnHand returns what lies of an item in all warehouses.
func (h *Hub) OnHand(sku stock.SKU) stock.Quantity {
	h.T.Helper()
	sum := stock.Quantity(0)
	h.View(func(v *store.View) error {
		return v.Stock(store.StockFilter{In: store.Everywhere(), SKU: sku}, func(s store.StockRow) error { sum += s.OnHand; return nil })
	})
	return sum
}

// Acked returns the last acknowledgement for a node, verified as the node would.
func (h *Hub) Acked(n *Node, out []delivery.Outgoing) delivery.Ack {
	h.T.Helper()
	var last delivery.Ack
	for _, o := range out {
		if o.To != n.ID || o.Message.Kind != delivery.MsgAck {
			continue
		}
		var a delivery.Ack
		Check(h.T, delivery.Unseal(h.Ring.Ack.Public().(ed25519.PublicKey), o.Message, &a))
		c, err := audit.OpenCheckpoint(a.Checkpoint, audit.Origin(Org, a.LogEpoch), h.Ring.Log.Public().(ed25519.PublicKey))
		Check(h.T, err)
		if a.Leaf >= 0 {
			Check(h.T, audit.CheckInclusion(c.Tree, a.Leaf, audit.Leaf{Kind: audit.LeafBatch, Hash: a.Head.Hash}, a.Inclusion))
		}
		last = a
	}
	return last
}

// Node is a node's end, cut down to making batches.
type Node struct {
	T     testing.TB
	ID    stock.NodeID
	W     stock.Warehouse
	Key   ed25519.PrivateKey
	Epoch uint64
	Head  change.Hash
	Seq   uint64
	Next  uint64 // number of the next change
}

// Node enrols a node.
func (h *Hub) Node(id stock.NodeID, w stock.Warehouse) *Node {
	h.T.Helper()
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	Check(h.T, err)
	h.Update(func(tx *store.Tx) error { return tx.AddNode(delivery.NewNodeState(id, w, pub)) })
	return &Node{T: h.T, ID: id, W: w, Key: key, Epoch: 1, Next: 1}
}

// Clone returns a copy of the node as it is now, as of a copied card.
func (n *Node) Clone() *Node { c := *n; return &c }

// Meta is what every change here says about its making.
func Meta() change.Meta {
	return change.Meta{Time: clock.StampOf(time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)), Quality: clock.Synced, Actor: "wang", Session: "s1", Terminal: "st-1", Day: "2026-11-24", Zone: "Asia/Shanghai"}
}

// Receipt is the n-th of a row of goods receipts over many items and bins.
func Receipt(w stock.Warehouse, n int) stock.Movement {
	return stock.Movement{Key: stock.Key{SKU: stock.SKU(fmt.Sprintf("SKU-%05d", n*7919%20011)), Lot: stock.Lot(fmt.Sprint("L", n*31%7)), Expiry: "2027-06-30", State: stock.Available},
		From: stock.Supplier, To: w.Bin(fmt.Sprintf("A-%03d", n*13%301)), Quantity: stock.Unit, Scanned: stock.Scanned{Count: stock.Unit, Factor: stock.Unit}}
}

// Batch cuts the next batch of movements.
func (n *Node) Batch(movements ...stock.Movement) intake.Incoming {
	n.T.Helper()
	var changes []change.Change
	for _, m := range movements {
		c, err := change.OfMovement(Meta(), m)
		Check(n.T, err)
		changes = append(changes, c)
	}
	return n.Cut(changes...)
}

// Cut cuts the next batch.
func (n *Node) Cut(changes ...change.Change) intake.Incoming {
	n.T.Helper()
	var encoded [][]byte
	for _, c := range changes {
		b, err := c.Encode()
		Check(n.T, err)
		encoded = append(encoded, b)
	}
	salt := make([]byte, change.SaltSize)
	_, err := rand.Read(salt)
	Check(n.T, err)
	n.Seq++
	b, hash, err := change.Cut(n.Key, change.Header{Org: Org, Node: n.ID, Epoch: n.Epoch, Seq: n.Seq, Prev: n.Head, First: n.Next}, salt, encoded)
	Check(n.T, err)
	n.Head = hash
	n.Next += uint64(len(changes))
	m, err := delivery.BatchMessage(b)
	Check(n.T, err)
	raw, err := m.Encode()
	Check(n.T, err)
	return intake.Incoming{Node: n.ID, Raw: raw}
}

// Say seals a message of the node.
func (n *Node) Say(kind delivery.MessageKind, v any) intake.Incoming {
	n.T.Helper()
	m, err := delivery.Seal(n.Key, kind, v)
	Check(n.T, err)
	raw, err := m.Encode()
	Check(n.T, err)
	return intake.Incoming{Node: n.ID, Raw: raw}
}

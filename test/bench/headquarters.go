package bench

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"stockade/hub/intake"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

const org = "demo"

// headquarters is a hub's store and intake in this process.
type headquarters struct {
	vault  *vault.Store
	store  *store.Store
	intake *intake.Intake
}

// newHeadquarters makes a hub as `hub init` does, with the cache that the server gives its store.
func newHeadquarters(ctx context.Context, dir string) (*headquarters, error) {
	var key vault.Key
	_, _ = rand.Read(key[:]) // never fails
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(dir, "hub.db"), Key: key, CacheKiB: hubCache})
	if err != nil {
		return nil, err
	}
	h := &headquarters{vault: v}
	if err := h.make(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return h, nil
}

// hubCache is what cmd/hub gives its store, in KiB.
const hubCache = 64 << 10

func (h *headquarters) make(ctx context.Context) (err error) {
	if h.store, err = store.Open(ctx, h.vault); err != nil {
		return err
	}
	_, root, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	var ring *keyring.Ring
	if err := h.store.Update(ctx, time.Now(), func(tx *store.Tx) (err error) {
		ring, err = keyring.Make(tx, topic.Org(org), root)
		return err
	}); err != nil {
		return err
	}
	h.intake = intake.New(intake.Options{Store: h.store, Ring: ring, Send: func(stock.NodeID, []byte) {}})
	return nil
}

// enrol lets a node in that has this key.
func (h *headquarters) enrol(ctx context.Context, node stock.NodeID, w stock.Warehouse, key crypto.Signer) error {
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("%s has a key of another kind", node)
	}
	return h.store.Update(ctx, time.Now(), func(tx *store.Tx) error { return tx.AddNode(delivery.NewNodeState(node, w, public)) })
}

// process takes batches in, and returns changes a second. Every node must be acknowledged: nothing
// else would be worth measuring.
func (h *headquarters) process(ctx context.Context, batches []intake.Incoming, changes, nodes int) (float64, error) {
	began := time.Now()
	out, err := h.intake.Process(ctx, batches)
	speed := rate(changes, began)
	if err != nil {
		return 0, err
	}
	told := map[stock.NodeID]bool{}
	for _, o := range out {
		if o.Message.Kind == delivery.MsgAck {
			told[o.To] = true
		}
	}
	if len(told) != nodes {
		return 0, fmt.Errorf("%d of %d nodes were acknowledged", len(told), nodes)
	}
	return speed, nil
}

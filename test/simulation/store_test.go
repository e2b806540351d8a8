package simulation

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stockade/edge/store"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var storeHistories = flag.Int("store-histories", 25, "number of histories with real stores")

var storeKey = vault.Key{42}

// nodeStore is a node's real store in a folder.
type nodeStore struct {
	t   *testing.T
	dir string
	s   *store.Store
}

func openNodeStore(t *testing.T, dir string) (*nodeStore, error) {
	v, err := vault.Open(context.Background(), vault.Options{Path: filepath.Join(dir, "node.db"), Key: storeKey, Readers: 1, CacheKiB: 512})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = v.Close() })
	s, err := store.Open(context.Background(), v)
	return &nodeStore{t, dir, s}, err
}

// newStores returns the maker of a world's stores.
func newStores(t *testing.T) func(delivery.Trust, delivery.SenderState) (Store, error) {
	return func(trust delivery.Trust, st delivery.SenderState) (Store, error) {
		n, err := openNodeStore(t, t.TempDir())
		if err != nil {
			return nil, err
		}
		seed := keyFrom(string(trust.Node)).Seed()
		return n, n.s.Update(context.Background(), func(tx *store.Tx) error {
			return tx.PutEnrolment(store.Enrolment{Trust: trust, Seed: seed, Certificate: []byte("c"), Authority: []byte("a"), Opening: []byte("o"), Keys: st.Keys, Log: st.Log, Checkpoint: []byte("p")})
		})
	}
}

func (n *nodeStore) Add(c change.Change) (id stock.ID, err error) {
	err = n.s.Update(context.Background(), func(tx *store.Tx) error {
		id, err = tx.Add(c)
		return err
	})
	return id, err
}

func (n *nodeStore) Act(do func(delivery.NodeStore) error) error {
	return n.s.Update(context.Background(), func(tx *store.Tx) error { return do(tx) })
}

// Copy takes the files as they are: what a power cut would leave.
func (n *nodeStore) Copy() (Store, error) {
	dir := n.t.TempDir()
	for _, name := range []string{"node.db", "node.db-wal"} {
		b, err := os.ReadFile(filepath.Join(n.dir, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return nil, err
		}
	}
	return openNodeStore(n.t, dir)
}

func (n *nodeStore) State() (st delivery.SenderState, err error) {
	err = n.s.View(context.Background(), func(tx *store.Tx) error {
		st, err = tx.SenderState()
		return err
	})
	return st, err
}

func (n *nodeStore) Changes() (map[stock.ID][]byte, error) {
	out := map[stock.ID][]byte{}
	return out, n.s.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Vault().Query(`SELECT s.node, s.epoch, c.id & 1099511627775, c.bytes FROM change c JOIN stream s ON s.id = c.id >> 40`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id stock.ID
			var b []byte
			if err := rows.Scan(&id.Node, &id.Epoch, &id.Number, &b); err != nil {
				return err
			}
			out[id] = b
		}
		return rows.Err()
	})
}

func (n *nodeStore) OnHand() (map[stock.Cell]stock.Quantity, error) {
	out := map[stock.Cell]stock.Quantity{}
	return out, n.s.View(context.Background(), func(tx *store.Tx) error {
		rows, err := tx.Rows(store.Filter{})
		for _, r := range rows {
			out[r.Cell] = r.OnHand
		}
		return err
	})
}

// TestHistoriesOnRealStores plays histories in which every node has, beside its disk in memory,
// the encrypted store of the product: old copies restored, cards cloned, power cut, epochs adopted.
func TestHistoriesOnRealStores(t *testing.T) {
	adopted := 0
	for i := range *storeHistories {
		seed := *firstSeed + uint64(i) // #nosec G115 -- a count
		if *oneSeed != 0 {
			seed = *oneSeed
		}
		var w *World
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			var err error
			if w, err = playOn(seed, None, newStores(t)); err != nil {
				t.Errorf("seed %d: %v\n%s\nplay it alone: go test ./test/simulation -run RealStores -only %d", seed, err, strings.Join(w.story, "\n"), seed)
			}
		})
		if strings.Contains(strings.Join(w.story, "\n"), "adopts epoch") {
			adopted++
		}
		if *oneSeed != 0 {
			return
		}
	}
	if *storeHistories >= 25 && adopted == 0 {
		t.Error("no history adopts an epoch: these tests see less than they say")
	}
}

package auditlog

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Findings is what Verify has looked at and found in order.
type Findings struct {
	Leaves     int64
	Batches    int64
	Changes    int64
	Keys       int64
	Entries    int64
	Erased     int64 // entries whose content is gone
	Balances   int64
	Exceptions int64 // open ones that follow from the ledger
	Witnesses  int64
	Checkpoint int64 // leaves under the last signed head
}

// ErrDiffers is returned when the store is not what follows from what it is derived from.
var ErrDiffers = errors.New("the audit log does not hold")

// Verify derives everything anew from what came in, and compares: each leaf with what it
// stands for, the tree and the signed heads with the leaves, each batch with its node's key,
// balances and exceptions with the batches. The first difference is returned.
func Verify(v *store.View, ring *keyring.Ring) (Findings, error) {
	c := &checker{v: v, ring: ring, keys: map[stock.NodeID][]ed25519.PublicKey{}, book: stock.NewMemory(), scopes: map[stock.NodeID]stock.Warehouse{}}
	err := c.run()
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrDiffers, err)
	}
	return c.found, err
}

type checker struct {
	v      *store.View
	ring   *keyring.Ring
	found  Findings
	log    audit.Memory
	epoch  uint64
	keys   map[stock.NodeID][]ed25519.PublicKey // logged so far
	book   *stock.Memory
	scopes map[stock.NodeID]stock.Warehouse
	leaves struct {
		keys    map[int64]store.LoggedKey
		entries map[int64]store.LoggedEntry
	}
}

func (c *checker) run() error {
	nodes, err := c.v.Nodes()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		c.scopes[n.State.Node] = n.State.Warehouse
	}
	if err := c.load(); err != nil {
		return err
	}
	for _, step := range []func() error{c.walk, c.tree, c.heads, c.balances, c.exceptions} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) load() error {
	c.leaves.keys, c.leaves.entries = map[int64]store.LoggedKey{}, map[int64]store.LoggedEntry{}
	keys, err := c.v.Keys()
	if err != nil {
		return err
	}
	for _, k := range keys {
		c.leaves.keys[k.Leaf] = k
	}
	entries, err := c.v.Entries(0)
	if err != nil {
		return err
	}
	for _, e := range entries {
		c.leaves.entries[e.Leaf] = e
	}
	return nil
}

// walk compares every leaf with what it stands for, in order.
func (c *checker) walk() error {
	log := audit.Log{Store: &c.log}
	return c.v.Leaves(func(l audit.Leaf) error {
		i, err := log.Append(l)
		if err != nil {
			return err
		}
		c.found.Leaves++
		switch l.Kind {
		case audit.LeafOpening:
			err = c.opening(i, l)
		case audit.LeafNodeKey:
			err = c.key(i, l)
		case audit.LeafEntry:
			err = c.entry(i, l)
		case audit.LeafBatch:
			err = c.batch(i, l)
		}
		if err != nil {
			return fmt.Errorf("leaf %d: %w", i, err)
		}
		return nil
	})
}

func (c *checker) opening(i int64, l audit.Leaf) error {
	if i != 0 { // of an earlier log
		return nil
	}
	info, err := c.v.PresentLog()
	if err != nil {
		return err
	}
	o, err := delivery.ReadOpening(c.ring.Root, string(c.ring.Org), info.Opening)
	if err != nil {
		return err
	}
	if o.Epoch != info.Epoch || delivery.OpeningLeaf(info.Opening) != l {
		return errors.New("is not the opening of this log")
	}
	c.epoch = info.Epoch
	return nil
}

func (c *checker) key(i int64, l audit.Leaf) error {
	k, ok := c.leaves.keys[i]
	if !ok || audit.KeyHash(string(k.Node), k.Key) != l.Hash {
		return errors.New("the node key that it stands for is missing or another")
	}
	c.keys[k.Node] = append(c.keys[k.Node], k.Key)
	c.found.Keys++
	return nil
}

func (c *checker) entry(i int64, l audit.Leaf) error {
	e, ok := c.leaves.entries[i]
	switch {
	case !ok:
		return errors.New("the entry that it stands for is missing")
	case e.Salt == nil:
		c.found.Erased++
	case change.SaltedHash(e.Salt, e.Entry) != l.Hash:
		return errors.New("the entry that it stands for was changed")
	}
	c.found.Entries++
	return nil
}

func (c *checker) batch(i int64, l audit.Leaf) error {
	b, err := c.v.BatchOfLeaf(i)
	if err != nil {
		return err
	}
	var h change.Header
	var hash change.Hash
	err = fmt.Errorf("batch %d of %s: its node has no key in the log yet", b.Seq, b.Node)
	for _, key := range c.keys[b.Node] {
		if h, hash, err = b.Batch.Open(key); err == nil {
			break
		}
	}
	switch {
	case err != nil:
		return err
	case hash != l.Hash || hash != b.Hash || h.Node != b.Node || h.Count != b.Count || h.Org != string(c.ring.Org):
		return fmt.Errorf("batch %d of %s is not the one that was logged", b.Seq, b.Node)
	}
	c.found.Batches++
	return c.fold(b, h)
}

// fold posts what the hub has posted to a book in memory.
func (c *checker) fold(b store.StoredBatch, h change.Header) error {
	parked, err := c.v.ParkedNumbers(b)
	if err != nil {
		return err
	}
	contents, err := b.Batch.Unpack(h)
	if err != nil {
		if uint64(len(parked)) == b.Count {
			return nil // and that is why it was parked whole
		}
		return err
	}
	for n, raw := range contents.Changes {
		id := stock.ID{Node: b.Node, Epoch: b.Epoch, Number: b.First + uint64(n)} // #nosec G115 -- an index
		c.found.Changes++
		if parked[id.Number] {
			continue
		}
		decoded, err := change.Decode(raw)
		if err == nil {
			err = delivery.Post(stock.Ledger{Book: c.book}, c.scopes[b.Node], id, decoded)
		}
		if err != nil {
			return fmt.Errorf("change %s: %w", id, err)
		}
	}
	return nil
}

// tree compares the stored hashes with those that follow from the leaves.
func (c *checker) tree() error {
	stored := c.v.Log().Store
	n := tlog.StoredHashCount(c.found.Leaves)
	const step = 512
	for from := int64(0); from < n; from += step {
		var indexes []int64
		for i := from; i < min(from+step, n); i++ {
			indexes = append(indexes, i)
		}
		got, err := stored.ReadHashes(indexes)
		if err != nil {
			return err
		}
		want, err := c.log.ReadHashes(indexes)
		if err != nil {
			return err
		}
		for i := range got {
			if got[i] != want[i] {
				return fmt.Errorf("hash %d of the tree does not follow from the leaves", indexes[i])
			}
		}
	}
	return nil
}

// heads compares the signed head and those that nodes have co-signed with the leaves.
func (c *checker) heads() error {
	info, err := c.v.PresentLog()
	if err != nil {
		return err
	}
	keys, err := delivery.OpenKeys(c.ring.Root, string(c.ring.Org), c.ring.Keys)
	if err != nil {
		return err
	}
	origin := audit.Origin(string(c.ring.Org), c.epoch)
	head, err := audit.OpenCheckpoint(info.Note, origin, keys.Log)
	if err != nil {
		return err
	}
	if err := c.had(head); err != nil {
		return err
	}
	c.found.Checkpoint = head.Tree.N
	words, err := c.v.Cosignatures()
	if err != nil {
		return err
	}
	for _, w := range words {
		if w.LogEpoch != c.epoch {
			continue // of a log that is over
		}
		err := fmt.Errorf("co-signature of %s: its node has no key", w.Node)
		var head audit.Checkpoint
		for _, key := range c.keys[w.Node] {
			if head, _, err = audit.CheckCosignature(w.Note, string(w.Node), key); err == nil {
				break
			}
		}
		if err == nil {
			err = c.had(head)
		}
		if err != nil {
			return err
		}
		c.found.Witnesses++
	}
	return nil
}

func (c *checker) had(head audit.Checkpoint) error {
	if head.Tree.N > c.found.Leaves {
		return fmt.Errorf("a head of %d leaves was signed, there are %d", head.Tree.N, c.found.Leaves)
	}
	want, err := audit.Log{Store: &c.log}.HeadAt(head.Tree.N)
	if err != nil {
		return err
	}
	if want.Hash != head.Tree.Hash {
		return fmt.Errorf("the signed head of %d leaves does not follow from the leaves", head.Tree.N)
	}
	return nil
}

func (c *checker) balances() error {
	seen := map[stock.Cell]bool{}
	err := c.v.Balances(func(at stock.Cell, b stock.Balance) error {
		if want := c.book.Balances[at]; b != want {
			return fmt.Errorf("%s of %s at %s: stored %s, the batches add up to %s", at.Key.Lot, at.Key.SKU, at.Location, b.OnHand(), want.OnHand())
		}
		seen[at] = true
		c.found.Balances++
		return nil
	})
	if err != nil {
		return err
	}
	for at := range c.book.Balances {
		if !seen[at] {
			return fmt.Errorf("balance of %s at %s is missing", at.Key.SKU, at.Location)
		}
	}
	return nil
}

func (c *checker) exceptions() error {
	stored := map[stock.ExceptionKind]map[string]bool{}
	err := c.v.Cases(false, func(i store.CaseInfo) error {
		switch k := i.Case.Kind; k {
		case stock.NegativeStock, stock.SerialTwice, stock.LotExpiry, stock.CountConcurrent:
			if _, ok := c.book.Open[k][i.Case.Subject]; !ok {
				return fmt.Errorf("exception %s %s is open without a cause", k, i.Case.Subject)
			}
			if stored[k] == nil {
				stored[k] = map[string]bool{}
			}
			stored[k][i.Case.Subject] = true
			c.found.Exceptions++
		}
		return nil
	})
	if err != nil {
		return err
	}
	for kind, cases := range c.book.Open {
		for subject := range cases {
			if !stored[kind][subject] {
				return fmt.Errorf("exception %s %s is missing", kind, subject)
			}
		}
	}
	return nil
}

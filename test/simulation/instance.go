package simulation

import (
	"crypto/ed25519"
	"errors"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// hubKeys are the hub's keys, the same in all histories.
type hubKeys struct {
	root, ack, feed, log ed25519.PrivateKey
	list                 []byte
}

func keyFrom(name string) ed25519.PrivateKey {
	seed := make([]byte, ed25519.SeedSize)
	copy(seed, name)
	return ed25519.NewKeyFromSeed(seed)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func newHubKeys() (hubKeys, error) {
	k := hubKeys{root: keyFrom("root"), ack: keyFrom("ack"), feed: keyFrom("feed"), log: keyFrom("log")}
	var err error
	k.list, err = delivery.SealKeys(k.root, delivery.Keys{Org: org, Number: 1, Ack: public(k.ack), Feed: public(k.feed), Log: public(k.log), CA: []byte{}})
	return k, err
}

// instance is a running program on a disk; a cloned card makes two of one node.
type instance struct {
	name   string
	disk   *disk
	trust  delivery.Trust
	sender *delivery.Sender
	online bool
	skew   time.Duration // of its clock
	clone  bool
	copies []card         // backups of its card
	noted  delivery.Place // acknowledged place whose marks were noted
	real   Store          // nil, or a store that is told all that disk is told
}

// card is a copy of what a node keeps.
type card struct {
	disk *disk
	real Store
}

// Store is a node's real store, which a world can run beside the disks of its nodes to hold
// one against the other.
type Store interface {
	// Add commits a change of the node's own under the name that the store gives it.
	Add(change.Change) (stock.ID, error)
	// Act runs do in one transaction that is durable when Act returns.
	Act(do func(delivery.NodeStore) error) error
	// Copy returns a store with what this one has on its disk now.
	Copy() (Store, error)
	// State returns what the sync core would start from.
	State() (delivery.SenderState, error)
	// Changes returns all changes by name, and OnHand the stock of the node's warehouse.
	Changes() (map[stock.ID][]byte, error)
	OnHand() (map[stock.Cell]stock.Quantity, error)
}

// act lets the machine of a node act on its disk and, if there is one, on its real store.
func (in *instance) act(do func(delivery.NodeStore) ([]delivery.Message, error)) (out []delivery.Message, err error) {
	if in.real == nil {
		return do(in.disk)
	}
	var ignored *delivery.Ignored
	failed := in.real.Act(func(tx delivery.NodeStore) error {
		if out, err = do(&both{in.disk, tx}); err != nil && !errors.As(err, &ignored) {
			return err
		}
		return nil
	})
	if failed != nil {
		return nil, failed
	}
	return out, errors.Join(err, in.compareState())
}

// copy returns the card as it is now.
func (c card) copy() (card, error) {
	to := card{disk: c.disk.clone()}
	if c.real == nil {
		return to, nil
	}
	var err error
	to.real, err = c.real.Copy()
	return to, err
}

func (w *World) restoreNode(in *instance) error {
	if len(in.copies) == 0 || in.clone || w.twin(in) != nil {
		return nil
	}
	c, err := in.copies[w.r.IntN(len(in.copies))].copy()
	if err != nil {
		return err
	}
	in.disk, in.real = c.disk, c.real
	w.tell("%s: card restored from a backup with %d changes", in.name, len(in.disk.own))
	return w.boot(in)
}

func (w *World) twin(in *instance) *instance {
	for _, o := range w.nodes {
		if o != in && o.disk.node == in.disk.node {
			return o
		}
	}
	return nil
}

func (w *World) cloneNode(in *instance) error {
	if w.twin(in) != nil {
		return nil
	}
	copied, err := card{in.disk, in.real}.copy()
	if err != nil {
		return err
	}
	c := &instance{name: in.name + "'", disk: copied.disk, real: copied.real, trust: in.trust, clone: true}
	w.nodes = append(w.nodes, c)
	w.tell("%s: card cloned", in.name)
	return w.boot(c)
}

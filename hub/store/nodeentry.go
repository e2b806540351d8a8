package store

import (
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// NodeEntry is an entry of a node's audit trail, as it is posted.
type NodeEntry struct {
	change.Entry
	Node      stock.NodeID
	Warehouse stock.Warehouse // of the node
	At        time.Time       // by the node's clock, and not later than now
}

// OnEntry says whom each entry that nodes deliver is told, in the transaction that posts it. It is set before anything is taken in. An error fails the
// transaction, so that it is for faults of the store alone.
func (s *Store) OnEntry(f func(*vault.Tx, NodeEntry) error) { s.onEntry = f }

// tellEntry tells of an entry.
func (tx *Tx) tellEntry(id stock.ID, c change.Change, e change.Entry) error {
	if tx.onEntry == nil {
		return nil
	}
	n, err := tx.mustNode(id.Node)
	if err != nil {
		return err
	}
	at := c.Meta.Time.Time()
	if now := tx.Now(); at.After(now) {
		at = now
	}
	return tx.onEntry(tx.tx, NodeEntry{Entry: e, Node: id.Node, Warehouse: n.state.Warehouse, At: at})
}

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Sealing is how far what the hub says of people reaches a node.
type Sealing int

// The ways.
const (
	SealingAwaited Sealing = iota // the node has not told its key: it is told nothing about people
	SealingNone                   // its program knows no such keys: all nodes of its warehouse are told in the clear
	SealingDone                   // people are sealed to it
)

// sealedNode is a node that may read the feed of rights of its warehouse.
type sealedNode struct {
	node stock.NodeID
	how  Sealing
	key  []byte
}

// sealedNodes returns the nodes of a warehouse that are enrolled and not revoked.
func (v *View) sealedNodes(w stock.Warehouse) (out []sealedNode, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var name string
		var known bool
		n := sealedNode{}
		if err := r.Scan(&name, &known, &n.key); err != nil {
			return err
		}
		n.node = stock.NodeID(name)
		switch {
		case known && len(n.key) == 0:
			n.how = SealingNone
		case known:
			n.how = SealingDone
		}
		out = append(out, n)
		return nil
	}, `SELECT n.name, s.node IS NOT NULL, coalesce(s.key, x'') FROM node n LEFT JOIN node_sealing s ON s.node = n.id
		WHERE n.warehouse = ?1 AND n.revoked = 0 AND length(n.public_key) > 0 ORDER BY n.name`, string(w))
	if err != nil {
		return nil, fmt.Errorf("read sealing keys of %s: %w", w, err)
	}
	return out, nil
}

// Sealings tells of each node that may read a feed of rights how people reach it.
func (v *View) Sealings() (map[stock.NodeID]Sealing, error) {
	list, err := v.Warehouses()
	out := map[stock.NodeID]Sealing{}
	for _, w := range list {
		nodes, err := v.sealedNodes(w)
		if err != nil {
			return nil, err
		}
		for _, n := range nodes {
			out[n.node] = n.how
		}
	}
	return out, err
}

// noteSealing takes a node's word about its sealing key. One that the node's present key has not signed is of a card that was replaced, or of nobody.
func (tx *Tx) noteSealing(name stock.NodeID, e change.Entry) error {
	n, err := tx.node(name)
	if err != nil || n == nil || !n.enrolled {
		return err
	}
	org, err := tx.Setting(SettingOrg)
	if err != nil {
		return err
	}
	signed, err := base64.StdEncoding.DecodeString(e.Detail["claim"])
	if err != nil {
		return nil //nolint:nilerr // it stays in the log, and says nothing to us
	}
	public, err := access.OpenClaim(n.state.Key, string(org), name, signed)
	if err != nil {
		return nil //nolint:nilerr // as above
	}
	var last []byte
	if err := tx.tx.QueryRow(`SELECT key FROM node_sealing WHERE node = ?1`, n.id).Scan(&last); err != nil && !errors.Is(err, vault.ErrNoRows) {
		return fmt.Errorf("read sealing key of %s: %w", name, err)
	}
	if bytes.Equal(last, public) {
		return nil
	}
	if _, err := tx.tx.Exec(`INSERT INTO node_sealing (node, key, at) VALUES (?1, ?2, ?3) ON CONFLICT (node) DO UPDATE SET key = excluded.key, at = excluded.at`, n.id, public, tx.now); err != nil {
		return fmt.Errorf("store sealing key of %s: %w", name, err)
	}
	if err := tx.say(n.state.Warehouse, access.Reader{Node: string(name), Key: public}, string(name), false); err != nil {
		return err
	}
	return tx.Notify(NoticeEnrolled, string(name)) // who describes people says them all to it now
}

// sayMemberTo tells a warehouse about one of its people: sealed to the nodes that have told their keys. While one of them has a program that knows no
// such keys, all are told in the clear and less. Where nobody could read it nothing is said yet.
func (tx *Tx) sayMemberTo(w stock.Warehouse, m access.Member) error {
	if err := tx.flushNodes(); err != nil { // one may have been revoked in this transaction
		return err
	}
	nodes, err := tx.sealedNodes(w)
	if err != nil {
		return err
	}
	var keys [][]byte
	said := word{wordName: wordName{access.KindMember, string(m.Account)}}
	for _, n := range nodes {
		switch n.how {
		case SealingNone:
			return tx.say(w, m, string(m.Account), false)
		case SealingDone:
			keys, said.readers = append(keys, n.key), append(said.readers, access.IDOfReader(n.key))
		}
	}
	if len(keys) == 0 {
		return nil
	}
	words, err := m.Words()
	if err != nil {
		return err
	}
	org, err := tx.Setting(SettingOrg)
	if err != nil {
		return err
	}
	said.digest = sha256.Sum256(words)
	return tx.sayWord(w, said, func() (feed.Entry, error) {
		s, err := access.Seal(m, access.Place{Org: string(org), Warehouse: w}, keys)
		if err != nil {
			return feed.Entry{}, err
		}
		return access.Pack(s)
	})
}

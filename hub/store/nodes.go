package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var _ delivery.HubStore = (*Tx)(nil)

// nodeRow is a node as it is remembered.
type nodeRow struct {
	id       int64
	state    delivery.NodeState
	enrolled bool
	dirty    bool
	heard    bool // it spoke in this transaction
}

// nodeRest is what only the sync core reads of a node's state.
type nodeRest struct {
	_        struct{} `cbor:",toarray"`
	Sealed   []delivery.Place
	Rejected []change.Hash
	Covered  delivery.Place
	Trusted  delivery.Place
	Boots    []delivery.Boot
	Turn     uint64
	Asked    delivery.Nonce
	Log      delivery.LogPlace
	SentTo   delivery.LogPlace
}

// node returns the remembered row, nil when there is no such node.
func (tx *Tx) node(name stock.NodeID) (*nodeRow, error) {
	if n, ok := tx.m.nodes[name]; ok {
		return n, nil
	}
	n, _, err := tx.readNode(`name = ?1`, string(name))
	if err != nil || n == nil {
		return nil, err
	}
	tx.m.nodes[name] = n
	return n, nil
}

const nodeColumns = `id, name, warehouse, public_key, epoch, seq, hash, head_leaf, next_number, highest, dispute, revoked, rest, added_at, seen_at`

func scanNode(r *vault.Rows) (*nodeRow, NodeInfo, error) {
	n := &nodeRow{}
	s := &n.state
	var key, hash, rest []byte
	var epoch, seq, next, highest, revoked, added, seen int64
	err := r.Scan(&n.id, &s.Node, &s.Warehouse, &key, &epoch, &seq, &hash, &s.HeadLeaf, &next, &highest, &s.Dispute, &revoked, &rest, &added, &seen)
	if err != nil {
		return nil, NodeInfo{}, err
	}
	var more nodeRest
	if err := change.Unmarshal(rest, &more); err != nil {
		return nil, NodeInfo{}, err
	}
	n.enrolled = len(key) > 0
	s.Key, s.Revoked, s.Next, s.Highest = key, revoked == 1, unsigned(next), unsigned(highest)
	s.Head = delivery.Place{Epoch: unsigned(epoch), Seq: unsigned(seq)}
	copy(s.Head.Hash[:], hash)
	s.Sealed, s.Rejected, s.Covered, s.Trusted = more.Sealed, more.Rejected, more.Covered, more.Trusted
	s.Boots, s.Turn, s.Asked, s.Log, s.SentTo = more.Boots, more.Turn, more.Asked, more.Log, more.SentTo
	return n, NodeInfo{State: *s, AddedAt: timeOf(added), SeenAt: timeOf(seen)}, nil
}

// readNode returns the first node of a condition, nil when there is none.
func (v *View) readNode(where string, args ...any) (*nodeRow, NodeInfo, error) {
	var n *nodeRow
	var info NodeInfo
	err := each(v.tx, func(r *vault.Rows) (err error) {
		n, info, err = scanNode(r)
		return err
	}, `SELECT `+nodeColumns+` FROM node WHERE `+where, args...)
	if err != nil {
		return nil, NodeInfo{}, fmt.Errorf("read node: %w", err)
	}
	return n, info, nil
}

// NodeInfo is a node as people see it.
type NodeInfo struct {
	State   delivery.NodeState
	AddedAt time.Time
	SeenAt  time.Time // last authentic word of it, zero for none
}

// NodeOf returns a node, or ErrNotFound.
func (v *View) NodeOf(name stock.NodeID) (NodeInfo, error) {
	n, info, err := v.readNode(`name = ?1`, string(name))
	if err == nil && n == nil {
		err = fmt.Errorf("node %s: %w", name, ErrNotFound)
	}
	return info, err
}

// Nodes returns all nodes, by name.
func (v *View) Nodes() ([]NodeInfo, error) {
	var out []NodeInfo
	err := each(v.tx, func(r *vault.Rows) error {
		_, info, err := scanNode(r)
		out = append(out, info)
		return err
	}, `SELECT `+nodeColumns+` FROM node ORDER BY name`)
	if err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	return out, nil
}

func (tx *Tx) mustNode(name stock.NodeID) (*nodeRow, error) {
	n, err := tx.node(name)
	if err == nil && n == nil {
		err = fmt.Errorf("node %s: %w", name, ErrNotFound)
	}
	return n, err
}

// Node implements delivery.HubStore. The state is the store's own: a caller that changes it
// calls SaveNode, or lets the transaction fail.
func (tx *Tx) Node(name stock.NodeID) (*delivery.NodeState, error) {
	n, err := tx.node(name)
	if err != nil || n == nil || !n.enrolled {
		return nil, err
	}
	return &n.state, nil
}

// SaveNode implements delivery.HubStore.
func (tx *Tx) SaveNode(s *delivery.NodeState) error {
	n, err := tx.mustNode(s.Node)
	if err != nil {
		return err
	}
	if s != &n.state {
		n.state = *s
	}
	if s.Dispute != "" { // a fork has a held batch to show, two living copies have nothing but this
		tx.setCase(Case{Kind: CaseAlarm, Subject: AlarmSubject(s.Node, s.Dispute), Node: s.Node, Detail: "a person has to decide"}, true)
	}
	tx.touch(n)
	return nil
}

func (tx *Tx) touch(n *nodeRow) {
	if !n.dirty {
		n.dirty = true
		tx.nodes = append(tx.nodes, n)
	}
}

// Heard notes that a node has spoken.
func (tx *Tx) Heard(name stock.NodeID) error {
	n, err := tx.mustNode(name)
	if err != nil {
		return err
	}
	n.heard = true
	tx.touch(n)
	return nil
}

func (tx *Tx) flushNodes() error {
	for _, n := range tx.nodes {
		s := n.state
		rest, err := encodeRest(s)
		if err != nil {
			return err
		}
		if _, err := tx.tx.Exec(`UPDATE node SET public_key = ?2, epoch = ?3, seq = ?4, hash = ?5, head_leaf = ?6, next_number = ?7, highest = ?8,
		                                dispute = ?9, revoked = ?10, rest = ?11, seen_at = CASE WHEN ?12 THEN ?13 ELSE seen_at END
		                          WHERE id = ?1`,
			n.id, []byte(s.Key), signed(s.Head.Epoch), signed(s.Head.Seq), s.Head.Hash[:], s.HeadLeaf, signed(s.Next), signed(s.Highest),
			string(s.Dispute), s.Revoked, rest, n.heard, tx.now); err != nil {
			return fmt.Errorf("store node %s: %w", s.Node, err)
		}
		n.dirty, n.heard, n.enrolled = false, false, len(s.Key) > 0
	}
	tx.nodes = tx.nodes[:0]
	return nil
}

func encodeRest(s delivery.NodeState) ([]byte, error) {
	b, err := change.Marshal(nodeRest{Sealed: s.Sealed, Rejected: s.Rejected, Covered: s.Covered, Trusted: s.Trusted,
		Boots: s.Boots, Turn: s.Turn, Asked: s.Asked, Log: s.Log, SentTo: s.SentTo})
	if err != nil {
		return nil, fmt.Errorf("store node %s: %w", s.Node, err)
	}
	return b, nil
}

// AddNode enrols a node under its first key, logs the key, and sees to it that the warehouse's feed of rights has the policy. A node of that name gives ErrExists.
func (tx *Tx) AddNode(s delivery.NodeState) error {
	if n, err := tx.node(s.Node); err != nil || n != nil {
		return errors.Join(err, fmt.Errorf("add node %s: %w", s.Node, ErrExists))
	}
	rest, err := encodeRest(s)
	if err != nil {
		return err
	}
	r, err := tx.tx.Exec(`INSERT INTO node (name, warehouse, public_key, epoch, seq, hash, head_leaf, next_number, highest, dispute, revoked, rest, added_at, seen_at)
	                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, 0)`,
		string(s.Node), string(s.Warehouse), []byte(s.Key), signed(s.Head.Epoch), signed(s.Head.Seq), s.Head.Hash[:], s.HeadLeaf,
		signed(s.Next), signed(s.Highest), string(s.Dispute), s.Revoked, rest, tx.now)
	if err != nil {
		return fmt.Errorf("add node %s: %w", s.Node, err)
	}
	tx.m.names[r.LastInsertID] = s.Node
	tx.m.nodes[s.Node] = &nodeRow{id: r.LastInsertID, state: s, enrolled: len(s.Key) > 0}
	if err := tx.logKey(r.LastInsertID, s.Node, s.Key); err != nil || s.Warehouse == "" {
		return err
	}
	p, err := tx.Policy()
	if err != nil {
		return err
	}
	return tx.sayPolicyTo(s.Warehouse, p) // the first node of a warehouse finds its rights waiting
}

// ReplaceKey gives a node another key, because its card was lost, and logs it.
func (tx *Tx) ReplaceKey(name stock.NodeID, key []byte) error {
	n, err := tx.mustNode(name)
	if err != nil {
		return err
	}
	n.state.Key = key
	tx.touch(n)
	if _, err := tx.tx.Exec(`DELETE FROM node_sealing WHERE node = ?1`, n.id); err != nil { // it went with the card: nothing more is sealed to it
		return fmt.Errorf("replace key of %s: %w", name, err)
	}
	return tx.logKey(n.id, name, key)
}

func (tx *Tx) logKey(id int64, name stock.NodeID, key []byte) error {
	leaf, err := tx.Log().Append(audit.Leaf{Kind: audit.LeafNodeKey, Hash: audit.KeyHash(string(name), key)})
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(`INSERT INTO node_key (node, public_key, leaf, added_at) VALUES (?1, ?2, ?3, ?4)`, id, key, leaf, tx.now)
	if err != nil {
		return fmt.Errorf("store key of %s: %w", name, err)
	}
	return nil
}

// PutCosignature implements delivery.HubStore.
func (tx *Tx) PutCosignature(node stock.NodeID, at delivery.LogPlace, when time.Time, note []byte) error {
	n, err := tx.mustNode(node)
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(`INSERT INTO cosignature (node, log_epoch, size, at, note) VALUES (?1, ?2, ?3, ?4, ?5)
	                     ON CONFLICT (node) DO UPDATE SET log_epoch = excluded.log_epoch, size = excluded.size, at = excluded.at, note = excluded.note`,
		n.id, signed(at.Epoch), at.Size, when.UnixMilli(), note)
	if err != nil {
		return fmt.Errorf("store co-signature of %s: %w", node, err)
	}
	return nil
}

// asideLimit bounds how much is kept of what was not authentic.
const asideLimit = 1000

// SetAside keeps something that came in under a node's name and was not authentic, and
// tells people. Only the last ones are kept.
func (tx *Tx) SetAside(node stock.NodeID, bytes []byte, why string) error {
	r, err := tx.tx.Exec(`INSERT INTO set_aside (at, node, why, bytes) VALUES (?1, ?2, ?3, ?4)`, tx.now, string(node), clip(why), bytes)
	if err == nil {
		_, err = tx.tx.Exec(`DELETE FROM set_aside WHERE id <= ?1`, r.LastInsertID-asideLimit)
	}
	if err != nil {
		return fmt.Errorf("set message of %s aside: %w", node, err)
	}
	return tx.Alarm(node, "not_authentic", why)
}

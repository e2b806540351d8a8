package store

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/internal/vault"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// LogInfo is a log with its last checkpoint.
type LogInfo struct {
	Epoch    uint64
	Opening  []byte // signed by the root key
	OpenedAt time.Time
	Size     int64
	Note     []byte // signed, empty before the first checkpoint
	CutAt    time.Time
}

// Logs returns the logs that there have been; the last is the present one.
func (v *View) Logs() ([]LogInfo, error) {
	var out []LogInfo
	err := each(v.tx, func(r *vault.Rows) error {
		var i LogInfo
		var epoch, opened, cut int64
		err := r.Scan(&epoch, &i.Opening, &opened, &i.Size, &i.Note, &cut)
		i.Epoch, i.OpenedAt, i.CutAt = unsigned(epoch), timeOf(opened), timeOf(cut)
		out = append(out, i)
		return err
	}, `SELECT epoch, opening, opened_at, size, note, cut_at FROM log ORDER BY epoch`)
	if err != nil {
		return nil, fmt.Errorf("read logs: %w", err)
	}
	return out, nil
}

// PresentLog returns the log that is continued, or ErrNotFound.
func (v *View) PresentLog() (LogInfo, error) {
	logs, err := v.Logs()
	if err != nil {
		return LogInfo{}, err
	}
	if len(logs) == 0 {
		return LogInfo{}, fmt.Errorf("log: %w", ErrNotFound)
	}
	return logs[len(logs)-1], nil
}

// Leaves calls fn for every leaf in order.
func (v *View) Leaves(fn func(audit.Leaf) error) error {
	err := each(v.tx, func(r *vault.Rows) error {
		var record []byte
		if err := r.Scan(&record); err != nil {
			return err
		}
		l, err := audit.ParseLeaf(record)
		if err != nil {
			return err
		}
		return fn(l)
	}, `SELECT record FROM leaf ORDER BY position`)
	if err != nil {
		return fmt.Errorf("read leaves: %w", err)
	}
	return nil
}

// viewHashes reads the tree without memory: for proofs outside of an act.
type viewHashes struct{ v *View }

// ReadHashes implements tlog.HashReader.
func (h viewHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if err := h.v.tx.QueryRow(`SELECT hash FROM tree WHERE position = ?1`, x).Scan(&out[i]); err != nil {
			return nil, fmt.Errorf("read hash %d of the log: %w", x, err)
		}
	}
	return out, nil
}

// Size implements audit.HashStore.
func (h viewHashes) Size() (int64, error) {
	var n int64
	err := h.v.tx.QueryRow(`SELECT coalesce(max(position) + 1, 0) FROM leaf`).Scan(&n)
	return n, err
}

// Append implements audit.HashStore: a view can not.
func (viewHashes) Append(int64, audit.Leaf, []tlog.Hash) error {
	return errors.New("append to the log: this is a view")
}

// Log returns the log to prove from. It can not be appended to.
func (v *View) Log() audit.Log { return audit.Log{Store: viewHashes{v}} }

// StoredBatch is an accepted batch with its place.
type StoredBatch struct {
	ID       int64
	Node     stock.NodeID
	Epoch    uint64 // of its place; another than the header's when it was held and accepted
	Seq      uint64
	First    uint64 // number of its first change, as counted in Epoch
	Count    uint64
	Leaf     int64
	Received time.Time
	Hash     change.Hash
	Batch    change.Batch
}

const batchColumns = `b.id, n.name, b.epoch, b.seq, b.first, b.count, b.leaf, b.received, b.hash, b.signed, b.body`

func scanBatch(r *vault.Rows) (StoredBatch, error) {
	var b StoredBatch
	var name string
	var epoch, seq, first, count, received int64
	err := r.Scan(&b.ID, &name, &epoch, &seq, &first, &count, &b.Leaf, &received, &b.Hash, &b.Batch.Signed, &b.Batch.Body)
	b.Node, b.Epoch, b.Seq, b.First, b.Count, b.Received = stock.NodeID(name), unsigned(epoch), unsigned(seq), unsigned(first), unsigned(count), timeOf(received)
	return b, err
}

// Batches calls fn for every batch after the one with that id, in the order in which they came in.
func (v *View) Batches(after int64, fn func(StoredBatch) error) error {
	return v.batches(fn, `b.id > ?1 ORDER BY b.id`, after)
}

// BatchOfLeaf returns the batch of a leaf, or ErrNotFound.
func (v *View) BatchOfLeaf(leaf int64) (StoredBatch, error) {
	return v.oneBatch(`b.leaf = ?1`, leaf)
}

// BatchOf returns the batch that a change came in, or ErrNotFound.
func (v *View) BatchOf(id stock.ID) (StoredBatch, error) {
	return v.oneBatch(`n.name = ?1 AND b.epoch = ?2 AND b.first <= ?3 AND b.first + b.count > ?3`, string(id.Node), signed(id.Epoch), signed(id.Number))
}

func (v *View) oneBatch(where string, args ...any) (StoredBatch, error) {
	var found []StoredBatch
	err := v.batches(func(b StoredBatch) error { found = append(found, b); return nil }, where+` LIMIT 1`, args...)
	if err == nil && len(found) == 0 {
		return StoredBatch{}, fmt.Errorf("batch: %w", ErrNotFound)
	}
	if err != nil {
		return StoredBatch{}, err
	}
	return found[0], nil
}

func (v *View) batches(fn func(StoredBatch) error, where string, args ...any) error {
	err := each(v.tx, func(r *vault.Rows) error {
		b, err := scanBatch(r)
		if err != nil {
			return err
		}
		return fn(b)
	}, `SELECT `+batchColumns+` FROM batch b JOIN node n ON n.id = b.node WHERE `+where, args...)
	if err != nil {
		return fmt.Errorf("read batches: %w", err)
	}
	return nil
}

// LoggedKey is a key that a node has or had.
type LoggedKey struct {
	Node stock.NodeID
	Key  []byte // Ed25519
	Leaf int64
	At   time.Time
}

// Keys returns the keys of all nodes in the order in which they were logged.
func (v *View) Keys() ([]LoggedKey, error) {
	var out []LoggedKey
	err := each(v.tx, func(r *vault.Rows) error {
		var k LoggedKey
		var name string
		var at int64
		err := r.Scan(&name, &k.Key, &k.Leaf, &at)
		k.Node, k.At = stock.NodeID(name), timeOf(at)
		out = append(out, k)
		return err
	}, `SELECT n.name, k.public_key, k.leaf, k.added_at FROM node_key k JOIN node n ON n.id = k.node ORDER BY k.leaf`)
	if err != nil {
		return nil, fmt.Errorf("read node keys: %w", err)
	}
	return out, nil
}

// LoggedEntry is an entry of the hub itself. Salt and Entry are empty when it was erased.
type LoggedEntry struct {
	Leaf  int64
	At    time.Time
	Salt  []byte
	Entry []byte // an encoded change
}

// Entries returns the hub's own entries in order, from a leaf on.
func (v *View) Entries(from int64) ([]LoggedEntry, error) {
	var out []LoggedEntry
	err := each(v.tx, func(r *vault.Rows) error {
		var e LoggedEntry
		var at int64
		err := r.Scan(&e.Leaf, &at, &e.Salt, &e.Entry)
		e.At = timeOf(at)
		out = append(out, e)
		return err
	}, `SELECT leaf, at, salt, entry FROM hub_entry WHERE leaf >= ?1 ORDER BY leaf`, from)
	if err != nil {
		return nil, fmt.Errorf("read entries: %w", err)
	}
	return out, nil
}

// Cosignature is the last word of a witness about the log.
type Cosignature struct {
	Node     stock.NodeID
	LogEpoch uint64
	Size     int64
	At       time.Time // by the node's clock
	Note     []byte
}

// Cosignatures returns the last co-signature of each node.
func (v *View) Cosignatures() ([]Cosignature, error) {
	var out []Cosignature
	err := each(v.tx, func(r *vault.Rows) error {
		var c Cosignature
		var name string
		var epoch, at int64
		err := r.Scan(&name, &epoch, &c.Size, &at, &c.Note)
		c.Node, c.LogEpoch, c.At = stock.NodeID(name), unsigned(epoch), timeOf(at)
		out = append(out, c)
		return err
	}, `SELECT n.name, c.log_epoch, c.size, c.at, c.note FROM cosignature c JOIN node n ON n.id = c.node ORDER BY n.name`)
	if err != nil {
		return nil, fmt.Errorf("read co-signatures: %w", err)
	}
	return out, nil
}

// timeOf returns the time of a stored number, the zero time of zero.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

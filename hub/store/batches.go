package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// perBatch is the room for changes of a batch in their ids; change.MaxChanges fits in.
const perBatch = 1024

// openBatch is the batch that is being merged: its changes get their ids from it.
type openBatch struct {
	row    int64
	stream stock.Stream
	first  uint64
	count  uint64
	body   []byte
	leaf   int64
	done   uint64 // last change number of the stream that is in the book
	fresh  bool   // all numbers after done are new
}

func (b *openBatch) id(id stock.ID) (int64, error) {
	if b.row == 0 || id.Node != b.stream.Node || id.Epoch != b.stream.Epoch || id.Number < b.first || id.Number-b.first >= b.count {
		return 0, fmt.Errorf("store change %s: it is not in the batch that is open", id)
	}
	return b.row*perBatch + signed(id.Number-b.first), nil
}

// change returns the name of a change from its id and its batch.
func (m *memory) change(id, node, epoch, first int64) stock.ID {
	return stock.ID{Node: m.names[node], Epoch: unsigned(epoch), Number: unsigned(first + id%perBatch)}
}

// stored reports whether a change came in an earlier batch, or earlier in the open one, and
// was not parked.
func (tx *Tx) stored(node int64, id stock.ID) (bool, error) {
	open := tx.batch.row != 0 && tx.batch.stream == (stock.Stream{Node: id.Node, Epoch: id.Epoch}) && id.Number >= tx.batch.first
	if open && id.Number > tx.batch.done {
		return false, nil
	}
	var n int64
	err := tx.tx.QueryRow(`SELECT count(*) FROM batch b WHERE node = ?1 AND epoch = ?2 AND first <= ?3 AND first + count > ?3
	                          AND NOT EXISTS (SELECT 1 FROM parked p WHERE p.id BETWEEN b.id * 1024 AND b.id * 1024 + 1023 AND (p.whole = 1 OR p.number = ?3))`,
		node, signed(id.Epoch), signed(id.Number)).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("find change %s: %w", id, err)
	}
	return n > 0, nil
}

// PutBatch implements delivery.HubStore. Changes posted from here on belong to this batch.
func (tx *Tx) PutBatch(p delivery.Place, h change.Header, b change.Batch, leaf int64) error {
	n, err := tx.mustNode(h.Node)
	if err != nil {
		return err
	}
	stream := stock.Stream{Node: h.Node, Epoch: p.Epoch}
	last, err := tx.lastNumber(n.id, stream)
	if err != nil {
		return err
	}
	r, err := tx.tx.Exec(`INSERT INTO batch (node, epoch, seq, first, count, leaf, received, hash, signed, body)
	                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`,
		n.id, signed(p.Epoch), signed(p.Seq), signed(h.First), signed(h.Count), leaf, tx.now, p.Hash[:], b.Signed, b.Body)
	if err != nil {
		return fmt.Errorf("store batch %d of %s: %w", p.Seq, h.Node, err)
	}
	tx.batch = openBatch{row: r.LastInsertID, stream: stream, first: h.First, count: h.Count, body: b.Body, leaf: leaf, done: last, fresh: h.First > last}
	tx.m.streams[stream] = max(last, h.Last())
	return nil
}

// lastNumber returns the last change number in any stored batch of a stream.
func (tx *Tx) lastNumber(node int64, s stock.Stream) (uint64, error) {
	if n, ok := tx.m.streams[s]; ok {
		return n, nil
	}
	var n int64
	err := tx.tx.QueryRow(`SELECT coalesce(max(first + count - 1), 0) FROM batch WHERE node = ?1 AND epoch = ?2`, node, signed(s.Epoch)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("find last change of %s: %w", s.Node, err)
	}
	tx.m.streams[s] = unsigned(n)
	return unsigned(n), nil
}

// HashAt implements delivery.HubStore.
func (tx *Tx) HashAt(node stock.NodeID, epoch, seq uint64) (change.Hash, bool, error) {
	n, err := tx.mustNode(node)
	if err != nil {
		return change.Hash{}, false, err
	}
	var hash change.Hash
	err = tx.tx.QueryRow(`SELECT hash FROM batch WHERE node = ?1 AND epoch = ?2 AND seq = ?3`, n.id, signed(epoch), signed(seq)).Scan(&hash)
	if errors.Is(err, vault.ErrNoRows) {
		return change.Hash{}, false, nil
	}
	if err != nil {
		return change.Hash{}, false, fmt.Errorf("read batch %d of %s: %w", seq, node, err)
	}
	return hash, true, nil
}

// StoredBatch implements delivery.HubStore.
func (tx *Tx) StoredBatch(node stock.NodeID, epoch, seq uint64) (change.Batch, bool, error) {
	n, err := tx.mustNode(node)
	if err != nil {
		return change.Batch{}, false, err
	}
	var b change.Batch
	err = tx.tx.QueryRow(`SELECT signed, body FROM batch WHERE node = ?1 AND epoch = ?2 AND seq = ?3`, n.id, signed(epoch), signed(seq)).Scan(&b.Signed, &b.Body)
	if errors.Is(err, vault.ErrNoRows) {
		return change.Batch{}, false, nil
	}
	if err != nil {
		return change.Batch{}, false, fmt.Errorf("read batch %d of %s: %w", seq, node, err)
	}
	return b, true, nil
}

// Park implements delivery.HubStore.
func (tx *Tx) Park(p delivery.Parked) error {
	id, err := tx.batch.id(p.ID)
	if err != nil {
		return err
	}
	n, err := tx.mustNode(p.ID.Node)
	if err != nil {
		return err
	}
	whole := bytes.Equal(p.Change, tx.batch.body) // a batch that can not be merged at all is parked as one
	if _, err := tx.tx.Exec(`INSERT INTO parked (id, node, epoch, number, whole, why, change) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		id, n.id, signed(p.ID.Epoch), signed(p.ID.Number), whole, clip(p.Why), p.Change); err != nil {
		return fmt.Errorf("park change %s: %w", p.ID, err)
	}
	tx.raise(Case{Kind: CaseParked, Subject: p.ID.String(), Node: p.ID.Node, Detail: clip(p.Why)})
	return nil
}

// ParkedIn implements delivery.HubStore.
func (tx *Tx) ParkedIn(node stock.NodeID, epoch, first, last uint64) ([]uint64, error) {
	n, err := tx.mustNode(node)
	if err != nil {
		return nil, err
	}
	var out []uint64
	err = each(tx.tx, func(r *vault.Rows) error {
		var from, to int64
		err := r.Scan(&from, &to)
		for n := max(unsigned(from), first); n <= min(unsigned(to), last); n++ {
			out = append(out, n)
		}
		return err
	}, `SELECT p.number, CASE WHEN p.whole = 1 THEN b.first + b.count - 1 ELSE p.number END
	      FROM parked p JOIN batch b ON b.id = p.id / 1024
	     WHERE p.node = ?1 AND p.epoch = ?2 AND (p.number BETWEEN ?3 AND ?4 OR (p.whole = 1 AND p.number < ?3))`,
		n.id, signed(epoch), signed(first), signed(last))
	if err != nil {
		return nil, fmt.Errorf("read parked changes of %s: %w", node, err)
	}
	slices.Sort(out)
	return slices.Compact(out), nil
}

// Settled implements delivery.HubStore.
func (tx *Tx) Settled(node stock.NodeID, fingerprint func() change.Hash) (string, error) {
	n, err := tx.mustNode(node)
	if err != nil || !tx.m.decided[n.id] {
		return "", err
	}
	mark := fingerprint()
	var why string
	err = tx.tx.QueryRow(`SELECT why FROM settled WHERE node = ?1 AND fingerprint = ?2`, n.id, mark[:]).Scan(&why)
	if errors.Is(err, vault.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read decisions about %s: %w", node, err)
	}
	return why, nil
}

// Settle notes that a change of a node is not to be posted, whenever it comes again.
func (tx *Tx) Settle(node stock.NodeID, fingerprint change.Hash, why string) error {
	n, err := tx.mustNode(node)
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(`INSERT INTO settled (node, fingerprint, why) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`, n.id, fingerprint[:], why)
	if err != nil {
		return fmt.Errorf("settle change of %s: %w", node, err)
	}
	tx.m.decided[n.id] = true
	return nil
}

// Hold implements delivery.HubStore.
func (tx *Tx) Hold(h change.Header, hash change.Hash, b change.Batch, reason delivery.Reason) error {
	n, err := tx.mustNode(h.Node)
	if err != nil {
		return err
	}
	r, err := tx.tx.Exec(`INSERT INTO held (hash, node, epoch, seq, reason, since, signed, body)
	                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO NOTHING`,
		hash[:], n.id, signed(h.Epoch), signed(h.Seq), string(reason), tx.now, b.Signed, b.Body)
	if err != nil {
		return fmt.Errorf("hold batch %d of %s: %w", h.Seq, h.Node, err)
	}
	if r.RowsAffected > 0 {
		tx.raise(Case{Kind: CaseHeld, Subject: hash.String(), Node: h.Node, Detail: string(reason)})
	}
	return nil
}

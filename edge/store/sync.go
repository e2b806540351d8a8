package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

var _ delivery.NodeStore = (*Tx)(nil)

// SenderState returns what the sync core starts from.
func (tx *Tx) SenderState() (delivery.SenderState, error) {
	var st delivery.SenderState
	var hash, ackedHash, root, asked, grant []byte
	err := tx.tx.QueryRow(`SELECT epoch, seq, hash, next, acked_epoch, acked_seq, acked_hash, kept, log_epoch, log_size, log_root, keys, frozen, asked, grant_bytes FROM sync`).Scan(
		&st.Head.Epoch, &st.Head.Seq, &hash, &st.Next, &st.Acked.Epoch, &st.Acked.Seq, &ackedHash, &st.Kept, &st.Log.Epoch, &st.Log.Size, &root, &st.Keys, &st.Frozen, &asked, &grant)
	if errors.Is(err, vault.ErrNoRows) {
		return st, ErrNotEnrolled
	}
	if err != nil {
		return st, fmt.Errorf("read sync state: %w", err)
	}
	copy(st.Head.Hash[:], hash)
	copy(st.Acked.Hash[:], ackedHash)
	copy(st.Log.Root[:], root)
	copy(st.Asked[:], asked)
	if len(grant) > 0 {
		st.Grant = grant
	}
	st.Feeds = map[string]delivery.FeedHead{}
	err = tx.each(func(r *vault.Rows) error {
		var h delivery.FeedHead
		var b []byte
		if err := r.Scan(&h.Place.Feed, &h.Place.LogEpoch, &h.Place.Version, &b); err != nil {
			return err
		}
		copy(h.Hash[:], b)
		st.Feeds[h.Place.Feed] = h
		return nil
	}, `SELECT name, log_epoch, version, hash FROM feed`)
	return st, err
}

// BatchAt implements delivery.NodeStore.
func (tx *Tx) BatchAt(epoch, seq uint64) (change.Batch, change.Header, change.Hash, bool, error) {
	var b change.Batch
	var h change.Header
	var stored []byte
	err := tx.tx.QueryRow(`SELECT first, count, hash, signed, body FROM batch WHERE epoch = ?1 AND seq = ?2`, int64(epoch), int64(seq)).Scan( // #nosec G115 -- counts
		&h.First, &h.Count, &stored, &b.Signed, &b.Body)
	if errors.Is(err, vault.ErrNoRows) {
		return b, h, change.Hash{}, false, nil
	}
	if err != nil {
		return b, h, change.Hash{}, false, fmt.Errorf("read batch %d.%d: %w", epoch, seq, err)
	}
	h.Node, h.Epoch, h.Seq = tx.memo.node, epoch, seq
	var hash change.Hash
	copy(hash[:], stored)
	return b, h, hash, true, nil
}

// Uncut implements delivery.NodeStore.
func (tx *Tx) Uncut(first uint64, most, bytes int) ([][]byte, error) {
	var epoch uint64
	if err := tx.tx.QueryRow(`SELECT epoch FROM sync`).Scan(&epoch); err != nil {
		return nil, err
	}
	s, ok, err := tx.findStream(stock.Stream{Node: tx.memo.node, Epoch: epoch})
	if err != nil || !ok {
		return nil, err
	}
	rows, err := tx.tx.Query(`SELECT bytes FROM change WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3`, s<<streamShift|int64(first), s<<streamShift|maxNumber, int64(most)) // #nosec G115 -- counts
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		if bytes -= len(b); bytes < 0 && len(out) > 0 {
			break
		}
		out = append(out, b)
	}
	return out, rows.Err()
}

func (tx *Tx) insertBatch(p delivery.Place, h change.Header, b change.Batch) error {
	return tx.exec("batch", `INSERT OR REPLACE INTO batch (epoch, seq, first, count, hash, signed, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		int64(p.Epoch), int64(p.Seq), int64(h.First), int64(h.Count), p.Hash[:], b.Signed, b.Body) // #nosec G115 -- counts
}

// PutBatch implements delivery.NodeStore.
func (tx *Tx) PutBatch(p delivery.Place, h change.Header, b change.Batch, next uint64) error {
	if err := tx.insertBatch(p, h, b); err != nil {
		return err
	}
	tx.memo.epoch, tx.memo.next = p.Epoch, next
	return tx.exec("chain", `UPDATE sync SET epoch = ?1, seq = ?2, hash = ?3, next = ?4`, int64(p.Epoch), int64(p.Seq), p.Hash[:], int64(next)) // #nosec G115 -- counts
}

// PutAcked implements delivery.NodeStore. Batches that a verified backup of the hub covers are let go.
func (tx *Tx) PutAcked(acked, covered delivery.Place) error {
	_, h, _, ok, err := tx.BatchAt(acked.Epoch, acked.Seq)
	if err != nil {
		return err
	}
	kept := uint64(0)
	if ok {
		kept = h.Last()
	}
	if err := tx.exec("acknowledgement", `UPDATE sync SET acked_epoch = ?1, acked_seq = ?2, acked_hash = ?3, kept = ?4`,
		int64(acked.Epoch), int64(acked.Seq), acked.Hash[:], int64(kept)); err != nil { // #nosec G115 -- counts
		return err
	}
	if covered.Seq == 0 {
		return nil
	}
	// The last batch of every epoch stays, and what is not acknowledged: they are our place in the chain.
	return tx.exec("acknowledgement", `DELETE FROM batch WHERE (epoch < ?1 OR (epoch = ?1 AND seq <= ?2)) AND (epoch < ?3 OR (epoch = ?3 AND seq < ?4))
		AND seq < (SELECT max(b.seq) FROM batch b WHERE b.epoch = batch.epoch)`, int64(covered.Epoch), int64(covered.Seq), int64(acked.Epoch), int64(acked.Seq)) // #nosec G115 -- counts
}

// PutLog implements delivery.NodeStore.
func (tx *Tx) PutLog(at delivery.LogPlace, note []byte) error {
	if err := tx.exec("checkpoint", `INSERT INTO head (epoch, size, note) VALUES (?1, ?2, ?3) ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, note = excluded.note`,
		int64(at.Epoch), at.Size, note); err != nil { // #nosec G115 -- a count
		return err
	}
	return tx.exec("checkpoint", `UPDATE sync SET log_epoch = ?1, log_size = ?2, log_root = ?3`, int64(at.Epoch), at.Size, at.Root[:]) // #nosec G115 -- a count
}

// Heads returns the head of the hub's log that the node co-signed last, and what it last saw that contradicts
// such a head: mostly a head as well, empty when there was nothing.
func (tx *Tx) Heads() (cosigned, seen []byte, err error) {
	err = tx.tx.QueryRow(`SELECT (SELECT note FROM head ORDER BY epoch DESC LIMIT 1), evidence FROM sync`).Scan(&cosigned, &seen)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotEnrolled
	}
	return cosigned, seen, err
}

// PutKeys implements delivery.NodeStore.
func (tx *Tx) PutKeys(signed []byte) error {
	return tx.exec("key list", `UPDATE sync SET keys = ?1`, signed)
}

// PutFrozen implements delivery.NodeStore. What was seen last is kept for people when it is lifted.
func (tx *Tx) PutFrozen(why string, evidence []byte) error {
	if why == "" {
		return tx.exec("evidence", `UPDATE sync SET frozen = ''`)
	}
	return tx.exec("evidence", `UPDATE sync SET frozen = ?1, evidence = ?2`, why, notNil(evidence))
}

// PutRejoin implements delivery.NodeStore.
func (tx *Tx) PutRejoin(asked delivery.Nonce, grant []byte) error {
	return tx.exec("rejoin", `UPDATE sync SET asked = ?1, grant_bytes = ?2`, asked[:], notNil(grant))
}

// PutReturned implements delivery.NodeStore.
func (tx *Tx) PutReturned(p delivery.Place, h change.Header, b change.Batch, parked []uint64) error {
	list, err := change.Marshal(parked)
	if err != nil {
		return err
	}
	return tx.exec("returned batch", `INSERT OR REPLACE INTO returned (epoch, seq, first, count, hash, signed, body, parked) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`,
		int64(p.Epoch), int64(p.Seq), int64(h.First), int64(h.Count), p.Hash[:], b.Signed, b.Body, list) // #nosec G115 -- counts
}

// Returned implements delivery.NodeStore.
func (tx *Tx) Returned(epoch uint64) (delivery.Place, bool, error) {
	p := delivery.Place{Epoch: epoch}
	var hash []byte
	err := tx.tx.QueryRow(`SELECT seq, hash FROM returned WHERE epoch = ?1 ORDER BY seq DESC LIMIT 1`, int64(epoch)).Scan(&p.Seq, &hash) // #nosec G115 -- a count
	if errors.Is(err, vault.ErrNoRows) {
		return p, false, nil
	}
	copy(p.Hash[:], hash)
	return p, err == nil, err
}

// Grant implements delivery.NodeStore.
func (tx *Tx) Grant(epoch uint64) ([]byte, bool, error) {
	var b []byte
	err := tx.tx.QueryRow(`SELECT bytes FROM epoch_grant WHERE epoch = ?1`, int64(epoch)).Scan(&b) // #nosec G115 -- a count
	if errors.Is(err, vault.ErrNoRows) {
		return nil, false, nil
	}
	return b, err == nil, err
}

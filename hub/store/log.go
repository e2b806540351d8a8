package store

import (
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// leaves is the log's view of a transaction.
type leaves struct{ *Tx }

// Log implements delivery.HubStore.
func (tx *Tx) Log() audit.Log { return audit.Log{Store: leaves{tx}} }

// Ledger implements delivery.HubStore.
func (tx *Tx) Ledger() stock.Ledger { return stock.Ledger{Book: tx} }

// Size implements audit.HashStore.
func (l leaves) Size() (int64, error) { return l.m.size, nil }

// ReadHashes implements tlog.HashReader.
func (l leaves) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		h, ok := l.m.hashes.get(x)
		if !ok {
			if err := l.tx.QueryRow(`SELECT hash FROM tree WHERE position = ?1`, x).Scan(&h); err != nil {
				return nil, fmt.Errorf("read hash %d of the log: %w", x, err)
			}
			l.m.hashes.put(x, h)
		}
		out[i] = h
	}
	return out, nil
}

// Append implements audit.HashStore.
func (l leaves) Append(size int64, leaf audit.Leaf, hashes []tlog.Hash) error {
	if _, err := l.tx.Exec(`INSERT INTO leaf (position, record) VALUES (?1, ?2)`, size, leaf.Bytes()); err != nil {
		return fmt.Errorf("append leaf %d: %w", size, err)
	}
	at := tlog.StoredHashIndex(0, size)
	for i, h := range hashes {
		if _, err := l.tx.Exec(`INSERT INTO tree (position, hash) VALUES (?1, ?2)`, at+int64(i), h[:]); err != nil {
			return fmt.Errorf("append leaf %d: %w", size, err)
		}
		l.m.hashes.put(at+int64(i), h)
	}
	l.m.size = size + 1
	return nil
}

// LogEpoch returns the epoch of the log that is continued, 0 before the first was opened.
func (tx *Tx) LogEpoch() uint64 { return tx.m.logEpoch }

// PutCheckpoint implements delivery.HubStore.
func (tx *Tx) PutCheckpoint(tree tlog.Tree, note []byte) error {
	_, err := tx.tx.Exec(`UPDATE log SET size = ?2, note = ?3, cut_at = ?4 WHERE epoch = ?1`, signed(tx.m.logEpoch), tree.N, note, tx.now)
	if err != nil {
		return fmt.Errorf("store checkpoint of %d leaves: %w", tree.N, err)
	}
	return nil
}

// Record logs what a person or the hub itself did: the entry is kept with a random salt, and
// the leaf is its salted hash. It returns the leaf.
func (tx *Tx) Record(c change.Change, salt []byte) (int64, error) {
	encoded, err := c.Encode()
	if err != nil {
		return 0, err
	}
	leaf, err := tx.Log().Append(audit.Leaf{Kind: audit.LeafEntry, Hash: change.SaltedHash(salt, encoded)})
	if err != nil {
		return 0, err
	}
	if _, err := tx.tx.Exec(`INSERT INTO hub_entry (leaf, at, salt, entry) VALUES (?1, ?2, ?3, ?4)`, leaf, tx.now, salt, encoded); err != nil {
		return 0, fmt.Errorf("store entry: %w", err)
	}
	return leaf, nil
}

// EraseEntry destroys content and salt of the entry of a leaf, because they are about a
// person who is to be forgotten. The leaf and every proof stay valid. Entries of decisions
// (held.accepted) are not to be erased: a batch beside its chain is justified by nothing else.
func (tx *Tx) EraseEntry(leaf int64) error {
	r, err := tx.tx.Exec(`UPDATE hub_entry SET salt = NULL, entry = NULL WHERE leaf = ?1`, leaf)
	if err == nil && r.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("erase entry of leaf %d: %w", leaf, err)
	}
	return nil
}

// OpenLog begins the log of a new epoch: its opening is leaf 0 and all leaves that there
// are follow in their order. Feeds begin anew.
func (tx *Tx) OpenLog(epoch uint64, opening audit.Leaf, signedOpening []byte) error {
	if err := tx.Flush(); err != nil {
		return err
	}
	old, err := tx.leafRecords()
	if err != nil {
		return err
	}
	for _, query := range []string{`DELETE FROM leaf`, `DELETE FROM tree`, `DELETE FROM chunk`,
		`UPDATE feed SET version = 0, head = zeroblob(32), source = 0, place = 0`,
		`UPDATE batch SET leaf = leaf + 1`, `UPDATE hub_entry SET leaf = leaf + 1`, `UPDATE node_key SET leaf = leaf + 1`,
		`UPDATE exception SET opened_leaf = opened_leaf + 1 WHERE opened_leaf >= 0`,
		`UPDATE exception SET closed_leaf = closed_leaf + 1 WHERE closed_leaf >= 0`,
		`UPDATE node SET head_leaf = head_leaf + 1 WHERE head_leaf >= 0`} {
		if _, err := tx.tx.Exec(query); err != nil {
			return fmt.Errorf("open log %d: %w", epoch, err)
		}
	}
	if _, err := tx.tx.Exec(`INSERT INTO log (epoch, opening, opened_at, size, note, cut_at) VALUES (?1, ?2, ?3, 0, ?4, 0)`,
		signed(epoch), signedOpening, tx.now, []byte{}); err != nil {
		return fmt.Errorf("open log %d: %w", epoch, err)
	}
	tx.m.size, tx.m.logEpoch = 0, epoch
	tx.m.hashes = newHalves[int64, tlog.Hash](hashesInMemory)
	clear(tx.m.nodes) // their leaves have moved
	log := tx.Log()
	for _, l := range append([]audit.Leaf{opening}, old...) {
		if _, err := log.Append(l); err != nil {
			return err
		}
	}
	return nil
}

func (v *View) leafRecords() ([]audit.Leaf, error) {
	var out []audit.Leaf
	err := v.Leaves(func(l audit.Leaf) error { out = append(out, l); return nil })
	return out, err
}

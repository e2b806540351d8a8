package store

import (
	"fmt"
	"slices"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Adopt implements delivery.NodeStore. It is rare: the ledger is made again from the changes.
func (tx *Tx) Adopt(g delivery.Grant, grant []byte, kept stock.ID) error {
	renamed, returned, err := tx.recut(g, kept)
	if err != nil {
		return fmt.Errorf("adopt epoch %d: %w", g.Epoch, err)
	}
	for _, r := range renamed {
		if err := tx.deleteChange(r.Old); err != nil {
			return err
		}
	}
	for _, r := range returned {
		if r.Parked {
			continue
		}
		if err := tx.replace(r.ID, r.Change); err != nil {
			return err
		}
	}
	for _, r := range renamed {
		if r.Change != nil {
			if err := tx.replace(r.New, r.Change); err != nil {
				return err
			}
		}
	}
	if err := tx.renameInScans(renamed); err != nil {
		return err
	}
	if err := tx.adoptChain(g, grant); err != nil {
		return err
	}
	tx.added = true
	return tx.refold()
}

func (tx *Tx) recut(g delivery.Grant, kept stock.ID) ([]delivery.Renamed, []delivery.Stored, error) {
	var local []delivery.Stored
	s, ok, err := tx.findStream(stock.Stream{Node: kept.Node, Epoch: kept.Epoch})
	if err != nil {
		return nil, nil, err
	}
	if ok {
		err = tx.each(func(r *vault.Rows) error {
			var row int64
			c := delivery.Stored{ID: kept}
			if err := r.Scan(&row, &c.Change); err != nil {
				return err
			}
			c.ID.Number = uint64(row & maxNumber) // #nosec G115 -- masked
			local = append(local, c)
			return nil
		}, `SELECT id, bytes FROM change WHERE id BETWEEN ?1 AND ?2 ORDER BY id`, s<<streamShift|int64(kept.Number+1), s<<streamShift|maxNumber) // #nosec G115 -- a count
		if err != nil {
			return nil, nil, err
		}
	}
	returned, err := tx.returnedChanges()
	if err != nil {
		return nil, nil, err
	}
	rejected, err := tx.rejected(g)
	if err != nil {
		return nil, nil, err
	}
	renamed, err := delivery.Recut(tx.memo.node, g.Epoch, local, returned, rejected)
	return renamed, returned, err
}

func (tx *Tx) returnedChanges() ([]delivery.Stored, error) {
	var out []delivery.Stored
	err := tx.each(func(r *vault.Rows) error {
		var b change.Batch
		var epoch, first uint64
		var list []byte
		if err := r.Scan(&epoch, &first, &b.Signed, &b.Body, &list); err != nil {
			return err
		}
		var parked []uint64
		if err := change.Unmarshal(list, &parked); err != nil {
			return err
		}
		h, _, err := b.Claim()
		if err != nil {
			return err
		}
		contents, err := b.Unpack(h)
		if err != nil {
			return nil // the hub has parked it whole
		}
		for i, c := range contents.Changes {
			n := first + uint64(i) // #nosec G115 -- an index
			out = append(out, delivery.Stored{ID: stock.ID{Node: tx.memo.node, Epoch: epoch, Number: n}, Change: c, Parked: slices.Contains(parked, n)})
		}
		return nil
	}, `SELECT epoch, first, signed, body, parked FROM returned ORDER BY epoch, seq`)
	return out, err
}

// rejected tells the changes in own batches that a person at the hub has rejected.
func (tx *Tx) rejected(g delivery.Grant) (func(stock.ID) bool, error) {
	type span struct{ epoch, first, last uint64 }
	var spans []span
	for _, hash := range g.Settled {
		err := tx.each(func(r *vault.Rows) error {
			var s span
			var count uint64
			if err := r.Scan(&s.epoch, &s.first, &count); err != nil {
				return err
			}
			s.last = s.first + count - 1
			spans = append(spans, s)
			return nil
		}, `SELECT epoch, first, count FROM batch WHERE hash = ?1`, hash[:])
		if err != nil {
			return nil, err
		}
	}
	return func(id stock.ID) bool {
		return slices.ContainsFunc(spans, func(s span) bool { return s.epoch == id.Epoch && s.first <= id.Number && id.Number <= s.last })
	}, nil
}

// renameInScans makes what stations remember of renamed movements follow.
func (tx *Tx) renameInScans(renamed []delivery.Renamed) error {
	rows := make(map[int64]int64, len(renamed))
	for _, r := range renamed {
		was, err := tx.rowOrZero(r.Old)
		if err != nil {
			return err
		}
		if rows[was], err = tx.rowOrZero(r.New); err != nil {
			return err
		}
	}
	type scan struct{ id, movement, undo int64 }
	var found []scan
	err := tx.each(func(r *vault.Rows) error {
		var s scan
		if err := r.Scan(&s.id, &s.movement, &s.undo); err != nil {
			return err
		}
		movement, ok1 := rows[s.movement]
		undo, ok2 := rows[s.undo]
		if ok1 {
			s.movement = movement
		}
		if ok2 {
			s.undo = undo
		}
		if ok1 || ok2 {
			found = append(found, s)
		}
		return nil
	}, `SELECT id, movement, undo FROM scan WHERE movement <> 0 OR undo <> 0`)
	for _, s := range found {
		if err == nil {
			err = tx.exec("scan", `UPDATE scan SET movement = ?2, undo = ?3 WHERE id = ?1`, s.id, s.movement, s.undo)
		}
	}
	return err
}

func (tx *Tx) deleteChange(id stock.ID) error {
	row, _, err := tx.rowOf(id)
	if err != nil {
		return err
	}
	return tx.exec("change", `DELETE FROM change WHERE id = ?1`, row)
}

// replace keeps a change under its name without posting it: refold follows.
func (tx *Tx) replace(id stock.ID, b []byte) error {
	s, err := tx.stream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	if err != nil {
		return err
	}
	return tx.exec("change", `INSERT OR REPLACE INTO change (id, bytes) VALUES (?1, ?2)`, s<<streamShift|int64(id.Number), b) // #nosec G115 -- a count
}

func (tx *Tx) adoptChain(g delivery.Grant, grant []byte) error {
	for _, p := range g.Sealed { // what lies past a seal was never the hub's
		if err := tx.exec("chain", `DELETE FROM batch WHERE epoch = ?1 AND seq > ?2`, int64(p.Epoch), int64(p.Seq)); err != nil { // #nosec G115 -- counts
			return err
		}
	}
	if err := tx.exec("chain", `INSERT OR REPLACE INTO batch SELECT epoch, seq, first, count, hash, signed, body FROM returned`); err != nil {
		return err
	}
	if err := tx.exec("chain", `DELETE FROM returned`); err != nil {
		return err
	}
	if err := tx.exec("grant", `INSERT OR REPLACE INTO epoch_grant (epoch, bytes) VALUES (?1, ?2)`, int64(g.Epoch), grant); err != nil { // #nosec G115 -- a count
		return err
	}
	zero := make([]byte, len(change.Hash{}))
	return tx.exec("chain", `UPDATE sync SET epoch = ?1, seq = 0, hash = ?2, next = 1, acked_epoch = ?1, acked_seq = 0, acked_hash = ?2, kept = 0, asked = x'', grant_bytes = x''`, int64(g.Epoch), zero) // #nosec G115 -- a count
}

// refold makes the ledger again from all changes.
func (tx *Tx) refold() error {
	tx.forget()
	for _, table := range []string{"stock_count", "balance", "reversal", "exception"} {
		if err := tx.exec(table, `DELETE FROM `+table); err != nil { // #nosec G202 -- names from this list only
			return err
		}
	}
	if err := tx.exec("kinds of stock", `UPDATE stock_key SET moved = 0`); err != nil {
		return err
	}
	if err := tx.exec("changes", `UPDATE change SET key = NULL WHERE key IS NOT NULL`); err != nil {
		return err
	}
	for next := int64(0); ; {
		rows, err := tx.changesFrom(next)
		if err != nil || len(rows) == 0 {
			return err
		}
		for _, r := range rows {
			if err := tx.repost(r); err != nil {
				return err
			}
			next = r.row + 1
		}
	}
}

// keptChange is a row of the table of changes.
type keptChange struct {
	row   int64
	bytes []byte
}

// changesFrom returns some changes in the order of their rows.
func (tx *Tx) changesFrom(row int64) (out []keptChange, err error) {
	const some = 500
	return out, tx.each(func(r *vault.Rows) error {
		var k keptChange
		err := r.Scan(&k.row, &k.bytes)
		out = append(out, k)
		return err
	}, `SELECT id, bytes FROM change WHERE id >= ?1 ORDER BY id LIMIT ?2`, row, int64(some))
}

func (tx *Tx) repost(k keptChange) error {
	id, err := tx.nameOf(k.row)
	if err != nil {
		return err
	}
	c, err := change.Decode(k.bytes)
	if err != nil {
		return nil // of a newer program: kept, moves no stock here
	}
	scope := stock.Warehouse("")
	if id.Node == tx.memo.node {
		scope = tx.memo.warehouse
	}
	return tx.post(id, c, scope)
}

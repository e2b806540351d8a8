package store

import (
	"errors"
	"fmt"
	"math"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Mark is a place in the history of an item, to go on from. The zero Mark is the newest end.
type Mark struct {
	Time uint64 // hybrid time
	ID   int64
}

// Posted is a movement or a count in the ledger, with the batch that brought it. What
// exactly it was is read from the batch.
type Posted struct {
	Mark  Mark
	Batch int64 // id, see BatchWithID
	Index int   // place among the changes of the batch
}

// HistoryOf calls fn for what nodes of warehouses moved and counted of an item, the newest first, from before
// a mark and at most so many.
func (v *View) HistoryOf(sku stock.SKU, in access.Places, before Mark, most int, fn func(Posted) error) error {
	if before == (Mark{}) {
		before = Mark{Time: math.MaxInt64, ID: math.MaxInt64}
	}
	err := each(v.tx, func(r *vault.Rows) error {
		var time, id int64
		if err := r.Scan(&time, &id); err != nil {
			return err
		}
		return fn(Posted{Mark: Mark{unsigned(time), id}, Batch: id / perBatch, Index: int(id % perBatch)})
	}, `SELECT p.time, p.id FROM (SELECT m.time AS time, m.id AS id FROM stock_key k JOIN movement m ON m.key = k.id WHERE k.sku = ?1
	                    UNION ALL SELECT c.time, c.id FROM stock_key k JOIN stock_count c ON c.key = k.id WHERE k.sku = ?1) p
	     WHERE (p.time, p.id) < (?2, ?3) AND (?5 = '*' OR EXISTS (SELECT 1 FROM batch b JOIN node n ON n.id = b.node WHERE b.id = p.id / ?6 AND n.warehouse <> '' AND ?5 LIKE '%,' || n.warehouse || ',%'))
	     ORDER BY p.time DESC, p.id DESC LIMIT ?4`, string(sku), signed(before.Time), before.ID, most, listOf(in), perBatch)
	if err != nil {
		return fmt.Errorf("read history of %s: %w", sku, err)
	}
	return nil
}

// BatchWithID returns a stored batch, or ErrNotFound.
func (v *View) BatchWithID(id int64) (StoredBatch, error) { return v.oneBatch(`b.id = ?1`, id) }

// BatchAt returns the batch at a place of a node's chain, or ErrNotFound.
func (v *View) BatchAt(node stock.NodeID, epoch, seq uint64) (StoredBatch, error) {
	if epoch > math.MaxInt64 || seq > math.MaxInt64 {
		return StoredBatch{}, fmt.Errorf("batch: %w", ErrNotFound)
	}
	return v.oneBatch(`n.name = ?1 AND b.epoch = ?2 AND b.seq = ?3`, string(node), signed(epoch), signed(seq))
}

// ParkedReasons returns why changes of a batch could not be posted, by their number.
func (v *View) ParkedReasons(b StoredBatch) (map[uint64]string, error) {
	out := map[uint64]string{}
	err := each(v.tx, func(r *vault.Rows) error {
		var n, whole int64
		var why string
		err := r.Scan(&n, &whole, &why)
		out[unsigned(n)] = why
		for i := range b.Count {
			if whole == 1 {
				out[b.First+i] = why
			}
		}
		return err
	}, `SELECT number, whole, why FROM parked WHERE id BETWEEN ?1 AND ?2`, b.ID*perBatch, b.ID*perBatch+perBatch-1)
	if err != nil {
		return nil, fmt.Errorf("read parked changes: %w", err)
	}
	return out, nil
}

// Warehouses returns the warehouses that any node works in, by name.
func (v *View) Warehouses() ([]stock.Warehouse, error) {
	var out []stock.Warehouse
	err := each(v.tx, func(r *vault.Rows) error {
		var w string
		err := r.Scan(&w)
		out = append(out, stock.Warehouse(w))
		return err
	}, `SELECT DISTINCT warehouse FROM node WHERE warehouse <> '' ORDER BY warehouse`)
	if err != nil {
		return nil, fmt.Errorf("read warehouses: %w", err)
	}
	return out, nil
}

// PlaceOfLeaf returns where the batch of a leaf stands, or ErrNotFound for a leaf of another kind.
func (v *View) PlaceOfLeaf(leaf int64) (node stock.NodeID, epoch, seq uint64, err error) {
	var name string
	var e, s int64
	err = v.tx.QueryRow(`SELECT n.name, b.epoch, b.seq FROM batch b JOIN node n ON n.id = b.node WHERE b.leaf = ?1`, leaf).Scan(&name, &e, &s)
	if errors.Is(err, vault.ErrNoRows) {
		return "", 0, 0, fmt.Errorf("batch of leaf %d: %w", leaf, ErrNotFound)
	}
	if err != nil {
		return "", 0, 0, fmt.Errorf("find batch of leaf %d: %w", leaf, err)
	}
	return stock.NodeID(name), unsigned(e), unsigned(s), nil
}

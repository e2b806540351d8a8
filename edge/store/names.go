package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// The id of a change is a stream and a number: see the migrations.
const (
	streamShift = 40
	maxNumber   = 1<<streamShift - 1
)

// idOf looks up the id of a name; ok is false when there is none.
func (tx *Tx) idOf(query string, args ...any) (id int64, ok bool, err error) {
	err = tx.tx.QueryRow(query, args...).Scan(&id)
	if errors.Is(err, vault.ErrNoRows) {
		return 0, false, nil
	}
	return id, err == nil, err
}

func (tx *Tx) findStream(s stock.Stream) (int64, bool, error) {
	if id, ok := tx.memo.streams[s]; ok {
		return id, true, nil
	}
	id, ok, err := tx.idOf(`SELECT id FROM stream WHERE node = ?1 AND epoch = ?2`, string(s.Node), int64(s.Epoch)) // #nosec G115 -- a count
	if ok {
		tx.memo.streams[s] = id
	}
	return id, ok, err
}

func (tx *Tx) stream(s stock.Stream) (int64, error) {
	id, ok, err := tx.findStream(s)
	if ok || err != nil {
		return id, err
	}
	r, err := tx.tx.Exec(`INSERT INTO stream (node, epoch) VALUES (?1, ?2)`, string(s.Node), int64(s.Epoch)) // #nosec G115 -- a count
	if err != nil {
		return 0, fmt.Errorf("store stream %s.%d: %w", s.Node, s.Epoch, err)
	}
	tx.memo.streams[s] = r.LastInsertID
	return r.LastInsertID, nil
}

// lastOf returns the last number of a stream, 0 for none.
func (tx *Tx) lastOf(stream int64) (uint64, error) {
	if n, ok := tx.memo.last[stream]; ok {
		return n, nil
	}
	var row int64
	if err := tx.tx.QueryRow(`SELECT coalesce(max(id), 0) FROM change WHERE id BETWEEN ?1 AND ?2`, stream<<streamShift, stream<<streamShift|maxNumber).Scan(&row); err != nil {
		return 0, fmt.Errorf("read last change: %w", err)
	}
	n := uint64(row & maxNumber) // #nosec G115 -- masked
	tx.memo.last[stream] = n
	return n, nil
}

// rowOf returns the row id that a change of that name has; ok is false when its stream is unknown.
func (tx *Tx) rowOf(id stock.ID) (int64, bool, error) {
	s, ok, err := tx.findStream(stock.Stream{Node: id.Node, Epoch: id.Epoch})
	return s<<streamShift | int64(id.Number), ok, err // #nosec G115 -- numbers are counts
}

// nameOf is the other way round; row 0 has the zero name.
func (tx *Tx) nameOf(row int64) (stock.ID, error) {
	if row == 0 {
		return stock.ID{}, nil
	}
	s, ok := tx.memo.names[row>>streamShift]
	if !ok {
		if err := tx.tx.QueryRow(`SELECT node, epoch FROM stream WHERE id = ?1`, row>>streamShift).Scan(&s.Node, &s.Epoch); err != nil {
			return stock.ID{}, fmt.Errorf("read stream: %w", err)
		}
		tx.memo.names[row>>streamShift] = s
	}
	return stock.ID{Node: s.Node, Epoch: s.Epoch, Number: uint64(row & maxNumber)}, nil // #nosec G115 -- masked
}

func (tx *Tx) findPlace(l stock.Location) (int64, bool, error) {
	if id, ok := tx.memo.places[l]; ok {
		return id, true, nil
	}
	id, ok, err := tx.idOf(`SELECT id FROM location WHERE name = ?1`, string(l))
	if ok {
		tx.memo.places[l] = id
	}
	return id, ok, err
}

func (tx *Tx) place(l stock.Location) (int64, error) {
	id, ok, err := tx.findPlace(l)
	if ok || err != nil {
		return id, err
	}
	r, err := tx.tx.Exec(`INSERT INTO location (name, warehouse) VALUES (?1, ?2)`, string(l), string(l.Warehouse()))
	if err != nil {
		return 0, fmt.Errorf("store location %s: %w", l, err)
	}
	tx.memo.places[l] = r.LastInsertID
	return r.LastInsertID, nil
}

func (tx *Tx) findItem(sku stock.SKU) (int64, bool, error) {
	if id, ok := tx.memo.items[sku]; ok {
		return id, true, nil
	}
	id, ok, err := tx.idOf(`SELECT id FROM stock_item WHERE sku = ?1`, string(sku))
	if ok {
		tx.memo.items[sku] = id
	}
	return id, ok, err
}

func (tx *Tx) item(sku stock.SKU) (int64, error) {
	id, ok, err := tx.findItem(sku)
	if ok || err != nil {
		return id, err
	}
	r, err := tx.tx.Exec(`INSERT INTO stock_item (sku) VALUES (?1)`, string(sku))
	if err != nil {
		return 0, fmt.Errorf("store item %s: %w", sku, err)
	}
	tx.memo.items[sku] = r.LastInsertID
	return r.LastInsertID, nil
}

func (tx *Tx) findKey(k stock.Key) (keyMemo, bool, error) {
	if m, ok := tx.memo.keys[k]; ok {
		return m, true, nil
	}
	item, ok, err := tx.findItem(k.SKU)
	if !ok || err != nil {
		return keyMemo{}, false, err
	}
	var m keyMemo
	err = tx.tx.QueryRow(`SELECT id, moved FROM stock_key WHERE item = ?1 AND serial = ?2 AND lot = ?3 AND expiry = ?4 AND state = ?5`,
		item, string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State)).Scan(&m.id, &m.moved)
	if errors.Is(err, vault.ErrNoRows) {
		return m, false, nil
	}
	if err == nil {
		tx.memo.keys[k] = m
	}
	return m, err == nil, err
}

// key returns the id of a kind of stock, a new one if need be. novel says that with moved no
// movement named it before.
func (tx *Tx) key(k stock.Key, moved bool) (id int64, novel bool, err error) {
	m, ok, err := tx.findKey(k)
	switch {
	case err != nil:
		return 0, false, err
	case ok && (m.moved || !moved):
		return m.id, false, nil
	case ok:
		m.moved = true
		_, err = tx.tx.Exec(`UPDATE stock_key SET moved = 1 WHERE id = ?1`, m.id)
	default:
		var item int64
		if item, err = tx.item(k.SKU); err != nil {
			return 0, false, err
		}
		var r vault.Result
		r, err = tx.tx.Exec(`INSERT INTO stock_key (item, serial, lot, expiry, state, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
			item, string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State), moved)
		m = keyMemo{r.LastInsertID, moved}
	}
	if err != nil {
		return 0, false, fmt.Errorf("store kind of stock of %s: %w", k.SKU, err)
	}
	tx.memo.keys[k] = m
	return m.id, moved, nil
}

// cell returns the ids of a cell, new ones if need be.
func (tx *Tx) cell(at stock.Cell) (cellID, error) {
	key, _, err := tx.key(at.Key, false)
	if err != nil {
		return cellID{}, err
	}
	place, err := tx.place(at.Location)
	return cellID{key, place}, err
}

// findCell is cell for readers; ok is false when the store has never heard of it.
func (tx *Tx) findCell(at stock.Cell) (cellID, bool, error) {
	key, ok, err := tx.findKey(at.Key)
	if !ok || err != nil {
		return cellID{}, false, err
	}
	place, ok, err := tx.findPlace(at.Location)
	return cellID{key.id, place}, ok, err
}

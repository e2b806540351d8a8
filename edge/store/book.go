package store

import (
	"errors"
	"fmt"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

var _ stock.Book = (*Tx)(nil)

// Has implements stock.Book.
func (tx *Tx) Has(id stock.ID) (bool, error) {
	row, ok, err := tx.rowOf(id)
	if err != nil || !ok {
		return false, err
	}
	var n int64
	err = tx.tx.QueryRow(`SELECT (SELECT count(*) FROM movement WHERE id = ?1) + (SELECT count(*) FROM stock_count WHERE id = ?1)`, row).Scan(&n)
	return n > 0, err
}

// Balance implements stock.Book.
func (tx *Tx) Balance(at stock.Cell) (stock.Balance, error) {
	var b stock.Balance
	k := at.Key
	err := tx.tx.QueryRow(`SELECT b.moved, b.adjusted, b.counted FROM balance b
		WHERE b.key = (SELECT id FROM stock_key WHERE sku = ?1 AND serial = ?2 AND lot = ?3 AND expiry = ?4 AND state = ?5)
		  AND b.location = (SELECT id FROM location WHERE name = ?6)`,
		string(k.SKU), string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State), string(at.Location)).Scan(&b.Moved, &b.Adjusted, &b.Counted)
	if errors.Is(err, vault.ErrNoRows) {
		return stock.Balance{}, nil
	}
	return b, err
}

// SetBalance implements stock.Book.
func (tx *Tx) SetBalance(at stock.Cell, b stock.Balance) error {
	key, place, err := tx.cell(at)
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(`INSERT INTO balance (key, location, moved, adjusted, counted) VALUES (?1, ?2, ?3, ?4, ?5)
		ON CONFLICT (key, location) DO UPDATE SET moved = excluded.moved, adjusted = excluded.adjusted, counted = excluded.counted`,
		key, place, int64(b.Moved), int64(b.Adjusted), b.Counted)
	if err != nil {
		return fmt.Errorf("store balance: %w", err)
	}
	return nil
}

func (tx *Tx) cell(at stock.Cell) (key, place int64, err error) {
	if key, _, err = tx.key(at.Key, false); err != nil {
		return 0, 0, err
	}
	place, err = tx.location(at.Location)
	return key, place, err
}

// key returns the id of a kind of stock, a new one if need be. novel says that no movement named it before.
func (tx *Tx) key(k stock.Key, moved bool) (id int64, novel bool, err error) {
	var was bool
	err = tx.tx.QueryRow(`SELECT id, moved FROM stock_key WHERE sku = ?1 AND serial = ?2 AND lot = ?3 AND expiry = ?4 AND state = ?5`,
		string(k.SKU), string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State)).Scan(&id, &was)
	switch {
	case err == nil && moved && !was:
		_, err = tx.tx.Exec(`UPDATE stock_key SET moved = 1 WHERE id = ?1`, id)
		return id, true, err
	case err == nil:
		return id, false, nil
	case !errors.Is(err, vault.ErrNoRows):
		return 0, false, err
	}
	r, err := tx.tx.Exec(`INSERT INTO stock_key (sku, serial, lot, expiry, state, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		string(k.SKU), string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State), moved)
	return r.LastInsertID, moved, err
}

func (tx *Tx) location(l stock.Location) (int64, error) {
	var id int64
	err := tx.tx.QueryRow(`SELECT id FROM location WHERE name = ?1`, string(l)).Scan(&id)
	if !errors.Is(err, vault.ErrNoRows) {
		return id, err
	}
	r, err := tx.tx.Exec(`INSERT INTO location (name, warehouse) VALUES (?1, ?2)`, string(l), string(l.Warehouse()))
	return r.LastInsertID, err
}

// AddMovement implements stock.Book. What is not needed to fold the ledger stays in the change.
func (tx *Tx) AddMovement(m stock.Movement) (bool, error) {
	row, ok, err := tx.rowOf(m.ID)
	if err != nil || !ok {
		return false, errors.Join(err, fmt.Errorf("movement %s of an unknown stream: %v", m.ID, ok))
	}
	key, novel, err := tx.key(m.Key, true)
	if err != nil {
		return false, err
	}
	from, err := tx.location(m.From)
	if err != nil {
		return false, err
	}
	to, err := tx.location(m.To)
	if err != nil {
		return false, err
	}
	if _, err := tx.tx.Exec(`INSERT INTO movement (id, key, source, target, quantity, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		row, key, from, to, int64(m.Quantity), int64(m.Time)); err != nil { // #nosec G115 -- kept bit by bit
		return false, fmt.Errorf("store movement %s: %w", m.ID, err)
	}
	return novel, tx.addReversal(row, m)
}

func (tx *Tx) addReversal(row int64, m stock.Movement) error {
	if m.Reverses.IsZero() {
		return nil
	}
	reversed, ok, err := tx.rowOf(m.Reverses)
	if err != nil || !ok {
		return err
	}
	_, err = tx.tx.Exec(`INSERT OR IGNORE INTO reversal (reversed, by) VALUES (?1, ?2)`, reversed, row)
	return err
}

// Reversed reports whether a movement was taken back.
func (tx *Tx) Reversed(id stock.ID) (bool, error) {
	row, ok, err := tx.rowOf(id)
	if err != nil || !ok {
		return false, err
	}
	var n int64
	err = tx.tx.QueryRow(`SELECT count(*) FROM reversal WHERE reversed = ?1`, row).Scan(&n)
	return n > 0, err
}

// AddCount implements stock.Book.
func (tx *Tx) AddCount(c stock.Count) error {
	row, ok, err := tx.rowOf(c.ID)
	if err != nil || !ok {
		return errors.Join(err, fmt.Errorf("count %s of an unknown stream: %v", c.ID, ok))
	}
	key, place, err := tx.cell(c.Cell)
	if err != nil {
		return err
	}
	_, err = tx.tx.Exec(`INSERT INTO stock_count (id, key, location) VALUES (?1, ?2, ?3)`, row, key, place)
	return err
}

// Counts implements stock.Book. What was found and seen is read from the changes.
func (tx *Tx) Counts(at stock.Cell) ([]stock.Count, error) {
	key, place, err := tx.cell(at)
	if err != nil {
		return nil, err
	}
	var out []stock.Count
	err = tx.each(func(r *vault.Rows) error {
		var id stock.ID
		var number int64
		var b []byte
		if err := r.Scan(&number, &id.Node, &id.Epoch, &b); err != nil {
			return err
		}
		id.Number = uint64(number) // #nosec G115 -- a count
		c, err := change.Decode(b)
		if err != nil {
			return err
		}
		n, err := c.Count(id)
		out = append(out, n)
		return err
	}, `SELECT c.id & 1099511627775, s.node, s.epoch, b.bytes FROM stock_count c JOIN change b ON b.id = c.id JOIN stream s ON s.id = c.id >> 40
	     WHERE c.key = ?1 AND c.location = ?2`, key, place)
	return out, err
}

// MovementsOf implements stock.Book.
func (tx *Tx) MovementsOf(at stock.Cell) ([]stock.Movement, error) {
	key, place, err := tx.cell(at)
	if err != nil {
		return nil, err
	}
	var out []stock.Movement
	err = tx.each(func(r *vault.Rows) error {
		m := stock.Movement{Key: at.Key}
		var number, quantity, when int64
		if err := r.Scan(&number, &m.ID.Node, &m.ID.Epoch, &m.From, &m.To, &quantity, &when); err != nil {
			return err
		}
		m.ID.Number, m.Quantity, m.Time = uint64(number), stock.Quantity(quantity), uint64(when) // #nosec G115 -- as AddMovement wrote them
		out = append(out, m)
		return nil
	}, `SELECT m.id & 1099511627775, s.node, s.epoch, f.name, t.name, m.quantity, m.time
	      FROM movement m JOIN stream s ON s.id = m.id >> 40 JOIN location f ON f.id = m.source JOIN location t ON t.id = m.target
	     WHERE m.key = ?1 AND (m.source = ?2 OR m.target = ?2)`, key, place)
	return out, err
}

// SerialCells implements stock.Book.
func (tx *Tx) SerialCells(sku stock.SKU, serial stock.Serial) (map[stock.Location]stock.Quantity, error) {
	out := map[stock.Location]stock.Quantity{}
	err := tx.each(func(r *vault.Rows) error {
		var l stock.Location
		var q int64
		if err := r.Scan(&l, &q); err != nil {
			return err
		}
		out[l] += stock.Quantity(q)
		return nil
	}, `SELECT l.name, b.moved + b.adjusted FROM stock_key k JOIN balance b ON b.key = k.id JOIN location l ON l.id = b.location
	     WHERE k.sku = ?1 AND k.serial = ?2 AND l.warehouse <> '' AND b.moved + b.adjusted > 0`, string(sku), string(serial))
	return out, err
}

// Expiries implements stock.Book.
func (tx *Tx) Expiries(sku stock.SKU, lot stock.Lot) ([]stock.Date, error) {
	var out []stock.Date
	err := tx.each(func(r *vault.Rows) error {
		var d stock.Date
		err := r.Scan(&d)
		out = append(out, d)
		return err
	}, `SELECT DISTINCT expiry FROM stock_key WHERE sku = ?1 AND lot = ?2 AND lot <> '' AND moved = 1`, string(sku), string(lot))
	return out, err
}

// SetException implements stock.Book.
func (tx *Tx) SetException(e stock.Exception, open bool) error {
	query := `DELETE FROM exception WHERE kind = ?1 AND subject = ?2`
	if open {
		query = `INSERT OR IGNORE INTO exception (kind, subject) VALUES (?1, ?2)`
	}
	_, err := tx.tx.Exec(query, string(e.Kind), e.Subject)
	return err
}

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
	if last, ok := tx.memo.last[row>>streamShift]; ok && id.Number > last {
		return false, nil // as every new change is
	}
	var n int64
	err = tx.tx.QueryRow(`SELECT (SELECT count(*) FROM change WHERE id = ?1 AND key IS NOT NULL) + (SELECT count(*) FROM stock_count WHERE id = ?1)`, row).Scan(&n)
	return n > 0, err
}

// Balance implements stock.Book.
func (tx *Tx) Balance(at stock.Cell) (stock.Balance, error) {
	c, ok, err := tx.findCell(at)
	if !ok || err != nil {
		return stock.Balance{}, err
	}
	b, err := tx.balance(c)
	return b.Balance, err
}

func (tx *Tx) balance(c cellID) (balanceMemo, error) {
	if b, ok := tx.memo.balances[c]; ok {
		return b, nil
	}
	b := balanceMemo{stored: true}
	err := tx.tx.QueryRow(`SELECT moved, adjusted, counted, held, last FROM balance WHERE key = ?1 AND location = ?2`, c.key, c.place).Scan(&b.Moved, &b.Adjusted, &b.Counted, &b.held, &b.last)
	if errors.Is(err, vault.ErrNoRows) {
		b, err = balanceMemo{}, nil
	}
	if err != nil {
		return b, fmt.Errorf("read balance: %w", err)
	}
	tx.memo.balances[c] = b
	return b, nil
}

// SetBalance implements stock.Book.
func (tx *Tx) SetBalance(at stock.Cell, b stock.Balance) error {
	c, err := tx.cell(at)
	if err != nil {
		return err
	}
	was, err := tx.balance(c)
	if err != nil {
		return err
	}
	now := balanceMemo{Balance: b, stored: true, held: b.OnHand() != 0 && !at.Location.Outside(), last: was.last}
	if was.stored && was.held == now.held {
		_, err = tx.tx.Exec(`UPDATE balance SET moved = ?3, adjusted = ?4, counted = ?5, last = ?6 WHERE key = ?1 AND location = ?2`,
			c.key, c.place, int64(b.Moved), int64(b.Adjusted), b.Counted, now.last)
	} else {
		_, err = tx.tx.Exec(`INSERT INTO balance (key, location, item, moved, adjusted, counted, held, last) VALUES (?1, ?2, (SELECT item FROM stock_key WHERE id = ?1), ?3, ?4, ?5, ?6, ?7)
			ON CONFLICT (key, location) DO UPDATE SET moved = excluded.moved, adjusted = excluded.adjusted, counted = excluded.counted, held = excluded.held, last = excluded.last`,
			c.key, c.place, int64(b.Moved), int64(b.Adjusted), b.Counted, now.held, now.last)
	}
	if err != nil {
		return fmt.Errorf("store balance: %w", err)
	}
	tx.memo.balances[c] = now
	return nil
}

// AddMovement implements stock.Book. What is not needed to fold the ledger stays in the change.
func (tx *Tx) AddMovement(m stock.Movement) (bool, error) {
	s, err := tx.stream(stock.Stream{Node: m.ID.Node, Epoch: m.ID.Epoch})
	if err != nil {
		return false, err
	}
	row := s<<streamShift | int64(m.ID.Number) // #nosec G115 -- a count
	key, novel, err := tx.key(m.Key, true)
	if err != nil {
		return false, err
	}
	from, err := tx.place(m.From)
	if err != nil {
		return false, err
	}
	to, err := tx.place(m.To)
	if err != nil {
		return false, err
	}
	fromBefore, err := tx.follow(m.From, cellID{key, from}, row)
	if err != nil {
		return false, err
	}
	toBefore, err := tx.follow(m.To, cellID{key, to}, row)
	if err != nil {
		return false, err
	}
	// The row of the change and its place in the ledger are one statement, but where the row is there already.
	if err := tx.exec("movement", `INSERT INTO change (id, bytes, key, source, target, quantity, time, source_before, target_before) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
		ON CONFLICT (id) DO UPDATE SET key = excluded.key, source = excluded.source, target = excluded.target, quantity = excluded.quantity, time = excluded.time,
			source_before = excluded.source_before, target_before = excluded.target_before`,
		row, notNil(tx.bytes), key, from, to, int64(m.Quantity), int64(m.Time), fromBefore, toBefore); err != nil { // #nosec G115 -- kept bit by bit
		return false, err
	}
	tx.bytes = nil
	tx.numbered(s, m.ID.Number)
	return novel, tx.addReversal(row, m)
}

// follow makes row the last movement of a cell and returns the one before. The ledger stores
// the balances of both cells after the movement, and this with them.
func (tx *Tx) follow(l stock.Location, c cellID, row int64) (before int64, err error) {
	if l.Outside() {
		return 0, nil
	}
	b, err := tx.balance(c)
	if err != nil {
		return 0, err
	}
	before, b.last = b.last, row
	tx.memo.balances[c] = b
	return before, nil
}

// numbered notes that a stream has reached a number.
func (tx *Tx) numbered(stream int64, n uint64) {
	if last, ok := tx.memo.last[stream]; ok {
		tx.memo.last[stream] = max(last, n)
	}
}

func (tx *Tx) addReversal(row int64, m stock.Movement) error {
	if m.Reverses.IsZero() {
		return nil
	}
	s, err := tx.stream(stock.Stream{Node: m.Reverses.Node, Epoch: m.Reverses.Epoch})
	if err != nil {
		return err
	}
	return tx.exec("reversal", `INSERT OR IGNORE INTO reversal (reversed, by) VALUES (?1, ?2)`, s<<streamShift|int64(m.Reverses.Number), row) // #nosec G115 -- a count
}

// Reversed reports whether a movement was taken back.
func (tx *Tx) Reversed(id stock.ID) (bool, error) {
	row, ok, err := tx.rowOf(id)
	if err != nil || !ok {
		return false, err
	}
	_, ok, err = tx.idOf(`SELECT by FROM reversal WHERE reversed = ?1`, row)
	return ok, err
}

// AddCount implements stock.Book. What was found and seen stays in the change.
func (tx *Tx) AddCount(c stock.Count) error {
	s, err := tx.stream(stock.Stream{Node: c.ID.Node, Epoch: c.ID.Epoch})
	if err != nil {
		return err
	}
	at, err := tx.cell(c.Cell)
	if err != nil {
		return err
	}
	tx.numbered(s, c.ID.Number)
	return tx.exec("count", `INSERT INTO stock_count (id, key, location) VALUES (?1, ?2, ?3)`, s<<streamShift|int64(c.ID.Number), at.key, at.place) // #nosec G115 -- a count
}

// Counts implements stock.Book.
func (tx *Tx) Counts(at stock.Cell) ([]stock.Count, error) {
	cell, ok, err := tx.findCell(at)
	if !ok || err != nil {
		return nil, err
	}
	var out []stock.Count
	err = tx.each(func(r *vault.Rows) error {
		var id stock.ID
		var b []byte
		if err := r.Scan(&id.Number, &id.Node, &id.Epoch, &b); err != nil {
			return err
		}
		c, err := change.Decode(b)
		if err != nil {
			return err
		}
		n, err := c.Count(id)
		out = append(out, n)
		return err
	}, `SELECT c.id & 1099511627775, s.node, s.epoch, b.bytes FROM stock_count c JOIN change b ON b.id = c.id JOIN stream s ON s.id = c.id >> 40
	     WHERE c.key = ?1 AND c.location = ?2`, cell.key, cell.place)
	return out, err
}

// MovementsOf implements stock.Book.
func (tx *Tx) MovementsOf(at stock.Cell) ([]stock.Movement, error) {
	cell, ok, err := tx.findCell(at)
	if !ok || err != nil {
		return nil, err
	}
	var out []stock.Movement
	err = tx.each(func(r *vault.Rows) error {
		m := stock.Movement{Key: at.Key}
		var when int64
		if err := r.Scan(&m.ID.Number, &m.ID.Node, &m.ID.Epoch, &m.From, &m.To, &m.Quantity, &when); err != nil {
			return err
		}
		m.Time = uint64(when) // #nosec G115 -- as AddMovement wrote it
		out = append(out, m)
		return nil
	}, `WITH RECURSIVE chain (id) AS (
	         SELECT last FROM balance WHERE key = ?1 AND location = ?2
	         UNION ALL
	         SELECT CASE m.source WHEN ?2 THEN m.source_before ELSE m.target_before END FROM chain JOIN change m ON m.id = chain.id)
	    SELECT m.id & 1099511627775, s.node, s.epoch, f.name, t.name, m.quantity, m.time
	      FROM chain CROSS JOIN change m ON m.id = chain.id CROSS JOIN stream s ON s.id = m.id >> 40 CROSS JOIN location f ON f.id = m.source CROSS JOIN location t ON t.id = m.target`,
		cell.key, cell.place)
	return out, err
}

// SerialCells implements stock.Book.
func (tx *Tx) SerialCells(sku stock.SKU, serial stock.Serial) (map[stock.Location]stock.Quantity, error) {
	item, ok, err := tx.findItem(sku)
	out := map[stock.Location]stock.Quantity{}
	if !ok || err != nil {
		return out, err
	}
	err = tx.each(func(r *vault.Rows) error {
		var l stock.Location
		var q stock.Quantity
		if err := r.Scan(&l, &q); err != nil {
			return err
		}
		out[l] += q
		return nil
	}, `SELECT l.name, b.moved + b.adjusted FROM stock_key k JOIN balance b ON b.key = k.id JOIN location l ON l.id = b.location
	     WHERE k.item = ?1 AND k.serial = ?2 AND b.held = 1 AND b.moved + b.adjusted > 0`, item, string(serial))
	return out, err
}

// Expiries implements stock.Book.
func (tx *Tx) Expiries(sku stock.SKU, lot stock.Lot) ([]stock.Date, error) {
	item, ok, err := tx.findItem(sku)
	if !ok || err != nil {
		return nil, err
	}
	var out []stock.Date
	err = tx.each(func(r *vault.Rows) error {
		var d stock.Date
		err := r.Scan(&d)
		out = append(out, d)
		return err
	}, expiriesQuery, item, string(lot))
	return out, err
}

// Without the name of the index SQLite would go through all kinds of stock of the item.
const expiriesQuery = `SELECT DISTINCT expiry FROM stock_key INDEXED BY stock_key_of_lot WHERE item = ?1 AND lot = ?2 AND lot <> '' AND moved = 1`

// SetException implements stock.Book.
func (tx *Tx) SetException(e stock.Exception, open bool) error {
	if err := tx.knowExceptions(); err != nil {
		return err
	}
	id := exceptionID{e.Kind, e.Subject}
	if tx.memo.openKnown && tx.memo.open[id] == open {
		return nil // as it is for almost every movement
	}
	query := `DELETE FROM exception WHERE kind = ?1 AND subject = ?2`
	if open {
		query = `INSERT OR IGNORE INTO exception (kind, subject) VALUES (?1, ?2)`
	}
	if err := tx.exec("exception", query, string(e.Kind), e.Subject); err != nil {
		return err
	}
	if tx.memo.openKnown {
		if open {
			tx.memo.open[id] = true
		} else {
			delete(tx.memo.open, id)
		}
	}
	return nil
}

// knowExceptions reads all open exceptions once, unless there are very many.
func (tx *Tx) knowExceptions() error {
	if tx.memo.openKnown {
		return nil
	}
	if _, many, err := tx.idOf(`SELECT 1 FROM exception LIMIT 1 OFFSET ?1`, int64(maxExceptions)); many || err != nil {
		return err
	}
	err := tx.each(func(r *vault.Rows) error {
		var id exceptionID
		err := r.Scan(&id.kind, &id.subject)
		tx.memo.open[id] = true
		return err
	}, `SELECT kind, subject FROM exception`)
	tx.memo.openKnown = err == nil
	return err
}

// Exceptions returns the open cases, by kind and subject.
func (tx *Tx) Exceptions() (map[stock.ExceptionKind][]string, error) {
	out := map[stock.ExceptionKind][]string{}
	err := tx.each(func(r *vault.Rows) error {
		var kind stock.ExceptionKind
		var subject string
		err := r.Scan(&kind, &subject)
		out[kind] = append(out[kind], subject)
		return err
	}, `SELECT kind, subject FROM exception ORDER BY kind, subject`)
	return out, err
}

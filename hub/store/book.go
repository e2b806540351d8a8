package store

import (
	"cmp"
	"fmt"
	"slices"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

var _ stock.Book = (*Tx)(nil)

// keyRow is one kind of stock with all its cells.
type keyRow struct {
	id    int64 // 0 while the store does not have it
	key   stock.Key
	moved bool // a movement names it
	cells []*cell
}

// cell is the balance of a kind of stock at one location.
type cell struct {
	row     *keyRow
	place   int64 // id of the location
	at      stock.Location
	b       stock.Balance
	counts  []stock.Count // once looked up
	known   bool          // counts are looked up
	stored  bool          // the store has a row
	dirty   bool
	touched bool // see touchCell
}

// unit is one serial number of one item; unitRow are the kinds of stock that it was seen as.
type unit struct {
	sku    stock.SKU
	serial stock.Serial
}

type unitRow struct{ rows []*keyRow }

// key returns the row of k, a new one with id 0 when the store has none.
func (tx *Tx) key(k stock.Key) (*keyRow, error) {
	if tx.m.last != nil && tx.m.last.key == k {
		return tx.m.last, nil
	}
	row, err := tx.findKey(k)
	tx.m.last = row
	return row, err
}

func (tx *Tx) findKey(k stock.Key) (*keyRow, error) {
	if k.Serial != "" {
		u, err := tx.unit(unit{k.SKU, k.Serial})
		if err != nil {
			return nil, err
		}
		for _, row := range u.rows {
			if row.key == k {
				return row, nil
			}
		}
		row := &keyRow{key: k}
		u.rows = append(u.rows, row)
		return row, nil
	}
	if row, ok := tx.m.keys.get(k); ok {
		return row, nil
	}
	rows, err := tx.loadKeys(`k.sku = ?1 AND k.serial = '' AND k.lot = ?2 AND k.expiry = ?3 AND k.state = ?4`,
		string(k.SKU), string(k.Lot), string(k.Expiry), int64(k.State))
	if err != nil {
		return nil, err
	}
	row := &keyRow{key: k}
	if len(rows) > 0 {
		row = rows[0]
	}
	tx.m.keys.put(k, row)
	return row, nil
}

func (tx *Tx) unit(u unit) (*unitRow, error) {
	if row, ok := tx.m.units.get(u); ok {
		return row, nil
	}
	rows, err := tx.loadKeys(`k.sku = ?1 AND k.serial = ?2 AND k.serial <> ''`, string(u.sku), string(u.serial))
	if err != nil {
		return nil, err
	}
	row := &unitRow{rows}
	tx.m.units.put(u, row)
	return row, nil
}

func (tx *Tx) loadKeys(where string, args ...any) ([]*keyRow, error) {
	var out []*keyRow
	err := each(tx.tx, func(r *vault.Rows) error {
		var id, state, moved int64
		var sku, serial, lot, expiry string
		var place, in, adjusted, counted *int64
		if err := r.Scan(&id, &sku, &serial, &lot, &expiry, &state, &moved, &place, &in, &adjusted, &counted); err != nil {
			return err
		}
		if len(out) == 0 || out[len(out)-1].id != id {
			out = append(out, &keyRow{id: id, moved: moved == 1, key: stock.Key{SKU: stock.SKU(sku), Serial: stock.Serial(serial),
				Lot: stock.Lot(lot), Expiry: stock.Date(expiry), State: stock.State(state)}}) // #nosec G115 -- checked when it came in
		}
		if place != nil {
			row := out[len(out)-1]
			row.cells = append(row.cells, &cell{row: row, place: *place, at: tx.m.places[*place], stored: true,
				b: stock.Balance{Moved: stock.Quantity(*in), Adjusted: stock.Quantity(*adjusted), Counted: *counted == 1}})
		}
		return nil
	}, `SELECT k.id, k.sku, k.serial, k.lot, k.expiry, k.state, k.moved, b.location, b.moved, b.adjusted, b.counted
	      FROM stock_key k LEFT JOIN balance b ON b.key = k.id
	     WHERE `+where+` ORDER BY k.id`, args...)
	if err != nil {
		return nil, fmt.Errorf("read balances: %w", err)
	}
	return out, nil
}

func (r *keyRow) cell(at stock.Location) *cell {
	for _, c := range r.cells {
		if c.at == at {
			return c
		}
	}
	return nil
}

// saveKey gives a row that the store does not have its id.
func (tx *Tx) saveKey(row *keyRow, moved bool) error {
	k := row.key
	switch {
	case row.id == 0:
		r, err := tx.tx.Exec(`INSERT INTO stock_key (sku, serial, lot, expiry, state, moved) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
			string(k.SKU), string(k.Serial), string(k.Lot), string(k.Expiry), int64(k.State), moved)
		if err != nil {
			return fmt.Errorf("store kind of stock: %w", err)
		}
		row.id, row.moved = r.LastInsertID, moved
		return tx.checkItem(k.SKU)
	case moved && !row.moved:
		if _, err := tx.tx.Exec(`UPDATE stock_key SET moved = 1 WHERE id = ?1`, row.id); err != nil {
			return fmt.Errorf("store kind of stock: %w", err)
		}
		row.moved = true
	}
	return nil
}

// location returns the id of a location, a new one if need be.
func (tx *Tx) location(l stock.Location) (int64, error) {
	if id, ok := tx.m.locations[l]; ok {
		return id, nil
	}
	r, err := tx.tx.Exec(`INSERT INTO location (name, warehouse) VALUES (?1, ?2)`, string(l), string(l.Warehouse()))
	if err != nil {
		return 0, fmt.Errorf("store location %s: %w", l, err)
	}
	tx.m.locations[l], tx.m.places[r.LastInsertID] = r.LastInsertID, l
	return r.LastInsertID, nil
}

// Has implements stock.Book. Numbers rise within a stream, so a change after the last batch
// of its stream can not be here; only others are looked for. What came in a batch is here
// unless it was parked.
func (tx *Tx) Has(id stock.ID) (bool, error) {
	if tx.batch.fresh && tx.batch.stream == (stock.Stream{Node: id.Node, Epoch: id.Epoch}) && id.Number > tx.batch.done {
		return false, nil
	}
	n, err := tx.node(id.Node)
	if err != nil || n == nil {
		return false, err
	}
	return tx.stored(n.id, id)
}

// Balance implements stock.Book.
func (tx *Tx) Balance(at stock.Cell) (stock.Balance, error) {
	row, err := tx.key(at.Key)
	if err != nil {
		return stock.Balance{}, err
	}
	if c := row.cell(at.Location); c != nil {
		return c.b, nil
	}
	return stock.Balance{}, nil
}

// SetBalance implements stock.Book.
func (tx *Tx) SetBalance(at stock.Cell, b stock.Balance) error {
	row, err := tx.key(at.Key)
	if err != nil {
		return err
	}
	c, err := tx.cellOf(row, at.Location)
	if err != nil {
		return err
	}
	c.b = b
	if b.Counted {
		tx.touchCounted(c)
	}
	if !c.dirty {
		c.dirty = true
		tx.dirty = append(tx.dirty, c)
	}
	return nil
}

func (tx *Tx) cellOf(row *keyRow, at stock.Location) (*cell, error) {
	if c := row.cell(at); c != nil {
		return c, nil
	}
	place, err := tx.location(at)
	if err != nil {
		return nil, err
	}
	c := &cell{row: row, place: place, at: at, known: true} // the store has no count of a cell that it does not know
	row.cells = append(row.cells, c)
	return c, nil
}

// AddMovement implements stock.Book. What is not needed to fold the ledger again (what was
// scanned, cause, override) stays in the batch.
func (tx *Tx) AddMovement(m stock.Movement) (bool, error) {
	id, err := tx.batch.id(m.ID)
	if err != nil {
		return false, err
	}
	row, err := tx.key(m.Key)
	if err != nil {
		return false, err
	}
	novel := !row.moved
	if novel {
		if err := tx.saveKey(row, true); err != nil {
			return false, err
		}
	}
	from, err := tx.location(m.From)
	if err != nil {
		return false, err
	}
	to, err := tx.location(m.To)
	if err != nil {
		return false, err
	}
	if _, err := tx.tx.Exec(`INSERT INTO movement (key, id, source, target, quantity, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		row.id, id, from, to, int64(m.Quantity), signed(m.Time)); err != nil {
		return false, fmt.Errorf("store movement %s: %w", m.ID, err)
	}
	tx.batch.done, tx.moved = max(tx.batch.done, m.ID.Number), m.ID
	return novel, nil
}

// AddCount implements stock.Book.
func (tx *Tx) AddCount(n stock.Count) error {
	id, err := tx.batch.id(n.ID)
	if err != nil {
		return err
	}
	row, err := tx.key(n.Cell.Key)
	if err != nil {
		return err
	}
	if row.id == 0 {
		if err := tx.saveKey(row, false); err != nil {
			return err
		}
	}
	c, err := tx.cellOf(row, n.Cell.Location)
	if err != nil {
		return err
	}
	seen, err := encodeVector(n.Seen)
	if err != nil {
		return fmt.Errorf("store count %s: %w", n.ID, err)
	}
	if _, err := tx.tx.Exec(`INSERT INTO stock_count (id, key, location, counted, time, seen, cause) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`,
		id, row.id, c.place, int64(n.Counted), signed(n.Time), seen, n.Cause); err != nil {
		return fmt.Errorf("store count %s: %w", n.ID, err)
	}
	if c.known {
		c.counts = append(c.counts, n)
	}
	tx.touchCell(c)
	tx.batch.done = max(tx.batch.done, n.ID.Number)
	return nil
}

// Counts implements stock.Book. The caller does not change them.
func (tx *Tx) Counts(at stock.Cell) ([]stock.Count, error) {
	row, err := tx.key(at.Key)
	if err != nil {
		return nil, err
	}
	c := row.cell(at.Location)
	if c == nil {
		return nil, nil
	}
	if !c.known {
		if c.counts, err = tx.countsOf(row.id, c.place, at); err != nil {
			return nil, err
		}
		c.known = true
	}
	return c.counts, nil
}

func (tx *Tx) countsOf(key, place int64, at stock.Cell) ([]stock.Count, error) {
	var out []stock.Count
	err := each(tx.tx, func(r *vault.Rows) error {
		var id, node, epoch, first, counted, when int64
		var seen []byte
		var cause string
		if err := r.Scan(&id, &node, &epoch, &first, &counted, &when, &seen, &cause); err != nil {
			return err
		}
		vector, err := decodeVector(seen)
		out = append(out, stock.Count{ID: tx.m.change(id, node, epoch, first), Time: unsigned(when), Cell: at,
			Counted: stock.Quantity(counted), Seen: vector, Cause: cause})
		return err
	}, `SELECT c.id, b.node, b.epoch, b.first, c.counted, c.time, c.seen, c.cause
	      FROM stock_count c JOIN batch b ON b.id = c.id / 1024
	     WHERE c.key = ?1 AND c.location = ?2`, key, place)
	if err != nil {
		return nil, fmt.Errorf("read counts: %w", err)
	}
	return out, nil
}

// MovementsOf implements stock.Book.
func (tx *Tx) MovementsOf(at stock.Cell) ([]stock.Movement, error) {
	row, err := tx.key(at.Key)
	if err != nil || row.id == 0 {
		return nil, err
	}
	place, ok := tx.m.locations[at.Location]
	if !ok {
		return nil, nil
	}
	var out []stock.Movement
	err = each(tx.tx, func(r *vault.Rows) error {
		var id, node, epoch, first, from, to, quantity, when int64
		if err := r.Scan(&id, &node, &epoch, &first, &from, &to, &quantity, &when); err != nil {
			return err
		}
		out = append(out, stock.Movement{ID: tx.m.change(id, node, epoch, first), Time: unsigned(when), Key: at.Key,
			From: tx.m.places[from], To: tx.m.places[to], Quantity: stock.Quantity(quantity)})
		return nil
	}, `SELECT m.id, b.node, b.epoch, b.first, m.source, m.target, m.quantity, m.time
	      FROM movement m JOIN batch b ON b.id = m.id / 1024
	     WHERE m.key = ?1 AND (m.source = ?2 OR m.target = ?2)`, row.id, place)
	if err != nil {
		return nil, fmt.Errorf("read movements: %w", err)
	}
	return out, nil
}

// SerialCells implements stock.Book.
func (tx *Tx) SerialCells(sku stock.SKU, s stock.Serial) (map[stock.Location]stock.Quantity, error) {
	u, err := tx.unit(unit{sku, s})
	if err != nil {
		return nil, err
	}
	out := make(map[stock.Location]stock.Quantity, 1)
	for _, row := range u.rows {
		for _, c := range row.cells {
			if q := c.b.OnHand(); q > 0 && !c.at.Outside() {
				out[c.at] += q
			}
		}
	}
	return out, nil
}

// Expiries implements stock.Book.
func (tx *Tx) Expiries(sku stock.SKU, lot stock.Lot) ([]stock.Date, error) {
	var out []stock.Date
	err := each(tx.tx, func(r *vault.Rows) error {
		var d string
		err := r.Scan(&d)
		out = append(out, stock.Date(d))
		return err
	}, `SELECT DISTINCT expiry FROM stock_key WHERE sku = ?1 AND lot = ?2 AND moved = 1`, string(sku), string(lot))
	if err != nil {
		return nil, fmt.Errorf("read expiry dates: %w", err)
	}
	return out, nil
}

// flushBalances writes the balances that changed, in the order of their place in the table.
func (tx *Tx) flushBalances() error {
	slices.SortFunc(tx.dirty, func(a, b *cell) int { return cmp.Or(cmp.Compare(a.row.id, b.row.id), cmp.Compare(a.place, b.place)) })
	for _, c := range tx.dirty {
		if c.row.id == 0 {
			if err := tx.saveKey(c.row, false); err != nil {
				return err
			}
		}
		query := `INSERT INTO balance (key, location, moved, adjusted, counted) VALUES (?1, ?2, ?3, ?4, ?5)`
		if c.stored {
			query = `UPDATE balance SET moved = ?3, adjusted = ?4, counted = ?5 WHERE key = ?1 AND location = ?2`
		}
		if _, err := tx.tx.Exec(query, c.row.id, c.place, int64(c.b.Moved), int64(c.b.Adjusted), c.b.Counted); err != nil {
			return fmt.Errorf("store balance: %w", err)
		}
		c.stored, c.dirty = true, false
	}
	tx.dirty = tx.dirty[:0]
	return nil
}

// seenRow is one entry of a stored vector.
type seenRow struct {
	_      struct{} `cbor:",toarray"`
	Node   stock.NodeID
	Epoch  uint64
	Number uint64
}

func encodeVector(v stock.Vector) ([]byte, error) {
	rows := make([]seenRow, 0, len(v))
	for s, n := range v {
		rows = append(rows, seenRow{Node: s.Node, Epoch: s.Epoch, Number: n})
	}
	slices.SortFunc(rows, func(a, b seenRow) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Epoch, b.Epoch)) })
	return change.Marshal(rows)
}

func decodeVector(b []byte) (stock.Vector, error) {
	var rows []seenRow
	if err := change.Unmarshal(b, &rows); err != nil {
		return nil, fmt.Errorf("read vector: %w", err)
	}
	v := make(stock.Vector, len(rows))
	for _, r := range rows {
		v[stock.Stream{Node: r.Node, Epoch: r.Epoch}] = r.Number
	}
	return v, nil
}

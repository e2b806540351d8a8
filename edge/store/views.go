package store

import (
	"errors"
	"strings"

	"stockade/internal/vault"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Item is master data of an item with the code under which it was looked up.
type Item struct {
	SKU    stock.SKU
	Name   string
	NameEN string
	Unit   string
	Active bool
	Code   feed.Code // the code that led here; its factor is base units in one unit
}

// ItemByCode returns the item that a code names, or ErrNotFound.
func (tx *Tx) ItemByCode(code string) (Item, error) {
	var i Item
	var factor int64
	err := tx.tx.QueryRow(`SELECT i.sku, i.name, i.name_en, i.unit, i.active, c.code, c.unit, c.factor FROM item_code c JOIN item i ON i.sku = c.sku WHERE c.code = ?1`, code).Scan(
		&i.SKU, &i.Name, &i.NameEN, &i.Unit, &i.Active, &i.Code.GTIN, &i.Code.Unit, &factor)
	i.Code.Factor = stock.Quantity(factor)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	return i, err
}

// Item returns the item of a SKU with its first code, or ErrNotFound.
func (tx *Tx) Item(sku stock.SKU) (Item, error) {
	var i Item
	var code string
	err := tx.tx.QueryRow(`SELECT sku, name, name_en, unit, active, coalesce((SELECT code FROM item_code c WHERE c.sku = item.sku ORDER BY place LIMIT 1), '') FROM item WHERE sku = ?1`,
		string(sku)).Scan(&i.SKU, &i.Name, &i.NameEN, &i.Unit, &i.Active, &code)
	i.Code.GTIN = stock.GTIN(code)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	return i, err
}

// Bin reports whether a bin of this warehouse has that code, and is in use.
func (tx *Tx) Bin(code string) (stock.Location, bool, error) {
	l := tx.warehouse.Bin(code)
	var active bool
	err := tx.tx.QueryRow(`SELECT active FROM bin WHERE location = ?1`, string(l)).Scan(&active)
	if errors.Is(err, vault.ErrNoRows) {
		return "", false, nil
	}
	return l, active, err
}

// Row is the balance of one cell of this warehouse with what people call its item.
type Row struct {
	Cell   stock.Cell
	OnHand stock.Quantity
	GTIN   stock.GTIN
	Name   string
	NameEN string
	Unit   string
}

// Filter narrows Rows. Zero fields do not.
type Filter struct {
	SKU      stock.SKU
	Location stock.Location
	Search   string // in name, SKU, code, lot, serial number
	Limit    int    // 0 for all
	Offset   int
}

// Rows returns the cells of this warehouse whose stock on hand is not zero.
func (tx *Tx) Rows(f Filter) ([]Row, error) {
	limit := int64(f.Limit)
	if limit == 0 {
		limit = -1
	}
	like := ""
	if f.Search != "" {
		like = "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(f.Search) + "%"
	}
	var out []Row
	err := tx.each(func(r *vault.Rows) error {
		var row Row
		var state, q int64
		k := &row.Cell.Key
		if err := r.Scan(&row.Cell.Location, &k.SKU, &k.Lot, &k.Serial, &k.Expiry, &state, &q, &row.GTIN, &row.Name, &row.NameEN, &row.Unit); err != nil {
			return err
		}
		k.State, row.OnHand = stock.State(state), stock.Quantity(q) // #nosec G115 -- as SetBalance wrote it
		out = append(out, row)
		return nil
	}, `SELECT l.name, k.sku, k.lot, k.serial, k.expiry, k.state, b.moved + b.adjusted,
	           coalesce((SELECT code FROM item_code c WHERE c.sku = k.sku ORDER BY place LIMIT 1), ''), coalesce(i.name, ''), coalesce(i.name_en, ''), coalesce(i.unit, '')
	      FROM balance b JOIN stock_key k ON k.id = b.key JOIN location l ON l.id = b.location LEFT JOIN item i ON i.sku = k.sku
	     WHERE l.warehouse = ?1 AND b.moved + b.adjusted <> 0
	       AND (?2 = '' OR k.sku = ?2) AND (?3 = '' OR l.name = ?3)
	       AND (?4 = '' OR k.sku LIKE ?4 ESCAPE '\' OR k.lot LIKE ?4 ESCAPE '\' OR k.serial LIKE ?4 ESCAPE '\' OR i.name LIKE ?4 ESCAPE '\' OR i.name_en LIKE ?4 ESCAPE '\'
	            OR EXISTS (SELECT 1 FROM item_code c WHERE c.sku = k.sku AND c.code LIKE ?4 ESCAPE '\'))
	     ORDER BY k.sku, l.name, k.lot, k.expiry, k.serial, k.state LIMIT ?5 OFFSET ?6`,
		string(tx.warehouse), string(f.SKU), string(f.Location), like, limit, int64(f.Offset))
	return out, err
}

// SerialOnHand reports whether a unit of that serial number is on hand in this warehouse.
func (tx *Tx) SerialOnHand(sku stock.SKU, serial stock.Serial) (bool, error) {
	cells, err := tx.SerialCells(sku, serial)
	for l, q := range cells {
		if q > 0 && l.Warehouse() == tx.warehouse {
			return true, err
		}
	}
	return false, err
}

// Entry is a movement in the ledger with the change that made it.
type Entry struct {
	Movement  stock.Movement
	Row       int64 // for paging: rows before this one are older or of another stream
	Own       bool
	Delivered bool // the hub has acknowledged it
}

// Movements returns movements, newest first: those whose hybrid time lies before the given one, or all when it is zero.
func (tx *Tx) Movements(sku stock.SKU, before int64, limit int) ([]Entry, error) {
	type found struct{ row, time int64 }
	var rows []found
	err := tx.each(func(r *vault.Rows) error {
		var f found
		err := r.Scan(&f.row, &f.time)
		rows = append(rows, f)
		return err
	}, `SELECT m.id, m.time FROM movement m WHERE (?1 = '' OR m.key IN (SELECT id FROM stock_key WHERE sku = ?1)) AND (?2 = 0 OR m.time < ?2) ORDER BY m.time DESC, m.id DESC LIMIT ?3`,
		string(sku), before, int64(limit))
	if err != nil {
		return nil, err
	}
	var out []Entry
	for _, f := range rows {
		id, err := tx.nameOf(f.row)
		if err != nil {
			return nil, err
		}
		c, err := tx.Change(id)
		if err != nil {
			return nil, err
		}
		m, err := c.Movement(id)
		if err != nil {
			return nil, err
		}
		e := Entry{Movement: m, Row: f.time, Own: id.Node == tx.node}
		if e.Delivered, err = tx.Delivered(id); err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

// Delivered reports whether the hub has acknowledged a change. What came down from it needs no asking.
func (tx *Tx) Delivered(id stock.ID) (bool, error) {
	if id.Node != tx.node {
		return true, nil
	}
	var epoch, kept uint64
	err := tx.tx.QueryRow(`SELECT acked_epoch, kept FROM sync`).Scan(&epoch, &kept)
	return id.Epoch < epoch || (id.Epoch == epoch && id.Number <= kept), err
}

// Counts are figures of what there is, for people and drivers.
type Counts struct {
	Changes      int64 `json:"changes"` // of the node's own present epoch
	Cut          int64 `json:"cut"`
	Acknowledged int64 `json:"acknowledged"`
	Batches      int64 `json:"batches"`
	Movements    int64 `json:"movements"` // all in the ledger
	Accepted     int64 `json:"accepted"`  // scans
	Refused      int64 `json:"refused"`
	Exceptions   int64 `json:"exceptions"`
}

// Totals counts what there is.
func (tx *Tx) Totals() (Counts, error) {
	var c Counts
	st, err := tx.SenderState()
	if err != nil {
		return c, err
	}
	c.Cut, c.Acknowledged = int64(st.Next-1), int64(st.Kept) // #nosec G115 -- counts
	err = tx.tx.QueryRow(`SELECT coalesce((SELECT last FROM stream WHERE node = ?1 AND epoch = ?2), 0), (SELECT count(*) FROM batch), (SELECT count(*) FROM movement),
		(SELECT count(*) FROM scan WHERE outcome = 'accepted'), (SELECT count(*) FROM scan WHERE outcome = 'refused'), (SELECT count(*) FROM exception)`,
		string(tx.node), int64(st.Head.Epoch)).Scan(&c.Changes, &c.Batches, &c.Movements, &c.Accepted, &c.Refused, &c.Exceptions) // #nosec G115 -- a count
	c.Changes = max(c.Changes, c.Cut)
	return c, err
}

// Feeds tells when each feed was last heard of, Unix milliseconds, and its version.
func (tx *Tx) Feeds() (map[string][2]int64, error) {
	out := map[string][2]int64{}
	err := tx.each(func(r *vault.Rows) error {
		var name string
		var v [2]int64
		err := r.Scan(&name, &v[0], &v[1])
		out[name] = v
		return err
	}, `SELECT name, heard_at, version FROM feed`)
	return out, err
}

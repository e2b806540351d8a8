package store

import (
	"fmt"
	"math"
	"strings"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// StockRow is what lies of one kind of stock at one location.
type StockRow struct {
	Warehouse stock.Warehouse
	Location  stock.Location
	Key       stock.Key
	GTIN      stock.GTIN // first code of the item, empty when it has none
	Name      string     // of the item, empty when the catalogue does not have it
	NameEN    string
	Unit      string
	OnHand    stock.Quantity
	Key64     int64 // id of the kind of stock, see MovementsOfKey
}

// StockFilter narrows what Stock returns; zero values narrow nothing.
type StockFilter struct {
	Warehouse stock.Warehouse
	SKU       stock.SKU
	In        access.Places // rows elsewhere do not exist; the zero value is nowhere
	Text      string        // part of SKU, name, code, lot, serial number or location
	Most      int           // rows, 0 for all
	Skip      int
}

// Stock returns what lies in warehouses and is not zero, by warehouse, item, lot, serial
// number, expiry, state and location.
func (v *View) Stock(f StockFilter, fn func(StockRow) error) error {
	most := f.Most
	if most <= 0 {
		most = math.MaxInt
	}
	err := each(v.tx, func(r *vault.Rows) error {
		var s StockRow
		var onHand int64
		if err := r.Scan(&s.Warehouse, &s.Location, &s.Key.SKU, &s.Key.Lot, &s.Key.Serial, &s.Key.Expiry, &s.Key.State,
			&s.GTIN, &s.Name, &s.NameEN, &s.Unit, &onHand, &s.Key64); err != nil {
			return err
		}
		s.OnHand = stock.Quantity(onHand)
		return fn(s)
	}, `SELECT l.warehouse, l.name, k.sku, k.lot, k.serial, k.expiry, k.state,
	           coalesce((SELECT c.code FROM item_code c WHERE c.sku = k.sku ORDER BY c.place LIMIT 1), ''),
	           coalesce(i.name, ''), coalesce(i.name_en, ''), coalesce(i.unit, ''), b.moved + b.adjusted, k.id
	      FROM balance b
	      JOIN location l ON l.id = b.location
	      JOIN stock_key k ON k.id = b.key
	      LEFT JOIN item i ON i.sku = k.sku
	     WHERE l.warehouse <> '' AND b.moved + b.adjusted <> 0
	       AND (?6 = '*' OR ?6 LIKE '%,' || l.warehouse || ',%')
	       AND (?1 = '' OR l.warehouse = ?1)
	       AND (?2 = '' OR k.sku = ?2)
	       AND (?3 = '' OR k.sku LIKE ?3 ESCAPE '\' OR i.name LIKE ?3 ESCAPE '\' OR i.name_en LIKE ?3 ESCAPE '\' OR k.lot LIKE ?3 ESCAPE '\'
	            OR k.serial LIKE ?3 ESCAPE '\' OR l.name LIKE ?3 ESCAPE '\'
	            OR EXISTS (SELECT 1 FROM item_code c WHERE c.sku = k.sku AND c.code LIKE ?3 ESCAPE '\'))
	     ORDER BY l.warehouse, k.sku, k.lot, k.serial, k.expiry, k.state, l.name
	     LIMIT ?4 OFFSET ?5`, string(f.Warehouse), string(f.SKU), pattern(f.Text), most, f.Skip, listOf(f.In))
	if err != nil {
		return fmt.Errorf("read stock: %w", err)
	}
	return nil
}

// everywhere is all places.
var everywhere = access.Places{All: true}

// Everywhere is all places: for commands of whoever has the store and its key.
func Everywhere() access.Places { return everywhere }

// listOf writes places for statements: "*" for all, else the warehouses (A-Z, 0-9) each between two commas.
func listOf(p access.Places) string {
	if p.All {
		return "*"
	}
	var b strings.Builder
	for _, w := range p.Warehouses {
		b.WriteString("," + string(w))
	}
	return b.String() + ","
}

// pattern turns what someone searches for into a LIKE pattern, with \ before its signs.
func pattern(text string) string {
	if text == "" {
		return ""
	}
	out := []byte{'%'}
	for i := range len(text) {
		if c := text[i]; c == '%' || c == '_' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, text[i])
	}
	return string(append(out, '%'))
}

// AsOf says up to when the hub knows a warehouse: through each of its nodes.
type AsOf struct {
	Warehouse stock.Warehouse
	Node      stock.NodeID
	Seen      time.Time // last authentic word of the node, zero for none
	Batch     time.Time // its last batch came in, zero for none
}

// AsOf returns up to when the hub knows each warehouse.
func (v *View) AsOf() ([]AsOf, error) {
	var out []AsOf
	err := each(v.tx, func(r *vault.Rows) error {
		var a AsOf
		var seen, batch int64
		err := r.Scan(&a.Warehouse, &a.Node, &seen, &batch)
		a.Seen, a.Batch = timeOf(seen), timeOf(batch)
		out = append(out, a)
		return err
	}, `SELECT warehouse, name, seen_at, coalesce((SELECT b.received FROM batch b WHERE b.node = n.id ORDER BY b.epoch DESC, b.seq DESC LIMIT 1), 0)
	      FROM node n WHERE warehouse <> '' ORDER BY warehouse, name`)
	if err != nil {
		return nil, fmt.Errorf("read as-of times: %w", err)
	}
	return out, nil
}

// CaseInfo is a case as people see it.
type CaseInfo struct {
	ID         int64
	Case       Case
	Times      int64
	OpenedLeaf int64 // -1 for none
	OpenedAt   time.Time
	ClosedLeaf *int64
	ClosedAt   time.Time // zero while it is open
}

// Cases calls fn for every case, the newest first; all says whether closed ones too.
func (v *View) Cases(all bool, fn func(CaseInfo) error) error {
	return v.cases(fn, `WHERE ?1 OR closed_at IS NULL ORDER BY id DESC`, all)
}

// Case returns a case, open or closed, or ErrNotFound.
func (v *View) Case(id int64) (c CaseInfo, err error) {
	found := false
	err = v.cases(func(x CaseInfo) error { c, found = x, true; return nil }, `WHERE id = ?1`, id)
	if err == nil && !found {
		err = fmt.Errorf("case %d: %w", id, ErrNotFound)
	}
	return c, err
}

func (v *View) cases(fn func(CaseInfo) error, where string, args ...any) error {
	err := each(v.tx, func(r *vault.Rows) error {
		var c CaseInfo
		var opened int64
		var closed *int64
		k := &c.Case.Cell
		if err := r.Scan(&c.ID, &c.Case.Kind, &c.Case.Subject, &c.Case.Node, &k.Location, &k.Key.SKU, &k.Key.Lot, &k.Key.Serial, &k.Key.Expiry, &k.Key.State,
			&c.Case.Detail, &c.Times, &c.OpenedLeaf, &opened, &c.ClosedLeaf, &closed); err != nil {
			return err
		}
		c.OpenedAt = timeOf(opened)
		if closed != nil {
			c.ClosedAt = timeOf(*closed)
		}
		return fn(c)
	}, `SELECT id, kind, subject, node, location, sku, lot, serial, expiry, state, detail, times, opened_leaf, opened_at, closed_leaf, closed_at
	      FROM exception `+where, args...)
	if err != nil {
		return fmt.Errorf("read cases: %w", err)
	}
	return nil
}

// Counts is how much there is of everything.
type Counts struct {
	Batches, Changes, Movements, StockCounts, Parked, HeldOpen, Leaves, OpenCases, Cases, Items, Locations, SetAside int64
}

// Counts counts.
func (v *View) Counts() (Counts, error) {
	var c Counts
	err := v.tx.QueryRow(`SELECT (SELECT count(*) FROM batch), (SELECT coalesce(sum(count), 0) FROM batch), (SELECT count(*) FROM movement),
	                             (SELECT count(*) FROM stock_count), (SELECT count(*) FROM parked), (SELECT count(*) FROM held WHERE decision = ''),
	                             (SELECT count(*) FROM leaf), (SELECT count(*) FROM exception WHERE closed_at IS NULL), (SELECT count(*) FROM exception),
	                             (SELECT count(*) FROM item), (SELECT count(*) FROM bin), (SELECT count(*) FROM set_aside)`).
		Scan(&c.Batches, &c.Changes, &c.Movements, &c.StockCounts, &c.Parked, &c.HeldOpen, &c.Leaves, &c.OpenCases, &c.Cases, &c.Items, &c.Locations, &c.SetAside)
	if err != nil {
		return c, fmt.Errorf("count: %w", err)
	}
	return c, nil
}

// Balances calls fn for every stored balance.
func (v *View) Balances(fn func(stock.Cell, stock.Balance) error) error {
	err := each(v.tx, func(r *vault.Rows) error {
		var at stock.Cell
		var moved, adjusted, counted int64
		if err := r.Scan(&at.Location, &at.Key.SKU, &at.Key.Lot, &at.Key.Serial, &at.Key.Expiry, &at.Key.State, &moved, &adjusted, &counted); err != nil {
			return err
		}
		return fn(at, stock.Balance{Moved: stock.Quantity(moved), Adjusted: stock.Quantity(adjusted), Counted: counted == 1})
	}, `SELECT l.name, k.sku, k.lot, k.serial, k.expiry, k.state, b.moved, b.adjusted, b.counted
	      FROM balance b JOIN location l ON l.id = b.location JOIN stock_key k ON k.id = b.key`)
	if err != nil {
		return fmt.Errorf("read balances: %w", err)
	}
	return nil
}

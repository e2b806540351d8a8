package store

import (
	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// Holding is stock that lies in a bin of this warehouse.
type Holding struct {
	Cell   stock.Cell
	OnHand stock.Quantity
}

// Holdings returns at most limit cells of this warehouse with stock that a label can mean: same
// item and state, and lot, serial number and expiry wherever the label names them. With at, only
// cells of that bin. How much other stock there is makes no difference to the time it takes.
func (tx *Tx) Holdings(label stock.Key, at stock.Location, limit int) ([]Holding, error) {
	item, ok, err := tx.findItem(label.SKU)
	if !ok || err != nil {
		return nil, err
	}
	place := int64(0)
	if at != "" {
		if place, ok, err = tx.findPlace(at); !ok || err != nil {
			return nil, err
		}
	}
	var out []Holding
	err = tx.each(func(r *vault.Rows) error {
		h := Holding{Cell: stock.Cell{Key: stock.Key{SKU: label.SKU}}}
		k := &h.Cell.Key
		err := r.Scan(&h.Cell.Location, &k.Serial, &k.Lot, &k.Expiry, &k.State, &h.OnHand)
		out = append(out, h)
		return err
	}, holdingsQuery(label, place != 0), item, int64(label.State), string(tx.memo.warehouse), string(label.Expiry), place, string(label.Serial), string(label.Lot), int64(limit))
	return out, err
}

// holdingsQuery begins with what is narrowest; CROSS JOIN keeps the order in which tables are written.
func holdingsQuery(label stock.Key, inBin bool) string {
	from, where := ``, ``
	switch {
	case label.Serial != "":
		from = `stock_key k CROSS JOIN balance b ON b.key = k.id CROSS JOIN location l ON l.id = b.location`
		where = ` AND k.serial = ?6 AND (?7 = '' OR k.lot = ?7)`
	case label.Lot != "":
		from = `stock_key k INDEXED BY stock_key_of_lot CROSS JOIN balance b ON b.key = k.id CROSS JOIN location l ON l.id = b.location`
		where = ` AND k.lot = ?7 AND k.lot <> ''`
	case inBin:
		from = `balance b CROSS JOIN stock_key k ON k.id = b.key CROSS JOIN location l ON l.id = b.location`
	default:
		from = `location l CROSS JOIN balance b ON b.location = l.id AND b.item = ?1 CROSS JOIN stock_key k ON k.id = b.key`
	}
	if inBin {
		where += ` AND b.location = ?5 AND b.item = ?1`
	}
	return `SELECT l.name, k.serial, k.lot, k.expiry, k.state, b.moved + b.adjusted FROM ` + from +
		` WHERE b.held = 1 AND b.moved + b.adjusted > 0 AND k.item = ?1 AND k.state = ?2 AND l.warehouse = ?3 AND (?4 = '' OR k.expiry = ?4)` + where + ` LIMIT ?8`
}

package store

import (
	"errors"

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
	if i, ok := tx.memo.codes[code]; ok {
		return i, nil
	}
	var i Item
	err := tx.tx.QueryRow(`SELECT i.sku, i.name, i.name_en, i.unit, i.active, c.code, c.unit, c.factor FROM item_code c JOIN item i ON i.sku = c.sku WHERE c.code = ?1`, code).Scan(
		&i.SKU, &i.Name, &i.NameEN, &i.Unit, &i.Active, &i.Code.GTIN, &i.Code.Unit, &i.Code.Factor)
	if errors.Is(err, vault.ErrNoRows) {
		return i, ErrNotFound
	}
	if err == nil {
		tx.memo.codes[code] = i
	}
	return i, err
}

// Item returns the item of a SKU with its first code, or ErrNotFound.
func (tx *Tx) Item(sku stock.SKU) (Item, error) {
	var i Item
	err := tx.tx.QueryRow(`SELECT sku, name, name_en, unit, active, coalesce((SELECT code FROM item_code c WHERE c.sku = item.sku ORDER BY place LIMIT 1), '') FROM item WHERE sku = ?1`,
		string(sku)).Scan(&i.SKU, &i.Name, &i.NameEN, &i.Unit, &i.Active, &i.Code.GTIN)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	return i, err
}

// Bin reports whether a bin of this warehouse has that code, and is in use.
func (tx *Tx) Bin(code string) (stock.Location, bool, error) {
	l := tx.memo.warehouse.Bin(code)
	var active bool
	err := tx.tx.QueryRow(`SELECT active FROM bin WHERE location = ?1`, string(l)).Scan(&active)
	if errors.Is(err, vault.ErrNoRows) {
		return "", false, nil
	}
	return l, active, err
}

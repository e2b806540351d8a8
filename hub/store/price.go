package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// Price is one line of the history of what an item is sold for, or costs.
type Price struct {
	ID       int64
	SKU      stock.SKU
	Class    string     // "price" or "cost"
	Amount   int64      // of one base unit, in ten-thousandths of the company's currency
	From     stock.Date // business day of the headquarters from which it holds
	By       string
	Approver string // empty where nobody had to approve
	Request  string // its approval, empty for none
	At       time.Time
	Note     string
}

// AddPrice keeps a price. What was written before stays.
func (tx *Tx) AddPrice(p Price) error {
	_, err := tx.tx.Exec(`INSERT INTO item_price (sku, class, amount, from_day, written_by, approver, request, written_at, note) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)`,
		string(p.SKU), p.Class, p.Amount, string(p.From), p.By, p.Approver, p.Request, tx.now, p.Note)
	if err != nil {
		return fmt.Errorf("store price of %s: %w", p.SKU, err)
	}
	return nil
}

const priceColumns = `SELECT id, sku, class, amount, from_day, written_by, approver, request, written_at, note FROM item_price `

func scanPrice(scan func(...any) error) (p Price, err error) {
	var at int64
	err = scan(&p.ID, &p.SKU, &p.Class, &p.Amount, &p.From, &p.By, &p.Approver, &p.Request, &at, &p.Note)
	p.At = timeOf(at)
	return p, err
}

// PriceOn returns what holds on a day: of the prices from that day or an earlier one that of the latest day, and of those the one written last. ErrNotFound when there is none.
func (v *View) PriceOn(sku stock.SKU, class string, day stock.Date) (Price, error) {
	p, err := scanPrice(v.tx.QueryRow(priceColumns+`WHERE sku = ?1 AND class = ?2 AND from_day <= ?3 ORDER BY from_day DESC, id DESC LIMIT 1`, string(sku), class, string(day)).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return Price{}, fmt.Errorf("%s of %s: %w", class, sku, ErrNotFound)
	}
	if err != nil {
		return Price{}, fmt.Errorf("read %s of %s: %w", class, sku, err)
	}
	return p, nil
}

// Prices returns the history of an item's prices and costs, the newest first.
func (v *View) Prices(sku stock.SKU) (out []Price, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		p, err := scanPrice(r.Scan)
		out = append(out, p)
		return err
	}, priceColumns+`WHERE sku = ?1 ORDER BY from_day DESC, id DESC`, string(sku))
	if err != nil {
		return nil, fmt.Errorf("read prices of %s: %w", sku, err)
	}
	return out, nil
}

// OpenApprovalsOf returns what waits of one kind, the oldest first.
func (v *View) OpenApprovalsOf(kind string) ([]StoredApproval, error) {
	return v.approvals(`WHERE state = 'waiting' AND kind = ?1 ORDER BY asked_at, id`, kind)
}

// PriceKnown is PriceOn by what was written at a time: what is written afterwards changes nothing about it. ErrNotFound when there was none.
func (v *View) PriceKnown(sku stock.SKU, class string, day stock.Date, at time.Time) (Price, error) {
	p, err := scanPrice(v.tx.QueryRow(priceColumns+`WHERE sku = ?1 AND class = ?2 AND from_day <= ?3 AND written_at <= ?4 ORDER BY from_day DESC, id DESC LIMIT 1`, string(sku), class, string(day), at.UnixMilli()).Scan)
	if errors.Is(err, vault.ErrNoRows) {
		return Price{}, fmt.Errorf("%s of %s: %w", class, sku, ErrNotFound)
	}
	if err != nil {
		return Price{}, fmt.Errorf("read %s of %s: %w", class, sku, err)
	}
	return p, nil
}

// ItemName returns what an item is called, empty for one that the catalogue does not have.
func (v *View) ItemName(sku stock.SKU) (name string, err error) {
	err = v.tx.QueryRow(`SELECT coalesce((SELECT name FROM item WHERE sku = ?1), '')`, string(sku)).Scan(&name)
	return name, err
}

package main

import (
	"time"

	"stockade/hub/adjust"
	"stockade/hub/dashboard"
	"stockade/hub/rules"
	"stockade/hub/store"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// unconfirmed returns the cells whose adjustments are not confirmed, each with how it stands.
func unconfirmed(v *store.View) (map[stock.Cell]string, error) {
	out := map[stock.Cell]string{}
	err := v.Unconfirmed(func(d store.DueCell, a store.Adjustment) error { out[d.Cell] = a.Status; return nil })
	return out, err
}

func adjustmentAsk(r approval.Request) (*dashboard.AdjustmentAsk, error) {
	c, err := adjust.ContentOf(r.Content)
	if err != nil {
		return nil, err
	}
	percent := ""
	if c.Book > 0 {
		percent = rules.Percent(r.Facts.Percent)
	}
	return &dashboard.AdjustmentAsk{Location: c.Location, SKU: c.SKU, Name: c.Item, Lot: c.Lot, Serial: c.Serial, Expiry: c.Expiry, State: c.State.String(), Book: c.Book, Counted: c.Counted, Size: c.Size,
		Percent: percent, Counters: c.Counters, At: time.UnixMilli(c.At)}, nil
}

// showValue says what a difference is worth.
func showValue(to *dashboard.AdjustmentAsk, r approval.Request) error {
	c, err := adjust.ContentOf(r.Content)
	if err == nil && c.Cents != 0 {
		to.Value = rules.Cents(c.Cents) + " " + c.Currency
	}
	return err
}

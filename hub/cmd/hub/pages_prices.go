package main

import (
	"context"
	"errors"

	"stockade/hub/auditlog"
	"stockade/hub/dashboard"
	"stockade/hub/prices"
	"stockade/hub/rules"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// openPrices makes what keeps prices, and lets approved ones take effect.
func (s *server) openPrices() *prices.Service {
	p := &prices.Service{Store: s.store, Recorder: s.recorder, Approvals: s.approvals, Zone: s.cfg.zone(), Currency: s.cfg.Currency}
	if s.approvals.Effects == nil {
		s.approvals.Effects = map[approval.Kind]func(*store.Tx, auditlog.Who, approval.Process, bool) error{}
	}
	s.approvals.Effects[approval.Price] = p.Settle
	return p
}

func (p pages) Prices(ctx context.Context, sku stock.SKU, see dashboard.Sight) (b dashboard.PriceBook, err error) {
	b = dashboard.PriceBook{Currency: p.cfg.Currency, Today: p.prices.Today()}
	err = p.store.View(ctx, func(v *store.View) error {
		if b.Price, b.Cost, err = pricesOn(v, sku, see, b.Today); err != nil {
			return err
		}
		list, err := v.Prices(sku)
		for _, x := range list {
			if see.Of(x.Class) == access.Hidden {
				continue
			}
			b.History = append(b.History, dashboard.PriceLine{Class: x.Class, Amount: see.Show(x.Class, prices.Amount(x.Amount).String()), From: x.From, Coming: x.From > b.Today,
				By: x.By, Approver: x.Approver, Request: x.Request, At: x.At, Note: x.Note})
		}
		return err
	})
	return b, err
}

// pricesOn returns what holds on a day, as far as it is open.
func pricesOn(v *store.View, sku stock.SKU, see dashboard.Sight, day stock.Date) (price, cost string, err error) {
	for class, to := range map[string]*string{string(prices.Price): &price, string(prices.Cost): &cost} {
		if see.Of(class) == access.Hidden {
			continue
		}
		x, err := v.PriceOn(sku, class, day)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return "", "", err
		}
		*to = see.Show(class, prices.Amount(x.Amount).String())
	}
	return price, cost, nil
}

// priced fills in what items are sold for and cost.
func (p pages) priced(ctx context.Context, items []dashboard.Item, see dashboard.Sight) error {
	if !see.Any() {
		return nil
	}
	today := p.prices.Today()
	return p.store.View(ctx, func(v *store.View) (err error) {
		for i := range items {
			if items[i].Price, items[i].Cost, err = pricesOn(v, items[i].SKU, see, today); err != nil {
				return err
			}
		}
		return nil
	})
}

// worth returns a function that says what a row of stock is worth, where the reader may see that.
func (p pages) worth(v *store.View, q dashboard.StockQuery) func(store.StockRow) (string, error) {
	if !q.Value.Any() {
		return func(store.StockRow) (string, error) { return "", nil }
	}
	today, costs := p.prices.Today(), map[stock.SKU]*store.Price{}
	return func(s store.StockRow) (string, error) {
		if !q.Value.In.Has(s.Warehouse) {
			return "", nil
		}
		cost, known := costs[s.Key.SKU]
		if !known {
			x, err := v.PriceOn(s.Key.SKU, string(prices.Cost), today)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return "", err
			}
			if err == nil {
				cost = &x
			}
			costs[s.Key.SKU] = cost
		}
		switch {
		case cost == nil:
			return "", nil
		case q.Value.Masked:
			return access.Mask(access.Cost, "0"), nil
		}
		return rules.Cents(prices.Amount(cost.Amount).Value(s.OnHand)), nil
	}
}

func (p pages) ChangePrice(ctx context.Context, who identity.Person, id string, sku stock.SKU, f dashboard.PriceForm) (string, error) {
	amount, err := prices.Parse(f.Amount)
	if err != nil {
		return "", requestRefusal(err)
	}
	c := prices.Change{SKU: sku, Class: prices.Class(f.Class), Amount: amount, From: stock.Date(f.From), Reason: f.Reason}
	if c.From == "" {
		c.From = p.prices.Today()
	}
	waiting, err := p.prices.Change(ctx, who, id, c)
	return waiting, requestRefusal(err)
}

// seesPrice reports whether somebody may read amounts of a class.
func (p pages) seesPrice(who identity.Person, class string) bool {
	d := p.desk.Decide(who, dashboard.PriceRead, access.Resource{})
	return d.Allowed && d.Fields.Of(prices.Class(class).Field()) >= access.Read
}

func showPrice(to *dashboard.PriceAsk, r approval.Request) error {
	c, err := prices.ContentOf(r.Content)
	if err != nil {
		return err
	}
	to.Old, to.New, to.Percent = c.Old.String(), c.New.String(), rules.Percent(c.Percent())
	if c.New < c.Old {
		to.Percent = "−" + to.Percent
	} else if c.New > c.Old {
		to.Percent = "+" + to.Percent
	}
	return nil
}

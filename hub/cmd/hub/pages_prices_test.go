package main

import (
	"testing"

	"stockade/hub/dashboard"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/access"
)

// TestPricesAreShownAsFarAsTheyAreOpen: hidden ones do not come, masked ones tell nothing but that they are there.
func TestPricesAreShownAsFarAsTheyAreOpen(t *testing.T) {
	h := hubtest.New(t)
	h.Update(func(tx *store.Tx) error {
		for class, amount := range map[string]int64{"price": 12_5000, "cost": 6_2500} {
			if err := tx.AddPrice(store.Price{SKU: "S", Class: class, Amount: amount, From: "2024-05-01", By: "chen", Note: "first"}); err != nil {
				return err
			}
		}
		return nil
	})
	for _, c := range []struct {
		see         dashboard.Sight
		price, cost string
	}{{dashboard.Sight{}, "", ""}, {dashboard.Sight{Price: access.Read}, "12.50", ""}, {dashboard.Sight{Price: access.Masked, Cost: access.Write}, "***", "6.25"}, {dashboard.Sight{Cost: access.Masked}, "", "***"}} {
		h.View(func(v *store.View) error {
			price, cost, err := pricesOn(v, "S", c.see, "2024-05-02")
			if price != c.price || cost != c.cost {
				t.Errorf("%+v sees %q and %q", c.see, price, cost)
			}
			return err
		})
	}
	h.View(func(v *store.View) error {
		price, cost, err := pricesOn(v, "S", dashboard.Sight{Price: access.Read, Cost: access.Read}, "2024-04-30")
		if price != "" || cost != "" {
			t.Errorf("before its day it is %q and %q", price, cost)
		}
		return err
	})
}

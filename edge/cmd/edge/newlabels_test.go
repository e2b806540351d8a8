package main

import (
	"testing"

	"stockade/edge/dashboard"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/protocol/feed"
)

// TestOrderThatComesTwice: a button pressed twice, or a caller that tries again, takes no second number and queues no second
// label. Another order under the same name is another wish, and so is one without a name.
func TestOrderThatComesTwice(t *testing.T) {
	b := newPrintBench(t, "")
	storetest.Feed(t, b.n.store, feed.Locations(storetest.Warehouse), feed.Numbers{Node: "sh-1", Epoch: 1, Prefix: "6910420", First: 0, Count: 100})
	o := dashboard.LabelOrder{Template: "pallet", Printer: "zebra", Values: map[string]string{"name": "茶"}, Units: 2, Copies: 1, Once: "k7"}
	wang, li := identity.Person{Account: "王"}, identity.Person{Account: "李"}
	order := func(o dashboard.LabelOrder, by identity.Person, waiting int) {
		t.Helper()
		if n, err := (labels{b.n}).PrintLabels(t.Context(), o, by); err != nil || n != 2 {
			t.Fatalf("%d, %v, want 2 labels", n, err)
		}
		_, open, _ := b.jobs()
		titles := map[string]bool{}
		for _, j := range open {
			titles[j.Title] = true
		}
		if len(open) != waiting || len(titles) != waiting {
			t.Fatalf("%d labels wait with %d numbers, want %d", len(open), len(titles), waiting)
		}
	}
	order(o, wang, 2)
	order(o, wang, 2)
	b.cut()
	order(o, wang, 2)
	order(o, li, 4)
	o.Values = map[string]string{"name": "米"}
	order(o, wang, 6)
	o.Once = ""
	order(o, wang, 8)
	order(o, wang, 10)
}

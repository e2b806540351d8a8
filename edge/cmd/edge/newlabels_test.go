package main

import (
	"errors"
	"testing"

	"stockade/edge/dashboard"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/internal/web"
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

// TestNumberedLabelThatDoesNotFit: whether a label has room for the serial number that it will get is found out before a number is
// taken, and the preview says the same.
func TestNumberedLabelThatDoesNotFit(t *testing.T) {
	b := newPrintBench(t, "")
	body := `{"id":"narrow","kind":"item","name":"窄","width":50,"height":20,"elements":[{"type":"code","x":3,"y":2,"width":44,"height":10,"content":"(01){gtin}(21){serial}","symbols":["gs1-128"]}]}`
	storetest.Feed(t, b.n.store, feed.Catalogue, storetest.Item("TEA", teaGTIN), feed.Label{ID: "narrow", Active: true, Body: []byte(body)})
	storetest.Feed(t, b.n.store, feed.Locations(storetest.Warehouse), feed.Numbers{Node: "sh-1", Epoch: 1, Prefix: "6910420", First: 1_000_000, Count: 100})
	o := dashboard.LabelOrder{Template: "narrow", Printer: "zebra", Values: map[string]string{"gtin": teaGTIN}, Units: 1, Copies: 1, Number: true}
	var f *web.Failure
	if _, _, err := (labels{b.n}).PreviewLabel(t.Context(), o, false); !errors.As(err, &f) {
		t.Errorf("preview: %v, want a refusal", err)
	}
	if n, err := (labels{b.n}).PrintLabels(t.Context(), o, identity.Person{Account: "王"}); !errors.As(err, &f) {
		t.Errorf("%d queued, %v, want a refusal", n, err)
	}
	if _, open, _ := b.jobs(); len(open) != 0 {
		t.Errorf("%+v", open)
	}
}

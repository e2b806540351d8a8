package main

import (
	"errors"
	"strings"
	"testing"

	"stockade/hub/exports"
	"stockade/hub/store"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// TestExportedHistoryIsTheWhole: an export of an item's history has what the page has, over all its parts, with the warehouses of each row.
func TestExportedHistoryIsTheWhole(t *testing.T) {
	const rounds = openBatches + 6 // more batches than are held at a time
	p := openPages(t, rounds)
	var lines []exports.Line
	err := p.store.View(t.Context(), func(v *store.View) error {
		return exportedMovements(v, "A", access.Places{All: true}, func(l exports.Line) error { lines = append(lines, l); return nil })
	})
	if err != nil || len(lines) != 2*rounds {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	for i, l := range lines {
		kind, from, quantity := "count", "", "3"
		if i%2 == 1 {
			kind, from, quantity = "movement", string(stock.Supplier), "2"
		}
		if l.Cells[3] != kind || l.Cells[5] != from || l.Cells[6] != "SHA/A-01" || l.Cells[7] != quantity || len(l.At) != 1 || l.At[0] != "SHA" || len(l.Cells) != len(exports.Headings(exports.Movements)) {
			t.Fatalf("line %d is %+v", i, l)
		}
	}
	enough := errors.New("enough")
	err = p.store.View(t.Context(), func(v *store.View) error {
		return exportedMovements(v, "A", access.Places{All: true}, func(exports.Line) error { return enough })
	})
	if !errors.Is(err, enough) {
		t.Errorf("the walk goes on: %v", err)
	}
}

// TestEveryRefusalHasItsSentence: what a person is told exists, and an error of the machine is not told.
func TestEveryRefusalHasItsSentence(t *testing.T) {
	for _, err := range []error{exports.ErrDenied, exports.ErrNothing, exports.ErrPassword, &exports.QuotaError{Rows: 3, Left: 1, Quota: 2}, store.ErrRevision, store.ErrNotFound} {
		if told := requestRefusal(err).Error(); !strings.Contains(told, ".") || told == err.Error() {
			t.Errorf("%v is told as %q", err, told)
		}
	}
	if err := errors.New("disk"); !errors.Is(requestRefusal(err), err) || requestRefusal(nil) != nil {
		t.Error("another error is told as something else")
	}
}

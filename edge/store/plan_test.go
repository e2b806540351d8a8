package store

import (
	"path/filepath"
	"strings"
	"testing"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// TestQueriesOfAScanUseAnIndex: what a scan asks must not take longer as the stock grows.
func TestQueriesOfAScanUseAnIndex(t *testing.T) {
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "edge.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	s, err := Open(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	lot := stock.Key{SKU: "i", Lot: "l"}
	serial := stock.Key{SKU: "i", Serial: "s"}
	plain := stock.Key{SKU: "i"}
	tests := []struct {
		name, query string
		want        string // in the plan
	}{
		{"label with lot in a bin", holdingsQuery(lot, true), "stock_key_of_lot (item=? AND lot=?)"},
		{"label with lot anywhere", holdingsQuery(lot, false), "stock_key_of_lot (item=? AND lot=?)"},
		{"label with serial number in a bin", holdingsQuery(serial, true), "(item=? AND serial=?)"},
		{"label with serial number anywhere", holdingsQuery(serial, false), "(item=? AND serial=?)"},
		{"plain label in a bin", holdingsQuery(plain, true), "balance_held (location=? AND item=?)"},
		{"plain label anywhere", holdingsQuery(plain, false), "SCAN l | SEARCH b USING INDEX balance_held (location=? AND item=?)"}, // as often as there are bins
		{"expiry dates of a lot", expiriesQuery, "stock_key_of_lot (item=? AND lot=?)"},
		{"contents of a bin", rowsQuery(Filter{Location: "SHA/1"}), "balance_held (location=?)"},
		{"next label of a printer", printColumns + nextPrint, "print_job_open (printer=?)"},
		{"refused scans", scanColumns + refusedScans, "scan_refused (day=?)"},
	}
	for _, tt := range tests {
		plan := strings.Join(planOf(t, s, tt.query), " | ")
		if !strings.Contains(plan, tt.want) || strings.Count(plan, "SCAN") != strings.Count(tt.want, "SCAN") {
			t.Errorf("%s: plan is\n%s\nwant %s and no other scan", tt.name, plan, tt.want)
		}
	}
}

func planOf(t *testing.T, s *Store, query string) (steps []string) {
	t.Helper()
	args := []any{}
	for i := 1; strings.Contains(query, "?"+string(rune('0'+i))); i++ {
		args = append(args, int64(1))
	}
	for i := 9; i > len(args); i-- { // the highest number counts
		if strings.Contains(query, "?"+string(rune('0'+i))) {
			for len(args) < i {
				args = append(args, int64(1))
			}
		}
	}
	err := s.View(t.Context(), func(tx *Tx) error {
		return tx.each(func(r *vault.Rows) error {
			var id, parent, other int64
			var detail string
			err := r.Scan(&id, &parent, &other, &detail)
			steps = append(steps, detail)
			return err
		}, `EXPLAIN QUERY PLAN `+query, args...)
	})
	if err != nil {
		t.Fatal(err)
	}
	return steps
}

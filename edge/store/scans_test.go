package store_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
)

// TestScansOfStations: whatever order stations scan in, some of them hardly ever, each finds its own
// scans again, also in a store that was just opened.
func TestScansOfStations(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	dir := t.TempDir()
	s := storetest.Enrolled(t, dir, own)
	model := map[string][]string{} // outcome and day of each scan
	busy := []string{"a", "b", "c"}
	put := func(station string) {
		outcome := []string{"accepted", "refused", "info"}[r.IntN(3)]
		day := fmt.Sprintf("2026-01-%02d", 1+len(model[station])/100)
		storetest.Update(t, s, func(tx *store.Tx) error {
			return tx.PutScan(store.Scan{Station: station, Time: time.Unix(1, 0), Day: "2026-01-01", Outcome: outcome, Code: day, Told: []byte("{}"), State: []byte("{}")})
		})
		model[station] = append(model[station], outcome+" "+day)
	}
	put("rare")
	for i := range 900 {
		put(busy[r.IntN(len(busy))])
		if i == 300 || i == 700 {
			put("seldom")
		}
		if i%90 == 0 { // a store that remembers nothing
			s = storetest.Open(t, dir)
			checkScans(t, s, model)
		}
	}
	checkScans(t, s, model)
}

func checkScans(t *testing.T, s *store.Store, model map[string][]string) {
	t.Helper()
	storetest.View(t, s, func(tx *store.Tx) error {
		for station, want := range model {
			last, err := tx.LastScan(station)
			if err != nil || last.Number != int64(len(want)) {
				t.Fatalf("last scan of %s has number %d, %v; want %d", station, last.Number, err, len(want))
			}
			after := int64(max(0, len(want)-7))
			scans, err := tx.ScansAfter(station, after, 5)
			if err != nil || len(scans) != min(5, len(want)) {
				t.Fatalf("%d scans of %s after %d, %v; want %d", len(scans), station, after, err, min(5, len(want)))
			}
			newest, err := tx.LastScans(station, 3)
			if err != nil || len(newest) != min(3, len(want)) || newest[0].Number != int64(len(want)) {
				t.Fatalf("%d newest scans of %s, %v", len(newest), station, err)
			}
			for i, sc := range scans {
				if sc.Number != after+int64(i)+1 || sc.Outcome+" "+sc.Code != want[sc.Number-1] || sc.Station != station {
					t.Fatalf("scan %d of %s after %d is %+v, want %s", i, station, after, sc, want[sc.Number-1])
				}
			}
			refused, counted := int64(0), last.Refused
			for _, w := range want {
				if w[:7] == "refused" {
					refused++
				}
			}
			all, err := tx.RefusedScans(station, "2026-01-01", 10_000)
			if err != nil || counted != refused || int64(len(all)) != refused {
				t.Fatalf("refused scans of %s: %d counted, %d found, %v; want %d", station, counted, len(all), err, refused)
			}
		}
		return nil
	})
}

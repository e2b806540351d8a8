package station_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// BenchmarkScan measures a goods receipt from the decoded scan to the durable commit.
func BenchmarkScan(b *testing.B) {
	for _, n := range []int{1, 8} {
		b.Run(fmt.Sprintf("stations=%d", n), func(b *testing.B) {
			s := storetest.Enrolled(b, b.TempDir(), "bench")
			for i := range 50 {
				storetest.Feed(b, s, feed.Catalogue, storetest.Item(skuOf(i), gtinOf(i)))
			}
			storetest.Feed(b, s, feed.Locations(storetest.Warehouse), storetest.Bin("A-01"))
			clk := clock.New(time.Now, 0)
			var wg sync.WaitGroup
			b.ResetTimer()
			for w := range n {
				st := newStation(b, s, clk, fmt.Sprintf("s%d", w))
				wg.Go(func() {
					for i := w; i < b.N; i += n {
						f, err := st.Handle(context.Background(), scanOf(i), station.Worker{})
						if err != nil || f.Outcome != station.Accepted {
							b.Errorf("scan %d: %+v, %v", i, f, err)
							return
						}
					}
				})
			}
			wg.Wait()
			stats := s.Vault().Stats()
			b.ReportMetric(float64(stats.Acts)/float64(stats.Commits), "scans/commit")
		})
	}
}

func newStation(t testing.TB, s *store.Store, clk *clock.Clock, name string) *station.Station {
	t.Helper()
	st, err := station.New(station.Config{Name: name, Receiving: storetest.Warehouse.Bin("A-01"), Zone: time.UTC}, s, clk)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// BenchmarkDepth measures one more scan of an item that has many rows already: receipts of new
// lots, and picks of a lot out of them.
func BenchmarkDepth(b *testing.B) {
	for _, rows := range []int{1, 1000, 50_000} {
		s := storetest.Enrolled(b, b.TempDir(), "bench")
		storetest.Feed(b, s, feed.Catalogue, storetest.Item(skuOf(0), gtinOf(0)))
		storetest.Feed(b, s, feed.Locations(storetest.Warehouse), storetest.Bin("A-01"))
		for from := 0; from < rows; from += 1000 {
			storetest.Update(b, s, func(tx *store.Tx) error {
				for i := from; i < min(rows, from+1000); i++ {
					m := stock.Movement{Key: stock.Key{SKU: skuOf(0), Lot: stock.Lot(fmt.Sprint("P", i)), State: stock.Available}, From: stock.Supplier,
						To: storetest.Warehouse.Bin("A-01"), Quantity: 1_000_000 * stock.Unit}
					c, err := change.OfMovement(change.Meta{Day: "2026-01-01"}, m)
					if err != nil {
						return err
					}
					if _, err := tx.Add(c); err != nil {
						return err
					}
				}
				return nil
			})
		}
		clk := clock.New(time.Now, 0)
		st := newStation(b, s, clk, "s")
		handle := func(b *testing.B, scan barcode.Scan) {
			if f, err := st.Handle(context.Background(), scan, station.Worker{}); err != nil || f.Outcome == station.Refused {
				b.Fatalf("%+v, %v", f, err)
			}
		}
		next := 0
		b.Run(fmt.Sprintf("receive/rows=%d", rows), func(b *testing.B) {
			handle(b, barcode.Scan{Text: "STK:MODE:RECEIVE"})
			b.ResetTimer()
			for range b.N {
				next++
				handle(b, barcode.Scan{GTIN: gtinOf(0), Lot: fmt.Sprint("N", next)})
			}
		})
		b.Run(fmt.Sprintf("pick/rows=%d", rows), func(b *testing.B) {
			handle(b, barcode.Scan{Text: "STK:MODE:PICK"})
			handle(b, barcode.Scan{Text: "A-01"})
			b.ResetTimer()
			for i := range b.N {
				handle(b, barcode.Scan{GTIN: gtinOf(0), Lot: fmt.Sprint("P", i*7919%rows)})
			}
		})
	}
}

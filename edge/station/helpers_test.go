package station_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/barcode"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

func skuOf(i int) stock.SKU { return stock.SKU(fmt.Sprintf("SKU-%03d", i%50)) }

func gtinOf(i int) string { return fmt.Sprintf("%013d0", 690000000000+i%50) }

func scanOf(i int) barcode.Scan {
	lot := fmt.Sprintf("L%02d", i%7)
	gtin := gtinOf(i)
	return barcode.Scan{GTIN: gtin, Lot: lot, Expiry: "2099-12-31", Raw: []byte("]C101" + gtin + "17991231" + "10" + lot)}
}

// today is the business day of all tests: noon in Shanghai.
var today = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

// bench is a warehouse with one station, at a time that stands still.
type bench struct {
	t     *testing.T
	dir   string
	store *store.Store
	now   time.Time
	st    *station.Station
}

const (
	tea   = "06901234567892" // gtin
	crate = "16901234567899" // of 12 teas
	old   = "06911111111114" // no longer in use
	label = "SCREW-M4"       // an item without GTIN
)

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir(), now: today}
	b.store = storetest.Enrolled(t, b.dir, "node")
	stocked := storetest.Item("TEA", tea)
	stocked.Codes = append(stocked.Codes, feed.Code{GTIN: crate, Unit: "箱", Factor: 12 * stock.Unit})
	retired := storetest.Item("OLD", old)
	retired.Active = false
	storetest.Feed(t, b.store, feed.Catalogue, stocked, retired, storetest.Item("SCREW", label))
	closed := storetest.Bin("C-01")
	closed.Active = false
	storetest.Feed(t, b.store, feed.Locations(storetest.Warehouse), storetest.Bin("RECV"), storetest.Bin("A-01"), storetest.Bin("B-01"), closed)
	b.start()
	return b
}

// start makes the station anew from the store, as after a power cut.
func (b *bench) start() {
	b.t.Helper()
	zone, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		b.t.Fatal(err)
	}
	now := func() time.Time { return b.now }
	b.st, err = station.New(station.Config{Name: "desk", Receiving: storetest.Warehouse.Bin("RECV"), Repeat: 700 * time.Millisecond, Zone: zone, Now: now}, b.store, clock.New(now, 0))
	if err != nil {
		b.t.Fatal(err)
	}
}

// scan hands in bytes as a plain scanner sends them, a second after whatever was before.
func (b *bench) scan(raw string) station.Feedback {
	b.t.Helper()
	b.now = b.now.Add(time.Second)
	return b.again(raw)
}

// again is scan without the second.
func (b *bench) again(raw string) station.Feedback {
	b.t.Helper()
	scans := barcode.Decode(barcode.Profile{}, []byte(raw), b.now)
	if len(scans) != 1 {
		b.t.Fatalf("%q: %d scans, want 1", raw, len(scans))
	}
	f, err := b.st.Handle(context.Background(), scans[0], station.Worker{Actor: "li"})
	if err != nil {
		b.t.Fatalf("scan %q: %v", raw, err)
	}
	return f
}

// onHand is what the ledger has of a kind of stock in a bin.
func (b *bench) onHand(bin string, k stock.Key) stock.Quantity {
	b.t.Helper()
	var q stock.Quantity
	storetest.View(b.t, b.store, func(tx *store.Tx) error {
		bal, err := tx.Balance(stock.Cell{Location: storetest.Warehouse.Bin(bin), Key: k})
		q = bal.OnHand()
		return err
	})
	return q
}

// changes is how many changes the node has made.
func (b *bench) changes() uint64 {
	b.t.Helper()
	var o store.Outbox
	storetest.View(b.t, b.store, func(tx *store.Tx) (err error) { o, err = tx.Outbox(); return err })
	return o.Changes
}

func kind(sku stock.SKU, lot stock.Lot, expiry stock.Date) stock.Key {
	return stock.Key{SKU: sku, Lot: lot, Expiry: expiry, State: stock.Available}
}

// gs1 writes a GS1-128 scan of element strings, fields ended by GS where they need it.
func gs1(fields ...string) string {
	out := "]C1"
	for i, f := range fields {
		if i > 0 {
			out += "\x1d"
		}
		out += f
	}
	return out
}

package station_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
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

// cut takes the power away: what is on the disk now is all that is left.
func (b *bench) cut() {
	b.t.Helper()
	dir := b.t.TempDir()
	for _, name := range []string{"edge.db", "edge.db-wal"} { // the third file is only an index of the second
		data, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	b.dir, b.store = dir, storetest.Open(b.t, dir)
	b.start()
}

// TestPowerCutAfterEveryScan: a station goes on exactly where it was, whatever it was doing.
func TestPowerCutAfterEveryScan(t *testing.T) {
	b := newBench(t)
	for i, line := range []string{
		crate + " => scan.received on_hand=12",
		tea + " => scan.received on_hand=13",
		"STK:MODE:TRANSFER => scan.mode",
		"RECV => scan.bin",
		"A-01 => scan.target bin=RECV target=A-01",
		tea + " => scan.transferred on_hand=1",
		tea + " => scan.transferred on_hand=2",
		"STK:UNDO => scan.undone bin=RECV on_hand=12",
		"STK:UNDO => scan.nothing_to_undo",
		"STK:MODE:COUNT => scan.mode",
		"RECV => scan.bin",
		tea + " => scan.counted found=1",
		tea + " => scan.counted found=2",
		"STK:MODE:PICK => scan.count_open",
		"STK:CONFIRM => scan.count_done lines=1 differences=1",
		"STK:MODE:PICK => scan.mode",
		"RECV => scan.bin",
		tea + " => scan.picked on_hand=1",
	} {
		b.tell(line)
		b.cut()
		scans, err := b.st.Scans(context.Background(), 0, 100)
		if err != nil || len(scans) != i+1 || scans[i].Number != int64(i+1) {
			t.Fatalf("after %q and a power cut: %d scans, %v; want %d", line, len(scans), err, i+1)
		}
	}
	st, err := b.st.State(context.Background())
	if err != nil || st.Mode != station.Pick || st.Bin != "SHA/RECV" || st.Number != 18 {
		t.Errorf("state at the end %+v, %v", st, err)
	}
}

// TestStationsAtOnce: stations that share commits, with acts among them that fail after they have
// written, do not get into each other's way.
func TestStationsAtOnce(t *testing.T) {
	s := storetest.Enrolled(t, t.TempDir(), "node")
	for i := range 50 {
		storetest.Feed(t, s, feed.Catalogue, storetest.Item(skuOf(i), gtinOf(i)))
	}
	clk := clock.New(time.Now, 0)
	const stations, scans = 8, 60
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() { spoil(t, s, stop) })
	var work sync.WaitGroup
	accepted := make([]int, stations)
	for n := range stations {
		st := newStation(t, s, clk, fmt.Sprint("s", n))
		work.Go(func() {
			for i := range scans {
				scan := scanOf(i * 3)
				if i%5 == n%5 {
					scan = barcode.Scan{Text: "nothing", Raw: []byte("nothing")}
				}
				f, err := st.Handle(context.Background(), scan, station.Worker{})
				if err != nil || f.Number != int64(i+1) {
					t.Errorf("station %d scan %d: number %d, %v", n, i, f.Number, err)
					return
				}
				if f.Outcome == station.Accepted {
					accepted[n]++
				}
			}
		})
	}
	work.Wait()
	close(stop)
	wg.Wait()
	total := 0
	for _, n := range accepted {
		total += n
	}
	storetest.View(t, s, func(tx *store.Tx) error {
		box, err := tx.Outbox()
		if err != nil {
			return err
		}
		counts, err := tx.Totals()
		if box.Changes != stations*scans || counts.Movements != int64(total) || counts.Accepted != int64(total) || counts.Refused != int64(stations*scans-total) {
			t.Errorf("%+v %+v, want %d changes and %d movements", box, counts, stations*scans, total)
		}
		return errors.Join(err, sameAsFold(t, tx, box.Changes))
	})
}

var errSpoiled = errors.New("spoiled")

// spoil runs acts that write and then fail.
func spoil(t *testing.T, s *store.Store, stop chan struct{}) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		err := s.Update(context.Background(), func(tx *store.Tx) error {
			at := stock.Cell{Location: "SHA/A-01", Key: kind(skuOf(1), "spoiled", "")}
			return errors.Join(tx.SetBalance(at, stock.Balance{Moved: 5}), tx.PutScan(store.Scan{Station: "s1", Outcome: "accepted"}), errSpoiled)
		})
		if !errors.Is(err, errSpoiled) {
			t.Errorf("act that fails: %v", err)
		}
	}
}

// sameAsFold compares the balances with a fold of the changes in memory.
func sameAsFold(t *testing.T, tx *store.Tx, changes uint64) error {
	t.Helper()
	book := stock.NewMemory()
	for n := range changes {
		id := stock.ID{Node: "node", Epoch: 1, Number: n + 1}
		c, err := tx.Change(id)
		if err != nil {
			return err
		}
		if m, err := c.Movement(id); err == nil {
			if _, err := (stock.Ledger{Book: book}).Post(m); err != nil {
				return err
			}
		}
	}
	rows, err := tx.Rows(store.Filter{})
	if err != nil {
		return err
	}
	held := 0
	for at, b := range book.Balances {
		if b.OnHand() != 0 && !at.Location.Outside() {
			held++
		}
	}
	for _, r := range rows {
		if want := book.Balances[r.Cell].OnHand(); r.OnHand != want {
			t.Errorf("%v holds %s, want %s", r.Cell, r.OnHand, want)
		}
	}
	if len(rows) != held {
		t.Errorf("%d cells hold stock, want %d", len(rows), held)
	}
	return nil
}

package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// world is a random history of two sibling nodes and this one, told to a store and to the
// reference in memory.
type world struct {
	t       *testing.T
	r       *rand.Rand
	store   *store.Store
	memory  *stock.Memory
	numbers map[stock.NodeID]uint64
	seen    map[stock.NodeID]stock.Vector
	cells   []stock.Cell // that were named
}

const own stock.NodeID = "own"

func (w *world) key() stock.Key {
	k := stock.Key{SKU: stock.SKU(fmt.Sprint("i", w.r.IntN(2))), State: stock.State(1 + w.r.IntN(2))} // #nosec G115 -- small
	if w.r.IntN(3) == 0 {
		k.Serial = stock.Serial(fmt.Sprint("s", w.r.IntN(2)))
	}
	if w.r.IntN(3) == 0 {
		k.Lot, k.Expiry = "l1", []stock.Date{"", "2027-01-01", "2027-02-01"}[w.r.IntN(3)]
	}
	return k
}

// made returns a random movement or count.
func (w *world) made(step int, by stock.NodeID, seen stock.Vector) change.Change {
	w.t.Helper()
	meta := change.Meta{Time: clock.Stamp(step*3 + w.r.IntN(20)), Actor: string(by), Terminal: "desk", Day: "2026-01-01", Zone: "UTC"} // #nosec G115 -- small
	places := []stock.Location{stock.Supplier, stock.Customer, "SHA/1", "SHA/2", "SHA/3"}
	k := w.key()
	var c change.Change
	var err error
	if w.r.IntN(5) == 0 {
		at := stock.Cell{Location: places[2+w.r.IntN(3)], Key: k}
		w.cells = append(w.cells, at)
		c, err = change.OfCount(meta, stock.Count{Cell: at, Counted: stock.Quantity(w.r.IntN(5)) * stock.Unit, Seen: seen})
	} else {
		from := w.r.IntN(5)
		to := (from + 1 + w.r.IntN(4)) % 5
		m := stock.Movement{Key: k, From: places[from], To: places[to], Quantity: stock.Quantity(1+w.r.IntN(3)) * stock.Unit}
		w.cells = append(w.cells, stock.Cell{Location: m.From, Key: k}, stock.Cell{Location: m.To, Key: k})
		c, err = change.OfMovement(meta, m)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// remember posts c to the reference too.
func (w *world) remember(id stock.ID, c change.Change) {
	w.t.Helper()
	ledger := stock.Ledger{Book: w.memory}
	var err error
	if c.Kind == change.KindCount {
		var n stock.Count
		if n, err = c.Count(id); err == nil {
			_, err = ledger.PostCount(n)
		}
	} else {
		var m stock.Movement
		if m, err = c.Movement(id); err == nil {
			_, err = ledger.Post(m)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) step(step int) {
	if w.r.IntN(3) > 0 { // by this node
		var id stock.ID
		var c change.Change
		storetest.Update(w.t, w.store, func(tx *store.Tx) error {
			seen, err := tx.Seen()
			if err != nil {
				return err
			}
			c = w.made(step, own, seen)
			id, err = tx.Add(c)
			return err
		})
		w.remember(id, c)
		return
	}
	by := stock.NodeID(fmt.Sprint("n", w.r.IntN(2)))
	w.numbers[by] += 1 + w.r.Uint64N(2) // what does not touch this warehouse does not come here
	id := stock.ID{Node: by, Epoch: 1, Number: w.numbers[by]}
	c := w.made(step, by, w.seen[by].Clone())
	w.seen[by][stock.Stream{Node: by, Epoch: 1}] = id.Number
	b, err := c.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	for range 1 + w.r.IntN(2) { // some come twice
		storetest.Feed(w.t, w.store, feed.Siblings(storetest.Warehouse), feed.Sibling{Node: id.Node, Epoch: id.Epoch, Number: id.Number, Change: b})
	}
	w.remember(id, c)
}

// fail runs an act that does things and then fails: nothing of it may remain, in the store or in
// what later acts remember.
func (w *world) fail(step int) {
	err := w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Add(w.made(step, own, nil)); err != nil {
			return err
		}
		return errUndone
	})
	if !errors.Is(err, errUndone) {
		w.t.Fatalf("act that fails: %v", err)
	}
}

var errUndone = errors.New("undone")

func (w *world) compare(what string) {
	w.t.Helper()
	check := func(tx *store.Tx) error {
		for _, at := range w.cells {
			got, err := tx.Balance(at)
			if err != nil {
				return err
			}
			if want := w.memory.Balances[at]; got != want {
				w.t.Fatalf("%s: balance of %v is %+v, want %+v", what, at, got, want)
			}
			if err := w.compareSerial(tx, at.Key); err != nil {
				return err
			}
		}
		return w.compareExceptions(tx, what)
	}
	storetest.View(w.t, w.store, check)   // as the disk has it
	storetest.Update(w.t, w.store, check) // as acts remember it
}

func (w *world) compareSerial(tx *store.Tx, k stock.Key) error {
	got, err := tx.SerialCells(k.SKU, k.Serial)
	want, _ := w.memory.SerialCells(k.SKU, k.Serial)
	if k.Serial != "" && !reflect.DeepEqual(got, want) {
		w.t.Fatalf("serial cells of %s %s: %v, want %v", k.SKU, k.Serial, got, want)
	}
	return err
}

func (w *world) compareExceptions(tx *store.Tx, what string) error {
	got, err := tx.Exceptions()
	want := map[stock.ExceptionKind][]string{}
	for kind, cases := range w.memory.Open {
		for subject := range cases {
			want[kind] = append(want[kind], subject)
		}
		slices.Sort(want[kind])
	}
	for kind := range want {
		if len(want[kind]) == 0 {
			delete(want, kind)
		}
	}
	if !reflect.DeepEqual(got, want) {
		w.t.Fatalf("%s: open exceptions %v, want %v", what, got, want)
	}
	return err
}

// TestBookAgainstMemory: after any history the store's ledger says what the reference says.
func TestBookAgainstMemory(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			w := &world{t: t, r: rand.New(rand.NewPCG(seed, 5)), store: storetest.Enrolled(t, t.TempDir(), own), memory: stock.NewMemory(),
				numbers: map[stock.NodeID]uint64{}, seen: map[stock.NodeID]stock.Vector{"n0": {}, "n1": {}}}
			for step := range 120 {
				if w.r.IntN(10) == 0 {
					w.fail(step)
				}
				w.step(step)
				if step%40 == 39 {
					w.compare(fmt.Sprint("seed ", seed, " step ", step))
				}
			}
			w.compareMovements()
		})
	}
}

// compareMovements reads all movements page by page: each must come exactly once.
func (w *world) compareMovements() {
	w.t.Helper()
	for _, sku := range []stock.SKU{"", "i0", "i1"} {
		want := 0
		for _, m := range w.memory.Movements {
			if sku == "" || m.Key.SKU == sku {
				want++
			}
		}
		seen := map[stock.ID]bool{}
		mark, pages := "", 0
		for {
			var page []store.Entry
			storetest.View(w.t, w.store, func(tx *store.Tx) (err error) {
				page, mark, err = tx.Movements(sku, mark, 7)
				return err
			})
			for _, e := range page {
				if m, ok := w.memory.Movements[e.Movement.ID]; !ok || !reflect.DeepEqual(m, e.Movement) {
					w.t.Fatalf("movement %+v, want %+v", e.Movement, m)
				}
				if seen[e.Movement.ID] {
					w.t.Fatalf("movement %s came twice", e.Movement.ID)
				}
				seen[e.Movement.ID] = true
			}
			if pages++; mark == "" {
				break
			}
		}
		if len(seen) != want || pages < want/7 {
			w.t.Errorf("item %q: %d movements on %d pages, want %d", sku, len(seen), pages, want)
		}
	}
}

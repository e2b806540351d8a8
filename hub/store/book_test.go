package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"stockade/protocol/stock"
)

// history makes random changes of a few nodes over a few kinds of stock, so that all cases occur.
type history struct {
	rng  *rand.Rand
	next map[stock.Stream]uint64
	seq  map[stock.Stream]uint64
}

var (
	historyNodes     = []stock.NodeID{"sh-1", "sh-2", "cd-1"}
	historyLocations = []stock.Location{"SHA/A-1", "SHA/A-2", "CTU/B-1", stock.Supplier, stock.Customer, stock.Adjustment}
)

func (h *history) key() stock.Key {
	k := stock.Key{SKU: stock.SKU(fmt.Sprint("SKU", h.rng.IntN(3))), State: stock.State(1 + h.rng.IntN(2))}
	switch h.rng.IntN(3) {
	case 0:
		k.Serial = stock.Serial(fmt.Sprint("S", h.rng.IntN(4)))
		if h.rng.IntN(2) == 0 {
			k.Lot = "L1" // the same serial number under two kinds of stock
		}
	case 1:
		k.Lot = stock.Lot(fmt.Sprint("L", h.rng.IntN(2)))
		k.Expiry = []stock.Date{"", "2027-01-01", "2027-02-01"}[h.rng.IntN(3)]
	}
	return k
}

func (h *history) id() (stock.ID, uint64) {
	s := stock.Stream{Node: historyNodes[h.rng.IntN(len(historyNodes))], Epoch: 1 + h.rng.Uint64N(2)}
	h.next[s]++
	h.seq[s]++
	return stock.ID{Node: s.Node, Epoch: s.Epoch, Number: h.next[s]}, h.seq[s]
}

func (h *history) movement(id stock.ID) stock.Movement {
	m := stock.Movement{ID: id, Time: 1000 + h.rng.Uint64N(500), Key: h.key(), Quantity: stock.Quantity(1+h.rng.Int64N(3)) * stock.Unit}
	if h.rng.IntN(40) == 0 {
		m.Quantity = stock.MaxQuantity
	}
	from := h.rng.IntN(len(historyLocations))
	m.From, m.To = historyLocations[from], historyLocations[(from+1+h.rng.IntN(len(historyLocations)-1))%len(historyLocations)]
	return m
}

func (h *history) count(id stock.ID) stock.Count {
	c := stock.Count{ID: id, Time: 1000 + h.rng.Uint64N(500), Cell: stock.Cell{Location: historyLocations[h.rng.IntN(3)], Key: h.key()},
		Counted: stock.Quantity(h.rng.Int64N(5)) * stock.Unit, Seen: stock.Vector{}}
	for s, n := range h.next {
		if seen := h.rng.Uint64N(n + 1); seen > 0 {
			c.Seen[s] = seen
		}
	}
	c.Seen[stock.Stream{Node: id.Node, Epoch: id.Epoch}] = id.Number - 1
	return c
}

// TestBookIsTheReferenceBook posts the same random histories to a book in memory and to the
// store, and compares everything that follows from them.
func TestBookIsTheReferenceBook(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { compareBooks(t, seed) })
	}
}

func compareBooks(t *testing.T, seed uint64) {
	s := openTest(t)
	for _, n := range historyNodes {
		addNode(t, s, n, "SHA")
	}
	h := &history{rng: rand.New(rand.NewPCG(seed, 1)), next: map[stock.Stream]uint64{}, seq: map[stock.Stream]uint64{}}
	reference := stock.NewMemory()
	want := stock.Ledger{Book: reference}
	gaveUp := errors.New("gave up")
	for range 40 { // transactions
		steps := 1 + h.rng.IntN(8)
		fail := h.rng.IntN(6) == 0
		var apply []func(l stock.Ledger) (bool, error)
		err := s.Update(context.Background(), testTime, func(tx *Tx) error {
			next, seq := cloneMap(h.next), cloneMap(h.seq)
			for range steps {
				id, place := h.id()
				if err := openBatchFor(tx, id, place, 1); err != nil {
					return err
				}
				var post func(l stock.Ledger) (bool, error)
				m, c := h.movement(id), h.count(id)
				if h.rng.IntN(4) == 0 {
					post = func(l stock.Ledger) (bool, error) { return l.PostCount(c) }
				} else {
					post = func(l stock.Ledger) (bool, error) { return l.Post(m) }
				}
				got, err := post(tx.Ledger())
				if err != nil && !errors.Is(err, stock.ErrOverflow) {
					return err
				}
				again, err := post(tx.Ledger()) // what the book has already changes nothing
				if (again && got) || (err != nil && !errors.Is(err, stock.ErrOverflow)) {
					t.Errorf("posting %s again = %v, %v", id, again, err)
				}
				apply = append(apply, post)
			}
			if fail {
				h.next, h.seq = next, seq
				return gaveUp
			}
			return nil
		})
		if fail != errors.Is(err, gaveUp) {
			t.Fatal(err)
		}
		if fail {
			continue
		}
		for _, post := range apply {
			if _, err := post(want); err != nil && !errors.Is(err, stock.ErrOverflow) {
				t.Fatal(err)
			}
		}
		if h.rng.IntN(5) == 0 {
			s.memory = nil // as after another program's writing
		}
	}
	compareWith(t, s, reference)
}

func cloneMap(m map[stock.Stream]uint64) map[stock.Stream]uint64 {
	c := make(map[stock.Stream]uint64, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

func compareWith(t *testing.T, s *Store, want *stock.Memory) {
	t.Helper()
	update(t, s, func(tx *Tx) error {
		cells := 0
		for at, b := range want.Balances {
			got, err := tx.Balance(at)
			if err != nil {
				return err
			}
			if got != b {
				t.Errorf("balance of %v = %+v, want %+v", at, got, b)
			}
			if n, err := tx.MovementsOf(at); err != nil {
				return err
			} else if w, _ := want.MovementsOf(at); !at.Location.Outside() && len(n) != len(w) {
				t.Errorf("%d movements of %v, want %d", len(n), at, len(w))
			}
			cells++
		}
		var stored int
		if err := tx.tx.QueryRow(`SELECT count(*) FROM balance`).Scan(&stored); err != nil {
			return err
		}
		if stored != cells {
			t.Errorf("%d balances stored, want %d", stored, cells)
		}
		open := 0
		for kind, cases := range want.Open {
			for subject := range cases {
				if _, ok := tx.m.open[caseName{kind, subject}]; !ok {
					t.Errorf("case %s %s is not open", kind, subject)
				}
				open++
			}
		}
		for name := range tx.m.open {
			if name.kind == CaseUnknownItem {
				open++
			} else if _, ok := want.Open[name.kind][name.subject]; !ok {
				t.Errorf("case %s %s is open", name.kind, name.subject)
			}
		}
		if len(tx.m.open) != open {
			t.Errorf("%d cases open, want %d", len(tx.m.open), open)
		}
		return nil
	})
	// What is remembered must be what is stored.
	s.memory = nil
	update(t, s, func(tx *Tx) error {
		for at, b := range want.Balances {
			if got, err := tx.Balance(at); err != nil || got != b {
				t.Errorf("stored balance of %v = %+v, %v, want %+v", at, got, err, b)
			}
		}
		return nil
	})
}

package adjust

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

var at = stock.Cell{Location: "SHA/A-01", Key: stock.Key{SKU: "S", State: stock.Available}}

// story is what happened to a cell, counted one after the other.
type story struct {
	counts    []stock.Count
	movements []stock.Movement
	by        map[stock.ID]string
	decided   map[change.Hash]bool
	number    uint64
}

func (s *story) id() stock.ID {
	s.number++
	return stock.ID{Node: "sh-1", Epoch: 1, Number: s.number}
}

func (s *story) seen() stock.Vector {
	return stock.Vector{stock.Stream{Node: "sh-1", Epoch: 1}: s.number}
}

func (s *story) move(units int64) {
	m := stock.Movement{ID: s.id(), Time: s.number << 16, Key: at.Key, From: stock.Supplier, To: at.Location, Quantity: stock.Quantity(units) * stock.Unit}
	if units < 0 {
		m.From, m.To, m.Quantity = m.To, stock.Customer, -m.Quantity
	}
	s.movements = append(s.movements, m)
}

func (s *story) count(who string, units int64) {
	c := stock.Count{Seen: s.seen(), Cell: at, Counted: stock.Quantity(units) * stock.Unit}
	c.ID = s.id()
	c.Time = s.number << 16
	s.counts, s.by[c.ID] = append(s.counts, c), who
}

func (s *story) rules() Rules {
	return Rules{Small: func(d Difference) (bool, error) { return abs(d.Size) < 10*stock.Unit || d.Percent() < 10_00, nil },
		By: func(id stock.ID) (string, error) { return s.by[id], nil }, Decided: func(h change.Hash) (bool, bool) { yes, known := s.decided[h]; return yes, known }}
}

func (s *story) judge(t *testing.T) State {
	t.Helper()
	st, err := Judge(s.counts, s.movements, s.rules())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func (s *story) decide(t *testing.T, yes bool) {
	t.Helper()
	h, err := s.judge(t).Difference.Name()
	if err != nil {
		t.Fatal(err)
	}
	s.decided[h] = yes
}

func begun() *story {
	s := &story{by: map[stock.ID]string{}, decided: map[change.Hash]bool{}}
	s.move(100)
	return s
}

func (s *story) is(t *testing.T, status Status, size int64, counters ...string) {
	t.Helper()
	st := s.judge(t)
	if st.Status != status || status != Settled && (st.Difference.Size != stock.Quantity(size)*stock.Unit || !reflect.DeepEqual(st.Counters, counters)) {
		t.Fatalf("%q of %s by %q, want %q of %d by %q", st.Status, st.Difference.Size, st.Counters, status, size, counters)
	}
}

func TestSmallOnesStand(t *testing.T) {
	s := begun()
	s.count("li", 91)
	s.is(t, Settled, 0)
	s.count("li", 82) // from 91
	s.is(t, Settled, 0)
	s.count("li", 70)
	s.is(t, Waits, -12, "li")
	s.count("li", 82) // found again
	s.is(t, Settled, 0)
}

func TestApprovedOnesStandUntilTheyAreOthers(t *testing.T) {
	s := begun()
	s.count("li", 60)
	s.is(t, Waits, -40, "li")
	s.decide(t, true)
	s.is(t, Settled, 0)
	if st := s.judge(t); st.Last == nil {
		t.Error("nobody knows who has approved it")
	}
	s.move(-30)
	s.is(t, Settled, 0)
	late := stock.Movement{ID: stock.ID{Node: "sh-1", Epoch: 1, Number: 1_000}, Key: at.Key, From: at.Location, To: stock.Customer, Quantity: 15 * stock.Unit}
	s.movements = append(s.movements, late)
	s.is(t, Settled, 0) // the count had not seen it
	s.counts[0].Seen[stock.Stream{Node: "ct-1", Epoch: 1}] = 7
	late.ID = stock.ID{Node: "ct-1", Epoch: 1, Number: 7}
	s.movements = append(s.movements, late)
	s.is(t, Waits, -25, "li") // it had: 85 were in the books
	back := late
	back.ID.Number, back.From, back.To = 6, stock.Supplier, at.Location
	s.movements = append(s.movements, back)
	s.is(t, Settled, 0) // the old difference again, and the old yes
}

func TestRefusedOnesNeedSomebodyElse(t *testing.T) {
	s := begun()
	s.count("li", 60)
	s.decide(t, false)
	s.is(t, Recount, -40, "li")
	s.count("li", 60)
	s.is(t, Recount, -40, "li") // the same person proves nothing
	s.count("wang", 62)
	s.is(t, Settled, 0)

	s = begun()
	s.count("li", 60)
	s.decide(t, false)
	s.count("wang", 20)
	s.is(t, Waits, -80, "li", "wang") // something else: to be decided anew, by neither
	s.decide(t, false)
	s.is(t, Recount, -80, "li", "wang")
	s.count("chen", 61)
	s.is(t, Settled, 0) // as li has found

	s = begun()
	s.count("li", 60)
	s.decide(t, false)
	s.count("wang", 99)
	s.is(t, Settled, 0) // the books were right
	s = begun()
	s.count("", 60)
	s.decide(t, false)
	s.count("", 60)
	s.is(t, Recount, -40, "") // nobody knows whether these are two
}

func TestPercentOfDifferences(t *testing.T) {
	for _, c := range []struct {
		size, book stock.Quantity
		want       int64
	}{{0, 0, 0}, {5, 0, 10_000_00}, {-5, -3, 10_000_00}, {-10, 100, 10_00}, {10, 99, 10_11}, {1 << 62, 1, 10_000_00}, {1, 1 << 62, 1}, {1 << 61, 1 << 61, 100_00}} {
		if got := (Difference{Size: c.size, Book: c.book}).Percent(); got != c.want {
			t.Errorf("%d of %d: %d, want %d", c.size, c.book, got, c.want)
		}
	}
}

// TestOrderMeansNothing: however counts and movements are shuffled, a cell stands the same; and a settled cell has no difference.
func TestOrderMeansNothing(t *testing.T) {
	seen := map[Status]int{}
	for seed := range uint64(4000) {
		w := rand.New(rand.NewPCG(seed, 8))
		s := begun()
		for range 3 + w.IntN(8) {
			switch w.IntN(4) {
			case 0:
				s.move(w.Int64N(60) - 30)
			case 1, 2:
				s.count(fmt.Sprint("p", w.IntN(3)), w.Int64N(100))
				if i := len(s.counts) - 1; w.IntN(3) == 0 { // it had not seen all
					s.counts[i].Seen[stock.Stream{Node: "sh-1", Epoch: 1}] -= uint64(w.IntN(3))
				}
			default:
				if s.judge(t).Status == Waits {
					s.decide(t, w.IntN(2) == 0)
				}
			}
		}
		want := s.judge(t)
		seen[want.Status]++
		for range 4 {
			w.Shuffle(len(s.counts), func(i, j int) { s.counts[i], s.counts[j] = s.counts[j], s.counts[i] })
			w.Shuffle(len(s.movements), func(i, j int) { s.movements[i], s.movements[j] = s.movements[j], s.movements[i] })
			if got := s.judge(t); !reflect.DeepEqual(got, want) {
				t.Fatalf("seed %d: %+v, and in another order %+v", seed, want, got)
			}
		}
		if want.Status == Settled && want.Difference.Size != 0 {
			t.Fatalf("seed %d: settled, with %+v", seed, want)
		}
	}
	if seen[Settled] < 100 || seen[Waits] < 100 || seen[Recount] < 100 {
		t.Errorf("the play proves little: %v", seen)
	}
}

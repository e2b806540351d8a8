package stock

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
)

// history makes a random set of movements and counts by three nodes, each count with the
// vector of what its node had seen.
func history(r *rand.Rand) (ms []Movement, cs []Count) {
	nodes := []NodeID{"a", "b", "c"}
	numbers, seen := map[NodeID]uint64{}, map[NodeID]Vector{}
	for _, n := range nodes {
		seen[n] = Vector{}
	}
	places := []Location{Supplier, Customer, "W/1", "W/2", "W/3"}
	for step := range 60 {
		n := nodes[r.IntN(3)]
		if r.IntN(4) == 0 { // n hears of another node's changes
			o := nodes[r.IntN(3)]
			seen[n][Stream{o, 1}] = max(seen[n][Stream{o, 1}], numbers[o])
			continue
		}
		numbers[n]++
		id := ID{n, 1, numbers[n]}
		k := Key{SKU: SKU(fmt.Sprint("i", r.IntN(2))), State: Available}
		if r.IntN(3) == 0 {
			k.Serial = "s1"
		}
		if r.IntN(3) == 0 {
			k.Lot, k.Expiry = "l1", []Date{"", "2027-01-01", "2027-02-01"}[r.IntN(3)]
		}
		time := uint64(step + r.IntN(20)) // #nosec G115 -- small
		if r.IntN(5) == 0 {
			cs = append(cs, Count{ID: id, Time: time, Cell: Cell{places[2+r.IntN(3)], k}, Counted: Quantity(r.IntN(5)) * Unit, Seen: seen[n].Clone()})
		} else {
			from := r.IntN(5)
			to := (from + 1 + r.IntN(4)) % 5
			ms = append(ms, Movement{ID: id, Time: time, Key: k, From: places[from], To: places[to], Quantity: Quantity(1+r.IntN(3)) * Unit})
		}
		seen[n][Stream{n, 1}] = numbers[n]
	}
	return ms, cs
}

func fold(t *testing.T, r *rand.Rand, ms []Movement, cs []Count) *Memory {
	t.Helper()
	book := NewMemory()
	l := Ledger{book}
	for _, i := range r.Perm(len(ms) + len(cs)) {
		for range 1 + r.IntN(2) { // some arrive twice
			var err error
			if i < len(ms) {
				_, err = l.Post(ms[i])
			} else {
				_, err = l.PostCount(cs[i-len(ms)])
			}
			if err != nil {
				t.Fatalf("post: %v", err)
			}
		}
	}
	return book
}

func TestFoldDoesNotDependOnOrder(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		ms, cs := history(r)
		a, b := fold(t, r, ms, cs), fold(t, r, ms, cs)
		if !reflect.DeepEqual(a.Balances, b.Balances) {
			t.Fatalf("seed %d: balances differ with the order of arrival:\n%v\n%v", seed, a.Balances, b.Balances)
		}
		open := func(m *Memory) map[string]bool {
			out := map[string]bool{}
			for k, es := range m.Open {
				for s := range es {
					out[string(k)+" "+s] = true
				}
			}
			return out
		}
		if !reflect.DeepEqual(open(a), open(b)) {
			t.Fatalf("seed %d: exceptions differ with the order of arrival:\n%v\n%v", seed, open(a), open(b))
		}
		sum := map[Key]Quantity{}
		for c, bal := range a.Balances {
			sum[c.Key] += bal.OnHand()
		}
		for k, q := range sum {
			if q != 0 {
				t.Fatalf("seed %d: %v adds up to %s over all locations, want 0", seed, k, q)
			}
		}
	}
}

// TestCountSettlesCell: the cell ends at what the deciding count found plus what it had not seen.
func TestCountSettlesCell(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		ms, cs := history(r)
		book := fold(t, r, ms, cs)
		for _, c := range cs {
			counts, _ := book.Counts(c.Cell)
			last := inOrder(counts)[len(counts)-1]
			want := last.Counted
			for _, m := range ms {
				if !last.Seen.Covers(m.ID) {
					want += m.effect(c.Cell)
				}
			}
			if got := book.Balances[c.Cell].OnHand(); got != want {
				t.Fatalf("seed %d: %v holds %s, want %s", seed, c.Cell, got, want)
			}
		}
	}
}

func TestExceptions(t *testing.T) {
	item := Key{SKU: "tea", State: Available}
	serial := Key{SKU: "scale", Serial: "7", State: Available}
	lot := func(d Date) Key { return Key{SKU: "milk", Lot: "L1", Expiry: d, State: Available} }
	move := func(n uint64, k Key, from, to Location, q Quantity) Movement {
		return Movement{ID: ID{"n", 1, n}, Time: n, Key: k, From: from, To: to, Quantity: q * Unit}
	}
	tests := []struct {
		name string
		ms   []Movement
		want map[ExceptionKind]int
	}{
		{"receipt and pick", []Movement{move(1, item, Supplier, "W/1", 2), move(2, item, "W/1", Customer, 2)}, nil},
		{"picked more than there was", []Movement{move(1, item, "W/1", Customer, 2)}, map[ExceptionKind]int{NegativeStock: 1}},
		{"late receipt closes the case", []Movement{move(1, item, "W/1", Customer, 2), move(2, item, Supplier, "W/1", 2)}, nil},
		{"serial number in two places", []Movement{move(1, serial, Supplier, "W/1", 1), move(2, serial, Supplier, "X/1", 1)}, map[ExceptionKind]int{SerialTwice: 1}},
		{"serial number moved on", []Movement{move(1, serial, Supplier, "W/1", 1), move(2, serial, "W/1", "W/2", 1)}, nil},
		{"two dates for a lot", []Movement{move(1, lot("2027-01-01"), Supplier, "W/1", 1), move(2, lot("2027-01-02"), Supplier, "W/1", 1)}, map[ExceptionKind]int{LotExpiry: 1}},
		{"one scan without the date", []Movement{move(1, lot("2027-01-01"), Supplier, "W/1", 1), move(2, lot(""), Supplier, "W/1", 1)}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			book := NewMemory()
			for _, m := range tt.ms {
				if _, err := (Ledger{book}).Post(m); err != nil {
					t.Fatal(err)
				}
			}
			got := map[ExceptionKind]int{}
			for k, es := range book.Open {
				if len(es) > 0 {
					got[k] = len(es)
				}
			}
			if len(got)+len(tt.want) > 0 && !reflect.DeepEqual(got, tt.want) {
				t.Errorf("open cases %v, want %v", got, tt.want)
			}
		})
	}
}

func TestPostRefuses(t *testing.T) {
	good := Movement{ID: ID{"n", 1, 1}, Key: Key{SKU: "tea", State: Available}, From: Supplier, To: "W/1", Quantity: Unit}
	for name, spoil := range map[string]func(*Movement){
		"nothing moved":    func(m *Movement) { m.Quantity = 0 },
		"backwards":        func(m *Movement) { m.Quantity = -1 },
		"to itself":        func(m *Movement) { m.To = m.From },
		"unknown outside":  func(m *Movement) { m.From = "@moon" },
		"no bin":           func(m *Movement) { m.To = "W" },
		"no item":          func(m *Movement) { m.Key.SKU = "" },
		"no state":         func(m *Movement) { m.Key.State = 0 },
		"impossible day":   func(m *Movement) { m.Key.Expiry = "2027-02-30" },
		"endless lot text": func(m *Movement) { m.Key.Lot = Lot(make([]byte, 201)) },
	} {
		m := good
		spoil(&m)
		if _, err := (Ledger{NewMemory()}).Post(m); err == nil {
			t.Errorf("%s: posted %+v, want an error", name, m)
		}
	}
	if posted, err := (Ledger{NewMemory()}).Post(good); !posted || err != nil {
		t.Errorf("Post(%+v) = %v, %v, want true", good, posted, err)
	}
}

func TestQuantity(t *testing.T) {
	for s, want := range map[string]Quantity{"0": 0, "2.5": 2_500_000, "-0.000001": -1, "9223372036854.775807": 1<<63 - 1} {
		got, err := ParseQuantity(s)
		if err != nil || got != want || got.String() != s {
			t.Errorf("ParseQuantity(%q) = %d (%q), %v, want %d", s, got, got, err, want)
		}
	}
	for _, s := range []string{"", "-", "1.", ".5", "1.0000001", "1e3", "+1", "--1", "9223372036854.775808", "１"} {
		if got, err := ParseQuantity(s); err == nil {
			t.Errorf("ParseQuantity(%q) = %d, want an error", s, got)
		}
	}
	if _, err := Quantity(1 << 62).Plus(1 << 62); err == nil {
		t.Error("sum out of range: want an error")
	}
	if _, err := Quantity(1 << 40).Times(1 << 40); err == nil {
		t.Error("product out of range: want an error")
	}
}

// Package adjust decides which adjustments are so large that somebody else has to confirm them, and asks for it. The ledger does not wait: goods are
// what they are, and a count settles its cell at once. What is not confirmed is an exception, and is marked in lists of stock.
//
// What is confirmed follows from the counts and movements of a cell and from what was decided about it (Judge), in whatever order either came
// in. A late movement that changes a difference makes another thing of it, for which the old decision means nothing.
package adjust

import (
	"crypto/sha256"
	"math/big"
	"slices"

	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Difference is what a count found beside what the books said: the movements that it had seen and the adjustments that are settled.
type Difference struct {
	Count stock.Count
	Book  stock.Quantity
	Size  stock.Quantity // what was found less Book
}

// Name names a difference for good: SHA-256 over the deterministic CBOR of its cell, count and quantities.
func (d Difference) Name() (change.Hash, error) {
	c := d.Count
	k := c.Cell.Key
	b, err := change.Marshal([]any{"stockade adjustment 1", c.Cell.Location, k.SKU, k.Lot, k.Serial, k.Expiry, k.State, c.ID.Node, c.ID.Epoch, c.ID.Number, d.Book, d.Size})
	return sha256.Sum256(b), err
}

// Percent returns the size in hundredths of a percent of the book quantity, rounded up; from nothing it is the most.
func (d Difference) Percent() int64 {
	const most = 10_000_00
	size, book := abs(d.Size), d.Book
	switch {
	case size == 0:
		return 0
	case book <= 0, size/book >= most/100_00:
		return most
	}
	p := new(big.Int).Mul(big.NewInt(int64(size)), big.NewInt(100_00))
	p.Add(p, big.NewInt(int64(book)-1)).Quo(p, big.NewInt(int64(book)))
	return p.Int64()
}

func abs(q stock.Quantity) stock.Quantity {
	if q < 0 {
		return -q
	}
	return q
}

// Status says how a cell stands.
type Status string

// The statuses.
const (
	Settled Status = ""        // nothing is to be confirmed
	Waits   Status = "waiting" // for an approval of State.Difference
	Recount Status = "recount" // it was refused: somebody else has to count
)

// State is how a cell stands.
type State struct {
	Status     Status
	Difference Difference
	Counters   []string     // who made the counts that it comes of, each once, ascending
	Last       *change.Hash // name of the decision that settled the last large difference; nil for none
}

// Rules are what Judge asks besides what was counted and moved.
type Rules struct {
	// Small reports whether a difference stands by itself.
	Small func(Difference) (bool, error)
	// By returns who made a count.
	By func(stock.ID) (string, error)
	// Decided returns what was decided about the difference of a name.
	Decided func(change.Hash) (approved, known bool)
}

// open is a count whose difference is large and not settled.
type open struct {
	sum     stock.Quantity // of all adjustments up to it
	by      string
	refused bool
}

// Judge says how a cell stands after its counts, whatever order they and the movements come in.
//
// Counts are taken in their own order. The difference of each is measured from the last one that is settled: because it is small, because it was
// approved, or because, after a refusal, two people have found the same.
func Judge(counts []stock.Count, movements []stock.Movement, r Rules) (State, error) {
	var s State
	var run []open
	var settled, sum stock.Quantity
	byID := map[stock.ID]stock.Count{}
	for _, c := range counts {
		byID[c.ID] = c
	}
	for _, d := range stock.Adjust(counts, movements) {
		c := byID[d.Count]
		sum += d.Quantity
		diff := Difference{Count: c, Size: sum - settled, Book: c.Counted - (sum - settled)}
		small := diff.Size == 0
		var err error
		if !small {
			small, err = r.Small(diff)
		}
		if err != nil {
			return s, err
		}
		if small {
			settled, run, s = sum, nil, State{Last: s.Last}
			continue
		}
		name, err := diff.Name()
		if err != nil {
			return s, err
		}
		by, err := r.By(c.ID)
		if err != nil {
			return s, err
		}
		approved, known := r.Decided(name)
		same, err := r.found(run, c, sum, by)
		if err != nil {
			return s, err
		}
		if approved || !known && same {
			settled, run = sum, nil
			s = State{Last: s.Last}
			if approved {
				s.Last = &name
			}
			continue
		}
		run = append(run, open{sum: sum, by: by, refused: known})
		s.Difference, s.Status = diff, Waits
		if refusers := counters(run, true); known || slices.Contains(refusers, by) {
			s.Status = Recount
		}
		s.Counters = counters(run, false)
	}
	return s, nil
}

// counters returns who made the counts of a run, or those that were refused.
func counters(run []open, refused bool) (out []string) {
	for _, o := range run {
		if !refused || o.refused {
			out = append(out, o.by)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// found reports whether, after a refusal, somebody else had found what c finds.
func (r Rules) found(run []open, c stock.Count, sum stock.Quantity, by string) (bool, error) {
	if !slices.ContainsFunc(run, func(o open) bool { return o.refused }) {
		return false, nil
	}
	for _, o := range run {
		if o.by == by || o.by == "" || by == "" {
			continue
		}
		d := Difference{Count: c, Size: sum - o.sum, Book: c.Counted - (sum - o.sum)}
		if d.Size == 0 {
			return true, nil
		}
		if small, err := r.Small(d); small || err != nil {
			return small, err
		}
	}
	return false, nil
}

// FactsOf returns what conditions of rules look at. cents is what the difference is worth, 0 where that is not known.
func FactsOf(d Difference, cents int64, barred []string) approval.Facts {
	f := approval.Facts{Kind: approval.Adjustment, Permission: "adjustment.write", Warehouses: []stock.Warehouse{d.Count.Cell.Location.Warehouse()}, Quantity: abs(d.Size), Percent: d.Percent(), Amount: max(cents, -cents)}
	for _, b := range barred {
		f.Barred = append(f.Barred, access.Account(b))
	}
	return f
}

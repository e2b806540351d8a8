package stock

import "cmp"

// Derived is the adjustment that follows from one count: what was found less what the
// ledger said to an observer who had seen exactly the count's vector and the counts before it.
type Derived struct {
	Count    ID
	Quantity Quantity
}

// Adjust derives the adjustments of one cell from all counts and movements of it.
// The result does not depend on the order of either.
//
// A count tells the truth about the movements it had seen; those it had not seen come on
// top. Of overlapping counts, the one later in order decides: its adjustment takes in the
// adjustments before it, so that the cell ends at what the last count found plus what
// the last count had not seen.
func Adjust(counts []Count, movements []Movement) []Derived {
	if len(counts) == 0 {
		return nil
	}
	derived := make([]Derived, 0, len(counts))
	before := Quantity(0)
	for _, c := range inOrder(counts) {
		seen := Quantity(0)
		for _, m := range movements {
			if c.Seen.Covers(m.ID) {
				seen += m.effect(c.Cell)
			}
		}
		d := c.Counted - seen - before
		before += d
		derived = append(derived, Derived{c.ID, d})
	}
	return derived
}

// effect returns what m adds to the cell.
func (m Movement) effect(at Cell) Quantity {
	switch {
	case m.Key != at.Key:
		return 0
	case m.To == at.Location:
		return m.Quantity
	case m.From == at.Location:
		return -m.Quantity
	}
	return 0
}

// inOrder sorts counts so that one that had seen another comes after it; the others go by
// time, node, epoch and number. A doubtful clock can so never put a count before what it had seen.
func inOrder(counts []Count) []Count {
	left := make([]Count, len(counts))
	copy(left, counts)
	done := make([]Count, len(counts))
	for n := len(left); n > 0; n-- {
		i := latest(left[:n])
		done[n-1] = left[i]
		left[i] = left[n-1]
	}
	return done
}

// latest returns the index of the count that decides: of those that no other had seen, the last in time.
// Vectors that see each other can only be forged; time alone decides among those.
func latest(counts []Count) int {
	best, free := 0, false
	for i := range counts {
		seen := seenByOther(counts, i)
		if i == 0 || (!seen && !free) || (seen != free && earlier(counts[best], counts[i])) {
			best, free = i, !seen
		}
	}
	return best
}

func seenByOther(counts []Count, i int) bool {
	for j := range counts {
		if j != i && counts[j].Seen.Covers(counts[i].ID) {
			return true
		}
	}
	return false
}

func earlier(a, b Count) bool {
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.ID.Node, b.ID.Node),
		cmp.Compare(a.ID.Epoch, b.ID.Epoch), cmp.Compare(a.ID.Number, b.ID.Number)) < 0
}

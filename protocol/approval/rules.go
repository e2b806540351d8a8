package approval

import (
	"fmt"
	"slices"

	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// MayBeFree reports whether a rule may let what is asked for count at once. Permissions and exports are asked for because
// somebody has to say yes to them.
func (k Kind) MayBeFree() bool { return k == Price || k == Adjustment || k == Reprint }

// Free reports whether what r is for counts at once, with its entry in the audit trail and without an approval.
func (r Rule) Free() bool { return len(r.Steps) == 0 }

// Covers reports whether c holds wherever o holds, so that a rule with o behind one with c is never reached.
func (c Condition) Covers(o Condition) bool {
	switch {
	case c.Kind != "" && c.Kind != o.Kind, c.Privileged && !o.Privileged, c.Numbered && !o.Numbered:
		return false
	case c.Amount > o.Amount, c.Rows > o.Rows, c.Percent > o.Percent, c.Quantity > o.Quantity, c.Copies > o.Copies:
		return false
	case c.Local && !o.Local && len(o.Warehouses) == 0:
		return false
	}
	return len(c.Warehouses) == 0 || len(o.Warehouses) > 0 && within(o.Warehouses, c.Warehouses)
}

// Hidden returns the index of an earlier rule that takes everything that rules[n] is for, -1 for none.
func Hidden(rules []Rule, n int) int {
	return slices.IndexFunc(rules[:n], func(r Rule) bool { return r.When.Covers(rules[n].When) })
}

// Whole reports whether every request of a kind finds a rule.
func Whole(rules []Rule, k Kind) bool {
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.When.Covers(Condition{Kind: k}) })
}

// Staffed returns the first step, from 0, that could not be passed if these were all the people there are and r were for something
// about these warehouses (none: about all); -1 when there is a way through. Nobody counts twice, and who asks is not among them.
func (r Rule) Staffed(people []Person, at []stock.Warehouse) int {
	f := Facts{Kind: r.When.Kind, Warehouses: at, Everywhere: len(at) == 0}
	taken := map[access.Account]int{} // by which place: an answer that is needed
	var steps []Step                  // of each place
	for n, s := range r.Steps {
		for range s.Need {
			steps = append(steps, s)
			if !place(people, steps, f, taken, len(steps)-1, map[access.Account]bool{}) {
				return n
			}
		}
	}
	return -1
}

// place finds somebody for a place, moving others to other places if need be: the usual search for an augmenting path in a bipartite graph.
func place(people []Person, steps []Step, f Facts, taken map[access.Account]int, at int, seen map[access.Account]bool) bool {
	for _, p := range people {
		if seen[p.Account] || !steps[at].Approvers.Has(p, f) && !steps[at].Deputies.Has(p, f) {
			continue
		}
		seen[p.Account] = true
		if other, is := taken[p.Account]; !is || place(people, steps, f, taken, other, seen) {
			taken[p.Account] = at
			return true
		}
	}
	return false
}

// EncodeRules returns rules as they are stored.
func EncodeRules(rules []Rule) ([]byte, error) { return change.Marshal(rules) }

// DecodeRules reads what EncodeRules wrote.
func DecodeRules(b []byte) ([]Rule, error) {
	var rules []Rule
	if err := change.UnmarshalExact(b, &rules); err != nil {
		return nil, fmt.Errorf("read rules: %w", err)
	}
	for _, r := range rules {
		if err := r.Check(); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

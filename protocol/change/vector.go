package change

import (
	"cmp"
	"slices"

	"stockade/protocol/stock"
)

func wireVector(v stock.Vector) []wireID {
	ids := make([]wireID, 0, len(v))
	for s, n := range v {
		ids = append(ids, wireID{Node: s.Node, Epoch: s.Epoch, Number: n})
	}
	slices.SortFunc(ids, func(a, b wireID) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Epoch, b.Epoch)) })
	return ids
}

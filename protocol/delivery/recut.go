package delivery

import (
	"errors"
	"fmt"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Stored is a change with its name.
type Stored struct {
	ID     stock.ID
	Change []byte
	Parked bool // the hub keeps it, but not in its ledger
}

// Renamed says what becomes of a change of the node's own when it adopts a new epoch.
type Renamed struct {
	Old    stock.ID
	New    stock.ID // zero: a person has rejected it, it is taken out of the node's ledger
	Change []byte   // its bytes under the new name; nil when the hub has it already as New
}

// Recut names the node's unconfirmed changes anew after it was granted an epoch. local are
// those changes in order. A change that came back from the hub, perhaps under another name, is not
// sent again; what others say of it follows its new name.
func Recut(node stock.NodeID, epoch uint64, local, returned []Stored, rejected func(stock.ID) bool) ([]Renamed, error) {
	known := make(map[change.Hash]stock.ID, len(returned))
	for _, parked := range []bool{true, false} { // of two copies, the one in the ledger counts
		for _, r := range returned {
			if f, err := fingerprint(r.Change); err == nil && r.Parked == parked {
				known[f] = r.ID
			}
		}
	}
	names := map[stock.ID]stock.ID{}
	out := make([]Renamed, 0, len(local))
	next := uint64(1)
	for _, l := range local {
		f, err := fingerprint(l.Change)
		if err != nil {
			return nil, fmt.Errorf("name %s anew: %w", l.ID, err)
		}
		id, here := known[f]
		switch {
		case rejected(l.ID):
			out = append(out, Renamed{Old: l.ID})
			continue
		case here:
			out = append(out, Renamed{Old: l.ID, New: id})
		default:
			id = stock.ID{Node: node, Epoch: epoch, Number: next}
			b, err := rename(l, id, names)
			if err != nil {
				return nil, fmt.Errorf("name %s anew: %w", l.ID, err)
			}
			next++
			out = append(out, Renamed{Old: l.ID, New: id, Change: b})
		}
		names[l.ID] = id
	}
	return out, nil
}

func fingerprint(b []byte) (change.Hash, error) {
	c, err := change.Decode(b)
	if err != nil {
		return change.Hash{}, err
	}
	return c.Fingerprint(), nil
}

// rename rewrites what a change says of others that have new names.
func rename(l Stored, id stock.ID, names map[stock.ID]stock.ID) ([]byte, error) {
	c, err := change.Decode(l.Change)
	if err != nil {
		return nil, err
	}
	switch c.Kind {
	case change.KindMovement:
		m, err := c.Movement(l.ID)
		if err != nil {
			break // of a newer version: it goes as it is
		}
		if to, ok := names[m.Reverses]; ok {
			m.Reverses = to
		}
		if c, err = change.OfMovement(c.Meta, m); err != nil {
			return nil, err
		}
	case change.KindCount:
		n, err := c.Count(l.ID)
		if err != nil {
			break
		}
		n.Seen = reseen(n.Seen, l.ID, id, names)
		if c, err = change.OfCount(c.Meta, n); err != nil {
			return nil, err
		}
	}
	b, err := c.Encode()
	return b, errors.Join(err)
}

// reseen says in the new names what a count had seen of its own node's unconfirmed changes.
func reseen(seen stock.Vector, old, id stock.ID, names map[stock.ID]stock.ID) stock.Vector {
	v := seen.Clone()
	own := stock.Stream{Node: old.Node, Epoch: old.Epoch}
	for was, is := range names {
		if was == is || !seen.Covers(was) {
			continue
		}
		if v[own] >= was.Number { // the old numbers from here on mean other changes now
			v[own] = was.Number - 1
		}
		if s := (stock.Stream{Node: is.Node, Epoch: is.Epoch}); s != own {
			v[s] = max(v[s], is.Number)
		}
	}
	if n := id.Number - 1; id.Epoch != old.Epoch && n > 0 {
		s := stock.Stream{Node: id.Node, Epoch: id.Epoch}
		v[s] = max(v[s], n)
	}
	return v
}

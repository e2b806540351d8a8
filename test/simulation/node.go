package simulation

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// place is the key of a batch on a disk.
type place struct{ epoch, seq uint64 }

type kept struct {
	batch  change.Batch
	header change.Header
	hash   change.Hash
}

// disk is what a node's card holds. It implements delivery.NodeStore; every method is
// as durable as the simulation lets the commit around it be.
type disk struct {
	node     stock.NodeID
	st       delivery.SenderState
	own      map[stock.ID][]byte // changes of the node's own chain
	others   map[stock.ID][]byte // changes that came by the siblings feed
	batches  map[place]kept
	returned map[uint64]delivery.Place
	aside    map[place]kept    // returned batches
	back     []delivery.Stored // changes in returned batches
	grants   map[uint64][]byte
	stamp    clock.Stamp
}

func newDisk(node stock.NodeID, st delivery.SenderState) *disk {
	return &disk{node: node, st: st, own: map[stock.ID][]byte{}, others: map[stock.ID][]byte{}, batches: map[place]kept{},
		returned: map[uint64]delivery.Place{}, aside: map[place]kept{}, grants: map[uint64][]byte{}}
}

func (d *disk) clone() *disk {
	c := *d
	c.st.Feeds = maps.Clone(d.st.Feeds)
	c.own, c.others, c.batches = maps.Clone(d.own), maps.Clone(d.others), maps.Clone(d.batches)
	c.aside = maps.Clone(d.aside)
	c.returned, c.back, c.grants = maps.Clone(d.returned), slices.Clone(d.back), maps.Clone(d.grants)
	return &c
}

// next returns the name of the node's next change.
func (d *disk) next() stock.ID {
	id := stock.ID{Node: d.node, Epoch: d.st.Head.Epoch, Number: d.st.Next}
	for d.own[id] != nil {
		id.Number++
	}
	return id
}

// seen returns the vector of all that the node knows.
func (d *disk) seen() stock.Vector {
	v := stock.Vector{}
	for _, m := range []map[stock.ID][]byte{d.own, d.others} {
		for id := range m {
			s := stock.Stream{Node: id.Node, Epoch: id.Epoch}
			v[s] = max(v[s], id.Number)
		}
	}
	return v
}

// fold returns the node's ledger.
func (d *disk) fold(w stock.Warehouse) (*stock.Memory, error) {
	book := stock.NewMemory()
	for _, m := range []map[stock.ID][]byte{d.own, d.others} {
		for id, b := range m {
			if err := post(book, w, id, b); err != nil {
				return nil, err
			}
		}
	}
	return book, nil
}

func post(book *stock.Memory, w stock.Warehouse, id stock.ID, b []byte) error {
	c, err := change.Decode(b)
	if err == nil {
		err = delivery.Post(stock.Ledger{Book: book}, w, id, c)
	}
	var unfit *delivery.Unfit
	if errors.As(err, &unfit) {
		return nil
	}
	return err
}

func (d *disk) BatchAt(epoch, seq uint64) (change.Batch, change.Header, change.Hash, bool, error) {
	k, ok := d.batches[place{epoch, seq}]
	return k.batch, k.header, k.hash, ok, nil
}

func (d *disk) Uncut(first uint64, most, bytes int) ([][]byte, error) {
	var out [][]byte
	for n := first; len(out) < most; n++ {
		b := d.own[stock.ID{Node: d.node, Epoch: d.st.Head.Epoch, Number: n}]
		if bytes -= len(b); b == nil || (bytes < 0 && len(out) > 0) {
			break
		}
		out = append(out, b)
	}
	return out, nil
}

func (d *disk) PutBatch(p delivery.Place, h change.Header, b change.Batch, next uint64) error {
	d.batches[place{p.Epoch, p.Seq}] = kept{b, h, p.Hash}
	d.st.Head, d.st.Next = p, next
	return nil
}

func (d *disk) PutAcked(acked, _ delivery.Place) error {
	d.st.Acked, d.st.Kept = acked, 0
	if k, ok := d.batches[place{acked.Epoch, acked.Seq}]; ok {
		d.st.Kept = k.header.Last()
	}
	return nil
}

func (d *disk) PutLog(at delivery.LogPlace, _ []byte) error { d.st.Log = at; return nil }

func (d *disk) PutKeys(signed []byte) error { d.st.Keys = signed; return nil }

func (d *disk) PutFrozen(why string, _ []byte) error { d.st.Frozen = why; return nil }

func (d *disk) PutRejoin(asked delivery.Nonce, grant []byte) error {
	d.st.Asked, d.st.Grant = asked, grant
	return nil
}

func (d *disk) PutReturned(p delivery.Place, h change.Header, b change.Batch, parked []uint64) error {
	d.returned[p.Epoch] = p
	d.aside[place{p.Epoch, p.Seq}] = kept{b, h, p.Hash}
	claim, _, err := b.Claim()
	if err != nil {
		return err
	}
	c, err := b.Unpack(claim)
	if err != nil {
		return err
	}
	for i, ch := range c.Changes {
		id := stock.ID{Node: d.node, Epoch: h.Epoch, Number: h.First + uint64(i)} // #nosec G115 -- an index
		d.back = append(d.back, delivery.Stored{ID: id, Change: ch, Parked: slices.Contains(parked, id.Number)})
	}
	return nil
}

func (d *disk) Returned(epoch uint64) (delivery.Place, bool, error) {
	p, ok := d.returned[epoch]
	return p, ok, nil
}

func (d *disk) Adopt(g delivery.Grant, grant []byte, from stock.ID) error {
	var local []delivery.Stored
	for id, b := range d.own {
		if id.Epoch == from.Epoch && id.Number > from.Number {
			local = append(local, delivery.Stored{ID: id, Change: b})
		}
	}
	slices.SortFunc(local, func(a, b delivery.Stored) int { return cmp.Compare(a.ID.Number, b.ID.Number) })
	rejected := func(id stock.ID) bool {
		for _, k := range d.batches {
			if k.header.Epoch == id.Epoch && k.header.First <= id.Number && id.Number <= k.header.Last() && slices.Contains(g.Settled, k.hash) {
				return true
			}
		}
		return false
	}
	renamed, err := delivery.Recut(d.node, g.Epoch, local, d.back, rejected)
	if err != nil {
		return err
	}
	for _, l := range local {
		delete(d.own, l.ID)
	}
	for _, b := range d.back {
		delete(d.others, b.ID)
		if !b.Parked {
			d.own[b.ID] = b.Change
		}
	}
	for _, r := range renamed {
		if r.Change != nil {
			d.own[r.New] = r.Change
		}
	}
	for _, p := range g.Sealed { // what lies past the seal was never the hub's
		for at := range d.batches {
			if at.epoch == p.Epoch && at.seq > p.Seq {
				delete(d.batches, at)
			}
		}
	}
	d.grants[g.Epoch] = grant
	maps.Copy(d.batches, d.aside)
	d.returned, d.aside, d.back = map[uint64]delivery.Place{}, map[place]kept{}, nil
	d.st.Head, d.st.Next, d.st.Acked, d.st.Kept = delivery.Place{Epoch: g.Epoch}, 1, delivery.Place{Epoch: g.Epoch}, 0
	d.st.Asked, d.st.Grant = delivery.Nonce{}, nil
	return nil
}

func (d *disk) Grant(epoch uint64) ([]byte, bool, error) {
	g, ok := d.grants[epoch]
	return g, ok, nil
}

func (d *disk) PutChunk(at delivery.FeedPlace, hash change.Hash, entries []feed.Entry) error {
	d.st.Feeds = maps.Clone(d.st.Feeds)
	if d.st.Feeds == nil {
		d.st.Feeds = map[string]delivery.FeedHead{}
	}
	d.st.Feeds[at.Feed] = delivery.FeedHead{Place: at, Hash: hash}
	for _, e := range entries {
		v, err := e.Unpack()
		if err != nil {
			return fmt.Errorf("chunk %d: %w", at.Version, err)
		}
		s, ok := v.(feed.Sibling)
		if !ok {
			continue
		}
		id := stock.ID{Node: s.Node, Epoch: s.Epoch, Number: s.Number}
		if d.own[id] == nil && !(s.Node == d.node && d.chained(s.Epoch)) {
			d.others[id] = s.Change
		}
	}
	return nil
}

// chained reports whether the node has a chain of its own in that epoch: its changes then come
// from there and not from the feed.
func (d *disk) chained(epoch uint64) bool {
	_, ok := d.batches[place{epoch, 1}]
	return ok || epoch == d.st.Head.Epoch
}

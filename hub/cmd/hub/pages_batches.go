package main

import (
	"context"
	"fmt"
	"strings"

	"stockade/hub/dashboard"
	"stockade/hub/store"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// reader reads changes out of batches, each batch and each name once.
type reader struct {
	v       *store.View
	items   map[stock.SKU]dashboard.Item
	batches map[int64]*openedBatch
}

// openedBatch is an unpacked batch. Its error says why it can not be unpacked.
type openedBatch struct {
	store.StoredBatch
	header  change.Header
	changes [][]byte
	parked  map[uint64]string
	err     error
}

func newReader(v *store.View) (*reader, error) {
	r := &reader{v: v, items: map[stock.SKU]dashboard.Item{}, batches: map[int64]*openedBatch{}}
	items, err := v.Items()
	for _, i := range items {
		r.items[i.SKU] = dashboard.Item{Name: i.Name, Unit: i.Unit}
	}
	return r, err
}

func (r *reader) open(b store.StoredBatch) (*openedBatch, error) {
	o := &openedBatch{StoredBatch: b}
	var err error
	if o.parked, err = r.v.ParkedReasons(b); err != nil {
		return nil, err
	}
	var contents change.Contents
	if o.header, _, o.err = b.Batch.Claim(); o.err == nil { // verified when it came in
		contents, o.err = b.Batch.Unpack(o.header)
	}
	o.changes = contents.Changes
	r.batches[b.ID] = o
	return o, nil
}

// change returns a change of a batch by its place in it.
func (r *reader) change(b *openedBatch, index int) dashboard.Change {
	id := stock.ID{Node: b.Node, Epoch: b.Epoch, Number: b.First + uint64(index)} // #nosec G115 -- an index
	c := dashboard.Change{ID: id.String(), Kind: dashboard.KindUnknown, Parked: b.parked[id.Number], Leaf: b.Leaf,
		Batch: dashboard.Place{Node: b.Node, Epoch: b.Epoch, Seq: b.Seq}}
	if b.err != nil || index >= len(b.changes) {
		c.Problem = fmt.Sprint(b.err)
		return c
	}
	raw, err := change.Decode(b.changes[index])
	if err != nil {
		c.Problem = err.Error()
		return c
	}
	m := raw.Meta
	c.Time, c.Day, c.Actor, c.Session, c.Terminal = m.Time.Time(), m.Day, m.Actor, m.Session, m.Terminal
	if err := r.fill(&c, raw, id); err != nil {
		c.Kind, c.Problem = dashboard.KindUnknown, err.Error()
	}
	item := r.items[c.SKU]
	c.Name, c.Unit = item.Name, item.Unit
	return c
}

func (r *reader) fill(c *dashboard.Change, raw change.Change, id stock.ID) error {
	key := func(k stock.Key) {
		c.SKU, c.Lot, c.Serial, c.Expiry, c.State = k.SKU, k.Lot, k.Serial, k.Expiry, k.State.String()
	}
	switch raw.Kind {
	case change.KindMovement:
		m, err := raw.Movement(id)
		if err != nil {
			return err
		}
		c.Kind, c.From, c.To, c.Quantity, c.Cause, c.Override = dashboard.KindMovement, m.From, m.To, m.Quantity, m.Cause, m.Override
		if !m.Reverses.IsZero() {
			c.Reverses = m.Reverses.String()
		}
		key(m.Key)
	case change.KindCount:
		n, err := raw.Count(id)
		if err != nil {
			return err
		}
		c.Kind, c.At, c.Quantity, c.Cause = dashboard.KindCount, n.Cell.Location, n.Counted, n.Cause
		key(n.Cell.Key)
	case change.KindEntry:
		e, err := raw.Entry()
		if err != nil {
			return err
		}
		c.Kind, c.Act, c.Object, c.Outcome, c.Detail = dashboard.KindEntry, e.Act, e.Object, e.Outcome, e.Detail
	default:
		return fmt.Errorf("change of kind %d: %w", raw.Kind, change.ErrUnknown)
	}
	return nil
}

// mark writes a place in an item's history into an address.
func mark(m store.Mark) string { return fmt.Sprintf("%d.%d", m.Time, m.ID) }

// parseMark reads what mark wrote; a made-up one begins anew.
func parseMark(s string) store.Mark {
	var m store.Mark
	if n, err := fmt.Sscanf(s, "%d.%d", &m.Time, &m.ID); err != nil || n != 2 || strings.Contains(s, "-") {
		return store.Mark{}
	}
	return m
}

func (p pages) Movements(ctx context.Context, q dashboard.MovementQuery) (page dashboard.MovementPage, err error) {
	_, most := window("", q.Limit)
	most = min(most, mostHistory)
	err = p.store.View(ctx, func(v *store.View) error {
		var found []store.Posted
		err := v.HistoryOf(q.SKU, q.In, parseMark(q.Before), most+1, func(x store.Posted) error { found = append(found, x); return nil })
		if err != nil {
			return err
		}
		if len(found) > most {
			found = found[:most]
			page.Next = mark(found[most-1].Mark)
		}
		r, err := newReader(v)
		if err != nil {
			return err
		}
		for _, x := range found {
			b := r.batches[x.Batch]
			if b == nil {
				stored, err := v.BatchWithID(x.Batch)
				if err != nil {
					return err
				}
				if b, err = r.open(stored); err != nil {
					return err
				}
			}
			page.Rows = append(page.Rows, r.change(b, x.Index))
		}
		return nil
	})
	return page, err
}

func (p pages) Batch(ctx context.Context, at dashboard.Place, in access.Places) (out dashboard.Batch, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		stored, err := v.BatchAt(at.Node, at.Epoch, at.Seq)
		if err != nil {
			return err
		}
		n, err := v.NodeOf(at.Node)
		if err == nil && !in.Has(n.State.Warehouse) {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		l, err := v.PresentLog()
		if err != nil {
			return err
		}
		r, err := newReader(v)
		if err != nil {
			return err
		}
		b, err := r.open(stored)
		if err != nil {
			return err
		}
		out = dashboard.Batch{Place: at, Hash: b.Hash.String(), Prev: b.header.Prev.String(), Leaf: b.Leaf, LogSize: l.Size, Received: b.Received, First: b.First, Count: b.Count}
		if b.err != nil {
			out.Problem = b.err.Error()
			return nil
		}
		for i := range b.changes {
			out.Changes = append(out.Changes, r.change(b, i))
		}
		return nil
	})
	return out, shown(err)
}

// Package master publishes what flows down: the catalogue, the bins of each warehouse, and
// the changes of sibling nodes, cut into the signed chunks of package feed.
//
// A feed's source is rows that are only ever added to (news of master data, accepted batches),
// and the store keeps how far each feed has read its own. So cutting can stop and go on at
// any point, and a log that was opened anew just begins all feeds again.
package master

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Publisher cuts feeds. Its fields are not changed once Run was called.
type Publisher struct {
	Store  *store.Store
	Ring   *keyring.Ring
	Clock  func() time.Time
	Logger *slog.Logger
	// Prefix is the company's GS1 prefix, for ranges of SSCCs; empty for none.
	Prefix string
	// More is called after a chunk was committed, for each node that reads its feed. It must
	// not wait.
	More func(stock.NodeID)

	wake chan struct{}
}

// How much is read from a source for one chunk. A chunk is full before that, or the source is at its end.
const (
	newsAtOnce    = 500
	batchesAtOnce = 16
	retryAfter    = 2 * time.Second
	leastPause    = 100 * time.Millisecond // between two looks at the sources
)

// NewPublisher returns a publisher that Run makes work.
func NewPublisher(p Publisher) *Publisher {
	p.wake = make(chan struct{}, 1)
	return &p
}

// Wake tells the publisher that there may be something to cut. It does not wait.
func (p *Publisher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run cuts feeds whenever it is woken, until ctx ends.
func (p *Publisher) Run(ctx context.Context) error {
	for {
		var again <-chan time.Time
		if err := p.Publish(ctx); err != nil && ctx.Err() == nil {
			p.Logger.Error("feeds could not be cut, trying again", "err", err)
			again = time.After(retryAfter)
		}
		select {
		case <-p.wake:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-time.After(leastPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Publish cuts all that there is to cut.
func (p *Publisher) Publish(ctx context.Context) error {
	if err := p.grantNumbers(ctx); err != nil {
		return err
	}
	var names []string
	var shared []stock.Warehouse
	var nodes []store.NodeInfo
	err := p.Store.View(ctx, func(v *store.View) (err error) {
		if names, err = v.MasterFeeds(); err != nil {
			return err
		}
		if shared, err = v.SharedWarehouses(); err != nil {
			return err
		}
		nodes, err = v.Nodes()
		return err
	})
	if err != nil {
		return err
	}
	cutters := make([]cutter, 0, len(names)+len(shared))
	for _, n := range names {
		cutters = append(cutters, cutter{name: n, read: readNews})
	}
	for _, w := range shared {
		cutters = append(cutters, cutter{name: feed.Siblings(w), read: readSiblings(w)})
	}
	for _, c := range cutters {
		cut, err := p.cutAll(ctx, c)
		if err != nil {
			return err
		}
		if cut {
			p.tell(c.name, nodes)
		}
	}
	return nil
}

// grantNumbers grants ranges of numbers to the nodes that need one.
func (p *Publisher) grantNumbers(ctx context.Context) error {
	var wanted []stock.NodeID
	err := p.Store.View(ctx, func(v *store.View) (err error) {
		wanted, err = v.NumbersWanted(p.Prefix)
		return err
	})
	if err != nil {
		return err
	}
	for _, n := range wanted {
		err := p.Store.Update(ctx, p.Clock(), func(tx *store.Tx) error { return tx.GrantNumbers(n, p.Prefix) })
		if errors.Is(err, store.ErrNumbers) {
			p.Logger.Error("no numbers are left for labels: ask GS1 for another company prefix", "node", n, "prefix", p.Prefix)
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *Publisher) tell(name string, nodes []store.NodeInfo) {
	for _, n := range nodes {
		for _, f := range feed.For(n.State.Warehouse) {
			if f == name && !n.State.Revoked && len(n.State.Key) > 0 {
				p.More(n.State.Node)
			}
		}
	}
}

// cutter cuts one feed from its source.
type cutter struct {
	name string
	// read returns the entries after a place of the source, for at most one chunk, and moves
	// the place behind them. done says that the source has no more.
	read func(v *store.View, f *store.FeedHead) (entries []feed.Entry, done bool, err error)
}

// cutAll cuts chunk after chunk, each in a transaction of its own, and reports whether there was any.
func (p *Publisher) cutAll(ctx context.Context, c cutter) (bool, error) {
	any := false
	for {
		// A look beside the writers first: most of the time there is nothing to do.
		var idle bool
		err := p.Store.View(ctx, func(v *store.View) error {
			f, err := v.FeedHead(c.name)
			if err != nil {
				return err
			}
			at := f
			entries, done, err := c.read(v, &at)
			idle = len(entries) == 0 && done && at == f
			return err
		})
		if err != nil || idle {
			return any, err
		}
		var done, cut bool
		err = p.Store.Update(ctx, p.Clock(), func(tx *store.Tx) (err error) {
			cut, done, err = p.cut(tx, c)
			return err
		})
		if err != nil {
			return any, fmt.Errorf("cut feed %s: %w", c.name, err)
		}
		any = any || cut
		if done {
			return any, nil
		}
	}
}

func (p *Publisher) cut(tx *store.Tx, c cutter) (cut, done bool, err error) {
	f, err := tx.FeedHead(c.name)
	if err != nil {
		return false, false, err
	}
	entries, done, err := c.read(&tx.View, &f)
	if err != nil {
		return false, false, err
	}
	if len(entries) == 0 {
		return false, done, tx.PutChunk(f, nil)
	}
	f.Version++
	signed, hash, err := feed.Seal(p.Ring.Feed, feed.Chunk{Org: string(p.Ring.Org), Feed: c.name, LogEpoch: tx.LogEpoch(),
		Version: f.Version, Prev: f.Hash, Entries: entries})
	if err != nil {
		return false, false, err
	}
	f.Hash = hash
	return true, done, tx.PutChunk(f, signed)
}

// readNews reads master data.
func readNews(v *store.View, f *store.FeedHead) ([]feed.Entry, bool, error) {
	news, err := v.NewsAfter(f.Name, f.Source, newsAtOnce)
	if err != nil {
		return nil, false, err
	}
	var entries []feed.Entry
	size := 0
	for _, n := range news {
		if size += n.Size; size > feed.MaxChunk && len(entries) > 0 {
			return entries, false, nil
		}
		entries = append(entries, n.Entry)
		f.Source = n.Seq
	}
	return entries, len(news) < newsAtOnce, nil
}

// readSiblings reads the movements and counts of all nodes of a warehouse. A node's changes
// are about its own warehouse, so the batches of its nodes are all that touch it.
func readSiblings(w stock.Warehouse) func(*store.View, *store.FeedHead) ([]feed.Entry, bool, error) {
	return func(v *store.View, f *store.FeedHead) ([]feed.Entry, bool, error) {
		batches, err := v.BatchesOfWarehouse(w, f.Source, batchesAtOnce)
		if err != nil {
			return nil, false, err
		}
		var entries []feed.Entry
		size := 0
		for _, b := range batches {
			found, err := siblingsIn(v, b)
			if err != nil {
				return nil, false, err
			}
			for _, s := range found[min(f.Place, int64(len(found))):] {
				e, err := feed.Pack(s)
				if err != nil {
					return nil, false, err
				}
				if size += len(e.Payload) + entryOverhead; size > feed.MaxChunk && len(entries) > 0 {
					return entries, false, nil
				}
				entries = append(entries, e)
				f.Place++
			}
			f.Source, f.Place = b.ID, 0
		}
		return entries, len(batches) < batchesAtOnce, nil
	}
}

// entryOverhead is the most that an entry takes beside its payload, in bytes.
const entryOverhead = 16

// siblingsIn returns the changes of a batch that are about stock and were merged.
func siblingsIn(v *store.View, b store.StoredBatch) ([]feed.Sibling, error) {
	h, _, err := b.Batch.Claim()
	if err != nil {
		return nil, err
	}
	contents, err := b.Batch.Unpack(h)
	if err != nil {
		return nil, nil //nolint:nilerr // it was parked whole
	}
	parked, err := v.ParkedNumbers(b)
	if err != nil {
		return nil, err
	}
	var out []feed.Sibling
	for i, raw := range contents.Changes {
		n := b.First + uint64(i) // #nosec G115 -- an index
		c, err := change.Decode(raw)
		if err != nil || parked[n] || (c.Kind != change.KindMovement && c.Kind != change.KindCount) {
			continue
		}
		out = append(out, feed.Sibling{Node: b.Node, Epoch: b.Epoch, Number: n, Change: raw})
	}
	return out, nil
}

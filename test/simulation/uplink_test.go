package simulation

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/edge/uplink"
	"stockade/internal/mqtt"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// wire is a line without a network between an uplink and the hub of a world.
type wire struct {
	w        *World
	node     stock.NodeID
	messages chan mqtt.Message
	changed  func(error)

	mu   sync.Mutex // guards the world too
	up   bool
	lose int // messages to lose
}

var errCut = errors.New("cut")

func (l *wire) Run(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func (l *wire) Messages() <-chan mqtt.Message { return l.messages }

// Send is the whole way: to the hub, through a round of its work, and the answers on their way back.
func (l *wire) Send(ctx context.Context, _ string, raw []byte) (*mqtt.Pending, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.up {
		return nil, errCut
	}
	if l.lose > 0 {
		l.lose--
		return nil, nil
	}
	out, err := l.w.round(l.w.hub, []letter{{l.node, raw}})
	if err != nil {
		return nil, err
	}
	for _, o := range out {
		if answer, err := o.Message.Encode(); err == nil {
			l.answer(ctx, answer)
		}
	}
	return nil, nil
}

func (l *wire) answer(ctx context.Context, raw []byte) {
	select {
	case l.messages <- mqtt.Message{Payload: raw}:
	case <-ctx.Done():
	}
}

func (l *wire) set(reason error) {
	l.mu.Lock()
	l.up = reason == nil
	l.mu.Unlock()
	l.changed(reason)
}

func (l *wire) merged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.w.hub.merged)
}

// rig is a node's store with a running uplink to the hub of a world.
type rig struct {
	t     *testing.T
	store *store.Store
	line  *wire
	link  *uplink.Uplink
	stop  func()
	trust delivery.Trust
	n     int

	failures atomic.Int64 // that the uplink has logged
}

// failed counts failed steps among what the uplink logs.
type failed struct {
	slog.Handler
	n *atomic.Int64
}

func (f failed) Enabled(context.Context, slog.Level) bool { return true }

func (f failed) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "step failed") {
		f.n.Add(1)
	}
	return nil
}

func newRig(t *testing.T) *rig {
	t.Helper()
	w, err := NewWorld(1, None, nil)
	if err != nil {
		t.Fatal(err)
	}
	w.lossy = false
	in := w.nodes[0]
	real, err := newStores(t)(in.trust, in.disk.st)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: real.(*nodeStore).s, line: &wire{w: w, node: in.disk.node, messages: make(chan mqtt.Message, 4096)}, trust: in.trust}
	r.start()
	return r
}

// start runs the uplink, as a start of the program does.
func (r *rig) start() {
	r.t.Helper()
	var err error
	r.link, err = uplink.New(uplink.Options{Store: r.store, Trust: r.trust, Clock: clock.New(time.Now, 0), Logger: slog.New(failed{slog.DiscardHandler, &r.failures}),
		Line: func(changed func(error)) (uplink.Line, error) { r.line.changed = changed; return r.line, nil }})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.link.Run(ctx) }()
	r.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			r.t.Errorf("uplink ended with %v", err)
		}
	}
	r.t.Cleanup(func() { cancel() })
}

// scan commits n movements, a hundred to a transaction.
func (r *rig) scan(n int) {
	r.t.Helper()
	for n > 0 {
		some := min(n, 100)
		n -= some
		err := r.store.Update(context.Background(), func(tx *store.Tx) error {
			for range some {
				r.n++
				m := stock.Movement{Key: stock.Key{SKU: "TEA", State: stock.Available}, From: stock.Supplier, To: r.trust.Warehouse.Bin("A"), Quantity: stock.Unit}
				c, err := change.OfMovement(change.Meta{Time: clock.Stamp(r.n), Actor: "w", Day: "2026-11-24"}, m) // #nosec G115 -- a count
				if err == nil {
					_, err = tx.Add(c)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			r.t.Fatal(err)
		}
	}
}

// until waits for a condition.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for limit := time.Now().Add(60 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(limit) {
			r.t.Fatalf("still not: %s; %+v", what, r.link.Status())
		}
	}
}

// delivered waits until the hub has acknowledged everything.
func (r *rig) delivered() {
	r.t.Helper()
	r.until("all acknowledged", func() bool {
		waiting := uint64(1)
		err := r.store.View(context.Background(), func(tx *store.Tx) error {
			box, err := tx.Outbox()
			waiting = box.Waiting()
			return err
		})
		return err == nil && waiting == 0
	})
	if got := r.line.merged(); got != r.n {
		r.t.Fatalf("the hub has %d changes, want %d", got, r.n)
	}
}

// TestUplink: what a node has booked arrives once, whatever happens to the line and the program.
func TestUplink(t *testing.T) {
	r := newRig(t)
	r.scan(2500)
	if st := r.link.Status(); st.Connected || st.Phase == delivery.Running {
		t.Errorf("before there is a line: %+v", st)
	}
	r.line.set(nil)
	r.delivered()
	if st := r.link.Status(); !st.Connected || st.LastWord.IsZero() || st.Head.Seq > 4 {
		t.Errorf("2500 waiting changes went in %d batches: %+v", st.Head.Seq, st)
	}

	r.line.set(errCut)
	r.until("line is seen to be down", func() bool { return !r.link.Status().Connected })
	if got := r.link.Status().Trouble; got != errCut.Error() {
		t.Errorf("trouble is %q, want %q", got, errCut)
	}
	r.scan(10)
	r.line.set(nil)
	r.delivered()

	r.stop() // the program ends and starts again
	r.scan(10)
	r.start()
	r.line.set(nil)
	r.delivered()

	r.line.mu.Lock()
	r.line.lose = 1
	r.line.mu.Unlock()
	r.scan(10)
	r.delivered() // after the core has asked again
	r.stop()
}

// TestUplinkFeeds: news of the hub reaches the store; what makes no sense is kept and blocks nothing.
func TestUplinkFeeds(t *testing.T) {
	r := newRig(t)
	item := func(sku stock.SKU, factor stock.Quantity) feed.Item {
		return feed.Item{SKU: sku, Name: "茶", Unit: "个", Active: true, Codes: []feed.Code{{GTIN: stock.GTIN("code of " + sku), Factor: factor}}}
	}
	var entries []feed.Entry
	for _, v := range []any{item("BAD", 0), item("TEA", stock.Unit)} {
		e, err := feed.Pack(v)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	entries = append(entries, feed.Entry{Kind: 99, Version: 7, Payload: []byte{0xf6}})
	chunk, _, err := feed.Seal(r.line.w.keys.feed, feed.Chunk{Org: org, Feed: feed.Catalogue, LogEpoch: 1, Version: 1, Entries: entries})
	if err != nil {
		t.Fatal(err)
	}
	r.line.w.hub.chunks[feed.Catalogue] = [][]byte{chunk}
	r.line.set(nil)
	r.until("the item is known", func() bool {
		return r.store.View(context.Background(), func(tx *store.Tx) error { _, err := tx.ItemByCode("code of TEA"); return err }) == nil
	})
	err = r.store.View(context.Background(), func(tx *store.Tx) error {
		if _, err := tx.ItemByCode("code of BAD"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("item with factor 0: %v, want %v", err, store.ErrNotFound)
		}
		var n int
		err := tx.Vault().QueryRow(`SELECT count(*) FROM unknown_entry`).Scan(&n)
		if n != 2 {
			t.Errorf("%d entries kept aside, want 2", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.scan(3)
	r.delivered()
	r.stop()
}

// TestUplinkStoreFails: a store that commits nothing for a while, as on a full disk, does not end the uplink, and
// delivery goes on.
func TestUplinkStoreFails(t *testing.T) {
	r := newRig(t)
	r.line.set(nil)
	r.scan(10)
	r.delivered()
	mend := r.spoil()
	r.until("steps have failed, the first ones of a core that was made anew too", func() bool {
		r.line.set(nil) // there is always something to do
		return r.failures.Load() > 2
	})
	mend()
	r.scan(10)
	r.line.set(errCut) // else it would wait a while for an answer that came when nothing could be stored
	r.until("line is seen to be down", func() bool { return !r.link.Status().Connected })
	r.line.set(nil)
	r.delivered()
	r.stop()
}

// spoil makes every commit fail, of whoever shares it, until the returned function is called.
func (r *rig) spoil() (mend func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var spoilers sync.WaitGroup
	for range 8 { // so that one of them is in every commit
		spoilers.Go(func() {
			for ctx.Err() == nil {
				err := r.store.Update(context.Background(), func(tx *store.Tx) error {
					_, err1 := tx.Vault().Exec(`PRAGMA defer_foreign_keys = 1`)
					_, err2 := tx.Vault().Exec(`INSERT INTO stock_count (id, key, location) VALUES (abs(random()), 0, 0)`)
					return errors.Join(err1, err2)
				})
				if err == nil {
					r.t.Error("a commit went well that must not")
					return
				}
			}
		})
	}
	return func() { cancel(); spoilers.Wait() }
}

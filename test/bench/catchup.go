package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	edgestore "stockade/edge/store"
	"stockade/hub/intake"
	"stockade/protocol/delivery"
	"stockade/test/play"
	"stockade/test/rig"
)

// catchUp measures movements a second from the start of a node that was long without a line until the
// hub has acknowledged all of them. They were made by the stations' own rules in the node's own
// store while it was not running. The baseline is a hub in this process that is handed the very
// batches that the node then sent: what is below it, cutting, broker and lines have cost.
func (s *site) catchUp(ctx context.Context, e *rig.Edge) error {
	if err := e.Process.Stop(); err != nil {
		return err
	}
	s.say("  %d movements without a line", s.Size.Offline)
	if err := play.WithStore(ctx, e, func(st *edgestore.Store) error { return s.workOffline(ctx, st) }); err != nil {
		return err
	}
	s.say("  catching up")
	began := time.Now()
	if err := e.Start(ctx); err != nil {
		return err
	}
	if err := s.caughtUp(ctx, e); err != nil {
		return err
	}
	took := time.Since(began)
	most, err := resident(e.Process.PID(), "VmHWM")
	if err != nil {
		return err
	}
	s.say("  caught up in %.1fs; the node had %.1f MiB at most", took.Seconds(), most)
	bare, err := s.atOnce(ctx, e)
	if err != nil {
		return err
	}
	return s.emit("catch_up", "movements/s", float64(s.Size.Offline)/took.Seconds(), bare)
}

// workOffline makes movements in the store of a node that is not running, through its stations. Many
// work at once only because they share commits then.
func (s *site) workOffline(ctx context.Context, st *edgestore.Store) error {
	n := newNode(st, offlineWarehouse, time.Now)
	places, err := n.places(s.Size.OfflineAt)
	if err != nil {
		return err
	}
	waiting := func() (o edgestore.Outbox, err error) {
		err = st.View(ctx, func(tx *edgestore.Tx) (err error) { o, err = tx.Outbox(); return err })
		return o, err
	}
	before, err := waiting() // what the node had to say when it was stopped, such as its sealing key
	if err != nil {
		return err
	}
	group, working := errgroup.WithContext(ctx)
	for i, p := range places {
		moves := (s.Size.Offline + i) / len(places)
		group.Go(func() error {
			for moves > 0 {
				scan := p.worker.scan()
				if err := handle(working, p.station, scan); err != nil {
					return err
				}
				if scan.moves {
					moves--
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	o, err := waiting()
	if more := o.Waiting() - before.Waiting(); err == nil && more != uint64(s.Size.Offline) { // #nosec G115 -- a count
		err = fmt.Errorf("%d changes more wait, want %d", more, s.Size.Offline)
	}
	return err
}

// caughtUp waits until a node has nothing to deliver any more, as long as it gets on.
func (s *site) caughtUp(ctx context.Context, e *rig.Edge) error {
	outbox, err := s.outbox(ctx, e)
	if err != nil {
		return err
	}
	last, progress := edgestore.Outbox{}, time.Now()
	for {
		o, err := outbox()
		switch {
		case err != nil || o.Waiting() == 0:
			return err
		case o.Acknowledged > last.Acknowledged:
			progress = time.Now()
		case time.Since(progress) > rig.Patience:
			return fmt.Errorf("nothing was acknowledged for %v: %+v", rig.Patience, o)
		}
		last = o
		if err := pause(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// atOnce has hubs in this process take in what a node has sent, and returns movements a second.
func (s *site) atOnce(ctx context.Context, e *rig.Edge) (float64, error) {
	var from delivery.Trust
	var batches []intake.Incoming
	if err := play.WithStore(ctx, e, func(st *edgestore.Store) error {
		return st.View(ctx, func(tx *edgestore.Tx) (err error) {
			from, batches, err = sent(tx)
			return err
		})
	}); err != nil {
		return 0, err
	}
	var rates series
	for i := range s.Size.CatchTurns {
		dir := filepath.Join(s.rig.Dir, fmt.Sprintf("at-once-%d", i))
		if err := rates.measure(func() (float64, error) { return s.takeIn(ctx, dir, from, batches) }); err != nil {
			return 0, err
		}
	}
	return rates.median(), nil
}

// takeIn makes a hub that knows the node, and hands it everything at once.
func (s *site) takeIn(ctx context.Context, dir string, from delivery.Trust, batches []intake.Incoming) (speed float64, err error) {
	h, err := newHeadquarters(ctx, dir)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, h.vault.Close()) }()
	if err := h.enrol(ctx, from.Node, from.Warehouse, from.Key); err != nil {
		return 0, err
	}
	return h.process(ctx, batches, s.Size.Offline, 1)
}

// sent returns who a node is, and the batches of its first epoch as they came to the hub.
func sent(tx *edgestore.Tx) (delivery.Trust, []intake.Incoming, error) {
	e, err := tx.Enrolment()
	if err != nil {
		return delivery.Trust{}, nil, err
	}
	var out []intake.Incoming
	for seq := uint64(1); ; seq++ {
		b, _, _, ok, err := tx.BatchAt(1, seq)
		if err != nil || !ok {
			return e.Trust, out, err
		}
		in, err := incoming(e.Trust.Node, b)
		if err != nil {
			return e.Trust, nil, err
		}
		out = append(out, in)
	}
}

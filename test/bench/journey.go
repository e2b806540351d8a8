package bench

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	edgestore "stockade/edge/store"
	"stockade/hub/store"
	"stockade/protocol/stock"
	"stockade/test/rig"
)

// journeyBytes is about what a batch of one change has on the wire.
const journeyBytes = 400

// journeys measures milliseconds from the first byte of a scan on a pseudo-terminal until the goods are in
// the hub's stock, and until the node holds the hub's signed acknowledgement. One scan is on its way at
// a time. The baseline is a message of the same size through the same broker and back,
// which no disk has to hold.
func (s *site) journeys(ctx context.Context, e *rig.Edge) error {
	if err := s.ready(ctx, e); err != nil {
		return err
	}
	outbox, err := s.outbox(ctx, e)
	if err != nil {
		return err
	}
	var toStock, toAck, bare series
	w := newWorker(1)
	for range s.Size.Journeys {
		scanned, acked, err := s.journey(ctx, w.receipt(), outbox)
		if err != nil {
			return err
		}
		toStock, toAck = append(toStock, scanned), append(toAck, acked)
		trip, err := s.broker.trip(ctx, make([]byte, journeyBytes))
		if err != nil {
			return err
		}
		bare = append(bare, trip)
	}
	for _, m := range []struct {
		name  string
		times series
	}{{"end_to_end_stock", toStock}, {"end_to_end_ack", toAck}} {
		for _, share := range []int{50, 99} {
			at := float64(share) / 100
			if err := s.emit(fmt.Sprintf("%s/p%d", m.name, share), "ms", m.times.at(at), bare.at(at)); err != nil {
				return err
			}
		}
	}
	return nil
}

// ready waits until all scanners of a node are listened to.
func (s *site) ready(ctx context.Context, e *rig.Edge) error {
	pages, err := e.Pages()
	if err != nil {
		return err
	}
	browser, err := rig.NewBrowser(pages, "")
	if err != nil {
		return err
	}
	for i := range e.Options.Stations {
		if err := e.Process.Until(ctx, "scanner of "+stationName(i), func() (bool, error) { return browser.ScannerReady(ctx, stationName(i)) }); err != nil {
			return err
		}
	}
	return nil
}

// journey sends one scan and waits for both of its ends.
func (s *site) journey(ctx context.Context, scan step, outbox func() (edgestore.Outbox, error)) (toStock, toAck float64, err error) {
	before, err := s.onHand(ctx, scan)
	if err != nil {
		return 0, 0, err
	}
	last, err := outbox()
	if err != nil {
		return 0, 0, err
	}
	began := time.Now()
	if err := s.scanners[0].Send([]byte(scan.text + "\r")); err != nil {
		return 0, 0, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := look(ctx, "stock at the hub", func() (bool, error) {
			now, err := s.onHand(ctx, scan)
			return now > before, err
		})
		toStock = millis(began)
		return err
	})
	group.Go(func() error {
		err := look(ctx, "acknowledgement", func() (bool, error) {
			o, err := outbox()
			return o.Acknowledged > last.Changes, err
		})
		toAck = millis(began)
		return err
	})
	return toStock, toAck, group.Wait()
}

// onHand is what the hub's stock says of the item that is scanned.
func (s *site) onHand(ctx context.Context, scan step) (sum stock.Quantity, err error) {
	err = s.store.View(ctx, func(v *store.View) error {
		return v.Stock(store.StockFilter{In: store.Everywhere(), Warehouse: busyWarehouse, SKU: scan.carton.sku}, func(r store.StockRow) error { sum += r.OnHand; return nil })
	})
	return sum, err
}

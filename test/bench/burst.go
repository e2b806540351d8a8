package bench

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	edgestore "stockade/edge/store"
	"stockade/firmware-tools/simulate"
	"stockade/internal/serialport"
	"stockade/test/rig"
)

// bursts measures scans a second that a real node confirms when they come in as fast as its ports take them: at one port,
// then at eight at once. A scan counts when it is committed: then the worker sees green. The baseline reads the same bytes from
// as many bare pseudo-terminals and does nothing with them.
func (s *site) bursts(ctx context.Context, e *rig.Edge) (err error) {
	if err := s.ready(ctx, e); err != nil {
		return err
	}
	stored, err := s.stored(ctx, e)
	if err != nil {
		return err
	}
	bare := make([]*simulate.Scanner, len(s.scanners))
	ports := make([]serialport.Port, len(s.scanners))
	for i := range bare {
		link := filepath.Join(s.rig.Dir, fmt.Sprintf("bare-%d", i+1))
		if bare[i], err = simulate.NewScanner(link); err != nil {
			return err
		}
		defer bare[i].Close()
		if ports[i], err = serialport.Open(link, serialport.Line{}); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, ports[i].Close()) }()
	}
	workers := make([]*worker, len(s.scanners))
	for i := range workers {
		workers[i] = newWorker(40 + i) // whose serial numbers nobody else has used
		if err := s.scanners[i].SendContext(ctx, []byte("STK:MODE:RECEIVE\r"), 0, 0); err != nil {
			return err
		}
	}
	var one, eight, bareOne, bareEight series
	for range s.Size.Rounds {
		for _, turn := range []struct {
			ports      int
			node, bare *series
		}{{1, &one, &bareOne}, {len(s.scanners), &eight, &bareEight}} {
			bytes := make([]string, turn.ports)
			for i := range bytes {
				var b strings.Builder
				for range s.Size.Scans {
					b.WriteString(workers[i].receipt().text + "\r")
				}
				bytes[i] = b.String()
			}
			if err := turn.node.measure(func() (float64, error) { return s.burst(ctx, bytes, stored) }); err != nil {
				return err
			}
			if err := turn.bare.measure(func() (float64, error) { return bareBurst(ctx, bytes, s.Size.Scans, bare, ports) }); err != nil {
				return err
			}
		}
	}
	if err := s.emit("scan_burst/1", "scans/s", one.median(), bareOne.median()); err != nil {
		return err
	}
	return s.emit(fmt.Sprintf("scan_burst/%d", len(s.scanners)), "scans/s", eight.median(), bareEight.median())
}

// burst sends scans to as many stations, and returns how many a second the node has committed.
func (s *site) burst(ctx context.Context, bytes []string, stored func(station string) (int64, error)) (float64, error) {
	goal := make([]int64, len(bytes))
	for i := range goal {
		n, err := stored(stationName(i))
		if err != nil {
			return 0, err
		}
		goal[i] = n + int64(s.Size.Scans)
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, b := range bytes {
		group.Go(func() error { return s.scanners[i].SendContext(ctx, []byte(b), 0, 0) })
	}
	for i := range goal {
		for limit := time.Now().Add(rig.Patience); ; {
			n, err := stored(stationName(i))
			if err == nil && n < goal[i] && time.Now().After(limit) {
				err = fmt.Errorf("%d of %d scans at %s within %v", n, goal[i], stationName(i), rig.Patience)
			}
			if err == nil && n < goal[i] {
				err = pause(ctx, 5*time.Millisecond) // looking more often would take the processor from the node
			}
			if err != nil {
				return 0, errors.Join(err, group.Wait())
			}
			if n >= goal[i] {
				break
			}
		}
	}
	took := rate(s.Size.Scans*len(bytes), began)
	return took, group.Wait()
}

// bareBurst reads the same bytes.
func bareBurst(ctx context.Context, bytes []string, each int, scanners []*simulate.Scanner, ports []serialport.Port) (float64, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, b := range bytes {
		group.Go(func() error { return scanners[i].SendContext(ctx, []byte(b), 0, 0) })
		group.Go(func() error {
			buf := make([]byte, 4096)
			for got := 0; got < len(b); {
				n, err := ports[i].Read(buf)
				if err != nil {
					return err
				}
				got += n
			}
			return nil
		})
	}
	err := group.Wait()
	return rate(each*len(bytes), began), err
}

// stored opens the store of a running node and returns a function that tells how many scans of a station are committed.
func (s *site) stored(ctx context.Context, e *rig.Edge) (func(station string) (int64, error), error) {
	v, err := s.open(ctx, filepath.Join(e.Data(), "node.db"), e.KeyFile())
	if err != nil {
		return nil, err
	}
	st, err := edgestore.Open(ctx, v)
	return func(station string) (n int64, err error) {
		return n, st.View(ctx, func(tx *edgestore.Tx) error {
			last, err := tx.LastScan(station)
			n = last.Number
			return err
		})
	}, err
}

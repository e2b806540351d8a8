package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/vault"
	"stockade/protocol/barcode"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// shanghai is the zone of every warehouse here.
var shanghai = time.FixedZone("Asia/Shanghai", 8*60*60)

// node is a node's store in this process, with the clock of its stations.
type node struct {
	store     *store.Store
	clock     *clock.Clock
	now       func() time.Time
	warehouse stock.Warehouse
}

func newNode(s *store.Store, w stock.Warehouse, now func() time.Time) *node {
	return &node{store: s, clock: clock.New(now, 0), now: now, warehouse: w}
}

// withNode makes an encrypted store as the edge program does, lets it know the catalogue as if a hub
// had enrolled it, and calls fn.
func withNode(ctx context.Context, dir string, now func() time.Time, fn func(*node) error) error {
	var key vault.Key
	_, _ = rand.Read(key[:]) // never fails
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(dir, "node.db"), Key: key})
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, v)
	if err == nil {
		err = s.Update(ctx, found)
	}
	if err == nil {
		err = fn(newNode(s, storetest.Warehouse, now))
	}
	return errors.Join(err, v.Close())
}

// found enrols a node of storetest.Warehouse and gives it the catalogue.
func found(tx *store.Tx) error {
	var goods, places []any
	for i := range items {
		goods = append(goods, goodOf(i).item())
	}
	for _, code := range binCodes() {
		places = append(places, feed.Location{ID: storetest.Warehouse.Bin(code), Name: code, Use: useOf(code), Active: true})
	}
	if err := tx.PutEnrolment(storetest.Enrolment("edge-1")); err != nil {
		return err
	}
	if err := storetest.PutFeed(tx, feed.Catalogue, goods...); err != nil {
		return err
	}
	return storetest.PutFeed(tx, feed.Locations(storetest.Warehouse), places...)
}

// place is a station with whoever works there.
type place struct {
	station *station.Station
	worker  *worker
}

// places opens that many stations, which book every scan.
func (n *node) places(count int) ([]place, error) {
	var out []place
	for i := range count {
		c := station.Config{Name: stationName(i), Receiving: n.warehouse.Bin(receiving), Zone: shanghai, Now: n.now}
		st, err := station.New(c, n.store, n.clock)
		if err != nil {
			return nil, err
		}
		out = append(out, place{st, newWorker(i + 1)})
	}
	return out, nil
}

func stationName(i int) string { return fmt.Sprintf("dock-%d", i+1) }

// handle hands what a scanner sends to a station, as its driver does. It must not be refused.
func handle(ctx context.Context, st *station.Station, s step) error {
	scans := barcode.Decode(barcode.Profile{}, []byte(s.text), time.Now())
	if len(scans) != 1 {
		return fmt.Errorf("%q: %d scans, want 1", s.text, len(scans))
	}
	f, err := st.Handle(ctx, scans[0], station.Worker{})
	if err == nil && (f.Outcome == station.Refused || (f.Movement != "") != s.moves) {
		err = fmt.Errorf("%q: %s, %s %v", s.text, f.Outcome, f.Code, f.Args)
	}
	return err
}

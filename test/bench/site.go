package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	edgestore "stockade/edge/store"
	"stockade/firmware-tools/simulate"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
	"stockade/protocol/stock"
	"stockade/test/rig"
)

// Warehouses of the site. Each has one node: what siblings tell each other is not measured here.
const (
	busyWarehouse    stock.Warehouse = "SHA"
	offlineWarehouse stock.Warehouse = "CTU"
)

// site is a hub and its nodes, the real programs on loopback. Their stores are also open in
// this process, as commands open them, to see at once what the programs have committed.
type site struct {
	*run
	rig      *rig.Rig
	hub      *rig.Hub
	store    *store.Store // of the hub
	ring     *keyring.Ring
	broker   *bareBroker
	edges    []*rig.Edge
	scanners []*simulate.Scanner
	closers  []func() error
}

// site measures what needs the real programs.
func (r *run) site(ctx context.Context, dir string) (err error) {
	s := &site{run: r}
	defer func() { err = errors.Join(err, s.stop(err == nil)) }()
	if s.rig, err = rig.New(dir); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	busy, err := s.edge(ctx, "edge-1", busyWarehouse, scanners)
	if err != nil {
		return err
	}
	least, err := s.idleMemory(ctx, busy)
	if err != nil {
		return err
	}
	if err := s.journeys(ctx, busy); err != nil {
		return err
	}
	if err := s.busyMemory(ctx, busy, least); err != nil {
		return err
	}
	if err := s.bursts(ctx, busy); err != nil {
		return err
	}
	if err := busy.Process.Stop(); err != nil {
		return err
	}
	offline, err := s.edge(ctx, "edge-2", offlineWarehouse, 0)
	if err != nil {
		return err
	}
	return s.catchUp(ctx, offline)
}

// start brings up the hub with its catalogue, and opens its store beside it.
func (s *site) start(ctx context.Context) (err error) {
	if s.hub, err = s.rig.NewHub(ctx, rig.HubOptions{}); err != nil {
		return err
	}
	if err := s.hub.Start(ctx); err != nil {
		return err
	}
	if err := s.load(ctx, "item", writeItems); err != nil {
		return err
	}
	for _, w := range []stock.Warehouse{busyWarehouse, offlineWarehouse} {
		if err := s.load(ctx, "location", func(out io.Writer) error { return writeBins(out, w) }); err != nil {
			return err
		}
	}
	v, err := s.open(ctx, filepath.Join(s.hub.Data(), "hub.db"), s.hub.KeyFile())
	if err != nil {
		return err
	}
	if s.store, err = store.Open(ctx, v); err != nil {
		return err
	}
	if err := s.store.View(ctx, func(v *store.View) (err error) { s.ring, err = keyring.Load(v); return err }); err != nil {
		return err
	}
	addresses, err := s.hub.Addresses()
	if err != nil {
		return err
	}
	s.broker, err = joinBroker(ctx, addresses.MQTT[0], s.ring)
	return err
}

// load has the hub import what write makes.
func (s *site) load(ctx context.Context, kind string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(s.rig.Dir, kind+"-*.csv")
	if err != nil {
		return err
	}
	if err := errors.Join(write(f), f.Close()); err != nil {
		return err
	}
	_, err = s.hub.CLI(ctx, kind, "import", f.Name())
	return err
}

// open opens a store that one of the programs serves.
func (s *site) open(ctx context.Context, path, keyFile string) (*vault.Store, error) {
	key, err := vault.LoadKeyFile(keyFile, filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	v, err := vault.Open(ctx, vault.Options{Path: path, Key: key})
	if err == nil {
		s.closers = append(s.closers, v.Close)
	}
	return v, err
}

// edge enrols a node, and starts it until it knows the catalogue.
func (s *site) edge(ctx context.Context, id string, w stock.Warehouse, stations int) (*rig.Edge, error) {
	o := rig.EdgeOptions{ID: id, Warehouse: string(w)}
	for i := range stations {
		link := filepath.Join(s.rig.Dir, fmt.Sprintf("scanner-%d", i+1))
		scanner, err := simulate.NewScanner(link)
		if err != nil {
			return nil, err
		}
		s.scanners = append(s.scanners, scanner)
		o.Stations = append(o.Stations, rig.Station{Name: stationName(i), Label: "收货口", Scanner: link, Mode: "receive", Repeat: "0s"})
	}
	e, err := s.rig.NewEdge(o)
	if err != nil {
		return nil, err
	}
	if err := e.Enrol(ctx, s.hub); err != nil {
		return nil, err
	}
	if err := e.Start(ctx); err != nil {
		return nil, err
	}
	s.edges = append(s.edges, e)
	return e, rig.Until(ctx, "catalogue at "+id, func() (bool, error) {
		st, err := e.Status(ctx)
		return st.Items == items, err
	})
}

// outbox opens the store of a running node and returns a function that tells how its delivery stands.
func (s *site) outbox(ctx context.Context, e *rig.Edge) (func() (edgestore.Outbox, error), error) {
	v, err := s.open(ctx, filepath.Join(e.Data(), "node.db"), e.KeyFile())
	if err != nil {
		return nil, err
	}
	st, err := edgestore.Open(ctx, v)
	return func() (o edgestore.Outbox, err error) {
		return o, st.View(ctx, func(tx *edgestore.Tx) error { o, err = tx.Outbox(); return err })
	}, err
}

// look asks every half a millisecond until ok says yes: for what is over before anybody could be told.
func look(ctx context.Context, what string, ok func() (bool, error)) error {
	limit := time.Now().Add(rig.Patience)
	for {
		yes, err := ok()
		switch {
		case yes || err != nil:
			return err
		case time.Now().After(limit):
			return fmt.Errorf("no %s within %v", what, rig.Patience)
		}
		if err := pause(ctx, 500*time.Microsecond); err != nil {
			return err
		}
	}
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// stop ends everything. After a good run every program has to end well.
func (s *site) stop(good bool) error {
	var errs []error
	if s.broker != nil {
		s.broker.close()
	}
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	if good {
		for _, e := range s.edges {
			if e.Process.Running() {
				errs = append(errs, e.Process.Stop())
			}
		}
		errs = append(errs, s.hub.Process.Stop())
	}
	if s.rig != nil {
		s.rig.Close()
	}
	for _, sc := range s.scanners {
		sc.Close()
	}
	if !good {
		return nil // the first error is the one that counts
	}
	return errors.Join(errs...)
}

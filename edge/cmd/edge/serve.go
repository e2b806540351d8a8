package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/uplink"
	"stockade/internal/identity"
	"stockade/internal/mqtt"
	"stockade/internal/preview"
	"stockade/internal/raster"
	"stockade/internal/rights"
	"stockade/protocol/access"
	"stockade/protocol/barcode"
	"stockade/protocol/clock"
	"stockade/protocol/topic"
)

// node is the running program: its parts in the order in which they depend on each other.
type node struct {
	config    config
	log       *slog.Logger
	store     *store.Store
	enrolment store.Enrolment
	clock     *clock.Clock
	stations  []*station.Station
	scanners  []*device.Scanner
	printers  map[string]*device.Printer
	queues    []*printQueue
	uplink    *uplink.Uplink
	typeface  *raster.Typeface // draws Chinese on labels; nil without a font
	previews  *preview.Drawer  // one at a time: a small Pi has better uses for its memory

	certificates *certificates
	shown        func() time.Time // this machine's clock in tests; nil for the real one
	began        time.Time        // when the program started
	desk         *rights.Desk     // decides who may do what
	accounts     *identity.Service
	lent         atomic.Pointer[map[access.Account]access.Subject]
}

// memoryGoal is how large the program's own memory may grow before garbage is collected without
// regard to the processor: a small Pi has better uses for it. SQLite's caches come on top.
const memoryGoal = 24 << 20

// serve runs the node until ctx ends or a part fails.
func serve(ctx context.Context, c config, _ options, stdout io.Writer, log *slog.Logger) error {
	debug.SetMemoryLimit(memoryGoal)
	s, done, err := openStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer done() // last: stations and uplink still write while they stop
	unlock, err := lockServer(c.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	n := &node{began: time.Now(), config: c, log: log, store: s, printers: map[string]*device.Printer{}}
	if n.typeface, err = openTypeface(c, log); err != nil {
		return err
	}
	n.previews = preview.New(n.typeface, 1)
	if n.typeface != nil {
		defer n.typeface.Close()
	}
	if err := n.prepare(ctx); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen for pages: %w", err)
	}
	defer listener.Close()
	pages, err := n.pages(ctx, stdout)
	if err != nil {
		return err
	}
	if err := n.announce(listener); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return pages.Serve(ctx, listener) })
	group.Go(func() error { return n.uplink.Run(ctx) })
	group.Go(func() error { return n.renew(ctx) })
	group.Go(func() error { return n.runQueue(ctx) })
	group.Go(func() error { return n.followRights(ctx) })
	group.Go(func() error { return n.sweep(ctx) })
	for _, d := range n.scanners {
		group.Go(func() error { return d.Run(ctx) })
	}
	for _, p := range n.printers {
		group.Go(func() error { return p.Run(ctx) })
	}
	err = group.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// errServing is returned when the node is running already.
var errServing = errors.New("本节点已在运行 / this node is running already")

// lockServer makes sure that one program serves a data folder: two would deliver one chain. The
// system lets go of the lock when the program ends, however it ends.
func lockServer(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- in the node's own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a descriptor
		return nil, errors.Join(errServing, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// prepare makes the parts. Nothing runs yet.
func (n *node) prepare(ctx context.Context) error {
	var last clock.Stamp
	err := n.store.View(ctx, func(tx *store.Tx) (err error) {
		if n.enrolment, err = tx.Enrolment(); err == nil {
			last, err = tx.LastStamp()
		}
		return err
	})
	if err != nil {
		return err
	}
	n.clock = clock.New(machineTime, last)
	n.clock.Sure(certain(n.enrolment))
	if n.certificates, err = newCertificates(n.enrolment, n.clock); err != nil {
		return err
	}
	if err := n.interrupted(ctx); err != nil {
		return err
	}
	n.uplink, err = uplink.New(uplink.Options{Store: n.store, Trust: n.enrolment.Trust, Clock: n.clock, Logger: n.log.With("part", "uplink"), Line: n.line, Now: machineTime})
	if err != nil {
		return err
	}
	for _, d := range n.config.Devices {
		if d.Kind == string(device.KindPrinter) {
			q := n.newPrintQueue(d.Name)
			n.queues = append(n.queues, q)
			n.printers[d.Name] = device.NewPrinter(n.deviceOf(d), device.OpenLine(d.line()), q, n.log)
		}
	}
	for _, sc := range n.config.Stations {
		if err := n.addStation(sc); err != nil {
			return err
		}
	}
	return nil
}

func (n *node) deviceOf(d deviceConfig) device.Config {
	return device.Config{Name: d.Name, Path: d.Path, Profile: d.Profile, Baud: d.Baud, IdleGap: time.Duration(d.IdleGap), Language: d.language(),
		Changed: func() { n.look(d.Name) }}
}

// line makes the connection to the broker, as the node that the certificate names.
func (n *node) line(changed func(error)) (uplink.Line, error) {
	e := n.enrolment
	broker := n.config.Broker
	if broker == "" && len(e.Brokers) > 0 {
		broker = e.Brokers[0]
	}
	settings, err := n.certificates.clientTLS()
	if err != nil {
		return nil, err
	}
	return mqtt.NewLink(mqtt.LinkOptions{
		Options:   mqtt.Options{URL: broker, ClientID: string(e.Trust.Node), TLS: settings, Logger: n.log},
		Subscribe: []string{topic.Down(topic.Org(e.Trust.Org), e.Trust.Node)},
		MinDelay:  200 * time.Millisecond,
		// Another program under our name would take the session over and over: the hub finds that
		// out. We go on trying.
		Dropped: func(context.Context) error { return nil },
		Changed: changed,
	})
}

// addStation makes a station with its scanner.
func (n *node) addStation(sc stationConfig) error {
	c := station.Config{Name: sc.Name, Label: sc.Label, Mode: station.Mode(sc.Mode), Repeat: defaultRepeat, Zone: n.config.zone(),
		Badges: badges{n}, NeedsBadge: sc.Badge && !sc.Open, BadgeIdle: time.Duration(sc.BadgeIdle)}
	if sc.Repeat != nil {
		c.Repeat = time.Duration(*sc.Repeat)
	}
	bin := sc.Receiving
	if bin == "" {
		bin = "RECV"
	}
	c.Receiving = n.enrolment.Trust.Warehouse.Bin(bin)
	if sc.Printer != "" {
		c.Received = func(tx *store.Tx, f station.Feedback, w station.Worker) error {
			return n.queueLabel(tx, sc.Printer, f, w)
		}
	}
	st, err := station.New(c, n.store, n.clock)
	if err != nil {
		return err
	}
	n.stations = append(n.stations, st)
	for _, d := range n.config.Devices {
		if d.Name == sc.Scanner && d.Kind == string(device.KindScanner) {
			on := func(ctx context.Context, s barcode.Scan) bool { return n.scanned(ctx, st, s) }
			n.scanners = append(n.scanners, device.NewScanner(n.deviceOf(d), device.OpenLine(d.line()), n.clock.Wall, on, n.log))
		}
	}
	return nil
}

// scanned books a scan. A scan that could not be committed (a full or failing
// disk) is tried again until the node stops: the worker is told, the line holds back, and nothing is dropped.
func (n *node) scanned(ctx context.Context, st *station.Station, s barcode.Scan) bool {
	for ctx.Err() == nil {
		f, err := st.Handle(ctx, s, station.Worker{})
		if news := st.Troubled(err); news && err != nil && ctx.Err() == nil {
			n.log.Error("scan could not be stored, trying again", "station", st.Config().Name, "error", err)
		}
		if err == nil {
			return f.Outcome != station.Refused
		}
		select {
		case <-ctx.Done():
		case <-time.After(storeAgain):
		}
	}
	return false
}

// storeAgain is the time between attempts to store a scan.
const storeAgain = time.Second

// announce leaves where the pages are for commands, and for whoever started the node with port 0.
func (n *node) announce(l net.Listener) error {
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return err
	}
	url := "https://" + net.JoinHostPort(n.config.Names[0], port)
	b, err := json.Marshal(map[string]any{"pages": url, "pid": os.Getpid()})
	if err != nil {
		return err
	}
	path := filepath.Join(n.config.DataDir, "addresses.json")
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	n.log.Info("node is serving", "node", string(n.enrolment.Trust.Node), "pages", url)
	return os.Rename(path+".new", path)
}

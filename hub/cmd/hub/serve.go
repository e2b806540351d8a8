package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"crypto/tls"

	"golang.org/x/sync/errgroup"

	"stockade/hub/adjust"
	"stockade/hub/approvals"
	"stockade/hub/attachments"
	"stockade/hub/broker"
	"stockade/hub/exports"
	"stockade/hub/fleet"
	"stockade/hub/intake"
	"stockade/hub/leavers"
	"stockade/hub/lessons"
	"stockade/hub/master"
	"stockade/hub/partners"
	"stockade/hub/prices"
	"stockade/hub/store"
	"stockade/hub/unmask"
	"stockade/internal/identity"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/internal/preview"
	"stockade/internal/raster"
	"stockade/internal/rights"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// stopLimit is how long the parts may take to stop.
const stopLimit = 10 * time.Second

// serve runs the hub until ctx ends or a part fails.
func (c *command) serve(ctx context.Context, args []string) error {
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(c.errOut, nil))
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	// Last of all: everything else still writes while it stops.
	defer func() {
		if err := h.close(); err != nil {
			log.Error("close store", "err", err)
		}
	}()
	unlock, err := lockServer(h.cfg.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	s, err := newServer(ctx, h, log)
	if err != nil {
		return err
	}
	return s.run(ctx, c)
}

// errServing is returned when another server works with the same store.
var errServing = errors.New("the hub is running already")

// lockServer makes sure that one server works with a store: it holds the broker's folder and
// the shards' sessions.
func lockServer(dir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dir, "serve.lock"), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- in the hub's own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a descriptor
		return nil, errors.Join(errServing, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// server is the running hub.
type server struct {
	*hub
	log   *slog.Logger
	nodes net.Listener
	pages net.Listener
	at    addresses

	fleet     *fleet.Fleet
	broker    *broker.Broker // nil with a foreign one
	url       string         // of the broker, as the intake reaches it
	cert      tls.Certificate
	sessions  *intake.Sessions
	intake    *intake.Intake
	publisher *master.Publisher
	typeface  *raster.Typeface // draws Chinese in previews; nil without a font
	previews  *preview.Drawer
	desk      *rights.Desk      // decides who may do what
	accounts  *identity.Service // once there are pages
	noticed   int64             // the last notice that needs no more doing
	approvals *approvals.Service
	exports   *exports.Service
	partners  *partners.Service
	unmasker  *unmask.Desk
	keepers   keepers
	files     *attachments.Service
	prices    *prices.Service
	adjust    *adjust.Service
	lessons   *lessons.Service
	leavers   *leavers.Service
}

func newServer(ctx context.Context, h *hub, log *slog.Logger) (s *server, err error) {
	s = &server{hub: h, log: log}
	defer func() {
		if err != nil {
			s.stop(ctx)
		}
	}()
	if s.cert, err = serverCertificate(h); err != nil {
		return nil, err
	}
	if s.typeface, err = raster.SystemTypeface(h.cfg.Typeface); err != nil {
		return nil, err
	}
	if s.typeface == nil {
		log.Warn("no font for Chinese: previews of labels show it as boxes; install fonts-noto-cjk, or set typeface")
	}
	s.previews = preview.New(s.typeface, 2)
	if s.nodes, err = listen(ctx, h.cfg.Nodes.Listen); err != nil {
		return nil, err
	}
	if s.pages, err = listen(ctx, h.cfg.Pages.Listen); err != nil {
		return nil, err
	}
	s.fleet = h.fleet(fleet.Addresses{Names: h.cfg.Names})
	s.fleet.Replaced = s.disconnect
	if err := s.startBroker(ctx); err != nil {
		return nil, err
	}
	if s.sessions, err = intake.NewSessions(intake.Broker{URL: s.url}, h.ring, time.Now, log); err != nil {
		return nil, err
	}
	s.publisher = master.NewPublisher(master.Publisher{Store: h.store, Ring: h.ring, Clock: time.Now, Logger: log, Prefix: h.cfg.GS1Prefix, More: s.sessions.More})
	s.intake = intake.New(intake.Options{Store: h.store, Ring: h.ring, Send: s.sessions.Send, Committed: s.committed, Logger: log})
	mqttPort := "0"
	if s.broker != nil {
		_, mqttPort, _ = net.SplitHostPort(s.broker.Addr())
	}
	s.at = h.cfg.addressesOf(portOf(s.pages), portOf(s.nodes), mqttPort)
	s.fleet.At = fleet.Addresses{Nodes: s.at.Nodes, MQTT: s.at.MQTT, Names: h.cfg.hosts()}
	return s, nil
}

// committed passes on that messages were taken in. It does not wait.
func (s *server) committed() {
	s.publisher.Wake()
	s.adjust.Wake()
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr)
}

func portOf(l net.Listener) string {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// hosts returns all names and addresses by which this hub and its broker are reached.
func (c config) hosts() []string {
	hosts := slices.Clone(c.Names)
	add := func(addr string) {
		if host, _, err := net.SplitHostPort(addr); err == nil && host != "" && !slices.Contains(hosts, host) {
			if ip := net.ParseIP(host); ip == nil || !ip.IsUnspecified() {
				hosts = append(hosts, host)
			}
		}
	}
	for _, addr := range []string{c.Pages.Listen, c.Nodes.Listen, c.MQTT.Listen, c.Pages.Public, c.Nodes.Public} {
		add(addr)
	}
	for _, b := range append([]string{c.MQTT.Broker}, c.MQTT.Public...) {
		if u, err := url.Parse(b); err == nil {
			add(u.Host)
		}
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		if !slices.Contains(hosts, own) {
			hosts = append(hosts, own)
		}
	}
	return hosts
}

// serverCertificate issues the certificate of the hub's own listeners. Nodes pin the authority,
// so it is made anew at every start; it shows the authority's after its own.
func serverCertificate(h *hub) (tls.Certificate, error) {
	key, err := pki.NewServerKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	cert, err := h.ring.Authority.IssueServer(h.cfg.hosts(), &key.PublicKey, time.Now(), pki.ServerValid)
	if err != nil {
		return tls.Certificate{}, err
	}
	return pki.Pair(key, cert, h.ring.Authority.Certificate())
}

func (s *server) startBroker(ctx context.Context) (err error) {
	if s.cfg.MQTT.Broker != "" {
		s.url = s.cfg.MQTT.Broker
		return nil
	}
	s.broker, err = broker.Start(ctx, broker.Options{
		Dir: filepath.Join(s.cfg.DataDir, "broker"), Key: s.ring.Broker, Listen: s.cfg.MQTT.Listen, Org: s.ring.Org,
		TLS:       pki.ServerConfig(s.cert, pki.Pool(s.ring.Authority.Certificate()), pki.RequireClient, time.Now),
		Authorize: s.fleet.Admit, Logger: s.log,
	})
	if err != nil {
		return err
	}
	host, port, err := net.SplitHostPort(s.broker.Addr())
	if err != nil {
		return err
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	s.url = "mqtts://" + net.JoinHostPort(host, port)
	return nil
}

// run serves until ctx ends or a part fails. Readers of the broker stop first, then whoever
// answers, then the broker; the store is the caller's.
func (s *server) run(ctx context.Context, c *command) error {
	defer s.stop(ctx)
	// From before the feeds are brought up to date: what is left from then on may have come too late for that.
	if err := s.store.View(ctx, func(v *store.View) (err error) { s.noticed, err = v.LastNotice(); return err }); err != nil {
		return err
	}
	site, err := s.pageServer(ctx, c.out)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.intake.Run(ctx) })
	group.Go(func() error { return s.sessions.Run(ctx, s.intake) })
	group.Go(func() error { return s.publisher.Run(ctx) })
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.due(ctx) })
	group.Go(func() error { return s.adjust.Run(ctx) })
	group.Go(func() error {
		return (&fleet.Door{Fleet: s.fleet, Logger: s.log}).Serve(ctx, s.nodes, s.cert)
	})
	group.Go(func() error { return site.Serve(ctx, s.pages) })
	if s.broker == nil {
		group.Go(func() error { s.probe(ctx); return nil })
	}
	if err := writeAddresses(s.cfg.DataDir, s.at); err != nil {
		return err
	}
	s.log.Info("hub is running", "version", version, "org", s.cfg.Org, "pages", s.at.Pages, "nodes", s.at.Nodes, "mqtt", s.at.MQTT)
	c.say("总部已启动。页面：%s  节点注册：%s  MQTT：%v\n", "hub is running. pages at %s, nodes enrol at %s, MQTT at %v\n", s.at.Pages, s.at.Nodes, s.at.MQTT)
	err = group.Wait()
	if errors.Is(err, context.Canceled) {
		err = nil // told to stop
	}
	s.log.Info("hub stops")
	return err
}

// stop ends what newServer started.
func (s *server) stop(ctx context.Context) {
	for _, l := range []net.Listener{s.nodes, s.pages} {
		if l != nil {
			_ = l.Close() // closed already when it was served
		}
	}
	if s.broker != nil {
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopLimit)
		defer cancel()
		if err := s.broker.Shutdown(limit); err != nil {
			s.log.Warn("broker did not stop in time", "err", err)
		}
	}
	if s.typeface != nil {
		_ = s.typeface.Close() // it was only read
	}
	_ = os.Remove(filepath.Join(s.cfg.DataDir, addressesFile)) // it may never have been written
}

// disconnect ends a node's connections, where the broker is our own. With a foreign one the
// intake refuses what the node still sends.
func (s *server) disconnect(node stock.NodeID) {
	if s.broker == nil {
		return
	}
	if err := s.broker.Disconnect(string(node)); err != nil {
		s.log.Error("node could not be disconnected", "node", node, "err", err)
	}
}

// probe tries a foreign broker and says what it found.
func (s *server) probe(ctx context.Context) {
	conf, err := intake.ClientTLS(s.ring, topic.Prober(), "", time.Now)
	if err == nil {
		var report broker.Report
		report, err = broker.Probe(ctx, broker.ProbeOptions{Broker: mqtt.Options{URL: s.url, TLS: conf, Logger: s.log}, Org: s.ring.Org})
		if err == nil {
			level := slog.LevelInfo
			if !report.Fit() {
				level = slog.LevelError
			}
			s.log.Log(ctx, level, "broker was tried", "fit", report.Fit(), "report", report)
			return
		}
	}
	if ctx.Err() == nil {
		s.log.Warn("broker could not be tried", "err", fmt.Errorf("%s: %w", s.url, err))
	}
}

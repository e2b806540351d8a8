package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"stockade/firmware-tools/simulate"
	"stockade/test/rig"
)

// setup is what to run.
type setup struct {
	Items     string    // CSV, see `hub item import`
	Locations string    // CSV, see `hub location import`
	Free      *int64    // rows that may be exported without an approval
	KeyRoles  []string  // roles that take passkeys alone
	Provider  *struct { // the company's identity provider, which the test starts with the certificate that it is answered
		Issuer, ClientID, Secret, ACR string
	}
	Nodes []struct {
		ID, Warehouse string
		Stations      []struct {
			Name, Label, Mode string
			Wedge             string // wedge_profile
			Printer, Closed   bool   // closed: its page wants a sign-in
			Badge             bool   // closed, and its page wants a badge
		}
	}
}

// world is what runs.
type world struct {
	dir      string
	rig      *rig.Rig
	hub      *rig.Hub
	relay    *rig.Relay
	edges    map[string]*rig.Edge
	order    []string
	stations map[string]*devices
	copies   []*rig.Edge // cloned nodes
}

// devices are what hangs on a station's serial ports.
type devices struct {
	scanner *simulate.Scanner
	printer *simulate.Printer
}

// place is a running program's pages and the code for the first sign-in.
type place struct {
	ID      string `json:"id"`
	Address string `json:"address"`
	Code    string `json:"code"`
}

type ready struct {
	Hub      place   `json:"hub"`
	Nodes    []place `json:"nodes"`
	Provider *pair   `json:"provider,omitempty"`
}

func (w *world) start(ctx context.Context, s setup) (r ready, err error) {
	if w.rig, err = rig.New(w.dir); err != nil {
		return r, err
	}
	var o *rig.OIDC
	if s.Provider != nil {
		o = &rig.OIDC{Issuer: s.Provider.Issuer, ClientID: s.Provider.ClientID, Secret: s.Provider.Secret, ACR: s.Provider.ACR}
		if r.Provider, o.CA, err = issue(s.Provider.Issuer); err != nil {
			return r, err
		}
	}
	if err := w.startHub(ctx, s, o); err != nil {
		return r, err
	}
	addresses, err := w.hub.Addresses()
	if err != nil {
		return r, err
	}
	r.Hub = place{ID: "hub", Address: addresses.Pages}
	if r.Hub.Code, err = code(ctx, w.hub.Process); err != nil {
		return r, err
	}
	for i := range s.Nodes {
		p, err := w.addNode(ctx, s, i)
		if err != nil {
			return r, err
		}
		r.Nodes = append(r.Nodes, p)
	}
	return r, nil
}

func (w *world) startHub(ctx context.Context, s setup, o *rig.OIDC) (err error) {
	if w.relay, err = rig.NewRelay(); err != nil {
		return err
	}
	own, err := rig.FreePort()
	if err != nil {
		return err
	}
	w.relay.Aim(own)
	if w.hub, err = w.rig.NewHub(ctx, rig.HubOptions{PublicMQTT: w.relay.Addr(), ListenMQTT: own, ExportFree: s.Free, PasskeyRoles: s.KeyRoles, OIDC: o}); err != nil {
		return err
	}
	if err := w.importCSV(ctx, "item", s.Items); err != nil {
		return err
	}
	if err := w.importCSV(ctx, "location", s.Locations); err != nil {
		return err
	}
	return w.hub.Start(ctx)
}

func (w *world) importCSV(ctx context.Context, kind, text string) error {
	path := filepath.Join(w.dir, kind+".csv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	_, err := w.hub.CLI(ctx, kind, "import", path)
	return err
}

func (w *world) addNode(ctx context.Context, s setup, i int) (p place, err error) {
	n := s.Nodes[i]
	o := rig.EdgeOptions{ID: n.ID, Warehouse: n.Warehouse}
	for _, st := range n.Stations {
		station := rig.Station{Name: st.Name, Label: st.Label, Mode: st.Mode, Repeat: "0s", IdleGap: "20ms", Closed: st.Closed || st.Badge, Badge: st.Badge, Wedge: st.Wedge}
		if err := w.plug(&station, st.Printer); err != nil {
			return p, err
		}
		o.Stations = append(o.Stations, station)
	}
	if o.Listen, err = rig.FreePort(); err != nil { // kept over a restart, as a browser expects
		return p, err
	}
	e, err := w.rig.NewEdge(o)
	if err != nil {
		return p, err
	}
	if err := e.Enrol(ctx, w.hub); err != nil {
		return p, err
	}
	w.edges[n.ID], w.order = e, append(w.order, n.ID)
	if p, err = w.startNode(ctx, n.ID); err != nil {
		return p, err
	}
	if p.Code, err = code(ctx, e.Process); err != nil {
		return p, err
	}
	items := int64(strings.Count(strings.TrimSpace(s.Items), "\n"))
	return p, rig.Until(ctx, "catalogue at "+n.ID, func() (bool, error) {
		status, err := e.Status(ctx)
		return status.Items >= items, err
	})
}

// plug gives a station its devices.
func (w *world) plug(s *rig.Station, printer bool) (err error) {
	d := &devices{}
	w.stations[s.Name] = d
	s.Scanner = filepath.Join(w.dir, s.Name+"-scanner")
	if d.scanner, err = simulate.NewScanner(s.Scanner); err != nil || !printer {
		return err
	}
	s.Printer = filepath.Join(w.dir, s.Name+"-printer")
	d.printer, err = simulate.NewPrinter(s.Printer, simulate.PrinterOptions{AnswerInError: true})
	return err
}

func (w *world) startNode(ctx context.Context, id string) (place, error) {
	e := w.edges[id]
	if e == nil {
		return place{}, fmt.Errorf("no node %q", id)
	}
	if err := e.Start(ctx); err != nil {
		return place{}, err
	}
	address, err := e.Pages()
	return place{ID: id, Address: address}, err
}

// code returns the one-time code that a program without accounts prints.
func code(ctx context.Context, p *rig.Process) (string, error) {
	line, err := p.Line(ctx, "one-time code")
	_, code, _ := strings.Cut(line, "one-time code: ")
	return strings.TrimSpace(code), err
}

// close stops everything.
func (w *world) close() error {
	var errs []error
	_, _ = w.unclone(context.Background(), command{})
	for _, id := range w.order {
		if p := w.edges[id].Process; p != nil && p.Running() {
			errs = append(errs, p.Stop())
		}
	}
	if w.hub != nil && w.hub.Process != nil && w.hub.Process.Running() {
		errs = append(errs, w.hub.Process.Stop())
	}
	for _, d := range w.stations {
		d.scanner.Close()
		if d.printer != nil {
			d.printer.Close()
		}
	}
	if w.relay != nil {
		w.relay.Close()
	}
	return errors.Join(errs...)
}

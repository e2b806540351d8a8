// Package smoke plays a file of scans through the real programs: two nodes and a hub, over
// pseudo-terminals and TLS, with the uplink cut in the middle and a node killed in the midst of
// scanning. At the end three pictures of the stock have to agree: the nodes', the hub's,
// and the player's own.
package smoke

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/firmware-tools/simulate"
	"stockade/protocol/change"
	"stockade/test/rig"
)

const receiving = "RECV"

// Options choose a run.
type Options struct {
	Scans  string                                                                      // the file
	Dir    string                                                                      // an empty folder
	Broker func(ctx context.Context, h *rig.Hub) (addr string, stop func(), err error) // a foreign broker; nil for the hub's own
	Log    io.Writer
}

// Result is what a run found; its JSON form is the last line of the smoke.
type Result struct {
	Scans          int    `json:"scans"`
	Accepted       int    `json:"accepted"`
	Refused        int    `json:"refused"`
	Movements      int    `json:"movements"`
	Exceptions     int    `json:"exceptions"`
	Batches        int64  `json:"batches"`
	Acknowledged   int64  `json:"acknowledged"`
	EdgeDigest     string `json:"edge_stock_digest"`
	HubDigest      string `json:"hub_stock_digest"`
	ExpectedDigest string `json:"expected_digest"`
	Leaves         int64  `json:"audit_leaves"`
	Verified       bool   `json:"audit_verified"`
	Lost           int    `json:"lost"`
	Duplicated     int    `json:"duplicated"`
}

// Good returns an error that says what is wrong with the run.
func (r Result) Good() error {
	var errs []error
	if r.EdgeDigest != r.HubDigest || r.HubDigest != r.ExpectedDigest {
		errs = append(errs, errors.New("the three pictures of the stock differ"))
	}
	if r.Batches != r.Acknowledged {
		errs = append(errs, fmt.Errorf("%d of %d batches are acknowledged", r.Acknowledged, r.Batches))
	}
	if r.Lost != 0 || r.Duplicated != 0 {
		errs = append(errs, fmt.Errorf("%d scans lost, %d doubled", r.Lost, r.Duplicated))
	}
	if !r.Verified {
		errs = append(errs, errors.New("the exported audit log does not verify"))
	}
	if r.Scans != r.Accepted+r.Refused {
		errs = append(errs, fmt.Errorf("%d scans are not %d accepted and %d refused", r.Scans, r.Accepted, r.Refused))
	}
	return errors.Join(errs...)
}

// run is one run.
type run struct {
	Options
	lines   [][]byte
	now     time.Time
	rig     *rig.Rig
	hub     *rig.Hub
	relay   *rig.Relay
	edges   []*rig.Edge
	players []*player
}

// Run plays the file.
func Run(ctx context.Context, o Options) (res Result, err error) {
	r := &run{Options: o, now: time.Now()}
	defer func() { err = errors.Join(err, r.stop(err == nil)) }()
	if r.lines, err = readLines(o.Scans); err != nil {
		return res, err
	}
	if r.rig, err = rig.New(o.Dir); err != nil {
		return res, err
	}
	if err := r.start(ctx); err != nil {
		return res, err
	}
	if err := r.play(ctx); err != nil {
		return res, err
	}
	for _, e := range r.edges {
		if err := e.Acknowledged(ctx); err != nil {
			return res, err
		}
	}
	return r.result(ctx)
}

func (r *run) say(format string, args ...any) { fmt.Fprintf(r.Log, format+"\n", args...) }

// start brings up hub and nodes, and puts every item code of the file into the catalogue.
func (r *run) start(ctx context.Context) error {
	var err error
	if r.relay, err = rig.NewRelay(); err != nil {
		return err
	}
	own, err := rig.FreePort()
	if err != nil {
		return err
	}
	r.relay.Aim(own)
	r.say("hub: making keys, store and audit log")
	options := rig.HubOptions{PublicMQTT: r.relay.Addr(), ListenMQTT: own}
	if r.hub, err = r.rig.NewHub(ctx, options); err != nil {
		return err
	}
	if err := r.hub.Start(ctx); err != nil {
		return err
	}
	for i, w := range []string{"SHA", "CTU"} {
		if err := r.addEdge(ctx, i, w); err != nil {
			return err
		}
	}
	return r.catalogue(ctx)
}

func (r *run) addEdge(ctx context.Context, i int, warehouse string) error {
	link := filepath.Join(r.rig.Dir, fmt.Sprintf("scanner-%d", i+1))
	scanner, err := simulate.NewScanner(link)
	if err != nil {
		return err
	}
	station := rig.Station{Name: fmt.Sprintf("dock-%d", i+1), Label: "收货口", Scanner: link, Mode: "receive", Repeat: "0s", IdleGap: "20ms"}
	edge, err := r.rig.NewEdge(rig.EdgeOptions{ID: fmt.Sprintf("edge-%d", i+1), Warehouse: warehouse, Stations: []rig.Station{station}})
	if err != nil {
		return err
	}
	if _, err := r.hub.CLI(ctx, "location", "add", warehouse+"/"+receiving, "--name", "收货区", "--use", "receiving"); err != nil {
		return err
	}
	if err := edge.Enrol(ctx, r.hub); err != nil {
		return err
	}
	if err := edge.Start(ctx); err != nil {
		return err
	}
	p := &player{edge: edge, station: station.Name, scanner: scanner, judge: newJudge(warehouse), now: r.now, movements: map[string]bool{}}
	r.edges, r.players = append(r.edges, edge), append(r.players, p)
	return p.attach(ctx)
}

func (r *run) catalogue(ctx context.Context) error {
	path := filepath.Join(r.rig.Dir, "items.csv")
	f, err := os.Create(path) // #nosec G304 -- in the run's own folder
	if err != nil {
		return err
	}
	n, err := catalogue(f, r.lines, r.now)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if _, err := r.hub.CLI(ctx, "item", "import", path); err != nil {
		return err
	}
	r.say("catalogue: %d items on their way to the nodes", n)
	for _, e := range r.edges {
		if err := rig.Until(ctx, "catalogue at "+e.Options.ID, func() (bool, error) {
			s, err := e.Status(ctx)
			return s.Items >= int64(n), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// play plays odd lines on the first edge and even ones on the second. In the middle the uplink is
// cut; while it is cut the first edge is killed in the midst of a scan.
func (r *run) play(ctx context.Context) error {
	var parts [2][][]byte
	for i, l := range r.lines {
		parts[i%2] = append(parts[i%2], l)
	}
	r.say("playing %d lines on two nodes", len(r.lines))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.playFirst(ctx, parts[0]) })
	group.Go(func() error {
		for _, l := range parts[1] {
			if err := r.players[1].play(ctx, l); err != nil {
				return fmt.Errorf("%s: %w", r.players[1].station, err)
			}
		}
		return nil
	})
	return group.Wait()
}

func (r *run) playFirst(ctx context.Context, lines [][]byte) error {
	p := r.players[0]
	cut, kill, mend := len(lines)/2, len(lines)*6/10, len(lines)*8/10
	for i, l := range lines {
		if i == cut {
			r.say("uplink cut")
			r.relay.Cut()
		}
		var err error
		if i == kill {
			r.say("%s killed in the midst of a scan", p.edge.Options.ID)
			err = p.killDuring(ctx, l)
		} else {
			err = p.play(ctx, l)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.station, err)
		}
		if i == mend {
			r.say("uplink mended")
			r.relay.Mend()
		}
	}
	r.relay.Mend() // a file of a few lines may not have come that far
	return nil
}

// result compares the pictures.
func (r *run) result(ctx context.Context) (Result, error) {
	var res Result
	var edge, expected []row
	named := map[string]int{}
	for i, p := range r.players {
		res.Scans += p.scans
		res.Accepted += p.accepted
		res.Refused += p.refused
		expected = append(expected, p.judge.rows()...)
		for m := range p.movements {
			named[m] = 0
		}
		var list struct{ Rows []row }
		if err := r.edges[i].JSON(ctx, &list, "stock", "--json"); err != nil {
			return res, err
		}
		edge = append(edge, list.Rows...)
		status, err := r.edges[i].Status(ctx)
		if err != nil {
			return res, err
		}
		res.Batches += status.Batches
		res.Acknowledged += status.AckedBatches
	}
	var list struct{ Rows []row }
	if err := r.hub.JSON(ctx, &list, "stock", "--json"); err != nil {
		return res, err
	}
	res.EdgeDigest, res.HubDigest, res.ExpectedDigest = digest(edge), digest(list.Rows), digest(expected)
	var exceptions []json.RawMessage
	if err := r.hub.JSON(ctx, &exceptions, "exceptions", "--json"); err != nil {
		return res, err
	}
	res.Exceptions = len(exceptions)
	return res, r.audit(ctx, &res, named)
}

// audit exports the log, has it verified offline, and looks for every confirmed movement in
// the exported batches.
func (r *run) audit(ctx context.Context, res *Result, named map[string]int) error {
	export, trust := filepath.Join(r.rig.Dir, "export"), filepath.Join(r.rig.Dir, "trust")
	if _, err := r.hub.CLI(ctx, "audit", "export", export); err != nil {
		return err
	}
	keys, err := r.hub.CLI(ctx, "trust")
	if err != nil {
		return err
	}
	if err := os.WriteFile(trust, keys, 0o600); err != nil {
		return err
	}
	_, err = rig.Run(ctx, r.rig.Program("fw"), "audit", "verify", export, "--trust", trust)
	if res.Verified = err == nil; err != nil {
		r.say("%v", err)
	}
	if res.Leaves, err = rig.ExportLeaves(export); err != nil {
		return err
	}
	err = rig.ExportChanges(export, func(id string, c change.Change) {
		if c.Kind != change.KindMovement {
			return
		}
		res.Movements++
		if n, ok := named[id]; !ok || n > 0 {
			res.Duplicated++
		}
		named[id]++
	})
	for _, n := range named {
		if n == 0 {
			res.Lost++
		}
	}
	return err
}

// stop ends everything. After a good run every program has to end well.
func (r *run) stop(good bool) error {
	var errs []error
	for i, p := range r.players {
		p.detach()
		errs = append(errs, r.edges[i].Process.Stop())
		p.scanner.Close()
	}
	if r.hub != nil && r.hub.Process != nil {
		errs = append(errs, r.hub.Process.Stop())
	}
	if r.relay != nil {
		r.relay.Close()
	}
	if !good {
		return nil // the first error is the one that counts
	}
	return errors.Join(errs...)
}

// Package play starts a hub and nodes from the real programs, plays scans on them over
// pseudo-terminals, and judges by its own record what became of each.
package play

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/test/rig"
)

// Options describe a site. Dir is needed.
type Options struct {
	Dir        string                 // an empty folder
	Warehouses []string               // of edge-1, edge-2, …; SHA and CTU when there are none
	Mosquitto  bool                   // Debian's broker in place of the hub's own
	IdleGap    time.Duration          // of the scanners; defaultGap when 0
	Change     func(*rig.EdgeOptions) // of a node before it is made; may be nil
	Log        io.Writer
}

// defaultGap ends a scan soon, because lines are waited for one after the other.
const defaultGap = 20 * time.Millisecond

// Site is a hub and its nodes with a scanner and a player each.
type Site struct {
	Rig     *rig.Rig
	Hub     *rig.Hub
	Broker  *rig.Mosquitto // nil for the hub's own
	Relays  []*rig.Relay   // between each node and the broker
	Edges   []*rig.Edge
	Players []*Player

	o       Options
	now     time.Time
	items   Items
	scanner []*simulate.Scanner
}

// NewSite brings up hub, broker and nodes. The error of one that does not come up says what its programs said.
func NewSite(ctx context.Context, o Options) (*Site, error) {
	if len(o.Warehouses) == 0 {
		o.Warehouses = []string{"SHA", "CTU"}
	}
	if o.IdleGap == 0 {
		o.IdleGap = defaultGap
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	s := &Site{o: o, now: time.Now(), items: Items{}}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, fmt.Errorf("%w\n%s", err, s.Logs())
	}
	return s, nil
}

func (s *Site) start(ctx context.Context) error {
	var err error
	if s.Rig, err = rig.New(s.o.Dir); err != nil {
		return err
	}
	addr, err := rig.FreePort()
	if err != nil {
		return err
	}
	if err := s.startHub(ctx, addr); err != nil {
		return err
	}
	for i, w := range s.o.Warehouses {
		if err := s.addEdge(ctx, i, w, addr); err != nil {
			return err
		}
	}
	return nil
}

// Say tells whoever watches what happens.
func (s *Site) Say(format string, args ...any) { fmt.Fprintf(s.o.Log, format+"\n", args...) }

func (s *Site) startHub(ctx context.Context, addr string) error {
	s.Say("hub: making keys, store and audit log")
	options := rig.HubOptions{ListenMQTT: addr}
	if s.o.Mosquitto {
		options = rig.HubOptions{Broker: "mqtts://" + addr}
	}
	var err error
	if s.Hub, err = s.Rig.NewHub(ctx, options); err != nil {
		return err
	}
	if s.o.Mosquitto {
		s.Say("broker: mosquitto, as deploy/broker says")
		if s.Broker, err = s.Rig.NewMosquitto(ctx, s.Hub, addr); err != nil {
			return err
		}
		if err := s.Broker.Start(ctx); err != nil {
			return err
		}
	}
	return s.Hub.Start(ctx)
}

func (s *Site) addEdge(ctx context.Context, i int, warehouse, broker string) error {
	relay, err := rig.NewRelay()
	if err != nil {
		return err
	}
	s.Relays = append(s.Relays, relay)
	relay.Aim(broker)
	name := fmt.Sprintf("edge-%d", i+1)
	station := rig.Station{Name: fmt.Sprintf("dock-%d", i+1), Label: "收货口", Mode: "receive", Repeat: "0s"}
	o := rig.EdgeOptions{ID: name, Warehouse: warehouse, Broker: relay.Addr(), Stations: []rig.Station{station}}
	if _, err := s.Hub.CLI(ctx, "location", "add", warehouse+"/"+receiving, "--name", "收货区", "--use", "receiving"); err != nil {
		return err
	}
	edge, p, err := s.place(o)
	if err != nil {
		return err
	}
	s.Edges, s.Players = append(s.Edges, edge), append(s.Players, p)
	if err := edge.Enrol(ctx, s.Hub); err != nil {
		return err
	}
	if err := edge.Start(ctx); err != nil {
		return err
	}
	return p.Attach(ctx)
}

// place makes a machine with a scanner and a player.
func (s *Site) place(o rig.EdgeOptions) (*rig.Edge, *Player, error) {
	link := filepath.Join(s.Rig.Dir, "scanner-"+o.ID)
	scanner, err := simulate.NewScanner(link)
	if err != nil {
		return nil, nil, err
	}
	s.scanner = append(s.scanner, scanner)
	o.Stations[0].Scanner, o.Stations[0].IdleGap = link, s.o.IdleGap.String()
	if s.o.Change != nil {
		s.o.Change(&o)
	}
	edge, err := s.Rig.NewEdge(o)
	if err != nil {
		return nil, nil, err
	}
	return edge, &Player{Edge: edge, station: o.Stations[0].Name, scanner: scanner, judge: newJudge(o.Warehouse), now: s.now}, nil
}

// Double copies the data folder and key of a node that is not running to a second machine with a
// scanner and a player of its own, which knows what the first one had confirmed so far.
func (s *Site) Double(ctx context.Context, i int) (*rig.Edge, *Player, error) {
	was, player := s.Edges[i], s.Players[i]
	o := was.Options
	o.ID += "-copy"
	o.Stations = append([]rig.Station{}, o.Stations...)
	edge, p, err := s.place(o)
	if err != nil {
		return nil, nil, err
	}
	p.told, p.judge = slices.Clone(player.told), player.judge.clone()
	if err := rig.Copy(ctx, was.Data(), edge.Data()); err != nil {
		return nil, nil, err
	}
	if err := rig.Copy(ctx, was.KeyFile(), edge.KeyFile()); err != nil {
		return nil, nil, err
	}
	return edge, p, nil
}

// Catalogue puts every item code in lines into the catalogue and waits until the nodes have it.
func (s *Site) Catalogue(ctx context.Context, lines [][]byte) error {
	s.items = Collect(lines, s.now)
	path := filepath.Join(s.Rig.Dir, "items.csv")
	f, err := os.Create(path) // #nosec G304 -- in the site's own folder
	if err != nil {
		return err
	}
	if err := errors.Join(s.items.WriteCSV(f), f.Close()); err != nil {
		return err
	}
	if _, err := s.Hub.CLI(ctx, "item", "import", path); err != nil {
		return err
	}
	s.Say("catalogue: %d items on their way to the nodes", len(s.items))
	for _, e := range s.Edges {
		if err := rig.Until(ctx, "catalogue at "+e.Options.ID, func() (bool, error) {
			st, err := e.Status(ctx)
			return st.Items >= int64(len(s.items)), err
		}); err != nil {
			return err
		}
	}
	return nil
}

// Cut drops all lines between nodes and broker; Mend lets them through again.
func (s *Site) Cut() {
	for _, r := range s.Relays {
		r.Cut()
	}
}

// Mend lets connections through again.
func (s *Site) Mend() {
	for _, r := range s.Relays {
		r.Mend()
	}
}

// Quiet waits until the hub has acknowledged everything that the nodes have.
func (s *Site) Quiet(ctx context.Context) error {
	for _, e := range s.Edges {
		if err := e.Acknowledged(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Stop asks every program to end and says which did not end well.
func (s *Site) Stop() error {
	var errs []error
	for _, p := range s.Players {
		p.Detach()
	}
	for _, e := range s.Edges {
		errs = append(errs, e.Process.Stop())
	}
	errs = append(errs, s.Hub.Process.Stop())
	if s.Broker != nil {
		errs = append(errs, s.Broker.Process.Stop())
	}
	return errors.Join(errs...)
}

// Close ends what is left of the site, without asking.
func (s *Site) Close() {
	for _, p := range s.Players {
		p.Detach()
	}
	if s.Rig != nil {
		s.Rig.Close()
	}
	for _, sc := range s.scanner {
		sc.Close()
	}
	for _, r := range s.Relays {
		r.Close()
	}
}

// Logs returns the ends of what the programs have printed, for a test that failed.
func (s *Site) Logs() string {
	if s.Rig == nil {
		return ""
	}
	files, _ := filepath.Glob(filepath.Join(s.Rig.Dir, "*.log")) // fails only for a bad pattern
	var out strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f) // #nosec G304 -- found above
		if err != nil {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		fmt.Fprintf(&out, "--- %s\n%s\n", filepath.Base(f), strings.Join(lines[max(0, len(lines)-logLines):], "\n"))
	}
	return out.String()
}

const logLines = 60

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/symbol"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/test/play"
	"stockade/test/rig"
)

// command is what a line asks for. Do chooses which fields count.
type command struct {
	Do      string   // one of commands
	Station string   // scan, device
	Raw     []byte   // scan: base64 of the bytes that the scanner sends
	Device  string   // device: "paper", "ribbon", "head", "fast", "scanner" or "printer"
	Good    bool     // device: there, closed, fast, plugged in; line: mended
	Node    string   // stop, start, clone, edge, template, heard, idle
	Args    []string // hub, edge: a command with its arguments; template: an id; heard: what a badge says, or an account
	Kind    string   // symbol: one of symbol.Kinds
	Message string   // symbol: what it says
}

type answer struct {
	Error   string `json:"error,omitempty"`
	Output  string `json:"output,omitempty"`
	Address string `json:"address,omitempty"`
	Labels  int    `json:"labels,omitempty"`
	Symbol  *grid  `json:"symbol,omitempty"`
}

var commands = map[string]func(*world, context.Context, command) (answer, error){
	"scan":     (*world).scan,
	"device":   (*world).device,
	"labels":   (*world).labels,
	"template": (*world).template,
	"line":     (*world).line,
	"hub":      (*world).hubCLI,
	"edge":     (*world).edgeCLI,
	"stop":     (*world).stopNode,
	"start": func(w *world, ctx context.Context, c command) (answer, error) {
		p, err := w.startNode(ctx, c.Node)
		return answer{Address: p.Address}, err
	},
	"clone":   (*world).clone,
	"unclone": (*world).unclone,
	"symbol":  (*world).symbol,
	"stale":   (*world).stale,
	"heard":   (*world).heard,
	"expire":  (*world).expire,
	"idle":    (*world).idle,
}

// answer carries out a line.
func (w *world) answer(ctx context.Context, line []byte) answer {
	var c command
	err := json.Unmarshal(line, &c)
	if err != nil {
		return answer{Error: err.Error()}
	}
	do := commands[c.Do]
	if do == nil {
		return answer{Error: fmt.Sprintf("no command %q", c.Do)}
	}
	a, err := do(w, ctx, c)
	if err != nil {
		a.Error = err.Error()
	}
	return a
}

// grid is a barcode in modules: a text of 0 and 1 for each row, without quiet zone.
type grid struct {
	Rows   []string `json:"rows"`
	Linear bool     `json:"linear"`
	Quiet  int      `json:"quiet"`
}

func (w *world) symbol(_ context.Context, c command) (answer, error) {
	s, err := symbol.Make(symbol.Kind(c.Kind), c.Message)
	if err != nil {
		return answer{}, err
	}
	g := &grid{Linear: s.Kind.Linear(), Quiet: s.Quiet}
	for y := range s.Height {
		row := bytes.Repeat([]byte("0"), s.Width)
		for x := range s.Width {
			if s.Dark(x, y) {
				row[x] = '1'
			}
		}
		g.Rows = append(g.Rows, string(row))
	}
	return answer{Symbol: g}, nil
}

// stale makes it ten minutes since anybody signed in at the hub gave a factor: what needs a fresh one asks again.
func (w *world) stale(ctx context.Context, _ command) (answer, error) {
	return w.inHub(ctx, `UPDATE session SET fresh_at = fresh_at - 600000`)
}

// expire brings the end of every permission for a time to this moment, as if it had been asked for until then.
func (w *world) expire(ctx context.Context, _ command) (answer, error) {
	return w.inHub(ctx, `UPDATE temporary_grant SET until_at = ?1`, time.Now().UnixMilli())
}

// idle makes it fourteen minutes since anybody signed in at a node did anything.
func (w *world) idle(ctx context.Context, c command) (answer, error) {
	e := w.edges[c.Node]
	if e == nil {
		return answer{}, fmt.Errorf("no node %q", c.Node)
	}
	return answer{}, play.WithStore(ctx, e, func(s *store.Store) error {
		return s.Vault().Update(ctx, func(tx *vault.Tx) error {
			_, err := tx.Exec(`UPDATE session SET used_at = used_at - 840000`)
			return err
		})
	})
}

// inHub changes the hub's store beside the running hub.
func (w *world) inHub(ctx context.Context, statement string, args ...any) (a answer, err error) {
	key, err := vault.LoadKeyFile(w.hub.KeyFile(), w.hub.Data())
	if err != nil {
		return answer{}, err
	}
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(w.hub.Data(), "hub.db"), Key: key})
	if err != nil {
		return answer{}, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return answer{}, v.Update(ctx, func(tx *vault.Tx) error {
		_, err := tx.Exec(statement, args...)
		return err
	})
}

// heard waits until a node has heard of a badge, told by what it says, and of its person's PIN; or of the second factor of an account.
func (w *world) heard(ctx context.Context, c command) (answer, error) {
	e := w.edges[c.Node]
	if e == nil || len(c.Args) != 1 {
		return answer{}, fmt.Errorf("no node %q, or want what a badge says, or an account", c.Node)
	}
	return answer{}, rig.Until(ctx, "the badge or factor at "+c.Node, func() (known bool, err error) {
		err = play.WithStore(ctx, e, func(s *store.Store) error {
			people, err := identity.Open(ctx, s.Vault(), identity.Options{Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
			if err != nil {
				return err
			}
			if !strings.HasPrefix(c.Args[0], identity.BadgePrefix) {
				list, _, err := people.Factors(ctx, identity.Person{Account: c.Args[0]})
				known = len(list) > 0
				return err
			}
			_, err = people.ReadBadge(ctx, c.Args[0])
			if known = err == nil; errors.Is(err, identity.ErrBadge) || errors.Is(err, identity.ErrNoPIN) {
				return nil
			}
			return err
		})
		return known, err
	})
}

// unclone switches all copies off.
func (w *world) unclone(context.Context, command) (answer, error) {
	for _, c := range w.copies {
		c.Process.Kill()
	}
	w.copies = nil
	return answer{}, nil
}

func (w *world) at(station string) (*devices, error) {
	d := w.stations[station]
	if d == nil {
		return nil, fmt.Errorf("no station %q", station)
	}
	return d, nil
}

func (w *world) scan(_ context.Context, c command) (answer, error) {
	d, err := w.at(c.Station)
	if err != nil {
		return answer{}, err
	}
	return answer{}, d.scanner.Send(c.Raw)
}

func (w *world) device(_ context.Context, c command) (answer, error) {
	d, err := w.at(c.Station)
	if err != nil {
		return answer{}, err
	}
	switch c.Device {
	case "scanner":
		if c.Good {
			return answer{}, d.scanner.Replug()
		}
		d.scanner.Unplug()
		return answer{}, nil
	}
	if d.printer == nil {
		return answer{}, fmt.Errorf("station %s has no printer", c.Station)
	}
	switch c.Device {
	case "paper":
		d.printer.SetPaper(c.Good)
	case "ribbon":
		d.printer.SetRibbon(c.Good)
	case "head":
		d.printer.SetHead(c.Good)
	case "fast":
		speed := 0 // as fast as bytes come
		if !c.Good {
			speed = crawl
		}
		d.printer.SetSpeed(speed)
	case "printer":
		if c.Good {
			return answer{}, d.printer.Replug()
		}
		d.printer.Unplug()
	default:
		return answer{}, fmt.Errorf("no device %q", c.Device)
	}
	return answer{}, nil
}

// crawl is how slow a printer takes bytes that is not fast: a label is on its way for as long as a test needs.
const crawl = 50 // a second

func (w *world) labels(_ context.Context, c command) (answer, error) {
	d, err := w.at(c.Station)
	if err != nil || d.printer == nil {
		return answer{}, errors.Join(err, errors.New("no printer"))
	}
	return answer{Labels: len(d.printer.Labels())}, nil
}

// template returns a label template as a node has it, as JSON; nothing when it has none.
func (w *world) template(ctx context.Context, c command) (a answer, err error) {
	e := w.edges[c.Node]
	if e == nil || len(c.Args) != 1 {
		return answer{}, fmt.Errorf("no node %q, or no template is named", c.Node)
	}
	err = play.WithStore(ctx, e, func(s *store.Store) error {
		return s.View(ctx, func(tx *store.Tx) error {
			t, err := tx.LabelTemplate(c.Args[0])
			if errors.Is(err, store.ErrNotFound) {
				return nil
			}
			b, err2 := t.JSON()
			a.Output = string(b)
			return errors.Join(err, err2)
		})
	})
	return a, err
}

func (w *world) line(_ context.Context, c command) (answer, error) {
	if c.Good {
		w.relay.Mend()
	} else {
		w.relay.Cut()
	}
	return answer{}, nil
}

func (w *world) hubCLI(ctx context.Context, c command) (answer, error) {
	out, err := w.hub.CLI(ctx, c.Args...)
	return answer{Output: string(out)}, err
}

func (w *world) edgeCLI(ctx context.Context, c command) (answer, error) {
	e := w.edges[c.Node]
	if e == nil {
		return answer{}, fmt.Errorf("no node %q", c.Node)
	}
	out, err := e.CLI(ctx, c.Args...)
	return answer{Output: string(out)}, err
}

func (w *world) stopNode(_ context.Context, c command) (answer, error) {
	e := w.edges[c.Node]
	if e == nil {
		return answer{}, fmt.Errorf("no node %q", c.Node)
	}
	return answer{}, e.Process.Stop()
}

// clone starts a copy of a stopped node's card, as if a second machine had it. Its station page
// takes scans from the keyboard.
func (w *world) clone(ctx context.Context, c command) (answer, error) {
	e := w.edges[c.Node]
	if e == nil || e.Process.Running() {
		return answer{}, fmt.Errorf("node %q does not exist or runs", c.Node)
	}
	elsewhere, err := rig.New(filepath.Join(w.dir, fmt.Sprintf("copy-%d", len(w.copies)+1)))
	if err != nil {
		return answer{}, err
	}
	o := e.Options
	o.Listen, o.Stations = "", nil
	for _, s := range e.Options.Stations {
		s.Scanner, s.Printer = filepath.Join(elsewhere.Dir, "no-scanner"), ""
		o.Stations = append(o.Stations, s)
	}
	twin, err := elsewhere.NewEdge(o)
	if err != nil {
		return answer{}, err
	}
	if err := errors.Join(rig.Copy(ctx, e.Data()+".key", twin.Data()+".key"), rig.Copy(ctx, e.Data(), twin.Data())); err != nil {
		return answer{}, err
	}
	if err := twin.Start(ctx); err != nil {
		return answer{}, err
	}
	w.copies = append(w.copies, twin)
	address, err := twin.Pages()
	return answer{Address: address}, err
}

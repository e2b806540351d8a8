package rig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Rig is a folder with programs running in it.
type Rig struct {
	Dir string
	Bin string // folder of the programs

	mu      sync.Mutex
	started []*Process
}

// New makes a rig in a folder, which is made when it is missing.
func New(dir string) (*Rig, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	r := &Rig{Dir: dir, Bin: filepath.Join(root, "build", "bin")}
	for _, name := range []string{"hub", "edge", "fw"} {
		if _, err := os.Stat(Noticed(root, "build", "bin", name)); err != nil {
			return nil, fmt.Errorf("%w: run make build first", err)
		}
	}
	return r, os.MkdirAll(dir, 0o700)
}

// Root returns the project's folder.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("not inside the project: no go.work above")
}

// Noticed names a file of the project by way of the tests' module: go test repeats a result from its cache
// until a file that the test has looked at changes, but minds only files of the test's own module.
func Noticed(root string, path ...string) string {
	return filepath.Join(root, "test") + "/../" + filepath.Join(path...)
}

// Program returns the path of one of our programs.
func (r *Rig) Program(name string) string { return filepath.Join(r.Bin, name) }

// start runs a program that Close ends if nobody else does.
func (r *Rig) start(name, program string, args ...string) (*Process, error) {
	p, err := Start(r.Dir, name, program, args...)
	if err == nil {
		r.mu.Lock()
		r.started = append(r.started, p)
		r.mu.Unlock()
	}
	return p, err
}

// Close kills whatever is still running.
func (r *Rig) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.started {
		p.Kill()
	}
}

// hubOrg is the organisation of every rig.
const hubOrg = "demo"

// Hub is a headquarters.
type Hub struct {
	rig    *Rig
	config string
	data   string
	slot
}

// HubOptions choose what a hub does otherwise than by default.
type HubOptions struct {
	PublicMQTT string // where nodes find the broker, host:port; a relay, say
	ListenMQTT string // where the hub's own broker listens; a free port when empty
	Broker     string // a foreign broker, mqtts://host:port
	Listen     string // of the pages; a free port when empty

	ListenNodes string // where nodes enrol; a free port when empty
	ExportFree  *int64 // rows that may be exported without an approval; the hub's own default when nil
	OIDC        *OIDC  // the company's identity provider; nil for none

	PasskeyRoles []string // roles that take passkeys alone
}

// NewHub writes a hub's configuration and makes its data unless there are any.
func (r *Rig) NewHub(ctx context.Context, o HubOptions) (*Hub, error) {
	h := &Hub{rig: r, config: filepath.Join(r.Dir, "hub.toml"), data: filepath.Join(r.Dir, "hub")}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.ListenNodes == "" {
		o.ListenNodes = "127.0.0.1:0"
	}
	text := fmt.Sprintf("org = %q\ndata_dir = %q\nkey_file = %q\nnames = [\"localhost\", \"127.0.0.1\"]\npasskey_domain = \"localhost\"\ngs1_prefix = \"6910420\"\n[pages]\nlisten = %q\n[nodes]\nlisten = %q\n[mqtt]\n",
		hubOrg, h.data, h.KeyFile(), o.Listen, o.ListenNodes)
	if len(o.PasskeyRoles) > 0 {
		text = strings.Replace(text, "[pages]", fmt.Sprintf("passkey_roles = [\"%s\"]\n[pages]", strings.Join(o.PasskeyRoles, `", "`)), 1)
	}
	if o.OIDC != nil {
		table, err := o.OIDC.table(r.Dir)
		if err != nil {
			return nil, err
		}
		text = strings.Replace(text, "[pages]", table+"[pages]", 1)
	}
	if o.ExportFree != nil { // before the table that the text ends with
		text = strings.Replace(text, "[pages]", fmt.Sprintf("[exports]\nrows_without_approval = %d\n[pages]", *o.ExportFree), 1)
	}
	if o.Broker != "" {
		text += fmt.Sprintf("broker = %q\n", o.Broker)
	} else {
		if o.ListenMQTT == "" {
			o.ListenMQTT = "127.0.0.1:0"
		}
		text += fmt.Sprintf("listen = %q\n", o.ListenMQTT)
	}
	if o.PublicMQTT != "" {
		text += fmt.Sprintf("public = [\"mqtts://%s\"]\n", o.PublicMQTT)
	}
	if err := os.WriteFile(h.config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	if _, err := os.Stat(filepath.Join(h.data, "hub.db")); err == nil {
		return h, nil
	}
	_, err := h.CLI(ctx, "init", "--root-key", h.RootKey())
	return h, err
}

// RootKey returns the file of the offline root key.
func (h *Hub) RootKey() string { return filepath.Join(h.rig.Dir, "root.key") }

// Data returns the hub's data folder.
func (h *Hub) Data() string { return h.data }

// KeyFile returns the file with the key of the hub's store.
func (h *Hub) KeyFile() string { return filepath.Join(h.rig.Dir, "hub.key") }

// CLI runs a command of the hub.
func (h *Hub) CLI(ctx context.Context, args ...string) ([]byte, error) {
	return Run(ctx, h.rig.Program("hub"), append(args, "--config", h.config)...)
}

// JSON runs a command of the hub and reads what it prints.
func (h *Hub) JSON(ctx context.Context, v any, args ...string) error {
	b, err := h.CLI(ctx, args...)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("hub %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Start runs the hub and waits until it serves.
func (h *Hub) Start(ctx context.Context) error {
	_ = os.Remove(h.addressFile())
	p, err := h.rig.start("hub", h.rig.Program("hub"), "serve", "--config", h.config)
	if err != nil {
		return err
	}
	h.put(p)
	return p.Until(ctx, "to serve", func() (bool, error) {
		_, err := os.Stat(h.addressFile())
		return err == nil, nil
	})
}

func (h *Hub) addressFile() string { return filepath.Join(h.data, "addresses.json") }

// Addresses are where a hub is reached.
type Addresses struct {
	Pages string   `json:"pages"`
	MQTT  []string `json:"mqtt"`
}

// Addresses reads where the running hub is reached.
func (h *Hub) Addresses() (Addresses, error) {
	var a Addresses
	b, err := os.ReadFile(h.addressFile())
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(b, &a)
}

// EdgeOptions describe a node.
type EdgeOptions struct {
	ID        string
	Warehouse string
	Listen    string // of the pages; a free port when empty
	Broker    string // host:port in place of the one that the hub names; a relay, say
	Program   string // another build of the node's program
	Stations  []Station
}

// Station is a scanning place of a node.
type Station struct {
	Name     string
	Label    string
	Scanner  string // link of its port
	Printer  string // link of its port; empty for none
	Language string // of the printer; ZPL when empty
	Profile  string
	Mode     string
	Repeat   string // such as "0s"
	IdleGap  string // such as "20ms"
	Closed   bool   // its page wants a sign-in
	Badge    bool   // its page wants a badge
	Wedge    string // wedge_profile
}

// Edge is a node.
type Edge struct {
	rig     *Rig
	Options EdgeOptions
	config  string
	data    string
	slot
}

// NewEdge writes a node's configuration. Enrol makes a node of it.
func (r *Rig) NewEdge(o EdgeOptions) (*Edge, error) {
	e := &Edge{rig: r, Options: o, config: filepath.Join(r.Dir, o.ID+".toml"), data: filepath.Join(r.Dir, o.ID)}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	text := fmt.Sprintf("data_dir = %q\nkey_file = %q\nlisten = %q\nnames = [\"localhost\", \"127.0.0.1\"]\npasskey_domain = \"localhost\"\n", e.data, e.KeyFile(), o.Listen)
	if o.Broker != "" {
		text += fmt.Sprintf("broker = \"mqtts://%s\"\n", o.Broker)
	}
	for _, s := range o.Stations {
		text += fmt.Sprintf("[[devices]]\nname = %q\nkind = \"scanner\"\npath = %q\nprofile = %q\n", s.Name+"-scanner", s.Scanner, s.Profile)
		if s.IdleGap != "" {
			text += fmt.Sprintf("idle_gap = %q\n", s.IdleGap)
		}
		printer := ""
		if s.Printer != "" {
			printer = s.Name + "-printer"
			text += fmt.Sprintf("[[devices]]\nname = %q\nkind = \"printer\"\npath = %q\nlanguage = %q\n", printer, s.Printer, s.Language)
		}
		text += fmt.Sprintf("[[stations]]\nname = %q\nlabel = %q\nscanner = %q\nprinter = %q\nmode = %q\nopen = %t\nbadge = %t\nwedge_profile = %q\n", s.Name, s.Label, s.Name+"-scanner", printer, s.Mode, !s.Closed, s.Badge, s.Wedge)
		if s.Repeat != "" {
			text += fmt.Sprintf("repeat = %q\n", s.Repeat)
		}
	}
	return e, os.WriteFile(e.config, []byte(text), 0o600)
}

// Data returns the node's data folder.
func (e *Edge) Data() string { return e.data }

// KeyFile returns the file with the key of the node's store.
func (e *Edge) KeyFile() string { return filepath.Join(e.rig.Dir, e.Options.ID+".key") }

// Enrolled reports whether the node has data already.
func (e *Edge) Enrolled() bool {
	_, err := os.Stat(filepath.Join(e.data, "node.db"))
	return err == nil
}

// Enrol gets a token from the hub and makes a node of the machine.
func (e *Edge) Enrol(ctx context.Context, h *Hub, args ...string) error {
	token, err := h.CLI(ctx, append([]string{"node", "add", e.Options.ID, "--warehouse", e.Options.Warehouse}, args...)...)
	if err != nil {
		return err
	}
	_, err = e.CLI(ctx, "enrol", "--token", strings.TrimSpace(string(token)))
	return err
}

// CLI runs a command of the node.
func (e *Edge) CLI(ctx context.Context, args ...string) ([]byte, error) {
	return Run(ctx, e.program(), append(args, "--config", e.config)...)
}

func (e *Edge) program() string {
	if e.Options.Program != "" {
		return e.Options.Program
	}
	return e.rig.Program("edge")
}

// JSON runs a command of the node and reads what it prints.
func (e *Edge) JSON(ctx context.Context, v any, args ...string) error {
	b, err := e.CLI(ctx, args...)
	if err != nil {
		return err
	}
	return json.Unmarshal(b, v)
}

// Start runs the node and waits until it serves.
func (e *Edge) Start(ctx context.Context) error {
	_ = os.Remove(e.addressFile())
	p, err := e.rig.start(e.Options.ID, e.program(), "serve", "--config", e.config)
	if err != nil {
		return err
	}
	e.put(p)
	return p.Until(ctx, "to serve", func() (bool, error) {
		_, err := os.Stat(e.addressFile())
		return err == nil, nil
	})
}

func (e *Edge) addressFile() string { return filepath.Join(e.data, "addresses.json") }

// Pages returns the address of the running node's pages.
func (e *Edge) Pages() (string, error) {
	var a Addresses
	b, err := os.ReadFile(e.addressFile())
	if err != nil {
		return "", err
	}
	return a.Pages, json.Unmarshal(b, &a)
}

// Status is what `edge status` prints.
type Status struct {
	Node         string `json:"node"`
	Epoch        uint64 `json:"epoch"`
	Changes      int64  `json:"changes"`
	Cut          int64  `json:"cut"`
	Acknowledged int64  `json:"acknowledged"`
	Batches      int64  `json:"batches"`
	AckedBatches int64  `json:"acknowledged_batches"`
	Items        int64  `json:"items"`
	Movements    int64  `json:"movements"`
	Accepted     int64  `json:"accepted"`
	Refused      int64  `json:"refused"`
	LogSize      int64  `json:"log_size"`
	LogEpoch     uint64 `json:"log_epoch"`
	Frozen       string `json:"frozen"`
	Rejoining    bool   `json:"rejoining"`
}

// Status asks the node how it stands.
func (e *Edge) Status(ctx context.Context) (Status, error) {
	var s Status
	return s, e.JSON(ctx, &s, "status")
}

// Print is a print job.
type Print struct {
	ID      string `json:"id"`
	Printer string `json:"printer"`
	Title   string `json:"title"`
	State   string `json:"state"`
	Asks    bool   `json:"asks"`
	Error   string `json:"error"`
}

// Prints lists the node's print jobs, newest first.
func (e *Edge) Prints(ctx context.Context) ([]Print, error) {
	var list struct{ Prints []Print }
	return list.Prints, e.JSON(ctx, &list, "prints")
}

// Acknowledged waits until the hub has acknowledged everything that the node has.
func (e *Edge) Acknowledged(ctx context.Context) error {
	last := Status{}
	err := Until(ctx, e.Options.ID+" to be acknowledged", func() (bool, error) {
		s, err := e.Status(ctx)
		last = s
		return s.Acknowledged == s.Changes, err
	})
	if err != nil {
		return fmt.Errorf("%w (%+v)", err, last)
	}
	return nil
}

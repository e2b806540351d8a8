package devrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/protocol/feed"
	"stockade/test/rig"
)

// warehouse is one of the company's places.
type warehouse struct{ code, node, zh, en string }

var warehouses = []warehouse{
	{"SHA", "edge-sha", "上海仓", "Shanghai"},
	{"CTU", "edge-ctu", "成都仓", "Chengdu"},
}

// desk is a kind of station; every warehouse has one of each.
type desk struct {
	name, zh, en, mode string
	printer            bool
	round              func(*worker, context.Context) error
}

var desks = []desk{
	{"inbound", "收货口", "Goods in", "receive", true, (*worker).receive},
	{"outbound", "拣货台", "Goods out", "pick", false, (*worker).pick},
}

// company is all that runs.
type company struct {
	o       Options
	rig     *rig.Rig
	ports   ports
	hub     *rig.Hub
	edges   []*rig.Edge
	workers []*worker
	unplug  []func()
}

// open starts headquarters and warehouses; the first time it founds them. Whatever fails, the caller
// closes the company.
func open(ctx context.Context, o Options) (*company, error) {
	c := &company{o: o}
	var err error
	if c.rig, err = rig.New(o.Dir); err != nil {
		return c, err
	}
	if c.ports, err = choosePorts(c.rig.Dir); err != nil {
		return c, err
	}
	goods, err := items()
	if err != nil {
		return c, err
	}
	if c.hub, err = c.rig.NewHub(ctx, rig.HubOptions{Listen: c.ports.Pages, ListenNodes: c.ports.Nodes, ListenMQTT: c.ports.MQTT}); err != nil {
		return c, err
	}
	if err := c.hub.Start(ctx); err != nil {
		return c, err
	}
	if err := c.found(ctx); err != nil {
		return c, err
	}
	for i, w := range warehouses {
		if err := c.openWarehouse(ctx, i, w, goods); err != nil {
			return c, err
		}
	}
	return c, c.opened(ctx, len(goods))
}

// found gives a new company its catalogue and bins.
func (c *company) found(ctx context.Context) error {
	if c.founded() {
		return nil
	}
	for _, f := range []struct {
		name, act string
		data      []byte
	}{{itemsFile, "item", itemsCSV}, {binsFile, "location", binsCSV()}} {
		path := filepath.Join(c.rig.Dir, f.name)
		if err := os.WriteFile(path, f.data, 0o600); err != nil {
			return err
		}
		if _, err := c.hub.CLI(ctx, f.act, "import", path); err != nil {
			return err
		}
	}
	return nil
}

func (c *company) founded() bool {
	_, err := os.Stat(filepath.Join(c.rig.Dir, readyFile))
	return err == nil
}

// opened waits until every node has the catalogue and marks the company as founded.
func (c *company) opened(ctx context.Context, items int) error {
	for _, e := range c.edges {
		if err := e.Process.Until(ctx, "its catalogue", func() (bool, error) {
			s, err := e.Status(ctx)
			return s.Items >= int64(items), err
		}); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(c.rig.Dir, readyFile), nil, 0o600)
}

func (c *company) openWarehouse(ctx context.Context, i int, w warehouse, goods []feed.Item) error {
	o := rig.EdgeOptions{ID: w.node, Warehouse: w.code, Listen: c.ports.Edges[i], Broker: c.ports.MQTT}
	h := &hall{}
	for _, d := range desks {
		st := rig.Station{Name: d.name, Label: d.zh, Mode: d.mode, Scanner: c.link("scanner", w, d)}
		scanner, err := simulate.NewScanner(st.Scanner)
		if err != nil {
			return err
		}
		c.unplug = append(c.unplug, scanner.Close)
		if d.printer {
			st.Printer = c.link("printer", w, d)
			printer, err := simulate.NewPrinter(st.Printer, simulate.PrinterOptions{})
			if err != nil {
				return err
			}
			c.unplug = append(c.unplug, printer.Close)
		}
		o.Stations = append(o.Stations, st)
		c.workers = append(c.workers, &worker{hall: h, scanner: scanner, pace: c.o.Pace, items: goods, round: d.round,
			random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}) // #nosec G404 -- guards nothing
	}
	e, err := c.rig.NewEdge(o)
	if err != nil {
		return err
	}
	h.edge = e
	if !e.Enrolled() {
		if err := e.Enrol(ctx, c.hub); err != nil {
			return err
		}
	}
	if err := e.Start(ctx); err != nil {
		return err
	}
	c.edges = append(c.edges, e)
	return nil
}

func (c *company) link(device string, w warehouse, d desk) string {
	return filepath.Join(c.rig.Dir, strings.Join([]string{device, w.code, d.name}, "-"))
}

// welcome tells people where to look.
func (c *company) welcome(out io.Writer) {
	fmt.Fprintf(out, "\n仓盾演示已启动，按 Ctrl-C 结束 / Stockade is running, Ctrl-C ends it\n")
	fmt.Fprintf(out, "数据 / data: %s （FRESH=1 make run 重新开始 / begins anew）\n", c.rig.Dir)
	fmt.Fprintf(out, "证书由演示自己的机构签发，浏览器会提示，请选择继续 / the demonstration signs its own certificates: browsers will ask\n\n")
	c.place(out, "总部 / headquarters", c.ports.Pages, c.hub.Process)
	for i, w := range warehouses {
		c.place(out, w.zh+" / "+w.en, c.ports.Edges[i], c.edges[i].Process)
		for _, d := range desks {
			fmt.Fprintf(out, "    %s / %s: %s/station/%s\n", d.zh, d.en, address(c.ports.Edges[i]), d.name)
		}
	}
	fmt.Fprintln(out)
}

func (c *company) place(out io.Writer, name, at string, p *rig.Process) {
	fmt.Fprintf(out, "  %s: %s\n", name, address(at))
	const mark = "one-time code: "
	if _, rest, ok := strings.Cut(p.Output(), mark); ok {
		code, _, _ := strings.Cut(rest, "\n")
		fmt.Fprintf(out, "    首次登录码 / one-time code: %s\n", code)
	} else {
		fmt.Fprintf(out, "    已有账号，请用您自己的密码登录 / there is an account: sign in with your own password\n")
	}
}

// address is how a browser reaches a listener.
func address(at string) string {
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		return at
	}
	return "https://localhost:" + port
}

const reportEvery = time.Minute

// report says once a minute what was scanned and what headquarters has.
func (c *company) report(ctx context.Context) error {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		line := time.Now().Format("15:04")
		for i, w := range warehouses {
			s, err := c.edges[i].Status(ctx)
			if err != nil {
				if ctx.Err() != nil {
					return nil
				}
				return err
			}
			line += fmt.Sprintf("  %s / %s: 接受 / accepted %d, 拒绝 / refused %d, 待总部确认 / waiting %d", w.zh, w.en, s.Accepted, s.Refused, s.Changes-s.Acknowledged)
		}
		fmt.Fprintln(c.o.Out, line)
	}
}

// close stops nodes, then headquarters, then pulls the cables.
func (c *company) close() error {
	var errs []error
	for _, e := range c.edges {
		errs = append(errs, stop(e.Process))
	}
	if c.hub != nil {
		errs = append(errs, stop(c.hub.Process))
	}
	for _, pull := range c.unplug {
		pull()
	}
	if c.rig != nil {
		c.rig.Close() // what was still starting
	}
	return errors.Join(errs...)
}

// stop ends a program; one that has ended already has been told of.
func stop(p *rig.Process) error {
	if p == nil || !p.Running() {
		return nil
	}
	return p.Stop()
}

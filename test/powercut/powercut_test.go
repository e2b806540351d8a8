// Package powercut takes the power away from the disks under the real programs while scanners
// play: what was not synced is gone. Every scan that was confirmed to the worker must still
// be there, once, and every change that the hub has acknowledged must still be at the hub.
package powercut

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/test/disk"
	"stockade/test/play"
	"stockade/test/rig"
)

var (
	oneSeed = flag.Uint64("seed", 0, "seed of scans and cuts; 0 for another one every time")
	rounds  = flag.Int("rounds", 12, "how often the power of each of two nodes is cut; the hub's a third as often")
)

func TestMain(m *testing.M) { os.Exit(disk.Main(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const diskMiB = 64

// game is a site whose programs have a disk each.
type game struct {
	*play.Site
	scans []*play.Scans // of each node
	disks map[string]*disk.Disk

	// mu keeps the nodes' power on while the hub's is cut and looked at: what the nodes were told must
	// not change meanwhile.
	mu sync.RWMutex
}

func newGame(t *testing.T, warehouses ...string) *game {
	t.Helper()
	seed := *oneSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("play it again: go test ./test/powercut -run %s -seed %d", t.Name(), seed)
	g := &game{disks: map[string]*disk.Disk{}}
	dir := t.TempDir()
	names := []string{"hub"}
	for i := range warehouses {
		names = append(names, fmt.Sprint("edge-", i+1))
		s := play.NewScans(seed)
		s.Rand = rand.New(rand.NewPCG(seed, uint64(i)+1))
		g.scans = append(g.scans, s)
	}
	for _, name := range names { // before the programs, which then end before their disks
		g.disks[name] = disk.Need(t, filepath.Join(dir, name), diskMiB)
	}
	var err error
	g.Site, err = play.NewSite(t.Context(), play.Options{Dir: dir, Warehouses: warehouses, Log: t.Output()})
	t.Cleanup(g.Close)
	must(t, err)
	for i, p := range g.Players {
		p.Repair = g.disks[g.Edges[i].Options.ID].Restore
	}
	must(t, g.Catalogue(t.Context(), g.scans[0].Items()))
	return g
}

// TestPowerCuts cuts the power of two nodes and of the hub at random moments. The embedded broker is
// inside the hub.
func TestPowerCuts(t *testing.T) {
	g := newGame(t, "SHA", "CTU")
	group, ctx := errgroup.WithContext(t.Context())
	for i := range g.Players {
		group.Go(func() error {
			for n := range *rounds {
				if err := g.cutNode(ctx, i); err != nil {
					return fmt.Errorf("cut %d of %s: %w", n+1, g.Edges[i].Options.ID, err)
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		for n := range *rounds / 3 {
			if err := g.cutHub(ctx); err != nil {
				return fmt.Errorf("cut %d of the hub: %w", n+1, err)
			}
		}
		return nil
	})
	must(t, group.Wait())
	must(t, g.Quiet(t.Context()))
	v, err := g.Judge(t.Context())
	must(t, err)
	t.Logf("%+v", v)
	must(t, v.Good())
	for _, e := range g.Edges { // a hub that has lost what it acknowledged is not believed any more
		s, err := e.Status(t.Context())
		must(t, err)
		if s.Epoch != 1 || s.Frozen != "" || s.Rejoining {
			t.Errorf("%s had to begin anew: %+v", e.Options.ID, s)
		}
	}
	_, err = g.Hub.CLI(t.Context(), "audit", "verify")
	must(t, err)
	must(t, g.Stop())
}

// cutNode plays on a node until its power is gone and it is back.
func (g *game) cutNode(ctx context.Context, i int) error {
	p, scans := g.Players[i], g.scans[i]
	cut := make(chan error, 1)
	time.AfterFunc(time.Duration(scans.IntN(400))*time.Millisecond, func() {
		g.mu.RLock()
		cut <- g.cut(p.Edge.Options.ID, p.Edge.Process, p.Edge.Kill)
	})
	for {
		if err := p.Play(ctx, []byte(scans.Line())); err != nil {
			return err
		}
		select {
		case err := <-cut:
			defer g.mu.RUnlock()
			return errors.Join(err, p.Revive(ctx), play.Whole(ctx, p.Edge))
		default:
		}
	}
}

// cut takes the power away from a program and its disk. The program is stopped first: nobody is told anything
// when the power is gone.
func (g *game) cut(name string, p *rig.Process, kill func()) error {
	err := syscall.Kill(p.PID(), syscall.SIGSTOP)
	err = errors.Join(err, g.disks[name].Cut())
	kill()
	return err
}

// cutHub cuts the hub's power after a while and looks whether what the nodes were told is there, before
// any of them can say it again.
func (g *game) cutHub(ctx context.Context) error {
	if err := g.pause(ctx); err != nil {
		return err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.cut("hub", g.Hub.Process, g.Hub.Kill); err != nil {
		return err
	}
	g.Cut()
	defer g.Mend()
	if err := g.disks["hub"].Restore(ctx); err != nil {
		return err
	}
	if err := g.Hub.Start(ctx); err != nil {
		return err
	}
	var kept []struct {
		Node    string
		Epoch   uint64
		Changes int64
	}
	if err := g.Hub.JSON(ctx, &kept, "node", "list", "--json"); err != nil {
		return err
	}
	for i, e := range g.Edges {
		s, err := e.Status(ctx)
		if err != nil {
			return err
		}
		if k := kept[i]; k.Node != s.Node || k.Epoch != s.Epoch || k.Changes < s.Acknowledged {
			return fmt.Errorf("the hub has %+v, it had acknowledged %+v", k, s)
		}
	}
	return nil
}

// pause waits for a random while.
func (g *game) pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Duration(500+rand.IntN(2500)) * time.Millisecond): // #nosec G404 -- any moment will do
		return nil
	}
}

// TestLoss holds that a loss would be seen: a node whose data only seems to reach the disk, as without
// synchronous=FULL, loses scans that it has confirmed.
func TestLoss(t *testing.T) {
	g := newGame(t, "SHA")
	p := g.Players[0]
	for range 5 { // the kernel may have written all by itself, but not every time
		disk.Flushes(t, p.Edge.Process, disk.Lied)
		for range 5 {
			must(t, p.Play(t.Context(), []byte(g.scans[0].Line())))
		}
		must(t, g.cut(p.Edge.Options.ID, p.Edge.Process, p.Edge.Kill))
		err := p.Revive(t.Context())
		if errors.Is(err, play.ErrLost) {
			t.Logf("seen: %v", err)
			return
		}
		must(t, err)
	}
	t.Error("nothing was lost: the test above proves nothing")
}

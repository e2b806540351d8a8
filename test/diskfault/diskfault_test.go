// Package diskfault lets the disks under the real programs fill up and fail while scanners play: what
// could not be stored is not confirmed and the worker is told so, and nothing that was
// confirmed is lost.
package diskfault

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/test/disk"
	"stockade/test/play"
	"stockade/test/rig"
)

func TestMain(m *testing.M) { os.Exit(disk.Main(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// game is a site of one node, one of whose programs has a disk of its own.
type game struct {
	*play.Site
	t      *testing.T
	disk   *disk.Disk
	player *play.Player
	scans  *play.Scans
}

// newGame starts a site. owner is "hub" or "edge-1".
func newGame(t *testing.T, owner string, mib int64) *game {
	t.Helper()
	dir := t.TempDir()
	g := &game{t: t, disk: disk.Need(t, filepath.Join(dir, owner), mib), scans: play.NewScans(1)}
	var err error
	g.Site, err = play.NewSite(t.Context(), play.Options{Dir: dir, Warehouses: []string{"SHA"}, Log: t.Output()})
	t.Cleanup(g.Close)
	must(t, err)
	g.player = g.Players[0]
	must(t, g.Catalogue(t.Context(), g.scans.Items()))
	g.play(5)
	return g
}

func (g *game) play(lines int) {
	g.t.Helper()
	for range lines {
		must(g.t, g.player.Play(g.t.Context(), []byte(g.scans.Line())))
	}
}

// receipt is a scan that has to be booked.
func (g *game) receipt() []byte { return append(slices.Clone(g.scans.Items()[0]), '\r') }

// stuck plays a scan that can not be stored and waits until the worker is told so, in words that hold want. The
// channel tells when it was stored after all.
func (g *game) stuck(want string) <-chan error {
	g.t.Helper()
	stored := make(chan error, 1)
	go func() { stored <- g.player.Play(g.t.Context(), g.receipt()) }()
	must(g.t, rig.Until(g.t.Context(), "the worker to be told", func() (bool, error) {
		said, err := g.trouble()
		return strings.Contains(said, want), err
	}))
	select {
	case err := <-stored:
		g.t.Fatalf("the scan was answered: %v", err)
	default:
	}
	return stored
}

// trouble is what the station's page says about a scan that is not stored.
func (g *game) trouble() (string, error) {
	var state struct {
		Text string `json:"trouble_text"`
	}
	b, err := g.browser()
	if err == nil {
		err = b.JSON(g.t.Context(), "/api/v1/stations/dock-1", nil, &state)
	}
	return state.Text, err
}

func (g *game) browser() (*rig.Browser, error) {
	pages, err := g.Edges[0].Pages()
	if err != nil {
		return nil, err
	}
	return rig.NewBrowser(pages, "")
}

// over waits until the scan was stored and nobody is told anything any more.
func (g *game) over(stored <-chan error) {
	g.t.Helper()
	must(g.t, <-stored)
	must(g.t, rig.Until(g.t.Context(), "the trouble to be over", func() (bool, error) {
		said, err := g.trouble()
		return said == "", err
	}))
}

// judge holds that all is well in the end.
func (g *game) judge() {
	g.t.Helper()
	must(g.t, g.Quiet(g.t.Context()))
	v, err := g.Judge(g.t.Context())
	must(g.t, err)
	must(g.t, v.Good())
	must(g.t, play.Whole(g.t.Context(), g.Edges[0]))
	must(g.t, g.Stop())
}

// TestFullDisk: a node whose disk is full confirms nothing, says so, and goes on when there is room.
func TestFullDisk(t *testing.T) {
	g := newGame(t, "edge-1", 8)
	room, err := g.disk.Fill()
	must(t, err)
	stored := g.stuck("磁盘已满")
	b, err := g.browser()
	must(t, err)
	_, err = b.Get(t.Context(), "/first")
	must(t, err)
	err = b.JSON(t.Context(), "/api/v1/stations/dock-1/scan", map[string]any{"raw": g.receipt()}, new(rig.Feedback))
	if err == nil || !strings.Contains(err.Error(), "507") || !strings.Contains(err.Error(), "磁盘已满") {
		t.Errorf("a scan from the page: %v, want a refusal that speaks of the full disk", err)
	}
	if _, err := g.Edges[0].CLI(t.Context(), "stock", "--json"); err != nil {
		t.Errorf("stock can not be read any more: %v", err)
	}
	must(t, room())
	g.over(stored)
	g.play(5)
	g.judge()
}

// TestStartOnAFullDisk: a node that starts while its disk is full serves its pages, or ends with a word that says
// what to do, and works again when there is room.
func TestStartOnAFullDisk(t *testing.T) {
	g := newGame(t, "edge-1", 8)
	must(t, g.Edges[0].Process.Stop())
	room, err := g.disk.Fill()
	must(t, err)
	g.mustEnd("腾出磁盘空间")
	must(t, room())
	must(t, g.Edges[0].Start(t.Context()))
	must(t, g.player.Attach(t.Context()))
	g.play(5)
	g.judge()
}

// mustEnd starts the node, which has to end by itself and say what to do.
func (g *game) mustEnd(want string) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), rig.Patience)
	defer cancel()
	if _, err := g.Edges[0].CLI(ctx, "serve"); err == nil || !strings.Contains(err.Error(), want) {
		g.t.Errorf("the node's start: %v, want a word about %s", err, want)
	}
}

// TestFailingFlushes: data that the disk does not take is not confirmed; the node lives on.
func TestFailingFlushes(t *testing.T) {
	g := newGame(t, "edge-1", 32)
	g.player.Repair = g.disk.Restore
	for _, killed := range []bool{false, true} {
		stop := disk.Flushes(t, g.Edges[0].Process, disk.Failed)
		stored := g.stuck("存储卡写入失败")
		time.Sleep(1500 * time.Millisecond) // more than one attempt to store and to deliver
		if killed {
			g.Edges[0].Kill() // and the player starts it again
		}
		stop()
		g.over(stored)
		g.play(5)
	}
	g.judge()
}

// TestReadOnlyCard: a card on which the kernel has found a fault takes nothing more; what was confirmed is read from it
// again.
func TestReadOnlyCard(t *testing.T) {
	g := newGame(t, "edge-1", 32)
	g.player.Repair = func(ctx context.Context) error {
		g.mustEnd("存储卡写不进去")
		return g.disk.Restore(ctx)
	}
	must(t, g.disk.Fail())
	stored := g.stuck("存储卡写入失败")
	g.Edges[0].Kill()
	g.over(stored)
	g.play(5)
	g.judge()
}

package kills

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/test/play"
)

var oneSeed = flag.Uint64("seed", 0, "seed of scans and kills; 0 for another one every time")

// round is one test: who is killed how often.
type round struct {
	mosquitto bool
	kills     map[string]int
}

// TestKills kills nodes, hub and broker in an order and at moments that follow from the seed. Killing the hub
// kills the broker inside it; mosquitto is killed alone.
func TestKills(t *testing.T) {
	for name, r := range map[string]round{
		"embedded":  {kills: map[string]int{"edge-1": 5, "edge-2": 4, "hub": 9}},
		"mosquitto": {mosquitto: true, kills: map[string]int{"edge-1": 3, "edge-2": 3, "hub": 6, "broker": 7}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seed := *oneSeed
			if seed == 0 {
				seed = rand.Uint64()
			}
			t.Logf("play it again: go test ./test/kills -run TestKills/%s -seed %d", name, seed)
			r.run(t, seed)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r round) run(t *testing.T, seed uint64) {
	site, err := play.NewSite(t.Context(), play.Options{Dir: t.TempDir(), Mosquitto: r.mosquitto, Log: t.Output()})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(site.Logs())
		}
		site.Close()
	})
	scans := [2]*play.Scans{play.NewScans(seed), play.NewScans(seed)} // the same goods at both nodes, not the same scans
	must(t, site.Catalogue(t.Context(), scans[0].Items()))
	scans[1].Rand = rand.New(rand.NewPCG(seed, 1))

	game := &game{site: site, random: rand.New(rand.NewPCG(seed, 2))}
	group, ctx := errgroup.WithContext(t.Context())
	for i, p := range site.Players {
		group.Go(func() error { return game.play(ctx, p, scans[i]) })
	}
	group.Go(func() error { return game.killAll(ctx, r.order(game)) })
	must(t, group.Wait())
	t.Logf("%d lines were played", game.lines.Load())
	judge(t, site)
}

// judge waits for quiet and compares.
func judge(t *testing.T, site *play.Site) {
	t.Helper()
	must(t, site.Quiet(t.Context()))
	v, err := site.Judge(t.Context())
	must(t, err)
	t.Logf("%+v", v)
	must(t, v.Good())
	if _, err := site.Hub.CLI(t.Context(), "audit", "verify"); err != nil {
		t.Error(err)
	}
	must(t, site.Stop())
}

// game is what goes on at once: players play until all kills are done.
type game struct {
	site   *play.Site
	random *rand.Rand
	lines  atomic.Int64 // played so far
	over   atomic.Bool
}

func (g *game) play(ctx context.Context, p *play.Player, scans *play.Scans) error {
	for !g.over.Load() {
		if err := p.Play(ctx, []byte(scans.Line())); err != nil {
			return err
		}
		g.lines.Add(1)
	}
	return p.Revive(ctx)
}

// order returns the kills in random order.
func (r round) order(g *game) []*victim {
	all := []*victim{
		// Players start their nodes themselves, as soon as they notice.
		{name: "edge-1", kill: g.site.Edges[0].Kill, start: func(context.Context) error { return nil }},
		{name: "edge-2", kill: g.site.Edges[1].Kill, start: func(context.Context) error { return nil }},
		{name: "hub", kill: g.site.Hub.Kill, start: g.site.Hub.Start},
	}
	if r.mosquitto {
		all = append(all, &victim{name: "broker", kill: g.site.Broker.Kill, start: g.site.Broker.Start})
	}
	var out []*victim
	for _, v := range all {
		for range r.kills[v.name] {
			out = append(out, v)
		}
	}
	g.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// killAll kills one after the other, each some lines after the last and at any moment of the line.
func (g *game) killAll(ctx context.Context, order []*victim) error {
	defer g.over.Store(true)
	for _, v := range order {
		if g.random.IntN(3) > 0 { // else perhaps while it starts
			if err := v.up(); err != nil {
				return err
			}
		}
		for next := g.lines.Load() + g.random.Int64N(12); g.lines.Load() < next; {
			if err := pause(ctx, time.Millisecond); err != nil {
				return err
			}
		}
		if err := pause(ctx, time.Duration(g.random.IntN(40))*time.Millisecond); err != nil {
			return err
		}
		g.site.Say("after %d lines: kill %s", g.lines.Load(), v.name)
		v.strike(ctx)
	}
	for _, v := range order {
		if err := v.up(); err != nil {
			return err
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

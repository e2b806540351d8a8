// Package smoke plays a file of scans through the real programs: two nodes and a hub, over
// pseudo-terminals and TLS, with the uplink cut in the middle and a node killed in the midst of
// scanning. At the end three pictures of the stock have to agree: the nodes', the hub's,
// and the player's own.
package smoke

import (
	"context"
	"errors"
	"io"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/protocol/barcode"
	"stockade/test/play"
)

// Options choose a run.
type Options struct {
	Scans     string // the file
	Dir       string // an empty folder
	Mosquitto bool   // Debian's broker in place of the hub's own
	Log       io.Writer
}

// Result is what a run found; its JSON form is the last line of the smoke.
type Result = play.Verdict

// Run plays the file.
func Run(ctx context.Context, o Options) (res Result, err error) {
	lines, err := play.ReadLines(o.Scans)
	if err != nil {
		return res, err
	}
	site, err := play.NewSite(ctx, play.Options{Dir: o.Dir, Mosquitto: o.Mosquitto, IdleGap: gapFor(lines), Log: o.Log})
	if err != nil {
		return res, err
	}
	defer site.Close()
	if err := site.Catalogue(ctx, lines); err != nil {
		return res, err
	}
	if err := playAll(ctx, site, lines); err != nil {
		return res, err
	}
	if err := site.Quiet(ctx); err != nil {
		return res, err
	}
	res, err = site.Judge(ctx)
	return res, errors.Join(err, site.Stop())
}

// Scanners that send more than a terminal holds wait for the node in the middle of a burst,
// which must not pass for the end of it.
const (
	longLine = 4000
	longGap  = 200 * time.Millisecond
)

func gapFor(lines [][]byte) time.Duration {
	for _, l := range lines {
		if len(l) > longLine {
			return longGap
		}
	}
	return 0
}

// playAll plays odd lines on the first node and even ones on the second. In the middle the uplink is
// cut; while it is cut the first node is killed in the midst of a scan.
func playAll(ctx context.Context, site *play.Site, lines [][]byte) error {
	var parts [2][][]byte
	for i, l := range lines {
		parts[i%2] = append(parts[i%2], l)
	}
	site.Say("playing %d lines on two nodes", len(lines))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return playFirst(ctx, site, parts[0]) })
	group.Go(func() error {
		for _, l := range parts[1] {
			if err := site.Players[1].Play(ctx, l); err != nil {
				return err
			}
		}
		return nil
	})
	return group.Wait()
}

func playFirst(ctx context.Context, site *play.Site, lines [][]byte) error {
	cut, mend := len(lines)/2, len(lines)*8/10
	kill := killAt(lines, len(lines)*6/10)
	for i, l := range lines {
		if i == cut {
			site.Say("uplink cut")
			site.Cut()
		}
		var err error
		if i == kill {
			site.Say("%s killed in the midst of scanning", site.Edges[0].Options.ID)
			err = site.Players[0].PlayKilled(ctx, l)
		} else {
			err = site.Players[0].Play(ctx, l)
		}
		if err != nil {
			return err
		}
		if i == max(mend, kill) {
			site.Say("uplink mended")
			site.Mend()
		}
	}
	return nil
}

// killAt returns the line to kill at: one that holds scans, from there on if there is any.
func killAt(lines [][]byte, from int) int {
	for i := range lines {
		if at := (from + i) % len(lines); at >= len(lines)/2 && len(barcode.Decode(barcode.Profile{}, lines[at], time.Now())) > 0 {
			return at
		}
	}
	return from
}

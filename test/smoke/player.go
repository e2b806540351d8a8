package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/protocol/barcode"
	"stockade/test/rig"
)

// player plays lines on one edge's scanner, waits for the feedback of each before the next, and
// keeps its own record of what was confirmed.
type player struct {
	edge    *rig.Edge
	station string
	scanner *simulate.Scanner
	judge   *judge
	now     time.Time

	browser *rig.Browser
	news    chan rig.Feedback
	stop    context.CancelFunc
	last    int64 // number of the last scan known

	scans, accepted, refused int
	movements                map[string]bool // confirmed, by name
}

// attach begins to follow the running edge and waits until its scanner is ready.
func (p *player) attach(ctx context.Context) error {
	pages, err := p.edge.Pages()
	if err != nil {
		return err
	}
	if p.browser, err = rig.NewBrowser(pages, ""); err != nil {
		return err
	}
	follow, stop := context.WithCancel(ctx)
	p.stop, p.news = stop, make(chan rig.Feedback, 1024)
	go func() { _ = p.browser.Follow(follow, p.station, p.last, p.news) }() // ends with the edge, or with detach
	return p.ready(ctx)
}

// ready waits until the station's scanner is listened to.
func (p *player) ready(ctx context.Context) error {
	return p.edge.Process.Until(ctx, "scanner of "+p.station, func() (bool, error) {
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		default:
		}
		ok, err := p.browser.ScannerReady(ctx, p.station)
		return ok, err
	})
}

func (p *player) detach() {
	if p.stop != nil {
		p.stop()
	}
}

// play sends one line and waits for what the station says about each scan in it.
func (p *player) play(ctx context.Context, raw []byte) error {
	want := barcode.Decode(barcode.Profile{}, raw, p.now)
	if err := p.scanner.SendContext(ctx, raw, len(raw)+1, 0); err != nil {
		return err
	}
	for _, s := range want {
		f, err := p.feedback(ctx)
		if err != nil {
			return fmt.Errorf("line %q: %w", raw, err)
		}
		if err := p.note(s, f); err != nil {
			return fmt.Errorf("line %q: %w", raw, err)
		}
	}
	return nil
}

// feedback waits for the next scan that the station has dealt with.
func (p *player) feedback(ctx context.Context) (rig.Feedback, error) {
	for {
		select {
		case f := <-p.news:
			if f.Number <= p.last {
				continue
			}
			return f, nil
		case <-ctx.Done():
			return rig.Feedback{}, ctx.Err()
		case <-time.After(rig.Patience):
			return rig.Feedback{}, fmt.Errorf("no feedback from %s within %v; last scan %d", p.station, rig.Patience, p.last)
		}
	}
}

// note compares a feedback with the player's own judgement and keeps the record.
func (p *player) note(s barcode.Scan, f rig.Feedback) error {
	if f.Number != p.last+1 {
		return fmt.Errorf("scan %d follows %d", f.Number, p.last)
	}
	p.last = f.Number
	if !same(s, f.Scan) {
		return fmt.Errorf("scan %d is %s, want %+v", f.Number, f.Scan, s)
	}
	p.scans++
	switch should := p.judge.take(s, f.BusinessDay); {
	case should && f.Outcome == "accepted" && f.Movement != "":
		p.accepted++
		p.movements[f.Movement] = true
	case !should && f.Outcome == "refused":
		p.refused++
	default:
		return fmt.Errorf("scan %d (%s) was %s: %s; by the rules accepted is %v", f.Number, f.Scan, f.Outcome, f.Code, should)
	}
	return nil
}

func same(s barcode.Scan, told json.RawMessage) bool {
	b, err := json.Marshal(s)
	if err != nil {
		return false
	}
	var want, got any
	return json.Unmarshal(b, &want) == nil && json.Unmarshal(told, &got) == nil && reflect.DeepEqual(want, got)
}

// killDuring sends a line, kills the edge without waiting, starts it again, asks which scans of the
// line were posted, and replays only those that were not.
func (p *player) killDuring(ctx context.Context, raw []byte) error {
	if err := p.scanner.SendContext(ctx, raw, len(raw)+1, 0); err != nil {
		return err
	}
	p.edge.Process.Kill()
	p.detach()
	if err := p.edge.Start(ctx); err != nil {
		return err
	}
	if err := p.attach(ctx); err != nil {
		return err
	}
	return p.settle(ctx, raw)
}

// settle finds out how much of a line was posted and plays the rest of it.
func (p *player) settle(ctx context.Context, raw []byte) error {
	want := barcode.Decode(barcode.Profile{}, raw, p.now)
	posted, err := p.browser.Scans(ctx, p.station, p.last)
	if err != nil {
		return err
	}
	if len(posted) > len(want) {
		return fmt.Errorf("line %q: %d scans posted, it has %d", raw, len(posted), len(want))
	}
	for i, f := range posted {
		if err := p.note(want[i], f); err != nil {
			return fmt.Errorf("after the kill, line %q: %w", raw, err)
		}
	}
	rest, err := missing(raw, len(posted), p.now)
	if err != nil || len(rest) == 0 {
		return err
	}
	return p.play(ctx, rest)
}

// missing returns the bytes of a line that carry its scans after the first n.
func missing(raw []byte, n int, now time.Time) ([]byte, error) {
	all := barcode.Decode(barcode.Profile{}, raw, now)
	if n == 0 || n == len(all) {
		if n == 0 {
			return raw, nil
		}
		return nil, nil
	}
	for i := range raw {
		before, after := barcode.Decode(barcode.Profile{}, raw[:i], now), barcode.Decode(barcode.Profile{}, raw[i:], now)
		if len(before) == n && sameAll(before, all[:n]) && sameAll(after, all[n:]) {
			return raw[i:], nil
		}
	}
	return nil, fmt.Errorf("line %q can not be cut after scan %d", raw, n)
}

func sameAll(a, b []barcode.Scan) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		raw, err := json.Marshal(b[i])
		if err != nil || !same(a[i], raw) {
			return false
		}
	}
	return true
}

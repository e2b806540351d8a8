package play

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/protocol/barcode"
	"stockade/test/rig"
)

// Player plays lines on a node's scanner, waits for the feedback of each before the next, and keeps
// its own record of what was confirmed. When somebody kills the node it starts it again, asks
// which of its unanswered scans were posted, and replays only the missing ones.
type Player struct {
	Edge *rig.Edge
	// Repair is done before a node that was killed is started again; nil for nothing.
	Repair func(context.Context) error

	station string
	scanner *simulate.Scanner
	judge   *judge
	now     time.Time

	browser *rig.Browser
	news    chan rig.Feedback
	stop    context.CancelFunc
	told    []rig.Feedback // what the station has said about its scans, from number 1 on

	scans, accepted, refused int
	confirmed                []confirmed
}

// confirmed is an accepted scan: the name of its movement and what it adds to the stock.
type confirmed struct {
	movement string
	row      Row
}

// last returns the number of the last scan known.
func (p *Player) last() int64 { return int64(len(p.told)) }

// Attach begins to follow the running node and waits until its scanner is ready.
func (p *Player) Attach(ctx context.Context) error {
	pages, err := p.Edge.Pages()
	if err != nil {
		return err
	}
	if p.browser, err = rig.NewBrowser(pages, ""); err != nil {
		return err
	}
	follow, stop := context.WithCancel(ctx)
	news := make(chan rig.Feedback, 1024)
	browser, last := p.browser, p.last()
	p.stop, p.news = stop, news
	go func() { _ = browser.Follow(follow, p.station, last, news) }() // ends with the node, or with Detach
	return p.Edge.Process.Until(ctx, "scanner of "+p.station, func() (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		ok, err := browser.ScannerReady(ctx, p.station)
		return ok, err
	})
}

// Detach ends following.
func (p *Player) Detach() {
	if p.stop != nil {
		p.stop()
	}
}

// errKilled says that the node was killed by the test; any other end of it is a fault.
var errKilled = errors.New("the node was killed")

// Play sends one line and waits for what the station says about each scan in it.
func (p *Player) Play(ctx context.Context, raw []byte) error {
	return p.deliver(ctx, raw, p.transmit)
}

// PlayKilled is Play, with the node killed as soon as the line was sent.
func (p *Player) PlayKilled(ctx context.Context, raw []byte) error {
	killed := false
	err := p.deliver(ctx, raw, func(ctx context.Context, b []byte) error {
		err := p.transmit(ctx, b)
		if !killed {
			killed = true
			p.Edge.Kill()
		}
		return err
	})
	if err != nil {
		return err
	}
	return p.Revive(ctx)
}

// Revive starts the node again if it was killed since its last answer.
func (p *Player) Revive(ctx context.Context) error {
	if !p.Edge.Process.Killed() {
		return nil
	}
	return p.resume(ctx, nil, new(int))
}

// deliver sends a line until every scan in it is answered, or was found to be posted after the node was killed.
func (p *Player) deliver(ctx context.Context, raw []byte, transmit func(context.Context, []byte) error) error {
	want := barcode.Decode(barcode.Profile{}, raw, p.now)
	rest, done := raw, 0
	for {
		err := transmit(ctx, rest)
		if err == nil {
			err = p.answers(ctx, want, &done)
		}
		if errors.Is(err, errKilled) {
			err = p.resume(ctx, want, &done)
		}
		if err == nil && done < len(want) {
			rest, err = missing(raw, done, p.now)
		}
		if err != nil {
			return fmt.Errorf("%s: line %q: %w", p.Edge.Options.ID, raw, err)
		}
		if done == len(want) {
			return nil
		}
	}
}

// answers waits for the answers to the wanted scans after the first done.
func (p *Player) answers(ctx context.Context, want []barcode.Scan, done *int) error {
	for *done < len(want) {
		f, err := p.feedback(ctx)
		if err == nil {
			err = p.note(want[*done], f)
		}
		if err != nil {
			return err
		}
		*done++
	}
	return nil
}

// Scan sends bytes and returns what the station said about each scan in them. It judges nothing and
// records nothing: it is for what is no goods receipt.
func (p *Player) Scan(ctx context.Context, raw string) ([]rig.Feedback, error) {
	if err := p.transmit(ctx, []byte(raw)); err != nil {
		return nil, err
	}
	var out []rig.Feedback
	for range barcode.Decode(barcode.Profile{}, []byte(raw), p.now) {
		f, err := p.feedback(ctx)
		if err != nil {
			return out, fmt.Errorf("%s: line %q: %w", p.Edge.Options.ID, raw, err)
		}
		if err := p.remember(f); err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// transmit hands bytes to the line in one burst. A long one waits until the node reads.
func (p *Player) transmit(ctx context.Context, raw []byte) error {
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := p.Edge.Process.Ended()
	go func() {
		select {
		case <-ended:
			cancel()
		case <-alive.Done():
		}
	}()
	err := p.scanner.SendContext(alive, raw, len(raw)+1, 0)
	if err != nil && ctx.Err() == nil && alive.Err() != nil {
		return p.ended()
	}
	return err
}

// ended tells whether the end of the node was wanted.
func (p *Player) ended() error {
	if p.Edge.Process.Killed() {
		return errKilled
	}
	return fmt.Errorf("the node has ended: %s", p.Edge.Process.Output())
}

// feedback waits for the next scan that the station has dealt with.
func (p *Player) feedback(ctx context.Context) (rig.Feedback, error) {
	limit := time.NewTimer(rig.Patience)
	defer limit.Stop()
	for {
		select {
		case f := <-p.news:
			if f.Number > p.last() {
				return f, nil
			}
		case <-p.Edge.Process.Ended():
			return rig.Feedback{}, p.ended()
		case <-ctx.Done():
			return rig.Feedback{}, ctx.Err()
		case <-limit.C:
			return rig.Feedback{}, fmt.Errorf("no feedback from %s within %v; last scan %d", p.station, rig.Patience, p.last())
		}
	}
}

// remember keeps what was said about a scan, the next one by its number.
func (p *Player) remember(f rig.Feedback) error {
	if f.Number != p.last()+1 {
		return fmt.Errorf("scan %d follows %d", f.Number, p.last())
	}
	p.told = append(p.told, f)
	return nil
}

// note compares a feedback with the player's own judgement and keeps the record.
func (p *Player) note(s barcode.Scan, f rig.Feedback) error {
	if err := p.remember(f); err != nil {
		return err
	}
	if !same(s, f.Scan) {
		return fmt.Errorf("scan %d is %s, want %+v", f.Number, f.Scan, s)
	}
	p.scans++
	row, should := p.judge.take(s, f.BusinessDay)
	switch {
	case should && f.Outcome == "accepted" && f.Movement != "":
		p.accepted++
		p.confirmed = append(p.confirmed, confirmed{f.Movement, row})
	case !should && f.Outcome == "refused":
		p.refused++
	default:
		return fmt.Errorf("scan %d (%s) was %s: %s; by the rules accepted is %v", f.Number, f.Scan, f.Outcome, f.Code, should)
	}
	return nil
}

// resume starts the node again, and again when it is killed while it starts, and notes which of the
// wanted scans after the first done were posted without an answer.
func (p *Player) resume(ctx context.Context, want []barcode.Scan, done *int) error {
	if os.Getuid() != 0 { // who was killed leaves its claim on a pseudo-terminal behind, unlike on a cable
		p.scanner.Unplug()
		if err := p.scanner.Replug(); err != nil {
			return err
		}
	}
	for {
		posted, err := p.restart(ctx)
		if err != nil {
			if p.Edge.Process.Killed() && ctx.Err() == nil {
				continue
			}
			return err
		}
		if len(posted) > len(want)-*done {
			return fmt.Errorf("after the kill %d scans were posted, %d were sent", len(posted), len(want)-*done)
		}
		for _, f := range posted {
			if err := p.note(want[*done], f); err != nil {
				return fmt.Errorf("after the kill: %w", err)
			}
			*done++
		}
		return nil
	}
}

// restart returns what the station has posted beyond the last scan known.
func (p *Player) restart(ctx context.Context) ([]rig.Feedback, error) {
	p.Detach()
	if p.Repair != nil {
		if err := p.Repair(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.Edge.Start(ctx); err != nil {
		return nil, err
	}
	if err := p.Attach(ctx); err != nil {
		return nil, err
	}
	kept, err := p.browser.Scans(ctx, p.station, 0)
	if err != nil {
		return nil, err
	}
	return p.unanswered(kept)
}

// ErrLost says that a node does not have what it had said it had.
var ErrLost = errors.New("a scan that was confirmed is lost")

// unanswered returns those of a station's scans that it has not said anything about. All others must be there as
// it said, once each.
func (p *Player) unanswered(kept []rig.Feedback) ([]rig.Feedback, error) {
	for i, f := range kept {
		if f.Number != int64(i+1) {
			return nil, fmt.Errorf("%w: scan %d stands in place %d", ErrLost, f.Number, i+1)
		}
	}
	if len(kept) < len(p.told) {
		return nil, fmt.Errorf("%w: the station has %d scans, %d were answered", ErrLost, len(kept), len(p.told))
	}
	for i, said := range p.told {
		// A node that got another epoch has named its movements anew.
		if f := kept[i]; f.Outcome != said.Outcome || f.Code != said.Code || !bytes.Equal(f.Raw, said.Raw) || (f.Movement == "") != (said.Movement == "") {
			return nil, fmt.Errorf("%w: scan %d is %s %s of %q now, was %s %s of %q", ErrLost, f.Number, f.Outcome, f.Code, f.Raw, said.Outcome, said.Code, said.Raw)
		}
	}
	return kept[len(p.told):], nil
}

func same(s barcode.Scan, told json.RawMessage) bool {
	b, err := json.Marshal(s)
	if err != nil {
		return false
	}
	var want, got any
	return json.Unmarshal(b, &want) == nil && json.Unmarshal(told, &got) == nil && reflect.DeepEqual(want, got)
}

// missing returns the bytes of a line that carry its scans after the first n.
func missing(raw []byte, n int, now time.Time) ([]byte, error) {
	if n == 0 {
		return raw, nil
	}
	all := barcode.Decode(barcode.Profile{}, raw, now)
	for i := range raw {
		before, after := barcode.Decode(barcode.Profile{}, raw[:i], now), barcode.Decode(barcode.Profile{}, raw[i:], now)
		if len(before) == n && sameAll(before, all[:n]) && sameAll(after, all[n:]) {
			return raw[i:], nil
		}
	}
	return nil, fmt.Errorf("it can not be cut after scan %d", n)
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

// Rewind begins again at what the station has now: its store was put back to an older one, which knows fewer scans.
func (p *Player) Rewind(ctx context.Context) error {
	told, err := p.browser.Scans(ctx, p.station, 0)
	if err != nil {
		return err
	}
	p.told = told
	p.Detach()
	return p.Attach(ctx)
}

// Absorb takes over what another player had confirmed, when the hub is to have both. Neither plays any more of it.
func (p *Player) Absorb(o *Player) {
	p.scans, p.accepted, p.refused = p.scans+o.scans, p.accepted+o.accepted, p.refused+o.refused
	p.confirmed = append(p.confirmed, o.confirmed...)
	p.judge.add(o.confirmed)
}

// Credit records a scan that was confirmed in another way and has to be at the hub as well.
func (p *Player) Credit(movement string, raw []byte) error {
	for _, s := range barcode.Decode(barcode.Profile{}, raw, p.now) {
		row, ok := p.judge.take(s, "")
		if !ok {
			return fmt.Errorf("%q is no goods receipt", raw)
		}
		p.scans++
		p.accepted++
		p.confirmed = append(p.confirmed, confirmed{movement, row})
	}
	return nil
}

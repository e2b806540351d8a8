// Package station holds the rules of a scan: what a worker may do with it in each mode, what is
// refused, and what the worker is told.
//
// Every scan, accepted or refused, is one transaction: the movement or count with its place in
// the outbox, or the audit entry of the refusal; and the scan's own row, which also says where
// the station then stands. The worker is told after the commit and not before, so that what was
// shown as done is on disk, and a station that lost power goes on where it was.
package station

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"stockade/edge/store"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

// Config describes a station. Name, Receiving and Zone are needed.
type Config struct {
	Name      string
	Label     string         // what people call it
	Receiving stock.Location // where goods receipts go
	Mode      Mode           // at the very first start; Receive when empty
	Repeat    time.Duration  // equal scans within it are reported, not booked; 0 books all
	Zone      *time.Location // of the business day
	Now       func() time.Time

	// Received is called in the transaction of a goods receipt, to queue its label; nil for nothing. Everybody's
	// commit waits for it, and an error undoes the receipt.
	Received func(*store.Tx, Feedback, Worker) error

	Badges     Badges        // who may work here by badge and PIN; nil for nobody
	NeedsBadge bool          // nothing is done for who has neither signed in nor scanned a badge
	BadgeIdle  time.Duration // after which the badge is asked for again; DefaultBadgeIdle when zero
}

// Worker says who scans. The zero worker is the station itself.
type Worker struct {
	Actor   string
	Session string
	Browser string // where it came from; empty for the station's own scanner
	// Lent names the temporary grants without which this person would not work here by badge. Everything that they book says so in an entry beside it.
	Lent []string
}

// Station is one scanning place. Its methods may be called by any number of goroutines; scans
// are dealt with one at a time.
type Station struct {
	config Config
	store  *store.Store
	clock  *clock.Clock

	mu   sync.Mutex // one scan at a time
	last repeat

	deskMu sync.Mutex
	desk   desk

	subMu   sync.Mutex // guards what follows
	subs    map[chan Feedback]bool
	trouble error // why a scan waits
}

// repeat is the last scan that was dealt with.
type repeat struct {
	raw string
	at  time.Time
}

// New returns a station that keeps its state in the store.
func New(c Config, s *store.Store, clk *clock.Clock) (*Station, error) {
	if c.Mode == "" {
		c.Mode = Receive
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Name == "" || c.Zone == nil || !Known(c.Mode) {
		return nil, fmt.Errorf("station %q: name, zone and a known mode are needed", c.Name)
	}
	if err := c.Receiving.Check(); err != nil || c.Receiving.Outside() {
		return nil, fmt.Errorf("station %s: receiving location %q is not a bin", c.Name, c.Receiving)
	}
	if c.Label == "" {
		c.Label = c.Name
	}
	if c.BadgeIdle == 0 {
		c.BadgeIdle = DefaultBadgeIdle
	}
	return &Station{config: c, store: s, clock: clk, subs: map[chan Feedback]bool{}}, nil
}

// Config returns what the station was made with.
func (s *Station) Config() Config { return s.config }

// Handle deals with one scan and returns what the worker is told, after the commit. An error
// means that nothing was committed: the same scan may be handed in again.
func (s *Station) Handle(ctx context.Context, scan barcode.Scan, w Worker) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.config.Now()
	repeated, came := s.repeated(scan, now), string(scan.Raw)
	code, scan, isBadge := badgeIn(scan)
	var f Feedback
	var err error
	switch {
	case repeated:
		f, err = s.commit(ctx, scan.Raw, func(a *act) error {
			a.worker, a.f.Scan = w, &scan
			return a.inform(RepeatIgnored, nil)
		})
	case isBadge:
		f, err = s.badge(ctx, code, scan, w)
	default:
		f, err = s.inTurn(ctx, scan.Raw, w, func(a *act) error {
			a.f.Scan = &scan
			return a.judge(scan)
		})
	}
	if err == nil { // only then the scan was dealt with: one that was not is welcome again
		s.last = repeat{came, now}
	}
	return f, err
}

// repeated tells whether the same bytes came within the window before.
func (s *Station) repeated(scan barcode.Scan, now time.Time) bool {
	return s.config.Repeat > 0 && s.last.raw != "" && s.last.raw == string(scan.Raw) && now.Sub(s.last.at) < s.config.Repeat
}

// SetMode changes what the station does.
func (s *Station) SetMode(ctx context.Context, m Mode, w Worker) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inTurn(ctx, nil, w, func(a *act) error { return a.setMode(m) })
}

// UndoMovement takes back a movement of this station, its last one when id is empty.
func (s *Station) UndoMovement(ctx context.Context, id string, w Worker) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inTurn(ctx, nil, w, func(a *act) error {
		if id == "" {
			return a.undo(a.st.Undo)
		}
		name, err := stock.ParseID(id)
		if err != nil {
			return a.refuse(NothingToUndo, nil)
		}
		return a.undo(name)
	})
}

// commit runs one act in a transaction and tells everybody who listens.
func (s *Station) commit(ctx context.Context, raw []byte, do func(*act) error) (Feedback, error) {
	var f Feedback
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		a, err := s.begin(tx, raw)
		if err != nil {
			return err
		}
		if err := do(a); err != nil {
			return err
		}
		if f, err = a.end(); err != nil || f.Code != Received || s.config.Received == nil {
			return err
		}
		return s.config.Received(tx, f, a.worker)
	})
	if err != nil {
		return Feedback{}, fmt.Errorf("station %s: %w", s.config.Name, err)
	}
	s.publish(f)
	return f, nil
}

func (s *Station) begin(tx *store.Tx, raw []byte) (*act, error) {
	st, err := s.state(tx)
	if err != nil {
		return nil, err
	}
	now := s.clock.Wall().In(s.config.Zone)
	st.turnTo(now)
	st.Number++
	stamp, quality := s.clock.Now()
	meta := change.Meta{Time: stamp, Quality: quality, Terminal: s.config.Name, Day: st.Day, Zone: s.config.Zone.String()}
	f := Feedback{Number: st.Number, Time: now, Station: s.config.Name, Raw: raw, Day: st.Day, Told: Told{Mode: st.Mode}}
	return &act{s: s, tx: tx, st: st, meta: meta, f: f}, nil
}

// state returns where the station stands: where its last scan left it.
func (s *Station) state(tx *store.Tx) (State, error) {
	last, err := tx.LastScan(s.config.Name)
	if err != nil {
		return State{}, err
	}
	st := State{Mode: s.config.Mode}
	if last.Number > 0 {
		if err := json.Unmarshal(last.State, &st); err != nil {
			return State{}, fmt.Errorf("read state after scan %d: %w", last.Number, err)
		}
	}
	st.Number, st.Day, st.Undo = last.Number, last.Day, last.Undo
	return st, nil
}

// State returns where the station stands.
func (s *Station) State(ctx context.Context) (State, error) {
	var st State
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		st, err = s.state(tx)
		return err
	})
	st.turnTo(s.clock.Wall().In(s.config.Zone))
	return st, err
}

// Subscribe returns a channel that gets every feedback from now on, until the returned
// function is called. A reader who is too slow misses some and finds them in the store. A
// feedback without a number says that Trouble, or something that belongs to no scan, has changed.
func (s *Station) Subscribe() (<-chan Feedback, func()) {
	c := make(chan Feedback, 64)
	s.subMu.Lock()
	s.subs[c] = true
	s.subMu.Unlock()
	return c, func() {
		s.subMu.Lock()
		defer s.subMu.Unlock()
		if s.subs[c] {
			delete(s.subs, c)
			close(c)
		}
	}
}

func (s *Station) publish(f Feedback) {
	s.subMu.Lock()
	defer s.subMu.Unlock()
	for c := range s.subs {
		select {
		case c <- f:
		default:
		}
	}
}

// Scans returns feedbacks with numbers above after, oldest first.
func (s *Station) Scans(ctx context.Context, after int64, limit int) ([]Feedback, error) {
	return s.read(ctx, func(tx *store.Tx) ([]Feedback, error) { return Scans(tx, s.config.Name, after, limit) })
}

// LastScans returns the newest feedbacks, oldest first.
func (s *Station) LastScans(ctx context.Context, n int) ([]Feedback, error) {
	return s.read(ctx, func(tx *store.Tx) ([]Feedback, error) {
		scans, err := tx.LastScans(s.config.Name, n)
		slices.Reverse(scans)
		return feedbacks(tx, scans, err)
	})
}

// RefusedToday returns today's refused scans, newest first.
func (s *Station) RefusedToday(ctx context.Context, limit int) ([]Feedback, error) {
	day := stock.Date(s.clock.Wall().In(s.config.Zone).Format(time.DateOnly))
	return s.read(ctx, func(tx *store.Tx) ([]Feedback, error) {
		scans, err := tx.RefusedScans(s.config.Name, day, limit)
		return feedbacks(tx, scans, err)
	})
}

func (s *Station) read(ctx context.Context, find func(*store.Tx) ([]Feedback, error)) (out []Feedback, err error) {
	err = s.store.View(ctx, func(tx *store.Tx) error {
		out, err = find(tx)
		return err
	})
	return out, err
}

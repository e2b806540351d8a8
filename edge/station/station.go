// Package station holds the rules of a scan: what a worker may do with it in each mode, what is
// refused, and what the worker is told.
//
// Every scan, accepted or refused, is one transaction: the movement or count with its place in
// the outbox, or the audit entry of the refusal; the scan's own row; and where the station stands.
// The worker is told after the commit and not before, so that what was shown as done is on
// disk, and a station that lost power goes on where it was.
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

// Mode is what a station does with a scan.
type Mode string

// The modes.
const (
	Receive  Mode = "receive"
	Pick     Mode = "pick"
	Count    Mode = "count"
	Transfer Mode = "transfer"
	LookUp   Mode = "lookup"
	Undo     Mode = "undo"
)

// Modes returns all modes.
func Modes() []Mode { return []Mode{Receive, Pick, Count, Transfer, LookUp, Undo} }

// Outcome is how a scan ended.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted" // a movement or a counted line was committed
	Refused  Outcome = "refused"  // nothing was booked
	Info     Outcome = "info"     // an answer, a changed mode, a chosen bin
)

// Config describes a station. Name, Receiving and Zone are needed.
type Config struct {
	Name      string
	Label     string         // what people call it
	Receiving stock.Location // where goods receipts go
	Mode      Mode           // at the very first start; Receive when empty
	Repeat    time.Duration  // equal scans within it are reported, not booked; 0 books all
	Zone      *time.Location // of the business day
}

// State is where a station stands. It is kept in the store.
type State struct {
	Mode     Mode           `json:"mode"`
	Bin      stock.Location `json:"bin,omitempty"`    // that picks and counts are about, or transfers come from
	Target   stock.Location `json:"target,omitempty"` // that transfers go to
	Moved    bool           `json:"moved,omitempty"`  // something was transferred between the two: the next bin begins anew
	Number   int64          `json:"number"`           // of the last scan
	Day      stock.Date     `json:"day"`
	Accepted int64          `json:"accepted"` // on that day
	Refused  int64          `json:"refused"`
	Last     string         `json:"last,omitempty"` // last movement that can be taken back
}

// Feedback is what the worker is told about one scan.
type Feedback struct {
	Number   int64             `json:"number"`
	Time     time.Time         `json:"time"`
	Station  string            `json:"station"`
	Mode     Mode              `json:"mode"`
	Outcome  Outcome           `json:"outcome"`
	Code     string            `json:"code"` // see codes.go
	Args     map[string]string `json:"args,omitempty"`
	Raw      []byte            `json:"raw"`
	Scan     json.RawMessage   `json:"scan,omitempty"`
	Movement string            `json:"movement,omitempty"`
	Undoable bool              `json:"undoable,omitempty"`
	SKU      stock.SKU         `json:"sku,omitempty"`
	Item     string            `json:"item,omitempty"`
	Lot      stock.Lot         `json:"lot,omitempty"`
	Serial   stock.Serial      `json:"serial,omitempty"`
	Expiry   stock.Date        `json:"expiry,omitempty"`
	Quantity string            `json:"quantity,omitempty"`
	Unit     string            `json:"unit,omitempty"`
	Location stock.Location    `json:"location,omitempty"`
	OnHand   string            `json:"on_hand,omitempty"`
	Day      stock.Date        `json:"business_day,omitempty"`
}

// Worker says who scans. The zero worker is the station itself.
type Worker struct {
	Actor   string
	Session string
}

// Lead lets a scan pass that would take more than is on hand, with a reason that stays in the movement.
type Lead struct {
	Worker Worker
	Reason string
}

// Station is one scanning place. Its methods may be called by any number of goroutines; scans
// are dealt with one at a time.
type Station struct {
	config Config
	store  *store.Store
	clock  *clock.Clock

	mu   sync.Mutex // one scan at a time
	last repeat

	subMu sync.Mutex
	subs  map[chan Feedback]bool
}

type repeat struct {
	raw string
	at  time.Time
}

// New returns a station that keeps its state in the store.
func New(c Config, s *store.Store, clk *clock.Clock) (*Station, error) {
	if c.Mode == "" {
		c.Mode = Receive
	}
	if c.Name == "" || c.Zone == nil || !slices.Contains(Modes(), c.Mode) {
		return nil, fmt.Errorf("station %q: name, zone and a known mode are needed", c.Name)
	}
	if err := c.Receiving.Check(); err != nil || c.Receiving.Outside() {
		return nil, fmt.Errorf("station %s: receiving location %q is not a bin", c.Name, c.Receiving)
	}
	if c.Label == "" {
		c.Label = c.Name
	}
	return &Station{config: c, store: s, clock: clk, subs: map[chan Feedback]bool{}}, nil
}

// Config returns what the station was made with.
func (s *Station) Config() Config { return s.config }

// Handle deals with one scan and returns what the worker is told, after the commit. An error
// means that nothing was committed and the worker must be told to scan again.
func (s *Station) Handle(ctx context.Context, scan barcode.Scan, w Worker) (Feedback, error) {
	return s.handle(ctx, scan, w, "")
}

// HandleOverride is Handle with a lead's word that the goods are there.
func (s *Station) HandleOverride(ctx context.Context, scan barcode.Scan, l Lead) (Feedback, error) {
	if l.Reason == "" {
		return Feedback{}, fmt.Errorf("station %s: an override needs a reason", s.config.Name)
	}
	return s.handle(ctx, scan, l.Worker, l.Reason)
}

func (s *Station) handle(ctx context.Context, scan barcode.Scan, w Worker, reason string) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	repeated := s.repeated(scan)
	return s.commit(ctx, scan.Raw, func(a *act) error {
		a.worker, a.reason = w, reason
		a.scan(scan)
		if repeated {
			return a.inform(RepeatIgnored, nil)
		}
		return a.judge(scan)
	})
}

// repeated notes the scan and tells whether the same bytes came within the window before it.
func (s *Station) repeated(scan barcode.Scan) bool {
	now := time.Now()
	was := s.last
	s.last = repeat{string(scan.Raw), now}
	return s.config.Repeat > 0 && was.raw != "" && was.raw == s.last.raw && now.Sub(was.at) < s.config.Repeat
}

// SetMode changes what the station does.
func (s *Station) SetMode(ctx context.Context, m Mode, w Worker) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(ctx, nil, func(a *act) error {
		a.worker = w
		return a.setMode(m)
	})
}

// UndoMovement takes back a movement of this station, its last one when id is empty.
func (s *Station) UndoMovement(ctx context.Context, id string, w Worker) (Feedback, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.commit(ctx, nil, func(a *act) error {
		a.worker = w
		return a.undo(id)
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
		f, err = a.end()
		return err
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
	if day := stock.Date(now.Format(time.DateOnly)); st.Day != day {
		st.Day, st.Accepted, st.Refused = day, 0, 0
	}
	st.Number++
	stamp, quality := s.clock.Now()
	meta := change.Meta{Time: stamp, Quality: quality, Terminal: s.config.Name, Day: st.Day, Zone: s.config.Zone.String()}
	return &act{s: s, tx: tx, st: st, meta: meta, f: Feedback{Number: st.Number, Time: now, Station: s.config.Name, Mode: st.Mode, Raw: raw, Day: st.Day}}, nil
}

func (s *Station) state(tx *store.Tx) (State, error) {
	st := State{Mode: s.config.Mode}
	b, err := tx.StationState(s.config.Name)
	if err != nil || b == nil {
		return st, err
	}
	return st, json.Unmarshal(b, &st)
}

// State returns where the station stands.
func (s *Station) State(ctx context.Context) (State, error) {
	var st State
	err := s.store.View(ctx, func(tx *store.Tx) (err error) {
		st, err = s.state(tx)
		return err
	})
	if day := stock.Date(s.clock.Wall().In(s.config.Zone).Format(time.DateOnly)); st.Day != day {
		st.Day, st.Accepted, st.Refused = day, 0, 0
	}
	return st, err
}

// Subscribe returns a channel that gets every feedback from now on, until the returned
// function is called. A reader who is too slow misses some and finds them in the store.
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
	return s.read(ctx, func(tx *store.Tx) ([]store.Scan, error) { return tx.ScansAfter(s.config.Name, after, limit) })
}

// LastScans returns the newest feedbacks, oldest first.
func (s *Station) LastScans(ctx context.Context, n int) ([]Feedback, error) {
	f, err := s.read(ctx, func(tx *store.Tx) ([]store.Scan, error) { return tx.LastScans(s.config.Name, n) })
	slices.Reverse(f)
	return f, err
}

// RefusedToday returns today's refused scans, newest first.
func (s *Station) RefusedToday(ctx context.Context, limit int) ([]Feedback, error) {
	day := stock.Date(s.clock.Wall().In(s.config.Zone).Format(time.DateOnly))
	return s.read(ctx, func(tx *store.Tx) ([]store.Scan, error) { return tx.RefusedScans(s.config.Name, day, limit) })
}

func (s *Station) read(ctx context.Context, find func(*store.Tx) ([]store.Scan, error)) ([]Feedback, error) {
	var out []Feedback
	err := s.store.View(ctx, func(tx *store.Tx) error {
		scans, err := find(tx)
		if err != nil {
			return err
		}
		for _, sc := range scans {
			var f Feedback
			if err := json.Unmarshal(sc.Feedback, &f); err != nil {
				return fmt.Errorf("read scan %d: %w", sc.Number, err)
			}
			out = append(out, f)
		}
		return nil
	})
	return out, err
}

// Known reports whether m is a mode.
func Known(m Mode) bool { return slices.Contains(Modes(), m) }

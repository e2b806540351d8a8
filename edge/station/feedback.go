package station

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/edge/store"
	"stockade/protocol/barcode"
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

// Known reports whether m is a mode.
func Known(m Mode) bool { return slices.Contains(Modes(), m) }

// Outcome is how a scan ended.
type Outcome string

// The outcomes.
const (
	Accepted Outcome = "accepted" // a movement or a counted line was committed
	Refused  Outcome = "refused"  // nothing was booked
	Info     Outcome = "info"     // an answer, a changed mode, a chosen bin
)

// State is where a station stands. It is kept with its last scan.
type State struct {
	Mode     Mode           `json:"mode"`
	Bin      stock.Location `json:"bin,omitempty"`      // that picks and counts are about, or transfers come from
	Target   stock.Location `json:"target,omitempty"`   // that transfers go to
	Moved    bool           `json:"moved,omitempty"`    // something was transferred between the two: the next bin begins anew
	Quantity int64          `json:"quantity,omitempty"` // that the next scan of an item counts as; 0 for what its label says
	Digits   bool           `json:"digits,omitempty"`   // a digit that is scanned next is appended to Quantity
	Accepted int64          `json:"accepted,omitempty"` // on Day
	Refused  int64          `json:"refused,omitempty"`
	Number   int64          `json:"-"` // of the last scan
	Day      stock.Date     `json:"-"`
	Undo     stock.ID       `json:"-"` // last movement that can be taken back
}

// turnTo begins a new business day if it is one.
func (st *State) turnTo(now time.Time) {
	if day := stock.Date(now.Format(time.DateOnly)); st.Day != day {
		st.Day, st.Accepted, st.Refused = day, 0, 0
	}
}

// Feedback is what the worker is told about one scan. Of one that is read again, names are those of
// the present catalogue.
type Feedback struct {
	Number   int64      `json:"number"`
	Time     time.Time  `json:"time"`
	Station  string     `json:"station"`
	Outcome  Outcome    `json:"outcome"`
	Code     string     `json:"code"` // see codes.go
	Raw      []byte     `json:"raw"`
	Movement string     `json:"movement,omitempty"`
	Undoable bool       `json:"undoable,omitempty"` // the movement was not taken back yet
	Day      stock.Date `json:"business_day"`

	Item string `json:"item,omitempty"` // name
	Unit string `json:"unit,omitempty"`
	Kind
	Told
}

// Kind says which stock a scan was about.
type Kind struct {
	SKU    stock.SKU    `json:"sku,omitempty"`
	Lot    stock.Lot    `json:"lot,omitempty"`
	Serial stock.Serial `json:"serial,omitempty"`
	Expiry stock.Date   `json:"expiry,omitempty"`
}

// Told is the part of a feedback that is kept with every scan.
type Told struct {
	Mode     Mode              `json:"mode"`
	Scan     *barcode.Scan     `json:"scan,omitempty"`     // what the decoder reported; nil for a button
	Args     map[string]string `json:"args,omitempty"`     // of the sentence, beside those of Arguments
	Set      int64             `json:"set,omitempty"`      // quantity that a command had set for the scan
	Quantity string            `json:"quantity,omitempty"` // with sign where stock went out
	Location stock.Location    `json:"location,omitempty"`
	OnHand   string            `json:"on_hand,omitempty"` // at the location, after the scan
}

// kept is what is stored of a feedback: of an accepted movement Kind stands in its change.
type kept struct {
	Told
	*Kind
}

// Arguments returns what the sentence of the feedback may use.
func (f Feedback) Arguments() map[string]string {
	all := map[string]string{"item": f.Item, "unit": f.Unit, "quantity": strings.TrimPrefix(f.Quantity, "-"), "on_hand": f.OnHand, "bin": f.Location.Code()}
	for k, v := range f.Args {
		all[k] = v
	}
	return all
}

// Scans returns what a station told its workers after that scan, oldest first. It needs no
// running station.
func Scans(tx *store.Tx, station string, after int64, limit int) ([]Feedback, error) {
	scans, err := tx.ScansAfter(station, after, limit)
	return feedbacks(tx, scans, err)
}

func feedbacks(tx *store.Tx, scans []store.Scan, err error) ([]Feedback, error) {
	if err != nil {
		return nil, err
	}
	out := make([]Feedback, len(scans))
	for i, s := range scans {
		if out[i], err = feedbackOf(tx, s); err != nil {
			return nil, fmt.Errorf("read scan %d of station %s: %w", s.Number, s.Station, err)
		}
	}
	return out, nil
}

func feedbackOf(tx *store.Tx, s store.Scan) (Feedback, error) {
	f := Feedback{Number: s.Number, Time: s.Time, Station: s.Station, Outcome: Outcome(s.Outcome), Code: s.Code, Raw: s.Raw, Day: s.Day}
	k := kept{Kind: &f.Kind}
	if err := json.Unmarshal(s.Told, &k); err != nil {
		return f, err
	}
	f.Told = k.Told
	if f.Scan != nil {
		f.Scan.Raw = f.Raw
	}
	if !s.Movement.IsZero() {
		if err := f.readMovement(tx, s.Movement); err != nil {
			return f, err
		}
	}
	if f.SKU == "" {
		return f, nil
	}
	item, err := tx.Item(f.SKU)
	if errors.Is(err, store.ErrNotFound) {
		return f, nil
	}
	f.Item, f.Unit = item.Name, item.Unit
	return f, err
}

func (f *Feedback) readMovement(tx *store.Tx, id stock.ID) error {
	c, err := tx.Change(id)
	if errors.Is(err, store.ErrNotFound) { // it was rejected at the hub and taken out
		return nil
	}
	if err != nil {
		return err
	}
	m, err := c.Movement(id)
	if err != nil {
		return err
	}
	f.Movement, f.Kind = id.String(), Kind{SKU: m.Key.SKU, Lot: m.Key.Lot, Serial: m.Key.Serial, Expiry: m.Key.Expiry}
	back, err := tx.Reversed(id)
	f.Undoable = !back && m.Reverses.IsZero()
	return err
}

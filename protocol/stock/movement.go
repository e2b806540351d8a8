package stock

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Key is what makes stock of one item distinct from other stock of it.
type Key struct {
	SKU    SKU
	Lot    Lot
	Serial Serial
	Expiry Date
	State  State
}

// Cell is stock of one kind at one location: the smallest thing that has a balance.
type Cell struct {
	Location Location
	Key      Key
}

// Scanned keeps what the worker's scan said, before it became a base quantity.
type Scanned struct {
	Count  Quantity // in units of Unit
	Unit   string   // "case"; empty for the base unit
	Factor Quantity // base units in one Unit
}

// Movement is a quantity of one kind of stock that left one location for another.
type Movement struct {
	ID       ID
	Time     uint64 // hybrid time, see package clock
	Key      Key
	From, To Location
	Quantity Quantity // in base units, above zero
	Scanned  Scanned
	Reverses ID     // the movement that this one takes back; zero for none
	Cause    string // document line or command that caused it
	Override string // reason of the lead who let it pass in spite of a rule; empty for none
}

// Text limits of what comes in from outside, in bytes.
const (
	MaxSKU  = 64
	MaxText = 200 // lot, serial, unit, cause, override
)

// MaxQuantity limits one movement or count: a thousand million base units.
const MaxQuantity = 1_000_000_000 * Unit

// Check returns an error that says why m can not stand in a ledger.
func (m Movement) Check() error {
	if err := m.Key.check(); err != nil {
		return err
	}
	if err := errors.Join(m.From.Check(), m.To.Check()); err != nil {
		return err
	}
	if m.From == m.To {
		return fmt.Errorf("movement from %s to itself", m.From)
	}
	if m.Quantity <= 0 || m.Quantity > MaxQuantity {
		return fmt.Errorf("movement of %s: want more than zero and at most %s", m.Quantity, MaxQuantity)
	}
	return checkText(m.Scanned.Unit, m.Cause, m.Override)
}

func (k Key) check() error {
	if k.SKU == "" || len(k.SKU) > MaxSKU {
		return fmt.Errorf("item code %q: want 1 to %d bytes", k.SKU, MaxSKU)
	}
	if k.State.String() == "" {
		return fmt.Errorf("stock state %d is unknown", k.State)
	}
	if !k.Expiry.Valid() {
		return fmt.Errorf("expiry %q: want YYYY-MM-DD", k.Expiry)
	}
	return checkText(string(k.Lot), string(k.Serial))
}

func checkText(texts ...string) error {
	for _, t := range texts {
		if len(t) > MaxText {
			return fmt.Errorf("text of %d bytes: at most %d", len(t), MaxText)
		}
		if !utf8.ValidString(t) { // nobody could read the change that carries it
			return fmt.Errorf("text %q is not UTF-8", t)
		}
	}
	return nil
}

// Reversal returns the movement that takes m back whole. Id and time are the caller's to give.
func (m Movement) Reversal() Movement {
	r := Movement{Key: m.Key, From: m.To, To: m.From, Quantity: m.Quantity, Scanned: m.Scanned, Reverses: m.ID}
	return r
}

// Warehouses returns the warehouses that m touches, none, one or two.
func (m Movement) Warehouses() []Warehouse {
	var ws []Warehouse
	for _, l := range []Location{m.From, m.To} {
		if w := l.Warehouse(); w != "" && (len(ws) == 0 || ws[0] != w) {
			ws = append(ws, w)
		}
	}
	return ws
}

// Stream names one run of change numbers: a node's epoch.
type Stream struct {
	Node  NodeID
	Epoch uint64
}

// Vector holds, for each stream, the last change number that an observer had seen.
type Vector map[Stream]uint64

// Covers reports whether the observer had seen the change named id.
func (v Vector) Covers(id ID) bool { return v[Stream{id.Node, id.Epoch}] >= id.Number }

// Clone returns a copy of v that the caller may change.
func (v Vector) Clone() Vector {
	c := make(Vector, len(v)+1)
	for s, n := range v {
		c[s] = n
	}
	return c
}

// Count is what someone found in a cell, seen after the changes in its vector.
type Count struct {
	ID      ID
	Time    uint64 // hybrid time, see package clock
	Cell    Cell
	Counted Quantity
	Seen    Vector
	Cause   string // number or name of the count sheet
}

// Check returns an error that says why c can not stand in a ledger.
func (c Count) Check() error {
	if err := c.Cell.Key.check(); err != nil {
		return err
	}
	if err := c.Cell.Location.Check(); err != nil {
		return err
	}
	if c.Cell.Location.Outside() {
		return fmt.Errorf("count at %s: only bins of a warehouse are counted", c.Cell.Location)
	}
	if c.Counted < 0 || c.Counted > MaxQuantity {
		return fmt.Errorf("count of %s: want zero or more and at most %s", c.Counted, MaxQuantity)
	}
	return checkText(c.Cause)
}

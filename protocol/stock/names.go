// Package stock is the ledger: movements of items between locations, counts of what lies
// there, and the fold that derives balances and exceptions from them.
//
// Everything derived is a function of the set of movements and counts, never of the order
// in which they arrived. Book keeping is double entry: what leaves one location enters
// another, suppliers and customers included, so that the sum over all locations is zero.
// A movement is never changed or removed; a mistake is reversed by another movement.
//
// Package stock stores nothing itself: a Ledger works on a Book.
package stock

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// NodeID names a node; it is also its MQTT client id and the common name of its certificate.
type NodeID string

// HubNode is the node under which the hub posts its own movements.
const HubNode NodeID = "hub"

// SKU is our own code for an item. It is not a GTIN.
type SKU string

// GTIN is a GS1 trade item number as 14 digits of text, its check digit verified.
type GTIN string

// Lot and Serial are the texts that, with their item, name a lot and a single unit.
type (
	Lot    string
	Serial string
)

// Warehouse is the short code of a warehouse, the first part of its locations' names.
type Warehouse string

// Date is a calendar day as YYYY-MM-DD; empty when there is none.
type Date string

// Valid reports whether d is empty or a real day.
func (d Date) Valid() bool {
	if d == "" {
		return true
	}
	_, err := time.Parse(time.DateOnly, string(d))
	return err == nil && len(d) == len(time.DateOnly)
}

// Before reports whether d ends before day; no date is before none.
func (d Date) Before(day Date) bool { return d != "" && d < day }

// State is the stock state of goods. The numbers are stored and sent.
type State uint8

// The stock states.
const (
	Available State = 1
	OnHold    State = 2
	Damaged   State = 3
)

var stateNames = map[State]string{Available: "available", OnHold: "on_hold", Damaged: "damaged"}

// String returns the state's word as it stands in exports, such as "available".
func (s State) String() string { return stateNames[s] }

// Location is a place that can hold stock: "SHA/A-01-2" is bin A-01-2 of warehouse SHA.
// Locations outside any warehouse begin with "@".
type Location string

// The locations outside every warehouse, which make the ledger double entry.
const (
	Supplier   Location = "@supplier"
	Customer   Location = "@customer"
	Transit    Location = "@transit"
	Adjustment Location = "@adjustment"
	Production Location = "@production"
)

// Valid reports whether n is well formed: 1 to 40 of a-z, 0-9 and hyphen.
func (n NodeID) Valid() bool {
	return consists(string(n), 40, func(r rune) bool { return r == '-' || digit(r) || ('a' <= r && r <= 'z') })
}

// Valid reports whether w is well formed: 1 to 12 of A-Z and 0-9.
func (w Warehouse) Valid() bool {
	return consists(string(w), 12, func(r rune) bool { return digit(r) || ('A' <= r && r <= 'Z') })
}

// validBin reports whether a bin's code is well formed: 1 to 40 letters and digits of any script, dots,
// underscores and hyphens.
func validBin(code string) bool {
	return consists(code, 40, func(r rune) bool {
		return r == '-' || r == '.' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r)
	})
}

func digit(r rune) bool { return '0' <= r && r <= '9' }

// consists reports whether s is 1 to most characters that are all allowed. Every movement asks
// several times, so it is no regular expression.
func consists(s string, most int, allowed func(rune) bool) bool {
	n := 0
	for _, r := range s { // bytes that are not UTF-8 come as U+FFFD, which is no letter
		if n++; n > most || !allowed(r) {
			return false
		}
	}
	return n > 0
}

// Bin returns the location of a bin of w.
func (w Warehouse) Bin(code string) Location { return Location(string(w) + "/" + code) }

// Outside reports whether l belongs to no warehouse.
func (l Location) Outside() bool { return strings.HasPrefix(string(l), "@") }

// Warehouse returns the warehouse of l, empty for a location outside.
func (l Location) Warehouse() Warehouse {
	if l.Outside() {
		return ""
	}
	w, _, _ := strings.Cut(string(l), "/")
	return Warehouse(w)
}

// Code returns the part of l that stands on the bin's label.
func (l Location) Code() string {
	if _, bin, ok := strings.Cut(string(l), "/"); ok {
		return bin
	}
	return string(l)
}

// Check returns an error that says what is wrong with l.
func (l Location) Check() error {
	switch l {
	case Supplier, Customer, Transit, Adjustment, Production:
		return nil
	}
	w, bin, ok := strings.Cut(string(l), "/")
	if !ok || !Warehouse(w).Valid() || !validBin(bin) {
		return fmt.Errorf("location %q: want WAREHOUSE/BIN", string(l))
	}
	return nil
}

// ID names what was born at a node, online or off: the number rises by one within the
// node's epoch. It is given in the transaction that stores what it names.
type ID struct {
	Node   NodeID
	Epoch  uint64
	Number uint64
}

// String writes the id as it stands in tables and addresses: "sh-1.2.345".
func (id ID) String() string { return fmt.Sprintf("%s.%d.%d", id.Node, id.Epoch, id.Number) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	node, rest, ok := strings.Cut(s, ".")
	var id ID
	if n, err := fmt.Sscanf(rest, "%d.%d", &id.Epoch, &id.Number); !ok || err != nil || n != 2 || !NodeID(node).Valid() {
		return ID{}, fmt.Errorf("id %q: want NODE.EPOCH.NUMBER", s)
	}
	id.Node = NodeID(node)
	if id.String() != s {
		return ID{}, fmt.Errorf("id %q: want NODE.EPOCH.NUMBER", s)
	}
	return id, nil
}

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

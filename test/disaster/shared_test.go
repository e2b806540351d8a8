package disaster_test

import (
	"fmt"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
)

// TestSharedWarehouse: two nodes of one warehouse have one stock. What the one receives the other picks; more than there is
// is refused at either; and when both were without a line and picked the same goods, the goods did move.
func TestSharedWarehouse(t *testing.T) {
	s := newSite(t, play.Options{Warehouses: []string{"SHA", "SHA"}})
	a, b := s.Players[0], s.Players[1]
	s.say(a, "]C102"+item+"3710", "accepted", "scan.received")
	s.onHand("10", s.Edges...)
	s.say(b, "STK:MODE:PICK", "info", "scan.mode")
	s.say(b, "BIN:RECV", "info", "scan.bin")
	s.say(b, "]C102"+item+"374", "accepted", "scan.picked")
	s.onHand("6", s.Edges...)
	for _, p := range s.Players {
		s.say(p, "STK:MODE:PICK", "info", "scan.mode")
		s.say(p, "BIN:RECV", "info", "scan.bin")
		s.say(p, "]C102"+item+"377", "refused", "scan.more_than_here")
	}
	s.Cut()
	for _, p := range s.Players { // each knows of 6
		s.say(p, "]C102"+item+"376", "accepted", "scan.picked")
	}
	s.Mend()
	s.onHand("-6", s.Edges...)
	if k := s.kinds(); k["negative_stock"] != 1 || len(k) != 1 {
		t.Errorf("cases %v, want the stock that is below zero", k)
	}
	s.say(a, "STK:MODE:RECEIVE", "info", "scan.mode")
	s.say(a, "]C102"+item+"378", "accepted", "scan.received") // they were there all the time
	s.onHand("2", s.Edges...)
	if k := s.kinds(); len(k) != 0 {
		t.Errorf("cases %v, though the cause is gone", k)
	}
	s.hub("audit", "verify")
}

// TestSharedSerial: a unit that the one node has received can not be received at the other.
func TestSharedSerial(t *testing.T) {
	s := newSite(t, play.Options{Warehouses: []string{"SHA", "SHA"}})
	s.say(s.Players[0], "]C101"+item+"21UNIT", "accepted", "scan.received")
	s.onHand("1", s.Edges...)
	s.say(s.Players[1], "]C101"+item+"21UNIT", "refused", "scan.serial_twice")
}

// say lets a player scan and checks what the station says to it.
func (s *site) say(p *play.Player, raw, outcome, code string) {
	s.t.Helper()
	told, err := p.Scan(s.t.Context(), raw+"\r")
	must(s.t, err)
	if len(told) != 1 || told[0].Outcome != outcome || told[0].Code != code {
		s.t.Fatalf("%s: %q: %+v, want %s %s", p.Edge.Options.ID, raw, told, outcome, code)
	}
}

// onHand waits until all nodes and the hub show that much of the one item, and nothing else.
func (s *site) onHand(want string, edges ...*rig.Edge) {
	s.t.Helper()
	see := func(name string, read func(v any) error) {
		var list struct {
			Rows []struct{ GTIN, Location, Quantity string }
		}
		err := rig.Until(s.t.Context(), want+" at "+name, func() (bool, error) {
			err := read(&list)
			return err == nil && len(list.Rows) == 1 && list.Rows[0].Quantity == want && list.Rows[0].GTIN == item && list.Rows[0].Location == "RECV", err
		})
		if err != nil {
			s.t.Fatal(fmt.Errorf("%w: %+v", err, list))
		}
	}
	for _, e := range edges {
		see(e.Options.ID, func(v any) error { return e.JSON(s.t.Context(), v, "stock", "--json") })
	}
	see("hub", func(v any) error { return s.Hub.JSON(s.t.Context(), v, "stock", "--json") })
}

package disaster_test

import (
	"context"
	"path/filepath"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
)

// TestCardRolledBack: an older copy of a node's data is put back, and the node scans on before it hears of the hub. It
// is granted a new epoch, fetches back what it had sent, and gives what it scanned since new names.
func TestCardRolledBack(t *testing.T) {
	s := newSite(t, play.Options{})
	one, p := s.Edges[0], s.Players[0]
	s.scan(p, 3)
	s.scan(s.Players[1], 1)
	s.settled()
	must(t, one.Process.Stop())
	card := filepath.Join(s.Rig.Dir, "old-card")
	must(t, rig.Copy(t.Context(), one.Data(), card))
	s.restart(p)
	s.scan(p, 3) // the copy knows nothing of these
	must(t, s.Quiet(t.Context()))

	one.Kill()
	must(t, rig.Copy(t.Context(), card, one.Data()))
	s.Relays[0].Cut()
	s.restart(p)
	pageEnds(t, one)
	must(t, p.Rewind(t.Context()))
	s.scan(p, 2) // under numbers that the hub has other changes for
	s.Relays[0].Mend()
	st := s.await(one, "to get a new epoch", func(st rig.Status) bool { return st.Epoch == 2 && !st.Rejoining })
	if st.Frozen != "" {
		t.Errorf("%+v", st)
	}
	s.scan(p, 1)
	s.settled()
	if n := s.node("edge-1"); n.Epoch != 2 || n.Dispute != "" || len(s.held()) != 0 {
		t.Errorf("%+v, held %+v", n, s.held())
	}
}

// pageEnds: a page that was open all the time is told to begin anew, since the station counts from where it was.
func pageEnds(t *testing.T, e *rig.Edge) {
	t.Helper()
	pages, err := e.Pages()
	must(t, err)
	b, err := rig.NewBrowser(pages, "")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	if err := b.Follow(ctx, "dock-1", 8, make(chan rig.Feedback, 100)); err == nil || ctx.Err() != nil {
		t.Errorf("a page from before goes on waiting: %v", err)
	}
}

// restart starts a player's node again.
func (s *site) restart(p *play.Player) {
	s.t.Helper()
	p.Detach()
	must(s.t, p.Edge.Start(s.t.Context()))
	must(s.t, p.Attach(s.t.Context()))
}

// double copies a node's card and runs both copies, without a line.
func (s *site) double() (*rig.Edge, *play.Player) {
	s.t.Helper()
	one := s.Players[0]
	must(s.t, one.Edge.Process.Stop())
	copied, p, err := s.Double(s.t.Context(), 0)
	must(s.t, err)
	s.Relays[0].Cut()
	s.restart(one)
	must(s.t, copied.Start(s.t.Context()))
	must(s.t, p.Attach(s.t.Context()))
	s.t.Cleanup(p.Detach)
	return copied, p
}

// TestCardCloned: two machines run from copies of one card, and both scan. The hub notices that both are alive and
// grants neither a new epoch until a person has decided. Both go on scanning meanwhile. Run one after the other they
// then deliver all that either had confirmed.
func TestCardCloned(t *testing.T) {
	s := newSite(t, play.Options{})
	one := s.Players[0]
	s.scan(one, 2)
	s.settled()
	copied, clone := s.double()
	s.scan(one, 2)
	s.scan(clone, 3)
	s.Relays[0].Mend() // they now throw each other off the broker, and both have their turn
	s.until("a dispute", func() bool { return s.node("edge-1").Dispute == "two_live" })
	if s.kinds()["alarm"] == 0 {
		t.Errorf("nobody at the hub is told: %v", s.kinds())
	}
	s.scan(one, 1)
	s.scan(clone, 1)
	must(t, copied.Process.Stop()) // a person has found the second machine
	if _, err := s.Hub.CLI(t.Context(), "node", "settle", "edge-1"); err == nil {
		t.Error("a dispute was settled without a reason")
	}
	s.hub("node", "settle", "edge-1", "--reason", "the second machine was stopped")
	must(t, s.Quiet(t.Context()))
	must(t, one.Edge.Process.Stop())
	s.restart(clone) // what it alone has is not given up
	s.scan(clone, 1)
	must(t, copied.Acknowledged(t.Context()))
	must(t, copied.Process.Stop())
	s.restart(one)
	s.scan(one, 1)
	one.Absorb(clone)
	s.settled()
	if n := s.node("edge-1"); n.Dispute != "" || len(s.held()) != 0 {
		t.Errorf("%+v, held %+v", n, s.held())
	}
}

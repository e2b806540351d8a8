package disaster_test

import (
	"fmt"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/internal/mqtt"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
	"stockade/test/play"
)

// TestFork: whoever has a copy of a node's card and another program does not ask for the head first. Its batch stands at a
// place that is taken, so it is held; the node itself goes on. A person decides, and either way it counts at most once.
func TestFork(t *testing.T) {
	for name, accept := range map[string]bool{"accepted": true, "rejected": false} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, play.Options{})
			p := s.Players[0]
			s.scan(p, 2)
			s.settled()
			must(t, p.Edge.Process.Stop())
			line := fmt.Appendf(nil, "]C101%s21FORK\r", item)
			forked := s.fork(p, stock.Movement{Key: stock.Key{SKU: "I-00001", Serial: "FORK", State: stock.Available}, From: stock.Supplier, To: "SHA/RECV", Quantity: stock.Unit})
			s.send(p, forked, forked)
			s.until("a held batch", func() bool { return len(s.held()) > 0 })
			h := s.held()[0]
			if len(s.held()) != 1 || h.Node != "edge-1" || h.Reason != "fork" || h.Changes != 1 || s.node("edge-1").Dispute != "fork" {
				t.Errorf("held %+v, node %+v", s.held(), s.node("edge-1"))
			}
			if k := s.kinds(); k["held"] != 1 {
				t.Errorf("cases %v", k)
			}
			shown(t, s, h)
			if _, err := s.Hub.CLI(t.Context(), "node", "settle", "edge-1", "--reason", "too early"); err == nil {
				t.Error("a dispute was settled over a held batch")
			}
			s.restart(p)
			s.scan(p, 1) // the node's own chain goes on meanwhile
			must(t, p.Edge.Acknowledged(t.Context()))
			word := map[bool]string{true: "accept", false: "reject"}[accept]
			s.hub("held", word, h.Hash, "--reason", "the card was found")
			if accept {
				must(t, p.Credit("", line))
			}
			s.same(p)
			must(t, p.Edge.Process.Stop())
			s.send(p, forked) // once more, after the decision
			s.restart(p)
			s.scan(p, 1)
			s.same(p)
			s.settled()
			if n := s.node("edge-1"); n.Dispute != "" || len(s.held()) != 0 {
				t.Errorf("%+v, held %+v", n, s.held())
			}
		})
	}
}

// fork makes, with the node's own key, another batch in place of the last one that it has cut.
func (s *site) fork(p *play.Player, m stock.Movement) change.Batch {
	s.t.Helper()
	var forked change.Batch
	must(s.t, play.WithStore(s.t.Context(), p.Edge, func(st *store.Store) error {
		return st.View(s.t.Context(), func(tx *store.Tx) error {
			state, err := tx.SenderState()
			if err != nil {
				return err
			}
			last, _, _, _, err := tx.BatchAt(state.Head.Epoch, state.Head.Seq)
			if err != nil {
				return err
			}
			e, err := tx.Enrolment()
			if err != nil {
				return err
			}
			h, _, err := last.Claim()
			if err != nil {
				return err
			}
			c, err := change.OfMovement(change.Meta{Time: clock.StampOf(time.Now()), Actor: "station/dock-1", Terminal: "dock-1", Day: "2026-08-01", Zone: "Asia/Shanghai"}, m)
			if err != nil {
				return err
			}
			b, err := c.Encode()
			if err != nil {
				return err
			}
			forked, _, err = change.Cut(e.Trust.Key, h, make([]byte, change.SaltSize), [][]byte{b})
			return err
		})
	}))
	return forked
}

// send publishes batches with the node's certificate.
func (s *site) send(p *play.Player, batches ...change.Batch) {
	s.t.Helper()
	secret, err := play.Credentials(s.t.Context(), p.Edge)
	must(s.t, err)
	addresses, err := s.Hub.Addresses()
	must(s.t, err)
	conn, err := mqtt.Dial(s.t.Context(), mqtt.Options{URL: addresses.MQTT[0], ClientID: p.Edge.Options.ID, TLS: secret})
	must(s.t, err)
	defer conn.Close()
	for _, b := range batches {
		m, err := delivery.BatchMessage(b)
		must(s.t, err)
		raw, err := m.Encode()
		must(s.t, err)
		must(s.t, conn.Publish(s.t.Context(), topic.Up("demo", stock.NodeID(p.Edge.Options.ID)), raw))
	}
}

// same waits until the node shows what the hub does.
func (s *site) same(p *play.Player) {
	s.t.Helper()
	s.until("the same stock at node and hub", func() bool {
		v, err := s.Judge(s.t.Context())
		must(s.t, err)
		return v.EdgeDigest == v.HubDigest
	})
}

package disaster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
)

// TestRevokedWhileConnected: the hub's own broker throws a revoked node off at once and does not let it in again; its
// stock stays where it was, and so does everybody else.
func TestRevokedWhileConnected(t *testing.T) {
	s := newSite(t, play.Options{})
	s.scan(s.Players[0], 2)
	s.settled()
	out := s.Edges[0].Process
	ups := strings.Count(out.Output(), "line to the hub is up")
	s.hub("node", "revoke", "edge-1", "--reason", "stolen")
	_, err := out.Line(t.Context(), "no line to the hub")
	must(t, err)
	s.scan(s.Players[0], 2) // the warehouse works on
	s.scan(s.Players[1], 2)
	must(t, s.Edges[1].Acknowledged(t.Context()))
	var refused bool
	must(t, rig.Until(t.Context(), "the broker to refuse it", func() (bool, error) {
		b := s.Hub.Process.Output()
		refused = strings.Contains(b, "edge-1 was revoked")
		return refused, nil
	}))
	st := s.await(s.Edges[0], "its status", func(rig.Status) bool { return true })
	if st.Acknowledged != st.Changes-3 || strings.Count(out.Output(), "line to the hub is up") != ups {
		t.Errorf("a revoked node delivers: %+v", st)
	}
	if n := s.node("edge-1"); !n.Revoked {
		t.Errorf("%+v", n)
	}
	if strings.Contains(s.Edges[1].Process.Output(), "no line to the hub") {
		t.Error("another node lost its line")
	}
}

// TestRevokedBehindMosquitto: a foreign broker knows nothing of it, so what a revoked node sends is held at the intake. A
// person looks at it and decides: what is accepted counts, what is rejected does not.
func TestRevokedBehindMosquitto(t *testing.T) {
	s := newSite(t, play.Options{Mosquitto: true})
	p := s.Players[0]
	s.scan(p, 1)
	s.settled()
	had := s.await(p.Edge, "its status", func(st rig.Status) bool { return st.Acknowledged == st.Changes }).Acknowledged
	s.hub("node", "revoke", "edge-1", "--reason", "stolen")
	if !s.node("edge-1").Revoked {
		t.Fatal("not revoked")
	}
	seq := s.node("edge-1").Sequence
	must(t, p.Play(t.Context(), []byte("]E0"+item[1:]+"\r]E0"+other[1:]+"\r]E0"+item[1:]+"\r"))) // sent before it hears that it is out
	s.scan(s.Players[1], 1)
	must(t, s.Edges[1].Acknowledged(t.Context()))
	s.until("held batches with three changes", func() bool { return changes(s.held()) == 3 })
	if n := s.node("edge-1"); n.Sequence != seq || s.kinds()["held"] != len(s.held()) {
		t.Errorf("the chain went on to %d: %+v; cases %v", n.Sequence, n, s.kinds())
	}
	if s.await(p.Edge, "its status", func(rig.Status) bool { return true }).Acknowledged != had {
		t.Error("a revoked node got an acknowledgement")
	}
	first := s.held()[0]
	if first.Node != "edge-1" || first.Reason != "revoked" {
		t.Errorf("held %+v", first)
	}
	shown(t, s, first)
	if _, err := s.Hub.CLI(t.Context(), "held", "accept", first.Hash); err == nil {
		t.Error("a decision without a reason")
	}
	for _, h := range s.held() {
		s.hub("held", "accept", h.Hash, "--reason", "the goods are there")
	}
	v, err := s.Judge(t.Context())
	must(t, err)
	if v.HubDigest != v.ExpectedDigest || v.Lost != 0 || v.Duplicated != 0 || !v.Verified || len(s.held()) != 0 {
		t.Errorf("%+v", v)
	}
	s.hub("audit", "verify")
}

func changes(list []held) (n uint64) {
	for _, h := range list {
		n += h.Changes
	}
	return n
}

// shown: held show prints the batch and each change in it.
func shown(t *testing.T, s *site, h held) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(s.hub("held", "show", h.Hash[:8])), "\n")
	var change struct{ Movement struct{ To string } }
	if uint64(len(lines)) != h.Changes+1 || json.Unmarshal([]byte(lines[1]), &change) != nil || change.Movement.To != "SHA/RECV" {
		t.Errorf("held show printed for %d changes:\n%s", h.Changes, strings.Join(lines, "\n"))
	}
}

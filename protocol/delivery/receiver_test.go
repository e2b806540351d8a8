package delivery

import (
	"testing"

	"stockade/protocol/change"
)

// hello is what a run of the program says that has heard of a turn.
func hello(boot byte, heard uint64) Hello { return Hello{Boot: Boot{boot}, Heard: heard} }

// TestTwoLive: only a run that has heard of the one after it is alive, and a person's word begins anew.
func TestTwoLive(t *testing.T) {
	s := NewNodeState("sh-1", "SHA", nil)
	steps := []struct {
		what   string
		hello  Hello
		decide bool
		want   Reason
	}{
		{what: "first run", hello: hello(1, 0)},
		{what: "a restart", hello: hello(2, 0)},
		{what: "a late word of the run before", hello: hello(1, 1)},
		{what: "the present run", hello: hello(2, 2)},
		{what: "the first run is alive", hello: hello(1, 2), want: ReasonTwoLive},
		{what: "both speak while nobody decides", hello: hello(2, 3), want: ReasonTwoLive},
		{what: "the one that is left speaks first", hello: hello(1, 3), decide: true},
		{what: "it goes on", hello: hello(1, 5)},
		{what: "a late word of the one that was stopped", hello: hello(2, 4)},
		{what: "it was not stopped", hello: hello(2, 5), want: ReasonTwoLive},
	}
	for _, step := range steps {
		if step.decide {
			s.Decide()
			s.Decide()
		}
		if why := s.Hear(step.hello); why != "" || s.Dispute != step.want {
			t.Fatalf("%s: dispute %q, want %q; refused %q; turn %d", step.what, s.Dispute, step.want, why, s.Turn)
		}
	}
}

// TestDecideBeforeAnybodySpoke leaves nothing behind.
func TestDecideBeforeAnybodySpoke(t *testing.T) {
	s := NewNodeState("sh-1", "SHA", nil)
	_, _, err := s.Judge(change.Header{Epoch: 1, Seq: 1, Prev: change.Hash{1}}, change.Hash{2}, func(uint64, uint64) (change.Hash, bool, error) { return change.Hash{}, false, nil })
	if err != nil || s.Dispute != ReasonFork {
		t.Fatalf("dispute %q, %v", s.Dispute, err)
	}
	s.Decide()
	s.Hear(hello(1, 0))
	s.Hear(hello(1, 1))
	if s.Dispute != "" || len(s.Boots) != 1 {
		t.Errorf("dispute %q, runs %v", s.Dispute, s.Boots)
	}
}

// TestRevokedChain: what comes after the last trusted place is held, whatever of it comes first; before that a gap
// is a gap.
func TestRevokedChain(t *testing.T) {
	head, none := change.Hash{1}, func(uint64, uint64) (change.Hash, bool, error) { return change.Hash{}, false, nil }
	for _, tt := range []struct {
		seq     uint64
		prev    change.Hash
		verdict Verdict
		reason  Reason
	}{
		{6, head, Accept, ""},
		{7, change.Hash{7}, Gap, ""},
		{8, change.Hash{8}, Hold, ReasonRevoked},
		{20, change.Hash{20}, Hold, ReasonRevoked},
		{6, change.Hash{9}, Hold, ReasonFork},
	} {
		s := NewNodeState("sh-1", "SHA", nil)
		s.Head, s.Revoked, s.Trusted = Place{Epoch: 1, Seq: 5, Hash: head}, true, Place{Epoch: 1, Seq: 7}
		verdict, reason, err := s.Judge(change.Header{Epoch: 1, Seq: tt.seq, Prev: tt.prev}, change.Hash{99}, none)
		if err != nil || verdict != tt.verdict || reason != tt.reason {
			t.Errorf("batch %d after %x: verdict %d %q (%v), want %d %q", tt.seq, tt.prev[:1], verdict, reason, err, tt.verdict, tt.reason)
		}
	}
}

// TestDecidedComesAgain: a batch about which a person has decided opens no second dispute.
func TestDecidedComesAgain(t *testing.T) {
	at := func(epoch, seq uint64) (change.Hash, bool, error) { return change.Hash{1}, epoch == 1 && seq == 1, nil }
	for _, tt := range []struct {
		name   string
		decide func(*NodeState, change.Hash)
	}{
		{"accepted", func(s *NodeState, h change.Hash) { s.Branch(h) }},
		{"rejected", func(s *NodeState, h change.Hash) { s.Rejected = append(s.Rejected, h) }},
	} {
		s := NewNodeState("sh-1", "SHA", nil)
		s.Head = Place{Epoch: 1, Seq: 1, Hash: change.Hash{1}}
		fork := change.Header{Epoch: 1, Seq: 1}
		if v, _, err := s.Judge(fork, change.Hash{2}, at); v != Hold || err != nil || s.Dispute != ReasonFork {
			t.Fatalf("a fork: verdict %d, %v", v, err)
		}
		tt.decide(&s, change.Hash{2})
		s.Decide()
		if v, _, err := s.Judge(fork, change.Hash{2}, at); v != Duplicate || err != nil || s.Dispute != "" {
			t.Errorf("%s, it came again: verdict %d, %v, dispute %q", tt.name, v, err, s.Dispute)
		}
		if v, _, err := s.Judge(fork, change.Hash{3}, at); v != Hold || err != nil || s.Dispute != ReasonFork {
			t.Errorf("%s, then another fork: verdict %d, %v, dispute %q", tt.name, v, err, s.Dispute)
		}
	}
}

package fleet_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"stockade/hub/fleet"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

func of(sku stock.SKU, n stock.Quantity) stock.Movement {
	return stock.Movement{Key: stock.Key{SKU: sku, State: stock.Available}, From: stock.Supplier, To: "SHA/R", Quantity: n * stock.Unit}
}

func held(h *hubtest.Hub) []store.Held {
	var out []store.Held
	h.View(func(v *store.View) (err error) { out, err = v.HeldBatches(false); return err })
	return out
}

func state(h *hubtest.Hub, n stock.NodeID) delivery.NodeState {
	var s delivery.NodeState
	h.View(func(v *store.View) error { i, err := v.NodeOf(n); s = i.State; return err })
	return s
}

// forked is a hub where a cloned card has sent a batch beside the node's own.
func forked(t *testing.T) (*hubtest.Hub, *hubtest.Node, store.Held) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	h.Process(n.Batch(of("A", 1)))
	clone := n.Clone()
	h.Process(n.Batch(of("A", 10)))
	h.Process(clone.Batch(of("B", 5), of("C", 7)))
	hs := held(h)
	if len(hs) != 1 || hs[0].Reason != delivery.ReasonFork || state(h, "sh-1").Dispute != delivery.ReasonFork || len(h.Cases(store.CaseHeld)) != 1 {
		t.Fatalf("held %+v, dispute %q", hs, state(h, "sh-1").Dispute)
	}
	return h, n, hs[0]
}

func TestForkAccepted(t *testing.T) {
	h, n, fork := forked(t)
	ctx := context.Background()
	if err := h.Fleet.Decide(ctx, hubtest.Operator, fork.Hash, true, ""); !errors.Is(err, fleet.ErrReason) {
		t.Errorf("decision without a reason = %v", err)
	}
	hubtest.Check(t, h.Fleet.Decide(ctx, hubtest.Operator, fork.Hash, true, "both cards were scanned with"))
	if a, b, c := h.OnHand("A"), h.OnHand("B"), h.OnHand("C"); a != 11*stock.Unit || b != 5*stock.Unit || c != 7*stock.Unit {
		t.Errorf("on hand %s, %s, %s; want 11, 5, 7", a, b, c)
	}
	if err := h.Fleet.Decide(ctx, hubtest.Operator, fork.Hash, false, "no"); !errors.Is(err, store.ErrDecided) {
		t.Errorf("second decision = %v, want ErrDecided", err)
	}
	if s := state(h, "sh-1"); s.Dispute != "" || len(s.Sealed) != 1 || len(held(h)) != 0 || len(h.Cases(store.CaseHeld)) != 0 {
		t.Errorf("after the decision: %+v", s)
	}
	// The node sends the same changes again under other numbers: they are not posted twice.
	h.Process(n.Batch(of("B", 5), of("D", 1)))
	if b, d := h.OnHand("B"), h.OnHand("D"); b != 5*stock.Unit || d != stock.Unit {
		t.Errorf("sent again: on hand %s and %s, want 5 and 1", b, d)
	}
	h.Audited()
}

func TestForkRejected(t *testing.T) {
	h, n, fork := forked(t)
	hubtest.Check(t, h.Fleet.Decide(context.Background(), hubtest.Operator, fork.Hash, false, "the clone was a test"))
	if b := h.OnHand("B"); b != 0 {
		t.Errorf("%s of B on hand, want none", b)
	}
	if s := state(h, "sh-1"); s.Dispute != "" || len(s.Rejected) != 1 || s.Rejected[0] != fork.Hash {
		t.Errorf("after the decision: %+v", s)
	}
	h.Process(n.Batch(of("B", 5)))
	if b := h.OnHand("B"); b != 0 {
		t.Errorf("rejected change sent again: %s of B on hand, want none", b)
	}
	if p := h.Cases(store.CaseParked); len(p) != 1 {
		t.Errorf("%d changes parked, want 1", len(p))
	}
	h.Audited()
}

// TestAcceptedAfterItCameAgain: what the node has sent in another batch meanwhile is left out.
func TestAcceptedAfterItCameAgain(t *testing.T) {
	h, n, fork := forked(t)
	h.Process(n.Batch(of("B", 5)))
	hubtest.Check(t, h.Fleet.Decide(context.Background(), hubtest.Operator, fork.Hash, true, "found again"))
	if b, c := h.OnHand("B"), h.OnHand("C"); b != 5*stock.Unit || c != 7*stock.Unit {
		t.Errorf("on hand %s and %s, want 5 and 7", b, c)
	}
	h.Audited()
}

func TestRevocation(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	h.Process(n.Batch(of("A", 1)))
	hubtest.Check(t, h.Fleet.Revoke(context.Background(), hubtest.Operator, "sh-1", delivery.Place{Epoch: 1, Seq: 2}, "stolen"))
	h.Process(n.Batch(of("A", 2)), n.Batch(of("A", 4)))
	if a := h.OnHand("A"); a != 3*stock.Unit {
		t.Errorf("on hand %s, want 3: the last trusted batch counts, the one after it does not", a)
	}
	hs := held(h)
	if len(hs) != 1 || hs[0].Reason != delivery.ReasonRevoked {
		t.Fatalf("held %+v", hs)
	}
	hubtest.Check(t, h.Fleet.Decide(context.Background(), hubtest.Operator, hs[0].Hash, true, "scanned before it was stolen"))
	if a := h.OnHand("A"); a != 7*stock.Unit {
		t.Errorf("on hand %s, want 7", a)
	}
	var notices []store.Notice
	h.View(func(v *store.View) (err error) { notices, err = v.NoticesAfter(0); return err })
	notices = slices.DeleteFunc(notices, func(n store.Notice) bool { return n.Kind == store.NoticeMaster }) // the feed of rights begins with the first node
	if len(notices) != 2 || notices[0].Kind != store.NoticeRevoked || notices[1].Kind != store.NoticeDecided {
		t.Errorf("notices %+v", notices)
	}
	h.Audited()
}

// TestTwoLiveCopies: of two running copies one is stopped, then the other gets a new epoch.
func TestTwoLiveCopies(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	h.Process(n.Batch(of("A", 1)))
	hello := func(boot byte, heard uint64) {
		h.Process(n.Say(delivery.MsgHello, delivery.Hello{Org: hubtest.Org, Node: n.ID, Boot: delivery.Boot{boot}, Nonce: delivery.Nonce{boot}, Heard: heard, Feeds: []delivery.FeedPlace{}}))
	}
	hello(1, 0)
	hello(2, 0)
	hello(1, 2) // the first one is alive: it has heard of the second's turn
	if s := state(h, "sh-1"); s.Dispute != delivery.ReasonTwoLive || len(h.Cases(store.CaseAlarm)) != 1 {
		t.Fatalf("dispute %q, %d alarms", s.Dispute, len(h.Cases(store.CaseAlarm)))
	}
	hubtest.Check(t, h.Fleet.Settle(context.Background(), hubtest.Operator, "sh-1", "the copy was switched off"))
	if s := state(h, "sh-1"); s.Dispute != "" || len(h.Cases(store.CaseAlarm)) != 0 {
		t.Errorf("after the decision: dispute %q, %d alarms", s.Dispute, len(h.Cases(store.CaseAlarm)))
	}
	h.Audited()
}

// TestLogOpenedAnew: every batch has its leaf in the new log, and acknowledgements prove it.
func TestLogOpenedAnew(t *testing.T) {
	h := hubtest.New(t)
	n := h.Node("sh-1", "SHA")
	h.Process(n.Batch(of("A", 1)), n.Batch(of("A", 2)))
	h.Update(func(tx *store.Tx) error {
		head, err := tx.Log().Head()
		if err != nil {
			return err
		}
		return h.Ring.Open(tx, h.Root, delivery.Opening{Epoch: 2, Old: delivery.LogPlace{Epoch: 1, Size: head.N, Root: change.Hash(head.Hash)}, Reason: "test"})
	})
	ack := h.Acked(n, h.Process(n.Batch(of("A", 4))))
	if ack.LogEpoch != 2 || ack.Head.Seq != 3 {
		t.Errorf("acknowledged %+v", ack)
	}
	if f := h.Audited(); f.Batches != 3 || f.Keys != 1 {
		t.Errorf("audit found %+v", f)
	}
	if _, err := h.Fleet.Token(context.Background(), hubtest.Operator, fleet.Wish{Node: "sh-2", Warehouse: "SHA"}); err == nil {
		t.Error("a token without an address was made")
	}
}

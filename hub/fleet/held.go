package fleet

import (
	"context"
	"errors"
	"fmt"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// ErrReason is returned when a person decides without saying why.
var ErrReason = errors.New("a reason is needed: it stands in the log for ever")

// ErrHeld is returned when a dispute can not be ended because batches wait for a decision.
var ErrHeld = errors.New("batches of it are held; accept or reject them first")

// Decide carries out a person's decision about a held batch. Accepted, its changes are merged
// except for those that have come in another way since; rejected, none is. Either way they
// are not posted when the node sends them again. When it was the node's last open batch, the
// dispute over the node ends too.
func (f *Fleet) Decide(ctx context.Context, who auditlog.Who, hash change.Hash, accept bool, reason string) error {
	if reason == "" {
		return ErrReason
	}
	var held store.Held
	seen := fingerprints{marks: map[change.Hash]bool{}}
	// The long search is done beside the writers, what came in meanwhile is added later.
	err := f.Store.View(ctx, func(v *store.View) (err error) {
		if held, err = v.HeldBatch(hash); err != nil {
			return err
		}
		return seen.add(v, held.Node, held.Epoch)
	})
	if err != nil {
		return err
	}
	header, _, err := held.Batch.Claim() // verified when it was held
	if err != nil {
		return err
	}
	decision := "rejected"
	if accept {
		decision = "accepted"
	}
	return f.Store.Update(ctx, f.Clock(), func(tx *store.Tx) error {
		if err := seen.add(&tx.View, held.Node, held.Epoch); err != nil {
			return err
		}
		open, err := tx.DecideHeld(hash, decision, who.Actor, reason)
		if err != nil {
			return err
		}
		if accept {
			err = f.accept(tx, header, held, seen)
		} else {
			err = reject(tx, held)
		}
		if err != nil {
			return err
		}
		if err := settle(tx, header, held, seen, decision); err != nil {
			return err
		}
		if open == 0 {
			if err := endDispute(tx, held.Node); err != nil {
				return err
			}
		}
		return f.Recorder.Record(tx, who, change.Entry{Act: "held." + decision, Object: hash.String(), Detail: map[string]string{
			"node": string(held.Node), "place": fmt.Sprintf("%d.%d", held.Epoch, held.Seq), "held_for": string(held.Reason), "reason": reason}})
	})
}

func (f *Fleet) accept(tx *store.Tx, h change.Header, held store.Held, seen fingerprints) error {
	l, err := tx.PresentLog()
	if err != nil {
		return err
	}
	round, err := f.Ring.Receiver(l).Begin(tx)
	if err != nil {
		return err
	}
	duplicate := func(mark change.Hash) (bool, error) { return seen.marks[mark], nil }
	if err := round.AcceptHeld(h, held.Hash, held.Batch, duplicate); err != nil {
		return err
	}
	_, err = round.Close(tx.Now())
	return err
}

func reject(tx *store.Tx, held store.Held) error {
	s, err := tx.Node(held.Node)
	if err != nil || s == nil {
		return errors.Join(err, fmt.Errorf("node %s: %w", held.Node, store.ErrNotFound))
	}
	s.Rejected = append(s.Rejected, held.Hash)
	return tx.SaveNode(s)
}

// settle remembers the changes of the batch that are decided about.
func settle(tx *store.Tx, h change.Header, held store.Held, seen fingerprints, decision string) error {
	contents, err := held.Batch.Unpack(h)
	if err != nil {
		return nil //nolint:nilerr // what can not be unpacked can not come again in another batch either
	}
	for _, b := range contents.Changes {
		c, err := change.Decode(b)
		if err != nil {
			continue
		}
		if mark := c.Fingerprint(); !seen.marks[mark] {
			if err := tx.Settle(held.Node, mark, "the batch "+held.Hash.String()+" with it was held and "+decision); err != nil {
				return err
			}
		}
	}
	return nil
}

// Settle ends the dispute over a node of which no batch is held: of two running copies a
// person has stopped one. The next that asks for a new epoch gets it.
func (f *Fleet) Settle(ctx context.Context, who auditlog.Who, node stock.NodeID, reason string) error {
	if reason == "" {
		return ErrReason
	}
	e := change.Entry{Act: "node.settled", Object: string(node), Detail: map[string]string{"reason": reason}}
	return f.Recorder.Act(ctx, who, e, func(tx *store.Tx) error {
		hs, err := tx.HeldBatches(false)
		if err != nil {
			return err
		}
		for _, h := range hs {
			if h.Node == node {
				return fmt.Errorf("node %s: %w", node, ErrHeld)
			}
		}
		return endDispute(tx, node)
	})
}

func endDispute(tx *store.Tx, node stock.NodeID) error {
	s, err := tx.Node(node)
	if err != nil || s == nil {
		return errors.Join(err, fmt.Errorf("node %s: %w", node, store.ErrNotFound))
	}
	s.Decide()
	for _, reason := range []delivery.Reason{delivery.ReasonTwoLive, delivery.ReasonFork} {
		tx.Resolve(store.CaseAlarm, store.AlarmSubject(node, reason))
	}
	if err := tx.SaveNode(s); err != nil {
		return err
	}
	return tx.Notify(store.NoticeDecided, string(node))
}

// fingerprints are those of a node's merged changes, gathered in steps.
type fingerprints struct {
	marks map[change.Hash]bool
	upTo  int64 // id of the last batch that was looked at
}

func (s *fingerprints) add(v *store.View, node stock.NodeID, epoch uint64) error {
	return v.BatchesOfNode(node, epoch, s.upTo, func(b store.StoredBatch) error {
		s.upTo = b.ID
		h, _, err := b.Batch.Claim()
		if err != nil {
			return err
		}
		contents, err := b.Batch.Unpack(h)
		if err != nil {
			return nil //nolint:nilerr // nothing of it was merged
		}
		parked, err := v.ParkedNumbers(b)
		if err != nil {
			return err
		}
		for i, raw := range contents.Changes {
			c, err := change.Decode(raw)
			if err == nil && !parked[b.First+uint64(i)] { // #nosec G115 -- an index
				s.marks[c.Fingerprint()] = true
			}
		}
		return nil
	})
}

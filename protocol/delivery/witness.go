package delivery

import (
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
)

// witness checks that the hub's new head extends the one this node co-signed, keeps it and
// co-signs it. It reports whether the rest of the acknowledgement may be believed.
func (s *Sender) witness(tx NodeStore, now time.Time, a Ack, fresh bool) (bool, error) {
	c, err := audit.OpenCheckpoint(a.Checkpoint, audit.Origin(s.trust.Org, a.LogEpoch), s.keys.Log)
	if err != nil {
		return false, &Ignored{err}
	}
	old, reopened := s.st.Log, false
	if a.LogEpoch > old.Epoch {
		o, err := ReadOpening(s.trust.Root, s.trust.Org, a.Opening)
		if err != nil || o.Epoch != a.LogEpoch {
			return false, s.freeze(tx, "log epoch changed without the company's root key", a.Checkpoint)
		}
		old, reopened = FirstHead(a.LogEpoch, a.Opening), true
	}
	head := LogPlace{Epoch: a.LogEpoch, Size: c.Tree.N, Root: change.Hash(c.Tree.Hash)}
	switch {
	case s.st.Frozen != "" && !reopened:
		return false, ignore("frozen: %s", s.st.Frozen)
	case a.LogEpoch < old.Epoch || head.Size < old.Size:
		if fresh && (a.LogEpoch < s.asked.Epoch || (a.LogEpoch == s.asked.Epoch && head.Size < s.asked.Size)) {
			// The hub had less when it answered than this node had seen when it asked.
			return false, s.freeze(tx, fmt.Sprintf("log has %d leaves, was %d", head.Size, s.asked.Size), a.Checkpoint)
		}
		if fresh { // the answer was overtaken by a later word of the hub
			return false, s.askOnce(now)
		}
		return false, ignore("late acknowledgement: log of %d leaves, have %d", head.Size, old.Size)
	case head.Size == old.Size && head.Root != old.Root:
		return false, s.freeze(tx, fmt.Sprintf("two heads of a log with %d leaves", head.Size), a.Checkpoint)
	case head.Size > old.Size && a.From != old:
		return false, s.askOnce(now) // proved from a head that is not ours: say where we are
	case head.Size > old.Size:
		if err := audit.CheckConsistency(c.Tree, tlog.Tree{N: old.Size, Hash: tlog.Hash(old.Root)}, a.Consistency); err != nil {
			return false, s.freeze(tx, err.Error(), a.Checkpoint)
		}
	}
	if a.Head.Seq > 0 {
		leaf := audit.Leaf{Kind: audit.LeafBatch, Hash: a.Head.Hash}
		if err := audit.CheckInclusion(c.Tree, a.Leaf, leaf, a.Inclusion); err != nil {
			return false, s.freeze(tx, err.Error(), a.Checkpoint)
		}
	}
	if head == s.st.Log {
		return true, nil
	}
	return true, s.cosign(tx, now, head, c, a.Checkpoint, reopened)
}

func (s *Sender) cosign(tx NodeStore, now time.Time, head LogPlace, c audit.Checkpoint, note []byte, reopened bool) error {
	if reopened && s.st.Frozen != "" {
		s.st.Frozen = ""
		if err := tx.PutFrozen("", nil); err != nil {
			return err
		}
	}
	signed, err := audit.Cosign(note, c, s.keys.Log, string(s.trust.Node), s.trust.Key, now)
	if err != nil {
		return err
	}
	s.st.Log = head
	if err := tx.PutLog(head, signed); err != nil {
		return err
	}
	return s.send(Seal(s.trust.Key, MsgCosign, Cosign{Org: s.trust.Org, Node: s.trust.Node, Note: signed}))
}

// freeze keeps the evidence and takes no acknowledgement and no feed until the root key has
// opened a new log. The node goes on scanning and keeps its outbox.
func (s *Sender) freeze(tx NodeStore, why string, evidence []byte) error {
	s.phase = Frozen
	if s.st.Frozen != "" {
		return ignore("frozen: %s", s.st.Frozen)
	}
	s.st.Frozen = why
	return tx.PutFrozen(why, evidence)
}

// learnKeys takes a newer list of working keys, which only the root key can sign. It is looked
// for before the message's own signature, which may be by a key of that list.
func (s *Sender) learnKeys(tx NodeStore, m Message) error {
	payload, err := change.Payload(m.Body)
	if err != nil {
		return &Ignored{err}
	}
	var a Ack
	if err := change.UnmarshalExact(payload, &a); err != nil {
		return &Ignored{err}
	}
	keys, err := OpenKeys(s.trust.Root, s.trust.Org, a.Keys)
	if err != nil || keys.Number <= s.keys.Number {
		return nil // an older list is refused without a word: the message may still be in order
	}
	s.keys, s.st.Keys = keys, a.Keys
	return tx.PutKeys(a.Keys)
}

package delivery

import (
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"stockade/protocol/stock"
)

// remind serves a hub that has lost an epoch of ours: it gets the rest of the epoch it knows, and
// its own grant of the next.
func (s *Sender) remind(tx NodeStore, now time.Time, at Place) error {
	for seq := at.Seq + 1; seq <= at.Seq+window; seq++ {
		b, _, _, ok, err := tx.BatchAt(at.Epoch, seq)
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if err := s.send(BatchMessage(b)); err != nil {
			return err
		}
	}
	grant, ok, err := tx.Grant(at.Epoch + 1)
	for e := at.Epoch + 2; err == nil && !ok && e <= s.st.Head.Epoch; e++ {
		grant, ok, err = tx.Grant(e)
	}
	if err != nil {
		return err
	}
	if ok {
		s.out = append(s.out, Message{Kind: MsgProof, Body: grant})
	}
	s.wake = now.Add(firstRetry)
	return nil
}

// rejoin asks for a new epoch, or goes on fetching once it is granted.
func (s *Sender) rejoin(tx NodeStore, now time.Time) ([]Message, error) {
	s.phase, s.wake = Rejoining, now.Add(s.retry)
	if s.st.Grant != nil {
		return s.out, s.recover(tx, now)
	}
	err := s.send(Seal(s.trust.Key, MsgRejoin, Rejoin{Org: s.trust.Org, Node: s.trust.Node, Boot: s.boot, Nonce: s.st.Asked, Head: s.st.Head}))
	return s.out, err
}

func (s *Sender) grant(tx NodeStore, now time.Time, m Message) error {
	var g Grant
	if err := s.fromHub(m, &g, &g.Org, &g.Node); err != nil {
		return err
	}
	if s.phase != Rejoining || g.Nonce != s.st.Asked || s.st.Grant != nil {
		return ignore("grant of epoch %d was not asked for", g.Epoch)
	}
	s.st.Grant = m.Body
	if err := tx.PutRejoin(s.st.Asked, m.Body); err != nil {
		return err
	}
	return s.recover(tx, now)
}

// recover fetches the next batches that we lack, or adopts the granted epoch when none is left.
func (s *Sender) recover(tx NodeStore, now time.Time) error {
	var g Grant
	if err := Unseal(s.keys.Ack, Message{Kind: MsgGrant, Body: s.st.Grant}, &g); err != nil {
		return s.again(tx, now)
	}
	kept := stock.ID{Node: s.trust.Node, Epoch: s.st.Head.Epoch, Number: s.st.Kept}
	for _, p := range g.Sealed {
		from, number, err := s.missing(tx, p)
		if err != nil {
			return err
		}
		if from == 0 {
			if p.Epoch == s.st.Head.Epoch && number > 0 {
				kept.Number = number
			}
			continue
		}
		s.wake, s.fetched = now.Add(s.retry), min(p.Seq, from+returnsAtOnce-1)
		return s.send(Seal(s.trust.Key, MsgFetch, Fetch{Org: s.trust.Org, Node: s.trust.Node, Epoch: p.Epoch, From: from, Count: p.Seq - from + 1}))
	}
	if err := tx.Adopt(g, s.st.Grant, kept); err != nil {
		return err
	}
	s.st.Head, s.st.Next, s.st.Acked, s.st.Kept = Place{Epoch: g.Epoch}, 1, Place{Epoch: g.Epoch}, 0
	s.st.Asked, s.st.Grant, s.sent = Nonce{}, nil, 0
	_, err := s.ask(now)
	return err
}

// again drops a grant that can not be read any more and asks for another.
func (s *Sender) again(tx NodeStore, now time.Time) error {
	s.rand(s.st.Asked[:])
	s.st.Grant = nil
	if err := tx.PutRejoin(s.st.Asked, nil); err != nil {
		return err
	}
	_, err := s.rejoin(tx, now)
	return err
}

// missing returns the first sequence that we lack up to where the hub sealed an epoch, 0 when
// we lack none, and then, for our present epoch, the last change number that the hub holds.
func (s *Sender) missing(tx NodeStore, sealed Place) (from, number uint64, err error) {
	// What came back is looked at first: it stands in our chain by now, but what we had
	// there before is not the hub's.
	p, back, err := tx.Returned(sealed.Epoch)
	if err != nil || (back && p.Seq >= sealed.Seq) {
		return 0, 0, err
	}
	if back {
		return p.Seq + 1, 0, nil
	}
	ours, last, err := s.holds(tx, sealed)
	if ours || err != nil || sealed.Seq == 0 {
		return 0, last, err
	}
	if sealed.Epoch == s.st.Acked.Epoch {
		return s.st.Acked.Seq + 1, 0, nil
	}
	return 1, 0, nil
}

func (s *Sender) returned(tx NodeStore, now time.Time, m Message) error {
	var r Return
	if err := s.fromHub(m, &r, &r.Org, &r.Node); err != nil {
		return err
	}
	if s.phase != Rejoining || s.st.Grant == nil {
		return ignore("batch %d came back unasked", r.Place.Seq)
	}
	var g Grant
	if err := Unseal(s.keys.Ack, Message{Kind: MsgGrant, Body: s.st.Grant}, &g); err != nil {
		return &Ignored{err}
	}
	i := slices.IndexFunc(g.Sealed, func(p Place) bool { return p.Epoch == r.Place.Epoch })
	if i < 0 || r.Place.Seq > g.Sealed[i].Seq {
		return ignore("batch %d of epoch %d was not asked for", r.Place.Seq, r.Place.Epoch)
	}
	if want, _, err := s.missing(tx, g.Sealed[i]); err != nil || want != r.Place.Seq {
		return errors.Join(err, ignore("batch %d came back, waiting for %d", r.Place.Seq, want))
	}
	h, hash, err := r.Batch.Claim() // the hub vouches for it: the node's key may be a new one
	if err != nil || hash != r.Place.Hash || sha256.Sum256(r.Batch.Body) != h.Body {
		return ignore("batch %d came back damaged", r.Place.Seq)
	}
	if r.Place.Epoch != h.Epoch { // a branch: it was held once and has an epoch of its own
		h.Epoch, h.Seq, h.First = r.Place.Epoch, r.Place.Seq, 1
	}
	if err := tx.PutReturned(r.Place, h, r.Batch, r.Parked); err != nil {
		return err
	}
	s.retry = firstRetry
	if r.Place.Seq >= s.fetched {
		return s.recover(tx, now)
	}
	s.wake = now.Add(s.retry)
	return nil
}

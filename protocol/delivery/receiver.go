package delivery

import (
	"crypto/ed25519"
	"slices"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// NodeState is what the hub keeps of a node. Its methods change it; the caller stores it in
// the transaction that does what they say.
type NodeState struct {
	Node      stock.NodeID
	Key       ed25519.PublicKey
	Warehouse stock.Warehouse

	Head     Place  // last accepted batch of the node's current epoch
	HeadLeaf int64  // its leaf in the log, -1 when there is none
	Next     uint64 // number of the next change
	Highest  uint64 // highest epoch ever named for this node
	Sealed   []Place
	Rejected []change.Hash // headers of held batches that a person has rejected
	Covered  Place         // a verified backup holds the chain up to here

	Dispute Reason // why a person has to decide before a new epoch is granted, empty when nothing is open
	Revoked bool
	Trusted Place // with Revoked: the last place that is still accepted

	Boots  []Boot // runs of the node's program in the order they were first heard, the present one last
	Turn   uint64 // rises whenever another run of the program speaks
	Asked  Nonce  // of the rejoin last granted
	Log    LogPlace
	SentTo LogPlace // head of the log in the last acknowledgement sent: what the next one starts from
}

// maxBoots limits how many earlier runs are remembered.
const maxBoots = 16

// NewNodeState returns the state of a node that was just enrolled.
func NewNodeState(node stock.NodeID, w stock.Warehouse, key ed25519.PublicKey) NodeState {
	return NodeState{Node: node, Warehouse: w, Key: key, Head: Place{Epoch: 1}, HeadLeaf: -1, Next: 1, Highest: 1}
}

// Verdict is what the hub does with an authentic batch.
type Verdict uint8

// The verdicts.
const (
	Accept    Verdict = iota + 1 // store, log, merge, acknowledge
	Duplicate                    // stored already: acknowledge again
	Gap                          // something before it is missing: acknowledge what there is
	Hold                         // store aside until a person decides
)

// Judge says what to do with an authentic batch. at returns the header hash stored for a
// place of this node, also in sealed epochs. Accept moves the head; Hold may open a dispute.
func (s *NodeState) Judge(h change.Header, hash change.Hash, at func(epoch, seq uint64) (change.Hash, bool, error)) (Verdict, Reason, error) {
	if s.decided(hash) {
		return Duplicate, "", nil
	}
	if h.Epoch != s.Head.Epoch || h.Seq <= s.Head.Seq {
		stored, ok, err := at(h.Epoch, h.Seq)
		switch {
		case err != nil:
			return 0, "", err
		case ok && stored == hash:
			return Duplicate, "", nil
		case ok:
			return s.fork()
		case s.sealed(h.Epoch):
			return Hold, ReasonSealed, nil
		default: // an epoch that this hub has not granted, or has forgotten
			return Gap, "", nil
		}
	}
	switch {
	case s.Revoked && !s.trusted(h) && h.Seq > s.Head.Seq+1: // its chain ends here: nothing will ever close the gap
		return Hold, ReasonRevoked, nil
	case h.Seq > s.Head.Seq+1:
		return Gap, "", nil
	case h.Prev != s.Head.Hash:
		return s.fork()
	case s.Revoked && !s.trusted(h):
		return Hold, ReasonRevoked, nil
	}
	s.Head = Place{Epoch: h.Epoch, Seq: h.Seq, Hash: hash}
	return Accept, "", nil
}

// decided reports whether a person has accepted or rejected that batch when it was held. It may come again
// and is no new dispute.
func (s *NodeState) decided(hash change.Hash) bool {
	return slices.Contains(s.Rejected, hash) || slices.ContainsFunc(s.Sealed, func(p Place) bool { return p.Hash == hash })
}

func (s *NodeState) fork() (Verdict, Reason, error) {
	if s.Dispute == "" {
		s.Dispute = ReasonFork
	}
	return Hold, ReasonFork, nil
}

func (s *NodeState) sealed(epoch uint64) bool {
	return slices.ContainsFunc(s.Sealed, func(p Place) bool { return p.Epoch == epoch })
}

func (s *NodeState) trusted(h change.Header) bool {
	return h.Epoch < s.Trusted.Epoch || (h.Epoch == s.Trusted.Epoch && h.Seq <= s.Trusted.Seq)
}

// Number takes the change numbers of an accepted batch. Numbers that do not follow the ones
// before can only come from a faulty program: false says that its changes are to be parked whole.
func (s *NodeState) Number(h change.Header) bool {
	if h.First != s.Next {
		return false
	}
	s.Next = h.Last() + 1
	return true
}

// Hear takes a hello. It returns a reason when the node has to wait for a person.
//
// A run of the program that was thought to be over and has heard of the run after it is alive:
// two programs then use one key, a cloned card. A late message of a run that ended can not
// have heard of the one that followed.
func (s *NodeState) Hear(h Hello) Reason {
	s.SentTo = h.Log
	known := slices.Index(s.Boots, h.Boot)
	switch {
	case s.settled(): // whoever speaks first now is the one that is left
		s.Boots = slices.DeleteFunc(s.Boots, func(b Boot) bool { return b == Boot{} || b == h.Boot })
		s.present(h.Boot)
	case known >= 0 && known == len(s.Boots)-1:
	case known < 0:
		s.present(h.Boot)
	case h.Heard >= s.Turn:
		s.Boots = slices.Delete(s.Boots, known, known+1)
		s.present(h.Boot)
		if s.Dispute == "" {
			s.Dispute = ReasonTwoLive
		}
	}
	if s.Revoked {
		return ReasonRevoked
	}
	return ""
}

// present notes that the node speaks through another run of its program than before.
func (s *NodeState) present(b Boot) {
	s.Turn++
	s.Boots = append(s.Boots, b)
	if len(s.Boots) > maxBoots {
		s.Boots = s.Boots[1:]
	}
}

// Rejoin closes the present epoch where the hub has it and grants the next one, or says why not.
// The same question gets the same answer.
func (s *NodeState) Rejoin(org string, r Rejoin) (Grant, Reason) {
	switch {
	case s.Revoked:
		return Grant{}, ReasonRevoked
	case s.Dispute != "":
		return Grant{}, ReasonUndecided
	case r.Nonce != s.Asked:
		s.Sealed = append(s.Sealed, s.Head)
		s.Highest = max(s.Highest, r.Head.Epoch) + 1
		s.Head, s.HeadLeaf, s.Next, s.Asked = Place{Epoch: s.Highest}, -1, 1, r.Nonce
	}
	return Grant{Org: org, Node: s.Node, Nonce: r.Nonce, Epoch: s.Head.Epoch, Sealed: slices.Clone(s.Sealed), Settled: slices.Clone(s.Rejected)}, ""
}

// Restore takes a grant of our own that we have forgotten, shown by its node: the chain goes on
// in the granted epoch once everything sealed before it is here again.
func (s *NodeState) Restore(g Grant) bool {
	if g.Epoch <= s.Head.Epoch || len(g.Sealed) == 0 || s.Revoked || s.Dispute != "" || !slices.Contains(g.Sealed, s.Head) {
		return false
	}
	s.Sealed = slices.Clone(g.Sealed)
	s.Highest = max(s.Highest, g.Epoch)
	s.Head, s.HeadLeaf, s.Next, s.Asked = Place{Epoch: g.Epoch}, -1, 1, g.Nonce
	return true
}

// Branch names the epoch in which an accepted batch that was held keeps its changes: an epoch
// of its own, since its numbers stand in the chain already.
func (s *NodeState) Branch(hash change.Hash) Place {
	s.Highest++
	p := Place{Epoch: s.Highest, Seq: 1, Hash: hash}
	s.Sealed = append(s.Sealed, p)
	return p
}

// Decide closes the dispute after a person has decided. The run of the program that is left may be any of
// those that were heard: the zero Boot stands in for it until it speaks.
func (s *NodeState) Decide() {
	s.Dispute = ""
	if !s.settled() {
		s.Boots = append(s.Boots, Boot{})
	}
}

func (s *NodeState) settled() bool { return len(s.Boots) > 0 && s.Boots[len(s.Boots)-1] == Boot{} }

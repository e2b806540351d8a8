package delivery

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// HubStore is the hub's open transaction, as far as the receiver needs it. What a method
// writes is seen by the methods called after it.
type HubStore interface {
	// Node returns the state of an enrolled node, nil for one that is not. Changes are kept by SaveNode.
	Node(stock.NodeID) (*NodeState, error)
	SaveNode(*NodeState) error
	// HashAt returns the header hash of the batch stored at a place of the node's chain.
	HashAt(node stock.NodeID, epoch, seq uint64) (change.Hash, bool, error)
	// StoredBatch returns a batch as it came in.
	StoredBatch(node stock.NodeID, epoch, seq uint64) (change.Batch, bool, error)
	// PutBatch keeps an accepted batch with the index of its leaf.
	PutBatch(place Place, h change.Header, b change.Batch, leaf int64) error
	// Posted is told of each change that was merged, after the ledger has it.
	Posted(id stock.ID, encoded []byte, c change.Change) error
	// Park keeps a change that could not be posted, and opens a case.
	Park(Parked) error
	// ParkedIn returns the numbers of parked changes of one of the node's epochs, rising.
	ParkedIn(node stock.NodeID, epoch, first, last uint64) ([]uint64, error)
	// Settled returns why a change of this node is not to be posted again, empty when it is: a
	// person has decided about it while its batch was held. fingerprint is costly and is
	// only called when anything of this node was ever decided.
	Settled(node stock.NodeID, fingerprint func() change.Hash) (string, error)
	// Hold keeps a batch for a person to decide. Holding it twice is one case.
	Hold(h change.Header, hash change.Hash, b change.Batch, reason Reason) error
	// Alarm tells people about something that must not happen.
	Alarm(node stock.NodeID, reason Reason, detail string) error
	PutCosignature(node stock.NodeID, at LogPlace, when time.Time, note []byte) error
	PutCheckpoint(tree tlog.Tree, note []byte) error
	// Chunks returns sealed chunks of a feed after a place, in order, and whether there are more.
	Chunks(after FeedPlace, most int) (chunks [][]byte, more bool, err error)
	Log() audit.Log
	Ledger() stock.Ledger
}

// Receiver is the hub's end of the sync core.
type Receiver struct {
	Org      string
	Ack      crypto.Signer // signs acknowledgements, grants, returns and refusals
	Log      crypto.Signer // signs checkpoints
	LogEpoch uint64
	Opening  []byte // root-signed statement that opened this log epoch; its hash is leaf 0
	Keys     []byte // root-signed list of working keys
}

// Outgoing is a message for a node, to be sent after the commit.
type Outgoing struct {
	To      stock.NodeID
	Message Message
}

// Opened is a message whose signature holds. What is in it has not been judged yet.
type Opened struct {
	Node     stock.NodeID
	Kind     MessageKind
	Header   change.Header
	Hash     change.Hash
	Batch    change.Batch
	Contents change.Contents
	BodyErr  error // the body is the one signed, but can not be unpacked
	Hello    Hello
	Rejoin   Rejoin
	Fetch    Fetch
	Note     []byte
	Proof    Grant
}

// ErrNotAuthentic is returned for what is set aside: nobody vouches for it.
var ErrNotAuthentic = errors.New("not authentic")

// Open verifies a message that came in under the name of a node. It reads no state but the
// key and can run on many messages at once.
func (r *Receiver) Open(from stock.NodeID, key ed25519.PublicKey, raw []byte) (Opened, error) {
	o, err := r.open(from, key, raw)
	if err != nil {
		return Opened{}, fmt.Errorf("%w: %w", ErrNotAuthentic, err)
	}
	return o, nil
}

func (r *Receiver) open(from stock.NodeID, key ed25519.PublicKey, raw []byte) (Opened, error) {
	m, err := DecodeMessage(raw)
	if err != nil {
		return Opened{}, err
	}
	o := Opened{Node: from, Kind: m.Kind}
	org, node := "", stock.NodeID("")
	switch m.Kind {
	case MsgBatch:
		if o.Batch, err = ReadBatch(m); err != nil {
			return Opened{}, err
		}
		if o.Header, o.Hash, err = o.Batch.Open(key); err != nil {
			return Opened{}, err
		}
		org, node = o.Header.Org, o.Header.Node
		o.Contents, o.BodyErr = o.Batch.Unpack(o.Header)
	case MsgHello:
		err = Unseal(key, m, &o.Hello)
		org, node = o.Hello.Org, o.Hello.Node
	case MsgRejoin:
		err = Unseal(key, m, &o.Rejoin)
		org, node = o.Rejoin.Org, o.Rejoin.Node
	case MsgFetch:
		err = Unseal(key, m, &o.Fetch)
		org, node = o.Fetch.Org, o.Fetch.Node
	case MsgCosign:
		var c Cosign
		err = Unseal(key, m, &c)
		org, node, o.Note = c.Org, c.Node, c.Note
	case MsgProof:
		err = Unseal(r.Ack.Public().(ed25519.PublicKey), Message{Kind: MsgGrant, Body: m.Body}, &o.Proof)
		org, node = o.Proof.Org, o.Proof.Node
	default:
		return Opened{}, fmt.Errorf("message of kind %d", m.Kind)
	}
	if err != nil {
		return Opened{}, err
	}
	if org != r.Org || node != from {
		return Opened{}, fmt.Errorf("%w: %s of %s came in as %s", ErrForeign, node, org, from)
	}
	return o, nil
}

// Round is the work of one transaction: any number of Take, then one Close.
type Round struct {
	r    *Receiver
	tx   HubStore
	due  map[stock.NodeID]Nonce
	size int64
	out  []Outgoing
}

// Begin starts a round in an open transaction.
func (r *Receiver) Begin(tx HubStore) (*Round, error) {
	size, err := tx.Log().Store.Size()
	return &Round{r: r, tx: tx, due: map[stock.NodeID]Nonce{}, size: size}, err
}

// Owe makes Close acknowledge to that node again, for instance after something of it was not authentic.
func (d *Round) Owe(node stock.NodeID) {
	if _, ok := d.due[node]; !ok {
		d.due[node] = Nonce{}
	}
}

// Take judges one message and writes what follows.
func (d *Round) Take(o Opened) error {
	s, err := d.tx.Node(o.Node)
	if err != nil {
		return err
	}
	if s == nil {
		return d.tx.Alarm(o.Node, ReasonUnknownNode, "message of a node that is not enrolled")
	}
	switch o.Kind {
	case MsgBatch:
		err = d.batch(s, o)
	case MsgHello:
		err = d.hello(s, o.Hello)
	case MsgRejoin:
		err = d.rejoin(s, o.Rejoin)
	case MsgFetch:
		err = d.fetch(s, o.Fetch)
	case MsgCosign:
		err = d.cosign(s, o.Note)
	case MsgProof:
		if s.Restore(o.Proof) {
			d.Owe(s.Node)
		}
	}
	if err != nil {
		return err
	}
	return d.tx.SaveNode(s)
}

func (d *Round) batch(s *NodeState, o Opened) error {
	d.Owe(s.Node)
	verdict, reason, err := s.Judge(o.Header, o.Hash, func(epoch, seq uint64) (change.Hash, bool, error) {
		return d.tx.HashAt(s.Node, epoch, seq)
	})
	if err != nil {
		return err
	}
	switch verdict {
	case Accept:
		return d.accept(s, o)
	case Hold:
		return d.tx.Hold(o.Header, o.Hash, o.Batch, reason)
	}
	return nil
}

// accept stores, logs and merges a batch that stands at its place in the chain. From here on
// nothing in it can keep it from being acknowledged.
func (d *Round) accept(s *NodeState, o Opened) error {
	leaf, err := d.tx.Log().Append(audit.Leaf{Kind: audit.LeafBatch, Hash: o.Hash})
	if err != nil {
		return err
	}
	s.HeadLeaf = leaf
	numbered := s.Number(o.Header)
	if err := d.tx.PutBatch(s.Head, o.Header, o.Batch, leaf); err != nil {
		return err
	}
	why := ""
	switch {
	case o.BodyErr != nil:
		why = o.BodyErr.Error()
	case !numbered:
		why = fmt.Sprintf("change numbers begin at %d, want them to follow the batch before", o.Header.First)
	}
	if why != "" {
		id := stock.ID{Node: s.Node, Epoch: o.Header.Epoch, Number: o.Header.First}
		return d.tx.Park(Parked{ID: id, Change: o.Batch.Body, Why: why})
	}
	return d.merge(s, stock.Stream{Node: s.Node, Epoch: o.Header.Epoch}, o.Header.First, o.Contents.Changes)
}

func (d *Round) merge(s *NodeState, stream stock.Stream, first uint64, changes [][]byte) error {
	scope := Scope{Stream: stream, Warehouse: s.Warehouse}
	skip := func(c change.Change) (string, error) { return d.tx.Settled(s.Node, c.Fingerprint) }
	parked, err := Merge(d.tx.Ledger(), scope, first, changes, skip, d.tx.Posted)
	for _, p := range parked {
		err = errors.Join(err, d.tx.Park(p))
	}
	return err
}

// AcceptHeld merges a batch that was held, after a person said so, in an epoch of its own.
// Changes that came in another way since then are left out; duplicate says which.
func (d *Round) AcceptHeld(h change.Header, hash change.Hash, b change.Batch, duplicate func(change.Hash) (bool, error)) error {
	s, err := d.tx.Node(h.Node)
	if err != nil || s == nil {
		return errors.Join(err, fmt.Errorf("accept held batch: node %s is not enrolled", h.Node))
	}
	contents, err := b.Unpack(h)
	if err != nil {
		return err
	}
	place := s.Branch(hash)
	leaf, err := d.tx.Log().Append(audit.Leaf{Kind: audit.LeafBatch, Hash: hash})
	if err != nil {
		return err
	}
	stored := h
	stored.Epoch, stored.Seq, stored.First = place.Epoch, 1, 1
	if err := d.tx.PutBatch(place, stored, b, leaf); err != nil {
		return err
	}
	skip := func(c change.Change) (string, error) {
		if dup, err := duplicate(c.Fingerprint()); !dup || err != nil {
			return "", err
		}
		return "the node has sent it again in another batch", nil
	}
	scope := Scope{Stream: stock.Stream{Node: s.Node, Epoch: place.Epoch}, Warehouse: s.Warehouse}
	parked, err := Merge(d.tx.Ledger(), scope, 1, contents.Changes, skip, d.tx.Posted)
	for _, p := range parked {
		err = errors.Join(err, d.tx.Park(p))
	}
	if err != nil {
		return err
	}
	return d.tx.SaveNode(s)
}

func (d *Round) hello(s *NodeState, h Hello) error {
	if why := s.Hear(h); why != "" {
		return d.refuse(s, h.Nonce, why)
	}
	if ok, err := d.knows(h.Log); err != nil {
		return err
	} else if !ok {
		// It is answered like any other: our head, which contradicts the one that it co-signed, is its evidence.
		d.due[s.Node] = h.Nonce
		return d.tx.Alarm(s.Node, ReasonLogBehind, fmt.Sprintf("log epoch %d, %d leaves", h.Log.Epoch, h.Log.Size))
	}
	d.due[s.Node] = h.Nonce
	allowed := feed.For(s.Warehouse)
	for _, f := range h.Feeds {
		if slices.Contains(allowed, f.Feed) {
			if err := d.feed(s, f); err != nil {
				return err
			}
		}
	}
	return nil
}

// knows reports whether the log has the head that a node co-signed.
func (d *Round) knows(p LogPlace) (bool, error) {
	if p.Epoch != d.r.LogEpoch || p.Size > d.size {
		return p.Epoch < d.r.LogEpoch, nil
	}
	t, err := d.tx.Log().HeadAt(p.Size)
	return change.Hash(t.Hash) == p.Root, err
}

// chunksAtOnce limits what one hello is answered with.
const chunksAtOnce = 4

func (d *Round) feed(s *NodeState, f FeedPlace) error {
	if r, ok := d.tx.(FeedReader); ok {
		if err := r.FeedRead(s.Node, f); err != nil {
			return err
		}
	}
	chunks, more, err := d.tx.Chunks(f, chunksAtOnce)
	if err != nil {
		return err
	}
	for _, c := range chunks {
		d.send(s.Node, Message{Kind: MsgChunk, Body: c})
	}
	if more {
		d.send(s.Node, Message{Kind: MsgMore, Body: []byte{}})
	}
	return nil
}

func (d *Round) rejoin(s *NodeState, r Rejoin) error {
	g, why := s.Rejoin(d.r.Org, r)
	if why != "" {
		return d.refuse(s, r.Nonce, why)
	}
	m, err := Seal(d.r.Ack, MsgGrant, g)
	d.send(s.Node, m)
	return err
}

// returnsAtOnce limits how many batches one fetch brings back.
const returnsAtOnce = 8

func (d *Round) fetch(s *NodeState, f Fetch) error {
	for seq := f.From; seq < f.From+min(f.Count, returnsAtOnce); seq++ {
		b, ok, err := d.tx.StoredBatch(s.Node, f.Epoch, seq)
		if err != nil || !ok {
			return err
		}
		hash, _, err := d.tx.HashAt(s.Node, f.Epoch, seq)
		if err != nil {
			return err
		}
		parked, err := d.parkedIn(s, f.Epoch, b)
		if err != nil {
			return err
		}
		m, err := Seal(d.r.Ack, MsgReturn, Return{Org: d.r.Org, Node: s.Node, Place: Place{Epoch: f.Epoch, Seq: seq, Hash: hash}, Batch: b, Parked: parked})
		if err != nil {
			return err
		}
		d.send(s.Node, m)
	}
	return nil
}

func (d *Round) parkedIn(s *NodeState, epoch uint64, b change.Batch) ([]uint64, error) {
	h, _, err := b.Claim()
	if err != nil {
		return nil, err
	}
	if h.Epoch != epoch { // a branch, see AcceptHeld
		h.First = 1
	}
	parked, err := d.tx.ParkedIn(s.Node, epoch, h.First, h.Last())
	if parked == nil {
		parked = []uint64{}
	}
	return parked, err
}

func (d *Round) cosign(s *NodeState, note []byte) error {
	c, when, err := audit.CheckCosignature(note, string(s.Node), s.Key)
	if err != nil {
		return d.tx.Alarm(s.Node, ReasonFork, err.Error())
	}
	at := LogPlace{Epoch: d.r.LogEpoch, Size: c.Tree.N, Root: change.Hash(c.Tree.Hash)}
	if c.Origin != audit.Origin(d.r.Org, d.r.LogEpoch) {
		return nil // of a log epoch that is over
	}
	if ok, err := d.knows(at); err != nil {
		return err
	} else if !ok {
		return d.tx.Alarm(s.Node, ReasonLogBehind, "co-signed a head that this log never had")
	}
	if at.Size < s.Log.Size && s.Log.Epoch == at.Epoch {
		return nil
	}
	s.Log = at
	return d.tx.PutCosignature(s.Node, at, when, note)
}

func (d *Round) refuse(s *NodeState, n Nonce, why Reason) error {
	m, err := Seal(d.r.Ack, MsgRefusal, Refusal{Org: d.r.Org, Node: s.Node, Nonce: n, Reason: why})
	d.send(s.Node, m)
	return err
}

func (d *Round) send(to stock.NodeID, m Message) { d.out = append(d.out, Outgoing{To: to, Message: m}) }

// Close cuts a checkpoint if the log has grown and returns all messages of the round, which
// are sent only after the commit.
func (d *Round) Close(now time.Time) ([]Outgoing, error) {
	tree, err := d.tx.Log().Head()
	if err != nil {
		return nil, err
	}
	if len(d.due) == 0 && tree.N == d.size {
		return d.out, nil
	}
	note, err := audit.SignCheckpoint(audit.Checkpoint{Origin: audit.Origin(d.r.Org, d.r.LogEpoch), Tree: tree}, d.r.Log)
	if err != nil {
		return nil, err
	}
	if tree.N > d.size {
		if err := d.tx.PutCheckpoint(tree, note); err != nil {
			return nil, err
		}
	}
	nodes := make([]stock.NodeID, 0, len(d.due))
	for n := range d.due {
		nodes = append(nodes, n)
	}
	slices.Sort(nodes)
	for _, n := range nodes {
		s, err := d.tx.Node(n)
		if err != nil {
			return nil, err
		}
		if s == nil {
			continue
		}
		m, err := d.acknowledge(s, tree, note, d.due[n], now)
		if err != nil {
			return nil, err
		}
		d.send(n, m)
		if err := d.tx.SaveNode(s); err != nil {
			return nil, err
		}
	}
	return d.out, nil
}

func (d *Round) acknowledge(s *NodeState, tree tlog.Tree, note []byte, nonce Nonce, now time.Time) (Message, error) {
	a := Ack{Org: d.r.Org, Node: s.Node, Head: s.Head, Covered: s.Covered, Nonce: nonce, Turn: s.Turn, LogEpoch: d.r.LogEpoch,
		Checkpoint: note, Leaf: s.HeadLeaf, From: s.SentTo, Keys: d.r.Keys, Time: millis(now)}
	log, err := d.tx.Log(), error(nil)
	if a.From.Epoch != d.r.LogEpoch || a.From.Size > tree.N || a.From.Size < 1 {
		a.From = FirstHead(d.r.LogEpoch, d.r.Opening)
		a.Opening = d.r.Opening
	}
	if a.Leaf >= 0 {
		if a.Inclusion, err = log.Inclusion(tree.N, a.Leaf); err != nil {
			return Message{}, err
		}
	}
	if a.Consistency, err = log.Consistency(tree.N, a.From.Size); err != nil {
		return Message{}, err
	}
	s.SentTo = LogPlace{Epoch: d.r.LogEpoch, Size: tree.N, Root: change.Hash(tree.Hash)}
	return Seal(d.r.Ack, MsgAck, a)
}

// OpeningLeaf returns leaf 0 of a log that the signed statement opens.
func OpeningLeaf(opening []byte) audit.Leaf {
	return audit.Leaf{Kind: audit.LeafOpening, Hash: sha256.Sum256(opening)}
}

// FirstHead returns the head of a log that holds nothing but its opening.
func FirstHead(epoch uint64, opening []byte) LogPlace {
	return LogPlace{Epoch: epoch, Size: 1, Root: change.Hash(tlog.RecordHash(OpeningLeaf(opening).Bytes()))}
}

package delivery

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// NodeStore is a node's open transaction, as far as the sender needs it. What a method writes
// is seen by the methods called after it.
type NodeStore interface {
	// BatchAt returns a batch of the node's own chain with its header and the header's hash.
	BatchAt(epoch, seq uint64) (change.Batch, change.Header, change.Hash, bool, error)
	// Uncut returns changes of the node's present epoch from number first on that are in no
	// batch yet, in order: at most most of them, and at most bytes in all but for the first.
	Uncut(first uint64, most, bytes int) ([][]byte, error)
	// PutBatch keeps a batch before it is sent for the first time. next is the number of the
	// first change after it.
	PutBatch(place Place, h change.Header, b change.Batch, next uint64) error
	// PutAcked records that the hub holds the chain up to acked, and a verified backup of the
	// hub up to covered.
	PutAcked(acked, covered Place) error
	// PutLog keeps the hub's head that was verified and is now co-signed.
	PutLog(at LogPlace, note []byte) error
	// PutKeys keeps a newer list of the hub's working keys.
	PutKeys(signed []byte) error
	// PutFrozen keeps the evidence against the hub; an empty why lifts it.
	PutFrozen(why string, evidence []byte) error
	// PutRejoin keeps the nonce of a question for a new epoch, and the grant once it is there (nil before).
	PutRejoin(asked Nonce, grant []byte) error
	// PutReturned keeps aside a batch of the node's own that came back from the hub; until Adopt
	// it is no part of the chain that BatchAt reads, and it outlives a restart. parked are the
	// numbers of those changes in it that are not in the hub's ledger and must not be in the node's.
	PutReturned(place Place, h change.Header, b change.Batch, parked []uint64) error
	// Returned returns the last batch that PutReturned kept for an epoch.
	Returned(epoch uint64) (Place, bool, error)
	// Adopt moves to the granted epoch. Changes of the node's own epoch after kept, that is those the
	// hub does not have there, are taken out; the returned batches take the place of the node's own
	// in the chain, which ends where g.Sealed says, and their changes, except parked ones, are
	// posted; what Recut names anew is posted under its new name and waits to be cut. Rejected
	// are the changes in those of the node's own batches whose header hash is in g.Settled.
	// grant is kept as proof.
	Adopt(g Grant, grant []byte, kept stock.ID) error
	// Grant returns the kept grant of an epoch.
	Grant(epoch uint64) ([]byte, bool, error)
	// PutChunk applies the entries of a feed's next chunk.
	PutChunk(at FeedPlace, hash change.Hash, entries []feed.Entry) error
}

// SenderState is what a node keeps of its end of the sync core.
type SenderState struct {
	Head   Place  // last batch cut
	Next   uint64 // number of the first change in no batch
	Acked  Place
	Kept   uint64 // last change number in the batch that Acked names
	Log    LogPlace
	Keys   []byte
	Frozen string
	Asked  Nonce  // of an unanswered or unfinished rejoin, zero when there is none
	Grant  []byte // its grant
	Feeds  map[string]FeedHead
}

// FeedHead is how far a feed was read, with the hash of the last chunk.
type FeedHead struct {
	Place FeedPlace
	Hash  change.Hash
}

// Trust is what enrolment gave the node: who it is and whom it believes.
type Trust struct {
	Org       string
	Node      stock.NodeID
	Warehouse stock.Warehouse
	Root      ed25519.PublicKey // the company's offline key
	Key       crypto.Signer     // the node's own, Ed25519
}

// Phase says what a sender is doing.
type Phase string

// The phases.
const (
	Offline   Phase = "offline"   // no connection
	Asking    Phase = "asking"    // waiting for the hub's word where the chain stands
	Running   Phase = "running"   // delivering
	Rejoining Phase = "rejoining" // waiting for a new epoch, or fetching lost batches
	Waiting   Phase = "waiting"   // the hub says that a person has to decide
	Frozen    Phase = "frozen"    // the hub's log contradicts what it had signed before
)

// Limits of the sender's patience and haste.
const (
	window     = 16               // batches sent and not acknowledged
	firstRetry = 3 * time.Second  // without an answer
	lastRetry  = 60 * time.Second // the ceiling of the doubling
	keepAlive  = 30 * time.Second // between hellos while all is well
	cutBytes   = 96 << 10         // of changes in one batch, so that it fits MaxWire even when nothing compresses
)

// Sender is a node's end of the sync core. Every method gets the open transaction and the time;
// its messages are sent after the commit. When the commit fails the sender is thrown away
// and made again from the store.
type Sender struct {
	trust Trust
	st    SenderState
	keys  Keys
	boot  Boot
	rand  func([]byte)

	phase   Phase
	refused Reason
	nonce   Nonce    // of the hello that waits for an answer
	asked   LogPlace // the log as it was known when it was sent
	heard   uint64
	sent    uint64 // last sequence sent since the chain's place was known
	wake    time.Time
	retry   time.Duration
	hubTime time.Time
	more    bool   // there is more to ask for once the present question is answered
	fetched uint64 // last sequence that the present fetch brings
	out     []Message
}

// NewSender makes the machine from what the store keeps. random fills a slice with random
// bytes; it names this run of the program, and makes nonces and salts.
func NewSender(t Trust, st SenderState, random func([]byte)) (*Sender, error) {
	keys, err := OpenKeys(t.Root, t.Org, st.Keys)
	if err != nil {
		return nil, fmt.Errorf("load sync state: %w", err)
	}
	if st.Feeds == nil {
		st.Feeds = map[string]FeedHead{}
	}
	s := &Sender{trust: t, st: st, keys: keys, rand: random, phase: Offline, retry: firstRetry}
	random(s.boot[:])
	return s, nil
}

// Report tells people how delivery stands.
type Report struct {
	Phase   Phase
	Refused Reason // with Waiting
	Frozen  string // with Frozen: what was seen
	Head    Place
	Acked   Place
	Next    uint64
	Log     LogPlace
}

// Report returns how delivery stands.
func (s *Sender) Report() Report {
	phase := s.phase
	if s.st.Frozen != "" && phase != Offline {
		phase = Frozen
	}
	return Report{Phase: phase, Refused: s.refused, Frozen: s.st.Frozen, Head: s.st.Head, Acked: s.st.Acked, Next: s.st.Next, Log: s.st.Log}
}

// Keys returns the hub's working keys as they are known now.
func (s *Sender) Keys() Keys { return s.keys }

// Wake returns when Tick wants to be called, zero for never.
func (s *Sender) Wake() time.Time { return s.wake }

// HubTime returns the hub's signed time when the last call brought a fresh one.
func (s *Sender) HubTime() (time.Time, bool) { return s.hubTime, !s.hubTime.IsZero() }

// Connected begins or goes on after the transport was away.
func (s *Sender) Connected(now time.Time) ([]Message, error) {
	s.begin()
	s.retry = firstRetry
	return s.ask(now)
}

// Disconnected notes that nothing can be sent.
func (s *Sender) Disconnected() {
	s.begin()
	s.phase, s.wake = Offline, time.Time{}
}

// Work cuts and sends what was committed since, when the chain's place is known.
func (s *Sender) Work(tx NodeStore, now time.Time) ([]Message, error) {
	s.begin()
	err := s.pump(tx, now)
	return s.out, err
}

// Tick asks again when an answer is overdue.
func (s *Sender) Tick(tx NodeStore, now time.Time) ([]Message, error) {
	s.begin()
	if s.phase == Offline || now.Before(s.wake) {
		return nil, nil
	}
	if s.phase == Running && s.st.Acked == s.st.Head {
		s.retry = firstRetry
	} else {
		s.retry = min(2*s.retry, lastRetry)
		s.sent = s.st.Acked.Seq // go back to what is acknowledged
	}
	if s.phase == Rejoining {
		return s.rejoin(tx, now)
	}
	return s.ask(now)
}

func (s *Sender) begin() { s.out, s.hubTime = nil, time.Time{} }

func (s *Sender) send(m Message, err error) error {
	if err == nil {
		s.out = append(s.out, m)
	}
	return err
}

// ask says hello: a question for the head, and for news of the feeds.
func (s *Sender) ask(now time.Time) ([]Message, error) {
	s.rand(s.nonce[:])
	s.asked = s.st.Log
	if s.phase != Running {
		s.phase = Asking
	}
	s.wake = now.Add(s.retry)
	h := Hello{Org: s.trust.Org, Node: s.trust.Node, Boot: s.boot, Nonce: s.nonce, Heard: s.heard, Head: s.st.Head, Log: s.st.Log, Feeds: []FeedPlace{}, Time: millis(now)}
	for _, name := range feed.For(s.trust.Warehouse) {
		p := s.st.Feeds[name].Place
		p.Feed = name
		h.Feeds = append(h.Feeds, p)
	}
	err := s.send(Seal(s.trust.Key, MsgHello, h))
	return s.out, err
}

// askOnce asks unless a question is out already; then it asks after the answer.
func (s *Sender) askOnce(now time.Time) error {
	if s.nonce != (Nonce{}) {
		s.more = true
		return nil
	}
	_, err := s.ask(now)
	return err
}

// pump sends what the window allows: stored batches first, then new ones.
func (s *Sender) pump(tx NodeStore, now time.Time) error {
	for s.phase == Running && s.sent < s.st.Acked.Seq+window {
		if s.sent < s.st.Head.Seq {
			b, _, _, ok, err := tx.BatchAt(s.st.Head.Epoch, s.sent+1)
			if err != nil || !ok {
				return errors.Join(err, fmt.Errorf("send batch %d: stored %v", s.sent+1, ok))
			}
			if err := s.send(BatchMessage(b)); err != nil {
				return err
			}
		} else if cut, err := s.cut(tx); err != nil || !cut {
			return err
		}
		s.sent++
		s.wake = now.Add(s.retry)
	}
	return nil
}

// cut makes the next batch, if there is anything to put in it, and stores it before it is sent.
func (s *Sender) cut(tx NodeStore) (bool, error) {
	changes, err := tx.Uncut(s.st.Next, change.MaxChanges, cutBytes)
	if err != nil || len(changes) == 0 {
		return false, err
	}
	salt := make([]byte, change.SaltSize)
	s.rand(salt)
	h := change.Header{Org: s.trust.Org, Node: s.trust.Node, Epoch: s.st.Head.Epoch, Seq: s.st.Head.Seq + 1, Prev: s.st.Head.Hash, First: s.st.Next}
	b, hash, err := change.Cut(s.trust.Key, h, salt, changes)
	if err != nil {
		return false, err
	}
	h, _, err = b.Claim() // with the fields that Cut filled in
	if err != nil {
		return false, err
	}
	s.st.Head = Place{Epoch: h.Epoch, Seq: h.Seq, Hash: hash}
	s.st.Next = h.Last() + 1
	if err := tx.PutBatch(s.st.Head, h, b, s.st.Next); err != nil {
		return false, err
	}
	return true, s.send(BatchMessage(b))
}

// Receive takes a message from the hub. What is not for this node, not signed by the hub or
// stale changes nothing; the error says so and is worth a line in the log only.
func (s *Sender) Receive(tx NodeStore, now time.Time, raw []byte) ([]Message, error) {
	s.begin()
	m, err := DecodeMessage(raw)
	if err != nil {
		return nil, &Ignored{err}
	}
	switch m.Kind {
	case MsgAck:
		err = s.ack(tx, now, m)
	case MsgGrant:
		err = s.grant(tx, now, m)
	case MsgReturn:
		err = s.returned(tx, now, m)
	case MsgRefusal:
		err = s.refusal(tx, now, m)
	case MsgChunk:
		err = s.chunk(tx, now, m)
	case MsgMore:
		err = s.askOnce(now)
	default:
		err = &Ignored{fmt.Errorf("message of kind %d", m.Kind)}
	}
	return s.out, err
}

// Ignored is the error of a message that was not believed or not needed. The store was not changed.
type Ignored struct{ Err error }

func (i *Ignored) Error() string { return "ignored: " + i.Err.Error() }

// Unwrap returns the cause.
func (i *Ignored) Unwrap() error { return i.Err }

func ignore(format string, args ...any) error { return &Ignored{fmt.Errorf(format, args...)} }

func (s *Sender) fromHub(m Message, v any, org *string, node *stock.NodeID) error {
	if err := Unseal(s.keys.Ack, m, v); err != nil {
		return &Ignored{err}
	}
	if *org != s.trust.Org || *node != s.trust.Node {
		return &Ignored{fmt.Errorf("%w: for %s", ErrForeign, *node)}
	}
	return nil
}

func (s *Sender) ack(tx NodeStore, now time.Time, m Message) error {
	if err := s.learnKeys(tx, m); err != nil {
		return err
	}
	var a Ack
	if err := s.fromHub(m, &a, &a.Org, &a.Node); err != nil {
		return err
	}
	s.heard = max(s.heard, a.Turn)
	fresh := a.Nonce == s.nonce && s.nonce != Nonce{}
	if fresh {
		s.nonce, s.hubTime = Nonce{}, time.UnixMilli(a.Time)
	}
	believed, err := s.witness(tx, now, a, fresh)
	if err != nil || !believed {
		return err
	}
	if err := s.advance(tx, now, a, fresh); err != nil {
		return err
	}
	if fresh && s.more && s.nonce == (Nonce{}) {
		s.more = false
		if _, err := s.ask(now); err != nil {
			return err
		}
	}
	return s.pump(tx, now)
}

// advance compares the hub's place with our chain.
func (s *Sender) advance(tx NodeStore, now time.Time, a Ack, fresh bool) error {
	ours, last, err := s.holds(tx, a.Head)
	switch {
	case err != nil:
		return err
	case ours && a.Head.Epoch == s.st.Head.Epoch:
		return s.acknowledged(tx, now, a, last, fresh)
	case !fresh:
		return ignore("late acknowledgement: epoch %d sequence %d", a.Head.Epoch, a.Head.Seq)
	case ours && a.Head.Epoch < s.st.Head.Epoch:
		return s.remind(tx, now, a.Head)
	}
	if s.st.Asked == (Nonce{}) {
		return s.again(tx, now)
	}
	_, err = s.rejoin(tx, now)
	return err
}

// holds reports whether a place is in our own chain, and the last change number there.
func (s *Sender) holds(tx NodeStore, p Place) (bool, uint64, error) {
	if p.Seq == 0 {
		return p.Epoch <= s.st.Head.Epoch && p.Hash == change.Hash{}, 0, nil
	}
	_, h, hash, ok, err := tx.BatchAt(p.Epoch, p.Seq)
	return ok && hash == p.Hash, h.Last(), err
}

// acknowledged takes a place in our present epoch. Only a fresh answer tells that the hub is
// ready for more; it may also lie below what was acknowledged: a hub restored from a backup
// gets the rest again.
func (s *Sender) acknowledged(tx NodeStore, now time.Time, a Ack, last uint64, fresh bool) error {
	lost := a.Head.Seq < s.st.Acked.Seq
	if a.Head.Seq > s.st.Acked.Seq || fresh {
		if err := tx.PutAcked(a.Head, a.Covered); err != nil {
			return err
		}
		s.st.Acked, s.st.Kept = a.Head, last
		s.retry = firstRetry
	}
	if fresh && (lost || s.phase != Running) {
		s.sent = s.st.Acked.Seq
	}
	if fresh {
		s.phase, s.refused = Running, ""
	}
	s.sent = max(s.sent, s.st.Acked.Seq)
	s.wake = now.Add(s.retry)
	if s.st.Acked == s.st.Head && s.nonce == (Nonce{}) {
		s.wake = now.Add(keepAlive)
	}
	return nil
}

func (s *Sender) refusal(tx NodeStore, now time.Time, m Message) error {
	var r Refusal
	if err := s.fromHub(m, &r, &r.Org, &r.Node); err != nil {
		return err
	}
	if r.Nonce != s.nonce && r.Nonce != s.st.Asked {
		return ignore("late refusal: %s", r.Reason)
	}
	if r.Reason == ReasonLogBehind {
		return s.freeze(tx, "the hub has lost a part of its log that this node co-signed", m.Body)
	}
	s.phase, s.refused = Waiting, r.Reason
	s.retry = min(2*s.retry, lastRetry)
	s.wake = now.Add(s.retry)
	return nil
}

func (s *Sender) chunk(tx NodeStore, now time.Time, m Message) error {
	if s.st.Frozen != "" {
		return ignore("frozen: %s", s.st.Frozen)
	}
	c, hash, err := feed.Open(s.keys.Feed, m.Body)
	if err != nil {
		return &Ignored{err}
	}
	if c.Org != s.trust.Org || !slices.Contains(feed.For(s.trust.Warehouse), c.Feed) {
		return ignore("feed %s is not for this node", c.Feed)
	}
	have := s.st.Feeds[c.Feed]
	switch {
	case c.LogEpoch != s.st.Log.Epoch:
		return ignore("chunk of log epoch %d, have %d", c.LogEpoch, s.st.Log.Epoch)
	case have.Place.LogEpoch < c.LogEpoch:
		have = FeedHead{}
	}
	switch {
	case c.Version <= have.Place.Version:
		return ignore("chunk %d of %s is here already", c.Version, c.Feed)
	case c.Version > have.Place.Version+1:
		return s.askOnce(now)
	case c.Prev != have.Hash:
		return s.freeze(tx, fmt.Sprintf("feed %s does not follow from its version %d", c.Feed, have.Place.Version), m.Body)
	}
	at := FeedPlace{Feed: c.Feed, LogEpoch: c.LogEpoch, Version: c.Version}
	s.st.Feeds[c.Feed] = FeedHead{Place: at, Hash: hash}
	return tx.PutChunk(at, hash, c.Entries)
}

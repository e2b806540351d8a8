// Package delivery is the sync core: how a node's changes reach the hub exactly once, and
// how the hub's word reaches the node, over a transport that may lose, double, reorder and
// delay everything.
//
// Both ends are state machines without I/O. A Sender (node) and a Receiver (hub) take
// messages and the time and return writes and messages. The caller commits the writes in one
// transaction and only then sends; if the commit fails it drops both and starts the
// machine again from its store. So one test can drive the production code through
// thousands of histories of loss, crash and restored disks.
//
// Nothing but the hub's signed acknowledgement clears an outbox. What is authentic and in
// its place in the chain is always stored, logged and acknowledged; what is not is held
// for a person or set aside, never dropped in silence.
package delivery

import (
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// MessageKind is the first word of every message on the wire.
type MessageKind uint8

// Kinds of message; nodes send those below 16, the hub the others. Only ever added to.
const (
	MsgBatch  MessageKind = 1
	MsgHello  MessageKind = 2
	MsgRejoin MessageKind = 3
	MsgFetch  MessageKind = 4
	MsgCosign MessageKind = 5
	MsgProof  MessageKind = 6 // a Grant shown to a hub that has lost it

	MsgAck     MessageKind = 16
	MsgGrant   MessageKind = 17
	MsgReturn  MessageKind = 18
	MsgRefusal MessageKind = 19
	MsgChunk   MessageKind = 20
	MsgMore    MessageKind = 21 // "there is more": unsigned, it only makes the node ask
)

// Message is what travels: a kind and its bytes.
type Message struct {
	_    struct{} `cbor:",toarray"`
	Kind MessageKind
	Body []byte
}

// Encode returns the bytes of m for the transport.
func (m Message) Encode() ([]byte, error) { return change.Marshal(m) }

// DecodeMessage reads a message from the transport.
func DecodeMessage(b []byte) (Message, error) {
	var m Message
	if err := change.UnmarshalExact(b, &m); err != nil {
		return Message{}, fmt.Errorf("read message: %w", err)
	}
	return m, nil
}

// Nonce ties an answer to its question; a Boot names one run of a node's program.
type (
	Nonce [16]byte
	Boot  [16]byte
)

// Place is a position in a node's chain: the batch with that sequence has that header hash.
// Seq 0 with a zero hash is the beginning of an epoch.
type Place struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64
	Seq   uint64
	Hash  change.Hash
}

// FeedPlace says how far a node has read a feed.
type FeedPlace struct {
	_        struct{} `cbor:",toarray"`
	Feed     string
	LogEpoch uint64 // a restored hub begins its feeds anew
	Version  uint64
}

// LogPlace is a head of the hub's log as a node last co-signed it.
type LogPlace struct {
	_     struct{} `cbor:",toarray"`
	Epoch uint64   // log epoch
	Size  int64
	Root  change.Hash
}

// Hello is a node's question for its head, and its sign of life.
type Hello struct {
	_     struct{} `cbor:",toarray"`
	Org   string
	Node  stock.NodeID
	Boot  Boot
	Nonce Nonce
	Heard uint64 // the highest Ack.Turn that this run of the program has received, 0 for none
	Head  Place  // the last batch that the node has cut
	Log   LogPlace
	Feeds []FeedPlace
	Time  int64 // the node's wall clock, Unix milliseconds
}

// Rejoin asks for a new epoch because the hub's head is not in the node's chain.
type Rejoin struct {
	_     struct{} `cbor:",toarray"`
	Org   string
	Node  stock.NodeID
	Boot  Boot
	Nonce Nonce // the same until it is answered, so that asking twice grants one epoch
	Head  Place
}

// Fetch asks for batches of the node's own that it has lost.
type Fetch struct {
	_     struct{} `cbor:",toarray"`
	Org   string
	Node  stock.NodeID
	Epoch uint64
	From  uint64 // sequence
	Count uint64
}

// Cosign carries a checkpoint with the node's co-signature.
type Cosign struct {
	_    struct{} `cbor:",toarray"`
	Org  string
	Node stock.NodeID
	Note []byte
}

// Ack is the hub's signed word that it holds a node's chain up to Head. It is cumulative.
type Ack struct {
	_           struct{} `cbor:",toarray"`
	Org         string
	Node        stock.NodeID
	Head        Place
	Covered     Place  // a verified backup holds the chain up to here
	Nonce       Nonce  // of the hello that it answers, zero otherwise
	Turn        uint64 // rises with every run of the node's program that says hello
	LogEpoch    uint64 // of the checkpoint
	Checkpoint  []byte // signed note
	Leaf        int64  // index of the head's leaf, -1 at the beginning of an epoch
	Inclusion   []change.Hash
	From        LogPlace // what Consistency starts from
	Consistency []change.Hash
	Opening     []byte // when the node's log epoch is older: the root-signed opening of this one
	Keys        []byte // root-signed list of the hub's working keys
	Time        int64  // hub's wall clock, Unix milliseconds
}

// Grant opens a new epoch for a node. Sealed are all earlier epochs and where they end.
type Grant struct {
	_       struct{} `cbor:",toarray"`
	Org     string
	Node    stock.NodeID
	Nonce   Nonce
	Epoch   uint64
	Sealed  []Place
	Settled []change.Hash // headers of held batches that a person has rejected: their changes are not sent again
}

// Return hands a node one of its own batches back.
type Return struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Node   stock.NodeID
	Place  Place
	Batch  change.Batch
	Parked []uint64 // numbers of changes in it that the hub's ledger does not have
}

// Refusal says why a node gets no answer until a person has decided.
type Refusal struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Node   stock.NodeID
	Nonce  Nonce
	Reason Reason
}

// Reason says why something is held or refused. The words are stored, sent and shown.
type Reason string

// The reasons.
const (
	ReasonFork        Reason = "fork"         // another batch stands at this place: a cloned or rolled-back card
	ReasonTwoLive     Reason = "two_live"     // two running programs use one node's key
	ReasonRevoked     Reason = "revoked"      // the node was revoked
	ReasonSealed      Reason = "sealed"       // the epoch was closed before this batch
	ReasonUndecided   Reason = "undecided"    // a fork waits for a person's decision
	ReasonUnknownNode Reason = "unknown_node" // not enrolled here
	ReasonLogBehind   Reason = "log_behind"   // the node has co-signed more of the log than the hub has
)

// ErrForeign is returned for a message that names another organisation or node than expected.
var ErrForeign = errors.New("message is not for this node")

// Seal signs v as a message of that kind.
func Seal(key crypto.Signer, kind MessageKind, v any) (Message, error) {
	payload, err := change.Marshal(v)
	if err != nil {
		return Message{}, fmt.Errorf("seal %s: %w", signedAs[kind], err)
	}
	signed, err := change.Sign(key, signedAs[kind], payload)
	return Message{Kind: kind, Body: signed}, err
}

// Unseal verifies m and reads it into v.
func Unseal(key ed25519.PublicKey, m Message, v any) error {
	payload, err := change.Verify(key, signedAs[m.Kind], m.Body)
	if err != nil {
		return err
	}
	if err := change.UnmarshalExact(payload, v); err != nil {
		return fmt.Errorf("read %s: %w", signedAs[m.Kind], err)
	}
	return nil
}

var signedAs = map[MessageKind]change.Type{
	MsgHello: change.TypeHello, MsgRejoin: change.TypeRejoin, MsgFetch: change.TypeFetch, MsgCosign: change.TypeCosign,
	MsgAck: change.TypeAck, MsgGrant: change.TypeGrant, MsgReturn: change.TypeReturn, MsgRefusal: change.TypeRefusal,
	MsgChunk: change.TypeChunk,
}

// BatchMessage wraps a batch. It carries its own signature.
func BatchMessage(b change.Batch) (Message, error) {
	body, err := change.Marshal(b)
	return Message{Kind: MsgBatch, Body: body}, err
}

// ReadBatch takes the batch out of its message; nothing is verified yet.
func ReadBatch(m Message) (change.Batch, error) {
	var b change.Batch
	if m.Kind != MsgBatch || len(m.Body) > change.MaxWire+1024 {
		return b, fmt.Errorf("read batch: message of kind %d, %d bytes", m.Kind, len(m.Body))
	}
	if err := change.UnmarshalExact(m.Body, &b); err != nil {
		return b, fmt.Errorf("read batch: %w", err)
	}
	return b, nil
}

func millis(t time.Time) int64 { return t.UnixMilli() }

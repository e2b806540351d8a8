package change

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

// Kind says what a change is about. The numbers are sent and stored, and are only ever added to.
type Kind uint16

// The kinds of change.
const (
	KindMovement Kind = 1
	KindCount    Kind = 2
	KindEntry    Kind = 3 // an audit entry about something else than stock
)

// MaxBytes limits one encoded change.
const MaxBytes = 16 << 10

// ErrUnknown is returned for a change of a kind or version that this program does not know.
// Such a change is kept byte for byte and never blocks what follows it.
var ErrUnknown = errors.New("unknown kind or version of change")

// Meta is what every change tells about its making.
type Meta struct {
	Time     clock.Stamp
	Quality  clock.Quality
	Actor    string     // who did it; the node's own acts have the node's id
	Session  string     // the sign-in under which it was done
	Terminal string     // station or address
	Day      stock.Date // business day at the warehouse
	Zone     string     // time zone of that day, such as "Asia/Shanghai"
}

// Change is one thing that happened at a node.
type Change struct {
	Meta    Meta
	Kind    Kind
	Version uint64
	Payload cbor.RawMessage // as the kind and version say
}

// wireChange has the fields that seldom differ first and last, and those that always do
// next to each other: that is what lets zstd find the long matches.
type wireChange struct {
	_        struct{} `cbor:",toarray"`
	Kind     Kind
	Version  uint64
	Quality  clock.Quality
	Actor    string
	Session  string
	Terminal string
	Day      stock.Date
	Zone     string
	Time     clock.Stamp
	Payload  cbor.RawMessage
}

// Encode returns the bytes of c, which its salted hash is taken over.
func (c Change) Encode() ([]byte, error) {
	b, err := Marshal(wireChange{Kind: c.Kind, Version: c.Version, Quality: c.Meta.Quality, Actor: readable(c.Meta.Actor), Session: readable(c.Meta.Session),
		Terminal: readable(c.Meta.Terminal), Day: c.Meta.Day, Zone: readable(c.Meta.Zone), Time: c.Meta.Time, Payload: c.Payload})
	if err != nil {
		return nil, fmt.Errorf("encode change: %w", err)
	}
	if len(b) > MaxBytes {
		return nil, fmt.Errorf("encode change: %d bytes, at most %d", len(b), MaxBytes)
	}
	return b, nil
}

// Decode reads a change. A change whose outer form is not understood gives ErrUnknown.
func Decode(b []byte) (Change, error) {
	var w wireChange
	if len(b) > MaxBytes {
		return Change{}, fmt.Errorf("%w: %d bytes", ErrUnknown, len(b))
	}
	if err := UnmarshalExact(b, &w); err != nil {
		return Change{}, fmt.Errorf("%w: %w", ErrUnknown, err)
	}
	return Change{Kind: w.Kind, Version: w.Version, Payload: w.Payload, Meta: Meta{Time: w.Time, Quality: w.Quality, Actor: w.Actor,
		Session: w.Session, Terminal: w.Terminal, Day: w.Day, Zone: w.Zone}}, nil
}

// wireMovement is version 1 of KindMovement.
type wireMovement struct {
	_        struct{} `cbor:",toarray"`
	SKU      stock.SKU
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   int64 // days since 1970-01-01, 0 for none
	State    stock.State
	From, To stock.Location
	Quantity stock.Quantity
	Count    stock.Quantity
	Unit     string
	Factor   stock.Quantity
	Reverses *wireID
	Cause    string
	Override string
}

type wireID struct {
	_      struct{} `cbor:",toarray"`
	Node   stock.NodeID
	Epoch  uint64
	Number uint64
}

// wireCount is version 1 of KindCount.
type wireCount struct {
	_        struct{} `cbor:",toarray"`
	SKU      stock.SKU
	Lot      stock.Lot
	Serial   stock.Serial
	Expiry   int64
	State    stock.State
	Location stock.Location
	Counted  stock.Quantity
	Seen     []wireID // sorted by node and epoch; Number is the last one seen
	Cause    string
}

// Entry is an audit entry about something else than stock: a sign-in, a refused scan, a setting.
type Entry struct {
	_       struct{}          `cbor:",toarray"`
	Act     string            // such as "scan.refused"
	Object  string            // on what
	Outcome string            // "ok" or the reason why not
	Detail  map[string]string // before and after, and whatever else matters
}

// ActNumbered is the act of an entry that says which numbers a node has used of a range that it was granted: "prefix",
// "first" and "last" in its detail. The hub grants more when half of a range is used.
const ActNumbered = "label.numbered"

// ActSealing is the act of an entry with which a node tells its public sealing key: "claim" in its detail is the base64 of what
// access.ClaimSealing made.
const ActSealing = "node.sealing_key"

// ActGrantUsed is the act of an entry that says that a temporary grant was used; the object is the grant. It stands before the act that the grant was used for, or
// with it: "permission", "request", and where it came from.
const ActGrantUsed = "grant.used"

// OfMovement returns the change that posts m; m's id and time are given by where and when it is stored.
func OfMovement(meta Meta, m stock.Movement) (Change, error) {
	w := wireMovement{SKU: m.Key.SKU, Lot: m.Key.Lot, Serial: m.Key.Serial, Expiry: days(m.Key.Expiry), State: m.Key.State, From: m.From, To: m.To,
		Quantity: m.Quantity, Count: m.Scanned.Count, Unit: m.Scanned.Unit, Factor: m.Scanned.Factor, Cause: m.Cause, Override: m.Override}
	if !m.Reverses.IsZero() {
		w.Reverses = &wireID{Node: m.Reverses.Node, Epoch: m.Reverses.Epoch, Number: m.Reverses.Number}
	}
	return pack(meta, KindMovement, w)
}

// OfCount returns the change that records c.
func OfCount(meta Meta, c stock.Count) (Change, error) {
	k := c.Cell.Key
	return pack(meta, KindCount, wireCount{SKU: k.SKU, Lot: k.Lot, Serial: k.Serial, Expiry: days(k.Expiry), State: k.State,
		Location: c.Cell.Location, Counted: c.Counted, Seen: wireVector(c.Seen), Cause: c.Cause})
}

// OfEntry returns the change that carries an audit entry. Bytes in its texts that are not UTF-8 are replaced: what
// happened has to be recorded whatever a stranger typed, and CBOR has no other text (RFC 8949 section 3.1).
func OfEntry(meta Meta, e Entry) (Change, error) {
	clean := Entry{Act: readable(e.Act), Object: readable(e.Object), Outcome: readable(e.Outcome), Detail: make(map[string]string, len(e.Detail))}
	for k, v := range e.Detail {
		clean.Detail[readable(k)] = readable(v)
	}
	if e.Detail == nil {
		clean.Detail = nil
	}
	return pack(meta, KindEntry, clean)
}

// readable returns s with bytes that are not UTF-8 replaced by U+FFFD.
func readable(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func pack(meta Meta, k Kind, v any) (Change, error) {
	b, err := Marshal(v)
	if err != nil {
		return Change{}, fmt.Errorf("encode change: %w", err)
	}
	return Change{Meta: meta, Kind: k, Version: 1, Payload: b}, nil
}

// Movement returns the movement that c posts under id, ErrUnknown when c is nothing of the kind.
func (c Change) Movement(id stock.ID) (stock.Movement, error) {
	var w wireMovement
	if err := c.unpack(KindMovement, &w); err != nil {
		return stock.Movement{}, err
	}
	m := stock.Movement{ID: id, Time: uint64(c.Meta.Time), Key: stock.Key{SKU: w.SKU, Lot: w.Lot, Serial: w.Serial, Expiry: date(w.Expiry), State: w.State},
		From: w.From, To: w.To, Quantity: w.Quantity, Scanned: stock.Scanned{Count: w.Count, Unit: w.Unit, Factor: w.Factor},
		Cause: w.Cause, Override: w.Override}
	if r := w.Reverses; r != nil {
		m.Reverses = stock.ID{Node: r.Node, Epoch: r.Epoch, Number: r.Number}
	}
	return m, nil
}

// Count returns the count that c records under id.
func (c Change) Count(id stock.ID) (stock.Count, error) {
	var w wireCount
	if err := c.unpack(KindCount, &w); err != nil {
		return stock.Count{}, err
	}
	v := make(stock.Vector, len(w.Seen))
	for _, s := range w.Seen {
		v[stock.Stream{Node: s.Node, Epoch: s.Epoch}] = s.Number
	}
	return stock.Count{ID: id, Time: uint64(c.Meta.Time), Counted: w.Counted, Seen: v, Cause: w.Cause, Cell: stock.Cell{Location: w.Location,
		Key: stock.Key{SKU: w.SKU, Lot: w.Lot, Serial: w.Serial, Expiry: date(w.Expiry), State: w.State}}}, nil
}

// Entry returns the audit entry that c carries.
func (c Change) Entry() (Entry, error) {
	var e Entry
	return e, c.unpack(KindEntry, &e)
}

func (c Change) unpack(k Kind, v any) error {
	if c.Kind != k || c.Version != 1 {
		return fmt.Errorf("%w: kind %d version %d", ErrUnknown, c.Kind, c.Version)
	}
	if err := UnmarshalExact(c.Payload, v); err != nil {
		return fmt.Errorf("%w: kind %d: %w", ErrUnknown, c.Kind, err)
	}
	return nil
}

// Fingerprint is the same for a change before and after a node had to give it a new number:
// it leaves out the names of other changes, which are renumbered with it.
func (c Change) Fingerprint() Hash {
	switch c.Kind {
	case KindMovement:
		if m, err := c.Movement(stock.ID{}); err == nil {
			m.Reverses = stock.ID{}
			c, _ = OfMovement(c.Meta, m)
		}
	case KindCount:
		if n, err := c.Count(stock.ID{}); err == nil {
			n.Seen = nil
			c, _ = OfCount(c.Meta, n)
		}
	}
	b, _ := c.Encode()
	return sha256.Sum256(b)
}

const day = 24 * time.Hour

func days(d stock.Date) int64 {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return 0
	}
	return t.Unix() / int64(day/time.Second)
}

func date(n int64) stock.Date {
	if n == 0 {
		return ""
	}
	return stock.Date(time.Unix(n*int64(day/time.Second), 0).UTC().Format(time.DateOnly))
}

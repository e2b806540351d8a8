// Package feed holds what flows down from the hub to its nodes: master data and the
// movements of sibling nodes, cut into signed chunks.
//
// A feed is a chain of chunks with versions from 1 without gaps, each with the hash of the
// one before: no rollback, no downgrade. A chunk names its audience. Entries carry kind
// and version; an old node keeps what it does not know and goes on.
package feed

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"github.com/fxamacker/cbor/v2"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Names of the feeds. A warehouse's feeds have its code after a slash.
const (
	Catalogue = "catalogue" // items and label templates; for every node
	places    = "locations/"
	siblings  = "siblings/"
	rights    = "rights/"
)

// Locations names the feed of a warehouse's bins, Siblings that of the movements that touch it.
func Locations(w stock.Warehouse) string { return places + string(w) }

// Siblings names the feed of the changes that touch a warehouse, from all nodes and the hub.
func Siblings(w stock.Warehouse) string { return siblings + string(w) }

// Rights names the feed of who may do what in a warehouse; its entries are those of package access.
func Rights(w stock.Warehouse) string { return rights + string(w) }

// For returns the feeds that a node of warehouse w reads. Rights come first: who may no longer act is told before all else.
func For(w stock.Warehouse) []string {
	return []string{Rights(w), Catalogue, Locations(w), Siblings(w)}
}

// EntryKind says what an entry is. The numbers are sent and stored, and are only ever added to.
type EntryKind uint16

// The kinds of entry.
const (
	KindItem     EntryKind = 1
	KindLocation EntryKind = 2
	KindChange   EntryKind = 3
	KindLabel    EntryKind = 4
	KindNumbers  EntryKind = 5
)

// Entry is one piece of news.
type Entry struct {
	_       struct{} `cbor:",toarray"`
	Kind    EntryKind
	Version uint64
	Payload cbor.RawMessage
}

// Item is master data of an item. A later entry with the same SKU replaces an earlier one.
type Item struct {
	_      struct{} `cbor:",toarray"`
	SKU    stock.SKU
	Name   string // Chinese or whatever the company writes
	NameEN string
	Unit   string // base unit, such as "个" or "kg"
	Codes  []Code
	Active bool
}

// Code is a barcode under which an item is scanned.
type Code struct {
	_      struct{}   `cbor:",toarray"`
	GTIN   stock.GTIN // or, for goods without one, the text on the label
	Unit   string     // "箱"; empty for the base unit
	Factor stock.Quantity
}

// Location is master data of a bin.
type Location struct {
	_      struct{} `cbor:",toarray"`
	ID     stock.Location
	Name   string
	Use    Use
	Active bool
}

// Label is a label template. A later entry with the same id replaces an earlier one; one that is not active takes the
// template back, and where a program brings one of that id along, that one counts again.
type Label struct {
	_      struct{} `cbor:",toarray"`
	ID     string
	Body   []byte // the template as JSON, see docs/labels.md; its "id" is ID
	Active bool
}

// Use says what a bin is for. The words are stored and sent.
type Use string

// The uses of a bin.
const (
	UseStorage   Use = "storage"
	UseReceiving Use = "receiving"
)

// Sibling is a change of another node (or of the hub) that touches the warehouse.
type Sibling struct {
	_      struct{} `cbor:",toarray"`
	Node   stock.NodeID
	Epoch  uint64
	Number uint64
	Change []byte // as change.Encode made it
}

// Numbers grants a range of numbers to a node in one of its epochs: serial references of SSCCs under the
// company's GS1 prefix, and serial numbers of units. No other node, and no other epoch, is granted them.
type Numbers struct {
	_      struct{} `cbor:",toarray"`
	Node   stock.NodeID
	Epoch  uint64
	Prefix string // GS1 Company Prefix, empty where the company has none: no SSCCs then
	First  uint64
	Count  uint64
}

// Pack makes the entry of v, which is an Item, a Location, a Sibling, a Label or Numbers.
func Pack(v any) (Entry, error) {
	var k EntryKind
	switch v.(type) {
	case Item:
		k = KindItem
	case Location:
		k = KindLocation
	case Sibling:
		k = KindChange
	case Label:
		k = KindLabel
	case Numbers:
		k = KindNumbers
	default:
		return Entry{}, fmt.Errorf("feed entry of type %T", v)
	}
	b, err := change.Marshal(v)
	return Entry{Kind: k, Version: 1, Payload: b}, err
}

// Unpack reads an entry; it returns an Item, a Location, a Sibling, a Label, Numbers, or change.ErrUnknown.
func (e Entry) Unpack() (any, error) {
	if e.Version == 1 {
		switch e.Kind {
		case KindItem:
			return unpack[Item](e)
		case KindLocation:
			return unpack[Location](e)
		case KindChange:
			return unpack[Sibling](e)
		case KindLabel:
			return unpack[Label](e)
		case KindNumbers:
			return unpack[Numbers](e)
		}
	}
	return nil, fmt.Errorf("%w: feed entry kind %d version %d", change.ErrUnknown, e.Kind, e.Version)
}

func unpack[T any](e Entry) (any, error) {
	var v T
	if err := change.UnmarshalExact(e.Payload, &v); err != nil {
		return nil, fmt.Errorf("%w: feed entry kind %d: %w", change.ErrUnknown, e.Kind, err)
	}
	return v, nil
}

// MaxChunk limits the entries of a chunk, in encoded bytes.
const MaxChunk = 80 << 10

// Chunk is a signed piece of a feed.
type Chunk struct {
	_        struct{} `cbor:",toarray"`
	Org      string
	Feed     string
	LogEpoch uint64 // a hub restored from a backup begins its feeds anew in a new epoch
	Version  uint64 // from 1, no gaps
	Prev     change.Hash
	Entries  []Entry
}

// Seal signs c with the hub's feed key and returns it with its hash.
func Seal(key crypto.Signer, c Chunk) ([]byte, change.Hash, error) {
	payload, err := change.Marshal(c)
	if err != nil {
		return nil, change.Hash{}, fmt.Errorf("seal %s %d: %w", c.Feed, c.Version, err)
	}
	signed, err := change.Sign(key, change.TypeChunk, payload)
	return signed, sha256.Sum256(payload), err
}

// Open verifies a chunk and returns it with its hash.
func Open(key ed25519.PublicKey, signed []byte) (Chunk, change.Hash, error) {
	payload, err := change.Verify(key, change.TypeChunk, signed)
	if err != nil {
		return Chunk{}, change.Hash{}, err
	}
	var c Chunk
	if err := change.UnmarshalExact(payload, &c); err != nil {
		return Chunk{}, change.Hash{}, fmt.Errorf("read chunk: %w", err)
	}
	return c, sha256.Sum256(payload), nil
}

package change

import (
	"crypto"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/klauspost/compress/zstd"

	"stockade/protocol/stock"
)

// Limits of a batch. A message of MaxWire bytes passes every broker that we know.
const (
	MaxChanges  = 1000
	MaxUnpacked = 512 << 10 // bytes of a body before compression
	MaxWire     = 120 << 10 // bytes of a batch on the wire
	SaltSize    = 32
)

// ErrBody is returned for a body that is not what the signed header promises.
var ErrBody = errors.New("body does not match the signed header")

// Header is what a node signs: who, which place in the chain, and what the body holds.
type Header struct {
	Org   string
	Node  stock.NodeID
	Epoch uint64
	Seq   uint64 // from 1 in every epoch, no gaps
	Prev  Hash   // hash of the header before, zero for Seq 1
	First uint64 // number of the first change
	Count uint64 // number of changes, at least one
	Body  Hash   // SHA-256 of the body
	Root  Hash   // RFC 6962 tree head over the salted change hashes
}

type wireHeader struct {
	_       struct{} `cbor:",toarray"`
	Version uint64
	Org     string
	Node    stock.NodeID
	Epoch   uint64
	Seq     uint64
	Prev    Hash
	First   uint64
	Count   uint64
	Body    Hash
	Root    Hash
}

// Last returns the number of the last change in the batch.
func (h Header) Last() uint64 { return h.First + h.Count - 1 }

// Batch is a signed header with its body, as they are stored and sent again unchanged.
type Batch struct {
	_      struct{} `cbor:",toarray"`
	Signed []byte   // COSE_Sign1 over the header
	Body   []byte   // zstd of the deterministic CBOR array [salt, [change, ...]]
}

type wireBody struct {
	_       struct{} `cbor:",toarray"`
	Salt    []byte
	Changes [][]byte
}

// Cut makes the batch of changes. h names its place; Count, Body and Root are filled in.
// It returns the batch and the header's hash. salt has SaltSize bytes and is never used twice.
func Cut(key crypto.Signer, h Header, salt []byte, changes [][]byte) (Batch, Hash, error) {
	if len(changes) == 0 || len(changes) > MaxChanges || len(salt) != SaltSize {
		return Batch{}, Hash{}, fmt.Errorf("cut batch %d: %d changes and %d bytes of salt", h.Seq, len(changes), len(salt))
	}
	plain, err := Marshal(wireBody{Salt: salt, Changes: changes})
	if err != nil {
		return Batch{}, Hash{}, fmt.Errorf("cut batch %d: %w", h.Seq, err)
	}
	if len(plain) > MaxUnpacked {
		return Batch{}, Hash{}, fmt.Errorf("cut batch %d: body of %d bytes, at most %d", h.Seq, len(plain), MaxUnpacked)
	}
	body := packer.EncodeAll(plain, nil)
	h.Count, h.Body, h.Root = uint64(len(changes)), sha256.Sum256(body), rootOf(salt, h.First, changes)
	payload, err := h.encode()
	if err != nil {
		return Batch{}, Hash{}, err
	}
	signed, err := Sign(key, TypeBatch, payload)
	if err != nil {
		return Batch{}, Hash{}, err
	}
	if len(signed)+len(body) > MaxWire {
		return Batch{}, Hash{}, fmt.Errorf("cut batch %d: %d bytes on the wire, at most %d", h.Seq, len(signed)+len(body), MaxWire)
	}
	return Batch{Signed: signed, Body: body}, sha256.Sum256(payload), nil
}

func (h Header) encode() ([]byte, error) {
	b, err := Marshal(wireHeader{Version: 1, Org: h.Org, Node: h.Node, Epoch: h.Epoch, Seq: h.Seq, Prev: h.Prev,
		First: h.First, Count: h.Count, Body: h.Body, Root: h.Root})
	if err != nil {
		return nil, fmt.Errorf("encode header %d: %w", h.Seq, err)
	}
	return b, nil
}

// Claim returns the header of b and its hash without looking at the signature: only to find the key.
func (b Batch) Claim() (Header, Hash, error) {
	payload, err := Payload(b.Signed)
	if err != nil {
		return Header{}, Hash{}, fmt.Errorf("read batch: %w", err)
	}
	var w wireHeader
	if err := UnmarshalExact(payload, &w); err != nil {
		return Header{}, Hash{}, fmt.Errorf("read batch header: %w", err)
	}
	if w.Version != 1 || w.Epoch == 0 || w.Seq == 0 || w.First == 0 || w.Count == 0 || w.First+w.Count < w.First {
		return Header{}, Hash{}, fmt.Errorf("read batch header: version %d, epoch %d, sequence %d, change %d+%d", w.Version, w.Epoch, w.Seq, w.First, w.Count)
	}
	return Header{Org: w.Org, Node: w.Node, Epoch: w.Epoch, Seq: w.Seq, Prev: w.Prev, First: w.First, Count: w.Count,
		Body: w.Body, Root: w.Root}, sha256.Sum256(payload), nil
}

// Open verifies the signature of b and that its body is the one signed. It unpacks nothing.
func (b Batch) Open(key ed25519.PublicKey) (Header, Hash, error) {
	if _, err := Verify(key, TypeBatch, b.Signed); err != nil {
		return Header{}, Hash{}, err
	}
	h, hash, err := b.Claim()
	if err != nil {
		return Header{}, Hash{}, err
	}
	if sha256.Sum256(b.Body) != h.Body {
		return Header{}, Hash{}, fmt.Errorf("read batch %d: %w", h.Seq, ErrBody)
	}
	return h, hash, nil
}

// Contents is an unpacked body.
type Contents struct {
	Salt    []byte
	Changes [][]byte
}

// Unpack returns the contents of a batch that Open has verified. A body that can not be
// unpacked within the limits, or does not have the signed root, gives ErrBody.
func (b Batch) Unpack(h Header) (Contents, error) {
	plain, err := unpacker.DecodeAll(b.Body, nil)
	if err != nil {
		return Contents{}, fmt.Errorf("unpack batch %d: %w: %w", h.Seq, ErrBody, err)
	}
	var w wireBody
	if err := UnmarshalExact(plain, &w); err != nil {
		return Contents{}, fmt.Errorf("unpack batch %d: %w: %w", h.Seq, ErrBody, err)
	}
	if uint64(len(w.Changes)) != h.Count || len(w.Salt) != SaltSize || len(w.Changes) > MaxChanges || rootOf(w.Salt, h.First, w.Changes) != h.Root {
		return Contents{}, fmt.Errorf("unpack batch %d: %w", h.Seq, ErrBody)
	}
	return Contents{Salt: w.Salt, Changes: w.Changes}, nil
}

// ChangeSalt derives the salt of change number n, which can be shown to prove that change
// without showing its neighbours: HMAC-SHA-256 of the number, big endian, under the batch salt.
func ChangeSalt(batchSalt []byte, n uint64) []byte { return newSalter(batchSalt).salt(n) }

// salter derives the salts of many changes of a batch: the key is taken in once.
type salter struct{ mac hash.Hash }

func newSalter(batchSalt []byte) salter { return salter{hmac.New(sha256.New, batchSalt)} }

func (s salter) salt(n uint64) []byte {
	s.mac.Reset()
	s.mac.Write(binary.BigEndian.AppendUint64(nil, n))
	return s.mac.Sum(nil)
}

// SaltedHash hides a change until its salt is shown: HMAC-SHA-256 of the change under its salt.
func SaltedHash(salt, change []byte) Hash {
	mac := hmac.New(sha256.New, salt)
	mac.Write(change)
	return Hash(mac.Sum(nil))
}

// zstd of the fastest level that still finds matches across changes; they serve all goroutines (EncodeAll
// and DecodeAll keep no state). There is one encoder, because it takes 5 MiB and a node cuts one batch at a time.
var (
	packer   = must(zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedBetterCompression), zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(512<<10)))
	unpacker = must(zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderMaxMemory(MaxUnpacked), zstd.WithDecoderMaxWindow(1<<20)))
)

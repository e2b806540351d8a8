// Package change holds what nodes send: changes, the signed batches that carry them and
// the hub's acknowledgements, down to the byte. docs/formats.md describes the same for third parties.
//
// A change is a deterministic CBOR array (RFC 8949 section 4.2). Its name (node, epoch,
// number) is not in it: it follows from the batch that carries it. A batch is a signed
// header and a body; the header's hash links to the header before it. All signatures are
// COSE_Sign1 (RFC 9052) with EdDSA, without unprotected headers, and with the message type
// as external data, so that no message can pass for one of another type.
package change

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/fxamacker/cbor/v2"
)

// Hash is a SHA-256 value.
type Hash [sha256.Size]byte

// String returns the hash in lower case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalCBOR writes h as a byte string.
func (h Hash) MarshalCBOR() ([]byte, error) { return Marshal(h[:]) }

// UnmarshalCBOR reads a byte string of exactly 32 bytes.
func (h *Hash) UnmarshalCBOR(b []byte) error {
	var s []byte
	if err := Unmarshal(b, &s); err != nil {
		return err
	}
	if len(s) != len(h) {
		return fmt.Errorf("hash of %d bytes: want %d", len(s), len(h))
	}
	copy(h[:], s)
	return nil
}

var (
	encoding = must(cbor.CoreDetEncOptions().EncMode())
	decoding = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxNestedLevels: 8, MaxArrayElements: 1 << 17, MaxMapPairs: 1 << 12, UTF8: cbor.UTF8RejectInvalid,
		ExtraReturnErrors: cbor.ExtraDecErrorUnknownField, FieldNameMatching: cbor.FieldNameMatchingCaseSensitive,
	}.DecMode())
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // options above are constants: a wrong one fails every test at once
	}
	return v
}

// Marshal encodes v deterministically (RFC 8949 section 4.2.1).
func Marshal(v any) ([]byte, error) { return encoding.Marshal(v) }

// Unmarshal decodes b into v and refuses trailing bytes, indefinite lengths, tags and duplicate keys.
func Unmarshal(b []byte, v any) error { return decoding.Unmarshal(b, v) }

// UnmarshalExact decodes b into v and refuses every encoding that is not the deterministic one.
func UnmarshalExact(b []byte, v any) error {
	if err := Unmarshal(b, v); err != nil {
		return err
	}
	again, err := Marshal(v)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, b) {
		return fmt.Errorf("not the deterministic encoding")
	}
	return nil
}

package delivery

import (
	"crypto"
	"crypto/ed25519"
	"fmt"

	"stockade/protocol/change"
)

// Keys is the numbered list of the hub's working keys, signed by the offline root key that
// enrolment pinned. A list with a lower number than the one held is refused.
type Keys struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Number uint64
	Ack    []byte // Ed25519, signs acknowledgements, grants, returns and refusals
	Feed   []byte // Ed25519, signs feeds
	Log    []byte // Ed25519, signs checkpoints
	CA     []byte // SHA-256 of the certificate authority's public key (SubjectPublicKeyInfo)
}

// SealKeys signs the list with the root key.
func SealKeys(root crypto.Signer, k Keys) ([]byte, error) { return sealPlain(root, change.TypeKeys, k) }

// OpenKeys verifies a list against the pinned root key.
func OpenKeys(root ed25519.PublicKey, org string, signed []byte) (Keys, error) {
	var k Keys
	if err := openPlain(root, change.TypeKeys, signed, &k); err != nil {
		return Keys{}, err
	}
	if k.Org != org || len(k.Ack) != ed25519.PublicKeySize || len(k.Feed) != ed25519.PublicKeySize || len(k.Log) != ed25519.PublicKeySize {
		return Keys{}, fmt.Errorf("read key list %d: not a list of organisation %s", k.Number, org)
	}
	return k, nil
}

// Opening is the first leaf of a log epoch after the first: signed by the root key, it
// names the head of the log before, which a restored hub may no longer have whole.
type Opening struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Epoch  uint64   // of the log that it opens
	Old    LogPlace // the highest head of the log before that is known
	Reason string
	Time   int64 // Unix milliseconds
}

// SealOpening signs the statement with the root key.
func SealOpening(root crypto.Signer, o Opening) ([]byte, error) {
	return sealPlain(root, change.TypeOpening, o)
}

// ReadOpening verifies an opening against the pinned root key.
func ReadOpening(root ed25519.PublicKey, org string, signed []byte) (Opening, error) {
	var o Opening
	if err := openPlain(root, change.TypeOpening, signed, &o); err != nil {
		return Opening{}, err
	}
	if o.Org != org {
		return Opening{}, fmt.Errorf("read opening of log %d: organisation %q", o.Epoch, o.Org)
	}
	return o, nil
}

func sealPlain(key crypto.Signer, t change.Type, v any) ([]byte, error) {
	payload, err := change.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", t, err)
	}
	return change.Sign(key, t, payload)
}

func openPlain(key ed25519.PublicKey, t change.Type, signed []byte, v any) error {
	payload, err := change.Verify(key, t, signed)
	if err != nil {
		return err
	}
	if err := change.UnmarshalExact(payload, v); err != nil {
		return fmt.Errorf("read %s: %w", t, err)
	}
	return nil
}

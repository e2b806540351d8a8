package change

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/veraison/go-cose"
)

// ErrSignature is returned when a message is not signed by the key that was expected.
var ErrSignature = errors.New("signature does not match key")

// Type is the external data of a signature: it names what was signed and its version.
type Type string

// The message types.
const (
	TypeBatch   Type = "stockade/batch/1"
	TypeAck     Type = "stockade/ack/1"
	TypeHello   Type = "stockade/hello/1"
	TypeRejoin  Type = "stockade/rejoin/1"
	TypeFetch   Type = "stockade/fetch/1"
	TypeCosign  Type = "stockade/cosign/1"
	TypeGrant   Type = "stockade/grant/1"
	TypeReturn  Type = "stockade/return/1"
	TypeRefusal Type = "stockade/refusal/1"
	TypeChunk   Type = "stockade/chunk/1"
	TypeKeys    Type = "stockade/keys/1"
	TypeOpening Type = "stockade/opening/1"
)

// Sign returns the COSE_Sign1 message of payload. key signs with Ed25519.
func Sign(key crypto.Signer, t Type, payload []byte) ([]byte, error) {
	signer, err := cose.NewSigner(cose.AlgorithmEdDSA, key)
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", t, err)
	}
	m := cose.Sign1Message{
		Headers: cose.Headers{Protected: cose.ProtectedHeader{cose.HeaderLabelAlgorithm: cose.AlgorithmEdDSA}},
		Payload: payload,
	}
	if err := m.Sign(nil, []byte(t), signer); err != nil {
		return nil, fmt.Errorf("sign %s: %w", t, err)
	}
	return m.MarshalCBOR()
}

// Verify returns the payload of a COSE_Sign1 message that key signed as t.
// Anything but the one encoding that Sign makes is refused, so a message has one form only.
func Verify(key ed25519.PublicKey, t Type, message []byte) ([]byte, error) {
	m, err := parse(message)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", t, err)
	}
	verifier, err := cose.NewVerifier(cose.AlgorithmEdDSA, key)
	if err != nil {
		return nil, fmt.Errorf("verify %s: %w", t, err)
	}
	if err := m.Verify([]byte(t), verifier); err != nil {
		return nil, fmt.Errorf("read %s: %w", t, ErrSignature)
	}
	return m.Payload, nil
}

// Payload returns what a message says without looking at its signature: only for finding
// out which key to verify it with.
func Payload(message []byte) ([]byte, error) {
	m, err := parse(message)
	if err != nil {
		return nil, err
	}
	return m.Payload, nil
}

func parse(message []byte) (*cose.Sign1Message, error) {
	var m cose.Sign1Message
	if err := m.UnmarshalCBOR(message); err != nil {
		return nil, err
	}
	if len(m.Headers.Unprotected) != 0 || len(m.Headers.Protected) != 1 {
		return nil, errors.New("headers other than the algorithm")
	}
	again, err := m.MarshalCBOR()
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(again, message) {
		return nil, errors.New("not the deterministic encoding")
	}
	return &m, nil
}

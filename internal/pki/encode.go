package pki

import (
	"crypto/ecdsa"
	"errors"
	"fmt"

	"stockade/protocol/topic"
)

// Encode returns certificate and key as PEM, for a caller that keeps both inside an
// encrypted store.
func (a *Authority) Encode() (cert, key []byte, err error) {
	key, err = EncodeKey(a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("encode authority: %w", err)
	}
	return EncodeCertificates(a.cert), key, nil
}

// DecodeAuthority reads what Encode returned.
func DecodeAuthority(cert, key []byte) (*Authority, error) {
	certs, err := DecodeCertificates(cert)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	signer, err := DecodeKey(key)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	pub, ok := certs[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || !pub.Equal(signer.Public()) {
		return nil, errors.New("read authority: the key does not belong to the certificate")
	}
	if !certs[0].IsCA || len(certs[0].Subject.Organization) != 1 {
		return nil, errors.New("read authority: not the certificate of a Stockade authority")
	}
	return &Authority{cert: certs[0], key: signer, org: topic.Org(certs[0].Subject.Organization[0])}, nil
}

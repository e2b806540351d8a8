package pki

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"stockade/protocol/topic"
)

// ErrNoCertificate is returned when the other side of a connection showed no certificate.
var ErrNoCertificate = errors.New("peer showed no client certificate")

// Peer is whom a verified client certificate names.
type Peer struct {
	Client      topic.Client
	Serial      string    // of the certificate, hexadecimal
	Fingerprint string    // of the key: see Fingerprint
	NotAfter    time.Time // end of validity
}

// ID returns the common name, which is the MQTT client id.
func (p Peer) ID() string { return p.Client.ID() }

// PeerOf names the subject of a client certificate of org. It does not verify the
// signature: cert must come out of a verified handshake.
func PeerOf(org topic.Org, cert *x509.Certificate) (Peer, error) {
	if cert.IsCA || !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return Peer{}, fmt.Errorf("certificate of %q is not for clients", cert.Subject.CommonName)
	}
	if o := cert.Subject.Organization; len(o) != 1 || o[0] != string(org) {
		return Peer{}, fmt.Errorf("certificate of %q is not of organisation %s", cert.Subject.CommonName, org)
	}
	c, err := topic.ParseClient(cert.Subject.CommonName)
	if err != nil {
		return Peer{}, fmt.Errorf("certificate: %w", err)
	}
	return Peer{Client: c, Serial: cert.SerialNumber.Text(16), Fingerprint: Fingerprint(cert), NotAfter: cert.NotAfter}, nil
}

// PeerOfConnection names the client of a connection that was accepted with a configuration
// of ServerConfig. It returns ErrNoCertificate when the client showed none.
func PeerOfConnection(org topic.Org, state tls.ConnectionState) (Peer, error) {
	if !state.HandshakeComplete || len(state.PeerCertificates) == 0 {
		return Peer{}, ErrNoCertificate
	}
	return PeerOf(org, state.PeerCertificates[0])
}

// Fingerprint identifies the key of a certificate: SHA-256 of its SubjectPublicKeyInfo,
// base64url without padding (43 characters). It stays when a certificate is renewed.
func Fingerprint(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

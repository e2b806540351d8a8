package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// Clock tells the time at which certificates are judged.
type Clock func() time.Time

// Latest returns a clock that shows the latest of several: the local clock, the time of the
// build and the last time the hub signed, so that a Pi without clock battery does not
// take a certificate for one of the future, nor an expired one for valid.
func Latest(clocks ...Clock) Clock {
	return func() time.Time {
		var latest time.Time
		for _, c := range clocks {
			if t := c(); t.After(latest) {
				latest = t
			}
		}
		return latest
	}
}

// At returns a clock that stands still, such as the time of the build.
func At(t time.Time) Clock { return func() time.Time { return t } }

// Pool returns the authorities that a peer trusts. More than one is needed only while the
// hub changes from one to the next.
func Pool(authorities ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range authorities {
		pool.AddCert(c)
	}
	return pool
}

// ClientCerts says what a server asks of its clients.
type ClientCerts uint8

// What a server may ask.
const (
	RequireClient   ClientCerts = iota // a valid certificate: MQTT
	OptionalClient                     // none or a valid one: browsers and nodes at one address
	OptionalExpired                    // none or one that is valid or was until it expired: renewal
)

// ServerConfig returns the settings of a server: TLS 1.3 only, clients verified against
// authorities alone. There are no session tickets, so every connection proves its key anew.
//
// With OptionalExpired the caller must look at Peer.NotAfter and allow an expired peer
// nothing but renewal.
func ServerConfig(cert tls.Certificate, authorities *x509.CertPool, clients ClientCerts, now Clock) *tls.Config {
	cfg := &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{cert},
		ClientCAs:              authorities,
		Time:                   now,
		SessionTicketsDisabled: true,
	}
	switch clients {
	case OptionalClient:
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
	case OptionalExpired:
		cfg.ClientAuth = tls.RequestClientCert
		cfg.VerifyConnection = func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 {
				return nil
			}
			return verifyClient(s.PeerCertificates[0], authorities, now())
		}
	default:
		cfg.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return cfg
}

// verifyClient accepts a client certificate that is valid at the time or was when it expired.
func verifyClient(cert *x509.Certificate, authorities *x509.CertPool, at time.Time) error {
	if at.After(cert.NotAfter) {
		at = cert.NotAfter
	}
	_, err := cert.Verify(x509.VerifyOptions{
		Roots: authorities, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
	if err != nil {
		return fmt.Errorf("client certificate of %q: %w", cert.Subject.CommonName, err)
	}
	return nil
}

// ClientConfig returns the settings of a client that trusts authorities alone: TLS 1.3
// only. serverName is what the server's certificate must name; empty means the host that
// is dialled.
func ClientConfig(cert tls.Certificate, authorities *x509.CertPool, serverName string, now Clock) *tls.Config {
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{cert},
		RootCAs:      authorities,
		ServerName:   serverName,
		Time:         now,
	}
}

// ErrPin is returned when a server does not hold the key that was promised.
var ErrPin = errors.New("server does not have the pinned key: this is not the hub that issued the token")

// PinnedConfig returns the settings of a node's first contact, when it knows nothing of the
// hub but the fingerprint of its authority's key, from the enrolment token. The server must
// show its authority's certificate after its own and be named serverName.
func PinnedConfig(fingerprint, serverName string, now Clock) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ServerName: serverName,
		Time:       now,
		// The usual verification needs a root that a node does not have yet;
		// VerifyConnection below does all of it against the pinned one.
		InsecureSkipVerify: true, // #nosec G402 -- replaced by VerifyConnection
		VerifyConnection: func(s tls.ConnectionState) error {
			return verifyPinned(s, fingerprint, serverName, now())
		},
	}
}

func verifyPinned(s tls.ConnectionState, fingerprint, serverName string, at time.Time) error {
	if serverName == "" {
		return errors.New("pinned connection: no server name to check")
	}
	for _, c := range s.PeerCertificates {
		if !c.IsCA || Fingerprint(c) != fingerprint {
			continue
		}
		_, err := s.PeerCertificates[0].Verify(x509.VerifyOptions{
			DNSName: serverName, Roots: Pool(c), CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		})
		if err != nil {
			return fmt.Errorf("pinned connection: %w", err)
		}
		return nil
	}
	return ErrPin
}

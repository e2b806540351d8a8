// Package pki is the hub's own certificate authority and the TLS settings of both ends.
//
// There is one level: the authority signs the certificates of nodes, of the hub's MQTT
// clients and of the hub's servers directly. The common name of a client certificate is the
// MQTT client id (package topic); its only use is client authentication, and a server's
// only use is server authentication, so neither can stand in for the other. Peers trust this
// authority alone, never the roots of the operating system.
//
// Every check of a validity takes the time from the caller: a Pi has no clock battery, and
// certificates are judged at the latest of several clocks (Latest).
//
// Revocation is not in the certificates: whoever accepts a Peer asks its own register.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"stockade/protocol/topic"
)

const (
	// AuthorityValid is how long a new authority is valid.
	AuthorityValid = 10 * 365 * 24 * time.Hour
	// ClientValid is the usual validity of a client certificate.
	ClientValid = 365 * 24 * time.Hour
	// ServerValid is the usual validity of a server certificate; browsers accept at most 398 days.
	ServerValid = 397 * 24 * time.Hour
	// backdated covers peers whose clock is behind that of the hub.
	backdated = 24 * time.Hour
)

// Authority issues certificates. It is safe for concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  crypto.Signer
	org  topic.Org
}

// NewAuthority makes the authority of org with a new ECDSA P-256 key. Call Save to keep it.
func NewAuthority(org topic.Org, now time.Time) (*Authority, error) {
	if _, err := topic.ParseOrg(string(org)); err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	key, err := NewServerKey()
	if err != nil {
		return nil, err
	}
	tmpl, err := template(pkix.Name{CommonName: "Stockade CA " + string(org), Organization: []string{string(org)}}, now, AuthorityValid)
	if err != nil {
		return nil, err
	}
	tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.MaxPathLenZero = true, true, true
	tmpl.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	cert, err := sign(tmpl, tmpl, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("new authority: %w", err)
	}
	return &Authority{cert: cert, key: key, org: org}, nil
}

// LoadAuthority reads what Save wrote. The key file must be readable by its owner alone.
func LoadAuthority(certFile, keyFile string) (*Authority, error) {
	certs, err := ReadCertificates(certFile)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	key, err := ReadKey(keyFile)
	if err != nil {
		return nil, fmt.Errorf("load authority: %w", err)
	}
	cert := certs[0]
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !pub.Equal(key.Public()) {
		return nil, fmt.Errorf("load authority: key in %s does not belong to the certificate in %s", keyFile, certFile)
	}
	if !cert.IsCA || len(cert.Subject.Organization) != 1 {
		return nil, fmt.Errorf("load authority: %s is not the certificate of a Stockade authority", certFile)
	}
	return &Authority{cert: cert, key: key, org: topic.Org(cert.Subject.Organization[0])}, nil
}

// Save writes certificate and key, each atomically. It never replaces a key that exists.
func (a *Authority) Save(certFile, keyFile string) error {
	if err := WriteKey(keyFile, a.key); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	if err := WriteCertificates(certFile, a.cert); err != nil {
		return fmt.Errorf("save authority: %w", err)
	}
	return nil
}

// Certificate returns the authority's own certificate, which peers pin.
func (a *Authority) Certificate() *x509.Certificate { return a.cert }

// Org returns the organisation for which a issues.
func (a *Authority) Org() topic.Org { return a.org }

// IssueClient signs a client certificate for c, valid from a day before now until valid
// after it (at most as long as the authority). A node has an Ed25519 key; that the asker
// holds it must have been proved to the caller.
func (a *Authority) IssueClient(c topic.Client, key crypto.PublicKey, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	if _, err := topic.ParseClient(c.ID()); err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	if k, ok := key.(ed25519.PublicKey); !ok || len(k) != ed25519.PublicKeySize {
		return nil, fmt.Errorf("issue certificate for %s: an Ed25519 public key is needed, this is %T", c.ID(), key)
	}
	tmpl, err := a.leaf(pkix.Name{CommonName: c.ID(), Organization: []string{string(a.org)}}, now, valid)
	if err != nil {
		return nil, fmt.Errorf("issue certificate for %s: %w", c.ID(), err)
	}
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	return sign(tmpl, a.cert, key, a.key)
}

// IssueServer signs a server certificate for the hosts, each a DNS name or an IP address.
func (a *Authority) IssueServer(hosts []string, key *ecdsa.PublicKey, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	if len(hosts) == 0 {
		return nil, errors.New("issue server certificate: no host named; give the names or addresses by which nodes and browsers reach it")
	}
	tmpl, err := a.leaf(pkix.Name{CommonName: "Stockade hub", Organization: []string{string(a.org)}}, now, valid)
	if err != nil {
		return nil, fmt.Errorf("issue server certificate: %w", err)
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
		} else {
			tmpl.DNSNames = append(tmpl.DNSNames, h)
		}
	}
	tmpl.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	return sign(tmpl, a.cert, key, a.key)
}

func (a *Authority) leaf(name pkix.Name, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	if !now.Before(a.cert.NotAfter) {
		return nil, fmt.Errorf("the authority itself expired on %s", a.cert.NotAfter.Format(time.DateOnly))
	}
	tmpl, err := template(name, now, valid)
	if err != nil {
		return nil, err
	}
	tmpl.BasicConstraintsValid = true
	tmpl.KeyUsage = x509.KeyUsageDigitalSignature
	if tmpl.NotAfter.After(a.cert.NotAfter) {
		tmpl.NotAfter = a.cert.NotAfter
	}
	return tmpl, nil
}

func template(name pkix.Name, now time.Time, valid time.Duration) (*x509.Certificate, error) {
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return nil, fmt.Errorf("draw serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and always 16 bytes long (RFC 5280 4.1.2.2)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      name,
		NotBefore:    now.Add(-backdated).UTC().Truncate(time.Second),
		NotAfter:     now.Add(valid).UTC().Truncate(time.Second),
	}, nil
}

func sign(tmpl, parent *x509.Certificate, pub crypto.PublicKey, key crypto.Signer) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", tmpl.Subject.CommonName, err)
	}
	return x509.ParseCertificate(der)
}

// NewServerKey makes the ECDSA P-256 key of a server or authority (browsers know no Ed25519).
func NewServerKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make ECDSA key: %w", err)
	}
	return key, nil
}

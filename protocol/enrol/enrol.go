// Package enrol holds what a new node and its hub say to each other once: the one-time token
// that a person carries from the hub to the node, the request, and the answer.
//
// The token pins everything that the node will believe later: the hub's certificate authority,
// the company's offline root key, and a head of the hub's log. The node makes its own key and
// proves that it holds it; no private key ever travels. The request and the answer are
// deterministic CBOR over HTTPS to the address in the token, with TLS pinned to the
// authority (POST to PathEnrol, content type ContentType).
//
// Asking twice with the same token and the same key gives the same node again, so an answer
// that was lost on the way costs nothing. With another key the token is used up.
//
// Package enrol does no I/O.
package enrol

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"stockade/protocol/change"
)

// Where and how the hub is asked.
const (
	PathEnrol   = "/enrol"
	PathRenew   = "/renew" // with the node's client certificate, which may have expired
	ContentType = "application/cbor"

	MaxRequest = 8 << 10  // bytes
	MaxAnswer  = 64 << 10 // bytes
	MaxHosts   = 8        // of a page certificate
)

// Problem is the body of an answer with status 400 and above: one word that the node
// translates for its user.
type Problem string

// The problems. Only ever added to.
const (
	ProblemToken    Problem = "token_unknown" // no such token: mistyped, or of another hub
	ProblemUsed     Problem = "token_used"    // another key has used it
	ProblemExpired  Problem = "token_expired"
	ProblemReopened Problem = "log_reopened" // the hub began a new log since the token was made
	ProblemHosts    Problem = "hosts"        // a name of the page certificate is not allowed
	ProblemRevoked  Problem = "revoked"
	ProblemForm     Problem = "form" // the request can not be read
	ProblemBusy     Problem = "busy" // too many attempts, or the hub is not ready: try again later
)

// typeRequest is the external data of the signature of a request.
const typeRequest change.Type = "stockade/enrol/1"

// Page asks for a server certificate for the node's own pages.
type Page struct {
	_     struct{} `cbor:",toarray"`
	Key   []byte   // ECDSA P-256 public key, SubjectPublicKeyInfo in DER
	Hosts []string // DNS names and IP addresses by which browsers reach the node
}

// NewPage makes the question for key's certificate.
func NewPage(key *ecdsa.PublicKey, hosts []string) (*Page, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("ask for page certificate: %w", err)
	}
	p := &Page{Key: der, Hosts: hosts}
	_, err = p.PublicKey()
	return p, err
}

// ErrHosts is returned for names that no page certificate is given for.
var ErrHosts = errors.New("not a name for a page certificate")

// PublicKey checks p and returns its key. Whose names they are is left to the hub.
func (p Page) PublicKey() (*ecdsa.PublicKey, error) {
	if len(p.Hosts) == 0 || len(p.Hosts) > MaxHosts {
		return nil, fmt.Errorf("page certificate for %d names, want 1 to %d: %w", len(p.Hosts), MaxHosts, ErrHosts)
	}
	for _, h := range p.Hosts {
		if !validHost(h) {
			return nil, fmt.Errorf("page certificate for %q: %w", clip(h), ErrHosts)
		}
	}
	parsed, err := x509.ParsePKIXPublicKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("read page key: %w", err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, errors.New("read page key: want ECDSA P-256")
	}
	return key, nil
}

// validHost takes an IP address in its usual writing, or a DNS name in lower case without wildcard.
func validHost(h string) bool {
	if ip, err := netip.ParseAddr(h); err == nil {
		return ip.String() == h && ip.Zone() == "" && !ip.Is4In6() && !ip.IsUnspecified() && !ip.IsMulticast()
	}
	if h == "" || len(h) > 253 {
		return false
	}
	for label := range strings.SplitSeq(h, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

// Request is a node's wish to be enrolled.
type Request struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Secret Secret
	Key    []byte // the node's Ed25519 public key, made on the node
	Page   *Page  // nil when it has no pages
}

// SealRequest signs r with the node's key, whose public part it fills in.
func SealRequest(key crypto.Signer, r Request) ([]byte, error) {
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("ask for enrolment: want an Ed25519 key")
	}
	r.Key = pub
	payload, err := change.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("ask for enrolment: %w", err)
	}
	return change.Sign(key, typeRequest, payload)
}

// OpenRequest reads a request and verifies that it was signed by the key that it names.
func OpenRequest(signed []byte) (Request, error) {
	var r Request
	if len(signed) > MaxRequest {
		return r, fmt.Errorf("read enrolment request: %d bytes, at most %d", len(signed), MaxRequest)
	}
	payload, err := change.Payload(signed)
	if err != nil {
		return r, fmt.Errorf("read enrolment request: %w", err)
	}
	if err := change.UnmarshalExact(payload, &r); err != nil {
		return Request{}, fmt.Errorf("read enrolment request: %w", err)
	}
	if len(r.Key) != ed25519.PublicKeySize {
		return Request{}, fmt.Errorf("read enrolment request: key of %d bytes", len(r.Key))
	}
	if _, err := change.Verify(r.Key, typeRequest, signed); err != nil {
		return Request{}, err
	}
	if r.Page != nil {
		if _, err := r.Page.PublicKey(); err != nil {
			return Request{}, err
		}
	}
	return r, nil
}

// Renewal asks for new certificates for the keys that the node has. The connection proves
// who asks.
type Renewal struct {
	_    struct{} `cbor:",toarray"`
	Page *Page
}

// Encode returns the bytes of r.
func (r Renewal) Encode() ([]byte, error) { return change.Marshal(r) }

// DecodeRenewal reads what Encode wrote.
func DecodeRenewal(b []byte) (Renewal, error) {
	var r Renewal
	if len(b) > MaxRequest {
		return r, fmt.Errorf("read renewal: %d bytes, at most %d", len(b), MaxRequest)
	}
	if err := change.UnmarshalExact(b, &r); err != nil {
		return Renewal{}, fmt.Errorf("read renewal: %w", err)
	}
	if r.Page != nil {
		if _, err := r.Page.PublicKey(); err != nil {
			return Renewal{}, err
		}
	}
	return r, nil
}

// clip keeps foreign text in an error message short.
func clip(s string) string {
	const most = 60
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

package enrol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/topic"
)

// Secret is what makes a token worth something. It prints as "[secret]".
type Secret [32]byte

// Format keeps the secret out of logs.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[secret]")) }

// MarshalCBOR writes s as a byte string.
func (s Secret) MarshalCBOR() ([]byte, error) { return change.Marshal(s[:]) }

// UnmarshalCBOR reads a byte string of 32 bytes.
func (s *Secret) UnmarshalCBOR(b []byte) error { return (*change.Hash)(s).UnmarshalCBOR(b) }

// Hash returns what the hub keeps in place of the secret.
func (s Secret) Hash() change.Hash {
	return sha256.Sum256(append([]byte("stockade/token/1\x00"), s[:]...))
}

// Token is what a person carries from the hub to a new node. It can be used once, within
// the time that the hub set.
type Token struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Hub    string      // where to ask: https://HOST:PORT
	Pin    change.Hash // SHA-256 of the authority's public key (SubjectPublicKeyInfo)
	Root   []byte      // the company's offline root key, Ed25519
	Log    delivery.LogPlace
	Secret Secret
}

// prefix marks a token and its version; checkBytes guard against a slip in copying.
const (
	prefix     = "sk1."
	checkBytes = 4
	maxToken   = 1024 // characters
)

// ErrToken is returned for text that is not a whole token.
var ErrToken = errors.New("not a whole enrolment token; copy it again, from " + prefix + " to its end")

// Encode returns the text that the person carries.
func (t Token) Encode() (string, error) {
	if err := t.check(); err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	b, err := change.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode token: %w", err)
	}
	sum := sha256.Sum256(b)
	return prefix + base64.RawURLEncoding.EncodeToString(append(b, sum[:checkBytes]...)), nil
}

// DecodeToken reads what Encode wrote; white space around it, as in a file, does not matter.
func DecodeToken(s string) (Token, error) {
	s = strings.TrimSpace(s)
	text, ok := strings.CutPrefix(s, prefix)
	if !ok || len(s) > maxToken {
		return Token{}, ErrToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) <= checkBytes {
		return Token{}, ErrToken
	}
	b, check := b[:len(b)-checkBytes], b[len(b)-checkBytes:]
	if sum := sha256.Sum256(b); !bytes.Equal(check, sum[:checkBytes]) {
		return Token{}, ErrToken
	}
	var t Token
	if err := change.UnmarshalExact(b, &t); err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if err := t.check(); err != nil {
		return Token{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return t, nil
}

func (t Token) check() error {
	if _, err := topic.ParseOrg(t.Org); err != nil {
		return err
	}
	u, err := url.Parse(t.Hub)
	if err != nil || u.Scheme != "https" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
		return fmt.Errorf("hub address %q: want https://HOST:PORT", clip(t.Hub))
	}
	if len(t.Root) != ed25519.PublicKeySize {
		return fmt.Errorf("root key of %d bytes", len(t.Root))
	}
	if t.Log.Epoch < 1 || t.Log.Size < 1 {
		return fmt.Errorf("head of log %d with %d leaves", t.Log.Epoch, t.Log.Size)
	}
	return nil
}

// Host returns the name that the hub's certificate must carry.
func (t Token) Host() string {
	u, err := url.Parse(t.Hub)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// Fingerprint returns the pin as base64url without padding, the form that TLS settings take.
func (t Token) Fingerprint() string { return base64.RawURLEncoding.EncodeToString(t.Pin[:]) }

// Request begins the node's question with this token.
func (t Token) Request(page *Page) Request { return Request{Org: t.Org, Secret: t.Secret, Page: page} }

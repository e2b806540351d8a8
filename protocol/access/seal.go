package access

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"stockade/protocol/change"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// What the hub says of a person is sealed to the nodes that are to read it (HPKE, RFC 9180): each word has a key of its own, and
// that key is sealed to each reader. So no key lives longer than a word: a node that comes later reads nothing from before, one that
// was revoked nothing from then on, and nothing has to be kept or exchanged. That the word is the hub's follows from the signature of its
// chunk; here it is only kept from others.
//
// The suite is DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM in base mode.
var (
	sealingKEM  = hpke.DHKEM(ecdh.X25519())
	sealingKDF  = hpke.HKDFSHA256()
	sealingAEAD = hpke.AES256GCM()
)

// Sizes of a Sealed, in bytes.
const (
	contentKey     = 32
	gcmTag         = 16
	encapsulated   = 32
	sealedKeySize  = contentKey + gcmTag
	readerSize     = 16
	padTo          = 256 // so that the length does not tell who has a badge or a second factor
	mostSealed     = 32 << 10
	mostReaders    = 256
	sealingPurpose = "stockade/sealing/1"
)

// TypeSealing is the external data of the signature under a node's word about its own sealing key.
const TypeSealing change.Type = sealingPurpose

// ErrNoReader is returned for a word that was not sealed to the key that should open it.
var ErrNoReader = errors.New("the word is sealed to others")

// ReaderID names a sealing key: the first half of the SHA-256 of its 32 bytes.
type ReaderID [readerSize]byte

// IDOfReader returns the name of a public sealing key.
func IDOfReader(public []byte) (id ReaderID) {
	sum := sha256.Sum256(public)
	copy(id[:], sum[:])
	return id
}

// SealingKey returns the key with which a node opens what is sealed to it. It follows from the seed of the node's own key, so that it
// comes and goes with it: on a card that was put back to an older state too. The two are independent for who knows neither: Ed25519 makes its
// scalar by SHA-512 (RFC 8032 section 5.1.5), this is HKDF-SHA256 of the seed (RFC 5869) as input of DeriveKeyPair (RFC 9180 section 7.1.3).
func SealingKey(seed []byte) (hpke.PrivateKey, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("derive sealing key: seed of %d bytes", len(seed))
	}
	ikm, err := hkdf.Key(sha256.New, seed, nil, sealingPurpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive sealing key: %w", err)
	}
	return sealingKEM.DeriveKeyPair(ikm)
}

// claim is what a node signs about its sealing key.
type claim struct {
	_      struct{} `cbor:",toarray"`
	Org    string
	Node   stock.NodeID
	Public []byte
}

// ClaimSealing returns a node's signed word about its public sealing key, for the hub.
func ClaimSealing(key crypto.Signer, org string, node stock.NodeID, public []byte) ([]byte, error) {
	b, err := change.Marshal(claim{Org: org, Node: node, Public: public})
	if err != nil {
		return nil, fmt.Errorf("claim sealing key: %w", err)
	}
	return change.Sign(key, TypeSealing, b)
}

// OpenClaim verifies a node's word about its sealing key by the node's own key and returns the public sealing key.
func OpenClaim(key ed25519.PublicKey, org string, node stock.NodeID, signed []byte) ([]byte, error) {
	b, err := change.Verify(key, TypeSealing, signed)
	if err != nil {
		return nil, err
	}
	var c claim
	if err := change.UnmarshalExact(b, &c); err != nil {
		return nil, fmt.Errorf("read claim of %s: %w", node, err)
	}
	if c.Org != org || c.Node != node {
		return nil, fmt.Errorf("read claim of %s: it is of %s at %q", node, c.Node, c.Org)
	}
	return c.Public, CheckSealing(c.Public)
}

// CheckSealing refuses what is no public sealing key, the points of small order too, with which nothing can be kept secret.
func CheckSealing(public []byte) error {
	k, err := sealingKEM.NewPublicKey(public)
	if err == nil {
		_, _, err = hpke.NewSender(k, sealingKDF, sealingAEAD, nil)
	}
	if err != nil {
		return fmt.Errorf("sealing key: %w", err)
	}
	return nil
}

// Reader says which sealing key of a node the hub knows: people are sealed to it from here on, and the node need not tell it again.
type Reader struct {
	_    struct{} `cbor:",toarray"`
	Node string
	Key  []byte // public
}

// Check returns an error that says what is malformed in r.
func (r Reader) Check() error {
	if _, err := topic.ParseNode(r.Node); err != nil {
		return fmt.Errorf("reader: %w", err)
	}
	if len(r.Key) != encapsulated {
		return fmt.Errorf("reader %s: key of %d bytes", r.Node, len(r.Key))
	}
	return nil
}

// Place is whom a sealed word is for. A word of one place opens nowhere else.
type Place struct {
	Org       string
	Warehouse stock.Warehouse
}

// bound is what both ciphers authenticate beside what they hide.
type bound struct {
	_         struct{} `cbor:",toarray"`
	Purpose   string
	Org       string
	Warehouse stock.Warehouse
	Account   Account
}

func (p Place) bound(a Account) ([]byte, error) {
	return change.Marshal(bound{Purpose: "stockade/member/2", Org: p.Org, Warehouse: p.Warehouse, Account: a})
}

// Sealed is a Member that only its readers can read: version 2 of an entry of KindMember.
type Sealed struct {
	_       struct{} `cbor:",toarray"`
	Account Account  // as in every version
	Content []byte   // AES-256-GCM with a nonce of zeros, under a key that is used this once
	Keys    []SealedKey
}

// SealedKey is the key of a Sealed, sealed to one reader.
type SealedKey struct {
	_            struct{} `cbor:",toarray"`
	Reader       []byte   // ReaderID; ascending
	Encapsulated []byte   // RFC 9180 enc
	Key          []byte   // RFC 9180 ct
}

// Check returns an error that says what is malformed in s.
func (s Sealed) Check() error {
	if s.Account == "" || string(s.Account) != Fold(string(s.Account)) {
		return fmt.Errorf("a person's account name is %q, want it folded", s.Account)
	}
	if n := len(s.Content); n <= gcmTag || n > mostSealed || (n-gcmTag)%padTo != 0 {
		return fmt.Errorf("account %q: sealed content of %d bytes", s.Account, n)
	}
	if len(s.Keys) == 0 || len(s.Keys) > mostReaders {
		return fmt.Errorf("account %q: sealed to %d readers", s.Account, len(s.Keys))
	}
	for i, k := range s.Keys {
		if len(k.Reader) != readerSize || len(k.Encapsulated) != encapsulated || len(k.Key) != sealedKeySize || i > 0 && bytes.Compare(s.Keys[i-1].Reader, k.Reader) >= 0 {
			return fmt.Errorf("account %q: sealed key %d is malformed", s.Account, i)
		}
	}
	return nil
}

// Seal seals m to the public sealing keys of its readers.
func Seal(m Member, at Place, readers [][]byte) (Sealed, error) {
	s, err := seal(m, at, readers)
	if err != nil {
		return Sealed{}, fmt.Errorf("seal %s: %w", m.Account, err)
	}
	return s, nil
}

func seal(m Member, at Place, readers [][]byte) (Sealed, error) {
	if err := m.Check(); err != nil {
		return Sealed{}, err
	}
	plain, err := change.Marshal(m.tidy())
	if err != nil {
		return Sealed{}, err
	}
	about, err := at.bound(m.Account)
	if err != nil {
		return Sealed{}, err
	}
	key := make([]byte, contentKey)
	_, _ = rand.Read(key) // never fails, see crypto/rand
	hide, err := contentCipher(key)
	if err != nil {
		return Sealed{}, err
	}
	s := Sealed{Account: m.Account, Content: hide.Seal(nil, make([]byte, hide.NonceSize()), pad(plain), about)} // #nosec G407 -- its key is used this once
	for _, public := range readers {
		to, err := sealingKEM.NewPublicKey(public)
		if err != nil {
			return Sealed{}, err
		}
		enc, sender, err := hpke.NewSender(to, sealingKDF, sealingAEAD, about)
		if err != nil {
			return Sealed{}, err
		}
		ct, err := sender.Seal(nil, key)
		if err != nil {
			return Sealed{}, err
		}
		id := IDOfReader(public)
		s.Keys = append(s.Keys, SealedKey{Reader: id[:], Encapsulated: enc, Key: ct})
	}
	slices.SortFunc(s.Keys, func(a, b SealedKey) int { return bytes.Compare(a.Reader, b.Reader) })
	return s, s.Check()
}

// Open returns the Member in s. ErrNoReader says that it was not sealed to key.
func (s Sealed) Open(key hpke.PrivateKey, at Place) (Member, error) {
	m, err := s.open(key, at)
	if err != nil {
		return Member{}, fmt.Errorf("open %s: %w", s.Account, err)
	}
	return m, nil
}

func (s Sealed) open(key hpke.PrivateKey, at Place) (m Member, err error) {
	about, err := at.bound(s.Account)
	if err != nil {
		return m, err
	}
	id := IDOfReader(key.PublicKey().Bytes())
	i := slices.IndexFunc(s.Keys, func(k SealedKey) bool { return bytes.Equal(k.Reader, id[:]) })
	if i < 0 {
		return m, ErrNoReader
	}
	recipient, err := hpke.NewRecipient(s.Keys[i].Encapsulated, key, sealingKDF, sealingAEAD, about)
	if err != nil {
		return m, err
	}
	content, err := recipient.Open(nil, s.Keys[i].Key)
	if err != nil {
		return m, err
	}
	show, err := contentCipher(content)
	if err != nil {
		return m, err
	}
	padded, err := show.Open(nil, make([]byte, show.NonceSize()), s.Content, about)
	if err != nil {
		return m, err
	}
	plain, err := unpad(padded)
	if err == nil {
		err = change.UnmarshalExact(plain, &m)
	}
	if err == nil {
		err = m.Check()
	}
	if err == nil && m.Account != s.Account {
		err = fmt.Errorf("inside it is %q", m.Account)
	}
	return m, err
}

func contentCipher(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// pad adds the byte 0x80 and zeros (ISO/IEC 7816-4) up to a multiple of padTo.
func pad(b []byte) []byte {
	out := make([]byte, (len(b)/padTo+1)*padTo)
	copy(out, b)
	out[len(b)] = 0x80
	return out
}

func unpad(b []byte) ([]byte, error) {
	b = bytes.TrimRight(b, "\x00")
	if len(b) == 0 || b[len(b)-1] != 0x80 {
		return nil, errors.New("padding is malformed")
	}
	return b[:len(b)-1], nil
}

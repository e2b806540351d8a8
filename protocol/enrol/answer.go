package enrol

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// Answer makes a node of the asker. Certificates are in DER.
type Answer struct {
	_           struct{} `cbor:",toarray"`
	Org         string
	Node        stock.NodeID
	Warehouse   stock.Warehouse
	Certificate []byte // of the node's key, for MQTT and HTTPS to the hub
	Authority   []byte // the hub's certificate authority
	Page        []byte // for the node's own pages, empty when not asked for
	Root        []byte // offline root key, the same as in the token
	Keys        []byte // root-signed list of the hub's working keys
	LogEpoch    uint64
	Opening     []byte        // root-signed statement that opened this log
	Checkpoint  []byte        // signed note with the log's present head
	Consistency []change.Hash // from the head in the token to it
	MQTT        []string      // brokers, mqtts://HOST:PORT, to be tried in this order
	Time        int64         // hub's wall clock, Unix milliseconds
}

// Renewed is the answer to a Renewal. Certificates are in DER.
type Renewed struct {
	_           struct{} `cbor:",toarray"`
	Certificate []byte
	Authority   []byte
	Page        []byte
	MQTT        []string
	Time        int64
}

// Encode returns the bytes of a.
func (a Answer) Encode() ([]byte, error) { return change.Marshal(a) }

// Encode returns the bytes of r.
func (r Renewed) Encode() ([]byte, error) { return change.Marshal(r) }

// DecodeAnswer reads an answer; nothing in it is verified yet, see Check.
func DecodeAnswer(b []byte) (Answer, error) {
	var a Answer
	return a, decode(b, &a)
}

// DecodeRenewed reads the answer to a renewal; nothing in it is verified yet, see Check.
func DecodeRenewed(b []byte) (Renewed, error) {
	var r Renewed
	return r, decode(b, &r)
}

func decode(b []byte, v any) error {
	if len(b) > MaxAnswer {
		return fmt.Errorf("read enrolment answer: %d bytes, at most %d", len(b), MaxAnswer)
	}
	if err := change.UnmarshalExact(b, v); err != nil {
		return fmt.Errorf("read enrolment answer: %w", err)
	}
	return nil
}

// Enrolled is what the node may keep of an answer once it was checked.
type Enrolled struct {
	Org         string
	Node        stock.NodeID
	Warehouse   stock.Warehouse
	Root        ed25519.PublicKey
	Certificate *x509.Certificate
	Authority   *x509.Certificate
	Page        *x509.Certificate // nil when not asked for
	Keys        delivery.Keys
	SignedKeys  []byte            // delivery.SenderState.Keys
	Log         delivery.LogPlace // delivery.SenderState.Log: the head that the next one must extend
	Opening     []byte
	Checkpoint  []byte
	MQTT        []string
	Time        time.Time // the hub's clock
}

// ErrAnswer is returned for an answer that does not follow from the token: it is not from
// the hub that made it, or that hub is in disorder.
var ErrAnswer = errors.New("the hub's answer does not fit the token")

// Check verifies that an answer follows from the token t and is for the node's own keys.
// page is the request that the node had made, nil for none. Certificates are judged at now;
// a node without a clock passes Answer.Time.
func (a Answer) Check(t Token, key ed25519.PublicKey, page *Page, now time.Time) (Enrolled, error) {
	e, err := a.check(t, key, page, now)
	if err != nil {
		return Enrolled{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return e, nil
}

func (a Answer) check(t Token, key ed25519.PublicKey, page *Page, now time.Time) (Enrolled, error) {
	if a.Org != t.Org || !bytes.Equal(a.Root, t.Root) {
		return Enrolled{}, errors.New("organisation or root key is another one")
	}
	if _, err := topic.ParseNode(string(a.Node)); err != nil {
		return Enrolled{}, err
	}
	if !a.Warehouse.Valid() {
		return Enrolled{}, fmt.Errorf("warehouse %q", a.Warehouse)
	}
	e := Enrolled{Org: a.Org, Node: a.Node, Warehouse: a.Warehouse, Root: a.Root, SignedKeys: a.Keys, Opening: a.Opening,
		Checkpoint: a.Checkpoint, MQTT: a.MQTT, Time: time.UnixMilli(a.Time).UTC()}
	var err error
	if e.Keys, err = delivery.OpenKeys(a.Root, a.Org, a.Keys); err != nil {
		return Enrolled{}, err
	}
	if e.Certificate, e.Authority, e.Page, err = checkCertificates(a.Certificate, a.Authority, a.Page, t.Pin, a.Org, a.Node, key, page, now); err != nil {
		return Enrolled{}, err
	}
	if !bytes.Equal(e.Keys.CA, t.Pin[:]) {
		return Enrolled{}, errors.New("the key list names another authority")
	}
	if e.Log, err = a.head(t, e.Keys.Log); err != nil {
		return Enrolled{}, err
	}
	return e, checkBrokers(a.MQTT)
}

// head verifies the log's opening and head, and that it extends the head in the token.
func (a Answer) head(t Token, logKey ed25519.PublicKey) (delivery.LogPlace, error) {
	o, err := delivery.ReadOpening(t.Root, t.Org, a.Opening)
	if err != nil {
		return delivery.LogPlace{}, err
	}
	if o.Epoch != a.LogEpoch || t.Log.Epoch != a.LogEpoch {
		return delivery.LogPlace{}, fmt.Errorf("log %d, the token is of log %d: ask for a new token", a.LogEpoch, t.Log.Epoch)
	}
	c, err := audit.OpenCheckpoint(a.Checkpoint, audit.Origin(t.Org, a.LogEpoch), logKey)
	if err != nil {
		return delivery.LogPlace{}, err
	}
	if err := audit.CheckConsistency(c.Tree, tlog.Tree{N: t.Log.Size, Hash: tlog.Hash(t.Log.Root)}, a.Consistency); err != nil {
		return delivery.LogPlace{}, err
	}
	return delivery.LogPlace{Epoch: a.LogEpoch, Size: c.Tree.N, Root: change.Hash(c.Tree.Hash)}, nil
}

// Certificates are those of a node.
type Certificates struct {
	Certificate *x509.Certificate
	Authority   *x509.Certificate
	Page        *x509.Certificate // nil when not asked for
	MQTT        []string
	Time        time.Time // the hub's clock
}

// Check verifies that renewed certificates are for this node, from the authority that the
// list of working keys names.
func (r Renewed) Check(keys delivery.Keys, node stock.NodeID, key ed25519.PublicKey, page *Page, now time.Time) (Certificates, error) {
	if len(keys.CA) != sha256.Size {
		return Certificates{}, fmt.Errorf("%w: the key list names no authority", ErrAnswer)
	}
	c := Certificates{MQTT: r.MQTT, Time: time.UnixMilli(r.Time).UTC()}
	var err error
	c.Certificate, c.Authority, c.Page, err = checkCertificates(r.Certificate, r.Authority, r.Page, change.Hash(keys.CA), keys.Org, node, key, page, now)
	if err == nil {
		err = checkBrokers(r.MQTT)
	}
	if err != nil {
		return Certificates{}, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return c, nil
}

func checkCertificates(client, authority, server []byte, pin change.Hash, org string, node stock.NodeID, key ed25519.PublicKey, page *Page, now time.Time) (own, ca, pageCert *x509.Certificate, err error) {
	if ca, err = x509.ParseCertificate(authority); err != nil {
		return nil, nil, nil, fmt.Errorf("read authority: %w", err)
	}
	if !ca.IsCA || sha256.Sum256(ca.RawSubjectPublicKeyInfo) != pin {
		return nil, nil, nil, errors.New("the authority does not have the pinned key")
	}
	if own, err = verified(client, ca, x509.ExtKeyUsageClientAuth, now); err != nil {
		return nil, nil, nil, fmt.Errorf("node certificate: %w", err)
	}
	if !key.Equal(own.PublicKey) || own.Subject.CommonName != string(node) || !slices.Equal(own.Subject.Organization, []string{org}) {
		return nil, nil, nil, errors.New("node certificate: for another key, node or organisation")
	}
	if page == nil {
		return own, ca, nil, nil
	}
	want, err := page.PublicKey()
	if err != nil {
		return nil, nil, nil, err
	}
	if pageCert, err = verified(server, ca, x509.ExtKeyUsageServerAuth, now); err != nil {
		return nil, nil, nil, fmt.Errorf("page certificate: %w", err)
	}
	if !want.Equal(pageCert.PublicKey) {
		return nil, nil, nil, errors.New("page certificate: for another key")
	}
	for _, h := range page.Hosts {
		if err := pageCert.VerifyHostname(h); err != nil {
			return nil, nil, nil, fmt.Errorf("page certificate: %w", err)
		}
	}
	return own, ca, pageCert, nil
}

func verified(der []byte, ca *x509.Certificate, usage x509.ExtKeyUsage, now time.Time) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	_, err = c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage}})
	return c, err
}

func checkBrokers(urls []string) error {
	if len(urls) == 0 {
		return errors.New("no broker named")
	}
	for _, s := range urls {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "mqtts" || u.Hostname() == "" || u.Port() == "" {
			return fmt.Errorf("broker %q: want mqtts://HOST:PORT", clip(s))
		}
	}
	return nil
}

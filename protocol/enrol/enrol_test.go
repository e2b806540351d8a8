package enrol_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
)

var now = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// hub is an issuer with everything that an answer needs.
type hub struct {
	t       *testing.T
	caKey   *ecdsa.PrivateKey
	ca      *x509.Certificate
	root    ed25519.PrivateKey
	log     ed25519.PrivateKey
	keys    []byte
	opening []byte
	tree    *audit.Memory
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func edKey(t *testing.T) ed25519.PrivateKey {
	_, k, err := ed25519.GenerateKey(rand.Reader)
	return must(t, k, err)
}

func newHub(t *testing.T) *hub {
	h := &hub{t: t, root: edKey(t), log: edKey(t), tree: &audit.Memory{}}
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	h.caKey = must(t, caKey, err)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ca"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	h.ca = h.issue(tmpl, tmpl, h.caKey.Public())
	ca := sha256.Sum256(h.ca.RawSubjectPublicKeyInfo)
	keys, err := delivery.SealKeys(h.root, delivery.Keys{Org: "acme", Number: 1, Ack: edKey(t).Public().(ed25519.PublicKey),
		Feed: edKey(t).Public().(ed25519.PublicKey), Log: h.log.Public().(ed25519.PublicKey), CA: ca[:]})
	h.keys = must(t, keys, err)
	opening, err := delivery.SealOpening(h.root, delivery.Opening{Org: "acme", Epoch: 1, Reason: "first"})
	h.opening = must(t, opening, err)
	h.append(delivery.OpeningLeaf(opening))
	return h
}

func (h *hub) append(l audit.Leaf) {
	_, err := audit.Log{Store: h.tree}.Append(l)
	must(h.t, 0, err)
}

func (h *hub) issue(tmpl, parent *x509.Certificate, pub crypto.PublicKey) *x509.Certificate {
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, h.caKey)
	c, err := x509.ParseCertificate(must(h.t, der, err))
	return must(h.t, c, err)
}

func (h *hub) token() enrol.Token {
	t := enrol.Token{Org: "acme", Hub: "https://127.0.0.1:8443", Pin: sha256.Sum256(h.ca.RawSubjectPublicKeyInfo),
		Root: h.root.Public().(ed25519.PublicKey), Log: delivery.FirstHead(1, h.opening)}
	rand.Read(t.Secret[:])
	return t
}

func (h *hub) leaf(usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "sh-1", Organization: []string{"acme"}},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{usage}, KeyUsage: x509.KeyUsageDigitalSignature}
}

// answer is an honest hub's answer to r.
func (h *hub) answer(t enrol.Token, r enrol.Request) enrol.Answer {
	log := audit.Log{Store: h.tree}
	tree, err := log.Head()
	must(h.t, 0, err)
	note, err := audit.SignCheckpoint(audit.Checkpoint{Origin: audit.Origin("acme", 1), Tree: tree}, h.log)
	must(h.t, 0, err)
	proof, err := log.Consistency(tree.N, t.Log.Size)
	must(h.t, 0, err)
	a := enrol.Answer{Org: "acme", Node: "sh-1", Warehouse: "SHA", Certificate: h.issue(h.leaf(x509.ExtKeyUsageClientAuth), h.ca, ed25519.PublicKey(r.Key)).Raw,
		Authority: h.ca.Raw, Root: t.Root, Keys: h.keys, LogEpoch: 1, Opening: h.opening, Checkpoint: note, Consistency: proof,
		MQTT: []string{"mqtts://127.0.0.1:8883"}, Time: now.UnixMilli()}
	if r.Page != nil {
		key, err := r.Page.PublicKey()
		must(h.t, 0, err)
		tmpl := h.leaf(x509.ExtKeyUsageServerAuth)
		for _, host := range r.Page.Hosts {
			if ip := net.ParseIP(host); ip != nil {
				tmpl.IPAddresses = append(tmpl.IPAddresses, ip)
			} else {
				tmpl.DNSNames = append(tmpl.DNSNames, host)
			}
		}
		a.Page = h.issue(tmpl, h.ca, key).Raw
	}
	return a
}

func question(t *testing.T, token enrol.Token) (ed25519.PrivateKey, *enrol.Page, enrol.Request) {
	t.Helper()
	pageKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, 0, err)
	page, err := enrol.NewPage(&pageKey.PublicKey, []string{"192.168.1.20", "edge-1.warehouse.lan"})
	must(t, 0, err)
	key := edKey(t)
	signed, err := enrol.SealRequest(key, token.Request(page))
	r, err := enrol.OpenRequest(must(t, signed, err))
	return key, page, must(t, r, err)
}

func TestEnrolment(t *testing.T) {
	h := newHub(t)
	text, err := h.token().Encode()
	must(t, 0, err)
	token, err := enrol.DecodeToken("\n " + text + "\r\n")
	must(t, 0, err)
	for i := range 5 {
		h.append(audit.Leaf{Kind: audit.LeafEntry, Hash: change.Hash{byte(i)}})
	}
	key, page, r := question(t, token)
	if r.Secret != token.Secret || r.Secret.Hash() != token.Secret.Hash() {
		t.Error("secret changed on the way")
	}
	wire, err := h.answer(token, r).Encode()
	must(t, 0, err)
	a, err := enrol.DecodeAnswer(wire)
	must(t, 0, err)
	e, err := a.Check(token, key.Public().(ed25519.PublicKey), page, now)
	if err != nil {
		t.Fatal(err)
	}
	if e.Node != "sh-1" || e.Log.Size != 6 || e.Keys.Number != 1 || e.Page == nil {
		t.Errorf("enrolled as %+v", e)
	}
}

func TestAnswerThatDoesNotFollowFromTheToken(t *testing.T) {
	h, other := newHub(t), newHub(t)
	token := h.token()
	key, page, r := question(t, token)
	stranger := edKey(t).Public().(ed25519.PublicKey)
	for name, spoil := range map[string]func(a *enrol.Answer){
		"organisation":      func(a *enrol.Answer) { a.Org = "other" },
		"root key":          func(a *enrol.Answer) { a.Root = other.root.Public().(ed25519.PublicKey) },
		"authority":         func(a *enrol.Answer) { a.Authority = other.ca.Raw },
		"key list":          func(a *enrol.Answer) { a.Keys = other.keys },
		"opening":           func(a *enrol.Answer) { a.Opening = other.opening },
		"log epoch":         func(a *enrol.Answer) { a.LogEpoch = 2 },
		"checkpoint":        func(a *enrol.Answer) { a.Checkpoint = other.answer(token, r).Checkpoint },
		"consistency":       func(a *enrol.Answer) { a.Consistency = append(a.Consistency, change.Hash{1}) },
		"certificate":       func(a *enrol.Answer) { a.Certificate = a.Page },
		"key":               func(a *enrol.Answer) { a.Certificate = h.answer(token, enrol.Request{Key: stranger}).Certificate },
		"page missing":      func(a *enrol.Answer) { a.Page = nil },
		"page of other use": func(a *enrol.Answer) { a.Page = a.Certificate },
		"node id":           func(a *enrol.Answer) { a.Node = "hub" },
		"node":              func(a *enrol.Answer) { a.Node = "sh-2" },
		"warehouse":         func(a *enrol.Answer) { a.Warehouse = "sha" },
		"no broker":         func(a *enrol.Answer) { a.MQTT = nil },
		"plain broker":      func(a *enrol.Answer) { a.MQTT = []string{"mqtt://127.0.0.1:1883"} },
	} {
		a := h.answer(token, r)
		spoil(&a)
		if _, err := a.Check(token, key.Public().(ed25519.PublicKey), page, now); !errors.Is(err, enrol.ErrAnswer) {
			t.Errorf("%s: Check = %v, want ErrAnswer", name, err)
		}
	}
	if _, err := h.answer(token, r).Check(token, key.Public().(ed25519.PublicKey), page, now.AddDate(1, 0, 0)); err == nil {
		t.Error("an expired certificate was accepted")
	}
}

func TestLogThatForgotTheTokensHead(t *testing.T) {
	h := newHub(t)
	h.append(audit.Leaf{Kind: audit.LeafEntry, Hash: change.Hash{1}})
	token := h.token()
	token.Log.Size, token.Log.Root = 2, change.Hash{9}
	key, page, r := question(t, token)
	if _, err := h.answer(token, r).Check(token, key.Public().(ed25519.PublicKey), page, now); !errors.Is(err, enrol.ErrAnswer) {
		t.Errorf("Check = %v, want ErrAnswer", err)
	}
}

func TestTokenSlips(t *testing.T) {
	text, err := newHub(t).token().Encode()
	must(t, 0, err)
	swapped := []byte(text)
	swapped[20], swapped[21] = swapped[21]+1, swapped[20]
	for name, s := range map[string]string{"empty": "", "cut": text[:len(text)-3], "no prefix": text[4:], "twice": text + text,
		"letter": string(swapped), "long": text + strings.Repeat("A", 2000), "lower": strings.ToLower(text)} {
		if _, err := enrol.DecodeToken(s); !errors.Is(err, enrol.ErrToken) {
			t.Errorf("%s: DecodeToken = %v, want ErrToken", name, err)
		}
	}
}

func TestHosts(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, 0, err)
	for _, tt := range []struct {
		host string
		ok   bool
	}{{"127.0.0.1", true}, {"::1", true}, {"edge-1.lan", true}, {"a", true}, {"*.lan", false}, {"Edge", false}, {"", false}, {"a..b", false},
		{"-a", false}, {"0.0.0.0", false}, {"[::1]", false}, {"a b", false}, {"仓库", false}, {"a.", false}, {strings.Repeat("a", 64), false}} {
		if _, err := enrol.NewPage(&key.PublicKey, []string{tt.host}); (err == nil) != tt.ok {
			t.Errorf("NewPage(%q) = %v, want ok %v", tt.host, err, tt.ok)
		}
	}
}

func TestRequestNeedsTheKey(t *testing.T) {
	h := newHub(t)
	r := h.token().Request(nil)
	signed, err := enrol.SealRequest(edKey(t), r)
	must(t, 0, err)
	payload, err := change.Payload(signed)
	must(t, 0, err)
	forged, err := change.Sign(edKey(t), "stockade/enrol/1", payload) // another key signs the same words
	must(t, 0, err)
	if _, err := enrol.OpenRequest(forged); !errors.Is(err, change.ErrSignature) {
		t.Errorf("OpenRequest = %v, want ErrSignature", err)
	}
}

func FuzzToken(f *testing.F) {
	f.Add("sk1.")
	f.Add("sk1.hkRhY21l")
	f.Fuzz(func(t *testing.T, s string) {
		token, err := enrol.DecodeToken(s)
		if err != nil {
			return
		}
		again, err := token.Encode()
		if err != nil || again != strings.TrimSpace(s) {
			t.Errorf("encoded again: %q, %v", again, err)
		}
	})
}

func FuzzRequest(f *testing.F) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := enrol.SealRequest(key, enrol.Request{Org: "acme"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := enrol.OpenRequest(b); err == nil && len(r.Key) != ed25519.PublicKeySize {
			t.Errorf("accepted a key of %d bytes", len(r.Key))
		}
		_, _ = enrol.DecodeRenewal(b)
	})
}

func FuzzAnswer(f *testing.F) {
	b, err := enrol.Answer{Org: "acme", Node: "sh-1"}.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := enrol.DecodeAnswer(b); err == nil {
			if _, err := a.Check(enrol.Token{Org: a.Org, Root: a.Root}, make(ed25519.PublicKey, 32), nil, now); err == nil {
				t.Error("an answer without signatures was believed")
			}
		}
		if r, err := enrol.DecodeRenewed(b); err == nil {
			if _, err := r.Check(delivery.Keys{Org: "acme", CA: make([]byte, 32)}, "sh-1", make(ed25519.PublicKey, 32), nil, now); err == nil {
				t.Error("a renewal without signatures was believed")
			}
		}
	})
}

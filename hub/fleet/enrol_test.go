package fleet_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"stockade/hub/fleet"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// hub is a door with everything behind it.
type hub struct {
	*hubtest.Hub
	addr  string
	swaps []stock.NodeID
}

func newHub(t *testing.T) *hub {
	ctx, cancel := context.WithCancel(context.Background())
	h := &hub{Hub: hubtest.New(t)}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	hubtest.Check(t, err)
	h.addr = ln.Addr().String()
	h.Fleet.At = fleet.Addresses{Nodes: "https://" + h.addr, MQTT: []string{"mqtts://127.0.0.1:8883"}, Names: []string{"hub.acme.example", "127.0.0.1"}}
	h.Fleet.Replaced = func(n stock.NodeID) { h.swaps = append(h.swaps, n) }
	key, err := pki.NewServerKey()
	hubtest.Check(t, err)
	cert, err := h.Ring.Authority.IssueServer([]string{"127.0.0.1"}, &key.PublicKey, h.Now(), pki.ServerValid)
	hubtest.Check(t, err)
	pair, err := pki.Pair(key, cert, h.Ring.Authority.Certificate())
	hubtest.Check(t, err)
	served := make(chan error, 1)
	door := &fleet.Door{Fleet: h.Fleet, Logger: slog.New(slog.DiscardHandler)}
	go func() { served <- door.Serve(ctx, ln, pair) }()
	t.Cleanup(func() {
		cancel()
		hubtest.Check(t, <-served)
	})
	return h
}

func (h *hub) token(w fleet.Wish) enrol.Token {
	h.T.Helper()
	text, err := h.Fleet.Token(context.Background(), hubtest.Operator, w)
	hubtest.Check(h.T, err)
	token, err := enrol.DecodeToken(text)
	hubtest.Check(h.T, err)
	return token
}

// post asks the hub over TLS and returns its answer, or its problem.
func (h *hub) post(path string, conf *tls.Config, body []byte) ([]byte, enrol.Problem) {
	h.T.Helper()
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}}
	r, err := client.Post("https://"+h.addr+path, enrol.ContentType, bytes.NewReader(body))
	hubtest.Check(h.T, err)
	b, err := io.ReadAll(r.Body)
	hubtest.Check(h.T, errors.Join(err, r.Body.Close()))
	if r.StatusCode != http.StatusOK {
		return nil, enrol.Problem(b)
	}
	return b, ""
}

func pinned(t enrol.Token) *tls.Config { return pki.PinnedConfig(t.Fingerprint(), t.Host(), time.Now) }

func page(t *testing.T, hosts ...string) (*enrol.Page, *ecdsa.PrivateKey) {
	key, err := pki.NewServerKey()
	hubtest.Check(t, err)
	p, err := enrol.NewPage(&key.PublicKey, hosts)
	hubtest.Check(t, err)
	return p, key
}

func (h *hub) ask(t enrol.Token, key ed25519.PrivateKey, p *enrol.Page) (enrol.Answer, enrol.Problem) {
	h.T.Helper()
	signed, err := enrol.SealRequest(key, t.Request(p))
	hubtest.Check(h.T, err)
	b, problem := h.post(enrol.PathEnrol, pinned(t), signed)
	if problem != "" {
		return enrol.Answer{}, problem
	}
	a, err := enrol.DecodeAnswer(b)
	hubtest.Check(h.T, err)
	return a, ""
}

func newKey(t *testing.T) ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	hubtest.Check(t, err)
	return key
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func TestEnrolment(t *testing.T) {
	h := newHub(t)
	token := h.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	h.token(fleet.Wish{Node: "sh-2", Warehouse: "SHA"}) // the log grows between token and use
	key := newKey(t)
	p, _ := page(t, "127.0.0.1", "edge-1.lan")
	a, problem := h.ask(token, key, p)
	if problem != "" {
		t.Fatalf("refused: %s", problem)
	}
	e, err := a.Check(token, public(key), p, h.Now())
	hubtest.Check(t, err)
	if e.Node != "sh-1" || e.Warehouse != "SHA" || e.Log.Size <= token.Log.Size || len(e.MQTT) != 1 {
		t.Errorf("enrolled as %+v", e)
	}
	again, problem := h.ask(token, key, p) // the answer was lost on the way
	if problem != "" {
		t.Fatalf("asked again: %s", problem)
	}
	_, err = again.Check(token, public(key), p, h.Now())
	hubtest.Check(t, err)
	peer, err := pki.PeerOf("acme", e.Certificate)
	hubtest.Check(t, err)
	hubtest.Check(t, h.Fleet.Admit(context.Background(), peer))
	h.Audited()
	hubtest.Check(t, h.Store.View(context.Background(), func(v *store.View) error {
		keys, err := v.Keys()
		if len(keys) != 1 || !bytes.Equal(keys[0].Key, public(key)) {
			t.Errorf("logged keys: %+v", keys)
		}
		return err
	}))
}

func TestRefusals(t *testing.T) {
	h := newHub(t)
	used := h.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	if _, problem := h.ask(used, newKey(t), nil); problem != "" {
		t.Fatal(problem)
	}
	twin := h.token(fleet.Wish{Node: "sh-3", Warehouse: "SHA"})
	other := h.token(fleet.Wish{Node: "sh-3", Warehouse: "SHA"})
	if _, problem := h.ask(other, newKey(t), nil); problem != "" {
		t.Fatal(problem)
	}
	late := h.token(fleet.Wish{Node: "sh-4", Warehouse: "SHA", Valid: time.Minute})
	mistyped := h.token(fleet.Wish{Node: "sh-5", Warehouse: "SHA"})
	mistyped.Secret[0]++
	own, _ := page(t, "hub.acme.example")
	fresh := h.token(fleet.Wish{Node: "sh-6", Warehouse: "SHA"})
	h.Later(2 * time.Minute)
	for _, tt := range []struct {
		name  string
		token enrol.Token
		page  *enrol.Page
		want  enrol.Problem
	}{
		{"used", used, nil, enrol.ProblemUsed},
		{"two tokens for one name", twin, nil, enrol.ProblemUsed},
		{"late", late, nil, enrol.ProblemExpired},
		{"mistyped", mistyped, nil, enrol.ProblemToken},
		{"a name of the hub", fresh, own, enrol.ProblemHosts},
		{"and then its own", fresh, nil, ""},
	} {
		if _, problem := h.ask(tt.token, newKey(t), tt.page); problem != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, problem, tt.want)
		}
	}
	if _, problem := h.post(enrol.PathEnrol, pinned(fresh), []byte("rubbish")); problem != enrol.ProblemForm {
		t.Errorf("rubbish: %q, want %q", problem, enrol.ProblemForm)
	}
	if _, problem := h.post(enrol.PathEnrol, pinned(fresh), make([]byte, enrol.MaxRequest+1)); problem != enrol.ProblemForm {
		t.Errorf("too long: %q, want %q", problem, enrol.ProblemForm)
	}
	for _, w := range []fleet.Wish{{Node: "hub", Warehouse: "SHA"}, {Node: "intake-1", Warehouse: "SHA"}, {Node: "sh-9", Warehouse: "sha"}, {Node: "sh-9"}, {Node: "sh-1", Warehouse: "SHA"},
		{Node: "sh-1", Warehouse: "CTU", Replace: true}, {Node: "sh-8", Warehouse: "SHA", Replace: true}} {
		if _, err := h.Fleet.Token(context.Background(), hubtest.Operator, w); err == nil {
			t.Errorf("a token was made for %+v", w)
		}
	}
	h.Audited()
}

func TestTheWrongHub(t *testing.T) {
	h, other := newHub(t), newHub(t)
	token := other.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	conf := pinned(token)
	conn, err := tls.Dial("tcp", h.addr, conf)
	if err == nil {
		conn.Close()
	}
	if !errors.Is(err, pki.ErrPin) {
		t.Errorf("connect to another hub = %v, want ErrPin", err)
	}
}

func TestReplacedCard(t *testing.T) {
	h := newHub(t)
	first := h.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	oldKey := newKey(t)
	a, _ := h.ask(first, oldKey, nil)
	before, err := a.Check(first, public(oldKey), nil, h.Now())
	hubtest.Check(t, err)
	second := h.token(fleet.Wish{Node: "sh-1", Replace: true})
	key := newKey(t)
	a, problem := h.ask(second, key, nil)
	if problem != "" {
		t.Fatal(problem)
	}
	after, err := a.Check(second, public(key), nil, h.Now())
	hubtest.Check(t, err)
	if len(h.swaps) != 1 || h.swaps[0] != "sh-1" {
		t.Errorf("told of replaced nodes %v", h.swaps)
	}
	for _, tt := range []struct {
		name string
		e    enrol.Enrolled
		ok   bool
	}{{"old card", before, false}, {"new card", after, true}} {
		peer, err := pki.PeerOf("acme", tt.e.Certificate)
		hubtest.Check(t, err)
		if err := h.Fleet.Admit(context.Background(), peer); (err == nil) != tt.ok {
			t.Errorf("%s: Admit = %v, want ok %v", tt.name, err, tt.ok)
		}
	}
	if _, problem := h.ask(first, oldKey, nil); problem != enrol.ProblemUsed {
		t.Errorf("the old card asked again: %q, want %q", problem, enrol.ProblemUsed)
	}
	h.Audited()
}

func TestRenewal(t *testing.T) {
	h := newHub(t)
	token := h.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	key := newKey(t)
	a, _ := h.ask(token, key, nil)
	e, err := a.Check(token, public(key), nil, h.Now())
	hubtest.Check(t, err)
	pair, err := pki.Pair(key, e.Certificate)
	hubtest.Check(t, err)
	conf := pki.ClientConfig(pair, pki.Pool(e.Authority), "", func() time.Time { return e.Time })
	p, _ := page(t, "edge-1.lan")
	body, err := enrol.Renewal{Page: p}.Encode()
	hubtest.Check(t, err)

	h.Later(2 * pki.ClientValid) // it has expired meanwhile
	b, problem := h.post(enrol.PathRenew, conf, body)
	if problem != "" {
		t.Fatalf("renewal refused: %s", problem)
	}
	r, err := enrol.DecodeRenewed(b)
	hubtest.Check(t, err)
	c, err := r.Check(e.Keys, "sh-1", public(key), p, h.Now())
	hubtest.Check(t, err)
	if !c.Certificate.NotAfter.After(h.Now()) {
		t.Errorf("renewed until %s", c.Certificate.NotAfter)
	}
	if _, problem := h.post(enrol.PathRenew, pinned(token), body); problem != enrol.ProblemForm {
		t.Errorf("renewal without certificate: %q, want %q", problem, enrol.ProblemForm)
	}
	hubtest.Check(t, h.Fleet.Revoke(context.Background(), hubtest.Operator, "sh-1", delivery.Place{}, "lost"))
	if _, problem := h.post(enrol.PathRenew, conf, body); problem != enrol.ProblemRevoked {
		t.Errorf("renewal after revocation: %q, want %q", problem, enrol.ProblemRevoked)
	}
	peer, err := pki.PeerOf("acme", c.Certificate)
	hubtest.Check(t, err)
	if err := h.Fleet.Admit(context.Background(), peer); !errors.Is(err, fleet.ErrNotAdmitted) {
		t.Errorf("Admit after revocation = %v", err)
	}
	if err := h.Fleet.Admit(context.Background(), pki.Peer{Client: topic.Intake(3)}); err != nil {
		t.Errorf("Admit of the hub's own client = %v", err)
	}
	h.Audited()
}

func TestTooManyAttempts(t *testing.T) {
	h := newHub(t)
	token := h.token(fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	conf := pinned(token)
	busy := false
	for range 70 {
		if _, problem := h.post(enrol.PathEnrol, conf, []byte("rubbish")); problem == enrol.ProblemBusy {
			busy = true
			break
		}
	}
	if !busy {
		t.Error("70 attempts in a minute were all answered")
	}
}

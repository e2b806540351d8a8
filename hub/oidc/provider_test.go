package oidc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"stockade/internal/identity"
)

const (
	ours    = "stockade"
	secrecy = "client secret of the test, long enough for HS256"
	back    = "https://hub.example/login/company/return"
)

var rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// foreignKey is a key that is not the provider's.
var foreignKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

// grant is what a code stands for.
type grant struct{ nonce, challenge string }

// provider is an identity provider that misbehaves as a test wants.
type provider struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	now    time.Time
	grants map[string]grant
	asked  map[string]int // by path
	kid    string

	// What the test changes.
	discovery func(map[string]any)
	claims    func(map[string]any)
	sign      func(map[string]any) string
	tokens    func(w http.ResponseWriter, r *http.Request) bool // answers in the place of the token endpoint when it returns true
	before    func(w http.ResponseWriter, r *http.Request) bool // the same for everything
	lax       bool                                              // codes are given for any verifier
}

func newProvider(t *testing.T) (*provider, *Client) {
	t.Helper()
	p := &provider{t: t, now: time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC), grants: map[string]grant{}, asked: map[string]int{}, kid: "k1"}
	p.Server = httptest.NewUnstartedServer(p)
	p.Config.ErrorLog = log.New(t.Output(), "", 0)
	p.StartTLS()
	t.Cleanup(p.Close)
	return p, p.client(nil)
}

func (p *provider) client(change func(*Options)) *Client {
	p.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	o := Options{Issuer: p.URL, ClientID: ours, Secret: secrecy, Redirect: back, Roots: roots, Now: p.time, AMR: []string{"mfa"}, ACR: []string{"urn:two"}}
	if change != nil {
		change(&o)
	}
	c, err := New(o)
	if err != nil {
		p.t.Fatal(err)
	}
	return c
}

func (p *provider) time() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.now
}

func (p *provider) wait(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = p.now.Add(d)
}

func (p *provider) count(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked[path]
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	p.mu.Unlock()
	if p.before != nil && p.before(w, r) {
		return
	}
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		d := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "none"}, "end_session_endpoint": p.URL + "/end?x=1", "authorization_response_iss_parameter_supported": true}
		if p.discovery != nil {
			p.discovery(d)
		}
		say(w, http.StatusOK, d)
	case "/keys":
		p.mu.Lock()
		kid := p.kid
		p.mu.Unlock()
		say(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: rsaKey().Public(), KeyID: kid, Algorithm: "RS256", Use: "sig"}}})
	case "/token":
		if p.tokens != nil && p.tokens(w, r) {
			return
		}
		p.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// token is the token endpoint of a provider that does as it should, but for what the test changes.
func (p *provider) token(w http.ResponseWriter, r *http.Request) {
	id, pass, _ := r.BasicAuth()
	id, _ = url.QueryUnescape(id)
	pass, _ = url.QueryUnescape(pass)
	if id != ours || pass != secrecy {
		say(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	p.mu.Lock()
	g, ok := p.grants[r.PostFormValue("code")]
	delete(p.grants, r.PostFormValue("code"))
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	if !ok || r.PostFormValue("redirect_uri") != back || !p.lax && base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		say(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant", "error_description": "secret gossip"})
		return
	}
	now := p.time()
	claims := map[string]any{"iss": p.URL, "sub": "248289", "aud": ours, "exp": now.Add(time.Minute).Unix(), "iat": now.Unix(), "nonce": g.nonce, "preferred_username": "wang"}
	if p.claims != nil {
		p.claims(claims)
	}
	sign := p.signed
	if p.sign != nil {
		sign = p.sign
	}
	answer := map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": sign(claims)}
	if answer["id_token"] == "" {
		delete(answer, "id_token")
	}
	say(w, http.StatusOK, answer)
}

func (p *provider) signed(claims map[string]any) string {
	return p.by(jose.RS256, rsaKey(), p.kid, claims)
}

func (p *provider) by(alg jose.SignatureAlgorithm, key any, kid string, claims map[string]any) string {
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: key, KeyID: kid}}, nil)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	b, err := json.Marshal(claims)
	if err != nil {
		p.t.Error(err)
	}
	j, err := s.Sign(b)
	if err != nil {
		p.t.Error(err)
		return ""
	}
	text, err := j.CompactSerialize()
	if err != nil {
		p.t.Error(err)
	}
	return text
}

// window is a browser on its way.
type window struct {
	secret string
	answer url.Values
	asked  url.Values // of the provider
}

// leave sends a browser to the provider, where its person signs in.
func (p *provider) leave(c *Client, r identity.Referral) window {
	p.t.Helper()
	address, browser, err := c.Begin(p.t.Context(), r)
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme+"://"+u.Host+u.Path != p.URL+"/authorize" {
		p.t.Fatalf("sent to %s, %v", address, err)
	}
	q := u.Query()
	code := secret()
	p.mu.Lock()
	p.grants[code] = grant{q.Get("nonce"), q.Get("code_challenge")}
	p.mu.Unlock()
	return window{browser, url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.URL}}, q}
}

// in signs somebody in and returns the proof, or the end of the key of what they are told.
func (p *provider) in(c *Client, r identity.Referral) (identity.Proof, string) {
	p.t.Helper()
	w := p.leave(c, r)
	proof, _, err := c.Finish(p.t.Context(), w.secret, w.answer)
	return proof, why(err)
}

func why(err error) string {
	var r *identity.ReferralError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &r):
		return r.Why
	}
	return fmt.Sprintf("not a referral's error: %v", err)
}

// hang answers when whoever asks has given up.
func hang(_ http.ResponseWriter, r *http.Request) bool {
	_, _ = io.Copy(io.Discard, r.Body) // else the server does not see that the other side has left
	<-r.Context().Done()
	return true
}

// flood answers with far more than anybody needs.
func flood(w http.ResponseWriter, _ *http.Request) bool {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"x":"`))
	b := make([]byte, 1<<16)
	for i := range b {
		b[i] = 'x'
	}
	for range 4 * answerMost / len(b) {
		if _, err := w.Write(b); err != nil {
			return true
		}
	}
	_, _ = w.Write([]byte(`"}`))
	return true
}

// soon runs what has to end soon.
func soon(t *testing.T, f func()) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
	case <-ctx.Done():
		t.Error("the provider makes us wait")
	}
}

// Package oidc lets people of a company prove who they are with the company's identity provider: it is a relying party of OpenID Connect
// Core 1.0 with the authorization code flow, and nothing else of it.
//
// # Promises
//
//   - An answer counts for the browser that was sent there, once, within five minutes: state (RFC 6749 section 10.12), nonce, and PKCE with
//     S256 (RFC 7636) are random, made for one referral, and bound to a secret in that browser's cookie.
//   - The answer comes from the configured issuer: its iss parameter (RFC 9207) is compared when it is there, and has to be there
//     when the provider says that it sends it. Issuer, metadata and tokens name each other exactly.
//   - An ID token counts with an asymmetric signature by a key of the provider, for our client id alone, in time, with our nonce.
//   - The provider is asked over HTTPS only, follows no redirect, and may neither take long nor answer much.
//   - Nothing of the provider is needed at start: while it is away, everything else works.
//
// What an account here is linked to, and what a proof is good for, is package identity's business.
package oidc

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"stockade/internal/identity"
)

// Numbers of the package.
const (
	ReferralFor = 5 * time.Minute // how long somebody may stay at the provider

	askFor      = 8 * time.Second  // for one answer of the provider
	answerMost  = 256 << 10        // bytes of one
	headMost    = 32 << 10         // bytes of its head
	metadataFor = time.Hour        // how long metadata and keys are kept for those who are on their way
	thereFor    = 5 * time.Second  // how long the provider is taken to be there before somebody is sent to it
	retryAfter  = 5 * time.Second  // before a provider that was away is asked for its metadata again
	keysEvery   = 10 * time.Second // at most so often are keys fetched because a token names one that is not known
	clockMost   = 5 * time.Minute  // by which the provider's clock may differ
	recentSlack = 5 * time.Second  // for whole seconds in auth_time and iat
	askedAtOnce = 16               // requests to the provider under way
	labelMost   = 100              // characters of what the provider calls somebody
	idTokenMost = 64 << 10         // bytes
)

// Options describe the provider. Issuer, ClientID, Secret and Redirect are needed.
type Options struct {
	Issuer   string // https URL, exactly as the provider writes it
	ClientID string
	Secret   string
	Redirect string // https URL of ours where the provider sends people back to

	Roots *x509.CertPool // whom the provider's certificate has to be from; those of the system when nil
	AMR   []string       // authentication methods (RFC 8176) of which one has to be named for a second factor
	ACR   []string       // or authentication contexts
	Now   func() time.Time
}

// Check judges what a configuration says.
func (o Options) Check() error {
	for name, text := range map[string]string{"issuer": o.Issuer, "redirect": o.Redirect} {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%s %q: want an https URL without user, query and fragment", name, text)
		}
	}
	if o.ClientID == "" || o.Secret == "" {
		return errors.New("client id and client secret are needed")
	}
	if slices.Contains(o.AMR, "") || slices.Contains(o.ACR, "") {
		return errors.New("an amr or acr that counts as a second factor is empty")
	}
	return nil
}

// Client sends people to the provider and judges what comes back.
type Client struct {
	opt       Options
	http      *http.Client
	transport *transport
	slots     chan struct{}
	pending   pending

	mu       sync.Mutex
	metadata *metadata
	failed   error     // of the last attempt to get the metadata
	failedAt time.Time // when that was
	fetching chan struct{}
}

// New returns a client. It asks the provider nothing yet.
func New(o Options) (*Client, error) {
	if err := o.Check(); err != nil {
		return nil, fmt.Errorf("oidc: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &transport{now: o.Now, base: &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Roots},
		TLSHandshakeTimeout: askFor, MaxResponseHeaderBytes: headMost, MaxIdleConns: 2, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true}}
	return &Client{opt: o, transport: t, slots: make(chan struct{}, askedAtOnce), pending: pending{now: o.Now, all: map[[sha256.Size]byte]*referral{}},
		http: &http.Client{Transport: t, Timeout: askFor, CheckRedirect: func(*http.Request, []*http.Request) error { return errRedirect }}}, nil
}

// problem makes a refusal; why is the end of its text's key.
func problem(why string, cause error) error {
	return &identity.ReferralError{Why: why, Cause: cause}
}

// metadata is what the provider says of itself.
type metadata struct {
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
	keys     keySet
	keysURL  string
	keysAt   time.Time
	end      string // where people sign out there; empty when they can not
	sendsISS bool   // RFC 9207
	at       time.Time
}

// Begin makes a referral: the address to send the browser to, and the secret that it has to keep.
func (c *Client) Begin(ctx context.Context, r identity.Referral) (address, browser string, err error) {
	m, err := c.present(ctx, thereFor) // who is sent to a provider that is away is stuck there
	if err != nil {
		return "", "", err
	}
	ref := &referral{nonce: secret(), verifier: oauth2.GenerateVerifier(), place: r.Address, again: r.Again, errand: r.Errand, size: r.Size, at: c.opt.Now()}
	browser, state, err := c.pending.add(r.Browser, ref)
	if err != nil {
		return "", "", err
	}
	extra := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(ref.verifier), oidc.Nonce(ref.nonce)}
	if r.Again {
		extra = append(extra, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", "0"))
	}
	if len(c.opt.ACR) > 0 {
		extra = append(extra, oauth2.SetAuthURLParam("acr_values", strings.Join(c.opt.ACR, " ")))
	}
	return m.oauth.AuthCodeURL(state, extra...), browser, nil
}

// Finish judges the answer that a browser brought back. The referral is used up as soon as its state was right. errand is what the
// referral was for, also with an error; nil when there is no such referral.
func (c *Client) Finish(ctx context.Context, browser string, query url.Values) (p identity.Proof, errand any, err error) {
	a, err := readAnswer(query)
	if err != nil {
		return p, nil, problem("stale", err)
	}
	ref := c.pending.take(browser, a.state)
	if ref == nil {
		return p, nil, problem("stale", errors.New("no referral of this browser has that state"))
	}
	m, err := c.present(ctx, metadataFor)
	if err != nil {
		return p, ref.errand, err
	}
	if a.iss != c.opt.Issuer && (a.iss != "" || m.sendsISS) {
		return p, ref.errand, problem("invalid", fmt.Errorf("the answer is from issuer %q", printable(a.iss)))
	}
	if a.failure != "" {
		return p, ref.errand, problem(whyOf(a.failure), fmt.Errorf("the provider answers %s", printable(a.failure)))
	}
	if a.code == "" {
		return p, ref.errand, problem("invalid", errors.New("the answer has neither code nor error"))
	}
	release, err := c.slot()
	if err != nil {
		return p, ref.errand, err
	}
	defer release()
	token, err := m.oauth.Exchange(oidc.ClientContext(ctx, c.http), a.code, oauth2.VerifierOption(ref.verifier))
	if err != nil {
		return p, ref.errand, exchangeProblem(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" || len(raw) > idTokenMost {
		return p, ref.errand, problem("invalid", fmt.Errorf("the provider gave an ID token of %d bytes", len(raw)))
	}
	p, err = c.proof(ctx, m, raw, ref)
	return p, ref.errand, err
}

// proof verifies an ID token (OpenID Connect Core 1.0, section 3.1.3.7).
func (c *Client) proof(ctx context.Context, m *metadata, raw string, ref *referral) (identity.Proof, error) {
	keys := new(error)
	token, err := m.verifier.Verify(context.WithValue(ctx, keysFailed{}, keys), raw)
	var expired *oidc.TokenExpiredError
	switch {
	case errors.As(err, &expired):
		return identity.Proof{}, problem("clock", err)
	case away(*keys), errors.Is(*keys, errKeysSoon):
		return identity.Proof{}, problem("unreachable", *keys)
	case err != nil:
		return identity.Proof{}, problem("invalid", clippedError(err))
	}
	var body json.RawMessage
	if err := token.Claims(&body); err != nil {
		return identity.Proof{}, problem("invalid", err)
	}
	cl, err := readClaims(body)
	if err != nil {
		return identity.Proof{}, problem("invalid", err)
	}
	now := c.opt.Now()
	switch off := now.Sub(token.IssuedAt); {
	case !equal(token.Nonce, ref.nonce):
		return identity.Proof{}, problem("invalid", errors.New("the token has another nonce"))
	case cl.AZP != "" && cl.AZP != c.opt.ClientID, cl.AZP == "" && len(token.Audience) != 1:
		return identity.Proof{}, problem("invalid", errors.New("the token was issued to another party"))
	case token.Subject == "" || len(token.Subject) > identity.MaxSubject:
		return identity.Proof{}, problem("invalid", fmt.Errorf("the token has a subject of %d bytes", len(token.Subject)))
	case token.IssuedAt.Unix() <= 0:
		return identity.Proof{}, problem("invalid", errors.New("the token does not say when it was issued"))
	case off > clockMost || off < -clockMost:
		return identity.Proof{}, problem("clock", fmt.Errorf("the token was issued %s ago by our clock", off.Round(time.Second)))
	}
	// By the provider's clock alone, so that a clock that differs makes nothing old look recent: how long before the token was the person asked?
	recent := cl.AuthTime > 0 && ref.again && token.IssuedAt.Unix() >= cl.AuthTime-int64(recentSlack/time.Second) &&
		token.IssuedAt.Sub(time.Unix(cl.AuthTime, 0)) <= now.Sub(ref.at)+recentSlack
	return identity.Proof{Issuer: c.opt.Issuer, Subject: token.Subject, Label: cl.label(), Recent: recent,
		SecondFactor: slices.ContainsFunc(cl.AMR, func(m string) bool { return slices.Contains(c.opt.AMR, m) }) || slices.Contains(c.opt.ACR, cl.ACR)}, nil
}

// SignOut returns where people sign out of the provider itself (OpenID Connect RP-Initiated Logout 1.0), as far as that was heard; empty
// when they can not. No ID token is kept for it: the provider asks the person.
func (c *Client) SignOut() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.metadata == nil || c.metadata.end == "" {
		return ""
	}
	u, err := url.Parse(c.metadata.end)
	if err != nil {
		return ""
	}
	q := u.Query()
	q.Set("client_id", c.opt.ClientID)
	u.RawQuery = q.Encode()
	return u.String()
}

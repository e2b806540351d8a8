package oidc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// Conditions of asking the provider.
var (
	errNetwork  = errors.New("the provider can not be reached")
	errRedirect = errors.New("the provider redirects, which is not followed")
	errTooMuch  = errors.New("the provider answers too much")
	errKeysSoon = errors.New("the keys were fetched just now")
)

// transport asks the provider and nobody else: by HTTPS, within bounds, for keys not too often.
type transport struct {
	base http.RoundTripper
	now  func() time.Time

	mu     sync.Mutex
	keys   string // address of the keys
	keysAt time.Time
}

// RoundTrip sends a request.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != "https" {
		return nil, fmt.Errorf("%s is not https", r.URL.Redacted())
	}
	if err := t.mayAsk(r.URL.String()); err != nil {
		return nil, err
	}
	res, err := t.base.RoundTrip(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNetwork, err)
	}
	res.Body = &bounded{body: res.Body, left: answerMost}
	return res, nil
}

// mayAsk holds the fetching of keys back that tokens with made-up key ids could drive.
func (t *transport) mayAsk(address string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if address != t.keys {
		return nil
	}
	now := t.now()
	if since := now.Sub(t.keysAt); since >= 0 && since < keysEvery {
		return errKeysSoon
	}
	t.keysAt = now
	return nil
}

// watch says where the keys are. Those of new metadata may be fetched at once.
func (t *transport) watch(keys string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys, t.keysAt = keys, time.Time{}
}

// bounded fails a body that is longer than it may be, instead of cutting it off.
type bounded struct {
	body io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooMuch
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("%w: %w", errNetwork, err)
	}
	return n, err
}

func (b *bounded) Close() error { return b.body.Close() }

// slot keeps strangers from making the hub wait for the provider in too many places at once.
func (c *Client) slot() (release func(), err error) {
	select {
	case c.slots <- struct{}{}:
		return func() { <-c.slots }, nil
	default:
		return nil, problem("busy", nil)
	}
}

// present returns the provider's metadata, fetched when it is older than most. While one fetches, the others wait for the same answer; after a failure nobody asks
// again for a moment.
func (c *Client) present(ctx context.Context, most time.Duration) (*metadata, error) {
	release, err := c.slot()
	if err != nil {
		return nil, err
	}
	defer release()
	for {
		c.mu.Lock()
		now := c.opt.Now()
		if m := c.metadata; m != nil && within(now, m.at, most) {
			c.mu.Unlock()
			return m, nil
		}
		if c.failed != nil && within(now, c.failedAt, retryAfter) {
			err := c.failed
			c.mu.Unlock()
			return nil, err
		}
		if wait := c.fetching; wait != nil {
			c.mu.Unlock()
			select {
			case <-wait:
				continue
			case <-ctx.Done():
				return nil, problem("unreachable", ctx.Err())
			}
		}
		done, former := make(chan struct{}), c.metadata
		c.fetching = done
		c.mu.Unlock()

		m, err := c.discover(context.WithoutCancel(ctx), former) // others wait for it too; the client's own limit ends it
		c.mu.Lock()
		c.fetching = nil
		if c.failed, c.failedAt = err, c.opt.Now(); err == nil {
			c.metadata = m
		}
		c.mu.Unlock()
		close(done)
		return m, err
	}
}

// within reports whether something of then is at most so old. What lies in the future, because the clock was set back, is not.
func within(now, then time.Time, most time.Duration) bool {
	age := now.Sub(then)
	return age >= 0 && age < most
}

// discover asks the provider what it is (OpenID Connect Discovery 1.0). Keys that former metadata has are kept while they are young.
func (c *Client) discover(ctx context.Context, former *metadata) (*metadata, error) {
	ctx = oidc.ClientContext(ctx, c.http)
	p, err := oidc.NewProvider(ctx, c.opt.Issuer)
	var mismatch *oidc.IssuerMismatchError
	switch {
	case errors.As(err, &mismatch):
		return nil, problem("misconfigured", err)
	case errors.Is(err, errRedirect):
		return nil, problem("misconfigured", clippedError(err))
	case err != nil:
		return nil, problem("unreachable", clippedError(err))
	}
	var said struct {
		Keys        string   `json:"jwks_uri"`
		End         string   `json:"end_session_endpoint"`
		ISS         bool     `json:"authorization_response_iss_parameter_supported"`
		AuthMethods []string `json:"token_endpoint_auth_methods_supported"`
		Algorithms  []string `json:"id_token_signing_alg_values_supported"`
	}
	if err := p.Claims(&said); err != nil {
		return nil, problem("misconfigured", err)
	}
	at := p.Endpoint()
	for name, address := range map[string]string{"authorization_endpoint": at.AuthURL, "token_endpoint": at.TokenURL, "jwks_uri": said.Keys} {
		if !secure(address) {
			return nil, problem("misconfigured", fmt.Errorf("%s %q is no https URL", name, printable(address)))
		}
	}
	at.AuthStyle = oauth2.AuthStyleInHeader // client_secret_basic, the default of Discovery
	if len(said.AuthMethods) > 0 && !slices.Contains(said.AuthMethods, "client_secret_basic") {
		at.AuthStyle = oauth2.AuthStyleInParams
	}
	if !secure(said.End) {
		said.End = ""
	}
	m := &metadata{at: c.opt.Now(), sendsISS: said.ISS, end: said.End, keysURL: said.Keys}
	if former != nil && former.keysURL == said.Keys && within(m.at, former.keysAt, metadataFor) {
		m.keys, m.keysAt = former.keys, former.keysAt
	} else {
		c.transport.watch(said.Keys)
		m.keys, m.keysAt = keySet{oidc.NewRemoteKeySet(ctx, said.Keys)}, m.at
	}
	m.verifier = oidc.NewVerifier(c.opt.Issuer, m.keys, &oidc.Config{ClientID: c.opt.ClientID, Now: c.opt.Now, SupportedSigningAlgs: asymmetric(said.Algorithms)})
	m.oauth = oauth2.Config{ClientID: c.opt.ClientID, ClientSecret: c.opt.Secret, RedirectURL: c.opt.Redirect, Endpoint: at, Scopes: []string{oidc.ScopeOpenID, "profile"}}
	return m, nil
}

// asymmetric leaves those of a provider's algorithms that only the provider can sign with: neither "none" nor those that anybody can use who knows
// our client secret. RS256 is what every provider has to know.
func asymmetric(algorithms []string) (out []string) {
	for _, a := range algorithms {
		if slices.Contains([]string{oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA}, a) {
			out = append(out, a)
		}
	}
	if len(out) == 0 {
		return []string{oidc.RS256}
	}
	return out
}

// keysFailed is the key of a context's *error where a keySet leaves why it failed: the library's verifier keeps only the words.
type keysFailed struct{}

type keySet struct{ oidc.KeySet }

func (k keySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	b, err := k.KeySet.VerifySignature(ctx, jwt)
	if to, ok := ctx.Value(keysFailed{}).(*error); ok {
		*to = err
	}
	return b, err
}

func secure(address string) bool {
	u, err := url.Parse(address)
	return err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}

// exchangeProblem says what a refused code means. What the provider wrote beside its error code is kept nowhere.
func exchangeProblem(err error) error {
	var refused *oauth2.RetrieveError
	switch {
	case errors.As(err, &refused) && refused.ErrorCode != "":
		why := "invalid"
		if refused.ErrorCode == "invalid_client" || refused.ErrorCode == "unauthorized_client" {
			why = "misconfigured"
		}
		return problem(why, fmt.Errorf("the provider refuses the code: %s", printable(refused.ErrorCode)))
	case errors.As(err, &refused):
		return problem("unreachable", fmt.Errorf("the provider answers %s to the code", refused.Response.Status))
	case away(err):
		return problem("unreachable", clippedError(err))
	}
	return problem("invalid", clippedError(err))
}

// away reports whether an error means that the provider did not answer, or not in time.
func away(err error) bool {
	var n net.Error
	return errors.Is(err, errNetwork) || errors.As(err, &n) && n.Timeout()
}

// clippedError keeps what a provider wrote short: the library repeats whole answers.
func clippedError(err error) error {
	if s := err.Error(); len(s) > 200 {
		return errors.New(printable(s[:200]) + "…")
	}
	return err
}

package oidc

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"stockade/internal/identity"
)

var someone = identity.Referral{Address: "192.0.2.7"}

func TestSignIn(t *testing.T) {
	p, c := newProvider(t)
	w := p.leave(c, identity.Referral{Address: "192.0.2.7", Errand: "errand"})
	for name, want := range map[string]string{"response_type": "code", "client_id": ours, "redirect_uri": back, "scope": "openid profile", "code_challenge_method": "S256", "acr_values": "urn:two", "prompt": "", "max_age": ""} {
		if got := w.asked.Get(name); got != want {
			t.Errorf("asked with %s=%q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(w.asked.Get(name)) != 43 {
			t.Errorf("%s=%q, want 256 bits", name, w.asked.Get(name))
		}
	}
	proof, errand, err := c.Finish(t.Context(), w.secret, w.answer)
	if want := (identity.Proof{Issuer: p.URL, Subject: "248289", Label: "wang"}); err != nil || proof != want || errand != "errand" {
		t.Errorf("%+v, %v, %v, want %+v", proof, errand, err, want)
	}
	again := p.leave(c, identity.Referral{Address: "192.0.2.7", Again: true})
	if again.asked.Get("prompt") != "login" || again.asked.Get("max_age") != "0" {
		t.Errorf("anew: asked with %v", again.asked)
	}
	if again.asked.Get("state") == w.asked.Get("state") || again.asked.Get("nonce") == w.asked.Get("nonce") || again.asked.Get("code_challenge") == w.asked.Get("code_challenge") {
		t.Error("two referrals share a secret")
	}
	if got := c.SignOut(); got != p.URL+"/end?client_id="+ours+"&x=1" {
		t.Errorf("sign-out at %s", got)
	}
}

// TestHostileTokens: what is wrong with an ID token signs nobody in.
func TestHostileTokens(t *testing.T) {
	set := func(name string, v any) func(map[string]any) { return func(c map[string]any) { c[name] = v } }
	unset := func(name string) func(map[string]any) { return func(c map[string]any) { delete(c, name) } }
	p, c := newProvider(t)
	unix := func(d time.Duration) int64 { return p.now.Add(d).Unix() }
	public, err := json.Marshal(jose.JSONWebKey{Key: rsaKey().Public()})
	if err != nil {
		t.Fatal(err)
	}
	none := func(alg string) func(map[string]any) string {
		return func(claims map[string]any) string {
			b, err := json.Marshal(claims)
			if err != nil {
				t.Error(err)
			}
			return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"`+alg+`","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString(b) + "."
		}
	}
	for name, tt := range map[string]struct {
		claims func(map[string]any)
		sign   func(map[string]any) string
		why    string
	}{
		"as it should be":         {nil, nil, ""},
		"another nonce":           {set("nonce", secret()), nil, "invalid"},
		"no nonce":                {unset("nonce"), nil, "invalid"},
		"a nonce of another form": {set("nonce", 7), nil, "invalid"},
		"another audience":        {set("aud", "wiki"), nil, "invalid"},
		"no audience":             {unset("aud"), nil, "invalid"},
		"our name in capitals":    {set("aud", "STOCKADE"), nil, "invalid"},
		"audiences without azp":   {set("aud", []string{ours, "wiki"}), nil, "invalid"},
		"audiences, azp is ours":  {func(c map[string]any) { c["aud"], c["azp"] = []string{"wiki", ours}, ours }, nil, ""},
		"azp is another's":        {set("azp", "wiki"), nil, "invalid"},
		"azp of another form":     {set("azp", []string{ours}), nil, "invalid"},
		"azp is empty":            {set("azp", ""), nil, "invalid"},
		"expired":                 {set("exp", unix(-time.Second)), nil, "clock"},
		"never expires":           {unset("exp"), nil, "clock"},
		"issued long ago":         {set("iat", unix(-clockMost-time.Second)), nil, "clock"},
		"issued in the future":    {set("iat", unix(clockMost+time.Second)), nil, "clock"},
		"clocks differ a little":  {set("iat", unix(-time.Minute)), nil, ""},
		"not issued":              {unset("iat"), nil, "invalid"},
		"not yet":                 {set("nbf", unix(time.Hour)), nil, "invalid"},
		"another issuer":          {set("iss", "https://evil.example"), nil, "invalid"},
		"the issuer with a slash": {set("iss", p.URL+"/"), nil, "invalid"},
		"no issuer":               {unset("iss"), nil, "invalid"},
		"nobody":                  {set("sub", ""), nil, "invalid"},
		"no subject":              {unset("sub"), nil, "invalid"},
		"a long subject":          {set("sub", strings.Repeat("x", 256)), nil, "invalid"},
		"a number as subject":     {set("sub", 7), nil, "invalid"},
		"alg none":                {nil, none("none"), "invalid"},
		"alg None":                {nil, none("None"), "invalid"},
		"no signature":            {nil, none("RS256"), "invalid"},
		"HS256 by our secret":     {nil, func(cl map[string]any) string { return p.by(jose.HS256, []byte(secrecy), "k1", cl) }, "invalid"},
		"HS256 by the public key": {nil, func(cl map[string]any) string { return p.by(jose.HS256, public, "k1", cl) }, "invalid"},
		"signed by another":       {nil, func(cl map[string]any) string { return p.by(jose.RS256, foreignKey(), "k1", cl) }, "invalid"},
		"another algorithm":       {nil, func(cl map[string]any) string { return p.by(jose.PS512, rsaKey(), "k1", cl) }, "invalid"},
		"no token":                {nil, func(map[string]any) string { return "" }, "invalid"},
		"a huge token":            {set("groups", strings.Repeat("x", idTokenMost)), nil, "invalid"},
		"no JWT":                  {nil, func(map[string]any) string { return "a.b.c" }, "invalid"},
		"changed on the way": {nil, func(cl map[string]any) string {
			parts := strings.Split(p.signed(cl), ".")
			cl["sub"] = "admin"
			b, err := json.Marshal(cl)
			if err != nil {
				t.Error(err)
			}
			return parts[0] + "." + base64.RawURLEncoding.EncodeToString(b) + "." + parts[2]
		}, "invalid"},
	} {
		p.claims, p.sign = tt.claims, tt.sign
		p.wait(keysEvery) // a wrong signature has the keys fetched anew
		moved := tt.claims
		if moved != nil { // times are by the clock of the test's beginning
			p.claims = func(cl map[string]any) {
				before := map[string]any{"exp": cl["exp"], "iat": cl["iat"]}
				moved(cl)
				for _, n := range []string{"exp", "iat", "nbf"} {
					if v, ok := cl[n].(int64); ok && before[n] != v {
						cl[n] = v + int64(p.time().Sub(time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC))/time.Second)
					}
				}
			}
		}
		if proof, got := p.in(c, someone); got != tt.why || (got == "") != (proof.Subject != "") {
			t.Errorf("%s: %+v, %q, want %q", name, proof, got, tt.why)
		}
	}
}

// TestWhatCountsAsAFactor: only configured values, in the forms that providers write.
func TestWhatCountsAsAFactor(t *testing.T) {
	p, c := newProvider(t)
	plain := p.client(func(o *Options) { o.AMR, o.ACR = nil, nil })
	for _, tt := range []struct {
		amr, acr any
		want     bool
	}{
		{[]string{"pwd", "mfa"}, nil, true}, {"mfa", nil, true}, {nil, "urn:two", true}, {[]string{"pwd"}, "urn:one", false}, {[]string{"MFA"}, nil, false},
		{[]string{"pwd mfa"}, nil, false}, {[]any{"mfa", 7}, nil, false}, {nil, []string{"urn:two"}, false}, {nil, "", false}, {nil, nil, false}, {map[string]bool{"mfa": true}, nil, false},
	} {
		p.claims = func(cl map[string]any) { cl["amr"], cl["acr"] = tt.amr, tt.acr }
		if proof, why := p.in(c, someone); why != "" || proof.SecondFactor != tt.want {
			t.Errorf("amr %v, acr %v: %v, %q, want %v", tt.amr, tt.acr, proof.SecondFactor, why, tt.want)
		}
		if proof, why := p.in(plain, someone); why != "" || proof.SecondFactor {
			t.Errorf("amr %v, acr %v count though nothing is configured: %q", tt.amr, tt.acr, why)
		}
	}
}

// TestAskedJustNow: auth_time tells whether the person was asked since the referral, by the provider's clock alone.
func TestAskedJustNow(t *testing.T) {
	p, c := newProvider(t)
	for name, tt := range map[string]struct {
		before, skew time.Duration // of auth_time before iat; of the provider's clock
		again        bool
		auth         any
		want         bool
	}{
		"just now":                          {time.Second, 0, true, nil, true},
		"a minute ago, as the person left":  {time.Minute, 0, true, nil, true},
		"this morning":                      {4 * time.Hour, 0, true, nil, false},
		"two minutes, before the referral":  {2 * time.Minute, 0, true, nil, false},
		"just now, by a clock that is late": {time.Second, -4 * time.Minute, true, nil, true},
		"this morning, by a clock ahead":    {4 * time.Hour, 4 * time.Minute, true, nil, false},
		"after the token":                   {-time.Minute, 0, true, nil, false},
		"just now, but nobody asked for it": {time.Second, 0, false, nil, false},
		"not said":                          {0, 0, true, "none", false},
		"in a form of its own":              {0, 0, true, "2026-11-26", false},
		"beyond all times":                  {0, 0, true, 1e300, false},
	} {
		p.claims = func(cl map[string]any) {
			at := p.time().Add(tt.skew)
			cl["iat"], cl["auth_time"] = at.Unix(), at.Add(-tt.before).Unix()
			switch {
			case tt.auth == "none":
				delete(cl, "auth_time")
			case tt.auth != nil:
				cl["auth_time"] = tt.auth
			}
		}
		w := p.leave(c, identity.Referral{Address: "192.0.2.7", Again: tt.again})
		p.wait(time.Minute) // at the provider
		proof, _, err := c.Finish(t.Context(), w.secret, w.answer)
		if err != nil || proof.Recent != tt.want {
			t.Errorf("%s: %v, %v, want %v", name, proof.Recent, err, tt.want)
		}
	}
}

// TestHostileAnswers: what is wrong with what a browser brings back signs nobody in, and asks the provider for nothing.
func TestHostileAnswers(t *testing.T) {
	p, c := newProvider(t)
	with := func(name string, values ...string) func(url.Values) { return func(q url.Values) { q[name] = values } }
	for name, tt := range map[string]struct {
		change func(url.Values)
		why    string
	}{
		"another state":              {with("state", secret()), "stale"},
		"no state":                   {with("state"), "stale"},
		"two states":                 {func(q url.Values) { q.Add("state", "x") }, "stale"},
		"two codes":                  {func(q url.Values) { q.Add("code", "x") }, "stale"},
		"a huge code":                {with("code", strings.Repeat("x", answerParameterMost+1)), "stale"},
		"code and error":             {with("error", "access_denied"), "stale"},
		"iss is missing":             {with("iss"), "invalid"},
		"iss of another":             {with("iss", "https://evil.example"), "invalid"},
		"iss with a slash":           {with("iss", p.URL+"/"), "invalid"},
		"no code":                    {with("code"), "invalid"},
		"a code that is none":        {with("code", "guess"), "invalid"},
		"refused":                    {func(q url.Values) { q.Del("code"); q.Set("error", "access_denied") }, "denied"},
		"refused, by nobody we know": {func(q url.Values) { q.Del("code"); q.Del("iss"); q.Set("error", "access_denied") }, "invalid"},
		"not signed in there":        {func(q url.Values) { q.Del("code"); q.Set("error", "login_required") }, "login_required"},
		"out of order":               {func(q url.Values) { q.Del("code"); q.Set("error", "temporarily_unavailable") }, "unreachable"},
		"set up wrongly":             {func(q url.Values) { q.Del("code"); q.Set("error", "invalid_request") }, "misconfigured"},
		"an error that is none":      {func(q url.Values) { q.Del("code"); q.Set("error", "\x1b[31m\n"+strings.Repeat("x", 4000)) }, "misconfigured"},
	} {
		w := p.leave(c, someone)
		tt.change(w.answer)
		_, _, err := c.Finish(t.Context(), w.secret, w.answer)
		if why(err) != tt.why {
			t.Errorf("%s: %v, want %q", name, err, tt.why)
		}
		if err != nil && (len(err.Error()) > 600 || strings.ContainsAny(err.Error(), "\x1b\n")) {
			t.Errorf("%s: the log gets %q", name, err)
		}
	}
	if n := p.count("/token"); n != 1 {
		t.Errorf("the provider was asked for %d tokens, want the one of the code that is none", n)
	}
}

func TestReferrals(t *testing.T) {
	p, c := newProvider(t)
	finish := func(secret string, q url.Values) string {
		_, _, err := c.Finish(t.Context(), secret, q)
		return why(err)
	}
	w := p.leave(c, someone)
	if got := finish("", w.answer); got != "stale" {
		t.Errorf("in a browser without secret: %q", got)
	}
	other := p.leave(c, someone)
	if got := finish(other.secret, w.answer); got != "stale" {
		t.Errorf("in another browser: %q", got)
	}
	if got := finish(w.secret, w.answer); got != "" {
		t.Errorf("after others tried: %q", got)
	}
	if got := finish(w.secret, w.answer); got != "stale" {
		t.Errorf("replayed: %q", got)
	}
	first := p.leave(c, someone)
	second := p.leave(c, identity.Referral{Address: "192.0.2.7", Browser: first.secret})
	if second.secret != first.secret || finish(second.secret, second.answer) != "" || finish(first.secret, first.answer) != "" {
		t.Error("two windows of one browser disturb each other")
	}
	if fixed := p.leave(c, identity.Referral{Address: "192.0.2.7", Browser: "chosen by somebody"}); fixed.secret == "chosen by somebody" {
		t.Error("a browser's made-up secret is taken")
	}
	late := p.leave(c, someone)
	p.wait(ReferralFor)
	if got := finish(late.secret, late.answer); got != "stale" {
		t.Errorf("after five minutes: %q", got)
	}
	early := p.leave(c, someone)
	p.wait(-time.Hour)
	if got := finish(early.secret, early.answer); got != "stale" {
		t.Errorf("with a clock that was set back: %q", got)
	}
}

// TestCodeOfAnotherFlow: somebody who got hold of a code, or wants a victim to use theirs, has no use for it.
func TestCodeOfAnotherFlow(t *testing.T) {
	p, c := newProvider(t)
	for _, p.lax = range []bool{false, true} { // a provider that does not check PKCE leaves the nonce
		victim, attacker := p.leave(c, someone), p.leave(c, someone)
		attacker.answer["code"] = victim.answer["code"]
		if _, _, err := c.Finish(t.Context(), attacker.secret, attacker.answer); why(err) != "invalid" || strings.Contains(err.Error(), "gossip") {
			t.Errorf("lax %v: %v", p.lax, err)
		}
	}
}

// TestOneUseInParallel: of the same answer brought many times at once, one counts.
func TestOneUseInParallel(t *testing.T) {
	p, c := newProvider(t)
	w := p.leave(c, someone)
	var good atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, _, err := c.Finish(t.Context(), w.secret, w.answer); err == nil {
				good.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 {
		t.Errorf("%d of eight counted", good.Load())
	}
}

func TestBoundsOfMemory(t *testing.T) {
	p, c := newProvider(t)
	begin := func(address string, size int) string {
		_, _, err := c.Begin(t.Context(), identity.Referral{Address: address, Size: size})
		return why(err)
	}
	for i := range mostOfOnePlace {
		if got := begin("2001:db8::"+string("0123456789abcdef"[i%16]), 1); got != "" {
			t.Fatalf("referral %d: %q", i, got)
		}
	}
	if got := begin("2001:db8::beef", 1); got != "busy" {
		t.Errorf("one place has as many as it wants: %q", got)
	}
	if got := begin("192.0.2.8", 1); got != "" {
		t.Errorf("another place waits for the first: %q", got)
	}
	if got := begin("192.0.2.9", mostErrandBytes); got != "busy" {
		t.Errorf("errands may fill the memory: %q", got)
	}
	p.wait(ReferralFor)
	if got := begin("2001:db8::beef", 1); got != "" || len(c.pending.all) != 1 || c.pending.bytes != 1 {
		t.Errorf("after five minutes: %q, %d referrals, %d bytes", got, len(c.pending.all), c.pending.bytes)
	}
}

// TestProviderAway: whatever it does instead of answering, people are told soon, and it is left alone for a moment.
func TestProviderAway(t *testing.T) {
	at := func(path string, f func(http.ResponseWriter, *http.Request) bool) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Path == path && f(w, r) }
	}
	fail := func(status int, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
			return true
		}
	}
	var elsewhere atomic.Int32
	thief := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer thief.Close()
	redirect := func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		return true
	}
	const metadata = "/.well-known/openid-configuration"
	for name, tt := range map[string]struct {
		before    func(http.ResponseWriter, *http.Request) bool
		discovery func(map[string]any)
		why       string
	}{
		"slow metadata":        {at(metadata, hang), nil, "unreachable"},
		"huge metadata":        {at(metadata, flood), nil, "unreachable"},
		"no metadata":          {at(metadata, fail(404, "{}")), nil, "unreachable"},
		"metadata elsewhere":   {at(metadata, redirect), nil, "misconfigured"},
		"metadata of another":  {nil, func(d map[string]any) { d["issuer"] = "https://evil.example" }, "misconfigured"},
		"no issuer":            {nil, func(d map[string]any) { delete(d, "issuer") }, "misconfigured"},
		"plain tokens":         {nil, func(d map[string]any) { d["token_endpoint"] = "http://127.0.0.1/token" }, "misconfigured"},
		"plain keys":           {nil, func(d map[string]any) { d["jwks_uri"] = "http://127.0.0.1/keys" }, "misconfigured"},
		"keys from a file":     {nil, func(d map[string]any) { d["jwks_uri"] = "file:///etc/passwd" }, "misconfigured"},
		"sign-in by a script":  {nil, func(d map[string]any) { d["authorization_endpoint"] = "javascript:alert(1)" }, "misconfigured"},
		"slow tokens":          {at("/token", hang), nil, "unreachable"},
		"huge tokens":          {at("/token", flood), nil, "invalid"},
		"tokens elsewhere":     {at("/token", redirect), nil, "invalid"},
		"broken tokens":        {at("/token", fail(502, "<html>")), nil, "unreachable"},
		"our secret is wrong":  {at("/token", fail(401, `{"error":"invalid_client"}`)), nil, "misconfigured"},
		"tokens are no JSON":   {at("/token", fail(200, "token")), nil, "invalid"},
		"slow keys":            {at("/keys", hang), nil, "unreachable"},
		"huge keys":            {at("/keys", flood), nil, "invalid"},
		"keys elsewhere":       {at("/keys", redirect), nil, "invalid"},
		"keys are no keys":     {at("/keys", fail(200, `{"keys":[{"kty":"RSA"}]}`)), nil, "invalid"},
		"everything is there":  {nil, nil, ""},
		"a secret in the form": {nil, func(d map[string]any) { d["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} }, "misconfigured"}, // ours takes Basic
	} {
		p, c := newProvider(t)
		p.before, p.discovery = tt.before, tt.discovery
		if strings.HasPrefix(name, "slow") {
			c.http.Timeout = 100 * time.Millisecond
		}
		soon(t, func() {
			address, browser, err := c.Begin(t.Context(), someone)
			if err == nil {
				u, _ := url.Parse(address)
				p.mu.Lock()
				p.grants["code"] = grant{u.Query().Get("nonce"), u.Query().Get("code_challenge")}
				p.mu.Unlock()
				_, _, err = c.Finish(t.Context(), browser, url.Values{"code": {"code"}, "state": {u.Query().Get("state")}, "iss": {p.URL}})
			}
			if why(err) != tt.why {
				t.Errorf("%s: %v, want %q", name, err, tt.why)
			}
			if err != nil && len(err.Error()) > 800 {
				t.Errorf("%s: the log gets %d bytes", name, len(err.Error()))
			}
		})
		p.CloseClientConnections()
	}
	if elsewhere.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

// TestMetadataIsKept: one question for many sign-ins, none while the provider has just failed, a new one when what is known is old.
func TestMetadataIsKept(t *testing.T) {
	const metadata = "/.well-known/openid-configuration"
	p, c := newProvider(t)
	down := true
	p.before = func(w http.ResponseWriter, _ *http.Request) bool {
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return down
	}
	for range 3 {
		if _, _, err := c.Begin(t.Context(), someone); why(err) != "unreachable" {
			t.Fatal(err)
		}
	}
	if n := p.count(metadata); n != 1 {
		t.Errorf("asked %d times while it was away", n)
	}
	down = false
	p.wait(retryAfter)
	for range 3 {
		if _, why := p.in(c, someone); why != "" {
			t.Fatal(why)
		}
	}
	if m, k := p.count(metadata), p.count("/keys"); m != 2 || k != 1 {
		t.Errorf("asked %d times for metadata, %d for keys", m, k)
	}
	w := p.leave(c, someone)
	p.wait(thereFor)
	if _, _, err := c.Finish(t.Context(), w.secret, w.answer); err != nil || p.count(metadata) != 2 {
		t.Errorf("who comes back: %v, asked %d times", err, p.count(metadata))
	}
	if _, why := p.in(c, someone); why != "" || p.count(metadata) != 3 || p.count("/keys") != 1 {
		t.Errorf("who goes there after a moment: %q, asked %d times for metadata, %d for keys", why, p.count(metadata), p.count("/keys"))
	}
	p.wait(metadataFor)
	if _, why := p.in(c, someone); why != "" || p.count(metadata) != 4 || p.count("/keys") != 2 {
		t.Errorf("after an hour: %q, %d, %d", why, p.count(metadata), p.count("/keys"))
	}
}

// TestKeysChange: a new key is fetched when a token names it, and not again and again because tokens name keys that are not there.
func TestKeysChange(t *testing.T) {
	p, c := newProvider(t)
	if _, why := p.in(c, someone); why != "" {
		t.Fatal(why)
	}
	p.sign = func(cl map[string]any) string { return p.by(jose.RS256, foreignKey(), "made-up", cl) }
	p.wait(keysEvery)
	for range 5 {
		if _, why := p.in(c, someone); why == "" {
			t.Fatal("a made-up key signs in")
		}
	}
	if n := p.count("/keys"); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
	p.mu.Lock()
	p.kid, p.sign = "k2", nil
	p.mu.Unlock()
	if _, why := p.in(c, someone); why != "unreachable" { // "in a moment"
		t.Errorf("at once: %q", why)
	}
	p.wait(keysEvery)
	if _, why := p.in(c, someone); why != "" || p.count("/keys") != 3 {
		t.Errorf("with the new key: %q, fetched %d times", why, p.count("/keys"))
	}
}

// TestIssuerMayKeepSilent: who does not say that it sends iss need not, but may not send another's.
func TestIssuerMayKeepSilent(t *testing.T) {
	p, c := newProvider(t)
	p.discovery = func(d map[string]any) { delete(d, "authorization_response_iss_parameter_supported") }
	for iss, want := range map[string]string{"": "", p.URL: "", "https://evil.example": "invalid"} {
		w := p.leave(c, someone)
		w.answer.Set("iss", iss)
		if _, _, err := c.Finish(t.Context(), w.secret, w.answer); why(err) != want {
			t.Errorf("iss %q: %v", iss, err)
		}
	}
}

// TestSlots: strangers can not make the hub wait in more than a few places.
func TestSlots(t *testing.T) {
	p, c := newProvider(t)
	reached := make(chan struct{}, 1)
	release := make(chan struct{})
	p.before = func(http.ResponseWriter, *http.Request) bool {
		reached <- struct{}{}
		<-release
		return false
	}
	var busy, good atomic.Int32
	var all sync.WaitGroup
	all.Go(func() {
		if _, _, err := c.Begin(t.Context(), someone); err == nil {
			good.Add(1)
		}
	})
	<-reached
	for range 3 * askedAtOnce {
		all.Go(func() {
			_, _, err := c.Begin(t.Context(), someone)
			switch why(err) {
			case "busy":
				if busy.Add(1) == 2*askedAtOnce+1 { // all places are taken, and who found none has been told
					close(release)
				}
			case "":
				good.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if good.Load() != askedAtOnce || p.count("/.well-known/openid-configuration") != 1 {
		t.Errorf("%d went on, the provider was asked %d times", good.Load(), p.count("/.well-known/openid-configuration"))
	}
}

func TestOptions(t *testing.T) {
	good := Options{Issuer: "https://login.example/realms/a", ClientID: "c", Secret: "s", Redirect: back}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Options){
		"http":       func(o *Options) { o.Issuer = "http://login.example" },
		"no scheme":  func(o *Options) { o.Issuer = "login.example" },
		"a query":    func(o *Options) { o.Issuer += "?x" },
		"a user":     func(o *Options) { o.Issuer = "https://a:b@login.example" },
		"no id":      func(o *Options) { o.ClientID = "" },
		"no secret":  func(o *Options) { o.Secret = "" },
		"empty amr":  func(o *Options) { o.AMR = []string{""} },
		"http to us": func(o *Options) { o.Redirect = "http://hub.example/x" },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	// Whatever address it is given, nothing goes out in the clear.
	_, c := newProvider(t)
	if _, err := c.http.Get("http://127.0.0.1:9/"); err == nil || errors.Is(err, errNetwork) {
		t.Errorf("asked without TLS: %v", err)
	}
}

func FuzzAnswer(f *testing.F) {
	for _, s := range []string{"state=a&code=b&iss=c", "error=access_denied&state=a", "state=a&state=b", "state=%00&code=%ff", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := url.ParseQuery(s)
		if err != nil {
			return
		}
		a, err := readAnswer(q)
		if err != nil {
			return
		}
		if a.state == "" || a.code != "" && a.failure != "" {
			t.Errorf("%q was read as %+v", s, a)
		}
		if w := whyOf(a.failure); w == "" {
			t.Errorf("%q means nothing", a.failure)
		}
		if p := printable(a.failure); strings.ContainsAny(p, "\x00\n\x1b") || len(p) > 5*printableMost {
			t.Errorf("%q is logged as %q", a.failure, p)
		}
	})
}

func FuzzClaims(f *testing.F) {
	for _, s := range []string{`{"azp":"a","auth_time":1,"acr":"x","amr":["pwd"],"name":"王"}`, `{"amr":"mfa","auth_time":1.5}`, `{"azp":null,"name":"\u0000\u202e"}`, `[]`, `null`, `{"auth_time":-1e999}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := readClaims(b)
		if err != nil {
			return
		}
		if c.AuthTime < 0 {
			t.Errorf("%q: auth_time %d", b, c.AuthTime)
		}
		if l := c.label(); len([]rune(l)) > labelMost+1 || strings.ContainsAny(l, "\x00\n\u202e") {
			t.Errorf("%q: label %q", b, l)
		}
	})
}

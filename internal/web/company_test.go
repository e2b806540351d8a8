package web

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
)

// provider stands at the seam for what package hub/oidc does, and says what the test wants.
type provider struct {
	last  identity.Referral
	proof identity.Proof
	begin error
	end   error
}

const atTheProvider = "https://login.example/authorize?client_id=c&state=s"

func (p *provider) Begin(_ context.Context, r identity.Referral) (address, browser string, err error) {
	if p.begin != nil {
		return "", "", p.begin
	}
	p.last = r
	return atTheProvider, "browser-secret", nil
}

func (p *provider) Finish(_ context.Context, browser string, query url.Values) (identity.Proof, any, error) {
	if browser != "browser-secret" || query.Get("state") != "s" {
		return identity.Proof{}, nil, &identity.ReferralError{Why: "stale"}
	}
	return p.proof, p.last.Errand, p.end
}

func (p *provider) SignOut() string { return "https://login.example/end" }

func newCompany(t *testing.T) (*house, *provider) {
	t.Helper()
	p := &provider{proof: identity.Proof{Issuer: "https://login.example", Subject: "248289", Label: "wang@login.example", Recent: true}}
	h := newHouseOf(t, identity.ASVS, "depot.example", &Company{Provider: p, Issuer: "https://login.example", Names: map[Lang]string{Chinese: "公司登录", English: "Company sign-in"}, Origin: "https://depot.example"})
	return h, p
}

// refreshed returns where a page leads on to by itself.
func (r *reader) refreshed() string {
	r.h.t.Helper()
	to, ok := strings.CutPrefix(r.header.Get("Refresh"), "0; url=")
	if !ok {
		r.h.t.Fatalf("%s leads nowhere: %d %.300s", r.path, r.status, r.page)
	}
	return to
}

func (h *house) named() *reader {
	r := h.reader()
	r.host = "depot.example"
	return r
}

// firstAt is first for a browser that has opened the server's name.
func (h *house) firstAt() *reader {
	h.t.Helper()
	code, err := h.people.FirstCode(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	return h.named().get("/first").post("/first", "code", code, "username", "Chen", "password", sentence).want(200, "/")
}

func TestCompanySignIn(t *testing.T) {
	h, p := newCompany(t)
	boss := h.firstAt()
	boss.get("/account").want(200, "/account", "Link company sign-in")
	boss.post("/account/company/link").want(200, "/account/company/link")
	if boss.refreshed() != atTheProvider || !p.last.Again || p.last.Address != "127.0.0.1" {
		t.Errorf("sent to %s with %+v", boss.header.Get("Refresh"), p.last)
	}
	for _, c := range boss.header.Values("Set-Cookie") {
		if strings.HasPrefix(c, "__Host-company-test=browser-secret;") {
			c = strings.ToLower(c)
			for _, want := range []string{"path=/", "secure", "httponly", "samesite=lax", "max-age=300"} {
				if !strings.Contains(c, want) {
					t.Errorf("cookie %s lacks %s", c, want)
				}
			}
		} else if !strings.Contains(strings.ToLower(c), "samesite=strict") {
			t.Errorf("cookie %s", c)
		}
	}
	boss.get("/login/company/return?code=c&state=s").want(200, "/login/company/return")
	if boss.refreshed() != "/account#company" {
		t.Errorf("leads to %s", boss.refreshed())
	}
	boss.get("/account").want(200, "/account", "wang@login.example", "Unlink")

	r := h.named()
	r.get("/login?next=/account").want(200, "/login", "Company sign-in")
	r.post("/login/company", "next", "/account").want(200, "/login/company")
	if p.last.Again || p.last.Browser != "" {
		t.Errorf("referral %+v", p.last)
	}
	r.get("/login/company/return?code=c&state=other").want(200, "/login/company/return")
	if r.refreshed() != "/login/company/problem?why=stale" {
		t.Errorf("another state leads to %s", r.refreshed())
	}
	r.get("/account").want(200, "/login") // nobody is signed in
	r.get("/login/company/return?code=c&state=s").want(200, "/login/company/return")
	if r.refreshed() != "/account" {
		t.Errorf("leads to %s", r.refreshed())
	}
	r.get("/account").want(200, "/account", "company account")
	r.post("/logout").want(200, "/login", "https://login.example/end")
}

// TestCompanyIsNoWayRound: what is asked of every sign-in and every form is asked here.
func TestCompanyIsNoWayRound(t *testing.T) {
	h, p := newCompany(t)
	boss := h.firstAt()
	r := h.named()
	r.get("/login")
	r.csrf = "forged"
	r.post("/login/company", "next", "/").want(403, "/login/company")
	r.get("/login/company").want(405, "/login/company") // a link, from wherever, signs nobody in
	for next, want := range map[string]string{"https://evil.example": "/", "//evil.example": "/", "/login/company/return?code=c&state=s": "/", "/account": "/account"} {
		r.get("/login")
		r.post("/login/company", "next", next).want(200, "/login/company")
		if got := p.last.Errand.(errand).next; got != want {
			t.Errorf("next %q: %q", next, got)
		}
	}
	r.host = "" // the bare address
	r.get("/login").want(200, "/login", "https://depot.example/login")
	r.post("/login/company").want(409, "/login/company", "https://depot.example")
	// Somebody who is not linked learns their own identifier, and nothing of it stands in an address.
	r.host = "depot.example"
	r.get("/login")
	r.post("/login/company").want(200, "/login/company")
	r.get("/login/company/return?code=c&state=s")
	if r.refreshed() != "/login/company/problem?why=unlinked" {
		t.Errorf("leads to %s", r.refreshed())
	}
	r.get(r.refreshed()).want(401, "/login/company/problem", "248289")
	r.get("/login/company/problem?why=<script>").want(404, "/login/company/problem")
	r.get("/login/company/problem?why=wait&seconds=x").want(404, "/login/company/problem")
	r.get("/login/company/problem?why=wait&seconds=30").want(429, "/login/company/problem", "30 seconds")
	// The brakes and a session that ended.
	boss.get("/account")
	boss.post("/account/company/link").want(200, "/account/company/link")
	other := h.named()
	other.get("/login")
	other.post("/login", "username", "Chen", "password", sentence).want(200, "/")
	other.get("/account")
	other.post("/account/sessions/end-others").want(200, "/account")
	boss.get("/login/company/return?code=c&state=s")
	if boss.refreshed() != "/login/company/problem?why=stale" {
		t.Errorf("link by a session that ended leads to %s", boss.refreshed())
	}
	// The provider is away.
	p.begin = &identity.ReferralError{Why: "unreachable"}
	r.get("/login")
	r.post("/login/company").want(503, "/login/company", "can not be reached", `name="password"`)
	r.post("/login", "username", "Chen", "password", sentence).want(200, "/")
}

// TestStepUpAtTheProvider: what was typed is kept meanwhile, secrets excepted, and done afterwards; one who comes back as somebody else does nothing.
func TestStepUpAtTheProvider(t *testing.T) {
	h, p := newCompany(t)
	boss := h.firstAt()
	boss.get("/account")
	boss.post("/account/company/link")
	boss.get("/login/company/return?code=c&state=s")
	boss.get("/account")
	h.pass(10 * time.Minute)
	boss.post("/act", "reason", "two <b>boxes</b>", "password", "hush").want(401, "/act", "Confirm with the company account", `name="company_action" value="/act"`)
	boss.post("/account/company/confirm", "reason", "two <b>boxes</b>", "password", "hush", "company_action", "/act").want(200, "/account/company/confirm")
	e := p.last.Errand.(errand)
	if !p.last.Again || e.act != "/act" || !slices.Equal(e.keep, []field{{"reason", "two <b>boxes</b>"}}) || p.last.Size < len("/acttwo <b>boxes</b>") {
		t.Errorf("referral %+v", p.last)
	}
	good := p.proof
	for why, change := range map[string]func(*identity.Proof){"other_person": func(p *identity.Proof) { p.Subject = "1" }, "not_recent": func(p *identity.Proof) { p.Recent = false }} {
		p.proof = good
		change(&p.proof)
		boss.get("/login/company/return?code=c&state=s")
		if boss.refreshed() != "/login/company/problem?why="+why {
			t.Errorf("%s leads to %s", why, boss.refreshed())
		}
		boss.get(boss.refreshed()).want(401, "/login/company/problem", "/account#company")
	}
	p.proof = good
	boss.get("/login/company/return?code=c&state=s").want(200, "/login/company/return", "It is you", "two &lt;b&gt;boxes&lt;/b&gt;", `action="/act"`)
	if h.acted.Load() != 0 || strings.Contains(boss.page, "hush") {
		t.Errorf("acted %d times before the person went on; the page shows a secret: %v", h.acted.Load(), strings.Contains(boss.page, "hush"))
	}
	boss.post("/act", "reason", "two <b>boxes</b>").want(200, "/")
	if h.acted.Load() != 1 || h.typed.Load() != "two <b>boxes</b>|" {
		t.Errorf("acted %d times with %v", h.acted.Load(), h.typed.Load())
	}
	// A page that was opened.
	h.pass(10 * time.Minute)
	boss.get("/account/password").want(401, "/account/password")
	boss.post("/account/company/confirm", "company_action", "/account/confirm", "next", "/account/password").want(200, "/account/company/confirm")
	boss.get("/login/company/return?code=c&state=s")
	if boss.refreshed() != "/account/password" {
		t.Errorf("leads to %s", boss.refreshed())
	}
	boss.get("/account/password").want(200, "/account/password", "Change password")
	// While the provider is away, what was typed is still there.
	h.pass(10 * time.Minute)
	p.begin = &identity.ReferralError{Why: "unreachable"}
	boss.post("/account/company/confirm", "reason", "three", "company_action", "/act").want(503, "/account/company/confirm", `name="reason" value="three"`, `action="/act"`)
	// Who has a factor of ours is not offered the provider.
	boss.post("/act", "reason", "three", "confirm", sentence).want(200, "/")
	boss.enrol()
	h.pass(10 * time.Minute)
	if boss.post("/act", "reason", "four").want(401, "/act"); strings.Contains(boss.page, "company/confirm") {
		t.Error("the provider is offered in the place of a second factor")
	}
}

// TestWithoutCompany: where there is no provider, nothing of it is shown, and its addresses are not there.
func TestWithoutCompany(t *testing.T) {
	h := newHouse(t)
	boss := h.first()
	for _, path := range []string{"/login", "/account", "/people/new"} {
		if boss.get(path); strings.Contains(boss.page, "company/") {
			t.Errorf("%s speaks of a company's provider", path)
		}
	}
	boss.get("/login/company/return?code=c&state=s").want(404, "/login/company/return")
	boss.get("/login/company/problem?why=stale").want(404, "/login/company/problem")
	for _, path := range []string{"/login/company", "/account/company/link", "/account/company/unlink", "/account/company/confirm", "/people/company/link"} {
		boss.get("/account")
		boss.post(path, "name", "Chen").want(404, path)
	}
}

// TestLabelIsAName: what the provider calls somebody is shown as far as names are.
func TestLabelIsAName(t *testing.T) {
	h, _, _ := newGovernedHouse(t, func(o *Options) {
		o.Company = &Company{Provider: &provider{}, Issuer: "https://login.example", Names: map[Lang]string{Chinese: "公司登录", English: "Company sign-in"}, Origin: "https://depot.example"}
	})
	boss := h.first()
	by := identity.Person{Account: "installer"}
	if _, err := h.people.Create(t.Context(), by, identity.Account{Name: "worker", Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}}); err != nil {
		t.Fatal(err)
	}
	if err := h.people.LinkFor(t.Context(), by, "worker", "https://login.example", "7"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.people.SignInCompany(t.Context(), identity.Proof{Issuer: "https://login.example", Subject: "7", Label: "王小明"}, identity.From{Address: "192.0.2.1"}); err != nil {
		t.Fatal(err)
	}
	if boss.get("/people/person/worker").want(200, "/people/person/worker", "Linked to", "王**"); strings.Contains(boss.page, "小明") {
		t.Error("the page shows the name")
	}
}

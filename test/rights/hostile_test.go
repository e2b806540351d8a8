package rights_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"stockade/internal/web"
)

// hostile is what somebody tries who knows more than their pages show.
func (c *company) hostile(t *testing.T) {
	worker, manager := c.people["warehouse-worker-SHA"], c.people["branch-manager-SHA"]
	for what, post := range map[string]struct {
		by   *reader
		path string
		form url.Values
	}{
		"a worker gives himself a role": {worker, "/people/change", url.Values{"name": {"warehouse-worker-SHA"}, "role": {"operations", "security-administrator"}, "warehouses": {"SHA CTU"}}},
		"a manager makes an account":    {manager, "/people/new", url.Values{"name": {"puppet"}, "role": {"operations"}}},
		"a worker accepts a batch":      {worker, "/held/00/accept", url.Values{"reason": {"x"}}},
	} {
		post.form.Set("csrf", post.by.csrf)
		if status, _ := post.by.ask(t, http.MethodPost, post.path, post.form.Encode()); status != http.StatusForbidden {
			t.Errorf("%s: %d", what, status)
		}
	}
	// fields that no form of one's own account has
	for _, path := range []string{"/account/notices", "/language"} {
		worker.ask(t, http.MethodPost, path, url.Values{"csrf": {worker.csrf}, "upto": {"0"}, "language": {"en"}, "next": {"/"}, "role": {"operations"}, "roles": {"operations"}, "warehouses": {"CTU"}, "warehouse": {"CTU"}}.Encode())
	}
	if status, _ := worker.ask(t, http.MethodGet, "/nodes", ""); status != http.StatusForbidden {
		t.Errorf("a worker reads nodes after posting roles: %d", status)
	}
	// addresses of another warehouse, and filters that ask for it
	for _, path := range []string{"/api/v1/stock?warehouse=CTU", "/api/v1/stock?q=CTU", "/?warehouse=CTU", "/api/v1/items/06901234567892/movements?limit=1000"} {
		if status, text := worker.ask(t, http.MethodGet, path, ""); status != http.StatusOK || strings.Contains(text, "CTU/") || strings.Contains(text, "edge-2") {
			t.Errorf("%s: %d, shows the other warehouse: %t", path, status, strings.Contains(text, "CTU/"))
		}
	}
	// the administrator does not raise herself, nor give roles that exclude each other
	for what, form := range map[string]url.Values{
		"raises herself":       {"name": {"chen"}, "role": {"operations", "security-administrator", "finance"}},
		"excludes each other":  {"name": {"auditor-SHA"}, "role": {"auditor", "system-administrator"}},
		"a role that is none":  {"name": {"auditor-SHA"}, "role": {"root"}},
		"a warehouse by force": {"name": {"auditor-SHA"}, "role": {"auditor"}, "warehouses": {"../CTU"}},
	} {
		form.Set("csrf", c.boss.csrf)
		if status, _ := c.boss.ask(t, http.MethodPost, "/people/change", form.Encode()); status != http.StatusConflict && status != http.StatusUnprocessableEntity {
			t.Errorf("the administrator %s: %d", what, status)
		}
	}
}

// cookies returns those that a reader has, by name without the part that tells programs apart.
func (r *reader) cookies(t *testing.T) map[string]*http.Cookie {
	t.Helper()
	u, err := url.Parse(r.base)
	must(t, err)
	out := map[string]*http.Cookie{}
	for _, c := range r.client.Jar.Cookies(u) {
		name, _, _ := strings.Cut(strings.TrimPrefix(c.Name, "__Host-"), "-")
		out[name] = c
	}
	return out
}

func (r *reader) plant(t *testing.T, c http.Cookie) {
	t.Helper()
	u, err := url.Parse(r.base)
	must(t, err)
	c.Path, c.Secure = "/", true
	r.client.Jar.SetCookies(u, []*http.Cookie{&c})
}

// fixation: whatever session somebody was given before the sign-in, by whomever, is not the session after it; and a session is worth
// something as a cookie alone.
func (c *company) fixation(t *testing.T) {
	thief, victim := newReader(t, c.hub), newReader(t, c.hub)
	must(t, c.signedIn(t, thief, "seller-CTU"))
	stolen := thief.cookies(t)["session"]
	// The thief's own session in the victim's browser: signing in there makes another, and the thief's stays the thief's.
	victim.plant(t, *stolen)
	victim.settle(t)
	if status, _ := victim.form(t, "/account", "/logout", url.Values{}); status != http.StatusSeeOther {
		t.Fatalf("sign-out: %d", status)
	}
	if status, _ := thief.ask(t, http.MethodGet, "/account", ""); status != http.StatusSeeOther {
		t.Errorf("a session goes on after it was signed out in another browser: %d", status)
	}
	// Values that nobody gave out, and the visitor's, stand for nobody before the sign-in and nobody after it.
	made := http.Cookie{Name: stolen.Name, Value: strings.Repeat("A", len(stolen.Value))}
	victim.plant(t, made)
	if status, _ := victim.ask(t, http.MethodGet, "/login", ""); status != http.StatusOK {
		t.Fatalf("sign-in page with a session that nobody made: %d", status)
	}
	visitor := victim.cookies(t)["visitor"]
	must(t, c.signedIn(t, victim, "finance-CTU"))
	now := victim.cookies(t)["session"]
	if now == nil || now.Value == made.Value || now.Value == stolen.Value || visitor != nil && now.Value == visitor.Value {
		t.Errorf("the session after the sign-in is one from before it: %v", now)
	}
	for what, value := range map[string]string{"made up": made.Value, "signed out": stolen.Value, "a visitor's": valueOf(visitor)} {
		other := newReader(t, c.hub)
		other.plant(t, http.Cookie{Name: stolen.Name, Value: value})
		if status, _ := other.ask(t, http.MethodGet, "/account", ""); status != http.StatusSeeOther {
			t.Errorf("a session that is %s opens the account: %d", what, status)
		}
	}
	// A session in the address or a header, and one under the cookie's bare name, count for nothing.
	other := newReader(t, c.hub)
	other.plant(t, http.Cookie{Name: "session", Value: now.Value})
	for _, path := range []string{"/account?session=" + now.Value, "/account?" + now.Name + "=" + now.Value} {
		if status, _ := other.ask(t, http.MethodGet, path, ""); status != http.StatusSeeOther {
			t.Errorf("a session in the address opens the account: %d", status)
		}
	}
	// Signing in again, as somebody else, ends what the browser had before.
	victim.settle(t)
	if status, _ := victim.ask(t, http.MethodPost, "/login", url.Values{"csrf": {victim.csrf}, "username": {"purchaser-CTU"}, "password": {password}}.Encode()); status != http.StatusSeeOther {
		t.Fatalf("another sign-in in the same browser: %d", status)
	}
	other.plant(t, http.Cookie{Name: now.Name, Value: now.Value})
	if status, _ := other.ask(t, http.MethodGet, "/account", ""); status != http.StatusSeeOther {
		t.Errorf("the session before another sign-in in the same browser goes on: %d", status)
	}
}

func valueOf(c *http.Cookie) string {
	if c == nil {
		return ""
	}
	return c.Value
}

// forged: a change that another site makes a signed-in browser send changes nothing, at any route: without the form's token, with another
// person's, with one in the address, from another origin, or dressed as a method or type that no form has.
func (c *company) forged(t *testing.T, base string, routes []web.Route, table map[string]entry, victim, attacker *reader) {
	posts := slices.DeleteFunc(slices.Clone(routes), func(r web.Route) bool { return r.Method == http.MethodGet })
	if len(posts) < 20 {
		t.Fatalf("only %d routes change anything", len(posts))
	}
	victim.settle(t)
	attacker.settle(t)
	for _, route := range posts {
		e := table[route.Method+" "+route.Path]
		address := e.address(route, "edge-1", "SHA")
		kind := "application/x-www-form-urlencoded"
		if strings.HasPrefix(route.Path, "/api/") {
			kind = "application/json"
		}
		for what, forge := range map[string]func(*http.Request){
			"without a token":       func(*http.Request) {},
			"another's token":       func(r *http.Request) { r.Header.Set("X-CSRF-Token", attacker.csrf) },
			"a token in an address": func(r *http.Request) { r.URL.RawQuery = "csrf=" + url.QueryEscape(victim.csrf) },
			"another site": func(r *http.Request) {
				r.Header.Set("X-CSRF-Token", victim.csrf)
				r.Header.Set("Sec-Fetch-Site", "cross-site")
			},
			"a sibling host": func(r *http.Request) {
				r.Header.Set("X-CSRF-Token", victim.csrf)
				r.Header.Set("Sec-Fetch-Site", "same-site")
			},
			"another origin": func(r *http.Request) {
				r.Header.Set("X-CSRF-Token", victim.csrf)
				r.Header.Set("Origin", "https://evil.example")
			},
			"no origin at all": func(r *http.Request) {
				r.Header.Set("X-CSRF-Token", victim.csrf)
				r.Header.Set("Origin", "null")
			},
			"a plain text": func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") },
		} {
			req, err := http.NewRequestWithContext(t.Context(), route.Method, base+address, strings.NewReader(e.form))
			must(t, err)
			req.Header.Set("Content-Type", kind)
			forge(req)
			res, err := victim.client.Do(req)
			must(t, err)
			must(t, res.Body.Close())
			if res.StatusCode != http.StatusForbidden && res.StatusCode != http.StatusUnsupportedMediaType {
				t.Errorf("%s %s with %s: %d", route.Method, address, what, res.StatusCode)
			}
		}
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete} { // and not by another way in
			if slices.ContainsFunc(routes, func(r web.Route) bool { return r.Path == route.Path && r.Method == method }) || method == http.MethodHead || route.Path == "/logout" && method != http.MethodGet {
				continue
			}
			if status, _ := victim.ask(t, method, address+"?_method=POST&csrf="+url.QueryEscape(victim.csrf), ""); status < 400 && !answersToGet(routes, address) {
				t.Errorf("%s %s: %d", method, address, status)
			}
		}
	}
	if status, _ := victim.ask(t, http.MethodGet, "/account", ""); status != http.StatusOK {
		t.Errorf("the victim was signed out: %d", status)
	}
}

// answersToGet reports whether a route with a name in it takes the address of another, as /labels/:id does.
func answersToGet(routes []web.Route, address string) bool {
	parts := strings.Split(address, "/")
	return slices.ContainsFunc(routes, func(r web.Route) bool {
		want := strings.Split(r.Path, "/")
		return r.Method == http.MethodGet && len(want) == len(parts) && matches(want, parts)
	})
}

func matches(want, parts []string) bool {
	for i, w := range want {
		if !strings.HasPrefix(w, ":") && w != parts[i] {
			return false
		}
	}
	return true
}

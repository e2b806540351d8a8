package rights_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1" // #nosec G505 -- what RFC 6238 asks for
	"crypto/tls"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/edge/store"
	hub "stockade/hub/store"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/test/play"
	"stockade/test/rig"
)

const password = "lanterns over the seventh quay"

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reader is a browser without scripts.
type reader struct {
	base, csrf string
	client     *http.Client
}

func newReader(t *testing.T, base string) *reader {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &reader{base: base, client: &http.Client{Jar: jar, Timeout: rig.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{MaxIdleConnsPerHost: 2, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}}}} // #nosec G402 -- certificates are other tests' subject
}

var csrfOf = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]*)"`)

// ask sends one request. Of a stream only the head is read.
func (r *reader) ask(t *testing.T, method, path, body string) (status int, text string) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	req, err := http.NewRequestWithContext(ctx, method, r.base+path, strings.NewReader(body))
	must(t, err)
	if method == http.MethodPost {
		req.Header.Set("X-CSRF-Token", r.csrf)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(path, "/api/") {
			req.Header.Set("Content-Type", "application/json")
		}
	}
	req.Header.Set("Accept-Language", "en")
	res, err := r.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res.StatusCode, ""
	}
	b, err := io.ReadAll(res.Body)
	must(t, err)
	return res.StatusCode, string(b)
}

// form reads a page and posts its form.
func (r *reader) form(t *testing.T, page, to string, fields url.Values) (int, string) {
	t.Helper()
	status, text := r.ask(t, http.MethodGet, page, "")
	if m := csrfOf.FindStringSubmatch(text); m != nil {
		r.csrf = m[1]
	} else {
		t.Fatalf("GET %s: %d without a form", page, status)
	}
	fields.Set("csrf", r.csrf)
	return r.ask(t, http.MethodPost, to, fields.Encode())
}

// settle fetches the token that changes need now.
func (r *reader) settle(t *testing.T) {
	t.Helper()
	status, text := r.ask(t, http.MethodGet, "/account", "")
	m := csrfOf.FindStringSubmatch(text)
	if status != http.StatusOK || m == nil {
		t.Fatalf("own account: %d %.200s", status, text)
	}
	r.csrf = m[1]
}

// signedIn signs somebody in and returns an error when that is refused.
func (c *company) signedIn(t *testing.T, r *reader, name string) error {
	t.Helper()
	if status := r.signIn(t, name); status != http.StatusSeeOther {
		return fmt.Errorf("%s: %d at the sign-in", name, status)
	}
	return nil
}

func (r *reader) signIn(t *testing.T, name string) int {
	t.Helper()
	status, _ := r.form(t, "/login", "/login", url.Values{"username": {name}, "password": {password}})
	return status
}

// company is a hub and a node in each of two warehouses, with people of every ready role in each.
type company struct {
	*play.Site
	hub, edge string
	boss      *reader
	people    map[string]*reader // at the hub, signed in
	secrets   []string           // that nothing may ever write down
	request   string             // of what is lent, see lend
}

var activationOf = regexp.MustCompile(`[2-9A-HJ-NP-Z]{4}(?:-[2-9A-HJ-NP-Z]{4}){5}`)

func newCompany(t *testing.T) *company {
	t.Helper()
	s, err := play.NewSite(t.Context(), play.Options{Dir: t.TempDir(), Log: t.Output()})
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Logs())
		}
		s.Close()
	})
	const code = "]E06901234567892"
	must(t, s.Catalogue(t.Context(), [][]byte{[]byte(code)}))
	for _, p := range s.Players {
		must(t, p.Play(t.Context(), []byte(code+"\r")))
	}
	at, err := s.Hub.Addresses()
	must(t, err)
	c := &company{Site: s, hub: at.Pages, people: map[string]*reader{}, secrets: []string{password}}
	c.edge, err = s.Edges[0].Pages()
	must(t, err)
	line, err := s.Hub.Process.Line(t.Context(), "one-time code")
	must(t, err)
	_, first, _ := strings.Cut(line, "one-time code: ")
	c.boss = newReader(t, c.hub)
	if status, text := c.boss.form(t, "/first", "/first", url.Values{"code": {strings.TrimSpace(first)}, "username": {"chen"}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("first account: %d %.300s", status, text)
	}
	c.boss.settle(t)
	for _, role := range roles {
		for _, w := range []string{"SHA", "CTU"} {
			c.add(t, role+"-"+w, role, w)
		}
	}
	return c
}

// add makes an account by the pages, and its person chooses a password.
func (c *company) add(t *testing.T, name, role, warehouse string) {
	t.Helper()
	status, text := c.boss.ask(t, http.MethodPost, "/people/new", url.Values{"csrf": {c.boss.csrf}, "name": {name}, "display": {"Person " + warehouse}, "role": {role}, "warehouses": {warehouse}}.Encode())
	code := activationOf.FindString(text)
	if status != http.StatusOK || code == "" {
		t.Fatalf("account %s: %d %.500s", name, status, text)
	}
	c.secrets = append(c.secrets, code)
	r := newReader(t, c.hub)
	if status, text := r.form(t, "/activate", "/activate", url.Values{"code": {code}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("activation of %s: %d %.500s", name, status, text)
	}
	r.settle(t)
	c.people[name] = r
}

// heard waits until the node of a warehouse knows what f looks for.
func (c *company) heard(t *testing.T, i int, what string, f func(*store.Tx) (bool, error)) {
	t.Helper()
	must(t, rig.Until(t.Context(), what, func() (ok bool, err error) {
		err = play.WithStore(t.Context(), c.Edges[i], func(s *store.Store) error {
			return s.View(t.Context(), func(tx *store.Tx) (err error) { ok, err = f(tx); return err })
		})
		return ok, err
	}))
}

// judge compares an answer with what is wanted.
func judge(t *testing.T, who, route, wanted string, status int, text string) {
	t.Helper()
	good := false
	switch wanted {
	case "allow":
		good = status != http.StatusUnauthorized && status != http.StatusForbidden && status < 500
	case "deny":
		good = status == http.StatusForbidden || strings.HasSuffix(route, "GET /") && status == http.StatusSeeOther // led to the first page of one's own
	case "nothing":
		good = status == http.StatusNotFound
	}
	if !good {
		t.Errorf("%s: %s: want %s, got %d %.160s", who, route, wanted, status, strings.Join(strings.Fields(text), " "))
	}
}

func TestEveryRoleAtEveryRoute(t *testing.T) {
	c := newCompany(t)
	hub, edge := routesOf(t)
	c.heard(t, 0, "the last account at the node", func(tx *store.Tx) (bool, error) {
		all, err := tx.Members()
		for _, m := range all {
			if m.Account == "auditor-sha" && m.Password != "" {
				return true, err
			}
		}
		return false, err
	})
	t.Run("strangers", func(t *testing.T) { c.strangers(t, hub) })
	t.Run("hub", func(t *testing.T) {
		for name, r := range c.people {
			c.tryHub(t, hub, name, r)
		}
	})
	t.Run("hostile", c.hostile)
	t.Run("partners", func(t *testing.T) { c.partners(t, hub) })
	t.Run("fixation", c.fixation)
	t.Run("forged", func(t *testing.T) {
		c.forged(t, c.hub, hub, hubRoutes, c.boss, c.people["finance-SHA"])
	})
	t.Run("files", c.files)
	factor := c.enrol(t, "warehouse-lead-SHA")
	c.badge(t, "warehouse-lead-SHA")
	t.Run("feed", c.feed)
	t.Run("sealed", c.sealed)
	c.request = c.lend(t)
	c.Cut()
	t.Run("edge without uplink", func(t *testing.T) { c.tryEdge(t, edge, factor) })
}

// strangers: whoever is not signed in gets nothing but the sign-in pages.
func (c *company) strangers(t *testing.T, routes []web.Route) {
	r := newReader(t, c.hub)
	if _, text := r.ask(t, http.MethodGet, "/login", ""); csrfOf.MatchString(text) {
		r.csrf = csrfOf.FindStringSubmatch(text)[1]
	}
	for _, route := range routes {
		e := hubRoutes[route.Method+" "+route.Path]
		if e.about == anybody {
			continue
		}
		status, text := r.ask(t, route.Method, e.address(route, "edge-1", "SHA"), e.form)
		if status != http.StatusUnauthorized && status != http.StatusSeeOther || route.Method == http.MethodGet && strings.Contains(text, "Person") {
			t.Errorf("%s %s: %d to a stranger", route.Method, route.Path, status)
		}
	}
}

// tryHub lets one person ask for everything, and for the things of both warehouses.
func (c *company) tryHub(t *testing.T, routes []web.Route, name string, r *reader) {
	role, own := name[:len(name)-4], name[len(name)-3:]
	nodes := map[string]string{"SHA": "edge-1", "CTU": "edge-2"}
	for _, route := range routes {
		e := hubRoutes[route.Method+" "+route.Path]
		if e.about <= self {
			continue // own accounts are package web's subject
		}
		for w, node := range nodes {
			address := e.address(route, node, w)
			if e.about != object && w != own {
				continue
			}
			status, text := r.ask(t, route.Method, address, e.form)
			judge(t, name, route.Method+" "+address, want(e, role, route.Permission, w != own), status, text)
			if other := map[string]string{"SHA": "CTU", "CTU": "SHA"}[own]; reachOf(role, route.Permission) == "home" && route.Method == http.MethodGet && w == own &&
				!strings.HasPrefix(route.Path, "/labels") && // a template shows samples
				(strings.Contains(text, other+"/") || strings.Contains(text, nodes[other]) || strings.Contains(text, "Person "+other)) {
				t.Errorf("%s: %s shows something of %s", name, address, other)
			}
			if status == http.StatusOK && e.about == rows && reachOf(role, route.Permission) == "everywhere" && route.Path == "/api/v1/stock" && !(strings.Contains(text, "SHA/") && strings.Contains(text, "CTU/")) {
				t.Errorf("%s sees everywhere, but not all stock: %s", name, text)
			}
		}
	}
}

// set gives an account another role.
func (c *company) set(t *testing.T, name, role, warehouses string) {
	t.Helper()
	status, text := c.boss.ask(t, http.MethodPost, "/people/change", url.Values{"csrf": {c.boss.csrf}, "name": {name}, "role": {role}, "warehouses": {warehouses}}.Encode())
	if status != http.StatusSeeOther {
		t.Fatalf("change of %s: %d %.300s", name, status, text)
	}
}

// enrol gives a person an authenticator at the hub and returns its secret.
func (c *company) enrol(t *testing.T, name string) []byte {
	t.Helper()
	r := c.people[name]
	if status, text := r.ask(t, http.MethodPost, "/account/factor/begin", url.Values{"csrf": {r.csrf}}.Encode()); status != http.StatusSeeOther {
		t.Fatalf("begin: %d %.300s", status, text)
	}
	_, page := r.ask(t, http.MethodGet, "/account/factor/new", "")
	text := regexp.MustCompile(`(?:[A-Z2-7]{4} ){7}[A-Z2-7]{4}`).FindString(page)
	secret, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ReplaceAll(text, " ", ""))
	must(t, err)
	c.secrets = append(c.secrets, text, strings.ReplaceAll(text, " ", ""), string(secret))
	if status, text := r.ask(t, http.MethodPost, "/account/factor/new", url.Values{"csrf": {r.csrf}, "code": {totp(secret, time.Now())}}.Encode()); status != http.StatusOK {
		t.Fatalf("confirm: %d %.300s", status, text)
	}
	r.settle(t)
	return secret
}

// totp is RFC 6238 with SHA-1, six digits and 30 seconds.
func totp(secret []byte, at time.Time) string {
	m := hmac.New(sha1.New, secret)
	_ = binary.Write(m, binary.BigEndian, at.Unix()/30) // a hash takes everything
	sum := m.Sum(nil)
	off := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[off:])&0x7fffffff%1_000_000)
}

// feed: what flows to a node is of its own warehouse, and as little as it takes.
func (c *company) feed(t *testing.T) {
	for i, w := range []string{"SHA", "CTU"} {
		c.heard(t, i, "people of "+w, func(tx *store.Tx) (bool, error) {
			all, err := tx.Members()
			factors := 0
			for _, m := range all {
				if m.Withdrawn || !strings.HasSuffix(string(m.Account), strings.ToLower(w)) || len(m.Warehouses) != 1 || string(m.Warehouses[0]) != w {
					t.Errorf("the node of %s knows %+v", w, m)
				}
				factors += len(m.Factors)
			}
			return len(all) == len(roles) && factors == 1-i, err
		})
	}
}

// badge gives a person a badge and a PIN.
func (c *company) badge(t *testing.T, name string) {
	t.Helper()
	if status, text := c.boss.ask(t, http.MethodPost, "/people/badge", url.Values{"csrf": {c.boss.csrf}, "name": {name}}.Encode()); status != http.StatusOK {
		t.Fatalf("badge: %d %.300s", status, text)
	}
	r := c.people[name]
	if status, text := r.ask(t, http.MethodPost, "/account/pin", url.Values{"csrf": {r.csrf}, "pin": {"830274"}, "pin_again": {"830274"}}.Encode()); status != http.StatusSeeOther {
		t.Fatalf("PIN: %d %.300s", status, text)
	}
}

// sealed: what the hub has published through the broker shows nothing of the people that the node reads in it.
func (c *company) sealed(t *testing.T) {
	var secrets []string
	c.heard(t, 0, "badge and PIN", func(tx *store.Tx) (whole bool, err error) {
		all, err := tx.Members()
		secrets = nil
		for _, m := range all {
			secrets = append(secrets, m.Password, m.Name, m.Display)
			for _, f := range m.Factors {
				secrets = append(secrets, string(f.Secret))
			}
			if whole = whole || m.PIN.Hash != "" && len(m.Badge.Hash) > 0; m.PIN.Hash != "" {
				secrets = append(secrets, m.PIN.Hash, string(m.Badge.Hash), m.Badge.Name)
			}
		}
		return whole, err
	})
	if status, text := c.boss.ask(t, http.MethodGet, "/api/v1/nodes", ""); status != http.StatusOK || strings.Count(text, `"people":"sealed"`) != 2 {
		t.Errorf("the hub says of its nodes: %d %s", status, text)
	}
	var published [][]byte
	must(t, play.WithHub(t.Context(), c.Hub, func(s *hub.Store) error {
		return s.Vault().View(t.Context(), func(tx *vault.Tx) error {
			rows, err := tx.Query(`SELECT c.bytes FROM chunk c JOIN feed f ON f.id = c.feed WHERE f.name = 'rights/SHA' ORDER BY c.version`)
			if err != nil {
				return err
			}
			for rows.Next() {
				var b []byte
				if err := rows.Scan(&b); err != nil {
					return err
				}
				published = append(published, b)
			}
			return rows.Err()
		})
	}))
	all := bytes.Join(published, nil)
	if len(secrets) < 3*len(roles)+4 || !bytes.Contains(all, []byte("warehouse-lead-sha")) {
		t.Fatalf("%d secrets to look for in %d bytes", len(secrets), len(all))
	}
	for _, s := range append(secrets, "$argon2id$") {
		if s != "" && bytes.Contains(all, []byte(s)) {
			t.Errorf("published for all to read: %q", s)
		}
	}
}

// tryEdge lets everybody of the warehouse sign in at its node, which hears nothing, and ask for everything.
func (c *company) tryEdge(t *testing.T, routes []web.Route, factor []byte) {
	for _, role := range roles {
		name := role + "-SHA"
		r := newReader(t, c.edge)
		if status := r.signIn(t, name); status != http.StatusSeeOther {
			t.Errorf("%s at the node: %d", name, status)
			continue
		}
		if role == "warehouse-lead" { // the code that enrolled may be the present one: at the node it is another store that has seen none
			if status, text := r.form(t, "/login/code", "/login/code", url.Values{"code": {totp(factor, time.Now())}}); status != http.StatusSeeOther {
				t.Errorf("the code of an authenticator at the node: %d %.200s", status, text)
				continue
			}
		}
		r.settle(t)
		for _, route := range routes {
			e := edgeRoutes[route.Method+" "+route.Path]
			if e.about <= self {
				continue
			}
			status, text := r.ask(t, route.Method, e.address(route, "edge-1", "SHA"), e.form)
			judge(t, name, "edge "+route.Method+" "+route.Path, want(e, role, route.Permission, false), status, text)
		}
		for _, path := range []string{"/account/password", "/account/factor/new"} {
			if status, text := r.ask(t, http.MethodGet, path, ""); status != http.StatusConflict || !strings.Contains(text, "headquarters") {
				t.Errorf("%s: %s at the node: %d %.200s", name, path, status, text)
			}
		}
	}
	for _, name := range []string{"warehouse-worker-CTU", "operations-CTU"} {
		if status := newReader(t, c.edge).signIn(t, name); status != http.StatusUnauthorized {
			t.Errorf("%s, of another warehouse, at the node: %d", name, status)
		}
	}
	worker, other := newReader(t, c.edge), newReader(t, c.edge)
	if worker.signIn(t, "warehouse-worker-SHA") != http.StatusSeeOther || other.signIn(t, "finance-SHA") != http.StatusSeeOther {
		t.Fatal("nobody signs in at the node")
	}
	t.Run("forged", func(t *testing.T) { c.forged(t, c.edge, routes, edgeRoutes, worker, other) })
	c.changed(t)
}

// changed: what the hub changes while the node is away takes effect there at the next contact, also in sessions that are open.
func (c *company) changed(t *testing.T) {
	open := map[string]*reader{}
	for _, role := range []string{"warehouse-worker", "branch-manager", "finance"} {
		open[role] = newReader(t, c.edge)
		if status := open[role].signIn(t, role+"-SHA"); status != http.StatusSeeOther {
			t.Fatalf("%s at the node: %d", role, status)
		}
	}
	look := func(role, path string) int { status, _ := open[role].ask(t, http.MethodGet, path, ""); return status }
	c.boss.ask(t, http.MethodPost, "/people/disable", url.Values{"csrf": {c.boss.csrf}, "name": {"warehouse-worker-SHA"}}.Encode())
	c.set(t, "branch-manager-SHA", "branch-manager", "CTU")
	c.set(t, "finance-SHA", "warehouse-lead", "SHA")
	if status, _ := c.people["finance-SHA"].ask(t, http.MethodGet, "/exceptions", ""); status != http.StatusOK {
		t.Errorf("at the hub a new role does not work in an open session: %d", status)
	}
	if status, _ := c.people["warehouse-worker-SHA"].ask(t, http.MethodGet, "/", ""); status != http.StatusSeeOther {
		t.Errorf("at the hub a disabled person reads on: %d", status)
	}
	for role, path := range map[string]string{"warehouse-worker": "/stock", "branch-manager": "/stock"} {
		if status := look(role, path); status != http.StatusOK {
			t.Errorf("without contact %s gets %d: the node can not know yet", role, status)
		}
	}
	if status := look("finance", "/printing"); status != http.StatusForbidden {
		t.Errorf("finance at printing: %d", status)
	}
	c.Mend()
	for role, want := range map[string]struct {
		path   string
		status int
	}{"warehouse-worker": {"/stock", http.StatusSeeOther}, "branch-manager": {"/stock", http.StatusSeeOther}, "finance": {"/printing", http.StatusOK}} {
		must(t, rig.Until(t.Context(), fmt.Sprintf("%s to get %d", role, want.status), func() (bool, error) { return look(role, want.path) == want.status, nil }))
	}
	for _, name := range []string{"warehouse-worker-SHA", "branch-manager-SHA"} {
		if status := newReader(t, c.edge).signIn(t, name); status != http.StatusUnauthorized {
			t.Errorf("%s signs in at the node: %d", name, status)
		}
	}
	c.refusals(t)
	c.takeBack(t, c.request, open["finance"])
}

// refusals stand in the hub's audit trail, few of them however often somebody tries. Neither there nor in any program's log stands a secret.
func (c *company) refusals(t *testing.T) {
	for range 20 {
		c.people["seller-SHA"].ask(t, http.MethodGet, "/nodes", "")
	}
	dir := filepath.Join(t.TempDir(), "export")
	_, err := c.Hub.CLI(t.Context(), "audit", "export", dir)
	must(t, err)
	var text []byte
	must(t, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p) // #nosec G304 -- in a folder of the test's own
		text = append(text, b...)
		return err
	}))
	if n := bytes.Count(text, []byte("access.refused")); n < 20 || n > 2000 {
		t.Errorf("%d refusals in the audit trail", n)
	}
	newReader(t, c.hub).signIn(t, "a\ntime=2026-01-01T00:00:00Z level=INFO msg=forged")
	newReader(t, c.hub).ask(t, http.MethodGet, "/a%0atime=2026-01-01T00:00:00Z%20level=INFO%20msg=forged", "")
	files, err := filepath.Glob(filepath.Join(c.Rig.Dir, "*.log"))
	must(t, err)
	logs := ""
	for _, f := range files {
		b, err := os.ReadFile(f) // #nosec G304 -- in a folder of the test's own
		must(t, err)
		logs += string(b)
	}
	if len(files) < 3 || !strings.Contains(logs, "request failed") {
		t.Errorf("logs of %d programs, and no refused request in them", len(files))
	}
	for _, log := range []string{logs, string(text)} {
		if strings.Contains(log, "\ntime=2026-01-01") {
			t.Error("a name or an address writes a line of its own into a log")
		}
	}
	for _, r := range append(slices.Collect(maps.Values(c.people)), c.boss) {
		for _, cookie := range r.cookies(t) {
			if len(cookie.Value) >= 20 { // the language is no secret
				c.secrets = append(c.secrets, cookie.Value)
			}
		}
		c.secrets = append(c.secrets, r.csrf)
	}
	for _, secret := range c.secrets {
		if strings.Contains(logs, secret) || bytes.Contains(text, []byte(secret)) {
			t.Errorf("the secret %q stands in a log or in the audit trail", secret)
		}
	}
}

package web

import (
	"bufio"
	"context"
	"fmt"
	"image"
	"image/draw"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"
	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/change"
)

// house is a server with the real accounts, and a clock that the test turns.
type house struct {
	t      *testing.T
	people *identity.Service
	store  *vault.Store
	server *served
	ahead  atomic.Int64 // of the real clock
	needs  atomic.Bool  // whether everybody needs a second factor
	acted  atomic.Int32 // how often the fresh act was carried out
	typed  atomic.Value // what was typed into its form
	keys   atomic.Bool  // whether everybody needs a passkey
	scans  chan bool    // work that a stream tells of
	beats  chan bool
}

func (h *house) now() time.Time { return time.Now().Add(time.Duration(h.ahead.Load())) }

func (h *house) pass(d time.Duration) { h.ahead.Add(int64(d)) }

const sentence = "seven lamps over the quay"

func newHouse(t *testing.T) *house { return newHouseBy(t, identity.ASVS) }

func newHouseBy(t *testing.T, rules identity.Rules) *house {
	return newHouseAt(t, rules, "depot.example")
}

// newHouseAt is a house whose passkeys work under a domain; empty for none.
func newHouseAt(t *testing.T, rules identity.Rules, domain string) *house {
	t.Helper()
	return newHouseOf(t, rules, domain, nil)
}

// newHouseOf is a house whose people may sign in with their company's provider.
func newHouseOf(t *testing.T, rules identity.Rules, domain string, company *Company) *house {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "people.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	h := &house{t: t, store: v, scans: make(chan bool), beats: make(chan bool)}
	h.people, err = identity.Open(t.Context(), v, identity.Options{Now: h.now, Rules: rules, PasskeyDomain: domain, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil },
		RequiresFactor: func([]string) bool { return h.needs.Load() || h.keys.Load() }, RequiresPasskey: func([]string) bool { return h.keys.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	h.server = serveWith(t, Options{People: h.people, Accounts: h.people, Manage: true, Company: company, Limits: Limits{Beat: time.Hour}},
		Route{Method: "GET", Path: "/", Permission: "x.read", Handler: done},
		Route{Method: "POST", Path: "/act", Permission: "x.act", Fresh: true, Handler: func(v *Visit) error {
			h.acted.Add(1)
			h.typed.Store(fmt.Sprint(v.Posted("reason"), "|", v.Posted("password")))
			return v.See("/")
		}},
		Route{Method: "POST", Path: "/api/v1/act", Permission: "x.act", Fresh: true, Handler: done},
		Route{Method: "GET", Path: "/events", Permission: "x.read", Handler: func(v *Visit) error {
			return v.Stream(func(ctx context.Context, s *Stream) error {
				<-ctx.Done() // it never looks whether the session goes on
				return ctx.Err()
			})
		}},
		Route{Method: "GET", Path: "/work", Permission: "x.read", Handler: func(v *Visit) error {
			return v.Stream(func(ctx context.Context, s *Stream) error {
				for {
					var err error
					select {
					case <-h.scans:
						err = s.Used()
					case <-h.beats:
						err = s.Live()
					case <-ctx.Done():
						return ctx.Err()
					}
					if err == nil {
						err = s.Send("done", "", nil)
					}
					if err != nil {
						return err
					}
				}
			})
		}})
	t.Cleanup(func() { _ = v.Close() })
	return h
}

// reader is a browser without scripts.
type reader struct {
	h      *house
	client *http.Client
	csrf   string
	page   string
	status int
	path   string
	header http.Header
	host   string // that is asked for; empty for the bare address
}

func (h *house) reader() *reader {
	jar, err := cookiejar.New(nil)
	if err != nil {
		h.t.Fatal(err)
	}
	return &reader{h: h, client: &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{TLSClientConfig: h.server.tls}}}
}

var csrfOf = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]*)"`)

func (r *reader) do(method, path, kind, body string) *reader {
	r.h.t.Helper()
	req, err := http.NewRequestWithContext(r.h.t.Context(), method, "https://"+r.h.server.address+path, strings.NewReader(body))
	if err != nil {
		r.h.t.Fatal(err)
	}
	req.Header.Set("Accept-Language", "en")
	req.Host = r.host
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("X-CSRF-Token", r.csrf)
	}
	res, err := r.client.Do(req)
	if err != nil {
		r.h.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.h.t.Fatal(err)
	}
	r.page, r.status, r.path, r.header = string(text), res.StatusCode, res.Request.URL.Path, res.Header
	if m := csrfOf.FindStringSubmatch(r.page); m != nil {
		r.csrf = m[1]
	}
	return r
}

func (r *reader) get(path string) *reader { return r.do("GET", path, "", "") }

// post sends a form with pairs of name and value.
func (r *reader) post(path string, pairs ...string) *reader {
	r.h.t.Helper()
	form := url.Values{"csrf": {r.csrf}}
	for i := 0; i+1 < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return r.do("POST", path, "application/x-www-form-urlencoded", form.Encode())
}

// want checks where the reader is and what is said there.
func (r *reader) want(status int, path string, says ...string) *reader {
	r.h.t.Helper()
	if r.status != status || r.path != path {
		r.h.t.Fatalf("%d at %s, want %d at %s: %.600s", r.status, r.path, status, path, r.page)
	}
	for _, s := range says {
		if !strings.Contains(r.page, s) {
			r.h.t.Errorf("%s does not say %q: %.1500s", path, s, r.page)
		}
	}
	return r
}

// first is the reader who made the first account.
func (h *house) first() *reader {
	h.t.Helper()
	code, err := h.people.FirstCode(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	r := h.reader()
	r.get("/first").post("/first", "code", code, "username", "Chen", "password", sentence).want(200, "/")
	return r
}

func (h *house) code(secret string) string {
	h.t.Helper()
	c, err := totp.GenerateCode(strings.ReplaceAll(secret, " ", ""), h.now())
	if err != nil {
		h.t.Fatal(err)
	}
	return c
}

var secretOf = regexp.MustCompile(`mono secret">([A-Z2-7 ]+)<`)
var codesOf = regexp.MustCompile(`<li class="mono">([A-Z0-9-]+)</li>`)

// enrol gives the reader an authenticator.
func (r *reader) enrol() (secret string, codes []string) {
	r.h.t.Helper()
	r.get("/account/factor/new").want(200, "/account/factor/new").post("/account/factor/begin").want(200, "/account/factor/new", `<svg class="qr"`)
	secret = secretOf.FindStringSubmatch(r.page)[1]
	r.post("/account/factor/new", "code", r.h.code(secret)).want(200, "/account/factor/new", "Recovery codes")
	for _, m := range codesOf.FindAllStringSubmatch(r.page, -1) {
		codes = append(codes, m[1])
	}
	if len(codes) != identity.RecoveryCodes {
		r.h.t.Fatalf("%d recovery codes", len(codes))
	}
	return secret, codes
}

func TestStepUpKeepsWhatWasTyped(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	r.get("/account").post("/act", "reason", "x").want(200, "/")
	h.pass(6 * time.Minute)
	r.get("/account")
	old := r.csrf
	r.post("/act", "reason", `stolen & "gone"`, "password", "secret-in-a-form").want(401, "/act", "confirm that it is you", `name="reason" value="stolen &amp; &#34;gone&#34;"`)
	if strings.Contains(r.page, "secret-in-a-form") || h.acted.Load() != 1 {
		t.Errorf("a secret is shown again, or the act was carried out %d times", h.acted.Load())
	}
	r.post("/act", "reason", "y", "confirm", "wrong").want(401, "/act", "That is wrong", `name="reason" value="y"`)
	r.post("/act", "reason", "y", "confirm", sentence).want(200, "/")
	if h.acted.Load() != 2 || h.typed.Load() != "y|" {
		t.Errorf("the act was carried out %d times, last with %q", h.acted.Load(), h.typed.Load())
	}
	if r.get("/account"); r.csrf == old {
		t.Error("the session has the token of before the factor was given again")
	}
	h.pass(6 * time.Minute)
	r.do("POST", "/api/v1/act", "application/json", "{}").want(401, "/api/v1/act", `"code":"error.step_up"`)
	r.do("POST", "/api/v1/session/confirm", "application/json", `{"confirm":"wrong"}`).want(401, "/api/v1/session/confirm", `"code":"code.wrong"`)
	r.do("POST", "/api/v1/session/confirm", "application/json", `{"confirm":"`+sentence+`"}`).want(200, "/api/v1/session/confirm", `"csrf"`)
	r.get("/account").do("POST", "/api/v1/act", "application/json", "{}").want(200, "/api/v1/act")
	h.pass(6 * time.Minute)
	r.get("/account/password").want(401, "/account/password", `name="next" value="/account/password"`)
	r.post("/account/confirm", "next", "//evil.example", "confirm", sentence).want(200, "/")
	r.get("/account/password").want(200, "/account/password")
}

var pathRun = regexp.MustCompile(`M(\d+) (\d+)h(\d+)`)

// TestAuthenticatorsReadTheCode: a reader that did not draw it reads from the picture what an authenticator must be told.
func TestAuthenticatorsReadTheCode(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	r.get("/account/factor/new").post("/account/factor/begin").want(200, "/account/factor/new")
	size := 0
	if _, err := fmt.Sscanf(regexp.MustCompile(`viewBox="0 0 \d+`).FindString(r.page), `viewBox="0 0 %d`, &size); err != nil {
		t.Fatal(err)
	}
	const module = 4
	picture := image.NewGray(image.Rect(0, 0, size*module, size*module))
	draw.Draw(picture, picture.Bounds(), image.White, image.Point{}, draw.Src)
	for _, m := range pathRun.FindAllStringSubmatch(r.page, -1) {
		var x, y, n int
		if _, err := fmt.Sscan(m[1]+" "+m[2]+" "+m[3], &x, &y, &n); err != nil {
			t.Fatal(err)
		}
		draw.Draw(picture, image.Rect(x*module, y*module, (x+n)*module, (y+1)*module), image.Black, image.Point{}, draw.Src)
	}
	bits, err := gozxing.NewBinaryBitmapFromImage(picture)
	if err != nil {
		t.Fatal(err)
	}
	read, err := qrcode.NewQRCodeReader().Decode(bits, nil)
	if err != nil {
		t.Fatal(err)
	}
	key, err := otp.NewKeyFromURL(read.GetText())
	if err != nil || key.Secret() != strings.ReplaceAll(secretOf.FindStringSubmatch(r.page)[1], " ", "") || key.AccountName() != "Chen" || key.Issuer() != "Stockade" || key.Type() != "totp" {
		t.Errorf("it reads %q, %v", read.GetText(), err)
	}
}

func TestSignInWithSecondFactor(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	secret, codes := r.enrol()
	h.pass(time.Hour)
	in := h.reader()
	in.get("/login").post("/login", "username", "chen", "password", sentence, "next", "/account").want(200, "/login/code")
	in.get("/account").want(200, "/login") // half a sign-in is none
	in.get("/login/code").want(200, "/login/code")
	in.post("/login/code", "code", "000000", "next", "/account").want(401, "/login/code", "The code is wrong")
	code := h.code(secret)
	in.post("/login/code", "code", code, "next", "/account").want(200, "/account", "My account", "password and code")

	second := h.reader()
	second.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/login/code")
	second.post("/login/code", "code", code).want(401, "/login/code", "was used")
	second.post("/login/code", "code", codes[0]).want(200, "/")
	third := h.reader() // without the cookie of a waiting sign-in
	third.get("/login/code").want(200, "/login")
	third.post("/login/code", "code", codes[1]).want(401, "/login/code", "was not completed")

	for status, reads := range map[int]string{401: "x", 200: codes[2]} { // a fresh act takes a code, not the password
		h.pass(6 * time.Minute)
		second.get("/account").post("/act", "confirm", sentence).want(401, "/act", "authenticator")
		if second.post("/act", "confirm", reads); second.status != status {
			t.Errorf("step-up with %q: %d", reads, second.status)
		}
	}
}

func TestEnrolBeforeAnythingElse(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	h.needs.Store(true)
	r.get("/").want(200, "/account/factor/new", "Your role needs a second factor")
	r.get("/account").want(200, "/account/factor/new")
	r.get("/people").want(200, "/account/factor/new")
	r.do("POST", "/api/v1/act", "application/json", "{}").want(403, "/api/v1/act", `"code":"error.must_enrol"`)
	r.post("/act").want(200, "/account/factor/new")
	if h.acted.Load() != 0 {
		t.Error("the act was carried out")
	}
	r.enrol()
	r.get("/").want(200, "/")
}

func TestPeople(t *testing.T) {
	h := newHouse(t)
	boss := h.first()
	boss.get("/people/new").post("/people/new", "name", "王 五", "display", "五", "role", "seller", "role", "auditor", "warehouses", "SHA，BJ", "disabled", "1", "password", "chosen by the boss").want(200, "/people/new", "Activation code")
	code := regexp.MustCompile(`activation mono">([A-Z0-9-]+)<`).FindStringSubmatch(boss.page)[1]
	a, err := h.people.Account(t.Context(), "王 五")
	if err != nil || a.Disabled || !a.Waiting || !slices.Equal(a.Roles, []string{"auditor", "seller"}) || !slices.Equal(a.Warehouses, []string{"BJ", "SHA"}) {
		t.Errorf("account %+v, %v", a, err)
	}
	boss.get("/people").want(200, "/people", "王 五", "not activated", "Auditor")
	boss.get("/people/new").post("/people/new", "name", "王 五").want(409, "/people/new", "there is an account of this name")
	wang := h.reader()
	wang.get("/activate").post("/activate", "code", code, "password", "short").want(422, "/activate", "at least 12")
	wang.post("/activate", "code", "AAAA", "password", sentence+"!").want(401, "/activate", "wrong, used or too old")
	wang.post("/activate", "code", code, "password", "ten red boats went home").want(200, "/")
	boss.get("/people").get("/people/person/"+url.PathEscape("王 五")).want(200, "/people/person/王 五", `value="seller" checked`)
	boss.post("/people/change", "name", "王 五", "role", "finance").want(200, "/people/person/王 五", `value="finance" checked`)
	boss.post("/people/disable", "name", "Chen").want(409, "/people/disable", "your own account")

	// Disabled while an event stream is open whose handler never looks: it ends at once, long before its next beat.
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.server.address+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := wang.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stream := bufio.NewReader(res.Body)
	if line, err := stream.ReadString('\n'); err != nil || line != ": \n" {
		t.Fatalf("the stream begins with %q, %v", line, err)
	}
	boss.post("/people/disable", "name", "王 五").want(200, "/people/person/王 五", "disabled")
	rest, err := io.ReadAll(stream)
	if err != nil || !strings.Contains(string(rest), "event: end") {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	wang.get("/").want(200, "/login")
	wang.post("/login", "username", "王 五", "password", "ten red boats went home").want(401, "/login", "wrong")
	disabled := wang.page
	wang.post("/login", "username", "王 六", "password", "ten red boats went home").want(401, "/login")
	if plain(disabled) != plain(strings.ReplaceAll(wang.page, "王 六", "王 五")) {
		t.Error("a disabled account and none are answered differently")
	}
	h.pass(6 * time.Minute)
	boss.get("/people").post("/people/enable", "name", "王 五").want(401, "/people/enable", "confirm that it is you", `name="name" value="王 五"`)
}

// plain is a page without what differs from one to the next.
func plain(page string) string { return csrfOf.ReplaceAllString(page, "") }

func TestOwnSessionsAndPassword(t *testing.T) {
	h := newHouse(t)
	r, second := h.first(), h.reader()
	second.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/")
	r.get("/account").want(200, "/account", "End all others")
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindStringSubmatch(r.page)[1]
	r.post("/account/sessions/end", "id", "made-up").want(404, "/account/sessions/end")
	r.post("/account/sessions/end", "id", id).want(200, "/account")
	second.get("/").want(200, "/login")
	second.post("/login", "username", "Chen", "password", sentence).want(200, "/")
	r.get("/account/password").post("/account/password", "old", "wrong", "new", "ten red boats went home").want(422, "/account/password", "present password is wrong")
	r.post("/account/password", "old", sentence, "new", "ten red boats went home").want(200, "/account", "Your password was changed")
	second.get("/").want(200, "/login")
	r.post("/account/notices", "upto", "999", "next", "/account").want(200, "/account")
	if strings.Contains(r.page, "/account/notices") {
		t.Error("what the person has seen is shown again")
	}
	r.get("/account").post("/logout").want(200, "/login")
	r.get("/account").want(200, "/login")
}

// TestPasswordThatIsTooOld: by the rules of 等级保护 a password grows old; then nothing goes on before it is changed.
func TestPasswordThatIsTooOld(t *testing.T) {
	h := newHouseBy(t, identity.Dengbao)
	code, err := h.people.FirstCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := h.reader()
	r.get("/first").want(200, "/first", "At least 10 characters", "At least 3 of", "none of your last 5")
	r.post("/first", "code", code, "username", "Chen", "password", "sevenlampsoverthequay").want(422, "/first", "at least 3 of")
	const first, second = "Seven lamps, 1 quay", "Nine boats, 2 rivers"
	r.post("/first", "code", code, "username", "Chen", "password", first).want(200, "/")
	h.pass(identity.Dengbao.Change + time.Hour)
	r.get("/").want(200, "/login").post("/login", "username", "Chen", "password", first).want(200, "/")
	r.get("/account").want(200, "/account", "Your password is due")
	r.get("/people").want(200, "/people", "password overdue")
	h.pass(identity.Dengbao.Grace)
	r.get("/").want(200, "/login").post("/login", "username", "Chen", "password", first).want(200, "/account/password", "Your password is too old")
	r.get("/people").want(200, "/account/password")
	r.do("POST", "/api/v1/act", "application/json", "{}").want(403, "/api/v1/act", `"code":"error.must_change"`)
	r.get("/account/password").post("/account/password", "old", first, "new", first).want(422, "/account/password", "used before")
	r.post("/account/password", "old", first, "new", second).want(200, "/account")
	r.get("/").want(200, "/")
}

package web

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
)

func done(v *Visit) error { return v.SendString("done") }

// tokenOf is what forms of the session "good" carry, see Visit.CSRF.
func tokenOf(session string) string {
	sum := sha256.Sum256([]byte("stockade csrf\x00" + session))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestGuardsOfEveryRequest(t *testing.T) {
	routes := []Route{{Method: "POST", Path: "/act", Permission: "x.act", Handler: done}, {Method: "POST", Path: "/api/v1/act", Permission: "x.act", Handler: done},
		{Method: "GET", Path: "/page", Permission: "x.read", Handler: done}}
	t.Run("without uploads", func(t *testing.T) { guards(t, serve(t, Limits{}, routes...), "") })
	routes = append(routes, Route{Method: "POST", Path: "/file", Permission: "x.act", Handler: done, Upload: 1 << 20}) // all bodies are streams then
	t.Run("with uploads", func(t *testing.T) { guards(t, serve(t, Limits{}, routes...), strings.Repeat("x", 70_000)) })
}

// guards tries all guards; large is what is sent of a body that is too large.
func guards(t *testing.T, s *served, large string) {
	const cookie, form, asJSON = "Cookie: __Host-session-test=good\r\n", "Content-Type: application/x-www-form-urlencoded\r\n", "Content-Type: application/json\r\n"
	host := "Host: " + s.address + "\r\n"
	good := "csrf=" + tokenOf("good")
	header := "X-CSRF-Token: " + tokenOf("good") + "\r\n"
	for name, c := range map[string]struct {
		head, body string
		want       int
	}{
		"signed in":            {"GET /page HTTP/1.1\r\n" + host + cookie, "", 200},
		"not signed in":        {"GET /page HTTP/1.1\r\n" + host, "", 303},
		"another's cookie":     {"GET /page HTTP/1.1\r\n" + host + "Cookie: __Host-session-other=good\r\n", "", 303},
		"compressed":           {"POST /act HTTP/1.1\r\n" + host + cookie + form + "Content-Encoding: gzip\r\n", good, 415},
		"compressed sign-in":   {"POST /login HTTP/1.1\r\n" + host + form + "Content-Encoding: deflate\r\n", "x=y", 415},
		"too large":            {"POST /act HTTP/1.1\r\n" + host + cookie + form + "Content-Length: 70000\r\n", large, 413},
		"a form in parts":      {"POST /act HTTP/1.1\r\n" + host + cookie + header + "Content-Type: multipart/form-data; boundary=x\r\n", "--x\r\nContent-Disposition: form-data; name=csrf\r\n\r\nx\r\n--x--\r\n", 200},
		"name in certificate":  {"GET /healthz HTTP/1.1\r\nHost: depot.example\r\n", "", 200},
		"foreign name":         {"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n", "", 421},
		"no host":              {"GET /healthz HTTP/1.1\r\n", "", 400},
		"two hosts":            {"GET /healthz HTTP/1.1\r\n" + host + host, "", 400},
		"bare CR in a header":  {"GET /healthz HTTP/1.1\r\n" + host + "X: a\rY: b\r\n", "", 400},
		"form with token":      {"POST /act HTTP/1.1\r\n" + host + cookie + form, good, 200},
		"form without token":   {"POST /act HTTP/1.1\r\n" + host + cookie + form, "a=b", 403},
		"token of another":     {"POST /act HTTP/1.1\r\n" + host + cookie + form, "csrf=" + tokenOf("bad"), 403},
		"token in the address": {"POST /act?" + good + " HTTP/1.1\r\n" + host + cookie + form, "a=b", 403},
		"from another site":    {"POST /act HTTP/1.1\r\n" + host + cookie + form + "Sec-Fetch-Site: cross-site\r\n", good, 403},
		"from another origin":  {"POST /act HTTP/1.1\r\n" + host + cookie + form + "Origin: https://evil.example\r\n", good, 403},
		"from our own origin":  {"POST /act HTTP/1.1\r\n" + host + cookie + form + "Origin: https://" + s.address + "\r\n", good, 200},
		"program":              {"POST /api/v1/act HTTP/1.1\r\n" + host + cookie + asJSON + header, "{}", 200},
		"program as form":      {"POST /api/v1/act HTTP/1.1\r\n" + host + cookie + form + header, good, 415},
		"program, no token":    {"POST /api/v1/act HTTP/1.1\r\n" + host + cookie + asJSON, "{}", 403},
		"sign-out, no token":   {"POST /logout HTTP/1.1\r\n" + host + cookie + form, "a=b", 403},
		"sign-in, no token":    {"POST /login HTTP/1.1\r\n" + host + form, "username=a&password=b", 403},
		"change by GET":        {"GET /act HTTP/1.1\r\n" + host + cookie, "", 405},
		"unknown method":       {"DELETE /page HTTP/1.1\r\n" + host + cookie + form, good, 405},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := s.say(t, c.head, c.body)
			if res.StatusCode != c.want {
				t.Fatalf("%d, want %d: %.300s", res.StatusCode, c.want, body)
			}
			for k, v := range map[string]string{"Referrer-Policy": "same-origin", "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"} {
				if got := res.Header.Get(k); got != v && res.StatusCode != 400 {
					t.Errorf("%s is %q", k, got)
				}
			}
			if policy := res.Header.Get("Content-Security-Policy"); strings.Contains(policy, "unsafe") || !strings.Contains(policy, "default-src 'none'") {
				t.Errorf("content policy %q", policy)
			}
		})
	}
}

// TestAFaultEndsOneRequest: a fault in a handler is told in general words and with a number to look it up by, and the program goes on. What
// the fault was stands in the log alone.
func TestAFaultEndsOneRequest(t *testing.T) {
	s := serve(t, Limits{}, Route{Method: "GET", Path: "/fault", Permission: "x.read", Handler: func(*Visit) error { panic("the cellar key hangs behind the door") }},
		Route{Method: "GET", Path: "/api/v1/fault", Permission: "x.read", Handler: func(*Visit) error { return errors.New("the cellar key hangs behind the door") }},
		Route{Method: "GET", Path: "/page", Permission: "x.read", Handler: done})
	head := " HTTP/1.1\r\nHost: " + s.address + "\r\nCookie: __Host-session-test=good\r\n"
	for _, path := range []string{"/fault", "/api/v1/fault"} {
		res, body := s.say(t, "GET "+path+head, "")
		if number := regexp.MustCompile(`[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}`).FindString(body); res.StatusCode != 500 || strings.Contains(body, "cellar") || strings.Contains(body, "goroutine") || number == "" {
			t.Errorf("GET %s: %d %.500s", path, res.StatusCode, body)
		}
	}
	if res, _ := s.say(t, "GET /page"+head, ""); res.StatusCode != 200 {
		t.Errorf("after a fault: %d", res.StatusCode)
	}
}

func TestCookiesOfAReader(t *testing.T) {
	s := serve(t, Limits{})
	res, body := s.say(t, "GET /login HTTP/1.1\r\nHost: "+s.address+"\r\n", "")
	cookies := res.Cookies()
	if len(cookies) != 1 || cookies[0].Name != "__Host-visitor-test" {
		t.Fatalf("cookies %v", cookies)
	}
	if c := cookies[0]; !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || !c.Expires.IsZero() || c.MaxAge != 0 {
		t.Errorf("cookie %v", c)
	}
	if !strings.Contains(body, tokenOf(cookies[0].Value)) || strings.Contains(body, cookies[0].Value) {
		t.Error("the form does not carry the token of the cookie, or shows the cookie itself")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	s := serve(t, Limits{})
	s.tls.MaxVersion = tls.VersionTLS12
	if err := s.dial(t).HandshakeContext(t.Context()); err == nil {
		t.Error("TLS 1.2 was spoken")
	}
}

// ends waits until the server has closed the connection, whatever it says before.
func ends(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection was left open")
	}
}

func TestSlowClientsAreCut(t *testing.T) {
	s := serve(t, Limits{Read: 200 * time.Millisecond, Idle: 200 * time.Millisecond})
	for name, said := range map[string]string{"handshake": "", "head": "GET / HTTP/1.1\r\nHost: x", "body": "POST /login HTTP/1.1\r\nHost: " + s.address + "\r\nContent-Length: 100\r\n\r\nuser"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := s.dial(t)
			if said == "" { // not even a handshake
				ends(t, conn.NetConn())
				return
			}
			if _, err := io.WriteString(conn, said); err != nil {
				t.Fatal(err)
			}
			ends(t, conn)
		})
	}
}

func TestStreamOutlivesTheWriteLimit(t *testing.T) {
	limits := Limits{Read: 200 * time.Millisecond, Write: 200 * time.Millisecond, Beat: 20 * time.Millisecond}
	s := serve(t, limits, Route{Method: "GET", Path: "/events", Permission: "station.use", Guest: func(*Visit) identity.Person { return identity.Person{Station: "dock"} }, Handler: func(v *Visit) error {
		return v.Stream(func(ctx context.Context, s *Stream) error {
			for start := time.Now(); time.Since(start) < 4*limits.Write; {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-s.Beat:
					if err := s.Live(); err != nil {
						return err
					}
				}
			}
			return s.Send("late", "", "still here")
		})
	}})
	if _, body := s.say(t, "GET /events HTTP/1.1\r\nHost: "+s.address+"\r\n", ""); !strings.Contains(body, "event: late\ndata: \"still here\"") {
		t.Errorf("the stream was cut: %.200q", body)
	}
}

func TestRouteWithoutPermissionStopsTheProgram(t *testing.T) {
	_, err := New(Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}, People: doorman{}}, Site{Routes: []Route{{Method: "GET", Path: "/x", Handler: done}}})
	if err == nil || !strings.Contains(err.Error(), "states no permission") {
		t.Errorf("error %v", err)
	}
}

// TestWhatOneNeedsOnlyThatOneHas: the camera is for the page that asks for it, WebAssembly for workers.
func TestWhatOneNeedsOnlyThatOneHas(t *testing.T) {
	s := serve(t, Limits{}, Route{Method: "GET", Path: "/page", Permission: "x.read", Handler: done}, Route{Method: "GET", Path: "/camera", Permission: "x.read", Handler: done, Camera: true})
	own, err := loadAssets(someAssets)
	if err != nil {
		t.Fatal(err)
	}
	address := func(name string) string {
		p, err := own.path(name)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for path, want := range map[string]struct {
		camera, wasm bool
		mime         string
	}{
		"/page":                        {mime: "text/plain; charset=utf-8"},
		"/camera":                      {camera: true, mime: "text/plain; charset=utf-8"},
		address("reader.worker.js"):    {wasm: true, mime: "text/javascript; charset=utf-8"},
		address("reader.wasm"):         {mime: "application/wasm"},
		address("base.js"):             {mime: "text/javascript; charset=utf-8"},
		"/assets/unknown.worker.js":    {mime: "text/html; charset=utf-8"},
		"/camera/and/something/beyond": {mime: "text/html; charset=utf-8"},
	} {
		res, _ := s.say(t, "GET "+path+" HTTP/1.1\r\nHost: "+s.address+"\r\nCookie: __Host-session-test=good\r\n", "")
		policy, permissions := res.Header.Get("Content-Security-Policy"), res.Header.Get("Permissions-Policy")
		if got := strings.Contains(policy, "'wasm-unsafe-eval'"); got != want.wasm || !strings.HasPrefix(policy, "default-src 'none'; script-src 'self'") {
			t.Errorf("%s: content policy %q", path, policy)
		}
		if got := strings.Contains(permissions, "camera=(self)"); got != want.camera || !want.camera && !strings.Contains(permissions, "camera=()") || !strings.Contains(permissions, "microphone=()") {
			t.Errorf("%s: permissions %q", path, permissions)
		}
		if !strings.Contains(permissions, "publickey-credentials-get=()") || !strings.Contains(permissions, "publickey-credentials-create=()") {
			t.Errorf("%s may use passkeys: %q", path, permissions)
		}
		if got := res.Header.Get("Content-Type"); got != want.mime {
			t.Errorf("%s: %q, want %q", path, got, want.mime)
		}
	}
}

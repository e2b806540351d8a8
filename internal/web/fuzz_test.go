package web

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/change"
)

// FuzzRequest: whatever a client sends, forms and JSON included, is answered without a fault of the server's, and with
// the headers that keep a page safe.
func FuzzRequest(f *testing.F) {
	const head = "Host: localhost\r\nCookie: __Host-session-test=good\r\n"
	for _, s := range []string{
		"GET /login HTTP/1.1\r\n" + head + "\r\n",
		"GET /login?next=//evil.example HTTP/1.1\r\nHost: evil.example\r\n\r\n",
		"POST /form HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n\r\ncsrf=x&text=%ff+%e",
		"POST /json HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nX-CSRF-Token: x\r\nContent-Length: 14\r\n\r\n{\"text\":\"\\ud8\"}",
		"POST /json HTTP/1.1\r\n" + head + "Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
		"POST /language HTTP/1.1\r\nHost: localhost\r\nOrigin: null\r\nContent-Length: 7\r\n\r\nlang=en",
		"POST /login/code HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-signin-test=x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\ncode=%00+-1",
		"POST /activate HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n\r\ncode=a&password=%f",
		"POST /people/change HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 35\r\n\r\nname=%ff&role=a&role=%00&confirm=%f",
		"GET /people/person/%ff%2f HTTP/1.1\r\n" + head + "\r\n",
		"POST /account/password HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\nold=a&new=b",
		"POST /api/v1/session/confirm HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"confirm\":\"x\"}",
		"POST /login/code HTTP/1.1\r\nHost: localhost\r\nCookie: __Host-signin-test=x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 20\r\n\r\npasskey=%7B%22id%22%",
		"POST /api/v1/login/passkey HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nX-CSRF-Token: x\r\nContent-Length: 2\r\n\r\n{}",
		"POST /api/v1/account/passkey HTTP/1.1\r\n" + head + "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n[]",
		"POST /account/passkey/new HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n\r\nname=%00&passkey=x",
		"POST /account/pin HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 18\r\n\r\npin=1&pin_again=%f",
		"POST /people/badge HTTP/1.1\r\n" + head + "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\nname=%00",
		"HEAD /assets/..%2f..%2fx HTTP/1.0\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	// The token of the fuzzed session, so that what lies behind the guard is reached as well.
	token := (&Visit{token: "good"}).CSRF()
	// The person whom the doorman lets in has no account, as one whose account went meanwhile.
	v, err := vault.Open(f.Context(), vault.Options{Path: filepath.Join(f.TempDir(), "people.db"), Key: vault.Key{1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = v.Close() })
	accounts, err := identity.Open(f.Context(), v, identity.Options{PasskeyDomain: "localhost", Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	if err != nil {
		f.Fatal(err)
	}
	srv, err := New(Options{TLS: &tls.Config{MinVersion: tls.VersionTLS13}, People: doorman{}, Accounts: accounts, Manage: true, Instance: "test", Brand: "brand.edge", Log: slog.New(slog.NewTextHandler(io.Discard, nil))},
		Site{Routes: []Route{
			{Method: "POST", Path: "/form", Permission: Public, Handler: func(v *Visit) error { return v.SendString(v.Form("text")) }},
			{Method: "POST", Path: "/json", Permission: Public, Handler: func(v *Visit) error {
				var body struct {
					Text  string
					Count int64
				}
				if err := v.ReadJSON(&body); err != nil {
					return err
				}
				if !utf8.ValidString(body.Text) {
					panic("JSON gave a text that is none")
				}
				return v.JSON(body)
			}},
		}})
	if err != nil {
		f.Fatal(err)
	}
	handle := srv.app.Handler()
	f.Fuzz(func(t *testing.T, raw []byte) {
		var req fasthttp.Request
		if req.ReadLimitBody(bufio.NewReader(bytes.NewReader(raw)), 64<<10) != nil {
			return // the server's own parser has refused it
		}
		for range 2 {
			var c fasthttp.RequestCtx
			c.Init(&req, nil, nil)
			handle(&c)
			if status := c.Response.StatusCode(); status >= 500 && status != fasthttp.StatusNotImplemented {
				t.Fatalf("%q is answered with %d %s", raw, status, c.Response.Body())
			}
			if !slices.Contains(fiber.DefaultMethods, string(req.Header.Method())) {
				continue // Fiber itself has refused it, in one line of plain text
			}
			for _, name := range []string{"Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy"} {
				if len(c.Response.Header.Peek(name)) == 0 {
					t.Fatalf("%q is answered without %s", raw, name)
				}
			}
			req.Header.Set("X-CSRF-Token", token)
			req.Header.Set("Origin", "https://localhost")
		}
	})
}

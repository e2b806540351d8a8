package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stockade/internal/identity"
	"stockade/internal/pki"
)

const patience = 30 * time.Second

// doorman lets one token in and knows nobody's password.
type doorman struct{}

func (doorman) Empty(context.Context) (bool, error) { return false, nil }
func (doorman) Begin(context.Context, string, string, string, identity.From) (identity.Session, error) {
	return identity.Session{}, identity.ErrNotEmpty
}
func (doorman) SignIn(context.Context, string, string, identity.From) (identity.Session, error) {
	return identity.Session{}, identity.ErrWrong
}
func (doorman) Person(_ context.Context, token string, _ bool) (identity.Person, error) {
	if token == "good" {
		return identity.Person{Account: "wang"}, nil
	}
	return identity.Person{}, nil
}
func (doorman) SignOut(context.Context, string, identity.From) error { return nil }

// someAssets are a site's own files.
var someAssets = fstest.MapFS{"reader.worker.js": {Data: []byte("onmessage = null;")}, "reader.wasm": {Data: []byte("\x00asm")}}

// served is a running server.
type served struct {
	address string
	tls     *tls.Config // of a client
}

func serve(t *testing.T, limits Limits, routes ...Route) *served {
	t.Helper()
	return serveWith(t, Options{People: doorman{}, Limits: limits}, routes...)
}

func serveWith(t *testing.T, opt Options, routes ...Route) *served {
	t.Helper()
	return serveSite(t, opt, Site{Routes: routes, Assets: someAssets})
}

func serveSite(t *testing.T, opt Options, site Site) *served {
	t.Helper()
	authority, err := pki.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewServerKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := authority.IssueServer([]string{"127.0.0.1", "depot.example"}, &key.PublicKey, time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := pki.Pair(key, cert, authority.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	opt.TLS, opt.Instance, opt.Brand, opt.Log = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, "test", "brand.edge", slog.New(slog.NewTextHandler(t.Output(), nil))
	srv, err := New(opt, site)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return &served{ln.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pki.Pool(authority.Certificate()), ServerName: "127.0.0.1"}}
}

// say sends a request byte for byte and returns the answer. A body in it must be announced.
func (s *served) say(t *testing.T, head string, body string) (*http.Response, string) {
	t.Helper()
	conn := s.dial(t)
	if body != "" && !strings.Contains(head, "Transfer-Encoding") && !strings.Contains(head, "Content-Length") {
		head += fmt.Sprintf("Content-Length: %d\r\n", len(body))
	}
	if _, err := io.WriteString(conn, head+"Connection: close\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	method, _, _ := strings.Cut(head, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func (s *served) dial(t *testing.T) *tls.Conn {
	t.Helper()
	raw, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.address)
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(raw, s.tls)
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// chunked is a body of so many bytes, as it is sent in chunks.
func chunked(n int) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, strings.Repeat("x", n)) }

// Package attachments_test cuts the power of a real hub while a file is on its way to it.
package attachments_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stockade/test/rig"
)

const (
	password = "lanterns over the seventh quay"
	address  = "/files/new?kind=item&id=SCREW"
)

var csrfOf = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]*)"`)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// reader is a browser without scripts.
type reader struct {
	*testing.T
	*http.Client
	base string
}

func newReader(t *testing.T, base string) *reader {
	jar, err := cookiejar.New(nil)
	must(t, err)
	return &reader{t, &http.Client{Jar: jar, Timeout: rig.Patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}}}, base} // #nosec G402 -- certificates are other tests' subject
}

func (r *reader) ask(method, path, kind string, body io.Reader) (int, string, http.Header) {
	r.Helper()
	req, err := http.NewRequestWithContext(r.Context(), method, r.base+path, body)
	must(r.T, err)
	req.Header.Set("Content-Type", kind)
	req.Header.Set("Accept-Language", "en")
	res, err := r.Do(req)
	must(r.T, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	must(r.T, err)
	return res.StatusCode, string(b), res.Header
}

func (r *reader) token(path string) string {
	r.Helper()
	status, text, _ := r.ask(http.MethodGet, path, "", nil)
	m := csrfOf.FindStringSubmatch(text)
	if m == nil {
		r.Fatalf("GET %s: %d without a form", path, status)
	}
	return m[1]
}

func (r *reader) post(page string, fields url.Values) int {
	r.Helper()
	fields.Set("csrf", r.token(page))
	status, _, _ := r.ask(http.MethodPost, page, "application/x-www-form-urlencoded", strings.NewReader(fields.Encode()))
	return status
}

// form is a form with a file.
func (r *reader) form(name, contents string) (kind, body string) {
	r.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	must(r.T, w.WriteField("csrf", r.token(address)))
	must(r.T, w.WriteField("category", "contract"))
	part, err := w.CreateFormFile("file", name)
	must(r.T, err)
	_, err = io.WriteString(part, contents)
	must(r.T, err)
	must(r.T, w.Close())
	return w.FormDataContentType(), b.String()
}

func TestAKilledHubKeepsNoHalfFile(t *testing.T) {
	ctx := t.Context()
	all, err := rig.New(t.TempDir())
	must(t, err)
	t.Cleanup(all.Close)
	hub, err := all.NewHub(ctx, rig.HubOptions{})
	must(t, err)
	must(t, hub.Start(ctx))
	line, err := hub.Process.Line(ctx, "one-time code")
	must(t, err)
	_, code, _ := strings.Cut(line, "one-time code: ")
	at, err := hub.Addresses()
	must(t, err)
	r := newReader(t, at.Pages)
	if status := r.post("/first", url.Values{"code": {strings.TrimSpace(code)}, "username": {"chen"}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("first account: %d", status)
	}
	_, err = hub.CLI(ctx, "item", "add", "--sku", "SCREW", "--name", "M3")
	must(t, err)
	text := strings.Repeat("一行文字，加密之后谁也读不到。\n", 20_000) // 900 KB
	kind, body := r.form("whole.txt", text)
	status, _, head := r.ask(http.MethodPost, address, kind, strings.NewReader(body))
	if status != http.StatusSeeOther {
		t.Fatalf("a file: %d", status)
	}
	whole := strings.TrimPrefix(head.Get("Location"), "/files/file/") + ".age"

	if _, page, _ := r.ask(http.MethodGet, head.Get("Location"), "", nil); !strings.Contains(page, `href="/item/SCREW"`) {
		t.Errorf("no way from the file to its item: %s", page)
	}
	folder := filepath.Join(hub.Data(), "attachments")
	half(t, r, strings.TrimPrefix(at.Pages, "https://"), func() (bool, error) {
		list, err := filepath.Glob(filepath.Join(folder, "*.upload"))
		if err != nil || len(list) == 0 {
			return false, err
		}
		info, err := os.Stat(list[0])
		return err == nil && info.Size() > 200_000, err
	})
	hub.Process.Kill()
	names := in(t, folder)
	if len(names) != 2 {
		t.Fatalf("the kill has left %v: nothing was tried", names)
	}
	for _, n := range names {
		b, err := os.ReadFile(filepath.Join(folder, n))
		must(t, err)
		if bytes.Contains(b, []byte("一行文字")) {
			t.Errorf("%s can be read by whoever takes the disk", n)
		}
	}
	must(t, hub.Start(ctx))
	if names := in(t, folder); len(names) != 1 || names[0] != whole {
		t.Errorf("after the start there are %v, want %s", names, whole)
	}
	out, err := hub.CLI(ctx, "attachment", "check", "--lang", "en")
	if err != nil || !strings.Contains(string(out), "all files hold: 1 files") {
		t.Errorf("the check: %s %v", out, err)
	}
	// a bit of the disk turns: the check says which file, and nothing of it is shown
	path := filepath.Join(folder, whole)
	b, err := os.ReadFile(path)
	must(t, err)
	b[len(b)/2] ^= 4
	must(t, os.WriteFile(path, b, 0o600))
	if out, err := hub.CLI(ctx, "attachment", "check", "--lang", "en"); err == nil || !strings.Contains(fmt.Sprint(string(out), err), "whole.txt") {
		t.Errorf("the check of a damaged file: %s %v", out, err)
	}
	at, err = hub.Addresses()
	must(t, err)
	r = newReader(t, at.Pages)
	if status := r.post("/login", url.Values{"username": {"chen"}, "password": {password}}); status != http.StatusSeeOther {
		t.Fatalf("sign in: %d", status)
	}
	if status, text, _ := r.ask(http.MethodGet, "/files/view/"+strings.TrimSuffix(whole, ".age"), "", nil); status != http.StatusConflict || !strings.Contains(text, "damaged or lost") || strings.Contains(text, "一行文字") {
		t.Errorf("a damaged file: %d %.300s", status, text)
	}
}

func in(t *testing.T, folder string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// half sends a part of a file and waits until it is being written.
func half(t *testing.T, r *reader, at string, written func() (bool, error)) {
	t.Helper()
	kind, body := r.form("half.txt", strings.Repeat("一行文字，断电时还没有传完。\n", 20_000))
	u, err := url.Parse(r.base)
	must(t, err)
	var cookies []string
	for _, c := range r.Jar.Cookies(u) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	ctx, cancel := context.WithTimeout(t.Context(), rig.Patience)
	defer cancel()
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true}}).DialContext(ctx, "tcp", at) // #nosec G402 -- as above
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", address, at, strings.Join(cookies, "; "), kind, len(body), body[:len(body)*2/3])
	must(t, err)
	must(t, rig.Until(ctx, "half a file", written))
}

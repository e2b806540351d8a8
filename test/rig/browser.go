package rig

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// Browser is a reader of pages with a cookie jar.
type Browser struct {
	Base   string
	client *http.Client
	csrf   string
}

// NewBrowser reads pages below base. authority is a file with the certificate that it trusts; empty
// trusts whatever certificate is shown, for tests that look at something else.
func NewBrowser(base, authority string) (*Browser, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS13}
	if authority != "" {
		pem, err := os.ReadFile(authority) // #nosec G304 -- a file of the test's own
		if err != nil {
			return nil, err
		}
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", authority)
		}
	} else {
		settings.InsecureSkipVerify = true // #nosec G402 -- the certificate is another test's subject
	}
	return &Browser{Base: base, client: &http.Client{Jar: jar, Timeout: Patience, Transport: &http.Transport{TLSClientConfig: settings, MaxIdleConnsPerHost: 4}}}, nil
}

var csrfField = regexp.MustCompile(`name="csrf" (?:content|value)="([^"]*)"`)

// Get reads a page.
func (b *Browser) Get(ctx context.Context, path string) (string, error) {
	res, err := b.do(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return "", err
	}
	if m := csrfField.FindStringSubmatch(res); m != nil {
		b.csrf = m[1]
	}
	return res, nil
}

// First makes the first account with the one-time code.
func (b *Browser) First(ctx context.Context, code, name, password string) error {
	return b.form(ctx, "/first", url.Values{"code": {code}, "username": {name}, "password": {password}})
}

// SignIn signs in.
func (b *Browser) SignIn(ctx context.Context, name, password string) error {
	return b.form(ctx, "/login", url.Values{"username": {name}, "password": {password}})
}

func (b *Browser) form(ctx context.Context, path string, fields url.Values) error {
	if _, err := b.Get(ctx, path); err != nil {
		return err
	}
	fields.Set("csrf", b.csrf)
	_, err := b.do(ctx, http.MethodPost, path, "application/x-www-form-urlencoded", []byte(fields.Encode()))
	return err
}

// Cookies returns the values of the cookies that the program has given, among them the session's token.
func (b *Browser) Cookies() (values []string) {
	at, err := url.Parse(b.Base)
	if err != nil {
		return nil
	}
	for _, c := range b.client.Jar.Cookies(at) {
		values = append(values, c.Value)
	}
	return values
}

// JSON asks the API; body nil is a GET.
func (b *Browser) JSON(ctx context.Context, path string, body, to any) error {
	method, kind := http.MethodGet, ""
	var raw []byte
	if body != nil {
		var err error
		if raw, err = json.Marshal(body); err != nil {
			return err
		}
		method, kind = http.MethodPost, "application/json"
	}
	text, err := b.do(ctx, method, path, kind, raw)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(text), to)
}

func (b *Browser) do(ctx context.Context, method, path, kind string, body []byte) (string, error) {
	req, err := http.NewRequestWithContext(ctx, method, b.Base+path, bytes.NewReader(body))
	if err != nil {
		return "", err
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		req.Header.Set("X-CSRF-Token", b.csrf)
	}
	res, err := b.client.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 400 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, path, res.Status, text)
	}
	return string(text), err
}

// Feedback is what a station says about a scan.
type Feedback struct {
	Number      int64           `json:"number"`
	Outcome     string          `json:"outcome"`
	Code        string          `json:"code"`
	Raw         []byte          `json:"raw"`
	Scan        json.RawMessage `json:"scan"`
	Movement    string          `json:"movement"`
	Sentence    string          `json:"sentence"`
	BusinessDay string          `json:"business_day"`
	Time        time.Time       `json:"time"`
}

// Scans returns what a station has dealt with after a scan number.
func (b *Browser) Scans(ctx context.Context, station string, after int64) ([]Feedback, error) {
	var out []Feedback
	for {
		var page struct {
			Scans []Feedback `json:"scans"`
			More  bool       `json:"more"`
		}
		if err := b.JSON(ctx, fmt.Sprintf("/api/v1/stations/%s/scans?after=%d", station, after), nil, &page); err != nil {
			return nil, err
		}
		out = append(out, page.Scans...)
		if !page.More || len(page.Scans) == 0 {
			return out, nil
		}
		after = page.Scans[len(page.Scans)-1].Number
	}
}

// Follow sends what a station says to a channel, from scan number after on, until the stream or ctx ends.
func (b *Browser) Follow(ctx context.Context, station string, after int64, to chan<- Feedback) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.Base+"/station/"+station+"/events", nil)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	req.Header.Set("Last-Event-ID", fmt.Sprint(after))
	client := *b.client
	client.Timeout = 0
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("events of %s: %s", station, res.Status)
	}
	return readEvents(ctx, res.Body, to)
}

func readEvents(ctx context.Context, from io.Reader, to chan<- Feedback) error {
	event := ""
	lines := newLines(from)
	for {
		line, err := lines()
		if err != nil {
			return err
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || event != "scan" {
			continue
		}
		var f Feedback
		if err := json.Unmarshal([]byte(data), &f); err != nil {
			return err
		}
		select {
		case to <- f:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// newLines returns a function that reads line after line, however long.
func newLines(from io.Reader) func() (string, error) {
	buf, chunk := []byte{}, make([]byte, 32<<10)
	return func() (string, error) {
		for {
			if i := bytes.IndexByte(buf, '\n'); i >= 0 {
				line := strings.TrimRight(string(buf[:i]), "\r")
				buf = buf[i+1:]
				return line, nil
			}
			n, err := from.Read(chunk)
			buf = append(buf, chunk[:n]...)
			if err != nil {
				return "", errors.Join(err)
			}
			if len(buf) > 1<<20 {
				return "", errors.New("a line of more than 1 MiB")
			}
		}
	}
}

// ScannerReady reports whether a station's scanner is listened to.
func (b *Browser) ScannerReady(ctx context.Context, station string) (bool, error) {
	var state struct {
		Devices []struct {
			Kind string `json:"kind"`
			Good bool   `json:"good"`
		} `json:"devices"`
	}
	if err := b.JSON(ctx, "/api/v1/stations/"+station, nil, &state); err != nil {
		return false, err
	}
	for _, d := range state.Devices {
		if d.Kind == "scanner" {
			return d.Good, nil
		}
	}
	return false, nil
}

package web

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

// formOf is a form in parts, its file last.
func formOf(file string, fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		fmt.Fprintf(&b, "--line\r\nContent-Disposition: form-data; name=%q\r\n\r\n%s\r\n", fields[i], fields[i+1])
	}
	fmt.Fprintf(&b, "--line\r\nContent-Disposition: form-data; name=\"camera\"; filename=\"\"\r\nContent-Type: application/octet-stream\r\n\r\n\r\n")
	fmt.Fprintf(&b, "--line\r\nContent-Disposition: form-data; name=\"file\"; filename=\"合同.pdf\"\r\nContent-Type: text/html\r\n\r\n%s\r\n--line--\r\n", file)
	return b.String()
}

// take says what it was given: name, a field, size and hash of the file.
func take(v *Visit) error {
	u := v.Upload()
	if u == nil || u.File == nil {
		return v.SendString("no file, note " + v.Form("note"))
	}
	sum := sha256.New()
	n, err := io.Copy(sum, u.File)
	if err != nil {
		return err
	}
	return v.SendString(fmt.Sprintf("%s %s %d %s", u.Name, v.Form("note"), n, hex.EncodeToString(sum.Sum(nil))))
}

func TestUploads(t *testing.T) {
	read := false
	s := serve(t, Limits{Read: time.Second}, Route{Method: "POST", Path: "/file", Permission: "x.act", Handler: take, Upload: 1 << 20},
		Route{Method: "POST", Path: "/deaf", Permission: "x.act", Handler: func(v *Visit) error { return Fail(http.StatusConflict, "error.bad_request") }, Upload: 1 << 20},
		Route{Method: "POST", Path: "/never", Permission: "x.act", Handler: func(*Visit) error { read = true; return nil }, Upload: 1 << 20})
	file := strings.Repeat("一二三\n", 60_000)
	sum := sha256.Sum256([]byte(file))
	want := fmt.Sprintf("合同.pdf 三年 %d %x", len(file), sum)
	csrf := tokenOf("good")
	host, cookie, parts := "Host: "+s.address+"\r\n", "Cookie: __Host-session-test=good\r\n", "Content-Type: multipart/form-data; boundary=line\r\n"
	good := formOf(file, "csrf", csrf, "note", " 三年 ")
	for name, c := range map[string]struct {
		head, body string
		want       int
		text       string
	}{
		"a file":                       {"POST /file HTTP/1.1\r\n" + host + cookie + parts, good, 200, want},
		"in chunks":                    {"POST /file HTTP/1.1\r\n" + host + cookie + parts + "Transfer-Encoding: chunked\r\n", fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good), 200, want},
		"token in the head":            {"POST /file HTTP/1.1\r\n" + host + cookie + parts + "X-CSRF-Token: " + csrf + "\r\n", formOf(file, "note", "三年"), 200, want},
		"no file":                      {"POST /file HTTP/1.1\r\n" + host + cookie + parts, "--line\r\nContent-Disposition: form-data; name=csrf\r\n\r\n" + csrf + "\r\n--line\r\nContent-Disposition: form-data; name=note\r\n\r\nx\r\n--line--\r\n", 200, "no file, note x"},
		"a plain form":                 {"POST /file HTTP/1.1\r\n" + host + cookie + "Content-Type: application/x-www-form-urlencoded\r\n", "note=x&csrf=" + csrf, 200, "no file, note x"},
		"a large plain form":           {"POST /file HTTP/1.1\r\n" + host + cookie + "Content-Type: application/x-www-form-urlencoded\r\n", "note=" + strings.Repeat("x", 70_000) + "&csrf=" + csrf, 413, ""},
		"large, in chunks":             {"POST /file HTTP/1.1\r\n" + host + cookie + "Content-Type: application/x-www-form-urlencoded\r\nTransfer-Encoding: chunked\r\n", chunked(70_000), 413, ""},
		"no token":                     {"POST /never HTTP/1.1\r\n" + host + cookie + parts, formOf(file, "note", "x"), 403, ""},
		"token behind the file":        {"POST /never HTTP/1.1\r\n" + host + cookie + parts, strings.TrimSuffix(formOf(file), "--line--\r\n") + formOf("", "csrf", csrf), 403, ""},
		"another's token":              {"POST /never HTTP/1.1\r\n" + host + cookie + parts, formOf(file, "csrf", tokenOf("bad")), 403, ""},
		"nobody":                       {"POST /never HTTP/1.1\r\n" + host + parts, formOf("x", "csrf", csrf), 403, ""},
		"nobody, large":                {"POST /never HTTP/1.1\r\n" + host + parts, good, 413, ""},
		"elsewhere":                    {"POST /File HTTP/1.1\r\n" + host + cookie + parts, good, 413, ""},
		"a form without end":           {"POST /never HTTP/1.1\r\n" + host + cookie + parts, "--line\r\nContent-Disposition: form-data; name=csrf\r\n\r\n" + strings.Repeat("x", 70_000), 413, ""},
		"a thousand fields":            {"POST /never HTTP/1.1\r\n" + host + cookie + parts, strings.Repeat("--line\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n", 1000), 400, ""},
		"no form":                      {"POST /never HTTP/1.1\r\n" + host + cookie + parts, "hello", 403, ""},
		"too large":                    {"POST /file HTTP/1.1\r\n" + host + cookie + parts, formOf(strings.Repeat("x", 2<<20), "csrf", csrf), 413, ""},
		"an answer before it was read": {"POST /deaf HTTP/1.1\r\n" + host + cookie + parts, good, 409, ""},
	} {
		t.Run(name, func(t *testing.T) {
			res, body := s.say(t, c.head, c.body)
			if res.StatusCode != c.want || c.text != "" && body != c.text {
				t.Errorf("%d, want %d: %.200s", res.StatusCode, c.want, body)
			}
		})
	}
	if read {
		t.Error("a handler was asked that must not be")
	}
	t.Run("a line that stands still", func(t *testing.T) {
		conn := s.dial(t)
		if _, err := io.WriteString(conn, "POST /file HTTP/1.1\r\n"+host+cookie+parts+"Content-Length: 500000\r\n\r\n"+good[:4000]); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode != http.StatusRequestTimeout {
			t.Fatalf("%v %v", res, err)
		}
		ends(t, conn)
	})
	t.Run("the next request", func(t *testing.T) { // on one connection, behind a file that nobody has read
		conn := s.dial(t)
		in := bufio.NewReader(conn)
		for _, c := range []struct {
			path string
			want int
		}{{"/deaf", 409}, {"/file", 200}, {"/file", 200}} {
			if _, err := io.WriteString(conn, "POST "+c.path+" HTTP/1.1\r\n"+host+cookie+parts+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(good))+good); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(in, nil)
			if err != nil || res.StatusCode != c.want {
				t.Fatalf("%s: %v %v", c.path, res, err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
		}
	})
}

// TestUploadsAreNotHeld: a large file passes through without being held in memory.
func TestUploadsAreNotHeld(t *testing.T) {
	const size = 100 << 20
	most := uint64(0)
	s := serve(t, Limits{}, Route{Method: "POST", Path: "/file", Permission: "x.act", Upload: size, Handler: func(v *Visit) error {
		n, b := 0, make([]byte, 1<<20)
		var m runtime.MemStats
		for {
			k, err := io.ReadFull(v.Upload().File, b)
			if n += k; err != nil {
				break
			}
			if n>>20%10 == 0 {
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
		}
		return v.SendString(fmt.Sprint(n))
	}})
	conn := s.dial(t)
	head := formOf("", "csrf", tokenOf("good"))
	head, tail := head[:strings.LastIndex(head, "\r\n--line--")], "\r\n--line--\r\n"
	var before runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	go func() {
		_, _ = io.WriteString(conn, "POST /file HTTP/1.1\r\nHost: "+s.address+"\r\nCookie: __Host-session-test=good\r\nContent-Type: multipart/form-data; boundary=line\r\n"+fmt.Sprintf("Content-Length: %d\r\n\r\n", len(head)+size+len(tail))+head)
		piece := bytes.Repeat([]byte("x"), 1<<20)
		for range size >> 20 {
			if _, err := conn.Write(piece); err != nil {
				return
			}
		}
		_, _ = io.WriteString(conn, tail)
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil || string(body) != fmt.Sprint(size) {
		t.Fatalf("%s %v", body, err)
	}
	if most > before.HeapAlloc+size/3 {
		t.Errorf("%d MiB in use while a file of %d passes", most>>20, size>>20)
	}
}

// broken gives some bytes and then fails.
type broken struct{ n int }

func (b *broken) Read(p []byte) (int, error) {
	if b.n == 0 {
		return 0, errors.New("damaged")
	}
	b.n--
	return copy(p, "some bytes"), nil
}

func (*broken) Close() error { return nil }

func TestFilesThatPeopleBring(t *testing.T) {
	s := serve(t, Limits{}, Route{Method: "GET", Path: "/file", Permission: "x.read", Handler: func(v *Visit) error {
		return v.File(File{Name: "合同 \"1\"\r\n.pdf", Type: "application/pdf", Inline: true, Body: io.NopCloser(strings.NewReader("<script>alert(1)</script>"))})
	}}, Route{Method: "GET", Path: "/broken", Permission: "x.read", Handler: func(v *Visit) error {
		return v.File(File{Name: "a.txt", Type: "text/plain", Body: &broken{3}})
	}})
	head := " HTTP/1.1\r\nHost: " + s.address + "\r\nCookie: __Host-session-test=good\r\n"
	res, body := s.say(t, "GET /file"+head, "")
	if body != "<script>alert(1)</script>" {
		t.Errorf("%q", body)
	}
	for k, want := range map[string]string{"Content-Type": "application/pdf", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin", "Cache-Control": "no-store",
		"Content-Disposition": `inline; filename="----1---.pdf"; filename*=UTF-8''%E5%90%88%E5%90%8C%20%221%22%0D%0A.pdf`, "Content-Security-Policy": filePolicy} {
		if got := res.Header.Get(k); got != want {
			t.Errorf("%s is %q, want %q", k, got, want)
		}
	}
	conn := s.dial(t)
	if _, err := io.WriteString(conn, "GET /broken"+head+"\r\n"); err != nil {
		t.Fatal(err)
	}
	if res, err := http.ReadResponse(bufio.NewReader(conn), nil); err == nil {
		if b, err := io.ReadAll(res.Body); err == nil {
			t.Errorf("a part passes for the whole: %q", b)
		}
	}
}

func TestRoutesThatTakeFiles(t *testing.T) {
	for _, r := range []Route{{Method: "GET", Path: "/a", Upload: 1}, {Method: "POST", Path: "/a/:id", Upload: 1}, {Method: "POST", Path: "/api/v1/a", Upload: 1}, {Method: "POST", Path: "/a", Upload: -1}} {
		r.Permission, r.Handler = "x.act", done
		if r.check() == nil {
			t.Errorf("%+v is taken", r)
		}
	}
}

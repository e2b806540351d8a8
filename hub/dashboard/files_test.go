package dashboard

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stockade/hub/attachments"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// cabinet is a Hub's files: one of each look, of an item.
type cabinet struct{ filed []string }

const fileLimit = 100_000

func (c *cabinet) FileLimit() int64              { return fileLimit }
func (c *cabinet) FileKinds() []attachments.Kind { return attachments.Kinds(nil) }
func (c *cabinet) Subject(_ context.Context, _ identity.Person, kind, id string) (attachments.Subject, attachments.Kind, error) {
	for _, k := range c.FileKinds() {
		if k.Name == kind && id == hostileText {
			return attachments.Subject{Kind: kind, ID: id, Link: itemLink(oddSKU)}, k, nil
		}
	}
	return attachments.Subject{}, attachments.Kind{}, web.NotFound()
}
func (c *cabinet) row(id string) FileRow {
	f := FileRow{ID: id, Of: c.FileKinds()[0], Subject: attachments.Subject{Kind: "item", ID: hostileText, Link: itemLink(oddSKU)}, Category: "invoice", Number: hostileText, Note: hostileText, Name: hostileText,
		Type: "text/plain", Look: attachments.Text, Size: 5000, Hash: "abc", Account: hostileText, AddedAt: then}
	switch id {
	case "picture":
		f.Type, f.Look = "image/png", attachments.Picture
	case "document":
		f.Type, f.Look = "application/pdf", attachments.Document
	case "workbook":
		f.Look = attachments.Nothing
	case "gone":
		f.DeletedAt, f.DeletedBy, f.Why = then, hostileText, hostileText
	}
	return f
}
func (c *cabinet) Files(_ context.Context, _ identity.Person, q FileQuery, see func(FileRow) bool) (page FilePage, err error) {
	for _, id := range []string{"picture", "document", "text", "workbook", "gone"} {
		if f := c.row(id); see(f) {
			page.Rows = append(page.Rows, f)
		}
	}
	page.Next = "1.x"
	return page, nil
}
func (c *cabinet) File(_ context.Context, _ identity.Person, id string) (FileRow, error) {
	if id == "none" {
		return FileRow{}, web.NotFound()
	}
	return c.row(id), nil
}
func (c *cabinet) AddFile(_ context.Context, _ identity.Person, m attachments.Meta, r io.Reader) (string, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return "", err
	}
	if len(b) < 10 {
		return "", web.Fail(http.StatusUnprocessableEntity, "file.refused_macros")
	}
	c.filed = append(c.filed, fmt.Sprintf("%s %s %s %s %s %d", m.Kind, m.Category, m.Number, m.Note, m.Name, len(b)))
	return "text", nil
}
func (c *cabinet) OpenFile(_ context.Context, _ identity.Person, id, act string, _ []access.TemporaryID) (io.ReadCloser, error) {
	c.filed = append(c.filed, act+" "+id)
	return io.NopCloser(strings.NewReader(hostileText + "\n第二行")), nil
}
func (c *cabinet) DeleteFile(_ context.Context, _ identity.Person, id, reason string) error {
	if reason == "" {
		return web.Fail(http.StatusUnprocessableEntity, "file.need_reason")
	}
	c.filed = append(c.filed, "delete "+id)
	return nil
}

// parts is a form with a file as a browser sends it.
func parts(t *testing.T, file string, fields ...string) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if file != "" {
		f, err := w.CreateFormFile("file", "合同.pdf")
		if err == nil {
			_, err = io.WriteString(f, file)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.String()
}

const newFile = "/files/new?id=%3Cb+onmouseover%3Dx%3E%22%27%3D1%2B1%3C%2Fb%3E&kind=item"

// upload posts a form with a file.
func (b *browser) upload(path, kind, body string) (int, string, http.Header) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.at+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", kind)
	res, err := b.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(text), res.Header
}

func (b *browser) csrf(page string) string {
	b.Helper()
	_, text, _ := b.do(http.MethodGet, page, nil)
	m := csrfField.FindStringSubmatch(text)
	if m == nil {
		b.Fatalf("%s has no csrf field", page)
	}
	return m[1]
}

func TestFilesAreAdded(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	csrf := b.csrf(newFile)
	fields := []string{"csrf", csrf, "category", "invoice", "number", " FP-7 ", "note", "给\"财务\"", "warehouse", ""}
	for what, c := range map[string]struct {
		path, file string
		want       int
		text       string
	}{
		"a file":         {newFile, strings.Repeat("x", 50_000), 303, ""},
		"a refused one":  {newFile, "short", 422, "宏"},
		"none":           {newFile, "", 422, "请选择文件"},
		"too large":      {newFile, strings.Repeat("x", 2<<20), 413, "最大 98 KB"},
		"of nothing":     {"/files/new?kind=item&id=none", "long enough", 404, ""},
		"of no kind":     {"/files/new?kind=none&id=1", "long enough", 404, ""},
		"of no subject":  {"/files/new", "long enough", 404, ""},
		"to a warehouse": {newFile, "warehouse BJS", 303, ""},
	} {
		f := fields
		if what == "to a warehouse" {
			f = append(append([]string{}, fields[:8]...), "warehouse", "BJS")
		}
		kind, body := parts(t, c.file, f...)
		status, text, h := b.upload(c.path, kind, body)
		if status != c.want || !strings.Contains(text, c.text) {
			t.Errorf("%s: %d, want %d saying %q", what, status, c.want, c.text)
		}
		if c.want == 303 && h.Get("Location") != "/files/file/text" {
			t.Errorf("%s leads to %s", what, h.Get("Location"))
		}
		if c.path == newFile && c.want > 400 && !(strings.Contains(text, `value="FP-7"`) && strings.Contains(text, `value="给&#34;财务&#34;"`) && strings.Contains(text, `value="invoice" selected`)) {
			t.Errorf("%s: what was typed is lost", what)
		}
	}
	kind, body := parts(t, "long enough", append(append([]string{}, fields[:8]...), "warehouse", "NOWHERE")...)
	if status, _, _ := b.upload(newFile, kind, body); status != 404 {
		t.Errorf("a warehouse that is none: %d", status)
	}
	kind, body = parts(t, "long enough", "csrf", "wrong")
	if status, _, _ := b.upload(newFile, kind, body); status != http.StatusForbidden {
		t.Errorf("without the token: %d", status)
	}
	for _, want := range []string{`item invoice FP-7 给"财务" 合同.pdf 50000`, `item invoice FP-7 给"财务" 合同.pdf 13`} {
		if !strings.Contains(strings.ReplaceAll(strings.Join(m.filed, "|"), "item "+hostileText, "item"), want) {
			t.Errorf("filed %q, want %q", m.filed, want)
		}
	}
}

func TestFilesAreShown(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	for path, want := range map[string]int{"/files/view/workbook": 404, "/files/view/gone": 404, "/files/view/none": 404, "/files/content/text": 404, "/files/content/gone": 404, "/files/content/workbook": 404, "/files/content/none": 404} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != want {
			t.Errorf("%s: %d, want %d", path, status, want)
		}
	}
	if len(m.filed) != 0 {
		t.Errorf("recorded %q", m.filed)
	}
	if status, page, _ := b.do(http.MethodGet, "/files/view/text", nil); status != 200 || !strings.Contains(page, "&lt;b onmouseover=x&gt;") || strings.Contains(page, "<b onmouseover") {
		t.Errorf("a text: %d", status)
	}
	if status, page, _ := b.do(http.MethodGet, "/files/view/document", nil); status != 200 || !strings.Contains(page, `data-document="/files/content/document"`) || !strings.Contains(page, `data-part="GBK-EUC-H.bcmap"`) {
		t.Errorf("a document: %d", status)
	}
	for _, id := range []string{"picture", "document"} {
		status, body, h := b.do(http.MethodGet, "/files/content/"+id, nil)
		if status != 200 || !strings.HasPrefix(body, hostileText) || h.Get("Content-Type") != m.cabinet.row(id).Type || h.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(h.Get("Content-Disposition"), "inline; ") ||
			!strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("contents of a %s: %d %v", id, status, h)
		}
	}
	if status, body, h := b.post("/files/file/text", "/files/download/text", url.Values{}); status != 200 || !strings.HasPrefix(body, hostileText) || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment; ") {
		t.Errorf("a download: %d %v", status, h)
	}
	if status, _, _ := b.post("/files/file/text", "/files/download/gone", url.Values{}); status != 404 {
		t.Errorf("a download of what is gone: %d", status)
	}
	if status, _, _ := b.post("/files/file/text", "/files/delete/text", url.Values{"reason": {"x"}}); status != http.StatusUnauthorized {
		t.Errorf("destroyed without a fresh factor: %d", status)
	}
	if got := strings.Join(m.filed, "|"); got != "attachment.viewed text|attachment.viewed picture|attachment.viewed document|attachment.downloaded text" {
		t.Errorf("recorded %s", got)
	}
}

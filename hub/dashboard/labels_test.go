package dashboard

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/preview"
	"stockade/internal/web"
)

const evil = `</script><script>x</script><img src=x onerror=y>"'{{.}}`

// shelf is a template of the company's own, whose words try to be markup.
func shelf() label.Template {
	t := label.Standard()[2]
	t.ID, t.Name, t.NameEN = "shelf", evil, evil
	t.Elements[0].Content = "{bin!} " + evil
	return t
}

func (m *memory) Labels(context.Context) ([]LabelRow, error) {
	if m.empty {
		return nil, nil
	}
	rows := []LabelRow{}
	for _, t := range append(label.Standard(), shelf()) {
		rows = append(rows, LabelRow{ID: t.ID, Name: t.Name, NameEN: t.NameEN, Kind: t.Kind, Width: t.Width, Height: t.Height, State: "standard"})
	}
	rows[6].State, rows[6].Version, rows[6].By, rows[6].At = "own", 3, "boss <i>", then
	return append(rows, LabelRow{ID: "old", Name: "旧", NameEN: "old", Kind: label.Bin, State: "withdrawn", Version: 2, By: "boss", At: then}), nil
}

func (m *memory) Label(_ context.Context, id string, version int64) (LabelDoc, error) {
	if version > 3 {
		return LabelDoc{}, web.NotFound()
	}
	for _, t := range append(label.Standard(), shelf()) {
		if t.ID == id {
			d := LabelDoc{LabelRow: LabelRow{ID: id, Name: t.Name, NameEN: t.NameEN, Kind: t.Kind, State: "standard"}, Template: t, Shown: version}
			if id == "shelf" {
				d.State, d.Version, d.More = "own", 3, true
				d.Versions = []LabelVersion{{3, true, "boss <i>", then}, {2, false, "li", then}, {1, true, "li", then}}
			}
			return d, nil
		}
	}
	if id == "old" {
		return LabelDoc{LabelRow: LabelRow{ID: id, Name: id, State: "withdrawn", Version: 2}, Template: label.Template{ID: id, Name: id}, Versions: []LabelVersion{{2, false, "li", then}}}, nil
	}
	return LabelDoc{}, web.NotFound()
}

func (m *memory) PutLabel(_ context.Context, l LabelPut, by identity.Person) (int64, error) {
	t, err := label.ParseTemplate(l.Body)
	if err != nil {
		return 0, err
	}
	return l.Base + 1, m.did(by, "label", l.ID, t.Name, fmt.Sprint(l.Base, l.New))
}

func (m *memory) WithdrawLabel(_ context.Context, id string, base int64, by identity.Person) error {
	return m.did(by, "withdraw", id, fmt.Sprint(base))
}

var drawer = preview.New(nil, 2)

func (m *memory) Preview(ctx context.Context, t label.Template, v label.Values, p label.Printer) ([]byte, []*label.Problem, error) {
	return drawer.Draw(ctx, t, v, p)
}

func (m *memory) LabelFont() bool { return m.empty }

// send posts JSON as the editor does.
func (b *browser) send(path, body string) (int, string, http.Header) {
	b.Helper()
	_, page, _ := b.do(http.MethodGet, "/labels", nil)
	m := csrfField.FindStringSubmatch(page)
	if m == nil {
		b.Fatal("no csrf token on the page")
	}
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.at+path, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CSRF-Token", m[1])
	res, err := b.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	got, err := io.ReadAll(res.Body)
	if err := cmp.Or(err, res.Body.Close()); err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(got), res.Header
}

func orderOf(t testing.TB, tp label.Template, more string) string {
	t.Helper()
	b, err := tp.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return `{"template":` + string(b) + more + `}`
}

func TestPreviewOfALabel(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	tp := shelf()
	size := func(body string) (int, int) {
		t.Helper()
		img, err := png.Decode(strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		return img.Bounds().Dx(), img.Bounds().Dy()
	}
	status, one, header := b.send("/api/v1/labels/preview", orderOf(t, tp, `,"values":{"bin":"A-01"}`))
	if status != http.StatusOK || header.Get("Content-Type") != "image/png" {
		t.Fatalf("%d %s: %.300s", status, header, one)
	}
	if w, h := size(one); w != 800 || h != 400 {
		t.Errorf("%d x %d", w, h)
	}
	_, two, _ := b.send("/api/v1/labels/preview", orderOf(t, tp, `,"values":{"bin":"B-02"}`))
	if one == two {
		t.Error("other values give the same picture")
	}
	_, fine, _ := b.send("/api/v1/labels/preview", orderOf(t, tp, `,"values":{"bin":"A-01"},"printer":{"language":"tspl","dpi":300}`))
	if w, _ := size(fine); w != 1200 {
		t.Errorf("%d dots at 300 dpi", w)
	}
	// Without values the sample is shown, and without a font the warning that belongs to it.
	_, _, header = b.send("/api/v1/labels/preview", orderOf(t, tp, ""))
	said, err := url.PathUnescape(header.Get(warningsHeader))
	if err != nil || !strings.Contains(said, `"element":"3"`) || !strings.Contains(said, "A 区 1 排") {
		t.Errorf("warnings %s, %v", said, err)
	}
	if status, body, header := b.do(http.MethodGet, "/labels/lot/picture", nil); status != http.StatusOK || header.Get("Content-Type") != "image/png" || !bytes.HasPrefix([]byte(body), []byte("\x89PNG")) {
		t.Errorf("picture in the list: %d %s", status, header)
	}
}

// TestHostileTemplates: whatever comes instead of a template is refused in words, and does not get near a page.
func TestHostileTemplates(t *testing.T) {
	hub := &memory{}
	b := open(t, hub)
	b.signIn()
	tp := shelf()
	bad := tp
	bad.Elements = append([]label.Element{}, tp.Elements...)
	bad.Elements[1].X = 99
	huge := tp
	huge.Width, huge.Height = 300, 300
	for _, c := range []struct {
		name, body string
		status     int
		code, say  string
	}{
		{"no JSON", `{`, 400, "error.bad_json", ""},
		{"more than JSON", orderOf(t, tp, "") + "x", 400, "error.bad_json", ""},
		{"a list", `[]`, 400, "error.bad_json", ""},
		{"NaN", `{"template":{"id":"x","width":NaN}}`, 400, "error.bad_json", ""},
		{"a number that is none", `{"template":{"id":"x","width":1e999}}`, 422, "label.template_unreadable", "不是标签模板"},
		{"an unknown setting", orderOf(t, tp, `,"colour":"red"`), 400, "error.bad_json", ""},
		{"no template", `{}`, 422, "label.template_unreadable", "不是标签模板"},
		{"null", `{"template":null}`, 422, "label.bad_id", "编号"},
		{"a text", `{"template":"` + "x" + `"}`, 422, "label.template_unreadable", ""},
		{"an unknown field", `{"template":{"id":"x","picture":"y"}}`, 422, "label.template_unreadable", ""},
		{"a deep one", `{"template":` + strings.Repeat(`[`, 9000) + strings.Repeat(`]`, 9000) + `}`, 422, "label.template_large", ""},
		{"a large one", `{"template":{"id":"x","name":"` + strings.Repeat("x", 20<<10) + `"}}`, 422, "label.template_large", "太大"},
		{"an element outside", orderOf(t, bad, ""), 422, "label.element_outside", "超出"},
		{"too large to draw", orderOf(t, huge, `,"printer":{"dpi":600}`), 422, "labels.too_large_to_show", "600"},
		{"no printer", orderOf(t, tp, `,"printer":{"language":"pcl"}`), 422, "label.bad_language", "pcl"},
		{"minus dpi", orderOf(t, tp, `,"printer":{"dpi":-5}`), 422, "label.bad_dpi", ""},
		{"nothing to say", orderOf(t, tp, `,"values":{}`), 422, "label.missing", "库位编码"},
		{"a long value", orderOf(t, tp, `,"values":{"bin":"`+strings.Repeat("x", 400)+`"}`), 422, "labels.value_long", "库位编码"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, body, _ := b.send("/api/v1/labels/preview", c.body)
			var got struct {
				Error struct {
					Code, Message string
					Args          map[string]string
				}
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != c.status || got.Error.Code != c.code || !strings.Contains(got.Error.Message, c.say) || strings.Contains(got.Error.Message, "{") && c.code != "label.bad_element_string" {
				t.Errorf("%d %v %.500s", status, err, body)
			}
			if c.code == "label.element_outside" && got.Error.Args["element"] != "2" {
				t.Errorf("about element %s", got.Error.Args["element"])
			}
			if status == 422 && strings.HasPrefix(c.code, "label.template") {
				if status, _, _ := b.send("/api/v1/labels", c.body); status != 422 || len(hub.acts) > 0 {
					t.Errorf("stored: %d, %v", status, hub.acts)
				}
			}
		})
	}
	if status, _, _ := b.send("/api/v1/labels/preview", `{"template":{"id":"`+strings.Repeat("x", 70<<10)+`"}}`); status != http.StatusRequestEntityTooLarge {
		t.Errorf("70 KiB: %d", status)
	}
}

func TestSaveALabel(t *testing.T) {
	hub := &memory{}
	b := open(t, hub)
	b.signIn()
	status, body, _ := b.send("/api/v1/labels", orderOf(t, shelf(), `,"id":"shelf","base":3`))
	if status != http.StatusOK || body != `{"id":"shelf","version":4}` || len(hub.acts) != 1 || hub.acts[0] != "label shelf "+evil+" 3 false" || hub.by.Account != "boss" {
		t.Fatalf("%d %s, did %q", status, body, hub.acts)
	}
	for _, more := range []string{`,"id":"shelf","base":-1`, `,"id":"shelf","base":1e99`, `,"id":7`} {
		if status, _, _ := b.send("/api/v1/labels", orderOf(t, shelf(), more)); status != http.StatusBadRequest || len(hub.acts) != 1 {
			t.Errorf("%s: %d", more, status)
		}
	}
	if status, _, _ := b.post("/labels/shelf", "/labels/shelf/withdraw", url.Values{"base": {"x"}}); status != http.StatusBadRequest || len(hub.acts) != 1 {
		t.Errorf("withdrawn without a base: %d", status)
	}
}

// TestLabelPages: words of a template stand on its page as words only, and what its script is given can be read.
func TestLabelPages(t *testing.T) {
	b := open(t, &memory{})
	b.signIn()
	for _, path := range []string{"/labels", "/labels/shelf", "/labels/shelf?version=2", "/labels/-/new?from=shelf"} {
		_, body, _ := b.do(http.MethodGet, path, nil)
		if strings.Contains(body, "<script>x") || strings.Contains(body, "<img src=x") || strings.Contains(body, "boss <i>") {
			t.Errorf("%s shows foreign text as markup:\n%s", path, body)
		}
		if !strings.Contains(body, "没有汉字字体") {
			t.Errorf("%s does not say that there is no font", path)
		}
		_, script, ok := strings.Cut(body, `id="label-data">`)
		if !ok {
			continue
		}
		script, _, _ = strings.Cut(script, "</script>")
		var data editorData
		if err := json.Unmarshal([]byte(script), &data); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if data.Template.Name != evil || data.New != strings.Contains(path, "new") || data.Older != strings.Contains(path, "version") || data.New && data.Template.ID != "shelf-2" {
			t.Errorf("%s gives %+v", path, data)
		}
		for k, text := range data.Texts {
			if text == "" || strings.HasPrefix(text, "labels.") || strings.HasPrefix(text, "label.") {
				t.Errorf("text %s is %q", k, text)
			}
		}
	}
	for path, want := range map[string]int{"/labels/none": 404, "/labels/shelf?version=9": 404, "/labels/shelf?version=x": 200, "/labels/-/new?from=none": 404, "/labels/-/new?kind=none": 200,
		"/labels/none/file": 404, "/labels/none/picture": 404, "/labels/old/picture": 422, "/labels/%2e%2e": 404} {
		if status, body, _ := b.do(http.MethodGet, path, nil); status != want {
			t.Errorf("%s: %d, want %d: %.200s", path, status, want, body)
		}
	}
	status, body, header := b.do(http.MethodGet, "/labels/shelf/file", nil)
	if back, err := label.ParseTemplate([]byte(body)); status != http.StatusOK || err != nil || back.Name != evil || !strings.Contains(header.Get("Content-Disposition"), `filename="label-shelf.json"`) {
		t.Errorf("exported: %d %v %s", status, err, header)
	}
}

func TestAnIDThatIsFree(t *testing.T) {
	long := strings.Repeat("a", 40)
	rows := []LabelRow{{ID: "lot"}, {ID: "lot-2"}}
	for id, want := range map[string]string{"lot": "lot-3", "bin": "bin-2", long: strings.Repeat("a", 35) + "-2"} {
		if got := freeID(id, rows); got != want || !label.ValidID(got) {
			t.Errorf("beside %s: %s", id, got)
		}
	}
}

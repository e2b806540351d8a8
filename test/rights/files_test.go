package rights_test

import (
	"bytes"
	"context"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// attach adds a text to something and returns the answer, and the file's id when it was taken.
func (r *reader) attach(t *testing.T, kind, id, warehouse string) (status int, file string) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, f := range [][2]string{{"csrf", r.csrf}, {"category", "invoice"}, {"warehouse", warehouse}, {"note", "of " + kind + " " + id}} {
		must(t, w.WriteField(f[0], f[1]))
	}
	part, err := w.CreateFormFile("file", kind+".txt")
	must(t, err)
	_, err = io.WriteString(part, "contents of "+kind+" "+id+" for "+warehouse)
	must(t, err)
	must(t, w.Close())
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+"/files/new?"+url.Values{"kind": {kind}, "id": {id}}.Encode(), &b)
	must(t, err)
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set("Accept-Language", "en")
	res, err := r.client.Do(req)
	must(t, err)
	text, err := io.ReadAll(res.Body)
	must(t, err)
	must(t, res.Body.Close())
	if res.StatusCode >= 500 {
		t.Errorf("file of %s %s: %d %.200s", kind, id, res.StatusCode, text)
	}
	return res.StatusCode, strings.TrimPrefix(res.Header.Get("Location"), "/files/file/")
}

// files: who may see what a file belongs to, and has the permission in its warehouse, may do so; for all others it is not there.
func (c *company) files(t *testing.T) {
	const item = "I-00001" // see play.Collect
	owner := c.people["operations-SHA"]
	subjects := []struct{ kind, id, warehouse, see string }{ // see: permission for the subject
		{"warehouse", "SHA", "SHA", "stock.read"},
		{"warehouse", "CTU", "CTU", "stock.read"},
		{"change", "edge-1.1.1", "SHA", "movement.read"},
		{"change", "edge-2.1.1", "CTU", "movement.read"},
		{"item", item, "", "master.read"},
		{"item", item, "SHA", "master.read"},
		{"item", item, "CTU", "master.read"},
	}
	ids := make([]string, len(subjects))
	for i, s := range subjects {
		status, id := owner.attach(t, s.kind, s.id, s.warehouse)
		if status != http.StatusSeeOther {
			t.Fatalf("file of %s %s: %d", s.kind, s.id, status)
		}
		ids[i] = id
	}
	for name, r := range c.people {
		role, own := name[:len(name)-4], name[len(name)-3:]
		for i, s := range subjects {
			// what a person may see of the subject, and do with files in the warehouse
			sees := reachOf(role, s.see) == "everywhere" || reachOf(role, s.see) == "home" && s.warehouse == own
			may := func(permission string) string {
				reach := reachOf(role, permission)
				switch {
				case reach == "":
					return "deny"
				case role == "seller" || !sees || reach == "home" && s.warehouse != "" && s.warehouse != own: // sellers: not theirs
					return "nothing"
				}
				return "allow"
			}
			for path, permission := range map[string]string{"/files/file/": "attachment.read", "/files/view/": "attachment.view", "/files/content/": "attachment.view"} {
				status, text := r.ask(t, http.MethodGet, path+ids[i], "")
				wanted := may(permission)
				if wanted == "allow" && path == "/files/content/" {
					wanted = "nothing" // a text has no address of its own
				}
				judge(t, name, "GET "+path+s.kind+" "+s.id+"@"+s.warehouse, wanted, status, text)
				if shows := strings.Contains(text, "contents of"); shows != (may(permission) == "allow" && path == "/files/view/") {
					t.Errorf("%s: %s%s %s@%s shows contents: %t", name, path, s.kind, s.id, s.warehouse, shows)
				}
			}
			status, text := r.ask(t, http.MethodPost, "/files/download/"+ids[i], url.Values{"csrf": {r.csrf}}.Encode())
			judge(t, name, "download "+s.kind+" "+s.id, may("attachment.download"), status, text)
			if role == "operations" {
				continue // they may destroy it, see below
			}
			status, text = r.ask(t, http.MethodPost, "/files/delete/"+ids[i], url.Values{"csrf": {r.csrf}, "reason": {"x"}}.Encode())
			judge(t, name, "destroy "+s.kind+" "+s.id, may("attachment.delete"), status, text)
		}
		if status, text := r.ask(t, http.MethodGet, "/files", ""); reachOf(role, "attachment.read") != "" {
			for i, s := range subjects {
				sees := reachOf(role, s.see) == "everywhere" || reachOf(role, s.see) == "home" && s.warehouse == own
				want := sees && role != "seller" && (reachOf(role, "attachment.read") == "everywhere" || s.warehouse == "" || s.warehouse == own)
				if got := strings.Contains(text, ids[i]); got != want {
					t.Errorf("%s: the list (%d) has %s %s@%s: %t, want %t", name, status, s.kind, s.id, s.warehouse, got, want)
				}
			}
		}
	}
	c.addedBy(t, item)
	c.filesOfPartners(t)
	if status, text := owner.ask(t, http.MethodPost, "/files/delete/"+ids[0], url.Values{"csrf": {owner.csrf}, "reason": {"a mistake"}}.Encode()); status != http.StatusSeeOther {
		t.Errorf("headquarters destroy a file: %d %.200s", status, text)
	}
	for _, path := range []string{"/files/view/", "/files/content/"} {
		if status, text := owner.ask(t, http.MethodGet, path+ids[0], ""); status != http.StatusNotFound || strings.Contains(text, "contents of") {
			t.Errorf("%s of a destroyed file: %d", path, status)
		}
	}
	out, err := c.Hub.CLI(context.Background(), "attachment", "check", "--lang", "en")
	if err != nil || !strings.Contains(string(out), "all files hold") {
		t.Errorf("the check: %s %v", out, err)
	}
}

// addedBy: who adds files where. What a seller adds is the seller's own.
func (c *company) addedBy(t *testing.T, item string) {
	for _, a := range []struct {
		name, kind, id, warehouse string
		want                      int
	}{
		{"branch-manager-SHA", "warehouse", "SHA", "", http.StatusSeeOther},
		{"branch-manager-SHA", "warehouse", "CTU", "SHA", http.StatusNotFound}, // the warehouse that is posted does not decide
		{"branch-manager-SHA", "item", item, "SHA", http.StatusSeeOther},
		{"branch-manager-SHA", "item", item, "CTU", http.StatusNotFound},
		{"branch-manager-SHA", "item", item, "", http.StatusNotFound},
		{"branch-manager-SHA", "change", "edge-2.1.1", "", http.StatusNotFound},
		{"warehouse-worker-SHA", "warehouse", "SHA", "", http.StatusForbidden},
		{"finance-SHA", "item", item, "", http.StatusForbidden},
		{"purchaser-SHA", "item", item, "", http.StatusSeeOther},
		{"purchaser-SHA", "change", "edge-1.1.1", "", http.StatusNotFound}, // has no movements
		{"auditor-SHA", "item", item, "", http.StatusForbidden},
		{"seller-SHA", "item", item, "", http.StatusSeeOther},
	} {
		r := c.people[a.name]
		if status, _ := r.attach(t, a.kind, a.id, a.warehouse); status != a.want {
			t.Errorf("%s adds to %s %s for %q: %d, want %d", a.name, a.kind, a.id, a.warehouse, status, a.want)
		}
	}
	_, text := c.people["seller-SHA"].ask(t, http.MethodGet, "/files", "")
	_, other := c.people["seller-CTU"].ask(t, http.MethodGet, "/files", "")
	if own := strings.Count(text, "/files/file/"); own != 1 || strings.Contains(other, "/files/file/") {
		t.Errorf("a seller's list has %d files, another's has some: %t", own, strings.Contains(other, "/files/file/"))
	}
}

// filesOfPartners: files of a customer are for who looks after it and who sees all customers, those of a supplier for who sees suppliers.
func (c *company) filesOfPartners(t *testing.T) {
	for _, p := range []struct{ kind, by, see, never string }{
		{"customer", "seller-SHA", "seller-SHA finance-SHA finance-CTU operations-CTU", "seller-CTU purchaser-SHA branch-manager-SHA"},
		{"supplier", "purchaser-SHA", "purchaser-CTU finance-SHA operations-CTU", "seller-SHA branch-manager-SHA"},
	} {
		code := c.addPartner(t, p.by, "/"+p.kind+"s", "QY"+p.kind[:1], "8501").code
		status, id := c.people[p.by].attach(t, p.kind, code, "")
		if status != http.StatusSeeOther {
			t.Fatalf("%s adds a file of a %s: %d", p.by, p.kind, status)
		}
		for names, want := range map[string]int{p.see: http.StatusOK, p.never: http.StatusNotFound} {
			for _, name := range strings.Fields(names) {
				status, text := c.people[name].ask(t, http.MethodGet, "/files/view/"+id, "")
				_, all := c.people[name].ask(t, http.MethodGet, "/files?kind="+p.kind, "")
				if status != want || strings.Contains(text, "contents of") != (want == http.StatusOK) || strings.Contains(all, id) != (want == http.StatusOK) {
					t.Errorf("%s, file of a %s: %d, in the list: %t, want %d", name, p.kind, status, strings.Contains(all, id), want)
				}
			}
		}
		if other := map[string]string{"customer": "supplier", "supplier": "customer"}[p.kind]; other != "" { // it is none of that side
			if status, _ := c.people["operations-SHA"].attach(t, other, code, ""); status != http.StatusNotFound {
				t.Errorf("a %s as a %s: %d", p.kind, other, status)
			}
		}
	}
	if status, _ := c.people["seller-CTU"].attach(t, "customer", "P00001", ""); status != http.StatusNotFound {
		t.Errorf("a seller adds to another's customer: %d", status)
	}
}

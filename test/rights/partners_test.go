package rights_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"stockade/internal/web"
)

// partner is a supplier or customer whose every value is found nowhere else.
type partner struct {
	base, code string
	values     map[string]string // by field
}

var codeOfPartner = regexp.MustCompile(`P[0-9]{5}`)

// addPartner makes a partner by the pages, its bank account by headquarters.
func (c *company) addPartner(t *testing.T, by, base, mark, digits string) partner {
	t.Helper()
	p := partner{base: base, values: map[string]string{"name": "名" + mark + "公司", "contact": "联" + mark + "人", "phone": "139" + digits + "2222", "email": "box" + mark + "@maker.example.cn",
		"address": "上海市浦东新区张江路" + mark + "号" + digits + "室", "bank_name": mark + "银行支行", "bank_account": "62220210" + digits + "77654321"}}
	post := func(who, path string, fields map[string]string) {
		form := url.Values{"csrf": {c.people[who].csrf}}
		for k, v := range fields {
			form.Set(k, v)
		}
		if status, text := c.people[who].ask(t, http.MethodPost, path, form.Encode()); status != http.StatusSeeOther {
			t.Fatalf("%s: POST %s: %d %.300s", who, path, status, text)
		}
	}
	first := map[string]string{}
	for _, k := range []string{"name", "contact", "phone", "email", "address"} {
		first[k] = p.values[k]
	}
	post(by, base, first)
	_, text := c.people[by].ask(t, http.MethodGet, "/api/v1"+base+"?q="+url.QueryEscape(p.values["name"]), "")
	p.code = codeOfPartner.FindString(text)
	post("operations-SHA", base+"/"+p.code, map[string]string{"version": "1", "bank_name": p.values["bank_name"], "bank_account": p.values["bank_account"]})
	return p
}

// open says by hand which values of whose partners a person may read anywhere; of "customer" those of seller-SHA's, of "foreign" of seller-CTU's.
var open = map[string]map[string]string{
	"seller-SHA":     {"customer": "name contact phone email address"},
	"seller-CTU":     {"foreign": "name contact phone email address"},
	"purchaser-SHA":  {"supplier": "name contact phone email address"},
	"finance-SHA":    {"customer": "name contact bank_name bank_account", "foreign": "name contact bank_name bank_account", "supplier": "name contact bank_name bank_account"},
	"operations-SHA": {"customer": "name contact bank_name bank_account", "foreign": "name contact bank_name bank_account", "supplier": "name contact bank_name bank_account"},
}

// partners: what of suppliers and customers reaches whom, at every address that there is. A value that a person may not read must be in no answer, whole or in
// its hidden part.
func (c *company) partners(t *testing.T, routes []web.Route) {
	all := map[string]partner{"customer": c.addPartner(t, "seller-SHA", "/customers", "QXA", "8101"), "foreign": c.addPartner(t, "seller-CTU", "/customers", "QXB", "8202"), "supplier": c.addPartner(t, "purchaser-SHA", "/suppliers", "QXC", "8303")}
	hidden := func(p partner, field string) string { // what a mask must not show
		return map[string]string{"phone": strings.TrimSuffix(strings.TrimPrefix(p.values["phone"], "139"), "2222") + "2222", "email": strings.TrimPrefix(p.values["email"], "b"),
			"address": strings.TrimPrefix(p.values["address"], "上海市浦东新区"), "bank_account": p.values["bank_account"][:12]}[field]
	}
	look := func(name, where, text string) {
		t.Helper()
		for which, p := range all {
			may := strings.Fields(open[name][which])
			for field, value := range p.values {
				allowed := false
				for _, m := range may {
					allowed = allowed || m == field
				}
				if !allowed && (strings.Contains(text, value) || hidden(p, field) != "" && strings.Contains(text, hidden(p, field))) {
					t.Errorf("%s: %s shows the %s of the %s", name, where, field, which)
				}
			}
		}
	}
	var addresses []string
	for _, r := range routes {
		if e := hubRoutes[r.Method+" "+r.Path]; r.Method == http.MethodGet && e.about > self {
			addresses = append(addresses, e.address(r, "edge-1", "SHA"))
		}
	}
	for _, p := range all {
		for _, base := range []string{"/customers/", "/suppliers/"} {
			addresses = append(addresses, base+p.code, base+p.code+"/edit", base+p.code+"/history", "/api/v1"+base+p.code, "/api/v1"+base+p.code+"/history")
		}
	}
	addresses = append(addresses, "/customers?state=all", "/suppliers?state=all", "/api/v1/customers?sort=phone&order=bank_account", "/exports?kind=customers", "/approvals/new")
	for _, role := range roles {
		for _, name := range []string{role + "-SHA", role + "-CTU"} {
			if role != "seller" && name != role+"-SHA" {
				continue
			}
			for _, a := range addresses {
				_, text := c.people[name].ask(t, http.MethodGet, a, "")
				look(name, "GET "+a, text)
			}
			c.guess(t, name, all)
			c.tamper(t, name, all, look)
		}
	}
	c.unmask(t, all, look)
	c.exportCustomers(t, all, look)
}

// guess searches for parts of values that a person may not read: nothing may be found by them, and no filter on them is taken.
func (c *company) guess(t *testing.T, name string, all map[string]partner) {
	for which, p := range all {
		for _, field := range []string{"phone", "email", "address", "bank_account"} {
			if strings.Contains(open[name][which], field) || name == "operations-SHA" && field == "bank_account" {
				continue
			}
			part := p.values[field][3:9]
			if field == "address" {
				part = strings.TrimPrefix(p.values[field], "上海市浦东新区张江")
			}
			for _, query := range []string{"?q=" + url.QueryEscape(part), "?state=all&q=" + url.QueryEscape(p.values[field]), "?field=" + field + "&q=" + url.QueryEscape(part)} {
				if status, text := c.people[name].ask(t, http.MethodGet, "/api/v1"+p.base+query, ""); strings.Contains(text, p.code) || status == http.StatusOK && strings.Contains(query, "field=") && strings.HasSuffix(name, "-SHA") && open[name][which] != "" {
					t.Errorf("%s: %s finds the %s by its %s: %d %.200s", name, query, which, field, status, text)
				}
			}
		}
	}
}

// tamper sends what no form of that person has. Nothing of it is taken, and the answer tells nothing.
func (c *company) tamper(t *testing.T, name string, all map[string]partner, look func(name, where, text string)) {
	r := c.people[name]
	for which, p := range all {
		at := p.base + "/" + p.code
		sees := open[name][which] != ""
		for what, form := range map[string]url.Values{
			"bank account": {"version": {"2"}, "bank_account": {"62220000111122"}}, "right bank account": {"version": {"2"}, "bank_account": {p.values["bank_account"]}},
			"right telephone": {"version": {"2"}, "phone": {p.values["phone"]}}, "keeper": {"version": {"2"}, "keeper": {name}}, "unknown field": {"version": {"2"}, "written_by": {name}},
		} {
			if name == "operations-SHA" && (strings.Contains(what, "bank") || what == "keeper") || strings.Contains(open[name][which], "phone") && (what == "right telephone" || what == "keeper") {
				continue // theirs to write
			}
			form.Set("csrf", r.csrf)
			status, text := r.ask(t, http.MethodPost, at, form.Encode())
			if status != http.StatusForbidden && (sees || status != http.StatusNotFound) {
				t.Errorf("%s: %s of the %s: %d", name, what, which, status)
			}
			look(name, "POST "+at, text)
		}
		if sees {
			continue
		}
		for _, path := range []string{at + "/unmask", at + "/erase", "/api/v1" + at + "/unmask"} {
			body := url.Values{"csrf": {r.csrf}, "field": {"phone"}, "purpose": {"delivery"}, "reason": {"let me see it"}}.Encode()
			if strings.HasPrefix(path, "/api/") {
				body = `{"field":"phone","purpose":"delivery"}`
			}
			status, text := r.ask(t, http.MethodPost, path, body)
			if status != http.StatusForbidden && status != http.StatusNotFound {
				t.Errorf("%s: POST %s: %d", name, path, status)
			}
			look(name, "POST "+path, text)
		}
	}
	if status, _ := r.ask(t, http.MethodPost, "/api/v1/customers", `{"fields":{"name":"x"},"owner":"`+name+`"}`); status != http.StatusBadRequest && status != http.StatusForbidden {
		t.Errorf("%s: an unknown member of the object: %d", name, status)
	}
}

// unmask: one value for a reason; the log says so and does not have it.
func (c *company) unmask(t *testing.T, all map[string]partner, look func(name, where, text string)) {
	hq, p := c.people["operations-SHA"], all["customer"]
	ask := func(field, purpose, reason string) (int, string) {
		return hq.ask(t, http.MethodPost, p.base+"/"+p.code+"/unmask", url.Values{"csrf": {hq.csrf}, "field": {field}, "purpose": {purpose}, "reason": {reason}}.Encode())
	}
	for _, try := range [][3]string{{"phone", "other", "why"}, {"phone", "none", "a long reason"}, {"bank_account", "payment", ""}, {"note", "payment", ""}} {
		status, text := ask(try[0], try[1], try[2])
		if status != http.StatusForbidden && status != http.StatusUnprocessableEntity {
			t.Errorf("%v: %d", try, status)
		}
		look("operations-SHA", fmt.Sprint(try), text)
	}
	status, text := ask("phone", "other", "delivery is at the gate")
	if status != http.StatusOK || !strings.Contains(text, p.values["phone"]) {
		t.Fatalf("unmask: %d %.300s", status, text)
	}
	look("operations-SHA", "what is unmasked", strings.ReplaceAll(text, p.values["phone"], ""))
	_, text = hq.ask(t, http.MethodGet, p.base+"/"+p.code, "")
	look("operations-SHA", "the page afterwards", text)
	_, text = c.people["auditor-SHA"].ask(t, http.MethodGet, "/unmaskings", "")
	if !strings.Contains(text, p.code) || !strings.Contains(text, "delivery is at the gate") {
		t.Errorf("the auditor does not see it: %.300s", text)
	}
	look("auditor-SHA", "/unmaskings", text)
	dir := filepath.Join(t.TempDir(), "export")
	_, err := c.Hub.CLI(t.Context(), "audit", "export", dir)
	must(t, err)
	found := false
	must(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path) // #nosec G304 -- in a folder of the test's own
		found = found || strings.Contains(string(b), "field.unmasked") && strings.Contains(string(b), "delivery is at the gate")
		for which, p := range all {
			for field, value := range p.values {
				if strings.Contains(string(b), value) {
					t.Errorf("the audit log has the %s of the %s", field, which)
				}
			}
		}
		return err
	}))
	if !found {
		t.Error("the audit log has no entry of it")
	}
}

// exportCustomers: what is masked stays so in the file, and what is hidden is not there.
func (c *company) exportCustomers(t *testing.T, all map[string]partner, look func(name, where, text string)) {
	hq := c.people["operations-SHA"]
	form := url.Values{"csrf": {hq.csrf}, "kind": {"customers"}, "reason": {"year's end"}}
	if status, text := hq.ask(t, http.MethodPost, "/exports/new", form.Encode()); status != http.StatusSeeOther {
		t.Fatalf("export: %d %.300s", status, text)
	}
	_, text := hq.ask(t, http.MethodGet, "/exports", "")
	id := regexp.MustCompile(`/exports/file/[A-Z0-9-]+`).FindString(text)
	status, file := hq.ask(t, http.MethodPost, id, url.Values{"csrf": {hq.csrf}, "format": {"csv"}}.Encode())
	if status != http.StatusOK || !strings.Contains(file, all["customer"].values["contact"]) || !strings.Contains(file, "139****2222") || !strings.Contains(file, all["foreign"].code) || strings.Contains(file, all["supplier"].code) {
		t.Errorf("the file: %d %.500s", status, file)
	}
	look("operations-SHA", "the file", file)
	if strings.Contains(file, all["customer"].values["bank_account"]) {
		t.Error("the file has bank accounts, which are open to be written alone")
	}
	manager := c.people["branch-manager-SHA"]
	form.Set("csrf", manager.csrf)
	if status, _ := manager.ask(t, http.MethodPost, "/exports/new", form.Encode()); status != http.StatusForbidden {
		t.Errorf("a branch manager exports customers: %d", status)
	}
}

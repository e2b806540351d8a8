package dashboard

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/hub/rights"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// office keeps the policy and its drafts in memory.
type office struct {
	mu       sync.Mutex
	editions []PolicyEdition
	drafts   map[string]rights.Draft
	staff    []rights.Person
	reviews  []Review
	items    []rights.Item
	taken    []map[string]string
	lent     map[access.Account][]access.Temporary
}

const hostile = `=HYPERLINK("http://x","<script>x")`

func (o *office) Now() time.Time { return then }

func (o *office) Policy(_ context.Context, version uint64) (PolicyEdition, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if version == 0 {
		e := PolicyEdition{Policy: access.Ready()}
		e.Version = 0
		return e, nil
	}
	if version > uint64(len(o.editions)) {
		return PolicyEdition{}, web.NotFound()
	}
	return o.editions[version-1], nil
}

func (o *office) PolicyNow(ctx context.Context) (PolicyEdition, error) {
	o.mu.Lock()
	n := len(o.editions)
	o.mu.Unlock()
	return o.Policy(ctx, uint64(n)) // #nosec G115 -- few
}

func (o *office) Policies(context.Context, int) ([]PolicyEdition, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	list := slices.Clone(o.editions)
	slices.Reverse(list)
	return list, nil
}

func (o *office) SavePolicy(ctx context.Context, p access.Policy, note string, drafted bool, by identity.Person) (uint64, error) {
	if err := rights.CheckNote(note); err != nil {
		return 0, err
	}
	now, err := o.PolicyNow(ctx)
	if err != nil {
		return 0, err
	}
	if now.Version != p.Version {
		return 0, ErrPolicyChanged
	}
	if err := rights.CheckSave(now.Policy, p, o.staff, netip.MustParseAddr("127.0.0.1"), then); err != nil {
		return 0, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if now.Version != uint64(len(o.editions)) {
		return 0, ErrPolicyChanged
	}
	p.Version++
	o.editions = append(o.editions, PolicyEdition{Policy: p, By: by.Account, At: then, Note: note})
	if d := o.drafts[by.Account]; drafted {
		o.drafts[by.Account] = rights.Draft{Rev: d.Rev + 1}
	}
	return p.Version, nil
}

func (o *office) Places(context.Context) ([]stock.Warehouse, error) {
	return []stock.Warehouse{"BJS", "SHA"}, nil
}
func (o *office) Staff(context.Context) ([]rights.Person, error) { return o.staff, nil }
func (o *office) StaffNow(context.Context) ([]rights.Person, error) {
	out := slices.Clone(o.staff)
	for i := range out {
		out[i].Temporary = o.lent[out[i].Account]
	}
	return out, nil
}

func (o *office) Draft(_ context.Context, by identity.Person) (rights.Draft, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.drafts[by.Account], nil
}

func (o *office) PutDraft(_ context.Context, d rights.Draft, by identity.Person) (uint64, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.drafts == nil {
		o.drafts = map[string]rights.Draft{}
	}
	if o.drafts[by.Account].Rev != d.Rev {
		return 0, ErrDraftChanged
	}
	d.Rev++
	o.drafts[by.Account] = d
	return d.Rev, nil
}

func (o *office) ReportTaken(_ context.Context, what map[string]string, _ identity.Person) error {
	o.taken = append(o.taken, what)
	return nil
}

func (o *office) Reviews(context.Context) ([]Review, error) { return o.reviews, nil }
func (o *office) Review(_ context.Context, id int64) (Review, []rights.Item, error) {
	for _, r := range o.reviews {
		if r.ID == id {
			return r, o.items, nil
		}
	}
	return Review{}, nil, web.NotFound()
}
func (o *office) StartReview(_ context.Context, title string, due stock.Date, _ identity.Person) (int64, error) {
	o.reviews = append(o.reviews, Review{ID: 3, Title: title, Due: due, StartedAt: then})
	o.items = rights.Questions(access.Ready(), o.staff)
	return 3, nil
}
func (o *office) AnswerReview(_ context.Context, _, item int64, verdict access.Verdict, note string, _ identity.Person) error {
	o.items[item].Verdict, o.items[item].Note = verdict, note
	return nil
}
func (o *office) CloseReview(context.Context, int64, identity.Person) error { return nil }
func (o *office) ReviewHeadquarters(context.Context, identity.Person) (bool, error) {
	return true, nil
}
func (o *office) ReviewKey() string { return "a2V5" }

func (o *office) ReviewsWaiting(context.Context, identity.Person) (int, error) { return 2, nil }
func (o *office) ReviewWaiting(context.Context, int64) ([]ReviewWait, error) {
	return []ReviewWait{{Who: hostile, Count: 5, Told: then}, {Who: "sha", Count: 1}}, nil
}

func person(name string, roles []access.RoleID, w ...stock.Warehouse) rights.Person {
	return rights.Person{Subject: access.Subject{Account: access.Account(strings.ToLower(name)), Roles: roles, Warehouses: w}, Name: name}
}

// staffed is an office with people of every sort, one of whom only can write policies.
func staffed() *memory {
	odd := person(hostile, []access.RoleID{access.Lead, access.Manager}, "BJS", "SHA") // counts and adjusts
	odd.Display, odd.Dormant = "@cmd", true
	gone := person("gone", []access.RoleID{"no-such-role"}, "SHA")
	gone.Disabled = true
	return &memory{office: office{staff: []rights.Person{person("boss", []access.RoleID{access.SecurityAdmin}), person("li", []access.RoleID{access.Worker}, "SHA"), odd, gone},
		reviews: []Review{{ID: 1, Title: "<script>x", Due: "2024-04-30", StartedAt: then, Items: 2}, {ID: 2, Title: "old", StartedAt: then, ClosedAt: then, ClosedBy: "boss", Result: []byte{1}, Hash: "ab"}},
		items: []rights.Item{{ID: 0, Account: "li", Name: "li", Role: access.Worker, Names: access.Text{ZH: "仓库员工", EN: "Warehouse worker"}, Warehouse: "SHA", Verdict: access.Undecided},
			{ID: 1, Account: "li", Name: "li", Role: access.Lead, Names: access.Text{ZH: "主管", EN: "Lead"}, Warehouse: "SHA", Verdict: access.Withdrawn, By: "boss", Note: "<script>x"}}}}
}

func rightsPages() []string {
	return []string{"/rights", "/rights/changes", "/rights/history", "/rights/history/0", "/rights/see", "/rights/see?account=li", "/rights/see?account=li&place=SHA", "/rights/see?role=auditor",
		"/rights/see?" + url.Values{"account": {hostile}}.Encode(), "/rights/why", "/rights/why?account=li&permission=stock.read", "/rights/why?account=li&permission=moon.land&place=BJS&own=1",
		"/rights/why?account=li&permission=stock.read&at=yesterday", "/rights/why?account=li&permission=stock.read&from=here", "/rights/report", "/rights/report?by=role", "/rights/report?by=permission&marked=1",
		"/rights/report?q=%3Cscript%3E", "/reviews", "/reviews/1", "/reviews/2"}
}

func TestRightsPages(t *testing.T) {
	b := open(t, staffed())
	b.signIn()
	for _, lang := range []string{"zh", "en"} {
		b.post("/", "/language", url.Values{"language": {lang}, "next": {"/"}})
		for _, path := range rightsPages() {
			status, body, _ := b.do(http.MethodGet, path, nil)
			if status != http.StatusOK || !strings.Contains(body, "</html>") {
				t.Errorf("%s %s: %d", lang, path, status)
			}
			if strings.Contains(body, "<script>x") {
				t.Errorf("%s shows foreign text as markup", path)
			}
		}
	}
	for _, path := range []string{"/rights/history/1", "/rights/history/x", "/rights/history/99999999999999999999", "/rights/see?account=nobody", "/rights/why?role=none", "/reviews/9", "/reviews/x", "/reviews/1/result"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	stranger := open(t, staffed())
	for _, path := range rightsPages() {
		if status, _, header := stranger.do(http.MethodGet, path, nil); status != http.StatusSeeOther || !strings.HasPrefix(header.Get("Location"), "/login") {
			t.Errorf("%s without sign-in: %d", path, status)
		}
	}
}

// draft sends a role as the editor's script does.
func (b *browser) draft(order string) (int, string) {
	b.Helper()
	_, page, _ := b.do(http.MethodGet, "/rights", nil)
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, b.at+"/api/v1/rights/draft", strings.NewReader(order))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-CSRF-Token", csrfField.FindStringSubmatch(page)[1])
	res, err := b.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		b.Fatal(err)
	}
	return res.StatusCode, string(body)
}

func order(base, rev int, role roleDoc) string {
	b, err := json.Marshal(map[string]any{"base": base, "rev": rev, "role": role})
	if err != nil {
		panic(err)
	}
	return string(b)
}

func readyDoc(id access.RoleID) roleDoc {
	p := access.Ready()
	return docOf(p.Roles[slices.IndexFunc(p.Roles, func(r access.Role) bool { return r.ID == id })])
}

func TestDraftsAreJudged(t *testing.T) {
	hub := staffed()
	b := open(t, hub)
	b.signIn()
	role := func(edit func(*roleDoc)) string {
		r := readyDoc(access.Worker)
		edit(&r)
		return order(0, 0, r)
	}
	many := func(r *roleDoc) {
		for range rights.MostGrants {
			r.Grants = append(r.Grants, grantDoc{P: "stock.read", Reach: 1, Whose: 1})
		}
	}
	for name, body := range map[string]string{
		"no JSON": `{`, "nothing": `{"base":0,"rev":0}`, "both": `{"base":0,"rev":0,"remove":"x","role":{"id":"x","zh":"x","en":"x","grants":[]}}`, "unknown field": `{"base":0,"rev":0,"admin":true,"remove":"x"}`,
		"id":          role(func(r *roleDoc) { r.ID = "../x" }),
		"no name":     role(func(r *roleDoc) { r.ZH = " " }),
		"long name":   role(func(r *roleDoc) { r.EN = strings.Repeat("x", rights.MostName+1) }),
		"turned name": role(func(r *roleDoc) { r.EN = "Worker\u202eninja" }),
		"zero width":  role(func(r *roleDoc) { r.ZH = "仓库\u200b员工" }),
		"line break":  role(func(r *roleDoc) { r.ZH = "仓库\n员工" }),
		"permission":  role(func(r *roleDoc) { r.Grants[0].P = "stock" }),
		"reach":       role(func(r *roleDoc) { r.Grants[0].Reach = 9 }),
		"no places":   role(func(r *roleDoc) { r.Grants[0].Reach = access.Listed }),
		"place": role(func(r *roleDoc) {
			r.Grants[0].Reach, r.Grants[0].Places = access.Listed, []stock.Warehouse{"sha; DROP"}
		}),
		"whose":        role(func(r *roleDoc) { r.Grants[0].Whose = 0 }),
		"field":        role(func(r *roleDoc) { r.Grants[0].Fields = map[access.FieldClass]access.FieldAccess{1: 9} }),
		"network":      role(func(r *roleDoc) { r.Grants[0].Nets = []string{"10.0.0.0/99"} }),
		"hours":        role(func(r *roleDoc) { r.Grants[0].Hours = []string{"9 08:00-18:00"} }),
		"no hours":     role(func(r *roleDoc) { r.Grants[0].Hours = []string{"1 08:00-08:00"} }),
		"step-up":      role(func(r *roleDoc) { r.Grants[0].StepUp = rights.MostStepUp + 1 }),
		"many grants":  role(many),
		"another base": order(1, 0, readyDoc(access.Worker)), "another revision": order(0, 4, readyDoc(access.Worker)),
	} {
		status, said := b.draft(body)
		if status < 400 || status >= 500 {
			t.Errorf("%s: %d %s", name, status, said)
		}
		if strings.Contains(said, "error.internal") || strings.Contains(said, "%!") {
			t.Errorf("%s: %s", name, said)
		}
	}
	if d := hub.drafts["boss"]; !d.Empty() || d.Rev != 0 {
		t.Errorf("kept %+v", d)
	}
	// A role of every permission with every class of fields fits into one request.
	huge := roleDoc{ID: "huge", ZH: "超大", EN: "Huge"}
	for _, g := range access.Groups() {
		for _, p := range g.Permissions {
			huge.Grants = append(huge.Grants, grantDoc{P: p.Permission, Fields: map[access.FieldClass]access.FieldAccess{1: 3, 2: 3, 3: 3, 4: 3, 5: 3, 6: 3, 7: 3, 8: 3, 9: 3}, Reach: 1, Whose: 1,
				StepUp: 600, Nets: []string{"10.1.0.0/16", "10.2.0.7"}, Hours: []string{"12345 08:00-18:00"}})
		}
	}
	if status, said := b.draft(order(0, 0, huge)); status != http.StatusOK {
		t.Fatalf("huge: %d %s", status, said)
	}
	if g := hub.drafts["boss"].Put[0].Grants[0]; g.Condition.Networks[1].String() != "10.2.0.7/32" {
		t.Errorf("an address became %v", g.Condition.Networks)
	}
	if status, _ := b.draft(`{"base":0,"rev":1,"remove":"huge"}`); status != http.StatusOK || !hub.drafts["boss"].Empty() {
		t.Errorf("%d %+v", status, hub.drafts["boss"])
	}
}

// save posts the form of the changes; the shell has no accounts here, so that the route itself can not ask for a factor.
func TestSaveReviewAndReturn(t *testing.T) {
	hub := staffed()
	d := &dashboard{hub}
	for _, r := range d.routes() {
		if strings.HasPrefix(r.Path, "/rights/save") || strings.HasPrefix(r.Path, "/rights/return") || r.Path == "/reviews" && r.Method == "POST" || r.Path == "/reviews/again" || strings.HasSuffix(r.Path, "/close") {
			if !r.Fresh {
				t.Errorf("%s asks for no factor", r.Path)
			}
		}
	}
	b := open(t, hub)
	b.signIn()
	status, body, _ := b.post("/rights/history", "/rights/save", url.Values{"rev": {"1"}, "note": {"x"}})
	if status != http.StatusUnauthorized || !strings.Contains(body, "</html>") || len(hub.editions) > 0 {
		t.Errorf("saved without a factor: %d", status)
	}
}

// TestStaleDraft: what somebody else saved meanwhile is shown beside one's own, and both survive.
func TestStaleDraft(t *testing.T) {
	hub := staffed()
	b := open(t, hub)
	b.signIn()
	mine := readyDoc(access.Worker)
	mine.Grants = append(mine.Grants, grantDoc{P: "print.decide", Reach: access.Home, Whose: access.Anyone})
	if status, said := b.draft(order(0, 0, mine)); status != http.StatusOK {
		t.Fatal(status, said)
	}
	theirs := access.Ready()
	theirs.Version = 0
	n := slices.IndexFunc(theirs.Roles, func(r access.Role) bool { return r.ID == access.Worker })
	theirs.Roles[n].Names.EN = "Picker"
	if _, err := hub.SavePolicy(t.Context(), theirs, "rename", false, identity.Person{Account: "other"}); err != nil {
		t.Fatal(err)
	}
	_, body, _ := b.do(http.MethodGet, "/rights/changes", nil)
	for _, want := range []string{"处理打印任务", "改名", "rename", `action="/rights/rebase"`} {
		if want == "改名" {
			continue // both names are the same in Chinese
		}
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, `action="/rights/save"`) {
		t.Error("it can be saved over the other's work")
	}
	if status, _, _ := b.post("/rights/changes", "/rights/rebase", url.Values{}); status != http.StatusSeeOther {
		t.Fatal(status)
	}
	now, _ := hub.PolicyNow(t.Context())
	next := hub.drafts["boss"].Apply(now.Policy)
	r := next.Roles[slices.IndexFunc(next.Roles, func(r access.Role) bool { return r.ID == access.Worker })]
	if r.Names.EN != "Picker" || !slices.ContainsFunc(r.Grants, func(g access.Grant) bool { return g.Permission == "print.decide" }) || hub.drafts["boss"].Base != 1 {
		t.Errorf("merged to %+v", r.Names)
	}
	if status, _, _ := b.post("/rights/changes", "/rights/discard", url.Values{}); status != http.StatusSeeOther || !hub.drafts["boss"].Empty() {
		t.Error("not discarded", status)
	}
}

// TestReportIsNoFormula: a hostile name is text in a spreadsheet, and the taking is recorded.
func TestReportIsNoFormula(t *testing.T) {
	hub := staffed()
	b := open(t, hub)
	b.signIn()
	for _, by := range []string{"person", "role", "permission", "<x>"} {
		status, body, header := b.do(http.MethodGet, "/rights/report.csv?by="+url.QueryEscape(by), nil)
		rows, err := csv.NewReader(bytes.NewReader([]byte(strings.TrimPrefix(body, "\ufeff")))).ReadAll()
		if err != nil || status != http.StatusOK || len(rows) < 50 || !strings.HasPrefix(header.Get("Content-Disposition"), "attachment") {
			t.Fatalf("%s: %d, %d rows, %v", by, status, len(rows), err)
		}
		found := false
		for _, row := range rows {
			for _, cell := range row {
				if cell != "" && strings.ContainsAny(cell[:1], "=+-@") {
					t.Errorf("%s: cell %q", by, cell)
				}
				found = found || strings.HasPrefix(cell, "'@cmd (=HYPERLINK")
			}
		}
		if !found {
			t.Errorf("%s: the person with the odd name is not in it", by)
		}
	}
	if len(hub.taken) != 4 || hub.taken[0]["rows"] == "" {
		t.Errorf("recorded %v", hub.taken)
	}
	_, body, _ := b.do(http.MethodGet, "/rights/report?by=person", nil)
	for _, mark := range []string{"久未登录", "职责冲突", "没有人拥有"} {
		if mark != "没有人拥有" && !strings.Contains(body, mark) {
			t.Errorf("the report by person lacks %s", mark)
		}
	}
}

// TestWhatIsLentIsShown: see-as, why and the report know what somebody has for a time, until when, and who approved it; when it has ended, too.
func TestWhatIsLentIsShown(t *testing.T) {
	hub := staffed()
	lend := func(from time.Time) {
		hub.lent = map[access.Account][]access.Temporary{"li": {{ID: "A-LENT", Reason: "stock-taking", Approver: "zhou", From: from.UnixMilli(), Until: from.Add(time.Hour).UnixMilli(),
			Grant: access.Grant{Permission: "held.decide", Scope: access.Scope{Reach: access.Everywhere, Whose: access.Anyone}}}}}
	}
	b := open(t, hub)
	b.signIn()
	page := func(path string) string {
		t.Helper()
		status, body, _ := b.do(http.MethodGet, path, nil)
		if status != http.StatusOK {
			t.Fatalf("%s: %d", path, status)
		}
		return body
	}
	shows := func(path string, want bool, texts ...string) {
		t.Helper()
		body := page(path)
		for _, text := range texts {
			if strings.Contains(body, text) != want {
				t.Errorf("%s shows %q: %t", path, text, !want)
			}
		}
	}
	const why, see, report = "/rights/why?account=li&permission=held.decide", "/rights/see?account=li", "/rights/report?by=person&q=A-LENT"
	shows(why, false, "A-LENT", "凭临时授权")
	shows(see, false, ">临时<")
	shows("/rights/report?by=person", false, "A-LENT")
	lend(then)
	end := then.Add(time.Hour).Format("2006-01-02 15:04")
	shows(why, true, "凭临时授权允许", "临时授权 A-LENT", "由 zhou 批准", "stock-taking", end)
	shows(see, true, ">临时<")
	shows(report, true, "临时授权 A-LENT（zhou 批准）", end, ">临时<")
	if csv := page("/rights/report.csv?by=permission&q=zhou"); !strings.Contains(csv, "A-LENT") || !strings.Contains(csv, end) || !strings.Contains(csv, "临时") {
		t.Errorf("the file says\n%s", csv)
	}
	lend(then.Add(-2 * time.Hour))
	shows(why, true, "临时授权 A-LENT", "临时授权已到期")
	shows(see, false, ">临时<")
	shows(report, true, "临时授权已到期")
}

func TestReviewAnswers(t *testing.T) {
	hub := staffed()
	b := open(t, hub)
	b.signIn()
	for _, form := range []url.Values{{"item": {"x"}, "verdict": {"confirmed"}}, {"item": {"0"}, "verdict": {"maybe"}}, {"item": {"0"}, "verdict": {"withdrawn"}},
		{"item": {"0"}, "verdict": {"withdrawn"}, "note": {strings.Repeat("x", mostReviewNote+1)}}, {"item": {"0"}, "verdict": {"confirmed"}, "note": {"a\x00b"}}} {
		if status, _, _ := b.post("/reviews/1", "/reviews/1/answer", form); status < 400 || status >= 500 {
			t.Errorf("%v: %d", form, status)
		}
	}
	if status, _, _ := b.post("/reviews/1", "/reviews/1/answer", url.Values{"item": {"0"}, "verdict": {"withdrawn"}, "note": {"left"}}); status != http.StatusSeeOther || hub.items[0].Verdict != access.Withdrawn {
		t.Errorf("%d %v", status, hub.items[0])
	}
	if status, body, header := b.do(http.MethodGet, "/reviews/2/result", nil); status != http.StatusOK || body != "\x01" || !strings.Contains(header.Get("Content-Disposition"), "review-2.cose") {
		t.Errorf("result: %d", status)
	}
}

// TestLargePolicy: the editor's page of 30 roles with every permission is made quickly, and holds them all.
func TestLargePolicy(t *testing.T) {
	hub := staffed()
	p := access.Ready()
	p.Version = 0
	for n := range 30 - len(p.Roles) {
		r := access.Role{ID: access.RoleID(fmt.Sprint("role-", n)), Names: access.Text{ZH: fmt.Sprint("角色", n), EN: fmt.Sprint("Role ", n)}}
		for _, g := range access.Groups() {
			for _, info := range g.Permissions {
				r.Grants = append(r.Grants, access.Grant{Permission: info.Permission, Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}})
			}
		}
		p.Roles = append(p.Roles, r)
	}
	if _, err := hub.SavePolicy(t.Context(), p, "many", false, boss); err != nil {
		t.Fatal(err)
	}
	b := open(t, hub)
	b.signIn()
	status, body, _ := b.do(http.MethodGet, "/rights", nil)
	if status != http.StatusOK || !strings.Contains(body, "角色18") || len(body) > 2<<20 {
		t.Errorf("%d, %d bytes", status, len(body))
	}
}

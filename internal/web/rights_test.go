package web

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// atHome is a role that administers the people of a warehouse, sees some of it, and confirms what is exported.
var atHome = access.Role{ID: "local-admin", Names: access.Text{ZH: "本仓管理员", EN: "Local administrator"}, Grants: []access.Grant{
	{Permission: "person.read", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}, Fields: map[access.FieldClass]access.FieldAccess{access.Name: access.Masked}},
	{Permission: "person.write", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}},
	{Permission: "stock.read", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}},
	{Permission: "stock.export", Scope: access.Scope{Reach: access.Home, Whose: access.Anyone}, Condition: access.Condition{StepUp: 600}},
}}

// newGovernedHouse is a house in which the permission model decides. The first account is a local administrator of SHA.
func newGovernedHouse(t *testing.T, settings ...func(*Options)) (h *house, desk *rights.Desk, refused *atomic.Int32) {
	t.Helper()
	v, err := vault.Open(t.Context(), vault.Options{Path: filepath.Join(t.TempDir(), "people.db"), Key: vault.Key{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	h, refused = &house{t: t}, new(atomic.Int32)
	h.people, err = identity.Open(t.Context(), v, identity.Options{Now: h.now, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }, FirstRoles: []string{"local-admin"}, FirstAt: []string{"SHA"}})
	if err != nil {
		t.Fatal(err)
	}
	policy := access.Ready()
	policy.Roles = append(policy.Roles, atHome)
	desk, err = rights.New(rights.Options{Now: h.now, Refused: func(context.Context, identity.Person, rights.Refusal) error { refused.Add(1); return nil }}, policy)
	if err != nil {
		t.Fatal(err)
	}
	one := func(v *Visit) error {
		if err := v.Check("stock.read", access.Resource{Warehouse: "CTU"}); err != nil {
			return err
		}
		return done(v)
	}
	opt := Options{People: h.people, Accounts: h.people, Manage: true, Rights: desk, Limits: Limits{Beat: time.Hour}}
	for _, set := range settings {
		set(&opt)
	}
	h.server = serveWith(t, opt,
		Route{Method: "GET", Path: "/", Permission: "stock.read", Handler: done},
		Route{Method: "GET", Path: "/ctu", Permission: "stock.read", Handler: one},
		Route{Method: "GET", Path: "/audit", Permission: "audit.read", Handler: done},
		Route{Method: "POST", Path: "/export", Permission: "stock.export", Handler: func(v *Visit) error { h.acted.Add(1); return v.See("/") }},
		Route{Method: "GET", Path: "/events", Permission: "stock.read", Handler: func(v *Visit) error {
			return v.Stream(func(ctx context.Context, s *Stream) error { <-ctx.Done(); return ctx.Err() })
		}})
	return h, desk, refused
}

func TestRightsAtTheDoor(t *testing.T) {
	h, _, refused := newGovernedHouse(t)
	boss := h.first()
	boss.get("/ctu").want(404, "/ctu") // another warehouse's does not exist
	boss.get("/audit").want(403, "/audit", "You may not do this")
	boss.get("/audit").want(403, "/audit")
	if n := refused.Load(); n != 2 {
		t.Errorf("%d refusals recorded, want one for each permission", n)
	}

	// A grant that asks for a fresh factor leads to the page that does, and the act is carried out.
	h.pass(11 * time.Minute)
	boss.post("/export", "rows", "all").want(401, "/export", `name="confirm"`, `value="all"`)
	boss.post("/export", "rows", "all", "confirm", "not it").want(401, "/export", `role="alert"`)
	if h.acted.Load() != 0 {
		t.Fatal("exported without a factor")
	}
	boss.post("/export", "rows", "all", "confirm", sentence).want(200, "/")
	if h.acted.Load() != 1 {
		t.Error("not exported with one")
	}
}

// TestUsesOfWhatIsLent: what a temporary grant opens is recorded before it is done, every act and readings once; entries about the act can name it; and nothing is
// done or shown that could not be recorded.
func TestUsesOfWhatIsLent(t *testing.T) {
	h, _, _ := newGovernedHouse(t)
	lent := func(p access.Permission, w ...stock.Warehouse) access.Temporary {
		return access.Temporary{ID: access.TemporaryID("t-" + p), Reason: "stock-taking", Approver: "li", From: h.now().UnixMilli(), Until: h.now().Add(time.Hour).UnixMilli(),
			Grant: access.Grant{Permission: p, Scope: access.Scope{Reach: access.Listed, Whose: access.Anyone, Warehouses: w}}}
	}
	grants := []access.Temporary{lent("case.read", "SHA"), lent("case.decide", "SHA"), lent("stock.read", "CTU")}
	var used []string
	var fails, doubtful atomic.Bool
	policy := access.Ready()
	policy.Roles = append(policy.Roles, atHome)
	desk, err := rights.New(rights.Options{Now: h.now, Lent: func(access.Account) access.Subject { return access.Subject{Temporary: grants} },
		Trust: func() (bool, bool) { return !doubtful.Load(), true },
		Used: func(_ context.Context, who identity.Person, u rights.Use) error {
			if fails.Load() {
				return errors.New("disk full")
			}
			used = append(used, string(u.Grant)+" "+u.Request)
			return nil
		}}, policy)
	if err != nil {
		t.Fatal(err)
	}
	var carried []string
	one := func(v *Visit) error {
		if err := v.Check("stock.read", access.Resource{Warehouse: stock.Warehouse(v.Query("at"))}); err != nil {
			return err
		}
		return done(v)
	}
	h.server = serveWith(t, Options{People: h.people, Accounts: h.people, Manage: true, Rights: desk, Limits: Limits{Beat: time.Hour}},
		Route{Method: "GET", Path: "/", Permission: "stock.read", Handler: done},
		Route{Method: "GET", Path: "/list", Permission: "stock.read", Handler: func(v *Visit) error { v.Rows("stock.read"); return done(v) }},
		Route{Method: "GET", Path: "/one", Permission: "stock.read", Handler: one},
		Route{Method: "POST", Path: "/one", Permission: "stock.read", Handler: one},
		Route{Method: "GET", Path: "/cases", Permission: "case.read", Handler: func(v *Visit) error { v.May("case.decide"); return done(v) }},
		Route{Method: "POST", Path: "/decide", Permission: "case.decide", Handler: func(v *Visit) error { carried = v.Person.Lent; h.acted.Add(1); return done(v) }})
	boss := h.first()
	act := func(path string) *reader {
		boss.get("/account") // for the token
		return boss.post(path)
	}
	want := func(what string, list ...string) {
		t.Helper()
		if !slices.Equal(used, list) {
			t.Errorf("%s: recorded %q, want %q", what, used, list)
		}
		used = nil
	}
	boss.get("/").want(200, "/")
	boss.get("/one?at=SHA").want(200, "/one")
	act("/one?at=SHA").want(200, "/one")
	want("by standing grants alone")
	boss.get("/cases").want(200, "/cases")
	boss.get("/cases").want(200, "/cases")
	want("reading, and a button", "t-case.read GET /cases")
	boss.get("/list").want(200, "/list")
	boss.get("/one?at=CTU").want(200, "/one")
	want("more rows", "t-stock.read GET /list")
	act("/one?at=CTU").want(200, "/one")
	act("/one?at=CTU").want(200, "/one")
	want("acts on another warehouse's", "t-stock.read POST /one", "t-stock.read POST /one")
	act("/decide").want(200, "/decide")
	want("an act", "t-case.decide POST /decide")
	if h.acted.Load() != 1 || !slices.Equal(carried, []string{"t-case.decide"}) {
		t.Errorf("%d acts, the last by %v", h.acted.Load(), carried)
	}
	fails.Store(true)
	act("/decide").want(500, "/decide")
	act("/one?at=CTU").want(500, "/one")
	boss.get("/cases").want(200, "/cases") // stands in the trail already
	h.pass(11 * time.Minute)
	boss.get("/cases").want(500, "/cases")
	if h.acted.Load() != 1 {
		t.Error("what could not be recorded was done")
	}
	fails.Store(false)
	doubtful.Store(true)
	boss.get("/cases").want(403, "/cases", "Your permission for this is bound to a time")
	boss.get("/").want(200, "/") // a role needs no clock
	doubtful.Store(false)
	boss.get("/cases").want(200, "/cases")
	grants = nil
	boss.get("/cases").want(403, "/cases")
}

// TestLocalAdministrators: who administers one warehouse's people sees and changes them alone, and gives no more than they have.
func TestLocalAdministrators(t *testing.T) {
	h, _, _ := newGovernedHouse(t)
	boss := h.first()
	for _, a := range []identity.Account{{Name: "worker", Display: "王小明", Roles: []string{"warehouse-worker"}, Warehouses: []string{"SHA"}}, {Name: "far", Roles: []string{"warehouse-worker"}, Warehouses: []string{"CTU"}},
		{Name: "both", Roles: []string{"warehouse-worker"}, Warehouses: []string{"CTU", "SHA"}}, {Name: "nowhere", Roles: []string{"operations"}}} {
		if _, err := h.people.Create(t.Context(), identity.Person{Account: "installer"}, a); err != nil {
			t.Fatal(err)
		}
	}
	boss.get("/people").want(200, "/people", ">worker<", ">both<")
	for _, hidden := range []string{">far<", ">nowhere<", "王小明"} {
		if strings.Contains(boss.page, hidden) {
			t.Errorf("the list shows %s", hidden)
		}
	}
	boss.get("/people/person/worker").want(200, "/people/person/worker", "王**")
	for _, name := range []string{"far", "nowhere", "nobody"} {
		boss.get("/people/person/"+name).want(404, "/people/person/"+name)
		boss.post("/people/disable", "name", name).want(404, "/people/disable")
	}
	boss.get("/people/new")
	boss.post("/people/change", "name", "both", "role", "warehouse-worker", "warehouses", "SHA").want(404, "/people/change") // partly somebody else's
	boss.post("/people/change", "name", "worker", "role", "operations", "warehouses", "SHA").want(403, "/people/change")
	boss.post("/people/change", "name", "worker", "role", "warehouse-worker", "warehouses", "SHA CTU").want(403, "/people/change")
	boss.post("/people/change", "name", "worker", "role", "warehouse-worker").want(403, "/people/change") // into no warehouse, where others might find it
	boss.post("/people/new", "name", "puppet", "role", "security-administrator", "warehouses", "SHA").want(403, "/people/new")
	boss.post("/people/change", "name", "worker", "display", "另一个人", "role", "warehouse-worker", "role", "local-admin", "warehouses", "SHA").want(200, "/people/person/worker")
	a, err := h.people.Account(t.Context(), "worker")
	if err != nil || !slices.Equal(a.Roles, []string{"local-admin", "warehouse-worker"}) || a.Display != "王小明" {
		t.Errorf("after all that: %+v, %v", a, err)
	}
}

// TestPolicyEndsStreams: what a policy takes away ends in streams that are open, at once.
func TestPolicyEndsStreams(t *testing.T) {
	h, desk, _ := newGovernedHouse(t)
	boss := h.first()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+h.server.address+"/events", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	res, err := boss.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	stream := bufio.NewReader(res.Body)
	if line, err := stream.ReadString('\n'); err != nil || line != ": \n" {
		t.Fatalf("the stream begins with %q, %v", line, err)
	}
	if err := desk.Set(access.Ready()); err != nil { // without the role
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(stream); err != nil || !strings.Contains(string(rest), "event: end") {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	boss.get("/").want(200, "/account") // nothing else is left
}

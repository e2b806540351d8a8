package web

import (
	"strings"
	"testing"
	"time"

	"stockade/internal/identity"
)

// TestPeopleToLookAfter: whose password is overdue, who has not signed in for long and who lacks a factor is marked, counted and can be listed alone.
func TestPeopleToLookAfter(t *testing.T) {
	h := newHouseBy(t, identity.Dengbao)
	code, err := h.people.FirstCode(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const secret = "Seven lamps over the quay 7"
	boss := h.reader()
	boss.get("/first").post("/first", "code", code, "username", "Chen", "password", secret).want(200, "/")
	boss.get("/people/new").post("/people/new", "name", "sleeper", "needs_factor", "1").want(200, "/people/new", "Activation code")
	boss.get("/people/new").post("/people/new", "name", "leaver", "needs_factor", "1").want(200, "/people/new")
	boss.get("/people/person/leaver").post("/people/disable", "name", "leaver").want(200, "/people/person/leaver")
	h.pass(identity.Dengbao.Change + time.Hour)
	boss = h.reader()
	boss.get("/login").post("/login", "username", "Chen", "password", secret).want(200, "/")
	boss.get("/people").want(200, "/people", "password overdue", "not signed in for 60 days", "lacks second factor", "/people?show=overdue", "sleeper", "leaver")
	for show, who := range map[string]string{"overdue": "Chen", "dormant": "sleeper", "lacks": "sleeper"} {
		boss.get("/people?show="+show).want(200, "/people", "/people/person/"+who, "(1)", "Show everybody")
		if n := strings.Count(boss.page, "/people/person/"); n != 1 {
			t.Errorf("%s lists %d people", show, n)
		}
	}
	boss.get("/people?show=anything").want(200, "/people", "sleeper", "leaver")
	boss.get("/people/person/sleeper").want(200, "/people/person/sleeper", "not signed in for 60 days")
}

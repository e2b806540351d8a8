package web

import (
	"strings"
	"testing"
	"time"
)

const junk = `{"id":"AAAA","rawId":"AAAA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`

// Where passkeys work, for whom, and what a page may do with them. That a true one does is test/browser's, and what a false one is refused for package identity's.
func TestPasskeyPages(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	api := func(path string) *reader { return r.do("POST", path, "application/json", "{}") }
	// Under a bare address: it is said why not, and nothing is asked.
	r.get("/account").want(200, "/account", "Passkeys work only under depot.example")
	if strings.Contains(r.page, `href="/account/passkey/new"`) {
		t.Error("a passkey is offered under a bare address")
	}
	r.get("/account/passkey/new").want(200, "/account/passkey/new", "Passkeys work only under depot.example")
	if strings.Contains(r.page, "data-passkey") || strings.Contains(r.header.Get("Permissions-Policy"), "publickey-credentials-create=(self)") {
		t.Error("the page could ask")
	}
	api("/api/v1/account/passkey").want(409, "/api/v1/account/passkey", "passkey.not_here")

	r = h.reader()
	r.host = "depot.example"
	r.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/")
	r.get("/account").want(200, "/account", `href="/account/passkey/new"`)
	if p := r.header.Get("Permissions-Policy"); !strings.Contains(p, "publickey-credentials-create=()") || !strings.Contains(p, "publickey-credentials-get=()") {
		t.Errorf("the account page may use passkeys: %s", p)
	}
	r.get("/account/passkey/new").want(200, "/account/passkey/new", `data-passkey="create"`)
	if p := r.header.Get("Permissions-Policy"); !strings.Contains(p, "publickey-credentials-create=(self)") || !strings.Contains(p, "publickey-credentials-get=()") || !strings.Contains(p, "camera=()") {
		t.Errorf("the page of enrolment may: %s", p)
	}
	r.post("/account/passkey/new", "name", "key", "passkey", junk).want(401, "/account/passkey/new", "took too long") // nothing was asked
	api("/api/v1/account/passkey").want(200, "/api/v1/account/passkey", `"id":"depot.example"`, `"userVerification":"required"`)
	r.get("/account/passkey/new").post("/account/passkey/new", "name", "", "passkey", junk).want(422, "/account/passkey/new", "1 to 40 characters")
	r.post("/account/passkey/new", "name", `<b>"key"`, "passkey", junk).want(401, "/account/passkey/new", "was not accepted", `value="&lt;b&gt;&#34;key&#34;"`)
	r.post("/account/passkey/new", "name", "key", "passkey", junk).want(401, "/account/passkey/new", "took too long") // it was used up
	api("/api/v1/session/passkey").want(409, "/api/v1/session/passkey", "passkey.none_here")
	r.get("/account").post("/account/passkey/rename", "id", "77", "name", "x").want(404, "/account/passkey/rename")

	h.pass(6 * time.Minute) // the factor is no longer fresh
	r.get("/account")
	api("/api/v1/account/passkey").want(401, "/api/v1/account/passkey", "error.step_up")
	r.get("/account/passkey/new").want(401, "/account/passkey/new", "confirm that it is you")
	r.post("/account/passkey/new", "name", "key", "passkey", junk).want(401, "/account/passkey/new", "took too long") // as a step-up: nothing was asked either

	// Half-way through a sign-in that there is not, and without any.
	n := h.reader()
	n.host = "depot.example"
	n.get("/login").do("POST", "/api/v1/login/passkey", "application/json", "{}").want(401, "/api/v1/login/passkey", "code.again")
	n.get("/login").do("POST", "/api/v1/session/passkey", "application/json", "{}").want(401, "/api/v1/session/passkey", "error.sign_in")
	n.get("/login").do("POST", "/api/v1/login/passkey", "application/json", strings.Repeat("[", 4000)).want(401, "/api/v1/login/passkey")
}

func TestBadgePages(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	r.get("/people/new").post("/people/new", "name", "lilei", "display", "Li Lei").want(200, "/people/new")
	r.get("/people/person/lilei").post("/people/badge", "name", "lilei").want(200, "/people/badge", "STK:BADGE:", `class="bars"`)
	r.get("/people/person/lilei").want(200, "/people/person/lilei", "Revoke the badge", "no PIN yet")
	if strings.Contains(r.page, "STK:BADGE:") {
		t.Error("the badge is shown a second time")
	}
	r.post("/people/badge", "name", "Chen").want(409, "/people/badge", "your own account")
	r.get("/people").post("/people/badge/revoke", "name", "lilei").want(200, "/people/person/lilei", "Make a badge")
	r.post("/people/badge/revoke", "name", "lilei").want(404, "/people/badge/revoke")
	r.get("/people").post("/people/badge", "name", "nobody").want(404, "/people/badge")
	r.get("/account/pin").post("/account/pin", "pin", "123456", "pin_again", "123456").want(422, "/account/pin", "easily guessed")
	r.post("/account/pin", "pin", "830274", "pin_again", "830275").want(422, "/account/pin", "not the same")
	if strings.Contains(r.page, "830274") {
		t.Error("a PIN is shown")
	}
	r.post("/account/pin", "pin", "830274", "pin_again", "830274").want(200, "/account", "The PIN for stations was set")
	h.pass(6 * time.Minute)
	r.get("/account").post("/account/pin", "pin", "940613", "pin_again", "940613").want(401, "/account/pin", "confirm that it is you")
	if strings.Contains(r.page, "940613") {
		t.Error("a PIN is kept in the page that asks for a factor")
	}
}

package web

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// stream opens an event stream and returns its lines.
func (r *reader) stream(path string) *bufio.Reader {
	r.h.t.Helper()
	req, err := http.NewRequestWithContext(r.h.t.Context(), http.MethodGet, "https://"+r.h.server.address+path, http.NoBody)
	if err != nil {
		r.h.t.Fatal(err)
	}
	patient := *r.client
	patient.Timeout = 0 // it is open for as long as the test
	res, err := patient.Do(req)
	if err != nil {
		r.h.t.Fatal(err)
	}
	r.h.t.Cleanup(func() { _ = res.Body.Close() })
	s := bufio.NewReader(res.Body)
	if line, err := s.ReadString('\n'); err != nil || line != ": \n" {
		r.h.t.Fatalf("the stream begins with %q, %v", line, err)
	}
	return s
}

// TestWorkKeepsASignIn: what a stream tells of its reader's work keeps the sign-in; its signs of life do not.
func TestWorkKeepsASignIn(t *testing.T) {
	h := newHouse(t)
	boss := h.first()
	s := boss.stream("/work")
	told := func() {
		t.Helper()
		for {
			line, err := s.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == "event: done\n" {
				return
			}
		}
	}
	send := func(to chan bool) {
		t.Helper()
		select {
		case to <- true:
			told()
		case <-time.After(patience):
			t.Fatal("the stream has ended")
		}
	}
	for range 4 {
		h.pass(10 * time.Minute)
		send(h.scans)
	}
	boss.get("/").want(200, "/") // signed in after forty minutes without a request
	h.pass(10 * time.Minute)
	send(h.beats)
	h.pass(6 * time.Minute)
	boss.get("/").want(200, "/login")
}

// TestEndEverybodyPage: a button on the page of people, with a reason and a fresh factor, ends all sessions and streams but one's own; who administers one warehouse has none.
func TestEndEverybodyPage(t *testing.T) {
	h := newHouse(t)
	boss, other := h.first(), h.reader()
	other.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/")
	s := other.stream("/events")
	boss.get("/people").want(200, "/people", `action="/people/end-all"`)
	boss.post("/people/end-all", "reason", " ").want(422, "/people/end-all", "Please say why")
	h.pass(6 * time.Minute)
	boss.get("/people").post("/people/end-all", "reason", "a laptop was stolen").want(401, "/people/end-all", "confirm that it is you", `value="a laptop was stolen"`)
	other.get("/").want(200, "/")
	boss.post("/people/end-all", "reason", "a laptop was stolen", "confirm", sentence).want(200, "/people")
	if rest, err := io.ReadAll(s); err != nil || !strings.Contains(string(rest), "event: end") {
		t.Errorf("the stream ends with %q, %v", rest, err)
	}
	other.get("/").want(200, "/login")
	boss.get("/").want(200, "/")

	local, _, _ := newGovernedHouse(t)
	manager := local.first()
	manager.get("/people").want(200, "/people")
	if strings.Contains(manager.page, "end-all") {
		t.Error("who administers one warehouse is offered to end everybody's sessions")
	}
	manager.get("/people/new").post("/people/end-all", "reason", "mine").want(403, "/people/end-all")
}

// TestPasskeysAlone: where a role asks for one, a person enrols it before anything else, and pages neither ask for codes nor take them. Under a name where passkeys do not
// work it is said where they do.
func TestPasskeysAlone(t *testing.T) {
	h := newHouse(t)
	r := h.first()
	r.host = "depot.example"
	r.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/")
	h.keys.Store(true)
	r.get("/").want(200, "/account/passkey/new", "Your role asks for a passkey", `data-passkey="create"`)
	if strings.Contains(r.page, `href="/account/factor/new"`) {
		t.Error("an authenticator is offered in its place")
	}
	r.do("POST", "/api/v1/act", "application/json", "{}").want(403, "/api/v1/act", "error.must_passkey")
	bare := h.reader()
	bare.get("/login").post("/login", "username", "Chen", "password", sentence).want(200, "/account/passkey/new", "Passkeys work only under depot.example", "under a name of that domain")
}

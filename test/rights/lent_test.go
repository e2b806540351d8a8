package rights_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/protocol/access"
	"stockade/test/rig"
)

// lender is who asks for something at a warehouse where they do not work.
const lender = "warehouse-lead-CTU"

var (
	requestOf = regexp.MustCompile(`/approvals/request/A[0-9A-Z-]+`)
	hashOf    = regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"`)
)

// lend lets somebody of another warehouse have a permission at SHA for a time, and returns the request's address: its node knows the person for that time, lets them do that
// and nothing else, and says so to the hub.
func (c *company) lend(t *testing.T) (request string) {
	t.Helper()
	r, manager := c.people[lender], c.people["branch-manager-SHA"]
	form := url.Values{"csrf": {r.csrf}, "permission": {"device.read"}, "warehouse": {"SHA"}, "reason": {"holidays"}, "until": {time.Now().UTC().Add(26 * time.Hour).Format("2006-01-02T15:04")}}
	if status, text := r.ask(t, http.MethodPost, "/approvals/new", form.Encode()); status != http.StatusSeeOther {
		t.Fatalf("asked: %d %.300s", status, text)
	}
	_, list := r.ask(t, http.MethodGet, "/approvals", "")
	if request = requestOf.FindString(list); request == "" {
		t.Fatalf("no request in %.500s", list)
	}
	if status := newReader(t, c.edge).signIn(t, lender); status != http.StatusUnauthorized {
		t.Errorf("at the node before it is granted: %d", status)
	}
	_, page := manager.ask(t, http.MethodGet, request, "")
	hash := hashOf.FindStringSubmatch(page)
	if hash == nil {
		t.Fatalf("the manager is not asked: %.300s", page)
	}
	form = url.Values{"csrf": {manager.csrf}, "hash": {hash[1]}, "confirm": {password}}
	if status, text := manager.ask(t, http.MethodPost, request+"/approve", form.Encode()); status != http.StatusSeeOther {
		t.Fatalf("approved: %d %.300s", status, text)
	}
	manager.settle(t)
	c.heard(t, 0, "who has something for a time", func(tx *store.Tx) (bool, error) {
		rights, _, err := tx.Rights()
		return len(rights.People[access.Account(access.Fold(lender))].Temporary) == 1, err
	})
	guest := newReader(t, c.edge)
	must(t, rig.Until(t.Context(), "a guest to sign in", func() (bool, error) { return guest.signIn(t, lender) == http.StatusSeeOther, nil }))
	for path, want := range map[string]int{"/api/v1/devices": http.StatusOK, "/stock": http.StatusForbidden, "/printing": http.StatusForbidden, "/stations": http.StatusForbidden} {
		if status, text := guest.ask(t, http.MethodGet, path, ""); status != want {
			t.Errorf("a guest at %s: %d %.200s", path, status, text)
		}
	}
	guest.ask(t, http.MethodGet, "/api/v1/devices", "") // reading on is one use
	must(t, rig.Until(t.Context(), "the use at the hub", func() (bool, error) {
		_, page := r.ask(t, http.MethodGet, request, "")
		return strings.Contains(page, "edge-1") && strings.Contains(page, "1 times, last at"), nil
	}))
	c.people["guest"] = guest
	return request
}

// takeBack ends the permission while the node is away, and then everybody's sessions: the node follows when it hears the hub.
func (c *company) takeBack(t *testing.T, request string, open *reader) {
	t.Helper()
	r, guest := c.people[lender], c.people["guest"]
	devices := func() int { status, _ := guest.ask(t, http.MethodGet, "/api/v1/devices", ""); return status }
	c.Cut()
	if status, text := r.ask(t, http.MethodPost, request+"/end", url.Values{"csrf": {r.csrf}}.Encode()); status != http.StatusSeeOther {
		t.Fatalf("ended early: %d %.300s", status, text)
	}
	if status := devices(); status != http.StatusOK {
		t.Errorf("without contact the guest gets %d: the node can not know yet", status)
	}
	c.Mend()
	must(t, rig.Until(t.Context(), "the guest to be out", func() (bool, error) { return devices() == http.StatusUnauthorized, nil }))
	if status := newReader(t, c.edge).signIn(t, lender); status != http.StatusUnauthorized {
		t.Errorf("a former guest signs in: %d", status)
	}

	if status, _ := open.ask(t, http.MethodGet, "/printing", ""); status != http.StatusOK {
		t.Fatalf("an open session at the node: %d", status)
	}
	if status, text := c.boss.ask(t, http.MethodPost, "/people/end-all", url.Values{"csrf": {c.boss.csrf}, "reason": {"a drill"}, "confirm": {password}}.Encode()); status != http.StatusSeeOther {
		t.Fatalf("all sessions: %d %.300s", status, text)
	}
	c.boss.settle(t) // hers goes on
	if status, _ := r.ask(t, http.MethodGet, "/account", ""); status != http.StatusSeeOther {
		t.Errorf("somebody's session at the hub: %d", status)
	}
	must(t, rig.Until(t.Context(), "sessions at the node to end", func() (bool, error) {
		status, _ := open.ask(t, http.MethodGet, "/printing", "")
		return status == http.StatusSeeOther, nil
	}))
	if status := newReader(t, c.edge).signIn(t, "finance-SHA"); status != http.StatusSeeOther {
		t.Errorf("afterwards one signs in again: %d", status)
	}
}

package web

import (
	"strings"
	"testing"

	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// repeated makes an account of the hub here, with the password of the first one, a passkey, and what else there is.
func (h *house) repeated(name string, more ...access.Factor) {
	h.t.Helper()
	err := h.store.Update(h.t.Context(), func(tx *vault.Tx) error {
		first, err := h.people.Member(tx, "chen")
		if err != nil {
			return err
		}
		return h.people.Repeat(tx, access.Member{Account: access.Account(name), Name: name, Password: first.Password, PasswordAt: first.PasswordAt, Roles: []access.RoleID{}, Warehouses: []stock.Warehouse{"SHA"}, Handle: make([]byte, 32),
			Factors: append([]access.Factor{{ID: 1, Kind: access.FactorPasskey, Secret: []byte{1}, Credential: []byte("id"), Name: "phone"}}, more...)})
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// TestOnlyAPasskey: at a node, where no recovery code of the hub counts, a person with nothing but a passkey is asked for it, or told what to do where it does not work.
func TestOnlyAPasskey(t *testing.T) {
	in := func(h *house, host string) *reader {
		h.repeated("wang")
		r := h.reader()
		r.host = host
		r.get("/login").post("/login", "username", "wang", "password", sentence).want(200, "/login/code")
		if strings.Contains(r.page, `id="code"`) {
			t.Errorf("at %q a code is asked for that nobody has", host)
		}
		return r
	}
	h := newHouse(t)
	h.first()
	in(h, "depot.example").want(200, "/login/code", `data-passkey="get"`)
	r := in(h, "").want(200, "/login/code", "works only under depot.example", h.server.address, "add an authenticator")
	r.post("/login/code", "code", "123456").want(401, "/login/code", "works only under depot.example")
	// With an authenticator too, its code serves where the passkey does not.
	h.repeated("zhao", access.Factor{ID: 2, Kind: access.FactorTOTP, Secret: []byte("12345678901234567890")})
	r = h.reader()
	r.get("/login").post("/login", "username", "zhao", "password", sentence).want(200, "/login/code", `id="code"`, "Passkeys work only under depot.example", "6 digits")
	r.post("/login/code", "code", h.code("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")).want(200, "/")
	h = newHouseAt(t, identity.ASVS, "")
	h.first()
	in(h, "").want(200, "/login/code", "passkeys are not set up here", "add an authenticator")
}

// TestBadgesOfOnesOwn: who administers the people of a warehouse makes and revokes badges of those alone.
func TestBadgesOfOnesOwn(t *testing.T) {
	h, _, _ := newGovernedHouse(t)
	boss := h.first()
	for name, place := range map[string]string{"li": "SHA", "zhao": "CTU", "both": "SHA CTU"} {
		if _, err := h.people.Create(t.Context(), identity.Person{}, identity.Account{Name: name, Warehouses: strings.Fields(place)}); err != nil {
			t.Fatal(err)
		}
	}
	boss.get("/people").post("/people/badge", "name", "li").want(200, "/people/badge", "STK:BADGE:")
	for _, name := range []string{"zhao", "both"} {
		boss.get("/people").post("/people/badge", "name", name).want(404, "/people/badge")
		if _, err := h.people.NewBadge(t.Context(), identity.Person{}, name); err != nil {
			t.Fatal(err)
		}
		boss.get("/people").post("/people/badge/revoke", "name", name).want(404, "/people/badge/revoke")
	}
	boss.get("/people").post("/people/badge/revoke", "name", "li").want(200, "/people/person/li")
}

// TestThePINFollowsTheBadge: who chooses their first password is led to the PIN when a badge waits for one.
func TestThePINFollowsTheBadge(t *testing.T) {
	h := newHouse(t)
	h.first()
	for name, badge := range map[string]bool{"li": true, "zhao": false} {
		code, err := h.people.Create(t.Context(), identity.Person{}, identity.Account{Name: name})
		if err == nil && badge {
			_, err = h.people.NewBadge(t.Context(), identity.Person{}, name)
		}
		if err != nil {
			t.Fatal(err)
		}
		r, want := h.reader(), "/"
		if badge {
			want = "/account/pin"
		}
		r.get("/activate").post("/activate", "code", code, "password", sentence).want(200, want)
	}
}

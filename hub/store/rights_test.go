package store_test

import (
	"errors"
	"slices"
	"testing"

	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

func TestPolicyEditions(t *testing.T) {
	h := hubtest.New(t)
	put := func(p access.Policy, note string) (version uint64, err error) {
		err = h.Store.Update(t.Context(), h.Now(), func(tx *store.Tx) (err error) {
			version, err = tx.PutPolicy(p, "chen", note)
			return err
		})
		return version, err
	}
	var p access.Policy
	h.View(func(v *store.View) (err error) { p, err = v.Policy(); return err })
	if p.Version != 0 || len(p.Roles) != len(access.Ready().Roles) {
		t.Fatalf("before the first edition the policy has version %d and %d roles", p.Version, len(p.Roles))
	}
	p.Roles = p.Roles[1:]
	for i := range 3 {
		if v, err := put(p, "fewer"); err != nil || v != uint64(i+1) {
			t.Fatalf("edition %d: %d, %v", i+1, v, err)
		}
		if _, err := put(p, "late"); !errors.Is(err, store.ErrPolicyChanged) {
			t.Errorf("an edition of what is no longer counts: %v", err)
		}
		p.Version++
	}
	bad := p
	bad.Roles = append(slices.Clone(p.Roles), p.Roles[0])
	if _, err := put(bad, "a role twice"); err == nil {
		t.Error("a malformed policy was stored")
	}
	h.View(func(v *store.View) error {
		now, err := v.Policy()
		all, err2 := v.Policies(2)
		first, err3 := v.PolicyEdition(1)
		_, err4 := v.PolicyEdition(9)
		if now.Version != 3 || len(all) != 2 || all[0].Version != 3 || all[1].By != "chen" || all[1].Note != "fewer" || len(first.Roles) != len(p.Roles) || first.At.IsZero() || !errors.Is(err4, store.ErrNotFound) {
			t.Errorf("now %d, history %d, %+v, %v", now.Version, len(all), first, err4)
		}
		return errors.Join(err, err2, err3)
	})
}

// TestRightsFlow: each warehouse's feed has the policy and its own people, says nothing twice, and takes back what is gone.
func TestRightsFlow(t *testing.T) {
	h := hubtest.New(t)
	do := func(fn func(tx *store.Tx) error) {
		t.Helper()
		if err := h.Store.Update(t.Context(), h.Now(), fn); err != nil {
			t.Fatal(err)
		}
	}
	wuh := newReader(h, "wuh-1", "WUH")
	list, rights, _ := wuh.news("WUH")
	if ready := access.Ready(); len(rights.Policy.Roles) != len(ready.Roles) || len(rights.Policy.Exclusions) != len(ready.Exclusions) || len(list) != len(ready.Roles)+len(ready.Exclusions) {
		t.Fatalf("a new node's feed has %d entries, %d roles", len(list), len(rights.Policy.Roles))
	}
	wuh.tell()
	second := newReader(h, "wuh-2", "WUH")
	wang := access.Member{Account: "wang", Name: "Wang", Password: "$argon2id$x", Roles: []access.RoleID{access.Worker}, Warehouses: []stock.Warehouse{"SZX", "WUH"},
		Factors: []access.Factor{{ID: 1, Kind: "totp", Secret: []byte("secret")}}}
	for range 2 {
		do(func(tx *store.Tx) error { return tx.SayMember(wang) })
	}
	list, _, members := wuh.news("WUH")
	if got := members["wang"]; len(list) != len(access.Ready().Roles)+len(access.Ready().Exclusions)+2 || !slices.Equal(got.Warehouses, []stock.Warehouse{"WUH"}) || string(got.Factors[0].Secret) != "secret" {
		t.Fatalf("after the same word twice the feed has %d entries, of wang %+v", len(list), got)
	}
	if _, _, members := second.news("WUH"); len(members) > 0 {
		t.Errorf("a node that has not told its key reads %+v", members)
	}
	szx := newReader(h, "szx-1", "SZX")
	if _, rights, members := szx.news("SZX"); len(rights.Policy.Roles) == 0 || len(members) > 0 {
		t.Errorf("a warehouse without nodes has %d roles waiting and %d people that nobody could read", len(rights.Policy.Roles), len(members))
	}
	if list, _, _ := wuh.news("KMG"); len(list) > 0 {
		t.Errorf("a warehouse that nobody speaks of has %d entries", len(list))
	}
	szx.tell()
	wang.Warehouses = []stock.Warehouse{"SZX"}
	do(func(tx *store.Tx) error {
		p, err := tx.Policy()
		if err != nil {
			return err
		}
		p.Roles = slices.DeleteFunc(p.Roles, func(r access.Role) bool { return r.ID == access.Seller })
		if _, err = tx.PutPolicy(p, "chen", "no sellers"); err != nil {
			return err
		}
		return tx.SayMember(wang)
	})
	_, rights, members = wuh.news("WUH")
	if got := members["wang"]; !got.Withdrawn || got.Password != "" || len(got.Factors) > 0 {
		t.Errorf("who left the warehouse is told as %+v", got)
	}
	if slices.ContainsFunc(rights.Policy.Roles, func(r access.Role) bool { return r.ID == access.Seller }) {
		t.Error("a role that is gone was not taken back")
	}
	if _, _, members := szx.news("SZX"); members["wang"].Withdrawn || !slices.Equal(members["wang"].Warehouses, []stock.Warehouse{"SZX"}) {
		t.Errorf("where wang stays: %+v", members["wang"])
	}
}

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
)

// TestSignInsAtNodes: who works at a node and never opens the hub's pages is not dormant.
func TestSignInsAtNodes(t *testing.T) {
	p := openPages(t, 0)
	now := pagesTime
	people, err := identity.Open(t.Context(), p.vault, identity.Options{Now: func() time.Time { return now }, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	check(t, err)
	boss := identity.Person{Account: "boss"}
	for name, at := range map[string]string{"Li": "SHA", "Wang": "CTU", "Zhao": "SHA", "Qian": "SHA"} {
		_, err := people.Create(t.Context(), boss, identity.Account{Name: name, Warehouses: []string{at}})
		check(t, err)
	}
	p.noteSignIns(people)
	now = now.Add(identity.DormantAfter + 48*time.Hour)
	say := func(number uint64, at time.Time, e change.Entry) {
		t.Helper()
		c, err := change.OfEntry(change.Meta{Time: clock.StampOf(at), Quality: clock.Synced, Actor: "sha-1", Day: "2026-11-24", Zone: "Asia/Shanghai"}, e)
		check(t, err)
		check(t, p.store.Update(t.Context(), now, func(tx *store.Tx) error {
			return tx.Posted(stock.ID{Node: "sha-1", Epoch: 1, Number: number}, nil, c)
		}))
	}
	say(1, now.Add(-time.Hour), change.Entry{Act: "signin.badge", Object: "li", Outcome: "ok"})
	say(2, now.Add(-100*24*time.Hour), change.Entry{Act: "signin.ok", Object: "li", Outcome: "ok"})           // delivered late
	say(3, now, change.Entry{Act: "signin.ok", Object: "wang", Outcome: "ok"})                                // of another warehouse
	say(4, now, change.Entry{Act: "signin.badge", Object: "zhao", Outcome: "refused"})                        // a wrong PIN is no sign of life
	say(5, now.Add(1000*24*time.Hour), change.Entry{Act: "signin.ok", Object: "qian", Outcome: "ok"})         // by a clock that is wrong
	say(6, now, change.Entry{Act: "signin.ok", Object: strings.Repeat("no such account", 20), Outcome: "ok"}) // may be anything
	list, err := people.Accounts(t.Context())
	check(t, err)
	for _, a := range list {
		want := map[string]time.Time{"Li": now.Add(-time.Hour), "Qian": now}[a.Name]
		if !a.Seen.Equal(want) || a.Dormant != want.IsZero() {
			t.Errorf("%s was seen %s, dormant %v; want %s", a.Name, a.Seen, a.Dormant, want)
		}
	}
}

// TestAccountList: the command marks who should be looked after.
func TestAccountList(t *testing.T) {
	s := newSite(t)
	s.init()
	text, err := os.ReadFile(s.path("hub.toml"))
	check(t, err)
	check(t, os.WriteFile(s.path("hub.toml"), append([]byte("password_rules = \"dengbao\"\nsecond_factor_roles = [\"security-administrator\"]\n"), text...), 0o600))
	cfg, err := loadConfig(s.path("hub.toml"))
	check(t, err)
	h, err := openStore(t.Context(), cfg)
	check(t, err)
	past := time.Now().Add(-identity.DormantAfter - 40*24*time.Hour)
	people, err := identity.Open(t.Context(), h.vault, identity.Options{Now: func() time.Time { return past }, Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	check(t, err)
	code, err := people.FirstCode(t.Context())
	check(t, err)
	boss, err := people.Begin(t.Context(), code, "chen", "seven lamps over the Quay 7", identity.From{Address: "192.0.2.1"})
	check(t, err)
	_, err = people.Create(t.Context(), boss.Person, identity.Account{Name: "gone", Warehouses: []string{"SHA"}})
	check(t, err)
	check(t, people.Disable(t.Context(), boss.Person, "gone"))
	past = time.Now()
	_, err = people.Create(t.Context(), boss.Person, identity.Account{Name: "new", Display: "小新"})
	check(t, err)
	check(t, h.close())

	rows := func(args ...string) (list []accountRow) {
		t.Helper()
		check(t, json.Unmarshal([]byte(s.must(append([]string{"account", "list", "--json"}, args...)...)), &list))
		return list
	}
	all := rows()
	if len(all) != 3 {
		t.Fatalf("accounts %+v", all)
	}
	if c := all[0]; c.Name != "chen" || !c.Dormant || !c.Overdue || !c.Lacks || c.Seen == nil || c.Disabled {
		t.Errorf("%+v", c)
	}
	if g := all[1]; g.Name != "gone" || !g.Disabled || g.Dormant {
		t.Errorf("%+v", g)
	}
	if n := all[2]; n.Name != "new" || !n.Waiting || n.Dormant || n.Overdue || n.Seen != nil {
		t.Errorf("%+v", n)
	}
	for _, flag := range []string{"--dormant", "--overdue", "--lacks-factor"} {
		if list := rows(flag); len(list) != 1 || list[0].Name != "chen" {
			t.Errorf("%s: %+v", flag, list)
		}
	}
	if out := s.must("account", "list"); !strings.Contains(out, "久未登录、密码过期、缺第二道验证") || !strings.Contains(out, "待激活") || !strings.Contains(out, "已停用") {
		t.Errorf("in Chinese: %s", out)
	}
	if out := s.must("account", "list", "--lang", "en"); !strings.Contains(out, "dormant, password overdue, lacks second factor") || !strings.Contains(out, "not activated") {
		t.Errorf("in English: %s", out)
	}
}

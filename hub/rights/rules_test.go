package rights

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/change"
)

func rule(id string, roles []access.RoleID, duties ...access.Duty) access.Exclusion {
	return access.Exclusion{ID: id, Names: access.Text{ZH: "规则" + id, EN: "rule " + id}, Roles: roles, Duties: duties}
}

func duty(name string, permissions ...access.Permission) access.Duty {
	return access.Duty{Names: access.Text{ZH: "职责" + name, EN: name}, Permissions: permissions}
}

func TestRuleWordsOfDiff(t *testing.T) {
	old, next := access.Ready(), access.Ready()
	next.Exclusions = slices.Clone(next.Exclusions)
	admin := next.Exclusions[0]
	admin.Roles = []access.RoleID{access.SystemAdmin, access.SecurityAdmin, access.Finance}
	next.Exclusions[0] = admin
	count := next.Exclusions[2]
	count.Duties = slices.Clone(count.Duties)
	count.Duties[0].Permissions = []access.Permission{"count.write", "count.read"}
	next.Exclusions[2] = count
	next.Exclusions = append(next.Exclusions[:4:4], rule("x", []access.RoleID{access.Seller, access.Finance}, duty("a", "price.write"), duty("b", "payment.write"))) // two are gone
	want := []string{
		"administrators are three people changed | removed roles: Auditor | added roles: Finance",
		`who counts does not adjust changed | removed duty "count": Work at a station | added duty "count": See counts`,
		`rule x added | added roles: Seller, Finance | added duty "a": Change prices | added duty "b": Pay`,
	}
	got := texts(Diff(old, next, nil), "en")
	if !slices.Equal(got[:3], want) || len(got) != 5 || !strings.HasPrefix(got[3], "who writes sales orders does not approve them removed | removed duty") {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	for _, s := range texts(Diff(old, next, nil), "zh") {
		if strings.Contains(s, "%!") || !strings.ContainsAny(s, "：") {
			t.Errorf("in Chinese: %s", s)
		}
	}
}

func TestRulesThatMustNotBe(t *testing.T) {
	roles := access.Ready().Roles
	two := []access.RoleID{access.Seller, access.Finance}
	for words, x := range map[string]access.Exclusion{
		"编号":         rule("A B", two),
		"只选一个":       rule("x", two[:1]),
		"只写一项":       rule("x", nil, duty("a", "price.write")),
		"请选互斥":       rule("x", nil),
		"选了两次":       rule("x", []access.RoleID{access.Seller, access.Seller}),
		"没有角色“gone”": rule("x", []access.RoleID{access.Seller, "gone"}),
		"要选 1 到":     rule("x", nil, duty("a", "price.write"), duty("b")),
		"没有权限":       rule("x", nil, duty("a", "price.write"), duty("b", "moon.land")),
		"都叫":         rule("x", nil, duty("a", "price.write"), duty("a", "payment.write")),
		"不能属于两项职责":   rule("x", nil, duty("a", "price.write"), duty("b", "price.write")),
		"最多 6 项职责":   rule("x", nil, slices.Repeat([]access.Duty{duty("a", "price.write")}, 7)...),
		"中文名和英文名":    {ID: "x", Names: access.Text{ZH: "只有中文"}, Roles: two},
		"每项职责都要有":    rule("x", nil, duty("a", "price.write"), access.Duty{Permissions: []access.Permission{"payment.write"}}),
	} {
		var r *Refusal
		if err := CheckRule(x, roles); !errors.As(err, &r) || !strings.Contains(r.Words.ZH, words) || r.Words.EN == "" || strings.Contains(r.Words.ZH+r.Words.EN, "%!") {
			t.Errorf("%s: %v", words, err)
		}
	}
	for _, x := range access.Ready().Exclusions { // what comes with the program can be edited
		if err := CheckRule(x, roles); err != nil {
			t.Errorf("%s: %v", x.ID, err)
		}
	}
	p := access.Ready()
	p.Exclusions = append(slices.Clone(p.Exclusions), rule("x", two), rule("y", two))
	p.Exclusions[len(p.Exclusions)-1].Names = p.Exclusions[0].Names
	if err := CheckSave(access.Ready(), p, nil, netip.Addr{}, time.Now()); err == nil || !strings.Contains(err.Error(), "Two exclusions are called") {
		t.Errorf("two of one name: %v", err)
	}
}

// TestSeparation: whoever touches what keeps the three administrators apart is told, however it is done.
func TestSeparation(t *testing.T) {
	with := func(list ...access.Exclusion) access.Policy {
		p := access.Ready()
		p.Exclusions = list
		return p
	}
	three := rule("three", Administrators)
	pair := func(id string, a, b int) access.Exclusion {
		return rule(id, []access.RoleID{Administrators[a], Administrators[b]})
	}
	gone := three
	gone.Withdrawn = true
	for what, c := range map[string]struct {
		next access.Policy
		want bool
	}{
		"as it is": {access.Ready(), false}, "removed": {with(), true}, "withdrawn": {with(gone), true}, "weakened": {with(pair("a", 0, 1), pair("b", 1, 2)), true},
		"by pairs": {with(pair("a", 0, 1), pair("b", 1, 2), pair("c", 0, 2)), false}, "and others": {with(rule("more", append(slices.Clone(Administrators), access.Seller))), false},
		"by duties alone": {with(rule("d", nil, duty("a", "audit.read"), duty("b", "role.write"))), true},
	} {
		if got := GivesUpSeparation(access.Ready(), c.next); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
	if GivesUpSeparation(with(), with()) {
		t.Error("what was given up before is given up again")
	}
}

// TestFormerDrafts: a draft that was kept before exclusions could be changed is read as it was.
func TestFormerDrafts(t *testing.T) {
	b, err := change.Marshal(formerDraft{Base: 3, Rev: 7, Put: []access.Role{role("a", grant("stock.read", all))}, Removed: []access.RoleID{"b"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := DecodeDraft(b)
	if err != nil || d.Base != 3 || d.Rev != 7 || len(d.Put) != 1 || d.Put[0].ID != "a" || !slices.Equal(d.Removed, []access.RoleID{"b"}) || d.Changes() != 2 {
		t.Errorf("%+v, %v", d, err)
	}
	d = d.WithRule(policy(), rule("x", []access.RoleID{"a", "b"}))
	if b, err = d.Encode(); err != nil {
		t.Fatal(err)
	}
	if again, err := DecodeDraft(b); err != nil || !sameBytes(again, d) {
		t.Errorf("%+v, %v", again, err)
	}
}

// TestRulesOfDrafts: whatever is done, the draft holds just what differs; and merging with what somebody else saved loses neither, but where both touched one.
func TestRulesOfDrafts(t *testing.T) {
	some := func(version int) access.Exclusion {
		x := rule(string(rune('a'+rand.IntN(5))), []access.RoleID{"r", "s"})
		x.Names.EN = strings.Repeat("v", version+1)
		return x
	}
	edit := func(p access.Policy, n int) access.Policy {
		d := Draft{Base: p.Version}
		for range n {
			if x := some(rand.IntN(3)); rand.IntN(3) == 0 {
				d = d.WithoutRule(p, x.ID)
			} else {
				d = d.WithRule(p, x)
			}
		}
		return d.Apply(p)
	}
	byID := func(p access.Policy) map[string]string {
		m := map[string]string{}
		for _, x := range p.Exclusions {
			m[x.ID] = x.Names.EN
		}
		return m
	}
	for range 500 {
		base := edit(policy(role("r"), role("s")), 4)
		d := Draft{Base: base.Version}
		want := byID(base)
		for range rand.IntN(6) {
			if x := some(rand.IntN(3)); rand.IntN(3) == 0 {
				d = d.WithoutRule(base, x.ID)
				delete(want, x.ID)
			} else {
				d = d.WithRule(base, x)
				want[x.ID] = x.Names.EN
			}
		}
		mine := byID(d.Apply(base))
		if len(mine) != len(want) {
			t.Fatalf("%v, want %v", mine, want)
		}
		for id, v := range want {
			if mine[id] != v {
				t.Fatalf("%v, want %v", mine, want)
			}
		}
		if deltas := Diff(base, d.Apply(base), nil); len(deltas) != d.Changes() {
			t.Fatalf("%d changes, %d differ", d.Changes(), len(deltas))
		}
		newest := edit(base, rand.IntN(4))
		newest.Version++
		merged, clashes := d.Rebase(base, newest)
		got, was, theirs := byID(merged.Apply(newest)), byID(base), byID(newest)
		both := 0
		for _, id := range []string{"a", "b", "c", "d", "e"} {
			want := mine[id]
			if mine[id] == was[id] {
				want = theirs[id]
			}
			if got[id] != want {
				t.Fatalf("%s: base %q, mine %q, theirs %q, merged %q", id, was[id], mine[id], theirs[id], got[id])
			}
			if mine[id] != was[id] && theirs[id] != was[id] && mine[id] != theirs[id] {
				both++
			}
		}
		if len(clashes) != both {
			t.Fatalf("%d told, %d touched by both", len(clashes), both)
		}
	}
}

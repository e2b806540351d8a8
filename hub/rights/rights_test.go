package rights

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

var (
	now  = time.Date(2026, 11, 24, 4, 0, 0, 0, time.UTC)
	here = netip.MustParseAddr("10.1.2.3")
	all  = access.Scope{Reach: access.Everywhere, Whose: access.Anyone}
	home = access.Scope{Reach: access.Home, Whose: access.Anyone}
)

func grant(p access.Permission, s access.Scope) access.Grant {
	return access.Grant{Permission: p, Scope: s}
}

func role(id access.RoleID, grants ...access.Grant) access.Role {
	return access.Role{ID: id, Names: access.Text{ZH: "角色" + string(id), EN: "Role " + string(id)}, Grants: grants}
}

func policy(roles ...access.Role) access.Policy { return access.Policy{Version: 4, Roles: roles} }

func person(name string, roles ...access.RoleID) Person {
	return Person{Subject: access.Subject{Account: access.Account(name), Roles: roles, Warehouses: []stock.Warehouse{"SHA"}}, Name: name}
}

func texts(list []Delta, lang string) (out []string) {
	for _, d := range list {
		s := d.Names.In(lang) + " " + string(d.Kind)
		for _, l := range d.Lines {
			s += " | " + string(l.Kind) + " " + l.Words.In(lang)
		}
		out = append(out, s)
	}
	return out
}

func TestDiffInWords(t *testing.T) {
	limited := grant("stock.read", home)
	limited.Fields = map[access.FieldClass]access.FieldAccess{access.Cost: access.Masked, access.Price: access.Hidden}
	limited.Condition.StepUp = 600
	named := role("a", grant("stock.read", all))
	named.Names.EN = "Other"
	for _, tt := range []struct {
		name      string
		old, next access.Policy
		want      []string
	}{
		{"nothing", policy(role("a", grant("stock.read", all))), policy(role("a", grant("stock.read", all))), nil},
		{"another order", policy(role("a", grant("stock.read", all), grant("count.read", all))), policy(role("a", grant("count.read", all), grant("stock.read", all))), nil},
		{"hidden said and unsaid", policy(role("a", grant("stock.read", all))), policy(role("a", access.Grant{Permission: "stock.read", Scope: all, Fields: map[access.FieldClass]access.FieldAccess{access.Cost: access.Hidden}})), nil},
		{"gained and lost", policy(role("a", grant("stock.read", all))), policy(role("a", grant("print.create", home))),
			[]string{`Role a changed | removed "See stock" | added "Print labels": the person's warehouses`}},
		{"a new role", policy(), policy(role("a", grant("stock.read", all))), []string{`Role a added | added "See stock": all warehouses`}},
		{"a role gone", policy(role("a", grant("stock.read", all))), policy(), []string{`Role a removed | removed "See stock"`}},
		{"renamed", policy(role("a", grant("stock.read", all))), policy(named), []string{`Other changed | changed renamed: Role a → Other`}},
		{"limited", policy(role("a", grant("stock.read", all))), policy(role("a", limited)),
			[]string{`Role a changed | changed "See stock": rows all warehouses → the person's warehouses; cost hidden → masked; conditions none → the second factor was given within 10 min`}},
		{"two rules", policy(role("a", grant("stock.read", all))), policy(role("a", grant("stock.read", all), grant("stock.read", home))),
			[]string{`Role a changed | changed "See stock": all warehouses → all warehouses or the person's warehouses`}},
		{"an unknown permission", policy(), policy(role("a", grant("moon.land", all))), []string{`Role a added | added "moon.land": all warehouses`}},
	} {
		got := texts(Diff(tt.old, tt.next, nil), "en")
		if !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(tt.want))) {
			t.Errorf("%s:\n%q\nwant\n%q", tt.name, got, tt.want)
		}
		for _, s := range texts(Diff(tt.old, tt.next, nil), "zh") {
			if strings.Contains(s, "%!") || strings.Contains(s, "→ none") {
				t.Errorf("%s: %s", tt.name, s)
			}
		}
	}
	with, without := access.Ready(), access.Ready()
	without.Exclusions = without.Exclusions[1:]
	if d := Diff(with, without, nil); len(d) != 1 || d[0].Kind != Removed || d[0].Role != "" {
		t.Errorf("an exclusion gone: %+v", d)
	}
	people := []Person{person("li", "a", "b"), person("wang", "a"), person("chen", "c")}
	d := Diff(policy(role("a"), role("b")), policy(role("a", grant("stock.read", all)), role("b", grant("stock.read", all))), people)
	if got := Affected(d); len(got) != 2 || got[0].Name != "li" || len(d[0].People) != 2 {
		t.Errorf("affected %+v", got)
	}
}

func TestDraft(t *testing.T) {
	base := policy(role("a", grant("stock.read", all)), role("b"))
	d := Draft{Base: 4}.With(base, role("a", grant("count.read", all))).With(base, role("c")).Without(base, "b")
	next := d.Apply(base)
	if len(next.Roles) != 2 || next.Roles[0].Grants[0].Permission != "count.read" || next.Roles[1].ID != "c" || len(base.Roles) != 2 || base.Roles[0].Grants[0].Permission != "stock.read" {
		t.Errorf("applied %+v", next)
	}
	if d := d.With(base, base.Roles[0]).With(base, role("b")).Without(base, "c"); !d.Empty() {
		t.Errorf("all taken back leaves %+v", d)
	}
	b, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := DecodeDraft(b); err != nil || !reflect.DeepEqual(texts(Diff(base, back.Apply(base), nil), "en"), texts(Diff(base, next, nil), "en")) {
		t.Errorf("read back %+v, %v", back, err)
	}
	if _, err := DecodeDraft([]byte("x")); err == nil {
		t.Error("junk is a draft")
	}
}

func TestRebase(t *testing.T) {
	read, count, export := grant("stock.read", all), grant("count.read", all), grant("stock.export", all)
	base := policy(role("a", read))
	for _, tt := range []struct {
		name         string
		mine, theirs access.Role
		want         string
		clashes      int
	}{
		{"each another permission", role("a", read, count), role("a", read, export), "[stock.read stock.export count.read]", 0},
		{"both the same", role("a", read, count), role("a", read, count), "[stock.read count.read]", 0},
		{"they took away what I left", role("a", read, count), role("a"), "[count.read]", 0},
		{"both in other ways", role("a", grant("stock.read", home)), role("a"), "[stock.read]", 1},
		{"I took away, they narrowed", role("a"), role("a", grant("stock.read", home)), "[]", 1},
	} {
		newest := policy(tt.theirs)
		newest.Version = 5
		d, clashes := Draft{Base: 4}.With(base, tt.mine).Rebase(base, newest)
		var got []access.Permission
		for _, g := range d.Apply(newest).Roles[0].Grants {
			got = append(got, g.Permission)
		}
		if fmt.Sprint(got) != tt.want || len(clashes) != tt.clashes || d.Base != 5 {
			t.Errorf("%s: %v, %d clashes, base %d", tt.name, got, len(clashes), d.Base)
		}
	}
	gone := policy()
	gone.Version = 5
	if d, clashes := (Draft{Base: 4}.With(base, role("a", count)).Rebase(base, gone)); len(clashes) != 1 || len(d.Put) != 1 {
		t.Errorf("a role that was deleted meanwhile: %+v, %v", d, clashes)
	}
	changed := policy(role("a", count))
	if _, clashes := (Draft{Base: 4}.Without(base, "a").Rebase(base, changed)); len(clashes) != 1 {
		t.Error("deleting what somebody has just changed is not told")
	}
}

func TestCheckSave(t *testing.T) {
	writes := role("w", grant(WritePolicy, all))
	old := policy(writes, role("a", grant("stock.read", all)))
	people := []Person{person("boss", "w"), person("li", "a")}
	two := role("b")
	two.Names = access.Text{ZH: "角色a", EN: "Other"}
	blank := role("c")
	blank.Names.ZH = ""
	for _, tt := range []struct {
		name string
		next access.Policy
		want string // part of the refusal, empty for none
	}{
		{"the same", old, ""},
		{"less for one", policy(writes, role("a")), ""},
		{"a role that is held is gone", policy(writes), "(1: li)"},
		{"two of a name", policy(writes, role("a"), two), "Two roles are called"},
		{"without a name", policy(writes, role("a"), blank), "a Chinese and an English name"},
		{"an odd id", policy(writes, role("a"), role("A/B")), "The id of a role"},
		{"a broken grant", policy(writes, role("a", grant("stock", all))), "Something in role"},
		{"nobody writes", policy(role("w"), role("a")), "nobody could change rights"},
		{"whoever writes is disabled", policy(role("w"), role("a", grant(WritePolicy, home))), "nobody could change rights"},
	} {
		err := CheckSave(old, tt.next, people, here, now)
		var r *Refusal
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want != "" && (!errors.As(err, &r) || !strings.Contains(r.Words.EN, tt.want) || r.Words.ZH == "" || strings.Contains(r.Words.ZH+r.Words.EN, "%!")):
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	many := policy(writes, role("a"))
	for n := range MostRoles {
		many.Roles = append(many.Roles, role(access.RoleID(fmt.Sprint("r", n))))
	}
	if CheckSave(old, many, people, here, now) == nil {
		t.Error("too many roles are saved")
	}
	disabled := slices.Clone(people)
	disabled[0].Disabled = true
	waiting := slices.Clone(people)
	waiting[0].Waiting = true
	for name, people := range map[string][]Person{"disabled": disabled, "waiting": waiting} {
		if w, err := Writers(old, people, here, now); err != nil || len(w) != 0 {
			t.Errorf("%s: %v %v", name, w, err)
		}
	}
}

func TestSeeAndArrange(t *testing.T) {
	fresh := grant("stock.export", all)
	fresh.Condition.StepUp = 600
	limited := grant("stock.read", access.Scope{Reach: access.Everywhere, Whose: access.OwnDocuments})
	limited.Fields = map[access.FieldClass]access.FieldAccess{access.Cost: access.Read}
	p := policy(role("a", limited, fresh, grant("count.read", home)), role("spare", grant("stock.read", all)))
	e, err := access.Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	li := person("li", "a")
	q := access.Request{Subject: &li.Subject, Time: now, Known: now, Address: here, ClockTrusted: true, InContact: true}
	find := func(list []SightGroup, p access.Permission) Sight {
		for _, g := range list {
			for _, s := range g.Sights {
				if s.Permission == p {
					return s
				}
			}
		}
		t.Fatal(p)
		return Sight{}
	}
	sights := See(e, q, "")
	if s := find(sights, "stock.read"); !s.Allowed || s.Rows.EN != "own documents: all warehouses" || s.Fields.EN != "cost read" || s.StepUp {
		t.Errorf("stock.read %+v", s)
	}
	if s := find(sights, "stock.export"); !s.Allowed || !s.StepUp {
		t.Errorf("stock.export %+v", s)
	}
	if s := find(sights, "audit.read"); s.Allowed || s.Reason.EN == "" {
		t.Errorf("audit.read %+v", s)
	}
	if s := find(See(e, q, "BJS"), "count.read"); s.Allowed {
		t.Errorf("at another warehouse: %+v", s)
	}
	if s := find(See(e, q, "SHA"), "count.read"); !s.Allowed || s.Rows.EN != "SHA" {
		t.Errorf("at home: %+v", s)
	}

	people := []Person{li}
	people[0].Dormant = true
	r := e.Report(subjects(people), now)
	for _, by := range []By{ByPerson, ByRole, ByPermission} {
		if len(Arrange(r, people, by, Filter{})) == 0 {
			t.Error(by)
		}
	}
	if s := Arrange(r, people, ByRole, Filter{Role: "spare"}); len(s) != 1 || !slices.Equal(s[0].Rows[0].Marks, []Mark{MarkUnheld}) {
		t.Errorf("%+v", s)
	}
	if s := Arrange(r, people, ByPerson, Filter{Text: "EXPORT", Marked: true}); len(s) != 1 || len(s[0].Rows) != 1 || !slices.Contains(s[0].Rows[0].Marks, MarkDormant) {
		t.Errorf("%+v", s)
	}
	people[0].Dormant, people[0].Overdue, people[0].Lacks = false, true, true
	if s := Arrange(r, people, ByPerson, Filter{Text: "EXPORT", Marked: true}); len(s) != 1 || !slices.Contains(s[0].Rows[0].Marks, MarkOverdue) || !slices.Contains(s[0].Rows[0].Marks, MarkLacks) || slices.Contains(s[0].Rows[0].Marks, MarkDormant) {
		t.Errorf("%+v", s)
	}
	people[0].Disabled = true // who can not sign in has nothing to put right
	if s := Arrange(r, people, ByPerson, Filter{Text: "EXPORT"}); len(s) != 1 || slices.Contains(s[0].Rows[0].Marks, MarkOverdue) || slices.Contains(s[0].Rows[0].Marks, MarkLacks) {
		t.Errorf("%+v", s)
	}
	people[0].Disabled = false
	if s := Arrange(r, people, ByPerson, Filter{Text: "nobody at all"}); len(s) != 0 {
		t.Errorf("%+v", s)
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{"": "", "li": "li", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", "\r": "'\r", "＝1": "'＝1", "a=1": "a=1", "库存": "库存"} {
		if got := Cell(in); got != want {
			t.Errorf("%q became %q", in, got)
		}
	}
}

func TestJudge(t *testing.T) {
	c, w, u := access.Confirmed, access.Withdrawn, access.Undecided
	for _, tt := range []struct {
		at   []access.Verdict
		hq   access.Verdict
		want Outcome
	}{{[]access.Verdict{u}, "", Open}, {[]access.Verdict{c}, "", Open}, {[]access.Verdict{w}, "", Withdraw}, {[]access.Verdict{w, u}, "", Open}, {[]access.Verdict{w, w}, "", Withdraw},
		{[]access.Verdict{w, c}, "", Disputed}, {[]access.Verdict{w, c}, u, Open}, {[]access.Verdict{w, c}, w, Withdraw}, {[]access.Verdict{w, c}, c, Open}, {nil, w, Withdraw}, {nil, u, Open}} {
		var items []Item
		for _, v := range tt.at {
			items = append(items, Item{Warehouse: "SHA", Verdict: v})
		}
		if tt.hq != "" {
			items = append([]Item{{Verdict: tt.hq}}, items...)
		}
		if got := Judge(items); got != tt.want {
			t.Errorf("%v %v: %v, want %v", tt.at, tt.hq, got, tt.want)
		}
	}
	for _, items := range [][]Item{Questions(access.Ready(), []Person{person("li", access.Worker), {Subject: access.Subject{Account: "x", Roles: []access.RoleID{access.Lead}, Disabled: true}}})} {
		if len(items) != 1 || items[0].Warehouse != "SHA" || items[0].Names.EN != "Warehouse worker" {
			t.Errorf("%+v", items)
		}
	}
}

// FuzzDraft: whatever a draft is read from, it can be applied, compared and carried over without harm.
func FuzzDraft(f *testing.F) {
	base := access.Ready()
	b, err := Draft{Base: 1}.With(base, role("x", grant("stock.read", all))).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := DecodeDraft(b)
		if err != nil {
			return
		}
		next := d.Apply(base)
		_ = Diff(base, next, nil)
		_, _ = d.Rebase(base, next)
		_ = CheckSave(base, next, nil, here, now)
	})
}

package rights

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Kind says what became of a role, a rule or a grant. The words are keys of the catalogue under "rights.did_".
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"
)

// Delta is what is different about one role, or about one exclusion.
type Delta struct {
	Role   access.RoleID // empty for an exclusion
	Names  access.Text
	Kind   Kind
	Lines  []Line
	People []Person // who have the role
}

// Line is one thing that is different.
type Line struct {
	Kind       Kind
	Permission access.Permission // empty for names
	Words      access.Text
}

// Diff says what next allows differently from old, role by role in the order of next, then exclusions.
func Diff(old, next access.Policy, people []Person) (list []Delta) {
	for _, r := range next.Roles {
		was := find(old, r.ID)
		d := Delta{Role: r.ID, Names: r.Names, Kind: Changed, People: holding(people, r.ID)}
		switch {
		case was == nil:
			d.Kind, d.Lines = Added, grantLines(nil, r.Grants)
		case equalRoles(*was, r):
			continue
		default:
			if was.Names != r.Names {
				d.Lines = append(d.Lines, Line{Kind: Changed, Words: access.Text{ZH: "改名：" + was.Names.ZH + " → " + r.Names.ZH, EN: "renamed: " + was.Names.EN + " → " + r.Names.EN}})
			}
			d.Lines = append(d.Lines, grantLines(was.Grants, r.Grants)...)
		}
		list = append(list, d)
	}
	for _, r := range old.Roles {
		if find(next, r.ID) == nil {
			list = append(list, Delta{Role: r.ID, Names: r.Names, Kind: Removed, Lines: grantLines(r.Grants, nil), People: holding(people, r.ID)})
		}
	}
	return append(list, exclusionDeltas(old, next)...)
}

func exclusionDeltas(old, next access.Policy) (list []Delta) {
	for _, x := range next.Exclusions {
		switch was := findRule(old, x.ID); {
		case was == nil:
			list = append(list, Delta{Names: x.Names, Kind: Added, Lines: ruleLines(nil, &x, old, next)})
		case !sameBytes(*was, x):
			list = append(list, Delta{Names: x.Names, Kind: Changed, Lines: ruleLines(was, &x, old, next)})
		}
	}
	for _, x := range old.Exclusions {
		if findRule(next, x.ID) == nil {
			list = append(list, Delta{Names: x.Names, Kind: Removed, Lines: ruleLines(&x, nil, old, next)})
		}
	}
	return list
}

// sameBytes reports whether two values are the same in their deterministic encoding.
func sameBytes(a, b any) bool {
	x, err1 := change.Marshal(a)
	y, err2 := change.Marshal(b)
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// equalRoles reports whether two roles allow the same under the same names, whatever the order of their grants.
func equalRoles(a, b access.Role) bool {
	return a.ID == b.ID && a.Names == b.Names && a.Withdrawn == b.Withdrawn && sameBytes(ordered(a.Grants), ordered(b.Grants))
}

// plain returns g without classes of fields that are named and hidden, which is what all others are.
func plain(g access.Grant) access.Grant {
	fields := map[access.FieldClass]access.FieldAccess{}
	for c, a := range g.Fields {
		if a != access.Hidden {
			fields[c] = a
		}
	}
	g.Fields = fields
	return g
}

// ordered returns grants in one order: that of the registry, then by their bytes.
func ordered(grants []access.Grant) []access.Grant {
	type keyed struct {
		grant access.Grant
		key   []byte
	}
	list := make([]keyed, len(grants))
	for i, g := range grants {
		g = plain(g)
		b, _ := change.Marshal(g) // what can not be written was refused before; it sorts first
		list[i] = keyed{g, b}
	}
	slices.SortStableFunc(list, func(a, b keyed) int {
		return cmp.Or(comparePermissions(a.grant.Permission, b.grant.Permission), bytes.Compare(a.key, b.key))
	})
	out := make([]access.Grant, len(list))
	for i, k := range list {
		out[i] = k.grant
	}
	return out
}

var places = func() map[access.Permission]int {
	m := map[access.Permission]int{}
	for _, g := range access.Groups() {
		for _, p := range g.Permissions {
			m[p.Permission] = len(m)
		}
	}
	return m
}()

func comparePermissions(a, b access.Permission) int {
	place := func(p access.Permission) int {
		if n, ok := places[p]; ok {
			return n
		}
		return len(places)
	}
	return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
}

// byPermission returns the grants of each permission.
func byPermission(grants []access.Grant) map[access.Permission][]access.Grant {
	m := map[access.Permission][]access.Grant{}
	for _, g := range ordered(grants) {
		m[g.Permission] = append(m[g.Permission], g)
	}
	return m
}

func grantLines(old, next []access.Grant) (list []Line) {
	was, is := byPermission(old), byPermission(next)
	var all []access.Permission
	for _, m := range []map[access.Permission][]access.Grant{was, is} {
		for p := range m {
			all = append(all, p)
		}
	}
	slices.SortFunc(all, comparePermissions)
	for _, p := range slices.Compact(all) {
		a, b := was[p], is[p]
		t := p.Title()
		switch {
		case sameBytes(a, b):
		case len(a) == 0:
			list = append(list, Line{Added, p, titled(t, grantsWords(b))})
		case len(b) == 0:
			list = append(list, Line{Removed, p, access.Text{ZH: "“" + t.ZH + "”", EN: `"` + t.EN + `"`}})
		case len(a) == 1 && len(b) == 1:
			list = append(list, Line{Changed, p, titled(t, changeWords(a[0], b[0]))})
		default:
			x, y := grantsWords(a), grantsWords(b)
			list = append(list, Line{Changed, p, titled(t, access.Text{ZH: x.ZH + " → " + y.ZH, EN: x.EN + " → " + y.EN})})
		}
	}
	return list
}

func titled(t, w access.Text) access.Text {
	return access.Text{ZH: "“" + t.ZH + "”：" + w.ZH, EN: `"` + t.EN + `": ` + w.EN}
}

func join(list []access.Text, zh, en string) (t access.Text) {
	for i, w := range list {
		if i > 0 {
			t.ZH, t.EN = t.ZH+zh, t.EN+en
		}
		t.ZH, t.EN = t.ZH+w.ZH, t.EN+w.EN
	}
	return t
}

func grantsWords(list []access.Grant) access.Text {
	var words []access.Text
	for _, g := range list {
		words = append(words, GrantWords(g))
	}
	return join(words, " 或 ", " or ")
}

// GrantWords says to what a grant applies: rows, fields, conditions.
func GrantWords(g access.Grant) access.Text {
	parts := []access.Text{g.Scope.Words()}
	if f := FieldsWords(g.Fields); f.EN != "" {
		parts = append(parts, f)
	}
	if c := g.Condition.Words(); c.EN != "" {
		parts = append(parts, access.Text{ZH: "条件：" + c.ZH, EN: "if " + c.EN})
	}
	return join(parts, "；", "; ")
}

// FieldsWords says which classes of fields are open and how far; empty when all are hidden.
func FieldsWords(f map[access.FieldClass]access.FieldAccess) access.Text {
	var list []access.Text
	for c, a := range sortedFields(f) {
		if a != access.Hidden {
			x, y := access.FieldClass(c).Title(), a.Title() // #nosec G115 -- an index of few
			list = append(list, access.Text{ZH: x.ZH + y.ZH, EN: x.EN + " " + y.EN})
		}
	}
	return join(list, "、", ", ")
}

// sortedFields returns f by class; the ones that are not known are left out, as they open nothing here.
func sortedFields(f map[access.FieldClass]access.FieldAccess) []access.FieldAccess {
	list := make([]access.FieldAccess, len(access.Classes())+1)
	for _, c := range access.Classes() {
		list[c] = f[c]
	}
	return list
}

func changeWords(a, b access.Grant) access.Text {
	var parts []access.Text
	arrow := func(name, x, y access.Text) {
		parts = append(parts, access.Text{ZH: name.ZH + x.ZH + " → " + y.ZH, EN: name.EN + x.EN + " → " + y.EN})
	}
	if x, y := a.Scope.Words(), b.Scope.Words(); x != y {
		arrow(access.Text{ZH: "范围 ", EN: "rows "}, x, y)
	}
	before, after := sortedFields(a.Fields), sortedFields(b.Fields)
	for _, c := range access.Classes() {
		if before[c] != after[c] {
			t := c.Title()
			arrow(access.Text{ZH: t.ZH + " ", EN: t.EN + " "}, before[c].Title(), after[c].Title())
		}
	}
	none := func(t access.Text) access.Text {
		if t.EN == "" {
			return access.Text{ZH: "无", EN: "none"}
		}
		return t
	}
	if x, y := a.Condition.Words(), b.Condition.Words(); x != y {
		arrow(access.Text{ZH: "条件 ", EN: "conditions "}, none(x), none(y))
	}
	if len(parts) == 0 { // a class of fields that this program does not know
		return access.Text{ZH: "已修改", EN: "changed"}
	}
	return join(parts, "；", "; ")
}

// Clash is a person who would hold what excludes each other.
type Clash struct {
	Person Person
	Words  access.Text
	New    bool // it was not so before
}

// Clashes returns who holds duties or roles under next that exclude each other, and which of that is new.
func Clashes(old, next access.Policy, people []Person, now time.Time) ([]Clash, error) {
	words := func(p access.Policy) (map[access.Account]access.Text, error) {
		e, err := access.Compile(p)
		if err != nil {
			return nil, err
		}
		m := map[access.Account]access.Text{}
		for _, c := range e.Report(subjects(people), now).Collisions {
			m[c.Account] = c.Words()
		}
		return m, nil
	}
	before, err := words(old)
	if err != nil {
		return nil, err
	}
	after, err := words(next)
	if err != nil {
		return nil, err
	}
	var list []Clash
	for _, p := range people {
		if w, ok := after[p.Account]; ok {
			list = append(list, Clash{Person: p, Words: w, New: before[p.Account] != w})
		}
	}
	slices.SortStableFunc(list, func(a, b Clash) int { return cmp.Compare(btoi(b.New), btoi(a.New)) })
	return list, nil
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Affected returns everybody who has a role that is different, each once, by name.
func Affected(deltas []Delta) (list []Person) {
	for _, d := range deltas {
		list = append(list, d.People...)
	}
	slices.SortFunc(list, func(a, b Person) int { return cmp.Compare(a.Account, b.Account) })
	return slices.CompactFunc(list, func(a, b Person) bool { return a.Account == b.Account })
}

// Summary says in a few words what the deltas are, for the log.
func Summary(deltas []Delta) string {
	var parts []string
	for _, d := range deltas {
		id := string(d.Role)
		if id == "" {
			id = "rule " + d.Names.EN
		}
		lost, gained := 0, 0
		for _, l := range d.Lines {
			switch l.Kind {
			case Added:
				gained++
			case Removed:
				lost++
			}
		}
		parts = append(parts, fmt.Sprintf("%s %s +%d -%d ~%d", id, d.Kind, gained, lost, len(d.Lines)-gained-lost))
	}
	s := strings.Join(parts, "; ")
	if len(s) > 400 {
		s = strings.ToValidUTF8(s[:400], "") + "…"
	}
	return s
}

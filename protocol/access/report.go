package access

import (
	"cmp"
	"errors"
	"slices"
	"time"
)

// Report tells who can do what.
type Report struct {
	Version    uint64 // of the policy
	Lines      []Line // by account, permission, source
	Collisions []*Collision
	Faults     []Fault
}

// Line is one grant in one hand. Account is empty for a role that nobody has.
type Line struct {
	Account  Account
	By       Source
	Grant    Grant
	Until    time.Time // of a temporary grant
	Approver Account   // of a temporary grant
	Void     Reason    // why it allows nothing whatever the request, empty if it can
}

// Fault is a person whose assignment is malformed or names a role that does not exist.
type Fault struct {
	Account Account
	Err     error
}

// Report returns who of people can do what at that moment. Disabled accounts and grants that have ended are in it, marked.
func (e *Engine) Report(people []Subject, now time.Time) Report {
	r := Report{Version: e.policy.Version}
	held := map[RoleID]bool{}
	for i := range people {
		s := &people[i]
		for _, id := range s.Roles {
			held[id] = true
		}
		r.Lines = append(r.Lines, e.lines(s, now)...)
		err := e.CheckAssignment(*s, now)
		if c := (*Collision)(nil); errors.As(err, &c) {
			r.Collisions = append(r.Collisions, c)
		} else if err != nil {
			r.Faults = append(r.Faults, Fault{Account: s.Account, Err: err})
		}
	}
	for id, role := range e.roles {
		if !held[id] {
			r.Lines = append(r.Lines, roleLines("", role, "")...)
		}
	}
	r.Lines = arranged(r.Lines, func(l Line) string { return string(l.Account) })
	slices.SortStableFunc(r.Collisions, func(a, b *Collision) int { return cmp.Compare(a.Account, b.Account) })
	slices.SortStableFunc(r.Faults, func(a, b Fault) int { return cmp.Compare(a.Account, b.Account) })
	return r
}

func (e *Engine) lines(s *Subject, now time.Time) (list []Line) {
	for i, id := range s.Roles {
		role := e.roles[id]
		if role == nil || slices.Contains(s.Roles[:i], id) {
			continue
		}
		var void Reason
		switch {
		case s.Disabled:
			void = Disabled
		case e.excluded(s, i, role):
			void = RolesExclude
		}
		list = append(list, roleLines(s.Account, role, void)...)
	}
	for i := range s.Temporary {
		t := &s.Temporary[i]
		l := Line{Account: s.Account, By: Source{Temporary: t.ID}, Grant: t.Grant.clone(), Until: time.UnixMilli(t.Until).UTC(), Approver: t.Approver, Void: void(t.Grant.Permission)}
		switch {
		case s.Disabled:
			l.Void = Disabled
		case t.fault(s.Account) != "":
			l.Void = NotApproved
		case now.UnixMilli() >= t.Until:
			l.Void = Ended
		case now.UnixMilli() < t.From:
			l.Void = NotYet
		}
		list = append(list, l)
	}
	return list
}

func roleLines(a Account, role *role, because Reason) (list []Line) {
	for i := range role.def.Grants {
		g := role.def.Grants[i]
		list = append(list, Line{Account: a, By: Source{Role: role.def.ID, Names: role.def.Names}, Grant: g.clone(), Void: cmp.Or(because, void(g.Permission))})
	}
	return list
}

func void(p Permission) Reason {
	if _, ok := numbers[p]; !ok {
		return UnknownAct
	}
	return ""
}

// Section is a part of a report under one heading.
type Section struct {
	Key   string // an account, a role's id or a permission
	Lines []Line
}

// ByPerson returns the report by account; roles that nobody has are left out.
func (r Report) ByPerson() []Section {
	return sections(r.Lines, func(l Line) string { return string(l.Account) })
}

// ByRole returns the report by role; temporary grants are left out.
func (r Report) ByRole() []Section {
	return sections(r.Lines, func(l Line) string { return string(l.By.Role) })
}

// ByPermission returns the report by permission.
func (r Report) ByPermission() []Section {
	return sections(r.Lines, func(l Line) string { return string(l.Grant.Permission) })
}

// sections arranges lines under the keys that key gives them; those without one are left out.
func sections(lines []Line, key func(Line) string) (list []Section) {
	for _, l := range arranged(lines, key) {
		k := key(l)
		if k == "" {
			continue
		}
		if n := len(list); n == 0 || list[n-1].Key != k {
			list = append(list, Section{Key: k})
		}
		last := &list[len(list)-1]
		last.Lines = append(last.Lines, l)
	}
	return list
}

// arranged returns lines in the order of key, then account, permission as the registry has them, and source.
func arranged(lines []Line, key func(Line) string) []Line {
	out := slices.Clone(lines)
	place := func(p Permission) int {
		if n, ok := numbers[p]; ok {
			return n
		}
		return len(infos)
	}
	slices.SortStableFunc(out, func(a, b Line) int {
		return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a.Account, b.Account), cmp.Compare(place(a.Grant.Permission), place(b.Grant.Permission)),
			cmp.Compare(a.Grant.Permission, b.Grant.Permission), compareSources(a.By, b.By))
	})
	return out
}

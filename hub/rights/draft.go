package rights

import (
	"slices"

	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Draft is what a person has changed and not saved: the roles and exclusions that differ from the edition that it was begun from. It lies at
// the server, so that nothing is lost when a session ends or somebody else saves meanwhile.
type Draft struct {
	_       struct{} `cbor:",toarray"`
	Base    uint64   // the edition that it was made of
	Rev     uint64   // rises with every change of the draft: two windows must not overwrite each other
	Put     []access.Role
	Removed []access.RoleID

	PutRules     []access.Exclusion
	RemovedRules []string
}

// formerDraft is how a draft was kept before it could change exclusions.
type formerDraft struct {
	_       struct{} `cbor:",toarray"`
	Base    uint64
	Rev     uint64
	Put     []access.Role
	Removed []access.RoleID
}

// Changes returns how many roles and exclusions the draft changes.
func (d Draft) Changes() int {
	return len(d.Put) + len(d.Removed) + len(d.PutRules) + len(d.RemovedRules)
}

// Empty reports whether the draft changes nothing.
func (d Draft) Empty() bool { return d.Changes() == 0 }

// Apply returns base with what the draft changes.
func (d Draft) Apply(base access.Policy) access.Policy {
	next := base
	next.Roles, next.Exclusions = nil, d.applyRules(base)
	for _, r := range base.Roles {
		if n := slices.IndexFunc(d.Put, func(p access.Role) bool { return p.ID == r.ID }); n >= 0 {
			next.Roles = append(next.Roles, d.Put[n])
		} else if !slices.Contains(d.Removed, r.ID) {
			next.Roles = append(next.Roles, r)
		}
	}
	for _, r := range d.Put {
		if find(base, r.ID) == nil {
			next.Roles = append(next.Roles, r)
		}
	}
	return next
}

// With returns the draft with role r in it; one that is as in base is no change.
func (d Draft) With(base access.Policy, r access.Role) Draft {
	d = d.without(r.ID)
	r.Grants = ordered(r.Grants)
	if was := find(base, r.ID); was == nil || !equalRoles(*was, r) {
		d.Put = append(d.Put, r)
	}
	return d
}

// Without returns the draft with the role of that id removed.
func (d Draft) Without(base access.Policy, id access.RoleID) Draft {
	d = d.without(id)
	if find(base, id) != nil {
		d.Removed = append(d.Removed, id)
	}
	return d
}

func (d Draft) without(id access.RoleID) Draft {
	d.Put = slices.DeleteFunc(slices.Clone(d.Put), func(r access.Role) bool { return r.ID == id })
	d.Removed = slices.DeleteFunc(slices.Clone(d.Removed), func(r access.RoleID) bool { return r == id })
	return d
}

// Encode returns the bytes of d.
func (d Draft) Encode() ([]byte, error) { return change.Marshal(d) }

// DecodeDraft reads what Encode wrote.
func DecodeDraft(b []byte) (d Draft, err error) {
	if err = change.UnmarshalExact(b, &d); err == nil {
		return d, nil
	}
	var former formerDraft
	if change.UnmarshalExact(b, &former) == nil {
		return Draft{Base: former.Base, Rev: former.Rev, Put: former.Put, Removed: former.Removed}, nil
	}
	return Draft{}, err
}

// Both is a thing that two people have changed in different ways; the draft's own way is kept until its writer says otherwise.
type Both struct {
	Role  access.Text
	Words access.Text // empty for the names of the role, or its being there
}

// Rebase carries the draft over from the edition that it was made of to the newest one: a permission of a role, or its names,
// that only one of the two has changed is as that one says. What both changed is as the draft says, and is told.
func (d Draft) Rebase(base, newest access.Policy) (Draft, []Both) {
	out := Draft{Base: newest.Version, Rev: d.Rev}
	var clashes []Both
	for _, mine := range d.Put {
		was, is := find(base, mine.ID), find(newest, mine.ID)
		switch {
		case is == nil && was != nil: // removed meanwhile: the draft would bring it back
			clashes = append(clashes, Both{Role: mine.Names})
		case is != nil && was == nil && !equalRoles(*is, mine):
			clashes = append(clashes, Both{Role: mine.Names})
		case is != nil && was != nil:
			var more []Both
			mine, more = merge(*was, mine, *is)
			clashes = append(clashes, more...)
		}
		out = out.With(newest, mine)
	}
	for _, id := range d.Removed {
		if was, is := find(base, id), find(newest, id); is != nil && (was == nil || !equalRoles(*was, *is)) {
			clashes = append(clashes, Both{Role: is.Names})
		}
		out = out.Without(newest, id)
	}
	out, more := d.rebaseRules(out, base, newest)
	return out, append(clashes, more...)
}

func merge(was, mine, theirs access.Role) (access.Role, []Both) {
	var clashes []Both
	out := mine
	out.Grants = nil
	switch {
	case mine.Names == was.Names:
		out.Names = theirs.Names
	case theirs.Names != was.Names && theirs.Names != mine.Names:
		clashes = append(clashes, Both{Role: mine.Names})
	}
	a, b, c := byPermission(was.Grants), byPermission(mine.Grants), byPermission(theirs.Grants)
	seen := map[access.Permission]bool{}
	for _, m := range []map[access.Permission][]access.Grant{a, b, c} {
		for p := range m {
			if seen[p] {
				continue
			}
			seen[p] = true
			switch {
			case sameBytes(a[p], b[p]):
				out.Grants = append(out.Grants, c[p]...)
				continue
			case !sameBytes(a[p], c[p]) && !sameBytes(b[p], c[p]):
				clashes = append(clashes, Both{Role: out.Names, Words: p.Title()})
			}
			out.Grants = append(out.Grants, b[p]...)
		}
	}
	out.Grants = ordered(out.Grants)
	return out, clashes
}

package access

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"stockade/protocol/stock"
)

// Engine decides by one policy. It never changes and may be used by many at once.
type Engine struct {
	policy  Policy // our own copy
	roles   map[RoleID]*role
	against []set // by permission: what must be somebody else's work on the same document
}

// role is a role ready to be asked.
type role struct {
	def        *Role
	grants     []grant  // of known permissions, those of the same next to each other
	spans      []span   // by permission: where its grants are
	exclusions []uint16 // in which the role stands
}

type span struct{ from, to uint16 }

// grant is a grant ready to be asked. It shares its lists with the policy or the subject that it comes from.
type grant struct {
	def        *Grant
	fields     Fields
	privileged bool
}

// Compile makes an engine of p, which may be changed afterwards. It returns an error when p is malformed.
func Compile(p Policy) (*Engine, error) {
	if err := p.Check(); err != nil {
		return nil, fmt.Errorf("policy version %d: %w", p.Version, err)
	}
	e := &Engine{policy: p.clone(), roles: make(map[RoleID]*role, len(p.Roles)), against: make([]set, len(infos))}
	for i := range e.policy.Roles {
		def := &e.policy.Roles[i]
		if def.Withdrawn {
			continue
		}
		r, err := compileRole(def)
		if err != nil {
			return nil, fmt.Errorf("policy version %d: %w", p.Version, err)
		}
		e.roles[def.ID] = r
	}
	if len(e.policy.Exclusions) > 1<<16 {
		return nil, fmt.Errorf("policy version %d: more than %d exclusions", p.Version, 1<<16)
	}
	for i := range e.policy.Exclusions {
		e.exclude(uint16(i), &e.policy.Exclusions[i]) // #nosec G115 -- judged above
	}
	return e, nil
}

func compileRole(def *Role) (*role, error) {
	if len(def.Grants) >= 1<<16 {
		return nil, fmt.Errorf("role %q has more than %d grants", def.ID, 1<<16-1)
	}
	r := &role{def: def, spans: make([]span, len(infos))}
	for n := range infos {
		r.spans[n].from = uint16(len(r.grants)) // #nosec G115 -- judged above
		for i := range def.Grants {
			if g := &def.Grants[i]; g.Permission == infos[n].Permission {
				r.grants = append(r.grants, compileGrant(g, n))
			}
		}
		r.spans[n].to = uint16(len(r.grants)) // #nosec G115 -- judged above
	}
	return r, nil
}

func compileGrant(def *Grant, n int) grant {
	g := grant{def: def, privileged: infos[n].Privileged}
	for c, a := range def.Fields {
		if c < classes && a <= Write {
			g.fields[c] = a
		}
	}
	return g
}

func (e *Engine) exclude(i uint16, x *Exclusion) {
	if x.Withdrawn {
		return
	}
	for _, id := range x.Roles {
		if r := e.roles[id]; r != nil && !slices.Contains(r.exclusions, i) {
			r.exclusions = append(r.exclusions, i)
		}
	}
	for a, duty := range x.Duties {
		for b, other := range x.Duties {
			if a != b {
				e.keepApart(duty, other)
			}
		}
	}
}

func (e *Engine) keepApart(duty, other Duty) {
	for _, p := range duty.Permissions {
		n, ok := numbers[p]
		if !ok {
			continue
		}
		for _, q := range other.Permissions {
			if m, ok := numbers[q]; ok {
				e.against[n].add(m)
			}
		}
	}
}

// Version returns the version of the policy.
func (e *Engine) Version() uint64 { return e.policy.Version }

// Decide answers q. It takes no memory of its own unless warehouses of several grants are put together or a
// temporary grant is used.
func (e *Engine) Decide(q Request) Decision { return e.decide(&q, nil) }

// judged is a grant and what it lacks, for explanations.
type judged struct {
	role      *role
	temporary *Temporary
	grant     *Grant
	lacks     lacks
}

// decide answers q, and appends to seen, if it is given, every grant of the permission that the subject has.
func (e *Engine) decide(q *Request, seen *[]judged) Decision {
	s := q.Subject
	if s == nil {
		return Decision{Reason: NotSignedIn}
	}
	if s.Disabled {
		return Decision{Reason: Disabled}
	}
	n, ok := numbers[q.Permission]
	if !ok {
		return Decision{Reason: UnknownAct}
	}
	base := e.base(q, n)
	var t tally
	for i, id := range s.Roles {
		r := e.roles[id]
		if r == nil || r.spans[n].from == r.spans[n].to {
			continue
		}
		missing := base
		if len(r.exclusions) > 0 && e.excluded(s, i, r) {
			missing |= lacksRole
		}
		for k := r.spans[n].from; k < r.spans[n].to; k++ {
			g := &r.grants[k]
			l := missing | g.judge(q)
			t.add(q, g, l)
			if seen != nil {
				*seen = append(*seen, judged{role: r, grant: g.def, lacks: l})
			}
		}
	}
	standing := t
	for i := range s.Temporary {
		if s.Temporary[i].Grant.Permission == q.Permission {
			e.lend(q, n, base, &s.Temporary[i], &standing, &t, seen)
		}
	}
	if t.allowing == 0 {
		return Decision{Reason: t.reason()}
	}
	return e.allow(q, n, base, &standing, &t)
}

// lend adds a temporary grant to t, and its name if it gives more than the standing grants do.
func (e *Engine) lend(q *Request, n int, base lacks, lent *Temporary, standing, t *tally, seen *[]judged) {
	g := compileGrant(&lent.Grant, n)
	l := base | g.judge(q) | lent.judge(q)
	t.add(q, &g, l)
	if seen != nil {
		*seen = append(*seen, judged{temporary: lent, grant: &lent.Grant, lacks: l})
	}
	if l != 0 {
		return
	}
	open := &standing.most
	if q.List { // what is open in some rows only may be opened in others by this grant
		open = &standing.least
	}
	if standing.allowing == 0 || g.fields.exceeds(open) || q.List && !g.rows(q.Subject).within(standing.rows) {
		t.lent = append(t.lent, lent.ID)
	}
}

// allow makes the decision of what t has counted.
func (e *Engine) allow(q *Request, n int, base lacks, standing, t *tally) Decision {
	d := Decision{Allowed: true, Reason: Granted, Fields: t.most, Temporary: t.lent}
	if standing.allowing == 0 {
		d.Reason = GrantedForATime
	}
	if len(d.Temporary) > 1 {
		slices.Sort(d.Temporary)
		d.Temporary = slices.Compact(d.Temporary)
	}
	if !q.List {
		return d
	}
	d.Rows = t.rows.plain()
	if t.least == t.most {
		return d
	}
	// Every row has one of the allowing grants, so the least of them holds for all; so does a grant that covers all rows.
	d.Fields = t.least
	e.each(q, n, base, func(g *grant) {
		if d.Rows.within(g.rows(q.Subject)) {
			d.Fields.raise(&g.fields)
		}
	})
	d.PerRow = d.Fields != t.most
	return d
}

// each calls f with every grant that allows q.
func (e *Engine) each(q *Request, n int, base lacks, f func(*grant)) {
	s := q.Subject
	for i, id := range s.Roles {
		r := e.roles[id]
		if r == nil || r.spans[n].from == r.spans[n].to || e.excluded(s, i, r) {
			continue
		}
		for k := r.spans[n].from; k < r.spans[n].to; k++ {
			if base|r.grants[k].judge(q) == 0 {
				f(&r.grants[k])
			}
		}
	}
	for i := range s.Temporary {
		lent := &s.Temporary[i]
		if lent.Grant.Permission != q.Permission {
			continue
		}
		if g := compileGrant(&lent.Grant, n); base|g.judge(q)|lent.judge(q) == 0 {
			f(&g)
		}
	}
}

// base returns what every grant of permission n lacks for q.
func (e *Engine) base(q *Request, n int) (l lacks) {
	if infos[n].Privileged {
		if !q.ClockTrusted {
			l |= lacksClock
		}
		if !q.InContact {
			l |= lacksContact
		}
	}
	if q.List {
		return l
	}
	for _, p := range q.Resource.Done {
		if m, ok := numbers[p]; ok && e.against[n].has(m) {
			return l | lacksOther
		}
	}
	return l
}

// excluded reports whether role number i of s counts for nothing, because s has another that must not stand beside it.
func (e *Engine) excluded(s *Subject, i int, r *role) bool {
	for j, id := range s.Roles {
		other := e.roles[id]
		if j == i || other == nil || other == r {
			continue
		}
		for _, x := range other.exclusions {
			if slices.Contains(r.exclusions, x) {
				return true
			}
		}
	}
	return false
}

// judge returns what g lacks for q, apart from what all grants of the permission lack.
func (g *grant) judge(q *Request) (l lacks) {
	if q.List {
		if g.rows(q.Subject).Empty() {
			l |= lacksRows
		}
	} else if !g.covers(q.Subject, &q.Resource) {
		l |= lacksRows
	}
	c := &g.def.Condition
	if len(c.Networks) > 0 && !c.from(q) {
		l |= lacksNetwork
	}
	if c.StepUp > 0 {
		l |= c.fresh(q)
	}
	if len(c.Hours) > 0 {
		switch {
		case !q.ClockTrusted:
			l |= lacksClock
		case !slices.ContainsFunc(c.Hours, func(h Hours) bool { return h.hold(q.Time) }):
			l |= lacksHours
		}
	}
	return l
}

func (c *Condition) from(q *Request) bool {
	a := q.Address.Unmap().WithZone("")
	for _, n := range c.Networks {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// fresh returns what is lacking for the second factor to be fresh. One that was given after now is none.
func (c *Condition) fresh(q *Request) lacks {
	if !q.ClockTrusted {
		return lacksClock
	}
	if q.StepUp.IsZero() || q.StepUp.After(q.Time) || q.now().Sub(q.StepUp) > time.Duration(c.StepUp)*time.Second {
		return lacksStepUp
	}
	return 0
}

// now returns the later of what the clock says and what has certainly passed.
func (q *Request) now() time.Time {
	if q.Known.After(q.Time) {
		return q.Known
	}
	return q.Time
}

// judge returns what keeps t from being in force. A clock that was set back does not lengthen it: what has
// certainly passed counts too.
func (t *Temporary) judge(q *Request) (l lacks) {
	if t.fault(q.Subject.Account) != "" {
		l |= lacksApproval
	}
	if !q.ClockTrusted {
		l |= lacksClock
	}
	if q.Time.UnixMilli() < t.From {
		l |= lacksStart
	}
	if q.now().UnixMilli() >= t.Until {
		l |= lacksEnd
	}
	return l
}

// covers reports whether r is in the scope of g for s.
func (g *grant) covers(s *Subject, r *Resource) bool {
	c := &g.def.Scope
	switch c.Reach {
	case Everywhere:
	case Home:
		if r.Warehouse == "" || !slices.Contains(s.Warehouses, r.Warehouse) {
			return false
		}
	case Listed:
		if r.Warehouse == "" || !slices.Contains(c.Warehouses, r.Warehouse) {
			return false
		}
	default:
		return false
	}
	return c.Whose&Anyone != 0 || c.Whose&OwnDocuments != 0 && s.owns(*r) || c.Whose&OwnCustomers != 0 && s.keeps(*r)
}

// rows returns what g covers for s.
func (g *grant) rows(s *Subject) (r Rows) {
	var p Places
	switch g.def.Scope.Reach {
	case Everywhere:
		p.All = true
	case Home:
		p.Warehouses = listed(s.Warehouses)
	case Listed:
		p.Warehouses = listed(g.def.Scope.Warehouses)
	}
	w := g.def.Scope.Whose
	if w&Anyone != 0 {
		r.Any = p
		return r
	}
	if w&OwnDocuments != 0 && s.Account != "" {
		r.Own = p
	}
	if w&OwnCustomers != 0 && len(s.Customers) > 0 {
		r.Customers = p
	}
	return r
}

// listed returns w in order, which it is unless somebody has not checked it.
func listed(w []stock.Warehouse) []stock.Warehouse {
	if ascending(w) {
		return w
	}
	w = slices.DeleteFunc(slices.Clone(w), func(w stock.Warehouse) bool { return w == "" })
	slices.Sort(w)
	return slices.Compact(w)
}

// tally adds up the grants of one request.
type tally struct {
	allowing    int
	most, least Fields // open by any and by each of the allowing
	rows        Rows
	nearest     lacks // of those that do not allow; 0 for none
	lent        []TemporaryID
}

func (t *tally) add(q *Request, g *grant, l lacks) {
	if l != 0 {
		if t.nearest == 0 || nearer(l, t.nearest) {
			t.nearest = l
		}
		return
	}
	if t.allowing == 0 {
		t.most, t.least = g.fields, g.fields
	} else {
		t.most.raise(&g.fields)
		t.least.lower(&g.fields)
	}
	t.allowing++
	if q.List {
		t.rows = t.rows.join(g.rows(q.Subject))
	}
}

// reason returns why nothing allows: what the nearest grant lacks, of several things the one that is hardest to mend.
func (t *tally) reason() Reason {
	if t.nearest == 0 {
		return NoGrant
	}
	return lackReasons[bits.Len16(uint16(t.nearest))-1]
}

// nearer reports whether a grant that lacks a is nearer to allowing than one that lacks b.
func nearer(a, b lacks) bool {
	x, y := bits.OnesCount16(uint16(a)), bits.OnesCount16(uint16(b))
	return x < y || x == y && a < b
}

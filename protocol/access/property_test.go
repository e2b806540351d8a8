package access

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"stockade/protocol/stock"
)

// Random policies are drawn from a small world, so that everything meets everything.
var (
	somePermissions = []Permission{"stock.read", "count.write", "adjustment.write", "payment.write", "moon.land"}
	someRoles       = []RoleID{"a", "b", "c", "d"}
	someWarehouses  = []stock.Warehouse{"HGH", "PEK", "SHA"}
	someCustomers   = []Customer{"C1", "C2"}
	somePeople      = []Account{"wang", "li"}
)

type world struct{ *rand.Rand }

func (w world) coin(of int) bool { return w.IntN(of) == 0 }

func pick[T any](w world, list []T) T { return list[w.IntN(len(list))] }

// some returns part of list in its order.
func some[T any](w world, list []T) (out []T) {
	for _, v := range list {
		if w.coin(2) {
			out = append(out, v)
		}
	}
	return out
}

func (w world) grant() Grant {
	g := Grant{Permission: pick(w, somePermissions), Scope: Scope{Reach: Reach(1 + w.IntN(3)), Whose: Whose(1 + w.IntN(7))}}
	if w.coin(3) {
		g.Scope.Whose = Anyone
	}
	if g.Scope.Reach == Listed {
		g.Scope.Warehouses = some(w, someWarehouses)
		if g.Scope.Warehouses == nil {
			g.Scope.Warehouses = []stock.Warehouse{"PEK"}
		}
	}
	for _, c := range []FieldClass{Cost, Phone, 200} {
		if w.coin(2) {
			if g.Fields == nil {
				g.Fields = map[FieldClass]FieldAccess{}
			}
			g.Fields[c] = FieldAccess(w.IntN(4))
		}
	}
	if w.coin(4) {
		g.Condition.StepUp = uint32(1 + w.IntN(120))
	}
	if w.coin(5) {
		g.Condition.Networks = []Network{pick(w, []Network{network("10.1.0.0/16"), network("10.2.0.0/16"), network("fd00::/8")})}
	}
	if w.coin(5) {
		g.Condition.Hours = []Hours{{Days: Weekdays(1 + w.IntN(127)), From: uint16(w.IntN(1440)), To: 1440}}
	}
	return g
}

func (w world) policy() Policy {
	p := Policy{Version: 1}
	for _, id := range someRoles {
		r := Role{ID: id, Names: Text{ZH: "角色", EN: string(id)}, Withdrawn: w.coin(10)}
		for range w.IntN(7) {
			r.Grants = append(r.Grants, w.grant())
		}
		p.Roles = append(p.Roles, r)
	}
	for i := range w.IntN(3) {
		p.Exclusions = append(p.Exclusions, w.exclusion(fmt.Sprint("x", i)))
	}
	return p
}

func (w world) exclusion(id string) Exclusion {
	x := Exclusion{ID: id, Withdrawn: w.coin(8)}
	if w.coin(2) {
		x.Roles = some(w, someRoles)
	}
	if w.coin(2) {
		x.Duties = []Duty{{Permissions: []Permission{"count.write"}}, {Permissions: []Permission{"adjustment.write", "moon.land"}}}
	}
	return x
}

func (w world) subject() Subject {
	s := Subject{Account: pick(w, somePeople), Warehouses: some(w, someWarehouses), Customers: some(w, someCustomers), Disabled: w.coin(20)}
	for range w.IntN(4) {
		s.Roles = append(s.Roles, pick(w, someRoles))
	}
	for i := range w.IntN(3) {
		t := temporary(TemporaryID(fmt.Sprint("t", i)), w.grant())
		t.From += int64(w.IntN(3)-1) * time.Hour.Milliseconds()
		t.Until += int64(w.IntN(3)-1) * time.Hour.Milliseconds()
		t.Approver = pick(w, []Account{"chen", "chen", "chen", "li", ""})
		s.Temporary = append(s.Temporary, t)
	}
	return s
}

func (w world) resource() Resource {
	r := Resource{Warehouse: pick(w, append([]stock.Warehouse{""}, someWarehouses...)), Owner: pick(w, append([]Account{""}, somePeople...)), Customer: pick(w, append([]Customer{""}, someCustomers...))}
	if w.coin(6) {
		r.Done = some(w, somePermissions)
	}
	return r
}

func (w world) request(s *Subject) Request {
	at := noon.Add(time.Duration(w.IntN(5)-2) * time.Hour)
	q := Request{Subject: s, Permission: pick(w, somePermissions), Resource: w.resource(), Time: at, Known: at.Add(time.Duration(w.IntN(5)-3) * time.Hour),
		Address: pick(w, []netip.Addr{{}, netip.MustParseAddr("10.1.0.9"), netip.MustParseAddr("::ffff:10.2.0.9"), netip.MustParseAddr("fd00::1")}), ClockTrusted: !w.coin(5), InContact: !w.coin(5)}
	if !w.coin(3) {
		q.StepUp = at.Add(time.Duration(1-w.IntN(100)) * time.Second)
	}
	return q
}

// everything calls f with every resource of the small world.
func everything(f func(Resource)) {
	for _, w := range append([]stock.Warehouse{"", "XMN"}, someWarehouses...) {
		for _, o := range append([]Account{""}, somePeople...) {
			for _, c := range append([]Customer{""}, someCustomers...) {
				f(Resource{Warehouse: w, Owner: o, Customer: c})
			}
		}
	}
}

// often runs f with as many random worlds as there is patience for; a failing one tells its seed.
func often(t *testing.T, f func(t *testing.T, w world)) {
	t.Helper()
	for seed := range uint64(3000) {
		f(t, world{rand.New(rand.NewPCG(seed, 41))})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// byDefinition decides about one resource by reading the policy word for word.
func byDefinition(p Policy, q Request) (allowed bool, fields Fields) {
	s := q.Subject
	info, known := Lookup(q.Permission)
	if s.Disabled || !known || info.Privileged && !(q.ClockTrusted && q.InContact) {
		return false, fields
	}
	roles := map[RoleID]Role{}
	for _, r := range p.Roles {
		if !r.Withdrawn && slices.Contains(s.Roles, r.ID) {
			roles[r.ID] = r
		}
	}
	void := map[RoleID]bool{}
	for _, x := range p.Exclusions {
		if x.Withdrawn {
			continue
		}
		for _, a := range x.Roles {
			for _, b := range x.Roles {
				if _, ok := roles[a]; ok && a != b && roles[b].ID != "" {
					void[a] = true
				}
			}
		}
		for i, d := range x.Duties {
			for j, other := range x.Duties {
				for _, done := range q.Resource.Done {
					if i != j && slices.Contains(d.Permissions, q.Permission) && slices.Contains(other.Permissions, done) && done != "moon.land" {
						return false, fields
					}
				}
			}
		}
	}
	latest := q.Time
	if q.Known.After(latest) {
		latest = q.Known
	}
	take := func(g Grant) {
		c, r := g.Condition, q.Resource
		place := g.Scope.Reach == Everywhere || r.Warehouse != "" && (g.Scope.Reach == Home && slices.Contains(s.Warehouses, r.Warehouse) ||
			g.Scope.Reach == Listed && slices.Contains(g.Scope.Warehouses, r.Warehouse))
		whose := g.Scope.Whose&Anyone > 0 || g.Scope.Whose&OwnDocuments > 0 && r.Owner == s.Account || g.Scope.Whose&OwnCustomers > 0 && slices.Contains(s.Customers, r.Customer)
		fresh := c.StepUp == 0 || q.ClockTrusted && !q.StepUp.IsZero() && !q.StepUp.After(q.Time) && latest.Sub(q.StepUp) <= time.Duration(c.StepUp)*time.Second
		near := len(c.Networks) == 0
		for _, n := range c.Networks {
			near = near || n.Contains(q.Address.Unmap())
		}
		open := len(c.Hours) == 0
		for _, h := range c.Hours {
			open = open || q.ClockTrusted && h.hold(q.Time)
		}
		if g.Permission == q.Permission && place && whose && fresh && near && open {
			allowed = true
			for class, a := range g.Fields {
				if class < classes && a > fields[class] {
					fields[class] = a
				}
			}
		}
	}
	for id, r := range roles {
		for _, g := range r.Grants {
			if !void[id] {
				take(g)
			}
		}
	}
	for _, x := range s.Temporary {
		if q.ClockTrusted && x.Approver != "" && x.Approver != s.Account && x.From < x.Until && q.Time.UnixMilli() >= x.From && latest.UnixMilli() < x.Until {
			take(x.Grant)
		}
	}
	return allowed, fields
}

func TestDecisionsAreThoseOfTheDefinition(t *testing.T) {
	var yes, no int
	often(t, func(t *testing.T, w world) {
		p, s := w.policy(), w.subject()
		e := compiled(t, p)
		for range 20 {
			q := w.request(&s)
			allowed, fields := byDefinition(p, q)
			d := e.Decide(q)
			if d.Allowed != allowed || d.Fields != fields {
				t.Fatalf("%+v of %+v: %+v, want %v %v\n%+v", q, s, d, allowed, fields, p)
			}
			if d.Allowed {
				yes++
			} else {
				no++
			}
			if (d.Reason == Granted || d.Reason == GrantedForATime) != d.Allowed || !d.Allowed && (d.Fields != Fields{} || d.Temporary != nil) {
				t.Fatalf("%+v is not of a piece", d)
			}
		}
	})
	if yes < 1000 || no < 1000 {
		t.Errorf("%d allowed, %d not: the worlds are too poor to prove anything", yes, no)
	}
}

// TestListsAreThoseOfTheirRows: a row is in a list exactly when it is allowed by itself, and no field is further open
// in the list than in the row.
func TestListsAreThoseOfTheirRows(t *testing.T) {
	uneven := 0
	often(t, func(t *testing.T, w world) {
		e, s := compiled(t, w.policy()), w.subject()
		q := w.request(&s)
		q.Resource = Resource{}
		list := q
		list.List = true
		d := e.Decide(list)
		if d.Allowed == d.Rows.Empty() {
			t.Fatalf("%+v: a list is allowed if and only if there are rows", d)
		}
		if d.PerRow {
			uneven++
		}
		everything(func(r Resource) {
			q.Resource = r
			row := e.Decide(q)
			if row.Allowed != d.Rows.Has(&s, r) {
				t.Fatalf("row %+v is allowed %v, in the list %v\n%+v\n%+v", r, row.Allowed, d.Rows.Has(&s, r), d, q)
			}
			if row.Allowed && (d.Fields.exceeds(&row.Fields) || !d.PerRow && d.Fields != row.Fields) {
				t.Fatalf("row %+v has %v, the list %v, by row %v", r, row.Fields, d.Fields, d.PerRow)
			}
			for _, id := range row.Temporary {
				if !slices.Contains(d.Temporary, id) {
					t.Fatalf("row %+v uses %s, the list marks %v", r, id, d.Temporary)
				}
			}
		})
	})
	if uneven < 20 {
		t.Errorf("%d lists with rows of their own: too few to prove anything", uneven)
	}
}

// noMore reports whether b allows nothing that a does not, for one resource and for lists.
func noMore(t *testing.T, what string, a, b *Engine, q, altered Request) {
	t.Helper()
	x, y := a.Decide(q), b.Decide(altered)
	if y.Allowed && !x.Allowed || y.Fields.exceeds(&x.Fields) {
		t.Fatalf("%s: allows more\n%+v: %+v\n%+v: %+v", what, q, x, altered, y)
	}
	q.List, altered.List = true, true
	x, y = a.Decide(q), b.Decide(altered)
	everything(func(r Resource) {
		if y.Rows.Has(altered.Subject, r) && !x.Rows.Has(q.Subject, r) {
			t.Fatalf("%s: lists more\n%+v\n%+v", what, x, y)
		}
	})
}

func TestNothingLessAllowsMore(t *testing.T) {
	often(t, func(t *testing.T, w world) {
		p, s := w.policy(), w.subject()
		e := compiled(t, p)
		r := w.IntN(len(p.Roles))

		if n := len(p.Roles[r].Grants); n > 0 {
			fewer := p.clone()
			i := w.IntN(n)
			fewer.Roles[r].Grants = slices.Delete(fewer.Roles[r].Grants, i, i+1)
			q := w.request(&s)
			noMore(t, "a grant less", e, compiled(t, fewer), q, q)

			harder := p.clone()
			c, more := &harder.Roles[r].Grants[i].Condition, w.grant().Condition
			if c.StepUp == 0 || more.StepUp > 0 && more.StepUp < c.StepUp {
				c.StepUp = more.StepUp
			}
			if len(c.Networks) == 0 {
				c.Networks = more.Networks
			}
			if len(c.Hours) == 0 {
				c.Hours = more.Hours
			}
			noMore(t, "a condition more", e, compiled(t, harder), q, q)

			masked := p.clone()
			for class := range masked.Roles[r].Grants[i].Fields {
				delete(masked.Roles[r].Grants[i].Fields, class)
				break
			}
			noMore(t, "a class of fields less", e, compiled(t, masked), q, q)
		}

		apart := p.clone()
		apart.Exclusions = append(apart.Exclusions, w.exclusion("more"))
		q := w.request(&s)
		noMore(t, "an exclusion more", e, compiled(t, apart), q, q)

		gone := p.clone()
		gone.Roles[r].Withdrawn = true // with its grants goes what it excludes, so it must exclude nothing here
		gone.Exclusions = nil
		free := p.clone()
		free.Exclusions = nil
		noMore(t, "a role less", compiled(t, free), compiled(t, gone), q, q)

		if len(s.Temporary) > 0 {
			fewer := s
			fewer.Temporary = s.Temporary[1:]
			altered := q
			altered.Subject = &fewer
			noMore(t, "a temporary grant less", e, e, q, altered)
		}
		for what, change := range map[string]func(*Request){
			"a doubtful clock":       func(q *Request) { q.ClockTrusted = false },
			"no contact":             func(q *Request) { q.InContact = false },
			"no second factor":       func(q *Request) { q.StepUp = time.Time{} },
			"a later certain moment": func(q *Request) { q.Known = q.Known.Add(time.Duration(w.IntN(5)) * time.Hour) },
			"work done before":       func(q *Request) { q.Resource.Done = append(q.Resource.Done, pick(w, somePermissions)) },
			"no address":             func(q *Request) { q.Address = netip.Addr{} },
		} {
			altered := q
			change(&altered)
			noMore(t, what, e, e, q, altered)
		}

		disabled := s
		disabled.Disabled = true
		q.Subject = &disabled
		for _, q.List = range []bool{false, true} {
			if d := e.Decide(q); !reflect.DeepEqual(d, Decision{Reason: Disabled}) {
				t.Fatalf("a disabled account: %+v", d)
			}
		}
	})
}

// TestOrderDoesNotMatter: of roles, grants, exclusions, and what a person has.
func TestOrderDoesNotMatter(t *testing.T) {
	often(t, func(t *testing.T, w world) {
		p, s := w.policy(), w.subject()
		mixed, other := p.clone(), s
		shuffle(w, mixed.Roles)
		for i := range mixed.Roles {
			shuffle(w, mixed.Roles[i].Grants)
		}
		shuffle(w, mixed.Exclusions)
		other.Roles, other.Temporary = slices.Clone(s.Roles), slices.Clone(s.Temporary)
		shuffle(w, other.Roles)
		shuffle(w, other.Temporary)
		a, b := compiled(t, p), compiled(t, mixed)
		for range 10 {
			q := w.request(&s)
			q.List = w.coin(2)
			altered := q
			altered.Subject = &other
			if x, y := a.Decide(q), b.Decide(altered); fmt.Sprint(x) != fmt.Sprint(y) { // an empty list may be nil or not
				t.Fatalf("%+v: %+v, in another order %+v", q, x, y)
			}
		}
	})
}

func shuffle[T any](w world, list []T) {
	w.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
}

// TestTemporaryEnds: whatever the clock says, nothing is lent once its end has certainly passed or the clock has reached it.
func TestTemporaryEnds(t *testing.T) {
	e := compiled(t, Policy{})
	often(t, func(t *testing.T, w world) {
		s := w.subject()
		q := w.request(&s)
		q.Time = noon.Add(time.Duration(w.Int64N(int64(200*365*24*time.Hour))) - 100*365*24*time.Hour)
		q.List = w.coin(2)
		d := e.Decide(q)
		for _, lent := range s.Temporary {
			over := q.Time.UnixMilli() >= lent.Until || q.Known.UnixMilli() >= lent.Until
			if over && slices.Contains(d.Temporary, lent.ID) {
				t.Fatalf("%+v is used at %s, certain %s", lent, q.Time, q.Known)
			}
		}
		q.Known = noon.Add(3 * time.Hour) // all have ended
		if d := e.Decide(q); d.Allowed {
			t.Fatalf("after all have ended: %+v at %s", d, q.Time)
		}
	})
}

// TestSameAfterTheWire: a policy and a person that were written and read decide as before.
func TestSameAfterTheWire(t *testing.T) {
	often(t, func(t *testing.T, w world) {
		p, s := w.policy(), w.subject()
		for i := range s.Temporary {
			s.Temporary[i].Approver, s.Temporary[i].From = "chen", s.Temporary[i].Until-1000
		}
		b, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodePolicy(b)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%+v is read as %+v, %v", p, again, err)
		}
		entry, err := Pack(s)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Unpack(entry)
		if err != nil || !reflect.DeepEqual(v, s) {
			t.Fatalf("%+v is read as %+v, %v", s, v, err)
		}
		person := v.(Subject)
		q := w.request(&s)
		q.List = w.coin(2)
		altered := q
		altered.Subject = &person
		if x, y := compiled(t, p).Decide(q), compiled(t, again).Decide(altered); !reflect.DeepEqual(x, y) {
			t.Fatalf("%+v, after the wire %+v", x, y)
		}
	})
}

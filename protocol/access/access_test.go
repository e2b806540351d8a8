package access

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"stockade/protocol/stock"
)

var shanghai = time.FixedZone("CST", 8*60*60)

// noon is a Tuesday.
var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, shanghai)

func compiled(t testing.TB, p Policy) *Engine {
	t.Helper()
	e, err := Compile(p)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// policy returns one with a single role "r".
func policy(grants ...Grant) Policy {
	return Policy{Version: 1, Roles: []Role{{ID: "r", Names: Text{ZH: "角色", EN: "Role"}, Grants: grants}}}
}

func network(s string) Network { return Network{netip.MustParsePrefix(s)} }

// good is a request that lacks nothing.
func good(s *Subject, p Permission) Request {
	return Request{Subject: s, Permission: p, Resource: Resource{Warehouse: "SHA", Owner: "li", Customer: "C1"}, Time: noon, Known: noon.Add(-time.Hour),
		Address: netip.MustParseAddr("10.1.2.3"), StepUp: noon.Add(-time.Minute), ClockTrusted: true, InContact: true}
}

func temporary(id TemporaryID, g Grant) Temporary {
	return Temporary{ID: id, Grant: g, Reason: "盘点月", Approver: "chen", From: noon.Add(-time.Hour).UnixMilli(), Until: noon.Add(time.Hour).UnixMilli()}
}

func TestDecide(t *testing.T) {
	all := Scope{Reach: Everywhere, Whose: Anyone}
	only := func(s Scope, c Condition) []Grant { return []Grant{{Permission: "stock.read", Scope: s, Condition: c}} }
	lent := func(edit func(*Temporary)) func(*Request) {
		return func(q *Request) {
			x := temporary("t1", Grant{Permission: "stock.read", Scope: all})
			edit(&x)
			q.Subject.Roles, q.Subject.Temporary = nil, []Temporary{x}
		}
	}
	for _, tt := range []struct {
		name   string
		grants []Grant
		ask    func(*Request)
		want   Reason
	}{
		{"granted", only(all, Condition{}), nil, Granted},
		{"nobody", only(all, Condition{}), func(q *Request) { q.Subject = nil }, NotSignedIn},
		{"disabled", only(all, Condition{}), func(q *Request) { q.Subject.Disabled = true }, Disabled},
		{"another permission", only(all, Condition{}), func(q *Request) { q.Permission = "stock.export" }, NoGrant},
		{"no roles", only(all, Condition{}), func(q *Request) { q.Subject.Roles = nil }, NoGrant},
		{"a role that does not exist", only(all, Condition{}), func(q *Request) { q.Subject.Roles = []RoleID{"ghost"} }, NoGrant},
		{"unknown permission", []Grant{{Permission: "moon.land", Scope: all}}, func(q *Request) { q.Permission = "moon.land" }, UnknownAct},
		{"no permission", only(all, Condition{}), func(q *Request) { q.Permission = "" }, UnknownAct},

		{"everywhere includes what has no warehouse", only(all, Condition{}), func(q *Request) { q.Resource = Resource{} }, Granted},
		{"home", only(Scope{Reach: Home, Whose: Anyone}, Condition{}), nil, Granted},
		{"not home", only(Scope{Reach: Home, Whose: Anyone}, Condition{}), func(q *Request) { q.Resource.Warehouse = "PEK" }, OtherRows},
		{"home has a warehouse", only(Scope{Reach: Home, Whose: Anyone}, Condition{}), func(q *Request) { q.Resource.Warehouse = "" }, OtherRows},
		{"home of nobody", only(Scope{Reach: Home, Whose: Anyone}, Condition{}), func(q *Request) { q.Subject.Warehouses = nil }, OtherRows},
		{"an empty warehouse is none", only(Scope{Reach: Home, Whose: Anyone}, Condition{}), func(q *Request) {
			q.Subject.Warehouses, q.Resource.Warehouse = []stock.Warehouse{""}, ""
		}, OtherRows},
		{"listed", only(Scope{Reach: Listed, Warehouses: []stock.Warehouse{"PEK", "SHA"}, Whose: Anyone}, Condition{}), nil, Granted},
		{"not listed", only(Scope{Reach: Listed, Warehouses: []stock.Warehouse{"PEK"}, Whose: Anyone}, Condition{}), nil, OtherRows},
		{"own document", only(Scope{Reach: Everywhere, Whose: OwnDocuments}, Condition{}), func(q *Request) { q.Resource.Owner = "wang" }, Granted},
		{"another's document", only(Scope{Reach: Everywhere, Whose: OwnDocuments}, Condition{}), nil, OtherRows},
		{"nobody's document", only(Scope{Reach: Everywhere, Whose: OwnDocuments}, Condition{}), func(q *Request) { q.Resource.Owner, q.Subject.Account = "", "" }, OtherRows},
		{"own document elsewhere", only(Scope{Reach: Home, Whose: OwnDocuments}, Condition{}), func(q *Request) { q.Resource.Owner, q.Resource.Warehouse = "wang", "PEK" }, OtherRows},
		{"own customer", only(Scope{Reach: Everywhere, Whose: OwnDocuments | OwnCustomers}, Condition{}), nil, Granted},
		{"another's customer", only(Scope{Reach: Everywhere, Whose: OwnDocuments | OwnCustomers}, Condition{}), func(q *Request) { q.Resource.Customer = "C2" }, OtherRows},
		{"own customers do not open own documents", only(Scope{Reach: Everywhere, Whose: OwnCustomers}, Condition{}), func(q *Request) { q.Resource = Resource{Owner: "wang", Customer: "C2"} }, OtherRows},
		{"no customer", only(Scope{Reach: Everywhere, Whose: OwnCustomers}, Condition{}), func(q *Request) { q.Resource.Customer = ""; q.Subject.Customers = []Customer{""} }, OtherRows},

		{"stepped up", only(all, Condition{StepUp: 60}), nil, Granted},
		{"stepped up too long ago", only(all, Condition{StepUp: 59}), nil, StepUpNeeded},
		{"never stepped up", only(all, Condition{StepUp: 1 << 31}), func(q *Request) { q.StepUp = time.Time{} }, StepUpNeeded},
		{"never stepped up, and no time is known", only(all, Condition{StepUp: 60}), func(q *Request) { q.StepUp, q.Time, q.Known = time.Time{}, time.Time{}, time.Time{} }, StepUpNeeded},
		{"stepped up in the future", only(all, Condition{StepUp: 60}), func(q *Request) { q.StepUp = noon.Add(time.Second) }, StepUpNeeded},
		{"stepped up, then the clock was set back", only(all, Condition{StepUp: 60}), func(q *Request) { q.Known = noon.Add(time.Second) }, StepUpNeeded},
		{"stepped up by a doubtful clock", only(all, Condition{StepUp: 60}), func(q *Request) { q.ClockTrusted = false }, DoubtfulClock},
		{"in the network", only(all, Condition{Networks: []Network{network("192.168.0.0/24"), network("10.1.0.0/16")}}), nil, Granted},
		{"in the network, written as IPv6", only(all, Condition{Networks: []Network{network("10.1.0.0/16")}}), func(q *Request) { q.Address = netip.MustParseAddr("::ffff:10.1.9.9") }, Granted},
		{"in the network, with a zone", only(all, Condition{Networks: []Network{network("fe80::/10")}}), func(q *Request) { q.Address = netip.MustParseAddr("fe80::1%eth0") }, Granted},
		{"outside the network", only(all, Condition{Networks: []Network{network("10.2.0.0/16")}}), nil, OtherNetwork},
		{"from no address", only(all, Condition{Networks: []Network{network("0.0.0.0/0"), network("::/0")}}), func(q *Request) { q.Address = netip.Addr{} }, OtherNetwork},
		{"in hours", only(all, Condition{Hours: []Hours{{Days: WorkingDays, From: 8 * 60, To: 18 * 60}}}), nil, Granted},
		{"out of hours", only(all, Condition{Hours: []Hours{{Days: WorkingDays, From: 8 * 60, To: 12 * 60}}}), nil, OtherHours},
		{"hours by a doubtful clock", only(all, Condition{Hours: []Hours{{Days: EveryDay, From: 0, To: 24 * 60}}}), func(q *Request) { q.ClockTrusted = false }, DoubtfulClock},
		{"two things missing: the harder one", only(all, Condition{StepUp: 1, Hours: []Hours{{Days: WorkingDays, From: 0, To: 60}}}), nil, OtherHours},
		{"the nearest grant counts", append(only(Scope{Reach: Home, Whose: OwnDocuments}, Condition{StepUp: 1}), only(all, Condition{StepUp: 1})...), nil, StepUpNeeded},
		{"one thing missing is nearer than two", append(only(all, Condition{StepUp: 1, Networks: []Network{network("10.2.0.0/16")}}), only(Scope{Reach: Everywhere, Whose: OwnDocuments}, Condition{})...), nil, OtherRows},
		{"plain acts need no contact and no clock", only(all, Condition{}), func(q *Request) { q.ClockTrusted, q.InContact = false, false }, Granted},

		{"privileged", []Grant{{Permission: "payment.write", Scope: all}}, func(q *Request) { q.Permission = "payment.write" }, Granted},
		{"privileged by a doubtful clock", []Grant{{Permission: "payment.write", Scope: all}}, func(q *Request) { q.Permission, q.ClockTrusted = "payment.write", false }, DoubtfulClock},
		{"privileged out of contact", []Grant{{Permission: "payment.write", Scope: all}}, func(q *Request) { q.Permission, q.InContact = "payment.write", false }, OutOfContact},

		{"lent", nil, lent(func(*Temporary) {}), GrantedForATime},
		{"lent, at the first moment", nil, lent(func(x *Temporary) { x.From = noon.UnixMilli() }), GrantedForATime},
		{"lent, before it", nil, lent(func(x *Temporary) { x.From = noon.UnixMilli() + 1 }), NotYet},
		{"lent, at the last moment", nil, lent(func(x *Temporary) { x.Until = noon.UnixMilli() + 1 }), GrantedForATime},
		{"lent, after it", nil, lent(func(x *Temporary) { x.Until = noon.UnixMilli() }), Ended},
		{"lent, and the clock set back", nil, func(q *Request) {
			lent(func(*Temporary) {})(q)
			q.Known = noon.Add(2 * time.Hour)
		}, Ended},
		{"lent, by a doubtful clock", nil, func(q *Request) { lent(func(*Temporary) {})(q); q.ClockTrusted = false }, DoubtfulClock},
		{"lent to oneself", nil, lent(func(x *Temporary) { x.Approver = "wang" }), NotApproved},
		{"lent by nobody", nil, lent(func(x *Temporary) { x.Approver = "" }), NotApproved},
		{"lent without a reason", nil, lent(func(x *Temporary) { x.Reason = "" }), NotApproved},
		{"lent without a name", nil, lent(func(x *Temporary) { x.ID = "" }), NotApproved},
		{"lent for ever", nil, lent(func(x *Temporary) { x.Until = 1 << 62 }), NotApproved},
		{"lent from for ever", nil, lent(func(x *Temporary) { x.From, x.Until = -1<<63, 1<<63-1 }), NotApproved},
		{"lent to the disabled", nil, func(q *Request) { lent(func(*Temporary) {})(q); q.Subject.Disabled = true }, Disabled},
		{"lent on a condition", nil, lent(func(x *Temporary) { x.Grant.Condition.StepUp = 1 }), StepUpNeeded},
	} {
		e := compiled(t, policy(tt.grants...))
		s := Subject{Account: "wang", Roles: []RoleID{"r"}, Warehouses: []stock.Warehouse{"SHA"}, Customers: []Customer{"C1"}}
		q := good(&s, "stock.read")
		if tt.ask != nil {
			tt.ask(&q)
		}
		d := e.Decide(q)
		allowed := tt.want == Granted || tt.want == GrantedForATime
		if d.Reason != tt.want || d.Allowed != allowed {
			t.Errorf("%s: %v, %s, want %v, %s", tt.name, d.Allowed, d.Reason, allowed, tt.want)
		}
		if lent := len(d.Temporary) > 0; lent != (tt.want == GrantedForATime) {
			t.Errorf("%s: use of temporary grants %v is marked, want %v", tt.name, d.Temporary, tt.want == GrantedForATime)
		}
	}
}

func TestHours(t *testing.T) {
	at := func(day, hour, minute int) time.Time {
		return time.Date(2026, 11, 23+day, hour, minute, 59, 0, shanghai)
	} // day 0 is a Monday
	night := Hours{Days: 1 << 4, From: 22 * 60, To: 6 * 60} // Friday
	for _, tt := range []struct {
		h    Hours
		t    time.Time
		want bool
	}{
		{Hours{Days: WorkingDays, From: 480, To: 1080}, at(0, 8, 0), true},
		{Hours{Days: WorkingDays, From: 480, To: 1080}, at(0, 7, 59), false},
		{Hours{Days: WorkingDays, From: 480, To: 1080}, at(4, 17, 59), true},
		{Hours{Days: WorkingDays, From: 480, To: 1080}, at(4, 18, 0), false},
		{Hours{Days: WorkingDays, From: 480, To: 1080}, at(5, 12, 0), false},
		{Hours{Days: 1 << 6, From: 0, To: 1440}, at(6, 23, 59), true},
		{Hours{Days: 1 << 6, From: 0, To: 1440}, at(7, 0, 0), false},
		{night, at(4, 21, 59), false}, {night, at(4, 22, 0), true}, {night, at(5, 5, 59), true}, {night, at(5, 6, 0), false},
		{night, at(4, 3, 0), false}, {night, at(5, 23, 0), false},
		{Hours{Days: 1 << 6, From: 22 * 60, To: 6 * 60}, at(7, 1, 0), true}, // Sunday into Monday
		{Hours{Days: 1, From: 22 * 60, To: 0}, at(0, 23, 59), true},
		{Hours{Days: 1, From: 22 * 60, To: 0}, at(1, 0, 0), false},
	} {
		if got := tt.h.hold(tt.t); got != tt.want {
			t.Errorf("%s at %s: %v, want %v", tt.h, tt.t.Format("Mon 15:04"), got, tt.want)
		}
		if again, err := ParseHours(tt.h.String()); err != nil || again != tt.h {
			t.Errorf("%s is read as %s, %v", tt.h, again, err)
		}
	}
	for _, s := range []string{"", "1", "8 08:00-09:00", "1 8:00-09:00", "11 08:00-09:00", "21 08:00-09:00",
		"1 08:00-08:00", "1 24:00-08:00", "1 08:00-24:01", "1 08:00-09:00 ", " 08:00-09:00", "1 08:60-09:00"} {
		if h, err := ParseHours(s); err == nil {
			t.Errorf("hours %q are read as %s", s, h)
		}
	}
}

// TestFields: the best of the allowing grants counts, and no other.
func TestFields(t *testing.T) {
	all := Scope{Reach: Everywhere, Whose: Anyone}
	e := compiled(t, policy(
		Grant{Permission: "sales_order.read", Scope: all, Fields: map[FieldClass]FieldAccess{Phone: Masked, Name: Read, 200: Write}},
		Grant{Permission: "sales_order.read", Scope: Scope{Reach: Everywhere, Whose: OwnDocuments}, Fields: map[FieldClass]FieldAccess{Phone: Read, Price: Write}},
		Grant{Permission: "sales_order.read", Scope: all, Fields: map[FieldClass]FieldAccess{Cost: Read}, Condition: Condition{StepUp: 30}},
		Grant{Permission: "stock.read", Scope: all, Fields: map[FieldClass]FieldAccess{Bank: Write}},
	))
	s := Subject{Account: "wang", Roles: []RoleID{"r"}}
	q := good(&s, "sales_order.read")
	if d := e.Decide(q); d.Fields != (Fields{Phone: Masked, Name: Read}) {
		t.Errorf("another's order: %v", d.Fields)
	}
	q.Resource.Owner = "wang"
	if d := e.Decide(q); d.Fields != (Fields{Phone: Read, Name: Read, Price: Write}) {
		t.Errorf("own order: %v", d.Fields)
	}
	q.StepUp = q.Time
	if d := e.Decide(q); d.Fields != (Fields{Phone: Read, Name: Read, Price: Write, Cost: Read}) {
		t.Errorf("own order, stepped up: %v", d.Fields)
	}
	if got := e.Decide(q).Fields.Of(200); got != Hidden {
		t.Errorf("a class that is not known is %v, want hidden", got)
	}
	s.Temporary = []Temporary{temporary("t1", Grant{Permission: "sales_order.read", Scope: all, Fields: map[FieldClass]FieldAccess{Bank: 200}})}
	if got := e.Decide(q).Fields.Of(Bank); got != Hidden {
		t.Errorf("an access that is not known is %v, want hidden", got)
	}
	s.Temporary = nil
	q.StepUp, q.List = time.Time{}, true
	if d := e.Decide(q); d.Fields != (Fields{Phone: Masked, Name: Read}) || !d.PerRow {
		t.Errorf("list: %v, by row %v; want what holds for every row", d.Fields, d.PerRow)
	}
}

func TestRows(t *testing.T) {
	sha, both := Places{Warehouses: []stock.Warehouse{"SHA"}}, Places{Warehouses: []stock.Warehouse{"PEK", "SHA"}}
	at := func(r Reach, w Whose, list ...stock.Warehouse) Grant {
		return Grant{Permission: "stock.read", Scope: Scope{Reach: r, Whose: w, Warehouses: list}}
	}
	for _, tt := range []struct {
		grants []Grant
		want   Rows
	}{
		{[]Grant{at(Home, Anyone)}, Rows{Any: sha}},
		{[]Grant{at(Home, Anyone), at(Listed, Anyone, "PEK")}, Rows{Any: both}},
		{[]Grant{at(Home, Anyone), at(Listed, OwnDocuments, "PEK", "SHA")}, Rows{Any: sha, Own: Places{Warehouses: []stock.Warehouse{"PEK"}}}},
		{[]Grant{at(Home, Anyone), at(Everywhere, OwnDocuments|OwnCustomers)}, Rows{Any: sha, Own: Places{All: true}, Customers: Places{All: true}}},
		{[]Grant{at(Home, OwnDocuments), at(Everywhere, Anyone), at(Listed, OwnCustomers, "PEK")}, Rows{Any: Places{All: true}}},
		{[]Grant{at(Home, Anyone|OwnDocuments)}, Rows{Any: sha}},
		{[]Grant{at(Listed, Anyone, "PEK", "SHA"), at(Listed, Anyone, "HGH", "PEK")}, Rows{Any: Places{Warehouses: []stock.Warehouse{"HGH", "PEK", "SHA"}}}},
		{[]Grant{at(Everywhere, OwnCustomers)}, Rows{Customers: Places{All: true}}},
		{[]Grant{at(Everywhere, OwnDocuments)}, Rows{Own: Places{All: true}}},
	} {
		e := compiled(t, policy(tt.grants...))
		s := Subject{Account: "wang", Roles: []RoleID{"r"}, Warehouses: []stock.Warehouse{"SHA"}, Customers: []Customer{"C1"}}
		q := good(&s, "stock.read")
		q.List, q.Resource = true, Resource{}
		d := e.Decide(q)
		if !d.Allowed || fmt.Sprint(d.Rows) != fmt.Sprint(tt.want) {
			t.Errorf("%+v gives rows %+v, want %+v", tt.grants, d.Rows, tt.want)
		}
		s.Warehouses, s.Account, s.Customers = nil, "", nil
		if g := tt.grants[0].Scope; len(tt.grants) == 1 && (g.Reach == Home || g.Whose != Anyone) {
			if d := e.Decide(q); d.Allowed || !d.Rows.Empty() {
				t.Errorf("%+v: a list of nothing is allowed with rows %+v", g, d.Rows)
			}
		}
	}
	if (Places{Warehouses: []stock.Warehouse{""}}).Has("") {
		t.Error("what has no warehouse is in a list of warehouses")
	}
}

// TestTemporaryUseInSomeRows: what some rows show anyway may be shown in others by a temporary grant alone.
func TestTemporaryUseInSomeRows(t *testing.T) {
	all := Scope{Reach: Everywhere, Whose: Anyone}
	e := compiled(t, policy(Grant{Permission: "stock.read", Scope: all, Fields: map[FieldClass]FieldAccess{Cost: Masked}},
		Grant{Permission: "stock.read", Scope: Scope{Reach: Everywhere, Whose: OwnDocuments}, Fields: map[FieldClass]FieldAccess{Cost: Read}}))
	s := Subject{Account: "wang", Roles: []RoleID{"r"}, Temporary: []Temporary{temporary("t1", Grant{Permission: "stock.read", Scope: all, Fields: map[FieldClass]FieldAccess{Cost: Read}})}}
	q := good(&s, "stock.read")
	q.List = true
	if d := e.Decide(q); d.Fields.Of(Cost) != Read || d.PerRow || !slices.Equal(d.Temporary, []TemporaryID{"t1"}) {
		t.Errorf("%+v: want cost read in every row, by t1", d)
	}
}

// TestUncheckedSubject: whoever did not check a subject gets no wrong rows for it.
func TestUncheckedSubject(t *testing.T) {
	e := compiled(t, policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: Anyone}}))
	s := Subject{Account: "wang", Roles: []RoleID{"r"}, Warehouses: []stock.Warehouse{"SHA", "", "PEK", "SHA"}}
	q := good(&s, "stock.read")
	q.List = true
	if d := e.Decide(q); !slices.Equal(d.Rows.Any.Warehouses, []stock.Warehouse{"PEK", "SHA"}) {
		t.Errorf("rows are %+v", d.Rows)
	}
}

// TestTemporaryUseIsMarked: a temporary grant is named when it adds something, and only then.
func TestTemporaryUseIsMarked(t *testing.T) {
	all := Scope{Reach: Everywhere, Whose: Anyone}
	e := compiled(t, policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: Anyone}, Fields: map[FieldClass]FieldAccess{Cost: Masked}}))
	s := Subject{Account: "wang", Roles: []RoleID{"r"}, Warehouses: []stock.Warehouse{"SHA"}, Temporary: []Temporary{
		temporary("z-rows", Grant{Permission: "stock.read", Scope: all}),
		temporary("a-cost", Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: Anyone}, Fields: map[FieldClass]FieldAccess{Cost: Read}}),
		temporary("m-nothing", Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: OwnDocuments}, Fields: map[FieldClass]FieldAccess{Cost: Masked}}),
		temporary("other", Grant{Permission: "stock.export", Scope: all}),
	}}
	q := good(&s, "stock.read")
	q.Resource.Owner = "wang"
	if d := e.Decide(q); d.Reason != Granted || !slices.Equal(d.Temporary, []TemporaryID{"a-cost"}) {
		t.Errorf("at home: %s, marked %v", d.Reason, d.Temporary)
	}
	q.Resource.Warehouse = "PEK"
	if d := e.Decide(q); d.Reason != GrantedForATime || !slices.Equal(d.Temporary, []TemporaryID{"z-rows"}) {
		t.Errorf("elsewhere: %s, marked %v", d.Reason, d.Temporary)
	}
	q.List = true
	if d := e.Decide(q); d.Reason != Granted || !slices.Equal(d.Temporary, []TemporaryID{"a-cost", "z-rows"}) || !d.Rows.Everything() {
		t.Errorf("list: %s, marked %v", d.Reason, d.Temporary)
	}
}

func TestExcludingRolesCountForNothing(t *testing.T) {
	e := compiled(t, Ready())
	s := Subject{Account: "wang", Roles: []RoleID{Auditor, SystemAdmin, Worker}, Warehouses: []stock.Warehouse{"SHA"}}
	for p, want := range map[Permission]Reason{"audit.read": RolesExclude, "node.read": RolesExclude, "stock.read": Granted} {
		if d := e.Decide(good(&s, p)); d.Reason != want {
			t.Errorf("%s beside an excluding role: %s, want %s", p, d.Reason, want)
		}
	}
	s.Roles = []RoleID{Auditor, Auditor}
	if d := e.Decide(good(&s, "audit.read")); !d.Allowed {
		t.Errorf("the same role twice: %s", d.Reason)
	}
}

// TestMakerIsNotChecker: on one document, who did a duty does not do the next, whatever the roles.
func TestMakerIsNotChecker(t *testing.T) {
	e := compiled(t, Ready())
	s := Subject{Account: "wang", Roles: []RoleID{Manager}, Warehouses: []stock.Warehouse{"SHA"}}
	q := good(&s, "adjustment.write")
	for _, tt := range []struct {
		done []Permission
		want Reason
	}{{nil, Granted}, {[]Permission{"count.read", "moon.land"}, Granted},
		{[]Permission{"count.read", "count.write"}, OwnWork}, {[]Permission{"station.use"}, OwnWork}, {[]Permission{"adjustment.write"}, Granted}} {
		q.Resource.Done = tt.done
		if d := e.Decide(q); d.Reason != tt.want {
			t.Errorf("adjustment after %v: %s, want %s", tt.done, d.Reason, tt.want)
		}
	}
}

func TestCheckAssignment(t *testing.T) {
	e := compiled(t, Ready())
	ok := Subject{Account: "wang", Roles: []RoleID{Worker, Lead}, Warehouses: []stock.Warehouse{"SHA"}}
	if err := e.CheckAssignment(ok, noon); err != nil {
		t.Errorf("%v: %v", ok.Roles, err)
	}
	lent := temporary("t9", Grant{Permission: "adjustment.write", Scope: Scope{Reach: Home, Whose: Anyone}})
	for _, tt := range []struct {
		name string
		s    Subject
		zh   []string
		en   []string
	}{
		{"administrators", Subject{Account: "wang", Roles: []RoleID{SystemAdmin, Auditor}}, []string{"三员分立", "系统管理员", "审计员"}, []string{"three people", `role "System administrator"`, `role "Auditor"`}},
		{"all three", Subject{Account: "wang", Roles: []RoleID{SecurityAdmin, SystemAdmin, Auditor}}, []string{"安全管理员"}, []string{"Security administrator"}},
		{"order and receive", Subject{Account: "wang", Roles: []RoleID{Purchaser, Worker}}, []string{"订货", "收货", "编制采购订单", "登记收货", "角色“仓库员工”"},
			[]string{"order (Write purchase orders", "receive (", `by role "Warehouse worker"`}},
		{"order and pay", Subject{Account: "wang", Roles: []RoleID{Purchaser, Finance}}, []string{"付款"}, []string{"pay (Pay, by role \"Finance\")"}},
		{"receive and pay", Subject{Account: "wang", Roles: []RoleID{Lead, Finance}}, []string{"收货"}, []string{"receive ("}},
		{"count and adjust", Subject{Account: "wang", Roles: []RoleID{Worker, Manager}}, []string{"盘点（", "调整（"}, []string{"count (", "adjust ("}},
		{"count and adjust for a time", Subject{Account: "wang", Roles: []RoleID{Worker}, Temporary: []Temporary{lent}}, []string{"临时授权 t9"}, []string{"temporary grant t9"}},
		{"write and approve", Subject{Account: "wang", Roles: []RoleID{Purchaser, Operations}}, []string{"采购审批"}, []string{"approve ("}},
	} {
		err := e.CheckAssignment(tt.s, noon)
		var c *Collision
		if !errors.As(err, &c) {
			t.Errorf("%s: %v, want a collision", tt.name, err)
			continue
		}
		for _, w := range tt.zh {
			if !strings.Contains(c.Words().ZH, w) {
				t.Errorf("%s: %s\nwant %q in it", tt.name, c.Words().ZH, w)
			}
		}
		for _, w := range tt.en {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: %s\nwant %q in it", tt.name, err, w)
			}
		}
	}
	loose := Ready()
	for i := range loose.Exclusions {
		loose.Exclusions[i].Withdrawn = true
	}
	if err := compiled(t, loose).CheckAssignment(Subject{Account: "wang", Roles: []RoleID{SystemAdmin, Auditor}}, noon); err != nil {
		t.Errorf("an exclusion that was withdrawn: %v", err)
	}
	ended := Subject{Account: "wang", Roles: []RoleID{Worker}, Temporary: []Temporary{lent}}
	if err := e.CheckAssignment(ended, noon.Add(24*time.Hour)); err != nil {
		t.Errorf("a temporary grant that has ended: %v", err)
	}
	for _, s := range []Subject{{}, {Account: "wang", Roles: []RoleID{"ghost"}}, {Account: "chen", Temporary: []Temporary{lent}}, {Account: "wang", Temporary: []Temporary{lent, lent}},
		{Account: "wang", Warehouses: []stock.Warehouse{"SHA", "SHA"}}, {Account: "wang", Customers: []Customer{"C2", "C1"}}} {
		if err := e.CheckAssignment(s, noon); err == nil || errors.As(err, new(*Collision)) {
			t.Errorf("%+v: %v, want what is wrong", s, err)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	all := Scope{Reach: Everywhere, Whose: Anyone}
	for name, p := range map[string]Policy{
		"role without id":         {Roles: []Role{{}}},
		"role twice":              {Roles: []Role{{ID: "a"}, {ID: "a"}}},
		"exclusion without id":    {Exclusions: []Exclusion{{}}},
		"exclusion twice":         {Exclusions: []Exclusion{{ID: "a"}, {ID: "a"}}},
		"permission in two":       {Exclusions: []Exclusion{{ID: "a", Duties: []Duty{{Permissions: []Permission{"a.b"}}, {Permissions: []Permission{"a.b"}}}}}},
		"duty without form":       {Exclusions: []Exclusion{{ID: "a", Duties: []Duty{{Permissions: []Permission{"stock"}}}}}},
		"permission without form": policy(Grant{Permission: "stock", Scope: all}),
		"wildcard":                policy(Grant{Permission: "stock.*", Scope: all}),
		"nothing in scope":        policy(Grant{Permission: "stock.read"}),
		"nobody in scope":         policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Home}}),
		"strange reach":           policy(Grant{Permission: "stock.read", Scope: Scope{Reach: 4, Whose: Anyone}}),
		"strange whose":           policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: 8}}),
		"list of none":            policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Listed, Whose: Anyone}}),
		"list at home":            policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Home, Whose: Anyone, Warehouses: []stock.Warehouse{"SHA"}}}),
		"list out of order":       policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Listed, Whose: Anyone, Warehouses: []stock.Warehouse{"SHA", "PEK"}}}),
		"bad warehouse":           policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Listed, Whose: Anyone, Warehouses: []stock.Warehouse{"sha"}}}),
		"strange access":          policy(Grant{Permission: "stock.read", Scope: all, Fields: map[FieldClass]FieldAccess{Cost: 4}}),
		"class zero":              policy(Grant{Permission: "stock.read", Scope: all, Fields: map[FieldClass]FieldAccess{0: Read}}),
		"no network":              policy(Grant{Permission: "stock.read", Scope: all, Condition: Condition{Networks: []Network{{}}}}),
		"network with a host":     policy(Grant{Permission: "stock.read", Scope: all, Condition: Condition{Networks: []Network{network("10.1.2.3/16")}}}),
		"network that never is":   policy(Grant{Permission: "stock.read", Scope: all, Condition: Condition{Networks: []Network{network("::ffff:10.0.0.0/104")}}}),
		"hours of no day":         policy(Grant{Permission: "stock.read", Scope: all, Condition: Condition{Hours: []Hours{{From: 1, To: 2}}}}),
	} {
		if _, err := Compile(p); err == nil {
			t.Errorf("%s: was compiled", name)
		}
	}
}

// TestCompileCopies: whoever changes a policy after compiling changes no decision.
func TestCompileCopies(t *testing.T) {
	p := policy(Grant{Permission: "stock.read", Scope: Scope{Reach: Listed, Warehouses: []stock.Warehouse{"PEK"}, Whose: Anyone}, Fields: map[FieldClass]FieldAccess{Cost: Masked}})
	e := compiled(t, p)
	g := &p.Roles[0].Grants[0]
	g.Scope.Warehouses[0], g.Fields[Cost], g.Permission = "SHA", Write, "stock.export"
	s := Subject{Account: "wang", Roles: []RoleID{"r"}}
	if d := e.Decide(good(&s, "stock.read")); d.Allowed {
		t.Error("a change of the policy's lists was felt")
	}
	p.Roles[0].Grants = nil
	p.Roles[0].ID = "x"
	q := good(&s, "stock.read")
	q.Resource.Warehouse = "PEK"
	if d := e.Decide(q); !d.Allowed || d.Fields.Of(Cost) != Masked {
		t.Errorf("%+v", d)
	}
}

func TestReadyRoles(t *testing.T) {
	p := Ready()
	e := compiled(t, p)
	may := func(r RoleID, permission Permission) Decision {
		s := Subject{Account: "wang", Roles: []RoleID{r}, Warehouses: []stock.Warehouse{"SHA"}, Customers: []Customer{"C1"}}
		q := good(&s, permission)
		q.Resource.Owner = "wang"
		return e.Decide(q)
	}
	for _, r := range p.Roles {
		if !chinese(r.Names.ZH) || r.Names.EN == "" {
			t.Errorf("role %s is called %+v", r.ID, r.Names)
		}
		if err := e.CheckAssignment(Subject{Account: "wang", Roles: []RoleID{r.ID}}, noon); err != nil {
			t.Errorf("nobody can hold %s: %v", r.ID, err)
		}
		for _, g := range r.Grants {
			info, ok := Lookup(g.Permission)
			if !ok {
				t.Errorf("role %s grants %s, which is not in the registry", r.ID, g.Permission)
			}
			if info.Privileged && g.Condition.StepUp == 0 {
				t.Errorf("role %s grants %s, which is privileged, without a fresh second factor", r.ID, g.Permission)
			}
		}
	}
	for _, g := range Groups() {
		for _, info := range g.Permissions {
			d := may(Auditor, info.Permission)
			logs := strings.HasPrefix(string(info.Permission), "audit.") || info.Permission == "approval.read" || info.Permission == "export.read" || // records, too
				info.Permission == "lesson.report" || info.Permission == "lesson.take"
			if d.Allowed != logs {
				t.Errorf("the auditor on %s: %v, want logs and nothing else", info.Permission, d.Allowed)
			}
			for _, r := range []RoleID{Worker, Lead, OpenStation} {
				if f := may(r, info.Permission).Fields; f.Of(Cost) != Hidden || f.Of(Amount) != Hidden || f.Of(Price) != Hidden {
					t.Errorf("%s on %s sees money: %v", r, info.Permission, f)
				}
			}
			holders := slices.DeleteFunc(e.holders(info.Permission), func(s Source) bool { return s.Role == OpenStation })
			if len(holders) == 0 {
				t.Errorf("no ready role has %s", info.Permission)
			}
		}
	}
	for _, tt := range []struct {
		role RoleID
		p    Permission
		want bool
	}{
		{Worker, "station.use", true}, {Worker, "station.override", false}, {Lead, "station.override", true}, {Worker, "adjustment.write", false}, {Manager, "adjustment.write", true},
		{Manager, "count.write", false}, {Purchaser, "purchase_order.write", true}, {Purchaser, "purchase_order.approve", false}, {Operations, "purchase_order.approve", true},
		{Finance, "payment.write", true}, {SystemAdmin, "stock.read", false}, {SystemAdmin, "person.write", false}, {SecurityAdmin, "person.write", true}, {SecurityAdmin, "backup.restore", false},
		{SecurityAdmin, "audit.read", false}, {SystemAdmin, "audit.read", false}, {OpenStation, "stock.read", false}, {OpenStation, "station.use", true}, {OpenStation, "station.override", false},
	} {
		if d := may(tt.role, tt.p); d.Allowed != tt.want {
			t.Errorf("%s on %s: %v, %s, want %v", tt.role, tt.p, d.Allowed, d.Reason, tt.want)
		}
	}
}

func chinese(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return unicode.Is(unicode.Han, r) })
}

func TestTexts(t *testing.T) {
	check := func(what string, w Text) {
		t.Helper()
		if !chinese(w.ZH) || w.EN == "" || chinese(w.EN) {
			t.Errorf("%s: %+v, want Chinese and English", what, w)
		}
	}
	groups := map[string]bool{}
	for _, g := range Groups() {
		check("group "+g.ID, g.Title)
		if groups[g.ID] || len(g.Permissions) == 0 {
			t.Errorf("group %s stands twice or is empty", g.ID)
		}
		groups[g.ID] = true
		for _, info := range g.Permissions {
			check(string(info.Permission), info.Title)
			if err := info.Permission.check(); err != nil {
				t.Error(err)
			}
			if got, ok := Lookup(info.Permission); !ok || got != info {
				t.Errorf("%s is looked up as %+v", info.Permission, got)
			}
		}
	}
	for _, c := range Classes() {
		check(fmt.Sprint("class ", c), c.Title())
	}
	if len(Classes()) != classes-1 {
		t.Errorf("%d classes, want %d", len(Classes()), classes-1)
	}
	check("class 99", FieldClass(99).Title())
	for a := Hidden; a <= Write+1; a++ {
		check(fmt.Sprint("access ", a), a.Title())
	}
	for _, r := range append(lackReasons[:], Granted, GrantedForATime, NotSignedIn, Disabled, UnknownAct, NoGrant) {
		check(string(r), r.Words())
	}
	if got := Permission("moon.land").Title(); got.In("en") != "moon.land" || got.In("zh") != "moon.land" {
		t.Errorf("a permission that is not known is called %+v", got)
	}
}

func TestExplain(t *testing.T) {
	e := compiled(t, Ready())
	s := Subject{Account: "wang", Roles: []RoleID{Manager}, Warehouses: []stock.Warehouse{"SHA"},
		Temporary: []Temporary{temporary("t1", Grant{Permission: "stock.export", Scope: Scope{Reach: Listed, Warehouses: []stock.Warehouse{"PEK"}, Whose: OwnDocuments}})}}
	for _, tt := range []struct {
		name     string
		ask      func(*Request)
		allowing int
		near     []Reason // what the nearest lacks
		zh, en   []string
	}{
		{"why", func(*Request) {}, 1, []Reason{OtherRows}, []string{"导出库存：允许", "角色“分支经理”授予", "本人所在仓库", "10 分钟内验证过第二因素"},
			[]string{"Export stock: allowed", `role "Branch manager" grants "Export stock" for the person's warehouses, if the second factor was given within 10 min`}},
		{"why not", func(q *Request) { q.StepUp = time.Time{} }, 0, []Reason{StepUpNeeded}, []string{"需要再次验证第二因素", "临时授权 t1", "chen", "盘点月"},
			[]string{"own documents in warehouses PEK", `approved by chen because "盘点月", until 2026-11-24 05:00 UTC; but`}},
		{"nobody", func(q *Request) { q.Permission = "payment.write" }, 0, nil, []string{"没有任何角色授予", "角色“财务”"}, []string{`held by: role "Finance"`}},
	} {
		q := good(&s, "stock.export")
		tt.ask(&q)
		x := e.Explain(q)
		if d := e.Decide(q); fmt.Sprint(x.Decision) != fmt.Sprint(d) {
			t.Errorf("%s: explains %+v, decided %+v", tt.name, x.Decision, d)
		}
		if len(x.Allowing) != tt.allowing || (len(x.Near) > 0) != (tt.near != nil) || tt.near != nil && !slices.Equal(x.Near[0].Lacks, tt.near) {
			t.Errorf("%s: %+v", tt.name, x)
		}
		if (len(x.Elsewhere) > 0) != (x.Decision.Reason == NoGrant) {
			t.Errorf("%s: elsewhere %+v", tt.name, x.Elsewhere)
		}
		var zh, en []string
		for _, w := range x.Words() {
			zh, en = append(zh, w.ZH), append(en, w.EN)
		}
		for _, w := range tt.zh {
			if !strings.Contains(strings.Join(zh, "\n"), w) {
				t.Errorf("%s: %q, want %q in it", tt.name, zh, w)
			}
		}
		for _, w := range tt.en {
			if !strings.Contains(strings.Join(en, "\n"), w) {
				t.Errorf("%s: %q, want %q in it", tt.name, en, w)
			}
		}
	}
}

func TestConditionWords(t *testing.T) {
	c := Condition{StepUp: 90, Networks: []Network{network("10.0.0.0/8"), network("fd00::/8")}, Hours: []Hours{{Days: WorkingDays, From: 480, To: 1080}, {Days: 0b110_0000, From: 540, To: 720}}}
	want := Text{ZH: "90 秒内验证过第二因素、来自 10.0.0.0/8 或 fd00::/8、时间在周一至周五 08:00-18:00、周六、周日 09:00-12:00",
		EN: "the second factor was given within 90 s, from 10.0.0.0/8 or fd00::/8, within Mon-Fri 08:00-18:00, Sat, Sun 09:00-12:00"}
	if got := c.Words(); got != want {
		t.Errorf("%+v\nwant %+v", got, want)
	}
}

func TestReport(t *testing.T) {
	p := Ready()
	p.Roles = append(p.Roles, Role{ID: "future", Names: Text{ZH: "未来", EN: "Future"}, Grants: []Grant{{Permission: "moon.land", Scope: Scope{Reach: Everywhere, Whose: Anyone}}}})
	e := compiled(t, p)
	late := temporary("t2", Grant{Permission: "stock.export", Scope: Scope{Reach: Home, Whose: Anyone}})
	late.Until = noon.UnixMilli()
	r := e.Report([]Subject{
		{Account: "zhao", Roles: []RoleID{Worker, Manager}, Warehouses: []stock.Warehouse{"SHA"}},
		{Account: "li", Roles: []RoleID{"future", Auditor, "ghost", Auditor}, Temporary: []Temporary{late}},
		{Account: "sun", Roles: []RoleID{Worker}, Disabled: true},
		{Account: "wu", Roles: []RoleID{SystemAdmin, SecurityAdmin}},
	}, noon)
	if len(r.Collisions) != 2 || r.Collisions[0].Account != "wu" || r.Collisions[1].Account != "zhao" || len(r.Faults) != 1 || r.Faults[0].Account != "li" {
		t.Errorf("collisions %v, faults %v", r.Collisions, r.Faults)
	}
	people := r.ByPerson()
	keys := func(list []Section) (k []string) {
		for _, s := range list {
			k = append(k, s.Key)
		}
		return k
	}
	if got := keys(people); !slices.Equal(got, []string{"li", "sun", "wu", "zhao"}) {
		t.Errorf("people are %v", got)
	}
	if len(people[0].Lines) != 8 {
		t.Errorf("li has %+v, want each grant once", people[0].Lines)
	}
	voids := map[string]Reason{}
	for _, l := range people[0].Lines {
		voids[string(l.Grant.Permission)] = l.Void
	}
	if want := map[string]Reason{"audit.read": "", "audit.export": "", "approval.read": "", "export.read": "", "lesson.take": "", "lesson.report": "", "moon.land": UnknownAct, "stock.export": Ended}; fmt.Sprint(voids) != fmt.Sprint(want) {
		t.Errorf("li has %v, want %v", voids, want)
	}
	for i, want := range map[int]Reason{1: Disabled, 2: RolesExclude} {
		if got := people[i].Lines[0].Void; got != want {
			t.Errorf("grants of %s are void by %q, want %q", people[i].Key, got, want)
		}
	}
	for _, s := range r.ByPermission() {
		if s.Key == "payment.write" && (len(s.Lines) != 1 || s.Lines[0].Account != "" || s.Lines[0].By.Role != Finance) {
			t.Errorf("who pays: %+v, want a role that nobody has", s.Lines)
		}
		if s.Key == "station.override" && (len(s.Lines) != 2 || s.Lines[1].Account != "zhao") {
			t.Errorf("who overrides: %+v", s.Lines)
		}
	}
	if got := keys(r.ByRole()); len(got) != len(p.Roles) || !slices.IsSorted(got) {
		t.Errorf("roles are %v", got)
	}
}

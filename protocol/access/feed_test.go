package access

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

var update = flag.Bool("update", false, "write testdata/v1.jsonl anew: only before its release, never after")

// samples are values with every field set.
func samples() (Role, Exclusion, Subject) {
	g := Grant{Permission: "sales_order.read", Fields: map[FieldClass]FieldAccess{Price: Write, Phone: Masked, Cost: Hidden},
		Scope:     Scope{Reach: Listed, Warehouses: []stock.Warehouse{"PEK", "SHA"}, Whose: OwnDocuments | OwnCustomers},
		Condition: Condition{StepUp: 600, Networks: []Network{network("10.1.0.0/16"), network("fd00::/8")}, Hours: []Hours{{Days: WorkingDays, From: 480, To: 1080}, {Days: 1 << 5, From: 1320, To: 360}}}}
	return Role{ID: "night-seller", Names: Text{ZH: "夜班销售", EN: "Night seller"}, Grants: []Grant{g, {Permission: "moon.land", Scope: Scope{Reach: Everywhere, Whose: Anyone}}}},
		Exclusion{ID: "x1", Names: Text{ZH: "分离", EN: "apart"}, Roles: []RoleID{"night-seller", "auditor"}, Duties: []Duty{
			{Names: Text{ZH: "盘点", EN: "count"}, Permissions: []Permission{"count.write"}}, {Names: Text{ZH: "调整", EN: "adjust"}, Permissions: []Permission{"adjustment.write"}}}},
		Subject{Account: "wang", Roles: []RoleID{"night-seller", "warehouse-worker"}, Warehouses: []stock.Warehouse{"SHA"}, Customers: []Customer{"C1", "C2"}, Temporary: []Temporary{temporary("t1", g)}}
}

func packed(t testing.TB, values ...any) (list []feed.Entry) {
	t.Helper()
	for _, v := range values {
		e, err := Pack(v)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, e)
	}
	return list
}

// TestThroughAFeed: rights come back from a signed chunk as they were, with everything that may be nested in it.
func TestThroughAFeed(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	role, exclusion, subject := samples()
	signed, _, err := feed.Seal(key, feed.Chunk{Org: "acme", Feed: "rights/SHA", LogEpoch: 1, Version: 3, Entries: packed(t, role, exclusion, subject)})
	if err != nil {
		t.Fatal(err)
	}
	c, _, err := feed.Open(key.Public().(ed25519.PublicKey), signed)
	if err != nil {
		t.Fatal(err)
	}
	var r Rights
	if err := r.Apply(c.Version, c.Entries); err != nil {
		t.Fatal(err)
	}
	want := Rights{Policy: Policy{Version: 3, Roles: []Role{role}, Exclusions: []Exclusion{exclusion}}, People: map[Account]Subject{"wang": subject}}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("applied\n%+v\nwant\n%+v", r, want)
	}
	for _, e := range c.Entries {
		if _, err := e.Unpack(); !errors.Is(err, change.ErrUnknown) {
			t.Errorf("a node that knows no rights reads kind %d: %v, want ErrUnknown", e.Kind, err)
		}
	}
}

func TestApply(t *testing.T) {
	role, exclusion, subject := samples()
	held := func() Rights {
		var r Rights
		if err := r.Apply(5, packed(t, role, exclusion, subject)); err != nil {
			t.Fatal(err)
		}
		return r
	}
	later := func(v any) feed.Entry {
		e := packed(t, v)[0]
		e.Version = 2
		return e
	}
	longer := func(kind feed.EntryKind, id string) feed.Entry { // a later form: the id, and something that we can not know
		b, err := change.Marshal([]any{id, 7, "news"})
		if err != nil {
			t.Fatal(err)
		}
		return feed.Entry{Kind: kind, Version: 1, Payload: b}
	}
	renamed, gone, apart := role, role, exclusion
	renamed.Names.EN = "Renamed"
	gone.Withdrawn, apart.Withdrawn = true, true
	for _, tt := range []struct {
		name    string
		entries []feed.Entry
		want    string // roles, exclusions, people
	}{
		{"nothing", nil, "[Night seller] [x1] 1"},
		{"other news", packed(t)[:0:0], "[Night seller] [x1] 1"},
		{"a role anew", packed(t, renamed), "[Renamed] [x1] 1"},
		{"a role withdrawn", packed(t, gone), "[] [x1] 1"},
		{"a role of a later version", []feed.Entry{later(role)}, "[] [x1] 1"},
		{"a role of a longer form", []feed.Entry{longer(KindRole, "night-seller")}, "[] [x1] 1"},
		{"a strange role", []feed.Entry{longer(KindRole, "stranger")}, "[Night seller] [x1] 1"},
		{"a person of a later version", []feed.Entry{later(subject)}, "[Night seller] [x1] 0"},
		{"an exclusion of a later version", []feed.Entry{later(exclusion)}, "[Night seller] [x1] 1"},
		{"an exclusion withdrawn", packed(t, apart), "[Night seller] [] 1"},
		{"another kind", []feed.Entry{{Kind: feed.KindItem, Version: 1, Payload: []byte{0xff}}, {Kind: 99, Version: 1}}, "[Night seller] [x1] 1"},
	} {
		r := held()
		if err := r.Apply(6, tt.entries); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		var names, ids []string
		for _, r := range r.Policy.Roles {
			names = append(names, r.Names.EN)
		}
		for _, x := range r.Policy.Exclusions {
			ids = append(ids, x.ID)
		}
		if got := fmt.Sprint(names, ids, len(r.People)); got != tt.want || r.Policy.Version != 6 {
			t.Errorf("%s: %s, version %d, want %s", tt.name, got, r.Policy.Version, tt.want)
		}
	}
	for name, broken := range map[string]feed.Entry{"no array": {Kind: KindRole, Version: 1, Payload: []byte{0x01}}, "empty": {Kind: KindSubject, Version: 9, Payload: []byte{0x80}},
		"no text": {Kind: KindRole, Version: 1, Payload: []byte{0x81, 0x01}}, "no id": longer(KindExclusion, ""), "nothing": {Kind: KindRole, Version: 1}} {
		r := held()
		if err := r.Apply(6, append(packed(t, gone), broken)); !errors.Is(err, change.ErrUnknown) || !reflect.DeepEqual(r, held()) {
			t.Errorf("%s: %v, %+v; want ErrUnknown and what was held", name, err, r)
		}
	}
	r := held()
	for _, v := range []uint64{0, 4, 5} {
		if err := r.Apply(v, packed(t, gone)); !errors.Is(err, ErrStale) || !reflect.DeepEqual(r, held()) {
			t.Errorf("version %d over 5: %v, want ErrStale", v, err)
		}
	}
}

func TestPackRefuses(t *testing.T) {
	for _, v := range []any{"text", Role{}, Exclusion{}, Subject{}, Role{ID: "a", Grants: []Grant{{Permission: "stock"}}}} {
		if e, err := Pack(v); err == nil {
			t.Errorf("%+v was packed as %+v", v, e)
		}
	}
}

// vectors are published examples, a JSON object a line: what rights look like on the wire, then how requests are decided
// under the policy that stands in the first line.
type vectors struct {
	Role, Exclusion, Subject, Policy string // hexadecimal
}

type decided struct {
	Roles        []RoleID
	Permission   Permission
	Warehouse    stock.Warehouse `json:",omitempty"`
	Owner        Account         `json:",omitempty"`
	Customer     Customer        `json:",omitempty"`
	Done         []Permission    `json:",omitempty"`
	StepUpAgo    int             `json:",omitempty"` // seconds, 0 for never
	ClockTrusted bool            `json:",omitempty"`
	InContact    bool            `json:",omitempty"`
	List         bool            `json:",omitempty"`

	Reason Reason
	Fields map[FieldClass]FieldAccess `json:",omitempty"`
	Rows   *Rows                      `json:",omitempty"`
}

func (d decided) answer(e *Engine) decided {
	s := Subject{Account: "wang", Roles: d.Roles, Warehouses: []stock.Warehouse{"SHA"}, Customers: []Customer{"C1"}}
	q := good(&s, d.Permission)
	q.Resource, q.List = Resource{Warehouse: d.Warehouse, Owner: d.Owner, Customer: d.Customer, Done: d.Done}, d.List
	q.StepUp, q.ClockTrusted, q.InContact = time.Time{}, d.ClockTrusted, d.InContact
	if d.StepUpAgo > 0 {
		q.StepUp = q.Time.Add(-time.Duration(d.StepUpAgo) * time.Second)
	}
	a := e.Decide(q)
	d.Reason, d.Fields, d.Rows = a.Reason, nil, nil
	if !a.Rows.Empty() {
		d.Rows = &a.Rows
	}
	for _, c := range Classes() {
		if open := a.Fields.Of(c); open != Hidden {
			if d.Fields == nil {
				d.Fields = map[FieldClass]FieldAccess{}
			}
			d.Fields[c] = open
		}
	}
	return d
}

// encoded are the samples and p on the wire.
func encoded(t *testing.T, p Policy) (v vectors) {
	t.Helper()
	role, exclusion, subject := samples()
	e := packed(t, role, exclusion, subject)
	b, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return vectors{Role: hex.EncodeToString(e[0].Payload), Exclusion: hex.EncodeToString(e[1].Payload), Subject: hex.EncodeToString(e[2].Payload), Policy: hex.EncodeToString(b)}
}

// publish writes the vectors for the ready policy as it is now.
func publish(t *testing.T, file string) {
	t.Helper()
	var b bytes.Buffer
	out := json.NewEncoder(&b)
	write := func(v any) {
		if err := out.Encode(v); err != nil {
			t.Fatal(err)
		}
	}
	write(encoded(t, Ready()))
	engine := compiled(t, Ready())
	for _, roles := range [][]RoleID{{Worker}, {Lead}, {Manager}, {Purchaser}, {Seller}, {Finance}, {Operations}, {SystemAdmin}, {SecurityAdmin}, {Auditor}, {Auditor, SystemAdmin}, {Seller, Worker}} {
		for _, p := range []Permission{"stock.read", "sales_order.read", "movement.reverse", "payment.write", "audit.export"} {
			d := decided{Roles: roles, Permission: p, Warehouse: "SHA", Owner: "li", Customer: "C1", StepUpAgo: 60, ClockTrusted: true, InContact: true}
			stale, list, elsewhere := d, d, d
			stale.StepUpAgo, stale.InContact = 0, false
			list.List, list.Warehouse, list.Owner, list.Customer = true, "", "", ""
			elsewhere.Warehouse, elsewhere.Owner = "PEK", "wang"
			if d = d.answer(engine); d.Reason == NoGrant {
				write(d)
				continue
			}
			for _, x := range []decided{d, stale, list, elsewhere} {
				write(x.answer(engine))
			}
		}
	}
	write(decided{Roles: []RoleID{Manager}, Permission: "adjustment.write", Warehouse: "SHA", Done: []Permission{"count.write"}}.answer(engine))
	if err := os.WriteFile(file, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestVectors: what was published is still written, read and decided like that.
func TestVectors(t *testing.T) {
	const file = "testdata/v1.jsonl"
	if *update {
		publish(t, file)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	in := json.NewDecoder(bytes.NewReader(b))
	var v vectors
	if err := in.Decode(&v); err != nil {
		t.Fatal(err)
	}
	bytesOf := func(s string) []byte {
		b, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	p, err := DecodePolicy(bytesOf(v.Policy))
	if err != nil {
		t.Fatal(err)
	}
	if got := encoded(t, p); got != v {
		t.Errorf("written as %+v, published %+v", got, v)
	}
	role, exclusion, subject := samples()
	for kind, s := range map[feed.EntryKind]struct {
		text string
		want any
	}{KindRole: {v.Role, role}, KindExclusion: {v.Exclusion, exclusion}, KindSubject: {v.Subject, subject}} {
		if got, err := Unpack(feed.Entry{Kind: kind, Version: 1, Payload: bytesOf(s.text)}); err != nil || !reflect.DeepEqual(got, s.want) {
			t.Errorf("kind %d is read as %+v, %v, want %+v", kind, got, err, s.want)
		}
	}
	e, n := compiled(t, p), 0
	for in.More() {
		var d decided
		if err := in.Decode(&d); err != nil {
			t.Fatal(err)
		}
		if got := d.answer(e); !reflect.DeepEqual(got, d) {
			t.Errorf("decided %+v, published %+v", got, d)
		}
		n++
	}
	if n < 100 {
		t.Errorf("%d decisions are published, want 100 and more", n)
	}
}

// FuzzPolicy: bytes of any content are a policy that is written as it was and can be asked, or are refused.
func FuzzPolicy(f *testing.F) {
	role, exclusion, _ := samples()
	for _, p := range []Policy{{}, Ready(), {Version: 7, Roles: []Role{role}, Exclusions: []Exclusion{exclusion}}} {
		b, err := p.Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte{0x83, 0x01, 0x80, 0x80})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodePolicy(b)
		if err != nil {
			return
		}
		if again, err := p.Encode(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read as %+v, written as %x, %v", p, again, err)
		}
		e, err := Compile(p)
		if err != nil {
			t.Fatalf("was decoded, but not compiled: %v", err)
		}
		s := Subject{Account: "wang", Warehouses: []stock.Warehouse{"SHA"}}
		for _, r := range p.Roles {
			s.Roles = append(s.Roles, r.ID)
		}
		for _, r := range p.Roles[:min(len(p.Roles), 4)] {
			for _, g := range r.Grants[:min(len(r.Grants), 8)] {
				q := good(&s, g.Permission)
				d := e.Decide(q)
				if allowed, fields := byDefinition(p, q); d.Allowed != allowed || d.Fields != fields {
					t.Fatalf("%+v: %+v, want %v %v", q, d, allowed, fields)
				}
				q.List = true
				if x := e.Explain(q); len(x.Words()) == 0 || x.Decision.Allowed == x.Decision.Rows.Empty() {
					t.Fatalf("%+v: %+v", q, x)
				}
			}
		}
	})
}

// FuzzUnpack: an entry of any content is written as it was, or taken away.
func FuzzUnpack(f *testing.F) {
	role, exclusion, subject := samples()
	for _, e := range packed(f, role, exclusion, subject, Ending{ID: SessionsEnd, At: 1}) {
		f.Add(uint16(e.Kind), e.Version, []byte(e.Payload))
	}
	f.Fuzz(func(t *testing.T, kind uint16, version uint64, payload []byte) {
		e := feed.Entry{Kind: feed.EntryKind(kind), Version: version, Payload: payload}
		v, err := Unpack(e)
		if err == nil {
			if again, err := Pack(v); err != nil || !bytes.Equal(again.Payload, payload) || again.Kind != e.Kind {
				t.Fatalf("%+v is written as %+v, %v", v, again, err)
			}
		}
		var r Rights
		if r.Apply(1, []feed.Entry{e}) != nil {
			return
		}
		if held := len(r.Policy.Roles) + len(r.Policy.Exclusions) + len(r.People); held > 0 && err != nil {
			t.Fatalf("%+v can not be read, but %+v is held", e, r)
		}
		if _, err := Compile(r.Policy); err != nil {
			t.Fatalf("was applied, but not compiled: %v", err)
		}
	})
}

// big returns a policy of 200 roles with ten grants each, and a person with five of them.
func big() (Policy, Subject) {
	p := Policy{Version: 1, Exclusions: Ready().Exclusions}
	for i := range 200 {
		r := Role{ID: RoleID(fmt.Sprintf("role-%03d", i)), Names: Text{ZH: "角色", EN: "Role"}}
		for j := range 10 {
			g := Grant{Permission: infos[(i*7+j*3)%len(infos)].Permission, Fields: map[FieldClass]FieldAccess{Phone: Masked}, Scope: Scope{Reach: Home, Whose: Anyone}}
			if i%3 == 0 {
				g.Scope = Scope{Reach: Listed, Warehouses: []stock.Warehouse{"HGH", "PEK", "SHA"}, Whose: Anyone}
			}
			if j == 5 {
				g.Condition = Condition{Hours: []Hours{{Days: EveryDay, From: 0, To: 1440}}, Networks: []Network{network("10.0.0.0/8")}}
			}
			r.Grants = append(r.Grants, g)
		}
		p.Roles = append(p.Roles, r)
	}
	s := Subject{Account: "wang", Warehouses: []stock.Warehouse{"SHA"}, Roles: []RoleID{"role-000", "role-041", "role-083", "role-127", "role-199"}}
	return p, s
}

func BenchmarkDecide(b *testing.B) {
	p, s := big()
	e := compiled(b, p)
	allowed := p.Roles[199].Grants[5].Permission
	for _, bb := range []struct {
		name string
		q    func(*Request)
		want bool
	}{
		{"allow", func(*Request) {}, true},
		{"list", func(q *Request) { q.List = true }, true},
		{"refuse", func(q *Request) { q.Resource.Warehouse = "XMN" }, false},
		{"nothing", func(q *Request) { q.Permission = "moon.land" }, false},
	} {
		b.Run(bb.name, func(b *testing.B) {
			q := good(&s, allowed)
			bb.q(&q)
			if d := e.Decide(q); d.Allowed != bb.want {
				b.Fatalf("%+v", d)
			}
			b.ReportAllocs()
			for b.Loop() {
				e.Decide(q)
			}
		})
	}
}

// TestDecideTakesNoMemory on the ways that every request goes.
func TestDecideTakesNoMemory(t *testing.T) {
	p, s := big()
	e := compiled(t, p)
	for _, g := range slices.Concat(p.Roles[0].Grants, p.Roles[199].Grants) {
		q := good(&s, g.Permission)
		if !e.Decide(q).Allowed {
			t.Fatalf("%s is not allowed", g.Permission)
		}
		if n := testing.AllocsPerRun(100, func() { e.Decide(q) }); n != 0 {
			t.Errorf("%s takes memory %g times", g.Permission, n)
		}
		q.List = true
		if n := testing.AllocsPerRun(100, func() { e.Decide(q) }); n != 0 {
			t.Errorf("list for %s takes memory %g times", g.Permission, n)
		}
	}
}

package approval

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

const (
	hour  = int64(3_600_000)
	begin = int64(1_790_000_000_000)
)

func person(name string, warehouse stock.Warehouse, roles ...access.RoleID) Person {
	p := Person{Account: access.Account(name), Roles: roles}
	if warehouse != "" {
		p.Warehouses = []stock.Warehouse{warehouse}
	}
	return p
}

func twoSteps() Rule {
	manager, hq := Party{Roles: []access.RoleID{access.Manager}, Local: true}, Party{Roles: []access.RoleID{access.Operations}}
	return Rule{ID: "two", When: Condition{Kind: Access}, Steps: []Step{
		{Approvers: manager, Need: 1, Deputies: hq, DeputiesAfter: 4 * hour, Timeout: 10 * hour, Then: Escalate},
		{Approvers: hq, Need: 2, Timeout: 5 * hour, Then: End},
	}}
}

func ask() Request {
	return Request{ID: "A1", By: person("asker", "SHA", access.Worker), Content: []byte("stock.export SHA"), Reason: "year's end", Asked: begin, Until: begin + 100*hour,
		Facts: Facts{Kind: Access, Permission: "stock.export", Warehouses: []stock.Warehouse{"SHA"}}}
}

func opened(t testing.TB, r Request, rule Rule) Process {
	t.Helper()
	p, e, err := Open(r, rule, begin)
	if err != nil || e.Act != ActAsked || e.By != r.By.Account {
		t.Fatalf("open: %+v, %v", e, err)
	}
	return p
}

func hashOf(t testing.TB, p Process) change.Hash {
	t.Helper()
	h, err := p.Request.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// TestStepsInOrder: the manager of the warehouse first, then two of the headquarters, and no other way.
func TestStepsInOrder(t *testing.T) {
	p := opened(t, ask(), twoSteps())
	h := hashOf(t, p)
	wang, other := person("wang", "SHA", access.Manager), person("other", "CTU", access.Manager)
	hq1, hq2 := person("hq1", "", access.Operations), person("hq2", "", access.Operations)
	for _, who := range []Person{other, hq1, person("nobody", "SHA"), {}} {
		if _, _, err := p.Approve(who, h, begin); !errors.Is(err, ErrNotAsked) || p.Asks(who, begin) {
			t.Errorf("%s in the first step: %v", who.Account, err)
		}
	}
	step := func(who Person, at int64, act Act) {
		t.Helper()
		next, events, err := p.Approve(who, h, at)
		if err != nil || len(events) != 1 || events[0].Act != act || events[0].Hash != h || p.Granted() {
			t.Fatalf("%s: %+v, %v, granted before %v", who.Account, events, err, p.Granted())
		}
		e := events[0].Entry(next)
		if e.Act != string(act) || e.Object != "A1" || e.Detail["requester"] != "asker" || e.Detail["hash"] != h.String() || e.Detail["step"] != fmt.Sprint(p.Step+1) {
			t.Errorf("entry %+v", e)
		}
		p = next
	}
	step(wang, begin+1, ActApproved)
	if _, _, err := p.Approve(wang, h, begin+2); !errors.Is(err, ErrTwice) {
		t.Errorf("wang again: %v", err)
	}
	step(hq1, begin+2, ActApproved)
	if _, _, err := p.Approve(hq1, h, begin+3); !errors.Is(err, ErrTwice) {
		t.Errorf("hq1 again: %v", err)
	}
	if both := person("wang", "SHA", access.Operations); p.Asks(both, begin+3) {
		t.Error("another role makes another person of nobody")
	}
	step(hq2, begin+3, ActGranted)
	if !p.Granted() || p.State != Approved || p.Approver() != "hq2" || p.Closed != begin+3 {
		t.Errorf("in the end %+v", p)
	}
	if _, _, err := p.Refuse(person("hq3", "", access.Operations), h, "late", begin+4); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestDeputies: after their time, or at once where who asks would be who approves.
func TestDeputies(t *testing.T) {
	hq := person("hq1", "", access.Operations)
	p := opened(t, ask(), twoSteps())
	if p.Asks(hq, begin+4*hour-1) || !p.Asks(hq, begin+4*hour) {
		t.Error("deputies are asked before their time, or not then")
	}
	next, events, err := p.Approve(hq, hashOf(t, p), begin+4*hour)
	if err != nil || !events[0].Deputy || !next.Approvals[0].Deputy || events[0].Entry(next).Detail["deputy"] != "1" {
		t.Errorf("deputy: %+v, %v", events, err)
	}
	r := ask()
	r.By = person("wang", "SHA", access.Manager)
	p = opened(t, r, twoSteps())
	if p.Asks(r.By, begin) || !p.Asks(hq, begin) {
		t.Error("a manager's own request waits for the manager")
	}
	if _, _, err := p.Approve(r.By, hashOf(t, p), begin); !errors.Is(err, ErrSelf) {
		t.Errorf("self: %v", err)
	}
}

func TestTimeouts(t *testing.T) {
	p := opened(t, ask(), twoSteps())
	next, events := p.Advance(begin + 10*hour - 1)
	if len(events) != 0 || next.State != Waiting {
		t.Fatalf("early: %+v", events)
	}
	next, events = p.Advance(begin + 12*hour)
	if len(events) != 1 || events[0].Act != ActEscalated || events[0].At != begin+10*hour || !next.Escalated || next.Due() != begin+20*hour {
		t.Fatalf("escalated: %+v %+v", events, next)
	}
	next, events = p.Advance(begin + 20*hour)
	if len(events) != 2 || events[1].Act != ActExpired || next.State != Expired || next.Closed != begin+20*hour || next.Due() != 0 {
		t.Fatalf("expired: %+v %+v", events, next)
	}
	if _, _, err := p.Approve(person("wang", "SHA", access.Manager), hashOf(t, p), begin+20*hour); !errors.Is(err, ErrClosed) {
		t.Errorf("too late, though nobody told the process: %v", err)
	}
	r := ask()
	r.Until = begin + 3*hour
	if next, events = opened(t, r, twoSteps()).Advance(begin + 3*hour); next.State != Expired || len(events) != 1 {
		t.Errorf("past the request's own end: %+v", next)
	}
}

// TestEditVoids: whatever is changed, the yes that was given is for nothing, and the old hash opens nothing.
func TestEditVoids(t *testing.T) {
	wang := person("wang", "SHA", access.Manager)
	for name, edit := range map[string]func(*Request){
		"content": func(r *Request) { r.Content = []byte("stock.export CTU") }, "reason": func(r *Request) { r.Reason = "another" }, "end": func(r *Request) { r.Until++ },
		"permission": func(r *Request) { r.Facts.Permission = "movement.export" }, "rows": func(r *Request) { r.Facts.Rows = 9 }, "nothing": func(*Request) {},
	} {
		p := opened(t, ask(), twoSteps())
		old := hashOf(t, p)
		p, _, err := p.Approve(wang, old, begin+1)
		if err != nil {
			t.Fatal(err)
		}
		next := ask()
		edit(&next)
		p, events, err := p.Edit(next, twoSteps(), begin+2)
		if err != nil || len(p.Approvals) != 0 || p.Step != 0 || p.Since != begin+2 || events[0].Act != ActEdited || events[0].Hash != hashOf(t, p) {
			t.Fatalf("%s: %+v, %v", name, p, err)
		}
		_, _, err = p.Approve(wang, old, begin+3)
		if same := hashOf(t, p) == old; same != (name == "nothing") || (err == nil) != same || err != nil && !errors.Is(err, ErrChanged) {
			t.Errorf("%s: the old hash gives %v", name, err)
		}
	}
	p := opened(t, ask(), twoSteps())
	for name, next := range map[string]Request{"another's": func() Request { r := ask(); r.By.Account = "wang"; return r }(), "another id": func() Request { r := ask(); r.ID = "A2"; return r }(),
		"another kind": func() Request { r := ask(); r.Facts.Kind = Export; return r }(), "without content": func() Request { r := ask(); r.Content = nil; return r }()} {
		if _, _, err := p.Edit(next, twoSteps(), begin); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func TestRefuseAndWithdraw(t *testing.T) {
	p := opened(t, ask(), twoSteps())
	wang := person("wang", "SHA", access.Manager)
	if _, _, err := p.Refuse(wang, hashOf(t, p), " ", begin); !errors.Is(err, ErrReason) {
		t.Errorf("without a reason: %v", err)
	}
	if _, _, err := p.Refuse(wang, change.Hash{}, "no", begin); !errors.Is(err, ErrChanged) {
		t.Errorf("another hash: %v", err)
	}
	if no, events, err := p.Refuse(wang, hashOf(t, p), "no", begin); err != nil || no.State != Refused || events[0].Note != "no" || no.Granted() {
		t.Errorf("refused: %+v, %v", no, err)
	}
	if _, _, err := p.Withdraw("wang", begin); !errors.Is(err, ErrNotOwn) {
		t.Errorf("withdrawn by another: %v", err)
	}
	if back, _, err := p.Withdraw("asker", begin); err != nil || back.State != Withdrawn {
		t.Errorf("withdrawn: %+v, %v", back, err)
	}
}

func TestChoose(t *testing.T) {
	s := twoSteps().Steps
	rules := []Rule{{ID: "many", When: Condition{Kind: Export, Rows: 1000}, Steps: s}, {ID: "money", When: Condition{Kind: Export, Amount: 5}, Steps: s}, {ID: "privileged", When: Condition{Privileged: true}, Steps: s},
		{ID: "sha", When: Condition{Warehouses: []stock.Warehouse{"SHA"}}, Steps: s}, {ID: "local", When: Condition{Local: true}, Steps: s}}
	for _, tt := range []struct {
		f    Facts
		want string
	}{{Facts{Kind: Export, Rows: 1000}, "many"}, {Facts{Kind: Export, Rows: 999, Amount: 5}, "money"}, {Facts{Kind: Access, Rows: 9999, Privileged: true}, "privileged"},
		{Facts{Kind: Access, Warehouses: []stock.Warehouse{"SHA"}}, "sha"}, {Facts{Kind: Access, Warehouses: []stock.Warehouse{"CTU", "SHA"}}, "local"},
		{Facts{Kind: Access, Warehouses: []stock.Warehouse{"SHA"}, Everywhere: true}, ""}, {Facts{Kind: Access}, ""}} {
		r, err := Choose(rules, tt.f)
		if r.ID != tt.want || errors.Is(err, ErrNoRule) != (tt.want == "") {
			t.Errorf("%+v: %q, %v", tt.f, r.ID, err)
		}
	}
}

func TestBadRulesAndRequests(t *testing.T) {
	for name, spoil := range map[string]func(*Rule){
		"no id": func(r *Rule) { r.ID = "" }, "no steps": func(r *Rule) { r.Steps = nil }, "nobody": func(r *Rule) { r.Steps[0].Approvers = Party{} }, "none needed": func(r *Rule) { r.Steps[1].Need = 0 },
		"no timeout": func(r *Rule) { r.Steps[0].Timeout = 0 }, "no end": func(r *Rule) { r.Steps[1].Then = 0 }, "escalates to nobody": func(r *Rule) { r.Steps[1].Then = Escalate },
		"of another kind": func(r *Rule) { r.When.Kind = Export },
	} {
		r := twoSteps()
		spoil(&r)
		if _, _, err := Open(ask(), r, begin); err == nil {
			t.Errorf("a rule with %s was taken", name)
		}
	}
	for name, spoil := range map[string]func(*Request){
		"no id": func(r *Request) { r.ID = "" }, "nobody": func(r *Request) { r.By.Account = "" }, "no content": func(r *Request) { r.Content = nil }, "much content": func(r *Request) { r.Content = make([]byte, MaxContent+1) },
		"no reason": func(r *Request) { r.Reason = " \t" }, "a long reason": func(r *Request) { r.Reason = string(bytes.Repeat([]byte("长"), MaxReason+1)) }, "a past end": func(r *Request) { r.Until = begin },
	} {
		r := ask()
		spoil(&r)
		if _, _, err := Open(r, twoSteps(), begin); err == nil {
			t.Errorf("a request with %s was taken", name)
		}
	}
}

// world plays random histories: people of all roles and places try everything at random times, and forged states are tried too.
type world struct {
	*rand.Rand
	people []Person
	rules  []Rule
}

func newWorld(seed uint64) *world {
	w := &world{Rand: rand.New(rand.NewPCG(seed, 4))}
	roles := []access.RoleID{access.Manager, access.Operations, access.SecurityAdmin, access.Worker}
	for i := range 6 {
		p := person(fmt.Sprint("p", i), "")
		for _, r := range roles {
			if w.IntN(2) == 0 {
				p.Roles = append(p.Roles, r)
			}
		}
		for _, wh := range []stock.Warehouse{"CTU", "SHA"} {
			if w.IntN(2) == 0 {
				p.Warehouses = append(p.Warehouses, wh)
			}
		}
		p.Holds = func(perm access.Permission, f Facts) bool { // a worker of the places may adjust there
			return perm == "adjustment.write" && slices.Contains(p.Roles, access.Worker) && within(f.Warehouses, p.Warehouses)
		}
		w.people = append(w.people, p)
	}
	party := func() Party {
		p := Party{Roles: []access.RoleID{roles[w.IntN(3)]}, Local: w.IntN(2) == 0}
		if w.IntN(3) == 0 {
			p.Accounts = []access.Account{w.people[w.IntN(6)].Account}
		}
		if w.IntN(4) == 0 {
			p.Permission = "adjustment.write"
		}
		return p
	}
	for i := range 2 {
		r := Rule{ID: fmt.Sprint("r", i)}
		for range 1 + w.IntN(3) {
			s := Step{Approvers: party(), Need: uint32(1 + w.IntN(2)), Timeout: hour * int64(1+w.IntN(20)), Then: End} // #nosec G115 -- small
			if w.IntN(2) == 0 {
				s.Deputies, s.DeputiesAfter, s.Then = party(), hour*int64(w.IntN(5)), Escalate
			}
			r.Steps = append(r.Steps, s)
		}
		w.rules = append(w.rules, r)
	}
	w.rules[0].When = []Condition{{Rows: 10}, {Percent: 10}, {Quantity: 10}, {Amount: 10}}[w.IntN(4)]
	return w
}

func (w *world) request() Request {
	r := ask()
	r.By, r.Facts.Rows, r.Until = w.people[0], w.Int64N(20), begin+hour*int64(20+w.IntN(80))
	r.Facts.Percent, r.Facts.Quantity, r.Facts.Amount = w.Int64N(20), stock.Quantity(w.Int64N(20)), w.Int64N(20)
	if w.IntN(3) == 0 {
		r.Facts.Barred = []access.Account{w.people[1+w.IntN(5)].Account}
	}
	r.Content = []byte{byte(w.IntN(4))}
	if w.IntN(3) == 0 {
		r.Facts.Warehouses = []stock.Warehouse{"CTU", "SHA"}
	}
	return r
}

// TestRandomHistories: in whatever order people and time act, nothing is granted but by enough different people who were asked, none of
// them who asks, all of exactly what is granted, within its time; an error changes nothing; and a process survives being stored.
func TestRandomHistories(t *testing.T) {
	granted := 0
	for seed := range uint64(4000) {
		w := newWorld(seed)
		r := w.request()
		rule, err := Choose(w.rules, r.Facts)
		if err != nil {
			t.Fatal(err)
		}
		p, now := opened(t, r, rule), begin
		edited, by := begin, map[access.Account]bool{}
		for range 25 {
			now += w.Int64N(4 * hour)
			before, encodeErr := p.Encode()
			if encodeErr != nil {
				t.Fatal(encodeErr)
			}
			who, seen := w.people[w.IntN(len(w.people))], hashOf(t, p)
			if w.IntN(5) == 0 {
				seen[w.IntN(32)] ^= 1
			}
			var next Process
			var events []Event
			switch act := w.IntN(12); {
			case act < 8:
				next, events, err = p.Approve(who, seen, now)
				if err == nil && (seen != hashOf(t, p) || who.Account == p.Request.By.Account || by[who.Account] || slices.Contains(p.Request.Facts.Barred, who.Account) || !p.Asks(who, now) || now >= p.Request.Until) {
					t.Fatalf("seed %d: a yes of %s counted", seed, who.Account)
				}
				if err == nil {
					by[who.Account] = true
				}
			case act == 8:
				next, events, err = p.Refuse(who, seen, "no", now)
			case act == 9 && w.IntN(4) == 0:
				next, events, err = p.Withdraw(who.Account, now)
			case act == 10:
				q := w.request()
				q.By = who
				var chosen Rule
				if chosen, err = Choose(w.rules, q.Facts); err == nil {
					next, events, err = p.Edit(q, chosen, now)
				}
				if err == nil {
					edited, by = now, map[access.Account]bool{}
					if who.Account != p.Request.By.Account || !chosen.When.Holds(next.Request.Facts) || next.Granted() {
						t.Fatalf("seed %d: edited to %+v", seed, next)
					}
				}
			default:
				next, events = p.Advance(now)
				half, _ := p.Advance(now - w.Int64N(3*hour))
				if whole, _ := half.Advance(now); !same(t, whole, next) {
					t.Fatalf("seed %d: time in parts comes to something else", seed)
				}
				err = nil
				if next.State == Approved && p.State != Approved {
					t.Fatalf("seed %d: time approved", seed)
				}
			}
			after, _ := p.Encode()
			if !bytes.Equal(before, after) {
				t.Fatalf("seed %d: a transition changed the value that it was made of", seed)
			}
			if err != nil {
				continue
			}
			if slices.ContainsFunc(events, func(e Event) bool { return e.Act == "" || e.At == 0 || e.At > now }) {
				t.Fatalf("seed %d: events %+v", seed, events)
			}
			stored, err := next.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if p, err = Decode(stored); err != nil || !same(t, p, next) {
				t.Fatalf("seed %d: stored and read again: %v", seed, err)
			}
			if p.Granted() != (p.State == Approved) {
				t.Fatalf("seed %d: %s, granted %v", seed, p.State, p.Granted())
			}
		}
		if !p.Granted() {
			continue
		}
		granted++
		need := 0
		for _, s := range p.Rule.Steps {
			need += int(s.Need)
		}
		if len(by) < need || by[p.Request.By.Account] || p.Closed < edited || p.Closed >= p.Request.Until {
			t.Fatalf("seed %d: granted by %v since %d: %+v", seed, by, edited, p)
		}
		forgeries(t, p)
	}
	if granted < 100 {
		t.Errorf("only %d histories came to a yes: the play proves little", granted)
	}
}

// forgeries changes a granted process in the store's place: none of them is granted any more.
func forgeries(t *testing.T, p Process) {
	t.Helper()
	if !p.Granted() {
		t.Fatal("not granted in the first place")
	}
	for name, forge := range map[string]func(*Process){
		"content": func(p *Process) { p.Request.Content = []byte("more") }, "rows": func(p *Process) { p.Request.Facts.Rows += 100 }, "end": func(p *Process) { p.Request.Until += hour },
		"another asks": func(p *Process) { p.Request.By.Account = "somebody" }, "one yes less": func(p *Process) { p.Approvals = p.Approvals[1:] }, "a yes of one's own": func(p *Process) { p.Approvals[0].By = p.Request.By.Account },
		"one twice": func(p *Process) { p.Approvals = append(p.Approvals, p.Approvals[0]) }, "a yes to something else": func(p *Process) { p.Approvals[0].Hash[0] ^= 1 },
		"a yes of who did it": func(p *Process) { p.Request.Facts.Barred = []access.Account{p.Approvals[0].By} }, "a free rule": func(p *Process) { p.Rule = Rule{ID: "free", When: Condition{Kind: Price}} },
		"a yes of nobody": func(p *Process) { p.Approvals[0].By = "" }, "more needed": func(p *Process) { p.Rule.Steps = slices.Clone(p.Rule.Steps); p.Rule.Steps[0].Need++ }, "withdrawn": func(p *Process) { p.State = Withdrawn },
	} {
		f := p
		f.Approvals = slices.Clone(p.Approvals)
		if forge(&f); f.Granted() {
			t.Fatalf("forged (%s) and still granted: %+v", name, f)
		}
	}
}

func same(t *testing.T, a, b Process) bool {
	t.Helper()
	x, err1 := a.Encode()
	y, err2 := b.Encode()
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return bytes.Equal(x, y)
}

// FuzzDecode: whatever lies in the store is read or refused, and what is read can be asked.
func FuzzDecode(f *testing.F) {
	p, _, err := Open(ask(), twoSteps(), begin)
	if err != nil {
		f.Fatal(err)
	}
	b, err := p.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		p.Granted()
		p.Asks(person("wang", "SHA", access.Manager), begin)
		p.Advance(begin + 1000*hour)
		again, err := p.Encode()
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("read and written again it is another: %v", err)
		}
	})
}

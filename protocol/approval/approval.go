// Package approval decides whether something that one person asks for has been allowed by the people
// who have to allow it: temporary rights, exports, and whatever else a rule names.
//
// A Request says who asks for what and why, with its content as bytes. The first Rule whose condition holds gives
// its steps, each with approvers, how many of them, deputies, a timeout and what happens then. Open makes a
// Process of both; Approve, Refuse, Withdraw, Edit and Advance (time has passed) are its transitions. Each gives
// events, and each event an entry for the audit trail.
//
// # Promises
//
//   - Nobody approves what they ask for themselves or have done (Facts.Barred), and nobody approves one request twice, in whatever steps and roles.
//   - An approval is of a hash over all that the approver is shown (Request.Hash). An edit voids every approval
//     and chooses the rule anew, so that what grew meanwhile goes the longer way.
//   - Time alone never approves anything: a step that times out goes to its deputies or ends the request.
//   - Granted is worked out from the approvals and not from a stored word, so that a stored state alone opens nothing.
//
// Package approval does no I/O and reads no clock. Times are Unix milliseconds.
package approval

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Kind says what kind of thing is asked for. The words are stored and shown.
type Kind string

// The kinds.
const (
	Access Kind = "access" // a permission for a time
	Export Kind = "export" // rows that leave the house

	Price      Kind = "price"      // another price or cost of an item
	Adjustment Kind = "adjustment" // a count that changes much
	Reprint    Kind = "reprint"    // a label once more, at a node
)

// Limits of a request.
const (
	MaxContent = 16 << 10 // bytes
	MaxReason  = 300      // characters
)

// Person is who asks or answers, as the accounts know them at that moment.
type Person struct {
	_          struct{} `cbor:",toarray"`
	Account    access.Account
	Roles      []access.RoleID
	Warehouses []stock.Warehouse // where the person works
	// Holds tells whether the person has a permission at all warehouses that a request is about, for parties that are named by one. It is
	// of the moment and is kept nowhere; nil means that the person has none.
	Holds func(access.Permission, Facts) bool `cbor:"-"`
}

// Facts are what the conditions of rules look at.
type Facts struct {
	_          struct{} `cbor:",toarray"`
	Kind       Kind
	Permission access.Permission
	Privileged bool              // see access.Info
	Amount     int64             // in cents, 0 where no money is meant
	Rows       int64             // of an export
	Warehouses []stock.Warehouse // that it is about, ascending
	Everywhere bool              // about all warehouses, or about what belongs to none
	Percent    int64             // of a change, in hundredths of a percent
	Quantity   stock.Quantity    // of a difference
	Copies     int64             // labels that the person will have asked to repeat on this day
	Numbered   bool              // a label with a number that must be on one thing only
	Barred     []access.Account  // must not answer: who did what is decided about; ascending
}

// Request is what somebody asks for.
type Request struct {
	_       struct{} `cbor:",toarray"`
	ID      string
	By      Person
	Facts   Facts
	Content []byte // what exactly is asked for, in a form that belongs to the kind
	Reason  string
	Asked   int64
	Until   int64 // not included; nothing can be approved from then on
}

// Hash is what approvers approve: SHA-256 over the deterministic CBOR (RFC 8949 section 4.2) of all that they are shown.
func (r Request) Hash() (change.Hash, error) {
	b, err := change.Marshal([]any{"stockade approval 1", r.ID, r.By.Account, r.Facts, r.Content, r.Reason, r.Until})
	if err != nil {
		return change.Hash{}, fmt.Errorf("hash request %s: %w", r.ID, err)
	}
	return sha256.Sum256(b), nil
}

// Conditions that callers turn into sentences.
var (
	ErrNoRule   = errors.New("no rule says who could approve this")
	ErrSelf     = errors.New("nobody decides about what they ask for themselves")
	ErrTwice    = errors.New("has approved this already")
	ErrNotAsked = errors.New("the rule does not ask this person")
	ErrChanged  = errors.New("the request was changed after it was shown")
	ErrClosed   = errors.New("the request is decided already, withdrawn or past its time")
	ErrBarred   = errors.New("who did it does not decide about it")
	ErrFree     = errors.New("nobody has to approve this")
	ErrNotOwn   = errors.New("somebody else asks for this")
	ErrReason   = errors.New("a reason is needed")
	ErrPast     = errors.New("the end lies in the past")
)

func (r Request) check(now int64) error {
	switch reason := strings.TrimSpace(r.Reason); {
	case r.ID == "" || r.By.Account == "" || r.Facts.Kind == "":
		return errors.New("a request needs an id, a person and a kind")
	case len(r.Content) == 0 || len(r.Content) > MaxContent:
		return fmt.Errorf("content of %d bytes: want 1 to %d", len(r.Content), MaxContent)
	case reason == "" || utf8.RuneCountInString(reason) > MaxReason:
		return fmt.Errorf("%w, of at most %d characters", ErrReason, MaxReason)
	case r.Until <= now:
		return ErrPast
	}
	return nil
}

// Condition says for which requests a rule is; all parts that are set must hold. The zero Condition holds for all.
type Condition struct {
	_          struct{} `cbor:",toarray"`
	Kind       Kind
	Privileged bool              // for privileged permissions alone
	Local      bool              // for what is about named warehouses alone
	Amount     int64             // at least
	Rows       int64             // at least
	Warehouses []stock.Warehouse // about no others than these
	Percent    int64             // at least
	Quantity   stock.Quantity    // at least
	Copies     int64             // at least
	Numbered   bool              // for numbered labels alone
}

// Holds reports whether c holds for f.
func (c Condition) Holds(f Facts) bool {
	switch {
	case c.Kind != "" && c.Kind != f.Kind, c.Privileged && !f.Privileged, f.Amount < c.Amount, f.Rows < c.Rows:
		return false
	case f.Percent < c.Percent, f.Quantity < c.Quantity, f.Copies < c.Copies, c.Numbered && !f.Numbered, c.Local && !f.local():
		return false
	}
	return len(c.Warehouses) == 0 || f.local() && within(f.Warehouses, c.Warehouses)
}

func (f Facts) local() bool { return !f.Everywhere && len(f.Warehouses) > 0 }

func within[T comparable](part, whole []T) bool {
	return !slices.ContainsFunc(part, func(w T) bool { return !slices.Contains(whole, w) })
}

// Party is a set of people who may answer.
type Party struct {
	_        struct{} `cbor:",toarray"`
	Roles    []access.RoleID
	Accounts []access.Account
	Local    bool // those of the roles who work in every warehouse that the request is about
	// Permission adds whoever has it at every warehouse that the request is about, by whatever roles.
	Permission access.Permission
}

// Empty reports whether p can have nobody in it.
func (p Party) Empty() bool { return len(p.Roles) == 0 && len(p.Accounts) == 0 && p.Permission == "" }

// Has reports whether who belongs to p where a request is about f.
func (p Party) Has(who Person, f Facts) bool {
	if slices.Contains(p.Accounts, who.Account) || p.Permission != "" && who.Holds != nil && who.Holds(p.Permission, f) {
		return true
	}
	if !slices.ContainsFunc(p.Roles, func(r access.RoleID) bool { return slices.Contains(who.Roles, r) }) {
		return false
	}
	return !p.Local || f.local() && within(f.Warehouses, who.Warehouses)
}

// Then says what happens when a step has timed out. The numbers are stored.
type Then uint8

// What may happen. Nothing here approves.
const (
	End      Then = 1 // the request has expired
	Escalate Then = 2 // the deputies are asked too, for as long again; then it has expired
)

// Step is one of the answers that a request needs.
type Step struct {
	_             struct{} `cbor:",toarray"`
	Approvers     Party
	Need          uint32 // how many of them
	Deputies      Party  // who may answer in their place
	DeputiesAfter int64  // milliseconds from the step's beginning; at once when who asks is one of the approvers, or for 0
	Timeout       int64  // milliseconds
	Then          Then
}

// Rule says which steps a request has to pass.
type Rule struct {
	_     struct{} `cbor:",toarray"`
	ID    string
	Names access.Text
	When  Condition
	Steps []Step
}

// Check returns an error that says what is malformed in r.
func (r Rule) Check() error {
	if r.ID == "" || len(r.Steps) == 0 && !r.When.Kind.MayBeFree() {
		return fmt.Errorf("rule %q: want an id and at least one step", r.ID)
	}
	for i, s := range r.Steps {
		switch {
		case s.Approvers.Empty() || s.Need == 0:
			return fmt.Errorf("rule %q, step %d: nobody has to approve", r.ID, i+1)
		case s.Timeout <= 0 || s.DeputiesAfter < 0:
			return fmt.Errorf("rule %q, step %d: want a timeout", r.ID, i+1)
		case s.Then != End && s.Then != Escalate, s.Then == Escalate && s.Deputies.Empty():
			return fmt.Errorf("rule %q, step %d: want an end, or deputies to escalate to", r.ID, i+1)
		}
	}
	return nil
}

// Choose returns the first rule whose condition holds, or ErrNoRule.
func Choose(rules []Rule, f Facts) (Rule, error) {
	for _, r := range rules {
		if r.When.Holds(f) {
			return r, r.Check()
		}
	}
	return Rule{}, ErrNoRule
}

// State says where a request stands. The words are stored and shown.
type State string

// The states. All but Waiting are final.
const (
	Waiting   State = "waiting"
	Approved  State = "approved"
	Refused   State = "refused"
	Withdrawn State = "withdrawn"
	Expired   State = "expired"
)

// Approval is one person's yes.
type Approval struct {
	_      struct{} `cbor:",toarray"`
	By     access.Account
	Deputy bool
	Step   uint32 // from 0
	Hash   change.Hash
	At     int64
}

// Process is a request on its way. It is a value: transitions return another one.
type Process struct {
	_         struct{} `cbor:",toarray"`
	Request   Request
	Rule      Rule // as it was when it was chosen
	State     State
	Step      uint32 // that is waited for, from 0
	Since     int64  // when it began
	Escalated bool
	Approvals []Approval // of the request as it is now
	Closed    int64      // 0 while it waits
}

// Act is what happened to a request. The words are those of the audit trail.
type Act string

// The acts.
const (
	ActAsked     Act = "approval.asked"
	ActApproved  Act = "approval.approved" // a step's approver said yes
	ActGranted   Act = "approval.granted"  // that was the last one needed
	ActRefused   Act = "approval.refused"
	ActWithdrawn Act = "approval.withdrawn"
	ActEdited    Act = "approval.edited"
	ActEscalated Act = "approval.escalated"
	ActExpired   Act = "approval.expired"
	ActVoided    Act = "approval.voided" // what it was about is no longer so
)

// Event is a transition as it is kept and recorded.
type Event struct {
	Act    Act
	By     access.Account // empty for what time did
	Deputy bool
	Step   uint32
	Hash   change.Hash // of the request when it happened
	At     int64
	Note   string
}

// Entry returns the event as an entry of the audit trail.
func (e Event) Entry(p Process) change.Entry {
	d := map[string]string{"kind": string(p.Request.Facts.Kind), "requester": string(p.Request.By.Account), "rule": p.Rule.ID, "step": fmt.Sprint(e.Step + 1), "hash": e.Hash.String()}
	if e.Note != "" {
		d["note"] = e.Note
	}
	if e.Deputy {
		d["deputy"] = "1"
	}
	return change.Entry{Act: string(e.Act), Object: p.Request.ID, Detail: d}
}

// Open begins the process of r by a rule that holds for it.
func Open(r Request, rule Rule, now int64) (Process, Event, error) {
	if err := r.check(now); err != nil {
		return Process{}, Event{}, err
	}
	if err := rule.Check(); err != nil {
		return Process{}, Event{}, err
	}
	if rule.Free() {
		return Process{}, Event{}, fmt.Errorf("rule %q: %w", rule.ID, ErrFree)
	}
	if !rule.When.Holds(r.Facts) {
		return Process{}, Event{}, fmt.Errorf("rule %q: %w", rule.ID, ErrNoRule)
	}
	h, err := r.Hash()
	if err != nil {
		return Process{}, Event{}, err
	}
	p := Process{Request: r, Rule: rule, State: Waiting, Since: now}
	p.Request.Content, p.Request.By.Holds = bytes.Clone(r.Content), nil
	return p, Event{Act: ActAsked, By: r.By.Account, Hash: h, At: now, Note: r.Reason}, nil
}

// Advance tells p that it is now that time. Telling it later, or in several parts, comes to the same.
func (p Process) Advance(now int64) (Process, []Event) {
	var events []Event
	for p.State == Waiting {
		due := p.Due()
		if now < due {
			break
		}
		h, err := p.Request.Hash()
		if err != nil {
			h = change.Hash{} // it could be hashed when it came in; time does not wait for it
		}
		e := Event{Act: ActExpired, Step: p.Step, Hash: h, At: due}
		if s := p.step(); due < p.Request.Until && s.Then == Escalate && !p.Escalated {
			e.Act, p.Escalated, p.Since = ActEscalated, true, due
		} else {
			p.State, p.Closed = Expired, due
		}
		events = append(events, e)
	}
	return p, events
}

// Due returns when time next does something to p by itself; 0 when p is closed.
func (p Process) Due() int64 {
	if p.State != Waiting {
		return 0
	}
	return min(p.Request.Until, p.Since+p.step().Timeout)
}

func (p Process) step() Step { return p.Rule.Steps[p.Step] }

// asked reports whether who is asked at this moment, and whether as a deputy.
func (p Process) asked(who Person, now int64) (deputy bool, err error) {
	if who.Account == "" {
		return false, ErrNotAsked
	}
	if who.Account == p.Request.By.Account {
		return false, ErrSelf
	}
	if slices.Contains(p.Request.Facts.Barred, who.Account) {
		return false, ErrBarred
	}
	if slices.ContainsFunc(p.Approvals, func(a Approval) bool { return a.By == who.Account }) {
		return false, ErrTwice
	}
	s, f := p.step(), p.Request.Facts
	if s.Approvers.Has(who, f) {
		return false, nil
	}
	if s.Deputies.Has(who, f) && (p.Escalated || now >= p.Since+s.DeputiesAfter || s.Approvers.Has(p.Request.By, f)) {
		return true, nil
	}
	return false, ErrNotAsked
}

// Asks reports whether who is asked for an answer now.
func (p Process) Asks(who Person, now int64) bool {
	p, _ = p.Advance(now)
	if p.State != Waiting {
		return false
	}
	_, err := p.asked(who, now)
	return err == nil
}

// answer brings p up to now and returns what an answer of who needs. Nothing is changed when there is an error.
func (p Process) answer(who Person, seen change.Hash, now int64) (Process, []Event, Event, error) {
	p, events := p.Advance(now)
	if p.State != Waiting {
		return Process{}, nil, Event{}, ErrClosed
	}
	deputy, err := p.asked(who, now)
	if err != nil {
		return Process{}, nil, Event{}, err
	}
	h, err := p.Request.Hash()
	if err != nil {
		return Process{}, nil, Event{}, err
	}
	if h != seen {
		return Process{}, nil, Event{}, ErrChanged
	}
	return p, events, Event{By: who.Account, Deputy: deputy, Step: p.Step, Hash: h, At: max(now, p.Since)}, nil
}

// Approve is the yes of who to the request with the hash that they were shown.
func (p Process) Approve(who Person, seen change.Hash, now int64) (Process, []Event, error) {
	p, events, e, err := p.answer(who, seen, now)
	if err != nil {
		return Process{}, nil, err
	}
	p.Approvals = append(slices.Clone(p.Approvals), Approval{By: e.By, Deputy: e.Deputy, Step: e.Step, Hash: e.Hash, At: e.At})
	e.Act = ActApproved
	if p.have(p.Step) >= int(p.step().Need) {
		if int(p.Step)+1 == len(p.Rule.Steps) {
			p.State, p.Closed, e.Act = Approved, e.At, ActGranted
		} else {
			p.Step, p.Since, p.Escalated = p.Step+1, e.At, false
		}
	}
	return p, append(events, e), nil
}

func (p Process) have(step uint32) (n int) {
	for _, a := range p.Approvals {
		if a.Step == step {
			n++
		}
	}
	return n
}

// Refuse is the no of who, with a reason. One is enough.
func (p Process) Refuse(who Person, seen change.Hash, why string, now int64) (Process, []Event, error) {
	if why = strings.TrimSpace(why); why == "" || utf8.RuneCountInString(why) > MaxReason {
		return Process{}, nil, ErrReason
	}
	p, events, e, err := p.answer(who, seen, now)
	if err != nil {
		return Process{}, nil, err
	}
	e.Act, e.Note, p.State, p.Closed = ActRefused, why, Refused, e.At
	return p, append(events, e), nil
}

// Withdraw takes a request back, which only who asks may do.
func (p Process) Withdraw(who access.Account, now int64) (Process, []Event, error) {
	p, events, e, err := p.own(who, now)
	if err != nil {
		return Process{}, nil, err
	}
	e.Act, p.State, p.Closed = ActWithdrawn, Withdrawn, e.At
	return p, append(events, e), nil
}

// Void closes a request because what it was about is no longer so. Nothing is granted by it.
func (p Process) Void(why string, now int64) (Process, []Event, error) {
	p, events := p.Advance(now)
	if p.State != Waiting {
		return Process{}, nil, ErrClosed
	}
	h, err := p.Request.Hash()
	e := Event{Act: ActVoided, Step: p.Step, Hash: h, At: max(now, p.Since), Note: why}
	p.State, p.Closed = Withdrawn, e.At
	return p, append(events, e), err
}

// Edit puts another request in the place of p's, by a rule that holds for it. Every approval is void and the steps
// begin anew. Only who asks may do that; id, person and kind stay.
func (p Process) Edit(next Request, rule Rule, now int64) (Process, []Event, error) {
	old, events, e, err := p.own(next.By.Account, now)
	if err != nil {
		return Process{}, nil, err
	}
	if next.ID != old.Request.ID || next.Facts.Kind != old.Request.Facts.Kind {
		return Process{}, nil, errors.New("an edit keeps id and kind")
	}
	next.Asked = old.Request.Asked
	p, asked, err := Open(next, rule, e.At)
	if err != nil {
		return Process{}, nil, err
	}
	e.Act, e.Hash, e.Step, e.Note = ActEdited, asked.Hash, 0, next.Reason
	return p, append(events, e), nil
}

func (p Process) own(who access.Account, now int64) (Process, []Event, Event, error) {
	if who == "" || who != p.Request.By.Account {
		return Process{}, nil, Event{}, ErrNotOwn
	}
	p, events := p.Advance(now)
	if p.State != Waiting {
		return Process{}, nil, Event{}, ErrClosed
	}
	h, err := p.Request.Hash()
	return p, events, Event{By: who, Step: p.Step, Hash: h, At: max(now, p.Since)}, err
}

// Granted reports whether everybody who had to has approved exactly this request: the state says so, and for every step there are
// enough approvals of its hash by different people, none of whom asks for it.
func (p Process) Granted() bool {
	h, err := p.Request.Hash()
	if err != nil || p.State != Approved || p.Rule.Check() != nil || p.Rule.Free() {
		return false
	}
	seen := map[access.Account]bool{p.Request.By.Account: true, "": true}
	for _, a := range p.Request.Facts.Barred {
		seen[a] = true
	}
	have := make([]uint32, len(p.Rule.Steps))
	for _, a := range p.Approvals {
		if a.Hash != h || seen[a.By] || int(a.Step) >= len(have) || a.At >= p.Request.Until {
			return false
		}
		seen[a.By] = true
		have[a.Step]++
	}
	for i, s := range p.Rule.Steps {
		if have[i] < s.Need {
			return false
		}
	}
	return true
}

// Approver returns who gave the last approval.
func (p Process) Approver() access.Account {
	if len(p.Approvals) == 0 {
		return ""
	}
	return p.Approvals[len(p.Approvals)-1].By
}

// Encode returns p as it is stored.
func (p Process) Encode() ([]byte, error) { return change.Marshal(p) }

// Decode reads what Encode wrote.
func Decode(b []byte) (Process, error) {
	var p Process
	if err := change.UnmarshalExact(b, &p); err != nil {
		return Process{}, fmt.Errorf("read approval process: %w", err)
	}
	if err := p.Rule.Check(); err != nil || int(p.Step) >= len(p.Rule.Steps) {
		return Process{}, fmt.Errorf("read approval process: step %d: %w", p.Step, err)
	}
	return p, nil
}

// Time returns a time of this package as a time.Time, the zero time for 0.
func Time(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

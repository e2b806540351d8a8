// Package approvals carries requests of people from their asking to what comes of them: it keeps what package approval
// decides in the hub's store, records every transition in the audit log in the same transaction, and there lets a
// granted request have its effect.
//
// What comes of a request is a permission for a time (Ask), or rows that may leave the house (see package exports).
package approvals

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// MaxSpan is the longest time that a permission can be asked for.
const MaxSpan = 30 * 24 * time.Hour

// stepUp is how fresh the second factor has to be for a privileged permission for a time, in seconds.
const stepUp = 10 * 60

// Conditions that callers turn into sentences, besides those of package approval.
var (
	ErrSpan       = errors.New("the end is too far away, or past")
	ErrPermission = errors.New("there is no such permission")
	ErrScope      = errors.New("name the warehouses, or ask for all")
	ErrExcluded   = errors.New("this permission excludes what the person has")
	ErrHeld       = errors.New("the person has this permission already")
	ErrMany       = errors.New("too many requests of this person wait")
)

// mostOpen is how many requests of one person may wait at a time.
const mostOpen = 20

// Service keeps requests. It is safe for concurrent use.
type Service struct {
	Store    *store.Store
	Recorder *auditlog.Recorder
	Rules    []approval.Rule // that a company begins with; see RulesNow for those that count
	// Policy returns the policy that counts.
	Policy func(*store.View) (access.Policy, error)
	// Subject returns what the accounts know of a person: roles, warehouses and whether the account is disabled.
	Subject func(context.Context, access.Account) (access.Subject, error)
	// Holds tells whether a person has a permission at all of some warehouses now; nil means nobody has.
	Holds func(identity.Person, access.Permission, []stock.Warehouse) bool
	// Effects say what becomes of closed requests of other kinds, in the transaction that closes them.
	Effects map[approval.Kind]func(tx *store.Tx, who auditlog.Who, p approval.Process, granted bool) error
	// Lent tells the nodes, in the transaction of the change, that what is lent to somebody has changed; nil where there are none.
	Lent func(*store.Tx, access.Account) error
}

func (s *Service) lent(tx *store.Tx, to access.Account) error {
	if s.Lent == nil {
		return nil
	}
	return s.Lent(tx, to)
}

const day = int64(24 * time.Hour / time.Millisecond)

// Rules returns the rules that a company begins with: privileged permissions are for the security administrator, what concerns
// named warehouses is for their branch manager, with the headquarters as deputy, and all else for the headquarters.
func Rules() []approval.Rule {
	party := func(local bool, roles ...access.RoleID) approval.Party {
		return approval.Party{Roles: roles, Local: local}
	}
	manager, hq, security := party(true, access.Manager), party(false, access.Operations), party(false, access.SecurityAdmin)
	local := []approval.Step{{Approvers: manager, Need: 1, Deputies: hq, DeputiesAfter: day / 3, Timeout: day, Then: approval.Escalate}}
	central := []approval.Step{{Approvers: hq, Need: 1, Deputies: security, DeputiesAfter: day, Timeout: 3 * day, Then: approval.End}}
	return append([]approval.Rule{
		{ID: "access-privileged", Names: access.Text{ZH: "特权权限由安全管理员审批", EN: "privileged permissions: the security administrator"},
			When:  approval.Condition{Kind: approval.Access, Privileged: true},
			Steps: []approval.Step{{Approvers: security, Need: 1, Timeout: 3 * day, Then: approval.End}}},
		{ID: "access-warehouse", Names: access.Text{ZH: "仓库权限由分支经理审批", EN: "permissions of a warehouse: its branch manager"},
			When: approval.Condition{Kind: approval.Access, Local: true}, Steps: local},
		{ID: "access", Names: access.Text{ZH: "跨仓权限由总部运营审批", EN: "permissions across warehouses: HQ operations"},
			When: approval.Condition{Kind: approval.Access}, Steps: central},
		{ID: "export-warehouse", Names: access.Text{ZH: "仓库大批量导出由分支经理审批", EN: "large exports of a warehouse: its branch manager"},
			When: approval.Condition{Kind: approval.Export, Local: true}, Steps: local},
		{ID: "export", Names: access.Text{ZH: "跨仓大批量导出由总部运营审批", EN: "large exports across warehouses: HQ operations"},
			When: approval.Condition{Kind: approval.Export}, Steps: central},
	}, changeRules()...)
}

// PersonOf returns who as package approval wants to know them.
func PersonOf(who identity.Person) approval.Person {
	p := approval.Person{Account: access.Account(who.Account)}
	for _, r := range who.Roles {
		p.Roles = append(p.Roles, access.RoleID(r))
	}
	for _, w := range who.Warehouses {
		p.Warehouses = append(p.Warehouses, stock.Warehouse(w))
	}
	return p
}

// SubjectOf returns who as package access wants to know them, without temporary grants.
func SubjectOf(who identity.Person) access.Subject {
	p := PersonOf(who)
	return Tidy(access.Subject{Account: p.Account, Roles: p.Roles, Warehouses: p.Warehouses})
}

// Fold returns a name in the form in which accounts are told apart.
func Fold(name access.Account) access.Account {
	return access.Account(identity.Account{Name: string(name)}.Key())
}

// Tidy puts the warehouses of a subject in the order that package access wants.
func Tidy(s access.Subject) access.Subject {
	s.Warehouses = slices.Compact(slices.Sorted(slices.Values(s.Warehouses)))
	return s
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address, Lent: p.Lent}
}

// NewID returns a name that was never used: a letter and 60 random bits in letters that are hard to mistake for each other.
func NewID(letter string) string {
	const letters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	b := make([]byte, 12)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	for i := range b {
		b[i] = letters[b[i]%32]
	}
	return letter + string(b[:4]) + "-" + string(b[4:8]) + "-" + string(b[8:])
}

// request makes the request of who for a.
func (s *Service) request(id string, who identity.Person, a Ask, reason string, now time.Time) (approval.Request, error) {
	info, known := access.Lookup(a.Permission)
	a.Warehouses = slices.Compact(slices.Sorted(slices.Values(a.Warehouses)))
	switch {
	case !known:
		return approval.Request{}, ErrPermission
	case a.Everywhere == (len(a.Warehouses) > 0):
		return approval.Request{}, ErrScope
	case a.Until <= now.UnixMilli() || a.Until > now.Add(MaxSpan).UnixMilli():
		return approval.Request{}, ErrSpan
	}
	if err := a.checkFields(); err != nil {
		return approval.Request{}, err
	}
	content, err := a.content()
	return approval.Request{ID: id, By: PersonOf(who), Content: content, Reason: strings.TrimSpace(reason), Asked: now.UnixMilli(), Until: a.Until,
		Facts: approval.Facts{Kind: approval.Access, Permission: a.Permission, Privileged: info.Privileged, Warehouses: a.Warehouses, Everywhere: a.Everywhere}}, err
}

// Ask asks for a permission for a time and returns the request's id.
func (s *Service) Ask(ctx context.Context, who identity.Person, a Ask, reason string) (string, error) {
	now := s.Recorder.Clock()
	r, err := s.request(NewID("A"), who, a, reason, now)
	if err != nil {
		return "", err
	}
	err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		if err := s.mayHave(&tx.View, SubjectOf(who), a, now); err != nil {
			return err
		}
		return s.Open(tx, who, r)
	})
	return r.ID, err
}

// Edit asks for something else, or for another reason, in the place of a request that waits. Approvals that it has are void.
func (s *Service) Edit(ctx context.Context, who identity.Person, id string, a Ask, reason string) error {
	now := s.Recorder.Clock()
	r, err := s.request(id, who, a, reason, now)
	if err != nil {
		return err
	}
	return s.change(ctx, who, id, func(tx *store.Tx, p approval.Process) (approval.Process, []approval.Event, error) {
		rule, err := s.choose(&tx.View, r.Facts)
		if err != nil {
			return p, nil, err
		}
		if err := s.mayHave(&tx.View, SubjectOf(who), a, now); err != nil {
			return p, nil, err
		}
		return p.Edit(r, rule, now.UnixMilli())
	})
}

// Open begins the process of a request in an open transaction.
func (s *Service) Open(tx *store.Tx, who identity.Person, r approval.Request) error {
	open, err := tx.OpenApprovals()
	if err != nil {
		return err
	}
	n := 0
	for _, o := range open {
		if o.Request.By.Account == r.By.Account {
			n++
		}
	}
	if n >= mostOpen {
		return ErrMany
	}
	rule, err := s.choose(&tx.View, r.Facts)
	if err != nil {
		return err
	}
	p, asked, err := approval.Open(r, rule, tx.Now().UnixMilli())
	if err != nil {
		return err
	}
	if err := tx.AddApproval(p, asked); err != nil {
		return err
	}
	return s.Recorder.Record(tx, whoIs(who), asked.Entry(p))
}

// mayHave returns ErrExcluded when a person must not hold the permission beside what they have: because of their duties, or
// because it belongs to a role that excludes one of theirs. Else a system administrator could become an auditor for a month.
func (s *Service) mayHave(v *store.View, subject access.Subject, a Ask, now time.Time) error {
	policy, err := s.Policy(v)
	if err != nil {
		return err
	}
	engine, err := access.Compile(policy)
	if err != nil {
		return err
	}
	if subject.Temporary, err = v.Temporaries(Fold(subject.Account)); err != nil {
		return err
	}
	if s.held(engine, subject, a, now) {
		return ErrHeld
	}
	grants := func(id access.RoleID) bool {
		n := slices.IndexFunc(policy.Roles, func(r access.Role) bool { return r.ID == id && !r.Withdrawn })
		return n >= 0 && slices.ContainsFunc(policy.Roles[n].Grants, func(g access.Grant) bool { return g.Permission == a.Permission })
	}
	for _, x := range policy.Exclusions {
		mine := func(id access.RoleID) bool { return slices.Contains(subject.Roles, id) }
		if !x.Withdrawn && slices.ContainsFunc(x.Roles, mine) &&
			slices.ContainsFunc(x.Roles, func(id access.RoleID) bool { return !mine(id) && grants(id) }) &&
			!slices.ContainsFunc(x.Roles, func(id access.RoleID) bool { return mine(id) && grants(id) }) {
			return ErrExcluded
		}
	}
	subject.Temporary = append(slices.Clone(subject.Temporary), access.Temporary{ID: "asked", Approver: "@somebody", Reason: "asked",
		Grant: grantOf(a), From: now.UnixMilli(), Until: a.Until})
	var collision *access.Collision
	if err := engine.CheckAssignment(subject, now); errors.As(err, &collision) {
		return fmt.Errorf("%w: %w", ErrExcluded, err)
	} else if err != nil {
		return err
	}
	return nil
}

// held reports whether subject has what a asks for already, with a fresh factor, everywhere that it asks for and with all fields.
func (s *Service) held(engine *access.Engine, subject access.Subject, a Ask, now time.Time) bool {
	q := access.Request{Subject: &subject, Permission: a.Permission, List: true, Time: now, StepUp: now, ClockTrusted: true, InContact: true}
	d := engine.Decide(q)
	if !d.Allowed {
		return false
	}
	for c, open := range a.Fields {
		if d.Fields.Of(c) < open {
			return false
		}
	}
	return d.Rows.Everything() || !a.Everywhere && !slices.ContainsFunc(a.Warehouses, func(w stock.Warehouse) bool { return !d.Rows.Any.Has(w) })
}

func grantOf(a Ask) access.Grant {
	g := access.Grant{Permission: a.Permission, Fields: a.Fields, Scope: access.Scope{Reach: access.Everywhere, Whose: access.Anyone}}
	if !a.Everywhere {
		g.Scope.Reach, g.Scope.Warehouses = access.Listed, a.Warehouses
	}
	if info, _ := access.Lookup(a.Permission); info.Privileged {
		g.Condition.StepUp = stepUp
	}
	return g
}

// change carries out a transition of a request: state, history, effect and audit entries in one transaction.
func (s *Service) change(ctx context.Context, who identity.Person, id string, do func(*store.Tx, approval.Process) (approval.Process, []approval.Event, error)) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		stored, err := tx.Approval(id)
		if err != nil {
			return err
		}
		p, events, err := do(tx, stored.Process)
		if err != nil {
			return err
		}
		return s.keep(tx, whoIs(who), p, stored.Revision, events)
	})
}

func (s *Service) keep(tx *store.Tx, who auditlog.Who, p approval.Process, revision int64, events []approval.Event) error {
	if err := tx.PutApproval(p, revision, events); err != nil {
		return err
	}
	if p.State != approval.Waiting {
		if err := s.effect(tx, p); err != nil {
			return err
		}
		if settle := s.Effects[p.Request.Facts.Kind]; settle != nil {
			if err := settle(tx, who, p, p.Granted()); err != nil {
				return err
			}
		}
	}
	for _, e := range events {
		by := who
		if e.By == "" {
			by = auditlog.Hub() // time did it
		}
		if err := s.Recorder.Record(tx, by, e.Entry(p)); err != nil {
			return err
		}
	}
	return nil
}

// effect does what a closed request is for. It goes by Granted and not by the state alone.
func (s *Service) effect(tx *store.Tx, p approval.Process) error {
	switch granted := p.Granted(); {
	case p.State == approval.Approved && !granted:
		return fmt.Errorf("request %s says it is approved, and is not", p.Request.ID)
	case p.Request.Facts.Kind == approval.Export && granted:
		return tx.SettleExport(p.Request.ID, store.ExportReady)
	case p.Request.Facts.Kind == approval.Export:
		return tx.SettleExport(p.Request.ID, store.ExportRefused)
	case p.Request.Facts.Kind == approval.Access && granted:
		a, err := AskOf(p.Request.Content)
		if err != nil {
			return err
		}
		if err := tx.AddTemporary(p.Request.By.Account, string(Fold(p.Request.By.Account)), access.Temporary{ID: access.TemporaryID(p.Request.ID), Grant: grantOf(a), Reason: p.Request.Reason,
			Approver: p.Approver(), From: p.Closed, Until: a.Until}); err != nil {
			return err
		}
		return s.lent(tx, p.Request.By.Account)
	}
	return nil
}

// Approve is the yes of who to a request as they have seen it.
func (s *Service) Approve(ctx context.Context, who identity.Person, id string, seen change.Hash) error {
	stored, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	var asker access.Subject
	if stored.Request.By.Account != System {
		asker, err = s.Subject(ctx, stored.Request.By.Account) // as the accounts know the person now, not when they asked
	}
	if err == nil && asker.Disabled {
		err = ErrExcluded
	}
	if err != nil {
		return err
	}
	now := s.Recorder.Clock()
	return s.change(ctx, who, id, func(tx *store.Tx, p approval.Process) (approval.Process, []approval.Event, error) {
		p, events, err := p.Approve(s.person(who), seen, now.UnixMilli())
		if err == nil && p.State == approval.Approved && p.Request.Facts.Kind == approval.Access {
			var a Ask
			if a, err = AskOf(p.Request.Content); err == nil {
				err = s.mayHave(&tx.View, Tidy(asker), a, now)
			}
		}
		return p, events, err
	})
}

// Refuse is the no of who, with a reason.
func (s *Service) Refuse(ctx context.Context, who identity.Person, id string, seen change.Hash, why string) error {
	return s.change(ctx, who, id, func(_ *store.Tx, p approval.Process) (approval.Process, []approval.Event, error) {
		return p.Refuse(s.person(who), seen, why, s.Recorder.Clock().UnixMilli())
	})
}

// Withdraw takes a request of who back.
func (s *Service) Withdraw(ctx context.Context, who identity.Person, id string) error {
	return s.change(ctx, who, id, func(_ *store.Tx, p approval.Process) (approval.Process, []approval.Event, error) {
		return p.Withdraw(access.Account(who.Account), s.Recorder.Clock().UnixMilli())
	})
}

// Acts about grants in the audit trail.
const (
	ActEnded   = "grant.ended"   // early, by a person
	ActExpired = "grant.expired" // by time
)

// EndGrant ends a grant early. Who has it, who approved it and who may approve grants may do so.
func (s *Service) EndGrant(ctx context.Context, who identity.Person, id access.TemporaryID, anyones bool) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		t, err := tx.TemporaryGrant(id)
		if err != nil {
			return err
		}
		if me := access.Account(who.Account); me == "" || me != t.Account && me != t.Approver && !anyones {
			return fmt.Errorf("grant %s: %w", id, store.ErrNotFound)
		}
		if err := tx.EndTemporary(id, who.Account); err != nil {
			return err
		}
		if err := s.lent(tx, t.Account); err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(who), endEntry(ActEnded, t))
	})
}

func endEntry(act string, t store.TemporaryGrant) change.Entry {
	return change.Entry{Act: act, Object: string(t.ID), Detail: map[string]string{"account": string(t.Account), "permission": string(t.Grant.Permission)}}
}

func (s *Service) get(ctx context.Context, id string) (a store.StoredApproval, err error) {
	err = s.Store.View(ctx, func(v *store.View) error { a, err = v.Approval(id); return err })
	return a, err
}

// Waiting returns what waits for an answer of who, the oldest first.
func (s *Service) Waiting(ctx context.Context, who identity.Person) (out []store.StoredApproval, err error) {
	if who.Account == "" {
		return nil, nil
	}
	me, now := s.person(who), s.Recorder.Clock().UnixMilli()
	err = s.Store.View(ctx, func(v *store.View) error {
		list, err := v.OpenApprovals()
		for _, a := range list {
			if a.Asks(me, now) {
				out = append(out, a)
			}
		}
		return err
	})
	return out, err
}

// Due carries out what time does to requests and grants. Decisions never wait for it: they judge times themselves.
func (s *Service) Due(ctx context.Context) error {
	now := s.Recorder.Clock()
	work := false
	err := s.Store.View(ctx, func(v *store.View) error {
		a, err1 := v.DueApprovals(now)
		g, err2 := v.DueTemporaries(now)
		work = len(a)+len(g) > 0
		return errors.Join(err1, err2)
	})
	if err != nil || !work {
		return err
	}
	return s.Store.Update(ctx, now, func(tx *store.Tx) error {
		list, err := tx.DueApprovals(now)
		if err != nil {
			return err
		}
		for _, a := range list {
			p, events := a.Advance(now.UnixMilli())
			if err := s.keep(tx, auditlog.Hub(), p, a.Revision, events); err != nil {
				return err
			}
		}
		grants, err := tx.DueTemporaries(now)
		if err != nil {
			return err
		}
		for _, t := range grants {
			if err := tx.EndTemporary(t.ID, ""); err != nil {
				return err
			}
			if err := s.lent(tx, t.Account); err != nil {
				return err
			}
			if err := s.Recorder.Record(tx, auditlog.Hub(), endEntry(ActExpired, t)); err != nil {
				return err
			}
		}
		return nil
	})
}

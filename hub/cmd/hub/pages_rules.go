package main

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"stockade/hub/approvals"
	"stockade/hub/dashboard"
	"stockade/hub/rights"
	"stockade/hub/rules"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// holds tells whether somebody has a permission at all of some warehouses now, with a fresh factor where it asks for one.
func (s *server) holds(who identity.Person, p access.Permission, at []stock.Warehouse) bool {
	has := func(r access.Resource) bool {
		d := s.desk.Decide(who, p, r)
		return d.Allowed || d.Reason == access.StepUpNeeded
	}
	if len(at) == 0 {
		return has(access.Resource{})
	}
	return !slices.ContainsFunc(at, func(w stock.Warehouse) bool { return !has(access.Resource{Warehouse: w}) })
}

// answerers returns everybody who could answer requests now.
func (p pages) answerers(ctx context.Context) (out []approval.Person, err error) {
	staff, err := p.Staff(ctx)
	for _, s := range staff {
		who := identityOf(s)
		if s.Disabled || !p.listed(who, "approval.decide") {
			continue
		}
		one := approvals.PersonOf(who)
		one.Holds = func(perm access.Permission, f approval.Facts) bool { return p.holds(who, perm, f.Warehouses) }
		out = append(out, one)
	}
	return out, err
}

func (p pages) listed(who identity.Person, perm access.Permission) bool {
	d := p.desk.List(who, perm)
	return d.Allowed || d.Reason == access.StepUpNeeded
}

func identityOf(s rights.Person) identity.Person {
	who := identity.Person{Account: s.Name}
	for _, r := range s.Roles {
		who.Roles = append(who.Roles, string(r))
	}
	for _, w := range s.Warehouses {
		who.Warehouses = append(who.Warehouses, string(w))
	}
	return who
}

func rulesEdition(e store.RulesEdition) dashboard.RulesEdition { return dashboard.RulesEdition(e) }

func (p pages) RuleBook(ctx context.Context, who identity.Person) (b dashboard.RuleBook, err error) {
	err = p.store.View(ctx, func(v *store.View) error { b, err = p.ruleBook(v, who); return err })
	return b, err
}

func (p pages) ruleBook(v *store.View, who identity.Person) (b dashboard.RuleBook, err error) {
	now, err := p.approvals.RulesNow(v)
	if err != nil {
		return b, err
	}
	b = dashboard.RuleBook{Now: rulesEdition(now), Rules: now.Rules, Base: now.Version}
	draft, base, err := v.RulesDraft(string(keyOf(who)))
	if errors.Is(err, store.ErrNotFound) {
		return b, nil
	}
	b.Rules, b.Base, b.Draft = draft, base, true
	return b, err
}

func (p pages) RulesOf(ctx context.Context, version int64) (out dashboard.RulesEdition, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		e, err := p.approvals.RulesOf(v, version)
		out = rulesEdition(e)
		return err
	})
	return out, shown(err)
}

func (p pages) RulesEditions(ctx context.Context, most int) (out []dashboard.RulesEdition, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		list, err := v.RulesEditions(most)
		for _, e := range list {
			out = append(out, rulesEdition(e))
		}
		return err
	})
	return out, err
}

func (p pages) RuleNames(ctx context.Context) (rules.Names, error) {
	policy, err := p.PolicyNow(ctx)
	return func(id access.RoleID) access.Text {
		if n := slices.IndexFunc(policy.Roles, func(r access.Role) bool { return r.ID == id }); n >= 0 {
			return policy.Roles[n].Names
		}
		return access.Text{ZH: string(id), EN: string(id)}
	}, err
}

func (p pages) RuleFindings(ctx context.Context, list []approval.Rule) ([]rules.Finding, error) {
	people, err := p.answerers(ctx)
	if err != nil {
		return nil, err
	}
	at, err := p.Places(ctx)
	if err != nil {
		return nil, err
	}
	names, err := p.RuleNames(ctx)
	return rules.Check(list, people, at, names), err
}

// draft changes the draft of who.
func (p pages) draft(ctx context.Context, who identity.Person, do func([]approval.Rule) ([]approval.Rule, error)) error {
	return p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error {
		b, err := p.ruleBook(&tx.View, who)
		if err != nil {
			return err
		}
		next, err := do(b.Rules)
		if err != nil {
			return err
		}
		return tx.PutRulesDraft(string(keyOf(who)), next, b.Base)
	})
}

func (p pages) DraftRule(ctx context.Context, who identity.Person, f rules.Form) error {
	staff, err := p.Staff(ctx)
	if err != nil {
		return err
	}
	policy, err := p.PolicyNow(ctx)
	if err != nil {
		return err
	}
	at, err := p.Places(ctx)
	if err != nil {
		return err
	}
	fresh := f.ID == ""
	if fresh {
		f.ID = approvals.NewID("R")
	}
	r, err := f.Rule(func(a access.Account) bool {
		return slices.ContainsFunc(staff, func(s rights.Person) bool { return s.Name == string(a) })
	},
		func(id access.RoleID) bool {
			return slices.ContainsFunc(policy.Roles, func(r access.Role) bool { return r.ID == id })
		}, at)
	if err != nil {
		return err
	}
	return p.draft(ctx, who, func(list []approval.Rule) ([]approval.Rule, error) {
		known := slices.ContainsFunc(list, func(o approval.Rule) bool { return o.ID == r.ID })
		if !known && (!fresh || len(list) >= rules.Most) { // a rule that is not in the draft can not be edited
			return nil, web.NotFound()
		}
		return rules.Put(list, r), nil
	})
}

func (p pages) DraftAction(ctx context.Context, who identity.Person, action, id string) error {
	return p.draft(ctx, who, func(list []approval.Rule) ([]approval.Rule, error) {
		next, done := rules.Edit(list, action, id, approvals.NewID("R"))
		if !done {
			return nil, web.NotFound()
		}
		return next, nil
	})
}

func (p pages) DraftEdition(ctx context.Context, who identity.Person, version int64) error {
	return shown(p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error {
		e, err := p.approvals.RulesOf(&tx.View, version)
		if err != nil {
			return err
		}
		now, err := p.approvals.RulesNow(&tx.View)
		if err != nil {
			return err
		}
		return tx.PutRulesDraft(string(keyOf(who)), e.Rules, now.Version)
	}))
}

func (p pages) DropDraft(ctx context.Context, who identity.Person) error {
	return p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error { return tx.DropRulesDraft(string(keyOf(who))) })
}

func (p pages) SaveRules(ctx context.Context, who identity.Person, base int64, note string, read bool) (int64, error) {
	book, err := p.RuleBook(ctx, who)
	if err != nil {
		return 0, err
	}
	found, err := p.RuleFindings(ctx, book.Rules)
	if err != nil {
		return 0, err
	}
	version, err := p.approvals.SaveRules(ctx, who, book.Rules, base, strings.TrimSpace(note), func(v *store.View) error {
		now, err := p.ruleBook(v, who)
		if err != nil {
			return err
		}
		switch a, err1 := approval.EncodeRules(book.Rules); {
		case err1 != nil:
			return err1
		case len(found) > 0 && !read, slices.ContainsFunc(found, func(f rules.Finding) bool { return f.Stop }):
			return dashboard.ErrFindings
		default:
			b, err := approval.EncodeRules(now.Rules)
			if err == nil && string(a) != string(b) { // the draft was changed in another window since it was checked
				err = store.ErrRulesChanged
			}
			return err
		}
	})
	switch {
	case errors.Is(err, store.ErrRulesChanged):
		return 0, web.Fail(http.StatusConflict, "rules.stale").Because(err)
	case errors.Is(err, approvals.ErrNothingNew):
		return 0, web.Fail(http.StatusConflict, "rules.nothing_new").Because(err)
	case errors.Is(err, approvals.ErrNote):
		return 0, web.Fail(http.StatusUnprocessableEntity, "rules.need_note").Because(err)
	}
	return version, err
}

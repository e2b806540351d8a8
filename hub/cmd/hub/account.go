package main

import (
	"context"
	"slices"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/internal/guessable"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// people opens the accounts by the rules of the configuration. troubled is told why names of warehouses could not be read.
func (h *hub) people(ctx context.Context, record func(*vault.Tx, change.Entry, identity.Person) error, troubled func(error)) (*identity.Service, error) {
	rules, err := identity.RulesNamed(h.cfg.Passwords)
	if err != nil {
		return nil, err
	}
	var people *identity.Service
	people, err = identity.Open(ctx, h.vault, identity.Options{Now: time.Now, Audit: record, Rules: rules, Guessable: guessable.Judge, Words: func() []string { return h.contextWords(troubled) },
		Issuer: "Stockade " + h.cfg.Org, PasskeyDomain: h.cfg.PasskeyDomain, Zone: h.cfg.zone(), Idle: time.Duration(h.cfg.SessionIdle), Max: time.Duration(h.cfg.SessionMax),
		CheckRoles: h.checkRoles,
		Changed:    func(vtx *vault.Tx, account string) error { return h.sayMember(vtx, people, account) },
		RequiresFactor: func(roles []string) bool {
			return anyIn(roles, h.cfg.FactorRoles) || anyIn(roles, h.cfg.PasskeyRoles)
		},
		RequiresPasskey: func(roles []string) bool { return anyIn(roles, h.cfg.PasskeyRoles) },
		AllEnded: func(vtx *vault.Tx) error {
			return h.store.Within(vtx, h.recorder.Clock(), func(tx *store.Tx) error { return tx.SaySessionsEnd() })
		}})
	return people, err
}

func anyIn(roles, list []string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(list, r) })
}

// checkRoles refuses roles that do not exist or that one person may not have together, by the policy that counts.
func (h *hub) checkRoles(roles []string) error {
	p, err := h.policy(context.Background())
	if err != nil {
		return err
	}
	engine, err := access.Compile(p)
	if err != nil {
		return err
	}
	subject := access.Subject{Account: "candidate"}
	for _, r := range roles {
		subject.Roles = append(subject.Roles, access.RoleID(r))
	}
	if engine.CheckAssignment(subject, time.Now()) != nil {
		return &identity.RuleError{Rule: "people.clash"}
	}
	return nil
}

// contextWords are names that everybody here knows, which passwords may not be made of.
func (h *hub) contextWords(troubled func(error)) []string {
	words := append([]string{h.cfg.Org}, h.cfg.Names...)
	err := h.store.View(context.Background(), func(v *store.View) error {
		all, err := v.Warehouses()
		for _, w := range all {
			words = append(words, string(w))
		}
		return err
	})
	if err != nil {
		troubled(err)
	}
	return words
}

// recordAs logs an entry in a transaction of package identity.
func (h *hub) recordAs(vtx *vault.Tx, who auditlog.Who, e change.Entry) error {
	return h.store.Within(vtx, h.recorder.Clock(), func(tx *store.Tx) error { return h.recorder.Record(tx, who, e) })
}

// accountRecover lets a person back in when no administrator is left who could: for instance the only one, who has lost the
// telephone and the recovery codes. Whoever may run it has the store and its key anyway.
func (c *command) accountRecover(ctx context.Context, args []string) error {
	administrator := c.flags.Bool("administrator", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("NAME"); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		record := func(tx *vault.Tx, e change.Entry, _ identity.Person) error { return h.recordAs(tx, h.who, e) }
		people, err := h.people(ctx, record, func(error) {})
		if err != nil {
			return err
		}
		code, err := people.Recover(ctx, identity.Person{}, c.args[0])
		if err == nil && *administrator {
			err = people.Promote(ctx, identity.Person{}, c.args[0], string(access.SecurityAdmin))
		}
		if err != nil {
			return err
		}
		c.say("旧密码、第二道验证、公司账号绑定和所有登录已作废。请本人在 /activate 输入激活码（72 小时内，一次有效）：\n%s\n",
			"Password, second factor, company account and all sign-ins are void. The person enters this activation code at /activate (once, within 72 hours):\n%s\n", code)
		return nil
	})
}

package main

import (
	"context"
	"strings"
	"time"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/change"
)

// noteSignIns has sign-ins at nodes count as signs of life of an account.
func (h *hub) noteSignIns(people *identity.Service) {
	h.store.OnEntry(func(vtx *vault.Tx, e store.NodeEntry) error {
		if e.Outcome != "ok" || e.Act != "signin.ok" && e.Act != "signin.badge" {
			return nil
		}
		return people.SeenAt(vtx, e.Object, string(e.Warehouse), e.At)
	})
}

// accountRow is an account in account list --json. Times are RFC 3339.
type accountRow struct {
	Name       string     `json:"name"`
	Display    string     `json:"display"`
	Roles      []string   `json:"roles"`
	Warehouses []string   `json:"warehouses"`
	Made       time.Time  `json:"made"`
	Seen       *time.Time `json:"seen"` // last sign-in, at the hub or a node; null for never
	Disabled   bool       `json:"disabled"`
	Waiting    bool       `json:"waiting"` // has no way in yet
	Factor     bool       `json:"second_factor"`
	Lacks      bool       `json:"lacks_second_factor"` // has to have one
	Linked     bool       `json:"company_account"`
	Overdue    bool       `json:"password_overdue"`
	Dormant    bool       `json:"dormant"`
}

// accountList lists accounts with what somebody should look after: who has not signed in for long, whose password is overdue, who lacks a second factor.
func (c *command) accountList(ctx context.Context, args []string) error {
	asJSON := c.flags.Bool("json", false, "")
	dormant := c.flags.Bool("dormant", false, "")
	overdue := c.flags.Bool("overdue", false, "")
	lacks := c.flags.Bool("lacks-factor", false, "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		record := func(tx *vault.Tx, e change.Entry, _ identity.Person) error { return h.recordAs(tx, h.who, e) }
		people, err := h.people(ctx, record, func(error) {})
		if err != nil {
			return err
		}
		all, err := people.Accounts(ctx)
		if err != nil {
			return err
		}
		rows := []accountRow{}
		for _, a := range all {
			if (*dormant || *overdue || *lacks) && (a.Disabled || !(*dormant && a.Dormant || *overdue && a.Overdue || *lacks && a.LacksFactor)) {
				continue
			}
			rows = append(rows, accountRow{Name: a.Name, Display: a.Display, Roles: append([]string{}, a.Roles...), Warehouses: append([]string{}, a.Warehouses...), Made: a.Made,
				Seen: timeOrNil(a.Seen), Disabled: a.Disabled, Waiting: a.Waiting, Factor: a.Factor, Lacks: a.LacksFactor, Linked: a.Linked, Overdue: a.Overdue, Dormant: a.Dormant})
		}
		if *asJSON {
			return c.json(rows)
		}
		t := c.table(c.text("用户名\t姓名\t角色\t仓库\t上次登录\t状态", "account\tname\troles\twarehouses\tlast sign-in\tstate"))
		for _, r := range rows {
			t.row(r.Name, r.Display, strings.Join(r.Roles, " "), strings.Join(r.Warehouses, " "), c.when(r.Seen), c.accountState(r))
		}
		return t.end()
	})
}

// accountState says in words how an account stands.
func (c *command) accountState(r accountRow) string {
	if r.Disabled {
		return c.text("已停用", "disabled")
	}
	var words []string
	for _, w := range []struct {
		is     bool
		zh, en string
	}{{r.Waiting, "待激活", "not activated"}, {r.Dormant, "久未登录", "dormant"}, {r.Overdue, "密码过期", "password overdue"}, {r.Lacks, "缺第二道验证", "lacks second factor"}} {
		if w.is {
			words = append(words, c.text(w.zh, w.en))
		}
	}
	if len(words) == 0 {
		return c.text("正常", "in order")
	}
	return strings.Join(words, c.text("、", ", "))
}

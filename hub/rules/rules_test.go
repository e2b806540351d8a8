package rules_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"stockade/hub/approvals"
	"stockade/hub/rules"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

func names(id access.RoleID) access.Text { return access.Text{ZH: string(id), EN: string(id)} }

func people() (out []approval.Person) {
	for _, p := range []approval.Person{{Account: "li", Roles: []access.RoleID{access.Worker}, Warehouses: []stock.Warehouse{"SHA"}}, {Account: "wang", Roles: []access.RoleID{access.Manager}, Warehouses: []stock.Warehouse{"SHA"}},
		{Account: "ctu", Roles: []access.RoleID{access.Manager}, Warehouses: []stock.Warehouse{"CTU"}}, {Account: "hq", Roles: []access.RoleID{access.Operations}}, {Account: "sec", Roles: []access.RoleID{access.SecurityAdmin}},
		{Account: "fin", Roles: []access.RoleID{access.Finance}}} {
		p.Holds = func(perm access.Permission, f approval.Facts) bool {
			return perm == "adjustment.write" && slices.Contains(p.Roles, access.Manager) && !slices.ContainsFunc(f.Warehouses, func(w stock.Warehouse) bool { return !slices.Contains(p.Warehouses, w) })
		}
		out = append(out, p)
	}
	return out
}

func TestWhatIsWrongWithRules(t *testing.T) {
	at := []stock.Warehouse{"SHA", "CTU"}
	for name, c := range map[string]struct {
		edit func([]approval.Rule) []approval.Rule
		want string
		stop bool
	}{
		"ready":         {func(r []approval.Rule) []approval.Rule { return r }, "", false},
		"never reached": {func(r []approval.Rule) []approval.Rule { r[0], r[2] = r[2], r[0]; return r }, "永远轮不到", false},
		"no catch-all":  {func(r []approval.Rule) []approval.Rule { return slices.Delete(r, 4, 5) }, "缺少兜底规则", true},
		"nobody":        {func(r []approval.Rule) []approval.Rule { r[2].Steps = twice(r[2].Steps, 1, "auditor"); return r }, "谁也批不了", false},
		"too few":       {func(r []approval.Rule) []approval.Rule { r[2].Steps = twice(r[2].Steps, 4, "operations"); return r }, "谁也批不了", false},
		"malformed":     {func(r []approval.Rule) []approval.Rule { r[2].Steps = nil; return r }, "不完整", true},
		"the same id":   {func(r []approval.Rule) []approval.Rule { r[2].ID = r[3].ID; return r }, "重复", true},
		"one place lacks": {func(r []approval.Rule) []approval.Rule {
			r[1].Steps = slices.Clone(r[1].Steps)
			r[1].Steps[0].Deputies, r[1].Steps[0].Then, r[1].Steps[0].Approvers = approval.Party{}, approval.End, approval.Party{Accounts: nil, Roles: []access.RoleID{"warehouse-worker"}, Local: true}
			return r
		}, "没有人能批：CTU", false},
	} {
		found := rules.Check(c.edit(slices.Clone(approvals.Rules())), people(), at, names)
		stop := slices.ContainsFunc(found, func(f rules.Finding) bool { return f.Stop })
		var all []string
		for _, f := range found {
			all = append(all, f.Words.ZH+f.Words.EN)
		}
		if (c.want == "") != (len(found) == 0) || !strings.Contains(strings.Join(all, "\n"), c.want) || stop != c.stop {
			t.Errorf("%s: %q", name, all)
		}
	}
}

func twice(steps []approval.Step, need uint32, role access.RoleID) []approval.Step {
	s := slices.Clone(steps[:1])
	s[0].Need, s[0].Approvers, s[0].Deputies = need, approval.Party{Roles: []access.RoleID{role}}, approval.Party{}
	return s
}

// TestFormsSayEverything: a rule as it is typed is the rule again, and what is typed wrongly is named.
func TestFormsSayEverything(t *testing.T) {
	known := func(a access.Account) bool { return a == "wang" || a == "hq" }
	role := func(r access.RoleID) bool { return r != "nobody" }
	at := []stock.Warehouse{"SHA", "CTU"}
	rich := approval.Rule{ID: "rich", Names: access.Text{ZH: "很多", EN: "many"}, When: approval.Condition{Kind: approval.Price, Privileged: true, Local: true, Amount: 123_45, Rows: 7, Percent: 12_50, Quantity: 2500000, Warehouses: []stock.Warehouse{"CTU", "SHA"}},
		Steps: []approval.Step{{Approvers: approval.Party{Accounts: []access.Account{"wang", "hq"}, Permission: "price.write"}, Need: 2, Deputies: approval.Party{Roles: []access.RoleID{"finance"}, Local: true}, DeputiesAfter: 3600_000, Timeout: 7200_000, Then: approval.Escalate}}}
	for _, r := range append(approvals.Rules(), rich) {
		back, err := rules.FormOf(r).Rule(known, role, at)
		if err != nil || len(rules.Diff([]approval.Rule{r}, []approval.Rule{back}, names)) != 0 {
			t.Errorf("%s: %+v, %v", r.ID, back, err)
		}
	}
	for field, spoil := range map[string]func(*rules.Form){
		"name": func(f *rules.Form) { f.ZH = " " }, "kind": func(f *rules.Form) { f.Kind = "everything" }, "warehouses": func(f *rules.Form) { f.Warehouses = "NOWHERE" },
		"amount": func(f *rules.Form) { f.Amount = "1.234" }, "percent": func(f *rules.Form) { f.Percent = "-1" }, "rows": func(f *rules.Form) { f.Rows = "1.5" }, "difference": func(f *rules.Form) { f.Difference = "x" },
		"free": func(f *rules.Form) { f.Kind, f.Free = "access", true }, "steps": func(f *rules.Form) { f.Steps = [rules.MostSteps]rules.StepForm{} }, "need": func(f *rules.Form) { f.Steps[0].Need = "0" },
		"hours": func(f *rules.Form) { f.Steps[0].Timeout = "" }, "deputies": func(f *rules.Form) { f.Steps[0].Deputies = rules.PartyForm{} }, "roles": func(f *rules.Form) { f.Steps[0].Approvers.Roles = []string{"nobody"} },
		"accounts": func(f *rules.Form) { f.Steps[0].Approvers.Accounts = "someone" }, "permission": func(f *rules.Form) { f.Steps[0].Approvers.Permission = "no.such" },
		"approvers": func(f *rules.Form) { f.Steps[0].Approvers = rules.PartyForm{} },
	} {
		f := rules.FormOf(rich)
		spoil(&f)
		_, err := f.Rule(known, role, at)
		var b *rules.Bad
		if !errors.As(err, &b) || b.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestActionsOnRules(t *testing.T) {
	ready := approvals.Rules()[:3]
	order := func(r []approval.Rule) string {
		var out []string
		for _, x := range r {
			out = append(out, x.ID)
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		action, id, want string
		done             bool
	}{{"up", "access", "access-privileged access access-warehouse", true}, {"down", "access-privileged", "access-warehouse access-privileged access", true}, {"up", "access-privileged", order(ready), false},
		{"down", "access", order(ready), false}, {"delete", "access", "access-privileged access-warehouse", true}, {"delete", "none", order(ready), false}, {"burn", "access", order(ready), false}} {
		got, done := rules.Edit(ready, c.action, c.id, "new")
		if order(got) != c.want || done != c.done {
			t.Errorf("%s %s: %s", c.action, c.id, order(got))
		}
	}
	copied, _ := rules.Edit(ready, "copy", "access", "new")
	if len(copied) != 4 || copied[3].ID != "access" || copied[2].ID != "new" || copied[2].Names.EN != ready[2].Names.EN+" (copy)" || order(ready) != "access-privileged access-warehouse access" {
		t.Errorf("copied: %s", order(copied))
	}
	moved, _ := rules.Edit(ready, "up", "access", "new")
	if d := rules.Diff(ready, moved, names); len(d) != 2 || d[0].Lines[0].Words.EN != "place: 3 → 2" {
		t.Errorf("diff of a move: %+v", d)
	}
}

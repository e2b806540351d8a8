// Package rules is what headquarters does with the rules about who approves what before and after they count: the form they are typed in, what
// they say and what changes in words, and what is wrong with them.
//
// It decides nothing about requests: that is package approval. It does no I/O.
package rules

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stockade/hub/rights"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// Names says what a role is called.
type Names func(access.RoleID) access.Text

// Cents writes money in cents with two decimals.
func Cents(n int64) string {
	sign := ""
	if n < 0 {
		sign, n = "-", -n
	}
	return fmt.Sprintf("%s%d.%02d", sign, n/100, n%100)
}

// Percent writes hundredths of a percent.
func Percent(n int64) string {
	s := strings.TrimRight(Cents(n), "0")
	return strings.TrimSuffix(s, ".") + "%"
}

// KindWords says what a kind is called.
func KindWords(k approval.Kind) access.Text {
	switch k {
	case approval.Access:
		return access.Text{ZH: "临时权限", EN: "permissions for a time"}
	case approval.Export:
		return access.Text{ZH: "导出", EN: "exports"}
	case approval.Price:
		return access.Text{ZH: "调价", EN: "price changes"}
	case approval.Adjustment:
		return access.Text{ZH: "盘点差异", EN: "adjustments"}
	case approval.Reprint:
		return access.Text{ZH: "补打标签", EN: "reprints"}
	}
	return access.Text{ZH: "任何申请", EN: "anything"}
}

type words struct{ zh, en []string }

func (w *words) add(zh, en string) { w.zh, w.en = append(w.zh, zh), append(w.en, en) }

func (w *words) join(zh, en string) access.Text {
	return access.Text{ZH: strings.Join(w.zh, zh), EN: strings.Join(w.en, en)}
}

// ConditionWords says for which requests c holds.
func ConditionWords(c approval.Condition) access.Text {
	w, k := &words{}, KindWords(c.Kind)
	w.add(k.ZH, k.EN)
	if c.Privileged {
		w.add("特权权限", "privileged ones")
	}
	if c.Local {
		w.add("只涉及指定仓库", "about named warehouses alone")
	}
	if len(c.Warehouses) > 0 {
		w.add("仓库只限 "+places(c.Warehouses, "、"), "about no warehouses but "+places(c.Warehouses, ", "))
	}
	if c.Amount > 0 {
		w.add("金额 ≥ "+Cents(c.Amount), "amount ≥ "+Cents(c.Amount))
	}
	if c.Rows > 0 {
		w.add("行数 ≥ "+strconv.FormatInt(c.Rows, 10), "rows ≥ "+strconv.FormatInt(c.Rows, 10))
	}
	if c.Percent > 0 {
		w.add("变动 ≥ "+Percent(c.Percent), "change ≥ "+Percent(c.Percent))
	}
	if c.Quantity > 0 {
		w.add("差异数量 ≥ "+c.Quantity.String(), "difference ≥ "+c.Quantity.String())
	}
	return w.join("，", ", ")
}

func places(list []stock.Warehouse, sep string) string {
	out := make([]string, len(list))
	for i, w := range list {
		out[i] = string(w)
	}
	return strings.Join(out, sep)
}

// PartyWords says who may answer.
func PartyWords(p approval.Party, names Names) access.Text {
	w := &words{}
	for _, id := range p.Roles {
		n := names(id)
		if p.Local {
			n.ZH, n.EN = n.ZH+"（该仓库的）", n.EN+" (of these warehouses)"
		}
		w.add(n.ZH, n.EN)
	}
	for _, a := range p.Accounts {
		w.add(string(a), string(a))
	}
	if p.Permission != "" {
		t := p.Permission.Title()
		w.add("在该仓库有“"+t.ZH+"”权限的人", `whoever may "`+t.EN+`" there`)
	}
	return w.join(" 或 ", " or ")
}

// day is one of them in milliseconds.
const day = int64(24 * 60 * 60 * 1000)

// Kinds are the kinds that the hub's rules are for, in the order of their pages.
func Kinds() []approval.Kind {
	return []approval.Kind{approval.Access, approval.Export, approval.Price, approval.Adjustment}
}

func hours(ms int64) string { return strconv.FormatInt(ms*24/day, 10) }

// StepWords says what a step asks for.
func StepWords(s approval.Step, names Names) access.Text {
	who, need := PartyWords(s.Approvers, names), strconv.FormatUint(uint64(s.Need), 10)
	w := &words{}
	w.add("由"+who.ZH+"审批，需 "+need+" 人", who.EN+" approves, "+need+" needed")
	if !s.Deputies.Empty() {
		d := PartyWords(s.Deputies, names)
		w.add(hours(s.DeputiesAfter)+" 小时后可由"+d.ZH+"代理", "after "+hours(s.DeputiesAfter)+" hours "+d.EN+" may instead")
	}
	if s.Then == approval.Escalate {
		w.add(hours(s.Timeout)+" 小时无人处理就转给代理人", "after "+hours(s.Timeout)+" hours without an answer the deputies are asked")
	} else {
		w.add(hours(s.Timeout)+" 小时无人处理就失效", "after "+hours(s.Timeout)+" hours without an answer it has ended")
	}
	return w.join("；", "; ")
}

// Lines says everything about r: its condition and then its steps.
func Lines(r approval.Rule, names Names) []access.Text {
	c := ConditionWords(r.When)
	out := []access.Text{{ZH: "适用：" + c.ZH, EN: "for " + c.EN}}
	for i, s := range r.Steps {
		w := StepWords(s, names)
		out = append(out, access.Text{ZH: fmt.Sprintf("第 %d 步：%s", i+1, w.ZH), EN: fmt.Sprintf("step %d: %s", i+1, w.EN)})
	}
	if r.Free() {
		out = append(out, access.Text{ZH: "不用审批，直接生效并记入审计日志", EN: "nobody has to approve; it counts at once and stands in the audit log"})
	}
	return out
}

// Diff says what is different about next, rule by rule, and where one has another place among those that stay.
func Diff(old, next []approval.Rule, names Names) (list []rights.Delta) {
	index := func(rules []approval.Rule, id string) int {
		return slices.IndexFunc(rules, func(r approval.Rule) bool { return r.ID == id })
	}
	line := func(k rights.Kind, t access.Text) rights.Line { return rights.Line{Kind: k, Words: t} }
	for n, r := range next {
		d := rights.Delta{Names: r.Names, Kind: rights.Changed}
		was := index(old, r.ID)
		if was < 0 {
			d.Kind = rights.Added
			for _, t := range Lines(r, names) {
				d.Lines = append(d.Lines, line(rights.Added, t))
			}
			list = append(list, d)
			continue
		}
		if o := old[was]; o.Names != r.Names {
			d.Lines = append(d.Lines, line(rights.Changed, access.Text{ZH: "改名：" + o.Names.ZH + " → " + r.Names.ZH, EN: "renamed: " + o.Names.EN + " → " + r.Names.EN}))
		}
		before, after := Lines(old[was], names), Lines(r, names)
		for _, t := range before {
			if !slices.Contains(after, t) {
				d.Lines = append(d.Lines, line(rights.Removed, t))
			}
		}
		for _, t := range after {
			if !slices.Contains(before, t) {
				d.Lines = append(d.Lines, line(rights.Added, t))
			}
		}
		if len(d.Lines) == 0 && !sameRule(old[was], r) { // what no sentence tells apart
			d.Lines = append(d.Lines, line(rights.Changed, access.Text{ZH: "细节有改动", EN: "details"}))
		}
		if passes(old, next, was, n) {
			d.Lines = append(d.Lines, line(rights.Changed, access.Text{ZH: fmt.Sprintf("顺序：第 %d 条 → 第 %d 条", was+1, n+1), EN: fmt.Sprintf("place: %d → %d", was+1, n+1)}))
		}
		if len(d.Lines) > 0 {
			list = append(list, d)
		}
	}
	for _, r := range old {
		if index(next, r.ID) < 0 {
			d := rights.Delta{Names: r.Names, Kind: rights.Removed}
			for _, t := range Lines(r, names) {
				d.Lines = append(d.Lines, line(rights.Removed, t))
			}
			list = append(list, d)
		}
	}
	return list
}

// passes reports whether the rule old[was], now next[n], has another rule of both lists on its other side.
func passes(old, next []approval.Rule, was, n int) bool {
	for i, o := range old {
		at := slices.IndexFunc(next, func(r approval.Rule) bool { return r.ID == o.ID })
		if at >= 0 && at != n && (i < was) != (at < n) {
			return true
		}
	}
	return false
}

func sameRule(a, b approval.Rule) bool {
	x, err1 := approval.EncodeRules([]approval.Rule{a})
	y, err2 := approval.EncodeRules([]approval.Rule{b})
	return err1 == nil && err2 == nil && bytes.Equal(x, y)
}

// Summary says in English what changed, for the audit log.
func Summary(deltas []rights.Delta) string {
	var out []string
	for _, d := range deltas {
		out = append(out, string(d.Kind)+" "+d.Names.EN)
	}
	s := strings.Join(out, "; ")
	if len(s) > 500 {
		s = strings.ToValidUTF8(s[:500], "") + "…"
	}
	return s
}

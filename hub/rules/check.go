package rules

import (
	"fmt"
	"slices"

	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// Finding is something about rules that whoever saves them should know.
type Finding struct {
	Words access.Text
	Stop  bool // they can not be saved so
}

// Check says what is wrong with rules if these are the people who may answer requests, in these warehouses.
func Check(rules []approval.Rule, people []approval.Person, at []stock.Warehouse, names Names) (out []Finding) {
	tell := func(stop bool, zh, en string) { out = append(out, Finding{access.Text{ZH: zh, EN: en}, stop}) }
	for n, r := range rules {
		if err := r.Check(); err != nil {
			tell(true, "“"+r.Names.ZH+"”不完整："+err.Error(), r.Names.EN+": "+err.Error())
			continue
		}
		if i := slices.IndexFunc(rules[:n], func(o approval.Rule) bool { return o.ID == r.ID }); i >= 0 {
			tell(true, "“"+r.Names.ZH+"”的编号和前面的重复。", r.Names.EN+": its id is that of an earlier rule.")
		}
		if by := approval.Hidden(rules, n); by >= 0 {
			tell(false, "“"+r.Names.ZH+"”永远轮不到：前面的“"+rules[by].Names.ZH+"”已经管了它的全部情况。", "“"+r.Names.EN+"” is never reached: “"+rules[by].Names.EN+"” before it takes everything that it is for.")
		}
		out = append(out, staffed(r, people, at, names)...)
	}
	for _, k := range Kinds() {
		if !approval.Whole(rules, k) {
			w := KindWords(k)
			tell(true, w.ZH+"：缺少兜底规则，有些申请会没有人审批。请留一条没有其他条件的规则放在最后。", w.EN+": nothing takes the rest, so that some requests would find nobody. Keep a rule without other conditions at the end.")
		}
	}
	return out
}

// staffed says where nobody could pass the steps of a rule.
func staffed(r approval.Rule, people []approval.Person, at []stock.Warehouse, names Names) (out []Finding) {
	var tries [][]stock.Warehouse
	switch {
	case len(r.When.Warehouses) > 0:
		at = r.When.Warehouses
	case !r.When.Local:
		tries = append(tries, nil)
	}
	for _, w := range at {
		tries = append(tries, []stock.Warehouse{w})
	}
	step, none := -1, []stock.Warehouse{}
	good := len(tries) == 0 // no warehouses yet
	for _, t := range tries {
		if s := r.Staffed(people, t); s < 0 {
			good = true
		} else {
			step, none = s, append(none, t...)
		}
	}
	if !good {
		w := PartyWords(r.Steps[step].Approvers, names)
		return []Finding{{Words: access.Text{ZH: fmt.Sprintf("“%s”现在谁也批不了：第 %d 步要%s，在职的账号里人数不够。", r.Names.ZH, step+1, w.ZH),
			EN: fmt.Sprintf("Nobody could approve by “%s” now: step %d asks for %s, and there are not enough accounts.", r.Names.EN, step+1, w.EN)}}}
	}
	if r.When.Local && len(none) > 0 {
		return []Finding{{Words: access.Text{ZH: fmt.Sprintf("“%s”在这些仓库没有人能批：%s。", r.Names.ZH, places(none, "、")), EN: fmt.Sprintf("“%s”: nobody could approve in %s.", r.Names.EN, places(none, ", "))}}}
	}
	return nil
}

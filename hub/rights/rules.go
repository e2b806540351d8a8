package rights

import (
	"slices"
	"strconv"
	"strings"

	"stockade/protocol/access"
)

// Limits of what excludes what.
const (
	MostRules      = 50
	MostDuties     = 6 // of an exclusion
	MostDutyGrants = 60
	MostRuleName   = 80 // letters
)

// CheckRule returns a *Refusal for an exclusion that people must not write, among those roles.
func CheckRule(x access.Exclusion, roles []access.Role) error {
	bad := func(name string) bool { return name == "" || !printable(name, MostRuleName) }
	switch {
	case !idOf.MatchString(x.ID):
		return refuse("规则编号只能用 a-z、0-9 和连字符，最多 40 个字符。", "The id of an exclusion is made of a-z, 0-9 and hyphens, 40 at most.")
	case bad(x.Names.ZH) || bad(x.Names.EN):
		return refuse("规则的中文名和英文名都要填写，各不超过 %d 个字，不能有控制字符。", "Give the exclusion a Chinese and an English name of %d letters at most, without control characters.", MostRuleName)
	case len(x.Roles) == 1:
		return refuse("互斥的角色至少选两个；只选一个就没有可互斥的。", "Choose two roles at least: one excludes nothing.")
	case len(x.Duties) == 1:
		return refuse("互斥的职责至少写两项；只写一项就没有可互斥的。", "Write two duties at least: one excludes nothing.")
	case len(x.Roles) == 0 && len(x.Duties) == 0:
		return refuse("请选互斥的角色，或写互斥的职责。", "Choose roles that exclude each other, or write duties that do.")
	case len(x.Duties) > MostDuties:
		return refuse("一条规则最多 %d 项职责，请分成几条。", "An exclusion has at most %d duties. Make several of it.", MostDuties)
	}
	for i, id := range x.Roles {
		if slices.Contains(x.Roles[:i], id) {
			return refuse("角色“%s”选了两次。", "Role %q stands twice.", id)
		}
		if !slices.ContainsFunc(roles, func(r access.Role) bool { return r.ID == id && !r.Withdrawn }) {
			return refuse("没有角色“%s”，可能刚被删除。请重新选择。", "There is no role %q; it may have been deleted. Choose again.", id)
		}
	}
	names := map[string]bool{}
	for _, d := range x.Duties {
		if bad(d.Names.ZH) || bad(d.Names.EN) {
			return refuse("每项职责都要有中文名和英文名，各不超过 %d 个字。", "Each duty needs a Chinese and an English name of %d letters at most.", MostRuleName)
		}
		if len(d.Permissions) == 0 || len(d.Permissions) > MostDutyGrants {
			return refuse("职责“%s”要选 1 到 %d 项权限。", "Duty %q needs 1 to %d permissions.", pick(d.Names, MostDutyGrants)...)
		}
		for _, name := range []string{"zh " + d.Names.ZH, "en " + strings.ToLower(d.Names.EN)} {
			if names[name] {
				return refuse("有两项职责都叫“%s”。", "Two duties are called %q.", pick(d.Names)...)
			}
			names[name] = true
		}
		for _, p := range d.Permissions {
			if _, known := access.Lookup(p); !known {
				return refuse("没有权限“%s”。", "There is no permission %q.", p)
			}
		}
	}
	if err := x.Check(); err != nil { // a permission in two duties: nobody could ever hold it
		return refuse("同一项权限不能属于两项职责，否则谁也不能拥有它：%s", "A permission can not belong to two duties, else nobody could ever hold it: %s", err.Error())
	}
	return nil
}

// checkRules returns a *Refusal for exclusions of next that must not be saved; what was there before is not judged again.
func checkRules(old, next access.Policy) error {
	if len(next.Exclusions) > MostRules {
		return refuse("互斥规则最多 %d 条。", "There can be %d exclusions.", MostRules)
	}
	names := map[string]bool{}
	for _, x := range next.Exclusions {
		if was := findRule(old, x.ID); was == nil || !sameBytes(*was, x) {
			if err := CheckRule(x, next.Roles); err != nil {
				return err
			}
		}
		for _, name := range []string{"zh " + x.Names.ZH, "en " + strings.ToLower(x.Names.EN)} {
			if names[name] {
				return refuse("有两条互斥规则都叫“%s”，请改名。", "Two exclusions are called %q. Rename one.", pick(x.Names)...)
			}
			names[name] = true
		}
	}
	return nil
}

// NewRuleID returns an id that no exclusion of the policies has.
func NewRuleID(policies ...access.Policy) string {
	for n := 1; ; n++ {
		id := "rule-" + strconv.Itoa(n)
		if !slices.ContainsFunc(policies, func(p access.Policy) bool { return findRule(p, id) != nil }) {
			return id
		}
	}
}

func findRule(p access.Policy, id string) *access.Exclusion {
	if i := slices.IndexFunc(p.Exclusions, func(x access.Exclusion) bool { return x.ID == id }); i >= 0 {
		return &p.Exclusions[i]
	}
	return nil
}

// Administrators are the roles that classified protection (等级保护, GB/T 22239) wants to be three people.
var Administrators = []access.RoleID{access.SystemAdmin, access.SecurityAdmin, access.Auditor}

// Separated reports whether no two of the three administrators can be one person under p.
func Separated(p access.Policy) bool {
	for i, a := range Administrators {
		for _, b := range Administrators[i+1:] {
			if !slices.ContainsFunc(p.Exclusions, func(x access.Exclusion) bool {
				return !x.Withdrawn && slices.Contains(x.Roles, a) && slices.Contains(x.Roles, b)
			}) {
				return false
			}
		}
	}
	return true
}

// GivesUpSeparation reports whether the three administrators are kept apart by old and no longer by next.
func GivesUpSeparation(old, next access.Policy) bool { return Separated(old) && !Separated(next) }

// WithRule returns the draft with exclusion x in it; one that is as in base is no change.
func (d Draft) WithRule(base access.Policy, x access.Exclusion) Draft {
	d = d.withoutRule(x.ID)
	if was := findRule(base, x.ID); was == nil || !sameBytes(*was, x) {
		d.PutRules = append(d.PutRules, x)
	}
	return d
}

// WithoutRule returns the draft with the exclusion of that id removed.
func (d Draft) WithoutRule(base access.Policy, id string) Draft {
	d = d.withoutRule(id)
	if findRule(base, id) != nil {
		d.RemovedRules = append(d.RemovedRules, id)
	}
	return d
}

func (d Draft) withoutRule(id string) Draft {
	d.PutRules = slices.DeleteFunc(slices.Clone(d.PutRules), func(x access.Exclusion) bool { return x.ID == id })
	d.RemovedRules = slices.DeleteFunc(slices.Clone(d.RemovedRules), func(r string) bool { return r == id })
	return d
}

func (d Draft) applyRules(base access.Policy) (list []access.Exclusion) {
	for _, x := range base.Exclusions {
		if n := slices.IndexFunc(d.PutRules, func(p access.Exclusion) bool { return p.ID == x.ID }); n >= 0 {
			list = append(list, d.PutRules[n])
		} else if !slices.Contains(d.RemovedRules, x.ID) {
			list = append(list, x)
		}
	}
	for _, x := range d.PutRules {
		if findRule(base, x.ID) == nil {
			list = append(list, x)
		}
	}
	return list
}

// rebaseRules carries exclusions over, each as a whole: one that only one of the two has changed is as that one says, and where both did the draft's stays
// and is told.
func (d Draft) rebaseRules(out Draft, base, newest access.Policy) (Draft, []Both) {
	var clashes []Both
	same := func(a, b *access.Exclusion) bool {
		return a == nil && b == nil || a != nil && b != nil && sameBytes(*a, *b)
	}
	for _, mine := range d.PutRules {
		if was, is := findRule(base, mine.ID), findRule(newest, mine.ID); !same(was, is) && !same(&mine, is) {
			clashes = append(clashes, Both{Role: mine.Names})
		}
		out = out.WithRule(newest, mine)
	}
	for _, id := range d.RemovedRules {
		if was, is := findRule(base, id), findRule(newest, id); is != nil && !same(was, is) {
			clashes = append(clashes, Both{Role: is.Names})
		}
		out = out.WithoutRule(newest, id)
	}
	return out, clashes
}

// RuleWords says what an exclusion is about: the roles, then each duty with its permissions. Roles are called as in p.
func RuleWords(x access.Exclusion, p access.Policy) (list []access.Text) {
	if len(x.Roles) > 0 {
		list = append(list, access.Text{ZH: "角色：" + roleNames(x.Roles, p).ZH, EN: "roles: " + roleNames(x.Roles, p).EN})
	}
	for _, d := range x.Duties {
		list = append(list, dutyWords(d))
	}
	return list
}

func dutyWords(d access.Duty) access.Text {
	w := permissionWords(d.Permissions)
	return access.Text{ZH: "职责“" + d.Names.ZH + "”：" + w.ZH, EN: `duty "` + d.Names.EN + `": ` + w.EN}
}

func permissionWords(list []access.Permission) access.Text {
	words := make([]access.Text, len(list))
	for i, p := range list {
		words[i] = p.Title()
	}
	return join(words, "、", ", ")
}

func roleNames(list []access.RoleID, p access.Policy) access.Text {
	words := make([]access.Text, len(list))
	for i, id := range list {
		words[i] = access.Text{ZH: string(id), EN: string(id)}
		if r := find(p, id); r != nil {
			words[i] = r.Names
		}
	}
	return join(words, "、", ", ")
}

// ruleLines says what is different about an exclusion; was is nil for a new one, is for one that is gone.
func ruleLines(was, is *access.Exclusion, old, next access.Policy) (list []Line) {
	add := func(k Kind, w access.Text) { list = append(list, Line{Kind: k, Words: w}) }
	switch {
	case was == nil:
		for _, w := range RuleWords(*is, next) {
			add(Added, w)
		}
		return list
	case is == nil:
		for _, w := range RuleWords(*was, old) {
			add(Removed, w)
		}
		return list
	}
	if was.Names != is.Names {
		add(Changed, access.Text{ZH: "改名：" + was.Names.ZH + " → " + is.Names.ZH, EN: "renamed: " + was.Names.EN + " → " + is.Names.EN})
	}
	if less := without(was.Roles, is.Roles); len(less) > 0 {
		add(Removed, access.Text{ZH: "角色：" + roleNames(less, old).ZH, EN: "roles: " + roleNames(less, old).EN})
	}
	if more := without(is.Roles, was.Roles); len(more) > 0 {
		add(Added, access.Text{ZH: "角色：" + roleNames(more, next).ZH, EN: "roles: " + roleNames(more, next).EN})
	}
	duty := func(x *access.Exclusion, name access.Text) *access.Duty {
		if i := slices.IndexFunc(x.Duties, func(d access.Duty) bool { return d.Names == name }); i >= 0 {
			return &x.Duties[i]
		}
		return nil
	}
	for _, d := range was.Duties {
		if duty(is, d.Names) == nil {
			add(Removed, dutyWords(d))
		}
	}
	for _, d := range is.Duties {
		before := duty(was, d.Names)
		if before == nil {
			add(Added, dutyWords(d))
			continue
		}
		if less := without(before.Permissions, d.Permissions); len(less) > 0 {
			add(Removed, dutyWords(access.Duty{Names: d.Names, Permissions: less}))
		}
		if more := without(d.Permissions, before.Permissions); len(more) > 0 {
			add(Added, dutyWords(access.Duty{Names: d.Names, Permissions: more}))
		}
	}
	if len(list) == 0 { // only their order
		add(Changed, access.Text{ZH: "顺序", EN: "order"})
	}
	return list
}

// without returns what is in a and not in b.
func without[T comparable](a, b []T) (out []T) {
	for _, v := range a {
		if !slices.Contains(b, v) {
			out = append(out, v)
		}
	}
	return out
}

package rules

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/stock"
)

// Limits of what people write as rules.
const (
	Most      = 100
	MostSteps = 4 // of a rule
	mostName  = 40
	mostNeed  = 20
	mostHours = 24 * 90
)

// Form is a rule as it is typed. Numbers are decimal text; empty is no condition.
type Form struct {
	ID, ZH, EN                        string
	Kind                              string
	Privileged, Local                 bool
	Warehouses                        string // separated by blanks or commas
	Amount, Rows, Percent, Difference string
	Free                              bool // nobody has to approve
	Steps                             [MostSteps]StepForm
}

// StepForm is a step as it is typed; one without approvers does not exist.
type StepForm struct {
	Approvers, Deputies  PartyForm
	Need, After, Timeout string // people, hours, hours
	Escalate             bool
}

// PartyForm is a party as it is typed.
type PartyForm struct {
	Roles      []string
	Accounts   string // separated by commas or lines
	Permission string
	Local      bool
}

// Bad says which field of a form is wrong: a key of the catalogue under "rules.bad_".
type Bad struct{ Field string }

func (b *Bad) Error() string { return "rule: " + b.Field }

// ParseCents reads money with at most two decimals.
func ParseCents(s string) (int64, error) {
	q, err := stock.ParseQuantity(strings.ReplaceAll(strings.TrimSpace(s), ",", ""))
	const cent = stock.Unit / 100
	if err == nil && (q%cent != 0 || q < 0) {
		err = errors.New("money has two decimals at most")
	}
	return int64(q / cent), err
}

func number(s string, most int64) (int64, bool) {
	if s = strings.TrimSpace(s); s == "" {
		return 0, true
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil && n >= 0 && n <= most
}

func list(s string) (out []string) {
	for _, f := range strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(",，、;；\n\r\t", r) }) {
		if f = strings.TrimSpace(f); f != "" && !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	return out
}

// Rule reads a form. known has the accounts and roles that there are; the error is a *Bad.
func (f Form) Rule(known func(access.Account) bool, role func(access.RoleID) bool, at []stock.Warehouse) (approval.Rule, error) {
	bad := func(field string) (approval.Rule, error) { return approval.Rule{}, &Bad{field} }
	r := approval.Rule{ID: f.ID, Names: access.Text{ZH: strings.TrimSpace(f.ZH), EN: strings.TrimSpace(f.EN)}}
	if r.Names.EN == "" {
		r.Names.EN = r.Names.ZH
	}
	if r.ID == "" || r.Names.ZH == "" || utf8.RuneCountInString(r.Names.ZH) > mostName || utf8.RuneCountInString(r.Names.EN) > 2*mostName {
		return bad("name")
	}
	r.When = approval.Condition{Kind: approval.Kind(f.Kind), Privileged: f.Privileged, Local: f.Local}
	if f.Kind != "" && !slices.Contains(Kinds(), r.When.Kind) {
		return bad("kind")
	}
	for _, w := range list(strings.ReplaceAll(f.Warehouses, " ", ",")) {
		w := stock.Warehouse(strings.ToUpper(w))
		if !slices.Contains(at, w) {
			return bad("warehouses")
		}
		r.When.Warehouses = append(r.When.Warehouses, w)
	}
	slices.Sort(r.When.Warehouses)
	for _, n := range []struct {
		field, text string
		to          *int64
	}{{"amount", f.Amount, &r.When.Amount}, {"percent", strings.TrimSuffix(strings.TrimSpace(f.Percent), "%"), &r.When.Percent}} {
		if strings.TrimSpace(n.text) == "" {
			continue
		}
		var err error
		if *n.to, err = ParseCents(n.text); err != nil {
			return bad(n.field)
		}
	}
	var ok bool
	if r.When.Rows, ok = number(f.Rows, 1e9); !ok {
		return bad("rows")
	}
	if d := strings.TrimSpace(f.Difference); d != "" {
		q, err := stock.ParseQuantity(d)
		if err != nil || q < 0 {
			return bad("difference")
		}
		r.When.Quantity = q
	}
	if f.Free {
		if !r.When.Kind.MayBeFree() {
			return bad("free")
		}
		return r, nil
	}
	for _, sf := range f.Steps {
		s, err := sf.step(known, role)
		if err != nil {
			return approval.Rule{}, err
		}
		if !s.Approvers.Empty() {
			r.Steps = append(r.Steps, s)
		}
	}
	if len(r.Steps) == 0 {
		return bad("steps")
	}
	if err := r.Check(); err != nil {
		return bad("deputies")
	}
	return r, nil
}

func (f StepForm) step(known func(access.Account) bool, role func(access.RoleID) bool) (s approval.Step, err error) {
	if s.Approvers, err = f.Approvers.party(known, role); err != nil {
		return s, err
	}
	if s.Deputies, err = f.Deputies.party(known, role); err != nil {
		return s, err
	}
	need, ok1 := number(f.Need, mostNeed)
	after, ok2 := number(f.After, mostHours)
	timeout, ok3 := number(f.Timeout, mostHours)
	if s.Approvers.Empty() {
		if !s.Deputies.Empty() {
			return s, &Bad{"approvers"}
		}
		return s, nil
	}
	switch {
	case !ok1 || need == 0:
		return s, &Bad{"need"}
	case !ok2 || !ok3 || timeout == 0:
		return s, &Bad{"hours"}
	case f.Escalate && s.Deputies.Empty():
		return s, &Bad{"deputies"}
	}
	s.Need, s.DeputiesAfter, s.Timeout, s.Then = uint32(need), after*day/24, timeout*day/24, approval.End // #nosec G115 -- small
	if f.Escalate {
		s.Then = approval.Escalate
	}
	return s, nil
}

func (f PartyForm) party(known func(access.Account) bool, role func(access.RoleID) bool) (p approval.Party, err error) {
	for _, id := range f.Roles {
		if !role(access.RoleID(id)) {
			return p, &Bad{"roles"}
		}
		p.Roles = append(p.Roles, access.RoleID(id))
	}
	for _, a := range list(f.Accounts) {
		if !known(access.Account(a)) {
			return p, &Bad{"accounts"}
		}
		p.Accounts = append(p.Accounts, access.Account(a))
	}
	if f.Permission != "" {
		p.Permission = access.Permission(f.Permission)
		if _, is := access.Lookup(p.Permission); !is {
			return p, &Bad{"permission"}
		}
	}
	p.Local = f.Local && len(p.Roles) > 0
	return p, nil
}

// FormOf returns r as it is typed.
func FormOf(r approval.Rule) Form {
	f := Form{ID: r.ID, ZH: r.Names.ZH, EN: r.Names.EN, Kind: string(r.When.Kind), Privileged: r.When.Privileged, Local: r.When.Local, Warehouses: places(r.When.Warehouses, " "), Free: r.Free()}
	if r.When.Amount > 0 {
		f.Amount = Cents(r.When.Amount)
	}
	if r.When.Percent > 0 {
		f.Percent = strings.TrimSuffix(Percent(r.When.Percent), "%")
	}
	if r.When.Rows > 0 {
		f.Rows = strconv.FormatInt(r.When.Rows, 10)
	}
	if r.When.Quantity > 0 {
		f.Difference = r.When.Quantity.String()
	}
	for i, s := range r.Steps[:min(len(r.Steps), MostSteps)] {
		f.Steps[i] = StepForm{Approvers: partyForm(s.Approvers), Deputies: partyForm(s.Deputies), Need: strconv.FormatUint(uint64(s.Need), 10), After: hours(s.DeputiesAfter), Timeout: hours(s.Timeout), Escalate: s.Then == approval.Escalate}
	}
	return f
}

func partyForm(p approval.Party) PartyForm {
	f := PartyForm{Permission: string(p.Permission), Local: p.Local}
	for _, r := range p.Roles {
		f.Roles = append(f.Roles, string(r))
	}
	var names []string
	for _, a := range p.Accounts {
		names = append(names, string(a))
	}
	f.Accounts = strings.Join(names, ", ")
	return f
}

// Actions on a list of rules.
const (
	MoveUp   = "up"
	MoveDown = "down"
	Copy     = "copy"
	Delete   = "delete"
)

// Edit returns rules after an action on the one with that id (a copy gets the id fresh); false when there is none, or nothing to do.
func Edit(rules []approval.Rule, action, id, fresh string) ([]approval.Rule, bool) {
	n := slices.IndexFunc(rules, func(r approval.Rule) bool { return r.ID == id })
	if n < 0 {
		return rules, false
	}
	out := slices.Clone(rules)
	switch {
	case action == MoveUp && n > 0:
		out[n-1], out[n] = out[n], out[n-1]
	case action == MoveDown && n+1 < len(out):
		out[n+1], out[n] = out[n], out[n+1]
	case action == Copy && len(out) < Most:
		c := out[n]
		c.ID, c.Names = fresh, access.Text{ZH: clipped(c.Names.ZH+"（副本）", mostName), EN: clipped(c.Names.EN+" (copy)", 2*mostName)}
		out = slices.Insert(out, n, c)
	case action == Delete:
		out = slices.Delete(out, n, n+1)
	default:
		return rules, false
	}
	return out, true
}

func clipped(s string, most int) string {
	r := []rune(s)
	return string(r[:min(len(r), most)])
}

// Put returns rules with r in the place of the one of its id, or before all others.
func Put(rules []approval.Rule, r approval.Rule) []approval.Rule {
	out := slices.Clone(rules)
	if n := slices.IndexFunc(out, func(o approval.Rule) bool { return o.ID == r.ID }); n >= 0 {
		out[n] = r
		return out
	}
	return slices.Insert(out, 0, r)
}

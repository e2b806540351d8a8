package dashboard

import (
	"errors"
	"slices"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// exclusionRow is an exclusion as the draft has it.
type exclusionRow struct {
	ID      string
	Name    string
	Lines   []string
	Kind    rights.Kind // what the draft did to it, empty for nothing
	Guards  bool        // it keeps the three administrators apart
	Ready   bool        // it came with the program
	Differs bool        // and is not as it came
}

type exclusionsPage struct {
	Rows, Removed []exclusionRow
	Missing       []exclusionRow // that came with the program and are not there
	Base, Rev     uint64
	Changed       int
	Stale, May    bool
	Unguarded     bool
	Problem       string
}

func (d *dashboard) getExclusions(v *web.Visit) error { return d.showExclusions(v, "") }

func (d *dashboard) showExclusions(v *web.Visit, problem string) error {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	next := draft.Apply(base.Policy)
	page := exclusionsPage{Base: draft.Base, Rev: draft.Rev, Changed: draft.Changes(), Stale: draft.Base != now.Version, May: v.May(RolesWrite), Unguarded: !rights.Separated(next), Problem: problem}
	ready := access.Ready()
	row := func(x access.Exclusion, p access.Policy) exclusionRow {
		r := exclusionRow{ID: x.ID, Name: x.Names.In(string(v.Lang))}
		for _, w := range rights.RuleWords(x, p) {
			r.Lines = append(r.Lines, w.In(string(v.Lang)))
		}
		n := slices.IndexFunc(ready.Exclusions, func(y access.Exclusion) bool { return y.ID == x.ID })
		if r.Ready = n >= 0; r.Ready {
			r.Differs = len(rights.Diff(access.Policy{Exclusions: ready.Exclusions[n : n+1]}, access.Policy{Exclusions: []access.Exclusion{x}}, nil)) > 0
		}
		without := access.Policy{Exclusions: slices.DeleteFunc(slices.Clone(next.Exclusions), func(y access.Exclusion) bool { return y.ID == x.ID })}
		r.Guards = rights.GivesUpSeparation(next, without)
		return r
	}
	for _, x := range next.Exclusions {
		if x.Withdrawn {
			continue
		}
		r := row(x, next)
		if slices.ContainsFunc(draft.PutRules, func(y access.Exclusion) bool { return y.ID == x.ID }) {
			r.Kind = rights.Added
			if slices.ContainsFunc(base.Exclusions, func(y access.Exclusion) bool { return y.ID == x.ID }) {
				r.Kind = rights.Changed
			}
		}
		page.Rows = append(page.Rows, r)
	}
	for _, x := range base.Exclusions {
		if slices.Contains(draft.RemovedRules, x.ID) {
			r := row(x, base.Policy)
			r.Kind = rights.Removed
			page.Removed = append(page.Removed, r)
		}
	}
	for _, x := range ready.Exclusions {
		here := func(y access.Exclusion) bool { return y.ID == x.ID }
		if !slices.ContainsFunc(next.Exclusions, here) && !slices.Contains(draft.RemovedRules, x.ID) {
			page.Missing = append(page.Missing, row(x, next))
		}
	}
	return v.Page("rights-rules", page)
}

// exclusionPage is an exclusion as it is typed.
type exclusionPage struct {
	ID        string
	Base, Rev string
	ZH, EN    string
	Roles     []option
	Duties    []dutyForm
	More      bool // another duty can be added
	Problem   string
}

type dutyForm struct {
	Number int // in the form, from 0
	Place  int // as it is shown, from 1
	ZH, EN string
	Chosen int
	Groups []dutyGroup
}

type dutyGroup struct {
	Title   string
	Chosen  int
	Options []option
}

// exclusionView makes the form of an exclusion with at least so many duties.
func exclusionView(v *web.Visit, p access.Policy, x access.Exclusion, duties int) exclusionPage {
	lang := string(v.Lang)
	page := exclusionPage{ID: x.ID, ZH: x.Names.ZH, EN: x.Names.EN}
	for _, r := range p.Roles {
		if !r.Withdrawn {
			page.Roles = append(page.Roles, option{string(r.ID), r.Names.In(lang), slices.Contains(x.Roles, r.ID)})
		}
	}
	for n := range min(max(duties, len(x.Duties)), rights.MostDuties) {
		var duty access.Duty
		if n < len(x.Duties) {
			duty = x.Duties[n]
		}
		one := dutyForm{Number: n, Place: n + 1, ZH: duty.Names.ZH, EN: duty.Names.EN, Chosen: len(duty.Permissions)}
		for _, g := range access.Groups() {
			group := dutyGroup{Title: g.Title.In(lang)}
			for _, i := range g.Permissions {
				on := slices.Contains(duty.Permissions, i.Permission)
				if on {
					group.Chosen++
				}
				group.Options = append(group.Options, option{string(i.Permission), i.Title.In(lang), on})
			}
			one.Groups = append(one.Groups, group)
		}
		page.Duties = append(page.Duties, one)
	}
	page.More = len(page.Duties) < rights.MostDuties
	return page
}

func (d *dashboard) getExclusion(v *web.Visit) error {
	_, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	next := draft.Apply(base.Policy)
	var x access.Exclusion
	if id := v.Query("id"); id != "" {
		n := slices.IndexFunc(next.Exclusions, func(y access.Exclusion) bool { return y.ID == id && !y.Withdrawn })
		if n < 0 {
			return web.NotFound()
		}
		x = next.Exclusions[n]
	}
	page := exclusionView(v, next, x, 0)
	page.Base, page.Rev = number(draft.Base), number(draft.Rev)
	return v.Page("rights-rule", page)
}

func number(n uint64) string { return strconv.FormatUint(n, 10) }

// typedExclusion reads the form. A duty of which nothing was said is none.
func typedExclusion(v *web.Visit) (x access.Exclusion, duties int) {
	x = access.Exclusion{ID: v.Form("id"), Names: access.Text{ZH: v.Form("zh"), EN: v.Form("en")}}
	for _, r := range v.Context().PostArgs().PeekMulti("role") {
		x.Roles = append(x.Roles, access.RoleID(r))
	}
	for n := range rights.MostDuties {
		name := "d" + strconv.Itoa(n)
		if !v.Context().PostArgs().Has(name + "_zh") {
			break
		}
		duties++
		duty := access.Duty{Names: access.Text{ZH: v.Form(name + "_zh"), EN: v.Form(name + "_en")}}
		for _, p := range v.Context().PostArgs().PeekMulti(name + "_p") {
			duty.Permissions = append(duty.Permissions, access.Permission(p))
		}
		if duty.Names.ZH != "" || duty.Names.EN != "" || len(duty.Permissions) > 0 {
			x.Duties = append(x.Duties, duty)
		}
	}
	return x, duties
}

// postExclusion takes an exclusion into the draft, or shows the form with room for another duty.
func (d *dashboard) postExclusion(v *web.Visit) error {
	_, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	next := draft.Apply(base.Policy)
	x, duties := typedExclusion(v)
	again := func(status int, problem string, duties int) error {
		page := exclusionView(v, next, x, duties)
		page.Base, page.Rev, page.Problem = v.Form("base"), v.Form("rev"), problem
		v.Status(status)
		return v.Page("rights-rule", page)
	}
	if v.Form("more") == "1" {
		return again(fiber.StatusOK, "", duties+1)
	}
	if v.Form("base") != number(draft.Base) || v.Form("rev") != number(draft.Rev) {
		return again(fiber.StatusConflict, v.T("rights.draft_changed", nil), duties)
	}
	if x.ID == "" {
		x.ID = rights.NewRuleID(base.Policy, next, access.Ready())
	} else if !slices.ContainsFunc(next.Exclusions, func(y access.Exclusion) bool { return y.ID == x.ID }) {
		return web.NotFound()
	}
	var r *rights.Refusal
	if err := rights.CheckRule(x, next.Roles); errors.As(err, &r) {
		return again(fiber.StatusUnprocessableEntity, r.Words.In(string(v.Lang)), duties)
	}
	return d.keepDraft(v, draft.WithRule(base.Policy, x))
}

// keepDraft stores a draft and shows the exclusions as it has them.
func (d *dashboard) keepDraft(v *web.Visit, draft rights.Draft) error {
	if len(draft.PutRules)+len(draft.RemovedRules) > 2*rights.MostRules {
		return web.Fail(fiber.StatusUnprocessableEntity, "rights.too_many_rules", "most", strconv.Itoa(rights.MostRules))
	}
	if _, err := d.PutDraft(v.UserContext(), draft, v.Person); err != nil {
		return refused(v, err)
	}
	return v.See("/rights/rules")
}

// onExclusion runs fn on the draft as the reader has seen it.
func (d *dashboard) onExclusion(v *web.Visit, fn func(base access.Policy, draft rights.Draft, id string) (rights.Draft, bool)) error {
	_, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	if v.Form("base") != number(draft.Base) || v.Form("rev") != number(draft.Rev) {
		v.Status(fiber.StatusConflict)
		return d.showExclusions(v, v.T("rights.draft_changed", nil))
	}
	next, ok := fn(base.Policy, draft, v.Form("id"))
	if !ok {
		return web.NotFound()
	}
	return d.keepDraft(v, next)
}

func (d *dashboard) removeExclusion(v *web.Visit) error {
	return d.onExclusion(v, func(base access.Policy, draft rights.Draft, id string) (rights.Draft, bool) {
		there := slices.ContainsFunc(draft.Apply(base).Exclusions, func(x access.Exclusion) bool { return x.ID == id })
		return draft.WithoutRule(base, id), there
	})
}

// restoreExclusion puts an exclusion back as it is saved, where the draft has removed it; else as it came with the program.
func (d *dashboard) restoreExclusion(v *web.Visit) error {
	return d.onExclusion(v, func(base access.Policy, draft rights.Draft, id string) (rights.Draft, bool) {
		from := access.Ready().Exclusions
		if slices.Contains(draft.RemovedRules, id) {
			from = base.Exclusions
		}
		n := slices.IndexFunc(from, func(x access.Exclusion) bool { return x.ID == id })
		if n < 0 {
			return draft, false
		}
		return draft.WithRule(base, from[n]), true
	})
}

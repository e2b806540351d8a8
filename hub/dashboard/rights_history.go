package dashboard

import (
	"errors"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
)

// mostEditions is how many editions the history lists.
const mostEditions = 100

type historyPage struct {
	Rows  []editionRow
	Saved bool
	More  bool
}

type editionRow struct {
	PolicyEdition
	Newest bool
	Roles  int
}

func (d *dashboard) getHistory(v *web.Visit) error {
	all, err := d.Policies(v.UserContext(), mostEditions+1)
	if err != nil {
		return err
	}
	page := historyPage{More: len(all) > mostEditions}
	for i, e := range all[:min(len(all), mostEditions)] {
		page.Rows = append(page.Rows, editionRow{PolicyEdition: e, Newest: i == 0, Roles: len(e.Roles)})
	}
	if !page.More { // what everything began with
		first, err := d.Policy(v.UserContext(), 0)
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, editionRow{PolicyEdition: first, Newest: len(all) == 0, Roles: len(first.Roles)})
	}
	page.Saved = len(all) > 0 && v.Query("saved") == strconv.FormatUint(all[0].Version, 10)
	return v.Page("rights-history", page)
}

type editionPage struct {
	Edition    PolicyEdition
	Newest     uint64
	Deltas     []deltaView // what returning to it would change
	Did        []deltaView // what it changed when it was saved
	Affected   []string
	Clashes    []clashView
	May        bool
	Separation bool // the three administrators would no longer be kept apart
	Note       string
	Problem    string
}

func (d *dashboard) getEdition(v *web.Visit) error {
	version, err := strconv.ParseUint(v.Params("version"), 10, 63)
	if err != nil {
		return web.NotFound()
	}
	return d.showEdition(v, version, editionPage{})
}

func (d *dashboard) showEdition(v *web.Visit, version uint64, page editionPage) error {
	var err error
	if page.Edition, err = d.Policy(v.UserContext(), version); err != nil {
		return err
	}
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	deltas := rights.Diff(now.Policy, page.Edition.Policy, people)
	page.Newest, page.Deltas, page.Affected, page.May = now.Version, deltaViews(v, deltas), names(rights.Affected(deltas)), v.May(RolesWrite)
	page.Separation = rights.GivesUpSeparation(now.Policy, page.Edition.Policy)
	if page.Clashes, _, err = d.clashes(v, now.Policy, page.Edition.Policy, people); err != nil {
		return err
	}
	if version > 0 {
		before, err := d.Policy(v.UserContext(), version-1)
		if err != nil {
			return err
		}
		page.Did = deltaViews(v, rights.Diff(before.Policy, page.Edition.Policy, nil))
	}
	return v.Page("rights-edition", page)
}

// returnTo saves an older edition as the newest.
func (d *dashboard) returnTo(v *web.Visit) error {
	version, err1 := strconv.ParseUint(v.Form("version"), 10, 63)
	base, err2 := strconv.ParseUint(v.Form("base"), 10, 63)
	if err1 != nil || err2 != nil {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	old, err := d.Policy(v.UserContext(), version)
	if err != nil {
		return err
	}
	p := old.Policy
	p.Version = base
	note := v.Form("note")
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	if rights.GivesUpSeparation(now.Policy, p) && v.Form("separation") != "1" {
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showEdition(v, version, editionPage{Note: note, Problem: v.T("rights.separation_unread", nil)})
	}
	saved, err := d.SavePolicy(v.UserContext(), p, note, false, v.Person)
	var r *rights.Refusal
	switch {
	case errors.As(err, &r):
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showEdition(v, version, editionPage{Note: note, Problem: r.Words.In(string(v.Lang))})
	case errors.Is(err, ErrPolicyChanged):
		v.Status(fiber.StatusConflict)
		return d.showEdition(v, version, editionPage{Note: note, Problem: v.T("rights.saved_meanwhile", nil)})
	case err != nil:
		return err
	}
	return v.See("/rights/history?saved=" + strconv.FormatUint(saved, 10))
}

package web

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Permissions of the administration of people.
const (
	PeopleRead  = "person.read"
	PeopleWrite = "person.write"
)

// peopleRoutes administer accounts. All that changes one asks for a fresh factor.
func (s *Server) peopleRoutes() []Route {
	a := s.opt.Accounts
	act := func(path string, do func(context.Context, identity.Person, string) error) Route {
		return Route{Method: "POST", Path: path, Permission: PeopleWrite, Fresh: true, Handler: func(v *Visit) error {
			if _, err := s.within(v, PeopleWrite, v.Form("name")); err != nil {
				return err
			}
			if err := do(v.UserContext(), v.Person, v.Form("name")); err != nil {
				return s.peopleProblem(err)
			}
			return v.See(personLink(v.Form("name")))
		}}
	}
	return []Route{
		{Method: "GET", Path: "/people", Permission: PeopleRead, Handler: s.getPeople},
		{Method: "GET", Path: "/people/new", Permission: PeopleWrite, Handler: s.getNewPerson},
		{Method: "POST", Path: "/people/new", Permission: PeopleWrite, Handler: s.postNewPerson, Fresh: true},
		{Method: "GET", Path: "/people/person/:name", Permission: PeopleRead, Handler: s.getPerson},
		{Method: "POST", Path: "/people/change", Permission: PeopleWrite, Handler: s.postPerson, Fresh: true},
		act("/people/disable", a.Disable),
		act("/people/enable", a.Enable),
		act("/people/reset-factor", a.ResetFactor),
		act("/people/end-sessions", a.EndSessions),
		UnmaskRoute("/people/unmask", s.unmaskPerson),
		{Method: "POST", Path: "/people/end-all", Permission: PeopleWrite, Handler: s.endEverybody, Fresh: true},
		{Method: "POST", Path: "/people/reset-password", Permission: PeopleWrite, Handler: s.resetPassword, Fresh: true},
	}
}

func personLink(name string) string { return "/people/person/" + url.PathEscape(name) }

func (s *Server) peopleProblem(err error) error {
	if f, known := s.signInFailure(err); known {
		return f.Because(err)
	}
	return staleOr(err)
}

// inRows reports whether a person is among rows: wholly, for who is to change them; with one warehouse, for who sees them.
func inRows(rows access.Rows, a identity.Account, wholly bool) bool {
	if rows.Everything() {
		return true
	}
	in := 0
	for _, w := range a.Warehouses {
		if rows.Any.Has(stock.Warehouse(w)) {
			in++
		}
	}
	return in > 0 && (!wholly || in == len(a.Warehouses))
}

// within returns an account that the reader has the permission for. One that lies outside of the reader's warehouses does not exist.
func (s *Server) within(v *Visit, permission, name string) (identity.Account, error) {
	a, err := s.opt.Accounts.Account(v.UserContext(), name)
	if err != nil {
		return a, staleOr(err)
	}
	if !inRows(v.Rows(permission), a, permission == PeopleWrite) {
		return a, NotFound().Because(v.refuse(access.Permission(permission), access.OtherRows))
	}
	return a, nil
}

// mayGive refuses what the reader must not make of an account: warehouses outside of the reader's own, and, unless the reader
// administers everybody, roles that neither the reader nor the account has.
func (s *Server) mayGive(v *Visit, was, now identity.Account) error {
	rows := v.Rows(PeopleWrite)
	if rows.Everything() {
		return nil
	}
	if !inRows(rows, now, true) {
		return v.refuse(PeopleWrite, access.OtherRows)
	}
	for _, r := range now.Roles {
		if !slices.Contains(was.Roles, r) && !v.Person.Has(r) {
			return v.refuse(PeopleWrite, access.NoGrant)
		}
	}
	return nil
}

// choice is a role in a form.
type choice struct {
	ID, Name string
	Given    bool
}

type personRow struct {
	identity.Account
	Link  string
	Roles []string // in words
}

type peoplePage struct {
	Rows                    []personRow
	Dormant, Overdue, Lacks int
	MayEnd                  bool   // whether the reader may end everybody's sessions
	Reason                  string // as typed
	Problem                 string
	Only                    string // text of the mark that is asked for; empty for everybody
}

func (s *Server) getPeople(v *Visit) error { return s.showPeople(v, peoplePage{}) }

// endEverybody ends all sessions of everybody but the reader's present one. It is for who administers everybody.
func (s *Server) endEverybody(v *Visit) error {
	if !v.Rows(PeopleWrite).Everything() {
		return v.refuse(PeopleWrite, access.OtherRows)
	}
	_, err := s.opt.Accounts.EndEverybody(v.UserContext(), v.Person, v.Form("reason"))
	if err == nil {
		return v.See("/people")
	}
	f, known := s.signInFailure(err)
	if !known {
		return staleOr(err)
	}
	v.Status(f.Status)
	return s.showPeople(v, peoplePage{Reason: v.Form("reason"), Problem: v.T(f.Key, f.Args)})
}

// administersAll reports whether the reader may change everybody's account, if a factor is given again.
func (s *Server) administersAll(v *Visit) bool {
	d := s.decide(v.Person, PeopleWrite)
	return d.Reason == access.StepUpNeeded || d.Allowed && d.Rows.Everything()
}

func (s *Server) showPeople(v *Visit, page peoplePage) error {
	list, err := s.opt.Accounts.Accounts(v.UserContext())
	if err != nil {
		return err
	}
	page.MayEnd = s.administersAll(v)
	seen := v.List(PeopleRead)
	for _, a := range list {
		if !inRows(seen.Rows, a, false) {
			continue
		}
		a.Display = seen.Fields.Show(access.Name, a.Display)
		marks := map[string]bool{"dormant": a.Dormant, "overdue": a.Overdue, "lacks": a.LacksFactor}
		if show, asked := marks[v.Query("show")]; !asked || show && !a.Disabled {
			page.Rows = append(page.Rows, personRow{a, personLink(a.Name), s.roleNames(v, a.Roles)})
		}
		if a.Disabled {
			continue
		}
		if a.Dormant {
			page.Dormant++
		}
		if a.Overdue {
			page.Overdue++
		}
		if a.LacksFactor {
			page.Lacks++
		}
	}
	if only := v.Query("show"); slices.Contains([]string{"dormant", "overdue", "lacks"}, only) {
		page.Only = v.T("people."+only, nil)
	}
	return v.Page("people", page)
}

type personPage struct {
	Account    identity.Account
	Choices    []choice
	Warehouses string
	New        bool
	Own        bool // the reader's own account: somebody else has to change it
	May        bool // whether the reader may change it
	Badge      identity.Badge
	Company    identity.Link // the account at the company's provider
	Subject    string        // that was typed for it
	Code       string
	Problem    string

	NameAccess access.FieldAccess // how far the name is open
	Clear      bool               // the name is shown whole for a reason that was given
	Unmask     bool               // the reader may see the name for a reason
}

// Link returns the address of the account's page.
func (p personPage) Link() string { return personLink(p.Account.Name) }

// nameAccess returns how far the reader may see the names of people and, in the form of one, change them: writing includes reading.
func nameAccess(v *Visit) access.FieldAccess {
	return max(v.List(PeopleRead).Fields.Of(access.Name), v.List(PeopleWrite).Fields.Of(access.Name))
}

// showPerson shows the page of an account as it is kept: its name as far as the reader may see it.
func (s *Server) showPerson(v *Visit, page personPage) error {
	page.NameAccess = nameAccess(v)
	if !page.New && !page.Clear {
		var open access.Fields
		open[access.Name] = page.NameAccess
		page.Unmask = page.NameAccess == access.Masked && page.Account.Display != "" && v.May(string(access.Unmask)) && s.opt.Unmask != nil
		page.Account.Display = open.Show(access.Name, page.Account.Display)
	}
	page.Choices, page.Warehouses = s.choices(v, page.Account.Roles), strings.Join(page.Account.Warehouses, " ")
	page.May = v.May(PeopleWrite)
	page.Own = !page.New && page.Account.Name == v.Person.Account
	if !page.New {
		b, err := s.opt.Accounts.BadgeOf(v.UserContext(), page.Account.Name)
		if err != nil {
			return staleOr(err)
		}
		page.Badge = b
		if page.Company, err = s.opt.Accounts.LinkOf(v.UserContext(), page.Account.Name); err != nil {
			return err
		}
		if !page.Clear {
			var open access.Fields
			open[access.Name] = page.NameAccess
			page.Company.Label = open.Show(access.Name, page.Company.Label)
		}
	}
	return v.Page("person", page)
}

func (s *Server) getNewPerson(v *Visit) error { return s.showPerson(v, personPage{New: true}) }

func (s *Server) getPerson(v *Visit) error {
	name, err := url.PathUnescape(v.Params("name"))
	if err != nil {
		return NotFound()
	}
	a, err := s.within(v, PeopleRead, name)
	if err != nil {
		return err
	}
	return s.showPerson(v, personPage{Account: a})
}

// posted reads the form of a person. Fields that are told and not set are not taken from it.
func (s *Server) posted(v *Visit) identity.Account {
	a := identity.Account{Name: v.Form("name"), Display: v.Form("display"), NeedsFactor: v.Form("needs_factor") == "1",
		Warehouses: strings.FieldsFunc(v.Form("warehouses"), func(r rune) bool { return strings.ContainsRune(" ,;，；、\t", r) })}
	for _, r := range v.Context().PostArgs().PeekMulti("role") {
		a.Roles = append(a.Roles, string(r))
	}
	return a
}

func (s *Server) postNewPerson(v *Visit) error {
	a := s.posted(v)
	if err := s.mayGive(v, identity.Account{}, a); err != nil {
		return err
	}
	code, err := s.opt.Accounts.Create(v.UserContext(), v.Person, a)
	if err != nil {
		return s.refusePerson(v, personPage{Account: a, New: true}, err)
	}
	return v.Page("activation", personPage{Account: a, Code: code})
}

func (s *Server) postPerson(v *Visit) error {
	a := s.posted(v)
	was, err := s.within(v, PeopleWrite, a.Name)
	if err != nil {
		return err
	}
	if v.List(PeopleWrite).Fields.Of(access.Name) < access.Write || !v.Context().PostArgs().Has("display") { // what the reader may not write stays as it was
		a.Display = was.Display
	}
	if err := s.mayGive(v, was, a); err != nil {
		return err
	}
	if err := s.opt.Accounts.Change(v.UserContext(), v.Person, a); err != nil {
		now, err2 := s.opt.Accounts.Account(v.UserContext(), a.Name)
		if err2 != nil {
			return staleOr(err2)
		}
		now.Display, now.Roles, now.Warehouses, now.NeedsFactor = a.Display, a.Roles, a.Warehouses, a.NeedsFactor
		return s.refusePerson(v, personPage{Account: now}, err)
	}
	return v.See(personLink(a.Name))
}

// refusePerson shows the form again, with what was typed.
func (s *Server) refusePerson(v *Visit, page personPage, err error) error {
	f, known := s.signInFailure(err)
	if !known {
		return staleOr(err)
	}
	page.Problem = v.T(f.Key, f.Args)
	v.Status(f.Status)
	return s.showPerson(v, page)
}

func (s *Server) resetPassword(v *Visit) error {
	a, err := s.within(v, PeopleWrite, v.Form("name"))
	if err != nil {
		return err
	}
	if a.Disabled {
		return Fail(fiber.StatusConflict, "people.is_disabled")
	}
	code, err := s.opt.Accounts.ResetPassword(v.UserContext(), v.Person, a.Name)
	if errors.Is(err, identity.ErrNothing) {
		return Fail(fiber.StatusConflict, "people.is_disabled").Because(err)
	}
	if err != nil {
		return s.peopleProblem(err)
	}
	return v.Page("activation", personPage{Account: a, Code: code})
}

// readyRoles are offered when the program names no others.
func readyRoles() (out []Role) {
	for _, r := range access.Ready().Roles {
		if r.ID != access.OpenStation {
			out = append(out, Role{string(r.ID), map[Lang]string{Chinese: r.Names.ZH, English: r.Names.EN}})
		}
	}
	return out
}

func (s *Server) choices(v *Visit, given []string) (out []choice) {
	offered := s.opt.Roles
	if offered == nil {
		offered = readyRoles
	}
	for _, r := range offered() {
		out = append(out, choice{r.ID, r.Names[v.Lang], slices.Contains(given, r.ID)})
	}
	for _, id := range given { // one that is no longer offered is not lost by saving the form
		if !slices.ContainsFunc(out, func(c choice) bool { return c.ID == id }) {
			out = append(out, choice{id, id, true})
		}
	}
	return out
}

// roleNames puts roles into words.
func (s *Server) roleNames(v *Visit, ids []string) (out []string) {
	for _, c := range s.choices(v, ids) {
		if c.Given {
			out = append(out, c.Name)
		}
	}
	return out
}

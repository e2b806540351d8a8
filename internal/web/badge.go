package web

import (
	"errors"
	"html/template"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/symbol"
)

// badgeRoutes let administrators make and revoke badges; pinRoutes let a person choose the PIN that goes with theirs.
func (s *Server) badgeRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/people/badge", Permission: PeopleWrite, Handler: s.makeBadge, Fresh: true},
		{Method: "POST", Path: "/people/badge/revoke", Permission: PeopleWrite, Handler: s.revokeBadge, Fresh: true},
	}
}

func (s *Server) pinRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/account/pin", Permission: Own, Handler: s.getPIN, Fresh: true},
		{Method: "POST", Path: "/account/pin", Permission: Own, Handler: s.postPIN, Fresh: true},
	}
}

type badgePage struct {
	Account identity.Account
	Code    string
	QR      template.HTML
	Bars    template.HTML
}

// makeBadge shows a new badge this once.
func (s *Server) makeBadge(v *Visit) error {
	a, err := s.within(v, PeopleWrite, v.Form("name"))
	if err != nil {
		return err
	}
	code, err := s.opt.Accounts.NewBadge(v.UserContext(), v.Person, a.Name)
	if errors.Is(err, identity.ErrNothing) {
		return Fail(fiber.StatusConflict, "people.is_disabled").Because(err)
	}
	if err != nil {
		return s.peopleProblem(err)
	}
	page := badgePage{Account: a, Code: code}
	if page.QR, err = drawn(symbol.QR, code, v.T("badge.picture", nil), "qr"); err != nil {
		return err
	}
	if page.Bars, err = drawn(symbol.Code128, code, v.T("badge.picture", nil), "bars"); err != nil {
		return err
	}
	return v.Page("badge", page)
}

func (s *Server) revokeBadge(v *Visit) error {
	if _, err := s.within(v, PeopleWrite, v.Form("name")); err != nil {
		return err
	}
	if err := s.opt.Accounts.RevokeBadge(v.UserContext(), v.Person, v.Form("name")); err != nil {
		return s.peopleProblem(err)
	}
	return v.See(personLink(v.Form("name")))
}

type pinPage struct {
	Badge   identity.Badge
	Problem string
}

func (s *Server) getPIN(v *Visit) error { return s.showPIN(v, "") }

func (s *Server) showPIN(v *Visit, problem string) error {
	b, err := s.opt.Accounts.BadgeOf(v.UserContext(), v.Person.Account)
	if err != nil {
		return staleOr(err)
	}
	return v.Page("pin", pinPage{Badge: b, Problem: problem})
}

func (s *Server) postPIN(v *Visit) error {
	pin := v.Posted("pin")
	err := error(&identity.RuleError{Rule: "pin.differ"})
	if pin == v.Posted("pin_again") {
		err = s.opt.Accounts.SetPIN(v.UserContext(), v.Person, pin)
	}
	if err != nil {
		f, known := s.signInFailure(err)
		if !known {
			return staleOr(err)
		}
		v.Status(f.Status)
		return s.showPIN(v, v.T(f.Key, f.Args))
	}
	return v.See("/account#badge")
}

// toPIN returns where somebody goes who has just chosen their password: to their PIN when there is a badge that waits for one.
func (s *Server) toPIN(v *Visit, account string) string {
	if account == "" { // the second factor comes first
		return "/"
	}
	if b, err := s.opt.Accounts.BadgeOf(v.UserContext(), account); err != nil || b.Name == "" || !b.PIN.IsZero() {
		return "/"
	}
	return "/account/pin"
}

package web

import (
	"context"
	"errors"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Unmask records that a person sees a value that is masked for them. Its error keeps the value from being shown.
type Unmask func(ctx context.Context, who identity.Person, u access.Unmasking) error

// UnmaskRoute is a route that shows one masked value for a reason: it asks for the permission and a fresh factor.
func UnmaskRoute(path string, h Handler) Route {
	return Route{Method: "POST", Path: path, Permission: string(access.Unmask), Handler: h, Fresh: true}
}

// Unmasking reads the form that the template unmask makes.
func (v *Visit) Unmasking() access.Unmasking {
	return access.Unmasking{Field: v.Form("field"), Purpose: access.Purpose(v.Form("purpose")), Reason: v.Form("reason")}
}

// UnmaskForm is a form by which one masked value is asked for. What was typed before is in it.
type UnmaskForm struct {
	Action, Field, CSRF string
	Name, Subject       string // what else the form has to say which thing is meant: a hidden field
	Title               string // key of the field's name
	Purposes            []access.Purpose
	Purpose             access.Purpose
	Reason              string
	Open                bool
}

// Unmask returns the form for a field, for the template unmask.
func (v View) Unmask(action, field, title string, subject ...string) UnmaskForm {
	f := UnmaskForm{Action: action, Field: field, CSRF: v.CSRF, Title: title, Purposes: access.Purposes()}
	if len(subject) == 2 {
		f.Name, f.Subject = subject[0], subject[1]
	}
	if u := v.visit.Unmasking(); v.visit.Method() == fiber.MethodPost && u.Field == field {
		f.Purpose, f.Reason, f.Open = u.Purpose, u.Reason, true
	}
	return f
}

// unmasked is the decision whether the reader may see the masked name of an account for a reason: at one of its warehouses is enough, as it is for
// seeing the account.
func (v *Visit) unmasked(a identity.Account) access.Decision {
	places := a.Warehouses
	if len(places) == 0 {
		places = []string{""}
	}
	var d access.Decision
	for _, w := range places {
		if d = v.Decide(string(access.Unmask), access.Resource{Warehouse: stock.Warehouse(w)}); d.Allowed {
			break
		}
	}
	return d
}

// unmaskPerson shows the name of a person, which is masked for the reader.
func (s *Server) unmaskPerson(v *Visit) error {
	a, err := s.within(v, PeopleRead, v.Form("name"))
	if err != nil {
		return err
	}
	u := v.Unmasking()
	u.Kind, u.Subject, u.Class = "person", a.Name, access.Name
	if u.Field != "display" || s.opt.Unmask == nil || !access.MayUnmask(v.List(PeopleRead), v.unmasked(a), access.Name) {
		return v.refuse(access.Unmask, access.NoGrant)
	}
	err = s.opt.Unmask(v.UserContext(), v.Person, u)
	var f *Failure
	if errors.As(err, &f) && f.Status < fiber.StatusInternalServerError {
		v.Status(f.Status)
		return s.showPerson(v, personPage{Account: a, Problem: v.T(f.Key, f.Args)})
	}
	if err != nil {
		return err
	}
	return s.showPerson(v, personPage{Account: a, Clear: true})
}

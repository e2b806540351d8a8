package web

import (
	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/protocol/access"
)

// everything is what who is allowed to do a thing may do where there is no permission model: in tests of the shell.
var everything = access.Decision{Allowed: true, Reason: access.Granted, Fields: allFields(), Rows: access.Rows{Any: access.Places{All: true}}}

func allFields() (f access.Fields) {
	for i := range f {
		f[i] = access.Write
	}
	return f
}

// decide answers whether a person has a permission at all, for some rows.
func (s *Server) decide(who identity.Person, permission string) access.Decision {
	switch {
	case permission == Public, permission == Own && who.Account != "":
		return everything
	case permission == Own:
		return access.Decision{Reason: access.NotSignedIn}
	case s.opt.Rights != nil:
		return s.opt.Rights.List(who, access.Permission(permission))
	case s.opt.Allow(who, permission):
		return everything
	}
	return access.Decision{Reason: access.NoGrant}
}

// May reports whether the reader has a permission at all, for some rows, if a factor is given again where that is asked for. It is for
// buttons and links.
func (v *Visit) May(permission string) bool {
	d := v.server.decide(v.Person, permission)
	return d.Allowed || d.Reason == access.StepUpNeeded
}

// List returns what the reader may see of rows that ask for a permission: fields and rows. The zero decision, no rows, when nothing.
func (v *Visit) List(permission string) access.Decision {
	d := v.server.decide(v.Person, permission)
	if !d.Allowed {
		return access.Decision{Reason: d.Reason}
	}
	return d
}

// Rows returns the rows that the reader has a permission for.
func (v *Visit) Rows(permission string) access.Rows { return v.List(permission).Rows }

// Decide answers whether the reader has a permission for one thing.
func (v *Visit) Decide(permission string, r access.Resource) access.Decision {
	if v.server.opt.Rights == nil {
		return v.server.decide(v.Person, permission)
	}
	return v.server.opt.Rights.Decide(v.Person, access.Permission(permission), r)
}

// Check returns the answer to a reader who may not do something to one thing, nil to one who may. A thing outside of the reader's
// rows is answered as if it did not exist.
func (v *Visit) Check(permission string, r access.Resource) error {
	d := v.Decide(permission, r)
	if d.Allowed {
		return nil
	}
	err := v.refuse(access.Permission(permission), d.Reason)
	if d.Reason == access.OtherRows {
		return NotFound().Because(err)
	}
	return err
}

// Refuse records that the reader was refused something that Check knows nothing of, such as a field, and returns what they are told.
func (v *Visit) Refuse(permission string, why access.Reason) error {
	return v.refuse(access.Permission(permission), why)
}

// refuse records that the reader was refused and returns what they are told.
func (v *Visit) refuse(p access.Permission, why access.Reason) *Failure {
	f := Fail(fiber.StatusForbidden, "error.forbidden")
	switch why {
	case access.StepUpNeeded:
		return Fail(fiber.StatusUnauthorized, "error.step_up")
	case access.OutOfContact:
		f = Fail(fiber.StatusForbidden, "error.out_of_contact")
	case access.DoubtfulClock:
		f = Fail(fiber.StatusForbidden, "error.doubtful_clock")
	case access.OtherNetwork, access.OtherHours, access.NotYet, access.Ended, access.RolesExclude, access.OwnWork:
		f = Fail(fiber.StatusForbidden, "error.forbidden_because", "why", why.Words().In(string(v.Lang)))
	}
	if v.server.opt.Rights == nil {
		return f
	}
	err := v.server.opt.Rights.Refused(v.UserContext(), v.Person, rights.Refusal{Permission: p, Reason: why, Request: v.Method() + " " + printable(v.Path()), Address: v.Address()})
	if err != nil { // refused all the same
		v.server.log.Error("a refusal could not be recorded", "request", v.Request, "account", v.Person.Account, "permission", string(p), "cause", err)
	}
	return f
}

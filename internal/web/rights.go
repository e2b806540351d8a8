package web

import (
	"slices"

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

// Uses is May where the permission opens more than a button: a temporary grant is marked as used.
func (v *Visit) Uses(permission string) bool {
	d := v.server.decide(v.Person, permission)
	return d.Reason == access.StepUpNeeded || d.Allowed && v.use(permission, d, v.acts() && permission == v.permission) == nil
}

// List returns what the reader may see of rows that ask for a permission: fields and rows. The zero decision, no rows, when nothing, or when the use of
// a temporary grant could not be recorded.
func (v *Visit) List(permission string) access.Decision {
	d := v.server.decide(v.Person, permission)
	if !d.Allowed {
		return access.Decision{Reason: d.Reason}
	}
	if v.use(permission, d, v.acts() && permission == v.permission) != nil {
		return access.Decision{Reason: access.NoGrant}
	}
	return d
}

// Rows returns the rows that the reader has a permission for.
func (v *Visit) Rows(permission string) access.Rows { return v.List(permission).Rows }

// Decide answers whether the reader has a permission for one thing. It is no answer for who only draws a button: a temporary grant is marked as used.
func (v *Visit) Decide(permission string, r access.Resource) access.Decision {
	d := v.judge(permission, r)
	if d.Allowed && v.use(permission, d, v.acts()) != nil {
		return access.Decision{Reason: access.NoGrant}
	}
	return d
}

func (v *Visit) judge(permission string, r access.Resource) access.Decision {
	if v.server.opt.Rights == nil {
		return v.server.decide(v.Person, permission)
	}
	return v.server.opt.Rights.Decide(v.Person, access.Permission(permission), r)
}

// acts reports whether the request changes something.
func (v *Visit) acts() bool { return !safeMethod(v.Method()) }

// lentFor is a temporary grant and what it was used for in this request.
type lentFor struct {
	id         access.TemporaryID
	permission string
}

// use records that the request goes by temporary grants, before it has done anything; the person of the visit carries them on, so that entries about the act name
// them. An error says that nothing was recorded: then nothing is to be done.
func (v *Visit) use(permission string, d access.Decision, act bool) error {
	for _, id := range d.Temporary {
		mark := lentFor{id, permission}
		recorded, seen := v.lent[mark]
		if recorded || seen && !act {
			continue
		}
		recorded, err := v.server.opt.Rights.Used(v.UserContext(), v.Person, rights.Use{Grant: id, Permission: access.Permission(permission), Request: v.Method() + " " + printable(v.Path()), Address: v.Address()}, act)
		if err != nil {
			v.server.log.Error("the use of a temporary grant could not be recorded", "request", v.Request, "account", v.Person.Account, "grant", string(id), "cause", err)
			return err
		}
		if v.lent == nil {
			v.lent = map[lentFor]bool{}
		}
		v.lent[mark] = recorded
		if !slices.Contains(v.Person.Lent, string(id)) {
			v.Person.Lent = append(slices.Clone(v.Person.Lent), string(id)) // others may have a copy of the person
		}
	}
	return nil
}

// Check returns the answer to a reader who may not do something to one thing, nil to one who may. A thing outside of the reader's
// rows is answered as if it did not exist.
func (v *Visit) Check(permission string, r access.Resource) error {
	d := v.judge(permission, r)
	if d.Allowed {
		return v.use(permission, d, v.acts())
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
		if info, _ := access.Lookup(p); !info.Privileged { // then it is a grant for a time, for hours, or after a factor that needs the clock
			f = Fail(fiber.StatusForbidden, "error.doubtful_clock_time")
		}
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

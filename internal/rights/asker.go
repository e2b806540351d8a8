package rights

import (
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Asker answers about one person as they were when it was made: for the rows of a list one after the other, and inside of a
// transaction, where Options.Lent must not be asked.
type Asker struct {
	engine *access.Engine
	asked  access.Request
	home   stock.Warehouse
	away   bool
}

// Asker returns what answers about a person of whom lent is known besides, see Options.Lent.
func (d *Desk) Asker(who identity.Person, lent access.Subject) Asker {
	return d.askerOf(d.subject(who, lent), who)
}

func (d *Desk) asker(who identity.Person) Asker { return d.askerOf(d.Subject(who), who) }

func (d *Desk) askerOf(s *access.Subject, who identity.Person) Asker {
	return Asker{engine: d.engine.Load(), asked: d.requestOf(s, who), home: d.o.Home, away: d.away(who)}
}

// One answers about one thing, as Desk.Decide does.
func (a Asker) One(p access.Permission, r access.Resource) access.Decision {
	if a.away {
		return access.Decision{Reason: access.OtherRows}
	}
	q := a.asked
	q.Permission, q.Resource = p, r
	if q.Resource.Warehouse == "" {
		q.Resource.Warehouse = a.home
	}
	return a.engine.Decide(q)
}

// Confirmed answers as One would if a factor was given now: for what is offered.
func (a Asker) Confirmed(p access.Permission, r access.Resource) access.Decision {
	a.asked.StepUp = a.asked.Time
	return a.One(p, r)
}

// List answers about rows, as Desk.List does.
func (a Asker) List(p access.Permission) access.Decision {
	if a.away {
		return access.Decision{Reason: access.OtherRows}
	}
	q := a.asked
	q.Permission, q.List = p, true
	d := a.engine.Decide(q)
	if d.Allowed && a.home != "" && !d.Rows.Any.Has(a.home) && !d.Rows.Own.Has(a.home) && !d.Rows.Customers.Has(a.home) {
		return access.Decision{Reason: access.OtherRows}
	}
	return d
}

// Package rights asks the permission model (protocol/access) for a program: it holds the engine of the policy that counts,
// says who a person is to the model, and how far clock and contact can be trusted. Hub and edge each have one Desk; nothing
// else decides who may do what.
//
// The engine is replaced whole, atomically: what is decided afterwards goes by the new policy, in open sessions and event
// streams too.
package rights

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Options describe a Desk. All but Now may be left out.
type Options struct {
	Now  func() time.Time // in any zone
	Zone *time.Location   // of the warehouse, for hours of grants; UTC when nil
	// Home is the one warehouse that everything here belongs to, at an edge. Empty at a hub.
	Home stock.Warehouse
	// Known has certainly passed, see access.Request; zero when nil.
	Known func() time.Time
	// Trust says whether the clock is right as far as the machine can tell and whether the hub was heard within the time that the company
	// allows; both are true when nil, as at the hub itself.
	Trust func() (clock, contact bool)
	// Lent returns what else is known of a person, see access.Subject: temporary grants and customers.
	Lent func(account access.Account) access.Subject
	// Refused records a refusal in the audit trail.
	Refused func(ctx context.Context, who identity.Person, r Refusal) error
	// Used records a use of a temporary grant in the audit trail. Where something is lent, it is required.
	Used func(ctx context.Context, who identity.Person, u Use) error
}

// Refusal is a decision that went against a person.
type Refusal struct {
	Permission access.Permission
	Reason     access.Reason
	Request    string // method and path
	Address    string
}

// Act names refusals in the audit trail.
func (Refusal) Act() string { return "access.refused" }

// Detail is what the audit trail says besides who, what and when.
func (r Refusal) Detail() map[string]string {
	return map[string]string{"reason": string(r.Reason), "request": r.Request, "address": r.Address}
}

// Desk decides. Its methods may be called by any number of goroutines.
type Desk struct {
	o       Options
	engine  atomic.Pointer[access.Engine]
	policy  atomic.Pointer[access.Policy]
	mu      sync.Mutex
	changed chan struct{}
	noted   map[string]time.Time // refusals that stand in the audit trail already
	read    map[string]time.Time // readings by temporary grants that do
}

// New returns a desk that decides by p.
func New(o Options, p access.Policy) (*Desk, error) {
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Lent != nil && o.Used == nil {
		return nil, errors.New("rights: temporary grants are lent and nobody records their use")
	}
	d := &Desk{o: o, changed: make(chan struct{}), noted: map[string]time.Time{}, read: map[string]time.Time{}}
	return d, d.Set(p)
}

// Set makes p the policy that counts from now on. A malformed one is refused, and the one before goes on.
func (d *Desk) Set(p access.Policy) error {
	e, err := access.Compile(p)
	if err != nil {
		return fmt.Errorf("rights: %w", err)
	}
	d.engine.Store(e)
	d.policy.Store(&p)
	d.Announce()
	return nil
}

// Announce says that rights may have changed.
func (d *Desk) Announce() {
	d.mu.Lock()
	defer d.mu.Unlock()
	close(d.changed)
	d.changed = make(chan struct{})
}

// Changed returns a channel that is closed when rights next change.
func (d *Desk) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}

// Engine returns the engine of the policy that counts.
func (d *Desk) Engine() *access.Engine { return d.engine.Load() }

// Policy returns the policy that counts. It is read only.
func (d *Desk) Policy() access.Policy { return *d.policy.Load() }

// Subject returns a person as the model sees them: at a node, in the node's warehouse or in none. A station that works without a
// sign-in has the role access.OpenStation there.
func (d *Desk) Subject(who identity.Person) *access.Subject {
	var lent access.Subject
	if who.Account != "" && d.o.Lent != nil {
		lent = d.o.Lent(access.Account(access.Fold(who.Account)))
	}
	return d.subject(who, lent)
}

func (d *Desk) subject(who identity.Person, lent access.Subject) *access.Subject {
	s := &access.Subject{}
	switch {
	case who.Account != "":
		s.Account = access.Account(access.Fold(who.Account))
		s.Temporary, s.Customers, s.Disabled = lent.Temporary, lent.Customers, lent.Disabled
		for _, r := range who.Roles {
			s.Roles = append(s.Roles, access.RoleID(r))
		}
		for _, w := range who.Warehouses {
			if d.o.Home == "" || stock.Warehouse(w) == d.o.Home {
				s.Warehouses = append(s.Warehouses, stock.Warehouse(w))
			}
		}
		slices.Sort(s.Warehouses)
	case who.Station != "" && d.o.Home != "":
		s.Account, s.Roles, s.Warehouses = access.Account("station/"+who.Station), []access.RoleID{access.OpenStation}, []stock.Warehouse{d.o.Home}
	default:
		return nil
	}
	return s
}

// requestOf begins a question about a person.
func (d *Desk) requestOf(s *access.Subject, who identity.Person) access.Request {
	q := access.Request{Subject: s, Time: d.o.Now().In(d.o.Zone), StepUp: who.FactorAt, ClockTrusted: true, InContact: true}
	if d.o.Known != nil {
		q.Known = d.o.Known()
	}
	if d.o.Trust != nil {
		q.ClockTrusted, q.InContact = d.o.Trust()
	}
	q.Address, _ = netip.ParseAddr(who.Address) // one that can not be read is in no network
	return q
}

// Decide answers whether a person may do something to one thing. At a node, a thing that names no warehouse is in the node's.
func (d *Desk) Decide(who identity.Person, p access.Permission, r access.Resource) access.Decision {
	return d.asker(who).One(p, r)
}

// List answers whether there can be any rows for a person, and which. At a node there are those of its warehouse or none.
func (d *Desk) List(who identity.Person, p access.Permission) access.Decision {
	return d.asker(who).List(p)
}

// away reports whether a person does not belong to the warehouse of this node. Rights that reach everywhere are exercised at
// the hub; whoever is to use them at a node is given its warehouse.
func (d *Desk) away(who identity.Person) bool {
	return d.o.Home != "" && who.Account != "" && !slices.Contains(who.Warehouses, string(d.o.Home))
}

// Bounds of what is recorded about refusals.
const (
	notedFor  = time.Minute // a person is refused the same over and over: one entry
	mostNoted = 4096
)

// Refused records that a person was refused, once a minute for each person, permission and reason.
func (d *Desk) Refused(ctx context.Context, who identity.Person, r Refusal) error {
	if d.o.Refused == nil || !d.news(who.Actor()+"\x00"+string(r.Permission)+"\x00"+string(r.Reason)) {
		return nil
	}
	return d.o.Refused(ctx, who, r)
}

func (d *Desk) news(key string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.o.Now()
	if last, ok := d.noted[key]; ok && now.Sub(last).Abs() < notedFor {
		return false
	}
	if len(d.noted) >= mostNoted {
		for k, at := range d.noted {
			if now.Sub(at).Abs() >= notedFor {
				delete(d.noted, k)
			}
		}
		if len(d.noted) >= mostNoted {
			return false // thousands of people are refused within a minute: the trail has enough of it
		}
	}
	d.noted[key] = now
	return true
}

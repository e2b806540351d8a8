package access

import (
	"net/netip"
	"slices"
	"time"

	"stockade/protocol/stock"
)

// Request is a question. What is left at zero never opens anything.
type Request struct {
	Subject    *Subject // nil: nobody is signed in
	Permission Permission

	// List asks for rows and not for one: whether there can be any, and Decision.Rows says which. Resource is not looked at.
	List     bool
	Resource Resource

	Time    time.Time  // in the time zone of the warehouse: hours and weekdays are read from it as it shows them
	Known   time.Time  // has certainly passed, whatever the clock says: the hub's last signed word, the build, the newest entry of the store
	Address netip.Addr // that the request comes from
	StepUp  time.Time  // when the second factor was last given in this session

	ClockTrusted bool // Time is right as far as the machine can tell
	InContact    bool // the machine has heard the hub within the time that the company allows
}

// Resource is one thing that is to be seen or acted on. A zero field means that it has none of that.
type Resource struct {
	Warehouse stock.Warehouse
	Owner     Account // who made the document
	Customer  Customer

	// Done is what the asking person has done to this document before, so that a maker does not check it too.
	Done []Permission
}

// Reason says why a decision is as it is. The words are stored, sent and shown.
type Reason string

// The reasons.
const (
	Granted         Reason = "granted"            // by a role
	GrantedForATime Reason = "granted_for_a_time" // by a temporary grant alone
	NotSignedIn     Reason = "not_signed_in"
	Disabled        Reason = "disabled"           // the account is
	UnknownAct      Reason = "unknown_permission" // this program does not know it
	NoGrant         Reason = "no_grant"           // of the permission
	OtherRows       Reason = "other_rows"         // granted for other warehouses, documents or customers
	StepUpNeeded    Reason = "step_up"            // nothing else is missing: ask for the second factor
	OtherNetwork    Reason = "other_network"      // the address is not in a network of the grant
	OtherHours      Reason = "other_hours"
	NotYet          Reason = "not_yet"        // a temporary grant that has not begun
	Ended           Reason = "ended"          // a temporary grant that has
	NotApproved     Reason = "not_approved"   // a temporary grant that is none: by nobody, by oneself, without end
	OutOfContact    Reason = "out_of_contact" // privileged, and the hub was not heard for too long
	DoubtfulClock   Reason = "doubtful_clock" // privileged or bound to a time, and the clock is not trusted
	RolesExclude    Reason = "roles_exclude"  // the role counts for nothing beside another that the person has
	OwnWork         Reason = "own_work"       // the person did the duty before it on this document
)

// lacks is a set of what a grant lacks to allow a request, from what is mended most easily to what is not.
type lacks uint16

const (
	lacksStepUp lacks = 1 << iota
	lacksNetwork
	lacksHours
	lacksStart
	lacksContact
	lacksClock
	lacksRows
	lacksEnd
	lacksApproval
	lacksRole
	lacksOther // person: the maker must not check

	lacksCount = iota
)

var lackReasons = [lacksCount]Reason{StepUpNeeded, OtherNetwork, OtherHours, NotYet, OutOfContact, DoubtfulClock, OtherRows, Ended, NotApproved, RolesExclude, OwnWork}

// reasons returns what is lacking, the hardest to mend first.
func (l lacks) reasons() (list []Reason) {
	for i := lacksCount - 1; i >= 0; i-- {
		if l>>i&1 == 1 {
			list = append(list, lackReasons[i])
		}
	}
	return list
}

// Fields says how far each class of fields is open.
type Fields [classes]FieldAccess

// Of returns how far class c is open; a class that is not known is hidden.
func (f Fields) Of(c FieldClass) FieldAccess {
	if int(c) >= len(f) {
		return Hidden
	}
	return f[c]
}

// raise opens each class as far as f or other does.
func (f *Fields) raise(other *Fields) {
	for i, a := range other {
		f[i] = max(f[i], a)
	}
}

// lower opens each class as far as both do.
func (f *Fields) lower(other *Fields) {
	for i, a := range other {
		f[i] = min(f[i], a)
	}
}

// exceeds reports whether f opens a class further than other.
func (f *Fields) exceeds(other *Fields) bool {
	for i, a := range f {
		if a > other[i] {
			return true
		}
	}
	return false
}

// Decision is an answer. The zero Decision allows nothing.
type Decision struct {
	Allowed bool
	Reason  Reason

	// Fields is how far fields are open: of the resource, or, for a list, of every row in it.
	Fields Fields

	// PerRow tells that in a list some rows are open further than Fields says. Who wants to show that asks again
	// for each row.
	PerRow bool

	// Rows is what a list must be restricted to.
	Rows Rows

	// Temporary names the temporary grants without which less would be allowed. Their use has to stand in the log.
	Temporary []TemporaryID
}

// Rows is what a list must be restricted to: rows in Any, and the person's own documents in Own, and those of the
// person's customers in Customers. The slices belong to others: read them only.
type Rows struct {
	Any, Own, Customers Places
}

// Places is a set of warehouses.
type Places struct {
	All        bool              // and what belongs to no warehouse
	Warehouses []stock.Warehouse // ascending; empty when All
}

// Empty reports whether p has no place.
func (p Places) Empty() bool { return !p.All && len(p.Warehouses) == 0 }

// Has reports whether w is in p. What belongs to no warehouse (w is empty) is in no listed place.
func (p Places) Has(w stock.Warehouse) bool {
	return p.All || w != "" && slices.Contains(p.Warehouses, w)
}

// Empty reports whether there are no rows.
func (r Rows) Empty() bool { return r.Any.Empty() && r.Own.Empty() && r.Customers.Empty() }

// Everything reports whether a list need not be restricted.
func (r Rows) Everything() bool { return r.Any.All }

// Has reports whether a row is among r for subject s.
func (r Rows) Has(s *Subject, row Resource) bool {
	return r.Any.Has(row.Warehouse) || s.owns(row) && r.Own.Has(row.Warehouse) || s.keeps(row) && r.Customers.Has(row.Warehouse)
}

func (s *Subject) owns(r Resource) bool { return r.Owner != "" && r.Owner == s.Account }
func (s *Subject) keeps(r Resource) bool {
	return r.Customer != "" && slices.Contains(s.Customers, r.Customer)
}

// within reports whether every place of p is in other.
func (p Places) within(other Places) bool {
	if other.All || p.Empty() {
		return true
	}
	return !p.All && !slices.ContainsFunc(p.Warehouses, func(w stock.Warehouse) bool { return !slices.Contains(other.Warehouses, w) })
}

// join returns p and other together. It makes a new list only when neither holds the other.
func (p Places) join(other Places) Places {
	switch {
	case other.within(p):
		return p
	case p.within(other):
		return other
	}
	list := slices.Concat(p.Warehouses, other.Warehouses)
	slices.Sort(list)
	return Places{Warehouses: slices.Compact(list)}
}

// less returns p without the places of other, or p itself when other has all or none of them.
func (p Places) less(other Places) Places {
	if p.within(other) {
		return Places{}
	}
	if p.All || !slices.ContainsFunc(p.Warehouses, other.Has) {
		return p
	}
	return Places{Warehouses: slices.DeleteFunc(slices.Clone(p.Warehouses), other.Has)}
}

// join returns the rows of r and other together.
func (r Rows) join(other Rows) Rows {
	return Rows{Any: r.Any.join(other.Any), Own: r.Own.join(other.Own), Customers: r.Customers.join(other.Customers)}
}

// plain returns the same rows said once: what is in Any needs no saying again.
func (r Rows) plain() Rows {
	return Rows{Any: r.Any, Own: r.Own.less(r.Any), Customers: r.Customers.less(r.Any)}
}

// within reports whether every row of r is certainly in other.
func (r Rows) within(other Rows) bool {
	return r.Any.within(other.Any) && r.Own.less(other.Any).within(other.Own) && r.Customers.less(other.Any).within(other.Customers)
}

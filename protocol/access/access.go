// Package access is the permission model and its one decision function, the same for pages,
// API and sync at hub and edge.
//
// A Policy is roles and what excludes what. A role holds grants: a permission
// ("stock.read"), how far fields of each class may be seen, which rows, and on which
// conditions. Compile makes an Engine of it, and Engine.Decide answers a Request: allowed or
// not and why, which fields, which rows.
//
// Nothing is allowed but by a grant, and grants only add up: no grant takes away what
// another gives. So a grant less, a condition or an exclusion more never allows more, and order does not
// matter. What this program does not know (a permission, a class of fields) is kept and allows
// nothing.
//
// Package access does no I/O and reads no clock. Whoever asks states the time, the address, when
// the second factor was given, and how far the machine can be trusted to know these.
package access

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Permission names a resource and what may be done with it, down to the button, such as "stock.read".
// The names are stored, sent and stated by routes.
type Permission string

// Account is the name under which a person signs in and acts are recorded.
type Account string

// RoleID names a role for good; what people read are its Names.
type RoleID string

// Customer is our code for a customer.
type Customer string

// Text is a text in both languages.
type Text struct {
	_      struct{} `cbor:",toarray"`
	ZH, EN string
}

// In returns the text in a language: "en", or Chinese for every other.
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.ZH
}

// FieldClass groups fields that are shown or hidden together. Fields without a class are seen by whoever
// sees the row. The numbers are stored and sent, and are only ever added to.
type FieldClass uint8

// The classes of fields.
const (
	Cost     FieldClass = 1 // what goods cost us
	Price    FieldClass = 2 // what we sell for
	Amount   FieldClass = 3 // sums on documents, balances of partners
	Name     FieldClass = 4 // of a natural person
	Phone    FieldClass = 5
	Address  FieldClass = 6
	Email    FieldClass = 7
	Identity FieldClass = 8 // numbers of identity documents
	Bank     FieldClass = 9 // account numbers

	classes = 10 // one more than the last
)

// Classes returns every class that this program knows, in the order in which they are shown.
func Classes() []FieldClass {
	return []FieldClass{Cost, Price, Amount, Name, Phone, Address, Email, Identity, Bank}
}

var classTitles = [classes]Text{
	Cost: {ZH: "成本", EN: "cost"}, Price: {ZH: "售价", EN: "price"}, Amount: {ZH: "金额", EN: "amount"}, Name: {ZH: "姓名", EN: "name"},
	Phone: {ZH: "电话", EN: "telephone"}, Address: {ZH: "地址", EN: "address"}, Email: {ZH: "邮箱", EN: "e-mail"},
	Identity: {ZH: "证件号", EN: "identity number"}, Bank: {ZH: "银行账号", EN: "bank account"},
}

// Title returns the class as people read it; for one that is not known, its number.
func (c FieldClass) Title() Text {
	if c == 0 || c >= classes {
		return Text{ZH: fmt.Sprintf("未知字段类别 %d", c), EN: fmt.Sprintf("unknown class %d", c)}
	}
	return classTitles[c]
}

// FieldAccess says how far fields of a class are open; each includes the ones before it. The numbers are stored and sent.
type FieldAccess uint8

// From hidden to write.
const (
	Hidden FieldAccess = 0 // never leaves the server
	Masked FieldAccess = 1 // such as 138****1234
	Read   FieldAccess = 2
	Write  FieldAccess = 3
)

var accessTitles = [...]Text{Hidden: {ZH: "隐藏", EN: "hidden"}, Masked: {ZH: "脱敏", EN: "masked"}, Read: {ZH: "可读", EN: "read"}, Write: {ZH: "可写", EN: "write"}}

// Title returns the word for a, as people read it.
func (a FieldAccess) Title() Text {
	if int(a) >= len(accessTitles) {
		return Text{ZH: "未知", EN: "unknown"}
	}
	return accessTitles[a]
}

// Reach says which warehouses a scope covers. The numbers are stored and sent. Zero covers none.
type Reach uint8

// The reaches.
const (
	Everywhere Reach = 1 // all warehouses, and what belongs to none
	Home       Reach = 2 // where the person works: Subject.Warehouses
	Listed     Reach = 3 // Scope.Warehouses
)

// Whose says whose documents a scope covers: a sum of the values below. The numbers are stored and sent. Zero covers none.
type Whose uint8

// Whose documents.
const (
	Anyone       Whose = 1
	OwnDocuments Whose = 2 // of which the person is the owner
	OwnCustomers Whose = 4 // of customers that the person looks after: Subject.Customers
)

// Scope says to which rows a grant applies: those in its warehouses that are also of the right people.
// The zero Scope covers nothing.
type Scope struct {
	Reach      Reach
	Warehouses []stock.Warehouse // for Listed: ascending, without doubles
	Whose      Whose
}

// Hours is a span of time on some days of the week, by the clock on the warehouse's wall.
type Hours struct {
	Days     Weekdays
	From, To uint16 // minutes after midnight, To not included. To before From: over midnight, and the day is the one of From
}

// Weekdays is a set of days: bit 0 is Monday, bit 6 Sunday.
type Weekdays uint8

// Often used sets of days.
const (
	WorkingDays Weekdays = 0b001_1111
	EveryDay    Weekdays = 0b111_1111
)

const minutes = 24 * 60 // of a day

// hold reports whether t, as its own location shows it, lies within h.
func (h Hours) hold(t time.Time) bool {
	day := (int(t.Weekday()) + 6) % 7 // Monday first
	at, from, to := t.Hour()*60+t.Minute(), int(h.From), int(h.To)
	on := func(day int) bool { return h.Days>>day&1 == 1 }
	if from < to {
		return on(day) && from <= at && at < to
	}
	return on(day) && from <= at || on((day+6)%7) && at < to
}

// String writes h as it is stored: "12345 08:00-18:00", days from 1 for Monday.
func (h Hours) String() string {
	var b strings.Builder
	for day := range 7 {
		if h.Days>>day&1 == 1 {
			b.WriteByte(byte('1' + day))
		}
	}
	fmt.Fprintf(&b, " %02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60)
	return b.String()
}

// ParseHours reads what String wrote.
func ParseHours(s string) (Hours, error) {
	var h Hours
	days, span, ok := strings.Cut(s, " ")
	for _, r := range days {
		if r < '1' || r > '7' {
			return Hours{}, fmt.Errorf("hours %q: days are 1 (Monday) to 7", s)
		}
		h.Days |= 1 << (r - '1')
	}
	var fh, fm, th, tm uint16
	if n, err := fmt.Sscanf(span, "%d:%d-%d:%d", &fh, &fm, &th, &tm); !ok || err != nil || n != 4 || fh > 24 || fm > 59 || th > 24 || tm > 59 {
		return Hours{}, fmt.Errorf(`hours %q: want a text such as "12345 08:00-18:00"`, s)
	}
	h.From, h.To = fh*60+fm, th*60+tm
	if h.String() != s {
		return Hours{}, fmt.Errorf("hours %q: want %q", s, h)
	}
	return h, h.check()
}

// Network is a range of addresses in CIDR notation.
type Network struct{ netip.Prefix }

// Condition is what must hold besides. The zero Condition always holds; all parts that are set must.
type Condition struct {
	StepUp   uint32    // second factor given within so many seconds; 0: not asked for
	Networks []Network // the request comes from one of these; empty: from anywhere
	Hours    []Hours   // within one of these; empty: at any time
}

// Grant lets whoever has it do one thing.
type Grant struct {
	Permission Permission
	Fields     map[FieldClass]FieldAccess // a class that is not named is hidden
	Scope      Scope
	Condition  Condition
}

// Role is a set of grants that people are given by name.
type Role struct {
	_         struct{} `cbor:",toarray"`
	ID        RoleID   // the first field in every version, see Rights.Apply
	Names     Text
	Grants    []Grant
	Withdrawn bool // in a feed: there is no such role any more
}

// Duty is a part of a task that has to be somebody else's than certain other parts.
type Duty struct {
	_           struct{} `cbor:",toarray"`
	Names       Text
	Permissions []Permission // any of them is the duty
}

// Exclusion keeps apart what one person must not hold: at most one of its roles, and at most one of its duties.
type Exclusion struct {
	_         struct{} `cbor:",toarray"`
	ID        string   // the first field in every version
	Names     Text
	Roles     []RoleID
	Duties    []Duty
	Withdrawn bool
}

// Policy is what a company allows, apart from who has which roles.
type Policy struct {
	_          struct{} `cbor:",toarray"`
	Version    uint64   // rises with every edition
	Roles      []Role
	Exclusions []Exclusion
}

// TemporaryID names a temporary grant for good, so that its uses can be found in the log.
type TemporaryID string

// MaxTemporary is the longest span of a temporary grant: until the next quarterly review.
const MaxTemporary = 92 * 24 * time.Hour

// Temporary is a grant to one person for a time, because somebody else approved it.
type Temporary struct {
	_           struct{} `cbor:",toarray"`
	ID          TemporaryID
	Grant       Grant
	Reason      string
	Approver    Account // another person
	From, Until int64   // Unix milliseconds, Until not included
}

// Subject is who asks: a person, or a station that works without a sign-in.
type Subject struct {
	_          struct{} `cbor:",toarray"`
	Account    Account  // the first field in every version
	Roles      []RoleID
	Warehouses []stock.Warehouse // where the person works; ascending, without doubles
	Customers  []Customer        // whom the person looks after; ascending, without doubles
	Temporary  []Temporary
	Disabled   bool // may do nothing
}

// clone returns a copy that shares nothing with p.
func (p Policy) clone() Policy {
	p.Roles, p.Exclusions = slices.Clone(p.Roles), slices.Clone(p.Exclusions)
	for i := range p.Roles {
		r := &p.Roles[i]
		r.Grants = slices.Clone(r.Grants)
		for j := range r.Grants {
			r.Grants[j] = r.Grants[j].clone()
		}
	}
	for i := range p.Exclusions {
		x := &p.Exclusions[i]
		x.Roles, x.Duties = slices.Clone(x.Roles), slices.Clone(x.Duties)
		for j := range x.Duties {
			x.Duties[j].Permissions = slices.Clone(x.Duties[j].Permissions)
		}
	}
	return p
}

func (g Grant) clone() Grant {
	g.Fields, g.Scope.Warehouses = maps.Clone(g.Fields), slices.Clone(g.Scope.Warehouses)
	g.Condition.Networks, g.Condition.Hours = slices.Clone(g.Condition.Networks), slices.Clone(g.Condition.Hours)
	return g
}

// wireGrant is a grant as it is stored and sent: flat, since what is read may be nested eight levels deep only,
// the chunk of a feed included.
type wireGrant struct {
	_          struct{} `cbor:",toarray"`
	Permission Permission
	Fields     map[FieldClass]FieldAccess
	Reach      Reach
	Warehouses []stock.Warehouse
	Whose      Whose
	StepUp     uint32
	Networks   []Network
	Hours      []Hours
}

// MarshalCBOR writes g as a flat array.
func (g Grant) MarshalCBOR() ([]byte, error) {
	return change.Marshal(wireGrant{Permission: g.Permission, Fields: g.Fields, Reach: g.Scope.Reach, Warehouses: g.Scope.Warehouses, Whose: g.Scope.Whose,
		StepUp: g.Condition.StepUp, Networks: g.Condition.Networks, Hours: g.Condition.Hours})
}

// UnmarshalCBOR reads what MarshalCBOR wrote.
func (g *Grant) UnmarshalCBOR(b []byte) error {
	var w wireGrant
	if err := change.Unmarshal(b, &w); err != nil {
		return err
	}
	*g = Grant{Permission: w.Permission, Fields: w.Fields, Scope: Scope{Reach: w.Reach, Warehouses: w.Warehouses, Whose: w.Whose},
		Condition: Condition{StepUp: w.StepUp, Networks: w.Networks, Hours: w.Hours}}
	return nil
}

// MarshalCBOR writes n as text, such as "10.1.0.0/16".
func (n Network) MarshalCBOR() ([]byte, error) {
	if !n.IsValid() {
		return nil, fmt.Errorf("network is not set")
	}
	return change.Marshal(n.String())
}

// UnmarshalCBOR reads a text in CIDR notation.
func (n *Network) UnmarshalCBOR(b []byte) (err error) {
	var s string
	if err := change.Unmarshal(b, &s); err != nil {
		return err
	}
	n.Prefix, err = netip.ParsePrefix(s)
	return err
}

// MarshalCBOR writes h as String does.
func (h Hours) MarshalCBOR() ([]byte, error) { return change.Marshal(h.String()) }

// UnmarshalCBOR reads what String wrote.
func (h *Hours) UnmarshalCBOR(b []byte) (err error) {
	var s string
	if err := change.Unmarshal(b, &s); err != nil {
		return err
	}
	*h, err = ParseHours(s)
	return err
}

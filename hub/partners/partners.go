// Package partners keeps the register of suppliers and customers, and is the one door to it: pages, API and exports read and write
// through Service, which shows of each field as much as the reader's rights open, and takes only what the writer's rights
// let them write.
//
// A partner may be both. Whoever comes to it as to a supplier is judged by supplier.read and supplier.write, as to a customer by those of
// customers. The one who looks after a partner (its keeper) is its owner to the permission model, and its code is among the
// customers of that person (access.OwnCustomers). A partner belongs to no warehouse.
//
// What is hidden is left out of every answer. What is masked is never compared with anything that a reader sends: not in a search, not in an
// order, not in a form, so that nobody finds it out by guessing.
//
// Every version is kept as it was written. Nothing is deleted; but personal fields are emptied in all versions when the person demands it
// (个人信息保护法 art. 47).
package partners

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/hub/approvals"
	"stockade/hub/auditlog"
	"stockade/hub/store"
	"stockade/hub/unmask"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Side is what somebody comes to a partner as. The words are stored and shown.
type Side string

// The sides.
const (
	Suppliers Side = "supplier"
	Customers Side = "customer"
)

// Sides returns both.
func Sides() []Side { return []Side{Suppliers, Customers} }

// Read and Write return the permissions of a side.
func (s Side) Read() access.Permission { return access.Permission(string(s) + ".read") }

// Write is the permission to change partners of a side.
func (s Side) Write() access.Permission { return access.Permission(string(s) + ".write") }

// Other returns the other side.
func (s Side) Other() Side {
	if s == Suppliers {
		return Customers
	}
	return Suppliers
}

// Has reports whether p is one of that side.
func (s Side) Has(p *store.Partner) bool { return *s.flag(p) }

func (s Side) flag(p *store.Partner) *bool {
	if s == Suppliers {
		return &p.Supplier
	}
	return &p.Customer
}

// resource is p as the permission model sees it from a side.
func (s Side) resource(p *store.Partner) access.Resource {
	r := access.Resource{Owner: approvals.Fold(p.Keeper)}
	if s == Customers {
		r.Customer = p.Code
	}
	return r
}

// Permissions besides those of the sides.
const (
	Erase  access.Permission = "partner.erase"
	Export access.Permission = "customer.export"
)

// Acts in the audit log. None of their entries holds a value of a field with a class.
const (
	ActWritten = "partner.written"
	ActErased  = "partner.erased"
)

// Rights decides about one person at one moment.
type Rights interface {
	// One answers about one thing, List about rows, Confirmed as One would if a factor was given now.
	One(access.Permission, access.Resource) access.Decision
	List(access.Permission) access.Decision
	Confirmed(access.Permission, access.Resource) access.Decision
}

// Service is the register. It is safe for concurrent use.
type Service struct {
	Store    *store.Store
	Recorder *auditlog.Recorder
	Unmasker *unmask.Desk
	// Rights returns what decides about a person, by what the view holds.
	Rights func(*store.View, identity.Person) (Rights, error)
	// Account returns an account's name as it is written; an error is told as ErrKeeper.
	Account func(ctx context.Context, name string) (string, error)
	// Moved is told after a commit that customers may have another keeper; nil for nobody.
	Moved func()
}

// Conditions that callers turn into sentences. ErrNotFound is the store's, for what the person may not see, too.
var (
	ErrKeeper = errors.New("there is no such account to look after a partner")
	ErrSides  = errors.New("a partner is a supplier, a customer, or both")
	ErrReason = errors.New("a reason of 5 to 300 letters is needed")
	ErrFilter = errors.New("a field that is not open can not be searched")
)

// Denied is a decision that went against a person.
type Denied struct {
	Permission access.Permission
	Resource   access.Resource
	Reason     access.Reason
	List       bool // it is about rows and not about one thing
}

func (d *Denied) Error() string { return fmt.Sprintf("%s: %s", d.Permission, d.Reason) }

// NotWritable refuses a form with a field that its sender may not write, whatever stands in it.
type NotWritable struct{ Field string }

func (e *NotWritable) Error() string {
	return fmt.Sprintf("field %q is not the sender's to write", e.Field)
}

// Value is a field of a partner as somebody may see it.
type Value struct {
	Key      string            `json:"key"`
	Class    access.FieldClass `json:"-"`
	Text     string            `json:"value"`
	Masked   bool              `json:"masked"`
	Writable bool              `json:"-"`
	Unmask   bool              `json:"-"` // the reader may see it whole for a reason
	Clear    bool              `json:"-"` // it is shown whole for a reason that was given
	Changed  bool              `json:"-"` // in a history: it differs from the version before
}

// Shown is a partner as somebody may see it: hidden fields are not among Values.
type Shown struct {
	Code     access.Customer `json:"code"`
	Supplier bool            `json:"supplier"`
	Customer bool            `json:"customer"`
	Keeper   access.Account  `json:"keeper"`
	Active   bool            `json:"active"`
	Version  int64           `json:"version"`
	By       string          `json:"written_by"`
	At       time.Time       `json:"written_at"`
	Erased   *time.Time      `json:"erased_at,omitempty"`
	Values   []Value         `json:"fields"`

	MayWrite bool `json:"-"`
	MayErase bool `json:"-"`
	MayMove  bool `json:"-"` // give it another keeper
	MayJoin  bool `json:"-"` // make it one of the other side, too, or no more
	Moved    bool `json:"-"` // in a history: keeper, sides or state differ from the version before
}

// Text returns a field as it is shown, nothing when it is hidden.
func (s Shown) Text(key string) string {
	for _, v := range s.Values {
		if v.Key == key {
			return v.Text
		}
	}
	return ""
}

// Value returns a field, the zero Value when it is hidden.
func (s Shown) Value(key string) Value {
	for _, v := range s.Values {
		if v.Key == key {
			return v
		}
	}
	return Value{}
}

// show returns p as far as fields opens it.
func show(p *store.Partner, open access.Fields) Shown {
	s := Shown{Code: p.Code, Supplier: p.Supplier, Customer: p.Customer, Keeper: p.Keeper, Active: p.Active, Version: p.Version, By: p.By, At: p.At, Values: []Value{}}
	if !p.Erased.IsZero() {
		at := p.Erased
		s.Erased = &at
	}
	for _, f := range fields {
		how := f.open(open)
		if how == access.Hidden {
			continue
		}
		s.Values = append(s.Values, Value{Key: f.Key, Class: f.Class, Text: open.Show(f.Class, *f.of(p)), Masked: how == access.Masked})
	}
	return s
}

// find returns a partner of a side that who may read, with the decision.
func (s *Service) find(v *store.View, r Rights, side Side, code access.Customer) (p store.Partner, d access.Decision, err error) {
	if p, err = v.Partner(code); err != nil {
		return p, d, err
	}
	if !side.Has(&p) {
		return p, d, fmt.Errorf("%s %s: %w", side, code, store.ErrNotFound)
	}
	if d = r.One(side.Read(), side.resource(&p)); !d.Allowed {
		return p, d, errors.Join(store.ErrNotFound, &Denied{Permission: side.Read(), Resource: side.resource(&p), Reason: d.Reason})
	}
	return p, d, nil
}

// offers notes what the reader may do with a partner, if a factor is given where that is asked for.
func (s *Service) offers(r Rights, side Side, p *store.Partner, read access.Decision, out *Shown) {
	at := side.resource(p)
	out.MayWrite, out.MayErase = r.Confirmed(side.Write(), at).Allowed, r.Confirmed(Erase, at).Allowed
	reveal := r.Confirmed(access.Unmask, at)
	for i := range out.Values {
		v := &out.Values[i]
		v.Unmask = v.Text != "" && access.MayUnmask(read, reveal, v.Class)
	}
}

// Get returns a partner as who may see it.
func (s *Service) Get(ctx context.Context, who identity.Person, side Side, code access.Customer) (out Shown, err error) {
	err = s.Store.View(ctx, func(v *store.View) error {
		r, err := s.Rights(v, who)
		if err != nil {
			return err
		}
		p, d, err := s.find(v, r, side, code)
		if err != nil {
			return err
		}
		out = show(&p, d.Fields)
		s.offers(r, side, &p, d, &out)
		return nil
	})
	return out, err
}

// Unmask returns a partner as who may see it, with one masked field whole: for u.Purpose and u.Reason, and recorded. u.Field names it.
func (s *Service) Unmask(ctx context.Context, who identity.Person, side Side, code access.Customer, u access.Unmasking) (out Shown, err error) {
	u.Kind, u.Subject = string(side), string(code)
	whole, err := s.Unmasker.Reveal(ctx, who, u, func(tx *store.Tx, u *access.Unmasking) (string, error) {
		r, err := s.Rights(&tx.View, who)
		if err != nil {
			return "", err
		}
		p, d, err := s.find(&tx.View, r, side, code)
		if err != nil {
			return "", err
		}
		out = show(&p, d.Fields)
		s.offers(r, side, &p, d, &out)
		at := side.resource(&p)
		reveal := r.One(access.Unmask, at)
		if !reveal.Allowed {
			return "", &Denied{Permission: access.Unmask, Resource: at, Reason: reveal.Reason}
		}
		f, ok := fieldOf(u.Field)
		if !ok || !access.MayUnmask(d, reveal, f.Class) {
			return "", &Denied{Permission: access.Unmask, Resource: at, Reason: access.NoGrant}
		}
		u.Class = f.Class
		return *f.of(&p), nil
	})
	if err != nil {
		return Shown{}, err
	}
	for i := range out.Values {
		if v := &out.Values[i]; v.Key == u.Field {
			v.Text, v.Masked, v.Unmask, v.Clear = whole, false, false, true
		}
	}
	return out, nil
}

// History returns the versions of a partner, the newest first, as who may see the partner now. Of fields that are hidden it is not told
// either whether they were changed.
func (s *Service) History(ctx context.Context, who identity.Person, side Side, code access.Customer) (out []Shown, err error) {
	err = s.Store.View(ctx, func(v *store.View) error {
		r, err := s.Rights(v, who)
		if err != nil {
			return err
		}
		_, d, err := s.find(v, r, side, code)
		if err != nil {
			return err
		}
		all, err := v.PartnerVersions(code)
		if err != nil {
			return err
		}
		for i := range all {
			one := show(&all[i], d.Fields)
			if i+1 < len(all) {
				compare(&one, &all[i], &all[i+1])
			}
			out = append(out, one)
		}
		return nil
	})
	return out, err
}

// compare marks what of a version differs from the one before.
func compare(out *Shown, now, before *store.Partner) {
	for i := range out.Values {
		if f, ok := fieldOf(out.Values[i].Key); ok {
			out.Values[i].Changed = *f.of(now) != *f.of(before)
		}
	}
	out.Moved = now.Keeper != before.Keeper || now.Supplier != before.Supplier || now.Customer != before.Customer || now.Active != before.Active
}

// EraseForm says what is to be erased, and why.
type EraseForm struct {
	Reason string
	Bank   bool // the bank account too: it is a person's
}

// Erase empties the personal fields of a partner in all its versions.
func (s *Service) Erase(ctx context.Context, who identity.Person, side Side, code access.Customer, f EraseForm) error {
	u := access.Unmasking{Purpose: access.OtherPurpose, Reason: f.Reason}
	if u.Check() != nil {
		return ErrReason
	}
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		r, err := s.Rights(&tx.View, who)
		if err != nil {
			return err
		}
		p, _, err := s.find(&tx.View, r, side, code)
		if err != nil {
			return err
		}
		if d := r.One(Erase, side.resource(&p)); !d.Allowed {
			return &Denied{Permission: Erase, Resource: side.resource(&p), Reason: d.Reason}
		}
		for _, field := range fields {
			if field.Key == "note" || field.Class != 0 && (field.Class != access.Bank || f.Bank) {
				*field.of(&p) = ""
			}
		}
		// A version of its own, so that a form that was opened before does not bring back what was erased.
		if err := tx.PutPartner(p, approvals.Fold(p.Keeper), whoIs(who).Actor); err != nil {
			return err
		}
		if err := tx.ErasePartner(code, f.Bank); err != nil {
			return err
		}
		detail := map[string]string{"reason": u.Reason, "versions": fmt.Sprint(p.Version)}
		if f.Bank {
			detail["bank"] = "1"
		}
		return s.Recorder.Record(tx, whoIs(who), change.Entry{Act: ActErased, Object: "partner/" + string(code), Detail: detail})
	})
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address, Lent: p.Lent}
}

// Query asks for partners of a side, by code.
type Query struct {
	Text  string // in all fields that the reader may read
	Field string // or in this one alone
	State string // "active" (also when empty), "inactive" or "all"
	After access.Customer
	Limit int // 1 to MostRows; other numbers mean MostRows
}

// MostRows is how many partners one answer has at most.
const MostRows = 200

// Page is a part of the answer; Next asks for the following one, empty at the end.
type Page struct {
	Rows   []Shown         `json:"rows"`
	Next   access.Customer `json:"next"`
	Fields []string        `json:"searchable"` // that Query.Field may name
}

var errEnough = errors.New("enough rows")

// List returns partners that who may see.
func (s *Service) List(ctx context.Context, who identity.Person, side Side, q Query) (page Page, err error) {
	page.Rows, page.Fields = []Shown{}, []string{}
	if q.Limit <= 0 || q.Limit > MostRows {
		q.Limit = MostRows
	}
	err = s.Store.View(ctx, func(v *store.View) error {
		r, err := s.Rights(v, who)
		if err != nil {
			return err
		}
		d := r.List(side.Read())
		if !d.Allowed {
			return &Denied{Permission: side.Read(), Reason: d.Reason, List: true}
		}
		for _, f := range fields {
			if f.open(d.Fields) >= access.Read {
				page.Fields = append(page.Fields, f.Key)
			}
		}
		if q.Field != "" && !slices.Contains(page.Fields, q.Field) {
			return ErrFilter
		}
		err = s.each(v, r, d, who, side, q.After, func(p *store.Partner, open access.Fields) error {
			if !q.wants(p, open) {
				return nil
			}
			if len(page.Rows) == q.Limit {
				page.Next = page.Rows[q.Limit-1].Code
				return errEnough
			}
			page.Rows = append(page.Rows, show(p, open))
			return nil
		})
		if errors.Is(err, errEnough) {
			err = nil
		}
		return err
	})
	return page, err
}

// each calls fn for the partners of a side that who may see, with how far each is open. d is the decision about the list.
func (s *Service) each(v *store.View, r Rights, d access.Decision, who identity.Person, side Side, after access.Customer, fn func(*store.Partner, access.Fields) error) error {
	f := store.PartnerFilter{Supplier: side == Suppliers, Customer: side == Customers, After: after}
	all := d.Rows.Everything()
	if !all { // what belongs to no warehouse is in nobody's rows but its keeper's
		f.Keeper = approvals.Fold(access.Account(who.Account))
	}
	return v.Partners(f, func(p store.Partner) error {
		open := d.Fields
		if !all || d.PerRow {
			one := r.One(side.Read(), side.resource(&p))
			if !one.Allowed {
				return nil
			}
			open = one.Fields
		}
		return fn(&p, open)
	})
}

// wants reports whether a partner is asked for, as far as the reader can know.
func (q Query) wants(p *store.Partner, open access.Fields) bool {
	switch q.State {
	case "all":
	case "inactive":
		if p.Active {
			return false
		}
	default:
		if !p.Active {
			return false
		}
	}
	text := strings.ToLower(strings.TrimSpace(q.Text))
	if text == "" {
		return true
	}
	if q.Field == "" && (strings.Contains(strings.ToLower(string(p.Code)), text) || strings.EqualFold(string(p.Keeper), text)) {
		return true
	}
	return slices.ContainsFunc(fields, func(f Field) bool {
		return (q.Field == "" || q.Field == f.Key) && f.open(open) >= access.Read && strings.Contains(strings.ToLower(*f.of(p)), text)
	})
}

// ExportHeadings are the keys of what Rows gives, in order.
func ExportHeadings() (keys []string) {
	keys = []string{"code"}
	for _, f := range fields {
		keys = append(keys, f.Key)
	}
	return append(keys, "keeper", "active")
}

// Veil returns a row that Rows gave to somebody else as far as fields are open to its reader. A row with other cells than Rows gives is not shown.
func Veil(cells []string, open access.Fields) []string {
	if len(cells) != len(fields)+3 {
		return nil
	}
	out := slices.Clone(cells)
	for i, f := range fields {
		out[i+1] = open.Show(f.Class, cells[i+1])
	}
	return out
}

// Rows calls fn with the customers that who may both see and export, fields as far as both permissions open them.
func (s *Service) Rows(v *store.View, who identity.Person, fn func(cells []string) error) error {
	r, err := s.Rights(v, who)
	if err != nil {
		return err
	}
	d := r.List(Customers.Read())
	if !d.Allowed {
		return nil // nothing is to be seen, so nothing leaves
	}
	return s.each(v, r, d, who, Customers, "", func(p *store.Partner, open access.Fields) error {
		may := r.One(Export, Customers.resource(p))
		if !may.Allowed {
			return nil
		}
		both := open
		for _, c := range access.Classes() {
			both[c] = min(open.Of(c), may.Fields.Of(c))
		}
		cells := []string{string(p.Code)}
		for _, f := range fields {
			cells = append(cells, both.Show(f.Class, *f.of(p)))
		}
		active := "0"
		if p.Active {
			active = "1"
		}
		return fn(append(cells, string(p.Keeper), active))
	})
}

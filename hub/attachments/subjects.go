package attachments

import (
	"errors"
	"net/url"
	"slices"
	"strconv"

	"stockade/hub/partners"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// Subject is what a file belongs to.
type Subject struct {
	Kind      string
	ID        string
	Warehouse stock.Warehouse // whose people may see it; empty for none
	Link      string          // address of its page
	Party     bool            // the person who asks has to do with it and sees it without the kind's permission
}

// Kind is a kind of subject. To let files belong to something new, add one to the list.
type Kind struct {
	Name string // stored, and key of the texts under "file.kind_"
	// Permission lets people see such a subject, in its warehouse.
	Permission access.Permission
	// CompanyWide subjects are of no warehouse: whoever has the permission for any rows sees them. Their files may be bound to a warehouse.
	CompanyWide bool
	// Parties says that Find tells who has to do with a subject, see Subject.Party. Its files of no warehouse are added by whoever may add files at all.
	Parties bool
	// Customers says that the id is a customer's: whoever looks after the customer sees it.
	Customers bool
	// Find returns a subject as who sees it, or store.ErrNotFound.
	Find func(v *store.View, who identity.Person, id string) (Subject, error)
}

// KindNamed returns the kind with that name.
func (s *Service) KindNamed(name string) (Kind, bool) {
	n := slices.IndexFunc(s.Kinds, func(k Kind) bool { return k.Name == name })
	if n < 0 {
		return Kind{}, false
	}
	return s.Kinds[n], true
}

// Find returns a subject, or store.ErrNotFound.
func (s *Service) Find(v *store.View, who identity.Person, kind, id string) (Subject, Kind, error) {
	k, ok := s.KindNamed(kind)
	if !ok || id == "" {
		return Subject{}, Kind{}, store.ErrNotFound
	}
	found, err := k.Find(v, who, id)
	found.Kind = k.Name
	return found, k, err
}

// Kinds returns the subjects that the hub knows. party tells whether somebody has to do with a request.
func Kinds(party func(*store.View, identity.Person, store.StoredApproval) (bool, error)) []Kind {
	return []Kind{
		{Name: "item", Permission: "master.read", CompanyWide: true, Find: findItem},
		{Name: "warehouse", Permission: "stock.read", Find: findWarehouse},
		{Name: "exception", Permission: "case.read", Find: findCase},
		{Name: "change", Permission: "movement.read", Find: findChange},
		{Name: "supplier", Permission: "supplier.read", CompanyWide: true, Find: findPartner(partners.Suppliers)},
		{Name: "customer", Permission: "customer.read", CompanyWide: true, Customers: true, Find: findPartner(partners.Customers)},
		{Name: "request", Permission: "approval.read", Parties: true, Find: func(v *store.View, who identity.Person, id string) (Subject, error) {
			r, err := v.Approval(id)
			if err != nil {
				return Subject{}, err
			}
			return findRequest(v, who, r, party)
		}},
	}
}

func escape(id string) string { return url.PathEscape(id) }

func findItem(v *store.View, _ identity.Person, id string) (Subject, error) {
	items, err := v.Items()
	if err == nil && !slices.ContainsFunc(items, func(i feed.Item) bool { return string(i.SKU) == id }) {
		err = store.ErrNotFound
	}
	return Subject{ID: id, Link: "/item/" + escape(id)}, err
}

// findPartner finds a supplier or a customer by its code.
func findPartner(side partners.Side) func(*store.View, identity.Person, string) (Subject, error) {
	return func(v *store.View, _ identity.Person, id string) (Subject, error) {
		p, err := v.Partner(access.Customer(id))
		if err == nil && !side.Has(&p) {
			err = store.ErrNotFound
		}
		return Subject{ID: id, Link: "/" + string(side) + "s/" + escape(id)}, err
	}
}

func findWarehouse(v *store.View, _ identity.Person, id string) (Subject, error) {
	all, err := v.Warehouses()
	if err == nil && !slices.Contains(all, stock.Warehouse(id)) {
		err = store.ErrNotFound
	}
	return Subject{ID: id, Warehouse: stock.Warehouse(id), Link: "/?warehouse=" + escape(id)}, err
}

func findCase(v *store.View, _ identity.Person, id string) (Subject, error) {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != id {
		return Subject{}, store.ErrNotFound
	}
	c, err := v.Case(n)
	if err != nil {
		return Subject{}, err
	}
	s := Subject{ID: id, Warehouse: c.Case.Cell.Location.Warehouse(), Link: "/exceptions?all=1"}
	if s.Warehouse == "" && c.Case.Node != "" {
		s.Warehouse, err = warehouseOf(v, c.Case.Node)
	}
	return s, err
}

func warehouseOf(v *store.View, node stock.NodeID) (stock.Warehouse, error) {
	n, err := v.NodeOf(node)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return n.State.Warehouse, err
}

// findChange finds a movement or a count by its name, such as "sh-1.1.42".
func findChange(v *store.View, _ identity.Person, id string) (Subject, error) {
	name, err := stock.ParseID(id)
	if err != nil {
		return Subject{}, store.ErrNotFound
	}
	b, err := v.BatchOf(name)
	if err != nil {
		return Subject{}, err
	}
	s := Subject{ID: id, Link: "/batch/" + escape(string(b.Node)) + "/" + strconv.FormatUint(b.Epoch, 10) + "/" + strconv.FormatUint(b.Seq, 10) + "#" + id}
	s.Warehouse, err = warehouseOf(v, name.Node)
	return s, err
}

func findRequest(v *store.View, who identity.Person, r store.StoredApproval, party func(*store.View, identity.Person, store.StoredApproval) (bool, error)) (s Subject, err error) {
	s = Subject{ID: r.Request.ID, Link: "/approvals/request/" + escape(r.Request.ID)}
	if f := r.Request.Facts; !f.Everywhere && len(f.Warehouses) == 1 {
		s.Warehouse = f.Warehouses[0]
	}
	s.Party, err = party(v, who, r)
	return s, err
}

package access

import (
	"errors"
	"fmt"
	"strings"
)

// Check returns an error that says what is malformed in p. A permission or class of fields that this program does
// not know is no fault.
func (p Policy) Check() error {
	roles := map[RoleID]bool{}
	for _, r := range p.Roles {
		if err := r.Check(); err != nil {
			return err
		}
		if roles[r.ID] {
			return fmt.Errorf("role %q stands twice", r.ID)
		}
		roles[r.ID] = true
	}
	seen := map[string]bool{}
	for _, x := range p.Exclusions {
		if err := x.Check(); err != nil {
			return err
		}
		if seen[x.ID] {
			return fmt.Errorf("exclusion %q stands twice", x.ID)
		}
		seen[x.ID] = true
	}
	return nil
}

// Check returns an error that says what is malformed in r.
func (r Role) Check() error {
	if r.ID == "" {
		return errors.New("a role has no id")
	}
	for i, g := range r.Grants {
		if err := g.Check(); err != nil {
			return fmt.Errorf("role %q, grant %d: %w", r.ID, i+1, err)
		}
	}
	return nil
}

// Check returns an error that says what is malformed in x. Its roles need not exist.
func (x Exclusion) Check() error {
	if x.ID == "" {
		return errors.New("an exclusion has no id")
	}
	seen := map[Permission]bool{}
	for _, d := range x.Duties {
		for _, p := range d.Permissions {
			if err := p.check(); err != nil {
				return fmt.Errorf("exclusion %q: %w", x.ID, err)
			}
			if seen[p] {
				return fmt.Errorf("exclusion %q: %q stands twice, and nobody could ever hold it", x.ID, p)
			}
			seen[p] = true
		}
	}
	return nil
}

// Check returns an error that says what is malformed in g.
func (g Grant) Check() error {
	if err := g.Permission.check(); err != nil {
		return err
	}
	for c, a := range g.Fields {
		if c == 0 || a > Write {
			return fmt.Errorf("%s: class %d of fields has access %d, want %d to %d", g.Permission, c, a, Hidden, Write)
		}
	}
	if err := g.Scope.check(); err != nil {
		return fmt.Errorf("%s: %w", g.Permission, err)
	}
	for _, n := range g.Condition.Networks {
		if !n.IsValid() || n.Prefix != n.Masked() || n.Addr().Is4In6() {
			return fmt.Errorf("%s: network %q: want the first address of a range, such as 10.1.0.0/16", g.Permission, n)
		}
	}
	for _, h := range g.Condition.Hours {
		if err := h.check(); err != nil {
			return fmt.Errorf("%s: %w", g.Permission, err)
		}
	}
	return nil
}

// check reports whether p has the form resource.action.
func (p Permission) check() error {
	resource, action, ok := strings.Cut(string(p), ".")
	word := func(s string) bool {
		return s != "" && len(s) <= 40 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
	}
	if !ok || !word(resource) || !word(action) {
		return fmt.Errorf(`permission %q: want RESOURCE.ACTION, such as "stock.read"`, string(p))
	}
	return nil
}

func (s Scope) check() error {
	if s.Reach < Everywhere || s.Reach > Listed {
		return fmt.Errorf("reach %d of a scope: want %d to %d", s.Reach, Everywhere, Listed)
	}
	if s.Whose == 0 || s.Whose > Anyone|OwnDocuments|OwnCustomers {
		return fmt.Errorf("scope of whose documents is %d: want a sum of 1, 2 and 4", s.Whose)
	}
	if (s.Reach == Listed) != (len(s.Warehouses) > 0) {
		return errors.New("a scope lists warehouses if and only if its reach says so")
	}
	for i, w := range s.Warehouses {
		if !w.Valid() {
			return fmt.Errorf("warehouse %q: want 1 to 12 of A-Z and 0-9", w)
		}
		if i > 0 && s.Warehouses[i-1] >= w {
			return fmt.Errorf("warehouse %q of a scope: want them ascending, each once", w)
		}
	}
	return nil
}

func (h Hours) check() error {
	if h.Days == 0 || h.Days > EveryDay || h.From >= minutes || h.To > minutes || h.From == h.To {
		return fmt.Errorf("hours %q: want one day at least, a beginning before 24:00 and an end that differs from it", h)
	}
	return nil
}

// Check returns an error that says what is malformed in s. Whether the roles exist and go together is
// the matter of Engine.CheckAssignment.
func (s Subject) Check() error {
	if s.Account == "" {
		return errors.New("a person has no account name")
	}
	if !ascending(s.Warehouses) || !ascending(s.Customers) {
		return fmt.Errorf("account %q: want warehouses and customers ascending, each once", s.Account)
	}
	seen := map[TemporaryID]bool{}
	for _, t := range s.Temporary {
		if err := t.Grant.Check(); err != nil {
			return fmt.Errorf("account %q, temporary grant %q: %w", s.Account, t.ID, err)
		}
		if fault := t.fault(s.Account); fault != "" {
			return fmt.Errorf("account %q, temporary grant %q: %s", s.Account, t.ID, fault)
		}
		if seen[t.ID] {
			return fmt.Errorf("account %q: temporary grant %q stands twice", s.Account, t.ID)
		}
		seen[t.ID] = true
	}
	return nil
}

// fault tells why t can not be a temporary grant to that account, or nothing.
func (t *Temporary) fault(to Account) string {
	switch {
	case t.ID == "":
		return "it has no id to find its uses by"
	case t.Reason == "":
		return "it states no reason"
	case t.Approver == "":
		return "nobody has approved it"
	case t.Approver == to:
		return "the one who gets it can not approve it"
	case t.Until <= t.From:
		return "it ends before it begins"
	case t.Until-t.From > MaxTemporary.Milliseconds() || t.Until-t.From < 0: // the difference may not fit
		return fmt.Sprintf("it lasts longer than %d days", int(MaxTemporary.Hours()/24))
	}
	return ""
}

// ascending reports whether list is in order, without doubles and without empty texts.
func ascending[T ~string](list []T) bool {
	for i, v := range list {
		if v == "" || i > 0 && list[i-1] >= v {
			return false
		}
	}
	return true
}

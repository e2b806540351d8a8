package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Vault returns the transaction, for those who keep tables of their own in the same store.
func (v *View) Vault() *vault.Tx { return v.tx }

// Permissions for a time at nodes. One that names a warehouse is used there, too: while it counts, the nodes of that warehouse know the person, as a
// member without roles where the person does not work there. One for all warehouses is used at the hub and where the person works, since nobody's password
// is to lie at every node for its sake.

// lent is what nodes are told of a person beside what the accounts say.
type lent struct {
	grants []access.Temporary
	guest  []stock.Warehouse // where the person does not work and is known because of a grant; ascending
}

// lentTo returns what counts for a person; a disabled one has nothing.
func (v *View) lentTo(m access.Member) (l lent, err error) {
	if m.Disabled || m.Withdrawn {
		return l, nil
	}
	if l.grants, err = v.Temporaries(m.Account); err != nil {
		return l, err
	}
	for _, t := range l.grants {
		for _, w := range t.Grant.Scope.Warehouses {
			if t.Grant.Scope.Reach == access.Listed && !slices.Contains(m.Warehouses, w) && !slices.Contains(l.guest, w) {
				l.guest = append(l.guest, w)
			}
		}
	}
	slices.Sort(l.guest)
	return l, nil
}

// member returns a person as the nodes of a warehouse need to know them: with their roles where they work, without any as a guest, and
// as withdrawn elsewhere.
func (l lent) member(m access.Member, w stock.Warehouse) access.Member {
	works := slices.Contains(m.Warehouses, w)
	if !works && !slices.Contains(l.guest, w) {
		return access.Member{Account: m.Account, Withdrawn: true}
	}
	m.Warehouses = []stock.Warehouse{w}
	if !works {
		m.Roles = []access.RoleID{}
	}
	return m
}

// subject returns what is lent to a person at a warehouse where they are known. Other warehouses of a grant are not told.
func (l lent) subject(m access.Member, w stock.Warehouse) access.Subject {
	s := access.Subject{Account: m.Account}
	if !slices.Contains(m.Warehouses, w) && !slices.Contains(l.guest, w) {
		return s
	}
	for _, t := range l.grants {
		switch t.Grant.Scope.Reach {
		case access.Everywhere:
		case access.Listed:
			if !slices.Contains(t.Grant.Scope.Warehouses, w) {
				continue
			}
			t.Grant.Scope.Warehouses = []stock.Warehouse{w}
		default:
			continue
		}
		s.Temporary = append(s.Temporary, t)
	}
	return s
}

// SaySessionsEnd tells all nodes to end the sessions that they have.
func (tx *Tx) SaySessionsEnd() error {
	list, err := tx.RightsWarehouses()
	for _, w := range list {
		if err == nil {
			err = tx.say(w, access.Ending{ID: access.SessionsEnd, At: tx.now}, access.SessionsEnd, false)
		}
	}
	return err
}

// GrantUse is how a permission for a time was used. The zero GrantUse: never.
type GrantUse struct {
	Times int64
	Last  time.Time
	What  string // was done last
	Place string // node where it was, or the hub
}

// CountUse notes that a grant was used, once for each entry that says so. One that the hub does not know is passed over.
func (tx *Tx) CountUse(id access.TemporaryID, at time.Time, what, place string) error {
	_, err := tx.tx.Exec(`INSERT INTO temporary_use (grant_id, times, last_at, last, place) SELECT id, 1, ?2, ?3, ?4 FROM temporary_grant WHERE id = ?1
		ON CONFLICT (grant_id) DO UPDATE SET times = times + 1, last = iif(excluded.last_at >= last_at, excluded.last, last),
			place = iif(excluded.last_at >= last_at, excluded.place, place), last_at = max(last_at, excluded.last_at)`, string(id), at.UnixMilli(), what, place)
	if err != nil {
		return fmt.Errorf("count a use of grant %s: %w", id, err)
	}
	return nil
}

// UseOf returns how often a grant was used, and when last.
func (v *View) UseOf(id access.TemporaryID) (u GrantUse, err error) {
	var at int64
	err = v.tx.QueryRow(`SELECT times, last_at, last, place FROM temporary_use WHERE grant_id = ?1`, string(id)).Scan(&u.Times, &at, &u.What, &u.Place)
	if errors.Is(err, vault.ErrNoRows) {
		return GrantUse{}, nil
	}
	if err != nil {
		return GrantUse{}, fmt.Errorf("read uses of grant %s: %w", id, err)
	}
	u.Last = timeOf(at)
	return u, nil
}

// sayLent tells a warehouse's nodes what is lent to a person there, and takes back what was.
func (tx *Tx) sayLent(w stock.Warehouse, s access.Subject) error {
	if err := tx.say(w, s, string(s.Account), len(s.Temporary) == 0); err != nil {
		return fmt.Errorf("tell %s what is lent to %s: %w", w, s.Account, err)
	}
	return nil
}

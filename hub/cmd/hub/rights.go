package main

import (
	"context"
	"errors"
	"time"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// policy returns the policy that counts.
func (h *hub) policy(ctx context.Context) (p access.Policy, err error) {
	err = h.store.View(ctx, func(v *store.View) error { p, err = v.Policy(); return err })
	return p, err
}

// newDesk makes what decides who may do what at the hub. The hub's own clock counts, and it is always in contact with itself.
func (s *server) newDesk(ctx context.Context) (*rights.Desk, error) {
	p, err := s.policy(ctx)
	if err != nil {
		return nil, err
	}
	return rights.New(rights.Options{Now: time.Now, Zone: s.cfg.zone(), Refused: s.recordRefusal, Lent: s.lent, Used: s.recordUse}, p)
}

// lent returns the permissions that a person has for a time, and whom the person looks after. While they can not be read there are none.
func (s *server) lent(folded access.Account) (lent access.Subject) {
	err := s.store.View(context.Background(), func(v *store.View) (err error) {
		if lent.Temporary, err = v.Temporaries(folded); err == nil {
			lent.Customers, err = s.keepers.of(folded, func() ([]access.Customer, error) { return v.CustomersOf(folded) })
		}
		return err
	})
	if err != nil {
		s.log.Error("permissions for a time, and customers", "account", folded, "cause", err)
		return access.Subject{}
	}
	return lent
}

// loadRights lets the policy that counts now decide from now on. The notice of every new edition leads here, too; whoever writes
// one in this program calls it, so that not even a moment passes.
func (s *server) loadRights(ctx context.Context) error {
	p, err := s.policy(ctx)
	if err != nil {
		return err
	}
	return s.desk.Set(p)
}

// recordRefusal logs that a person was refused.
func (s *server) recordRefusal(ctx context.Context, who identity.Person, r rights.Refusal) error {
	e := change.Entry{Act: r.Act(), Object: string(r.Permission), Outcome: "refused", Detail: r.Detail()}
	return s.recorder.Act(ctx, whoIs(who), e, func(*store.Tx) error { return nil })
}

// recordUse logs that a person used a temporary grant.
func (s *server) recordUse(ctx context.Context, who identity.Person, u rights.Use) error {
	e := change.Entry{Act: change.ActGrantUsed, Object: string(u.Grant), Detail: u.Detail()}
	return s.recorder.Act(ctx, whoIs(who), e, func(tx *store.Tx) error {
		return tx.CountUse(u.Grant, tx.Now(), u.Request, string(stock.HubNode))
	})
}

// roles are those that the policy lets people be given.
func (s *server) roles() (out []web.Role) {
	for _, r := range s.desk.Policy().Roles {
		if !r.Withdrawn && r.ID != access.OpenStation {
			out = append(out, web.Role{ID: string(r.ID), Names: map[web.Lang]string{web.Chinese: r.Names.ZH, web.English: r.Names.EN}})
		}
	}
	return out
}

// sayMember tells the nodes of a person's warehouses what changed, in the transaction of the change.
func (h *hub) sayMember(vtx *vault.Tx, people *identity.Service, account string) error {
	m, err := people.Member(vtx, account)
	if errors.Is(err, identity.ErrNobody) {
		return nil
	}
	if err != nil {
		return err
	}
	return h.store.Within(vtx, h.recorder.Clock(), func(tx *store.Tx) error { return tx.SayMember(m) })
}

// sayLent tells nodes that what is lent to somebody has changed: who it is lent to may be new to some of them.
func sayLent(tx *store.Tx, people *identity.Service, to access.Account) error {
	m, err := people.Member(tx.Vault(), string(to))
	if errors.Is(err, identity.ErrNobody) {
		return nil
	}
	if err != nil {
		return err
	}
	return tx.SayMember(m)
}

// sayRights sees to it that every feed of rights says what is: after the first start of a program that knows them, and
// when the configuration has changed whose second factor is asked for. What was said before is not said again.
func (s *server) sayRights(ctx context.Context, people *identity.Service) error {
	return s.vault.Update(ctx, func(vtx *vault.Tx) error {
		all, err := people.Members(vtx)
		if err != nil {
			return err
		}
		return s.store.Within(vtx, s.recorder.Clock(), func(tx *store.Tx) error {
			if err := tx.SayPolicy(); err != nil {
				return err
			}
			for _, m := range all {
				if err := tx.SayMember(m); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

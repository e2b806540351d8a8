package disaster_test

import (
	"strings"

	edge "stockade/edge/store"
	hub "stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/test/play"
	"stockade/test/rig"
)

// quiet accounts record nothing: what they do is other tests' subject.
func quiet(now *vault.Store, s *site) *identity.Service {
	s.t.Helper()
	people, err := identity.Open(s.t.Context(), now, identity.Options{Audit: func(*vault.Tx, change.Entry, identity.Person) error { return nil }})
	must(s.t, err)
	return people
}

// hire makes an account of the warehouse of every node, with a badge, while the hub runs. Its next start tells the nodes.
func (s *site) hire(name string) {
	s.t.Helper()
	var at []string
	for _, e := range s.Edges {
		at = append(at, e.Options.Warehouse)
	}
	must(s.t, play.WithHub(s.t.Context(), s.Hub, func(store *hub.Store) error {
		people := quiet(store.Vault(), s)
		_, err := people.Create(s.t.Context(), identity.Person{}, identity.Account{Name: name, Warehouses: at})
		if err == nil {
			_, err = people.NewBadge(s.t.Context(), identity.Person{}, name)
		}
		return err
	}))
}

// knows waits until every node has that person, in order and with the badge.
func (s *site) knows(name string) {
	s.t.Helper()
	for _, e := range s.Edges {
		must(s.t, rig.Until(s.t.Context(), strings.Join([]string{e.Options.ID, "to know", name}, " "), func() (good bool, err error) {
			err = play.WithStore(s.t.Context(), e, func(store *edge.Store) error {
				people := quiet(store.Vault(), s)
				list, err := people.Accounts(s.t.Context())
				for _, a := range list {
					b, err := people.BadgeOf(s.t.Context(), a.Name)
					if err != nil {
						return err
					}
					good = good || a.Name == name && !a.Disabled && b.Name != ""
				}
				return err
			})
			return good, err
		}))
	}
}

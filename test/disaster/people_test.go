package disaster_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	edge "stockade/edge/store"
	hub "stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/feed"
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

// TestPeopleOnANewCard: a node whose card was stolen gets another one, which learns its people anew; what is said from then on the old card can not read.
func TestPeopleOnANewCard(t *testing.T) {
	s := newSite(t, play.Options{})
	one := s.Edges[0]
	s.hire("wang")
	s.restartHub()
	s.knows("wang")

	s.Players[0].Detach()
	one.Kill()
	var stolen edge.Enrolment
	must(t, play.WithStore(t.Context(), one, func(store *edge.Store) error {
		return store.View(t.Context(), func(tx *edge.Tx) (err error) { stolen, err = tx.Enrolment(); return err })
	}))
	must(t, os.Rename(one.Data(), filepath.Join(s.Rig.Dir, "stolen")))
	must(t, os.MkdirAll(one.Data(), 0o700))
	must(t, one.Enrol(t.Context(), s.Hub, "--replace"))
	must(t, one.Start(t.Context()))
	s.knows("wang")
	s.hire("li")
	s.restartHub()
	s.knows("li")

	key, err := access.SealingKey(stolen.Seed)
	must(t, err)
	opened := map[access.Account]error{}
	must(t, play.WithHub(t.Context(), s.Hub, func(store *hub.Store) error {
		return store.View(t.Context(), func(v *hub.View) error {
			news, err := v.NewsAfter(feed.Rights(stolen.Trust.Warehouse), 0, 10_000)
			for _, n := range news {
				if u, err := access.Unpack(n.Entry); err == nil {
					if sealed, ok := u.(access.Sealed); ok {
						_, opened[sealed.Account] = sealed.Open(key, access.Place{Org: stolen.Trust.Org, Warehouse: stolen.Trust.Warehouse})
					}
				}
			}
			return err
		})
	}))
	for _, name := range []access.Account{"wang", "li"} { // the last word of each
		if !errors.Is(opened[name], access.ErrNoReader) {
			t.Errorf("the stolen card reads on about %s: %v", name, opened[name])
		}
	}
}

// restartHub starts the hub again, in good order.
func (s *site) restartHub() {
	s.t.Helper()
	must(s.t, s.Hub.Process.Stop())
	must(s.t, s.Hub.Start(s.t.Context()))
}

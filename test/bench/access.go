package bench

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/casbin/casbin/v3"
	"github.com/casbin/casbin/v3/model"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// The policy that is asked: as many grants as a large company may write.
const (
	accessRoles  = 200
	accessGrants = 10 // of a role
	accessPeople = 300
	rolesEach    = 5
)

// casbinModel says the same in casbin's language: people have roles, a role has permissions in one warehouse or in all.
// The comparison that most rules fail stands first.
const casbinModel = `
[request_definition]
r = sub, per, wh
[policy_definition]
p = sub, per, wh
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = r.per == p.per && (p.wh == "*" || r.wh == p.wh) && g(r.sub, p.sub)
`

// rightsAsked are two engines with one policy, and what they are asked.
type rightsAsked struct {
	ours     *access.Engine
	casbin   *casbin.Enforcer
	requests []access.Request
}

// decisions measures decisions about who may do what, beside casbin with an equal policy in memory.
func (r *run) decisions(_ context.Context, _ string) error {
	a, err := newRightsAsked()
	if err != nil {
		return err
	}
	if err := a.agree(); err != nil {
		return err
	}
	var ours, theirs series
	for range r.Size.Rounds {
		if err := ours.measure(func() (float64, error) { return a.askOurs(r.Size.Decisions * 1000) }); err != nil {
			return err
		}
		if err := theirs.measure(func() (float64, error) { return a.askCasbin(r.Size.Decisions) }); err != nil {
			return err
		}
	}
	return r.emit("access_decide", "decisions/s", ours.median(), theirs.median())
}

// newRightsAsked draws a policy, the same everywhere.
func newRightsAsked() (*rightsAsked, error) {
	rnd := rand.New(rand.NewPCG(1, 41)) // #nosec G404 -- the same work on every machine
	m, err := model.NewModelFromString(casbinModel)
	if err != nil {
		return nil, err
	}
	a := &rightsAsked{}
	if a.casbin, err = casbin.NewEnforcer(m); err != nil {
		return nil, err
	}
	var permissions []access.Permission
	for _, g := range access.Groups() {
		for _, info := range g.Permissions {
			permissions = append(permissions, info.Permission)
		}
	}
	warehouses := []stock.Warehouse{"HGH", "PEK", "SHA", "XMN"}
	policy := access.Policy{Version: 1}
	for i := range accessRoles {
		role := access.Role{ID: access.RoleID(fmt.Sprintf("role-%03d", i))}
		for _, n := range rnd.Perm(len(permissions))[:accessGrants] {
			g := access.Grant{Permission: permissions[n], Scope: access.Scope{Reach: access.Everywhere, Whose: access.Anyone},
				Fields: map[access.FieldClass]access.FieldAccess{access.Price: access.Read, access.Phone: access.Masked}}
			where := "*"
			if rnd.IntN(4) > 0 {
				w := warehouses[rnd.IntN(len(warehouses))]
				g.Scope, where = access.Scope{Reach: access.Listed, Warehouses: []stock.Warehouse{w}, Whose: access.Anyone}, string(w)
			}
			role.Grants = append(role.Grants, g)
			if _, err := a.casbin.AddPolicy(string(role.ID), string(g.Permission), where); err != nil {
				return nil, err
			}
		}
		policy.Roles = append(policy.Roles, role)
	}
	if a.ours, err = access.Compile(policy); err != nil {
		return nil, err
	}
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for i := range accessPeople {
		s := &access.Subject{Account: access.Account(fmt.Sprintf("person-%03d", i))}
		held := rnd.Perm(accessRoles)[:rolesEach]
		for _, n := range held {
			s.Roles = append(s.Roles, policy.Roles[n].ID)
			if _, err := a.casbin.AddGroupingPolicy(string(s.Account), string(policy.Roles[n].ID)); err != nil {
				return nil, err
			}
		}
		p := permissions[rnd.IntN(len(permissions))]
		if i%2 == 0 { // half of the questions are about what the person's roles hold
			p = policy.Roles[held[rnd.IntN(rolesEach)]].Grants[rnd.IntN(accessGrants)].Permission
		}
		a.requests = append(a.requests, access.Request{Subject: s, Permission: p, Resource: access.Resource{Warehouse: warehouses[rnd.IntN(len(warehouses))]},
			Time: now, Known: now, Address: netip.AddrFrom4([4]byte{10, 1, 2, 3}), ClockTrusted: true, InContact: true})
	}
	return a, nil
}

// agree returns an error when the two do not decide alike, or when there is only one answer.
func (a *rightsAsked) agree() error {
	count := map[bool]int{}
	for _, q := range a.requests {
		theirs, err := a.casbin.Enforce(string(q.Subject.Account), string(q.Permission), string(q.Resource.Warehouse))
		if err != nil {
			return err
		}
		ours := a.ours.Decide(q)
		if ours.Allowed != theirs {
			return fmt.Errorf("%s on %s in %s: allowed %v (%s), by casbin %v", q.Subject.Account, q.Permission, q.Resource.Warehouse, ours.Allowed, ours.Reason, theirs)
		}
		count[theirs]++
	}
	if few := len(a.requests) / 10; count[true] < few || count[false] < few {
		return fmt.Errorf("%d allowed, %d refused: want some of both", count[true], count[false])
	}
	return nil
}

func (a *rightsAsked) askOurs(times int) (float64, error) {
	began, allowed := time.Now(), 0
	for i := range times {
		if a.ours.Decide(a.requests[i%len(a.requests)]).Allowed {
			allowed++
		}
	}
	speed := rate(times, began)
	if allowed == 0 {
		return 0, fmt.Errorf("nothing was allowed in %d decisions", times)
	}
	return speed, nil
}

func (a *rightsAsked) askCasbin(times int) (float64, error) {
	type question struct{ sub, per, wh string }
	list := make([]question, len(a.requests))
	for i, q := range a.requests {
		list[i] = question{string(q.Subject.Account), string(q.Permission), string(q.Resource.Warehouse)}
	}
	began := time.Now()
	for i := range times {
		q := list[i%len(list)]
		if _, err := a.casbin.Enforce(q.sub, q.per, q.wh); err != nil {
			return 0, err
		}
	}
	return rate(times, began), nil
}

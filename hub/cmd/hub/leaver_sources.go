package main

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"stockade/hub/approvals"
	"stockade/hub/leavers"
	"stockade/hub/lessons"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// What the parts of the hub keep for a person, as the list of a leaver asks for it. A part that comes later adds its own source in openLeavers.

// item returns an item that is open when there is something.
func item(key string, count int, list ...access.Text) leavers.Item {
	i := leavers.Item{Key: key, State: leavers.Nothing, Count: count, List: list}
	if count > 0 {
		i.State = leavers.Open
	}
	return i
}

// same is a word that is the same in all languages, or the key of a text.
func same(word string) access.Text { return access.Text{ZH: word, EN: word} }

func acting(i leavers.Item) leavers.Item { i.Act = true; return i }
func handed(i leavers.Item) leavers.Item { i.Hand = true; return i }

// accountSource ends what signing in and working take.
type accountSource struct{ pages }

func (s accountSource) Items(ctx context.Context, who rights.Person) ([]leavers.Item, error) {
	a, err := s.accounts.Account(ctx, who.Name)
	if err != nil {
		return nil, err
	}
	badge, err := s.accounts.BadgeOf(ctx, who.Name)
	if err != nil {
		return nil, err
	}
	factors, codes, err := s.accounts.Factors(ctx, identity.Person{Account: who.Name})
	if err != nil {
		return nil, err
	}
	account := acting(item(leavers.KeyAccount, 1))
	if a.Disabled {
		account.State = leavers.Done
	} else if last, err := s.lastWriter(ctx, who); err != nil {
		return nil, err
	} else if last {
		account.State, account.List = leavers.Blocked, []access.Text{same("text:leaver.last_writer")}
	}
	var cards []access.Text
	if badge.Name != "" {
		cards = append(cards, same("text:badge.one"))
	}
	if !badge.PIN.IsZero() {
		cards = append(cards, same("PIN"))
	}
	var keys []access.Text
	for _, f := range factors {
		keys = append(keys, same("text:factor."+f.Kind))
	}
	if codes > 0 {
		keys = append(keys, same("text:leaver.codes"))
	}
	now, err := s.PolicyNow(ctx)
	if err != nil {
		return nil, err
	}
	var roles []access.Text
	for _, id := range a.Roles {
		name := same(id)
		if n := slices.IndexFunc(now.Roles, func(r access.Role) bool { return string(r.ID) == id }); n >= 0 {
			name = now.Roles[n].Names
		}
		roles = append(roles, name)
	}
	for _, w := range a.Warehouses {
		roles = append(roles, same(w))
	}
	if !a.Waiting {
		roles = append(roles, same("text:login.password"))
	}
	var links []access.Text
	if a.Linked {
		link, err := s.accounts.LinkOf(ctx, who.Name)
		if err != nil {
			return nil, err
		}
		links = append(links, same(link.Issuer))
	}
	return []leavers.Item{account, acting(item("sessions", a.Sessions)), acting(item("badge", len(cards), cards...)), acting(item("factors", len(keys), keys...)), acting(item("company", len(links), links...)), acting(item("roles", len(roles), roles...))}, nil
}

// lastWriter reports whether nobody could change rights any more without this person.
func (p pages) lastWriter(ctx context.Context, who rights.Person) (bool, error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return false, err
	}
	now, err := p.PolicyNow(ctx)
	if err != nil {
		return false, err
	}
	for _, role := range who.Roles {
		if r := (*rights.Refusal)(nil); errors.As(rights.CheckWithdrawal(now.Policy, people, who.Account, role, p.Now()), &r) {
			return true, nil
		}
	}
	return false, nil
}

func (s accountSource) Do(ctx context.Context, by identity.Person, who rights.Person, key string) error {
	switch key {
	case leavers.KeyAccount:
		return s.accounts.Disable(ctx, by, who.Name)
	case "sessions":
		return s.accounts.EndSessions(ctx, by, who.Name)
	case "badge":
		return s.accounts.VoidBadge(ctx, by, who.Name)
	case "factors":
		return s.accounts.ResetFactor(ctx, by, who.Name)
	case "company":
		return s.accounts.UnlinkFor(ctx, by, who.Name)
	case "roles":
		if last, err := s.lastWriter(ctx, who); err != nil || last {
			return errors.Join(leavers.ErrBlocked, err)
		}
		return s.accounts.Strip(ctx, by, who.Name)
	}
	return leavers.ErrNoAct
}

// approvalSource ends permissions for a time and requests, and says what waits for this person alone.
type approvalSource struct{ pages }

func (s approvalSource) Items(ctx context.Context, who rights.Person) (out []leavers.Item, err error) {
	people, err := s.Staff(ctx)
	if err != nil {
		return nil, err
	}
	var others []approval.Person
	for _, p := range people {
		if !p.Disabled {
			others = append(others, approverOf(p))
		}
	}
	err = s.store.View(ctx, func(v *store.View) error {
		now := s.recorder.Clock().UnixMilli()
		lent, err := v.Temporaries(who.Account)
		if err != nil {
			return err
		}
		lent = slices.DeleteFunc(lent, func(t access.Temporary) bool { return t.Until <= now })
		var titles []access.Text
		for _, t := range lent {
			titles = append(titles, t.Grant.Permission.Title())
		}
		open, err := approvals.OpenOf(v, access.Account(who.Name))
		if err != nil {
			return err
		}
		var ids, waiting []access.Text
		for _, a := range open {
			ids = append(ids, same(a.Request.ID))
		}
		alone, err := approvals.OnlyBy(v, approverOf(who), others, now)
		if err != nil {
			return err
		}
		for _, a := range alone {
			waiting = append(waiting, same(a.Request.ID))
		}
		hand := handed(item("approvals", len(alone), waiting...))
		hand.Link = "/approvals/all"
		out = []leavers.Item{acting(item("grants", len(lent), titles...)), acting(item("requests", len(open), ids...)), hand}
		return nil
	})
	return out, err
}

func approverOf(p rights.Person) approval.Person {
	return approval.Person{Account: access.Account(p.Name), Roles: p.Roles, Warehouses: p.Warehouses}
}

func (s approvalSource) Do(ctx context.Context, by identity.Person, who rights.Person, key string) error {
	switch key {
	case "grants":
		var lent []access.Temporary
		err := s.store.View(ctx, func(v *store.View) (err error) { lent, err = v.Temporaries(who.Account); return err })
		for _, t := range lent {
			if err == nil {
				err = s.approvals.EndGrant(ctx, by, t.ID, true)
			}
		}
		return err
	case "requests":
		_, err := s.approvals.WithdrawFor(ctx, by, access.Account(who.Name))
		return err
	}
	return leavers.ErrNoAct
}

// workSource ends drafts and exports, and says where somebody else has to take over.
type workSource struct{ pages }

func (s workSource) Items(ctx context.Context, who rights.Person) (out []leavers.Item, err error) {
	people, err := s.Staff(ctx)
	if err != nil {
		return nil, err
	}
	var lone []access.Text
	if slices.Contains(who.Roles, access.Manager) {
		for _, w := range who.Warehouses {
			others := slices.DeleteFunc(rights.Managers(people, w), func(p rights.Person) bool { return p.Account == who.Account })
			if len(others) == 0 {
				lone = append(lone, same(string(w)))
			}
		}
	}
	asked, review := 0, handed(item("review", 0))
	err = s.store.View(ctx, func(v *store.View) error {
		draft, err := v.Draft(string(who.Account))
		if err != nil {
			return err
		}
		changed := 0
		if !draft.Empty() {
			changed = 1
		}
		exports, err := v.Exports(access.Account(who.Name), requestLimit)
		if err != nil {
			return err
		}
		var ready []access.Text
		for _, e := range exports {
			if e.State == store.ExportReady && s.recorder.Clock().Before(e.Until) {
				ready = append(ready, same(e.ID))
			}
		}
		reviews, err := v.Reviews()
		if err != nil {
			return err
		}
		for _, r := range reviews {
			if !r.ClosedAt.IsZero() {
				continue
			}
			items, err := v.ReviewItems(r.ID)
			if err != nil {
				return err
			}
			for _, i := range items {
				if !i.Decided() && rights.MayAnswer(i, who, false, people) {
					asked++
				}
			}
			review.Link = "/reviews/" + strconv.FormatInt(r.ID, 10)
		}
		if review.Count = asked; asked > 0 && !who.Disabled { // of somebody disabled nothing waits: others are asked
			review.State = leavers.Open
		}
		codes, err := v.CustomersOf(who.Account)
		if err != nil {
			return err
		}
		var own []access.Text
		for _, c := range codes[:min(len(codes), 20)] { // the page of customers has them all
			own = append(own, same(string(c)))
		}
		customers := handed(item("customers", len(codes), own...))
		customers.Link = "/customers"
		out = []leavers.Item{handed(item("manager", len(lone), lone...)), customers, review, acting(item("draft", changed)), acting(item("exports", len(ready), ready...))}
		return nil
	})
	return out, err
}

func (s workSource) Do(ctx context.Context, by identity.Person, who rights.Person, key string) error {
	switch key {
	case "draft":
		return s.recorder.Act(ctx, whoIs(by), change.Entry{Act: "rights.draft_discarded", Object: string(who.Account), Detail: map[string]string{"of": string(who.Account)}}, func(tx *store.Tx) error { return tx.ClearDraft(string(who.Account)) })
	case "exports":
		entry := change.Entry{Act: "export.dropped", Object: string(who.Account), Detail: map[string]string{}}
		return s.recorder.Act(ctx, whoIs(by), entry, func(tx *store.Tx) error {
			n, err := tx.DropExports(access.Account(who.Name))
			entry.Detail["exports"] = strconv.FormatInt(n, 10)
			return err
		})
	}
	return leavers.ErrNoAct
}

// lessonSource says that records of lessons stay.
type lessonSource struct{ pages }

func (s lessonSource) Items(ctx context.Context, who rights.Person) ([]leavers.Item, error) {
	list, err := s.lessons.Mine(ctx, identity.Person{Account: who.Name})
	passed := 0
	for _, one := range list {
		if one.State == lessons.Passed || !one.Passed.IsZero() {
			passed++
		}
	}
	return []leavers.Item{{Key: "lessons", State: leavers.Nothing, Count: passed}}, err
}

func (lessonSource) Do(context.Context, identity.Person, rights.Person, string) error {
	return leavers.ErrNoAct
}

// openLeavers makes what keeps the lists of leavers.
func (s *server) openLeavers() {
	p := pages{s}
	s.leavers = &leavers.Service{Store: s.store, Recorder: s.recorder, Zone: s.cfg.zone(), Sources: []leavers.Source{accountSource{p}, approvalSource{p}, workSource{p}, lessonSource{p}},
		Person: func(ctx context.Context, name string) (rights.Person, error) {
			a, err := s.accounts.Account(ctx, name)
			return personOf(a), err
		}}
	if s.sessions != nil {
		s.leavers.Ask = s.sessions.More
	}
}

// personOf returns an account as package rights wants to know it.
func personOf(a identity.Account) rights.Person {
	one := rights.Person{Name: a.Name, Display: a.Display, Waiting: a.Waiting, Dormant: a.Dormant, Overdue: a.Overdue, Lacks: a.LacksFactor}
	one.Account, one.Disabled = access.Account(a.Key()), a.Disabled
	for _, r := range a.Roles {
		one.Roles = append(one.Roles, access.RoleID(r))
	}
	for _, w := range a.Warehouses {
		one.Warehouses = append(one.Warehouses, stock.Warehouse(w))
	}
	slices.Sort(one.Warehouses)
	one.Warehouses = slices.Compact(one.Warehouses)
	return one
}

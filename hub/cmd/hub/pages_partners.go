package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"

	"stockade/hub/approvals"
	"stockade/hub/dashboard"
	"stockade/hub/exports"
	"stockade/hub/partners"
	"stockade/hub/store"
	"stockade/hub/unmask"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// keepers remembers which customers people look after, since every decision asks for it. It is right as long as moved is called after each commit that
// may have changed it.
type keepers struct {
	mu    sync.Mutex
	times uint64 // of moved
	known map[access.Account][]access.Customer
}

func (k *keepers) moved() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.times++
	k.known = nil
}

// of returns the customers of an account, by load when they are not known. The list is read only.
func (k *keepers) of(folded access.Account, load func() ([]access.Customer, error)) ([]access.Customer, error) {
	k.mu.Lock()
	list, ok := k.known[folded]
	times := k.times
	k.mu.Unlock()
	if ok {
		return list, nil
	}
	list, err := load()
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.times == times { // nobody has changed them meanwhile
		if k.known == nil {
			k.known = map[access.Account][]access.Customer{}
		}
		k.known[folded] = list
	}
	return list, nil
}

// openPartners makes what keeps partners, and what counts who looks behind masks.
func (s *server) openPartners(people *identity.Service) {
	s.unmasker = &unmask.Desk{Store: s.store, Recorder: s.recorder, Quota: s.cfg.Unmaskings, Zone: s.cfg.zone()}
	s.partners = &partners.Service{Store: s.store, Recorder: s.recorder, Unmasker: s.unmasker, Rights: s.rightsIn, Moved: s.keepers.moved,
		Account: func(ctx context.Context, name string) (string, error) {
			a, err := people.Account(ctx, name)
			return a.Name, err
		}}
	s.exports.Customers = func(v *store.View, who identity.Person, fn func(cells []string) error) error {
		return s.partners.Rows(v, who, fn)
	}
}

// rightsIn decides about a person by what a view holds: inside of a transaction too.
func (s *server) rightsIn(v *store.View, who identity.Person) (partners.Rights, error) {
	folded := approvals.Fold(access.Account(who.Account))
	temporary, err := v.Temporaries(folded)
	if err != nil {
		return nil, err
	}
	customers, err := v.CustomersOf(folded)
	return s.desk.Asker(who, access.Subject{Temporary: temporary, Customers: customers}), err
}

// recordUnmasked records for the shell that somebody sees a masked name.
func (s *server) recordUnmasked(ctx context.Context, who identity.Person, u access.Unmasking) error {
	_, err := s.unmasker.Reveal(ctx, who, u, func(*store.Tx, *access.Unmasking) (string, error) { return "", nil })
	return partnerRefusal(err)
}

// partnerRefusal turns what an act on partners was refused for into what the reader is told. A *partners.Denied stays one.
func partnerRefusal(err error) error {
	var field *partners.FieldError
	var not *partners.NotWritable
	var limit *unmask.LimitError
	switch {
	case errors.As(err, &field):
		return web.Fail(http.StatusUnprocessableEntity, field.Why, "field", "text:partner."+field.Key, "most", strconv.Itoa(field.Most)).Because(err)
	case errors.As(err, &not):
		return web.Fail(http.StatusForbidden, "partner.not_writable", "field", "text:partner."+not.Field).Because(err)
	case errors.As(err, &limit):
		return web.Fail(http.StatusTooManyRequests, "unmask.limit", "quota", strconv.FormatInt(limit.Quota, 10)).Because(err)
	}
	for _, r := range []struct {
		is     error
		status int
		key    string
	}{
		{access.ErrPurpose, http.StatusUnprocessableEntity, "unmask.need_reason"},
		{partners.ErrReason, http.StatusUnprocessableEntity, "partner.need_reason"},
		{partners.ErrKeeper, http.StatusUnprocessableEntity, "partner.bad_keeper"},
		{partners.ErrCode, http.StatusUnprocessableEntity, "partner.bad_code"},
		{partners.ErrFilter, http.StatusForbidden, "partner.bad_filter"},
		{store.ErrExists, http.StatusConflict, "partner.code_taken"},
		{store.ErrPartnerChanged, http.StatusConflict, "partner.changed_meanwhile"},
	} {
		if errors.Is(err, r.is) {
			return web.Fail(r.status, r.key).Because(err)
		}
	}
	return shown(err)
}

func (p pages) Partners(ctx context.Context, who identity.Person, side partners.Side, q partners.Query) (partners.Page, error) {
	page, err := p.partners.List(ctx, who, side, q)
	return page, partnerRefusal(err)
}

func (p pages) Partner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) (partners.Shown, error) {
	s, err := p.partners.Get(ctx, who, side, code)
	return s, partnerRefusal(err)
}

func (p pages) PartnerForm(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) (partners.Shown, error) {
	s, err := p.partners.Editable(ctx, who, side, code)
	return s, partnerRefusal(err)
}

func (p pages) PutPartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, f partners.Form) (access.Customer, error) {
	code, err := p.partners.Put(ctx, who, side, code, f)
	return code, partnerRefusal(err)
}

func (p pages) PartnerHistory(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) ([]partners.Shown, error) {
	list, err := p.partners.History(ctx, who, side, code)
	return list, partnerRefusal(err)
}

func (p pages) ErasePartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, f partners.EraseForm) error {
	return partnerRefusal(p.partners.Erase(ctx, who, side, code, f))
}

func (p pages) UnmaskPartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, u access.Unmasking) (partners.Shown, error) {
	s, err := p.partners.Unmask(ctx, who, side, code, u)
	return s, partnerRefusal(err)
}

func (p pages) Unmaskings(ctx context.Context, q dashboard.UnmaskQuery) (page dashboard.UnmaskPage, err error) {
	_, most := window("", q.Limit)
	before, _ := strconv.ParseInt(q.Before, 10, 64) // a made-up mark begins anew
	page.Rows = []dashboard.Unmasked{}
	err = p.store.View(ctx, func(v *store.View) error {
		list, err := v.Unmaskings(store.UnmaskedFilter{Account: approvals.Fold(access.Account(q.Account)), Subject: q.Subject, Before: before, Most: most + 1})
		for i, u := range list {
			if i == most {
				page.Next = strconv.FormatInt(list[most-1].ID, 10)
				break
			}
			page.Rows = append(page.Rows, dashboard.Unmasked{Account: u.Account, At: u.At, Kind: u.Kind, Subject: u.Subject, Field: u.Field, Class: u.Class, Purpose: string(u.Purpose), Reason: u.Reason})
		}
		return err
	})
	return page, err
}

// veiled returns rows of an export of customers as who may see customers: an approver looks at what others may export, which may be open to them further.
func (s *server) veiled(v *store.View, who identity.Person, k exports.Kind, rows [][]string) ([][]string, error) {
	if k != exports.Customers {
		return rows, nil
	}
	r, err := s.rightsIn(v, who)
	if err != nil {
		return nil, err
	}
	d := r.List(partners.Customers.Read())
	out := make([][]string, 0, len(rows))
	for _, row := range rows {
		out = append(out, partners.Veil(row, d.Fields))
	}
	return out, nil
}

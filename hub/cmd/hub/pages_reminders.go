package main

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"time"

	"stockade/hub/dashboard"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// reviewer is somebody for whose answer a review waits.
type reviewer struct {
	rights.Person
	count int
}

// waitingIn returns for whom the questions of a review wait, by name.
func (p pages) waitingIn(ctx context.Context, items []rights.Item) (out []reviewer, err error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return nil, err
	}
	now, err := p.PolicyNow(ctx)
	if err != nil {
		return nil, err
	}
	headquarters, err := rights.Holders(now.Policy, people, dashboard.ReviewAnswer, p.Now())
	if err != nil {
		return nil, err
	}
	waits := rights.Waiting(items, people, headquarters)
	for _, one := range people {
		if n := waits[one.Account]; n > 0 {
			out = append(out, reviewer{one, n})
		}
	}
	slices.SortFunc(out, func(a, b reviewer) int { return cmp.Compare(a.Account, b.Account) })
	return out, nil
}

// openReview returns the review that goes on with its questions; the zero review when none does.
func (p pages) openReview(ctx context.Context) (r store.Review, items []rights.Item, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		all, err := v.Reviews()
		for _, one := range all {
			if one.ClosedAt.IsZero() {
				r = one
				items, err = v.ReviewItems(r.ID)
			}
		}
		return err
	})
	return r, items, err
}

func (p pages) ReviewsWaiting(ctx context.Context, who identity.Person) (int, error) {
	r, items, err := p.openReview(ctx)
	if err != nil || r.ID == 0 {
		return 0, err
	}
	list, err := p.waitingIn(ctx, items)
	for _, one := range list {
		if one.Account == keyOf(who) {
			return one.count, err
		}
	}
	return 0, err
}

func (p pages) ReviewWaiting(ctx context.Context, review int64) (out []dashboard.ReviewWait, err error) {
	_, items, err := p.Review(ctx, review)
	if err != nil {
		return nil, err
	}
	list, err := p.waitingIn(ctx, items)
	if err != nil {
		return nil, err
	}
	var told map[store.ReviewTold]time.Time
	if err := p.store.View(ctx, func(v *store.View) (err error) { told, err = v.ReviewTold(review); return err }); err != nil {
		return nil, err
	}
	for _, one := range list {
		w := dashboard.ReviewWait{Who: one.Called(), Count: one.count}
		for _, stage := range rights.Stages {
			if at := told[store.ReviewTold{Review: review, Account: one.Account, Stage: string(stage)}]; at.After(w.Told) {
				w.Told = at
			}
		}
		out = append(out, w)
	}
	return out, nil
}

// remindReviews tells those who have not answered in a review: when it starts, a week and a day before it is due, and when it is overdue. It tells
// those who start reviews when the last one ended too long ago.
func (s *server) remindReviews(ctx context.Context) error {
	p := pages{s}
	r, items, err := p.openReview(ctx)
	if err != nil {
		return err
	}
	if r.ID == 0 {
		return p.remindQuarter(ctx)
	}
	list, err := p.waitingIn(ctx, items)
	if err != nil {
		return err
	}
	stage := rights.StageOf(r.Due, stock.Date(p.Now().Format(time.DateOnly)))
	reminders := map[string]reminder{}
	for _, one := range list {
		reminders[one.Name] = reminder{store.ReviewTold{Review: r.ID, Account: one.Account, Stage: string(stage)},
			map[string]string{"title": r.Title, "count": strconv.Itoa(one.count), "due": string(r.Due), "link": reviewLink(r.ID)}}
	}
	return s.remind(ctx, r.ID, reminders)
}

func reviewLink(id int64) string { return dashboard.Review{ID: id}.Link() }

// remindQuarter tells those who start reviews that the last one ended more than rights.QuarterDays ago, or that there was none in that time.
func (p pages) remindQuarter(ctx context.Context) error {
	all, err := p.Reviews(ctx)
	if err != nil {
		return err
	}
	last, id := time.Time{}, int64(0)
	if len(all) > 0 {
		last, id = all[0].ClosedAt, all[0].ID
	} else {
		accounts, err := p.accounts.Accounts(ctx)
		if err != nil {
			return err
		}
		for _, a := range accounts {
			if last.IsZero() || a.Made.Before(last) {
				last = a.Made
			}
		}
	}
	days := int(p.Now().Sub(last).Hours() / 24)
	if last.IsZero() || days <= rights.QuarterDays {
		return nil
	}
	people, err := p.Staff(ctx)
	if err != nil {
		return err
	}
	now, err := p.PolicyNow(ctx)
	if err != nil {
		return err
	}
	who, err := rights.Holders(now.Policy, people, dashboard.ReviewManage, p.Now())
	if err != nil {
		return err
	}
	reminders := map[string]reminder{}
	for _, one := range who {
		reminders[one.Name] = reminder{store.ReviewTold{Review: id, Account: one.Account, Stage: "quarter"}, map[string]string{"days": strconv.Itoa(days), "link": "/reviews"}}
	}
	return p.remind(ctx, id, reminders)
}

// reminder is what somebody is told, once.
type reminder struct {
	store.ReviewTold
	args map[string]string
}

// remind leaves a notice for everybody who was not told the same before.
func (s *server) remind(ctx context.Context, review int64, list map[string]reminder) error {
	var told map[store.ReviewTold]time.Time
	if err := s.store.View(ctx, func(v *store.View) (err error) { told, err = v.ReviewTold(review); return err }); err != nil {
		return err
	}
	for name, r := range list {
		if _, known := told[r.ReviewTold]; known {
			delete(list, name)
		}
	}
	if len(list) == 0 {
		return nil
	}
	return s.vault.Update(ctx, func(vtx *vault.Tx) error {
		return s.store.Within(vtx, s.recorder.Clock(), func(tx *store.Tx) error {
			for name, r := range list {
				fresh, err := tx.TellReview(r.ReviewTold)
				if err != nil {
					return err
				}
				if !fresh {
					continue
				}
				if err := s.accounts.Tell(vtx, name, "review_"+r.Stage, r.args); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

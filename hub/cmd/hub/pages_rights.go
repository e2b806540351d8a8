package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"stockade/hub/dashboard"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

func (p pages) Now() time.Time { return p.recorder.Clock().In(p.cfg.zone()) }

func editionOf(e store.PolicyEdition) dashboard.PolicyEdition {
	return dashboard.PolicyEdition{Policy: e.Policy, By: e.By, At: e.At, Note: e.Note}
}

func (p pages) Policy(ctx context.Context, version uint64) (e dashboard.PolicyEdition, err error) {
	if version == 0 {
		e.Policy = access.Ready()
		e.Version = 0
		return e, nil
	}
	err = p.store.View(ctx, func(v *store.View) error {
		stored, err := v.PolicyEdition(version)
		e = editionOf(stored)
		return err
	})
	return e, shown(err)
}

func (p pages) PolicyNow(ctx context.Context) (e dashboard.PolicyEdition, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		stored, err := v.PolicyEdition(0)
		if errors.Is(err, store.ErrNotFound) {
			e.Policy, err = v.Policy()
			return err
		}
		e = editionOf(stored)
		return err
	})
	return e, err
}

func (p pages) Policies(ctx context.Context, most int) (out []dashboard.PolicyEdition, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		all, err := v.Policies(most)
		for _, e := range all {
			out = append(out, editionOf(e))
		}
		return err
	})
	return out, err
}

// rightsRefusal turns what a change of rights was refused for into what the pages know.
func rightsRefusal(err error) error {
	switch {
	case errors.Is(err, store.ErrPolicyChanged):
		return errors.Join(dashboard.ErrPolicyChanged, err)
	case errors.Is(err, store.ErrDraftChanged):
		return errors.Join(dashboard.ErrDraftChanged, err)
	case errors.Is(err, store.ErrPolicyLarge):
		return &rights.Refusal{Words: access.Text{ZH: "有一个角色太大，节点收不下。请把它拆成几个角色，或减少条件。", EN: "One role is too large for nodes to take. Make several of it, or use fewer conditions."}}
	case errors.Is(err, store.ErrReviewOpen):
		return web.Fail(http.StatusConflict, "reviews.one_open").Because(err)
	case errors.Is(err, store.ErrReviewClosed):
		return web.Fail(http.StatusConflict, "reviews.is_closed").Because(err)
	case errors.Is(err, identity.ErrSelf):
		return web.Fail(http.StatusConflict, "people.self").Because(err)
	}
	return shown(err)
}

func (p pages) SavePolicy(ctx context.Context, next access.Policy, note string, drafted bool, by identity.Person) (version uint64, err error) {
	if err := rights.CheckNote(note); err != nil {
		return 0, err
	}
	people, err := p.Staff(ctx)
	if err != nil {
		return 0, err
	}
	from, _ := netip.ParseAddr(by.Address) // the zero address is in no network
	who := whoIs(by)
	entry := change.Entry{Act: store.PolicyWritten, Object: "policy/" + strconv.FormatUint(next.Version+1, 10), Detail: map[string]string{"note": note}}
	err = p.recorder.Act(ctx, who, entry, func(tx *store.Tx) error {
		now, err := tx.Policy()
		if err != nil {
			return err
		}
		if now.Version != next.Version {
			return store.ErrPolicyChanged
		}
		if err := rights.CheckSave(now, next, people, from, tx.Now()); err != nil {
			return err
		}
		b, err := next.Encode()
		if err != nil {
			return err
		}
		sum := sha256.Sum256(b)
		deltas := rights.Diff(now, next, people)
		if len(deltas) == 0 {
			return &rights.Refusal{Words: access.Text{ZH: "与现在的设置相同，没有可保存的。", EN: "This is what counts already; there is nothing to save."}}
		}
		entry.Detail["changes"], entry.Detail["affected"], entry.Detail["content"] = rights.Summary(deltas), strconv.Itoa(len(rights.Affected(deltas))), hex.EncodeToString(sum[:])
		if rights.GivesUpSeparation(now, next) {
			entry.Detail["separation_of_administrators"] = "given up"
		}
		if drafted {
			if err := tx.ClearDraft(string(keyOf(by))); err != nil {
				return err
			}
		}
		version, err = tx.PutPolicy(next, who.Actor, note)
		return err
	})
	if err == nil && p.desk != nil {
		err = p.loadRights(ctx) // it counts from here on; other programs' editions come by notice
	}
	return version, rightsRefusal(err)
}

// keyOf returns the account under which a person's things are kept.
func keyOf(p identity.Person) access.Account {
	return access.Account(identity.Account{Name: p.Account}.Key())
}

func (p pages) Places(ctx context.Context) (out []stock.Warehouse, err error) {
	err = p.store.View(ctx, func(v *store.View) error { out, err = v.RightsWarehouses(); return err })
	slices.Sort(out)
	return out, err
}

func (p pages) Staff(ctx context.Context) (out []rights.Person, err error) {
	all, err := p.accounts.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var customers map[access.Account][]access.Customer
	err = p.store.View(ctx, func(v *store.View) error { customers, err = v.AllCustomers(); return err })
	for _, a := range all {
		one := personOf(a)
		one.Customers = customers[one.Account]
		out = append(out, one)
	}
	return out, err
}

func (p pages) StaffNow(ctx context.Context) ([]rights.Person, error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return nil, err
	}
	err = p.store.View(ctx, func(v *store.View) error {
		lent, err := v.AllTemporaries()
		for i := range people {
			people[i].Temporary = lent[people[i].Account]
		}
		return err
	})
	return people, err
}

func (p pages) Draft(ctx context.Context, by identity.Person) (d rights.Draft, err error) {
	err = p.store.View(ctx, func(v *store.View) error { d, err = v.Draft(string(keyOf(by))); return err })
	return d, err
}

func (p pages) PutDraft(ctx context.Context, d rights.Draft, by identity.Person) (rev uint64, err error) {
	err = p.store.Update(ctx, time.Now(), func(tx *store.Tx) error { rev, err = tx.PutDraft(string(keyOf(by)), d); return err })
	return rev, rightsRefusal(err)
}

func (p pages) ReportTaken(ctx context.Context, what map[string]string, by identity.Person) error {
	return p.recorder.Act(ctx, whoIs(by), change.Entry{Act: "rights.report_taken", Object: "policy/" + what["policy"], Detail: what}, func(*store.Tx) error { return nil })
}

// ---- Reviews ----

func reviewOf(r store.Review) dashboard.Review {
	out := dashboard.Review{ID: r.ID, Title: r.Title, Due: r.Due, StartedBy: r.StartedBy, StartedAt: r.StartedAt, ClosedBy: r.ClosedBy, ClosedAt: r.ClosedAt, Result: r.Result,
		Items: r.Items, Decided: r.Decided, Withdrawn: r.Withdrawn}
	if len(r.Result) > 0 {
		sum := sha256.Sum256(r.Result)
		out.Hash = hex.EncodeToString(sum[:])
	}
	return out
}

func (p pages) Reviews(ctx context.Context) (out []dashboard.Review, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		all, err := v.Reviews()
		for _, r := range all {
			out = append(out, reviewOf(r))
		}
		return err
	})
	return out, err
}

func (p pages) Review(ctx context.Context, id int64) (r dashboard.Review, items []rights.Item, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		stored, err := v.Review(id)
		if err != nil {
			return err
		}
		r = reviewOf(stored)
		items, err = v.ReviewItems(id)
		return err
	})
	return r, items, shown(err)
}

func reviewObject(id int64) string { return "review/" + strconv.FormatInt(id, 10) }

func (p pages) StartReview(ctx context.Context, title string, due stock.Date, by identity.Person) (id int64, err error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return 0, err
	}
	entry := change.Entry{Act: "review.started", Detail: map[string]string{"title": title, "due": string(due)}}
	who := whoIs(by)
	err = p.store.Update(ctx, p.recorder.Clock(), func(tx *store.Tx) error {
		policy, err := tx.Policy()
		if err != nil {
			return err
		}
		items := rights.Questions(policy, people)
		if len(items) == 0 {
			return &rights.Refusal{Words: access.Text{ZH: "没有人拥有任何角色，没有可复核的。", EN: "Nobody has a role: there is nothing to review."}}
		}
		if id, err = tx.StartReview(title, due, who.Actor, items); err != nil {
			return err
		}
		entry.Object, entry.Detail["items"] = reviewObject(id), strconv.Itoa(len(items))
		return p.recorder.Record(tx, who, entry)
	})
	return id, rightsRefusal(err)
}

func (p pages) ReviewHeadquarters(ctx context.Context, by identity.Person) (bool, error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return false, err
	}
	n := slices.IndexFunc(people, func(one rights.Person) bool { return one.Account == keyOf(by) })
	if n < 0 {
		return false, nil
	}
	now, err := p.PolicyNow(ctx)
	if err != nil {
		return false, err
	}
	e, err := access.Compile(now.Policy)
	if err != nil {
		return false, err
	}
	at := p.Now()
	from, _ := netip.ParseAddr(by.Address)
	return e.Decide(access.Request{Subject: &people[n].Subject, Permission: dashboard.ReviewAnswer, Time: at, Known: at, Address: from, StepUp: at, ClockTrusted: true, InContact: true}).Allowed, nil
}

func (p pages) AnswerReview(ctx context.Context, review, item int64, verdict access.Verdict, note string, by identity.Person) error {
	people, err := p.Staff(ctx)
	if err != nil {
		return err
	}
	headquarters, err := p.ReviewHeadquarters(ctx, by)
	if err != nil {
		return err
	}
	me := rights.Person{}
	if n := slices.IndexFunc(people, func(one rights.Person) bool { return one.Account == keyOf(by) }); n >= 0 {
		me = people[n]
	}
	who, outcome, about := whoIs(by), rights.Open, rights.Item{}
	entry := change.Entry{Act: "review.answered", Object: reviewObject(review), Detail: map[string]string{"item": strconv.FormatInt(item, 10), "verdict": string(verdict), "note": note}}
	err = p.recorder.Act(ctx, who, entry, func(tx *store.Tx) error {
		items, err := tx.ReviewItems(review)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(items, func(i rights.Item) bool { return i.ID == item })
		if n < 0 {
			return store.ErrNotFound
		}
		about = items[n]
		if !rights.MayAnswer(about, me, headquarters, people) {
			return web.Fail(http.StatusForbidden, "reviews.not_yours")
		}
		same := itemsOf(items, about)
		if rights.Judge(same) == rights.Withdraw {
			return web.Fail(http.StatusConflict, "reviews.withdrawn_already")
		}
		for i := range same {
			if same[i].ID == item {
				same[i].Verdict = verdict
			}
		}
		if outcome = rights.Judge(same); outcome == rights.Withdraw {
			policy, err := tx.Policy()
			if err != nil {
				return err
			}
			if err := rights.CheckWithdrawal(policy, people, about.Account, about.Role, tx.Now()); err != nil {
				return err
			}
		}
		if outcome == rights.Disputed {
			hq := about
			hq.Warehouse = ""
			if err := tx.AskReview(review, hq); err != nil {
				return err
			}
		}
		entry.Detail["account"], entry.Detail["role"], entry.Detail["warehouse"] = string(about.Account), string(about.Role), string(about.Warehouse)
		return tx.AnswerReview(review, item, verdict, who.Actor, note)
	})
	if err != nil || outcome != rights.Withdraw {
		return rightsRefusal(err)
	}
	// What is said is committed; should this fail, the page shows that it is not in effect, and closing does it again.
	_, err = p.accounts.WithdrawRole(ctx, by, about.Name, string(about.Role), entry.Object)
	return rightsRefusal(err)
}

// itemsOf returns copies of those items that are about the same role in the same hand.
func itemsOf(items []rights.Item, like rights.Item) (same []rights.Item) {
	for _, i := range items {
		if i.Account == like.Account && i.Role == like.Role {
			same = append(same, i)
		}
	}
	return same
}

// left returns the withdrawals of a review that are not in effect, one for each role in a hand.
func (p pages) left(ctx context.Context, items []rights.Item) (out []rights.Item, err error) {
	people, err := p.Staff(ctx)
	if err != nil {
		return nil, err
	}
	seen := map[[2]string]bool{}
	for _, i := range items {
		key := [2]string{string(i.Account), string(i.Role)}
		if seen[key] || rights.Judge(itemsOf(items, i)) != rights.Withdraw {
			continue
		}
		seen[key] = true
		if slices.ContainsFunc(people, func(one rights.Person) bool { return one.Account == i.Account && slices.Contains(one.Roles, i.Role) }) {
			out = append(out, i)
		}
	}
	return out, nil
}

func (p pages) CloseReview(ctx context.Context, review int64, by identity.Person) error {
	r, items, err := p.Review(ctx, review)
	if err != nil {
		return err
	}
	if !r.Open() {
		return rightsRefusal(store.ErrReviewClosed)
	}
	left, err := p.left(ctx, items)
	if err != nil {
		return err
	}
	for _, i := range left {
		if i.Account == keyOf(by) { // nobody takes a role from themselves: the result says that it is not in effect
			continue
		}
		if _, err := p.accounts.WithdrawRole(ctx, by, i.Name, string(i.Role), reviewObject(review)); err != nil && !errors.Is(err, identity.ErrNobody) {
			return rightsRefusal(err)
		}
	}
	if left, err = p.left(ctx, items); err != nil {
		return err
	}
	who := whoIs(by)
	entry := change.Entry{Act: "review.closed", Object: reviewObject(review), Detail: map[string]string{}}
	err = p.recorder.Act(ctx, who, entry, func(tx *store.Tx) error {
		items, err := tx.ReviewItems(review)
		if err != nil {
			return err
		}
		policy, err := tx.Policy()
		if err != nil {
			return err
		}
		result := access.Review{Org: string(p.ring.Org), ID: uint64(review), Title: r.Title, Policy: policy.Version, Started: r.StartedAt.UnixMilli(), StartedBy: access.Account(r.StartedBy), // #nosec G115 -- from 1
			Due: r.Due, Closed: tx.Now().UnixMilli(), ClosedBy: access.Account(who.Actor)}
		count := map[access.Verdict]int{}
		for _, i := range items {
			count[i.Verdict]++
			result.Items = append(result.Items, access.ReviewItem{Account: i.Account, Display: i.Display, Role: i.Role, Names: i.Names, Warehouse: i.Warehouse, Verdict: i.Verdict,
				By: access.Account(i.By), At: i.At, Note: i.Note, InEffect: rights.Judge(itemsOf(items, i)) == rights.Withdraw &&
					!slices.ContainsFunc(left, func(l rights.Item) bool { return l.Account == i.Account && l.Role == i.Role })})
		}
		signed, err := access.SealReview(p.ring.Log, result)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(signed)
		entry.Detail["sha256"] = hex.EncodeToString(sum[:])
		for _, v := range []access.Verdict{access.Confirmed, access.Withdrawn, access.Undecided} {
			entry.Detail[string(v)] = strconv.Itoa(count[v])
		}
		return tx.CloseReview(review, who.Actor, signed)
	})
	return rightsRefusal(err)
}

func (p pages) ReviewKey() string {
	return base64.StdEncoding.EncodeToString(p.ring.Log.Public().(ed25519.PublicKey))
}

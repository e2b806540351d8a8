package dashboard

import (
	"errors"
	"net/netip"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// deltaView is a rights.Delta for a page.
type deltaView struct {
	Name   string
	Rule   bool // it is about an exclusion
	Kind   rights.Kind
	Lines  []lineView
	People []string
}

type lineView struct {
	Kind rights.Kind
	Text string
}

func deltaViews(v *web.Visit, deltas []rights.Delta) (out []deltaView) {
	lang := string(v.Lang)
	for _, d := range deltas {
		one := deltaView{Name: d.Names.In(lang), Rule: d.Role == "", Kind: d.Kind, People: names(d.People)}
		for _, l := range d.Lines {
			one.Lines = append(one.Lines, lineView{l.Kind, l.Words.In(lang)})
		}
		out = append(out, one)
	}
	return out
}

func names(people []rights.Person) []string {
	out := make([]string, len(people))
	for i, p := range people {
		out[i] = p.Called()
	}
	return out
}

type clashView struct {
	Text string
	New  bool
}

func (d *dashboard) clashes(v *web.Visit, old, next access.Policy, people []rights.Person) (out []clashView, fresh bool, err error) {
	all, err := rights.Clashes(old, next, people, d.Now())
	for _, c := range all {
		out = append(out, clashView{c.Words.In(string(v.Lang)), c.New})
		fresh = fresh || c.New
	}
	return out, fresh, err
}

type changesPage struct {
	Base, Newest, Rev uint64
	Stale             bool
	Theirs            []deltaView     // what others saved since the draft was begun
	Since             []PolicyEdition // in which editions
	Both              []string        // what both changed differently
	Deltas            []deltaView
	Affected          []string
	Clashes           []clashView
	Fresh             bool // some clashes are new
	Separation        bool // the three administrators would no longer be kept apart
	Note              string
	Problem           string
}

func (d *dashboard) getChanges(v *web.Visit) error { return d.showChanges(v, changesPage{}) }

func (d *dashboard) showChanges(v *web.Visit, page changesPage) error {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	next := draft.Apply(base.Policy)
	page.Separation = rights.GivesUpSeparation(now.Policy, next)
	deltas := rights.Diff(base.Policy, next, people)
	page.Base, page.Newest, page.Rev, page.Stale = draft.Base, now.Version, draft.Rev, draft.Base != now.Version
	page.Deltas, page.Affected = deltaViews(v, deltas), names(rights.Affected(deltas))
	if page.Clashes, page.Fresh, err = d.clashes(v, base.Policy, next, people); err != nil {
		return err
	}
	if page.Stale {
		page.Theirs = deltaViews(v, rights.Diff(base.Policy, now.Policy, people))
		_, both := draft.Rebase(base.Policy, now.Policy)
		for _, b := range both {
			text := b.Role.In(string(v.Lang))
			if w := b.Words.In(string(v.Lang)); w != "" {
				text += " · " + w
			}
			page.Both = append(page.Both, text)
		}
		editions, err := d.Policies(v.UserContext(), mostEditions)
		if err != nil {
			return err
		}
		for _, e := range editions {
			if e.Version > draft.Base {
				page.Since = append(page.Since, e)
			}
		}
	} else if page.Problem == "" && len(deltas) > 0 {
		if r := (*rights.Refusal)(nil); errors.As(rights.CheckSave(now.Policy, next, people, addressOf(v), d.Now()), &r) {
			page.Problem = r.Words.In(string(v.Lang))
		}
	}
	return v.Page("changes", page)
}

func addressOf(v *web.Visit) netip.Addr {
	a, _ := netip.ParseAddr(v.Address()) // the zero address is in no network
	return a
}

func (d *dashboard) discardDraft(v *web.Visit) error {
	draft, err := d.Draft(v.UserContext(), v.Person)
	if err != nil {
		return err
	}
	if _, err := d.PutDraft(v.UserContext(), rights.Draft{Rev: draft.Rev}, v.Person); err != nil {
		return refused(v, err)
	}
	return v.See("/rights")
}

func (d *dashboard) rebaseDraft(v *web.Visit) error {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	next, _ := draft.Rebase(base.Policy, now.Policy)
	if _, err := d.PutDraft(v.UserContext(), next, v.Person); err != nil {
		return refused(v, err)
	}
	return v.See("/rights/changes")
}

func (d *dashboard) saveRights(v *web.Visit) error {
	page := changesPage{Note: v.Form("note")}
	again := func(status int, key string) error {
		page.Problem = v.T(key, nil)
		v.Status(status)
		return d.showChanges(v, page)
	}
	now, base, draft, err := d.drafted(v)
	switch {
	case err != nil:
		return err
	case draft.Empty():
		return again(fiber.StatusConflict, "rights.no_changes")
	case v.Form("rev") != strconv.FormatUint(draft.Rev, 10):
		return again(fiber.StatusConflict, "rights.draft_moved")
	case draft.Base != now.Version:
		return again(fiber.StatusConflict, "rights.saved_meanwhile")
	}
	next := draft.Apply(base.Policy)
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	if _, fresh, err := d.clashes(v, now.Policy, next, people); err != nil {
		return err
	} else if fresh && v.Form("clashes") != "1" {
		return again(fiber.StatusUnprocessableEntity, "rights.clashes_unread")
	}
	if rights.GivesUpSeparation(now.Policy, next) && v.Form("separation") != "1" {
		return again(fiber.StatusUnprocessableEntity, "rights.separation_unread")
	}
	version, err := d.SavePolicy(v.UserContext(), next, page.Note, true, v.Person)
	var r *rights.Refusal
	switch {
	case errors.As(err, &r):
		page.Problem = r.Words.In(string(v.Lang))
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showChanges(v, page)
	case errors.Is(err, ErrPolicyChanged):
		return again(fiber.StatusConflict, "rights.saved_meanwhile")
	case err != nil:
		return err
	}
	return v.See("/rights/history?saved=" + strconv.FormatUint(version, 10))
}

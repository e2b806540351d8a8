package dashboard

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Permissions of the pages about rights.
const (
	RolesRead    = "role.read"
	RolesWrite   = "role.write"
	RightsReport = "access.report"
	ReviewAnswer = "access.review"
	ReviewManage = "access.campaign"
)

// PolicyEdition is an edition of the policy. Version 0 is what a company begins with.
type PolicyEdition struct {
	access.Policy
	By   string
	At   time.Time
	Note string
}

// Link returns the address of the edition's page.
func (e PolicyEdition) Link() string { return "/rights/history/" + strconv.FormatUint(e.Version, 10) }

// Errors of Rights.
var (
	ErrPolicyChanged = errors.New("somebody else has saved the policy meanwhile")
	ErrDraftChanged  = errors.New("the draft was changed in another window meanwhile")
)

// Rights is what the pages about roles and rights read and do. What must not be saved is a *rights.Refusal.
type Rights interface {
	// Now returns the present time, in the company's time zone.
	Now() time.Time
	// Policy returns an edition of the policy: 0 is the one that a company begins with.
	Policy(ctx context.Context, version uint64) (PolicyEdition, error)
	PolicyNow(ctx context.Context) (PolicyEdition, error)
	// Policies returns editions, the newest first, at most so many.
	Policies(ctx context.Context, most int) ([]PolicyEdition, error)
	// SavePolicy makes p, which was made of the edition p.Version, the one that counts. With drafted it empties the draft of by too.
	// ErrPolicyChanged says that there is a newer one.
	SavePolicy(ctx context.Context, p access.Policy, note string, drafted bool, by identity.Person) (uint64, error)
	// Places returns the warehouses that there are, for a form to choose from.
	Places(ctx context.Context) ([]stock.Warehouse, error)
	// Staff returns everybody with an account.
	Staff(ctx context.Context) ([]rights.Person, error)

	Draft(ctx context.Context, by identity.Person) (rights.Draft, error)
	// PutDraft keeps a draft and returns its revision. ErrDraftChanged says that d.Rev is not the one that is kept.
	PutDraft(ctx context.Context, d rights.Draft, by identity.Person) (uint64, error)
	// ReportTaken records that somebody has taken the report of who can do what out of the house.
	ReportTaken(ctx context.Context, what map[string]string, by identity.Person) error

	Reviews(ctx context.Context) ([]Review, error)
	Review(ctx context.Context, id int64) (Review, []rights.Item, error)
	StartReview(ctx context.Context, title string, due stock.Date, by identity.Person) (int64, error)
	AnswerReview(ctx context.Context, review, item int64, verdict access.Verdict, note string, by identity.Person) error
	CloseReview(ctx context.Context, review int64, by identity.Person) error
	// ReviewHeadquarters reports whether somebody answers for headquarters.
	ReviewHeadquarters(ctx context.Context, by identity.Person) (bool, error)
	// ReviewKey returns the key that signs results, as base64.
	ReviewKey() string
}

func (d *dashboard) rightsRoutes() []web.Route {
	// A draft has no effect, so that it asks for no factor; only those who may save one have it, see mayDraft.
	return []web.Route{
		{Method: "GET", Path: "/rights", Permission: RolesRead, Handler: d.getRights},
		{Method: "POST", Path: "/api/v1/rights/draft", Permission: RolesRead, Handler: mayDraft(d.apiDraft)},
		{Method: "GET", Path: "/rights/changes", Permission: RolesRead, Handler: mayDraft(d.getChanges)},
		{Method: "POST", Path: "/rights/discard", Permission: RolesRead, Handler: mayDraft(d.discardDraft)},
		{Method: "POST", Path: "/rights/rebase", Permission: RolesRead, Handler: mayDraft(d.rebaseDraft)},
		{Method: "POST", Path: "/rights/save", Permission: RolesWrite, Handler: d.saveRights, Fresh: true},
		{Method: "GET", Path: "/rights/history", Permission: RolesRead, Handler: d.getHistory},
		{Method: "GET", Path: "/rights/history/:version", Permission: RolesRead, Handler: d.getEdition},
		{Method: "POST", Path: "/rights/return", Permission: RolesWrite, Handler: d.returnTo, Fresh: true},
		{Method: "GET", Path: "/rights/see", Permission: RightsReport, Handler: d.getSee},
		{Method: "GET", Path: "/rights/why", Permission: RightsReport, Handler: d.getWhy},
		{Method: "GET", Path: "/rights/report", Permission: RightsReport, Handler: d.getReport},
		{Method: "GET", Path: "/rights/report.csv", Permission: RightsReport, Handler: d.getReportCSV},
		{Method: "GET", Path: "/reviews", Permission: ReviewAnswer, Handler: d.getReviews},
		{Method: "POST", Path: "/reviews", Permission: ReviewManage, Handler: d.startReview, Fresh: true},
		{Method: "GET", Path: "/reviews/:id", Permission: ReviewAnswer, Handler: d.getReview},
		{Method: "POST", Path: "/reviews/:id/answer", Permission: ReviewAnswer, Handler: d.answerReview},
		{Method: "POST", Path: "/reviews/:id/close", Permission: ReviewManage, Handler: d.closeReview, Fresh: true},
		{Method: "GET", Path: "/reviews/:id/result", Permission: ReviewAnswer, Handler: d.getResult},
	}
}

// mayDraft lets those through who may save what they draft, once they have given a factor again.
func mayDraft(h web.Handler) web.Handler {
	return func(v *web.Visit) error {
		if !v.May(RolesWrite) {
			return web.Fail(fiber.StatusForbidden, "error.forbidden")
		}
		return h(v)
	}
}

// ---- What the editor's script is given ----

// roleDoc is a role as the script has it.
type roleDoc struct {
	ID     access.RoleID `json:"id"`
	ZH     string        `json:"zh"`
	EN     string        `json:"en"`
	Grants []grantDoc    `json:"grants"`
}

type grantDoc struct {
	P      access.Permission                        `json:"p"`
	Fields map[access.FieldClass]access.FieldAccess `json:"f,omitempty"`
	Reach  access.Reach                             `json:"reach"`
	Places []stock.Warehouse                        `json:"places,omitempty"`
	Whose  access.Whose                             `json:"whose"`
	StepUp uint32                                   `json:"stepup,omitempty"` // seconds
	Nets   []string                                 `json:"nets,omitempty"`
	Hours  []string                                 `json:"hours,omitempty"`
}

func docOf(r access.Role) roleDoc {
	doc := roleDoc{ID: r.ID, ZH: r.Names.ZH, EN: r.Names.EN, Grants: []grantDoc{}}
	for _, g := range r.Grants {
		one := grantDoc{P: g.Permission, Fields: g.Fields, Reach: g.Scope.Reach, Places: g.Scope.Warehouses, Whose: g.Scope.Whose, StepUp: g.Condition.StepUp}
		for _, n := range g.Condition.Networks {
			one.Nets = append(one.Nets, n.String())
		}
		for _, h := range g.Condition.Hours {
			one.Hours = append(one.Hours, h.String())
		}
		doc.Grants = append(doc.Grants, one)
	}
	return doc
}

// badText is a part of a role that can not be read as it was typed.
type badText struct{ key, text string }

// role reads what the script sends. The second result says what can not be read.
func (r roleDoc) role() (access.Role, *badText) {
	role := access.Role{ID: r.ID, Names: access.Text{ZH: strings.TrimSpace(r.ZH), EN: strings.TrimSpace(r.EN)}}
	for _, g := range r.Grants {
		one := access.Grant{Permission: g.P, Fields: g.Fields, Scope: access.Scope{Reach: g.Reach, Whose: g.Whose}, Condition: access.Condition{StepUp: g.StepUp}}
		if g.Reach == access.Listed {
			one.Scope.Warehouses = slices.Clone(g.Places)
			slices.Sort(one.Scope.Warehouses)
			one.Scope.Warehouses = slices.Compact(one.Scope.Warehouses)
		}
		for _, text := range g.Nets {
			n, err := netip.ParsePrefix(text)
			if err != nil {
				if a, err2 := netip.ParseAddr(text); err2 == nil && a.Zone() == "" {
					n, err = netip.PrefixFrom(a, a.BitLen()), nil
				}
			}
			if err != nil {
				return role, &badText{"rights.bad_network", text}
			}
			one.Condition.Networks = append(one.Condition.Networks, access.Network{Prefix: n.Masked()})
		}
		for _, text := range g.Hours {
			h, err := access.ParseHours(text)
			if err != nil {
				return role, &badText{"rights.bad_hours", text}
			}
			one.Condition.Hours = append(one.Condition.Hours, h)
		}
		role.Grants = append(role.Grants, one)
	}
	return role, nil
}

type rightsPage struct {
	Version uint64
	At      time.Time
	By      string
	Stale   bool // somebody else saved after the draft was begun
	Changed int  // roles that the draft changes
	May     bool
	Data    rightsData
}

type rightsData struct {
	Base    uint64              `json:"base"`
	Rev     uint64              `json:"rev"`
	May     bool                `json:"may"`
	Groups  []groupDoc          `json:"groups"`
	Classes []classDoc          `json:"classes"`
	Roles   []roleDoc           `json:"roles"`
	Saved   []roleDoc           `json:"saved"` // as the edition has them that the draft was made of
	Ready   []roleDoc           `json:"ready"`
	Holders map[string][]string `json:"holders"` // who has each role
	Places  []stock.Warehouse   `json:"places"`
	Lang    string              `json:"lang"`
	Texts   map[string]string   `json:"texts"`
}

type groupDoc struct {
	Title       string    `json:"title"`
	Permissions []permDoc `json:"permissions"`
}

type permDoc struct {
	ID         access.Permission `json:"id"`
	Title      string            `json:"title"`
	Privileged bool              `json:"privileged"`
}

type classDoc struct {
	ID    access.FieldClass `json:"id"`
	Title string            `json:"title"`
}

// rightsTexts are the texts that the script needs.
var rightsTexts = []string{"none", "cell_all", "cell_home", "cell_listed", "cell_own", "cell_customers", "cell_many", "reach", "reach_1", "reach_2", "reach_3", "whose", "whose_1", "whose_2", "whose_4", "whose_6",
	"fields", "access_0", "access_1", "access_2", "access_3", "stepup", "stepup_hint", "networks", "networks_hint", "hours", "hours_hint", "places", "rule", "add_rule", "remove_rule", "take_away", "close", "name_zh", "name_en",
	"copy_role", "delete_role", "restore_role", "delete_held", "unsaved", "saving", "kept", "offline", "session", "reload", "people_have", "nobody_has", "privileged", "edit_role", "changed",
	"conditions", "all_fields", "restore_missing", "day_1", "day_2", "day_3", "day_4", "day_5", "day_6", "day_7", "add_hours", "from", "to", "remove", "hours_more", "only_read", "day", "grants"}

func roleDocs(roles []access.Role) []roleDoc {
	out := []roleDoc{}
	for _, r := range roles {
		if !r.Withdrawn {
			out = append(out, docOf(r))
		}
	}
	return out
}

// drafted returns the newest edition, the draft of the reader, and what the draft was made of.
func (d *dashboard) drafted(v *web.Visit) (now, base PolicyEdition, draft rights.Draft, err error) {
	if now, err = d.PolicyNow(v.UserContext()); err != nil {
		return now, base, draft, err
	}
	if draft, err = d.Draft(v.UserContext(), v.Person); err != nil {
		return now, base, draft, err
	}
	base = now
	if draft.Empty() {
		draft.Base = now.Version
	} else if draft.Base != now.Version {
		base, err = d.Policy(v.UserContext(), draft.Base)
	}
	return now, base, draft, err
}

func (d *dashboard) getRights(v *web.Visit) error {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	places, err := d.Places(v.UserContext())
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	page := rightsPage{Version: now.Version, At: now.At, By: now.By, Stale: draft.Base != now.Version, Changed: len(draft.Put) + len(draft.Removed), May: v.May(RolesWrite)}
	page.Data = rightsData{Base: draft.Base, Rev: draft.Rev, May: page.May, Roles: roleDocs(draft.Apply(base.Policy).Roles), Saved: roleDocs(base.Roles), Ready: roleDocs(access.Ready().Roles),
		Holders: map[string][]string{}, Places: list(places), Lang: lang, Texts: map[string]string{}}
	for _, g := range access.Groups() {
		doc := groupDoc{Title: g.Title.In(lang)}
		for _, p := range g.Permissions {
			doc.Permissions = append(doc.Permissions, permDoc{p.Permission, p.Title.In(lang), p.Privileged})
		}
		page.Data.Groups = append(page.Data.Groups, doc)
	}
	for _, c := range access.Classes() {
		page.Data.Classes = append(page.Data.Classes, classDoc{c, c.Title().In(lang)})
	}
	for _, p := range people {
		for _, r := range p.Roles {
			page.Data.Holders[string(r)] = append(page.Data.Holders[string(r)], p.Called())
		}
	}
	for _, key := range rightsTexts {
		page.Data.Texts[key] = v.T("rights."+key, nil)
	}
	for _, key := range []string{"copy_of", "new_role"} { // a role has names in both languages
		page.Data.Texts[key+"_zh"], page.Data.Texts[key+"_en"] = v.In(web.Chinese, "rights."+key, nil), v.In(web.English, "rights."+key, nil)
	}
	return v.Page("rights", page)
}

// apiDraft takes a role into the draft, or a role out of it.
func (d *dashboard) apiDraft(v *web.Visit) error {
	var order struct {
		Base   uint64        `json:"base"`
		Rev    uint64        `json:"rev"`
		Role   *roleDoc      `json:"role"`
		Remove access.RoleID `json:"remove"`
	}
	if err := v.ReadJSON(&order); err != nil {
		return err
	}
	if (order.Role == nil) == (order.Remove == "") {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	_, base, draft, err := d.drafted(v)
	if err != nil {
		return err
	}
	if draft.Rev != order.Rev || draft.Base != order.Base {
		return web.Fail(fiber.StatusConflict, "rights.draft_changed")
	}
	if order.Role != nil {
		role, bad := order.Role.role()
		if bad != nil {
			return web.Fail(fiber.StatusUnprocessableEntity, bad.key, "text", bad.text)
		}
		if err := rights.CheckRole(role); err != nil {
			return refused(v, err)
		}
		draft = draft.With(base.Policy, role)
	} else {
		draft = draft.Without(base.Policy, order.Remove)
	}
	if len(draft.Put)+len(draft.Removed) > 2*rights.MostRoles {
		return web.Fail(fiber.StatusUnprocessableEntity, "rights.too_many_roles", "most", strconv.Itoa(rights.MostRoles))
	}
	rev, err := d.PutDraft(v.UserContext(), draft, v.Person)
	if err != nil {
		return refused(v, err)
	}
	return v.JSON(struct {
		Rev     uint64 `json:"rev"`
		Changed int    `json:"changed"`
	}{rev, len(draft.Put) + len(draft.Removed)})
}

// refused turns what was refused into what the reader is told.
func refused(v *web.Visit, err error) error {
	var r *rights.Refusal
	switch {
	case errors.As(err, &r):
		return web.Fail(fiber.StatusUnprocessableEntity, "rights.refused", "why", r.Words.In(string(v.Lang))).Because(err)
	case errors.Is(err, ErrDraftChanged):
		return web.Fail(fiber.StatusConflict, "rights.draft_changed").Because(err)
	case errors.Is(err, ErrPolicyChanged):
		return web.Fail(fiber.StatusConflict, "rights.saved_meanwhile").Because(err)
	}
	return err
}

// ---- Before saving ----

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

// ---- History ----

// mostEditions is how many editions the history lists.
const mostEditions = 100

type historyPage struct {
	Rows  []editionRow
	Saved bool
	More  bool
}

type editionRow struct {
	PolicyEdition
	Newest bool
	Roles  int
}

func (d *dashboard) getHistory(v *web.Visit) error {
	all, err := d.Policies(v.UserContext(), mostEditions+1)
	if err != nil {
		return err
	}
	page := historyPage{More: len(all) > mostEditions}
	for i, e := range all[:min(len(all), mostEditions)] {
		page.Rows = append(page.Rows, editionRow{PolicyEdition: e, Newest: i == 0, Roles: len(e.Roles)})
	}
	if !page.More { // what everything began with
		first, err := d.Policy(v.UserContext(), 0)
		if err != nil {
			return err
		}
		page.Rows = append(page.Rows, editionRow{PolicyEdition: first, Newest: len(all) == 0, Roles: len(first.Roles)})
	}
	page.Saved = len(all) > 0 && v.Query("saved") == strconv.FormatUint(all[0].Version, 10)
	return v.Page("rights-history", page)
}

type editionPage struct {
	Edition  PolicyEdition
	Newest   uint64
	Deltas   []deltaView // what returning to it would change
	Did      []deltaView // what it changed when it was saved
	Affected []string
	Clashes  []clashView
	May      bool
	Note     string
	Problem  string
}

func (d *dashboard) getEdition(v *web.Visit) error {
	version, err := strconv.ParseUint(v.Params("version"), 10, 63)
	if err != nil {
		return web.NotFound()
	}
	return d.showEdition(v, version, editionPage{})
}

func (d *dashboard) showEdition(v *web.Visit, version uint64, page editionPage) error {
	var err error
	if page.Edition, err = d.Policy(v.UserContext(), version); err != nil {
		return err
	}
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return err
	}
	deltas := rights.Diff(now.Policy, page.Edition.Policy, people)
	page.Newest, page.Deltas, page.Affected, page.May = now.Version, deltaViews(v, deltas), names(rights.Affected(deltas)), v.May(RolesWrite)
	if page.Clashes, _, err = d.clashes(v, now.Policy, page.Edition.Policy, people); err != nil {
		return err
	}
	if version > 0 {
		before, err := d.Policy(v.UserContext(), version-1)
		if err != nil {
			return err
		}
		page.Did = deltaViews(v, rights.Diff(before.Policy, page.Edition.Policy, nil))
	}
	return v.Page("rights-edition", page)
}

// returnTo saves an older edition as the newest.
func (d *dashboard) returnTo(v *web.Visit) error {
	version, err1 := strconv.ParseUint(v.Form("version"), 10, 63)
	base, err2 := strconv.ParseUint(v.Form("base"), 10, 63)
	if err1 != nil || err2 != nil {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	old, err := d.Policy(v.UserContext(), version)
	if err != nil {
		return err
	}
	p := old.Policy
	p.Version = base
	note := v.Form("note")
	saved, err := d.SavePolicy(v.UserContext(), p, note, false, v.Person)
	var r *rights.Refusal
	switch {
	case errors.As(err, &r):
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showEdition(v, version, editionPage{Note: note, Problem: r.Words.In(string(v.Lang))})
	case errors.Is(err, ErrPolicyChanged):
		v.Status(fiber.StatusConflict)
		return d.showEdition(v, version, editionPage{Note: note, Problem: v.T("rights.saved_meanwhile", nil)})
	case err != nil:
		return err
	}
	return v.See("/rights/history?saved=" + strconv.FormatUint(saved, 10))
}

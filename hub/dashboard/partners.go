package dashboard

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/partners"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// Partners is what the pages need of suppliers and customers. What they return is what who may see; a decision that went against who is a
// *partners.Denied.
type Partners interface {
	Partners(ctx context.Context, who identity.Person, side partners.Side, q partners.Query) (partners.Page, error)
	Partner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) (partners.Shown, error)
	// PartnerForm returns a partner as who may change it, with an empty code a new one.
	PartnerForm(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) (partners.Shown, error)
	PutPartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, f partners.Form) (access.Customer, error)
	// PartnerHistory returns the versions, the newest first.
	PartnerHistory(ctx context.Context, who identity.Person, side partners.Side, code access.Customer) ([]partners.Shown, error)
	ErasePartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, f partners.EraseForm) error
	// UnmaskPartner returns a partner with one masked field whole, and records why.
	UnmaskPartner(ctx context.Context, who identity.Person, side partners.Side, code access.Customer, u access.Unmasking) (partners.Shown, error)
	// Unmaskings returns who has seen what is masked, the newest first.
	Unmaskings(ctx context.Context, q UnmaskQuery) (UnmaskPage, error)
}

// UnmaskQuery asks who has looked behind masks. Zero fields do not restrict.
type UnmaskQuery struct {
	Account string
	Subject string
	Limit   int
	Before  string // Next of the page before
}

// Unmasked is a value that somebody has seen for a reason; it is not told itself.
type Unmasked struct {
	Account access.Account    `json:"account"`
	At      time.Time         `json:"at"`
	Kind    string            `json:"kind"`
	Subject string            `json:"subject"`
	Field   string            `json:"field"`
	Class   access.FieldClass `json:"class"`
	Purpose string            `json:"purpose"`
	Reason  string            `json:"reason"`
}

// UnmaskPage is a part of the answer; Next asks for the following one, empty at the end.
type UnmaskPage struct {
	Rows []Unmasked `json:"unmaskings"`
	Next string     `json:"next"`
}

// desk serves partners of one side.
type partnerDesk struct {
	*dashboard
	side partners.Side
	base string // address of the pages
}

func partnerBase(s partners.Side) string { return "/" + string(s) + "s" }

func (d *dashboard) partnerRoutes() []web.Route {
	routes := []web.Route{
		{Method: "GET", Path: "/unmaskings", Permission: "audit.read", Handler: d.getUnmaskings},
		{Method: "GET", Path: "/api/v1/unmaskings", Permission: "audit.read", Handler: d.apiUnmaskings},
	}
	for _, side := range partners.Sides() {
		p := &partnerDesk{d, side, partnerBase(side)}
		read, write, api := string(side.Read()), string(side.Write()), "/api/v1"+p.base
		see := func(path string, h web.Handler) web.Route {
			return web.Route{Method: "GET", Path: path, Permission: read, Handler: p.known(h)}
		}
		change := func(method, path string, h web.Handler) web.Route {
			return web.Route{Method: method, Path: path, Permission: write, Handler: p.known(h, side.Write())}
		}
		routes = append(routes,
			see(p.base, p.list), see(p.base+"/:id", p.get), see(p.base+"/:id/history", p.history),
			change("GET", p.base+"/-/new", p.blank), change("POST", p.base, p.post), change("GET", p.base+"/:id/edit", p.edit), change("POST", p.base+"/:id", p.post),
			web.Route{Method: "POST", Path: p.base + "/:id/erase", Permission: string(partners.Erase), Handler: p.known(p.erase, partners.Erase), Fresh: true},
			web.UnmaskRoute(p.base+"/:id/unmask", p.known(p.unmask, access.Unmask)),
			see(api, p.apiList), see(api+"/:id", p.apiGet), see(api+"/:id/history", p.apiHistory),
			change("POST", api, p.apiPost), change("POST", api+"/:id", p.apiPost),
			web.UnmaskRoute(api+"/:id/unmask", p.known(p.apiUnmask, access.Unmask)))
	}
	return routes
}

// known is h for who may see partners of the side. It asks the shell for what the route goes by before anything is shown or done, so that the shell can put it on record.
func (p *partnerDesk) known(h web.Handler, permissions ...access.Permission) web.Handler {
	return func(v *web.Visit) error {
		if d := v.List(string(p.side.Read())); !d.Allowed && d.Reason != access.StepUpNeeded {
			return web.NotFound()
		}
		for _, permission := range permissions {
			if d := v.List(string(permission)); !d.Allowed {
				return v.Refuse(string(permission), d.Reason)
			}
		}
		return h(v)
	}
}

func codeOf(v *web.Visit) access.Customer { return access.Customer(v.Params("id")) }

// answer returns what the reader is told of an error. A refusal is recorded; one to see a partner is answered as if there were none.
func (p *partnerDesk) answer(v *web.Visit, err error) error {
	var d *partners.Denied
	if errors.As(err, &d) {
		refused := v.Check(string(d.Permission), d.Resource)
		switch {
		case d.Permission == p.side.Read() && !d.List && d.Reason != access.StepUpNeeded:
			return web.NotFound().Because(err)
		case refused == nil: // the thing is open, the field is not
			return v.Refuse(string(d.Permission), d.Reason)
		}
		return refused
	}
	var f *web.Failure
	if errors.As(err, &f) && f.Args["field"] != "" {
		f.Args["field"] = v.Word(f.Args["field"])
	}
	return err
}

// ---- Pages ----

type partnersView struct {
	Side     partners.Side
	Base     string
	Page     partners.Page
	Query    partners.Query
	Columns  []string // fields that are shown of any row, besides the name
	More     string
	MayWrite bool
	MayTake  bool // export
}

func (p *partnerDesk) query(v *web.Visit, limit int) partners.Query {
	if n, err := strconv.Atoi(v.Query("limit")); err == nil && n > 0 && n < limit {
		limit = n
	}
	return partners.Query{Text: v.Query("q"), Field: v.Query("field"), State: v.Query("state"), After: access.Customer(v.Query("after")), Limit: limit}
}

func (p *partnerDesk) list(v *web.Visit) error {
	q := p.query(v, pageRows)
	page, err := p.Partners(v.UserContext(), v.Person, p.side, q)
	if err != nil {
		return p.answer(v, err)
	}
	view := partnersView{Side: p.side, Base: p.base, Page: page, Query: q, MayWrite: v.May(string(p.side.Write())),
		MayTake: p.side == partners.Customers && v.May(string(partners.Export)) && v.May("export.create")}
	for _, key := range []string{"contact", "phone", "email", "address"} {
		if slices.ContainsFunc(page.Rows, func(s partners.Shown) bool { return s.Value(key).Key != "" }) {
			view.Columns = append(view.Columns, key)
		}
	}
	if page.Next != "" {
		view.More = p.base + "?" + url.Values{"q": {q.Text}, "field": {q.Field}, "state": {q.State}, "after": {string(page.Next)}}.Encode()
	}
	return v.Page("partners", view)
}

type partnerView struct {
	partners.Shown
	Side    partners.Side
	Base    string
	Link    string // of the page
	New     bool
	Problem string
	Reason  string // for erasing, as it was typed
	History []partners.Shown
}

func (p *partnerDesk) view(s partners.Shown) partnerView {
	return partnerView{Shown: s, Side: p.side, Base: p.base, Link: p.base + "/" + url.PathEscape(string(s.Code))}
}

func (p *partnerDesk) get(v *web.Visit) error { return p.show(v, "", "") }

// show shows a partner, with what is wrong with an act on it.
func (p *partnerDesk) show(v *web.Visit, problem, reason string) error {
	s, err := p.Partner(v.UserContext(), v.Person, p.side, codeOf(v))
	if err != nil {
		return p.answer(v, err)
	}
	view := p.view(s)
	view.Problem, view.Reason = problem, reason
	return v.Page("partner", view)
}

// showProblem shows the partner with the sentence about what was typed.
func (p *partnerDesk) showProblem(v *web.Visit, err error) error {
	err = p.answer(v, err)
	if !aboutTyped(err) {
		return err
	}
	problem, _ := problemOf(v, err)
	return p.show(v, problem, v.Form("reason"))
}

// aboutTyped reports whether an error is about what was typed, so that it is shown beside it.
func aboutTyped(err error) bool {
	var f *web.Failure
	return errors.As(err, &f) && (f.Status == fiber.StatusUnprocessableEntity || f.Status == fiber.StatusConflict || f.Status == fiber.StatusTooManyRequests)
}

func (p *partnerDesk) history(v *web.Visit) error {
	list, err := p.PartnerHistory(v.UserContext(), v.Person, p.side, codeOf(v))
	if err != nil {
		return p.answer(v, err)
	}
	view := p.view(list[0])
	view.History = list
	return v.Page("partner-history", view)
}

// unmask shows the page with one masked field whole. What an earlier form said of other fields is not in it.
func (p *partnerDesk) unmask(v *web.Visit) error {
	s, err := p.UnmaskPartner(v.UserContext(), v.Person, p.side, codeOf(v), v.Unmasking())
	if err != nil {
		return p.showProblem(v, err)
	}
	return v.Page("partner", p.view(s))
}

func (p *partnerDesk) erase(v *web.Visit) error {
	code := codeOf(v)
	if err := p.ErasePartner(v.UserContext(), v.Person, p.side, code, partners.EraseForm{Reason: v.Form("reason"), Bank: v.Form("bank") == "1"}); err != nil {
		return p.showProblem(v, err)
	}
	return v.See(p.base + "/" + url.PathEscape(string(code)))
}

// ---- Who has looked behind masks ----

type unmaskView struct {
	UnmaskPage
	Query UnmaskQuery
	More  string
}

func unmaskQuery(v *web.Visit, limit int) UnmaskQuery {
	if n, err := strconv.Atoi(v.Query("limit")); err == nil && n > 0 && n < limit {
		limit = n
	}
	return UnmaskQuery{Account: strings.TrimSpace(v.Query("account")), Subject: strings.TrimSpace(v.Query("subject")), Before: v.Query("before"), Limit: limit}
}

func (d *dashboard) getUnmaskings(v *web.Visit) error {
	view := unmaskView{Query: unmaskQuery(v, pageRows)}
	var err error
	if view.UnmaskPage, err = d.Unmaskings(v.UserContext(), view.Query); err != nil {
		return err
	}
	if view.Next != "" {
		view.More = "/unmaskings?" + url.Values{"account": {view.Query.Account}, "subject": {view.Query.Subject}, "before": {view.Next}}.Encode()
	}
	return v.Page("unmaskings", view)
}

func (d *dashboard) apiUnmaskings(v *web.Visit) error {
	page, err := d.Unmaskings(v.UserContext(), unmaskQuery(v, mostPartners))
	if err != nil {
		return err
	}
	return v.JSON(page)
}

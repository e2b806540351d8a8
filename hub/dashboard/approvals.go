package dashboard

import (
	"context"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"stockade/hub/rights"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/approval"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Approvals is what the pages need of requests, their approvals and permissions for a time. What the reader may not see does not exist.
type Approvals interface {
	// Requests returns a list of requests, the newest first, for Waits the oldest.
	Requests(ctx context.Context, who identity.Person, list RequestList) ([]RequestRow, error)
	// WaitCount returns how many requests wait for an answer of who.
	WaitCount(ctx context.Context, who identity.Person) (int, error)
	// Request returns a request: one's own, one that waits for one's answer or has had it, and any for who may see all.
	Request(ctx context.Context, who identity.Person, id string, all bool) (RequestDoc, error)
	// Ask asks for a permission and returns the request's id; with an id it changes that request.
	Ask(ctx context.Context, who identity.Person, id string, f AskForm) (string, error)
	// Answer is a yes or no to a request as it was shown: hash is that of RequestDoc.
	Answer(ctx context.Context, who identity.Person, id string, hash change.Hash, yes bool, why string) error
	WithdrawRequest(ctx context.Context, who identity.Person, id string) error
	// EndGrant ends a permission before its time; anyones says that who may do so for everybody.
	EndGrant(ctx context.Context, who identity.Person, id string, anyones bool) error
	// NewAsk returns an empty form: until this time tomorrow.
	NewAsk() AskForm
}

// RequestList says which requests are listed.
type RequestList string

// The lists.
const (
	Mine  RequestList = "mine"
	Waits RequestList = "waiting" // for the reader's answer
	All   RequestList = "all"
)

// RequestRow is a request in a list.
type RequestRow struct {
	ID         string
	Kind       approval.Kind
	Account    access.Account
	Permission access.Permission
	Warehouses []stock.Warehouse
	Everywhere bool
	Fields     map[access.FieldClass]access.FieldAccess // that are to be opened
	Rows       int64                                    // of an export
	What       string                                   // kind of an export
	Price      *PriceAsk
	Adjustment *AdjustmentAsk
	Reason     string
	Asked      time.Time
	Until      time.Time
	State      approval.State
	Escalated  bool
	Grant      *GrantRow // what came of it
}

// Link returns the address of the request's page.
func (r RequestRow) Link() string { return "/approvals/request/" + url.PathEscape(r.ID) }

// GrantRow is a permission for a time.
type GrantRow struct {
	Approver    access.Account
	From, Until time.Time
	EndedAt     time.Time // zero while it counts
	EndedBy     string
	Active      bool // at this moment
	Uses        int64
	UsedAt      time.Time // last, zero for never
	UsedIn      string    // node, or the hub
}

// RequestDoc is a request with all that an approver has to see.
type RequestDoc struct {
	RequestRow
	Hash     change.Hash
	Rule     access.Text
	Step     int // that is waited for, from 1
	Steps    []RequestStep
	Events   []RequestEvent
	Own      bool       // the reader asks for it
	Answers  bool       // the reader's answer is waited for
	RowsHash string     // of an export
	Filter   string     // of an export
	Headings []string   // keys of the texts of the columns
	Preview  [][]string // first rows of an export
}

// RequestStep is a step of a request's rule.
type RequestStep struct {
	Roles    []access.Text
	Accounts []access.Account
	Local    bool
	Need     uint32
	Have     int
	Deputies []access.Text
	Present  bool // it is waited for
}

// RequestEvent is a line of a request's history.
type RequestEvent struct {
	At     time.Time
	Act    approval.Act
	By     access.Account
	Deputy bool
	Hash   change.Hash
	Note   string
}

// AskForm is what somebody types who asks for a permission.
type AskForm struct {
	Permission string
	Everywhere bool
	Warehouses []string
	Until      string // as <input type="datetime-local"> writes it, by the clock of the headquarters
	Reason     string
	Fields     map[access.FieldClass]access.FieldAccess
}

func (d *dashboard) approvalRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/approvals", Permission: web.Own, Handler: d.requests(Mine)},
		{Method: "GET", Path: "/approvals/waiting", Permission: "approval.decide", Handler: d.requests(Waits)},
		{Method: "GET", Path: "/approvals/all", Permission: "approval.read", Handler: d.requests(All)},
		{Method: "GET", Path: "/approvals/new", Permission: "grant.request", Handler: d.getAsk},
		{Method: "POST", Path: "/approvals/new", Permission: "grant.request", Handler: d.postAsk},
		{Method: "GET", Path: "/approvals/request/:id", Permission: web.Own, Handler: d.getRequest},
		{Method: "GET", Path: "/approvals/request/:id/edit", Permission: "grant.request", Handler: d.getAsk},
		{Method: "POST", Path: "/approvals/request/:id/edit", Permission: "grant.request", Handler: d.postAsk},
		{Method: "POST", Path: "/approvals/request/:id/approve", Permission: "approval.decide", Handler: d.answer(true), Fresh: true},
		{Method: "POST", Path: "/approvals/request/:id/refuse", Permission: "approval.decide", Handler: d.answer(false), Fresh: true},
		{Method: "POST", Path: "/approvals/request/:id/withdraw", Permission: web.Own, Handler: d.withdrawRequest},
		{Method: "POST", Path: "/approvals/request/:id/end", Permission: web.Own, Handler: d.endGrant},
	}
}

// Permissions that a page asks for besides its route's.
const (
	seeAllRequests = "approval.read"
	decideRequests = "approval.decide"
	askForGrants   = "grant.request"
	approveGrants  = "grant.approve"
)

type requestsView struct {
	List                      RequestList
	Rows                      []namedRow
	MayAsk, MayAnswer, MaySee bool
}

// namedRow is a row with its permission in words.
type namedRow struct {
	RequestRow
	Title string
}

func named(v *web.Visit, r RequestRow) namedRow {
	return namedRow{r, r.Permission.Title().In(string(v.Lang))}
}

func (d *dashboard) requests(list RequestList) web.Handler {
	return func(v *web.Visit) error {
		rows, err := d.Requests(v.UserContext(), v.Person, list)
		if err != nil {
			return err
		}
		view := requestsView{List: list, MayAsk: v.May(askForGrants), MayAnswer: v.May(decideRequests), MaySee: v.May(seeAllRequests)}
		for _, r := range rows {
			view.Rows = append(view.Rows, named(v, r))
		}
		return v.Page("requests", view)
	}
}

// waitCount is what the menu shows.
func (d *dashboard) waitCount(ctx context.Context, who identity.Person) (int, error) {
	return d.WaitCount(ctx, who)
}

type requestView struct {
	RequestDoc
	Title   string
	Opens   string // fields in words, empty for none
	Rule    string
	Steps   []stepView
	Mine    bool
	MayEnd  bool
	Problem string
}

type stepView struct {
	RequestStep
	Who, Deputies string
}

func (d *dashboard) getRequest(v *web.Visit) error { return d.showRequest(v, "") }

func (d *dashboard) showRequest(v *web.Visit, problem string) error {
	doc, err := d.Request(v.UserContext(), v.Person, v.Params("id"), v.Uses(seeAllRequests))
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	words := func(list []access.Text) string {
		var out []string
		for _, t := range list {
			out = append(out, t.In(lang))
		}
		return strings.Join(out, v.T("approval.or", nil))
	}
	view := requestView{RequestDoc: doc, Title: doc.Permission.Title().In(lang), Rule: doc.Rule.In(lang), Mine: doc.Own, Problem: problem}
	if len(doc.Fields) > 0 {
		view.Opens = rights.FieldsWords(doc.Fields).In(lang)
	}
	inWords(v, view.Headings, view.Preview)
	for _, s := range doc.Steps {
		who := words(s.Roles)
		for _, a := range s.Accounts {
			who = strings.TrimPrefix(who+v.T("approval.or", nil)+string(a), v.T("approval.or", nil))
		}
		view.Steps = append(view.Steps, stepView{s, who, words(s.Deputies)})
	}
	if g := doc.Grant; g != nil && g.Active {
		view.MayEnd = doc.Own || string(g.Approver) == v.Person.Account || v.May(approveGrants)
	}
	return v.Page("request", view)
}

// inWords puts the codes of exported rows into words, for a page; a file has the codes.
func inWords(v *web.Visit, headings []string, rows [][]string) {
	groups := map[string][]string{"export.col_state": {"state"}, "export.col_kind": {"change", "case"}}
	for _, row := range rows {
		for i := range min(len(row), len(headings)) {
			for _, g := range groups[headings[i]] {
				key := "text:" + g + "." + row[i]
				if word := v.Word(key); word != key {
					row[i] = word
					break
				}
			}
		}
	}
}

type askView struct {
	ID      string
	Form    AskForm
	Groups  []askGroup
	All     []askWarehouse
	Fields  []askField // that the chosen permission can open
	Problem string
}

type askField struct {
	Name, Title string
	Choices     []option
}

type askGroup struct {
	Title string
	Items []askItem
}

type askItem struct {
	ID, Title  string
	Chosen     bool
	Privileged bool
}

type askWarehouse struct {
	ID     stock.Warehouse
	Chosen bool
}

func (d *dashboard) getAsk(v *web.Visit) error {
	id := v.Params("id")
	if id == "" {
		f := d.NewAsk()
		f.Permission, f.Warehouses = v.Query("permission"), v.Person.Warehouses
		return d.showAsk(v, askView{Form: f})
	}
	doc, err := d.Request(v.UserContext(), v.Person, id, false)
	if err != nil {
		return err
	}
	if !doc.Own || doc.Kind != approval.Access || doc.State != approval.Waiting {
		return web.NotFound()
	}
	f := AskForm{Permission: string(doc.Permission), Everywhere: doc.Everywhere, Until: v.Local(doc.Until).Format(localTime), Reason: doc.Reason, Fields: doc.Fields}
	if other := v.Query("permission"); other != "" { // another was chosen in the form
		f.Permission, f.Fields = other, nil
	}
	for _, w := range doc.Warehouses {
		f.Warehouses = append(f.Warehouses, string(w))
	}
	return d.showAsk(v, askView{ID: id, Form: f})
}

// localTime is how <input type="datetime-local"> writes a time.
const localTime = "2006-01-02T15:04"

func (d *dashboard) showAsk(v *web.Visit, view askView) error {
	all, err := d.Warehouses(v.UserContext(), access.Places{All: true}) // one may ask for any
	if err != nil {
		return err
	}
	chosen := map[string]bool{}
	for _, w := range view.Form.Warehouses {
		chosen[w] = true
	}
	for _, w := range all {
		view.All = append(view.All, askWarehouse{w, chosen[string(w)]})
	}
	lang := string(v.Lang)
	for _, c := range access.FieldsOf(access.Permission(view.Form.Permission)) {
		f := askField{Name: fieldName(c), Title: c.Title().In(lang)}
		for _, a := range []access.FieldAccess{access.Hidden, access.Masked, access.Read} {
			name := a.Title().In(lang)
			if a == access.Hidden {
				name = v.T("approval.field_as_is", nil)
			}
			f.Choices = append(f.Choices, option{strconv.Itoa(int(a)), name, view.Form.Fields[c] == a})
		}
		view.Fields = append(view.Fields, f)
	}
	for _, g := range access.Groups() {
		group := askGroup{Title: g.Title.In(lang)}
		for _, p := range g.Permissions {
			group.Items = append(group.Items, askItem{string(p.Permission), p.Title.In(lang), string(p.Permission) == view.Form.Permission, p.Privileged})
		}
		view.Groups = append(view.Groups, group)
	}
	return v.Page("ask", view)
}

// fieldName is what a class of fields is called in the form.
func fieldName(c access.FieldClass) string { return "field_" + strconv.Itoa(int(c)) }

func (d *dashboard) postAsk(v *web.Visit) error {
	f := AskForm{Permission: v.Form("permission"), Everywhere: v.Form("everywhere") == "1", Until: v.Form("until"), Reason: v.Form("reason")}
	for _, w := range v.Context().PostArgs().PeekMulti("warehouse") {
		f.Warehouses = append(f.Warehouses, string(w))
	}
	for _, c := range access.Classes() {
		if n, err := strconv.ParseUint(v.Form(fieldName(c)), 10, 8); err == nil && n > 0 {
			if f.Fields == nil {
				f.Fields = map[access.FieldClass]access.FieldAccess{}
			}
			f.Fields[c] = access.FieldAccess(n)
		}
	}
	id, err := d.Ask(v.UserContext(), v.Person, v.Params("id"), f)
	if err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return d.showAsk(v, askView{ID: v.Params("id"), Form: f, Problem: problem})
	}
	return v.See(RequestRow{ID: id}.Link())
}

func (d *dashboard) answer(yes bool) web.Handler {
	return func(v *web.Visit) error {
		var hash change.Hash
		if n, err := hex.Decode(hash[:], []byte(v.Form("hash"))[:min(len(v.Form("hash")), 2*len(hash))]); err != nil || n != len(hash) {
			return web.NotFound()
		}
		return d.acted(v, d.Answer(v.UserContext(), v.Person, v.Params("id"), hash, yes, v.Form("why")))
	}
}

func (d *dashboard) withdrawRequest(v *web.Visit) error {
	return d.acted(v, d.WithdrawRequest(v.UserContext(), v.Person, v.Params("id")))
}

func (d *dashboard) endGrant(v *web.Visit) error {
	return d.acted(v, d.EndGrant(v.UserContext(), v.Person, v.Params("id"), v.Uses(approveGrants)))
}

// acted shows the request as it is now, and what an act was refused for.
func (d *dashboard) acted(v *web.Visit, err error) error {
	if err == nil {
		return v.See(RequestRow{ID: v.Params("id")}.Link())
	}
	problem, err := problemOf(v, err)
	if err != nil {
		return err
	}
	return d.showRequest(v, problem)
}

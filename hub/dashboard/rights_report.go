package dashboard

import (
	"bytes"
	"encoding/csv"
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// option is a choice of a form.
type option struct {
	ID, Name string
	On       bool
}

// lookForm is who is looked at, and where.
type lookForm struct {
	People, Roles, Places []option
	Person                string // name of the account
	Role                  string
	Place                 string
	Draft                 bool // by the reader's draft instead of what counts
	HasDraft              bool
	Query                 string // the same as an address has it
}

// look is what a page about somebody's rights needs.
type look struct {
	lookForm
	engine  *access.Engine
	policy  access.Policy
	subject *access.Subject // nil while nobody is chosen
	who     string          // what the chosen person or role is called
	person  rights.Person
}

// look reads whom the reader wants to look at: ?account= or ?role=, ?place=, ?draft=1.
func (d *dashboard) look(v *web.Visit) (l look, err error) {
	now, base, draft, err := d.drafted(v)
	if err != nil {
		return l, err
	}
	l.policy, l.HasDraft = now.Policy, !draft.Empty()
	if l.Draft = l.HasDraft && v.Query("draft") == "1" && v.Uses(RolesWrite); l.Draft {
		l.policy = draft.Apply(base.Policy)
	}
	if l.engine, err = access.Compile(l.policy); err != nil {
		return l, err
	}
	people, err := d.StaffNow(v.UserContext())
	if err != nil {
		return l, err
	}
	places, err := d.Places(v.UserContext())
	if err != nil {
		return l, err
	}
	l.Person, l.Role, l.Place = v.Query("account"), v.Query("role"), v.Query("place")
	lang := string(v.Lang)
	for _, p := range people {
		on := p.Name == l.Person
		l.People = append(l.People, option{p.Name, p.Called(), on})
		if on {
			s := p.Subject
			l.subject, l.who, l.person, l.Role = &s, p.Called(), p, ""
		}
		for _, w := range p.Warehouses {
			if !slices.Contains(places, w) {
				places = append(places, w)
			}
		}
	}
	slices.Sort(places)
	for _, r := range l.policy.Roles {
		on := string(r.ID) == l.Role && l.subject == nil
		l.Roles = append(l.Roles, option{string(r.ID), r.Names.In(lang), on})
		if on {
			l.who = r.Names.In(lang)
			l.subject = &access.Subject{Account: "somebody", Roles: []access.RoleID{r.ID}, Warehouses: places}
			if w := stock.Warehouse(l.Place); slices.Contains(places, w) {
				l.subject.Warehouses = []stock.Warehouse{w}
			}
		}
	}
	known := false
	for _, w := range places {
		on := string(w) == l.Place
		known = known || on
		l.Places = append(l.Places, option{string(w), string(w), on})
	}
	if !known {
		l.Place = ""
	}
	if l.subject == nil && (l.Person != "" || l.Role != "") {
		return l, web.NotFound()
	}
	q := url.Values{}
	for key, value := range map[string]string{"account": l.Person, "role": l.Role, "place": l.Place} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if l.Draft {
		q.Set("draft", "1")
	}
	l.Query = q.Encode()
	return l, nil
}

// request returns the question that pages ask now, from the reader's own address.
func (d *dashboard) request(v *web.Visit, s *access.Subject) access.Request {
	now := d.Now()
	return access.Request{Subject: s, Time: now, Known: now, Address: addressOf(v), StepUp: now, ClockTrusted: true, InContact: true}
}

type seePage struct {
	lookForm
	Who      string
	Chosen   bool
	Person   rights.Person
	Menu     []menuView
	Groups   []sightGroup
	Allowed  int
	Routes   []routeView
	Clash    string
	Disabled bool
}

type menuView struct {
	Text, Path string
	Shown      bool
}

type sightGroup struct {
	Title   string
	Allowed int
	Rows    []sightView
}

type sightView struct {
	rights.Sight
	Title, Why, RowsText, FieldsText string
	WhyLink                          string
}

type routeView struct {
	Method, Path, Permission string
	Allowed                  bool
}

// getSee shows the system as somebody sees it.
func (d *dashboard) getSee(v *web.Visit) error {
	l, err := d.look(v)
	if err != nil {
		return err
	}
	page := seePage{lookForm: l.lookForm, Who: l.who, Chosen: l.subject != nil, Person: l.person}
	if !page.Chosen {
		return v.Page("rights-see", page)
	}
	lang, q := string(v.Lang), d.request(v, l.subject)
	page.Disabled = l.subject.Disabled
	allowed := map[access.Permission]bool{}
	for _, g := range rights.See(l.engine, q, stock.Warehouse(l.Place)) {
		group := sightGroup{Title: g.Title.In(lang), Allowed: g.Allowed}
		page.Allowed += g.Allowed
		for _, s := range g.Sights {
			allowed[s.Permission] = s.Allowed
			why := url.Values{"permission": {string(s.Permission)}}.Encode()
			if l.Query != "" {
				why = l.Query + "&" + why
			}
			group.Rows = append(group.Rows, sightView{Sight: s, Title: s.Title.In(lang), Why: s.Reason.In(lang), RowsText: s.Rows.In(lang), FieldsText: s.Fields.In(lang), WhyLink: "/rights/why?" + why})
		}
		page.Groups = append(page.Groups, group)
	}
	allowed[web.Own] = true // whoever is signed in
	for _, m := range append(slices.Clone(d.menu()), web.Link{Path: "/people", Text: "menu.people", Permission: web.PeopleRead}) {
		page.Menu = append(page.Menu, menuView{v.T(m.Text, nil), m.Path, allowed[access.Permission(m.Permission)]})
	}
	for _, r := range d.routes() {
		title := access.Permission(r.Permission).Title().In(lang)
		if r.Permission == web.Own {
			title = v.T("rights.own_pages", nil)
		}
		page.Routes = append(page.Routes, routeView{r.Method, r.Path, title, allowed[access.Permission(r.Permission)]})
	}
	if l.Person != "" {
		if c := l.engine.CheckAssignment(*l.subject, q.Time); c != nil {
			page.Clash = wordsOf(c, lang)
		}
	}
	return v.Page("rights-see", page)
}

// wordsOf says what is wrong with an assignment.
func wordsOf(err error, lang string) string {
	if c := (*access.Collision)(nil); errors.As(err, &c) {
		return c.Words().In(lang)
	}
	return err.Error()
}

type whyPage struct {
	lookForm
	Who         string
	Permissions []permGroup
	Permission  string
	Own         bool
	At, From    string // as typed
	Asked       bool
	Allowed     bool
	Lines       []string
	Problem     string
}

type permGroup struct {
	Title   string
	Options []option
}

// getWhy says why somebody can do something, or why not.
func (d *dashboard) getWhy(v *web.Visit) error {
	l, err := d.look(v)
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	page := whyPage{lookForm: l.lookForm, Who: l.who, Permission: v.Query("permission"), Own: v.Query("own") == "1", At: v.Query("at"), From: v.Query("from")}
	for _, g := range access.Groups() {
		group := permGroup{Title: g.Title.In(lang)}
		for _, p := range g.Permissions {
			group.Options = append(group.Options, option{string(p.Permission), p.Title.In(lang), string(p.Permission) == page.Permission})
		}
		page.Permissions = append(page.Permissions, group)
	}
	if l.subject == nil || page.Permission == "" {
		return v.Page("rights-why", page)
	}
	q := d.request(v, l.subject)
	q.Permission = access.Permission(page.Permission)
	if page.At != "" {
		at, err := time.ParseInLocation("2006-01-02T15:04", page.At, q.Time.Location())
		if err != nil {
			page.Problem = v.T("rights.bad_time", nil)
			return v.Page("rights-why", page)
		}
		q.Time, q.Known, q.StepUp = at, at, at
	}
	if page.From != "" {
		if q.Address, err = netip.ParseAddr(strings.TrimSpace(page.From)); err != nil {
			page.Problem = v.T("rights.bad_address", nil)
			return v.Page("rights-why", page)
		}
	}
	if q.Resource.Warehouse = stock.Warehouse(l.Place); l.Place == "" {
		q.List = true
	} else if page.Own {
		q.Resource.Owner = l.subject.Account
	}
	x := l.engine.Explain(q)
	page.Asked, page.Allowed = true, x.Decision.Allowed
	for _, list := range [][]access.Because{x.Allowing, x.Near} {
		for i := range list {
			list[i].Until = v.Local(list[i].Until)
		}
	}
	for _, line := range x.Words() {
		page.Lines = append(page.Lines, line.In(lang))
	}
	return v.Page("rights-why", page)
}

// ---- Who can do what ----

// mostReportRows is how many lines the page of a report shows; the file has all.
const mostReportRows = 2000

type reportPage struct {
	By       rights.By
	Text     string
	Marked   bool
	Sections []sectionView
	Rows     int
	Cut      bool // there are more than are shown
	Version  uint64
	At       time.Time
	Faults   []string
	Query    string
}

type sectionView struct {
	Name, Key string
	Note      string
	Rows      []reportRow
}

type reportRow struct {
	Who, Role, Permission, Scope, Until, Void string
	Marks                                     []rights.Mark
}

// report reads what is asked for and returns the lines.
func (d *dashboard) report(v *web.Visit) (reportPage, error) {
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return reportPage{}, err
	}
	people, err := d.StaffNow(v.UserContext())
	if err != nil {
		return reportPage{}, err
	}
	e, err := access.Compile(now.Policy)
	if err != nil {
		return reportPage{}, err
	}
	page := reportPage{By: rights.By(v.Query("by")), Text: strings.TrimSpace(v.Query("q")), Marked: v.Query("marked") == "1", Version: now.Version, At: d.Now()}
	if page.By != rights.ByRole && page.By != rights.ByPermission {
		page.By = rights.ByPerson
	}
	q := url.Values{"by": {string(page.By)}, "q": {page.Text}}
	if page.Marked {
		q.Set("marked", "1")
	}
	page.Query = q.Encode()
	lang := string(v.Lang)
	r := e.Report(subjectsOf(people), page.At)
	for _, f := range r.Faults {
		page.Faults = append(page.Faults, f.Err.Error())
	}
	for _, s := range rights.Arrange(r, people, page.By, rights.Filter{Text: page.Text, Marked: page.Marked}) {
		page.Sections = append(page.Sections, sectionOf(v, page.By, s, r, lang))
		page.Rows += len(s.Rows)
	}
	return page, nil
}

func subjectsOf(people []rights.Person) []access.Subject {
	list := make([]access.Subject, len(people))
	for i, p := range people {
		list[i] = p.Subject
	}
	return list
}

func sectionOf(v *web.Visit, by rights.By, s rights.Section, r access.Report, lang string) sectionView {
	first := s.Rows[0]
	out := sectionView{Key: s.Key}
	switch by {
	case rights.ByRole:
		out.Name = first.By.Names.In(lang)
	case rights.ByPermission:
		out.Name = first.Grant.Permission.Title().In(lang)
	default:
		out.Name = first.Person.Called()
		for _, c := range r.Collisions {
			if c.Account == first.Line.Account {
				out.Note = c.Words().In(lang)
			}
		}
	}
	for _, row := range s.Rows {
		one := reportRow{Role: row.By.Words().In(lang), Permission: row.Grant.Permission.Title().In(lang), Scope: rights.GrantWords(row.Grant).In(lang), Marks: row.Marks}
		if row.Line.Account == "" {
			one.Who = v.T("rights.nobody_has", nil)
		} else {
			one.Who = row.Person.Called()
		}
		if row.By.Role != "" {
			one.Role = row.By.Names.In(lang)
		}
		if row.By.Temporary != "" {
			one.Role = v.T("rights.lent", map[string]string{"grant": string(row.By.Temporary), "approver": string(row.Approver)})
			one.Until = v.Local(row.Until).Format("2006-01-02 15:04")
		}
		if row.Void != "" {
			one.Void = row.Void.Words().In(lang)
		}
		out.Rows = append(out.Rows, one)
	}
	return out
}

func (d *dashboard) getReport(v *web.Visit) error {
	page, err := d.report(v)
	if err != nil {
		return err
	}
	left := mostReportRows
	for i := range page.Sections {
		if len(page.Sections[i].Rows) > left {
			page.Cut, page.Sections[i].Rows = true, page.Sections[i].Rows[:left]
			if page.Sections = page.Sections[:i+1]; left == 0 {
				page.Sections = page.Sections[:i]
			}
			break
		}
		left -= len(page.Sections[i].Rows)
	}
	return v.Page("rights-report", page)
}

func (d *dashboard) getReportCSV(v *web.Visit) error {
	page, err := d.report(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("\ufeff") // else spreadsheets take UTF-8 for something older
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	head := []string{}
	for _, key := range []string{"person", "role", "permission", "scope", "until", "marks", "void"} {
		head = append(head, v.T("rights.col_"+key, nil))
	}
	rows := [][]string{head}
	for _, s := range page.Sections {
		for _, r := range s.Rows {
			marks := make([]string, len(r.Marks))
			for i, m := range r.Marks {
				marks[i] = v.T("rights.mark_"+string(m), nil)
			}
			rows = append(rows, []string{r.Who, r.Role, r.Permission, r.Scope, r.Until, strings.Join(marks, " "), r.Void})
		}
	}
	for _, row := range rows {
		for i := range row {
			row[i] = rights.Cell(row[i])
		}
		if err := w.Write(row); err != nil {
			return err
		}
	}
	w.Flush()
	if err := w.Error(); err != nil {
		return err
	}
	what := map[string]string{"by": string(page.By), "filter": page.Text, "rows": strconv.Itoa(len(rows) - 1), "policy": strconv.FormatUint(page.Version, 10)}
	if err := d.ReportTaken(v.UserContext(), what, v.Person); err != nil {
		return err
	}
	v.Set(fiber.HeaderContentDisposition, `attachment; filename="rights-`+page.At.Format(time.DateOnly)+`.csv"`)
	v.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return v.Send(b.Bytes())
}

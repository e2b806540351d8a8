package dashboard

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"time"

	"stockade/hub/leavers"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Leavers is what the pages about people who leave read and do.
type Leavers interface {
	Leavers(ctx context.Context) ([]store.Leaver, error)
	Leaver(ctx context.Context, id int64) (leavers.Sheet, error)
	StartLeaver(ctx context.Context, by identity.Person, name string, lastDay stock.Date) (int64, error)
	// DoLeaver lets the program end what an item is about; CheckLeaver lets a person say what became of it.
	DoLeaver(ctx context.Context, by identity.Person, id int64, item string) error
	CheckLeaver(ctx context.Context, by identity.Person, id int64, item, outcome, note string) error
	FinishLeaver(ctx context.Context, by identity.Person, id int64) error
	CancelLeaver(ctx context.Context, by identity.Person, id int64, why string) error
}

func (d *dashboard) leaverRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/leavers", Permission: web.PeopleRead, Handler: d.getLeavers},
		{Method: "GET", Path: "/leavers/person/:name", Permission: web.PeopleWrite, Handler: d.getLeaverOf},
		{Method: "POST", Path: "/leavers/start", Permission: web.PeopleWrite, Handler: d.startLeaver, Fresh: true},
		{Method: "GET", Path: "/leavers/list/:id", Permission: web.PeopleRead, Handler: d.getLeaver},
		{Method: "POST", Path: "/leavers/list/:id/do", Permission: web.PeopleWrite, Handler: d.doLeaver, Fresh: true},
		{Method: "POST", Path: "/leavers/list/:id/check", Permission: web.PeopleWrite, Handler: d.checkLeaver},
		{Method: "POST", Path: "/leavers/list/:id/finish", Permission: web.PeopleWrite, Handler: d.finishLeaver, Fresh: true},
		{Method: "POST", Path: "/leavers/list/:id/cancel", Permission: web.PeopleWrite, Handler: d.cancelLeaver, Fresh: true},
	}
}

func leaverLink(id int64) string { return "/leavers/list/" + strconv.FormatInt(id, 10) }

// personIn reports whether rows cover a person of these warehouses: wholly, for who is to change them; with one, for who sees them.
func personIn(rows access.Rows, list []stock.Warehouse, wholly bool) bool {
	if rows.Everything() {
		return true
	}
	has := func(w stock.Warehouse) bool { return rows.Any.Has(w) }
	if wholly {
		return len(list) > 0 && !slices.ContainsFunc(list, func(w stock.Warehouse) bool { return !has(w) })
	}
	return slices.ContainsFunc(list, has)
}

type leaverRow struct {
	store.Leaver
	Who, Link string
}

func rowOf(v *web.Visit, l store.Leaver) leaverRow {
	who := rights.Person{Name: l.Name, Display: shownName(v.List(web.PeopleRead), l.Display)}
	return leaverRow{l, who.Called(), leaverLink(l.ID)}
}

func (d *dashboard) getLeavers(v *web.Visit) error {
	list, err := d.Leavers(v.UserContext())
	if err != nil {
		return err
	}
	var page struct{ Open, Closed []leaverRow }
	rows := v.Rows(web.PeopleRead)
	for _, l := range list {
		switch {
		case !personIn(rows, l.Warehouses, false):
		case l.EndedAt.IsZero():
			page.Open = append(page.Open, rowOf(v, l))
		default:
			page.Closed = append(page.Closed, rowOf(v, l))
		}
	}
	return v.Page("leavers", page)
}

type newLeaverPage struct {
	Name, Who string
	LastDay   string
	Former    []leaverRow
	Own       bool
	Problem   string
}

// getLeaverOf leads to the open list of a person, or offers to open one.
func (d *dashboard) getLeaverOf(v *web.Visit) error {
	name, err := url.PathUnescape(v.Params("name"))
	if err != nil {
		return web.NotFound()
	}
	return d.showLeaverOf(v, newLeaverPage{Name: name, LastDay: d.Now().Format(time.DateOnly)})
}

func (d *dashboard) staffMember(v *web.Visit, name string) (rights.Person, error) {
	people, err := d.Staff(v.UserContext())
	if err != nil {
		return rights.Person{}, err
	}
	n := slices.IndexFunc(people, func(p rights.Person) bool { return p.Name == name })
	if n < 0 || !personIn(v.Rows(web.PeopleWrite), people[n].Warehouses, true) {
		return rights.Person{}, web.NotFound()
	}
	return people[n], nil
}

func (d *dashboard) showLeaverOf(v *web.Visit, page newLeaverPage) error {
	who, err := d.staffMember(v, page.Name)
	if err != nil {
		return err
	}
	list, err := d.Leavers(v.UserContext())
	if err != nil {
		return err
	}
	for _, l := range list {
		if l.Account != who.Account {
			continue
		}
		if l.EndedAt.IsZero() && page.Problem == "" {
			return v.See(leaverLink(l.ID))
		}
		page.Former = append(page.Former, rowOf(v, l))
	}
	page.Who, page.Own = who.Called(), who.Name == v.Person.Account
	return v.Page("leaver-new", page)
}

func (d *dashboard) startLeaver(v *web.Visit) error {
	page := newLeaverPage{Name: v.Form("name"), LastDay: v.Form("last_day")}
	if _, err := d.staffMember(v, page.Name); err != nil {
		return err
	}
	id, err := d.StartLeaver(v.UserContext(), v.Person, page.Name, stock.Date(page.LastDay))
	if err != nil {
		if page.Problem, err = problemOf(v, err); err != nil {
			return err
		}
		return d.showLeaverOf(v, page)
	}
	return v.See(leaverLink(id))
}

type leaverPage struct {
	Sheet   leavers.Sheet
	Who     string
	Link    string
	Account string // address of the person's page
	Ends    []leaverItem
	Hands   []leaverItem
	Things  []leaverItem
	Heard   int
	May     bool
	Own     bool
	Open    bool
	Problem string
}

type leaverItem struct {
	leavers.Item
	Words []string
}

// leaver returns a list that the reader has the permission for; another does not exist.
func (d *dashboard) leaver(v *web.Visit, permission string) (leavers.Sheet, error) {
	id, err := strconv.ParseInt(v.Params("id"), 10, 64)
	if err != nil {
		return leavers.Sheet{}, web.NotFound()
	}
	s, err := d.Leaver(v.UserContext(), id)
	if err != nil {
		return s, err
	}
	if !personIn(v.Rows(permission), s.Warehouses, permission == web.PeopleWrite) {
		return s, web.NotFound()
	}
	return s, nil
}

func (d *dashboard) getLeaver(v *web.Visit) error { return d.showLeaver(v, "") }

func (d *dashboard) showLeaver(v *web.Visit, problem string) error {
	s, err := d.leaver(v, web.PeopleRead)
	if err != nil {
		return err
	}
	row := rowOf(v, s.Leaver)
	page := leaverPage{Sheet: s, Who: row.Who, Link: row.Link, Account: "/people/person/" + url.PathEscape(s.Name), Open: s.EndedAt.IsZero(), Own: s.Name == v.Person.Account, Problem: problem}
	page.May = page.Open && !page.Own && v.May(web.PeopleWrite) && personIn(v.List(web.PeopleWrite).Rows, s.Warehouses, true)
	if page.Open && !page.Own && v.May(web.PeopleWrite) && !v.List(web.PeopleWrite).Allowed { // a factor is asked for first: then it will be judged
		page.May = true
	}
	for _, i := range s.Items {
		one := leaverItem{Item: i}
		for _, w := range i.List {
			one.Words = append(one.Words, v.Word(w.In(string(v.Lang))))
		}
		switch {
		case i.Thing:
			page.Things = append(page.Things, one)
		case i.Hand:
			page.Hands = append(page.Hands, one)
		default:
			page.Ends = append(page.Ends, one)
		}
	}
	for _, n := range s.Nodes {
		if !n.Heard.IsZero() {
			page.Heard++
		}
	}
	return v.Page("leaver", page)
}

// leaverDid shows the list as it is now, and what an act was refused for.
func (d *dashboard) leaverDid(v *web.Visit, id int64, err error) error {
	if err == nil {
		return v.See(leaverLink(id))
	}
	problem, err := problemOf(v, err)
	if err != nil {
		return err
	}
	return d.showLeaver(v, problem)
}

func (d *dashboard) doLeaver(v *web.Visit) error {
	s, err := d.leaver(v, web.PeopleWrite)
	if err != nil {
		return err
	}
	return d.leaverDid(v, s.ID, d.DoLeaver(v.UserContext(), v.Person, s.ID, v.Form("item")))
}

func (d *dashboard) checkLeaver(v *web.Visit) error {
	s, err := d.leaver(v, web.PeopleWrite)
	if err != nil {
		return err
	}
	return d.leaverDid(v, s.ID, d.CheckLeaver(v.UserContext(), v.Person, s.ID, v.Form("item"), v.Form("outcome"), v.Form("note")))
}

func (d *dashboard) finishLeaver(v *web.Visit) error {
	s, err := d.leaver(v, web.PeopleWrite)
	if err != nil {
		return err
	}
	return d.leaverDid(v, s.ID, d.FinishLeaver(v.UserContext(), v.Person, s.ID))
}

func (d *dashboard) cancelLeaver(v *web.Visit) error {
	s, err := d.leaver(v, web.PeopleWrite)
	if err != nil {
		return err
	}
	return d.leaverDid(v, s.ID, d.CancelLeaver(v.UserContext(), v.Person, s.ID, v.Form("why")))
}

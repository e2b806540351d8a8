package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"stockade/internal/identity"
	"stockade/protocol/stock"
)

//go:embed pages
var shellPages embed.FS

// pages holds every page parsed once per language, with the texts bound in.
type pages struct {
	server *Server
	menu   []Link
	people []Link // of the page of all people
	person []Link // of the page of one
	mark   bool   // whether pages carry a watermark
	set    map[Lang]map[string]*template.Template
}

// View is what a template is given: the page's own data and what the layout needs.
type View struct {
	Data    any
	Lang    Lang
	Person  identity.Person
	Path    string // of the request
	CSRF    string
	Brand   string
	Place   string
	Menu    []Entry
	Submenu []Entry // of the group of the menu where the reader is
	Langs   []Lang
	Page    string // name of the page
	Request string
	Account bool     // whether there are account pages
	Notices []Notice // of the person's account, not seen yet
	Alarm   bool     // some notices tell of what somebody else may have done
	visit   *Visit
	Mark    bool         // whether the watermark lies over the page
	Company companyOffer // sign-in with the company's identity provider
}

// PeopleLinks and PersonLinks are what a program adds to the pages about people, as far as the reader may follow them.
func (v View) PeopleLinks() []Link { return v.may(v.visit.server.pages.people) }

// PersonLinks are the links of one person's page.
func (v View) PersonLinks(name string) []Link {
	list := v.may(v.visit.server.pages.person)
	for i := range list {
		list[i].Path += url.PathEscape(name)
	}
	return list
}

func (v View) may(list []Link) (out []Link) {
	for _, l := range list {
		if v.visit.May(l.Permission) {
			out = append(out, l)
		}
	}
	return out
}

// May reports whether the reader has a permission at all: for buttons and links. What is acted on is judged by its handler.
func (v View) May(permission string) bool { return v.visit.May(permission) }

func loadPages(s *Server, site Site) (*pages, error) {
	own, err := fs.Sub(shellPages, "pages")
	if err != nil {
		return nil, fmt.Errorf("pages: %w", err)
	}
	menu := site.Menu
	if s.opt.Accounts != nil && s.opt.Manage {
		menu = withPeople(menu, site.People)
	}
	p := &pages{server: s, menu: menu, people: site.People, person: site.Person, mark: site.Watermark, set: map[Lang]map[string]*template.Template{}}
	for _, l := range Langs() {
		base, err := template.New("layout.html").Funcs(s.funcs(l)).ParseFS(own, "layout.html")
		if err != nil {
			return nil, fmt.Errorf("pages: %w", err)
		}
		p.set[l] = map[string]*template.Template{}
		for _, folder := range []fs.FS{own, site.Templates} {
			if err := p.parse(l, base, folder); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// parse adds the pages of a folder; files whose names begin with "_" are shared by all others.
func (p *pages) parse(l Lang, base *template.Template, folder fs.FS) error {
	if folder == nil {
		return nil
	}
	names, err := fs.Glob(folder, "*.html")
	if err != nil {
		return fmt.Errorf("pages: %w", err)
	}
	for _, n := range names {
		if n == "layout.html" || strings.HasPrefix(n, "_") {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return fmt.Errorf("page %s: %w", n, err)
		}
		files := []string{n}
		if shared, _ := fs.Glob(folder, "_*.html"); len(shared) > 0 { // the pattern is valid
			files = append(shared, n)
		}
		if t, err = t.ParseFS(folder, files...); err != nil {
			return fmt.Errorf("page %s: %w", n, err)
		}
		p.set[l][strings.TrimSuffix(path.Base(n), ".html")] = t
	}
	return nil
}

func (p *pages) render(v *Visit, name string, data any) ([]byte, error) {
	t := p.set[v.Lang][name]
	if t == nil {
		return nil, fmt.Errorf("no such page")
	}
	view := View{Data: data, Lang: v.Lang, Person: v.Person, Path: v.OriginalURL(), CSRF: v.CSRF(), Brand: p.server.opt.Brand, Place: p.server.opt.Place,
		Langs: Langs(), Page: name, Request: v.Request, Account: p.server.opt.Accounts != nil, Company: v.companyOffer(), visit: v}
	if view.Account && v.Person.Notices > 0 {
		list, err := p.server.opt.Accounts.Notices(v.UserContext(), v.Person, true)
		if err != nil {
			return nil, err
		}
		view.Notices = v.notices(list)
		view.Alarm = slices.ContainsFunc(view.Notices, func(n Notice) bool { return n.Link == "" })
	}
	view.Mark = p.mark && v.Person.Account != ""
	var err error
	if view.Menu, view.Submenu, err = p.menuOf(v); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, "layout", view); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// funcs are the functions that templates may call.
func (s *Server) funcs(l Lang) template.FuncMap {
	return template.FuncMap{
		"t":     func(key string, pairs ...any) (string, error) { return s.say(l, key, pairs...) },
		"term":  func(kind, code string) string { return s.term(l, kind, code) },
		"asset": func(name string) (string, error) { return s.assets.path(name) },
		"qty":   func(q stock.Quantity) string { return Group(q.String()) },
		"num":   func(n any) string { return Group(fmt.Sprint(n)) },
		"when":  s.when,
		"clock": func(t time.Time) string { return s.local(t).Format("15:04:05") },
		"iso":   func(t time.Time) string { return s.local(t).Format(time.RFC3339) },
		"word":  func(l stock.Location) string { return strings.TrimPrefix(string(l), "@") },
		"stationOf": func(actor string) string { // who works at an open station is the station itself
			name, ok := strings.CutPrefix(actor, "station/")
			if !ok {
				return ""
			}
			return name
		},
		"short": func(h string) string { return h[:min(len(h), 12)] },
	}
}

// say is the template function t: a key, then names and values. A key that does not exist
// is an error here, so that tests of pages find it.
func (s *Server) say(l Lang, key string, pairs ...any) (string, error) {
	if !s.texts.Has(key) {
		return "", fmt.Errorf("text %s does not exist", key)
	}
	args := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		args[fmt.Sprint(pairs[i])] = fmt.Sprint(pairs[i+1])
	}
	return s.texts.Text(l, key, args), nil
}

// term is the template function that names a code of the audit trail in words: those of the text kind.code, dots
// in the code written as underscores. A code of a newer program has none and is shown as it is.
func (s *Server) term(l Lang, kind, code string) string {
	if key := kind + "." + strings.ReplaceAll(code, ".", "_"); s.texts.Has(key) {
		return s.texts.Text(l, key, nil)
	}
	return code
}

// local returns t in the zone it carries or, when that is UTC or the machine's, in the server's zone.
func (s *Server) local(t time.Time) time.Time {
	if t.Location() == time.UTC || t.Location() == time.Local {
		return t.In(s.opt.Zone)
	}
	return t
}

// when writes a time for a table: the zero time is "—".
func (s *Server) when(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return s.local(t).Format("2006-01-02 15:04:05")
}

// Group writes a decimal number with a comma between thousands.
func Group(n string) string {
	sign := ""
	if strings.HasPrefix(n, "-") {
		sign, n = "−", n[1:]
	}
	whole, frac, dot := strings.Cut(n, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if dot {
		whole += "." + frac
	}
	return sign + whole
}

package rights

import (
	"slices"
	"strings"

	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Sight is what somebody may do with one permission, as pages decide it.
type Sight struct {
	access.Info
	Allowed bool
	StepUp  bool        // only after the second factor was given again
	Reason  access.Text // why not, or by what
	Rows    access.Text
	Fields  access.Text // classes of fields that are open; empty for none
	PerRow  bool        // in some rows fields are open further
	Lent    bool        // it, or part of it, is a permission for a time
}

// SightGroup is a part of the menu.
type SightGroup struct {
	ID      string
	Title   access.Text
	Sights  []Sight
	Allowed int
}

// See asks e about every permission for the subject of q. With a warehouse it asks for somebody's resource in that warehouse, else for
// lists. q brings time, address and what the machine knows; the second factor is taken as given now, and said where it is asked for.
func See(e *access.Engine, q access.Request, w stock.Warehouse) (list []SightGroup) {
	for _, g := range access.Groups() {
		group := SightGroup{ID: g.ID, Title: g.Title}
		for _, info := range g.Permissions {
			s := see(e, q, info, w)
			if s.Allowed {
				group.Allowed++
			}
			group.Sights = append(group.Sights, s)
		}
		list = append(list, group)
	}
	return list
}

func see(e *access.Engine, q access.Request, info access.Info, w stock.Warehouse) Sight {
	q.Permission, q.StepUp, q.List = info.Permission, q.Time, true
	d := e.Decide(q)
	if w != "" && d.Allowed && !within(d.Rows, w) {
		d = access.Decision{Reason: access.OtherRows}
	}
	s := Sight{Info: info, Allowed: d.Allowed, Reason: d.Reason.Words(), PerRow: d.PerRow, Lent: len(d.Temporary) > 0}
	if !d.Allowed {
		return s
	}
	s.Rows, s.Fields = RowsWords(d.Rows), openWords(d.Fields)
	q.StepUp = q.StepUp.AddDate(-1, 0, 0)
	s.StepUp = e.Decide(q).Reason == access.StepUpNeeded
	return s
}

func within(r access.Rows, w stock.Warehouse) bool {
	return r.Any.Has(w) || r.Own.Has(w) || r.Customers.Has(w)
}

func openWords(f access.Fields) access.Text {
	m := map[access.FieldClass]access.FieldAccess{}
	for _, c := range access.Classes() {
		m[c] = f.Of(c)
	}
	return FieldsWords(m)
}

// RowsWords says which rows a list has.
func RowsWords(r access.Rows) access.Text {
	var list []access.Text
	for _, part := range []struct {
		places access.Places
		name   access.Text
	}{{r.Any, access.Text{}}, {r.Own, access.Text{ZH: "本人单据：", EN: "own documents: "}}, {r.Customers, access.Text{ZH: "本人客户：", EN: "own customers: "}}} {
		if part.places.Empty() {
			continue
		}
		t := access.Text{ZH: "所有仓库", EN: "all warehouses"}
		if !part.places.All {
			names := make([]string, len(part.places.Warehouses))
			for i, w := range part.places.Warehouses {
				names[i] = string(w)
			}
			t = access.Text{ZH: strings.Join(names, "、"), EN: strings.Join(names, ", ")}
		}
		list = append(list, access.Text{ZH: part.name.ZH + t.ZH, EN: part.name.EN + t.EN})
	}
	return join(list, "；", "; ")
}

// Row is a line of the report of who can do what, with what there is to say about it.
type Row struct {
	access.Line
	Person Person // zero for a role that nobody has
	Group  access.Text
	Marks  []Mark
}

// Mark is a word about a line of a report. The words are keys of the catalogue under "rights.mark_".
type Mark string

// The marks.
const (
	MarkDormant  Mark = "dormant"  // the person has not signed in for long
	MarkOverdue  Mark = "overdue"  // the person's password has to be changed
	MarkLacks    Mark = "lacks"    // the person has to have a second factor, and has none
	MarkWaiting  Mark = "waiting"  // the person has yet to choose a password
	MarkExcluded Mark = "excluded" // the person holds what excludes each other
	MarkVoid     Mark = "void"     // it allows nothing, and Void says why
	MarkUnheld   Mark = "unheld"   // nobody has the role
	MarkLent     Mark = "lent"     // it is a permission for a time
)

// Filter restricts a report; empty fields do not.
type Filter struct {
	Text       string // in names of people, roles and permissions
	Role       access.RoleID
	Permission access.Permission
	Marked     bool // only lines with a mark
}

func (f Filter) has(r Row) bool {
	if f.Role != "" && r.By.Role != f.Role || f.Permission != "" && r.Grant.Permission != f.Permission || f.Marked && len(r.Marks) == 0 {
		return false
	}
	find := strings.ToLower(strings.TrimSpace(f.Text))
	if find == "" {
		return true
	}
	t := r.Grant.Permission.Title()
	for _, s := range []string{r.Person.Name, r.Person.Display, string(r.By.Role), r.By.Names.ZH, r.By.Names.EN, string(r.Grant.Permission), t.ZH, t.EN, string(r.By.Temporary), string(r.Approver)} {
		if strings.Contains(strings.ToLower(s), find) {
			return true
		}
	}
	return slices.ContainsFunc(r.Person.Warehouses, func(w stock.Warehouse) bool { return strings.EqualFold(string(w), find) })
}

// By says under what a report is arranged.
type By string

// The arrangements.
const (
	ByPerson     By = "person"
	ByRole       By = "role"
	ByPermission By = "permission"
)

// Section is a part of a report under one heading.
type Section struct {
	Key  string
	Rows []Row
}

// Arrange returns the lines of r that f lets through, under headings.
func Arrange(r access.Report, people []Person, by By, f Filter) (list []Section) {
	known := map[access.Account]Person{}
	for _, p := range people {
		known[p.Account] = p
	}
	excluded := map[access.Account]bool{}
	for _, c := range r.Collisions {
		excluded[c.Account] = true
	}
	sections := r.ByPerson()
	switch by {
	case ByRole:
		sections = r.ByRole()
	case ByPermission:
		sections = r.ByPermission()
	}
	for _, s := range sections {
		out := Section{Key: s.Key}
		for _, l := range s.Lines {
			row := Row{Line: l, Person: known[l.Account]}
			mark := func(m Mark, on bool) {
				if on {
					row.Marks = append(row.Marks, m)
				}
			}
			mark(MarkLent, l.By.Temporary != "")
			mark(MarkUnheld, l.Account == "")
			mark(MarkVoid, l.Void != "")
			mark(MarkDormant, row.Person.Dormant)
			mark(MarkOverdue, row.Person.Overdue && !row.Person.Disabled)
			mark(MarkLacks, row.Person.Lacks && !row.Person.Disabled)
			mark(MarkWaiting, row.Person.Waiting)
			mark(MarkExcluded, excluded[l.Account])
			if f.has(row) {
				out.Rows = append(out.Rows, row)
			}
		}
		if len(out.Rows) > 0 {
			list = append(list, out)
		}
	}
	return list
}

// Cell returns s as a cell of a CSV file that a spreadsheet takes for text: one that it would take for a formula gets an apostrophe before it.
func Cell(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(s)[0]) {
		return "'" + s
	}
	return s
}

package web

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stockade/internal/identity"
)

// Link is an entry of the menu; it is shown to those who have its permission.
type Link struct {
	Path, Text, Permission string // Text is a key of the catalogue
	// Group is the key of the group that the entry belongs to. Groups stand in the order of their first entries, and are shown to
	// who sees more entries than fit into one row.
	Group string
	// Also are the beginnings of other addresses at which the reader is still at this entry.
	Also []string
	// Count tells how much waits behind the entry for who looks at it; nil for nothing. It is asked for with every page.
	Count func(context.Context, identity.Person) (int, error)
}

// PeopleGroup is the group of the menu in which the page of people is.
const PeopleGroup = "menu.group_people"

// withPeople adds the page of people, as the first of its group; also are links on it.
func withPeople(menu, also []Link) []Link {
	at := slices.IndexFunc(menu, func(l Link) bool { return l.Group == PeopleGroup })
	if at < 0 {
		at = len(menu)
	}
	people := Link{Path: "/people", Text: "menu.people", Permission: PeopleRead, Group: PeopleGroup}
	for _, l := range also {
		people.Also = append(people.Also, l.Path)
	}
	return slices.Insert(slices.Clone(menu), at, people)
}

// oneRow is how many entries fit into one row of the menu.
const oneRow = 8

// Entry is an entry of the menu as it is shown; Waits is how much waits behind it, Here whether the reader is there.
type Entry struct {
	Path, Text string
	Waits      int
	Here       bool
	Group      bool // several entries stand behind it
}

// under reports whether path is at the link.
func (l Link) under(path string) bool {
	path, _, _ = strings.Cut(path, "?")
	for _, p := range append([]string{l.Path}, l.Also...) {
		if path == p || p != "/" && strings.HasPrefix(path, p+"/") {
			return true
		}
	}
	return false
}

// menuOf returns what the reader sees of the menu: one row, or one of groups and one of the entries in the group where the reader is.
func (p *pages) menuOf(v *Visit) (first, second []Entry, err error) {
	if v.Person.Account == "" || v.Person.Must != "" {
		return nil, nil, nil
	}
	var all []Entry
	var groups []string // of each entry
	here := -1
	for _, m := range p.menu {
		if !v.May(m.Permission) {
			continue
		}
		e := Entry{Path: m.Path, Text: m.Text}
		if m.Count != nil {
			if e.Waits, err = m.Count(v.UserContext(), v.Person); err != nil {
				return nil, nil, fmt.Errorf("count of %s: %w", m.Path, err)
			}
		}
		if m.under(v.OriginalURL()) && (here < 0 || len(m.Path) > len(all[here].Path)) {
			here = len(all)
		}
		all, groups = append(all, e), append(groups, m.Group)
	}
	if here >= 0 {
		all[here].Here = true
	}
	if len(all) <= oneRow {
		return all, nil, nil
	}
	place := map[string]int{}
	for i, e := range all {
		g := groups[i]
		n, known := place[g]
		if !known || g == "" {
			n = len(first)
			place[g] = n
			first = append(first, Entry{Path: e.Path, Text: e.Text})
			if g != "" {
				first[n].Text, first[n].Group = g, true
			}
		}
		first[n].Waits += e.Waits
		first[n].Here = first[n].Here || e.Here
		if here >= 0 && g != "" && g == groups[here] {
			second = append(second, e)
		}
	}
	if len(second) < 2 {
		second = nil
	}
	return first, second, nil
}

// home returns the first page of the menu that the reader may see and not everybody may, or that of their own account.
func (p *pages) home(v *Visit) string {
	for _, m := range p.menu {
		if m.Path != "/" && m.Permission != Own && v.May(m.Permission) {
			return m.Path
		}
	}
	return "/account"
}

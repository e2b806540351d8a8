package web

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMenu: few entries stand in one row; many become groups, of which one is open: that of the page.
func TestMenu(t *testing.T) {
	link := func(n int, group string) Link {
		return Link{Path: fmt.Sprint("/p", n), Text: "menu.stock", Permission: "x.read", Group: group}
	}
	var few, many []Link
	for n := range oneRow {
		few = append(few, link(n, []string{"menu.stations", "menu.people"}[n%2]))
	}
	many = append(slices.Clone(few), Link{Path: "/late", Text: "menu.movements", Permission: "x.read", Group: "menu.stations", Also: []string{"/thing"}}, Link{Path: "/alone", Text: "menu.overview", Permission: "x.read"})
	page := func(v *Visit) error { return v.Page("error", errorPage{Status: 200}) }
	routes := []Route{{Method: "GET", Path: "/late", Permission: "x.read", Handler: page}, {Method: "GET", Path: "/thing/:id", Permission: "x.read", Handler: page}, {Method: "GET", Path: "/alone", Permission: "x.read", Handler: page}}
	shown := func(menu []Link, path string) (rows [2][]string, here []string) {
		t.Helper()
		s := serveSite(t, Options{People: doorman{}}, Site{Routes: routes, Menu: menu, Assets: someAssets})
		res, body := s.say(t, "GET "+path+" HTTP/1.1\r\nHost: "+s.address+"\r\nCookie: __Host-session-test=good\r\n", "")
		if res.StatusCode != http.StatusOK {
			t.Fatalf("GET %s: %d", path, res.StatusCode)
		}
		_, nav, _ := strings.Cut(body, "<nav")
		nav, _, _ = strings.Cut(nav, "</nav>")
		first, second, _ := strings.Cut(nav, "submenu")
		for i, row := range []string{first, second} {
			for _, m := range regexp.MustCompile(`<a href="([^"]*)"( class="here")?`).FindAllStringSubmatch(row, -1) {
				rows[i] = append(rows[i], m[1])
				if m[2] != "" {
					here = append(here, m[1])
				}
			}
		}
		return rows, here
	}
	for _, c := range []struct {
		what, path          string
		menu                []Link
		first, second, here string
	}{
		{"few", "/late", few, "/p0 /p1 /p2 /p3 /p4 /p5 /p6 /p7", "", ""},
		{"many", "/late", many, "/p0 /p1 /alone", "/p0 /p2 /p4 /p6 /late", "/p0 /late"},
		{"what belongs to an entry", "/thing/7?x=/alone", many, "/p0 /p1 /alone", "/p0 /p2 /p4 /p6 /late", "/p0 /late"},
		{"one without a group", "/alone", many, "/p0 /p1 /alone", "", "/alone"},
	} {
		rows, here := shown(c.menu, c.path)
		if strings.Join(rows[0], " ") != c.first || strings.Join(rows[1], " ") != c.second || strings.Join(here, " ") != c.here {
			t.Errorf("%s: %v, at %v; want %s and %s, at %s", c.what, rows, here, c.first, c.second, c.here)
		}
	}
}

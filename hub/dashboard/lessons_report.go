package dashboard

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/lessons"
	"stockade/hub/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// mostLessonRows is how many rows a page of the report shows; the file has all.
const mostLessonRows = 1000

type lessonReportPage struct {
	At         time.Time
	Lessons    []tally // by lesson
	Places     []tally // by warehouse
	Rows       []standingRow
	All        int // rows, also those that the page does not show
	Warehouses []option
	Titles     []option
	States     []option
	Text       string
	Query      string
	Cut        bool
}

// tally is how many of those who are asked have passed.
type tally struct {
	Name                            string
	Asked, Passed, Waiting, Overdue int
	Percent                         int
}

func (t *tally) add(s lessons.Standing) {
	t.Asked++
	switch {
	case s.State == lessons.Passed || !s.Passed.IsZero() && s.State != lessons.Overdue:
		t.Passed++ // somebody who can take it for the next time has passed still
	case s.State == lessons.Overdue:
		t.Overdue++
	default:
		t.Waiting++
	}
	t.Percent = 100 * t.Passed / t.Asked
}

type standingRow struct {
	lessons.Standing
	Who   string
	Title string
}

// lessonReport returns what the reader may see of it: people of the reader's warehouses, or everybody.
func (d *dashboard) lessonReport(v *web.Visit) (page lessonReportPage, err error) {
	list, err := d.LessonStandings(v.UserContext())
	if err != nil {
		return page, err
	}
	seen := v.List(LessonReport)
	lang, place, lesson, state := string(v.Lang), v.Query("warehouse"), v.Query("lesson"), v.Query("state")
	page.At, page.Text = d.Now(), strings.TrimSpace(v.Query("q"))
	q := url.Values{}
	for key, value := range map[string]string{"warehouse": place, "lesson": lesson, "state": state, "q": page.Text} {
		if value != "" {
			q.Set(key, value)
		}
	}
	page.Query = q.Encode()
	byLesson, byPlace, titles := map[string]*tally{}, map[string]*tally{}, map[string]string{}
	all := map[stock.Warehouse]bool{}
	count := func(m map[string]*tally, key, name string, s lessons.Standing) {
		if m[key] == nil {
			m[key] = &tally{Name: name}
		}
		m[key].add(s)
	}
	for _, s := range list {
		places := visiblePlaces(seen.Rows, s.Person)
		if places == nil {
			continue
		}
		title := s.Lesson.Titles.In(lang)
		titles[s.Lesson.ID] = title
		for _, w := range places {
			all[w] = true
		}
		who := s.Person
		who.Display = shownName(seen, who.Display)
		row := standingRow{s, who.Called(), title}
		if place != "" && !slices.Contains(places, stock.Warehouse(place)) || lesson != "" && lesson != s.Lesson.ID || state != "" && state != string(s.State) ||
			page.Text != "" && !strings.Contains(strings.ToLower(row.Who), strings.ToLower(page.Text)) {
			continue
		}
		count(byLesson, s.Lesson.ID, title, s)
		for _, w := range places {
			name := string(w)
			if name == "" {
				name = v.T("lessons.no_warehouse", nil)
			}
			if place == "" || name == place {
				count(byPlace, string(w), name, s)
			}
		}
		row.Person.Warehouses = slices.DeleteFunc(slices.Clone(places), func(w stock.Warehouse) bool { return w == "" })
		page.Rows = append(page.Rows, row)
	}
	page.All = len(page.Rows)
	page.Lessons, page.Places = tallies(byLesson), tallies(byPlace)
	for _, w := range sortedKeys(all) {
		if w != "" {
			page.Warehouses = append(page.Warehouses, option{string(w), string(w), string(w) == place})
		}
	}
	for _, id := range sortedKeys(titles) {
		page.Titles = append(page.Titles, option{id, titles[id], id == lesson})
	}
	for _, s := range []lessons.State{lessons.Overdue, lessons.Soon, lessons.Open, lessons.Passed} {
		page.States = append(page.States, option{string(s), v.T("lessons.state_"+string(s), nil), string(s) == state})
	}
	return page, nil
}

// visiblePlaces returns the warehouses under which a person is shown: those of theirs that rows cover; the empty one for a person of none, whom only a reader of
// everything sees. nil is a person who is not shown.
func visiblePlaces(rows access.Rows, p rights.Person) (out []stock.Warehouse) {
	if len(p.Warehouses) == 0 && rows.Everything() {
		return []stock.Warehouse{""}
	}
	for _, w := range p.Warehouses {
		if rows.Everything() || rows.Any.Has(w) {
			out = append(out, w)
		}
	}
	return out
}

// shownName returns what a person is called as far as the reader may see names.
func shownName(d access.Decision, display string) string {
	switch d.Fields.Of(access.Name) {
	case access.Hidden:
		return ""
	case access.Masked:
		r := []rune(display)
		return string(r[:min(1, len(r))]) + strings.Repeat("*", max(0, len(r)-1))
	}
	return display
}

func sortedKeys[K ~string, T any](m map[K]T) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func tallies(m map[string]*tally) (out []tally) {
	for _, t := range m {
		out = append(out, *t)
	}
	slices.SortFunc(out, func(a, b tally) int { return cmp.Or(cmp.Compare(b.Overdue, a.Overdue), cmp.Compare(a.Name, b.Name)) })
	return out
}

func (d *dashboard) getLessonReport(v *web.Visit) error {
	page, err := d.lessonReport(v)
	if err != nil {
		return err
	}
	if page.Cut = len(page.Rows) > mostLessonRows; page.Cut {
		page.Rows = page.Rows[:mostLessonRows]
	}
	return v.Page("lessons-report", page)
}

func (d *dashboard) getLessonCSV(v *web.Visit) error {
	page, err := d.lessonReport(v)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.WriteString("\ufeff") // else spreadsheets take UTF-8 for something older
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	head := []string{}
	for _, key := range []string{"person", "warehouse", "lesson", "version", "state", "due", "passed", "score", "tries"} {
		head = append(head, v.T("lessons.col_"+key, nil))
	}
	rows := [][]string{head}
	for _, r := range page.Rows {
		places := make([]string, len(r.Person.Warehouses))
		for i, p := range r.Person.Warehouses {
			places[i] = string(p)
		}
		version, passed, score := "", "", ""
		if !r.Passed.IsZero() {
			version, passed, score = strconv.FormatInt(r.Version, 10), v.Local(r.Passed).Format(time.DateTime), strconv.FormatInt(r.Right, 10)+" / "+strconv.FormatInt(r.Questions, 10)
		}
		rows = append(rows, []string{r.Who, strings.Join(places, " "), r.Title, version, v.T("lessons.state_"+string(r.State), nil), string(r.Due), passed, score, strconv.Itoa(r.Tries)})
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
	if err := d.LessonReportTaken(v.UserContext(), map[string]string{"filter": page.Query, "rows": strconv.Itoa(len(rows) - 1)}, v.Person); err != nil {
		return err
	}
	v.Set(fiber.HeaderContentDisposition, `attachment; filename="lessons-`+page.At.Format(time.DateOnly)+`.csv"`)
	v.Set(fiber.HeaderContentType, "text/csv; charset=utf-8")
	return v.Send(b.Bytes())
}

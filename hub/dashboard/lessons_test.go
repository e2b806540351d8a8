package dashboard

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/lessons"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// learning is a company whose people learn: one lesson with three questions, of which the second has two right answers.
type learning struct {
	Lessons
	sheet  lessons.Sheet
	given  lessons.Given
	refuse error
	did    []string
}

func hostileLesson() lessons.Lesson {
	say := func(s string) access.Text { return access.Text{ZH: s + hostileText, EN: s} }
	q := func(ask string, right ...bool) lessons.Question {
		one := lessons.Question{Ask: say(ask), Why: say("why-" + ask)}
		for i, r := range right {
			one.Answers = append(one.Answers, lessons.Answer{Say: say(ask + "-" + string(rune('a'+i))), Right: r})
		}
		return one
	}
	return lessons.Lesson{ID: "own-1", Version: 2, Minutes: 2, Own: true, Titles: say("title"), Text: []access.Text{say("text")}, Questions: []lessons.Question{q("one", true, false), q("two", true, true, false), q("three", false, true)}}
}

func (l *learning) standings() []lessons.Standing {
	at := func(name string, state lessons.State, warehouses ...string) lessons.Standing {
		s := lessons.Standing{Person: rights.Person{Name: name, Display: "Mr " + name}, Lesson: hostileLesson(), State: state, Due: "2024-05-03"}
		s.Person.Warehouses = texts[stock.Warehouse](warehouses)
		if state == lessons.Passed {
			s.Passed, s.Version, s.Right, s.Questions, s.Tries = then, 1, 3, 3, 2
		}
		return s
	}
	return []lessons.Standing{at("=li", lessons.Overdue, "SHA"), at("wu", lessons.Passed, "SHA", "BJS"), at("hq", lessons.Open)}
}

func (l *learning) MyLessons(context.Context, identity.Person) ([]lessons.Standing, error) {
	return l.standings()[:2], nil
}
func (l *learning) LessonsWaiting(context.Context, identity.Person) (int, error) { return 4, nil }
func (l *learning) Lesson(_ context.Context, id string) (lessons.Lesson, error) {
	if id != "own-1" {
		return lessons.Lesson{}, web.NotFound()
	}
	return hostileLesson(), nil
}
func (l *learning) TryLesson(context.Context, identity.Person, string) (int64, error) {
	return 7, l.refuse
}
func (l *learning) LessonSheet(context.Context, identity.Person, int64) (lessons.Sheet, error) {
	return l.sheet, nil
}
func (l *learning) AnswerLesson(_ context.Context, _ identity.Person, _ int64, given lessons.Given) error {
	l.given = given
	return l.refuse
}
func (l *learning) LessonStandings(context.Context) ([]lessons.Standing, error) {
	return l.standings(), nil
}
func (l *learning) LessonReportTaken(_ context.Context, what map[string]string, _ identity.Person) error {
	l.did = append(l.did, "report "+what["rows"]+" "+what["filter"])
	return l.refuse
}
func (l *learning) AllLessons(context.Context) (ready, own []lessons.Lesson, err error) {
	return nil, []lessons.Lesson{hostileLesson()}, nil
}
func (l *learning) LessonAssignments(context.Context) ([]store.LessonAssignment, error) {
	return []store.LessonAssignment{{ID: 1, Lesson: "own-1", Days: 30, Every: 365, MadeBy: hostileText, MadeAt: then}, {ID: 2, Lesson: "own-1", Roles: []access.RoleID{access.Worker, "gone"}, Due: "2024-06-01", Again: true, MadeBy: "boss", MadeAt: then, EndedBy: "boss", EndedAt: then}}, nil
}
func (l *learning) AssignLesson(_ context.Context, _ identity.Person, a store.LessonAssignment) error {
	if l.refuse == nil {
		l.did = append(l.did, "assign "+a.Lesson+" "+strings.Join(texts[string](a.Roles), ",")+" "+string(a.Due))
	}
	return l.refuse
}
func (l *learning) PutLesson(_ context.Context, _ identity.Person, id string, version int64, f lessons.Form) (string, error) {
	return id, l.refuse
}

func texts[B, A ~string](list []A) (out []B) {
	for _, a := range list {
		out = append(out, B(a))
	}
	return out
}

func sheetOf(done bool, given lessons.Given) lessons.Sheet {
	l := hostileLesson()
	s := lessons.Sheet{LessonTry: store.LessonTry{ID: 7, Lesson: l.ID, Version: 2, Questions: 3}, Lesson: l, Draw: lessons.Draw{Questions: []int{2, 0, 1}, Answers: [][]int{{1, 0}, {2, 0, 1}, {0, 1}}}, Given: given}
	if done {
		s.EndedAt, s.Result = then, l.Judge(given)
		s.Right, s.Passed = int64(s.Result.Count), s.Result.Passed
	}
	return s
}

func TestPagesOfLessons(t *testing.T) {
	m := &memory{}
	m.sheet = sheetOf(false, nil)
	b := open(t, m)
	b.signIn()
	for path, wants := range map[string][]string{
		"/lessons":                      {"我的学习", `title="4`, "已逾期", "2024-05-03 前", "通过"},
		"/lessons/read/own-1":           {"开始答题", "一共 3 题，答对 80% 算通过"},
		"/lessons/try/7":                {"交卷", "3 题里答对 3 题算通过", `type="radio" name="q0" value="1"`, `type="checkbox" name="q1" value="2"`},
		"/lessons/report":               {"按仓库", "BJS", "不属于仓库", "Mr wu (wu)", "0 / 1 · 0 %"},
		"/lessons/report?state=overdue": {"Mr =li"},
		"/lessons/report?warehouse=BJS": {"Mr wu"},
		"/lessons/manage":               {"所有人", "30 天内", "每 365 天再学", "仓库员工", "gone", "学过的也要再学"},
		"/lessons/own":                  {"编写课程", "捡到别人的工牌怎么办？"},
		"/lessons/own?id=own-1":         {`name="version" value="2"`, "? one", "two-b", "! why-three"},
	} {
		status, page, _ := b.do(http.MethodGet, path, nil)
		for _, want := range wants {
			if status != http.StatusOK || !strings.Contains(page, want) {
				t.Errorf("%s: %d, does not say %q", path, status, want)
			}
		}
		if strings.Contains(page, "<b onmouseover") {
			t.Errorf("%s carries what was typed as markup", path)
		}
		if path == "/lessons/try/7" && (strings.Contains(page, "why-") || strings.Contains(page, "正确")) {
			t.Error("a quiz that is to be answered gives its answers away")
		}
		if path == "/lessons/report?warehouse=BJS" && (strings.Contains(page, "Mr =li") || strings.Contains(page, "Mr hq")) {
			t.Error("a filter by warehouse shows people of others")
		}
	}
	for _, path := range []string{"/lessons/read/none", "/lessons/try/x", "/lessons/own?id=none"} {
		if status, _, _ := b.do(http.MethodGet, path, nil); status != http.StatusNotFound {
			t.Errorf("%s: %d", path, status)
		}
	}
	// Once it was answered: why, for what was wrong alone.
	m.sheet = sheetOf(true, lessons.Given{{0}, {0}, {1}})
	_, page, _ := b.do(http.MethodGet, "/lessons/try/7", nil)
	for want, there := range map[string]bool{"why-two": true, "why-one": false, "没有通过": true, "答对 2 题，共 3 题": true, "交卷": false, "您选的": true} {
		if strings.Contains(page, want) != there {
			t.Errorf("the result: %q is there: %t", want, !there)
		}
	}
	m.sheet = lessons.Sheet{LessonTry: store.LessonTry{ID: 7, Lesson: "own-1", EndedAt: then, Passed: true, Right: 3, Questions: 3}} // of a version that is gone
	if status, page, _ := b.do(http.MethodGet, "/lessons/try/7", nil); status != http.StatusOK || !strings.Contains(page, "答对 3 题") {
		t.Errorf("a try of a version that is gone: %d", status)
	}
}

func TestFormsOfLessons(t *testing.T) {
	m := &memory{}
	m.sheet = sheetOf(false, nil)
	b := open(t, m)
	b.signIn()
	if status, _, head := b.post("/lessons/read/own-1", "/lessons/read/own-1/try", url.Values{}); status != http.StatusSeeOther || head.Get("Location") != "/lessons/try/7" {
		t.Errorf("begin: %d %s", status, head.Get("Location"))
	}
	answers := url.Values{"q0": {"1"}, "q1": {"0", "2", "x"}, "q2": {}, "q9": {"1"}}
	if status, _, _ := b.post("/lessons/try/7", "/lessons/try/7", answers); status != http.StatusSeeOther || len(m.given) != 3 || !slices.Equal(m.given[1], []int{0, 2}) || len(m.given[2]) != 0 {
		t.Errorf("answers: %d %v", status, m.given)
	}
	m.refuse = web.Fail(http.StatusUnprocessableEntity, "lessons.unanswered")
	status, page, _ := b.post("/lessons/try/7", "/lessons/try/7", answers)
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "还有题没有选答案") || !strings.Contains(page, `name="q0" value="1" checked`) || strings.Count(page, "请选一个答案") != 1 || strings.Contains(page, "why-") {
		t.Errorf("unanswered: %d", status)
	}
	m.refuse = web.Fail(http.StatusTooManyRequests, "lessons.wait", "minutes", "4")
	if status, page, _ := b.post("/lessons/read/own-1", "/lessons/read/own-1/try", url.Values{}); status != http.StatusTooManyRequests || !strings.Contains(page, "4 分钟后再做") || !strings.Contains(page, "开始答题") {
		t.Errorf("the brake: %d", status)
	}
	m.refuse = web.Fail(http.StatusUnprocessableEntity, "lessons.bad_line_at", "line", "3")
	if status, page, _ := b.post("/lessons/own", "/lessons/own", url.Values{"title_zh": {"typed-1"}, "text_zh": {"typed-2"}, "questions_zh": {"typed-3"}, "text_en": {"typed-4"}}); status != http.StatusUnprocessableEntity || !strings.Contains(page, "第 3 行") ||
		!strings.Contains(page, "typed-1") || !strings.Contains(page, "typed-2") || !strings.Contains(page, "typed-3") || !strings.Contains(page, "typed-4") {
		t.Errorf("a lesson that is refused: %d", status)
	}
	m.refuse = nil
	for _, form := range []url.Values{{"lesson": {"own-1"}, "days": {"x"}}, {"lesson": {"own-1"}, "days": {"3"}, "every": {"x"}}, {"lesson": {"own-1"}, "days": {"3"}, "role": {"root"}}} {
		if status, page, _ := b.post("/lessons/manage", "/lessons/assign", form); status != http.StatusUnprocessableEntity || !strings.Contains(page, "没有布置") {
			t.Errorf("%v: %d", form, status)
		}
	}
	if status, _, _ := b.post("/lessons/manage", "/lessons/assign", url.Values{"lesson": {"own-1"}, "days": {"30"}, "due": {"2024-06-01"}, "role": {"auditor", "warehouse-worker"}}); status != http.StatusSeeOther || !slices.Equal(m.learning.did, []string{"assign own-1 warehouse-worker,auditor 2024-06-01"}) {
		t.Errorf("assign: %d %q", status, m.learning.did)
	}
}

func TestLessonCSV(t *testing.T) {
	m := &memory{}
	b := open(t, m)
	b.signIn()
	status, body, head := b.do(http.MethodGet, "/lessons/report.csv?lesson=own-1", nil)
	if status != http.StatusOK || !strings.Contains(head.Get("Content-Disposition"), "lessons-"+then.Format(time.DateOnly)+".csv") || !strings.HasPrefix(body, "\ufeff人员,仓库,课程") {
		t.Fatalf("%d %.200s", status, body)
	}
	if strings.Contains(body, "\n=") || !strings.Contains(body, "3 / 3") || !slices.Equal(m.learning.did, []string{"report 3 lesson=own-1"}) {
		t.Errorf("%q\n%s", m.learning.did, body)
	}
	m.refuse = web.Fail(http.StatusServiceUnavailable, "error.busy")
	if status, body, _ := b.do(http.MethodGet, "/lessons/report.csv", nil); status == http.StatusOK || strings.Contains(body, "Mr wu") {
		t.Errorf("what is not recorded is not given: %d", status)
	}
}

// TestLessonRowsAreScoped: a manager sees the people of the own warehouse, and under that warehouse alone.
func TestLessonRowsAreScoped(t *testing.T) {
	home := access.Rows{Any: access.Places{Warehouses: []stock.Warehouse{"SHA"}}}
	for _, c := range []struct {
		rows access.Rows
		at   []string
		want string
	}{{home, []string{"SHA"}, "SHA"}, {home, []string{"BJS", "SHA"}, "SHA"}, {home, []string{"BJS"}, ""}, {home, nil, ""}, {access.Rows{}, []string{"SHA"}, ""}, {access.Rows{Any: access.Places{All: true}}, []string{"BJS", "SHA"}, "BJS SHA"}} {
		p := rights.Person{}
		p.Warehouses = texts[stock.Warehouse](c.at)
		if got := strings.Join(texts[string](visiblePlaces(c.rows, p)), " "); got != c.want {
			t.Errorf("%+v of a person of %v: %q, want %q", c.rows, c.at, got, c.want)
		}
	}
	if got := visiblePlaces(access.Rows{Any: access.Places{All: true}}, rights.Person{}); len(got) != 1 || got[0] != "" {
		t.Errorf("a person of no warehouse: %v", got)
	}
}

package dashboard

import (
	"context"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/hub/lessons"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// Permissions of the pages about security lessons.
const (
	LessonTake   = "lesson.take"
	LessonReport = "lesson.report"
	LessonAssign = "lesson.assign"
)

// Lessons is what the pages about security lessons read and do.
type Lessons interface {
	MyLessons(ctx context.Context, who identity.Person) ([]lessons.Standing, error)
	LessonsWaiting(ctx context.Context, who identity.Person) (int, error)
	Lesson(ctx context.Context, id string) (lessons.Lesson, error)
	// TryLesson begins a try, or goes on with one, and returns its number.
	TryLesson(ctx context.Context, who identity.Person, id string) (int64, error)
	LessonSheet(ctx context.Context, who identity.Person, try int64) (lessons.Sheet, error)
	AnswerLesson(ctx context.Context, who identity.Person, try int64, given lessons.Given) error
	// LessonStandings is where everybody stands.
	LessonStandings(ctx context.Context) ([]lessons.Standing, error)
	LessonReportTaken(ctx context.Context, what map[string]string, by identity.Person) error

	AllLessons(ctx context.Context) (ready, own []lessons.Lesson, err error)
	LessonAssignments(ctx context.Context) ([]store.LessonAssignment, error)
	AssignLesson(ctx context.Context, by identity.Person, a store.LessonAssignment) error
	EndLessonAssignment(ctx context.Context, by identity.Person, id int64) error
	PutLesson(ctx context.Context, by identity.Person, id string, version int64, f lessons.Form) (string, error)
	WithdrawLesson(ctx context.Context, by identity.Person, id string, version int64) error
}

func (d *dashboard) lessonRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/lessons", Permission: LessonTake, Handler: d.getLessons},
		{Method: "GET", Path: "/lessons/read/:id", Permission: LessonTake, Handler: d.getLesson},
		{Method: "POST", Path: "/lessons/read/:id/try", Permission: LessonTake, Handler: d.beginTry},
		{Method: "GET", Path: "/lessons/try/:try", Permission: LessonTake, Handler: d.getTry},
		{Method: "POST", Path: "/lessons/try/:try", Permission: LessonTake, Handler: d.postTry},
		{Method: "GET", Path: "/lessons/report", Permission: LessonReport, Handler: d.getLessonReport},
		{Method: "GET", Path: "/lessons/report.csv", Permission: LessonReport, Handler: d.getLessonCSV},
		{Method: "GET", Path: "/lessons/manage", Permission: LessonAssign, Handler: d.getLessonManage},
		{Method: "POST", Path: "/lessons/assign", Permission: LessonAssign, Handler: d.postAssign},
		{Method: "POST", Path: "/lessons/assignment/:id/end", Permission: LessonAssign, Handler: d.endAssignment},
		{Method: "GET", Path: "/lessons/own", Permission: LessonAssign, Handler: d.getOwnLesson},
		{Method: "POST", Path: "/lessons/own", Permission: LessonAssign, Handler: d.postOwnLesson},
		{Method: "POST", Path: "/lessons/own/withdraw", Permission: LessonAssign, Handler: d.withdrawOwnLesson},
	}
}

// lessonWaits is what the menu shows.
func (d *dashboard) lessonWaits(ctx context.Context, who identity.Person) (int, error) {
	return d.LessonsWaiting(ctx, who)
}

// lessonRow is a lesson in the list of one's own.
type lessonRow struct {
	lessons.Standing
	Title string
	Link  string
}

func lessonLink(id string) string { return "/lessons/read/" + id }
func tryLink(id int64) string     { return "/lessons/try/" + strconv.FormatInt(id, 10) }

type myLessonsPage struct {
	Waiting, Others     []lessonRow
	MayReport, MayWrite bool
}

func (d *dashboard) getLessons(v *web.Visit) error {
	list, err := d.MyLessons(v.UserContext(), v.Person)
	if err != nil {
		return err
	}
	page := myLessonsPage{MayReport: v.May(LessonReport), MayWrite: v.May(LessonAssign)}
	for _, s := range list {
		row := lessonRow{s, s.Lesson.Titles.In(string(v.Lang)), lessonLink(s.Lesson.ID)}
		if s.Waits() {
			page.Waiting = append(page.Waiting, row)
		} else {
			page.Others = append(page.Others, row)
		}
	}
	return v.Page("lessons", page)
}

type lessonPage struct {
	Lesson    lessons.Lesson
	Title     string
	Text      []string
	Questions int
	Percent   int
	Problem   string
}

func (d *dashboard) getLesson(v *web.Visit) error { return d.showLesson(v, "") }

func (d *dashboard) showLesson(v *web.Visit, problem string) error {
	l, err := d.Lesson(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	page := lessonPage{Lesson: l, Title: l.Titles.In(string(v.Lang)), Questions: len(l.Questions), Percent: lessons.PassPercent, Problem: problem}
	for _, p := range l.Text {
		page.Text = append(page.Text, p.In(string(v.Lang)))
	}
	return v.Page("lesson", page)
}

func (d *dashboard) beginTry(v *web.Visit) error {
	try, err := d.TryLesson(v.UserContext(), v.Person, v.Params("id"))
	if err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return d.showLesson(v, problem)
	}
	return v.See(tryLink(try))
}

// sheetPage is a quiz as it is asked or, once it was answered, judged.
type sheetPage struct {
	Sheet     lessons.Sheet
	Title     string
	Link      string
	Action    string
	Done      bool
	Questions []questionSheet
	Need      int // right answers that it takes
	Problem   string
}

type questionSheet struct {
	Number  int // as it is shown, from 1
	Name    string
	Ask     string
	Why     string
	Several bool
	Right   bool
	Open    bool // no answer was chosen
	Answers []answerSheet
}

type answerSheet struct {
	Value  int
	Say    string
	Chosen bool
	Right  bool
}

func (d *dashboard) sheet(v *web.Visit) (lessons.Sheet, error) {
	id, err := strconv.ParseInt(v.Params("try"), 10, 64)
	if err != nil {
		return lessons.Sheet{}, web.NotFound()
	}
	return d.LessonSheet(v.UserContext(), v.Person, id)
}

func (d *dashboard) getTry(v *web.Visit) error {
	s, err := d.sheet(v)
	if err != nil {
		return err
	}
	return showSheet(v, s, s.Given, "")
}

// showSheet shows a try; right answers are on the page only once it was answered, and of those questions alone that were answered wrong.
func showSheet(v *web.Visit, s lessons.Sheet, given lessons.Given, problem string) error {
	lang := string(v.Lang)
	page := sheetPage{Sheet: s, Title: s.Lesson.Titles.In(lang), Link: lessonLink(s.LessonTry.Lesson), Action: tryLink(s.ID), Done: !s.EndedAt.IsZero(), Problem: problem,
		Need: (lessons.PassPercent*int(s.Questions) + 99) / 100}
	for place, n := range s.Draw.Questions {
		q := s.Lesson.Questions[n]
		one := questionSheet{Number: place + 1, Name: "q" + strconv.Itoa(n), Ask: q.Ask.In(lang), Several: q.Several()}
		chosen := map[int]bool{}
		if n < len(given) {
			for _, a := range given[n] {
				chosen[a] = true
			}
		}
		one.Open = problem != "" && len(chosen) == 0
		if page.Done {
			one.Right, one.Why = s.Result.Right[n], q.Why.In(lang)
		}
		for _, a := range s.Draw.Answers[n] {
			one.Answers = append(one.Answers, answerSheet{Value: a, Say: q.Answers[a].Say.In(lang), Chosen: chosen[a], Right: page.Done && !one.Right && q.Answers[a].Right})
		}
		page.Questions = append(page.Questions, one)
	}
	return v.Page("lesson-try", page)
}

func (d *dashboard) postTry(v *web.Visit) error {
	s, err := d.sheet(v)
	if err != nil {
		return err
	}
	given := make(lessons.Given, len(s.Lesson.Questions))
	for n := range given {
		for _, value := range v.Context().PostArgs().PeekMulti("q" + strconv.Itoa(n)) {
			if a, err := strconv.Atoi(string(value)); err == nil && len(given[n]) < lessons.MostAnswers {
				given[n] = append(given[n], a)
			}
		}
	}
	if err := d.AnswerLesson(v.UserContext(), v.Person, s.ID, given); err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return showSheet(v, s, given, problem)
	}
	return v.See(tryLink(s.ID))
}

// ---- Assigning and writing ----

type assignmentRow struct {
	store.LessonAssignment
	Title string
	Roles []string
}

type assignForm struct {
	Lesson, Days, Due, Every string
	Again                    bool
	Roles                    map[string]bool
}

type managePage struct {
	Rows, Ended []assignmentRow
	Lessons     []lessonRow // that count
	Own         []lessonRow
	Roles       []option
	Form        assignForm
	Today       string
	Problem     string
}

func (d *dashboard) getLessonManage(v *web.Visit) error {
	return d.showLessonManage(v, assignForm{Days: strconv.Itoa(lessons.FirstDays), Every: strconv.Itoa(lessons.EveryDays)}, "")
}

func (d *dashboard) showLessonManage(v *web.Visit, f assignForm, problem string) error {
	ready, own, err := d.AllLessons(v.UserContext())
	if err != nil {
		return err
	}
	all, err := d.LessonAssignments(v.UserContext())
	if err != nil {
		return err
	}
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	lang := string(v.Lang)
	page := managePage{Form: f, Problem: problem, Today: d.Now().Format(time.DateOnly)}
	roles, titles := map[access.RoleID]string{}, map[string]string{}
	for _, r := range now.Roles {
		if roles[r.ID] = r.Names.In(lang); !r.Withdrawn && r.ID != access.OpenStation {
			page.Roles = append(page.Roles, option{string(r.ID), roles[r.ID], f.Roles[string(r.ID)]})
		}
	}
	for _, l := range append(ready, own...) {
		row := lessonRow{Standing: lessons.Standing{Lesson: l}, Title: l.Titles.In(lang), Link: lessonLink(l.ID)}
		titles[l.ID] = row.Title
		if !l.Withdrawn {
			page.Lessons = append(page.Lessons, row)
		}
		if l.Own {
			page.Own = append(page.Own, row)
		}
	}
	for _, a := range all {
		row := assignmentRow{LessonAssignment: a, Title: titles[a.Lesson]}
		for _, r := range a.Roles {
			name := roles[r]
			if name == "" {
				name = string(r)
			}
			row.Roles = append(row.Roles, name)
		}
		if a.EndedAt.IsZero() {
			page.Rows = append(page.Rows, row)
		} else {
			page.Ended = append(page.Ended, row)
		}
	}
	return v.Page("lessons-manage", page)
}

func (d *dashboard) postAssign(v *web.Visit) error {
	f := assignForm{Lesson: v.Form("lesson"), Days: v.Form("days"), Due: v.Form("due"), Every: v.Form("every"), Again: v.Form("again") == "1", Roles: map[string]bool{}}
	a := store.LessonAssignment{Lesson: f.Lesson, Due: stock.Date(f.Due), Again: f.Again}
	now, err := d.PolicyNow(v.UserContext())
	if err != nil {
		return err
	}
	posted := map[string]bool{}
	for _, r := range v.Context().PostArgs().PeekMulti("role") {
		posted[string(r)] = true
	}
	for _, r := range now.Roles { // a role that there is not is not taken
		if posted[string(r.ID)] {
			a.Roles, f.Roles[string(r.ID)] = append(a.Roles, r.ID), true
		}
	}
	var err1, err2 error
	if f.Due == "" { // a date goes before a number of days
		a.Days, err1 = strconv.ParseInt(f.Days, 10, 32)
	}
	if f.Every != "" {
		a.Every, err2 = strconv.ParseInt(f.Every, 10, 32)
	}
	if err1 != nil || err2 != nil || len(posted) != len(a.Roles) {
		v.Status(fiber.StatusUnprocessableEntity)
		return d.showLessonManage(v, f, v.T("lessons.bad_assignment", nil))
	}
	if err := d.AssignLesson(v.UserContext(), v.Person, a); err != nil {
		problem, err := problemOf(v, err)
		if err != nil {
			return err
		}
		return d.showLessonManage(v, f, problem)
	}
	return v.See("/lessons/manage")
}

func (d *dashboard) endAssignment(v *web.Visit) error {
	id, err := strconv.ParseInt(v.Params("id"), 10, 64)
	if err != nil {
		return web.NotFound()
	}
	if err := d.EndLessonAssignment(v.UserContext(), v.Person, id); err != nil {
		return err
	}
	return v.See("/lessons/manage")
}

type ownLessonPage struct {
	ID      string
	Version int64
	Form    lessons.Form
	Example string
	Problem string
}

func (d *dashboard) getOwnLesson(v *web.Visit) error {
	id := v.Query("id")
	if id == "" {
		return showOwnLesson(v, ownLessonPage{})
	}
	_, own, err := d.AllLessons(v.UserContext())
	if err != nil {
		return err
	}
	for _, l := range own {
		if l.ID == id {
			return showOwnLesson(v, ownLessonPage{ID: id, Version: l.Version, Form: lessons.FormOf(l)})
		}
	}
	return web.NotFound()
}

func showOwnLesson(v *web.Visit, page ownLessonPage) error {
	page.Example = v.T("lessons.example", nil)
	return v.Page("lesson-own", page)
}

func (d *dashboard) postOwnLesson(v *web.Visit) error {
	page := ownLessonPage{ID: v.Form("id"), Form: lessons.Form{TitleZH: v.Form("title_zh"), TitleEN: v.Form("title_en"), TextZH: v.Form("text_zh"), TextEN: v.Form("text_en"),
		QuestionsZH: v.Form("questions_zh"), QuestionsEN: v.Form("questions_en")}}
	page.Version, _ = strconv.ParseInt(v.Form("version"), 10, 64) // 0 for a new one
	id, err := d.PutLesson(v.UserContext(), v.Person, page.ID, page.Version, page.Form)
	if err != nil {
		if page.Problem, err = problemOf(v, err); err != nil {
			return err
		}
		return showOwnLesson(v, page)
	}
	return v.See(lessonLink(id))
}

func (d *dashboard) withdrawOwnLesson(v *web.Visit) error {
	version, err := strconv.ParseInt(v.Form("version"), 10, 64)
	if err != nil {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request")
	}
	if err := d.WithdrawLesson(v.UserContext(), v.Person, v.Form("id"), version); err != nil {
		return err
	}
	return v.See("/lessons/manage")
}

package lessons

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// school is a service over a real store, with a clock that is turned and notices that are gathered.
type school struct {
	*hubtest.Hub
	*Service
	t      *testing.T
	now    time.Time
	people []rights.Person
	told   []string
}

func newSchool(t *testing.T) *school {
	h := hubtest.New(t)
	s := &school{Hub: h, t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	clock := func() time.Time { return s.now }
	svc, err := New(Service{Store: h.Store, Vault: h.Vault, Recorder: &auditlog.Recorder{Store: h.Store, Ring: h.Ring, Clock: clock},
		People: func(context.Context) ([]rights.Person, error) { return s.people, nil },
		Tell: func(_ *vault.Tx, account, kind string, args map[string]string) error {
			s.told = append(s.told, strings.Join([]string{account, kind, args["count"], args["due"]}, " "))
			return nil
		}})
	hubtest.Check(t, err)
	s.Service = svc
	return s
}

func (s *school) hire(name string, roles ...access.RoleID) identity.Person {
	p := rights.Person{Name: name}
	p.Account, p.Roles = access.Account(identity.Account{Name: name}.Key()), roles
	s.people = append(s.people, p)
	who := identity.Person{Account: name, Address: "10.0.0.1"}
	for _, r := range roles {
		who.Roles = append(who.Roles, string(r))
	}
	return who
}

func (s *school) due() {
	s.t.Helper()
	hubtest.Check(s.t, s.Due(s.t.Context()))
}

// at says where somebody stands with a lesson.
func (s *school) at(who identity.Person, lesson string) Standing {
	s.t.Helper()
	list, err := s.Mine(s.t.Context(), who)
	hubtest.Check(s.t, err)
	n := slices.IndexFunc(list, func(one Standing) bool { return one.Lesson.ID == lesson })
	if n < 0 {
		s.t.Fatalf("no lesson %s", lesson)
	}
	return list[n]
}

func (s *school) is(who identity.Person, lesson string, state State, due stock.Date) {
	s.t.Helper()
	if got := s.at(who, lesson); got.State != state || got.Due != due {
		s.t.Errorf("%s of %s is %s, due %q; want %s, %q", lesson, who.Account, got.State, got.Due, state, due)
	}
}

// take answers a quiz, so many questions right.
func (s *school) take(who identity.Person, lesson string, right int) error {
	s.t.Helper()
	id, err := s.Try(s.t.Context(), who, lesson)
	if err != nil {
		return err
	}
	sheet, err := s.Sheet(s.t.Context(), who, id)
	hubtest.Check(s.t, err)
	return s.Answer(s.t.Context(), who, id, answers(sheet.Lesson, right))
}

func answers(l Lesson, right int) (g Given) {
	for i, q := range l.Questions {
		var chosen []int
		for n, a := range q.Answers {
			if a.Right == (i < right) {
				chosen = append(chosen, n)
			}
		}
		g = append(g, chosen)
	}
	return g
}

func (s *school) acts(act string) (out []change.Entry) {
	s.t.Helper()
	s.View(func(v *store.View) error {
		all, err := v.Entries(0)
		for _, l := range all {
			c, err := change.Decode(l.Entry)
			if err != nil {
				return err
			}
			if e, err := c.Entry(); err == nil && e.Act == act {
				out = append(out, e)
			}
		}
		return err
	})
	return out
}

func (s *school) pass(days int) { s.now = s.now.AddDate(0, 0, days) }

// TestAYear: joining, a month to learn, reminders, passing, and once more a year later.
func TestAYear(t *testing.T) {
	s := newSchool(t)
	hubtest.Check(t, s.Begin(t.Context()))
	hubtest.Check(t, s.Begin(t.Context())) // the next start assigns nothing twice
	if n := len(s.acts(ActAssigned)); n != len(s.ready) {
		t.Fatalf("%d assignments recorded of %d", n, len(s.ready))
	}
	li := s.hire("Li", access.Worker)
	s.due()
	s.is(li, "passwords", Open, "2026-04-01")
	s.is(li, "administrators", Free, "")
	s.pass(10)
	chen := s.hire("chen", access.SystemAdmin) // joins later, and has a month too
	s.due()
	s.is(chen, "administrators", Open, "2026-04-11")
	if n, err := s.Waiting(t.Context(), chen); err != nil || n != len(s.ready) {
		t.Errorf("%d wait for chen, %v", n, err)
	}
	hubtest.Check(t, s.take(li, "passwords", 5))
	s.is(li, "passwords", Passed, "2027-03-12")

	s.pass(13) // 2026-03-25: a week before li's are due
	s.due()
	s.due()
	if want := "Li lessons_soon 7 2026-04-01"; !slices.Equal(s.told, []string{want}) {
		t.Errorf("told %q, want %q once", s.told, want)
	}
	s.is(li, "phishing", Soon, "2026-04-01")
	s.pass(7)
	s.due()
	s.is(li, "phishing", Soon, "2026-04-01") // the day itself is still in time
	s.pass(1)
	s.told = nil
	s.due()
	s.due()
	if want := []string{"Li lessons_overdue 7 2026-04-01"}; !slices.Equal(s.told, want) {
		t.Errorf("told %q, want %q", s.told, want)
	}
	s.is(li, "phishing", Overdue, "2026-04-01")
	all, err := s.All(t.Context())
	hubtest.Check(t, err)
	if n := len(slices.DeleteFunc(all, func(x Standing) bool { return x.State != Overdue || x.Person.Name != "Li" })); n != 7 {
		t.Errorf("the report says %d are overdue", n)
	}

	// The next round opens a month before the year is over.
	s.now = time.Date(2027, 2, 9, 0, 0, 0, 0, time.UTC)
	s.is(li, "passwords", Passed, "2027-03-12")
	s.pass(1)
	s.is(li, "passwords", Open, "2027-03-12")
	s.pass(40)
	s.is(li, "passwords", Overdue, "2027-03-12")
	hubtest.Check(t, s.take(li, "passwords", 4)) // 80 of a hundred
	s.is(li, "passwords", Passed, "2028-03-21")
	if got := s.at(li, "passwords"); got.Tries != 2 || got.Right != 4 || got.Questions != 5 {
		t.Errorf("%+v", got)
	}
}

// TestRolesMove: a role that somebody gets brings its lessons with a month of their own, one that goes takes them away; who is gone is not in the report.
func TestRolesMove(t *testing.T) {
	s := newSchool(t)
	hubtest.Check(t, s.Begin(t.Context()))
	li := s.hire("li", access.Worker)
	s.due()
	s.pass(100)
	s.people[0].Roles, li.Roles = []access.RoleID{access.Auditor}, []string{"auditor"}
	s.due()
	s.is(li, "administrators", Open, "2026-07-10")
	s.is(li, "passwords", Overdue, "2026-04-01")
	s.people[0].Disabled = true
	s.due()
	if all, err := s.All(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%d, %v", len(all), err)
	}
	s.people[0].Disabled = false // comes back: a month again
	s.due()
	s.is(li, "passwords", Open, "2026-07-10")
}

func TestAssignments(t *testing.T) {
	s := newSchool(t)
	boss, li := s.hire("boss", access.SecurityAdmin), s.hire("li", access.Worker)
	hubtest.Check(t, s.take(li, "phishing", 5))
	if got := s.at(li, "phishing"); got.State != Passed || got.Due != "" {
		t.Errorf("%+v", got)
	}
	for what, a := range map[string]store.LessonAssignment{"no date": {Lesson: "phishing"}, "both": {Lesson: "phishing", Days: 3, Due: "2026-03-20"}, "past": {Lesson: "phishing", Due: "2026-03-01"},
		"no day": {Lesson: "phishing", Due: "2026-02-31"}, "far": {Lesson: "phishing", Due: "2028-01-01"}, "long": {Lesson: "phishing", Days: 1000}, "often": {Lesson: "phishing", Days: 3, Every: -1}} {
		if err := s.Assign(t.Context(), boss, a); !errors.Is(err, ErrAssignment) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := s.Assign(t.Context(), boss, store.LessonAssignment{Lesson: "none", Days: 3}); !errors.Is(err, ErrNoLesson) {
		t.Error(err)
	}
	s.pass(1)
	hubtest.Check(t, s.Assign(t.Context(), boss, store.LessonAssignment{Lesson: "phishing", Due: "2026-03-20"}))
	s.is(li, "phishing", Passed, "") // passed before: enough
	hubtest.Check(t, s.Assign(t.Context(), boss, store.LessonAssignment{Lesson: "phishing", Roles: []access.RoleID{access.Worker}, Due: "2026-03-25", Again: true}))
	s.is(li, "phishing", Open, "2026-03-25") // after something has happened, everybody once more
	s.is(boss, "phishing", Open, "2026-03-20")
	list, err := s.Assignments(t.Context())
	hubtest.Check(t, err)
	hubtest.Check(t, s.EndAssignment(t.Context(), boss, list[1].ID))
	s.is(li, "phishing", Passed, "")
	if err := s.EndAssignment(t.Context(), boss, list[1].ID); !errors.Is(err, store.ErrNotFound) {
		t.Error(err)
	}
	e := s.acts(ActAssigned)[1]
	if e.Object != "lesson/phishing" || e.Detail["roles"] != "warehouse-worker" || e.Detail["again"] != "true" || len(s.acts(ActUnassigned)) != 1 {
		t.Errorf("recorded %+v", e)
	}
}

// TestTries: what a try may and may not do.
func TestTries(t *testing.T) {
	s := newSchool(t)
	ctx := t.Context()
	li, wu := s.hire("li", access.Worker), s.hire("wu", access.Worker)
	id, err := s.Try(ctx, li, "phishing")
	hubtest.Check(t, err)
	if again, err := s.Try(ctx, li, "phishing"); err != nil || again != id {
		t.Errorf("a second begin makes another try: %d, %v", again, err)
	}
	sheet, err := s.Sheet(ctx, li, id)
	hubtest.Check(t, err)
	l := sheet.Lesson
	if _, err := s.Sheet(ctx, wu, id); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's try: %v", err)
	}
	if err := s.Answer(ctx, wu, id, answers(l, 5)); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another's try: %v", err)
	}
	if err := s.Answer(ctx, li, id, answers(l, 5)[:4]); !errors.Is(err, ErrUnanswered) {
		t.Errorf("four answers of five: %v", err)
	}
	hubtest.Check(t, s.Answer(ctx, li, id, answers(l, 3)))
	if err := s.Answer(ctx, li, id, answers(l, 5)); !errors.Is(err, store.ErrTryEnded) {
		t.Errorf("a try that failed is answered better: %v", err)
	}
	if sheet, err = s.Sheet(ctx, li, id); err != nil || sheet.Passed || sheet.Result.Count != 3 || sheet.EndedAt.IsZero() {
		t.Errorf("%+v, %v", sheet.Result, err)
	}
	e := s.acts(ActFailed)
	if len(e) != 1 || e[0].Outcome != "failed" || e[0].Detail["right"] != "3" || e[0].Detail["version"] != "1" || len(e[0].Detail["content"]) != 64 {
		t.Errorf("recorded %+v", e)
	}
	// The brake: the second try is free, then it takes longer and longer.
	hubtest.Check(t, s.take(li, "phishing", 0))
	for _, wait := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		var w *WaitError
		if err := s.take(li, "phishing", 0); !errors.As(err, &w) || w.For != wait {
			t.Fatalf("want %s, got %v", wait, err)
		}
		s.now = s.now.Add(wait - time.Millisecond)
		if err := s.take(li, "phishing", 0); !errors.As(err, &w) {
			t.Error("too early")
		}
		s.now = s.now.Add(time.Millisecond)
		hubtest.Check(t, s.take(li, "phishing", 0))
	}
	hubtest.Check(t, s.take(li, "passwords", 5)) // another lesson is not held back
	s.now = s.now.Add(braked + time.Second)
	hubtest.Check(t, s.take(li, "phishing", 5))
	if e := s.acts(ActPassed); len(e) != 2 || e[1].Detail["right"] != "5" {
		t.Errorf("recorded %+v", e)
	}
	if s.Audited(); s.at(li, "phishing").Tries != 6 {
		t.Errorf("%+v", s.at(li, "phishing"))
	}
}

// TestOwnEditions: a company's lesson goes on in editions; a try of the one before can not be answered any more, what was passed stays.
func TestOwnEditions(t *testing.T) {
	s := newSchool(t)
	ctx := t.Context()
	boss, li := s.hire("boss", access.SecurityAdmin), s.hire("li", access.Worker)
	f := Form{TitleZH: "叉车", TextZH: "慢。", QuestionsZH: typed}
	id, err := s.PutOwn(ctx, boss, "", 0, f)
	hubtest.Check(t, err)
	hubtest.Check(t, s.take(li, id, 3))
	open, err := s.Try(ctx, li, id)
	hubtest.Check(t, err)
	f.TextZH = "很慢。"
	if _, err := s.PutOwn(ctx, boss, id, 1, f); err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutOwn(ctx, boss, id, 1, f); !errors.Is(err, ErrMoved) {
		t.Errorf("written on top of an edition that is not the newest: %v", err)
	}
	if _, err := s.PutOwn(ctx, boss, "passwords", 1, f); !errors.Is(err, ErrNoLesson) {
		t.Errorf("a ready lesson is written over: %v", err)
	}
	sheet, err := s.Sheet(ctx, li, open)
	hubtest.Check(t, err)
	if err := s.Answer(ctx, li, open, answers(sheet.Lesson, 3)); !errors.Is(err, ErrMoved) {
		t.Errorf("a try of the edition before: %v", err)
	}
	if next, err := s.Try(ctx, li, id); err != nil || next == open {
		t.Errorf("%d, %v", next, err)
	}
	if got := s.at(li, id); got.State != Passed || got.Version != 1 || got.Lesson.Version != 2 {
		t.Errorf("%+v", got)
	}
	hubtest.Check(t, s.WithdrawOwn(ctx, boss, id, 2))
	if _, err := s.Try(ctx, li, id); !errors.Is(err, ErrNoLesson) {
		t.Errorf("a lesson that was taken back is taken: %v", err)
	}
	if own, err := s.Own(ctx); err != nil || len(own) != 1 || !own[0].Withdrawn || own[0].Version != 3 {
		t.Errorf("%+v, %v", own, err)
	}
	if len(s.acts(ActWritten)) != 2 || len(s.acts(ActWithdrawn)) != 1 {
		t.Error("not all editions are recorded")
	}
}

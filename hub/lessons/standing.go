package lessons

import (
	"slices"
	"time"

	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

// State says where somebody stands with a lesson. The words are keys of the catalogue under "lessons.state_".
type State string

// The states.
const (
	Passed  State = "passed"  // and nothing is to be done now
	Open    State = "open"    // to be taken until the due date
	Soon    State = "soon"    // due within SoonDays
	Overdue State = "overdue" // the due date has passed
	Free    State = "free"    // not asked of this person
)

// Days before a due date.
const (
	OpenDays = 30 // a lesson that was passed can be taken for the next time
	SoonDays = 7  // its person is reminded
)

// Standing is where a person stands with a lesson.
type Standing struct {
	Person rights.Person
	Lesson Lesson
	State  State
	Due    stock.Date // empty for never
	Passed time.Time  // when it was last passed, zero for never
	// Version, Right and Questions are of the try that passed last; Tries are all that were answered.
	Version, Right, Questions int64
	Tries                     int
}

// Waits reports whether the person has to take the lesson now.
func (s Standing) Waits() bool { return s.State == Open || s.State == Soon || s.State == Overdue }

// meant reports whether an assignment is about a person with these roles.
func meant(a store.LessonAssignment, roles []access.RoleID) bool {
	return len(a.Roles) == 0 || slices.ContainsFunc(roles, func(r access.RoleID) bool { return slices.Contains(a.Roles, r) })
}

func day(t time.Time, zone *time.Location) stock.Date {
	return stock.Date(t.In(zone).Format(time.DateOnly))
}

func later(d stock.Date, days int64) stock.Date {
	t, err := time.Parse(time.DateOnly, string(d))
	if err != nil {
		return d
	}
	return stock.Date(t.AddDate(0, 0, int(days)).Format(time.DateOnly))
}

// dueBy returns until when an assignment wants the lesson to be passed by somebody who is meant since then: empty when it is satisfied for good.
func dueBy(a store.LessonAssignment, since, passed time.Time, zone *time.Location) stock.Date {
	if a.Again && passed.Before(a.MadeAt) {
		passed = time.Time{}
	}
	switch {
	case passed.IsZero() && a.Due != "":
		return a.Due
	case passed.IsZero():
		return later(day(since, zone), a.Days)
	case a.Every > 0:
		return later(day(passed, zone), a.Every)
	}
	return ""
}

// judge returns where a person stands: duties are the assignments of the lesson that mean the person, with since when; tries are the person's
// own of the lesson, the newest first.
func judge(p rights.Person, l Lesson, duties map[*store.LessonAssignment]time.Time, tries []store.LessonTry, now time.Time, zone *time.Location) Standing {
	s := Standing{Person: p, Lesson: l, State: Free}
	for _, t := range tries {
		if t.EndedAt.IsZero() {
			continue
		}
		s.Tries++
		if t.Passed && s.Passed.IsZero() {
			s.Passed, s.Version, s.Right, s.Questions = t.EndedAt, t.Version, t.Right, t.Questions
		}
	}
	if !s.Passed.IsZero() {
		s.State = Passed
	}
	today := day(now, zone)
	for a, since := range duties {
		due := dueBy(*a, since, s.Passed, zone)
		if due != "" && (s.Due == "" || due < s.Due) {
			s.Due = due
		}
		repeats := !s.Passed.IsZero() && (!a.Again || !s.Passed.Before(a.MadeAt))
		state := Passed
		switch {
		case due == "":
		case today > due:
			state = Overdue
		case later(today, SoonDays) >= due:
			state = Soon
		case !repeats || later(today, OpenDays) >= due:
			state = Open
		}
		if urgency[state] > urgency[s.State] {
			s.State = state
		}
	}
	return s
}

var urgency = map[State]int{Free: 0, Passed: 1, Open: 2, Soon: 3, Overdue: 4}

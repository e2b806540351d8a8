package lessons

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/rights"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// Acts in the audit log.
const (
	ActAssigned   = "lesson.assigned"
	ActUnassigned = "lesson.unassigned"
	ActPassed     = "lesson.passed"
	ActFailed     = "lesson.failed"
	ActWritten    = "lesson.written"
	ActWithdrawn  = "lesson.withdrawn"
)

// What a company begins with: everybody takes each lesson within a month of joining, and once a year.
const (
	FirstDays = 30
	EveryDays = 365
)

// Limits of an assignment, in days.
const (
	MostDays  = 365
	MostEvery = 3 * 365
)

// Conditions that callers turn into sentences.
var (
	ErrNoLesson   = errors.New("there is no such lesson")
	ErrAssignment = errors.New("the assignment is not complete")
	ErrMoved      = errors.New("the lesson was changed meanwhile")
	ErrUnanswered = errors.New("some questions have no answer")
)

// WaitError asks somebody who has failed several times to read first.
type WaitError struct{ For time.Duration }

func (e *WaitError) Error() string { return fmt.Sprintf("read first, wait %s", e.For) }

// Service keeps who has to take which lesson and how they did. It is safe for concurrent use.
type Service struct {
	Store    *store.Store
	Vault    *vault.Store // below Store
	Recorder *auditlog.Recorder
	Zone     *time.Location
	// People returns everybody with an account.
	People func(context.Context) ([]rights.Person, error)
	// Tell leaves a notice for a person in an open transaction.
	Tell func(tx *vault.Tx, account, kind string, args map[string]string) error

	ready []Lesson
}

// New returns s with the ready lessons read.
func New(s Service) (*Service, error) {
	var err error
	if s.ready, err = Ready(); err != nil {
		return nil, err
	}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	return &s, nil
}

// begunSetting names the ready lessons that were assigned to begin with.
const begunSetting = "lessons.begun"

// Begin assigns the ready lessons that were never assigned: all of them at a company's first start, later those that came with a new program.
func (s *Service) Begin(ctx context.Context) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		b, err := tx.Setting(begunSetting)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		begun := strings.Fields(string(b))
		for _, l := range s.ready {
			if slices.Contains(begun, l.ID) {
				continue
			}
			begun = append(begun, l.ID)
			if err := s.assign(tx, auditlog.Hub(), store.LessonAssignment{Lesson: l.ID, Roles: l.Roles, Days: FirstDays, Every: EveryDays}); err != nil {
				return err
			}
		}
		if next := strings.Join(begun, " "); next != string(b) {
			return tx.PutSetting(begunSetting, []byte(next))
		}
		return nil
	})
}

// Lessons returns the lessons that count, the ready ones first.
func (s *Service) Lessons(v *store.View) ([]Lesson, error) {
	out := slices.Clone(s.ready)
	own, err := v.OwnLessons(false)
	for _, o := range own {
		l, err := ownOf(o)
		if err != nil {
			return nil, err
		}
		if !o.Withdrawn {
			out = append(out, l)
		}
	}
	return out, err
}

func ownOf(o store.OwnLesson) (l Lesson, err error) {
	if err := json.Unmarshal(o.Body, &l); err != nil {
		return l, fmt.Errorf("read lesson %s: %w", o.ID, err)
	}
	l.ID, l.Version, l.Own, l.Withdrawn = o.ID, o.Version, true, o.Withdrawn
	return l, nil
}

// Lesson returns a lesson: the version that counts with 0, else that one. ErrNoLesson says that there is none; a version of a ready lesson that came with another
// program is not there either.
func (s *Service) Lesson(v *store.View, id string, version int64) (Lesson, error) {
	for _, l := range s.ready {
		if l.ID == id && (version == 0 || version == l.Version) {
			return l, nil
		}
	}
	own, err := v.OwnLessons(version != 0)
	for _, o := range own {
		if o.ID == id && (version == o.Version || version == 0 && !o.Withdrawn) {
			return ownOf(o)
		}
	}
	if err == nil {
		err = fmt.Errorf("%s: %w", id, ErrNoLesson)
	}
	return Lesson{}, err
}

// standings returns where everybody stands with each lesson that is asked of them or that they have taken, by person. account is that of one person in
// the form in which names are told apart, empty for all; people are those to be judged.
func (s *Service) standings(v *store.View, people []rights.Person, account access.Account) (out []Standing, err error) {
	lessons, err := s.Lessons(v)
	if err != nil {
		return nil, err
	}
	assigned, err := v.LessonAssignments(false)
	if err != nil {
		return nil, err
	}
	since, err := v.LessonDuties(account)
	if err != nil {
		return nil, err
	}
	tries, err := v.LessonTries(account, "")
	if err != nil {
		return nil, err
	}
	type key struct {
		account access.Account
		lesson  string
	}
	did := map[key][]store.LessonTry{}
	for _, t := range tries {
		k := key{t.Account, t.Lesson}
		did[k] = append(did[k], t)
	}
	now := s.Recorder.Clock()
	for _, p := range people {
		if p.Disabled {
			continue
		}
		for _, l := range lessons {
			duties := map[*store.LessonAssignment]time.Time{}
			for i := range assigned {
				if a := &assigned[i]; a.Lesson == l.ID && meant(*a, p.Roles) {
					at, known := since[store.LessonDuty{Assignment: a.ID, Account: p.Account}]
					if !known {
						at = now // Due writes it down soon
					}
					duties[a] = at
				}
			}
			if one := judge(p, l, duties, did[key{p.Account, l.ID}], now, s.Zone); one.State != Free || account != "" {
				out = append(out, one)
			}
		}
	}
	return out, nil
}

// All returns where everybody stands with each lesson that is asked of them or that they have passed, by person.
func (s *Service) All(ctx context.Context) (out []Standing, err error) {
	people, err := s.People(ctx)
	if err != nil {
		return nil, err
	}
	err = s.Store.View(ctx, func(v *store.View) error { out, err = s.standings(v, people, ""); return err })
	return out, err
}

// personOf returns who as package rights wants to know them.
func personOf(who identity.Person) rights.Person {
	p := rights.Person{Name: who.Account}
	p.Account = keyOf(who)
	for _, r := range who.Roles {
		p.Roles = append(p.Roles, access.RoleID(r))
	}
	return p
}

func keyOf(who identity.Person) access.Account {
	return access.Account(identity.Account{Name: who.Account}.Key())
}

// Mine returns where somebody stands with every lesson.
func (s *Service) Mine(ctx context.Context, who identity.Person) (out []Standing, err error) {
	p := personOf(who)
	err = s.Store.View(ctx, func(v *store.View) error { out, err = s.standings(v, []rights.Person{p}, p.Account); return err })
	return out, err
}

// Waiting returns how many lessons somebody has to take now.
func (s *Service) Waiting(ctx context.Context, who identity.Person) (n int, err error) {
	list, err := s.Mine(ctx, who)
	for _, one := range list {
		if one.Waits() {
			n++
		}
	}
	return n, err
}

// Assignments returns the assignments that count and those that have ended.
func (s *Service) Assignments(ctx context.Context) (out []store.LessonAssignment, err error) {
	err = s.Store.View(ctx, func(v *store.View) error { out, err = v.LessonAssignments(true); return err })
	return out, err
}

// Assign says who has to take a lesson. a.Due is given, or a.Days.
func (s *Service) Assign(ctx context.Context, by identity.Person, a store.LessonAssignment) error {
	today := day(s.Recorder.Clock(), s.Zone)
	fixed := a.Due != ""
	if fixed && (!a.Due.Valid() || a.Due < today || a.Due > later(today, MostDays)) || fixed == (a.Days != 0) || a.Days < 0 || a.Days > MostDays || a.Every < 0 || a.Every > MostEvery {
		return ErrAssignment
	}
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		if _, err := s.Lesson(&tx.View, a.Lesson, 0); err != nil {
			return err
		}
		return s.assign(tx, whoIs(by), a)
	})
}

func (s *Service) assign(tx *store.Tx, who auditlog.Who, a store.LessonAssignment) error {
	a.MadeBy = who.Actor
	id, err := tx.AssignLesson(a)
	if err != nil {
		return err
	}
	a.ID = id
	return s.Recorder.Record(tx, who, entryOf(ActAssigned, a))
}

func entryOf(act string, a store.LessonAssignment) change.Entry {
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = string(r)
	}
	return change.Entry{Act: act, Object: "lesson/" + a.Lesson, Detail: map[string]string{"assignment": strconv.FormatInt(a.ID, 10), "roles": strings.Join(roles, " "),
		"days": strconv.FormatInt(a.Days, 10), "due": string(a.Due), "every": strconv.FormatInt(a.Every, 10), "again": strconv.FormatBool(a.Again)}}
}

// EndAssignment ends an assignment: from now on it asks nobody for anything.
func (s *Service) EndAssignment(ctx context.Context, by identity.Person, id int64) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		list, err := tx.LessonAssignments(false)
		if err != nil {
			return err
		}
		n := slices.IndexFunc(list, func(a store.LessonAssignment) bool { return a.ID == id })
		if n < 0 {
			return store.ErrNotFound
		}
		if err := tx.EndAssignment(id, by.Actor()); err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(by), entryOf(ActUnassigned, list[n]))
	})
}

// PutOwn keeps a lesson of the company as the edition after l.Version; with an empty id as a new one. It returns its id.
func (s *Service) PutOwn(ctx context.Context, by identity.Person, id string, version int64, f Form) (string, error) {
	l, err := f.Lesson(id)
	if err != nil {
		return "", err
	}
	return s.putOwn(ctx, by, id, version, l, ActWritten)
}

// WithdrawOwn takes a lesson of the company back: it is asked of nobody any more, what was passed stays.
func (s *Service) WithdrawOwn(ctx context.Context, by identity.Person, id string, version int64) error {
	var l Lesson
	err := s.Store.View(ctx, func(v *store.View) (err error) { l, err = s.Lesson(v, id, version); return err })
	if err != nil {
		return err
	}
	if !l.Own {
		return ErrNoLesson
	}
	l.Withdrawn = true
	_, err = s.putOwn(ctx, by, id, version, l, ActWithdrawn)
	return err
}

func (s *Service) putOwn(ctx context.Context, by identity.Person, id string, version int64, l Lesson, act string) (string, error) {
	err := s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		all, err := tx.OwnLessons(false)
		if err != nil {
			return err
		}
		if id == "" {
			id = "own-" + strconv.Itoa(len(all)+1)
		} else if !slices.ContainsFunc(all, func(o store.OwnLesson) bool { return o.ID == id }) {
			return ErrNoLesson
		}
		l.ID, l.Version = id, version+1
		body, err := json.Marshal(l)
		if err != nil {
			return err
		}
		if _, err := tx.PutOwnLesson(store.OwnLesson{ID: id, Version: version, Body: body, Withdrawn: l.Withdrawn, By: by.Actor()}); errors.Is(err, store.ErrExists) {
			return ErrMoved
		} else if err != nil {
			return err
		}
		sum, err := l.Hash()
		if err != nil {
			return err
		}
		return s.Recorder.Record(tx, whoIs(by), change.Entry{Act: act, Object: "lesson/" + id, Detail: map[string]string{"version": strconv.FormatInt(l.Version, 10), "title": l.Titles.ZH, "content": sum.String()}})
	})
	return id, err
}

// Own returns the newest editions of the company's lessons, those that were taken back too.
func (s *Service) Own(ctx context.Context) (out []Lesson, err error) {
	err = s.Store.View(ctx, func(v *store.View) error {
		list, err := v.OwnLessons(false)
		for _, o := range list {
			l, err := ownOf(o)
			if err != nil {
				return err
			}
			out = append(out, l)
		}
		return err
	})
	return out, err
}

func whoIs(p identity.Person) auditlog.Who {
	return auditlog.Who{Actor: p.Actor(), Session: p.Session, Terminal: p.Address}
}

// Due writes down who is newly meant by an assignment and no longer, and reminds people of what is due soon or overdue, once each.
func (s *Service) Due(ctx context.Context) error {
	people, err := s.People(ctx)
	if err != nil {
		return err
	}
	var add, drop []store.LessonDuty
	remind := map[string][]reminder{}
	err = s.Store.View(ctx, func(v *store.View) error {
		if add, drop, err = s.moved(v, people); err != nil {
			return err
		}
		list, err := s.standings(v, people, "")
		if err != nil {
			return err
		}
		told, err := v.LessonsTold()
		for _, one := range list {
			if one.State != Soon && one.State != Overdue {
				continue
			}
			t := store.LessonTold{Account: one.Person.Account, Lesson: one.Lesson.ID, Due: one.Due, Stage: string(one.State)}
			if !told[t] {
				remind[one.Person.Name] = append(remind[one.Person.Name], reminder{t, one.State})
			}
		}
		return err
	})
	if err != nil || len(add)+len(drop)+len(remind) == 0 {
		return err
	}
	return s.Vault.Update(ctx, func(vtx *vault.Tx) error {
		return s.Store.Within(vtx, s.Recorder.Clock(), func(tx *store.Tx) error {
			for _, d := range add {
				if err := tx.PutLessonDuty(d); err != nil {
					return err
				}
			}
			for _, d := range drop {
				if err := tx.DropLessonDuty(d); err != nil {
					return err
				}
			}
			for name, list := range remind {
				if err := s.remind(vtx, tx, name, list); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

type reminder struct {
	store.LessonTold
	state State
}

// remind leaves one notice for all lessons that are due soon, and one for all that are overdue.
func (s *Service) remind(vtx *vault.Tx, tx *store.Tx, name string, list []reminder) error {
	count, first := map[State]int{}, map[State]stock.Date{}
	for _, r := range list {
		fresh, err := tx.TellLesson(r.Account, r.Lesson, r.Due, r.Stage)
		if err != nil {
			return err
		}
		if !fresh {
			continue
		}
		count[r.state]++
		if first[r.state] == "" || r.Due < first[r.state] {
			first[r.state] = r.Due
		}
	}
	for _, state := range []State{Soon, Overdue} {
		if count[state] == 0 {
			continue
		}
		args := map[string]string{"count": strconv.Itoa(count[state]), "due": string(first[state]), "link": "/lessons"}
		if err := s.Tell(vtx, name, "lessons_"+string(state), args); err != nil {
			return err
		}
	}
	return nil
}

// moved returns who is newly meant by an assignment, and who no longer.
func (s *Service) moved(v *store.View, people []rights.Person) (add, drop []store.LessonDuty, err error) {
	assigned, err := v.LessonAssignments(false)
	if err != nil {
		return nil, nil, err
	}
	known, err := v.LessonDuties("")
	if err != nil {
		return nil, nil, err
	}
	for _, a := range assigned {
		for _, p := range people {
			d := store.LessonDuty{Assignment: a.ID, Account: p.Account}
			if p.Disabled || !meant(a, p.Roles) {
				continue
			}
			if _, had := known[d]; !had {
				add = append(add, d)
			}
			delete(known, d)
		}
	}
	for d := range known {
		drop = append(drop, d)
	}
	return add, drop, nil
}

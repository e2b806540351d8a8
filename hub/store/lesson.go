package store

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

//go:embed lesson/*.sql
var lessonFiles embed.FS

func lessonMigrations() fs.FS {
	dir, err := fs.Sub(lessonFiles, "lesson")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// ErrTryEnded is returned for the answers to a try that was answered already.
var ErrTryEnded = errors.New("this try was answered already")

// OwnLesson is an edition of a lesson that the company has written. Body is its content as package lessons writes it.
type OwnLesson struct {
	ID        string
	Version   int64
	Body      []byte
	Withdrawn bool
	By        string
	At        time.Time
}

// LessonAssignment says who has to take a lesson, until when and how often.
type LessonAssignment struct {
	ID      int64
	Lesson  string
	Roles   []access.RoleID // empty for everybody
	Days    int64           // within which it is due; 0 where Due says when
	Due     stock.Date
	Every   int64 // days after which it is due again; 0 for never
	Again   bool  // who has passed before it was made has to pass once more
	MadeBy  string
	MadeAt  time.Time
	EndedBy string
	EndedAt time.Time // zero while it counts
}

// LessonTry is a try of a quiz.
type LessonTry struct {
	ID      int64
	Account access.Account // in the form in which names are told apart
	Lesson  string
	Version int64
	Content change.Hash // of the lesson
	Drawn   string      // order of questions and answers, JSON
	BegunAt time.Time
	Given   string // answers, JSON

	Right, Questions int64
	Passed           bool
	EndedAt          time.Time // zero while it was not answered
}

// PutOwnLesson adds an edition of a lesson of the company. l.Version is that of the edition that it was made of, 0 for a new lesson;
// ErrExists says that there is a newer one. It returns the new version.
func (tx *Tx) PutOwnLesson(l OwnLesson) (int64, error) {
	var last int64
	err := tx.tx.QueryRow(`SELECT coalesce(max(version), 0) FROM lesson_own WHERE id = ?1`, l.ID).Scan(&last)
	if err == nil && last != l.Version {
		err = ErrExists
	}
	if err == nil {
		_, err = tx.tx.Exec(`INSERT INTO lesson_own (id, version, body, withdrawn, written_by, written_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`, l.ID, last+1, string(l.Body), l.Withdrawn, l.By, tx.now)
	}
	if err != nil {
		return 0, fmt.Errorf("store lesson %s: %w", l.ID, err)
	}
	return last + 1, nil
}

// OwnLessons returns the newest edition of each lesson of the company, those that were taken back too; with all, every edition.
func (v *View) OwnLessons(all bool) (out []OwnLesson, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var l OwnLesson
		var body string
		var withdrawn, at int64
		err := r.Scan(&l.ID, &l.Version, &body, &withdrawn, &l.By, &at)
		l.Body, l.Withdrawn, l.At = []byte(body), withdrawn == 1, timeOf(at)
		out = append(out, l)
		return err
	}, `SELECT id, version, body, withdrawn, written_by, written_at FROM lesson_own o
		WHERE ?1 = 1 OR version = (SELECT max(version) FROM lesson_own WHERE id = o.id) ORDER BY id, version DESC`, all)
	if err != nil {
		return nil, fmt.Errorf("read lessons: %w", err)
	}
	return out, nil
}

// AssignLesson adds an assignment and returns its id.
func (tx *Tx) AssignLesson(a LessonAssignment) (id int64, err error) {
	roles := make([]string, len(a.Roles))
	for i, r := range a.Roles {
		roles[i] = string(r)
	}
	err = tx.tx.QueryRow(`INSERT INTO lesson_assignment (lesson, roles, days, due, every, again, made_by, made_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id`,
		a.Lesson, strings.Join(roles, " "), a.Days, string(a.Due), a.Every, a.Again, a.MadeBy, tx.now).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("assign lesson %s: %w", a.Lesson, err)
	}
	return id, nil
}

// EndAssignment ends an assignment; ErrNotFound when there is none that counts.
func (tx *Tx) EndAssignment(id int64, by string) error {
	r, err := tx.tx.Exec(`UPDATE lesson_assignment SET ended_by = ?2, ended_at = ?3 WHERE id = ?1 AND ended_at = 0`, id, by, tx.now)
	if err == nil && r.RowsAffected == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("end assignment %d: %w", id, err)
	}
	return nil
}

// LessonAssignments returns the assignments that count, with all also those that have ended, the oldest first.
func (v *View) LessonAssignments(all bool) (out []LessonAssignment, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var a LessonAssignment
		var roles, due string
		var again, made, ended int64
		err := r.Scan(&a.ID, &a.Lesson, &roles, &a.Days, &due, &a.Every, &again, &a.MadeBy, &made, &a.EndedBy, &ended)
		for _, id := range strings.Fields(roles) {
			a.Roles = append(a.Roles, access.RoleID(id))
		}
		a.Due, a.Again, a.MadeAt, a.EndedAt = stock.Date(due), again == 1, timeOf(made), timeOf(ended)
		out = append(out, a)
		return err
	}, `SELECT id, lesson, roles, days, due, every, again, made_by, made_at, ended_by, ended_at FROM lesson_assignment WHERE ?1 = 1 OR ended_at = 0 ORDER BY id`, all)
	if err != nil {
		return nil, fmt.Errorf("read assignments of lessons: %w", err)
	}
	return out, nil
}

// LessonDuty names who is meant by which assignment.
type LessonDuty struct {
	Assignment int64
	Account    access.Account
}

// LessonDuties returns since when people are meant by assignments. An empty account means everybody.
func (v *View) LessonDuties(account access.Account) (map[LessonDuty]time.Time, error) {
	out := map[LessonDuty]time.Time{}
	err := each(v.tx, func(r *vault.Rows) error {
		var d LessonDuty
		var who string
		var since int64
		err := r.Scan(&d.Assignment, &who, &since)
		d.Account = access.Account(who)
		out[d] = timeOf(since)
		return err
	}, `SELECT assignment, account, since FROM lesson_duty WHERE ?1 = '' OR account = ?1`, string(account))
	if err != nil {
		return nil, fmt.Errorf("read who has to take lessons: %w", err)
	}
	return out, nil
}

// PutLessonDuty says that somebody is meant by an assignment from now on, unless they were before; DropLessonDuty that they no longer are.
func (tx *Tx) PutLessonDuty(d LessonDuty) error {
	_, err := tx.tx.Exec(`INSERT INTO lesson_duty (assignment, account, since) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING`, d.Assignment, string(d.Account), tx.now)
	if err != nil {
		return fmt.Errorf("store who has to take lessons: %w", err)
	}
	return nil
}

// DropLessonDuty says that somebody is no longer meant by an assignment.
func (tx *Tx) DropLessonDuty(d LessonDuty) error {
	_, err := tx.tx.Exec(`DELETE FROM lesson_duty WHERE assignment = ?1 AND account = ?2`, d.Assignment, string(d.Account))
	if err != nil {
		return fmt.Errorf("store who has to take lessons: %w", err)
	}
	return nil
}

// BeginTry keeps a try that is to be answered and returns its id.
func (tx *Tx) BeginTry(t LessonTry) (id int64, err error) {
	err = tx.tx.QueryRow(`INSERT INTO lesson_try (account, lesson, version, content, drawn, begun_at, questions) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING id`,
		string(t.Account), t.Lesson, t.Version, t.Content[:], t.Drawn, tx.now, t.Questions).Scan(&id)
	if err != nil {
		return 0, fmt.Errorf("begin try of %s: %w", t.Lesson, err)
	}
	return id, nil
}

// EndTry keeps the answers to a try and what they are worth, once: ErrTryEnded.
func (tx *Tx) EndTry(id int64, given string, right int64, passed bool) error {
	r, err := tx.tx.Exec(`UPDATE lesson_try SET given = ?2, hits = ?3, passed = ?4, ended_at = ?5 WHERE id = ?1 AND ended_at = 0`, id, given, right, passed, tx.now)
	if err == nil && r.RowsAffected == 0 {
		err = ErrTryEnded
	}
	if err != nil {
		return fmt.Errorf("end try %d: %w", id, err)
	}
	return nil
}

// DropTry forgets a try that nobody has answered.
func (tx *Tx) DropTry(id int64) error {
	_, err := tx.tx.Exec(`DELETE FROM lesson_try WHERE id = ?1 AND ended_at = 0`, id)
	if err != nil {
		return fmt.Errorf("drop try %d: %w", id, err)
	}
	return nil
}

// LessonTries returns tries, the newest first. An empty account or lesson means all.
func (v *View) LessonTries(account access.Account, lesson string) ([]LessonTry, error) {
	return v.lessonTries(`WHERE (?1 = '' OR account = ?1) AND (?2 = '' OR lesson = ?2) ORDER BY id DESC`, string(account), lesson)
}

// LessonTry returns one try, or ErrNotFound.
func (v *View) LessonTry(id int64) (LessonTry, error) {
	list, err := v.lessonTries(`WHERE id = ?1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("try %d: %w", id, ErrNotFound)
	}
	if err != nil {
		return LessonTry{}, err
	}
	return list[0], nil
}

func (v *View) lessonTries(where string, args ...any) (out []LessonTry, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var t LessonTry
		var account string
		var begun, passed, ended int64
		err := r.Scan(&t.ID, &account, &t.Lesson, &t.Version, &t.Content, &t.Drawn, &begun, &t.Given, &t.Right, &t.Questions, &passed, &ended)
		t.Account, t.BegunAt, t.Passed, t.EndedAt = access.Account(account), timeOf(begun), passed == 1, timeOf(ended)
		out = append(out, t)
		return err
	}, `SELECT id, account, lesson, version, content, drawn, begun_at, given, hits, questions, passed, ended_at FROM lesson_try `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read tries: %w", err)
	}
	return out, nil
}

// TellLesson notes that somebody is reminded of a lesson, and reports whether that is new.
func (tx *Tx) TellLesson(account access.Account, lesson string, due stock.Date, stage string) (bool, error) {
	r, err := tx.tx.Exec(`INSERT INTO lesson_told (account, lesson, due, stage, told_at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING`, string(account), lesson, string(due), stage, tx.now)
	if err != nil {
		return false, fmt.Errorf("store reminder: %w", err)
	}
	return r.RowsAffected > 0, nil
}

// LessonTold names a reminder.
type LessonTold struct {
	Account access.Account
	Lesson  string
	Due     stock.Date
	Stage   string
}

// LessonsTold returns the reminders that were given.
func (v *View) LessonsTold() (map[LessonTold]bool, error) {
	out := map[LessonTold]bool{}
	err := each(v.tx, func(r *vault.Rows) error {
		var t LessonTold
		var account, due string
		err := r.Scan(&account, &t.Lesson, &due, &t.Stage)
		t.Account, t.Due = access.Account(account), stock.Date(due)
		out[t] = true
		return err
	}, `SELECT account, lesson, due, stage FROM lesson_told`)
	if err != nil {
		return nil, fmt.Errorf("read reminders: %w", err)
	}
	return out, nil
}

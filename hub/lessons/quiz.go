package lessons

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/change"
)

// The brake: whoever fails reads the lesson before trying again. The first two tries of an hour follow each other freely.
const (
	freeTries   = 2
	firstPause  = time.Minute
	longestWait = 15 * time.Minute
	braked      = time.Hour
)

// pause returns how long somebody has to wait before the next try. tries are of one lesson, the newest first.
func pause(tries []store.LessonTry, now time.Time) time.Duration {
	failed, last := 0, time.Time{}
	for _, t := range tries {
		if t.EndedAt.IsZero() {
			continue
		}
		if t.Passed || now.Sub(t.EndedAt) > braked {
			break
		}
		if failed++; last.IsZero() {
			last = t.EndedAt
		}
	}
	if failed < freeTries {
		return 0
	}
	wait := min(firstPause<<min(failed-freeTries, 10), longestWait)
	return max(0, last.Add(wait).Sub(now))
}

// Try begins a try of the newest version of a lesson and returns its id. One that was begun and not answered is gone on with. *WaitError asks for patience.
func (s *Service) Try(ctx context.Context, who identity.Person, id string) (try int64, err error) {
	now := s.Recorder.Clock()
	err = s.Store.Update(ctx, now, func(tx *store.Tx) error {
		l, err := s.Lesson(&tx.View, id, 0)
		if err != nil {
			return err
		}
		tries, err := tx.LessonTries(keyOf(who), id)
		if err != nil {
			return err
		}
		for _, t := range tries {
			if !t.EndedAt.IsZero() {
				continue
			}
			if t.Version == l.Version {
				try = t.ID
				return nil
			}
			if err := tx.DropTry(t.ID); err != nil { // of a version that counts no more
				return err
			}
		}
		if wait := pause(tries, now); wait > 0 {
			return &WaitError{For: wait}
		}
		drawn, err := json.Marshal(l.Draw())
		if err != nil {
			return err
		}
		sum, err := l.Hash()
		if err != nil {
			return err
		}
		try, err = tx.BeginTry(store.LessonTry{Account: keyOf(who), Lesson: l.ID, Version: l.Version, Content: sum, Drawn: string(drawn), Questions: int64(len(l.Questions))})
		return err
	})
	return try, err
}

// Sheet is a try with what it is about. Lesson is empty when the program no longer has that version.
type Sheet struct {
	store.LessonTry
	Lesson Lesson
	Draw   Draw
	Given  Given
	Result Result
}

// Sheet returns a try of one's own; another's does not exist.
func (s *Service) Sheet(ctx context.Context, who identity.Person, id int64) (sheet Sheet, err error) {
	err = s.Store.View(ctx, func(v *store.View) error { sheet, err = s.sheet(v, who, id); return err })
	return sheet, err
}

func (s *Service) sheet(v *store.View, who identity.Person, id int64) (sheet Sheet, err error) {
	t, err := v.LessonTry(id)
	if err == nil && t.Account != keyOf(who) {
		err = fmt.Errorf("try %d: %w", id, store.ErrNotFound)
	}
	if err != nil {
		return sheet, err
	}
	sheet.LessonTry = t
	l, err := s.Lesson(v, t.Lesson, t.Version)
	if errors.Is(err, ErrNoLesson) {
		return sheet, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(t.Drawn), &sheet.Draw)
	}
	if err == nil && t.Given != "" {
		err = json.Unmarshal([]byte(t.Given), &sheet.Given)
	}
	if err != nil {
		return sheet, fmt.Errorf("read try %d: %w", id, err)
	}
	if !sheet.Draw.fits(l) {
		return sheet, nil // what it was about was something else
	}
	sheet.Lesson, sheet.Result = l, l.Judge(sheet.Given)
	return sheet, nil
}

// Answer takes the answers to a try, once, and records whether it passed. ErrUnanswered asks for the rest, and keeps the try as it is.
func (s *Service) Answer(ctx context.Context, who identity.Person, id int64, given Given) error {
	return s.Store.Update(ctx, s.Recorder.Clock(), func(tx *store.Tx) error {
		sheet, err := s.sheet(&tx.View, who, id)
		if err != nil {
			return err
		}
		if !sheet.EndedAt.IsZero() {
			return store.ErrTryEnded
		}
		newest, err := s.Lesson(&tx.View, sheet.LessonTry.Lesson, 0)
		if err != nil || newest.Version != sheet.Version || sheet.Lesson.ID == "" {
			return errors.Join(ErrMoved, err)
		}
		for i := range newest.Questions {
			if i >= len(given) || len(given[i]) == 0 {
				return ErrUnanswered
			}
		}
		r := newest.Judge(given)
		b, err := json.Marshal(given)
		if err != nil {
			return err
		}
		if err := tx.EndTry(id, string(b), int64(r.Count), r.Passed); err != nil {
			return err
		}
		act, outcome := ActPassed, "ok"
		if !r.Passed {
			act, outcome = ActFailed, "failed"
		}
		return s.Recorder.Record(tx, whoIs(who), change.Entry{Act: act, Object: "lesson/" + newest.ID, Outcome: outcome, Detail: map[string]string{"version": strconv.FormatInt(newest.Version, 10),
			"right": strconv.Itoa(r.Count), "questions": strconv.Itoa(len(newest.Questions)), "try": strconv.FormatInt(id, 10), "content": sheet.Content.String()}})
	})
}

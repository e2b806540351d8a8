package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"stockade/hub/lessons"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/change"
)

// openLessons makes what keeps lessons, and assigns those that a company begins with.
func (s *server) openLessons(ctx context.Context) error {
	svc, err := lessons.New(lessons.Service{Store: s.store, Vault: s.vault, Recorder: s.recorder, Zone: s.cfg.zone(), People: pages{s}.Staff, Tell: s.accounts.Tell})
	if err != nil {
		return err
	}
	s.lessons = svc
	return svc.Begin(ctx)
}

// lessonRefusal turns what was refused into what the reader is told.
func lessonRefusal(err error) error {
	var p *lessons.Problem
	var w *lessons.WaitError
	switch {
	case errors.As(err, &p) && p.Line > 0:
		return web.Fail(http.StatusUnprocessableEntity, "lessons."+p.Key+"_at", "line", strconv.Itoa(p.Line)).Because(err)
	case errors.As(err, &p):
		return web.Fail(http.StatusUnprocessableEntity, "lessons."+p.Key).Because(err)
	case errors.As(err, &w):
		return web.Fail(http.StatusTooManyRequests, "lessons.wait", "minutes", strconv.Itoa(int((w.For+time.Minute-1)/time.Minute))).Because(err)
	case errors.Is(err, lessons.ErrNoLesson):
		return web.NotFound().Because(err)
	case errors.Is(err, lessons.ErrAssignment):
		return web.Fail(http.StatusUnprocessableEntity, "lessons.bad_assignment").Because(err)
	case errors.Is(err, lessons.ErrMoved):
		return web.Fail(http.StatusConflict, "lessons.moved").Because(err)
	case errors.Is(err, lessons.ErrUnanswered):
		return web.Fail(http.StatusUnprocessableEntity, "lessons.unanswered").Because(err)
	case errors.Is(err, store.ErrTryEnded):
		return web.Fail(http.StatusConflict, "lessons.ended").Because(err)
	}
	return shown(err)
}

func (p pages) MyLessons(ctx context.Context, who identity.Person) ([]lessons.Standing, error) {
	return p.lessons.Mine(ctx, who)
}

func (p pages) LessonsWaiting(ctx context.Context, who identity.Person) (int, error) {
	return p.lessons.Waiting(ctx, who)
}

func (p pages) Lesson(ctx context.Context, id string) (l lessons.Lesson, err error) {
	err = p.store.View(ctx, func(v *store.View) error { l, err = p.lessons.Lesson(v, id, 0); return err })
	return l, lessonRefusal(err)
}

func (p pages) TryLesson(ctx context.Context, who identity.Person, id string) (int64, error) {
	try, err := p.lessons.Try(ctx, who, id)
	return try, lessonRefusal(err)
}

func (p pages) LessonSheet(ctx context.Context, who identity.Person, try int64) (lessons.Sheet, error) {
	s, err := p.lessons.Sheet(ctx, who, try)
	return s, lessonRefusal(err)
}

func (p pages) AnswerLesson(ctx context.Context, who identity.Person, try int64, given lessons.Given) error {
	return lessonRefusal(p.lessons.Answer(ctx, who, try, given))
}

func (p pages) LessonStandings(ctx context.Context) ([]lessons.Standing, error) {
	return p.lessons.All(ctx)
}

func (p pages) LessonReportTaken(ctx context.Context, what map[string]string, by identity.Person) error {
	return p.recorder.Act(ctx, whoIs(by), change.Entry{Act: "lesson.report_taken", Object: "lessons", Detail: what}, func(*store.Tx) error { return nil })
}

func (p pages) AllLessons(ctx context.Context) (ready, own []lessons.Lesson, err error) {
	if ready, err = lessons.Ready(); err == nil {
		own, err = p.lessons.Own(ctx)
	}
	return ready, own, err
}

func (p pages) LessonAssignments(ctx context.Context) ([]store.LessonAssignment, error) {
	return p.lessons.Assignments(ctx)
}

func (p pages) AssignLesson(ctx context.Context, by identity.Person, a store.LessonAssignment) error {
	return lessonRefusal(p.lessons.Assign(ctx, by, a))
}

func (p pages) EndLessonAssignment(ctx context.Context, by identity.Person, id int64) error {
	return lessonRefusal(p.lessons.EndAssignment(ctx, by, id))
}

func (p pages) PutLesson(ctx context.Context, by identity.Person, id string, version int64, f lessons.Form) (string, error) {
	id, err := p.lessons.PutOwn(ctx, by, id, version, f)
	return id, lessonRefusal(err)
}

func (p pages) WithdrawLesson(ctx context.Context, by identity.Person, id string, version int64) error {
	return lessonRefusal(p.lessons.WithdrawOwn(ctx, by, id, version))
}

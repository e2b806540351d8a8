package main

import (
	"context"
	"errors"
	"net/http"

	"stockade/hub/leavers"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/stock"
)

// leaverRefusal turns what was refused into what the reader is told.
func leaverRefusal(err error) error {
	for _, r := range []struct {
		is     error
		status int
		key    string
	}{
		{identity.ErrSelf, http.StatusConflict, "people.self"},
		{identity.ErrNobody, http.StatusNotFound, "error.not_found"},
		{store.ErrLeaving, http.StatusConflict, "leaver.open_already"},
		{store.ErrLeaverDone, http.StatusConflict, "leaver.closed_already"},
		{leavers.ErrDay, http.StatusUnprocessableEntity, "leaver.bad_day"},
		{leavers.ErrNote, http.StatusUnprocessableEntity, "leaver.need_note"},
		{leavers.ErrLeft, http.StatusConflict, "leaver.items_left"},
		{leavers.ErrBlocked, http.StatusConflict, "leaver.is_blocked"},
		{leavers.ErrNoAct, http.StatusConflict, "leaver.no_act"},
		{identity.ErrNothing, http.StatusConflict, "leaver.no_act"},
	} {
		if errors.Is(err, r.is) {
			return web.Fail(r.status, r.key).Because(err)
		}
	}
	return shown(err)
}

func (p pages) Leavers(ctx context.Context) ([]store.Leaver, error) { return p.leavers.List(ctx) }

func (p pages) Leaver(ctx context.Context, id int64) (leavers.Sheet, error) {
	s, err := p.leavers.Sheet(ctx, id)
	return s, leaverRefusal(err)
}

func (p pages) StartLeaver(ctx context.Context, by identity.Person, name string, lastDay stock.Date) (int64, error) {
	id, err := p.leavers.Start(ctx, by, name, lastDay)
	return id, leaverRefusal(err)
}

func (p pages) DoLeaver(ctx context.Context, by identity.Person, id int64, item string) error {
	return leaverRefusal(p.leavers.Do(ctx, by, id, item))
}

func (p pages) CheckLeaver(ctx context.Context, by identity.Person, id int64, item, outcome, note string) error {
	return leaverRefusal(p.leavers.Check(ctx, by, id, item, outcome, note))
}

func (p pages) FinishLeaver(ctx context.Context, by identity.Person, id int64) error {
	return leaverRefusal(p.leavers.Finish(ctx, by, id))
}

func (p pages) CancelLeaver(ctx context.Context, by identity.Person, id int64, why string) error {
	return leaverRefusal(p.leavers.Cancel(ctx, by, id, why))
}

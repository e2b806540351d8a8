package main

import (
	"context"
	"errors"
	"net/http"

	"stockade/hub/auditlog"
	"stockade/hub/dashboard"
	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/web"
)

// mostVersions is how many versions of a template its page lists.
const mostVersions = 50

func shownLabel(i master.LabelInfo) dashboard.LabelRow {
	t := i.Template
	return dashboard.LabelRow{ID: i.ID, Name: t.Name, NameEN: t.NameEN, Kind: t.Kind, Width: t.Width, Height: t.Height, State: string(i.State), Version: i.Version, By: i.By, At: i.At}
}

func (p pages) Labels(ctx context.Context) (out []dashboard.LabelRow, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		all, err := master.Labels(v)
		for _, i := range all {
			out = append(out, shownLabel(i))
		}
		return err
	})
	return out, err
}

func (p pages) Label(ctx context.Context, id string, version int64) (doc dashboard.LabelDoc, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		now, err := master.LabelNow(v, id)
		if err != nil {
			return err
		}
		doc = dashboard.LabelDoc{LabelRow: shownLabel(now), Template: now.Template}
		if version > 0 {
			old, err := v.Label(id, version)
			if err != nil {
				return err
			}
			if doc.Template, err = label.ParseTemplate(old.Body); err != nil {
				return web.Fail(http.StatusUnprocessableEntity, "labels.not_understood").Because(err)
			}
			doc.Shown = version
		}
		all, err := v.LabelVersions(id, mostVersions+1)
		for _, l := range all {
			doc.Versions = append(doc.Versions, dashboard.LabelVersion{Version: l.Version, Active: l.Active, By: l.By, At: l.At})
		}
		if doc.More = len(all) > mostVersions; doc.More {
			doc.Versions = doc.Versions[:mostVersions]
		}
		return err
	})
	return doc, shown(err)
}

func (p pages) PutLabel(ctx context.Context, l dashboard.LabelPut, by identity.Person) (version int64, err error) {
	t, put, err := master.Label(l.Body)
	if err != nil {
		return 0, err
	}
	if t.ID != l.ID {
		return 0, web.Fail(http.StatusUnprocessableEntity, "labels.other_id", "id", t.ID, "want", l.ID)
	}
	who := whoIs(by)
	err = p.recorder.Act(ctx, who, master.LabelEntry(master.LabelWritten, t), func(tx *store.Tx) error {
		if l.New {
			switch _, err := master.LabelNow(&tx.View, t.ID); {
			case err == nil:
				return web.Fail(http.StatusConflict, "labels.id_taken", "id", t.ID)
			case !errors.Is(err, store.ErrNotFound):
				return err
			}
		}
		version, err = tx.PutLabel(put, who.Actor, l.Base)
		return err
	})
	return version, refusal(err)
}

func (p pages) WithdrawLabel(ctx context.Context, id string, base int64, by identity.Person) error {
	_, err := p.withdrawLabel(ctx, whoIs(by), id, base)
	return refusal(err)
}

// withdrawLabel takes a template back and returns what it was.
func (h *hub) withdrawLabel(ctx context.Context, who auditlog.Who, id string, base int64) (t label.Template, err error) {
	var now master.LabelInfo
	err = h.store.View(ctx, func(v *store.View) error { now, err = master.LabelNow(v, id); return err })
	if err != nil {
		return t, err
	}
	err = h.recorder.Act(ctx, who, master.LabelEntry(master.LabelWithdrawn, now.Template), func(tx *store.Tx) error {
		return master.WithdrawLabel(tx, id, who.Actor, base)
	})
	return now.Template, err
}

func (p pages) Preview(ctx context.Context, t label.Template, v label.Values, printer label.Printer) ([]byte, []*label.Problem, error) {
	png, warnings, err := p.previews.Draw(ctx, t, v, printer)
	return png, warnings, refusal(err)
}

func (p pages) LabelFont() bool { return p.previews.Chinese() }

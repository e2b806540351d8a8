package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"stockade/hub/dashboard"
	"stockade/hub/fleet"
	"stockade/hub/master"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/preview"
	"stockade/internal/web"
	"stockade/protocol/change"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// refusal turns what an act was refused for into what the reader is told.
func refusal(err error) error {
	switch {
	case errors.Is(err, fleet.ErrReason):
		return web.Fail(http.StatusUnprocessableEntity, "held.need_reason").Because(err)
	case errors.Is(err, store.ErrDecided):
		return web.Fail(http.StatusConflict, "held.decided").Because(err)
	case errors.Is(err, fleet.ErrHeld):
		return web.Fail(http.StatusConflict, "held.still_held").Because(err)
	case errors.Is(err, store.ErrLabelChanged):
		return web.Fail(http.StatusConflict, "labels.changed_meanwhile").Because(err)
	case errors.Is(err, store.ErrLabels):
		return web.Fail(http.StatusUnprocessableEntity, "labels.too_many", "most", strconv.Itoa(store.MaxLabels)).Because(err)
	case errors.Is(err, preview.ErrBusy):
		return web.Fail(http.StatusServiceUnavailable, "error.busy").Because(err)
	case errors.Is(err, store.ErrCode):
		return web.Fail(http.StatusConflict, "master.code_taken").Because(err)
	}
	return shown(err)
}

// headerHash reads the hash of a batch's header from an address.
func headerHash(s string) (h change.Hash, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return h, web.NotFound()
	}
	copy(h[:], b)
	return h, nil
}

func (p pages) HeldAt(ctx context.Context, hash string) (w stock.Warehouse, err error) {
	h, err := headerHash(hash)
	if err != nil {
		return "", err
	}
	err = p.store.View(ctx, func(v *store.View) error {
		x, err := v.HeldBatch(h)
		if err != nil {
			return err
		}
		n, err := v.NodeOf(x.Node)
		w = n.State.Warehouse
		return err
	})
	return w, shown(err)
}

func (p pages) WarehouseOf(ctx context.Context, node stock.NodeID) (w stock.Warehouse, err error) {
	err = p.store.View(ctx, func(v *store.View) error {
		n, err := v.NodeOf(node)
		w = n.State.Warehouse
		return err
	})
	return w, shown(err)
}

func (p pages) Decide(ctx context.Context, hash string, accept bool, reason string, by identity.Person) error {
	h, err := headerHash(hash)
	if err != nil {
		return err
	}
	return refusal(p.fleet.Decide(ctx, whoIs(by), h, accept, reason))
}

func (p pages) Settle(ctx context.Context, node stock.NodeID, reason string, by identity.Person) error {
	return refusal(p.fleet.Settle(ctx, whoIs(by), node, reason))
}

func (p pages) PutItem(ctx context.Context, f dashboard.ItemForm, by identity.Person) error {
	row := master.ItemRow{SKU: f.SKU, Name: f.Name, NameEN: f.NameEN, Unit: f.Unit, Codes: f.Codes, Active: "1"}
	if !f.Active {
		row.Active = "0"
	}
	item, err := row.Item()
	if err != nil {
		return web.Fail(http.StatusUnprocessableEntity, "master.bad_item", "sku", strconv.Itoa(stock.MaxSKU), "why", err.Error())
	}
	e := change.Entry{Act: "item.written", Object: row.SKU, Detail: map[string]string{"name": row.Name, "codes": row.Codes, "active": row.Active}}
	return refusal(p.recorder.Act(ctx, whoIs(by), e, func(tx *store.Tx) error { return tx.PutItem(item) }))
}

func (p pages) PutBin(ctx context.Context, f dashboard.BinForm, by identity.Person) error {
	l := feed.Location{ID: stock.Warehouse(f.Warehouse).Bin(f.Bin), Name: f.Name, Use: feed.Use(f.Use), Active: f.Active}
	if err := master.CheckLocation(l); err != nil {
		return web.Fail(http.StatusUnprocessableEntity, "master.bad_bin", "why", err.Error())
	}
	e := change.Entry{Act: "location.written", Object: string(l.ID), Detail: map[string]string{"name": l.Name, "use": f.Use, "active": fmt.Sprint(l.Active)}}
	return refusal(p.recorder.Act(ctx, whoIs(by), e, func(tx *store.Tx) error { return tx.PutLocation(l) }))
}

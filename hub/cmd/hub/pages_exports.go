package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"stockade/hub/dashboard"
	"stockade/hub/exports"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

func exportRow(e store.ExportInfo) (dashboard.ExportRow, error) {
	var q exports.Query
	if err := json.Unmarshal([]byte(e.Filter), &q); err != nil {
		return dashboard.ExportRow{}, fmt.Errorf("read filter of export %s: %w", e.ID, err)
	}
	return dashboard.ExportRow{ID: e.ID, Account: e.Account, Kind: e.Kind, SKU: q.SKU, Where: q.Warehouse, Rows: e.Lines, Hash: e.Hash.String(), State: string(e.State),
		MadeAt: e.MadeAt, Until: e.Until, Fetched: e.Fetched}, nil
}

func (p pages) Exports(ctx context.Context, who identity.Person, all bool) (page dashboard.ExportPage, err error) {
	page.Free, page.Quota = p.exports.Limits.Free, p.exports.Limits.Quota
	if page.Left, err = p.exports.Left(ctx, who); err != nil {
		return page, err
	}
	account := access.Account(who.Account)
	if all {
		account = ""
	}
	err = p.store.View(ctx, func(v *store.View) error {
		list, err := v.Exports(account, requestLimit)
		for _, e := range list {
			row, err := exportRow(e)
			if err != nil {
				return err
			}
			if !p.recorder.Clock().Before(e.Until) {
				row.State = string(store.ExportEnded)
			}
			page.Rows = append(page.Rows, row)
		}
		return err
	})
	return page, err
}

func (p pages) Export(ctx context.Context, who identity.Person, f dashboard.ExportForm) (dashboard.ExportRow, error) {
	q := exports.Query{Kind: exports.Kind(f.Kind)}
	switch q.Kind { // what belongs to another kind does not narrow this one
	case exports.Stock:
		q.Warehouse = stock.Warehouse(f.Warehouse)
	case exports.Movements:
		if q.SKU = stock.SKU(f.SKU); q.SKU == "" {
			return dashboard.ExportRow{}, web.Fail(http.StatusUnprocessableEntity, "export.need_sku")
		}
	case exports.Exceptions:
		q.Warehouse, q.All = stock.Warehouse(f.Warehouse), f.All
	}
	e, err := p.exports.Create(ctx, who, q, f.Reason)
	if err != nil {
		return dashboard.ExportRow{}, requestRefusal(err)
	}
	return exportRow(e)
}

func (p pages) ExportFile(ctx context.Context, who identity.Person, id, format, password string, say func(string, map[string]string) string) (dashboard.ExportFile, error) {
	f, err := p.exports.Fetch(ctx, who, id, exports.Format(format), password, say)
	return dashboard.ExportFile(f), requestRefusal(err)
}

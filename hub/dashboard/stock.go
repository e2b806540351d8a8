package dashboard

import (
	"net/url"
	"strconv"

	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/stock"
)

const (
	pageRows = 100  // of a page
	apiRows  = 1000 // at most, of an answer to a program
)

type stockView struct {
	Query      StockQuery
	Page       StockPage
	AsOf       []AsOf // of the warehouses that are shown
	Warehouses []stock.Warehouse
	More       string // address of the following page
}

func stockQuery(v *web.Visit, limit int) StockQuery {
	return StockQuery{Search: v.Query("q"), Warehouse: stock.Warehouse(v.Query("warehouse")), SKU: stock.SKU(v.Query("sku")), In: v.Rows("stock.read").Any, Limit: limit, After: v.Query("after"), Value: valueOf(v)}
}

func (d *dashboard) getStock(v *web.Visit) error {
	q := stockQuery(v, pageRows)
	q.SKU = "" // the item's own page shows that
	page, err := d.Stock(v.UserContext(), q)
	if err != nil {
		return err
	}
	view := stockView{Query: q, Page: page, AsOf: asOfWarehouse(page.AsOf, q.Warehouse)}
	if view.Warehouses, err = d.Warehouses(v.UserContext(), q.In); err != nil {
		return err
	}
	if page.Next != "" {
		view.More = "/?" + url.Values{"q": {q.Search}, "warehouse": {string(q.Warehouse)}, "after": {page.Next}}.Encode()
	}
	return v.Page("stock", view)
}

func asOfWarehouse(all []AsOf, w stock.Warehouse) []AsOf {
	if w == "" {
		return all
	}
	var out []AsOf
	for _, a := range all {
		if a.Warehouse == w {
			out = append(out, a)
		}
	}
	return out
}

// warehouseTotal is what a warehouse holds of an item, over bins, lots and states.
type warehouseTotal struct {
	Warehouse stock.Warehouse
	OnHand    stock.Quantity
	Cells     int
	AsOf      []AsOf
}

type itemView struct {
	Item       Item
	Totals     []warehouseTotal
	All        stock.Quantity
	Cells      []StockRow
	Sight      Sight
	Value      value
	Book       PriceBook
	CellsMore  bool // there are more cells than are shown; totals are then left out
	History    MovementPage
	Before     string // mark of the part of the history that is shown, empty for the newest
	MoreLink   string
	NewestLink string
	Files      *filesOf // nil for who may not see files
}

// skuOf returns the SKU of the address. It may hold anything that an address has to escape.
func skuOf(v *web.Visit) (stock.SKU, error) {
	sku, err := url.PathUnescape(v.Params("sku"))
	if err != nil || sku == "" || len(sku) > stock.MaxSKU {
		return "", web.NotFound()
	}
	return stock.SKU(sku), nil
}

func (d *dashboard) getItem(v *web.Visit) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	ctx, in := v.UserContext(), v.Rows("stock.read").Any
	view := itemView{Before: v.Query("before")}
	if view.Item, err = d.Item(ctx, sku, in); err != nil {
		return err
	}
	page, err := d.Stock(ctx, StockQuery{SKU: sku, In: in, Limit: apiRows, Value: valueOf(v)})
	if err != nil {
		return err
	}
	view.Cells, view.CellsMore, view.Value = page.Rows, page.Next != "", valueOf(v)
	if view.Sight = sight(v); view.Sight.Any() {
		if view.Book, err = d.Prices(ctx, sku, view.Sight); err != nil {
			return err
		}
	}
	if !view.CellsMore {
		if view.Totals, view.All, err = totals(page); err != nil {
			return err
		}
	}
	if view.History, err = d.Movements(ctx, MovementQuery{SKU: sku, In: v.Rows("movement.read").Any, Limit: pageRows / 2, Before: view.Before}); err != nil {
		return err
	}
	view.NewestLink = itemLink(sku)
	if view.History.Next != "" {
		view.MoreLink = itemLink(sku) + "?" + url.Values{"before": {view.History.Next}}.Encode()
	}
	if view.Files, err = d.filesOf(v, "item", string(sku)); err != nil {
		return err
	}
	return v.Page("item", view)
}

// totals adds up the cells, which come by warehouse.
func totals(page StockPage) (out []warehouseTotal, all stock.Quantity, err error) {
	for _, r := range page.Rows {
		if n := len(out); n == 0 || out[n-1].Warehouse != r.Warehouse {
			out = append(out, warehouseTotal{Warehouse: r.Warehouse, AsOf: asOfWarehouse(page.AsOf, r.Warehouse)})
		}
		t := &out[len(out)-1]
		t.Cells++
		if t.OnHand, err = t.OnHand.Plus(r.OnHand); err != nil {
			return nil, 0, err
		}
		if all, err = all.Plus(r.OnHand); err != nil {
			return nil, 0, err
		}
	}
	return out, all, nil
}

func (d *dashboard) getBatch(v *web.Visit) error {
	epoch, err1 := strconv.ParseUint(v.Params("epoch"), 10, 63)
	seq, err2 := strconv.ParseUint(v.Params("seq"), 10, 63)
	if err1 != nil || err2 != nil {
		return web.NotFound()
	}
	b, err := d.Batch(v.UserContext(), Place{Node: stock.NodeID(v.Params("node")), Epoch: epoch, Seq: seq}, v.Rows("movement.read").Any)
	if err != nil {
		return err
	}
	if !v.Decide("audit.read", access.Resource{}).Allowed {
		for i := range b.Changes {
			b.Changes[i].veil()
		}
	}
	return v.Page("batch", b)
}

func (d *dashboard) apiStock(v *web.Visit) error {
	page, err := d.Stock(v.UserContext(), stockQuery(v, apiLimit(v)))
	if err != nil {
		return err
	}
	page.Rows, page.AsOf = list(page.Rows), list(page.AsOf)
	return v.JSON(page)
}

func (d *dashboard) apiMovements(v *web.Visit) error {
	sku, err := skuOf(v)
	if err != nil {
		return err
	}
	page, err := d.Movements(v.UserContext(), MovementQuery{SKU: sku, In: v.Rows("movement.read").Any, Limit: apiLimit(v), Before: v.Query("before")})
	if err != nil {
		return err
	}
	page.Rows = list(page.Rows)
	return v.JSON(page)
}

// list makes a list that is empty in JSON too, not null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}

func apiLimit(v *web.Visit) int {
	n, err := strconv.Atoi(v.Query("limit"))
	if err != nil || n < 1 || n > apiRows {
		return apiRows
	}
	return n
}

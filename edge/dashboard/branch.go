package dashboard

import (
	"context"
	"net/url"
	"strconv"
	"time"

	"stockade/internal/web"
	"stockade/protocol/stock"
)

const (
	pageRows = 100  // of a page
	apiRows  = 1000 // at most, of an answer to a program
)

func (d *dashboard) branchRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/", Permission: "stock.read", Handler: d.getOverview},
		{Method: "GET", Path: "/stock", Permission: "stock.read", Handler: d.getStock},
		{Method: "GET", Path: "/movements", Permission: "movement.read", Handler: d.getMovements},
		{Method: "GET", Path: "/events", Permission: "stock.read", Handler: d.getChanges},
		{Method: "GET", Path: "/api/v1/stock", Permission: "stock.read", Handler: d.apiStock},
		{Method: "GET", Path: "/api/v1/movements", Permission: "movement.read", Handler: d.apiMovements},
		{Method: "GET", Path: "/api/v1/devices", Permission: "device.read", Handler: d.apiDevices},
		{Method: "GET", Path: "/api/v1/sync", Permission: "sync.read", Handler: d.apiSync},
	}
}

type overviewPage struct {
	Sync      Sync
	Health    string
	Devices   []Device
	Stations  []StationState
	Accepted  int64 // today, over all stations
	Refused   int64
	Movements []MovementRow
}

func (d *dashboard) getOverview(v *web.Visit) error {
	p, err := d.overview(v.UserContext())
	if err != nil {
		return err
	}
	return v.Page("overview", p)
}

func (d *dashboard) overview(ctx context.Context) (p overviewPage, err error) {
	if p.Sync, err = d.Delivery.Sync(ctx); err != nil {
		return p, err
	}
	p.Health = p.Sync.Health()
	if p.Devices, err = d.Devices.Devices(ctx); err != nil {
		return p, err
	}
	stations, err := d.Station.Stations(ctx)
	if err != nil {
		return p, err
	}
	for _, s := range stations {
		state, err := d.Station.State(ctx, s.ID)
		if err != nil {
			return p, err
		}
		p.Stations = append(p.Stations, state)
		p.Accepted += state.Accepted
		p.Refused += state.Refused
	}
	page, err := d.Movements.Movements(ctx, MovementQuery{Limit: 12})
	p.Movements = page.Rows
	return p, err
}

type stockView struct {
	Query StockQuery
	Page  StockPage
	More  string // address of the following page
}

func stockQuery(v *web.Visit, limit int) StockQuery {
	return StockQuery{Search: v.Query("q"), Location: stock.Location(v.Query("location")), Limit: limit, After: v.Query("after")}
}

func (d *dashboard) getStock(v *web.Visit) error {
	q := stockQuery(v, pageRows)
	page, err := d.Stock.Stock(v.UserContext(), q)
	if err != nil {
		return err
	}
	view := stockView{Query: q, Page: page}
	if page.Next != "" {
		view.More = "/stock?" + url.Values{"q": {q.Search}, "location": {string(q.Location)}, "after": {page.Next}}.Encode()
	}
	return v.Page("stock", view)
}

type movementView struct {
	Query MovementQuery
	Page  MovementPage
	More  string
}

func movementQuery(v *web.Visit, limit int) MovementQuery {
	return MovementQuery{SKU: stock.SKU(v.Query("sku")), Limit: limit, Before: v.Query("before")}
}

func (d *dashboard) getMovements(v *web.Visit) error {
	q := movementQuery(v, pageRows)
	page, err := d.Movements.Movements(v.UserContext(), q)
	if err != nil {
		return err
	}
	view := movementView{Query: q, Page: page}
	if page.Next != "" {
		view.More = "/movements?" + url.Values{"sku": {string(q.SKU)}, "before": {page.Next}}.Encode()
	}
	return v.Page("movements", view)
}

// getChanges tells open pages that figures have changed, at most once a second.
func (d *dashboard) getChanges(v *web.Visit) error {
	return v.Stream(func(ctx context.Context, s *web.Stream) error {
		look := time.NewTicker(time.Second)
		defer look.Stop()
		seen, err := d.mark(ctx)
		for err == nil {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-s.Beat:
				err = s.Live()
			case <-look.C:
				var now mark
				if now, err = d.mark(ctx); err == nil && now != seen {
					seen = now
					err = s.Send("changed", "", struct{}{})
				}
			}
		}
		return err
	})
}

// mark is what tells one state of the branch page from the next.
type mark struct {
	movement string
	sync     Sync
	devices  string
	prints   string
}

func (d *dashboard) mark(ctx context.Context) (mark, error) {
	page, err := d.Movements.Movements(ctx, MovementQuery{Limit: 1})
	if err != nil {
		return mark{}, err
	}
	m := mark{}
	if len(page.Rows) > 0 {
		m.movement = page.Rows[0].ID
	}
	if m.sync, err = d.Delivery.Sync(ctx); err != nil {
		return mark{}, err
	}
	if m.prints, err = d.Printing.Mark(ctx); err != nil {
		return mark{}, err
	}
	devices, err := d.Devices.Devices(ctx)
	for _, dev := range devices {
		m.devices += dev.Name + "=" + dev.Status + "/" + strconv.Itoa(dev.Queue) + "/" + strconv.FormatBool(dev.Watched) + "/" + dev.ErrorTime.Format(time.RFC3339) + dev.LastError + ";"
		if dev.Kind == Scanner { // a printer answers every two seconds: that is no news
			m.devices += dev.LastEvent.Format(time.RFC3339)
		}
	}
	return m, err
}

func (d *dashboard) apiStock(v *web.Visit) error {
	page, err := d.Stock.Stock(v.UserContext(), stockQuery(v, apiLimit(v)))
	if err != nil {
		return err
	}
	if page.Rows == nil {
		page.Rows = []StockRow{}
	}
	return v.JSON(page)
}

func (d *dashboard) apiMovements(v *web.Visit) error {
	page, err := d.Movements.Movements(v.UserContext(), movementQuery(v, apiLimit(v)))
	if err != nil {
		return err
	}
	if page.Rows == nil {
		page.Rows = []MovementRow{}
	}
	return v.JSON(page)
}

func (d *dashboard) apiDevices(v *web.Visit) error {
	devices, err := d.Devices.Devices(v.UserContext())
	if err != nil {
		return err
	}
	if devices == nil {
		devices = []Device{}
	}
	return v.JSON(map[string]any{"devices": devices})
}

func (d *dashboard) apiSync(v *web.Visit) error {
	s, err := d.Delivery.Sync(v.UserContext())
	if err != nil {
		return err
	}
	return v.JSON(s)
}

func apiLimit(v *web.Visit) int {
	n, err := strconv.Atoi(v.Query("limit"))
	if err != nil || n < 1 || n > apiRows {
		return apiRows
	}
	return n
}

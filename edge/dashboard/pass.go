package dashboard

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/web"
)

// passRoutes let a lead book what a scan was refused for. Nobody is a lead without having signed
// in, at an open station either.
func (d *dashboard) passRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/station/:id/pass/:number", Permission: "station.override", Handler: d.getPass},
		{Method: "POST", Path: "/station/:id/pass/:number", Permission: "station.override", Handler: d.postPass},
		{Method: "POST", Path: "/api/v1/stations/:id/pass", Permission: "station.override", Handler: d.apiPass},
	}
}

type passPage struct {
	State   StationState
	Scan    Scan
	AsOf    time.Time // of what siblings did; zero when there are none
	Reason  string    // as it was typed
	Problem string    // what is wrong with it
}

func (d *dashboard) getPass(v *web.Visit) error { return d.showPass(v, passPage{}) }

func (d *dashboard) showPass(v *web.Visit, page passPage) error {
	var err error
	if page.State, err = d.Station.State(v.UserContext(), v.Params("id")); err != nil {
		return err
	}
	number, err := strconv.ParseInt(v.Params("number"), 10, 64)
	if err != nil || number < 1 {
		return web.NotFound()
	}
	last, err := d.Station.Last(v.UserContext(), v.Params("id"), 1)
	if err != nil {
		return err
	}
	if len(last) == 0 || last[0].Number != number || !last[0].Passable {
		return web.Fail(fiber.StatusConflict, "scan.nothing_to_pass")
	}
	page.Scan = textsOf(v).scan(last[0])
	if page.AsOf, err = d.siblingsAsOf(v.UserContext()); err != nil {
		return err
	}
	return v.Page("pass", page)
}

func (d *dashboard) siblingsAsOf(ctx context.Context) (time.Time, error) {
	p, err := d.Stock.Stock(ctx, StockQuery{Limit: 1})
	for _, t := range p.AsOf.Siblings {
		return t, err
	}
	return time.Time{}, err
}

func (d *dashboard) postPass(v *web.Visit) error {
	number, err := strconv.ParseInt(v.Params("number"), 10, 64)
	if err != nil {
		return web.NotFound()
	}
	reason := v.Form("reason")
	_, err = d.Station.LetPass(v.UserContext(), v.Params("id"), number, reason, v.Person)
	var wrong *web.Failure
	switch {
	case errors.As(err, &wrong) && wrong.Status == fiber.StatusUnprocessableEntity:
		v.Status(wrong.Status)
		return d.showPass(v, passPage{Reason: reason, Problem: v.T(wrong.Key, wrong.Args)})
	case err != nil:
		return err
	}
	return v.See("/station/" + v.Params("id")) // where the outcome stands
}

func (d *dashboard) apiPass(v *web.Visit) error {
	var body struct {
		Scan   int64
		Reason string
	}
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	f, err := d.Station.LetPass(v.UserContext(), v.Params("id"), body.Scan, body.Reason, v.Person)
	if err != nil {
		return err
	}
	return v.JSON(textsOf(v).scan(f))
}

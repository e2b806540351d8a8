package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/edge/dashboard"
	"stockade/edge/station"
	"stockade/internal/identity"
	"stockade/internal/rights"
	"stockade/internal/web"
	"stockade/protocol/access"
)

// badges adapts the accounts to what stations ask of badges.
type badges struct{ *node }

func (n badges) Read(ctx context.Context, code string) (station.Holder, error) {
	h, err := n.accounts.ReadBadge(ctx, code)
	switch {
	case errors.Is(err, identity.ErrBadge):
		err = errors.Join(station.ErrBadge, err)
	case errors.Is(err, identity.ErrNoPIN):
		err = errors.Join(station.ErrNoPIN, err)
	}
	name := h.Display
	if name == "" {
		name = h.Account
	}
	return station.Holder{Name: name, Account: h.Account, Badge: h.Badge, PIN: h.PIN}, err
}

func (n badges) Enter(ctx context.Context, h station.Holder, pin, name, address string) (station.Worker, error) {
	who, err := n.accounts.EnterPIN(ctx, h.Badge, pin, name, address)
	switch {
	case errors.Is(err, identity.ErrBadge):
		return station.Worker{}, errors.Join(station.ErrBadge, err)
	case err != nil:
		return station.Worker{}, err
	}
	d := n.mayScan(who)
	if !d.Allowed {
		return station.Worker{}, errMayNot
	}
	w := station.Worker{Actor: who.Account, Session: who.Session}
	if d.Reason == access.GrantedForATime {
		for _, id := range d.Temporary {
			u := rights.Use{Grant: id, Permission: stationUse, Request: "badge " + name, Address: address}
			if _, err := n.desk.Used(ctx, who, u, true); err != nil {
				return station.Worker{}, err
			}
			w.Lent = append(w.Lent, string(id))
		}
	}
	return w, nil
}

// Holds asks anew whether the person may work at stations: roles and temporary grants end meanwhile.
func (n badges) Holds(ctx context.Context, h station.Holder) (bool, error) {
	good, err := n.accounts.BadgeHolds(ctx, h.Badge, h.PIN)
	if err != nil || !good {
		return false, err
	}
	a, err := n.accounts.Account(ctx, h.Account)
	if errors.Is(err, identity.ErrNobody) {
		return false, nil
	}
	return n.mayScan(identity.Person{Account: a.Name, Roles: a.Roles, Warehouses: a.Warehouses}).Allowed, err
}

var errMayNot = errors.New("this person may not work at stations")

const stationUse = "station.use"

// mayScan decides whether a person may work at a station by badge. It is the same decision as for the station's page.
func (n *node) mayScan(who identity.Person) access.Decision { return n.desk.List(who, stationUse) }

func (n stations) ActsAs(_ context.Context, name string, by dashboard.By) (string, error) {
	s, err := n.find(name)
	if err != nil {
		return "", err
	}
	return s.ActsAs(workerAt(by)).Actor, nil
}

func (n stations) PIN(ctx context.Context, name, pin string, by dashboard.By) error {
	s, err := n.find(name)
	if err != nil {
		return err
	}
	err = s.EnterPIN(ctx, pin, by.Browser, by.Address)
	var wait *identity.WaitError
	switch {
	case errors.As(err, &wait):
		seconds := int(max(time.Second, wait.For).Round(time.Second) / time.Second)
		return web.Fail(fiber.StatusTooManyRequests, "pinpad.wait", "seconds", strconv.Itoa(seconds)).Because(err)
	case errors.Is(err, identity.ErrPIN):
		return web.Fail(fiber.StatusUnprocessableEntity, "pinpad.wrong").Because(err)
	case errors.Is(err, identity.ErrBusy):
		return web.Fail(fiber.StatusServiceUnavailable, "error.busy").Because(err)
	case errors.Is(err, station.ErrNoBadge):
		return web.Fail(fiber.StatusConflict, "pinpad.gone").Because(err)
	case errors.Is(err, station.ErrBadge):
		return web.Fail(fiber.StatusConflict, "pinpad.void").Because(err)
	case errors.Is(err, errMayNot):
		return web.Fail(fiber.StatusConflict, "pinpad.not_here").Because(err)
	}
	return err
}

func (n stations) CancelPIN(_ context.Context, name string) error {
	s, err := n.find(name)
	if err == nil {
		s.Cancel()
	}
	return err
}

func (n stations) Leave(ctx context.Context, name string, by dashboard.By) error {
	s, err := n.find(name)
	if err != nil {
		return err
	}
	if err = s.Leave(ctx, by.Browser); errors.Is(err, station.ErrNoBadge) {
		err = web.Fail(fiber.StatusConflict, "pinpad.not_yours").Because(err)
	}
	return err
}

// sweepPeriod is how often it is looked whether somebody who works by badge is idle or must leave.
const sweepPeriod = 5 * time.Second

// sweep ends the work of who is idle or whose badge became void.
func (n *node) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		for _, s := range n.stations {
			if err := s.Sweep(ctx); err != nil && ctx.Err() == nil {
				n.log.Error("work by badge could not be ended, trying again", "station", s.Config().Name, "error", err)
			}
		}
	}
}

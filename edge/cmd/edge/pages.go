package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/edge/dashboard"
	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/internal/identity"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/barcode"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

// pages makes the node's HTTPS server. While there is no account it prints a one-time code.
func (n *node) pages(ctx context.Context, stdout io.Writer) (*web.Server, error) {
	people, err := n.people(ctx, stdout)
	if err != nil {
		return nil, err
	}
	if err := n.openRights(ctx, people); err != nil {
		return nil, err
	}
	settings, err := n.certificates.pageTLS()
	if err != nil {
		return nil, err
	}
	n.accounts = people
	site, err := dashboard.Site(dashboard.Deps{Station: stations{n}, Stock: stockPages{n}, Movements: movements{n}, Delivery: deliveryPages{n}, Devices: devices{n}, Printing: printing{n}, Labels: labels{n}, Open: n.open,
		Face: n.typeface, Version: version})
	if err != nil {
		return nil, err
	}
	return web.New(web.Options{TLS: settings, Hosts: n.config.Names, People: people, Accounts: people, Rights: n.desk, Roles: n.roles, Instance: string(n.enrolment.Trust.Node), Brand: "brand.edge", Place: string(n.enrolment.Trust.Warehouse), Zone: n.config.zone(), Log: n.log}, site)
}

// open reports whether a station's page is shown without a sign-in. Where a badge is needed, nothing is done from it without one.
func (n *node) open(name string) bool {
	c := n.stationConfig(name)
	return c.Open || c.Badge
}

// stationConfig returns what is configured for a station; zero for one that is not.
func (n *node) stationConfig(name string) stationConfig {
	if i := slices.IndexFunc(n.config.Stations, func(s stationConfig) bool { return s.Name == name }); i >= 0 {
		return n.config.Stations[i]
	}
	return stationConfig{}
}

// stations adapts the stations to what the pages ask for.
type stations struct{ *node }

func (n stations) find(name string) (*station.Station, error) {
	for _, s := range n.stations {
		if s.Config().Name == name {
			return s, nil
		}
	}
	return nil, web.NotFound()
}

func (n stations) Stations(context.Context) ([]dashboard.StationInfo, error) {
	out := []dashboard.StationInfo{}
	for _, s := range n.stations {
		out = append(out, info(s))
	}
	return out, nil
}

func info(s *station.Station) dashboard.StationInfo {
	return dashboard.StationInfo{ID: s.Config().Name, Name: s.Config().Label}
}

func (n stations) State(ctx context.Context, name string) (dashboard.StationState, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.StationState{}, err
	}
	st, err := s.State(ctx)
	at := st.Bin
	if st.Mode == station.Receive {
		at = s.Config().Receiving
	}
	desk := s.AtWork()
	return dashboard.StationState{StationInfo: info(s), Worker: desk.Name, Asked: desk.Asked, NeedsBadge: s.Config().NeedsBadge, Mode: dashboard.Mode(st.Mode), Location: at, Accepted: st.Accepted, Refused: st.Refused, Day: st.Day, Quantity: st.Quantity, Trouble: n.troubleOf(s)}, err
}

// troubleOf names the text that tells the worker why a scan is not stored yet.
func (n *node) troubleOf(s *station.Station) string {
	err := s.Trouble()
	switch {
	case err == nil && n.watched(s.Config().Name):
		return "station.being_set_up"
	case err == nil:
		return ""
	case errors.Is(err, vault.ErrFull):
		return "station.disk_full"
	case errors.Is(err, vault.ErrFailing):
		return "station.disk_failing"
	}
	return "station.not_stored_yet"
}

func (n stations) Subscribe(ctx context.Context, name string) (<-chan dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return nil, err
	}
	from, stop := s.Subscribe()
	to := make(chan dashboard.Feedback, 64)
	go func() {
		defer close(to)
		defer stop()
		for {
			select {
			case <-ctx.Done():
				return
			case f, ok := <-from:
				if !ok {
					return
				}
				select {
				case to <- shown(f):
				default: // the reader finds it through Recent
				}
			}
		}
	}()
	return to, nil
}

func (n stations) Recent(ctx context.Context, name string, after int64, limit int) ([]dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return nil, err
	}
	f, err := s.Scans(ctx, after, limit)
	return shownAll(f), err
}

func (n stations) Last(ctx context.Context, name string, limit int) ([]dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return nil, err
	}
	f, err := s.LastScans(ctx, limit)
	return shownAll(f), err
}

func (n stations) Refused(ctx context.Context, name string, limit int) ([]dashboard.RefusedScan, error) {
	s, err := n.find(name)
	if err != nil {
		return nil, err
	}
	f, err := s.RefusedToday(ctx, 1000)
	if err != nil {
		return nil, err
	}
	var out []dashboard.RefusedScan
	for _, r := range f { // newest first
		i := slices.IndexFunc(out, func(o dashboard.RefusedScan) bool { return o.Code == r.Code && string(o.Raw) == string(r.Raw) })
		if i >= 0 {
			out[i].Times++
		} else if len(out) < limit {
			out = append(out, dashboard.RefusedScan{Last: r.Time, Times: 1, Code: r.Code, Args: r.Arguments(), Raw: r.Raw})
		}
	}
	return out, nil
}

func (n stations) SetMode(ctx context.Context, name string, mode dashboard.Mode, by dashboard.By) error {
	s, err := n.find(name)
	if err != nil {
		return err
	}
	_, err = s.SetMode(ctx, station.Mode(mode), workerAt(by))
	return err
}

func (n stations) Submit(ctx context.Context, name string, in dashboard.Input, raw []byte, by dashboard.By) (dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.Feedback{}, err
	}
	var last station.Feedback
	for _, scan := range decode(in, n.stationConfig(name).WedgeProfile, raw, n.clock.Wall()) {
		if last, err = s.Handle(ctx, scan, workerAt(by)); err != nil {
			return dashboard.Feedback{}, err
		}
	}
	return shown(last), nil
}

func (n stations) Keyboard(name string) dashboard.Keyboard {
	return keyboard(n.stationConfig(name).WedgeProfile)
}

func (n stations) Undo(ctx context.Context, name, movement string, by dashboard.By) (dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.Feedback{}, err
	}
	f, err := s.UndoMovement(ctx, movement, workerAt(by))
	return shown(f), err
}

// Owner returns who made a movement of the station; the station itself when nobody was signed in, empty for one that is not the station's.
func (n stations) Owner(ctx context.Context, name, movement string) (owner string, err error) {
	if _, err := n.find(name); err != nil {
		return "", err
	}
	id, err := stock.ParseID(movement)
	if err != nil {
		return "", nil //nolint:nilerr // there is no such movement: the station says so
	}
	err = n.store.View(ctx, func(tx *store.Tx) error {
		c, err := tx.Change(id)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err == nil && c.Meta.Terminal == name {
			owner = c.Meta.Actor
		}
		return err
	})
	return owner, err
}

func (n stations) LetPass(ctx context.Context, name string, number int64, reason string, by identity.Person) (dashboard.Feedback, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.Feedback{}, err
	}
	f, err := s.LetPass(ctx, number, station.Lead{Worker: worker(by), Reason: reason})
	if errors.Is(err, station.ErrReason) {
		err = web.Fail(fiber.StatusUnprocessableEntity, "pass.reason_wanted")
	}
	return shown(f), err
}

func (n stations) Commands(context.Context, string) ([]dashboard.Command, error) {
	var out []dashboard.Command
	for _, c := range station.Commands() {
		text, args := station.CommandText(c)
		out = append(out, dashboard.Command{Content: c, Text: text, Args: args, Group: station.CommandGroup(c)})
	}
	return out, nil
}

func worker(p identity.Person) station.Worker {
	return station.Worker{Actor: p.Actor(), Session: p.Session}
}

func workerAt(by dashboard.By) station.Worker {
	w := worker(by.Person)
	w.Browser = by.Browser
	return w
}

func shown(f station.Feedback) dashboard.Feedback {
	scan, err := json.Marshal(f.Scan)
	if f.Scan == nil || err != nil {
		scan = nil
	}
	return dashboard.Feedback{Number: f.Number, Time: f.Time, Station: f.Station, Mode: dashboard.Mode(f.Mode), Outcome: dashboard.Outcome(f.Outcome), Code: f.Code,
		Args: f.Arguments(), Raw: f.Raw, Scan: scan, Movement: f.Movement, Undoable: f.Undoable, Passable: f.Passable(), SKU: f.SKU, Item: f.Item, Lot: f.Lot, Serial: f.Serial, Expiry: f.Expiry,
		Quantity: f.Quantity, Unit: f.Unit, Location: f.Location, OnHand: f.OnHand, BusinessDay: f.Day}
}

func shownAll(fs []station.Feedback) []dashboard.Feedback {
	out := make([]dashboard.Feedback, len(fs))
	for i, f := range fs {
		out[i] = shown(f)
	}
	return out
}

// stockPages adapts the ledger's balances.
type stockPages struct{ *node }

func (n stockPages) Stock(ctx context.Context, q dashboard.StockQuery) (dashboard.StockPage, error) {
	offset, _ := strconv.Atoi(q.After) // a made-up mark begins anew
	if q.Limit <= 0 || q.Limit > 1000 {
		q.Limit = 200
	}
	page := dashboard.StockPage{Rows: []dashboard.StockRow{}, AsOf: dashboard.AsOf{Own: time.Now()}}
	err := n.store.View(ctx, func(tx *store.Tx) error {
		rows, err := tx.Rows(store.Filter{Search: q.Search, Location: q.Location, Limit: q.Limit + 1, Offset: offset})
		if err != nil {
			return err
		}
		if len(rows) > q.Limit {
			rows, page.Next = rows[:q.Limit], strconv.Itoa(offset+q.Limit)
		}
		today := stock.Date(n.clock.Wall().In(n.config.zone()).Format(time.DateOnly))
		for _, r := range rows {
			k := r.Cell.Key
			page.Rows = append(page.Rows, dashboard.StockRow{SKU: k.SKU, GTIN: r.GTIN, Name: r.Name, Lot: k.Lot, Serial: k.Serial, Expiry: k.Expiry, Expired: k.Expiry.Before(today),
				State: k.State.String(), Location: r.Cell.Location, OnHand: r.OnHand, Unit: r.Unit})
		}
		feeds, err := tx.Feeds()
		if heard, ok := feeds[feed.Siblings(tx.Warehouse())]; ok {
			page.AsOf.Siblings = map[stock.NodeID]time.Time{"*": time.UnixMilli(heard[0])}
		}
		return err
	})
	return page, err
}

// movements adapts the ledger.
type movements struct{ *node }

func (n movements) Movements(ctx context.Context, q dashboard.MovementQuery) (dashboard.MovementPage, error) {
	if q.Limit <= 0 || q.Limit > 500 {
		q.Limit = 50
	}
	page := dashboard.MovementPage{Rows: []dashboard.MovementRow{}}
	err := n.store.View(ctx, func(tx *store.Tx) error {
		entries, next, err := tx.Movements(q.SKU, q.Before, q.Limit)
		if errors.Is(err, store.ErrMark) { // made up: begin anew
			entries, next, err = tx.Movements(q.SKU, "", q.Limit)
		}
		if err != nil {
			return err
		}
		page.Next = next
		for _, e := range entries {
			page.Rows = append(page.Rows, movementRow(tx, e))
		}
		return nil
	})
	return page, err
}

func movementRow(tx *store.Tx, e store.Entry) dashboard.MovementRow {
	m := e.Movement
	row := dashboard.MovementRow{ID: m.ID.String(), Time: e.Meta.Time.Time(), SKU: m.Key.SKU, Lot: m.Key.Lot, Serial: m.Key.Serial, Expiry: m.Key.Expiry,
		From: m.From, To: m.To, Quantity: m.Quantity, Actor: e.Meta.Actor, Terminal: e.Meta.Terminal, Delivered: e.Delivered}
	if item, err := tx.Item(m.Key.SKU); err == nil {
		row.Name, row.Unit = item.Name, item.Unit
	}
	if !m.Reverses.IsZero() {
		row.Reverses = m.Reverses.String()
	}
	return row
}

// deliveryPages adapts the uplink.
type deliveryPages struct{ *node }

func (n deliveryPages) Sync(ctx context.Context) (dashboard.Sync, error) {
	st := n.uplink.Status()
	out := dashboard.Sync{Node: n.enrolment.Trust.Node, Connected: st.Connected, Since: st.Since, Epoch: st.Head.Epoch, Acknowledged: st.Acked.Seq, AckTime: st.AckTime, LogSize: st.Log.Size}
	if len(n.enrolment.Brokers) > 0 {
		out.Hub = n.enrolment.Brokers[0]
	}
	switch {
	case st.Frozen != "":
		out.Held = "sync.held_frozen"
	case st.Phase == delivery.Waiting:
		out.Held = "sync.held_" + string(st.Refused)
	}
	err := n.store.View(ctx, func(tx *store.Tx) error {
		box, err := tx.Outbox()
		if err != nil {
			return err
		}
		out.Waiting, out.Batches = int64(box.Waiting()), int64(st.Head.Seq-min(st.Acked.Seq, st.Head.Seq)) // #nosec G115 -- counts
		feeds, err := tx.Feeds()
		out.FeedVersion = uint64(max(0, feeds[feed.Catalogue][1])) // #nosec G115 -- not negative
		return err
	})
	out.ClockDoubt = n.clock.Quality() == clock.Doubtful
	return out, err
}

// devices adapts the serial devices.
type devices struct{ *node }

func (n devices) Devices(ctx context.Context) ([]dashboard.Device, error) {
	var counts map[string]store.PrintCount
	err := n.store.View(ctx, func(tx *store.Tx) (err error) { counts, _, err = tx.PrintCounts(); return err })
	if err != nil {
		return nil, err
	}
	out := []dashboard.Device{}
	for _, s := range n.scanners {
		out = append(out, n.shown(s.Status(), s.Watched(), counts[s.Status().Name]))
	}
	for _, p := range n.printers {
		out = append(out, n.shown(p.Status(), false, counts[p.Status().Name]))
	}
	slices.SortFunc(out, func(a, b dashboard.Device) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

func (n devices) shown(s device.Status, watched bool, c store.PrintCount) dashboard.Device {
	d := dashboard.Device{Name: s.Name, Kind: dashboard.DeviceKind(s.Kind), Port: s.Path, Status: string(s.State), Since: s.Since, Queue: c.Waiting, Unknown: c.Asking, Watched: watched,
		LastEvent: s.LastEvent, LastError: s.LastError, Problem: s.Problem, ErrorTime: s.ErrorTime}
	for _, st := range n.config.Stations {
		if st.Scanner == s.Name || st.Printer == s.Name {
			d.Station = st.Name
		}
	}
	return d
}

func (n devices) find(name string) (*device.Scanner, error) {
	for _, s := range n.scanners {
		if s.Status().Name == name {
			return s, nil
		}
	}
	return nil, web.NotFound()
}

func (n devices) Scanner(_ context.Context, name string) (dashboard.Device, string, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.Device{}, "", err
	}
	return n.shown(s.Status(), s.Watched(), store.PrintCount{}), s.Profile(), nil
}

func (n devices) Watch(_ context.Context, name string) (dashboard.Watching, error) {
	s, err := n.find(name)
	if err != nil {
		return dashboard.Watching{}, err
	}
	heard, scans := s.Watch()
	w := dashboard.Watching{Device: n.shown(s.Status(), true, store.PrintCount{}), Profile: s.Profile()}
	var chunks []barcode.Chunk
	for _, h := range heard {
		w.Chunks = append(w.Chunks, dashboard.Chunk{Number: h.Number, Time: h.Time, Pause: h.Pause, Bytes: h.Bytes})
		chunks = append(chunks, barcode.Chunk{Data: h.Bytes, Pause: h.Pause})
	}
	for _, sc := range scans {
		w.Scans = append(w.Scans, dashboard.WatchedScan{Number: sc.Number, Time: sc.Time, Scan: sc.Scan})
	}
	w.Proposal = barcode.Propose(chunks, n.clock.Wall())
	return w, nil
}

func (n devices) Unwatch(_ context.Context, name string) error {
	s, err := n.find(name)
	if err == nil {
		s.Unwatch()
	}
	return err
}

func (n devices) Command(ctx context.Context, name string, b []byte) error {
	s, err := n.find(name)
	if err != nil {
		return err
	}
	switch err := s.Command(ctx, b); {
	case errors.Is(err, device.ErrNotWatched):
		return fmt.Errorf("%w: %w", dashboard.ErrNotWatched, err)
	case err != nil:
		return fmt.Errorf("%w: %w", dashboard.ErrAway, err)
	}
	n.log.Info("set-up command was sent", "device", name, "bytes", fmt.Sprintf("%q", b))
	return nil
}

// watched tells whether a station's scanner is being set up.
func (n *node) watched(station string) bool {
	for _, st := range n.config.Stations {
		for _, s := range n.scanners {
			if st.Name == station && st.Scanner == s.Status().Name && s.Watched() {
				return true
			}
		}
	}
	return false
}

// people opens the accounts; what they do is recorded in the node's own audit trail.
func (n *node) people(ctx context.Context, stdout io.Writer) (*identity.Service, error) {
	rules, err := identity.RulesNamed(n.config.Passwords)
	if err != nil {
		return nil, err
	}
	trust := n.enrolment.Trust
	people, err := identity.Open(ctx, n.store.Vault(), identity.Options{Now: n.clock.Wall, Audit: n.record, Rules: rules,
		Words: func() []string {
			return append([]string{trust.Org, string(trust.Warehouse), string(trust.Node)}, n.config.Names...)
		},
		Issuer: "Stockade " + string(trust.Node), PasskeyDomain: n.config.PasskeyDomain, Zone: n.config.zone(), Idle: time.Duration(n.config.SessionIdle), Max: time.Duration(n.config.SessionMax),
		FirstRoles: []string{string(access.Manager), string(access.Lead)}, FirstAt: []string{string(trust.Warehouse)},
		RequiresFactor: func(roles []string) bool {
			return anyIn(roles, n.config.FactorRoles) || anyIn(roles, n.config.PasskeyRoles)
		}, RequiresPasskey: func(roles []string) bool { return anyIn(roles, n.config.PasskeyRoles) }})
	if err != nil {
		return nil, err
	}
	code, err := people.FirstCode(ctx)
	if err != nil || code == "" {
		return people, err
	}
	_, err = fmt.Fprintf(stdout, "一次性登录码 / one-time code: %s\n", code)
	return people, err
}

func anyIn(roles, list []string) bool {
	return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(list, r) })
}

// made returns what a change tells of its making when a person is behind it; the node itself when nobody is.
func (n *node) made(p identity.Person) change.Meta {
	stamp, quality := n.clock.Now()
	actor := p.Actor()
	if actor == "" {
		actor = string(n.enrolment.Trust.Node)
	}
	return change.Meta{Time: stamp, Quality: quality, Actor: actor, Session: p.Session, Terminal: p.Address,
		Day: stock.Date(n.clock.Wall().In(n.config.zone()).Format(time.DateOnly)), Zone: n.config.Zone}
}

// record adds an audit entry about a person to the outbox, in the transaction of what it records.
func (n *node) record(tx *vault.Tx, e change.Entry, p identity.Person) error {
	if len(p.Lent) > 0 {
		d := map[string]string{"grants": strings.Join(p.Lent, " ")}
		maps.Copy(d, e.Detail)
		e.Detail = d
	}
	c, err := change.OfEntry(n.made(p), e)
	if err != nil {
		return err
	}
	return n.store.AddIn(tx, c)
}

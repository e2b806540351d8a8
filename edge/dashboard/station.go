package dashboard

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/web"
	"stockade/protocol/access"
)

// maxScan limits the bytes of one scan from a keyboard scanner; the largest two-dimensional
// codes hold about four thousand characters.
const maxScan = 8 << 10

const shown = 8 // scans that a station's page lists

func (d *dashboard) stationRoutes() []web.Route {
	route := func(method, path, permission string, h web.Handler) web.Route {
		r := web.Route{Method: method, Path: path, Permission: permission, Handler: h}
		if strings.Contains(path, ":id") {
			r.Guest = d.guest
		}
		r.Camera = path == "/station/:id"
		return r
	}
	return []web.Route{
		route("GET", "/stations", "station.read", d.getStations),
		route("GET", "/station/:id", "station.use", d.getStation),
		route("GET", "/station/:id/events", "station.use", d.getEvents),
		route("GET", "/station/:id/refused", "station.use", d.getRefused),
		route("GET", "/station/:id/commands", "station.use", d.getCommands),
		route("GET", "/station/:id/commands.pdf", "station.use", d.getCommandsPDF),
		route("GET", "/api/v1/stations", "station.read", d.apiStations),
		route("GET", "/api/v1/stations/:id", "station.use", d.apiStation),
		route("GET", "/api/v1/stations/:id/scans", "station.use", d.apiScans),
		route("POST", "/api/v1/stations/:id/mode", "station.use", d.apiMode),
		route("POST", "/api/v1/stations/:id/scan", "station.use", d.apiScan),
		route("POST", "/api/v1/stations/:id/undo", "station.use", d.apiUndo),
		route("POST", "/api/v1/stations/:id/pin", "station.use", d.apiPIN),
		route("POST", "/api/v1/stations/:id/pin/cancel", "station.use", d.apiCancelPIN),
		route("POST", "/api/v1/stations/:id/leave", "station.use", d.apiLeave),
	}
}

func (d *dashboard) getStations(v *web.Visit) error {
	stations, err := d.Station.Stations(v.UserContext())
	if err != nil {
		return err
	}
	states := make([]StationState, len(stations))
	for i, s := range stations {
		if states[i], err = d.Station.State(v.UserContext(), s.ID); err != nil {
			return err
		}
	}
	return v.Page("stations", states)
}

type stationPage struct {
	State State
	Modes []modeButton
	Texts map[string]string // for the script
	Pad   []int             // digits of the keys for the PIN, but 0
	Keyboard
}

type modeButton struct {
	Mode Mode
	Key  string // function key that chooses it
}

// modeKeys are function keys: scanners never send them, and browsers leave these alone or
// let the page have them. F5 reloads, F8 is what some scanners send for GS.
var modeKeys = []string{"F2", "F3", "F4", "F6", "F7", "F9"}

func (d *dashboard) getStation(v *web.Visit) error {
	state, err := d.state(v.UserContext(), textsOf(v), v.Params("id"))
	if err != nil {
		return err
	}
	page := stationPage{State: state, Texts: map[string]string{}, Pad: []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, Keyboard: d.Station.Keyboard(v.Params("id"))}
	for i, m := range Modes() {
		page.Modes = append(page.Modes, modeButton{m, modeKeys[i]})
	}
	for _, key := range []string{"station.offline", "station.no_answer", "station.sound_on", "station.sound_off", "station.sound_unlock", "station.accepted", "station.refused", "station.info", "station.not_stored", "station.badge_please",
		"station.lot", "station.expiry", "station.serial", "station.bin", "station.on_hand", "station.sku", "station.undo", "station.undone", "station.half", "station.no_end",
		"camera.starting", "camera.aim", "camera.read", "camera.held", "camera.several", "camera.refused", "camera.none", "camera.busy", "camera.insecure", "camera.too_old", "camera.no_reader"} {
		page.Texts[key] = v.T(key, nil)
	}
	for _, m := range Modes() {
		page.Texts["mode."+string(m)] = v.T("mode."+string(m), nil)
	}
	return v.Page("station", page)
}

func (d *dashboard) getRefused(v *web.Visit) error {
	state, err := d.Station.State(v.UserContext(), v.Params("id"))
	if err != nil {
		return err
	}
	refused, err := d.Station.Refused(v.UserContext(), v.Params("id"), 200)
	if err != nil {
		return err
	}
	text := textsOf(v)
	for i := range refused {
		refused[i].Sentence, refused[i].Text = text.sentence(refused[i].Code, refused[i].Args), printable(refused[i].Raw)
	}
	return v.Page("refused", map[string]any{"State": state, "Refused": refused})
}

// getEvents streams what happens at a station, see the package comment.
func (d *dashboard) getEvents(v *web.Visit) error {
	id, text := v.Params("id"), textsOf(v)
	after, resumes := int64(0), false
	if n, err := strconv.ParseInt(v.Get("Last-Event-ID"), 10, 64); err == nil {
		after, resumes = n, true
	}
	if _, err := d.Station.State(v.UserContext(), id); err != nil {
		return err
	}
	return v.Stream(func(ctx context.Context, s *web.Stream) error {
		f := &follower{d: d, text: text, station: id, stream: s, last: after}
		if !resumes {
			if err := f.begin(ctx); err != nil {
				return err
			}
		} else if old, err := f.foreign(ctx); err != nil || old {
			return errors.Join(err, s.Send("end", "", struct{}{}))
		}
		return f.run(ctx)
	})
}

// follower sends a station's scans and state to one page.
type follower struct {
	d       *dashboard
	text    texts
	station string
	stream  *web.Stream
	last    int64 // number of the last scan sent
	state   State // last state sent
}

// begin sends the scans that a fresh page shows.
func (f *follower) begin(ctx context.Context) error {
	scans, err := f.d.Station.Last(ctx, f.station, shown)
	if err != nil {
		return err
	}
	for _, s := range scans {
		if err := f.send(s); err != nil {
			return err
		}
	}
	return nil
}

// foreign reports whether a page knows scans that the station does not: an older copy of its store was put back.
// Such a page begins anew, else it would show nothing until the numbers have grown as high again.
func (f *follower) foreign(ctx context.Context) (bool, error) {
	scans, err := f.d.Station.Last(ctx, f.station, 1)
	return f.last > 0 && (len(scans) == 0 || scans[0].Number < f.last), err
}

const statePeriod = 2 * time.Second // how often devices and delivery are looked at

func (f *follower) run(ctx context.Context) error {
	news, err := f.d.Station.Subscribe(ctx, f.station) // before catching up, so that nothing falls between
	if err != nil {
		return err
	}
	look := time.NewTicker(statePeriod)
	defer look.Stop()
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case s, ok := <-news:
			if !ok {
				return nil
			}
			if len(s.Scan) > 0 { // by the station's own scanner too: who has the page open is at work
				if err := f.stream.Used(); err != nil {
					return err
				}
			}
			if s.Number != f.last+1 {
				err = f.catchUp(ctx)
			} else {
				err = f.send(s)
			}
			if err == nil {
				err = f.sendState(ctx)
			}
		case <-look.C:
			err = f.catchUp(ctx)
		case <-f.stream.Beat:
			err = f.stream.Live()
		}
		if err != nil {
			return err
		}
	}
}

// catchUp sends what the station has beyond the last scan sent, then the state.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		scans, err := f.d.Station.Recent(ctx, f.station, f.last, 100)
		if err != nil {
			return err
		}
		for _, s := range scans {
			if err := f.send(s); err != nil {
				return err
			}
		}
		if len(scans) == 0 {
			return f.sendState(ctx)
		}
	}
}

func (f *follower) send(s Feedback) error {
	if s.Number <= f.last {
		return nil
	}
	f.last = s.Number
	return f.stream.Send("scan", strconv.FormatInt(s.Number, 10), f.text.scan(s))
}

func (f *follower) sendState(ctx context.Context) error {
	state, err := f.d.state(ctx, f.text, f.station)
	if err != nil || reflect.DeepEqual(state, f.state) {
		return err
	}
	f.state = state
	return f.stream.Send("state", "", state)
}

// state gathers what a station's page shows beside its scans.
func (d *dashboard) state(ctx context.Context, text texts, id string) (State, error) {
	station, err := d.Station.State(ctx, id)
	if err != nil {
		return State{}, err
	}
	devices, err := d.Devices.Devices(ctx)
	if err != nil {
		return State{}, err
	}
	sync, err := d.Delivery.Sync(ctx)
	if err != nil {
		return State{}, err
	}
	s := State{Station: station, ModeText: text.say("mode."+string(station.Mode), nil), Sync: sync.Health(), Devices: []DeviceState{}}
	if station.Location != "" {
		s.Bin = station.Location.Code()
	}
	s.SyncText = text.say("sync."+s.Sync, map[string]string{"waiting": web.Group(strconv.FormatInt(sync.Waiting, 10))})
	if station.Trouble != "" {
		s.Trouble = text.say(station.Trouble, nil)
	}
	for _, dev := range devices {
		if dev.Station == id && dev.Kind == Printer {
			s.Printing = text.printState(dev)
		}
		if dev.Station == id {
			s.Devices = append(s.Devices, DeviceState{Kind: dev.Kind, Name: text.say("device."+string(dev.Kind), nil), Good: dev.Good() && !dev.Watched, Text: text.say("device."+dev.Status, nil), Title: dev.Name + " · " + dev.Port})
		}
	}
	return s, nil
}

// Good reports whether the device works.
func (d Device) Good() bool { return d.Status == "ready" }

// Health sums up the state of delivery in a word: "held", "offline", "waiting" or "ok".
func (s Sync) Health() string {
	switch {
	case s.Held != "":
		return "held"
	case !s.Connected:
		return "offline"
	case s.Waiting > 0:
		return "waiting"
	}
	return "ok"
}

func (d *dashboard) apiStations(v *web.Visit) error {
	stations, err := d.Station.Stations(v.UserContext())
	if err != nil {
		return err
	}
	return v.JSON(map[string]any{"stations": stations})
}

func (d *dashboard) apiStation(v *web.Visit) error {
	state, err := d.state(v.UserContext(), textsOf(v), v.Params("id"))
	if err != nil {
		return err
	}
	return v.JSON(struct {
		StationState
		Devices     []DeviceState `json:"devices"`
		TroubleText string        `json:"trouble_text,omitempty"`
		Printing    PrintState    `json:"printing"`
	}{state.Station, state.Devices, state.Trouble, state.Printing})
}

const maxScans = 1000 // in one answer

func (d *dashboard) apiScans(v *web.Visit) error {
	after, err := strconv.ParseInt(v.Query("after", "0"), 10, 64)
	if err != nil || after < 0 {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request").Because(err)
	}
	if _, err := d.Station.State(v.UserContext(), v.Params("id")); err != nil {
		return err
	}
	feedbacks, err := d.Station.Recent(v.UserContext(), v.Params("id"), after, maxScans+1)
	if err != nil {
		return err
	}
	more := len(feedbacks) > maxScans
	text, scans := textsOf(v), []Scan{}
	for _, f := range feedbacks[:min(len(feedbacks), maxScans)] {
		scans = append(scans, text.scan(f))
	}
	return v.JSON(map[string]any{"scans": scans, "more": more})
}

func (d *dashboard) apiMode(v *web.Visit) error {
	var body struct{ Mode Mode }
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	if !slices.Contains(Modes(), body.Mode) {
		return web.Fail(fiber.StatusUnprocessableEntity, "station.unknown_mode", "mode", string(body.Mode))
	}
	if err := d.Station.SetMode(v.UserContext(), v.Params("id"), body.Mode, by(v)); err != nil {
		return err
	}
	return d.apiStation(v)
}

func (d *dashboard) apiScan(v *web.Visit) error {
	var body struct {
		Raw   string
		Input Input
	}
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	raw, err := base64.StdEncoding.DecodeString(body.Raw)
	if err != nil || len(raw) == 0 || len(raw) > maxScan || !slices.Contains([]Input{"", ByKeyboard, ByCamera}, body.Input) {
		return web.Fail(fiber.StatusUnprocessableEntity, "station.bad_scan").Because(err)
	}
	f, err := d.Station.Submit(v.UserContext(), v.Params("id"), body.Input, raw, by(v))
	if err != nil {
		return err
	}
	return v.JSON(textsOf(v).scan(f))
}

func (d *dashboard) apiUndo(v *web.Visit) error {
	var body struct{ Movement string }
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	if err := d.mayUndo(v, body.Movement); err != nil {
		return err
	}
	f, err := d.Station.Undo(v.UserContext(), v.Params("id"), body.Movement, by(v))
	if err != nil {
		return err
	}
	return v.JSON(textsOf(v).scan(f))
}

// mayUndo refuses to take back what somebody else did, unless the reader may reverse movements of others. What the station's own scanner
// booked, and what the reader did, whoever works here may correct.
func (d *dashboard) mayUndo(v *web.Visit, movement string) error {
	if movement == "" {
		return nil // the station's last
	}
	owner, err := d.Station.Owner(v.UserContext(), v.Params("id"), movement)
	if err != nil || owner == "" || owner == v.Person.Actor() || owner == "station/"+v.Params("id") {
		return err
	}
	if actor, err := d.Station.ActsAs(v.UserContext(), v.Params("id"), by(v)); err != nil || actor == owner {
		return err // who works here by badge
	}
	return v.Check("movement.reverse", access.Resource{Owner: access.Account(access.Fold(owner))})
}

func (d *dashboard) apiPIN(v *web.Visit) error {
	var body struct{ PIN string }
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	if err := d.Station.PIN(v.UserContext(), v.Params("id"), body.PIN, by(v)); err != nil {
		return err
	}
	return d.apiStation(v)
}

func (d *dashboard) apiCancelPIN(v *web.Visit) error {
	if err := v.ReadJSON(&struct{}{}); err != nil {
		return err
	}
	if err := d.Station.CancelPIN(v.UserContext(), v.Params("id")); err != nil {
		return err
	}
	return d.apiStation(v)
}

func (d *dashboard) apiLeave(v *web.Visit) error {
	if err := v.ReadJSON(&struct{}{}); err != nil {
		return err
	}
	if err := d.Station.Leave(v.UserContext(), v.Params("id"), by(v)); err != nil {
		return err
	}
	return d.apiStation(v)
}

// texts speaks to one reader; unlike a Visit it may be kept.
type texts struct {
	say   func(key string, args map[string]string) string
	clock func(time.Time) string

	people bool // the reader may know who stands on labels
}

func textsOf(v *web.Visit) texts {
	return texts{say: v.Speaker(), clock: v.Clock(), people: seesPeople(v)}
}

// sentence writes the sentence of a code; args of the form "text:KEY" are texts themselves.
func (t texts) sentence(code string, args map[string]string) string {
	out := make(map[string]string, len(args))
	for k, a := range args {
		if key, ok := strings.CutPrefix(a, "text:"); ok {
			a = t.say(key, nil)
		}
		out[k] = a
	}
	return t.say(code, out)
}

func (t texts) scan(f Feedback) Scan {
	s := Scan{Feedback: f, Sentence: t.sentence(f.Code, f.Args), Clock: t.clock(f.Time)}
	if f.Location != "" {
		s.Bin = f.Location.Code()
	}
	return s
}

// printable shows a scan's bytes: control characters as their pictures.
func printable(raw []byte) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < ' ':
			return 0x2400 + r
		case r == 0x7f:
			return 0x2421
		}
		return r
	}, strings.ToValidUTF8(string(raw), "�"))
}

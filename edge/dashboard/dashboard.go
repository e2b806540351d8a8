// Package dashboard is what people see of a node: the station page that scans light up and
// the branch page with stock, movements, devices and the state of delivery; and the same
// for programs under /api/v1.
//
// It keeps nothing and decides nothing. What it shows and does goes through the small
// interfaces of Deps, which the program that wires a node together fulfils; package web
// brings sign-in, guards, layout and texts.
//
// # For programs
//
// All answers are JSON, errors are {"error":{"code","args","message","request"}}. Changes
// are POSTs with a JSON body and the header X-CSRF-Token, see package web.
//
//	GET  /api/v1/stations                        -> {"stations":[StationInfo]}
//	GET  /api/v1/stations/{id}                   -> StationState, "devices":[DeviceState], "trouble_text", "printing":PrintState
//	GET  /api/v1/stations/{id}/scans?after=N     -> {"scans":[Scan],"more":bool}; oldest first, numbers above N
//	POST /api/v1/stations/{id}/mode   {"mode":"receive"}          -> StationState
//	POST /api/v1/stations/{id}/scan   {"raw":"<base64>"}          -> Scan; "input" may say "keyboard" or "camera", see Input
//	POST /api/v1/stations/{id}/undo   {"movement":"sh-1.1.5"}     -> Scan; an empty movement is the station's last one
//	POST /api/v1/stations/{id}/pin    {"pin":"830274"}            -> StationState; for the badge that was scanned there within a minute
//	POST /api/v1/stations/{id}/pin/cancel  {}                     -> StationState
//	POST /api/v1/stations/{id}/leave  {}                          -> StationState; who works there by badge stops
//	POST /api/v1/stations/{id}/pass   {"scan":7,"reason":"..."}   -> Scan; only the last scan, refused for want of stock
//	GET  /api/v1/stock?q=&location=&limit=&after= -> {"rows":[StockRow],"as_of":AsOf,"next":""}
//	GET  /api/v1/movements?limit=&before=        -> {"movements":[MovementRow],"next":""}
//	GET  /api/v1/devices                         -> {"devices":[Device]}
//	POST /api/v1/devices/{name}/watch    {}      -> WatchView; for 5 s more its scans are shown and not booked
//	POST /api/v1/devices/{name}/unwatch  {}      -> {}
//	POST /api/v1/devices/{name}/command  {"command":"newland:aim-id"} -> {}; only while it is watched
//	GET  /api/v1/prints?limit=&before=           -> {"asking":[PrintJob],"open":[PrintJob],"jobs":[PrintJob],"next":0}; jobs are those that are over
//	GET  /api/v1/prints/{id}                     -> PrintJob
//	POST /api/v1/prints/{id}/printed  {}                          -> PrintJob; a person saw the label
//	POST /api/v1/prints/{id}/cancel   {}                          -> PrintJob
//	POST /api/v1/prints/{id}/again    {"reason":"..."}            -> PrintJob, the new one
//	GET  /api/v1/reprints                        -> {"reprints":[Reprint]}; those that wait
//	POST /api/v1/prints/{id}/ask      {"reason":"..."}            -> {"id":""} of the request
//	POST /api/v1/reprints/{id}/approve|refuse  {"hash":"","reason":""} -> {}; hash is that of Reprint
//	POST /api/v1/labels/preview  LabelOrder                       -> image/png; "X-Warnings" holds a JSON text
//	POST /api/v1/labels/print    LabelOrder                       -> {"labels":3}
//	GET  /api/v1/sync                            -> Sync
//	GET  /station/{id}/events                    -> server-sent events
//
// The event stream sends "event: scan" with a Scan as data and its number as id, so that a
// reader who comes back with Last-Event-ID misses none, and "event: state" with a State
// whenever mode, counts, devices or delivery have changed. A reader without Last-Event-ID
// gets the last eight scans first. A Scan is a Feedback with its sentence in the reader's
// language.
package dashboard

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"

	"stockade/internal/identity"
	"stockade/internal/raster"
	"stockade/internal/web"
)

//go:embed pages/*.html
var pages embed.FS

//go:embed assets
var assets embed.FS

// Station is what scanning places offer. Methods that do something return the feedback that
// the worker sees once it is committed; a refusal is feedback too, not an error. An error is
// for what has no place in a scan's feedback, such as a *web.Failure for an unknown mode.
// A station that does not exist gives web.NotFound.
type Station interface {
	Stations(ctx context.Context) ([]StationInfo, error)
	State(ctx context.Context, station string) (StationState, error)
	// Subscribe sends each feedback of the station after its commit until ctx ends, then
	// closes the channel. It must never wait for the reader: where the channel is full it
	// drops, and the reader finds what it missed through Recent. A feedback without a number says
	// that the station's Trouble has changed.
	Subscribe(ctx context.Context, station string) (<-chan Feedback, error)
	// Recent returns at most limit feedbacks with numbers above after, oldest first.
	Recent(ctx context.Context, station string, after int64, limit int) ([]Feedback, error)
	// Last returns the newest n feedbacks, oldest first.
	Last(ctx context.Context, station string, n int) ([]Feedback, error)
	// Refused returns today's refused scans, the newest first, equal ones counted together.
	Refused(ctx context.Context, station string, limit int) ([]RefusedScan, error)
	SetMode(ctx context.Context, station string, mode Mode, by By) error
	// Submit takes bytes from another input as if the station's own scanner had sent them.
	Submit(ctx context.Context, station string, in Input, raw []byte, by By) (Feedback, error)
	// Keyboard returns how a scanner that acts as a keyboard was set up at the station.
	Keyboard(station string) Keyboard
	// Undo reverses a movement of the station, its last accepted one when movement is empty.
	Undo(ctx context.Context, station, movement string, by By) (Feedback, error)
	// PIN takes the PIN of the badge that was scanned last; a *web.Failure says why it is refused.
	PIN(ctx context.Context, station, pin string, by By) error
	// CancelPIN waits for no PIN any more.
	CancelPIN(ctx context.Context, station string) error
	// Leave ends the work of who works at the station by badge; a *web.Failure for any browser but the one that gave the PIN.
	Leave(ctx context.Context, station string, by By) error
	// Owner returns who made a movement of the station, empty for one that is not the station's.
	Owner(ctx context.Context, station, movement string) (string, error)
	// ActsAs returns in whose name what that browser asks for is done.
	ActsAs(ctx context.Context, station string, by By) (string, error)
	// LetPass books the station's last scan, refused under that number, on a lead's word. A reason that
	// can not be kept gives a *web.Failure with status 422.
	LetPass(ctx context.Context, station string, number int64, reason string, by identity.Person) (Feedback, error)
	// Commands returns the command barcodes of the station in the order of the printed sheet.
	Commands(ctx context.Context, station string) ([]Command, error)
}

// Stock reads balances of the warehouse.
type Stock interface {
	Stock(ctx context.Context, q StockQuery) (StockPage, error)
}

// Movements reads the ledger, the newest first.
type Movements interface {
	Movements(ctx context.Context, q MovementQuery) (MovementPage, error)
}

// Delivery tells how the node stands with the hub.
type Delivery interface {
	Sync(ctx context.Context) (Sync, error)
}

// Devices tells what hangs on the serial ports.
type Devices interface {
	Devices(ctx context.Context) ([]Device, error)
	// Scanner returns a scanner and its configured profile; web.NotFound when it is none.
	Scanner(ctx context.Context, name string) (Device, string, error)
	// Watch returns what the scanner sent since the set-up page was opened. For a few seconds more its scans are not booked.
	Watch(ctx context.Context, name string) (Watching, error)
	// Unwatch lets scans be booked again soon, unless another page watches.
	Unwatch(ctx context.Context, name string) error
	// Command sends bytes to a watched scanner; ErrNotWatched or ErrAway.
	Command(ctx context.Context, name string, bytes []byte) error
}

// Deps are what the pages read and do. All are required but Open, Face and Version.
type Deps struct {
	Station   Station
	Stock     Stock
	Movements Movements
	Delivery  Delivery
	Devices   Devices
	Printing  Printing
	Labels    Labels

	// Open reports whether a station's page is shown without anybody signed in: because it may work so, with its acts
	// recorded as the station's, or because people sign in there by badge. Nil means none is.
	Open func(station string) bool
	// Face draws the text of PDF files; nil where no font was found.
	Face *raster.Typeface
	// Version is the program's, for what is printed.
	Version string
}

// By is who does something at a station, and in which browser: what is done there by badge and PIN is done in the one that the PIN came from.
type By struct {
	identity.Person
	Browser string // tells browsers apart; stays while the sign-in or the visit does
}

// by returns who asks.
func by(v *web.Visit) By {
	b := By{Person: v.Person, Browser: "session " + v.Person.Session}
	if v.Person.Session == "" { // the token of a visit is told nobody, and stands nowhere
		sum := sha256.Sum256([]byte("stockade browser\x00" + v.CSRF()))
		b.Browser = "visit " + hex.EncodeToString(sum[:])
	}
	return b
}

type dashboard struct{ Deps }

// Site returns the pages and the API of a node.
func Site(deps Deps) (web.Site, error) {
	d := &dashboard{deps}
	templates, err := fs.Sub(pages, "pages")
	if err != nil {
		return web.Site{}, err
	}
	files, err := fs.Sub(assets, "assets")
	if err != nil {
		return web.Site{}, err
	}
	for _, name := range []string{"dist/zxing_reader.js", "dist/zxing_reader.wasm"} { // made by internal/web/assets/build.mjs
		if _, err := fs.Stat(files, name); err != nil {
			return web.Site{}, fmt.Errorf("asset %s is missing: run \"make assets\" and build again", name)
		}
	}
	return web.Site{
		Routes:    slices.Concat(d.stationRoutes(), d.passRoutes(), d.setupRoutes(), d.branchRoutes(), d.printRoutes(), d.reprintRoutes(), d.labelRoutes()),
		Templates: templates,
		Assets:    files,
		Menu: []web.Link{
			{Path: "/", Text: "menu.overview", Permission: "stock.read"},
			{Path: "/stock", Text: "menu.stock", Permission: "stock.read"},
			{Path: "/movements", Text: "menu.movements", Permission: "movement.read"},
			{Path: "/stations", Text: "menu.stations", Permission: "station.read"},
			{Path: "/labels", Text: "menu.print_labels", Permission: "print.create"},
			{Path: "/printing", Text: "menu.printing", Permission: "print.read"},
		},
	}, nil
}

// guest lets an open station's screen work without a sign-in.
func (d *dashboard) guest(v *web.Visit) identity.Person {
	if id := v.Params("id"); d.Open != nil && d.Open(id) {
		return identity.Person{Station: id}
	}
	return identity.Person{}
}

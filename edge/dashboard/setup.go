package dashboard

import (
	"errors"
	"fmt"
	"html/template"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/scannersetup"
	"stockade/internal/symbol"
	"stockade/internal/web"
	"stockade/protocol/barcode"
)

// The set-up page of a scanner shows what the scanner sends and proposes its profile. While the page is open it
// renews a lease by POST; for that long the scanner's scans are shown and not booked.

func (d *dashboard) setupRoutes() []web.Route {
	return []web.Route{
		{Method: "GET", Path: "/devices/:name/setup", Permission: "device.setup", Handler: d.getSetup},
		{Method: "POST", Path: "/api/v1/devices/:name/watch", Permission: "device.setup", Handler: d.apiWatch},
		{Method: "POST", Path: "/api/v1/devices/:name/unwatch", Permission: "device.setup", Handler: d.apiUnwatch},
		{Method: "POST", Path: "/api/v1/devices/:name/command", Permission: "device.setup", Handler: d.apiCommand},
	}
}

// Errors of Devices. They are answered with a sentence that says what to do.
var (
	ErrNotWatched = errors.New("the scanner is not watched")
	ErrAway       = errors.New("the device is not there or takes nothing")
)

// Chunk is what one read of a scanner's port brought.
type Chunk struct {
	Number int64
	Time   time.Time
	Pause  time.Duration // silence before it
	Bytes  []byte
}

// WatchedScan is a scan that was shown and not booked.
type WatchedScan struct {
	Number int64
	Time   time.Time
	Scan   barcode.Scan
}

// Watching is what came from a scanner since its set-up page was opened, the oldest first.
type Watching struct {
	Device   Device
	Profile  string // as configured
	Chunks   []Chunk
	Scans    []WatchedScan
	Proposal barcode.Proposal
}

// WatchView is the answer to a page that watches, in the reader's language.
type WatchView struct {
	State      string          `json:"state"`
	Good       bool            `json:"good"`
	Error      string          `json:"error"`
	Heard      []HeardView     `json:"heard"`
	Scans      []ScanView      `json:"scans"`
	Findings   []string        `json:"findings"`
	Settings   string          `json:"settings"` // lines of the configuration
	Candidates []CandidateView `json:"candidates"`
	Advised    bool            `json:"advised"` // something should be switched on at the scanner
}

// HeardView is a chunk: control characters by name, other bytes that are no text in hexadecimal.
type HeardView struct {
	Number int64  `json:"number"`
	Clock  string `json:"clock"`
	Pause  int64  `json:"pause"` // milliseconds of silence before it
	Text   string `json:"text"`
}

// ScanView is a scan and what was understood.
type ScanView struct {
	Number int64  `json:"number"`
	Clock  string `json:"clock"`
	Raw    string `json:"raw"`
	Result string `json:"result"`
	Good   bool   `json:"good"`
}

// CandidateView is a vendor whose Code IDs would fit, for a person to confirm.
type CandidateView struct {
	Vendor   string `json:"vendor"`
	Settings string `json:"settings"`
}

type setupPage struct {
	Device   Device
	Profile  string
	Commands []commandView
	Manual   []string
	Texts    map[string]string
}

type commandView struct {
	ID, Text string
	Barcodes []barcodeView
}

type barcodeView struct {
	Content, Text string
	Picture       template.HTML
}

// deviceName is the name in the address; names may be Chinese.
func deviceName(v *web.Visit) string {
	name, err := url.PathUnescape(v.Params("name"))
	if err != nil {
		return ""
	}
	return strings.Clone(name)
}

func (d *dashboard) getSetup(v *web.Visit) error {
	device, profile, err := d.Devices.Scanner(v.UserContext(), deviceName(v))
	if err != nil {
		return err
	}
	page := setupPage{Device: device, Profile: profile, Texts: map[string]string{}}
	for _, key := range []string{"setup.silent", "setup.sent", "setup.lost", "setup.resting"} {
		page.Texts[key] = v.T(key, nil)
	}
	for _, c := range scannersetup.Commands() {
		view := commandView{ID: c.ID, Text: c.Text.In(string(v.Lang))}
		for _, b := range c.Barcodes() {
			bars, err := symbol.Make(symbol.Code128, b.Content)
			if err != nil {
				return err
			}
			view.Barcodes = append(view.Barcodes, barcodeView{Content: b.Content, Text: b.Text.In(string(v.Lang)), Picture: barsPicture(bars)})
		}
		page.Commands = append(page.Commands, view)
	}
	for _, t := range scannersetup.Manual() {
		page.Manual = append(page.Manual, t.In(string(v.Lang)))
	}
	return v.Page("setup", page)
}

func (d *dashboard) apiWatch(v *web.Visit) error {
	w, err := d.Devices.Watch(v.UserContext(), deviceName(v))
	if err != nil {
		return err
	}
	return v.JSON(watchView(textsOf(v), string(v.Lang), w))
}

func (d *dashboard) apiUnwatch(v *web.Visit) error {
	if err := d.Devices.Unwatch(v.UserContext(), deviceName(v)); err != nil {
		return err
	}
	return v.JSON(struct{}{})
}

// apiCommand sends a vendor's set-up command to the scanner, and only such a one.
func (d *dashboard) apiCommand(v *web.Visit) error {
	var body struct{ Command string }
	if err := v.ReadJSON(&body); err != nil {
		return err
	}
	c, ok := scannersetup.Find(body.Command)
	if !ok {
		return web.Fail(fiber.StatusUnprocessableEntity, "setup.unknown_command", "command", body.Command)
	}
	err := d.Devices.Command(v.UserContext(), deviceName(v), c.Bytes)
	switch {
	case errors.Is(err, ErrNotWatched):
		return web.Fail(fiber.StatusConflict, "setup.not_watched").Because(err)
	case errors.Is(err, ErrAway):
		return web.Fail(fiber.StatusConflict, "setup.away").Because(err)
	case err != nil:
		return err
	}
	return v.JSON(struct{}{})
}

func watchView(text texts, lang string, w Watching) WatchView {
	view := WatchView{State: text.say("device."+w.Device.Status, nil), Good: w.Device.Good(), Error: w.Device.errorText(text), Heard: []HeardView{}, Scans: []ScanView{}, Findings: []string{},
		Candidates: []CandidateView{}, Settings: w.Proposal.Settings("")}
	const last = 60
	for _, c := range w.Chunks[max(0, len(w.Chunks)-last):] {
		view.Heard = append(view.Heard, HeardView{Number: c.Number, Clock: text.clock(c.Time), Pause: c.Pause.Milliseconds(), Text: visible(c.Bytes)})
	}
	for _, s := range w.Scans[max(0, len(w.Scans)-last):] {
		view.Scans = append(view.Scans, ScanView{Number: s.Number, Clock: text.clock(s.Time), Raw: visible(s.Scan.Raw), Result: text.understood(s.Scan), Good: s.Scan.Error == ""})
	}
	for _, f := range w.Proposal.Findings {
		view.Findings = append(view.Findings, scannersetup.Say(f).In(lang))
		switch f.Code {
		case barcode.FoundNoAIM, barcode.FoundSomeAIM, barcode.FoundSilence, barcode.FoundMixed:
			view.Advised = true
		}
	}
	for _, vendor := range w.Proposal.CodeIDs {
		view.Candidates = append(view.Candidates, CandidateView{vendor, w.Proposal.Settings(vendor)})
	}
	return view
}

// understood says in one line what a scan means.
func (t texts) understood(s barcode.Scan) string {
	var parts []string
	add := func(name, value string) {
		if value != "" {
			parts = append(parts, strings.TrimSpace(name+" "+value))
		}
	}
	add("", s.Symbology)
	if s.Error != "" {
		add("", t.say("scan.unreadable_"+string(s.Error), nil))
		return strings.Join(parts, " · ")
	}
	add("GTIN", s.GTIN)
	add("SSCC", s.SSCC)
	add(t.say("station.lot", nil), s.Lot)
	add(t.say("station.serial", nil), s.Serial)
	add(t.say("station.expiry", nil), s.Expiry)
	add("", s.Trace)
	add("HIBC", s.HIBC)
	add("", s.URL)
	add("", s.Text)
	if s.Guess {
		add("", t.say("setup.guess", nil))
	}
	return strings.Join(parts, " · ")
}

// controls are the names of the control characters (ISO/IEC 646). Few fonts have their pictures.
var controls = strings.Fields("NUL SOH STX ETX EOT ENQ ACK BEL BS TAB LF VT FF CR SO SI DLE DC1 DC2 DC3 DC4 NAK SYN ETB CAN EM SUB ESC FS GS RS US")

// visible shows bytes as they came: text, control characters by name, and what is no text in hexadecimal.
func visible(b []byte) string {
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&out, "‹%02X›", b[0])
		case r < ' ':
			out.WriteString("‹" + controls[r] + "›")
		case r == 0x7F:
			out.WriteString("‹DEL›")
		default:
			out.WriteRune(r)
		}
		b = b[n:]
	}
	return out.String()
}

// errorText says what is wrong with a device, and what to do.
func (d Device) errorText(t texts) string {
	if d.Problem == "" {
		return ""
	}
	return t.say("device."+d.Problem, nil)
}

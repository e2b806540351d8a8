package dashboard

import (
	"context"
	"errors"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
	"stockade/internal/web"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// Printing is the print queue of the node. What has happened meanwhile is a *web.Failure with status 409; a job
// that does not exist is web.NotFound.
type Printing interface {
	// Prints returns the jobs that a person has to look after, newest first, and those that wait or are on their way, in order.
	Prints(ctx context.Context) (PrintQueue, error)
	// Printed returns jobs that are over, the newest first.
	Printed(ctx context.Context, before int64, limit int) (PrintPage, error)
	Print(ctx context.Context, id string) (PrintJob, error)
	// Picture returns the label as PNG.
	Picture(ctx context.Context, id string) ([]byte, error)
	// Settle notes that an unknown job was printed.
	Settle(ctx context.Context, id string, by identity.Person) error
	// Cancel takes a waiting job out, or notes that an unknown one is not needed.
	Cancel(ctx context.Context, id string, by identity.Person) error
	// Again queues a job once more, as a job of its own, and returns its id. An empty printer is the job's own; one that does not
	// exist is a *web.Failure with status 422.
	Again(ctx context.Context, id, printer, reason string, by identity.Person) (string, error)
	// Reprints returns what waits for an answer about printing a label again. AskAgain asks for it, AnswerReprint says yes or no to it as it was shown,
	// WithdrawReprint takes one's own back.
	Reprints(ctx context.Context, who identity.Person) ([]Reprint, error)
	AskAgain(ctx context.Context, job, reason string, by identity.Person) (string, error)
	AnswerReprint(ctx context.Context, id string, hash change.Hash, yes bool, why string, by identity.Person) error
	WithdrawReprint(ctx context.Context, id string, by identity.Person) error
	// Mark differs when anything in the queue has changed.
	Mark(ctx context.Context) (string, error)
}

// PrintJob is a label for a printer, see store.Print.
type PrintJob struct {
	ID       string            `json:"id"`
	Number   int64             `json:"number"` // for people; its first part
	Printer  string            `json:"printer"`
	Station  string            `json:"station"`
	Template string            `json:"template"`
	Title    string            `json:"title"`
	Movement string            `json:"movement,omitempty"`
	Repeats  string            `json:"repeats,omitempty"` // id of the job that this one prints again
	State    string            `json:"state"`             // "queued", "sending", "sent", "confirmed", "unknown" or "cancelled"
	Asks     bool              `json:"asks"`              // a person has to look after it
	Error    string            `json:"error,omitempty"`   // key of why
	Args     map[string]string `json:"args,omitempty"`
	Actor    string            `json:"actor"`
	Reason   string            `json:"reason,omitempty"`  // why it is printed again
	Settled  string            `json:"settled,omitempty"` // who said what became of it
	Picture  bool              `json:"picture"`           // there is one
	Personal bool              `json:"-"`                 // the label names a person: see veil
	Queued   time.Time         `json:"queued"`
	Begun    time.Time         `json:"begun,omitzero"`
	Ended    time.Time         `json:"ended,omitzero"`

	Sentence  string `json:"sentence,omitempty"` // of Error, in the reader's language
	RepeatsNo string `json:"-"`                  // number of Repeats
}

// Waits reports whether no byte of the job has left.
func (j PrintJob) Waits() bool { return j.State == "queued" }

// Open reports whether the job waits or is on its way.
func (j PrintJob) Open() bool { return j.Waits() || j.State == "sending" || j.State == "sent" }

// Unknown reports whether a person can say that it was printed.
func (j PrintJob) Unknown() bool { return j.Asks && j.State == "unknown" }

// Tag is the class of the state's tag.
func (j PrintJob) Tag() string {
	switch {
	case j.State == "confirmed":
		return "tag-good"
	case j.Asks:
		return "tag-bad"
	case j.State == "sending" || j.State == "sent":
		return "tag-note"
	}
	return ""
}

// PrintQueue is what is not over.
type PrintQueue struct {
	Asking []PrintJob `json:"asking"`
	Open   []PrintJob `json:"open"`
}

// PrintPage is a part of the history; Next asks for the following one, 0 at the end.
type PrintPage struct {
	Jobs []PrintJob `json:"jobs"`
	Next int64      `json:"next"`
}

// PrintState is what a station's page says of its labels.
type PrintState struct {
	Level string `json:"level"` // "" for nothing to say, "warn", or "bad": labels wait for a printer in trouble, or nobody knows of some
	Text  string `json:"text"`
	Asks  string `json:"asks"` // sentence about labels that a person has to look after
}

func (d *dashboard) printRoutes() []web.Route {
	route := func(method, path, permission string, h web.Handler) web.Route {
		return web.Route{Method: method, Path: path, Permission: permission, Handler: h}
	}
	return []web.Route{
		route("GET", "/printing", "print.read", d.getPrinting),
		route("GET", "/printing/:job", "print.read", d.getPrint),
		route("GET", "/printing/:job/picture", "print.read", d.getPicture),
		route("POST", "/printing/:job/printed", "print.decide", d.postPrint(func(v *web.Visit) error { return d.Printing.Settle(v.UserContext(), v.Params("job"), v.Person) })),
		route("POST", "/printing/:job/cancel", "print.decide", d.postPrint(func(v *web.Visit) error { return d.Printing.Cancel(v.UserContext(), v.Params("job"), v.Person) })),
		route("POST", "/printing/:job/again", "print.decide", d.postAgain),
		route("GET", "/api/v1/prints", "print.read", d.apiPrints),
		route("GET", "/api/v1/prints/:job", "print.read", d.apiPrint),
		route("POST", "/api/v1/prints/:job/printed", "print.decide", d.apiDecide(d.settle)),
		route("POST", "/api/v1/prints/:job/cancel", "print.decide", d.apiDecide(d.cancel)),
		route("POST", "/api/v1/prints/:job/again", "print.decide", d.apiDecide(d.again)),
	}
}

const printRows = 50 // of a page of history

type printingPage struct {
	PrintQueue
	History  PrintPage
	Reprints []Reprint
	Devices  []Device // printers in trouble
	Before   int64
}

func (d *dashboard) getPrinting(v *web.Visit) error {
	ctx, text := v.UserContext(), textsOf(v)
	before, err := strconv.ParseInt(v.Query("before", "0"), 10, 64)
	if err != nil || before < 0 { // made up: begin anew
		before = 0
	}
	page := printingPage{Before: before}
	if page.PrintQueue, err = d.Printing.Prints(ctx); err != nil {
		return err
	}
	if page.History, err = d.Printing.Printed(ctx, before, printRows); err != nil {
		return err
	}
	if page.Reprints, err = d.reprints(v); err != nil {
		return err
	}
	devices, err := d.Devices.Devices(ctx)
	if err != nil {
		return err
	}
	for _, dev := range devices {
		if dev.Kind == Printer && !dev.Good() {
			page.Devices = append(page.Devices, dev)
		}
	}
	text.jobs(page.Asking, page.Open, page.History.Jobs)
	return v.Page("printing", page)
}

// seesPeople reports whether the reader may know who stands on labels: whoever prints them has them in hand; others need the fields of
// shipments.
func seesPeople(v *web.Visit) bool {
	if v.Uses("print.create") {
		return true
	}
	f := v.List("shipment.read").Fields
	return f.Of(access.Name) >= access.Read && f.Of(access.Phone) >= access.Read && f.Of(access.Address) >= access.Read
}

// veil takes from a job what names a person: its picture, and its title but for the template.
func (j *PrintJob) veil() { j.Title, j.Picture = j.Template, false }

// jobs fills in what readers are told.
func (t texts) jobs(lists ...[]PrintJob) {
	for _, list := range lists {
		for i := range list {
			j := &list[i]
			if j.Personal && !t.people {
				j.veil()
			}
			if j.Error != "" {
				j.Sentence = t.sentence(j.Error, j.Args)
			}
		}
	}
}

// reprintReasons are offered to people in gloves; the chosen one is kept as its text.
var reprintReasons = []string{"printing.reason_lost", "printing.reason_damaged", "printing.reason_faint", "printing.reason_more"}

type printPage struct {
	Job      PrintJob
	Printers []Device
	Chosen   string   // printer
	Reasons  []string // keys
	Other    string   // as it was typed
	Problem  string
}

func (d *dashboard) getPrint(v *web.Visit) error { return d.showPrint(v, printPage{}) }

func (d *dashboard) showPrint(v *web.Visit, page printPage) error {
	job, err := d.Printing.Print(v.UserContext(), v.Params("job"))
	if err != nil {
		return err
	}
	list := []PrintJob{job}
	textsOf(v).jobs(list)
	page.Job, page.Reasons = list[0], reprintReasons
	if page.Chosen == "" {
		page.Chosen = job.Printer
	}
	if page.Printers, err = d.printers(v); err != nil {
		return err
	}
	return v.Page("print", page)
}

// printers returns the printers of the configuration.
func (d *dashboard) printers(v *web.Visit) (out []Device, err error) {
	devices, err := d.Devices.Devices(v.UserContext())
	for _, dev := range devices {
		if dev.Kind == Printer {
			out = append(out, dev)
		}
	}
	return out, err
}

func (d *dashboard) getPicture(v *web.Visit) error {
	job, err := d.Printing.Print(v.UserContext(), v.Params("job"))
	if err == nil && job.Personal && !seesPeople(v) {
		err = web.NotFound()
	}
	if err != nil {
		return err
	}
	png, err := d.Printing.Picture(v.UserContext(), v.Params("job"))
	if err != nil {
		return err
	}
	v.Set(fiber.HeaderContentType, "image/png")
	return v.Send(png)
}

// postPrint is a button on a page: afterwards the list shows how it is.
func (d *dashboard) postPrint(do func(*web.Visit) error) web.Handler {
	return func(v *web.Visit) error {
		if err := do(v); err != nil {
			return err
		}
		return v.See("/printing")
	}
}

func (d *dashboard) postAgain(v *web.Visit) error {
	reason := v.Form("other")
	if reason == "" {
		reason = v.Form("reason")
	}
	err := checkReason(reason)
	if err == nil {
		_, err = d.Printing.Again(v.UserContext(), v.Params("job"), v.Form("printer"), reason, v.Person)
	}
	if err != nil {
		return d.wrongReason(v, err)
	}
	return v.See("/printing")
}

// wrongReason shows the page again with what is wrong with what was typed.
func (d *dashboard) wrongReason(v *web.Visit, err error) error {
	var wrong *web.Failure
	if !errors.As(err, &wrong) || wrong.Status != fiber.StatusUnprocessableEntity {
		return err
	}
	v.Status(wrong.Status)
	return d.showPrint(v, printPage{Other: v.Form("other"), Chosen: v.Form("printer"), Problem: v.T(wrong.Key, wrong.Args)})
}

// maxReason limits the reason of a reprint, in bytes.
const maxReason = 200

func checkReason(reason string) error {
	if reason == "" || len(reason) > maxReason || !utf8.ValidString(reason) {
		return web.Fail(fiber.StatusUnprocessableEntity, "printing.reason_wanted")
	}
	return nil
}

func (d *dashboard) apiPrints(v *web.Visit) error {
	before, err := strconv.ParseInt(v.Query("before", "0"), 10, 64)
	if err != nil || before < 0 {
		return web.Fail(fiber.StatusBadRequest, "error.bad_request").Because(err)
	}
	queue, err := d.Printing.Prints(v.UserContext())
	if err != nil {
		return err
	}
	page, err := d.Printing.Printed(v.UserContext(), before, apiLimit(v))
	if err != nil {
		return err
	}
	textsOf(v).jobs(queue.Asking, queue.Open, page.Jobs)
	return v.JSON(struct {
		PrintQueue
		PrintPage
	}{queue, page})
}

func (d *dashboard) apiPrint(v *web.Visit) error { return d.sendPrint(v, v.Params("job")) }

func (d *dashboard) sendPrint(v *web.Visit, id string) error {
	job, err := d.Printing.Print(v.UserContext(), id)
	if err != nil {
		return err
	}
	list := []PrintJob{job}
	textsOf(v).jobs(list)
	return v.JSON(list[0])
}

// decision is what an API call says about a job. Printer is for another one than the job's.
type decision struct{ Reason, Printer string }

// apiDecide answers with the job as it then is: the new one where there is one.
func (d *dashboard) apiDecide(do func(v *web.Visit, how decision) (id string, err error)) web.Handler {
	return func(v *web.Visit) error {
		var body decision
		if err := v.ReadJSON(&body); err != nil {
			return err
		}
		id, err := do(v, body)
		if err != nil {
			return err
		}
		return d.sendPrint(v, id)
	}
}

func (d *dashboard) settle(v *web.Visit, _ decision) (string, error) {
	return v.Params("job"), d.Printing.Settle(v.UserContext(), v.Params("job"), v.Person)
}

func (d *dashboard) cancel(v *web.Visit, _ decision) (string, error) {
	return v.Params("job"), d.Printing.Cancel(v.UserContext(), v.Params("job"), v.Person)
}

func (d *dashboard) again(v *web.Visit, how decision) (string, error) {
	if err := checkReason(how.Reason); err != nil {
		return "", err
	}
	return d.Printing.Again(v.UserContext(), v.Params("job"), how.Printer, how.Reason, v.Person)
}

// printState says what a worker has to know about the labels of a station's printer.
func (t texts) printState(dev Device) PrintState {
	var s PrintState
	count := map[string]string{"printer": dev.Name, "trouble": t.say("device."+dev.Status, nil), "count": web.Group(strconv.Itoa(dev.Queue))}
	switch {
	case dev.Good():
	case dev.Queue > 0:
		s.Level, s.Text = "bad", t.say("printing.bar_waiting", count)
	default:
		s.Level, s.Text = "warn", t.say("printing.bar_trouble", count)
	}
	if dev.Unknown > 0 {
		s.Level, s.Asks = "bad", t.say("printing.bar_asks", map[string]string{"count": web.Group(strconv.Itoa(dev.Unknown))})
	}
	return s
}

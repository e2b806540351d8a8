package store

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// PrintState is how far a print job has come. A state is committed before the act that it announces.
type PrintState string

// The states.
const (
	PrintQueued    PrintState = "queued"    // no byte of it has left; it goes on by itself
	PrintSending   PrintState = "sending"   // bytes may have left
	PrintSent      PrintState = "sent"      // all bytes were handed to the port
	PrintConfirmed PrintState = "confirmed" // the printer, or a person, says that it was printed
	PrintUnknown   PrintState = "unknown"   // nobody knows whether it was printed: never sent again by itself
	PrintCancelled PrintState = "cancelled" // it was not printed, and will not be
)

// Limits of the queue.
const (
	MaxPrints    = 1000    // jobs that wait for one printer
	MaxPrintData = 4 << 20 // bytes of one job
	keptData     = 2000    // newest jobs whose bytes are kept, at most
	keptRows     = 20_000  // newest jobs that are kept, at most
	keepData     = 30 * 24 * time.Hour
	keepRows     = 90 * 24 * time.Hour
	pruneAtOnce  = 500 // jobs of one transaction
)

// Errors of the print queue.
var (
	ErrPrintQueueFull = fmt.Errorf("%d labels wait for this printer", MaxPrints)
	ErrPrintState     = errors.New("the print job is no longer in the state that this needs")
	ErrPrintData      = errors.New("the bytes of the print job are no longer kept")
	ErrPrintTooLong   = fmt.Errorf("a print job has at most %d bytes", MaxPrintData)
)

// NewPrint is a job to be queued. It has Data, or Content of which RenderPrint is given the data later.
type NewPrint struct {
	Printer  string
	Station  string
	Template string
	Title    string // for people
	Movement stock.ID
	Actor    string
	Content  []byte
	Data     []byte // in the printer's language
	Picture  []byte // PNG of the label
	Mark     string // random, see Print.ID; made when empty
}

// Print is a print job.
type Print struct {
	ID       string // NUMBER-MARK; the number is for people, both together are the job's name in the world
	Printer  string
	Station  string
	Template string
	Title    string
	Content  []byte
	Movement string
	Repeats  string // the job that this one prints again; empty for none
	State    PrintState
	Asks     bool              // a person has to look after it
	Error    string            // key of a text; empty for none
	Args     map[string]string // of that text
	Actor    string
	Reason   string // why it is printed again
	Settled  string // who said what became of it; empty for the printer
	Queued   time.Time
	Begun    time.Time // of sending; zero for never
	Ended    time.Time // zero for not yet
	Picture  bool      // there is one, see PrintPicture

	number int64
}

// Number returns the job's number: people read it out, and jobs are printed in its order.
func (p Print) Number() int64 { return p.number }

// QueuePrint adds a job. ErrPrintQueueFull is for a printer that has too many: the job is then not queued.
func (tx *Tx) QueuePrint(n NewPrint, now time.Time) (string, error) {
	waiting, err := tx.waitingPrints(n.Printer)
	if err != nil {
		return "", err
	}
	if waiting >= MaxPrints {
		return "", fmt.Errorf("print on %s: %w", n.Printer, ErrPrintQueueFull)
	}
	return tx.insertPrint(n, Print{State: PrintQueued}, now)
}

// DropPrint keeps a job that could not be queued, for a person to see: error and args say why.
func (tx *Tx) DropPrint(n NewPrint, now time.Time, key string, args map[string]string) (string, error) {
	return tx.insertPrint(n, Print{State: PrintCancelled, Asks: true, Error: key, Args: args, Ended: now}, now)
}

// MarkedPrint reports whether a job with that mark was queued since then.
func (tx *Tx) MarkedPrint(mark string, since time.Time) (found bool, err error) {
	err = tx.tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM print_job WHERE mark = ?1 AND queued >= ?2)`, mark, since.UnixMilli()).Scan(&found)
	return found, err
}

func (tx *Tx) waitingPrints(printer string) (n int, err error) {
	err = tx.tx.QueryRow(`SELECT count(*) FROM print_job WHERE printer = ?1 AND state IN ('queued', 'sending', 'sent')`, printer).Scan(&n)
	return n, err
}

func (tx *Tx) insertPrint(n NewPrint, p Print, now time.Time) (string, error) {
	if len(n.Data) > MaxPrintData {
		return "", fmt.Errorf("print %q: %w", n.Title, ErrPrintTooLong)
	}
	args, err := json.Marshal(p.Args)
	if err != nil {
		return "", err
	}
	repeats := int64(0)
	if p.Repeats != "" {
		if repeats, _, err = printNumber(p.Repeats); err != nil {
			return "", err
		}
	}
	movement := ""
	if !n.Movement.IsZero() {
		movement = n.Movement.String()
	}
	mark := n.Mark
	if mark == "" {
		mark = strings.ToLower(rand.Text()[:10])
	}
	r, err := tx.tx.Exec(`INSERT INTO print_job (mark, printer, station, template, title, content, movement, repeats, state, asks, error, args, actor, reason, settled, queued, begun, ended)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, '', ?15, 0, ?16)`, mark, n.Printer, n.Station, n.Template, n.Title, notNil(n.Content), movement, repeats,
		string(p.State), p.Asks, p.Error, string(args), n.Actor, p.Reason, now.UnixMilli(), milli(p.Ended))
	if err != nil {
		return "", fmt.Errorf("store print job: %w", err)
	}
	tx.print = true
	if len(n.Data) > 0 {
		if err := tx.putPrintData(r.LastInsertID, n.Data, n.Picture); err != nil {
			return "", err
		}
	}
	return printID(r.LastInsertID, mark), nil
}

func (tx *Tx) putPrintData(number int64, data, picture []byte) error {
	return tx.exec("print data", `INSERT INTO print_data (job, bytes, picture) VALUES (?1, ?2, ?3)`, number, data, notNil(picture))
}

// madeFor is the argument of a queued job that names the settings of the printer that its bytes were made for. The next state
// of the job takes it away.
const madeFor = "made_for"

// RenderPrint gives a queued job its bytes, once; settings are those of the printer that they were made for, see RemakePrints. A
// job that has them already, or is no longer queued, gives ErrPrintState.
func (tx *Tx) RenderPrint(id, settings string, data, picture []byte) error {
	p, err := tx.Print(id)
	if err != nil {
		return err
	}
	if len(data) == 0 || len(data) > MaxPrintData {
		return fmt.Errorf("print job %s: %d bytes: %w", id, len(data), ErrPrintTooLong)
	}
	_, has, err := tx.idOf(`SELECT job FROM print_data WHERE job = ?1`, p.number)
	if err != nil {
		return err
	}
	if has || p.State != PrintQueued {
		return fmt.Errorf("print job %s: %w", id, ErrPrintState)
	}
	args, err := json.Marshal(map[string]string{madeFor: settings})
	if err != nil {
		return err
	}
	if err := tx.exec("print job", `UPDATE print_job SET args = ?2 WHERE id = ?1`, p.number, string(args)); err != nil {
		return err
	}
	return tx.putPrintData(p.number, data, picture)
}

// RemakePrints takes the bytes of a printer's queued jobs away that were made for other settings of it: a printer that gets
// another language may swallow them and say that all is well. They are made anew. Jobs that came with their bytes keep them.
func (tx *Tx) RemakePrints(printer, settings string) error {
	jobs, err := tx.prints(`WHERE j.printer = ?1 AND j.state IN ('queued', 'sending', 'sent') AND j.state = 'queued' AND length(j.content) > 0`, printer)
	if err != nil {
		return err
	}
	for _, p := range jobs {
		if p.Args[madeFor] == settings {
			continue
		}
		if err := tx.exec("print data", `DELETE FROM print_data WHERE job = ?1`, p.number); err != nil {
			return err
		}
	}
	return nil
}

// StrandPrints takes the queued jobs out whose printer is none of those that there are: nobody would ever print them. key says
// so in a text with the printer's name.
func (tx *Tx) StrandPrints(printers []string, now time.Time, key string) error {
	jobs, err := tx.prints(`WHERE j.state IN ('queued', 'sending', 'sent') AND j.state = 'queued' ORDER BY j.id`)
	if err != nil {
		return err
	}
	for _, p := range jobs {
		if slices.Contains(printers, p.Printer) {
			continue
		}
		if err := tx.RefusePrint(p.ID, now, key, map[string]string{"printer": p.Printer}); err != nil {
			return err
		}
	}
	return nil
}

// UnrenderedPrints returns the oldest queued jobs that have no bytes yet.
func (tx *Tx) UnrenderedPrints(limit int) ([]Print, error) {
	return tx.prints(`WHERE j.state IN ('queued', 'sending', 'sent') AND j.state = 'queued' AND NOT EXISTS (SELECT 1 FROM print_data d WHERE d.job = j.id) ORDER BY j.id LIMIT ?1`, int64(limit))
}

// NextPrint returns the job that a printer has to print next, with its bytes; ok is false when there is none.
// One that waits for its bytes holds those behind it: labels come in the order of the goods.
func (tx *Tx) NextPrint(printer string) (p Print, data []byte, ok bool, err error) {
	found, err := tx.prints(nextPrint, printer)
	if err != nil || len(found) == 0 {
		return Print{}, nil, false, err
	}
	data, err = tx.PrintData(found[0].ID)
	if errors.Is(err, ErrPrintData) {
		return Print{}, nil, false, nil
	}
	return found[0], data, err == nil, err
}

const nextPrint = `WHERE j.printer = ?1 AND j.state IN ('queued', 'sending', 'sent') AND j.state = 'queued' ORDER BY j.id LIMIT 1`

// PrintData returns the bytes of a job.
func (tx *Tx) PrintData(id string) ([]byte, error) { return tx.printBlob(id, "bytes") }

// PrintPicture returns the PNG of a job's label, ErrPrintData when it has none (any more).
func (tx *Tx) PrintPicture(id string) ([]byte, error) { return tx.printBlob(id, "picture") }

func (tx *Tx) printBlob(id, column string) ([]byte, error) {
	p, err := tx.Print(id)
	if err != nil {
		return nil, err
	}
	var b []byte
	err = tx.tx.QueryRow(`SELECT `+column+` FROM print_data WHERE job = ?1`, p.number).Scan(&b)
	if errors.Is(err, vault.ErrNoRows) || err == nil && len(b) == 0 {
		err = fmt.Errorf("print job %s: %w", id, ErrPrintData)
	}
	return b, err
}

// BeginPrint announces that a queued job is being sent.
func (tx *Tx) BeginPrint(id string, now time.Time) error {
	return tx.movePrint(id, now, Print{State: PrintSending}, PrintQueued)
}

// SentPrint notes that all bytes of a job were handed to the port.
func (tx *Tx) SentPrint(id string, now time.Time) error {
	return tx.movePrint(id, now, Print{State: PrintSent}, PrintSending)
}

// ConfirmPrint notes that the printer says it has printed the job.
func (tx *Tx) ConfirmPrint(id string, now time.Time) error {
	return tx.movePrint(id, now, Print{State: PrintConfirmed}, PrintSending, PrintSent)
}

// DoubtPrint notes that nobody knows whether a job that was begun was printed; key says why.
func (tx *Tx) DoubtPrint(id string, now time.Time, key string) error {
	return tx.movePrint(id, now, Print{State: PrintUnknown, Asks: true, Error: key}, PrintSending, PrintSent)
}

// RefusePrint takes a queued job out that can not be printed at all; key and args say why.
func (tx *Tx) RefusePrint(id string, now time.Time, key string, args map[string]string) error {
	return tx.movePrint(id, now, Print{State: PrintCancelled, Asks: true, Error: key, Args: args}, PrintQueued)
}

// CancelPrint takes a queued job out on a person's word, or notes that a label that a person had to look after
// is not needed.
func (tx *Tx) CancelPrint(id string, now time.Time, actor string) error {
	p, err := tx.Print(id)
	if err != nil {
		return err
	}
	if p.State == PrintCancelled && !p.Asks {
		return fmt.Errorf("print job %s: %w", id, ErrPrintState)
	}
	return tx.movePrint(id, now, Print{State: PrintCancelled, Settled: actor, Error: p.Error, Args: p.Args}, PrintQueued, PrintUnknown, PrintCancelled)
}

// SettlePrint notes a person's word that an unknown job was printed.
func (tx *Tx) SettlePrint(id string, now time.Time, actor string) error {
	return tx.movePrint(id, now, Print{State: PrintConfirmed, Settled: actor}, PrintUnknown)
}

// RepeatPrint queues a job once more, as a job of its own, on a person's word. The job itself is then
// looked after. One that waits or is on its way can not be repeated, nor one that waits to be repeated already:
// a button that was pressed twice. An empty printer is the job's own; for another one the label has to be made anew, which
// ErrPrintData says is not possible.
func (tx *Tx) RepeatPrint(id, printer string, now time.Time, actor, reason string) (string, error) {
	p, err := tx.Print(id)
	if err != nil {
		return "", err
	}
	var twice bool
	if err := tx.tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM print_job WHERE state IN ('queued', 'sending', 'sent') AND repeats = ?1)`, p.number).Scan(&twice); err != nil {
		return "", err
	}
	if twice || p.Open() {
		return "", fmt.Errorf("print job %s: %w", id, ErrPrintState)
	}
	if printer == "" {
		printer = p.Printer
	}
	if printer != p.Printer && len(p.Content) == 0 {
		return "", fmt.Errorf("print job %s on %s: %w", id, printer, ErrPrintData)
	}
	n := NewPrint{Printer: printer, Station: p.Station, Template: p.Template, Title: p.Title, Actor: actor, Content: p.Content}
	if n.Movement, err = stock.ParseID(p.Movement); err != nil {
		n.Movement = stock.ID{}
	}
	if len(n.Content) == 0 { // else made again, for the printer as it is now
		if n.Data, err = tx.PrintData(id); err != nil {
			return "", err
		}
		if n.Picture, err = tx.PrintPicture(id); err != nil && !errors.Is(err, ErrPrintData) {
			return "", err
		}
	}
	waiting, err := tx.waitingPrints(printer)
	if err != nil {
		return "", err
	}
	if waiting >= MaxPrints {
		return "", fmt.Errorf("print on %s: %w", printer, ErrPrintQueueFull)
	}
	again, err := tx.insertPrint(n, Print{State: PrintQueued, Repeats: id, Reason: reason}, now)
	if err != nil || !p.Asks {
		return again, err
	}
	return again, tx.exec("print job", `UPDATE print_job SET asks = 0, settled = ?2 WHERE id = ?1`, p.number, actor)
}

// InterruptPrints makes unknown what was on its way when the program ended: it may have been printed.
func (tx *Tx) InterruptPrints(now time.Time) error {
	return tx.exec("print jobs", `UPDATE print_job SET state = 'unknown', asks = 1, error = ?1, ended = ?2 WHERE state IN ('queued', 'sending', 'sent') AND state <> 'queued'`, PrintInterrupted, now.UnixMilli())
}

// PrintInterrupted is the text of a job that was on its way when the program ended.
const PrintInterrupted = "printing.interrupted"

// movePrint brings a job from one of the states into another. A job that is in none of them gives ErrPrintState.
func (tx *Tx) movePrint(id string, now time.Time, to Print, from ...PrintState) error {
	p, err := tx.Print(id)
	if err != nil {
		return err
	}
	fits := false
	for _, s := range from {
		fits = fits || p.State == s
	}
	if !fits {
		return fmt.Errorf("print job %s is %s, not to be made %s: %w", id, p.State, to.State, ErrPrintState)
	}
	args, err := json.Marshal(to.Args)
	if err != nil {
		return err
	}
	begun, ended := milli(p.Begun), int64(0)
	if to.State == PrintSending {
		begun = max(1, now.UnixMilli())
	}
	if !to.Open() {
		ended = now.UnixMilli()
	}
	if to.Settled == "" {
		to.Settled = p.Settled
	}
	return tx.exec("print job", `UPDATE print_job SET state = ?2, asks = ?3, error = ?4, args = ?5, settled = ?6, begun = ?7, ended = ?8 WHERE id = ?1`,
		p.number, string(to.State), to.Asks, to.Error, string(args), to.Settled, begun, ended)
}

// Open reports whether the job waits or is on its way.
func (p Print) Open() bool {
	return p.State == PrintQueued || p.State == PrintSending || p.State == PrintSent
}

// TornPrint returns how many bytes the printer's last job has if the printer never said that it was
// through with it: it may still wait for the rest of a job that was cut. 0 for none.
func (tx *Tx) TornPrint(printer string) (int, error) {
	var state, settled string
	var size int
	err := tx.tx.QueryRow(`SELECT j.state, j.settled, coalesce((SELECT length(bytes) FROM print_data WHERE job = j.id), 0) FROM print_job j WHERE j.printer = ?1 AND j.begun > 0 ORDER BY j.id DESC LIMIT 1`,
		printer).Scan(&state, &settled, &size)
	if errors.Is(err, vault.ErrNoRows) || err == nil && PrintState(state) == PrintConfirmed && settled == "" {
		return 0, nil
	}
	return size, err
}

// Print returns a job.
func (tx *Tx) Print(id string) (Print, error) {
	number, mark, err := printNumber(id)
	if err != nil {
		return Print{}, err
	}
	found, err := tx.prints(`WHERE j.id = ?1 AND j.mark = ?2`, number, mark)
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("print job %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return Print{}, err
	}
	return found[0], nil
}

// AskingPrints returns the jobs that a person has to look after, newest first.
func (tx *Tx) AskingPrints(limit int) ([]Print, error) {
	return tx.prints(`WHERE j.asks = 1 ORDER BY j.id DESC LIMIT ?1`, int64(limit))
}

// OpenPrints returns the jobs that wait or are on their way, in the order in which they are printed.
func (tx *Tx) OpenPrints(limit int) ([]Print, error) {
	return tx.prints(`WHERE j.state IN ('queued', 'sending', 'sent') ORDER BY j.id LIMIT ?1`, int64(limit))
}

// EndedPrints returns jobs that are over with numbers below before, newest first; 0 begins with the newest.
func (tx *Tx) EndedPrints(before int64, limit int) ([]Print, error) {
	if before == 0 {
		before = math.MaxInt64
	}
	return tx.prints(`WHERE j.id < ?1 AND j.ended > 0 ORDER BY j.id DESC LIMIT ?2`, before, int64(limit))
}

// Prints returns the newest jobs, newest first.
func (tx *Tx) Prints(limit int) ([]Print, error) {
	return tx.prints(`ORDER BY j.id DESC LIMIT ?1`, int64(limit))
}

const printColumns = `SELECT j.id, j.mark, j.printer, j.station, j.template, j.title, j.content, j.movement, j.state, j.asks, j.error, j.args, j.actor, j.reason, j.settled,
	j.queued, j.begun, j.ended, j.repeats, coalesce((SELECT r.mark FROM print_job r WHERE r.id = j.repeats), ''),
	EXISTS (SELECT 1 FROM print_data d WHERE d.job = j.id AND length(d.picture) > 0) FROM print_job j `

func (tx *Tx) prints(which string, args ...any) ([]Print, error) {
	var out []Print
	err := tx.each(func(r *vault.Rows) error {
		var p Print
		var mark, texts, repeated string
		var queued, begun, ended, repeats int64
		if err := r.Scan(&p.number, &mark, &p.Printer, &p.Station, &p.Template, &p.Title, &p.Content, &p.Movement, &p.State, &p.Asks, &p.Error, &texts, &p.Actor, &p.Reason, &p.Settled,
			&queued, &begun, &ended, &repeats, &repeated, &p.Picture); err != nil {
			return err
		}
		p.ID, p.Queued, p.Begun, p.Ended = printID(p.number, mark), time.UnixMilli(queued), timeOf(begun), timeOf(ended)
		if repeats > 0 {
			p.Repeats = printID(repeats, repeated)
		}
		out = append(out, p)
		return json.Unmarshal([]byte(texts), &out[len(out)-1].Args)
	}, printColumns+which, args...)
	return out, err
}

// PrintCount tells how a printer's queue stands.
type PrintCount struct {
	Waiting int // jobs that wait or are on their way
	Asking  int // jobs that a person has to look after
}

// PrintCounts returns how the queue of every printer that has one stands, and a mark that differs when
// anything in it has changed.
func (tx *Tx) PrintCounts() (map[string]PrintCount, string, error) {
	out := map[string]PrintCount{}
	var mark strings.Builder
	count := func(asking bool) func(*vault.Rows) error {
		return func(r *vault.Rows) error {
			var printer, state string
			var n int
			var last int64
			if err := r.Scan(&printer, &state, &n, &last); err != nil {
				return err
			}
			c := out[printer]
			if asking {
				c.Asking += n
			} else {
				c.Waiting += n
			}
			out[printer] = c
			fmt.Fprintf(&mark, "%s/%s/%d/%d;", printer, state, n, last)
			return nil
		}
	}
	if err := tx.each(count(false), `SELECT printer, state, count(*), max(id) FROM print_job WHERE state IN ('queued', 'sending', 'sent') GROUP BY printer, state`); err != nil {
		return nil, "", err
	}
	if err := tx.each(count(true), `SELECT printer, 'asks', count(*), max(id) FROM print_job WHERE asks = 1 GROUP BY printer`); err != nil {
		return nil, "", err
	}
	var newest int64
	err := tx.tx.QueryRow(`SELECT coalesce(max(id), 0) FROM print_job`).Scan(&newest)
	return out, mark.String() + strconv.FormatInt(newest, 10), err
}

// PrunablePrints returns jobs whose bytes, and jobs whose rows need not be kept any longer, a few at once. Those that a person
// has to look after do not grow old: a clock that runs ahead must not take them away. Only their number is limited.
func (tx *Tx) PrunablePrints(now time.Time) (data, rows []int64, err error) {
	find := func(to *[]int64, query string, args ...any) {
		if err == nil {
			err = tx.each(func(r *vault.Rows) error {
				var n int64
				err := r.Scan(&n)
				*to = append(*to, n)
				return err
			}, query, args...)
		}
	}
	find(&data, `SELECT d.job FROM print_data d JOIN print_job j ON j.id = d.job WHERE j.ended > 0 AND (j.ended < ?1 AND j.asks = 0 OR j.id <= (SELECT max(id) FROM print_job) - ?2) ORDER BY d.job LIMIT ?3`,
		now.Add(-keepData).UnixMilli(), int64(keptData), int64(pruneAtOnce))
	find(&rows, `SELECT id FROM print_job WHERE ended > 0 AND (ended < ?1 AND asks = 0 OR id <= (SELECT max(id) FROM print_job) - ?2) ORDER BY id LIMIT ?3`,
		now.Add(-keepRows).UnixMilli(), int64(keptRows), int64(pruneAtOnce))
	return data, rows, err
}

// PrunePrints removes what PrunablePrints has found. A job that is open is never removed, and neither is
// the newest job: its number must not be given again.
func (tx *Tx) PrunePrints(data, rows []int64) error {
	for _, n := range data {
		if err := tx.exec("print data", `DELETE FROM print_data WHERE job = ?1 AND EXISTS (SELECT 1 FROM print_job WHERE id = ?1 AND ended > 0)`, n); err != nil {
			return err
		}
	}
	for _, n := range rows {
		if err := tx.exec("print job", `DELETE FROM print_job WHERE id = ?1 AND ended > 0 AND id < (SELECT max(id) FROM print_job)`, n); err != nil {
			return err
		}
		if err := tx.exec("print data", `DELETE FROM print_data WHERE job = ?1 AND NOT EXISTS (SELECT 1 FROM print_job WHERE id = ?1)`, n); err != nil {
			return err
		}
	}
	return nil
}

func printID(number int64, mark string) string { return fmt.Sprintf("%d-%s", number, mark) }

// printNumber reads an id. One that was made up gives ErrNotFound.
func printNumber(id string) (int64, string, error) {
	n, mark, _ := strings.Cut(id, "-")
	number, err := strconv.ParseInt(n, 10, 63)
	if err != nil || number < 1 || len(id) > 64 {
		return 0, "", fmt.Errorf("print job %.64q: %w", id, ErrNotFound)
	}
	return number, mark, nil
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func timeOf(milli int64) time.Time {
	if milli == 0 {
		return time.Time{}
	}
	return time.UnixMilli(milli)
}

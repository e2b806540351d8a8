package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/creack/pty"

	"stockade/edge/device"
	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/internal/identity"
	"stockade/internal/preview"
	"stockade/internal/web"
	"stockade/protocol/barcode"
	"stockade/protocol/clock"
	"stockade/protocol/feed"
	"stockade/protocol/stock"
)

const teaGTIN = "06901234567892"

// printBench is a node with a station and a printer, without pages and without a line to the hub.
type printBench struct {
	t   *testing.T
	dir string
	n   *node
}

func newPrintBench(t *testing.T, settings string) *printBench {
	t.Helper()
	b := &printBench{t: t, dir: t.TempDir()}
	s := storetest.Enrolled(t, b.dir, "sh-1")
	storetest.Feed(t, s, feed.Catalogue, storetest.Item("TEA", teaGTIN))
	b.start(s, "zebra", settings)
	return b
}

func (b *printBench) start(s *store.Store, printer, settings string) {
	b.t.Helper()
	c, err := loadConfig(writeConfig(b.t, b.t.TempDir(), folders+"[[devices]]\nname = \""+printer+"\"\nkind = \"printer\"\npath = \"/nowhere/port\"\n"+settings+
		"[[stations]]\nname = \"dock\"\nprinter = \""+printer+"\"\nrepeat = \"0s\"\n"))
	if err != nil {
		b.t.Fatal(err)
	}
	b.n = &node{config: c, log: slog.New(slog.DiscardHandler), store: s, printers: map[string]*device.Printer{}, enrolment: storetest.Enrolment("sh-1"), clock: clock.New(time.Now, 0), previews: preview.New(nil, 1)}
	b.n.enrolment.Trust.Warehouse = storetest.Warehouse
	q := b.n.newPrintQueue(printer)
	b.n.queues = append(b.n.queues, q)
	if err := errors.Join(b.n.interrupted(b.t.Context()), b.n.addStation(c.Stations[0])); err != nil {
		b.t.Fatal(err)
	}
}

// cut takes the power away: what is on the disk now is all that is left.
func (b *printBench) cut() {
	b.t.Helper()
	dir := b.t.TempDir()
	for _, name := range []string{"edge.db", "edge.db-wal"} {
		data, err := os.ReadFile(filepath.Join(b.dir, name))
		if err != nil {
			b.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
	b.dir = dir
	b.start(storetest.Open(b.t, dir), "zebra", "")
}

// restart begins anew with another configuration of the printer.
func (b *printBench) restart(printer, settings string) {
	b.t.Helper()
	b.start(b.n.store, printer, settings)
}

func (b *printBench) scan(raw string) station.Feedback {
	b.t.Helper()
	scans := barcode.Decode(barcode.Profile{}, []byte(raw), time.Now())
	f, err := b.n.stations[0].Handle(b.t.Context(), scans[0], station.Worker{})
	if err != nil {
		b.t.Fatal(err)
	}
	return f
}

func (b *printBench) jobs() (asking, open, ended []store.Print) {
	b.t.Helper()
	storetest.View(b.t, b.n.store, func(tx *store.Tx) (err error) {
		var errs [3]error
		asking, errs[0] = tx.AskingPrints(2000)
		open, errs[1] = tx.OpenPrints(2000)
		ended, errs[2] = tx.EndedPrints(0, 2000)
		return errors.Join(errs[:]...)
	})
	return asking, open, ended
}

func (b *printBench) render() {
	b.t.Helper()
	if err := b.n.renderQueued(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

const lotScan = "]C101" + teaGTIN + "17351231" + "10L1\x1d3012"

// TestLabelIsQueuedWithItsReceipt: whenever the power goes, a receipt that is booked has its label, once.
func TestLabelIsQueuedWithItsReceipt(t *testing.T) {
	b := newPrintBench(t, "")
	f := b.scan(lotScan)
	b.cut() // before anything was made of it
	_, open, _ := b.jobs()
	if len(open) != 1 || open[0].Movement != f.Movement || open[0].Title != "商品TEA · 12 个 · L1" || open[0].Actor != "station/dock" || open[0].Template != "lot" {
		t.Fatalf("after the receipt and a power cut: %+v", open)
	}
	q := b.n.queues[0]
	if j, err := q.Next(t.Context()); j != nil || err != nil {
		t.Errorf("a label that was not made yet is offered: %v, %v", j, err)
	}
	b.render()
	b.cut()
	b.render()
	q = b.n.queues[0]
	j, err := q.Next(t.Context())
	if err != nil || j == nil || !strings.HasPrefix(string(j.Data), "^XA") || !strings.Contains(string(j.Data), "L1") {
		t.Fatalf("%+v, %v", j, err)
	}
	if err := q.Begin(t.Context(), j.ID); err != nil {
		t.Fatal(err)
	}
	b.cut() // the first byte may have left
	b.render()
	asking, open, _ := b.jobs()
	if len(open) != 0 || len(asking) != 1 || asking[0].ID != j.ID || asking[0].State != store.PrintUnknown {
		t.Errorf("after the first byte and a power cut: %+v, %+v", asking, open)
	}
	if next, err := b.n.queues[0].Next(t.Context()); next != nil || err != nil {
		t.Errorf("it is offered again: %+v, %v", next, err)
	}
}

// TestNoReceiptNoLabel: what books no receipt queues nothing, and a receipt that can not queue its label is not booked.
func TestNoReceiptNoLabel(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan("]E06901234567891") // unknown
	b.scan("STK:MODE:PICK")
	b.scan("STK:MODE:RECEIVE")
	b.scan(lotScan)
	b.scan("STK:UNDO")
	if _, open, _ := b.jobs(); len(open) != 1 {
		t.Errorf("%d jobs, want that of the receipt", len(open))
	}
}

// TestLabelsInEveryLanguage: each printer gets its own words.
func TestLabelsInEveryLanguage(t *testing.T) {
	for language, begins := range map[string]string{"zpl": "^XA", "tspl": "SIZE", "escpos": "\x1b@"} {
		b := newPrintBench(t, fmt.Sprintf("language = %q\n", language))
		b.scan(lotScan)
		b.render()
		j, err := b.n.queues[0].Next(t.Context())
		if err != nil || j == nil || !strings.HasPrefix(strings.TrimSpace(string(j.Data)), begins) {
			t.Errorf("%s: %.60q, %v", language, j.Data, err)
		}
	}
}

// TestLabelThatCanNotBeMade: the goods are booked all the same, and a person is told why there is no label.
func TestLabelThatCanNotBeMade(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan(lotScan)
	storetest.Update(t, b.n.store, func(tx *store.Tx) error {
		_, err := tx.QueuePrint(store.NewPrint{Printer: "zebra", Template: "none", Title: "odd", Content: []byte("{}")}, time.Now())
		return err
	})
	b.render()
	asking, open, _ := b.jobs()
	if len(open) != 1 || len(asking) != 1 || asking[0].Error != "newlabel.no_template" || asking[0].State != store.PrintCancelled {
		t.Errorf("%+v, %+v", asking, open)
	}
}

// TestFullQueueKeepsTheLabel: goods are received though their labels have no room; no label is forgotten.
func TestFullQueueKeepsTheLabel(t *testing.T) {
	b := newPrintBench(t, "")
	storetest.Update(t, b.n.store, func(tx *store.Tx) error {
		for range store.MaxPrints {
			if _, err := tx.QueuePrint(store.NewPrint{Printer: "zebra", Data: []byte("x")}, time.Now()); err != nil {
				return err
			}
		}
		return nil
	})
	if f := b.scan(lotScan); f.Outcome != station.Accepted {
		t.Errorf("%+v", f)
	}
	asking, open, _ := b.jobs()
	if len(open) != store.MaxPrints || len(asking) != 1 || asking[0].Error != "printing.full" {
		t.Fatalf("%d open, %+v", len(open), asking)
	}
	boss := identity.Person{Account: "王"}
	_, err := printing{b.n}.Again(t.Context(), asking[0].ID, "", "有空了", boss)
	var refused *web.Failure
	if !errors.As(err, &refused) || refused.Key != "printing.full_now" {
		t.Errorf("again with a full queue: %v", err)
	}
	if err := (printing{b.n}).Cancel(t.Context(), open[0].ID, boss); err != nil {
		t.Fatal(err)
	}
	if _, err := (printing{b.n}).Again(t.Context(), asking[0].ID, "", "有空了", boss); err != nil {
		t.Errorf("again with room: %v", err)
	}
}

// TestDecisionsAreEntries: what a person decides about a label goes to the hub, with the reason, in the same transaction.
func TestDecisionsAreEntries(t *testing.T) {
	b := newPrintBench(t, "")
	f := b.scan(lotScan)
	b.render()
	_, open, _ := b.jobs()
	id, p, boss := open[0].ID, printing{b.n}, identity.Person{Account: "王", Session: "s1", Address: "10.0.0.7"}
	if err := p.Cancel(t.Context(), id, boss); err != nil {
		t.Fatal(err)
	}
	again, err := p.Again(t.Context(), id, "", "没有打出来", boss)
	if err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"cancel twice":         func() error { return p.Cancel(t.Context(), id, boss) },
		"settle":               func() error { return p.Settle(t.Context(), id, boss) },
		"again while it waits": func() error { _, err := p.Again(t.Context(), id, "", "x", boss); return err },
	} {
		var refused *web.Failure
		if err := do(); !errors.As(err, &refused) || refused.Key != "printing.changed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var acts []string
	storetest.View(t, b.n.store, func(tx *store.Tx) error {
		box, err := tx.Outbox()
		for i := range box.Changes {
			c, err := tx.Change(stock.ID{Node: "sh-1", Epoch: 1, Number: i + 1})
			if err != nil {
				return err
			}
			e, err := c.Entry()
			if err != nil || !strings.HasPrefix(e.Act, "print.") {
				continue
			}
			if c.Meta.Actor != boss.Actor() || c.Meta.Session != "s1" || c.Meta.Terminal != "10.0.0.7" || e.Object != id || e.Detail["movement"] != f.Movement || e.Outcome != "ok" {
				t.Errorf("%+v %+v", c.Meta, e)
			}
			acts = append(acts, e.Act+" "+e.Detail["state"]+" "+e.Detail["reason"]+" "+e.Detail["job"])
		}
		return err
	})
	if want := []string{"print.cancelled queued  ", "print.repeated cancelled 没有打出来 " + again}; !slices.Equal(acts, want) {
		t.Errorf("%q, want %q", acts, want)
	}
}

// TestWithdrawn: a label that was cancelled between the look and the act is not begun.
func TestWithdrawn(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan(lotScan)
	b.render()
	j, err := b.n.queues[0].Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := (printing{b.n}).Cancel(t.Context(), j.ID, identity.Person{Account: "王"}); err != nil {
		t.Fatal(err)
	}
	if err := b.n.queues[0].Begin(t.Context(), j.ID); !errors.Is(err, device.ErrWithdrawn) {
		t.Errorf("%v, want ErrWithdrawn", err)
	}
}

// TestPrinterOfAnotherLanguage: labels that wait when the printer's settings are changed are made anew in its language: in the
// old one, a printer would swallow them and say that it is ready. With the same settings they stay as they are.
func TestPrinterOfAnotherLanguage(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan(lotScan)
	b.render()
	next := func() string {
		t.Helper()
		j, err := b.n.queues[0].Next(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if j == nil {
			return ""
		}
		return string(j.Data)
	}
	before := next()
	if !strings.HasPrefix(before, "^XA") {
		t.Fatalf("%.40q is no ZPL", before)
	}
	b.cut()
	if got := next(); got != before {
		t.Errorf("with the same settings %.40q, want what was made before", got)
	}
	b.restart("zebra", "language = \"tspl\"\n")
	if got := next(); got != "" {
		t.Errorf("a TSPL printer is given %.40q", got)
	}
	b.render()
	if got := next(); !strings.HasPrefix(got, "\r\nSIZE") {
		t.Errorf("%.40q is no TSPL", got)
	}
}

// TestPrinterThatIsGone: labels that wait for a printer which the configuration no longer has are shown to a person, and do
// not wait for ever.
func TestPrinterThatIsGone(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan(lotScan)
	b.render()
	b.restart("gprinter", "language = \"tspl\"\n")
	asking, open, _ := b.jobs()
	if len(asking) != 1 || len(open) != 0 || asking[0].Error != "printing.printer_gone" || asking[0].Args["printer"] != "zebra" {
		t.Fatalf("%+v wait, %+v ask", open, asking)
	}
	var f *web.Failure
	if _, err := (printing{b.n}).Again(t.Context(), asking[0].ID, "zebra", "换一台", identity.Person{Account: "王"}); !errors.As(err, &f) || f.Key != "newlabel.which_printer" {
		t.Errorf("again on a printer that does not exist: %v", err)
	}
	if _, err := (printing{b.n}).Again(t.Context(), asking[0].ID, "gprinter", "换一台", identity.Person{Account: "王"}); err != nil {
		t.Fatal(err)
	}
	b.render()
	if j, err := b.n.queues[0].Next(t.Context()); err != nil || j == nil || !strings.HasPrefix(string(j.Data), "\r\nSIZE") {
		t.Errorf("%+v, %v: want the label in the language of the printer that there is", j, err)
	}
}

// TestEndOfWhatIsOver: a printer does not ask for ever to note what can not be noted any more, which would hold all labels behind it.
func TestEndOfWhatIsOver(t *testing.T) {
	b := newPrintBench(t, "")
	b.scan(lotScan)
	b.render()
	q := b.n.queues[0]
	j, err := q.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(q.Begin(t.Context(), j.ID), q.End(t.Context(), j.ID, device.Confirmed, nil)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{j.ID, "99-aaaaaaaaaa"} {
		if err := q.End(t.Context(), id, device.Unknown, device.ErrNoProof); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	if asking, _, ended := b.jobs(); len(asking) != 0 || len(ended) != 1 || ended[0].State != store.PrintConfirmed {
		t.Errorf("%+v %+v: want the one label confirmed", asking, ended)
	}
}

// TestStationsHearOfThePrinter: whoever looks at a station is told at once, and only of that station's devices.
func TestStationsHearOfThePrinter(t *testing.T) {
	b := newPrintBench(t, "")
	heard, stop := b.n.stations[0].Subscribe()
	defer stop()
	b.n.look("other")
	b.n.look("zebra")
	if f := <-heard; f.Number != 0 || len(heard) != 0 {
		t.Errorf("%+v and %d more", f, len(heard))
	}
}

// TestPrinterTakesWhatIsQueued: from the scan through store, printer and a terminal to the confirmed job.
func TestPrinterTakesWhatIsQueued(t *testing.T) {
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close()
	defer slave.Close()
	b := newPrintBench(t, "")
	p := device.NewPrinter(device.Config{Name: "zebra", Path: slave.Name(), Baud: 115200}, device.OpenSerial, b.n.queues[0], b.n.log)
	var labels atomic.Int32
	go func() { // a printer that prints at once
		var in []byte
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			for _, c := range buf[:n] {
				in = append(in, c)
				switch {
				case strings.HasSuffix(string(in), "~HS"):
					in = nil
					_, _ = master.WriteString("\x02030,0,0,1245,000,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,4,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n")
				case strings.HasSuffix(string(in), "^XZ"):
					in = nil
					labels.Add(1)
				}
			}
		}
	}()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { ended <- p.Run(ctx) }()
	go func() { ended <- b.n.runQueue(ctx) }()
	for range 3 {
		b.scan(lotScan)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, open, done := b.jobs(); len(open) == 0 && len(done) == 3 {
			break
		}
		if time.Now().After(end) {
			a, o, d := b.jobs()
			t.Fatalf("never printed: %+v %+v %+v", a, o, d)
		}
	}
	stop()
	<-ended
	<-ended
	_, _, done := b.jobs()
	for _, j := range done {
		if j.State != store.PrintConfirmed || !j.Picture {
			t.Errorf("%+v", j)
		}
	}
	if labels.Load() != 3 {
		t.Errorf("%d labels, want 3", labels.Load())
	}
}

package station_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/edge/station"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// TestRules tells stories: lines of scans, each with the code of what the worker is told and,
// where it matters, some of the arguments.
func TestRules(t *testing.T) {
	lotA, lotB, lotOld := gs1("01"+tea+"17270101", "10A"), gs1("01"+tea+"17280101", "10B"), gs1("01"+tea+"17260503", "10C")
	lastDay := gs1("01"+tea+"17260504", "10D")
	unit := gs1("01"+tea, "21S1")
	receiving, picking, counting, moving := "STK:MODE:RECEIVE", "STK:MODE:PICK", "STK:MODE:COUNT", "STK:MODE:TRANSFER"
	tests := []struct {
		name  string
		story []string // SCAN => CODE ARG=VALUE ...
		stock map[string]string
	}{
		{"receive by the piece and by the crate", []string{
			tea + " => scan.received quantity=1 on_hand=1 bin=RECV item=商品TEA unit=个",
			crate + " => scan.received quantity=12 on_hand=13",
			label + " => scan.received quantity=1",
		}, map[string]string{"RECV TEA": "13", "RECV SCREW": "1"}},
		{"receive a counted case with lot and expiry", []string{
			gs1("02"+tea+"3724", "17270101", "10A") + " => scan.received quantity=24",
		}, map[string]string{"RECV TEA A 2027-01-01": "24"}},
		{"receive what may not be received", []string{
			"06922222222227 => scan.unknown_item code=06922222222227",
			old + " => scan.inactive_item item=商品OLD",
			"hello => scan.not_an_item text=hello",
			gs1("00106141411234567897") + " => scan.not_an_item",
			gs1("02"+tea+"3700") + " => scan.no_quantity",
			lotOld + " => scan.expired expiry=2026-05-03",
			"6901234567893 => scan.not_an_item text=6901234567893", // wrong check digit, unannounced: text
			"]E06901234567893 => scan.unreadable_check_digit",
			"A-01 => scan.no_bin_now receiving=RECV",
			"BIN:C-01 => scan.unknown_bin text=C-01",
			"STK:DANCE => scan.unknown_command",
			"STK:CONFIRM => scan.nothing_counted",
			"STK:UNDO => scan.nothing_to_undo",
		}, map[string]string{"RECV TEA": "0", "RECV OLD": "0"}},
		{"the last day of an expiry date is good", []string{lastDay + " => scan.received"}, nil},
		{"a serial number is on hand once", []string{
			unit + " => scan.received",
			unit + " => scan.serial_twice serial=S1 bin=RECV",
			picking + " => scan.mode mode=text:mode.pick",
			"RECV => scan.bin bin=RECV",
			unit + " => scan.picked on_hand=0",
			receiving + " => scan.mode",
			unit + " => scan.received",
		}, nil},
		{"pick needs a bin, the right one, and enough in it", []string{
			tea + " => scan.received",
			picking + " => scan.mode",
			tea + " => scan.bin_first",
			"A-01 => scan.bin bin=A-01",
			tea + " => scan.wrong_bin bin=A-01 places=RECV",
			label + " => scan.not_on_hand bin=A-01",
			"BIN:RECV => scan.bin bin=RECV",
			crate + " => scan.more_than_here on_hand=1 quantity=12",
			tea + " => scan.picked quantity=1 on_hand=0",
			tea + " => scan.not_on_hand",
		}, map[string]string{"RECV TEA": "0"}},
		{"a label without lot takes the only lot, or asks", []string{
			lotA + " => scan.received",
			lotA + " => scan.received",
			picking + " => scan.mode",
			"RECV => scan.bin",
			tea + " => scan.picked on_hand=1",
			receiving + " => scan.mode",
			lotB + " => scan.received",
			picking + " => scan.mode",
			"RECV => scan.bin",
			tea + " => scan.which_lot bin=RECV lots=A 2027-01-01, B 2028-01-01",
			gs1("01"+tea, "10B") + " => scan.picked on_hand=0",
			tea + " => scan.picked on_hand=0",
		}, map[string]string{"RECV TEA A 2027-01-01": "0", "RECV TEA B 2028-01-01": "0"}},
		{"transfer from bin to bin", []string{
			crate + " => scan.received",
			moving + " => scan.mode",
			tea + " => scan.bin_first",
			"RECV => scan.bin bin=RECV",
			tea + " => scan.target_first bin=RECV",
			"A-01 => scan.target bin=RECV target=A-01",
			tea + " => scan.transferred bin=RECV target=A-01 quantity=1",
			tea + " => scan.transferred",
			"B-01 => scan.bin bin=B-01", // the next pair begins
			tea + " => scan.target_first",
			"A-01 => scan.target bin=B-01 target=A-01",
			tea + " => scan.wrong_bin places=A-01, RECV",
		}, map[string]string{"RECV TEA": "10", "A-01 TEA": "2"}},
		{"count a bin: what nobody found is gone", []string{
			lotA + " => scan.received",
			label + " => scan.received",
			counting + " => scan.mode",
			tea + " => scan.bin_first",
			"RECV => scan.bin",
			tea + " => scan.counted found=1", // the only lot there
			tea + " => scan.counted found=2",
			"A-01 => scan.count_open bin=RECV",
			picking + " => scan.count_open bin=RECV",
			"STK:CONFIRM => scan.count_done bin=RECV lines=2 differences=2",
			"STK:CONFIRM => scan.nothing_counted",
			picking + " => scan.mode",
		}, map[string]string{"RECV TEA A 2027-01-01": "2", "RECV SCREW": "0"}},
		{"count finds what the books do not have", []string{
			counting + " => scan.mode",
			"A-01 => scan.bin",
			crate + " => scan.counted found=12",
			lotOld + " => scan.counted found=1", // expired goods are there all the same
			"STK:CONFIRM => scan.count_done lines=2 differences=2",
		}, map[string]string{"A-01 TEA": "12", "A-01 TEA C 2026-05-03": "1"}},
		{"a cancelled count leaves no trace", []string{
			tea + " => scan.received",
			counting + " => scan.mode",
			"RECV => scan.bin",
			crate + " => scan.counted found=12",
			"STK:CANCEL => scan.cancelled",
			"RECV => scan.bin",
			tea + " => scan.counted found=1",
			"STK:CONFIRM => scan.count_done lines=1 differences=0",
		}, map[string]string{"RECV TEA": "1"}},
		{"look up", []string{
			lotA + " => scan.received",
			crate + " => scan.received",
			"STK:MODE:LOOKUP => scan.mode",
			tea + " => scan.lookup on_hand=13",
			gs1("01"+tea, "10A") + " => scan.lookup on_hand=1 places=RECV: 1 (A 2027-01-01)",
			"A-01 => scan.lookup_bin bin=A-01",
			label + " => scan.lookup on_hand=0",
		}, nil},
		{"undo the last movement, once", []string{
			crate + " => scan.received",
			"STK:UNDO => scan.undone quantity=12 bin=RECV on_hand=0",
			"STK:UNDO => scan.nothing_to_undo",
		}, map[string]string{"RECV TEA": "0"}},
		{"undo a chosen item", []string{
			tea + " => scan.received",
			label + " => scan.received",
			"STK:MODE:UNDO => scan.mode",
			tea + " => scan.undone",
			tea + " => scan.nothing_to_undo",
			label + " => scan.undone",
		}, map[string]string{"RECV TEA": "0", "RECV SCREW": "0"}},
		{"undo never takes stock below zero", []string{
			tea + " => scan.received",
			moving + " => scan.mode",
			"RECV => scan.bin",
			"A-01 => scan.target",
			tea + " => scan.transferred",
			"STK:MODE:UNDO => scan.mode",
			tea + " => scan.undone", // the transfer
			receiving + " => scan.mode",
			picking + " => scan.mode",
			"RECV => scan.bin",
			tea + " => scan.picked",
			"STK:UNDO => scan.undone bin=RECV on_hand=1", // the pick
		}, map[string]string{"RECV TEA": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			for _, line := range tt.story {
				b.tell(line)
			}
			for what, want := range tt.stock {
				bin, k := parseKind(what)
				if got := b.onHand(bin, k).String(); got != want {
					t.Errorf("%s holds %s, want %s", what, got, want)
				}
			}
		})
	}
}

// tell plays a line of a story.
func (b *bench) tell(line string) {
	b.t.Helper()
	raw, want, _ := strings.Cut(line, " => ")
	f := b.scan(raw)
	code, args, _ := strings.Cut(want, " ")
	if f.Code != code {
		b.t.Fatalf("%q: told %s %v, want %s", raw, f.Code, f.Arguments(), code)
	}
	for args != "" { // values may have blanks: they end where the next name begins
		name, rest, _ := strings.Cut(args, "=")
		value := rest
		args = ""
		for i := range rest {
			if next, _, ok := strings.Cut(rest[i+1:], "="); rest[i] == ' ' && ok && !strings.ContainsAny(next, " ,:()") {
				value, args = rest[:i], rest[i+1:]
				break
			}
		}
		if got := f.Arguments()[name]; got != value {
			b.t.Errorf("%q: %s is %q, want %q", raw, name, got, value)
		}
	}
}

// parseKind reads "BIN SKU LOT EXPIRY".
func parseKind(s string) (string, stock.Key) {
	p := append(strings.Fields(s), "", "")
	return p[0], kind(stock.SKU(p[1]), stock.Lot(p[2]), stock.Date(p[3]))
}

// TestUndoTooLate: what was moved on since can not be taken back.
func TestUndoTooLate(t *testing.T) {
	b := newBench(t)
	received := b.scan(tea)
	b.tell("STK:MODE:PICK => scan.mode")
	b.tell("RECV => scan.bin")
	b.tell(tea + " => scan.picked")
	f, err := b.st.UndoMovement(context.Background(), received.Movement, station.Worker{Actor: "wang"})
	if err != nil || f.Code != station.UndoTooLate || f.Args["on_hand"] != "0" {
		t.Errorf("undo of goods that have left: %s %v, %v; want %s", f.Code, f.Args, err, station.UndoTooLate)
	}
	for _, id := range []string{"", "node.1.999", "other.1.1", "nonsense"} {
		f, err := b.st.UndoMovement(context.Background(), id, station.Worker{Actor: "wang"})
		if want := map[bool]string{true: station.Undone, false: station.NothingToUndo}[id == ""]; err != nil || f.Code != want {
			t.Errorf("undo %q: %s, %v; want %s", id, f.Code, err, want)
		}
	}
	f, err = b.st.UndoMovement(context.Background(), received.Movement, station.Worker{Actor: "wang"})
	if err != nil || f.Code != station.Undone {
		t.Errorf("undo of goods that are back: %s, %v; want %s", f.Code, err, station.Undone)
	}
	f, err = b.st.UndoMovement(context.Background(), received.Movement, station.Worker{Actor: "wang"})
	if err != nil || f.Code != station.UndoneBefore {
		t.Errorf("second undo: %s, %v; want %s", f.Code, err, station.UndoneBefore)
	}
}

// TestOverride: a lead may let a pick pass that the books forbid; the reason stays in the movement.
func TestOverride(t *testing.T) {
	b := newBench(t)
	b.tell(tea + " => scan.received")
	b.tell("STK:MODE:PICK => scan.mode")
	b.tell("RECV => scan.bin")
	chen := station.Worker{Actor: "chen"}
	if f, err := b.st.LetPass(context.Background(), 3, station.Lead{Worker: chen, Reason: "a chosen bin"}); err != nil || f.Code != station.NothingToPass {
		t.Errorf("a scan that was not refused: %s, %v; want %s", f.Code, err, station.NothingToPass)
	}
	b.tell(crate + " => scan.more_than_here")
	for _, l := range []station.Lead{{Worker: chen, Reason: "  "}, {Reason: "nobody"}, {Worker: chen, Reason: strings.Repeat("长", 100)}, {Worker: chen, Reason: "\xff"}} {
		if _, err := b.st.LetPass(context.Background(), 5, l); err == nil {
			t.Errorf("%+v let a scan pass", l)
		}
	}
	f, err := b.st.LetPass(context.Background(), 5, station.Lead{Worker: chen, Reason: "seen with own eyes"})
	if err != nil || f.Code != station.Picked || f.OnHand != "-11" {
		t.Fatalf("override: %s on hand %s, %v; want picked and -11", f.Code, f.OnHand, err)
	}
	if f, err := b.st.LetPass(context.Background(), 5, station.Lead{Worker: chen, Reason: "once more"}); err != nil || f.Code != station.NothingToPass {
		t.Errorf("the same scan again: %s, %v; want %s", f.Code, err, station.NothingToPass)
	}
	id, err := stock.ParseID(f.Movement)
	if err != nil {
		t.Fatal(err)
	}
	storetest.View(t, b.store, func(tx *store.Tx) error {
		c, err := tx.Change(id)
		if err != nil {
			return err
		}
		m, err := c.Movement(id)
		if m.Override != "seen with own eyes" || c.Meta.Actor != "chen" {
			t.Errorf("movement keeps override %q by %q", m.Override, c.Meta.Actor)
		}
		open, err2 := tx.Exceptions()
		if len(open[stock.NegativeStock]) != 1 {
			t.Errorf("exceptions %v, want one of negative stock", open)
		}
		return cmpErr(err, err2)
	})
}

func cmpErr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestRepeat: the same code again within the window is reported and not booked; at the end of the
// window it counts.
func TestRepeat(t *testing.T) {
	b := newBench(t)
	b.tell(tea + " => scan.received")
	b.now = b.now.Add(600 * time.Millisecond)
	if f := b.again(tea); f.Code != station.RepeatIgnored || f.Outcome != station.Info {
		t.Errorf("same code after 600 ms: %s %s, want %s", f.Outcome, f.Code, station.RepeatIgnored)
	}
	if f := b.again(label); f.Code != station.Received {
		t.Errorf("other code at once: %s, want %s", f.Code, station.Received)
	}
	b.now = b.now.Add(700 * time.Millisecond)
	if f := b.again(label); f.Code != station.Received {
		t.Errorf("same code after the window: %s, want %s", f.Code, station.Received)
	}
	if got := b.changes(); got != 3 {
		t.Errorf("%d changes, want 3", got)
	}
}

// TestRefusalIsAnEntry: a refused scan is counted, kept and goes to the hub as an audit entry.
func TestRefusalIsAnEntry(t *testing.T) {
	b := newBench(t)
	b.tell("hello => scan.not_an_item")
	b.tell(tea + " => scan.received")
	storetest.View(t, b.store, func(tx *store.Tx) error {
		c, err := tx.Change(stock.ID{Node: "node", Epoch: 1, Number: 1})
		if err != nil {
			return err
		}
		e, err := c.Entry()
		if e.Act != "scan.refused" || e.Object != "desk" || e.Outcome != "scan.not_an_item" || e.Detail["raw"] != `"hello"` || c.Kind != change.KindEntry || c.Meta.Actor != "li" {
			t.Errorf("entry %+v by %s", e, c.Meta.Actor)
		}
		return err
	})
	st, err := b.st.State(context.Background())
	if err != nil || st.Accepted != 1 || st.Refused != 1 || st.Day != "2026-05-04" {
		t.Errorf("state %+v, %v", st, err)
	}
	refused, err := b.st.RefusedToday(context.Background(), 10)
	if err != nil || len(refused) != 1 || string(refused[0].Raw) != "hello" {
		t.Errorf("refused today: %+v, %v", refused, err)
	}
	b.now = b.now.Add(13 * time.Hour) // past midnight in Shanghai
	if st, err = b.st.State(context.Background()); err != nil || st.Accepted != 0 || st.Day != "2026-05-05" {
		t.Errorf("state of the next day %+v, %v", st, err)
	}
}

// TestFeedbackIsKept: what is read later says what was said then.
func TestFeedbackIsKept(t *testing.T) {
	b := newBench(t)
	live, stop := b.st.Subscribe()
	defer stop()
	var told []station.Feedback
	for _, raw := range []string{gs1("01"+tea+"17270101", "10A"), "hello", "STK:MODE:PICK", "RECV", tea, "STK:UNDO"} {
		told = append(told, b.scan(raw))
	}
	kept, err := b.st.Scans(context.Background(), 0, 100)
	if err != nil || len(kept) != len(told) {
		t.Fatalf("%d scans kept, %v; want %d", len(kept), err, len(told))
	}
	for i, want := range told {
		if got := <-live; got.Number != want.Number {
			t.Errorf("subscriber got scan %d, want %d", got.Number, want.Number)
		}
		got := kept[i]
		if !reflect.DeepEqual(got.Scan, want.Scan) {
			t.Errorf("scan %d is read as %+v, want %+v", want.Number, got.Scan, want.Scan)
		}
		got.Scan, want.Scan = nil, nil
		want.Time, got.Time = want.Time.UTC().Truncate(time.Millisecond), got.Time.UTC()
		want.Undoable = want.Code == station.Received // the pick was taken back since
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("scan %d is read as\n%+v\nwant\n%+v", want.Number, got, want)
		}
	}
	some, err := b.st.Scans(context.Background(), 2, 3)
	if err != nil || len(some) != 3 || some[0].Number != 3 {
		t.Errorf("three scans after 2: %d, %v", len(some), err)
	}
	last, err := b.st.LastScans(context.Background(), 2)
	if err != nil || len(last) != 2 || last[0].Number != 5 || !slices.IsSortedFunc(last, func(a, b station.Feedback) int { return int(a.Number - b.Number) }) {
		t.Errorf("last two scans: %+v, %v", last, err)
	}
}

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/protocol/stock"
)

var noon = time.Date(2026, 5, 4, 4, 0, 0, 0, time.UTC)

// prints is a store with a queue in it.
type prints struct {
	t *testing.T
	s *store.Store
	d string
}

func newPrints(t *testing.T) *prints {
	t.Helper()
	dir := t.TempDir()
	return &prints{t: t, d: dir, s: storetest.Enrolled(t, dir, "node")}
}

func (p *prints) add(title, data string) string {
	p.t.Helper()
	var id string
	storetest.Update(p.t, p.s, func(tx *store.Tx) (err error) {
		id, err = tx.QueuePrint(store.NewPrint{Printer: "zebra", Station: "dock", Template: "item", Title: title, Movement: stock.ID{Node: "node", Epoch: 1, Number: 7}, Actor: "li", Data: []byte(data)}, noon)
		return err
	})
	return id
}

func (p *prints) do(fn func(*store.Tx) error) {
	p.t.Helper()
	storetest.Update(p.t, p.s, fn)
}

func (p *prints) get(id string) (job store.Print) {
	p.t.Helper()
	storetest.View(p.t, p.s, func(tx *store.Tx) (err error) { job, err = tx.Print(id); return err })
	return job
}

func (p *prints) want(id string, state store.PrintState, asks bool) store.Print {
	p.t.Helper()
	job := p.get(id)
	if job.State != state || job.Asks != asks {
		p.t.Errorf("job %s is %s, asks %t, want %s, %t", id, job.State, job.Asks, state, asks)
	}
	return job
}

func (p *prints) next(printer string) (id, data string) {
	p.t.Helper()
	storetest.View(p.t, p.s, func(tx *store.Tx) error {
		job, b, ok, err := tx.NextPrint(printer)
		if ok {
			id, data = job.ID, string(b)
		}
		return err
	})
	return id, data
}

// cut takes the power away: what is on the disk is all that is left.
func (p *prints) cut() {
	p.t.Helper()
	dir := p.t.TempDir()
	for _, name := range []string{"edge.db", "edge.db-wal"} {
		b, err := os.ReadFile(filepath.Join(p.d, name))
		if err != nil {
			p.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.d, p.s = dir, storetest.Open(p.t, dir)
	p.do(func(tx *store.Tx) error { return tx.InterruptPrints(noon) })
}

func TestPrintInOrder(t *testing.T) {
	p := newPrints(t)
	one, two := p.add("one", "1"), p.add("two", "2")
	if id, data := p.next("zebra"); id != one || data != "1" {
		t.Errorf("next is %s %q, want %s", id, data, one)
	}
	if id, _ := p.next("other"); id != "" {
		t.Errorf("another printer gets %s", id)
	}
	p.do(func(tx *store.Tx) error { return tx.BeginPrint(one, noon) })
	if id, _ := p.next("zebra"); id != two {
		t.Errorf("behind a job that is being sent comes %q, want %s", id, two)
	}
	p.do(func(tx *store.Tx) error { return tx.SentPrint(one, noon) })
	p.do(func(tx *store.Tx) error { return tx.ConfirmPrint(one, noon.Add(time.Second)) })
	got := p.want(one, store.PrintConfirmed, false)
	if !got.Begun.Equal(noon) || !got.Ended.Equal(noon.Add(time.Second)) || got.Movement != "node.1.7" || got.Title != "one" || got.Actor != "li" || got.Template != "item" || got.Settled != "" {
		t.Errorf("%+v", got)
	}
}

// TestPowerCutAtEveryState: what waited goes on, what was on its way is unknown and is never offered again.
func TestPowerCutAtEveryState(t *testing.T) {
	steps := []func(*store.Tx, string) error{
		func(tx *store.Tx, id string) error { return tx.BeginPrint(id, noon) },
		func(tx *store.Tx, id string) error { return tx.SentPrint(id, noon) },
		func(tx *store.Tx, id string) error { return tx.ConfirmPrint(id, noon) },
	}
	for done, want := range []store.PrintState{store.PrintQueued, store.PrintUnknown, store.PrintUnknown, store.PrintConfirmed} {
		p := newPrints(t)
		one, two := p.add("one", "long label"), p.add("two", "2")
		for _, step := range steps[:done] {
			p.do(func(tx *store.Tx) error { return step(tx, one) })
		}
		for range 2 { // and again, before anything was printed
			p.cut()
			job := p.want(one, want, want == store.PrintUnknown)
			if want == store.PrintUnknown && (job.Error != store.PrintInterrupted || job.Ended.IsZero()) {
				t.Errorf("after %d steps and a power cut: %+v", done, job)
			}
			next, _ := p.next("zebra")
			if first := map[bool]string{true: one, false: two}[done == 0]; next != first {
				t.Errorf("after %d steps and a power cut comes %q, want %s", done, next, first)
			}
			var torn int
			storetest.View(t, p.s, func(tx *store.Tx) (err error) { torn, err = tx.TornPrint("zebra"); return err })
			if wantTorn := map[bool]int{true: len("long label"), false: 0}[want == store.PrintUnknown]; torn != wantTorn {
				t.Errorf("after %d steps and a power cut: %d bytes may lie half in the printer, want %d", done, torn, wantTorn)
			}
		}
	}
}

// TestNoStateIsSkipped: no way leads to a second sending, whoever asks for it in whatever state.
func TestNoStateIsSkipped(t *testing.T) {
	acts := map[string]func(*store.Tx, string) error{
		"begin":   func(tx *store.Tx, id string) error { return tx.BeginPrint(id, noon) },
		"sent":    func(tx *store.Tx, id string) error { return tx.SentPrint(id, noon) },
		"confirm": func(tx *store.Tx, id string) error { return tx.ConfirmPrint(id, noon) },
		"doubt":   func(tx *store.Tx, id string) error { return tx.DoubtPrint(id, noon, "printing.cut") },
		"refuse":  func(tx *store.Tx, id string) error { return tx.RefusePrint(id, noon, "printing.too_wide", nil) },
		"cancel":  func(tx *store.Tx, id string) error { return tx.CancelPrint(id, noon, "li") },
		"settle":  func(tx *store.Tx, id string) error { return tx.SettlePrint(id, noon, "li") },
		"repeat":  func(tx *store.Tx, id string) error { _, err := tx.RepeatPrint(id, "", noon, "li", "torn"); return err },
	}
	for _, tt := range []struct{ way, allowed []string }{
		{nil, []string{"begin", "refuse", "cancel"}},
		{[]string{"begin"}, []string{"sent", "confirm", "doubt"}},
		{[]string{"begin", "sent"}, []string{"confirm", "doubt"}},
		{[]string{"begin", "sent", "confirm"}, []string{"repeat"}},
		{[]string{"begin", "doubt"}, []string{"cancel", "settle", "repeat"}},
		{[]string{"begin", "doubt", "settle"}, []string{"repeat"}},
		{[]string{"begin", "doubt", "cancel"}, []string{"repeat"}},
		{[]string{"cancel"}, []string{"repeat"}},
		{[]string{"refuse"}, []string{"cancel", "repeat"}},
	} {
		for name, act := range acts {
			p := newPrints(t)
			id := p.add("one", "1")
			for _, step := range tt.way {
				p.do(func(tx *store.Tx) error { return acts[step](tx, id) })
			}
			err := p.s.Update(t.Context(), func(tx *store.Tx) error { return act(tx, id) })
			if ok := slices.Contains(tt.allowed, name); ok && err != nil || !ok && !errors.Is(err, store.ErrPrintState) {
				t.Errorf("%s after %v: %v, allowed: %t", name, tt.way, err, ok)
			}
		}
	}
}

func TestRepeat(t *testing.T) {
	p := newPrints(t)
	id := p.add("one", "1")
	p.do(func(tx *store.Tx) error {
		return errors.Join(tx.BeginPrint(id, noon), tx.DoubtPrint(id, noon, "printing.cut"))
	})
	p.want(id, store.PrintUnknown, true)
	var again string
	p.do(func(tx *store.Tx) (err error) {
		again, err = tx.RepeatPrint(id, "", noon, "wang", "没有打出来")
		return err
	})
	if old := p.want(id, store.PrintUnknown, false); old.Settled != "wang" || old.Error != "printing.cut" {
		t.Errorf("the old job: %+v", old)
	}
	job := p.want(again, store.PrintQueued, false)
	if again == id || job.Repeats != id || job.Reason != "没有打出来" || job.Actor != "wang" || job.Title != "one" || job.Movement != "node.1.7" {
		t.Errorf("%+v", job)
	}
	if next, data := p.next("zebra"); next != again || data != "1" {
		t.Errorf("next is %s %q, want %s", next, data, again)
	}
	err := p.s.Update(t.Context(), func(tx *store.Tx) error {
		_, err := tx.RepeatPrint(id, "", noon, "wang", "没有打出来")
		return err
	})
	if !errors.Is(err, store.ErrPrintState) {
		t.Errorf("repeated while it waits to be: %v", err)
	}
}

// A job whose label is made later comes in its turn, and a label that can not be made is shown to a person.
func TestRender(t *testing.T) {
	p := newPrints(t)
	var one, two string
	p.do(func(tx *store.Tx) (err error) {
		one, err = tx.QueuePrint(store.NewPrint{Printer: "zebra", Title: "one", Content: []byte(`{"sku":"TEA"}`)}, noon)
		return err
	})
	two = p.add("two", "2")
	if id, _ := p.next("zebra"); id != "" {
		t.Errorf("%s comes before a label that is not made yet", id)
	}
	var todo []store.Print
	storetest.View(t, p.s, func(tx *store.Tx) (err error) { todo, err = tx.UnrenderedPrints(10); return err })
	if len(todo) != 1 || todo[0].ID != one || string(todo[0].Content) != `{"sku":"TEA"}` {
		t.Fatalf("%+v", todo)
	}
	p.do(func(tx *store.Tx) error { return tx.RenderPrint(one, "zpl", []byte("1"), []byte("png")) })
	if err := p.s.Update(t.Context(), func(tx *store.Tx) error { return tx.RenderPrint(one, "zpl", []byte("3"), nil) }); !errors.Is(err, store.ErrPrintState) {
		t.Errorf("made twice: %v", err)
	}
	if id, data := p.next("zebra"); id != one || data != "1" {
		t.Errorf("next is %s %q, want %s", id, data, one)
	}
	storetest.View(t, p.s, func(tx *store.Tx) error {
		if b, err := tx.PrintPicture(one); err != nil || string(b) != "png" {
			t.Errorf("picture %q, %v", b, err)
		}
		if _, err := tx.PrintPicture(two); !errors.Is(err, store.ErrPrintData) {
			t.Errorf("no picture: %v", err)
		}
		return nil
	})
	p.do(func(tx *store.Tx) error {
		return tx.RefusePrint(one, noon, "printing.too_wide", map[string]string{"need": "70"})
	})
	if job := p.want(one, store.PrintCancelled, true); job.Error != "printing.too_wide" || job.Args["need"] != "70" {
		t.Errorf("%+v", job)
	}
	var again string
	p.do(func(tx *store.Tx) (err error) {
		again, err = tx.RepeatPrint(one, "", noon, "li", "now it fits")
		return err
	})
	if job := p.get(again); string(job.Content) != `{"sku":"TEA"}` {
		t.Errorf("%+v", job)
	}
	storetest.View(t, p.s, func(tx *store.Tx) error {
		if _, err := tx.PrintData(again); !errors.Is(err, store.ErrPrintData) {
			t.Errorf("a label that is made anew has the bytes of the old one: %v", err)
		}
		return nil
	})
}

func TestFullPrintQueue(t *testing.T) {
	p := newPrints(t)
	var first string
	p.do(func(tx *store.Tx) error {
		for i := range store.MaxPrints {
			id, err := tx.QueuePrint(store.NewPrint{Printer: "zebra", Title: fmt.Sprint(i), Data: []byte("x")}, noon)
			if err != nil {
				return err
			}
			if i == 0 {
				first = id
			}
		}
		return nil
	})
	n := store.NewPrint{Printer: "zebra", Title: "more", Content: []byte("{}")}
	err := p.s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.QueuePrint(n, noon); return err })
	if !errors.Is(err, store.ErrPrintQueueFull) {
		t.Errorf("one too many: %v", err)
	}
	var dropped string
	p.do(func(tx *store.Tx) (err error) { dropped, err = tx.DropPrint(n, noon, "printing.full", nil); return err })
	p.want(dropped, store.PrintCancelled, true)
	n.Printer = "other"
	p.do(func(tx *store.Tx) error { _, err := tx.QueuePrint(n, noon); return err })
	p.do(func(tx *store.Tx) error { return tx.CancelPrint(first, noon, "li") })
	p.do(func(tx *store.Tx) error {
		_, err := tx.RepeatPrint(dropped, "", noon, "li", "there is room")
		return err
	})
	if err := p.s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RepeatPrint(first, "", noon, "li", "x"); return err }); !errors.Is(err, store.ErrPrintQueueFull) {
		t.Errorf("a repeat too many: %v", err)
	}
	long := store.NewPrint{Printer: "third", Data: bytes.Repeat([]byte("x"), store.MaxPrintData+1)}
	if err := p.s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.QueuePrint(long, noon); return err }); !errors.Is(err, store.ErrPrintTooLong) {
		t.Errorf("a label that is too long: %v", err)
	}
	storetest.View(t, p.s, func(tx *store.Tx) error {
		counts, mark, err := tx.PrintCounts()
		if c := counts["zebra"]; c.Waiting != store.MaxPrints || c.Asking != 0 || counts["other"].Waiting != 1 || mark == "" {
			t.Errorf("counts %+v", counts)
		}
		return err
	})
}

// prune does what is to be done at once.
func (p *prints) prune(now time.Time) (data, rows int) {
	p.t.Helper()
	p.do(func(tx *store.Tx) error {
		d, r, err := tx.PrunablePrints(now)
		if err != nil {
			return err
		}
		data, rows = len(d), len(r)
		return tx.PrunePrints(d, r)
	})
	return data, rows
}

// TestPrune: what is finished is kept for a while, what is not is kept for ever, and no number is given twice.
func TestPrune(t *testing.T) {
	const days = 24 * time.Hour
	p := newPrints(t)
	asks, done, open, last := p.add("asks", "0"), p.add("done", "1"), p.add("open", "2"), p.add("last", "3")
	p.do(func(tx *store.Tx) error {
		return errors.Join(tx.BeginPrint(asks, noon), tx.DoubtPrint(asks, noon, "printing.cut"))
	})
	for _, id := range []string{done, last} {
		p.do(func(tx *store.Tx) error { return errors.Join(tx.BeginPrint(id, noon), tx.ConfirmPrint(id, noon)) })
	}
	if d, r := p.prune(noon.Add(29 * days)); d != 0 || r != 0 {
		t.Errorf("after 29 days %d, %d", d, r)
	}
	if d, r := p.prune(noon.Add(31 * days)); d != 2 || r != 0 {
		t.Errorf("after 31 days %d, %d, want the bytes of both", d, r)
	}
	p.want(done, store.PrintConfirmed, false)
	err := p.s.Update(t.Context(), func(tx *store.Tx) error { _, err := tx.RepeatPrint(done, "", noon, "li", "x"); return err })
	if !errors.Is(err, store.ErrPrintData) {
		t.Errorf("repeat without bytes: %v", err)
	}
	p.prune(noon.Add(91 * days))
	storetest.View(t, p.s, func(tx *store.Tx) error {
		if _, err := tx.Print(done); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("after 91 days: %v", err)
		}
		return nil
	})
	p.want(last, store.PrintConfirmed, false)
	p.want(open, store.PrintQueued, false)
	p.want(asks, store.PrintUnknown, true) // nobody has looked after it yet
	if id, data := p.next("zebra"); id != open || data != "2" {
		t.Errorf("what waits: %s %q", id, data)
	}
	if next := p.add("new", "4"); p.get(next).Number() <= p.get(last).Number() {
		t.Errorf("number of %s was given before", next)
	}
}

// TestPrintIDs: an id that was made up is not found, also one with a number that exists.
func TestPrintIDs(t *testing.T) {
	p := newPrints(t)
	id := p.add("one", "1")
	for _, made := range []string{"", "-", "x", "0-", "1-", "1-aaaaaaaaaa", "1", "-1-" + id[2:], id + "x", "99999999999999999999-a", "2" + id[1:]} {
		if err := p.s.View(t.Context(), func(tx *store.Tx) error { _, err := tx.Print(made); return err }); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%q: %v", made, err)
		}
	}
	storetest.View(t, p.s, func(tx *store.Tx) error {
		open, err := tx.OpenPrints(10)
		ended, err2 := tx.EndedPrints(0, 10)
		if len(open) != 1 || open[0].ID != id || len(ended) != 0 {
			t.Errorf("%+v and %+v", open, ended)
		}
		return errors.Join(err, err2)
	})
	p.do(func(tx *store.Tx) error { return tx.CancelPrint(id, noon, "li") })
	storetest.View(t, p.s, func(tx *store.Tx) error {
		ended, err := tx.EndedPrints(0, 10)
		if len(ended) != 1 || ended[0].ID != id {
			t.Errorf("%+v", ended)
		}
		none, err2 := tx.EndedPrints(ended[0].Number(), 10)
		if len(none) != 0 {
			t.Errorf("before the first: %+v", none)
		}
		return errors.Join(err, err2)
	})
}

package device

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"
)

func hqes(errors string) string {
	return "\x02\r\n\r\n  PRINTER STATUS                             \r\n   ERRORS:         " + errors + "                       \r\n   WARNINGS:       1 00000000 00000002                       \r\n\x03"
}

// heard returns what a tongue makes of an answer.
func heard(tg tongue, detail bool, answers ...string) (State, bool) {
	tg.question(detail)
	for _, a := range answers {
		tg.hear([]byte(a))
	}
	r, ok, _ := tg.report()
	return r.state, ok
}

func TestZPLDetail(t *testing.T) {
	failed := strings.Replace(allWell, "030,0", "030,7", 1)
	for _, tt := range []struct {
		name    string
		answers []string
		want    State
		ok      bool
	}{
		{"silent on the first question, not on the second", []string{hqes("1 00000000 00000001")}, PaperOut, true},
		{"head open", []string{hqes("1 00000000 00000005")[:40], hqes("1 00000000 00000004")[40:]}, HeadOpen, true},
		{"ribbon out", []string{hqes("1 00000000 00000002")}, RibbonOut, true},
		{"cutter", []string{hqes("1 00000000 00000008")}, Cutter, true},
		{"head hot", []string{hqes("1 00000000 00000010")}, Hot, true},
		{"motor hot", []string{hqes("1 00000000 00000020")}, Hot, true},
		{"bad element", []string{hqes("1 00000000 00000040")}, Failed, true},
		{"paused", []string{hqes("1 00000000 00010000")}, Paused, true},
		{"an unknown bit", []string{hqes("1 00000000 00000100")}, Failed, true},
		{"an unknown group", []string{hqes("1 00000001 00000000")}, Failed, true},
		{"no number", []string{hqes("1 0000000x 00000000")}, Failed, true},
		{"no error, but silence on the first question", []string{hqes("0 00000000 00000000")}, "", false},
		{"a fault that only the second names", []string{failed, hqes("1 00000000 00000008")}, Cutter, true},
		{"a fault that the second does not name either", []string{failed, hqes("0 00000000 00000000")}, Failed, true},
		{"both well, in pieces", []string{allWell[:10], allWell[10:] + hqes("0 00000000 00000000")}, Ready, true},
		{"the other way round", []string{hqes("0 00000000 00000000") + allWell}, Ready, true},
	} {
		if got, ok := heard(&zplTongue{}, true, tt.answers...); got != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %t, want %q, %t", tt.name, got, ok, tt.want, tt.ok)
		}
	}
}

func TestTSPLAnswers(t *testing.T) {
	for _, tt := range []struct {
		in     string
		detail bool
		want   State
		ok     bool
	}{
		{"\x00", false, Ready, true},
		{"\x20", false, Ready, true},
		{"\x01", false, HeadOpen, true},
		{"\x02", false, Jam, true},
		{"\x04", false, PaperOut, true},
		{"\x05", false, PaperOut, true},
		{"\x08", false, RibbonOut, true},
		{"\x10", false, Paused, true},
		{"\x40", false, CoverOpen, true},
		{"\x80", false, Hot, true},
		{"\x00\x04", false, PaperOut, true}, // the last of several
		{"", false, "", false},
		{"\x80\x02E@H@\x03\r\n", true, Cutter, true},
		{"\x80\x02EA@@\x03\r\n", true, Failed, true},
		{"\x80\x02E@A@\x03\r\n", true, Hot, true},
		{"\x04\x02E@@A\x03\r\n", true, PaperOut, true},
		{"\x00\x02E@@D\x03\r\n", true, RibbonOut, true},
		{"\x00\x02@@@@\x03\r\n", true, Ready, true},
		{"\x00\x02@@@Z\x03\r\n", true, Failed, true}, // says something that we do not know
		{"\x00\x02L@@@\x03\r\n", true, Paused, true},
		{"\x02", true, Jam, true}, // an older firmware
		{"\x02@@@@\x03\r\n", true, "", false},
	} {
		tg := &tsplTongue{}
		if got, ok := heard(tg, tt.detail, tt.in); ok != tt.ok || got != tt.want {
			t.Errorf("%q: %q, %t, want %q, %t", tt.in, got, ok, tt.want, tt.ok)
		}
	}
	if r := readTSPLLong([4]byte{'P', 'H', '@', '@'}); !r.full || r.state != Ready {
		t.Errorf("full buffer: %+v", r)
	}
}

func TestESCPOSAnswers(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want State
		ok   bool
	}{
		{"\x12\x12\x12\x12", Ready, true},
		{"\x16\x12\x12\x12", Ready, true},                 // cash drawer
		{"\x12\x12\x12\x1e", Ready, true},                 // paper is near its end
		{"\x12\x1a\x12\x12", Ready, true},                 // somebody holds the feed button
		{"\x1a\x12\x12\x12", Paused, true},                // offline and does not say why
		{"\x1a\x16\x12\x12", CoverOpen, true},             //
		{"\x1a\x32\x12\x72", PaperOut, true},              //
		{"\x1a\x52\x1a\x12", Cutter, true},                //
		{"\x1a\x52\x32\x12", Failed, true},                //
		{"\x1a\x52\x52\x12", Hot, true},                   //
		{"\x12\x12\x16\x12", Failed, true},                // a bit without a meaning
		{"\x12\x12\x12", "", false},                       //
		{"\x11\x12\x00\x12\x13\x12\xff\x12", Ready, true}, // flow control and noise in between
		{"\x14\x12\x12\x12\x12\x12\x12\x12", Ready, true}, // an automatic status before it
		{"\x32\x12\x12\x1a\x12\x12\x12", Paused, true},    // the end of a late answer before it
		{"abcd", "", false},
	} {
		if got, ok := heard(&escposTongue{}, false, tt.in); got != tt.want || ok != tt.ok {
			t.Errorf("%q: %q, %t, want %q, %t", tt.in, got, ok, tt.want, tt.ok)
		}
	}
}

// What must follow a job until it counts as printed.
func TestProof(t *testing.T) {
	const well, busy, out, gone = "well", "busy", "out", "gone"
	said := map[Language]map[string]string{
		ZPL:    {well: allWell, busy: answer(0, 0, 1, 0, 0, 0, 0), out: answer(1, 0, 1, 0, 0, 0, 0)},
		TSPL:   {well: "\x00", busy: "\x20", out: "\x04"},
		ESCPOS: {well: "\x12\x12\x12\x12", "reached": "\x00\x12\x12\x12\x12", out: "\x1a\x32\x12\x72"},
	}
	for _, tt := range []struct {
		language Language
		reports  string
		want     verdict
		why      error
	}{
		{ZPL, "well", printed, nil},
		{ZPL, "busy", pending, nil},
		{ZPL, "busy out busy well", printed, nil},
		{ZPL, "gone well", forgotten, ErrForgotten},
		{ZPL, "gone busy well", printed, nil},
		{TSPL, "well", idle, nil}, // the question overtakes the job
		{TSPL, "well well well", idle, nil},
		{TSPL, "busy well", pending, nil}, // one byte may be noise
		{TSPL, "busy well well", printed, nil},
		{TSPL, "busy well busy well", pending, nil},
		{TSPL, "well busy busy well well", printed, nil},
		{TSPL, "busy out well well", idle, nil}, // it prints anew, or has lost it
		{TSPL, "busy out busy well well", printed, nil},
		{TSPL, "gone well", forgotten, ErrForgotten},
		{TSPL, "busy gone well", forgotten, ErrForgotten},
		{TSPL, "gone busy well well", printed, nil},
		{ESCPOS, "well well well", idle, nil},
		{ESCPOS, "reached", idle, nil},
		{ESCPOS, "reached well", idle, nil},
		{ESCPOS, "reached reached", printed, nil},
		{ESCPOS, "gone reached reached", printed, nil}, // it remembered the question, so it remembered the job
		{ESCPOS, "reached out reached", forgotten, ErrFault},
		{ESCPOS, "gone well", idle, nil},
	} {
		tg := newTongue(tt.language)
		tg.question(false)
		if tt.language == ESCPOS {
			tg.hear([]byte{0, 0, 0}) // noise from before the job
		}
		tg.wrap([]byte("job"))
		var v verdict
		var why error
		for word := range strings.FieldsSeq(tt.reports) {
			tg.question(false)
			tg.hear([]byte(said[tt.language][word]))
			r, ok, _ := tg.report()
			if !ok {
				r = report{state: Silent}
			}
			if ok == (word == gone) {
				t.Fatalf("%s %s: %q is answered: %t", tt.language, tt.reports, word, ok)
			}
			v, why = tg.judge(r)
		}
		if v != tt.want || !errors.Is(why, tt.why) {
			t.Errorf("%s %s: verdict %d, %v, want %d, %v", tt.language, tt.reports, v, why, tt.want, tt.why)
		}
	}
}

// A printer that says that all is well and nothing more must not hold the queue, and is not believed.
func TestNoProof(t *testing.T) {
	for _, language := range []Language{TSPL, ESCPOS} {
		port := newScripted()
		q := newMemory()
		p := NewPrinter(Config{Name: "p", Path: "x", Language: language}, once(port), q, quietLog())
		p.times = shortTimes()
		q.add("one", "label")
		stop := start(t, p.Run)
		go func() { // one answer a step
			for range 100 {
				port.steps <- map[Language]string{TSPL: "\x00", ESCPOS: "\x12\x12\x12\x12"}[language]
			}
		}()
		if got := <-q.done; got != "one unknown" {
			t.Errorf("%s: %s, want unknown", language, got)
		}
		stop()
	}
}

// A printer of another language, or with another baud rate, is told from one that is switched off.
func TestNonsense(t *testing.T) {
	port := newScripted("hello\r\n", "?", "")
	p := NewPrinter(Config{Name: "p", Path: "x"}, once(port), newMemory(), quietLog())
	p.times = shortTimes()
	p.times.answer = 10 * time.Millisecond
	start(t, p.Run)
	eventually(t, "nonsense", func() bool {
		s := p.Status()
		return s.State == Nonsense || s.LastError == errNonsense.Error()
	})
}

// FuzzTongues: whatever a printer sends, in whatever pieces, no language says more than it knows: what it makes of
// the whole is what it makes of the pieces, and of noise alone it never makes "ready".
func FuzzTongues(f *testing.F) {
	for _, s := range []string{allWell, hqes("1 00000000 00000001"), "\x80\x02E@H@\x03\r\n", "\x12\x12\x12\x12", "\x14\x00\x00\x00\x12\x12", "\x11\x13\x00\xff", "\x02\x03\x02ERRORS:\x03"} {
		f.Add([]byte(s), 3)
	}
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		if cut < 0 || cut > len(b) || len(b) > heardLimit {
			return
		}
		for _, l := range Languages() {
			one, two := newTongue(l), newTongue(l)
			one.wrap(nil)
			two.wrap(nil)
			one.question(true)
			two.question(true)
			one.hear(bytes.Clone(b))
			two.hear(bytes.Clone(b[:cut]))
			two.hear(bytes.Clone(b[cut:]))
			r1, ok1, whole1 := one.report()
			r2, ok2, whole2 := two.report()
			if ok1 != ok2 || whole1 != whole2 || ok1 && r1 != r2 {
				t.Fatalf("%s: %q cut at %d: %+v %t, want %+v %t", l, b, cut, r2, ok2, r1, ok1)
			}
			if ok1 && (r1.state == "" || r1.left < 0) {
				t.Fatalf("%s: %q: %+v", l, b, r1)
			}
			if l != TSPL && ok1 && !audible(b) {
				t.Fatalf("%s: noise %q is an answer: %+v", l, b, r1)
			}
			one.judge(r1)
		}
	})
}

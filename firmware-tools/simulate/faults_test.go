package simulate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// jobs is a small label in each language, and a question with the answer of a printer that is ready.
var jobs = map[Language]struct{ label, question, ready string }{
	ZPL:    {"^XA^FO1,1^A0N,20^FDx^FS^XZ", "~HQES", string(zplErrors(status{}))},
	TSPL:   {"CLS\r\nTEXT 1,1,\"1\",0,1,1,\"x\"\r\nPRINT 1\r\n", "\x1b!?", "\x00"},
	ESCPOS: {"\x1b@x\n\x1dV\x00", "\x10\x04\x02", "\x12"},
}

func kinds(p *Printer) (all []EventKind) {
	for _, e := range p.Events() {
		all = append(all, e.Kind)
	}
	return all
}

func wantEvents(t *testing.T, p *Printer, want ...EventKind) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d events", len(want)), func() bool { return len(p.Events()) >= len(want) })
	if got := kinds(p); !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

func TestEveryLanguageOnTheLine(t *testing.T) {
	for language, j := range jobs {
		dir := t.TempDir()
		p, h, _ := newPrinter(t, PrinterOptions{Language: language, Dir: dir})
		h.write([]byte(j.label + j.question + j.label))
		wantLabels(t, p, j.label, j.label)
		h.wants([]byte(j.ready))
		wantEvents(t, p, EventLabel, EventLabel)
		for _, name := range []string{"0001." + string(language), "0001.png", "0002." + string(language), "0002.png"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s: %v", name, err)
			}
		}
		if l := p.Events()[0].Label; l == nil {
			t.Error("no label in its event")
		} else if dots, _ := l.Picture(); dots.Trim().Width == 0 {
			t.Errorf("%s: picture is empty", language)
		}
	}
	if _, err := NewPrinter(filepath.Join(t.TempDir(), "x"), PrinterOptions{Language: "epl"}); err == nil {
		t.Error("plays a language that there is not")
	}
}

func TestSpoiledLabelIsPrintedAgain(t *testing.T) {
	for language, j := range jobs {
		for _, again := range []bool{true, false} {
			p, h, _ := newPrinter(t, PrinterOptions{Language: language, NoReprint: !again})
			p.SetRoll(1)
			h.write([]byte(j.label + j.label + j.label))
			wantEvents(t, p, EventLabel, EventSpoiled)
			p.SetPaper(true)
			want := []EventKind{EventLabel, EventSpoiled, EventLabel}
			if again {
				want = append(want, EventLabel)
			}
			wantEvents(t, p, want...)
		}
	}
}

// A question in the queue is answered when what came before is printed, and a status question at once.
func TestQuestionsInTurn(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{Language: ESCPOS})
	p.SetHead(false)
	h.write([]byte(jobs[ESCPOS].label + "\x1dr\x01\x10\x04\x02"))
	h.wants([]byte{0x16})
	p.SetPrintTime(50 * time.Millisecond)
	p.SetHead(true)
	eventually(t, "answer", func() bool { return len(h.got.all()) == 2 })
	if len(p.Labels()) != 1 {
		t.Error("answered before the label was printed")
	}
	h.wants([]byte{0x16, 0x00})
	if p.SetPaperLow(true); p.Waiting() != 0 {
		t.Error("a question counts as a job")
	}
	h.write([]byte("\x1dr\x01"))
	h.wants([]byte{0x16, 0x00, 0x03})
}

func TestFaultsStopALabelThatIsMoving(t *testing.T) {
	for name, set := range map[string]func(p *Printer, good bool){
		"paper": (*Printer).SetPaper, "ribbon": (*Printer).SetRibbon, "head": (*Printer).SetHead,
		"jam": func(p *Printer, good bool) { p.SetJam(!good) },
	} {
		p, h, _ := newPrinter(t, PrinterOptions{Language: TSPL, PrintTime: time.Hour})
		h.write([]byte(jobs[TSPL].label + "\x1b!?"))
		h.wants([]byte{0x20})
		set(p, false)
		wantEvents(t, p, EventSpoiled)
		p.SetPrintTime(0)
		set(p, true)
		wantEvents(t, p, EventSpoiled, EventLabel)
		h.write([]byte("\x1b!?"))
		h.wants([]byte{0x20, 0x00})
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// Heat and the pause button let the label that is moving come out; the next one waits.
func TestHeatStopsBetweenLabels(t *testing.T) {
	for name, set := range map[string]func(p *Printer, on bool){"heat": (*Printer).SetHot, "pause": (*Printer).SetPaused} {
		p, h, _ := newPrinter(t, PrinterOptions{PrintTime: 100 * time.Millisecond})
		h.write([]byte("^XA^PQ2^XZ~HQES"))
		eventually(t, "label moves", func() bool { return len(h.got.all()) > 0 })
		set(p, true)
		wantEvents(t, p, EventLabel)
		set(p, false)
		wantEvents(t, p, EventLabel, EventLabel)
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestCancelLetsTheMovingLabelComeOut(t *testing.T) {
	for language, cancel := range map[Language]string{ZPL: "~JA", TSPL: "\x1b!.", ESCPOS: "\x10\x05\x02"} {
		p, h, _ := newPrinter(t, PrinterOptions{Language: language, PrintTime: 50 * time.Millisecond})
		h.write([]byte(strings.Repeat(jobs[language].label, 3) + cancel))
		wantEvents(t, p, EventCancelled, EventLabel)
		h.write([]byte(jobs[language].label))
		wantEvents(t, p, EventCancelled, EventLabel, EventLabel)
	}
}

// The cable is cut behind every byte of a job: there is a label only when all of it had come, and never two.
func TestCutAtEveryByte(t *testing.T) {
	for language, j := range jobs {
		for _, keep := range []bool{false, true} {
			p, h, link := newPrinter(t, PrinterOptions{Language: language, KeepPart: keep})
			for n := 1; n <= len(j.label); n++ {
				before := len(p.Labels())
				cuts := len(p.Events()) - before
				p.CutAfter(n)
				h.write([]byte(j.label))
				h.wantsEnd()
				eventually(t, "link goes", func() bool { _, err := os.Lstat(link); return errors.Is(err, fs.ErrNotExist) })
				eventually(t, "cut is told", func() bool { return len(p.Events())-len(p.Labels()) > cuts })
				if got, want := len(p.Labels())-before, flag(n == len(j.label)); got != want { // ZPL's first three bytes count at once
					t.Fatalf("%s, cut behind %d of %d bytes: %d labels", language, n, len(j.label), got)
				}
				if err := p.Replug(); err != nil {
					t.Fatal(err)
				}
				h = openHost(t, link)
				if keep && n < len(j.label) { // the printer remembers: what is missing makes the label
					h.write([]byte(j.label[n:]))
					eventually(t, "the rest makes a label", func() bool { return len(p.Labels()) == before+1 })
				}
			}
		}
	}
}

func TestNonsense(t *testing.T) {
	for language, j := range jobs {
		p, h, _ := newPrinter(t, PrinterOptions{Language: language})
		p.SetNonsense(true)
		h.write([]byte(j.question))
		eventually(t, "an answer", func() bool { return len(h.got.all()) > 0 })
		got := h.got.all()
		if !bytes.HasPrefix(babble(1), got) || string(got) == j.ready {
			t.Errorf("%s answers %q", language, got)
		}
		h.wants(babble(1))
		p.SetNonsense(false)
		h.write([]byte(j.question))
		h.wants([]byte(string(babble(1)) + j.ready))
	}
}

func TestDeafPrinterTakesNothing(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{})
	h.write([]byte("^XA1^XZ"))
	wantLabels(t, p, "^XA1^XZ")
	p.SetDeaf(true)
	if err := h.port.SetWriteDeadline(time.Now().Add(300 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if n, err := h.port.Write(bytes.Repeat([]byte("^XA^XZ"), 100_000)); err == nil {
		t.Errorf("a deaf printer took %d bytes", n)
	}
	if n := len(p.Labels()); n > 1 {
		t.Errorf("%d labels", n)
	}
	p.SetDeaf(false)
	eventually(t, "labels", func() bool { return len(p.Labels()) > 1 })
}

func TestSmallBufferHoldsTheHost(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{Buffer: 200})
	p.SetPaused(true)
	format := "^XA^FX" + strings.Repeat("x", 41) + "^XZ" // 50 bytes
	written := make(chan error, 1)
	go func() {
		_, err := h.port.Write([]byte(strings.Repeat(format, 1000)))
		written <- err
	}()
	eventually(t, "buffer fills", func() bool { return p.Waiting() == 4 })
	p.SetPrintTime(time.Hour) // one leaves, one more comes
	p.SetPaused(false)
	eventually(t, "one more comes", func() bool { return p.Waiting() == 4 })
	p.SetHead(false) // ends the hour
	p.SetPrintTime(0)
	p.SetHead(true)
	eventually(t, "all are printed", func() bool { return len(p.Labels()) == 1000 })
	if err := <-written; err != nil {
		t.Fatal(err)
	}
}

// A host that obeys XOFF loses nothing.
func TestXoffHoldsTheHost(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{Buffer: 1 << 20, XonXoff: true})
	if err := control(h.port, func(fd int) error {
		t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.Iflag |= unix.IXON
		return unix.IoctlSetTermios(fd, unix.TCSETS, t)
	}); err != nil {
		t.Fatal(err)
	}
	p.SetPaused(true)
	const all = 40
	format := "^XA^FX" + strings.Repeat("x", 50_000) + "^XZ"
	written := make(chan error, 1)
	go func() {
		_, err := h.port.Write([]byte(strings.Repeat(format, all)))
		written <- err
	}()
	eventually(t, "XOFF", func() bool { return slices.Contains(kinds(p), EventFlow) })
	p.SetPaused(false)
	eventually(t, "all are printed", func() bool { return len(p.Labels()) == all })
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if slices.Contains(kinds(p), EventWarning) {
		t.Errorf("events %v", kinds(p))
	}
	if got := h.got.all(); len(got) > 0 { // the kernel has eaten XON and XOFF
		t.Errorf("host reads %q", got)
	}
}

// A host that does not obey loses bytes, and is told so.
func TestOverflow(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{Buffer: 200, XonXoff: true})
	p.SetPaused(true)
	h.write([]byte(strings.Repeat("^XA^FXyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy^XZ", 10)))
	wantEvents(t, p, EventFlow, EventWarning)
	h.wants([]byte{xoff})
	p.SetPaused(false)
	wantEvents(t, p, EventFlow, EventWarning, EventLabel, EventLabel, EventLabel, EventLabel, EventFlow)
	h.wants([]byte{xoff, xon})
}

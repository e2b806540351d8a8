package device

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// zpl is a printer at the other end of a cable. It keeps labels, and says what it is told to say.
type zpl struct {
	mu      sync.Mutex
	silent  bool   // gives no answer, like a real one out of paper
	deaf    bool   // takes no bytes
	hs      string // what it answers; empty is ready with nothing waiting
	hqes    string // what it answers to ~HQES; empty for a printer that does not know it
	labels  []string
	other   string // what was neither a label nor a question
	asked   int
	onLabel func(*zpl) // runs with mu held, when a label has come in
}

func (z *zpl) set(do func(*zpl)) {
	z.mu.Lock()
	defer z.mu.Unlock()
	do(z)
}

func (z *zpl) got() []string {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.labels)
}

func (z *zpl) questions() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.asked
}

// answer builds what a printer says to ~HS.
func answer(paper, pause, formats, partial, head, ribbon, left int) string {
	return fmt.Sprintf("\x02030,%d,%d,1245,%03d,0,0,%d,000,0,0,0\x03\r\n\x02000,0,%d,%d,0,2,4,0,%08d,1,000\x03\r\n\x021234,0\x03\r\n", paper, pause, formats, partial, head, ribbon, left)
}

var allWell = answer(0, 0, 0, 0, 0, 0, 0)

// work plays the printer until the cable is pulled.
func (z *zpl) work(c *cable) {
	master := c.end()
	go func() {
		var in []byte
		buf := make([]byte, 4096)
		for {
			for z.isDeaf() {
				if c.end() != master {
					return
				}
				time.Sleep(time.Millisecond)
			}
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			in = z.take(master, append(in, buf[:n]...))
		}
	}()
}

func (z *zpl) isDeaf() bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	return z.deaf
}

func (z *zpl) take(master *os.File, in []byte) []byte {
	z.mu.Lock()
	defer z.mu.Unlock()
	for {
		ask, label := bytes.Index(in, []byte("~HS")), bytes.Index(in, []byte("^XZ"))
		switch more := bytes.Index(in, []byte("~HQES")); {
		case more >= 0 && (ask < 0 || more < ask) && (label < 0 || more < label):
			z.other += string(in[:more])
			in = in[more+5:]
			_, _ = master.WriteString(z.hqes)
		case ask >= 0 && (label < 0 || ask < label):
			z.asked++
			z.other += string(in[:ask])
			in = in[ask+3:]
			if z.silent {
				continue
			}
			hs := z.hs
			if hs == "" {
				hs = allWell
			}
			_, _ = master.WriteString(hs)
		case label >= 0:
			z.labels = append(z.labels, string(in[:label+3]))
			in = in[label+3:]
			if z.onLabel != nil {
				z.onLabel(z)
			}
		default:
			return in
		}
	}
}

// bench is a printer under test with its other end.
type bench struct {
	*zpl
	t     *testing.T
	cable *cable
	p     *Printer
	stop  func()
	queue *memory
	done  chan string // "id result"
}

func newBench(t *testing.T, c Config, z *zpl) *bench {
	t.Helper()
	q := newMemory()
	b := &bench{zpl: z, t: t, cable: newCable(t), queue: q, done: q.done}
	c.Name, c.Path = "zebra", b.cable.link
	b.p = NewPrinter(c, OpenSerial, q, quietLog())
	b.p.times = shortTimes()
	b.plugIn()
	b.stop = start(t, b.p.Run)
	return b
}

// shortTimes ask about faults and idling often; an answer may take its time on a busy machine.
func shortTimes() times {
	return times{answer: time.Second, quiet: 20 * time.Millisecond, idle: 20 * time.Millisecond, fault: 5 * time.Millisecond, busy: 5 * time.Millisecond,
		proof: 100 * time.Millisecond, again: 5 * time.Millisecond}
}

func (b *bench) plugIn() {
	b.t.Helper()
	b.cable.plug()
	b.work(b.cable)
}

func (b *bench) state(want State) {
	b.t.Helper()
	eventually(b.t, "state "+string(want), func() bool { return b.p.Status().State == want })
}

func labelText(id string) string { return "^XA^FD" + id + "^FS^XZ" }

func (b *bench) print(id string) {
	b.t.Helper()
	b.printData(id, labelText(id))
}

func (b *bench) printData(id, data string) { b.queue.add(id, data) }

// waiting checks how many jobs were not begun.
func (b *bench) waiting(want int) {
	b.t.Helper()
	if got := b.queue.waiting(); got != want {
		b.t.Errorf("%d jobs wait, want %d", got, want)
	}
}

func (b *bench) want(want ...string) {
	b.t.Helper()
	for _, w := range want {
		select {
		case got := <-b.done:
			if got != w {
				b.t.Fatalf("%s, want %s", got, w)
			}
		case <-time.After(patience):
			b.t.Fatalf("never: %s", w)
		}
	}
}

func (b *bench) wantLabels(want ...string) {
	b.t.Helper()
	var texts []string
	for _, w := range want {
		texts = append(texts, labelText(w))
	}
	if got := b.got(); !slices.Equal(got, texts) {
		b.t.Errorf("printed %q, want %q", got, texts)
	}
}

func TestPrint(t *testing.T) {
	b := newBench(t, Config{}, &zpl{})
	for _, id := range []string{"one", "two", "three"} {
		b.print(id)
	}
	b.want("one confirmed", "two confirmed", "three confirmed")
	b.wantLabels("one", "two", "three")
	eventually(t, "nothing is on its way", func() bool { return b.p.Status().Sending == "" })
	if got := b.p.Status(); got.Confirmed != 3 || got.State != Ready {
		t.Errorf("%+v, want 3 confirmed", got)
	}
	b.waiting(0)
}

// A label waits, unsent, while the printer says what is wrong or says nothing at all.
func TestLabelsWaitWhileThePrinterIsInTrouble(t *testing.T) {
	for _, tt := range []struct {
		name  string
		zpl   *zpl
		state State
	}{
		{"paper out", &zpl{hs: answer(1, 0, 0, 0, 0, 0, 0)}, PaperOut},
		{"paused", &zpl{hs: answer(0, 1, 0, 0, 0, 0, 0)}, Paused},
		{"head open", &zpl{hs: answer(0, 0, 0, 0, 1, 0, 0)}, HeadOpen},
		{"ribbon out", &zpl{hs: answer(0, 0, 0, 0, 0, 1, 0)}, RibbonOut},
		{"head open and paper out", &zpl{hs: answer(1, 0, 0, 0, 1, 0, 0)}, PaperOut},
		{"too hot", &zpl{hs: strings.Replace(allWell, "0,0,0\x03", "0,0,1\x03", 1)}, Hot},
		{"an unknown flag", &zpl{hs: strings.Replace(allWell, "030,0", "030,7", 1)}, Failed},
		{"another language", &zpl{hs: "\x02a\x03\x02b\x03\x02c\x03"}, Failed},
		{"no answer", &zpl{silent: true}, Silent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{}, tt.zpl)
			b.state(tt.state)
			b.print("one")
			asked := b.questions()
			eventually(t, "another question", func() bool { return b.questions() > asked+1 })
			b.wantLabels()
			b.waiting(1)
			b.set(func(z *zpl) { z.hs, z.silent = "", false })
			b.want("one confirmed")
			b.wantLabels("one")
			b.state(Ready)
		})
	}
}

func TestConfirmedOnlyWhenNothingWaits(t *testing.T) {
	b := newBench(t, Config{}, &zpl{onLabel: func(z *zpl) { z.hs = answer(0, 0, 1, 0, 0, 0, 0) }})
	b.print("one")
	eventually(t, "the label came in", func() bool { return len(b.got()) == 1 })
	asked := b.questions()
	eventually(t, "more questions", func() bool { return b.questions() > asked+2 })
	b.set(func(z *zpl) { z.hs = answer(1, 0, 0, 0, 0, 0, 1) })
	b.state(PaperOut)
	select {
	case got := <-b.done:
		t.Fatalf("%s while the printer still has it", got)
	default:
	}
	if got := b.p.Status().Sending; got != "one" {
		t.Errorf("sending %q, want one", got)
	}
	b.set(func(z *zpl) { z.hs = "" })
	b.want("one confirmed")
}

// TestLabelThatIsNotFinished: a printer that keeps a label and says that it is ready, such as one that waits for it to be taken off, is
// shown as being in trouble, so that people know why the others wait. It clears itself.
func TestLabelThatIsNotFinished(t *testing.T) {
	for _, tt := range []struct{ name, hs string }{
		{"a label that nobody takes off", answer(0, 0, 0, 0, 0, 0, 1)},
		{"a buffer that stays full", strings.Replace(allWell, "000,0,0", "000,1,0", 1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{}, &zpl{onLabel: func(z *zpl) { z.hs = tt.hs }})
			b.print("one")
			if tt.hs == allWell {
				t.Fatal("the printer is well")
			}
			b.state(Held)
			b.set(func(z *zpl) { z.hs, z.onLabel = "", nil })
			b.state(Ready)
			b.print("two")
			b.want("one confirmed", "two confirmed")
		})
	}
}

func TestUnpluggedDuringALabel(t *testing.T) {
	for _, tt := range []struct {
		name string
		zpl  *zpl
		data string
		when func(*bench) bool
	}{
		{"after it", &zpl{onLabel: func(z *zpl) { z.hs = answer(0, 0, 1, 0, 0, 0, 0) }}, labelText("one"), func(b *bench) bool { return len(b.got()) == 1 }},
		{"in it", &zpl{}, "^XA" + strings.Repeat("^FDlong^FS", 50_000) + "^XZ", func(b *bench) bool { return b.p.Status().Sending == "one" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{}, tt.zpl)
			b.state(Ready)
			if tt.name == "in it" {
				b.set(func(z *zpl) { z.deaf = true }) // holds the label half way
			}
			b.printData("one", tt.data)
			b.print("two")
			eventually(t, "the label is on its way", func() bool { return tt.when(b) })
			b.cable.unplug()
			b.want("one unknown")
			b.set(func(z *zpl) { z.labels, z.onLabel, z.hs, z.deaf = nil, nil, "", false })
			b.plugIn()
			b.want("two confirmed")
			b.wantLabels("two") // and not the first one again
			if got := b.p.Status(); got.Unknown != 1 || got.Confirmed != 1 {
				t.Errorf("%+v, want one unknown, one confirmed", got)
			}
			b.waiting(0)
		})
	}
}

// A printer that takes no bytes must not hold the program for ever.
func TestStuckPrinter(t *testing.T) {
	b := newBench(t, Config{WriteLimit: 50 * time.Millisecond}, &zpl{})
	b.state(Ready)
	b.set(func(z *zpl) { z.deaf = true })
	b.printData("one", "^XA"+strings.Repeat("^FDlong^FS", 50_000)+"^XZ")
	b.want("one unknown")
	b.state(Failed)
	if got := b.p.Status().LastError; !strings.Contains(got, ErrNotTaken.Error()) {
		t.Errorf("%q, want %q", got, ErrNotTaken)
	}
	b.set(func(z *zpl) { z.deaf = false })
	b.state(Ready)
	b.print("two")
	b.want("two confirmed")
}

// Out of paper in the middle, a printer says nothing. Then "nothing waits" may mean printed or
// forgotten: only one that still had the label is believed.
func TestSilenceAfterALabel(t *testing.T) {
	for _, tt := range []struct {
		name, then, want string
	}{
		{"nothing waits any more", "", "one unknown"},
		{"it still has the label", answer(0, 0, 1, 0, 0, 0, 0), "one confirmed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, Config{}, &zpl{onLabel: func(z *zpl) { z.silent = true }})
			b.state(Ready)
			b.print("one")
			b.state(Silent)
			b.set(func(z *zpl) { z.silent, z.hs = false, tt.then })
			if tt.then != "" {
				asked := b.questions()
				eventually(t, "more questions", func() bool { return b.questions() > asked+2 })
				b.set(func(z *zpl) { z.hs = "" })
			}
			b.want(tt.want)
		})
	}
}

// Half a label from a cut line is cancelled, or it would swallow the next one.
func TestHalfALabelIsCancelled(t *testing.T) {
	b := newBench(t, Config{}, &zpl{hs: answer(0, 0, 0, 1, 0, 0, 0)})
	b.print("one")
	eventually(t, "~JA", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return strings.HasPrefix(b.other, "~JA")
	})
	b.wantLabels()
	b.set(func(z *zpl) { z.hs = "" })
	b.want("one confirmed")
}

// What waits when the program stops stays in the queue.
func TestStopLeavesWhatWaits(t *testing.T) {
	b := newBench(t, Config{}, &zpl{hs: answer(1, 0, 0, 0, 0, 0, 0)})
	b.state(PaperOut)
	b.print("one")
	b.print("two")
	b.stop()
	b.waiting(2)
	b.wantLabels()
}

// What is on its way when the program stops may have been printed.
func TestStopDuringALabel(t *testing.T) {
	b := newBench(t, Config{}, &zpl{onLabel: func(z *zpl) { z.hs = answer(0, 0, 1, 0, 0, 0, 0) }})
	b.print("one")
	b.print("two")
	eventually(t, "the label came in", func() bool { return len(b.got()) == 1 })
	b.stop()
	b.want("one unknown")
	b.waiting(1)
}

// A job that was cancelled is passed over, whatever the printer was about to do.
func TestCancelled(t *testing.T) {
	b := newBench(t, Config{}, &zpl{hs: answer(0, 1, 0, 0, 0, 0, 0)})
	b.print("one")
	b.print("two")
	b.state(Paused)
	b.queue.cancel("one")
	b.set(func(z *zpl) { z.hs = "" })
	b.want("two confirmed")
	b.wantLabels("two")
}

// Without the store's word no byte leaves, and no label is forgotten: each act is tried again.
func TestQueueThatFails(t *testing.T) {
	for _, act := range []string{"next", "begin", "sent", "end", "torn"} {
		t.Run(act, func(t *testing.T) {
			z := &zpl{}
			q := newMemory()
			q.failing = act
			cable := newCable(t)
			b := &bench{zpl: z, t: t, cable: cable, queue: q, done: q.done}
			b.p = NewPrinter(Config{Name: "zebra", Path: cable.link}, OpenSerial, q, quietLog())
			b.p.times = shortTimes()
			b.print("one")
			b.plugIn()
			b.stop = start(t, b.p.Run)
			if act != "sent" {
				eventually(t, "trouble", func() bool { return strings.Contains(b.p.Status().LastError, errDisk.Error()) })
				if act != "end" {
					b.wantLabels()
				}
				q.fail("")
			}
			b.want("one confirmed")
			b.wantLabels("one")
		})
	}
}

// An answer that comes late must not be taken for the answer to a later question.
func TestLateAnswer(t *testing.T) {
	port := newScripted()
	p := NewPrinter(Config{Name: "zebra"}, once(port), newMemory(), quietLog())
	p.times.answer = time.Millisecond
	l, err := p.newLine(port)
	if err != nil {
		t.Fatal(err)
	}
	defer l.close(context.Background())
	h, err := l.ask(context.Background(), p.times.answer)
	if err != nil || h.state != Silent {
		t.Fatalf("%+v, %v: want silence", h, err)
	}
	port.steps <- allWell // to the question before
	port.steps <- answer(0, 0, 1, 0, 0, 0, 0)
	h, err = l.ask(context.Background(), patience)
	if err != nil || h.state != Ready || h.left != 1 {
		t.Errorf("%+v, %v: want the newer answer, in which one label waits", h, err)
	}
}

func TestParseHS(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     report
		ok       bool
	}{
		{"whole", allWell, report{state: Ready}, true},
		{"XON and noise before it", "\x11\x00abc\x13" + allWell, report{state: Ready}, true},
		{"the end of an older answer before it", allWell[20:] + answer(0, 0, 2, 0, 0, 0, 3), report{state: Ready, left: 5}, true},
		{"cut", allWell[:len(allWell)-3], report{}, false},
		{"two lines", allWell[:75], report{}, false},
		{"no number", strings.Replace(allWell, "1245,000", "1245,x", 1), report{state: Failed}, true},
		{"buffer full", strings.Replace(allWell, "000,0,0", "000,1,0", 1), report{state: Ready, full: true}, true},
		{"lost memory", strings.Replace(allWell, "000,0,0,0\x03", "000,1,0,0\x03", 1), report{state: Failed}, true},
	} {
		got, rest, ok := parseHS([]byte(tt.in))
		if got != tt.want || ok != tt.ok {
			t.Errorf("%s: %+v, %t, want %+v, %t", tt.name, got, ok, tt.want, tt.ok)
		}
		if !ok && string(rest) != tt.in {
			t.Errorf("%s: %q is left to be completed, want all of it", tt.name, rest)
		}
	}
}

func FuzzParseHS(f *testing.F) {
	f.Add([]byte(allWell), 10)
	f.Add([]byte(answer(1, 1, 999, 1, 1, 1, 99999999)), 40)
	f.Add([]byte("\x02a\x03\x02,\x03\x02\x03"), 3)
	f.Add([]byte(allWell[30:]+allWell), 50)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		whole, rest, ok := parseHS(b)
		if len(rest) > len(b) || whole.left < 0 || (whole.state != "") != ok {
			t.Fatalf("%q: %+v, %q, %t", b, whole, rest, ok)
		}
		if cut < 0 || cut > len(b) {
			return
		}
		// In two pieces the first answer is the same one.
		first, left, ok1 := parseHS(bytes.Clone(b[:cut]))
		if !ok1 {
			first, _, ok1 = parseHS(append(bytes.Clone(left), b[cut:]...))
		}
		if first != whole || ok1 != ok {
			t.Fatalf("%q cut at %d: %+v, %t, want %+v, %t", b, cut, first, ok1, whole, ok)
		}
	})
}

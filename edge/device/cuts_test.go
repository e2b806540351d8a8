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

	"golang.org/x/sync/errgroup"
)

// machine is the inside of a printer that is cut: what it understood of the bytes so far outlives the cable.
type machine interface {
	// take works on one byte and returns what is answered at once.
	take(b byte) []byte
	// turn goes on with what a fault has held up.
	turn(fault bool) []byte
	labels() []string
}

// victim is a printer to which something happens at a byte of a job.
type victim struct {
	mu     sync.Mutex
	m      machine
	make   func() machine
	left   int    // bytes until it happens; -1 for never
	what   string // "unplug", "fault", "off"
	dead   bool   // takes bytes and says nothing
	struck chan struct{}
	cable  *cable
}

// arming makes the victim count from the first byte of the first job.
type arming struct {
	*memory
	v    *victim
	at   int
	once sync.Once
}

func (a *arming) Begin(ctx context.Context, id string) error {
	a.once.Do(func() {
		a.v.mu.Lock()
		defer a.v.mu.Unlock()
		a.v.left = a.at
		if a.at == 0 {
			a.v.strike()
		}
	})
	return a.memory.Begin(ctx, id)
}

// strike is called with mu held.
func (v *victim) strike() {
	v.left = -1
	switch v.what {
	case "unplug":
		go v.cable.unplug()
		v.dead = true
	case "fault":
		v.m.turn(true)
	case "off":
		v.dead = true
		v.m = &off{v.m}
	}
	close(v.struck)
}

// off is a machine without power: what it printed is on the floor.
type off struct{ machine }

func (o *off) take(byte) []byte { return nil }

// mend ends what happened.
func (v *victim) mend(t *testing.T) {
	t.Helper()
	v.mu.Lock()
	var out []byte
	switch v.what {
	case "fault":
		out = v.m.turn(false)
	case "off":
		was := v.m.labels()
		v.m = v.make()
		v.m.(interface{ remember([]string) }).remember(was)
	}
	v.dead = false
	v.mu.Unlock()
	if v.what == "unplug" {
		v.cable.unplug() // it is, by now
		v.plug()
	} else {
		_, _ = v.cable.end().Write(out)
	}
}

func (v *victim) plug() {
	v.cable.plug()
	master := v.cable.end()
	go func() {
		buf := make([]byte, 512)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			v.take(master, buf[:n])
		}
	}()
}

func (v *victim) take(master *os.File, in []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, b := range in {
		if v.dead {
			return
		}
		if out := v.m.take(b); len(out) > 0 {
			_, _ = master.Write(out)
		}
		if v.left--; v.left == 0 {
			v.strike()
		}
	}
}

func (v *victim) printed() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.m.labels()
}

// cutCase is a language with a printer for it and a job of every part that can be cut.
type cutCase struct {
	language Language
	machine  func() machine
	job      func(id string) string
}

var cutCases = []cutCase{
	{ZPL, func() machine { return &zplMachine{answers: true} }, func(id string) string { return "^XA^FO1,1^GFA,4,4,1,FF00FF00^FS^FD" + id + "^FS^PQ1^XZ" }},
	{TSPL, func() machine { return &tsplMachine{} }, tsplJob},
	{TSPL, func() machine { return &tsplMachine{stubborn: true} }, tsplJob},
	{ESCPOS, func() machine { return &escposMachine{} }, func(id string) string {
		return "\x1c&" + id + "\n\x1dv0\x00\x02\x00\x03\x00\x01\x02\x03\x0a\x1d\x06\x1dV\x00"
	}},
}

func tsplJob(id string) string {
	return "SIZE 40 mm,30 mm\r\nCLS\r\nBITMAP 0,0,2,3,0,\x01\x0d\x0a\x22\x04\x05\r\nTEXT 1,1,\"" + id + "\"\r\nPRINT 1,1\r\n"
}

// TestCutAtEveryByte: whatever happens at whatever byte of a job, it ends as confirmed or unknown, it is printed at most
// once and, when it is confirmed, exactly once; and the next job is printed whole.
func TestCutAtEveryByte(t *testing.T) {
	var group errgroup.Group
	group.SetLimit(32) // each waits for a printer of its own, mostly
	defer func() { _ = group.Wait() }()
	for i, c := range cutCases {
		job := len(newTongue(c.language).wrap([]byte(c.job("one"))))
		for _, what := range []string{"unplug", "fault", "off"} {
			step := 1
			if what == "off" { // a silence has to be waited for: each seventh byte, another one every time
				step = 7
			}
			for at := i % step; at <= job; at += step {
				group.Go(func() error {
					t.Run(fmt.Sprintf("%s-%d/%s/%d", c.language, i, what, at), func(t *testing.T) {
						// To a busy machine a printer that answers may look silent, and "unknown" is the right word then: only who has patience may
						// ask for more. What must never happen is judged every time.
						for patience := time.Duration(1); !c.run(t, what, at, patience); patience *= 8 {
							if patience > 60 {
								t.Fatal("the second job was never confirmed")
							}
						}
					})
					return nil
				})
			}
		}
	}
}

// run lets it happen and reports whether the second job was confirmed.
func (c cutCase) run(t *testing.T, what string, at int, patience time.Duration) bool {
	t.Helper()
	v := &victim{m: c.machine(), make: c.machine, left: -1, what: what, struck: make(chan struct{}), cable: newCable(t)}
	q := &arming{memory: newMemory(), v: v, at: at}
	q.add("one", c.job("one"))
	q.add("two", c.job("two"))
	v.plug()
	p := NewPrinter(Config{Name: "p", Path: v.cable.link, Language: c.language}, OpenSerial, q, quietLog())
	p.times = shortTimes()
	p.times.answer = 500 * time.Millisecond * patience
	p.times.proof = 2 * time.Second * patience
	p.times.quiet *= patience
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	defer func() { stop(); <-ended }()

	<-v.struck
	if what == "unplug" {
		eventually(t, "the first job is over", func() bool { return q.stateOf("one") != "sending" && q.stateOf("one") != "sent" })
	} else {
		eventually(t, "the printer is in trouble, or was through before", func() bool { return p.Status().State != Ready || q.stateOf("two") == "confirmed" })
	}
	v.mend(t)
	eventually(t, "the second job is over", func() bool { s := q.stateOf("two"); return s == "confirmed" || s == "unknown" })

	one, two := q.stateOf("one"), q.stateOf("two")
	count := map[string]int{}
	for _, l := range v.printed() {
		count[l]++
		if strings.Contains(l, "one") && strings.Contains(l, "two") {
			t.Errorf("a label of two jobs: %q", l)
		}
	}
	if count["two"] > 1 || two == "confirmed" && count["two"] != 1 {
		t.Errorf("the second job is %s and printed %d times: %q", two, count["two"], v.printed())
	}
	if one != "confirmed" && one != "unknown" || count["one"] > 1 || one == "confirmed" && count["one"] != 1 {
		t.Errorf("the first job is %s and printed %d times: %q", one, count["one"], v.printed())
	}
	return two == "confirmed" || t.Failed()
}

// floor is what has come out of a printer: of each label its id, when all of it was there.
type floor struct{ out []string }

func (f *floor) labels() []string    { return slices.Clone(f.out) }
func (f *floor) remember(l []string) { f.out = l }
func (f *floor) drop(whole, id string) {
	if id == "" {
		id = "torn " + whole
	}
	f.out = append(f.out, id)
}

// zplMachine prints when a format is whole; each question is answered by one label less.
type zplMachine struct {
	floor
	answers bool
	buf     []byte
	waiting []string
	fault   bool
}

func (m *zplMachine) turn(fault bool) []byte {
	m.fault = fault
	return nil
}

func (m *zplMachine) take(b byte) []byte {
	m.buf = append(m.buf, b)
	switch {
	case bytes.HasSuffix(m.buf, []byte("~HS")):
		m.buf = m.buf[:len(m.buf)-3]
		paper := 0
		if m.fault {
			paper = 1
		}
		partial := 0
		if bytes.Contains(m.buf, []byte("^XA")) {
			partial = 1
		}
		hs := answer(paper, 0, len(m.waiting), partial, 0, 0, 0)
		if !m.fault && len(m.waiting) > 0 {
			m.drop(m.waiting[0], idOf(m.waiting[0], "^XA^FO1,1^GFA,4,4,1,FF00FF00^FS^FD", "^FS^PQ1^XZ"))
			m.waiting = m.waiting[1:]
		}
		return []byte(hs)
	case bytes.HasSuffix(m.buf, []byte("~HQES")):
		m.buf = m.buf[:len(m.buf)-5]
	case bytes.HasSuffix(m.buf, []byte("~JA")):
		m.buf, m.waiting = nil, nil
	case bytes.HasSuffix(m.buf, []byte("^XA")): // what was before is no format, or one that was cut
		m.buf = []byte("^XA")
	case bytes.HasSuffix(m.buf, []byte("^XZ")):
		m.waiting, m.buf = append(m.waiting, string(m.buf)), nil
	}
	return nil
}

// idOf returns what stands between head and tail when whole is made of these, else nothing.
func idOf(whole, head, tail string) string {
	id, ok := strings.CutPrefix(whole, head)
	id, ok2 := strings.CutSuffix(id, tail)
	if !ok || !ok2 || len(id) != 3 {
		return ""
	}
	return id
}

// tsplMachine draws on an image and prints it; it is seen printing twice. A stubborn one does not know ESC !. , and
// within a bitmap takes every byte for dots.
type tsplMachine struct {
	floor
	stubborn bool
	fault    bool
	esc      []byte // an immediate command that has begun
	line     []byte
	dots     int // of a bitmap that are missing
	image    string
	pending  []string // printed labels that wait for the fault to go
	printing int      // answers that still say so
}

func (m *tsplMachine) turn(fault bool) []byte {
	m.fault = fault
	for !fault && len(m.pending) > 0 {
		m.out, m.pending = append(m.out, m.pending[0]), m.pending[1:]
		m.printing = 2
	}
	return nil
}

func (m *tsplMachine) take(b byte) []byte {
	if (b == 0x1b || len(m.esc) > 0) && (!m.stubborn || m.dots == 0) {
		if m.esc = append(m.esc, b); len(m.esc) < 3 {
			return nil
		}
		command := string(m.esc)
		m.esc = nil
		switch command {
		case "\x1b!?":
			s := byte(0)
			if m.fault {
				s |= 0x04
			} else if m.printing > 0 {
				m.printing--
				s |= 0x20
			}
			return []byte{s}
		case "\x1b!.":
			if !m.stubborn {
				m.line, m.dots, m.image = nil, 0, ""
			}
		}
		return nil
	}
	switch {
	case m.dots > 0:
		m.dots--
		m.image += string(rune(b))
	case b == '\n' || b == '\r':
		line := string(m.line)
		m.line = nil
		m.obey(line)
	default:
		m.line = append(m.line, b)
		if string(m.line) == "BITMAP 0,0,2,3,0," {
			m.image += string(m.line)
			m.line, m.dots = nil, 6
		}
	}
	return nil
}

func (m *tsplMachine) obey(line string) {
	switch {
	case line == "CLS":
		m.image = ""
	case strings.HasPrefix(line, `TEXT 1,1,"`) && strings.HasSuffix(line, `"`):
		m.image += line
	case line == "PRINT 1,1":
		id := idOf(m.image, "BITMAP 0,0,2,3,0,\x01\x0d\x0a\x22\x04\x05TEXT 1,1,\"", `"`)
		if id == "" {
			id = "torn " + m.image
		}
		m.pending = append(m.pending, id)
		m.turn(m.fault)
	}
}

// escposMachine works its bytes in order unless it is offline; DLE EOT overtakes them.
type escposMachine struct {
	floor
	fault   bool
	dle     []byte
	waiting []byte // while it is offline
	buf     []byte // of a command
	data    int    // bytes of a picture that are missing
	roll    string // since the last cut
}

func (m *escposMachine) turn(fault bool) (out []byte) {
	m.fault = fault
	for !m.fault && len(m.waiting) > 0 {
		b := m.waiting[0]
		m.waiting = m.waiting[1:]
		out = append(out, m.work(b)...)
	}
	return out
}

func (m *escposMachine) take(b byte) []byte {
	if m.dle = append(m.dle, b); bytes.HasPrefix([]byte{dle, eot}, m.dle[:min(2, len(m.dle))]) {
		if len(m.dle) < 3 {
			return nil
		}
		n := m.dle[2]
		m.dle = nil
		if n < 1 || n > 4 {
			return nil
		}
		s := byte(0x12)
		if m.fault {
			s |= []byte{0x08, 0x20, 0, 0x60}[n-1]
		}
		return []byte{s}
	}
	var out []byte
	for _, b := range m.dle {
		if m.fault {
			m.waiting = append(m.waiting, b)
		} else {
			out = append(out, m.work(b)...)
		}
	}
	m.dle = nil
	return out
}

func (m *escposMachine) work(b byte) []byte {
	if m.data > 0 {
		m.data--
		m.roll += string(rune(b))
		return nil
	}
	m.buf = append(m.buf, b)
	done := func() { m.buf = nil }
	switch s := string(m.buf); {
	case s == "\x1b@":
		m.roll = ""
		done()
	case s == "\x1c&", len(s) == 3 && strings.HasPrefix(s, "\x1da"), len(s) == 1 && b == 0:
		done()
	case s == gsR:
		done()
		return []byte{0}
	case len(s) == 8 && strings.HasPrefix(s, "\x1dv0"):
		m.data = int(s[4]) * int(s[6])
		m.roll += "picture"
		done()
	case len(s) == 3 && strings.HasPrefix(s, "\x1dV"):
		m.drop(m.roll, idOf(m.roll, "", "\npicture\x01\x02\x03\x0a\x1d\x06"))
		m.roll = ""
		done()
	case strings.ContainsRune("\x1b\x1c\x1d", rune(s[0])) && len(s) < 8:
	case s[0] != 0x1b && s[0] != 0x1c && s[0] != 0x1d:
		m.roll += s
		done()
	default:
		done()
	}
	return nil
}

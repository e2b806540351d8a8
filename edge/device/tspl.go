package device

import "bytes"

// tsplTongue speaks TSPL. ESC !? acts at once and is answered with one byte, in an error too; so it says nothing about
// whether the printer has come to a job that lies in its buffer. Only one that was seen printing, and then is
// ready, has printed. Firmware since 6.29 also answers ESC !S, which tells more faults apart.
type tsplTongue struct {
	got   []byte
	asked bool // ESC !S
	inJob bool
	doubt bool // there was silence
	seen  bool // it was seen printing, with no fault since
	calm  int  // reports in a row that it is ready; one may be noise on the line
}

// calmEnough is how often a printer without counters has to say that it is ready.
const calmEnough = 2

func (t *tsplTongue) question(detail bool) []byte {
	t.got = nil
	t.asked = detail && !t.inJob // where each moment in which it may be seen printing counts
	if t.asked {                 // a firmware that does not know it may take it for text: the line end makes that a command of its own
		return []byte("\x1b!?\x1b!S\r\n")
	}
	return []byte("\x1b!?")
}

func (t *tsplTongue) hear(b []byte) {
	t.got = append(t.got, b...)
	t.got = t.got[max(0, len(t.got)-heardLimit):]
}

func (t *tsplTongue) report() (r report, ok, whole bool) {
	short, long := splitTSPL(t.got)
	if len(short) == 0 {
		return report{}, false, false
	}
	r = readTSPL(short[len(short)-1])
	if long != nil {
		d := readTSPLLong([4]byte(long))
		r.full = d.full
		if r.state == Hot || r.state == Failed || r.state == Ready {
			r.state = d.state
		}
	}
	return r, true, !t.asked || long != nil
}

// splitTSPL takes the last answer to ESC !S (STX, four bytes, ETX, CR, LF) out of what was heard. What is left are
// answers to ESC !?, a byte each.
func splitTSPL(got []byte) (short, long []byte) {
	const frame = 8
	for i := 0; i < len(got); i++ {
		if i+frame <= len(got) && got[i] == 0x02 && bytes.Equal(got[i+5:i+frame], []byte("\x03\r\n")) {
			long = got[i+1 : i+5]
			i += frame - 1
			continue
		}
		short = append(short, got[i])
	}
	return short, long
}

// readTSPL reads the answer to ESC !? (TSPL/TSPL2 Programming Manual, "Status polling and immediate commands").
// The first that holds is what a person has to do first.
func readTSPL(b byte) report {
	r := report{state: Ready, busy: b&0x20 != 0}
	for _, f := range []struct {
		bit   byte
		state State
	}{{0x04, PaperOut}, {0x01, HeadOpen}, {0x40, CoverOpen}, {0x02, Jam}, {0x08, RibbonOut}, {0x80, Hot}, {0x10, Paused}} {
		if b&f.bit != 0 {
			r.state = f.state
			break
		}
	}
	return r
}

// readTSPLLong reads the four bytes of the answer to ESC !S: message, warning, and two of errors.
func readTSPLLong(b [4]byte) report {
	r := report{full: b[1] == 'H'}
	states := map[byte]State{'@': Ready, 'P': Ready, 'W': Ready, '`': Paused, 'L': Paused, 'K': Paused, 'E': Failed}
	r.state = Failed
	if s, ok := states[b[0]]; ok {
		r.state = s
	}
	third := map[byte]State{'@': "", 'A': Hot, 'H': Cutter}
	fourth := map[byte]State{'@': "", 'A': PaperOut, 'B': Jam, 'D': RibbonOut}
	for _, e := range []struct {
		b     byte
		known map[byte]State
	}{{b[2], third}, {b[3], fourth}} {
		switch s, ok := e.known[e.b]; {
		case !ok:
			r.state = Failed
		case s != "":
			r.state = s
		}
	}
	return r
}

func (t *tsplTongue) wrap(job []byte) []byte {
	t.inJob, t.doubt, t.seen, t.calm = true, false, false, 0
	out := append([]byte("\r\n"), job...) // ends whatever a question left in its buffer
	if !bytes.HasSuffix(out, []byte("\n")) {
		out = append(out, '\r', '\n')
	}
	return out
}

func (t *tsplTongue) judge(r report) (verdict, error) {
	if r.state != Ready || r.busy {
		t.calm = 0
	}
	switch {
	case r.silent():
		t.doubt = true
	case r.state != Ready: // after a fault it prints the label anew, or has lost it: it has to be seen printing again
		t.seen = false
	case r.busy:
		t.seen, t.doubt = true, false
	case t.doubt:
		return forgotten, ErrForgotten
	case !t.seen:
		return idle, nil
	default:
		if t.calm++; t.calm >= calmEnough {
			return printed, nil
		}
	}
	return pending, nil
}

func (t *tsplTongue) over() { t.inJob = false }

// mend drops what waits, fills up a bitmap that was cut (its bytes are counted, so that commands would be taken
// for dots), ends the command that was cut and empties the image.
func (t *tsplTongue) mend(torn int) []byte {
	out := append([]byte("\x1b!."), make([]byte, torn)...)
	return append(out, "\r\nCLS\r\n"...)
}

func (t *tsplTongue) cancel() []byte { return []byte("\x1b!.") }

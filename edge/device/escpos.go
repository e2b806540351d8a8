package device

// escposTongue speaks ESC/POS. DLE EOT acts at once, like TSPL's question, and there is no counter and no bit for printing.
// What comes in order is GS r: the printer answers it when it has worked through all bytes before it, which
// it does not while it is offline. So a job is followed by GS r, and when that was answered by a second one: two
// answers and no fault are the proof. One byte alone could be noise. (GS ( H names the job in its answer but is
// Epson's own: other printers print its parameters.) A printer that had a fault on the way may have printed a part of
// the label on the old paper: a person has to look.
type escposTongue struct {
	states  []byte // answers to DLE EOT
	skip    int    // bytes of an automatic status that follow
	asked   int    // GS r behind the job
	heard   int    // answers to them
	inJob   bool
	fault   bool
	strange bool
}

func (e *escposTongue) question(bool) []byte {
	e.states, e.strange = nil, false
	q := []byte{dle, eot, 1, dle, eot, 2, dle, eot, 3, dle, eot, 4}
	if e.inJob && e.asked < 2 && e.heard == e.asked { // never one on top of another: an offline printer's buffer is small
		e.asked++
		q = append(q, gsR...)
	}
	return q
}

const dle, eot = 0x10, 0x04

const gsR = "\x1dr\x01" // transmit paper sensor status

// hear tells the answers apart by their fixed bits (ESC/POS Command Reference): DLE EOT 0xx1xx10, GS r 0xx0xxxx,
// and the automatic status that a printer may be set to send, which begins with 0xx1xx00 and has three bytes more.
func (e *escposTongue) hear(b []byte) {
	for _, c := range b {
		switch {
		case e.skip > 0:
			e.skip--
		case c&0x93 == 0x12:
			e.states = append(e.states, c)
		case c&0x93 == 0x10:
			e.skip = 3
		case c&0x90 == 0 && e.heard < e.asked:
			e.heard++
		case c == 0x11 || c == 0x13 || c == 0x00 || c == 0xFF: // flow control, noise
		default:
			e.strange = true
		}
	}
	e.states = e.states[max(0, len(e.states)-heardLimit):]
}

func (e *escposTongue) report() (r report, ok, whole bool) {
	n := len(e.states)
	if n < 4 {
		return report{}, false, false
	}
	r = readESCPOS([4]byte(e.states[n-4:]))
	r.reached = e.heard >= 2
	return r, true, true
}

// readESCPOS reads the answers to DLE EOT 1 to 4. The first that holds is what a person has to do first; near-end sensors
// are no fault.
func readESCPOS(b [4]byte) report {
	for _, f := range []struct {
		n     int
		bits  byte
		state State
	}{
		{4, 0x60, PaperOut}, {2, 0x20, PaperOut}, {2, 0x04, CoverOpen}, {3, 0x08, Cutter}, {3, 0x20, Failed}, {3, 0x40, Hot},
		{3, 0x04, Failed}, // has no meaning that we know
		{2, 0x40, Failed}, {1, 0x08, Paused},
	} {
		if b[f.n-1]&f.bits != 0 {
			return report{state: f.state}
		}
	}
	return report{state: Ready}
}

// wrap sets the printer to its defaults, without automatic status, and asks behind the job whether it has come there.
func (e *escposTongue) wrap(job []byte) []byte {
	*e = escposTongue{inJob: true, asked: 1}
	out := append([]byte("\x1b@\x1da\x00"), job...)
	return append(out, gsR...)
}

func (e *escposTongue) judge(r report) (verdict, error) {
	switch {
	case r.silent():
	case r.state != Ready:
		e.fault = true
	case !r.reached:
		return idle, nil
	case e.fault:
		return forgotten, ErrFault
	default:
		return printed, nil
	}
	return pending, nil
}

func (e *escposTongue) over() { e.inJob = false }

// mend fills up a picture or a symbol that was cut, whose bytes are counted; elsewhere the printer passes over NUL.
func (e *escposTongue) mend(torn int) []byte { return append(make([]byte, torn), "\x1b@"...) }

func (e *escposTongue) cancel() []byte { return nil }

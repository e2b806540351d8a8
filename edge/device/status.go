package device

import (
	"sync"
	"time"
)

// Kind says what a device does.
type Kind string

// The kinds.
const (
	KindScanner Kind = "scanner"
	KindPrinter Kind = "printer"
)

// State is the state of a device's port, or a printer's own trouble. The words are keys of the texts under "device.".
type State string

// The states.
const (
	Absent    State = "absent"
	Busy      State = "busy"   // another program has the port
	Denied    State = "denied" // the service's user may not open it
	Failed    State = "fault"  // LastError tells more
	Noisy     State = "noise"  // what comes in can not be read and does not stop
	Ready     State = "ready"
	PaperOut  State = "paper_out"
	RibbonOut State = "ribbon_out"
	HeadOpen  State = "head_open"
	Paused    State = "paused"
	Hot       State = "hot"
	Jam       State = "jam"
	CoverOpen State = "cover_open"
	Cutter    State = "cutter"
	Held      State = "held"     // a printer that has a label in it for long, and names no trouble: one that nobody takes off, or of another computer
	Silent    State = "silent"   // a printer that does not answer is not ready
	Nonsense  State = "nonsense" // a printer whose answers are in no form that its language has
)

// Status is what a device is doing. The counters begin with the program.
type Status struct {
	Name      string
	Kind      Kind
	Path      string
	State     State
	Since     time.Time // of State
	LastEvent time.Time // last byte read or job done; zero before the first
	LastError string    // stays until the next one
	Problem   string    // key of its text under "device."
	ErrorTime time.Time // of LastError
	Opened    int64     // how often the port was opened
	Bytes     int64     // read
	Scans     int64     // handed over
	Sending   string    // id of the job under way
	Confirmed int64     // jobs that the printer said it has printed
	Unknown   int64     // jobs that a person has to look after
}

type status struct {
	mu      sync.Mutex
	s       Status
	changed func() // called when State has changed; may be nil
}

func newStatus(c Config) *status {
	return &status{s: Status{Name: c.Name, Kind: c.Kind, Path: c.Path, State: Absent, Since: time.Now()}, changed: c.Changed}
}

func (s *status) get() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s
}

func (s *status) change(do func(*Status)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	do(&s.s)
}

func (s *status) set(state State, err error) {
	news := false
	s.change(func(st *Status) {
		if st.State != state {
			st.State, st.Since, news = state, time.Now(), true
		}
		if err != nil {
			st.LastError, st.Problem, st.ErrorTime = err.Error(), problemOf(err), time.Now()
		}
	})
	if news && s.changed != nil {
		s.changed()
	}
}

func (s *status) opened() { s.change(func(st *Status) { st.Opened++ }) }

func (s *status) lost(err error) { s.set(Absent, err) }

// trouble notes an error that leaves the state as it is.
func (s *status) trouble(err error) { s.set(s.get().State, err) }

func (s *status) read(n int) {
	s.change(func(st *Status) {
		st.Bytes += int64(n)
		st.LastEvent = time.Now()
	})
}

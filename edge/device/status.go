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
	Busy      State = "busy" // another program has the port
	Failed    State = "fault"
	Ready     State = "ready"
	PaperOut  State = "paper_out"
	RibbonOut State = "ribbon_out"
	HeadOpen  State = "head_open"
	Paused    State = "paused"
	Hot       State = "hot"
	Silent    State = "silent" // a printer that does not answer is not ready
)

// Status is what a device is doing.
type Status struct {
	Name      string
	Kind      Kind
	Path      string
	State     State
	Since     time.Time // of State
	LastEvent time.Time // last byte read or job done
	LastError string
	Bytes     int64 // read
	Queue     int   // jobs waiting
}

type status struct {
	mu sync.Mutex
	s  Status
}

func newStatus(c Config) *status {
	return &status{s: Status{Name: c.Name, Kind: c.Kind, Path: c.Path, State: Absent, Since: time.Now()}}
}

func (s *status) get() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.s
}

func (s *status) set(state State, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.s.State != state {
		s.s.State, s.s.Since = state, time.Now()
	}
	if err != nil {
		s.s.LastError = err.Error()
	}
}

func (s *status) read(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Bytes += int64(n)
	s.s.LastEvent = time.Now()
}

func (s *status) queue(d int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.s.Queue += d
	if d < 0 {
		s.s.LastEvent = time.Now()
	}
}

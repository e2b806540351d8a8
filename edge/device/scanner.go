package device

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"stockade/protocol/barcode"
)

// Config describes a device. Name and Path are needed.
type Config struct {
	Name    string
	Kind    Kind
	Path    string        // a stable name: it is opened again after every unplugging
	Profile string        // tags as in the scan vectors (codeid=zebra gs=| frame=ssi) and beep=zebra, honeywell or datalogic
	Baud    int           // 9600 when 0
	IdleGap time.Duration // silence that ends a frame without terminator; 50 ms when 0
}

func (c Config) withDefaults() Config {
	if c.Baud == 0 {
		c.Baud = 9600
	}
	if c.IdleGap <= 0 {
		c.IdleGap = 50 * time.Millisecond
	}
	return c
}

// Scanner listens to a scanner.
type Scanner struct {
	config  Config
	open    Open
	now     func() time.Time
	on      func(context.Context, barcode.Scan) bool
	status  *status
	beeps   chan []byte
	log     *slog.Logger
	profile barcode.Profile
}

// NewScanner prepares a scanner. on is called for every scan, one after the other, and
// returns whether it was good, which the scanner's own beeper then says. While on works the port
// is not read, so the line holds back and nothing is lost. now tells the century of dates.
func NewScanner(c Config, open Open, now func() time.Time, on func(context.Context, barcode.Scan) bool, log *slog.Logger) *Scanner {
	c = c.withDefaults()
	c.Kind = KindScanner
	return &Scanner{config: c, open: open, now: now, on: on, status: newStatus(c), beeps: make(chan []byte, 4), log: log, profile: barcode.ParseProfile(c.Profile)}
}

// Status returns what the scanner is doing.
func (s *Scanner) Status() Status { return s.status.get() }

// Delays between attempts to open a port that is away.
const (
	firstTry = 50 * time.Millisecond
	lastTry  = time.Second
)

// Run listens until ctx ends.
func (s *Scanner) Run(ctx context.Context) error {
	for delay := firstTry; ctx.Err() == nil; delay = min(2*delay, lastTry) {
		port, err := s.open(s.config.Path, s.config.Baud)
		if err != nil {
			s.status.set(stateOf(err), err)
			pause(ctx, delay)
			continue
		}
		s.status.set(Ready, nil)
		s.log.Info("scanner is ready", "device", s.config.Name)
		err = s.listen(ctx, port)
		if ctx.Err() == nil {
			s.status.set(Absent, err)
			s.log.Info("scanner is gone", "device", s.config.Name, "error", err)
			delay = firstTry
		}
	}
	return nil
}

// listen reads one connection of the port to its end.
func (s *Scanner) listen(ctx context.Context, port Port) error {
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() { // the one writer; closing the port ends a Read that waits
		defer close(stopped)
		s.write(ctx, port)
		_ = port.Close()
	}()
	defer func() { cancel(); <-stopped }()
	decoder := barcode.NewDecoder(s.profile, s.now)
	buf := make([]byte, 4096)
	waiting := false // the decoder may hold a frame that silence will end
	for {
		gap := time.Second
		if waiting {
			gap = s.config.IdleGap
		}
		if err := port.SetReadTimeout(gap); err != nil {
			return err
		}
		n, err := port.Read(buf)
		if err != nil {
			return err
		}
		if n > 0 {
			s.status.read(n)
			s.deliver(ctx, decoder.Feed(buf[:n]))
		} else if waiting {
			s.deliver(ctx, decoder.Idle())
		}
		waiting = n > 0
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (s *Scanner) deliver(ctx context.Context, scans []barcode.Scan) {
	for _, scan := range scans {
		good := s.on(ctx, scan)
		if beep := beepOf(s.config.Profile, good); beep != nil {
			select {
			case s.beeps <- beep:
			default: // the scanner does not take its beeps: scanning goes on without
			}
		}
	}
}

// write sends beeps until ctx ends. A write that blocks holds up nothing but other beeps: closing
// the port from listen's side ends the program's interest in it.
func (s *Scanner) write(ctx context.Context, port Port) {
	for {
		select {
		case <-ctx.Done():
			return
		case b := <-s.beeps:
			done := make(chan struct{})
			go func() { defer close(done); _, _ = port.Write(b) }()
			select {
			case <-done:
			case <-time.After(writeLimit):
				_ = port.ResetOutputBuffer()
			case <-ctx.Done():
				return
			}
		}
	}
}

// writeLimit is how long a device may take to accept a few bytes.
const writeLimit = 2 * time.Second

// beepOf returns the vendor's command for a good or bad scan, nil when there is none.
func beepOf(profile string, good bool) []byte {
	for tag := range strings.FieldsSeq(profile) {
		switch {
		case tag == "beep=zebra" && good: // "Beep on BEL" must be on
			return []byte{0x07}
		case tag == "beep=honeywell" && good:
			return []byte{0x16, 0x07, 0x0D}
		case tag == "beep=datalogic" && good:
			return []byte("B")
		case tag == "beep=datalogic": // "not on file" also disables the scanner: enable it again
			return []byte("FE")
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

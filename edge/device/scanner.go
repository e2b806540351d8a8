package device

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"stockade/protocol/barcode"
)

// Config describes a device. Name and Path are needed.
type Config struct {
	Name    string
	Kind    Kind
	Path    string        // a stable name: it is opened again after every unplugging
	Profile string        // tags as in the scan vectors (codeid=zebra gs=| frame=ssi) and beep=zebra, honeywell, datalogic or ssi
	Baud    int           // 9600 when 0; the rest of the line's settings belongs to Open
	IdleGap time.Duration // silence that ends a frame without terminator; 50 ms when 0
	// WriteLimit is how long the device may take no byte at all: 2 s for a scanner's beeps and 30 s
	// for a printer's labels when 0. A full printer takes no bytes until it has printed some.
	WriteLimit time.Duration
	Language   Language // of a printer; ZPL when empty
	Changed    func()   // called when the state of the device has changed; may be nil
}

func (c Config) withDefaults(kind Kind, writeLimit time.Duration) Config {
	c.Kind = kind
	if c.Baud <= 0 {
		c.Baud = 9600
	}
	if c.IdleGap <= 0 {
		c.IdleGap = 50 * time.Millisecond
	}
	if c.WriteLimit <= 0 {
		c.WriteLimit = writeLimit
	}
	return c
}

const (
	// readAhead is how many scans may wait for the handler. While it works the line is read on:
	// silence ends a frame, and silence can only be heard by listening.
	readAhead = 64
	// quietRead is how long a read waits when silence means nothing; the end of ctx is seen after that.
	quietRead = 200 * time.Millisecond
)

// Scanner listens to a scanner.
type Scanner struct {
	config  Config
	open    Open
	now     func() time.Time
	on      func(context.Context, barcode.Scan) bool
	status  *status
	log     *slog.Logger
	profile barcode.Profile
	decoder *barcode.Decoder // it outlives a connection; only read uses it
	beep    beeper
	last    []byte // the SSI packet handled last; only handle uses it
	watch   *watch
	say     chan order
}

// NewScanner prepares a scanner. on is called for every scan, one after the other, and
// returns whether it was good, which the scanner's own beeper then says. When too many scans wait for
// on, the port is not read, so the line holds back and nothing is lost. now tells the century of dates.
func NewScanner(c Config, open Open, now func() time.Time, on func(context.Context, barcode.Scan) bool, log *slog.Logger) *Scanner {
	c = c.withDefaults(KindScanner, 2*time.Second)
	return &Scanner{config: c, open: open, now: now, on: on, status: newStatus(c), log: log,
		profile: barcode.ParseProfile(c.Profile), decoder: barcode.NewDecoder(barcode.ParseProfile(c.Profile), now), beep: beeperOf(c.Profile), watch: newWatch(), say: make(chan order)}
}

// Status returns what the scanner is doing. It may be called at any time.
func (s *Scanner) Status() Status { return s.status.get() }

// Profile returns the profile as configured.
func (s *Scanner) Profile() string { return s.config.Profile }

// Run listens until ctx ends, and returns nil then. What on has not been given by that time was never
// confirmed to anybody.
func (s *Scanner) Run(ctx context.Context) error {
	keepOpen(ctx, s.config, s.open, s.status, func(port Port) error {
		s.status.set(Ready, nil)
		s.log.Info("scanner is ready", "device", s.config.Name)
		err := s.listen(ctx, port)
		if ctx.Err() == nil {
			s.log.Warn("scanner is gone", "device", s.config.Name, "error", err)
		}
		return err
	})
	return nil
}

// listen uses one connection of the port to its end.
func (s *Scanner) listen(ctx context.Context, port Port) error {
	scans := make(chan barcode.Scan, readAhead)
	handled := make(chan struct{})
	go func() {
		defer close(handled)
		w := startWriter(port, s.config.WriteLimit)
		defer w.close(ctx)
		for {
			select {
			case scan, ok := <-scans:
				if !ok {
					return
				}
				if ctx.Err() == nil {
					s.handle(ctx, w, scan)
				}
			case o := <-s.say:
				o.done <- s.obey(ctx, w, o.bytes)
			}
		}
	}()
	err := s.read(ctx, port, scans)
	close(scans)
	<-handled // what came in whole is handled, also when the scanner has gone meanwhile
	return err
}

// read makes scans of what comes in, until the port or ctx ends.
func (s *Scanner) read(ctx context.Context, port Port, scans chan<- barcode.Scan) error {
	var noise noise
	give := func(found []barcode.Scan) {
		for _, scan := range found {
			was := noise.on
			scan, pass := noise.pass(scan, s.profile.SSI, time.Now())
			if noise.on && !was {
				s.status.set(Noisy, ErrNoise)
				s.log.Warn("scanner's line is noisy", "device", s.config.Name)
			}
			if !pass {
				continue
			}
			if scan.Error == barcode.ErrLength {
				s.status.trouble(errTooLong)
			}
			select {
			case scans <- scan:
			case <-ctx.Done():
			}
		}
	}
	defer s.decoder.Cut() // what it holds belongs to this connection
	buf := make([]byte, 4096)
	left := time.Duration(0) // silence that still has to pass to end what the decoder holds; 0 when it holds nothing
	for ctx.Err() == nil {
		wait := quietRead
		if left > 0 {
			wait = min(left, quietRead)
		}
		if err := port.SetReadTimeout(wait); err != nil {
			return err
		}
		n, err := port.Read(buf)
		switch {
		case err != nil:
			give(cutOff(s.decoder.Cut()))
			return err
		case n > 0:
			s.status.read(n)
			s.watch.heard(buf[:n], time.Now())
			noise.heard(time.Now())
			give(s.decoder.Feed(buf[:n]))
			left = s.config.IdleGap
		case left > 0:
			if left -= wait; left <= 0 {
				give(s.decoder.Idle())
				noise.gap()
			}
		}
		if n == 0 && noise.ended(time.Now()) {
			s.status.set(Ready, nil)
		}
	}
	return ctx.Err()
}

// errTooLong is why a frame was given up.
var errTooLong = errors.New("a line without end: no terminator arrives, or the scanner joins its scans")

// cutOff makes errors of frames that the end of the line ended: nobody knows what they lack, and
// half a code may look like another one. The worker scans again.
func cutOff(scans []barcode.Scan) []barcode.Scan {
	for i := range scans {
		scans[i] = barcode.Scan{Error: barcode.ErrTruncated, Raw: scans[i].Raw}
	}
	return scans
}

// handle hands a scan over, and answers the scanner when that has come back.
func (s *Scanner) handle(ctx context.Context, w *writer, scan barcode.Scan) {
	var answer []byte
	if s.profile.SSI && scan.Error != barcode.ErrNoise {
		if resent(s.last, scan.Raw) { // our acknowledgement was lost, not the scan
			s.send(ctx, w, ssiAck())
			return
		}
		answer = ssiAnswer(scan)
		s.last = remembered(s.last, scan)
		if scan.Part { // the scan goes on in the next packet, which comes when this one was acknowledged
			s.send(ctx, w, answer)
			return
		}
	}
	if s.watch.takes(scan, time.Now()) { // somebody sets this scanner up: acknowledged, not booked
		s.send(ctx, w, answer)
		return
	}
	good := s.on(ctx, scan)
	if ctx.Err() != nil {
		return // perhaps it was not stored: without an answer an SSI scanner sends it again
	}
	s.status.change(func(st *Status) { st.Scans++ })
	s.send(ctx, w, answer)
	s.send(ctx, w, s.beep.command(good))
}

// send writes a few bytes to the scanner. One that does not take them goes without: listening is
// what matters, and opening the port again would lose what it is about to send.
func (s *Scanner) send(ctx context.Context, w *writer, b []byte) {
	if w.stuck || len(b) == 0 {
		return
	}
	if err := w.write(ctx, b); err != nil && ctx.Err() == nil {
		s.status.trouble(err)
		if errors.Is(err, ErrNotTaken) {
			s.log.Warn("scanner takes no beeps", "device", s.config.Name, "error", err)
		}
	}
}

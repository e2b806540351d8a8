package device

import (
	"context"
	"errors"
	"sync"
	"time"

	"stockade/protocol/barcode"
)

// A person who sets up a scanner looks at what it sends. Meanwhile its scans are not booked: test codes of a manual are
// no goods. That holds for a lease, which the page that shows it renews; when it is closed, or its line is cut, booking
// goes on by itself.

const (
	// watchLease is how long scans are kept from being booked after the last look.
	watchLease = 5 * time.Second
	// watchChunks and watchBytes limit what is kept of what came in.
	watchChunks = 512
	watchBytes  = 64 << 10
)

// Heard is what one read of the port brought.
type Heard struct {
	Number int64 // rises by one
	Time   time.Time
	Pause  time.Duration // silence before it
	Bytes  []byte
}

// Watched is a scan that was not booked because somebody was watching.
type Watched struct {
	Number int64
	Time   time.Time
	Scan   barcode.Scan
}

// watch keeps what a scanner sends while somebody looks.
type watch struct {
	mu     sync.Mutex
	until  time.Time
	heards []Heard
	scans  []Watched
	number int64
	bytes  int
	last   time.Time // of a byte, also while nobody looks
}

func newWatch() *watch { return &watch{} }

func (w *watch) heard(b []byte, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	pause := now.Sub(w.last)
	if w.last.IsZero() {
		pause = time.Hour
	}
	w.last = now
	if now.After(w.until) {
		return
	}
	w.number++
	w.heards = append(w.heards, Heard{Number: w.number, Time: now, Pause: pause, Bytes: append([]byte(nil), b...)})
	w.bytes += len(b)
	for len(w.heards) > watchChunks || w.bytes > watchBytes {
		w.bytes -= len(w.heards[0].Bytes)
		w.heards = w.heards[1:]
	}
}

// takes keeps a scan from being booked.
func (w *watch) takes(s barcode.Scan, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now.After(w.until) {
		return false
	}
	w.number++
	if w.scans = append(w.scans, Watched{Number: w.number, Time: now, Scan: s}); len(w.scans) > watchChunks {
		w.scans = w.scans[1:]
	}
	return true
}

// Watch takes or renews the lease under which scans are shown and not booked, and returns what came in since the
// lease began. A lease that had run out begins anew, with nothing.
func (s *Scanner) Watch() ([]Heard, []Watched) {
	w := s.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	if now.After(w.until) {
		w.heards, w.scans, w.bytes = nil, nil, 0
	}
	w.until = now.Add(watchLease)
	return append([]Heard(nil), w.heards...), append([]Watched(nil), w.scans...)
}

// unwatchGrace is what is left of a lease when one of perhaps several pages is closed.
const unwatchGrace = 1500 * time.Millisecond

// Unwatch shortens the lease: scans are booked again unless another page renews it.
func (s *Scanner) Unwatch() {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	if soon := time.Now().Add(unwatchGrace); s.watch.until.After(soon) {
		s.watch.until = soon
	}
}

// Watched tells whether scans are shown and not booked at present.
func (s *Scanner) Watched() bool {
	s.watch.mu.Lock()
	defer s.watch.mu.Unlock()
	return !time.Now().After(s.watch.until)
}

// order is something to be sent to the scanner.
type order struct {
	bytes []byte
	done  chan error
}

// Errors of Command.
var (
	ErrNotWatched = errors.New("commands are sent only while somebody watches the scanner")
	ErrAway       = errors.New("the scanner is not there")
)

// commandWait is how long a command waits for the scan under way.
const commandWait = 5 * time.Second

// Command sends a vendor's set-up command, on a person's word. What the scanner answers is seen by Watch.
func (s *Scanner) Command(ctx context.Context, b []byte) error {
	if !s.Watched() {
		return ErrNotWatched
	}
	o := order{bytes: b, done: make(chan error, 1)}
	timer := time.NewTimer(commandWait)
	defer timer.Stop()
	select {
	case s.say <- o:
		return <-o.done // the writer has a limit of its own
	case <-timer.C:
		return ErrAway
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Scanner) obey(ctx context.Context, w *writer, b []byte) error {
	if w.stuck {
		return ErrNotTaken
	}
	err := w.write(ctx, b)
	if err != nil && ctx.Err() == nil {
		s.status.trouble(err)
	}
	return err
}

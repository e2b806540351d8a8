package simulate

import (
	"context"
	"fmt"
	"time"
)

const (
	sendLimit     = 10 * time.Second // without a byte taken by the host
	receivedLimit = 1 << 20          // bytes from the host kept at least
	drainPoll     = 10 * time.Millisecond
)

// Scanner is a barcode scanner: it sends what it is told to send, and keeps what the host writes.
type Scanner struct {
	line     line
	received feed[byte]
}

// NewScanner plugs in a scanner at link. A symbolic link there is replaced; anything else is an
// error. The caller must Close it.
func NewScanner(link string) (*Scanner, error) {
	s := &Scanner{received: feed[byte]{limit: receivedLimit}}
	s.line = line{link: link, serve: s.serve}
	if err := s.line.plug(); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Scanner) serve(c *connection) {
	buf := make([]byte, 4096)
	for {
		n, err := c.master.Read(buf)
		s.received.add(buf[:n]...)
		if err != nil {
			return
		}
	}
}

// Send sends raw in one burst, whether a host has opened the port or not. It returns ErrNotRead
// when the line stays full for ten seconds (it holds some thousand bytes) and ErrUnplugged when
// there is no line; part of raw may have been sent then.
func (s *Scanner) Send(raw []byte) error {
	return s.SendChunks(raw, 0, 0)
}

// SendChunks sends raw in pieces of size bytes with a pause between them, as a slow or a busy line
// delivers them. A size of 0 is one piece. Bytes of other calls do not come between.
func (s *Scanner) SendChunks(raw []byte, size int, pause time.Duration) error {
	if err := s.line.send(context.Background(), raw, size, pause, sendLimit); err != nil {
		return fmt.Errorf("send scan: %w", err)
	}
	return nil
}

// SendContext is SendChunks that waits for a host as long as ctx lasts.
func (s *Scanner) SendContext(ctx context.Context, raw []byte, size int, pause time.Duration) error {
	if err := s.line.send(ctx, raw, size, pause, 0); err != nil {
		return fmt.Errorf("send scan: %w", err)
	}
	return nil
}

// Drain waits until the host has read all that was sent. Unplugging loses what it has not read.
func (s *Scanner) Drain(ctx context.Context) error {
	c, err := s.line.current()
	if err != nil {
		return fmt.Errorf("drain scanner: %w", err)
	}
	// Bytes on their way into the host's buffer are not counted, so one look is not enough.
	for empty := 0; empty < 3; empty++ {
		if err := c.wait(ctx, drainPoll); err != nil {
			return fmt.Errorf("drain scanner: %w", err)
		}
		n, err := c.unread()
		if err != nil {
			return fmt.Errorf("drain scanner: %w", err)
		}
		if n > 0 {
			empty = -1
		}
	}
	return nil
}

// Received returns everything that the host wrote since NewScanner: at least the last megabyte.
func (s *Scanner) Received() []byte { return s.received.all() }

// WaitReceived returns what the host wrote behind its first from bytes, and the position behind
// that, as soon as there is anything. It fails only when ctx ends.
func (s *Scanner) WaitReceived(ctx context.Context, from int) (raw []byte, next int, err error) {
	return s.received.wait(ctx, from)
}

// Unplug pulls the cable: the link is removed and the host sees the end of the line. Nothing
// happens when it is unplugged already.
func (s *Scanner) Unplug() { s.line.unplug(false) }

// Replug plugs in again at the same link. It is an error when the scanner is plugged in or closed.
func (s *Scanner) Replug() error { return s.line.plug() }

// Close unplugs the scanner for good. It may be called more than once.
func (s *Scanner) Close() { s.line.unplug(true) }

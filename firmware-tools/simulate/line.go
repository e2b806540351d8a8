// Package simulate plays barcode scanners and label printers on pseudo-terminals, so that what
// talks to a serial port can be tried without one.
//
// A device appears as a symbolic link, like the names udev gives, and the host opens that link as
// it would open the real port. The line is raw before the link exists: every byte from 0x00 to
// 0xFF arrives as it was sent, also when it was sent before the host opened the port. A device
// that is unplugged takes its link away and the host sees the end of the line; plugged in again it
// is another terminal behind the same link.
//
// One thing differs from a cable: a terminal stays in use while its device is plugged in, so that a
// host which claimed it with TIOCEXCL and was killed leaves it claimed (EBUSY for everybody but
// root) until the device is unplugged and plugged in again.
//
// Everything here is safe for use by several goroutines at once. Linux only.
package simulate

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// ErrUnplugged says that the device is not plugged in, or was unplugged meanwhile.
var ErrUnplugged = errors.New("device is unplugged")

// ErrNotRead says that the host left the line full for too long.
var ErrNotRead = errors.New("host does not read")

// pollWrite is how often a writer that waits for room looks whether it should give up.
const pollWrite = 50 * time.Millisecond

// connection is one pseudo-terminal: it lasts from one plugging in to the next unplugging.
type connection struct {
	master *os.File
	slave  *os.File      // kept open, so that the master never reads EIO while no host is there
	gone   chan struct{} // closed when unplugged
	served chan struct{} // closed when serve has returned
}

// line is a device's end of a serial line that can be unplugged and plugged in again.
type line struct {
	link  string
	serve func(c *connection) // reads the master until it fails

	plugging sync.Mutex // one plugging in or unplugging at a time
	writing  sync.Mutex // messages do not mix
	mu       sync.Mutex // guards what follows, never held while waiting
	now      *connection
	closed   bool
}

// plug makes a new terminal and puts the link on it.
func (l *line) plug() error {
	l.plugging.Lock()
	defer l.plugging.Unlock()
	l.mu.Lock()
	plugged, closed := l.now != nil, l.closed
	l.mu.Unlock()
	switch {
	case closed:
		return fmt.Errorf("plug in %s: %w", l.link, os.ErrClosed)
	case plugged:
		return fmt.Errorf("plug in %s: already plugged in", l.link)
	}
	c, err := connect()
	if err != nil {
		return fmt.Errorf("plug in %s: %w", l.link, err)
	}
	if err := placeLink(l.link, c.slave.Name()); err != nil {
		c.close()
		return fmt.Errorf("plug in %s: %w", l.link, err)
	}
	l.mu.Lock()
	l.now = c
	l.mu.Unlock()
	go func() {
		defer close(c.served)
		l.serve(c)
	}()
	return nil
}

// unplug takes the link away, ends the line and waits for serve. It does nothing to a device that
// is not plugged in.
func (l *line) unplug(forever bool) {
	l.plugging.Lock()
	defer l.plugging.Unlock()
	l.mu.Lock()
	c := l.now
	l.now = nil
	l.closed = l.closed || forever
	l.mu.Unlock()
	if c == nil {
		return
	}
	removeLink(l.link, c.slave.Name())
	close(c.gone)
	c.close()
	<-c.served
}

func (l *line) current() (*connection, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.now == nil {
		return nil, ErrUnplugged
	}
	return l.now, nil
}

// send writes raw in pieces of size bytes with a pause between them. It gives up when ctx ends, and
// after limit without a byte taken; a limit of 0 is none.
func (l *line) send(ctx context.Context, raw []byte, size int, pause, limit time.Duration) error {
	l.writing.Lock()
	defer l.writing.Unlock()
	c, err := l.current()
	if err != nil {
		return err
	}
	if size <= 0 {
		size = len(raw)
	}
	for sent := 0; sent < len(raw); sent += size {
		if sent > 0 {
			if err := c.wait(ctx, pause); err != nil {
				return err
			}
		}
		if err := c.write(ctx, raw[sent:min(sent+size, len(raw))], limit); err != nil {
			return err
		}
	}
	return nil
}

// write writes all of b. The line is asked again now and then instead of waited for: a terminal
// does not always announce that it has room again.
func (c *connection) write(ctx context.Context, b []byte, limit time.Duration) error {
	progress := time.Now()
	for len(b) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.master.SetWriteDeadline(time.Now().Add(pollWrite)); err != nil {
			return ErrUnplugged
		}
		n, err := c.master.Write(b)
		b = b[n:]
		switch {
		case err != nil && !errors.Is(err, os.ErrDeadlineExceeded):
			return ErrUnplugged
		case n > 0:
			progress = time.Now()
		case limit > 0 && time.Since(progress) > limit:
			return fmt.Errorf("%w: %d bytes left after %s", ErrNotRead, len(b), limit)
		}
	}
	return nil
}

// wait waits for d, for the end of ctx or for unplugging, whichever comes first.
func (c *connection) wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.gone:
		return ErrUnplugged
	}
}

// unread is the number of bytes that lie at the host's end and wait to be read.
func (c *connection) unread() (n int, err error) {
	err = control(c.slave, func(fd int) (err error) {
		n, err = unix.IoctlGetInt(fd, unix.TIOCINQ)
		return err
	})
	return n, err
}

func (c *connection) close() {
	_ = c.master.Close() // nothing is buffered on this side: closing can lose nothing
	_ = c.slave.Close()
}

func connect() (*connection, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open pseudo-terminal: %w", err)
	}
	c := &connection{master: master, slave: slave, gone: make(chan struct{}), served: make(chan struct{})}
	if err := control(slave, makeRaw); err != nil {
		c.close()
		return nil, fmt.Errorf("make %s raw: %w", slave.Name(), err)
	}
	if c.master, err = pollable(master); err != nil {
		c.close()
		return nil, fmt.Errorf("prepare %s: %w", master.Name(), err)
	}
	return c, nil
}

// pollable gives f with deadlines, and with a Close that ends a Read under way. f is closed unless
// this fails.
func pollable(f *os.File) (*os.File, error) {
	var fd int
	err := control(f, func(old int) (err error) {
		fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0) // #nosec G115 -- a descriptor is never negative
		return err
	})
	if err != nil {
		return f, err
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return f, err
	}
	_ = f.Close()
	return os.NewFile(uintptr(fd), f.Name()), nil // #nosec G115 -- a descriptor is never negative
}

// makeRaw does what cfmakeraw(3) does.
func makeRaw(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IGNBRK | unix.BRKINT | unix.PARMRK | unix.ISTRIP | unix.INLCR | unix.IGNCR | unix.ICRNL | unix.IXON
	t.Oflag &^= unix.OPOST
	t.Lflag &^= unix.ECHO | unix.ECHONL | unix.ICANON | unix.ISIG | unix.IEXTEN
	t.Cflag &^= unix.CSIZE | unix.PARENB
	t.Cflag |= unix.CS8
	t.Cc[unix.VMIN], t.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, t)
}

func control(f *os.File, do func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var done error
	if err := raw.Control(func(fd uintptr) { done = do(int(fd)) }); err != nil { // #nosec G115 -- a descriptor is small
		return err
	}
	return done
}

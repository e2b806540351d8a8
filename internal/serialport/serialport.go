// Package serialport opens serial ports with one of two drivers and hides what sets them apart: exact read
// timeouts, an unplugged device that is told from silence, flow control, exclusive use, and a Close that ends.
//
// Before the driver opens the device we open it once more ourselves. What the drivers lack is done on that second
// descriptor: it carries the lock, sets the flow control (termios belongs to the terminal, not to a descriptor),
// drops buffers, and is what poll(2) waits on, so that no Read of a driver ever blocks. Both drivers have traps
// there (page of facts, section 1): go.bug.st/serial panics beyond 1024 descriptors and can read a descriptor that was
// closed; tarm/serial rounds timeouts to 100 ms, answers io.EOF to silence and to unplugging alike, lets two programs
// share the bytes, and its Close waits for ever for a Read or Write that blocks.
package serialport

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Port is an open serial port. One goroutine may read while another one writes; the rest may be called at any time.
type Port interface {
	// Read returns 0 and no error when the timeout passes without a byte, and ErrUnplugged when the device is gone.
	Read([]byte) (int, error)
	// Write blocks while the device takes no bytes, until Close.
	Write([]byte) (int, error)
	// SetReadTimeout holds from the next Read on. A port that was just opened waits for ever.
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
	ResetOutputBuffer() error
	// Close ends a Read at once. What was written is sent if the device takes it within 3 s; a blocked Write ends.
	Close() error
}

// Errors of Open and of an open port.
var (
	ErrBusy        = errors.New("another program has the port")
	ErrDenied      = errors.New("no permission to open the port: add the service's user to the group dialout")
	ErrNoPort      = errors.New("not a serial port")
	ErrUnable      = errors.New("the port can not do this")
	ErrDescriptors = errors.New("too many open files for go.bug.st/serial: choose the driver tarm")
	ErrUnplugged   = errors.New("the device was unplugged")
	ErrClosed      = errors.New("the port is closed")
)

const (
	// drain is how long Close waits for bytes that were written and not sent. A label's end is worth it; the kernel
	// itself would wait 30 s for a device that holds back.
	drain = 3 * time.Second
	// closeLimit is how long Close waits for a driver that can not close. It is left behind then, and ends with the device.
	closeLimit = time.Second
	// look is the time between looks at what can not be waited for.
	look = 5 * time.Millisecond
	// driverTimeout limits a driver's own Read, which is asked only when bytes are there.
	driverTimeout = 100 * time.Millisecond
)

// opened is what a driver gives.
type opened interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	Close() error
}

type port struct {
	driver opened
	wait   atomic.Int64 // read timeout in nanoseconds; below 0 for ever
	closed atomic.Bool

	reading sync.Mutex    // held by Read
	writing chan struct{} // holds a token while a Write runs

	mu   sync.RWMutex // guards the life of the descriptors below
	ctl  int          // our own descriptor of the device
	wake int          // eventfd that ends a Read
}

// Open opens the device at path for nobody else. What came before is not read.
func Open(path string, line Line) (Port, error) {
	p, err := open(path, line)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return p, nil
}

func open(path string, line Line) (_ *port, err error) {
	line, err = line.Checked()
	if err != nil {
		return nil, err
	}
	ctl, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EBUSY):
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM), errors.Is(err, unix.EROFS):
		return nil, fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.Is(err, unix.EISDIR):
		return nil, fmt.Errorf("%w: %w", ErrNoPort, err)
	case err != nil:
		return nil, err
	}
	p := &port{ctl: ctl, wake: -1, writing: make(chan struct{}, 1)}
	p.wait.Store(-1)
	defer func() {
		if err != nil {
			err = errors.Join(err, p.letGo())
		}
	}()
	if _, err := unix.IoctlGetTermios(ctl, unix.TCGETS); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPort, err)
	}
	// The kernel's TIOCEXCL does not stop root; the lock stops everybody who asks for it, as we and most others do.
	if err := unix.Flock(ctl, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, ErrBusy
		}
		return nil, err
	}
	if p.wake, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return nil, err
	}
	if p.driver, err = drivers[line.Driver](path, line); err != nil {
		return nil, err
	}
	err = unix.IoctlSetInt(ctl, unix.TIOCEXCL, 0)
	if err == nil {
		err = line.apply(ctl)
	}
	if err == nil { // bytes from before the opening are delivered otherwise: half a scan at best
		err = p.ResetInputBuffer()
	}
	if err != nil {
		return nil, errors.Join(err, p.driver.Close())
	}
	return p, nil
}

// letGo closes our own descriptors, and with them gives up the lock.
func (p *port) letGo() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := unix.Close(p.ctl)
	if p.wake >= 0 {
		err = errors.Join(err, unix.Close(p.wake))
	}
	p.ctl, p.wake = -1, -1
	return err
}

// control does something with our own descriptor while it is open.
func (p *port) control(do func(ctl int) error) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.ctl < 0 {
		return ErrClosed
	}
	return do(p.ctl)
}

func (p *port) SetReadTimeout(d time.Duration) error {
	p.wait.Store(int64(d))
	return nil
}

func (p *port) ResetInputBuffer() error {
	return p.control(func(ctl int) error { return unix.IoctlSetInt(ctl, unix.TCFLSH, unix.TCIFLUSH) })
}

func (p *port) ResetOutputBuffer() error {
	return p.control(func(ctl int) error { return unix.IoctlSetInt(ctl, unix.TCFLSH, unix.TCOFLUSH) })
}

func (p *port) Read(b []byte) (int, error) {
	p.reading.Lock()
	defer p.reading.Unlock()
	wait := time.Duration(p.wait.Load())
	deadline := time.Now().Add(wait)
	for {
		if p.closed.Load() {
			return 0, ErrClosed
		}
		events, err := p.poll(wait)
		switch {
		case err != nil:
			return 0, err
		case p.closed.Load():
			return 0, ErrClosed
		case events == 0:
			return 0, nil
		}
		n, err := p.driver.Read(b)
		switch {
		case n > 0:
			return n, nil
		case p.closed.Load():
			return 0, ErrClosed
		case errors.Is(err, ErrDescriptors):
			return 0, err
		case events&(unix.POLLHUP|unix.POLLERR|unix.POLLNVAL) != 0:
			return 0, fmt.Errorf("%w: %w", ErrUnplugged, errOr(err, io.EOF))
		case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.EAGAIN):
			return 0, unplugged(err)
		}
		// The bytes that were there are gone: the buffer was reset.
		if wait >= 0 {
			if wait = time.Until(deadline); wait <= 0 {
				return 0, nil
			}
		}
	}
}

// poll waits for bytes, for the end of the line or for Close. It returns 0 when the time is up.
func (p *port) poll(wait time.Duration) (int16, error) {
	p.mu.RLock()                                                                                            // Close waits for Read before it takes the descriptors away
	fds := []unix.PollFd{{Fd: int32(p.ctl), Events: unix.POLLIN}, {Fd: int32(p.wake), Events: unix.POLLIN}} // #nosec G115 -- descriptors
	p.mu.RUnlock()
	if fds[0].Fd < 0 {
		return 0, ErrClosed
	}
	deadline := time.Now().Add(wait)
	for {
		var limit *unix.Timespec
		if wait >= 0 {
			t := unix.NsecToTimespec(int64(max(0, time.Until(deadline))))
			limit = &t
		}
		_, err := unix.Ppoll(fds, limit, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, err
		}
		return fds[0].Revents, nil
	}
}

func errOr(err, other error) error {
	if err == nil {
		return other
	}
	return err
}

// unplugged says what an input or output error of a terminal means.
func unplugged(err error) error {
	if errors.Is(err, unix.EIO) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("%w: %w", ErrUnplugged, err)
	}
	return err
}

func (p *port) Write(b []byte) (int, error) {
	p.writing <- struct{}{}
	defer func() { <-p.writing }()
	if p.closed.Load() {
		return 0, ErrClosed
	}
	n, err := p.driver.Write(b)
	if err != nil && p.closed.Load() {
		return max(n, 0), fmt.Errorf("%w: %w", ErrClosed, err)
	}
	if err != nil {
		err = unplugged(err)
	}
	return max(n, 0), err
}

func (p *port) Close() error {
	if p.closed.Swap(true) {
		return nil
	}
	one := [8]byte{0: 1, 7: 1} // not zero in either byte order
	_, err := unix.Write(p.wake, one[:])
	p.reading.Lock() // a Read has seen that, or ends after driverTimeout
	defer p.reading.Unlock()
	p.settle()
	_ = p.control(func(ctl int) error { return unix.IoctlSetInt(ctl, unix.TIOCNXCL, 0) }) // fails where the device is gone
	ended := make(chan error, 1)
	go func() { ended <- p.driver.Close() }()
	select {
	case e := <-ended:
		err = errors.Join(err, e)
	case <-time.After(closeLimit): // a write is stuck inside the kernel: it keeps the driver's descriptor until the device goes
	}
	return errors.Join(err, p.letGo())
}

// settle lets what was written go out, and ends a Write that blocks. After it the device has nothing to wait for, or
// could not be made to.
func (p *port) settle() {
	for end := time.Now().Add(drain); time.Now().Before(end) && !p.stuck(); time.Sleep(look) {
		waiting := 0
		if err := p.control(func(ctl int) (err error) { waiting, err = unix.IoctlGetInt(ctl, unix.TIOCOUTQ); return err }); err != nil || waiting == 0 {
			break
		}
	}
	_ = p.ResetOutputBuffer() // nothing there on the usual way
	for end := time.Now().Add(closeLimit); time.Now().Before(end) && p.stuck(); time.Sleep(look) {
		// Room for the rest of the write, and no XOFF that holds it: a terminal without IXON goes on.
		_ = p.control(func(ctl int) error {
			t, err := unix.IoctlGetTermios(ctl, unix.TCGETS)
			if err == nil {
				t.Iflag &^= unix.IXON | unix.IXOFF
				t.Cflag &^= unix.CRTSCTS
				err = unix.IoctlSetTermios(ctl, unix.TCSETS, t)
			}
			return err
		})
		_ = p.ResetOutputBuffer()
	}
}

// stuck tells whether a Write is under way.
func (p *port) stuck() bool { return len(p.writing) > 0 }

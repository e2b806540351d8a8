// Package device owns the serial ports of a node: scanners, which it listens to for ever, and
// label printers, which it never trusts to have printed.
//
// A device is named by a stable path, such as one under /dev/serial/by-id. While it is away the
// port is opened again and again; plugging it back in needs no restart and no button. One
// goroutine reads a port and closes it, another one writes it. What a device does or fails to do shows
// in its Status and never stops scanning at another one.
package device

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"time"

	"go.bug.st/serial"
)

// Port is an open serial port. SetReadTimeout, Read and Close belong to one goroutine, so that no
// Read meets a descriptor that was closed and given to another file.
type Port interface {
	// Read returns 0 and no error when the timeout passes without a byte.
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	SetReadTimeout(time.Duration) error
	ResetInputBuffer() error
	ResetOutputBuffer() error
	Close() error
}

// Open opens a port by its path. What came before the opening is not read.
type Open func(path string, baud int) (Port, error)

// maxDescriptor is the highest file descriptor that go.bug.st/serial can wait on: it uses
// select(2), whose set ends at 1024, and panics beyond.
const maxDescriptor = 1024 - 8

// ErrDescriptors is returned when the process has too many open files for another port.
var ErrDescriptors = errors.New("too many open files for a serial port")

// OpenSerial opens a port with go.bug.st/serial: 8 data bits, no parity, 1 stop bit, exclusive.
func OpenSerial(path string, baud int) (Port, error) {
	probe, err := os.Open(os.DevNull)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	next := probe.Fd() // the port gets this number or a lower one that is freed meanwhile
	if err := probe.Close(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	if next >= maxDescriptor {
		return nil, fmt.Errorf("open %s: %w", path, ErrDescriptors)
	}
	p, err := serial.Open(path, &serial.Mode{BaudRate: baud, DataBits: 8})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	// Bytes from before the opening are delivered otherwise: half a scan at best.
	if err := p.ResetInputBuffer(); err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Join(err, p.Close()))
	}
	return bounded{p}, nil
}

// bounded makes an error of the panic with which Read meets a descriptor beyond select's set: other
// parts of the program may open files between the look at the numbers and the opening.
type bounded struct{ serial.Port }

func (p bounded) Read(b []byte) (n int, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error:
			n, err = 0, fmt.Errorf("%w: %w", ErrDescriptors, r)
		default:
			panic(r)
		}
	}()
	return p.Port.Read(b)
}

// stateOf tells what an opening error means for the device.
func stateOf(err error) State {
	var pe *serial.PortError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Absent
	case errors.As(err, &pe) && pe.Code() == serial.PortNotFound:
		return Absent
	case errors.As(err, &pe) && pe.Code() == serial.PortBusy:
		return Busy
	}
	return Failed
}

// Delays between attempts to open a port. A connection shorter than lastTry counts as a failed attempt,
// so that a port which opens and breaks at once does not keep the machine busy.
const (
	firstTry = 50 * time.Millisecond
	lastTry  = time.Second
)

// keepOpen opens the port, lets serve use it to its end and begins again, until ctx ends.
func keepOpen(ctx context.Context, c Config, open Open, st *status, serve func(Port) error) {
	for delay := firstTry; ctx.Err() == nil; delay = min(2*delay, lastTry) {
		port, err := open(c.Path, c.Baud)
		if err != nil {
			st.set(stateOf(err), err)
			pause(ctx, delay)
			continue
		}
		since := time.Now()
		st.opened()
		err = serve(port)
		_ = port.Close() // a device that went away has nothing left to say
		if ctx.Err() != nil {
			return
		}
		st.lost(err)
		if time.Since(since) > lastTry {
			delay = firstTry
		}
		pause(ctx, delay)
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

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
	"io/fs"
	"syscall"
	"time"

	"stockade/internal/serialport"
)

// Port is an open serial port, see package serialport.
type Port = serialport.Port

// Open opens a port by its path. What came before the opening is not read.
type Open func(path string, baud int) (Port, error)

// OpenSerial opens a port with the usual driver: 8 data bits, no parity, 1 stop bit, exclusive.
func OpenSerial(path string, baud int) (Port, error) { return OpenLine(serialport.Line{})(path, baud) }

// OpenLine returns what opens ports with the settings of line; the speed comes with the path.
func OpenLine(line serialport.Line) Open {
	return func(path string, baud int) (Port, error) {
		line := line
		line.Baud = baud
		return serialport.Open(path, line)
	}
}

// stateOf tells what an opening error means for the device.
func stateOf(err error) State {
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.ENODEV):
		return Absent
	case errors.Is(err, serialport.ErrBusy):
		return Busy
	case errors.Is(err, serialport.ErrDenied):
		return Denied
	}
	return Failed
}

// problemOf names the text under "device." that tells a person what to do about an error.
func problemOf(err error) string {
	for _, p := range []struct {
		err  error
		word string
	}{
		{serialport.ErrBusy, "busy"}, {serialport.ErrDenied, "denied"}, {serialport.ErrNoPort, "no_port"}, {serialport.ErrUnable, "unable"},
		{serialport.ErrDescriptors, "descriptors"}, {serialport.ErrUnplugged, "unplugged"}, {fs.ErrNotExist, "absent"}, {syscall.ENXIO, "absent"},
		{syscall.ENODEV, "absent"}, {ErrNotTaken, "not_taken"}, {ErrNoise, "noise"}, {errTooLong, "too_long"},
		{errFault, "fault"}, {errNonsense, "nonsense"}, {errQueue, "queue"},
	} {
		if errors.Is(err, p.err) {
			return "error_" + p.word
		}
	}
	return "error_other"
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

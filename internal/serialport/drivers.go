package serialport

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	tarm "github.com/tarm/serial"
	bugst "go.bug.st/serial"
)

// drivers open a port by their library's means.
var drivers map[Driver]func(path string, l Line) (opened, error)

func init() { // Line.Checked looks into it, and the drivers get lines
	drivers = map[Driver]func(string, Line) (opened, error){Bugst: openBugst, Tarm: openTarm}
}

// maxDescriptor is the highest file descriptor that go.bug.st/serial can wait on: it uses select(2), whose set ends
// at 1024, and panics beyond. It opens the port and a pipe.
var maxDescriptor uintptr = 1024 - 8

func openBugst(path string, l Line) (opened, error) {
	probe, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	next := probe.Fd() // the port gets this number or a lower one that is freed meanwhile
	if err := probe.Close(); err != nil {
		return nil, err
	}
	if next >= maxDescriptor {
		return nil, ErrDescriptors
	}
	mode := &bugst.Mode{BaudRate: l.Baud, DataBits: l.DataBits, StopBits: bugst.OneStopBit}
	if l.StopBits == 2 {
		mode.StopBits = bugst.TwoStopBits
	}
	switch l.Parity {
	case Odd:
		mode.Parity = bugst.OddParity
	case Even:
		mode.Parity = bugst.EvenParity
	}
	p, err := bugst.Open(path, mode)
	var pe *bugst.PortError
	switch {
	case errors.As(err, &pe) && pe.Code() == bugst.PortBusy:
		return nil, fmt.Errorf("%w: %w", ErrBusy, err)
	case errors.As(err, &pe) && pe.Code() == bugst.PermissionDenied:
		return nil, fmt.Errorf("%w: %w", ErrDenied, err)
	case errors.As(err, &pe) && pe.Code() == bugst.PortNotFound:
		return nil, fmt.Errorf("%w: %w", fs.ErrNotExist, err)
	case err != nil:
		return nil, err
	}
	if err := p.SetReadTimeout(driverTimeout); err != nil { // once, before anybody reads: later it would be a data race
		return nil, errors.Join(err, p.Close())
	}
	return bounded{p}, nil
}

// bounded makes an error of the panic with which Read meets a descriptor beyond select's set: other
// parts of the program may open files between the look at the numbers and the opening.
type bounded struct{ bugst.Port }

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

func openTarm(path string, l Line) (opened, error) {
	c := &tarm.Config{Name: path, Baud: l.Baud, Size: byte(l.DataBits), Parity: tarm.ParityNone, StopBits: tarm.Stop1, ReadTimeout: driverTimeout} // #nosec G115 -- 7 or 8
	if l.StopBits == 2 {
		c.StopBits = tarm.Stop2
	}
	switch l.Parity {
	case Odd:
		c.Parity = tarm.ParityOdd
	case Even:
		c.Parity = tarm.ParityEven
	}
	p, err := tarm.OpenPort(c)
	switch {
	case errors.Is(err, os.ErrPermission):
		return nil, fmt.Errorf("%w: %w", ErrDenied, err)
	case err != nil: // never a nil pointer inside an interface
		return nil, err
	}
	return p, nil
}

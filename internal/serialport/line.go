package serialport

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// Driver names the library that opens ports.
type Driver string

// The drivers.
const (
	Bugst Driver = "bugst" // go.bug.st/serial
	Tarm  Driver = "tarm"  // github.com/tarm/serial: works with any number of open files
)

// Flow is how one side makes the other wait.
type Flow string

// The kinds of flow control.
const (
	NoFlow  Flow = "none"
	XonXoff Flow = "xonxoff" // bytes 0x11 and 0x13 are taken out of the data
	RtsCts  Flow = "rtscts"
)

// Parity is the check bit of a character.
type Parity string

// The parities that both drivers know.
const (
	NoParity Parity = "none"
	Odd      Parity = "odd"
	Even     Parity = "even"
)

// Line says how a serial line is set. Zero fields are the usual ones: driver bugst, 9600 baud, 8 data bits, no parity,
// 1 stop bit, no flow control.
type Line struct {
	Driver   Driver
	Baud     int // bits a second
	DataBits int // 7 or 8
	Parity   Parity
	StopBits int // 1 or 2
	Flow     Flow
}

// Checked returns the line with its zero fields filled in, or what is wrong with it.
func (l Line) Checked() (Line, error) {
	fill := func(v *int, usual int) {
		if *v == 0 {
			*v = usual
		}
	}
	fill(&l.Baud, 9600)
	fill(&l.DataBits, 8)
	fill(&l.StopBits, 1)
	if l.Driver == "" {
		l.Driver = Bugst
	}
	if l.Parity == "" {
		l.Parity = NoParity
	}
	if l.Flow == "" {
		l.Flow = NoFlow
	}
	switch {
	case drivers[l.Driver] == nil:
		return l, fmt.Errorf("driver %q: want %s or %s", l.Driver, Bugst, Tarm)
	case bauds[l.Baud] == 0:
		return l, fmt.Errorf("baud %d: want a usual speed such as 9600, 19200, 38400, 57600 or 115200", l.Baud)
	case l.DataBits != 7 && l.DataBits != 8:
		return l, fmt.Errorf("data_bits %d: want 7 or 8", l.DataBits)
	case l.Parity != NoParity && l.Parity != Odd && l.Parity != Even:
		return l, fmt.Errorf("parity %q: want none, odd or even", l.Parity)
	case l.StopBits != 1 && l.StopBits != 2:
		return l, fmt.Errorf("stop_bits %d: want 1 or 2", l.StopBits)
	case l.Flow != NoFlow && l.Flow != XonXoff && l.Flow != RtsCts:
		return l, fmt.Errorf("flow %q: want none, xonxoff or rtscts", l.Flow)
	}
	return l, nil
}

// bauds are the speeds that both drivers can set.
var bauds = map[int]uint32{1200: unix.B1200, 2400: unix.B2400, 4800: unix.B4800, 9600: unix.B9600, 19200: unix.B19200, 38400: unix.B38400,
	57600: unix.B57600, 115200: unix.B115200, 230400: unix.B230400, 460800: unix.B460800, 921600: unix.B921600}

// String returns the line as people write it, such as "9600 7E1 xonxoff".
func (l Line) String() string {
	c, err := l.Checked()
	if err != nil {
		return err.Error()
	}
	s := fmt.Sprintf("%d %d%c%d", c.Baud, c.DataBits, map[Parity]rune{NoParity: 'N', Odd: 'O', Even: 'E'}[c.Parity], c.StopBits)
	if c.Flow != NoFlow {
		s += " " + string(c.Flow)
	}
	return s
}

// apply sets what the drivers have no way to set, and makes line errors the same for both: a damaged byte arrives as
// 0x00, which the decoder knows as noise, and is not dropped in silence. It fails when the terminal did not take it.
func (l Line) apply(fd int) error {
	t, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	t.Iflag &^= unix.IXON | unix.IXOFF | unix.IXANY | unix.IGNPAR | unix.PARMRK | unix.INPCK
	t.Cflag &^= unix.CRTSCTS
	if l.Parity != NoParity {
		t.Iflag |= unix.INPCK
	}
	switch l.Flow {
	case XonXoff:
		t.Iflag |= unix.IXON | unix.IXOFF
		t.Cc[unix.VSTART], t.Cc[unix.VSTOP] = 0x11, 0x13 // tarm leaves them 0, which means none
	case RtsCts:
		t.Cflag |= unix.CRTSCTS
	}
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, t); err != nil {
		return err
	}
	got, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	const flow = unix.IXON | unix.IXOFF
	if got.Iflag&flow != t.Iflag&flow || got.Cflag&unix.CRTSCTS != t.Cflag&unix.CRTSCTS {
		return fmt.Errorf("%w: flow control %s", ErrUnable, l.Flow)
	}
	if !pseudo(fd) && (got.Cflag&unix.PARENB != 0) != (l.Parity != NoParity) || !pseudo(fd) && (got.Cflag&unix.CSIZE == unix.CS7) != (l.DataBits == 7) {
		return fmt.Errorf("%w: %d data bits, parity %s", ErrUnable, l.DataBits, l.Parity)
	}
	return nil
}

// pseudo tells whether a terminal has no line: then the kernel forces 8 bits without parity, and nothing is damaged by it.
func pseudo(fd int) bool {
	var st unix.Stat_t
	const first, last = 136, 143 // majors of /dev/pts (Linux, devices.txt)
	return unix.Fstat(fd, &st) == nil && unix.Major(st.Rdev) >= first && unix.Major(st.Rdev) <= last
}

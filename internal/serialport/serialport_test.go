package serialport

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen in the end.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// within fails the test when do takes longer than patience.
func within(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("never ends: %s", what)
	}
}

// device is the other end of a pseudo-terminal.
type device struct {
	*os.File
	path  string
	slave *os.File
}

func newDevice(t *testing.T) *device {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	d := &device{master, slave.Name(), slave}
	settings, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0 // a terminal that nobody has set up echoes
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, settings); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.unplug)
	return d
}

func (d *device) unplug() { _, _ = d.slave.Close(), d.Close() }

func (d *device) send(t *testing.T, s string) {
	t.Helper()
	if _, err := d.WriteString(s); err != nil {
		t.Fatal(err)
	}
}

func bothDrivers(t *testing.T, test func(t *testing.T, driver Driver)) {
	for _, d := range []Driver{Bugst, Tarm} {
		t.Run(string(d), func(t *testing.T) { test(t, d) })
	}
}

func opens(t *testing.T, d *device, l Line) Port {
	t.Helper()
	p, err := Open(d.path, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { within(t, "close", func() { _ = p.Close() }) })
	return p
}

// descriptors counts the open files of this process.
func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// read collects n bytes, however they are cut.
func read(t *testing.T, p Port, n int) string {
	t.Helper()
	var got []byte
	within(t, "read", func() {
		buf := make([]byte, 4096)
		for len(got) < n {
			m, err := p.Read(buf)
			if err != nil {
				t.Errorf("read after %q: %v", got, err)
				return
			}
			got = append(got, buf[:m]...)
		}
	})
	return string(got)
}

func TestBytesAndTimeouts(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		d := newDevice(t)
		d.send(t, "old\r")
		p := opens(t, d, Line{Driver: driver})
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		d.send(t, string(all))
		if got := read(t, p, len(all)); got != string(all) {
			t.Errorf("got %q, want all bytes and none from before the opening", got)
		}
		for _, wait := range []time.Duration{0, time.Millisecond, 35 * time.Millisecond} {
			if err := p.SetReadTimeout(wait); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			if n, err := p.Read(make([]byte, 8)); n != 0 || err != nil {
				t.Errorf("silence gives %d, %v", n, err)
			}
			if took := time.Since(began); took < wait || took > wait+90*time.Millisecond { // a driver's own step of 100 ms would show
				t.Errorf("a read of %v took %v", wait, took)
			}
		}
		if n, err := p.Write(all); n != len(all) || err != nil {
			t.Fatalf("wrote %d, %v", n, err)
		}
		got := make([]byte, 0, len(all))
		within(t, "the device reads", func() {
			for buf := make([]byte, 512); len(got) < len(all); {
				n, err := d.Read(buf)
				if err != nil {
					t.Error(err)
					return
				}
				got = append(got, buf[:n]...)
			}
		})
		if !bytes.Equal(got, all) {
			t.Errorf("the device got %q", got)
		}
		d.send(t, "lost")
		eventually(t, "bytes wait", func() bool { n, err := unix.IoctlGetInt(int(d.slave.Fd()), unix.TIOCINQ); return n == 4 && err == nil })
		if err := p.ResetInputBuffer(); err != nil {
			t.Fatal(err)
		}
		d.send(t, "new")
		_ = p.SetReadTimeout(-1)
		if got := read(t, p, 3); got != "new" {
			t.Errorf("got %q after the buffer was reset", got)
		}
	})
}

// A device that goes away is told from one that is silent, in every state of the port.
func TestUnplugged(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		for _, wait := range []time.Duration{0, 10 * time.Millisecond, -1} {
			d := newDevice(t)
			p := opens(t, d, Line{Driver: driver})
			_ = p.SetReadTimeout(wait)
			go d.unplug() // before, during or after the first Read
			within(t, "the end is seen", func() {
				for {
					n, err := p.Read(make([]byte, 8))
					if errors.Is(err, ErrUnplugged) {
						break
					}
					if n != 0 || err != nil {
						t.Errorf("read %d, %v", n, err)
						break
					}
				}
			})
			if _, err := p.Write([]byte("x")); !errors.Is(err, ErrUnplugged) {
				t.Errorf("write: %v, want %v", err, ErrUnplugged)
			}
			within(t, "close", func() { _ = p.Close() })
			if _, err := Open(d.path, Line{Driver: driver}); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("open again: %v, want that it does not exist", err)
			}
		}
	})
}

func TestCloseEndsRead(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		d := newDevice(t)
		for range 50 {
			p := opens(t, d, Line{Driver: driver})
			ended := make(chan error, 1)
			go func() { _, err := p.Read(make([]byte, 8)); ended <- err }()
			runtime.Gosched()
			within(t, "close while a read blocks", func() {
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
			if err := <-ended; !errors.Is(err, ErrClosed) {
				t.Fatalf("read: %v, want %v", err, ErrClosed)
			}
		}
		p := opens(t, d, Line{Driver: driver})
		_ = p.SetReadTimeout(-1)
		d.send(t, "whole")
		if got := read(t, p, 5); got != "whole" { // no byte went to a reader of before
			t.Errorf("got %q", got)
		}
	})
}

// fill writes until the device takes no more, and returns when a write blocks.
func fill(t *testing.T, p Port) (ended chan error) {
	t.Helper()
	ended = make(chan error, 1)
	var wrote atomic.Int64
	go func() {
		for {
			n, err := p.Write(bytes.Repeat([]byte("x"), 256))
			if wrote.Add(int64(n)); err != nil {
				ended <- err
				return
			}
		}
	}()
	still, last := 0, int64(-1)
	eventually(t, "a write blocks", func() bool {
		if now := wrote.Load(); now != last {
			still, last = 0, now
		}
		still++
		return len(p.(*port).writing) > 0 && still > 100
	})
	return ended
}

func TestCloseEndsWrite(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		for _, how := range []string{"nobody reads", "XOFF"} {
			d := newDevice(t)
			p := opens(t, d, Line{Driver: driver, Flow: map[string]Flow{"XOFF": XonXoff}[how]})
			if how == "XOFF" {
				d.send(t, "\x13")
			}
			before := descriptors(t)
			ended := fill(t, p)
			began := time.Now()
			within(t, "close while a write blocks: "+how, func() { _ = p.Close() })
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%s: close took %v", how, took)
			}
			within(t, "the blocked write ends: "+how, func() {
				if err := <-ended; !errors.Is(err, ErrClosed) {
					t.Errorf("%s: write: %v", how, err)
				}
			})
			eventually(t, "its descriptors are closed", func() bool { return descriptors(t) < before })
			q := opens(t, d, Line{Driver: driver}) // free again
			_ = q.Close()
		}
	})
}

func TestExclusive(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		d := newDevice(t)
		p := opens(t, d, Line{Driver: driver})
		for _, second := range []Driver{Bugst, Tarm} {
			before := descriptors(t)
			if _, err := Open(d.path, Line{Driver: second}); !errors.Is(err, ErrBusy) { // as root too
				t.Errorf("second open with %s: %v, want %v", second, err, ErrBusy)
			}
			if now := descriptors(t); now != before {
				t.Errorf("%d descriptors after a refused opening, %d before", now, before)
			}
		}
		d.send(t, "mine")
		if got := read(t, p, 4); got != "mine" {
			t.Errorf("got %q", got)
		}
		if n, err := unix.IoctlGetInt(int(d.slave.Fd()), unix.TIOCGEXCL); err != nil || n == 0 {
			t.Errorf("exclusive for others who do not ask: %d, %v", n, err)
		}
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err := unix.IoctlGetInt(int(d.slave.Fd()), unix.TIOCGEXCL); err != nil || n != 0 {
			t.Errorf("still exclusive after Close: %d, %v", n, err)
		}
		_ = opens(t, d, Line{Driver: driver}).Close()
	})
}

// A port that another user owns says who may open it. Root may open all, so another user has to try.
func TestDenied(t *testing.T) {
	if path := os.Getenv("STOCKADE_TEST_PORT"); path != "" {
		for _, driver := range []Driver{Bugst, Tarm} {
			if _, err := Open(path, Line{Driver: driver}); !errors.Is(err, ErrDenied) || !strings.Contains(err.Error(), "dialout") {
				t.Fatalf("%s: %v, want %v", driver, err, ErrDenied)
			}
		}
		return
	}
	if os.Getuid() != 0 {
		t.Skip("only root can become somebody else")
	}
	d := newDevice(t)
	if err := os.Chmod(d.path, 0o600); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self) // the test binary may lie where nobody else can look
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("/tmp", "stockade-denied-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	copied := filepath.Join(dir, "denied.test")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(copied, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), copied, "-test.run=^TestDenied$")
	c.Env, c.Dir = []string{"STOCKADE_TEST_PORT=" + d.path}, "/"
	c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestNoPort(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := descriptors(t)
	bothDrivers(t, func(t *testing.T, driver Driver) {
		for path, want := range map[string]error{"/dev/null": ErrNoPort, file: ErrNoPort, dir: ErrNoPort, filepath.Join(dir, "none"): fs.ErrNotExist} {
			if _, err := Open(path, Line{Driver: driver}); !errors.Is(err, want) || !strings.Contains(err.Error(), path) {
				t.Errorf("open %s: %v, want %v", path, err, want)
			}
		}
	})
	if now := descriptors(t); now != before {
		t.Errorf("%d descriptors, %d before", now, before)
	}
}

// XOFF from the device holds back what is written until XON, and neither is data. Without flow control both are bytes.
func TestFlow(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		d := newDevice(t)
		p := opens(t, d, Line{Driver: driver, Flow: XonXoff})
		d.send(t, "\x13a")
		if got := read(t, p, 1); got != "a" { // the XOFF before it has been heard
			t.Fatalf("got %q", got)
		}
		written, arrived := make(chan error, 1), make(chan string, 1)
		go func() { _, err := p.Write([]byte("label")); written <- err }()
		go func() {
			buf := make([]byte, 16)
			n, _ := d.Read(buf)
			arrived <- string(buf[:n])
		}()
		select {
		case got := <-arrived:
			t.Errorf("after XOFF the device got %q", got)
		case <-time.After(50 * time.Millisecond):
		}
		d.send(t, "\x11")
		within(t, "the label goes on after XON", func() {
			if got := <-arrived; got != "label" {
				t.Errorf("after XON the device got %q", got)
			}
			if err := <-written; err != nil {
				t.Error(err)
			}
		})
		_ = p.Close()

		p = opens(t, d, Line{Driver: driver})
		d.send(t, "\x13\x11")
		if got := read(t, p, 2); got != "\x13\x11" {
			t.Errorf("without flow control got %q", got)
		}
		_ = p.Close()
		p = opens(t, d, Line{Driver: driver, Flow: RtsCts})
		if settings, err := unix.IoctlGetTermios(int(d.slave.Fd()), unix.TCGETS); err != nil || settings.Cflag&unix.CRTSCTS == 0 || settings.Iflag&unix.IXON != 0 {
			t.Errorf("rtscts: %+v, %v", settings, err)
		}
	})
}

// Speed, stop bits and parity reach the terminal, as far as a pseudo-terminal keeps them.
func TestLineSettings(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		d := newDevice(t)
		for baud, flag := range bauds {
			p := opens(t, d, Line{Driver: driver, Baud: baud, DataBits: 7, Parity: Even, StopBits: 2})
			s, err := unix.IoctlGetTermios(int(d.slave.Fd()), unix.TCGETS)
			if err != nil || s.Cflag&(unix.CBAUD) != flag || s.Cflag&unix.CSTOPB == 0 || s.Iflag&unix.INPCK == 0 || s.Iflag&unix.IGNPAR != 0 {
				t.Errorf("%d: %+v, %v", baud, s, err)
			}
			_ = p.Close()
		}
	})
	for l, want := range map[Line]string{
		{}: "9600 8N1", {Baud: 115200, DataBits: 7, Parity: Odd, StopBits: 2, Flow: XonXoff}: "115200 7O2 xonxoff",
		{Driver: "x"}: `driver "x"`, {Baud: 12345}: "baud 12345", {DataBits: 9}: "data_bits 9", {Parity: "mark"}: `parity "mark"`, {StopBits: 3}: "stop_bits 3", {Flow: "dtr"}: `flow "dtr"`,
	} {
		if got := l.String(); !strings.HasPrefix(got, want) {
			t.Errorf("%+v is %q, want %q", l, got, want)
		}
	}
}

// manyFiles opens files until every further descriptor is beyond what select(2) can wait on.
func manyFiles(t *testing.T) {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Max < 2048 {
		t.Skipf("no more than %d files may be opened here", limit.Max)
	}
	raised := limit
	raised.Cur = max(raised.Cur, 2048)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &raised); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Setrlimit(unix.RLIMIT_NOFILE, &limit) })
	for {
		f, err := os.Open(os.DevNull)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if f.Fd() >= 1100 {
			return
		}
	}
}

func TestManyFiles(t *testing.T) {
	d := newDevice(t)
	early := opens(t, d, Line{Driver: Bugst}) // opened while there was room: works on
	manyFiles(t)
	d.send(t, "early")
	if got := read(t, early, 5); got != "early" {
		t.Errorf("got %q", got)
	}
	if _, err := Open(newDevice(t).path, Line{Driver: Bugst}); !errors.Is(err, ErrDescriptors) {
		t.Errorf("bugst beyond 1024 files: %v, want %v", err, ErrDescriptors)
	}
	e := newDevice(t)
	p := opens(t, e, Line{Driver: Tarm})
	e.send(t, "many")
	if got := read(t, p, 4); got != "many" {
		t.Errorf("tarm beyond 1024 files: got %q", got)
	}
	if n, err := p.Write([]byte("ok")); n != 2 || err != nil {
		t.Errorf("wrote %d, %v", n, err)
	}
	_ = p.SetReadTimeout(time.Millisecond)
	if n, err := p.Read(make([]byte, 4)); n != 0 || err != nil {
		t.Errorf("silence gives %d, %v", n, err)
	}
	e.unplug()
	_ = p.SetReadTimeout(-1)
	if _, err := p.Read(make([]byte, 4)); !errors.Is(err, ErrUnplugged) {
		t.Errorf("unplugged: %v", err)
	}
}

// As if the files had been opened between the look at the numbers and the opening: an error, no panic.
func TestPanicOfSelect(t *testing.T) {
	d := newDevice(t)
	manyFiles(t)
	t.Cleanup(func(limit uintptr) func() { return func() { maxDescriptor = limit } }(maxDescriptor))
	maxDescriptor = 1 << 20
	p := opens(t, d, Line{Driver: Bugst})
	d.send(t, "x")
	if n, err := p.Read(make([]byte, 8)); n != 0 || !errors.Is(err, ErrDescriptors) {
		t.Errorf("read %d, %v, want %v", n, err, ErrDescriptors)
	}
}

// Opening and closing leaves nothing behind, plugged or not.
func TestLeavesNothing(t *testing.T) {
	bothDrivers(t, func(t *testing.T, driver Driver) {
		turn := func(i int) {
			d := newDevice(t)
			p, err := Open(d.path, Line{Driver: driver})
			if err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				d.unplug()
			}
			_ = p.Close()
			_ = p.Close() // twice does no harm
			for what, err := range map[string]error{"reset": p.ResetInputBuffer(), "write": second(p.Write([]byte("x"))), "read": second(p.Read(make([]byte, 1)))} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("%s after Close: %v", what, err)
				}
			}
			d.unplug()
		}
		turn(0)
		files, goroutines := descriptors(t), runtime.NumGoroutine()
		for i := range 40 {
			turn(i)
		}
		eventually(t, fmt.Sprintf("%d descriptors and %d goroutines", files, goroutines), func() bool { return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines })
	})
}

func second(_ int, err error) error { return err }

package device

import (
	"errors"
	"os"
	"testing"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"
)

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

func TestTooManyFiles(t *testing.T) {
	c := newCable(t)
	c.plug()
	manyFiles(t)
	if _, err := OpenSerial(c.link, 9600); !errors.Is(err, ErrDescriptors) {
		t.Errorf("%v, want ErrDescriptors", err)
	}
	p, err := serial.Open(c.link, &serial.Mode{BaudRate: 9600}) // as if the files had been opened after the look
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if n, err := (bounded{p}).Read(make([]byte, 8)); n != 0 || !errors.Is(err, ErrDescriptors) {
		t.Errorf("read %d, %v, want ErrDescriptors", n, err)
	}
}

// Whatever the baud rate of a printer, the wait for its answer ends.
func TestWireTime(t *testing.T) {
	for _, tt := range []struct {
		n, baud int
		want    string
	}{{0, 9600, "0s"}, {960, 9600, "1s"}, {1 << 30, 115200, "711.111111ms"}} {
		if got := wireTime(tt.n, tt.baud).String(); got != tt.want {
			t.Errorf("wireTime(%d, %d) = %s, want %s", tt.n, tt.baud, got, tt.want)
		}
	}
}

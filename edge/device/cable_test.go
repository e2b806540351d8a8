package device

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen in the end.
const patience = 30 * time.Second

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

// cable is a device's end of a pseudo-terminal behind a stable name.
type cable struct {
	t    *testing.T
	link string

	mu            sync.Mutex
	master, slave *os.File
}

func newCable(t *testing.T) *cable {
	t.Helper()
	c := &cable{t: t, link: filepath.Join(t.TempDir(), "port")}
	t.Cleanup(c.unplug)
	return c
}

// plug makes a new terminal: another number behind the same name, as with a real adapter.
func (c *cable) plug() {
	c.t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		c.t.Fatal(err)
	}
	fd := int(slave.Fd())
	settings, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		c.t.Fatal(err)
	}
	settings.Iflag, settings.Oflag, settings.Lflag = 0, 0, 0
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, settings); err != nil {
		c.t.Fatal(err)
	}
	c.mu.Lock()
	c.master, c.slave = master, slave
	c.mu.Unlock()
	if err := os.Symlink(slave.Name(), c.link); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cable) unplug() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.master == nil {
		return
	}
	_ = os.Remove(c.link)
	_ = c.slave.Close()
	_ = c.master.Close()
	c.master = nil
}

func (c *cable) end() *os.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.master
}

// send sends b in pieces of size bytes.
func (c *cable) send(b string, size int) {
	c.t.Helper()
	for piece := range slices.Chunk([]byte(b), size) {
		if _, err := c.end().Write(piece); err != nil {
			c.t.Fatalf("send %q: %v", piece, err)
		}
	}
}

// start runs a device until the test ends, and checks that it leaves nothing behind.
func start(t *testing.T, run func(context.Context) error) (stop func()) {
	t.Helper()
	before := ours()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("ended with %v", err)
			}
		case <-time.After(patience):
			t.Error("does not end with its context")
		}
		eventually(t, "all goroutines of the device have ended", func() bool { return ours() <= before })
	})
	t.Cleanup(stop)
	return stop
}

// ours counts the goroutines that run code of this package outside tests.
func ours() int {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	n := 0
	for stack := range strings.SplitSeq(string(buf), "\n\n") {
		if strings.Contains(stack, "device.(*writer)") || strings.Contains(stack, "device.startWriter") || strings.Contains(stack, "device.(*Scanner)") || strings.Contains(stack, "device.(*Printer)") {
			n++
		}
	}
	return n
}

func quietLog() *slog.Logger { return slog.New(slog.DiscardHandler) }

// scripted is a port whose input is written down: bytes, a silence, or the end.
type scripted struct {
	steps chan string // "" is a silence, a closed channel the end of the line
	block chan struct{}
	mu    sync.Mutex
	wrote []byte
	reset int
}

func newScripted(steps ...string) *scripted {
	p := &scripted{steps: make(chan string, len(steps)+16)}
	for _, s := range steps {
		p.steps <- s
	}
	return p
}

func (p *scripted) Read(b []byte) (int, error) {
	select {
	case s, ok := <-p.steps:
		if !ok {
			return 0, io.ErrUnexpectedEOF
		}
		return copy(b, s), nil
	case <-time.After(time.Millisecond):
		return 0, nil
	}
}

func (p *scripted) Write(b []byte) (int, error) {
	if p.block != nil {
		<-p.block
		return 0, errors.New("port was closed")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrote = append(p.wrote, b...)
	return len(b), nil
}

func (p *scripted) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return string(p.wrote)
}

func (p *scripted) ResetOutputBuffer() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reset++
	return nil
}

func (p *scripted) SetReadTimeout(time.Duration) error { return nil }
func (p *scripted) ResetInputBuffer() error            { return nil }
func (p *scripted) Close() error                       { return nil }

// once opens p, and nothing when p has ended.
func once(p Port) Open {
	var mu sync.Mutex
	return func(string, int) (Port, error) {
		mu.Lock()
		defer mu.Unlock()
		if p == nil {
			return nil, os.ErrNotExist
		}
		q := p
		p = nil
		return q, nil
	}
}

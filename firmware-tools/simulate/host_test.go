package simulate

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen. It is never used up by a test that passes.
const patience = 20 * time.Second

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// host is a program that has a serial port open and reads whatever comes.
type host struct {
	t    *testing.T
	port *os.File
	got  feed[byte]
	end  chan error // the error that ended reading
}

func openHost(t *testing.T, link string) *host {
	t.Helper()
	port, err := os.OpenFile(link, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	h := &host{t: t, port: port, got: feed[byte]{limit: receivedLimit}, end: make(chan error, 1)}
	t.Cleanup(func() { _ = port.Close() })
	go func() {
		buf := make([]byte, 1000)
		for {
			n, err := port.Read(buf)
			h.got.add(buf[:n]...)
			if err != nil {
				h.end <- err
				return
			}
		}
	}()
	return h
}

func (h *host) write(b []byte) {
	h.t.Helper()
	if err := h.port.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.port.Write(b); err != nil {
		h.t.Fatal(err)
	}
}

// wants waits until the host has read exactly want since it opened the port.
func (h *host) wants(want []byte) {
	h.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		got := h.got.all()
		if bytes.Equal(got, want) {
			return
		}
		if len(got) > len(want) || !bytes.HasPrefix(want, got) || time.Now().After(deadline) {
			h.t.Fatalf("host read %q, want %q", got, want)
		}
	}
}

// wantsEnd waits until the host sees the end of the line.
func (h *host) wantsEnd() {
	h.t.Helper()
	select {
	case err := <-h.end:
		if err.Error() != "EOF" && !errors.Is(err, syscall.EIO) {
			h.t.Fatalf("line ended with %v", err)
		}
	case <-time.After(patience):
		h.t.Fatal("host never saw the end of the line")
	}
}

func everyByte() []byte {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	return all
}

func newScanner(t *testing.T) (*Scanner, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "scanner")
	s, err := NewScanner(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, link
}

package simulate

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"
)

func TestEveryByteArrives(t *testing.T) {
	s, link := newScanner(t)
	if err := s.Send(everyByte()); err != nil { // before anybody has opened the port
		t.Fatal(err)
	}
	h := openHost(t, link)
	h.wants(everyByte())
	if err := s.SendChunks(everyByte(), 7, time.Millisecond); err != nil {
		t.Fatal(err)
	}
	h.wants(slices.Concat(everyByte(), everyByte()))
	h.write(everyByte())
	eventually(t, "scanner has what the host wrote", func() bool { return bytes.Equal(s.Received(), everyByte()) })
	if got := h.got.all(); len(got) != 512 {
		t.Errorf("host reads %d bytes more: an echo", len(got)-512)
	}
}

func TestMoreThanTheLineHolds(t *testing.T) {
	s, link := newScanner(t)
	h := openHost(t, link)
	raw := bytes.Repeat(everyByte(), 1000)
	if err := s.Send(raw); err != nil {
		t.Fatal(err)
	}
	h.wants(raw)
	h.write(raw)
	eventually(t, "scanner has what the host wrote", func() bool { return bytes.Equal(s.Received(), raw) })
}

func TestSendersDoNotMix(t *testing.T) {
	s, link := newScanner(t)
	h := openHost(t, link)
	var all sync.WaitGroup
	for _, letter := range []string{"a", "b", "c"} {
		all.Go(func() {
			if err := s.SendChunks(bytes.Repeat([]byte(letter), 50), 9, time.Millisecond); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	eventually(t, "all bytes arrive", func() bool { return len(h.got.all()) == 150 })
	if runs := slices.Compact(h.got.all()); len(runs) != 3 {
		t.Errorf("order of messages is %q", runs)
	}
}

func TestUnplugAndReplug(t *testing.T) {
	s, link := newScanner(t)
	h := openHost(t, link)
	if err := s.Send([]byte("one\r")); err != nil {
		t.Fatal(err)
	}
	h.wants([]byte("one\r"))
	s.Unplug()
	s.Unplug()
	h.wantsEnd()
	if _, err := os.Lstat(link); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("link after unplugging: %v", err)
	}
	if err := s.Send([]byte("lost")); !errors.Is(err, ErrUnplugged) {
		t.Errorf("sending without a line gives %v", err)
	}
	if err := s.Replug(); err != nil {
		t.Fatal(err)
	}
	if err := s.Replug(); err == nil {
		t.Error("a plugged in scanner was plugged in")
	}
	again := openHost(t, link)
	if err := s.Send([]byte("two\r")); err != nil {
		t.Fatal(err)
	}
	again.wants([]byte("two\r"))
	s.Close()
	again.wantsEnd()
	if err := s.Replug(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("plugging in a closed scanner gives %v", err)
	}
}

// Nobody reads, so the line is full; pulling the cable must end the waiting.
func TestUnplugEndsSending(t *testing.T) {
	s, _ := newScanner(t)
	sent := make(chan error, 1)
	go func() { sent <- s.SendContext(t.Context(), make([]byte, 1<<20), 0, 0) }()
	eventually(t, "line fills", func() bool {
		c, err := s.line.current()
		if err != nil {
			t.Fatal(err)
		}
		n, err := c.unread()
		return err == nil && n > 1000
	})
	s.Unplug()
	select {
	case err := <-sent:
		if !errors.Is(err, ErrUnplugged) {
			t.Errorf("sending ends with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("sending never ended")
	}
}

func TestSendGivesUp(t *testing.T) {
	s, _ := newScanner(t)
	err := s.line.send(t.Context(), make([]byte, 1<<20), 0, 0, 10*time.Millisecond)
	if !errors.Is(err, ErrNotRead) {
		t.Errorf("nobody reads: %v", err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.SendContext(ctx, []byte("x"), 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestDrain(t *testing.T) {
	s, link := newScanner(t)
	if err := s.Send([]byte("scan\r")); err != nil {
		t.Fatal(err)
	}
	short, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := s.Drain(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("drained without a host: %v", err)
	}
	h := openHost(t, link)
	long, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	if err := s.Drain(long); err != nil {
		t.Fatal(err)
	}
	h.wants([]byte("scan\r"))
}

func TestLinkReplacesOnlyLinks(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, taken := range []string{file, dir} {
		if s, err := NewScanner(taken); err == nil {
			s.Close()
			t.Errorf("took %s", taken)
		}
	}
	if got, err := os.ReadFile(file); string(got) != "mine" {
		t.Errorf("file holds %q, %v", got, err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	first, err := NewScanner(link)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	second, err := NewScanner(link)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	first.Close() // no longer owns the link
	if err := second.Send([]byte("2")); err != nil {
		t.Fatal(err)
	}
	openHost(t, link).wants([]byte("2"))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("directory holds %v, %v", entries, err)
	}
}

func TestWaitReceived(t *testing.T) {
	s, link := newScanner(t)
	h := openHost(t, link)
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	var got []byte
	for _, word := range []string{"beep", "led"} {
		h.write([]byte(word))
		for want := len(got) + len(word); len(got) < want; {
			raw, next, err := s.WaitReceived(ctx, len(got))
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, raw...); next != len(got) {
				t.Fatalf("position %d behind %q", next, got)
			}
		}
	}
	if string(got) != "beepled" {
		t.Errorf("received %q", got)
	}
}

func TestFeedForgetsTheOldest(t *testing.T) {
	f := feed[int]{limit: 10}
	for i := range 100 {
		f.add(i)
	}
	kept := f.all()
	if len(kept) < 10 || len(kept) > 20 || kept[len(kept)-1] != 99 {
		t.Errorf("kept %v", kept)
	}
	got, next, err := f.wait(t.Context(), 95)
	if err != nil || next != 100 || !slices.Equal(got, []int{95, 96, 97, 98, 99}) {
		t.Errorf("behind 95: %v, %d, %v", got, next, err)
	}
	if got, _, _ := f.wait(t.Context(), 0); !slices.Equal(got, kept) {
		t.Errorf("from the beginning: %v", got)
	}
}

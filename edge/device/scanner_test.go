package device

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/protocol/barcode"
)

// inbox is a handler that keeps what it was given.
type inbox struct {
	mu    sync.Mutex
	scans []barcode.Scan
	good  bool
	hold  chan struct{} // when set, the handler waits for it to be closed
}

func (i *inbox) on(ctx context.Context, s barcode.Scan) bool {
	if i.hold != nil {
		select {
		case <-i.hold:
		case <-ctx.Done():
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.scans = append(i.scans, s)
	return i.good
}

func (i *inbox) texts() []string {
	i.mu.Lock()
	defer i.mu.Unlock()
	var out []string
	for _, s := range i.scans {
		switch {
		case s.Error != "":
			out = append(out, "!"+string(s.Error))
		case s.GTIN != "":
			out = append(out, s.GTIN)
		default:
			out = append(out, s.Text)
		}
	}
	return out
}

func (i *inbox) want(t *testing.T, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d scans", len(want)), func() bool { return len(i.texts()) >= len(want) })
	if got := i.texts(); !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func (i *inbox) scanner(t *testing.T, c Config, open Open) *Scanner {
	t.Helper()
	c.Name = "gun"
	s := NewScanner(c, open, time.Now, i.on, quietLog())
	start(t, s.Run)
	return s
}

func TestScansInAnyPieces(t *testing.T) {
	for _, size := range []int{1, 7, 4096} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			var in inbox
			c := newCable(t)
			c.plug()
			s := in.scanner(t, Config{Path: c.link, IdleGap: 10 * time.Second}, OpenSerial)
			eventually(t, "ready", func() bool { return s.Status().State == Ready })
			var want []string
			stream := ""
			for n := range 200 {
				want = append(want, fmt.Sprintf("bin-%d", n))
				stream += want[n] + []string{"\r", "\r\n", "\t"}[n%3]
			}
			c.send(stream, size)
			in.want(t, want...)
			if got := s.Status(); got.Bytes != int64(len(stream)) || got.LastEvent.IsZero() {
				t.Errorf("%+v, want %d bytes", got, len(stream))
			}
			eventually(t, "all scans are counted", func() bool { return s.Status().Scans == int64(len(want)) })
		})
	}
}

func TestSilenceEndsAScan(t *testing.T) {
	var in inbox
	c := newCable(t)
	c.plug()
	s := in.scanner(t, Config{Path: c.link}, OpenSerial)
	eventually(t, "ready", func() bool { return s.Status().State == Ready })
	c.send("6901234567892", 99)
	in.want(t, "06901234567892")
	c.send("4006381333931", 99)
	in.want(t, "06901234567892", "04006381333931")
}

// A handler that waits for a slow disk must not glue scans together that silence keeps apart.
func TestSilenceIsHeardWhileTheHandlerWorks(t *testing.T) {
	in := inbox{hold: make(chan struct{})}
	p := newScripted("one", "", "two", "", "three", "")
	in.scanner(t, Config{Path: "x"}, once(p))
	eventually(t, "everything was read", func() bool { return len(p.steps) == 0 })
	close(in.hold)
	in.want(t, "one", "two", "three")
}

func TestNothingIsLostWhileTheHandlerIsStuck(t *testing.T) {
	in := inbox{hold: make(chan struct{})}
	c := newCable(t)
	c.plug()
	s := in.scanner(t, Config{Path: c.link}, OpenSerial)
	eventually(t, "ready", func() bool { return s.Status().State == Ready })
	var want []string
	for n := range 15_000 { // far more than queue and line hold
		want = append(want, fmt.Sprintf("bin-%d", n))
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		_, _ = c.end().WriteString(strings.Join(want, "\r") + "\r")
	}()
	select {
	case <-sent:
		t.Error("the line did not hold back")
	case <-time.After(50 * time.Millisecond):
	}
	close(in.hold)
	in.want(t, want...)
	<-sent
}

func TestReplug(t *testing.T) {
	var in inbox
	c := newCable(t)
	s := in.scanner(t, Config{Path: c.link, IdleGap: 10 * time.Second}, OpenSerial)
	eventually(t, "an error about the port that is not there", func() bool { return s.Status().LastError != "" })
	if got := s.Status().State; got != Absent {
		t.Fatalf("%s, want absent", got)
	}
	c.plug()
	eventually(t, "ready", func() bool { return s.Status().State == Ready })
	c.send("one\rtw", 99)
	in.want(t, "one")
	eventually(t, "half a scan was read", func() bool { return s.Status().Bytes == 6 })
	c.unplug()
	in.want(t, "one", "!truncated") // never posted as the code "tw", never dropped in silence
	eventually(t, "absent", func() bool { return s.Status().State == Absent })
	c.plug()
	eventually(t, "ready again", func() bool { return s.Status().State == Ready })
	c.send("three\r", 99)
	in.want(t, "one", "!truncated", "three")
	if got := s.Status().Opened; got != 2 {
		t.Errorf("opened %d times, want 2", got)
	}
}

func TestNoSerialPort(t *testing.T) {
	var in inbox
	s := in.scanner(t, Config{Path: "/dev/null"}, OpenSerial)
	eventually(t, "fault", func() bool { return s.Status().State == Failed })
	if got := s.Status().LastError; !strings.Contains(got, "/dev/null") {
		t.Errorf("%q does not name the port", got)
	}
}

func TestBytesFromBeforeTheOpeningAreNoScan(t *testing.T) {
	var in inbox
	c := newCable(t)
	c.plug()
	c.send("old\r", 99)
	s := in.scanner(t, Config{Path: c.link}, OpenSerial)
	eventually(t, "ready", func() bool { return s.Status().State == Ready })
	c.send("new\r", 99)
	in.want(t, "new")
}

func TestBeeps(t *testing.T) {
	for _, tt := range []struct {
		profile string
		good    bool
		want    string
	}{
		{"", true, ""},
		{"beep=zebra", true, "\x07"},
		{"beep=zebra", false, ""},
		{"codeid=datalogic beep=datalogic", true, "B"},
		{"beep=datalogic", false, "FE"},
		{"beep=honeywell", true, "\x16\x07\r"},
		{"beep=honeywell", false, ""},
		{"beep=ssi", true, "\x05\xe6\x04\x00\x00\xff\x11"},
		{"beep=ssi", false, "\x05\xe6\x04\x00\x06\xff\x0b"},
	} {
		p := newScripted("a\r", "b\r")
		in := inbox{good: tt.good}
		s := in.scanner(t, Config{Path: "x", Profile: tt.profile}, once(p))
		eventually(t, "two scans", func() bool { return s.Status().Scans == 2 })
		want := tt.want + tt.want
		eventually(t, fmt.Sprintf("%s, good %t: %q, want %q", tt.profile, tt.good, p.written(), want), func() bool { return p.written() == want })
	}
}

// A scanner that takes no beeps is still listened to, and its port is not opened anew: that would
// lose what it is about to send.
func TestStuckScanner(t *testing.T) {
	p := newScripted("a\r")
	p.block = make(chan struct{})
	defer close(p.block)
	in := inbox{good: true}
	s := in.scanner(t, Config{Path: "x", Profile: "beep=zebra", WriteLimit: time.Millisecond}, once(p))
	eventually(t, "an error", func() bool { return strings.Contains(s.Status().LastError, ErrNotTaken.Error()) })
	p.steps <- "b\r"
	p.steps <- "c\r"
	in.want(t, "a", "b", "c")
	if got := s.Status(); got.State != Ready || got.Opened != 1 || p.reset != 1 {
		t.Errorf("%+v, %d resets: want ready, opened once, one reset", got, p.reset)
	}
}

const (
	ack = "\x04\xd0\x04\x00\xff\x28"
	nak = "\x05\xd1\x04\x00\x01\xff\x25"
)

// decodeData is an SSI packet as a scanner sends it.
func decodeData(status byte, text string) string {
	p := append([]byte{byte(5 + len(text)), 0xF3, 0x00, status, 0x03}, text...)
	var sum uint16
	for _, c := range p {
		sum += uint16(c)
	}
	return string(append(p, byte(-sum>>8), byte(-sum&0xFF)))
}

func TestSSI(t *testing.T) {
	damaged := []byte(decodeData(0, "bin-9"))
	damaged[6] ^= 1
	resentDamaged := strings.Replace(decodeData(1, "bin-1"), "bin-1", "bin+1", 1)
	for _, tt := range []struct {
		name   string
		steps  []string
		scans  []string
		answer string
	}{
		{"a scan is acknowledged", []string{decodeData(0, "bin-1")}, []string{"bin-1"}, ack},
		{"two packets in one read", []string{decodeData(0, "bin-1") + decodeData(0, "bin-2")}, []string{"bin-1", "bin-2"}, ack + ack},
		{"sent again: acknowledged, one scan", []string{decodeData(0, "bin-1"), decodeData(1, "bin-1")}, []string{"bin-1"}, ack + ack},
		{"scanned again: two scans", []string{decodeData(0, "bin-1"), decodeData(0, "bin-1")}, []string{"bin-1", "bin-1"}, ack + ack},
		{"sent again, but never understood before", []string{decodeData(0, "bin-1"), decodeData(1, "bin-2")}, []string{"bin-1", "bin-2"}, ack + ack},
		{"damaged, then sent again", []string{string(damaged), decodeData(1, "bin-9")}, []string{"!checksum", "bin-9"}, nak + ack},
		{"damaged when sent again", []string{decodeData(0, "bin-1"), resentDamaged, decodeData(1, "bin-1")}, []string{"bin-1", "!checksum"}, ack + nak + ack},
		{"in parts: each is acknowledged, one scan", []string{decodeData(2, "bin-"), decodeData(3, "bin-"), decodeData(2, "1/"), decodeData(0, "2"), decodeData(1, "2")}, []string{"bin-1/2"}, ack + ack + ack + ack + ack},
		{"damaged, and equal to the one before when sent again", []string{decodeData(0, "bin-9"), string(damaged), decodeData(1, "bin-9")}, []string{"bin-9", "!checksum", "bin-9"}, ack + nak + ack},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newScripted(tt.steps...)
			var in inbox
			in.scanner(t, Config{Path: "x", Profile: "frame=ssi"}, once(p))
			in.want(t, tt.scans...)
			eventually(t, fmt.Sprintf("answer %x, want %x", p.written(), tt.answer), func() bool { return p.written() == tt.answer })
		})
	}
}

// What was not stored is not acknowledged, so that the scanner sends it again.
func TestSSIScanIsNotAcknowledgedBeforeItIsStored(t *testing.T) {
	p := newScripted(decodeData(0, "bin-1"))
	in := inbox{hold: make(chan struct{})}
	s := NewScanner(Config{Name: "gun", Path: "x", Profile: "frame=ssi"}, once(p), time.Now, in.on, quietLog())
	stop := start(t, s.Run)
	eventually(t, "the packet was read", func() bool { return s.Status().Bytes > 0 })
	stop()
	if got := p.written(); got != "" {
		t.Errorf("wrote %x, want nothing", got)
	}
}

// TestSSICutBetweenParts: the cable is pulled after the first packet of a scan. The rest, which the scanner sends again, is no scan of its own.
func TestSSICutBetweenParts(t *testing.T) {
	before, after := newScripted(decodeData(2, "lot-1")), newScripted(decodeData(1, "23"))
	close(before.steps)
	ports := make(chan Port, 2)
	ports <- before
	ports <- after
	var in inbox
	in.scanner(t, Config{Path: "x", Profile: "frame=ssi"}, func(string, int) (Port, error) {
		select {
		case p := <-ports:
			return p, nil
		default:
			return nil, os.ErrNotExist
		}
	})
	in.want(t, "lot-123")
	eventually(t, "both are acknowledged", func() bool { return before.written() == ack && after.written() == ack })
}

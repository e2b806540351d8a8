package device

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"stockade/internal/serialport"
	"stockade/protocol/barcode"
)

func bothDrivers(t *testing.T, test func(t *testing.T, open Open)) {
	for _, d := range []serialport.Driver{serialport.Bugst, serialport.Tarm} {
		t.Run(string(d), func(t *testing.T) { test(t, OpenLine(serialport.Line{Driver: d})) })
	}
}

// settled waits until n scanners have all their goroutines, so that what a further one leaves behind can be counted.
func settled(t *testing.T, n int) {
	t.Helper()
	eventually(t, "scanners are at work", func() bool { return ours() >= 3*n })
}

// A line of 1 MiB without end is one clear error, to the worker and in the status, and harms no other scanner.
func TestEndlessLine(t *testing.T) {
	bothDrivers(t, func(t *testing.T, open Open) {
		var in, other inbox
		c, d := newCable(t), newCable(t)
		c.plug()
		d.plug()
		s := in.scanner(t, Config{Path: c.link, IdleGap: 10 * time.Second}, open)
		settled(t, 1)
		o := other.scanner(t, Config{Path: d.link, IdleGap: 10 * time.Second}, open)
		eventually(t, "ready", func() bool { return s.Status().State == Ready && o.Status().State == Ready })
		c.send(strings.Repeat("x", 1<<19), 4096)
		in.want(t, "!length") // at once, not at its end
		d.send("beside\r", 99)
		other.want(t, "beside")
		c.send(strings.Repeat("x", 1<<19), 4096)
		c.send("\r]E06901234567892\r", 99)
		in.want(t, "!length", "06901234567892")
		if got := s.Status(); got.Problem != "error_too_long" || got.State != Ready {
			t.Errorf("%+v", got)
		}
		if len(in.scans[0].Raw) > 9000 {
			t.Errorf("%d bytes of it are kept", len(in.scans[0].Raw))
		}
	})
}

// Endless noise is reported once; scans before and after it are booked, and those of others meanwhile.
func TestEndlessNoise(t *testing.T) {
	for _, profile := range []string{"", "frame=ssi"} {
		bothDrivers(t, func(t *testing.T, open Open) {
			var in, other inbox
			c, d := newCable(t), newCable(t)
			c.plug()
			d.plug()
			s := in.scanner(t, Config{Path: c.link, Profile: profile, IdleGap: 20 * time.Millisecond}, open)
			settled(t, 1)
			o := other.scanner(t, Config{Path: d.link, IdleGap: 10 * time.Second}, open)
			eventually(t, "ready", func() bool { return s.Status().State == Ready && o.Status().State == Ready })
			random := rand.New(rand.NewPCG(7, 1))
			for range 400 {
				b := make([]byte, 1024)
				for i := range b {
					b[i] = byte(random.Uint32())
				}
				c.send(string(b), len(b))
			}
			eventually(t, "noise is seen", func() bool { return s.Status().State == Noisy && s.Status().Bytes == 400<<10 })
			if got := s.Status(); got.Problem != "error_noise" || got.LastError != ErrNoise.Error() {
				t.Errorf("%+v", got)
			}
			d.send("beside\r", 99)
			other.want(t, "beside")
			eventually(t, "silence ends it", func() bool { return s.Status().State == Ready })
			scan := map[string]string{"": "bin-1\r", "frame=ssi": decodeData(0, "bin-1")}[profile]
			c.send(scan, 99)
			eventually(t, "the next scan is whole", func() bool { got := in.texts(); return len(got) > 0 && got[len(got)-1] == "bin-1" })
			got := in.texts()
			if n := strings.Count(strings.Join(got, " "), "!noise"); n != 1 || len(got) > 60 {
				t.Errorf("%q: %d reports of noise among %d scans of 400 KiB", profile, n, len(got))
			}
		})
	}
}

// A worker who scans wrong codes for a day makes no noise.
func TestWrongCodesAreNoNoise(t *testing.T) {
	n := noise{leaked: time.Now()}
	now := time.Now()
	for i := range 10_000 {
		n.heard(now)
		s := barcode.Decode(barcode.Profile{}, fmt.Appendf(nil, "]E0690123456789%d\r", i%7), now)[0]
		if s.Error == "" {
			continue
		}
		if _, pass := n.pass(s, false, now); !pass || n.on {
			t.Fatalf("scan %d is taken for noise", i)
		}
	}
	for i := range 1000 { // a bad cable: one damaged scan after the other, three a second
		now = now.Add(300 * time.Millisecond)
		n.heard(now)
		if _, pass := n.pass(barcode.Scan{Error: barcode.ErrTruncated}, false, now); !pass {
			t.Fatalf("damaged scan %d is not reported", i)
		}
		n.gap()
	}
}

// A locked port says so, is tried again, and is used as soon as it is free.
func TestLockedPort(t *testing.T) {
	bothDrivers(t, func(t *testing.T, open Open) {
		var in inbox
		c := newCable(t)
		c.plug()
		p, err := open(c.link, 9600)
		if err != nil {
			t.Fatal(err)
		}
		s := in.scanner(t, Config{Path: c.link}, open)
		eventually(t, "busy", func() bool { return s.Status().State == Busy && s.Status().Problem == "error_busy" })
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "ready", func() bool { return s.Status().State == Ready })
		c.send("free\r", 99)
		in.want(t, "free")
	})
}

func TestDeniedPort(t *testing.T) {
	var in inbox
	denied := func(path string, _ int) (Port, error) {
		return nil, fmt.Errorf("open %s: %w", path, serialport.ErrDenied)
	}
	s := in.scanner(t, Config{Path: "/dev/ttyX"}, denied)
	eventually(t, "denied", func() bool { return s.Status().State == Denied && s.Status().Problem == "error_denied" })
	for err, want := range map[error]string{serialport.ErrUnplugged: "error_unplugged", errors.New("x"): "error_other", ErrNotTaken: "error_not_taken", serialport.ErrDescriptors: "error_descriptors"} {
		if got := problemOf(err); got != want {
			t.Errorf("%v: %s, want %s", err, got, want)
		}
	}
}

// While somebody sets a scanner up its scans are shown and not booked; SSI packets are acknowledged. Then booking goes on.
func TestWatch(t *testing.T) {
	bothDrivers(t, func(t *testing.T, open Open) {
		var in inbox
		c := newCable(t)
		c.plug()
		s := in.scanner(t, Config{Path: c.link, IdleGap: 10 * time.Second}, open)
		eventually(t, "ready", func() bool { return s.Status().State == Ready })
		if err := s.Command(t.Context(), []byte("x")); !errors.Is(err, ErrNotWatched) {
			t.Errorf("command without a watcher: %v", err)
		}
		s.Watch()
		c.send("a manual's code\r", 99)
		eventually(t, "it is shown", func() bool {
			heard, scans := s.Watch()
			return len(scans) == 1 && scans[0].Scan.Text == "a manual's code" && len(heard) > 0
		})
		if err := s.Command(t.Context(), []byte("~\x01set\x03")); err != nil {
			t.Error(err)
		}
		buf := make([]byte, 16)
		if n, err := c.end().Read(buf); string(buf[:n]) != "~\x01set\x03" || err != nil {
			t.Errorf("the scanner got %q, %v", buf[:n], err)
		}
		s.Unwatch()
		eventually(t, "the lease ends", func() bool { return !s.Watched() })
		c.send("goods\r", 99)
		in.want(t, "goods")
		if heard, scans := s.Watch(); len(heard) != 0 || len(scans) != 0 {
			t.Errorf("a new lease begins with %d reads and %d scans", len(heard), len(scans))
		}
	})
}

package device

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/internal/serialport"
)

var (
	soakSeed  = flag.Uint64("soak.seed", 1, "seed of the soak")
	soakSteps = flag.Int("soak.steps", 70, "steps of the soak, of each driver")
)

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// soak is a scanner that is scanned with, pulled, plugged and disturbed, and the record of what was sent.
type soak struct {
	t       *testing.T
	random  *rand.Rand
	cable   *cable
	scanner *Scanner
	in      *inbox
	number  int
	certain []string        // went out whole and were read: each has to be handed over, once and in this order
	maybe   map[string]bool // sent around an unplugging: handed over once or not at all
	halves  int             // scans that an unplugging cut: each is at most one error
}

func (s *soak) text() string {
	s.number++
	return fmt.Sprintf("scan-%04d-%s", s.number, strings.Repeat("x", s.random.IntN(40)))
}

// noisy puts bytes between that no scanner sends.
func (s *soak) noisy(b string) string {
	var out strings.Builder
	for i := range len(b) {
		if s.random.IntN(8) == 0 {
			out.WriteString([]string{"\x00", "\xff", "\x00\xff"}[s.random.IntN(3)])
		}
		out.WriteByte(b[i])
	}
	return out.String()
}

// send sends scans whole, in pieces that mind no border of a scan, and waits until all was read.
func (s *soak) send(texts ...string) {
	before := s.scanner.Status().Bytes
	all := ""
	for _, t := range texts {
		all += t + []string{"\r", "\r\n", "\n", "\t"}[s.random.IntN(4)]
	}
	if s.random.IntN(3) == 0 {
		all = s.noisy(all)
	}
	for rest := []byte(all); len(rest) > 0; {
		n := min(len(rest), 1+s.random.IntN(24))
		if _, err := s.cable.end().Write(rest[:n]); err != nil {
			s.t.Fatal(err)
		}
		if rest = rest[n:]; s.random.IntN(4) == 0 {
			time.Sleep(time.Duration(s.random.IntN(2000)) * time.Microsecond) // pacing, far below the idle gap
		}
	}
	eventually(s.t, "all was read", func() bool { return s.scanner.Status().Bytes >= before+int64(len(all)) })
	s.certain = append(s.certain, texts...)
}

// pull unplugs: at rest, in the middle of a scan, or right behind one that nobody may have read.
func (s *soak) pull() {
	switch s.random.IntN(3) {
	case 1:
		half := s.text()
		_, _ = s.cable.end().WriteString(half[:len(half)-2])
		s.halves++
	case 2:
		whole := s.text()
		s.maybe[whole] = true
		_, _ = s.cable.end().WriteString(whole + "\r")
		s.halves++
	}
	s.cable.unplug()
}

func (s *soak) plug() {
	opened := s.scanner.Status().Opened
	s.cable.plug()
	switch s.random.IntN(4) {
	case 0: // and pulled again, while it is being opened
		s.cable.unplug()
		s.cable.plug()
	case 1:
		eventually(s.t, "opened", func() bool { return s.scanner.Status().Opened > opened })
		s.cable.unplug()
		s.cable.plug()
	}
	s.ready()
}

// ready waits until the present terminal, and none before it, is being read.
func (s *soak) ready() {
	eventually(s.t, "ready", func() bool {
		if s.scanner.Status().State != Ready {
			return false
		}
		before := s.scanner.Status().Bytes
		if _, err := s.cable.end().WriteString("\r"); err != nil { // an empty frame: no scan
			return false
		}
		for end := time.Now().Add(100 * time.Millisecond); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if s.scanner.Status().Bytes > before {
				return s.scanner.Status().State == Ready
			}
		}
		return false
	})
}

// judge compares what was handed over with the record.
func (s *soak) judge() {
	var got []string
	errors := 0
	seen := map[string]bool{}
	for _, text := range s.in.texts() {
		switch {
		case text == "!truncated":
			errors++
		case seen[text]:
			s.t.Errorf("%q was handed over twice", text)
		case s.maybe[text]:
			seen[text] = true
		default:
			seen[text] = true
			got = append(got, text)
		}
	}
	if !slices.Equal(got, s.certain) {
		for i := range min(len(got), len(s.certain)) {
			if got[i] != s.certain[i] {
				s.t.Fatalf("scan %d is %q, want %q", i, got[i], s.certain[i])
			}
		}
		s.t.Errorf("%d scans, want %d", len(got), len(s.certain))
	}
	if errors > s.halves {
		s.t.Errorf("%d errors for %d halves", errors, s.halves)
	}
}

// TestScannerSoak: whatever is done to the line, no scan that was read whole is lost, doubled or damaged, and nothing is left
// open. Another seed: go test ./edge/device -run Soak -soak.seed 7 -soak.steps 5000.
func TestScannerSoak(t *testing.T) {
	for _, driver := range []serialport.Driver{serialport.Bugst, serialport.Tarm} {
		t.Run(string(driver), func(t *testing.T) {
			files, goroutines := descriptors(t), runtime.NumGoroutine()
			s := &soak{t: t, random: rand.New(rand.NewPCG(*soakSeed, 1)), cable: newCable(t), in: &inbox{}, maybe: map[string]bool{}}
			s.scanner = NewScanner(Config{Name: "gun", Path: s.cable.link, IdleGap: 10 * time.Second}, OpenLine(serialport.Line{Driver: driver}), time.Now, s.in.on, quietLog())
			stop := start(t, s.scanner.Run)
			s.cable.plug()
			s.ready()
			for range *soakSteps {
				switch s.random.IntN(10) {
				case 0:
					s.pull()
					s.plug()
				case 1, 2, 3:
					s.send(s.text(), s.text(), s.text())
				default:
					s.send(s.text())
				}
			}
			eventually(t, "all were handed over", func() bool {
				n := 0
				for _, text := range s.in.texts() {
					if text != "!truncated" && !s.maybe[text] {
						n++
					}
				}
				return n >= len(s.certain)
			})
			s.judge()
			stop()
			s.cable.unplug()
			eventually(t, "descriptors and goroutines return", func() bool { return descriptors(t) <= files && runtime.NumGoroutine() <= goroutines })
			t.Logf("%d scans, %d openings", len(s.certain), s.scanner.Status().Opened)
		})
	}
}

// A device may be pulled in every state of its port: each time it is back without a restart.
func TestReplugInEveryState(t *testing.T) {
	bothDrivers(t, func(t *testing.T, open Open) {
		states := map[string]func(c *cable, in *inbox, s *Scanner){
			"at rest": func(*cable, *inbox, *Scanner) {},
			"in a scan": func(c *cable, _ *inbox, s *Scanner) {
				c.send("hal", 9)
				eventually(t, "read", func() bool { return s.Status().Bytes > 0 })
			},
			"while noise comes in": func(c *cable, _ *inbox, _ *Scanner) { c.send(strings.Repeat("\x07\r", 200), 64) },
			"while it is watched": func(_ *cable, _ *inbox, s *Scanner) {
				s.Watch()
				s.Unwatch()
				eventually(t, "lease", func() bool { return !s.Watched() })
			},
		}
		for name, reach := range states {
			var in inbox
			c := newCable(t)
			c.plug()
			s := NewScanner(Config{Name: "gun", Path: c.link, IdleGap: 10 * time.Second}, open, time.Now, in.on, quietLog())
			stop := start(t, s.Run)
			eventually(t, "ready", func() bool { return s.Status().State == Ready })
			reach(c, &in, s)
			c.unplug()
			eventually(t, name+": absent", func() bool { return s.Status().State == Absent && strings.HasPrefix(s.Status().Problem, "error_") })
			opened := s.Status().Opened
			c.plug()
			eventually(t, name+": back", func() bool { return s.Status().State == Ready && s.Status().Opened > opened })
			c.send("after\r", 9)
			eventually(t, name+": works", func() bool { got := in.texts(); return len(got) > 0 && got[len(got)-1] == "after" })
			stop()
		}
	})
}

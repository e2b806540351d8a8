package devices

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/edge/device"
	"stockade/firmware-tools/simulate"
	"stockade/protocol/barcode"
)

// heard keeps what a node's scanner hands over. What is about lot "BAD" is refused.
type heard struct {
	mu    sync.Mutex
	scans []barcode.Scan
}

func (h *heard) on(_ context.Context, s barcode.Scan) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.scans = append(h.scans, s)
	return s.Error == "" && !strings.Contains(string(s.Raw), "BAD")
}

// lots are the lots of the scans that were understood, in order.
func (h *heard) lots() (lots []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.scans {
		if _, lot, ok := strings.Cut(string(s.Raw), "LOT"); ok && s.Error == "" {
			lots = append(lots, lot[:4])
		}
	}
	return lots
}

// station is a node's scanner and the simulated one that is plugged into it. gap is the silence that ends a scan: long where
// scans come in pieces, so that a busy machine's pauses between them are none; 0 is the usual one.
type station struct {
	*heard
	gun  *simulate.Gun
	node *device.Scanner
}

func newStation(t *testing.T, tags string, gap time.Duration, o simulate.GunOptions) *station {
	t.Helper()
	link := filepath.Join(t.TempDir(), "scanner")
	gun, err := simulate.NewGun(link, o)
	if err != nil {
		t.Fatal(err)
	}
	h := &heard{}
	now := func() time.Time { return time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC) }
	node := device.NewScanner(device.Config{Name: "scanner", Path: link, Profile: tags, IdleGap: gap}, device.OpenSerial, now, h.on, slog.New(slog.DiscardHandler))
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		<-done
		gun.Close()
	})
	s := &station{h, gun, node}
	s.ready(t)
	return s
}

func (s *station) ready(t *testing.T) {
	t.Helper()
	eventually(t, "scanner is ready", func() bool { return s.node.Status().State == device.Ready })
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func profile(t *testing.T, name string) simulate.Profile {
	t.Helper()
	p, err := simulate.FindProfile(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func lotScan(n int) (scan []byte, lot string) {
	lot = fmt.Sprintf("%04d", n)
	return []byte("]C10106901234567892" + "10LOT" + lot), lot
}

// Every profile, with its bytes cut into pieces: each scan arrives once and in order, and the scanner hears what
// became of it.
func TestNodesReadEveryScanner(t *testing.T) {
	for _, c := range []struct{ profile, tags, good, bad string }{
		{"aim", "", "", ""}, {"stx", "", "", ""}, {"gs-sub", "gs=|", "", ""},
		{"codeid-zebra", "codeid=zebra beep=zebra", "good", ""},
		{"codeid-datalogic", "codeid=datalogic beep=datalogic", "good", "bad"},
		{"honeywell", "beep=honeywell", "good", ""},
		{"ssi", "frame=ssi beep=ssi", "?", "?"},
	} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			s := newStation(t, c.tags, time.Second, simulate.GunOptions{Profile: profile(t, c.profile), Chunk: 7, ChunkPause: time.Millisecond})
			var want []string
			for n := range 30 {
				scan, lot := lotScan(n)
				if err := s.gun.Scan(t.Context(), n, scan); err != nil {
					t.Fatal(err)
				}
				want = append(want, lot)
				eventually(t, "scan "+lot, func() bool { return len(s.lots()) == len(want) })
			}
			if err := s.gun.Scan(t.Context(), 99, []byte("]C10106901234567892"+"10LOT9999BAD")); err != nil {
				t.Fatal(err)
			}
			want = append(want, "9999")
			eventually(t, "bad scan", func() bool { return len(s.lots()) == len(want) })
			if got := s.lots(); !slices.Equal(got, want) {
				t.Errorf("lots %v, want %v", got, want)
			}
			beeps := func() (all []string) {
				for _, e := range s.gun.Events() {
					if e.Kind == simulate.ScanBeep {
						all = append(all, e.Text)
					}
				}
				return all
			}
			wantBeeps := 0
			if c.good != "" {
				wantBeeps = 30
			}
			if c.bad != "" {
				wantBeeps++
			}
			eventually(t, fmt.Sprintf("%d beeps, not %v", wantBeeps, beeps()), func() bool { return len(beeps()) == wantBeeps })
			if got := beeps(); c.good != "" && c.good != "?" && got[0] != c.good || c.bad == "bad" && got[30] != "bad" || c.bad == "?" && got[30] == got[0] {
				t.Errorf("beeps %v", got)
			}
			for _, e := range s.gun.Events() {
				if e.Kind == simulate.ScanReceived || e.Kind == simulate.ScanResent {
					t.Errorf("event %s %q %s", e.Kind, e.Raw, e.Text)
				}
			}
		})
	}
}

// A scanner with acknowledgements on a noisy line: it sends again until the node has it, and the node counts it once. It waits
// longer for an answer than the node takes to believe that noise has ended, as real ones do.
func TestNoScanIsLostOrDoubledOnANoisyLine(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	noise := func(raw []byte) []byte {
		if random.IntN(6) > 0 {
			return raw
		}
		noisy := slices.Clone(raw)
		noisy[random.IntN(len(noisy))] ^= 1 << random.IntN(8)
		return noisy
	}
	s := newStation(t, "frame=ssi", 0, simulate.GunOptions{Profile: profile(t, "ssi"), AckTime: 600 * time.Millisecond, Tries: 10, Noise: noise})
	var want []string
	for n := range 60 {
		scan, lot := lotScan(n)
		if err := s.gun.Scan(t.Context(), n, scan); err != nil {
			t.Fatal(err)
		}
		want = append(want, lot)
	}
	eventually(t, "last scan", func() bool { l := s.lots(); return len(l) > 0 && l[len(l)-1] == want[len(want)-1] })
	if got := s.lots(); !slices.Equal(got, want) {
		t.Errorf("lots %v, want %v", got, want)
	}
	resent := 0
	for _, e := range s.gun.Events() {
		if e.Kind == simulate.ScanResent {
			resent++
		}
	}
	if resent < 3 {
		t.Errorf("only %d scans were sent again", resent)
	}
}

// The cable is pulled in the middle of scans; the worker scans again.
func TestScansThroughUnplugging(t *testing.T) {
	for _, c := range []struct{ profile, tags string }{{"aim", ""}, {"stx", ""}, {"ssi", "frame=ssi"}} {
		t.Run(c.profile, func(t *testing.T) {
			t.Parallel()
			s := newStation(t, c.tags, 0, simulate.GunOptions{Profile: profile(t, c.profile)})
			var want []string
			for n := range 5 {
				scan, lot := lotScan(n)
				if err := s.gun.HalfScan(t.Context(), n, scan); err != nil {
					t.Fatal(err)
				}
				eventually(t, "node sees it", func() bool { return s.node.Status().State != device.Ready })
				if err := s.gun.Replug(); err != nil {
					t.Fatal(err)
				}
				s.ready(t)
				if err := s.gun.Scan(t.Context(), n, scan); err != nil {
					t.Fatal(err)
				}
				want = append(want, lot)
				eventually(t, "scan "+lot, func() bool { return len(s.lots()) == len(want) })
			}
			if got := s.lots(); !slices.Equal(got, want) {
				t.Errorf("lots %v, want %v", got, want)
			}
		})
	}
}

package device

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/internal/serialport"
	"stockade/protocol/barcode"
)

// vector is one line of protocol/barcode/testdata/scans.tsv.
type vector struct {
	line    int
	raw     []byte
	want    any
	count   int
	profile string
}

func scanVectors(t *testing.T) (list []vector) {
	t.Helper()
	f, err := os.Open(filepath.Join("..", "..", "protocol", "barcode", "testdata", "scans.tsv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		columns := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(lines.Text(), "#") || len(columns) < 2 {
			continue
		}
		raw, err := strconv.Unquote(columns[0])
		if err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		v := vector{line: n, raw: []byte(raw)}
		if err := json.Unmarshal([]byte(columns[1]), &v.want); err != nil {
			t.Fatalf("line %d: %v", n, err)
		}
		v.count = len(v.want.([]any))
		if len(columns) > 2 {
			for tag := range strings.FieldsSeq(columns[2]) {
				if name, _, _ := strings.Cut(tag, "="); slices.Contains([]string{"frame", "codeid", "gs"}, name) {
					v.profile = strings.TrimSpace(v.profile + " " + tag)
				}
			}
		}
		list = append(list, v)
	}
	if err := lines.Err(); err != nil || len(list) != 500 {
		t.Fatalf("%d vectors, %v", len(list), err)
	}
	return list
}

// TestVectorsThroughTerminals plays every vector through a real pseudo-terminal with both drivers, at several chunkings
// and pacings. Ports work side by side: one a driver, pacing and profile, as a warehouse has them. A pseudo-terminal ignores the
// speed of its line, so speed is paced writes. A vector that silence ends is followed by it: its last scan is waited for.
func TestVectorsThroughTerminals(t *testing.T) {
	const gap = 300 * time.Millisecond // silence that ends a scan: far longer than the pauses inside one, also on a busy machine
	pacings := []struct {
		name  string
		size  int
		pause time.Duration
	}{
		{"in one burst", 1 << 20, 0},
		{"in sevens", 7, 0},
		{"in sevens as at 115200 baud", 7, 600 * time.Microsecond},
		{"by three as at 9600 baud", 3, 3 * time.Millisecond},
	}
	byProfile := map[string][]vector{}
	for _, v := range scanVectors(t) {
		byProfile[v.profile] = append(byProfile[v.profile], v)
	}
	var wg sync.WaitGroup
	for _, driver := range []serialport.Driver{serialport.Bugst, serialport.Tarm} {
		for _, p := range pacings {
			for profile, all := range byProfile {
				// A port of its own for every part, so that the many silences pass at the same time.
				for part := range slices.Chunk(all, 64) {
					c := newCable(t)
					c.plug()
					wg.Go(func() {
						playVectors(t, c, fmt.Sprintf("%s, %s, %q", driver, p.name, profile), driver, profile, gap, p.size, p.pause, part)
					})
				}
			}
		}
	}
	wg.Wait()
}

func playVectors(t *testing.T, c *cable, name string, driver serialport.Driver, profile string, gap time.Duration, size int, pause time.Duration, list []vector) {
	scans := make(chan barcode.Scan, 64)
	ctx, stop := context.WithCancel(t.Context())
	s := NewScanner(Config{Name: name, Path: c.link, Profile: profile, IdleGap: gap}, OpenLine(serialport.Line{Driver: driver}), func() time.Time {
		return time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	}, func(_ context.Context, s barcode.Scan) bool { scans <- s; return true }, quietLog())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() { stop(); <-ended }()
	for end := time.Now().Add(patience); s.Status().State != Ready; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("%s: never ready: %+v", name, s.Status())
			return
		}
	}
	for _, v := range list {
		for attempt := 0; ; attempt++ {
			said, stalled := playVector(c, s, scans, v, gap, size, pause)
			if said == "" {
				break
			}
			// A machine that did not write for as long as ends a scan has played another vector.
			if !stalled || attempt == 10 {
				t.Errorf("%s: line %d: %s", name, v.line, said)
				return
			}
			for quiet := false; !quiet; {
				select {
				case <-scans:
				case <-time.After(2 * gap):
					quiet = true
				}
			}
		}
	}
	select {
	case scan := <-scans:
		t.Errorf("%s: one scan too many: %+v", name, scan)
	case <-time.After(gap + gap/2):
	}
}

// playVector plays one vector and says what was wrong, and whether the pauses between its pieces were nearly as long as
// the silence that ends a scan.
func playVector(c *cable, s *Scanner, scans <-chan barcode.Scan, v vector, gap time.Duration, size int, pause time.Duration) (said string, stalled bool) {
	before := s.Status().Bytes
	last := time.Now()
	for n, piece := range slices.Collect(slices.Chunk(v.raw, min(size, max(1, len(v.raw))))) {
		if _, err := c.end().Write(piece); err != nil {
			return err.Error(), false
		}
		stalled = stalled || n > 0 && time.Since(last) > gap/2
		last = time.Now()
		time.Sleep(pause)
	}
	limit := patience
	if stalled {
		limit = 2 * gap
	}
	got := []barcode.Scan{}
	for len(got) < v.count {
		select {
		case scan := <-scans:
			got = append(got, scan)
		case <-time.After(limit):
			return fmt.Sprintf("%d scans, want %d", len(got), v.count), stalled
		}
	}
	// A vector without any scan is over when it was read.
	for end := time.Now().Add(patience); s.Status().Bytes < before+int64(len(v.raw)); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Sprintf("%d of %d bytes were read", s.Status().Bytes-before, len(v.raw)), stalled
		}
	}
	text, err := json.Marshal(got)
	var have any
	if err != nil || json.Unmarshal(text, &have) != nil || !reflect.DeepEqual(have, v.want) {
		return fmt.Sprintf("%q gives %s, want %v", v.raw, text, v.want), stalled
	}
	return "", stalled
}

// Package bench measures what the project promises to be fast, small and short, each beside
// something plain that is measured in the same run on the same machine and disk.
//
// What a machine does at the moment hits both sides: measure and baseline take turns in rounds, and
// the medians of the rounds are compared. So the ratios can be believed where the figures
// themselves can not. docs/performance.md says what each measurement means.
package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Measurement is one line of the output.
type Measurement struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"` // in the same unit
	Ratio    float64 `json:"ratio"`    // value by baseline
}

// Size says how much is measured.
type Size struct {
	Rounds     int           // of measure and baseline in turn
	WarmUp     int           // scans before the first round
	Scans      int           // in one round of one scanner, or of each of eight
	Intake     int           // batches of 100 changes in one round
	WireScans  int           // scans whose movements are cut into batches
	Journeys   int           // scans followed from the scanner to hub and acknowledgement
	Settle     time.Duration // before the memory of an idle node is read
	Busy       time.Duration // of eight scanners, while the node's memory is watched
	Offline    int           // movements made before the node meets the hub
	OfflineAt  int           // stations that make them at once
	CatchTurns int           // of the same batches at a hub in this process
	Labels     int           // of each template in one round
	Decisions  int           // of casbin about rights in one round, and a thousand times as many of ours
}

// Full is what `make bench` measures, in a minute or two; Tiny only shows that everything works.
var (
	Full = Size{Rounds: 15, WarmUp: 1500, Scans: 250, Intake: 100, WireScans: 3000, Journeys: 400, Settle: 5 * time.Second, Busy: 10 * time.Second,
		Offline: 100_000, OfflineAt: 96, CatchTurns: 3, Labels: 20, Decisions: 300}
	Tiny = Size{Rounds: 2, WarmUp: 20, Scans: 8, Intake: 2, WireScans: 260, Journeys: 5, Settle: 10 * time.Millisecond, Busy: 200 * time.Millisecond,
		Offline: 300, OfflineAt: 16, CatchTurns: 1, Labels: 1, Decisions: 3}
)

// Options choose a run.
type Options struct {
	Dir  string // an empty folder on the disk that is to be measured
	Size Size
	Emit func(Measurement) error // gets each measurement as soon as it is there
	Log  io.Writer               // progress, for people
}

// run is one run.
type run struct {
	Options
	began time.Time
}

// Run measures everything.
func Run(ctx context.Context, o Options) error {
	r := &run{Options: o, began: time.Now()}
	for _, part := range []struct {
		name    string
		measure func(context.Context, string) error
	}{
		{"edge_commit", r.edgeCommit}, {"hub_intake", r.hubIntake}, {"wire_bytes", r.wireBytes}, {"site", r.site}, {"label_render", r.labels}, {"access_decide", r.decisions},
	} {
		r.say("%s", part.name)
		dir := filepath.Join(o.Dir, part.name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := part.measure(ctx, dir); err != nil {
			return fmt.Errorf("measure %s: %w", part.name, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) say(format string, args ...any) {
	fmt.Fprintf(r.Log, "%6.1fs  %s\n", time.Since(r.began).Seconds(), fmt.Sprintf(format, args...))
}

// emit hands a measurement out.
func (r *run) emit(name, unit string, value, baseline float64) error {
	if value <= 0 || baseline <= 0 {
		return fmt.Errorf("%s is %g against %g: nothing was measured", name, value, baseline)
	}
	return r.Emit(Measurement{Name: name, Value: rounded(value), Unit: unit, Baseline: rounded(baseline), Ratio: rounded(value / baseline)})
}

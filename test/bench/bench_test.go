package bench

import (
	"encoding/json"
	"math"
	"testing"
)

// want are all measurements. Those with a limit do not depend on the machine's speed: the
// limit is what the project promises.
var want = map[string]struct {
	unit  string
	limit float64
}{
	"edge_commit/1":        {unit: "scans/s"},
	"edge_commit/8":        {unit: "scans/s"},
	"hub_intake":           {unit: "changes/s"},
	"catch_up":             {unit: "movements/s"},
	"wire_bytes/1":         {unit: "bytes/movement"},
	"wire_bytes/100":       {unit: "bytes/movement", limit: 30},
	"end_to_end_stock/p50": {unit: "ms"},
	"end_to_end_stock/p99": {unit: "ms"},
	"end_to_end_ack/p50":   {unit: "ms"},
	"end_to_end_ack/p99":   {unit: "ms"},
	"scan_burst/1":         {unit: "scans/s"},
	"scan_burst/8":         {unit: "scans/s"},
	"memory/idle":          {unit: "MiB", limit: 64},
	"memory/busy":          {unit: "MiB", limit: 64},
	"label_render/item":    {unit: "ms"}, "label_render/lot": {unit: "ms"}, "label_render/bin": {unit: "ms"},
	"label_render/pallet": {unit: "ms"}, "label_render/shipping": {unit: "ms"}, "label_render/badge": {unit: "ms"},
	"access_decide": {unit: "decisions/s"},
}

// TestRun takes every measurement in a tiny size: the figures mean nothing, but there they are.
func TestRun(t *testing.T) {
	seen := map[string]bool{}
	err := Run(t.Context(), Options{Dir: t.TempDir(), Size: Tiny, Log: t.Output(), Emit: func(m Measurement) error {
		if seen[m.Name] {
			t.Errorf("%s was measured twice", m.Name)
		}
		seen[m.Name] = true
		checkLine(t, m)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if !seen[name] {
			t.Errorf("%s was not measured", name)
		}
	}
}

func checkLine(t *testing.T, m Measurement) {
	t.Helper()
	w, ok := want[m.Name]
	if !ok || m.Unit != w.unit {
		t.Errorf("%+v: want unit %q of a measurement that is known: %v", m, w.unit, ok)
	}
	if ratio := m.Value / m.Baseline; !(m.Value > 0 && m.Baseline > 0) || math.IsInf(ratio, 0) || math.Abs(m.Ratio-ratio) > 0.01*ratio {
		t.Errorf("%+v: want a value, a baseline and their ratio", m)
	}
	if w.limit > 0 && m.Value > w.limit {
		t.Errorf("%s is %g %s, want at most %g", m.Name, m.Value, m.Unit, w.limit)
	}
	line, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(line, &fields); err != nil || len(fields) != 5 {
		t.Errorf("%s: want five fields", line)
	}
	for _, f := range []string{"name", "value", "unit", "baseline", "ratio"} {
		if _, ok := fields[f]; !ok {
			t.Errorf("%s: no %s", line, f)
		}
	}
}

func TestSeries(t *testing.T) {
	s := series{5, 1, 4, 2, 3}
	for share, want := range map[float64]float64{0: 1, 0.5: 3, 0.99: 5, 1: 5} {
		if got := s.at(share); got != want {
			t.Errorf("%v.at(%g) = %g, want %g", s, share, got, want)
		}
	}
}

func TestRounded(t *testing.T) {
	for in, want := range map[float64]float64{0: 0, 123456.7: 123457, 1234.56: 1235, 12.3456: 12.35, 0.00123456: 0.001235, 9.99996: 10} {
		if got := rounded(in); math.Abs(got-want) > 1e-12 {
			t.Errorf("rounded(%g) = %g, want %g", in, got, want)
		}
	}
}

// The same worker does the same work, and never moves what is not there.
func TestWorker(t *testing.T) {
	a, b := newWorker(3), newWorker(3)
	held := map[string]int{}
	for range 2000 {
		s, again := a.move(), b.move()
		if s != again {
			t.Fatalf("%+v, then %+v", s, again)
		}
		m := s.movement("SHA")
		if err := m.Check(); err != nil {
			t.Fatalf("%+v: %v", m, err)
		}
		held[s.from+s.text]--
		held[s.to+s.text]++
		if s.from != "" && held[s.from+s.text] < 0 {
			t.Fatalf("%+v: taken from a bin that does not hold it", s)
		}
	}
}

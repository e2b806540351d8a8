package bench

import (
	"math"
	"slices"
	"time"
)

// series are the results of several rounds, or the times of many acts.
type series []float64

// at returns the value below which a share of the series lies.
func (s series) at(share float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(len(sorted)-1, int(share*float64(len(sorted))))]
}

// measure adds one result.
func (s *series) measure(fn func() (float64, error)) error {
	v, err := fn()
	*s = append(*s, v)
	return err
}

func (s series) median() float64 { return s.at(0.5) }

// rate returns how many acts a second there were.
func rate(acts int, since time.Time) float64 { return float64(acts) / time.Since(since).Seconds() }

// millis returns how long something took.
func millis(since time.Time) float64 { return float64(time.Since(since)) / float64(time.Millisecond) }

// rounded keeps four digits: more would only be noise.
func rounded(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(math.Abs(v)))-3)
	if unit >= 1 {
		return math.Round(v)
	}
	return math.Round(v/unit) / math.Round(1/unit)
}

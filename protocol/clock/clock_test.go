package clock

import (
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	year = 365 * 24 * time.Hour
)

// hand is a wall clock that a test sets.
type hand struct{ at time.Time }

func (h *hand) now() time.Time { return h.at }

func (h *hand) pass(d time.Duration) { h.at = h.at.Add(d) }

func checkWall(t *testing.T, what string, c *Clock, want time.Time) {
	t.Helper()
	if got := c.Wall(); !got.Equal(want) {
		t.Errorf("%s: %s, want %s", what, got, want)
	}
}

func TestStampsRise(t *testing.T) {
	h := &hand{noon}
	c := New(h.now, 0)
	last := Stamp(0)
	for _, step := range []time.Duration{0, 0, time.Millisecond, -time.Hour, 0, 2 * time.Hour, -3 * year, 5 * year} {
		h.pass(step)
		s, q := c.Now()
		if s <= last || q != Unsynced {
			t.Errorf("after %s: stamp %d (%d), last %d", step, s, q, last)
		}
		last = s
	}
}

func TestRemoteStamps(t *testing.T) {
	h := &hand{noon}
	c := New(h.now, 0)
	c.Follow(StampOf(noon.Add(MaxAhead)))
	if s, _ := c.Now(); s <= StampOf(noon.Add(MaxAhead)) {
		t.Errorf("stamp %s does not follow a remote one that is near", s.Time())
	}
	before, _ := c.Now()
	c.Follow(StampOf(noon.Add(10 * year)))
	if s, _ := c.Now(); s != before+1 {
		t.Errorf("stamp %s was dragged along by a clock that is years ahead", s.Time())
	}
}

// TestHubTime: the hub's word sets a wall clock right that is far off, and says what to think of it.
func TestHubTime(t *testing.T) {
	for _, tt := range []struct {
		wrong time.Duration
		want  Quality
		shown time.Duration // of the wall, off the truth
	}{{0, Synced, 0}, {time.Minute, Synced, time.Minute}, {-10 * year, Doubtful, 0}, {10 * year, Doubtful, 0}} {
		h := &hand{noon.Add(tt.wrong)}
		c := New(h.now, 0)
		first, _ := c.Now()
		c.HubTime(noon)
		checkWall(t, tt.wrong.String(), c, noon.Add(tt.shown))
		s, q := c.Now()
		if q != tt.want || s.Time().Sub(noon.Add(tt.shown)).Abs() > time.Second {
			t.Errorf("%s off: stamp %s after %s, quality %d, want %d", tt.wrong, s.Time(), first.Time(), q, tt.want)
		}
		h.pass(time.Hour)
		checkWall(t, "an hour later", c, noon.Add(tt.shown+time.Hour))
	}
}

// TestSure: before the hub is heard, what is certain bounds a wall clock that can not be believed.
func TestSure(t *testing.T) {
	for _, tt := range []struct {
		name       string
		wall, want time.Time
	}{
		{"a little later", noon.Add(time.Hour), noon.Add(time.Hour)},
		{"after a year without a line", noon.Add(year), noon.Add(year)},
		{"years ahead", noon.Add(30 * year), noon},
		{"without a battery", time.Unix(0, 0), noon},
	} {
		h := &hand{tt.wall}
		c := New(h.now, 0)
		c.Sure(noon)
		checkWall(t, tt.name, c, tt.want)
		h.pass(time.Hour)
		checkWall(t, tt.name+", an hour later", c, tt.want.Add(time.Hour))
		if s, q := c.Now(); s.Time() != tt.want.Add(time.Hour) || q != Unsynced {
			t.Errorf("%s: stamp %s, quality %d", tt.name, s.Time(), q)
		}
		c.HubTime(noon.Add(2 * time.Hour))
		if q := c.Quality(); (q == Doubtful) != (tt.wall.Add(time.Hour).Sub(noon.Add(2*time.Hour)).Abs() > MaxAhead) {
			t.Errorf("%s: quality %d once the hub is heard", tt.name, q)
		}
	}
}

// TestLastStamp: a restart goes on from the last stamp, unless it was given by a clock that was years ahead.
func TestLastStamp(t *testing.T) {
	h := &hand{time.Unix(0, 0)}
	c := New(h.now, StampOf(noon.Add(time.Hour)))
	c.Sure(noon)
	checkWall(t, "after the hub's last word", c, noon.Add(time.Hour))
	if s, _ := c.Now(); s <= StampOf(noon.Add(time.Hour)) {
		t.Errorf("stamp fell to %s", s.Time())
	}
	h.at = noon.Add(time.Minute)
	c = New(h.now, StampOf(noon.Add(10*year)))
	c.Sure(noon)
	checkWall(t, "after a stamp that can not be right", c, h.at)
	if s, _ := c.Now(); s.Time() != h.at {
		t.Errorf("stamp %s goes on from one that can not be right", s.Time())
	}
	c = New(h.now, StampOf(noon.Add(10*year)))
	c.HubTime(h.at)
	if s, q := c.Now(); s.Time() != h.at || q != Synced {
		t.Errorf("stamp %s, quality %d though the hub was heard", s.Time(), q)
	}
}

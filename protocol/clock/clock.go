// Package clock is a hybrid logical clock: wall time that never runs backwards.
//
// A node has no clock battery and may start in 1970 or in 2090. Order inside a node
// therefore comes from change numbers; a Stamp only serves to compare what different
// nodes did and to show people when something happened. A remote stamp that is far
// ahead of the local wall clock is not followed, so that one broken clock can not drag
// the others along.
//
// The construction is the one of Kulkarni et al., "Logical Physical Clocks" (2014).
package clock

import (
	"sync"
	"time"
)

// Stamp is a point in hybrid time: 48 bits of Unix milliseconds, then a 16 bit counter.
type Stamp uint64

// MaxAhead is how far a remote stamp may lie before the local wall clock and still be followed.
const MaxAhead = 5 * time.Minute

// StampOf returns the first stamp of the millisecond of t. Times before 1970 give zero.
func StampOf(t time.Time) Stamp {
	ms := t.UnixMilli()
	if ms < 0 {
		return 0
	}
	return Stamp(uint64(ms) << 16)
}

// Time returns the wall time of s in UTC, cut to milliseconds.
func (s Stamp) Time() time.Time { return time.UnixMilli(int64(s >> 16)).UTC() } // #nosec G115 -- 48 bits fit

// Quality says how far a node's wall time could be trusted when it gave a stamp.
type Quality uint8

// The qualities; the numbers are stored and sent, and are only ever added to.
const (
	Unsynced Quality = 0 // the hub's time was not seen since the node started
	Synced   Quality = 1 // within MaxAhead of the hub's signed time
	Doubtful Quality = 2 // farther from the hub's signed time than MaxAhead
)

// MaxAway is how long a node can be thought to have been without its hub. A clock that is farther ahead of what
// is certain is wrong.
const MaxAway = 2 * 365 * 24 * time.Hour

// Clock gives rising stamps. Its zero value is not usable; see New.
type Clock struct {
	mu     sync.Mutex
	wall   func() time.Time
	last   Stamp
	offset time.Duration // hub time less wall time, at the last signed word of the hub
	heard  bool
	sure   time.Time // had passed for certain when the wall clock showed since
	since  time.Time
}

// New returns a clock over wall that never goes below last, the highest stamp that was
// stored before the restart.
func New(wall func() time.Time, last Stamp) *Clock { return &Clock{wall: wall, last: last} }

// Sure records a time that has passed for certain, such as that of the hub's last word before the
// start. A wall clock that is behind it, or farther ahead than MaxAway, is not believed:
// until the hub is heard, time goes on from there.
func (c *Clock) Sure(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sure, c.since = t, c.wall()
}

// Now returns a stamp higher than any returned or followed before, and its quality.
//
// A wall clock that starts in 1970 goes on from the last stamp. One that had been years
// ahead is given up as soon as the hub's signed time, or what is certain, shows it: only then may
// stamps fall, and order inside the node is still kept by its numbers.
func (c *Clock) Now() (Stamp, Quality) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := StampOf(c.best())
	ahead := now + Stamp(MaxAhead.Milliseconds()<<16) // #nosec G115 -- a positive constant
	switch {
	case now > c.last, c.last > ahead && (c.heard || !c.likely(c.last.Time())):
		c.last = now
	default:
		c.last++
	}
	return c.last, c.quality()
}

// Wall returns the best estimate of the present time: the wall clock, set right by the
// hub's signed time where the two differ by more than MaxAhead, before that by what is certain, and
// never before the last stamp unless the hub said so. Business days, expiry and certificates are
// judged by it.
func (c *Clock) Wall() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.best()
	if last := c.last.Time(); !c.heard && last.After(now) && c.likely(last) {
		return last
	}
	return now
}

func (c *Clock) best() time.Time {
	now := c.wall()
	switch {
	case c.heard && c.far():
		return now.Add(c.offset)
	case c.heard:
		return now
	}
	if floor := c.floor(); now.Before(floor) || !c.likely(now) {
		return floor
	}
	return now
}

// floor is the latest time that has passed for certain, as far as this machine knows. Setting its wall clock
// does not move it.
func (c *Clock) floor() time.Time { return c.sure.Add(c.wall().Sub(c.since)) }

// likely reports whether t can be the present.
func (c *Clock) likely(t time.Time) bool { return c.sure.IsZero() || t.Sub(c.floor()) <= MaxAway }

func (c *Clock) far() bool { return c.offset > MaxAhead || c.offset < -MaxAhead }

// Follow makes later stamps higher than remote, unless remote lies too far ahead.
func (c *Clock) Follow(remote Stamp) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if remote > c.last && remote <= StampOf(c.best().Add(MaxAhead)) {
		c.last = remote
	}
}

// HubTime records the hub's signed time, from which the quality of later stamps follows.
func (c *Clock) HubTime(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset, c.heard = t.Sub(c.wall()), true
}

// Quality says how far the wall time can be trusted now.
func (c *Clock) Quality() Quality {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.quality()
}

func (c *Clock) quality() Quality {
	switch {
	case !c.heard:
		return Unsynced
	case c.far():
		return Doubtful
	default:
		return Synced
	}
}

package device

import (
	"errors"
	"strings"
	"time"
	"unicode"

	"stockade/protocol/barcode"
)

// ErrNoise says that a scanner's line brings what nobody can read, and does not stop.
var ErrNoise = errors.New("unreadable bytes without end: check speed, parity and cable of the scanner")

const (
	// burstLimit is how many unreadable frames in a row, without the silence that lies between two scans by hand, are noise.
	burstLimit = 8
	// floodLimit is the same over silences: more than floodLeak unreadable frames a second, which no worker scans.
	floodLimit = 48
	floodLeak  = 8.0
	// calm is the silence that ends noise.
	calm = 500 * time.Millisecond
)

// noise tells scans that a worker has to repeat from a line that is set wrongly or disturbed. Each of the former is a
// refusal that is shown, stored and delivered; endless ones would fill the store and drown the station, so
// of noise one is reported, and the rest is only counted until the line has been silent. Times are the caller's.
type noise struct {
	burst, flood int
	leaked       time.Time // when flood was last lowered
	on           bool
	lastByte     time.Time
}

// heard notes that bytes came in, and that the line was silent before if it was.
func (n *noise) heard(now time.Time) {
	if n.on && now.Sub(n.lastByte) >= calm {
		*n = noise{leaked: now}
	}
	n.lastByte = now
}

// gap notes a silence that ended a frame.
func (n *noise) gap() { n.burst = 0 }

// ended tells whether noise has just given way to silence.
func (n *noise) ended(now time.Time) bool {
	if !n.on || now.Sub(n.lastByte) < calm {
		return false
	}
	*n = noise{leaked: now}
	return true
}

// pass says what is handed over of a scan: the scan, the one report that there is noise, or nothing.
func (n *noise) pass(s barcode.Scan, ssi bool, now time.Time) (barcode.Scan, bool) {
	if n.on {
		return s, false // a scan amid noise may have bytes of its neighbours: the worker scans again
	}
	if gone := int(now.Sub(n.leaked).Seconds() * floodLeak); gone > 0 {
		n.flood, n.leaked = max(0, n.flood-gone), now
	}
	if readable(s, ssi) {
		n.burst, n.flood = max(0, n.burst-1), max(0, n.flood-1)
		return s, true
	}
	n.burst, n.flood = n.burst+1, n.flood+1
	if n.burst > burstLimit || n.flood > floodLimit {
		n.on = true
		return barcode.Scan{Error: barcode.ErrNoise, Raw: s.Raw[:min(len(s.Raw), 64)]}, true
	}
	return s, true
}

// readable tells whether a scanner may have sent this: text, if only of a code that is refused. What it says of itself does
// not count: many wrong codes in a row are a worker's matter, and each is told to the worker.
func readable(s barcode.Scan, ssi bool) bool {
	switch s.Error {
	case barcode.ErrEncoding, barcode.ErrTruncated, barcode.ErrChecksum:
		return false
	}
	if ssi {
		return true // its checksum was right
	}
	if s.Error == barcode.ErrLength && len(s.Raw) > longestCode {
		return false
	}
	for _, c := range s.Raw {
		// Separators and EOT belong to ISO/IEC 15434, the rest to frames that began with STX.
		if (c < 0x1C || c == 0x7F) && c != 0x04 && c != '\r' && c != '\n' && c != '\t' {
			return false
		}
	}
	return !strings.ContainsFunc(s.Text, func(r rune) bool { return r >= 0x80 && (unicode.IsControl(r) || unicode.Is(unicode.Co, r)) })
}

// longestCode is how many characters the largest symbols hold (QR version 40, in digits).
const longestCode = 7089

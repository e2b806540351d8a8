package barcode

import (
	"bytes"
	"slices"
	"time"
)

// maxFrame limits a frame. The largest symbols (QR version 40, in digits) hold 7,089 characters.
const maxFrame = 8 << 10

const (
	stx = 0x02
	etx = 0x03
	gs  = 0x1D
)

// Decoder turns a stream of bytes into scans. It is for one goroutine.
type Decoder struct {
	profile Profile
	now     func() time.Time
	buf     []byte
	inSTX   bool // the frame began with STX and ends with ETX
	tooLong bool // the frame passed maxFrame and was reported: its rest is dropped
	parts   ssiParts
}

// ssiParts is a scan that comes in several SSI packets.
type ssiParts struct {
	data    []byte
	last    []byte // packet that came last; nil when no scan is under way
	at      time.Time
	tooLong bool
	cut     bool // the line was cut since
}

// partLimit is how long the next packet of a scan may take: a scanner repeats one for a few seconds, then gives up.
const partLimit = 15 * time.Second

// NewDecoder returns a decoder for a scanner. now tells the day from which the century of a
// two-digit year follows.
func NewDecoder(p Profile, now func() time.Time) *Decoder {
	return &Decoder{profile: p, now: now}
}

// Decode returns the scans in raw, as if it had come in one burst before an idle gap.
func Decode(p Profile, raw []byte, now time.Time) []Scan {
	d := NewDecoder(p, func() time.Time { return now })
	out := append(d.Feed(raw), d.Idle()...)
	if d.parts.last != nil {
		out = append(out, Scan{Error: ErrTruncated, Raw: d.parts.last})
	}
	return slices.DeleteFunc(out, func(s Scan) bool { return s.Part })
}

// Feed takes the next bytes and returns the scans that they complete. How the bytes are cut
// into calls makes no difference.
func (d *Decoder) Feed(b []byte) []Scan {
	if d.profile.SSI {
		d.buf = append(d.buf, b...)
		return d.packets()
	}
	var out []Scan
	for _, c := range b {
		out = d.take(out, c)
	}
	return out
}

// Idle says that the line has been silent: what waits is complete, or never will be.
func (d *Decoder) Idle() []Scan {
	var out []Scan
	switch {
	case d.profile.SSI && len(d.buf) > 0:
		out = append(out, Scan{Error: ErrTruncated, Raw: bytes.Clone(d.buf)})
		d.reset()
	case d.inSTX:
		out = d.broken(out)
	default:
		out = d.end(out)
	}
	return out
}

// Cut is Idle for a line that has ended, and may come back. A scan of which some packets had come is not forgotten: the scanner
// sends the next one again when the line is there again, and that one alone would pass for a scan.
func (d *Decoder) Cut() []Scan {
	d.parts.cut = d.parts.last != nil
	return d.Idle()
}

func (d *Decoder) take(out []Scan, c byte) []Scan {
	switch c {
	case 0x00, 0x11, 0x13, 0xFF: // F3: line noise, XON and XOFF
		return out
	case stx:
		if d.inSTX {
			out = d.broken(out) // F2: a second STX
		} else {
			out = d.end(out)
		}
		d.inSTX = true
		return out
	case etx:
		return d.end(out)
	case '\r', '\n', '\t':
		if !d.inSTX {
			return d.end(out) // F1
		}
	}
	switch {
	case len(d.buf) < maxFrame:
		d.buf = append(d.buf, c)
	case !d.tooLong: // said at once: the end of an endless line never comes
		d.tooLong = true
		out = append(out, Scan{Error: ErrLength, Raw: bytes.Clone(d.buf)})
	}
	return out
}

// end closes the frame. Empty frames are dropped.
func (d *Decoder) end(out []Scan) []Scan {
	frame := d.buf
	if d.inSTX { // F2: one CR, LF or CRLF directly before ETX is suffix
		if f, ok := bytes.CutSuffix(frame, []byte("\r\n")); ok {
			frame = f
		} else if f, ok := bytes.CutSuffix(frame, []byte("\n")); ok {
			frame = f
		} else {
			frame = bytes.TrimSuffix(frame, []byte("\r"))
		}
	}
	if !d.tooLong && len(frame) > 0 {
		out = append(out, d.frame(bytes.Clone(frame)))
	}
	d.reset()
	return out
}

// broken reports a frame that began with STX and never ended.
func (d *Decoder) broken(out []Scan) []Scan {
	if !d.tooLong {
		out = append(out, Scan{Error: ErrTruncated, Raw: bytes.Clone(d.buf)})
	}
	d.reset()
	return out
}

func (d *Decoder) reset() { d.buf, d.inSTX, d.tooLong = d.buf[:0], false, false }

// frame reads one plain frame.
func (d *Decoder) frame(f []byte) Scan {
	var s Scan
	if what, rest, ok := d.profile.codeID(f); ok && f[0] != ']' {
		s = d.announced(what, rest)
	} else if f[0] != ']' {
		s = d.guessed(f)
	} else if what, rest, ok := aimID(f); ok {
		s = d.announced(what, rest)
	} else {
		s = Scan{Error: ErrAIM}
	}
	s.Raw = f
	return s
}

// ssiOverhead is length, opcode, source and status, the checksum apart.
const ssiOverhead = 4

const ssiDecodeData = 0xF3

// Bits of an SSI packet's status, which is its fourth byte.
const (
	ssiResent = 0x01
	ssiMore   = 0x02
)

// packets reads the whole SSI packets in the buffer (F4).
func (d *Decoder) packets() []Scan {
	var out []Scan
	for len(d.buf) > 0 {
		n := int(d.buf[0])
		if n < ssiOverhead { // no packet is that short: noise between packets
			d.buf = d.buf[1:]
			continue
		}
		if len(d.buf) < n+2 {
			break
		}
		out = append(out, d.packet(d.buf[:n], d.buf[n], d.buf[n+1])...)
		d.buf = d.buf[n+2:]
	}
	d.buf = append([]byte(nil), d.buf...)
	return out
}

func (d *Decoder) packet(p []byte, high, low byte) []Scan {
	sum := uint16(0)
	for _, c := range p {
		sum += uint16(c)
	}
	raw := bytes.Clone(p)
	if -sum != uint16(high)<<8|uint16(low) {
		return []Scan{{Error: ErrChecksum, Raw: raw}}
	}
	if p[1] != ssiDecodeData || len(p) <= ssiOverhead {
		return nil // events, acknowledgements: nothing was scanned
	}
	if p[ssiOverhead-1]&ssiMore == 0 && d.parts.last == nil {
		return d.decoded(raw, p[ssiOverhead], p[ssiOverhead+1:])
	}
	return d.part(raw)
}

// part takes a packet of a scan that has several: all but the last one say that more follows. A packet that was sent again, since
// our acknowledgement was lost, is not taken twice. Half a scan that something else follows is an error: half a lot may be another lot.
func (d *Decoder) part(p []byte) (out []Scan) {
	of := &d.parts
	status := ssiOverhead - 1
	if of.last != nil && p[status]&ssiResent != 0 && len(p) == len(of.last) && bytes.Equal(p[:status], of.last[:status]) &&
		(p[status]^of.last[status])&^ssiResent == 0 && bytes.Equal(p[ssiOverhead:], of.last[ssiOverhead:]) {
		of.cut = false // it goes on where it was
		return []Scan{{Part: true, Raw: p}}
	}
	begun := of.cut && p[status]&ssiResent == 0 // it has given up the one that was cut
	if passed := d.now().Sub(of.at); of.last != nil && (p[ssiOverhead] != of.last[ssiOverhead] || passed < 0 || passed > partLimit || begun) {
		out = append(out, Scan{Error: ErrTruncated, Raw: of.last})
		*of = ssiParts{}
	}
	more := p[status]&ssiMore != 0
	if !of.tooLong {
		of.data = append(of.data, p[ssiOverhead+1:]...)
	}
	switch {
	case len(of.data) > maxFrame && !of.tooLong:
		of.tooLong, of.data = true, nil
		out = append(out, Scan{Error: ErrLength, Raw: p})
	case more || of.tooLong:
		out = append(out, Scan{Part: true, Raw: p})
	default:
		out = append(out, d.decoded(p, p[ssiOverhead], of.data)...)
	}
	if of.last, of.at, of.cut = p, d.now(), false; !more {
		*of = ssiParts{}
	}
	return out
}

// decoded reads the data of one scan, which ended with the packet raw.
func (d *Decoder) decoded(raw []byte, kind byte, data []byte) []Scan {
	data = bytes.TrimRight(bytes.Clone(data), "\r\n")
	var s Scan
	if what, ok := ssiTypes[kind]; ok {
		s = d.announced(what, data)
	} else if len(data) == 0 {
		return nil
	} else {
		s = d.guessed(data)
	}
	s.Raw = raw
	return []Scan{s}
}

package device

import (
	"bytes"
	"strings"

	"stockade/protocol/barcode"
)

// beeper holds a vendor's commands for a good and for a bad scan; nil where there is none.
type beeper struct{ good, bad []byte }

func (b beeper) command(good bool) []byte {
	if good {
		return b.good
	}
	return b.bad
}

// beeperOf finds the tag beep= in a profile. No scanner is sent anything without it: what one takes
// for a beep is a setting or a number at another.
func beeperOf(profile string) beeper {
	for tag := range strings.FieldsSeq(profile) {
		switch tag {
		case "beep=zebra": // "Beep on BEL" must be on
			return beeper{good: []byte{0x07}}
		case "beep=honeywell": // SYN BEL CR
			return beeper{good: []byte{0x16, 0x07, 0x0D}}
		case "beep=datalogic": // "not on file" also disables the scanner: enable it again
			return beeper{good: []byte("B"), bad: []byte("FE")}
		case "beep=ssi":
			return beeper{good: ssiPacket(ssiBeep, oneShortHigh), bad: ssiPacket(ssiBeep, twoShortLow)}
		}
	}
	return beeper{}
}

// Zebra SSI: what a host may say, and the beeps used here.
const (
	ssiCmdAck = 0xD0
	ssiCmdNak = 0xD1
	ssiBeep   = 0xE6

	ssiHost      = 0x04
	ssiStatus    = 3    // index of the status byte
	ssiResent    = 0x01 // its bit for a packet that is sent again
	ssiHeader    = 4    // length, opcode, source, status
	nakResend    = 0x01
	oneShortHigh = 0x00
	twoShortLow  = 0x06
)

// ssiPacket builds a packet of the host: the length counts all but the checksum, which is the two's
// complement of the 16-bit sum of the rest, high byte first.
func ssiPacket(opcode byte, data ...byte) []byte {
	p := append([]byte{byte(ssiHeader + len(data)), opcode, ssiHost, 0}, data...) // #nosec G115 -- a few bytes
	var sum uint16
	for _, c := range p {
		sum += uint16(c)
	}
	return append(p, byte(-sum>>8), byte(-sum&0xFF)) // #nosec G115 -- the two halves
}

func ssiAck() []byte { return ssiPacket(ssiCmdAck) }

// ssiAnswer returns what the scanner waits for after a packet: a damaged one is asked for again.
// Nothing is said to half a packet; the scanner sends it again by itself.
func ssiAnswer(s barcode.Scan) []byte {
	switch s.Error {
	case barcode.ErrChecksum:
		return ssiPacket(ssiCmdNak, nakResend)
	case barcode.ErrTruncated:
		return nil
	}
	return ssiAck()
}

// resent tells whether raw is the packet last, sent once more because the scanner heard no answer.
// Only its own bit says so: the same code scanned twice is two scans. A resent packet that is not
// the last one was not understood before, and is new.
func resent(last, raw []byte) bool {
	return len(raw) >= ssiHeader && len(raw) == len(last) && raw[ssiStatus]&ssiResent != 0 &&
		bytes.Equal(raw[:ssiStatus], last[:ssiStatus]) && bytes.Equal(raw[ssiHeader:], last[ssiHeader:])
}

// remembered returns the packet that a resent one is to be compared with after s. A damaged packet was
// not the one before, unless it says itself that it was sent again.
func remembered(last []byte, s barcode.Scan) []byte {
	switch {
	case s.Error != barcode.ErrChecksum:
		return s.Raw
	case len(s.Raw) > ssiStatus && s.Raw[ssiStatus]&ssiResent != 0:
		return last
	}
	return nil
}

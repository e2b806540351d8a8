package simulate

import (
	"bytes"
	"fmt"
)

// Vendor says which commands of the host a scanner obeys.
type Vendor string

// The vendors. A scanner of none takes what comes for bytes without a meaning.
const (
	NoVendor  Vendor = ""
	Zebra     Vendor = "zebra"
	ZebraSSI  Vendor = "ssi"
	Honeywell Vendor = "honeywell"
	Datalogic Vendor = "datalogic"
	Newland   Vendor = "newland"
)

// Vendors returns all vendors.
func Vendors() []Vendor { return []Vendor{Zebra, ZebraSSI, Honeywell, Datalogic, Newland} }

// ScanEventKind says what happened to a scanner.
type ScanEventKind string

// The kinds of events of a scanner.
const (
	ScanSent         ScanEventKind = "sent"         // bytes of a scan
	ScanResent       ScanEventKind = "resent"       // the same again, marked as such
	ScanAcknowledged ScanEventKind = "acknowledged" // by the host
	ScanRefused      ScanEventKind = "refused"      // NAK
	ScanLost         ScanEventKind = "lost"         // never acknowledged: the scanner gives up
	ScanCut          ScanEventKind = "cut"          // the cable was pulled in the middle of a scan
	ScanBeep         ScanEventKind = "beep"         // Text: good, bad, or the vendor's number
	ScanLED          ScanEventKind = "led"          // Text: on, off
	ScanTrigger      ScanEventKind = "trigger"      // Text: on, off
	ScanReading      ScanEventKind = "reading"      // Text: on, off: the host lets the scanner read, or not
	ScanCommand      ScanEventKind = "command"      // another command that was understood
	ScanReceived     ScanEventKind = "received"     // bytes without a meaning to this scanner
)

// ScanEvent is something that happened to a scanner.
type ScanEvent struct {
	Kind ScanEventKind
	Line int    // of the scan, as Scan was told
	Raw  []byte // as it went over the line
	Text string
}

// commandReader finds commands in what the host sends. Bytes that mean nothing are events of their own.
type commandReader struct {
	vendor Vendor
	buf    []byte
}

// maxCommand is the longest command of a host.
const maxCommand = 300

// take takes bytes and returns what they complete.
func (r *commandReader) take(raw []byte) (events []ScanEvent) {
	r.buf = append(r.buf, raw...)
	for len(r.buf) > 0 {
		n, e := r.first()
		if n == 0 {
			if len(r.buf) < maxCommand {
				break
			}
			n, e = 1, ScanEvent{Kind: ScanReceived} // it never becomes a command
		}
		e.Raw = bytes.Clone(r.buf[:n])
		r.buf = r.buf[n:]
		if last := len(events) - 1; e.Kind == ScanReceived && last >= 0 && events[last].Kind == ScanReceived {
			events[last].Raw = append(events[last].Raw, e.Raw...)
			continue
		}
		events = append(events, e)
	}
	return events
}

// first reads the command at the beginning of the buffer and says how long it is; 0 when more has to come.
func (r *commandReader) first() (int, ScanEvent) {
	nothing := ScanEvent{Kind: ScanReceived}
	b := r.buf
	switch r.vendor {
	case ZebraSSI:
		return ssiCommand(b)
	case Zebra:
		if b[0] == 0x07 {
			return 1, ScanEvent{Kind: ScanBeep, Text: "good"}
		}
	case Datalogic:
		if e, ok := datalogicCommands[b[0]]; ok {
			return 1, e
		}
	case Honeywell:
		if b[0] != 0x16 {
			break
		}
		if len(b) < 3 && (len(b) == 1 || bytes.IndexByte([]byte("\x07TUM"), b[1]) >= 0) {
			return 0, nothing
		}
		switch e, ok := honeywellCommands[string(b[:3])]; {
		case ok:
			return 3, e
		case string(b[:3]) == "\x16M\r": // a menu command up to ! or .
			if end := bytes.IndexAny(b, "!."); end >= 0 {
				return end + 1, ScanEvent{Kind: ScanCommand, Text: string(b[3 : end+1])}
			}
			return 0, nothing
		}
	case Newland: // ~ SOH 0000 @ or #, command, ; ETX
		if b[0] != '~' {
			break
		}
		const prefix = "~\x010000"
		if n := min(len(b), len(prefix)); string(b[:n]) != prefix[:n] {
			break
		}
		if len(b) <= len(prefix) {
			return 0, nothing
		}
		if b[len(prefix)] != '@' && b[len(prefix)] != '#' {
			break
		}
		if end := bytes.Index(b, []byte(";\x03")); end >= 0 {
			return end + 2, ScanEvent{Kind: ScanCommand, Text: string(b[len(prefix):end])}
		}
		return 0, nothing
	}
	return 1, nothing
}

var datalogicCommands = map[byte]ScanEvent{
	'B': {Kind: ScanBeep, Text: "good"}, 0x01: {Kind: ScanBeep, Text: "good"}, 'F': {Kind: ScanBeep, Text: "bad"},
	'T': {Kind: ScanTrigger, Text: "on"}, 'X': {Kind: ScanTrigger, Text: "off"},
	'D': {Kind: ScanReading, Text: "off"}, 'E': {Kind: ScanReading, Text: "on"}, 'R': {Kind: ScanCommand, Text: "reset"},
}

var honeywellCommands = map[string]ScanEvent{
	"\x16\x07\r": {Kind: ScanBeep, Text: "good"}, "\x16T\r": {Kind: ScanTrigger, Text: "on"}, "\x16U\r": {Kind: ScanTrigger, Text: "off"},
}

// ssiCommand reads one packet. A wrong checksum is told in Text.
func ssiCommand(b []byte) (int, ScanEvent) {
	n := int(b[0])
	if n < ssiHeader {
		return 1, ScanEvent{Kind: ScanReceived}
	}
	if len(b) < n+2 {
		return 0, ScanEvent{}
	}
	packet := b[:n+2]
	if want := ssiPacket(b[1], b[2], b[3], b[ssiHeader:n]); !bytes.Equal(want, packet) || b[2] != fromHost {
		return 1, ScanEvent{Kind: ScanReceived, Text: "checksum"}
	}
	value := ""
	if n > ssiHeader {
		value = fmt.Sprint(b[ssiHeader])
	}
	e := ScanEvent{Kind: ScanCommand, Text: fmt.Sprintf("opcode %02X", b[1])}
	switch b[1] {
	case ssiAck:
		e = ScanEvent{Kind: ScanAcknowledged}
	case ssiNak:
		e = ScanEvent{Kind: ScanRefused, Text: value}
	case ssiBeep:
		e = ScanEvent{Kind: ScanBeep, Text: value}
	case ssiLEDOn:
		e = ScanEvent{Kind: ScanLED, Text: "on"}
	case ssiLEDOff:
		e = ScanEvent{Kind: ScanLED, Text: "off"}
	case ssiStart:
		e = ScanEvent{Kind: ScanTrigger, Text: "on"}
	case ssiStop:
		e = ScanEvent{Kind: ScanTrigger, Text: "off"}
	case ssiEnable:
		e = ScanEvent{Kind: ScanReading, Text: "on"}
	case ssiDisable:
		e = ScanEvent{Kind: ScanReading, Text: "off"}
	}
	return n + 2, e
}

package simulate

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// Profile says how a scanner sends what it has read. The zero profile sends bytes as they are.
type Profile struct {
	Name    string
	Framing Framing
	CodeID  string // vendor whose Code IDs take the place of AIM identifiers: "zebra" or "datalogic"
	DropID  bool   // the AIM identifier is not sent
	GS      string // sent in place of GS 0x1D; empty for GS itself
	End     string // behind the data, within STX and ETX
	Vendor  Vendor // whose commands the scanner obeys
}

// Framing is what surrounds the data.
type Framing int

// The framings.
const (
	Bare Framing = iota // nothing but the end of Profile.End
	STX                 // STX ... ETX
	SSI                 // packets of Zebra's Simple Serial Interface, each acknowledged by the host
)

// Profiles are the ways in which scanners on the market are set up. A scan is given to them as an AIM identifier
// and data, such as "]E06901234567892".
func Profiles() []Profile {
	return []Profile{
		{Name: "raw"},
		{Name: "plain", DropID: true, End: "\r"},
		{Name: "silent", DropID: true, Vendor: Zebra}, // Zebra's factory setting: nothing ends a scan but silence
		{Name: "aim", End: "\r"},
		{Name: "stx", Framing: STX},
		{Name: "ssi", Framing: SSI, Vendor: ZebraSSI},
		{Name: "codeid-zebra", CodeID: "zebra", End: "\r\n", Vendor: Zebra},
		{Name: "codeid-datalogic", CodeID: "datalogic", End: "\r\n", Vendor: Datalogic},
		{Name: "gs-sub", GS: "|", End: "\r"},
		{Name: "honeywell", End: "\r", Vendor: Honeywell},
		{Name: "newland", End: "\r", Vendor: Newland},
	}
}

// FindProfile returns the profile of a name.
func FindProfile(name string) (Profile, error) {
	var names []string
	for _, p := range Profiles() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Profile{}, fmt.Errorf("没有扫描枪配置 / no profile %q: %s", name, strings.Join(names, "|"))
}

// codeIDs are the vendors' own identifiers by the AIM identifier that they replace.
var codeIDs = map[string]map[string]string{
	"zebra": {
		"E0": "A", "E3": "A", "E4": "A", "A": "B", "C0": "D", "C1": "K", "I": "F", "e0": "R", "d1": "P00", "d2": "P0G", "Q1": "P01", "Q3": "P0Q",
	},
	"datalogic": {"E4": "A", "E0": "B", "A": "V", "I": "N", "C0": "T", "C1": "k"},
}

// ssiTypes are the code types of SSI's DECODE_DATA by AIM identifier. Those of two-dimensional symbols and of DataBar
// are Zebra's too, but stand on no page that we hold.
var ssiTypes = map[string]byte{
	"A": 0x01, "C0": 0x03, "I": 0x06, "E4": 0x0A, "E0": 0x0B, "C1": 0x0F, "d1": 0x1B, "d2": 0x1B, "Q1": 0x1C, "Q3": 0x1C, "e0": 0x30,
}

// aimID takes the AIM identifier off a scan; the identifier is given without its bracket.
func aimID(scan []byte) (id string, data []byte) {
	if len(scan) < 3 || scan[0] != ']' {
		return "", scan
	}
	return string(scan[1:3]), scan[3:]
}

// by looks an identifier up, with its modifier or else by its letter alone.
func by[T any](table map[string]T, id string) (T, bool) {
	v, ok := table[id]
	if !ok && id != "" {
		v, ok = table[id[:1]]
	}
	return v, ok
}

// Frame returns what a scanner sends for a scan. The zero profile sends it as it is.
func (p Profile) Frame(scan []byte) ([]byte, error) {
	if p.Name == "raw" || p.Name == "" {
		return scan, nil
	}
	id, data := aimID(bytes.TrimRight(scan, "\r\n\t"))
	if p.GS != "" {
		data = bytes.ReplaceAll(data, []byte{0x1D}, []byte(p.GS))
	}
	if p.Framing == SSI {
		kind, ok := by(ssiTypes, id)
		if !ok {
			return nil, fmt.Errorf("SSI 没有类型 / SSI has no code type for %q", scan)
		}
		if len(data) > maxSSIData {
			return nil, fmt.Errorf("SSI: %d 字节超过一个数据包 / %d bytes are more than a packet holds", len(data), len(data))
		}
		return ssiPacket(ssiDecodeData, fromScanner, 0, append([]byte{kind}, data...)), nil
	}
	switch {
	case p.CodeID != "":
		code, ok := by(codeIDs[p.CodeID], id)
		if !ok {
			return nil, fmt.Errorf("%s 没有 Code ID / has no Code ID for %q", p.CodeID, scan)
		}
		data = append([]byte(code), data...)
	case !p.DropID && id != "":
		data = append([]byte("]"+id), data...)
	}
	data = append(slices.Clone(data), p.End...)
	if p.Framing == STX {
		data = slices.Concat([]byte{0x02}, data, []byte{0x03})
	}
	return data, nil
}

// Opcodes of SSI (Zebra, "Simple Serial Interface Programmer's Guide").
const (
	ssiAck, ssiNak         = 0xD0, 0xD1
	ssiStart, ssiStop      = 0xE4, 0xE5
	ssiBeep                = 0xE6
	ssiLEDOn, ssiLEDOff    = 0xE7, 0xE8
	ssiEnable, ssiDisable  = 0xE9, 0xEA
	ssiDecodeData          = 0xF3
	fromScanner, fromHost  = 0, 4
	ssiResent              = 0x01 // bit of the status byte
	ssiHeader, maxSSIData  = 4, 250
	ssiNakResend, ssiNakNo = 1, 6 // causes: send again; not understood
)

// ssiPacket is length, opcode, source, status, data and the checksum: the two's complement of the sum of all
// before it, high byte first.
func ssiPacket(opcode, source, state byte, data []byte) []byte {
	p := append([]byte{byte(ssiHeader + len(data)), opcode, source, state}, data...) // #nosec G115 -- at most 255, see Frame
	sum := uint16(0)
	for _, b := range p {
		sum += uint16(b)
	}
	return append(p, byte(-sum>>8), byte(-sum)) // #nosec G115 -- its two bytes
}

// again is a packet with the mark that it was sent before.
func again(packet []byte) []byte {
	return ssiPacket(packet[1], packet[2], packet[3]|ssiResent, packet[ssiHeader:len(packet)-2])
}

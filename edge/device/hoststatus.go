package device

import (
	"bytes"
	"strconv"
	"strings"
)

// hostStatus is what a ZPL printer says of itself.
type hostStatus struct {
	state   State
	left    int  // formats in its buffer and labels of a batch that are not printed yet
	full    bool // its buffer takes no more
	partial bool // it has the beginning of a format
}

// Fields of the answer to ~HS, counted from 0 (ZPL II Programming Guide, "~HS Host Status Return"):
// three lines of 12, 11 and 2 fields, each between STX and ETX.
const (
	lineOneFields, lineTwoFields = 12, 11

	onePaperOut, onePause, oneFormats, oneFull, onePartial = 1, 2, 4, 5, 7
	oneLostRAM, oneCold, oneHot                            = 9, 10, 11
	twoHeadUp, twoRibbonOut, twoLeft                       = 2, 3, 8
)

// parseHS finds the first whole answer in b and returns what lies behind it. Bytes outside STX and ETX
// are passed over, such as XON and XOFF, and so is the rest of an answer whose beginning is lost. An
// answer of an unknown form, or a flag that is neither 0 nor 1, is an unknown fault.
func parseHS(b []byte) (h hostStatus, rest []byte, ok bool) {
	whole := b
	var one []string
	for strange := 0; ; {
		line, rest, ok := between(b)
		if !ok {
			return hostStatus{}, whole, false
		}
		b = rest
		switch fields := strings.Split(line, ","); {
		case len(fields) == lineOneFields:
			one = fields
		case len(fields) == lineTwoFields && one != nil:
			if _, rest, ok := between(b); ok {
				return readHS(one, fields), rest, true
			}
			return hostStatus{}, whole, false
		case len(fields) == lineTwoFields || len(fields) == 2: // the end of an older answer
		default:
			if strange++; strange == 3 {
				return hostStatus{state: Failed}, b, true
			}
		}
	}
}

// between returns what stands between the first STX and the ETX behind it.
func between(b []byte) (line string, rest []byte, ok bool) {
	_, b, ok = bytes.Cut(b, []byte{0x02})
	if !ok {
		return "", nil, false
	}
	text, rest, ok := bytes.Cut(b, []byte{0x03})
	return string(text), rest, ok
}

func readHS(one, two []string) hostStatus {
	known := true
	number := func(field string) int {
		n, err := strconv.ParseUint(strings.TrimSpace(field), 10, 31)
		known = known && err == nil
		return int(n) // #nosec G115 -- 31 bits
	}
	flag := func(field string) bool {
		n := number(field)
		known = known && n <= 1
		return n == 1
	}
	h := hostStatus{state: Ready, left: number(one[oneFormats]) + number(two[twoLeft]), full: flag(one[oneFull]), partial: flag(one[onePartial])}
	for _, f := range []struct {
		on    bool
		state State
	}{ // the first that holds is what a person has to do first
		{flag(one[onePaperOut]), PaperOut},
		{flag(two[twoHeadUp]), HeadOpen},
		{flag(two[twoRibbonOut]), RibbonOut},
		{flag(one[oneCold]), Failed},
		{flag(one[oneHot]), Hot},
		{flag(one[oneLostRAM]), Failed},
		{flag(one[onePause]), Paused},
	} {
		if f.on && h.state == Ready {
			h.state = f.state
		}
	}
	if !known && h.state == Ready {
		h.state = Failed
	}
	return h
}

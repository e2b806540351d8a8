package device

import (
	"bytes"
	"strconv"
	"strings"
)

// zplTongue speaks ZPL II.
type zplTongue struct {
	got      []byte
	last     report
	answered bool
	asked    bool  // ~HQES
	detail   State // of ~HQES; empty for no answer
	doubt    bool  // about the job: there was silence
}

const heardLimit = 16 << 10 // of bytes that are not understood

func (z *zplTongue) question(detail bool) []byte {
	z.got, z.answered, z.asked, z.detail = nil, false, detail, ""
	if detail { // a printer in trouble may be silent on the first and answer the second
		return []byte("~HS~HQES")
	}
	return []byte("~HS")
}

func (z *zplTongue) hear(b []byte) {
	z.got = append(z.got, b...)
	for {
		state, rest, ok := takeHQES(z.got)
		if !ok {
			break
		}
		z.got, z.detail = rest, state
	}
	for {
		r, rest, ok := parseHS(z.got)
		if z.got = rest; !ok {
			break
		}
		z.last, z.answered = r, true
	}
	z.got = z.got[max(0, len(z.got)-heardLimit):]
}

func (z *zplTongue) report() (r report, ok, whole bool) {
	r = z.last
	switch trouble := z.detail != "" && z.detail != Ready; {
	case z.answered && r.state == Failed && trouble:
		r.state = z.detail
	case !z.answered && trouble:
		return report{state: z.detail}, true, false
	}
	return r, z.answered, z.answered && (!z.asked || z.detail != "")
}

func (z *zplTongue) wrap(job []byte) []byte {
	z.doubt = false
	return job
}

// judge: a printer out of paper gives no answer, and neither does one that is switched off: the first prints
// the label later, the second has forgotten it. So after silence, "nothing waits" alone is not believed.
func (z *zplTongue) judge(r report) (verdict, error) {
	switch {
	case r.silent():
		z.doubt = true
	case r.left > 0 || r.partial:
		z.doubt = false // it remembers
	case r.state == Ready && z.doubt:
		return forgotten, ErrForgotten
	case r.state == Ready:
		return printed, nil
	}
	return pending, nil
}

func (z *zplTongue) over() {}

// mend: the printer itself says that it has the beginning of a format, see cancel.
func (z *zplTongue) mend(int) []byte { return nil }

func (z *zplTongue) cancel() []byte { return []byte("~JA") }

// takeHQES finds a whole answer to ~HQES in b and returns b without it (ZPL II Programming Guide, "~HQ Host Query"):
// STX, "PRINTER STATUS", "ERRORS: flag group2 group1" with hexadecimal groups of eight digits, warnings, ETX.
func takeHQES(b []byte) (state State, rest []byte, ok bool) {
	for from := 0; ; {
		start := bytes.IndexByte(b[from:], 0x02)
		if start < 0 {
			return "", b, false
		}
		start += from
		end := bytes.IndexByte(b[start:], 0x03)
		if end < 0 {
			return "", b, false
		}
		end += start
		if _, errors, ok := strings.Cut(string(b[start+1:end]), "ERRORS:"); ok {
			return readHQES(errors), append(bytes.Clone(b[:start]), b[end+1:]...), true
		}
		from = end + 1
	}
}

func readHQES(text string) State {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return Failed
	}
	group2, err2 := strconv.ParseUint(fields[1], 16, 32)
	group1, err1 := strconv.ParseUint(fields[2], 16, 32)
	if err1 != nil || err2 != nil {
		return Failed
	}
	for _, f := range []struct {
		bits  uint64
		state State
	}{{0x1, PaperOut}, {0x4, HeadOpen}, {0x2, RibbonOut}, {0x8, Cutter}, {0x30, Hot}, {0xC0, Failed}, {0x1_0000, Paused}} {
		if group1&f.bits != 0 {
			return f.state
		}
	}
	if group1 != 0 || group2 != 0 || fields[0] != "0" {
		return Failed
	}
	return Ready
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
func parseHS(b []byte) (h report, rest []byte, ok bool) {
	whole := b
	var one []string
	for strange := 0; ; {
		line, rest, ok := between(b)
		if !ok {
			return report{}, whole, false
		}
		b = rest
		switch fields := strings.Split(line, ","); {
		case len(fields) == lineOneFields:
			one = fields
		case len(fields) == lineTwoFields && one != nil:
			if _, rest, ok := between(b); ok {
				return readHS(one, fields), rest, true
			}
			return report{}, whole, false
		case len(fields) == lineTwoFields || len(fields) == 2: // the end of an older answer
		default:
			if strange++; strange == 3 {
				return report{state: Failed}, b, true
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

func readHS(one, two []string) report {
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
	h := report{state: Ready, left: number(one[oneFormats]) + number(two[twoLeft]), full: flag(one[oneFull]), partial: flag(one[onePartial])}
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

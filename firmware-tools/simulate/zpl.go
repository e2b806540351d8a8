package simulate

import (
	"bytes"
	"fmt"
	"strings"
)

// zplReader finds formats, and the commands that take effect at once, in what a host sends.
type zplReader struct {
	window [3]byte // the last bytes, none of them before the last command
	tilde  []byte  // a ~ and what followed it, while that may be a command that acts at once
	format []byte  // the format under way; nil between formats
	junk   []byte  // what stood outside formats, apart from white space
}

// atOnce are the commands that act when they arrive, also within a format, with what they do.
var atOnce = map[string]func(z *zplReader, to sink){
	"~HS":   func(_ *zplReader, to sink) { to.ask(zplStatus) },
	"~HQES": func(_ *zplReader, to sink) { to.ask(zplErrors) },
	"~HI":   func(_ *zplReader, to sink) { to.ask(zplIdentity) },
	"~JA": func(z *zplReader, to sink) {
		z.reset()
		to.cancel()
	},
	"~PP": func(_ *zplReader, to sink) { to.pause(true) },
	"~PS": func(_ *zplReader, to sink) { to.pause(false) },
}

func beginsCommand(s string) bool {
	for name := range atOnce {
		if strings.HasPrefix(name, s) {
			return true
		}
	}
	return false
}

func (z *zplReader) take(b byte, to sink) {
	z.window = [3]byte{z.window[1], z.window[2], b}
	if b == '~' {
		z.tilde = nil
	}
	if b == '~' || len(z.tilde) > 0 {
		z.tilde = append(z.tilde, bytes.ToUpper([]byte{b})...)
		if do, ok := atOnce[string(z.tilde)]; ok {
			z.takeBack(len(z.tilde) - 1)
			do(z, to)
			return
		}
		if !beginsCommand(string(z.tilde)) {
			z.tilde = nil
		}
	}
	switch string(bytes.ToUpper(z.window[:])) {
	case "^XA":
		z.outside(2, to)
		if len(z.format) > 2 { // what has just come of this command is no part of the old one
			to.warn(warned(halfJob, "%.40q", z.format[:len(z.format)-2]))
		}
		z.format = bytes.Clone(z.window[:])
		return
	case "^XZ":
		if z.format != nil {
			format := append(z.format, b)
			z.reset()
			j, warnings := parseZPL(format)
			for _, w := range warnings {
				to.warn(w)
			}
			if j.copies > 0 {
				to.print(j)
			}
			return
		}
	}
	switch {
	case z.format == nil && b > ' ':
		if z.junk = append(z.junk, b); len(z.junk) > maxJob {
			z.outside(0, to)
		}
	case z.format != nil:
		if z.format = append(z.format, b); len(z.format) > maxJob {
			to.warn(warned(tooLong, "%.40q", z.format))
			z.reset()
		}
	}
}

// outside reports what stood between formats, without its last bytes, which begin a command.
func (z *zplReader) outside(without int, to sink) {
	if n := len(z.junk) - without; n > 0 {
		to.warn(warned(outsideJob, "%d: %.60q", n, z.junk[:n]))
	}
	z.junk = nil
}

// takeBack takes the bytes of a command before its last one out of the format: it is no part of the label
// that it came in between.
func (z *zplReader) takeBack(n int) {
	z.window, z.tilde = [3]byte{}, nil
	if z.format != nil {
		z.format = z.format[:len(z.format)-n]
	} else {
		z.junk = z.junk[:max(0, len(z.junk)-n)]
	}
}

func (z *zplReader) partial() int { return len(z.format) }

func (z *zplReader) reset() { *z = zplReader{} }

// zplStatus is the answer to ~HS (ZPL II Programming Guide, "~HS Host Status Return"): three lines, each
// between STX and ETX and ended by CR LF. Without paper or ribbon, with an open or a hot head, there is none.
func zplStatus(s status) []byte {
	if (s.paperOut || s.ribbonOut || s.headOpen || s.hot) && !s.answersInError {
		return nil
	}
	paused := s.paused || s.jammed // ~HS has no word for a jam: the printer pauses
	one := fmt.Sprintf("030,%d,%d,%04d,%03d,%d,0,%d,000,0,0,%d", flag(s.paperOut), flag(paused), min(s.length, 9999),
		min(s.waiting, 999), flag(s.full), flag(s.partial), flag(s.hot))
	two := fmt.Sprintf("000,0,%d,%d,0,2,0,0,%08d,1,000", flag(s.headOpen), flag(s.ribbonOut), s.labelsLeft)
	three := "1234,0"
	var answer []byte
	for _, text := range []string{one, two, three} {
		answer = append(answer, "\x02"+text+"\x03\r\n"...)
	}
	return answer
}

// zplErrors is the answer to ~HQES: eight digits of errors, which also comes in an error.
func zplErrors(s status) []byte {
	errors := flag(s.paperOut) | flag(s.ribbonOut)<<1 | flag(s.headOpen)<<2 | flag(s.jammed)<<3 | flag(s.hot)<<4 | flag(s.paused)<<16
	return fmt.Appendf(nil, "\x02\r\n  PRINTER STATUS\r\n   ERRORS:         %d 00000000 %08X\r\n   WARNINGS:       0 00000000 00000000\r\n\x03\r\n",
		flag(errors != 0), errors)
}

// zplIdentity is the answer to ~HI: model, firmware, dots a millimetre, memory.
func zplIdentity(status) []byte { return []byte("\x02STOCKADE-SIM,V1.0,8,8192KB\x03\r\n") }

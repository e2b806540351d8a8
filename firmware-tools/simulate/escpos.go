package simulate

import (
	"bytes"
	"slices"
	"strconv"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// Control characters of ESC/POS.
const (
	eot, enq, ht, lf, ff, cr, dle, dc4, can, fieldSep, groupSep = 0x04, 0x05, 0x09, 0x0A, 0x0C, 0x0D, 0x10, 0x14, 0x18, 0x1C, 0x1D
)

const (
	posWidth   = 576 // dots, of paper 80 mm wide
	posSpacing = 30  // dots from line to line
)

// escpos reads ESC/POS (Epson, "ESC/POS Command Reference"): text and commands print line by line, and a cut or
// a form feed ends the label. Commands that begin with DLE act when they arrive, even within the bytes of a
// picture, which stay bytes of the picture as well.
type escpos struct {
	width int // dots of the paper

	realTime []byte // a DLE and what followed it, wherever it stands
	command  []byte // the command under way
	need     int    // bytes that it has when it is complete; 0 while that is not known
	job      []byte
	run      []byte // text that is not laid out yet
	page     page
	y        int
	line     []posItem
	x        int // where the next item of the line goes
	set      posSettings
	qr, dm   pos2D
}

// posItem is something on the line under way, x dots from the left.
type posItem struct {
	x, width, height int
	what             drawing
	named            string
}

type posSettings struct {
	align, spacing, left, area     int
	across, down                   int // how often every dot is printed
	narrow, bold, reverse, chinese bool
	underline, gap                 int
	module, barHeight, human       int
}

// pos2D is what GS ( k keeps for a two-dimensional symbol.
type pos2D struct {
	module int
	level  byte
	data   []byte
}

func newESCPOS(width int) *escpos {
	if width <= 0 {
		width = posWidth
	}
	e := &escpos{width: width}
	e.initialize()
	e.page.width = width
	return e
}

// initialize is ESC @.
func (e *escpos) initialize() {
	e.set = posSettings{spacing: posSpacing, area: e.width, across: 1, down: 1, module: 3, barHeight: 162}
	e.qr, e.dm = pos2D{module: 3, level: 'L'}, pos2D{module: 3}
	e.run, e.line, e.x = nil, nil, 0
}

func (e *escpos) partial() int { return len(e.job) }

func (e *escpos) reset() {
	e.realTime, e.command, e.need, e.job = nil, nil, 0, nil
	e.page, e.y = page{width: e.width}, 0
	e.initialize()
}

func (e *escpos) take(b byte, to sink) {
	inData := len(e.command) > 0 && e.command[0] != dle
	if e.atOnce(b, inData, to) {
		return // all was cancelled
	}
	if len(e.command) == 0 && !slices.Contains([]byte{esc, fieldSep, groupSep, dle}, b) {
		e.job = append(e.job, b)
		e.plain(b, to)
	} else {
		e.command = append(e.command, b)
		if e.command[0] != dle {
			e.job = append(e.job, b)
		}
		if e.need == 0 {
			e.need = commandLength(e.command)
		}
		if e.need > 0 && len(e.command) >= e.need {
			c := e.command
			e.command, e.need = nil, 0
			e.do(c, to)
		}
	}
	if len(e.job) > maxJob {
		to.warn(warned(tooLong, "%.40q", e.job))
		e.reset()
	}
}

// clearBuffer are the parameters that DLE DC4 8 wants.
var clearBuffer = []byte{1, 3, 20, 1, 6, 2, 8}

// atOnce looks for commands that act in real time. It reports whether everything was cancelled.
func (e *escpos) atOnce(b byte, inData bool, to sink) (cancelled bool) {
	if b == dle && len(e.realTime) < 3 {
		e.realTime = []byte{dle}
		return false
	}
	if len(e.realTime) == 0 {
		return false
	}
	r := append(e.realTime, b)
	e.realTime = nil
	if len(r) == 2 {
		if b == eot || b == enq || b == dc4 {
			e.realTime = r
		}
		return false
	}
	switch {
	case r[1] == eot && 1 <= r[2] && r[2] <= 4:
		to.ask(func(s status) []byte { return posStatus(r[2], s) })
	case r[1] == enq && r[2] == 2:
		cancelled = true
	case r[1] == enq && r[2] == 1: // go on: what stops the printer is for a person to mend
	case r[1] == dc4 && r[2] == 8:
		if n := len(r) - 3; n < len(clearBuffer) {
			if n == 0 || r[len(r)-1] == clearBuffer[n-1] {
				e.realTime = r
			}
			return false
		}
		cancelled = bytes.Equal(r[3:], clearBuffer)
	default:
		return false
	}
	if inData {
		to.warn(warned(insideData, "%X", r))
	}
	if cancelled {
		e.reset()
		to.cancel()
	}
	return cancelled
}

// arguments is how many bytes follow the two of a command.
var arguments = map[string]int{
	"\x1b@": 0, "\x1b2": 0, "\x1bi": 0, "\x1bm": 0, "\x1b!": 1, "\x1b3": 1, "\x1bJ": 1, "\x1bd": 1, "\x1ba": 1, "\x1bE": 1, "\x1bG": 1, "\x1b-": 1,
	"\x1bM": 1, "\x1b ": 1, "\x1bt": 1, "\x1bR": 1, "\x1b=": 1, "\x1bU": 1, "\x1b{": 1, "\x1bV": 1, "\x1br": 1, "\x1bS": 0, "\x1bL": 0,
	"\x1b$": 2, "\x1b\\": 2, "\x1bc": 2, "\x1bp": 3,
	"\x1c&": 0, "\x1c.": 0, "\x1c!": 1, "\x1c-": 1, "\x1cW": 1, "\x1cC": 1, "\x1cS": 2,
	"\x1d!": 1, "\x1dB": 1, "\x1dw": 1, "\x1dh": 1, "\x1dH": 1, "\x1df": 1, "\x1da": 1, "\x1dr": 1, "\x1dI": 1, "\x1db": 1, "\x1dj": 1,
	"\x1dL": 2, "\x1dW": 2, "\x1dP": 2,
}

// commandLength is how many bytes a command has, as soon as its first ones tell it; else 0.
func commandLength(c []byte) int {
	if len(c) < 2 {
		return 0
	}
	name := string(c[:2])
	if n, ok := arguments[name]; ok {
		return 2 + n
	}
	at := func(i int) int {
		if i < len(c) {
			return int(c[i])
		}
		return -1
	}
	switch {
	case c[0] == dle && (c[1] == eot || c[1] == enq):
		return 3
	case c[0] == dle && c[1] == dc4:
		switch at(2) {
		case -1:
			return 0
		case 8:
			return 3 + len(clearBuffer)
		}
		return 5
	case name == "\x1dV": // cut; from 65 on with a feed before it
		if m := at(2); m >= 65 {
			return 4
		} else if m >= 0 {
			return 3
		}
		return 0
	case name == "\x1dv":
		if len(c) >= 8 {
			return 8 + (at(4)+at(5)*256)*(at(6)+at(7)*256)
		}
		return 0
	case name == "\x1dk":
		switch m := at(2); {
		case m < 0:
		case m >= 65 && len(c) >= 4:
			return 4 + at(3)
		case m < 65 && len(c) > 3 && c[len(c)-1] == 0:
			return len(c)
		case m < 65 && len(c) > 3+255:
			return len(c)
		}
		return 0
	case name == "\x1d(":
		if len(c) >= 5 {
			return 5 + at(3) + at(4)*256
		}
		return 0
	case name == "\x1d8":
		if len(c) >= 7 {
			return 7 + min(at(3)+at(4)*256+at(5)*65536+at(6)*16777216, maxJob)
		}
		return 0
	case name == "\x1b*":
		if len(c) >= 5 {
			bytesAcross := 1
			if at(2) >= 32 {
				bytesAcross = 3
			}
			return 5 + bytesAcross*(at(3)+at(4)*256)
		}
		return 0
	case name == "\x1bD":
		if len(c) > 2 && (c[len(c)-1] == 0 || len(c) > 34) {
			return len(c)
		}
		return 0
	}
	return 2 // not known
}

// plain takes a byte that belongs to no command.
func (e *escpos) plain(b byte, to sink) {
	switch b {
	case lf:
		e.endLine(e.set.spacing, to)
	case ff:
		e.endLabel(to)
	case ht:
		e.layOut(to)
		const tab = 8 * 12 // dots
		e.x = (e.x/tab + 1) * tab
	case cr, 0:
	case can:
		to.warn(warned(unknownCommand, "CAN"))
	default:
		if b < ' ' {
			to.warn(warned(unknownCommand, "%#02x", b))
			return
		}
		e.run = append(e.run, b)
	}
}

// do does what a whole command says. Text that came before it is laid out first, as it was set up.
func (e *escpos) do(c []byte, to sink) {
	if c[0] == dle {
		return // it acted when it came
	}
	e.layOut(to)
	n := 0
	if len(c) > 2 {
		n = int(c[2])
	}
	wide := 0
	if len(c) > 3 {
		wide = n + int(c[3])*256
	}
	on := n&1 == 1
	s := &e.set
	switch string(c[:2]) {
	case "\x1b@":
		e.initialize()
	case "\x1b2":
		s.spacing = posSpacing
	case "\x1b3":
		s.spacing = n
	case "\x1bJ":
		e.endLine(n, to)
	case "\x1bd":
		for range max(1, n) {
			e.endLine(s.spacing, to)
		}
	case "\x1ba":
		if n %= 48; n > 2 {
			to.warn(warned(wrongValue, "ESC a %d", n))
			return
		}
		s.align = n
	case "\x1b!":
		s.narrow, s.bold = n&0x01 != 0, n&0x08 != 0
		s.down, s.across, s.underline = 1+flag(n&0x10 != 0), 1+flag(n&0x20 != 0), flag(n&0x80 != 0)
	case "\x1bE", "\x1bG":
		s.bold = on
	case "\x1b-":
		s.underline = min(n%48, 2)
	case "\x1bM":
		s.narrow = on
	case "\x1b ":
		s.gap = n
	case "\x1b$":
		e.x = wide
	case "\x1b\\":
		if wide >= 0x8000 {
			wide -= 0x10000
		}
		e.x = max(0, e.x+wide)
	case "\x1bi", "\x1bm", "\x1dV":
		if len(c) == 4 {
			e.endLine(int(c[3]), to)
		}
		e.endLabel(to)
	case "\x1c&":
		s.chinese = true
	case "\x1c.":
		s.chinese = false
	case "\x1c!":
		s.across, s.down, s.underline = 1+flag(n&0x04 != 0), 1+flag(n&0x08 != 0), flag(n&0x80 != 0)
	case "\x1c-":
		s.underline = min(n%48, 2)
	case "\x1cW":
		s.across, s.down = 1+flag(on), 1+flag(on)
	case "\x1d!":
		s.across, s.down = 1+n>>4&7, 1+n&7
	case "\x1dB":
		s.reverse = on
	case "\x1dL":
		s.left = min(wide, e.width)
	case "\x1dW":
		s.area = min(wide, e.width)
	case "\x1dw":
		if n >= 1 && n <= 6 {
			s.module = n
		} else {
			to.warn(warned(wrongValue, "GS w %d", n))
		}
	case "\x1dh":
		s.barHeight = max(1, n)
	case "\x1dH":
		s.human = n % 48
	case "\x1dv":
		e.raster(c, to)
	case "\x1dk":
		e.barcode(c, to)
	case "\x1d(":
		if c[2] == 'k' {
			e.twoD(c, to)
		} else {
			to.warn(warned(unknownCommand, "GS ( %c", c[2]))
		}
	case "\x1dr":
		e.transmit(n%48, to)
	case "\x1dI":
		e.identify(n, to)
	case "\x1da":
		if n != 0 {
			to.warn(warned(unknownCommand, "GS a %d: 不支持自动状态 / no automatic status", n))
		}
	case "\x1bt", "\x1bR", "\x1b=", "\x1bU", "\x1br", "\x1bc", "\x1bp", "\x1df", "\x1db", "\x1dj", "\x1dP", "\x1cC", "\x1cS", "\x1bD":
	case "\x1b{", "\x1bV":
		if on {
			to.warn(warned(notExact, "%q: 不旋转 / not turned", c))
		}
	default:
		to.warn(warned(unknownCommand, "%.20s", strconv.QuoteToASCII(string(c[:min(len(c), 6)]))))
	}
}

// layOut makes items of the text that has come. Text that reaches the end of the line goes on in the next.
func (e *escpos) layOut(to sink) {
	run := e.run
	e.run = nil
	s := &e.set
	t := text{fixed: true, height: 24 * s.down, width: 12 * s.across, bold: s.bold, white: s.reverse, underline: s.underline, chinese: s.chinese}
	if s.narrow {
		t.height, t.width = 17*s.down, 9*s.across
	}
	for len(run) > 0 {
		r, n := e.character(run, to)
		run = run[n:]
		cell := t.width
		if r >= firstWide {
			cell = 2 * t.width
		}
		if e.x+cell > e.area() && e.x > 0 {
			e.endLine(e.set.spacing, to)
		}
		if last := len(e.line) - 1; last >= 0 && s.gap == 0 && e.line[last].x+e.line[last].width == e.x {
			if before, ok := e.line[last].what.(text); ok && sameLook(before, t) { // one drawing for what stands together
				before.s += string(r)
				e.line[last].what, e.line[last].named = before, "text "+shown(before.s)
				e.line[last].width += cell
				e.x += cell
				continue
			}
		}
		t.s = string(r)
		e.line = append(e.line, posItem{e.x, cell, t.height, t, "text " + shown(t.s)})
		e.x += cell + s.gap*s.across
	}
}

func sameLook(a, b text) bool {
	a.s, b.s = "", ""
	return a == b
}

// character takes one character from the beginning of a run: a byte, or with FS & the two or four of GB18030.
func (e *escpos) character(run []byte, to sink) (rune, int) {
	if run[0] < 0x80 {
		return rune(run[0]), 1
	}
	if e.set.chinese && len(run) >= 2 {
		n := 2
		if digit(run[1]) && len(run) >= 4 {
			n = 4
		}
		if s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(run[:n]); err == nil {
			if r, size := utf8.DecodeRune(s); r != utf8.RuneError && size == len(s) {
				return r, n
			}
		}
		to.warn(warned(wrongValue, "不是 GB18030 / not GB18030: %X", run[:n]))
		return utf8.RuneError, n
	}
	to.warn(warned(wrongValue, "未用 FS & 打开中文 / Chinese without FS &: %X", run[0]))
	return utf8.RuneError, 1
}

func (e *escpos) area() int {
	return max(1, min(e.set.area, e.width-e.set.left))
}

// endLine prints the line under way and feeds: to at least the height of what stands on it.
func (e *escpos) endLine(feed int, to sink) {
	e.layOut(to)
	height, width := 0, 0
	for _, i := range e.line {
		height, width = max(height, i.height), max(width, i.x+i.width)
	}
	for _, i := range e.line {
		e.put(i, (e.area()-width)*e.set.align/2, e.y+height-i.height)
	}
	e.y = min(e.y+max(feed, height), maxSide)
	e.line, e.x = nil, 0
}

func (e *escpos) put(i posItem, shift, y int) {
	const most = 10_000 // drawings of one label
	if len(e.page.fields) < most {
		e.page.fields = append(e.page.fields, field{x: e.set.left + i.x + shift, y: y, from: firstDot, what: i.what, named: i.named})
	}
}

// block prints something that takes lines of its own.
func (e *escpos) block(d drawing, width, height int, named string, to sink) {
	if len(e.line) > 0 {
		e.endLine(0, to)
	}
	e.put(posItem{0, width, height, d, named}, (e.area()-width)*e.set.align/2, e.y)
	e.y = min(e.y+height, maxSide)
	e.x = 0
}

// endLabel is a cut or a form feed. Without anything printed or fed before it there is no label.
func (e *escpos) endLabel(to sink) {
	e.layOut(to)
	if len(e.line) > 0 {
		e.endLine(e.set.spacing, to)
	}
	p, data := e.page, e.job
	p.height = e.y
	e.page, e.y, e.job = page{width: e.width}, 0, nil
	if p.height > 0 {
		to.print(job{data: data, page: p, copies: 1})
	}
}

// posStatus is the answer to DLE EOT n: one byte in which bits 1 and 4 are always set.
func posStatus(n byte, s status) []byte {
	b := byte(0x12)
	switch n {
	case 1:
		b |= bit(s.inError() || s.paused, 0x08)
	case 2:
		b |= bit(s.headOpen, 0x04) | bit(s.paperOut, 0x20) | bit(s.jammed || s.hot, 0x40)
	case 3:
		b |= bit(s.jammed, 0x08) | bit(s.hot, 0x40)
	case 4:
		b |= bit(s.paperLow || s.paperOut, 0x0C) | bit(s.paperOut, 0x60)
	}
	return []byte{b}
}

// transmit is GS r n, which waits in the queue with the text: the printer comes to it when what was sent before is
// printed, and not while it is offline.
func (e *escpos) transmit(n int, to sink) {
	to.askInTurn(func(s status) []byte { return []byte{bit(s.paperLow && n == 1, 0x03)} })
}

// identify is GS I n.
func (e *escpos) identify(n int, to sink) {
	var answer string
	switch n {
	case 1, 49:
		answer = "\x02"
	case 66:
		answer = "_STOCKADE\x00"
	case 67:
		answer = "_STOCKADE-SIM\x00"
	default:
		to.warn(warned(unknownCommand, "GS I %d", n))
		return
	}
	to.askInTurn(func(status) []byte { return []byte(answer) })
}

package simulate

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/simplifiedchinese"

	"stockade/internal/symbol"
)

const (
	esc   = 0x1B
	blank = "\r\n \t\x00" // what is nothing between commands
)

// tspl reads TSPL (TSC, "TSPL/TSPL2 Programming Manual"): lines of text, binary data within a BITMAP, and
// after ESC ! commands that act at once. The image that is drawn stays until CLS.
type tspl struct {
	blackIsOne bool // in BITMAP; TSC's own printers burn zeros

	job      []byte // since the last PRINT
	line     []byte
	escape   []byte // ESC, ESC !
	quoted   bool
	binary   int // bytes of a picture still to come
	bitmap   parameters
	page     page
	dots     float64 // dots of a unit without a name: an inch
	refX     int
	refY     int
	codePage string
}

func newTSPL(blackIsOne bool) *tspl {
	return &tspl{blackIsOne: blackIsOne, dots: 203}
}

func (t *tspl) partial() int {
	if t.binary == 0 && len(bytes.Trim(t.job, blank)) == 0 {
		return 0
	}
	return len(t.job)
}

func (t *tspl) reset() { t.job, t.line, t.escape, t.quoted, t.binary = nil, nil, nil, false, 0 }

func (t *tspl) take(b byte, to sink) {
	if t.binary > 0 {
		t.job, t.line = append(t.job, b), append(t.line, b)
		if t.binary--; t.binary == 0 {
			t.endBitmap(to)
		}
		return
	}
	if len(t.escape) > 0 || b == esc {
		t.escaped(b, to)
		return
	}
	if len(t.line) > 0 && t.line[len(t.line)-1] == '\r' && b != '\n' { // a line that ended with CR alone
		t.endLine(to)
	}
	t.job, t.line = append(t.job, b), append(t.line, b)
	switch {
	case b == '\n':
		t.endLine(to)
	case b == '"':
		t.quoted = !t.quoted
	case b == ',' && !t.quoted:
		t.beginBitmap(to)
	}
	if len(t.job) > maxJob {
		to.warn(warned(tooLong, "%.40q", t.job))
		t.reset()
	}
}

// escaped reads a command that acts at once. ESC and anything but ! is no such command.
func (t *tspl) escaped(b byte, to sink) {
	t.escape = append(t.escape, b)
	switch {
	case len(t.escape) == 1, len(t.escape) == 2 && b == '!':
		return
	case len(t.escape) == 2:
		to.warn(warned(unknownCommand, "%q", t.escape))
		t.escape = nil
		return
	}
	t.escape = nil
	switch b {
	case '?':
		to.ask(tsplStatus)
	case 'S':
		to.ask(tsplLongStatus)
	case '.', 'C', 'R': // cancel; start again, with or without running AUTO.BAS
		t.reset()
		to.cancel()
	case 'P':
		to.pause(true)
	case 'O':
		to.pause(false)
	case 'D', 'F': // no BASIC, no paper feed to simulate
	default:
		to.warn(warned(unknownCommand, "ESC !%c", b))
	}
}

// beginBitmap looks whether a comma was the last of BITMAP x,y,width,height,mode, before binary data.
func (t *tspl) beginBitmap(to sink) {
	name, rest := word(t.line)
	if name != "BITMAP" || bytes.Count(t.line, []byte(",")) != 5 {
		return
	}
	t.bitmap = fields(rest)
	width, height := t.bitmap.num(2, 0), t.bitmap.num(3, 0)
	if width < 1 || height < 1 || width > maxSide/8 || width*height > maxJob {
		to.warn(wrongCommand(t.line))
		return
	}
	t.binary, t.line = width*height, nil
}

func (t *tspl) endBitmap(to sink) {
	width, height := t.bitmap.num(2, 0), t.bitmap.num(3, 0)
	how := burn
	switch mode := t.bitmap.num(4, -1); mode {
	case 0:
		how = cover
	case 1:
	case 2:
		how = invert
	default:
		to.warn(warned(wrongValue, "BITMAP mode %d", mode))
	}
	t.add(t.bitmap, 0, field{how: how, what: newPicture(width, height, t.line, !t.blackIsOne), named: "BITMAP"})
	t.line = nil
}

func wrongCommand(line []byte) string {
	return warned(wrongValue, "%.80s", strconv.QuoteToASCII(string(bytes.TrimSpace(line))))
}

// ignoredTSPL are commands that change nothing of the picture.
var ignoredTSPL = []string{"GAP", "BLINE", "DENSITY", "SPEED", "DIRECTION", "OFFSET", "SET", "COUNTRY", "SOUND", "FEED", "BACKFEED", "BACKUP", "FORMFEED", "HOME",
	"LIMITFEED", "CUT", "EOP", "EOJ", "DELAY", "GAPDETECT", "BLINEDETECT", "AUTODETECT", "INITIALPRINTER", "OUT", "REM"}

func (t *tspl) endLine(to sink) {
	line := bytes.Trim(t.line, blank)
	t.line, t.quoted = nil, false
	if len(line) == 0 {
		return
	}
	name, rest := word(line)
	p, text, hasText := split(rest)
	good := true
	switch name {
	case "SIZE":
		good = len(p) <= 2 && t.length(p.at(0), &t.page.width) && (p.at(1) == "" || t.length(p.at(1), &t.page.height))
	case "REFERENCE":
		t.refX, t.refY = p.num(0, 0), p.num(1, 0)
	case "CLS":
		t.page.fields = nil
	case "CODEPAGE":
		t.codePage = strings.ToUpper(p.at(0))
	case "PRINT":
		good = t.print(p, to)
	case "TEXT":
		good = hasText && t.text(p, text, to)
	case "BARCODE":
		good = hasText && t.barcode(p, text, to)
	case "QRCODE":
		good = hasText && t.qrCode(p, text, to)
	case "DMATRIX":
		good = hasText && t.dataMatrix(p, text)
	case "BAR":
		w, h := p.num(2, 0), p.num(3, 0)
		good = t.add(p, 0, field{what: box{w, h, max(w, h)}, named: name})
	case "BOX":
		x, y, thick := p.num(0, 0), p.num(1, 0), p.num(4, 1)
		good = t.add(p, 0, field{what: box{p.num(2, 0) - x, p.num(3, 0) - y, max(1, thick)}, named: name})
	case "REVERSE", "ERASE":
		w, h := p.num(2, 0), p.num(3, 0)
		how := map[string]mode{"REVERSE": invert, "ERASE": wipe}[name]
		good = t.add(p, 0, field{how: how, what: box{w, h, max(w, h)}, named: name})
	case "BITMAP":
		good = false
	case "~!T":
		to.askInTurn(func(status) []byte { return []byte("STOCKADE-SIM\r\n") })
	default:
		if !slices.Contains(ignoredTSPL, name) {
			to.warn(warned(unknownCommand, "%.80s", strconv.QuoteToASCII(string(line))))
		}
	}
	if !good {
		to.warn(wrongCommand(line))
	}
}

// word is the name at the beginning of a line, in capitals, and what follows.
func word(line []byte) (string, []byte) {
	line = bytes.TrimLeft(line, " \r\n\t")
	end := bytes.IndexAny(line, " \r\n\t,\"")
	if end < 0 {
		end = len(line)
	}
	return strings.ToUpper(string(line[:end])), bytes.TrimLeft(line[end:], " ")
}

// split takes parameters apart. The texts between quotation marks are parameters too; the last of them is the
// content when nothing follows it.
func split(b []byte) (p parameters, text []byte, has bool) {
	var one []byte
	for i := 0; i <= len(b); {
		switch {
		case i == len(b) || b[i] == ',':
			p = append(p, strings.TrimSpace(string(one)))
			one = nil
			i++
		case b[i] == '"':
			var closed bool
			text, i, closed = quotation(b, i+1)
			has = closed && len(bytes.TrimSpace(b[i:])) == 0
			one = append(one, text...)
		default:
			one = append(one, b[i])
			i++
		}
	}
	if has {
		p = p[:len(p)-1]
	}
	return p, text, has
}

// quotation reads up to the closing quotation mark. \["] stands for one, \[R] and \[L] for CR and LF. The second
// byte of a Chinese character may be a backslash, so that characters are stepped over whole.
func quotation(b []byte, i int) (text []byte, after int, closed bool) {
	for i < len(b) {
		switch {
		case b[i] == '"':
			return text, i + 1, true
		case b[i] == '\\' && i+3 < len(b) && b[i+1] == '[' && b[i+3] == ']' && bytes.IndexByte([]byte(`"RL`), b[i+2]) >= 0:
			text = append(text, map[byte]byte{'"': '"', 'R': '\r', 'L': '\n'}[b[i+2]])
			i += 4
		case b[i] >= 0x81 && i+1 < len(b) && b[i+1] != '"':
			text = append(text, b[i], b[i+1])
			i += 2
		default:
			text = append(text, b[i])
			i++
		}
	}
	return text, i, false
}

// length reads a length such as "60 mm", "480 dot" or "2.5", which is inches.
func (t *tspl) length(s string, dots *int) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	unit := t.dots
	if rest, ok := strings.CutSuffix(s, "mm"); ok {
		s, unit = rest, dotsPerMM
	} else if rest, ok := strings.CutSuffix(s, "dot"); ok {
		s, unit = rest, 1
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
	if err != nil || !(f > 0) || f*unit > maxSide {
		return false
	}
	*dots = int(f*unit + 0.5)
	return true
}

// add draws at the first two parameters.
func (t *tspl) add(p parameters, turned int, f field) bool {
	x, errX := strconv.Atoi(p.at(0))
	y, errY := strconv.Atoi(p.at(1))
	if errX != nil || errY != nil || max(x, -x, y, -y) > maxSide {
		return false
	}
	f.x, f.y, f.from, f.turn = x+t.refX, y+t.refY, firstDot, turned
	const most = 10_000 // drawings of one label
	if len(t.page.fields) < most {
		t.page.fields = append(t.page.fields, f)
	}
	return true
}

// quarters reads a rotation in degrees.
func quarters(p parameters, i int) (int, bool) {
	n := p.num(i, -1)
	return n / 90, n >= 0 && n < 360 && n%90 == 0
}

func (t *tspl) print(p parameters, to sink) bool {
	data := t.job
	t.job = nil
	sets, copies := p.num(0, 0), p.num(1, 1)
	if sets < 1 || copies < 1 || sets*copies > maxCopies {
		return false
	}
	shown := t.page
	shown.fields = slices.Clone(shown.fields)
	to.print(job{data: bytes.TrimLeft(data, "\r\n"), page: shown, copies: sets * copies})
	return true
}

// tsplFonts are the built-in fonts: width and height of a cell in dots.
var tsplFonts = map[string][2]int{"1": {8, 12}, "2": {12, 20}, "3": {16, 24}, "4": {24, 32}, "5": {32, 48}, "6": {14, 19}, "7": {21, 27}, "8": {14, 25}}

// chineseFonts are those for simplified Chinese: the side of a character, of which a Latin letter has half.
var chineseFonts = map[string]int{"TSS16.BF2": 16, "TSS20.BF2": 20, "TSS24.BF2": 24, "TSS32.BF2": 32}

// text is TEXT x,y,"font",rotation,x-multiplication,y-multiplication,[alignment,]"content".
func (t *tspl) text(p parameters, content []byte, to sink) bool {
	turned, ok := quarters(p, 3)
	across, down := p.num(4, 0), p.num(5, 0)
	if !ok || len(p) < 6 || len(p) > 7 || across < 1 || down < 1 {
		return false
	}
	name := strings.ToUpper(p.at(2))
	d := text{fixed: true}
	if cell, ok := tsplFonts[name]; ok && across <= 10 && down <= 10 {
		d.s, d.width, d.height = t.latin(content, to), cell[0]*across, cell[1]*down
	} else if side, ok := chineseFonts[name]; ok && across <= 10 && down <= 10 {
		d.s, d.width, d.height, d.chinese = chinese(content, to), side/2*across, side*down, true
	} else if name == "0" { // scalable, in points of 1/72 inch
		d.s, d.fixed, d.width, d.height = t.latin(content, to), false, across*203/72, down*203/72
	} else {
		to.warn(warned(unknownCommand, "TEXT font %q", p.at(2)))
		return true
	}
	f := field{what: d, named: "TEXT " + shown(d.s)}
	switch align := p.num(6, 1); align {
	case 0, 1:
	case 2, 3: // centred, right
		width := d.measure(nil)
		if turned != 0 {
			to.warn(warned(notExact, "TEXT: 旋转时的对齐 / alignment of turned text"))
			break
		}
		q := slices.Clone(p)
		q[0] = strconv.Itoa(p.num(0, 0) - width*(align-1)/2)
		p = q
	default:
		return false
	}
	return t.add(p, turned, f)
}

// chinese decodes GB18030, which the fonts for simplified Chinese want whatever the code page is.
func chinese(b []byte, to sink) string {
	s, err := simplifiedchinese.GB18030.NewDecoder().Bytes(b)
	if err != nil || bytes.ContainsRune(s, '\ufffd') {
		to.warn(warned(wrongValue, "不是 GB18030 / not GB18030: %.40q", b))
	}
	return string(s)
}

// latin decodes text for a font without Chinese.
func (t *tspl) latin(b []byte, to sink) string {
	if !slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 }) {
		return string(b)
	}
	if t.codePage == "UTF-8" {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	to.warn(warned(notExact, "CODEPAGE %s: %.40q", t.codePage, b))
	return strings.ToValidUTF8(string(b), "\ufffd")
}

// barcode is BARCODE x,y,"type",height,human readable,rotation,narrow,wide,[alignment,]"content".
func (t *tspl) barcode(p parameters, content []byte, to sink) bool {
	turned, ok := quarters(p, 5)
	height, human, module := p.num(3, 0), p.num(4, 0), p.num(6, 0)
	if !ok || len(p) < 8 || len(p) > 9 || height < 1 || module < 1 || module > 100 || human < 0 || human > 3 {
		return false
	}
	if p.num(8, 1) > 1 {
		to.warn(warned(notExact, "BARCODE: 对齐 / alignment"))
	}
	d := bars{module: module, height: height, size: humanSize(module)}
	says := string(content)
	kind := strings.ToUpper(p.at(2))
	switch kind {
	case "128", "EAN128":
		k := map[string]symbol.Kind{"128": symbol.Code128, "EAN128": symbol.GS1128}[kind]
		message := says
		if k == symbol.GS1128 { // brackets are for the reader alone
			message = strings.NewReplacer("(", "", ")", "", " ", "").Replace(message)
			to.warn(warned(notExact, "EAN128: 各机型的 FNC1 不同，请用 128M / printers differ in FNC1, use 128M"))
		}
		d.symbol = func() (symbol.Symbol, error) { return symbol.Make(k, message) }
	case "128M", "EAN128M":
		values, shown, err := tspl128M(says, kind == "EAN128M")
		if err != nil {
			to.warn(warned(wrongValue, "%s: %v", kind, err))
		}
		says = shown
		d.symbol = func() (symbol.Symbol, error) { return values.Symbol(symbol.Code128) }
	case "EAN13":
		message, err := ean13(says)
		if err != nil {
			to.warn(warned(wrongValue, "%v", err))
			return true
		}
		says = message
		d.symbol = func() (symbol.Symbol, error) { return symbol.Make(symbol.EAN13, message) }
	default:
		to.warn(warned(unknownCommand, "BARCODE %q", kind))
		return true
	}
	if human > 0 {
		d.says = says
	}
	return t.add(p, turned, field{what: d, named: "BARCODE " + kind})
}

// tspl128M reads data with ! and three digits as codes: 100 to 102 and 96 to 99 as in the standard's table, 103 to
// 105 start in A, B or C. Without a start it is B; in C characters stand in pairs of digits.
func tspl128M(data string, gs1 bool) (symbol.Values, string, error) {
	var c code128
	c.start('B')
	began := false
	for i := 0; i < len(data); i++ {
		if data[i] == '!' && i+3 < len(data) && digit(data[i+1]) && digit(data[i+2]) && digit(data[i+3]) {
			n, _ := strconv.Atoi(data[i+1 : i+4])
			i += 3
			switch {
			case n >= code128Start && n <= symbol.StartC && !began:
				c.start(subset('A' + byte(n-code128Start))) // #nosec G115 -- 0 to 2
				if began = true; gs1 {
					c.values = append(c.values, symbol.Fnc1)
				}
			case n == symbol.CodeC && c.set != 'C':
				c.change('C')
			case n == symbol.CodeB && c.set != 'B':
				c.change('B')
			case n == code128A && c.set != 'A':
				c.change('A')
			case n >= 96 && n <= symbol.Fnc1:
				c.values = append(c.values, n)
			default:
				fmt.Fprintf(&c.lost, "!%03d", n)
			}
			continue
		}
		if began = true; c.set != 'C' {
			c.add(data[i])
			continue
		}
		if !digit(data[i]) || i+1 >= len(data) || !digit(data[i+1]) {
			c.lost.WriteByte(data[i])
			continue
		}
		c.pair(data[i], data[i+1])
		i++
	}
	return c.values, c.says.String(), c.fault()
}

// qrCode is QRCODE x,y,level,cell width,mode,rotation,[model,][mask,]"content".
func (t *tspl) qrCode(p parameters, content []byte, to sink) bool {
	turned, ok := quarters(p, 5)
	level, module := p.letter(2, ' '), p.num(3, 0)
	if !ok || len(p) < 6 || !strings.ContainsRune("LMQH", rune(level)) || module < 1 || module > 100 {
		return false
	}
	if mode := p.letter(4, ' '); mode != 'A' {
		to.warn(warned(unknownCommand, "QRCODE mode %c: 只支持 / only A", mode))
		return true
	}
	if level != 'M' {
		to.warn(warned(notExact, "QRCODE: 纠错级别 %c 按 M 打印 / level %c is drawn as M", level, level))
	}
	message := string(content)
	return t.add(p, turned, field{what: matrix{func() (symbol.Symbol, error) { return symbol.Make(symbol.QR, message) }, module, 0}, named: "QRCODE"})
}

// dataMatrix is DMATRIX x,y,width,height,[c126,][x6,][r0,]"content": c is the code of the escape character, of
// which the one with 1 behind it is FNC1; x the module, r the rotation.
func (t *tspl) dataMatrix(p parameters, content []byte) bool {
	escape, module, turned, ok := byte('~'), 0, 0, true
	for i := 4; i < len(p); i++ {
		word := strings.ToLower(p.at(i))
		if word == "" {
			continue
		}
		n, err := strconv.Atoi(word[1:])
		switch {
		case word[0] == 'a' || word[0] >= '0' && word[0] <= '9': // square or not, rows, columns: the symbol chooses
		case err != nil:
			return false
		case word[0] == 'c' && n > 0 && n < 0x80:
			escape = byte(n) // #nosec G115 -- looked at
		case word[0] == 'x':
			module = n
		case word[0] == 'r':
			turned, ok = n/90, n >= 0 && n < 360 && n%90 == 0
		default:
			return false
		}
	}
	kind, message, err := zplMatrix(string(content), escape)
	if err != nil || !ok || module < 0 || module > 100 {
		return false
	}
	if module == 0 { // as large as the room that is given
		if s, err := symbol.Make(kind, message); err == nil {
			module = min(p.num(2, 0), p.num(3, 0)) / s.Width
		}
		module = min(max(1, module), 100)
	}
	return t.add(p, turned, field{what: matrix{func() (symbol.Symbol, error) { return symbol.Make(kind, message) }, module, 0}, named: "DMATRIX"})
}

// tsplStatus is the answer to ESC !?, one byte of bits.
func tsplStatus(s status) []byte {
	return []byte{bit(s.headOpen, 0x01) | bit(s.jammed, 0x02) | bit(s.paperOut, 0x04) | bit(s.ribbonOut, 0x08) | bit(s.paused, 0x10) |
		bit(s.printing(), 0x20) | bit(s.hot, 0x80)}
}

// tsplLongStatus is the answer to ESC !S: STX, four bytes whose bits stand on 0x40, ETX CR LF. No bit is known
// for an open head: it is an error without a reason.
func tsplLongStatus(s status) []byte {
	message := byte('@')
	switch {
	case s.inError():
		message = 'E'
	case s.paused:
		message = '`'
	case s.printing():
		message = 'P'
	}
	return []byte{0x02, message, '@' | bit(s.full, 0x08), '@' | bit(s.hot, 0x01),
		'@' | bit(s.paperOut, 0x01) | bit(s.jammed, 0x02) | bit(s.ribbonOut, 0x04), 0x03, '\r', '\n'}
}

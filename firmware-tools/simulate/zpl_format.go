package simulate

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"stockade/internal/symbol"
)

// zplFormat reads the commands of one format (ZPL II Programming Guide). It draws nothing.
type zplFormat struct {
	page     page
	copies   int
	warnings []string

	utf8              bool // ^CI28
	homeX, homeY      int
	turn              int // of fields that name none
	letter            zplLetter
	module, barHeight int       // ^BY
	ratio             float64   // ^BY, for symbols with two widths
	field             zplField  // the one under way
	standing          zplLetter // what ^CF said
	fontFile          bool      // ^A@ has named one
	labelReverse      bool      // ^LR
}

// zplLetter is a font at a size.
type zplLetter struct {
	name          byte // 0, A to Z; @ for a font in a file
	height, width int
	turn          int
}

type zplField struct {
	x, y    int
	from    corner
	right   bool // ^FO with justification 1
	reverse bool
	hex     byte   // ^FH, 0 without
	data    []byte // ^FD
	has     bool   // ^FD was there
	bars    func(data string) (drawing, int, error)
	named   string
	block   *zplBlock
	letter  *zplLetter
	pieces  []drawing // ^GB, ^GF
}

type zplBlock struct {
	width, lines, spacing int
	align                 byte
}

// ignoredZPL are commands that change nothing of the picture.
var ignoredZPL = []string{"MM", "MN", "MT", "MD", "MF", "ML", "PR", "LT", "LS", "PO", "JM", "JU", "JZ", "JT", "JS", "XB", "PA", "PM", "SE", "SP", "CO", "MP", "TO", "MA"}

// bitmapFonts are the sizes of the fonts A to H at 203 dpi: the cell's height, its width, with the gap.
var bitmapFonts = map[byte][2]int{'A': {9, 6}, 'B': {11, 9}, 'C': {18, 12}, 'D': {18, 12}, 'E': {28, 20}, 'F': {26, 16}, 'G': {60, 48}, 'H': {21, 19}}

// parseZPL reads a format, ^XA to ^XZ.
func parseZPL(format []byte) (job, []string) {
	z := &zplFormat{copies: 1, module: 2, barHeight: 10, ratio: 3, standing: zplLetter{name: 'A', height: 9, width: 6}}
	z.letter = z.standing
	rest := format
	for len(rest) > 0 {
		at := slices.IndexFunc(rest, func(b byte) bool { return b == '^' || b == '~' })
		switch {
		case at < 0:
			z.stray(rest)
			rest = nil
			continue
		case at > 0:
			z.stray(rest[:at])
		}
		rest = rest[at:]
		next := slices.IndexFunc(rest[1:], func(b byte) bool { return b == '^' || b == '~' }) + 1
		if next == 0 {
			next = len(rest)
		}
		z.command(rest[0], rest[1:next])
		rest = rest[next:]
	}
	return job{data: format, page: z.page, copies: z.copies}, z.warnings
}

func (z *zplFormat) stray(b []byte) {
	if s := strings.TrimSpace(string(b)); s != "" {
		z.warn(outsideJob, "%.40q", s)
	}
}

func (z *zplFormat) warn(t trouble, format string, about ...any) {
	const most = 20 // of one label
	if len(z.warnings) < most {
		z.warnings = append(z.warnings, warned(t, format, about...))
	}
}

// command does what a command says; body is its name and its parameters.
func (z *zplFormat) command(prefix byte, body []byte) {
	if len(body) == 0 {
		z.warn(unknownCommand, "%c", prefix)
		return
	}
	name := strings.ToUpper(string(body[:min(2, len(body))]))
	rest := body[min(2, len(body)):]
	if prefix == '~' {
		z.warn(unknownCommand, "~%.20s", body)
		return
	}
	if name[0] == 'A' && len(name) == 2 { // ^A with the name of a font
		z.font(name[1], fields(rest))
		return
	}
	p := fields(rest)
	switch name {
	case "XA", "XZ":
		z.stray(rest)
	case "FX": // a comment
	case "FD", "FV":
		z.field.data, z.field.has = slices.DeleteFunc(slices.Clone(rest), func(b byte) bool { return b == '\r' || b == '\n' }), true
	case "FS":
		z.end()
		z.stray(rest)
	case "FH":
		if z.field.hex = '_'; len(rest) > 0 && rest[0] > ' ' {
			z.field.hex = rest[0]
		}
	case "FO", "FT":
		z.field.x, z.field.y, z.field.from = z.homeX+p.num(0, 0), z.homeY+p.num(1, 0), upperLeft
		if name == "FT" {
			z.field.from = baseline
		}
		z.field.right = p.num(2, 0) == 1
	case "FR":
		z.field.reverse = true
	case "FB":
		z.field.block = &zplBlock{p.num(0, 0), max(1, p.num(1, 1)), p.num(2, 0), p.letter(3, 'L')}
	case "FW":
		z.turn = p.turn(0, 0)
	case "CF":
		z.standing = zplLetter{name: p.letter(0, z.standing.name), height: p.num(1, 0), width: p.num(2, 0)}
		z.standing.size()
		z.letter = z.standing
	case "CI":
		n := p.num(0, 0)
		z.utf8 = n == 28
		if n != 0 && n != 28 {
			z.warn(notExact, "^CI%d: 只支持 / only ^CI28 UTF-8", n)
		}
	case "PW":
		z.page.width = clampSide(p.num(0, 0))
	case "LL":
		z.page.height = clampSide(p.num(0, 0))
	case "LH":
		z.homeX, z.homeY = p.num(0, 0), p.num(1, 0)
	case "LR":
		z.labelReverse = p.letter(0, 'N') == 'Y'
	case "PQ":
		if n := p.num(0, 1); n >= 1 && n <= maxCopies {
			z.copies = n
		} else {
			z.warn(wrongValue, "^PQ%d", n)
		}
	case "BY":
		z.module = min(max(1, p.num(0, z.module)), 100)
		if f, err := strconv.ParseFloat(p.at(1), 64); err == nil && f >= 2 && f <= 3 {
			z.ratio = f
		}
		z.barHeight = min(max(1, p.num(2, z.barHeight)), maxSide)
	case "GB":
		w, h, t := p.num(0, 1), p.num(1, 1), max(1, p.num(2, 1))
		z.field.pieces = append(z.field.pieces, wiped(box{max(w, t), max(h, t), t}, p.letter(3, 'B') == 'W'))
		z.field.named = "^GB"
	case "GF":
		z.graphic(rest)
	case "BC", "BE", "BX", "BQ":
		z.barcode(name, p)
	default:
		if !slices.Contains(ignoredZPL, name) {
			z.warn(unknownCommand, "^%.20s", body)
			if name[0] == 'B' { // its data must not become text
				z.field.bars = func(string) (drawing, int, error) { return nil, 0, nil }
			}
		}
	}
}

func clampSide(n int) int { return min(max(0, n), maxSide) }

// white makes a drawing that takes black away.
type white struct{ drawing }

func wiped(d drawing, on bool) drawing {
	if on {
		return white{d}
	}
	return d
}

// font is ^Afo,h,w, or ^A@o,h,w,d:name.
func (z *zplFormat) font(name byte, p parameters) {
	l := zplLetter{name: name, turn: p.turn(0, z.turn), height: p.num(1, 0), width: p.num(2, 0)}
	switch {
	case name == '@':
		if p.at(3) != "" {
			z.fontFile = true
		}
		if !z.fontFile {
			z.warn(wrongValue, "^A@: 没有字库名 / no font named")
		}
	case name != '0' && bitmapFonts[name] == [2]int{}:
		z.warn(notExact, "^A%c: 用 ^A0 代替 / drawn as ^A0", name)
		l.name = '0'
	}
	l.size()
	z.field.letter = &l
}

// size fills in what was not said.
func (l *zplLetter) size() {
	if cell, ok := bitmapFonts[l.name]; ok { // whole multiples of the font's dots
		times := max(1, (l.height+cell[0]/2)/cell[0])
		across := times
		if l.width > 0 {
			across = max(1, (l.width+cell[1]/2)/cell[1])
		}
		l.height, l.width = cell[0]*times, cell[1]*across
		return
	}
	switch {
	case l.height == 0 && l.width == 0:
		l.height, l.width = 15, 12
	case l.height == 0:
		l.height = l.width
	case l.width == 0:
		l.width = l.height
	}
}

// graphic is ^GFa,b,c,d,data: b bytes are sent, c are in the picture, d in a row.
func (z *zplFormat) graphic(rest []byte) {
	z.field.named = "^GF"
	p := strings.SplitN(string(rest), ",", 5)
	if len(p) < 5 {
		z.warn(wrongValue, "^GF%.40s", rest)
		return
	}
	total, _ := strconv.Atoi(strings.TrimSpace(p[2]))
	stride, _ := strconv.Atoi(strings.TrimSpace(p[3]))
	if kind := strings.ToUpper(p[0]); kind != "A" && kind != "" {
		z.warn(unknownCommand, "^GF%s: 只支持 / only ^GFA", kind)
		return
	}
	if stride < 1 || stride > maxSide/8 || total < stride || total > maxJob || total%stride != 0 {
		z.warn(wrongValue, "^GF %s,%s,%s", p[1], p[2], p[3])
		return
	}
	data, fault := decodeGFA(p[4], stride, total)
	if fault != "" {
		z.warn(wrongValue, "^GF: %s", fault)
	}
	z.field.pieces = append(z.field.pieces, newPicture(stride, total/stride, data, false))
}

// decodeGFA reads hexadecimal digits with the letters that repeat them: G to Y are 1 to 19 times, g to z 20 to
// 400 times, a comma fills the row with white, ! with black, a colon repeats the row before.
func decodeGFA(s string, stride, total int) (data []byte, fault string) {
	digits := make([]byte, 0, 2*total)
	row := 2 * stride
	repeat := 0
	fill := func(digit byte) {
		for n := row - len(digits)%row; n > 0 && len(digits) < 2*total; n-- {
			digits = append(digits, digit)
		}
	}
	for i := range len(s) {
		c := s[i]
		if len(digits) >= 2*total {
			if strings.TrimSpace(s[i:]) != "" {
				fault = "数据过多 / more data than announced"
			}
			break
		}
		switch {
		case c == '\r' || c == '\n' || c == ' ':
		case c == ',':
			fill('0')
		case c == '!':
			fill('F')
		case c == ':':
			if len(digits) < row || len(digits)%row != 0 {
				return pack(digits, total), "冒号之前没有完整的行 / a colon without a row before it"
			}
			digits = append(digits, digits[len(digits)-row:]...)
		case 'G' <= c && c <= 'Y':
			repeat += int(c-'G') + 1
		case 'g' <= c && c <= 'z':
			repeat += (int(c-'g') + 1) * 20
		case '0' <= c && c <= '9', 'A' <= c && c <= 'F', 'a' <= c && c <= 'f':
			for range min(max(1, repeat), 2*total-len(digits)) {
				digits = append(digits, c)
			}
			repeat = 0
		default:
			return pack(digits, total), strconv.QuoteRune(rune(c))
		}
	}
	if len(digits) < 2*total {
		fault = "数据不足 / less data than announced"
	}
	return pack(digits, total), fault
}

func pack(digits []byte, total int) []byte {
	for len(digits) < 2*total {
		digits = append(digits, '0')
	}
	data := make([]byte, total)
	_, _ = hex.Decode(data, digits[:2*total]) // they are digits
	return data
}

// end is ^FS: what the field holds is drawn.
func (z *zplFormat) end() {
	f := z.field
	z.field = zplField{}
	how := burn
	if f.reverse || z.labelReverse {
		how = invert
	}
	for _, d := range f.pieces {
		mode := how
		if w, ok := d.(white); ok {
			d, mode = w.drawing, wipe
		}
		z.page.fields = append(z.page.fields, field{x: f.x, y: f.y, from: f.from, how: mode, what: d, named: f.named})
	}
	if !f.has {
		return
	}
	data, ok := unescapeHex(f.data, f.hex)
	if !ok {
		z.warn(wrongValue, "^FH: %.40q", f.data)
	}
	if f.bars != nil {
		d, turned, err := f.bars(string(data))
		if err != nil {
			z.warn(wrongValue, "%s: %v", f.named, err)
		}
		if d != nil {
			z.page.fields = append(z.page.fields, field{x: f.x, y: f.y, from: f.from, turn: turned, how: how, what: d, named: f.named})
		}
		return
	}
	z.text(f, data, how)
}

func (z *zplFormat) text(f zplField, data []byte, how mode) {
	s := string(data)
	if !utf8.ValidString(s) || !z.utf8 && slices.ContainsFunc(data, func(b byte) bool { return b >= 0x80 }) {
		z.warn(wrongValue, "^FD: 不是 UTF-8 或缺少 ^CI28 / not UTF-8, or without ^CI28: %.40q", data)
		s = strings.ToValidUTF8(s, "\ufffd")
	}
	l := z.letter
	if f.letter != nil {
		l = *f.letter
	} else {
		l.turn = z.turn
	}
	_, fixed := bitmapFonts[l.name]
	t := text{s: s, height: l.height, width: l.width, fixed: fixed, chinese: l.name == '@'}
	if f.block == nil {
		if f.right && l.turn == 0 {
			f.x -= t.measure(nil)
		}
		z.page.fields = append(z.page.fields, field{x: f.x, y: f.y, from: f.from, turn: l.turn, how: how, what: t, named: "^FD " + shown(s)})
		return
	}
	if l.turn != 0 {
		z.warn(notExact, "^FB: 旋转的文字块 / a turned block of text")
	}
	for i, line := range wrap(t, strings.Split(s, `\&`), f.block.width) {
		if i == f.block.lines {
			z.warn(outsideLabel, "^FB: %s", shown(line))
			break
		}
		t.s = line
		x, free := f.x, f.block.width-t.measure(nil)
		switch f.block.align {
		case 'C':
			x += free / 2
		case 'R':
			x += free
		}
		z.page.fields = append(z.page.fields, field{x: x, y: f.y + i*(l.height+f.block.spacing), from: f.from, how: how, what: t, named: "^FD " + shown(line)})
	}
}

// wrap breaks paragraphs at spaces, and where there are none.
func wrap(t text, paragraphs []string, width int) (lines []string) {
	const most = 200
	for _, p := range paragraphs {
		line := ""
		for _, word := range strings.SplitAfter(p, " ") {
			if t.s = strings.TrimSpace(line + word); line != "" && t.measure(nil) > width {
				lines = append(lines, strings.TrimSpace(line))
				line = ""
			}
			for _, r := range word {
				if t.s = line + string(r); line != "" && r >= firstWide && t.measure(nil) > width {
					lines = append(lines, line)
					line = ""
				}
				line += string(r)
			}
			if len(lines) > most {
				return lines
			}
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

func shown(s string) string {
	const most = 20
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + ".."
	}
	return strconv.Quote(s)
}

// unescapeHex replaces the escape character and the two digits behind it.
func unescapeHex(b []byte, escape byte) ([]byte, bool) {
	if escape == 0 {
		return b, true
	}
	out, good := make([]byte, 0, len(b)), true
	for i := 0; i < len(b); i++ {
		if b[i] != escape {
			out = append(out, b[i])
			continue
		}
		if i+2 >= len(b) {
			out, good = append(out, b[i]), false
			continue
		}
		v, err := hex.DecodeString(string(b[i+1 : i+3]))
		if err != nil {
			out, good = append(out, b[i]), false
			continue
		}
		out = append(out, v[0])
		i += 2
	}
	return out, good
}

// barcode notes what the next ^FD becomes.
func (z *zplFormat) barcode(name string, p parameters) {
	module, height := z.module, z.barHeight
	z.field.named = "^" + name
	turned := p.turn(0, z.turn)
	switch name {
	case "BC":
		h, line, above, mode := clampSide(p.num(1, height)), p.letter(2, 'Y') == 'Y', p.letter(3, 'N') == 'Y', p.letter(5, 'N')
		z.field.bars = func(data string) (drawing, int, error) {
			values, says, err := zplCode128(data, mode)
			if !line {
				says = ""
			}
			return bars{func() (symbol.Symbol, error) { return values.Symbol(symbol.Code128) }, module, h, says, above, humanSize(module)}, turned, err
		}
	case "BE":
		h, line, above := clampSide(p.num(1, height)), p.letter(2, 'Y') == 'Y', p.letter(3, 'N') == 'Y'
		z.field.bars = func(data string) (drawing, int, error) {
			data, err := ean13(data)
			says := data
			if !line {
				says = ""
			}
			return bars{func() (symbol.Symbol, error) { return symbol.Make(symbol.EAN13, data) }, module, h, says, above, humanSize(module)}, turned, err
		}
	case "BX":
		size, quality, escape := min(max(1, p.num(1, height)), 100), p.num(2, 0), p.letterAsIs(6, '~')
		if quality != 200 {
			z.warn(notExact, "^BX: 质量 %d 按 200 打印 / quality %d is drawn as 200", quality, quality)
		}
		z.field.bars = func(data string) (drawing, int, error) {
			kind, message, err := zplMatrix(data, escape)
			return matrix{func() (symbol.Symbol, error) { return symbol.Make(kind, message) }, size, 0}, turned, err
		}
	case "BQ":
		size := min(max(1, p.num(2, 3)), 100)
		z.field.bars = func(data string) (drawing, int, error) {
			message, level, err := zplQR(data)
			if level != 'M' && err == nil {
				z.warn(notExact, "^BQ: 纠错级别 %c 按 M 打印 / level %c is drawn as M", level, level)
			}
			return matrix{func() (symbol.Symbol, error) { return symbol.Make(symbol.QR, message) }, size, 0}, turned, err
		}
	}
}

// humanSize is the height of the line that people read, which grows with the modules.
func humanSize(module int) int { return min(max(18, 9*module), maxSize) }

// parameters are what follows a command's name, between commas.
type parameters []string

func fields(b []byte) parameters {
	s := strings.NewReplacer("\r", "", "\n", "").Replace(string(b))
	return strings.Split(s, ",")
}

func (p parameters) at(i int) string {
	if i >= len(p) {
		return ""
	}
	return strings.TrimSpace(p[i])
}

// num is a number that fits on a label, or what holds without one.
func (p parameters) num(i, otherwise int) int {
	n, err := strconv.Atoi(p.at(i))
	if err != nil {
		return otherwise
	}
	return min(max(-maxSide, n), maxSide)
}

func (p parameters) letter(i int, otherwise byte) byte {
	if s := strings.ToUpper(p.at(i)); s != "" {
		return s[0]
	}
	return otherwise
}

func (p parameters) letterAsIs(i int, otherwise byte) byte {
	if s := p.at(i); s != "" {
		return s[0]
	}
	return otherwise
}

func (p parameters) turn(i, otherwise int) int {
	if at := strings.IndexByte("NRIB", p.letter(i, ' ')); at >= 0 {
		return at
	}
	return otherwise
}

package label

import (
	"errors"
	"fmt"
	"image"
	"math"
	"slices"
	"strings"

	"stockade/internal/raster"
	"stockade/internal/symbol"
)

// Language is what a printer understands. The words stand in the node's configuration.
type Language string

// The languages.
const (
	ZPL    Language = "zpl"
	TSPL   Language = "tspl"
	ESCPOS Language = "escpos"
)

// Languages returns all languages.
func Languages() []Language { return []Language{ZPL, TSPL, ESCPOS} }

// Printer is what a label is laid out for. The zero value is a ZPL printer of 203 dpi without a Chinese font.
type Printer struct {
	Language Language
	DPI      int    // 203 when 0
	Font     string // of the printer's, for Chinese: "E:SIMSUN.TTF" (ZPL), "TSS24.BF2" (TSPL), "gb18030" (ESC/POS); without one such lines are pictures
	Invert   bool   // a TSPL printer whose bitmaps have 1 for black
}

func (p Printer) withDefaults() Printer {
	if p.Language == "" {
		p.Language = ZPL
	}
	if p.DPI == 0 {
		p.DPI = 203
	}
	return p
}

// Check returns a *Problem about a printer that there is none of.
func (p Printer) Check() error {
	p = p.withDefaults()
	switch {
	case p.Language != ZPL && p.Language != TSPL && p.Language != ESCPOS:
		return problem("bad_language", "language", string(p.Language))
	case p.DPI < 100 || p.DPI > 1200:
		return problem("bad_dpi", "dpi", fmt.Sprint(p.DPI))
	case p.Font != "" && (p.Language == ZPL && !zplFont.MatchString(p.Font) || p.Language == TSPL && !tsplFont.MatchString(p.Font)):
		return problem("bad_font", "font", p.Font)
	}
	return nil
}

// Layout is a label in dots: what each language writes in its own words.
type Layout struct {
	Width, Height int // dots
	Warnings      []*Problem
	printer       Printer
	template      Template
	face          *raster.Typeface
	items         []item
}

// item is a part of a layout.
type item struct {
	x, y, width, height int // dots
	// One of these three:
	text   *line
	symbol *placed
	solid  bool // a filled rectangle

	element int // of the template that it belongs to
}

// line is a line of text.
type line struct {
	text    string
	size    int // of the characters asked for, dots
	align   Align
	letters letters
	picture *raster.Bitmap // when the printer has no letters for it
	// Where the line may stand, for those who draw its letters in another font.
	left, room int
}

// letters are how a printer writes a line of its own.
type letters struct {
	font          string
	height, width int  // of a character; in ZPL of the letter "M"
	scaleX        int  // of a font made of dots
	scaleY        int  //
	chinese       bool // of the printer's Chinese font
}

// placed is a symbol with its place.
type placed struct {
	symbol  symbol.Symbol
	message string
	module  int // dots
}

// Layout fills the template and lays it out. The typeface draws what the printer has no font for; nil is none. The error
// is a *Problem.
func (t Template) Layout(v Values, p Printer, face *raster.Typeface) (*Layout, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if err := p.Check(); err != nil {
		return nil, err
	}
	p = p.withDefaults()
	l := &Layout{printer: p, template: t, face: face}
	l.Width, l.Height = l.dots(t.Width), l.dots(t.Height)
	for n, e := range t.Elements {
		var err error
		warned, laid := len(l.Warnings), len(l.items)
		switch e.Type {
		case Text:
			err = l.text(e, v)
		case Code:
			err = l.code(e, v)
		case Line:
			l.rectangle(l.dots(e.X), l.dots(e.Y), max(1, l.dots(e.Width)), max(1, l.dots(e.Height)))
		case Box:
			l.box(e)
		}
		if err != nil {
			return nil, inElement(n, err)
		}
		for _, w := range l.Warnings[warned:] {
			_ = inElement(n, w)
		}
		for i := range l.items[laid:] {
			l.items[laid+i].element = n
		}
	}
	l.warnOfOverlaps()
	return l, nil
}

// warnOfOverlaps warns of what stands on a symbol or in the zone around it that must stay light: scanners do not read it then.
func (l *Layout) warnOfOverlaps() {
	type pair struct{ symbol, other int }
	warned := map[pair]bool{}
	for _, c := range l.items {
		if c.symbol == nil {
			continue
		}
		quiet := c.symbol.symbol.Quiet * c.symbol.module
		zone := image.Rect(c.x-quiet, c.y, c.x+c.width+quiet, c.y+c.height)
		if !c.symbol.symbol.Kind.Linear() {
			zone.Min.Y, zone.Max.Y = c.y-quiet, c.y+c.height+quiet
		}
		for _, o := range l.items {
			p := pair{c.element, o.element}
			if o.element != c.element && !warned[p] && l.inked(o).Overlaps(zone) {
				warned[p] = true
				w := problem("overlap", "other", fmt.Sprint(o.element+1))
				_ = inElement(c.element, w)
				l.Warnings = append(l.Warnings, w)
			}
		}
	}
}

// inked is where an item is dark: of a line of text that is narrower than its place, only the text.
func (l *Layout) inked(i item) image.Rectangle {
	r := image.Rect(i.x, i.y, i.x+i.width, i.y+i.height)
	if i.text == nil || i.text.picture != nil || l.printer.Language != ZPL {
		return r
	}
	used := min(i.width, estimate(i.text.text, i.text.letters.width))
	switch i.text.align {
	case Center:
		r.Min.X += (i.width - used) / 2
	case Right:
		r.Min.X = r.Max.X - used
	}
	r.Max.X = r.Min.X + used
	return r
}

// inElement notes in a *Problem which element it is about, counted from 1.
func inElement(n int, err error) error {
	var p *Problem
	if errors.As(err, &p) {
		p.Args["element"] = fmt.Sprint(n + 1)
	}
	return err
}

// Commands returns the label in the printer's language.
func (l *Layout) Commands() []byte {
	switch l.printer.Language {
	case TSPL:
		return l.tspl()
	case ESCPOS:
		return l.escpos()
	}
	return l.zpl()
}

// dots rounds a length in mm. 203 dpi are 8 dots a millimetre, as the makers of print heads count.
func (l *Layout) dots(mm float64) int { return int(math.Round(mm * l.perMM())) }

func (l *Layout) perMM() float64 {
	switch l.printer.DPI {
	case 203:
		return 8
	case 300:
		return 12
	case 600:
		return 24
	}
	return float64(l.printer.DPI) / 25.4
}

// rectangle adds a filled rectangle, as far as it lies on the label.
func (l *Layout) rectangle(x, y, width, height int) {
	width, height = min(width, l.Width-x), min(height, l.Height-y)
	if width > 0 && height > 0 {
		l.items = append(l.items, item{x: x, y: y, width: width, height: height, solid: true})
	}
}

func (l *Layout) box(e Element) {
	stroke := e.Stroke
	if stroke == 0 {
		stroke = 0.25
	}
	n, x, y, width, height := max(1, l.dots(stroke)), l.dots(e.X), l.dots(e.Y), l.dots(e.Width), l.dots(e.Height)
	width, height = min(width, l.Width-x), min(height, l.Height-y)
	l.rectangle(x, y, width, n)
	l.rectangle(x, y+height-n, width, n)
	l.rectangle(x, y+n, n, height-2*n)
	l.rectangle(x+width-n, y+n, n, height-2*n)
}

// leading is the distance of two lines of text, in parts of their size.
const leading = 1.15

func (l *Layout) text(e Element, v Values) error {
	s, err := v.text(e.Content)
	if err != nil || s == "" {
		return err
	}
	size, width := l.dots(e.Size), l.dots(e.Width)
	most := max(1, e.Lines)
	for n := range most {
		y := l.dots(e.Y + float64(n)*e.Size*leading)
		if y+size > l.Height {
			break // Check has seen to the first line
		}
		now, rest := s, ""
		if n < most-1 && y+l.dots(e.Size*leading)+size <= l.Height {
			now, rest = l.wrap(s, size, width)
		}
		if err := l.line(l.dots(e.X), y, width, size, now, e.Align); err != nil {
			return err
		}
		if s = rest; s == "" {
			break
		}
	}
	return nil
}

// wrap divides text that is too wide for a line: at a space, or before any Chinese character.
func (l *Layout) wrap(s string, size, width int) (now, rest string) {
	if estimate(s, size) <= width {
		return s, ""
	}
	runes := []rune(s)
	best := 0
	for n := 1; n < len(runes) && estimate(string(runes[:n]), size) <= width; n++ {
		if runes[n] == ' ' || runes[n-1] == ' ' || runes[n] >= firstWide || runes[n-1] >= firstWide {
			best = n
		}
		if best == 0 || n-best > maxUnbroken {
			best = n
		}
	}
	best = max(best, 1)
	return strings.TrimSpace(string(runes[:best])), strings.TrimSpace(string(runes[best:]))
}

// maxUnbroken is how much of a line may be given up for the sake of a word, in characters.
const maxUnbroken = 12

// line adds a line of text, whole, narrowed or shortened.
func (l *Layout) line(x, y, width, size int, s string, align Align) error {
	s = strings.TrimSpace(clip(s))
	if s == "" {
		return nil
	}
	if align == "" {
		align = Left
	}
	wide := foreign(s)
	own := l.printer.Font != "" && l.printer.writes(s)
	if wide && !own && l.face.Draws(s) {
		picture, err := l.face.Draw(s, size, width)
		if err != nil {
			return fmt.Errorf("draw %q: %w", s, err)
		}
		at := x
		switch align {
		case Center:
			at += (width - picture.Width) / 2
		case Right:
			at += width - picture.Width
		}
		at = max(0, at)
		if picture.Height > 0 {
			l.items = append(l.items, item{x: at, y: y, width: picture.Width, height: min(picture.Height, l.Height-y), text: &line{text: s, size: size, align: align, picture: picture, left: x, room: width}})
		}
		return nil
	}
	if wide && !own {
		l.Warnings = append(l.Warnings, problem("no_chinese", "text", s))
	}
	left, room := x, width
	s, letters, used := l.printer.letters(s, size, width, wide)
	at := x
	if l.printer.Language != ZPL { // the width of a font made of dots is known; ZPL aligns by itself
		switch align {
		case Center:
			at += (width - used) / 2
		case Right:
			at += width - used
		}
		width = used
	}
	l.items = append(l.items, item{x: max(0, at), y: y, width: width, height: min(letters.height, l.Height-y), text: &line{text: s, size: size, align: align, letters: letters, left: left, room: room}})
	return nil
}

// Barcode sizes in mm. Narrower bars are lost in the dots of the print head.
const (
	minModule     = 0.25
	usualModule   = 0.375 // largest, unless the template says so
	usualMatrix   = 1
	captionGap    = 0.25
	captionBeside = 0.5 // between the lines beside a matrix
)

// code draws the first of the element's symbols that fits, and beside it what it says.
func (l *Layout) code(e Element, v Values) error {
	data, captions, err := v.message(e)
	if err != nil || data == "" {
		return err
	}
	if e.Symbols[0].GS1() {
		has := func(ai string) bool {
			return slices.ContainsFunc(captions, func(c string) bool { return strings.HasPrefix(c, "("+ai+")") })
		}
		if has("02") && !has("37") { // GS1 General Specifications, section 4.13.2: content goes with its count
			l.Warnings = append(l.Warnings, problem("no_count"))
		}
	}
	var misfit error
	for _, k := range e.Symbols {
		data, captions := data, captions
		if k == symbol.EAN13 && len(data) == 14 && data[0] == '0' { // a GTIN is kept with 14 digits; EAN-13 leaves the zero out
			data = data[1:]
			captions = []string{data}
		}
		s, err := symbol.Make(k, data)
		if err != nil {
			return problem("bad_message", "text", data, "kind", "text:label.symbol_"+string(k))
		}
		misfit = l.place(e, s, data, captions)
		if misfit == nil {
			return nil
		}
	}
	return misfit
}

// message returns what a code holds, and its caption in pieces that are not torn.
func (v Values) message(e Element) (data string, captions []string, err error) {
	if !e.Symbols[0].GS1() {
		s, err := v.text(e.Content)
		return s, []string{s}, err
	}
	elements, err := v.elements(e.Content)
	for _, el := range elements {
		captions = append(captions, el.String())
	}
	return message(elements), captions, err
}

// place puts a symbol at the upper left of the element's box, as large as fits. The quiet zone may lie outside
// the box, but not outside the label.
func (l *Layout) place(e Element, s symbol.Symbol, data string, captions []string) error {
	x, y, width, height := l.dots(e.X), l.dots(e.Y), l.dots(e.Width), l.dots(e.Height)
	largest := e.Module
	switch {
	case !s.Kind.Linear():
		largest = max(largest, usualMatrix)
	case largest == 0:
		largest = usualModule
	}
	least := max(1, int(math.Ceil(minModule*l.perMM()-0.01)))
	most := max(least, l.dots(largest))
	size := l.dots(e.Size)
	if e.Size == 0 {
		captions = nil
	}
	if s.Kind.Linear() {
		module := most
		for ; module >= least; module-- {
			if s.Width*module <= width && (s.Width+2*s.Quiet)*module <= l.Width {
				break
			}
		}
		if module < least {
			need := float64(max(s.Width, (s.Width+2*s.Quiet)-(l.Width-width)/least)*least) / l.perMM()
			return problem("too_wide", "need", fmt.Sprint(math.Ceil(need)), "have", fmt.Sprint(math.Floor(e.Width)))
		}
		bars := s.Width * module
		left := x + (width-bars)/2
		left = max(s.Quiet*module, min(left, l.Width-bars-s.Quiet*module))
		rows := l.captionRows(captions, size, width)
		high := height - len(rows)*(size+l.dots(captionGap))
		if high < l.dots(3) {
			return problem("too_low", "need", fmt.Sprint(math.Ceil(e.Height+3)), "have", fmt.Sprint(math.Floor(e.Height)))
		}
		l.items = append(l.items, item{x: left, y: y, width: bars, height: high, symbol: &placed{s, data, module}})
		for n, row := range rows {
			if err := l.line(x, y+high+l.dots(captionGap)+n*(size+l.dots(captionGap)), width, size, row, Center); err != nil {
				return err
			}
		}
		return nil
	}
	room := min(width, height)
	module := min(most, room/s.Height, room/s.Width)
	if module < least {
		return problem("too_wide", "need", fmt.Sprint(math.Ceil(float64(s.Width*least)/l.perMM())), "have", fmt.Sprint(math.Floor(min(e.Width, e.Height))))
	}
	quiet := s.Quiet * module
	side := s.Width * module
	left, top := max(x, quiet), max(y, quiet)
	if left+side+quiet > l.Width || top+side+quiet > l.Height {
		return problem("too_wide", "need", fmt.Sprint(math.Ceil(float64(side+2*quiet)/l.perMM())), "have", fmt.Sprint(math.Floor(min(e.Width, e.Height))))
	}
	l.items = append(l.items, item{x: left, y: top, width: side, height: side, symbol: &placed{s, data, module}})
	beside := left + side + max(2*quiet, l.dots(1))
	for n, c := range captions {
		row := top + n*(size+l.dots(captionBeside))
		if row+size > min(y+height, l.Height) || beside >= x+width {
			break
		}
		if err := l.line(beside, row, x+width-beside, size, c, Left); err != nil {
			return err
		}
	}
	return nil
}

// captionRows joins pieces of caption in one row or two.
func (l *Layout) captionRows(captions []string, size, width int) []string {
	all := strings.Join(captions, "")
	if all == "" {
		return nil
	}
	if len(captions) == 1 || estimate(all, size) <= width {
		return []string{all}
	}
	half := (len(captions) + 1) / 2
	return []string{strings.Join(captions[:half], ""), strings.Join(captions[half:], "")}
}

package dashboard

import (
	"fmt"
	"time"

	"stockade/internal/paper"
	"stockade/internal/raster"
	"stockade/internal/web"
)

// Measures of the sheet in millimetres. A module of half a millimetre is read from half a metre and more.
const (
	pageWidth, pageHeight = 210, 297 // A4
	margin                = 12.0
	module                = 0.5
	gap                   = 6.0  // between columns
	titleHeight           = 20.0 // of the head of a page
	groupHeight           = 11.0 // of a heading
	wideHeight            = 24.0 // of a card that takes the whole width, with what is below it
	cardHeight            = 28.0
	footHeight            = 8.0
)

const inner = pageWidth - 2*margin

// sheet is a station's sheet of command barcodes as a PDF file in the making.
type sheet struct {
	face    *raster.Typeface
	say     func(l web.Lang, key string, args map[string]string) string
	station string
	version string // of the program
	day     string

	doc  *paper.Document
	page int
	y    float64 // down to where the page is full
	err  error   // the first one
}

// file draws the sheet: the groups, and room for the badge with which people will sign in at the station.
func (s *sheet) file(groups []commandGroup, made time.Time) ([]byte, error) {
	s.doc = paper.New(pageWidth, pageHeight, s.say(web.English, "commands.title", nil)+" "+s.station, made)
	s.newPage()
	for _, g := range groups {
		s.group(g)
	}
	s.badge()
	if s.err != nil {
		return nil, fmt.Errorf("sheet of commands: %w", s.err)
	}
	return s.doc.Bytes()
}

func (s *sheet) text(t paper.Text) {
	if err := s.doc.Text(s.face, t); s.err == nil {
		s.err = err
	}
}

// English stands behind Chinese, and smaller.
const between, smaller = 2.0, 0.65

// both writes a text in both languages on one line, Chinese first and larger.
func (s *sheet) both(x, y, width, size float64, key string, args map[string]string) {
	zh, en := s.say(web.Chinese, key, args), s.say(web.English, key, args)
	w, err := paper.Measure(s.face, zh)
	if err != nil {
		if s.err == nil {
			s.err = err
		}
		return
	}
	used := min(w*size, width*0.6)
	s.text(paper.Text{X: x, Y: y, Width: used, Size: size, Text: zh})
	s.text(paper.Text{X: x + used + between, Y: y, Width: width - used - between, Size: size * smaller, Text: en})
}

func (s *sheet) newPage() {
	s.page++
	s.doc.AddPage()
	s.both(margin, margin+7, inner*0.5, 8, "commands.title", nil)
	s.text(paper.Text{X: pageWidth / 2, Y: margin + 7, Width: inner / 2, Size: 8, Align: paper.Right, Text: s.station})
	s.doc.Rect(margin, margin+11, inner, 0.4)
	s.doc.Ink(0.35)
	s.text(paper.Text{X: margin, Y: pageHeight - margin + 2, Width: inner * 0.8, Size: 3.2, Text: "Stockade 仓盾 " + s.version + " · " + s.day})
	s.text(paper.Text{X: margin, Y: pageHeight - margin + 2, Width: inner, Size: 3.2, Align: paper.Right, Text: fmt.Sprint(s.page)})
	s.doc.Ink(0)
	s.y = margin + titleHeight
}

// room begins a new page when this one has not so much left.
func (s *sheet) room(height float64) {
	if s.y+height > pageHeight-margin-footHeight+2 {
		s.newPage()
	}
}

func (s *sheet) group(g commandGroup) {
	columns, half := 2, (inner-gap)/2
	for _, c := range g.Cards {
		if symbolWidth(c) > half || s.wordy(c) {
			columns = 1
		}
	}
	height := cardHeight
	if columns == 1 {
		height = wideHeight
	}
	s.room(groupHeight + height)
	s.both(margin, s.y+4, inner, 5.5, g.Title, nil)
	s.y += groupHeight - 3
	for i, c := range g.Cards {
		if i%columns == 0 {
			s.room(height)
		}
		if columns == 1 {
			s.wideCard(c)
		} else {
			s.card(c, margin+float64(i%2)*(half+gap), half)
		}
		if i%columns == columns-1 || i == len(g.Cards)-1 {
			s.y += height
		}
	}
	s.y += 3
}

// Of a card in two columns: what its words have, and how large they are.
const (
	wordsWidth = 0.62 * (inner - gap) / 2
	wordsSize  = 6.0
)

// wordy reports whether what a barcode does takes more than a card in two columns has for it.
func (s *sheet) wordy(c commandCard) bool {
	zh, err1 := paper.Measure(s.face, s.say(web.Chinese, c.Text, c.Args))
	en, err2 := paper.Measure(s.face, s.say(web.English, c.Text, c.Args))
	return err1 == nil && err2 == nil && wordsSize*(zh+smaller*en)+between > wordsWidth
}

// symbolWidth returns the width of a card's barcode with its quiet zones.
func symbolWidth(c commandCard) float64 { return module * float64(c.Symbol.Width+2*c.Symbol.Quiet) }

// wideCard draws what a barcode does at its left.
func (s *sheet) wideCard(c commandCard) {
	const bars = 15.0
	high := wideHeight - 3
	words := inner - symbolWidth(c) - 6
	s.doc.Box(margin, s.y, inner, high, 0.2, 0)
	s.text(paper.Text{X: margin + 4, Y: s.y + 9, Width: words, Size: 8, Text: s.say(web.Chinese, c.Text, c.Args)})
	s.text(paper.Text{X: margin + 4, Y: s.y + 14.5, Width: words, Size: 4.5, Text: s.say(web.English, c.Text, c.Args)})
	s.content(c, margin+4, s.y+19, words, paper.Left)
	s.doc.Modules(margin+inner-2-symbolWidth(c)+module*float64(c.Symbol.Quiet), s.y+(high-bars)/2, module, bars, c.Symbol)
}

// card draws what a barcode does above it.
func (s *sheet) card(c commandCard, x, width float64) {
	s.doc.Box(x, s.y, width, cardHeight-3, 0.2, 0)
	s.both(x+4, s.y+6.5, wordsWidth, wordsSize, c.Text, c.Args)
	s.content(c, x+4, s.y+6.5, width-8, paper.Right)
	s.doc.Modules(x+(width-module*float64(c.Symbol.Width))/2, s.y+9, module, 13.5, c.Symbol)
}

// content writes what the barcode says, for the day when it can not be read.
func (s *sheet) content(c commandCard, x, y, width float64, align paper.Align) {
	s.doc.Ink(0.35)
	s.text(paper.Text{X: x, Y: y, Width: width, Size: 2.8, Align: align, Text: c.Content})
	s.doc.Ink(0)
}

// badge leaves room to stick a badge on.
func (s *sheet) badge() {
	const high = 45.0
	s.room(groupHeight + high)
	s.both(margin, s.y+4, inner, 5.5, "commands.badge", nil)
	s.y += groupHeight - 3
	s.doc.Box(margin, s.y, inner, high, 0.3, 2)
	s.y += high
}

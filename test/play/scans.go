package play

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"stockade/protocol/barcode"
)

// Scans makes up scans that nobody has seen before. The same seed makes the same ones.
type Scans struct {
	*rand.Rand
	Long bool // some are longer than what a terminal holds at once

	items []string // GTINs of 14 digits
}

// NewScans returns a maker of scans of a dozen items.
func NewScans(seed uint64) *Scans {
	s := &Scans{Rand: rand.New(rand.NewPCG(seed, 0))} // #nosec G404 -- a failing test must be played again
	for range 12 {
		s.items = append(s.items, s.gtin())
	}
	return s
}

// gtin makes an item code; leading zeros make shorter ones of some.
func (s *Scans) gtin() string {
	body := fmt.Sprintf("0%012d", s.Int64N(1_000_000_000_000))
	if s.IntN(3) == 0 {
		body = fmt.Sprintf("00%011d", s.Int64N(100_000_000_000))
	}
	return body + string(barcode.CheckDigit(body))
}

func pick[T any](s *Scans, from ...T) T { return from[s.IntN(len(from))] }

// goods is a scan that names an item, in one of the forms that scanners send.
func (s *Scans) goods() string {
	gtin := pick(s, s.items...)
	switch s.IntN(6) {
	case 0:
		return "]E0" + gtin[1:]
	case 1:
		return gtin[1:] // guessed by its digits
	case 2:
		return "]I1" + gtin
	case 3:
		return "(01)" + gtin + "(10)" + s.text()
	case 4:
		return "]C102" + gtin + "37" + fmt.Sprint(pick(s, 1, 40, 99_999_999))
	}
	return s.elements(gtin)
}

// elements is a GS1 element string of an item with whatever stands behind.
func (s *Scans) elements(gtin string) string {
	out := pick(s, "]C1", "]d2", "]Q3", "]e0") + "01" + gtin
	if s.IntN(2) == 0 {
		year := time.Now().Year() % 100
		out += fmt.Sprintf("17%02d%02d%02d", year+pick(s, -3, -1, 1, 2, 5), 1+s.IntN(12), s.IntN(29))
	}
	if s.IntN(3) == 0 {
		out += fmt.Sprintf("3103%06d", s.IntN(1_000_000)) // a weight, which is not the quantity
	}
	parts := []string{"10" + s.text(), "21" + s.text(), fmt.Sprintf("30%d", s.IntN(100)), "37" + pick(s, "0", "00000000", "12", "99999999")}
	s.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	return out + strings.Join(parts[:s.IntN(3)], "\x1d")
}

func (s *Scans) text() string {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789-/.abc"
	b := make([]byte, 1+s.IntN(20))
	for i := range b {
		b[i] = letters[s.IntN(len(letters))]
	}
	return string(b)
}

// rubbish is what must be refused.
func (s *Scans) rubbish() string {
	item := pick(s, s.items...)
	wrong := item[:13] + string('0'+(item[13]-'0'+1)%10)
	return pick(s, "]E0"+wrong[1:], "]C101"+wrong, "]C101"+item+"17991345", "]C10", "]d2999", "]A0"+item, "HELLO "+s.text(), "仓库"+s.text(),
		"]Q1http://example.com/"+s.text(), "+A99912345/$10X3", "\x02abc", "\xb2\xd6\xbf\xe2", "00123456789012345675", fmt.Sprintf("81%018d", s.Int64N(1<<40)), "]C101"+item+"37X", s.long())
}

func (s *Scans) long() string {
	if !s.Long {
		return "]Q1SHORT"
	}
	return "]Q1" + strings.Repeat("0123456789", 600+s.IntN(300))
}

// noisy puts what is dropped anywhere between the bytes.
func (s *Scans) noisy(text string) string {
	if s.IntN(4) > 0 {
		return text
	}
	at := s.IntN(len(text) + 1)
	return text[:at] + pick(s, "\x00", "\x11", "\x13", "\xff\xff") + text[at:]
}

// frame closes a scan so that others can follow in the same burst.
func (s *Scans) frame(text string) string {
	if !strings.ContainsAny(text, "\x02\x03") && s.IntN(3) == 0 {
		return "\x02" + text + pick(s, "", "\r", "\n", "\r\n") + "\x03"
	}
	return text + pick(s, "\r", "\n", "\t", "\r\n")
}

// Line is what arrives in one burst, none to five scans.
func (s *Scans) Line() string {
	out := ""
	for range s.IntN(5) {
		text := s.goods()
		if s.IntN(3) == 0 {
			text = s.rubbish()
		}
		out += s.frame(s.noisy(text))
	}
	if s.IntN(2) == 0 {
		out += s.noisy(s.goods()) // ended by silence
	}
	return out
}

// File is the text of a file of n lines. One serial number comes twice at the first node and then at the second,
// whose lines are the even ones.
func (s *Scans) File(n int) string {
	twice := "]C101" + s.items[0] + "21TWICE"
	lines := []string{twice + "\r", twice + "\r" + twice, twice}
	for len(lines) < n {
		lines = append(lines, s.Line())
	}
	var b strings.Builder
	b.WriteString("# made by a test\n\n")
	for i, l := range lines {
		fmt.Fprintf(&b, "%q", l)
		if i%3 == 1 { // an expectation and tags, which nobody may look at
			b.WriteString("\t[{\"text\":\"no\"}]\tframe=ssi codeid=zebra")
		}
		b.WriteString(pick(s, "\n", "\r\n", "\n# a remark\n\n"))
	}
	return b.String()
}

// Items returns lines that name every item that the scans are of, for Catalogue.
func (s *Scans) Items() [][]byte {
	var out [][]byte
	for _, i := range s.items {
		out = append(out, []byte("]I1"+i))
	}
	return out
}

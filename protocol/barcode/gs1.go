package barcode

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// gs1 reads element strings (C3).
func (d *Decoder) gs1(s *Scan, what id, data []byte) Class {
	if what.eci {
		text, class := decodeECI(data)
		if class != "" {
			return class
		}
		data = []byte(text)
	}
	text := string(data)
	if d.profile.GS != "" {
		text = strings.ReplaceAll(text, d.profile.GS, "\x1d")
	}
	if strings.Trim(text, "\x1d") == "" {
		return ErrEmpty
	}
	ais, class := d.elements(text)
	if class == "" {
		d.fill(s, ais)
	}
	return class
}

// elements parses a GS1 element string from left to right; the first fault decides. Pairs and
// repeats are looked at after that.
func (d *Decoder) elements(text string) (map[string]string, Class) {
	text = strings.TrimPrefix(text, "\x1d")
	set := aiSet{values: map[string]string{}}
	for strings.Trim(text, "\x1d") != "" {
		ai := findAI(text)
		if ai == nil {
			return nil, ErrUnknownAI
		}
		code := text[:ai.digits]
		text = text[ai.digits:]
		field, _, _ := strings.Cut(text, "\x1d")
		used, class := ai.check(field, d.now())
		if class != "" {
			return nil, class
		}
		if !ai.fixed && used < len(field) {
			return nil, ErrLength
		}
		set.add(code, field[:used])
		text = strings.TrimPrefix(text[used:], "\x1d")
	}
	return set.values, set.class()
}

var hri = regexp.MustCompile(`\((\d{2,4})\)`)

// bracketed parses the human readable form "(01)...(10)...": all of it has to be valid (N5).
func (d *Decoder) bracketed(text string) (map[string]string, bool) {
	at := hri.FindAllStringSubmatchIndex(text, -1)
	if len(at) == 0 || at[0][0] != 0 {
		return nil, false
	}
	set := aiSet{values: map[string]string{}}
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		code, value := text[m[2]:m[3]], text[m[1]:end]
		if !d.valid(code, value) {
			return nil, false
		}
		set.add(code, value)
	}
	return set.values, set.class() == ""
}

// valid reports whether value is a whole and right value of the AI.
func (d *Decoder) valid(code, value string) bool {
	ai := findAI(code)
	if ai == nil || ai.digits != len(code) {
		return false
	}
	used, class := ai.check(value, d.now())
	return class == "" && used == len(value)
}

// aiSet collects AIs and remembers what is looked at last.
type aiSet struct {
	values  map[string]string
	differs bool
}

func (s *aiSet) add(code, value string) {
	if old, ok := s.values[code]; ok && old != value {
		s.differs = true
		return
	}
	s.values[code] = value
}

func (s *aiSet) class() Class {
	for code := range s.values {
		for other := range s.values {
			if code != other && findAI(code).excludes(other) {
				return ErrAIPair
			}
		}
	}
	if s.differs {
		return ErrAIRepeat
	}
	return ""
}

// fill writes parsed AIs into the scan.
func (d *Decoder) fill(s *Scan, ais map[string]string) {
	s.AIs = ais
	s.SSCC, s.GTIN, s.Content, s.Lot, s.Serial = ais["00"], ais["01"], ais["02"], ais["10"], ais["21"]
	if v, ok := ais["17"]; ok {
		s.Expiry, _ = ExpiryDate(v, d.now())
	}
	for _, code := range []string{"37", "30"} {
		if n, err := strconv.ParseUint(ais[code], 10, 64); err == nil && s.Count == nil {
			s.Count = &n
		}
	}
}

// ExpiryDate reads a GS1 date YYMMDD as YYYY-MM-DD. Day 00 is the last day of the month. The
// century is the one that brings the year nearest to now (GS1 General Specifications, section 7.12).
func ExpiryDate(v string, now time.Time) (string, bool) {
	if len(v) != 6 || !digits(v) {
		return "", false
	}
	yy, _ := strconv.Atoi(v[:2])
	mm, _ := strconv.Atoi(v[2:4])
	dd, _ := strconv.Atoi(v[4:])
	year := now.Year() - now.Year()%100 + yy
	switch diff := yy - now.Year()%100; {
	case diff >= 51:
		year -= 100
	case diff <= -50:
		year += 100
	}
	return calendarDay(year, mm, dd, true)
}

// calendarDay writes a real day as YYYY-MM-DD.
func calendarDay(year, month, day int, zeroDay bool) (string, bool) {
	if month < 1 || month > 12 || day > 31 || (day == 0 && !zeroDay) {
		return "", false
	}
	if day == 0 {
		return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), true
	}
	t := time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return t.Format(time.DateOnly), t.Day() == day
}

package barcode

import (
	"bytes"
	"regexp"
	"strings"
)

// announced reads content whose symbology is known (rules C1 to C9).
func (d *Decoder) announced(what id, data []byte) Scan {
	s := Scan{Symbology: what.name}
	var class Class
	switch {
	case len(data) == 0:
		class = ErrEmpty
	case what.family == gs1Family:
		class = d.gs1(&s, what, data)
	case what.family == itfFamily:
		if len(data) == 14 && ValidGTIN(string(data)) {
			s.GTIN = string(data)
		} else {
			s.Text, class = decodeText(data)
		}
	case what.family != textual:
		class = ean(&s, what, string(data))
	case what.eci:
		var text string
		if text, class = decodeECI(data); class == "" {
			class = d.plain(&s, []byte(text))
		}
	default:
		class = d.plain(&s, data)
	}
	if class != "" {
		return Scan{Symbology: what.name, Error: class}
	}
	return s
}

// guessed reads content that nothing announced (rules N1 to N6).
func (d *Decoder) guessed(data []byte) Scan {
	var s Scan
	text := string(data)
	if special, class := d.special(&s, text); special {
		if class != "" {
			return Scan{Error: class}
		}
		return s
	}
	if g, ok := bareGTIN(text); ok { // N2
		return Scan{GTIN: g, Guess: true}
	}
	if len(text) == 20 && strings.HasPrefix(text, "00") && digits(text) && checkDigitRight(text[2:]) { // N3
		return d.guessedAIs(map[string]string{"00": text[2:]})
	}
	if bytes.IndexByte(data, gs) >= 0 && !strings.HasPrefix(text, "[)>") { // N4
		ais, class := d.elements(text)
		if class != "" {
			return Scan{Error: class}
		}
		return d.guessedAIs(ais)
	}
	if ais, ok := d.bracketed(text); ok { // N5
		return d.guessedAIs(ais)
	}
	if strings.HasPrefix(text, "01") { // N6
		if ais, class := d.elements(text); class == "" {
			return d.guessedAIs(ais)
		}
	}
	var class Class
	if s.Text, class = decodeText(data); class != "" {
		return Scan{Error: class}
	}
	return s
}

func (d *Decoder) guessedAIs(ais map[string]string) Scan {
	s := Scan{Guess: true}
	d.fill(&s, ais)
	return s
}

// plain reads content that has no form of its own (C5): trace, hibc, url, text.
func (d *Decoder) plain(s *Scan, data []byte) Class {
	if special, class := d.special(s, string(data)); special {
		return class
	}
	var class Class
	s.Text, class = decodeText(data)
	return class
}

func (d *Decoder) special(s *Scan, text string) (bool, Class) {
	switch {
	case len(text) == 20 && text[0] == '8' && digits(text):
		s.Trace = text
	case validHIBC(text):
		s.HIBC = text
	case isURL(text):
		return true, d.link(s, text)
	default:
		return false, ""
	}
	return true, ""
}

var addOnTail = regexp.MustCompile(`^(.*?)\]E([12])(.*)$`)

// ean reads EAN-13, EAN-8, UPC-A and UPC-E, with or without add-on (C1).
func ean(s *Scan, what id, data string) Class {
	addOn, hasAddOn := "", false
	if what.addOn {
		if len(data) != 15 && len(data) != 18 {
			return ErrLength
		}
		data, addOn, hasAddOn = data[:13], data[13:], true
	} else if m := addOnTail.FindStringSubmatch(data); m != nil {
		data, addOn, hasAddOn = m[1], m[3], true
		if want := map[string]int{"1": 2, "2": 5}[m[2]]; len(addOn) != want {
			return ErrLength
		}
	}
	if !lengthFits(what.family, len(data)) {
		return ErrLength
	}
	if !digits(data) || (hasAddOn && !digits(addOn)) {
		return ErrCharset
	}
	gtin, ok := eanGTIN(what.family, data)
	if !ok {
		return ErrCheckDigit
	}
	s.GTIN, s.AddOn = gtin, addOn
	return ""
}

func lengthFits(f family, n int) bool {
	switch f {
	case ean8Only, upcEOnly:
		return n == 8
	default:
		return n == 13 || n == 12 || n == 8
	}
}

func eanGTIN(f family, data string) (string, bool) {
	if len(data) != 8 {
		return pad14(data), checkDigitRight(data)
	}
	if f == ean8Only || f == eanOrUPCE {
		if checkDigitRight(data) {
			return pad14(data), true
		}
		if f == ean8Only {
			return "", false
		}
	}
	upcA, ok := expandUPCE(data)
	return pad14(upcA), ok && checkDigitRight(upcA)
}

// bareGTIN reads 13, 12, 14 or 8 digits with a right check digit; 8 digits are EAN-8 first,
// then UPC-E (N2).
func bareGTIN(text string) (string, bool) {
	if !digits(text) {
		return "", false
	}
	switch len(text) {
	case 12, 13, 14:
		return pad14(text), checkDigitRight(text)
	case 8:
		return eanGTIN(eanOrUPCE, text)
	}
	return "", false
}

// expandUPCE returns the UPC-A of a UPC-E with number system and check digit.
func expandUPCE(e string) (string, bool) {
	if e[0] != '0' && e[0] != '1' {
		return "", false
	}
	ns, d, check := e[:1], e[1:7], e[7:]
	switch d[5] {
	case '0', '1', '2':
		return ns + d[:2] + d[5:] + "0000" + d[2:5] + check, true
	case '3':
		return ns + d[:3] + "00000" + d[3:5] + check, true
	case '4':
		return ns + d[:4] + "00000" + d[4:5] + check, true
	}
	return ns + d[:5] + "0000" + d[5:] + check, true
}

const hibcAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-. $/+%"

// validHIBC checks the mod 43 character at the end over all before it, "+" included (C8).
func validHIBC(t string) bool {
	if len(t) < 4 || t[0] != '+' || t[1] < 'A' || t[1] > 'Z' {
		return false
	}
	sum := 0
	for _, c := range []byte(t[:len(t)-1]) {
		v := strings.IndexByte(hibcAlphabet, c)
		if v < 0 {
			return false
		}
		sum += v
	}
	return t[len(t)-1] == hibcAlphabet[sum%43]
}

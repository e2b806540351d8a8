package label

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"stockade/internal/symbol"
	"stockade/protocol/barcode"
)

// Values are what the fields of a label say. Dates are YYYY-MM-DD, a GTIN has 14 digits, an SSCC 18.
type Values map[string]string

var fieldForm = regexp.MustCompile(`\{([a-z_]+)(!?)\}`)

func fieldsIn(content string) []string {
	var names []string
	for _, m := range fieldForm.FindAllStringSubmatch(content, -1) {
		names = append(names, m[1])
	}
	return names
}

// fill puts values into content and reports whether it says anything: literal words alone do, words
// around empty fields do not. Control characters are left out, since printers take them for commands.
func fill(content string, v Values) (text string, says bool, err error) {
	found := fieldForm.FindAllStringSubmatchIndex(content, -1)
	says = len(found) == 0
	var b strings.Builder
	at := 0
	for _, m := range found {
		b.WriteString(content[at:m[0]])
		at = m[1]
		name := content[m[2]:m[3]]
		value := strings.TrimSpace(clean(v[name]))
		if value == "" && m[4] < m[5] {
			return "", false, problem("missing", "field", "text:label.field_"+name)
		}
		says = says || value != ""
		b.WriteString(value)
	}
	b.WriteString(content[at:])
	return b.String(), says, nil
}

// part is a bracketed part of text, which vanishes with its fields.
var part = regexp.MustCompile(`\[([^\[\]]*)\]`)

// text fills a text element. Empty is one that says nothing.
func (v Values) text(content string) (string, error) {
	if !part.MatchString(content) {
		s, says, err := fill(content, v)
		if !says {
			s = ""
		}
		return s, err
	}
	var b strings.Builder
	any := false
	add := func(content string) error {
		s, says, err := fill(content, v)
		if says {
			b.WriteString(s)
			any = any || strings.TrimSpace(s) != ""
		}
		return err
	}
	at := 0
	for _, m := range part.FindAllStringSubmatchIndex(content, -1) {
		if err := add(content[at:m[0]]); err != nil {
			return "", err
		}
		if err := add(content[m[2]:m[3]]); err != nil {
			return "", err
		}
		at = m[1]
	}
	if err := add(content[at:]); err != nil {
		return "", err
	}
	if !any {
		return "", nil
	}
	return strings.TrimSpace(b.String()), nil
}

// clean makes one line of text without control characters.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\r' || r == '\t':
			return ' '
		case r < 0x20 || 0x7F <= r && r < 0xA0 || r == '\ufffd':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}

// element is an application identifier and its value.
type element struct{ ai, value string }

func (e element) String() string { return "(" + e.ai + ")" + e.value }

var elementForm = regexp.MustCompile(`\(([0-9]{2,4})\)([^()]+)`)

// parseElements divides the content of a GS1 code.
func parseElements(content string) ([]element, error) {
	var out []element
	at := 0
	for _, m := range elementForm.FindAllStringSubmatchIndex(content, -1) {
		if m[0] != at {
			break
		}
		out = append(out, element{content[m[2]:m[3]], content[m[4]:m[5]]})
		at = m[1]
	}
	if at != len(content) || len(out) == 0 {
		return nil, fmt.Errorf("%q is no element string such as (01){gtin}(10){lot}", content)
	}
	return out, nil
}

// elements fills the content of a GS1 code; identifiers whose fields are empty are left out, and all of
// them where it is the first. What our own decoder would not read is refused.
func (v Values) elements(content string) ([]element, error) {
	all, err := parseElements(content)
	if err != nil {
		return nil, problem("bad_element_string", "content", content)
	}
	var out []element
	for n, e := range all {
		value, says, err := fill(e.value, v)
		if err != nil {
			return nil, err
		}
		if !says || value == "" {
			if n == 0 {
				return nil, nil // what the others qualify: a lot of nothing says nothing
			}
			continue
		}
		if date(e.ai) {
			if day, err := time.Parse(time.DateOnly, value); err == nil {
				value = day.Format("060102")
			}
		}
		e.value = value
		if !readable([]element{e}) {
			return nil, problem("bad_value", "ai", e.ai, "value", value)
		}
		out = append(out, e)
	}
	if len(out) > 0 && !readable(out) {
		return nil, problem("bad_value", "ai", out[0].ai, "value", caption(out))
	}
	return out, nil
}

// date reports identifiers of dates (GS1 General Specifications, section 3.4).
func date(ai string) bool {
	switch ai {
	case "11", "12", "13", "15", "16", "17":
		return true
	}
	return false
}

// readable reports whether a scanner that reads the elements gives us the same ones.
func readable(elements []element) bool {
	// The year decides only the century of dates, which is not compared.
	scans := barcode.Decode(barcode.Profile{}, []byte("]C1"+message(elements)), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	if len(scans) != 1 || scans[0].Error != "" {
		return false
	}
	for _, e := range elements {
		if scans[0].AIs[e.ai] != e.value {
			return false
		}
	}
	return len(scans[0].AIs) == len(elements)
}

// message joins elements with FNC1 behind those whose length is not fixed.
func message(elements []element) string {
	var m strings.Builder
	for n, e := range elements {
		m.WriteString(e.ai + e.value)
		if n < len(elements)-1 && !fixed(e.ai) {
			m.WriteByte(symbol.FNC1)
		}
	}
	return m.String()
}

// fixed reports identifiers of predefined length (GS1 General Specifications, figure 7.8.5-2).
func fixed(ai string) bool {
	switch ai[:2] {
	case "00", "01", "02", "03", "04", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "31", "32", "33", "34", "35", "36", "41":
		return true
	}
	return false
}

// caption is what stands beside a GS1 symbol for people.
func caption(elements []element) string {
	var s strings.Builder
	for _, e := range elements {
		s.WriteString(e.String())
	}
	return s.String()
}

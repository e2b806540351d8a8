package barcode

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// ai is the definition of one application identifier.
type ai struct {
	digits     int  // of the identifier itself
	fixed      bool // predefined length: no separator needed
	attribute  bool // allowed in the query of a Digital Link
	parts      []part
	excluded   []string // patterns such as "310n"
	primary    bool     // primary key of a Digital Link
	qualifiers [][]string
}

// part is one component of a value.
type part struct {
	set      byte // n, x, y or z
	min, max int
	optional bool
	rules    []rule
}

// table is aiTable read, by identifier.
var table = sync.OnceValue(func() map[string]*ai {
	t := map[string]*ai{}
	for line := range strings.Lines(strings.TrimSpace(aiTable)) {
		codes, a := parseAI(strings.Fields(line))
		for _, code := range codes {
			own := *a
			own.digits = len(code)
			t[code] = &own
		}
	}
	return t
})

func parseAI(fields []string) ([]string, *ai) {
	a := &ai{fixed: strings.Contains(fields[1], "f"), attribute: strings.Contains(fields[1], "a")}
	for spec := range strings.SplitSeq(fields[2], "+") {
		a.parts = append(a.parts, parsePart(spec))
	}
	for _, f := range fields[3:] {
		if ex, ok := strings.CutPrefix(f, "!"); ok {
			a.excluded = strings.Split(ex, ",")
		}
		if q, ok := strings.CutPrefix(f, "/"); ok {
			a.primary = true
			for alt := range strings.SplitSeq(q, "|") {
				a.qualifiers = append(a.qualifiers, strings.Split(alt, ","))
			}
		}
	}
	return codeRange(fields[0]), a
}

func codeRange(s string) []string {
	low, high, ok := strings.Cut(s, "-")
	if !ok {
		return []string{s}
	}
	from, _ := strconv.Atoi(low)
	to, _ := strconv.Atoi(high)
	var out []string
	for n := from; n <= to; n++ {
		out = append(out, fmt.Sprintf("%0*d", len(low), n))
	}
	return out
}

func parsePart(spec string) part {
	form, rules, _ := strings.Cut(spec, ":")
	p := part{set: form[0], optional: strings.HasSuffix(form, "?")}
	form = strings.TrimSuffix(form[1:], "?")
	size, upTo := strings.CutPrefix(form, "-")
	p.max, _ = strconv.Atoi(size)
	p.min = p.max
	if upTo {
		p.min = 1
	}
	for name := range strings.SplitSeq(rules, ".") {
		if name != "" {
			p.rules = append(p.rules, ruleNames[name])
		}
	}
	return p
}

// findAI returns the definition of the identifier that text begins with. No identifier begins another.
func findAI(text string) *ai {
	for n := 2; n <= min(4, len(text)); n++ {
		if a := table()[text[:n]]; a != nil {
			return a
		}
	}
	return nil
}

// check reads a value at the beginning of field and returns how much of it belongs to it.
func (a *ai) check(field string, now time.Time) (int, Class) {
	used := 0
	for _, p := range a.parts {
		rest := field[used:]
		if rest == "" && p.optional {
			continue
		}
		value := rest[:min(len(rest), p.max)]
		if class := p.check(value, now); class != "" {
			return 0, class
		}
		used += len(value)
	}
	return used, ""
}

func (p part) check(value string, now time.Time) Class {
	if len(value) < p.min {
		return ErrLength
	}
	if class := inSet(p.set, value); class != "" {
		return class
	}
	for _, r := range p.rules {
		if class := r(value, now); class != "" {
			return class
		}
	}
	return ""
}

// Character sets of the GS1 General Specifications, figures 7.11-1 to 7.11-3.
const (
	upperAndDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	lower          = "abcdefghijklmnopqrstuvwxyz"
	set82          = `!"%&'()*+,-./:;<=>?_` + upperAndDigits + lower
	set39          = "#-/" + upperAndDigits
	set64          = "-_" + upperAndDigits + lower
)

func inSet(set byte, value string) Class {
	allowed := map[byte]string{'n': "0123456789", 'x': set82, 'y': set39, 'z': set64}[set]
	if set == 'z' { // base64url with its padding
		body := strings.TrimRight(value, "=")
		if pads := len(value) - len(body); pads > 2 || (pads > 0 && len(value)%3 != 0) {
			return ErrValue
		}
		value = body
	}
	for i := range len(value) {
		if strings.IndexByte(allowed, value[i]) < 0 {
			return ErrCharset
		}
	}
	return ""
}

// excludes reports whether the other identifier must not stand beside this one. An AI is not
// exclusive of itself even where it matches a pattern.
func (a *ai) excludes(other string) bool {
	for _, pattern := range a.excluded {
		if matches(pattern, other) {
			return true
		}
	}
	return false
}

func matches(pattern, code string) bool {
	if len(pattern) != len(code) {
		return false
	}
	for i := range len(code) {
		if pattern[i] != 'n' && pattern[i] != code[i] {
			return false
		}
	}
	return true
}

package barcode

import (
	"net/url"
	"slices"
	"strings"
)

func isURL(t string) bool {
	for _, scheme := range []string{"https://", "http://", "HTTPS://", "HTTP://"} {
		if rest, ok := strings.CutPrefix(t, scheme); ok {
			return rest != ""
		}
	}
	return false
}

// link reads a URI and, when it is a valid uncompressed GS1 Digital Link, its AIs (C9).
func (d *Decoder) link(s *Scan, text string) Class {
	decoded, class := decodeText([]byte(text))
	if class != "" {
		return class
	}
	s.URL = decoded
	_, rest, _ := strings.Cut(decoded, "://")
	rest, _, _ = strings.Cut(rest, "#")
	rest, query, _ := strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	if host == "" || path == "" {
		return ""
	}
	set := aiSet{values: map[string]string{}}
	ok, class := d.linkPath(&set, strings.Split(path, "/"))
	if class != "" {
		return class
	}
	if ok && d.linkQuery(&set, query) && set.class() == "" {
		d.fill(s, set.values)
	}
	return ""
}

// linkPath reads the rightmost primary key of the path and its qualifiers.
func (d *Decoder) linkPath(set *aiSet, segments []string) (bool, Class) {
	at := -1
	for i := len(segments) - 2; i >= 0 && at < 0; i-- {
		if a := table()[segments[i]]; a != nil && a.primary && (len(segments)-i)%2 == 0 {
			at = i
		}
	}
	if at < 0 {
		return false, ""
	}
	key := table()[segments[at]]
	var qualifiers []string
	for i := at; i < len(segments); i += 2 {
		value, err := url.PathUnescape(segments[i+1])
		if i == at && segments[i] == "01" && err == nil && len(value) == 14 && digits(value) && !checkDigitRight(value) {
			return false, ErrCheckDigit
		}
		if err != nil || !d.valid(segments[i], value) {
			return false, ""
		}
		set.add(segments[i], value)
		if i > at {
			qualifiers = append(qualifiers, segments[i])
		}
	}
	return slices.ContainsFunc(append(key.qualifiers, nil), func(order []string) bool { return subsequence(qualifiers, order) }), ""
}

// subsequence reports whether all of some stand in order, in the same order.
func subsequence(some, order []string) bool {
	for _, o := range order {
		if len(some) > 0 && some[0] == o {
			some = some[1:]
		}
	}
	return len(some) == 0
}

// linkQuery reads the AIs among the query's words; other words are not ours.
func (d *Decoder) linkQuery(set *aiSet, query string) bool {
	for word := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		key, value, _ := strings.Cut(word, "=")
		if !digits(key) {
			continue
		}
		a := table()[key]
		value, err := url.QueryUnescape(value)
		if a == nil || !a.attribute || err != nil || !d.valid(key, value) {
			return false
		}
		set.add(key, value)
	}
	return true
}

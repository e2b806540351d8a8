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
	placed, class := d.linkPath(&set, strings.Split(path, "/"))
	if class != "" {
		return class
	}
	if placed != nil && d.linkQuery(&set, placed, query) && set.class() == "" {
		d.fill(s, set.values)
	}
	return ""
}

// linkPath reads the rightmost primary key of the path and its qualifiers, and returns the identifiers
// in their order, nil when they are none that a Digital Link may have.
func (d *Decoder) linkPath(set *aiSet, segments []string) ([]string, Class) {
	at := -1
	for i := len(segments) - 2; i >= 0 && at < 0; i-- {
		if a := table()[segments[i]]; a != nil && a.primary && (len(segments)-i)%2 == 0 {
			at = i
		}
	}
	if at < 0 {
		return nil, ""
	}
	var placed []string
	for i := at; i < len(segments); i += 2 {
		value, err := url.PathUnescape(segments[i+1])
		if i == at && segments[i] == "01" && err == nil && len(value) == 14 && digits(value) && !checkDigitRight(value) {
			return nil, ErrCheckDigit
		}
		if err != nil || !d.valid(segments[i], value) {
			return nil, ""
		}
		set.add(segments[i], value)
		placed = append(placed, segments[i])
	}
	if !pathOrder(placed) {
		return nil, ""
	}
	return placed, ""
}

// pathOrder reports whether identifiers may stand in a path in that order: a primary key, then
// some of its qualifiers.
func pathOrder(ais []string) bool {
	if len(ais) == 1 {
		return true
	}
	return slices.ContainsFunc(table()[ais[0]].qualifiers, func(order []string) bool { return subsequence(ais[1:], order) })
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

// linkQuery reads the AIs among the query's words; other words are not ours. An AI stands once in a link, and in
// the path if it qualifies the key there.
func (d *Decoder) linkQuery(set *aiSet, placed []string, query string) bool {
	for word := range strings.SplitSeq(query, "&") {
		key, value, ok := strings.Cut(word, "=")
		if !ok || !digits(key) {
			continue
		}
		a := table()[key]
		value, err := url.QueryUnescape(value)
		if a == nil || !a.attribute || err != nil || !d.valid(key, value) || qualifies(key, placed) {
			return false
		}
		if _, twice := set.values[key]; twice {
			return false
		}
		set.add(key, value)
	}
	return true
}

// qualifies reports whether an identifier could stand in the path among those that do.
func qualifies(ai string, placed []string) bool {
	for at := 1; at <= len(placed); at++ {
		if pathOrder(slices.Insert(slices.Clone(placed), at, ai)) {
			return true
		}
	}
	return false
}

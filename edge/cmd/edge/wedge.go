package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"stockade/edge/dashboard"
	"stockade/protocol/barcode"
)

// wedgeTags are the tags of a station's wedge_profile with their values; nil for any.
var wedgeTags = map[string][]string{"codeid": {"zebra", "datalogic"}, "gs": nil, "keys": {"us"}, "end": {"silence"}}

// checkWedge refuses a wedge_profile with a tag that does nothing: it would be believed to do something.
func checkWedge(profile string) error {
	for tag := range strings.FieldsSeq(profile) {
		name, value, _ := strings.Cut(tag, "=")
		values, known := wedgeTags[name]
		if !known || value == "" || (values != nil && !slices.Contains(values, value)) {
			return fmt.Errorf("wedge_profile: %q is unknown: want codeid=zebra, codeid=datalogic, gs=SUBSTITUTE, keys=us or end=silence", tag)
		}
	}
	return nil
}

// keyboard returns what the page has to know of a wedge_profile.
func keyboard(profile string) (k dashboard.Keyboard) {
	for tag := range strings.FieldsSeq(profile) {
		switch name, value, _ := strings.Cut(tag, "="); name {
		case "keys":
			k.Keys = value
		case "end":
			k.End = value
		}
	}
	return k
}

// decode makes scans of bytes that came another way than over a serial port, by the same rules. profile is the
// station's wedge_profile. Bytes that hold no scan at all are one that is empty.
func decode(in dashboard.Input, profile string, raw []byte, now time.Time) []barcode.Scan {
	var p barcode.Profile
	switch in {
	case dashboard.ByKeyboard:
		p = barcode.ParseProfile(profile)
		p.SSI = false // packets are not typed
	case dashboard.ByCamera: // between STX and ETX a line break is data and splits nothing
		raw = slices.Concat([]byte{0x02}, raw, []byte{0x03})
	}
	if scans := barcode.Decode(p, raw, now); len(scans) > 0 {
		return scans
	}
	return []barcode.Scan{{Error: barcode.ErrEmpty, Raw: raw}}
}

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"stockade/edge/dashboard"
	"stockade/protocol/barcode"
)

// vectors returns the lines of the scan vectors: bytes, what they mean, tags.
func vectors(t *testing.T) (out [][3]string) {
	t.Helper()
	f, err := os.Open("../../../protocol/barcode/testdata/scans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Split(lines.Text(), "\t")
		if strings.HasPrefix(lines.Text(), "#") || len(fields) < 2 {
			continue
		}
		raw, err := strconv.Unquote(fields[0])
		if err != nil {
			t.Fatalf("%s: %v", fields[0], err)
		}
		out = append(out, [3]string{raw, fields[1], strings.Join(fields[2:], " ")})
	}
	if err := lines.Err(); err != nil || len(out) < 400 {
		t.Fatalf("%d vectors: %v", len(out), err)
	}
	return out
}

// typed returns what the page sends for the frames of a vector when a keyboard scanner types them: no terminator, a
// request each. It is nil for what can not be typed: packets, frames of STX and ETX, and noise of the line.
func typed(raw, tags string) []string {
	noise := slices.ContainsFunc([]byte(raw), func(c byte) bool { return bytes.IndexByte([]byte{0x00, 0x02, 0x03, 0x11, 0x13, 0xFF}, c) >= 0 })
	if noise || strings.Contains(tags, "frame=ssi") {
		return nil
	}
	return strings.FieldsFunc(raw, func(r rune) bool { return r == '\r' || r == '\n' || r == '\t' })
}

// TestVectorsTyped: what is typed means the same as what comes over a serial port.
func TestVectorsTyped(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	count := 0
	for _, v := range vectors(t) {
		frames := typed(v[0], v[2])
		if frames == nil {
			continue
		}
		var profile []string
		for tag := range strings.FieldsSeq(v[2]) {
			if strings.HasPrefix(tag, "gs=") || strings.HasPrefix(tag, "codeid=") {
				profile = append(profile, tag)
			}
		}
		if err := checkWedge(strings.Join(profile, " ")); err != nil {
			t.Errorf("%q: %v", v[0], err)
		}
		got := []barcode.Scan{}
		for _, f := range frames {
			got = append(got, decode(dashboard.ByKeyboard, strings.Join(profile, " "), []byte(f), now)...)
		}
		same(t, v, got)
		count++
	}
	if count < 400 {
		t.Errorf("only %d vectors can be typed", count)
	}
}

// TestVectorsSeen: what the camera reads means the same too, when it comes with its AIM identifier as one frame.
func TestVectorsSeen(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	count := 0
	for _, v := range vectors(t) {
		frames := typed(v[0], v[2])
		if len(frames) != 1 || !strings.HasPrefix(frames[0], "]") || strings.Contains(v[2], "gs=") {
			continue
		}
		// The station's profile is for the other scanner.
		same(t, v, decode(dashboard.ByCamera, "codeid=zebra gs=1", []byte(frames[0]), now))
		count++
	}
	if count < 200 {
		t.Errorf("only %d vectors can be seen", count)
	}
}

func same(t *testing.T, v [3]string, scans []barcode.Scan) {
	t.Helper()
	data, err := json.Marshal(scans)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(v[1]), &want); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%q (%s)\n got %s\nwant %s", v[0], v[2], data, v[1])
	}
}

func TestOtherInputs(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	// A line break inside a symbol splits nothing that the camera reads.
	if got := decode(dashboard.ByCamera, "", []byte("]Q1BIN:A-01\r\nsecond line"), now); len(got) != 1 || got[0].Text != "BIN:A-01\r\nsecond line" {
		t.Errorf("%+v", got)
	}
	// A program that names no input speaks plainly, whatever the keyboard's profile.
	if got := decode("", "codeid=zebra", []byte("D6901234567892"), now); len(got) != 1 || got[0].Symbology != "" {
		t.Errorf("%+v", got)
	}
	for _, nothing := range []string{"\r", "\x00", ""} {
		for _, in := range []dashboard.Input{"", dashboard.ByKeyboard, dashboard.ByCamera} {
			if got := decode(in, "", []byte(nothing), now); len(got) != 1 || got[0].Error != barcode.ErrEmpty && in != dashboard.ByCamera {
				t.Errorf("%q by %q: %+v", nothing, in, got)
			}
		}
	}
	for profile, ok := range map[string]bool{"": true, "codeid=zebra gs=| keys=us end=silence": true, "frame=ssi": false, "beep=zebra": false, "codeid=cognex": false, "gs=": false, "keys=de": false, "zebra": false} {
		if err := checkWedge(profile); (err == nil) != ok {
			t.Errorf("wedge_profile %q: %v", profile, err)
		}
	}
	if k := keyboard("gs=| keys=us end=silence"); k != (dashboard.Keyboard{Keys: "us", End: "silence"}) {
		t.Errorf("%+v", k)
	}
}

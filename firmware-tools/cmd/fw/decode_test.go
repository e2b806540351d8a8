package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"stockade/protocol/barcode"
)

func decodeText(t *testing.T, in string) (lines []string, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	err = run(context.Background(), []string{"decode"}, strings.NewReader(in), &out, &errs)
	if out.Len() > 0 {
		lines = strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	}
	return lines, errs.String(), err
}

func TestDecodeVectors(t *testing.T) {
	file, err := os.ReadFile("../../../protocol/barcode/testdata/scans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := decodeText(t, string(file))
	if err != nil {
		t.Fatal(err)
	}
	i := 0
	for line := range strings.Lines(string(file)) {
		if strings.HasPrefix(line, "#") || strings.TrimSpace(line) == "" {
			continue
		}
		var g, w any
		if err := json.Unmarshal([]byte(got[i]), &g); err != nil {
			t.Fatalf("output line %d: %v", i+1, err)
		}
		if err := json.Unmarshal([]byte(strings.Split(line, "\t")[1]), &w); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(g, w) {
			t.Errorf("%s gives %s", strings.TrimSpace(line), got[i])
		}
		i++
	}
	if i != len(got) || i != 500 {
		t.Errorf("%d lines for %d vectors", len(got), i)
	}
}

func TestDecodeForms(t *testing.T) {
	long := `"]Q1` + strings.Repeat("A", 1<<20) + `"`
	in := "\"A6930871308957\\r\\n\"\tcodeid=zebra\n\n# note\n\"A1\\r\"\tkind=x unknown=y\n`raw`\n\"a<b>&\"\tsomething\r\n" + long + "\nnonsense\n\"last\""
	lines, stderr, err := decodeText(t, in)
	want := []string{`[{"symbology":"EAN/UPC","gtin":"06930871308957"}]`, `[{"text":"A1"}]`, `[{"text":"raw"}]`, `[{"text":"a<b>&"}]`, `[{"error":"length"}]`, `[]`, `[{"text":"last"}]`}
	if !reflect.DeepEqual(lines, want) {
		t.Errorf("lines %q, want %q", lines, want)
	}
	if err == nil || !strings.Contains(stderr, "line 8") {
		t.Errorf("error %v, stderr %q: want line 8 named", err, stderr)
	}
}

// A literal may hold a tab as it is; what stands behind a literal is a column or a mistake.
func TestDecodeColumns(t *testing.T) {
	lines, _, err := decodeText(t, "\"A\tB\"\t[]\tkind=x\n \"A1\" \tgs=|\n\"A\"B\n")
	want := []string{`[{"text":"A"},{"text":"B"}]`, `[{"text":"A1"}]`, `[]`}
	if !reflect.DeepEqual(lines, want) || err == nil {
		t.Errorf("lines %q, %v; want %q and an error", lines, err, want)
	}
}

// A line is answered when it comes, not when the input ends.
func TestDecodeStreams(t *testing.T) {
	in, feed := io.Pipe()
	answers, out := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(context.Background(), []string{"decode"}, in, out, io.Discard) }()
	lines := bufio.NewScanner(answers)
	for _, text := range []string{"A1", "B2"} {
		if _, err := fmt.Fprintf(feed, "%q\n", text); err != nil {
			t.Fatal(err)
		}
		if !lines.Scan() || !strings.Contains(lines.Text(), text) {
			t.Fatalf("%q is answered with %q", text, lines.Text())
		}
	}
	if err := errors.Join(feed.Close(), <-ended); err != nil {
		t.Error(err)
	}
}

func TestUnknownCommand(t *testing.T) {
	if err := run(context.Background(), []string{"dance"}, nil, nil, nil); !errors.Is(err, errUsage) {
		t.Errorf("%v, want errUsage", err)
	}
}

// FuzzDecodeLine: every line gives one list or none, a literal written by Go always gives what its bytes mean.
func FuzzDecodeLine(f *testing.F) {
	for _, s := range []string{`"]E06901234567892\r\n"` + "\t[]\tkind=x", "`raw`", "# note", "", `"a" b`, "\"\t\"\tframe=ssi"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 26, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		scans, ok, err := decodeLine(s, now)
		if ok != (scans != nil) || (err != nil && len(scans) > 0) {
			t.Errorf("%q: %v, %v, %v", s, scans, ok, err)
		}
		scans, ok, err = decodeLine(strconv.Quote(s)+"\t[1]\tgs=|", now)
		if want := barcode.Decode(barcode.Profile{GS: "|"}, []byte(s), now); !ok || err != nil || len(scans) != len(want) {
			t.Errorf("literal of %q gives %v, %v; want %v", s, scans, err, want)
		}
	})
}

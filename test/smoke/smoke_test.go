package smoke_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
	"stockade/test/smoke"
)

var oneSeed = flag.Uint64("seed", 0, "seed of the file that is made up; 0 for another one every time")

func root(t *testing.T) string {
	t.Helper()
	dir, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// fileOf writes a file of scans.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "scans.tsv")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// run plays a file and returns what it came to, which has to be good.
func run(t *testing.T, file string, mosquitto bool) smoke.Result {
	t.Helper()
	res, err := smoke.Run(t.Context(), smoke.Options{Scans: file, Dir: t.TempDir(), Mosquitto: mosquitto, Log: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Good(); err != nil {
		t.Fatalf("%v\n%+v", err, res)
	}
	return res
}

// TestVectors plays the project's own file, with either broker.
func TestVectors(t *testing.T) {
	for name, mosquitto := range map[string]bool{"embedded": false, "mosquitto": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			res := run(t, filepath.Join(root(t), "protocol", "barcode", "testdata", "scans.tsv"), mosquitto)
			if res.Scans < 500 || res.Accepted < 100 || res.Refused < 100 || int64(res.Movements) != int64(res.Accepted) {
				t.Errorf("%+v", res)
			}
		})
	}
}

// TestUnseenFile plays a file that was made up a moment ago.
func TestUnseenFile(t *testing.T) {
	t.Parallel()
	seed := *oneSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	defer func() {
		if t.Failed() {
			t.Logf("play it again: go test ./test/smoke -run TestUnseenFile -seed %d", seed)
		}
	}()
	scans := play.NewScans(seed)
	scans.Long = true
	res := run(t, fileOf(t, scans.File(80)), false)
	if res.Exceptions == 0 {
		t.Error("one serial number at two nodes is no exception")
	}
	if res.Accepted == 0 || res.Refused == 0 {
		t.Errorf("%+v", res)
	}
}

// TestSmallFiles: a file may be too short for a middle.
func TestSmallFiles(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"one line", `"]E06901234567892\r"`, 1},
		{"nothing scanned", `"\x00\xff"`, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if res := run(t, fileOf(t, tt.text), false); res.Accepted != tt.want {
				t.Errorf("%+v", res)
			}
		})
	}
	for name, text := range map[string]string{"no scans": "# nothing\n\n", "no literal": "]E06901234567892\n"} {
		if res, err := smoke.Run(t.Context(), smoke.Options{Scans: fileOf(t, text), Dir: t.TempDir(), Log: t.Output()}); err == nil {
			t.Errorf("%s: %+v and no error", name, res)
		}
	}
}

// TestCommand runs the program that make smoke runs: its last line is the result, its exit code the judgement.
func TestCommand(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "smoke")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "stockade/test/cmd/smoke").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	file := fileOf(t, "\"]E06901234567892\\r\"\n\"]C1020690123456789237\\x3100\"\n")
	last, err := lastLine(t.Context(), program, "-scans", file)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(last, &keys); err != nil {
		t.Fatalf("last line %q: %v", last, err)
	}
	for _, k := range strings.Fields("scans accepted refused movements exceptions batches acknowledged edge_stock_digest hub_stock_digest expected_digest audit_leaves audit_verified lost duplicated") {
		if _, ok := keys[k]; !ok {
			t.Errorf("the last line has no %s: %s", k, last)
		}
	}
	if fmt.Sprint(keys["scans"], keys["accepted"], keys["audit_verified"], keys["lost"]) != "2 2 true 0" {
		t.Errorf("last line %s", last)
	}
	if last, err := lastLine(t.Context(), program, "-scans", file+".missing"); err == nil || !json.Valid(last) {
		t.Errorf("without a file: error %v, last line %q", err, last)
	}
}

func lastLine(ctx context.Context, program string, args ...string) ([]byte, error) {
	out, err := exec.CommandContext(ctx, program, args...).Output()
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	return lines[len(lines)-1], err
}

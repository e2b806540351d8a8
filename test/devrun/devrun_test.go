package devrun

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/protocol/barcode"
	"stockade/test/rig"
)

// TestCatalogue: what the demonstration stocks is a catalogue that a hub takes.
func TestCatalogue(t *testing.T) {
	list, err := items()
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 200 {
		t.Errorf("%d items, want at least 200", len(list))
	}
	skus, codes := map[string]bool{}, map[string]bool{}
	for _, i := range list {
		if skus[string(i.SKU)] {
			t.Errorf("SKU %s stands twice", i.SKU)
		}
		skus[string(i.SKU)] = true
		for _, c := range i.Codes {
			if !barcode.ValidGTIN(string(c.GTIN)) || codes[string(c.GTIN)] {
				t.Errorf("%s: %s is no GTIN of its own", i.SKU, c.GTIN)
			}
			codes[string(c.GTIN)] = true
		}
		if !strings.HasPrefix(string(i.Codes[0].GTIN), "069") {
			t.Errorf("%s: %s is not of GS1 China", i.SKU, i.Codes[0].GTIN)
		}
	}
}

// TestLabels: what is on a label is what the decoder reads from it.
func TestLabels(t *testing.T) {
	now := time.Now()
	for _, g := range []goods{{gtin: "06910420000037", count: 1}, {gtin: "06910420000037", lot: "2611", expiry: "2027-02-03", count: 12}, {gtin: "06910420000037", serial: "S1", count: 1}} {
		got := barcode.Decode(barcode.Profile{}, g.scan(), now)
		if len(got) != 1 || got[0].Error != "" || got[0].GTIN != g.gtin || got[0].Lot != g.lot || got[0].Serial != g.serial || got[0].Expiry != g.expiry {
			t.Errorf("label of %+v is read as %+v", g, got)
		}
	}
}

// screen is what the demonstration prints.
type screen struct {
	mu  sync.Mutex
	out bytes.Buffer
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(b)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// TestRun: the company comes up, everybody works, it stops when told to, and goes on where it was.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	first := demonstrate(t, dir, func(s *screen) bool {
		return strings.Count(s.text(), "one-time code: ") == 3 && receivedEverywhere(t, dir) &&
			worked(t, dir, "inbound", "scan.transferred") && worked(t, dir, "outbound", "scan.picked")
	})
	second := demonstrate(t, dir, func(s *screen) bool { return receivedEverywhere(t, dir) })
	if addresses(first) != addresses(second) {
		t.Errorf("addresses moved from\n%s\nto\n%s", addresses(first), addresses(second))
	}
}

func addresses(text string) string {
	var out []string
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "https://") {
			out = append(out, word)
		}
	}
	return strings.Join(out, "\n")
}

// demonstrate runs the company until a condition holds and returns what it printed.
func demonstrate(t *testing.T, dir string, enough func(*screen) bool) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, ended := &screen{}, make(chan error, 1)
	go func() { ended <- Run(ctx, Options{Dir: dir, Pace: 20 * time.Millisecond, Out: s}) }()
	err := rig.Until(ctx, "the company to work", func() (bool, error) {
		select {
		case err := <-ended:
			ended <- err
			return false, err
		default:
		}
		return strings.Contains(s.text(), "Ctrl-C") && enough(s), nil
	})
	cancel()
	if stopped := <-ended; err != nil || stopped != nil {
		t.Fatalf("%v; stopped: %v\n%s", err, stopped, s.text())
	}
	return s.text()
}

// receivedEverywhere asks headquarters whether it has stock of every warehouse.
func receivedEverywhere(t *testing.T, dir string) bool {
	var list struct {
		Rows []struct{ Warehouse, Quantity string }
	}
	ask(t, &list, "hub", "stock", "--json", "--config", filepath.Join(dir, "hub.toml"))
	seen := map[string]bool{}
	for _, r := range list.Rows {
		seen[r.Warehouse] = true
	}
	return len(seen) == len(warehouses)
}

// worked asks the nodes whether something was done at a station of each.
func worked(t *testing.T, dir, station, code string) bool {
	for _, w := range warehouses {
		var list struct {
			Scans []struct{ Code string }
		}
		ask(t, &list, "edge", "scans", "--station", station, "--config", filepath.Join(dir, w.node+".toml"))
		found := false
		for _, s := range list.Scans {
			found = found || s.Code == code
		}
		if !found {
			return false
		}
	}
	return true
}

func ask(t *testing.T, to any, program string, args ...string) {
	t.Helper()
	root, err := rig.Root()
	if err != nil {
		t.Fatal(err)
	}
	out, err := rig.Run(t.Context(), filepath.Join(root, "build", "bin", program), args...)
	if err == nil {
		err = json.Unmarshal(out, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestPrepare: one run at a time, an interrupted founding is cleared away, a strange folder is left alone.
func TestPrepare(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hub.key"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	unlock, err := prepare(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "hub.key")); err == nil {
		t.Error("what an interrupted start left is still there")
	}
	if _, err := prepare(Options{Dir: dir}); err == nil {
		t.Error("two runs share a folder")
	}
	unlock()
	letter := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(letter, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := prepare(Options{Dir: dir, Fresh: true}); err == nil {
		t.Error("a folder with other things was taken")
	}
	if _, err := os.Stat(letter); err != nil {
		t.Error(err)
	}
}

package disaster_test

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/edge/store"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
	"stockade/test/play"
	"stockade/test/rig"
)

// wrong is how far off the clocks of the nodes are.
var wrong = []time.Duration{0, 10 * 365 * 24 * time.Hour, -20 * 365 * 24 * time.Hour}

// TestClocksYearsOff: of two nodes in one warehouse the clock of one is ten years ahead, and another warehouse is twenty
// years behind. Nothing is refused for it, with a line or without; stamps are set right or marked; and a stamp that is
// years ahead drags nobody along.
func TestClocksYearsOff(t *testing.T) {
	programs := wrongClocks(t)
	s := newSite(t, play.Options{Warehouses: []string{"SHA", "SHA", "CTU"}, Change: func(o *rig.EdgeOptions) {
		var n int
		if _, err := fmt.Sscanf(o.ID, "edge-%d", &n); err == nil {
			o.Program = programs[n-1]
		}
	}})
	must(t, s.Quiet(t.Context()))
	s.scanDates("LINE")
	s.Cut()
	for _, p := range s.Players { // after a power cut, without a line, a machine knows no more than its clock
		must(t, p.Edge.Process.Stop())
	}
	s.stampAhead()
	for _, p := range s.Players {
		s.restart(p)
	}
	s.scanDates("DARK")
	s.Mend()
	must(t, s.Quiet(t.Context()))
	s.await(s.Edges[0], "to have the sibling's movements", func(st rig.Status) bool { return st.Movements == 9 })
	s.scanDates("LATER")
	s.settled()
	if k := s.kinds(); len(k) != 0 {
		t.Errorf("cases %v", k)
	}
	s.stamps(t)
}

// wrongClocks builds the node's program with clocks that are off; the first is the one that is shipped.
func wrongClocks(t *testing.T) []string {
	t.Helper()
	programs := make([]string, len(wrong))
	var group errgroup.Group
	for i, d := range wrong {
		if d == 0 {
			continue
		}
		programs[i] = filepath.Join(t.TempDir(), fmt.Sprintf("edge-%d", i))
		group.Go(func() error {
			out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-s -w -X main.clockShift="+d.String(), "-o", programs[i], "stockade/edge/cmd/edge").CombinedOutput() // #nosec G204 -- our own program
			if err != nil {
				return fmt.Errorf("build: %w: %s", err, out)
			}
			return nil
		})
	}
	must(t, group.Wait())
	return programs
}

// scanDates lets every node receive a unit that is good for another year, and one that is too old. The player knows
// which of them has to be accepted.
func (s *site) scanDates(mark string) {
	s.t.Helper()
	now := time.Now()
	for i, p := range s.Players {
		for _, years := range []int{1, -1} {
			must(s.t, p.Play(s.t.Context(), fmt.Appendf(nil, "]C101%s17%s21%s%d%d\r", item, now.AddDate(years, 0, 0).Format("060102"), mark, i, years+1)))
		}
		must(s.t, p.Play(s.t.Context(), fmt.Appendf(nil, "]C101%s21%s%d\r", other, mark, i)))
	}
}

// stampAhead leaves at the node that is ahead a movement that it stamped before it knew better.
func (s *site) stampAhead() {
	s.t.Helper()
	p := s.Players[1]
	m := stock.Movement{Key: stock.Key{SKU: "I-00001", Serial: "AHEAD", State: stock.Available}, From: stock.Supplier, To: "SHA/RECV", Quantity: stock.Unit}
	c, err := change.OfMovement(change.Meta{Time: clock.StampOf(time.Now().Add(wrong[1])), Actor: "station/dock-2", Terminal: "dock-2", Day: "2036-08-01", Zone: "Asia/Shanghai"}, m)
	must(s.t, err)
	var name stock.ID
	must(s.t, play.WithStore(s.t.Context(), p.Edge, func(st *store.Store) error {
		return st.Update(s.t.Context(), func(tx *store.Tx) (err error) { name, err = tx.Add(c); return err })
	}))
	must(s.t, p.Credit(name.String(), fmt.Appendf(nil, "]C101%s21AHEAD\r", item)))
}

// stamps looks at what the hub has of each scan: the time, how good it is, and the business day.
func (s *site) stamps(t *testing.T) {
	t.Helper()
	want := map[string]map[string]clock.Quality{
		"edge-1": {"LINE": clock.Synced, "DARK": clock.Unsynced, "LATER": clock.Synced},
		"edge-2": {"LINE": clock.Doubtful, "DARK": clock.Unsynced, "LATER": clock.Doubtful},
		"edge-3": {"LINE": clock.Doubtful, "DARK": clock.Unsynced, "LATER": clock.Doubtful},
	}
	dir := filepath.Join(t.TempDir(), "export")
	s.hub("audit", "export", dir)
	seen := 0
	must(t, rig.ExportChanges(dir, func(id string, c change.Change) {
		m, err := c.Movement(stock.ID{})
		if err != nil || m.Key.Serial == "AHEAD" {
			return
		}
		seen++
		node, _, _ := strings.Cut(id, ".")
		mark := strings.TrimRight(string(m.Key.Serial), "0123456789")
		if off := time.Since(c.Meta.Time.Time()); off.Abs() > 10*time.Minute {
			t.Errorf("%s %s: stamp %s is off by %s", id, mark, c.Meta.Time.Time(), off)
		}
		if q, ok := want[node][mark]; !ok || c.Meta.Quality != q {
			t.Errorf("%s %s: quality %d, want %d", id, mark, c.Meta.Quality, q)
		}
		zone := time.FixedZone("", 8*60*60)
		if day := string(c.Meta.Day); day != time.Now().In(zone).Format(time.DateOnly) && day != time.Now().Add(-10*time.Minute).In(zone).Format(time.DateOnly) {
			t.Errorf("%s %s: business day %s", id, mark, day)
		}
	}))
	if seen != 18 {
		t.Errorf("%d movements, want 18", seen)
	}
}

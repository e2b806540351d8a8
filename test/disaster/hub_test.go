package disaster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
)

func frozen(st rig.Status) bool { return st.Frozen != "" }

// TestHubRestored: the hub goes on from a copy that is older than what it has acknowledged since. The nodes take
// nothing from it any more and go on scanning, until the root key opens a new log; then it gets back what
// it lacks.
func TestHubRestored(t *testing.T) {
	s := newSite(t, play.Options{})
	for _, p := range s.Players {
		s.scan(p, 2)
	}
	s.settled()
	s.hire("wang")
	s.stopHub("old")
	must(t, s.Hub.Start(t.Context()))
	for _, p := range s.Players {
		s.scan(p, 3)
	}
	s.knows("wang")
	must(t, s.Quiet(t.Context()))
	head, err := s.Edges[0].CLI(t.Context(), "head")
	must(t, err)

	s.putBack("old")
	s.hub("item", "add", "--sku", "NEW", "--name", "新品", "--gtin", "06911111111117")
	for i, e := range s.Edges {
		before := s.acked(e)
		st := s.await(e, "to freeze", frozen)
		s.scan(s.Players[i], 2)
		if after := s.acked(e); after != before || st.Items != 2 {
			t.Errorf("%s is frozen and takes acknowledgements (%d, was %d) or feeds (%d items)", e.Options.ID, after, before, st.Items)
		}
	}
	if s.kinds()["alarm"] == 0 {
		t.Error("nobody at the hub is told")
	}

	old := filepath.Join(s.Rig.Dir, "old-head")
	must(t, os.WriteFile(old, head, 0o600))
	s.hub("log", "reopen", "--root-key", s.Hub.RootKey(), "--reason", "an older copy was put back", "--old-head", old)
	for _, e := range s.Edges {
		s.await(e, "to thaw", func(st rig.Status) bool { return st.Frozen == "" && st.LogEpoch == 2 && st.Items == 3 })
	}
	for _, p := range s.Players {
		s.scan(p, 1)
	}
	s.settled()
	s.knows("wang") // read anew from the beginning, what was sealed before the restore too
}

// TestHubForked: two copies of the hub go on side by side. A node that has co-signed the one refuses the other,
// keeps both heads, and says so; so it still does when the right one is back, until a person with the
// root key decides.
func TestHubForked(t *testing.T) {
	s := newSite(t, play.Options{})
	one := s.Edges[0]
	s.scan(s.Players[0], 2)
	s.settled()
	s.stopHub("other")
	must(t, s.Hub.Start(t.Context()))
	for _, p := range s.Players {
		s.scan(p, 2)
	}
	must(t, s.Quiet(t.Context()))
	cosigned := s.await(one, "its status", func(rig.Status) bool { return true })
	s.Cut()
	s.stopHub("right")

	s.putBack("other")
	for i := range cosigned.LogSize { // so that its log is the longer one
		s.hub("item", "add", "--sku", fmt.Sprintf("FORK-%d", i), "--name", "分叉")
	}
	s.Mend()
	st := s.await(one, "to freeze", frozen)
	s.scan(s.Players[0], 2)
	s.await(s.Edges[1], "to freeze", frozen)
	evidence(t, one, cosigned.LogSize)
	if st.LogSize != cosigned.LogSize || st.Items != 2 {
		t.Errorf("the node follows the other log: %+v", st)
	}

	s.Cut()
	s.putBack("right")
	s.Mend()
	before := s.acked(one)
	s.scan(s.Players[0], 1)
	if st := s.await(one, "to stay frozen", frozen); st.Acknowledged != before {
		t.Errorf("the node took an acknowledgement before anybody has decided: %+v", st)
	}
	s.hub("log", "reopen", "--root-key", s.Hub.RootKey(), "--reason", "a copy of the hub was run beside it")
	s.await(one, "to thaw", func(st rig.Status) bool { return st.Frozen == "" })
	s.settled()
	if seen, err := one.CLI(t.Context(), "head", "--seen"); err != nil || len(seen) == 0 {
		t.Errorf("the evidence is gone: %v", err)
	}
}

// evidence: the node can show both heads, each signed by the hub.
func evidence(t *testing.T, e *rig.Edge, cosigned int64) {
	t.Helper()
	own, err := e.CLI(t.Context(), "head")
	must(t, err)
	seen, err := e.CLI(t.Context(), "head", "--seen")
	must(t, err)
	first, second := strings.Split(string(own), "\n"), strings.Split(string(seen), "\n")
	if len(first) < 5 || len(second) < 5 || first[0] != second[0] || first[1] != fmt.Sprint(cosigned) || first[2] == second[2] || first[1] == second[1] {
		t.Errorf("evidence\n%s\n%s", own, seen)
	}
	if !strings.Contains(string(seen), "\n— ") {
		t.Errorf("what was seen is not signed:\n%s", seen)
	}
}

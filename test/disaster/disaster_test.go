// Package disaster_test lets happen to the real programs, one after the other, what must not cost a
// single confirmed scan: old copies put back, cards cloned, clocks that are years off.
package disaster_test

import (
	"fmt"
	"path/filepath"
	"testing"

	"stockade/test/play"
	"stockade/test/rig"
)

const (
	item  = "06901234567892"
	other = "06923456789012"
)

// site is a site that ends with the test and tells what its programs said when the test fails.
type site struct {
	*play.Site
	t      *testing.T
	serial int
}

func newSite(t *testing.T, o play.Options) *site {
	t.Helper()
	t.Parallel()
	o.Dir, o.Log = t.TempDir(), t.Output()
	s, err := play.NewSite(t.Context(), o)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.Logs())
		}
		s.Close()
	})
	must(t, s.Catalogue(t.Context(), [][]byte{[]byte("]E0" + item[1:]), []byte("]E0" + other[1:])}))
	return &site{Site: s, t: t}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scan lets a player receive n units, each with a serial number of its own, and one without.
func (s *site) scan(p *play.Player, n int) {
	s.t.Helper()
	for range n {
		s.serial++
		must(s.t, p.Play(s.t.Context(), fmt.Appendf(nil, "]C101%s21S%04d\r", item, s.serial)))
	}
	must(s.t, p.Play(s.t.Context(), []byte("]E0"+other[1:]+"\r")))
}

// stopHub ends the hub in good order and copies its data.
func (s *site) stopHub(copyTo string) {
	s.t.Helper()
	must(s.t, s.Hub.Process.Stop())
	must(s.t, rig.Copy(s.t.Context(), s.Hub.Data(), filepath.Join(s.Rig.Dir, copyTo)))
}

// putBack lets the hub go on from a copy, without asking it first.
func (s *site) putBack(copy string) {
	s.t.Helper()
	s.Hub.Kill()
	must(s.t, rig.Copy(s.t.Context(), filepath.Join(s.Rig.Dir, copy), s.Hub.Data()))
	must(s.t, s.Hub.Start(s.t.Context()))
}

// hub runs a command that has to work.
func (s *site) hub(args ...string) string {
	s.t.Helper()
	out, err := s.Hub.CLI(s.t.Context(), args...)
	must(s.t, err)
	return string(out)
}

// await waits until a node's status is as wanted.
func (s *site) await(e *rig.Edge, what string, ok func(rig.Status) bool) rig.Status {
	s.t.Helper()
	var last rig.Status
	err := rig.Until(s.t.Context(), e.Options.ID+" "+what, func() (bool, error) {
		var err error
		last, err = e.Status(s.t.Context())
		return err == nil && ok(last), err
	})
	if err != nil {
		s.t.Fatalf("%v (%+v)", err, last)
	}
	return last
}

// acked returns how many changes of a node the hub has acknowledged.
func (s *site) acked(e *rig.Edge) int64 {
	s.t.Helper()
	st, err := e.Status(s.t.Context())
	must(s.t, err)
	return st.Acknowledged
}

// settled waits for quiet and lets everything be judged: nothing lost, nothing doubled, the log holds.
func (s *site) settled() play.Verdict {
	s.t.Helper()
	must(s.t, s.Quiet(s.t.Context()))
	v, err := s.Judge(s.t.Context())
	must(s.t, err)
	if err := v.Good(); err != nil {
		s.t.Fatalf("%v\n%+v", err, v)
	}
	s.hub("audit", "verify")
	return v
}

// kinds counts the open cases at the hub.
func (s *site) kinds() map[string]int {
	s.t.Helper()
	var cases []struct{ Kind string }
	must(s.t, s.Hub.JSON(s.t.Context(), &cases, "exceptions", "--json"))
	out := map[string]int{}
	for _, c := range cases {
		out[c.Kind]++
	}
	return out
}

// node is what the hub thinks of a node.
type node struct {
	Node     string
	Epoch    uint64
	Sequence uint64
	Revoked  bool
	Dispute  string
}

func (s *site) node(id string) node {
	s.t.Helper()
	var all []node
	must(s.t, s.Hub.JSON(s.t.Context(), &all, "node", "list", "--json"))
	for _, n := range all {
		if n.Node == id {
			return n
		}
	}
	s.t.Fatalf("the hub has no node %s", id)
	return node{}
}

// until waits for a condition at the hub.
func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	must(s.t, rig.Until(s.t.Context(), what, func() (bool, error) { return ok(), nil }))
}

// held is a batch that waits for a person.
type held struct {
	Hash     string
	Node     string
	Epoch    uint64
	Sequence uint64
	Changes  uint64
	Reason   string
}

func (s *site) held() []held {
	s.t.Helper()
	var list []held
	must(s.t, s.Hub.JSON(s.t.Context(), &list, "held", "list", "--json"))
	return list
}

package disaster_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"stockade/edge/store"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/stock"
	"stockade/test/play"
	"stockade/test/rig"
)

// TestUnknownChange: a node of tomorrow sends, in the midst of what the hub knows, a change of a kind that it does not. It
// is logged, kept byte for byte and shown to people, and stops nothing that follows.
func TestUnknownChange(t *testing.T) {
	s := newSite(t, play.Options{})
	p := s.Players[0]
	s.scan(p, 2)
	must(t, s.Quiet(t.Context()))
	before := s.await(p.Edge, "its status", func(rig.Status) bool { return true })
	must(t, p.Edge.Process.Stop())
	s.Relays[0].Cut()
	unknown := change.Change{Kind: 900, Version: 7, Payload: []byte{0x82, 0x01, 0x63, 'n', 'e', 'w'},
		Meta: change.Meta{Time: clock.StampOf(time.Now()), Actor: "station/dock-1", Terminal: "dock-1", Day: stock.Date(time.Now().Format(time.DateOnly)), Zone: "Asia/Shanghai"}}
	var name stock.ID
	must(t, play.WithStore(t.Context(), p.Edge, func(st *store.Store) error {
		return st.Update(t.Context(), func(tx *store.Tx) (err error) { name, err = tx.Add(unknown); return err })
	}))
	s.restart(p)
	s.scan(p, 2)
	s.Relays[0].Mend()
	v := s.settled()
	if st := s.await(p.Edge, "to be whole", func(rig.Status) bool { return true }); st.Changes != before.Changes+4 || st.Epoch != 1 {
		t.Errorf("%+v, before %+v", st, before)
	}
	var cases []struct{ Kind, Subject, Node, Detail string }
	must(t, s.Hub.JSON(t.Context(), &cases, "exceptions", "--json"))
	if len(cases) != 1 || cases[0].Kind != "parked" || cases[0].Subject != name.String() || v.Exceptions != 1 {
		t.Errorf("cases %+v, want one about %s", cases, name)
	}
	kept(t, s, name, unknown)
}

// kept: an auditor finds the change as the node made it.
func kept(t *testing.T, s *site, name stock.ID, want change.Change) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	s.hub("audit", "export", dir)
	found := 0
	must(t, rig.ExportChanges(dir, func(id string, c change.Change) {
		if id != name.String() {
			return
		}
		found++
		got, err1 := c.Encode()
		sent, err2 := want.Encode()
		if err1 != nil || err2 != nil || !bytes.Equal(got, sent) {
			t.Errorf("kept as %x, want %x (%v, %v)", got, sent, err1, err2)
		}
	}))
	if found != 1 {
		t.Errorf("%d changes of that name in the export", found)
	}
	var status struct{ Parked int64 }
	must(t, json.Unmarshal([]byte(s.hub("status", "--json")), &status))
	if status.Parked != 1 {
		t.Errorf("%d parked changes", status.Parked)
	}
}

package powercut

import (
	"encoding/json"
	"path/filepath"
	"syscall"
	"testing"

	"stockade/test/disk"
	"stockade/test/rig"
)

// machine is a hub and a node with all their files, keys included, on one card.
type machine struct {
	t    *testing.T
	card *disk.Disk
	rig  *rig.Rig
	hub  *rig.Hub
	edge *rig.Edge
}

// cut takes the power away at once and gives it back.
func (m *machine) cut() {
	m.t.Helper()
	if m.hub.Process != nil {
		must(m.t, syscall.Kill(m.hub.Process.PID(), syscall.SIGSTOP))
	}
	must(m.t, m.card.Cut())
	m.hub.Kill()
	must(m.t, m.card.Restore(m.t.Context()))
	m.set()
}

// set writes the configurations, and makes the hub if there is none.
func (m *machine) set() {
	m.t.Helper()
	var err error
	m.hub, err = m.rig.NewHub(m.t.Context(), rig.HubOptions{})
	must(m.t, err)
	m.edge, err = m.rig.NewEdge(rig.EdgeOptions{ID: "edge-1", Warehouse: "SHA"})
	must(m.t, err)
}

// TestCommands: what a command has said it did is on the disk, the keys that it made too.
func TestCommands(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "card")
	m := &machine{t: t, card: disk.Need(t, dir, 128)}
	var err error
	m.rig, err = rig.New(dir)
	must(t, err)
	t.Cleanup(m.rig.Close)

	m.set()
	m.cut()
	status := func() (s struct {
		Org   string
		Items int
	}) {
		t.Helper()
		must(t, m.hub.JSON(t.Context(), &s, "status", "--json"))
		return s
	}
	if s := status(); s.Org != "demo" {
		t.Errorf("after hub init and a cut: %+v", s)
	}

	_, err = m.hub.CLI(t.Context(), "item", "add", "--sku", "TEA", "--name", "茶")
	must(t, err)
	m.cut()
	if s := status(); s.Items != 1 {
		t.Errorf("after hub item add and a cut: %+v", s)
	}

	must(t, m.hub.Start(t.Context()))
	must(t, m.edge.Enrol(t.Context(), m.hub))
	m.cut()
	if s, err := m.edge.Status(t.Context()); err != nil || s.Node != "edge-1" {
		t.Errorf("after edge enrol and a cut: %+v, %v", s, err)
	}
	must(t, m.hub.Start(t.Context()))
	var nodes []json.RawMessage
	must(t, m.hub.JSON(t.Context(), &nodes, "node", "list", "--json"))
	must(t, m.edge.Start(t.Context()))
	if len(nodes) != 1 {
		t.Errorf("nodes at the hub after the cut: %s", nodes)
	}
	must(t, m.edge.Process.Stop())
	must(t, m.hub.Process.Stop())
}

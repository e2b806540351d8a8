// Package auditexport_test lets the hub export its log and an auditor's tool check it: the
// two share no code but the protocol.
package auditexport_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stockade/firmware-tools/verify"
	"stockade/hub/auditlog"
	"stockade/hub/hubtest"
	"stockade/hub/store"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
)

// busyHub is a hub with all that a log can hold: batches, a fork that a person has let in,
// parked changes, entries, one of them erased, and a witness.
func busyHub(t *testing.T) *hubtest.Hub {
	h := hubtest.New(t)
	a, b := h.Node("sh-1", "SHA"), h.Node("cd-1", "CTU")
	h.Process(a.Batch(hubtest.Receipt("SHA", 1), hubtest.Receipt("SHA", 2)), b.Batch(hubtest.Receipt("CTU", 1)))
	clone := a.Clone()
	h.Process(a.Batch(hubtest.Receipt("SHA", 3)), b.Cut(change.Change{Meta: hubtest.Meta(), Kind: 900, Version: 1, Payload: []byte{0xf6}}))
	h.Process(clone.Batch(hubtest.Receipt("SHA", 4)))
	var held []store.Held
	h.View(func(v *store.View) (err error) { held, err = v.HeldBatches(false); return err })
	for _, x := range held {
		hubtest.Check(t, h.Fleet.Decide(context.Background(), hubtest.Operator, x.Hash, true, "both count"))
	}
	hubtest.Check(t, h.Fleet.Recorder.Act(context.Background(), hubtest.Operator, change.Entry{Act: "audit.exported"}, func(*store.Tx) error { return nil }))
	witness(t, h, a)
	h.Process(b.Batch(hubtest.Receipt("CTU", 2)))
	return h
}

func export(t *testing.T, h *hubtest.Hub) (string, verify.Trust) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	var trust verify.Trust
	h.View(func(v *store.View) error {
		_, err := auditlog.Export(v, h.Ring, dir)
		hubtest.Check(t, err)
		text, err := auditlog.Trust(v, h.Ring)
		hubtest.Check(t, err)
		trust, err = verify.ParseTrust([]byte(text))
		return err
	})
	return dir, trust
}

// witness lets a node co-sign the present head.
func witness(t *testing.T, h *hubtest.Hub, n *hubtest.Node) {
	t.Helper()
	var note []byte
	h.View(func(v *store.View) error {
		l, err := v.PresentLog()
		note = l.Note
		return err
	})
	keys, err := delivery.OpenKeys(h.Ring.Root, hubtest.Org, h.Ring.Keys)
	hubtest.Check(t, err)
	c, err := audit.OpenCheckpoint(note, audit.Origin(hubtest.Org, 1), keys.Log)
	hubtest.Check(t, err)
	signed, err := audit.Cosign(note, c, keys.Log, string(n.ID), n.Key, time.Now())
	hubtest.Check(t, err)
	h.Process(n.Say(delivery.MsgCosign, delivery.Cosign{Org: hubtest.Org, Node: n.ID, Note: signed}))
}

func TestExportHolds(t *testing.T) {
	h := busyHub(t)
	dir, trust := export(t, h)
	r, err := verify.Export(context.Background(), dir, &trust)
	if err != nil {
		t.Fatal(err)
	}
	if r.Batches != 6 || r.Decided != 1 || r.Chains != 2 || r.Keys != 2 || r.Witnesses != 1 || r.Hidden != 0 || r.Changes != 7 {
		t.Errorf("report %+v", r)
	}
	h.Audited()
	if _, err := auditlogExportAgain(h, dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("export over an export = %v, want ErrExist", err)
	}
}

func auditlogExportAgain(h *hubtest.Hub, dir string) (x auditlog.Exported, err error) {
	verr := h.Store.View(context.Background(), func(v *store.View) error { x, err = auditlog.Export(v, h.Ring, dir); return nil })
	return x, errors.Join(err, verr)
}

// TestTamperedExports spoils one file of each kind after the other.
func TestTamperedExports(t *testing.T) {
	dir, trust := export(t, busyHub(t))
	kinds := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		kinds[kindOf(name)] = true
		for at := range 16 {
			spoiled := append([]byte(nil), b...)
			spoiled[at*(len(b)-1)/15] ^= 4
			if err := os.WriteFile(path, spoiled, 0o644); err != nil {
				return err
			}
			if _, err := verify.Export(context.Background(), dir, &trust); !errors.Is(err, verify.ErrFalse) {
				t.Errorf("%s, place %d of 15: Export = %v, want ErrFalse", name, at, err)
			}
		}
		return os.WriteFile(path, b, 0o644)
	})
	hubtest.Check(t, err)
	if _, err := verify.Export(context.Background(), dir, &trust); err != nil {
		t.Errorf("restored export: %v", err)
	}
	for _, k := range []string{"leaves", "checkpoint", "vkey", "opening", "keylist", "keys/.pem", "batches/.cose", "batches/.body", "entries/.cbor", "cosignatures/"} {
		if !kinds[k] {
			t.Errorf("the export has no file of kind %s", k)
		}
	}
}

func kindOf(name string) string {
	if folder, _, ok := strings.Cut(name, "/"); ok {
		return fmt.Sprintf("%s/%s", folder, filepath.Ext(name))
	}
	return name
}

// TestErasedEntry: content and salt of an entry are gone, the log still holds.
func TestErasedEntry(t *testing.T) {
	h := busyHub(t)
	before := h.Audited()
	h.Update(func(tx *store.Tx) error { return tx.EraseEntry(before.Leaves - 2) })
	dir, trust := export(t, h)
	r, err := verify.Export(context.Background(), dir, &trust)
	if err != nil || r.Hidden != 1 {
		t.Errorf("report %+v, %v", r, err)
	}
	if f := h.Audited(); f.Erased != 1 {
		t.Errorf("audit found %+v", f)
	}
}

// TestAnotherHubsExport: an export that fits together is nothing without the right keys.
func TestAnotherHubsExport(t *testing.T) {
	dir, _ := export(t, busyHub(t))
	_, trust := export(t, hubtest.New(t))
	if _, err := verify.Export(context.Background(), dir, &trust); !errors.Is(err, verify.ErrFalse) {
		t.Errorf("Export = %v, want ErrFalse", err)
	}
	if r, err := verify.Export(context.Background(), dir, nil); err != nil || r.Trusted {
		t.Errorf("without trust: %+v, %v", r, err)
	}
}

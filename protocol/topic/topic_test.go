package topic_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

func TestNodeIDs(t *testing.T) {
	for id, want := range map[string]bool{
		"sh-01": true, "a": true, "7": true, strings.Repeat("x", 40): true, "hub-2": true, "intake": true,
		"": false, strings.Repeat("x", 41): false, "hub": false, "intake-0": false, "intake-x": false,
		"Upper": false, "a/b": false, "a+b": false, "#": false, "a.b": false, "仓": false, "a b": false, "a\x00": false,
	} {
		got, err := topic.ParseNode(id)
		if (err == nil) != want || (want && string(got) != id) {
			t.Errorf("ParseNode(%q) = %q, %v; want valid %v", id, got, err, want)
		}
		if err != nil && !errors.Is(err, topic.ErrName) {
			t.Errorf("ParseNode(%q) = %v, want ErrName", id, err)
		}
	}
}

// The shard is part of topics on the wire: these values may never change.
func TestShardOfIsStable(t *testing.T) {
	for node, want := range map[stock.NodeID]topic.Shard{"sh-01": 1, "cd-01": 2, "a": 2, "node-1": 5, "node-2": 7} {
		if got := topic.ShardOf(node); got != want {
			t.Errorf("ShardOf(%s) = %d, want %d", node, got, want)
		}
	}
}

func TestTopics(t *testing.T) {
	for got, want := range map[string]string{
		topic.Up("acme", "sh-01"):   "stockade/acme/up/1/sh-01",
		topic.UpFilter("acme", 1):   "stockade/acme/up/1/+",
		topic.Down("acme", "sh-01"): "stockade/acme/down/sh-01",
		topic.DownFilter("acme"):    "stockade/acme/down/+",
		topic.Probe("acme"):         "stockade/acme/probe",
	} {
		if got != want {
			t.Errorf("topic %q, want %q", got, want)
		}
	}
}

func TestParseRefusesWhatIsNotOurs(t *testing.T) {
	for _, s := range []string{
		"", "stockade/acme/up/2/sh-01", "stockade/acme/up/01/sh-01", "stockade/acme/up/1/sh-01/", "stockade/acme/up/+/sh-01",
		"stockade/acme/up/1/+", "stockade//up/1/sh-01", "other/acme/up/1/sh-01", "stockade/acme/down/sh-01",
		"stockade/acme/up/0/intake-0", "/stockade/acme/up/1/sh-01",
	} {
		if org, node, err := topic.ParseUp(s); err == nil {
			t.Errorf("ParseUp(%q) = %s, %s, want an error", s, org, node)
		}
	}
	for _, s := range []string{"", "stockade/acme/down/+", "stockade/acme/down/hub", "stockade/acme/up/1/sh-01", "stockade/Acme/down/sh-01"} {
		if org, node, err := topic.ParseDown(s); err == nil {
			t.Errorf("ParseDown(%q) = %s, %s, want an error", s, org, node)
		}
	}
}

func TestClients(t *testing.T) {
	for id, want := range map[string]topic.Client{
		"sh-01":        topic.Node("sh-01"),
		"intake-0":     topic.Intake(0),
		"intake-7":     topic.Intake(7),
		"intake-probe": topic.Prober(),
	} {
		got, err := topic.ParseClient(id)
		if err != nil || got != want || got.ID() != id {
			t.Errorf("ParseClient(%q) = %+v (id %q), %v; want %+v", id, got, got.ID(), err, want)
		}
	}
	for _, id := range []string{"", "hub", "intake-", "intake-8", "intake-00", "intake-+1", "intake-256", "intake-1x", "INTAKE-1"} {
		if got, err := topic.ParseClient(id); err == nil {
			t.Errorf("ParseClient(%q) = %+v, want an error", id, got)
		}
	}
}

func TestRightsNameOnlyOwnTopics(t *testing.T) {
	r := topic.Node("sh-01").Rights("acme")
	if !slices.Equal(r.Publish, []string{"stockade/acme/up/1/sh-01"}) || !slices.Equal(r.Subscribe, []string{"stockade/acme/down/sh-01"}) {
		t.Errorf("rights of a node: %+v", r)
	}
	r = topic.Intake(3).Rights("acme")
	if !slices.Equal(r.Publish, []string{"stockade/acme/down/+"}) || !slices.Equal(r.Subscribe, []string{"stockade/acme/up/3/+"}) {
		t.Errorf("rights of an intake: %+v", r)
	}
	if r := (topic.Client{}).Rights("acme"); len(r.Publish)+len(r.Subscribe) != 0 {
		t.Errorf("rights of nobody: %+v, want none", r)
	}
}

func FuzzParseUp(f *testing.F) {
	f.Add("stockade/acme/up/1/sh-01")
	f.Add("stockade/acme/up/+/#")
	f.Add("stockade/acme/down/sh-01")
	f.Fuzz(func(t *testing.T, s string) {
		if org, node, err := topic.ParseUp(s); err == nil && topic.Up(org, node) != s {
			t.Errorf("ParseUp(%q) = %s, %s, which is topic %q", s, org, node, topic.Up(org, node))
		}
		if org, node, err := topic.ParseDown(s); err == nil && topic.Down(org, node) != s {
			t.Errorf("ParseDown(%q) = %s, %s, which is topic %q", s, org, node, topic.Down(org, node))
		}
		if c, err := topic.ParseClient(s); err == nil && c.ID() != s {
			t.Errorf("ParseClient(%q).ID() = %q", s, c.ID())
		}
	})
}

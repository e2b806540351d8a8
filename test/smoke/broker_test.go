package smoke_test

import (
	"strings"
	"testing"
	"time"

	"stockade/internal/mqtt"
	"stockade/protocol/topic"
	"stockade/test/play"
)

const org topic.Org = "demo"

// TestOwnTopicsOnly: with mosquitto set up as deploy/broker says, the bearer of one node's certificate can
// neither hear nor speak for another node, nor take its place.
func TestOwnTopicsOnly(t *testing.T) {
	t.Parallel()
	site, err := play.NewSite(t.Context(), play.Options{Dir: t.TempDir(), Mosquitto: true, Log: t.Output()})
	must(t, err)
	t.Cleanup(site.Close)
	line := []byte("]E06901234567892\r")
	must(t, site.Catalogue(t.Context(), [][]byte{line}))
	must(t, site.Quiet(t.Context()))
	must(t, site.Edges[0].Process.Stop()) // its certificate is in other hands now
	secret, err := play.Credentials(t.Context(), site.Edges[0])
	must(t, err)
	for _, id := range []string{"edge-2", "edge-1", topic.Intake(topic.ShardOf("edge-2")).ID()} {
		thief, err := mqtt.Dial(t.Context(), mqtt.Options{URL: "mqtts://" + site.Broker.Addr(), ClientID: id, TLS: secret, CleanSession: true, Limit: 10 * time.Second})
		must(t, err) // the broker gives it the id of its certificate, whatever it asks for
		for _, filter := range []string{topic.Down(org, "edge-2"), "stockade/#", "#", topic.Up(org, "edge-2"), topic.UpFilter(org, topic.ShardOf("edge-2"))} {
			_ = thief.Subscribe(t.Context(), filter) // mosquitto grants what it then never delivers
		}
		forged := []byte("forged")
		for _, name := range []string{topic.Up(org, "edge-2"), topic.Down(org, "edge-2")} {
			must(t, thief.Publish(t.Context(), name, forged)) // and takes what it then drops
		}
		must(t, site.Players[1].Play(t.Context(), line))
		must(t, site.Edges[1].Acknowledged(t.Context()))
		expectOwn(t, thief)
		thief.Close()
	}
	untouched(t, site)
}

// expectOwn: the one message that the thief gets is the one for the node whose certificate it holds.
func expectOwn(t *testing.T, thief *mqtt.Conn) {
	t.Helper()
	must(t, thief.Subscribe(t.Context(), topic.Down(org, "edge-1")))
	must(t, thief.Publish(t.Context(), topic.Up(org, "edge-1"), []byte("not a message"))) // the hub answers what it can not read
	select {
	case m := <-thief.Messages():
		if m.Topic != topic.Down(org, "edge-1") {
			t.Errorf("heard on %s: %.40q", m.Topic, m.Payload)
		}
	case <-thief.Done():
		t.Errorf("dropped: %v", thief.Err())
	case <-time.After(time.Minute):
		t.Error("not even its own topic works")
	}
}

// untouched: edge-2 never lost its line, and nothing came to the hub under its name.
func untouched(t *testing.T, site *play.Site) {
	t.Helper()
	var nodes []struct {
		Node    string
		Dispute string
	}
	must(t, site.Hub.JSON(t.Context(), &nodes, "node", "list", "--json"))
	if len(nodes) != 2 || nodes[1].Dispute != "" {
		t.Errorf("nodes %+v", nodes)
	}
	var cases []struct{ Kind, Node, Detail string }
	must(t, site.Hub.JSON(t.Context(), &cases, "exceptions", "--json"))
	for _, c := range cases {
		if c.Node == "edge-2" {
			t.Errorf("case about edge-2: %+v", c)
		}
	}
	if got := strings.Count(site.Edges[1].Process.Output(), "line to the hub is up"); got != 1 {
		t.Errorf("edge-2 connected %d times", got)
	}
	v, err := site.Judge(t.Context())
	must(t, err)
	if v.HubDigest != v.ExpectedDigest || v.Lost != 0 || v.Duplicated != 0 {
		t.Errorf("%+v", v)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

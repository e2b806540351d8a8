package topic

import (
	"fmt"
	"strconv"
	"strings"

	"stockade/protocol/stock"
)

// Kind tells the clients of the broker apart.
type Kind uint8

// The kinds of client. There are no others: whoever is none of these is refused.
const (
	NodeClient   Kind = 1 // an edge
	IntakeClient Kind = 2 // the hub's reader of one shard
	ProbeClient  Kind = 3 // the hub trying its broker
)

// String returns the word used in logs.
func (k Kind) String() string {
	switch k {
	case NodeClient:
		return "node"
	case IntakeClient:
		return "intake"
	case ProbeClient:
		return "probe"
	}
	return "unknown"
}

// Client is who a client id, and so a certificate's common name, stands for.
type Client struct {
	Kind  Kind
	Node  stock.NodeID // of a NodeClient
	Shard Shard        // of an IntakeClient
}

// ParseClient returns the client of that id.
func ParseClient(id string) (Client, error) {
	if id == probeName {
		return Client{Kind: ProbeClient}, nil
	}
	if digits, ok := strings.CutPrefix(id, intakePrefix); ok {
		n, err := strconv.ParseUint(digits, 10, 8)
		if err != nil || n >= Shards || strconv.FormatUint(n, 10) != digits {
			return Client{}, fmt.Errorf("client id %q: intake has shards 0 to %d: %w", clip(id), Shards-1, ErrName)
		}
		return Client{Kind: IntakeClient, Shard: Shard(n)}, nil
	}
	node, err := ParseNode(id)
	if err != nil {
		return Client{}, fmt.Errorf("client id: %w", err)
	}
	return Client{Kind: NodeClient, Node: node}, nil
}

// Intake returns the client that reads shard s.
func Intake(s Shard) Client { return Client{Kind: IntakeClient, Shard: s} }

// Prober returns the client by which the hub tries its broker.
func Prober() Client { return Client{Kind: ProbeClient} }

// Node returns the client that a node is.
func Node(id stock.NodeID) Client { return Client{Kind: NodeClient, Node: id} }

// ID returns the MQTT client id, which is the common name of the certificate.
func (c Client) ID() string {
	switch c.Kind {
	case NodeClient:
		return string(c.Node)
	case IntakeClient:
		return intakePrefix + strconv.Itoa(int(c.Shard))
	case ProbeClient:
		return probeName
	}
	return ""
}

// Rights lists the MQTT filters within which a client may publish and subscribe. What is
// not listed is refused.
type Rights struct {
	Publish   []string
	Subscribe []string
}

// Rights returns what c may do in the topics of org.
func (c Client) Rights(org Org) Rights {
	switch c.Kind {
	case NodeClient:
		return Rights{Publish: []string{Up(org, c.Node)}, Subscribe: []string{Down(org, c.Node)}}
	case IntakeClient:
		return Rights{Publish: []string{DownFilter(org)}, Subscribe: []string{UpFilter(org, c.Shard)}}
	case ProbeClient:
		return Rights{Publish: []string{Probe(org)}, Subscribe: []string{Probe(org)}}
	}
	return Rights{}
}

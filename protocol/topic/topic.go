// Package topic holds the MQTT names that edge, hub and any broker between them agree on,
// and how large a message may be.
//
// A node publishes to one topic and subscribes to one topic, both of its own. Nodes are
// divided among a fixed number of shards; the hub reads each shard with one client. The
// client id of every client is the common name of its certificate, so that an access list
// can be written from the certificate alone.
//
// Package topic does no I/O; Rights is the access list that package broker and the files in
// deploy/broker both express.
package topic

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"stockade/protocol/stock"
)

const (
	// MaxMessage is the largest payload in bytes that either end sends.
	MaxMessage = 131072
	// Shards is the number of shards. It is part of every up topic and can not be changed
	// while batches are on their way.
	Shards = 8
	// MaxID is the longest node or organisation id in bytes.
	MaxID = 40
)

// ErrName is returned for an id or topic that does not have the form described here.
var ErrName = errors.New("not a valid name")

const (
	root         = "stockade"
	intakePrefix = "intake-"
	probeName    = "intake-probe"
)

// Org is the id of the organisation that owns hub and nodes: [a-z0-9-], 1 to 40 bytes.
type Org string

// Shard is the number of a shard, below Shards.
type Shard uint8

// ParseOrg returns s as an organisation id.
func ParseOrg(s string) (Org, error) {
	if err := checkID(s); err != nil {
		return "", fmt.Errorf("organisation id: %w", err)
	}
	return Org(s), nil
}

// ParseNode returns s as a node id: [a-z0-9-], 1 to 40 bytes, and neither "hub" nor one of
// the names that begin with "intake-", which belong to the hub's own clients.
func ParseNode(s string) (stock.NodeID, error) {
	if err := checkID(s); err != nil {
		return "", fmt.Errorf("node id: %w", err)
	}
	if s == string(stock.HubNode) || strings.HasPrefix(s, intakePrefix) {
		return "", fmt.Errorf("node id: %q is reserved for the hub: %w", s, ErrName)
	}
	return stock.NodeID(s), nil
}

// ShardOf returns the shard of a node: the first byte of the SHA-256 of its id, modulo Shards.
func ShardOf(node stock.NodeID) Shard {
	return Shard(sha256.Sum256([]byte(node))[0] % Shards)
}

// Up returns the topic to which node publishes and its shard's intake listens.
func Up(org Org, node stock.NodeID) string {
	return fmt.Sprintf("%s/%s/up/%d/%s", root, org, ShardOf(node), node)
}

// UpFilter returns the filter by which an intake receives all nodes of its shard.
func UpFilter(org Org, s Shard) string { return fmt.Sprintf("%s/%s/up/%d/+", root, org, s) }

// Down returns the topic to which the hub publishes what is meant for node alone.
func Down(org Org, node stock.NodeID) string {
	return fmt.Sprintf("%s/%s/down/%s", root, org, node)
}

// DownFilter matches the down topics of all nodes. Nobody may subscribe to it.
func DownFilter(org Org) string { return fmt.Sprintf("%s/%s/down/+", root, org) }

// Probe returns the topic on which the hub tries its broker at start.
func Probe(org Org) string { return fmt.Sprintf("%s/%s/probe", root, org) }

// ParseUp takes an up topic apart. A topic whose shard is not that of its node is refused:
// a broker whose access list has no word for the shard lets a node write there.
func ParseUp(topic string) (Org, stock.NodeID, error) {
	part := strings.Split(topic, "/")
	if len(part) != 5 || part[0] != root || part[2] != "up" {
		return "", "", fmt.Errorf("up topic %q: %w", clip(topic), ErrName)
	}
	org, node, err := parseBoth(topic, part[1], part[4])
	if err != nil {
		return "", "", err
	}
	if want := ShardOf(node); part[3] != strconv.Itoa(int(want)) {
		return "", "", fmt.Errorf("up topic %q: node %s belongs to shard %d: %w", topic, node, want, ErrName)
	}
	return org, node, nil
}

// ParseDown takes a down topic apart.
func ParseDown(topic string) (Org, stock.NodeID, error) {
	part := strings.Split(topic, "/")
	if len(part) != 4 || part[0] != root || part[2] != "down" {
		return "", "", fmt.Errorf("down topic %q: %w", clip(topic), ErrName)
	}
	return parseBoth(topic, part[1], part[3])
}

func parseBoth(topic, org, node string) (Org, stock.NodeID, error) {
	o, err := ParseOrg(org)
	if err != nil {
		return "", "", fmt.Errorf("topic %q: %w", clip(topic), err)
	}
	n, err := ParseNode(node)
	if err != nil {
		return "", "", fmt.Errorf("topic %q: %w", clip(topic), err)
	}
	return o, n, nil
}

func checkID(s string) error {
	if s == "" || len(s) > MaxID {
		return fmt.Errorf("%q has %d characters, 1 to %d are allowed: %w", clip(s), len(s), MaxID, ErrName)
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
			return fmt.Errorf("%q may hold a-z, 0-9 and - only: %w", s, ErrName)
		}
	}
	return nil
}

// clip keeps foreign text in an error message short.
func clip(s string) string {
	const most = 100
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"stockade/edge/store"
	"stockade/protocol/change"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// pace is how long a worker takes from one scan to the next, on average.
const pace = 4 * time.Second

// workers scan at once in the warehouse whose batches are measured.
const workers = 3

// wireBytes measures what a movement takes on the wire in batches of 1 and of 100 changes: the MQTT
// packet with the signed batch in it. The changes are those that three stations made of a day's work at
// the pace of people. The baseline is the same changes as JSON, neither signed nor compressed.
func (r *run) wireBytes(ctx context.Context, dir string) error {
	changes, err := dayOfWork(ctx, dir, r.Size.WireScans)
	if err != nil {
		return err
	}
	for _, size := range []int{1, 100} {
		wire, plain, count := 0, 0, 0
		s, err := newSender(1)
		if err != nil {
			return err
		}
		for first := 0; first+size <= len(changes); first += size {
			batch := changes[first : first+size]
			in, err := s.cut(batch)
			if err != nil {
				return err
			}
			text, err := asJSON(s.head.Node, first+1, batch)
			if err != nil {
				return err
			}
			wire, plain, count = wire+packet(in.Node, in.Raw), plain+len(text), count+size
		}
		if count == 0 {
			return fmt.Errorf("%d scans are too few for a batch of %d", r.Size.WireScans, size)
		}
		if err := r.emit(fmt.Sprintf("wire_bytes/%d", size), "bytes/movement", float64(wire)/float64(count), float64(plain)/float64(count)); err != nil {
			return err
		}
	}
	return nil
}

// dayOfWork returns the movements that workers at three stations make with so many scans.
func dayOfWork(ctx context.Context, dir string, scans int) (out [][]byte, err error) {
	now := time.Date(2026, 5, 4, 0, 30, 0, 0, time.UTC)
	return out, withNode(ctx, dir, func() time.Time { return now }, func(n *node) error {
		places, err := n.places(workers)
		if err != nil {
			return err
		}
		rng := rand.New(rand.NewPCG(1, 1)) // #nosec G404 -- work that can be repeated
		for range scans {
			p := places[rng.IntN(workers)]
			now = now.Add(time.Duration(rng.Int64N(int64(2 * pace / workers))))
			if err := handle(ctx, p.station, p.worker.scan()); err != nil {
				return err
			}
		}
		return n.store.View(ctx, func(tx *store.Tx) (err error) {
			out, err = tx.Uncut(1, scans, 1<<30)
			return err
		})
	})
}

// packet is how long the MQTT packet is that carries a message of a node (MQTT 3.1.1, section 3.3):
// kind, remaining length, topic, packet identifier, payload.
func packet(node stock.NodeID, payload []byte) int {
	rest := 2 + len(topic.Up(org, node)) + 2 + len(payload)
	length := 1
	for n := rest; n > 127; n /= 128 {
		length++
	}
	return 1 + length + rest
}

// jsonChange is a movement with its making as most programs would send it.
type jsonChange struct {
	ID       string         `json:"id"`
	Time     time.Time      `json:"time"`
	Quality  int            `json:"quality"`
	Actor    string         `json:"actor"`
	Session  string         `json:"session,omitempty"`
	Terminal string         `json:"terminal"`
	Day      stock.Date     `json:"day"`
	Zone     string         `json:"zone"`
	SKU      stock.SKU      `json:"sku"`
	Lot      stock.Lot      `json:"lot,omitempty"`
	Serial   stock.Serial   `json:"serial,omitempty"`
	Expiry   stock.Date     `json:"expiry,omitempty"`
	State    string         `json:"state"`
	From     stock.Location `json:"from"`
	To       stock.Location `json:"to"`
	Quantity string         `json:"quantity"`
	Count    string         `json:"count"`
	Unit     string         `json:"unit,omitempty"`
	Factor   string         `json:"factor"`
}

// asJSON writes encoded changes as JSON: one as an object, several as an array.
func asJSON(node stock.NodeID, first int, encoded [][]byte) ([]byte, error) {
	var out []jsonChange
	for i, b := range encoded {
		id := stock.ID{Node: node, Epoch: 1, Number: uint64(first + i)} // #nosec G115 -- counted here
		c, err := change.Decode(b)
		if err != nil {
			return nil, err
		}
		m, err := c.Movement(id)
		if err != nil {
			return nil, err
		}
		out = append(out, jsonChange{ID: id.String(), Time: c.Meta.Time.Time(), Quality: int(c.Meta.Quality), Actor: c.Meta.Actor, Session: c.Meta.Session,
			Terminal: c.Meta.Terminal, Day: c.Meta.Day, Zone: c.Meta.Zone, SKU: m.Key.SKU, Lot: m.Key.Lot, Serial: m.Key.Serial, Expiry: m.Key.Expiry,
			State: m.Key.State.String(), From: m.From, To: m.To, Quantity: m.Quantity.String(), Count: m.Scanned.Count.String(), Unit: m.Scanned.Unit, Factor: m.Scanned.Factor.String()})
	}
	switch len(out) {
	case 0:
		return nil, errors.New("no change")
	case 1:
		return json.Marshal(out[0])
	}
	return json.Marshal(out)
}

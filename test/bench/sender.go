package bench

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"stockade/hub/intake"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// sender is a node that makes batches of a worker's movements, without a store of its own.
type sender struct {
	key       ed25519.PrivateKey
	warehouse stock.Warehouse
	worker    *worker
	head      change.Header // of the last batch
	hash      change.Hash
	now       time.Time
}

func newSender(number int) (*sender, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	node := stock.NodeID(fmt.Sprintf("edge-%d", number))
	return &sender{key: key, warehouse: stock.Warehouse(fmt.Sprintf("W%02d", number)), worker: newWorker(number), now: time.Now(),
		head: change.Header{Org: org, Node: node, Epoch: 1, First: 1}}, err
}

// batch cuts the next movements into a signed batch, as it comes from the broker.
func (s *sender) batch(changes int) (intake.Incoming, error) {
	var encoded [][]byte
	for range changes {
		s.now = s.now.Add(pace)
		meta := change.Meta{Time: clock.StampOf(s.now), Quality: clock.Synced, Actor: "station/dock-1", Terminal: "dock-1",
			Day: stock.Date(s.now.Format(time.DateOnly)), Zone: shanghai.String()}
		c, err := change.OfMovement(meta, s.worker.move().movement(s.warehouse))
		if err != nil {
			return intake.Incoming{}, err
		}
		b, err := c.Encode()
		if err != nil {
			return intake.Incoming{}, err
		}
		encoded = append(encoded, b)
	}
	return s.cut(encoded)
}

func (s *sender) cut(encoded [][]byte) (intake.Incoming, error) {
	salt := make([]byte, change.SaltSize)
	_, _ = rand.Read(salt) // never fails
	s.head.Seq, s.head.Prev = s.head.Seq+1, s.hash
	b, hash, err := change.Cut(s.key, s.head, salt, encoded)
	if err != nil {
		return intake.Incoming{}, err
	}
	s.hash = hash
	s.head.First += uint64(len(encoded))
	return incoming(s.head.Node, b)
}

// incoming is a batch as it comes from the broker.
func incoming(node stock.NodeID, b change.Batch) (intake.Incoming, error) {
	m, err := delivery.BatchMessage(b)
	if err != nil {
		return intake.Incoming{}, err
	}
	raw, err := m.Encode()
	return intake.Incoming{Node: node, Raw: raw}, err
}

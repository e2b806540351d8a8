package bench

import (
	"context"
	"errors"
	"time"

	"stockade/hub/intake"
	"stockade/hub/keyring"
	"stockade/internal/mqtt"
	"stockade/protocol/topic"
	"stockade/test/rig"
)

// bareBroker is the hub's broker with nothing behind it: a client that publishes to itself, over the
// same TLS and with the same quality of service as a node. It is what no node can be faster than.
type bareBroker struct {
	conn *mqtt.Conn
	name string // of the topic
}

// joinBroker connects as the client that the hub itself uses to try brokers.
func joinBroker(ctx context.Context, url string, ring *keyring.Ring) (*bareBroker, error) {
	settings, err := intake.ClientTLS(ring, topic.Prober(), "", time.Now)
	if err != nil {
		return nil, err
	}
	c, err := mqtt.Dial(ctx, mqtt.Options{URL: url, ClientID: topic.Prober().ID(), TLS: settings, CleanSession: true})
	if err != nil {
		return nil, err
	}
	b := &bareBroker{conn: c, name: topic.Probe(ring.Org)}
	if err := c.Subscribe(ctx, b.name); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

func (b *bareBroker) close() { b.conn.Close() }

// trip sends a message and returns after how many milliseconds it came back.
func (b *bareBroker) trip(ctx context.Context, payload []byte) (float64, error) {
	began := time.Now()
	if _, err := b.conn.Send(ctx, b.name, payload); err != nil {
		return 0, err
	}
	if err := b.take(ctx); err != nil {
		return 0, err
	}
	return millis(began), nil
}

// take waits for one message.
func (b *bareBroker) take(ctx context.Context) error {
	limit := time.NewTimer(rig.Patience)
	defer limit.Stop()
	select {
	case m := <-b.conn.Messages():
		m.Ack()
		return nil
	case <-b.conn.Done():
		return b.conn.Err()
	case <-limit.C:
		return errors.New("the broker does not answer")
	case <-ctx.Done():
		return ctx.Err()
	}
}

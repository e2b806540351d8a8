package intake

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/hub/keyring"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// Sessions are the intake's clients of the broker: one persistent session for each shard,
// under a client id and a certificate of its own. To them any MQTT 3.1.1 broker is the same.
type Sessions struct {
	org    topic.Org
	log    *slog.Logger
	shards [topic.Shards]*shard
}

// shard reads and answers the nodes of one shard.
type shard struct {
	link *mqtt.Link
	jobs chan job
}

// job is something to be sent, or a message to be acknowledged to the broker.
type job struct {
	topic   string
	payload []byte
	ack     func()
}

// jobsWaiting is how much a slow line may fall behind before answers are dropped: nodes ask again.
const jobsWaiting = 1024

// Broker says how the hub reaches its broker.
type Broker struct {
	URL        string // mqtts://HOST:PORT
	ServerName string // in its certificate; empty means the host in URL
}

// ClientTLS issues a certificate for one of the hub's own clients and returns its settings.
func ClientTLS(r *keyring.Ring, c topic.Client, serverName string, clock func() time.Time) (*tls.Config, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of %s: %w", c.ID(), err)
	}
	cert, err := r.Authority.IssueClient(c, pub, clock(), pki.ClientValid)
	if err != nil {
		return nil, err
	}
	pair, err := pki.Pair(key, cert)
	if err != nil {
		return nil, err
	}
	return pki.ClientConfig(pair, pki.Pool(r.Authority.Certificate()), serverName, clock), nil
}

// NewSessions prepares the sessions and connects nothing. The certificates are made anew at
// every start and never leave the program.
func NewSessions(b Broker, r *keyring.Ring, clock func() time.Time, log *slog.Logger) (*Sessions, error) {
	s := &Sessions{org: r.Org, log: log}
	for n := range topic.Shard(topic.Shards) {
		c := topic.Intake(n)
		conf, err := ClientTLS(r, c, b.ServerName, clock)
		if err != nil {
			return nil, err
		}
		link, err := mqtt.NewLink(mqtt.LinkOptions{
			Options:   mqtt.Options{URL: b.URL, ClientID: c.ID(), TLS: conf, Logger: log},
			Subscribe: []string{topic.UpFilter(r.Org, n)},
			MinDelay:  200 * time.Millisecond, MaxDelay: 10 * time.Second,
			// The store has one server, which holds a lock: whoever else took the session is wrong.
			Dropped: func(context.Context) error { return nil },
			Changed: s.changed(n),
		})
		if err != nil {
			return nil, fmt.Errorf("intake of shard %d: %w", n, err)
		}
		s.shards[n] = &shard{link: link, jobs: make(chan job, jobsWaiting)}
	}
	return s, nil
}

func (s *Sessions) changed(n topic.Shard) func(error) {
	return func(reason error) {
		if reason == nil {
			s.log.Info("intake connected to broker", "shard", n)
			return
		}
		s.log.Warn("intake lost the broker, connecting again", "shard", n, "err", reason)
	}
}

// Connected reports how many of the sessions stand.
func (s *Sessions) Connected() int {
	n := 0
	for _, sh := range s.shards {
		if sh.link.Connected() {
			n++
		}
	}
	return n
}

// Run serves all shards for i until ctx ends.
func (s *Sessions) Run(ctx context.Context, i *Intake) error {
	group, ctx := errgroup.WithContext(ctx)
	for n, sh := range s.shards {
		group.Go(func() error { return sh.link.Run(ctx) })
		group.Go(func() error { return s.read(ctx, i, sh) })
		group.Go(func() error { return s.write(ctx, topic.Shard(n), sh) }) // #nosec G115 -- below topic.Shards
	}
	return group.Wait()
}

func (s *Sessions) read(ctx context.Context, i *Intake, sh *shard) error {
	for {
		select {
		case m := <-sh.link.Messages():
			ack := job{ack: m.Ack}
			org, node, err := topic.ParseUp(m.Topic)
			if err != nil || org != s.org {
				s.log.Warn("message on a foreign topic dropped", "topic", m.Topic, "err", err)
				sh.put(ack)
				continue
			}
			if err := i.Offer(ctx, Incoming{Node: node, Raw: m.Payload, Done: func() { sh.put(ack) }}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// put queues a job without waiting. What does not fit is dropped: answers are asked for
// again, and messages without acknowledgement come again.
func (sh *shard) put(j job) bool {
	select {
	case sh.jobs <- j:
		return true
	default:
		return false
	}
}

func (s *Sessions) write(ctx context.Context, n topic.Shard, sh *shard) error {
	for {
		select {
		case j := <-sh.jobs:
			if j.ack != nil {
				j.ack()
				continue
			}
			_, err := sh.link.Send(ctx, j.topic, j.payload)
			switch {
			case err == nil, errors.Is(err, context.Canceled):
			case errors.Is(err, mqtt.ErrOffline):
				s.log.Debug("answer not sent: no connection", "topic", j.topic)
			default:
				s.log.Warn("answer not sent", "shard", n, "topic", j.topic, "err", err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Send queues a message for a node and does not wait.
func (s *Sessions) Send(to stock.NodeID, payload []byte) {
	if !s.shards[topic.ShardOf(to)].put(job{topic: topic.Down(s.org, to), payload: payload}) {
		s.log.Warn("answer dropped: the line to the broker is too slow", "node", to)
	}
}

// More tells a node that there is something to ask for.
func (s *Sessions) More(to stock.NodeID) {
	raw, err := delivery.Message{Kind: delivery.MsgMore, Body: []byte{}}.Encode()
	if err != nil {
		s.log.Error("encode message", "err", err)
		return
	}
	s.Send(to, raw)
}

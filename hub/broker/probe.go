package broker

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stockade/internal/mqtt"
	"stockade/protocol/topic"
)

// Report is what Probe found out about a broker.
type Report struct {
	LargeMessage bool // a message of topic.MaxMessage bytes passes unchanged
	Session      bool // the session outlives its connection
	Redelivery   bool // what was not acknowledged comes again to the next connection
	Sent         int  // messages sent while none was acknowledged
	Kept         int  // of these, how many the broker delivered in the end
}

// Fit reports whether the broker does all that the hub needs. A broker that dropped
// messages is fit: nodes send again what is not acknowledged, only later.
func (r Report) Fit() bool { return r.LargeMessage && r.Session && r.Redelivery }

// LogValue shows the report in a log.
func (r Report) LogValue() slog.Value {
	return slog.GroupValue(slog.Bool("large_message", r.LargeMessage), slog.Bool("session", r.Session),
		slog.Bool("redelivery", r.Redelivery), slog.Int("sent", r.Sent), slog.Int("kept", r.Kept))
}

// ProbeOptions describes a probe.
type ProbeOptions struct {
	// Broker is how to reach the broker with the certificate of topic.Prober, whose client id
	// is used. Broker.Limit bounds each wait, so it must exceed the time after which the
	// broker sends a message again; 0 means 45 s.
	Broker mqtt.Options
	Org    topic.Org
	// Backlog is how many messages are sent at once to see whether the broker's queue keeps
	// them; 0 means 1500, more than some brokers hold by default.
	Backlog int
}

// Probe tries a broker over ordinary MQTT, with a client and a topic made for it alone, so
// that it meets no message of a node. An error says that the broker could not be tried;
// what it is not fit for stands in the report.
func Probe(ctx context.Context, o ProbeOptions) (Report, error) {
	o.Broker.ClientID, o.Broker.CleanSession = topic.Prober().ID(), false
	if o.Broker.Limit <= 0 {
		o.Broker.Limit = 45 * time.Second
	}
	if o.Backlog <= 0 {
		o.Backlog = 1500
	}
	p := &probe{o: o, name: topic.Probe(o.Org)}
	if _, err := rand.Read(p.run[:]); err != nil {
		return Report{}, fmt.Errorf("probe broker: %w", err)
	}
	defer p.leave(ctx)
	for _, step := range []func(context.Context) error{p.join, p.large, p.session, p.backlog} {
		if err := step(ctx); err != nil {
			return p.found, fmt.Errorf("probe broker: %w", err)
		}
	}
	return p.found, nil
}

type probe struct {
	o     ProbeOptions
	name  string   // of the topic
	run   [16]byte // begins every payload: an earlier probe may have left some
	conn  *mqtt.Conn
	found Report
}

// join begins a new session: one that an earlier probe left is thrown away.
func (p *probe) join(ctx context.Context) error {
	clean := p.o.Broker
	clean.CleanSession = true
	c, err := mqtt.Dial(ctx, clean)
	if err != nil {
		return err
	}
	c.Close()
	return p.connect(ctx)
}

func (p *probe) connect(ctx context.Context) error {
	c, err := mqtt.Dial(ctx, p.o.Broker)
	if err != nil {
		return err
	}
	p.conn = c
	return c.Subscribe(ctx, p.name)
}

// leave takes the session away again; it is not worth an error.
func (p *probe) leave(ctx context.Context) {
	if p.conn == nil {
		return
	}
	_ = p.conn.Unsubscribe(ctx, p.name)
	p.conn.Close()
	clean := p.o.Broker
	clean.CleanSession = true
	if c, err := mqtt.Dial(ctx, clean); err == nil {
		c.Close()
	}
}

// large sends one full message. A broker that does not want it may end the connection.
func (p *probe) large(ctx context.Context) error {
	payload := p.payload(0, topic.MaxMessage)
	err := p.conn.Publish(ctx, p.name, payload)
	var m mqtt.Message
	if err == nil {
		m, err = p.next(ctx, 0)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		p.found.LargeMessage = bytes.Equal(m.Payload, payload)
		m.Ack()
		return nil
	}
	p.conn.Close()
	return p.connect(ctx)
}

// session leaves a message unacknowledged, goes and comes back.
func (p *probe) session(ctx context.Context) error {
	if err := p.conn.Publish(ctx, p.name, p.payload(1, 64)); err != nil {
		return err
	}
	if _, err := p.next(ctx, 1); err != nil {
		return err
	}
	p.conn.Close()
	if err := p.connect(ctx); err != nil {
		return err
	}
	p.found.Session = p.conn.Resumed()
	m, err := p.next(ctx, 1)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.found.Redelivery = err == nil; p.found.Redelivery {
		m.Ack()
	}
	return nil
}

// backlog sends many messages before it acknowledges the first, then counts what comes until
// a marker, sent when there is room again, has passed the queue.
func (p *probe) backlog(ctx context.Context) error {
	var held []mqtt.Message
	var last *mqtt.Pending
	for i := range p.o.Backlog {
		var err error
		if last, err = p.conn.Send(ctx, p.name, p.payload(first+uint32(i), 64)); err != nil { //nolint:gosec // far below 2^32
			return err
		}
		held = p.drain(held)
	}
	if err := p.settle(ctx, last, func(m mqtt.Message) { held = append(held, m) }); err != nil {
		return err
	}
	p.found.Sent = p.o.Backlog
	seen := map[uint32]bool{}
	for _, m := range held {
		p.count(m, seen)
	}
	for range 3 { // a queue that is still full may drop the marker too
		mark, err := p.conn.Send(ctx, p.name, p.payload(marker, 64))
		if err != nil {
			return err
		}
		if err := p.settle(ctx, mark, func(m mqtt.Message) { p.count(m, seen) }); err != nil {
			return err
		}
		if err := p.countUntilMarker(ctx, seen); !errors.Is(err, mqtt.ErrTimeout) {
			return err
		}
	}
	return nil
}

const (
	first  = 2               // number of the first message of the backlog
	marker = 1<<32 - 1       // number of the message after the backlog
	silent = 5 * time.Second // of a queue that has nothing more
)

func (p *probe) countUntilMarker(ctx context.Context, seen map[uint32]bool) error {
	for !seen[marker] {
		m, err := p.take(ctx, silent)
		if err != nil {
			return err
		}
		p.count(m, seen)
	}
	return nil
}

func (p *probe) count(m mqtt.Message, seen map[uint32]bool) {
	m.Ack()
	if n, ok := p.number(m); ok && n >= first && !seen[n] {
		seen[n] = true
		if n != marker {
			p.found.Kept++
		}
	}
}

// settle waits for the broker's answer and meanwhile takes what arrives: the answer stands
// behind it in the line.
func (p *probe) settle(ctx context.Context, sent *mqtt.Pending, each func(mqtt.Message)) error {
	answer := make(chan error, 1)
	go func() { answer <- sent.Wait(ctx) }() // ends within Broker.Limit
	for {
		select {
		case m := <-p.conn.Messages():
			each(m)
		case err := <-answer:
			return err
		}
	}
}

// payload is a message of this run: its name, a number and zeros up to size.
func (p *probe) payload(n uint32, size int) []byte {
	b := make([]byte, 0, size)
	b = binary.BigEndian.AppendUint32(append(b, p.run[:]...), n)
	return b[:size]
}

func (p *probe) number(m mqtt.Message) (uint32, bool) {
	rest, ok := bytes.CutPrefix(m.Payload, p.run[:])
	if !ok || len(rest) < 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(rest), true
}

// next returns message n of this run; what is not of this run is taken away.
func (p *probe) next(ctx context.Context, n uint32) (mqtt.Message, error) {
	for {
		m, err := p.take(ctx, p.o.Broker.Limit)
		if err != nil {
			return m, err
		}
		if got, ok := p.number(m); ok && got == n {
			return m, nil
		}
		m.Ack()
	}
}

func (p *probe) take(ctx context.Context, limit time.Duration) (mqtt.Message, error) {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case m := <-p.conn.Messages():
		return m, nil
	case <-t.C:
		return mqtt.Message{}, fmt.Errorf("await a message: %w", mqtt.ErrTimeout)
	case <-p.conn.Done():
		return mqtt.Message{}, p.conn.Err()
	case <-ctx.Done():
		return mqtt.Message{}, ctx.Err()
	}
}

// drain takes what has arrived and acknowledges nothing.
func (p *probe) drain(held []mqtt.Message) []mqtt.Message {
	for {
		select {
		case m := <-p.conn.Messages():
			held = append(held, m)
		default:
			return held
		}
	}
}

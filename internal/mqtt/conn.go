// Package mqtt speaks MQTT 3.1.1 over TLS with client certificates, for the edge's uplink
// and the hub's intake alike.
//
// A Conn is one connection: it ends once and is never revived. A Link makes one after the
// other. Messages are sent and received with QoS 1. A received message is acknowledged only
// when its receiver calls Ack, after its own commit; one that is not acknowledged comes again
// to the next connection of the session.
//
// A broker's acknowledgement says that the broker has a message, nothing more; this package
// keeps no copy to send again. Every wait ends with its context, with the connection or
// after Options.Limit, whichever is first.
package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"stockade/protocol/topic"
)

// Errors that callers test for.
var (
	// ErrClosed ends a connection that this side closed.
	ErrClosed = errors.New("connection closed")
	// ErrTooLarge is returned for a payload above topic.MaxMessage, before it is sent.
	ErrTooLarge = errors.New("message too large")
	// ErrRefused is returned when the broker refuses a subscription.
	ErrRefused = errors.New("broker refused the subscription")
	// ErrTimeout is returned when the broker did not answer within Options.Limit.
	ErrTimeout = errors.New("no answer from the broker in time")
	// ErrBehind ends a connection whose messages were not taken within Options.Limit.
	ErrBehind = errors.New("received messages were not taken in time")
)

const (
	qos         = 1
	refused     = 0x80 // return code in SUBACK, MQTT 3.1.1 section 3.9.3
	mqttVersion = 4    // 3.1.1; left open, paho falls back to 3.1 after any refusal
	quiesce     = 500  // milliseconds for the farewell of Close
)

// Options describes a client. URL, ClientID and TLS are required.
type Options struct {
	// URL of the broker: mqtts://host:port. ssl and tls mean the same; there is no plain TCP.
	URL string
	// ClientID is the common name of the certificate in TLS.
	ClientID string
	TLS      *tls.Config
	// CleanSession makes the broker forget the session when the connection ends.
	CleanSession bool
	// KeepAlive is how long the line may be silent before it is tested; 0 means 30 s.
	KeepAlive time.Duration
	// Limit bounds every single wait, including one write to the network; 0 means 30 s.
	Limit time.Duration
	// Window is how many received messages wait to be taken; 0 means 64 (8 MiB at most).
	// Keep it as large as the number of unacknowledged messages that the broker sends.
	Window int
	// Logger gets connection events at debug level; nil means none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, string, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return o, "", fmt.Errorf("broker address: %w", err)
	}
	if u.Scheme != "mqtts" && u.Scheme != "ssl" && u.Scheme != "tls" {
		return o, "", fmt.Errorf("broker address %q: must be mqtts://host:port", o.URL)
	}
	if u.Hostname() == "" || u.Port() == "" {
		return o, "", fmt.Errorf("broker address %q: host or port is missing", o.URL)
	}
	if o.ClientID == "" || o.TLS == nil {
		return o, "", errors.New("mqtt: client id and TLS settings are required")
	}
	o.TLS = o.TLS.Clone()
	if o.TLS.ServerName == "" {
		o.TLS.ServerName = u.Hostname()
	}
	if o.KeepAlive <= 0 {
		o.KeepAlive = 30 * time.Second
	}
	if o.KeepAlive < time.Second {
		o.KeepAlive = time.Second // paho counts whole seconds
	}
	if o.Limit <= 0 {
		o.Limit = 30 * time.Second
	}
	if o.Window <= 0 {
		o.Window = 64
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, u.Host, nil
}

// Message is a message received. Ack must be called once its content is safe; messages are
// acknowledged in the order in which they came.
type Message struct {
	Topic     string
	Payload   []byte
	Duplicate bool // the broker has sent it before
	Retained  bool // the broker kept it from an earlier time
	ack       func()
}

// Ack tells the broker that the message need not come again. After the connection has ended
// it does nothing. It may wait for the network, at most Options.Limit.
func (m Message) Ack() {
	if m.ack != nil {
		m.ack()
	}
}

// Conn is one connection to a broker. Its methods may be used concurrently.
type Conn struct {
	o        Options
	client   paho.Client
	wire     *wire
	resumed  bool
	messages chan Message
	sending  chan struct{} // holds one token: sends reach the wire in the order of their calls
	closing  sync.Once
}

// Dial connects and waits for the broker's consent. ctx bounds the dialling only.
func Dial(ctx context.Context, o Options) (*Conn, error) {
	o, addr, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	w, err := dialWire(ctx, addr, o)
	if err != nil {
		if ctx.Err() != nil {
			err = timeout(ctx)
		}
		return nil, fmt.Errorf("connect to broker %s: %w", addr, err)
	}
	c := &Conn{o: o, wire: w, messages: make(chan Message, o.Window), sending: make(chan struct{}, 1)}
	c.client = paho.NewClient(c.settings(ctx, addr))
	token, ok := c.client.Connect().(*paho.ConnectToken)
	if !ok {
		w.fail(ErrClosed)
		return nil, errors.New("connect to broker: unexpected answer of the client library")
	}
	select {
	case <-token.Done():
	case <-ctx.Done():
		w.fail(ctx.Err())
		<-token.Done() // at once: its connection is closed
		c.client.Disconnect(0)
		return nil, fmt.Errorf("connect to broker %s: %w", addr, timeout(ctx))
	}
	if err := token.Error(); err != nil {
		w.fail(err)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("%w: %w", ErrTimeout, err)
		}
		return nil, fmt.Errorf("connect to broker %s as %s: %w", addr, o.ClientID, err)
	}
	c.resumed = token.SessionPresent()
	o.Logger.Debug("connected to broker", "broker", addr, "client", o.ClientID, "session", c.resumed)
	return c, nil
}

func (c *Conn) settings(ctx context.Context, addr string) *paho.ClientOptions {
	s := paho.NewClientOptions()
	s.AddBroker("ssl://" + addr)
	s.SetProtocolVersion(mqttVersion)
	s.SetClientID(c.o.ClientID)
	s.SetCleanSession(c.o.CleanSession)
	s.SetKeepAlive(c.o.KeepAlive)
	s.SetPingTimeout(c.o.Limit)
	s.SetWriteTimeout(c.o.Limit)
	s.SetAutoReconnect(false) // a client of paho must not be used again after its connection
	s.SetConnectRetry(false)
	s.SetResumeSubs(false)
	s.SetStore(noStore{})
	s.SetOrderMatters(true)
	s.SetAutoAckDisabled(true)
	s.SetDefaultPublishHandler(c.receive)
	if d, ok := ctx.Deadline(); ok {
		s.SetConnectTimeout(time.Until(d))
	}
	s.SetCustomOpenConnectionFn(func(*url.URL, paho.ClientOptions) (net.Conn, error) { return c.wire, nil })
	s.SetConnectionLostHandler(func(_ paho.Client, err error) { c.wire.fail(err) })
	return s
}

// receive is called by paho for one message after the other. While it waits nothing else
// is read from the line, so it must not wait for ever.
func (c *Conn) receive(_ paho.Client, m paho.Message) {
	msg := Message{Topic: m.Topic(), Payload: m.Payload(), Duplicate: m.Duplicate(), Retained: m.Retained(), ack: m.Ack}
	select {
	case c.messages <- msg:
		return
	default:
	}
	limit := time.NewTimer(c.o.Limit)
	defer limit.Stop()
	select {
	case c.messages <- msg:
	case <-c.wire.done:
	case <-limit.C:
		c.wire.fail(ErrBehind)
	}
}

// Messages returns the received messages in order. It is never closed: select on Done too.
func (c *Conn) Messages() <-chan Message { return c.messages }

// Resumed reports whether the broker still had this client's session.
func (c *Conn) Resumed() bool { return c.resumed }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.wire.done }

// Err tells why the connection ended; nil while it stands.
func (c *Conn) Err() error { return c.wire.err() }

// Subscribe asks for the messages of a filter. It returns ErrRefused when the broker does
// not grant it with QoS 1.
func (c *Conn) Subscribe(ctx context.Context, filter string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limit)
	defer cancel()
	token, err := c.start(ctx, func() paho.Token { return c.client.Subscribe(filter, qos, nil) })
	if err == nil {
		err = c.wait(ctx, token)
	}
	if err != nil {
		return fmt.Errorf("subscribe to %s: %w", filter, err)
	}
	sub, ok := token.(*paho.SubscribeToken)
	if !ok {
		return fmt.Errorf("subscribe to %s: unexpected answer of the client library", filter)
	}
	switch granted := sub.Result()[filter]; granted {
	case qos:
		return nil
	case refused:
		return fmt.Errorf("subscribe to %s: %w", filter, ErrRefused)
	default:
		return fmt.Errorf("subscribe to %s: granted QoS %d, 1 is needed: %w", filter, granted, ErrRefused)
	}
}

// Unsubscribe takes a subscription back.
func (c *Conn) Unsubscribe(ctx context.Context, filter string) error {
	ctx, cancel := context.WithTimeout(ctx, c.o.Limit)
	defer cancel()
	token, err := c.start(ctx, func() paho.Token { return c.client.Unsubscribe(filter) })
	if err == nil {
		err = c.wait(ctx, token)
	}
	if err != nil {
		return fmt.Errorf("unsubscribe from %s: %w", filter, err)
	}
	return nil
}

// Pending is a message on its way to the broker.
type Pending struct {
	c     *Conn
	topic string
	token paho.Token
}

// Wait returns nil when the broker says that it has the message. Brokers say so as well of
// messages that they drop for want of rights or room.
func (p *Pending) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.c.o.Limit)
	defer cancel()
	if err := p.c.wait(ctx, p.token); err != nil {
		return fmt.Errorf("publish to %s: %w", p.topic, err)
	}
	return nil
}

// Send hands a message to the network and does not wait for the broker's answer, so that
// many can be under way on a long line. Messages leave in the order of the calls. The payload
// must not be changed afterwards, not even after an error.
func (c *Conn) Send(ctx context.Context, name string, payload []byte) (*Pending, error) {
	if len(payload) > topic.MaxMessage {
		return nil, fmt.Errorf("publish to %s: %d bytes, at most %d: %w", name, len(payload), topic.MaxMessage, ErrTooLarge)
	}
	ctx, cancel := context.WithTimeout(ctx, c.o.Limit)
	defer cancel()
	token, err := c.start(ctx, func() paho.Token { return c.client.Publish(name, qos, false, payload) })
	if err != nil {
		return nil, fmt.Errorf("publish to %s: %w", name, err)
	}
	return &Pending{c: c, topic: name, token: token}, nil
}

// Publish is Send and Wait.
func (c *Conn) Publish(ctx context.Context, name string, payload []byte) error {
	p, err := c.Send(ctx, name, payload)
	if err != nil {
		return err
	}
	return p.Wait(ctx)
}

// start runs a call of paho, which may wait for the network on its own account and knows
// no context, and returns with its token, with ctx or with the end of the connection.
func (c *Conn) start(ctx context.Context, call func() paho.Token) (paho.Token, error) {
	select {
	case c.sending <- struct{}{}:
	case <-ctx.Done():
		return nil, timeout(ctx)
	case <-c.wire.done:
		return nil, c.wire.err()
	}
	started := make(chan paho.Token, 1)
	go func() { // ends after Options.Limit at the latest: paho's write timeout
		started <- call()
		<-c.sending
	}()
	select {
	case token := <-started:
		return token, nil
	case <-ctx.Done():
		return nil, timeout(ctx)
	case <-c.wire.done:
		return nil, c.wire.err()
	}
}

func (c *Conn) wait(ctx context.Context, token paho.Token) error {
	select {
	case <-token.Done():
	case <-ctx.Done():
		return timeout(ctx)
	case <-c.wire.done:
		select {
		case <-token.Done(): // the answer came just before the end
		default:
			return c.wire.err()
		}
	}
	err := token.Error()
	if err != nil && c.wire.err() != nil {
		return c.wire.err() // paho only knows that the connection is lost
	}
	return err
}

// Close says farewell, so that the broker publishes no will, and ends the connection. It
// takes half a second at most. Closing again does nothing.
func (c *Conn) Close() {
	c.closing.Do(func() {
		c.client.Disconnect(quiesce)
		c.wire.fail(ErrClosed)
	})
}

// timeout tells a limit that ran out from a caller that gave up.
func timeout(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%w: %w", ErrTimeout, ctx.Err())
	}
	return ctx.Err()
}

// endedByPeer reports whether err is how a connection looks that the other side ended.
func endedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || isReset(err)
}

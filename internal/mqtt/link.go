package mqtt

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// TakeOverGap is the least time between two connections of a client that a broker has
// dropped: brokers punish clients that throw each other off a session in quick turns.
const TakeOverGap = 2 * time.Second

var (
	// ErrDropped ends a connection that the broker ended while it went on serving others:
	// another client has taken over the session, or this one's rights were withdrawn.
	ErrDropped = errors.New("broker dropped this client")
	// ErrOffline is returned while there is no connection.
	ErrOffline = errors.New("not connected to the broker")
)

// LinkOptions describes a Link.
type LinkOptions struct {
	Options
	// Subscribe lists the filters asked for after each connect.
	Subscribe []string
	// MinDelay and MaxDelay bound the wait before connecting again; it doubles from one to the
	// other and is shortened by chance, up to half. 0 means 1 s and 60 s.
	MinDelay, MaxDelay time.Duration
	// Dropped is asked after ErrDropped whether to connect again, which happens after
	// TakeOverGap at the earliest; its error ends Run. Intake confirms its lease there. When it
	// is nil, Run ends with ErrDropped: two holders of a name must not fight for it unseen.
	Dropped func(context.Context) error
	// Changed, when not nil, is told every connect (nil) and the reason of every end or
	// failed attempt. It is called by Run and holds it up.
	Changed func(reason error)
}

// Link keeps a client connected for as long as Run runs. Its other methods may be used
// concurrently with Run.
type Link struct {
	o        LinkOptions
	messages chan Message

	mu   sync.Mutex
	conn *Conn // nil while offline
}

// NewLink returns a link that is not connected yet.
func NewLink(o LinkOptions) (*Link, error) {
	if _, _, err := o.withDefaults(); err != nil {
		return nil, err
	}
	if o.MinDelay <= 0 {
		o.MinDelay = time.Second
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = time.Minute
	}
	o.MaxDelay = max(o.MaxDelay, o.MinDelay)
	return &Link{o: o, messages: make(chan Message)}, nil
}

// Messages returns the messages of all connections in order. It is never closed.
func (l *Link) Messages() <-chan Message { return l.messages }

// Connected reports whether there is a connection with all its subscriptions now.
func (l *Link) Connected() bool { return l.current() != nil }

// Publish sends a message over the present connection and waits until the broker has it.
// It returns ErrOffline when there is no connection.
func (l *Link) Publish(ctx context.Context, topic string, payload []byte) error {
	c := l.current()
	if c == nil {
		return fmt.Errorf("publish to %s: %w", topic, ErrOffline)
	}
	return c.Publish(ctx, topic, payload)
}

// Send is Publish without waiting for the broker's answer.
func (l *Link) Send(ctx context.Context, topic string, payload []byte) (*Pending, error) {
	c := l.current()
	if c == nil {
		return nil, fmt.Errorf("publish to %s: %w", topic, ErrOffline)
	}
	return c.Send(ctx, topic, payload)
}

// Run connects, and connects again, until ctx ends (it then returns ctx's error) or
// LinkOptions.Dropped forbids it. It tries for ever: a node may be without a line for weeks.
func (l *Link) Run(ctx context.Context) error {
	delay := l.o.MinDelay
	for {
		stood, err := l.once(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		l.changed(err)
		// One that worked was no failure. Who is thrown off again and again has to work for longer.
		if stood > l.o.MaxDelay || (stood > settled && !errors.Is(err, ErrDropped)) {
			delay = l.o.MinDelay
		}
		wait := delay - rand.N(delay/2+1) // #nosec G404 -- spreads clients, guards nothing
		if errors.Is(err, ErrDropped) {
			if l.o.Dropped == nil {
				return err
			}
			if err := l.o.Dropped(ctx); err != nil {
				return err
			}
			wait = max(wait, TakeOverGap)
		}
		delay = min(2*delay, l.o.MaxDelay)
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// settled is how long a connection must have stood with all its subscriptions to count as a good one: a
// line that comes and goes must not be waited for longer and longer.
const settled = time.Second

// once holds one connection from its beginning to its end and returns how long it stood and why it ended.
func (l *Link) once(ctx context.Context) (stood time.Duration, err error) {
	c, err := Dial(ctx, l.o.Options)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	// What the session kept arrives before the subscriptions are confirmed.
	ended := make(chan struct{})
	go func() { defer close(ended); l.forward(ctx, c) }()
	defer func() { c.Close(); <-ended }()
	stood, err = l.serve(ctx, c)
	if endedByPeer(err) && l.alive(ctx) {
		err = fmt.Errorf("%w: %w", ErrDropped, err)
	}
	return stood, err
}

// serve makes c the present connection until it ends.
func (l *Link) serve(ctx context.Context, c *Conn) (stood time.Duration, err error) {
	for _, filter := range l.o.Subscribe {
		if err := c.Subscribe(ctx, filter); err != nil {
			return 0, err
		}
	}
	since := time.Now()
	l.set(c)
	defer l.set(nil)
	l.changed(nil)
	select {
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.Done():
		err = c.Err()
	}
	return time.Since(since), err
}

// forward passes messages on until the connection ends. Those it still holds then are not
// acknowledged and come again.
func (l *Link) forward(ctx context.Context, c *Conn) {
	for {
		select {
		case m := <-c.Messages():
			select {
			case l.messages <- m:
			case <-c.Done():
				return
			case <-ctx.Done():
				return
			}
		case <-c.Done():
			return
		case <-ctx.Done():
			return
		}
	}
}

// alive reports whether the broker still greets clients, so that a broker which went
// away can be told from one that dropped us. MQTT 3.1.1 itself does not say.
func (l *Link) alive(ctx context.Context) bool {
	o, addr, err := l.o.withDefaults()
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	w, err := dialWire(ctx, addr, o)
	if err != nil {
		return false
	}
	_ = w.Close()
	return true
}

func (l *Link) current() *Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conn
}

func (l *Link) set(c *Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conn = c
}

func (l *Link) changed(reason error) {
	if l.o.Changed != nil {
		l.o.Changed(reason)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

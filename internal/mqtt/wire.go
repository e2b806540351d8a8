package mqtt

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"

	"stockade/protocol/topic"
)

// wire is the network under a Conn. It gives every read and write a limit, because paho
// writes without one, remembers the first thing that went wrong, and reads no frame that is
// larger than we ever exchange: paho makes room for what the peer announces, up to 256 MiB.
type wire struct {
	net.Conn
	limit time.Duration // of one write
	quiet time.Duration // longest silence of a peer that answers pings
	guard frameGuard
	done  chan struct{}

	mu    sync.Mutex
	until time.Time // end of the MQTT handshake; zero after it
	cause error
}

func dialWire(ctx context.Context, addr string, o Options) (*wire, error) {
	d := tls.Dialer{Config: o.TLS}
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	until, _ := ctx.Deadline()
	return &wire{Conn: conn, limit: o.Limit, quiet: o.KeepAlive*3/2 + o.Limit, until: until, done: make(chan struct{})}, nil
}

func (w *wire) Read(p []byte) (int, error) {
	deadline := time.Now().Add(w.quiet)
	w.mu.Lock()
	if !w.until.IsZero() && w.until.Before(deadline) {
		deadline = w.until
	}
	w.mu.Unlock()
	_ = w.Conn.SetReadDeadline(deadline) // fails only on a closed connection, as Read will
	n, err := w.Conn.Read(p)
	if err == nil {
		err = w.guard.check(p[:n])
	}
	if err != nil {
		w.fail(fmt.Errorf("read from broker: %w", err))
		return 0, w.err() // never net.ErrClosed, upon which paho would leave goroutines behind
	}
	return n, nil
}

func (w *wire) Write(p []byte) (int, error) {
	_ = w.Conn.SetWriteDeadline(time.Now().Add(w.limit)) // fails only on a closed connection, as Write will
	n, err := w.Conn.Write(p)
	if err != nil {
		w.fail(fmt.Errorf("write to broker: %w", err))
		return n, w.err()
	}
	return n, nil
}

// SetDeadline is called by paho around the MQTT handshake.
func (w *wire) SetDeadline(t time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = t
	return nil
}

// SetWriteDeadline does nothing: each write has its own limit already.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// Close ends the connection. Paho calls it, also after it found an error of its own.
func (w *wire) Close() error {
	w.fail(ErrClosed)
	return nil
}

// fail ends the connection for a reason; only the first one is kept.
func (w *wire) fail(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause != nil {
		return
	}
	w.cause = cause
	close(w.done)
	// TLS would wait up to 5 s to tell a peer that does not read; the socket need not.
	if c, ok := w.Conn.(*tls.Conn); ok && !errors.Is(cause, ErrClosed) {
		_ = c.NetConn().Close()
	}
	go func() { _ = w.Conn.Close() }() // ends within those 5 s
}

func (w *wire) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// maxFrame is our largest PUBLISH: payload, topic, packet number.
const maxFrame = topic.MaxMessage + 1024

var errFrame = errors.New("broker sent a frame that MQTT does not allow here")

// frameGuard follows the frames of MQTT 3.1.1 (section 2.2) in a stream.
type frameGuard struct {
	skip   int  // bytes of the current frame still to come
	kind   byte // first byte of a frame whose length is being read, 0 between frames
	length int
	digits int
}

func (g *frameGuard) check(p []byte) error {
	for len(p) > 0 {
		if g.skip > 0 {
			n := min(g.skip, len(p))
			g.skip, p = g.skip-n, p[n:]
			continue
		}
		b := p[0]
		p = p[1:]
		if g.kind == 0 {
			if g.kind = b; b>>4 == 0 {
				return errFrame
			}
			continue
		}
		if err := g.lengthByte(b); err != nil {
			return err
		}
	}
	return nil
}

func (g *frameGuard) lengthByte(b byte) error {
	g.length |= int(b&0x7f) << (7 * g.digits)
	g.digits++
	if b&0x80 != 0 {
		if g.digits == 4 {
			return errFrame
		}
		return nil
	}
	if g.length > maxFrame {
		return fmt.Errorf("frame of %d bytes, at most %d: %w", g.length, maxFrame, errFrame)
	}
	// We subscribe to one filter at a time; paho trusts the number of answers.
	if g.kind>>4 == packets.Suback && g.length != 3 {
		return errFrame
	}
	*g = frameGuard{skip: g.length}
	return nil
}

// noStore replaces paho's store: the sync core keeps what must be sent again.
type noStore struct{}

func (noStore) Open()                             {}
func (noStore) Put(string, packets.ControlPacket) {}
func (noStore) Get(string) packets.ControlPacket  { return nil }
func (noStore) All() []string                     { return nil }
func (noStore) Del(string)                        {}
func (noStore) Close()                            {}
func (noStore) Reset()                            {}

var _ paho.Store = noStore{}

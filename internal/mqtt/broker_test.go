package mqtt_test

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/topic"
)

// patience is how long tests wait for what must happen; none waits for something not to.
const patience = 20 * time.Second

// peer is the broker's end of one connection, played by a test. Real brokers are tried in
// hub/broker; here it matters what happens when the other end misbehaves.
type peer struct {
	t    *testing.T
	conn net.Conn
	at   time.Time
}

// script is a listener that hands each MQTT connection, CONNECT read, to a function.
type script struct {
	url  string
	tls  *tls.Config
	stop func()
}

func play(t *testing.T, act func(p *peer, c *packets.ConnectPacket)) script {
	t.Helper()
	ca, err := pki.NewAuthority("acme", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := pki.Pool(ca.Certificate())
	key, err := pki.NewServerKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueServer([]string{"127.0.0.1"}, &key.PublicKey, time.Now(), pki.ServerValid)
	if err != nil {
		t.Fatal(err)
	}
	server, err := pki.Pair(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	pub, nodeKey, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	nodeCert, err := ca.IssueClient(topic.Node("sh-01"), pub, time.Now(), pki.ClientValid)
	if err != nil {
		t.Fatal(err)
	}
	client, err := pki.Pair(nodeKey, nodeCert)
	if err != nil {
		t.Fatal(err)
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", pki.ServerConfig(server, pool, pki.RequireClient, time.Now))
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(t, l, act)
	t.Cleanup(stop)
	return script{url: "mqtts://" + l.Addr().String(), tls: pki.ClientConfig(client, pool, "", time.Now), stop: stop}
}

func serve(t *testing.T, l net.Listener, act func(p *peer, c *packets.ConnectPacket)) (stop func()) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[conn] = true
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				cp, err := packets.ReadPacket(conn)
				if c, ok := cp.(*packets.ConnectPacket); ok && err == nil {
					act(&peer{t: t, conn: conn, at: time.Now()}, c)
				}
			})
		}
	})
	return func() {
		_ = l.Close()
		mu.Lock()
		for c := range open {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	}
}

// accept sends CONNACK with the return code.
func (p *peer) accept(code byte) {
	_, _ = p.conn.Write([]byte{packets.Connack << 4, 2, 0, code})
}

// next returns the next packet, nil when the connection has ended.
func (p *peer) next() packets.ControlPacket {
	cp, err := packets.ReadPacket(p.conn)
	if err != nil {
		return nil
	}
	return cp
}

// until reads on and returns the first packet of type T, false when the connection ended.
func until[T packets.ControlPacket](p *peer) (T, bool) {
	for {
		switch cp := p.next().(type) {
		case nil:
			var none T
			return none, false
		case T:
			return cp, true
		}
	}
}

func (p *peer) publish(id uint16, name, payload string) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.Qos, m.MessageID, m.TopicName, m.Payload = 1, id, name, []byte(payload)
	_ = m.Write(p.conn)
}

// drain reads until the connection ends.
func (p *peer) drain() {
	for p.next() != nil {
	}
}

func (s script) options() mqtt.Options {
	return mqtt.Options{URL: s.url, ClientID: "sh-01", TLS: s.tls, Limit: patience}
}

func dial(t *testing.T, o mqtt.Options) *mqtt.Conn {
	t.Helper()
	c, err := mqtt.Dial(t.Context(), o)
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: not within %s", what, patience)
	}
}

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

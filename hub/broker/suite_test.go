package broker_test

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"stockade/hub/broker"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/topic"
)

const (
	alice = "sh-01" // two nodes; mallory has a certificate of her own and means harm
	bob   = "cd-01"
	mall  = "mallory"
)

func TestOwnTopics(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		intake, node := s.join(intakeOf(alice)), s.join(topic.Node(alice))
		s.publish(node, up(alice), "batch 1")
		s.expect(intake, up(alice), "batch 1")
		s.publish(intake, down(alice), "acknowledged 1")
		s.expect(node, down(alice), "acknowledged 1")

		full := strings.Repeat("x", topic.MaxMessage)
		s.publish(node, up(alice), full)
		s.expect(intake, up(alice), full)
		s.publish(intake, down(alice), full)
		s.expect(node, down(alice), full)
	})
}

func TestOrderIsKept(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		s.join(intakeOf(alice)).Close()
		node := s.join(topic.Node(alice))
		const n = 300
		var last *mqtt.Pending
		for i := range n {
			var err error
			if last, err = node.Send(t.Context(), up(alice), fmt.Appendf(nil, "batch %d", i)); err != nil {
				t.Fatal(err)
			}
		}
		must(t, last.Wait(t.Context()))
		intake := s.join(intakeOf(alice))
		for i := range n {
			s.expect(intake, up(alice), fmt.Sprintf("batch %d", i))
		}
	})
}

func TestForeignSubscriptions(t *testing.T) {
	filters := []string{down(bob), topic.DownFilter(org), "#", "+/#", "stockade/#", "stockade/" + string(org) + "/#",
		up(bob), topic.UpFilter(org, topic.ShardOf(bob)), topic.Probe(org), "$SYS/#", "$JS/#", "$MQTT/#", "$share/g/" + down(bob)}
	eachBroker(t, func(t *testing.T, s *site) {
		node, intake, victim := s.join(topic.Node(mall)), s.join(intakeOf(bob)), s.join(topic.Node(bob))
		for _, f := range filters {
			err := node.Subscribe(t.Context(), f)
			if err == nil && s.embedded != nil {
				t.Errorf("subscription to %s was granted", f)
			}
			select {
			case <-node.Done(): // a broker may also throw such a client out
				node = s.join(topic.Node(mall))
			default:
			}
		}
		s.publish(intake, down(bob), "for bob")
		s.expect(victim, down(bob), "for bob")
		s.publish(victim, up(bob), "from bob")
		s.expect(intake, up(bob), "from bob")
		s.publish(s.join(intakeOf(mall)), down(mall), "for mallory")
		s.expect(node, down(mall), "for mallory")
		select {
		case m := <-node.Messages():
			t.Errorf("mallory also got %q on %s", m.Payload, m.Topic)
		default:
		}
	})
}

// An intake reads its own shard alone: a stolen intake key opens one shard, not all.
func TestIntakeOfAnotherShard(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		other := topic.Intake((topic.ShardOf(alice) + 1) % topic.Shards)
		wrong, intake, node := s.join(other), s.join(intakeOf(alice)), s.join(topic.Node(alice))
		if err := wrong.Subscribe(t.Context(), topic.UpFilter(org, topic.ShardOf(alice))); err == nil && s.embedded != nil {
			t.Error("the other shard's topics were granted")
		}
		s.publish(node, up(alice), "batch")
		s.expect(intake, up(alice), "batch")
		s.publish(wrong, up(alice), "forged batch")
		s.publish(node, up(alice), "batch 2")
		s.expect(intake, up(alice), "batch 2")
		select {
		case m := <-wrong.Messages():
			t.Errorf("got %q on %s", m.Payload, m.Topic)
		default:
		}
	})
}

func TestForeignPublishes(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		intake, victim := s.join(intakeOf(bob)), s.join(topic.Node(bob))
		for _, name := range []string{down(bob), up(bob), "$SYS/x", "$JS/API/STREAM/DELETE/x", "$MQTT/msgs/" + down(bob), topic.Probe(org)} {
			for _, retain := range []bool{false, true} {
				m := s.raw(topic.Node(mall), nil)
				m.Publish(name, 1, retain, "forged").WaitTimeout(time.Second) // answered, ignored or thrown out: as the broker likes
				m.Publish(name, 0, retain, "forged").WaitTimeout(time.Second)
				m.Disconnect(100)
			}
		}
		s.publish(intake, down(bob), "real")
		s.expect(victim, down(bob), "real")
		s.publish(victim, up(bob), "real")
		s.expect(intake, up(bob), "real")
		victim.Close() // retained messages come with a new subscription
		s.publish(intake, down(bob), "real 2")
		s.expect(s.join(topic.Node(bob)), down(bob), "real 2")
	})
}

func TestWills(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		intake, victim := s.join(intakeOf(bob)), s.join(topic.Node(bob))
		aliceIntake := s.join(intakeOf(alice))
		for _, name := range []string{down(bob), up(bob)} {
			m := s.raw(topic.Node(mall), func(o *paho.ClientOptions) { o.SetWill(name, "forged", 1, false) })
			s.cut(m)
		}
		// A will where it is allowed comes through: so wills have been carried out by now.
		s.cut(s.raw(topic.Node(alice), func(o *paho.ClientOptions) { o.SetWill(up(alice), "last words", 1, false) }))
		s.expect(aliceIntake, up(alice), "last words")
		s.publish(intake, down(bob), "real")
		s.expect(victim, down(bob), "real")
		s.publish(victim, up(bob), "real")
		s.expect(intake, up(bob), "real")
	})
}

func TestClientIDCanNotBeStolen(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		intake, victim := s.join(intakeOf(bob)), s.join(topic.Node(bob))
		for _, id := range []string{bob, intakeOf(bob).ID()} {
			o := s.client(topic.Node(mall))
			o.ClientID = id
			thief, err := mqtt.Dial(t.Context(), o)
			if err == nil {
				if s.embedded != nil {
					t.Errorf("a certificate of %s was admitted as %s", mall, id)
				}
				_ = thief.Subscribe(t.Context(), down(bob)) // mosquitto: the id was replaced by the real one
				t.Cleanup(thief.Close)
			}
			s.publish(intake, down(bob), "for bob")
			s.expect(victim, down(bob), "for bob")
			s.publish(victim, up(bob), "from bob")
			s.expect(intake, up(bob), "from bob")
			if thief != nil {
				s.publish(intake, down(mall), "for mallory")
				select {
				case m := <-thief.Messages():
					t.Errorf("the thief got %q on %s", m.Payload, m.Topic)
				default:
				}
			}
		}
	})
}

func TestUnacknowledgedComesAgain(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		intake, node := s.join(intakeOf(alice)), s.join(topic.Node(alice))
		s.publish(node, up(alice), "batch 1")
		s.publish(node, up(alice), "batch 2")
		m := s.receive(intake)
		if string(m.Payload) != "batch 1" {
			t.Fatalf("got %q first", m.Payload)
		}
		m.Ack()
		if m = s.receive(intake); string(m.Payload) != "batch 2" {
			t.Fatalf("got %q second", m.Payload)
		}
		intake.Close() // before the commit of batch 2
		intake = s.join(intakeOf(alice))
		if !intake.Resumed() {
			t.Error("the session was lost")
		}
		s.expect(intake, up(alice), "batch 2")
		s.publish(node, up(alice), "batch 3")
		s.expect(intake, up(alice), "batch 3")
	})
}

func TestSessionOutlivesRestart(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		s.join(intakeOf(alice)).Close()
		node := s.join(topic.Node(alice))
		for i := range 3 {
			s.publish(node, up(alice), fmt.Sprintf("batch %d", i))
		}
		node.Close()
		s.restart()
		intake := s.connect(s.client(intakeOf(alice))) // without subscribing: the session knows
		if !intake.Resumed() {
			t.Error("the session was lost")
		}
		for i := range 3 {
			s.expect(intake, up(alice), fmt.Sprintf("batch %d", i))
		}
	})
}

// Two holders of one name: the later one wins, as the hub's fail-over needs.
func TestTakeOver(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		first := s.join(intakeOf(alice))
		second := s.join(intakeOf(alice))
		s.ended(first)
		s.publish(s.join(topic.Node(alice)), up(alice), "batch")
		s.expect(second, up(alice), "batch")
	})
}

func TestStrangersAreRefused(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		other, err := pki.NewAuthority(org, time.Now())
		must(t, err)
		for name, change := range map[string]func(*tls.Config){
			"certificate of another authority": func(c *tls.Config) { c.Certificates = []tls.Certificate{s.issue(other, topic.Node(alice))} },
			"no certificate":                   func(c *tls.Config) { c.Certificates = nil },
			"server's certificate":             func(c *tls.Config) { c.Certificates = []tls.Certificate{s.server} },
			"TLS 1.2":                          func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12 },
		} {
			o := s.client(topic.Node(alice))
			change(o.TLS)
			if c, err := mqtt.Dial(t.Context(), o); err == nil {
				c.Close()
				t.Errorf("%s: admitted", name)
			}
		}
		o := s.client(topic.Node(alice))
		o.TLS = pki.ClientConfig(s.cert(topic.Node(alice)), pki.Pool(other.Certificate()), "", time.Now)
		if c, err := mqtt.Dial(t.Context(), o); err == nil {
			c.Close()
			t.Error("a client trusted a broker of another authority")
		}
		s.join(topic.Node(alice))
	})
}

func TestProbe(t *testing.T) {
	eachBroker(t, func(t *testing.T, s *site) {
		o := broker.ProbeOptions{Broker: s.client(topic.Prober()), Org: org}
		for range 2 { // again: what the first left behind does no harm
			r, err := broker.Probe(t.Context(), o)
			if err != nil || !r.Fit() || r.Sent != 1500 || r.Kept != 1500 {
				t.Fatalf("Probe = %+v, %v; want a fit broker that kept all", r, err)
			}
		}
	})
}

// raw connects a client that can do what package mqtt never does.
func (s *site) raw(c topic.Client, change func(*paho.ClientOptions)) *rawClient {
	s.t.Helper()
	wire := &rawWire{}
	o := paho.NewClientOptions().AddBroker(strings.Replace(s.url, "mqtts", "ssl", 1)).SetClientID(c.ID()).
		SetProtocolVersion(4).SetAutoReconnect(false).SetTLSConfig(s.clientTLS(s.cert(c))).SetCustomOpenConnectionFn(wire.open)
	if change != nil {
		change(o)
	}
	client := paho.NewClient(o)
	token := client.Connect()
	if !token.WaitTimeout(patience) || token.Error() != nil {
		s.t.Fatalf("%s: %v", c.ID(), token.Error())
	}
	return &rawClient{Client: client, wire: wire}
}

type rawClient struct {
	paho.Client
	wire *rawWire
}

// cut ends the connection without a farewell, upon which the broker publishes the will.
func (s *site) cut(c *rawClient) {
	s.t.Helper()
	c.wire.mu.Lock()
	defer c.wire.mu.Unlock()
	must(s.t, c.wire.conn.NetConn().Close())
}

type rawWire struct {
	mu   sync.Mutex
	conn *tls.Conn
}

func (w *rawWire) open(u *url.URL, o paho.ClientOptions) (net.Conn, error) {
	cfg := o.TLSConfig.Clone()
	cfg.ServerName = u.Hostname()
	conn, err := tls.Dial("tcp", u.Host, cfg)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn = conn
	return conn, nil
}

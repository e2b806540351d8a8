package broker_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"stockade/hub/broker"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/topic"
)

var errRevoked = errors.New("revoked")

func TestRevocation(t *testing.T) {
	s := newEmbedded(t)
	intake, bobs, alices := s.join(intakeOf(bob)), s.join(topic.Node(bob)), s.join(topic.Node(alice))
	if got, want := s.embedded.Connected(), []string{bob, intakeOf(bob).ID(), alice}; !slices.Equal(got, want) {
		t.Errorf("Connected() = %v, want %v", got, want)
	}
	s.authorize(func(p pki.Peer) error {
		if p.Serial == s.cert(topic.Node(bob)).Leaf.SerialNumber.Text(16) {
			return errRevoked
		}
		return nil
	})
	must(t, s.embedded.Disconnect(bob))
	s.ended(bobs)
	if c, err := mqtt.Dial(t.Context(), s.client(topic.Node(bob))); err == nil {
		c.Close()
		t.Error("a revoked certificate was admitted")
	}
	if slices.Contains(s.embedded.Connected(), bob) {
		t.Errorf("Connected() = %v, want no %s", s.embedded.Connected(), bob)
	}
	must(t, s.embedded.Disconnect("nobody"))
	s.publish(intake, down(alice), "others go on")
	s.expect(alices, down(alice), "others go on")
}

// A revocation that falls between the question and the answer must not be lost.
func TestDisconnectWhileBeingAdmitted(t *testing.T) {
	s := newEmbedded(t)
	asked, answer := make(chan struct{}), make(chan struct{})
	s.authorize(func(pki.Peer) error { close(asked); <-answer; return nil })
	type result struct {
		c   *mqtt.Conn
		err error
	}
	done := make(chan result, 1)
	go func() {
		c, err := mqtt.Dial(t.Context(), s.client(topic.Node(bob)))
		done <- result{c, err}
	}()
	<-asked
	must(t, s.embedded.Disconnect(bob))
	close(answer)
	if r := <-done; r.err == nil {
		defer r.c.Close()
		s.ended(r.c)
	}
	until(t, "no connection is left", func() bool { return len(s.embedded.Connected()) == 0 })
}

func TestExpiryEndsTheConnection(t *testing.T) {
	s := newEmbedded(t)
	pub, key, err := ed25519.GenerateKey(nil)
	must(t, err)
	cert, err := s.ca.IssueClient(topic.Node(bob), pub, time.Now(), 4*time.Second)
	must(t, err)
	pair, err := pki.Pair(key, cert)
	must(t, err)
	o := s.client(topic.Node(bob))
	o.TLS = s.clientTLS(pair)
	c := s.connect(o)
	s.ended(c)
	if time.Now().Before(cert.NotAfter) {
		t.Errorf("ended before %s: %v", cert.NotAfter, c.Err())
	}
}

// The server opens its port before the guard is in place; who comes then must only wait.
func TestEarlyClientIsAdmitted(t *testing.T) {
	s := newSite(t)
	o := s.options(t.TempDir())
	o.Listen = freeAddress(t)
	s.url = "mqtts://" + o.Listen
	client := s.client(topic.Node(alice))
	result := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			c, err := mqtt.Dial(ctx, client)
			var dial *net.OpError
			if errors.As(err, &dial) && dial.Op == "dial" {
				continue // the port is not open yet
			}
			if err == nil {
				c.Close()
			}
			result <- err
			return
		}
		result <- ctx.Err()
	}()
	b, err := broker.Start(t.Context(), o)
	must(t, err)
	defer stop(t, b)
	if b.Addr() != o.Listen {
		t.Errorf("Addr() = %s, want %s", b.Addr(), o.Listen)
	}
	if err := <-result; err != nil {
		t.Errorf("the first client to reach the port: %v", err)
	}
}

func TestQoS2IsRefused(t *testing.T) {
	s := newEmbedded(t)
	m := s.raw(topic.Node(mall), nil)
	token := m.Publish(up(mall), 2, false, "kept for ever")
	until(t, "end of the connection", func() bool { return !m.IsConnected() })
	if token.WaitTimeout(0) && token.Error() == nil {
		t.Error("QoS 2 was accepted")
	}
}

func TestStoreIsEncrypted(t *testing.T) {
	s := newSite(t)
	o := s.options(t.TempDir())
	secret := []byte("what nobody may read on the disk")
	s.fill(o, secret)
	files := 0
	must(t, filepath.WalkDir(o.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if bytes.Contains(b, secret) {
			t.Errorf("%s holds a payload in clear text", path)
		}
		return err
	}))
	if files == 0 {
		t.Error("there is no store")
	}
}

// fill runs a broker until a message for alice's intake lies in its store.
func (s *site) fill(o broker.Options, payload []byte) {
	s.t.Helper()
	b, err := broker.Start(s.t.Context(), o)
	must(s.t, err)
	defer stop(s.t, b)
	s.url = "mqtts://" + b.Addr()
	s.join(intakeOf(alice)).Close()
	node := s.join(topic.Node(alice))
	must(s.t, node.Publish(s.t.Context(), up(alice), payload))
	node.Close()
}

// A store that can not be read costs what was on its way, never the service.
func TestUnreadableStoreIsPutAside(t *testing.T) {
	for name, spoil := range map[string]func(*testing.T, *broker.Options){
		"another key": func(_ *testing.T, o *broker.Options) { o.Key = bytes.Repeat([]byte{7}, 32) },
		"stream without description": func(t *testing.T, o *broker.Options) {
			truncate(t, o.Dir, "jetstream/SYNC/streams/$MQTT_msgs/meta.inf")
		},
		"session without queue": func(t *testing.T, o *broker.Options) {
			truncate(t, o.Dir, "jetstream/SYNC/streams/$MQTT_msgs/obs/*/meta.inf")
		},
		"session whose queue is damaged": func(t *testing.T, o *broker.Options) {
			overwrite(t, o.Dir, "jetstream/SYNC/streams/$MQTT_msgs/obs/*/meta.inf")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			o := s.options(t.TempDir())
			s.fill(o, []byte("batch"))
			spoil(t, &o)
			b, err := broker.Start(t.Context(), o)
			must(t, err)
			defer stop(t, b)
			s.url = "mqtts://" + b.Addr()
			intake, node := s.join(intakeOf(alice)), s.join(topic.Node(alice))
			s.publish(node, up(alice), "batch, sent again")
			s.expect(intake, up(alice), "batch, sent again")
			if _, err := os.Stat(filepath.Join(o.Dir, "unreadable")); err != nil {
				t.Errorf("the old store was not kept: %v", err)
			}
		})
	}
}

func truncate(t *testing.T, dir, pattern string) {
	t.Helper()
	for _, p := range files(t, dir, pattern) {
		must(t, os.Truncate(p, 0))
	}
}

func overwrite(t *testing.T, dir, pattern string) {
	t.Helper()
	for _, p := range files(t, dir, pattern) {
		info, err := os.Stat(p)
		must(t, err)
		must(t, os.WriteFile(p, make([]byte, info.Size()), 0o600))
	}
}

func files(t *testing.T, dir, pattern string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	must(t, err)
	if len(paths) == 0 {
		t.Fatalf("no file %s", pattern)
	}
	return paths
}

func TestReadableStoreStays(t *testing.T) {
	s := newSite(t)
	o := s.options(t.TempDir())
	s.fill(o, []byte("batch"))
	b, err := broker.Start(t.Context(), o)
	must(t, err)
	defer stop(t, b)
	s.url = "mqtts://" + b.Addr()
	s.expect(s.connect(s.client(intakeOf(alice))), up(alice), "batch")
	if _, err := os.Stat(filepath.Join(o.Dir, "unreadable")); err == nil {
		t.Error("a readable store was put aside")
	}
}

// What a broker was killed over is half written, and nobody can tell which half: sessions in it may
// wait for ever.
func TestStoreOfAKilledBrokerBeginsAnew(t *testing.T) {
	s := newSite(t)
	killed := s.options(t.TempDir())
	b, err := broker.Start(t.Context(), killed)
	must(t, err)
	defer stop(t, b)
	s.url = "mqtts://" + b.Addr()
	s.join(intakeOf(alice)).Close()
	s.publish(s.join(topic.Node(alice)), up(alice), "batch 1")
	o := killed
	o.Dir = t.TempDir()
	must(t, os.CopyFS(o.Dir, os.DirFS(killed.Dir))) // as the disk was in that moment
	again, err := broker.Start(t.Context(), o)
	must(t, err)
	defer stop(t, again)
	s.url = "mqtts://" + again.Addr()
	intake, node := s.join(intakeOf(alice)), s.join(topic.Node(alice))
	if intake.Resumed() {
		t.Error("a session came back out of half a store")
	}
	s.publish(node, up(alice), "batch 1, sent again")
	s.expect(intake, up(alice), "batch 1, sent again")
}

func TestStartRefuses(t *testing.T) {
	s := newSite(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer taken.Close()
	for name, change := range map[string]func(*broker.Options){
		"short key":        func(o *broker.Options) { o.Key = o.Key[:31] },
		"no folder":        func(o *broker.Options) { o.Dir = "" },
		"no authorisation": func(o *broker.Options) { o.Authorize = nil },
		"bad organisation": func(o *broker.Options) { o.Org = "a.b" },
		"no TLS":           func(o *broker.Options) { o.TLS = nil },
		"optional clients": func(o *broker.Options) { o.TLS = pki.ServerConfig(s.server, s.pool(), pki.OptionalClient, time.Now) },
		"TLS 1.2":          func(o *broker.Options) { o.TLS = o.TLS.Clone(); o.TLS.MinVersion = tls.VersionTLS12 },
		"bad address":      func(o *broker.Options) { o.Listen = "127.0.0.1" },
		"address in use":   func(o *broker.Options) { o.Listen = taken.Addr().String() },
	} {
		o := s.options(t.TempDir())
		change(&o)
		if b, err := broker.Start(t.Context(), o); err == nil {
			stop(t, b)
			t.Errorf("%s: started", name)
		} else if b != nil {
			t.Errorf("%s: a broker beside the error %v", name, err)
		}
	}
}

// A broker with a small queue is found out, not taken for unfit.
func TestProbeFindsDroppedMessages(t *testing.T) {
	s := newMosquitto(t, "max_queued_messages 100000", "max_queued_messages 100")
	r, err := broker.Probe(t.Context(), broker.ProbeOptions{Broker: s.client(topic.Prober()), Org: org})
	if err != nil || !r.Fit() || r.Kept >= r.Sent || r.Kept < 100 {
		t.Errorf("Probe = %+v, %v; want a fit broker that kept between 100 and %d", r, err, r.Sent)
	}
}

func TestProbeFindsSmallMessages(t *testing.T) {
	s := newMosquitto(t, "max_packet_size 135168", "max_packet_size 65536")
	r, err := broker.Probe(t.Context(), broker.ProbeOptions{Broker: s.client(topic.Prober()), Org: org})
	if err != nil || r.LargeMessage || r.Fit() || !r.Session || !r.Redelivery {
		t.Errorf("Probe = %+v, %v; want no large message and nothing else", r, err)
	}
}

func TestProbeOfNoBroker(t *testing.T) {
	s := newSite(t)
	s.url = "mqtts://" + freeAddress(t)
	if r, err := broker.Probe(t.Context(), broker.ProbeOptions{Broker: s.client(topic.Prober()), Org: org}); err == nil {
		t.Errorf("Probe = %+v without a broker", r)
	}
}

func TestShutdownLeavesNothingRunning(t *testing.T) {
	s := newSite(t)
	o := s.options(t.TempDir())
	run := func() {
		b, err := broker.Start(t.Context(), o)
		must(t, err)
		s.url = "mqtts://" + b.Addr()
		c := s.join(topic.Node(alice))
		stop(t, b)
		s.ended(c)
		c.Close()
		stop(t, b)
	}
	run() // what the libraries start once and for all
	before := runtime.NumGoroutine()
	for range 3 {
		run()
	}
	until(t, "goroutines have ended", func() bool { return runtime.NumGoroutine() <= before })
}

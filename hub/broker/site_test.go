package broker_test

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"stockade/hub/broker"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

const (
	org      topic.Org = "acme"
	patience           = 60 * time.Second // for what must happen
)

// site is an organisation with its authority and a broker, whichever it is.
type site struct {
	t      *testing.T
	ca     *pki.Authority
	server tls.Certificate
	url    string
	// restart stops the broker in good order and starts it with the same store.
	restart func()
	// embedded is the broker inside the hub, nil when it is another one.
	embedded *broker.Broker

	mu    sync.Mutex
	certs map[string]tls.Certificate
	asked func(pki.Peer) error // answers Authorize; nil admits
}

// eachBroker runs a test against the embedded broker and against mosquitto as deployed.
func eachBroker(t *testing.T, test func(t *testing.T, s *site)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) { test(t, newEmbedded(t)) })
	t.Run("mosquitto", func(t *testing.T) { test(t, newMosquitto(t)) })
}

func newSite(t *testing.T) *site {
	t.Helper()
	ca, err := pki.NewAuthority(org, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := pki.NewServerKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.IssueServer([]string{"127.0.0.1", "localhost"}, &key.PublicKey, time.Now(), pki.ServerValid)
	if err != nil {
		t.Fatal(err)
	}
	server, err := pki.Pair(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, ca: ca, server: server, certs: map[string]tls.Certificate{}}
}

func (s *site) pool() *x509.CertPool { return pki.Pool(s.ca.Certificate()) }

func (s *site) options(dir string) broker.Options {
	return broker.Options{
		Dir: dir, Key: []byte("an encryption key of 32 bytes ..."), Listen: "127.0.0.1:0", Org: org, AckWait: time.Second,
		TLS: pki.ServerConfig(s.server, s.pool(), pki.RequireClient, time.Now),
		Authorize: func(_ context.Context, p pki.Peer) error {
			s.mu.Lock()
			asked := s.asked
			s.mu.Unlock()
			if asked != nil {
				return asked(p)
			}
			return nil
		},
		Logger: slog.New(slog.NewTextHandler(s.t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})),
	}
}

func (s *site) authorize(f func(pki.Peer) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = f
}

func newEmbedded(t *testing.T) *site {
	t.Helper()
	s := newSite(t)
	o := s.options(t.TempDir())
	start := func() {
		b, err := broker.Start(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		s.embedded, s.url = b, "mqtts://"+b.Addr()
	}
	s.restart = func() { stop(t, s.embedded); start() }
	start()
	t.Cleanup(func() { stop(t, s.embedded) })
	return s
}

func stop(t *testing.T, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.Shutdown(ctx); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
}

// newMosquitto starts Debian's mosquitto with the files of deploy/broker.
// edit, when given, is an old and a new text in its configuration.
func newMosquitto(t *testing.T, edit ...string) *site {
	t.Helper()
	path, err := exec.LookPath("mosquitto")
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/mosquitto")
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("mosquitto is not installed")
		}
		t.Skip("mosquitto is not installed")
	}
	s := newSite(t)
	dir := t.TempDir()
	must(t, pki.WriteCertificates(filepath.Join(dir, "ca.pem"), s.ca.Certificate()))
	must(t, pki.WriteCertificates(filepath.Join(dir, "server.pem"), s.server.Leaf))
	key, ok := s.server.PrivateKey.(crypto.Signer)
	if !ok {
		t.Fatalf("server key of type %T", s.server.PrivateKey)
	}
	must(t, pki.WriteKey(filepath.Join(dir, "server.key"), key))
	addr := freeAddress(t)
	host, port, _ := net.SplitHostPort(addr)
	fill := strings.NewReplacer("@ORG@", string(org), "@ADDRESS@", host, "@PORT@", port, "@CERTS@", dir, "@ETC@", dir, "@DATA@", dir)
	change := strings.NewReplacer(edit...)
	render(t, fill, change, "stockade.acl", dir)
	render(t, fill, change, "mosquitto.conf", dir)
	s.url = "mqtts://" + addr
	var cmd *exec.Cmd
	start := func() { cmd = runMosquitto(t, path, filepath.Join(dir, "mosquitto.conf"), addr) }
	s.restart = func() { endMosquitto(t, cmd); start() }
	start()
	t.Cleanup(func() { endMosquitto(t, cmd) })
	return s
}

func render(t *testing.T, fill, change *strings.Replacer, name, dir string) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../deploy/broker", name+".in"))
	must(t, err)
	text := fill.Replace(change.Replace(string(b)))
	if strings.HasSuffix(name, ".conf") && os.Getuid() == 0 {
		text += "\nuser root\n" // it could not read the test's folder otherwise
	}
	must(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
}

func runMosquitto(t *testing.T, path, conf, addr string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, "-c", conf)
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	must(t, cmd.Start())
	deadline := time.Now().Add(patience)
	for {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
			return cmd
		}
		if time.Now().After(deadline) {
			_ = cmd.Process.Kill()
			t.Fatalf("mosquitto does not listen on %s: %v", addr, err)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func endMosquitto(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	_ = cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		t.Errorf("end of mosquitto: %v", err)
	}
}

// freeAddress returns an address nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	return l.Addr().String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cert returns the certificate of a client, always the same one.
func (s *site) cert(c topic.Client) tls.Certificate {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.certs[c.ID()]; ok {
		return p
	}
	p := s.issue(s.ca, c)
	s.certs[c.ID()] = p
	return p
}

func (s *site) issue(ca *pki.Authority, c topic.Client) tls.Certificate {
	s.t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	must(s.t, err)
	cert, err := ca.IssueClient(c, pub, time.Now(), pki.ClientValid)
	must(s.t, err)
	p, err := pki.Pair(key, cert)
	must(s.t, err)
	return p
}

func (s *site) clientTLS(cert tls.Certificate) *tls.Config {
	return pki.ClientConfig(cert, s.pool(), "", time.Now)
}

// client returns how c connects: with its own certificate and id, its session kept.
func (s *site) client(c topic.Client) mqtt.Options {
	return mqtt.Options{URL: s.url, ClientID: c.ID(), TLS: s.clientTLS(s.cert(c)), Limit: patience}
}

// join connects c and subscribes to all that it may.
func (s *site) join(c topic.Client) *mqtt.Conn {
	s.t.Helper()
	conn := s.connect(s.client(c))
	for _, filter := range c.Rights(org).Subscribe {
		if err := conn.Subscribe(s.t.Context(), filter); err != nil {
			s.t.Fatalf("%s: %v", c.ID(), err)
		}
	}
	return conn
}

func (s *site) connect(o mqtt.Options) *mqtt.Conn {
	s.t.Helper()
	conn, err := mqtt.Dial(s.t.Context(), o)
	if err != nil {
		s.t.Fatalf("%s: %v", o.ClientID, err)
	}
	s.t.Cleanup(conn.Close)
	return conn
}

func (s *site) publish(c *mqtt.Conn, name, payload string) {
	s.t.Helper()
	if err := c.Publish(s.t.Context(), name, []byte(payload)); err != nil {
		s.t.Fatal(err)
	}
}

// receive returns the next message and does not acknowledge it.
func (s *site) receive(c *mqtt.Conn) mqtt.Message {
	s.t.Helper()
	select {
	case m := <-c.Messages():
		return m
	case <-c.Done():
		s.t.Fatalf("connection ended: %v", c.Err())
	case <-time.After(patience):
		s.t.Fatal("no message")
	}
	return mqtt.Message{}
}

// expect receives and acknowledges one message and checks that it is the one given.
func (s *site) expect(c *mqtt.Conn, name, payload string) {
	s.t.Helper()
	m := s.receive(c)
	m.Ack()
	if m.Topic != name || string(m.Payload) != payload {
		s.t.Fatalf("got %.60q on %s, want %.60q on %s", m.Payload, m.Topic, payload, name)
	}
}

// ended waits until c has ended.
func (s *site) ended(c *mqtt.Conn) {
	s.t.Helper()
	select {
	case <-c.Done():
	case <-time.After(patience):
		s.t.Fatal("the connection goes on")
	}
}

func up(n stock.NodeID) string   { return topic.Up(org, n) }
func down(n stock.NodeID) string { return topic.Down(org, n) }

func intakeOf(n stock.NodeID) topic.Client { return topic.Intake(topic.ShardOf(n)) }

// until waits for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
	}
}

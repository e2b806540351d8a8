package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"stockade/hub/hubtest"
	"stockade/internal/mqtt"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// site is a configured hub in a folder of its own.
type site struct {
	t   *testing.T
	dir string
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newSite(t *testing.T) *site {
	s := &site{t, t.TempDir()}
	check(t, os.WriteFile(s.path("hub.toml"), []byte(`
org = "acme"
data_dir = "data"
key_file = "hub.key"
names = ["localhost", "127.0.0.1"]
[pages]
listen = "127.0.0.1:0"
[nodes]
listen = "127.0.0.1:0"
[mqtt]
listen = "127.0.0.1:0"
`), 0o600))
	return s
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

// run gives a command and returns what it printed.
func (s *site) run(args ...string) (string, string, error) {
	var out, errOut bytes.Buffer
	err := run(context.Background(), append(args, "--config", s.path("hub.toml")), &out, &errOut)
	return out.String(), errOut.String(), err
}

// must gives a command that has to go well.
func (s *site) must(args ...string) string {
	s.t.Helper()
	out, errOut, err := s.run(args...)
	if err != nil {
		s.t.Fatalf("hub %s: %s", strings.Join(args, " "), errOut)
	}
	return out
}

func (s *site) init() { s.t.Helper(); s.must("init", "--root-key", s.path("root.pem")) }

func TestCommandsWithoutAServer(t *testing.T) {
	s := newSite(t)
	if _, errOut, err := s.run("status"); err == nil || !strings.Contains(errOut, "hub init") {
		t.Errorf("before init: %v, %s", err, errOut)
	}
	s.init()
	if info, err := os.Stat(s.path("root.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("root key: %v, %v", info, err)
	}
	if _, _, err := s.run("init", "--root-key", s.path("other.pem")); err == nil {
		t.Error("a second init went well")
	}
	check(t, os.WriteFile(s.path("items.csv"), []byte("\xef\xbb\xbfsku,name,codes\nA,苹果,6901234567892\nB,梨,\n"), 0o600))
	check(t, os.WriteFile(s.path("bins.csv"), []byte("warehouse,bin,use\nSHA,R-01,receiving\nSHA,A-01,\n"), 0o600))
	s.must("item", "import", s.path("items.csv"))
	s.must("item", "add", "--sku", "C", "--name", "桃", "--gtin", "A-code")
	s.must("location", "import", s.path("bins.csv"))
	s.must("location", "add", "SHA/B-01", "--name", "二号架")
	var status statusReport
	check(t, json.Unmarshal([]byte(s.must("status", "--json")), &status))
	if status.Items != 3 || status.Locations != 3 || status.LogEpoch != 1 || status.Leaves != 6 || status.Checkpoint != 6 || status.Addresses != nil {
		t.Errorf("status %+v", status)
	}
	for _, tt := range []struct {
		args []string
		say  string
	}{
		{[]string{"item", "add", "--sku", "D", "--name", "x", "--gtin", "A-code"}, "条码已属于另一个商品"},
		{[]string{"item", "add", "--sku", "D", "--name", "x", "--gtin", "A-code", "--lang", "en"}, "belongs to another item"},
		{[]string{"location", "add", "SHA"}, "WAREHOUSE/BIN"},
		{[]string{"node", "add", "sh-1", "--warehouse", "SHA"}, "hub serve"},
		{[]string{"node", "revoke", "sh-1", "--reason", "x"}, "没有找到"},
		{[]string{"node", "revoke", "sh-1"}, "--reason"},
		{[]string{"held", "accept", "00112233"}, "没有找到"},
		{[]string{"log", "reopen", "--reason", "x"}, "--root-key"},
		{[]string{"stock", "--nonsense"}, "nonsense"},
		{[]string{"nonsense"}, "hub serve"},
		{[]string{"held", "show"}, "HASH"},
	} {
		if _, errOut, err := s.run(tt.args...); err == nil || !strings.Contains(errOut, tt.say) {
			t.Errorf("hub %v = %v, %q; want something about %q", tt.args, err, errOut, tt.say)
		}
	}
	for _, args := range [][]string{{"stock"}, {"stock", "--json"}, {"exceptions"}, {"exceptions", "--json", "--all"}, {"node", "list"}, {"held", "list", "--json"}, {"audit", "verify"}, {"trust"}} {
		s.must(args...)
		s.must(append(args, "--lang", "en")...)
	}
	s.must("broker", "certs", s.path("certs"), "--name", "broker.example,10.0.0.7")
	if _, err := pki.LoadPair(s.path("certs/server.pem"), s.path("certs/server.key")); err != nil {
		t.Error(err)
	}
	s.must("audit", "export", s.path("export"))
	if _, errOut, err := s.run("audit", "export", s.path("export")); err == nil || !strings.Contains(errOut, "已存在") {
		t.Errorf("export over an export: %v, %s", err, errOut)
	}
	s.must("log", "reopen", "--root-key", s.path("root.pem"), "--reason", "restored", "--old-head", s.path("export/checkpoint"))
	check(t, json.Unmarshal([]byte(s.must("status", "--json")), &status))
	if status.LogEpoch != 2 {
		t.Errorf("log epoch %d, want 2", status.LogEpoch)
	}
	s.must("audit", "verify")
	check(t, os.Remove(s.path("root.pem")))
	s2 := newSite(t)
	s2.init()
	if _, errOut, err := s.run("log", "reopen", "--root-key", s2.path("root.pem"), "--reason", "x"); err == nil || !strings.Contains(errOut, "根密钥") {
		t.Errorf("reopened with another company's key: %v, %s", err, errOut)
	}
}

// written keeps what the server prints, for when a test fails.
type written struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (w *written) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func (w *written) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// serve runs the server until the test ends, and returns where it is.
func (s *site) serve() addresses {
	s.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	out := &written{}
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"serve", "--config", s.path("hub.toml")}, out, out) }()
	s.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			s.t.Errorf("serve: %v", err)
		}
		if s.t.Failed() {
			s.t.Log(out.String())
		}
	})
	var a addresses
	s.until("the server's addresses", func() bool {
		select {
		case err := <-ended:
			ended <- err
			s.t.Fatalf("serve ended: %v\n%s", err, out)
		default:
		}
		b, err := os.ReadFile(s.path("data/addresses.json"))
		return err == nil && json.Unmarshal(b, &a) == nil
	})
	return a
}

func (s *site) until(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ok() {
			return
		}
	}
	s.t.Fatalf("%s: not within %s", what, patience)
}

// node is an enrolled node with a connection.
type node struct {
	hubtest.Node
	s    *site
	e    enrol.Enrolled
	conn *mqtt.Conn
}

// enrol makes a node by the token that the command prints.
func (s *site) enrol(id stock.NodeID, w stock.Warehouse) *node {
	s.t.Helper()
	token, err := enrol.DecodeToken(s.must("node", "add", string(id), "--warehouse", string(w)))
	check(s.t, err)
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	check(s.t, err)
	signed, err := enrol.SealRequest(key, token.Request(nil))
	check(s.t, err)
	client := &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: pki.PinnedConfig(token.Fingerprint(), token.Host(), time.Now), DisableKeepAlives: true}}
	r, err := client.Post(token.Hub+enrol.PathEnrol, enrol.ContentType, bytes.NewReader(signed))
	check(s.t, err)
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	check(s.t, err)
	a, err := enrol.DecodeAnswer(b)
	if err != nil {
		s.t.Fatalf("enrol: %s %s", r.Status, b)
	}
	n := &node{s: s, Node: hubtest.Node{T: s.t, ID: id, W: w, Key: key, Epoch: 1, Next: 1}}
	n.e, err = a.Check(token, pub, nil, time.Now())
	check(s.t, err)
	n.connect()
	return n
}

func (n *node) dial() (*mqtt.Conn, error) {
	pair, err := pki.Pair(n.Key, n.e.Certificate)
	check(n.T, err)
	return mqtt.Dial(context.Background(), mqtt.Options{URL: n.e.MQTT[0], ClientID: string(n.ID), TLS: pki.ClientConfig(pair, pki.Pool(n.e.Authority), "", time.Now), Limit: patience})
}

func (n *node) connect() {
	n.T.Helper()
	var err error
	n.conn, err = n.dial()
	check(n.T, err)
	n.T.Cleanup(n.conn.Close)
	check(n.T, n.conn.Subscribe(context.Background(), topic.Down("acme", n.ID)))
}

func (n *node) send(raw []byte) {
	n.T.Helper()
	check(n.T, n.conn.Publish(context.Background(), topic.Up("acme", n.ID), raw))
}

// next returns the next message of a kind.
func (n *node) next(kind delivery.MessageKind) delivery.Message {
	n.T.Helper()
	limit := time.After(patience)
	for {
		select {
		case m := <-n.conn.Messages():
			m.Ack()
			d, err := delivery.DecodeMessage(m.Payload)
			check(n.T, err)
			if d.Kind == kind {
				return d
			}
		case <-n.conn.Done():
			n.T.Fatalf("connection ended: %v", n.conn.Err())
		case <-limit:
			n.T.Fatalf("no message of kind %d within %s", kind, patience)
		}
	}
}

func (n *node) ack() delivery.Ack {
	n.T.Helper()
	var a delivery.Ack
	check(n.T, delivery.Unseal(n.e.Keys.Ack, n.next(delivery.MsgAck), &a))
	return a
}

// greet says hello until it is answered with a message of that kind, as nodes do: the hub may not listen yet, or have nothing yet.
func (n *node) greet(h delivery.Hello, kind delivery.MessageKind) delivery.Message {
	n.T.Helper()
	answered := make(chan struct{})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if err := n.conn.Publish(context.Background(), topic.Up("acme", n.ID), n.Say(delivery.MsgHello, h).Raw); err != nil {
				return // the wait for the answer says so
			}
			select {
			case <-answered:
				return
			case <-time.After(2 * time.Second):
			}
		}
	}()
	m := n.next(kind)
	close(answered)
	<-ended
	return m
}

// TestTheWholeLine: token, enrolment, broker, intake, acknowledgement, feeds, revocation.
func TestTheWholeLine(t *testing.T) {
	s := newSite(t)
	s.init()
	a := s.serve()
	if _, errOut, err := s.run("serve"); err == nil || !strings.Contains(errOut, "已在运行") {
		t.Errorf("a second server: %v, %s", err, errOut)
	}
	if !strings.HasPrefix(a.Pages, "https://localhost:") || !strings.HasPrefix(a.MQTT[0], "mqtts://localhost:") || strings.HasSuffix(a.Pages, ":0") {
		t.Errorf("addresses %+v", a)
	}
	n := s.enrol("sh-1", "SHA")
	hello := delivery.Hello{Org: "acme", Node: "sh-1", Boot: delivery.Boot{1}, Nonce: delivery.Nonce{1}, Log: n.e.Log, Feeds: []delivery.FeedPlace{{Feed: "catalogue"}}}
	var ack delivery.Ack
	check(t, delivery.Unseal(n.e.Keys.Ack, n.greet(hello, delivery.MsgAck), &ack))
	if ack.Nonce != (delivery.Nonce{1}) || ack.Head.Seq != 0 {
		t.Errorf("answer to hello: %+v", ack)
	}
	for i := range 3 {
		n.send(n.Batch(hubtest.Receipt("SHA", i), hubtest.Receipt("SHA", i+10)).Raw)
	}
	for seen := uint64(0); seen < 3; seen = n.ack().Head.Seq {
	}
	var report stockReport
	check(t, json.Unmarshal([]byte(s.must("stock", "--json")), &report))
	if len(report.Rows) != 6 || report.Rows[0].Warehouse != "SHA" || report.Rows[0].Quantity != stock.Unit || report.Rows[0].Location[:2] != "A-" || len(report.AsOf) != 1 || report.AsOf[0].Batch == nil {
		t.Errorf("stock %+v", report)
	}
	var cases []exceptionRow
	check(t, json.Unmarshal([]byte(s.must("exceptions", "--json")), &cases))
	if len(cases) != 6 || cases[0].Kind != "unknown_item" {
		t.Errorf("exceptions %+v", cases)
	}
	var items strings.Builder
	w := csv.NewWriter(&items)
	check(t, w.Write([]string{"sku", "name"}))
	for _, r := range report.Rows {
		check(t, w.Write([]string{string(r.SKU), "货"}))
	}
	w.Flush()
	check(t, os.WriteFile(s.path("items.csv"), []byte(items.String()), 0o600))
	s.must("item", "import", s.path("items.csv"))
	n.next(delivery.MsgMore) // the running server has noticed and cut the feed
	check(t, json.Unmarshal([]byte(s.must("exceptions", "--json")), &cases))
	if len(cases) != 0 {
		t.Errorf("exceptions after the items were added: %+v", cases)
	}
	hello.Nonce = delivery.Nonce{2}
	n.greet(hello, delivery.MsgChunk)
	s.must("audit", "verify")

	s.must("node", "revoke", "sh-1", "--reason", "stolen")
	select {
	case <-n.conn.Done():
	case <-time.After(patience):
		t.Fatal("a revoked node stayed connected")
	}
	if c, err := n.dial(); err == nil {
		c.Close()
		t.Error("a revoked node could connect again")
	}
	var nodes []nodeRow
	check(t, json.Unmarshal([]byte(s.must("node", "list", "--json")), &nodes))
	if len(nodes) != 1 || !nodes[0].Revoked || nodes[0].Sequence != 3 || nodes[0].LastSeen == nil {
		t.Errorf("nodes %+v", nodes)
	}
}

func TestConfigurations(t *testing.T) {
	for name, tt := range map[string]struct{ text, say string }{
		"unknown setting": {"org='a'\ndata_dir='d'\nkey_file='k'\ncolour='red'", "colour"},
		"no org":          {"data_dir='d'\nkey_file='k'", "org"},
		"no folder":       {"org='a'", "data_dir"},
		"language":        {"org='a'\ndata_dir='d'\nkey_file='k'\nlang='fr'", "lang"},
		"zone":            {"org='a'\ndata_dir='d'\nkey_file='k'\nzone='Mars'", "zone"},
		"listener":        {"org='a'\ndata_dir='d'\nkey_file='k'\n[pages]\nlisten='8443'", "pages.listen"},
		"two brokers":     {"org='a'\ndata_dir='d'\nkey_file='k'\n[mqtt]\nlisten=':1'\nbroker='mqtts://b:1'", "either"},
		"plain broker":    {"org='a'\ndata_dir='d'\nkey_file='k'\n[mqtt]\nbroker='mqtt://b:1'", "mqtts"},
		"password rules":  {"org='a'\ndata_dir='d'\nkey_file='k'\npassword_rules='none'", "password_rules"},
		"idle for ever":   {"org='a'\ndata_dir='d'\nkey_file='k'\nsession_idle='24h'", "session_idle"},
		"keys nowhere":    {"org='a'\ndata_dir='d'\nkey_file='k'\npasskey_roles=['auditor']", "passkey_domain"},
		"issuer of http":  {"org='a'\ndata_dir='d'\nkey_file='k'\n[oidc]\nissuer='http://login.example'\nclient_id='c'\nclient_secret_file='s'", "https"},
		"no issuer":       {"org='a'\ndata_dir='d'\nkey_file='k'\n[oidc]\nclient_id='c'", "issuer"},
		"no secret":       {"org='a'\ndata_dir='d'\nkey_file='k'\n[oidc]\nissuer='https://login.example'\nclient_id='c'", "client_secret_file"},
		"secret in sight": {"org='a'\ndata_dir='d'\nkey_file='k'\n[oidc]\nissuer='https://login.example'\nclient_id='c'\nclient_secret='s'", "client_secret"},
		"empty amr":       {"org='a'\ndata_dir='d'\nkey_file='k'\n[oidc]\nissuer='https://login.example'\nclient_id='c'\nclient_secret_file='s'\nsecond_factor_amr=['']", "amr"},
		"not TOML":        {"org=", "read configuration"},
	} {
		path := filepath.Join(t.TempDir(), "hub.toml")
		check(t, os.WriteFile(path, []byte(tt.text), 0o600))
		if _, err := loadConfig(path); err == nil || !strings.Contains(err.Error(), tt.say) {
			t.Errorf("%s: %v, want something about %q", name, err, tt.say)
		}
	}
	path := filepath.Join(t.TempDir(), "hub.toml")
	check(t, os.WriteFile(path, []byte("org='a'\ndata_dir='d'\nkey_file='k'\nnames=['hub.example','10.0.0.1']\n[nodes]\npublic='gate.example:9000'\n[mqtt]\nlisten=':1883'"), 0o600))
	c, err := loadConfig(path)
	check(t, err)
	a, err := c.addresses()
	check(t, err)
	if got := fmt.Sprint(a.Pages, " ", a.Nodes, " ", a.MQTT); got != "https://hub.example:8443 https://gate.example:9000 [mqtts://hub.example:1883]" {
		t.Errorf("addresses %s", got)
	}
}

func TestHelpSpeaksBothLanguages(t *testing.T) {
	for _, a := range actions() {
		if a.zh == "" || a.en == "" {
			t.Errorf("hub %s is not explained in both languages", a.name)
		}
		for lang, want := range map[string]string{"zh": a.zh, "en": a.en} {
			var out, errOut bytes.Buffer
			err := run(context.Background(), append(strings.Fields(a.name), "--help", "--lang", lang), &out, &errOut)
			if err != nil || !strings.Contains(out.String(), want) {
				t.Errorf("hub %s --help --lang %s = %v, %q %q", a.name, lang, err, out.String(), errOut.String())
			}
		}
	}
}

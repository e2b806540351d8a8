package pki_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stockade/internal/pki"
	"stockade/protocol/topic"
)

var today = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func newAuthority(t *testing.T, org topic.Org) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(org, today)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func clientPair(t *testing.T, a *pki.Authority, c topic.Client, from time.Time) tls.Certificate {
	t.Helper()
	pub, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.IssueClient(c, pub, from, pki.ClientValid)
	return pair(t, key, cert, err)
}

func serverPair(t *testing.T, a *pki.Authority, hosts ...string) tls.Certificate {
	t.Helper()
	key, err := pki.NewServerKey()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.IssueServer(hosts, &key.PublicKey, today, pki.ServerValid)
	if err != nil {
		t.Fatal(err)
	}
	p, err := pki.Pair(key, cert, a.Certificate())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func pair(t *testing.T, key crypto.Signer, cert *x509.Certificate, err error) tls.Certificate {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	p, err := pki.Pair(key, cert)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shake runs one handshake over a pipe and returns what each side made of it.
func shake(t *testing.T, server, client *tls.Config) (state tls.ConnectionState, serverErr, clientErr error) {
	t.Helper()
	a, b := net.Pipe()
	deadline := time.Now().Add(20 * time.Second)
	_, _ = a.SetDeadline(deadline), b.SetDeadline(deadline)
	srv, cli := tls.Server(a, server), tls.Client(b, client)
	done := make(chan error, 1)
	go func() {
		err := cli.Handshake()
		if err == nil {
			_, err = cli.Read(make([]byte, 1)) // TLS 1.3: the server's refusal comes after the handshake
		}
		_ = b.Close()
		done <- err
	}()
	serverErr = srv.Handshake()
	if serverErr == nil {
		_, _ = srv.Write([]byte{1})
	}
	state = srv.ConnectionState()
	_ = a.Close()
	return state, serverErr, <-done
}

func TestMutualAuthentication(t *testing.T) {
	ca, other := newAuthority(t, "acme"), newAuthority(t, "acme")
	pool := pki.Pool(ca.Certificate())
	node := clientPair(t, ca, topic.Node("sh-01"), today)
	server := serverPair(t, ca, "hub.example", "127.0.0.1")
	now := pki.At(today)
	late := pki.At(today.Add(pki.ClientValid + time.Hour))
	early := pki.At(today.Add(-48 * time.Hour))

	tests := []struct {
		name    string
		server  *tls.Config
		client  *tls.Config
		refused string // "" when both sides accept; otherwise who refuses
	}{
		{"node", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "hub.example", now), ""},
		{"address", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "127.0.0.1", now), ""},
		{"other name", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "evil.example", now), "client"},
		{"client of another authority", pki.ServerConfig(server, pool, pki.RequireClient, now),
			pki.ClientConfig(clientPair(t, other, topic.Node("sh-01"), today), pool, "hub.example", now), "server"},
		{"server of another authority", pki.ServerConfig(serverPair(t, other, "hub.example"), pool, pki.RequireClient, now),
			pki.ClientConfig(node, pool, "hub.example", now), "client"},
		{"no client certificate", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(tls.Certificate{}, pool, "hub.example", now), "server"},
		{"no client certificate where optional", pki.ServerConfig(server, pool, pki.OptionalClient, now), pki.ClientConfig(tls.Certificate{}, pool, "hub.example", now), ""},
		{"server certificate used by a client", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(server, pool, "hub.example", now), "server"},
		{"client certificate used by a server", pki.ServerConfig(node, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "hub.example", now), "client"},
		{"expired client", pki.ServerConfig(server, pool, pki.RequireClient, late), pki.ClientConfig(node, pool, "hub.example", now), "server"},
		{"expired client, optional", pki.ServerConfig(server, pool, pki.OptionalClient, late), pki.ClientConfig(node, pool, "hub.example", now), "server"},
		{"expired client renews", pki.ServerConfig(server, pool, pki.OptionalExpired, late), pki.ClientConfig(node, pool, "hub.example", now), ""},
		{"foreign client renews", pki.ServerConfig(server, pool, pki.OptionalExpired, late),
			pki.ClientConfig(clientPair(t, other, topic.Node("sh-01"), today), pool, "hub.example", now), "server"},
		{"server certificate renews", pki.ServerConfig(server, pool, pki.OptionalExpired, now), pki.ClientConfig(server, pool, "hub.example", now), "server"},
		{"expired server", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "hub.example", pki.At(today.Add(pki.ServerValid+time.Hour))), "client"},
		{"client whose clock is far behind", pki.ServerConfig(server, pool, pki.RequireClient, now), pki.ClientConfig(node, pool, "hub.example", early), "client"},
		{"the same with the time of a later build", pki.ServerConfig(server, pool, pki.RequireClient, now),
			pki.ClientConfig(node, pool, "hub.example", pki.Latest(early, now)), ""},
		{"pinned", pki.ServerConfig(server, pool, pki.OptionalClient, now), pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "hub.example", now), ""},
		{"pinned, other name", pki.ServerConfig(server, pool, pki.OptionalClient, now), pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "evil.example", now), "client"},
		{"pinned, no name", pki.ServerConfig(server, pool, pki.OptionalClient, now), pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "", now), "client"},
		{"pinned, other hub", pki.ServerConfig(serverPair(t, other, "hub.example"), pool, pki.OptionalClient, now),
			pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "hub.example", now), "client"},
		{"pinned, expired", pki.ServerConfig(server, pool, pki.OptionalClient, now),
			pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "hub.example", pki.At(today.Add(2*pki.ServerValid))), "client"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			state, serverErr, clientErr := shake(t, tt.server, tt.client)
			switch {
			case tt.refused == "" && (serverErr != nil || clientErr != nil):
				t.Errorf("server: %v, client: %v; want a connection", serverErr, clientErr)
			case tt.refused == "" && state.Version != tls.VersionTLS13:
				t.Errorf("version %x, want TLS 1.3", state.Version)
			case tt.refused == "server" && serverErr == nil:
				t.Error("the server accepted")
			case tt.refused == "client" && clientErr == nil:
				t.Error("the client accepted")
			}
		})
	}
}

// A hub of an attacker can put the real authority's certificate, which is public, behind its own.
func TestPinNeedsASignatureNotJustTheCertificate(t *testing.T) {
	ca, evil := newAuthority(t, "acme"), newAuthority(t, "acme")
	server := serverPair(t, evil, "hub.example")
	server.Certificate[1] = ca.Certificate().Raw
	_, _, err := shake(t, pki.ServerConfig(server, nil, pki.OptionalClient, pki.At(today)),
		pki.PinnedConfig(pki.Fingerprint(ca.Certificate()), "hub.example", pki.At(today)))
	if err == nil {
		t.Error("a server certificate that the pinned authority did not sign was accepted")
	}
}

func TestOldTLSIsRefused(t *testing.T) {
	ca := newAuthority(t, "acme")
	pool := pki.Pool(ca.Certificate())
	client := pki.ClientConfig(clientPair(t, ca, topic.Node("sh-01"), today), pool, "hub.example", pki.At(today))
	client.MinVersion, client.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	_, err, _ := shake(t, pki.ServerConfig(serverPair(t, ca, "hub.example"), pool, pki.RequireClient, pki.At(today)), client)
	if err == nil {
		t.Error("TLS 1.2 was accepted")
	}
}

func TestPeer(t *testing.T) {
	ca := newAuthority(t, "acme")
	pool := pki.Pool(ca.Certificate())
	server := pki.ServerConfig(serverPair(t, ca, "hub.example"), pool, pki.OptionalClient, pki.At(today))

	node := clientPair(t, ca, topic.Node("sh-01"), today)
	state, _, _ := shake(t, server, pki.ClientConfig(node, pool, "hub.example", pki.At(today)))
	peer, err := pki.PeerOfConnection("acme", state)
	if err != nil || peer.ID() != "sh-01" || peer.Client.Kind != topic.NodeClient {
		t.Fatalf("peer %+v, %v, want node sh-01", peer, err)
	}
	if len(peer.Serial) != 32 || peer.Fingerprint != pki.Fingerprint(node.Leaf) || len(peer.Fingerprint) != 43 {
		t.Errorf("peer %+v: want a serial of 128 bits and the key's fingerprint", peer)
	}

	state, _, _ = shake(t, server, pki.ClientConfig(tls.Certificate{}, pool, "hub.example", pki.At(today)))
	if _, err := pki.PeerOfConnection("acme", state); !errors.Is(err, pki.ErrNoCertificate) {
		t.Errorf("without a certificate: %v, want ErrNoCertificate", err)
	}
	for name, cert := range map[string]*x509.Certificate{
		"another organisation":   clientPair(t, newAuthority(t, "other"), topic.Node("sh-01"), today).Leaf,
		"a server":               serverPair(t, ca, "sh-01").Leaf,
		"the authority":          ca.Certificate(),
		"an unknown common name": renamed(t, ca, "intake-99"),
	} {
		if peer, err := pki.PeerOf("acme", cert); err == nil {
			t.Errorf("certificate of %s: %+v, want an error", name, peer)
		}
	}
}

// renamed returns a certificate as the authority would never issue it.
func renamed(t *testing.T, ca *pki.Authority, cn string) *x509.Certificate {
	t.Helper()
	cert := *clientPair(t, ca, topic.Intake(1), today).Leaf
	cert.Subject.CommonName = cn
	return &cert
}

func TestIssueRefuses(t *testing.T) {
	ca := newAuthority(t, "acme")
	pub, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := pki.NewServerKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]topic.Client{"reserved name": topic.Node("hub"), "intake as node": topic.Node("intake/3"), "shard out of range": topic.Intake(topic.Shards), "nobody": {}} {
		if cert, err := ca.IssueClient(c, pub, today, pki.ClientValid); err == nil {
			t.Errorf("%s: issued %v", name, cert.Subject)
		}
	}
	if _, err := ca.IssueClient(topic.Node("sh-01"), ec.Public(), today, pki.ClientValid); err == nil {
		t.Error("an ECDSA key was accepted for a node")
	}
	if _, err := ca.IssueClient(topic.Node("sh-01"), pub[:31], today, pki.ClientValid); err == nil {
		t.Error("a short key was accepted")
	}
	if _, err := ca.IssueServer(nil, &ec.PublicKey, today, pki.ServerValid); err == nil {
		t.Error("a server without a name was accepted")
	}
	if _, err := ca.IssueClient(topic.Node("sh-01"), pub, today.Add(pki.AuthorityValid), pki.ClientValid); err == nil {
		t.Error("an expired authority issued")
	}
	cert, err := ca.IssueClient(topic.Node("sh-01"), pub, today.Add(pki.AuthorityValid-time.Hour), pki.ClientValid)
	if err != nil || cert.NotAfter.After(ca.Certificate().NotAfter) {
		t.Errorf("near the authority's end: %v, %v; want a certificate that ends with it", cert, err)
	}
}

func TestSaveAndLoad(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "ca.key")
	ca := newAuthority(t, "acme")
	if err := ca.Save(certFile, keyFile); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(keyFile)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the key %v, %v, want 0600", info.Mode(), err)
	}
	loaded, err := pki.LoadAuthority(certFile, keyFile)
	if err != nil || loaded.Org() != "acme" || !loaded.Certificate().Equal(ca.Certificate()) {
		t.Fatalf("load: %v, %v", loaded, err)
	}

	before, _ := os.ReadFile(keyFile)
	if err := newAuthority(t, "acme").Save(certFile, keyFile); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second save: %v, want fs.ErrExist", err)
	}
	if after, _ := os.ReadFile(keyFile); string(after) != string(before) {
		t.Error("the key was overwritten")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".pki-*")); len(left) != 0 {
		t.Errorf("temporary files left: %v", left)
	}

	if err := pki.WriteCertificates(certFile, newAuthority(t, "acme").Certificate()); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.LoadAuthority(certFile, keyFile); err == nil {
		t.Error("a certificate of another key was accepted")
	}
	if err := os.Chmod(keyFile, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ReadKey(keyFile); !errors.Is(err, pki.ErrExposed) {
		t.Errorf("key readable by the group: %v, want ErrExposed", err)
	}
}

func FuzzDecode(f *testing.F) {
	ca, err := pki.NewAuthority("acme", today)
	if err != nil {
		f.Fatal(err)
	}
	cert := pki.EncodeCertificates(ca.Certificate())
	f.Add(string(cert))
	f.Add(string(cert) + string(cert))
	f.Add(strings.Replace(string(cert), "CERT", "PRIV", 2))
	f.Add("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
	f.Fuzz(func(t *testing.T, s string) {
		if certs, err := pki.DecodeCertificates([]byte(s)); err == nil {
			again, err := pki.DecodeCertificates(pki.EncodeCertificates(certs...))
			if err != nil || len(again) != len(certs) {
				t.Errorf("encoded again: %d certificates, %v; want %d", len(again), err, len(certs))
			}
			_, _ = pki.PeerOf("acme", certs[0])
		}
		if key, err := pki.DecodeKey([]byte(s)); err == nil {
			if _, err := pki.EncodeKey(key); err != nil {
				t.Errorf("encode a key that was read: %v", err)
			}
		}
	})
}

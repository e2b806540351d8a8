package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"time"

	"stockade/internal/pki"
	"stockade/protocol/change"
	"stockade/protocol/topic"
)

// brokerCerts writes what a foreign broker needs: the authority's certificate, and a server
// certificate with its key. The hub's own clients get theirs at each start; those of the
// folder are for trying the broker by hand.
func (c *command) brokerCerts(ctx context.Context, args []string) error {
	names := c.flags.String("name", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want("DIR"); err != nil {
		return err
	}
	if *names == "" {
		return &usageError{zh: "请用 --name 给出外部服务器的名称或地址（多个用逗号分隔）", en: "give the broker's names or addresses with --name, separated by commas"}
	}
	return c.do(ctx, func(h *hub) error {
		dir := c.args[0]
		e := change.Entry{Act: "broker.certificates", Object: *names, Detail: map[string]string{"folder": dir}}
		if err := h.recorder.Act(ctx, h.who, e, nothing); err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		ca := h.ring.Authority
		if err := pki.WriteCertificates(filepath.Join(dir, "ca.pem"), ca.Certificate()); err != nil {
			return err
		}
		key, err := pki.NewServerKey()
		if err != nil {
			return err
		}
		cert, err := ca.IssueServer(strings.Split(*names, ","), &key.PublicKey, time.Now(), pki.ServerValid)
		if err != nil {
			return err
		}
		if err := writePair(dir, "server", key, cert); err != nil {
			return err
		}
		clients := []topic.Client{topic.Prober()}
		for n := range topic.Shard(topic.Shards) {
			clients = append(clients, topic.Intake(n))
		}
		for _, client := range clients {
			pub, key, err := ed25519.GenerateKey(rand.Reader)
			if err != nil {
				return err
			}
			cert, err := ca.IssueClient(client, pub, time.Now(), pki.ClientValid)
			if err != nil {
				return err
			}
			if err := writePair(dir, client.ID(), key, cert); err != nil {
				return err
			}
		}
		return nil
	})
}

func writePair(dir, name string, key crypto.Signer, cert *x509.Certificate) error {
	if err := pki.WriteKey(filepath.Join(dir, name+".key"), key); err != nil {
		return err
	}
	return pki.WriteCertificates(filepath.Join(dir, name+".pem"), cert)
}

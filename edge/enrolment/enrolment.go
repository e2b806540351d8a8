// Package enrolment makes a node of a machine: with a one-time token from the hub it makes the
// node's key, asks the hub, checks the answer against the token, and stores what it may keep.
package enrolment

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"stockade/edge/store"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
	"stockade/protocol/stock"
)

// patience is how long the hub may take to answer.
const patience = 30 * time.Second

// Problem is the hub's word for why it did not enrol the node.
type Problem struct{ Word enrol.Problem }

func (p *Problem) Error() string { return "the hub refuses: " + string(p.Word) }

// Run enrols the node. hosts are the names and addresses under which browsers reach its pages; none
// asks for no page certificate. It returns who the node is now.
func Run(ctx context.Context, s *store.Store, text string, hosts []string) (stock.NodeID, error) {
	token, err := enrol.DecodeToken(text)
	if err != nil {
		return "", err
	}
	if err := s.View(ctx, func(tx *store.Tx) error {
		if tx.Node() != "" {
			return fmt.Errorf("this machine is node %s already; a new node needs an empty data folder", tx.Node())
		}
		return nil
	}); err != nil {
		return "", err
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", err
	}
	page, pageKey, err := newPage(hosts)
	if err != nil {
		return "", err
	}
	e, err := ask(ctx, token, key, page)
	if err != nil {
		return "", err
	}
	kept := store.Enrolment{
		Trust: delivery.Trust{Org: e.Org, Node: e.Node, Warehouse: e.Warehouse, Root: e.Root, Key: key}, Seed: key.Seed(),
		Certificate: e.Certificate.Raw, Authority: e.Authority.Raw, PageKey: pageKey, Opening: e.Opening, Hub: token.Hub, Brokers: e.MQTT, HubTime: e.Time,
		Keys: e.SignedKeys, Log: e.Log, Checkpoint: e.Checkpoint,
	}
	if e.Page != nil {
		kept.Page = e.Page.Raw
	}
	return e.Node, s.Update(ctx, func(tx *store.Tx) error { return tx.PutEnrolment(kept) })
}

func newPage(hosts []string) (*enrol.Page, []byte, error) {
	if len(hosts) == 0 {
		return nil, nil, nil
	}
	key, err := pki.NewServerKey()
	if err != nil {
		return nil, nil, err
	}
	pem, err := pki.EncodeKey(key)
	if err != nil {
		return nil, nil, err
	}
	page, err := enrol.NewPage(&key.PublicKey, hosts)
	return page, pem, err
}

// ask puts the question to the hub, over TLS pinned by the token, and checks the answer.
func ask(ctx context.Context, t enrol.Token, key ed25519.PrivateKey, page *enrol.Page) (enrol.Enrolled, error) {
	question, err := enrol.SealRequest(key, t.Request(page))
	if err != nil {
		return enrol.Enrolled{}, err
	}
	// A machine without a clock battery can not judge dates yet. The token pins the hub's key and
	// ends soon itself; the certificates that come are judged by the time in the answer.
	var shown []*x509.Certificate
	settings := pki.PinnedConfig(t.Fingerprint(), t.Host(), func() time.Time { return within(shown) })
	verify := settings.VerifyConnection
	settings.VerifyConnection = func(s tls.ConnectionState) error {
		shown = s.PeerCertificates
		return verify(s)
	}
	body, err := post(ctx, settings, t.Hub+enrol.PathEnrol, question)
	if err != nil {
		return enrol.Enrolled{}, err
	}
	answer, err := enrol.DecodeAnswer(body)
	if err != nil {
		return enrol.Enrolled{}, err
	}
	pub, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return enrol.Enrolled{}, errors.New("node key is no Ed25519 key")
	}
	return answer.Check(t, pub, page, time.UnixMilli(answer.Time))
}

// post puts a question to the hub and returns its answer, or a *Problem.
func post(ctx context.Context, settings *tls.Config, url string, question []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(question))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", enrol.ContentType)
	res, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, enrol.MaxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("read the hub's answer: %w", err)
	}
	if res.StatusCode == http.StatusOK {
		return body, nil
	}
	if res.StatusCode >= http.StatusBadRequest && len(body) < 64 {
		return nil, &Problem{enrol.Problem(bytes.TrimSpace(body))}
	}
	return nil, fmt.Errorf("the hub answers %s", res.Status)
}

// within returns the present, or the nearest time at which all the shown certificates are valid.
func within(shown []*x509.Certificate) time.Time {
	now := time.Now()
	for _, c := range shown {
		if now.After(c.NotAfter) {
			now = c.NotAfter
		}
	}
	for _, c := range shown {
		if now.Before(c.NotBefore) {
			now = c.NotBefore
		}
	}
	return now
}

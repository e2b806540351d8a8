package enrolment

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"stockade/edge/store"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
)

// Due reports whether the node's certificates should be renewed: a third of their time is left.
func Due(e store.Enrolment, now time.Time) (bool, error) {
	for _, der := range [][]byte{e.Certificate, e.Page} {
		if len(der) == 0 {
			continue
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return false, fmt.Errorf("read certificate: %w", err)
		}
		if now.After(c.NotAfter.Add(-c.NotAfter.Sub(c.NotBefore) / 3)) {
			return true, nil
		}
	}
	return false, nil
}

// Renew asks the hub for new certificates for the keys that the node has, checks and keeps them.
// The present certificate proves who asks; it may have expired. hosts are as in Run; judge
// tells the time at which the hub's certificate is judged.
func Renew(ctx context.Context, s *store.Store, hosts []string, judge pki.Clock) error {
	var e store.Enrolment
	var st delivery.SenderState
	err := s.View(ctx, func(tx *store.Tx) (err error) {
		if e, err = tx.Enrolment(); err == nil {
			st, err = tx.SenderState()
		}
		return err
	})
	if err != nil {
		return err
	}
	keys, err := delivery.OpenKeys(e.Trust.Root, e.Trust.Org, st.Keys)
	if err != nil {
		return err
	}
	page, err := samePage(e.PageKey, hosts)
	if err != nil {
		return err
	}
	fresh, err := askAgain(ctx, e, keys, page, judge)
	if err != nil {
		return err
	}
	var pageDER []byte
	if fresh.Page != nil {
		pageDER = fresh.Page.Raw
	}
	return s.Update(ctx, func(tx *store.Tx) error {
		return tx.PutCertificates(fresh.Certificate.Raw, fresh.Authority.Raw, pageDER, fresh.MQTT)
	})
}

// samePage asks for a certificate for the page key that the node has, if it has one.
func samePage(keyPEM []byte, hosts []string) (*enrol.Page, error) {
	if len(keyPEM) == 0 || len(hosts) == 0 {
		return nil, nil
	}
	key, err := pki.DecodeKey(keyPEM)
	if err != nil {
		return nil, fmt.Errorf("page key: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("page key is no ECDSA key")
	}
	return enrol.NewPage(&ec.PublicKey, hosts)
}

func askAgain(ctx context.Context, e store.Enrolment, keys delivery.Keys, page *enrol.Page, judge pki.Clock) (enrol.Certificates, error) {
	question, err := enrol.Renewal{Page: page}.Encode()
	if err != nil {
		return enrol.Certificates{}, err
	}
	own, err := x509.ParseCertificate(e.Certificate)
	if err != nil {
		return enrol.Certificates{}, fmt.Errorf("node certificate: %w", err)
	}
	authority, err := x509.ParseCertificate(e.Authority)
	if err != nil {
		return enrol.Certificates{}, fmt.Errorf("hub authority: %w", err)
	}
	pair, err := pki.Pair(e.Trust.Key, own)
	if err != nil {
		return enrol.Certificates{}, err
	}
	body, err := post(ctx, pki.ClientConfig(pair, pki.Pool(authority), "", judge), e.Hub+enrol.PathRenew, question)
	if err != nil {
		return enrol.Certificates{}, err
	}
	answer, err := enrol.DecodeRenewed(body)
	if err != nil {
		return enrol.Certificates{}, err
	}
	pub, ok := e.Trust.Key.Public().(ed25519.PublicKey)
	if !ok {
		return enrol.Certificates{}, errors.New("node key is no Ed25519 key")
	}
	return answer.Check(keys, e.Trust.Node, pub, page, time.UnixMilli(answer.Time))
}

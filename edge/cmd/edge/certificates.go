package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"stockade/edge/enrolment"
	"stockade/edge/store"
	"stockade/internal/pki"
	"stockade/protocol/clock"
)

// built is set by the linker: Unix seconds of the source that this program was made from.
var built = "0"

// certificates are those of a running node. Renewed ones take the place of the old without a restart.
type certificates struct {
	clock *clock.Clock

	mu     sync.Mutex
	kept   store.Enrolment
	client tls.Certificate
	page   tls.Certificate
}

func newCertificates(e store.Enrolment, c *clock.Clock) (*certificates, error) {
	k := &certificates{clock: c}
	return k, k.set(e)
}

// set takes certificates as they were stored.
func (k *certificates) set(e store.Enrolment) error {
	authority, err := x509.ParseCertificate(e.Authority)
	if err != nil {
		return fmt.Errorf("hub authority: %w", err)
	}
	own, err := x509.ParseCertificate(e.Certificate)
	if err != nil {
		return fmt.Errorf("node certificate: %w", err)
	}
	client, err := pki.Pair(e.Trust.Key, own)
	if err != nil {
		return fmt.Errorf("node certificate: %w", err)
	}
	if len(e.Page) == 0 {
		return errors.New("the hub gave no page certificate: enrol again with names in the configuration")
	}
	key, err := pki.DecodeKey(e.PageKey)
	if err != nil {
		return fmt.Errorf("page key: %w", err)
	}
	shown, err := x509.ParseCertificate(e.Page)
	if err != nil {
		return fmt.Errorf("page certificate: %w", err)
	}
	page, err := pki.Pair(key, shown, authority)
	if err != nil {
		return fmt.Errorf("page certificate: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept, k.client, k.page = e, client, page
	return nil
}

// clientTLS returns the settings of connections to the hub.
func (k *certificates) clientTLS() (*tls.Config, error) {
	authority, err := x509.ParseCertificate(k.kept.Authority)
	if err != nil {
		return nil, fmt.Errorf("hub authority: %w", err)
	}
	settings := pki.ClientConfig(tls.Certificate{}, pki.Pool(authority), "", k.judge)
	settings.Certificates = nil
	settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		c := k.client
		return &c, nil
	}
	return settings, nil
}

// pageTLS returns the settings of the pages.
func (k *certificates) pageTLS() (*tls.Config, error) {
	return &tls.Config{MinVersion: tls.VersionTLS13, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		k.mu.Lock()
		defer k.mu.Unlock()
		c := k.page
		return &c, nil
	}}, nil
}

// judge tells the time at which certificates are judged. A machine whose clock is years off would not reach the
// hub that could set it right, so it is the clock's best estimate and not what the machine shows.
func (k *certificates) judge() time.Time { return k.clock.Wall() }

// certain is a time that has passed by now: that of the build, or of the hub's last word.
func certain(e store.Enrolment) time.Time {
	return pki.Latest(pki.At(buildTime()), pki.At(e.HubTime))()
}

func buildTime() time.Time {
	s, err := strconv.ParseInt(built, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(s, 0)
}

// Times between looks at the certificates.
const (
	renewEvery = 12 * time.Hour
	renewAgain = 30 * time.Minute // after a failure
)

// renew keeps the node's certificates fresh until ctx ends. Without a line to the hub it goes on trying.
func (n *node) renew(ctx context.Context) error {
	for {
		wait := renewEvery
		if err := n.renewOnce(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("certificates could not be renewed, trying again", "error", err)
			wait = renewAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (n *node) renewOnce(ctx context.Context) error {
	n.certificates.mu.Lock()
	kept := n.certificates.kept
	n.certificates.mu.Unlock()
	due, err := enrolment.Due(kept, n.certificates.judge())
	if err != nil || !due {
		return err
	}
	if err := enrolment.Renew(ctx, n.store, n.config.Names, n.certificates.judge); err != nil {
		return err
	}
	var fresh store.Enrolment
	if err := n.store.View(ctx, func(tx *store.Tx) (err error) { fresh, err = tx.Enrolment(); return err }); err != nil {
		return err
	}
	n.log.Info("certificates were renewed")
	return n.certificates.set(fresh)
}

package play

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"path/filepath"
	"time"

	"stockade/edge/store"
	"stockade/hub/keyring"
	hub "stockade/hub/store"
	"stockade/internal/pki"
	"stockade/internal/vault"
	"stockade/test/rig"
)

// WithStore opens a node's store beside or in place of its program. Only a node that is not running may be
// written to: the program remembers what it wrote itself.
func WithStore(ctx context.Context, e *rig.Edge, fn func(*store.Store) error) error {
	key, err := vault.LoadKeyFile(e.KeyFile(), e.Data())
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(e.Data(), "node.db"), Key: key})
	if err != nil {
		return err
	}
	s, err := store.Open(ctx, v)
	if err == nil {
		err = fn(s)
	}
	return errors.Join(err, v.Close())
}

// Credentials returns what a thief of the node's store would connect with.
func Credentials(ctx context.Context, e *rig.Edge) (*tls.Config, error) {
	var kept store.Enrolment
	err := WithStore(ctx, e, func(s *store.Store) error {
		return s.View(ctx, func(tx *store.Tx) (err error) { kept, err = tx.Enrolment(); return err })
	})
	if err != nil {
		return nil, err
	}
	own, err1 := x509.ParseCertificate(kept.Certificate)
	authority, err2 := x509.ParseCertificate(kept.Authority)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	pair, err := pki.Pair(kept.Trust.Key, own)
	if err != nil {
		return nil, err
	}
	return pki.ClientConfig(pair, pki.Pool(authority), "", time.Now), nil
}

// Ring returns the keys of a hub.
func Ring(ctx context.Context, h *rig.Hub) (ring *keyring.Ring, err error) {
	err = WithHub(ctx, h, func(s *hub.Store) error {
		return s.View(ctx, func(v *hub.View) (err error) { ring, err = keyring.Load(v); return err })
	})
	return ring, err
}

// WithHub opens the store of a hub, which may run.
func WithHub(ctx context.Context, h *rig.Hub, fn func(*hub.Store) error) error {
	key, err := vault.LoadKeyFile(h.KeyFile(), h.Data())
	if err != nil {
		return err
	}
	v, err := vault.Open(ctx, vault.Options{Path: filepath.Join(h.Data(), "hub.db"), Key: key})
	if err != nil {
		return err
	}
	s, err := hub.Open(ctx, v)
	if err == nil {
		err = fn(s)
	}
	return errors.Join(err, v.Close())
}

// Whole returns an error unless every page of a node's store is in order.
func Whole(ctx context.Context, e *rig.Edge) error {
	return WithStore(ctx, e, func(s *store.Store) error { return s.Vault().Check(ctx) })
}

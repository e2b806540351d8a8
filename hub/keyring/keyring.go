// Package keyring holds the keys that make a hub the hub: those that sign acknowledgements,
// feeds and checkpoints, and its certificate authority.
//
// They lie inside the encrypted store and never leave it. What vouches for them is the
// company's root key, which signs their numbered list and the opening of the log. The root
// key is made once, written to a file of its own and then belongs off the machine: it is
// needed again only when working keys change or a log has to be opened anew.
package keyring

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"stockade/hub/store"
	"stockade/internal/pki"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/topic"
)

// Names of the settings under which the ring lies in the store.
const (
	settingOrg     = store.SettingOrg
	settingRoot    = "root_key"
	settingAck     = "ack_key"
	settingFeed    = "feed_key"
	settingLog     = "log_key"
	settingCA      = "ca_certificate"
	settingCAKey   = "ca_key"
	settingKeyList = "key_list"
	settingBroker  = "broker_key"
)

// Errors that callers test for.
var (
	ErrNoHub = errors.New("this store has no hub yet")
	ErrIsHub = errors.New("this store has a hub already")
	ErrRoot  = errors.New("this is not the company's root key")
)

// Ring is the keys of one hub. It is not changed once it was loaded.
type Ring struct {
	Org       topic.Org
	Root      ed25519.PublicKey
	Ack       ed25519.PrivateKey
	Feed      ed25519.PrivateKey
	Log       ed25519.PrivateKey
	Keys      []byte // root-signed list
	Authority *pki.Authority
	Broker    []byte // encrypts what the hub's own broker keeps on disk
}

// Make makes a new hub in an empty store: new working keys, their list signed by root, and
// the opening of the first log.
func Make(tx *store.Tx, org topic.Org, root crypto.Signer) (*Ring, error) {
	if _, err := tx.Setting(settingOrg); !errors.Is(err, store.ErrNotFound) {
		return nil, errors.Join(err, ErrIsHub)
	}
	pub, ok := root.Public().(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("make hub: the root key must be Ed25519")
	}
	ca, err := pki.NewAuthority(org, tx.Now())
	if err != nil {
		return nil, fmt.Errorf("make hub: %w", err)
	}
	r := &Ring{Org: org, Root: pub, Authority: ca, Broker: make([]byte, 32)}
	if _, err := rand.Read(r.Broker); err != nil {
		return nil, fmt.Errorf("make hub: %w", err)
	}
	for _, key := range []*ed25519.PrivateKey{&r.Ack, &r.Feed, &r.Log} {
		if _, *key, err = ed25519.GenerateKey(rand.Reader); err != nil {
			return nil, fmt.Errorf("make hub: %w", err)
		}
	}
	pin := r.Pin()
	r.Keys, err = delivery.SealKeys(root, delivery.Keys{Org: string(org), Number: 1, Ack: public(r.Ack), Feed: public(r.Feed), Log: public(r.Log), CA: pin[:]})
	if err != nil {
		return nil, fmt.Errorf("make hub: %w", err)
	}
	if err := r.save(tx); err != nil {
		return nil, fmt.Errorf("make hub: %w", err)
	}
	return r, r.Open(tx, root, delivery.Opening{Epoch: 1, Reason: "first log"})
}

// Open begins a log with the statement o, which root signs, and cuts its first checkpoint.
// Organisation and time are filled in.
func (r *Ring) Open(tx *store.Tx, root crypto.Signer, o delivery.Opening) error {
	if pub, ok := root.Public().(ed25519.PublicKey); !ok || !pub.Equal(r.Root) {
		return ErrRoot
	}
	o.Org, o.Time = string(r.Org), tx.Now().UnixMilli()
	signed, err := delivery.SealOpening(root, o)
	if err != nil {
		return fmt.Errorf("open log %d: %w", o.Epoch, err)
	}
	if err := tx.OpenLog(o.Epoch, delivery.OpeningLeaf(signed), signed); err != nil {
		return err
	}
	return r.Checkpoint(tx)
}

func (r *Ring) save(tx *store.Tx) error {
	cert, key, err := r.Authority.Encode()
	if err != nil {
		return err
	}
	for name, value := range map[string][]byte{
		settingOrg: []byte(r.Org), settingRoot: r.Root, settingAck: r.Ack.Seed(), settingFeed: r.Feed.Seed(), settingLog: r.Log.Seed(),
		settingCA: cert, settingCAKey: key, settingKeyList: r.Keys, settingBroker: r.Broker,
	} {
		if err := tx.PutSetting(name, value); err != nil {
			return err
		}
	}
	return nil
}

// Load reads the ring of a store; it returns ErrNoHub when Make was never called.
func Load(v *store.View) (*Ring, error) {
	org, err := v.Setting(settingOrg)
	if errors.Is(err, store.ErrNotFound) {
		return nil, ErrNoHub
	}
	if err != nil {
		return nil, err
	}
	r := &Ring{Org: topic.Org(org)}
	var cert, caKey []byte
	for name, to := range map[string]*[]byte{settingRoot: (*[]byte)(&r.Root), settingKeyList: &r.Keys, settingCA: &cert, settingCAKey: &caKey, settingBroker: &r.Broker} {
		if *to, err = v.Setting(name); err != nil {
			return nil, err
		}
	}
	for name, to := range map[string]*ed25519.PrivateKey{settingAck: &r.Ack, settingFeed: &r.Feed, settingLog: &r.Log} {
		seed, err := v.Setting(name)
		if err != nil {
			return nil, err
		}
		if len(seed) != ed25519.SeedSize {
			return nil, fmt.Errorf("read %s: %d bytes", name, len(seed))
		}
		*to = ed25519.NewKeyFromSeed(seed)
	}
	if r.Authority, err = pki.DecodeAuthority(cert, caKey); err != nil {
		return nil, err
	}
	if _, err := delivery.OpenKeys(r.Root, string(r.Org), r.Keys); err != nil {
		return nil, fmt.Errorf("read list of working keys: %w", err)
	}
	return r, nil
}

// Pin returns the SHA-256 of the authority's public key, which nodes are told at enrolment.
func (r *Ring) Pin() change.Hash {
	return sha256.Sum256(r.Authority.Certificate().RawSubjectPublicKeyInfo)
}

// Receiver returns the hub's end of the sync core for a log.
func (r *Ring) Receiver(l store.LogInfo) *delivery.Receiver {
	return &delivery.Receiver{Org: string(r.Org), Ack: r.Ack, Log: r.Log, LogEpoch: l.Epoch, Opening: l.Opening, Keys: r.Keys}
}

// Checkpoint signs the present head of the log and keeps it.
func (r *Ring) Checkpoint(tx *store.Tx) error {
	tree, err := tx.Log().Head()
	if err != nil {
		return err
	}
	note, err := audit.SignCheckpoint(audit.Checkpoint{Origin: audit.Origin(string(r.Org), tx.LogEpoch()), Tree: tree}, r.Log)
	if err != nil {
		return err
	}
	return tx.PutCheckpoint(tree, note)
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// Package store keeps what a node knows, in its encrypted store: every change of its own and of
// its siblings, the ledger that they add up to, its chain of batches and its end of the sync
// core, master data from the hub, and where each station stands.
//
// A Tx is one open transaction. It implements what the ledger (stock.Book) and the sync core
// (delivery.NodeStore) ask of a store, so that a scan's movement, its audit entry, its place in
// the outbox and what the worker is told are committed together or not at all.
//
// What acts remember of the store between transactions (ids, balances, the catalogue) is forgotten
// whenever the vault says that something was undone or that another process has written.
package store

import (
	"context"
	"crypto/ed25519"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/change"
	"stockade/protocol/clock"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// ErrNotEnrolled is returned while the node does not know who it is.
var ErrNotEnrolled = errors.New("this node is not enrolled")

// Store is a node's store. Its methods may be called by any number of goroutines.
type Store struct {
	vault   *vault.Store
	changed chan struct{}
	queued  chan struct{}
	rights  chan struct{}
	people  People // see OnMember

	sessionsEnd func(*vault.Tx) error // see OnSessionsEnd
	memo        *memo                 // belongs to the act that runs
}

// Open brings the tables of an open vault up to date. The caller closes the vault.
func Open(ctx context.Context, v *vault.Store) (*Store, error) {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	if err := vault.Migrate(ctx, v, dir); err != nil {
		return nil, fmt.Errorf("open node store: %w", err)
	}
	s := &Store{vault: v, changed: make(chan struct{}, 1), queued: make(chan struct{}, 1), rights: make(chan struct{}, 1), memo: newMemo(0)}
	return s, s.learnLabels(ctx)
}

// Vault returns the encrypted store below.
func (s *Store) Vault() *vault.Store { return s.vault }

// Changed is sent to after a commit that added changes of the node's own.
func (s *Store) Changed() <-chan struct{} { return s.changed }

// PrintsQueued is sent to after a commit that added print jobs.
func (s *Store) PrintsQueued() <-chan struct{} { return s.queued }

// Tx is an open transaction.
type Tx struct {
	tx    *vault.Tx
	memo  *memo
	added bool // changes of the node's own
	print bool // print jobs were queued

	rights bool // the feed of rights had news
	people People

	sessionsEnd func(*vault.Tx) error

	bytes []byte      // of the movement that is being posted, until its row is there
	heard clock.Stamp // highest stamp of a change that came from elsewhere
}

// Update runs fn in one transaction and returns after it is durable. Calls that come at the
// same time share a commit, and each fails alone.
func (s *Store) Update(ctx context.Context, fn func(*Tx) error) error {
	added, queued, rights := false, false, false
	err := s.vault.Update(ctx, func(vtx *vault.Tx) error {
		tx, err := s.begin(vtx)
		if err != nil {
			return err
		}
		err = fn(tx)
		added, queued, rights = tx.added, tx.print, tx.rights
		return err
	})
	if err == nil && added {
		notify(s.changed)
	}
	if err == nil && queued {
		notify(s.queued)
	}
	if err == nil && rights {
		notify(s.rights)
	}
	return err
}

// begin makes a Tx of an act, with the memo that all acts share.
func (s *Store) begin(vtx *vault.Tx) (*Tx, error) {
	if s.memo.undone != vtx.Undone() {
		s.memo = newMemo(vtx.Undone())
	}
	s.memo.trim()
	tx := &Tx{tx: vtx, memo: s.memo, people: s.people, sessionsEnd: s.sessionsEnd}
	return tx, tx.who()
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// View runs fn on the last commit. Writing fails.
func (s *Store) View(ctx context.Context, fn func(*Tx) error) error {
	return s.vault.View(ctx, func(vtx *vault.Tx) error {
		tx := &Tx{tx: vtx, memo: newMemo(0)}
		if err := tx.who(); err != nil {
			return err
		}
		return fn(tx)
	})
}

func (tx *Tx) who() error {
	if tx.memo.node != "" {
		return nil
	}
	err := tx.tx.QueryRow(`SELECT node, warehouse FROM enrolment`).Scan(&tx.memo.node, &tx.memo.warehouse)
	if errors.Is(err, vault.ErrNoRows) {
		return nil
	}
	return err
}

// Node returns whose store it is; empty before enrolment.
func (tx *Tx) Node() stock.NodeID { return tx.memo.node }

// Warehouse returns the warehouse that the node belongs to.
func (tx *Tx) Warehouse() stock.Warehouse { return tx.memo.warehouse }

// Heard returns the highest stamp of the changes that came from elsewhere in this
// transaction: the node's clock follows it.
func (tx *Tx) Heard() clock.Stamp { return tx.heard }

// Vault returns the transaction below, for packages that keep tables of their own beside ours.
func (tx *Tx) Vault() *vault.Tx { return tx.tx }

// Enrolment is what makes a machine a node.
type Enrolment struct {
	Trust       delivery.Trust
	Seed        []byte // of Trust.Key
	Certificate []byte // DER
	Authority   []byte // DER
	Page        []byte // DER, empty for none
	PageKey     []byte // PEM
	Opening     []byte
	Hub         string // where certificates are renewed
	Brokers     []string
	HubTime     time.Time         // the hub's clock when it last spoke
	Keys        []byte            // signed list of the hub's keys
	Log         delivery.LogPlace // the head that the next one must extend
	Checkpoint  []byte
}

// PutEnrolment makes the node what the hub says it is. A node is enrolled once.
func (tx *Tx) PutEnrolment(e Enrolment) error {
	if tx.memo.node != "" {
		return fmt.Errorf("enrol as %s: this store belongs to node %s already", e.Trust.Node, tx.memo.node)
	}
	if _, err := tx.tx.Exec(`INSERT INTO enrolment (one, org, node, warehouse, root, seed, certificate, authority, page, page_key, opening, brokers, hub)
		VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)`, e.Trust.Org, string(e.Trust.Node), string(e.Trust.Warehouse), []byte(e.Trust.Root), e.Seed,
		e.Certificate, e.Authority, notNil(e.Page), notNil(e.PageKey), e.Opening, strings.Join(e.Brokers, "\n"), e.Hub); err != nil {
		return fmt.Errorf("store enrolment: %w", err)
	}
	zero := make([]byte, len(change.Hash{}))
	if _, err := tx.tx.Exec(`INSERT INTO sync (one, epoch, seq, hash, next, acked_epoch, acked_seq, acked_hash, kept, log_epoch, log_size, log_root, keys, frozen, evidence, asked, grant_bytes, hub_time)
		VALUES (1, 1, 0, ?1, 1, 1, 0, ?1, 0, ?2, ?3, ?4, ?5, '', x'', x'', x'', ?6)`, zero, int64(e.Log.Epoch), e.Log.Size, e.Log.Root[:], e.Keys, max(0, e.HubTime.UnixMilli())); err != nil { // #nosec G115 -- counts
		return fmt.Errorf("store enrolment: %w", err)
	}
	tx.memo.node, tx.memo.warehouse = e.Trust.Node, e.Trust.Warehouse
	return tx.PutLog(e.Log, e.Checkpoint)
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Enrolment returns what PutEnrolment kept, or ErrNotEnrolled. Keys, Log and Checkpoint are
// part of the sync state and left empty.
func (tx *Tx) Enrolment() (Enrolment, error) {
	var e Enrolment
	var root []byte
	var brokers string
	var hubTime int64
	err := tx.tx.QueryRow(`SELECT org, node, warehouse, root, seed, certificate, authority, page, page_key, opening, brokers, hub, hub_time FROM enrolment, sync`).Scan(
		&e.Trust.Org, &e.Trust.Node, &e.Trust.Warehouse, &root, &e.Seed, &e.Certificate, &e.Authority, &e.Page, &e.PageKey, &e.Opening, &brokers, &e.Hub, &hubTime)
	if errors.Is(err, vault.ErrNoRows) {
		return Enrolment{}, ErrNotEnrolled
	}
	if err != nil {
		return Enrolment{}, fmt.Errorf("read enrolment: %w", err)
	}
	if len(e.Seed) != ed25519.SeedSize {
		return Enrolment{}, errors.New("read enrolment: node key is damaged")
	}
	e.Trust.Root, e.Trust.Key = root, ed25519.NewKeyFromSeed(e.Seed)
	e.Brokers, e.HubTime = strings.Fields(brokers), time.UnixMilli(hubTime)
	return e, nil
}

// PutCertificates keeps renewed certificates (DER) and where the brokers are now.
func (tx *Tx) PutCertificates(certificate, authority, page []byte, brokers []string) error {
	return tx.exec("certificates", `UPDATE enrolment SET certificate = ?1, authority = ?2, page = ?3, brokers = ?4`, certificate, authority, notNil(page), strings.Join(brokers, "\n"))
}

// PutHubTime keeps the hub's clock at its last signed word: certificates are judged by it when this
// machine's own clock can not be believed.
func (tx *Tx) PutHubTime(t time.Time) error {
	return tx.exec("hub time", `UPDATE sync SET hub_time = ?1`, t.UnixMilli())
}

// LastStamp returns the hybrid time of the node's newest own change, zero when there is none.
func (tx *Tx) LastStamp() (clock.Stamp, error) {
	st, err := tx.SenderState()
	if err != nil {
		return 0, err
	}
	for epoch := st.Head.Epoch; epoch > 0; epoch-- {
		last, ok, err := tx.lastOwn(epoch)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		if c, err := change.Decode(last); err == nil { // else of a newer program: the one before it is older still
			return c.Meta.Time, nil
		}
	}
	return 0, nil
}

func (tx *Tx) lastOwn(epoch uint64) ([]byte, bool, error) {
	s, ok, err := tx.findStream(stock.Stream{Node: tx.memo.node, Epoch: epoch})
	if err != nil || !ok {
		return nil, false, err
	}
	var b []byte
	err = tx.tx.QueryRow(`SELECT bytes FROM change WHERE id BETWEEN ?1 AND ?2 ORDER BY id DESC LIMIT 1`, s<<streamShift, s<<streamShift|maxNumber).Scan(&b)
	if errors.Is(err, vault.ErrNoRows) {
		return nil, false, nil
	}
	return b, err == nil, err
}

// AddIn is Tx.Add for an act that another package has begun on the same vault.
func (s *Store) AddIn(vtx *vault.Tx, c change.Change) error {
	tx, err := s.begin(vtx)
	if err != nil {
		return err
	}
	if _, err := tx.Add(c); err != nil {
		return err
	}
	notify(s.changed) // before the commit: who hears it looks in an act of its own, which comes after this one
	return nil
}

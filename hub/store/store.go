// Package store keeps what the hub knows, in its encrypted store: batches as they came in, the
// Merkle log over them, the ledger that they add up to, the cases that people look after,
// nodes, master data and feeds.
//
// A Tx is one open transaction. It implements what the ledger (stock.Book), the log
// (audit.HashStore) and the sync core (delivery.HubStore) ask of a store, so all that a batch
// brings about is committed together or not at all.
//
// Taking in batches has to be fast on a small machine, so the store remembers in memory what
// comes up again: kinds of stock with their balances, node states, hashes at the edge of the
// tree, open cases. Balances and cases that change many times in one transaction are written
// once, at its end. Whatever was remembered is forgotten when a transaction fails, and when
// another program has written to the same file.
//
// Statements are written for SQLite and PostgreSQL alike (?1, ?2); only the migrations differ.
package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Migrations returns the numbered files that make the hub's tables.
func Migrations() fs.FS {
	dir, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return dir
}

// Errors that callers test for.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
)

// Store is the hub's store. Its methods may be called by any number of goroutines.
type Store struct {
	vault *vault.Store
	// memory is used inside acts only, and those run one at a time.
	memory  *memory
	onEntry func(*vault.Tx, NodeEntry) error
}

// Open brings the tables of an open vault up to date. The caller closes the vault.
func Open(ctx context.Context, v *vault.Store) (*Store, error) {
	if err := vault.Migrate(ctx, v, Migrations()); err != nil {
		return nil, fmt.Errorf("open hub store: %w", err)
	}
	for set, files := range map[string]fs.FS{"review": reviewMigrations(), "lesson": lessonMigrations(), "leaver": leaverMigrations()} { // none needs another's
		if err := vault.MigrateSet(ctx, v, set, files); err != nil {
			return nil, fmt.Errorf("open hub store: %w", err)
		}
	}
	return &Store{vault: v}, nil
}

// Vault returns the encrypted store below, for its statistics and checks.
func (s *Store) Vault() *vault.Store { return s.vault }

// View is a consistent state of the store to read from.
type View struct{ tx *vault.Tx }

// View runs fn on the last commit.
func (s *Store) View(ctx context.Context, fn func(*View) error) error {
	return s.vault.View(ctx, func(tx *vault.Tx) error { return fn(&View{tx}) })
}

// Tx is an open transaction. It sees what it has written itself, except through View's
// methods about balances and cases: those show what was flushed.
type Tx struct {
	View
	m   *memory
	now int64 // Unix milliseconds

	onEntry func(*vault.Tx, NodeEntry) error

	batch   openBatch
	dirty   []*cell
	touched []*cell  // see touchCell
	moved   stock.ID // the movement that was added last
	cases   map[caseName]*pendingCase
	order   []*pendingCase
	nodes   []*nodeRow
	said    map[string]bool // notices
}

// Update runs fn in one transaction at the given time. fn runs alone and must not wait; it
// may share its commit with others and is undone alone when it fails.
func (s *Store) Update(ctx context.Context, now time.Time, fn func(*Tx) error) error {
	return s.vault.Update(ctx, func(vtx *vault.Tx) error { return s.Within(vtx, now, fn) })
}

// Within runs fn in an act on the vault that is open already, for those who keep tables of
// their own there and have to record what they do in the same transaction. An error of it
// must fail the act.
func (s *Store) Within(vtx *vault.Tx, now time.Time, fn func(*Tx) error) error {
	m, err := s.remember(vtx)
	if err != nil {
		return err
	}
	tx := &Tx{View: View{vtx}, m: m, now: now.UnixMilli(), onEntry: s.onEntry}
	s.memory = nil // until all has gone well
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Flush(); err != nil {
		return err
	}
	m.token = rand.Int64() // #nosec G404 -- only tells acts apart
	if _, err := vtx.Exec(`UPDATE generation SET token = ?1`, m.token); err != nil {
		return fmt.Errorf("mark act: %w", err)
	}
	m.trim()
	s.memory = m
	return nil
}

// remember returns what is kept in memory if it is still true: if the last act that this
// store made is the last that anybody made. A commit that failed later, with all acts that
// shared it, shows in the same way as another program's writing.
func (s *Store) remember(vtx *vault.Tx) (*memory, error) {
	var token int64
	if err := vtx.QueryRow(`SELECT token FROM generation`).Scan(&token); err != nil {
		return nil, fmt.Errorf("read generation: %w", err)
	}
	if s.memory != nil && s.memory.token == token {
		return s.memory, nil
	}
	return newMemory(vtx)
}

// Now returns the transaction's one clock reading.
func (tx *Tx) Now() time.Time { return time.UnixMilli(tx.now).UTC() }

// Flush writes what was gathered so far, so that View's methods see it.
func (tx *Tx) Flush() error {
	if err := tx.flushBalances(); err != nil {
		return err
	}
	if err := tx.flushTouched(); err != nil {
		return err
	}
	if err := tx.flushCases(); err != nil {
		return err
	}
	return tx.flushNodes()
}

// Kinds of notice.
const (
	NoticeEnrolled = "enrolled"
	NoticeRevoked  = "revoked"
	NoticeDecided  = "decided"
	NoticeMaster   = "master"
	NoticePolicy   = "policy"
)

// Notice is what the running server is told of.
type Notice struct {
	Seq  int64
	Kind string
	Node string
}

// Notify leaves word for the running server, which may be another program. The same word
// is left once in a transaction.
func (tx *Tx) Notify(kind, node string) error {
	if tx.said[kind+node] {
		return nil
	}
	if tx.said == nil {
		tx.said = map[string]bool{}
	}
	tx.said[kind+node] = true
	_, err := tx.tx.Exec(`INSERT INTO notice (kind, node) VALUES (?1, ?2)`, kind, node)
	if err != nil {
		return fmt.Errorf("notify of %s: %w", kind, err)
	}
	return nil
}

// NoticesAfter returns what was left since the notice with that number, in order.
func (v *View) NoticesAfter(seq int64) ([]Notice, error) {
	rows, err := v.tx.Query(`SELECT seq, kind, node FROM notice WHERE seq > ?1 ORDER BY seq`, seq)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	defer rows.Close()
	var out []Notice
	for rows.Next() {
		var n Notice
		if err := rows.Scan(&n.Seq, &n.Kind, &n.Node); err != nil {
			return nil, fmt.Errorf("read notices: %w", err)
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// LastNotice returns the number of the last notice, 0 for none.
func (v *View) LastNotice() (int64, error) {
	var seq int64
	err := v.tx.QueryRow(`SELECT coalesce(max(seq), 0) FROM notice`).Scan(&seq)
	return seq, err
}

package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
)

// migration is one numbered file of SQL.
type migration struct {
	number int
	name   string
	text   string
	digest [sha256.Size]byte
}

var migrationName = regexp.MustCompile(`^([0-9]{4})_[a-z0-9_]+\.sql$`)

// Migrate brings the store's tables to the newest state that dir knows. It applies the
// files 0001_name.sql, 0002_name.sql and so on in order, each once and in a transaction
// of its own, and remembers what it applied. A file must not be edited once it was
// released; Migrate finds out and fails. It fails with ErrNewer when the store has
// migrations that dir does not have. Two processes may migrate at the same time.
func Migrate(ctx context.Context, s *Store, dir fs.FS) error {
	return migrate(ctx, s, "migration", dir)
}

// MigrateSet is Migrate for the tables of a package that lives in the stores of several programs: the
// set has numbers of its own, and its files touch no tables but its own. set is a lower-case word.
func MigrateSet(ctx context.Context, s *Store, set string, dir fs.FS) error {
	if !setName.MatchString(set) {
		return fmt.Errorf("migrate: %q can not name a set of migrations", set)
	}
	return migrate(ctx, s, "migration_"+set, dir)
}

var setName = regexp.MustCompile(`^[a-z]+$`)

// migrate remembers what it applied in the table of that name.
func migrate(ctx context.Context, s *Store, table string, dir fs.FS) error {
	list, err := readMigrations(dir)
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	err = s.Update(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`
			-- The migrations that made this store's tables, with the digest of their text.
			CREATE TABLE IF NOT EXISTS ` + table + ` (
				number INTEGER PRIMARY KEY,
				name   TEXT NOT NULL,
				sha256 BLOB NOT NULL
			) STRICT`)
		return err
	})
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	for _, m := range list {
		if err := s.Update(ctx, func(tx *Tx) error { return m.apply(tx, table) }); err != nil {
			return fmt.Errorf("migrate %s: %w", m.name, err)
		}
	}
	return s.View(ctx, func(tx *Tx) error { return refuseNewer(tx, table, len(list)) })
}

// apply runs the migration unless it was applied before.
func (m migration) apply(tx *Tx, table string) error {
	var digest []byte
	err := tx.QueryRow(`SELECT sha256 FROM `+table+` WHERE number = ?1`, m.number).Scan(&digest)
	switch {
	case err == nil && !bytes.Equal(digest, m.digest[:]):
		return errors.New("its text is not the one that was applied to this store")
	case err == nil:
		return nil
	case !errors.Is(err, ErrNoRows):
		return err
	}
	if err := refuseNewer(tx, table, m.number-1); err != nil {
		return err
	}
	if err := tx.conn.script(m.text); err != nil {
		return explain(tx.ctx, err)
	}
	if tx.conn.db.AutoCommit() {
		return errors.New("it ended the transaction that it runs in")
	}
	_, err = tx.Exec(`INSERT INTO `+table+` (number, name, sha256) VALUES (?1, ?2, ?3)`, m.number, m.name, m.digest[:])
	return err
}

func refuseNewer(tx *Tx, table string, known int) error {
	var newest int
	if err := tx.QueryRow(`SELECT coalesce(max(number), 0) FROM ` + table).Scan(&newest); err != nil {
		return err
	}
	if newest > known {
		return fmt.Errorf("%w: it has migration %d, this program knows %d", ErrNewer, newest, known)
	}
	return nil
}

func readMigrations(dir fs.FS) ([]migration, error) {
	entries, err := fs.ReadDir(dir, ".") // sorted by name, so by number
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.IsDir() })
	list := make([]migration, 0, len(entries))
	for i, e := range entries {
		part := migrationName.FindStringSubmatch(e.Name())
		if part == nil {
			return nil, fmt.Errorf("%s: want a name like 0001_stock.sql", e.Name())
		}
		number, err := strconv.Atoi(part[1])
		if err != nil || number != i+1 {
			return nil, fmt.Errorf("%s: want number %04d, there is no gap and no double", e.Name(), i+1)
		}
		text, err := fs.ReadFile(dir, e.Name())
		if err != nil {
			return nil, err
		}
		list = append(list, migration{number: number, name: e.Name(), text: string(text), digest: sha256.Sum256(text)})
	}
	return list, nil
}

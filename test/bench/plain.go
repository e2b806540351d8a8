package bench

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	_ "github.com/mattn/go-sqlite3" // what everything is compared with: the same engine without encryption
)

// plain is an unencrypted database with durable commits, as anybody would open one.
type plain struct{ db *sql.DB }

// openPlain makes the database. One connection has no other to wait for.
func openPlain(path, schema string) (*plain, error) {
	db, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=0")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	_, err = db.Exec(schema)
	var head []byte
	if err == nil {
		head, err = os.ReadFile(path) // #nosec G304 -- made above
	}
	if err == nil && !bytes.HasPrefix(head, []byte("SQLite format 3\x00")) {
		err = errors.New("it is encrypted")
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open plain database: %w", err), db.Close())
	}
	return &plain{db}, nil
}

func (p *plain) close() error { return p.db.Close() }

// singles inserts each payload as a row and a commit of its own, and returns rows a second.
func (p *plain) singles(payloads [][]byte) (float64, error) {
	insert, err := p.db.Prepare(`INSERT INTO scan (payload) VALUES (?1)`)
	if err != nil {
		return 0, err
	}
	defer insert.Close()
	began := time.Now()
	for _, b := range payloads {
		if _, err := insert.Exec(b); err != nil {
			return 0, err
		}
	}
	return rate(len(payloads), began), nil
}

// rows are of one table.
type rows struct {
	table string
	list  [][]any
}

// groups inserts rows, those of each group in one commit.
func (p *plain) groups(groups [][]rows) error {
	for _, g := range groups {
		if err := p.group(g); err != nil {
			return err
		}
	}
	return nil
}

func (p *plain) group(g []rows) error {
	tx, err := p.db.Begin()
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // after the commit it does nothing
	for _, r := range g {
		if err := r.insert(tx); err != nil {
			return fmt.Errorf("insert into %s: %w", r.table, err)
		}
	}
	return tx.Commit()
}

func (r rows) insert(tx *sql.Tx) error {
	if len(r.list) == 0 {
		return nil
	}
	insert, err := tx.Prepare(`INSERT INTO ` + r.table + ` VALUES (?` + strings.Repeat(`, ?`, len(r.list[0])-1) + `)`) // #nosec G202 -- names of our own
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, row := range r.list {
		if _, err := insert.Exec(row...); err != nil {
			return err
		}
	}
	return nil
}

// Command storecheck opens an encrypted store, adds a note and prints all notes. It
// proves that the engine linked for another processor keeps the same files.
//
//	storecheck KEYFILE STORE NOTE
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing/fstest"
	"time"

	"stockade/internal/vault"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "storecheck:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	if len(args) != 3 {
		return errors.New("usage: storecheck KEYFILE STORE NOTE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	key, err := vault.LoadOrCreateKeyFile(args[0], filepath.Dir(args[1]))
	if err != nil {
		return err
	}
	s, err := vault.Open(ctx, vault.Options{Path: args[1], Key: key})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	schema := fstest.MapFS{"0001_note.sql": {Data: []byte(`CREATE TABLE note (text TEXT NOT NULL) STRICT`)}}
	if err := vault.Migrate(ctx, s, schema); err != nil {
		return err
	}
	if err := s.Update(ctx, func(tx *vault.Tx) error {
		_, err := tx.Exec(`INSERT INTO note (text) VALUES (?1)`, args[2])
		return err
	}); err != nil {
		return err
	}
	if err := s.View(ctx, printNotes); err != nil {
		return err
	}
	return s.Check(ctx)
}

func printNotes(tx *vault.Tx) error {
	rows, err := tx.Query(`SELECT text FROM note ORDER BY rowid`)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return err
		}
		fmt.Println(text)
	}
	return rows.Err()
}

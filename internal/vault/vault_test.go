package vault

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

var testKey = Key{1, 2, 3}

// newTestStore opens a new store with one table.
func newTestStore(t testing.TB) *Store {
	t.Helper()
	s := openStore(t, filepath.Join(t.TempDir(), "test.db"))
	must(t, s.Update(context.Background(), func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE note (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT`)
		return err
	}))
	return s
}

func openStore(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(context.Background(), Options{Path: path, Key: testKey})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func add(s *Store, text string) error {
	return s.Update(context.Background(), func(tx *Tx) error { return insert(tx, text) })
}

func insert(tx *Tx, text string) error {
	_, err := tx.Exec(`INSERT INTO note (text) VALUES (?1)`, text)
	return err
}

func notes(t testing.TB, s *Store) (texts []string) {
	t.Helper()
	must(t, s.View(context.Background(), func(tx *Tx) error {
		rows, err := tx.Query(`SELECT text FROM note ORDER BY id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var text string
			if err := rows.Scan(&text); err != nil {
				return err
			}
			texts = append(texts, text)
		}
		return rows.Err()
	}))
	return texts
}

// contents returns every file of a folder, to see that a refusal changed none.
func contents(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		must(t, err)
		files[e.Name()] = string(b)
	}
	return files
}

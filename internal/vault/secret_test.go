package vault

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A stolen card holds the files as they are at any moment: while the store is open, its
// log full, a transaction half done, a sort too large for the page cache under way.
func TestStolenCardTellsNothing(t *testing.T) {
	t.Setenv("SQLITE_TMPDIR", t.TempDir()) // where temporary files would go
	s := newTestStore(t)
	secret := "箱四十二 of mercury"
	steal := func(when string) {
		t.Helper()
		for _, dir := range []string{filepath.Dir(s.Path()), os.Getenv("SQLITE_TMPDIR")} {
			for name, content := range contents(t, dir) {
				for _, word := range []string{secret, "mercury", "箱四十二", "CREATE TABLE", "SQLite format"} {
					if bytes.Contains([]byte(content), []byte(word)) {
						t.Errorf("%s: %s shows %q", when, name, word)
					}
				}
			}
		}
	}

	must(t, add(s, secret))
	steal("after a commit")
	must(t, s.Update(context.Background(), func(tx *Tx) error {
		if _, err := tx.Exec(`CREATE TEMP TABLE scratch AS SELECT text FROM note`); err != nil {
			return err
		}
		for i := range 3000 { // more than the page cache holds, so pages spill
			if err := insert(tx, fmt.Sprint(i, secret, strings.Repeat(" padding", 500))); err != nil {
				return err
			}
		}
		rows, err := tx.Query(`SELECT text FROM note ORDER BY substr(text, -20), text DESC`)
		if err != nil || !rows.Next() {
			return fmt.Errorf("sort: %w", err)
		}
		steal("in the midst of a transaction and a sort")
		return nil
	}))
	steal("after a large commit")

	if wal := contents(t, filepath.Dir(s.Path()))["test.db-wal"]; len(wal) < 1<<20 {
		t.Fatalf("the log holds %d bytes: the transaction did not go through it", len(wal))
	}
	must(t, s.Close())
	steal("after closing")
}

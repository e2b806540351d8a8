package vault

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"
)

// files makes a folder of migrations from names and texts in turn.
func files(pairs ...string) fstest.MapFS {
	dir := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		dir[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return dir
}

const (
	makeItem  = `CREATE TABLE item (sku TEXT PRIMARY KEY) STRICT; INSERT INTO item VALUES ('A1');`
	nameItem  = `ALTER TABLE item ADD COLUMN name TEXT NOT NULL DEFAULT '';`
	countItem = `CREATE TABLE counted (n INTEGER) STRICT; INSERT INTO counted SELECT count(*) FROM item;`
)

func TestMigrate(t *testing.T) {
	ctx := context.Background()
	older := files("0001_item.sql", makeItem)
	newer := files("0001_item.sql", makeItem, "0002_name.sql", nameItem, "0003_counted.sql", countItem)
	tests := []struct {
		name  string
		steps []fstest.MapFS
	}{
		{"fresh", []fstest.MapFS{newer}},
		{"older", []fstest.MapFS{older, newer}},
		{"current", []fstest.MapFS{newer, newer}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestStore(t)
			for _, dir := range tt.steps {
				must(t, Migrate(ctx, s, dir))
			}
			var applied, counted, rows int
			must(t, s.View(ctx, func(tx *Tx) error {
				return tx.QueryRow(`SELECT (SELECT count(*) FROM migration), (SELECT sum(n) FROM counted),
				                           (SELECT count(*) FROM item WHERE name = '')`).Scan(&applied, &counted, &rows)
			}))
			if applied != 3 || counted != 1 || rows != 1 {
				t.Errorf("%d migrations, %d counted, %d items; want 3, 1, 1: each applied once", applied, counted, rows)
			}
		})
	}
}

// TestSetsOfMigrations: a set of its own in the same store neither sees nor hides the program's migrations.
func TestSetsOfMigrations(t *testing.T) {
	ctx, s := context.Background(), newTestStore(t)
	own := files("0001_guest.sql", `CREATE TABLE guest (name TEXT PRIMARY KEY) STRICT;`)
	for range 2 {
		must(t, MigrateSet(ctx, s, "guests", own))
		must(t, Migrate(ctx, s, files("0001_item.sql", makeItem, "0002_name.sql", nameItem)))
	}
	if err := MigrateSet(ctx, s, "guests", files("0001_guest.sql", `CREATE TABLE other (x TEXT) STRICT;`)); err == nil {
		t.Error("an edited file of a set was taken")
	}
	must(t, MigrateSet(ctx, s, "guests", files("0001_guest.sql", `CREATE TABLE guest (name TEXT PRIMARY KEY) STRICT;`, "0002_seat.sql", `CREATE TABLE seat (n INTEGER) STRICT;`)))
	if err := MigrateSet(ctx, s, "guests", own); !errors.Is(err, ErrNewer) {
		t.Errorf("an older program: %v", err)
	}
	for _, name := range []string{"", "a; DROP TABLE item", "Guests"} {
		if MigrateSet(ctx, s, name, own) == nil {
			t.Errorf("%q names a set", name)
		}
	}
}

func TestMigrateRefusals(t *testing.T) {
	tests := []struct {
		name string
		now  fstest.MapFS
		want string
	}{
		{"newer store", files("0001_item.sql", makeItem), ErrNewer.Error()},
		{"edited", files("0001_item.sql", makeItem+" ", "0002_name.sql", nameItem), "0001_item.sql: its text is not the one"},
		{"gap", files("0001_item.sql", makeItem, "0003_name.sql", nameItem), "0003_name.sql: want number 0002"},
		{"double", files("0001_item.sql", makeItem, "0001_other.sql", nameItem), "want number 0002"},
		{"name", files("1.sql", makeItem), "want a name like"},
		{"ends the transaction", files("0001_item.sql", makeItem, "0002_name.sql", nameItem, "0003_bad.sql", "COMMIT"), "ended the transaction"},
		{"fails", files("0001_item.sql", makeItem, "0002_name.sql", nameItem, "0003_bad.sql", "CREATE TABLE half (a); DROP TABLE missing"), "0003_bad.sql"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newTestStore(t)
			must(t, Migrate(context.Background(), s, files("0001_item.sql", makeItem, "0002_name.sql", nameItem)))
			err := Migrate(context.Background(), s, tt.now)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Migrate = %v, want %q", err, tt.want)
			}
			var half, applied int
			must(t, s.View(context.Background(), func(tx *Tx) error {
				return tx.QueryRow(`SELECT (SELECT count(*) FROM sqlite_schema WHERE name = 'half'), (SELECT count(*) FROM migration)`).Scan(&half, &applied)
			}))
			if half != 0 || applied != 2 {
				t.Errorf("after the refusal %d halves and %d migrations, want 0 and 2", half, applied)
			}
		})
	}
	s := newTestStore(t)
	must(t, Migrate(context.Background(), s, files("0001_item.sql", makeItem)))
	if err := Migrate(context.Background(), s, files()); !errors.Is(err, ErrNewer) {
		t.Errorf("Migrate with no files = %v, want ErrNewer", err)
	}
}

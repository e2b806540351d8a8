package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type (
	quantity int64
	sku      string
	digest   [4]byte
)

func TestScan(t *testing.T) {
	s := newTestStore(t)
	tests := []struct {
		sql  string
		to   any // pointer to the variable
		want any // its value, nil when it must be refused
	}{
		{"SELECT 7", new(int64), int64(7)},
		{"SELECT -7", new(int), -7},
		{"SELECT 7", new(quantity), quantity(7)},
		{"SELECT 7", new(uint32), uint32(7)},
		{"SELECT 1", new(bool), true},
		{"SELECT 0", new(bool), false},
		{"SELECT 1.5", new(float64), 1.5},
		{"SELECT '仓'", new(string), "仓"},
		{"SELECT ''", new(string), ""},
		{"SELECT 'A1'", new(sku), sku("A1")},
		{"SELECT x'0102'", new([]byte), []byte{1, 2}},
		{"SELECT NULL", &[]byte{9}, []byte(nil)},
		{"SELECT x'01020304'", new(digest), digest{1, 2, 3, 4}},
		{"SELECT 7", new(any), int64(7)},
		{"SELECT NULL", new(sql.NullString), sql.NullString{}},
		{"SELECT 'x'", new(sql.NullString), sql.NullString{String: "x", Valid: true}},

		{"SELECT NULL", new(int64), nil},
		{"SELECT NULL", new(string), nil},
		{"SELECT 300", new(int8), nil},
		{"SELECT -1", new(uint64), nil},
		{"SELECT 2", new(bool), nil},
		{"SELECT '7'", new(int64), nil},
		{"SELECT 7", new(string), nil},
		{"SELECT 1.5", new(int64), nil},
		{"SELECT x'01'", new(digest), nil},
	}
	for _, tt := range tests {
		name := fmt.Sprintf("%s into %T", tt.sql, tt.to)
		err := s.View(context.Background(), func(tx *Tx) error { return tx.QueryRow(tt.sql).Scan(tt.to) })
		if tt.want == nil {
			if err == nil {
				t.Errorf("%s = %v, want a refusal", name, reflect.ValueOf(tt.to).Elem())
			}
			continue
		}
		if got := reflect.ValueOf(tt.to).Elem().Interface(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s = %v, %v, want %v", name, got, err, tt.want)
		}
	}
}

func TestScanNullable(t *testing.T) {
	s := newTestStore(t)
	must(t, s.View(context.Background(), func(tx *Tx) error {
		number, text := new(quantity), new(string)
		if err := tx.QueryRow(`SELECT NULL, 'x'`).Scan(&number, &text); err != nil {
			return err
		}
		if number != nil || *text != "x" {
			t.Errorf("scanned %v and %v, want nil and x", number, text)
		}
		return nil
	}))
}

func TestArguments(t *testing.T) {
	s := newTestStore(t)
	must(t, s.View(context.Background(), func(tx *Tx) error {
		var got []any
		row := make([]any, 7)
		for i := range row {
			got = append(got, &row[i])
		}
		err := tx.QueryRow(`SELECT ?2, ?1, ?3, ?4, ?5, ?6, ?7`, "one", "two", quantity(3), sku("four"), true, []byte{6}, nil).Scan(got...)
		want := []any{"two", "one", int64(3), "four", int64(1), []byte{6}, nil}
		if err != nil || !reflect.DeepEqual(row, want) {
			t.Errorf("selected %v, %v, want %v", row, err, want)
		}
		for _, args := range [][]any{{}, {1, 2}} {
			if err := tx.QueryRow(`SELECT ?1`, args...).Scan(&row[0]); err == nil {
				t.Errorf("one parameter accepted %d arguments", len(args))
			}
		}
		if err := tx.QueryRow(`SELECT ?1`, struct{}{}).Scan(&row[0]); err == nil {
			t.Error("a struct was accepted as an argument")
		}
		return nil
	}))
}

// The same statement can be read from twice at a time, as a tree is walked.
func TestStatementWithinItself(t *testing.T) {
	s := newTestStore(t)
	for _, text := range []string{"a", "b", "c"} {
		must(t, add(s, text))
	}
	const query = `SELECT text FROM note ORDER BY id`
	var pairs []string
	must(t, s.View(context.Background(), func(tx *Tx) error {
		outer, err := tx.Query(query)
		if err != nil {
			return err
		}
		for outer.Next() {
			var a string
			must(t, outer.Scan(&a))
			inner, err := tx.Query(query)
			must(t, err)
			for inner.Next() {
				var b string
				must(t, inner.Scan(&b))
				pairs = append(pairs, a+b)
			}
		}
		return outer.Err()
	}))
	if got := strings.Join(pairs, " "); got != "aa ab ac ba bb bc ca cb cc" {
		t.Errorf("nested reading gave %s", got)
	}
}

func TestRowsLeftOpenAreClosed(t *testing.T) {
	s := newTestStore(t)
	must(t, add(s, "a"))
	var kept *Tx
	var rows *Rows
	for range 20 { // more often than there are readers
		must(t, s.View(context.Background(), func(tx *Tx) (err error) {
			kept = tx
			rows, err = tx.Query(`SELECT text FROM note`)
			return err
		}))
	}
	if rows.Next() || rows.Scan(new(string)) == nil {
		t.Error("rows can be read after their view")
	}
	if _, err := kept.Exec(`SELECT 1`); err == nil {
		t.Error("a transaction can be used after its end")
	}
	must(t, s.Close()) // nothing holds it open
}

func TestManyStatements(t *testing.T) {
	s := newTestStore(t)
	must(t, s.View(context.Background(), func(tx *Tx) error {
		for i := range 3 * maxStatements {
			var got int
			if err := tx.QueryRow(fmt.Sprintf("SELECT %d", i)).Scan(&got); err != nil || got != i {
				t.Fatalf("statement %d = %d, %v", i, got, err)
			}
			if n := len(tx.conn.statements); n > maxStatements {
				t.Fatalf("%d statements are kept, want at most %d", n, maxStatements)
			}
		}
		return nil
	}))
}

func TestQueryRowWithoutRow(t *testing.T) {
	s := newTestStore(t)
	must(t, s.View(context.Background(), func(tx *Tx) error {
		if err := tx.QueryRow(`SELECT text FROM note`).Scan(new(string)); !errors.Is(err, ErrNoRows) {
			t.Errorf("Scan without a row = %v, want ErrNoRows", err)
		}
		return nil
	}))
}

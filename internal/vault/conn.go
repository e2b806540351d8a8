package vault

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/mattn/go-sqlite3"
)

// maxStatements bounds what a connection keeps compiled. Statements are texts in the
// program, so the bound is met only by one that builds them from data.
const maxStatements = 512

// conn is one connection with its compiled statements. It is used by one goroutine at a
// time. It talks to the driver directly: database/sql would take and return a
// connection, and guard each statement, for every call.
type conn struct {
	db         *sqlite3.SQLiteConn
	statements map[string]*statement
}

// statement is a compiled statement; busy while rows of it are being read.
type statement struct {
	*sqlite3.SQLiteStmt
	busy bool
	kept bool // in the connection's map, so it is not closed after use
}

func openConn(dsn string) (*conn, error) {
	c, err := (&sqlite3.SQLiteDriver{}).Open(dsn)
	if err != nil {
		return nil, err
	}
	return &conn{db: c.(*sqlite3.SQLiteConn), statements: map[string]*statement{}}, nil
}

func (c *conn) close() error {
	c.forget()
	return c.db.Close()
}

// forget closes the compiled statements that are not in use.
func (c *conn) forget() {
	for query, s := range c.statements {
		if !s.busy {
			_ = s.Close() // frees it; an error would repeat that of its last run
			delete(c.statements, query)
		}
	}
}

// statement returns query compiled, from the map unless it is just being read from.
func (c *conn) statement(query string) (*statement, error) {
	if s, ok := c.statements[query]; ok && !s.busy {
		return s, nil
	}
	compiled, err := c.db.Prepare(query)
	if err != nil {
		return nil, err
	}
	s := &statement{SQLiteStmt: compiled.(*sqlite3.SQLiteStmt)}
	if _, taken := c.statements[query]; !taken {
		if len(c.statements) >= maxStatements {
			c.forget()
		}
		c.statements[query] = s
		s.kept = true
	}
	return s, nil
}

// done gives a statement back after use.
func (s *statement) done() {
	s.busy = false
	if !s.kept {
		_ = s.Close() // as in forget
	}
}

// exec runs one statement to its end.
func (c *conn) exec(query string, args []any) (Result, error) {
	values, err := bind(args)
	if err != nil {
		return Result{}, err
	}
	s, err := c.statement(query)
	if err != nil {
		return Result{}, err
	}
	defer s.done()
	if n := s.NumInput(); n != len(values) {
		return Result{}, fmt.Errorf("statement wants %d arguments, %d given", n, len(values))
	}
	r, err := s.ExecContext(context.Background(), values)
	if err != nil {
		return Result{}, err
	}
	id, _ := r.LastInsertId()
	n, _ := r.RowsAffected()
	return Result{LastInsertID: id, RowsAffected: n}, nil
}

// query starts one statement and returns its rows, positioned before the first.
func (c *conn) query(ctx context.Context, query string, args []any) (*Rows, error) {
	values, err := bind(args)
	if err != nil {
		return nil, err
	}
	s, err := c.statement(query)
	if err != nil {
		return nil, err
	}
	if n := s.NumInput(); n != len(values) {
		s.done()
		return nil, fmt.Errorf("statement wants %d arguments, %d given", n, len(values))
	}
	rows, err := s.QueryContext(ctx, values)
	if err != nil {
		s.done()
		return nil, err
	}
	s.busy = true
	return &Rows{ctx: ctx, rows: rows, from: s, values: make([]driver.Value, len(rows.Columns()))}, nil
}

// script runs the statements of a text one after the other.
func (c *conn) script(text string) error {
	_, err := c.db.ExecContext(context.Background(), text, nil)
	return err
}

// pragma returns the first value that a pragma answers, as text; nothing if it answers
// nothing, which is how SQLite treats a pragma that it does not know.
func (c *conn) pragma(name string) (string, error) {
	rows, err := c.query(context.Background(), "PRAGMA "+name, nil)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	if !rows.Next() {
		return "", rows.Err()
	}
	return fmt.Sprint(rows.values[0]), rows.Close()
}

// bind turns Go values into those that the driver takes.
func bind(args []any) ([]driver.NamedValue, error) {
	if len(args) == 0 {
		return nil, nil
	}
	values := make([]driver.NamedValue, len(args))
	for i, arg := range args {
		values[i].Ordinal = i + 1
		switch v := arg.(type) {
		case nil, int64, string, []byte, bool:
			values[i].Value = v
		case int:
			values[i].Value = int64(v)
		default:
			value, err := driver.DefaultParameterConverter.ConvertValue(arg)
			if err != nil {
				return nil, fmt.Errorf("argument %d: %w", i+1, err)
			}
			values[i].Value = value
		}
	}
	return values, nil
}

package vault

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
)

// Tx is what an act or a view works with. It ends with the function it was handed to,
// and belongs to the goroutine that runs that function. Parameters are written ?1, ?2:
// the driver numbers $1 by first appearance.
type Tx struct {
	ctx    context.Context
	conn   *conn
	undone uint64
	open   []*Rows
	ended  bool
}

// Undone tells an act whether it may go on believing what earlier acts of this process have
// remembered of the store: while the number is the same, nothing that any of them read or
// wrote was undone, and no other process has written. Only acts may keep such a memory;
// views see other commits than the last act's.
func (tx *Tx) Undone() uint64 { return tx.undone }

// Result is what a statement did.
type Result struct {
	LastInsertID int64 // rowid of the last row inserted on this connection
	RowsAffected int64 // rows inserted, changed or deleted
}

var (
	errEnded  = errors.New("transaction has ended")
	errShared = errors.New("the transaction is shared with other acts; return an error to undo this one")
)

// allow refuses a transaction that has ended and statements that would end it under the
// feet of the acts that share it.
func (tx *Tx) allow(query string) error {
	if tx.ended {
		return errEnded
	}
	query = strings.TrimLeft(query, " \t\r\n;")
	for _, word := range []string{"BEGIN", "COMMIT", "END", "ROLLBACK", "SAVEPOINT", "RELEASE"} {
		if len(query) >= len(word) && strings.EqualFold(query[:len(word)], word) {
			return errShared
		}
	}
	return nil
}

// Exec runs one statement that returns no rows.
func (tx *Tx) Exec(query string, args ...any) (Result, error) {
	if err := tx.allow(query); err != nil {
		return Result{}, err
	}
	r, err := tx.conn.exec(query, args)
	return r, explain(tx.ctx, err)
}

// Query runs one statement that returns rows. Close them, or read them to the end;
// what is left open is closed when the transaction ends.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	if err := tx.allow(query); err != nil {
		return nil, err
	}
	rows, err := tx.conn.query(tx.ctx, query, args)
	if err != nil {
		return nil, explain(tx.ctx, err)
	}
	tx.open = append(tx.open, rows)
	return rows, nil
}

// QueryRow runs one statement of whose rows only the first counts.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	if err := tx.allow(query); err != nil {
		return &Row{err: err}
	}
	rows, err := tx.conn.query(tx.ctx, query, args)
	return &Row{rows: rows, err: explain(tx.ctx, err)}
}

// end closes what the function left open.
func (tx *Tx) end() {
	tx.ended = true
	for _, rows := range tx.open {
		_ = rows.Close() // what went wrong, Next has told
	}
}

// Rows is a result being read, one row at a time.
type Rows struct {
	ctx    context.Context
	rows   driver.Rows
	from   *statement
	values []driver.Value
	closed bool
	err    error
}

// Next moves to the next row; false at the end or after an error, which Err tells.
func (r *Rows) Next() bool {
	if r.closed {
		return false
	}
	err := r.rows.Next(r.values)
	if err == nil {
		return true
	}
	if !errors.Is(err, io.EOF) {
		r.err = explain(r.ctx, err)
	}
	if err := r.Close(); err != nil && r.err == nil {
		r.err = explain(r.ctx, err)
	}
	return false
}

// Scan copies the row's columns into dest: pointers to integers, strings, bytes, bools
// and types made of these, to pointers of them for columns that may be NULL, or
// sql.Scanner. Bytes are the caller's own.
func (r *Rows) Scan(dest ...any) error {
	if r.closed {
		return errors.New("scan without a row")
	}
	return scan(r.values, dest)
}

// Err returns what ended the rows, nil for their natural end.
func (r *Rows) Err() error { return r.err }

// Close lets go of the rows. Closing twice is fine.
func (r *Rows) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	err := r.rows.Close()
	r.from.done()
	return err
}

// Row is the result of QueryRow.
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the columns as Rows.Scan does. Without a row it returns ErrNoRows.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	return r.rows.Close()
}

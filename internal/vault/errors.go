package vault

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// Conditions that callers test with errors.Is. None of them changes the store.
var (
	// ErrKeyMissing: the store exists and its key file does not.
	ErrKeyMissing = errors.New("store key is missing")
	// ErrKeyExposed: others than the owner can read the key file, or it lies where the
	// data lies.
	ErrKeyExposed = errors.New("store key is exposed")
	// ErrKeyInvalid: the key file does not hold a key.
	ErrKeyInvalid = errors.New("key file does not hold a store key")
	// ErrWrongKey: the first page cannot be read with this key. A damaged first page
	// looks the same.
	ErrWrongKey = errors.New("wrong key or damaged first page")
	// ErrDamaged: a page does not carry the mark that the key gave it.
	ErrDamaged = errors.New("store is damaged")
	// ErrNotEncrypted: the file is an ordinary SQLite database.
	ErrNotEncrypted = errors.New("store is not encrypted")
	// ErrNoEncryption: the program was linked with an SQLite that cannot encrypt.
	ErrNoEncryption = errors.New("this program was built without encryption")
	// ErrNewer: the store was written by a newer program.
	ErrNewer = errors.New("store belongs to a newer version of this program")
	// ErrFull: the disk is full. What was being written is undone.
	ErrFull = errors.New("disk is full")
	// ErrFailing: the disk fails, or has been made read-only because of that. What was being written is undone.
	ErrFailing = errors.New("disk fails")
	// ErrClosed: the store was closed.
	ErrClosed = errors.New("store is closed")
	// ErrNoRows: QueryRow found nothing.
	ErrNoRows = sql.ErrNoRows
)

// IsUnique reports whether err says that a row with the same unique key exists.
func IsUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) &&
		(e.ExtendedCode == sqlite3.ErrConstraintUnique || e.ExtendedCode == sqlite3.ErrConstraintPrimaryKey)
}

// diskFault returns what the operating system's word for a failed write means for the disk; nil when it is
// about something else.
func diskFault(number syscall.Errno) error {
	switch number {
	case syscall.ENOSPC, syscall.EDQUOT:
		return ErrFull
	case syscall.EIO, syscall.EROFS:
		return ErrFailing
	}
	return nil
}

// explain adds to an error of the engine the condition that a caller can test.
func explain(ctx context.Context, err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	switch e.Code {
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case sqlite3.ErrFull:
		return fmt.Errorf("%w: %w", ErrFull, err)
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		if condition := diskFault(e.SystemErrno); condition != nil {
			return fmt.Errorf("%w: %w", condition, err)
		}
	case sqlite3.ErrInterrupt:
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return err
}

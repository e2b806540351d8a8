package vault

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/mattn/go-sqlite3"
)

// Options say which store to open. Path and Key are needed, the rest has defaults.
type Options struct {
	Path     string        // of the store file; its name ends in Extension
	Key      Key           // see LoadKeyFile
	Readers  int           // connections for View; 2 when zero
	CacheKiB int           // page cache of each connection; 8192 when zero. Misses cost a decryption
	Busy     time.Duration // longest wait for another process that writes; 10 s when zero
}

// pageSize is the unit that is encrypted: a commit costs about 12 µs for each page of
// this size that it touched, most of it for the page's mark. Smaller pages make single
// scans cheaper, larger ones long reads. A store keeps the size that it was made with,
// and it is encrypted too, so this never changes.
const pageSize = 2048

// checkpointPages is how long the log grows before its pages move into the store file,
// and logLimit what of a log that grew longer is kept on the disk.
const (
	checkpointPages = 4 << 20 / pageSize
	logLimit        = 64 << 20
)

// Open opens the store, or creates it when there is no file yet. See the errors of this
// package for what it refuses; a refused file is left as it was.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", o.Path, err)
	}
	return s, nil
}

func (o Options) complete() (Options, error) {
	if filepath.Ext(o.Path) != Extension {
		return o, fmt.Errorf("path %q must end in %s", o.Path, Extension)
	}
	if o.Key == (Key{}) {
		return o, ErrKeyMissing
	}
	if o.Readers <= 0 {
		o.Readers = 2
	}
	if o.CacheKiB <= 0 {
		o.CacheKiB = 8192
	}
	if o.Busy <= 0 {
		o.Busy = 10 * time.Second
	}
	path, err := filepath.Abs(o.Path)
	o.Path = path
	return o, err
}

func open(ctx context.Context, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Asked before any file is touched: a library without encryption would ignore the
	// key and write everything in the clear.
	if err := requireEncryption(); err != nil {
		return nil, err
	}
	opened.Lock()
	defer opened.Unlock()
	if _, err := os.Stat(o.Path); errors.Is(err, fs.ErrNotExist) {
		if err := create(o); err != nil {
			return nil, fmt.Errorf("create: %w", err)
		}
	}
	id, err := identify(o.Path)
	if err != nil {
		return nil, err
	}
	if opened.stores[id] == 0 {
		if err := checkFirstPage(o.Path, o.Key); err != nil {
			return nil, err
		}
	}
	writer, err := connect(o, "")
	if err != nil {
		return nil, err
	}
	opened.stores[id]++
	s := newStore(o, id, writer)
	if err := s.finishOpen(o); err != nil {
		opened.Unlock() // Close takes it
		defer opened.Lock()
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// finishOpen proves on the open file what Open promises, and adds the readers.
func (s *Store) finishOpen(o Options) error {
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "page_size": strconv.Itoa(pageSize),
		fmt.Sprintf("wal_autocheckpoint=%d", checkpointPages): strconv.Itoa(checkpointPages),
		fmt.Sprintf("journal_size_limit=%d", logLimit):        strconv.Itoa(logLimit),
	} {
		got, err := s.writer.pragma(pragma)
		if err != nil {
			return explain(context.Background(), err)
		}
		if got != want {
			return fmt.Errorf("%s is %q, want %q", pragma, got, want)
		}
	}
	for range o.Readers {
		reader, err := s.fresh()
		if err != nil {
			return err
		}
		s.readers <- reader
		s.total++
	}
	return nil
}

// create makes a store without tables under a passing name and then gives it the right
// one, so that neither a power cut nor another process that starts at the same moment
// ever meets half a store. The file is readable by its owner only; SQLite gives the same
// mode to the files that it puts beside it.
func create(o Options) (err error) {
	// A log without its store is a loss, not a start.
	if wal, err := os.Stat(o.Path + "-wal"); err == nil && wal.Size() > 0 {
		return fmt.Errorf("%w: %s-wal holds changes to a store file that is gone", ErrDamaged, o.Path)
	}
	dir := filepath.Dir(o.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, filepath.Base(o.Path)+".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := f.Close(); err != nil {
		return err
	}
	final := o.Path
	o.Path = f.Name()
	c, err := connect(o, "_journal_mode=WAL")
	if err != nil {
		return err
	}
	if err := c.close(); err != nil {
		return err
	}
	// What was written must be what this key reads, and nobody else.
	if err := checkFirstPage(o.Path, o.Key); err != nil {
		return fmt.Errorf("what was written is not encrypted as it should be: %w", err)
	}
	if err := os.Link(o.Path, final); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// requireEncryption asks the linked library for the cipher that a store uses.
func requireEncryption() error {
	c, err := openConn("file:check?mode=memory&cipher=sqlcipher")
	if err != nil {
		return err
	}
	defer c.close()
	if cipher, err := c.pragma("cipher"); err != nil || cipher != "sqlcipher" {
		return fmt.Errorf("%w: link it with the library that `make deps` compiles", ErrNoEncryption)
	}
	return nil
}

// connect opens one connection to the prepared file.
func connect(o Options, extra string) (*conn, error) {
	// "raw:" gives the cipher its key as it is. Without it the key would be stretched
	// like a password, at a third of a second for each connection.
	key := hex.EncodeToString(append([]byte("raw:"), o.Key[:]...))
	// The driver sets synchronous to NORMAL unless told otherwise.
	c, err := openConn(fmt.Sprintf("file:%s?mode=rw&cipher=sqlcipher&legacy=4&legacy_page_size=%d&hexkey=%s"+
		"&_mutex=no&_synchronous=FULL&_foreign_keys=1&_busy_timeout=%d&_cache_size=-%d&%s",
		(&url.URL{Path: o.Path}).EscapedPath(), pageSize, key, o.Busy.Milliseconds(), o.CacheKiB, extra))
	if err == nil {
		if _, err = c.pragma("schema_version"); err != nil { // reads the first page
			err = errors.Join(err, c.close())
		}
	}
	var e sqlite3.Error
	if errors.As(err, &e) && e.Code == sqlite3.ErrNotADB {
		return nil, ErrWrongKey
	}
	if err != nil {
		return nil, explain(context.Background(), err)
	}
	return c, nil
}

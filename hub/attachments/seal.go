package attachments

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"filippo.io/age"

	"stockade/internal/vault"
	"stockade/protocol/change"
)

// ErrDamaged is returned for a file whose contents are not what was added: cut, changed, exchanged or lost.
var ErrDamaged = errors.New("the file is damaged or missing")

const (
	ending = ".age"    // of files that are there
	rough  = ".upload" // of files that are being written
)

// folder is where the encrypted files lie, each in the format of age (C2SP age-encryption/v1) for an X25519 key of its own: the payload is
// cut into pieces of 64 KiB, each encrypted and authenticated with its number and whether it is the last (STREAM), so that memory stays
// bounded and a piece that was changed, moved, cut off or taken from elsewhere is noticed. The key is known to the store alone; its public
// half stands nowhere, so nobody who can only write to the folder can make a file that passes.
type folder string

// open makes the folder where there is none.
func (d folder) open() error { return os.MkdirAll(string(d), 0o700) }

// newID returns a name that was never used, of 130 random bits.
func newID() string { return strings.ToLower(rand.Text()) }

func (d folder) path(id string) string { return filepath.Join(string(d), id+ending) }

// draft is a file that is being written.
type draft struct {
	dir    folder
	id     string
	file   *os.File
	secret string
	size   int64 // of the contents
	hash   change.Hash
}

// write encrypts what r gives, at most so many bytes, into a new file; its contents never lie on the disk in the clear. The caller keeps or drops it.
func (d folder) write(r io.Reader, most int64) (w *draft, err error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	w = &draft{dir: d, id: newID(), secret: key.String()}
	w.file, err = os.OpenFile(filepath.Join(string(d), w.id+rough), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // #nosec G304 -- a name of our own
	if err != nil {
		return nil, full(err)
	}
	if err = w.fill(r, most, key); err != nil {
		w.drop()
		return nil, full(err)
	}
	return w, nil
}

func (w *draft) fill(r io.Reader, most int64, key *age.X25519Identity) error {
	out, err := age.Encrypt(w.file, key.Recipient())
	if err != nil {
		return err
	}
	sum := sha256.New()
	w.size, err = io.Copy(io.MultiWriter(out, sum), io.LimitReader(r, most+1))
	switch {
	case err != nil:
		return err
	case w.size > most:
		return ErrTooLarge
	case w.size == 0:
		return ErrEmpty
	}
	sum.Sum(w.hash[:0])
	if err := out.Close(); err != nil {
		return err
	}
	return w.file.Sync()
}

// contents lets what was written be read, anywhere in it.
func (w *draft) contents() (io.ReaderAt, error) {
	info, err := w.file.Stat()
	if err != nil {
		return nil, err
	}
	r, _, err := decryptAt(w.file, info.Size(), w.secret)
	return r, err
}

func decryptAt(f io.ReaderAt, size int64, secret string) (io.ReaderAt, int64, error) {
	key, err := age.ParseX25519Identity(secret)
	if err != nil {
		return nil, 0, fmt.Errorf("key of a file: %w", err)
	}
	return age.DecryptReaderAt(f, size, key)
}

// keep gives the file its name for good, so that it outlives a power cut. Until the store has its row and key it is nobody's, and sweep takes it away.
func (w *draft) keep() error {
	err := w.file.Close()
	if err == nil {
		err = os.Rename(w.file.Name(), w.dir.path(w.id))
	}
	if err == nil {
		err = w.dir.sync()
	}
	if err != nil {
		w.drop()
	}
	return full(err)
}

// drop forgets the file, kept or not.
func (w *draft) drop() {
	_ = w.file.Close() // it may be closed already
	_ = os.Remove(w.file.Name())
	_ = os.Remove(w.dir.path(w.id)) // what stays is swept at the next start
}

// sync makes new names in the folder durable.
func (d folder) sync() error {
	f, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// read opens a file. What it gives is authenticated piece by piece; the end counts only when it was reached.
func (d folder) read(id, secret string) (io.ReadCloser, error) {
	f, err := os.Open(d.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if err != nil {
		return nil, err
	}
	key, err := age.ParseX25519Identity(secret)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: key of a file: %w", ErrDamaged, err), f.Close())
	}
	r, err := age.Decrypt(f, key)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrDamaged, err), f.Close())
	}
	return &opened{Reader: r, Closer: f}, nil
}

type opened struct {
	io.Reader
	io.Closer
}

// verify reads a file to its end and compares it with what was added.
func (d folder) verify(id, secret string, size int64, want change.Hash) error {
	r, err := d.read(id, secret)
	if err != nil {
		return err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, r)
	var got change.Hash
	sum.Sum(got[:0])
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	case n != size || got != want:
		return fmt.Errorf("%w: %d bytes with SHA-256 %s, want %d with %s", ErrDamaged, n, got, size, want)
	}
	return nil
}

// remove takes a file away whose key is destroyed. One that is not there is no error.
func (d folder) remove(id string) error {
	err := os.Remove(d.path(id))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// strays returns the names of files in the folder that belong to no row: left by a crash.
func (d folder) strays(known map[string]bool) (names []string, err error) {
	list, err := os.ReadDir(string(d))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	for _, e := range list {
		id, ours := strings.CutSuffix(e.Name(), ending)
		if strings.HasSuffix(e.Name(), rough) || ours && !known[id] {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// full marks that there is no room, in the word that pages know.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", vault.ErrFull, err)
	}
	return err
}

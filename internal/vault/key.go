package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Extension is how the name of every store file ends. A folder in which such a file
// lies holds data, so no new key is ever made for it.
const Extension = ".db"

// Key opens a store. It prints as "[key]", whatever the verb.
type Key [32]byte

// Format keeps the key out of logs and error messages.
func (Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[key]") }

// MarshalText keeps the key out of JSON.
func (Key) MarshalText() ([]byte, error) { return []byte("[key]"), nil }

// LoadKeyFile reads the key that LoadOrCreateKeyFile wrote: 64 hexadecimal digits and a
// line end. It fails with ErrKeyMissing, ErrKeyInvalid, or, when anybody but the owner
// could read the file or it lies inside dataDir, ErrKeyExposed.
func LoadKeyFile(path, dataDir string) (Key, error) {
	if err := outside(path, dataDir); err != nil {
		return Key{}, err
	}
	f, err := os.Open(path) // #nosec G304 -- the key file that the operator configured
	if errors.Is(err, fs.ErrNotExist) {
		return Key{}, fmt.Errorf("read key file %s: %w; put the file back, nothing opens the store without it", path, ErrKeyMissing)
	}
	if err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	// The open file is judged, not the name: the name may mean another file by now.
	if err := private(f); err != nil {
		return Key{}, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 128))
	if err != nil {
		return Key{}, fmt.Errorf("read key file: %w", err)
	}
	return parseKey(path, text)
}

// LoadOrCreateKeyFile reads the key file, or makes one with a new random key when there
// is neither a key nor a store yet. The new file is complete and on the disk when the
// call returns, readable by its owner only. A store without its key is ErrKeyMissing:
// a new key would only hide the loss.
func LoadOrCreateKeyFile(path, dataDir string) (Key, error) {
	key, err := LoadKeyFile(path, dataDir)
	if !errors.Is(err, ErrKeyMissing) {
		return key, err
	}
	store, findErr := findStore(dataDir)
	if findErr != nil {
		return Key{}, findErr
	}
	if store != "" {
		return Key{}, fmt.Errorf("%w (it belongs to %s)", err, store)
	}
	if err := createKeyFile(path); err != nil {
		return Key{}, fmt.Errorf("create key file: %w", err)
	}
	return LoadKeyFile(path, dataDir) // another process may have been first
}

func parseKey(path string, text []byte) (Key, error) {
	var key Key
	line := bytes.TrimSuffix(text, []byte("\n"))
	if len(line) != hex.EncodedLen(len(key)) {
		return Key{}, fmt.Errorf("read key file %s: %w: %d characters, want %d", path, ErrKeyInvalid, len(line), hex.EncodedLen(len(key)))
	}
	if _, err := hex.Decode(key[:], line); err != nil {
		return Key{}, fmt.Errorf("read key file %s: %w: not hexadecimal", path, ErrKeyInvalid)
	}
	if key == (Key{}) {
		return Key{}, fmt.Errorf("read key file %s: %w: all zero", path, ErrKeyInvalid)
	}
	return key, nil
}

// private refuses a key file that others can read or that another user could swap.
func private(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("read key file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("read key file %s: %w: not a file", f.Name(), ErrKeyInvalid)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("read key file %s: %w: mode is %04o; make it 0600 (chmod 600) and consider the key known", f.Name(), ErrKeyExposed, mode)
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok && owner.Uid != 0 && int(owner.Uid) != os.Geteuid() {
		return fmt.Errorf("read key file %s: %w: it belongs to user %d", f.Name(), ErrKeyExposed, owner.Uid)
	}
	return nil
}

// outside refuses a key that would be stolen together with the data it protects.
func outside(path, dataDir string) error {
	file, err := resolve(path)
	if err != nil {
		return fmt.Errorf("find key file: %w", err)
	}
	dir, err := resolve(dataDir)
	if err != nil {
		return fmt.Errorf("find data folder: %w", err)
	}
	rel, err := filepath.Rel(dir, file)
	if err != nil || (rel != ".." && !strings.HasPrefix(rel, "../")) {
		return fmt.Errorf("key file %s: %w: it lies inside the data folder %s", path, ErrKeyExposed, dataDir)
	}
	return nil
}

// resolve follows symbolic links as far as the path exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return real, err
	}
	if to, err := os.Readlink(path); err == nil { // a link to what is not there yet
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		return resolve(to)
	}
	parent, err := resolve(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	return filepath.Join(parent, filepath.Base(path)), nil
}

// findStore returns a store file below dir, or nothing.
func findStore(dir string) (found string, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == dir {
			return fs.SkipAll
		}
		if err != nil {
			return fmt.Errorf("look for a store: %w", err)
		}
		if !d.IsDir() && filepath.Ext(path) == Extension {
			found = path
			return fs.SkipAll
		}
		return nil
	})
	return found, err
}

// createKeyFile writes a new key under a passing name and then gives it the right one,
// so that no moment, not even a power cut, shows half a key. A key that is there
// already stays.
func createKeyFile(path string) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var key Key
	_, _ = rand.Read(key[:])               // never fails: the program ends first
	f, err := os.CreateTemp(dir, ".key-*") // CreateTemp means O_EXCL and mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(hex.EncodeToString(key[:]) + "\n")
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return syncDir(dir)
}

// syncDir makes the names in a folder survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir) // #nosec G304 -- the folder of a file that was just written
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

package vault

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// What the SQLCipher 4 scheme puts into a page: the first page begins with the store's
// salt, every page ends with its nonce and its mark (HMAC-SHA-512).
const (
	saltSize  = 16
	nonceSize = 16
	markSize  = sha512.Size
)

// magic begins every SQLite file that is not encrypted.
var magic = []byte("SQLite format 3\x00")

// checkFirstPage proves the key on the first page without SQLite, which would look into
// the log, and on closing tidy up after itself, before it finds that the key is wrong.
func checkFirstPage(path string, key Key) error {
	page, err := readFirstPage(path)
	switch {
	case err != nil:
		return err
	case len(page) == 0:
		return fmt.Errorf("%w: the file is empty; remove it if it never held data", ErrDamaged)
	case bytes.HasPrefix(page, magic):
		return fmt.Errorf("%w: it is an ordinary SQLite database", ErrNotEncrypted)
	case len(page) < pageSize:
		return fmt.Errorf("%w: the file holds only %d bytes", ErrWrongKey, len(page))
	}
	salt := bytes.Clone(page[:saltSize])
	for i := range salt {
		salt[i] ^= 0x3a
	}
	markKey, err := pbkdf2.Key(sha512.New, string(key[:]), salt, 2, len(key))
	if err != nil {
		return fmt.Errorf("derive page key: %w", err)
	}
	marked, mark := page[saltSize:pageSize-markSize], page[pageSize-markSize:]
	h := hmac.New(sha512.New, markKey)
	h.Write(marked)
	h.Write(binary.LittleEndian.AppendUint32(nil, 1)) // the page's number
	if !hmac.Equal(h.Sum(nil), mark) {
		return ErrWrongKey
	}
	return nil
}

// readFirstPage returns the file's first page, or less if the file is shorter.
func readFirstPage(path string) ([]byte, error) {
	f, err := os.Open(path) // #nosec G304 -- the store file that the operator configured
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, errors.Join(err, fmt.Errorf("%w: not a regular file", ErrDamaged))
	}
	page := make([]byte, pageSize)
	n, err := io.ReadFull(f, page)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return page[:n], err
}

// opened counts this process's stores by file. POSIX takes away all of a process's locks
// on a file when the process closes any descriptor of it, so a file that SQLite has open
// here must not be read in any other way: the locks are the process's, and so is this.
var opened = struct {
	sync.Mutex
	stores map[fileID]int
}{stores: map[fileID]int{}}

type fileID struct{ device, inode uint64 }

func identify(path string) (fileID, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return fileID{}, &os.PathError{Op: "stat", Path: path, Err: err}
	}
	return fileID{device: uint64(st.Dev), inode: st.Ino}, nil
}

package verify

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strconv"
	"strings"

	"stockade/protocol/change"
)

// Limits of files, in bytes: an export comes from strangers.
const (
	maxSmall  = 1 << 20
	maxLeaves = 4 << 30
)

// folder reads an export without ever leaving it: a link that points outside is refused.
type folder struct{ root *os.Root }

func openFolder(dir string) (folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return folder{}, fmt.Errorf("open export: %w", err)
	}
	return folder{root}, nil
}

func (f folder) close() error { return f.root.Close() }

// read returns a file of at most limit bytes.
func (f folder) read(name string, limit int64) (b []byte, err error) {
	file, err := f.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file", name)
	}
	if b, err = io.ReadAll(io.LimitReader(file, limit+1)); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return b, nil
}

// leafFile is a file that belongs to a leaf: its name begins with the leaf's 12 digits.
type leafFile struct {
	name string // in the export
	leaf int64
	rest string // of the name, behind the digits
}

// leafFiles lists a folder of such files. Any other file is a mistake: it stands for nothing in the log.
func (f folder) leafFiles(dir string) ([]leafFile, error) {
	d, err := f.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // no leaf of that kind
	}
	if err != nil {
		return nil, err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return nil, err
	}
	out := make([]leafFile, 0, len(names))
	for _, n := range names {
		leaf, rest, err := parseLeafName(n)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path.Join(dir, clip(n)), err)
		}
		out = append(out, leafFile{path.Join(dir, n), leaf, rest})
	}
	return out, nil
}

const leafDigits = 12

func parseLeafName(name string) (int64, string, error) {
	digits, rest, ok := strings.Cut(name, ".")
	n, err := strconv.ParseInt(digits, 10, 64)
	if !ok || err != nil || n < 0 || len(digits) != leafDigits {
		return 0, "", errors.New("a file that belongs to no leaf")
	}
	return n, rest, nil
}

// entryFile is an entry of the hub itself with the salt of its hash.
type entryFile struct {
	_     struct{} `cbor:",toarray"`
	Salt  []byte
	Entry []byte
}

func parseEntry(b []byte) (entryFile, error) {
	var e entryFile
	if err := change.UnmarshalExact(b, &e); err != nil {
		return e, err
	}
	if len(e.Salt) != change.SaltSize {
		return e, fmt.Errorf("salt of %d bytes", len(e.Salt))
	}
	return e, nil
}

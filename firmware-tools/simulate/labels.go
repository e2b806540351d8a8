package simulate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// lastLabel is the highest number that a label kept in dir has.
func lastLabel(dir string) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	last := 0
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".zpl")
		if n, err := strconv.Atoi(digits); ok && err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// keepLabel keeps data in dir under the first free number from n on. Nothing is ever overwritten.
// A label appears under its name only when it is whole.
func keepLabel(dir string, n int, data []byte) (number int, file string, err error) {
	next, err := os.CreateTemp(dir, ".label-*")
	if err != nil {
		return n, "", fmt.Errorf("keep label %d: %w", n, err)
	}
	defer func() { _ = os.Remove(next.Name()) }()
	_, err = next.Write(data)
	if err := errors.Join(err, next.Close()); err != nil {
		return n, "", fmt.Errorf("keep label %d: %w", n, err)
	}
	for ; ; n++ {
		file = filepath.Join(dir, fmt.Sprintf("%04d.zpl", n))
		switch err := os.Link(next.Name(), file); {
		case err == nil:
			return n, file, nil
		case !errors.Is(err, fs.ErrExist):
			return n, "", fmt.Errorf("keep label %d: %w", n, err)
		}
	}
}

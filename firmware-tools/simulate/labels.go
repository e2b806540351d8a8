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
func lastLabel(dir string, language Language) (int, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return 0, err
	}
	last := 0
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), "."+string(language))
		if n, err := strconv.Atoi(digits); ok && err == nil {
			last = max(last, n)
		}
	}
	return last, nil
}

// keepLabel keeps a label and its picture in dir under the first free number from n on. Nothing is ever
// overwritten. A label appears under its name only when it is whole, and after its picture.
func keepLabel(dir string, n int, language Language, data, image []byte) (number int, file, picture string, err error) {
	for ; ; n++ {
		name := filepath.Join(dir, fmt.Sprintf("%04d", n))
		file, picture = name+"."+string(language), name+".png"
		if _, err := os.Lstat(file); err == nil {
			continue
		}
		err := appear(dir, picture, image)
		if err == nil {
			if err = appear(dir, file, data); errors.Is(err, fs.ErrExist) { // somebody else was quicker
				_ = os.Remove(picture)
			}
		}
		switch {
		case err == nil:
			return n, file, picture, nil
		case !errors.Is(err, fs.ErrExist):
			return n, "", "", fmt.Errorf("keep label %d: %w", n, err)
		}
	}
}

// appear makes a file that is whole when it appears.
func appear(dir, file string, data []byte) error {
	next, err := os.CreateTemp(dir, ".label-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(next.Name()) }()
	_, err = next.Write(data)
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Link(next.Name(), file)
}

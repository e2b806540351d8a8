package simulate

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// placeLink makes link point to target in one step, so that a host never finds it half made. Only
// a symbolic link is ever replaced.
func placeLink(link, target string) error {
	switch info, err := os.Lstat(link); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink == 0:
		return fmt.Errorf("%s exists and is no symbolic link: choose another name", link)
	}
	// The number of a terminal belongs to one device at a time, so nobody else uses this name now.
	next := fmt.Sprintf("%s.pts%s.new", link, filepath.Base(target))
	if info, err := os.Lstat(next); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		_ = os.Remove(next) // left by a process that was killed
	}
	if err := os.Symlink(target, next); err != nil {
		return err
	}
	if err := os.Rename(next, link); err != nil {
		_ = os.Remove(next)
		return err
	}
	return nil
}

// removeLink removes link unless another device has taken it over.
func removeLink(link, target string) {
	if now, err := os.Readlink(link); err == nil && now == target {
		_ = os.Remove(link) // a link that stays points nowhere, which a host has to stand anyway
	}
}

package disk

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Fill takes all room on the disk, as somebody else's files do, until the returned function is called.
func (d *Disk) Fill() (room func() error, err error) {
	ballast := filepath.Join(d.dir, "ballast")
	f, err := os.Create(ballast) // #nosec G304 -- a disk of the test's own
	if err != nil {
		return nil, err
	}
	for piece := make([]byte, 1<<20); len(piece) > 0; { // ever smaller ones, to the last block
		if _, err := f.Write(piece); errors.Is(err, unix.ENOSPC) {
			piece = piece[:len(piece)/2]
		} else if err != nil {
			return nil, errors.Join(err, f.Close())
		}
	}
	return func() error { return os.Remove(ballast) }, errors.Join(f.Sync(), f.Close())
}

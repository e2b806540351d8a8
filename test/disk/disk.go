// Package disk makes small file systems in files, for tests that take the power from a disk, fill
// it or let it fail. They are mounted where only the test's own processes see them, so
// that nothing is left behind however the test ends: see Main.
package disk

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Disk is an ext4 file system in a file, mounted at a folder.
type Disk struct {
	image string
	dir   string
}

// New makes a file system of so many MiB and mounts it at dir, which is made when it is missing. The file lies
// beside dir.
func New(ctx context.Context, dir string, mib int64) (*Disk, error) {
	d := &Disk{image: dir + ".img", dir: dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.image, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(mib<<20), f.Close()); err != nil {
		return nil, err
	}
	if err := run(ctx, "mkfs.ext4", "-q", "-F", "-m", "0", "-E", "root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0", d.image); err != nil {
		return nil, err
	}
	return d, d.mount(ctx)
}

// mount mounts the file system so that a fault found on it makes it read-only, as a card does that has had
// its time.
func (d *Disk) mount(ctx context.Context) error {
	return run(ctx, "mount", "-t", "ext4", "-o", "loop,errors=remount-ro", d.image, d.dir)
}

// ext4Shutdown is EXT4_IOC_SHUTDOWN, and noLogFlush its flag EXT4_GOING_FLAGS_NOLOGFLUSH: from that moment nothing
// is written any more, what was not synced is gone, and the journal's last words too.
const (
	ext4Shutdown = 0x8004587d
	noLogFlush   = 2
)

// Cut takes the power away. Whoever has files open on it gets errors; Restore waits for them to end.
func (d *Disk) Cut() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), ext4Shutdown, noLogFlush); err != nil { // #nosec G115 -- a descriptor
		return fmt.Errorf("cut the power of %s: %w", d.dir, err)
	}
	return nil
}

// Fail lets the kernel find a fault on the file system, which makes it read-only.
func (d *Disk) Fail() error {
	var st unix.Stat_t
	if err := unix.Stat(d.dir, &st); err != nil {
		return fmt.Errorf("fail %s: %w", d.dir, err)
	}
	device, err := os.Readlink(fmt.Sprintf("/sys/dev/block/%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev)))
	if err != nil {
		return fmt.Errorf("fail %s: %w", d.dir, err)
	}
	return os.WriteFile(filepath.Join("/sys/fs/ext4", filepath.Base(device), "trigger_fs_error"), []byte("1"), 0o200) // #nosec G703 -- the kernel's own name
}

// Restore mounts the file system as it comes back with the power. No process may have files open on it.
func (d *Disk) Restore(ctx context.Context) error {
	if err := d.unmount(ctx); err != nil {
		return err
	}
	return d.mount(ctx)
}

// Close unmounts the file system for good.
func (d *Disk) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return errors.Join(d.unmount(ctx), os.Remove(d.image))
}

const patience = time.Minute

// unmount waits for processes that have been killed and are not quite gone.
func (d *Disk) unmount(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		err := unix.Unmount(d.dir, 0)
		if !errors.Is(err, unix.EBUSY) {
			if err != nil {
				err = fmt.Errorf("unmount %s: %w", d.dir, err)
			}
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("unmount %s: %w", d.dir, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, path(name), args...).CombinedOutput() // #nosec G204 -- our own arguments
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// path finds an administrator's program also for those whose path lacks its folder.
func path(name string) string {
	for _, try := range []string{name, "/usr/sbin/" + name, "/sbin/" + name} {
		if found, err := exec.LookPath(try); err == nil {
			return found
		}
	}
	return name
}

package disk

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, sync bool) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.Write(bytes.Repeat([]byte("data"), 4096))
	must(t, err)
	if sync {
		must(t, f.Sync())
	}
	must(t, f.Close())
}

// TestCutDropsWhatWasNotSynced is what makes the tests that use it mean something.
func TestCutDropsWhatWasNotSynced(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	d := Need(t, dir, 16)
	kept, gone, grown := filepath.Join(dir, "kept"), filepath.Join(dir, "gone"), filepath.Join(dir, "grown")
	write(t, kept, true)
	write(t, grown, true)
	write(t, grown, false)
	write(t, gone, false)
	must(t, d.Cut())
	if err := os.WriteFile(filepath.Join(dir, "late"), nil, 0o600); !errors.Is(err, syscall.EIO) {
		t.Errorf("write after the cut: %v, want %v", err, syscall.EIO)
	}
	must(t, d.Restore(t.Context()))
	for path, want := range map[string]int{kept: 16 << 10, grown: 16 << 10, gone: 0} {
		b, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, os.ErrNotExist) || len(b) != want || len(bytes.Trim(b, "data")) > 0 {
			t.Errorf("%s: %d bytes, %v; want %d", filepath.Base(path), len(b), err, want)
		}
	}
}

func TestFailMakesReadOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	d := Need(t, dir, 16)
	write(t, filepath.Join(dir, "kept"), true)
	must(t, d.Fail())
	if err := os.WriteFile(filepath.Join(dir, "late"), nil, 0o600); !errors.Is(err, syscall.EROFS) {
		t.Errorf("write after the fault: %v, want %v", err, syscall.EROFS)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "kept")); err != nil || len(b) != 16<<10 {
		t.Errorf("what was there: %d bytes, %v", len(b), err)
	}
}

// TestMountsAreOurs: nobody else sees the disks, so none is left behind when the test is killed.
func TestMountsAreOurs(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	Need(t, dir, 16)
	mine, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	all, err := os.ReadFile("/proc/1/mounts")
	must(t, err)
	if !bytes.Contains(mine, []byte(dir)) || bytes.Contains(all, []byte(dir)) {
		t.Errorf("mounted at %s\nhere:\n%s\nelsewhere:\n%s", dir, mine, all)
	}
}

package disk

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"stockade/test/rig"
)

// inside tells a test program that it runs where it sees mounts of its own.
const inside = "STOCKADE_TEST_MOUNTS"

// Main takes the place of m.Run in a TestMain: it runs the tests in a mount namespace of their own, which the kernel
// takes apart when the last process in it has ended, however that came.
func Main(m *testing.M) int {
	if os.Getenv(inside) != "" || os.Getuid() != 0 { // Need tells who is not root
		return m.Run()
	}
	// The child gets its signal when the thread that made it ends.
	runtime.LockOSThread()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...) // #nosec G204 G702 -- this very program
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return max(1, exit.ExitCode())
	case err != nil:
		fmt.Fprintln(os.Stderr, "no mounts of our own:", err)
		return m.Run() // Need tells
	}
	return 0
}

// Need returns a disk for a test, mounted at dir until the test ends. Where none can be made the test is
// skipped, but never in CI.
func Need(t *testing.T, dir string, mib int64) *Disk {
	t.Helper()
	if os.Getenv(inside) == "" {
		rig.Lack(t, "file systems can be mounted by root only")
	}
	d, err := New(t.Context(), dir, mib)
	if err != nil {
		rig.Lack(t, err.Error())
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

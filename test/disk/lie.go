package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"stockade/test/rig"
)

// Flush says what becomes of the calls with which a program makes sure that its data is on the disk.
type Flush string

// What can become of them. The words are strace's.
const (
	Lied   Flush = "retval=0"  // they do nothing and say that all went well
	Failed Flush = "error=EIO" // they do nothing and fail
)

// Flushes meddles with all such calls of a running program from now on, until stop is called or the
// program ends.
func Flushes(t *testing.T, p *rig.Process, f Flush) (stop func()) {
	t.Helper()
	program, err := exec.LookPath("strace")
	if err != nil {
		rig.Lack(t, "strace is missing")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, "-f", "-p", strconv.Itoa(p.PID()), "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:"+string(f)) // #nosec G204 -- our own arguments
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }                                                                                                 // it then lets go of the program
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	said, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	stop = func() {
		cancel()
		_ = cmd.Wait() // ended by us, or with the program
	}
	t.Cleanup(stop)
	lines := bufio.NewScanner(said)
	if err := attached(lines); err != nil {
		t.Fatal(err)
	}
	go func() { // it says so of every new thread, and would wait for a reader
		for lines.Scan() {
			continue
		}
	}()
	return stop
}

// attached waits until strace says that it has the program in hand.
func attached(lines *bufio.Scanner) error {
	for lines.Scan() {
		if strings.Contains(lines.Text(), "attached") {
			return nil
		}
		if strings.Contains(lines.Text(), "ptrace") {
			return fmt.Errorf("strace: %s", lines.Text())
		}
	}
	return errors.Join(errors.New("strace could not attach"), lines.Err())
}

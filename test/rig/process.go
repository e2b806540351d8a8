// Package rig starts the real programs for tests: a hub, its nodes, simulated devices, and a
// relay in between that can be cut. Everything listens on free loopback ports and
// lives in one folder.
package rig

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Patience is how long the rig waits for anything before it calls it broken.
const Patience = 60 * time.Second

// Process is a running program whose output is kept.
type Process struct {
	name string
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	mu   sync.Mutex
	out  bytes.Buffer
	log  *os.File

	killed atomic.Bool
}

// Start runs a program. What it prints is kept, and appended to a file in dir.
func Start(dir, name, program string, args ...string) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) // #nosec G304 -- a folder of the test's own
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{name: name, cmd: exec.Command(program, args...), done: make(chan struct{}), log: log} // #nosec G204 -- our own programs
	p.cmd.Stdout, p.cmd.Stderr = p, p
	// A process group of its own: a Ctrl-C at the terminal reaches us, and we stop it in order.
	// When we are killed ourselves, nothing of ours is left running.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		_ = log.Close()
		close(p.done)
	}()
	return p, nil
}

// Write keeps what the program prints.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.out.Write(b)
	return p.log.Write(b)
}

// Output returns what the program has printed since it started.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Line waits until the program has printed a line that contains word, and returns the line.
func (p *Process) Line(ctx context.Context, word string) (string, error) {
	line := ""
	err := p.Until(ctx, "a line with "+word, func() (bool, error) {
		for l := range strings.Lines(p.Output()) {
			if strings.Contains(l, word) {
				line = strings.TrimSpace(l)
				return true, nil
			}
		}
		return false, nil
	})
	return line, err
}

// Until waits for a condition as long as the program runs.
func (p *Process) Until(ctx context.Context, what string, ok func() (bool, error)) error {
	return Until(ctx, p.name+": "+what, func() (bool, error) {
		select {
		case <-p.done:
			return false, fmt.Errorf("%s has ended: %w\n%s", p.name, p.err, tail(p.Output(), 30))
		default:
			return ok()
		}
	})
}

// Kill ends the program as a power cut would.
func (p *Process) Kill() {
	p.killed.Store(true)
	_ = p.cmd.Process.Kill()
	<-p.done
}

// Stop asks the program to end and returns an error unless it ends well.
func (p *Process) Stop() error {
	select {
	case <-p.done:
		return fmt.Errorf("%s had ended: %w\n%s", p.name, errors.Join(p.err), tail(p.Output(), 30))
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
		if p.err != nil {
			return fmt.Errorf("%s: %w\n%s", p.name, p.err, tail(p.Output(), 30))
		}
		return nil
	case <-time.After(Patience):
		p.Kill()
		return fmt.Errorf("%s did not stop within %v", p.name, Patience)
	}
}

// Ended is closed when the program has ended.
func (p *Process) Ended() <-chan struct{} { return p.done }

// Killed reports whether Kill was called.
func (p *Process) Killed() bool { return p.killed.Load() }

// PID returns the number under which the system knows the program.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Running reports whether the program has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// slot holds the program of a hub or a node, which changes at every start.
type slot struct {
	Process *Process

	mu sync.Mutex
}

func (s *slot) put(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Process = p
}

// Kill ends the program as a power cut would, also while another goroutine starts it.
func (s *slot) Kill() {
	s.mu.Lock()
	p := s.Process
	s.mu.Unlock()
	if p != nil {
		p.Kill()
	}
}

// Until asks again and again until ok says yes, fails, or patience ends.
func Until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		yes, err := ok()
		if err != nil {
			return fmt.Errorf("wait for %s: %w", what, err)
		}
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// Run runs a program to its end and returns what it wrote to standard output.
func Run(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...) // #nosec G204 -- our own programs
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return out, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, tail(stderr.String(), 10))
	}
	return out, nil
}

func tail(s string, lines int) string {
	all := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

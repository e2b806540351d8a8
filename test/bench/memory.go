package bench

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"stockade/test/rig"
)

// idleMemory restarts a node and reads its memory when nothing happens: it has its scanners
// open, holds its line to the hub and serves its pages. It returns the memory of the least server.
func (s *site) idleMemory(ctx context.Context, e *rig.Edge) (least float64, err error) {
	if err := e.Process.Stop(); err != nil {
		return 0, err
	}
	if err := e.Start(ctx); err != nil {
		return 0, err
	}
	if err := s.ready(ctx, e); err != nil {
		return 0, err
	}
	if err := pause(ctx, s.Size.Settle); err != nil { // for nothing: it is the resting that is measured
		return 0, err
	}
	if least, err = s.leastServer(ctx); err != nil {
		return 0, err
	}
	idle, err := resident(e.Process.PID(), "VmRSS")
	if err != nil {
		return 0, err
	}
	return least, s.emit("memory/idle", "MiB", idle, least)
}

// busyMemory lets all scanners of a node scan as fast as it takes them, with every station's page
// open and the hub at the other end, and reads the most memory that it ever had.
func (s *site) busyMemory(ctx context.Context, e *rig.Edge, least float64) error {
	outbox, err := s.outbox(ctx, e)
	if err != nil {
		return err
	}
	before, err := outbox()
	if err != nil {
		return err
	}
	if err := s.scanAll(ctx, e); err != nil {
		return err
	}
	after, err := outbox()
	if err != nil {
		return err
	}
	if after.Changes == before.Changes {
		return errors.New("the node was not busy")
	}
	s.say("  %d changes of eight scanners in %v", after.Changes-before.Changes, s.Size.Busy)
	most, err := resident(e.Process.PID(), "VmHWM")
	if err != nil {
		return err
	}
	return s.emit("memory/busy", "MiB", most, least)
}

// scanAll scans at all stations for a while.
func (s *site) scanAll(ctx context.Context, e *rig.Edge) error {
	ctx, stop := context.WithTimeout(ctx, s.Size.Busy)
	defer stop()
	group, working := errgroup.WithContext(ctx)
	for i, scanner := range s.scanners {
		w := newWorker(1 + scanners + i) // whose serial numbers nobody else has used
		group.Go(func() error { return s.watch(working, e, stationName(i)) })
		group.Go(func() error {
			for {
				text := []byte(w.scan().text + "\r")
				if err := scanner.SendContext(working, text, len(text), 0); err != nil {
					return ended(working, err)
				}
			}
		})
	}
	return group.Wait()
}

// watch follows a station's page until ctx ends.
func (s *site) watch(ctx context.Context, e *rig.Edge, station string) error {
	pages, err := e.Pages()
	if err != nil {
		return err
	}
	b, err := rig.NewBrowser(pages, "")
	if err != nil {
		return err
	}
	told := make(chan rig.Feedback, 64)
	go func() {
		for range told { // only the node's side is measured
		}
	}()
	defer close(told)
	return ended(ctx, b.Follow(ctx, station, 0, told))
}

// ended returns an error unless it only says that time is over.
func ended(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return err
}

// leastServer returns the memory of a Go program that serves one page over TLS and does nothing
// else, after a few requests: what is above it is ours.
func (s *site) leastServer(ctx context.Context) (float64, error) {
	root, err := rig.Root()
	if err != nil {
		return 0, err
	}
	program := filepath.Join(s.rig.Dir, "least")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./test/cmd/least") // #nosec G204 -- fixed words
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("build the least server: %w: %s", err, out)
	}
	p, err := rig.Start(s.rig.Dir, "least", program)
	if err != nil {
		return 0, err
	}
	defer p.Kill()
	line, err := p.Line(ctx, "https://")
	if err != nil {
		return 0, err
	}
	b, err := rig.NewBrowser(line, "")
	if err != nil {
		return 0, err
	}
	for range 20 {
		if _, err := b.Get(ctx, "/"); err != nil {
			return 0, err
		}
	}
	return resident(p.PID(), "VmRSS")
}

// resident reads one of the memory figures that Linux keeps of a process, in MiB.
func resident(pid int, name string) (float64, error) {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if rest, ok := strings.CutPrefix(lines.Text(), name+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, errors.Join(fmt.Errorf("process %d: no %s", pid, name), lines.Err())
}

// Command rigrun runs the real programs for tests that are not written in Go: a hub, nodes with
// stations, and simulated devices on pseudo-terminals, behind an uplink that can be cut. What
// it runs is described by the first line of its standard input, see setup. It answers
// with one line of JSON that tells addresses and one-time codes, takes commands from the lines
// that follow, answers each with a line, and stops everything when standard input ends.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"stockade/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdin, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "rigrun:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader, out io.Writer) (err error) {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() {
		return errors.Join(errors.New("no setup came in"), lines.Err())
	}
	var s setup
	if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
		return fmt.Errorf("setup: %w", err)
	}
	dir, err := os.MkdirTemp("", "stockade-rig-")
	if err != nil {
		return err
	}
	w := &world{dir: dir, stations: map[string]*devices{}, edges: map[string]*rig.Edge{}}
	defer func() { err = errors.Join(err, w.close(), os.RemoveAll(dir)) }()
	ready, err := w.start(ctx, s)
	if err != nil {
		return err
	}
	answers := json.NewEncoder(out)
	if err := answers.Encode(ready); err != nil {
		return err
	}
	for ctx.Err() == nil && lines.Scan() {
		if err := answers.Encode(w.answer(ctx, lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

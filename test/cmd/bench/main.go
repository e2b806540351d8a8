// Command bench measures what the project promises to be fast, small and short, and prints one JSON
// object a line for each measurement; what people want to read meanwhile goes to standard error.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"stockade/test/bench"
	"stockade/test/rig"
)

func main() {
	signal.Ignore(syscall.SIGPIPE) // a reader who has enough is an error like any other: programs are stopped, the folder goes
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	root, err := rig.Root()
	if err != nil {
		return err
	}
	// Not the system's folder for passing files: that is often memory, where a commit costs nothing.
	disk := flag.String("dir", filepath.Join(root, "build"), "folder on the disk to measure")
	quick := flag.Bool("quick", false, "only show that everything works: the figures mean nothing")
	flag.Parse()
	dir, err := os.MkdirTemp(*disk, "bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o := bench.Options{Dir: dir, Size: bench.Full, Emit: func(m bench.Measurement) error { return json.NewEncoder(os.Stdout).Encode(m) }, Log: os.Stderr}
	if *quick {
		o.Size = bench.Tiny
	}
	return bench.Run(ctx, o)
}

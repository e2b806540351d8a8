// Command devrun runs a whole company on one machine: headquarters, two warehouses, simulated
// scanners and printers, and people who scan all day. It runs until it is told to stop and
// keeps its data for the next time.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"stockade/test/devrun"
	"stockade/test/rig"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "devrun:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := rig.Root()
	if err != nil {
		return err
	}
	o := devrun.Options{Out: os.Stdout}
	flag.StringVar(&o.Dir, "dir", filepath.Join(root, "run"), "folder of the demonstration")
	flag.BoolVar(&o.Fresh, "fresh", false, "begin anew: what is in the folder is deleted")
	flag.DurationVar(&o.Pace, "pace", devrun.DefaultPace, "time between two scans of a worker")
	flag.Parse()
	return devrun.Run(ctx, o)
}

// Command smoke plays a file of scans through the real programs and says whether anything was
// lost or doubled. Its last line is a JSON object; it exits with 0 only if all is well.
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

	"stockade/test/rig"
	"stockade/test/smoke"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "smoke:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	root, err := rig.Root()
	if err != nil {
		return err
	}
	scans := flag.String("scans", filepath.Join(root, "protocol", "barcode", "testdata", "scans.tsv"), "file of scans")
	broker := flag.String("broker", "", "mosquitto for Debian's broker in place of the hub's own")
	keep := flag.Bool("keep", false, "leave the folder of the run")
	flag.Parse()
	if *broker != "" && *broker != "mosquitto" {
		return fmt.Errorf("broker %q: only mosquitto can take the place of the hub's own", *broker)
	}
	dir, err := os.MkdirTemp("", "stockade-smoke-")
	if err != nil {
		return err
	}
	if *keep {
		fmt.Println("folder:", dir)
	} else {
		defer func() { _ = os.RemoveAll(dir) }()
	}
	res, err := smoke.Run(ctx, smoke.Options{Scans: *scans, Dir: dir, Mosquitto: *broker != "", Log: os.Stdout})
	line, jsonErr := json.Marshal(res)
	fmt.Println(string(line))
	return errors.Join(err, jsonErr, res.Good())
}

package rig

import (
	"context"
	"os"
)

// Copy puts a copy of a file or folder, with its modes, in place of whatever is at to. Nobody may
// write to either meanwhile.
func Copy(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	_, err := Run(ctx, "cp", "-a", from, to)
	return err
}

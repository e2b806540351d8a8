// Package kills ends the real programs with SIGKILL at random points while scanners play, again and
// again: every scan that was confirmed to the worker must be in the hub's stock exactly once.
package kills

import (
	"context"
	"fmt"
	"sync"
)

// victim is a program that is killed and started again, not seldom before it has quite started.
type victim struct {
	name  string
	kill  func()
	start func(context.Context) error

	starting sync.WaitGroup
	err      error // of the last start
}

// strike kills the program wherever it is, and begins to start it again.
func (v *victim) strike(ctx context.Context) {
	v.kill()
	v.starting.Wait()
	v.kill() // the start may have been faster than the first kill
	v.starting.Go(func() { v.err = v.start(ctx) })
}

// up waits until the program has started.
func (v *victim) up() error {
	v.starting.Wait()
	if v.err != nil {
		return fmt.Errorf("start %s: %w", v.name, v.err)
	}
	return nil
}

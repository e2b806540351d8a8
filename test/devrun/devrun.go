// Package devrun runs a small company for people to look at: headquarters, a warehouse in Shanghai and
// one in Chengdu with two stations each, simulated scanners and label printers, and workers who
// receive, put away, pick and count, and now and then scan what they should not.
package devrun

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"stockade/test/rig"
)

// DefaultPace is the time between two scans of one worker: a person with gloves, not a machine.
const DefaultPace = 1500 * time.Millisecond

// Options choose a run. Dir and Out are needed.
type Options struct {
	Dir   string        // kept between runs
	Fresh bool          // begin anew
	Pace  time.Duration // DefaultPace when 0
	Out   io.Writer     // for people
}

// Run runs the company until ctx ends or something breaks.
func Run(ctx context.Context, o Options) error {
	if o.Pace <= 0 {
		o.Pace = DefaultPace
	}
	unlock, err := prepare(o)
	if err != nil {
		return err
	}
	defer unlock()
	fmt.Fprintln(o.Out, "正在启动仓盾演示…… / starting the demonstration ...")
	c, err := open(ctx, o)
	if err == nil {
		c.welcome(o.Out)
		err = c.work(ctx)
	}
	if told := ctx.Err() != nil; told {
		fmt.Fprintln(o.Out, "正在停止…… / stopping ...")
		err = nil // told to stop, at whatever moment
	}
	return errors.Join(err, c.close())
}

// marks are files in the folder: the lock of a run, and the mark of a company that was founded whole.
const (
	lockFile  = ".lock"
	readyFile = ".ready"
)

// prepare makes the folder and makes sure that nobody else uses it. What an interrupted first start has
// left is no company: it is cleared away, as everything is when the run begins anew.
func prepare(o Options) (unlock func(), err error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(o.Dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600) // #nosec G304 -- in the demonstration's own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { // #nosec G115 -- a descriptor
		return nil, errors.Join(fmt.Errorf("演示已在运行，请先停止它 / the demonstration is running already, stop it first (%s)", o.Dir), lock.Close())
	}
	unlock = func() { _ = lock.Close() }
	_, err = os.Stat(filepath.Join(o.Dir, readyFile))
	if err == nil && !o.Fresh {
		return unlock, nil
	}
	if err := clear(o.Dir); err != nil {
		unlock()
		return nil, err
	}
	return unlock, nil
}

// clear removes what a demonstration keeps. In a folder that was never one it touches nothing.
func clear(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !ours(e.Name()) {
			return fmt.Errorf("%s 不是演示文件，请换一个空文件夹 / is not of a demonstration, choose an empty folder", filepath.Join(dir, e.Name()))
		}
	}
	for _, e := range entries {
		if e.Name() == lockFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// ours reports whether a demonstration makes files of that name.
func ours(name string) bool {
	for _, pattern := range []string{lockFile, readyFile, portsFile, itemsFile, binsFile, "hub", "hub.*", "root.key", "edge-*", "scanner-*", "printer-*", "labels-*"} {
		if ok, err := filepath.Match(pattern, name); ok && err == nil {
			return true
		}
	}
	return false
}

// work lets everybody work until ctx ends, and tells now and then how the company stands.
func (c *company) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range c.programs() {
		group.Go(func() error {
			select {
			case <-ctx.Done():
				return nil
			case <-p.Ended():
				return p.Stop() // says how it ended
			}
		})
	}
	for _, w := range c.workers {
		group.Go(func() error { return w.shift(ctx) })
	}
	group.Go(func() error { return c.report(ctx) })
	return group.Wait()
}

func (c *company) programs() []*rig.Process {
	list := []*rig.Process{c.hub.Process}
	for _, e := range c.edges {
		list = append(list, e.Process)
	}
	return list
}

package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	storeDir = "jetstream"  // named by the server
	asideDir = "unreadable" // the last store that was put aside
	opening  = "opening"    // counts starts that the program did not survive
	messages = "$MQTT_msgs" // the server's stream of messages that wait for sessions

	maxCrashes  = 2
	minSealed   = 64      // bytes; an encrypted description or key is longer
	nonceAndTag = 12 + 16 // bytes around what AES-GCM encrypts
)

// errStore says that the server could not read its own store.
var errStore = errors.New("broker store can not be read")

// inspect looks for what the server does not survive: it ends the whole program when an
// encrypted description is cut short, as a power cut or a kill may leave it.
func inspect(dir string) error {
	base := os.DirFS(filepath.Join(dir, storeDir, account, "streams"))
	for pattern, least := range map[string]int64{
		"*/meta.inf": minSealed, "*/obs/*/meta.inf": minSealed, "*/obs/*/o.dat": nonceAndTag,
		"*/meta.key": minSealed, "*/obs/*/meta.key": minSealed,
	} {
		paths, err := fs.Glob(base, pattern)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		for _, p := range paths {
			info, err := fs.Stat(base, p)
			if err != nil {
				return fmt.Errorf("%w: %w", errStore, err)
			}
			unwritten := least == nonceAndTag && info.Size() == 0 // a state that has not changed yet
			if info.Size() < least && !unwritten {
				return fmt.Errorf("%w: %s is cut short", errStore, p)
			}
		}
	}
	return nil
}

// guarded runs open and keeps count of the starts that did not come back from it, so that a
// store on which the server dies in some other way does not keep the hub down for ever.
func guarded(dir string, open func() error) error {
	mark := filepath.Join(dir, opening)
	crashes, err := os.ReadFile(mark) // #nosec G304 -- our own folder
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("broker folder: %w", err)
	}
	if len(crashes) >= maxCrashes {
		if err := os.Remove(mark); err != nil {
			return fmt.Errorf("broker folder: %w", err)
		}
		return fmt.Errorf("%w: the program ended %d times while opening it", errStore, len(crashes))
	}
	if err := os.WriteFile(mark, append(crashes, 'x'), 0o600); err != nil { // #nosec G703 -- our own folder
		return fmt.Errorf("broker folder: %w", err)
	}
	defer func() { _ = os.Remove(mark) }() // else it counts as one more, no harm
	return open()
}

// checkStore compares what lies on disk with what the server made of it. After a power cut or
// with another key it leaves out streams, and consumers of streams, without a word to
// anybody; a session whose consumer is missing would never get a message again, however
// often its client subscribes.
func checkStore(srv *server.Server, dir string) error {
	info, err := srv.Jsz(&server.JSzOptions{Account: account, Streams: true, Consumer: true})
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	streams, consumers := map[string]bool{}, map[string]bool{}
	for _, a := range info.AccountDetails {
		for _, s := range a.Streams {
			streams[s.Name] = true
			for _, c := range s.Consumer {
				if s.Name == messages {
					consumers[c.Name] = true
				}
			}
		}
	}
	base := filepath.Join(dir, storeDir, account, "streams")
	if err := allKnown(base, streams); err != nil {
		return err
	}
	return allKnown(filepath.Join(base, messages, "obs"), consumers)
}

func allKnown(dir string, known map[string]bool) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	for _, e := range entries {
		if e.IsDir() && !known[e.Name()] {
			return fmt.Errorf("%w: %s was not recovered; it is damaged or of another key", errStore, filepath.Join(dir, e.Name()))
		}
	}
	return nil
}

// setAside moves the store away and returns where to. One such store is kept.
func setAside(dir string) (string, error) {
	to := filepath.Join(dir, asideDir)
	if err := os.RemoveAll(to); err != nil {
		return "", err
	}
	return to, os.Rename(filepath.Join(dir, storeDir), to)
}

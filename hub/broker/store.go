package broker

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	storeDir = "jetstream"  // named by the server
	asideDir = "unreadable" // the last store that was put aside
	serving  = "serving"    // lies there from the start to an end in good order
	messages = "$MQTT_msgs" // the server's stream of messages that wait for sessions

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

// begin marks the store as one that is being worked with. One that was marked already, because the
// program was killed or lost its power, is removed: the server writes its queues and where
// each session stands in them one after the other, and takes halves of it for the whole; such a
// session never gets a message again. Nodes and intake connect anew after such an end, and the
// nodes send again whatever was on its way.
func begin(dir string, log *slog.Logger) error {
	mark := filepath.Join(dir, serving)
	f, err := os.OpenFile(mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // #nosec G304 -- our own folder
	switch {
	case errors.Is(err, fs.ErrExist):
		log.Info("the broker was not stopped in good order: its queues begin anew")
		return os.RemoveAll(filepath.Join(dir, storeDir))
	case err != nil:
		return err
	}
	err = errors.Join(f.Sync(), f.Close())
	if d, derr := os.Open(dir); derr == nil { // #nosec G304 -- our own folder
		err = errors.Join(err, d.Sync(), d.Close())
	}
	return err
}

// end takes the mark away: the store is whole.
func end(dir string) error { return os.Remove(filepath.Join(dir, serving)) }

// content names the streams of a store, and the sessions' places in the queue.
type content struct{ streams, consumers []string }

// stored returns what lies on disk before the server has touched it.
func stored(dir string) (c content, err error) {
	base := filepath.Join(dir, storeDir, account, "streams")
	if c.streams, err = folders(base); err == nil {
		c.consumers, err = folders(filepath.Join(base, messages, "obs"))
	}
	return c, err
}

func folders(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// check compares what lay on disk with what the server made of it. After a disk's fault or
// with another key it leaves out streams, or removes them, and consumers of streams, without a word to
// anybody; a session whose consumer is missing would never get a message again, however
// often its client subscribes.
func (c content) check(srv *server.Server) error {
	info, err := srv.Jsz(&server.JSzOptions{Account: account, Streams: true, Consumer: true})
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	known := map[string]bool{}
	for _, a := range info.AccountDetails {
		for _, s := range a.Streams {
			known[s.Name] = true
			for _, consumer := range s.Consumer {
				known[s.Name+"/"+consumer.Name] = true
			}
		}
	}
	for _, s := range c.streams {
		if !known[s] {
			return fmt.Errorf("%w: %s was not recovered; it is damaged or of another key", errStore, s)
		}
	}
	for _, n := range c.consumers {
		if !known[messages+"/"+n] {
			return fmt.Errorf("%w: %s of %s was not recovered; it is damaged or of another key", errStore, n, messages)
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

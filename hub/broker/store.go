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
	messages = "$MQTT_msgs" // the server's stream of messages that wait for sessions
)

// errStore says that the server could not read its own store.
var errStore = errors.New("broker store can not be read")

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

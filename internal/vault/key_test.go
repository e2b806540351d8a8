package vault

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// folders returns a key path and a data folder that do not exist yet.
func folders(t *testing.T) (key, data string) {
	dir := t.TempDir()
	return filepath.Join(dir, "keys", "store.key"), filepath.Join(dir, "data")
}

func TestKeyFileIsMadeOnceAndPrivate(t *testing.T) {
	path, data := folders(t)
	first, err := LoadOrCreateKeyFile(path, data)
	must(t, err)
	info, err := os.Stat(path)
	must(t, err)
	if got := info.Mode().Perm(); got != 0o600 {
		t.Errorf("mode of the new key file = %04o, want 0600", got)
	}
	again, err := LoadOrCreateKeyFile(path, data)
	must(t, err)
	only, err := LoadKeyFile(path, data)
	must(t, err)
	if again != first || only != first {
		t.Error("reading the key file again gives another key")
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".key-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestKeyFileMadeByManyIsOne(t *testing.T) {
	path, data := folders(t)
	keys := make([]Key, 8)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = LoadOrCreateKeyFile(path, data); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, k := range keys {
		if k != keys[0] {
			t.Fatal("two starts at once made two keys")
		}
	}
}

func TestKeyFileRefused(t *testing.T) {
	good := strings.Repeat("a1", 32) + "\n"
	tests := []struct {
		name string
		file string // content, "" for none
		mode os.FileMode
		path func(dir string) string // below a folder that also holds data; keys/k by default
		want error
	}{
		{name: "missing", want: ErrKeyMissing},
		{name: "short", file: good[:60] + "\n", mode: 0o600, want: ErrKeyInvalid},
		{name: "long", file: good + good, mode: 0o600, want: ErrKeyInvalid},
		{name: "empty line", file: "\n", mode: 0o600, want: ErrKeyInvalid},
		{name: "not hexadecimal", file: strings.Repeat("zz", 32) + "\n", mode: 0o600, want: ErrKeyInvalid},
		{name: "lost in a power cut", file: strings.Repeat("00", 32) + "\n", mode: 0o600, want: ErrKeyInvalid},
		{name: "group can read", file: good, mode: 0o640, want: ErrKeyExposed},
		{name: "others can read", file: good, mode: 0o604, want: ErrKeyExposed},
		{name: "others can write", file: good, mode: 0o602, want: ErrKeyExposed},
		{name: "inside the data", file: good, mode: 0o600, want: ErrKeyExposed,
			path: func(dir string) string { return filepath.Join(dir, "data", "deep", "k") }},
		{name: "inside the data by another way", file: good, mode: 0o600, want: ErrKeyExposed,
			path: func(dir string) string { return filepath.Join(dir, "keys", "..", "data", "k") }},
		{name: "inside the data behind a link", file: good, mode: 0o600, want: ErrKeyExposed,
			path: func(dir string) string { return filepath.Join(dir, "link", "k") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o700))
			must(t, os.MkdirAll(filepath.Join(dir, "data", "deep"), 0o700))
			must(t, os.Symlink(filepath.Join(dir, "data"), filepath.Join(dir, "link")))
			path := filepath.Join(dir, "keys", "k")
			if tt.path != nil {
				path = tt.path(dir)
			}
			if tt.file != "" {
				must(t, os.WriteFile(path, []byte(tt.file), 0o600))
				must(t, os.Chmod(path, tt.mode))
			}
			if _, err := LoadKeyFile(path, filepath.Join(dir, "data")); !errors.Is(err, tt.want) {
				t.Errorf("LoadKeyFile = %v, want %v", err, tt.want)
			}
			if tt.want == ErrKeyMissing {
				return
			}
			if _, err := LoadOrCreateKeyFile(path, filepath.Join(dir, "data")); !errors.Is(err, tt.want) {
				t.Errorf("LoadOrCreateKeyFile = %v, want %v", err, tt.want)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != tt.file {
				t.Errorf("the refused file was changed: %q, %v", now, err)
			}
		})
	}
}

func TestNoKeyIsMadeInsideTheData(t *testing.T) {
	data := t.TempDir()
	must(t, os.Symlink(filepath.Join(data, "k"), filepath.Join(t.TempDir(), "away")))
	for _, path := range []string{filepath.Join(data, "k"), filepath.Join(data, "new", "folder", "k")} {
		if _, err := LoadOrCreateKeyFile(path, data); !errors.Is(err, ErrKeyExposed) {
			t.Errorf("LoadOrCreateKeyFile(%s) = %v, want ErrKeyExposed", path, err)
		}
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s was made", path)
		}
	}
}

func TestNoKeyIsMadeBesideAStore(t *testing.T) {
	path, data := folders(t)
	must(t, os.MkdirAll(filepath.Join(data, "hub"), 0o700))
	must(t, os.WriteFile(filepath.Join(data, "hub", "hub"+Extension), []byte("pages"), 0o600))
	if _, err := LoadOrCreateKeyFile(path, data); !errors.Is(err, ErrKeyMissing) {
		t.Errorf("LoadOrCreateKeyFile = %v, want ErrKeyMissing", err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("a new key was made for a store that has another")
	}
}

func TestKeyIsNeverShown(t *testing.T) {
	key := Key{0xab, 0xcd}
	secret := hex.EncodeToString(key[:2])
	asJSON, err := json.Marshal(struct{ K Key }{key})
	must(t, err)
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("open", "key", key, "options", Options{Key: key})
	shown := []string{string(asJSON), log.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x", "%X", "%s", "%q", "%d"} {
		shown = append(shown, fmt.Sprintf(verb, key), fmt.Sprintf(verb, Options{Key: key}))
	}
	for _, s := range shown {
		if strings.Contains(strings.ToLower(s), secret) || strings.Contains(s, "171") {
			t.Errorf("the key shows in %q", s)
		}
	}
}

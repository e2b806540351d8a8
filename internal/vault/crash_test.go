package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// crash returns a store as a power cut leaves it: with its last commits in the log.
func crash(t *testing.T) (path string, texts []string) {
	t.Helper()
	s := newTestStore(t)
	must(t, s.Close())
	s = openStore(t, s.Path())
	for i := range 5 {
		texts = append(texts, fmt.Sprint(i, strings.Repeat(" text", 500)))
		must(t, add(s, texts[i]))
	}
	path = filepath.Join(t.TempDir(), "crashed.db")
	for name, content := range contents(t, filepath.Dir(s.Path())) {
		must(t, os.WriteFile(strings.Replace(path, "crashed.db", strings.Replace(name, "test.db", "crashed.db", 1), 1), []byte(content), 0o600))
	}
	must(t, os.Remove(path+"-shm")) // memory, not disk
	return path, texts
}

func TestLogIsRecovered(t *testing.T) {
	path, texts := crash(t)
	s := openStore(t, path)
	if got := notes(t, s); !slices.Equal(got, texts) {
		t.Errorf("after the crash %d notes are left, want %d", len(got), len(texts))
	}
	must(t, s.Check(context.Background()))
}

// What was being written when the power went is cut off, torn or never came: commits
// before it stand and the store opens without repair.
func TestTornEndOfLog(t *testing.T) {
	tests := []struct {
		name string
		tear func(t *testing.T, wal string, size int64)
	}{
		{"cut off", func(t *testing.T, wal string, size int64) { must(t, os.Truncate(wal, size-100)) }},
		{"cut off at a frame", func(t *testing.T, wal string, size int64) { must(t, os.Truncate(wal, size-pageSize-24)) }},
		{"torn", func(t *testing.T, wal string, size int64) { flip(t, wal, size-700) }},
		{"head of the frame lost", func(t *testing.T, wal string, size int64) { flip(t, wal, size-pageSize-20) }},
		{"followed by rubbish", func(t *testing.T, wal string, size int64) {
			f, err := os.OpenFile(wal, os.O_APPEND|os.O_WRONLY, 0)
			must(t, err)
			_, err = f.WriteString(strings.Repeat("rubbish", 1000))
			must(t, errors.Join(err, f.Close()))
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, texts := crash(t)
			info, err := os.Stat(path + "-wal")
			must(t, err)
			tt.tear(t, path+"-wal", info.Size())
			s := openStore(t, path)
			got := notes(t, s)
			if len(got) < 4 || !slices.Equal(got, texts[:len(got)]) {
				t.Errorf("%d notes are left, want the first four at least", len(got))
			}
			must(t, s.Check(context.Background()))
			must(t, add(s, "goes on"))
		})
	}
}

// The wrong key must not touch the log of the right one.
func TestWrongKeyLeavesTheLog(t *testing.T) {
	path, texts := crash(t)
	before := contents(t, filepath.Dir(path))
	s, err := Open(context.Background(), Options{Path: path, Key: Key{9}})
	if err == nil {
		s.Close()
	}
	if !errors.Is(err, ErrWrongKey) {
		t.Errorf("Open = %v, want ErrWrongKey", err)
	}
	if after := contents(t, filepath.Dir(path)); !maps.Equal(before, after) {
		t.Errorf("the refusal changed the files: %v, before %v", sizes(after), sizes(before))
	}
	if got := notes(t, openStore(t, path)); !slices.Equal(got, texts) {
		t.Errorf("after the refusal %d notes are left, want %d", len(got), len(texts))
	}
}

func sizes(files map[string]string) map[string]int {
	n := map[string]int{}
	for name, content := range files {
		n[name] = len(content)
	}
	return n
}

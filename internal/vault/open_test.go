package vault

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The program must hold our SQLite and not load the operating system's, which would
// write everything in the clear.
func TestLinkedLibrary(t *testing.T) {
	exe, err := os.Executable()
	must(t, err)
	f, err := elf.Open(exe)
	must(t, err)
	defer f.Close()
	libs, err := f.ImportedLibraries()
	must(t, err)
	for _, lib := range libs {
		if strings.Contains(lib, "sqlite") {
			t.Errorf("the program loads %s", lib)
		}
	}

	c, err := openConn("file:options?mode=memory")
	must(t, err)
	defer c.close()
	has, err := c.findings(context.Background(), `SELECT compile_options FROM pragma_compile_options`)
	must(t, err)
	for _, want := range []string{"DEFAULT_SYNCHRONOUS=2", "DEFAULT_WAL_SYNCHRONOUS=2", "TEMP_STORE=3", "SECURE_DELETE",
		"DQS=0", "OMIT_LOAD_EXTENSION", "THREADSAFE=2", "ENABLE_FTS5", "DEFAULT_FOREIGN_KEYS"} {
		if !slices.Contains(has, want) {
			t.Errorf("SQLite was compiled without %s; it has %v", want, has)
		}
	}
}

func TestOpenMakesAPrivateDurableStore(t *testing.T) {
	s := newTestStore(t)
	must(t, add(s, "kept"))
	for _, name := range []string{"test.db", "test.db-wal", "test.db-shm"} {
		info, err := os.Stat(filepath.Join(filepath.Dir(s.Path()), name))
		must(t, err)
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s = %04o, want 0600", name, got)
		}
	}
	for pragma, want := range map[string]string{"synchronous": "2", "journal_mode": "wal", "secure_delete": "1",
		"foreign_keys": "1", "cipher": "sqlcipher", "page_size": "2048"} {
		if got, err := s.writer.pragma(pragma); err != nil || got != want {
			t.Errorf("writer's %s = %q, %v, want %q", pragma, got, err, want)
		}
	}
	must(t, s.Close())
	again := openStore(t, s.Path())
	if got := notes(t, again); !slices.Equal(got, []string{"kept"}) {
		t.Errorf("after opening again the store holds %q", got)
	}
	must(t, again.Check(context.Background()))
}

func TestOpenAcceptsAnyFolderName(t *testing.T) {
	for _, name := range []string{"with space", "问号?#%41&mode=memory", "上海仓"} {
		path := filepath.Join(t.TempDir(), name, "store.db")
		s := openStore(t, path)
		if _, err := os.Stat(path); err != nil || s.Path() != path {
			t.Errorf("store of %q lies at %q: %v", path, s.Path(), err)
		}
		must(t, s.Close())
	}
}

// leave returns a closed store with enough pages to damage one in the middle.
func leave(t *testing.T) (path string) {
	s := newTestStore(t)
	must(t, s.Update(context.Background(), func(tx *Tx) error {
		for i := range 400 {
			if err := insert(tx, fmt.Sprint(i, strings.Repeat(" text", 100))); err != nil {
				return err
			}
		}
		return nil
	}))
	must(t, s.Close())
	return s.Path()
}

func flip(t *testing.T, path string, at int64) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	must(t, errors.Join(err, f.Close()))
}

func TestOpenRefusals(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, path string)
		key   Key
		want  error
	}{
		{name: "wrong key", key: Key{9}, want: ErrWrongKey},
		{name: "no key", key: Key{}, want: ErrKeyMissing},
		{name: "first page damaged", key: testKey, want: ErrWrongKey,
			spoil: func(t *testing.T, path string) { flip(t, path, 2000) }},
		{name: "salt damaged", key: testKey, want: ErrWrongKey,
			spoil: func(t *testing.T, path string) { flip(t, path, 3) }},
		{name: "not a store", key: testKey, want: ErrWrongKey,
			spoil: func(t *testing.T, path string) {
				must(t, os.WriteFile(path, bytes.Repeat([]byte("text "), 2000), 0o600))
			}},
		{name: "cut to a few bytes", key: testKey, want: ErrWrongKey,
			spoil: func(t *testing.T, path string) { must(t, os.Truncate(path, 100)) }},
		{name: "ordinary database", key: testKey, want: ErrNotEncrypted,
			spoil: func(t *testing.T, path string) {
				must(t, os.Remove(path))
				c, err := openConn("file:" + path)
				must(t, err)
				must(t, errors.Join(c.script("CREATE TABLE a (b)"), c.close()))
			}},
		{name: "emptied", key: testKey, want: ErrDamaged,
			spoil: func(t *testing.T, path string) { must(t, os.Truncate(path, 0)) }},
		{name: "ordinary database with a log", key: testKey, want: ErrNotEncrypted,
			spoil: func(t *testing.T, path string) {
				must(t, os.Remove(path))
				c, err := openConn("file:" + path + "?_journal_mode=WAL")
				must(t, err)
				must(t, c.script("CREATE TABLE a (b)"))
				page, err := os.ReadFile(path)
				must(t, err)
				log, err := os.ReadFile(path + "-wal")
				must(t, err)
				must(t, c.close())
				must(t, os.WriteFile(path, page, 0o600)) // as after a power cut
				must(t, os.WriteFile(path+"-wal", log, 0o600))
			}},
		{name: "store gone, log left", key: testKey, want: ErrDamaged,
			spoil: func(t *testing.T, path string) {
				must(t, os.Remove(path))
				must(t, os.WriteFile(path+"-wal", []byte("frames"), 0o600))
			}},
		{name: "store emptied, log left", key: testKey, want: ErrDamaged,
			spoil: func(t *testing.T, path string) {
				must(t, os.Truncate(path, 0))
				must(t, os.WriteFile(path+"-wal", []byte("frames"), 0o600))
			}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := leave(t)
			if tt.spoil != nil {
				tt.spoil(t, path)
			}
			before := contents(t, filepath.Dir(path))
			s, err := Open(context.Background(), Options{Path: path, Key: tt.key})
			if err == nil {
				s.Close()
			}
			if !errors.Is(err, tt.want) {
				t.Errorf("Open = %v, want %v", err, tt.want)
			}
			if after := contents(t, filepath.Dir(path)); !maps.Equal(before, after) {
				t.Errorf("the refusal changed files: %d before, %d after", len(before), len(after))
			}
		})
	}
}

func TestDamagedPageIsFoundAndLeft(t *testing.T) {
	path := leave(t)
	info, err := os.Stat(path)
	must(t, err)
	flip(t, path, info.Size()/2)
	flip(t, path, info.Size()/2+40)
	before := contents(t, filepath.Dir(path))[filepath.Base(path)]

	s := openStore(t, path) // the first page is whole
	err = s.View(context.Background(), func(tx *Tx) error {
		var n int
		return tx.QueryRow(`SELECT sum(length(text)) FROM note`).Scan(&n)
	})
	if !errors.Is(err, ErrDamaged) {
		t.Errorf("reading across the damaged page = %v, want ErrDamaged", err)
	}
	if err := s.Check(context.Background()); !errors.Is(err, ErrDamaged) {
		t.Errorf("Check = %v, want ErrDamaged", err)
	}
	must(t, s.Close())
	if after := contents(t, filepath.Dir(path))[filepath.Base(path)]; after != before {
		t.Error("reading a damaged store changed it")
	}
}

// Whoever starts first makes the store; all others open that one.
func TestManyMakeOneStore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "new.db")
	exe, err := os.Executable()
	must(t, err)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), "VAULT_TEST_STORE="+path, "VAULT_TEST_ONLY_OPEN=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("open: %v: %s", err, out)
			}
		})
	}
	for range 4 {
		wg.Go(func() {
			s, err := Open(context.Background(), Options{Path: path, Key: testKey})
			if err != nil {
				t.Error(err)
				return
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if left := slices.Collect(maps.Keys(contents(t, filepath.Dir(path)))); !slices.Equal(left, []string{"new.db"}) {
		t.Errorf("the folder holds %q, want the store alone", left)
	}
	must(t, openStore(t, path).Check(context.Background()))
}

// A second store on the same file in one process must not cost the first its locks, nor
// open with another key.
func TestOpenTwiceInOneProcess(t *testing.T) {
	first := newTestStore(t)
	if s, err := Open(context.Background(), Options{Path: first.Path(), Key: Key{9}}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("Open with the wrong key = %v, %v, want ErrWrongKey", s, err)
	}
	second := openStore(t, first.Path())
	must(t, add(first, "one"))
	must(t, add(second, "two"))
	if got := len(locks(t, first.Path())); got == 0 {
		t.Error("the process holds no lock on a store that it has open")
	}
	must(t, second.Close())
	if got := len(locks(t, first.Path())); got == 0 {
		t.Error("closing one store took the other's locks")
	}
	if got := notes(t, first); !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("store holds %q", got)
	}
}

// locks returns the system's list of locks on a file.
func locks(t *testing.T, path string) (list []string) {
	t.Helper()
	id, err := identify(path)
	must(t, err)
	all, err := os.ReadFile("/proc/locks")
	must(t, err)
	for line := range strings.Lines(string(all)) {
		if strings.Contains(line, fmt.Sprintf(":%d ", id.inode)) {
			list = append(list, line)
		}
	}
	return list
}

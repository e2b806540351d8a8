package test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// mayImport says which of our modules each module may use. Edge and hub never meet but
// in messages, so that either can be replaced, and tests alone see both.
var mayImport = map[string][]string{
	"protocol":       {"protocol"},
	"internal":       {"internal", "protocol"},
	"edge":           {"edge", "internal", "protocol"},
	"hub":            {"hub", "internal", "protocol"},
	"firmware-tools": {"firmware-tools", "internal", "protocol"},
	"test":           {"test", "firmware-tools", "hub", "edge", "internal", "protocol"},
}

// worldly are the packages of Go that touch the world. Package protocol is pure: what it
// needs it is given, and what it decides it returns.
var worldly = []string{"net", "os", "syscall", "log", "database", "plugin", "path/filepath", "crypto/tls", "runtime/cgo", "unsafe"}

// harmless are packages below those that only take texts apart.
var harmless = []string{"net/url", "net/netip"}

// owner names the one package that may use a library directly; others go through it.
var owner = map[string]string{
	"github.com/mattn/go-sqlite3":       "internal/vault",      // whoever opens a database, opens it encrypted
	"go.bug.st/serial":                  "internal/serialport", // the traps of both drivers are handled there
	"github.com/tarm/serial":            "internal/serialport",
	"github.com/coreos/go-oidc/v3/oidc": "hub/oidc", // the edge, which a node's card carries, has no use for it
	"golang.org/x/oauth2":               "hub/oidc",
}

type source struct {
	file    string // path from the top of the workspace
	dir     string
	imports []string
	doc     bool
}

func sources(t *testing.T) (list []source) {
	t.Helper()
	files := token.NewFileSet()
	for module := range mayImport {
		err := filepath.WalkDir(filepath.Join("..", module), func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
				return err
			}
			f, err := parser.ParseFile(files, name, nil, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			file := filepath.ToSlash(strings.TrimPrefix(name, ".."+string(filepath.Separator)))
			s := source{file: file, dir: path.Dir(file), doc: f.Doc != nil}
			for _, spec := range f.Imports {
				p, err := strconv.Unquote(spec.Path.Value)
				if err != nil {
					return err
				}
				s.imports = append(s.imports, p)
			}
			list = append(list, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(list) == 0 {
		t.Fatal("no sources found")
	}
	return list
}

func (s source) test() bool     { return strings.HasSuffix(s.file, "_test.go") }
func (s source) module() string { m, _, _ := strings.Cut(s.file, "/"); return m }

// within reports whether an import path is the given one or below it.
func within(imported, root string) bool {
	return imported == root || strings.HasPrefix(imported, root+"/")
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			if fault := forbidden(s, imported); fault != "" {
				t.Errorf("%s imports %s: %s", s.file, imported, fault)
			}
		}
	}
}

// forbidden tells why a file may not import a package, or nothing.
func forbidden(s source, imported string) string {
	if rest, ours := strings.CutPrefix(imported, "stockade/"); ours {
		module, _, _ := strings.Cut(rest, "/")
		if !slices.Contains(mayImport[s.module()], module) {
			return s.module() + " may not use " + module
		}
	}
	if s.module() == "protocol" && !s.test() {
		for _, p := range worldly {
			if within(imported, p) && !slices.Contains(harmless, imported) {
				return "protocol does no input or output"
			}
		}
	}
	if at, owned := owner[imported]; owned && !within(s.dir, at) && s.module() != "test" {
		return "only " + at + " does"
	}
	return ""
}

// The rules above are themselves tried.
func TestForbiddenImports(t *testing.T) {
	tests := []struct {
		file, imported string
		bad            bool
	}{
		{"edge/station/scan.go", "stockade/hub/intake", true},
		{"hub/intake/intake.go", "stockade/edge/store", true},
		{"firmware-tools/cmd/fw/main.go", "stockade/edge/device", true},
		{"internal/web/server.go", "stockade/hub/store", true},
		{"protocol/change/batch.go", "stockade/internal/vault", true},
		{"protocol/change/batch.go", "os", true},
		{"protocol/change/batch.go", "net/http", true},
		{"protocol/change/batch.go", "log/slog", true},
		{"edge/store/store.go", "github.com/mattn/go-sqlite3", true},
		{"protocol/change/batch_test.go", "os", false},
		{"protocol/change/batch.go", "stockade/protocol/stock", false},
		{"protocol/change/batch.go", "net/url", false},
		{"internal/vault/conn.go", "github.com/mattn/go-sqlite3", false},
		{"test/rig/rig.go", "stockade/hub/store", false},
		{"edge/station/scan.go", "stockade/internal/vault", false},
	}
	for _, tt := range tests {
		got := forbidden(source{file: tt.file, dir: path.Dir(tt.file)}, tt.imported)
		if (got != "") != tt.bad {
			t.Errorf("%s importing %s: fault %q, want one: %v", tt.file, tt.imported, got, tt.bad)
		}
	}
}

// Every package says what it is for, once.
func TestPackageComments(t *testing.T) {
	comments, packages := map[string]int{}, map[string]bool{}
	for _, s := range sources(t) {
		if s.test() {
			continue
		}
		packages[s.dir] = true
		if s.doc {
			comments[s.dir]++
		}
	}
	for dir := range packages {
		if n := comments[dir]; n != 1 {
			t.Errorf("package in %s has %d package comments, want 1", dir, n)
		}
	}
}

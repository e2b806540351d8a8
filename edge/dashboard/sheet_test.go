package dashboard

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"stockade/edge/station"
	"stockade/internal/paper"
	"stockade/internal/raster"
	"stockade/internal/symbol"
	"stockade/internal/web"
)

// tools skips the test at a desk where a program is missing.
func tools(t *testing.T, names ...string) {
	t.Helper()
	for _, n := range names {
		if _, err := exec.LookPath(n); err != nil && os.Getenv("CI") == "" {
			t.Skipf("%s is not installed: run .ci/setup test", n)
		}
	}
}

// groupsOf returns the real commands as cards.
func groupsOf(t *testing.T) (groups []commandGroup) {
	t.Helper()
	for _, c := range station.Commands() {
		s, err := symbol.Make(symbol.Code128, c)
		if err != nil {
			t.Fatal(err)
		}
		if group := station.CommandGroup(c); len(groups) == 0 || groups[len(groups)-1].Title != group {
			groups = append(groups, commandGroup{Title: group})
		}
		text, args := station.CommandText(c)
		g := &groups[len(groups)-1]
		g.Cards = append(g.Cards, commandCard{Command{Content: c, Text: text, Args: args}, s})
	}
	return groups
}

func newSheet(t *testing.T, face *raster.Typeface) *sheet {
	t.Helper()
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	return &sheet{face: face, say: texts.Text, station: "收货口 1", version: "v1.2", day: "2026-05-04"}
}

func chinese(t *testing.T) *raster.Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	f, err := raster.OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// TestSheetIsRead: programs that did not make the sheet show it and read every command from it.
func TestSheetIsRead(t *testing.T) {
	tools(t, "pdftoppm", "zbarimg")
	face, day := chinese(t), time.Date(2026, 5, 4, 0, 0, 0, 0, time.UTC)
	file, err := newSheet(t, face).file(groupsOf(t), day)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := newSheet(t, face).file(groupsOf(t), day); err != nil || !bytes.Equal(file, again) {
		t.Errorf("the same sheet has other bytes, %v", err)
	}
	dir := t.TempDir()
	if keep := os.Getenv("SHOTS"); keep != "" { // for people who want to look
		dir = keep
	}
	path := filepath.Join(dir, "commands.pdf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	// A scanner at arm's length sees no more than this of a sheet.
	if out, err := exec.CommandContext(ctx, "pdftoppm", "-r", "150", "-gray", "-png", path, filepath.Join(dir, "commands")).CombinedOutput(); err != nil || len(out) > 0 { // #nosec G204 -- a tool of the tests on files of the test
		t.Fatalf("pdftoppm: %v: %s", err, out)
	}
	pages, err := filepath.Glob(filepath.Join(dir, "commands-*.png"))
	if err != nil || len(pages) < 2 {
		t.Fatalf("pages %v, %v", pages, err)
	}
	// Code 128 alone: its data ends where it ends, and no other symbology may see one of its own in the bars.
	out, err := exec.CommandContext(ctx, "zbarimg", slices.Concat([]string{"--quiet", "--nodbus"}, pages)...).Output() // #nosec G204 -- a tool of the tests on files of the test
	if err != nil {
		t.Fatalf("zbarimg: %v", err)
	}
	got := strings.Split(strings.TrimSpace(string(out)), "\n")
	var want []string
	for _, c := range station.Commands() {
		want = append(want, "CODE-128:"+c)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("read %d:\n%s\nwant %d:\n%s", len(got), strings.Join(got, "\n"), len(want), strings.Join(want, "\n"))
	}
}

func TestSheetWithoutFont(t *testing.T) {
	if _, err := newSheet(t, nil).file(groupsOf(t), time.Time{}); !errors.Is(err, paper.ErrNoFont) {
		t.Errorf("%v, want %v", err, paper.ErrNoFont)
	}
}

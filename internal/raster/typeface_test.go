package raster

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/image/font/gofont/goregular"
)

// latin is a typeface that has no Chinese.
func latin(t *testing.T) *Typeface {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latin.ttf")
	if err := os.WriteFile(path, goregular.TTF, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFace(t, path)
}

func openFace(t *testing.T, path string) *Typeface {
	t.Helper()
	f, err := OpenTypeface(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// chinese is Debian's fonts-noto-cjk.
func chinese(t *testing.T) *Typeface {
	t.Helper()
	const path = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"
	if _, err := os.Stat(path); err != nil && os.Getenv("CI") == "" {
		t.Skip("fonts-noto-cjk is not installed")
	}
	return openFace(t, path)
}

func text(b *Bitmap) string {
	var s strings.Builder
	for y := range b.Height {
		for x := range b.Width {
			s.WriteByte(".#"[map[bool]int{true: 1}[b.Dark(x, y)]])
		}
		s.WriteByte('\n')
	}
	return s.String()
}

func TestDraw(t *testing.T) {
	b, err := latin(t).Draw("LI", 24, 400)
	if err != nil {
		t.Fatal(err)
	}
	rows := strings.Split(strings.TrimSpace(text(b)), "\n")
	if len(rows) > 27 {
		t.Errorf("%d rows, want at most 27: the next line begins below", len(rows))
	}
	if !strings.Contains(rows[len(rows)-1], "####") || !strings.Contains(text(b), ".##.") {
		t.Errorf("the foot of L and the stem of I are missing:\n%s", text(b))
	}
}

func TestDrawNeverPassesTheWidth(t *testing.T) {
	face := latin(t)
	for _, s := range []string{"W", strings.Repeat("W", 30), strings.Repeat("W", 300), "\x02W"} {
		b, err := face.Draw(s, 40, 448)
		if err != nil {
			t.Fatal(err)
		}
		if b.Height == 0 || b.Height > 45 || b.Width > 448 {
			t.Errorf("%q: %d x %d", s, b.Width, b.Height)
		}
	}
	if b, err := face.Draw(" ", 40, 448); err != nil || b.Width != 0 {
		t.Errorf("a space is drawn %d wide, %v", b.Width, err)
	}
}

func TestChineseIsDrawn(t *testing.T) {
	face := chinese(t)
	if latin(t).Draws("龙井茶") || !face.Draws("龙井茶 Tea") || (*Typeface)(nil).Draws("A") {
		t.Error("who has Chinese is not told apart")
	}
	b, err := face.Draw("西湖龙井茶", 40, 448)
	if err != nil {
		t.Fatal(err)
	}
	if black := strings.Count(text(b), "#"); b.Height > 45 || b.Width < 100 || black < 500 {
		t.Errorf("%d black dots:\n%s", black, text(b))
	}
}

func TestOpenTypefaceRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "no.ttf")
	if err := os.WriteFile(path, []byte("no font"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, path + ".missing", filepath.Dir(path)} {
		if f, err := OpenTypeface(p); err == nil || !strings.Contains(err.Error(), p) {
			t.Errorf("OpenTypeface(%s) = %v, %v", p, f, err)
		}
	}
}

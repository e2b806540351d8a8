package stolencard

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/unicode"
)

// TestSearch holds that what a program might leave behind is found, in whatever file and form.
func TestSearch(t *testing.T) {
	const item = "明前龙井茶礼盒"
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	h := hunt{}
	h.add("item", item)
	h.add("key", string(key))
	gb, err := simplifiedchinese.GB18030.NewEncoder().String(item)
	must(t, err)
	little, err := unicode.UTF16(unicode.LittleEndian, unicode.IgnoreBOM).NewEncoder().String(item)
	must(t, err)
	big, err := unicode.UTF16(unicode.BigEndian, unicode.IgnoreBOM).NewEncoder().String(item)
	must(t, err)
	for name, planted := range map[string]string{
		"UTF-8": item, "GB18030": gb, "UTF-16LE": little, "UTF-16BE": big,
		"JSON": `{"name":"` + item + `"}`, "base64 of JSON": base64.StdEncoding.EncodeToString([]byte(`{"name":"` + item + `"}`)),
		"key": string(key), "key in hex": hex.EncodeToString(key), "PEM": base64.StdEncoding.EncodeToString(append([]byte("DER"), key...)),
	} {
		dir := t.TempDir()
		must(t, os.MkdirAll(filepath.Join(dir, "some", "folder"), 0o700))
		around := make([]byte, 3000)
		_, _ = rand.Read(around)
		must(t, os.WriteFile(filepath.Join(dir, "some", "folder", "tmp.1"), slices.Concat(around, []byte(planted), around), 0o600))
		files, err := loot(dir)
		must(t, err)
		if len(files) != 1 || len(h.inBytes(files[0].data)) == 0 {
			t.Errorf("%s: not found in %d files", name, len(files))
		}
		if found := h.inBytes(around); len(found) > 0 {
			t.Errorf("found in noise: %v", found)
		}
	}
}

// TestPlainPages holds that a page that is not encrypted is seen among others.
func TestPlainPages(t *testing.T) {
	b := make([]byte, 50*pageSize)
	_, _ = rand.Read(b)
	if plain := plainPages("node.db", b); len(plain) > 0 {
		t.Errorf("pages %v of noise pass for plain", plain)
	}
	copy(b[7*pageSize:], strings.Repeat("SELECT name FROM item; ", 30)) // a third of a page, as an SQLite page with some rows
	clear(b[20*pageSize : 21*pageSize])
	if plain := plainPages("node.db", b); !slices.Equal(plain, []int{7, 20}) {
		t.Errorf("plain pages %v, want 7 and 20", plain)
	}
	frames := bytes.Repeat([]byte{0}, walHeader)
	for n := range 5 {
		frames = append(frames, make([]byte, walFrame)...)
		frames = append(frames, b[(n+5)*pageSize:(n+6)*pageSize]...)
	}
	if plain := plainPages("node.db-wal", frames); !slices.Equal(plain, []int{2}) {
		t.Errorf("plain pages of a log %v, want 2", plain)
	}
}

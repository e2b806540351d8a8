// Package stolencard looks through everything that a thief of a node's card, or of the hub's disk, would
// have: nothing that anybody scanned, typed or read may be found in it, and no key.
package stolencard

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// hunt is what is looked for: in all forms in which a program may have left it, and the name of each.
type hunt map[string]string

// add notes something secret. Short things are found anywhere by chance.
func (h hunt) add(name string, secrets ...string) {
	for _, s := range secrets {
		if len(s) < 6 {
			panic(fmt.Sprintf("%s %q is too short to look for", name, s))
		}
		for form, b := range forms(s) {
			h[b] = name + " as " + form
		}
	}
}

// forms returns how a text, or the bytes of a key, can lie in a file.
func forms(s string) map[string]string {
	out := map[string]string{"it is": s, "hex": hex.EncodeToString([]byte(s)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for skip := range 3 { // base64 reads three bytes at once, and the secret may stand behind something
		rest := s[skip:]
		whole := base64.RawStdEncoding.EncodeToString([]byte(rest[:len(rest)/3*3]))
		out[fmt.Sprint("base64, ", skip)] = whole
		out[fmt.Sprint("base64url, ", skip)] = strings.NewReplacer("+", "-", "/", "_").Replace(whole)
	}
	if !utf8.ValidString(s) {
		return out
	}
	out["UTF-16LE"], out["UTF-16BE"] = wide(s, 0), wide(s, 1)
	if gb, err := simplifiedchinese.GB18030.NewEncoder().String(s); err == nil {
		out["GB18030"] = gb
	}
	return out
}

// wide writes s in two bytes for each letter; high says where the low one stands.
func wide(s string, high int) string {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		pair := [2]byte{byte(u >> 8), byte(u)} // #nosec G115 -- the two halves
		b = append(b, pair[1-high], pair[high])
	}
	return string(b)
}

// inBytes returns what is found in b.
func (h hunt) inBytes(b []byte) (found []string) {
	for form, name := range h {
		if bytes.Contains(b, []byte(form)) {
			found = append(found, name)
		}
	}
	return found
}

// file is a file of the loot.
type file struct {
	name string // from the folder on
	data []byte
}

// loot reads all files below dir. Those that the running program removes meanwhile are left out.
func loot(dir string) (files []file, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return gone(err)
		}
		b, err := os.ReadFile(path) // #nosec G122 G304 -- the test's own programs' folder
		if err != nil {
			return gone(err)
		}
		name, err := filepath.Rel(dir, path)
		files = append(files, file{name, b})
		return err
	})
	return files, err
}

func gone(err error) error {
	if os.IsNotExist(err) {
		return nil
	}
	return err
}

// entropy returns how many bits of surprise are in each byte of b: eight for noise, about five for text. What is encrypted can
// not be told from noise.
func entropy(b []byte) float64 {
	var seen [256]float64
	for _, c := range b {
		seen[c]++
	}
	bits := 0.0
	for _, n := range seen {
		if n > 0 {
			p := n / float64(len(b))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

const (
	pageSize  = 2048 // of a store, see package vault
	walHeader = 32
	walFrame  = 24 // before each page in the log: numbers and sums, no content
	// noise is the least entropy of a page of noise: the mean is 7.91, and none of a million lies below 7.8.
	noise = 7.8
)

// plainPages returns the pages of a store, or of its log, that are not noise.
func plainPages(name string, b []byte) (plain []int) {
	from, step, skip := 0, pageSize, 0
	if strings.HasSuffix(name, "-wal") {
		from, step, skip = walHeader, walFrame+pageSize, walFrame
	}
	for n := 0; from+step <= len(b); n++ {
		if entropy(b[from+skip:from+step]) < noise {
			plain = append(plain, n)
		}
		from += step
	}
	return plain
}

package web

import (
	"embed"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// Lang is a language that pages are written in.
type Lang string

// The languages; Chinese is shown unless the reader asks for another.
const (
	Chinese Lang = "zh"
	English Lang = "en"
)

// Langs returns all languages, the default one first.
func Langs() []Lang { return []Lang{Chinese, English} }

//go:embed texts/*.toml
var catalogue embed.FS

// Texts is the catalogue of everything that people read, by key and language.
type Texts struct{ texts map[string]map[Lang]string }

// LoadTexts reads the catalogue that is built in. A text that lacks a language is an error.
func LoadTexts() (*Texts, error) {
	t := &Texts{texts: map[string]map[Lang]string{}}
	files, err := fs.Glob(catalogue, "texts/*.toml")
	if err != nil {
		return nil, fmt.Errorf("read texts: %w", err)
	}
	for _, f := range files {
		if err := t.read(f); err != nil {
			return nil, fmt.Errorf("read %s: %w", f, err)
		}
	}
	return t, nil
}

// read adds the texts of one file. A key stands in one file only.
func (t *Texts) read(file string) error {
	b, err := catalogue.ReadFile(file)
	if err != nil {
		return err
	}
	var groups map[string]map[string]map[Lang]string
	if err := toml.Unmarshal(b, &groups); err != nil {
		return err
	}
	for group, keys := range groups {
		for key, text := range keys {
			name := group + "." + key
			for _, l := range Langs() {
				if strings.TrimSpace(text[l]) == "" {
					return fmt.Errorf("%s has no %s", name, l)
				}
			}
			if t.texts[name] != nil {
				return fmt.Errorf("%s is there twice", name)
			}
			t.texts[name] = text
		}
	}
	return nil
}

// Has reports whether the catalogue has the key.
func (t *Texts) Has(key string) bool { return t.texts[key] != nil }

// Keys returns all keys in order.
func (t *Texts) Keys() []string {
	keys := make([]string, 0, len(t.texts))
	for k := range t.texts {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Text returns the text of key in language l with every {name} replaced by args["name"].
// A key that is not in the catalogue is returned as it is, so that nothing is lost on the way to the reader.
func (t *Texts) Text(l Lang, key string, args map[string]string) string {
	text, ok := t.texts[key][l]
	if !ok {
		return key
	}
	if len(args) == 0 || !strings.Contains(text, "{") {
		return text
	}
	pairs := make([]string, 0, 2*len(args))
	for name, value := range args {
		pairs = append(pairs, "{"+name+"}", value)
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// Sentence is Text for arguments that may be texts themselves: a value "text:KEY" is looked up.
func (t *Texts) Sentence(l Lang, key string, args map[string]string) string {
	told := make(map[string]string, len(args))
	for name, value := range args {
		told[name] = t.word(l, value)
	}
	return t.Text(l, key, told)
}

func (t *Texts) word(l Lang, value string) string {
	if key, ok := strings.CutPrefix(value, "text:"); ok && t.Has(key) {
		return t.Text(l, key, nil)
	}
	return value
}

// guessLang chooses for a reader who has not chosen: English where the browser asks for it
// and not for Chinese, else the default.
func guessLang(acceptLanguage string) Lang {
	asked := strings.ToLower(acceptLanguage)
	if strings.Contains(asked, "zh") || !strings.Contains(asked, "en") {
		return Chinese
	}
	return English
}

func parseLang(s string) (Lang, bool) {
	l := Lang(s)
	return l, slices.Contains(Langs(), l)
}

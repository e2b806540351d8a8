package label_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"stockade/internal/label"
	"stockade/internal/symbol"
	"stockade/internal/web"
)

// problems returns every call of problem() in the package: its key and the names of its arguments.
func problems(t *testing.T) map[string][]string {
	t.Helper()
	out := map[string][]string{}
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range files {
		if !strings.HasSuffix(d.Name(), ".go") || strings.HasSuffix(d.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), d.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if name, ok := call.Fun.(*ast.Ident); !ok || name.Name != "problem" {
				return true
			}
			var words []string
			for i, a := range call.Args {
				lit, ok := a.(*ast.BasicLit)
				if i%2 == 1 || i == 0 { // the key, and names of arguments
					if !ok {
						t.Fatalf("%s: argument %d of a problem is no literal", d.Name(), i)
					}
					word, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					words = append(words, word)
				}
			}
			key := "label." + words[0]
			for _, arg := range words[1:] {
				if !slices.Contains(out[key], arg) {
					out[key] = append(out[key], arg)
				}
			}
			if out[key] == nil {
				out[key] = []string{}
			}
			return true
		})
	}
	return out
}

// TestEveryProblemHasWords: whatever a template or a label is refused for, people read a sentence about it that leaves no
// argument out and has none that is not there.
func TestEveryProblemHasWords(t *testing.T) {
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	found := problems(t)
	if len(found) < 20 {
		t.Fatalf("only %d problems found in the source", len(found))
	}
	placeholder := regexp.MustCompile(`\{(\w+)\}`)
	for key, args := range found {
		if !texts.Has(key) {
			t.Errorf("%s has no text", key)
			continue
		}
		for _, l := range web.Langs() {
			text := texts.Text(l, key, nil)
			for _, a := range args {
				if !strings.Contains(text, "{"+a+"}") {
					t.Errorf("%s in %s does not say {%s}: %s", key, l, a, text)
				}
			}
			if key == "label.bad_element_string" {
				continue // shows how fields are written
			}
			for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
				if !slices.Contains(args, m[1]) {
					t.Errorf("%s in %s asks for {%s}, which there is not: %s", key, l, m[1], text)
				}
			}
		}
	}
	for _, key := range texts.Keys() {
		word, ours := strings.CutPrefix(key, "label.")
		other := strings.HasPrefix(word, "kind_") || strings.HasPrefix(word, "field_") || strings.HasPrefix(word, "symbol_") || word == "in_element"
		if _, is := found[key]; ours && !other && !is {
			t.Errorf("%s is said by nobody", key)
		}
	}
}

func TestEveryWordOfATemplateHasATranslation(t *testing.T) {
	texts, err := web.LoadTexts()
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, k := range label.Kinds() {
		want["label.kind_"+string(k)] = true
		for _, f := range k.Fields() {
			want["label.field_"+f] = true
		}
	}
	for _, s := range symbol.Kinds() {
		want["label.symbol_"+string(s)] = true
	}
	for key := range want {
		if !texts.Has(key) {
			t.Errorf("%s has no text", key)
		}
	}
	for _, key := range texts.Keys() {
		if strings.HasPrefix(key, "label.") && regexp.MustCompile(`^label\.(kind|field|symbol)_`).MatchString(key) && !want[key] {
			t.Errorf("%s is said by nobody", key)
		}
	}
	got := texts.Sentence(web.Chinese, "label.missing", map[string]string{"field": "text:label.field_lot"})
	if !strings.Contains(got, "批号") || strings.Contains(got, "text:") {
		t.Errorf("%s", got)
	}
	if got := texts.Sentence(web.English, "label.bad_kind", map[string]string{"kind": "text:no.such"}); !strings.Contains(got, "text:no.such") {
		t.Errorf("a word that happens to look like a key: %s", got)
	}
}

// TestDocumentation: docs/labels.md shows a template that can be printed, and names every field and symbol.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../../docs/labels.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	_, example, ok := strings.Cut(doc, "```json\n")
	example, _, ends := strings.Cut(example, "```")
	if !ok || !ends {
		t.Fatal("docs/labels.md has no example")
	}
	tp, err := label.ParseTemplate([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tp.Layout(tp.Kind.Sample(), label.Printer{}, nil); err != nil {
		t.Error(err)
	}
	for _, k := range label.Kinds() {
		_, row, ok := strings.Cut(doc, "\n| `"+string(k)+"` ")
		row, _, _ = strings.Cut(row, "\n")
		for _, f := range k.Fields() {
			if !ok || !strings.Contains(row, "`"+f+"`") {
				t.Errorf("kind %s: field %s is not documented", k, f)
			}
		}
	}
	for _, s := range symbol.Kinds() {
		if !strings.Contains(doc, "`"+string(s)+"`") {
			t.Errorf("symbol %s is not documented", s)
		}
	}
}

// Package label makes labels: a template in millimetres and the values of its fields become a layout in
// dots, and the layout the commands of a ZPL, TSPL or ESC/POS printer, or a picture.
//
// What cannot be printed is refused with a *Problem that says what to do, never cut off in silence: a
// printer would draw half a barcode and say nothing. Text is narrowed, then shortened; a symbol is drawn as large as
// fits and never below the size that scanners read.
//
// Bars and Latin text are commands of the printer's, since a serial line takes a second for a
// kilobyte. Chinese is sent as a picture of its line, unless the printer has a Chinese font.
package label

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"stockade/internal/symbol"
)

// Kind says what a label is for: it chooses the fields that there are.
type Kind string

// The kinds. The words stand in templates and are keys of the texts under "label.kind_".
const (
	Item     Kind = "item"
	Lot      Kind = "lot"
	Bin      Kind = "bin"
	Pallet   Kind = "pallet"
	Shipping Kind = "shipping"
	Badge    Kind = "badge"
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Item, Lot, Bin, Pallet, Shipping, Badge} }

// fields are what each kind can tell. The words are keys of the texts under "label.field_".
var fields = map[Kind][]string{
	Item:     {"name", "name_en", "sku", "gtin", "unit", "quantity", "serial", "day"},
	Lot:      {"name", "name_en", "sku", "gtin", "lot", "serial", "expiry", "quantity", "unit", "day"},
	Bin:      {"bin", "bin_name", "warehouse"},
	Pallet:   {"sscc", "name", "name_en", "sku", "gtin", "lot", "expiry", "quantity", "unit", "day", "warehouse"},
	Shipping: {"sscc", "order", "parcel", "recipient", "phone", "address", "sender", "sender_phone", "sender_address", "note", "day", "warehouse"},
	Badge:    {"person", "title", "badge", "warehouse"},
}

// Fields returns the names of the fields of a kind in the order in which people fill them in.
func (k Kind) Fields() []string { return slices.Clone(fields[k]) }

// Template describes a label. Lengths are in millimetres, positions count from the upper left corner.
type Template struct {
	ID       string    `json:"id"` // a-z, 0-9 and hyphens
	Kind     Kind      `json:"kind"`
	Name     string    `json:"name"` // Chinese
	NameEN   string    `json:"name_en"`
	Width    float64   `json:"width"`
	Height   float64   `json:"height"`
	Gap      float64   `json:"gap"` // between two labels on the roll
	Elements []Element `json:"elements"`
}

// ElementType says what an element draws.
type ElementType string

// The types of element.
const (
	Text ElementType = "text"
	Code ElementType = "code" // a barcode
	Line ElementType = "line" // a filled rectangle
	Box  ElementType = "box"  // a frame
)

// Align says where a line of text stands in its width.
type Align string

// The alignments; empty is Left.
const (
	Left   Align = "left"
	Center Align = "center"
	Right  Align = "right"
)

// Element is a part of a label.
//
// Content holds text and fields: {lot} is the lot, nothing when there is none; {lot!} refuses a label
// without one. A part of text in square brackets vanishes with its fields: "[LOT {lot}]". The content of
// a GS1 code is an element string with application identifiers in brackets: "(01){gtin}(10){lot}"; an identifier whose
// field is empty is left out, and nothing is drawn where the first one is. An element without content is not drawn.
type Element struct {
	Type    ElementType   `json:"type"`
	X       float64       `json:"x"`
	Y       float64       `json:"y"`
	Width   float64       `json:"width"`
	Height  float64       `json:"height,omitempty"` // of a code with its caption, a line or a box
	Content string        `json:"content,omitempty"`
	Size    float64       `json:"size,omitempty"`    // height of text; of a code's caption, none when 0
	Lines   int           `json:"lines,omitempty"`   // most lines of text; 1 when 0
	Align   Align         `json:"align,omitempty"`   // of text
	Symbols []symbol.Kind `json:"symbols,omitempty"` // of a code: the first that fits is drawn
	Module  float64       `json:"module,omitempty"`  // largest width of a bar; 0.375 when 0. Modules of a matrix may have 1 mm at least
	Stroke  float64       `json:"stroke,omitempty"`  // of a box; 0.25 when 0
}

// Limits of templates. The largest label is a sheet that no label printer takes.
const (
	maxSide     = 300 // mm
	maxElements = 60
	maxContent  = 500 // bytes
	maxName     = 100
	minSide     = 10
	minText     = 1.5 // mm: smaller text can not be read
	maxText     = 60
	maxLines    = 10
	// MaxTemplate limits a template as JSON, in bytes: it must fit a feed's chunk many times over.
	MaxTemplate = 16 << 10
)

// Problem says why a label or a template is refused: a key of the texts and what the sentence tells.
type Problem struct {
	Key  string
	Args map[string]string
}

func (p *Problem) Error() string {
	var s strings.Builder
	s.WriteString(p.Key)
	for _, k := range slices.Sorted(maps.Keys(p.Args)) {
		fmt.Fprintf(&s, " %s=%q", k, p.Args[k])
	}
	return s.String()
}

func problem(key string, args ...string) *Problem {
	p := &Problem{Key: "label." + key, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		p.Args[args[i]] = args[i+1]
	}
	return p
}

// ParseTemplate reads a template from JSON and checks it. The error is a *Problem.
func ParseTemplate(b []byte) (Template, error) {
	if len(b) > MaxTemplate {
		return Template{}, problem("template_large")
	}
	dec := json.NewDecoder(strings.NewReader(string(b)))
	dec.DisallowUnknownFields()
	var t Template
	if err := dec.Decode(&t); err != nil {
		return Template{}, problem("template_unreadable", "detail", err.Error())
	}
	if dec.More() {
		return Template{}, problem("template_unreadable", "detail", "more than one value")
	}
	return t, t.Check()
}

// JSON returns the template as ParseTemplate reads it.
func (t Template) JSON() ([]byte, error) { return json.Marshal(t) }

var idForm = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,39}$`)

// ValidID reports whether a template may have that id.
func ValidID(id string) bool { return idForm.MatchString(id) }

// Check returns a *Problem that names what is wrong with a template. One that passes may still be too
// small for what it is given to say.
func (t Template) Check() error {
	switch {
	case !ValidID(t.ID):
		return problem("bad_id", "id", t.ID)
	case fields[t.Kind] == nil:
		return problem("bad_kind", "kind", string(t.Kind))
	case t.Name == "" || len(t.Name) > maxName || len(t.NameEN) > maxName || !utf8.ValidString(t.Name+t.NameEN):
		return problem("bad_name")
	case !within(t.Width, minSide, maxSide) || !within(t.Height, minSide, maxSide):
		return problem("bad_size", "least", fmt.Sprint(minSide), "most", fmt.Sprint(maxSide))
	case !within(t.Gap, 0, 20):
		return problem("bad_gap")
	case len(t.Elements) == 0 || len(t.Elements) > maxElements:
		return problem("bad_elements", "most", fmt.Sprint(maxElements))
	}
	for i, e := range t.Elements {
		if p := t.checkElement(e); p != nil {
			p.Args["element"] = fmt.Sprint(i + 1)
			return p
		}
	}
	return nil
}

func (t Template) checkElement(e Element) *Problem {
	if !within(e.X, 0, t.Width) || !within(e.Y, 0, t.Height) || !within(e.Width, 0.1, t.Width-e.X+slack) || !within(e.Height, 0, t.Height-e.Y+slack) {
		return problem("element_outside")
	}
	switch e.Type {
	case Line:
		if e.Height < 0.1 {
			return problem("element_outside")
		}
		return nil
	case Box:
		if e.Height < 1 || e.Width < 1 || !within(e.Stroke, 0, 5) {
			return problem("element_outside")
		}
		return nil
	case Text:
		if !within(e.Size, minText, maxText) || e.Y+e.Size > t.Height+slack {
			return problem("bad_text_size", "least", fmt.Sprint(minText))
		}
		if e.Lines < 0 || e.Lines > maxLines || !slices.Contains([]Align{"", Left, Center, Right}, e.Align) {
			return problem("bad_text")
		}
	case Code:
		if e.Height < 3 || !within(e.Size, 0, 10) || e.Size > 0 && e.Size < minText || !within(e.Module, 0, 5) || len(e.Symbols) == 0 || len(e.Symbols) > 3 {
			return problem("bad_code")
		}
		for _, k := range e.Symbols {
			if !slices.Contains(symbol.Kinds(), k) || k.GS1() != e.Symbols[0].GS1() {
				return problem("bad_code")
			}
		}
		if e.Symbols[0].GS1() {
			if _, err := parseElements(e.Content); err != nil {
				return problem("bad_element_string", "content", e.Content)
			}
		}
	default:
		return problem("bad_type", "type", string(e.Type))
	}
	if e.Content == "" || len(e.Content) > maxContent || !utf8.ValidString(e.Content) {
		return problem("bad_content", "most", fmt.Sprint(maxContent))
	}
	for _, name := range fieldsIn(e.Content) {
		if !slices.Contains(fields[t.Kind], name) {
			return problem("unknown_field", "field", name)
		}
	}
	return nil
}

// slack forgives what rounding does to lengths that people add up, in mm.
const slack = 0.051

// within also refuses what is no number.
func within(v, least, most float64) bool { return !math.IsNaN(v) && v >= least && v <= most }

// Fields returns the fields that the template uses, in the order of its kind.
func (t Template) Fields() []string {
	used := map[string]bool{}
	for _, e := range t.Elements {
		for _, name := range fieldsIn(e.Content) {
			used[name] = true
		}
	}
	return slices.DeleteFunc(t.Kind.Fields(), func(name string) bool { return !used[name] })
}

// Title returns the name in a language, "zh" or "en".
func (t Template) Title(lang string) string {
	if lang == "en" && t.NameEN != "" {
		return t.NameEN
	}
	return t.Name
}

// Requires reports whether no label comes without that field.
func (t Template) Requires(name string) bool {
	for _, e := range t.Elements {
		if strings.Contains(e.Content, "{"+name+"!}") {
			return true
		}
	}
	return false
}

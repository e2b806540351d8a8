// Package lessons teaches people what keeps the company's data safe: short lessons with a quiz each, who has to take which until when,
// and who has passed.
//
// Ready lessons come with the program (content/*.toml), each with a version that rises with its text; a company writes its own
// in editions. Every try of a quiz is kept as it was answered, with the SHA-256 of what was taught, and stands in the audit
// log; none is ever changed.
package lessons

import (
	"crypto/sha256"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"stockade/protocol/access"
	"stockade/protocol/change"
)

// PassPercent is how many of a hundred answers have to be right.
const PassPercent = 80

// Limits of what a company writes.
const (
	MostTitle      = 60   // letters
	MostText       = 3000 // letters of all paragraphs
	MostLine       = 300  // letters of a question, an answer, an explanation
	LeastQuestions = 3
	MostQuestions  = 10
	MostAnswers    = 6
)

// Lesson is what is taught and asked.
type Lesson struct {
	ID        string
	Version   int64
	Minutes   int
	Own       bool // written by the company
	Withdrawn bool
	Titles    access.Text
	Text      []access.Text // paragraphs
	Questions []Question
	Roles     []access.RoleID // that the lesson is for to begin with; empty for everybody
}

// Question is asked with its answers, of which one or more are right.
type Question struct {
	Ask     access.Text
	Why     access.Text // what is told to who was wrong
	Answers []Answer
}

// Answer is one that can be chosen.
type Answer struct {
	Say   access.Text
	Right bool
}

// Several reports whether more than one answer is right.
func (q Question) Several() bool {
	n := 0
	for _, a := range q.Answers {
		if a.Right {
			n++
		}
	}
	return n > 1
}

// Hash returns the SHA-256 of the lesson as JSON: what a try was about.
func (l Lesson) Hash() (change.Hash, error) {
	b, err := json.Marshal(l)
	return sha256.Sum256(b), err
}

//go:embed content/*.toml
var content embed.FS

// file is a ready lesson as it is written.
type file struct {
	Version   int64           `toml:"version"`
	Minutes   int             `toml:"minutes"`
	Place     int             `toml:"place"` // in the list
	Roles     []access.RoleID `toml:"roles"`
	Title     words           `toml:"title"`
	Text      []words         `toml:"text"`
	Questions []struct {
		Ask     words `toml:"ask"`
		Why     words `toml:"why"`
		Answers []struct {
			ZH    string `toml:"zh"`
			EN    string `toml:"en"`
			Right bool   `toml:"right"`
		} `toml:"answer"`
	} `toml:"question"`
}

type words struct {
	ZH string `toml:"zh"`
	EN string `toml:"en"`
}

func (w words) text() access.Text {
	return access.Text{ZH: strings.TrimSpace(w.ZH), EN: strings.TrimSpace(w.EN)}
}

// Ready returns the lessons that come with the program, in their order.
func Ready() ([]Lesson, error) {
	names, err := fs.Glob(content, "content/*.toml")
	if err != nil {
		return nil, err
	}
	type placed struct {
		Lesson
		place int
	}
	var list []placed
	for _, name := range names {
		b, err := content.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var f file
		if err := toml.Unmarshal(b, &f); err != nil {
			return nil, fmt.Errorf("read lesson %s: %w", name, err)
		}
		l := Lesson{ID: strings.TrimSuffix(strings.TrimPrefix(name, "content/"), ".toml"), Version: f.Version, Minutes: f.Minutes, Titles: f.Title.text(), Roles: f.Roles}
		for _, p := range f.Text {
			l.Text = append(l.Text, p.text())
		}
		for _, q := range f.Questions {
			one := Question{Ask: q.Ask.text(), Why: q.Why.text()}
			for _, a := range q.Answers {
				one.Answers = append(one.Answers, Answer{Say: words{a.ZH, a.EN}.text(), Right: a.Right})
			}
			l.Questions = append(l.Questions, one)
		}
		if err := l.Check(); err != nil {
			return nil, fmt.Errorf("lesson %s: %w", l.ID, err)
		}
		list = append(list, placed{l, f.Place})
	}
	slices.SortFunc(list, func(a, b placed) int { return a.place - b.place })
	out := make([]Lesson, len(list))
	for i, p := range list {
		out[i] = p.Lesson
	}
	return out, nil
}

// Problem is an error that says what is wrong with a lesson. Line is the line of the questions that it is about, 0 for none.
type Problem struct {
	Key  string // of the text below "lessons."
	Line int
}

func (p *Problem) Error() string { return fmt.Sprintf("%s (line %d)", p.Key, p.Line) }

// Check returns a *Problem for a lesson that can not be taught.
func (l Lesson) Check() error {
	texts, letters := []access.Text{l.Titles}, 0
	for _, p := range l.Text {
		letters += max(utf8.RuneCountInString(p.ZH), utf8.RuneCountInString(p.EN)/3) // English takes more letters for the same
		texts = append(texts, p)
	}
	switch {
	case l.Titles.ZH == "" || utf8.RuneCountInString(l.Titles.ZH) > MostTitle || utf8.RuneCountInString(l.Titles.EN) > 2*MostTitle:
		return &Problem{Key: "bad_title"}
	case len(l.Text) == 0 || letters > MostText:
		return &Problem{Key: "bad_text"}
	case len(l.Questions) < LeastQuestions || len(l.Questions) > MostQuestions:
		return &Problem{Key: "bad_count"}
	}
	asked := map[string]bool{}
	for _, q := range l.Questions {
		right, said := 0, map[string]bool{}
		texts = append(texts, q.Ask, q.Why)
		for _, a := range q.Answers {
			texts = append(texts, a.Say)
			if said[a.Say.ZH] || said["en "+a.Say.EN] {
				return &Problem{Key: "same_answer"}
			}
			said[a.Say.ZH], said["en "+a.Say.EN] = true, true
			if a.Right {
				right++
			}
		}
		switch {
		case asked[q.Ask.ZH] || asked["en "+q.Ask.EN]:
			return &Problem{Key: "same_question"}
		case len(q.Answers) < 2 || len(q.Answers) > MostAnswers:
			return &Problem{Key: "bad_answers"}
		case right == 0 || right == len(q.Answers):
			return &Problem{Key: "bad_right"}
		}
		asked[q.Ask.ZH], asked["en "+q.Ask.EN] = true, true
	}
	for _, t := range texts {
		if t.ZH == "" || t.EN == "" {
			return &Problem{Key: "bad_empty"}
		}
		for _, s := range []string{t.ZH, t.EN} {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) }) {
				return &Problem{Key: "bad_letters"}
			}
		}
	}
	return nil
}

// Draw is the order in which a try shows questions, and of each its answers, as numbers from 0.
type Draw struct {
	Questions []int
	Answers   [][]int // by the number of the question, not by its place
}

// Draw mixes questions and answers.
func (l Lesson) Draw() Draw {
	d := Draw{Questions: rand.Perm(len(l.Questions))} // #nosec G404 -- only so that neighbours do not share their answers
	for _, q := range l.Questions {
		d.Answers = append(d.Answers, rand.Perm(len(q.Answers))) // #nosec G404 -- the same
	}
	return d
}

// fits reports whether d is an order of what l asks.
func (d Draw) fits(l Lesson) bool {
	if len(d.Answers) != len(l.Questions) || !isOrder(d.Questions, len(l.Questions)) {
		return false
	}
	for i, q := range l.Questions {
		if !isOrder(d.Answers[i], len(q.Answers)) {
			return false
		}
	}
	return true
}

func isOrder(list []int, n int) bool {
	sorted := slices.Sorted(slices.Values(list))
	for i, v := range sorted {
		if v != i {
			return false
		}
	}
	return len(list) == n
}

// Given are the answers that somebody chose, by the number of the question.
type Given [][]int

// Result says which questions were answered right, by their number.
type Result struct {
	Right  []bool
	Count  int
	Passed bool
}

// Judge judges answers: a question is right when all its right answers were chosen and no other. Numbers that are none are wrong.
func (l Lesson) Judge(g Given) Result {
	r := Result{Right: make([]bool, len(l.Questions))}
	for i, q := range l.Questions {
		var want, got []int
		for n, a := range q.Answers {
			if a.Right {
				want = append(want, n)
			}
		}
		if i < len(g) {
			got = slices.Sorted(slices.Values(g[i]))
		}
		if r.Right[i] = slices.Equal(want, slices.Compact(got)); r.Right[i] {
			r.Count++
		}
	}
	r.Passed = len(l.Questions) > 0 && 100*r.Count >= PassPercent*len(l.Questions)
	return r
}

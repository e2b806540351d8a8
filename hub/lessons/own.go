package lessons

import (
	"strings"
	"unicode/utf8"

	"stockade/protocol/access"
)

// Form is a lesson as somebody of the company types it. English may be left empty: then everybody reads Chinese.
type Form struct {
	TitleZH, TitleEN         string
	TextZH, TextEN           string // paragraphs, an empty line between them
	QuestionsZH, QuestionsEN string // see parseQuestions
}

// asked is a question in one language.
type asked struct {
	ask, why string
	says     []string
	right    []bool
}

// parseQuestions reads questions as they are typed, a line each: ? begins a question, + a right answer, - a wrong one, ! the explanation. Full-width
// signs count too; empty lines do not matter.
func parseQuestions(text string) (list []asked, err error) {
	for n, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		sign, size := utf8.DecodeRuneInString(line)
		rest := strings.TrimSpace(line[size:])
		switch {
		case rest == "" || utf8.RuneCountInString(rest) > 3*MostLine:
			return nil, &Problem{Key: "bad_line", Line: n + 1}
		case sign == '?' || sign == '？':
			if len(list) == MostQuestions {
				return nil, &Problem{Key: "bad_count", Line: n + 1}
			}
			list = append(list, asked{ask: rest})
			continue
		case len(list) == 0:
			return nil, &Problem{Key: "bad_line", Line: n + 1}
		}
		q := &list[len(list)-1]
		switch sign {
		case '+', '＋', '-', '－', '—':
			q.says, q.right = append(q.says, rest), append(q.right, sign == '+' || sign == '＋')
		case '!', '！':
			if q.why != "" {
				return nil, &Problem{Key: "bad_line", Line: n + 1}
			}
			q.why = rest
		default:
			return nil, &Problem{Key: "bad_line", Line: n + 1}
		}
	}
	return list, nil
}

func paragraphs(text string) (list []string) {
	for p := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n") {
		if p = strings.Join(strings.Fields(p), " "); p != "" {
			list = append(list, p)
		}
	}
	return list
}

// Lesson returns what was typed as a lesson. What is wrong with it is a *Problem.
func (f Form) Lesson(id string) (Lesson, error) {
	l := Lesson{ID: id, Own: true, Minutes: 2, Titles: access.Text{ZH: strings.TrimSpace(f.TitleZH), EN: strings.TrimSpace(f.TitleEN)}}
	if l.Titles.EN == "" {
		l.Titles.EN = l.Titles.ZH
	}
	zh, en := paragraphs(f.TextZH), paragraphs(f.TextEN)
	if len(en) == 0 {
		en = zh
	}
	if len(zh) != len(en) {
		return l, &Problem{Key: "other_text"}
	}
	for i := range zh {
		l.Text = append(l.Text, access.Text{ZH: zh[i], EN: en[i]})
	}
	a, err := parseQuestions(f.QuestionsZH)
	if err != nil {
		return l, err
	}
	b, err := parseQuestions(f.QuestionsEN)
	if err != nil {
		return l, err
	}
	if len(b) == 0 {
		b = a
	}
	if len(a) != len(b) {
		return l, &Problem{Key: "other_questions"}
	}
	for i := range a {
		if len(a[i].says) != len(b[i].says) {
			return l, &Problem{Key: "other_questions"}
		}
		q := Question{Ask: access.Text{ZH: a[i].ask, EN: b[i].ask}, Why: access.Text{ZH: a[i].why, EN: b[i].why}}
		for n := range a[i].says {
			if a[i].right[n] != b[i].right[n] {
				return l, &Problem{Key: "other_questions"}
			}
			q.Answers = append(q.Answers, Answer{Say: access.Text{ZH: a[i].says[n], EN: b[i].says[n]}, Right: a[i].right[n]})
		}
		l.Questions = append(l.Questions, q)
	}
	return l, l.Check()
}

// FormOf returns a lesson as it is typed.
func FormOf(l Lesson) (f Form) {
	write := func(of func(access.Text) string) (text, questions string) {
		var parts []string
		for _, p := range l.Text {
			parts = append(parts, of(p))
		}
		var b strings.Builder
		for i, q := range l.Questions {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString("? " + of(q.Ask) + "\n")
			for _, a := range q.Answers {
				b.WriteString(map[bool]string{true: "+ ", false: "- "}[a.Right] + of(a.Say) + "\n")
			}
			b.WriteString("! " + of(q.Why) + "\n")
		}
		return strings.Join(parts, "\n\n"), b.String()
	}
	f.TitleZH = l.Titles.ZH
	f.TextZH, f.QuestionsZH = write(func(t access.Text) string { return t.ZH })
	english := false
	for _, t := range append([]access.Text{l.Titles}, l.Text...) {
		english = english || t.EN != t.ZH
	}
	if english {
		f.TitleEN = l.Titles.EN
		f.TextEN, f.QuestionsEN = write(func(t access.Text) string { return t.EN })
	}
	return f
}

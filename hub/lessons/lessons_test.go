package lessons

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"stockade/protocol/access"
)

func ready(t *testing.T) []Lesson {
	t.Helper()
	list, err := Ready()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestReadyLessons: both languages, right answers, distinct questions (Check), a length that people read, and roles that there are.
func TestReadyLessons(t *testing.T) {
	list := ready(t)
	if len(list) < 8 {
		t.Fatalf("%d lessons", len(list))
	}
	roles, asked := map[access.RoleID]bool{}, map[string]string{}
	for _, r := range access.Ready().Roles {
		roles[r.ID] = true
	}
	for _, l := range list {
		zh, en := 0, 0
		for _, p := range l.Text {
			zh, en = zh+utf8.RuneCountInString(p.ZH), en+len(strings.Fields(p.EN))
		}
		if l.Version < 1 || l.Minutes < 1 || l.Minutes > 2 || zh < 250 || zh > 900 || en < 150 || en > 500 {
			t.Errorf("%s: version %d, %d minutes, %d letters, %d words", l.ID, l.Version, l.Minutes, zh, en)
		}
		if len(l.Questions) < 4 || len(l.Questions) > 6 || !slices.ContainsFunc(l.Questions, Question.Several) || !slices.ContainsFunc(l.Questions, func(q Question) bool { return !q.Several() }) {
			t.Errorf("%s: %d questions; want 4 to 6, some with several answers", l.ID, len(l.Questions))
		}
		for _, r := range l.Roles {
			if !roles[r] {
				t.Errorf("%s is for the role %s, which there is not", l.ID, r)
			}
		}
		texts := append([]access.Text{l.Titles}, l.Text...)
		for _, q := range l.Questions {
			for _, text := range []string{q.Ask.ZH, q.Ask.EN} {
				if other := asked[text]; other != "" {
					t.Errorf("%s and %s ask %q", l.ID, other, text)
				}
				asked[text] = l.ID
			}
			if q.Several() != strings.Contains(q.Ask.ZH, "可多选") || q.Several() != strings.Contains(q.Ask.EN, "(several)") {
				t.Errorf("%s: %s: say whether several are right", l.ID, q.Ask.EN)
			}
			texts = append(texts, q.Ask, q.Why)
			for _, a := range q.Answers {
				texts = append(texts, a.Say)
			}
		}
		for _, x := range texts {
			if strings.ContainsFunc(x.EN, func(r rune) bool { return unicode.Is(unicode.Han, r) }) && !strings.Contains(x.EN, "等级保护") {
				t.Errorf("%s: Chinese in English: %s", l.ID, x.EN)
			}
		}
	}
}

// TestVersionsRise: what was published under a version is never changed: records of who has passed name it. A changed lesson gets the next version and a line of its own
// in the file.
func TestVersionsRise(t *testing.T) {
	b, err := os.ReadFile("testdata/published.txt")
	if err != nil {
		t.Fatal(err)
	}
	published := map[string]string{}
	for s := bufio.NewScanner(bytes.NewReader(b)); s.Scan(); {
		if f := strings.Fields(s.Text()); len(f) == 3 {
			published[f[0]+" "+f[1]] = f[2]
		}
	}
	for _, l := range ready(t) {
		sum, err := l.Hash()
		if err != nil {
			t.Fatal(err)
		}
		if name := fmt.Sprint(l.ID, " ", l.Version); published[name] != sum.String() {
			t.Errorf("%s is not what was published: raise its version and add the line\n%s %s", name, name, sum)
		}
	}
}

// TestJudge: all right answers and no other, 80 of a hundred.
func TestJudge(t *testing.T) {
	l := ready(t)[0]
	right := Given{}
	for _, q := range l.Questions {
		var chosen []int
		for n, a := range q.Answers {
			if a.Right {
				chosen = append([]int{n}, chosen...) // in whatever order
			}
		}
		right = append(right, chosen)
	}
	if r := l.Judge(right); !r.Passed || r.Count != len(l.Questions) {
		t.Errorf("all right: %+v", r)
	}
	if len(l.Questions) != 5 {
		t.Fatal("this test counts on five questions")
	}
	change := func(question int, chosen ...int) Given {
		g := slices.Clone(right)
		g[question] = chosen
		return g
	}
	for what, g := range map[string]Given{"one wrong": change(0, (right[0][0]+1)%len(l.Questions[0].Answers)), "one of two": change(2, right[2][0]), "one too many": change(2, 0, 1, 2, 3), "no such answer": change(1, 99, -1), "none": change(1)} {
		if r := l.Judge(g); r.Count != 4 || !r.Passed {
			t.Errorf("%s: %+v", what, r)
		}
	}
	two := change(0, 99)
	two[1] = nil
	for what, g := range map[string]Given{"two wrong": two, "nothing": nil, "more than there is": append(slices.Repeat(Given{nil}, 5), right...)} {
		if r := l.Judge(g); r.Passed {
			t.Errorf("%s: %+v", what, r)
		}
	}
}

func TestDraw(t *testing.T) {
	l := ready(t)[0]
	seen := map[string]bool{}
	for range 50 {
		d := l.Draw()
		if !d.fits(l) {
			t.Fatalf("%+v is no order", d)
		}
		seen[fmt.Sprint(d.Questions)] = true
	}
	if len(seen) < 5 {
		t.Errorf("%d orders in 50 draws", len(seen))
	}
	for _, d := range []Draw{{}, {Questions: []int{0, 0, 1, 2, 3}}, {Questions: []int{0, 1, 2, 3, 4}, Answers: [][]int{{0}}}} {
		if d.fits(l) {
			t.Errorf("%+v fits", d)
		}
	}
}

const typed = "? 一加一？\n+ 二\n- 三\n! 数一数\n\n？ 哪些是水果\n＋ 桃\n＋ 李\n－ 石头\n！ 能吃的\n? 第三题\n- 错\n+ 对\n! 就是这样"

func TestOwnLesson(t *testing.T) {
	f := Form{TitleZH: "叉车", TextZH: "第一段\n还是第一段\r\n\r\n第二段", QuestionsZH: typed}
	l, err := f.Lesson("own-1")
	if err != nil || len(l.Text) != 2 || l.Text[0].EN != "第一段 还是第一段" || len(l.Questions) != 3 || !l.Questions[1].Several() || l.Questions[0].Several() {
		t.Fatalf("%+v, %v", l, err)
	}
	again, err := FormOf(l).Lesson("own-1")
	if a, b := mustHash(t, l), mustHash(t, again); err != nil || a != b {
		t.Errorf("written and read again it is another lesson: %v", err)
	}
	for key, bad := range map[string]Form{
		"bad_title":       {TextZH: "a", QuestionsZH: typed},
		"bad_text":        {TitleZH: "a", QuestionsZH: typed},
		"bad_count":       {TitleZH: "a", TextZH: "a", QuestionsZH: "? a\n+ b\n- c\n! d"},
		"bad_line":        {TitleZH: "a", TextZH: "a", QuestionsZH: "+ b"},
		"bad_right":       {TitleZH: "a", TextZH: "a", QuestionsZH: strings.ReplaceAll(typed, "- 三", "+ 三")},
		"same_answer":     {TitleZH: "a", TextZH: "a", QuestionsZH: strings.ReplaceAll(typed, "- 三", "- 二")},
		"same_question":   {TitleZH: "a", TextZH: "a", QuestionsZH: strings.ReplaceAll(typed, "第三题", "一加一？")},
		"bad_empty":       {TitleZH: "a", TextZH: "a", QuestionsZH: strings.ReplaceAll(typed, "! 数一数\n", "")},
		"other_text":      {TitleZH: "a", TextZH: "a", TextEN: "a\n\nb", QuestionsZH: typed},
		"other_questions": {TitleZH: "a", TextZH: "a", QuestionsZH: typed, QuestionsEN: strings.Replace(typed, "- 三", "+ three", 1)},
		"bad_letters":     {TitleZH: "a", TextZH: "a\u202eb", QuestionsZH: typed},
	} {
		var p *Problem
		if _, err := bad.Lesson("x"); !errors.As(err, &p) || p.Key != key {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func mustHash(t *testing.T, l Lesson) string {
	t.Helper()
	h, err := l.Hash()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}

// FuzzOwnLesson: whatever is typed gives a lesson that reads back as itself, or a sentence about it.
func FuzzOwnLesson(f *testing.F) {
	f.Add("叉车", "一\n\n二", typed, "", "")
	f.Add("a", "b", typed, "c", strings.ReplaceAll(typed, "桃", "peach"))
	f.Add("", "", "?", "?", "+\n-")
	f.Fuzz(func(t *testing.T, title, text, questions, textEN, questionsEN string) {
		l, err := Form{TitleZH: title, TextZH: text, QuestionsZH: questions, TextEN: textEN, QuestionsEN: questionsEN}.Lesson("x")
		if p := (*Problem)(nil); err != nil && !errors.As(err, &p) {
			t.Fatalf("%v is no sentence", err)
		}
		if err != nil {
			return
		}
		if !l.Draw().fits(l) {
			t.Error("its own draw does not fit")
		}
		again, err := FormOf(l).Lesson("x")
		if err != nil || mustHash(t, l) != mustHash(t, again) {
			t.Errorf("%+v became %+v, %v", l, again, err)
		}
	})
}

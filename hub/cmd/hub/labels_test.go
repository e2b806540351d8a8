package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"stockade/internal/label"
)

func TestLabelCommands(t *testing.T) {
	s := newSite(t)
	s.init()
	file := s.path("shelf.json")
	tp := label.Standard()[2]
	tp.ID, tp.Name, tp.NameEN = "shelf", "货架标签", "Shelf label"
	b, err := tp.JSON()
	check(t, err)
	check(t, os.WriteFile(file, append([]byte("\xef\xbb\xbf"), b...), 0o600))
	if out := s.must("label", "import", file); !strings.Contains(out, "第 1 版") {
		t.Error(out)
	}
	if out := s.must("label", "import", file, "--lang", "en"); !strings.Contains(out, "version 2") {
		t.Error(out)
	}
	tp.ID, tp.Name = "lot", "我们的批次标签"
	b, err = tp.JSON()
	check(t, err)
	check(t, os.WriteFile(file, b, 0o600))
	s.must("label", "import", file)
	var list struct{ Labels []labelRow }
	states := func(args ...string) string {
		check(t, json.Unmarshal([]byte(s.must(append([]string{"label", "list", "--json"}, args...)...)), &list))
		out := ""
		for _, r := range list.Labels {
			if r.Version > 0 {
				out += r.ID + " " + string(r.State) + "|"
				if !strings.HasPrefix(r.By, "os/") || r.At == nil {
					t.Errorf("%+v", r)
				}
			}
		}
		return out
	}
	if got := states(); got != "lot changed|shelf own|" || len(list.Labels) != len(label.Standard())+1 {
		t.Errorf("%s", got)
	}
	for lang, want := range map[string]string{"zh": "货架标签 · 自定义", "en": "Shelf label · own"} {
		if out := s.must("label", "list", "--lang", lang); !strings.Contains(out, want) {
			t.Errorf("%s", out)
		}
	}
	back, err := label.ParseTemplate([]byte(s.must("label", "show", "lot")))
	if err != nil || back.Name != "我们的批次标签" {
		t.Errorf("%+v, %v", back, err)
	}
	s.must("label", "withdraw", "lot")
	s.must("label", "withdraw", "shelf")
	if got := states("--all"); got != "lot standard|shelf withdrawn|" {
		t.Errorf("%s", got)
	}
	if back, err = label.ParseTemplate([]byte(s.must("label", "show", "lot"))); err != nil || back.Name != "批次标签" {
		t.Errorf("%+v, %v", back, err)
	}
	if back, err = label.ParseTemplate([]byte(s.must("label", "show", "lot", "--version", "1"))); err != nil || back.Name != "我们的批次标签" {
		t.Errorf("%+v, %v", back, err)
	}
	tp.Elements = append([]label.Element{}, tp.Elements...)
	tp.Elements[1].Width = 20
	b, err = tp.JSON()
	check(t, err)
	check(t, os.WriteFile(file, b, 0o600))
	big := s.path("big.json")
	check(t, os.WriteFile(big, make([]byte, 1<<20), 0o600))
	for _, tt := range []struct {
		args []string
		say  string
	}{
		{[]string{"label", "import", file}, "元素 2：条码放不下：需要"},
		{[]string{"label", "import", file, "--lang", "en"}, "Element 2: The barcode does not fit"},
		{[]string{"label", "import", big}, "模板太大"},
		{[]string{"label", "import", s.path("none.json")}, "找不到文件"},
		{[]string{"label", "import"}, "FILE.json"},
		{[]string{"label", "show", "none"}, "没有找到"},
		{[]string{"label", "show", "lot", "--version", "9"}, "没有找到"},
		{[]string{"label", "show"}, "ID"},
		{[]string{"label", "withdraw", "lot"}, "没有找到"},
		{[]string{"label", "withdraw", "item", "--lang", "en"}, "not found"},
	} {
		if _, errOut, err := s.run(tt.args...); err == nil || !strings.Contains(errOut, tt.say) {
			t.Errorf("hub %v = %v, %q; want something about %q", tt.args, err, errOut, tt.say)
		}
	}
	s.must("audit", "verify")
}

package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Explanation tells why a decision is as it is: "why can she see this?" and "why not?".
type Explanation struct {
	Decision   Decision
	Permission Permission
	Allowing   []Because // grants that allow it
	Near       []Because // grants of the permission that the person has and that do not, the nearest first
	Elsewhere  []Source  // roles that hold the permission and that the person has not, when none of the person's does
}

// Because is a grant of a person and what it lacks.
type Because struct {
	By       Source
	Grant    Grant
	Lacks    []Reason // empty for a grant that allows, else the hardest to mend first
	Reason   string   // of a temporary grant
	Approver Account  // of a temporary grant
	Until    time.Time
}

// Explain answers q like Decide and tells why.
func (e *Engine) Explain(q Request) Explanation {
	var seen []judged
	x := Explanation{Decision: e.decide(&q, &seen), Permission: q.Permission}
	slices.SortStableFunc(seen, func(a, b judged) int {
		switch {
		case nearer(a.lacks, b.lacks):
			return -1
		case nearer(b.lacks, a.lacks):
			return 1
		}
		return compareSources(a.source(), b.source())
	})
	for _, j := range seen {
		b := Because{By: j.source(), Grant: j.grant.clone(), Lacks: j.lacks.reasons()}
		if t := j.temporary; t != nil {
			b.Reason, b.Approver, b.Until = t.Reason, t.Approver, time.UnixMilli(t.Until).UTC()
		}
		if j.lacks == 0 {
			x.Allowing = append(x.Allowing, b)
		} else {
			x.Near = append(x.Near, b)
		}
	}
	if x.Decision.Reason == NoGrant {
		x.Elsewhere = e.holders(q.Permission)
	}
	return x
}

func (j judged) source() Source {
	if j.temporary != nil {
		return Source{Temporary: j.temporary.ID}
	}
	return Source{Role: j.role.def.ID, Names: j.role.def.Names}
}

func compareSources(a, b Source) int {
	return cmp.Or(cmp.Compare(a.Role, b.Role), cmp.Compare(a.Temporary, b.Temporary))
}

// holders returns the roles that hold p.
func (e *Engine) holders(p Permission) (list []Source) {
	n, ok := numbers[p]
	if !ok {
		return nil
	}
	for _, r := range e.roles {
		if r.spans[n].from < r.spans[n].to {
			list = append(list, Source{Role: r.def.ID, Names: r.def.Names})
		}
	}
	slices.SortFunc(list, compareSources)
	return list
}

var reasonWords = map[Reason]Text{
	Granted:         {ZH: "允许", EN: "allowed"},
	GrantedForATime: {ZH: "凭临时授权允许", EN: "allowed by a temporary grant"},
	NotSignedIn:     {ZH: "尚未登录", EN: "nobody is signed in"},
	Disabled:        {ZH: "账号已停用", EN: "the account is disabled"},
	UnknownAct:      {ZH: "本程序不认识这项权限", EN: "this program does not know the permission"},
	NoGrant:         {ZH: "没有任何角色授予这项权限", EN: "no role of the person grants it"},
	OtherRows:       {ZH: "不在授权的仓库、单据或客户范围内", EN: "this lies outside the warehouses, documents or customers that are granted"},
	StepUpNeeded:    {ZH: "需要再次验证第二因素", EN: "the second factor has to be given again"},
	OtherNetwork:    {ZH: "不在允许的网络地址内", EN: "the request comes from an address outside the allowed networks"},
	OtherHours:      {ZH: "不在允许的时间段内", EN: "it is outside the allowed hours"},
	NotYet:          {ZH: "临时授权尚未生效", EN: "the temporary grant has not begun"},
	Ended:           {ZH: "临时授权已到期", EN: "the temporary grant has ended"},
	NotApproved:     {ZH: "临时授权缺少他人审批、理由或有效期限", EN: "the temporary grant lacks another person's approval, a reason or a proper end"},
	OutOfContact:    {ZH: "本机与总部失联过久，暂不能做重要操作", EN: "this machine has not heard headquarters for too long for privileged acts"},
	DoubtfulClock:   {ZH: "本机时间不可信，请先与总部对时", EN: "this machine's clock is not trusted until it has heard headquarters"},
	RolesExclude:    {ZH: "同时拥有互斥的角色，这个角色不生效", EN: "the role counts for nothing beside another role that excludes it"},
	OwnWork:         {ZH: "这张单据的前一步是本人做的，须由别人来做", EN: "the person did the duty before on this document; somebody else has to do this one"},
}

// Words returns r as people read it.
func (r Reason) Words() Text {
	if w, ok := reasonWords[r]; ok {
		return w
	}
	return Text{ZH: string(r), EN: string(r)}
}

// Words returns the explanation line by line: the decision, the grants that allow it, those that nearly do, and
// the roles that would.
func (x Explanation) Words() []Text {
	title, why := x.Permission.Title(), x.Decision.Reason.Words()
	lines := []Text{{ZH: fmt.Sprintf("%s：%s", title.ZH, why.ZH), EN: fmt.Sprintf("%s: %s", title.EN, why.EN)}}
	for _, b := range slices.Concat(x.Allowing, x.Near) {
		lines = append(lines, b.Words())
	}
	if len(x.Elsewhere) > 0 {
		var roles texts
		for _, s := range x.Elsewhere {
			roles = append(roles, s.Words())
		}
		w := roles.join()
		lines = append(lines, Text{ZH: "有这项权限的是：" + w.ZH, EN: "it is held by: " + w.EN})
	}
	return lines
}

// Words says what the grant allows, and what it lacks.
func (b Because) Words() Text {
	by, title, scope := b.By.Words(), b.Grant.Permission.Title(), b.Grant.Scope.Words()
	w := Text{ZH: fmt.Sprintf("%s授予“%s”，范围：%s", by.ZH, title.ZH, scope.ZH), EN: fmt.Sprintf("%s grants %q for %s", by.EN, title.EN, scope.EN)}
	if c := b.Grant.Condition.Words(); c.EN != "" {
		w.ZH, w.EN = w.ZH+"，条件："+c.ZH, w.EN+", if "+c.EN
	}
	if b.By.Temporary != "" {
		until := b.Until.Format("2006-01-02 15:04 MST")
		w.ZH += fmt.Sprintf("，由 %s 批准，理由：%s，有效至 %s", b.Approver, b.Reason, until)
		w.EN += fmt.Sprintf(", approved by %s because %q, until %s", b.Approver, b.Reason, until)
	}
	if len(b.Lacks) > 0 {
		var list texts
		for _, r := range b.Lacks {
			list = append(list, r.Words())
		}
		l := list.join()
		w.ZH, w.EN = w.ZH+"；但"+l.ZH, w.EN+"; but "+l.EN
	}
	return w
}

// Words returns s as people read it.
func (s Scope) Words() Text {
	var w Text
	switch s.Reach {
	case Everywhere:
		w = Text{ZH: "所有仓库", EN: "all warehouses"}
	case Home:
		w = Text{ZH: "本人所在仓库", EN: "the person's warehouses"}
	case Listed:
		names := make([]string, len(s.Warehouses))
		for i, n := range s.Warehouses {
			names[i] = string(n)
		}
		w = Text{ZH: "仓库 " + strings.Join(names, "、"), EN: "warehouses " + strings.Join(names, ", ")}
	default:
		return Text{ZH: "无", EN: "nothing"}
	}
	var whose texts
	if s.Whose&Anyone == 0 {
		if s.Whose&OwnDocuments != 0 {
			whose = append(whose, Text{ZH: "本人单据", EN: "own documents"})
		}
		if s.Whose&OwnCustomers != 0 {
			whose = append(whose, Text{ZH: "本人客户", EN: "own customers"})
		}
		if len(whose) == 0 {
			return Text{ZH: "无", EN: "nothing"}
		}
		j := whose.join()
		w = Text{ZH: w.ZH + "中的" + j.ZH, EN: j.EN + " in " + w.EN}
	}
	return w
}

// Words returns c as people read it, empty for one that always holds.
func (c Condition) Words() Text {
	var list texts
	if c.StepUp > 0 {
		age := time.Duration(c.StepUp) * time.Second
		list = append(list, Text{ZH: fmt.Sprintf("%s内验证过第二因素", spanZH(age)), EN: fmt.Sprintf("the second factor was given within %s", spanEN(age))})
	}
	if len(c.Networks) > 0 {
		names := make([]string, len(c.Networks))
		for i, n := range c.Networks {
			names[i] = n.String()
		}
		list = append(list, Text{ZH: "来自 " + strings.Join(names, " 或 "), EN: "from " + strings.Join(names, " or ")})
	}
	if len(c.Hours) > 0 {
		var spans texts
		for _, h := range c.Hours {
			spans = append(spans, h.Words())
		}
		w := spans.join()
		list = append(list, Text{ZH: "时间在" + w.ZH, EN: "within " + w.EN})
	}
	return list.join()
}

var dayNames = [7]Text{{ZH: "周一", EN: "Mon"}, {ZH: "周二", EN: "Tue"}, {ZH: "周三", EN: "Wed"}, {ZH: "周四", EN: "Thu"},
	{ZH: "周五", EN: "Fri"}, {ZH: "周六", EN: "Sat"}, {ZH: "周日", EN: "Sun"}}

// Words returns h as people read it.
func (h Hours) Words() Text {
	span := fmt.Sprintf("%02d:%02d-%02d:%02d", h.From/60, h.From%60, h.To/60, h.To%60)
	switch h.Days & EveryDay {
	case EveryDay:
		return Text{ZH: "每天 " + span, EN: "every day " + span}
	case WorkingDays:
		return Text{ZH: "周一至周五 " + span, EN: "Mon-Fri " + span}
	}
	var days texts
	for day, name := range dayNames {
		if h.Days>>day&1 == 1 {
			days = append(days, name)
		}
	}
	w := days.join()
	return Text{ZH: w.ZH + " " + span, EN: w.EN + " " + span}
}

func spanZH(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d 分钟", d/time.Minute)
	}
	return fmt.Sprintf("%d 秒", d/time.Second)
}

func spanEN(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return fmt.Sprintf("%d s", d/time.Second)
}

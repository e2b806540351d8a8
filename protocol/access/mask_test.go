package access

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMask(t *testing.T) {
	for _, tt := range []struct {
		class       FieldClass
		value, want string
	}{
		{Name, "张三", "张*"}, {Name, "张三丰", "张**"}, {Name, "欧阳娜娜", "欧**"}, {Name, "阿卜杜拉·买买提", "阿**"}, {Name, "J", "*"}, {Name, "Li", "L*"}, {Name, "Jane Roe", "J**"}, {Name, "  王五 ", "王*"},
		{Name, "𠮷野", "𠮷*"}, {Name, "\xff\xfe", "\uFFFD"}, {Name, "", ""},
		{Phone, "13812341234", "138****1234"}, {Phone, "138 1234 1234", "138****1234"}, {Phone, "+86 138-1234-1234", "+86 138****1234"}, {Phone, "008613812341234", "+86 138****1234"},
		{Phone, "021-61234567", "021****4567"}, {Phone, "61234567", "****567"}, {Phone, "400 820 8820", "****820"}, {Phone, "110", "****"}, {Phone, "１３８１２３４１２３４", "138****1234"}, {Phone, "打传达室", "****"},
		{Address, "上海市浦东新区张江路100号2楼", "上海市浦东新区****"}, {Address, "江苏省苏州市吴江区松陵镇中山路1号", "江苏省苏州市吴江区****"},
		{Address, "浙江省杭州市西湖区文三路 90 号", "浙江省杭州市西湖区****"}, {Address, "内蒙古自治区呼和浩特市新城区成吉思汗大街1号", "内蒙古自治区呼和浩特市新城区****"},
		{Address, "浙江省台州市路桥区银座街1号", "浙江省台州市路桥区****"}, {Address, "河北省石家庄市正定县燕赵大街", "河北省石家庄市正定县****"},
		{Address, "上海市张江路100弄阳光小区5号", "上海市****"}, {Address, "上海市阳光小区5号楼201", "上海市****"}, {Address, "张江路100号阳光小区", "****"}, {Address, "上海市浦东新区", "****"},
		{Address, "阳光小区3栋201室", "****"}, {Address, "100 Main Street, Springfield", "****"}, {Address, "朝阳区建国路1号院", "****"},
		{Address, "张江路省钱小区3号", "****"}, {Address, "沃尔玛超市3楼柜台", "****"}, {Address, "光明大厦市场3楼", "****"}, {Address, "上海市国际花园东区8栋", "上海市****"}, {Address, "上海市国际城C区8栋201", "上海市****"},
		{Address, "新疆维吾尔自治区伊犁哈萨克自治州霍城县一号路7号", "新疆维吾尔自治区伊犁哈萨克自治州霍城县****"}, {Address, "黑龙江省大兴安岭地区呼玛县", "****"}, {Address, "湖北省仙桃市沔阳大道8号", "湖北省仙桃市****"}, {Address, "广东省深圳市南山区科技园路1号", "广东省深圳市南山区****"},
		{Email, "alice@x.cn", "a***@x.cn"}, {Email, "a@x.cn", "***@x.cn"}, {Email, "@x.cn", "***@x.cn"}, {Email, "no address", "***"}, {Email, "\"a@b\"@x.cn", "\"***@x.cn"}, {Email, "李雷@例子.中国", "李***@例子.中国"},
		{Identity, "310101199001011234", "310****1234"}, {Identity, "11010519491231002X", "110****002X"}, {Identity, "E12345678", "****"},
		{Bank, "6222 0210 0111 1234 567", "****4567"}, {Bank, "62220210", "****"},
		{Cost, "12.50", "***"}, {Price, "0", "***"}, {Amount, "-3", "***"}, {FieldClass(99), "whatever", "***"},
	} {
		want := tt.want
		if tt.value == "\xff\xfe" {
			want = "*" // one sign for a run of bytes that are none
		}
		if got := Mask(tt.class, tt.value); got != want {
			t.Errorf("%s %q is shown as %q, want %q", tt.class.Title().EN, tt.value, got, want)
		}
	}
}

// TestMaskTellsNothing: whatever stands in the hidden part, what is shown is the same. So nothing of it can be in what is shown.
func TestMaskTellsNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(from string, n int) string {
		letters := []rune(from)
		var b strings.Builder
		for range n {
			b.WriteRune(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	const digits, latin, han = "0123456789", "abcdefghijklmnopqrstuvwxyz", "王李张刘陈杨黄赵吴周徐孙马朱胡𠮷龘"
	districts := []string{"上海市浦东新区", "江苏省苏州市吴江区", "北京市朝阳区", "内蒙古自治区呼和浩特市新城区", "河北省石家庄市正定县", "浙江省台州市路桥区"}
	for range 5000 {
		first, last := pick(digits, 3), pick(digits, 4)
		letter := pick(latin+han, 1)
		n := 4 + r.IntN(8)
		hidden := func(from string) (a, b string) { return pick(from, n), pick(from, n) }
		same := func(class FieldClass, make func(hidden string) string, a, b string) {
			x, y := make(a), make(b)
			if got, other := Mask(class, x), Mask(class, y); got != other {
				t.Fatalf("%s: %q is shown as %q, %q as %q", class.Title().EN, x, got, y, other)
			}
		}
		a, b := hidden(digits)
		mobile := "13" + first[:1]
		same(Phone, func(h string) string { return mobile + h + last }, a, b)
		same(Identity, func(h string) string { return first + "9999" + h + last }, a, b)
		same(Bank, func(h string) string { return "6222" + h + last }, a, b)
		a, b = hidden(latin + han)
		same(Name, func(h string) string { return letter + h }, a, b)
		same(Email, func(h string) string { return letter + h + "@example.cn" }, a, b)
		place := districts[r.IntN(len(districts))]
		a, b = hidden("中山人民解放张江科苑路街弄巷号栋室楼小镇0123456789 ")
		same(Address, func(h string) string { return place + "建国路" + h + "号" }, a, b)
		for _, class := range []FieldClass{Cost, Price, Amount} {
			same(class, func(h string) string { return h }, a+"1", b+"2")
		}
	}
}

// FuzzMask: for any bytes the mask is text, short, never the value itself, and nothing but stars is added to what stands in the value.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"张三", "13812341234", "上海市浦东新区张江路100号", "a@b.cn", "\xff", "é́", "👨‍👩‍👧 家"} {
		for _, c := range Classes() {
			f.Add(uint8(c), s)
		}
	}
	f.Fuzz(func(t *testing.T, class uint8, s string) {
		c := FieldClass(class)
		got := Mask(c, s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is no text", got)
		}
		if strings.TrimSpace(strings.ToValidUTF8(s, "\uFFFD")) != "" && got == "" {
			t.Fatalf("%q: a value looks like none", s)
		}
		if got == s && strings.Trim(s, "*") != "" && !strings.HasPrefix(s, "*") && !strings.Contains(s, "*") {
			t.Fatalf("%q is shown whole", s)
		}
		var all Fields
		if all.Show(c, s) != "" && c != 0 {
			t.Fatalf("hidden %q is shown", s)
		}
		if c == 0 || c >= classes {
			return
		}
		all[c] = Masked
		if all.Show(c, s) != got {
			t.Fatalf("%q is shown in two ways", s)
		}
		all[c] = Read
		if all.Show(c, s) != s {
			t.Fatalf("%q is changed for who may read it", s)
		}
	})
}

// TestMayUnmask: what is masked can be opened where both permissions say so, and nothing else.
func TestMayUnmask(t *testing.T) {
	for read := Hidden; read <= Write; read++ {
		for open := Hidden; open <= Write; open++ {
			a, b := Decision{Allowed: true}, Decision{Allowed: true}
			a.Fields[Phone], b.Fields[Phone] = read, open
			if got, want := MayUnmask(a, b, Phone), read == Masked && open >= Read; got != want {
				t.Errorf("%s, opened to %s: %v", read.Title().EN, open.Title().EN, got)
			}
			for _, refused := range []*Decision{&a, &b} {
				refused.Allowed = false
				if MayUnmask(a, b, Phone) {
					t.Error("without a permission")
				}
				refused.Allowed = true
			}
			if MayUnmask(a, b, Email) || MayUnmask(a, b, 0) || MayUnmask(a, b, 99) {
				t.Error("another class")
			}
		}
	}
}

// TestReadyRolesOpenNoSecrets: the ready policy lets nobody open account and identity numbers, costs and prices for a reason; and whoever opens anything confirms it.
func TestReadyRolesOpenNoSecrets(t *testing.T) {
	n := 0
	for _, r := range Ready().Roles {
		for _, g := range r.Grants {
			if g.Permission != Unmask {
				continue
			}
			n++
			if g.Condition.StepUp == 0 {
				t.Errorf("%s opens without a fresh factor", r.ID)
			}
			for _, c := range []FieldClass{Bank, Identity, Cost, Price, Amount} {
				if g.Fields[c] != Hidden {
					t.Errorf("%s opens %s", r.ID, c.Title().EN)
				}
			}
		}
	}
	if n != 4 {
		t.Errorf("%d roles open masks", n)
	}
}

package scannersetup

import (
	"strings"

	"stockade/protocol/barcode"
)

// Text is said in both languages.
type Text struct{ ZH, EN string }

// In returns the text in a language: "zh" or "en".
func (t Text) In(lang string) string {
	if lang == "en" {
		return t.EN
	}
	return t.ZH
}

// Say puts a finding into words: what was seen, and what to do about it.
func Say(f barcode.Finding) Text {
	t, ok := findings[f.Code]
	if !ok {
		return Text{f.Code, f.Code}
	}
	args := []string{}
	for k, v := range f.Args {
		args = append(args, "{"+k+"}", v)
	}
	framing := framings[barcode.Framing(f.Args["framing"])]
	zh := strings.NewReplacer(append([]string{"{framing}", framing.ZH, "{parity}", parities[f.Args["parity"]].ZH}, args...)...)
	en := strings.NewReplacer(append([]string{"{framing}", framing.EN, "{parity}", parities[f.Args["parity"]].EN}, args...)...)
	return Text{zh.Replace(t.ZH), en.Replace(t.EN)}
}

var parities = map[string]Text{"even": {"偶校验", "even parity"}, "odd": {"奇校验", "odd parity"}}

var framings = map[barcode.Framing]Text{
	barcode.FrameCR: {"回车 CR", "CR"}, barcode.FrameLF: {"换行 LF", "LF"}, barcode.FrameCRLF: {"回车换行 CR LF", "CR LF"}, barcode.FrameTab: {"制表符 TAB", "TAB"},
	barcode.FrameSTX: {"STX 开始、ETX 结束", "STX and ETX"}, barcode.FrameSSI: {"斑马 SSI 数据包", "Zebra SSI packets"}, barcode.FrameSilence: {"静默（没有结束符）", "silence (no terminator)"},
}

var findings = map[string]Text{
	barcode.FoundNothing:   {"还没有收到数据：请扫几个条码。若一直没有，请检查线缆、波特率，以及扫描枪是否在串口模式", "Nothing has come yet: scan some codes. If nothing ever comes, check cable, speed, and that the scanner is in serial mode"},
	barcode.FoundFraming:   {"每次扫描的结束方式：{framing}", "Each scan ends with: {framing}"},
	barcode.FoundMixed:     {"各次扫描的结束方式不一致：请把扫描枪统一设为以回车结束", "Scans end in different ways: have the scanner end each one with CR"},
	barcode.FoundSilence:   {"没有结束符，只能靠静默分隔：请在扫描枪上打开回车后缀，否则连续扫描可能粘在一起", "There is no terminator, only silence tells scans apart: switch on the suffix CR, or quick scans may be joined"},
	barcode.FoundSlow:      {"一次扫描内部最长停顿 {longest}：静默时间建议设为 {gap}", "The longest pause inside a scan is {longest}: set idle_gap to {gap}"},
	barcode.FoundAIM:       {"带 AIM 标识符：码制明确，不用猜", "AIM identifiers are there: the kind of each code is certain"},
	barcode.FoundSomeAIM:   {"{of} 次扫描中只有 {with} 次带 AIM 标识符：请对所有码制打开", "Only {with} of {of} scans have AIM identifiers: switch them on for all kinds of codes"},
	barcode.FoundNoAIM:     {"没有 AIM 标识符：请在扫描枪上打开，否则商品条码和快递单号无法可靠区分", "No AIM identifiers: switch them on, only they tell a GTIN from a courier number for certain"},
	barcode.FoundCodeID:    {"可能带 {vendor} 的码制字符（{of} 次中 {fits} 次符合）：只有确认扫描枪品牌和设置后才能选用", "The Code IDs of {vendor} would fit ({fits} of {of} scans): choose them only if you know the scanner's make and that it sends them"},
	barcode.FoundGS:        {"GS1 分隔符 GS 能正常收到", "The separator GS of GS1 data arrives"},
	barcode.FoundGSLost:    {"{scans} 个 GS1 条码读不懂，分隔符 GS 可能被扫描枪去掉了：请在扫描枪上打开 GS（FNC1）传送", "{scans} GS1 codes can not be read, the scanner may drop the separator GS: have it send GS (FNC1)"},
	barcode.FoundGSInstead: {"扫描枪用 {substitute} 代替 GS（{scans} 次）：最好改为直接发送 GS", "The scanner sends {substitute} in place of GS ({scans} scans): better have it send GS itself"},
	barcode.FoundPrefix:    {"每次扫描前都有“{prefix}”：请关闭扫描枪的前缀", "“{prefix}” stands before every scan: switch the scanner's prefix off"},
	barcode.FoundSevenBits: {"扫描枪使用 7 位数据和{parity}", "The scanner sends 7 data bits with {parity}"},
	barcode.FoundNoise:     {"收到的内容无法识别：波特率、校验或数据位可能不对，或线缆有干扰", "What arrives can not be read: speed, parity or data bits may be wrong, or the cable picks up noise"},
	barcode.FoundUnsound:   {"有 {bytes} 个字节不属于完整的 SSI 数据包：请检查线缆", "{bytes} bytes belong to no sound SSI packet: check the cable"},
	barcode.FoundResent:    {"有 {count} 个 SSI 数据包被重发：配置为 frame=ssi 后本机会应答", "{count} SSI packets were sent again: with frame=ssi this machine acknowledges them"},
	barcode.FoundFew:       {"只扫了 {scans} 次：请再扫几个不同种类的条码（商品码、GS1-128、二维码）", "Only {scans} scans so far: scan more codes of different kinds (EAN, GS1-128, 2D)"},
	barcode.FoundGuess:     {"有 {scans} 个纯数字只能猜测是商品条码", "{scans} bare numbers can only be guessed to be GTINs"},
	barcode.FoundReadable:  {"按建议的设置，{of} 次扫描中 {good} 次可以读懂", "With these settings {good} of {of} scans can be read"},
}

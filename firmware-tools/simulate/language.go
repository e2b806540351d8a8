package simulate

import "fmt"

// Language is what a printer understands.
type Language string

// The languages. Labels are kept in files whose names end with the language.
const (
	ZPL    Language = "zpl"
	TSPL   Language = "tspl"
	ESCPOS Language = "escpos"
)

// Languages returns all languages.
func Languages() []Language { return []Language{ZPL, TSPL, ESCPOS} }

// parser reads what a host sends, byte by byte, and tells the printer what to do.
type parser interface {
	take(b byte, to sink)
	partial() int // bytes of a job that is not complete; 0 between jobs
	reset()       // forgets what came in part
}

// sink is what a parser tells the printer.
type sink interface {
	print(j job)
	ask(answer func(s status) []byte)       // at once; nothing is sent when the answer is nil
	askInTurn(answer func(s status) []byte) // when all that came before is printed
	cancel()                                // forget all that waits
	pause(on bool)
	warn(text string)
}

// job is one or more equal labels.
type job struct {
	data   []byte // as the host sent it, without what was answered at once
	page   page
	copies int // at least 1
}

// maxCopies of a label are printed by one job; more are a mistake of somebody's.
const maxCopies = 1000

// maxJob is the most bytes of one job that are kept; a longer one is dropped.
const maxJob = 4 << 20

// status is what a printer knows of itself when it is asked.
type status struct {
	printerState
	answersInError bool
	waiting        int  // jobs not yet begun
	labelsLeft     int  // of the job that is being printed
	partial        bool // a job has come in part
	full           bool // the buffer
	length         int  // dots, of the last label
}

// printing tells whether there is work that is being done.
func (s status) printing() bool { return s.prints() && s.waiting+s.labelsLeft > 0 }

// printerState is what a printer's own sensors and buttons say.
type printerState struct {
	paperOut, paperLow, ribbonOut, headOpen, paused, hot, jammed bool
}

// inError tells whether the printer can not print until somebody has looked after it.
func (s printerState) inError() bool {
	return s.paperOut || s.ribbonOut || s.headOpen || s.hot || s.jammed
}

// prints tells whether jobs become labels.
func (s printerState) prints() bool { return !s.inError() && !s.paused }

// spoils tells whether a label that is being printed is lost.
func (s printerState) spoils() bool { return s.paperOut || s.ribbonOut || s.headOpen || s.jammed }

// trouble is a kind of warning, in Chinese and English.
type trouble string

const (
	unknownCommand trouble = "模拟器不认识的命令 / the simulator does not know the command"
	wrongValue     trouble = "参数或内容有误，已跳过 / wrong parameter or content, passed over"
	outsideLabel   trouble = "超出标签，打印机会直接裁掉 / leaves the label, a printer cuts it off"
	outsideJob     trouble = "标签之外的字节，已跳过 / bytes that belong to no label, passed over"
	halfJob        trouble = "丢弃未完成的任务 / a job that came in part is dropped"
	tooLong        trouble = "任务过长，已丢弃 / a job is too long and dropped"
	lostBytes      trouble = "缓冲区已满，字节丢失 / buffer full, bytes are lost"
	insideData     trouble = "图像数据里的字节被当作实时命令执行 / bytes of a picture are taken for a real-time command"
	notExact       trouble = "与真实打印机略有不同 / differs a little from a real printer"
)

func warned(t trouble, format string, about ...any) string {
	return string(t) + ": " + fmt.Sprintf(format, about...)
}

func flag(on bool) int {
	if on {
		return 1
	}
	return 0
}

func bit(on bool, value byte) byte {
	if on {
		return value
	}
	return 0
}

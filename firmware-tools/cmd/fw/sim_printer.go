package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"stockade/firmware-tools/simulate"
	"stockade/internal/raster"
)

// debianFont is the Chinese font of Debian's fonts-noto-cjk.
const debianFont = "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc"

// printerEvent is one line of output: what happened to the printer.
type printerEvent struct {
	Event  simulate.EventKind `json:"event"`
	Number int                `json:"number,omitempty"` // of the label
	Bytes  int                `json:"bytes,omitempty"`
	File   string             `json:"file,omitempty"`
	Image  string             `json:"image,omitempty"`
	Data   string             `json:"data,omitempty"`  // a Go string literal
	Text   string             `json:"text,omitempty"`  // in words
	Error  string             `json:"error,omitempty"` // why the file could not be written
}

func simPrinter(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var link, typeface string
	var o simulate.PrinterOptions
	flags := flag.NewFlagSet("printer", flag.ContinueOnError)
	flags.StringVar(&link, "link", "", "")
	flags.StringVar((*string)(&o.Language), "language", string(simulate.ZPL), "")
	flags.StringVar(&o.Dir, "dir", "", "")
	flags.StringVar(&typeface, "typeface", debianFont, "")
	flags.IntVar(&o.BytesPerSecond, "slow", 0, "")
	flags.DurationVar(&o.PrintTime, "print-time", 500*time.Millisecond, "") // 40 mm at 4 inches a second, and a little
	flags.IntVar(&o.Buffer, "buffer", 0, "")
	flags.BoolVar(&o.XonXoff, "xoff", false, "")
	flags.BoolVar(&o.KeepPart, "own-power", false, "")
	flags.BoolVar(&o.NoReprint, "no-reprint", false, "")
	flags.IntVar(&o.Width, "width", 0, "")
	flags.BoolVar(&o.OneIsBlack, "one-is-black", false, "")
	flags.BoolVar(&o.AnswerInError, "answer-in-error", false, "")
	if err := parseSim(flags, args); err != nil {
		return err
	}
	switch {
	case link == "":
		return fmt.Errorf("%w: 需要 / needs --link PATH", errUsage)
	case !slices.Contains(simulate.Languages(), o.Language):
		return fmt.Errorf("%w: --language zpl|tspl|escpos", errUsage)
	case o.Buffer < 0 || o.PrintTime < 0 || o.Width < 0:
		return fmt.Errorf("%w: --buffer, --print-time, --width: 不能为负 / not below 0", errUsage)
	}
	face, err := chineseFont(typeface, stderr)
	if err != nil {
		return err
	}
	if face != nil {
		defer face.Close()
	}
	o.Chinese = face
	printer, err := simulate.NewPrinter(link, o)
	if err != nil {
		return err
	}
	defer printer.Close()
	printing, stop := context.WithCancel(ctx)
	commands := readCommands(printing, stdin)
	printed := make(chan error, 1)
	go func() { printed <- reportPrinter(printing, printer, &events{w: stdout}) }()
	for {
		select {
		case text, ok := <-commands:
			if !ok {
				commands = nil // the end of the commands is not the end of the printer
				continue
			}
			if err := obey(printer, o.Language, text); err != nil {
				fmt.Fprintln(stderr, "fw sim printer:", err)
			}
		case err := <-printed: // output is broken, or ctx has ended
			stop()
			return err
		}
	}
}

// chineseFont opens a font. That Debian's is not installed is no error, and said; an empty path is a printer
// without Chinese. It returns nil then.
func chineseFont(path string, stderr io.Writer) (*raster.Typeface, error) {
	if path == "" {
		return nil, nil
	}
	face, err := raster.OpenTypeface(path)
	if path == debianFont && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintln(stderr, "fw sim: 没有中文字库，汉字打印成方框；请安装 fonts-noto-cjk 或用 --typeface 指定 /"+
			" no Chinese font, characters print as boxes: install fonts-noto-cjk or name one with --typeface")
		return nil, nil
	}
	return face, err
}

// readCommands gives the lines of stdin. Its goroutine ends with stdin, or at the first line after
// ctx has ended: a Reader can not be interrupted.
func readCommands(ctx context.Context, stdin io.Reader) <-chan string {
	lines := make(chan string)
	go func() {
		defer close(lines)
		for in := bufio.NewScanner(stdin); in.Scan(); {
			select {
			case lines <- in.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	return lines
}

func reportPrinter(ctx context.Context, printer *simulate.Printer, out *events) error {
	for from := 0; ; {
		happened, next, err := printer.WaitEvents(ctx, from)
		if err != nil {
			return ended(ctx, err)
		}
		from = next
		for _, h := range happened {
			event := printerEvent{Event: h.Kind, Text: h.Text}
			if l := h.Label; l != nil {
				event.Number, event.Bytes, event.File, event.Image = l.Number, len(l.Data), l.File, l.Image
				event.Data = strconv.QuoteToASCII(string(l.Data))
				if l.Err != nil {
					event.Error = l.Err.Error()
				}
			}
			if err := out.write(event); err != nil {
				return err
			}
		}
	}
}

// printerCommand is a line on standard input, such as "paper out".
type printerCommand struct {
	name, values string // values that it takes: a|b, or N
	do           func(p *simulate.Printer, value string, n int) error
}

// printerCommands is in the order in which the usage shows them.
var printerCommands = []printerCommand{
	{"paper", "ok|low|out", func(p *simulate.Printer, v string, _ int) error {
		p.SetPaper(v != "out")
		p.SetPaperLow(v == "low")
		return nil
	}},
	{"roll", "N", func(p *simulate.Printer, _ string, n int) error { p.SetRoll(n); return nil }},
	{"ribbon", "ok|out", func(p *simulate.Printer, v string, _ int) error { p.SetRibbon(v == "ok"); return nil }},
	{"head", "ok|open", func(p *simulate.Printer, v string, _ int) error { p.SetHead(v == "ok"); return nil }},
	{"jam", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetJam(v == "on"); return nil }},
	{"hot", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetHot(v == "on"); return nil }},
	{"pause", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetPaused(v == "on"); return nil }},
	{"slow", "N", func(p *simulate.Printer, _ string, n int) error { p.SetSpeed(n); return nil }},
	{"print-time", "N", func(p *simulate.Printer, _ string, n int) error {
		p.SetPrintTime(time.Duration(n) * time.Millisecond)
		return nil
	}},
	{"buffer", "N", func(p *simulate.Printer, _ string, n int) error { p.SetBuffer(n); return nil }},
	{"xoff", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetXonXoff(v == "on"); return nil }},
	{"deaf", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetDeaf(v == "on"); return nil }},
	{"nonsense", "on|off", func(p *simulate.Printer, v string, _ int) error { p.SetNonsense(v == "on"); return nil }},
	{"cut", "N", func(p *simulate.Printer, _ string, n int) error { p.CutAfter(n); return nil }},
	{"unplug", "", func(p *simulate.Printer, _ string, _ int) error { p.Unplug(); return nil }},
	{"plug", "", func(p *simulate.Printer, _ string, _ int) error { return p.Replug() }},
}

func commandList() string {
	var all []string
	for _, c := range printerCommands {
		all = append(all, strings.TrimSpace(c.name+" "+c.values))
	}
	return strings.Join(all, ", ")
}

// obey does what a line of commands says. "jam" alone is "jam on".
func obey(printer *simulate.Printer, language simulate.Language, text string) error {
	words := strings.Fields(text)
	if len(words) == 0 {
		return nil
	}
	if len(words) == 1 && words[0] == "jam" {
		words = append(words, "on")
	}
	if words[0] == "ribbon" && language == simulate.ESCPOS {
		return errors.New("ESC/POS 打印机没有碳带 / ESC/POS printers have no ribbon")
	}
	at := slices.IndexFunc(printerCommands, func(c printerCommand) bool { return c.name == words[0] })
	if at < 0 {
		return fmt.Errorf("没有命令 / no command %q: %s", text, commandList())
	}
	c := printerCommands[at]
	switch {
	case c.values == "" && len(words) == 1:
		return c.do(printer, "", 0)
	case c.values == "N" && len(words) == 2:
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 0 {
			return fmt.Errorf("%s N: 需要不小于 0 的整数 / wants a whole number from 0 on, not %q", c.name, words[1])
		}
		return c.do(printer, "", n)
	case c.values != "N" && len(words) == 2 && slices.Contains(strings.Split(c.values, "|"), words[1]):
		return c.do(printer, words[1], 0)
	}
	return fmt.Errorf("用法 / usage: %s %s", c.name, c.values)
}

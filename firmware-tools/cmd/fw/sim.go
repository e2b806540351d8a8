package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"sync"
)

const (
	scannerUsage = `  fw sim scanner --link PATH --file FILE [--profile NAME] [--vendor NAME] [--gs TEXT] [--gap 200ms]
      [--terminator keep|none|cr|lf|crlf|tab] [--noise N --seed S] [--chunk N --chunk-pause 5ms] [--ack-time 2s] [--tries 3]
      [--unplug-every N --unplug after|mid --unplug-for 1s] [--repeat]
    在 PATH 处放一个伪终端，播放 FILE 第一列的扫描（Go 字符串，每行一条）；--noise 为千分比的线路噪声。
    不带 --profile 时原样发送；带 --profile 时每条为 AIM 标识符加数据（如 "]C1010690..."），按该配置发送：
    puts a pseudo-terminal at PATH and plays column 1 of FILE, a Go string literal a line; --noise is line noise per thousand bytes.
    Without --profile bytes are sent as they are; with it a line is an AIM identifier and data, sent as that profile does:
    raw plain silent aim stx ssi codeid-zebra codeid-datalogic gs-sub honeywell newland`
	printerUsage = `  fw sim printer --link PATH [--language zpl|tspl|escpos] [--dir DIR] [--typeface FILE] [--print-time 500ms] [--slow BYTES_PER_SECOND]
      [--buffer BYTES] [--xoff] [--own-power] [--no-reprint] [--answer-in-error] [--width DOTS] [--one-is-black]
    标签打印机：解析任务、应答状态查询；DIR 中保存每张标签的原始字节和 PNG 图片，不认识的命令会提示。从标准输入接受命令（print-time 以毫秒计）：
    a label printer: reads jobs, answers status questions, keeps the bytes and a PNG picture of each label in DIR and tells of commands
    that it does not know; takes commands from standard input (print-time in milliseconds):
    paper ok|low|out, roll N, ribbon ok|out, head ok|open, jam on|off, hot on|off, pause on|off, slow N, print-time N, buffer N,
    xoff on|off, deaf on|off, nonsense on|off, cut N, unplug, plug`
	drawUsage = `  fw sim draw --dir DIR [--language zpl|tspl|escpos] [--typeface FILE] [--width DOTS] [--one-is-black] < JOB
    不经串口，把一个打印任务画成 DIR 中的图片 / draws the labels of a print job into DIR, without a port`
)

// runSim plays a device until ctx ends, which is no error.
func runSim(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: sim scanner|printer|draw\n%s\n%s\n%s", errUsage, scannerUsage, printerUsage, drawUsage)
	}
	switch args[0] {
	case "scanner":
		return simScanner(ctx, args[1:], stdout)
	case "printer":
		return simPrinter(ctx, args[1:], stdin, stdout, stderr)
	case "draw":
		return simDraw(ctx, args[1:], stdin, stdout, stderr)
	}
	return fmt.Errorf("%w: 没有设备 / no device %q: scanner, printer, draw", errUsage, args[0])
}

// parseSim reads options and insists that nothing is left over.
func parseSim(flags *flag.FlagSet, args []string) error {
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("%w: sim %s: %w", errUsage, flags.Name(), err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%w: sim %s: 多余的参数 / unexpected argument %q", errUsage, flags.Name(), flags.Arg(0))
	}
	return nil
}

// ended makes the end of ctx a clean one.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// events writes one JSON object a line, whole lines whoever writes.
type events struct {
	mu sync.Mutex
	w  io.Writer
}

func (e *events) write(event any) error {
	line, err := json.Marshal(event)
	if err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write event: %w", err)
	}
	return nil
}

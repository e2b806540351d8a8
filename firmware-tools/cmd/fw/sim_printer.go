package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"

	"stockade/firmware-tools/simulate"
)

// labelEvent is one line of output: a label that was printed.
type labelEvent struct {
	Event  string `json:"event"` // "label"
	Number int    `json:"number"`
	Bytes  int    `json:"bytes"`
	File   string `json:"file,omitempty"`
	Data   string `json:"data"`            // a Go string literal
	Error  string `json:"error,omitempty"` // why the file could not be written
}

func simPrinter(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var link string
	var o simulate.PrinterOptions
	flags := flag.NewFlagSet("printer", flag.ContinueOnError)
	flags.StringVar(&link, "link", "", "")
	flags.StringVar(&o.Dir, "dir", "", "")
	flags.IntVar(&o.BytesPerSecond, "slow", 0, "")
	flags.BoolVar(&o.AnswerInError, "answer-in-error", false, "")
	if err := parseSim(flags, args); err != nil {
		return err
	}
	if link == "" {
		return fmt.Errorf("%w: 需要 / needs --link PATH", errUsage)
	}
	printer, err := simulate.NewPrinter(link, o)
	if err != nil {
		return err
	}
	defer printer.Close()
	printing, stop := context.WithCancel(ctx)
	commands := readCommands(printing, stdin)
	printed := make(chan error, 1)
	go func() { printed <- reportLabels(printing, printer, &events{w: stdout}) }()
	for {
		select {
		case text, ok := <-commands:
			if !ok {
				commands = nil // the end of the commands is not the end of the printer
				continue
			}
			if err := obey(printer, text); err != nil {
				fmt.Fprintln(stderr, "fw sim printer:", err)
			}
		case err := <-printed: // output is broken, or ctx has ended
			stop()
			return err
		}
	}
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

func reportLabels(ctx context.Context, printer *simulate.Printer, out *events) error {
	for from := 0; ; {
		labels, next, err := printer.WaitLabels(ctx, from)
		if err != nil {
			return ended(ctx, err)
		}
		from = next
		for _, l := range labels {
			event := labelEvent{"label", l.Number, len(l.Data), l.File, strconv.QuoteToASCII(string(l.Data)), ""}
			if l.Err != nil {
				event.Error = l.Err.Error()
			}
			if err := out.write(event); err != nil {
				return err
			}
		}
	}
}

// obey does what a line of commands says.
func obey(printer *simulate.Printer, text string) error {
	words := strings.Fields(text)
	if len(words) == 2 && words[0] == "slow" {
		n, err := strconv.Atoi(words[1])
		if err != nil || n < 0 {
			return fmt.Errorf("slow N: 每秒字节数，0 为不限 / bytes per second, 0 for no limit, not %q", words[1])
		}
		printer.SetSpeed(n)
		return nil
	}
	switch strings.Join(words, " ") {
	case "":
	case "paper ok", "paper out":
		printer.SetPaper(words[1] == "ok")
	case "ribbon ok", "ribbon out":
		printer.SetRibbon(words[1] == "ok")
	case "head ok", "head open":
		printer.SetHead(words[1] == "ok")
	case "pause on", "pause off":
		printer.SetPaused(words[1] == "on")
	case "unplug":
		printer.Unplug()
	case "plug":
		return printer.Replug()
	default:
		return fmt.Errorf("没有命令 / no command %q: paper out|ok, ribbon out|ok, head open|ok, pause on|off, slow N, unplug, plug", text)
	}
	return nil
}

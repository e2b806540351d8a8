package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"stockade/internal/scannersetup"
	"stockade/internal/serialport"
	"stockade/protocol/barcode"
)

const probeUsage = `  fw scanner probe --port PATH [--driver bugst|tarm] [--baud N] [--data-bits 7|8] [--parity none|odd|even] [--flow none|xonxoff|rtscts] [--scans N] [--setup VENDOR:WHAT]
    显示扫描枪发来的原始字节，并建议 edge.toml 中的设置；先停止 edge 服务，按 Ctrl-C 结束。--setup 把厂家公开的设置命令发给扫描枪：
    shows the bytes that a scanner sends, and proposes its settings in edge.toml; stop the edge service first, end with Ctrl-C. --setup sends a vendor's documented command:
    honeywell:aim-id honeywell:cr newland:aim-id newland:cr zebra:aim-id`

const (
	probeWait = 200 * time.Millisecond // between two looks whether the line has fallen silent
	maxChunks = 4096                   // kept for the proposal
)

type probe struct {
	port   serialport.Port
	out    io.Writer
	limit  int // of scans; 0 for none
	chunks []barcode.Chunk
	said   string // the proposal that was printed last
}

func runScanner(ctx context.Context, args []string, _ io.Reader, stdout, _ io.Writer) error {
	if len(args) == 0 || args[0] != "probe" {
		return fmt.Errorf("%w: fw scanner probe --port PATH", errUsage)
	}
	var path, setup, driver, parity, flow string
	var line serialport.Line
	p := &probe{out: stdout}
	flags := flag.NewFlagSet("probe", flag.ContinueOnError)
	flags.StringVar(&path, "port", "", "")
	flags.StringVar(&driver, "driver", "", "")
	flags.IntVar(&line.Baud, "baud", 0, "")
	flags.IntVar(&line.DataBits, "data-bits", 0, "")
	flags.StringVar(&parity, "parity", "", "")
	flags.StringVar(&flow, "flow", "", "")
	flags.IntVar(&p.limit, "scans", 0, "")
	flags.StringVar(&setup, "setup", "", "")
	flags.SetOutput(io.Discard)
	if err := flags.Parse(args[1:]); err != nil {
		return fmt.Errorf("%w: scanner probe: %w", errUsage, err)
	}
	if path == "" || flags.NArg() > 0 {
		return fmt.Errorf("%w: 需要 / needs --port PATH, %q", errUsage, flags.Args())
	}
	line.Driver, line.Parity, line.Flow = serialport.Driver(driver), serialport.Parity(parity), serialport.Flow(flow)
	if _, err := line.Checked(); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	command, known := scannersetup.Find(setup)
	if setup != "" && !known {
		return fmt.Errorf("%w: 没有设置命令 / no set-up command %q", errUsage, setup)
	}
	port, err := serialport.Open(path, line)
	if err != nil {
		return fmt.Errorf("%s / %w", openHint(err), err)
	}
	p.port = port
	defer port.Close()
	if known {
		if err := p.send(command); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%s (%s)：请扫几个不同种类的条码 / scan some codes of different kinds\n", path, line)
	return ended(ctx, p.run(ctx))
}

// openHint says in Chinese what to do about a port that can not be opened.
func openHint(err error) string {
	switch {
	case errors.Is(err, serialport.ErrBusy):
		return "端口被占用：请先停止 edge 服务或其他程序"
	case errors.Is(err, serialport.ErrDenied):
		return "没有权限：请把用户加入 dialout 组"
	}
	return "无法打开端口：请检查线缆和路径"
}

// send sends a set-up command; the answer shows among what comes in.
func (p *probe) send(c scannersetup.Command) error {
	sent := make(chan error, 1)
	go func() { _, err := p.port.Write(c.Bytes); sent <- err }()
	select {
	case err := <-sent:
		if err != nil {
			return fmt.Errorf("send %s: %w", c.ID, err)
		}
	case <-time.After(2 * time.Second): // the write ends with the port
		return fmt.Errorf("send %s: 扫描枪不接收数据：请检查流控 / the scanner takes no bytes: check flow control", c.ID)
	}
	_, err := fmt.Fprintf(p.out, "已发送 / sent %s: %s / %s %s\n", c.ID, c.Text.ZH, c.Text.EN, strconv.QuoteToASCII(string(c.Bytes)))
	return err
}

// run shows what comes in until ctx, the line or the wanted number of scans ends.
func (p *probe) run(ctx context.Context) error {
	if err := p.port.SetReadTimeout(probeWait); err != nil {
		return err
	}
	last, waiting := time.Now(), false
	for buf := make([]byte, 4096); ctx.Err() == nil; {
		n, err := p.port.Read(buf)
		if err != nil {
			if errors.Is(err, serialport.ErrUnplugged) {
				return fmt.Errorf("扫描枪已拔出 / the scanner was unplugged: %w", err)
			}
			return err
		}
		now := time.Now()
		if n > 0 {
			data := append([]byte(nil), buf[:n]...)
			p.chunks = append(p.chunks, barcode.Chunk{Data: data, Pause: now.Sub(last)})
			if len(p.chunks) > maxChunks {
				p.chunks = p.chunks[len(p.chunks)-maxChunks:]
			}
			fmt.Fprintf(p.out, "%9s  %s\n", "+"+now.Sub(last).Round(time.Millisecond).String(), strconv.Quote(string(data)))
			last, waiting = now, true
			continue
		}
		if !waiting {
			continue
		}
		waiting = false
		if proposal := barcode.Propose(p.chunks, now); p.say(proposal) != nil || p.limit > 0 && proposal.Scans >= p.limit {
			return nil
		}
	}
	return ctx.Err()
}

// say prints a proposal that differs from the one before.
func (p *probe) say(proposal barcode.Proposal) error {
	var s strings.Builder
	for _, f := range proposal.Findings {
		t := scannersetup.Say(f)
		fmt.Fprintf(&s, "  %s\n  %s\n", t.ZH, t.EN)
	}
	fmt.Fprintf(&s, "建议 / proposal, [[devices]]:\n")
	for l := range strings.Lines(proposal.Settings("")) {
		s.WriteString("    " + l)
	}
	for _, vendor := range proposal.CodeIDs {
		fmt.Fprintf(&s, "确认品牌和设置后 / once make and setting are confirmed:\n")
		for l := range strings.Lines(proposal.Settings(vendor)) {
			s.WriteString("    " + l)
		}
	}
	if advised(proposal) {
		s.WriteString("扫描枪设置 / at the scanner:\n")
		for _, c := range scannersetup.Commands() {
			fmt.Fprintf(&s, "  --setup %s: %s / %s\n", c.ID, c.Text.ZH, c.Text.EN)
			for _, b := range c.Barcodes() {
				fmt.Fprintf(&s, "      Code 128 %q %s / %s\n", b.Content, b.Text.ZH, b.Text.EN)
			}
		}
		for _, t := range scannersetup.Manual() {
			fmt.Fprintf(&s, "  %s\n  %s\n", t.ZH, t.EN)
		}
	}
	if s.String() == p.said {
		return nil
	}
	p.said = s.String()
	_, err := io.WriteString(p.out, p.said)
	return err
}

// advised tells whether something should be switched on at the scanner.
func advised(p barcode.Proposal) bool {
	for _, f := range p.Findings {
		switch f.Code {
		case barcode.FoundNoAIM, barcode.FoundSomeAIM, barcode.FoundSilence, barcode.FoundMixed:
			return true
		}
	}
	return false
}

// Command fw is what an installer or an auditor runs: it decodes scans, plays scanners and
// printers, and checks exported audit logs and results of access reviews without trusting anybody.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// version is set by the linker.
var version = "dev"

type command struct {
	name    string
	summary string // Chinese, then English
	usage   string // lines, indented
	run     func(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error
}

func commands() []command {
	return []command{
		{"decode", "解码扫描字节 / decode scanner bytes", decodeUsage, runDecode},
		{"scanner", "查看扫描枪并建议设置 / look at a scanner and propose its settings", probeUsage, runScanner},
		{"audit", "离线核验导出的审计日志 / check an exported audit log offline", auditUsage, runAudit},
		{"review", "离线核验权限复核的结果 / check the result of an access review offline", reviewUsage, runReview},
		{"sim", "模拟扫描枪或打印机 / play a scanner or a printer on a pseudo-terminal", scannerUsage + "\n" + printerUsage + "\n" + drawUsage, runSim},
	}
}

// errUsage makes main print how the command is used and exit with 2.
var errUsage = errors.New("用法错误 / wrong usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "fw:", err)
		usage(os.Stderr)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "fw:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "help", "-h", "--help":
		usage(stdout)
		return nil
	case "version", "--version":
		_, err := fmt.Fprintln(stdout, version)
		return err
	}
	for _, c := range commands() {
		if c.name == args[0] {
			if len(args) > 1 && slices.Contains([]string{"help", "-h", "--help"}, args[len(args)-1]) {
				_, err := fmt.Fprintf(stdout, "fw %s: %s\n%s\n", c.name, c.summary, c.usage)
				return err
			}
			return c.run(ctx, args[1:], stdin, stdout, stderr)
		}
	}
	return fmt.Errorf("%w: 没有命令 / no command %q", errUsage, args[0])
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "用法 / usage: fw COMMAND [OPTIONS]")
	for _, c := range commands() {
		fmt.Fprintf(w, "\n%s: %s\n%s\n", c.name, c.summary, c.usage)
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"stockade/firmware-tools/verify"
)

// errSelfConsistent ends a check without keys from outside: it proves nothing to anybody.
var errSelfConsistent = errors.New("仅自洽：没有 --trust，任何人都可能伪造整份导出 / self-consistent only: without --trust anybody could have made the whole export")

const auditUsage = `  fw audit verify EXPORT --trust FILE [--json]
    EXPORT 由 hub audit export 生成；FILE 由 hub trust 打印，须经另一途径取得；没有 --trust 只说明自洽，并以失败结束
    EXPORT is made by hub audit export; FILE is printed by hub trust and must reach you another way; without --trust the export is found self-consistent at best, and the command fails`

func runAudit(ctx context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	if len(args) == 0 || args[0] != "verify" {
		return fmt.Errorf("%w: fw audit verify EXPORT --trust FILE [--json]", errUsage)
	}
	flags := flag.NewFlagSet("fw audit verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	trustFile := flags.String("trust", "", "公钥文件，由 hub trust 打印 / keys given from outside, printed by hub trust")
	asJSON := flags.Bool("json", false, "以 JSON 输出 / print JSON")
	dirs, err := interspersed(flags, args[1:])
	if err != nil || len(dirs) != 1 {
		return fmt.Errorf("%w: fw audit verify EXPORT --trust FILE [--json]", errUsage)
	}
	var trust *verify.Trust
	if *trustFile != "" {
		b, err := os.ReadFile(*trustFile)
		if err != nil {
			return err
		}
		t, err := verify.ParseTrust(b)
		if err != nil {
			return fmt.Errorf("%s: %w", *trustFile, err)
		}
		trust = &t
	}
	r, err := verify.Export(ctx, dirs[0], trust)
	if err != nil {
		return fmt.Errorf("导出未通过核验 / %w", err)
	}
	if *asJSON {
		if err := json.NewEncoder(stdout).Encode(r); err != nil {
			return err
		}
	} else {
		tell(stdout, r)
	}
	if trust == nil {
		return errSelfConsistent
	}
	return nil
}

// interspersed lets flags stand behind the words.
func interspersed(flags *flag.FlagSet, args []string) ([]string, error) {
	var words []string
	for {
		if err := flags.Parse(args); err != nil {
			return nil, err
		}
		if flags.NArg() == 0 {
			return words, nil
		}
		words = append(words, flags.Arg(0))
		args = flags.Args()[1:]
	}
}

// tell says in both languages what was proved and what was not.
func tell(w io.Writer, r verify.Report) {
	say := func(zh, en string, args ...any) {
		_, _ = fmt.Fprintf(w, "  "+zh+"\n  "+en+"\n", append(args, args...)...)
	}
	if r.Trusted {
		_, _ = fmt.Fprintln(w, "已证明 / proved:")
		say("第 %d 份日志由公司根密钥开启，签名头覆盖全部 %d 个叶子", "log %d was opened by the company's root key, and its signed head covers all %d leaves", r.LogEpoch, r.Leaves)
	} else {
		_, _ = fmt.Fprintln(w, "仅自洽（没有外部公钥） / self-consistent only (no keys from outside):")
		say("第 %d 份日志的签名头与全部 %d 个叶子相符", "the head of log %d fits all its %d leaves", r.LogEpoch, r.Leaves)
	}
	say("%d 个批次都由当时已登记的节点密钥签名，组成 %d 条没有缺口的链（另有 %d 个由人工决定接受）",
		"%d batches are each signed by a node key logged before, in %d chains without a gap (%d more were let in by a person's decision)", r.Batches-r.Decided, r.Chains, r.Decided)
	say("%d 条变更就是节点签名的变更；%d 条总部记录与日志相符", "%d changes are those that the nodes signed; %d entries of the hub are those that were logged", r.Changes, r.Entries)
	say("%d 个节点见证过这份日志，最多到第 %d 个叶子", "%d nodes have co-signed heads of this log, up to leaf %d", r.Witnesses, r.Witnessed)
	_, _ = fmt.Fprintln(w, "未证明 / not proved:")
	if r.Erased > 0 || r.Hidden > 0 || r.Unread > 0 {
		say("%d 个批次的内容和 %d 条总部记录不在导出里（可能已清除）；%d 个批次的内容无法解开",
			"the contents of %d batches and %d entries of the hub are not in the export (they may have been erased); %d batches can not be unpacked", r.Erased, r.Hidden, r.Unread)
	}
	if left := r.Leaves - r.Witnessed; left > 0 {
		say("最后 %d 个叶子还没有节点见证", "the last %d leaves have not been co-signed by any node yet", left)
	}
	say("这是否是最新的日志：请把签名头与节点持有的对照", "that this is the newest log: compare its head with those that the nodes hold")
	_, _ = fmt.Fprintf(w, "%s %d %s\n", r.Org, r.Leaves, r.Root)
}

// Command edge is a node: it reads a warehouse's scanners, books what they say into its encrypted
// store, shows it on its pages, and delivers it to the hub whenever there is a line.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"stockade/edge/enrolment"
	"stockade/edge/store"
	"stockade/internal/vault"
	wire "stockade/protocol/enrol"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "edge:", explain(err))
		if errors.Is(err, errUsage) {
			fmt.Fprintln(os.Stderr, usage)
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("用法错误 / wrong usage")

const usage = `用法 / usage: edge COMMAND --config FILE
  serve                           运行节点 / run the node
  enrol --token TOKEN|@FILE       用总部给的一次性令牌注册 / make a node of this machine
  stock --json                    本仓库存 / stock of this warehouse
  scans --station S --after N     某工位处理过的扫描 / what a station has dealt with
  prints                          标签打印任务，新的在前 / print jobs, newest first
  status                          数量与同步状态 / figures and state of delivery
  head [--seen]                   本节点最后联署的总部日志头；--seen：与之矛盾的证据 / the hub's log head that this node co-signed last; --seen: what contradicts it
  version`

// options are the flags of all commands.
type options struct {
	config  string
	token   string
	station string
	after   int64
	json    bool
	seen    bool
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	if args[0] == "version" {
		_, err := fmt.Fprintln(stdout, version)
		return err
	}
	if args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		_, err := fmt.Fprintln(stdout, usage)
		return err
	}
	command, ok := map[string]func(context.Context, config, options, io.Writer, *slog.Logger) error{
		"serve": serve, "enrol": enrol, "stock": printStock, "scans": printScans, "prints": printPrints, "status": printStatus, "head": printHead,
	}[args[0]]
	if !ok {
		return fmt.Errorf("%w: 没有命令 / no command %q", errUsage, args[0])
	}
	var o options
	flags := flag.NewFlagSet(args[0], flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.config, "config", "", "configuration file")
	flags.StringVar(&o.token, "token", "", "enrolment token, or @FILE")
	flags.StringVar(&o.station, "station", "", "station")
	flags.Int64Var(&o.after, "after", 0, "scan number")
	flags.BoolVar(&o.seen, "seen", false, "what contradicts the head")
	flags.BoolVar(&o.json, "json", true, "print JSON")
	if err := flags.Parse(args[1:]); err != nil || flags.NArg() > 0 || o.config == "" {
		return fmt.Errorf("%w: --config FILE", errUsage)
	}
	c, err := loadConfig(o.config)
	if err != nil {
		return err
	}
	return command(ctx, c, o, stdout, slog.New(slog.NewTextHandler(stderr, nil)))
}

// openStore opens the node's store. create allows a new one to be made; without, a machine that has
// none is not enrolled.
func openStore(ctx context.Context, c config, create bool) (*store.Store, func(), error) {
	load := vault.LoadKeyFile
	if _, err := os.Stat(c.storePath()); errors.Is(err, fs.ErrNotExist) && !create {
		return nil, nil, store.ErrNotEnrolled
	}
	if create {
		if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
			return nil, nil, err
		}
		load = vault.LoadOrCreateKeyFile
	}
	key, err := load(c.KeyFile, c.DataDir)
	if err != nil {
		return nil, nil, err
	}
	v, err := vault.Open(ctx, vault.Options{Path: c.storePath(), Key: key})
	if err != nil {
		return nil, nil, err
	}
	s, err := store.Open(ctx, v)
	if err != nil {
		return nil, nil, errors.Join(err, v.Close())
	}
	return s, func() { _ = v.Close() }, nil
}

// What to do about a card.
const (
	newCard = "换一张好的存储卡，再用 hub node add --replace 的令牌重新注册；总部会还回已收到的数据 / take a good card and enrol again with a token of hub node add --replace: the hub gives back what it has"
	badCard = "存储卡写不进去：先把数据目录和密钥文件复制到好卡上再启动，复制不成则" + newCard + " / the card can not be written: copy the data folder and the key file to a good card and start there; if that fails, see above"
)

// explain adds what to do to errors that an installer will meet.
func explain(err error) string {
	hints := []struct {
		is   error
		hint string
	}{
		{errServing, "先停止它 / stop it first"},
		{vault.ErrDamaged, newCard},
		{vault.ErrFull, "腾出磁盘空间 / make room on the disk"},
		{syscall.ENOSPC, "腾出磁盘空间 / make room on the disk"},
		{vault.ErrFailing, badCard},
		{syscall.EROFS, badCard},
		{syscall.EIO, badCard},
		{store.ErrNotEnrolled, "先在总部执行 hub node add，再在本机执行 edge enrol / run hub node add at the hub, then edge enrol here"},
		{wire.ErrToken, "令牌不完整：请从 sk1. 到末尾重新复制 / copy the token again, from sk1. to its end"},
		{vault.ErrKeyMissing, "找回密钥文件；没有它数据无法打开 / bring the key file back: the data can not be opened without it"},
		{vault.ErrKeyExposed, "密钥文件须放在数据目录之外且权限为 0600 / keep the key file outside the data folder with mode 0600"},
		{vault.ErrWrongKey, "密钥文件与数据不符，或首页损坏；数据未被改动 / the key is another store's, or the first page is damaged; nothing was changed"},
	}
	for _, h := range hints {
		if errors.Is(err, h.is) {
			return err.Error() + "\n  " + h.hint
		}
	}
	var p *enrolment.Problem
	if errors.As(err, &p) {
		if hint, ok := problems[p.Word]; ok {
			return err.Error() + "\n  " + hint
		}
	}
	return err.Error()
}

// Command hub is the headquarters' program: it takes in what the nodes send, keeps the
// consolidated stock and the master audit log, and serves the pages of the headquarters.
//
// hub serve runs it. All other commands open the same store beside it and work whether it runs or
// not; the running server notices within a second what they have done.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/fleet"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/vault"
)

// version is set when the program is built.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil {
		os.Exit(1)
	}
}

// run carries out one command. Its error was told to the user already.
func run(ctx context.Context, args []string, out, errOut io.Writer) error {
	c := &command{out: out, errOut: errOut, lang: languageOf(os.Getenv)}
	err := c.dispatch(ctx, args)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		err = nil
	}
	if err != nil {
		_, _ = fmt.Fprintln(errOut, "hub:", c.explain(err))
	}
	return err
}

// command is one call of the program.
type command struct {
	out, errOut io.Writer
	lang        string
	flags       *flag.FlagSet
	config      string
	args        []string // what is left beside the flags
}

// action is what a command does, with the flags that it has of its own.
type action struct {
	name   string // "node add"
	usage  string
	zh, en string // what it is for
	do     func(*command, context.Context, []string) error
}

func actions() []action {
	return []action{
		{"init", "--root-key FILE", "建立总部：数据文件夹、密钥、审计日志", "make the hub: data folder, keys, audit log", (*command).initHub},
		{"serve", "", "运行总部服务", "run the hub", (*command).serve},
		{"status", "[--json]", "运行状态和计数", "state and counts", (*command).status},
		{"stock", "[--json] [--warehouse W]", "合并后的库存", "consolidated stock", (*command).stock},
		{"exceptions", "[--json] [--all]", "需要人处理的异常", "cases for a person", (*command).exceptions},
		{"node add", "ID --warehouse W [--replace] [--valid 24h]", "为新节点生成一次性注册码", "make a one-time token for a new node", (*command).nodeAdd},
		{"node list", "[--json]", "节点及其状态", "nodes and their state", (*command).nodeList},
		{"node revoke", "ID --reason TEXT [--last-trusted EPOCH.SEQ]", "吊销节点", "put a node out", (*command).nodeRevoke},
		{"node settle", "ID --reason TEXT", "结束关于节点的争议（副本已停用）", "end the dispute over a node whose other copy was stopped", (*command).nodeSettle},
		{"held list", "[--json] [--all]", "等待决定的批次", "batches that wait for a decision", (*command).heldList},
		{"held show", "HASH", "查看被扣留的批次", "what is in a held batch", (*command).heldShow},
		{"held accept", "HASH --reason TEXT", "接受被扣留的批次", "accept a held batch", (*command).heldAccept},
		{"held reject", "HASH --reason TEXT", "拒绝被扣留的批次", "reject a held batch", (*command).heldReject},
		{"item add", "--sku S --name N [--gtin G] [--unit U]", "新增或修改商品", "add or change an item", (*command).itemAdd},
		{"item import", "FILE.csv", "从 CSV 导入商品", "import items from CSV", (*command).itemImport},
		{"location add", "WAREHOUSE/BIN [--name N] [--use storage|receiving]", "新增或修改库位", "add or change a bin", (*command).locationAdd},
		{"location import", "FILE.csv", "从 CSV 导入库位", "import bins from CSV", (*command).locationImport},
		{"label list", "[--json] [--all]", "标签模板", "label templates", (*command).labelList},
		{"label show", "ID [--version N]", "打印标签模板的 JSON", "print a label template as JSON", (*command).labelShow},
		{"label import", "FILE.json", "新增或修改标签模板", "add or change a label template", (*command).labelImport},
		{"label withdraw", "ID", "撤回标签模板（恢复标准模板）", "take a label template back (a standard one counts again)", (*command).labelWithdraw},
		{"account list", "[--json] [--dormant] [--overdue] [--lacks-factor]", "账号：久未登录、密码过期、缺第二道验证的有标记", "accounts; marked are those not used for long, with an overdue password or without the second factor that they have to have", (*command).accountList},
		{"account recover", "NAME [--administrator]", "恢复账号：作废密码和第二道验证，生成激活码；--administrator 同时设为安全管理员", "let a person back in: void password and second factor, make an activation code; --administrator makes it a security administrator", (*command).accountRecover},
		{"attachment check", "", "逐个读出附件，与登记和审计日志核对", "read every attachment and compare it with its row and the audit log", (*command).attachmentCheck},
		{"audit verify", "", "用数据重新推导并核对审计日志和库存", "derive log and stock anew and compare", (*command).auditVerify},
		{"audit export", "DIR", "导出审计日志供第三方核验", "export the audit log for others to check", (*command).auditExport},
		{"trust", "", "打印核验导出文件所需的公钥", "print the keys to check an export with", (*command).trust},
		{"log reopen", "--root-key FILE --reason TEXT [--old-head FILE]", "从旧备份恢复后重新开启审计日志", "open a new log after an older copy was restored", (*command).logReopen},
		{"broker certs", "DIR --name HOST", "为外部 MQTT 服务器生成证书", "make certificates for a foreign broker", (*command).brokerCerts},
	}
}

func (c *command) dispatch(ctx context.Context, args []string) error {
	// The language is found before the rest, so that all that follows can be told in it.
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--lang="); ok {
			c.setLang(v)
		} else if a == "--lang" && i+1 < len(args) {
			c.setLang(args[i+1])
		}
	}
	for _, a := range actions() {
		want := strings.Fields(a.name)
		if len(args) < len(want) || !slices.Equal(args[:len(want)], want) {
			continue
		}
		c.flags = flag.NewFlagSet(a.name, flag.ContinueOnError)
		c.flags.SetOutput(io.Discard)
		c.flags.StringVar(&c.config, "config", "hub.toml", "")
		c.flags.String("lang", "", "")
		err := a.do(c, ctx, args[len(want):])
		if errors.Is(err, flag.ErrHelp) {
			c.say("用法：hub %s %s [--config FILE] [--lang zh|en]\n%s\n", "usage: hub %s %s [--config FILE] [--lang zh|en]\n%s\n", a.name, a.usage, c.text(a.zh, a.en))
			return nil
		}
		return err
	}
	return c.help(args)
}

func (c *command) help(args []string) error {
	if len(args) == 1 && (args[0] == "version" || args[0] == "--version") {
		c.say("%s\n", "%s\n", version)
		return nil
	}
	var b strings.Builder
	for _, a := range actions() {
		fmt.Fprintf(&b, "  hub %-16s %s\n  %20s %s\n", a.name, a.usage, "", c.text(a.zh, a.en))
	}
	asked := len(args) == 1 && slices.Contains([]string{"help", "-h", "--help"}, args[0])
	if asked {
		c.say("仓盾总部\n%s\n每条命令都可加 --config FILE（默认 hub.toml）和 --lang zh|en。\n",
			"Stockade hub\n%s\nEvery command takes --config FILE (default hub.toml) and --lang zh|en.\n", b.String())
		return nil
	}
	return &usageError{zh: "没有这个命令。可用命令：\n" + b.String(), en: "no such command. There are:\n" + b.String()}
}

// parse reads the command's flags, which may stand before, between and behind what else it is given.
func (c *command) parse(args []string) error {
	for {
		if err := c.flags.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return err
			}
			return &usageError{zh: "参数有误：" + err.Error(), en: err.Error()}
		}
		if c.flags.NArg() == 0 {
			return nil
		}
		c.args = append(c.args, c.flags.Arg(0))
		args = c.flags.Args()[1:]
	}
}

// want checks how many words there are beside the flags.
func (c *command) want(names ...string) error {
	if len(c.args) == len(names) {
		return nil
	}
	need := strings.Join(names, " ")
	return &usageError{zh: fmt.Sprintf("hub %s 需要参数：%s", c.flags.Name(), need), en: fmt.Sprintf("hub %s wants: %s", c.flags.Name(), need)}
}

// hub is an open store with what commands need of it.
type hub struct {
	cfg      config
	vault    *vault.Store
	store    *store.Store
	ring     *keyring.Ring
	recorder *auditlog.Recorder
	who      auditlog.Who
}

func (h *hub) close() error { return h.vault.Close() }

// open opens the configured store, which must have a hub.
func (c *command) open(ctx context.Context) (*hub, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	h, err := openStore(ctx, cfg)
	if err != nil {
		return nil, err
	}
	err = h.store.View(ctx, func(v *store.View) (err error) { h.ring, err = keyring.Load(v); return err })
	if err == nil && string(h.ring.Org) != cfg.Org {
		err = fmt.Errorf("the store belongs to organisation %s, the configuration names %s", h.ring.Org, cfg.Org)
	}
	if err != nil {
		return nil, errors.Join(err, h.close())
	}
	h.recorder.Ring = h.ring
	return h, nil
}

// load reads the configuration; its language counts unless another was asked for.
func (c *command) load() (config, error) {
	cfg, err := loadConfig(c.config)
	if err == nil && c.lang == "" {
		c.lang = cfg.Lang
	}
	return cfg, err
}

// serverReaders and serverCache fit a machine that does nothing else. Misses of the cache
// cost a decryption each.
const (
	serverReaders = 4
	serverCache   = 64 << 10 // KiB for each connection
)

func openStore(ctx context.Context, cfg config) (*hub, error) {
	if _, err := os.Stat(cfg.storePath()); err != nil {
		return nil, fmt.Errorf("%w: %w", keyring.ErrNoHub, err)
	}
	key, err := vault.LoadKeyFile(cfg.KeyFile, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	return openVault(ctx, cfg, key)
}

func openVault(ctx context.Context, cfg config, key vault.Key) (*hub, error) {
	v, err := vault.Open(ctx, vault.Options{Path: cfg.storePath(), Key: key, Readers: serverReaders, CacheKiB: serverCache})
	if err != nil {
		return nil, err
	}
	s, err := store.Open(ctx, v)
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return &hub{cfg: cfg, vault: v, store: s, who: cliUser(),
		recorder: &auditlog.Recorder{Store: s, Clock: time.Now, Zone: cfg.zone()}}, nil
}

// cliUser names who gives commands: the operating system's user.
func cliUser() auditlog.Who {
	who := auditlog.Who{Actor: "root", Terminal: "cli"}
	if u, err := user.Current(); err == nil && u.Username != "" {
		who.Actor = u.Username
	}
	if sudo := os.Getenv("SUDO_USER"); sudo != "" {
		who.Actor = sudo + " (sudo)"
	}
	who.Actor = "os/" + who.Actor
	return who
}

// fleet returns the nodes' keeper, as commands need it.
func (h *hub) fleet(at fleet.Addresses) *fleet.Fleet {
	return &fleet.Fleet{Store: h.store, Ring: h.ring, Recorder: h.recorder, At: at, Clock: time.Now}
}

// do opens the hub for a command and closes it again.
func (c *command) do(ctx context.Context, act func(*hub) error) error {
	h, err := c.open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(act(h), h.close())
}

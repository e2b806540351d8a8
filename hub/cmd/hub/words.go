package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"stockade/hub/attachments"
	"stockade/hub/fleet"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/internal/label"
	"stockade/internal/vault"
	"stockade/internal/web"
	"stockade/protocol/topic"
)

// languageOf finds the language that the user's system speaks: Chinese unless it says English.
func languageOf(getenv func(string) string) string {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if v := getenv(name); v != "" {
			if strings.HasPrefix(v, "en") {
				return "en"
			}
			return ""
		}
	}
	return ""
}

func (c *command) setLang(lang string) {
	if lang == "zh" || lang == "en" {
		c.lang = lang
	}
}

// text chooses between the two languages.
func (c *command) text(zh, en string) string {
	if c.lang == "en" {
		return en
	}
	return zh
}

// say prints in the user's language.
func (c *command) say(zh, en string, args ...any) {
	_, _ = fmt.Fprintf(c.out, c.text(zh, en), args...)
}

// usageError is a mistake in the command line.
type usageError struct{ zh, en string }

func (u *usageError) Error() string { return u.en }

// hint is what the user can do about a condition.
type hint struct {
	is     error
	zh, en string
}

func hints() []hint {
	return []hint{
		{keyring.ErrNoHub, "这里还没有总部。请先运行 hub init。", "there is no hub here yet. Run hub init first."},
		{keyring.ErrIsHub, "这里已经有总部，什么都没有改变。", "there is a hub here already; nothing was changed."},
		{keyring.ErrRoot, "这不是公司的根密钥。请取出 hub init 时写下的那个文件。", "this is not the company's root key. Fetch the file that hub init wrote."},
		{vault.ErrKeyMissing, "找不到存储密钥文件。请放回原处；没有它任何人都无法打开数据。", "the store's key file is missing. Put it back: nothing opens the data without it."},
		{vault.ErrKeyExposed, "密钥文件可被他人读取，或放在了数据文件夹里。", "the key file can be read by others, or lies inside the data folder."},
		{vault.ErrWrongKey, "密钥与数据不符，或第一页已损坏。数据没有改变。", "the key does not fit the store, or its first page is damaged. Nothing was changed."},
		{vault.ErrDamaged, "数据文件已损坏。请从备份恢复，然后运行 hub log reopen。", "the store is damaged. Restore a backup, then run hub log reopen."},
		{vault.ErrFull, "磁盘已满。请腾出空间后重试。", "the disk is full. Make room and try again."},
		{errServing, "总部服务已在运行。请先停止它。", "the hub is running. Stop it first."},
		{errNotServing, "总部服务未运行，端口也没有固定，无法生成注册码。请先运行 hub serve，或在配置里固定端口。", "the hub is not running and its port is not fixed. Run hub serve first, or fix the port in the configuration."},
		{fleet.ErrReplace, "已有同名节点。如果原来的存储卡已丢失，请加 --replace。", "a node of that name exists. If its card was lost, add --replace."},
		{fleet.ErrReason, "请用 --reason 说明理由，它会永久写入日志。", "give the reason with --reason; it stands in the log for ever."},
		{identity.ErrNobody, "没有这个账号。", "there is no such account."},
		{store.ErrDecided, "已经有人作出决定。", "somebody has decided already."},
		{store.ErrCode, "条码已属于另一个商品。", "the barcode belongs to another item already."},
		{store.ErrLabelChanged, "别人刚刚保存过这个模板，没有覆盖。请重新打开后再改。", "somebody else has written the template meanwhile; nothing was overwritten. Open it again."},
		{store.ErrLabels, "标签模板太多，没有保存。请修改现有的模板。", "there are too many label templates; nothing was stored. Change one that there is."},
		{attachments.ErrDamaged, "文件损坏或缺失。", "the file is damaged or missing."},
		{attachments.ErrUnlogged, "登记与审计日志不符。", "the row says something else than the audit log."},
		{store.ErrNotFound, "没有找到。", "not found."},
		{topic.ErrName, "名称只能由小写字母、数字和 - 组成，最多 40 个字符。", "names have a-z, 0-9 and -, at most 40 characters."},
		{fs.ErrExist, "文件或文件夹已存在，没有覆盖。", "the file or folder exists already and was not overwritten."},
		{fs.ErrNotExist, "找不到文件。", "a file was not found."},
	}
}

// explain turns an error into what the user reads: what to do, then the cause.
func (c *command) explain(err error) string {
	var u *usageError
	if errors.As(err, &u) {
		return c.text(u.zh, u.en)
	}
	var p *label.Problem
	if errors.As(err, &p) {
		return c.sentence(p)
	}
	for _, h := range hints() {
		if errors.Is(err, h.is) {
			return fmt.Sprintf("%s (%v)", c.text(h.zh, h.en), err)
		}
	}
	return err.Error()
}

// sentence says what is wrong with a label template, and with which part of it.
func (c *command) sentence(p *label.Problem) string {
	texts, err := web.LoadTexts()
	if err != nil {
		return p.Error()
	}
	lang := web.Lang(c.text(string(web.Chinese), string(web.English)))
	s := texts.Sentence(lang, p.Key, p.Args)
	if n := p.Args["element"]; n != "" {
		s = texts.Text(lang, "label.in_element", map[string]string{"element": n, "problem": s})
	}
	return s
}

package main

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/pki"
	"stockade/internal/vault"
	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/topic"
)

// initHub makes the hub. It makes the root key too, unless the company has one already.
func (c *command) initHub(ctx context.Context, args []string) error {
	rootFile := c.flags.String("root-key", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	cfg, err := c.load()
	if err != nil {
		return err
	}
	if *rootFile == "" {
		return &usageError{zh: "请用 --root-key FILE 指定根密钥文件的位置，最好直接写到移动介质上。", en: "say with --root-key FILE where to write the root key, best on a medium that leaves the machine."}
	}
	if err := os.MkdirAll(cfg.DataDir, 0o700); err != nil {
		return err
	}
	key, err := vault.LoadOrCreateKeyFile(cfg.KeyFile, cfg.DataDir)
	if err != nil {
		return err
	}
	h, err := openVault(ctx, cfg, key)
	if err != nil {
		return err
	}
	return errors.Join(c.makeHub(ctx, h, *rootFile), h.close())
}

func (c *command) makeHub(ctx context.Context, h *hub, rootFile string) error {
	err := h.store.View(ctx, func(v *store.View) error { _, err := keyring.Load(v); return err })
	if err == nil {
		return keyring.ErrIsHub
	}
	if !errors.Is(err, keyring.ErrNoHub) {
		return err
	}
	root, err := loadOrCreateRoot(rootFile)
	if err != nil {
		return err
	}
	err = h.store.Update(ctx, time.Now(), func(tx *store.Tx) error {
		ring, err := keyring.Make(tx, topic.Org(h.cfg.Org), root)
		if err != nil {
			return err
		}
		h.recorder.Ring = ring
		return h.recorder.Record(tx, h.who, change.Entry{Act: "hub.init", Object: h.cfg.Org})
	})
	if err != nil {
		return err
	}
	c.say("总部 %s 已建立。\n数据：%s\n存储密钥：%s（请另行备份；没有它数据无法打开）\n根密钥：%s\n请立即把根密钥移到本机之外的安全处；只有更换工作密钥或重新开启审计日志时才需要它。\n",
		"hub %s was made.\ndata: %s\nstore key: %s (back it up apart from the data: nothing opens them without it)\nroot key: %s\nMove the root key off this machine now, to a safe place. It is needed again only to change working keys or to open the log anew.\n",
		h.cfg.Org, h.cfg.DataDir, h.cfg.KeyFile, rootFile)
	return nil
}

func loadOrCreateRoot(path string) (crypto.Signer, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	if err := pki.WriteKey(path, key); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("write root key: %w", err)
	}
	return readRoot(path)
}

func readRoot(path string) (crypto.Signer, error) {
	root, err := pki.ReadKey(path)
	if err != nil {
		return nil, fmt.Errorf("read root key: %w", err)
	}
	if _, ok := root.(ed25519.PrivateKey); !ok {
		return nil, fmt.Errorf("read root key %s: want an Ed25519 key", path)
	}
	return root, nil
}

// logReopen begins another log after an older copy of the store was restored.
func (c *command) logReopen(ctx context.Context, args []string) error {
	rootFile := c.flags.String("root-key", "", "")
	reason := c.flags.String("reason", "", "")
	oldHead := c.flags.String("old-head", "", "")
	if err := c.parse(args); err != nil {
		return err
	}
	if err := c.want(); err != nil {
		return err
	}
	if *rootFile == "" || *reason == "" {
		return &usageError{zh: "需要 --root-key FILE 和 --reason TEXT。", en: "--root-key FILE and --reason TEXT are needed."}
	}
	root, err := readRoot(*rootFile)
	if err != nil {
		return err
	}
	return c.do(ctx, func(h *hub) error {
		var note []byte
		if *oldHead != "" {
			if note, err = os.ReadFile(*oldHead); err != nil {
				return err
			}
		}
		var epoch uint64
		err := h.store.Update(ctx, time.Now(), func(tx *store.Tx) error {
			old, err := oldHeadOf(tx, h.ring, note)
			if err != nil {
				return err
			}
			epoch = old.Epoch + 1
			if err := h.ring.Open(tx, root, delivery.Opening{Epoch: epoch, Old: old, Reason: *reason}); err != nil {
				return err
			}
			nodes, err := tx.Nodes()
			if err != nil {
				return err
			}
			for _, n := range nodes { // they have stopped asking
				if err := tx.Notify(store.NoticeDecided, string(n.State.Node)); err != nil {
					return err
				}
			}
			return h.recorder.Record(tx, h.who, change.Entry{Act: "log.reopened", Object: fmt.Sprint(epoch), Detail: map[string]string{
				"reason": *reason, "old_epoch": fmt.Sprint(old.Epoch), "old_size": fmt.Sprint(old.Size), "old_root": old.Root.String()}})
		})
		if err == nil {
			c.say("已开启第 %d 份审计日志。节点会重新发送总部缺少的批次。\n", "log %d is open. Nodes send again what the hub lacks.\n", epoch)
		}
		return err
	})
}

// oldHeadOf returns the highest head of the log so far that is known: our own, one that a
// node has co-signed, or the one on the checkpoint file that was given.
func oldHeadOf(tx *store.Tx, ring *keyring.Ring, note []byte) (delivery.LogPlace, error) {
	tree, err := tx.Log().Head()
	if err != nil {
		return delivery.LogPlace{}, err
	}
	old := delivery.LogPlace{Epoch: tx.LogEpoch(), Size: tree.N, Root: change.Hash(tree.Hash)}
	if note == nil {
		return old, nil
	}
	keys, err := delivery.OpenKeys(ring.Root, string(ring.Org), ring.Keys)
	if err != nil {
		return delivery.LogPlace{}, err
	}
	for epoch := old.Epoch + 8; epoch >= old.Epoch; epoch-- { // the copy may be older than a log that was opened since
		head, err := audit.OpenCheckpoint(note, audit.Origin(string(ring.Org), epoch), keys.Log)
		if err != nil {
			continue
		}
		if epoch > old.Epoch || head.Tree.N > old.Size {
			old = delivery.LogPlace{Epoch: epoch, Size: head.Tree.N, Root: change.Hash(head.Tree.Hash)}
		}
		return old, nil
	}
	return delivery.LogPlace{}, errors.New("read old head: this is not a checkpoint of this hub's log")
}

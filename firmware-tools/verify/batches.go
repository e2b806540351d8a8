package verify

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/stock"
)

func parseKey(text []byte) (ed25519.PublicKey, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) != 0 {
		return nil, errors.New("not one PEM public key")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	if !bytes.Equal(pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes}), text) {
		return nil, errors.New("not the usual form of a PEM public key")
	}
	return key, nil
}

// batches checks every batch leaf in order: header, signature, chain and body.
func (c *checker) batches() error {
	files, err := c.f.leafFiles("batches")
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := c.leaf(f.leaf, audit.LeafBatch); err != nil || (f.rest != "cose" && f.rest != "body") {
			return fmt.Errorf("%s: belongs to no batch of the log", f.name)
		}
	}
	for i, l := range c.log.Leaves {
		if l.Kind != audit.LeafBatch {
			continue
		}
		if err := c.ctx.Err(); err != nil {
			return err
		}
		if err := c.batch(int64(i), l); err != nil {
			return fmt.Errorf("batch of leaf %d: %w", i, err)
		}
		c.report.Batches++
	}
	c.report.Chains = int64(len(c.chains))
	return nil
}

func (c *checker) batch(leaf int64, l audit.Leaf) error {
	name := path.Join("batches", fmt.Sprintf("%0*d", leafDigits, leaf))
	signed, err := c.f.read(name+".cose", maxSmall)
	if err != nil {
		return err
	}
	b := change.Batch{Signed: signed}
	h, hash, err := b.Claim()
	if err != nil {
		return err
	}
	if hash != l.Hash || h.Org != c.report.Org {
		return errors.New("another header was logged")
	}
	if err := c.signed(leaf, h, signed); err != nil {
		return err
	}
	if err := c.follow(h, hash); err != nil {
		return err
	}
	b.Body, err = c.f.read(name+".body", maxSmall)
	if missing(err) {
		c.report.Erased++
		return nil
	}
	if err != nil {
		return err
	}
	return c.body(b, h)
}

// signed checks that a key of the node which was logged before the batch has signed it.
func (c *checker) signed(leaf int64, h change.Header, signed []byte) error {
	err := fmt.Errorf("node %s has no key in the log before it", h.Node)
	for _, k := range c.keys[h.Node] {
		if k.leaf > leaf {
			continue
		}
		if _, err = change.Verify(k.key, change.TypeBatch, signed); err == nil {
			return nil
		}
	}
	return err
}

// follow checks that the batch is the next of its chain, or that a person has let it in beside it.
func (c *checker) follow(h change.Header, hash change.Hash) error {
	s := stock.Stream{Node: h.Node, Epoch: h.Epoch}
	at := c.chains[s]
	if at == nil {
		at = &chain{}
	}
	if h.Seq == at.seq+1 && h.Prev == at.hash {
		at.seq, at.hash = h.Seq, hash
		c.chains[s] = at
		return nil
	}
	if c.accepted[hash.String()] {
		c.report.Decided++
		return nil
	}
	return fmt.Errorf("%s epoch %d has batch %d after batch %d: not the next in its chain, and no decision about it is shown", h.Node, h.Epoch, h.Seq, at.seq)
}

func (c *checker) body(b change.Batch, h change.Header) error {
	if sha256.Sum256(b.Body) != h.Body {
		return errors.New("the body is not the one that was signed")
	}
	contents, err := b.Unpack(h)
	if err != nil {
		c.report.Unread++ // the node signed something unreadable; the hub has parked it
		return nil
	}
	c.report.Changes += int64(len(contents.Changes))
	return nil
}

// witnesses checks what nodes have co-signed: beside the checkpoint, and heads before it.
func (c *checker) witnesses() error {
	_, signatures, _ := strings.Cut(string(c.note), "\n\n")
	seen := map[stock.NodeID]bool{}
	for line := range strings.Lines(signatures) {
		name, ok := strings.CutPrefix(line, "— ")
		if name, _, ok = cutName(name, ok); !ok || name == c.origin {
			continue
		}
		if err := c.witness(stock.NodeID(name), c.note, seen); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
	}
	d, err := c.f.root.Open("cosignatures")
	if missing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := d.Readdirnames(-1)
	if err := errors.Join(err, d.Close()); err != nil {
		return err
	}
	for _, name := range names {
		note, err := c.f.read(path.Join("cosignatures", name), maxSmall)
		if err == nil {
			err = c.witness(stock.NodeID(name), note, seen)
		}
		if err != nil {
			return fmt.Errorf("cosignatures/%s: %w", clip(name), err)
		}
	}
	return nil
}

func cutName(line string, ok bool) (string, string, bool) {
	name, rest, found := strings.Cut(line, " ")
	return name, rest, ok && found
}

// witness checks one node's co-signature of a head of this log.
func (c *checker) witness(node stock.NodeID, note []byte, seen map[stock.NodeID]bool) error {
	if _, err := audit.OpenCheckpoint(note, c.origin, c.logKey); err != nil {
		return err
	}
	err := fmt.Errorf("%s has no key in the log", clip(string(node)))
	var head audit.Checkpoint
	for _, k := range c.keys[node] {
		if head, _, err = audit.CheckCosignature(note, string(node), k.key); err == nil {
			break
		}
	}
	if err != nil {
		return err
	}
	if err := c.had(head.Tree); err != nil {
		return fmt.Errorf("head co-signed by %s %w", node, err)
	}
	if !seen[node] {
		seen[node] = true
		c.report.Witnesses++
	}
	c.report.Witnessed = max(c.report.Witnessed, head.Tree.N)
	return nil
}

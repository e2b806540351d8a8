package verify

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"crypto/ed25519"

	"golang.org/x/mod/sumdb/tlog"

	"stockade/protocol/audit"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/stock"
)

// Report says what was looked at. Without an error everything in it was found in order.
type Report struct {
	Trusted   bool   `json:"trusted"` // checked against keys given from outside
	Org       string `json:"org"`
	LogEpoch  uint64 `json:"log_epoch"`
	Leaves    int64  `json:"leaves"`
	Root      string `json:"root"` // root hash of the signed head, base64
	Keys      int64  `json:"keys"`
	Batches   int64  `json:"batches"`
	Changes   int64  `json:"changes"`    // in bodies that are here
	Erased    int64  `json:"erased"`     // batches whose body is not here
	Unread    int64  `json:"unreadable"` // batches whose body is the signed one but can not be unpacked
	Decided   int64  `json:"decided"`    // batches outside their node's chain that a person has accepted
	Chains    int64  `json:"chains"`     // of a node and epoch, each without a gap
	Entries   int64  `json:"entries"`
	Hidden    int64  `json:"hidden"`    // entries of the hub whose content is not here
	Witnesses int64  `json:"witnesses"` // nodes that have co-signed a head of this log
	Witnessed int64  `json:"witnessed"` // leaves under the largest co-signed head
}

// ErrFalse is returned for an export that does not hold.
var ErrFalse = errors.New("the export does not hold")

// Export checks the export in a folder. Without trust it can only say whether the export fits
// together: anybody could have made it.
func Export(ctx context.Context, dir string, trust *Trust) (Report, error) {
	f, err := openFolder(dir)
	if err != nil {
		return Report{}, err
	}
	c := &checker{ctx: ctx, f: f, trust: trust, keys: map[stock.NodeID][]nodeKey{}, accepted: map[string]bool{}, chains: map[stock.Stream]*chain{}}
	c.report.Trusted = trust != nil
	for _, step := range []func() error{c.leaves, c.head, c.opening, c.nodeKeys, c.entries, c.batches, c.witnesses} {
		if err = step(); err != nil {
			break
		}
		if err = ctx.Err(); err != nil {
			return c.report, errors.Join(err, f.close())
		}
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrFalse, err)
	}
	return c.report, errors.Join(err, f.close())
}

type checker struct {
	ctx    context.Context
	f      folder
	trust  *Trust
	report Report

	log      audit.Memory
	note     []byte
	origin   string
	logKey   ed25519.PublicKey
	keys     map[stock.NodeID][]nodeKey
	accepted map[string]bool // header hashes of batches that a person has accepted
	chains   map[stock.Stream]*chain
}

// nodeKey is a key that a node has from a leaf on.
type nodeKey struct {
	leaf int64
	key  ed25519.PublicKey
}

// chain is how far the batches of a node's epoch were followed.
type chain struct {
	seq  uint64
	hash change.Hash
}

// leaves reads the leaves and builds the tree from nothing but them.
func (c *checker) leaves() error {
	b, err := c.f.read("leaves", maxLeaves)
	if err != nil {
		return err
	}
	log := audit.Log{Store: &c.log}
	for line := range strings.Lines(string(b)) {
		l, err := parseLeafLine(line)
		if err == nil {
			_, err = log.Append(l)
		}
		if err != nil {
			return fmt.Errorf("leaves, line %d: %w", c.report.Leaves+1, err)
		}
		c.report.Leaves++
	}
	return nil
}

func parseLeafLine(line string) (audit.Leaf, error) {
	text, ok := strings.CutSuffix(line, "\n")
	if !ok {
		return audit.Leaf{}, errors.New("no line end")
	}
	record, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return audit.Leaf{}, err
	}
	return audit.ParseLeaf(record)
}

// head checks the signature of the checkpoint and that the leaves lead to it.
func (c *checker) head() error {
	note, err := c.f.read("checkpoint", maxSmall)
	if err != nil {
		return err
	}
	vkey, err := c.f.read("vkey", maxSmall)
	if err != nil {
		return err
	}
	origin, key, err := audit.ParseVKey(strings.TrimSuffix(string(vkey), "\n"))
	if err != nil {
		return err
	}
	if audit.VKey(origin, key)+"\n" != string(vkey) {
		return errors.New("vkey is not in its usual form")
	}
	if c.trust != nil {
		trusted, ok := c.trust.Logs[origin]
		if !ok || !trusted.Equal(key) {
			return fmt.Errorf("%s is signed with a key that the trust file does not name", clip(origin))
		}
	}
	head, err := audit.OpenCheckpoint(note, origin, key)
	if err != nil {
		return err
	}
	if c.report.Org, c.report.LogEpoch, err = parseOrigin(origin); err != nil {
		return err
	}
	tree, err := audit.Log{Store: &c.log}.Head()
	if err != nil {
		return err
	}
	if tree != head.Tree {
		return fmt.Errorf("the %d leaves do not lead to the signed head of %d leaves", tree.N, head.Tree.N)
	}
	c.note, c.origin, c.logKey, c.report.Root = note, origin, key, base64.StdEncoding.EncodeToString(head.Tree.Hash[:])
	return nil
}

// opening checks leaf 0: the statement by which the company's root key began this log, and
// the root key's word about the key that signs it.
func (c *checker) opening() error {
	signed, err := c.f.read("opening", maxSmall)
	if err != nil {
		return err
	}
	if len(c.log.Leaves) == 0 || c.log.Leaves[0] != delivery.OpeningLeaf(signed) {
		return errors.New("the first leaf is not the opening of the log")
	}
	list, err := c.f.read("keylist", maxSmall)
	if err != nil {
		return err
	}
	if c.trust == nil {
		return nil // nobody to ask about the root key
	}
	o, err := delivery.ReadOpening(c.trust.Root, c.report.Org, signed)
	if err != nil {
		return err
	}
	if o.Epoch != c.report.LogEpoch {
		return fmt.Errorf("the opening is of log %d, this is log %d", o.Epoch, c.report.LogEpoch)
	}
	keys, err := delivery.OpenKeys(c.trust.Root, c.report.Org, list)
	if err != nil {
		return err
	}
	if !c.logKey.Equal(ed25519.PublicKey(keys.Log)) {
		return errors.New("the root key's list names another key for the log")
	}
	return nil
}

func (c *checker) leaf(i int64, kind audit.LeafKind) (audit.Leaf, error) {
	if i >= int64(len(c.log.Leaves)) || c.log.Leaves[i].Kind != kind {
		return audit.Leaf{}, fmt.Errorf("leaf %d is not of that kind", i)
	}
	return c.log.Leaves[i], nil
}

// count returns how many leaves of a kind there are.
func (c *checker) count(kind audit.LeafKind) int64 {
	n := int64(0)
	for _, l := range c.log.Leaves {
		if l.Kind == kind {
			n++
		}
	}
	return n
}

// nodeKeys checks the nodes' keys against their leaves; none may be missing.
func (c *checker) nodeKeys() error {
	files, err := c.f.leafFiles("keys")
	if err != nil {
		return err
	}
	for _, f := range files {
		node, key, err := c.nodeKey(f)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		c.keys[node] = append(c.keys[node], nodeKey{f.leaf, key})
		c.report.Keys++
	}
	if want := c.count(audit.LeafNodeKey); c.report.Keys != want {
		return fmt.Errorf("%d node keys, the log has %d", c.report.Keys, want)
	}
	return nil
}

func (c *checker) nodeKey(f leafFile) (stock.NodeID, ed25519.PublicKey, error) {
	name, ok := strings.CutSuffix(f.rest, ".pem")
	if !ok || !stock.NodeID(name).Valid() {
		return "", nil, errors.New("want LEAF.NODE.pem")
	}
	text, err := c.f.read(f.name, maxSmall)
	if err != nil {
		return "", nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return "", nil, err
	}
	l, err := c.leaf(f.leaf, audit.LeafNodeKey)
	if err != nil {
		return "", nil, err
	}
	if audit.KeyHash(name, key) != l.Hash {
		return "", nil, errors.New("another key, or of another node, was logged")
	}
	return stock.NodeID(name), key, nil
}

// entries checks the hub's own entries against their salted hashes. Those that are missing may have
// been erased; the log can not tell.
func (c *checker) entries() error {
	files, err := c.f.leafFiles("entries")
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := c.entry(f); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		c.report.Entries++
	}
	c.report.Hidden = c.count(audit.LeafEntry) - c.report.Entries
	return nil
}

func (c *checker) entry(f leafFile) error {
	if f.rest != "cbor" {
		return errors.New("want LEAF.cbor")
	}
	b, err := c.f.read(f.name, maxSmall)
	if err != nil {
		return err
	}
	e, err := parseEntry(b)
	if err != nil {
		return err
	}
	l, err := c.leaf(f.leaf, audit.LeafEntry)
	if err != nil {
		return err
	}
	if change.SaltedHash(e.Salt, e.Entry) != l.Hash {
		return errors.New("another entry was logged")
	}
	decoded, err := change.Decode(e.Entry)
	if err != nil {
		return nil //nolint:nilerr // of a newer version: its hash is right, which is all that counts here
	}
	if said, err := decoded.Entry(); err == nil && said.Act == "held.accepted" && said.Outcome == "ok" {
		c.accepted[said.Object] = true
	}
	return nil
}

// had reports whether the log had a head on its way.
func (c *checker) had(t tlog.Tree) error {
	if t.N > c.report.Leaves {
		return fmt.Errorf("of %d leaves, the log has %d", t.N, c.report.Leaves)
	}
	want, err := audit.Log{Store: &c.log}.HeadAt(t.N)
	if err != nil {
		return err
	}
	if want.Hash != t.Hash {
		return fmt.Errorf("of %d leaves is not a head of this log", t.N)
	}
	return nil
}

// missing reports whether an error says that a file is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

package rig

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stockade/protocol/change"
	"stockade/protocol/stock"
)

// ExportLeaves counts the leaves of an exported audit log.
func ExportLeaves(dir string) (int64, error) {
	b, err := os.ReadFile(filepath.Join(dir, "leaves")) // #nosec G304 -- a folder of the test's own
	return int64(bytes.Count(b, []byte("\n"))), err
}

// ExportChanges calls fn for every change in an exported audit log, under the name that its
// batch gives it. Changes of a form that is not known are left out.
func ExportChanges(dir string, fn func(id string, c change.Change)) error {
	signed, err := filepath.Glob(filepath.Join(dir, "batches", "*.cose"))
	if err != nil {
		return err
	}
	for _, name := range signed {
		var b change.Batch
		var err1, err2 error
		b.Signed, err1 = os.ReadFile(name)                                // #nosec G304 -- found above
		b.Body, err2 = os.ReadFile(name[:len(name)-len("cose")] + "body") // #nosec G304 -- beside it
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		h, _, err := b.Claim()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		contents, err := b.Unpack(h)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		for i, raw := range contents.Changes {
			id := stock.ID{Node: h.Node, Epoch: h.Epoch, Number: h.First + uint64(i)} // #nosec G115 -- an index
			if c, err := change.Decode(raw); err == nil {
				fn(id.String(), c)
			}
		}
	}
	return nil
}

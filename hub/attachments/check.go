package attachments

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"stockade/hub/store"
	"stockade/protocol/change"
)

// Start makes the folder and takes away what a crash has left in it: files that were half written, and those whose row was never committed or whose key
// is destroyed. Nobody else may add files meanwhile.
func (s *Service) Start(ctx context.Context) (swept int, err error) {
	if err := s.dir().open(); err != nil {
		return 0, err
	}
	known := map[string]bool{}
	err = s.Store.View(ctx, func(v *store.View) error {
		return v.AllAttachments(func(a store.Attachment) error { known[a.ID] = true; return nil })
	})
	if err != nil {
		return 0, err
	}
	names, err := s.dir().strays(known)
	for _, n := range names {
		err = errors.Join(err, os.Remove(filepath.Join(s.Dir, n)))
	}
	return len(names), err
}

// Finding is a file that is not as it should be.
type Finding struct {
	store.Attachment
	Problem error
}

// Findings is what Check has seen.
type Findings struct {
	Files, Deleted int64
	Bytes          int64
	Strays         []string // files of the folder that belong to no row: from a crash, swept when the server starts
	Bad            []Finding
}

// ErrUnlogged says that a row and the audit log differ.
var ErrUnlogged = errors.New("the audit log says something else")

// Check reads every file to its end and compares contents, row and the entry in the audit log with each other: all of them must have the
// same hash. What the log has as added and not as destroyed must be there.
func (s *Service) Check(ctx context.Context) (f Findings, err error) {
	type logged struct {
		hash          string
		deleted, seen bool
	}
	log := map[string]*logged{}
	var rows []store.Attachment
	keys := map[string]string{}
	err = s.Store.View(ctx, func(v *store.View) error {
		entries, err := v.Entries(0)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if len(e.Entry) == 0 {
				continue // erased
			}
			c, err := change.Decode(e.Entry)
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Leaf, err)
			}
			said, err := c.Entry()
			if err != nil {
				return fmt.Errorf("entry %d: %w", e.Leaf, err)
			}
			switch said.Act {
			case ActAdded:
				log[said.Object] = &logged{hash: said.Detail["sha256"]}
			case ActDeleted:
				if l := log[said.Object]; l != nil {
					l.deleted = true
				}
			}
		}
		return v.Attachments(store.AttachmentFilter{In: store.Everywhere()}, func(a store.Attachment) error {
			rows = append(rows, a)
			if a.Deleted() {
				return nil
			}
			secret, err := v.AttachmentKey(a.ID)
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				return err
			}
			keys[a.ID] = string(secret)
			return nil
		})
	})
	if err != nil {
		return f, err
	}
	known := map[string]bool{}
	for _, a := range rows {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		l := log[a.ID]
		switch {
		case l == nil || l.hash != a.Hash.String() || l.deleted != a.Deleted():
			err = ErrUnlogged
		case a.Deleted():
			err = nil
		default:
			err = s.dir().verify(a.ID, keys[a.ID], a.Size, a.Hash)
		}
		if l != nil {
			l.seen = true
		}
		if err != nil {
			f.Bad = append(f.Bad, Finding{a, err})
		}
		if a.Deleted() {
			f.Deleted++
			continue
		}
		known[a.ID] = true
		f.Files++
		f.Bytes += a.Size
	}
	for id, l := range log {
		if !l.seen {
			f.Bad = append(f.Bad, Finding{store.Attachment{ID: id}, ErrUnlogged})
		}
	}
	f.Strays, err = s.dir().strays(known)
	return f, err
}

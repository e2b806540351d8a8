package simulate

import (
	"context"
	"slices"
	"sync"
)

// feed keeps the newest entries of a growing list and lets others wait for more.
type feed[T any] struct {
	limit int // entries kept, at least

	mu      sync.Mutex
	entries []T
	first   int           // position of entries[0] in the whole list
	more    chan struct{} // closed at the next add; nil while nobody waits
}

func (f *feed[T]) add(entries ...T) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = append(f.entries, entries...)
	if len(f.entries) > 2*f.limit { // seldom, so that adding stays cheap
		old := len(f.entries) - f.limit
		f.entries = slices.Clone(f.entries[old:])
		f.first += old
	}
	if f.more != nil {
		close(f.more)
		f.more = nil
	}
}

func (f *feed[T]) all() []T {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.entries)
}

// wait returns what lies at position from and behind it, and the position behind that, as soon as
// there is anything. Entries no longer kept are left out.
func (f *feed[T]) wait(ctx context.Context, from int) ([]T, int, error) {
	for {
		f.mu.Lock()
		next := f.first + len(f.entries)
		if from < next {
			entries := slices.Clone(f.entries[max(0, from-f.first):])
			f.mu.Unlock()
			return entries, next, nil
		}
		if f.more == nil {
			f.more = make(chan struct{})
		}
		more := f.more
		f.mu.Unlock()
		select {
		case <-more:
		case <-ctx.Done():
			return nil, from, ctx.Err()
		}
	}
}

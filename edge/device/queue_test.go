package device

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// memory is a queue as a store would keep it, without the store.
type memory struct {
	mu      sync.Mutex
	jobs    []Job             // not begun, in order
	state   map[string]string // of those that were begun
	last    Job               // begun last
	failing string            // act that fails
	wake    chan struct{}
	done    chan string // "id result"
}

var errDisk = errors.New("disk is full")

func newMemory() *memory {
	return &memory{state: map[string]string{}, wake: make(chan struct{}, 1), done: make(chan string, 10_000)}
}

func (m *memory) add(id, data string) {
	m.mu.Lock()
	m.jobs = append(m.jobs, Job{ID: id, Data: []byte(data)})
	m.mu.Unlock()
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

func (m *memory) cancel(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.jobs = slices.DeleteFunc(m.jobs, func(j Job) bool { return j.ID == id })
}

func (m *memory) fail(act string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failing = act
}

func (m *memory) waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.jobs)
}

func (m *memory) stateOf(id string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.state[id]
}

func (m *memory) act(name string, do func() error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failing == name {
		return errDisk
	}
	return do()
}

func (m *memory) Next(context.Context) (j *Job, err error) {
	err = m.act("next", func() error {
		if len(m.jobs) > 0 {
			first := m.jobs[0]
			j = &first
		}
		return nil
	})
	return j, err
}

func (m *memory) Begin(_ context.Context, id string) error {
	return m.act("begin", func() error {
		if len(m.jobs) == 0 || m.jobs[0].ID != id {
			return ErrWithdrawn
		}
		m.last, m.jobs = m.jobs[0], m.jobs[1:]
		m.state[id] = "sending"
		return nil
	})
}

func (m *memory) Sent(_ context.Context, id string) error {
	return m.act("sent", func() error {
		m.state[id] = "sent"
		return nil
	})
}

func (m *memory) End(_ context.Context, id string, r Result, why error) error {
	return m.act("end", func() error {
		if (r == Confirmed) != (why == nil) {
			return errors.New("a result with the wrong reason")
		}
		m.state[id] = string(r)
		m.done <- id + " " + string(r)
		return nil
	})
}

func (m *memory) Torn(context.Context) (n int, err error) {
	err = m.act("torn", func() error {
		if m.last.ID != "" && m.state[m.last.ID] != string(Confirmed) {
			n = len(m.last.Data)
		}
		return nil
	})
	return n, err
}

func (m *memory) Wake() <-chan struct{} { return m.wake }

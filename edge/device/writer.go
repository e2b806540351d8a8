package device

import (
	"context"
	"errors"
	"syscall"
	"time"
)

// ErrNotTaken says that a device took no byte for as long as its limit allows.
var ErrNotTaken = errors.New("device takes no bytes")

const (
	// pieceSize is how much is written at once: what a blocked write can still deliver later, when
	// its message was given up long ago.
	pieceSize = 256
	// lastWords is how long a message under way may go on when the program stops.
	lastWords = 3 * time.Second
	// closeLimit is how long a stopping program waits for a write under way. One that takes longer waits inside
	// the kernel, which holds the port for it: its descriptor can not be mistaken for another file's.
	closeLimit = time.Second
)

// writer is the writing side of an open port. A serial port has no deadline for writes, and nothing
// ends a write to a device that stopped reading but the device itself: so writes have a goroutine
// of their own, which is left behind when it is stuck. write and close are for one goroutine.
type writer struct {
	port  Port
	limit time.Duration // without a byte taken
	todo  chan []byte
	done  chan written
	ended chan struct{}
	stuck bool
}

type written struct {
	n   int
	err error
}

func startWriter(port Port, limit time.Duration) *writer {
	w := &writer{port: port, limit: limit, todo: make(chan []byte), done: make(chan written, 1), ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for piece := range w.todo {
			n, err := port.Write(piece)
			w.done <- written{n, err} // never blocks: nobody hands over a piece before taking this
		}
	}()
	return w
}

// write sends b. After ErrNotTaken nothing more is sent: the caller closes the port, or goes on
// without writing. b may not be changed afterwards.
func (w *writer) write(ctx context.Context, b []byte) error {
	timer := time.NewTimer(w.limit)
	defer timer.Stop()
	stop := ctx.Done()
	for len(b) > 0 {
		if w.stuck {
			return ErrNotTaken
		}
		w.todo <- b[:min(len(b), pieceSize)]
		for waiting := true; waiting; {
			select {
			case r := <-w.done:
				waiting = false
				b = b[r.n:]
				if r.err != nil && !errors.Is(r.err, syscall.EINTR) && !errors.Is(r.err, syscall.EAGAIN) {
					return r.err
				}
				if stop != nil && r.n > 0 {
					timer.Reset(w.limit)
				}
			case <-stop: // half a message is worse than a moment more
				stop = nil
				timer.Reset(min(w.limit, lastWords))
			case <-timer.C:
				w.stuck = true
				_ = w.port.ResetOutputBuffer() // closing would wait for these bytes
				return errors.Join(ErrNotTaken, ctx.Err())
			}
		}
	}
	return nil
}

// close ends the writing. The port may be closed afterwards. While ctx lasts it waits for a write that
// is stuck, until the device takes bytes again or goes away: a port is not opened anew over and over
// while each time a write stays behind.
func (w *writer) close(ctx context.Context) {
	close(w.todo)
	select {
	case <-w.ended:
		return
	case <-ctx.Done():
	}
	timer := time.NewTimer(closeLimit)
	defer timer.Stop()
	select {
	case <-w.ended:
	case <-timer.C:
	}
}

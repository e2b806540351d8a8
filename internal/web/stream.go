package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/identity"
)

// Stream is an open stream of server-sent events. It is used by one goroutine.
type Stream struct {
	w     *bufio.Writer
	conn  net.Conn
	write time.Duration
	alive func() error
	touch func() error

	// Beat ticks when it is time to call Live.
	Beat <-chan time.Time
}

// Stream answers with server-sent events until run returns, the client goes away or the
// server stops, which ends ctx. run must call Live whenever Beat ticks: it finds out that
// the client is gone or no longer signed in. What run uses of v it must copy before:
// Fiber takes v back when the handler returns.
func (v *Visit) Stream(run func(ctx context.Context, s *Stream) error) error {
	srv := v.server
	select {
	case srv.open <- struct{}{}:
	default:
		return Fail(fiber.StatusServiceUnavailable, "error.busy")
	}
	v.Set(fiber.HeaderContentType, "text/event-stream; charset=utf-8")
	who, req, alive := v.Person, v.Request, srv.aliveFor(v)
	conn, limit := v.Context().Conn(), srv.opt.Limits
	v.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer func() { <-srv.open }()
		defer func() {
			if e := recover(); e != nil {
				srv.log.Error("panic in an event stream", "request", req, "panic", fmt.Sprint(e), "stack", stack())
			}
		}()
		ctx, cancel := context.WithCancelCause(srv.ctx)
		defer cancel(nil)
		beat := time.NewTicker(limit.Beat)
		defer beat.Stop()
		s := &Stream{w: w, conn: conn, write: limit.Write, alive: alive, Beat: beat.C}
		s.touch = func() error {
			if who.Account == "" || srv.opt.Accounts == nil {
				return nil // an open station
			}
			return srv.opt.Accounts.Touch(ctx, who.Session)
		}
		if err := s.Live(); err != nil {
			return
		}
		if who.Account != "" && srv.opt.Accounts != nil {
			go srv.awaitEnd(ctx, cancel, alive)
		}
		if err := run(ctx, s); err != nil && ctx.Err() == nil {
			srv.log.Debug("event stream ended", "request", req, "cause", err)
		}
		if errors.Is(context.Cause(ctx), errEnded) {
			_ = s.end() // the client may be gone as well
		}
	})
	return nil
}

var errEnded = errors.New("the session has ended")

// aliveFor returns a function that finds out whether who asked is still signed in and may still do what was asked for. It
// goes by the session's name, since its token changes when a factor is given again.
func (s *Server) aliveFor(v *Visit) func() error {
	token, who, permission := v.sessionToken(), v.Person, v.permission
	return func() error {
		if token == "" {
			return nil // an open station
		}
		var p identity.Person
		var err error
		if s.opt.Accounts != nil {
			p, err = s.opt.Accounts.PersonOf(s.ctx, who.Session)
		} else {
			p, err = s.opt.People.Person(s.ctx, token, false)
		}
		p.Address = who.Address
		if err == nil && (p.Account != who.Account || p.Must != "" || !s.decide(p, permission).Allowed) {
			err = errEnded
		}
		return err
	}
}

// awaitEnd cancels the stream as soon as its session ends, without waiting for a beat.
func (s *Server) awaitEnd(ctx context.Context, cancel context.CancelCauseFunc, alive func() error) {
	for {
		ended := s.opt.Accounts.Ended()
		var changed <-chan struct{}
		if s.opt.Rights != nil {
			changed = s.opt.Rights.Changed()
		}
		if errors.Is(alive(), errEnded) {
			cancel(errEnded)
			return
		}
		select {
		case <-ended:
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

func (v *Visit) sessionToken() string {
	if v.Person.Account == "" {
		return ""
	}
	return v.token
}

// Send sends one event with data as JSON. An empty id sends none.
func (s *Stream) Send(event, id string, data any) error {
	b, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("event %s: %w", event, err)
	}
	var head strings.Builder
	fmt.Fprintf(&head, "event: %s\n", event)
	if id != "" {
		fmt.Fprintf(&head, "id: %s\n", id)
	}
	return s.flush(head.String() + "data: " + string(b) + "\n\n")
}

// Used says that the reader is at work though the browser asks nothing, such as with the scanner of the station that the page shows: that keeps the
// sign-in from idling out. Signs of life are no use.
func (s *Stream) Used() error { return s.touch() }

// Live sends a sign of life, and returns an error when nobody listens any more.
func (s *Stream) Live() error {
	if err := s.alive(); err != nil {
		_ = s.end()
		return err
	}
	return s.flush(": \n\n")
}

// end tells the client to ask no more.
func (s *Stream) end() error { return s.flush("event: end\ndata: {}\n\n") }

func (s *Stream) flush(text string) error {
	// The server's write limit is for a whole answer; a stream gets it anew for each event.
	if err := s.conn.SetWriteDeadline(time.Now().Add(s.write)); err != nil {
		return err
	}
	if _, err := s.w.WriteString(text); err != nil {
		return err
	}
	return s.w.Flush()
}

func stack() string {
	b := debug.Stack()
	return string(b[:min(len(b), 4<<10)])
}

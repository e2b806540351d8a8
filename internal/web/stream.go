package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
)

// Stream is an open stream of server-sent events. It is used by one goroutine.
type Stream struct {
	w     *bufio.Writer
	conn  net.Conn
	write time.Duration
	alive func() error

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
	token, who, req := v.sessionToken(), v.Person, v.Request
	alive := func() error {
		if token == "" {
			return nil // an open station
		}
		p, err := srv.opt.People.Person(srv.ctx, token, false)
		if err == nil && p.Account != who.Account {
			err = fmt.Errorf("session of %s has ended", who.Account)
		}
		return err
	}
	conn, limit := v.Context().Conn(), srv.opt.Limits
	v.Context().SetBodyStreamWriter(func(w *bufio.Writer) {
		defer func() { <-srv.open }()
		defer func() {
			if e := recover(); e != nil {
				srv.log.Error("panic in an event stream", "request", req, "panic", fmt.Sprint(e), "stack", stack())
			}
		}()
		ctx, cancel := context.WithCancel(srv.ctx)
		defer cancel()
		beat := time.NewTicker(limit.Beat)
		defer beat.Stop()
		s := &Stream{w: w, conn: conn, write: limit.Write, alive: alive, Beat: beat.C}
		if err := s.Live(); err != nil {
			return
		}
		if err := run(ctx, s); err != nil && ctx.Err() == nil {
			srv.log.Debug("event stream ended", "request", req, "cause", err)
		}
	})
	return nil
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

// Live sends a sign of life, and returns an error when nobody listens any more.
func (s *Stream) Live() error {
	if err := s.alive(); err != nil {
		_ = s.flush("event: end\ndata: {}\n\n")
		return err
	}
	return s.flush(": \n\n")
}

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

package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// serverLog passes on what the server says, one level lower than it says it, and catches
// why it did not start, which it tells nobody else.
type serverLog struct {
	out   *slog.Logger
	fatal chan error
}

func newServerLog(out *slog.Logger) *serverLog {
	return &serverLog{out: out.With("part", "broker"), fatal: make(chan error, 1)}
}

// Noticef, Warnf, Errorf, Fatalf, Debugf and Tracef are called by the server.
func (l *serverLog) Noticef(format string, v ...any) { l.out.Debug(text(format, v)) }

// Warnf includes the take-over of sessions.
func (l *serverLog) Warnf(format string, v ...any) { l.out.Info(text(format, v)) }

// Errorf includes the faults of single clients, which are no fault of the broker; of refused
// ones the guard has told already.
func (l *serverLog) Errorf(format string, v ...any) {
	s := text(format, v)
	switch {
	case strings.Contains(s, "authentication error"):
		l.out.Debug(s)
	case strings.Contains(s, " - mid:"):
		l.out.Info(s)
	default:
		l.out.Warn(s)
	}
}

// Fatalf means that the server did not start. It must not end the program.
func (l *serverLog) Fatalf(format string, v ...any) {
	err := errors.New(text(format, v))
	if strings.Contains(err.Error(), "JetStream") {
		err = fmt.Errorf("%w: %w", errStore, err)
	}
	select {
	case l.fatal <- err:
	default: // one is enough to give up
	}
}

// Debugf is off.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef is off: it would show payloads.
func (l *serverLog) Tracef(string, ...any) {}

func text(format string, v []any) string { return strings.TrimSpace(fmt.Sprintf(format, v...)) }

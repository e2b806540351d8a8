package device

import (
	"context"
	"time"
)

// printerLine asks a printer how it is.
type printerLine struct {
	port   Port
	writer *writer
	status *status
	times  times
	tongue tongue
	owed   bool // a question had no answer yet: it may come late
	detail bool // it was not ready when it was last asked: ask why
}

func (p *Printer) newLine(port Port) (*printerLine, error) {
	l := &printerLine{port: port, status: p.status, times: p.times, tongue: newTongue(p.config.Language)}
	if err := port.SetReadTimeout(l.times.quiet); err != nil {
		return nil, err
	}
	l.writer = startWriter(port, p.config.WriteLimit)
	return l, nil
}

func (l *printerLine) close(ctx context.Context) { l.writer.close(ctx) }

// ask asks for the state. A printer in trouble may give no answer at all: silence is Silent
// and never "ready". The error is that of a line that has ended.
//
// Answers carry no number. One that comes late must not be taken for the answer to this question, in
// which the label just sent is not counted yet: where one is owed, the last of several counts.
func (l *printerLine) ask(ctx context.Context, limit time.Duration) (report, error) {
	if err := l.flush(); err != nil {
		return report{}, err
	}
	if err := l.writer.write(ctx, l.tongue.question(l.detail)); err != nil {
		return report{}, err
	}
	var r report
	answered, whole, quiet, heard := false, false, false, false
	buf := make([]byte, 512)
	for end := time.Now().Add(limit); ctx.Err() == nil; {
		n, err := l.port.Read(buf)
		if err != nil {
			return report{}, err
		}
		if n > 0 {
			l.status.read(n)
			l.tongue.hear(buf[:n])
			heard = heard || audible(buf[:n])
		}
		r, answered, whole = l.tongue.report()
		quiet = n == 0
		if answered && (!l.owed && whole || quiet) || !time.Now().Before(end) {
			break
		}
	}
	if !answered {
		l.owed, l.detail = true, true
		if heard {
			return report{state: Nonsense}, ctx.Err()
		}
		return report{state: Silent}, ctx.Err()
	}
	l.owed, l.detail = l.owed && !quiet, r.state != Ready
	return r, nil
}

// flush throws away what came between the questions, unless it may be an answer that is waited for.
func (l *printerLine) flush() error {
	if e, ok := l.tongue.(*escposTongue); ok && e.inJob {
		return nil
	}
	return l.port.ResetInputBuffer()
}

// audible tells whether there is more in b than flow control and line noise.
func audible(b []byte) bool {
	for _, c := range b {
		if c != 0x11 && c != 0x13 && c != 0x00 && c != 0xFF {
			return true
		}
	}
	return false
}

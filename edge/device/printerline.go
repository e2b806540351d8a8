package device

import (
	"context"
	"time"
)

// printerLine asks a ZPL printer how it is.
type printerLine struct {
	port   Port
	writer *writer
	status *status
	times  times
	owed   bool // a question had no answer yet: it may come late
}

func (p *Printer) newLine(port Port) (*printerLine, error) {
	l := &printerLine{port: port, status: p.status, times: p.times}
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
func (l *printerLine) ask(ctx context.Context, limit time.Duration) (hostStatus, error) {
	if err := l.port.ResetInputBuffer(); err != nil {
		return hostStatus{}, err
	}
	if err := l.writer.write(ctx, []byte("~HS")); err != nil {
		return hostStatus{}, err
	}
	var got []byte
	var last hostStatus
	answered, quiet := false, false
	buf := make([]byte, 512)
	for end := time.Now().Add(limit); ctx.Err() == nil; {
		n, err := l.port.Read(buf)
		if err != nil {
			return hostStatus{}, err
		}
		if n > 0 {
			l.status.read(n)
		}
		got = append(got, buf[:n]...)
		for {
			h, rest, ok := parseHS(got)
			if got = rest; !ok {
				break
			}
			last, answered = h, true
		}
		quiet = n == 0
		if answered && (!l.owed || quiet) || !time.Now().Before(end) {
			break
		}
	}
	if !answered {
		l.owed = true
		return hostStatus{state: Silent}, ctx.Err()
	}
	l.owed = l.owed && !quiet
	return last, nil
}

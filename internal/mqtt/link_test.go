package mqtt_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"stockade/internal/mqtt"
)

func grant(p *peer) bool {
	sub, ok := until[*packets.SubscribePacket](p)
	if !ok {
		return false
	}
	answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
	answer.MessageID, answer.ReturnCodes = sub.MessageID, []byte{1}
	return answer.Write(p.conn) == nil
}

func runLink(t *testing.T, o mqtt.LinkOptions) (*mqtt.Link, <-chan error, context.CancelFunc) {
	t.Helper()
	l, err := mqtt.NewLink(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	stopped := make(chan struct{})
	go func() { ended <- l.Run(ctx); close(stopped) }()
	t.Cleanup(func() { cancel(); within(t, stopped, "end of Run") })
	return l, ended, cancel
}

// The first connection is dropped, once established, by a broker that lives on; the second
// stays. established is a LinkOptions.Changed.
func dropOnce(t *testing.T, connects chan<- time.Time) (s script, established func(error)) {
	t.Helper()
	first, up := make(chan struct{}, 1), make(chan struct{}, 10)
	first <- struct{}{}
	established = func(reason error) {
		if reason == nil {
			up <- struct{}{}
		}
	}
	return play(t, func(p *peer, _ *packets.ConnectPacket) {
		connects <- p.at
		p.accept(0)
		if !grant(p) {
			return
		}
		select {
		case <-first:
			select {
			case <-up:
			case <-time.After(patience):
			}
			return
		default:
		}
		p.publish(1, "down/sh-01", "hello")
		p.drain()
	}), established
}

func TestLinkEndsWhenDropped(t *testing.T) {
	s, established := dropOnce(t, make(chan time.Time, 10))
	l, ended, _ := runLink(t, mqtt.LinkOptions{Options: s.options(), Subscribe: []string{"down/sh-01"}, MinDelay: time.Millisecond, Changed: established})
	select {
	case err := <-ended:
		if !errors.Is(err, mqtt.ErrDropped) {
			t.Errorf("Run = %v, want ErrDropped", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on")
	}
	if l.Connected() {
		t.Error("Connected() = true after the end")
	}
	if err := l.Publish(soon(t), "a", nil); !errors.Is(err, mqtt.ErrOffline) {
		t.Errorf("Publish = %v, want ErrOffline", err)
	}
}

func TestLinkReturnsWhenAllowed(t *testing.T) {
	connects := make(chan time.Time, 10)
	s, established := dropOnce(t, connects)
	asked := make(chan struct{}, 1)
	var reasons []error
	l, ended, cancel := runLink(t, mqtt.LinkOptions{
		Options: s.options(), Subscribe: []string{"down/sh-01"}, MinDelay: time.Millisecond,
		Dropped: func(context.Context) error { asked <- struct{}{}; return nil },
		Changed: func(reason error) { reasons = append(reasons, reason); established(reason) },
	})
	select {
	case m := <-l.Messages():
		if string(m.Payload) != "hello" {
			t.Errorf("got %q, want hello", m.Payload)
		}
		m.Ack()
	case <-time.After(patience):
		t.Fatal("no message over the second connection")
	}
	if len(asked) != 1 {
		t.Errorf("Dropped was asked %d times, want once", len(asked))
	}
	if gap := (<-connects).Sub(<-connects).Abs(); gap < mqtt.TakeOverGap {
		t.Errorf("connected again after %s, want at least %s", gap, mqtt.TakeOverGap)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
	if len(reasons) != 3 || reasons[0] != nil || !errors.Is(reasons[1], mqtt.ErrDropped) || reasons[2] != nil {
		t.Errorf("changes %v, want connect, ErrDropped, connect", reasons)
	}
}

// A lease that is gone ends the link.
func TestLinkEndsWithoutLease(t *testing.T) {
	s, established := dropOnce(t, make(chan time.Time, 10))
	gone := errors.New("lease is gone")
	_, ended, _ := runLink(t, mqtt.LinkOptions{
		Options: s.options(), Subscribe: []string{"down/sh-01"}, MinDelay: time.Millisecond,
		Dropped: func(context.Context) error { return gone }, Changed: established,
	})
	select {
	case err := <-ended:
		if !errors.Is(err, gone) {
			t.Errorf("Run = %v, want the lease's error", err)
		}
	case <-time.After(patience):
		t.Fatal("Run goes on")
	}
}

// A broker that is away is no drop: the link tries again without asking.
func TestLinkOutlivesTheBroker(t *testing.T) {
	ready := make(chan struct{}, 1)
	s := play(t, func(p *peer, _ *packets.ConnectPacket) {
		p.accept(0)
		if grant(p) {
			ready <- struct{}{}
			p.drain()
		}
	})
	failed := make(chan error, 100)
	runLink(t, mqtt.LinkOptions{
		Options: s.options(), Subscribe: []string{"down/sh-01"}, MinDelay: time.Millisecond, MaxDelay: 2 * time.Millisecond,
		Dropped: func(context.Context) error { t.Error("asked about a drop"); return nil },
		Changed: func(reason error) {
			if reason != nil {
				select {
				case failed <- reason:
				default:
				}
			}
		},
	})
	within(t, ready, "first connection")
	s.stop()
	for range 3 { // the end of the connection and two vain attempts
		select {
		case err := <-failed:
			if errors.Is(err, mqtt.ErrDropped) {
				t.Errorf("%v, want no drop", err)
			}
		case <-time.After(patience):
			t.Fatal("the link stopped trying")
		}
	}
}

// A line that comes and goes is tried again soon, however often it was in vain before.
func TestLinkForgetsOldFailures(t *testing.T) {
	const vain = 7
	connects := make(chan time.Time, vain+2)
	calls := 0
	ended := time.Time{}
	s := play(t, func(p *peer, _ *packets.ConnectPacket) {
		connects <- p.at
		if calls++; calls <= vain {
			p.accept(3) // server unavailable
			return
		}
		p.accept(0)
		if !grant(p) || calls > vain+1 {
			return
		}
		time.Sleep(1200 * time.Millisecond) // it works for a while
		ended = time.Now()
		_, _ = p.conn.Write([]byte{0xff, 0xff, 0xff, 0xff, 0xff}) // nonsense: the client hangs up
		p.drain()
	})
	runLink(t, mqtt.LinkOptions{Options: s.options(), Subscribe: []string{"down/sh-01"}, MinDelay: 20 * time.Millisecond, Dropped: func(context.Context) error { return nil }})
	var last time.Time
	for range vain + 2 {
		select {
		case last = <-connects:
		case <-time.After(patience):
			t.Fatal("the link stopped trying")
		}
	}
	if wait := last.Sub(ended); wait > time.Second { // 20 ms doubled seven times, less half, is more
		t.Errorf("tried again after %s", wait)
	}
}

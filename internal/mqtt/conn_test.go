package mqtt_test

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"stockade/internal/mqtt"
	"stockade/protocol/topic"
)

func TestOptionsAreChecked(t *testing.T) {
	s := play(t, func(p *peer, _ *packets.ConnectPacket) { p.accept(0) })
	for name, change := range map[string]func(*mqtt.Options){
		"plain TCP":    func(o *mqtt.Options) { o.URL = strings.Replace(o.URL, "mqtts", "tcp", 1) },
		"no port":      func(o *mqtt.Options) { o.URL = "mqtts://127.0.0.1" },
		"no host":      func(o *mqtt.Options) { o.URL = "mqtts://:8883" },
		"no client id": func(o *mqtt.Options) { o.ClientID = "" },
		"no TLS":       func(o *mqtt.Options) { o.TLS = nil },
	} {
		o := s.options()
		change(&o)
		if c, err := mqtt.Dial(soon(t), o); err == nil {
			c.Close()
			t.Errorf("%s: connected", name)
		}
	}
}

func TestConnect(t *testing.T) {
	got := make(chan *packets.ConnectPacket, 1)
	s := play(t, func(p *peer, c *packets.ConnectPacket) {
		got <- c
		_, _ = p.conn.Write([]byte{packets.Connack << 4, 2, 1, 0}) // session present
		p.drain()
	})
	c := dial(t, s.options())
	if !c.Resumed() {
		t.Error("Resumed() = false, want true")
	}
	cp := <-got
	if cp.ProtocolVersion != 4 || cp.ClientIdentifier != "sh-01" || cp.CleanSession || cp.WillFlag || cp.UsernameFlag {
		t.Errorf("CONNECT %v, want MQTT 3.1.1, the client id, the session kept, neither will nor user", cp)
	}
}

// A refusal must not be answered by a second attempt with another protocol version.
func TestRefusedConnect(t *testing.T) {
	tries := make(chan byte, 10)
	s := play(t, func(p *peer, c *packets.ConnectPacket) {
		tries <- c.ProtocolVersion
		p.accept(packets.ErrRefusedNotAuthorised)
	})
	if c, err := mqtt.Dial(soon(t), s.options()); err == nil {
		c.Close()
		t.Fatal("connected")
	}
	if len(tries) != 1 {
		t.Errorf("%d attempts, want 1", len(tries))
	}
}

func TestSilentBroker(t *testing.T) {
	s := play(t, func(p *peer, _ *packets.ConnectPacket) { p.drain() })
	o := s.options()
	o.Limit = 50 * time.Millisecond
	if _, err := mqtt.Dial(t.Context(), o); !errors.Is(err, mqtt.ErrTimeout) {
		t.Errorf("Dial of a broker that never answers: %v, want ErrTimeout", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan struct{})
	s = play(t, func(p *peer, _ *packets.ConnectPacket) { close(started); p.drain() })
	go func() { <-started; cancel() }()
	if _, err := mqtt.Dial(ctx, s.options()); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled Dial: %v, want context.Canceled", err)
	}
}

func TestSubscribe(t *testing.T) {
	for _, tt := range []struct {
		name   string
		suback []byte // return codes
		want   error
	}{
		{"granted", []byte{1}, nil},
		{"refused", []byte{0x80}, mqtt.ErrRefused},
		{"granted with QoS 0", []byte{0}, mqtt.ErrRefused},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, func(p *peer, _ *packets.ConnectPacket) {
				p.accept(0)
				if sub, ok := until[*packets.SubscribePacket](p); ok {
					answer := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
					answer.MessageID, answer.ReturnCodes = sub.MessageID, tt.suback
					_ = answer.Write(p.conn)
				}
				p.drain()
			})
			if err := dial(t, s.options()).Subscribe(soon(t), "a/+"); !errors.Is(err, tt.want) {
				t.Errorf("Subscribe = %v, want %v", err, tt.want)
			}
		})
	}
}

// What a broker must not send ends the connection and neither the program nor its memory.
func TestHostileFrames(t *testing.T) {
	for name, frame := range map[string][]byte{
		"huge":                 {packets.Publish << 4, 0xff, 0xff, 0xff, 0x7f},
		"five length bytes":    {packets.Publish << 4, 0xff, 0xff, 0xff, 0xff, 1},
		"no type":              {0, 0},
		"too many subscribed":  {packets.Suback << 4, 5, 0, 1, 1, 1, 1},
		"publish without body": {packets.Publish<<4 | 2, 0},
		"topic longer":         {packets.Publish<<4 | 2, 3, 0xff, 0xff, 'a'},
	} {
		t.Run(name, func(t *testing.T) {
			s := play(t, func(p *peer, _ *packets.ConnectPacket) {
				p.accept(0)
				if _, ok := until[*packets.SubscribePacket](p); ok {
					_, _ = p.conn.Write(frame)
				}
				p.drain()
			})
			c := dial(t, s.options())
			if err := c.Subscribe(soon(t), "a"); err == nil {
				t.Error("Subscribe = nil")
			}
			within(t, c.Done(), "end of the connection")
			if c.Err() == nil {
				t.Error("Err() = nil after the end")
			}
		})
	}
}

func TestPublish(t *testing.T) {
	got := make(chan *packets.PublishPacket, 1)
	s := play(t, func(p *peer, _ *packets.ConnectPacket) {
		p.accept(0)
		if m, ok := until[*packets.PublishPacket](p); ok {
			got <- m
			answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
			answer.MessageID = m.MessageID
			_ = answer.Write(p.conn)
		}
		p.drain()
	})
	c := dial(t, s.options())
	if err := c.Publish(soon(t), "a", make([]byte, topic.MaxMessage+1)); !errors.Is(err, mqtt.ErrTooLarge) {
		t.Errorf("one byte too many: %v, want ErrTooLarge", err)
	}
	payload := bytes.Repeat([]byte("x"), topic.MaxMessage)
	if err := c.Publish(soon(t), "a", payload); err != nil {
		t.Fatal(err)
	}
	if m := <-got; m.Qos != 1 || m.Retain || m.TopicName != "a" || !bytes.Equal(m.Payload, payload) {
		t.Errorf("got QoS %d, retain %v, topic %s, %d bytes", m.Qos, m.Retain, m.TopicName, len(m.Payload))
	}
}

func TestNoAnswerToPublish(t *testing.T) {
	s := play(t, func(p *peer, _ *packets.ConnectPacket) { p.accept(0); p.drain() })
	c := dial(t, s.options())
	ctx, cancel := context.WithCancel(t.Context())
	pending, err := c.Send(ctx, "a", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := pending.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait = %v, want context.Canceled", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := pending.Wait(short); !errors.Is(err, mqtt.ErrTimeout) {
		t.Errorf("Wait = %v, want ErrTimeout", err)
	}
	go c.Close()
	if err := pending.Wait(soon(t)); !errors.Is(err, mqtt.ErrClosed) {
		t.Errorf("Wait while closing = %v, want ErrClosed", err)
	}
	if err := c.Publish(soon(t), "a", nil); !errors.Is(err, mqtt.ErrClosed) {
		t.Errorf("Publish after Close = %v, want ErrClosed", err)
	}
}

// A peer that keeps the line open and reads nothing must not hold the sender for ever.
func TestPeerThatDoesNotRead(t *testing.T) {
	release := make(chan struct{})
	s := play(t, func(p *peer, _ *packets.ConnectPacket) { p.accept(0); <-release })
	defer close(release)
	o := s.options()
	o.Limit = 2 * time.Second
	var c *mqtt.Conn
	var err error
	if c, err = mqtt.Dial(soon(t), o); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, topic.MaxMessage)
	for range 1000 { // 128 MiB: more than any socket buffer
		if _, err = c.Send(soon(t), "a", payload); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("128 MiB were sent to a peer that reads nothing")
	}
	within(t, c.Done(), "end of the connection")
	c.Close()
}

func TestAckOnlyWhenCalled(t *testing.T) {
	order := make(chan string, 10)
	s := play(t, func(p *peer, _ *packets.ConnectPacket) {
		p.accept(0)
		p.publish(7, "up/1", "early") // before any subscription: kept by the session
		for cp := p.next(); cp != nil; cp = p.next() {
			switch cp := cp.(type) {
			case *packets.PublishPacket:
				order <- "published " + string(cp.Payload)
				answer := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
				answer.MessageID = cp.MessageID
				_ = answer.Write(p.conn)
			case *packets.PubackPacket:
				order <- "acknowledged " + string(rune('0'+cp.MessageID))
			}
		}
	})
	c := dial(t, s.options())
	var m mqtt.Message
	select {
	case m = <-c.Messages():
	case <-time.After(patience):
		t.Fatal("the message did not arrive")
	}
	if m.Topic != "up/1" || string(m.Payload) != "early" {
		t.Errorf("got %s on %s", m.Payload, m.Topic)
	}
	if err := c.Publish(soon(t), "a", []byte("committed")); err != nil {
		t.Fatal(err)
	}
	m.Ack()
	m.Ack() // again: no second PUBACK
	if err := c.Publish(soon(t), "a", []byte("end")); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"published committed", "acknowledged 7", "published end"} {
		if got := <-order; got != want {
			t.Errorf("the broker saw %q, want %q", got, want)
		}
	}
}

func TestMessagesNotTaken(t *testing.T) {
	s := play(t, func(p *peer, _ *packets.ConnectPacket) {
		p.accept(0)
		for i := uint16(1); i <= 10; i++ {
			p.publish(i, "a", "x")
		}
		p.drain()
	})
	o := s.options()
	o.Window, o.Limit = 2, 2*time.Second
	c, err := mqtt.Dial(soon(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	within(t, c.Done(), "end of the connection")
	if !errors.Is(c.Err(), mqtt.ErrBehind) {
		t.Errorf("Err() = %v, want ErrBehind", c.Err())
	}
	(<-c.Messages()).Ack() // after the end: returns and does nothing
}

func TestNothingIsLeftRunning(t *testing.T) {
	s := play(t, func(p *peer, c *packets.ConnectPacket) {
		p.accept(0)
		if c.Keepalive == 7 {
			return // ends the connection from the broker's side
		}
		p.publish(1, "a", "x")
		p.drain()
	})
	before := runtime.NumGoroutine()
	for i := range 10 {
		o := s.options()
		if i%2 == 0 {
			o.KeepAlive = 7 * time.Second
		}
		c, err := mqtt.Dial(soon(t), o)
		if err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			within(t, c.Done(), "end of the connection")
		}
		c.Close()
		c.Close()
	}
	deadline := time.Now().Add(patience)
	for runtime.NumGoroutine() > before {
		if time.Now().After(deadline) {
			buf := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
		}
		time.Sleep(5 * time.Millisecond)
	}
}

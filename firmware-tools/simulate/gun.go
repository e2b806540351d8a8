package simulate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrNotAcknowledged says that the host never acknowledged a scan, so that the scanner gave it up.
var ErrNotAcknowledged = errors.New("host does not acknowledge")

// GunOptions say what kind of scanner to play.
type GunOptions struct {
	Profile    Profile
	AckTime    time.Duration           // how long a scanner with acknowledgements waits for one; 2 s when 0
	Tries      int                     // how often it sends a scan; 3 when 0
	Chunk      int                     // bytes in one piece; 0 is all
	ChunkPause time.Duration           // between the pieces
	Noise      func(raw []byte) []byte // what the line makes of the bytes; nil for a clean one
}

// Gun is a scanner with manners: it frames scans as its vendor does, waits for acknowledgements where it is set up
// to, and obeys the host. Its methods are for one goroutine at a time, the waiting ones apart.
type Gun struct {
	*Scanner
	o      GunOptions
	events feed[ScanEvent]
	stop   context.CancelFunc
	ended  chan struct{}

	sending sync.Mutex // so that what the host answers is told behind what it answers to

	mu      sync.Mutex
	off     bool               // the host does not let the scanner read
	answers chan ScanEventKind // acknowledged or refused, for the scan under way
	enabled chan struct{}      // closed and replaced when the host lets it read again
}

// NewGun plugs in a scanner at link, as NewScanner does. The caller must Close it.
func NewGun(link string, o GunOptions) (*Gun, error) {
	if o.AckTime <= 0 {
		o.AckTime = 2 * time.Second
	}
	if o.Tries <= 0 {
		o.Tries = 3
	}
	s, err := NewScanner(link)
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	g := &Gun{
		Scanner: s, o: o, events: feed[ScanEvent]{limit: labelsKept}, stop: stop, ended: make(chan struct{}),
		answers: make(chan ScanEventKind, 16), enabled: make(chan struct{}),
	}
	go g.listen(ctx)
	return g, nil
}

// Close unplugs the scanner for good. It may be called more than once.
func (g *Gun) Close() {
	g.stop()
	g.Scanner.Close()
	<-g.ended
}

// WaitEvents returns what happened behind the first from events, and the position behind that, as soon as
// there is anything. It fails only when ctx ends.
func (g *Gun) WaitEvents(ctx context.Context, from int) (events []ScanEvent, next int, err error) {
	return g.events.wait(ctx, from)
}

// Events returns what happened, oldest first: at least the last 4096 events.
func (g *Gun) Events() []ScanEvent { return g.events.all() }

// listen obeys the host until ctx ends.
func (g *Gun) listen(ctx context.Context) {
	defer close(g.ended)
	reader := commandReader{vendor: g.o.Profile.Vendor}
	for from := 0; ; {
		raw, next, err := g.WaitReceived(ctx, from)
		if err != nil {
			return
		}
		from = next
		for _, e := range reader.take(raw) {
			g.obey(ctx, e)
		}
	}
}

func (g *Gun) obey(ctx context.Context, e ScanEvent) {
	g.tell(e)
	switch e.Kind {
	case ScanAcknowledged, ScanRefused:
		select {
		case g.answers <- e.Kind:
		default: // nobody waits
		}
		return
	case ScanReading:
		g.setReading(e.Text == "on")
	case ScanBeep:
		if g.o.Profile.Vendor == Datalogic && e.Text == "bad" { // "F" also disables
			g.setReading(false)
		}
	}
	if g.o.Profile.Vendor != ZebraSSI {
		return
	}
	answer := ssiPacket(ssiAck, fromScanner, 0, nil)
	switch {
	case e.Kind == ScanReceived && e.Text != "checksum":
		return
	case e.Kind == ScanReceived:
		answer = ssiPacket(ssiNak, fromScanner, 0, []byte{ssiNakResend})
	case e.Kind == ScanCommand:
		answer = ssiPacket(ssiNak, fromScanner, 0, []byte{ssiNakNo})
	}
	_ = g.line.send(ctx, answer, 0, 0, answerLimit) // a host that does not read loses it
}

func (g *Gun) tell(e ScanEvent) {
	g.sending.Lock()
	defer g.sending.Unlock()
	g.events.add(e)
}

func (g *Gun) setReading(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.off = !on; on {
		close(g.enabled)
		g.enabled = make(chan struct{})
	}
}

// Scan reads a label: an AIM identifier and data, or bytes as they are for the profile "raw". It waits while the host
// does not let the scanner read, and for the acknowledgement where the profile has one. The error is
// ErrNotAcknowledged, ErrUnplugged, that of ctx, or about a scan that the profile can not send. line is
// for events alone.
func (g *Gun) Scan(ctx context.Context, line int, scan []byte) error {
	raw, err := g.o.Profile.Frame(scan)
	if err != nil {
		return err
	}
	if err := g.mayRead(ctx); err != nil {
		return err
	}
	if g.o.Profile.Framing != SSI {
		return g.send(ctx, line, raw, ScanSent)
	}
	g.forget()
	kind := ScanSent
	for range g.o.Tries {
		if err := g.send(ctx, line, raw, kind); err != nil {
			return err
		}
		ok, err := g.acknowledged(ctx)
		if ok || err != nil {
			return err
		}
		raw, kind = again(raw), ScanResent
	}
	g.tell(ScanEvent{Kind: ScanLost, Line: line, Raw: bytes.Clone(raw)})
	return fmt.Errorf("scan of line %d: %w", line, ErrNotAcknowledged)
}

// HalfScan sends the first half of what Scan would send, and pulls the cable.
func (g *Gun) HalfScan(ctx context.Context, line int, scan []byte) error {
	raw, err := g.o.Profile.Frame(scan)
	if err != nil {
		return err
	}
	raw = raw[:len(raw)/2]
	if err := g.SendContext(ctx, raw, g.o.Chunk, g.o.ChunkPause); err != nil {
		return err
	}
	g.Unplug()
	g.tell(ScanEvent{Kind: ScanCut, Line: line, Raw: bytes.Clone(raw)})
	return nil
}

func (g *Gun) send(ctx context.Context, line int, raw []byte, kind ScanEventKind) error {
	if g.o.Noise != nil {
		raw = g.o.Noise(raw)
	}
	g.sending.Lock()
	defer g.sending.Unlock()
	if err := g.SendContext(ctx, raw, g.o.Chunk, g.o.ChunkPause); err != nil {
		return err
	}
	g.events.add(ScanEvent{Kind: kind, Line: line, Raw: bytes.Clone(raw)})
	return nil
}

// mayRead waits until the host lets the scanner read.
func (g *Gun) mayRead(ctx context.Context) error {
	for {
		g.mu.Lock()
		off, enabled := g.off, g.enabled
		g.mu.Unlock()
		if !off {
			return nil
		}
		select {
		case <-enabled:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// forget drops answers that came too late for the scan before.
func (g *Gun) forget() {
	for {
		select {
		case <-g.answers:
		default:
			return
		}
	}
}

// acknowledged waits for an answer of the host. It reports false after NAK, and when there was none in time.
func (g *Gun) acknowledged(ctx context.Context) (bool, error) {
	c, err := g.line.current()
	if err != nil {
		return false, err
	}
	timer := time.NewTimer(g.o.AckTime)
	defer timer.Stop()
	select {
	case kind := <-g.answers:
		return kind == ScanAcknowledged, nil
	case <-timer.C:
		return false, nil
	case <-c.gone:
		return false, ErrUnplugged
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

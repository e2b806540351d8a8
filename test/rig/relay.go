package rig

import (
	"io"
	"net"
	"sync"
)

// Relay passes TCP connections on to an address, until it is cut.
type Relay struct {
	listener net.Listener
	mu       sync.Mutex
	target   string
	cut      bool
	conns    map[net.Conn]bool
	wg       sync.WaitGroup
}

// NewRelay listens on a free loopback port. Until Aim is called it refuses everything.
func NewRelay() (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, conns: map[net.Conn]bool{}}
	r.wg.Go(r.accept)
	return r, nil
}

// Addr returns where the relay listens.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Aim sets where connections go from now on.
func (r *Relay) Aim(target string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = target
}

// Cut drops all connections and refuses new ones until Mend.
func (r *Relay) Cut() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = true
	for c := range r.conns {
		_ = c.Close()
	}
}

// Mend lets connections through again.
func (r *Relay) Mend() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cut = false
}

// Close ends the relay.
func (r *Relay) Close() {
	_ = r.listener.Close()
	r.Cut()
	r.wg.Wait()
}

func (r *Relay) accept() {
	for {
		c, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.wg.Go(func() { r.pass(c) })
	}
}

func (r *Relay) pass(c net.Conn) {
	defer c.Close()
	r.mu.Lock()
	target, cut := r.target, r.cut
	r.mu.Unlock()
	if cut || target == "" {
		return
	}
	d, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer d.Close()
	if !r.keep(c, d) {
		return
	}
	defer r.forget(c, d)
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{c, d}, {d, c}} {
		r.wg.Go(func() {
			_, _ = io.Copy(pair[0], pair[1])
			_ = pair[0].Close()
			_ = pair[1].Close()
			done <- struct{}{}
		})
	}
	<-done
	<-done
}

func (r *Relay) keep(conns ...net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = true
	}
	return !r.cut
}

func (r *Relay) forget(conns ...net.Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		delete(r.conns, c)
	}
}

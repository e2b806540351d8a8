package broker

import (
	"crypto/tls"
	"errors"
	"sync"
	"time"
)

var errStarting = errors.New("broker is not serving")

// gate holds the handshakes of early clients back until the guard is in place. The server
// opens its port before we can attach the guard, and would keep such a client for
// 5 s and then refuse it.
type gate struct {
	opened, closed chan struct{}
	open, close    func()
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{}), closed: make(chan struct{})}
	g.open = sync.OnceFunc(func() { close(g.opened) })
	g.close = sync.OnceFunc(func() { close(g.closed) })
	return g
}

// guard returns a copy of cfg whose handshakes wait at the gate.
func (g *gate) guard(cfg *tls.Config) *tls.Config {
	cfg = cfg.Clone()
	inner := cfg.GetConfigForClient
	cfg.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if err := g.wait(); err != nil {
			return nil, err
		}
		if inner != nil {
			return inner(hello)
		}
		return nil, nil
	}
	return cfg
}

func (g *gate) wait() error {
	limit := time.NewTimer(tlsTimeout * time.Second)
	defer limit.Stop()
	select {
	case <-g.opened:
		return nil
	case <-g.closed:
	case <-limit.C:
	}
	return errStarting
}

package rig

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
)

// Ports below those that the system gives to outgoing connections: a program that was killed
// finds its port free when it starts again.
const (
	firstPort = 20000
	lastPort  = 32000
)

// FreePort returns a loopback address that nobody listens on now.
func FreePort() (string, error) {
	var last error
	for range 100 {
		addr := fmt.Sprintf("127.0.0.1:%d", firstPort+rand.IntN(lastPort-firstPort)) // #nosec G404 -- guards nothing
		l, err := net.Listen("tcp", addr)
		if err == nil {
			return addr, l.Close()
		}
		last = err
	}
	return "", errors.Join(errors.New("no free port"), last)
}

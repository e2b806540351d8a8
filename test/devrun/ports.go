package devrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"stockade/test/rig"
)

const portsFile = "ports.json"

// ports are where the company listens. They are kept, so that a bookmark works tomorrow too.
type ports struct {
	Pages string   `json:"pages"` // of headquarters
	Nodes string   `json:"nodes"` // where nodes enrol
	MQTT  string   `json:"mqtt"`
	Edges []string `json:"edges"` // pages of the nodes
}

// wished are the ports of a fresh company.
func wished() ports {
	at := func(n int) string { return fmt.Sprintf("127.0.0.1:%d", n) }
	return ports{Pages: at(8443), Nodes: at(8444), MQTT: at(8883), Edges: []string{at(8445), at(8446)}}
}

// choosePorts takes the ports of the last run, or those wished, and others for those that are taken.
func choosePorts(dir string) (ports, error) {
	path, p := filepath.Join(dir, portsFile), wished()
	b, err := os.ReadFile(path) // #nosec G304 -- in the demonstration's own folder
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return p, err
	}
	for _, at := range []*string{&p.Pages, &p.Nodes, &p.MQTT, &p.Edges[0], &p.Edges[1]} {
		if *at, err = freeOr(*at); err != nil {
			return p, err
		}
	}
	if b, err = json.MarshalIndent(p, "", "\t"); err != nil {
		return p, err
	}
	return p, os.WriteFile(path, append(b, '\n'), 0o600)
}

// freeOr returns an address if nobody listens there, else another one.
func freeOr(at string) (string, error) {
	l, err := net.Listen("tcp", at)
	if err != nil {
		return rig.FreePort()
	}
	return at, l.Close()
}

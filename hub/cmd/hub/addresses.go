package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
)

// addresses are where the running server is reached. It leaves them in a file for commands
// and for whoever started it with port 0.
type addresses struct {
	Pages string   `json:"pages"` // https://host:port
	Nodes string   `json:"nodes"` // https://host:port
	MQTT  []string `json:"mqtt"`  // mqtts://host:port
	PID   int      `json:"pid"`
}

const addressesFile = "addresses.json"

// public returns host:port as others see a listener.
func public(l listener, names []string, port string) string {
	if l.Public != "" {
		return l.Public
	}
	return net.JoinHostPort(names[0], port)
}

// addressesOf puts together what the ports of the listeners mean to the outside.
func (c config) addressesOf(pages, nodes, mqtt string) addresses {
	a := addresses{Pages: "https://" + public(c.Pages, c.Names, pages), Nodes: "https://" + public(c.Nodes, c.Names, nodes), MQTT: c.MQTT.Public, PID: os.Getpid()}
	switch {
	case len(a.MQTT) > 0:
	case c.MQTT.Broker != "":
		a.MQTT = []string{c.MQTT.Broker}
	default:
		a.MQTT = []string{"mqtts://" + net.JoinHostPort(c.Names[0], mqtt)}
	}
	return a
}

// addresses returns where the server is reached, as far as it can be known: from its file,
// or from the configuration when all ports are fixed there.
func (c config) addresses() (addresses, error) {
	b, err := os.ReadFile(filepath.Join(c.DataDir, addressesFile))
	if err == nil {
		var a addresses
		if err := json.Unmarshal(b, &a); err != nil {
			return addresses{}, fmt.Errorf("read %s: %w", addressesFile, err)
		}
		return a, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return addresses{}, err
	}
	_, pages, _ := net.SplitHostPort(c.Pages.Listen) // checked when it was loaded
	_, nodes, _ := net.SplitHostPort(c.Nodes.Listen)
	mqtt := "0"
	if c.MQTT.Listen != "" {
		_, mqtt, _ = net.SplitHostPort(c.MQTT.Listen)
	}
	if nodes == "0" && c.Nodes.Public == "" {
		return addresses{}, errNotServing
	}
	return c.addressesOf(pages, nodes, mqtt), nil
}

// errNotServing is returned when a command needs the port that only the running server knows.
var errNotServing = errors.New("the hub is not running and its port is not fixed in the configuration")

// writeAddresses leaves a for others, all or nothing.
func writeAddresses(dir string, a addresses) error {
	b, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, addressesFile), append(b, '\n'), 0o600)
}

// writeFile writes a file beside its place and then moves it there.
func writeFile(path string, b []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already when all went well
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

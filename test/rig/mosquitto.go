package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// Mosquitto is Debian's broker, set up as deploy/broker tells an operator to do it.
type Mosquitto struct {
	rig     *Rig
	program string
	addr    string
	slot
}

// ErrNoMosquitto is returned when the broker is not installed; `.ci/setup test` does that.
var ErrNoMosquitto = errors.New("mosquitto is not installed: run .ci/setup test")

// FindMosquitto returns the broker's program.
func FindMosquitto() (string, error) {
	for _, name := range []string{"mosquitto", "/usr/sbin/mosquitto"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", ErrNoMosquitto
}

// NewMosquitto makes certificates for a broker at addr with the hub's own command and runs the
// commands of the README in deploy/broker, all in the rig's folder. Start runs it.
func (r *Rig) NewMosquitto(ctx context.Context, h *Hub, addr string) (*Mosquitto, error) {
	program, err := FindMosquitto()
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	m := &Mosquitto{rig: r, program: program, addr: addr}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	if err := m.copyTemplates(Noticed(root, "deploy", "broker")); err != nil {
		return nil, err
	}
	if _, err := h.CLI(ctx, "broker", "certs", m.path("deploy/certs"), "--name", host); err != nil {
		return nil, err
	}
	script, err := readmeScript(m.path("deploy/README.md"), strings.NewReplacer(
		"/etc/mosquitto", m.path(""), "/var/lib/mosquitto", m.path("data"), "acme", hubOrg, "0.0.0.0", host, "8883", port, " -o mosquitto", ""))
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-e", "-c", script) // #nosec G204 -- the README's own commands
	cmd.Dir = m.path("deploy")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("commands of deploy/broker/README.md: %w: %s", err, out)
	}
	return m, m.asRoot()
}

// copyTemplates brings what is shipped into the rig's folder, where certificates may lie beside it.
func (m *Mosquitto) copyTemplates(shipped string) error {
	for _, dir := range []string{"data", "deploy"} {
		if err := os.MkdirAll(m.path(dir), 0o700); err != nil {
			return err
		}
	}
	return os.CopyFS(m.path("deploy"), os.DirFS(shipped))
}

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// readmeScript returns the commands that a README shows, with names of this run in place of
// those of a real machine. Left out are the hub's own, which was given already, and those that hand the
// broker to the machine's service.
func readmeScript(path string, names *strings.Replacer) (string, error) {
	text, err := os.ReadFile(path) // #nosec G304 -- a file of the project
	if err != nil {
		return "", err
	}
	block := shellBlock.FindSubmatch(text)
	if block == nil {
		return "", fmt.Errorf("%s shows no commands", path)
	}
	var out strings.Builder
	for line := range strings.Lines(string(block[1])) {
		word, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "hub" && word != "chown" && word != "systemctl" {
			out.WriteString(names.Replace(line))
		}
	}
	return out.String(), nil
}

// asRoot lets a broker that root started stay root: the service's own user could not read the
// rig's folder.
func (m *Mosquitto) asRoot() error {
	if os.Getuid() != 0 {
		return nil
	}
	f, err := os.OpenFile(m.path("mosquitto.conf"), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\nuser root\n")
	return errors.Join(err, f.Close())
}

func (m *Mosquitto) path(name string) string { return filepath.Join(m.rig.Dir, "mosquitto", name) }

// Addr returns host:port of the broker.
func (m *Mosquitto) Addr() string { return m.addr }

// Start runs the broker and waits until it listens.
func (m *Mosquitto) Start(ctx context.Context) error {
	p, err := m.rig.start("mosquitto", m.program, "-c", m.path("mosquitto.conf"))
	if err != nil {
		return err
	}
	m.put(p)
	return p.Until(ctx, "to listen", func() (bool, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", m.addr)
		if err != nil {
			return false, nil
		}
		return true, c.Close()
	})
}

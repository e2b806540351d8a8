// Package broker is the MQTT broker inside the hub: nats-server, reached by MQTT 3.1.1 over
// TLS 1.3 with client certificates and by nothing else. Probe tries any broker, this one or
// a foreign one, for what the hub needs of it.
//
// A client's id must be the common name of its certificate, and what it may publish and
// subscribe is topic.Client.Rights; anything else is refused or dropped. Authorize is asked at
// every connection, so that a revoked certificate is refused, and Disconnect ends
// connections that stand. What the broker keeps on disk is encrypted.
//
// The broker promises no more than any other: only the hub's signed acknowledgement says
// that a batch is safe. So a store that the program was killed over is begun anew, and one that can
// not be read is put aside.
package broker

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"stockade/internal/pki"
	"stockade/protocol/topic"
)

// ErrKey is returned for a store key that is too short.
var ErrKey = errors.New("the broker's store key must have at least 32 bytes")

const (
	// maxPayload is a full message with room for what the server adds to it: a message above
	// it ends the sender's connection.
	maxPayload = topic.MaxMessage + 4096
	// maxPending is how many messages of a session may wait for their acknowledgement; with
	// full messages that is 8 MiB for each intake. It is the window of package mqtt.
	maxPending = 64
	// memoryStore is set because the server otherwise plans with most of the machine's memory.
	// Everything we have it keep is on disk.
	memoryStore = 16 << 20

	authTimeout = 5.0  // seconds
	tlsTimeout  = 10.0 // seconds; Pis on bad lines shake hands slowly

	startLimit = 2 * time.Minute // a large store takes a while to read
)

// Options describes a broker. All but AckWait, MaxStore and Logger are required.
type Options struct {
	// Dir is a folder for this broker alone.
	Dir string
	// Key encrypts what lies in Dir; at least 32 bytes. With another key the old content is lost.
	Key []byte
	// Listen is host:port for MQTT; port 0 takes a free one.
	Listen string
	// TLS is the server's configuration: pki.ServerConfig with pki.RequireClient.
	TLS *tls.Config
	// Org is the organisation whose certificates and topics are served.
	Org topic.Org
	// Authorize is asked about every client that connects, after its certificate was
	// verified; its error refuses. Several calls may run at once, each within ctx.
	Authorize func(ctx context.Context, peer pki.Peer) error
	// AckWait is how long a client may take to acknowledge before the message is sent again, on
	// the same connection or to the session's next one; 0 means 10 s.
	AckWait time.Duration
	// MaxStore bounds the messages on disk in bytes; 0 means 2 GiB.
	MaxStore int64
	// Logger gets refusals and faults; nil means none.
	Logger *slog.Logger
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Key) < 32 {
		return o, ErrKey
	}
	if o.Dir == "" || o.Authorize == nil {
		return o, errors.New("broker: folder and authorisation are required")
	}
	if _, err := topic.ParseOrg(string(o.Org)); err != nil {
		return o, fmt.Errorf("broker: %w", err)
	}
	if o.TLS == nil || o.TLS.ClientAuth != tls.RequireAndVerifyClientCert || o.TLS.MinVersion < tls.VersionTLS13 {
		return o, errors.New("broker: TLS 1.3 with verified client certificates is required")
	}
	if o.AckWait <= 0 {
		o.AckWait = 10 * time.Second
	}
	if o.MaxStore <= 0 {
		o.MaxStore = 2 << 30
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Broker is a running broker. Its methods may be used concurrently.
type Broker struct {
	o     Options
	srv   *server.Server
	gate  *gate
	guard *guard
	addr  string
}

// Start starts a broker and returns when it serves clients. ctx bounds the start only. A
// store that can not be read with the key is moved aside within Dir and
// reported to the logger; what was on its way then is sent again by the nodes.
func Start(ctx context.Context, o Options) (*Broker, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("broker folder: %w", err)
	}
	if err := begin(o.Dir, o.Logger); err != nil {
		return nil, fmt.Errorf("broker folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	b, err := open(ctx, o)
	if !errors.Is(err, errStore) {
		return b, err
	}
	aside, aerr := setAside(o.Dir)
	if aerr != nil {
		return nil, fmt.Errorf("start broker: %w; put its store aside: %w", err, aerr)
	}
	o.Logger.Warn("broker store could not be read and was put aside", "folder", aside, "err", err)
	return open(ctx, o)
}

// open starts a broker on the store in its folder, or returns errStore.
func open(ctx context.Context, o Options) (*Broker, error) {
	if err := inspect(o.Dir); err != nil {
		return nil, err
	}
	had, err := stored(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("broker folder: %w", err)
	}
	return start(ctx, o, had)
}

func start(ctx context.Context, o Options, had content) (*Broker, error) {
	keys, err := newKeys()
	if err != nil {
		return nil, err
	}
	log := newServerLog(o.Logger)
	b := &Broker{o: o, gate: newGate()}
	opts, err := settings(o, keys, b.gate)
	if err != nil {
		return nil, err
	}
	if b.srv, err = server.NewServer(opts); err != nil {
		return nil, fmt.Errorf("start broker: %w", err)
	}
	b.srv.SetLoggerV2(log, false, false, false)
	go b.srv.Start() // returns once started: the server has no listener of its own protocol
	if err := b.serve(ctx, keys, log, opts, had); err != nil {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
		defer cancel()
		return nil, errors.Join(err, b.Shutdown(stop))
	}
	return b, nil
}

// serve waits for the server, then lets clients in behind the guard.
func (b *Broker) serve(ctx context.Context, keys keys, log *serverLog, opts *server.Options, had content) error {
	if err := ready(ctx, b.srv, log); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	if err := had.check(b.srv); err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.addr = net.JoinHostPort(opts.MQTT.Host, strconv.Itoa(opts.MQTT.Port))
	g, err := newGuard(b.o, b.srv, keys)
	if err != nil {
		return fmt.Errorf("start broker: %w", err)
	}
	b.guard = g
	b.gate.open()
	return nil
}

func settings(o Options, k keys, gate *gate) (*server.Options, error) {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return nil, fmt.Errorf("broker address %q: %w", o.Listen, err)
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return nil, fmt.Errorf("broker address %q: %w", o.Listen, err)
	}
	opts := &server.Options{}
	if err := opts.ProcessConfigString(config(k)); err != nil {
		return nil, fmt.Errorf("configure broker: %w", err)
	}
	opts.ServerName = "stockade-" + string(o.Org)
	opts.DontListen, opts.NoSigs, opts.NoLog = true, true, true
	opts.MaxPayload = maxPayload
	opts.AuthTimeout = authTimeout
	opts.JetStream = true
	opts.StoreDir = o.Dir
	opts.JetStreamCipher = server.AES
	opts.JetStreamKey = hex.EncodeToString(o.Key)
	opts.JetStreamMaxMemory = memoryStore
	opts.JetStreamMaxStore = o.MaxStore
	opts.MQTT.Host = host
	if opts.MQTT.Port = int(number); number == 0 {
		opts.MQTT.Port = -1 // a free one
	}
	opts.MQTT.TLSConfig = gate.guard(o.TLS)
	opts.MQTT.TLSTimeout = tlsTimeout
	opts.MQTT.AckWait = o.AckWait
	opts.MQTT.MaxAckPending = maxPending
	return opts, nil
}

// config holds what can be set in the server's own language only. QoS 2 is refused, because
// what it holds back until its second half would fill the disk.
func config(k keys) string {
	return fmt.Sprintf(`
accounts {
	AUTH { users: [ { nkey: %s } ] }
	%s { jetstream: enabled }
}
authorization {
	auth_callout { issuer: %s, account: AUTH, auth_users: [ %s ] }
}
mqtt { port: -1, reject_qos2_publish: true, downgrade_qos2_subscribe: true }
`, k.userID, account, k.issuerID, k.userID)
}

// ready waits until the server listens, it gives up or ctx ends.
func ready(ctx context.Context, srv *server.Server, log *serverLog) error {
	for {
		select {
		case err := <-log.fatal:
			return err
		case <-ctx.Done():
			return ctx.Err()
		default:
		}
		if srv.ReadyForConnections(100 * time.Millisecond) {
			return nil
		}
	}
}

// ended notes that the server has written all that it will. Shutdown may be called again.
func (b *Broker) ended() {
	if err := end(b.o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.o.Logger.Warn("broker folder", "err", err)
	}
}

// Addr returns host:port on which clients are served.
func (b *Broker) Addr() string { return b.addr }

// Connected returns the ids of the clients that are connected now, sorted.
func (b *Broker) Connected() []string {
	conns, err := b.srv.Connz(&server.ConnzOptions{Account: account, Limit: 1 << 20})
	if err != nil {
		return nil
	}
	var ids []string
	for _, c := range conns.Conns {
		if c.MQTTClient != "" {
			ids = append(ids, c.MQTTClient)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// Disconnect ends every connection of a client at once, those that are still being
// authorised included. To keep the client out, let Authorize refuse it first.
func (b *Broker) Disconnect(clientID string) error {
	conns, err := b.srv.Connz(&server.ConnzOptions{MQTTClient: clientID, Limit: 1 << 20})
	if err != nil {
		return fmt.Errorf("disconnect %s: %w", clientID, err)
	}
	for _, c := range conns.Conns {
		// An error says that the connection ended by itself in between.
		if err := b.srv.DisconnectClientByID(c.Cid); err == nil {
			b.o.Logger.Info("client disconnected by the hub", "client", clientID)
		}
	}
	return nil
}

// Shutdown ends all connections and the broker. When ctx ends first it returns its error and
// the server goes on stopping by itself. Calling it again does nothing.
func (b *Broker) Shutdown(ctx context.Context) error {
	b.gate.close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.srv.Shutdown()
		b.srv.WaitForShutdown()
		if b.guard != nil {
			b.guard.close()
		}
		b.ended()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop broker: %w", ctx.Err())
	}
}

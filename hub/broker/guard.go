package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"

	"stockade/internal/pki"
	"stockade/protocol/topic"
)

const (
	account    = "SYNC"  // the server's account in which clients meet
	guardQueue = "guard" // workers that share the requests
	workers    = 4       // a restart brings all nodes at once, and Authorize may ask a database
)

// keys are made anew at each start and leave memory never.
type keys struct {
	issuer, user     nkeys.KeyPair
	issuerID, userID string
}

func newKeys() (keys, error) {
	issuer, err := nkeys.CreateAccount()
	if err != nil {
		return keys{}, fmt.Errorf("make broker keys: %w", err)
	}
	user, err := nkeys.CreateUser()
	if err != nil {
		return keys{}, fmt.Errorf("make broker keys: %w", err)
	}
	k := keys{issuer: issuer, user: user}
	if k.issuerID, err = issuer.PublicKey(); err != nil {
		return keys{}, fmt.Errorf("make broker keys: %w", err)
	}
	if k.userID, err = user.PublicKey(); err != nil {
		return keys{}, fmt.Errorf("make broker keys: %w", err)
	}
	return k, nil
}

// guard answers the server's question about each client: the server's own certificate
// checks do not see the MQTT client id, and a client could take another's session.
type guard struct {
	o    Options
	keys keys
	nc   *nats.Conn
	ctx  context.Context // ends with the guard; requests come from a library, without one
	end  context.CancelFunc
}

func newGuard(o Options, srv *server.Server, k keys) (*guard, error) {
	nc, err := nats.Connect("", nats.InProcessServer(srv), nats.Name("guard"), nats.NoReconnect(),
		nats.Nkey(k.userID, func(nonce []byte) ([]byte, error) { return k.user.Sign(nonce) }))
	if err != nil {
		return nil, fmt.Errorf("attach guard: %w", err)
	}
	g := &guard{o: o, keys: k, nc: nc}
	g.ctx, g.end = context.WithCancel(context.Background())
	for range workers {
		if _, err := nc.QueueSubscribe(server.AuthCalloutSubject, guardQueue, g.answer); err != nil {
			g.close()
			return nil, fmt.Errorf("attach guard: %w", err)
		}
	}
	if err := nc.FlushTimeout(authTimeout * time.Second); err != nil {
		g.close()
		return nil, fmt.Errorf("attach guard: %w", err)
	}
	return g, nil
}

func (g *guard) close() {
	g.end()
	g.nc.Close()
}

// answer replies to one request. Without a reply the client is refused when the time is over.
func (g *guard) answer(m *nats.Msg) {
	req, err := jwt.DecodeAuthorizationRequestClaims(string(m.Data))
	if err != nil {
		g.o.Logger.Error("broker asked in an unknown form", "err", err)
		return
	}
	resp := jwt.NewAuthorizationResponseClaims(req.UserNkey)
	resp.Audience = req.Server.ID
	peer, err := g.admit(req)
	if err == nil {
		resp.Jwt, err = g.pass(req.UserNkey, peer)
	}
	if err != nil {
		resp.Error = "refused" // the reason is for the log, not for the client
		g.o.Logger.Warn("client refused", "client", clip(req.ClientInformation.MQTT), "address", req.ClientInformation.Host, "err", err)
	}
	signed, err := resp.Encode(g.keys.issuer)
	if err == nil {
		err = m.Respond([]byte(signed))
	}
	if err != nil {
		g.o.Logger.Error("answer to the broker failed", "err", err)
	}
}

// admit decides who a client is and whether it may come in.
func (g *guard) admit(req *jwt.AuthorizationRequestClaims) (pki.Peer, error) {
	if req.ClientInformation.Type != "mqtt" || req.TLS == nil {
		return pki.Peer{}, fmt.Errorf("connection of type %q without MQTT over TLS", req.ClientInformation.Type)
	}
	if len(req.TLS.VerifiedChains) == 0 || len(req.TLS.VerifiedChains[0]) == 0 {
		return pki.Peer{}, errors.New("no verified certificate")
	}
	certs, err := pki.DecodeCertificates([]byte(req.TLS.VerifiedChains[0][0]))
	if err != nil {
		return pki.Peer{}, err
	}
	peer, err := pki.PeerOf(g.o.Org, certs[0])
	if err != nil {
		return pki.Peer{}, err
	}
	if peer.ID() != req.ClientInformation.MQTT {
		return pki.Peer{}, fmt.Errorf("certificate of %s with another client id", peer.ID())
	}
	ctx, cancel := context.WithTimeout(g.ctx, authTimeout*time.Second)
	defer cancel()
	return peer, g.o.Authorize(ctx, peer)
}

// pass signs what peer may do, until its certificate expires.
func (g *guard) pass(user string, peer pki.Peer) (string, error) {
	rights := peer.Client.Rights(g.o.Org)
	if len(rights.Publish) == 0 || len(rights.Subscribe) == 0 {
		return "", fmt.Errorf("client %s has no rights", peer.ID()) // empty lists would allow all
	}
	c := jwt.NewUserClaims(user)
	c.Name = peer.ID()
	c.Audience = account
	c.Expires = peer.NotAfter.Unix()
	c.AllowedConnectionTypes.Add(jwt.ConnectionTypeMqtt)
	c.Pub.Allow.Add(subjects(rights.Publish)...)
	c.Sub.Allow.Add(subjects(rights.Subscribe)...)
	return c.Encode(g.keys.issuer)
}

var toSubject = strings.NewReplacer("/", ".", "+", "*")

// subjects writes MQTT filters as the server knows them. Our ids hold no dots.
func subjects(filters []string) []string {
	out := make([]string, len(filters))
	for i, f := range filters {
		out[i] = toSubject.Replace(f)
	}
	return out
}

func clip(s string) string { return s[:min(len(s), topic.MaxID)] }

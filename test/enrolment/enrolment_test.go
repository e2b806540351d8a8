// Package enrolment holds the node's side of enrolment against the hub's real door.
package enrolment

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"stockade/edge/enrolment"
	"stockade/edge/store"
	"stockade/edge/store/storetest"
	"stockade/hub/fleet"
	"stockade/hub/hubtest"
	"stockade/internal/pki"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
	"stockade/protocol/stock"
)

// newDoor returns a hub with a door where nodes knock.
func newDoor(t *testing.T) *hubtest.Hub {
	t.Helper()
	h := hubtest.New(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	hubtest.Check(t, err)
	h.Fleet.At = fleet.Addresses{Nodes: "https://" + ln.Addr().String(), MQTT: []string{"mqtts://127.0.0.1:8883"}, Names: []string{"hub.acme.example"}}
	h.Fleet.Replaced = func(stock.NodeID) {}
	key, err := pki.NewServerKey()
	hubtest.Check(t, err)
	cert, err := h.Ring.Authority.IssueServer([]string{"127.0.0.1"}, &key.PublicKey, h.Now(), 10*pki.ServerValid)
	hubtest.Check(t, err)
	pair, err := pki.Pair(key, cert, h.Ring.Authority.Certificate())
	hubtest.Check(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		served <- (&fleet.Door{Fleet: h.Fleet, Logger: slog.New(slog.DiscardHandler)}).Serve(ctx, ln, pair)
	}()
	t.Cleanup(func() { cancel(); hubtest.Check(t, <-served) })
	return h
}

func token(t *testing.T, h *hubtest.Hub, w fleet.Wish) string {
	t.Helper()
	text, err := h.Fleet.Token(context.Background(), hubtest.Operator, w)
	hubtest.Check(t, err)
	return text
}

func enrolled(t *testing.T, s *store.Store) (e store.Enrolment) {
	t.Helper()
	storetest.View(t, s, func(tx *store.Tx) (err error) { e, err = tx.Enrolment(); return err })
	return e
}

func notAfter(t *testing.T, der []byte) time.Time {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	hubtest.Check(t, err)
	return c.NotAfter
}

func TestEnrolment(t *testing.T) {
	h := newDoor(t)
	text := token(t, h, fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	s := storetest.Open(t, t.TempDir())
	if err := s.View(context.Background(), func(tx *store.Tx) error { _, err := tx.Enrolment(); return err }); !errors.Is(err, store.ErrNotEnrolled) {
		t.Errorf("before enrolment: %v, want %v", err, store.ErrNotEnrolled)
	}
	node, err := enrolment.Run(context.Background(), s, "\n "+text+" \n", []string{"localhost"})
	if err != nil || node != "sh-1" {
		t.Fatalf("enrolment: %s, %v", node, err)
	}
	e := enrolled(t, s)
	if e.Trust.Org != hubtest.Org || e.Trust.Warehouse != "SHA" || len(e.Page) == 0 || e.Hub != h.Fleet.At.Nodes || len(e.Brokers) != 1 {
		t.Errorf("kept %+v", e)
	}
	storetest.View(t, s, func(tx *store.Tx) error {
		st, err := tx.SenderState()
		if err == nil {
			_, err = delivery.NewSender(e.Trust, st, func(b []byte) { clear(b) })
		}
		return err
	})
	if _, err := enrolment.Run(context.Background(), s, text, nil); err == nil || !strings.Contains(err.Error(), "sh-1 already") {
		t.Errorf("second enrolment of one machine: %v", err)
	}
	problem(t, "a token that was used", enrol.ProblemUsed, text)
	h2 := newDoor(t)
	late := token(t, h2, fleet.Wish{Node: "ct-1", Warehouse: "CTU"})
	h2.Later(2 * fleet.TokenValid)
	problem(t, "a token that is too old", enrol.ProblemExpired, late)
}

func problem(t *testing.T, what string, want enrol.Problem, text string) {
	t.Helper()
	s := storetest.Open(t, t.TempDir())
	_, err := enrolment.Run(context.Background(), s, text, []string{"localhost"})
	var p *enrolment.Problem
	if !errors.As(err, &p) || p.Word != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
	if err := s.View(context.Background(), func(tx *store.Tx) error { _, err := tx.Enrolment(); return err }); !errors.Is(err, store.ErrNotEnrolled) {
		t.Errorf("%s left something behind: %v", what, err)
	}
}

// TestWrongHub: a node does not talk to a machine that does not hold the key that its token pins.
func TestWrongHub(t *testing.T) {
	mine, other := newDoor(t), newDoor(t)
	mine.Fleet.At.Nodes = other.Fleet.At.Nodes // somebody has taken the hub's address
	text := token(t, mine, fleet.Wish{Node: "sh-1", Warehouse: "SHA"})
	_, err := enrolment.Run(context.Background(), storetest.Open(t, t.TempDir()), text, nil)
	if !errors.Is(err, pki.ErrPin) {
		t.Errorf("enrolment at another hub: %v, want %v", err, pki.ErrPin)
	}
}

// TestRenewal: certificates are renewed in time, also when they have expired, for the same keys; not
// for a node that was revoked.
func TestRenewal(t *testing.T) {
	h := newDoor(t)
	s := storetest.Open(t, t.TempDir())
	_, err := enrolment.Run(context.Background(), s, token(t, h, fleet.Wish{Node: "sh-1", Warehouse: "SHA"}), []string{"localhost"})
	hubtest.Check(t, err)
	before := enrolled(t, s)
	for _, tt := range []struct {
		at   time.Time
		want bool
	}{{h.Now(), false}, {h.Now().Add(pki.ClientValid / 2), false}, {h.Now().Add(pki.ClientValid * 3 / 4), true}, {h.Now().Add(2 * pki.ClientValid), true}} {
		if due, err := enrolment.Due(before, tt.at); err != nil || due != tt.want {
			t.Errorf("renewal due at %s: %v, %v; want %v", tt.at, due, err, tt.want)
		}
	}
	h.Later(2 * pki.ClientValid) // expired meanwhile
	hubtest.Check(t, enrolment.Renew(context.Background(), s, []string{"localhost", "edge.lan"}, h.Now))
	after := enrolled(t, s)
	if !notAfter(t, after.Certificate).After(h.Now()) || !notAfter(t, after.Page).After(h.Now()) {
		t.Errorf("renewed until %s and %s, now is %s", notAfter(t, after.Certificate), notAfter(t, after.Page), h.Now())
	}
	if page, err := x509.ParseCertificate(after.Page); err != nil || page.VerifyHostname("edge.lan") != nil {
		t.Errorf("renewed page certificate does not name edge.lan: %v", err)
	}
	hubtest.Check(t, h.Fleet.Revoke(context.Background(), hubtest.Operator, "sh-1", delivery.Place{}, "lost"))
	var p *enrolment.Problem
	if err := enrolment.Renew(context.Background(), s, []string{"localhost"}, h.Now); !errors.As(err, &p) || p.Word != enrol.ProblemRevoked {
		t.Errorf("renewal of a revoked node: %v, want %s", err, enrol.ProblemRevoked)
	}
}

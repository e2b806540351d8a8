// Package fleet looks after the nodes: it lets new ones in, puts lost ones out, and carries
// out what people decide about batches that were held.
//
// A node is let in by a one-time token that a person carries to it (package enrol). Every act
// is an entry of the master log in the transaction that does it.
package fleet

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"stockade/hub/auditlog"
	"stockade/hub/keyring"
	"stockade/hub/store"
	"stockade/internal/pki"
	"stockade/protocol/change"
	"stockade/protocol/delivery"
	"stockade/protocol/enrol"
	"stockade/protocol/stock"
	"stockade/protocol/topic"
)

// TokenValid is how long a token can be used unless its maker says otherwise.
const TokenValid = 24 * time.Hour

// Addresses are where the hub is reached from outside.
type Addresses struct {
	Nodes string   // https://HOST:PORT of enrolment and renewal
	MQTT  []string // mqtts://HOST:PORT
	Names []string // all names of the hub; no node gets a page certificate for one of them
}

// Fleet knows the nodes.
type Fleet struct {
	Store    *store.Store
	Ring     *keyring.Ring
	Recorder *auditlog.Recorder
	At       Addresses
	Clock    func() time.Time
	// Replaced is called after a node got another key, before the node hears of it: who is
	// connected under its name then is the old card. It may be nil.
	Replaced func(stock.NodeID)
}

// Wish says which node a token is for.
type Wish struct {
	Node      stock.NodeID
	Warehouse stock.Warehouse // may be left out with Replace
	Replace   bool            // the node exists; it gets another key because its card is lost
	Valid     time.Duration   // 0 means TokenValid
}

// ErrReplace is returned for a token for a node that exists, without the wish to replace it.
var ErrReplace = errors.New("a node of that name exists; say so if its card was lost and it is to get a new key")

// Token makes a one-time token for a node. The text is shown once and kept nowhere.
func (f *Fleet) Token(ctx context.Context, who auditlog.Who, w Wish) (string, error) {
	if _, err := topic.ParseNode(string(w.Node)); err != nil {
		return "", err
	}
	if f.At.Nodes == "" {
		return "", errors.New("make token: the hub's own address is not known")
	}
	if w.Valid <= 0 {
		w.Valid = TokenValid
	}
	t := enrol.Token{Org: string(f.Ring.Org), Hub: f.At.Nodes, Pin: f.Ring.Pin(), Root: f.Ring.Root}
	if _, err := rand.Read(t.Secret[:]); err != nil {
		return "", fmt.Errorf("make token: %w", err)
	}
	err := f.Store.Update(ctx, f.Clock(), func(tx *store.Tx) error {
		if err := checkWish(tx, &w); err != nil {
			return err
		}
		tree, err := tx.Log().Head()
		if err != nil {
			return err
		}
		t.Log = delivery.LogPlace{Epoch: tx.LogEpoch(), Size: tree.N, Root: change.Hash(tree.Hash)}
		if err := tx.PutToken(store.Token{Hash: t.Secret.Hash(), Node: w.Node, Warehouse: w.Warehouse, Replaces: w.Replace,
			Log: t.Log, Expires: tx.Now().Add(w.Valid)}); err != nil {
			return err
		}
		return f.Recorder.Record(tx, who, change.Entry{Act: "node.token", Object: string(w.Node), Detail: map[string]string{
			"warehouse": string(w.Warehouse), "replace": strconv.FormatBool(w.Replace), "valid": w.Valid.String()}})
	})
	if err != nil {
		return "", err
	}
	return t.Encode()
}

func checkWish(tx *store.Tx, w *Wish) error {
	s, err := tx.Node(w.Node)
	switch {
	case err != nil:
		return err
	case s == nil && w.Replace:
		return fmt.Errorf("node %s: %w", w.Node, store.ErrNotFound)
	case s != nil && !w.Replace:
		return fmt.Errorf("node %s: %w", w.Node, ErrReplace)
	case s != nil && s.Revoked:
		return fmt.Errorf("node %s was revoked: choose another name for the new node", w.Node)
	case s != nil && w.Warehouse == "":
		w.Warehouse = s.Warehouse
	case s != nil && w.Warehouse != s.Warehouse:
		return fmt.Errorf("node %s belongs to warehouse %s and can not move to %s", w.Node, s.Warehouse, w.Warehouse)
	}
	if !w.Warehouse.Valid() {
		return fmt.Errorf("warehouse %q: want 1 to 12 capital letters and digits", w.Warehouse)
	}
	return nil
}

// Refused is the error of a request that the asker is told about in one word.
type Refused struct {
	Problem enrol.Problem
	Err     error
}

func (r *Refused) Error() string { return string(r.Problem) + ": " + r.Err.Error() }

// Unwrap returns the cause.
func (r *Refused) Unwrap() error { return r.Err }

func refuse(p enrol.Problem, format string, args ...any) error {
	return &Refused{p, fmt.Errorf(format, args...)}
}

// Enrol answers a node's request. from is the asker's network address.
func (f *Fleet) Enrol(ctx context.Context, signed []byte, from string) ([]byte, error) {
	r, err := enrol.OpenRequest(signed)
	if err != nil {
		return nil, &Refused{enrol.ProblemForm, err}
	}
	if r.Page != nil {
		if err := f.allowHosts(r.Page.Hosts); err != nil {
			return nil, err
		}
	}
	// Looked up beside the writers first: guesses must not disturb them.
	err = f.Store.View(ctx, func(v *store.View) error { _, err := v.Token(r.Secret.Hash()); return err })
	if errors.Is(err, store.ErrNotFound) {
		return nil, refuse(enrol.ProblemToken, "no such token")
	}
	if err != nil {
		return nil, err
	}
	a := enrol.Answer{Org: string(f.Ring.Org), Root: f.Ring.Root, Keys: f.Ring.Keys, Authority: f.Ring.Authority.Certificate().Raw, MQTT: f.At.MQTT}
	replaced := false
	err = f.Store.Update(ctx, f.Clock(), func(tx *store.Tx) error {
		t, err := f.useToken(tx, r, from)
		if err != nil {
			return err
		}
		replaced = t.Replaces && t.UsedBy == nil
		a.Node, a.Warehouse, a.Time = t.Node, t.Warehouse, tx.Now().UnixMilli()
		if a.Certificate, a.Page, err = f.issue(tx.Now(), t.Node, r.Key, r.Page); err != nil {
			return err
		}
		return logPart(tx, t, &a)
	})
	if err != nil {
		return nil, err
	}
	if replaced && f.Replaced != nil {
		f.Replaced(a.Node)
	}
	return a.Encode()
}

// useToken turns the token into a node, or finds that this has happened before.
func (f *Fleet) useToken(tx *store.Tx, r enrol.Request, from string) (store.Token, error) {
	t, err := tx.Token(r.Secret.Hash())
	switch {
	case errors.Is(err, store.ErrNotFound) || (err == nil && r.Org != string(f.Ring.Org)):
		return t, refuse(enrol.ProblemToken, "no such token")
	case err != nil:
		return t, err
	case tx.Now().After(t.Expires):
		return t, refuse(enrol.ProblemExpired, "token for %s expired at %s", t.Node, t.Expires.Format(time.RFC3339))
	case t.Log.Epoch != tx.LogEpoch():
		return t, refuse(enrol.ProblemReopened, "token for %s is of log %d", t.Node, t.Log.Epoch)
	case t.UsedBy != nil && !slices.Equal(t.UsedBy, r.Key):
		return t, refuse(enrol.ProblemUsed, "token for %s was used by another key", t.Node)
	case t.UsedBy != nil:
		return t, f.stillThere(tx, t, r.Key)
	}
	if t.Replaces {
		err = tx.ReplaceKey(t.Node, r.Key)
	} else {
		err = tx.AddNode(delivery.NewNodeState(t.Node, t.Warehouse, r.Key))
	}
	if errors.Is(err, store.ErrExists) { // two tokens for one name were made
		return t, &Refused{enrol.ProblemUsed, err}
	}
	if err != nil {
		return t, err
	}
	if err := tx.UseToken(t.Hash, r.Key); err != nil {
		return t, err
	}
	detail := map[string]string{"warehouse": string(t.Warehouse), "replaced": strconv.FormatBool(t.Replaces), "key": base64.StdEncoding.EncodeToString(r.Key)}
	if r.Page != nil {
		detail["pages"] = fmt.Sprint(r.Page.Hosts)
	}
	who := auditlog.Who{Actor: string(t.Node), Terminal: from}
	if err := f.Recorder.Record(tx, who, change.Entry{Act: "node.enrolled", Object: string(t.Node), Detail: detail}); err != nil {
		return t, err
	}
	return t, tx.Notify(store.NoticeEnrolled, string(t.Node))
}

// stillThere allows a token's second use by the key that used it.
func (f *Fleet) stillThere(tx *store.Tx, t store.Token, key []byte) error {
	s, err := tx.Node(t.Node)
	switch {
	case err != nil:
		return err
	case s == nil || !slices.Equal(s.Key, key):
		return refuse(enrol.ProblemUsed, "node %s has another key by now", t.Node)
	case s.Revoked:
		return refuse(enrol.ProblemRevoked, "node %s was revoked", t.Node)
	}
	return nil
}

// logPart adds the log's head and its proof from the head in the token.
func logPart(tx *store.Tx, t store.Token, a *enrol.Answer) error {
	l, err := tx.PresentLog()
	if err != nil {
		return err
	}
	a.LogEpoch, a.Opening, a.Checkpoint = l.Epoch, l.Opening, l.Note
	a.Consistency, err = tx.Log().Consistency(l.Size, t.Log.Size)
	return err
}

func (f *Fleet) issue(now time.Time, node stock.NodeID, key ed25519.PublicKey, page *enrol.Page) (own, server []byte, err error) {
	cert, err := f.Ring.Authority.IssueClient(topic.Node(node), key, now, pki.ClientValid)
	if err != nil {
		return nil, nil, err
	}
	if page == nil {
		return cert.Raw, nil, nil
	}
	pub, err := page.PublicKey()
	if err != nil {
		return nil, nil, &Refused{enrol.ProblemForm, err}
	}
	pageCert, err := f.Ring.Authority.IssueServer(page.Hosts, pub, now, pki.ServerValid)
	if err != nil {
		return nil, nil, err
	}
	return cert.Raw, pageCert.Raw, nil
}

// allowHosts refuses the hub's own names: with such a certificate a node could pass for the
// hub. Loopback addresses are everybody's own.
func (f *Fleet) allowHosts(hosts []string) error {
	for _, h := range hosts {
		ip := net.ParseIP(h)
		if h == "localhost" || (ip != nil && ip.IsLoopback()) {
			continue
		}
		if slices.Contains(f.At.Names, h) {
			return refuse(enrol.ProblemHosts, "%s is a name of the hub", h)
		}
	}
	return nil
}

// Renew gives a node that shows its certificate, even one that has expired, new ones for
// the keys that it has.
func (f *Fleet) Renew(ctx context.Context, peer pki.Peer, body []byte, from string) ([]byte, error) {
	r, err := enrol.DecodeRenewal(body)
	if err != nil {
		return nil, &Refused{enrol.ProblemForm, err}
	}
	if r.Page != nil {
		if err := f.allowHosts(r.Page.Hosts); err != nil {
			return nil, err
		}
	}
	a := enrol.Renewed{Authority: f.Ring.Authority.Certificate().Raw, MQTT: f.At.MQTT}
	err = f.Store.Update(ctx, f.Clock(), func(tx *store.Tx) error {
		s, err := tx.Node(peer.Client.Node)
		if err != nil {
			return err
		}
		if err := admit(s, peer); err != nil {
			return &Refused{enrol.ProblemRevoked, err}
		}
		a.Time = tx.Now().UnixMilli()
		if a.Certificate, a.Page, err = f.issue(tx.Now(), s.Node, s.Key, r.Page); err != nil {
			return err
		}
		return f.Recorder.Record(tx, auditlog.Who{Actor: string(s.Node), Terminal: from}, change.Entry{Act: "node.renewed", Object: string(s.Node)})
	})
	if err != nil {
		return nil, err
	}
	return a.Encode()
}

// ErrNotAdmitted is returned for a certificate whose node is gone, revoked or has another key.
var ErrNotAdmitted = errors.New("not admitted")

// Admit reports whether the bearer of a verified certificate may connect: the hub's own
// clients always, a node only with its present key and while it is not revoked.
func (f *Fleet) Admit(ctx context.Context, peer pki.Peer) error {
	if peer.Client.Kind != topic.NodeClient {
		return nil
	}
	return f.Store.View(ctx, func(v *store.View) error {
		n, err := v.NodeOf(peer.Client.Node)
		if errors.Is(err, store.ErrNotFound) {
			return admit(nil, peer)
		}
		if err != nil {
			return err
		}
		return admit(&n.State, peer)
	})
}

func admit(s *delivery.NodeState, peer pki.Peer) error {
	switch {
	case s == nil:
		return fmt.Errorf("%s is not enrolled: %w", peer.ID(), ErrNotAdmitted)
	case s.Revoked:
		return fmt.Errorf("%s was revoked: %w", peer.ID(), ErrNotAdmitted)
	case fingerprint(s.Key) != peer.Fingerprint:
		return fmt.Errorf("%s has another key by now: %w", peer.ID(), ErrNotAdmitted)
	}
	return nil
}

// fingerprint is pki.Fingerprint of a certificate with that key.
func fingerprint(key ed25519.PublicKey) string {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// Revoke puts a node out. Batches up to the last trusted place are still accepted when they
// come; later ones are held. The zero place means what the hub has now.
func (f *Fleet) Revoke(ctx context.Context, who auditlog.Who, node stock.NodeID, last delivery.Place, reason string) error {
	return f.Recorder.Store.Update(ctx, f.Clock(), func(tx *store.Tx) error {
		s, err := tx.Node(node)
		if err != nil {
			return err
		}
		if s == nil {
			return fmt.Errorf("node %s: %w", node, store.ErrNotFound)
		}
		if last.Epoch == 0 {
			last = s.Head
		}
		s.Revoked, s.Trusted = true, last
		if err := tx.SaveNode(s); err != nil {
			return err
		}
		if err := f.Recorder.Record(tx, who, change.Entry{Act: "node.revoked", Object: string(node), Detail: map[string]string{
			"reason": reason, "last_trusted": fmt.Sprintf("%d.%d", last.Epoch, last.Seq)}}); err != nil {
			return err
		}
		return tx.Notify(store.NoticeRevoked, string(node))
	})
}

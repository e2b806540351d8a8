package fleet

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"stockade/internal/pki"
	"stockade/protocol/enrol"
)

// Door is where nodes knock: enrolment without and renewal with a client certificate.
type Door struct {
	Fleet  *Fleet
	Logger *slog.Logger

	mu    sync.Mutex
	tries map[string]tries
}

// tries counts the requests of one network address in the present minute.
type tries struct {
	minute int64
	n      int
}

// Limits of what strangers may ask.
const (
	perMinute     = 60 // requests of one address
	addresses     = 10_000
	doorRead      = 10 * time.Second
	doorWrite     = 20 * time.Second
	doorIdle      = 30 * time.Second
	doorHeaders   = 8 << 10
	doorStopLimit = 5 * time.Second
)

// Serve answers on ln until ctx ends; it closes ln. The certificate shows the authority's
// after its own.
func (d *Door) Serve(ctx context.Context, ln net.Listener, cert tls.Certificate) error {
	authorities := pki.Pool(d.Fleet.Ring.Authority.Certificate())
	srv := &http.Server{
		Handler: d.routes(), TLSConfig: pki.ServerConfig(cert, authorities, pki.OptionalExpired, d.Fleet.Clock),
		ReadTimeout: doorRead, ReadHeaderTimeout: doorRead, WriteTimeout: doorWrite, IdleTimeout: doorIdle, MaxHeaderBytes: doorHeaders,
		ErrorLog: slog.NewLogLogger(d.Logger.Handler(), slog.LevelInfo),
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), doorStopLimit)
		defer cancel()
		_ = srv.Shutdown(limit) // whoever is still connected then is cut off with the process
	})
	err := srv.ServeTLS(ln, "", "")
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) && ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve nodes on %s: %w", ln.Addr(), err)
}

func (d *Door) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+enrol.PathEnrol, d.answer(func(r *http.Request, body []byte) ([]byte, error) {
		return d.Fleet.Enrol(r.Context(), body, address(r))
	}))
	mux.HandleFunc("POST "+enrol.PathRenew, d.answer(func(r *http.Request, body []byte) ([]byte, error) {
		peer, err := pki.PeerOfConnection(d.Fleet.Ring.Org, *r.TLS)
		if err != nil {
			return nil, &Refused{enrol.ProblemForm, err}
		}
		return d.Fleet.Renew(r.Context(), peer, body, address(r))
	}))
	return mux
}

// answer reads the body, limits guessing, and turns errors into a word for the node.
func (d *Door) answer(act func(*http.Request, []byte) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !d.allow(address(r)) {
			problem(w, http.StatusTooManyRequests, enrol.ProblemBusy)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, enrol.MaxRequest))
		if err != nil || r.Header.Get("Content-Encoding") != "" || r.Header.Get("Content-Type") != enrol.ContentType {
			problem(w, http.StatusBadRequest, enrol.ProblemForm)
			return
		}
		out, err := act(r, body)
		var refused *Refused
		switch {
		case err == nil:
			w.Header().Set("Content-Type", enrol.ContentType)
			_, _ = w.Write(out)
		case errors.As(err, &refused):
			d.Logger.Warn("node refused", "path", r.URL.Path, "address", address(r), "err", err)
			problem(w, http.StatusForbidden, refused.Problem)
		default:
			d.Logger.Error("node could not be served", "path", r.URL.Path, "address", address(r), "err", err)
			problem(w, http.StatusServiceUnavailable, enrol.ProblemBusy)
		}
	}
}

func problem(w http.ResponseWriter, status int, p enrol.Problem) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, string(p))
}

// allow counts a request of an address and reports whether it is within the limit.
func (d *Door) allow(from string) bool {
	minute := d.Fleet.Clock().Unix() / 60
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.tries == nil || len(d.tries) >= addresses {
		d.tries = map[string]tries{}
	}
	t := d.tries[from]
	if t.minute != minute {
		t = tries{minute: minute}
	}
	t.n++
	d.tries[from] = t
	return t.n <= perMinute
}

func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

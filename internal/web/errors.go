package web

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/gofiber/fiber/v2"

	"stockade/internal/vault"
)

// Failure is an error with a sentence for the reader: Key is a text of the catalogue.
// Cause is for the log only.
type Failure struct {
	Status int
	Key    string
	Args   map[string]string
	Cause  error
}

// Error returns the failure as the log shows it.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return fmt.Sprintf("%s (%d)", f.Key, f.Status)
	}
	return fmt.Sprintf("%s (%d): %v", f.Key, f.Status, f.Cause)
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Fail returns a failure with that status; args are pairs of name and value for the text.
func Fail(status int, key string, args ...string) *Failure {
	f := &Failure{Status: status, Key: key, Args: map[string]string{}}
	for i := 0; i+1 < len(args); i += 2 {
		f.Args[args[i]] = args[i+1]
	}
	return f
}

// NotFound says that there is no such thing.
func NotFound() *Failure { return Fail(fiber.StatusNotFound, "error.not_found") }

// Because adds the cause for the log and returns f.
func (f *Failure) Because(err error) *Failure {
	f.Cause = err
	return f
}

// asFailure chooses status and sentence for any error.
func asFailure(err error) *Failure {
	var f *Failure
	if errors.As(err, &f) {
		return f
	}
	switch {
	case errors.Is(err, vault.ErrFull):
		return Fail(fiber.StatusInsufficientStorage, "error.disk_full").Because(err)
	case errors.Is(err, vault.ErrFailing):
		return Fail(fiber.StatusInternalServerError, "error.disk_failing").Because(err)
	}
	var fe *fiber.Error
	if !errors.As(err, &fe) {
		return Fail(fiber.StatusInternalServerError, "error.internal").Because(err)
	}
	key := "error.bad_request"
	switch fe.Code {
	case fiber.StatusBadGateway: // Fiber's word for a connection that broke, in the TLS handshake as a rule
		return Fail(fiber.StatusBadRequest, key).Because(err)
	case fiber.StatusNotFound:
		key = "error.not_found"
	case fiber.StatusMethodNotAllowed:
		key = "error.method"
	case fiber.StatusRequestEntityTooLarge:
		key = "error.too_large"
	case fiber.StatusRequestTimeout:
		key = "error.too_slow"
	}
	if fe.Code >= fiber.StatusInternalServerError {
		key = "error.internal"
	}
	return Fail(fe.Code, key).Because(err)
}

// answerError is the one place where an error becomes an answer. It is also called for
// requests that never reached a handler, so it sets the safe headers itself.
func (s *Server) answerError(c *fiber.Ctx, err error) error {
	f := asFailure(err)
	v := s.visit(c)
	s.logFailure(v, f)
	safeHeaders(c)
	c.Status(f.Status)
	if isAPI(c.Path()) {
		return c.JSON(map[string]any{"error": map[string]any{"code": f.Key, "args": f.Args, "message": v.T(f.Key, f.Args), "request": v.Request}})
	}
	if err := v.Page("error", errorPage{Status: f.Status, Sentence: v.T(f.Key, f.Args), Request: v.Request}); err != nil {
		s.log.Error("error page", "request", v.Request, "cause", err)
		return c.SendString(v.T(f.Key, f.Args) + "\n" + v.Request + "\n")
	}
	return nil
}

type errorPage struct {
	Status   int
	Sentence string
	Request  string
}

func (s *Server) logFailure(v *Visit, f *Failure) {
	level := slog.LevelInfo
	if f.Status >= fiber.StatusInternalServerError {
		level = slog.LevelError
	}
	s.log.Log(v.UserContext(), level, "request failed", "request", v.Request, "status", f.Status, "code", f.Key,
		"method", v.Method(), "path", printable(v.Path()), "account", v.Person.Account, "from", v.Address(), "cause", f.Cause)
}

// printable keeps control characters and great length out of the log.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '�'
		}
		return r
	}, s)
}

package web

import (
	"crypto/subtle"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/gofiber/fiber/v2"
)

// contentPolicy lets a page use nothing but what this server sends, and no inline code.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"

// workerPolicy is for scripts named *.worker.js, which run apart from any page: they may compile the
// WebAssembly that this server sends, and still nothing else. A worker obeys the policy that its own
// script came with, so no page has to be given that right.
const workerPolicy = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'"

// permissions keep pages from what a warehouse's page has no business with. One that says so may ask its reader for the camera, or may "get" or
// "create" passkeys.
func permissions(camera bool, passkey string) string {
	right := func(name string, given bool) string {
		if given {
			return name + "=(self)"
		}
		return name + "=()"
	}
	return "geolocation=(), microphone=(), payment=(), usb=(), " + right("camera", camera) + ", " + right("publickey-credentials-get", passkey == "get") + ", " +
		right("publickey-credentials-create", passkey == "create")
}

func safeHeaders(c *fiber.Ctx) {
	for _, h := range [...][2]string{
		{"Content-Security-Policy", contentPolicy},
		{"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		// not no-referrer: with it Chromium sends "Origin: null" with our own forms
		{"Referrer-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Permissions-Policy", permissions(false, "")},
		{"Cache-Control", "no-store"},
	} {
		c.Set(h[0], h[1])
	}
}

// guard is what every request passes before its route is looked up.
func (s *Server) guard(c *fiber.Ctx) error {
	safeHeaders(c)
	v := s.visit(c)
	// Fiber unpacks a compressed body without limit as soon as a handler asks for it.
	if c.Get(fiber.HeaderContentEncoding) != "" {
		return Fail(fiber.StatusUnsupportedMediaType, "error.compressed")
	}
	if !s.ourHost(string(c.Request().Header.Host())) {
		return Fail(fiber.StatusMisdirectedRequest, "error.host")
	}
	if err := v.identify(c.UserContext()); err != nil {
		return err
	}
	if v.token == "" {
		v.token = c.Cookies(s.own(visitorCookie))
	}
	if err := s.receive(v); err != nil {
		return err
	}
	if safeMethod(c.Method()) {
		return c.Next()
	}
	if err := s.fromOurPages(v); err != nil {
		if v.upload != nil {
			v.upload.drain()
		}
		return err
	}
	return c.Next()
}

func safeMethod(m string) bool { return m == fiber.MethodGet || m == fiber.MethodHead }

// fromOurPages refuses a change that another site made the reader's browser send.
func (s *Server) fromOurPages(v *Visit) error {
	refuse := Fail(fiber.StatusForbidden, "error.csrf")
	if site := v.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return refuse
	}
	if origin := v.Get(fiber.HeaderOrigin); origin != "" && origin != "https://"+string(v.Ctx.Request().Header.Host()) {
		return refuse
	}
	if isAPI(v.Path()) && !strings.HasPrefix(v.Get(fiber.HeaderContentType), fiber.MIMEApplicationJSON) {
		return Fail(fiber.StatusUnsupportedMediaType, "error.want_json")
	}
	given := v.Get("X-CSRF-Token")
	if given == "" && !isAPI(v.Path()) {
		given = v.Posted("csrf")
	}
	if want := v.CSRF(); want == "" || subtle.ConstantTimeCompare([]byte(given), []byte(want)) != 1 {
		return refuse
	}
	return nil
}

// ourHost reports whether a request for that host is meant for us. A foreign page can make
// a browser come here under a name of its own (DNS rebinding), so names must be known;
// addresses can not be forged that way and all pass.
func (s *Server) ourHost(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return slices.ContainsFunc(s.hosts, func(h string) bool {
		if suffix, wild := strings.CutPrefix(h, "*."); wild {
			_, rest, ok := strings.Cut(name, ".")
			return ok && rest == suffix
		}
		return name == h
	})
}

// hostNames returns the names under which this server may be asked: those given and those
// in its certificates.
func hostNames(given []string, conf *tls.Config) []string {
	names := []string{"localhost"}
	for _, h := range given {
		names = append(names, strings.ToLower(h))
	}
	for _, cert := range conf.Certificates {
		leaf := cert.Leaf
		if leaf == nil && len(cert.Certificate) > 0 {
			leaf, _ = x509.ParseCertificate(cert.Certificate[0]) // one that can not be read fails the handshake anyway
		}
		if leaf != nil {
			for _, n := range leaf.DNSNames {
				names = append(names, strings.ToLower(n))
			}
		}
	}
	return names
}

// Package web is the shell that the pages and the API of edge and hub live in: one HTTPS
// server, its guards, sign-in pages, texts in Chinese and English, layout and assets.
//
// A program describes what it serves as a Site (routes, page templates, assets, entries of
// the menu) and hands it to New. Every Route states the permission that it needs; New
// refuses a site with a route that states none. Whether a person has a permission is the
// answer of a single function, Options.Allow.
//
// # What the shell promises to handlers
//
//   - The request came over TLS 1.3 to a host name that is ours, is not compressed and not
//     larger than the limit, and its strings may be kept (bodies may not: copy them).
//   - A request that changes something came from our own pages or from a program that holds
//     the session's token. GET changes nothing.
//   - Visit.Person is who asks, and has the route's permission; a factor was given just now where the
//     route says so.
//   - An error that a handler returns becomes a page or a JSON answer in the reader's
//     language. A *Failure says what the reader may know; of any other error the reader
//     sees a request id only, and the log the cause under that id.
//
// # Signing in without a browser
//
// A program keeps cookies and does what a browser does: GET /login (or /first while no
// account exists), read the hidden field "csrf" of the form, then POST the form to the same
// address with the fields csrf, username and password (for /first also code). The answer is
// 303 with the session cookie. GET /api/v1/session then tells the token to be sent as the
// header X-CSRF-Token with every POST. An account with a second factor is sent to /login/code
// instead, whose form has the field code. What asks for a fresh factor (Route.Fresh) answers 401 with
// the code error.step_up; POST /api/v1/session/confirm {"confirm":"code or password"} then gives a new
// cookie and token, and the act can be sent again. A session that has to do something first is answered 403 with
// error.must_enrol or error.must_change. Sec-Fetch-Site and Origin are judged where they are
// present; the token is always needed.
package web

// Command least is the least that a node could be: a Go program that serves one page over TLS. The
// benchmark compares a node's memory with it.
package main

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
)

func main() {
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok\n") // a reader who has left needs no answer
	}))
	fmt.Println(s.URL)
	select {} // until it is killed
}

package vault

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"testing"
)

// TestMain lets the test program play the other process.
func TestMain(m *testing.M) {
	if path := os.Getenv("VAULT_TEST_STORE"); path != "" {
		if err := otherProcess(path); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// otherProcess writes fifty notes and says so, then waits to be killed; or it only
// opens the store and closes it.
func otherProcess(path string) error {
	s, err := Open(context.Background(), Options{Path: path, Key: testKey})
	if err != nil {
		return err
	}
	if os.Getenv("VAULT_TEST_ONLY_OPEN") != "" {
		return s.Close()
	}
	for i := range 50 {
		if err := add(s, fmt.Sprint("there ", i)); err != nil {
			return err
		}
	}
	fmt.Println("written")
	select {}
}

// A command writes while the server runs, and is killed with the store open: the server
// neither fails nor loses anything of either.
func TestTwoProcessesShareAStore(t *testing.T) {
	s := newTestStore(t)
	exe, err := os.Executable()
	must(t, err)
	other := exec.Command(exe)
	other.Env = append(os.Environ(), "VAULT_TEST_STORE="+s.Path())
	out, err := other.StdoutPipe()
	must(t, err)
	must(t, other.Start())
	t.Cleanup(func() { _ = other.Process.Kill() })
	for i := range 50 {
		must(t, add(s, fmt.Sprint("here ", i)))
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "written\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	must(t, other.Process.Kill())
	other.Wait()

	must(t, add(s, "last"))
	got := notes(t, s)
	for i := range 50 {
		for _, side := range []string{"here", "there"} {
			if text := fmt.Sprint(side, " ", i); !slices.Contains(got, text) {
				t.Errorf("note %q is lost", text)
			}
		}
	}
	if len(got) != 101 {
		t.Errorf("store holds %d notes, want 101", len(got))
	}
	must(t, s.Check(context.Background()))
}

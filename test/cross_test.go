package test

import (
	"bytes"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stockade/test/rig"
)

// targets are the machines that a node may be, beside the one that builds.
var targets = []struct {
	arch    string // as `make build ARCH=` takes it
	qemu    string
	machine elf.Machine
}{
	{"arm64", "qemu-aarch64-static", elf.EM_AARCH64},
	{"armhf", "qemu-arm-static", elf.EM_ARM},
}

// What is built for a Pi runs there: it decodes scans as this machine does, and one
// store opens on both, whichever made it.
func TestCrossBuilds(t *testing.T) {
	scans, err := os.ReadFile("../protocol/barcode/testdata/scans.tsv")
	if err != nil {
		t.Fatal(err)
	}
	native := t.TempDir()
	build(t, "", native, "./firmware-tools/cmd/fw", "./test/cmd/storecheck")
	decoded := output(t, scans, filepath.Join(native, "fw"), "decode")
	key, store := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "store.db")
	notes := "made here\n"
	if got := output(t, nil, filepath.Join(native, "storecheck"), key, store, "made here"); got != notes {
		t.Fatalf("storecheck printed %q, want %q", got, notes)
	}

	for _, target := range targets {
		t.Run(target.arch, func(t *testing.T) {
			need(t, target.qemu)
			before := digests(t, "../build/bin")
			shell(t, "", "make --no-print-directory build ARCH="+target.arch)
			if after := digests(t, "../build/bin"); after != before {
				t.Errorf("a cross build changed build/bin:\n%s\nbefore:\n%s", after, before)
			}
			bin := filepath.Join("../build", target.arch, "bin")
			for _, program := range []string{"edge", "fw"} {
				checkStatic(t, filepath.Join(bin, program), target.machine)
			}
			if got := output(t, scans, target.qemu, filepath.Join(bin, "fw"), "decode"); got != decoded {
				t.Error("fw decode gives other lines than on this machine")
			}

			foreign := t.TempDir()
			build(t, target.arch, foreign, "./test/cmd/storecheck")
			notes += target.arch + "\n"
			if got := output(t, nil, target.qemu, filepath.Join(foreign, "storecheck"), key, store, target.arch); got != notes {
				t.Errorf("storecheck printed %q, want %q", got, notes)
			}
		})
	}
	notes += "back here\n"
	if got := output(t, nil, filepath.Join(native, "storecheck"), key, store, "back here"); got != notes {
		t.Errorf("storecheck printed %q, want %q", got, notes)
	}
}

// need skips at a desk that lacks a tool; where CI is set it fails instead.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		rig.Lack(t, tool+" is missing")
	}
}

// build compiles programs into dir, for this machine when arch is empty.
func build(t *testing.T, arch, dir string, packages ...string) {
	t.Helper()
	static := ""
	if arch != "" {
		static = `-ldflags '-linkmode external -extldflags -static'`
	}
	shell(t, arch, fmt.Sprintf(". ./.envrc; go build %s -o '%s/' %s", static, dir, strings.Join(packages, " ")))
}

// shell runs a command at the top of the workspace.
func shell(t *testing.T, arch, command string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
	cmd.Dir = ".."
	// The make that runs the tests is not the make that runs in them.
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); name != "ARCH" && name != "MAKEFLAGS" && name != "MAKELEVEL" && name != "MFLAGS" {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if arch != "" {
		cmd.Env = append(cmd.Env, "ARCH="+arch)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}

// output runs a program and returns what it printed.
func output(t *testing.T, stdin []byte, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.Bytes())
	}
	return string(out)
}

// checkStatic wants a program that needs nothing of the machine but its processor.
func checkStatic(t *testing.T, path string, machine elf.Machine) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Error(err)
		return
	}
	defer f.Close()
	if f.Machine != machine {
		t.Errorf("%s is for %v, want %v", path, f.Machine, machine)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			t.Errorf("%s loads libraries when it starts", path)
		}
	}
}

// digests describes the files of a folder.
func digests(t *testing.T, dir string) string {
	t.Helper()
	var lines strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s %x\n", e.Name(), sha256.Sum256(b))
	}
	return lines.String()
}

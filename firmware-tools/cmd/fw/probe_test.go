package main

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"stockade/firmware-tools/simulate"
	"stockade/internal/serialport"
)

// probing runs "fw scanner probe" beside a simulated scanner.
func probing(t *testing.T, args ...string) (*simulate.Scanner, *transcript, chan error) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "gun")
	gun, err := simulate.NewScanner(link)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(gun.Close)
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	var out transcript
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, append([]string{"scanner", "probe", "--port", link}, args...), nil, &out, io.Discard)
	}()
	eventually(t, "the port is open", func() bool { return strings.Contains(out.String(), "请扫几个") })
	return gun, &out, done
}

func TestProbe(t *testing.T) {
	for _, driver := range []string{"bugst", "tarm"} {
		gun, out, done := probing(t, "--driver", driver, "--scans", "3")
		for _, scan := range []string{"6901234567892\r", "4006381333931\r", "6930871308957\r"} {
			before := strings.Count(out.String(), "建议")
			if err := gun.Send([]byte(scan)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "a proposal", func() bool { return strings.Count(out.String(), "建议") > before })
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`"6901234567892\r"`, "Each scan ends with: CR", "没有 AIM 标识符", `profile = ""`, "--setup honeywell:aim-id", `Code 128 "@AIDENA1"`} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %s in\n%s", driver, want, out.String())
			}
		}
	}
}

func TestProbeSetup(t *testing.T) {
	gun, out, done := probing(t, "--setup", "newland:aim-id")
	got, _, err := gun.WaitReceived(t.Context(), 0)
	if err != nil || string(got) != "~\x010000@AIDENA1;\x03" {
		t.Errorf("the scanner got %q, %v", got, err)
	}
	if err := gun.Send([]byte("\x02\x010000@AIDENA1\x06;\x03")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the answer is shown", func() bool { return strings.Contains(out.String(), `@AIDENA1\x06`) })
	gun.Close()
	if err := <-done; !errors.Is(err, serialport.ErrUnplugged) || !strings.Contains(err.Error(), "已拔出") {
		t.Errorf("unplugged: %v", err)
	}
}

func TestProbeRefuses(t *testing.T) {
	link := filepath.Join(t.TempDir(), "gun")
	gun, err := simulate.NewScanner(link)
	if err != nil {
		t.Fatal(err)
	}
	defer gun.Close()
	port, err := serialport.Open(link, serialport.Line{})
	if err != nil {
		t.Fatal(err)
	}
	defer port.Close()
	for _, c := range []struct {
		args  string
		usage bool
		says  string
	}{
		{"", true, "probe"}, {"dance", true, "probe"}, {"probe", true, "--port"}, {"probe --port x more", true, "more"},
		{"probe --port x --driver y", true, `driver "y"`}, {"probe --port x --baud 7", true, "baud 7"}, {"probe --port x --setup zebra:all", true, "zebra:all"},
		{"probe --port " + link + "-none", false, "无法打开"}, {"probe --port /dev/null", false, "not a serial port"}, {"probe --port " + link, false, "被占用"},
	} {
		err := run(t.Context(), append([]string{"scanner"}, strings.Fields(c.args)...), nil, io.Discard, io.Discard)
		if err == nil || errors.Is(err, errUsage) != c.usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("scanner %s: %v", c.args, err)
		}
	}
}

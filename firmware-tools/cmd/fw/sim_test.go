package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// transcript is output that can be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *transcript) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *transcript) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// simulation is a running "fw sim".
type simulation struct {
	out, err transcript
	ended    chan error
	stop     context.CancelFunc
}

func startSim(t *testing.T, stdin io.Reader, args ...string) *simulation {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	s := &simulation{ended: make(chan error, 1), stop: stop}
	go func() { s.ended <- run(ctx, append([]string{"sim"}, args...), stdin, &s.out, &s.err) }()
	t.Cleanup(stop)
	return s
}

func (s *simulation) wantsEnd(t *testing.T) {
	t.Helper()
	select {
	case err := <-s.ended:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("simulation never ended")
	}
}

// openPort opens the port as soon as there is one, and collects what it says.
func openPort(t *testing.T, link string) (*os.File, *transcript) {
	t.Helper()
	var port *os.File
	eventually(t, "port can be opened", func() (ok bool) {
		var err error
		port, err = os.OpenFile(link, os.O_RDWR|syscall.O_NOCTTY, 0)
		return err == nil
	})
	t.Cleanup(func() { _ = port.Close() })
	var got transcript
	go func() { _, _ = io.Copy(&got, port) }() // ends with the line
	return port, &got
}

func writeScans(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "scans.tsv")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestSimScanner(t *testing.T) {
	file := writeScans(t, "# comment\n\n\"6901234567892\\r\"\t[]\ttags\n\"\\x00\\xff\\n\"\n\"x\"\n")
	for _, c := range []struct{ terminator, want string }{
		{"keep", "6901234567892\r\x00\xff\nx"},
		{"none", "6901234567892\x00\xffx"},
		{"crlf", "6901234567892\r\n\x00\xff\r\nx\r\n"},
		{"tab", "6901234567892\t\x00\xff\tx\t"},
	} {
		link := filepath.Join(t.TempDir(), "scanner")
		s := startSim(t, nil, "scanner", "--link", link, "--file", file, "--gap", "1ms", "--chunk", "3", "--terminator", c.terminator)
		_, got := openPort(t, link)
		s.wantsEnd(t)
		eventually(t, c.terminator, func() bool { return got.String() == c.want })
		var sent string
		for line := range strings.Lines(s.out.String()) {
			var e scanEvent
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatal(err)
			}
			raw, err := strconv.Unquote(e.Data)
			if err != nil || e.Event != "sent" || e.Bytes != len(raw) || e.Line < 3 {
				t.Errorf("event %s", line)
			}
			sent += raw
		}
		if sent != c.want {
			t.Errorf("%s: reported %q, want %q", c.terminator, sent, c.want)
		}
	}
}

func TestSimScannerRepeatsAndListens(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	s := startSim(t, nil, "scanner", "--link", link, "--file", writeScans(t, `"a"`), "--gap", "1ms", "--repeat")
	port, got := openPort(t, link)
	eventually(t, "many repetitions", func() bool { return strings.HasPrefix(got.String(), "aaaaa") })
	if _, err := port.WriteString("\x07"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what the host wrote is reported", func() bool {
		return strings.Contains(s.out.String(), `{"event":"received","bytes":1,"data":"\"\\a\""}`)
	})
	s.stop()
	s.wantsEnd(t)
	if _, err := os.Lstat(link); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("link is left: %v", err)
	}
}

func TestSimNoise(t *testing.T) {
	file := writeScans(t, strconv.Quote(strings.Repeat("x", 1000)))
	play := func(seed string) string {
		link := filepath.Join(t.TempDir(), "scanner")
		s := startSim(t, nil, "scanner", "--link", link, "--file", file, "--gap", "0s", "--noise", "100", "--seed", seed)
		_, got := openPort(t, link)
		s.wantsEnd(t)
		eventually(t, "all scans arrive", func() bool { return strings.Count(got.String(), "x") == 1000 })
		return got.String()
	}
	one := play("7")
	zeros, ones := strings.Count(one, "\x00"), strings.Count(one, "\xff")
	if zeros < 20 || ones < 20 || zeros+ones > 200 || len(one) != 1000+zeros+ones {
		t.Errorf("%d zeros and %d ones in %d bytes", zeros, ones, len(one))
	}
	if play("7") != one || play("8") == one {
		t.Error("noise does not follow the seed")
	}
}

func TestSimScannerProfile(t *testing.T) {
	link := filepath.Join(t.TempDir(), "scanner")
	s := startSim(t, nil, "scanner", "--link", link, "--file", writeScans(t, `"]C10106901234567892\r"`), "--profile", "codeid-zebra", "--gap", "1ms", "--terminator", "tab")
	port, got := openPort(t, link)
	eventually(t, "scan arrives", func() bool { return got.String() == "K0106901234567892\t" })
	s.wantsEnd(t)
	_ = port.Close()

	link = filepath.Join(t.TempDir(), "scanner")
	s = startSim(t, nil, "scanner", "--link", link, "--file", writeScans(t, `"]C0x"`), "--profile", "ssi", "--gap", "1ms", "--ack-time", "10s")
	port, got = openPort(t, link)
	packet := "\x06\xf3\x00\x00\x03x\xfe\x8c"
	eventually(t, "packet arrives", func() bool { return got.String() == packet })
	if _, err := port.WriteString("\x04\xd0\x04\x00\xff\x28"); err != nil {
		t.Fatal(err)
	}
	s.wantsEnd(t)
	for _, want := range []string{`{"event":"sent","line":1,`, `{"event":"acknowledged",`} {
		if !strings.Contains(s.out.String(), want) {
			t.Errorf("events %s lack %s", s.out.String(), want)
		}
	}
}

// The cable is pulled after each scan, or in the middle of it: what is scanned again arrives whole.
func TestSimScannerUnplugs(t *testing.T) {
	for _, when := range []string{"after", "mid"} {
		link := filepath.Join(t.TempDir(), "scanner")
		s := startSim(t, nil, "scanner", "--link", link, "--file", writeScans(t, `"]E06901234567892"`), "--profile", "aim", "--gap", "1ms", "--repeat",
			"--unplug-every", "2", "--unplug", when, "--unplug-for", "30ms")
		lines := 0
		for range 3 { // terminals
			_, got := openPort(t, link)
			eventually(t, "cable is pulled", func() bool { _, err := os.Lstat(link); return errors.Is(err, os.ErrNotExist) })
			lines += strings.Count(got.String(), "]E06901234567892\r")
		}
		if lines == 0 {
			t.Errorf("%s: no whole scan on three lines", when)
		}
		if when == "mid" && !strings.Contains(s.out.String(), `{"event":"cut","line":1,"bytes":8,`) {
			t.Errorf("events %s", s.out.String())
		}
		s.stop()
		s.wantsEnd(t)
	}
}

func TestSimPrinterSpeaksTSPL(t *testing.T) {
	link, dir := filepath.Join(t.TempDir(), "printer"), t.TempDir()
	commands, keyboard := io.Pipe()
	defer keyboard.Close()
	s := startSim(t, commands, "printer", "--link", link, "--dir", dir, "--language", "tspl", "--typeface", "")
	port, got := openPort(t, link)
	if _, err := io.WriteString(keyboard, "hot on\njam\nhead\nroll -1\nhot off\njam off\nroll 0\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "wrong commands are refused", func() bool {
		return strings.Contains(s.err.String(), "head ok|open") && strings.Contains(s.err.String(), `"-1"`)
	})
	if _, err := port.WriteString("SIZE 40 mm,30 mm\r\nCLS\r\nTEXT 8,8,\"TSS24.BF2\",0,1,1,\"\xb2\xd6\"\r\nDANCE\r\nPRINT 1\r\n\x1b!?"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status says paper out", func() bool { return got.String() == "\x04" })
	if _, err := io.WriteString(keyboard, "paper ok\n"); err != nil {
		t.Fatal(err)
	}
	label := `{"event":"label","number":1,`
	eventually(t, "label is reported", func() bool { return strings.Contains(s.out.String(), label) })
	at := 0
	for _, want := range []string{`DANCE`, `字库没有`, `{"event":"spoiled",`, label} {
		i := strings.Index(s.out.String()[at:], want)
		if i < 0 {
			t.Fatalf("events %s lack %s behind byte %d", s.out.String(), want, at)
		}
		at += i
	}
	if info, err := os.Stat(filepath.Join(dir, "0001.png")); err != nil || info.Size() == 0 {
		t.Errorf("picture: %v", err)
	}
	s.stop()
	s.wantsEnd(t)
}

func TestSimPrinter(t *testing.T) {
	link, dir := filepath.Join(t.TempDir(), "printer"), t.TempDir()
	commands, keyboard := io.Pipe()
	defer keyboard.Close()
	s := startSim(t, commands, "printer", "--link", link, "--dir", dir)
	say := func(text string) {
		t.Helper()
		if _, err := io.WriteString(keyboard, text+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	port, got := openPort(t, link)
	say("ribbon out\nribbon ok\nhead open\nhead ok\nslow 5000\npaper out\npause on\npaper ok\n\ndance")
	eventually(t, "the strange command is refused", func() bool { return strings.Contains(s.err.String(), `"dance"`) })
	if _, err := port.WriteString("^XA^FX1^XZ~HS"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status says paused, one format", func() bool { return strings.Contains(got.String(), "030,0,1,0000,001") })
	if s.out.String() != "" {
		t.Errorf("printed while paused: %s", s.out.String())
	}
	say("unplug\nplug\npause off")
	want := `{"event":"label","number":1,"bytes":10,"file":"` + filepath.Join(dir, "0001.zpl") + `","image":"` + filepath.Join(dir, "0001.png") +
		`","data":"\"^XA^FX1^XZ\""}` + "\n"
	eventually(t, "label is reported", func() bool { return s.out.String() == want })
	port, _ = openPort(t, link)
	if _, err := port.WriteString("^XA2^XZ"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "second label is kept", func() bool {
		label, err := os.ReadFile(filepath.Join(dir, "0002.zpl"))
		return err == nil && string(label) == "^XA2^XZ"
	})
	if err := keyboard.Close(); err != nil { // the end of the commands is not the end of the printer
		t.Fatal(err)
	}
	if _, err := port.WriteString("^XA3^XZ"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "third label is reported", func() bool { return strings.Contains(s.out.String(), "^XA3^XZ") })
	s.stop()
	s.wantsEnd(t)
}

func TestSimDraw(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pictures")
	var out bytes.Buffer
	job := strings.NewReader("^XA^PW80^LL40^FO8,8^GB20,20,20^FS^QQ^PQ2^XZ")
	if err := run(t.Context(), []string{"sim", "draw", "--dir", dir, "--typeface", ""}, job, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(out.String(), `{"event":"warning",`) || strings.Count(out.String(), `"event":"label"`) != 2 {
		t.Errorf("events %s", out.String())
	}
	file, err := os.Open(filepath.Join(dir, "0002.png"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	picture, err := png.Decode(file)
	if err != nil || picture.Bounds() != image.Rect(0, 0, 80, 40) {
		t.Errorf("picture %v, %v", picture, err)
	}
}

func TestSimRefuses(t *testing.T) {
	good, dir := writeScans(t, `"a"`), t.TempDir()
	for _, c := range []struct {
		args  string
		usage bool
		says  string
	}{
		{"", true, "scanner|printer"},
		{"toaster", true, "toaster"},
		{"draw", true, "--dir"},
		{"draw --dir " + dir + " --language epl", true, "--language"},
		{"scanner --link " + dir + "/s", true, "--file"},
		{"printer", true, "--link"},
		{"scanner --link " + dir + "/s --file " + good + " --terminator bell", true, "--terminator"},
		{"scanner --link " + dir + "/s --file " + good + " --noise 1001", true, "--noise"},
		{"scanner --link " + dir + "/s --file " + good + " --chunk -1", true, "--chunk"},
		{"scanner --link " + dir + "/s --file " + good + " more", true, "more"},
		{"printer --link " + dir + "/s --colour", true, "colour"},
		{"printer --link " + dir + "/s --language epl", true, "--language"},
		{"printer --link " + dir + "/s --buffer -1", true, "--buffer"},
		{"printer --link " + dir + "/s --typeface " + good, false, "open font"},
		{"scanner --link " + dir + "/s --file " + good + " --profile wand", true, "codeid-zebra"},
		{"scanner --link " + dir + "/s --file " + good + " --vendor acme", true, "--vendor"},
		{"scanner --link " + dir + "/s --file " + good + " --unplug never", true, "--unplug"},
		{"scanner --link " + dir + "/s --file " + good + " --tries 0", true, "--tries"},
		{"scanner --link " + dir + "/s --file " + good + " --profile ssi", false, "line 1"},
		{"scanner --link " + dir + "/s --file " + writeScans(t, "\"a\"\nb\n"), false, "line 2"},
		{"scanner --link " + dir + "/s --file " + writeScans(t, "# none\n"), false, "no line"},
		{"scanner --link " + good + " --file " + good, false, "no symbolic link"},
		{"printer --link " + good, false, "no symbolic link"},
	} {
		err := run(t.Context(), append([]string{"sim"}, strings.Fields(c.args)...), strings.NewReader(""), io.Discard, io.Discard)
		if err == nil || errors.Is(err, errUsage) != c.usage || !strings.Contains(err.Error(), c.says) {
			t.Errorf("sim %s: %v", c.args, err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

package simulate

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

const okStatus = "\x02030,0,0,0000,000,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"

func newPrinter(t *testing.T, o PrinterOptions) (*Printer, *host, string) {
	t.Helper()
	link := filepath.Join(t.TempDir(), "printer")
	p, err := NewPrinter(link, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, openHost(t, link), link
}

func wantLabels(t *testing.T, p *Printer, want ...string) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d labels", len(want)), func() bool { return len(p.Labels()) >= len(want) })
	var got []string
	for _, l := range p.Labels() {
		got = append(got, string(l))
	}
	if !slices.Equal(got, want) {
		t.Errorf("printed %q, want %q", got, want)
	}
}

func TestStatus(t *testing.T) {
	for _, c := range []struct {
		name   string
		set    func(p *Printer)
		silent bool // unless told to answer
		answer string
	}{
		{"ready", func(*Printer) {}, false, okStatus},
		{"paper out", func(p *Printer) { p.SetPaper(false) }, true,
			"\x02030,1,0,0000,001,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"},
		{"ribbon out", func(p *Printer) { p.SetRibbon(false) }, true,
			"\x02030,0,0,0000,001,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,1,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"},
		{"head open", func(p *Printer) { p.SetHead(false) }, true,
			"\x02030,0,0,0000,001,0,0,0,000,0,0,0\x03\r\n\x02000,0,1,0,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"},
		{"paused", func(p *Printer) { p.SetPaused(true) }, false,
			"\x02030,0,1,0000,001,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"},
		{"all right again", func(p *Printer) {
			p.SetPaper(false)
			p.SetRibbon(false)
			p.SetHead(false)
			p.SetPaused(true)
			p.SetPaper(true)
			p.SetRibbon(true)
			p.SetHead(true)
			p.SetPaused(false)
		}, false, okStatus},
	} {
		for _, answers := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/answers=%t", c.name, answers), func(t *testing.T) {
				p, h, _ := newPrinter(t, PrinterOptions{AnswerInError: answers})
				c.set(p)
				h.write([]byte("^XA^XZ~HS"))
				want := c.answer
				if c.silent && !answers {
					// What is read later is answered later: the first answer can only be to the second question.
					eventually(t, "format waits", func() bool { return p.Waiting() == 1 })
					h.write([]byte("^XA^XZ"))
					eventually(t, "question was read", func() bool { return p.Waiting() == 2 })
					p.SetPaper(true)
					p.SetRibbon(true)
					p.SetHead(true)
					h.write([]byte("~HS"))
					want = okStatus
				}
				h.wants([]byte(want))
			})
		}
	}
}

func TestLabelsAreKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "labels")
	one, two := "^XA^FO10,10^FD中文 \x00\xff^FS^XZ", "^xa^FDsecond^FS^xz"
	p, h, link := newPrinter(t, PrinterOptions{Dir: dir})
	h.write([]byte("junk ^XZ\r\n" + one + "\r\n~H" + two))
	wantLabels(t, p, one, two)
	p.Close()

	p, err := NewPrinter(link, PrinterOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	openHost(t, link).write([]byte(one))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	labels, next, err := p.WaitLabels(ctx, 0)
	if err != nil || next != 1 || labels[0].Number != 3 || labels[0].Err != nil || labels[0].File != filepath.Join(dir, "0003.zpl") || labels[0].Image != filepath.Join(dir, "0003.png") {
		t.Errorf("third label: %+v, %d, %v", labels, next, err)
	}
	for name, want := range map[string]string{"0001.zpl": one, "0002.zpl": two, "0003.zpl": one} {
		if got, err := os.ReadFile(filepath.Join(dir, name)); string(got) != want {
			t.Errorf("%s holds %q, %v", name, got, err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 6 { // and a picture of each
		t.Errorf("directory holds %v, %v", entries, err)
	}
}

func TestLostDirectoryIsReported(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "labels")
	p, h, _ := newPrinter(t, PrinterOptions{Dir: dir})
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	h.write([]byte("^XA^XZ"))
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	labels, _, err := p.WaitLabels(ctx, 0)
	if err != nil || labels[0].Err == nil || labels[0].File != "" || string(labels[0].Data) != "^XA^XZ" {
		t.Errorf("label is %+v, %v", labels, err)
	}
}

func TestFormatsWaitForPaper(t *testing.T) {
	p, h, link := newPrinter(t, PrinterOptions{})
	p.SetPaper(false)
	h.write([]byte("^XA1^XZ^XA2^XZ^XApart"))
	eventually(t, "two formats wait", func() bool { return p.Waiting() == 2 })
	if n := len(p.Labels()); n != 0 {
		t.Fatalf("%d labels without paper", n)
	}
	p.Unplug()
	h.wantsEnd()
	if err := p.Replug(); err != nil {
		t.Fatal(err)
	}
	h = openHost(t, link)
	h.write([]byte("^XA3^XZ"))
	eventually(t, "three formats wait", func() bool { return p.Waiting() == 3 })
	p.SetPaper(true)
	wantLabels(t, p, "^XA1^XZ", "^XA2^XZ", "^XA3^XZ")
}

func TestCancel(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{})
	p.SetPaused(true)
	h.write([]byte("^XA1^XZ"))
	eventually(t, "format waits", func() bool { return p.Waiting() == 1 })
	h.write([]byte("^XAhalf~JA^XA2^XZ~HS"))
	h.wants([]byte("\x02030,0,1,0000,001,0,0,0,000,0,0,0\x03\r\n\x02000,0,0,0,0,2,0,0,00000000,1,000\x03\r\n\x021234,0\x03\r\n"))
	p.SetPaused(false)
	wantLabels(t, p, "^XA2^XZ")
}

// A full printer takes no more bytes, and takes them again when it can print.
func TestFullPrinterHoldsTheHost(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{})
	p.SetPaused(true)
	format := "^XA" + string(bytes.Repeat([]byte("x"), 1000)) + "^XZ"
	const all = maxWaiting + 200
	written := make(chan error, 1)
	go func() {
		_, err := h.port.Write(bytes.Repeat([]byte(format), all))
		written <- err
	}()
	eventually(t, "printer is full", func() bool { return p.Waiting() >= maxWaiting })
	p.SetPaused(false)
	select {
	case err := <-written:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatal("host never could write the rest")
	}
	eventually(t, "everything is printed", func() bool { return len(p.Labels()) == all })
}

func TestSlowPrinter(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{BytesPerSecond: 200})
	label := "^XA" + string(bytes.Repeat([]byte("x"), 94)) + "^XZ"
	began := time.Now()
	h.write([]byte(label))
	wantLabels(t, p, label)
	// 99 bytes in pieces of 10: nine full rests of 50 ms before the last piece is read.
	if took := time.Since(began); took < 400*time.Millisecond {
		t.Errorf("99 bytes at 200 a second took %s", took)
	}
	p.SetSpeed(1) // would take a minute and a half
	h.write([]byte(label))
	p.SetSpeed(0)
	wantLabels(t, p, label, label)
}

func TestUnplugSlowPrinter(t *testing.T) {
	p, h, _ := newPrinter(t, PrinterOptions{BytesPerSecond: 1})
	h.write([]byte("^XA^XZ"))
	ended := make(chan struct{})
	go func() { p.Unplug(); close(ended) }()
	select {
	case <-ended:
	case <-time.After(patience):
		t.Fatal("unplugging waits for a slow printer")
	}
	h.wantsEnd()
}

package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"

	"stockade/firmware-tools/simulate"
)

const (
	chunkPause = 5 * time.Millisecond
	drainLimit = 30 * time.Second // for a host to read the last scan before the scanner goes
)

// terminators are what --terminator may say, beside "keep".
var terminators = map[string]string{"none": "", "cr": "\r", "lf": "\n", "crlf": "\r\n", "tab": "\t"}

// scanEvent is one line of output: bytes sent by the scanner, or received from the host.
type scanEvent struct {
	Event string `json:"event"`          // "sent" or "received"
	Line  int    `json:"line,omitempty"` // of the file
	Bytes int    `json:"bytes"`
	Data  string `json:"data"` // a Go string literal, as in the file
}

// scanLine is one literal of the file.
type scanLine struct {
	number int
	raw    []byte
}

type scannerOptions struct {
	link, file, terminator string
	gap                    time.Duration
	noise, chunk           int
	seed                   uint64
	repeat                 bool
}

func simScanner(ctx context.Context, args []string, stdout io.Writer) error {
	var o scannerOptions
	flags := flag.NewFlagSet("scanner", flag.ContinueOnError)
	flags.StringVar(&o.link, "link", "", "")
	flags.StringVar(&o.file, "file", "", "")
	flags.StringVar(&o.terminator, "terminator", "keep", "")
	flags.DurationVar(&o.gap, "gap", 200*time.Millisecond, "")
	flags.IntVar(&o.noise, "noise", 0, "")
	flags.IntVar(&o.chunk, "chunk", 0, "")
	flags.Uint64Var(&o.seed, "seed", 1, "")
	flags.BoolVar(&o.repeat, "repeat", false, "")
	if err := parseSim(flags, args); err != nil {
		return err
	}
	_, known := terminators[o.terminator]
	switch {
	case o.link == "" || o.file == "":
		return fmt.Errorf("%w: 需要 / needs --link PATH --file FILE", errUsage)
	case !known && o.terminator != "keep":
		return fmt.Errorf("%w: --terminator keep|none|cr|lf|crlf|tab", errUsage)
	case o.noise < 0 || o.noise > 1000:
		return fmt.Errorf("%w: --noise 0...1000", errUsage)
	case o.chunk < 0 || o.gap < 0:
		return fmt.Errorf("%w: --chunk, --gap: 不能为负 / not below 0", errUsage)
	}
	lines, err := readScans(o.file)
	if err != nil {
		return err
	}
	scanner, err := simulate.NewScanner(o.link)
	if err != nil {
		return err
	}
	defer scanner.Close()
	out := &events{w: stdout}
	listening, stop := context.WithCancel(ctx)
	heard := make(chan error, 1)
	go func() { heard <- listen(listening, scanner, out) }()
	err = ended(ctx, play(ctx, scanner, o, lines, out))
	stop()
	if heardErr := <-heard; err == nil {
		err = heardErr
	}
	return err
}

// readScans reads column 1 of a tab separated file. Every literal is looked at before any is
// played: half a test run is worse than none.
func readScans(file string) ([]scanLine, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the installer names the file
	if err != nil {
		return nil, fmt.Errorf("读取扫描文件 / read scans: %w", err)
	}
	var lines []scanLine
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		column, _, _ := strings.Cut(line, "\t")
		raw, err := strconv.Unquote(strings.TrimSpace(column))
		if err != nil {
			return nil, fmt.Errorf("%s: 第 %d 行不是 Go 字符串 / line %d is not a Go string literal: %w", file, number, number, err)
		}
		lines = append(lines, scanLine{number, []byte(raw)})
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("%s: 没有可播放的行 / no line to play", file)
	}
	return lines, nil
}

// play sends every line, with a gap behind each, and waits until the host has read the last.
func play(ctx context.Context, scanner *simulate.Scanner, o scannerOptions, lines []scanLine, out *events) error {
	random := rand.New(rand.NewPCG(o.seed, 0)) // #nosec G404 -- noise that can be repeated, no secret
	for {
		for _, line := range lines {
			raw := addNoise(random, o.noise, endWith(line.raw, o.terminator))
			if err := scanner.SendContext(ctx, raw, o.chunk, chunkPause); err != nil {
				return err
			}
			if err := out.write(scanEvent{"sent", line.number, len(raw), strconv.QuoteToASCII(string(raw))}); err != nil {
				return err
			}
			select {
			case <-time.After(o.gap):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if !o.repeat {
			break
		}
	}
	draining, stop := context.WithTimeout(ctx, drainLimit)
	defer stop()
	if err := scanner.Drain(draining); err != nil && ctx.Err() == nil {
		return fmt.Errorf("最后的扫描没有被读取 / last scans were not read within %s: %w", drainLimit, err)
	}
	return ctx.Err()
}

// listen reports what the host writes until ctx ends.
func listen(ctx context.Context, scanner *simulate.Scanner, out *events) error {
	for from := 0; ; {
		raw, next, err := scanner.WaitReceived(ctx, from)
		if err != nil {
			return ended(ctx, err)
		}
		from = next
		if err := out.write(scanEvent{Event: "received", Bytes: len(raw), Data: strconv.QuoteToASCII(string(raw))}); err != nil {
			return err
		}
	}
}

// endWith puts the wanted terminator in the place of the one that raw has.
func endWith(raw []byte, terminator string) []byte {
	if terminator == "keep" {
		return raw
	}
	return []byte(strings.TrimRight(string(raw), "\r\n\t") + terminators[terminator])
}

// addNoise puts 0x00 or 0xFF before a byte with a chance of perMille in 1000.
func addNoise(random *rand.Rand, perMille int, raw []byte) []byte {
	if perMille == 0 {
		return raw
	}
	noisy := make([]byte, 0, len(raw))
	for _, b := range raw {
		if random.IntN(1000) < perMille {
			noisy = append(noisy, byte(random.IntN(2)*0xFF)) // #nosec G115 -- 0 or 255
		}
		noisy = append(noisy, b)
	}
	return noisy
}

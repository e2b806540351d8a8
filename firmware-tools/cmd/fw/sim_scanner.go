package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
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

// scanEvent is one line of output: bytes sent by the scanner or received from the host, and what they meant.
type scanEvent struct {
	Event simulate.ScanEventKind `json:"event"`
	Line  int                    `json:"line,omitempty"` // of the file
	Bytes int                    `json:"bytes"`
	Data  string                 `json:"data"`           // a Go string literal, as in the file
	Text  string                 `json:"text,omitempty"` // of a command of the host's, such as "good" of a beep
}

// scanLine is one literal of the file.
type scanLine struct {
	number int
	raw    []byte
}

type scannerOptions struct {
	link, file, terminator string
	gap                    time.Duration
	noise                  int
	seed                   uint64
	repeat                 bool
	unplugEvery            int
	unplugFor              time.Duration
	unplug                 string
	gun                    simulate.GunOptions
}

func simScanner(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := scannerFlags(args)
	if err != nil {
		return err
	}
	lines, err := readScans(o.file)
	if err != nil {
		return err
	}
	for i, line := range lines { // all are looked at before any is played
		if o.gun.Profile.Name == "raw" {
			lines[i].raw = endWith(line.raw, o.terminator)
		}
		if _, err := o.gun.Profile.Frame(lines[i].raw); err != nil {
			return fmt.Errorf("%s: 第 %d 行 / line %d: %w", o.file, line.number, line.number, err)
		}
	}
	gun, err := simulate.NewGun(o.link, o.gun)
	if err != nil {
		return err
	}
	defer gun.Close()
	out := &events{w: stdout}
	playing, broken := context.WithCancel(ctx)
	defer broken()
	listening, stop := context.WithCancel(ctx)
	heard := make(chan error, 1)
	go func() {
		err := reportScanner(listening, gun, out)
		if err != nil {
			broken()
		}
		heard <- err
	}()
	err = ended(ctx, play(playing, gun, o, lines))
	stop()
	if heardErr := <-heard; heardErr != nil {
		err = heardErr
	}
	return err
}

func scannerFlags(args []string) (o scannerOptions, err error) {
	var profile, vendor, substitute string
	flags := flag.NewFlagSet("scanner", flag.ContinueOnError)
	flags.StringVar(&o.link, "link", "", "")
	flags.StringVar(&o.file, "file", "", "")
	flags.StringVar(&profile, "profile", "raw", "")
	flags.StringVar(&vendor, "vendor", "", "")
	flags.StringVar(&substitute, "gs", "", "")
	flags.StringVar(&o.terminator, "terminator", "keep", "")
	flags.DurationVar(&o.gap, "gap", 200*time.Millisecond, "")
	flags.IntVar(&o.noise, "noise", 0, "")
	flags.IntVar(&o.gun.Chunk, "chunk", 0, "")
	flags.DurationVar(&o.gun.ChunkPause, "chunk-pause", chunkPause, "")
	flags.DurationVar(&o.gun.AckTime, "ack-time", 2*time.Second, "")
	flags.IntVar(&o.gun.Tries, "tries", 3, "")
	flags.IntVar(&o.unplugEvery, "unplug-every", 0, "")
	flags.DurationVar(&o.unplugFor, "unplug-for", time.Second, "")
	flags.StringVar(&o.unplug, "unplug", "after", "")
	flags.Uint64Var(&o.seed, "seed", 1, "")
	flags.BoolVar(&o.repeat, "repeat", false, "")
	if err := parseSim(flags, args); err != nil {
		return o, err
	}
	end, known := terminators[o.terminator]
	switch {
	case o.link == "" || o.file == "":
		return o, fmt.Errorf("%w: 需要 / needs --link PATH --file FILE", errUsage)
	case !known && o.terminator != "keep":
		return o, fmt.Errorf("%w: --terminator keep|none|cr|lf|crlf|tab", errUsage)
	case o.noise < 0 || o.noise > 1000:
		return o, fmt.Errorf("%w: --noise 0...1000", errUsage)
	case o.gun.Chunk < 0 || o.gap < 0 || o.gun.ChunkPause < 0 || o.unplugEvery < 0 || o.unplugFor < 0:
		return o, fmt.Errorf("%w: --chunk, --chunk-pause, --gap, --unplug-every, --unplug-for: 不能为负 / not below 0", errUsage)
	case o.gun.AckTime <= 0 || o.gun.Tries <= 0:
		return o, fmt.Errorf("%w: --ack-time, --tries: 必须大于 0 / above 0", errUsage)
	case o.unplug != "after" && o.unplug != "mid":
		return o, fmt.Errorf("%w: --unplug after|mid", errUsage)
	case vendor != "" && !slices.Contains(simulate.Vendors(), simulate.Vendor(vendor)):
		return o, fmt.Errorf("%w: --vendor zebra|ssi|honeywell|datalogic|newland", errUsage)
	}
	p, err := simulate.FindProfile(profile)
	if err != nil {
		return o, fmt.Errorf("%w: --profile: %w", errUsage, err)
	}
	if known {
		p.End = end
	}
	if vendor != "" {
		p.Vendor = simulate.Vendor(vendor)
	}
	if substitute != "" {
		p.GS = substitute
	}
	o.gun.Profile = p
	random := rand.New(rand.NewPCG(o.seed, 0)) // #nosec G404 -- noise that can be repeated, no secret
	o.gun.Noise = func(raw []byte) []byte { return addNoise(random, o.noise, raw) }
	return o, nil
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

// play sends every line, with a gap behind each, and waits until the host has read the last. A scan that the
// host never acknowledges is lost, as it is with a real scanner.
func play(ctx context.Context, gun *simulate.Gun, o scannerOptions, lines []scanLine) error {
	played := 0
	for {
		for _, line := range lines {
			if played++; o.unplugEvery > 0 && played%o.unplugEvery == 0 && o.unplug == "mid" {
				if err := gun.HalfScan(ctx, line.number, line.raw); err != nil {
					return err
				}
				if err := plugAgain(ctx, gun, o.unplugFor); err != nil {
					return err
				}
			}
			if err := gun.Scan(ctx, line.number, line.raw); err != nil && !errors.Is(err, simulate.ErrNotAcknowledged) {
				return err
			}
			if err := pauseFor(ctx, o.gap); err != nil {
				return err
			}
			if o.unplugEvery > 0 && played%o.unplugEvery == 0 && o.unplug == "after" {
				if err := drain(ctx, gun); err != nil {
					return err
				}
				gun.Unplug()
				if err := plugAgain(ctx, gun, o.unplugFor); err != nil {
					return err
				}
			}
		}
		if !o.repeat {
			return drain(ctx, gun)
		}
	}
}

// plugAgain waits, plugs in and gives the host the same time to open the port: what is scanned before is lost.
func plugAgain(ctx context.Context, gun *simulate.Gun, d time.Duration) error {
	if err := pauseFor(ctx, d); err != nil {
		return err
	}
	if err := gun.Replug(); err != nil {
		return err
	}
	return pauseFor(ctx, d)
}

func pauseFor(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain waits until the host has read everything.
func drain(ctx context.Context, gun *simulate.Gun) error {
	draining, stop := context.WithTimeout(ctx, drainLimit)
	defer stop()
	if err := gun.Drain(draining); err != nil && ctx.Err() == nil {
		return fmt.Errorf("最后的扫描没有被读取 / last scans were not read within %s: %w", drainLimit, err)
	}
	return ctx.Err()
}

// reportScanner tells what the scanner sends and what the host writes, until ctx ends, and then what is left.
func reportScanner(ctx context.Context, gun *simulate.Gun, out *events) error {
	for from := 0; ; {
		happened, next, err := gun.WaitEvents(ctx, from)
		if err != nil {
			return ended(ctx, err)
		}
		from = next
		for _, h := range happened {
			if err := out.write(scanEvent{h.Kind, h.Line, len(h.Raw), strconv.QuoteToASCII(string(h.Raw)), h.Text}); err != nil {
				return err
			}
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

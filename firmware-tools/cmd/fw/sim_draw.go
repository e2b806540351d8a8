package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"stockade/firmware-tools/simulate"
)

// simDraw draws the labels of a print job from standard input, as the simulated printer would.
func simDraw(_ context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	var dir, typeface string
	var o simulate.PrinterOptions
	flags := flag.NewFlagSet("draw", flag.ContinueOnError)
	flags.StringVar((*string)(&o.Language), "language", string(simulate.ZPL), "")
	flags.StringVar(&dir, "dir", "", "")
	flags.StringVar(&typeface, "typeface", debianFont, "")
	flags.IntVar(&o.Width, "width", 0, "")
	flags.BoolVar(&o.OneIsBlack, "one-is-black", false, "")
	if err := parseSim(flags, args); err != nil {
		return err
	}
	switch {
	case dir == "":
		return fmt.Errorf("%w: 需要 / needs --dir DIR", errUsage)
	case !slices.Contains(simulate.Languages(), o.Language):
		return fmt.Errorf("%w: --language zpl|tspl|escpos", errUsage)
	}
	face, err := chineseFont(typeface, stderr)
	if err != nil {
		return err
	}
	if face != nil {
		defer face.Close()
	}
	o.Chinese = face
	sent, err := io.ReadAll(stdin)
	if err != nil {
		return fmt.Errorf("读取任务 / read job: %w", err)
	}
	labels, warnings, err := simulate.Read(o, sent)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make directory for pictures: %w", err)
	}
	out := &events{w: stdout}
	for _, w := range warnings {
		if err := out.write(printerEvent{Event: simulate.EventWarning, Text: w}); err != nil {
			return err
		}
	}
	for _, l := range labels {
		dots, _ := l.Picture()
		picture, err := dots.PNG()
		if err != nil {
			return err
		}
		file := filepath.Join(dir, fmt.Sprintf("%04d.png", l.Number))
		if err := os.WriteFile(file, picture, 0o600); err != nil {
			return fmt.Errorf("write picture: %w", err)
		}
		event := printerEvent{Event: simulate.EventLabel, Number: l.Number, Bytes: len(l.Data), Image: file, Data: strconv.QuoteToASCII(string(l.Data))}
		if err := out.write(event); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"stockade/protocol/barcode"
)

const decodeUsage = `  fw decode < FILE
    每行：Go 字符串 [TAB 期望值] [TAB 标签]；每行输出一个 JSON 数组；无法读取的行输出 []，并以失败结束
    a line is: Go string literal [TAB expected] [TAB tags]; each gives one JSON array; a line that can not be read gives [] and the command fails in the end`

// runDecode prints one JSON array for every line that holds a literal, in order, so that the
// lines of input and output can be laid side by side. Blank lines and lines that begin with
// "#" give none.
func runDecode(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: decode 从标准输入读取 / decode reads standard input", errUsage)
	}
	in, out := bufio.NewReaderSize(stdin, 64<<10), bufio.NewWriterSize(stdout, 64<<10)
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	unreadable := 0
	for n := 1; ctx.Err() == nil; n++ {
		line, err := in.ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read line %d: %w", n, err)
		}
		if decoded, ok, bad := decodeLine(line, time.Now()); ok {
			if bad != nil {
				unreadable++
				fmt.Fprintf(stderr, "fw decode: 第 %d 行不是 Go 字符串 / line %d is not a Go string literal: %v\n", n, n, bad)
			}
			if err := encoder.Encode(decoded); err != nil {
				return fmt.Errorf("write line %d: %w", n, err)
			}
			if in.Buffered() == 0 { // nothing more is here: whoever sent the line may wait for the answer
				if err := out.Flush(); err != nil {
					return fmt.Errorf("write line %d: %w", n, err)
				}
			}
		}
		if err != nil {
			break
		}
	}
	if err := errors.Join(out.Flush(), ctx.Err()); err != nil {
		return err
	}
	if unreadable > 0 {
		return fmt.Errorf("%d 行无法读取 / lines could not be read", unreadable)
	}
	return nil
}

// decodeLine reads "literal [TAB expected] [TAB tags]". ok is false for a line that is no vector. A
// literal that can not be read gives an empty list beside the error, so that lines stay in step.
func decodeLine(line string, now time.Time) (scans []barcode.Scan, ok bool, err error) {
	line = strings.TrimRight(line, "\r\n")
	if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
		return nil, false, nil
	}
	literal, tags, raw, err := splitVector(line)
	if err != nil {
		return []barcode.Scan{}, true, fmt.Errorf("%.40s: %w", literal, err)
	}
	scans = barcode.Decode(barcode.ParseProfile(strings.Join(tags, " ")), []byte(raw), now)
	if scans == nil {
		scans = []barcode.Scan{}
	}
	return scans, true, nil
}

// splitVector takes a line apart. The literal may hold tabs itself.
func splitVector(line string) (literal string, tags []string, raw string, err error) {
	line = strings.TrimLeft(line, " ")
	if literal, err = strconv.QuotedPrefix(line); err != nil {
		return line, nil, "", err
	}
	if raw, err = strconv.Unquote(literal); err != nil {
		return literal, nil, "", err
	}
	columns := strings.Split(line[len(literal):], "\t")
	if strings.TrimSpace(columns[0]) != "" {
		return literal, nil, "", fmt.Errorf("%q after the literal", columns[0])
	}
	tags = columns[1:]
	if len(tags) > 0 && strings.HasPrefix(strings.TrimLeft(tags[0], " "), "[") {
		tags = tags[1:]
	}
	return literal, tags, raw, nil
}

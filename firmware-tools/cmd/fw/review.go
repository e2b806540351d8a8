package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"stockade/firmware-tools/verify"
	"stockade/protocol/access"
)

const reviewUsage = `  fw review verify RESULT --trust FILE [--json]
    核验权限复核的签名结果；RESULT 从总部的“权限复核”页面下载，FILE 由 hub trust 打印，须经另一途径取得
    check the signed result of an access review; RESULT comes from the page of the review, FILE is printed by hub trust and must reach you another way`

func runReview(_ context.Context, args []string, _ io.Reader, stdout, stderr io.Writer) error {
	usage := fmt.Errorf("%w: fw review verify RESULT --trust FILE [--json]", errUsage)
	if len(args) == 0 || args[0] != "verify" {
		return usage
	}
	flags := flag.NewFlagSet("fw review verify", flag.ContinueOnError)
	flags.SetOutput(stderr)
	trustFile := flags.String("trust", "", "公钥文件，由 hub trust 打印 / keys given from outside, printed by hub trust")
	asJSON := flags.Bool("json", false, "以 JSON 输出 / print JSON")
	files, err := interspersed(flags, args[1:])
	if err != nil || len(files) != 1 || *trustFile == "" {
		return usage
	}
	b, err := os.ReadFile(*trustFile)
	if err != nil {
		return err
	}
	trust, err := verify.ParseTrust(b)
	if err != nil {
		return fmt.Errorf("%s: %w", *trustFile, err)
	}
	signed, err := os.ReadFile(files[0]) // #nosec G304 G703 -- named by whoever checks
	if err != nil {
		return err
	}
	r, log, err := verify.Review(signed, trust)
	if err != nil {
		return fmt.Errorf("复核结果未通过核验 / the result is not authentic: %w", err)
	}
	if *asJSON {
		return json.NewEncoder(stdout).Encode(r)
	}
	return tellReview(stdout, r, log)
}

func tellReview(w io.Writer, r access.Review, log string) error {
	count := map[access.Verdict]int{}
	for _, i := range r.Items {
		count[i.Verdict]++
	}
	_, err := fmt.Fprintf(w, "真实：由 %[1]s 的密钥签名 / authentic: signed with the key of %[1]s\n%[2]s · %[3]s · %[4]s %[5]s\n确认 / confirmed %[6]d · 取消 / withdrawn %[7]d · 未答复 / not answered %[8]d\n",
		log, strconv.Quote(r.Title), r.Due, time.UnixMilli(r.Closed).UTC().Format(time.RFC3339), strconv.Quote(string(r.ClosedBy)), count[access.Confirmed], count[access.Withdrawn], count[access.Undecided])
	for _, i := range r.Items {
		if err == nil {
			_, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", strconv.Quote(string(i.Account)), strconv.Quote(string(i.Role)), i.Warehouse, i.Verdict, strconv.Quote(string(i.By)), strconv.Quote(i.Note))
		}
	}
	return err
}

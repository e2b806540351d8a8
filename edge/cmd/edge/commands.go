package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"stockade/edge/enrolment"
	"stockade/edge/station"
	"stockade/edge/store"
	wire "stockade/protocol/enrol"
	"stockade/protocol/stock"
)

func (c config) storePath() string { return filepath.Join(c.DataDir, storeFile) }

// problems say what to do about the hub's refusals.
var problems = map[wire.Problem]string{
	wire.ProblemToken:    "令牌不对：请重新复制 / wrong token: copy it again",
	wire.ProblemUsed:     "令牌已被使用：请总部执行 hub node add --replace 另发一个 / the token was used: ask for another with hub node add --replace",
	wire.ProblemExpired:  "令牌已过期：请总部另发一个 / the token has expired: ask for another",
	wire.ProblemReopened: "总部日志已重开：请总部另发一个令牌 / the hub has begun a new log: ask for another token",
	wire.ProblemHosts:    "配置中 names 里有不允许的名称 / a name in the configuration's names is not allowed",
	wire.ProblemRevoked:  "本节点已被吊销 / this node was revoked",
	wire.ProblemBusy:     "总部忙：请稍后再试 / the hub is busy: try again later",
}

func enrol(ctx context.Context, c config, o options, stdout io.Writer, _ *slog.Logger) error {
	text := o.token
	if name, ok := strings.CutPrefix(text, "@"); ok {
		b, err := os.ReadFile(name) // #nosec G304 -- named by the operator
		if err != nil {
			return fmt.Errorf("read token: %w", err)
		}
		text = string(b)
	}
	if text == "" {
		return fmt.Errorf("%w: --token", errUsage)
	}
	if _, err := wire.DecodeToken(text); err != nil { // before anything is made on the disk
		return err
	}
	s, done, err := openStore(ctx, c, true)
	if err != nil {
		return err
	}
	defer done()
	node, err := enrolment.Run(ctx, s, text, c.Names)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "已注册为节点 %s / enrolled as node %s\n", node, node)
	return err
}

// stockRow is a line of `stock --json`; hub and edge print the same form.
type stockRow struct {
	Warehouse stock.Warehouse `json:"warehouse"`
	SKU       stock.SKU       `json:"sku"`
	GTIN      stock.GTIN      `json:"gtin"`
	Lot       stock.Lot       `json:"lot"`
	Serial    stock.Serial    `json:"serial"`
	Expiry    stock.Date      `json:"expiry"`
	Location  string          `json:"location"` // code of the bin
	State     string          `json:"state"`
	Quantity  stock.Quantity  `json:"quantity"`
}

func printStock(ctx context.Context, c config, _ options, stdout io.Writer, _ *slog.Logger) error {
	return view(ctx, c, stdout, func(tx *store.Tx) (any, error) {
		rows, err := tx.Rows(store.Filter{})
		if err != nil {
			return nil, err
		}
		out := struct {
			Warehouse stock.Warehouse `json:"warehouse"`
			Rows      []stockRow      `json:"rows"`
		}{tx.Warehouse(), []stockRow{}}
		for _, r := range rows {
			k := r.Cell.Key
			out.Rows = append(out.Rows, stockRow{Warehouse: tx.Warehouse(), SKU: k.SKU, GTIN: r.GTIN, Lot: k.Lot, Serial: k.Serial, Expiry: k.Expiry,
				Location: r.Cell.Location.Code(), State: k.State.String(), Quantity: r.OnHand})
		}
		return out, nil
	})
}

func printScans(ctx context.Context, c config, o options, stdout io.Writer, _ *slog.Logger) error {
	return view(ctx, c, stdout, func(tx *store.Tx) (any, error) {
		scans, err := station.Scans(tx, o.station, o.after, 100_000)
		if scans == nil {
			scans = []station.Feedback{}
		}
		return map[string]any{"scans": scans}, err
	})
}

// statusReport is what `status` prints.
type statusReport struct {
	Node      stock.NodeID    `json:"node"`
	Warehouse stock.Warehouse `json:"warehouse"`
	store.Outbox
	store.Counts
	LogEpoch uint64 `json:"log_epoch"`
	LogSize  int64  `json:"log_size"`
	Frozen   string `json:"frozen,omitempty"`
	Rejoin   bool   `json:"rejoining,omitempty"`
}

func printStatus(ctx context.Context, c config, _ options, stdout io.Writer, _ *slog.Logger) error {
	return view(ctx, c, stdout, func(tx *store.Tx) (any, error) {
		st, err := tx.SenderState()
		if err != nil {
			return nil, err
		}
		box, err := tx.Outbox()
		if err != nil {
			return nil, err
		}
		counts, err := tx.Totals()
		return statusReport{Node: tx.Node(), Warehouse: tx.Warehouse(), Outbox: box, Counts: counts,
			LogEpoch: st.Log.Epoch, LogSize: st.Log.Size, Frozen: st.Frozen, Rejoin: st.Asked != [16]byte{}}, err
	})
}

// printHead prints a head of the hub's log as it was signed: for hub log reopen, or to hold against another.
func printHead(ctx context.Context, c config, o options, stdout io.Writer, _ *slog.Logger) error {
	s, done, err := openStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer done()
	var head []byte
	if err := s.View(ctx, func(tx *store.Tx) error {
		cosigned, seen, err := tx.Heads()
		if head = cosigned; o.seen {
			head = seen
		}
		return err
	}); err != nil {
		return err
	}
	switch {
	case len(head) == 0:
		return errNothingSeen
	case !utf8.Valid(head): // no head but another message of the hub's
		_, err = fmt.Fprintln(stdout, base64.StdEncoding.EncodeToString(head))
	default:
		_, err = stdout.Write(head)
	}
	return err
}

// errNothingSeen is returned when the node has nothing to show against the hub.
var errNothingSeen = errors.New("总部的日志未出现矛盾 / nothing contradicts the hub's log")

// view prints what is read from the store as JSON. It works while the node runs.
func view(ctx context.Context, c config, stdout io.Writer, read func(*store.Tx) (any, error)) error {
	s, done, err := openStore(ctx, c, false)
	if err != nil {
		return err
	}
	defer done()
	var v any
	if err := s.View(ctx, func(tx *store.Tx) (err error) {
		v, err = read(tx)
		return err
	}); err != nil {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

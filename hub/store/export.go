package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/access"
	"stockade/protocol/change"
)

// ExportState says where an export stands. The words are stored and shown.
type ExportState string

// The states.
const (
	ExportWaiting ExportState = "waiting" // for an approval
	ExportReady   ExportState = "ready"
	ExportRefused ExportState = "refused" // or withdrawn, or nobody answered in time
	ExportEnded   ExportState = "ended"   // the rows were dropped
)

// ExportInfo is an export without its rows.
type ExportInfo struct {
	ID      string
	Account access.Account
	Kind    string
	Filter  string // what was chosen, as JSON
	Day     string // business day
	Lines   int64
	Hash    change.Hash // SHA-256 of the rows
	State   ExportState
	MadeAt  time.Time
	Until   time.Time // the rows are kept until then
	Fetched int64
}

// AddExport keeps an export with its packed rows.
func (tx *Tx) AddExport(e ExportInfo, body []byte) error {
	_, err := tx.tx.Exec(`INSERT INTO export (id, account, kind, filter, day, lines, hash, state, made_at, until_at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)`,
		e.ID, string(e.Account), e.Kind, e.Filter, e.Day, e.Lines, e.Hash[:], string(e.State), tx.now, e.Until.UnixMilli(), body)
	if err != nil {
		return fmt.Errorf("store export %s: %w", e.ID, err)
	}
	return nil
}

// SettleExport says what became of an export that waited; one that does not wait stays as it is. One that is not ready loses its rows.
func (tx *Tx) SettleExport(id string, state ExportState) error {
	_, err := tx.tx.Exec(`UPDATE export SET state = ?2, body = CASE WHEN ?2 = 'ready' THEN body END WHERE id = ?1 AND state = 'waiting'`, id, string(state))
	if err != nil {
		return fmt.Errorf("settle export %s: %w", id, err)
	}
	return nil
}

// FetchExport counts a fetch and returns the packed rows. One that is not ready, or another person's, is ErrNotFound.
func (tx *Tx) FetchExport(id string, account access.Account) (body []byte, err error) {
	err = tx.tx.QueryRow(`SELECT body FROM export WHERE id = ?1 AND account = ?2 AND state = 'ready' AND until_at > ?3 AND body IS NOT NULL`, id, string(account), tx.now).Scan(&body)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	if err == nil {
		_, err = tx.tx.Exec(`UPDATE export SET fetched = fetched + 1 WHERE id = ?1`, id)
	}
	if err != nil {
		return nil, fmt.Errorf("fetch export %s: %w", id, err)
	}
	return body, nil
}

// ExportBody returns the packed rows of an export that waits or is ready, for those who decide about it.
func (v *View) ExportBody(id string) (body []byte, err error) {
	err = v.tx.QueryRow(`SELECT body FROM export WHERE id = ?1 AND body IS NOT NULL`, id).Scan(&body)
	if errors.Is(err, vault.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read export %s: %w", id, err)
	}
	return body, nil
}

// EndExports drops the rows of exports whose time has passed and returns how many there were.
func (tx *Tx) EndExports() (int64, error) {
	r, err := tx.tx.Exec(`UPDATE export SET state = 'ended', body = NULL WHERE until_at <= ?1 AND body IS NOT NULL`, tx.now)
	if err != nil {
		return 0, fmt.Errorf("end exports: %w", err)
	}
	return r.RowsAffected, nil
}

// ExportsDue reports whether EndExports has something to do.
func (v *View) ExportsDue(now time.Time) (bool, error) {
	var n int64
	err := v.tx.QueryRow(`SELECT count(*) FROM export WHERE until_at <= ?1 AND body IS NOT NULL`, now.UnixMilli()).Scan(&n)
	return n > 0, err
}

// ExportedOn returns how many rows somebody has asked for on a business day, those that were refused not counted.
func (v *View) ExportedOn(account access.Account, day string) (n int64, err error) {
	err = v.tx.QueryRow(`SELECT coalesce(sum(lines), 0) FROM export WHERE account = ?1 AND day = ?2 AND state <> 'refused'`, string(account), day).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count exported rows: %w", err)
	}
	return n, nil
}

// Export returns an export, or ErrNotFound.
func (v *View) Export(id string) (ExportInfo, error) {
	list, err := v.exports(`WHERE id = ?1`, id)
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("export %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return ExportInfo{}, err
	}
	return list[0], nil
}

// Exports returns the exports of a person, the newest first, at most so many. An empty account means everybody.
func (v *View) Exports(account access.Account, most int) ([]ExportInfo, error) {
	return v.exports(`WHERE ?1 = '' OR account = ?1 ORDER BY made_at DESC, id LIMIT ?2`, string(account), most)
}

func (v *View) exports(where string, args ...any) (out []ExportInfo, err error) {
	err = each(v.tx, func(r *vault.Rows) error {
		var e ExportInfo
		var account, state string
		var made, until int64
		err := r.Scan(&e.ID, &account, &e.Kind, &e.Filter, &e.Day, &e.Lines, &e.Hash, &state, &made, &until, &e.Fetched)
		e.Account, e.State, e.MadeAt, e.Until = access.Account(account), ExportState(state), timeOf(made), timeOf(until)
		out = append(out, e)
		return err
	}, `SELECT id, account, kind, filter, day, lines, hash, state, made_at, until_at, fetched FROM export `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("read exports: %w", err)
	}
	return out, nil
}

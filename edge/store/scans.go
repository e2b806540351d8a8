package store

import (
	"errors"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// Scan is a scan that a station has dealt with. Feedback is JSON of package station.
type Scan struct {
	Station  string
	Number   int64
	Day      stock.Date
	Outcome  string
	Code     string
	Feedback []byte
}

// StationState returns what a station left, nil when it is new.
func (tx *Tx) StationState(station string) ([]byte, error) {
	var b []byte
	err := tx.tx.QueryRow(`SELECT state FROM station WHERE name = ?1`, station).Scan(&b)
	if errors.Is(err, vault.ErrNoRows) {
		return nil, nil
	}
	return b, err
}

// PutStationState keeps where a station stands.
func (tx *Tx) PutStationState(station string, state []byte) error {
	return tx.exec("station", `INSERT INTO station (name, state) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET state = excluded.state`, station, state)
}

// PutScan keeps a scan.
func (tx *Tx) PutScan(s Scan) error {
	return tx.exec("scan", `INSERT INTO scan (station, number, day, outcome, code, feedback) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		s.Station, s.Number, string(s.Day), s.Outcome, s.Code, s.Feedback)
}

// ScansAfter returns scans of a station with numbers above after, oldest first.
func (tx *Tx) ScansAfter(station string, after int64, limit int) ([]Scan, error) {
	return tx.scans(`SELECT station, number, day, outcome, code, feedback FROM scan WHERE station = ?1 AND number > ?2 ORDER BY number LIMIT ?3`, station, after, int64(limit))
}

// LastScans returns the newest scans of a station, newest first.
func (tx *Tx) LastScans(station string, limit int) ([]Scan, error) {
	return tx.scans(`SELECT station, number, day, outcome, code, feedback FROM scan WHERE station = ?1 ORDER BY number DESC LIMIT ?2`, station, int64(limit))
}

// RefusedScans returns a day's refused scans of a station, newest first.
func (tx *Tx) RefusedScans(station string, day stock.Date, limit int) ([]Scan, error) {
	return tx.scans(`SELECT station, number, day, outcome, code, feedback FROM scan WHERE station = ?1 AND day = ?2 AND outcome = 'refused' ORDER BY number DESC LIMIT ?3`, station, string(day), int64(limit))
}

func (tx *Tx) scans(query string, args ...any) ([]Scan, error) {
	var out []Scan
	err := tx.each(func(r *vault.Rows) error {
		var s Scan
		err := r.Scan(&s.Station, &s.Number, &s.Day, &s.Outcome, &s.Code, &s.Feedback)
		out = append(out, s)
		return err
	}, query, args...)
	return out, err
}

// Found is what was counted of one kind of stock in the bin that a station is counting.
type Found struct {
	Key      stock.Key
	Quantity stock.Quantity
}

// AddFound adds to a station's sheet and returns what was found of that kind so far.
func (tx *Tx) AddFound(station string, k stock.Key, q stock.Quantity) (stock.Quantity, error) {
	var total int64
	err := tx.tx.QueryRow(`INSERT INTO sheet (station, sku, lot, serial, expiry, found) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (station, sku, lot, serial, expiry) DO UPDATE SET found = found + excluded.found RETURNING found`,
		station, string(k.SKU), string(k.Lot), string(k.Serial), string(k.Expiry), int64(q)).Scan(&total)
	return stock.Quantity(total), err
}

// Sheet returns what a station has found in its bin.
func (tx *Tx) Sheet(station string) ([]Found, error) {
	var out []Found
	err := tx.each(func(r *vault.Rows) error {
		f := Found{Key: stock.Key{State: stock.Available}}
		var q int64
		err := r.Scan(&f.Key.SKU, &f.Key.Lot, &f.Key.Serial, &f.Key.Expiry, &q)
		f.Quantity = stock.Quantity(q)
		out = append(out, f)
		return err
	}, `SELECT sku, lot, serial, expiry, found FROM sheet WHERE station = ?1 ORDER BY sku, lot, serial, expiry`, station)
	return out, err
}

// ClearSheet empties a station's sheet.
func (tx *Tx) ClearSheet(station string) error {
	return tx.exec("sheet", `DELETE FROM sheet WHERE station = ?1`, station)
}

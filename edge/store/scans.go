package store

import (
	"errors"
	"fmt"
	"time"

	"stockade/internal/vault"
	"stockade/protocol/stock"
)

// Scan is a scan that a station has dealt with. Told and State are JSON of package station:
// what the worker was told, and where the station stands since.
type Scan struct {
	Station  string
	Number   int64 // from 1, rising by one within the station
	Time     time.Time
	Day      stock.Date
	Outcome  string
	Code     string
	Raw      []byte
	Told     []byte
	State    []byte
	Movement stock.ID // that the scan posted; zero for none
	Undo     stock.ID // that the station would take back now; zero for none
	Accepted int64    // of the station so far, this one included; PutScan counts
	Refused  int64

	id int64
}

// LastScan returns the last scan of a station; its number is 0 when there is none.
func (tx *Tx) LastScan(station string) (Scan, error) {
	if s, ok := tx.memo.scans[station]; ok {
		return s, nil
	}
	s := Scan{Station: station}
	id, ok, err := tx.station(station)
	if ok {
		s, err = tx.findLast(station, id)
	}
	if err == nil {
		tx.memo.scans[station] = s
	}
	return s, err
}

// noteEvery is how often the last scan of every station is noted in its row.
const noteEvery = 256

// findLast looks for the last scan of a station: after the last note, else where that points.
func (tx *Tx) findLast(name string, station int64) (Scan, error) {
	newest, err := tx.newest()
	if err != nil {
		return Scan{}, err
	}
	found, err := tx.scans(name, `WHERE s.id = coalesce((SELECT max(id) FROM scan WHERE id > ?2 AND station = ?1), (SELECT last FROM station WHERE id = ?1))`,
		station, newest-newest%noteEvery)
	if err != nil || len(found) == 0 {
		return Scan{Station: name}, err
	}
	return found[0], nil
}

// newest returns the id of the last scan of all, 0 for none.
func (tx *Tx) newest() (int64, error) {
	if tx.memo.scanned == 0 {
		if err := tx.tx.QueryRow(`SELECT coalesce(max(id), 0) FROM scan`).Scan(&tx.memo.scanned); err != nil {
			return 0, fmt.Errorf("read last scan: %w", err)
		}
	}
	return tx.memo.scanned, nil
}

// PutScan keeps a scan as the station's next, and gives it its number.
func (tx *Tx) PutScan(s Scan) error {
	last, err := tx.LastScan(s.Station)
	if err != nil {
		return err
	}
	newest, err := tx.newest()
	if err != nil {
		return err
	}
	station, ok, err := tx.station(s.Station)
	if err == nil && !ok {
		station, err = tx.addStation(s.Station)
	}
	if err != nil {
		return err
	}
	s.id, s.Number, s.Accepted, s.Refused = newest+1, last.Number+1, last.Accepted, last.Refused
	switch s.Outcome {
	case "accepted":
		s.Accepted++
	case "refused":
		s.Refused++
	}
	if err := tx.insertScan(station, last.id, s); err != nil {
		return err
	}
	tx.memo.scans[s.Station] = s
	if s.id%noteEvery == 0 { // before this scan counts as the newest: the last note is still the one to start from
		if err := tx.noteLast(); err != nil {
			return err
		}
	}
	tx.memo.scanned = s.id
	return nil
}

func (tx *Tx) insertScan(station, before int64, s Scan) error {
	movement, err := tx.rowOrZero(s.Movement)
	if err != nil {
		return err
	}
	undo, err := tx.rowOrZero(s.Undo)
	if err != nil {
		return err
	}
	return tx.exec("scan", `INSERT INTO scan (id, station, number, before, time, day, outcome, code, raw, told, state, movement, undo, accepted, refused)
		VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)`,
		s.id, station, s.Number, before, s.Time.UnixMilli(), string(s.Day), s.Outcome, s.Code, notNil(s.Raw), string(s.Told), string(s.State), movement, undo, s.Accepted, s.Refused)
}

// noteLast notes the last scan of every station.
func (tx *Tx) noteLast() error {
	names, err := tx.stationNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		last, err := tx.LastScan(name)
		if err != nil {
			return err
		}
		if err := tx.exec("station", `UPDATE station SET last = ?2 WHERE name = ?1 AND last <> ?2`, name, last.id); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) stationNames() (names []string, err error) {
	return names, tx.each(func(r *vault.Rows) error {
		var name string
		err := r.Scan(&name)
		names = append(names, name)
		return err
	}, `SELECT name FROM station ORDER BY name`)
}

func (tx *Tx) rowOrZero(id stock.ID) (int64, error) {
	if id.IsZero() {
		return 0, nil
	}
	row, _, err := tx.rowOf(id)
	return row, err
}

func (tx *Tx) station(name string) (int64, bool, error) {
	if id, ok := tx.memo.stations[name]; ok {
		return id, true, nil
	}
	id, ok, err := tx.idOf(`SELECT id FROM station WHERE name = ?1`, name)
	if ok {
		tx.memo.stations[name] = id
	}
	return id, ok, err
}

func (tx *Tx) addStation(name string) (int64, error) {
	r, err := tx.tx.Exec(`INSERT INTO station (name, last) VALUES (?1, 0)`, name)
	if err != nil {
		return 0, fmt.Errorf("store station %s: %w", name, err)
	}
	tx.memo.stations[name] = r.LastInsertID
	return r.LastInsertID, nil
}

// ScansAfter returns scans of a station with numbers above after, oldest first.
func (tx *Tx) ScansAfter(station string, after int64, limit int) ([]Scan, error) {
	last, err := tx.LastScan(station)
	if err != nil {
		return nil, err
	}
	return tx.scans(station, `WHERE s.id IN (
		WITH RECURSIVE chain (id, before) AS (
			SELECT id, before FROM scan WHERE id = ?1 AND number > ?2
			UNION ALL
			SELECT s.id, s.before FROM chain JOIN scan s ON s.id = chain.before WHERE s.number > ?2)
		SELECT id FROM chain ORDER BY id LIMIT ?3) ORDER BY s.id`, last.id, after, int64(limit))
}

// LastScans returns the newest scans of a station, newest first.
func (tx *Tx) LastScans(station string, limit int) ([]Scan, error) {
	last, err := tx.LastScan(station)
	if err != nil {
		return nil, err
	}
	return tx.scans(station, `WHERE s.id IN (
		WITH RECURSIVE chain (id, before) AS (
			SELECT id, before FROM scan WHERE id = ?1
			UNION ALL
			SELECT s.id, s.before FROM chain JOIN scan s ON s.id = chain.before
			LIMIT ?2)
		SELECT id FROM chain) ORDER BY s.id DESC`, last.id, int64(limit))
}

// RefusedScans returns a day's refused scans of a station, newest first.
func (tx *Tx) RefusedScans(station string, day stock.Date, limit int) ([]Scan, error) {
	id, ok, err := tx.station(station)
	if !ok || err != nil {
		return nil, err
	}
	return tx.scans(station, refusedScans, id, string(day), int64(limit))
}

const refusedScans = `WHERE s.outcome = 'refused' AND s.day = ?2 AND s.station = ?1 ORDER BY s.id DESC LIMIT ?3`

const scanColumns = `SELECT s.id, s.number, s.time, s.day, s.outcome, s.code, s.raw, s.told, s.state, s.movement, s.undo, s.accepted, s.refused FROM scan s `

// scans reads a station's scans; which says which.
func (tx *Tx) scans(station, which string, args ...any) ([]Scan, error) {
	var out []Scan
	err := tx.each(func(r *vault.Rows) error {
		s := Scan{Station: station}
		var when, movement, undo int64
		var told, state string
		if err := r.Scan(&s.id, &s.Number, &when, &s.Day, &s.Outcome, &s.Code, &s.Raw, &told, &state, &movement, &undo, &s.Accepted, &s.Refused); err != nil {
			return err
		}
		s.Time, s.Told, s.State = time.UnixMilli(when), []byte(told), []byte(state)
		var err1, err2 error
		s.Movement, err1 = tx.nameOf(movement)
		s.Undo, err2 = tx.nameOf(undo)
		out = append(out, s)
		return errors.Join(err1, err2)
	}, scanColumns+which, args...)
	return out, err
}

// Found is what was counted of one kind of stock in the bin that a station is counting.
type Found struct {
	Key      stock.Key
	Quantity stock.Quantity
}

// AddFound adds to a station's sheet and returns what was found of that kind so far. It refuses
// with stock.ErrOverflow what no count could hold.
func (tx *Tx) AddFound(station string, k stock.Key, q stock.Quantity) (stock.Quantity, error) {
	var was stock.Quantity
	err := tx.tx.QueryRow(`SELECT found FROM sheet WHERE station = ?1 AND sku = ?2 AND lot = ?3 AND serial = ?4 AND expiry = ?5`,
		station, string(k.SKU), string(k.Lot), string(k.Serial), string(k.Expiry)).Scan(&was)
	if err != nil && !errors.Is(err, vault.ErrNoRows) {
		return 0, fmt.Errorf("read sheet: %w", err)
	}
	total, err := was.Plus(q)
	if err != nil || total > stock.MaxQuantity {
		return 0, stock.ErrOverflow
	}
	return total, tx.exec("sheet", `INSERT OR REPLACE INTO sheet (station, sku, lot, serial, expiry, found) VALUES (?1, ?2, ?3, ?4, ?5, ?6)`,
		station, string(k.SKU), string(k.Lot), string(k.Serial), string(k.Expiry), int64(total))
}

// Sheet returns what a station has found in its bin.
func (tx *Tx) Sheet(station string) ([]Found, error) {
	var out []Found
	err := tx.each(func(r *vault.Rows) error {
		f := Found{Key: stock.Key{State: stock.Available}}
		err := r.Scan(&f.Key.SKU, &f.Key.Lot, &f.Key.Serial, &f.Key.Expiry, &f.Quantity)
		out = append(out, f)
		return err
	}, `SELECT sku, lot, serial, expiry, found FROM sheet WHERE station = ?1 ORDER BY sku, lot, serial, expiry`, station)
	return out, err
}

// ClearSheet empties a station's sheet.
func (tx *Tx) ClearSheet(station string) error {
	return tx.exec("sheet", `DELETE FROM sheet WHERE station = ?1`, station)
}

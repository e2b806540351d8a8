package exports

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/xuri/excelize/v2"

	"stockade/hub/store"
	"stockade/internal/identity"
	"stockade/protocol/access"
)

// Format is a format of files.
type Format string

// The formats.
const (
	CSV  Format = "csv"
	XLSX Format = "xlsx"
)

// Say returns a text of the catalogue in the reader's language.
type Say func(key string, args map[string]string) string

// File is a file to be sent.
type File struct {
	Name string
	Type string
	Body []byte
}

// sheetBytes is how much XML a sheet may have before the next one begins. The library writes larger ones to a temporary file in
// the clear (excelize.StreamChunkSize), which data of the house must not come to.
const sheetBytes = 12 << 20

// Fetch makes the file of an export of who's own and records that. A password is for XLSX alone; empty for none.
func (s *Service) Fetch(ctx context.Context, who identity.Person, id string, f Format, password string, say Say) (File, error) {
	if f != CSV && f != XLSX {
		return File{}, ErrFormat
	}
	if n := utf8.RuneCountInString(password); password != "" && (f != XLSX || n < 12 || n > 128) {
		return File{}, ErrPassword
	}
	var e store.ExportInfo
	var body []byte
	now := s.Recorder.Clock()
	err := s.Store.Update(ctx, now, func(tx *store.Tx) (err error) {
		if e, err = tx.Export(id); err != nil {
			return err
		}
		if body, err = tx.FetchExport(id, access.Account(who.Account)); err != nil {
			return err
		}
		entry := entryOf(ActFetched, e)
		entry.Detail["format"] = string(f)
		if password != "" {
			entry.Detail["password"] = "set"
		}
		return s.Recorder.Record(tx, whoIs(who), entry)
	})
	if err != nil {
		return File{}, err
	}
	rows, err := unpack(body, e.Hash)
	if err != nil {
		return File{}, err
	}
	m := marks{e: e, at: s.time(now), made: s.time(e.MadeAt)}
	out := File{Name: m.name(f), Type: "text/csv; charset=utf-8"}
	if f == CSV {
		out.Body, err = m.csv(rows, say)
		return out, err
	}
	out.Type = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	out.Body, err = m.xlsx(rows, password, say)
	return out, err
}

// marks are what tells a file's origin.
type marks struct {
	e        store.ExportInfo
	at, made string // fetched; when the rows were read
}

// name returns the file's name: kind, id, time, person and the beginning of the hash.
func (m marks) name(f Format) string {
	person := strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '-'
	}, string(m.e.Account))
	at := strings.NewReplacer("-", "", ":", "", " ", "-").Replace(m.at)
	return fmt.Sprintf("%s_%s_%s_%s_%s.%s", m.e.Kind, m.e.ID, at, person, m.e.Hash.String()[:16], f)
}

// line is the marks as one row.
func (m marks) line() []string {
	return []string{"STOCKADE", m.e.ID, Cell(string(m.e.Account)), m.at, fmt.Sprintf("rows %d", m.e.Lines), "sha256 " + m.e.Hash.String()}
}

func (m marks) headings(say Say) (out []string) {
	for _, key := range Headings(Kind(m.e.Kind)) {
		out = append(out, say(key, nil))
	}
	return out
}

// csv returns marks, headings and rows, with the mark of UTF-8 in front that Excel needs to read Chinese.
func (m marks) csv(rows []byte, say Say) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\uFEFF")
	w := csv.NewWriter(&b)
	w.UseCRLF = true
	if err := w.WriteAll([][]string{m.line(), m.headings(say)}); err != nil {
		return nil, err
	}
	b.Write(rows)
	return b.Bytes(), nil
}

// eachRow calls fn for every row of kept CSV.
func eachRow(rows []byte, fn func([]string) error) error {
	r := csv.NewReader(bytes.NewReader(rows))
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = fn(row)
		}
		if err != nil {
			return err
		}
	}
}

// xlsx returns a workbook: sheets of rows with the marks above them, and a sheet that tells their origin.
func (m marks) xlsx(rows []byte, password string, say Say) (out []byte, err error) {
	f := excelize.NewFile()
	defer func() { err = errors.Join(err, f.Close()) }()
	s := &sheets{f: f, m: m, heads: m.headings(say), title: say("export.kind_"+m.e.Kind, nil), cols: columns(Kind(m.e.Kind))}
	if s.bold, err = f.NewStyle(&excelize.Style{Font: &excelize.Font{Bold: true}}); err != nil {
		return nil, err
	}
	if err := eachRow(rows, s.add); err != nil {
		return nil, err
	}
	if err := s.flush(); err != nil {
		return nil, err
	}
	if err := m.origin(f, say); err != nil {
		return nil, err
	}
	if err := f.DeleteSheet("Sheet1"); err != nil {
		return nil, err
	}
	f.SetActiveSheet(0)
	if err := f.SetDocProps(&excelize.DocProperties{Creator: "Stockade", Identifier: m.e.ID, Description: strings.Join(m.line(), " ")}); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if _, err := f.WriteTo(&b, excelize.Options{Password: password}); err != nil {
		return nil, fmt.Errorf("make workbook: %w", err)
	}
	return b.Bytes(), nil
}

// sheets writes rows to one sheet after another.
type sheets struct {
	f     *excelize.File
	m     marks
	title string
	heads []string
	cols  []column
	bold  int

	w     *excelize.StreamWriter
	n     int // sheets so far
	row   int
	bytes int // of XML in the present sheet, reckoned high
}

func (s *sheets) add(row []string) error {
	size := 32
	for _, c := range row {
		size += 96 + 5*len(c) // an ampersand becomes five bytes
	}
	if s.w == nil || s.bytes+size > sheetBytes {
		if err := s.next(); err != nil {
			return err
		}
	}
	s.bytes += size
	return s.put(row, true)
}

// next begins a sheet.
func (s *sheets) next() error {
	if err := s.flush(); err != nil {
		return err
	}
	s.n++
	name := s.title
	if s.n > 1 {
		name = fmt.Sprintf("%s %d", s.title, s.n)
	}
	if _, err := s.f.NewSheet(name); err != nil {
		return err
	}
	// In headers & begins a code; twice it is itself.
	told := strings.ReplaceAll(strings.Join(s.m.line()[1:4], " · "), "&", "&&")
	if r := []rune(told); len(r) > 200 {
		told = strings.TrimRight(string(r[:200]), "&")
	}
	if err := s.f.SetHeaderFooter(name, &excelize.HeaderFooterOptions{OddHeader: "&C" + told, OddFooter: "&C" + told + " &P/&N"}); err != nil {
		return err
	}
	var err error
	if s.w, err = s.f.NewStreamWriter(name); err != nil {
		return err
	}
	s.row, s.bytes = 0, 4096
	if err := s.w.SetColWidth(1, max(1, len(s.heads)), 16); err != nil {
		return err
	}
	if err := s.put(s.m.line(), false); err != nil {
		return err
	}
	return s.styled(s.heads)
}

func (s *sheets) styled(row []string) error {
	values := make([]any, len(row))
	for i, c := range row {
		values[i] = excelize.Cell{StyleID: s.bold, Value: c}
	}
	return s.set(values)
}

// put writes a row; numbers may stand for themselves as far as a spreadsheet holds them exactly.
func (s *sheets) put(row []string, numbers bool) error {
	values := make([]any, len(row))
	for i, c := range row {
		values[i] = c
		if numbers && i < len(s.cols) && s.cols[i].number && plainNumber.MatchString(c) && len(c) <= 15 {
			if n, err := strconv.ParseFloat(c, 64); err == nil {
				values[i] = n
			}
		}
	}
	return s.set(values)
}

func (s *sheets) set(values []any) error {
	s.row++
	at, err := excelize.CoordinatesToCellName(1, s.row)
	if err != nil {
		return err
	}
	return s.w.SetRow(at, values)
}

func (s *sheets) flush() error {
	if s.w == nil {
		return nil
	}
	return s.w.Flush()
}

// origin adds the sheet that tells where the file comes from.
func (m marks) origin(f *excelize.File, say Say) error {
	name := say("export.origin", nil)
	if _, err := f.NewSheet(name); err != nil {
		return err
	}
	for i, row := range [][2]string{{"export.id", m.e.ID}, {"export.person", Cell(string(m.e.Account))}, {"export.read_at", m.made}, {"export.fetched_at", m.at},
		{"export.filter", m.e.Filter}, {"export.rows", strconv.FormatInt(m.e.Lines, 10)}, {"export.hash", m.e.Hash.String()}} {
		if err := f.SetSheetRow(name, fmt.Sprintf("A%d", i+1), &[]any{say(row[0], nil), row[1]}); err != nil {
			return err
		}
	}
	return f.SetColWidth(name, "A", "B", 40)
}

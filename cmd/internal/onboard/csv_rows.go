package onboard

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxRecord bounds a row, so that a quote that is never closed does not take the
// rest of the file into memory.
const maxRecord = 1 << 20

var errRecordTooLong = errors.New("the row is longer than 1 MiB")

// failureColumns is where those begin that a report of failed rows has.
const failureColumns = 4

// ownColumns are those that reports add. They are left out where a report is
// read.
var ownColumns = []string{
	"onboard_outcome", "onboard_earlier", "onboard_decided_at", "onboard_command_id", "failure_code", "failure_message", "failure_details",
}

// places are where the members stand in a row of CSV.
type places struct {
	of   [members]int // -1: nowhere
	keep []int        // columns that are the file's own
	all  int
}

// readHeader finds out the delimiter: the one with which the columns are there.
func (in *Input) readHeader(beginning []byte) error {
	var best error
	most := -1
	for _, comma := range []rune{',', ';', '\t'} {
		header, err := in.headerWith(beginning, comma)
		if err != nil {
			err = fmt.Errorf("the first line can't be read as names of columns: %w", err)
		} else if err = in.locate(header); err == nil {
			in.Comma = comma
			return nil
		}
		if len(header) > most {
			best, most = err, len(header)
		}
	}
	return best
}

func (in *Input) headerWith(beginning []byte, comma rune) ([]string, error) {
	r := newCSVReader(bytes.NewReader(beginning), comma)
	header, err := r.Read()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(header))
	for i, name := range header {
		names[i] = strings.Clone(unescapeCell(strings.TrimSpace(name)))
	}
	return names, nil
}

// locate finds the members' columns.
func (in *Input) locate(header []string) error {
	p := places{all: len(header)}
	in.Header = nil
	var missing []string
	for member := range p.of {
		name := in.column(member)
		p.of[member] = slices.Index(header, name)
		_, mapped := in.columns[memberNames[member]]
		switch {
		case p.of[member] >= 0 && slices.Contains(header[p.of[member]+1:], name):
			return fmt.Errorf("the column %q is there twice", name)
		case p.of[member] < 0 && (member <= phoneNumber || mapped):
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("no column is named %s; the first line names: %s. Other names are told with --map, as in --map phone_number=Telefon",
			strings.Join(missing, ", "), strings.Join(header, ", "))
	}
	for i, name := range header {
		if !slices.Contains(ownColumns, name) || slices.Contains(p.of[:], i) {
			p.keep = append(p.keep, i)
			in.Header = append(in.Header, name)
		}
	}
	in.places = p
	return nil
}

func newCSVReader(r io.Reader, comma rune) *csv.Reader {
	reader := csv.NewReader(r)
	reader.Comma, reader.FieldsPerRecord, reader.ReuseRecord = comma, -1, true
	return reader
}

type csvRows struct {
	in      *Input
	text    *text
	bounded *bounded
	csv     *csv.Reader
	record  Record
}

func (in *Input) csvRows(t *text) (rowReader, error) {
	b := &bounded{from: t}
	r := &csvRows{in: in, text: t, bounded: b, csv: newCSVReader(b, in.Comma)}
	r.record.cells = make([]string, len(in.places.keep))
	b.left = maxRecord
	_, err := r.csv.Read() // the header
	return r, err
}

func (r *csvRows) next() (*Record, error) {
	r.bounded.left = maxRecord
	cells, err := r.csv.Read()
	if err != nil {
		return nil, explainCSV(err)
	}
	record := &r.record
	record.Number++
	record.problem, record.surplus = "", nil
	for i := range cells {
		cells[i] = unescapeCell(cells[i])
	}
	at := func(place int) string {
		if place < 0 || place >= len(cells) {
			return ""
		}
		return cells[place]
	}
	p := &r.in.places
	for member, place := range p.of {
		record.values[member], record.given[member] = at(place), place >= 0 && place < len(cells)
	}
	for i, place := range p.keep {
		record.cells[i] = at(place)
	}
	if len(cells) != p.all {
		record.problem = fmt.Sprintf("The row has %d cells where the first line names %d columns.", len(cells), p.all)
		if len(cells) > p.all {
			record.surplus = slices.Clone(cells[p.all:])
		}
	}
	return record, nil
}

func (r *csvRows) digest() ([]byte, error) { return r.text.whole() }

func explainCSV(err error) error {
	var parse *csv.ParseError
	switch {
	case errors.Is(err, io.EOF):
		return io.EOF
	case errors.Is(err, errRecordTooLong):
		return fmt.Errorf("%w; a quote that opens a cell may never be closed", err)
	case errors.As(err, &parse):
		return fmt.Errorf("line %d, column %d: %w; the row begins in line %d. Nothing of the file was sent: mend its quotes", parse.Line, parse.Column, parse.Err, parse.StartLine)
	}
	return err
}

// bounded reads until so many bytes are used up.
type bounded struct {
	from io.Reader
	left int
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errRecordTooLong
	}
	n, err := b.from.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

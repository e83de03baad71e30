package onboard

import (
	"bufio"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"connect-provider/messages"
)

// ReportTo is where a report is written.
type ReportTo struct {
	Path string
	// All lists every row, also those that are connected or undecided; else only
	// failed ones.
	All  bool
	Form Form
}

// chunkRows is for how many rows at a time the places of their outcomes are held.
const chunkRows = 2 << 20

// Report writes reports, of what is known by now, in the order of the file. Each
// takes its place when it is complete. It returns how many rows are in each.
func (r *Run) Report(reports ...ReportTo) ([]int64, error) {
	r.mu.Lock()
	err := r.journal.flush()
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	open := make([]*reportFile, len(reports))
	defer func() {
		for _, file := range open {
			if file != nil {
				file.discard()
			}
		}
	}()
	for i, report := range reports {
		if open[i], err = createReport(report, r.input); err != nil {
			return nil, err
		}
	}
	if err := r.eachOutcome(func(record *Record, o *outcome) error {
		for i, file := range open {
			if !reports[i].All && (o == nil || o.failure == nil) {
				continue
			}
			if err := file.rows.write(record, o, r.options.Job.idOf(record, o)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		return nil, err
	}
	counts := make([]int64, len(reports))
	for i, file := range open {
		counts[i] = file.rows.count
		if err := file.finish(); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

// eachOutcome goes through the file once more, with the outcome of each row, nil
// where it has none.
func (r *Run) eachOutcome(take func(record *Record, o *outcome) error) error {
	rows, err := r.input.rows()
	if err != nil {
		return err
	}
	outcomes := outcomeReader{file: r.journal.file}
	var places []uint64
	first := int64(1)
	for {
		record, err := rows.next()
		if errors.Is(err, io.EOF) {
			return r.unchanged(rows)
		}
		if err != nil {
			return err
		}
		if record.Number >= first+int64(len(places)) {
			first = record.Number
			if places, err = r.journal.outcomes(first, int(max(min(chunkRows, r.survey.Rows-first+1), 1))); err != nil {
				return err
			}
		}
		var known *outcome
		if place := places[record.Number-first]; place != 0 {
			o, err := outcomes.at(place)
			if err != nil {
				return fmt.Errorf("the state file can't be read any more: %w", err)
			}
			known = &o
		}
		if err := take(record, known); err != nil {
			return err
		}
	}
}

// idOf is the id of the command that a row's outcome is about, empty if there
// was none.
func (j *Job) idOf(record *Record, o *outcome) string {
	made, failure := j.row(record)
	if failure != nil {
		return ""
	}
	if o == nil {
		return made.id
	}
	return attemptID(made.id, max(o.attempt, 1))
}

// reportFile is a report in the making, beside the place that it will take.
type reportFile struct {
	path string
	file *os.File
	rows *rowWriter
}

func createReport(report ReportTo, input *Input) (*reportFile, error) {
	file, err := os.CreateTemp(filepath.Dir(report.Path), "."+filepath.Base(report.Path)+"-")
	if err != nil {
		return nil, err
	}
	f := &reportFile{path: report.Path, file: file}
	if f.rows, err = newRowWriter(file, input, report.Form, report.All); err != nil {
		f.discard()
		return nil, err
	}
	return f, nil
}

func (f *reportFile) discard() {
	if f.file != nil {
		_ = f.file.Close()
		_ = os.Remove(f.file.Name())
		f.file = nil
	}
}

func (f *reportFile) finish() error {
	err := errors.Join(f.rows.flush(), f.file.Sync(), f.file.Close())
	if err == nil {
		err = os.Rename(f.file.Name(), f.path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", f.path, err)
	}
	f.file = nil
	return nil
}

// rowWriter writes rows with what became of them.
type rowWriter struct {
	input *Input
	form  Form
	all   bool
	to    *bufio.Writer
	csv   *csv.Writer
	cells []string
	line  []byte
	count int64
}

func newRowWriter(to io.Writer, input *Input, form Form, all bool) (*rowWriter, error) {
	w := &rowWriter{input: input, form: form, all: all, to: bufio.NewWriterSize(to, readAhead)}
	if form == JSONL {
		return w, nil
	}
	if input.BOM {
		if _, err := w.to.WriteString("\uFEFF"); err != nil {
			return nil, err
		}
	}
	w.csv = csv.NewWriter(w.to)
	w.csv.Comma = input.Comma
	return w, w.writeCells(input.Header, w.own())
}

// own are the names of the columns that the report adds.
func (w *rowWriter) own() []string {
	if w.all {
		return ownColumns
	}
	return ownColumns[failureColumns:]
}

func (w *rowWriter) writeCells(cells, own []string) error {
	w.cells = w.cells[:0]
	for _, cell := range cells {
		w.cells = append(w.cells, escapeCell(cell))
	}
	for _, cell := range own {
		w.cells = append(w.cells, escapeCell(cell))
	}
	return w.csv.Write(w.cells)
}

// write writes a row. Of an undecided one o is nil.
func (w *rowWriter) write(record *Record, o *outcome, id string) error {
	w.count++
	values := ownValues(record, o, id)
	own := values[:]
	if !w.all {
		own = values[failureColumns:]
	}
	if w.form == CSV {
		return w.writeCells(record.cells, own)
	}
	line := append(w.line[:0], '{')
	line = w.appendMembers(line, record)
	for i, name := range w.own() {
		if own[i] == "" {
			continue
		}
		line = appendName(line, name)
		if name == "failure_details" {
			line = append(line, own[i]...)
		} else {
			line = appendText(line, own[i])
		}
	}
	w.line = append(line, '}', '\n')
	_, err := w.to.Write(w.line)
	return err
}

// ownValues are what a report says of a row, in the order of ownColumns.
func ownValues(record *Record, o *outcome, id string) (values [7]string) {
	values[3] = id
	if o == nil {
		values[0] = "undecided"
		return values
	}
	values[0] = "connected"
	if !o.decidedAt.IsZero() {
		values[2] = o.decidedAt.UTC().Format(time.RFC3339)
	}
	if o.earlier {
		values[1] = "yes"
	}
	if o.failure == nil {
		return values
	}
	values[0], values[4], values[5] = "failed", string(o.failure.Code), o.failure.Message
	details := *o.failure
	if len(record.surplus) > 0 {
		details.Details = map[string]string{}
		for i, cell := range record.surplus {
			details.Details[fmt.Sprintf("cell %d beyond the last column", i+1)] = validText(cell)
		}
	}
	values[6] = detailsText(&details)
	return values
}

// appendMembers writes what the row says itself.
func (w *rowWriter) appendMembers(line []byte, record *Record) []byte {
	if record.line == nil {
		for i, name := range w.input.Header {
			line = appendText(appendName(line, name), record.cells[i])
		}
		return line
	}
	start := len(line)
	err := eachMember(record.line, func(name string, value jsontext.Value) error {
		if !w.input.ownMember(name) {
			line = append(appendName(line, name), value...)
		}
		return nil
	})
	if err != nil {
		line = appendText(appendName(line[:start], unreadable), string(record.line))
	}
	return line
}

func appendName(line []byte, name string) []byte {
	if line[len(line)-1] != '{' {
		line = append(line, ',')
	}
	return append(appendText(line, name), ':')
}

// appendText never fails: what is not UTF-8 is written as U+FFFD.
func appendText(line []byte, text string) []byte {
	line, _ = jsontext.AppendQuote(line, text)
	return line
}

func validText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	return string([]rune(text))
}

func (w *rowWriter) flush() error {
	if w.csv != nil {
		w.csv.Flush()
		if err := w.csv.Error(); err != nil {
			return err
		}
	}
	return w.to.Flush()
}

// Summary is what a run has come to, for programs.
type Summary struct {
	Job  string `json:"job"`
	File string `json:"file"`
	Rows int64  `json:"rows"`
	// DryRun says that nothing was published, and that the rest is what would be.
	DryRun    bool `json:"dry_run,omitzero"`
	Connected struct {
		Total     int64 `json:"total"`
		Unchanged int64 `json:"unchanged"`
		Earlier   int64 `json:"earlier"`
	} `json:"connected"`
	Failed struct {
		Total   int64                   `json:"total"`
		Earlier int64                   `json:"earlier"`
		Unsent  int64                   `json:"unsent"`
		Codes   map[messages.Code]int64 `json:"codes"`
	} `json:"failed"`
	// EarlierFrom and EarlierUntil are when the rows were decided that an earlier
	// run has decided.
	EarlierFrom  time.Time         `json:"earlier_from,omitzero"`
	EarlierUntil time.Time         `json:"earlier_until,omitzero"`
	Undecided    int64             `json:"undecided"`
	Accepted     int64             `json:"accepted"`
	Resumed      int64             `json:"resumed"`
	Interrupted  bool              `json:"interrupted"`
	Seconds      float64           `json:"seconds"`
	Reports      map[string]string `json:"reports,omitzero"`
}

// Summarize makes a summary of counts.
func (c *Counts) Summarize(job, file string) Summary {
	s := Summary{Job: job, File: file, Rows: c.Rows, Undecided: c.Undecided(), Accepted: c.Accepted, EarlierFrom: c.EarlierFrom, EarlierUntil: c.EarlierUntil}
	s.Connected.Total, s.Connected.Unchanged, s.Connected.Earlier = c.Connected, c.Unchanged, c.ConnectedEarlier
	s.Failed.Total, s.Failed.Earlier, s.Failed.Unsent = c.Failed, c.FailedEarlier, c.Unsent
	s.Failed.Codes = c.Codes
	return s
}

// ReportForm is the form of a report: the input's unless another is asked for.
// CSV can't be made of JSONL, of which each line may have members of its own.
func (in *Input) ReportForm(asked Form) (Form, error) {
	form := cmp.Or(asked, in.Form)
	if form == CSV && in.Form == JSONL {
		return form, errors.New("a report as CSV can't be made of JSONL: its lines have no common columns")
	}
	return form, nil
}

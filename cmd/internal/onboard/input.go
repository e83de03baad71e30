package onboard

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// Form is how rows are written.
type Form string

// The forms that are read and reported.
const (
	CSV   Form = "csv"
	JSONL Form = "jsonl"
)

// Input is a file of rows, which is read several times.
type Input struct {
	file    io.ReadSeeker
	close   func() error
	columns map[string]string // of the rows' members, where they have other names

	// Form, the delimiter and the byte order mark are those of the file, and
	// of its report.
	Form  Form
	Comma rune
	BOM   bool
	// Header has the names of the columns that the report keeps, nil for JSONL.
	Header []string
	places places
}

// OpenInput opens a file, or, for "-", keeps what standard input says in a
// temporary file: rows are read more than once. columns gives the names that
// members have in the file, where they are others. The caller closes it.
func OpenInput(path string, stdin io.Reader, columns map[string]string) (*Input, error) {
	in := &Input{columns: columns}
	file, err := openFile(path, stdin)
	if err != nil {
		return nil, err
	}
	in.file, in.close = file, file.Close
	if err := in.recognize(); err != nil {
		_ = in.Close()
		return nil, err
	}
	return in, nil
}

func openFile(path string, stdin io.Reader) (*os.File, error) {
	if path != "-" {
		return os.Open(path)
	}
	spool, err := os.CreateTemp("", "connectctl-onboard-")
	if err != nil {
		return nil, err
	}
	// without a name it goes with this process, however that ends
	if err := os.Remove(spool.Name()); err != nil {
		_ = spool.Close()
		return nil, fmt.Errorf("standard input can't be kept on this system, give a file: %w", err)
	}
	if _, err := io.Copy(spool, stdin); err != nil {
		_ = spool.Close()
		return nil, fmt.Errorf("read standard input: %w", err)
	}
	return spool, nil
}

// Close closes the file.
func (in *Input) Close() error { return in.close() }

const readAhead = 64 << 10

// text is the file from its beginning: decompressed, without a byte order mark.
type text struct {
	*bufio.Reader
	bom    bool
	digest hash.Hash // of the content read so far
}

func (in *Input) open() (*text, error) {
	if _, err := in.file.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	raw := bufio.NewReaderSize(in.file, readAhead)
	content := io.Reader(raw)
	if magic, _ := raw.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(raw)
		if err != nil {
			return nil, fmt.Errorf("gzip: %w", err)
		}
		content = unzipped
	}
	t := &text{digest: sha256.New()}
	t.Reader = bufio.NewReaderSize(io.TeeReader(content, t.digest), readAhead)
	mark, err := t.Peek(3)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case bytes.Equal(mark, []byte("\xef\xbb\xbf")):
		t.bom = true
		_, _ = t.Discard(3)
	case bytes.HasPrefix(mark, []byte{0xff, 0xfe}), bytes.HasPrefix(mark, []byte{0xfe, 0xff}):
		return nil, errors.New("the file is UTF-16; save it as UTF-8 (in a spreadsheet: CSV UTF-8)")
	}
	return t, nil
}

// recognize tells the form by the beginning of the file.
func (in *Input) recognize() error {
	t, err := in.open()
	if err != nil {
		return err
	}
	in.BOM = t.bom
	beginning, err := t.Peek(readAhead - 3)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	switch first := bytes.TrimLeft(beginning, " \t\r\n"); {
	case len(first) == 0:
		return errors.New("the file is empty; its first line names the columns: " + wantedColumns)
	case first[0] == '{':
		in.Form = JSONL
		return nil
	}
	in.Form = CSV
	return in.readHeader(beginning)
}

// Record is a row as the file has it. What it holds is good until the next one
// is read.
type Record struct {
	// Number counts the rows, from 1, the header not among them.
	Number int64
	values [members]string
	given  [members]bool
	// problem is what keeps the row from being read, as "" if nothing does.
	problem string
	// surplus are cells beyond the header's.
	surplus []string

	cells []string // CSV: those that the report keeps
	line  []byte   // JSONL: the line as it stands
}

// members of a row that onboarding reads.
const (
	bridgeSlug = iota
	providerConfigID
	phoneNumber
	orgHandle
	commandID
	members
)

var memberNames = [members]string{"bridge_slug", "provider_config_id", "phone_number", "org_handle", "command_id"}

const wantedColumns = "bridge_slug, provider_config_id and phone_number, and perhaps org_handle and command_id"

// MemberNames are the members of a row that can have another name in a file.
func MemberNames() []string { return memberNames[:] }

// column is the name that a member has in the file.
func (in *Input) column(member int) string {
	if name, ok := in.columns[memberNames[member]]; ok {
		return name
	}
	return memberNames[member]
}

// rowReader reads the file's rows, in order, until io.EOF.
type rowReader interface {
	next() (*Record, error)
	// digest is that of the whole content, once all was read.
	digest() ([]byte, error)
}

func (in *Input) rows() (rowReader, error) {
	t, err := in.open()
	if err != nil {
		return nil, err
	}
	if in.Form == JSONL {
		return in.jsonlRows(t), nil
	}
	return in.csvRows(t)
}

func (t *text) whole() ([]byte, error) {
	if _, err := io.Copy(io.Discard, t.Reader); err != nil {
		return nil, err
	}
	return t.digest.Sum(nil), nil
}

package onboard

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

type jsonlRows struct {
	in     *Input
	text   *text
	record Record
	line   []byte
}

func (in *Input) jsonlRows(t *text) rowReader { return &jsonlRows{in: in, text: t} }

func (r *jsonlRows) next() (*Record, error) {
	for {
		tooLong, err := r.readLine()
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(r.line)) == 0 {
			continue
		}
		record := &r.record
		*record = Record{Number: record.Number + 1, line: r.line}
		if tooLong {
			record.problem = "The line is longer than 1 MiB."
		} else if err := r.in.readObject(record); err != nil {
			record.problem = fmt.Sprintf("The line is no JSON object that can be read: %v.", err)
		}
		return record, nil
	}
}

// readLine reads a line without its end. Of one that is too long it keeps the
// beginning.
func (r *jsonlRows) readLine() (tooLong bool, err error) {
	r.line = r.line[:0]
	for {
		part, err := r.text.ReadSlice('\n')
		if room := maxRecord - len(r.line); len(part) > room {
			tooLong = true
		} else if !tooLong {
			r.line = append(r.line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && len(r.line) > 0, err == nil:
			r.line = bytes.TrimRight(r.line, "\r\n")
			if tooLong {
				r.line = r.line[:min(len(r.line), 1024)]
			}
			return tooLong, nil
		default:
			return tooLong, err
		}
	}
}

// readObject reads the members that onboarding knows. Numbers may stand for
// texts only where the command has a number.
func (in *Input) readObject(record *Record) error {
	return eachMember(record.line, func(name string, value jsontext.Value) error {
		for member := range record.values {
			if name != in.column(member) {
				continue
			}
			kind := value.Kind()
			switch {
			case kind == 'n':
			case kind == '"':
				plain, err := jsontext.AppendUnquote(nil, value)
				if err != nil {
					return err
				}
				record.values[member], record.given[member] = string(plain), true
			case kind == '0' && member == providerConfigID:
				record.values[member], record.given[member] = string(value), true
			default:
				return fmt.Errorf("%q must be a string", name)
			}
		}
		return nil
	})
}

// eachMember passes on the members of a line's object, in order.
func eachMember(line []byte, take func(name string, value jsontext.Value) error) error {
	decoder := jsontext.NewDecoder(bytes.NewReader(line))
	if kind := decoder.PeekKind(); kind != '{' {
		return errors.New("it does not begin with {")
	}
	if _, err := decoder.ReadToken(); err != nil {
		return err
	}
	for decoder.PeekKind() != '}' {
		name, err := decoder.ReadToken()
		if err != nil {
			return plainError(err)
		}
		text := name.String()
		value, err := decoder.ReadValue()
		if err != nil {
			return plainError(err)
		}
		if err := take(text, value); err != nil {
			return err
		}
	}
	if _, err := decoder.ReadToken(); err != nil {
		return plainError(err)
	}
	if _, err := decoder.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the object")
	}
	return nil
}

// plainError tells what is wrong and not the text around it, which may hold a
// phone number.
func plainError(err error) error {
	var syntactic *jsontext.SyntacticError
	if errors.As(err, &syntactic) && syntactic.Err != nil {
		return fmt.Errorf("at byte %d: %w", syntactic.ByteOffset+1, syntactic.Err)
	}
	return err
}

func (r *jsonlRows) digest() ([]byte, error) { return r.text.whole() }

// ownMember reports whether a member is one that reports add.
func (in *Input) ownMember(name string) bool {
	return slices.Contains(ownColumns, name) && !slices.ContainsFunc(memberNames[:], func(member string) bool {
		return in.columns[member] == name
	})
}

// unreadable is the member under which a report keeps a line that is no object.
const unreadable = "onboard_line"

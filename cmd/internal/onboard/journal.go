package onboard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/go-json-experiment/json"

	"connect-provider/messages"
)

// journal is the state file: the outcomes that are known, in the order in which
// they became known, and where the lanes stood when the run began. It is written
// in blocks, each with its length and checksum; whatever stands behind the last
// whole block was never written.
//
// Losing it, or a part of its end, costs questions and nothing else.
type journal struct {
	file  *os.File
	size  int64
	block []byte // to be written
}

const (
	journalMagic  = "connect-provider onboard state 1\n"
	blockHeader   = 8 // length and checksum
	fullBlock     = 32 << 10
	longestBlock  = 4 << 20
	entryOutcome  = 'o'
	entryStanding = 's'
)

// identity is what a state file must have been written for, to be of use. It is
// the first block.
type identity struct {
	Digest       string            `json:"digest"`
	Job          string            `json:"job"`
	Organization string            `json:"organization"`
	Columns      map[string]string `json:"columns,omitempty"`
	Form         Form              `json:"form"`
	Retry        bool              `json:"retry_failed,omitempty"`
}

// standing is how far an organization's lanes had come when the run began: what
// they had passed by then was decided earlier.
type standing struct {
	token string
	lanes []messages.LaneCursor
}

var errForeign = errors.New("it belongs to another run")

// openJournal opens a state file, or begins one: where there is none, or it was
// written for something else. Each entry that is found is passed on.
func openJournal(path string, id identity, take func(number int64, o *outcome) error, stand func(standing)) (*journal, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: file}
	if err := lockFile(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("state file %s: %w: another run is at work with it", path, err)
	}
	err = j.replay(id, take, stand)
	if errors.Is(err, errForeign) {
		err = j.begin(id)
	}
	if err == nil {
		err = file.Truncate(j.size)
	}
	if err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("state file %s: %w", path, err)
	}
	return j, nil
}

func (j *journal) begin(id identity) error {
	if err := j.file.Truncate(0); err != nil {
		return err
	}
	if _, err := j.file.WriteAt([]byte(journalMagic), 0); err != nil {
		return err
	}
	j.size = int64(len(journalMagic))
	text, err := json.Marshal(id, json.Deterministic(true))
	if err != nil {
		return err
	}
	j.block = append(j.block, text...)
	return j.flush()
}

// replay reads the entries up to the last whole block.
func (j *journal) replay(id identity, take func(number int64, o *outcome) error, stand func(standing)) error {
	want, err := json.Marshal(id, json.Deterministic(true))
	if err != nil {
		return err
	}
	first := true
	err = j.blocks(func(block []byte, _ int64) error {
		if first {
			if first = false; string(block) != string(want) {
				return errForeign
			}
			return nil
		}
		return eachEntry(block, func(e entry) error {
			if e.outcome == nil {
				stand(e.standing)
				return nil
			}
			return take(e.number, e.outcome)
		})
	})
	if err == nil && first {
		err = errForeign
	}
	return err
}

// blocks passes on each whole block with the place where it begins, and notes
// where the last one ends.
func (j *journal) blocks(take func(block []byte, at int64) error) error {
	r := bufio.NewReaderSize(io.NewSectionReader(j.file, 0, 1<<62), readAhead)
	magic := make([]byte, len(journalMagic))
	if _, err := io.ReadFull(r, magic); err != nil || string(magic) != journalMagic {
		return errForeign
	}
	j.size = int64(len(magic))
	var header [blockHeader]byte
	var block []byte
	for {
		if _, err := io.ReadFull(r, header[:]); err != nil {
			return endOf(err)
		}
		length, sum := binary.LittleEndian.Uint32(header[:4]), binary.LittleEndian.Uint32(header[4:])
		if length == 0 || length > longestBlock {
			return nil
		}
		if uint32(cap(block)) < length {
			block = make([]byte, length)
		}
		block = block[:length]
		if _, err := io.ReadFull(r, block); err != nil {
			return endOf(err)
		}
		if crc32.ChecksumIEEE(block) != sum {
			return nil
		}
		if err := take(block, j.size+blockHeader); err != nil {
			return err
		}
		j.size += blockHeader + int64(length)
	}
}

// endOf is nil where the file just ends.
func endOf(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// entry is one of a block's: an outcome, or a standing.
type entry struct {
	number   int64
	outcome  *outcome
	standing standing
	at, size int // within the block: the outcome
}

func eachEntry(block []byte, take func(entry) error) error {
	rest := block
	for len(rest) > 0 {
		var e entry
		kind := rest[0]
		cut := cutter{b: rest[1:]}
		switch kind {
		case entryOutcome:
			e.number = int64(cut.uvarint())
			e.at = len(block) - len(cut.b)
			o, after, err := readOutcome(cut.b)
			if err != nil {
				return err
			}
			e.outcome, e.size, rest = &o, len(cut.b)-len(after), after
		case entryStanding:
			if err := json.Unmarshal([]byte(cut.text()), &e.standing); err != nil {
				return err
			}
			rest = cut.b
		default:
			return fmt.Errorf("an entry of kind %q", kind)
		}
		if cut.short {
			return errShort
		}
		if err := take(e); err != nil {
			return err
		}
	}
	return nil
}

// add notes an outcome. It is in the file after the next flush, at the latest
// when a block is full.
func (j *journal) add(number int64, o *outcome) error {
	j.block = binary.AppendUvarint(append(j.block, entryOutcome), uint64(number))
	j.block = o.append(j.block)
	if len(j.block) < fullBlock {
		return nil
	}
	return j.flush()
}

func (j *journal) stand(s standing) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	j.block = append(binary.AppendUvarint(append(j.block, entryStanding), uint64(len(text))), text...)
	return j.flush()
}

// flush writes what was added. What a killed process has flushed stays.
func (j *journal) flush() error {
	if len(j.block) == 0 {
		return nil
	}
	framed := make([]byte, blockHeader, blockHeader+len(j.block))
	binary.LittleEndian.PutUint32(framed, uint32(len(j.block)))
	binary.LittleEndian.PutUint32(framed[4:], crc32.ChecksumIEEE(j.block))
	framed = append(framed, j.block...)
	if _, err := j.file.WriteAt(framed, j.size); err != nil {
		return fmt.Errorf("write the state file: %w", err)
	}
	j.size += int64(len(framed))
	j.block = j.block[:0]
	return nil
}

func (j *journal) close() error { return j.file.Close() }

// outcomes returns where the outcomes of the rows from first on stand, one for
// each of count rows; 0 where there is none. The first one of a row counts.
func (j *journal) outcomes(first int64, count int) ([]uint64, error) {
	places := make([]uint64, count)
	begun := false
	size := j.size
	err := j.blocks(func(block []byte, at int64) error {
		if !begun {
			begun = true
			return nil
		}
		return eachEntry(block, func(e entry) error {
			if i := e.number - first; e.outcome != nil && i >= 0 && i < int64(count) && places[i] == 0 {
				places[i] = uint64(at+int64(e.at))<<placeBits | uint64(e.size)
			}
			return nil
		})
	})
	j.size = size
	return places, err
}

// placeBits are those of a place that hold an outcome's size.
const placeBits = 20

// outcomeReader reads outcomes of which the places are known. They stand nearly
// in the order of their rows: no farther from it than rows were in flight.
type outcomeReader struct {
	file   io.ReaderAt
	window []byte
	from   int64
}

func (r *outcomeReader) at(place uint64) (outcome, error) {
	offset, size := int64(place>>placeBits), int(place&(1<<placeBits-1))
	if offset < r.from || offset+int64(size) > r.from+int64(len(r.window)) {
		if err := r.move(offset, size); err != nil {
			return outcome{}, err
		}
	}
	o, _, err := readOutcome(r.window[offset-r.from:][:size])
	return o, err
}

// windowBytes is more than twice what the outcomes take that can be in flight.
const windowBytes = 2 << 20

// move puts the window around a place.
func (r *outcomeReader) move(offset int64, size int) error {
	if r.window == nil {
		r.window = make([]byte, windowBytes)
	}
	r.window = r.window[:cap(r.window)]
	r.from = max(0, offset-windowBytes/2)
	n, err := r.file.ReadAt(r.window, r.from)
	r.window = r.window[:n]
	if offset+int64(size) > r.from+int64(n) {
		return err
	}
	return nil
}

// wireStanding is a standing's JSON.
type wireStanding struct {
	Token string     `json:"token"`
	Lanes []wireLane `json:"lanes"`
}

type wireLane struct {
	Lane       string `json:"lane"`
	Generation int64  `json:"generation"`
	Cursor     uint64 `json:"cursor"`
}

// MarshalJSON writes the standing into the state file.
func (s standing) MarshalJSON() ([]byte, error) {
	w := wireStanding{Token: s.token}
	for _, lane := range s.lanes {
		w.Lanes = append(w.Lanes, wireLane{lane.Lane.String(), lane.Generation, lane.Cursor})
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads the standing from the state file.
func (s *standing) UnmarshalJSON(text []byte) error {
	var w wireStanding
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	s.token, s.lanes = w.Token, nil
	for _, l := range w.Lanes {
		lane, err := messages.ParseLane(l.Lane)
		if err != nil {
			return err
		}
		s.lanes = append(s.lanes, messages.LaneCursor{Lane: lane, Generation: l.Generation, Cursor: l.Cursor})
	}
	return nil
}

// before reports whether a message was decided before the lanes stood there.
func (s *standing) before(d *messages.Decided) bool {
	for _, lane := range s.lanes {
		if lane.Lane == d.Lane {
			return d.Generation < lane.Generation || d.Generation == lane.Generation && d.Sequence <= lane.Cursor
		}
	}
	return false
}

package onboard

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/go-json-experiment/json"

	"connect-provider/messages"
)

// outcome is what became of a row.
type outcome struct {
	// failure is nil if the number is connected.
	failure *messages.Failure
	changed bool
	// earlier says that it was decided before this run began.
	earlier bool
	// own says that the row could be no command, or that its id was taken: no
	// worker has decided it.
	own       bool
	attempt   int
	decidedAt time.Time
}

const (
	flagFailed = 1 << iota
	flagChanged
	flagEarlier
	flagOwn
)

// append writes the outcome as the state file has it.
func (o *outcome) append(b []byte) []byte {
	flags := byte(0)
	mark := func(flag byte, set bool) {
		if set {
			flags |= flag
		}
	}
	mark(flagFailed, o.failure != nil)
	mark(flagChanged, o.changed)
	mark(flagEarlier, o.earlier)
	mark(flagOwn, o.own)
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(o.attempt))
	micros := int64(0)
	if !o.decidedAt.IsZero() {
		micros = o.decidedAt.UnixMicro()
	}
	b = binary.AppendVarint(b, micros)
	if o.failure != nil {
		for _, text := range []string{string(o.failure.Code), o.failure.Field, o.failure.Message, detailsText(o.failure)} {
			b = append(binary.AppendUvarint(b, uint64(len(text))), text...)
		}
	}
	return b
}

// detailsText is a failure's details as a JSON object, empty if there are none.
func detailsText(f *messages.Failure) string {
	if len(f.Details) == 0 {
		return ""
	}
	text, err := json.Marshal(f.Details, json.Deterministic(true))
	if err != nil {
		return "" // a map of valid texts is always JSON
	}
	return string(text)
}

var errShort = errors.New("an outcome is cut off")

// readOutcome reads what append wrote, and returns the rest.
func readOutcome(b []byte) (o outcome, rest []byte, err error) {
	cut := cutter{b: b}
	flags := cut.byte()
	o.changed, o.earlier, o.own = flags&flagChanged != 0, flags&flagEarlier != 0, flags&flagOwn != 0
	o.attempt = int(cut.uvarint())
	if micros := cut.varint(); micros != 0 {
		o.decidedAt = time.UnixMicro(micros).UTC()
	}
	if flags&flagFailed != 0 {
		o.failure = &messages.Failure{Code: messages.Code(cut.text()), Field: cut.text(), Message: cut.text()}
		if details := cut.text(); details != "" {
			if err := json.Unmarshal([]byte(details), &o.failure.Details); err != nil {
				return o, nil, err
			}
		}
	}
	if cut.short {
		return o, nil, errShort
	}
	return o, cut.b, nil
}

// cutter takes values off the beginning of bytes.
type cutter struct {
	b     []byte
	short bool
}

func (c *cutter) byte() byte {
	if len(c.b) == 0 {
		c.short = true
		return 0
	}
	first := c.b[0]
	c.b = c.b[1:]
	return first
}

func (c *cutter) uvarint() uint64 {
	value, n := binary.Uvarint(c.b)
	c.advance(n)
	return value
}

func (c *cutter) varint() int64 {
	value, n := binary.Varint(c.b)
	c.advance(n)
	return value
}

func (c *cutter) advance(n int) {
	if n <= 0 {
		c.short, c.b = true, nil
		return
	}
	c.b = c.b[n:]
}

func (c *cutter) text() string {
	n := c.uvarint()
	if n > uint64(len(c.b)) {
		c.short, c.b = true, nil
		return ""
	}
	text := string(c.b[:n])
	c.b = c.b[n:]
	return text
}

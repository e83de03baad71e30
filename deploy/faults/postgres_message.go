package faults

import "encoding/binary"

// pgMessage is a message of the PostgreSQL protocol.
type pgMessage struct {
	kind      byte // 0 for a start-up message
	body, raw []byte
}

// pgMessages cuts a byte stream into messages.
type pgMessages struct {
	buf     []byte
	untyped bool // what comes next is a start-up message, which has no kind
}

func (s *pgMessages) add(b []byte) { s.buf = append(s.buf, b...) }

func (s *pgMessages) next() (pgMessage, bool) {
	head := 1
	if s.untyped {
		head = 0
	}
	if len(s.buf) < head+4 {
		return pgMessage{}, false
	}
	size := head + max(4, int(binary.BigEndian.Uint32(s.buf[head:]))) // the length counts itself
	if len(s.buf) < size {
		return pgMessage{}, false
	}
	m := pgMessage{raw: s.buf[:size:size], body: s.buf[head+4 : size : size]}
	if head == 1 {
		m.kind = s.buf[0]
	}
	s.buf, s.untyped = s.buf[size:], false
	return m, true
}

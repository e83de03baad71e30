package faults

import (
	"bytes"
	"strconv"
)

// What a server may send at most. A line is longest in INFO, with the addresses
// of a cluster; the largest payload that a server can be configured for is 64 MiB.
const (
	longestLine    = 1 << 20
	largestPayload = 64 << 20
)

// natsOperation is what a NATS server sends at once (client protocol): a line,
// or a line and a message.
type natsOperation struct {
	raw     []byte
	payload []byte // of a message, without its headers; else empty
}

// natsOperations cuts a byte stream into operations. From the first thing on
// that is none, such as a TLS handshake, it gives all that comes as it comes.
type natsOperations struct {
	buf    []byte
	opaque bool
}

func (s *natsOperations) add(b []byte) { s.buf = append(s.buf, b...) }

// rest gives what is not complete, at the stream's end.
func (s *natsOperations) rest() []byte { return s.cut(len(s.buf)) }

func (s *natsOperations) cut(n int) []byte {
	b := s.buf[:n:n]
	s.buf = s.buf[n:]
	return b
}

func (s *natsOperations) next() (natsOperation, bool) {
	if !s.opaque {
		op, state := s.parse()
		if state != foreign {
			return op, state == complete
		}
		s.opaque = true
	}
	raw := s.rest()
	return natsOperation{raw: raw}, len(raw) > 0
}

type parsed int

const (
	incomplete parsed = iota
	complete
	foreign // no operation of a server
)

var crlf = []byte("\r\n")

// beginnings are the first bytes of operations.
const beginnings = "IiPpMmHh+-"

func (s *natsOperations) parse() (natsOperation, parsed) {
	head := bytes.Index(s.buf, crlf)
	if head < 0 {
		if len(s.buf) > longestLine || len(s.buf) > 0 && !bytes.ContainsAny(s.buf[:1], beginnings) {
			return natsOperation{}, foreign
		}
		return natsOperation{}, incomplete
	}
	headers, size, ok := messageSize(s.buf[:head])
	if !ok {
		return natsOperation{}, foreign
	}
	head += len(crlf)
	if size < 0 {
		return natsOperation{raw: s.cut(head)}, complete
	}
	end := head + size
	if len(s.buf) < end+len(crlf) {
		return natsOperation{}, incomplete
	}
	if !bytes.HasPrefix(s.buf[end:], crlf) {
		return natsOperation{}, foreign
	}
	raw := s.cut(end + len(crlf))
	return natsOperation{raw: raw, payload: raw[head+headers : end]}, complete
}

// messageSize reads an operation's line: how many bytes of message follow, and
// how many of them are headers. The size is -1 if no message follows. It is not
// ok if a server never sends such a line.
func messageSize(line []byte) (headers, size int, ok bool) {
	fields := bytes.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == '\t' })
	if len(fields) == 0 {
		return 0, 0, false
	}
	switch string(bytes.ToUpper(fields[0])) {
	case "INFO", "PING", "PONG", "+OK", "-ERR":
		return 0, -1, true
	case "MSG": // subject, subscription, perhaps reply, size
		if len(fields) != 4 && len(fields) != 5 {
			return 0, 0, false
		}
	case "HMSG": // subject, subscription, perhaps reply, size of headers, size
		if len(fields) != 5 && len(fields) != 6 {
			return 0, 0, false
		}
		if headers, ok = number(fields[len(fields)-2]); !ok {
			return 0, 0, false
		}
	default:
		return 0, 0, false
	}
	size, ok = number(fields[len(fields)-1])
	return headers, size, ok && headers <= size
}

func number(field []byte) (int, bool) {
	n, err := strconv.Atoi(string(field))
	return n, err == nil && 0 <= n && n <= largestPayload
}

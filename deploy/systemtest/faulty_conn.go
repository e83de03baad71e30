package systemtest

import (
	"bytes"
	"encoding/binary"
	"net"
	"strings"
	"sync/atomic"
)

// faultyConn watches the messages of one connection in both directions
// (PostgreSQL frontend/backend protocol 3).
type faultyConn struct {
	net.Conn
	faults *FaultyPostgres

	requests, replies messageStream
	commitStatements  map[string]bool // prepared statements that are a COMMIT, by name
	commitPortals     map[string]bool

	losingReply, lost atomic.Bool
}

func newFaultyConn(conn net.Conn, faults *FaultyPostgres) *faultyConn {
	return &faultyConn{
		Conn: conn, faults: faults, requests: messageStream{untyped: true},
		commitStatements: map[string]bool{}, commitPortals: map[string]bool{},
	}
}

// Write passes whole messages on. A COMMIT that is to be lost is taken for
// written, as by a kernel whose peer has just vanished.
func (c *faultyConn) Write(b []byte) (int, error) {
	c.requests.add(b)
	var pass []byte
	for !c.lost.Load() {
		m, ok := c.requests.next()
		if !ok {
			break
		}
		if c.commits(m) {
			switch c.faults.next() {
			case loseCommit:
				c.lose()
				return len(b), nil
			case loseReply:
				c.losingReply.Store(true)
			}
		}
		pass = append(pass, m.raw...)
	}
	if c.lost.Load() {
		return 0, errLost
	}
	if _, err := c.Conn.Write(pass); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Read passes replies on until the one of a COMMIT whose reply is to be lost.
func (c *faultyConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.replies.add(b[:n])
	for {
		m, ok := c.replies.next()
		if !ok {
			break
		}
		if c.losingReply.Load() && endsCommit(m) {
			c.lose()
		}
	}
	if c.lost.Load() {
		return 0, errLost
	}
	return n, err
}

func (c *faultyConn) lose() {
	c.lost.Store(true)
	_ = c.Conn.Close()
}

// commits tells whether the message makes the server commit.
func (c *faultyConn) commits(m message) bool {
	fields := strings.SplitN(string(m.body), "\x00", 3)
	switch m.kind {
	case 'Q':
		return isCommit(fields[0])
	case 'P': // Parse: statement, query
		c.commitStatements[fields[0]] = len(fields) > 1 && isCommit(fields[1])
	case 'B': // Bind: portal, statement
		c.commitPortals[fields[0]] = len(fields) > 1 && c.commitStatements[fields[1]]
	case 'E': // Execute: portal
		return c.commitPortals[fields[0]]
	}
	return false
}

func isCommit(sql string) bool {
	return strings.EqualFold(strings.TrimRight(strings.TrimSpace(sql), "; \n\t"), "commit")
}

// endsCommit tells whether the reply says how a COMMIT ended: done, rolled back
// instead, or failed.
func endsCommit(m message) bool {
	return m.kind == 'E' || m.kind == 'C' && (bytes.HasPrefix(m.body, []byte("COMMIT")) || bytes.HasPrefix(m.body, []byte("ROLLBACK")))
}

type message struct {
	kind      byte // 0 for a start-up message
	body, raw []byte
}

// messageStream cuts a byte stream into messages.
type messageStream struct {
	buf     []byte
	untyped bool // what comes next is a start-up message, which has no kind
}

func (s *messageStream) add(b []byte) { s.buf = append(s.buf, b...) }

func (s *messageStream) next() (message, bool) {
	head := 1
	if s.untyped {
		head = 0
	}
	if len(s.buf) < head+4 {
		return message{}, false
	}
	size := head + int(binary.BigEndian.Uint32(s.buf[head:]))
	if len(s.buf) < size {
		return message{}, false
	}
	m := message{raw: s.buf[:size:size], body: s.buf[head+4 : size : size]}
	if head == 1 {
		m.kind = s.buf[0]
	}
	s.buf, s.untyped = s.buf[size:], false
	return m, true
}

package faults

import (
	"bytes"
	"net"
	"strings"
	"sync/atomic"
)

// commitsConn watches the messages of one connection in both directions
// (PostgreSQL frontend/backend protocol 3).
type commitsConn struct {
	net.Conn
	commits *Commits

	requests, replies pgMessages
	commitStatements  map[string]bool // prepared statements that are a COMMIT, by name
	commitPortals     map[string]bool

	losingReply, lost atomic.Bool
}

func newCommitsConn(conn net.Conn, commits *Commits) *commitsConn {
	return &commitsConn{
		Conn: conn, commits: commits, requests: pgMessages{untyped: true},
		commitStatements: map[string]bool{}, commitPortals: map[string]bool{},
	}
}

// Write passes whole messages on. A COMMIT that is to be lost is taken for
// written, as by a kernel whose peer has just vanished.
func (c *commitsConn) Write(b []byte) (int, error) {
	c.requests.add(b)
	var pass []byte
	for !c.lost.Load() {
		m, ok := c.requests.next()
		if !ok {
			break
		}
		if c.isCommit(m) {
			switch c.commits.next() {
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
func (c *commitsConn) Read(b []byte) (int, error) {
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

func (c *commitsConn) lose() {
	c.lost.Store(true)
	_ = c.Conn.Close()
}

// isCommit tells whether the message makes the server commit.
func (c *commitsConn) isCommit(m pgMessage) bool {
	fields := strings.SplitN(string(m.body), "\x00", 3)
	switch m.kind {
	case 'Q':
		return saysCommit(fields[0])
	case 'P': // Parse: statement, query
		c.commitStatements[fields[0]] = len(fields) > 1 && saysCommit(fields[1])
	case 'B': // Bind: portal, statement
		c.commitPortals[fields[0]] = len(fields) > 1 && c.commitStatements[fields[1]]
	case 'E': // Execute: portal
		return c.commitPortals[fields[0]]
	}
	return false
}

func saysCommit(sql string) bool {
	return strings.EqualFold(strings.TrimRight(strings.TrimSpace(sql), "; \n\t"), "commit")
}

// endsCommit tells whether the reply says how a COMMIT ended: done, rolled back
// instead, or failed.
func endsCommit(m pgMessage) bool {
	return m.kind == 'E' || m.kind == 'C' && (bytes.HasPrefix(m.body, []byte("COMMIT")) || bytes.HasPrefix(m.body, []byte("ROLLBACK")))
}

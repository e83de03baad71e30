package faults

import (
	"errors"
	"io"
	"net"
)

// acksConn watches what a NATS server sends on one connection.
type acksConn struct {
	net.Conn
	acks *Acks

	server natsOperations
	in     []byte
	passed []byte // to be read
	cut    bool   // after that
}

func newAcksConn(conn net.Conn, acks *Acks) *acksConn {
	return &acksConn{Conn: conn, acks: acks, in: make([]byte, 32*1024)}
}

// Read gives whole operations only: whether a message is an acknowledgement
// shows at its end.
func (c *acksConn) Read(b []byte) (int, error) {
	for len(c.passed) == 0 {
		if c.cut {
			return 0, errLost
		}
		n, err := c.Conn.Read(c.in)
		c.server.add(c.in[:n])
		c.pass()
		if errors.Is(err, io.EOF) && !c.cut {
			c.passed = append(c.passed, c.server.rest()...)
		}
		if err != nil && len(c.passed) == 0 {
			return 0, err
		}
	}
	n := copy(b, c.passed)
	c.passed = c.passed[n:]
	return n, nil
}

// pass moves what is complete on, up to a cut, without what is to be lost.
func (c *acksConn) pass() {
	for {
		op, ok := c.server.next()
		if !ok {
			return
		}
		fault, lost := c.acks.next(op.payload)
		if !lost {
			c.passed = append(c.passed, op.raw...)
		} else if fault.cut {
			c.cut = true
			_ = c.Conn.Close()
			return
		}
	}
}

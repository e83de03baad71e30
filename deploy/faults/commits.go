package faults

import (
	"context"
	"errors"
	"net"
	"sync"
)

// Commits harms COMMITs on the connections to Postgres that its Dial makes, on
// demand. The zero value harms nothing. Dial is a Dialer for a Line, and a
// DialFunc for pgx; TLS must be off:
//
//	var commits faults.Commits
//	config.ConnConfig.DialFunc = commits.Dial
//
// Its methods may be called from any goroutine.
type Commits struct {
	mu                    sync.Mutex
	loseReply, loseCommit int
	lost                  int
}

// errLost is what the client of a harmed connection reads.
var errLost = errors.New("connection lost on purpose")

// Dial connects as net.Dialer does.
func (c *Commits) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return newCommitsConn(conn, c), nil
}

// LoseReply has the next COMMIT, of whichever connection, delivered and carried
// out, its reply swallowed and the connection closed. Calls add up.
func (c *Commits) LoseReply() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loseReply++
}

// LoseCommit has the next COMMIT, of whichever connection, swallowed and the
// connection closed: the transaction is rolled back. Calls add up; those of
// LoseReply come first.
func (c *Commits) LoseCommit() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loseCommit++
}

// Cancel takes back the calls of LoseReply and LoseCommit that no COMMIT has
// met yet.
func (c *Commits) Cancel() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loseReply, c.loseCommit = 0, 0
}

// Lost counts the COMMITs that were harmed. One whose reply is to be lost counts
// from when it is sent.
func (c *Commits) Lost() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lost
}

type commitFault int

const (
	noFault commitFault = iota
	loseReply
	loseCommit
)

// next takes the fault for one COMMIT.
func (c *Commits) next() commitFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.loseReply > 0:
		c.loseReply--
		c.lost++
		return loseReply
	case c.loseCommit > 0:
		c.loseCommit--
		c.lost++
		return loseCommit
	}
	return noFault
}

package systemtest

import (
	"context"
	"errors"
	"net"
	"sync"
)

// FaultyPostgres makes connections that lose a COMMIT, or its reply, on demand.
// The zero value harms nothing. Use its Dial as pgx's DialFunc; TLS must be off.
//
//	var faults systemtest.FaultyPostgres
//	config.ConnConfig.DialFunc = faults.Dial
type FaultyPostgres struct {
	mu                    sync.Mutex
	loseReply, loseCommit int
	lost                  int
}

// errLost is what the client of a harmed connection reads.
var errLost = errors.New("connection lost by the test")

// Dial connects as net.Dialer does.
func (f *FaultyPostgres) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return newFaultyConn(conn, f), nil
}

// LoseCommitReply has the next COMMIT, of whichever connection, delivered and
// carried out, its reply swallowed and the connection closed. Calls add up.
func (f *FaultyPostgres) LoseCommitReply() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseReply++
}

// LoseCommit has the next COMMIT, of whichever connection, swallowed and the
// connection closed: the transaction is rolled back. Calls add up; those of
// LoseCommitReply come first.
func (f *FaultyPostgres) LoseCommit() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.loseCommit++
}

// Lost counts the COMMITs that were harmed.
func (f *FaultyPostgres) Lost() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.lost
}

type fault int

const (
	noFault fault = iota
	loseReply
	loseCommit
)

// next takes the fault for one COMMIT.
func (f *FaultyPostgres) next() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.loseReply > 0:
		f.loseReply--
		f.lost++
		return loseReply
	case f.loseCommit > 0:
		f.loseCommit--
		f.lost++
		return loseCommit
	}
	return noFault
}

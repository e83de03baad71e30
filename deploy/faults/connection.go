package faults

import (
	"context"
	"net"
	"sync"
	"time"
)

// dialLimit bounds how long a client waits for a server that does not answer.
const dialLimit = 10 * time.Second

// connection is a client's connection, together with the one to the server that
// is made for it.
type connection struct {
	client, server net.Conn        // server is nil until it is reached
	life           context.Context // ends with a cut
	end            context.CancelFunc
}

func (l *Line) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		l.running.Go(func() { l.serve(listener, client) })
	}
}

func (l *Line) serve(listener net.Listener, client net.Conn) {
	c := &connection{client: client}
	c.life, c.end = context.WithCancel(context.Background())
	defer l.forget(c)
	target, ok := l.admit(listener, c)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(c.life, dialLimit)
	server, err := l.dial(ctx, "tcp", target)
	cancel()
	if err != nil || !l.join(c, server) {
		return
	}
	var requests sync.WaitGroup
	requests.Go(func() { newFlow(&l.pace, &l.holdRequests).carry(c.life, server, client) })
	newFlow(&l.pace, &l.holdReplies).carry(c.life, client, server)
	requests.Wait()
}

// admit enters the connection among those to cut and says where it leads,
// unless the line was blocked meanwhile.
func (l *Line) admit(listener net.Listener, c *connection) (target string, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.listener != listener {
		return "", false
	}
	l.connections[c] = struct{}{}
	return l.target, true
}

// join adds the server's end, unless the connection was cut meanwhile.
func (l *Line) join(c *connection, server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.server = server
	_, ok := l.connections[c]
	return ok
}

func (l *Line) forget(c *connection) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.close()
	delete(l.connections, c)
}

// cut is called with the lock held, as are block and close.
func (l *Line) cut() {
	for c := range l.connections {
		c.close()
	}
	clear(l.connections)
}

func (l *Line) block() error {
	l.cut()
	if l.listener == nil {
		return nil
	}
	listener := l.listener
	l.listener = nil
	return listener.Close()
}

func (c *connection) close() {
	c.end()
	_ = c.client.Close()
	if c.server != nil {
		_ = c.server.Close()
	}
}

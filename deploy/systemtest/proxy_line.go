package systemtest

import (
	"net"
	"sync/atomic"
	"time"
)

func (p *TCPProxy) listen() error {
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.listener = l
	p.mu.Unlock()
	p.running.Go(func() { p.accept(l) })
	return nil
}

func (p *TCPProxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			return
		}
		p.running.Go(func() { p.serve(l, client) })
	}
}

func (p *TCPProxy) serve(l net.Listener, client net.Conn) {
	defer p.forget(client)
	if !p.remember(l, client) {
		return
	}
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, 10*time.Second)
	if err != nil {
		return
	}
	defer p.forget(server)
	if !p.remember(l, server) {
		return
	}
	p.running.Go(func() {
		defer p.forget(server)
		carry(server, client, &p.holdRequests)
	})
	carry(client, server, &p.holdReplies)
}

// remember enters the connection among those to cut, unless the line was
// blocked meanwhile.
func (p *TCPProxy) remember(l net.Listener, c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = struct{}{}
	return p.listener == l
}

func (p *TCPProxy) forget(c net.Conn) {
	_ = c.Close()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
}

// carry copies until either end closes; what arrives while held is swallowed.
func carry(to, from net.Conn, held *atomic.Bool) {
	buf := make([]byte, 32*1024)
	for {
		n, err := from.Read(buf)
		if n > 0 && !held.Load() {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

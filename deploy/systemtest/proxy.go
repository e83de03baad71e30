package systemtest

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"connect-provider/deploy/local"
)

// TCPProxy is a line between a client and a server that a test can harm. Its
// methods may be called from any goroutine.
type TCPProxy struct {
	addr   string
	scheme *url.URL // of the target, nil if that was host:port

	mu       sync.Mutex
	target   string
	listener net.Listener // nil while blocked
	conns    map[net.Conn]struct{}
	running  sync.WaitGroup

	holdRequests, holdReplies atomic.Bool
}

// Proxy starts a line to the target, a URL with host and port or host:port. It
// ends with the test.
func Proxy(t testing.TB, target string) *TCPProxy {
	t.Helper()
	p := &TCPProxy{target: target, conns: map[net.Conn]struct{}{}}
	if strings.Contains(target, "://") {
		u, err := url.Parse(target)
		if err != nil {
			t.Fatalf("proxy: %v", err)
		}
		p.scheme, p.target = u, u.Host
	}
	// A port outside the range of outgoing connections, so that nobody takes it
	// while the line is blocked.
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		t.Fatalf("proxy: %v", err)
	}
	p.addr = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	if err := p.listen(); err != nil {
		t.Fatalf("proxy: %v", err)
	}
	t.Cleanup(func() {
		p.Block()
		p.running.Wait()
	})
	return p
}

// Addr is the line's near end, host:port.
func (p *TCPProxy) Addr() string { return p.addr }

// URL is the target's URL with the line's near end in place of the server's.
// If the target was host:port, it is just that.
func (p *TCPProxy) URL() string {
	if p.scheme == nil {
		return p.addr
	}
	u := *p.scheme
	u.Host = p.addr
	return u.String()
}

// Redirect leads new connections to another server (URL or host:port), as a
// failover does, and cuts those that exist.
func (p *TCPProxy) Redirect(target string) {
	if u, err := url.Parse(target); err == nil && u.Host != "" {
		target = u.Host
	}
	p.mu.Lock()
	p.target = target
	p.mu.Unlock()
	p.Cut()
}

// Cut closes all connections. New ones succeed.
func (p *TCPProxy) Cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

// Block closes all connections and refuses new ones.
func (p *TCPProxy) Block() {
	p.mu.Lock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
	p.mu.Unlock()
	p.Cut()
}

// Unblock ends Block, on the same port.
func (p *TCPProxy) Unblock() error {
	p.mu.Lock()
	blocked := p.listener == nil
	p.mu.Unlock()
	if !blocked {
		return nil
	}
	return p.listen()
}

// Hold makes the line half open: connections stand and can be made, but every
// byte is swallowed in both directions, as when a host vanishes.
func (p *TCPProxy) Hold() {
	p.holdRequests.Store(true)
	p.holdReplies.Store(true)
}

// HoldReplies delivers what the client sends and swallows every answer.
func (p *TCPProxy) HoldReplies() { p.holdReplies.Store(true) }

// Release ends Hold and HoldReplies. Connections that exist have lost bytes, so
// they are cut.
func (p *TCPProxy) Release() {
	p.Cut()
	p.holdRequests.Store(false)
	p.holdReplies.Store(false)
}

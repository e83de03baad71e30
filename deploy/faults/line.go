package faults

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"

	"connect-provider/deploy/local"
)

// Dialer connects a Line to its server. The DialContext of a net.Dialer is one,
// and so are Commits.Dial and Acks.Dial.
type Dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// Line is a TCP line between clients and a server that can be harmed. Its
// methods may be called from any goroutine.
type Line struct {
	addr string
	url  *url.URL // of the near end, nil if the target was host:port
	dial Dialer

	mu          sync.Mutex
	target      string       // host:port
	listener    net.Listener // nil while blocked
	closed      bool
	connections map[*connection]struct{}
	running     sync.WaitGroup

	holdRequests, holdReplies atomic.Bool
	pace                      atomic.Pointer[currentPace]
}

// NewLine opens a line to the target, host:port or a URL with both. A nil dial
// connects as a net.Dialer does. The server need not run yet. Close ends the line.
func NewLine(target string, dial Dialer) (*Line, error) {
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	l := &Line{dial: dial, connections: map[*connection]struct{}{}}
	l.pace.Store(&currentPace{changed: make(chan struct{})})
	u, host, err := endpoint(target)
	if err != nil {
		return nil, fmt.Errorf("line: %w", err)
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		return nil, fmt.Errorf("line: the target needs a host and a port: %w", err)
	}
	// A port outside the range of outgoing connections, so that nobody takes it
	// while the line is blocked.
	port, err := local.FreePort("127.0.0.1")
	if err != nil {
		return nil, fmt.Errorf("line: %w", err)
	}
	l.target = host
	l.addr = (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	if u != nil {
		u.Host = l.addr
		l.url = u
	}
	if err := l.Unblock(); err != nil {
		return nil, err
	}
	return l, nil
}

// endpoint gives host:port of a target, and its URL if it is one.
func endpoint(target string) (*url.URL, string, error) {
	if !strings.Contains(target, "://") {
		return nil, target, nil
	}
	u, err := url.Parse(target)
	if err != nil {
		return nil, "", fmt.Errorf("the target is no URL") // the error names it whole, with its password
	}
	return u, u.Host, nil
}

// Addr is the line's near end, host:port.
func (l *Line) Addr() string { return l.addr }

// URL is the target's URL with the line's near end in place of the server's.
// If the target was host:port, it is just that.
func (l *Line) URL() string {
	if l.url == nil {
		return l.addr
	}
	return l.url.String()
}

// Connections is how many connections of clients stand.
func (l *Line) Connections() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.connections)
}

// Redirect leads new connections to another server (URL or host:port), as a
// failover does, and cuts those that exist.
func (l *Line) Redirect(target string) {
	if _, host, err := endpoint(target); err == nil {
		target = host
	}
	l.mu.Lock()
	l.target = target
	l.mu.Unlock()
	l.Cut()
}

// Cut closes all connections; what was under way on them is lost. New ones
// succeed.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut()
}

// Block closes all connections and refuses new ones.
func (l *Line) Block() {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.block() // of a listener that is gone either way
}

// Unblock ends Block, on the same port. It fails if somebody else has taken
// that meanwhile, and after Close.
func (l *Line) Unblock() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return fmt.Errorf("unblock the line: %w", net.ErrClosed)
	}
	if l.listener != nil {
		return nil
	}
	listener, err := net.Listen("tcp", l.addr)
	if err != nil {
		return fmt.Errorf("unblock the line: %w", err)
	}
	l.listener = listener
	l.running.Go(func() { l.accept(listener) })
	return nil
}

// Hold makes the line half open: connections stand and can be made, but every
// byte is swallowed in both directions, as when a host vanishes.
func (l *Line) Hold() {
	l.holdRequests.Store(true)
	l.holdReplies.Store(true)
}

// HoldReplies delivers what the client sends and swallows every answer.
func (l *Line) HoldReplies() { l.holdReplies.Store(true) }

// Release ends Hold and HoldReplies. Connections that exist have lost bytes, so
// they are cut.
func (l *Line) Release() {
	l.Cut()
	l.holdRequests.Store(false)
	l.holdReplies.Store(false)
}

// Close ends the line: its connections are cut, new ones are refused for good.
// It returns when nothing of it runs any more.
func (l *Line) Close() error {
	l.mu.Lock()
	l.closed = true
	err := l.block()
	l.mu.Unlock()
	l.running.Wait()
	return err
}

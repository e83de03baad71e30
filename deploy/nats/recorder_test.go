package nats_test

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// recorder notes the subjects that a client publishes and subscribes to, by
// reading along what it writes.
type recorder struct {
	mu        sync.Mutex
	published []string
	heard     []string
}

// Dial is for nats.SetCustomDialer.
func (r *recorder) Dial(network, address string) (net.Conn, error) {
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	return &recorded{Conn: conn, to: r}, err
}

func (r *recorder) note(line string) (payload int) {
	words := strings.Fields(line)
	if len(words) == 0 {
		return 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch words[0] {
	case "PUB", "HPUB":
		r.published = append(r.published, words[1])
		size, err := strconv.Atoi(words[len(words)-1])
		if err != nil {
			panic(line)
		}
		return size + len("\r\n")
	case "SUB":
		r.heard = append(r.heard, words[1])
	}
	return 0
}

// did returns the different subjects published or subscribed to.
func (r *recorder) did() (published, heard []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	distinct := func(all []string) []string {
		all = slices.Sorted(slices.Values(all))
		return slices.Compact(all)
	}
	return distinct(r.published), distinct(r.heard)
}

// recorded is a connection that is read along.
type recorded struct {
	net.Conn
	to      *recorder
	line    []byte
	payload int // bytes of a payload that are still to come
}

func (c *recorded) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		if c.payload > 0 {
			skipped := min(c.payload, len(rest))
			c.payload, rest = c.payload-skipped, rest[skipped:]
			continue
		}
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		c.line = append(c.line, line...)
		rest = after
		if whole {
			c.payload = c.to.note(string(c.line))
			c.line = c.line[:0]
		}
	}
	return c.Conn.Write(b)
}

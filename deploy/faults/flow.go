package faults

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// What is under way in one direction of a connection is bounded in bytes, and
// in chunks, which cost memory even if they are small.
const (
	mostBytes  = 1 << 20
	mostChunks = 4096
)

// flow is one direction of a connection. What is read waits in it until it is
// due, so that a long delay does not keep the sender from sending on.
type flow struct {
	pace *atomic.Pointer[currentPace]
	held *atomic.Bool

	mu     sync.Mutex
	moved  *sync.Cond // a chunk came or went, or no more will
	chunks []chunk
	size   int // of all chunks, in bytes
	over   bool
}

// chunk is what was read at once.
type chunk struct {
	bytes []byte
	came  time.Time
}

func newFlow(pace *atomic.Pointer[currentPace], held *atomic.Bool) *flow {
	f := &flow{pace: pace, held: held}
	f.moved = sync.NewCond(&f.mu)
	return f
}

// carry copies until either end closes, delivering what is under way then, or
// until the context ends. It closes the end that it writes to, and waits for the
// other one to be closed.
func (f *flow) carry(ctx context.Context, to io.WriteCloser, from io.Reader) {
	var collecting sync.WaitGroup
	collecting.Go(func() { f.collect(from) })
	f.deliver(ctx, to)
	f.end()
	_ = to.Close()
	collecting.Wait()
}

func (f *flow) collect(from io.Reader) {
	defer f.end()
	buf := make([]byte, 32*1024)
	for {
		n, err := from.Read(buf)
		if n > 0 && !f.put(chunk{bytes: bytes.Clone(buf[:n]), came: time.Now()}) {
			return
		}
		if err != nil {
			return
		}
	}
}

// deliver writes what was collected, each byte when it is due. What is due
// while the flow is held is swallowed.
func (f *flow) deliver(ctx context.Context, to io.Writer) {
	for {
		c, ok := f.take()
		if !ok {
			return
		}
		luck := rand.Float64()
		for len(c.bytes) > 0 {
			n, ok := f.await(ctx, c, luck)
			if !ok {
				return
			}
			if !f.held.Load() {
				if _, err := to.Write(c.bytes[:n]); err != nil {
					return
				}
			}
			c.bytes = c.bytes[n:]
		}
	}
}

// await waits until the chunk's first n bytes are due, by the pace of now. It
// gives up when the context ends.
func (f *flow) await(ctx context.Context, c chunk, luck float64) (n int, ok bool) {
	free := time.Now()
	for ctx.Err() == nil {
		pace := f.pace.Load()
		n := pace.parcel(len(c.bytes))
		wait := time.Until(pace.due(c.came, free, luck, n))
		if wait <= 0 {
			return n, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-pace.changed:
		case <-ctx.Done():
		}
		timer.Stop()
	}
	return 0, false
}

// put waits for room and reports whether anybody still takes.
func (f *flow) put(c chunk) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.over && (f.size >= mostBytes || len(f.chunks) >= mostChunks) {
		f.moved.Wait()
	}
	if f.over {
		return false
	}
	f.chunks = append(f.chunks, c)
	f.size += len(c.bytes)
	f.moved.Broadcast()
	return true
}

// take waits for the next chunk. After the end it gives what is left.
func (f *flow) take() (chunk, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.over && len(f.chunks) == 0 {
		f.moved.Wait()
	}
	if len(f.chunks) == 0 {
		return chunk{}, false
	}
	c := f.chunks[0]
	f.chunks = f.chunks[1:]
	f.size -= len(c.bytes)
	f.moved.Broadcast()
	return c, true
}

func (f *flow) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.moved.Broadcast()
}

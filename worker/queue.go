package worker

import (
	"context"
	"sync"
	"time"

	"connect-provider/messages"
)

const (
	// maxBatchBytes bounds the bytes of one batch's messages, and
	// maxQueuedBytes those that wait, so that large messages can't fill the
	// worker's memory.
	maxBatchBytes  = 1 << 20
	maxQueuedBytes = 1 << 20
)

// queue holds a lane's decoded messages between its reader and its batches,
// bounded by bytes.
type queue struct {
	mu       sync.Mutex
	messages []*messages.Received
	bytes    int
	closed   bool
	filled   chan struct{} // told when there is something to take, or the end
	drained  chan struct{} // told when there is room
}

func newQueue() *queue {
	return &queue{filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// put adds a message, waiting for room.
func (q *queue) put(ctx context.Context, received *messages.Received) error {
	for {
		q.mu.Lock()
		if q.bytes < maxQueuedBytes {
			q.messages = append(q.messages, received)
			q.bytes += size(received)
			q.mu.Unlock()
			tell(q.filled)
			return nil
		}
		q.mu.Unlock()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-q.drained:
		}
	}
}

// take returns what has arrived, up to a number of messages and maxBatchBytes,
// without waiting. more is false when the queue is closed and empty.
func (q *queue) take(most int) (batch []*messages.Received, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	bytes := 0
	n := 0
	for n < len(q.messages) && n < most && (n == 0 || bytes+size(q.messages[n]) <= maxBatchBytes) {
		bytes += size(q.messages[n])
		n++
	}
	batch = append(batch, q.messages[:n]...)
	rest := copy(q.messages, q.messages[n:])
	clear(q.messages[rest:])
	q.messages = q.messages[:rest]
	q.bytes -= bytes
	if n > 0 {
		tell(q.drained)
	}
	if rest > 0 || q.closed {
		tell(q.filled)
	}
	return batch, n > 0 || !q.closed
}

// oldest returns the time of the message that has waited longest, zero if none
// waits, and how many wait.
func (q *queue) oldest() (time.Time, int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.messages) == 0 {
		return time.Time{}, 0
	}
	return q.messages[0].Time, len(q.messages)
}

func (q *queue) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	tell(q.filled)
}

func size(received *messages.Received) int {
	// the decoded form and its headers weigh about as much again
	return len(received.Body) + len(received.Subject) + 512
}

// tell wakes whoever waits, once.
func tell(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

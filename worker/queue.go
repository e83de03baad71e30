package worker

import (
	"context"
	"sync"
	"time"

	"connect-provider/messages"
)

const (
	// maxBatchBytes bounds the weight of one batch's messages, and
	// maxQueuedBytes that of those that wait in a lane, so that large messages
	// can't fill the worker's memory. Each holds 1,000 messages of usual size.
	maxBatchBytes  = 5 << 18
	maxQueuedBytes = 5 << 18
)

// queue holds a lane's decoded messages between its reader and its batches,
// bounded by bytes.
type queue struct {
	mu       sync.Mutex
	messages []*messages.Received
	bytes    int
	total    *budget // of all lanes' queues
	closed   bool
	filled   chan struct{} // told when there is something to take, or the end
	drained  chan struct{} // told when there is room
}

func newQueue(total *budget) *queue {
	return &queue{total: total, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// put adds a message, waiting for room.
func (q *queue) put(ctx context.Context, received *messages.Received) error {
	for {
		q.mu.Lock()
		if q.bytes < laneMinimum || q.bytes < maxQueuedBytes && !q.total.spent() {
			q.messages = append(q.messages, received)
			q.bytes += size(received)
			q.total.take(size(received))
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
	q.total.give(bytes)
	if n > 0 {
		tell(q.drained)
	}
	if rest > 0 || q.closed {
		tell(q.filled)
	}
	return batch, n > 0 || !q.closed
}

// discard forgets what nobody will take.
func (q *queue) discard() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.total.give(q.bytes)
	q.messages, q.bytes = nil, 0
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

// size is a message's weight: its bytes, the decoded form, which repeats them,
// and the event, which may do so twice.
func size(received *messages.Received) int {
	return 4*len(received.Body) + len(received.Subject) + 512
}

// tell wakes whoever waits, once.
func tell(signal chan struct{}) {
	select {
	case signal <- struct{}{}:
	default:
	}
}

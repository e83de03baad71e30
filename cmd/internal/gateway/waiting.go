package gateway

import (
	"sync"

	"connect-provider/messages"
)

// waiter is a request that waits for an outcome.
type waiter struct {
	call *call
	told chan *messages.EventData // has room for one
}

// waiting are the requests that wait, by organization token and command id.
type waiting struct {
	mu sync.Mutex
	by map[string]map[string][]*waiter
	n  int
}

func newWaiting() *waiting { return &waiting{by: map[string]map[string][]*waiter{}} }

// register has a call wait. Call it before anybody can know of its command.
func (w *waiting) register(c *call) *waiter {
	one := &waiter{call: c, told: make(chan *messages.EventData, 1)}
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := w.by[c.organization.Token]
	if ids == nil {
		ids = map[string][]*waiter{}
		w.by[c.organization.Token] = ids
	}
	ids[c.command.ID] = append(ids[c.command.ID], one)
	w.n++
	return one
}

// forget ends it.
func (w *waiting) forget(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	ids := w.by[one.call.organization.Token]
	left := ids[one.call.command.ID]
	for i := range left {
		if left[i] == one {
			left = append(left[:i:i], left[i+1:]...)
			w.n--
			break
		}
	}
	if ids[one.call.command.ID] = left; len(left) == 0 {
		delete(ids, one.call.command.ID)
	}
	if len(ids) == 0 {
		delete(w.by, one.call.organization.Token)
	}
}

// anybody reports whether anybody waits for an outcome of an organization.
func (w *waiting) anybody(token string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.by[token] != nil
}

// tell wakes those whom an event answers. One that could not be understood only
// claims an id: it answers nobody.
func (w *waiting) tell(e *messages.Event) {
	if e.CommandID == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.by[e.Organization.Token][e.CommandID] {
		if one.call.answeredBy(&e.Data) {
			one.wake(&e.Data)
		}
	}
}

// wake gives a waiter its outcome. The first one stands.
func (one *waiter) wake(data *messages.EventData) {
	select {
	case one.told <- data:
	default:
	}
}

// all returns who waits, by organization.
func (w *waiting) all() map[messages.Organization][]*waiter {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := map[messages.Organization][]*waiter{}
	for _, ids := range w.by {
		for _, several := range ids {
			for _, one := range several {
				all[one.call.organization] = append(all[one.call.organization], one)
			}
		}
	}
	return all
}

func (w *waiting) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

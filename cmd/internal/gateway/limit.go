package gateway

import "sync"

// limit bounds the requests of each organization that are in flight, so that
// one can't take the place of all.
type limit struct {
	most int

	mu       sync.Mutex
	inFlight map[string]int
}

func newLimit(most int) *limit { return &limit{most: most, inFlight: map[string]int{}} }

// enter reports whether there is room for one more. If there is, leave gives it
// back.
func (l *limit) enter(organization string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight[organization] >= l.most {
		return false
	}
	l.inFlight[organization]++
	return true
}

func (l *limit) leave(organization string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inFlight[organization]--; l.inFlight[organization] == 0 {
		delete(l.inFlight, organization)
	}
}

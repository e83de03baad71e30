package worker

import (
	"context"
	"time"
)

// nudgePause is how long after a round that somebody else asked for the next
// such round may begin. Whoever reads events can have them delivered to the
// workers' subject, and must not keep the database busy by it.
const nudgePause = 100 * time.Millisecond

// rounds tells when the next round of leases is due: the regular one, or one
// that another process asked for.
type rounds struct {
	regular *time.Timer
	asked   <-chan struct{}
	// rest ends the pause after a round that was asked for. What is asked
	// meanwhile waits in the channel.
	rest    *time.Timer
	resting bool
	// wasAsked says that the round at hand is one that was asked for.
	wasAsked bool
}

// newRounds begins with a round at once.
func newRounds(asked <-chan struct{}) *rounds {
	r := &rounds{regular: time.NewTimer(0), asked: asked, rest: time.NewTimer(nudgePause)}
	r.rest.Stop()
	return r
}

// next waits for the next round. It returns false when the context has ended.
func (r *rounds) next(ctx context.Context) bool {
	for {
		asked := r.asked
		if r.resting {
			asked = nil
		}
		select {
		case <-ctx.Done():
			return false
		case <-r.rest.C:
			r.resting = false
		case <-r.regular.C:
			r.wasAsked = false
			return true
		case <-asked:
			r.wasAsked = true
			r.resting = true
			r.rest.Reset(nudgePause)
			return true
		}
	}
}

// after sets when the next regular round is due.
func (r *rounds) after(d time.Duration) { r.regular.Reset(max(0, d)) }

func (r *rounds) stop() {
	r.regular.Stop()
	r.rest.Stop()
}

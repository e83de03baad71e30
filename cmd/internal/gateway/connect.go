package gateway

import (
	"context"
	"time"

	"connect-provider/messages"
)

// askTimeout is how long the workers' answer about outcomes is waited for.
const askTimeout = 2 * time.Second

// connect publishes a call's command and waits for its outcome. A caller who
// hangs up, which ends ctx, gets an answer that nobody reads.
func (g *Gateway) connect(ctx context.Context, c *call) answer {
	wait, cancel := context.WithTimeout(ctx, g.config.Wait)
	defer cancel()
	defer context.AfterFunc(g.cutting, cancel)()
	waiter := g.waiting.register(c)
	defer g.waiting.forget(waiter)
	if c.keyed {
		if known := g.ask(wait, c); known != nil {
			return ofOutcome(known, c.command.ID)
		}
	}
	publishing := make(chan published, 1)
	go func() { publishing <- g.publish(wait, c) }()
	for pending := publishing; ; {
		select {
		case data := <-waiter.told:
			if known := g.settle(wait, c, data); known != nil {
				return ofOutcome(known, c.command.ID)
			}
		case p := <-pending:
			if p.acceptance == notAccepted {
				return unavailable(c.command.ID, "The command was not accepted, and nothing was done; try again.", p.err)
			}
			publishing <- p // for the end of the wait
			pending = nil
		case <-wait.Done():
			return g.conclude(ctx, c, waiter, <-publishing)
		}
	}
}

// conclude answers a call at the end of its wait.
func (g *Gateway) conclude(ctx context.Context, c *call, waiter *waiter, p published) answer {
	if p.acceptance == notAccepted {
		return unavailable(c.command.ID, "The command was not accepted, and nothing was done; try again.", p.err)
	}
	if known := g.ask(ctx, c); known != nil {
		return ofOutcome(known, c.command.ID)
	}
	select {
	case data := <-waiter.told:
		if known := g.settle(ctx, c, data); known != nil {
			return ofOutcome(known, c.command.ID)
		}
	default:
	}
	return c.undecided(p)
}

// settle returns the outcome that an event tells a call. That an id was used
// before with other content is told of one message, perhaps not of the call's:
// what decides is the content under which the workers know the id. It returns nil
// where they can't be asked.
func (g *Gateway) settle(ctx context.Context, c *call, told *messages.EventData) *messages.EventData {
	if told.Error == nil || told.Error.Code != messages.CommandIDReused {
		return told
	}
	return g.ask(ctx, c)
}

// ask asks the workers once what became of a call's command. It returns nil
// where they know of nothing, or can't be asked.
func (g *Gateway) ask(ctx context.Context, c *call) *messages.EventData {
	answer, err := g.askAbout(ctx, c.organization, []string{c.command.ID})
	if err != nil || len(answer.Outcomes) == 0 {
		return nil
	}
	return c.remembered(&answer.Outcomes[0])
}

// askAbout asks what became of commands of an organization.
func (g *Gateway) askAbout(ctx context.Context, organization messages.Organization, ids []string) (messages.OutcomesAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	answer, err := messages.AskOutcomes(ctx, g.config.JetStream.Conn(), organization, ids)
	g.metrics.asked(err)
	return answer, err
}

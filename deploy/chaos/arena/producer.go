package arena

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/deploy/chaos/judge"
	"connect-provider/deploy/chaos/load"
	"connect-provider/deploy/faults"
	"connect-provider/messages"
)

const (
	producers = 4  // each on a line of its own
	atOnce    = 24 // publishes of one producer
	// ackTimeout is how long a producer waits before it publishes again.
	ackTimeout = 2 * time.Second
)

// Producers publish commands until each is acknowledged, and ask now and then
// what became of them. They write down what they are told.
type Producers struct {
	// Lines are theirs to NATS. LineMu is held by whoever harms one.
	Lines  []*faults.Line
	LineMu sync.Mutex

	arena *Arena
	conns []*nats.Conn
	// gate is held, for reading, while something is being published.
	gate sync.RWMutex

	mu    sync.Mutex
	told  []acknowledged
	asked []judge.Asked
	// answers are those of gateways, to whatever was asked of them.
	answers []judge.Answered
}

// acknowledged is what a producer knows of a command of its own.
type acknowledged struct {
	judge.Told
	token, id string
	created   time.Time // of the stream
	command   load.Command
}

func (a *Arena) newProducers() (*Producers, error) {
	p := &Producers{arena: a}
	for n := range producers {
		line, err := faults.NewLine(a.Broker.URL(), nil)
		if err != nil {
			return nil, err
		}
		p.Lines = append(p.Lines, line)
		nc, err := connect(line.URL(), fmt.Sprintf("producer-%d", n+1))
		if err != nil {
			return nil, err
		}
		p.conns = append(p.conns, nc)
	}
	return p, nil
}

// Publish brings commands into their streams, a burst at a time with a pause
// between two of them, and returns when each is acknowledged. Once hurry is
// closed there are no pauses.
func (p *Producers) Publish(ctx context.Context, commands []load.Command, burst int, pause time.Duration, hurry <-chan struct{}) error {
	queue := make(chan load.Command, 2*len(commands))
	var group sync.WaitGroup
	var waiting sync.WaitGroup
	for _, nc := range p.conns {
		for range atOnce {
			group.Go(func() {
				for c := range queue {
					p.insist(ctx, nc, c)
					waiting.Done()
				}
			})
		}
	}
	for len(commands) > 0 && ctx.Err() == nil {
		n := min(burst, len(commands))
		for _, c := range commands[:n] {
			waiting.Add(1)
			queue <- c
		}
		commands = commands[n:]
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-hurry:
		case <-timer.C:
		}
		timer.Stop()
	}
	waiting.Wait()
	close(queue)
	group.Wait()
	return context.Cause(ctx)
}

// insist publishes a command again and again until it is acknowledged, or, if
// it is one that the stream can't take, refused.
func (p *Producers) insist(ctx context.Context, nc *nats.Conn, c load.Command) {
	for ctx.Err() == nil {
		done, err := p.try(ctx, nc, c)
		if done {
			return
		}
		if err != nil {
			p.arena.Journal.Count("publishes without acknowledgement", 1)
		}
		_ = Rest(ctx, time.Duration(20+rand.IntN(80))*time.Millisecond)
	}
}

func (p *Producers) try(ctx context.Context, nc *nats.Conn, c load.Command) (done bool, err error) {
	p.gate.RLock()
	defer p.gate.RUnlock()
	if c.REST {
		return p.call(ctx, c)
	}
	m := &nats.Msg{Subject: c.Subject, Header: c.Header, Data: c.Body}
	if c.Unheard {
		return true, nc.PublishMsg(m)
	}
	created := p.arena.created(c.Class)
	bounded, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	reply, err := nc.RequestMsgWithContext(bounded, m)
	if err != nil {
		return false, err
	}
	var ack struct {
		Stream    string `json:"stream"`
		Sequence  uint64 `json:"seq"`
		Duplicate bool   `json:"duplicate"`
		Error     *struct {
			Code        int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	switch err := json.Unmarshal(reply.Data, &ack); {
	case err != nil:
		return false, err
	case ack.Error != nil:
		return c.Refused, fmt.Errorf("%s (%d)", ack.Error.Description, ack.Error.Code)
	case ack.Duplicate:
		return false, errors.New("duplicate")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = append(p.told, acknowledged{
		Told:  judge.Told{Class: c.Class, Sequence: ack.Sequence, Subject: c.Subject, Body: c.Body, At: time.Now()},
		token: c.Intent.Token, id: c.Intent.ID, created: created, command: c,
	})
	return true, nil
}

// Hold waits until nothing is being published and keeps it so until release is
// called. What is still on the lines is lost.
func (p *Producers) Hold() (release func()) {
	p.gate.Lock()
	for _, line := range p.Lines {
		line.Cut()
	}
	for _, g := range p.arena.Gateways {
		g.NATS.Cut()
	}
	return p.gate.Unlock
}

// ask asks from time to time what became of some of the commands, until ctx
// ends.
func (p *Producers) ask(ctx context.Context) {
	r := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	for Rest(ctx, 100*time.Millisecond) == nil {
		p.mu.Lock()
		var about []acknowledged
		for range min(20, len(p.told)) {
			// mostly of late
			t := p.told[max(0, len(p.told)-1-r.IntN(200*(1+r.IntN(20))))]
			if t.id != "" && (len(about) == 0 || t.token == about[0].token) {
				about = append(about, t)
			}
		}
		p.mu.Unlock()
		if len(about) > 0 {
			_ = p.askAbout(ctx, p.conns[r.IntN(len(p.conns))], about) // away, or nobody there
		}
	}
}

// askAbout asks what became of some commands of one organization.
func (p *Producers) askAbout(ctx context.Context, nc *nats.Conn, about []acknowledged) error {
	organization := messages.OrganizationFromToken(about[0].token)
	var ids []string
	for _, t := range about {
		ids = append(ids, t.id)
	}
	bounded, cancel := context.WithTimeout(ctx, ackTimeout)
	defer cancel()
	began := time.Now()
	answer, err := messages.AskOutcomes(bounded, nc, organization, ids)
	if err != nil {
		return err
	}
	outcomes := map[string]*messages.Decided{}
	for i := range answer.Outcomes {
		outcomes[answer.Outcomes[i].Data.CommandID] = &answer.Outcomes[i]
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range about {
		lane, _ := answer.Lane(t.Class)
		p.asked = append(p.asked, judge.Asked{
			Token: t.token, ID: t.id, Class: t.Class, Sequence: t.Sequence, Outcome: outcomes[t.id], Generation: lane.Generation, At: began,
			Never: outcomes[t.id] == nil && lane.StreamCreated.Equal(t.created) && lane.Cursor >= t.Sequence,
		})
	}
	return nil
}

// askForAll asks what became of every command of the act.
func (p *Producers) askForAll(ctx context.Context) error {
	p.mu.Lock()
	about := map[string][]acknowledged{}
	for _, t := range p.told {
		if t.id != "" {
			about[t.token] = append(about[t.token], t)
		}
	}
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, settleLimit)
	defer cancel()
	for _, of := range about {
		if err := insist(ctx, func(ctx context.Context) error { return p.askAbout(ctx, p.conns[0], of) }); err != nil {
			return err
		}
	}
	return nil
}

// mend publishes once more what an attack has destroyed before it was decided,
// as its producer would who asks for it. It returns how many that were.
func (p *Producers) mend(ctx context.Context, gone []*judge.Stored) (int, error) {
	wanted := map[string]load.Command{}
	p.mu.Lock()
	byPlace := map[string]acknowledged{}
	for _, t := range p.told {
		byPlace[fmt.Sprintf("%s %d %d", t.Class, t.created.UnixNano(), t.Sequence)] = t
	}
	p.mu.Unlock()
	for _, s := range gone {
		t, ok := byPlace[fmt.Sprintf("%s %d %d", s.Class, s.StreamCreated.UnixNano(), s.Sequence)]
		if ok && t.id != "" {
			wanted[t.token+" "+t.id] = t.command
		}
	}
	ids := map[string][]string{}
	for _, c := range wanted {
		ids[c.Intent.Token] = append(ids[c.Intent.Token], c.Intent.ID)
	}
	var again []load.Command
	for token, of := range ids {
		var answer messages.OutcomesAnswer
		err := insist(ctx, func(ctx context.Context) (err error) {
			answer, err = messages.AskOutcomes(ctx, p.conns[0], messages.OrganizationFromToken(token), of)
			return err
		})
		if err != nil {
			return 0, err
		}
		for _, id := range answer.Unknown {
			again = append(again, wanted[token+" "+id])
		}
	}
	return len(again), p.Publish(ctx, again, max(1, len(again)), 0, nil)
}

// take returns what the producers were told since the last call.
func (p *Producers) take() (told []judge.Told, asked []judge.Asked, answers []judge.Answered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.told {
		told = append(told, t.Told)
	}
	asked, answers = p.asked, p.answers
	p.told, p.asked, p.answers = nil, nil, nil
	return told, asked, answers
}

func (p *Producers) close() error {
	var errs []error
	for _, nc := range p.conns {
		nc.Close()
	}
	for _, line := range p.Lines {
		errs = append(errs, line.Close())
	}
	return errors.Join(errs...)
}

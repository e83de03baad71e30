package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"go.uber.org/zap"

	"connect-provider/messages"
)

const (
	readHeartbeat = 2 * time.Second
	readExpiry    = 30 * time.Second
	readAtOnce    = 500
	openTimeout   = 5 * time.Second
)

// follow reads the events to come and wakes those who wait for them, until ctx
// ends. It reads in spells, each from where the stream then ends, and after it
// has begun one asks about everybody who has waited until then. The gateway is
// ready while a spell lasts. The first one waits until tokens can be looked up.
func (g *Gateway) follow(ctx context.Context) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(50*time.Millisecond),
		backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	said := ""
	for {
		err := g.awaitTokens(ctx)
		if err == nil {
			err = g.spell(ctx, func() {
				said = ""
				pause.Reset()
			})
		}
		if ctx.Err() != nil {
			return
		}
		g.metrics.restarts.Inc()
		g.setReady(err)
		// what happens to the connection, the connection says
		if err.Error() != said && !errors.Is(err, errDisconnected) {
			g.logger.Warn("can't work, will try again", zap.Error(err))
			said = err.Error()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
	}
}

// awaitTokens looks once whether tokens can be looked up.
func (g *Gateway) awaitTokens(ctx context.Context) error {
	if g.tokensSeen {
		return nil
	}
	if err := g.tokens.check(ctx); err != nil {
		return fmt.Errorf("tokens can't be looked up: %w", err)
	}
	g.tokensSeen = true
	return nil
}

var errDisconnected = errors.New("not connected to NATS")

// spell reads until something happens, and says what. It calls open when
// reading has begun.
func (g *Gateway) spell(ctx context.Context, open func()) error {
	nc := g.config.JetStream.Conn()
	if err := awaitConnection(ctx, nc); err != nil {
		return err
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	interrupted := nc.StatusChanged(nats.RECONNECTING, nats.CLOSED)
	defer nc.RemoveStatusListener(interrupted)
	go func() {
		select {
		case <-interrupted:
			end(errDisconnected)
		case <-ctx.Done():
		}
	}()
	reading, err := g.open(ctx)
	if err != nil {
		return cause(ctx, err)
	}
	defer reading.Stop()
	open()
	g.setReady(nil)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		g.askForAll(ctx, g.waiting.all())
	}()
	defer func() { end(nil); <-asked }()
	for delivered := uint64(1); ; delivered++ {
		message, err := reading.Next(jetstream.NextContext(ctx))
		if err != nil {
			return cause(ctx, err)
		}
		metadata, err := message.Metadata()
		if err != nil {
			return err
		}
		if metadata.Sequence.Consumer != delivered {
			return errors.New("an event was lost on its way")
		}
		g.take(message)
	}
}

// open makes the consumer of the interactive lanes' events to come. The server
// forgets it soon after it is no longer read.
func (g *Gateway) open(ctx context.Context) (jetstream.MessagesContext, error) {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	js, class := g.config.JetStream, messages.Interactive
	stream, err := js.Stream(ctx, class.Stream())
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", class.Stream(), err)
	}
	lanes, err := messages.LanesOf(stream.CachedInfo().Config)
	if err != nil {
		return nil, err
	}
	config := jetstream.ConsumerConfig{
		Name: "gateway-" + nuid.Next(), DeliverPolicy: jetstream.DeliverNewPolicy, AckPolicy: jetstream.AckNonePolicy,
		MemoryStorage: true, Replicas: 1, InactiveThreshold: readExpiry,
	}
	for number := range lanes {
		config.FilterSubjects = append(config.FilterSubjects, messages.Lane{Class: class, Number: number}.EventFilter())
	}
	consumer, err := js.CreateConsumer(ctx, messages.EventsStream, config)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", messages.EventsStream, err)
	}
	return consumer.Messages(jetstream.PullMaxMessages(readAtOnce), jetstream.PullExpiry(readExpiry), jetstream.PullHeartbeat(readHeartbeat))
}

// take wakes those whom an event answers. One that this version can't read
// answers nobody.
func (g *Gateway) take(message jetstream.Msg) {
	g.metrics.events.Inc()
	_, organization, _, err := messages.ParseEventSubject(message.Subject())
	if err != nil || !g.waiting.anybody(organization.Token) {
		return
	}
	event, err := messages.DecodeEvent(message.Data())
	if err != nil {
		if !errors.Is(err, messages.ErrUnknownEventType) {
			g.logger.Warn("an event can't be read", zap.Error(err))
		}
		return
	}
	event.Organization = organization
	g.waiting.tell(&event)
}

// askForAll asks the workers about those who have waited while nobody read, and
// wakes those whose outcome they know. It asks again where they can't be asked,
// until ctx ends.
func (g *Gateway) askForAll(ctx context.Context, all map[messages.Organization][]*waiter) {
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(100*time.Millisecond), backoff.WithMaxInterval(2*time.Second), backoff.WithMaxElapsedTime(0))
	for len(all) > 0 {
		for organization, waiters := range all {
			var ids []string
			for _, one := range waiters {
				ids = append(ids, one.call.command.ID)
			}
			answer, err := g.askAbout(ctx, organization, ids)
			if err != nil {
				continue
			}
			delete(all, organization)
			decided := map[string]*messages.Decided{}
			for i := range answer.Outcomes {
				decided[answer.Outcomes[i].Data.CommandID] = &answer.Outcomes[i]
			}
			for _, one := range waiters {
				if d := decided[one.call.command.ID]; d != nil {
					one.wake(one.call.remembered(d))
				}
			}
		}
		if len(all) == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause.NextBackOff()):
		}
		// those who have gone need no answer
		for organization := range all {
			if !g.waiting.anybody(organization.Token) {
				delete(all, organization)
			}
		}
	}
}

func awaitConnection(ctx context.Context, nc *nats.Conn) error {
	changed := nc.StatusChanged(nats.CONNECTED, nats.CLOSED)
	defer nc.RemoveStatusListener(changed)
	for !nc.IsConnected() {
		if nc.IsClosed() {
			return nats.ErrConnectionClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// cause returns why ctx has ended, if it has, in place of what came of it.
func cause(ctx context.Context, err error) error {
	if ended := context.Cause(ctx); ended != nil {
		return ended
	}
	return err
}

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"connect-provider/messages"
)

// BenchmarkInteractive measures how long one interactive command takes, from its
// publication until its event is read, while a file is run (onboarding) and while
// all of its commands were in the bulk stream when the worker began (queued): of an
// organization whose rows they are, and of another one. A command follows on the
// one before. Everything but Postgres is in this process, every write synced.
//
//	go test ./cmd/connectctl -run '^$' -bench Interactive -benchtime 1x -rows 1000000
func BenchmarkInteractive(b *testing.B) {
	for _, organizations := range []int{1, 64} {
		b.Run(fmt.Sprintf("onboarding/organizations=%d", organizations), func(b *testing.B) {
			benchmarkInteractive(b, organizations, func(m *onboardBench, f benchFile) (decide func()) {
				return func() { m.onboard(exitFailed, f) }
			})
		})
		b.Run(fmt.Sprintf("queued/organizations=%d", organizations), func(b *testing.B) {
			benchmarkInteractive(b, organizations, func(m *onboardBench, f benchFile) (decide func()) {
				m.enqueue(f)
				return m.begin(f)
			})
		})
	}
}

func benchmarkInteractive(b *testing.B, organizations int, prepare func(m *onboardBench, f benchFile) (decide func())) {
	own, other := &interactive{handle: "big-0"}, &interactive{handle: "other"}
	for b.Loop() {
		m := newOnboardBench(b, organizations)
		own.command = messages.Command{BridgeSlug: "bridge-0", ProviderConfigID: 1, PhoneNumber: "+996"}
		other.command = messages.Command{BridgeSlug: "bridge", ProviderConfigID: 1, PhoneNumber: "+997"}
		own.follow(m)
		other.follow(m)
		decide := prepare(m, m.file(*benchRows))
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			decide()
		}()
		for n := 0; ; n++ {
			select {
			case <-ended:
			default:
				own.send(m, n)
				other.send(m, n)
				continue
			}
			break
		}
	}
	b.ReportMetric(0, "ns/op")
	for whose, took := range map[string][]float64{"own": own.took, "other": other.took} {
		b.ReportMetric(float64(len(took)), whose+"-commands")
		b.ReportMetric(1000*median(took), "ms-"+whose+"-p50")
		b.ReportMetric(1000*quantile(took, 0.99), "ms-"+whose+"-p99")
		b.ReportMetric(1000*slices.Max(took), "ms-"+whose+"-max")
	}
}

// interactive are commands of one organization, one after another.
type interactive struct {
	handle  string
	command messages.Command
	decided chan uint64 // stream sequences of the lane's commands whose events were read
	took    []float64   // seconds
}

// follow reads the events of the organization's interactive lane.
func (i *interactive) follow(m *onboardBench) {
	m.b.Helper()
	ctx, stop := context.WithCancel(m.b.Context())
	answer, err := messages.AskOutcomes(ctx, m.system.nc, m.organization(i.handle), nil)
	if err != nil {
		m.b.Fatal(err)
	}
	lane, _ := answer.Lane(messages.Interactive)
	i.decided = make(chan uint64, 1)
	ended := make(chan error, 1)
	from := jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{lane.Lane.EventFilter()}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: m.lastEvent() + 1,
	}
	go func() {
		ended <- readEvents(ctx, m.system.js, onwards, from, func(e *messages.Event, _ []byte) bool {
			if e.Organization.Handle == i.handle {
				i.decided <- e.Sequence
			}
			return true
		})
	}()
	m.b.Cleanup(func() {
		stop()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			m.b.Error(err)
		}
	})
}

// send publishes a command and waits for its event.
func (i *interactive) send(m *onboardBench, n int) {
	m.b.Helper()
	i.command.ID = fmt.Sprintf("interactive-%d", n)
	body, err := messages.EncodeCommand(i.command)
	if err != nil {
		m.b.Fatal(err)
	}
	start := time.Now()
	ack, err := m.system.js.Publish(m.b.Context(), messages.CommandSubject(messages.Interactive, m.organization(i.handle), messages.VerbConnectProvider), body)
	if err != nil {
		m.b.Fatal(err)
	}
	for sequence := range i.decided {
		if sequence == ack.Sequence {
			break
		}
	}
	i.took = append(i.took, time.Since(start).Seconds())
}

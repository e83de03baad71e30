package worker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

// gauges returns a metric's values by the value of its only label, "" where it
// has none.
func gauges(t testing.TB, registry *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "connect_provider_"+name {
			continue
		}
		for _, metric := range family.GetMetric() {
			label := ""
			if len(metric.GetLabel()) > 0 {
				label = metric.GetLabel()[0].GetValue()
			}
			values[label] = metric.GetGauge().GetValue()
		}
	}
	return values
}

func awaitGauges(t testing.TB, registry *prometheus.Registry, name string, want map[string]float64) {
	t.Helper()
	systemtest.Eventually(t, name, func() error {
		if have := gauges(t, registry, name); !maps.Equal(have, want) {
			return fmt.Errorf("it is %v, want %v", have, want)
		}
		return nil
	})
}

// TestLanesThatCannotReadAreTold: a worker whose streams are gone is connected
// and keeps its leases; what it can't do is read, or see how full they are.
func TestLanesThatCannotReadAreTold(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.organization("acme", 1, 10, "+1555")
	option, registry, _ := watched(t)
	w := s.work(option, func(c *Config) { c.UpkeepInterval = 50 * time.Millisecond })
	all := map[string]float64{"interactive": testLanes, "bulk": testLanes}
	awaitGauges(t, registry, "lanes_reading", all)
	awaitGauges(t, registry, "lanes", all)
	awaitGauges(t, registry, "stream_fill_ratio", map[string]float64{"interactive": 0, "bulk": 0})
	awaitGauges(t, registry, "events_stream_fill_ratio", map[string]float64{"": 0})

	s.publish(messages.Interactive, "acme", connectCommand("one", "b0", 1, number("+1555", 0)))
	s.awaitEvents(1)
	systemtest.Eventually(t, "a fill above 0", func() error {
		commands, bulk := gauges(t, registry, "stream_fill_ratio")["interactive"], gauges(t, registry, "stream_fill_ratio")["bulk"]
		events := gauges(t, registry, "events_stream_fill_ratio")[""]
		if commands <= 0 || events <= 0 || bulk != 0 {
			return fmt.Errorf("interactive %v, events %v, bulk %v", commands, events, bulk)
		}
		return nil
	})

	for _, name := range []string{messages.Bulk.Stream(), messages.EventsStream} {
		if err := s.js.DeleteStream(ctx, name); err != nil {
			t.Fatal(err)
		}
	}
	awaitGauges(t, registry, "lanes_reading", map[string]float64{"interactive": testLanes, "bulk": 0})
	awaitGauges(t, registry, "events_stream_fill_ratio", map[string]float64{})
	if fill := gauges(t, registry, "stream_fill_ratio"); len(fill) != 1 || fill["interactive"] <= 0 {
		t.Errorf("fill of the command streams: %v", fill)
	}
	if owned := gauges(t, registry, "lanes_owned"); !maps.Equal(owned, all) {
		t.Errorf("lanes owned: %v", owned)
	}

	s.createStreams()
	awaitGauges(t, registry, "lanes_reading", all)
	awaitGauges(t, registry, "events_stream_fill_ratio", map[string]float64{"": 0})
	w.stop()
	// another has lane 0 now, and tells
	awaitGauges(t, registry, "stream_fill_ratio", map[string]float64{})
	awaitGauges(t, registry, "events_stream_fill_ratio", map[string]float64{})
	awaitGauges(t, registry, "lanes", all)
}

// TestFillIsToldWhileNothingIsPassed: a stream fills up just when commands are
// not applied.
func TestFillIsToldWhileNothingIsPassed(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	d := newDriver(t, s)
	s.publish(messages.Bulk, "acme", []byte("?"))
	if err := d.w.purge(context.Background(), messages.Bulk); err != nil {
		t.Fatal(err)
	}
	if fill, ok := d.w.fills.Load(messages.Bulk.Stream()); !ok || fill.(float64) <= 0 {
		t.Errorf("fill %v, %v", fill, ok)
	}
}

// TestStagesOfABatchAreTimed: each stage of a batch is measured, and waiting
// for the partition's lock is told apart from loading.
func TestStagesOfABatchAreTimed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	s := newSystem(t)
	s.organization("acme", 1, 10, "+1555")
	option, registry, _ := watched(t)
	s.awaitReady(s.work(option))
	holder, err := s.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer holder.Rollback(ctx)
	partition := messages.Partition("acme", testLanes)
	if _, err := holder.Exec(ctx, lockSQL, partition); err != nil {
		t.Fatal(err)
	}
	s.publish(messages.Interactive, "acme", connectCommand("one", "b0", 1, number("+1555", 0)))
	systemtest.Eventually(t, "a batch that has waited", func() error {
		var waited bool
		err := s.pool.QueryRow(ctx, `select coalesce(bool_or(clock_timestamp() - waitstart > '200 ms'), false)
			from pg_locks where locktype = 'advisory' and not granted and objid = $1
				and database = (select oid from pg_database where datname = current_database())`, partition).Scan(&waited)
		if err == nil && !waited {
			err = errors.New("none has")
		}
		return err
	})
	if err := holder.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	s.awaitEvents(1)
	took := map[string]float64{}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "connect_provider_stage_duration_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := metric.GetLabel() // class, stage
			if labels[0].GetValue() != "interactive" {
				continue
			}
			stage, measured := labels[1].GetValue(), metric.GetHistogram()
			took[stage] = measured.GetSampleSum()
			if n := measured.GetSampleCount(); n != 1 {
				t.Errorf("stage %s was measured %d times, want 1", stage, n)
			}
		}
	}
	if took["lock"] < 0.2 || took["load"] >= 0.2 {
		t.Errorf("the lock took %v s and loading %v s; somebody else had the lock for 0.2 s", took["lock"], took["load"])
	}
	for _, stage := range []string{"decode", "load", "decide", "write", "commit"} {
		if took[stage] <= 0 {
			t.Errorf("stage %s took %v s", stage, took[stage])
		}
	}
}

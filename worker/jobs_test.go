package worker

import (
	"context"
	"fmt"
	"maps"
	"testing"

	"connect-provider/messages"
	"connect-provider/outbox"
)

func jobCommand(id, job, bridge, phone string) []byte {
	return body(map[string]any{
		"command_id": id, "bridge_slug": bridge, "provider_config_id": 1, "phone_number": phone, "metadata": map[string]string{"job": job, "row": "1"},
	})
}

// TestJobsAreCounted once for each command, whatever is published again, and apart
// for each organization; a job without outcomes is not remembered for longer than
// outcomes are.
func TestJobsAreCounted(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.awaitReady(s.work())
	jobs := func(handle string, names ...string) map[string]map[string]int64 {
		t.Helper()
		told, err := messages.AskJobs(context.Background(), s.nc, organizationOf(t, handle), names)
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]map[string]int64{}
		for _, job := range told {
			if job.FirstDecidedAt.IsZero() || job.LastDecidedAt.Before(job.FirstDecidedAt) {
				t.Errorf("%+v", job)
			}
			counts[job.Job] = job.Commands
		}
		return counts
	}
	want := func(got map[string]map[string]int64, want map[string]map[string]int64) {
		t.Helper()
		if !maps.EqualFunc(got, want, func(a, b map[string]int64) bool { return maps.Equal(a, b) }) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	want(jobs("acme"), map[string]map[string]int64{})
	events := 0
	for range 2 { // the second time all are repeats, but for the malformed one
		for i := range 5 {
			s.publish(messages.Bulk, "acme", jobCommand(fmt.Sprint("a", i), "friday", "b0", number("+1555", i)))
		}
		s.publish(messages.Interactive, "acme", jobCommand("again", "friday", "b0", number("+1555", 0)))
		s.publish(messages.Bulk, "acme", jobCommand("none", "friday", "none", number("+1555", 0)))
		s.publish(messages.Bulk, "acme", jobCommand("other", "Umzug \"Süd\"", "b0", number("+1555", 9)))
		s.publish(messages.Bulk, "evil", jobCommand("a0", "friday", "b0", number("+1666", 0)))
		s.publish(messages.Bulk, "acme", connectCommand("jobless", "b0", 1, number("+1555", 8)))
		if events == 0 {
			events = 10
			s.awaitEvents(events)
		}
	}
	s.publish(messages.Bulk, "acme", body(map[string]any{"command_id": "malformed", "metadata": map[string]string{"job": "friday"}}))
	s.publish(messages.Bulk, "evil", jobCommand("last", "friday", "b0", number("+1666", 1)))
	s.awaitEvents(events + 2)
	friday := map[string]int64{"connected": 5, "unchanged": 1, "bridge_not_found": 1, "malformed_command": 1}
	want(jobs("acme"), map[string]map[string]int64{"friday": friday, "Umzug \"Süd\"": {"connected": 1}})
	want(jobs("acme", "friday", "unheard of"), map[string]map[string]int64{"friday": friday})
	want(jobs("evil"), map[string]map[string]int64{"friday": {"connected": 2}})

	s.platform(`update connect_provider.job_outcomes set last_decided_at = now() - interval '31 days' where org_token = 'acme' and job = 'friday'`)
	if _, _, err := outbox.Prune(context.Background(), s.pool, DefaultConfig().InboxRetention, DefaultConfig().DeadLetterRetention); err != nil {
		t.Fatal(err)
	}
	want(jobs("acme"), map[string]map[string]int64{"Umzug \"Süd\"": {"connected": 1}})
}

// TestLastJobsAreTold: at most a hundred, those that had an outcome last.
func TestLastJobsAreTold(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.awaitReady(s.work())
	s.platform(`insert into connect_provider.job_outcomes
		select 'acme', 'job ' || n, 'connected', 1, now(), now() + make_interval(secs => n) from generate_series(1, 150) n`)
	told, err := messages.AskJobs(context.Background(), s.nc, organizationOf(t, "acme"), nil)
	if err != nil || len(told) != messages.MaxJobs || told[0].Job != "job 150" || told[99].Job != "job 51" {
		t.Errorf("%d jobs, %v", len(told), err)
	}
}

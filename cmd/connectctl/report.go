package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"connect-provider/messages"
)

// report tells what happened.
func (s *screen) report(a *audit, mass speed, latencies []time.Duration) {
	for _, sample := range a.samples {
		var pretty bytes.Buffer
		if json.Indent(&pretty, sample.body, "", "  ") == nil {
			fmt.Fprintf(s.to, "\n%s:\n%s\n", sample.title, pretty.String())
		}
	}
	fmt.Fprintln(s.to)
	s.outcomes(a)
	fmt.Fprintln(s.to)
	if mass.commands > 0 {
		fmt.Fprintf(s.to, "Speed:   %s commands per second (%s accepted in %s, all decided and their events read in %s; every write synced)\n",
			count(int(float64(mass.commands)/mass.decided.Seconds())), count(mass.commands), round(mass.published), round(mass.decided))
	}
	if n := len(latencies); n > 0 {
		at := func(percent int) time.Duration { return round(latencies[min(n*percent/100, n-1)]) }
		fmt.Fprintf(s.to, "Latency: from publishing to reading the outcome, one at a time: median %s, 90%% within %s, 99%% within %s\n", at(50), at(90), at(99))
	}
	for _, problem := range a.problems {
		fmt.Fprintf(s.to, "BROKEN:  %s\n", problem)
	}
	if a.wrong == 0 {
		fmt.Fprintf(s.to, "Checked: %s commands accepted, %s events: each command has exactly one outcome, the %d repeated one has none of its own, and each organization's outcomes stand in the order of its commands.\n",
			count(a.commands), count(a.events), a.repeats)
	}
}

// outcomes prints how many commands ended how.
func (s *screen) outcomes(a *audit) {
	table := tabwriter.NewWriter(s.to, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(n int, outcome string, status int) {
		if n > 0 {
			fmt.Fprintf(table, "%s\t%d\t  %s\n", count(n), status, outcome)
		}
	}
	fmt.Fprintln(table, "COMMANDS\tSTATUS\t  OUTCOME")
	connected := outcomeConnected
	if a.unchanged > 0 {
		connected += fmt.Sprintf(" (%d of them were so already)", a.unchanged)
	}
	row(a.outcomes[outcomeConnected], connected, 200)
	for _, code := range messages.Codes() {
		row(a.outcomes[string(code)], string(code), code.LegacyStatus())
	}
	if a.repeats > 0 {
		fmt.Fprintf(table, "%s\t-\t  repeat of a decided command: nothing done, no second event\n", count(a.repeats))
	}
	_ = table.Flush() // what can't be printed is not missed
}

// tryNext tells what can be done with the system while it stays up.
func (s *screen) tryNext(system *system) {
	next := messages.Command{BridgeSlug: "support-bridge-001", ProviderConfigID: 1, PhoneNumber: "+1234567891"}
	fmt.Fprintf(s.to, `
The system stays up until you press Ctrl-C. In another terminal, try:

  # read the outcomes of acme as they come
  nats --server %[1]s sub --stream TELEPHONY_EVENTS --new 'telephony.events.*.acme.>'

  # publish a command
  %[2]s

  # the same with connectctl, and wait for the outcome
  %[3]s publish --server %[1]s --org acme --bridge support-bridge-001 --provider-config 1 --phone +1234567891 --wait 15s

  # what became of acme's numbers
  psql '%[4]s' -c "select * from connect_provider.connections where domain_handle = 'acme'"
`, system.natsURL, natsPublish(system.natsURL, next), self(), system.databaseURL)
}

func round(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(10 * time.Millisecond)
	}
	return d.Round(10 * time.Microsecond)
}

// count writes a number with its thousands apart: 12,345.
func count(n int) string {
	digits := []byte(strconv.Itoa(n))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	return string(digits)
}

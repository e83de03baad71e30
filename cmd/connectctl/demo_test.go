package main

import (
	"strings"
	"testing"

	"connect-provider/deploy/systemtest"
	"connect-provider/messages"
)

func TestDemoShowsEveryOutcome(t *testing.T) {
	t.Parallel()
	database := systemtest.Database(t)
	out, _ := runs(t, 0, "demo", "--commands", "300", "--database-url", database)
	for _, code := range messages.Codes() {
		if code != messages.InternalError {
			contains(t, out, string(code))
		}
	}
	contains(t, out, "507     200  connected (1 of them were so already)", `"id": "`, "commands per second", "Latency:",
		"Checked: 522 commands accepted, 521 events")
	if strings.Contains(out, "\r") {
		t.Error("what is no terminal got control characters")
	}
	_, stderr := runs(t, 1, "demo", "--database-url", database)
	contains(t, stderr, "give the demo an empty one")
}

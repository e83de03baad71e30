package worker

import (
	"fmt"
	"testing"

	"connect-provider/messages"
)

func TestCommandsAreDecidedOnceAndInOrder(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	s.organization("acme", 10, 100, "+1555")
	s.organization("example.com", 10, 100, "+1666")
	s.work()
	for i := range 50 {
		s.publish(messages.Interactive, "acme", connectCommand(fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1555", i)))
		s.publish(messages.Bulk, "example.com", connectCommand(fmt.Sprintf("a%d", i), fmt.Sprintf("b%d", i%10), 1, number("+1666", i)))
	}
	events := s.awaitEvents(100)
	checkOrder(t, events)
	if got := codes(events); got["connected"] != 100 {
		t.Errorf("outcomes %v, want 100 connected", got)
	}
	if n := s.count(`select count(*) from connect_provider.connections`); n != 100 {
		t.Errorf("%d connections, want 100", n)
	}
	s.awaitCount("empty outbox", 0, `select count(*) from connect_provider.outbox`)
}

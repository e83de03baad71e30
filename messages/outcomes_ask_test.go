package messages_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"connect-provider/messages"
)

const smallPayload = 4096

// answerWith has a server on which every question is answered by a function.
// Without one nobody answers.
func answerWith(t *testing.T, answer func(ids []string) *nats.Msg) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, MaxPayload: smallPayload, NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	if answer == nil {
		return nc
	}
	_, err = nc.Subscribe(messages.OutcomesFilter, func(m *nats.Msg) {
		q, err := messages.DecodeOutcomesRequest(m.Data)
		if err != nil || !messages.IsInbox(m.Reply) {
			t.Errorf("asked %s, to be answered on %s: %v", m.Data, m.Reply, err)
		}
		if err := m.RespondMsg(answer(q.CommandIDs)); err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return nc
}

func askAcme(t *testing.T, nc *nats.Conn, ids ...string) (messages.OutcomesAnswer, error) {
	t.Helper()
	acme, err := messages.OrganizationFromHandle("acme")
	if err != nil {
		t.Fatal(err)
	}
	return messages.AskOutcomes(t.Context(), nc, acme, ids)
}

// Whatever the size of the outcomes, all are told, once each, and the cursors
// are those from before any of them was read.
func TestAskingAgainForWhatHadNoRoom(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"many in an answer": 10, "a few": 900, "one, if asked for alone": smallPayload - 700} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asked := uint64(0)
			nc := answerWith(t, func(ids []string) *nats.Msg {
				asked++
				answer := messages.OutcomesAnswer{OrgHandle: "acme", Lanes: []messages.LaneCursor{{Lane: messages.Lane{Class: messages.Bulk}, Cursor: asked}}}
				for _, id := range ids {
					if strings.HasPrefix(id, "unknown") {
						answer.Unknown = append(answer.Unknown, id)
						continue
					}
					outcome := failedOutcome(id)
					outcome.Data.BridgeSlug = strings.Repeat("b", size)
					answer.Outcomes = append(answer.Outcomes, outcome)
				}
				body, err := answer.Encode(smallPayload)
				if err != nil {
					t.Error(err)
				}
				return &nats.Msg{Data: body}
			})
			var ids []string
			for i := range 60 {
				// more than a message holds
				ids = append(ids, fmt.Sprint("id", i, long(90)), fmt.Sprint("unknown", i, long(90)))
			}
			answer, err := askAcme(t, nc, append(ids, ids...)...)
			if err != nil || len(answer.Outcomes) != 60 || len(answer.Unknown) != 60 || len(answer.Unanswered) != 0 || answer.OrgHandle != "acme" {
				t.Fatalf("%d outcomes, %d unknown, %d unanswered, %v", len(answer.Outcomes), len(answer.Unknown), len(answer.Unanswered), err)
			}
			told := map[string]bool{}
			for _, outcome := range answer.Outcomes {
				told[outcome.Data.CommandID] = true
			}
			if len(told) != 60 {
				t.Errorf("%d different outcomes", len(told))
			}
			if lane, ok := answer.Lane(messages.Bulk); !ok || lane.Cursor != 1 || len(answer.Lanes) != 1 {
				t.Errorf("after %d questions the lanes are told as %+v", asked, answer.Lanes)
			}
		})
	}
}

func TestAskingEndsWithAnError(t *testing.T) {
	t.Parallel()
	encoded := func(answer messages.OutcomesAnswer) *nats.Msg {
		body, err := answer.Encode(smallPayload)
		if err != nil {
			t.Error(err)
		}
		return &nats.Msg{Data: body}
	}
	for name, test := range map[string]struct {
		answer func(ids []string) *nats.Msg
		says   string
	}{
		"no room for one": {func(ids []string) *nats.Msg { return encoded(messages.OutcomesAnswer{Unanswered: ids}) }, "max_payload of 4096"},
		"one forgotten":   {func(ids []string) *nats.Msg { return encoded(messages.OutcomesAnswer{Unknown: ids[1:]}) }, "each command"},
		"no answer":       {func([]string) *nats.Msg { return &nats.Msg{Data: []byte("sorry")} }, "answer about outcomes"},
		"refused": {func([]string) *nats.Msg {
			return &nats.Msg{Header: nats.Header{micro.ErrorCodeHeader: {"503"}, micro.ErrorHeader: {"Ask again."}}}
		}, "Ask again. (503)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answer, err := askAcme(t, answerWith(t, test.answer), "a", "b", "c")
			if err == nil || !strings.Contains(err.Error(), test.says) {
				t.Errorf("%+v, %v", answer, err)
			}
			refused, ok := errors.AsType[*messages.OutcomesRefused](err)
			if ok != (name == "refused") || ok && refused.Code != "503" {
				t.Errorf("%#v", refused)
			}
		})
	}
	if _, err := askAcme(t, answerWith(t, nil), "a"); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("nobody there: %v", err)
	}
	if _, err := askAcme(t, answerWith(t, nil), "no id"); err == nil || !strings.Contains(err.Error(), "no command id") {
		t.Errorf("no id: %v", err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := messages.AskOutcomes(ended, answerWith(t, nil), messages.Organization{Token: "acme"}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended: %v", err)
	}
}

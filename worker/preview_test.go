package worker

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"

	"connect-provider/messages"
)

// preview asks what would come of commands.
func (s *system) preview(handle string, q messages.PreviewRequest) []messages.Preview {
	s.t.Helper()
	answer, err := messages.AskPreviews(context.Background(), s.nc, organizationOf(s.t, handle), q)
	if err != nil {
		s.t.Fatalf("ask for previews of %v: %v", q, err)
	}
	if len(answer.Previews) != len(q.Commands) {
		s.t.Fatalf("%d previews of %d commands", len(answer.Previews), len(q.Commands))
	}
	return answer.Previews
}

// newPreviewed is a system with something of everything that rules look at.
func newPreviewed(t *testing.T) *system {
	s := newSystem(t)
	s.organization("acme", 4, 20, "+1555")
	s.organization("globex", 2, 5, "+1666")
	s.platform(`insert into telephony.phone_numbers values ('+15559', 'acme', 3, true), ('+15558', 'acme', 3, true), ('+15557', 'acme', 2, true), ('+15556', 'acme', 1, false)`)
	return s
}

// TestPreviewsAreWhatIsThenDecided: commands for every rule, one after another,
// are previewed and then published.
func TestPreviewsAreWhatIsThenDecided(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	s.awaitReady(s.work())
	s.publish(messages.Interactive, "globex", connectCommand("g", "b0", 1, number("+1666", 0)))
	s.publish(messages.Interactive, "acme", connectCommand("before", "b2", 1, number("+1555", 9)))
	s.awaitEvents(2)
	commands := [][]byte{
		connectCommand("a1", "b0", 1, number("+1555", 0)),
		connectCommand("a2", "b0", 1, number("+1555", 0)),              // unchanged
		connectCommand("a2", "b0", 1, number("+1555", 0)),              // a repeat
		connectCommand("a2", "b0", 1, number("+1555", 1)),              // reused
		connectCommand("before", "b3", 1, number("+1555", 9)),          // reused, decided before
		connectCommand("a3", "b1", 1, number("+1555", 0)),              // in use, by the first one
		connectCommand("a4", "b0", 3, "+15559"),                        // other provider
		connectCommand("a5", "b1", 3, "+15559"),                        // none yet
		connectCommand("a6", "b1", 1, number("+1555", 2)),              // other provider, by the one before
		connectCommand("a7", "none", 1, number("+1555", 2)),            // no bridge
		connectCommand("a8", "b0", 99, number("+1555", 2)),             // no configuration
		connectCommand("a9", "b0", 5, number("+1555", 2)),              // inactive
		connectCommand("a10", "b0", 2, number("+1555", 2)),             // not linked
		connectCommand("a11", "b0", 1, "+15556"),                       // not active
		connectCommand("a12", "b0", 1, number("+1666", 0)),             // another organization's
		connectCommand("a13", "b0", 1, "1555"),                         // invalid
		body(map[string]any{"command_id": "a14", "bridge_slug": "b0"}), // malformed
		body(map[string]any{"command_id": "a15", "bridge_slug": "b0", "provider_config_id": 1, "phone_number": number("+1555", 3), "org_handle": "globex"}),
	}
	before := s.count(`select count(*) from connect_provider.inbox`)
	previews := s.preview("acme", messages.PreviewRequest{Commands: commands})
	if n := s.count(`select count(*) from connect_provider.inbox`); n != before {
		t.Fatalf("a preview has written %d rows", n-before)
	}
	sequences := make([]uint64, len(commands))
	for i, command := range commands {
		sequences[i] = s.publish(messages.Bulk, "acme", command)
	}
	decided := map[uint64]storedEvent{}
	for _, event := range s.awaitEvents(2 + len(commands) - 1) {
		if event.Lane.Class == messages.Bulk {
			decided[event.Sequence] = event
		}
	}
	for i, p := range previews {
		event, ok := decided[sequences[i]]
		switch {
		case p.Decided != !ok:
			t.Errorf("command %d: previewed as decided %v, and there is an event: %v", i, p.Decided, ok)
		case !ok:
		case !reflect.DeepEqual(p.Error, event.Data.Error), p.Changed != event.Data.Changed, p.Provider != event.Data.Provider:
			t.Errorf("command %d: previewed %+v, decided %+v", i, p, event.Data.Error)
		}
	}
	codes := map[messages.Code]bool{}
	for _, p := range previews {
		if p.Error != nil {
			codes[p.Error.Code] = true
		}
	}
	for _, code := range messages.Codes() {
		if !codes[code] && code != messages.InternalError && code != messages.OrganizationUnknown {
			t.Errorf("no command for %s", code)
		}
	}
	if p := s.preview("nobody", messages.PreviewRequest{Commands: commands[:1]}); p[0].Error == nil || p[0].Error.Code != messages.OrganizationUnknown {
		t.Errorf("of an organization that does not exist: %+v", p)
	}
}

// TestPreviewsAssume: what earlier commands would have changed decides about later
// ones as if it had happened.
func TestPreviewsAssume(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	s.awaitReady(s.work())
	s.publish(messages.Interactive, "acme", connectCommand("one", "b0", 3, "+15559"))
	s.awaitEvents(1)
	s.platform(`update telephony.phone_numbers set provider_config_id = 1 where phone_number = '+15559'`)
	move := connectCommand("move", "b0", 1, "+15559")
	twilio, plivo := connectCommand("t", "b0", 1, number("+1555", 1)), connectCommand("p", "b0", 3, "+15558")
	code := func(p messages.Preview) messages.Code {
		if p.Error == nil {
			return ""
		}
		return p.Error.Code
	}
	for name, tt := range map[string]struct {
		q    messages.PreviewRequest
		want []messages.Code
	}{
		"nothing":               {messages.PreviewRequest{Commands: [][]byte{twilio, plivo}}, []messages.Code{messages.BridgeHasOtherProvider, ""}},
		"the move in it":        {messages.PreviewRequest{Commands: [][]byte{move, twilio, plivo}}, []messages.Code{"", "", messages.BridgeHasOtherProvider}},
		"the move assumed":      {messages.PreviewRequest{Commands: [][]byte{twilio, plivo}, Bridges: []messages.AssumedBridge{{BridgeSlug: "b0", Provider: "plivo", Numbers: -1}, {BridgeSlug: "b0", Provider: "twilio", Numbers: 1}}}, []messages.Code{"", messages.BridgeHasOtherProvider}},
		"a provider that comes": {messages.PreviewRequest{Commands: [][]byte{connectCommand("x", "b1", 1, number("+1555", 1))}, Bridges: []messages.AssumedBridge{{BridgeSlug: "b1", Provider: "plivo", Numbers: 1}}}, []messages.Code{messages.BridgeHasOtherProvider}},
		"a number elsewhere": {messages.PreviewRequest{Commands: [][]byte{connectCommand("x", "b1", 1, number("+1555", 1))},
			Connections: []messages.AssumedConnection{{PhoneNumber: number("+1555", 1), BridgeSlug: "b2", ProviderConfigID: 1, Provider: "twilio"}}}, []messages.Code{messages.PhoneNumberInUse}},
		"a bridge that does not exist": {messages.PreviewRequest{Commands: [][]byte{connectCommand("x", "none", 1, number("+1555", 1))}, Bridges: []messages.AssumedBridge{{BridgeSlug: "none", Provider: "plivo", Numbers: 1}}}, []messages.Code{messages.BridgeNotFound}},
	} {
		previews := s.preview("acme", tt.q)
		for i, want := range tt.want {
			if got := code(previews[i]); got != want {
				t.Errorf("%s: command %d: %q, want %q", name, i, got, want)
			}
		}
	}
	// many on a bridge, of which some move away
	s.platform(`insert into connect_provider.connections select '+1777' || n, 'acme', 'b3', 3, 'plivo', 1, now() from generate_series(1, 6) n`)
	for away, want := range map[int]messages.Code{3: messages.BridgeHasOtherProvider, 6: ""} {
		q := messages.PreviewRequest{Commands: [][]byte{connectCommand("y", "b3", 1, number("+1555", 1))}, Bridges: []messages.AssumedBridge{{BridgeSlug: "b3", Provider: "plivo", Numbers: -away}}}
		if got := code(s.preview("acme", q)[0]); got != want {
			t.Errorf("%d of 6 moved away: %q, want %q", away, got, want)
		}
	}
	if p := s.preview("acme", messages.PreviewRequest{Commands: [][]byte{move}}); p[0].PreviousProvider != "plivo" || p[0].Provider != "twilio" || !p[0].Changed {
		t.Errorf("a move: %+v", p[0])
	}
}

// TestPreviewsAreFair: however long previews take, outcomes are told and commands
// decided; wrong questions are refused; an answer that has no room for all tells of
// the first ones.
func TestPreviewsAreFair(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	registry := prometheus.NewRegistry()
	s.awaitReady(s.work(func(c *Config) { c.Registerer = registry }))
	for body, says := range map[string]string{
		``: "not a JSON object", `{}`: "missing", `{"commands":[],"x":1}`: "not a JSON object",
		`{"commands":[` + strings.TrimSuffix(strings.Repeat(`1,`, 2001), ",") + `]}`: "at most 2000",
	} {
		reply := s.askRaw("telephony.previews.acme", body)
		if code, sentence := reply.Header.Get(micro.ErrorCodeHeader), reply.Header.Get(micro.ErrorHeader); code != "400" || !strings.Contains(sentence, says) {
			t.Errorf("%.40q: %s %q", body, code, sentence)
		}
	}
	if n := measured(t, registry, "preview_requests_total", "bad_request"); n != 4 {
		t.Errorf("%v wrong questions counted", n)
	}
	var many [][]byte
	for i := range messages.MaxPreviews {
		many = append(many, connectCommand(fmt.Sprint("c", i), "none", 1, number("+1555", i)))
	}
	s.preview("acme", messages.PreviewRequest{Commands: many})

	// previews are held up where they read what nobody else needs for an answer
	tx, err := s.pool.Begin(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background())
	if _, err := tx.Exec(context.Background(), `lock table telephony.bridges in access exclusive mode`); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_, err := messages.AskPreviews(ctx, s.nc, organizationOf(t, "acme"), messages.PreviewRequest{Commands: many[:1]})
		held <- err
	}()
	s.awaitCount("the preview to be held up", 1, `select count(*) from pg_locks where not granted and relation = 'telephony.bridges'::regclass`)
	s.ask("acme", "a")
	select {
	case err := <-held:
		t.Errorf("the preview was not held up: %v", err)
	default:
	}
	if err := tx.Rollback(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
}

// TestPreviewsGoToInboxes only, like all answers.
func TestPreviewsGoToInboxes(t *testing.T) {
	t.Parallel()
	s := newPreviewed(t)
	registry := prometheus.NewRegistry()
	s.awaitReady(s.work(func(c *Config) { c.Registerer = registry }))
	for _, subject := range []string{"telephony.events.c1.evil.provider-connected", "billing.invoices", ""} {
		if err := s.nc.PublishRequest("telephony.previews.acme", subject, []byte(`{"commands":[]}`)); subject != "" && err != nil {
			t.Fatal(err)
		}
	}
	s.preview("acme", messages.PreviewRequest{Commands: [][]byte{connectCommand("a", "b0", 1, number("+1555", 0))}})
	if n := measured(t, registry, "preview_requests_total", "ignored"); n < 2 {
		t.Errorf("%v questions ignored", n)
	}
}

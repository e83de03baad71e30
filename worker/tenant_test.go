package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

// newTenants is a system with two organizations that have much in common: acme
// and evil. Each has what the other has not: numbers (+1555…, +1666…), a bridge
// and a configuration named after it.
func newTenants(t testing.TB) *system {
	s := newSystem(t)
	s.organization("acme", 2, 50, "+1555")
	s.organization("evil", 2, 50, "+1666")
	s.platform(`insert into telephony.bridges values ('acme', 'acme-only'), ('evil', 'evil-only')`)
	s.platform(`insert into telephony.provider_configurations values ('acme', 77, 'twilio', true)`)
	return s
}

// outcomes waits for a number of events and returns those of one organization
// token, by command id.
func (s *system) outcomes(want int, token string) map[string]storedEvent {
	s.t.Helper()
	found := map[string]storedEvent{}
	for _, event := range s.awaitEvents(want) {
		if event.Organization.Token == token {
			found[event.CommandID] = event
		}
	}
	return found
}

// TestNobodySuppresses: what one organization publishes first, under whatever
// id, leaves another's commands what they are.
func TestNobodySuppresses(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.work()
	commands := "telephony.commands.%s.connect-provider"
	header := nats.Header{"Nats-Msg-Id": {"order-1"}}

	// the id in the header that JetStream deduplicates by, over the whole stream
	s.publishTo(fmt.Sprintf(commands, "evil"), connectCommand("order-1", "b0", 1, number("+1666", 1)), header)
	s.publishTo(fmt.Sprintf(commands, "acme"), connectCommand("order-1", "b1", 1, number("+1555", 1)), nil)
	// and where the other sends the header too: "duplicate" means not accepted
	s.publishTo(fmt.Sprintf(commands, "evil"), connectCommand("e-2", "b0", 1, number("+1666", 2)), nats.Header{"Nats-Msg-Id": {"order-2"}})
	withHeader := &nats.Msg{Subject: fmt.Sprintf(commands, "acme"), Data: connectCommand("order-2", "b1", 1, number("+1555", 2)), Header: nats.Header{"Nats-Msg-Id": {"order-2"}}}
	ack, err := s.js.PublishMsg(context.Background(), withHeader)
	if err != nil {
		t.Fatal(err)
	}
	if ack.Duplicate {
		s.publishTo(withHeader.Subject, withHeader.Data, nil)
	}
	// an id that the worker would make up for the other's next command
	info, err := s.js.Stream(context.Background(), interactiveStream)
	if err != nil {
		t.Fatal(err)
	}
	created, last := info.CachedInfo().Created.UnixNano(), info.CachedInfo().State.LastSeq
	for ahead := range uint64(4) {
		for _, id := range []string{
			fmt.Sprintf("stream:%d:%d:%d", created, last+ahead, time.Now().UnixNano()),
			fmt.Sprintf("@%d/%d/%d", created, last+ahead, time.Now().UnixNano()),
		} {
			s.publishTo(fmt.Sprintf(commands, "evil"), connectCommand(id, "b0", 1, number("+1666", 3)), nil)
		}
	}
	sequence := s.publishTo(fmt.Sprintf(commands, "acme"), body(map[string]any{"bridge_slug": "b1", "provider_config_id": 1, "phone_number": number("+1555", 3)}), nil)
	events := s.awaitEvents(4 + 8 + 1)
	connected := 0
	for _, event := range events {
		switch {
		case event.Organization.Handle == "acme":
			if codeOf(event.Event) != "connected" {
				t.Errorf("acme's %s: %s", event.CommandID, codeOf(event.Event))
			}
			if event.Sequence == sequence && !strings.HasPrefix(event.CommandID, fmt.Sprintf("stream:%d:%d:", created, sequence)) {
				t.Errorf("acme's command without an id got %s", event.CommandID)
			}
			connected++
		case strings.HasPrefix(event.Data.CommandID, "@"), event.CommandID == "":
			if codeOf(event.Event) != "malformed_command" {
				t.Errorf("evil's position key as an id: %s", codeOf(event.Event))
			}
		}
	}
	if connected != 3 {
		t.Errorf("%d of acme's commands are connected, want 3", connected)
	}
	checkOrder(t, events)
}

// TestNobodySupplants: headers by which JetStream would replace or expire
// messages are refused by the streams.
func TestNobodySupplants(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	for _, class := range []string{"commands", "bulk"} {
		s.publishTo("telephony."+class+".acme.connect-provider", connectCommand("c-"+class, "b0", 1, number("+1555", 1)), nil)
		for name, value := range map[string]string{"Nats-Rollup": "all", "Nats-TTL": "1s", "Nats-Incr": "1"} {
			_, err := s.js.PublishMsg(context.Background(), &nats.Msg{
				Subject: "telephony." + class + ".evil.connect-provider", Header: nats.Header{name: {value}}, Data: []byte("x"),
			})
			if err == nil {
				t.Errorf("%s is accepted by the stream of %s", name, class)
			}
		}
	}
	s.work()
	s.awaitEvents(2)
}

// TestNobodyForges: nothing but the subject says who asks, and only in one
// spelling.
func TestNobodyForges(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.work()
	long := strings.Repeat("acme", 100)
	digest := messages.OrganizationFromToken(long).Token
	tokens := []string{
		"%61cme", "%61%63%6D%65", "acm%65", "acme%00", "acme%2e", "acme%2", "acme%", "%", "ACME", "acme%20", "+acme", "acme=",
		"acme\x01", "\x7facme", "acme\xff", "аcme", "acme\u200b", // the first letter of the third last is Cyrillic
		"~", "~acme", "~acme~", "~acme~" + strings.Repeat("0", 64),
		long, long + "x", digest, // the digest that stands in for a long token is no other organization's name
	}
	var sequences []uint64
	for _, token := range tokens {
		sequences = append(sequences, s.publishTo("telephony.commands."+token+".connect-provider", connectCommand("same", "b0", 1, number("+1555", 1)), nil))
	}
	// the body's claims, plain and as CloudEvents
	evil := "telephony.commands.evil.connect-provider"
	mismatch := s.publishTo(evil, body(map[string]any{"command_id": "m", "org_handle": "acme", "bridge_slug": "b0", "provider_config_id": 1, "phone_number": number("+1555", 1)}), nil)
	data := map[string]any{"bridge_slug": "b0", "provider_config_id": 1, "phone_number": number("+1666", 1)}
	structured := s.publishTo(evil, body(map[string]any{
		"specversion": "1.0", "id": "ce1", "source": "/acme", "type": "telephony.connect", "subject": "acme", "orghandle": "acme", "organization": "acme", "data": data,
	}), nats.Header{"Content-Type": {"application/cloudevents+json"}})
	binary := s.publishTo(evil, body(data), nats.Header{
		"ce-specversion": {"1.0"}, "ce-id": {"ce2"}, "ce-source": {"/acme"}, "ce-type": {"x"}, "ce-orghandle": {"acme"}, "ce-subject": {"acme"}, "Org-Handle": {"acme"},
	})
	events := s.awaitEvents(len(tokens) + 3)
	checkOrder(t, events)
	bySequence := map[uint64]storedEvent{}
	keys := map[string]string{}
	for _, event := range events {
		bySequence[event.Sequence] = event
		if event.Organization.Handle == "acme" {
			t.Errorf("event of command %d is acme's", event.Sequence)
		}
	}
	for i, sequence := range sequences {
		event := bySequence[sequence]
		if codeOf(event.Event) != "organization_unknown" {
			t.Errorf("token %q: %s", tokens[i], codeOf(event.Event))
		}
		if other, taken := keys[event.Organization.Token]; taken {
			t.Errorf("tokens %q and %q are the same organization, %q", tokens[i], other, event.Organization.Token)
		}
		keys[event.Organization.Token] = tokens[i]
	}
	for what, c := range map[string]struct {
		sequence uint64
		code     string
	}{"org_handle": {mismatch, "organization_mismatch"}, "structured": {structured, "connected"}, "binary": {binary, "unchanged"}} {
		if event := bySequence[c.sequence]; codeOf(event.Event) != c.code || event.Organization.Handle != "evil" || event.Data.OrgHandle != "evil" {
			t.Errorf("%s: %s of %q", what, codeOf(event.Event), event.Organization.Handle)
		}
	}
	if n := s.count(`select count(*) from connect_provider.connections where domain_handle <> 'evil'`); n != 0 {
		t.Errorf("%d connections of others", n)
	}
	if n := s.count(`select count(*) from connect_provider.inbox where org_token = 'acme'`); n != 0 {
		t.Errorf("%d inbox rows of acme", n)
	}
}

// TestNobodyReads: what belongs to another organization looks like what does
// not exist, to the letter; a number that another holds says nothing of it.
func TestNobodyReads(t *testing.T) {
	t.Parallel()
	s := newTenants(t)
	s.work()
	s.publish(messages.Interactive, "acme", connectCommand("secret-id", "acme-only", 1, number("+1555", 1)))
	s.awaitEvents(1)
	// the platform gave acme's connected number to evil
	s.platform(`update telephony.phone_numbers set domain_handle = 'evil' where phone_number = $1`, number("+1555", 1))
	pairs := map[string][2][]byte{
		"bridge":        {connectCommand("b-theirs", "acme-only", 1, number("+1666", 1)), connectCommand("b-none", "no-such", 1, number("+1666", 1))},
		"configuration": {connectCommand("p-theirs", "b0", 77, number("+1666", 1)), connectCommand("p-none", "b0", 78, number("+1666", 1))},
		"number":        {connectCommand("n-theirs", "b0", 1, number("+1555", 2)), connectCommand("n-none", "b0", 1, "+49301234567")},
		"command id":    {connectCommand("secret-id", "b0", 99, number("+1666", 1)), connectCommand("no-such-id", "b0", 99, number("+1666", 1))},
	}
	for _, pair := range pairs {
		s.publish(messages.Interactive, "evil", pair[0])
		s.publish(messages.Interactive, "evil", pair[1])
	}
	s.publish(messages.Interactive, "evil", connectCommand("in-use", "b0", 1, number("+1555", 1)))
	outcomes := s.outcomes(1+2*len(pairs)+1, "evil")
	failure := func(command []byte) string {
		var id struct {
			CommandID string `json:"command_id"`
		}
		if err := json.Unmarshal(command, &id); err != nil {
			t.Fatal(err)
		}
		event, ok := outcomes[id.CommandID]
		if !ok || event.Data.Error == nil {
			t.Fatalf("%s: %+v", id.CommandID, event.Event)
		}
		return fmt.Sprintf("%s %q %q %v %q", event.Data.Error.Code, event.Data.Error.Field, event.Data.Error.Message, event.Data.Error.Details, event.Data.Provider)
	}
	for what, pair := range pairs {
		if theirs, none := failure(pair[0]), failure(pair[1]); theirs != none {
			t.Errorf("%s: another organization's gives %s, none gives %s", what, theirs, none)
		}
	}
	inUse := outcomes["in-use"]
	if codeOf(inUse.Event) != "phone_number_in_use" {
		t.Fatalf("a number that acme still holds: %s", codeOf(inUse.Event))
	}
	payload, err := inUse.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(payload), "acme") || len(inUse.Data.Error.Details) != 0 {
		t.Errorf("it tells of acme: %s", payload)
	}
	// nor does the inbox, which answers questions about commands later
	if n := s.count(`select count(*) from connect_provider.inbox where org_token = 'evil' and (failure::text like '%acme%')`); n != 0 {
		t.Errorf("%d inbox rows of evil tell of acme", n)
	}
}

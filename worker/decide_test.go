package worker

import (
	"fmt"
	"testing"
	"time"

	"connect-provider/messages"
)

// rule is a row of the decision table: what was decided before, the command,
// and what must come of it.
type rule struct {
	name string
	// command returns the subject's verb and token, and the body.
	verb    string
	token   func(org string) string
	body    func(org string) string
	code    string
	field   string
	details map[string]string
}

const valid = `{"command_id":"it","bridge_slug":"b0","provider_config_id":1,"phone_number":"%s"}`

func prefixOf(org string) string { return "+1" + org[len(org)-4:] }

// rules holds every row of the README's decision table. Each organization has
// bridges b0 to b9, configurations 1 and 2 (twilio), 3 and 4 (plivo), 5
// (inactive), and numbers linked to configuration 1; its number 900001 is
// linked to 3, 900002 to 5, 900003 to 1 but inactive, 900004 to 2 and on b0
// through 1, 900005 to 1 and on b1, 900006 to 1 and on a bridge of another
// organization.
var rules = []rule{
	{name: "connected", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900000") }, code: "connected"},
	{name: "unchanged", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b1","provider_config_id":1,"phone_number":"%s900005"}`, prefixOf(o))
	}, code: "unchanged"},
	{name: "moved to another configuration", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b0","provider_config_id":2,"phone_number":"%s900004"}`, prefixOf(o))
	}, code: "connected"},
	{name: "1 not JSON", body: func(string) string { return `connect please` }, code: "malformed_command"},
	{name: "1 unknown member", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b0","provider_config_id":1,"phone_number":"%s900000","bridge":"b0"}`, prefixOf(o))
	}, code: "malformed_command", field: "bridge"},
	{name: "1 missing member", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","provider_config_id":1,"phone_number":"%s900000"}`, prefixOf(o))
	}, code: "malformed_command", field: "bridge_slug"},
	{name: "1 unknown verb", verb: "connect-carrier", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900000") }, code: "malformed_command"},
	{name: "2 id reused", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"used","bridge_slug":"b0","provider_config_id":1,"phone_number":"%s900000"}`, prefixOf(o))
	}, code: "command_id_reused", field: "command_id"},
	{name: "3 number with a space", body: func(o string) string { return fmt.Sprintf(valid, " "+prefixOf(o)+"900000") }, code: "phone_number_invalid", field: "phone_number"},
	{name: "4 no such organization", token: func(o string) string { return o + "-x" },
		body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900000") }, code: "organization_unknown"},
	{name: "4 token that is not canonical", token: func(o string) string { return "%" + fmt.Sprintf("%02X", o[0]) + o[1:] },
		body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900000") }, code: "organization_unknown"},
	{name: "4a other organization in the body", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","org_handle":"acme","bridge_slug":"b0","provider_config_id":1,"phone_number":"%s900000"}`, prefixOf(o))
	}, code: "organization_mismatch", field: "org_handle"},
	{name: "5 no such bridge", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"nope","provider_config_id":1,"phone_number":"%s900000"}`, prefixOf(o))
	}, code: "bridge_not_found", field: "bridge_slug"},
	{name: "6 no such configuration", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b0","provider_config_id":99,"phone_number":"%s900000"}`, prefixOf(o))
	}, code: "provider_config_not_found", field: "provider_config_id"},
	{name: "6a configuration not active", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b0","provider_config_id":5,"phone_number":"%s900002"}`, prefixOf(o))
	}, code: "provider_config_inactive", field: "provider_config_id"},
	{name: "7 linked to another configuration", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900001") }, code: "phone_number_not_linked", field: "phone_number"},
	{name: "7 number not active", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900003") }, code: "phone_number_not_linked", field: "phone_number"},
	{name: "7 number of nobody", body: func(o string) string { return fmt.Sprintf(valid, "+4930123") }, code: "phone_number_not_linked", field: "phone_number"},
	{name: "7 number of another organization", body: func(o string) string { return fmt.Sprintf(valid, "+1999000000") }, code: "phone_number_not_linked", field: "phone_number"},
	{name: "8 on another bridge", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900005") },
		code: "phone_number_in_use", field: "phone_number", details: map[string]string{"current_bridge_slug": "b1"}},
	{name: "8 on another organization's bridge", body: func(o string) string { return fmt.Sprintf(valid, prefixOf(o)+"900006") },
		code: "phone_number_in_use", field: "phone_number", details: map[string]string{}},
	{name: "9 bridge has another provider", body: func(o string) string {
		return fmt.Sprintf(`{"command_id":"it","bridge_slug":"b0","provider_config_id":3,"phone_number":"%s900001"}`, prefixOf(o))
	}, code: "bridge_has_other_provider", field: "provider_config_id", details: map[string]string{"current_provider": "twilio"}},
}

// TestDecisionTable decides each row of the table alone, and in the middle of
// a batch of 1,000 whose neighbours must not be harmed.
func TestDecisionTable(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	d := newDriver(t, s)
	s.platform(`insert into telephony.organizations values ('stranger')`)
	s.platform(`insert into telephony.provider_configurations values ('stranger', 1, 'twilio', true)`)
	s.platform(`insert into telephony.phone_numbers values ('+1999000000', 'stranger', 1, true)`)
	for i, rule := range rules {
		s.decideRule(t, d, rule, fmt.Sprintf("org-%04d", 1000+i), 1)
		s.decideRule(t, d, rule, fmt.Sprintf("org-%04d", 2000+i), 1000)
	}
}

func (s *system) decideRule(t *testing.T, d *driver, rule rule, org string, size int) {
	t.Run(fmt.Sprintf("%s/%d", rule.name, size), func(t *testing.T) {
		prefix := prefixOf(org)
		s.organization(org, 10, 1000, prefix)
		s.platform(`insert into telephony.phone_numbers select $1 || n, $2, c, a from (values
			('900000', 1, true), ('900001', 3, true), ('900002', 5, true), ('900003', 1, false),
			('900004', 2, true), ('900005', 1, true), ('900006', 1, true)) v(n, c, a)`, prefix, org)
		s.platform(`insert into connect_provider.connections values
			($1 || '900004', $2, 'b0', 1, 'twilio', 7, now()), ($1 || '900005', $2, 'b1', 1, 'twilio', 3, now()),
			($1 || '900006', 'stranger', 's0', 1, 'twilio', 1, now())`, prefix, org)
		organization, _ := messages.OrganizationFromHandle(org)
		lane := messages.Lane{Class: messages.Bulk, Number: messages.Partition(organization.Token, testLanes)}
		s.publish(messages.Bulk, org, connectCommand("used", "b0", 1, number(prefix, 999)))
		neighbours := make([][]byte, size-1)
		for i := range neighbours {
			neighbours[i] = connectCommand(fmt.Sprintf("n%d", i), fmt.Sprintf("b%d", i%10), 1, number(prefix, i%999))
		}
		// numbers 990 on are asked for twice, on the same bridge only if 999 is a multiple of 10: 9 of them fail as in use
		s.publishAll(messages.Bulk, org, neighbours[:len(neighbours)/2])
		token, verb := organization.Token, messages.VerbConnectProvider
		if rule.token != nil {
			token = rule.token(org)
		}
		if rule.verb != "" {
			verb = rule.verb
		}
		target := s.publishTo("telephony.bulk."+token+"."+verb, []byte(rule.body(org)), nil)
		s.publishAll(messages.Bulk, org, neighbours[len(neighbours)/2:])
		before := len(s.events())
		d.drain(t, lane, size)
		if rule.token != nil {
			lane.Number = messages.Partition(token, testLanes)
			d.drain(t, lane, size)
			size = 1
		}
		own := 0
		var event storedEvent
		for _, e := range s.events()[before:] {
			if e.Sequence == target {
				event = e
				own++
			} else if e.Organization.Handle == org && e.CommandID != "used" && codeOf(e.Event) != "connected" {
				t.Errorf("neighbour %s came out as %s", e.CommandID, codeOf(e.Event))
			}
		}
		if own != 1 {
			t.Fatalf("%d events, want one", own)
		}
		if got := codeOf(event.Event); got != rule.code {
			t.Fatalf("outcome %s, want %s: %+v", got, rule.code, event.Data.Error)
		}
		if failure := event.Data.Error; failure != nil {
			if rule.field != "" && failure.Field != rule.field {
				t.Errorf("field %q, want %q", failure.Field, rule.field)
			}
			if rule.details != nil && fmt.Sprint(failure.Details) != fmt.Sprint(rule.details) {
				t.Errorf("details %v, want %v", failure.Details, rule.details)
			}
			if failure.Message == "" {
				t.Error("no message for people")
			}
		}
		dead := s.count(`select count(*) from connect_provider.dead_letters where sequence = $1 and lane = $2 and body = $3`, int64(target), lane.String(), []byte(rule.body(org)))
		if want := map[bool]int{true: 1}[rule.code == "malformed_command"]; dead != want {
			t.Errorf("%d dead letters, want %d", dead, want)
		}
		if size > 1 {
			// one decided_at for one transaction
			if n := s.count(`select count(distinct decided_at) from connect_provider.inbox where org_token = $1 and key <> 'used'`, org); n != 1 {
				t.Errorf("decided in %d transactions, want one", n)
			}
		}
	})
}

// drain applies all that waits in a lane: first the command "used" of its
// organization alone, then the rest in batches of a size.
func (d *driver) drain(t *testing.T, lane messages.Lane, size int) {
	t.Helper()
	for first := true; ; first = false {
		l, err := d.acquire(lane)
		if err != nil {
			t.Fatal(err)
		}
		n := size
		if first {
			n = 1
		}
		batch, err := d.next(l, n)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch) == 0 {
			return
		}
		if err := d.apply(l, batch); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDecideIsPure: the outcome depends on the arguments only.
func TestDecideIsPure(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	fresh := func() *state {
		s := newState(0)
		s.organizations["acme"] = organization{oneProviderPerBridge: true}
		s.bridges[bridgeKey{"acme", "b0"}] = &bridge{numbers: map[string]int{}}
		s.configurations[configurationKey{"acme", 1}] = configuration{provider: "twilio", active: true}
		s.numbers["+1555"] = phoneNumber{organization: "acme", configuration: 1, active: true}
		return s
	}
	var batch []*messages.Received
	for i := range 3 {
		received := messages.Decode(messages.Message{
			StreamCreated: at, Time: at, Sequence: uint64(i + 1), Subject: "telephony.commands.0.acme.connect-provider",
			Body: connectCommand(fmt.Sprintf("c%d", i/2), "b0", 1, "+1555"),
		})
		batch = append(batch, &received)
	}
	first, second := decide(fresh(), batch, nil, at), decide(fresh(), batch, nil, at)
	for i := range first {
		if fmt.Sprintf("%+v", first[i].outcome) != fmt.Sprintf("%+v", second[i].outcome) || first[i].repeat != second[i].repeat {
			t.Errorf("command %d: %+v, then %+v", i, first[i], second[i])
		}
	}
	if !first[0].outcome.Changed || !first[1].repeat || first[2].outcome.Changed || first[2].outcome.ConnectionVersion != 1 {
		t.Errorf("got %+v", first)
	}
}

package messages_test

import (
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestOutcomesSubjects(t *testing.T) {
	t.Parallel()
	o, err := messages.OrganizationFromHandle("example.com")
	if err != nil {
		t.Fatal(err)
	}
	subject := messages.OutcomesSubject(o)
	if subject != "telephony.outcomes.example%2Ecom" || messages.OutcomesFilter != "telephony.outcomes.*" {
		t.Errorf("%q, %q", subject, messages.OutcomesFilter)
	}
	if back, token, err := messages.ParseOutcomesSubject(subject); back != o || token != "example%2Ecom" || err != nil {
		t.Errorf("%+v %q %v", back, token, err)
	}
	long := strings.Repeat("a", 300)
	if back, token, err := messages.ParseOutcomesSubject("telephony.outcomes." + long); token != long || back.Canonical() || back.Token == long || err != nil {
		t.Errorf("%+v %q %v", back, token, err)
	}
	for _, subject := range []string{"", "telephony.outcomes", "telephony.outcomes.", "telephony.outcomes.acme.x", "telephony.commands.acme"} {
		if o, _, err := messages.ParseOutcomesSubject(subject); err == nil {
			t.Errorf("%q: read as %+v", subject, o)
		}
	}
}

func TestGoldenOutcomesRequests(t *testing.T) {
	t.Parallel()
	for file, ids := range map[string][]string{"request.txt": {"order-7731-line-4", "b:2._"}, "request-lanes-only.txt": {}} {
		body, err := messages.EncodeOutcomesRequest(ids)
		if err != nil {
			t.Fatal(err)
		}
		m := golden(t, filepath.Join("outcomes", file), "telephony.outcomes.acme", nil, body)
		if got, err := messages.DecodeOutcomesRequest(m.Body); err != nil || !slices.Equal(got.CommandIDs, ids) || got.Jobs != nil {
			t.Errorf("%s: %q, %v", file, got, err)
		}
		if err := against(outcomesRequestSchema(), m.Body); err != nil {
			t.Error(err)
		}
	}
}

// What the decoder refuses, the encoder and the schema do as well, as far as
// they meet it.
func TestOutcomesRequestsAreReadStrictly(t *testing.T) {
	t.Parallel()
	ids := func(n int) string {
		return `{"command_ids":[` + strings.TrimSuffix(strings.Repeat(`"a",`, n), ",") + `]}`
	}
	for body, says := range map[string]string{
		``:                                         "empty",
		"\xef\xbb\xbf{}":                           "byte order mark",
		`order-7731`:                               "not valid JSON",
		`["order-7731"]`:                           "must be one JSON object",
		`{}`:                                       "missing",
		`{"command_ids":null}`:                     "is null",
		`{"command_ids":"a"}`:                      "is a string",
		`{"command_ids":{"a":1}}`:                  "is an object",
		`{"command_ids":[1]}`:                      "is a number",
		`{"command_ids":["a",null]}`:               "is null",
		`{"command_ids":["a"`:                      "cut off",
		`{"command_ids":["a"],"command_ids":[]}`:   "twice",
		`{"command_ids":["a"],"org_handle":"x"}`:   "no member",
		`{"command_ids":["a"]} {}`:                 "follows",
		`{"command_ids":["` + "\xff" + `"]}`:       "UTF-8",
		`{"command_ids":[""]}`:                     "no command id",
		`{"command_ids":["with a space"]}`:         "no command id",
		`{"command_ids":["@1/2/3"]}`:               "no command id",
		`{"command_ids":["a\u0000"]}`:              "no command id",
		ids(1001):                                  "at most 1000",
		`{"command_ids":["` + long(129) + `"]}`:    "no command id",
		`{"Command_IDs":["a"],"command_ids":[]}`:   "no member",
		`{"command_ids":["a\nNats-Service: x"]}`:   "no command id",
		`{"command_ids":[["a"]]}`:                  "is an array",
		`{"command_ids":["a",` + "\n" + `"b" "c"]`: "not valid JSON",
	} {
		got, err := messages.DecodeOutcomesRequest([]byte(body))
		if err == nil {
			t.Errorf("%.60q: read as %+v", body, got)
			continue
		}
		if !strings.Contains(err.Error(), says) || len(err.Error()) > 512 || strings.ContainsAny(err.Error(), "\r\n") {
			t.Errorf("%.60q: %q does not say %q on one short line", body, err, says)
		}
	}
	if _, err := messages.DecodeOutcomesRequest([]byte(`{"command_ids":["a","+1234567890"]}`)); err == nil || strings.Contains(err.Error(), "1234567890") || !strings.Contains(err.Error(), "command_ids[1]") {
		t.Errorf("a phone number: %v", err)
	}
	for _, ids := range [][]string{{""}, {"@1/2/3"}, {"a b"}, make([]string, 1001)} {
		if body, err := messages.EncodeOutcomesRequest(ids); err == nil {
			t.Errorf("encoded %s", body)
		}
	}
	if got, err := messages.DecodeOutcomesRequest([]byte(`{"command_ids":["b","a","b"]}`)); err != nil || !slices.Equal(got.CommandIDs, []string{"b", "a"}) {
		t.Errorf("repeated ids: %+v, %v", got, err)
	}
	if _, err := messages.DecodeOutcomesRequest([]byte(ids(1000))); err != nil {
		t.Error(err)
	}
}

func long(n int) string { return strings.Repeat("x", n) }

var decidedAt = time.Date(2026, 11, 23, 10, 0, 0, 123456000, time.UTC)

func connectedOutcome(id string) messages.Decided {
	configuration := int64(42)
	return messages.Decided{
		Data: messages.EventData{
			CommandID: id, BridgeSlug: "sales-bridge-001", ProviderConfigID: &configuration, Provider: "twilio",
			PhoneNumber: "+1234567890", Changed: true, ConnectionVersion: 1, ConnectedAt: decidedAt,
		},
		DecidedAt: decidedAt, Lane: messages.Lane{Class: messages.Interactive, Number: 15}, Sequence: 4711, Generation: 1,
	}
}

func failedOutcome(id string) messages.Decided {
	failed := connectedOutcome(id)
	failed.Data.Changed, failed.Data.ConnectionVersion, failed.Data.ConnectedAt = false, 0, time.Time{}
	failed.Data.Error = &messages.Failure{Code: messages.PhoneNumberInUse, Field: "phone_number",
		Message: "The phone number is on another bridge; disconnect it there first.", Details: map[string]string{"current_bridge_slug": "support-bridge-002"}}
	return failed
}

func TestGoldenOutcomesAnswers(t *testing.T) {
	t.Parallel()
	interactive := messages.LaneCursor{Lane: messages.Lane{Class: messages.Interactive, Number: 15},
		StreamCreated: time.Date(2026, 11, 20, 8, 0, 0, 1, time.UTC), Generation: 1, Cursor: 4711}
	unread := messages.LaneCursor{Lane: messages.Lane{Class: messages.Bulk, Number: 15}}
	unchanged := connectedOutcome("b")
	unchanged.Data.Changed = false
	internal := failedOutcome("c")
	internal.Data.Error = &messages.Failure{Code: messages.InternalError, Message: "The command could not be processed; its bytes are kept for the operator."}
	internal.Data.Provider = ""
	for file, answer := range map[string]messages.OutcomesAnswer{
		"answer.txt": {
			OrgHandle: "acme", Lanes: []messages.LaneCursor{interactive, unread},
			Outcomes: []messages.Decided{connectedOutcome("order-7731-line-4"), unchanged, internal, failedOutcome("d")},
			Unknown:  []string{"e", "f"}, Unanswered: []string{"g"},
		},
		"answer-nothing.txt": {Lanes: []messages.LaneCursor{unread}, Unknown: []string{}, Unanswered: []string{}},
	} {
		body, err := answer.Encode(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		m := golden(t, filepath.Join("outcomes", file), "_INBOX.acme", nil, body)
		if got, err := messages.DecodeOutcomesAnswer(m.Body); err != nil || !reflect.DeepEqual(got, answer) {
			t.Errorf("%s: decoded %#v, %v", file, got, err)
		}
		if err := against(outcomesAnswerSchema(), m.Body); err != nil {
			t.Error(err)
		}
		for _, outcome := range answer.Outcomes {
			for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
				if text := fmt.Sprintf(format, outcome); strings.Contains(text, "+1234567890") {
					t.Errorf("%s reveals the number: %s", format, text)
				}
			}
		}
	}
}

// However little room there is, an answer keeps within it and tells of each id
// once, or refuses.
func TestOutcomesAnswersKeepWithinTheirRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var answer messages.OutcomesAnswer
		asked := map[string]bool{}
		for i := range rapid.IntRange(0, 8).Draw(t, "outcomes") {
			outcome := connectedOutcome(fmt.Sprint("id", i))
			if rapid.Bool().Draw(t, "failed") {
				outcome = failedOutcome(fmt.Sprint("id", i))
			}
			outcome.Data.BridgeSlug = strings.Repeat("\n", rapid.IntRange(1, 300).Draw(t, "slug"))
			answer.Outcomes, asked[outcome.Data.CommandID] = append(answer.Outcomes, outcome), true
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "unknown") {
			answer.Unknown, asked[fmt.Sprint("unknown", i)] = append(answer.Unknown, fmt.Sprint("unknown", i)), true
		}
		whole, err := answer.Encode(1 << 20)
		if err != nil {
			t.Fatal(err)
		}
		// any, or hardly too small
		limit := rapid.OneOf(rapid.IntRange(0, 5000), rapid.IntRange(len(whole)-4, len(whole)+2)).Draw(t, "limit")
		body, err := answer.Encode(limit)
		if err != nil {
			if limit > 200 {
				t.Fatalf("%d bytes: %v", limit, err)
			}
			return
		}
		if len(body) > limit {
			t.Fatalf("%d bytes in a room of %d", len(body), limit)
		}
		got, err := messages.DecodeOutcomesAnswer(body)
		if err != nil {
			t.Fatalf("%v: %s", err, body)
		}
		told := slices.Concat(got.Unknown, got.Unanswered)
		for _, outcome := range got.Outcomes {
			told = append(told, outcome.Data.CommandID)
		}
		for _, id := range told {
			if !asked[id] {
				t.Fatalf("%s is told of twice, or was not asked for", id)
			}
			delete(asked, id)
		}
		if len(asked) > 0 {
			t.Fatalf("nothing is told of %v", asked)
		}
		if len(whole)+2 <= limit && len(got.Unanswered) > 0 { // two commas need not be there
			t.Fatalf("%d of %d bytes would have been enough for all", len(whole), limit)
		}
	})
}

func TestOutcomesAnswersOfLaterVersionsAreRead(t *testing.T) {
	t.Parallel()
	got, err := messages.DecodeOutcomesAnswer([]byte(`{"lanes":[{"lane":"c1","generation":1,"cursor":2,"paused":true}],"outcomes":[],"unknown":["a"],"unanswered":[],"more":{}}`))
	if lane, ok := got.Lane(messages.Interactive); err != nil || !ok || lane.Cursor != 2 || len(got.Unknown) != 1 {
		t.Errorf("%+v, %v", got, err)
	}
	if _, ok := got.Lane(messages.Bulk); ok {
		t.Error("a lane that was not told of")
	}
	for _, body := range []string{``, `[]`, `{"lanes":[{"lane":"x1"}]}`, `{"lanes":1}`, `{"outcomes":[{"lane":""}]}`, `{"unknown":[],"unknown":[]}`} {
		if got, err := messages.DecodeOutcomesAnswer([]byte(body)); err == nil {
			t.Errorf("%s: read as %+v", body, got)
		}
	}
}

func TestInboxes(t *testing.T) {
	t.Parallel()
	for subject, want := range map[string]bool{
		"_INBOX.abc.1": true, "_INBOX_acme.abc": true, "_R_.abc.1": true,
		"": false, "acme.inbox": false, "telephony.events.c1.evil.provider-connected": false,
		"$JS.API.STREAM.PURGE.TELEPHONY_EVENTS": false, "x._INBOX.a": false, "_inbox.a": false, "_R_x": false,
	} {
		if messages.IsInbox(subject) != want {
			t.Errorf("%q: want %v", subject, want)
		}
	}
}

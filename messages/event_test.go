package messages_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestLegacyStatus(t *testing.T) {
	t.Parallel()
	want := map[messages.Code]int{
		"malformed_command": 400, "command_id_reused": 400, "phone_number_invalid": 400, "organization_unknown": 403,
		"organization_mismatch": 403, "bridge_not_found": 404, "provider_config_not_found": 400, "provider_config_inactive": 400,
		"phone_number_not_linked": 400, "phone_number_in_use": 400, "bridge_has_other_provider": 400, "internal_error": 500,
	}
	codes := messages.Codes()
	if len(codes) != len(want) {
		t.Errorf("%d codes, want %d", len(codes), len(want))
	}
	for _, code := range codes {
		if code.LegacyStatus() != want[code] {
			t.Errorf("%s: %d, want %d", code, code.LegacyStatus(), want[code])
		}
	}
	if messages.Code("of_tomorrow").LegacyStatus() != 500 {
		t.Error("an unknown code has a status of its own")
	}
}

// The ids are in consumers' databases: they must be the same in every version.
func TestEventIDIsFixed(t *testing.T) {
	t.Parallel()
	if id := messages.EventID("acme", "order-7731-line-4"); id.String() != "02548ef8-27e4-5208-885d-83d853462ef9" {
		t.Errorf("the id is now %s", id)
	}
	if messages.EventID("a", "bc") == messages.EventID("ab", "c") {
		t.Error("organization and key run into each other")
	}
}

func drawEvent(t *rapid.T) messages.Event {
	text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z"\\<>&/]{0,9}`))
	c := messages.Command{
		ID: rapid.StringMatching(`[A-Za-z0-9._:-]{1,9}`).Draw(t, "id"), BridgeSlug: text.Draw(t, "bridge") + "b",
		ProviderConfigID: rapid.Int64().Draw(t, "config"), PhoneNumber: "+" + text.Draw(t, "phone"),
		Metadata: rapid.MapOfN(text, text, 0, 3).Draw(t, "metadata"),
	}
	body, err := messages.EncodeCommand(c)
	if err != nil {
		t.Skip(err) // rapid's word for drawing again: these members make no valid command
	}
	r := messages.Decode(message(string(body)))
	o := messages.Outcome{
		Provider: text.Draw(t, "provider") + "p", Changed: rapid.Bool().Draw(t, "changed"),
		ConnectionVersion: rapid.Int64Range(0, 1<<40).Draw(t, "version"), ConnectedAt: received,
	}
	if rapid.Bool().Draw(t, "fails") {
		o = messages.Outcome{Failure: &messages.Failure{
			Code: rapid.SampledFrom(messages.Codes()).Draw(t, "code"), Field: text.Draw(t, "field"), Message: text.Draw(t, "message") + "m",
		}}
	}
	return messages.NewEvent(&r, rapid.Int64Range(0, 9).Draw(t, "generation"), o, r.Key(), received)
}

// Any event comes back from its JSON as it was, and its schema agrees.
func TestEventRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		event := drawEvent(t)
		body, err := event.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := against(eventSchemas()[event.Type], body); err != nil {
			t.Fatal(err)
		}
		decoded, err := messages.DecodeEvent(body)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decoded.Encode()
		if err != nil || string(again) != string(body) {
			t.Fatalf("%s\ncame back as\n%s, %v", body, again, err)
		}
		if decoded.OutcomeDigest() != event.OutcomeDigest() {
			t.Fatalf("decoding %s changes the outcome's digest", body)
		}
	})
}

func TestOutcomeDigest(t *testing.T) {
	t.Parallel()
	r := messages.Decode(message(with(`}`, `,"metadata":{"a":"b"}}`)))
	event := func(o messages.Outcome) messages.Event { return messages.NewEvent(&r, 1, o, r.Key(), received) }
	connected := messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1, ConnectedAt: received}
	failure := messages.Failure{Code: messages.PhoneNumberInUse, Field: "phone_number", Message: "in use", Details: map[string]string{"a": "b"}}

	same := connected
	same.ConnectedAt = received.Add(time.Hour)
	first, second := event(connected), event(same)
	second.Time, second.Sequence, second.Generation = second.Time.Add(time.Hour), 1, 7
	if first.OutcomeDigest() != second.OutcomeDigest() {
		t.Error("times, or the place in the stream, are part of the outcome")
	}
	reworded := failure
	reworded.Message = "already in use"
	first, second = event(messages.Outcome{Failure: &failure}), event(messages.Outcome{Failure: &reworded})
	if first.OutcomeDigest() != second.OutcomeDigest() {
		t.Error("the text for people is part of the outcome")
	}

	seen := map[[16]byte]int{}
	for i, o := range []messages.Outcome{
		connected,
		{Provider: "plivo", Changed: true, ConnectionVersion: 1},
		{Provider: "twilio", ConnectionVersion: 1},
		{Provider: "twilio", Changed: true, ConnectionVersion: 2},
		{Failure: &failure},
		{Failure: &messages.Failure{Code: messages.BridgeNotFound, Field: failure.Field, Details: failure.Details}},
		{Failure: &messages.Failure{Code: failure.Code, Field: "bridge_slug", Details: failure.Details}},
		{Failure: &messages.Failure{Code: failure.Code, Field: failure.Field, Details: map[string]string{"a": "c"}}},
		{Failure: &messages.Failure{Code: failure.Code, Field: failure.Field}},
	} {
		e := event(o)
		if other, ok := seen[e.OutcomeDigest()]; ok {
			t.Errorf("outcomes %d and %d are the same", i, other)
		}
		seen[e.OutcomeDigest()] = i
	}
}

func TestCorrect(t *testing.T) {
	t.Parallel()
	r := messages.Decode(message(plain))
	first := messages.NewEvent(&r, 1, messages.Outcome{Provider: "twilio", Changed: true, ConnectionVersion: 1}, r.Key(), received)
	then := messages.NewEvent(&r, 1, messages.Outcome{Failure: &messages.Failure{Code: messages.BridgeNotFound, Message: "m"}}, r.Key(), received.Add(time.Hour))
	if first.ID != then.ID {
		t.Error("the event made again has another id")
	}
	correction := then.Correct(first)
	if correction.ID == first.ID || correction.Corrects == nil || *correction.Corrects != first.ID || then.Corrects != nil {
		t.Errorf("%s corrects %v", correction.ID, correction.Corrects)
	}
	later := then
	later.Time = later.Time.Add(time.Hour)
	if later.Correct(first).ID != correction.ID {
		t.Error("the correction made again has another id")
	}
	if back := first.Correct(correction); back.ID == first.ID || *back.Corrects != correction.ID {
		t.Error("correcting back gives the first event's id, which consumers have seen")
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	for _, e := range []messages.Event{
		{}, {Type: "provider-disconnected"}, {Type: messages.EventConnectFailed},
		{Type: messages.EventConnected, Data: messages.EventData{Error: &messages.Failure{}}},
	} {
		if body, err := e.Encode(); err == nil {
			t.Errorf("%v: %s", e, body)
		}
	}
}

func TestDecodeEventIsTolerant(t *testing.T) {
	t.Parallel()
	r := messages.Decode(message(plain))
	event := messages.NewEvent(&r, 1, messages.Outcome{Failure: &messages.Failure{Code: "of_tomorrow", Message: "m"}}, r.Key(), received)
	body, err := event.Encode()
	if err != nil {
		t.Fatal(err)
	}
	more := strings.NewReplacer(`{"specversion"`, `{"added":{"x":[1]},"specversion"`, `"data":{`, `"data":{"added":null,`, `"error":{`, `"error":{"added":1,`).
		Replace(string(body))
	decoded, err := messages.DecodeEvent([]byte(more))
	decoded.Lane = event.Lane
	if err != nil || !reflect.DeepEqual(decoded, event) {
		t.Errorf("%#v, %v", decoded, err)
	}
	_, err = messages.DecodeEvent([]byte(strings.Replace(string(body), "connect_failed.v1", "disconnected.v1", 1)))
	if !errors.Is(err, messages.ErrUnknownEventType) {
		t.Errorf("an unknown type gives %v", err)
	}
	for what, text := range map[string]string{
		"nothing":            "",
		"no event":           "{}",
		"another version":    strings.Replace(string(body), `"1.0"`, `"0.3"`, 1),
		"a bad id":           strings.Replace(string(body), event.ID.String(), "x", 1),
		"a bad sequence":     strings.Replace(string(body), `"4711"`, `"-1"`, 1),
		"a bad generation":   strings.Replace(string(body), `"generation":"1"`, `"generation":""`, 1),
		"a failed success":   strings.Replace(string(body), "connect_failed.v1", "connected.v1", 1),
		"an impossible name": strings.Replace(string(body), `"org_handle":"acme"`, `"org_handle":"\u0000"`, 1),
	} {
		if e, err := messages.DecodeEvent([]byte(text)); err == nil {
			t.Errorf("%s: %v", what, e)
		}
	}
}

func TestSlugThatIsNoCloudEventsString(t *testing.T) {
	t.Parallel()
	for escaped, slug := range map[string]string{
		`\u0001`: "\x01", `\u007f`: "\x7f", `\u0085`: "\u0085", `\uffff`: "\uffff", `\ud83f\udffe`: "\U0001fffe", `\ufdd0`: "\ufdd0",
	} {
		r := messages.Decode(message(with("sales-bridge-001", escaped)))
		o := messages.Outcome{Failure: &messages.Failure{Code: messages.BridgeNotFound, Message: "m"}}
		e := messages.NewEvent(&r, 1, o, r.Key(), received)
		if r.Malformed != nil || e.Subject != "" || e.Data.BridgeSlug != slug {
			t.Errorf("%s: %v, subject %q, bridge %q", escaped, r.Malformed, e.Subject, e.Data.BridgeSlug)
		}
	}
}

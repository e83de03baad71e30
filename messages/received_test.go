package messages_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"pgregory.net/rapid"

	"connect-provider/messages"
)

func TestCommandID(t *testing.T) {
	t.Parallel()
	madeUp := fmt.Sprintf("stream:%d:4711:%d", created.UnixNano(), received.UnixNano())
	tests := []struct {
		name, body string
		header     []string
		id, field  string // field at fault, if any
	}{
		{"in the body", plain, nil, "order-7731-line-4", ""},
		{"in body and header", plain, []string{"Nats-Msg-Id", "other"}, "order-7731-line-4", ""},
		{"in the body, the header's is none", plain, []string{"Nats-Msg-Id", "not an id"}, "order-7731-line-4", ""},
		{"in the header", withoutID, []string{"Nats-Msg-Id", "other"}, "other", ""},
		{"in the header in another case", withoutID, []string{"nats-msg-id", "other"}, "other", ""},
		{"in several headers", withoutID, []string{"nats-msg-ID", "b", "NATS-MSG-ID", "a"}, "a", ""},
		{"in an empty header", withoutID, []string{"Nats-Msg-Id", ""}, madeUp, ""},
		{"nowhere", withoutID, nil, madeUp, ""},
		{"not an id in the header", withoutID, []string{"Nats-Msg-Id", "not an id"}, "", "Nats-Msg-Id"},
		{"not an id in the body", with("order-7731-line-4", "not an id"), []string{"Nats-Msg-Id", "other"}, "", "command_id"},
		{"claimed by a malformed command", with(`42`, `"42"`), nil, "order-7731-line-4", "provider_config_id"},
		{"claimed by a malformed command's header", "{}", []string{"Nats-Msg-Id", "other"}, "other", "bridge_slug"},
		{"of a malformed command without one", "{}", nil, "", "bridge_slug"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := messages.Decode(message(tt.body, tt.header...))
			for range 20 { // read again, the same headers give the same id
				if again := messages.Decode(message(tt.body, tt.header...)); again.Command.ID != tt.id {
					t.Fatalf("id %q, want %q", again.Command.ID, tt.id)
				}
			}
			field := ""
			if r.Malformed != nil {
				field = r.Malformed.Field
			}
			if field != tt.field {
				t.Errorf("%v, want %q at fault", r.Malformed, tt.field)
			}
		})
	}
}

func TestPositionKeyIsNoCommandID(t *testing.T) {
	t.Parallel()
	m := message("")
	want := fmt.Sprintf("@%d/4711/%d", created.UnixNano(), received.UnixNano())
	if m.PositionKey() != want {
		t.Errorf("%q, want %q", m.PositionKey(), want)
	}
	if _, err := messages.EncodeCommand(messages.Command{ID: want, BridgeSlug: "b"}); err == nil {
		t.Error("a command can take a position key for its id")
	}
}

func TestUnknownVerbAndSubject(t *testing.T) {
	t.Parallel()
	m := message(plain)
	m.Subject = "telephony.commands.15.acme.disconnect-provider"
	r := messages.Decode(m)
	if r.Malformed == nil || !strings.Contains(r.Malformed.Message, "disconnect-provider") || r.Command.ID != "order-7731-line-4" {
		t.Errorf("%v", r)
	}
	m.Subject = "somewhere.else"
	r = messages.Decode(m)
	if r.Malformed == nil || r.Organization.Canonical() {
		t.Errorf("%v", r)
	}
	checkSafe(t, r.Organization)
}

// What can be read of a malformed command is kept, for its outcome to tell.
func TestMalformedKeepsTheRest(t *testing.T) {
	t.Parallel()
	r := messages.Decode(message(`{"command_id":"a","bridge_slug":7,"provider_config_id":42,"extra":{"x":[1]},"phone_number":"+1234567890","metadata":{"k":"v"}}`))
	c := r.Command
	if r.Malformed == nil || r.Malformed.Field != "bridge_slug" || c.ID != "a" || c.BridgeSlug != "" || c.ProviderConfigID != 42 ||
		c.PhoneNumber != "+1234567890" || c.Metadata["k"] != "v" {
		t.Errorf("%v: %v %v", r.Malformed, c, c.Metadata)
	}
	r = messages.Decode(message(with(`}`, `,"metadata":{"row":17,"job":"friday"}}`)))
	if r.Malformed == nil || r.Command.Metadata != nil || r.Command.PhoneNumber == "" {
		t.Errorf("metadata at fault is kept: %v", r.Command.Metadata)
	}
	r = messages.Decode(message(plain[:len(plain)-5]))
	if r.Malformed == nil || r.Command.ProviderConfigID != 42 || r.Command.PhoneNumber != "" {
		t.Errorf("%v", r)
	}
}

func TestReceivedPrints(t *testing.T) {
	t.Parallel()
	sound, unsound := messages.Decode(message(plain)), messages.Decode(message("{}"))
	for printed, want := range map[string]string{
		fmt.Sprintf("%+v", sound):   `bridge "sales-bridge-001"`,
		fmt.Sprintf("%#v", &sound):  `order-7731-line-4`,
		fmt.Sprintf("%v", unsound):  `"bridge_slug" is missing`,
		fmt.Sprintf("%s", &unsound): `message 4711 on "telephony.commands.15.acme.connect-provider"`,
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%s does not say %s", printed, want)
		}
	}
}

func TestDigestLeavesOutIDAndMetadata(t *testing.T) {
	t.Parallel()
	digest := func(body string) [16]byte {
		r := messages.Decode(message(body))
		if r.Malformed != nil {
			t.Fatal(r.Malformed)
		}
		return r.Digest()
	}
	same := digest(plain)
	for _, body := range []string{
		with("order-7731-line-4", "another"), withoutID, with(`}`, `,"metadata":{"a":"b"}}`),
		` { "phone_number" : "\u002b1234567890" , "provider_config_id":42,"bridge_slug":"sales\u002dbridge-001"}`,
	} {
		if digest(body) != same {
			t.Errorf("%s is not the same", body)
		}
	}
	different := []string{
		plain, with("001", "002"), with("42", "43"), with("42", "-42"), with("7890", "7891"),
		with("{", `{"org_handle":"acme",`), with("{", `{"org_handle":"",`), with("{", `{"org_handle":"acm",`),
	}
	seen := map[[16]byte]string{}
	for _, body := range different {
		d := digest(body)
		if other, ok := seen[d]; ok {
			t.Errorf("%s and %s are the same", body, other)
		}
		seen[d] = body
	}
	malformed := messages.Decode(message(""))
	if malformed.Digest() == same {
		t.Error("an undecodable message has the digest of a command")
	}
}

// Two commands have one digest if and only if they have one content.
func TestDigestLaw(t *testing.T) {
	t.Parallel()
	short := rapid.StringMatching(`[ab\x01]{1,3}`)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) messages.Received {
			c := messages.Command{
				ID: rapid.StringMatching(`[a-c]`).Draw(t, name+"id"), BridgeSlug: short.Draw(t, name+"bridge"),
				ProviderConfigID: rapid.Int64Range(0, 2).Draw(t, name+"config"), PhoneNumber: short.Draw(t, name+"phone"),
			}
			if rapid.Bool().Draw(t, name+"given") {
				handle := rapid.StringMatching(`[ab\x01]{0,2}`).Draw(t, name+"handle")
				c.OrgHandle = &handle
			}
			body, err := messages.EncodeCommand(c)
			if err != nil {
				t.Fatal(err)
			}
			return messages.Decode(message(string(body)))
		}
		a, b := draw("a"), draw("b")
		same := a.Command.BridgeSlug == b.Command.BridgeSlug && a.Command.ProviderConfigID == b.Command.ProviderConfigID &&
			a.Command.PhoneNumber == b.Command.PhoneNumber && equal(a.Command.OrgHandle, b.Command.OrgHandle)
		if same != (a.Digest() == b.Digest()) {
			t.Fatalf("%+q and %+q: same content %v", a.Body, b.Body, same)
		}
	})
}

func equal(a, b *string) bool {
	if a == nil || b == nil {
		return a == b
	}
	return *a == *b
}

func TestDeadLetterHeader(t *testing.T) {
	t.Parallel()
	m := messages.Message{Header: nats.Header{
		"Authorization": {"Token x"}, "proxy-authorization": {"x"}, "COOKIE": {"x"}, "Set-Cookie": {"x"}, "X-Auth-Token": {"x"},
		"X-Api-Key": {"x"}, "apikey": {"x"}, "Client-Secret": {"x"}, "Db-Password": {"x"}, "Aws-Credentials": {"x"}, "Nats-Jwt": {"x"},
		"traceparent": {"t"}, "Nats-Msg-Id": {"a", "b"}, "Content-Type": {"text/plain"},
	}}
	kept := m.DeadLetterHeader()
	if names := slices.Sorted(maps.Keys(kept)); !slices.Equal(names, []string{"Content-Type", "Nats-Msg-Id", "traceparent"}) {
		t.Errorf("kept %v", names)
	}
	kept["Nats-Msg-Id"][0] = "changed"
	if m.Header["Nats-Msg-Id"][0] != "a" {
		t.Error("the copy shares its values with the message")
	}
}

func TestTrace(t *testing.T) {
	t.Parallel()
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	tests := []struct{ name, parent, state, wantParent, wantState string }{
		{"both", parent, "a=1,b@c=x y", parent, "a=1,b@c=x y"},
		{"no state", parent, "", parent, ""},
		{"a later version", "01" + parent[2:] + "-more", "", "01" + parent[2:] + "-more", ""},
		{"more in version 00", parent + "-more", "a=1", "", ""},
		{"version ff", "ff" + parent[2:], "", "", ""},
		{"upper case", strings.ToUpper(parent), "", "", ""},
		{"zero trace", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "", "", ""},
		{"zero span", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01", "", "", ""},
		{"too short", parent[:54], "", "", ""},
		{"much too long", "01" + parent[2:] + "-" + strings.Repeat("x", 100), "", "", ""},
		{"other separators", strings.ReplaceAll(parent, "-", "_"), "", "", ""},
		{"state without parent", "", "a=1", "", ""},
		{"state that is none", parent, "a", parent, ""},
		{"state with a control character", parent, "a=\x01", parent, ""},
		{"state too long", parent, "a=" + strings.Repeat("x", 511), parent, ""},
		{"state with too many members", parent, strings.Repeat("a=1,", 32) + "a=1", parent, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := messages.Decode(message(plain, "traceparent", tt.parent, "tracestate", tt.state))
			if r.Trace != (messages.Trace{Parent: tt.wantParent, State: tt.wantState}) || r.Malformed != nil {
				t.Errorf("%+v, %v", r.Trace, r.Malformed)
			}
		})
	}
}

func TestPosition(t *testing.T) {
	t.Parallel()
	positions := rapid.Custom(func(t *rapid.T) messages.Position {
		return messages.Position{Generation: rapid.Int64Range(0, 3).Draw(t, "generation"), Sequence: rapid.Uint64().Draw(t, "sequence")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := positions.Draw(t, "p"), positions.Draw(t, "q")
		if back, err := messages.ParsePosition(p.String()); err != nil || back != p {
			t.Fatalf("%v came back as %v, %v", p, back, err)
		}
		less := p.Generation < q.Generation || p.Generation == q.Generation && p.Sequence < q.Sequence
		if p.Less(q) != less || p.Compare(q) != -q.Compare(p) {
			t.Fatalf("%v, %v: %d", p, q, p.Compare(q))
		}
	})
	for _, s := range []string{"", "1", ".", "1.", ".1", "1.-1", "a.1", "1.2.3", "1.18446744073709551616"} {
		if p, err := messages.ParsePosition(s); err == nil {
			t.Errorf("%q: read as %v", s, p)
		}
	}
}

package messages_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"connect-provider/messages"
)

var (
	created  = time.Date(2026, 11, 23, 9, 0, 0, 1, time.UTC)
	received = time.Date(2026, 11, 23, 10, 0, 0, 123456789, time.UTC)
)

const plain = `{"command_id":"order-7731-line-4","bridge_slug":"sales-bridge-001","provider_config_id":42,"phone_number":"+1234567890"}`

// message returns a stored command with a body and headers given as pairs.
func message(body string, header ...string) messages.Message {
	m := messages.Message{
		StreamCreated: created, Time: received, Sequence: 4711,
		Subject: "telephony.commands.15.acme.connect-provider", Body: []byte(body),
	}
	for i := 0; i+1 < len(header); i += 2 {
		if m.Header == nil {
			m.Header = nats.Header{}
		}
		m.Header[header[i]] = append(m.Header[header[i]], header[i+1])
	}
	return m
}

// with returns the plain command with one piece of it replaced.
func with(old, new string) string {
	if !strings.Contains(plain, old) {
		panic("not in the plain command: " + old)
	}
	return strings.Replace(plain, old, new, 1)
}

func TestDecodePlain(t *testing.T) {
	t.Parallel()
	body := with(`}`, `,"org_handle":"acme","metadata":{"job":"friday","row":"17"}}`)
	r := messages.Decode(message(body))
	if r.Malformed != nil {
		t.Fatal(r.Malformed)
	}
	c := r.Command
	if c.ID != "order-7731-line-4" || c.BridgeSlug != "sales-bridge-001" || c.ProviderConfigID != 42 ||
		c.PhoneNumber != "+1234567890" || c.OrgHandle == nil || *c.OrgHandle != "acme" ||
		!maps.Equal(c.Metadata, map[string]string{"job": "friday", "row": "17"}) {
		t.Errorf("decoded %v %v", c, c.Metadata)
	}
	if r.Lane.String() != "c15" || r.Organization.Handle != "acme" || r.Verb != messages.VerbConnectProvider {
		t.Errorf("lane %v, organization %v, verb %q", r.Lane, r.Organization, r.Verb)
	}
	if r.Key() != "order-7731-line-4" {
		t.Errorf("key %q", r.Key())
	}
}

func TestDecodeMalformed(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body, field, says string
	}{
		{"nothing", "", "", "empty"},
		{"spaces", " \n\t", "", "empty"},
		{"byte order mark", "\xef\xbb\xbf" + plain, "", "byte order mark"},
		{"no JSON", "connect me", "", "not valid JSON"},
		{"an array", "[" + plain + "]", "", "is an array"},
		{"a string", `"hello"`, "", "is a string"},
		{"null", `null`, "", "is null"},
		{"cut off", plain[:60], "bridge_slug", "cut off"},
		{"cut off between members", plain[:len(plain)-1], "", "cut off"},
		{"trailing data", plain + "{}", "", "follows"},
		{"trailing bracket", plain + "}", "", "follows"},
		{"too large", with(`sales-bridge-001`, strings.Repeat("x", messages.MaxBody)), "", "at most 8192"},
		{"invalid UTF-8", with(`sales`, "\xff"), "bridge_slug", "UTF-8"},
		{"half a surrogate pair", with(`sales`, `\ud800`), "bridge_slug", "surrogate"},
		{"duplicate", with(`{`, `{"phone_number":"+1",`), "phone_number", "twice"},
		{"duplicate by escape", with(`{`, `{"phone\u005fnumber":"+1",`), "phone_number", "twice"},
		{"unknown", with(`{`, `{"priority":1,`), "priority", "no member"},
		{"unknown in another case", with(`{`, `{"Phone_Number":"+1",`), "Phone_Number", "no member"},
		{"missing bridge", with(`"bridge_slug":"sales-bridge-001",`, ``), "bridge_slug", "missing"},
		{"missing configuration", with(`"provider_config_id":42,`, ``), "provider_config_id", "missing"},
		{"missing number", with(`,"phone_number":"+1234567890"`, ``), "phone_number", "missing"},
		{"null bridge", with(`"sales-bridge-001"`, `null`), "bridge_slug", "missing"},
		{"null configuration", with(`42`, `null`), "provider_config_id", "missing"},
		{"null number", with(`"+1234567890"`, `null`), "phone_number", "missing"},
		{"null id", with(`"order-7731-line-4"`, `null`), "command_id", "is null"},
		{"null handle", with(`{`, `{"org_handle":null,`), "org_handle", "is null"},
		{"null metadata", with(`{`, `{"metadata":null,`), "metadata", "is null"},
		{"bridge a number", with(`"sales-bridge-001"`, `1`), "bridge_slug", "must be a JSON string"},
		{"bridge empty", with(`sales-bridge-001`, ``), "bridge_slug", "empty"},
		{"configuration a string", with(`42`, `"42"`), "provider_config_id", "must be a JSON integer"},
		{"configuration a fraction", with(`42`, `42.5`), "provider_config_id", "without fraction"},
		{"configuration with a point", with(`42`, `42.0`), "provider_config_id", "without fraction"},
		{"configuration with an exponent", with(`42`, `42e0`), "provider_config_id", "without fraction"},
		{"configuration too large", with(`42`, `9223372036854775808`), "provider_config_id", "64-bit"},
		{"number a number", with(`"+1234567890"`, `1234567890`), "phone_number", "must be a JSON string"},
		{"number an object", with(`"+1234567890"`, `{"a":[{}]}`), "phone_number", "is an object"},
		{"id empty", with(`order-7731-line-4`, ``), "command_id", "1 to 128"},
		{"id too long", with(`order-7731-line-4`, strings.Repeat("x", 129)), "command_id", "1 to 128"},
		{"id with a space", with(`order-7731-line-4`, `order 7731`), "command_id", "1 to 128"},
		{"id like a position", with(`order-7731-line-4`, `@1/2/3`), "command_id", "1 to 128"},
		{"NUL in the bridge", with(`sales`, `\u0000`), "bridge_slug", "U+0000"},
		{"NUL in the number", with(`+1234567890`, `+1\u0000`), "phone_number", "U+0000"},
		{"NUL in the handle", with(`{`, `{"org_handle":"\u0000",`), "org_handle", "U+0000"},
		{"NUL in metadata", with(`{`, `{"metadata":{"\u0000":""},`), "metadata", "U+0000"},
		{"metadata an array", with(`{`, `{"metadata":[],`), "metadata", "is an array"},
		{"metadata with a number", with(`{`, `{"metadata":{"row":17},`), "metadata", "row"},
		{"metadata with a duplicate", with(`{`, `{"metadata":{"row":"1","row":"2"},`), "metadata", "twice"},
		{"metadata with 17 members", with(`{`, `{"metadata":{`+members(17)+`},`), "metadata", "at most 16"},
		{"metadata too large", with(`{`, `{"metadata":{"k":"`+strings.Repeat("v", 1024)+`"},`), "metadata", "at most 1024"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := messages.Decode(message(tt.body))
			f := r.Malformed
			if f == nil {
				t.Fatal("accepted")
			}
			if f.Code != messages.MalformedCommand || f.Field != tt.field || !strings.Contains(f.Message, tt.says) {
				t.Errorf("%q: %v, want %q: … %s …", f.Field, f, tt.field, tt.says)
			}
			if strings.Contains(f.Message, "1234567") {
				t.Errorf("the message reveals the number: %s", f.Message)
			}
			if r.Key() != r.PositionKey() {
				t.Errorf("key %q", r.Key())
			}
		})
	}
}

func members(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"`+string(rune('a'+i))+`":""`)
	}
	return strings.Join(all, ",")
}

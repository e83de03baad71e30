package messages_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"connect-provider/messages"
)

// What a producer encodes, the worker reads as it was.
func TestEncodeCommandRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := messages.Command{
			ID: rapid.StringMatching(`[A-Za-z0-9._:-]{1,128}`).Draw(t, "id"), BridgeSlug: rapid.String().Draw(t, "bridge"),
			ProviderConfigID: rapid.Int64().Draw(t, "config"), PhoneNumber: rapid.String().Draw(t, "phone"),
		}
		if rapid.Bool().Draw(t, "handle given") {
			handle := rapid.String().Draw(t, "handle")
			c.OrgHandle = &handle
		}
		if metadata := rapid.MapOfN(rapid.String(), rapid.String(), 0, 18).Draw(t, "metadata"); len(metadata) > 0 {
			c.Metadata = metadata
		}
		body, err := messages.EncodeCommand(c)
		if err != nil {
			if c.Validate() == nil {
				t.Fatalf("valid, but: %v", err)
			}
			return
		}
		r := messages.Decode(message(string(body)))
		if r.Malformed != nil || !reflect.DeepEqual(r.Command, c) {
			t.Fatalf("%s came back as %#v, %v", body, r.Command, r.Malformed)
		}
	})
}

func TestValidate(t *testing.T) {
	t.Parallel()
	valid := messages.Command{BridgeSlug: "sales-bridge-001", ProviderConfigID: 42, PhoneNumber: "+1234567890"}
	if f := valid.Validate(); f != nil {
		t.Error(f)
	}
	bad := "\xff"
	for field, change := range map[string]func(*messages.Command){
		"command_id":   func(c *messages.Command) { c.ID = "a b" },
		"org_handle":   func(c *messages.Command) { c.OrgHandle = &bad },
		"bridge_slug":  func(c *messages.Command) { c.BridgeSlug = "" },
		"phone_number": func(c *messages.Command) { c.PhoneNumber = "12" },
		"metadata":     func(c *messages.Command) { c.Metadata = map[string]string{"a": bad} },
		"":             func(c *messages.Command) { c.BridgeSlug = strings.Repeat("a", messages.MaxBody) },
	} {
		c := valid
		change(&c)
		if f := c.Validate(); f == nil || f.Field != field {
			t.Errorf("%q: %v", field, f)
		}
		_, err := messages.EncodeCommand(c)
		if (err == nil) != (field == "phone_number") {
			t.Errorf("%q: encoding gives %v", field, err)
		}
	}
}

// The schema and the decoder agree about every document that does not touch
// what a schema cannot say: here, any combination of sound and unsound members.
func TestSchemaAndDecodeAgree(t *testing.T) {
	t.Parallel()
	values := []string{
		`"a"`, `"+1234567890"`, `"+0"`, `""`, `"a b"`, `"\u0000"`, `"` + strings.Repeat("x", 128) + `"`, `"` + strings.Repeat("x", 129) + `"`,
		`42`, `-1`, `0`, `9223372036854775807`, `9223372036854775808`, `1.5`, `true`, `null`, `[]`, `{}`, `{"k":"v"}`, `{"k":1}`,
		`{"\u0000":"v"}`, `{"k":"\u0000"}`, `{` + members(16) + `}`, `{` + members(17) + `}`, `"zürich"`, `"a\nb"`,
	}
	sound := map[string]string{
		"command_id": `"order-7731-line-4"`, "org_handle": `"acme"`, "bridge_slug": `"sales-bridge-001"`,
		"provider_config_id": `42`, "phone_number": `"+1234567890"`, "metadata": `{"job":"friday"}`, "priority": "",
	}
	names := []string{"command_id", "org_handle", "bridge_slug", "provider_config_id", "phone_number", "metadata", "priority"}
	rapid.Check(t, func(t *rapid.T) {
		var parts []string
		changed := rapid.SampledFrom(names).Draw(t, "changed")
		for _, name := range names {
			value := sound[name]
			if name == changed {
				value = rapid.SampledFrom(append(values, "")).Draw(t, name)
			}
			if value != "" {
				parts = append(parts, `"`+name+`":`+value)
			}
		}
		body := "{" + strings.Join(rapid.Permutation(parts).Draw(t, "order"), ",") + "}"
		if !json.Valid([]byte(body)) {
			t.Fatalf("the test makes no JSON: %s", body)
		}
		schema := against(commandSchema(), []byte(body))
		r := messages.Decode(message(body))
		_, phone := messages.ParsePhoneNumber(r.Command.PhoneNumber)
		if (schema == nil) != (r.Malformed == nil && phone == nil) {
			t.Fatalf("%s\nschema: %v\ndecoder: %v, %v", body, schema, r.Malformed, phone)
		}
	})
}
